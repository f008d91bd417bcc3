//! What of idle nodes a workload's requests bear, by the rule that the agents
//! of its nodes share idle energy by: the same as behind the policy's advice.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Node;
use tanso_carbon::recommend::idle_share::{
    Asks, DAY_MINUTES, IdleSharing, NodeGives, NodeIdle, borne,
};
use tanso_crds::PowerMonitor;
use tanso_crds::power_monitor::IdleSharing as Charged;
use tanso_power::Joules;

use super::{Change, milligrams};
use crate::answer::find::Found;
use crate::answer::judge::Judged;
use crate::view::{
    Energy, EnergyAccount, Facts, Scope, Site, WorkloadKey, allocatable, allocatable_bytes,
};

/// What its nodes give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Idle {
    pub(super) node: NodeGives,
    /// Whether it is known to the caller by what rule idle energy is shared.
    is_rule_seen: bool,
}

/// What the nodes give, or why that is not known; `Err(None)` if no change
/// asks for it.
pub(super) type OfNodes = Result<Idle, Option<String>>;

/// The mean of the nodes that the workload ran on, if a change is about
/// requests.
pub(super) async fn of_nodes(facts: &dyn Facts, found: &Found, changes: &[Change]) -> OfNodes {
    if !changes.iter().any(is_of_requests) {
        return Err(None);
    }
    let said = |text: &str| Some(text.to_owned());
    let window = found.policy.window();
    let window = window.ok_or_else(|| said("not evaluated yet"))?;
    let energy = facts.energy(&Scope::All, window).await;
    let energy = energy.map_err(|fault| Some(fault.to_string()))?;
    let nodes = facts.nodes().await;
    let nodes = nodes.map_err(|fault| Some(fault.to_string()))?;
    let listed = facts.listed_monitors().await.unwrap_or_default();
    let monitors = listed.items;
    let node = mean(&nodes, &monitors, &energy, &found.name().key());
    Ok(Idle {
        node: node.map_err(Some)?,
        // One that cannot be read may be that of its nodes.
        is_rule_seen: !monitors.is_empty() && listed.unreadable.is_empty(),
    })
}

const fn is_of_requests(change: &Change) -> bool {
    matches!(change, Change::Resize { .. } | Change::Replicas { .. })
}

fn mean(
    nodes: &[Node],
    monitors: &[PowerMonitor],
    energy: &Energy,
    key: &WorkloadKey,
) -> Result<NodeGives, String> {
    let (mut idle, mut used) = (BTreeMap::new(), BTreeSet::new());
    for row in &energy.rows {
        match &row.account {
            EnergyAccount::Named(name) if **name == *"idle" => {
                let sum: &mut (u64, u64) = idle.entry(&*row.node).or_default();
                sum.0 = sum.0.saturating_add(row.energy.value.microjoules());
                sum.1 = sum.1.saturating_add(row.minutes);
            }
            EnergyAccount::Workload(other) if **other == *key => {
                used.insert(&*row.node);
            }
            _ => {}
        }
    }
    let (mut per_day, mut millicores, mut bytes, mut count) = (0_u128, 0_u64, 0_u128, 0_u64);
    let mut rules = Vec::new();
    for node in nodes {
        let name = node.metadata.name.as_deref().unwrap_or_default();
        // Where its hours cannot be told apart, any node may be its own.
        if !used.is_empty() && !used.contains(name) {
            continue;
        }
        let known = idle.get(name).filter(|(_, minutes)| *minutes > 0);
        let (Some((uj, minutes)), Some(cpu)) = (known, allocatable(node)) else {
            continue;
        };
        per_day += u128::from(*uj) * u128::from(DAY_MINUTES) / u128::from(*minutes);
        millicores += cpu;
        bytes += u128::from(allocatable_bytes(node).unwrap_or(0));
        count += 1;
        rules.push(charged_on(node, monitors));
    }
    let none = || "no node of its own with idle energy is visible to you".to_owned();
    let mean = per_day.checked_div(u128::from(count)).ok_or_else(none)?;
    Ok(NodeGives {
        idle: NodeIdle {
            idle_per_day: Joules::from_microjoules(u64::try_from(mean).unwrap_or(u64::MAX)),
            allocatable_millicores: u32::try_from(millicores / count).unwrap_or(u32::MAX),
        },
        allocatable_bytes: u64::try_from(bytes / u128::from(count)).unwrap_or(u64::MAX),
        sharing: sharing(&rules)?,
    })
}

/// Who is charged with a node's idle energy, by the monitor that measures it.
fn charged_on(node: &Node, monitors: &[PowerMonitor]) -> Charged {
    let labels = node.metadata.labels.clone().unwrap_or_default();
    let is_its = |monitor: &&PowerMonitor| {
        let wanted = &monitor.spec.agent.node_selector;
        wanted
            .iter()
            .all(|(key, value)| labels.get(key) == Some(value))
    };
    let monitor = monitors.iter().find(is_its);
    monitor.map_or(Charged::default(), |one| one.spec.agent.idle_sharing)
}

/// The rule of all its nodes.
fn sharing(rules: &[Charged]) -> Result<IdleSharing, String> {
    let first = rules.first().copied().unwrap_or_default();
    if rules.iter().any(|other| *other != first) {
        return Err("the PowerMonitors of its nodes share idle energy by different rules".into());
    }
    Ok(match first {
        Charged::Apart => IdleSharing::LargerShare,
        Charged::Requests => IdleSharing::CpuRequests,
        Charged::Use => IdleSharing::CpuTime,
    })
}

/// What a change of requests moves to others per day, milligrams of CO2eq.
pub(super) fn moved(change: &Change, node: NodeGives, before: &Judged, site: &Site) -> Option<i64> {
    let asks = |millicores: u32, memory: Option<u64>| Asks {
        millicores,
        bytes: memory.unwrap_or(0),
    };
    let days = |pods: u32| DAY_MINUTES.saturating_mul(u64::from(pods));
    let (was, is) = match *change {
        Change::Resize {
            from_millicores,
            to_millicores,
            replicas,
            memory_bytes,
        } => {
            let by = |millicores| borne(node, asks(millicores, memory_bytes), days(replicas));
            (by(from_millicores), by(to_millicores))
        }
        Change::Replicas {
            from,
            to,
            request_millicores,
            memory_bytes,
        } => {
            let by = |pods| borne(node, asks(request_millicores, memory_bytes), days(pods));
            (by(from), by(to))
        }
        _ => return None,
    };
    let intensity = before.account.effective_intensity()?.value;
    let pue = site.places().first()?.pue_factor().value;
    let mass = |energy| milligrams(intensity.emissions_of(energy, pue));
    Some(mass(was).saturating_sub(mass(is)))
}

/// What a reader must know of these figures.
pub(super) fn notes(of_nodes: &OfNodes, changes: &[Change]) -> Vec<String> {
    let Idle { node, is_rule_seen } = match of_nodes {
        Err(None) => return Vec::new(),
        Err(Some(why)) => {
            return vec![format!(
                "the idle share of requests was not computed: {why}"
            )];
        }
        Ok(idle) => idle,
    };
    let mut notes = vec![format!(
        "a smaller request or fewer replicas do the same work: the workload's own energy stays, and the idle share moves to others unless a node goes; {}",
        node.sharing.in_words()
    )];
    let lacks_memory = |change: &Change| {
        matches!(
            change,
            Change::Resize {
                memory_bytes: None,
                ..
            } | Change::Replicas {
                memory_bytes: None,
                ..
            }
        )
    };
    if node.sharing == IdleSharing::CpuTime {
        notes.push("no request bears any of it (idleSharing: Use), so nothing moves".to_owned());
    } else if node.sharing == IdleSharing::LargerShare && changes.iter().any(lacks_memory) {
        notes.push("what pods ask for of memory was not given (memoryBytes): where that is the larger share of a node, less of it moves".to_owned());
    }
    if !is_rule_seen {
        notes.push(
            "PowerMonitors, which may charge it by another rule, are not visible to you, or one cannot be read by this version of tanso".to_owned(),
        );
    }
    notes
}

#[cfg(test)]
mod tests;
