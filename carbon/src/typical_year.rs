//! A bundled year's typical hours, for hours of years without data.
//!
//! The rule: the wanted hour gets the mean of the bundled year's hours with
//! the same local month, the same kind of day (Monday to Friday or weekend;
//! public holidays count as their weekday) and the same local hour of day.
//! Its bounds are the 5th and 95th percentile of that group. Hours that the
//! publisher had estimated are left out of the groups. The figure is always
//! marked as an estimate.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use tanso_power::Estimate;

use crate::calendar::{self, UtcHour};
use crate::series::{
    Basis, Boundary, HourlyIntensity, IntensitySeries, Method, Origin, Point, SeriesInfo, mean,
};
use crate::table::{Table, TableFaults, parse_intensity};
use crate::units::Intensity;

/// Which hours are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    month: i8,
    weekend: bool,
    hour: i8,
}

impl Group {
    fn of(hour: UtcHour, zone: &TimeZone) -> Self {
        let local = zone.to_datetime(hour.start());
        let weekend = matches!(local.weekday(), Weekday::Saturday | Weekday::Sunday);
        Self {
            month: local.month(),
            weekend,
            hour: local.hour(),
        }
    }

    const fn day_type(self) -> &'static str {
        if self.weekend { "weekend" } else { "weekday" }
    }
}

/// The typical hours of one zone's year.
#[derive(Clone, Debug, PartialEq)]
pub struct TypicalYear {
    info: SeriesInfo,
    zone: TimeZone,
    groups: BTreeMap<Group, (Estimate<Intensity>, usize)>,
}

impl TypicalYear {
    /// The typical hours of a series of one year.
    #[must_use]
    pub fn from_series(series: &IntensitySeries, zone: TimeZone) -> Self {
        let mut members: BTreeMap<Group, Vec<Intensity>> = BTreeMap::new();
        for (hour, point) in series
            .points()
            .filter(|(_, point)| !point.origin.is_estimated())
        {
            members
                .entry(Group::of(hour, &zone))
                .or_default()
                .push(point.intensity.value);
        }
        let groups = members.into_iter().filter_map(|(group, mut values)| {
            values.sort_unstable();
            Some((group, (spread(&values)?, values.len())))
        });
        Self {
            info: series.info().clone(),
            zone,
            groups: groups.collect(),
        }
    }

    /// Parses a profile as [`write_profile`] makes it.
    ///
    /// # Errors
    /// All faults of the table, and comment lines `# key: value` that are
    /// missing: `zone`, `time_zone`, `data_year`, `source`, `licence`.
    pub fn parse(file: &str, text: &str, boundary: Boundary) -> Result<Self, TableFaults> {
        let mut table = Table::open(file, text);
        let mut note = |key: &str| {
            let found = text
                .lines()
                .filter_map(|line| line.strip_prefix("# ")?.split_once(": "))
                .find(|(name, _)| *name == key);
            if found.is_none() {
                table.fault_at(1, "", "", format!("no comment line \"# {key}: …\""));
            }
            found.map_or(String::new(), |(_, value)| value.trim().to_owned())
        };
        let time_zone = note("time_zone");
        let data_year = note("data_year");
        let info = SeriesInfo {
            zone: note("zone"),
            method: Method::Average,
            boundary,
            basis: Basis::Location,
            source: note("source"),
            data_year: data_year.parse().ok(),
            licence: note("licence"),
        };
        let zone = calendar::time_zone(&time_zone).unwrap_or_else(|error| {
            table.fault_at(1, "", "", error.to_string());
            TimeZone::UTC
        });
        let groups = Self::parse_groups(&mut table, boundary);
        table.finish()?;
        Ok(Self { info, zone, groups })
    }

    fn parse_groups(
        table: &mut Table<'_>,
        boundary: Boundary,
    ) -> BTreeMap<Group, (Estimate<Intensity>, usize)> {
        let [low, value, high] = match boundary {
            Boundary::LifeCycle => ["lifecycle_p5", "lifecycle_mean", "lifecycle_p95"],
            Boundary::Direct => ["direct_p5", "direct_mean", "direct_p95"],
        };
        table.demand(&[
            "month",
            "day_type",
            "hour_local",
            "samples",
            low,
            value,
            high,
        ]);
        let mut groups = BTreeMap::new();
        while let Some(mut row) = table.next_row() {
            let month = row.parse("month", |text| within(text, 1, 12));
            let hour = row.parse("hour_local", |text| within(text, 0, 23));
            let weekend = row.parse("day_type", |text| match text {
                "weekday" => Ok(false),
                "weekend" => Ok(true),
                _ => Err("accepted are weekday and weekend"),
            });
            let samples = row.parse("samples", str::parse::<usize>);
            let figures = [low, value, high].map(|column| row.parse(column, parse_intensity));
            let ([Some(low), Some(mean), Some(high)], Some(samples)) = (figures, samples) else {
                continue;
            };
            let (Some(month), Some(weekend), Some(hour)) = (month, weekend, hour) else {
                continue;
            };
            match Estimate::try_new(low, mean, high) {
                Some(spread) => {
                    groups.insert(
                        Group {
                            month,
                            weekend,
                            hour,
                        },
                        (spread, samples),
                    );
                }
                None => row.fault(value, "not between its percentiles".to_owned()),
            }
        }
        groups
    }

    /// The time zone of the groups.
    #[must_use]
    pub const fn time_zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The mean of the groups' means by local hour of day, all months and
    /// kinds of day weighted by their hours: the profile of the zone's day.
    #[must_use]
    pub fn day_profile(&self) -> [Option<Intensity>; 24] {
        std::array::from_fn(|hour| {
            let of_hour = || {
                self.groups
                    .iter()
                    .filter(move |(group, _)| usize::try_from(group.hour) == Ok(hour))
            };
            mean(
                of_hour()
                    .flat_map(|(_, (spread, samples))| std::iter::repeat_n(spread.value, *samples)),
            )
        })
    }
}

impl HourlyIntensity for TypicalYear {
    fn info(&self) -> &SeriesInfo {
        &self.info
    }

    fn at(&self, hour: UtcHour) -> Option<Point> {
        let (intensity, _) = self.groups.get(&Group::of(hour, &self.zone))?;
        Some(Point {
            intensity: *intensity,
            origin: Origin::TypicalYear,
        })
    }
}

/// The profile file of one zone: both boundaries of the same year, with its
/// source and licence in the comment lines.
#[must_use]
pub fn write_profile(life_cycle: &TypicalYear, direct: &TypicalYear, time_zone: &str) -> String {
    let info = &life_cycle.info;
    let year = info
        .data_year
        .map_or(String::new(), |year| year.to_string());
    let mut text = format!(
        "# zone: {}\n# time_zone: {time_zone}\n# data_year: {year}\n# source: {}\n# licence: {}\n\
         # unit: gCO2eq per kWh consumed, average; mean and 5th and 95th percentile of the year's hours with the same\n\
         # month, kind of day and hour (local); hours the publisher had estimated are left out.\n\
         month,day_type,hour_local,samples,lifecycle_mean,lifecycle_p5,lifecycle_p95,direct_mean,direct_p5,direct_p95\n",
        info.zone, info.source, info.licence
    );
    for (group, (spread, samples)) in &life_cycle.groups {
        let Some((stack, _)) = direct.groups.get(group) else {
            continue;
        };
        let figures = [
            spread.value,
            spread.low,
            spread.high,
            stack.value,
            stack.low,
            stack.high,
        ]
        .map(|figure| format!("{:.2}", figure.as_grams_per_kwh_f64()));
        let (month, day_type, hour) = (group.month, group.day_type(), group.hour);
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{month},{day_type},{hour},{samples},{}",
            figures.join(",")
        );
    }
    text
}

/// Mean, 5th and 95th percentile of sorted values; the percentiles on the
/// line between the neighbouring values, and never beyond the mean.
fn spread(sorted: &[Intensity]) -> Option<Estimate<Intensity>> {
    let value = mean(sorted.iter().copied())?;
    let low = percentile(sorted, 5)?.min(value);
    let high = percentile(sorted, 95)?.max(value);
    Some(Estimate { low, value, high })
}

fn percentile(sorted: &[Intensity], percent: usize) -> Option<Intensity> {
    let position = sorted.len().checked_sub(1)? * percent;
    let (index, rest) = (position / 100, u64::try_from(position % 100).ok()?);
    let before = u64::from(sorted.get(index)?.micrograms_per_kwh());
    let after = sorted
        .get(index + 1)
        .map_or(before, |next| u64::from(next.micrograms_per_kwh()));
    let value = (before * (100 - rest) + after * rest + 50) / 100;
    Intensity::from_micrograms_per_kwh(u32::try_from(value).ok()?)
}

fn within(text: &str, least: i8, most: i8) -> Result<i8, String> {
    text.parse()
        .ok()
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| format!("accepted are {least} to {most}"))
}
