//! Which pieces of advice are told first. Words are made elsewhere.

use std::cmp::Reverse;

use tanso_crds::carbon_policy::status::{Recommendation, WorkloadResult};

/// A piece of advice and whose it is.
pub type Advised<'a> = (&'a WorkloadResult, &'a Recommendation);

/// What saves the cluster most, and what moves most energy to others, which is
/// saved only if a node goes; each only where it is more than nothing.
#[must_use]
pub fn foremost(workloads: &[WorkloadResult]) -> [Option<Advised<'_>>; 2] {
    let most = |of: fn(&Recommendation) -> i64| {
        let all = workloads.iter().flat_map(|workload| {
            let advice = workload.recommendations.iter();
            advice.map(move |one| (workload, one))
        });
        all.filter(|(_, advice)| of(advice) > 0)
            .max_by_key(|(_, advice)| of(advice))
    };
    [
        most(|advice| advice.cluster_saving_milligrams_per_day),
        most(moved),
    ]
}

/// The order of advice: what the cluster saves stands before what only moves
/// to others.
#[must_use]
pub const fn rank(advice: &Recommendation) -> Reverse<(i64, i64)> {
    let all = advice.saving_milligrams_per_day.value;
    Reverse((advice.cluster_saving_milligrams_per_day, all))
}

/// What of a saving others bear instead, milligrams of CO2eq per day.
#[must_use]
pub fn moved(advice: &Recommendation) -> i64 {
    let all = advice.saving_milligrams_per_day.value;
    all.saturating_sub(advice.cluster_saving_milligrams_per_day)
}
