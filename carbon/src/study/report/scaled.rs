//! A difference in energy as what people pay for: power, a day, a change,
//! grams by grid.

use serde::Serialize;
use tanso_power::Estimate;

use super::Compared;
use crate::study::plan::{Arm, Plan};
use crate::study::sample::Sample;
use crate::study::strata::weighted;
use crate::study::trial::{Trials, Unit};

const SECONDS_PER_DAY: f64 = 86_400.0;
const JOULES_PER_WATT_HOUR: f64 = 3_600.0;

/// The headline's difference in energy, scaled; each with the interval that
/// follows from the difference's, of the plan's confidence.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Scaled {
    /// The mean length of both arms' measured phases, in seconds.
    pub duration_seconds: Option<f64>,
    /// The difference as power, in watts.
    pub power_watts: Option<Estimate<f64>>,
    /// The difference over a day at that power, in watt-hours.
    pub day_watt_hours: Option<Estimate<f64>>,
    /// The difference for each change applied, in joules; absent if the arm
    /// applies none.
    pub change_joules: Option<Estimate<f64>>,
    /// The day's difference on each grid.
    pub carbon: Vec<ZoneCarbon>,
}

/// A day's difference on a grid.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ZoneCarbon {
    /// The grid's zone.
    pub zone: String,
    /// Its average intensity, gCO2eq/kWh.
    pub grams_per_kwh: f64,
    /// Where that is from.
    pub source: String,
    /// The difference a day, in grams, location-based, PUE not counted.
    pub day_grams: Estimate<f64>,
}

/// The mean length of an arm's measured phases, its parts by their share as their
/// energy is; `None` if a length is not known.
fn length(arm: &Arm, trials: &Trials) -> Option<f64> {
    let part = |(kind, share): (&str, f64)| {
        let rows = trials.measured().filter(|row| row.arm == kind);
        let all: Option<Vec<_>> = rows
            .map(|row| row.duration.map(|duration| duration.as_secs_f64()))
            .collect();
        Some((share, Sample::try_new(all?).ok()?.mean()))
    };
    let parts: Option<Vec<_>> = arm.parts().into_iter().map(part).collect();
    Some(weighted(&parts?))
}

/// The scaled difference of an energy; `None` for other responses.
pub(super) fn scale(plan: &Plan, trials: &Trials, compared: &Compared) -> Option<Scaled> {
    let headline = compared.headline(plan.headline)?;
    if compared.unit != Unit::Joules {
        return None;
    }
    // An interval by Student's t holds its middle; factors are above 0.
    let by = |factor: f64| Estimate {
        low: headline.interval.low * factor,
        value: headline.difference * factor,
        high: headline.interval.high * factor,
    };
    let length = |name: &str| length(plan.arm(name)?, trials);
    let duration = length(&compared.comparison.arm).zip(length(&compared.comparison.against));
    let duration = duration.map(|(arm, against)| f64::midpoint(arm, against));
    let duration = duration.filter(|mean| *mean > 0.0);
    let changes = plan
        .arm(&compared.comparison.arm)
        .and_then(|arm| arm.changes_per_trial)
        .filter(|count| *count > 0);
    let day = duration.map(|seconds| SECONDS_PER_DAY / JOULES_PER_WATT_HOUR / seconds);
    let carbon = |factor: f64| {
        let zones = plan.zones.iter();
        let price = |zone: &crate::study::plan::GridZone| ZoneCarbon {
            zone: zone.zone.clone(),
            grams_per_kwh: zone.grams_per_kwh,
            source: zone.source.clone(),
            day_grams: by(factor / 1_000.0 * zone.grams_per_kwh),
        };
        zones.map(price).collect()
    };
    Some(Scaled {
        duration_seconds: duration,
        power_watts: duration.map(|seconds| by(1.0 / seconds)),
        day_watt_hours: day.map(by),
        change_joules: changes.map(|count| by(1.0 / f64::from(count))),
        carbon: day.map(carbon).unwrap_or_default(),
    })
}
