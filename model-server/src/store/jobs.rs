//! Trainings: asked for, running, ended; a crash leaves none running.

use rusqlite::{OptionalExtension as _, Row, Transaction, params};
use serde::Serialize;
use serde_json::Value;

use super::types::moment;
use super::{StoreFault, unsigned};

/// Ended jobs that are remembered.
const KEPT_MAX: i64 = 200;

/// How a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// It waits for its turn.
    Queued,
    /// It runs.
    Running,
    /// It came to its end.
    Done,
    /// It failed; the report says why.
    Failed,
    /// The server ended meanwhile; what it had promoted stays.
    Interrupted,
}

impl State {
    const ALL: [Self; 5] = [
        Self::Queued,
        Self::Running,
        Self::Done,
        Self::Failed,
        Self::Interrupted,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }
}

/// A training job.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// Its number.
    pub id: u64,
    /// The node type to train; all if missing.
    pub node_type: Option<String>,
    /// How it stands.
    pub state: State,
    /// Share of its node types that are done, 0 to 1.
    pub progress: f64,
    /// When it was asked for.
    pub made_at: String,
    /// When it began.
    pub begun_at: Option<String>,
    /// When it ended.
    pub ended_at: Option<String>,
    /// An entry per node type that is done.
    pub report: Value,
}

/// Notes a wish; returns its number.
///
/// # Errors
/// If the database refuses.
pub fn ask(
    transaction: &Transaction<'_>,
    node_type: Option<&str>,
    now_s: i64,
) -> Result<u64, StoreFault> {
    let fault = StoreFault::of("noting a job");
    transaction
        .execute(
            "INSERT INTO jobs (type, state, made_s, report) VALUES (?, 'queued', ?, '[]')",
            params![node_type, now_s],
        )
        .map_err(&fault)?;
    let id = transaction.last_insert_rowid();
    transaction
        .execute("DELETE FROM jobs WHERE id <= ?", [id - KEPT_MAX])
        .map_err(&fault)?;
    unsigned("jobs", id)
}

/// Notes a job's state.
///
/// # Errors
/// If the database refuses.
pub fn set(
    transaction: &Transaction<'_>,
    id: u64,
    state: State,
    report: &Value,
    now_s: i64,
) -> Result<(), StoreFault> {
    let (begun, ended) = match state {
        State::Queued => (None, None),
        State::Running => (Some(now_s), None),
        State::Done | State::Failed | State::Interrupted => (None, Some(now_s)),
    };
    transaction
        .execute(
            "UPDATE jobs SET state = ?, report = ?, begun_s = coalesce(begun_s, ?), ended_s = ? WHERE id = ?",
            params![
                state.name(),
                report.to_string(),
                begun,
                ended,
                i64::try_from(id).unwrap_or(i64::MAX)
            ],
        )
        .map_err(StoreFault::of("noting a job's state"))?;
    Ok(())
}

/// Says of jobs that an earlier process left that they were interrupted.
///
/// # Errors
/// If the database refuses.
pub fn interrupt_all(transaction: &Transaction<'_>, now_s: i64) -> Result<usize, StoreFault> {
    transaction
        .execute(
            "UPDATE jobs SET state = 'interrupted', ended_s = ? WHERE state IN ('queued', 'running')",
            [now_s],
        )
        .map_err(StoreFault::of("ending interrupted jobs"))
}

/// A job by its number.
///
/// # Errors
/// If the database refuses or holds a foreign row.
pub fn get(transaction: &Transaction<'_>, id: u64) -> Result<Option<Job>, StoreFault> {
    let raw = transaction
        .query_row(
            &format!("{SELECT} WHERE id = ?"),
            [i64::try_from(id).unwrap_or(i64::MAX)],
            read,
        )
        .optional()
        .map_err(StoreFault::of("reading a job"))?;
    raw.map(Raw::job).transpose()
}

/// All jobs, the newest first.
///
/// # Errors
/// As [`get`].
pub fn list(transaction: &Transaction<'_>) -> Result<Vec<Job>, StoreFault> {
    let fault = StoreFault::of("listing jobs");
    let mut select = transaction
        .prepare(&format!("{SELECT} ORDER BY id DESC"))
        .map_err(&fault)?;
    let rows = select.query_map([], read).map_err(&fault)?;
    rows.map(|row| row.map_err(&fault)?.job()).collect()
}

const SELECT: &str = "SELECT id, type, state, made_s, begun_s, ended_s, report FROM jobs";

struct Raw {
    id: i64,
    node_type: Option<String>,
    state: String,
    made_s: i64,
    begun_s: Option<i64>,
    ended_s: Option<i64>,
    report: String,
}

fn read(row: &Row<'_>) -> rusqlite::Result<Raw> {
    Ok(Raw {
        id: row.get(0)?,
        node_type: row.get(1)?,
        state: row.get(2)?,
        made_s: row.get(3)?,
        begun_s: row.get(4)?,
        ended_s: row.get(5)?,
        report: row.get(6)?,
    })
}

impl Raw {
    fn job(self) -> Result<Job, StoreFault> {
        let state = State::ALL
            .into_iter()
            .find(|state| state.name() == self.state)
            .ok_or_else(|| StoreFault::foreign("jobs", &self.state))?;
        Ok(Job {
            id: unsigned("jobs", self.id)?,
            node_type: self.node_type,
            state,
            progress: if state == State::Done { 1.0 } else { 0.0 },
            made_at: moment(self.made_s),
            begun_at: self.begun_s.map(moment),
            ended_at: self.ended_s.map(moment),
            report: serde_json::from_str(&self.report)
                .map_err(|fault| StoreFault::foreign("jobs", fault))?,
        })
    }
}
