//! How clean the grid was, hour by hour.
//!
//! A series says what kind of figure it holds, and for each hour where the
//! figure comes from. A gap stays a gap until a named rule fills it, and what
//! a rule filled is counted as estimated, with bounds.

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use tanso_power::Estimate;

use crate::calendar::{Period, UtcHour};
use crate::report::Digest;
use crate::units::Intensity;

mod fill;
mod info;

pub use fill::{FillRule, Filled};
pub(crate) use info::in_words;
pub use info::{Basis, Boundary, Method, SeriesInfo};

/// Where the figure of one hour comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Origin {
    /// Published as data for this very hour.
    Published,
    /// A constant that the policy chose for every hour.
    Static,
    /// Published, but marked by the publisher as its own estimate.
    PublisherEstimate,
    /// Published before the hour, as a forecast.
    Forecast,
    /// Made from the bundled year's like hours.
    TypicalYear,
    /// The mean of another year, taken for the hours of this one.
    OtherYear,
    /// Filled between the neighbours.
    Interpolated,
    /// Filled from the same hour of days before.
    SameHourLastDays,
    /// Filled with the yearly average.
    YearlyAverage,
}

impl Origin {
    /// Whether the figure is an estimate rather than data or a choice.
    #[must_use]
    pub const fn is_estimated(self) -> bool {
        !matches!(self, Self::Published | Self::Static)
    }

    /// Whether a fill rule closed a gap of the series.
    #[must_use]
    pub const fn is_filled(self) -> bool {
        matches!(
            self,
            Self::Interpolated | Self::SameHourLastDays | Self::YearlyAverage
        )
    }
}

/// The figure of one hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// The intensity with its bounds.
    pub intensity: Estimate<Intensity>,
    /// Where it comes from.
    pub origin: Origin,
}

impl Point {
    /// A point without bounds.
    #[must_use]
    pub const fn exact(intensity: Intensity, origin: Origin) -> Self {
        Self {
            intensity: Estimate::exact(intensity),
            origin,
        }
    }
}

/// Something that knows the intensity of hours.
pub trait HourlyIntensity {
    /// What kind of figures these are.
    fn info(&self) -> &SeriesInfo;
    /// The figure of one hour; `None` is a gap, never zero.
    fn at(&self, hour: UtcHour) -> Option<Point>;
    /// What kind of figure that of one hour is: of several sources, that of the
    /// one which knows the hour.
    fn info_at(&self, _hour: UtcHour) -> &SeriesInfo {
        self.info()
    }
}

/// One figure for every hour, chosen by the policy or taken from a yearly
/// table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticIntensity {
    info: SeriesInfo,
    value: Estimate<Intensity>,
    /// The hours that the figure is the mean of; of all others it is an
    /// estimate. A choice has none.
    mean_of: Option<Period>,
}

impl StaticIntensity {
    /// The same figure for every hour.
    #[must_use]
    pub const fn new(info: SeriesInfo, value: Estimate<Intensity>) -> Self {
        Self {
            info,
            value,
            mean_of: None,
        }
    }

    /// The mean of the info's data year, for every hour: in hours of another
    /// year (UTC) it counts as estimated, for nobody knows them by it. Without
    /// a data year it does so in every hour.
    #[must_use]
    pub fn yearly(info: SeriesInfo, value: Estimate<Intensity>) -> Self {
        let year = info.data_year;
        let year = year.and_then(|year| Period::local_year(year, &TimeZone::UTC).ok());
        let nothing = Period {
            from: UtcHour::from_unix_seconds(0),
            until: UtcHour::from_unix_seconds(0),
        };
        Self {
            mean_of: Some(year.unwrap_or(nothing)),
            ..Self::new(info, value)
        }
    }
}

impl HourlyIntensity for StaticIntensity {
    fn info(&self) -> &SeriesInfo {
        &self.info
    }

    fn at(&self, hour: UtcHour) -> Option<Point> {
        let is_known = self.mean_of.is_none_or(|year| year.contains(hour));
        Some(Point {
            intensity: self.value,
            origin: if is_known {
                Origin::Static
            } else {
                Origin::OtherYear
            },
        })
    }
}

/// The longest series accepted, in hours: twenty years.
pub const HOURS_MAX: u32 = 20 * 8_784;

/// Figures for a run of hours, with its gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntensitySeries {
    info: SeriesInfo,
    first: UtcHour,
    points: Vec<Option<Point>>,
}

impl IntensitySeries {
    /// A series from points in any order; of two for one hour the later wins.
    ///
    /// # Errors
    /// If there is no point, or first and last are over twenty years apart.
    pub fn try_new(
        info: SeriesInfo,
        points: impl IntoIterator<Item = (UtcHour, Point)>,
    ) -> Result<Self, SeriesError> {
        let points: Vec<_> = points.into_iter().collect();
        let hours = || points.iter().map(|(hour, _)| *hour);
        let (Some(first), Some(last)) = (hours().min(), hours().max()) else {
            return Err(SeriesError::Empty { zone: info.zone });
        };
        let span = Period {
            from: first,
            until: last.plus_hours(1),
        }
        .hour_count();
        if span > HOURS_MAX {
            return Err(SeriesError::TooLong {
                zone: info.zone,
                first,
                last,
            });
        }
        let mut dense = vec![None; usize::try_from(span).unwrap_or(0)];
        for (hour, point) in points {
            let index = usize::try_from(hour.hours_since(first)).ok();
            if let Some(slot) = index.and_then(|index| dense.get_mut(index)) {
                *slot = Some(point);
            }
        }
        Ok(Self {
            info,
            first,
            points: dense,
        })
    }

    /// From the first hour with a figure until after the last.
    #[must_use]
    pub fn period(&self) -> Period {
        let hours = i32::try_from(self.points.len()).unwrap_or(i32::MAX);
        Period {
            from: self.first,
            until: self.first.plus_hours(hours),
        }
    }

    /// Each hour of the series that has a figure, in order.
    pub fn points(&self) -> impl Iterator<Item = (UtcHour, Point)> {
        self.period()
            .hours()
            .zip(&self.points)
            .filter_map(|(hour, point)| Some((hour, (*point)?)))
    }

    /// The hours within that have no figure.
    #[must_use]
    pub fn gap_count(&self) -> usize {
        self.points.iter().filter(|point| point.is_none()).count()
    }

    /// The lowest, mean and highest of all figures; `None` never happens in a
    /// series that was made, which has a point.
    #[must_use]
    pub fn range(&self) -> Option<Estimate<Intensity>> {
        let values = || {
            self.points
                .iter()
                .flatten()
                .map(|point| point.intensity.value)
        };
        Estimate::try_new(values().min()?, mean(values())?, values().max()?)
    }

    /// This series with its gaps filled by `rules`, tried in order.
    #[must_use]
    pub fn filled<'a>(&'a self, rules: &'a [FillRule]) -> Filled<'a> {
        Filled::new(self, rules)
    }

    /// A series of its own with the gaps between first and last hour filled by
    /// `rules`, tried in order; what no rule fills stays a gap.
    #[must_use]
    pub fn closed(&self, rules: &[FillRule]) -> Self {
        let filled = self.filled(rules);
        Self {
            points: self.period().hours().map(|hour| filled.at(hour)).collect(),
            ..self.clone()
        }
    }

    /// A digest of the description and of every figure, the same whatever
    /// order the points came in.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of_lines(
            std::iter::once(self.info.to_string()).chain(self.points().map(|(hour, point)| {
                let Estimate { low, value, high } =
                    point.intensity.map(Intensity::micrograms_per_kwh);
                format!("{hour} {low} {value} {high} {:?}", point.origin)
            })),
        )
    }
}

impl HourlyIntensity for IntensitySeries {
    fn info(&self) -> &SeriesInfo {
        &self.info
    }

    fn at(&self, hour: UtcHour) -> Option<Point> {
        let index = usize::try_from(hour.hours_since(self.first)).ok()?;
        *self.points.get(index)?
    }
}

/// The mean to the nearest microgram; `None` of nothing.
#[must_use]
pub fn mean(values: impl Iterator<Item = Intensity>) -> Option<Intensity> {
    let (count, sum) = values.fold((0_u64, 0_u64), |(count, sum), value| {
        (count + 1, sum + u64::from(value.micrograms_per_kwh()))
    });
    let mean = (sum + count / 2).checked_div(count)?;
    Intensity::from_micrograms_per_kwh(u32::try_from(mean).ok()?)
}

/// Why points are no series.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SeriesError {
    /// There is no figure at all.
    #[error("the intensity series of zone {zone:?} has no hour")]
    Empty {
        /// The grid zone.
        zone: String,
    },
    /// First and last hour are too far apart.
    #[error("the intensity series of zone {zone:?} runs from {first} to {last}: at most 20 years")]
    TooLong {
        /// The grid zone.
        zone: String,
        /// Its first hour.
        first: UtcHour,
        /// Its last hour.
        last: UtcHour,
    },
}

#[cfg(test)]
mod tests;
