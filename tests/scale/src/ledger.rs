//! How fast the ledger books and answers, on a real file with every flush.

use std::time::Instant;

use anyhow::Result;
use jiff::Timestamp;
use serde_json::json;
use tanso_agent_wire::energy::{JournalId, PAGE_LIMIT};
use tanso_carbon::calendar::{Period, UtcHour};
use tanso_operator::ledger::roll_up::{self, Retention};
use tanso_operator::ledger::{Page, Scope, append, open_file, query};

use crate::records::{PODS_PER_NODE, namespace, of_pod};
use crate::report::print;

const HOUR_S: i64 = 3_600;

/// Books pages of many nodes, each page durable before the next is begun.
///
/// # Errors
/// If the ledger refuses.
#[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
pub fn booking(nodes: u64) -> Result<()> {
    let folder = tempfile::tempdir_in(".")?;
    let mut connection = open_file(&folder.path().join("ledger.db"))?;
    let per_page = i64::try_from(PAGE_LIMIT)?;
    let first_hour = Timestamp::now().as_second() / HOUR_S * HOUR_S - 2 * HOUR_S;
    let pods = i64::try_from(PODS_PER_NODE)?;
    let pages: Vec<Page> = (0..nodes)
        .map(|node| {
            let records: Vec<_> = (0..per_page)
                .map(|at| {
                    let pod = node * PODS_PER_NODE + u64::try_from(at % pods).unwrap_or(0);
                    let sequence = u64::try_from(at).unwrap_or(0) + 1;
                    of_pod(sequence, pod, first_hour + 60 * (at / pods))
                })
                .collect();
            Page {
                node: format!("node-{node}"),
                journal: JournalId(node),
                next_sequence: u64::try_from(per_page).unwrap_or(0),
                records,
                closed_until: first_hour + HOUR_S,
            }
        })
        .collect();
    let begun = Instant::now();
    let mut records = 0;
    for page in &pages {
        records += append::book(&mut connection, page, Timestamp::now())?.records;
    }
    let seconds = begun.elapsed().as_secs_f64();
    print(
        &json!({"bench": "ledger_booking", "nodes": nodes, "records": records,
        "transactions": pages.len(), "seconds": seconds,
        "records_per_second": (records as f64 / seconds).round(), "goal": 200_000}),
    );
    Ok(())
}

/// A year to date of one namespace: days that were rolled up, and the hours
/// since.
///
/// # Errors
/// If the ledger refuses.
pub fn year_to_date(pods: u64) -> Result<()> {
    let folder = tempfile::tempdir_in(".")?;
    let mut connection = open_file(&folder.path().join("ledger.db"))?;
    let now = Timestamp::now();
    let today = now.as_second() / 86_400 * 86_400;
    let days: i64 = 300;
    let mut sequence = 0;
    for day in (0..days).rev() {
        let minute = today - day * 86_400;
        let mut first = sequence + 1;
        let records: Vec<_> = (0..pods)
            .map(|pod| {
                sequence += 1;
                of_pod(sequence, pod, minute)
            })
            .collect();
        for records in records.chunks(PAGE_LIMIT) {
            let last = first + u64::try_from(records.len())? - 1;
            let page = Page {
                node: "node-0".to_owned(),
                journal: JournalId(1),
                records: records.to_vec(),
                next_sequence: last,
                closed_until: minute + 60,
            };
            append::book(&mut connection, &page, now)?;
            first = last + 1;
        }
    }
    roll_up::roll_up(&mut connection, Retention::default(), now)?;
    let scope = Scope::Namespaces([namespace(1)].into());
    let period = Period {
        from: UtcHour::from_unix_seconds(today - days * 86_400),
        until: UtcHour::from_unix_seconds(today + 86_400),
    };
    let mut times = Vec::new();
    let mut rows = 0;
    for _ in 0..5 {
        let begun = Instant::now();
        rows = query::snapshot(&mut connection, &scope, period)?.rows.len();
        times.push(begun.elapsed().as_secs_f64() * 1_000.0);
    }
    times.sort_by(f64::total_cmp);
    print(
        &json!({"bench": "ledger_year_to_date", "pods": pods, "days": days,
        "rows_in_ledger": pods * days.unsigned_abs(), "rows_answered": rows,
        "median_ms": times.get(2), "slowest_ms": times.last(), "goal_ms": 200}),
    );
    Ok(())
}
