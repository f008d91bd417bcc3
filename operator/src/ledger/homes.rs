//! Where pods ran, as the cluster said it: who else charges them is refused.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension as _, Transaction, params};
use tanso_agent_wire::energy::{Account, Record};

use super::LedgerFault;

/// A pod never changes its node: one of which the cluster said where it ran, be it
/// long finished, is charged by that node alone.
pub(super) fn check(
    transaction: &Transaction<'_>,
    node: &str,
    records: &[&Record],
) -> Result<(), LedgerFault> {
    let pods: BTreeSet<&str> = records
        .iter()
        .filter_map(|record| match &record.account {
            Account::Container { pod_uid, .. } => Some(pod_uid.as_str()),
            _ => None,
        })
        .collect();
    let fault = LedgerFault::of("asking where pods ran");
    let mut query = transaction
        .prepare(
            "SELECT node FROM pods
             WHERE uid = ?1 AND confirmed = 1 AND node NOT IN ('', ?2)",
        )
        .map_err(&fault)?;
    for uid in pods {
        let home: Option<String> = query
            .query_row(params![uid, node], |row| row.get(0))
            .optional()
            .map_err(&fault)?;
        if let Some(home) = home {
            return Err(LedgerFault::ForeignPod {
                node: node.to_owned(),
                pod_uid: uid.to_owned(),
                home,
            });
        }
    }
    Ok(())
}
