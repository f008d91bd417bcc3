//! The ledger over HTTP: totals at a booking, a self-check, workloads.
//!
//! Read only. Refusals are problem documents. Nothing here judges.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tanso_carbon::calendar::{Period, UtcHour};
use tanso_runtime::Problem;

use crate::ledger::{Ledger, LedgerAccount, LedgerFault, Scope, Snapshot, query, verify};

/// Longest period of a request, hours: 62 days.
const HOURS_MAX: i32 = 1_488;

/// The routes of the ledger.
pub fn router(ledger: Ledger) -> Router {
    Router::new()
        .route("/v1/ledger/total", get(total))
        .route("/v1/ledger/verify", get(check))
        .route("/v1/workloads", get(workloads))
        .with_state(ledger)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct At {
    revision: Option<i64>,
}

async fn total(
    State(ledger): State<Ledger>,
    at: Result<Query<At>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(At { revision }) = at.map_err(|fault| bad_request(fault.body_text()))?;
    let found = ledger
        .call(move |connection| query::total_through(connection, revision))
        .await
        .map_err(|fault| unavailable(&fault))?;
    match found {
        Some(total) => Ok(Json(total).into_response()),
        None => Err(
            Problem::new(StatusCode::NOT_FOUND, "no such booking").detail(format!(
                "revision {} is past the last booking",
                revision.unwrap_or(0)
            )),
        ),
    }
}

async fn check(State(ledger): State<Ledger>) -> Result<Response, Problem> {
    let found = ledger
        .call(verify::verify)
        .await
        .map_err(|fault| unavailable(&fault))?;
    Ok(Json(found).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    namespace: Option<String>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EnergyOf {
    namespace: String,
    kind: String,
    name: String,
    pods: usize,
    energy_microjoules: u128,
    cpu_microseconds: u128,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EnergyByWorkload {
    revision: i64,
    from: String,
    to: String,
    workloads: Vec<EnergyOf>,
}

async fn workloads(
    State(ledger): State<Ledger>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(asked) = asked.map_err(|fault| bad_request(fault.body_text()))?;
    let until = UtcHour::containing(asked.to.unwrap_or_else(Timestamp::now)).plus_hours(1);
    let from = asked
        .from
        .map_or(until.plus_hours(-24), UtcHour::containing);
    let hours = until.hours_since(from);
    if hours <= 0 || hours > HOURS_MAX {
        return Err(bad_request(format!(
            "{hours} hours from {from} to {until}; accepted are 1 to {HOURS_MAX}"
        )));
    }
    let scope = asked
        .namespace
        .map_or(Scope::All, |name| Scope::Namespaces([name].into()));
    let period = Period { from, until };
    let snapshot = ledger
        .call(move |connection| query::snapshot(connection, &scope, period))
        .await
        .map_err(|fault| unavailable(&fault))?;
    Ok(Json(EnergyByWorkload {
        revision: snapshot.revision,
        from: from.to_string(),
        to: until.to_string(),
        workloads: by_workload(&snapshot),
    })
    .into_response())
}

/// A workload's pods, energy and CPU time.
type Sum<'a> = (BTreeSet<&'a str>, u128, u128);

fn by_workload(snapshot: &Snapshot) -> Vec<EnergyOf> {
    let mut sums: BTreeMap<(&str, &str, &str), Sum<'_>> = BTreeMap::new();
    for row in &snapshot.rows {
        let (key, uid) = match &row.account {
            LedgerAccount::Named(name) => (("", "Account", *name), None),
            LedgerAccount::Pod(uid) => match snapshot.pods.get(uid) {
                Some(pod) => {
                    let key = (&*pod.namespace, &*pod.workload_kind, &*pod.workload_name);
                    (key, Some(&**uid))
                }
                None => (("", "Account", "unnamed"), Some(&**uid)),
            },
        };
        let sum = sums.entry(key).or_default();
        sum.0.extend(uid);
        sum.1 += u128::from(row.energy.value.microjoules());
        sum.2 += u128::from(row.cpu_us);
    }
    sums.into_iter()
        .map(
            |((namespace, kind, name), (pods, energy_microjoules, cpu_microseconds))| EnergyOf {
                namespace: namespace.to_owned(),
                kind: kind.to_owned(),
                name: name.to_owned(),
                pods: pods.len(),
                energy_microjoules,
                cpu_microseconds,
            },
        )
        .collect()
}

fn bad_request(detail: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "bad query").detail(detail)
}

fn unavailable(fault: &LedgerFault) -> Problem {
    tracing::warn!(error = %fault, "reading the ledger for an answer failed");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the ledger cannot be read")
        .detail(fault.to_string())
}
