//! Advice about the cluster as a whole: nodes that could be emptied; pure.

use tanso_carbon::GramsCo2e;
use tanso_carbon::account::Account;
use tanso_carbon::recommend::consolidate::{Consolidation, consolidate};
use tanso_carbon::recommend::idle_share::DAY_MINUTES;
use tanso_carbon::recommend::{Action, NoAdvice, WhyNot};
use tanso_crds::carbon_policy::status::Recommendation;
use tanso_power::Joules;

use super::Inputs;
use super::figures::{bounded, milligrams, nearest, short};
use super::standing::{covered_minutes, refused};

/// Which nodes can go, for a policy that sees all of the cluster; or why none
/// can.
pub(super) fn advise(inputs: &Inputs<'_>, account: &Account) -> Result<Recommendation, NoAdvice> {
    if !inputs.is_whole {
        let message = "the policy does not see all of the cluster: a ClusterCarbonPolicy that selects every namespace does";
        return Err(refused(WhyNot::NotApplicable, message));
    }
    let (nodes, load) = (inputs.facts.nodes(), inputs.facts.load());
    if nodes.len() < 2 {
        let message = format!("nodes that are known: {}, so none can go", nodes.len());
        return Err(refused(WhyNot::NotApplicable, &message));
    }
    let intensity = account.effective_intensity().ok_or_else(|| {
        let message = "none of the energy has an intensity, so no saving can be told";
        refused(WhyNot::IntensityMissing, message)
    })?;
    let all = nodes.len();
    let nodes: Vec<_> = nodes
        .into_iter()
        .filter_map(|mut node| {
            // A node whose idle energy is not known is never said to save any.
            let (idle, minutes) = *inputs.snapshot.node_idle.get(node.name.as_str())?;
            let per_day = u128::from(idle.microjoules()) * u128::from(DAY_MINUTES);
            let per_day = per_day.checked_div(u128::from(minutes))?;
            node.idle_per_day = Joules::from_microjoules(u64::try_from(per_day).ok()?);
            Some(node)
        })
        .collect();
    let per_day = account
        .emissions
        .value
        .scaled(DAY_MINUTES, covered_minutes(inputs).unwrap_or(0));
    if nodes.is_empty() {
        let message = format!("the idle energy of none of {all} nodes is known");
        return Err(refused(WhyNot::NoEnergy, &message));
    }
    let found = consolidate(&nodes, &load, intensity, inputs.policy.factor())?;
    Ok(shown(&found, per_day, nodes.len()))
}

fn shown(found: &Consolidation, per_day: GramsCo2e, nodes: usize) -> Recommendation {
    let saving = found.saving_per_day.value.as_grams_f64();
    let share = if per_day == GramsCo2e::ZERO {
        0.0
    } else {
        saving / per_day.as_grams_f64() * 1e5
    };
    let moves: Vec<_> = found
        .moves
        .iter()
        .map(|(pod, node)| format!("{pod} to {node}"))
        .collect();
    let pods = found.moves.len();
    let bounds = bounded(found.saving_per_day, milligrams);
    Recommendation {
        action: Action::Consolidate.as_str().to_owned(),
        cluster_saving_milligrams_per_day: bounds.value,
        saving_milligrams_per_day: bounds,
        saving_milli_percent: nearest(share),
        confidence: "Medium".to_owned(),
        basis: short(
            &format!(
                "{pods} pods fit by their requests onto {} of {nodes} nodes, a tenth kept free; saved is the idle energy of those that go, so they must be switched off; local volumes and affinity are not looked at: {}",
                nodes - found.nodes.len(),
                if moves.is_empty() {
                    "nothing has to move".to_owned()
                } else {
                    moves.join(", ")
                }
            ),
            512,
        ),
        change: short(
            &format!(
                "kubectl drain --ignore-daemonsets {} and switch off",
                found.nodes.join(" ")
            ),
            512,
        ),
        schedule: None,
        windows: Vec::new(),
    }
}
