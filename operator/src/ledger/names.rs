//! What is known of pods, also of finished ones.
//!
//! The cluster forgets a pod when it is deleted; its energy stays, so its
//! names, labels and times stay here too.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use super::LedgerFault;

/// What is known of one pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PodNames {
    /// Its UID.
    pub uid: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The node it runs on.
    pub node: String,
    /// Kind of the workload that it belongs to, `Deployment`; `Pod` without an owner.
    pub workload_kind: String,
    /// Name of that workload.
    pub workload_name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Sum of its containers' CPU requests, thousandths of a CPU; `None` if none asks for any.
    pub cpu_request_milli: Option<i64>,
    /// Its only container that asks for CPU; empty if none or several do.
    pub container: String,
    /// Sum of its containers' memory requests, bytes; `None` if none asks for any.
    pub memory_request_bytes: Option<i64>,
    /// Its only container that asks for memory; empty if none or several do.
    pub memory_container: String,
    /// When one of its containers was last killed for want of memory, or it was evicted for that, seconds of Unix time.
    pub oom_killed_at: Option<i64>,
    /// The least that is taken for what it held then, bytes: the limit of the container that was killed, what the kubelet told of an evicted one, or else what it asked for.
    pub oom_held_bytes: Option<i64>,
    /// When it was started, seconds of Unix time.
    pub started_at: Option<i64>,
    /// When its last container ended, seconds of Unix time.
    pub finished_at: Option<i64>,
}

impl PodNames {
    /// Namespace, kind and name of its workload.
    pub(super) fn workload(&self) -> [&str; 3] {
        [&self.namespace, &self.workload_kind, &self.workload_name]
    }
}

/// Writes what the cluster says of pods; it goes before what agents said.
///
/// # Errors
/// If the database refuses; then none was written.
pub fn keep(
    connection: &mut Connection,
    pods: &[PodNames],
    now: Timestamp,
) -> Result<(), LedgerFault> {
    let fault = LedgerFault::of("keeping pod names");
    let transaction = connection.transaction().map_err(&fault)?;
    {
        // An unconfirmed time never erases a known one: a pod that is being
        // deleted may be seen without its times.
        let mut upsert = transaction
            .prepare(
                "INSERT INTO pods (uid, namespace, name, node, workload_kind, workload_name,
                                   labels, cpu_request_milli, started_at, finished_at,
                                   seen_at, container, memory_request_bytes, memory_container,
                                   oom_killed_at, oom_held_bytes, confirmed)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16,
                         1)
                 ON CONFLICT DO UPDATE SET
                    namespace = excluded.namespace, name = excluded.name,
                    node = excluded.node, workload_kind = excluded.workload_kind,
                    workload_name = excluded.workload_name, labels = excluded.labels,
                    cpu_request_milli = excluded.cpu_request_milli,
                    container = excluded.container,
                    memory_request_bytes = excluded.memory_request_bytes,
                    memory_container = excluded.memory_container,
                    oom_killed_at = coalesce(excluded.oom_killed_at, oom_killed_at),
                    oom_held_bytes = CASE WHEN excluded.oom_killed_at IS NULL
                        THEN oom_held_bytes ELSE excluded.oom_held_bytes END,
                    started_at = coalesce(excluded.started_at, started_at),
                    finished_at = coalesce(excluded.finished_at, finished_at),
                    confirmed = 1, seen_at = excluded.seen_at",
            )
            .map_err(&fault)?;
        for pod in pods {
            let labels = serde_json::json!(pod.labels).to_string();
            upsert
                .execute(params![
                    pod.uid,
                    pod.namespace,
                    pod.name,
                    pod.node,
                    pod.workload_kind,
                    pod.workload_name,
                    labels,
                    pod.cpu_request_milli,
                    pod.started_at,
                    pod.finished_at,
                    now.as_second(),
                    pod.container,
                    pod.memory_request_bytes,
                    pod.memory_container,
                    pod.oom_killed_at,
                    pod.oom_held_bytes,
                ])
                .map_err(&fault)?;
        }
    }
    transaction.commit().map_err(fault)
}

/// Reads the columns of [`COLUMNS`].
pub(super) fn from_row(row: &Row<'_>) -> rusqlite::Result<PodNames> {
    let labels: String = row.get(6)?;
    Ok(PodNames {
        uid: row.get(0)?,
        namespace: row.get(1)?,
        name: row.get(2)?,
        node: row.get(3)?,
        workload_kind: row.get(4)?,
        workload_name: row.get(5)?,
        // Written above as JSON; labels that something else broke select nothing.
        labels: serde_json::from_str(&labels).unwrap_or_default(),
        cpu_request_milli: row.get(7)?,
        started_at: row.get(8)?,
        finished_at: row.get(9)?,
        container: row.get(10)?,
        memory_request_bytes: row.get(11)?,
        memory_container: row.get(12)?,
        oom_killed_at: row.get(13)?,
        oom_held_bytes: row.get(14)?,
    })
}

/// The columns that [`from_row`] reads, in order.
pub(super) const COLUMNS: &str = "p.uid, p.namespace, p.name, p.node, p.workload_kind, \
    p.workload_name, p.labels, p.cpu_request_milli, p.started_at, p.finished_at, p.container, \
    p.memory_request_bytes, p.memory_container, p.oom_killed_at, p.oom_held_bytes";

/// How many they are.
pub(super) const COLUMN_COUNT: usize = 15;
