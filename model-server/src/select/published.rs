//! How far published figures of instances are from models of wall power.

use tanso_power::model::MachineFeatures;

use super::ladder::modelled;
use crate::catalog::instances::{INSTANCE_LOADS, InstanceFigure};
use crate::conformal::Scored;
use crate::features::Machine;
use crate::matrix::Singular;
use crate::resolve::Atlas;
use crate::tiers::{Assessed, Knowledge, Tier};

/// How far published instance figures are from wall-power models of the
/// hosts, both for the instance's share: the only check that public data allow.
///
/// # Errors
/// If a covariance has no inverse, which its own variance prevents.
pub(super) fn assess_instances(atlas: &Atlas, knowledge: &Knowledge) -> Result<Assessed, Singular> {
    let mut scored = Vec::new();
    for figure in atlas.figures().filter(|figure| figure.gpus == 0.0) {
        let features = MachineFeatures {
            instance_type: None,
            ..instance_features(figure)
        };
        let resolved = atlas.resolve(&Machine::new(features));
        let Some(curve) =
            modelled(knowledge, &resolved)?.filter(|curve| curve.tier < Tier::AnyThread)
        else {
            continue;
        };
        // The instance's loads are the curve's levels 0, 1, 5 and 10.
        let truth = [0, 1, 5, 10].map(|level| curve.watts[level]).to_vec();
        let family = figure.platform_cpu.clone();
        scored.push(Scored {
            id: figure.instance_type.clone(),
            family,
            levels: vec![0, 1, 2, 3],
            truth,
            predicted: figure.watts.to_vec(),
            deviation: 1.0,
        });
    }
    Ok(Assessed::new(
        Tier::Instance,
        &scored,
        INSTANCE_LOADS.len(),
        2,
    ))
}

fn instance_features(figure: &InstanceFigure) -> MachineFeatures {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count of a checked table, at most some hundred"
    )]
    let threads = figure.vcpus.round() as u32;
    MachineFeatures {
        cpu_name: Some(figure.platform_cpu.clone()),
        threads: Some(threads),
        mem_gb: Some(figure.mem_gb),
        virtual_machine: Some(true),
        ..MachineFeatures::default()
    }
}
