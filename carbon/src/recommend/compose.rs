//! What several changes save together: the hours are run through again with
//! all of them. Percentages are never added: a second change acts on what the
//! first has left.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tanso_power::Joules;

use super::{NoAdvice, WhyNot};
use crate::calendar::UtcHour;
use crate::series::HourlyIntensity;
use crate::units::{GramsCo2e, Pue};

/// Thousandths in a whole.
const WHOLE: u32 = 1_000;

/// A place where the work could be done.
#[derive(Clone, Copy)]
pub struct Site<'a> {
    /// Its grid.
    pub series: &'a dyn HourlyIntensity,
    /// Its facility's factor.
    pub pue: Pue,
}

/// A change of the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Measure {
    /// So many thousandths of the energy stay.
    Keep(u32),
    /// All of it runs so many hours later, or earlier if negative.
    Shift(i32),
    /// It runs at the site with this index.
    Move(usize),
}

/// What changes save alone and together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Composed {
    /// What is emitted without any.
    pub before: GramsCo2e,
    /// What is left with all of them.
    pub after: GramsCo2e,
    /// What each would leave alone, in the order given.
    pub alone: Vec<GramsCo2e>,
}

impl Composed {
    /// What all of them save together.
    #[must_use]
    pub const fn saving(&self) -> GramsCo2e {
        self.before.saturating_sub(self.after)
    }

    /// The same in percent; negative if they cost.
    #[must_use]
    pub fn saving_percent(&self) -> f64 {
        if self.before == GramsCo2e::ZERO {
            return 0.0;
        }
        (1.0 - self.after.as_grams_f64() / self.before.as_grams_f64()) * 100.0
    }
}

/// Runs the energy of each hour, at the IT equipment, through no change, each
/// change alone, and all of them.
///
/// # Errors
/// If a site is not there, or an hour's intensity is not known.
pub fn compose(
    load: &BTreeMap<UtcHour, Joules>,
    sites: &[Site<'_>],
    measures: &[Measure],
) -> Result<Composed, NoAdvice> {
    let alone = measures
        .iter()
        .map(|one| simulate(load, sites, std::slice::from_ref(one)));
    Ok(Composed {
        before: simulate(load, sites, &[])?,
        after: simulate(load, sites, measures)?,
        alone: alone.collect::<Result<_, _>>()?,
    })
}

fn simulate(
    load: &BTreeMap<UtcHour, Joules>,
    sites: &[Site<'_>],
    measures: &[Measure],
) -> Result<GramsCo2e, NoAdvice> {
    let (mut site, mut shift) = (0, 0_i32);
    let mut kept: Vec<u32> = Vec::new();
    for measure in measures {
        match measure {
            Measure::Keep(thousandths) => kept.push((*thousandths).min(WHOLE)),
            Measure::Shift(hours) => shift = shift.saturating_add(*hours),
            Measure::Move(index) => site = *index,
        }
    }
    let site = sites.get(site).ok_or_else(|| {
        let message = format!("site {site} is not one of the {}", sites.len());
        NoAdvice::new(WhyNot::Invalid, message)
    })?;
    let kind = |site: &Site<'_>| {
        let info = site.series.info();
        (info.method, info.boundary, info.basis)
    };
    if sites.first().is_some_and(|here| kind(here) != kind(site)) {
        let message = format!(
            "the figures of zone {} are not of the kind of those here",
            site.series.info().zone
        );
        return Err(NoAdvice::new(WhyNot::Invalid, message));
    }
    let mut sum = GramsCo2e::ZERO;
    for (hour, energy) in load {
        let at = hour.plus_hours(shift);
        let point = site.series.at(at).ok_or_else(|| {
            let zone = &site.series.info().zone;
            let message = format!("the intensity of zone {zone} is not known at {at}");
            NoAdvice::new(WhyNot::IntensityMissing, message)
        })?;
        let left = kept
            .iter()
            .fold(*energy, |energy, thousandths| part(energy, *thousandths));
        sum += point.intensity.value.emissions_of(left, site.pue);
    }
    Ok(sum)
}

fn part(energy: Joules, thousandths: u32) -> Joules {
    let product = u128::from(energy.microjoules()) * u128::from(thousandths);
    let rounded = (product + u128::from(WHOLE / 2)) / u128::from(WHOLE);
    Joules::from_microjoules(u64::try_from(rounded).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::{IntensitySeries, Origin, Point, SeriesInfo};
    use crate::units::Intensity;

    fn series(zone: &str, figures: &[f64]) -> IntensitySeries {
        let start = UtcHour::from_unix_seconds(0);
        let points = (0..).zip(figures).map(|(hour, figure)| {
            let value = Intensity::try_from_grams_per_kwh(*figure).unwrap();
            (
                start.plus_hours(hour),
                Point::exact(value, Origin::Published),
            )
        });
        IntensitySeries::try_new(SeriesInfo::average_life_cycle(zone, "test"), points).unwrap()
    }

    #[test]
    fn twenty_ten_and_thirty_percent_are_not_sixty_but_49_6() {
        let here = series("A", &[500.0, 450.0]);
        let there = series("B", &[350.0, 315.0]);
        let sites = [
            Site {
                series: &here,
                pue: Pue::ONE,
            },
            Site {
                series: &there,
                pue: Pue::ONE,
            },
        ];
        let kwh = Joules::from_microjoules(3_600_000_000_000);
        let load = [(UtcHour::from_unix_seconds(0), kwh)].into();
        let measures = [Measure::Keep(800), Measure::Shift(1), Measure::Move(1)];
        let composed = compose(&load, &sites, &measures).unwrap();
        assert!(
            (composed.saving_percent() - 49.6).abs() < 1e-9,
            "{composed:?}"
        );
        let alone: Vec<_> = composed
            .alone
            .iter()
            .map(|left| left.whole_grams())
            .collect();
        assert_eq!(alone, [400, 450, 350]);
    }

    #[test]
    fn a_move_can_undo_what_a_shift_saves() {
        let (here, there) = (series("A", &[500.0, 100.0]), series("B", &[200.0, 400.0]));
        let site = |series| Site {
            series,
            pue: Pue::ONE,
        };
        let sites = [site(&here), site(&there)];
        let kwh = Joules::from_microjoules(3_600_000_000_000);
        let load = [(UtcHour::from_unix_seconds(0), kwh)].into();
        let both = compose(&load, &sites, &[Measure::Shift(1), Measure::Move(1)]).unwrap();
        assert_eq!(both.after.whole_grams(), 400);
        assert!(both.alone.iter().all(|alone| *alone < both.after));
        let beyond = compose(&load, &sites, &[Measure::Shift(2)]).unwrap_err();
        assert_eq!(beyond.reason, WhyNot::IntensityMissing);
    }
}
