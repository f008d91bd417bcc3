//! What stands against a move, by the policy's limits.

use std::collections::BTreeMap;

use tanso_carbon::HourlyIntensity;
use tanso_carbon::calendar::{Period, UtcHour};
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
    let mut hours = quiet(load, current.intensity);
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

/// The hours since the workload was first seen, each without energy: what is
/// carried per day is carried on days with few hours of work too.
fn quiet(load: &Load, here: &dyn HourlyIntensity) -> BTreeMap<UtcHour, Joules> {
    let seen = || load.profile.rows.iter().map(|row| row.hour);
    let (Some(first), Some(last)) = (seen().min(), seen().max()) else {
        return BTreeMap::new();
    };
    let since = Period {
        from: first,
        until: load.profile.period.until.max(last.plus_hours(1)),
    };
    let known = since.hours().filter(|hour| here.at(*hour).is_some());
    known.map(|hour| (hour, Joules::ZERO)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::presets::Presets;
    use crate::answer::profile::{Basis, Profile};
    use tanso_carbon::account::Coverage;
    use tanso_carbon::{EnergyRow, Intensity, SeriesInfo, StaticIntensity, Thresholds};
    use tanso_power::{Estimate, Provenance};

    /// A job of an hour a day had its gigabytes carried on one day of a week.
    #[test]
    fn what_is_carried_per_day_is_carried_on_each_day_since_a_workload_was_seen() {
        let first = UtcHour::from_unix_seconds(0);
        let row = |day: i32| EnergyRow {
            hour: first.plus_hours(24 * day + 2),
            place: 0,
            energy: Estimate::exact(Joules::from_microjoules(5)),
            provenance: Provenance::Measured,
        };
        let load = Load {
            found: None,
            site: None,
            presets: Presets::default(),
            thresholds: Thresholds::default(),
            profile: Profile {
                rows: (0..7).map(row).collect(),
                basis: Basis::Hourly,
                period: Period {
                    from: first,
                    until: first.plus_hours(7 * 24),
                },
                coverage: Coverage::new(1, 1),
                cpu_ms: 0,
            },
        };
        let grid = StaticIntensity::new(
            SeriesInfo::average_life_cycle("KR", "made"),
            Estimate::exact(Intensity::ZERO),
        );
        let hours = quiet(&load, &grid);
        assert_eq!(hours.len().div_ceil(24), 7);
        assert_eq!(
            hours.first_key_value().map(|(hour, _)| *hour),
            Some(row(0).hour)
        );
    }
}
