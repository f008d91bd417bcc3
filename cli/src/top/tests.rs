use std::collections::BTreeMap;
use std::sync::Arc;

use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

use super::*;
use crate::cluster::ClusterError;

fn figures(energy_uj: i64, mg: [i64; 3], measured: i32) -> Value {
    json!({
        "energyMicrojoules": {"low": energy_uj, "value": energy_uj, "high": energy_uj},
        "emissionsMilligrams": {"low": mg[0], "value": mg[1], "high": mg[2]},
        "intensityMilligramsPerKwh": 417_300,
        "cpuMilliseconds": 5_000,
        "measuredPercent": measured,
        "modelledPercent": 100 - measured,
        "intensityEstimatedPercent": 0,
        "coveragePercent": 97,
    })
}

fn workload(kind: &str, name: &str, verdict: &str, pods: i64, figures: &Value) -> Value {
    json!({
        "namespace": "shop", "kind": kind, "name": name, "verdict": verdict,
        "reason": "OverLimit", "pods": pods, "figures": figures,
    })
}

const KWH: i64 = 3_600_000_000_000;

pub(crate) fn status() -> Value {
    json!({
        "observedGeneration": 3,
        "conditions": [],
        "verdict": "Inconclusive",
        "dataThrough": "2026-11-21T10:05:00Z",
        "ledgerRevision": 812,
        "totals": figures(4 * KWH, [2_000_000, 2_200_000, 2_500_000], 87),
        "workloads": [
            workload("Deployment", "api", "Compliant", 6, &figures(KWH, [500_000, 550_000, 583_000], 100)),
            workload("CronJob", "etl", "NonCompliant", 2, &figures(2 * KWH, [1_000_000, 1_100_000, 1_254_000], 0)),
        ],
        "workloadsNotListed": 3,
        "reports": ["korea-1"],
    })
}

fn spec() -> Value {
    json!({
        "site": {"zone": "KR", "timeZone": "Asia/Seoul", "pue": {"value": 1.32, "evidence": "Certificate"}},
        "regulations": [{"rule": "kr-carbon-2050"}],
    })
}

fn list(items: &Value) -> Value {
    json!({"kind": "List", "apiVersion": "v1", "metadata": {}, "items": items})
}

fn policy(name: &str, status: &Value) -> Value {
    json!({
        "apiVersion": "tanso.dev/v1alpha1", "kind": "CarbonPolicy",
        "metadata": {"name": name, "namespace": "shop", "generation": 3},
        "spec": spec(), "status": status,
    })
}

/// A cluster that answers these paths and knows nothing else.
pub(crate) fn cluster(answers: &[(&str, Value)]) -> Cluster {
    let answers: BTreeMap<String, String> = answers
        .iter()
        .map(|(path, body)| {
            let text = body
                .as_str()
                .map_or_else(|| body.to_string(), str::to_owned);
            ((*path).to_owned(), text)
        })
        .collect();
    let answers = Arc::new(answers);
    let service = tower::service_fn(move |request: hyper::Request<Body>| {
        let answer = answers.get(request.uri().path()).cloned();
        async move {
            let (code, body) =
                answer.map_or((404, "404 page not found".to_owned()), |body| (200, body));
            let response = hyper::Response::builder()
                .status(code)
                .body(Body::from(body.into_bytes()));
            response.map_err(std::io::Error::other)
        }
    });
    Cluster {
        client: Client::new(service, "shop"),
        namespace: "shop".to_owned(),
        server: "https://10.0.0.1:6443/".to_owned(),
        credentials: crate::operator::Credentials::default(),
    }
}

const POLICIES: &str = "/apis/tanso.dev/v1alpha1/namespaces/shop/carbonpolicies";
const REPORTS: &str = "/apis/tanso.dev/v1alpha1/namespaces/shop/carbonreports";

async fn shown(args: &[&str], cluster: &Cluster) -> Result<String, Error> {
    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }
    let line = <Line as clap::Parser>::parse_from(std::iter::once(&"top").chain(args));
    let mut out = Vec::new();
    run(&line.args, cluster, &mut out).await?;
    Ok(String::from_utf8(out).unwrap())
}

fn agent_and_owners() -> Vec<(&'static str, Value)> {
    let pod = |name: &str, kind: &str, owner: &str| {
        json!({"metadata": {"name": name, "namespace": "shop", "ownerReferences": [
            {"apiVersion": "v1", "kind": kind, "name": owner, "uid": "u", "controller": true}]}})
    };
    let agent = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "tanso-agent-x", "namespace": "tanso-system"}});
    let metrics = "kepler_pod_cpu_watts{pod_id=\"1\",pod_name=\"etl-1-a\",pod_namespace=\"shop\",state=\"running\",zone=\"package\",node_name=\"n\"} 96.4\n";
    vec![
        (
            "/api/v1/namespaces/tanso-system/pods",
            list(&json!([agent])),
        ),
        (
            "/api/v1/namespaces/tanso-system/pods/tanso-agent-x:28282/proxy/metrics",
            Value::from(metrics),
        ),
        (
            "/api/v1/namespaces/shop/pods",
            list(&json!([pod("etl-1-a", "Job", "etl-1")])),
        ),
        (
            "/apis/apps/v1/namespaces/shop/replicasets",
            list(&json!([])),
        ),
        (
            "/apis/batch/v1/namespaces/shop/jobs",
            list(&json!([pod("etl-1", "CronJob", "etl")])),
        ),
    ]
}

#[tokio::test]
async fn a_policy_is_a_table_whose_rows_add_up_to_its_total() {
    let mut answers = agent_and_owners();
    answers.push((POLICIES, list(&json!([policy("korea", &status())]))));
    answers.push((REPORTS, list(&json!([]))));
    let text = shown(&[], &cluster(&answers)).await.unwrap();
    let expected = "\
CarbonPolicy shop/korea: last 24h to 2026-11-21T10:05:00Z, zone KR, PUE 1.32 (annual PUE, from a certificate)
WORKLOAD      PODS   POWER    ENERGY    CO2EQ   +-90%   SOURCE        VERDICT
cronjob/etl      2   96.4W   2.00kWh   1.10kg     14%   modelled      NonCompliant
deploy/api       6       -   1.00kWh     550g      9%   measured      Compliant
(3-more)         -       -   1.00kWh     550g     21%   -             -
TOTAL            -       -   4.00kWh   2.20kg     14%   87%measured   Inconclusive
";
    assert_eq!(text, expected);
}

#[tokio::test]
async fn a_limit_folds_the_rest_and_the_order_is_as_asked() {
    let answers = [
        (POLICIES, list(&json!([policy("korea", &status())]))),
        (REPORTS, list(&json!([]))),
    ];
    let text = shown(&["--limit", "1", "--sort", "energy"], &cluster(&answers))
        .await
        .unwrap();
    let rows: Vec<&str> = text
        .lines()
        .skip(2)
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    assert_eq!(rows[..3], ["cronjob/etl", "(4-more)", "TOTAL"]);
    assert!(
        text.contains("power: listing the agents' pods"),
        "the missing column is explained: {text}"
    );
}

#[tokio::test]
async fn a_cluster_policy_shows_what_the_nodes_used_beside_its_workloads() {
    let mut status = status();
    status["workloadsNotListed"] = json!(0);
    status["totals"] = figures(3 * KWH, [1_500_000, 1_650_000, 1_837_000], 33);
    status["unallocated"] = json!([
        {"account": "idle", "energyMicrojoules": 5 * KWH},
        {"account": "system", "energyMicrojoules": KWH / 2},
    ]);
    let everything = json!({
        "apiVersion": "tanso.dev/v1alpha1", "kind": "ClusterCarbonPolicy",
        "metadata": {"name": "everything"},
        "spec": {"namespaceSelector": {}, "policy": spec()}, "status": status,
    });
    let answers = [
        ("/apis/tanso.dev/v1alpha1/carbonpolicies", list(&json!([]))),
        (
            "/apis/tanso.dev/v1alpha1/clustercarbonpolicies",
            list(&json!([everything])),
        ),
    ];
    let text = shown(&["-A"], &cluster(&answers)).await.unwrap();
    let cells = |start: &str| -> Vec<String> {
        let line = text.lines().find(|line| line.starts_with(start)).unwrap();
        line.split_whitespace().map(str::to_owned).collect()
    };
    assert_eq!(cells("shop:cronjob/etl")[1], "2");
    assert_eq!(cells("TOTAL")[1..4], ["8", "-", "3.00kWh"]);
    assert_eq!(cells("(idle)")[3], "5.00kWh");
    assert_eq!(cells("NODES")[3], "8.50kWh");
}

#[tokio::test]
async fn a_stalled_policy_says_why_it_has_no_figures() {
    let status = json!({"conditions": [{
        "type": "Stalled", "status": "True", "reason": "InvalidInput",
        "message": "intensity.csv row 3: 402000 is no intensity",
        "lastTransitionTime": "2026-11-21T10:00:00Z",
    }]});
    let answers = [(POLICIES, list(&json!([policy("korea", &status)])))];
    let text = shown(&[], &cluster(&answers)).await.unwrap();
    assert!(
        text.contains("\nstalled: InvalidInput: intensity.csv row 3"),
        "{text}"
    );
}

#[tokio::test]
async fn no_policy_and_no_installation_are_told_apart() {
    let text = shown(&[], &cluster(&[(POLICIES, list(&json!([])))]))
        .await
        .unwrap();
    assert!(
        text.contains("no CarbonPolicy in namespace \"shop\"; -A"),
        "{text}"
    );
    let error = shown(&[], &cluster(&[])).await.unwrap_err().to_string();
    assert!(error.contains("tanso is not installed"), "{error}");
}

/// The site's zone and PUE stood above figures of energy that was used elsewhere.
#[tokio::test]
async fn energy_that_was_used_elsewhere_is_told_with_its_place() {
    let mut status = status();
    status["places"] = json!([{
        "region": "eu-north-1", "energyMicrojoules": 4 * KWH, "pue": "1.1, published for the region",
        "intensity": {"zone": "SE", "method": "Average", "boundary": "LifeCycle", "source": "table"},
    }]);
    let answers = [
        (POLICIES, list(&json!([policy("korea", &status)]))),
        (REPORTS, list(&json!([]))),
    ];
    let known = cluster(&answers);
    let text = shown(&[], &known).await.unwrap();
    let header = text.lines().next().unwrap();
    assert!(
        header.contains("used at eu-north-1 (100 % of the energy): PUE 1.1, published"),
        "{header}"
    );
    assert!(!header.contains("zone KR"), "{header}");
    let text = shown(&["-o", "json"], &known).await.unwrap();
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["policies"][0]["places"][0]["region"], "eu-north-1");
}

/// One answer that did not come ended what was to be watched.
#[test]
fn what_was_read_last_stays_when_a_reading_fails() {
    let failed = || -> Result<Vec<u8>, Error> {
        let fault = ClusterError::Unreachable {
            action: "listing carbonpolicies".to_owned(),
            server: "https://10.0.0.1:6443/".to_owned(),
            cause: "timed out".to_owned(),
        };
        Err(fault.into())
    };
    let mut last = None;
    assert!(next(&mut last, failed()).is_err(), "nothing was seen yet");
    let known = b"WORKLOAD\n".to_vec();
    assert_eq!(next(&mut last, Ok(known.clone())).unwrap(), known);
    for _ in 0..2 {
        let text = String::from_utf8(next(&mut last, failed()).unwrap()).unwrap();
        assert!(
            text.starts_with("WORKLOAD\nnot read again: listing carbonpolicies: "),
            "{text}"
        );
    }
}

/// Any pod with an agent's label was asked, and believed of pods of others.
#[tokio::test]
async fn a_pod_elsewhere_that_calls_itself_an_agent_is_not_believed() {
    let metrics = "kepler_pod_cpu_watts{pod_id=\"1\",pod_name=\"etl-1-a\",pod_namespace=\"shop\",state=\"running\",zone=\"package\",node_name=\"n\"} 900\n";
    let agent = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "tanso-agent-y", "namespace": "shop"}});
    let mut answers = agent_and_owners();
    answers.push(("/api/v1/pods", list(&json!([agent]))));
    answers.push((
        "/api/v1/namespaces/shop/pods/tanso-agent-y:28282/proxy/metrics",
        Value::from(metrics),
    ));
    answers.push((POLICIES, list(&json!([policy("korea", &status())]))));
    answers.push((REPORTS, list(&json!([]))));
    let text = shown(&[], &cluster(&answers)).await.unwrap();
    assert!(text.contains("96.4W"), "{text}");
    // Who is installed elsewhere is told how to say so.
    answers.push(("/api/v1/namespaces/energy/pods", list(&json!([]))));
    let known = cluster(&answers);
    let elsewhere = shown(&["--operator-namespace", "energy"], &known).await;
    let text = elsewhere.unwrap();
    assert!(
        text.contains("power: no agent in namespace \"energy\"; --operator-namespace names"),
        "{text}"
    );
}

#[tokio::test]
async fn json_carries_whole_numbers_with_their_units() {
    let mut answers = agent_and_owners();
    answers.push((POLICIES, list(&json!([policy("korea", &status())]))));
    answers.push((REPORTS, list(&json!([]))));
    let text = shown(&["-o", "json"], &cluster(&answers)).await.unwrap();
    let json: Value = serde_json::from_str(&text).unwrap();
    let policy = &json["policies"][0];
    assert_eq!(policy["workloads"][0]["powerMilliwatts"], 96_400);
    assert_eq!(
        policy["workloads"][0]["figures"]["energyMicrojoules"]["value"],
        2 * KWH
    );
    assert_eq!(policy["others"]["count"], 3);
    assert_eq!(policy["verdict"], "Inconclusive");
}

#[tokio::test]
async fn wide_adds_intensity_coverage_and_reason() {
    let mut answers = agent_and_owners();
    answers.push((POLICIES, list(&json!([policy("korea", &status())]))));
    answers.push((REPORTS, list(&json!([]))));
    let text = shown(&["-o", "wide"], &cluster(&answers)).await.unwrap();
    let last = |start: &str| -> Vec<String> {
        let line = text.lines().find(|line| line.starts_with(start)).unwrap();
        let words = line.split_whitespace().skip(8);
        words.map(str::to_owned).collect()
    };
    assert_eq!(last("WORKLOAD"), ["G/KWH", "COVERAGE", "REASON"]);
    assert_eq!(last("cronjob/etl"), ["417.3", "97%", "OverLimit"]);
    assert_eq!(last("(3-more)"), ["-", "-", "-"]);
    assert_eq!(last("TOTAL"), ["417.3", "97%", "-"]);
}

#[tokio::test]
async fn pods_are_shown_with_what_the_agents_say_of_them() {
    let cluster = cluster(&agent_and_owners());
    let expected = "\
NAMESPACE   POD        WATTS
shop        etl-1-a   96.400
";
    assert_eq!(shown(&["pods"], &cluster).await.unwrap(), expected);
    let other = shown(&["pods", "-n", "bank", "-o", "yaml"], &cluster)
        .await
        .unwrap();
    assert!(other.contains("total: 0"), "{other}");
}

#[tokio::test]
async fn nodes_are_shown_with_the_mean_power_of_the_newest_hour() {
    let hour = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:00Z");
    let line = |node: &str, provenance: &str, energy_uj: u64| {
        let line = json!({
            "hour_utc": hour.to_string(), "node": node, "account": "pod", "namespace": "shop",
            "workload_kind": "Deployment", "workload": "api", "provenance": provenance,
            "energy_low_microjoules": energy_uj, "energy_microjoules": energy_uj,
            "energy_high_microjoules": energy_uj, "cpu_microseconds": 1, "minutes": 10,
        });
        format!("{line}\n")
    };
    // Of ten minutes: 12 W and 3 W.
    let export = line("n1", "measured", 5_400_000_000)
        + &line("n1", "modelled", 1_800_000_000)
        + &line("n2", "modelled", 1_800_000_000);
    let answers = [
        ("/apis/tanso.dev/v1alpha1/powermonitors", list(&json!([]))),
        (
            "/api/v1/namespaces/tanso-system/services/tanso-operator:http/proxy/v1/ledger/export",
            Value::from(export),
        ),
    ];
    let text = shown(&["nodes"], &cluster(&answers)).await.unwrap();
    let rows: Vec<&str> = text.lines().take(3).collect();
    let expected = [
        "NODE    WATTS   MEASURED",
        "n1     12.000        75%",
        "n2      3.000         0%",
    ];
    assert_eq!(rows, expected, "{text}");
}

/// Kinds of tanso may be listed, and nothing else.
#[tokio::test]
async fn without_a_way_to_the_ledger_the_right_that_is_missing_is_named() {
    let forbidden = json!({"kind": "Status", "apiVersion": "v1", "metadata": {},
        "status": "Failure", "message": "no", "reason": "Forbidden", "code": 403});
    let service = tower::service_fn(move |request: hyper::Request<Body>| {
        let (code, body) = if request.uri().path().contains("/tanso.dev/") {
            (200, list(&json!([])))
        } else {
            (403, forbidden.clone())
        };
        let answer = hyper::Response::builder().status(code);
        let answer = answer.body(Body::from(body.to_string().into_bytes()));
        std::future::ready(answer.map_err(std::io::Error::other))
    });
    let mut cluster = cluster(&[]);
    cluster.client = Client::new(service, "shop");
    let nodes = shown(&["nodes"], &cluster).await.unwrap_err().to_string();
    let namespaces = shown(&["namespaces"], &cluster).await.unwrap();
    assert!(
        namespaces.contains("Not of the newest hour: "),
        "{namespaces}"
    );
    for text in [nodes, namespaces] {
        for said in [
            "energy by the hour cannot be read here",
            "it needs the right to list pods in namespace \"tanso-system\"",
            "(operator.anonymousReaders: Allow), it needs the right to get services/proxy",
        ] {
            assert!(text.contains(said), "{text}");
        }
    }
}

/// A policy as a later version wrote it.
fn newer() -> Value {
    let mut newer = policy("newer", &json!({}));
    newer["spec"]["intensity"] = json!({"source": "Oracle"});
    newer
}

/// One such policy was the fault of the whole list.
#[tokio::test]
async fn a_policy_of_a_later_version_hides_no_other_and_is_named() {
    let mut answers = agent_and_owners();
    answers.push((
        POLICIES,
        list(&json!([newer(), policy("korea", &status())])),
    ));
    answers.push((REPORTS, list(&json!([]))));
    let cluster = cluster(&answers);
    let text = shown(&[], &cluster).await.unwrap();
    assert!(text.contains("cronjob/etl"), "{text}");
    let text = shown(&["-o", "json"], &cluster).await.unwrap();
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["policies"][0]["name"], "korea");
    let left_out = &json["unreadable"][0];
    assert_eq!(left_out["name"], "newer");
    assert_eq!(left_out["field"], "spec.intensity.source");
    let listed = policies::namespaced(&cluster, &Scope::Namespace("shop".to_owned())).await;
    let left_out = listed.unwrap().unreadable;
    let warnings = policies::warnings(&left_out);
    assert!(
        warnings.starts_with("warning: left out: CarbonPolicy shop/newer: this version of tanso cannot read it: spec.intensity.source: unknown variant `Oracle`"),
        "{warnings}"
    );
    assert_eq!(warnings.lines().count(), 1, "{warnings}");
    assert_eq!(policies::warn(&left_out), Outcome::Failing);
    assert_eq!(policies::warn(&[]), Outcome::Fine);
}

#[tokio::test]
async fn a_namespace_with_nothing_that_can_be_read_is_not_told_as_empty() {
    let cluster = cluster(&[(POLICIES, list(&json!([newer()])))]);
    let text = shown(&[], &cluster).await.unwrap();
    assert_eq!(text, "");
    let text = shown(&["-o", "json"], &cluster).await.unwrap();
    assert!(text.contains("\"newer\""), "{text}");
}
