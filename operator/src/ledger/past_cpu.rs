//! The CPU time of pods on past days: what advice looks back at, however short
//! a policy's window is.
//!
//! Minutes are kept for two hours. Before they go they are added to their UTC
//! day: the time in which the pod was seen, the most that it used, and how long
//! it used how much, in the buckets of the histogram that advice is made from.
//! A minute in which a pod began or ended counts for as long as it was there.
//! No energy and no sum of a window is made of it.
//!
//! A pod's day is packed: a version byte; the most; how many spans of minutes,
//! for each the minutes since the one before and its length; how many buckets,
//! for each the number since the one before and its seconds. All are numbers of
//! one to nine bytes (LEB128), as in [`super::day`].

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rusqlite::{OptionalExtension as _, Row, Transaction, params};
use tanso_carbon::calendar::UtcHour;
use tanso_carbon::recommend::histogram::Shape;

use super::day::{put, take};
use super::memory::WorkloadKey;
use super::query::few::{Way, days_of, each};
use super::query::{hour_number, read};
use super::{LedgerAccount, LedgerFault, PodNames, unsigned};

/// Days that advice looks back at.
pub const DAYS: i64 = 8;

const VERSION: u8 = 1;
const MINUTE_S: i64 = 60;
const HOUR_S: i64 = 3_600;
const DAY_HOURS: i64 = 24;
const DAY_MINUTES: u16 = 1_440;

/// The CPU of a workload's pods on one UTC day, of minutes that are no longer
/// kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CpuDay {
    /// Minutes in which any of its pods was seen.
    pub minutes: u64,
    /// The most that one of them used in a minute, millionths of a core.
    pub most_microcores: u64,
    /// How long its pods used how much, all together: seconds by the bucket of
    /// [`Shape::CPU`], in the order of buckets.
    pub seconds: Vec<(u16, u64)>,
}

/// Days of each workload, by the day's first hour.
pub type CpuDays = BTreeMap<WorkloadKey, BTreeMap<UtcHour, CpuDay>>;

/// For how many seconds of a minute a pod was there, by when it began and
/// ended: all of it where that is not known, or its CPU time came late.
#[must_use]
pub fn present_s(minute: i64, started_at: Option<i64>, finished_at: Option<i64>) -> u64 {
    let end = minute.saturating_add(MINUTE_S);
    let from = started_at.unwrap_or(minute).clamp(minute, end);
    let until = finished_at.unwrap_or(end).clamp(minute, end);
    match u64::try_from(until.saturating_sub(from)) {
        Ok(seconds) if seconds > 0 => seconds,
        _ => MINUTE_S.unsigned_abs(),
    }
}

/// Adds all minutes before one to their days, takes them out, and forgets days
/// that nobody looks back at.
pub(super) fn fold(transaction: &Transaction<'_>, before: i64) -> Result<(), LedgerFault> {
    let fault = LedgerFault::of("adding CPU time to its day");
    let is_any: Option<i64> = transaction
        .prepare("SELECT 1 FROM minutes WHERE minute < ?1 LIMIT 1")
        .and_then(|mut query| query.query_row([before], |row| row.get(0)).optional())
        .map_err(&fault)?;
    if is_any.is_none() {
        return Ok(());
    }
    let mut known = transaction
        .prepare("SELECT used FROM cpu_days WHERE day = ?1 AND account = ?2")
        .map_err(&fault)?;
    let mut write = transaction
        .prepare("INSERT OR REPLACE INTO cpu_days (day, account, used) VALUES (?1, ?2, ?3)")
        .map_err(&fault)?;
    for ((day, account), new) in gathered(transaction, before)? {
        let there: Option<Vec<u8>> = known
            .query_row([day, account], |row| row.get(0))
            .optional()
            .map_err(&fault)?;
        let mut all = match there {
            Some(bytes) => used_of(&bytes)?,
            None => Used::default(),
        };
        all.merge(new);
        write
            .execute(params![day, account, all.pack()])
            .map_err(&fault)?;
    }
    transaction
        .execute("DELETE FROM minutes WHERE minute < ?1", [before])
        .map_err(&fault)?;
    // With a day of grace: nodes are not equally far.
    let oldest = day_of(before) - (DAYS + 2) * DAY_HOURS;
    transaction
        .execute("DELETE FROM cpu_days WHERE day < ?1", [oldest])
        .map_err(&fault)?;
    Ok(())
}

/// The minutes of pods before one, by day and account.
fn gathered(
    transaction: &Transaction<'_>,
    before: i64,
) -> Result<BTreeMap<(i64, i64), Used>, LedgerFault> {
    let fault = LedgerFault::of("adding CPU time to its day");
    let mut query = transaction
        .prepare(
            "SELECT m.minute, m.account, m.cpu_us, p.started_at, p.finished_at
             FROM minutes AS m JOIN accounts AS a ON a.id = m.account AND a.kind = 'pod'
             LEFT JOIN pods AS p ON p.uid = a.pod_uid
             WHERE m.minute < ?1",
        )
        .map_err(&fault)?;
    let mut rows = query.query([before]).map_err(&fault)?;
    let mut found: BTreeMap<(i64, i64), Used> = BTreeMap::new();
    while let Some(row) = rows.next().map_err(&fault)? {
        let minute: i64 = read(row, 0).map_err(&fault)?;
        let cpu_us = unsigned("minutes", read(row, 2).map_err(&fault)?)?;
        let (started, finished) = (read(row, 3).map_err(&fault)?, read(row, 4).map_err(&fault)?);
        let key = (day_of(minute), read(row, 1).map_err(&fault)?);
        let of_day = found.entry(key).or_default();
        of_day.add(minute, cpu_us, present_s(minute, started, finished));
    }
    Ok(found)
}

/// The days of the workloads of some accounts that end with `until`.
pub(super) fn days(
    transaction: &Transaction<'_>,
    (accounts, pods): (&HashMap<i64, LedgerAccount>, &HashMap<Arc<str>, PodNames>),
    counts: &dyn Fn(&PodNames) -> bool,
    (until, way): (UtcHour, Way),
) -> Result<CpuDays, LedgerFault> {
    const DOING: &str = "reading CPU time";
    let fault = LedgerFault::of(DOING);
    let from = hour_number(until) - (DAYS + 1) * DAY_HOURS;
    let mut found: HashMap<[&str; 3], BTreeMap<UtcHour, Used>> = HashMap::new();
    let mut add = |row: &Row<'_>| -> Result<(), LedgerFault> {
        let Some(LedgerAccount::Pod(uid)) = accounts.get(&read(row, 0).map_err(&fault)?) else {
            return Ok(());
        };
        let Some(pod) = pods.get(uid).filter(|pod| counts(pod)) else {
            return Ok(());
        };
        let day: i64 = read(row, 1).map_err(&fault)?;
        let day = UtcHour::from_unix_seconds(day.saturating_mul(HOUR_S));
        let bytes: Vec<u8> = read(row, 2).map_err(&fault)?;
        let of_workload = found.entry(pod.workload()).or_default();
        let of_day = of_workload.entry(day).or_default();
        of_day.merge(used_of(&bytes)?);
        Ok(())
    };
    let columns = "SELECT account, day, used FROM cpu_days";
    match way {
        Way::Read => {
            let sql = format!("{columns} WHERE day >= ?1");
            each(transaction, DOING, &sql, [[from]], &mut add)?;
        }
        Way::Sought => {
            let sql = format!("{columns} WHERE day = ?1 AND account = ?2");
            let days = days_of(transaction, "SELECT max(day) FROM cpu_days", from)?;
            let keys = accounts
                .keys()
                .flat_map(|account| days.iter().map(|day| [*day, *account]));
            each(transaction, DOING, &sql, keys, &mut add)?;
        }
    }
    let days = found.into_iter().map(|(workload, days)| {
        let days = days.into_iter().map(|(day, used)| (day, used.finish()));
        (workload.map(str::to_owned), days.collect())
    });
    Ok(days.collect())
}

/// The first hour of the UTC day that an instant lies in.
const fn day_of(second: i64) -> i64 {
    second.div_euclid(HOUR_S * DAY_HOURS) * DAY_HOURS
}

fn used_of(bytes: &[u8]) -> Result<Used, LedgerFault> {
    Used::unpack(bytes).ok_or_else(|| LedgerFault::Foreign {
        table: "cpu_days",
        found: format!("{} bytes that are no day of CPU time", bytes.len()),
    })
}

/// A day of one pod, or of several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Used {
    most_microcores: u64,
    /// Minutes of the day that were seen: where each span begins, and where it
    /// ends, which is no minute of it. Spans neither meet nor overlap.
    spans: BTreeMap<u16, u16>,
    seconds: BTreeMap<u16, u64>,
}

impl Used {
    fn add(&mut self, minute: i64, cpu_us: u64, present_s: u64) {
        // Microseconds in a second are millionths of a core.
        let microcores = cpu_us / present_s.max(1);
        self.most_microcores = self.most_microcores.max(microcores);
        let bucket = Shape::CPU.bucket_of_micros(microcores);
        let seconds = self.seconds.entry(bucket).or_default();
        *seconds = seconds.saturating_add(present_s);
        let of_day = minute
            .div_euclid(MINUTE_S)
            .rem_euclid(i64::from(DAY_MINUTES));
        let of_day = u16::try_from(of_day).unwrap_or(0);
        self.see(of_day, of_day + 1);
    }

    /// Notes minutes as seen, one span with all that they meet.
    fn see(&mut self, mut from: u16, mut until: u16) {
        while let Some((&begin, &end)) = self.spans.range(..=until).next_back() {
            if end < from {
                break;
            }
            (from, until) = (from.min(begin), until.max(end));
            self.spans.remove(&begin);
        }
        self.spans.insert(from, until);
    }

    fn merge(&mut self, other: Self) {
        if self.seconds.is_empty() {
            *self = other;
            return;
        }
        self.most_microcores = self.most_microcores.max(other.most_microcores);
        for (from, until) in other.spans {
            self.see(from, until);
        }
        for (bucket, more) in other.seconds {
            let seconds = self.seconds.entry(bucket).or_default();
            *seconds = seconds.saturating_add(more);
        }
    }

    fn finish(self) -> CpuDay {
        let spans = self.spans.iter();
        CpuDay {
            minutes: spans.map(|(from, until)| u64::from(until - from)).sum(),
            most_microcores: self.most_microcores,
            seconds: self.seconds.into_iter().collect(),
        }
    }

    fn pack(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        put(&mut bytes, self.most_microcores);
        put(&mut bytes, u64::try_from(self.spans.len()).unwrap_or(0));
        let mut last = 0;
        for (from, until) in &self.spans {
            put(&mut bytes, u64::from(from - last));
            put(&mut bytes, u64::from(until - from));
            last = *until;
        }
        put(&mut bytes, u64::try_from(self.seconds.len()).unwrap_or(0));
        let mut last = 0;
        for (bucket, seconds) in &self.seconds {
            put(&mut bytes, u64::from(bucket - last));
            put(&mut bytes, *seconds);
            last = *bucket;
        }
        bytes
    }

    /// `None` if no version of this program wrote the bytes.
    fn unpack(bytes: &[u8]) -> Option<Self> {
        let (version, mut rest) = bytes.split_first()?;
        if *version != VERSION {
            return None;
        }
        let mut found = Self {
            most_microcores: take(&mut rest)?,
            ..Self::default()
        };
        let mut last = 0_u16;
        for _ in 0..take(&mut rest)? {
            let from = last.checked_add(u16::try_from(take(&mut rest)?).ok()?)?;
            last = from.checked_add(u16::try_from(take(&mut rest)?).ok()?)?;
            if last <= from || last > DAY_MINUTES {
                return None;
            }
            found.spans.insert(from, last);
        }
        let mut last = 0_u16;
        for _ in 0..take(&mut rest)? {
            last = last.checked_add(u16::try_from(take(&mut rest)?).ok()?)?;
            found.seconds.insert(last, take(&mut rest)?);
        }
        rest.is_empty().then_some(found)
    }
}

#[cfg(test)]
mod tests;
