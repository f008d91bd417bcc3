//! The agent's answers without an agent: a journal with some records.

use std::sync::{Arc, OnceLock};

use axum::Router;
use tanso_agent::journal::Journal;
use tanso_agent::serve::{Sources, router as routes};
use tanso_agent::snapshot::Published;
use tanso_agent_wire::energy::{Account, JournalId, Names, Record};
use tanso_power::{Estimate, Joules, Provenance};
use tanso_runtime::Health;
use tokio::runtime::Runtime;

/// The one runtime of this process.
///
/// # Panics
/// If it cannot start.
pub fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().expect("a runtime")
    })
}

/// All routes over a journal of three records, and its directory.
///
/// # Panics
/// If the journal cannot be written.
#[must_use]
pub fn router() -> (Router, Arc<tempfile::TempDir>) {
    let directory = crate::scratch();
    let journal = Journal::open(directory.path(), JournalId(0xabc)).expect("a journal");
    let records: Vec<Record> = (1..=3).map(record).collect();
    journal.append(&records).expect("records");
    let sources = Sources::new(
        "node".into(),
        Arc::new(Published::empty()),
        Arc::new(journal),
        Vec::new().into(),
    );
    (routes(sources, &Health::new(&[])), Arc::new(directory))
}

fn record(sequence: u64) -> Record {
    Record {
        sequence,
        minute: 60,
        account: Account::Idle,
        names: Names::default(),
        energy_uj: Estimate::exact(Joules::from_microjoules(sequence)),
        cpu_us: 0,
        provenance: Provenance::Simulated,
        model: None,
        caught_up: false,
        memory_peak_bytes: None,
    }
}
