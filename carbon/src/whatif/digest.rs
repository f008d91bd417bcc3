//! The digest of all that a report is made from: who has the same digest had
//! the same energy, grids, rules and demands. Computes no figure.

use std::collections::BTreeSet;

use serde::Serialize;

use super::Inputs;
use crate::account::{EnergyRow, Place};
use crate::calendar::{Period, UtcHour};
use crate::report::Digest;
use crate::series::Point;
use crate::units::Intensity;

pub(super) fn digest(
    inputs: &Inputs<'_>,
    period: Period,
    rows: &[EnergyRow],
    places: &[Place<'_>],
) -> Digest {
    // A rule's own period may reach beyond the report's.
    let lines = inputs.energy.lines();
    let hours: BTreeSet<UtcHour> = lines.iter().map(|line| line.hour).collect();
    let grids = places.iter().map(|place| {
        let points = points(&hours, |hour| place.intensity.at(hour));
        let info = place.intensity.info();
        format!("place {info} {:?} {:?} {points}", place.pue, place.metering)
    });
    let all = lines.iter().map(|line| format!("line {line:?}")).collect();
    let marginal = inputs.marginal.map(|series| {
        let points = points(&hours, |hour| series.at(hour));
        format!("marginal {} {points}", series.info())
    });
    let market = inputs.market.map(|by| {
        format!(
            "market {} {:?} {}",
            json(&by.contracts),
            by.matching,
            json(by.residual)
        )
    });
    let head = [
        format!("period {} {}", period.from, period.until),
        format!("days {:?}", inputs.time_zone.iana_name()),
        format!("through {:?}", inputs.data_through),
        format!("zone {}", inputs.zone),
        format!("energy {} of {}", Digest::of_rows(rows), sorted(all)),
        format!("pue {:?}", inputs.pue),
        format!("demands {}", json(&inputs.thresholds)),
        format!("indicators {}", json(&inputs.indicators)),
        format!("embodied {:?}", inputs.embodied),
        format!("units {:?} {}", inputs.functional_units, inputs.unit),
        format!("base year {:?}", inputs.base_year_grams),
    ];
    let rules = inputs.presets.iter();
    let rules = rules.map(|preset| format!("rules {}", json(preset)));
    let beside = market.into_iter().chain(marginal);
    Digest::of_lines(head.into_iter().chain(beside).chain(grids).chain(rules))
}

fn points(hours: &BTreeSet<UtcHour>, at: impl Fn(UtcHour) -> Option<Point>) -> Digest {
    Digest::of_lines(hours.iter().map(|hour| {
        let point = at(*hour);
        let bounds = point.map(|point| point.intensity.map(Intensity::micrograms_per_kwh));
        let origin = point.map(|point| point.origin);
        format!("{hour} {bounds:?} {origin:?}")
    }))
}

fn sorted(mut lines: Vec<String>) -> Digest {
    lines.sort_unstable();
    Digest::of_lines(lines)
}

/// A value as text; plain fields always encode.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
