//! Whether rows are sought one by one by their keys, or all are read: what a
//! namespace's few pods cost must not grow with the cluster.

use rusqlite::{Row, Transaction, params_from_iter};
use tanso_carbon::calendar::Period;

use super::{hour_number, read};
use crate::ledger::LedgerFault;

/// A row that is sought costs about as much as so many that are read in their
/// order.
const SOUGHT_COSTS: usize = 8;

/// Hours from a day's number to the next one's.
const DAY_HOURS: i64 = 24;
const DAY_STEP: usize = 24;

/// How rows of some accounts are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ledger) enum Way {
    /// By their keys.
    Sought,
    /// By reading everybody's.
    Read,
}

impl Way {
    /// The cheaper way to the hours of so many accounts, each on its node.
    pub(super) fn to_hours(
        transaction: &Transaction<'_>,
        places: usize,
        period: Period,
    ) -> Result<Self, LedgerFault> {
        // The newest hour of the period stands for all of them.
        Self::cheaper(
            transaction,
            "SELECT count(*) FROM (SELECT 1 FROM hours
             WHERE hour = (SELECT max(hour) FROM hours WHERE hour < ?1) LIMIT ?2)",
            (hour_number(period.until), places),
        )
    }

    /// The cheaper way to the minutes of so many accounts.
    pub(in crate::ledger) fn to_minutes(
        transaction: &Transaction<'_>,
        accounts: usize,
    ) -> Result<Self, LedgerFault> {
        Self::cheaper(
            transaction,
            "SELECT count(*) FROM (SELECT 1 FROM minutes
             WHERE minute = (SELECT max(minute) FROM minutes WHERE minute < ?1) LIMIT ?2)",
            (i64::MAX, accounts),
        )
    }

    /// Whether the rows of one moment are more than seeking so many of them costs.
    fn cheaper(
        transaction: &Transaction<'_>,
        count: &str,
        (before, sought): (i64, usize),
    ) -> Result<Self, LedgerFault> {
        let enough = sought.saturating_mul(SOUGHT_COSTS);
        let limit = i64::try_from(enough).unwrap_or(i64::MAX);
        let found: i64 = transaction
            .prepare_cached(count)
            .and_then(|mut count| count.query_row([before, limit], |row| read(row, 0)))
            .map_err(LedgerFault::of("reading the ledger"))?;
        Ok(if found >= limit {
            Self::Sought
        } else {
            Self::Read
        })
    }
}

/// Shows the rows that a query has for each of these parameters.
pub(in crate::ledger) fn each<const N: usize>(
    transaction: &Transaction<'_>,
    doing: &'static str,
    sql: &str,
    keys: impl IntoIterator<Item = [i64; N]>,
    show: &mut impl FnMut(&Row<'_>) -> Result<(), LedgerFault>,
) -> Result<(), LedgerFault> {
    let fault = LedgerFault::of(doing);
    let mut query = transaction.prepare_cached(sql).map_err(&fault)?;
    for key in keys {
        let mut rows = query.query(params_from_iter(key)).map_err(&fault)?;
        while let Some(row) = rows.next().map_err(&fault)? {
            show(row)?;
        }
    }
    Ok(())
}

/// The days of a table from one on, up to its last: each number is that of the
/// day's first hour.
pub(in crate::ledger) fn days_of(
    transaction: &Transaction<'_>,
    last: &str,
    from: i64,
) -> Result<Vec<i64>, LedgerFault> {
    let last: Option<i64> = transaction
        .prepare_cached(last)
        .and_then(|mut last| last.query_row([], |row| read(row, 0)))
        .map_err(LedgerFault::of("reading the days that have data"))?;
    let first = from.div_euclid(DAY_HOURS) * DAY_HOURS;
    let days = (first..=last.unwrap_or(i64::MIN)).step_by(DAY_STEP);
    Ok(days.filter(|day| *day >= from).collect())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;
    use rusqlite::Connection;
    use tanso_agent_wire::energy::{Account, JournalId, Names, Record};
    use tanso_carbon::calendar::UtcHour;
    use tanso_power::{Estimate, Joules, Provenance};

    use super::super::{Fold, Scope, folded, folded_by};
    use super::*;
    use crate::ledger::node_places::PlaceNumbers;
    use crate::ledger::roll_up::{self, Retention};
    use crate::ledger::{Page, PodNames, append, names, open_file};

    const HOUR_S: i64 = 3_600;
    /// A begin of a UTC day.
    const BEGIN: i64 = 1_790_000_400 / 86_400 * 86_400;
    const NODES: u64 = 3;
    const PODS: u64 = 30;

    fn uid(pod: u64) -> String {
        format!("uid-{pod}")
    }

    fn namespace(pod: u64) -> String {
        ["shop", "lab", "team"][usize::try_from(pod % 3).unwrap()].to_owned()
    }

    fn record(sequence: u64, account: Account, minute: i64) -> Record {
        Record {
            sequence,
            minute,
            account,
            names: Names::default(),
            energy_uj: Estimate::exact(Joules::from_microjoules(1_000 + sequence)),
            cpu_us: 10 * sequence,
            provenance: Provenance::Measured,
            model: None,
            caught_up: false,
            memory_peak_bytes: Some(sequence << 20),
        }
    }

    /// What each node has of a minute: idle energy and that of its pods.
    fn minute(node: u64, at: i64, next: &mut u64) -> Vec<Record> {
        let mut sequence = || {
            *next += 1;
            *next
        };
        let mut records = vec![record(sequence(), Account::Idle, at)];
        for pod in (node..PODS).step_by(usize::try_from(NODES).unwrap()) {
            let account = Account::Container {
                pod_uid: uid(pod),
                container_id: "main".to_owned(),
            };
            let mut one = record(sequence(), account, at);
            one.names.namespace = Some(namespace(pod));
            one.names.pod = Some(format!("pod-{pod}"));
            records.push(one);
        }
        records
    }

    /// Three days of three nodes; one began late, a third of the pods was never
    /// seen by the cluster.
    fn ledger(folder: &std::path::Path, minutes: &[i64]) -> Connection {
        let mut ledger = open_file(&folder.join("ledger.db")).unwrap();
        for node in 0..NODES {
            let mut next = 0;
            let records: Vec<Record> = minutes
                .iter()
                .filter(|at| node != 2 || **at >= BEGIN + 30 * HOUR_S)
                .flat_map(|at| minute(node, *at, &mut next))
                .collect();
            let page = Page {
                node: format!("node-{node}"),
                journal: JournalId(node + 1),
                next_sequence: next,
                records,
                closed_until: BEGIN + 72 * HOUR_S,
            };
            append::book(&mut ledger, &page, Timestamp::UNIX_EPOCH).unwrap();
        }
        let seen: Vec<PodNames> = (0..PODS)
            .filter(|pod| pod % 4 != 0)
            .map(|pod| PodNames {
                uid: uid(pod),
                namespace: namespace(pod),
                name: format!("pod-{pod}"),
                node: format!("node-{}", pod % NODES),
                workload_kind: "Deployment".to_owned(),
                workload_name: format!("app-{}", pod % 7),
                ..PodNames::default()
            })
            .collect();
        names::keep(&mut ledger, &seen, Timestamp::UNIX_EPOCH).unwrap();
        ledger
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// What is sought by keys is what is found by reading all, whatever the hours,
        /// the period, the fold, and what was rolled up.
        #[test]
        fn both_ways_find_the_same(
            mut minutes in proptest::collection::btree_set(0_i64..72 * 60, 1..12),
            from in 0_i32..60,
            hours in 1_i32..72,
            fold_after in proptest::option::of(0_i32..40),
            rolled in proptest::bool::ANY,
        ) {
            minutes.insert(72 * 60 - 1);
            let minutes: Vec<i64> = minutes.into_iter().map(|at| BEGIN + 60 * at).collect();
            let folder = tempfile::tempdir().unwrap();
            let mut ledger = ledger(folder.path(), &minutes);
            if rolled {
                let now = Timestamp::from_second(BEGIN + 72 * HOUR_S).unwrap();
                let short = Retention { hourly_days: 1, ..Retention::default() };
                roll_up::roll_up(&mut ledger, short, now).unwrap();
            }
            let from = UtcHour::from_unix_seconds(BEGIN).plus_hours(from);
            let period = Period { from, until: from.plus_hours(hours) };
            let counts = |pod: &PodNames| pod.name != "pod-5";
            let place_of = |_: &str| PlaceNumbers::default();
            let fold = fold_after.map(|after| Fold {
                before: from.plus_hours(after),
                counts: &counts,
                place_of: &place_of,
            });
            for scope in [vec!["shop"], vec!["lab", "team"], vec!["nobody"]] {
                let scope = Scope::Namespaces(scope.into_iter().map(str::to_owned).collect());
                let mut by = |way| folded_by(&mut ledger, &scope, period, fold.as_ref(), Some(way));
                let (sought, read) = (by(Way::Sought).unwrap(), by(Way::Read).unwrap());
                prop_assert_eq!(&sought, &read);
                let cheaper = folded(&mut ledger, &scope, period, fold.as_ref()).unwrap();
                prop_assert_eq!(&cheaper, &read);
            }
        }
    }

    /// Many pods of others do not make a few dearer: then they are sought.
    #[test]
    fn few_among_many_are_sought() {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = ledger(folder.path(), &[BEGIN]);
        let transaction = ledger.transaction().unwrap();
        let from = UtcHour::from_unix_seconds(BEGIN);
        let period = Period {
            from,
            until: from.plus_hours(24),
        };
        let way = |places| Way::to_hours(&transaction, places, period).unwrap();
        // The hour has a row of each of 20 pods that were there, and of idle energy of two nodes.
        assert_eq!((way(2), way(3)), (Way::Sought, Way::Read));
        let way = |accounts| Way::to_minutes(&transaction, accounts).unwrap();
        assert_eq!((way(2), way(3)), (Way::Sought, Way::Read));
    }
}
