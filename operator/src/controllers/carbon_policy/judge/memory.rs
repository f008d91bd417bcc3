//! Advice on the memory that a workload asks for; pure.

use std::collections::BTreeSet;
use std::sync::Arc;

use tanso_carbon::account::Account;
use tanso_carbon::recommend::memory::{
    Asks, MemoryRequest, MemorySample, NodeGives, rightsize_memory,
};
use tanso_carbon::recommend::{self, NoAdvice, WhyNot};

use super::Inputs;
use super::advise::{MINUTES_PER_DAY, covered_minutes, mean_node, replicas, target, terms};
use super::group::Workload;
use crate::ledger::{MemoryDays, PodNames};

/// A memory request that fits, or why there is none; `None` where nobody asks:
/// no agent tells of its memory and its pods ask for none, or its pods run once.
pub(super) fn fit(
    inputs: &Inputs<'_>,
    workload: &Workload<'_>,
    account: &Account,
) -> Option<Result<recommend::Recommendation, NoAdvice>> {
    if matches!(workload.key.kind, "Pod" | "Job") {
        return None;
    }
    let key = workload.key;
    let key = [key.namespace, key.kind, key.name].map(str::to_owned);
    let days = inputs.snapshot.memory.get(&key);
    // The newest pod has the request that is set now.
    let newest = workload.pods.values();
    let newest = newest.max_by_key(|pod| (pod.started_at, &pod.name))?;
    if days.is_none() && newest.memory_request_bytes.is_none() {
        return None;
    }
    let nothing = |reason, message: &str| {
        let message = message.to_owned();
        NoAdvice { reason, message }
    };
    let Some(days) = days else {
        let message = "no agent told the memory of its pods in the last 8 days";
        return Some(Err(nothing(WhyNot::TooFewSamples, message)));
    };
    let samples: Vec<MemorySample> = days
        .iter()
        .map(|(day, held)| MemorySample {
            at: day.start(),
            bytes: held.peak_bytes,
            was_killed: held.was_killed,
        })
        .collect();
    let minutes = days.values().map(|held| held.minutes).sum();
    Some(advise(
        inputs,
        workload,
        account,
        newest,
        (&samples, minutes),
    ))
}

/// Each day of memory as a line of a digest.
pub(super) fn lines(memory: &MemoryDays) -> impl Iterator<Item = String> {
    memory.iter().flat_map(|(workload, days)| {
        days.iter().map(move |(day, held)| {
            let (peak, minutes) = (held.peak_bytes, held.minutes);
            let killed = held.was_killed;
            format!("memory {day} {workload:?} {peak} {minutes} {killed}")
        })
    })
}

fn advise(
    inputs: &Inputs<'_>,
    workload: &Workload<'_>,
    account: &Account,
    newest: &PodNames,
    (samples, minutes): (&[MemorySample], u64),
) -> Result<recommend::Recommendation, NoAdvice> {
    let nothing = |reason, message: &str| {
        let message = message.to_owned();
        NoAdvice { reason, message }
    };
    let bytes = newest
        .memory_request_bytes
        .and_then(|bytes| u64::try_from(bytes).ok())
        .filter(|_| !newest.memory_container.is_empty());
    let bytes = bytes.ok_or_else(|| {
        let message = "not exactly one container of its pods asks for memory";
        nothing(WhyNot::NoRequest, message)
    })?;
    let node = node(inputs, workload).ok_or_else(|| {
        let message = "the idle energy of its nodes, or what they have to give, is not known";
        nothing(WhyNot::NoEnergy, message)
    })?;
    let intensity = account.effective_intensity().ok_or_else(|| {
        let message = "it used no energy whose intensity is known";
        nothing(WhyNot::NoEnergy, message)
    })?;
    let covered =
        covered_minutes(inputs).ok_or_else(|| nothing(WhyNot::NoEnergy, "no minute is covered"))?;
    let millicores = newest.cpu_request_milli.unwrap_or(0);
    let advice = rightsize_memory(&MemoryRequest {
        target: &target(workload),
        container: &newest.memory_container,
        samples,
        minutes,
        asks: Asks {
            millicores: u32::try_from(millicores).unwrap_or(0),
            bytes,
        },
        replicas: replicas(inputs, workload),
        node,
        intensity,
        pue: inputs.at(workload).pue,
        emissions_per_day: account.emissions.value.scaled(MINUTES_PER_DAY, covered),
        terms: terms(inputs),
    })?;
    Ok(advice.recommendation)
}

/// The mean of the nodes that the workload ran on, where all say their memory.
fn node(inputs: &Inputs<'_>, workload: &Workload<'_>) -> Option<NodeGives> {
    let idle = mean_node(inputs, workload)?;
    let names: BTreeSet<&Arc<str>> = workload.hours.iter().map(|row| &row.node).collect();
    let gives: Vec<u64> = names
        .iter()
        .map(|name| inputs.facts.allocatable_bytes(name))
        .collect::<Option<_>>()?;
    let number = u64::try_from(gives.len()).ok()?;
    let whole: u128 = gives.iter().copied().map(u128::from).sum();
    let mean = whole.checked_div(u128::from(number))?;
    Some(NodeGives {
        idle,
        allocatable_bytes: u64::try_from(mean).ok()?,
    })
}
