//! Pods that were gone before the cluster's watch saw them.
//!
//! Of these only the names are known that an agent's record or a store's labels
//! carried: no owner, no labels, no requests. They are counted and told, never
//! given to a workload by guessing from a name.

use std::collections::HashSet;
use std::sync::Arc;

use rusqlite::{Connection, params_from_iter};

use super::{LedgerFault, Scope};

/// How many there are whose energy is booked.
///
/// # Errors
/// If the database refuses.
pub fn count(connection: &Connection) -> Result<u64, LedgerFault> {
    let sql = "SELECT count(*) FROM pods WHERE confirmed = 0";
    let count: i64 = connection
        .query_row(sql, [], |row| row.get(0))
        .map_err(LedgerFault::of("counting pods that nobody saw"))?;
    super::unsigned("pods", count)
}

/// The UIDs of those of a scope.
pub(super) fn within(
    connection: &Connection,
    scope: &Scope,
) -> Result<HashSet<Arc<str>>, LedgerFault> {
    let fault = LedgerFault::of("reading pods that nobody saw");
    let mut found = HashSet::new();
    let mut gather = |sql: &str, namespace: Option<&str>| -> Result<(), LedgerFault> {
        let mut query = connection.prepare_cached(sql).map_err(&fault)?;
        let mut rows = query.query(params_from_iter(namespace)).map_err(&fault)?;
        while let Some(row) = rows.next().map_err(&fault)? {
            let uid: String = row.get(0).map_err(&fault)?;
            found.insert(Arc::from(uid));
        }
        Ok(())
    };
    match scope {
        Scope::All => gather("SELECT uid FROM pods WHERE confirmed = 0", None)?,
        Scope::Namespaces(namespaces) => {
            let sql = "SELECT uid FROM pods WHERE namespace = ?1 AND confirmed = 0";
            for namespace in namespaces {
                gather(sql, Some(namespace))?;
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use tanso_agent_wire::energy::{Account, JournalId, Names, Record};
    use tanso_carbon::calendar::{Period, UtcHour};
    use tanso_power::{Estimate, Joules, Provenance};

    use super::*;
    use crate::ledger::{Page, PodNames, append, names, open_file, query};

    const HOUR: i64 = 1_790_000_400 / 3_600 * 3_600;

    fn record(sequence: u64, uid: &str, pod: &str) -> Record {
        Record {
            sequence,
            minute: HOUR,
            account: Account::Container {
                pod_uid: uid.into(),
                container_id: "pod".into(),
            },
            names: Names {
                namespace: Some("shop".into()),
                pod: Some(pod.into()),
                ..Names::default()
            },
            energy_uj: Estimate::exact(Joules::from_microjoules(100)),
            cpu_us: 0,
            provenance: Provenance::Measured,
            model: None,
            memory_peak_bytes: None,
            caught_up: false,
        }
    }

    #[test]
    fn a_pod_is_unseen_until_the_cluster_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
        let page = Page {
            node: "a".into(),
            journal: JournalId(7),
            records: vec![record(1, "u1", "till-7f9-x"), record(2, "u2", "cart-66c-y")],
            next_sequence: 2,
            closed_until: HOUR + 60,
        };
        append::book(&mut ledger, &page, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(count(&ledger).unwrap(), 2);
        let seen = PodNames {
            uid: "u1".into(),
            namespace: "shop".into(),
            name: "till-7f9-x".into(),
            workload_kind: "Deployment".into(),
            workload_name: "till".into(),
            ..PodNames::default()
        };
        names::keep(&mut ledger, &[seen], Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(count(&ledger).unwrap(), 1);
        let from = UtcHour::from_unix_seconds(HOUR);
        let period = Period {
            from,
            until: from.plus_hours(1),
        };
        let found = query::snapshot(&mut ledger, &Scope::All, period).unwrap();
        assert_eq!(found.pods.len(), 2);
        assert_eq!(found.unseen, [Arc::from("u2")].into());
        let elsewhere = Scope::Namespaces(["lab".to_owned()].into());
        let found = query::snapshot(&mut ledger, &elsewhere, period).unwrap();
        assert!(found.unseen.is_empty());
    }
}
