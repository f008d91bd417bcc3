//! Studies in the ledger: what lies within a trial's minutes, and the raw
//! figures of whole trials, each once. Knows text and sums, not what they say.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};
use tanso_power::{Joules, Provenance};

use super::append::MINUTES_KEPT_S;
use super::ids::provenance_of;
use super::{LedgerFault, unsigned};

/// A study as its first trial found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StudyRecord {
    /// The UID of its object.
    pub study: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The plan, JSON.
    pub plan: String,
    /// Digest of all that the arms apply.
    pub digest: String,
    /// The first line of the raw figures, with its end.
    pub header: String,
}

/// Who used energy in a trial's minutes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// A pod, by namespace, kind and name of its workload.
    Pod([String; 3]),
    /// An account that is no pod, such as `idle`.
    Account(String),
}

/// What somebody used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Energy.
    pub energy: Joules,
    /// CPU time, microseconds.
    pub cpu_us: u64,
}

/// What lies within some minutes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// By who used it.
    pub used: BTreeMap<Who, Used>,
    /// The worst provenance of it; absent if nothing was booked.
    pub provenance: Option<Provenance>,
}

/// The energy and CPU time of whole minutes from `from` to before `until`,
/// seconds of Unix time. Only the last two hours are known by the minute.
///
/// # Errors
/// If the database refuses.
pub fn window(connection: &Connection, from: i64, until: i64) -> Result<Window, LedgerFault> {
    let fault = LedgerFault::of("reading a trial's minutes");
    let mut query = connection
        .prepare(
            "SELECT a.kind, coalesce(p.namespace, ''), coalesce(p.workload_kind, ''),
                    coalesce(p.workload_name, ''), m.energy_uj, m.cpu_us, m.provenance
             FROM minutes AS m JOIN accounts AS a ON a.id = m.account
             LEFT JOIN pods AS p ON a.kind = 'pod' AND p.uid = a.pod_uid
             WHERE m.minute >= ?1 AND m.minute < ?2",
        )
        .map_err(&fault)?;
    let mut rows = query.query([from, until]).map_err(&fault)?;
    let mut found = Window::default();
    while let Some(row) = rows.next().map_err(&fault)? {
        let kind: String = row.get(0).map_err(&fault)?;
        let who = if kind == "pod" {
            let column = |place: usize| row.get::<_, String>(place).map_err(&fault);
            Who::Pod([column(1)?, column(2)?, column(3)?])
        } else {
            Who::Account(kind)
        };
        let energy = unsigned("minutes", row.get(4).map_err(&fault)?)?;
        let cpu_us = unsigned("minutes", row.get(5).map_err(&fault)?)?;
        let used = found.used.entry(who).or_default();
        used.energy += Joules::from_microjoules(energy);
        used.cpu_us = used.cpu_us.saturating_add(cpu_us);
        let provenance = provenance_of(row.get(6).map_err(&fault)?)?;
        found.provenance = found.provenance.max(Some(provenance));
    }
    Ok(found)
}

/// Whether minutes from `from` on may be gone from the ledger, some or all:
/// what it has of them is less than was used.
///
/// # Errors
/// If the database refuses.
pub fn is_past(connection: &Connection, from: i64) -> Result<bool, LedgerFault> {
    let newest: Option<i64> = connection
        .query_row("SELECT max(minute) FROM minutes", [], |row| row.get(0))
        .map_err(LedgerFault::of("reading the newest minute"))?;
    Ok(newest.is_some_and(|newest| from < newest - MINUTES_KEPT_S))
}

/// Begins a study unless it has begun; gives it as it began.
///
/// # Errors
/// If the database refuses.
pub fn begin(
    connection: &mut Connection,
    study: &StudyRecord,
    now: Timestamp,
) -> Result<StudyRecord, LedgerFault> {
    let fault = LedgerFault::of("beginning a study");
    connection
        .execute(
            "INSERT INTO studies (study, namespace, name, began_at, plan, digest, header)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
            params![
                study.study,
                study.namespace,
                study.name,
                now.as_second(),
                study.plan,
                study.digest,
                study.header
            ],
        )
        .map_err(&fault)?;
    let begun = find(connection, "study = ?1", [&study.study])?;
    // It was just put there, if it was not.
    Ok(begun.unwrap_or_else(|| study.clone()))
}

/// Keeps a whole trial's lines; one that is there stays as it is. Durable on
/// return.
///
/// # Errors
/// If the database refuses; then nothing was kept.
pub fn keep(
    connection: &mut Connection,
    study: &str,
    trial: u32,
    lines: &str,
    now: Timestamp,
) -> Result<(), LedgerFault> {
    connection
        .execute(
            "INSERT INTO study_trials (study, trial, kept_at, lines) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO NOTHING",
            params![study, trial, now.as_second(), lines],
        )
        .map_err(LedgerFault::of("keeping a trial"))?;
    Ok(())
}

/// The raw figures of a study so far, CSV; empty if it has not begun.
///
/// # Errors
/// If the database refuses.
pub fn figures(connection: &Connection, study: &str) -> Result<String, LedgerFault> {
    let fault = LedgerFault::of("reading a study");
    let Some(begun) = find(connection, "study = ?1", [study])? else {
        return Ok(String::new());
    };
    let mut text = begun.header;
    let mut query = connection
        .prepare("SELECT lines FROM study_trials WHERE study = ?1 ORDER BY trial")
        .map_err(&fault)?;
    let mut rows = query.query([study]).map_err(&fault)?;
    while let Some(row) = rows.next().map_err(&fault)? {
        text.push_str(&row.get::<_, String>(0).map_err(&fault)?);
    }
    Ok(text)
}

/// The study of that name that began last.
///
/// # Errors
/// If the database refuses.
pub fn newest(
    connection: &Connection,
    namespace: &str,
    name: &str,
) -> Result<Option<StudyRecord>, LedgerFault> {
    let condition = "namespace = ?1 AND name = ?2 ORDER BY began_at DESC, study LIMIT 1";
    find(connection, condition, [namespace, name])
}

fn find(
    connection: &Connection,
    condition: &str,
    values: impl rusqlite::Params,
) -> Result<Option<StudyRecord>, LedgerFault> {
    let sql = format!(
        "SELECT study, namespace, name, plan, digest, header FROM studies WHERE {condition}"
    );
    connection
        .prepare(&sql)
        .and_then(|mut query| {
            query
                .query_row(values, |row| {
                    Ok(StudyRecord {
                        study: row.get(0)?,
                        namespace: row.get(1)?,
                        name: row.get(2)?,
                        plan: row.get(3)?,
                        digest: row.get(4)?,
                        header: row.get(5)?,
                    })
                })
                .optional()
        })
        .map_err(LedgerFault::of("reading a study"))
}

#[cfg(test)]
mod tests {
    use tanso_agent_wire::energy::{Account, JournalId, Names, Record};
    use tanso_power::Estimate;

    use super::*;
    use crate::ledger::{Page, append, open_file};

    const START: i64 = 1_790_000_040;

    fn record(sequence: u64, minute: i64, account: Account) -> Record {
        Record {
            sequence,
            minute: START + 60 * minute,
            account,
            names: Names {
                namespace: Some("shop".into()),
                pod: Some("cart-1".into()),
                ..Names::default()
            },
            energy_uj: Estimate::exact(Joules::from_microjoules(10 + sequence)),
            cpu_us: 100 * sequence,
            provenance: if sequence == 3 {
                Provenance::Simulated
            } else {
                Provenance::Measured
            },
            model: None,
            memory_peak_bytes: None,
            caught_up: sequence == 5,
        }
    }

    #[test]
    fn a_window_has_what_was_used_within_its_minutes_by_who_used_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
        let pod = || Account::Container {
            pod_uid: "pod-1".into(),
            container_id: "c".into(),
        };
        let records = vec![
            record(1, 0, pod()),
            record(2, 1, pod()),
            record(3, 1, Account::Idle),
            record(4, 2, pod()),
            // Of an earlier time than its minute.
            record(5, 2, pod()),
            record(6, 3, pod()),
        ];
        for node in ["a", "b"] {
            let page = Page {
                node: node.into(),
                journal: JournalId(7),
                records: records.clone(),
                next_sequence: 6,
                closed_until: START + 240,
            };
            append::book(&mut ledger, &page, Timestamp::UNIX_EPOCH).unwrap();
        }
        let found = window(&ledger, START + 60, START + 180).unwrap();
        let used = |uj, cpu_us| Used {
            energy: Joules::from_microjoules(uj),
            cpu_us,
        };
        let pod = Who::Pod(["shop", "Pod", "cart-1"].map(str::to_owned));
        let expected = [
            (pod, used(2 * (12 + 14), 2 * 600)),
            (Who::Account("idle".into()), used(2 * 13, 600)),
        ];
        assert_eq!(found.used, expected.into());
        assert_eq!(found.provenance, Some(Provenance::Simulated));
        assert_eq!(window(&ledger, 0, 60).unwrap(), Window::default());
    }

    #[test]
    fn minutes_that_may_be_gone_are_past() {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
        assert!(!is_past(&ledger, START).unwrap());
        let pod = || Account::Container {
            pod_uid: "pod-1".into(),
            container_id: "c".into(),
        };
        for (sequence, minute) in [(1, 0), (2, 120), (3, 121), (4, 400)] {
            let page = Page {
                node: "a".into(),
                journal: JournalId(7),
                records: vec![record(sequence, minute, pod())],
                next_sequence: sequence,
                closed_until: START + 60 * (minute + 1),
            };
            append::book(&mut ledger, &page, Timestamp::UNIX_EPOCH).unwrap();
            assert_eq!(is_past(&ledger, START).unwrap(), minute > 120, "{minute}");
        }
        assert!(window(&ledger, START, START + 60).unwrap().used.is_empty());
    }

    #[test]
    fn a_trial_is_kept_once_and_a_study_as_it_began() {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
        let study = |digest: &str| StudyRecord {
            study: "u1".into(),
            namespace: "lab".into(),
            name: "flux".into(),
            plan: "{}".into(),
            digest: digest.into(),
            header: "trial\n".into(),
        };
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(figures(&ledger, "u1").unwrap(), "");
        assert_eq!(begin(&mut ledger, &study("d1"), now).unwrap(), study("d1"));
        assert_eq!(begin(&mut ledger, &study("d2"), now).unwrap(), study("d1"));
        keep(&mut ledger, "u1", 2, "2\n", now).unwrap();
        keep(&mut ledger, "u1", 1, "1\n", now).unwrap();
        keep(&mut ledger, "u1", 1, "other\n", now).unwrap();
        assert_eq!(figures(&ledger, "u1").unwrap(), "trial\n1\n2\n");
        assert_eq!(newest(&ledger, "lab", "flux").unwrap(), Some(study("d1")));
        assert_eq!(newest(&ledger, "lab", "helm").unwrap(), None);
    }
}
