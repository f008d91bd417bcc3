//! Advice on the memory that a workload asks for; pure.

use std::collections::BTreeMap;

use tanso_carbon::account::Account;
use tanso_carbon::calendar::UtcHour;
use tanso_carbon::recommend::memory::{DAYS, MemoryRequest, MemorySample, rightsize_memory};
use tanso_carbon::recommend::taken::Resource;
use tanso_carbon::recommend::{NoAdvice, WhyNot};

use super::advise::{Fit, target};
use super::group::{Pod, Workload};
use super::scene::Scene;
use super::standing::{
    mean_node, newest, own_intensity, own_per_day, refused, runs_once, standing,
};
use crate::ledger::{MemoryDay, PodNames};

/// A pod that was there for so long should have been told of: agents look at
/// each a few times a minute.
const TOLD_AFTER_MINUTES: u64 = 10;

/// A memory request that fits, or why there is none; `None` where nobody asks:
/// no agent tells of its memory and its pods ask for none.
pub(super) fn fit(
    scene: &Scene<'_>,
    workload: &Workload<'_>,
    account: &Account,
) -> Option<Result<Fit, NoAdvice>> {
    let days = workload.memory_days;
    let newest = newest(workload)?;
    if days.is_none() && newest.memory_request_bytes.is_none() {
        return None;
    }
    if let Some(why) = runs_once(workload) {
        return Some(Err(why));
    }
    let Some(days) = days else {
        let message = "no agent told the memory of its pods in the last 8 days";
        return Some(Err(refused(WhyNot::TooFewSamples, message)));
    };
    let all_told = missing(scene, workload);
    Some(all_told.and_then(|()| advise(scene, workload, account, newest, days)))
}

/// Whether an agent told of all its pods that were there for a while in the
/// days that count: the others may have held more.
fn missing(scene: &Scene<'_>, workload: &Workload<'_>) -> Result<(), NoAdvice> {
    let hours = i32::try_from(DAYS * 24).unwrap_or(i32::MAX);
    let from = scene.window.until.plus_hours(-hours);
    // One that is in no row runs without using energy.
    let now = scene.data_through.as_second();
    let was_there = |pod: &Pod<'_>| {
        if pod.rows.is_empty() {
            let silent_s = now.saturating_sub(pod.names.started_at.unwrap_or(now));
            return u64::try_from(silent_s / 60).unwrap_or(0);
        }
        let counts = pod.rows.iter().filter(|row| row.hour >= from);
        counts.map(|row| row.minutes).sum()
    };
    let due = workload.pods.iter();
    let due = due.filter(|pod| was_there(pod) >= TOLD_AFTER_MINUTES);
    let told = &scene.snapshot.memory_told;
    let is_told = |pod: &&Pod<'_>| told.contains(&**pod.uid);
    let (known, unknown): (Vec<&Pod<'_>>, Vec<_>) = due.partition(is_told);
    if unknown.is_empty() {
        return Ok(());
    }
    let message = format!(
        "memory is told for {} of {} pods that were there for {TOLD_AFTER_MINUTES} minutes and more: the others may have held more",
        known.len(),
        known.len() + unknown.len()
    );
    Err(refused(WhyNot::TooFewSamples, &message))
}

fn advise(
    scene: &Scene<'_>,
    workload: &Workload<'_>,
    account: &Account,
    newest: &PodNames,
    days: &BTreeMap<UtcHour, MemoryDay>,
) -> Result<Fit, NoAdvice> {
    if newest.memory_container.is_empty() {
        let message = "not exactly one container of its pods asks for memory";
        return Err(refused(WhyNot::NoRequest, message));
    }
    // As long as a peak counts: the ledger has the day before it too.
    let now = scene.data_through.as_second();
    let counts = |day: &UtcHour| now.saturating_sub(day.unix_seconds()) < DAYS * 86_400;
    let days = || days.iter().filter(|(day, _)| counts(day));
    let samples: Vec<MemorySample> = days()
        .map(|(day, held)| MemorySample {
            at: day.start(),
            bytes: held.peak_bytes,
            killed_with: held.killed_with,
        })
        .collect();
    let (goal, intensity) = (target(workload), own_intensity(account)?);
    let standing = standing(
        scene,
        workload,
        (&goal, newest),
        intensity,
        mean_node(scene, workload)?,
    )?;
    let advice = rightsize_memory(&MemoryRequest {
        standing,
        container: &newest.memory_container,
        samples: &samples,
        minutes: days().map(|(_, held)| held.minutes).sum(),
        own_per_day: own_per_day(scene, workload, account)?,
    })?;
    Ok(Fit {
        advice: advice.recommendation,
        resource: Resource::Memory,
        container: newest.memory_container.clone(),
        asked: standing.asks.bytes,
        advised: advice.sizes.target_bytes,
    })
}
