//! The ledger's rows as CSV or JSON lines, for other programs.
//!
//! Amounts are whole microjoules and microseconds, times are UTC. Text is made
//! by the hour, so that a long period never lies in memory at once.

use std::fmt::Write as _;

use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use tanso_carbon::calendar::{Period, UtcHour};
use tanso_power::Joules;

use super::query::{HourRow, LedgerAccount, Scope, Snapshot, snapshot};
use super::{LedgerFault, memory};

/// The first line of a CSV export.
pub const CSV_HEADER: &str = "hour_utc,node,account,namespace,workload_kind,workload,pod,pod_uid,\
provenance,energy_low_microjoules,energy_microjoules,energy_high_microjoules,cpu_microseconds,minutes,\
cpu_request_millicores,memory_peak_bytes\n";

/// How rows are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Comma-separated values with a header (RFC 4180).
    #[default]
    Csv,
    /// One JSON object a line.
    Jsonl,
}

impl Format {
    /// The media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Jsonl => "application/jsonl; charset=utf-8",
        }
    }
}

/// A row of an export.
#[derive(Serialize)]
struct Line<'a> {
    hour_utc: String,
    node: &'a str,
    account: &'a str,
    namespace: &'a str,
    workload_kind: &'a str,
    workload: &'a str,
    pod: &'a str,
    pod_uid: &'a str,
    provenance: String,
    energy_low_microjoules: u64,
    energy_microjoules: u64,
    energy_high_microjoules: u64,
    cpu_microseconds: u64,
    minutes: u64,
    /// What the pod asks for; empty where that is not known.
    cpu_request_millicores: Option<u64>,
    /// The pod's highest working set in the hour, in each of its rows; empty
    /// where no agent told it.
    memory_peak_bytes: Option<u64>,
}

/// The rows of a scope that begin in one period, as text without a header, by
/// hour, node and account.
///
/// # Errors
/// If the database refuses or holds what no version writes.
pub fn rows(
    connection: &mut Connection,
    scope: &Scope,
    period: Period,
    format: Format,
) -> Result<String, LedgerFault> {
    let mut found = snapshot(connection, scope, period)?;
    let fault = LedgerFault::of("reading memory");
    let held = memory::hours(&connection.transaction().map_err(fault)?, period)?;
    let mut rows = std::mem::take(&mut found.rows);
    rows.sort_by(|a, b| {
        (a.hour, &a.node, &a.account)
            .cmp(&(b.hour, &b.node, &b.account))
            .then_with(|| a.provenance.cmp(&b.provenance))
    });
    let mut text = String::with_capacity(rows.len() * 160);
    for row in &rows {
        let mut line = line(row, &found);
        if let LedgerAccount::Pod(uid) = &row.account {
            line.memory_peak_bytes = held.get(&(row.hour, uid.to_string())).copied();
        }
        match format {
            Format::Csv => csv(&mut text, &line),
            Format::Jsonl => {
                // Plain fields always encode.
                text.push_str(&serde_json::to_string(&line).unwrap_or_default());
                text.push('\n');
            }
        }
    }
    Ok(text)
}

/// The parts in which a period is exported: its days.
#[must_use]
pub fn parts(period: Period) -> Vec<Period> {
    let mut parts = Vec::new();
    let mut from = period.from;
    while from < period.until {
        let until = from.plus_hours(24).min(period.until);
        parts.push(Period { from, until });
        from = until;
    }
    parts
}

fn line<'a>(row: &'a HourRow, snapshot: &'a Snapshot) -> Line<'a> {
    let energy = row.energy.map(Joules::microjoules);
    let (account, uid) = match &row.account {
        LedgerAccount::Named(name) => (*name, ""),
        LedgerAccount::Pod(uid) => ("pod", &**uid),
    };
    let pod = match &row.account {
        LedgerAccount::Pod(uid) => snapshot.pods.get(uid),
        LedgerAccount::Named(_) => None,
    };
    let name = |of: fn(&super::PodNames) -> &String| pod.map_or("", |pod| of(pod).as_str());
    Line {
        hour_utc: hour_text(row.hour),
        node: &row.node,
        account,
        namespace: name(|pod| &pod.namespace),
        workload_kind: name(|pod| &pod.workload_kind),
        workload: name(|pod| &pod.workload_name),
        pod: name(|pod| &pod.name),
        pod_uid: uid,
        provenance: row.provenance.to_string(),
        energy_low_microjoules: energy.low,
        energy_microjoules: energy.value,
        energy_high_microjoules: energy.high,
        cpu_microseconds: row.cpu_us,
        minutes: row.minutes,
        cpu_request_millicores: pod
            .and_then(|pod| pod.cpu_request_milli)
            .and_then(|asks| u64::try_from(asks).ok()),
        memory_peak_bytes: None,
    }
}

fn hour_text(hour: UtcHour) -> String {
    hour.to_string()
}

fn csv(text: &mut String, line: &Line<'_>) {
    let words = [
        line.hour_utc.as_str(),
        line.node,
        line.account,
        line.namespace,
        line.workload_kind,
        line.workload,
        line.pod,
        line.pod_uid,
        line.provenance.as_str(),
    ];
    for word in words {
        quote(text, word);
        text.push(',');
    }
    let or_empty = |figure: Option<u64>| figure.map_or_else(String::new, |it| it.to_string());
    let _ = writeln!(
        text,
        "{},{},{},{},{},{},{}",
        line.energy_low_microjoules,
        line.energy_microjoules,
        line.energy_high_microjoules,
        line.cpu_microseconds,
        line.minutes,
        or_empty(line.cpu_request_millicores),
        or_empty(line.memory_peak_bytes)
    );
}

/// A field; quoted where it must be, and where a spreadsheet would take it for
/// a formula.
fn quote(text: &mut String, word: &str) {
    let is_formula = word.starts_with(['=', '+', '-', '@', '\t']);
    if is_formula || word.contains([',', '"', '\n', '\r']) {
        text.push('"');
        if is_formula {
            text.push('\'');
        }
        text.push_str(&word.replace('"', "\"\""));
        text.push('"');
    } else {
        text.push_str(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_spreadsheet_would_run_is_made_text() {
        let mut text = String::new();
        quote(&mut text, "=cmd()");
        quote(&mut text, "a,\"b\"");
        quote(&mut text, "plain-name");
        assert_eq!(text, "\"'=cmd()\"\"a,\"\"b\"\"\"plain-name");
    }

    #[test]
    fn a_period_is_cut_into_days_without_a_rest() {
        let from = UtcHour::from_unix_seconds(0);
        let period = Period {
            from,
            until: from.plus_hours(50),
        };
        let parts = parts(period);
        let hours: Vec<_> = parts.iter().map(|p| p.until.hours_since(p.from)).collect();
        assert_eq!(hours, [24, 24, 2]);
        assert_eq!(parts[1].from, parts[0].until);
    }
}
