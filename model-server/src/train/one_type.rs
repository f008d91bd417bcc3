//! One node type: read its samples, fit, judge, promote.

use rusqlite::Transaction;
use serde::Serialize;
use tanso_power::model::{MachineFeatures, ModelDocument};
use tanso_power::sample::Measured;

use super::document::{self, DocumentFault, as_learned, band};
use super::now_s;
use crate::features::Machine;
use crate::learn::drift::{self, Drift};
use crate::learn::fit::fit;
use crate::learn::validate::{Verdict, validate};
use crate::learn::{Learned, Node, Trust};
use crate::select::{SelectFault, Selector};
use crate::store::types::{NodeType, PRIOR, Promotion};
use crate::store::{Store, StoreFault, documents, samples, types};
use crate::tiers::LEVEL;

/// What a training did for a type.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The node type.
    pub node_type: String,
    /// The digest promoted; none if what serves stays.
    pub promoted: Option<String>,
    /// How the newcomer was judged.
    pub verdict: Verdict,
    /// Nodes with samples.
    pub nodes: usize,
    /// Nodes that taught.
    pub trusted: usize,
    /// Samples that taught.
    pub samples: usize,
}

/// Why a type could not be trained.
#[derive(Debug, thiserror::Error)]
pub enum TrainFault {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// There is no prior.
    #[error(transparent)]
    Prior(#[from] SelectFault),
    /// The curve is no document.
    #[error(transparent)]
    Document(#[from] DocumentFault),
}

/// What a training reads.
struct Material {
    node_type: NodeType,
    machine: MachineFeatures,
    measured: Measured,
    nodes: Vec<Node>,
    incumbent: Option<ModelDocument>,
}

/// Trains a type and promotes the newcomer if it is better.
pub(super) fn train(store: &Store, selector: &Selector, name: &str) -> Result<Outcome, TrainFault> {
    let wanted = name.to_owned();
    let material = store.call_blocking(move |transaction| material(transaction, &wanted))?;
    let nodes = &material.nodes;
    let prior = band(
        &selector
            .select_at(&Machine::new(material.machine.clone()), LEVEL)?
            .document,
    );
    let incumbent = material
        .incumbent
        .as_ref()
        .map_or_else(|| Learned::from(prior.clone()), as_learned);
    let mut outcome = Outcome {
        node_type: name.to_owned(),
        promoted: None,
        verdict: Verdict::default(),
        nodes: nodes.len(),
        trusted: 0,
        samples: 0,
    };
    let Some(fit) = fit(nodes, &prior, LEVEL) else {
        "too few nodes with enough samples that agree with each other"
            .clone_into(&mut outcome.verdict.reason);
        return Ok(outcome);
    };
    outcome.trusted = fit.trusted();
    outcome.samples = fit.samples;
    outcome.verdict = validate(nodes, &fit.trust, &prior, &incumbent, LEVEL);
    let promotion = if outcome.verdict.better {
        let document = document::learned(
            material.machine.clone(),
            material.measured,
            nodes,
            &fit,
            &outcome.verdict,
            LEVEL,
        )?;
        Some(promotion(&material, &document, &outcome.verdict)?)
    } else {
        None
    };
    outcome.promoted = promotion
        .as_ref()
        .map(|promotion| promotion.document.digest.clone());
    let trust: Vec<(String, Trust)> = nodes
        .iter()
        .map(|node| node.name.clone())
        .zip(fit.trust)
        .collect();
    let name = name.to_owned();
    store.call_blocking(move |transaction| {
        types::set_trust(transaction, &name, &trust)?;
        promotion.map_or(Ok(()), |promotion| {
            types::promote(transaction, &promotion, now_s())
        })
    })?;
    Ok(outcome)
}

fn material(transaction: &Transaction<'_>, name: &str) -> Result<Material, StoreFault> {
    let node_type = types::get(transaction, name)?
        .ok_or_else(|| StoreFault::foreign("node_types", format!("no type \"{name}\"")))?;
    let machine = serde_json::from_value(node_type.machine.clone())
        .map_err(|fault| StoreFault::foreign("node_types", fault))?;
    let measured = Measured::ALL
        .into_iter()
        .find(|measured| measured.name() == node_type.measured)
        .ok_or_else(|| StoreFault::foreign("node_types", &node_type.measured))?;
    Ok(Material {
        nodes: samples::of_type(transaction, name, node_type.epoch_s - 1)?,
        incumbent: newest(transaction, &node_type)?,
        node_type,
        machine,
        measured,
    })
}

/// The newest promoted model, also if another is pinned: learning goes on.
fn newest(
    transaction: &Transaction<'_>,
    node_type: &NodeType,
) -> Result<Option<ModelDocument>, StoreFault> {
    let Some(version) = node_type.versions.first() else {
        return Ok(None);
    };
    let body = documents::get(transaction, &version.digest)?;
    let served = super::in_service::check(&version.digest, body)
        .map_err(|reason| StoreFault::foreign("documents", reason))?;
    Ok(Some(served.document))
}

fn promotion(
    material: &Material,
    document: &ModelDocument,
    verdict: &Verdict,
) -> Result<Promotion, DocumentFault> {
    let last_s = material
        .nodes
        .iter()
        .filter_map(|node| node.observations.last())
        .map(|sample| sample.at_s)
        .max();
    let replaced = material.node_type.versions.first();
    Ok(Promotion {
        type_name: material.node_type.name.clone(),
        document: documents::Kept {
            digest: document.digest()?,
            name: document.name.clone(),
            tier: "learned".to_owned(),
            body: document.to_json()?,
        },
        replaced: replaced.map_or_else(|| PRIOR.to_owned(), |version| version.digest.clone()),
        learned_until_s: last_s.unwrap_or(0),
        verdict: verdict.clone(),
    })
}

/// Looks for drift of a type since its newest model learned; notes and returns
/// one that was not known.
pub(super) fn watch(
    transaction: &Transaction<'_>,
    name: &str,
) -> Result<Option<Drift>, StoreFault> {
    let Some(node_type) = types::get(transaction, name)? else {
        return Ok(None);
    };
    let Some(version) = node_type
        .versions
        .first()
        .filter(|_| node_type.drift.is_none())
    else {
        return Ok(None);
    };
    let Some(model) = newest(transaction, &node_type)? else {
        return Ok(None);
    };
    let mut nodes = samples::of_type(transaction, name, version.learned_until_s)?;
    nodes.retain(|node| {
        !node_type
            .distrusted
            .iter()
            .any(|other| other.node == node.name)
    });
    let found = drift::watch(&nodes, &as_learned(&model));
    if let Some(drift) = &found {
        types::set_drift(transaction, name, drift)?;
    }
    Ok(found)
}
