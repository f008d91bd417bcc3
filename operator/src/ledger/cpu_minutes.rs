//! The CPU time of pods in each of the last minutes: a cluster has millions of
//! them, so they are kept by pod from the reading on.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::Transaction;

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

/// The last minutes of pods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CpuMinutes {
    of_pod: HashMap<Arc<str>, Vec<CpuMinute>>,
    newest: i64,
}

impl CpuMinutes {
    /// Those of a pod, in the order in which they came.
    #[must_use]
    pub fn of(&self, pod: &str) -> &[CpuMinute] {
        self.of_pod.get(pod).map_or(&[], Vec::as_slice)
    }

    /// The last minute that any pod has, seconds of Unix time; 0 without any.
    #[must_use]
    pub fn newest(&self) -> i64 {
        self.newest
    }

    /// Every pod's, in no order of pods.
    pub fn pods(&self) -> impl Iterator<Item = (&Arc<str>, &[CpuMinute])> {
        self.of_pod
            .iter()
            .map(|(pod, minutes)| (pod, minutes.as_slice()))
    }

    fn add(&mut self, pod: Arc<str>, minutes: impl IntoIterator<Item = CpuMinute>) {
        let of_pod = self.of_pod.entry(pod).or_default();
        for one in minutes {
            self.newest = self.newest.max(one.minute);
            of_pod.push(one);
        }
    }
}

impl Extend<(Arc<str>, CpuMinute)> for CpuMinutes {
    fn extend<I: IntoIterator<Item = (Arc<str>, CpuMinute)>>(&mut self, minutes: I) {
        for (pod, minute) in minutes {
            self.add(pod, [minute]);
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

/// All minutes that are kept, of the pods of some accounts.
pub(super) fn all(
    transaction: &Transaction<'_>,
    accounts: &HashMap<i64, LedgerAccount>,
) -> Result<CpuMinutes, LedgerFault> {
    let fault = LedgerFault::of("reading CPU time");
    let mut query = transaction
        .prepare("SELECT minute, account, cpu_us FROM minutes")
        .map_err(&fault)?;
    let mut rows = query.query([]).map_err(&fault)?;
    // They come by minute: a number is found sooner than a name.
    let mut of_account: HashMap<i64, Vec<CpuMinute>> = HashMap::new();
    while let Some(row) = rows.next().map_err(&fault)? {
        let account: i64 = read(row, 1).map_err(&fault)?;
        let minute = CpuMinute {
            minute: read(row, 0).map_err(&fault)?,
            cpu_us: unsigned("minutes", read(row, 2).map_err(&fault)?)?,
        };
        if let Some(minutes) = of_account.get_mut(&account) {
            minutes.push(minute);
        } else if matches!(accounts.get(&account), Some(LedgerAccount::Pod(_))) {
            of_account.insert(account, vec![minute]);
        }
    }
    let mut found = CpuMinutes::default();
    for (account, minutes) in of_account {
        if let Some(LedgerAccount::Pod(pod)) = accounts.get(&account) {
            found.add(Arc::clone(pod), minutes);
        }
    }
    Ok(found)
}
