//! The hours of a local day that a run must stay in: not before its earliest
//! start, over by its deadline. Never chooses a time.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde::{Deserialize, Serialize};

/// Seconds of a day.
const DAY_S: i64 = 86_400;

/// When a run may start at the earliest and must be over at the latest, each
/// day; a deadline at or before the earliest start is the next morning's.
///
/// ```
/// use jiff::civil::time;
/// use tanso_carbon::recommend::shift::Within;
/// let night = Within { earliest: Some(time(22, 0, 0, 0)), deadline: Some(time(6, 0, 0, 0)) };
/// assert!(night.holds(time(23, 0, 0, 0), 4 * 3_600));
/// assert!(night.holds(time(2, 0, 0, 0), 4 * 3_600));
/// assert!(!night.holds(time(3, 0, 0, 0), 4 * 3_600));
/// assert!(!night.holds(time(21, 0, 0, 0), 3_600));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Within {
    /// The earliest start; midnight, if none.
    pub earliest: Option<Time>,
    /// The end by which a run is over; none, if none.
    pub deadline: Option<Time>,
}

impl Within {
    /// Whether a run of so many seconds that starts at a local time stays in
    /// these hours.
    #[must_use]
    pub fn holds(&self, start: Time, seconds: i64) -> bool {
        let of_day = |time: Time| {
            i64::from(time.hour()) * 3_600
                + i64::from(time.minute()) * 60
                + i64::from(time.second())
        };
        let from = self.earliest.map_or(0, of_day);
        match self.deadline.map(of_day) {
            None => of_day(start) >= from,
            Some(until) => {
                (of_day(start) - from).rem_euclid(DAY_S) + seconds <= length(from, until)
            }
        }
    }

    /// The first and the last start on a local day of a run of so many
    /// seconds; `None` if it does not fit into these hours.
    #[must_use]
    pub fn starts_on(
        &self,
        day: Date,
        zone: &TimeZone,
        seconds: i64,
    ) -> Option<(Timestamp, Timestamp)> {
        let at = |day: Date, time: Time| {
            let local: Zoned = day.to_datetime(time).to_zoned(zone.clone()).ok()?;
            Some(local.timestamp())
        };
        let from = at(day, self.earliest.unwrap_or(Time::midnight()))?;
        let Some(deadline) = self.deadline else {
            let next = at(day.tomorrow().ok()?, Time::midnight())?;
            return Some((from, Timestamp::from_second(next.as_second() - 1).ok()?));
        };
        let is_next_day = deadline <= self.earliest.unwrap_or(Time::midnight());
        let end_day = if is_next_day {
            day.tomorrow().ok()?
        } else {
            day
        };
        let last_s = at(end_day, deadline)?.as_second().checked_sub(seconds)?;
        let last = Timestamp::from_second(last_s).ok()?;
        (from <= last).then_some((from, last))
    }

    /// `, not before 22:00, over by 06:00`; nothing without limits.
    #[must_use]
    pub fn in_words(&self) -> String {
        let at = |time: Time| format!("{:02}:{:02}", time.hour(), time.minute());
        let earliest = self
            .earliest
            .map(|time| format!(", not before {}", at(time)));
        let deadline = self.deadline.map(|time| format!(", over by {}", at(time)));
        earliest.unwrap_or_default() + &deadline.unwrap_or_default()
    }
}

/// Seconds from one time of day to the next such other.
const fn length(from_s: i64, until_s: i64) -> i64 {
    if until_s > from_s {
        until_s - from_s
    } else {
        until_s + DAY_S - from_s
    }
}
