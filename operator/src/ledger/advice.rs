//! Advice on requests that policies gave, and what became of it.
//!
//! A row stands for one request as it was: while the same advice is told it is
//! written once a day, or when the advised amount changes. Once it is no longer
//! told, what became of it is written beside it, once a day until nothing can
//! change it any more. What that is, is decided elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rusqlite::{Connection, Row, Transaction, params};
use serde::{Deserialize, Serialize};
use tanso_carbon::calendar::UtcHour;
use tanso_carbon::recommend::taken::{Outcome, Resource, Told};
use tanso_power::Estimate;

use super::memory::WorkloadKey;
use super::{LedgerFault, unsigned, whole};

/// How long after it was told last advice is known, days: as long as hours are.
const KEPT_DAYS: i64 = 431;

/// Advice that was not told for so many days is told anew.
const GAP_DAYS: i64 = 7;

const DAY_S: i64 = 86_400;

/// A policy's rows are next to each other: others' are not looked at.
const FORGET: &str = "DELETE FROM advice WHERE policy = ?1 AND last_day < ?2";

/// Advice on a request, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdviceRow {
    /// Namespace, kind and name of the workload.
    pub workload: WorkloadKey,
    /// The container whose request it is.
    pub container: String,
    /// The advice, with the first hour of the last UTC day on which it was told.
    pub told: Told,
    /// The first hour of the first UTC day on which it was told.
    pub first_told: UtcHour,
    /// What it promised, milligrams of CO2eq per day, with 90 % bounds.
    pub saving_mg_per_day: Estimate<i64>,
    /// What of it the cluster saves even if no node goes, milligrams of CO2eq per day.
    pub cluster_mg_per_day: i64,
    /// What became of it; `None` while it is told, and until that was looked at.
    pub outcome: Option<Outcome>,
    /// The first hour of the UTC day on which that was found.
    pub found: Option<UtcHour>,
    /// Whether later hours change nothing of it.
    pub is_final: bool,
}

/// Whose request a row is about.
type Subject<'a> = (&'a WorkloadKey, Resource, &'a str);

impl AdviceRow {
    fn subject(&self) -> Subject<'_> {
        (&self.workload, self.told.resource, self.container.as_str())
    }

    /// Its place in the ledger, among all of a policy.
    fn place(&self) -> (Subject<'_>, UtcHour) {
        (self.subject(), self.first_told)
    }

    /// As [`of_policy`] has them.
    fn order(&self) -> (Subject<'_>, UtcHour, UtcHour) {
        (self.subject(), self.told.last_told, self.first_told)
    }

    /// Whether advice that is told now is this one still: of the same request,
    /// not taken in between and told lately.
    fn goes_on(&self, now: &Self) -> bool {
        let apart = day_of(now.told.last_told) - day_of(self.told.last_told);
        let is_taken = self.outcome.is_some_and(|found| found.taken_at.is_some());
        self.told.asked == now.told.asked && apart <= GAP_DAYS && !is_taken
    }

    /// Whether what became of it is to be looked at on a day that begins with
    /// an hour: it is no longer told, and later hours may change it.
    #[must_use]
    pub fn is_due(&self, day: UtcHour) -> bool {
        let is_new = self.found.is_none_or(|found| found < day);
        !self.is_final && self.told.last_told < day && is_new
    }
}

/// Notes advice that a policy tells now, and forgets what is old; returns how
/// many rows were written. `known` is all that [`of_policy`] has of it, and is
/// that again after.
///
/// # Errors
/// If the database refuses; then nothing was changed.
pub fn note(
    connection: &mut Connection,
    policy: &str,
    known: &mut Vec<AdviceRow>,
    told: &[AdviceRow],
    now: UtcHour,
) -> Result<usize, LedgerFault> {
    let fault = LedgerFault::of("keeping advice");
    let transaction = connection.transaction().map_err(&fault)?;
    let changed = changed(known, told);
    for row in &changed {
        write(&transaction, policy, row)?;
    }
    let oldest = day_of(now) - KEPT_DAYS;
    let is_old = |row: &AdviceRow| day_of(row.told.last_told) < oldest;
    if known.iter().any(is_old) {
        transaction
            .prepare_cached(FORGET)
            .and_then(|mut forget| forget.execute(params![policy, oldest]))
            .map_err(&fault)?;
    }
    transaction.commit().map_err(fault)?;
    let written = changed.len();
    // Of two in one place the later is first, and stays.
    known.extend(changed);
    known.reverse();
    known.sort_by(|a, b| a.place().cmp(&b.place()));
    known.dedup_by(|later, first| later.place() == first.place());
    known.retain(|row| !is_old(row));
    known.sort_by(|a, b| a.order().cmp(&b.order()));
    Ok(written)
}

/// Forgets what is old of all policies: those that are gone note nothing any more.
/// Looks at all that is kept, so it is no part of a visit.
///
/// # Errors
/// If the database refuses; then nothing was changed.
pub(super) fn forget_old(connection: &Connection, now: Timestamp) -> Result<usize, LedgerFault> {
    let oldest = now.as_second().div_euclid(DAY_S) - KEPT_DAYS;
    connection
        .execute("DELETE FROM advice WHERE last_day < ?1", [oldest])
        .map_err(LedgerFault::of("forgetting old advice"))
}

/// The rows that are to be written: new ones, and others instead of those in
/// their places.
fn changed(known: &[AdviceRow], told: &[AdviceRow]) -> Vec<AdviceRow> {
    // The newest of each request: rows come by their first day.
    let newest: BTreeMap<Subject<'_>, &AdviceRow> =
        known.iter().map(|row| (row.subject(), row)).collect();
    let mut written = Vec::new();
    let mut seen = BTreeSet::new();
    for row in told {
        if !seen.insert(row.subject()) {
            continue;
        }
        let before = newest.get(&row.subject()).filter(|one| one.goes_on(row));
        let Some(before) = before else {
            written.push(row.clone());
            continue;
        };
        let is_said = before.told.advised == row.told.advised
            && before.told.last_told >= row.told.last_told
            && before.outcome.is_none();
        if !is_said {
            let row = AdviceRow {
                first_told: before.first_told,
                told: Told {
                    last_told: before.told.last_told.max(row.told.last_told),
                    ..row.told
                },
                ..row.clone()
            };
            written.push(row);
        }
    }
    written
}

/// Writes what became of advice.
///
/// # Errors
/// If the database refuses; then nothing was changed.
pub fn settle(
    connection: &mut Connection,
    policy: &str,
    rows: &[AdviceRow],
) -> Result<(), LedgerFault> {
    if rows.is_empty() {
        return Ok(());
    }
    let fault = LedgerFault::of("keeping what became of advice");
    let transaction = connection.transaction().map_err(&fault)?;
    for row in rows {
        write(&transaction, policy, row)?;
    }
    transaction.commit().map_err(fault)
}

fn write(transaction: &Transaction<'_>, policy: &str, row: &AdviceRow) -> Result<(), LedgerFault> {
    let fault = LedgerFault::of("keeping advice");
    // Plain data always encodes.
    let outcome = row
        .outcome
        .map(|found| serde_json::to_string(&found).unwrap_or_default());
    let [namespace, kind, name] = &row.workload;
    let values = params![
        policy,
        namespace,
        kind,
        name,
        row.told.resource.as_str(),
        row.container,
        day_of(row.first_told),
        whole("request", row.told.asked)?,
        whole("request", row.told.advised)?,
        day_of(row.told.last_told),
        row.saving_mg_per_day.low,
        row.saving_mg_per_day.value,
        row.saving_mg_per_day.high,
        row.cluster_mg_per_day,
        outcome,
        row.found.map(day_of),
        row.is_final,
    ];
    transaction
        .execute(
            "INSERT OR REPLACE INTO advice (policy, namespace, workload_kind, workload_name,
                resource, container, first_day, asked, advised, last_day, saving_low_mg,
                saving_mg, saving_high_mg, cluster_mg, outcome, found_day, is_final)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
            values,
        )
        .map_err(fault)?;
    Ok(())
}

/// All advice of a policy that is known, by workload and request, the newest
/// last.
///
/// # Errors
/// If the database refuses or holds what no version writes.
pub fn of_policy(connection: &Connection, policy: &str) -> Result<Vec<AdviceRow>, LedgerFault> {
    let fault = LedgerFault::of("reading advice");
    let mut query = connection
        .prepare_cached(
            "SELECT namespace, workload_kind, workload_name, resource, container, first_day, asked,
                    advised, last_day, saving_low_mg, saving_mg, saving_high_mg, cluster_mg,
                    outcome, found_day, is_final
             FROM advice WHERE policy = ?1
             ORDER BY namespace, workload_kind, workload_name, resource, container, last_day,
                      first_day",
        )
        .map_err(&fault)?;
    let mut rows = query.query([policy]).map_err(&fault)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(&fault)? {
        found.push(from_row(row)?);
    }
    Ok(found)
}

fn from_row(row: &Row<'_>) -> Result<AdviceRow, LedgerFault> {
    let fault = LedgerFault::of("reading advice");
    let foreign = |found: String| LedgerFault::Foreign {
        table: "advice",
        found,
    };
    let text = |column: usize| row.get::<_, String>(column).map_err(&fault);
    let number = |column: usize| row.get::<_, i64>(column).map_err(&fault);
    let name = text(3)?;
    let resource = Resource::named(&name);
    let resource = resource.ok_or_else(|| foreign(format!("the resource \"{name}\"")))?;
    let outcome: Option<String> = row.get(13).map_err(&fault)?;
    let outcome = outcome.map(|json| serde_json::from_str(&json));
    let outcome = outcome
        .transpose()
        .map_err(|why| foreign(format!("an outcome that cannot be read ({why})")))?;
    let found_day: Option<i64> = row.get(14).map_err(&fault)?;
    Ok(AdviceRow {
        workload: [text(0)?, text(1)?, text(2)?],
        container: text(4)?,
        told: Told {
            resource,
            asked: unsigned("advice", number(6)?)?,
            advised: unsigned("advice", number(7)?)?,
            last_told: first_hour(number(8)?),
        },
        first_told: first_hour(number(5)?),
        saving_mg_per_day: Estimate {
            low: number(9)?,
            value: number(10)?,
            high: number(11)?,
        },
        cluster_mg_per_day: number(12)?,
        outcome,
        found: found_day.map(first_hour),
        is_final: row.get(15).map_err(&fault)?,
    })
}

/// The first hour of the UTC day that an hour lies in.
#[must_use]
pub fn day_begin(hour: UtcHour) -> UtcHour {
    first_hour(day_of(hour))
}

fn day_of(hour: UtcHour) -> i64 {
    hour.unix_seconds().div_euclid(DAY_S)
}

fn first_hour(day: i64) -> UtcHour {
    UtcHour::from_unix_seconds(day.saturating_mul(DAY_S))
}
