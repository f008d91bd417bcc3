//! The CPU time of pods in each of the last minutes: a cluster has millions of
//! them, so they are kept by pod from the reading on.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{OptionalExtension as _, Transaction};

use super::query::few::Way;
use super::query::read;
use super::{LedgerAccount, LedgerFault, unsigned};

/// What a pod's CPU time was in one minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuMinute {
    /// The minute's begin, seconds of Unix time.
    pub minute: i64,
    /// Its CPU time, microseconds.
    pub cpu_us: u64,
}

/// The last minutes of a pod, with what most questions are about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodMinutes {
    minutes: Vec<CpuMinute>,
    oldest: i64,
    newest: i64,
    most_us: u64,
}

/// Those of a pod that has none.
static NONE: PodMinutes = PodMinutes::new();

impl PodMinutes {
    const fn new() -> Self {
        Self {
            minutes: Vec::new(),
            oldest: i64::MAX,
            newest: i64::MIN,
            most_us: 0,
        }
    }

    /// Each of them, in the order in which they came.
    #[must_use]
    pub fn all(&self) -> &[CpuMinute] {
        &self.minutes
    }

    /// The first, seconds of Unix time; after all others without any.
    #[must_use]
    pub const fn oldest(&self) -> i64 {
        self.oldest
    }

    /// The last, seconds of Unix time; before all others without any.
    #[must_use]
    pub const fn newest(&self) -> i64 {
        self.newest
    }

    /// The most CPU time in one of them, microseconds.
    #[must_use]
    pub const fn most_us(&self) -> u64 {
        self.most_us
    }

    fn push(&mut self, one: CpuMinute) {
        self.oldest = self.oldest.min(one.minute);
        self.newest = self.newest.max(one.minute);
        self.most_us = self.most_us.max(one.cpu_us);
        self.minutes.push(one);
    }
}

impl Default for PodMinutes {
    fn default() -> Self {
        Self::new()
    }
}

/// The last minutes of pods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CpuMinutes {
    of_pod: HashMap<Arc<str>, PodMinutes>,
}

impl CpuMinutes {
    /// Those of a pod.
    #[must_use]
    pub fn of(&self, pod: &str) -> &PodMinutes {
        self.of_pod.get(pod).unwrap_or(&NONE)
    }

    /// The last minute that any pod has, seconds of Unix time; 0 without any.
    #[must_use]
    pub fn newest(&self) -> i64 {
        let each = self.of_pod.values().map(PodMinutes::newest);
        each.fold(0, i64::max)
    }

    /// Every pod's, in no order of pods.
    pub fn pods(&self) -> impl Iterator<Item = (&Arc<str>, &[CpuMinute])> {
        self.of_pod.iter().map(|(pod, of_pod)| (pod, of_pod.all()))
    }
}

impl Extend<(Arc<str>, CpuMinute)> for CpuMinutes {
    fn extend<I: IntoIterator<Item = (Arc<str>, CpuMinute)>>(&mut self, minutes: I) {
        for (pod, minute) in minutes {
            self.of_pod.entry(pod).or_default().push(minute);
        }
    }
}

impl FromIterator<(Arc<str>, CpuMinute)> for CpuMinutes {
    fn from_iter<I: IntoIterator<Item = (Arc<str>, CpuMinute)>>(minutes: I) -> Self {
        let mut all = Self::default();
        all.extend(minutes);
        all
    }
}

/// Seconds from a minute's begin to the next one's.
const MINUTE_S: usize = 60;

/// All minutes that are kept, of the pods of some accounts, on this way or the
/// cheaper one.
pub(super) fn of(
    transaction: &Transaction<'_>,
    accounts: &HashMap<i64, LedgerAccount>,
    way: Option<Way>,
) -> Result<CpuMinutes, LedgerFault> {
    let way = match way {
        Some(way) => way,
        None => Way::to_minutes(transaction, accounts.len())?,
    };
    match way {
        Way::Sought => sought(transaction, accounts),
        Way::Read => all(transaction, accounts),
    }
}

fn sought(
    transaction: &Transaction<'_>,
    accounts: &HashMap<i64, LedgerAccount>,
) -> Result<CpuMinutes, LedgerFault> {
    let fault = LedgerFault::of("reading CPU time");
    // Each by itself: then either is read off the table's key.
    let ends = "SELECT (SELECT min(minute) FROM minutes), (SELECT max(minute) FROM minutes)";
    let (first, last): (Option<i64>, Option<i64>) = transaction
        .query_row(ends, [], |row| Ok((read(row, 0)?, read(row, 1)?)))
        .map_err(&fault)?;
    let mut found = CpuMinutes::default();
    let Some((first, last)) = first.zip(last) else {
        return Ok(found);
    };
    let mut query = transaction
        .prepare_cached("SELECT cpu_us FROM minutes WHERE minute = ?1 AND account = ?2")
        .map_err(&fault)?;
    for minute in (first..=last).step_by(MINUTE_S) {
        for (account, who) in accounts {
            let LedgerAccount::Pod(pod) = who else {
                continue;
            };
            let cpu_us = query.query_row([minute, *account], |row| read(row, 0));
            if let Some(cpu_us) = cpu_us.optional().map_err(&fault)? {
                let cpu_us = unsigned("minutes", cpu_us)?;
                found.extend([(Arc::clone(pod), CpuMinute { minute, cpu_us })]);
            }
        }
    }
    Ok(found)
}

fn all(
    transaction: &Transaction<'_>,
    accounts: &HashMap<i64, LedgerAccount>,
) -> Result<CpuMinutes, LedgerFault> {
    let fault = LedgerFault::of("reading CPU time");
    let mut query = transaction
        .prepare_cached("SELECT minute, account, cpu_us FROM minutes")
        .map_err(&fault)?;
    let mut rows = query.query([]).map_err(&fault)?;
    // They come by minute: a number is found sooner than a name.
    let mut of_account: HashMap<i64, PodMinutes> = HashMap::new();
    while let Some(row) = rows.next().map_err(&fault)? {
        let account: i64 = read(row, 1).map_err(&fault)?;
        let minute = CpuMinute {
            minute: read(row, 0).map_err(&fault)?,
            cpu_us: unsigned("minutes", read(row, 2).map_err(&fault)?)?,
        };
        if let Some(minutes) = of_account.get_mut(&account) {
            minutes.push(minute);
        } else if matches!(accounts.get(&account), Some(LedgerAccount::Pod(_))) {
            of_account.entry(account).or_default().push(minute);
        }
    }
    // A pod has one account.
    let of_pod = of_account.into_iter().filter_map(|(account, minutes)| {
        let LedgerAccount::Pod(pod) = accounts.get(&account)? else {
            return None;
        };
        Some((Arc::clone(pod), minutes))
    });
    Ok(CpuMinutes {
        of_pod: of_pod.collect(),
    })
}
