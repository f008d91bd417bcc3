//! What stands against a move, by the policy's limits.

use std::collections::BTreeMap;

use tanso_carbon::calendar::UtcHour;
use tanso_carbon::recommend::Target;
use tanso_carbon::recommend::Terms as AdviceTerms;
use tanso_carbon::recommend::move_region::{Candidate, Limits, MoveRequest, rank};
use tanso_carbon::regions::Region;
use tanso_crds::carbon_policy::status::Bounded;
use tanso_power::Joules;

use super::Load;
use crate::answer::compare::milligrams_of;
use crate::view::PlaceAt;

/// What stands against a region, or what it emits with the network in it.
pub(super) type Outcomes = BTreeMap<String, Result<Bounded, String>>;

pub(super) fn outcomes(
    load: &Load,
    placed: &[(&Region, PlaceAt)],
    now: jiff::Timestamp,
) -> Outcomes {
    let (Some(found), Some(site)) = (&load.found, &load.site) else {
        return Outcomes::new();
    };
    let advice = &found.policy.spec.recommendations;
    let latency = |name: &str| {
        let listed = advice.regions.iter().find(|one| one.name == name);
        listed.and_then(|one| u32::try_from(one.latency_ms?).ok())
    };
    let metering = site.metering;
    let candidates: Vec<_> = placed
        .iter()
        .map(|(region, place)| Candidate {
            name: &region.region,
            country: &region.country,
            latency_ms: latency(&region.region),
            series: &*place.intensity.series,
            pue: place.place(metering).pue_factor().value,
        })
        .collect();
    let here = site.places();
    let Some(current) = here.first() else {
        return Outcomes::new();
    };
    let mut hours: BTreeMap<UtcHour, Joules> = BTreeMap::new();
    for row in &load.profile.rows {
        *hours.entry(row.hour).or_default() += row.energy.value;
    }
    let request = MoveRequest {
        target: &Target {
            namespace: found.result.namespace.clone(),
            kind: found.result.kind.clone(),
            name: found.result.name.clone(),
        },
        load: &hours,
        current: Candidate {
            name: "site",
            country: "",
            latency_ms: None,
            series: current.intensity,
            pue: current.pue_factor().value,
        },
        candidates: &candidates,
        limits: &Limits {
            allowed: advice.regions.iter().map(|one| one.name.clone()).collect(),
            residency: advice.residency.clone(),
            latency_ms_max: advice.latency_ms_max.and_then(|ms| u32::try_from(ms).ok()),
        },
        gigabytes_per_day: u64::try_from(advice.gigabytes_per_day).unwrap_or(0),
        terms: AdviceTerms {
            now,
            min_saving_percent: 0.0,
        },
    };
    let ranked = rank(&request).into_iter();
    ranked
        .map(|one| (one.name, one.outcome.map(milligrams_of)))
        .collect()
}
