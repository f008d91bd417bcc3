//! Advice to run elsewhere or with fewer replicas, and what all advice saves
//! together; pure.

use std::collections::BTreeMap;

use tanso_carbon::GramsCo2e;
use tanso_carbon::account::Account;
use tanso_carbon::calendar::UtcHour;
use tanso_carbon::recommend::compose::{Measure, Site, compose};
use tanso_carbon::recommend::idle_share::{DAY_MINUTES, Standing, borne};
use tanso_carbon::recommend::move_region::{Candidate, MoveRequest, move_region, rank};
use tanso_carbon::recommend::replicas::{ReplicaRequest, fewer_in_dirty_hours};
use tanso_carbon::recommend::{NoAdvice, Recommendation, Target, Terms, WhyNot};
use tanso_power::Joules;

use super::figures::milligrams;
use super::group::Workload;
use super::scene::Scene;
use super::standing::{own_per_day, there_minutes};
use crate::controllers::carbon_policy::validate::{PlaceOf, alike};

const HOURS_PER_DAY: i32 = 24;
/// CPU time of a thousandth of a core over an hour.
const MICROSECONDS_PER_MILLICORE_HOUR: u64 = 3_600_000;

/// The workload's energy by the hour; hours in which others were seen and it
/// used none are in it.
fn load_of(scene: &Scene<'_>, workload: &Workload<'_>) -> BTreeMap<UtcHour, Joules> {
    let seen = scene.seen.iter();
    let mut load: BTreeMap<UtcHour, Joules> = seen.map(|hour| (*hour, Joules::ZERO)).collect();
    for row in workload.rows {
        *load.entry(row.hour).or_default() += row.energy.value;
    }
    load
}

/// Another region, if the policy lists any.
pub(super) fn move_away(
    scene: &Scene<'_>,
    workload: &Workload<'_>,
    target: &Target,
    terms: Terms,
) -> Result<(Recommendation, usize), NoAdvice> {
    let wanted = &scene.policy.advice;
    let nothing = |reason, message: &str| NoAdvice {
        reason,
        message: message.to_owned(),
    };
    let load = load_of(scene, workload);
    if load.values().all(|energy| *energy == Joules::ZERO) {
        return Err(nothing(WhyNot::NoEnergy, "it used no energy"));
    }
    let here = scene.at(workload);
    // Figures of one kind only: life-cycle ones are a fifth above direct ones.
    let is_alike = |place: &&PlaceOf| alike(here.series, &*place.intensity.series);
    let compared: Vec<_> = wanted.targets.iter().filter(is_alike).collect();
    if compared.is_empty() {
        let message = format!(
            "the figures of the regions are {}, those of the present one {}: not compared",
            wanted.targets.first().map_or("none".to_owned(), |place| {
                place.intensity.series.info().boundary.to_string()
            }),
            here.series.info().boundary
        );
        return Err(nothing(WhyNot::IntensityMissing, &message));
    }
    let candidates: Vec<_> = compared
        .into_iter()
        .map(|place| Candidate {
            name: &place.region,
            country: &place.country,
            latency_ms: place.latency_ms,
            series: &*place.intensity.series,
            pue: scene.policy.factor_at(place),
        })
        .collect();
    let request = MoveRequest {
        target,
        load: &load,
        current: Candidate {
            name: "the present region",
            country: "",
            latency_ms: None,
            series: here.series,
            pue: here.pue,
        },
        candidates: &candidates,
        limits: &wanted.limits,
        gigabytes_per_day: wanted.gigabytes_per_day,
        terms,
    };
    let mut advice = move_region(&request)?;
    // Hours count as whole there; the present one has only begun.
    let hours = u64::try_from(load.len()).unwrap_or(0);
    if let Some(minutes) = there_minutes(scene, workload) {
        let whole = |mass: GramsCo2e| mass.scaled(hours.saturating_mul(60), minutes);
        advice.saving_per_day = advice.saving_per_day.map(whole);
    }
    let best = rank(&request).into_iter().next();
    let index = best.and_then(|best| {
        let mut places = wanted.targets.iter();
        places.position(|place| place.region == best.name)
    });
    let index = index.ok_or_else(|| nothing(WhyNot::NoWindow, "no region is allowed"))?;
    Ok((advice, index))
}

/// Fewer replicas while the grid is dirty, if the policy says how few.
pub(super) fn fewer(
    scene: &Scene<'_>,
    workload: &Workload<'_>,
    (standing, replicas): (&Standing<'_>, u32),
    account: &Account,
) -> Result<Recommendation, NoAdvice> {
    let nothing = |message: &str| NoAdvice {
        reason: WhyNot::NoWindow,
        message: message.to_owned(),
    };
    let least = scene.policy.advice.min_replicas;
    let least = least.ok_or_else(|| nothing("the policy does not say how few may run"))?;
    if workload.key.kind != "Deployment" || replicas <= least {
        return Err(nothing("it has no replica to spare"));
    }
    let needed = needed(scene, workload);
    let here = scene.at(workload);
    // Of one of them.
    let idle = borne(standing.node, standing.asks, DAY_MINUTES);
    let advice = fewer_in_dirty_hours(&ReplicaRequest {
        target: standing.target,
        replicas,
        replicas_min: least,
        millicores_each: standing.asks.millicores,
        needed: &needed,
        standing_per_hour: Joules::from_microjoules(idle.microjoules() / 24),
        emissions_per_day: standing.with_idle(own_per_day(scene, workload, account)?),
        series: here.series,
        pue: here.pue,
        terms: standing.terms,
    })?;
    Ok(advice)
}

/// What the hours of the day ahead need, in thousandths of a core: the most of
/// the same hour of day so far. The present hour is not over and tells nothing.
fn needed(scene: &Scene<'_>, workload: &Workload<'_>) -> Vec<(UtcHour, u64)> {
    let mut by_hour: BTreeMap<UtcHour, u64> = BTreeMap::new();
    let last = scene.window.until.plus_hours(-1);
    for row in workload.rows.iter().filter(|row| row.hour < last) {
        *by_hour.entry(row.hour).or_default() += row.cpu_us / MICROSECONDS_PER_MILLICORE_HOUR;
    }
    let of_day = |hour: UtcHour| hour.unix_seconds().div_euclid(3_600).rem_euclid(24);
    let mut most: BTreeMap<i64, u64> = BTreeMap::new();
    for (hour, millicores) in by_hour {
        let seen = most.entry(of_day(hour)).or_default();
        *seen = millicores.max(*seen);
    }
    (0..HOURS_PER_DAY)
        .map(|ahead| scene.window.until.plus_hours(ahead))
        .filter_map(|hour| Some((hour, *most.get(&of_day(hour))?)))
        .collect()
}

/// What the measures save together per day, in milligrams: the load is run
/// through once with all of them.
pub(super) fn together(
    scene: &Scene<'_>,
    workload: &Workload<'_>,
    measures: &[Measure],
) -> Option<i64> {
    if measures.len() < 2 {
        return None;
    }
    let load = load_of(scene, workload);
    let here = scene.at(workload);
    let here = Site {
        series: here.series,
        pue: here.pue,
    };
    let targets = scene.policy.advice.targets.iter().map(|place| Site {
        series: &*place.intensity.series,
        pue: scene.policy.factor_at(place),
    });
    let sites: Vec<_> = std::iter::once(here).chain(targets).collect();
    let composed = compose(&load, &sites, measures).ok()?;
    let minutes = there_minutes(scene, workload)?;
    Some(milligrams(composed.saving().scaled(DAY_MINUTES, minutes)))
}
