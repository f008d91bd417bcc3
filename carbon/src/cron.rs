//! Cron schedules with five fields, as Kubernetes reads them.
//!
//! Read are numbers, lists, ranges, steps, names of months and days, and
//! `@daily` and its like. Starts are found in a real time zone: a local time
//! that a clock change skips does not start, one that it repeats starts
//! twice.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::{AmbiguousOffset, TimeZone};

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// A parsed schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    minutes: u64,
    hours: u64,
    days_of_month: u64,
    months: u64,
    days_of_week: u64,
    any_day_of_month: bool,
    any_day_of_week: bool,
    minute_field: String,
}

impl Cron {
    /// Parses a schedule.
    ///
    /// # Errors
    /// If it is no such schedule: the field and what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, CronError> {
        let text = text.trim();
        let plain = match text.to_ascii_lowercase().as_str() {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            _ => text,
        };
        let fields: Vec<&str> = plain.split_ascii_whitespace().collect();
        let &[minute, hour, day_of_month, month, day_of_week] = fields.as_slice() else {
            return Err(CronError {
                text: text.to_owned(),
                reason: format!("{} fields, expected 5", fields.len()),
            });
        };
        let read = |field: &str, name: &str, least: u8, most: u8, names: &[&str]| {
            bits(field, least, most, names).ok_or_else(|| CronError {
                text: text.to_owned(),
                reason: format!(
                    "{name} {field:?}: accepted are {least} to {most}, lists, ranges and steps"
                ),
            })
        };
        let weekdays = read(day_of_week, "day of week", 0, 7, &DAYS)?;
        Ok(Self {
            minutes: read(minute, "minute", 0, 59, &[])?,
            hours: read(hour, "hour", 0, 23, &[])?,
            days_of_month: read(day_of_month, "day of month", 1, 31, &[])?,
            months: read(month, "month", 1, 12, &MONTHS)?,
            // Sunday is 0 and 7.
            days_of_week: (weekdays | weekdays >> 7) & 0x7f,
            any_day_of_month: is_any(day_of_month),
            any_day_of_week: is_any(day_of_week),
            minute_field: minute.to_owned(),
        })
    }

    /// Whether it starts on every day alike.
    #[must_use]
    pub fn is_daily(&self) -> bool {
        self.any_day_of_month && self.any_day_of_week && self.months == mask(1, 12)
    }

    /// The hours of day it starts in.
    #[must_use]
    pub fn hours(&self) -> Vec<u8> {
        (0..24)
            .filter(|hour| self.hours & (1 << hour) != 0)
            .collect()
    }

    /// The starts on a local day, in order.
    #[must_use]
    pub fn starts_on(&self, day: Date, zone: &TimeZone) -> Vec<Timestamp> {
        if !self.matches_day(day) {
            return Vec::new();
        }
        let mut starts = Vec::new();
        for hour in (0_i8..24).filter(|hour| self.hours & (1 << hour) != 0) {
            for minute in (0_i8..60).filter(|minute| self.minutes & (1 << minute) != 0) {
                let local = day.at(hour, minute, 0, 0);
                let ambiguous = zone.to_ambiguous_timestamp(local);
                let offsets = match ambiguous.offset() {
                    AmbiguousOffset::Unambiguous { offset } => vec![offset],
                    AmbiguousOffset::Gap { .. } => Vec::new(),
                    AmbiguousOffset::Fold { before, after } => vec![before, after],
                };
                starts.extend(
                    offsets
                        .iter()
                        .filter_map(|offset| offset.to_timestamp(local).ok()),
                );
            }
        }
        starts.sort_unstable();
        starts
    }

    /// The first start after an instant, within five years.
    #[must_use]
    pub fn next_start(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let mut day = zone.to_datetime(after).date();
        for _ in 0..5 * 366 {
            let found = self
                .starts_on(day, zone)
                .into_iter()
                .find(|start| *start > after);
            if found.is_some() {
                return found;
            }
            day = day.tomorrow().ok()?;
        }
        None
    }

    /// The same daily schedule so many hours later, wrapping at midnight;
    /// `None` for a schedule that is not daily, where a start would land on
    /// another day.
    #[must_use]
    pub fn shifted(&self, hours: u8) -> Option<Self> {
        self.shifted_by(u16::from(hours % 24) * 60)
    }

    /// The same daily schedule so many minutes later, wrapping at midnight;
    /// `None` for one that is not daily, and where five fields cannot say it,
    /// since some of its minutes would land in the next hour and some not.
    #[must_use]
    pub fn shifted_by(&self, minutes: u16) -> Option<Self> {
        if !self.is_daily() {
            return None;
        }
        let hours = u8::try_from(minutes / 60 % 24).ok()?;
        let rest = u8::try_from(minutes % 60).ok()?;
        let (minute_bits, carry) = self.minutes_later(rest)?;
        let moved = self.hours().into_iter();
        let moved = moved.map(|hour| (hour + hours + carry) % 24);
        let minute_field = if rest == 0 {
            self.minute_field.clone()
        } else {
            let each = (0..60_u8).filter(|minute| minute_bits & (1 << minute) != 0);
            each.map(|minute| minute.to_string())
                .collect::<Vec<_>>()
                .join(",")
        };
        Some(Self {
            minutes: minute_bits,
            hours: moved.fold(0, |bits, hour| bits | 1 << hour),
            minute_field,
            ..self.clone()
        })
    }

    /// Its minutes so many later, and the hours that all of them carry over.
    fn minutes_later(&self, rest: u8) -> Option<(u64, u8)> {
        let own = || (0..60_u8).filter(|minute| self.minutes & (1 << minute) != 0);
        let carry = own().next()? + rest >= 60;
        let alike = own().all(|minute| (minute + rest >= 60) == carry);
        // In every hour it is no matter which of them a minute lands in.
        if !alike && self.hours().len() < 24 {
            return None;
        }
        let bits = own().fold(0, |bits, minute| bits | 1 << ((minute + rest) % 60));
        Some((bits, u8::from(carry)))
    }

    fn matches_day(&self, day: Date) -> bool {
        let has =
            |bits: u64, value: i8| u8::try_from(value).is_ok_and(|value| bits & (1 << value) != 0);
        let of_month = has(self.days_of_month, day.day());
        let of_week = has(self.days_of_week, day.weekday().to_sunday_zero_offset());
        // Cron's own rule: if both fields are given, either will do.
        let on_day = if self.any_day_of_month || self.any_day_of_week {
            of_month && of_week
        } else {
            of_month || of_week
        };
        on_day && has(self.months, day.month())
    }
}

impl fmt::Display for Cron {
    /// A daily schedule as `M H * * *`; for others the hours and minutes only
    /// are meant.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hours = self.hours();
        let hours = if hours.len() == 24 {
            "*".to_owned()
        } else {
            hours
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(",")
        };
        write!(f, "{} {hours} * * *", self.minute_field)
    }
}

/// Why a text is no schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cron schedule {text:?}: {reason}")]
pub struct CronError {
    /// What was given.
    pub text: String,
    /// The field and what is wrong with it.
    pub reason: String,
}

/// Whether a field says nothing of its days: as Kubernetes reads it, a star in a
/// list does, and one in steps of one.
fn is_any(field: &str) -> bool {
    let mut parts = field.split(',');
    parts.any(|part| matches!(part, "*" | "?" | "*/1" | "?/1"))
}

fn mask(least: u8, most: u8) -> u64 {
    (least..=most).fold(0, |bits, value| bits | 1 << value)
}

/// The values of a field as bits; `None` if it makes no sense.
fn bits(field: &str, least: u8, most: u8, names: &[&str]) -> Option<u64> {
    let value = |text: &str| {
        let index = names
            .iter()
            .position(|name| name.eq_ignore_ascii_case(text));
        let first = usize::from(names.len() != DAYS.len());
        let number = match index {
            Some(index) => u8::try_from(index + first).ok()?,
            None => text.parse().ok()?,
        };
        (least..=most).contains(&number).then_some(number)
    };
    let mut bits = 0;
    for part in field.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (
                range,
                Some(step.parse::<u8>().ok().filter(|step| *step > 0)?),
            ),
            None => (part, None),
        };
        let (from, to) = match range.split_once('-') {
            _ if is_any(range) => (least, most),
            Some((from, to)) => (value(from)?, value(to)?),
            None if step.is_some() => (value(range)?, most),
            None => (value(range)?, value(range)?),
        };
        if from > to {
            return None;
        }
        bits |= (from..=to)
            .step_by(usize::from(step.unwrap_or(1)))
            .fold(0, |bits, value| bits | 1 << value);
    }
    Some(bits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::time_zone;
    use jiff::civil::date;

    #[test]
    fn half_past_two_is_missing_on_one_night_and_double_on_another() {
        let berlin = time_zone("Europe/Berlin").unwrap();
        let cron = Cron::parse("30 2 * * *").unwrap();
        assert_eq!(cron.starts_on(date(2024, 3, 31), &berlin).len(), 0);
        assert_eq!(cron.starts_on(date(2024, 6, 15), &berlin).len(), 1);
        let double = cron.starts_on(date(2024, 10, 27), &berlin);
        assert_eq!(double.len(), 2);
        assert_eq!(double[1].as_second() - double[0].as_second(), 3_600);
    }

    #[test]
    fn lists_ranges_steps_and_names_are_read() {
        let cron = Cron::parse("0,30 8-18/4,22 1 JAN-mar mon-FRI").unwrap();
        assert_eq!(cron.hours(), [8, 12, 16, 22]);
        assert!(!cron.is_daily());
        assert_eq!(Cron::parse("0 0 * * 7").unwrap().days_of_week, 1);
        assert!(Cron::parse("@daily").unwrap().is_daily());
        for bad in [
            "0 2 * *",
            "60 2 * * *",
            "0 24 * * *",
            "0 5-2 * * *",
            "*/0 * * * *",
            "",
            "a b c d e",
        ] {
            assert!(Cron::parse(bad).is_err(), "{bad}");
        }
    }

    /// `*/1` was a day that is given, so a job of Mondays ran every day.
    #[test]
    fn a_star_in_steps_of_one_is_a_star() {
        let monday = Cron::parse("0 2 */1 * mon").unwrap();
        let on = |day| monday.starts_on(day, &TimeZone::UTC).len();
        assert_eq!((on(date(2024, 6, 17)), on(date(2024, 6, 18))), (1, 0));
        assert!(Cron::parse("0 2 */1 * *").unwrap().is_daily());
        assert!(!Cron::parse("0 2 */2 * *").unwrap().is_daily());
    }

    #[test]
    fn a_daily_schedule_moves_as_a_whole_and_wraps() {
        let moved = |text: &str, hours| {
            Cron::parse(text)
                .unwrap()
                .shifted(hours)
                .map(|c| c.to_string())
        };
        assert_eq!(moved("15 2 * * *", 8).as_deref(), Some("15 10 * * *"));
        assert_eq!(
            moved("0 */6 * * *", 3).as_deref(),
            Some("0 3,9,15,21 * * *")
        );
        assert_eq!(moved("0,30 22 * * *", 4).as_deref(), Some("0,30 2 * * *"));
        assert_eq!(moved("0 2 * * 1-5", 4), None);
    }

    #[test]
    fn half_an_hour_carries_over_or_is_refused_where_five_fields_cannot_say_it() {
        let moved = |text: &str, minutes| {
            let cron = Cron::parse(text).unwrap();
            cron.shifted_by(minutes).map(|moved| moved.to_string())
        };
        assert_eq!(moved("15 2 * * *", 30).as_deref(), Some("45 2 * * *"));
        assert_eq!(moved("45 23 * * *", 30).as_deref(), Some("15 0 * * *"));
        assert_eq!(moved("15 2 * * *", 510).as_deref(), Some("45 10 * * *"));
        assert_eq!(moved("0,30 2 * * *", 30), None);
        assert_eq!(moved("0,30 * * * *", 30).as_deref(), Some("0,30 * * * *"));
        assert_eq!(moved("0 2 * * 1-5", 30), None);
    }

    #[test]
    fn the_next_start_is_in_the_time_zone() {
        let seoul = time_zone("Asia/Seoul").unwrap();
        let after = "2024-06-15T00:00Z".parse().unwrap();
        let weekly = Cron::parse("0 2 * * mon").unwrap();
        assert_eq!(
            weekly.next_start(after, &seoul),
            "2024-06-16T17:00Z".parse().ok()
        );
        assert_eq!(
            Cron::parse("0 0 30 2 *").unwrap().next_start(after, &seoul),
            None
        );
    }
}
