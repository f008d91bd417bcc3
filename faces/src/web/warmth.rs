//! What is read before anybody asks: the first page, and the workloads that lists
//! go through. It is read again when a policy changed, as long as the process
//! lives, and takes a twentieth of one processor at most.

use std::time::Duration;

use super::Web;
use super::overview::widest;
use crate::view::{Facts, FactsFault, Scope};

/// Shortest time between two readings: policies that are evaluated together are
/// read together.
pub(super) const PAUSE: Duration = Duration::from_secs(10);
/// Longest time for which anybody waits for the first reading.
pub(super) const COLD_MAX: Duration = Duration::from_secs(10);
/// How many times as long as a reading took none is begun.
const REST: u32 = 20;
/// How many failures in a row double the rest.
const FAILED_MAX: u32 = 5;
/// Most workloads that are read ahead, some hundreds of bytes each: an eighth of
/// what the pages of policies may hold, so that reading ahead never throws out
/// what callers asked for.
const ROWS: usize = 25_000;

/// How long nothing is read after a reading that took so long; longer after each of
/// several that failed.
pub(super) fn rest(taken: Duration, failed: u32) -> Duration {
    let rest = taken.saturating_mul(REST).max(PAUSE);
    rest.saturating_mul(1 << failed.saturating_sub(1).min(FAILED_MAX))
}

/// Reads what the page shows who names no policy, and then what a list over all
/// policies goes through, and keeps it.
pub(super) async fn warm(web: &Web, facts: &dyn Facts) -> Result<(), FactsFault> {
    let mut policies = facts.policies(&Scope::All).await?;
    let Some(first) = widest(&policies).map(|first| first.uid.clone()) else {
        return Ok(());
    };
    // Those that list all in their status have no pages to read; a thousand small
    // ones need not stay while others' pages are.
    policies.retain(|one| one.uid == first || one.status.workloads_not_listed > 0);
    policies.shrink_to_fit();
    let Some(first) = policies.iter().find(|one| one.uid == first) else {
        return Ok(());
    };
    let (workloads, hours) = tokio::join!(facts.workloads(first), web.cache.hours(facts, first));
    let mut rows = workloads?.len();
    hours?;
    for policy in policies.iter().filter(|one| one.uid != first.uid) {
        let status = &policy.status;
        let more = usize::try_from(status.workloads_not_listed).unwrap_or(usize::MAX);
        rows = rows.saturating_add(status.workloads.len().saturating_add(more));
        if rows > ROWS {
            break;
        }
        facts.workloads(policy).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
