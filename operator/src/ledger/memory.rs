//! The memory of pods: the highest working set of each hour and day.
//!
//! A peak is no sum: what comes twice changes nothing, and a month's peak is
//! the highest of its days. What the records of a pod's minute carry was held
//! at once and is added up, as far as they come within the two hours for which
//! minutes are kept. Nothing here decides what a pod should ask for.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use rusqlite::{Row, Transaction, params};
use tanso_carbon::calendar::{Period, UtcHour};

use super::query::few::{Way, days_of, each};
use super::query::{hour_number, read};
use super::{LedgerAccount, LedgerFault, PodNames, unsigned, whole};

/// Days of peaks that a snapshot holds: those that advice looks at, and the
/// one that is not over.
const DAYS: i64 = tanso_carbon::recommend::memory::DAYS + 1;
const HOURS_PER_DAY: i64 = 24;
const SECONDS_PER_HOUR: i64 = 3_600;
const MINUTES_PER_HOUR: u64 = 60;

/// The last day that has a row; 1 is [`Span::Day`].
const LAST_DAY: &str = "SELECT max(begin) FROM memory WHERE span = 1";

/// What a row is the peak of, as it stands in the table.
#[derive(Clone, Copy)]
enum Span {
    Hour = 0,
    Day = 1,
    Month = 2,
}

/// A workload: its namespace, kind and name.
pub type WorkloadKey = [String; 3];

/// The memory of a workload's pods on one UTC day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryDay {
    /// The highest working set that one of its pods was seen with, bytes; 0
    /// where only a kill is known.
    pub peak_bytes: u64,
    /// Minutes in which its pods were seen, added up, but of each hour no more
    /// than 60: pods that replace each other have a day together, and pods that
    /// run beside each other no day more.
    pub minutes: u64,
    /// If a pod was killed or evicted for want of memory, the least that is
    /// taken for what it held then, bytes.
    pub killed_with: Option<u64>,
}

/// Days of each workload, by the day's first hour.
pub type MemoryDays = BTreeMap<WorkloadKey, BTreeMap<UtcHour, MemoryDay>>;

/// What the records of a page say of one pod's minute.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told {
    /// Of all containers in the page, bytes.
    pub(super) in_page: u64,
    /// With those of earlier pages, where that is known.
    pub(super) with_earlier: Option<u64>,
}

/// Keeps the peaks of a page's minutes, by minute and account.
pub(super) fn add(
    transaction: &Transaction<'_>,
    told: &BTreeMap<(i64, i64), Told>,
) -> Result<(), LedgerFault> {
    let mut peaks: BTreeMap<(i64, i64, i64), (u64, i64, i64)> = BTreeMap::new();
    for (&(minute, account), told) in told {
        let bytes = told.with_earlier.unwrap_or(told.in_page);
        // A minute that an earlier page began is counted already.
        let new = i64::from(bytes == told.in_page);
        let hour = minute.div_euclid(SECONDS_PER_HOUR);
        let day = hour - hour.rem_euclid(HOURS_PER_DAY);
        let of_day = 1 << (hour - day);
        for (span, begin, hours) in [(Span::Hour, hour, 0), (Span::Day, day, of_day)] {
            let peak = peaks.entry((span as i64, begin, account)).or_default();
            peak.0 = peak.0.max(bytes);
            peak.1 += new;
            peak.2 |= hours;
        }
    }
    let fault = LedgerFault::of("booking memory");
    let mut upsert = transaction
        .prepare(
            "INSERT INTO memory (span, begin, account, peak_bytes, minutes, hours)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT DO UPDATE SET
                peak_bytes = max(peak_bytes, excluded.peak_bytes),
                minutes = minutes + excluded.minutes,
                hours = hours | excluded.hours",
        )
        .map_err(&fault)?;
    for ((span, begin, account), (bytes, minutes, hours)) in peaks {
        upsert
            .execute(params![
                span,
                begin,
                account,
                whole("memory", bytes)?,
                minutes,
                hours
            ])
            .map_err(&fault)?;
    }
    Ok(())
}

/// Drops hours before an hour, whose days are kept, and makes months of days
/// before a month.
pub(super) fn roll_up(
    transaction: &Transaction<'_>,
    before_hour: i64,
    before_month: Option<i64>,
) -> Result<(), LedgerFault> {
    let fault = LedgerFault::of("rolling up memory");
    transaction
        .execute(
            "DELETE FROM memory WHERE span = ?1 AND begin < ?2",
            params![Span::Hour as i64, before_hour],
        )
        .map_err(&fault)?;
    let Some(before_month) = before_month else {
        return Ok(());
    };
    transaction
        .execute(
            "INSERT INTO memory (span, begin, account, peak_bytes, minutes)
             SELECT ?1, unixepoch(begin * 3600, 'unixepoch', 'start of month') / 3600,
                    account, max(peak_bytes), sum(minutes)
             FROM memory WHERE span = ?2 AND begin < ?3 GROUP BY 2, 3
             ON CONFLICT DO UPDATE SET
                peak_bytes = max(peak_bytes, excluded.peak_bytes),
                minutes = minutes + excluded.minutes",
            params![Span::Month as i64, Span::Day as i64, before_month],
        )
        .map_err(&fault)?;
    transaction
        .execute(
            "DELETE FROM memory WHERE span = ?1 AND begin < ?2",
            params![Span::Day as i64, before_month],
        )
        .map_err(&fault)?;
    Ok(())
}

/// The days of the workloads of some accounts that end with `until`, and the
/// pods that they are of.
pub(super) fn days(
    transaction: &Transaction<'_>,
    (accounts, pods): (&HashMap<i64, LedgerAccount>, &HashMap<Arc<str>, PodNames>),
    (until, way): (UtcHour, Way),
) -> Result<(MemoryDays, BTreeSet<Arc<str>>), LedgerFault> {
    const DOING: &str = "reading memory";
    let fault = LedgerFault::of(DOING);
    let from = hour_number(until) - DAYS * HOURS_PER_DAY;
    let (mut seen, mut told) = (HashMap::new(), BTreeSet::new());
    let mut add = |row: &Row<'_>| -> Result<(), LedgerFault> {
        let Some(LedgerAccount::Pod(uid)) = accounts.get(&read(row, 0).map_err(&fault)?) else {
            return Ok(());
        };
        let Some(pod) = pods.get(uid) else {
            return Ok(());
        };
        told.insert(Arc::clone(uid));
        let day = entry(&mut seen, pod, read(row, 1).map_err(&fault)?);
        let minutes = unsigned("memory", read(row, 3).map_err(&fault)?)?;
        let peak = unsigned("memory", read(row, 2).map_err(&fault)?)?;
        let hours = unsigned("memory", read(row, 4).map_err(&fault)?)?;
        day.add(peak, minutes, hours);
        Ok(())
    };
    let columns = "SELECT account, begin, peak_bytes, minutes, hours FROM memory";
    let span = Span::Day as i64;
    match way {
        Way::Read => {
            let sql = format!("{columns} WHERE span = ?1 AND begin >= ?2");
            each(transaction, DOING, &sql, [[span, from]], &mut add)?;
        }
        Way::Sought => {
            let sql = format!("{columns} WHERE span = ?1 AND begin = ?2 AND account = ?3");
            let days = days_of(transaction, LAST_DAY, from)?;
            let keys = accounts
                .keys()
                .flat_map(|account| days.iter().map(|day| [span, *day, *account]));
            each(transaction, DOING, &sql, keys, &mut add)?;
        }
    }
    for pod in pods.values() {
        let killed = pod.oom_killed_at.map(|at| at.div_euclid(SECONDS_PER_HOUR));
        if let Some(hour) = killed.filter(|hour| *hour >= from) {
            // A pod that an earlier version noted has no figure of its kill.
            let held = pod.oom_held_bytes.or(pod.memory_request_bytes);
            let held = held.and_then(|bytes| u64::try_from(bytes).ok());
            let day = entry(&mut seen, pod, hour - hour.rem_euclid(HOURS_PER_DAY));
            day.killed_with = day.killed_with.max(Some(held.unwrap_or(0)));
        }
    }
    let days = seen.into_iter().map(|(workload, days)| {
        let days = days.into_iter().map(|(day, seen)| (day, seen.finish()));
        (workload.map(str::to_owned), days.collect())
    });
    Ok((days.collect(), told))
}

/// A workload's day in the making.
#[derive(Default)]
struct Seen {
    peak_bytes: u64,
    minutes: u64,
    /// A bit for each hour in which a pod was seen.
    hours: u64,
    killed_with: Option<u64>,
}

impl Seen {
    /// Adds a pod.
    fn add(&mut self, peak_bytes: u64, minutes: u64, hours: u64) {
        self.peak_bytes = self.peak_bytes.max(peak_bytes);
        self.minutes = self.minutes.saturating_add(minutes);
        // Of days whose hours were gone before they were noted only minutes are known.
        let fewest = minutes.div_ceil(MINUTES_PER_HOUR).min(24);
        self.hours |= if hours == 0 { (1 << fewest) - 1 } else { hours };
    }

    fn finish(self) -> MemoryDay {
        let most = u64::from(self.hours.count_ones()) * MINUTES_PER_HOUR;
        MemoryDay {
            peak_bytes: self.peak_bytes,
            minutes: self.minutes.min(most),
            killed_with: self.killed_with,
        }
    }
}

fn entry<'a, 'p>(
    days: &'a mut HashMap<[&'p str; 3], BTreeMap<UtcHour, Seen>>,
    pod: &'p PodNames,
    begin: i64,
) -> &'a mut Seen {
    let begin = UtcHour::from_unix_seconds(begin.saturating_mul(SECONDS_PER_HOUR));
    let of_workload = days.entry(pod.workload()).or_default();
    of_workload.entry(begin).or_default()
}

/// The peak of each pod in each hour of a period, by hour and UID.
pub(super) fn hours(
    transaction: &Transaction<'_>,
    period: Period,
) -> Result<HashMap<(UtcHour, String), u64>, LedgerFault> {
    let fault = LedgerFault::of("reading memory");
    let mut query = transaction
        .prepare(
            "SELECT m.begin, a.pod_uid, m.peak_bytes FROM memory AS m
             JOIN accounts AS a ON a.id = m.account
             WHERE m.span = ?1 AND m.begin >= ?2 AND m.begin < ?3",
        )
        .map_err(&fault)?;
    let (from, until) = (hour_number(period.from), hour_number(period.until));
    let mut rows = query
        .query(params![Span::Hour as i64, from, until])
        .map_err(&fault)?;
    let mut hours = HashMap::new();
    while let Some(row) = rows.next().map_err(&fault)? {
        let begin: i64 = read(row, 0).map_err(&fault)?;
        let hour = UtcHour::from_unix_seconds(begin.saturating_mul(SECONDS_PER_HOUR));
        let bytes = unsigned("memory", read(row, 2).map_err(&fault)?)?;
        hours.insert((hour, read(row, 1).map_err(&fault)?), bytes);
    }
    Ok(hours)
}
