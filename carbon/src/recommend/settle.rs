//! What a moved run saved in the end: forecast against actual.
//!
//! A choice is made by a forecast and settled by what the hours turned out to
//! be. When the publisher revises them, it is settled again; the earlier
//! figures stay, each with the time at which it was known.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{NoAdvice, WhyNot};
use crate::calendar::{Period, UtcHour};
use crate::schedule::{CostCurve, Job};
use crate::series::HourlyIntensity;
use crate::units::GramsCo2e;

/// A run that was moved, as it was decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// When it would have started.
    pub planned: Timestamp,
    /// When it started instead.
    pub chosen: Timestamp,
    /// The earliest start that was allowed.
    pub earliest: Timestamp,
    /// The latest start that was allowed.
    pub latest: Timestamp,
    /// The run, with its facility energy.
    pub job: Job,
    /// What the forecast promised.
    pub predicted: GramsCo2e,
}

/// A saving that may be a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// So much less was emitted, maybe nothing.
    Saved(GramsCo2e),
    /// So much more was emitted.
    Lost(GramsCo2e),
}

impl Outcome {
    fn between(before: GramsCo2e, after: GramsCo2e) -> Self {
        if after > before {
            Self::Lost(after.saturating_sub(before))
        } else {
            Self::Saved(before.saturating_sub(after))
        }
    }
}

impl fmt::Display for Outcome {
    /// `200 g saved`, `50.0 g lost`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Saved(mass) => write!(f, "{mass} saved"),
            Self::Lost(mass) => write!(f, "{mass} lost"),
        }
    }
}

/// How a plan turned out, as far as was known at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settled {
    /// When this was known.
    pub known_at: Timestamp,
    /// What the forecast had promised.
    pub predicted: GramsCo2e,
    /// What the move saved against the planned start.
    pub realised: Outcome,
    /// What the best start within the limits would have saved beyond that.
    pub regret: GramsCo2e,
    /// The best start within the limits, with hindsight.
    pub best: Timestamp,
}

/// Settles a plan by the hours as they are known now.
///
/// # Errors
/// If an hour in question is not known, or the plan leaves the calendar.
pub fn settle(
    plan: &Plan,
    actual: &dyn HourlyIntensity,
    known_at: Timestamp,
) -> Result<Settled, NoAdvice> {
    let starts = [plan.planned, plan.chosen, plan.earliest, plan.latest];
    let first = starts.into_iter().min().unwrap_or(plan.planned);
    let last = starts.into_iter().max().unwrap_or(plan.planned);
    let end_s = last.as_second().saturating_add(plan.job.seconds());
    let period = Period {
        from: UtcHour::containing(first),
        until: UtcHour::from_unix_seconds(end_s.saturating_add(3_599)),
    };
    let curve = CostCurve::of_hours(actual, period, |point| point.intensity.value);
    let curve = curve.ok_or_else(|| {
        let message = format!(
            "not every hour from {} to {} is known yet",
            period.from, period.until
        );
        NoAdvice::new(WhyNot::IntensityMissing, message)
    })?;
    let at = |start: Timestamp| {
        curve
            .emissions(&plan.job, start.as_second())
            .ok_or_else(|| {
                NoAdvice::new(
                    WhyNot::NoWindow,
                    format!("a run at {start} leaves the known hours"),
                )
            })
    };
    let (planned, chosen) = (at(plan.planned)?, at(plan.chosen)?);
    let (earliest_s, latest_s) = (plan.earliest.as_second(), plan.latest.as_second());
    let slots = curve.best(&plan.job, earliest_s, latest_s, 1);
    let best = slots.first().ok_or_else(|| {
        NoAdvice::new(WhyNot::NoWindow, "the latest start is before the earliest")
    })?;
    Ok(Settled {
        known_at,
        predicted: plan.predicted,
        realised: Outcome::between(planned, chosen),
        regret: chosen.saturating_sub(best.emissions),
        best: Timestamp::from_second(best.start_s).unwrap_or(plan.chosen),
    })
}

/// All that was known of a plan's outcome, first to latest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Settlement(Vec<Settled>);

impl Settlement {
    /// Takes a figure; the same one again says nothing new.
    pub fn note(&mut self, settled: Settled) {
        let is_said = self
            .0
            .last()
            .is_some_and(|last| last.realised == settled.realised && last.regret == settled.regret);
        if !is_said {
            self.0.push(settled);
        }
    }

    /// First to latest.
    #[must_use]
    pub fn all(&self) -> &[Settled] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::{IntensitySeries, Origin, Point, SeriesInfo};
    use crate::units::Intensity;
    use tanso_power::Joules;

    fn series(figures: &[f64]) -> IntensitySeries {
        let start = UtcHour::from_unix_seconds(0);
        let points = (0..).zip(figures).map(|(hour, figure)| {
            let value = Intensity::try_from_grams_per_kwh(*figure).unwrap();
            (
                start.plus_hours(hour),
                Point::exact(value, Origin::Published),
            )
        });
        IntensitySeries::try_new(SeriesInfo::average_life_cycle("XX", "test"), points).unwrap()
    }

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(hour * 3_600).unwrap()
    }

    fn plan() -> Plan {
        let energy = Joules::from_microjoules(36_000_000_000_000);
        Plan {
            planned: at(0),
            chosen: at(5),
            earliest: at(0),
            latest: at(5),
            job: Job::flat(3_600, energy).unwrap(),
            predicted: GramsCo2e::try_from_grams(500.0).unwrap(),
        }
    }

    #[test]
    fn a_promise_of_500_g_becomes_200_and_a_revision_restates_it_to_50() {
        let mut settlement = Settlement::default();
        let first = series(&[430.0, 425.0, 420.0, 395.0, 415.0, 410.0]);
        let settled = settle(&plan(), &first, at(7)).unwrap();
        assert_eq!(settled.realised.to_string(), "200 g saved");
        assert_eq!(settled.regret.to_string(), "150 g");
        assert_eq!(settled.best, at(3));
        settlement.note(settled.clone());
        settlement.note(Settled {
            known_at: at(8),
            ..settled
        });
        let revised = series(&[430.0, 425.0, 420.0, 395.0, 415.0, 425.0]);
        settlement.note(settle(&plan(), &revised, at(30)).unwrap());
        let all: Vec<_> = settlement
            .all()
            .iter()
            .map(|one| (one.realised.to_string(), one.known_at))
            .collect();
        assert_eq!(
            all,
            [
                ("200 g saved".to_owned(), at(7)),
                ("50.0 g saved".to_owned(), at(30))
            ]
        );
    }

    #[test]
    fn a_forecast_that_was_wrong_may_cost_and_says_so() {
        let wrong = series(&[400.0, 425.0, 420.0, 395.0, 415.0, 410.0]);
        let settled = settle(&plan(), &wrong, at(7)).unwrap();
        assert_eq!(settled.realised.to_string(), "100 g lost");
        let early = settle(&plan(), &series(&[400.0, 425.0]), at(2)).unwrap_err();
        assert_eq!(early.reason, WhyNot::IntensityMissing);
    }
}
