//! Model documents by digest: canonical bytes that never change.

use rusqlite::{OptionalExtension as _, Transaction, params};
use serde::Serialize;

use super::StoreFault;

/// Documents kept that no node type was promoted to.
const KEPT_MAX: i64 = 4_096;

/// A document as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its digest.
    pub digest: String,
    /// Its readable name.
    pub name: String,
    /// How it was come by.
    pub tier: String,
    /// Its canonical JSON.
    pub body: Vec<u8>,
}

/// A document in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    /// Its digest.
    pub digest: String,
    /// Its readable name.
    pub name: String,
    /// How it was come by.
    pub tier: String,
    /// When it was first made.
    pub made_at: String,
}

/// Keeps a document; the oldest of those not promoted make room.
///
/// # Errors
/// If the database refuses.
pub fn keep(transaction: &Transaction<'_>, document: &Kept, now_s: i64) -> Result<(), StoreFault> {
    let fault = StoreFault::of("keeping a model");
    let new = transaction
        .execute(
            "INSERT INTO documents (digest, name, tier, body, made_s) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            params![document.digest, document.name, document.tier, document.body, now_s],
        )
        .map_err(&fault)?;
    if new > 0 {
        transaction
            .execute(
                "DELETE FROM documents WHERE digest NOT IN (SELECT digest FROM promotions) AND rowid <=
                     (SELECT max(rowid) FROM documents) - ?",
                [KEPT_MAX],
            )
            .map_err(&fault)?;
    }
    Ok(())
}

/// A document's bytes.
///
/// # Errors
/// If the database refuses.
pub fn get(transaction: &Transaction<'_>, digest: &str) -> Result<Option<Vec<u8>>, StoreFault> {
    transaction
        .query_row(
            "SELECT body FROM documents WHERE digest = ?",
            [digest],
            |row| row.get(0),
        )
        .optional()
        .map_err(StoreFault::of("reading a model"))
}

/// All documents, the newest first, at most `most`.
///
/// # Errors
/// If the database refuses.
pub fn list(transaction: &Transaction<'_>, most: u32) -> Result<Vec<Listed>, StoreFault> {
    let fault = StoreFault::of("listing models");
    let mut select = transaction
        .prepare("SELECT digest, name, tier, made_s FROM documents ORDER BY rowid DESC LIMIT ?")
        .map_err(&fault)?;
    let rows = select
        .query_map([most], |row| {
            Ok(Listed {
                digest: row.get(0)?,
                name: row.get(1)?,
                tier: row.get(2)?,
                made_at: super::types::moment(row.get(3)?),
            })
        })
        .map_err(&fault)?;
    rows.collect::<Result<_, _>>().map_err(fault)
}
