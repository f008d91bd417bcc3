//! How a workload stands on its nodes: what its newest pod asks for, how long
//! its pods are there, and what idle energy they bear; pure.

use std::collections::BTreeMap;

use tanso_carbon::recommend::idle_share::{
    Asks, DAY_MINUTES, IdleSharing, NodeGives, NodeIdle, Standing,
};
use tanso_carbon::recommend::{NoAdvice, Target, WhyNot};
use tanso_carbon::{GramsCo2e, Intensity, account::Account};
use tanso_crds::power_monitor::IdleSharing as Charged;
use tanso_power::{Estimate, Joules};

use super::Inputs;
use super::advise::terms;
use super::group::{Pod, Workload};
use super::scene::{Node, Scene};
use crate::ledger::PodNames;

const MINUTE_S: i64 = 60;
const HOUR_S: i64 = 3_600;
const MINUTES_PER_HOUR: u64 = 60;

/// The pod that has the requests which are set now.
pub(super) fn newest<'a>(workload: &Workload<'a>) -> Option<&'a PodNames> {
    let newest = workload.pods.iter().map(|pod| pod.names);
    newest.max_by_key(|pod| (pod.started_at, &pod.name))
}

/// Why a workload's pods cannot be made anew with other requests, if so.
pub(super) fn runs_once(workload: &Workload<'_>) -> Option<NoAdvice> {
    let once = matches!(workload.key.kind, "Pod" | "Job");
    let message = "its pods run once: nothing makes them anew with a smaller request";
    once.then(|| refused(WhyNot::NoRequest, message))
}

/// What a pod asks for.
pub(super) fn asks(pod: &PodNames) -> Asks {
    let millicores = pod.cpu_request_milli.map(u32::try_from);
    let bytes = pod.memory_request_bytes.map(u64::try_from);
    Asks {
        millicores: millicores.and_then(Result::ok).unwrap_or(0),
        bytes: bytes.and_then(Result::ok).unwrap_or(0),
    }
}

/// What advice on its requests is computed from, on nodes that give so much.
pub(super) fn standing<'a>(
    scene: &Scene<'_>,
    workload: &Workload<'_>,
    (target, newest): (&'a Target, &PodNames),
    intensity: Estimate<Intensity>,
    node: NodeGives,
) -> Result<Standing<'a>, NoAdvice> {
    Ok(Standing {
        target,
        asks: asks(newest),
        pod_minutes_per_day: pod_minutes(scene, workload)?,
        node,
        intensity,
        pue: scene.at(workload).pue,
        terms: terms(scene),
    })
}

/// The intensity of the energy that it used.
pub(super) fn own_intensity(account: &Account) -> Result<Estimate<Intensity>, NoAdvice> {
    let message = "it used no energy whose intensity is known";
    let found = account.effective_intensity();
    found.ok_or_else(|| refused(WhyNot::NoEnergy, message))
}

/// What its account emits per day.
pub(super) fn own_per_day(
    scene: &Scene<'_>,
    workload: &Workload<'_>,
    account: &Account,
) -> Result<GramsCo2e, NoAdvice> {
    let there = known_minutes(scene, workload)?;
    Ok(account.emissions.value.scaled(DAY_MINUTES, there))
}

fn known_minutes(scene: &Scene<'_>, workload: &Workload<'_>) -> Result<u64, NoAdvice> {
    let there = there_minutes(scene, workload);
    there.ok_or_else(|| refused(WhyNot::NoEnergy, "no minute is covered"))
}

/// Minutes of the period that the ledger covers since a workload was first
/// there: a day of one that is new is not a day in which it was not. Where it
/// stands still or was away in between, that is its day too.
pub(super) fn there_minutes(scene: &Scene<'_>, workload: &Workload<'_>) -> Option<u64> {
    let covered = scene.covered_minutes?;
    let Some(first) = workload.rows.iter().map(|row| row.hour).min() else {
        return Some(covered);
    };
    let in_first = |pod: &&Pod<'_>| pod.rows.iter().any(|row| row.hour == first);
    let of_first = workload.pods.iter().filter(in_first);
    let of_first = of_first.filter_map(|pod| pod.names.started_at);
    // Rows know the hour that it began in, pods the second.
    let began = of_first.min().unwrap_or(i64::MIN);
    let began = began.clamp(first.unix_seconds(), first.unix_seconds() + HOUR_S);
    let since_s = scene.data_through.as_second().saturating_sub(began);
    let since = u64::try_from(since_s.div_euclid(MINUTE_S)).unwrap_or(0);
    Some(covered.min(since.max(1)))
}

/// Minutes of the period that the ledger covers.
pub(super) fn covered_minutes(inputs: &Inputs<'_>) -> Option<u64> {
    let idle = inputs.snapshot.node_idle.values();
    let most = idle.map(|(_, minutes)| *minutes).max();
    most.filter(|minutes| *minutes > 0)
}

/// Minutes of a day that all its pods together are there: all day each, but of
/// a `CronJob` as long as its runs were.
fn pod_minutes(scene: &Scene<'_>, workload: &Workload<'_>) -> Result<u64, NoAdvice> {
    if workload.key.kind != "CronJob" {
        return Ok(DAY_MINUTES.saturating_mul(u64::from(replicas(workload))));
    }
    let mut by_hour: BTreeMap<_, u64> = BTreeMap::new();
    for pod in workload.pods {
        for row in pod.rows {
            // Rows of one pod and hour differ in where their figures come from.
            *by_hour.entry((row.hour, &**pod.uid)).or_default() += row.minutes;
        }
    }
    let seen: u64 = by_hour.values().map(|of| (*of).min(MINUTES_PER_HOUR)).sum();
    let there = known_minutes(scene, workload)?;
    let per_day = u128::from(seen) * u128::from(DAY_MINUTES) / u128::from(there.max(1));
    Ok(u64::try_from(per_day).unwrap_or(u64::MAX))
}

/// Pods that used CPU in the newest minutes; at least one.
pub(super) fn replicas(workload: &Workload<'_>) -> u32 {
    let since = workload.newest_minute - 2 * MINUTE_S;
    let pods = workload.pods.iter();
    let running = pods.filter(|pod| pod.minutes.newest() >= since).count();
    u32::try_from(running).unwrap_or(u32::MAX).max(1)
}

/// The mean of the nodes that the workload ran on.
pub(super) fn mean_node(scene: &Scene<'_>, workload: &Workload<'_>) -> Result<NodeGives, NoAdvice> {
    let known = scene.nodes(workload.rows);
    let sharing = sharing(&known)?;
    let (mut idle_uj, mut millicores, mut bytes, mut nodes) = (0_u64, 0_u64, 0_u128, 0_u64);
    for Node { idle, gives, .. } in known {
        let Some(((energy, minutes), (allocatable, memory))) = idle.zip(gives) else {
            continue;
        };
        let per_day = u128::from(energy.microjoules()) * u128::from(DAY_MINUTES);
        let Some(per_day) = per_day.checked_div(u128::from(minutes)) else {
            continue;
        };
        idle_uj = idle_uj.saturating_add(u64::try_from(per_day).unwrap_or(u64::MAX));
        millicores += u64::from(allocatable);
        bytes += u128::from(memory);
        nodes += 1;
    }
    let unknown = || {
        let message = "the idle energy of its nodes, or what they have to give, is not known";
        refused(WhyNot::NoEnergy, message)
    };
    let mean = |sum: u64| sum.checked_div(nodes).ok_or_else(unknown);
    let memory = bytes.checked_div(u128::from(nodes)).ok_or_else(unknown)?;
    Ok(NodeGives {
        idle: NodeIdle {
            idle_per_day: Joules::from_microjoules(mean(idle_uj)?),
            allocatable_millicores: u32::try_from(mean(millicores)?).unwrap_or(u32::MAX),
        },
        allocatable_bytes: u64::try_from(memory).unwrap_or(u64::MAX),
        sharing,
    })
}

/// The same for what does nothing: where no request bears idle energy, or nodes
/// differ in by what it is charged, none of it is told to go.
pub(super) fn mean_node_or_nothing(scene: &Scene<'_>, workload: &Workload<'_>) -> NodeGives {
    mean_node(scene, workload).unwrap_or(NodeGives {
        idle: NodeIdle {
            idle_per_day: Joules::ZERO,
            allocatable_millicores: 0,
        },
        allocatable_bytes: 0,
        sharing: IdleSharing::LargerShare,
    })
}

/// By what its nodes' agents charge idle energy; a supposition where nobody is
/// charged.
fn sharing(nodes: &[Node]) -> Result<IdleSharing, NoAdvice> {
    let mut rules = nodes.iter().map(|node| node.sharing);
    let first = rules.next().unwrap_or_default();
    if rules.any(|other| other != first) {
        let message = "the PowerMonitors of its nodes share idle energy by different rules";
        return Err(refused(WhyNot::NoEnergy, message));
    }
    match first {
        Charged::Apart => Ok(IdleSharing::LargerShare),
        Charged::Requests => Ok(IdleSharing::CpuRequests),
        Charged::Use => {
            let message = "idle energy is charged by the CPU time used (idleSharing: Use): no request bears any";
            Err(refused(WhyNot::SavesTooLittle, message))
        }
    }
}

/// No advice, and why.
pub(super) fn refused(reason: WhyNot, message: &str) -> NoAdvice {
    let message = message.to_owned();
    NoAdvice { reason, message }
}
