//! Node types: what serves each, its versions, its drift, its nodes.

use rusqlite::{OptionalExtension as _, Row, Transaction, params};
use serde::Serialize;
use serde_json::Value;

use super::documents::Kept;
use super::{StoreFault, documents, unsigned};
use crate::learn::Trust;
use crate::learn::drift::Drift;
use crate::learn::validate::Verdict;

/// Stands in `pinned` and `replaced` for the model from the bundled tables.
pub const PRIOR: &str = "prior";

/// Versions of a type that are kept beside the newest and the pinned one.
const VERSIONS_MAX: i64 = 20;

/// A node type.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeType {
    /// Its name.
    pub name: String,
    /// `wall` or `rapl`.
    pub measured: String,
    /// The machine, by its features.
    pub machine: Value,
    /// The digest that serves now, or `prior`.
    pub in_service: String,
    /// The digest, or `prior`, that a person set to serve.
    pub pinned: Option<String>,
    /// The change that the model does not know.
    pub drift: Option<Drift>,
    /// The last change that was found, also if a model has learned it since.
    pub last_drift: Option<Drift>,
    /// Samples before this, seconds of Unix time, are of before the last drift
    /// and teach no more.
    pub epoch_s: i64,
    /// Nodes with samples.
    pub nodes: u64,
    /// Samples kept.
    pub samples: u64,
    /// Nodes that did not teach in the last training, with the reason.
    pub distrusted: Vec<Distrusted>,
    /// Promoted models, the newest first.
    pub versions: Vec<Version>,
}

/// A node that does not teach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Distrusted {
    /// The node.
    pub node: String,
    /// What is thought of it.
    pub trust: Value,
}

/// A promoted model.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    /// Its digest.
    pub digest: String,
    /// The digest that it replaced, or `prior`.
    pub replaced: String,
    /// When it was promoted.
    pub promoted_at: String,
    /// The last sample that it was learned from, seconds of Unix time.
    pub learned_until_s: i64,
    /// How it was judged.
    pub verdict: Verdict,
}

/// A promotion to be written.
#[derive(Clone, Debug)]
pub struct Promotion {
    /// The node type.
    pub type_name: String,
    /// The document.
    pub document: Kept,
    /// What it replaces.
    pub replaced: String,
    /// The last sample that it was learned from.
    pub learned_until_s: i64,
    /// How it was judged.
    pub verdict: Verdict,
}

/// A moment for people: RFC 3339, seconds.
#[must_use]
pub fn moment(at_s: i64) -> String {
    jiff::Timestamp::from_second(at_s).map_or_else(|_| at_s.to_string(), |at| at.to_string())
}

/// Names of all types.
///
/// # Errors
/// If the database refuses.
pub fn names(transaction: &Transaction<'_>) -> Result<Vec<String>, StoreFault> {
    let fault = StoreFault::of("listing node types");
    let mut select = transaction
        .prepare("SELECT name FROM node_types ORDER BY name")
        .map_err(&fault)?;
    let rows = select.query_map([], |row| row.get(0)).map_err(&fault)?;
    rows.collect::<Result<_, _>>().map_err(fault)
}

/// How many types' nodes draw other power than their newest model says.
///
/// # Errors
/// If the database refuses.
pub fn drifting(transaction: &Transaction<'_>) -> Result<u64, StoreFault> {
    let count = transaction
        .query_row(
            "SELECT count(*) FROM node_types WHERE drift IS NOT NULL",
            [],
            |row| row.get(0),
        )
        .map_err(StoreFault::of("counting drifts"))?;
    unsigned("node_types", count)
}

/// A type's own row.
type Head = (
    i64,
    String,
    String,
    Option<String>,
    Option<String>,
    Option<String>,
    i64,
);

/// A type with all that is known of it.
///
/// # Errors
/// If the database refuses or holds foreign rows.
pub fn get(transaction: &Transaction<'_>, name: &str) -> Result<Option<NodeType>, StoreFault> {
    let fault = StoreFault::of("reading a node type");
    let head: Option<Head> = transaction
        .query_row(
            "SELECT id, measured, machine, pinned, drift, last_drift, epoch_s FROM node_types WHERE name = ?",
            [name],
            |row| row.try_into(),
        )
        .optional()
        .map_err(&fault)?;
    let Some((id, measured, machine, pinned, drift, last_drift, epoch_s)) = head else {
        return Ok(None);
    };
    let (nodes, samples): (i64, i64) = transaction
        .query_row(
            "SELECT count(DISTINCT node), count(*) FROM samples WHERE type = ?",
            [id],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .map_err(&fault)?;
    let versions = versions(transaction, id)?;
    let newest = versions.first().map(|version| version.digest.clone());
    Ok(Some(NodeType {
        name: name.to_owned(),
        measured,
        machine: parse("node_types", &machine)?,
        in_service: pinned
            .clone()
            .or(newest)
            .unwrap_or_else(|| PRIOR.to_owned()),
        pinned,
        drift: drift.map(|drift| parse("node_types", &drift)).transpose()?,
        last_drift: last_drift
            .map(|drift| parse("node_types", &drift))
            .transpose()?,
        epoch_s,
        nodes: unsigned("samples", nodes)?,
        samples: unsigned("samples", samples)?,
        distrusted: distrusted(transaction, id)?,
        versions,
    }))
}

fn parse<T: serde::de::DeserializeOwned>(table: &'static str, text: &str) -> Result<T, StoreFault> {
    serde_json::from_str(text).map_err(|fault| StoreFault::foreign(table, fault))
}

fn written<T: Serialize>(value: &T) -> Result<String, StoreFault> {
    serde_json::to_string(value).map_err(|fault| StoreFault::foreign("promotions", fault))
}

fn versions(transaction: &Transaction<'_>, id: i64) -> Result<Vec<Version>, StoreFault> {
    let fault = StoreFault::of("reading promotions");
    let mut select = transaction
        .prepare(
            "SELECT digest, replaced, at_s, learned_until_s, report FROM promotions WHERE type = ? ORDER BY id DESC",
        )
        .map_err(&fault)?;
    let read = |row: &Row<'_>| {
        Ok((
            row.get::<_, String>(0)?,
            row.get::<_, String>(1)?,
            row.get::<_, i64>(2)?,
            row.get::<_, i64>(3)?,
            row.get::<_, String>(4)?,
        ))
    };
    let rows = select.query_map([id], read).map_err(&fault)?;
    let mut versions = Vec::new();
    for row in rows {
        let (digest, replaced, at_s, learned_until_s, report) = row.map_err(&fault)?;
        versions.push(Version {
            digest,
            replaced,
            promoted_at: moment(at_s),
            learned_until_s,
            verdict: parse("promotions", &report)?,
        });
    }
    Ok(versions)
}

fn distrusted(transaction: &Transaction<'_>, id: i64) -> Result<Vec<Distrusted>, StoreFault> {
    let fault = StoreFault::of("reading distrusted nodes");
    let mut select = transaction
        .prepare(
            "SELECT nodes.name, trust FROM trust JOIN nodes ON nodes.id = trust.node WHERE type = ? ORDER BY nodes.name",
        )
        .map_err(&fault)?;
    let rows = select
        .query_map([id], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
        })
        .map_err(&fault)?;
    let mut nodes = Vec::new();
    for row in rows {
        let (node, trust) = row.map_err(&fault)?;
        nodes.push(Distrusted {
            node,
            trust: parse("trust", &trust)?,
        });
    }
    Ok(nodes)
}

/// Writes a promotion and forgets the type's drift; all of it or nothing.
/// Versions beyond the bound are forgotten, never the pinned one.
///
/// # Errors
/// If the database refuses.
pub fn promote(
    transaction: &Transaction<'_>,
    promotion: &Promotion,
    now_s: i64,
) -> Result<(), StoreFault> {
    let fault = StoreFault::of("promoting a model");
    documents::keep(transaction, &promotion.document, now_s)?;
    transaction
        .execute(
            "INSERT INTO promotions (type, digest, replaced, at_s, learned_until_s, report)
             SELECT id, ?, ?, ?, ?, ? FROM node_types WHERE name = ?",
            params![
                promotion.document.digest,
                promotion.replaced,
                now_s,
                promotion.learned_until_s,
                written(&promotion.verdict)?,
                promotion.type_name
            ],
        )
        .map_err(&fault)?;
    transaction
        .execute(
            "UPDATE node_types SET drift = NULL WHERE name = ?",
            [&promotion.type_name],
        )
        .map_err(&fault)?;
    transaction
        .execute(
            "DELETE FROM promotions WHERE type = (SELECT id FROM node_types WHERE name = ?1)
             AND digest IS NOT (SELECT pinned FROM node_types WHERE name = ?1)
             AND id NOT IN (SELECT p.id FROM promotions p JOIN node_types t ON t.id = p.type
                            WHERE t.name = ?1 ORDER BY p.id DESC LIMIT ?2)",
            params![promotion.type_name, VERSIONS_MAX],
        )
        .map_err(&fault)?;
    Ok(())
}

/// Sets which model serves a type: a digest of its versions, [`PRIOR`], or
/// `None` for the newest. `false` if there is no such type or version.
///
/// # Errors
/// If the database refuses.
pub fn pin(
    transaction: &Transaction<'_>,
    name: &str,
    pinned: Option<&str>,
) -> Result<bool, StoreFault> {
    let changed = transaction
        .execute(
            "UPDATE node_types SET pinned = ?2 WHERE name = ?1 AND (?2 IS NULL OR ?2 = 'prior' OR EXISTS
                 (SELECT 1 FROM promotions WHERE promotions.type = node_types.id AND digest = ?2))",
            params![name, pinned],
        )
        .map_err(StoreFault::of("pinning a model"))?;
    Ok(changed > 0)
}

/// Notes a drift; samples from before it teach no more.
///
/// # Errors
/// If the database refuses.
pub fn set_drift(
    transaction: &Transaction<'_>,
    name: &str,
    drift: &Drift,
) -> Result<(), StoreFault> {
    transaction
        .execute(
            "UPDATE node_types SET drift = ?1, last_drift = ?1, epoch_s = ?2 WHERE name = ?3",
            params![written(drift)?, drift.since_s, name],
        )
        .map_err(StoreFault::of("noting a drift"))?;
    Ok(())
}

/// Notes what a training thought of a type's nodes.
///
/// # Errors
/// If the database refuses.
pub fn set_trust(
    transaction: &Transaction<'_>,
    name: &str,
    trust: &[(String, Trust)],
) -> Result<(), StoreFault> {
    let fault = StoreFault::of("noting distrusted nodes");
    transaction
        .execute(
            "DELETE FROM trust WHERE type = (SELECT id FROM node_types WHERE name = ?)",
            [name],
        )
        .map_err(&fault)?;
    for (node, trust) in trust {
        if *trust == Trust::Trusted {
            continue;
        }
        transaction
            .execute(
                "INSERT INTO trust (type, node, trust)
                 SELECT node_types.id, nodes.id, ? FROM node_types, nodes WHERE node_types.name = ? AND nodes.name = ?",
                params![written(trust)?, name, node],
            )
            .map_err(&fault)?;
    }
    Ok(())
}
