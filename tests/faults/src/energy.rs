//! The energy that every run finds in its ledger.

use std::path::Path;

use anyhow::Result;
use jiff::Timestamp;
use tanso_agent_wire::energy::{Account, JournalId, Names, Record};
use tanso_operator::ledger::{Ledger, Page, append};
use tanso_power::{Estimate, Joules, Provenance};

/// Books ten minutes of the last whole hour: two pods and idle power.
///
/// # Errors
/// If the ledger refuses.
pub async fn book(path: &Path) -> Result<()> {
    let ledger = Ledger::open(path)?;
    let begin = Timestamp::now().as_second().div_euclid(3_600) * 3_600 - 3_600;
    let mut records = Vec::new();
    for minute in 0..10_i64 {
        for pod in [Some("web"), Some("batch"), None] {
            let sequence = u64::try_from(records.len())? + 1;
            let account = pod.map_or(Account::Idle, |pod| Account::Container {
                pod_uid: format!("uid-of-{pod}"),
                container_id: pod.to_owned(),
            });
            let names = pod.map_or_else(Names::default, |pod| Names {
                namespace: Some("fault-shop".into()),
                pod: Some(pod.to_owned()),
                container: Some("main".into()),
            });
            records.push(Record {
                sequence,
                minute: begin + 60 * minute,
                account,
                names,
                energy_uj: Estimate::exact(Joules::from_microjoules(500_000_000 + sequence)),
                cpu_us: if pod.is_some() { 1_000_000 } else { 0 },
                provenance: Provenance::Measured,
                model: None,
                caught_up: false,
                memory_peak_bytes: None,
            });
        }
    }
    let page = Page {
        node: "fault-node".into(),
        journal: JournalId(1),
        next_sequence: u64::try_from(records.len())?,
        records,
        closed_until: begin + 600,
    };
    let book = move |connection: &mut _| append::book(connection, &page, Timestamp::now());
    ledger.call(book).await?;
    Ok(())
}
