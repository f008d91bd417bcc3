//! How clean the hours ahead are expected to be, and how good that is known.

use jiff::Timestamp;
use tanso_power::Estimate;

use super::super::{NoAdvice, WhyNot};
use crate::calendar::{Period, UtcHour};
use crate::schedule::{CostCurve, Job};
use crate::series::{HourlyIntensity, Origin, Point, in_words};
use crate::units::{GramsCo2e, Intensity};

/// Intensity ahead, with bounds, and how good it is.
pub(super) struct Ahead {
    pub(super) curves: Estimate<CostCurve>,
    pub(super) worst: Origin,
    /// Whose figures they are.
    pub(super) sources: String,
}

impl Ahead {
    /// The whole period, or the first hour that is not known.
    pub(super) fn try_new(series: &dyn HourlyIntensity, period: Period) -> Result<Self, NoAdvice> {
        let gap = || {
            let hour = period.hours().find(|hour| series.at(*hour).is_none());
            let hour = hour.map_or_else(|| "no hour".to_owned(), |hour| hour.to_string());
            let zone = &series.info().zone;
            let message = format!("the intensity of zone {zone} is not known at {hour}");
            NoAdvice::new(WhyNot::IntensityMissing, message)
        };
        let curve = |pick: fn(Point) -> Intensity| {
            CostCurve::of_hours(series, period, pick).ok_or_else(gap)
        };
        let origins = period
            .hours()
            .filter_map(|hour| series.at(hour))
            .map(|point| point.origin);
        Ok(Self {
            worst: origins.max().unwrap_or(Origin::Published),
            sources: in_words(series, period.hours()),
            curves: Estimate {
                low: curve(|point| point.intensity.low)?,
                value: curve(|point| point.intensity.value)?,
                high: curve(|point| point.intensity.high)?,
            },
        })
    }

    /// The mean emissions of runs at the given starts; `None` without runs.
    pub(super) fn mean(&self, job: &Job, starts: &[Timestamp]) -> Option<Estimate<GramsCo2e>> {
        let runs = u64::try_from(starts.len()).ok().filter(|runs| *runs > 0)?;
        let of = |curve: &CostCurve| {
            let each = starts
                .iter()
                .map(|start| curve.emissions(job, start.as_second()));
            Some(each.sum::<Option<GramsCo2e>>()?.scaled(1, runs))
        };
        let Estimate { low, value, high } = &self.curves;
        Some(Estimate {
            low: of(low)?,
            value: of(value)?,
            high: of(high)?,
        })
    }
}

/// A period cut off where the series ends: forecasts are shorter than plans.
pub(super) fn known(series: &dyn HourlyIntensity, period: Period) -> Period {
    let until: Option<UtcHour> = period.hours().find(|hour| series.at(*hour).is_none());
    // Where nothing is known the whole is kept, so that its first gap is said.
    let until = until.filter(|until| *until > period.from);
    Period {
        until: until.unwrap_or(period.until),
        ..period
    }
}
