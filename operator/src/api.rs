//! The ledger over HTTP: totals at a booking, a self-check, workloads, rows
//! for other programs, where nodes were, and reports made again.
//!
//! Read only. Refusals are problem documents. Who may ask is for [`readers`] to
//! say. Nothing here judges.

pub mod readers;

use std::collections::{BTreeMap, BTreeSet};

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures::StreamExt as _;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tanso_carbon::calendar::{Period, UtcHour};
use tanso_crds::CarbonReportSpec;
use tanso_runtime::Problem;

use crate::controllers::carbon_policy::evidence::{self, Compared, MadeAgain};
use crate::ledger::evidence as kept;
use crate::ledger::export::{self, Format};
use crate::ledger::study as studies;
use crate::ledger::{
    Ledger, LedgerAccount, LedgerFault, Scope, Snapshot, Stays, node_places, query, verify,
};

/// Longest period of a request, hours: 62 days.
const HOURS_MAX: i32 = 1_488;

/// Longest period of an export, hours: ten years and their leap days.
const EXPORT_HOURS_MAX: i32 = 87_672;

/// The routes of the ledger.
pub fn router(ledger: Ledger) -> Router {
    Router::new()
        .route("/v1/ledger/total", get(total))
        .route("/v1/ledger/verify", get(check))
        .route("/v1/ledger/export", get(rows))
        .route("/v1/ledger/nodes", get(nodes))
        .route("/v1/workloads", get(workloads))
        .route("/v1/reports/verify", get(report))
        .route("/v1/studies", get(study))
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

impl Asked {
    /// The whole hours asked for, up to `most`; the last day if nothing was.
    fn period(&self, most: i32) -> Result<Period, Problem> {
        let until = UtcHour::containing(self.to.unwrap_or_else(Timestamp::now)).plus_hours(1);
        let from = self.from.map_or(until.plus_hours(-24), UtcHour::containing);
        let hours = until.hours_since(from);
        if hours <= 0 || hours > most {
            return Err(bad_request(format!(
                "{hours} hours from {from} to {until}; accepted are 1 to {most}"
            )));
        }
        Ok(Period { from, until })
    }

    fn scope(&self) -> Scope {
        match &self.namespace {
            Some(name) => Scope::Namespaces([name.clone()].into()),
            None => Scope::All,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Export {
    namespace: Option<String>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    #[serde(default)]
    format: Format,
}

/// Rows by the day, each read when the one before was taken: who reads slowly
/// holds up nobody.
async fn rows(
    State(ledger): State<Ledger>,
    asked: Result<Query<Export>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(asked) = asked.map_err(|fault| bad_request(fault.body_text()))?;
    let format = asked.format;
    let asked = Asked {
        namespace: asked.namespace,
        from: asked.from,
        to: asked.to,
    };
    let (parts, scope) = (
        export::parts(asked.period(EXPORT_HOURS_MAX)?),
        asked.scope(),
    );
    let header = match format {
        Format::Csv => export::CSV_HEADER,
        Format::Jsonl => "",
    };
    let first = futures::stream::once(async { Ok::<_, LedgerFault>(header.to_owned()) });
    let rest = futures::stream::iter(parts).then(move |part| {
        let (ledger, scope) = (ledger.clone(), scope.clone());
        async move {
            let rows = move |connection: &mut _| export::rows(connection, &scope, part, format);
            ledger.call(rows).await
        }
    });
    let body = Body::from_stream(first.chain(rest));
    Ok(([(header::CONTENT_TYPE, format.media_type())], body).into_response())
}

#[derive(Serialize)]
struct Nodes {
    nodes: Stays,
}

/// Where nodes were and how large, by the hour, also of those that are gone.
async fn nodes(State(ledger): State<Ledger>) -> Result<Response, Problem> {
    let nodes = ledger
        .call(|connection| node_places::all(connection))
        .await
        .map_err(|fault| unavailable(&fault))?;
    Ok(Json(Nodes { nodes }).into_response())
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
    let (period, scope) = (asked.period(HOURS_MAX)?, asked.scope());
    let snapshot = ledger
        .call(move |connection| query::snapshot(connection, &scope, period))
        .await
        .map_err(|fault| unavailable(&fault))?;
    Ok(Json(EnergyByWorkload {
        revision: snapshot.revision,
        from: period.from.to_string(),
        to: period.until.to_string(),
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Report {
    #[serde(default)]
    namespace: String,
    policy: String,
    revision: Option<i64>,
    #[serde(default)]
    pages: bool,
}

/// An hour of which the ledger says something else than when the report was
/// made.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HourDiffers {
    hour: String,
    recorded_microjoules: u128,
    found_microjoules: u128,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReportVerified {
    policy: String,
    revision: i64,
    inputs_digest: String,
    made_by: String,
    /// Whether the report made again is the same, bit for bit.
    equal: bool,
    compared: Vec<Compared>,
    /// Whether the ledger still has the energy of the hours that were over.
    ledger_equal: bool,
    hours_that_differ: Vec<HourDiffers>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pages: Vec<CarbonReportSpec>,
}

/// Makes a report again from what was kept of its inputs, and says what is
/// not as it was.
async fn report(
    State(ledger): State<Ledger>,
    asked: Result<Query<Report>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(asked) = asked.map_err(|fault| bad_request(fault.body_text()))?;
    let policy = format!("{}/{}", asked.namespace, asked.policy);
    let (wanted, revision) = (policy.clone(), asked.revision);
    let found = ledger
        .call(move |connection| kept::find(connection, &wanted, revision))
        .await
        .map_err(|fault| unavailable(&fault))?;
    let kept = found.ok_or_else(|| {
        Problem::new(StatusCode::NOT_FOUND, "nothing is kept of this report").detail(format!(
            "policy \"{policy}\"; kept are the two newest reports of a policy and the last of each of 35 days, if they have at most 80,000 rows"
        ))
    })?;
    let inputs = kept.inputs;
    let again = tokio::task::spawn_blocking(move || evidence::make_again(&inputs))
        .await
        .map_err(|fault| broken(fault.to_string()))?
        .map_err(|fault| broken(fault.to_string()))?;
    let scope = again
        .namespaces
        .clone()
        .map_or(Scope::All, Scope::Namespaces);
    let period = again.window;
    let snapshot = ledger
        .call(move |connection| query::snapshot(connection, &scope, period))
        .await
        .map_err(|fault| unavailable(&fault))?;
    let hours_that_differ = hours_that_differ(&again, &snapshot);
    Ok(Json(ReportVerified {
        policy,
        revision: kept.revision,
        inputs_digest: kept.digest,
        made_by: again.software,
        equal: again.compared.iter().all(|one| one.equal),
        compared: again.compared,
        ledger_equal: hours_that_differ.is_empty(),
        hours_that_differ,
        pages: if asked.pages { again.pages } else { Vec::new() },
    })
    .into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Study {
    namespace: String,
    name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StudyFigures {
    /// UID of the `EnergyStudy`.
    study: String,
    /// The plan that its first trial stood on, JSON.
    plan: String,
    /// The raw figures of its whole trials, CSV.
    trials: String,
}

/// Plan and raw figures of the study of that name that began last: all that
/// its report is made of.
async fn study(
    State(ledger): State<Ledger>,
    asked: Result<Query<Study>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(Study { namespace, name }) = asked.map_err(|fault| bad_request(fault.body_text()))?;
    let told = format!("EnergyStudy \"{namespace}/{name}\" has no trial yet");
    let found = ledger
        .call(move |connection| {
            let Some(begun) = studies::newest(connection, &namespace, &name)? else {
                return Ok(None);
            };
            let trials = studies::figures(connection, &begun.study)?;
            Ok(Some((begun, trials)))
        })
        .await
        .map_err(|fault| unavailable(&fault))?;
    let (begun, trials) =
        found.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "no such study").detail(told))?;
    Ok(Json(StudyFigures {
        study: begun.study,
        plan: begun.plan,
        trials,
    })
    .into_response())
}

fn hours_that_differ(again: &MadeAgain, snapshot: &Snapshot) -> Vec<HourDiffers> {
    let mut now: BTreeMap<UtcHour, u128> = BTreeMap::new();
    let last = again.window.until.plus_hours(-1);
    for row in snapshot.rows.iter().filter(|row| row.hour < last) {
        *now.entry(row.hour).or_default() += u128::from(row.energy.value.microjoules());
    }
    let hours: BTreeSet<UtcHour> = now
        .keys()
        .chain(again.energy_by_hour.keys())
        .copied()
        .collect();
    let of = |sums: &BTreeMap<UtcHour, u128>, hour| sums.get(&hour).copied().unwrap_or(0);
    hours
        .into_iter()
        .map(|hour| HourDiffers {
            hour: hour.to_string(),
            recorded_microjoules: of(&again.energy_by_hour, hour),
            found_microjoules: of(&now, hour),
        })
        .filter(|one| one.recorded_microjoules != one.found_microjoules)
        .collect()
}

fn broken(detail: String) -> Problem {
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "the report cannot be made again",
    )
    .detail(detail)
}

fn bad_request(detail: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "bad query").detail(detail)
}

fn unavailable(fault: &LedgerFault) -> Problem {
    tracing::warn!(error = %fault, "reading the ledger for an answer failed");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the ledger cannot be read")
        .detail(fault.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::http::Request;
    use tanso_faces::view::{Books as _, OperatorBooks, ProxyDoor};
    use tower::ServiceExt as _;

    use super::*;
    use crate::ledger::{KnownNode, known_nodes};

    /// The operator's routes behind the API server's proxy.
    fn proxied(routes: Router) -> kube::Client {
        let answer = move |request: Request<kube::client::Body>| {
            let routes = routes.clone();
            async move {
                let path = request.uri().to_string();
                let (_, own) = path.split_once("/proxy").unwrap();
                let own = Request::get(own).body(Body::empty()).unwrap();
                routes.oneshot(own).await
            }
        };
        kube::Client::new(tower::service_fn(answer), "default")
    }

    #[tokio::test]
    async fn kubectl_tanso_reads_where_nodes_were_as_the_ledger_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("ledger.db")).unwrap();
        let node = KnownNode {
            region: Some(("aws".to_owned(), "eu-north-1".to_owned())),
            millicores: Some(4_000),
            ..KnownNode::default()
        };
        let nodes = BTreeMap::from([("n1".to_owned(), node)]);
        let seen_at = Timestamp::from_second(1_790_000_000).unwrap();
        let kept = ledger.call(move |connection| {
            known_nodes::keep(connection, &nodes, seen_at)?;
            node_places::all(connection)
        });
        let kept = kept.await.unwrap();
        let door = ProxyDoor::new(proxied(router(ledger)), "tanso-system");
        let books = OperatorBooks::new(Arc::new(door), "tanso-system");
        let told = books.stays().await.unwrap();
        assert_eq!(told, kept);
        assert_eq!(told.get("n1").map(Vec::len), Some(1));
    }
}
