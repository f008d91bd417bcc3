//! How clean the grid was, hour by hour.
//!
//! A series says what kind of figure it holds, and for each hour where the
//! figure comes from. A gap stays a gap until a named rule fills it, and what
//! a rule filled is counted as estimated, with bounds.

use std::fmt;

use serde::{Deserialize, Serialize};
use tanso_power::Estimate;

use crate::calendar::{Period, UtcHour};
use crate::report::Digest;
use crate::units::Intensity;

/// Which kilowatt-hour is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Method {
    /// The mean of all electricity in the zone in that hour.
    Average,
    /// What one kilowatt-hour more or less would have changed.
    Marginal,
}

/// Which emissions are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Boundary {
    /// At the stack only.
    Direct,
    /// With fuel supply, building and dismantling of the plants.
    LifeCycle,
}

/// Whose electricity is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Basis {
    /// The grid at the place of use.
    Location,
    /// What contracts and certificates claim.
    Market,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Average => "average",
            Self::Marginal => "marginal",
        })
    }
}

impl fmt::Display for Boundary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Direct => "direct",
            Self::LifeCycle => "life-cycle",
        })
    }
}

impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Location => "location-based",
            Self::Market => "market-based",
        })
    }
}

/// What a series holds: nobody may show its figures without this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SeriesInfo {
    /// The grid zone, such as `KR`.
    pub zone: String,
    /// Average or marginal.
    pub method: Method,
    /// Direct or life-cycle.
    pub boundary: Boundary,
    /// Location- or market-based.
    pub basis: Basis,
    /// Who publishes it.
    pub source: String,
    /// The year the data describes, if one.
    pub data_year: Option<i16>,
    /// Under which terms it may be used.
    pub licence: String,
}

impl SeriesInfo {
    /// A description of average, life-cycle, location-based data, the most
    /// common kind.
    #[must_use]
    pub fn average_life_cycle(zone: &str, source: &str) -> Self {
        Self {
            zone: zone.to_owned(),
            method: Method::Average,
            boundary: Boundary::LifeCycle,
            basis: Basis::Location,
            source: source.to_owned(),
            data_year: None,
            licence: String::new(),
        }
    }
}

impl fmt::Display for SeriesInfo {
    /// `KR average life-cycle location-based, Electricity Maps, data year 2024`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            zone,
            method,
            boundary,
            basis,
            source,
            ..
        } = self;
        write!(f, "{zone} {method} {boundary} {basis}, {source}")?;
        self.data_year
            .map_or(Ok(()), |year| write!(f, ", data year {year}"))
    }
}

/// Where the figure of one hour comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Origin {
    /// Published as data for this very hour.
    Published,
    /// A constant that the policy chose for every hour.
    Static,
    /// Published, but marked by the publisher as its own estimate.
    PublisherEstimate,
    /// Made from the bundled year's like hours.
    TypicalYear,
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
}

/// One figure for every hour, chosen by the policy or taken from a yearly
/// table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticIntensity {
    info: SeriesInfo,
    value: Estimate<Intensity>,
}

impl StaticIntensity {
    /// The same figure for every hour.
    #[must_use]
    pub const fn new(info: SeriesInfo, value: Estimate<Intensity>) -> Self {
        Self { info, value }
    }
}

impl HourlyIntensity for StaticIntensity {
    fn info(&self) -> &SeriesInfo {
        &self.info
    }

    fn at(&self, _: UtcHour) -> Option<Point> {
        Some(Point {
            intensity: self.value,
            origin: Origin::Static,
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
        Filled {
            series: self,
            rules,
            range: self.range(),
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

impl Filled<'_> {
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

/// The mean to the nearest microgram; `None` of nothing.
pub(crate) fn mean(values: impl Iterator<Item = Intensity>) -> Option<Intensity> {
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
mod tests {
    use super::*;

    fn hour(text: &str) -> UtcHour {
        UtcHour::parse(text).unwrap()
    }

    fn grams(value: f64) -> Intensity {
        Intensity::try_from_grams_per_kwh(value).unwrap()
    }

    fn series(values: &[(i32, f64)]) -> IntensitySeries {
        let start = hour("2024-06-01T00:00Z");
        let points = values.iter().map(|(offset, value)| {
            (
                start.plus_hours(*offset),
                Point::exact(grams(*value), Origin::Published),
            )
        });
        IntensitySeries::try_new(SeriesInfo::average_life_cycle("XX", "test"), points).unwrap()
    }

    #[test]
    fn a_gap_stays_a_gap_until_a_rule_fills_it() {
        let gappy = series(&[(0, 300.0), (2, 500.0), (3, 420.0)]);
        let missing = hour("2024-06-01T01:00Z");
        assert_eq!((gappy.gap_count(), gappy.at(missing)), (1, None));
        let point = gappy
            .filled(&[FillRule::Interpolate(1)])
            .at(missing)
            .unwrap();
        assert_eq!(point.intensity.value, grams(400.0));
        assert_eq!(
            (point.intensity.low, point.intensity.high),
            (grams(300.0), grams(500.0))
        );
        assert!(point.origin.is_estimated() && point.origin.is_filled());
    }

    #[test]
    fn interpolation_keeps_to_its_longest_gap() {
        let gappy = series(&[(0, 300.0), (4, 500.0)]);
        let at = |longest, offset| {
            gappy
                .filled(&[FillRule::Interpolate(longest)])
                .at(gappy.first.plus_hours(offset))
        };
        assert_eq!(at(2, 2), None);
        assert_eq!(at(3, 1).unwrap().intensity.value, grams(350.0));
        assert_eq!(at(3, 3).unwrap().intensity.value, grams(450.0));
        assert_eq!(at(3, 5), None);
    }

    #[test]
    fn the_first_rule_that_knows_fills() {
        let gappy = series(&[(0, 100.0), (24, 200.0), (72, 900.0)]);
        let yearly = Estimate::exact(grams(423.0));
        let rules = [
            FillRule::SameHourLastDays(2),
            FillRule::YearlyAverage(yearly),
        ];
        let filled = gappy.filled(&rules);
        let at = |offset| filled.at(gappy.first.plus_hours(offset)).unwrap();
        assert_eq!(at(48).intensity.value, grams(150.0));
        assert_eq!(at(48).origin, Origin::SameHourLastDays);
        assert_eq!(at(30).origin, Origin::YearlyAverage);
        assert_eq!(at(30).intensity, yearly);
    }

    #[test]
    fn the_digest_depends_on_the_figures_and_not_on_their_order() {
        let one = series(&[(0, 100.0), (1, 200.0)]);
        assert_eq!(one.digest(), series(&[(1, 200.0), (0, 100.0)]).digest());
        assert_ne!(one.digest(), series(&[(0, 100.0), (1, 200.001)]).digest());
    }
}
