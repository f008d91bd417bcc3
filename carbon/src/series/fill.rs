//! Gaps filled by named rules. What a rule filled counts as estimated and has
//! bounds; what no rule fills stays a gap.

use serde::{Deserialize, Serialize};
use tanso_power::Estimate;

use super::{HourlyIntensity, IntensitySeries, Origin, Point, SeriesInfo, mean};
use crate::calendar::UtcHour;
use crate::units::Intensity;

/// How a missing hour may be filled. The bounds of a filled hour are the
/// lowest and the highest figure of the whole series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FillRule {
    /// On the line between the neighbours, if the gap is at most so many
    /// hours long.
    Interpolate(u16),
    /// The mean of the same hour on so many days before, as far as known.
    SameHourLastDays(u16),
    /// This figure, with the given bounds.
    YearlyAverage(Estimate<Intensity>),
}

/// A series with its gaps filled.
#[derive(Clone, Copy, Debug)]
pub struct Filled<'a> {
    series: &'a IntensitySeries,
    rules: &'a [FillRule],
    range: Option<Estimate<Intensity>>,
}

impl<'a> Filled<'a> {
    pub(super) fn new(series: &'a IntensitySeries, rules: &'a [FillRule]) -> Self {
        Self {
            series,
            rules,
            range: series.range(),
        }
    }

    fn fill(&self, hour: UtcHour, rule: FillRule) -> Option<Point> {
        let (value, origin) = match rule {
            FillRule::Interpolate(longest) => {
                (self.interpolate(hour, longest)?, Origin::Interpolated)
            }
            FillRule::SameHourLastDays(days) => {
                let known = (1..=i32::from(days))
                    .filter_map(|day| self.series.at(hour.plus_hours(-24 * day)));
                (
                    mean(known.map(|point| point.intensity.value))?,
                    Origin::SameHourLastDays,
                )
            }
            FillRule::YearlyAverage(intensity) => {
                return Some(Point {
                    intensity,
                    origin: Origin::YearlyAverage,
                });
            }
        };
        let range = self.range.unwrap_or(Estimate::exact(value));
        let intensity = Estimate {
            low: range.low.min(value),
            value,
            high: range.high.max(value),
        };
        Some(Point { intensity, origin })
    }

    fn interpolate(&self, hour: UtcHour, longest: u16) -> Option<Intensity> {
        let reach = i32::from(longest);
        let (back, before) =
            (1..=reach).find_map(|step| Some((step, self.series.at(hour.plus_hours(-step))?)))?;
        let (ahead, after) = (1..=reach + 1 - back)
            .find_map(|step| Some((step, self.series.at(hour.plus_hours(step))?)))?;
        let weigh = |point: Point, weight: i32| {
            u64::from(point.intensity.value.micrograms_per_kwh()) * u64::from(weight.unsigned_abs())
        };
        let steps = u64::from((back + ahead).unsigned_abs());
        let value = (weigh(before, ahead) + weigh(after, back) + steps / 2) / steps;
        Intensity::from_micrograms_per_kwh(u32::try_from(value).ok()?)
    }
}

impl HourlyIntensity for Filled<'_> {
    fn info(&self) -> &SeriesInfo {
        self.series.info()
    }

    fn at(&self, hour: UtcHour) -> Option<Point> {
        let known = self.series.at(hour);
        known.or_else(|| self.rules.iter().find_map(|rule| self.fill(hour, *rule)))
    }
}
