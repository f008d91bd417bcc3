//! A judged cluster of 10,000 workloads: policies of 40 namespaces and one of
//! all, each with its status and the pages that hold every workload, readers
//! with a token, and a ledger with a day of every workload. What the operator
//! would have written is written here once; nothing of it is judged.

use std::path::Path;

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use serde_json::{Value, json};
use tanso_agent_wire::energy::JournalId;
use tanso_operator::ledger::{Page, PodNames, append, names, open_file};

use crate::agents::node_name;
use crate::fleet::Api;
use crate::records::{PODS_PER_NODE, of_pod, pod_uid};

/// Workloads of the cluster.
pub(super) const WORKLOADS: u64 = 10_000;
/// Namespaces, each with a policy of its own: beyond the 32 policies whose pages
/// were once kept.
pub(super) const NAMESPACES: u64 = 40;
/// Workloads of a page, as the operator writes them.
const PAGE: usize = 500;
/// Workloads that a status lists.
const LISTED: usize = 20;
/// Hours that are booked.
const HOURS: i64 = 24;
/// Where the operator is.
const HOME: &str = "tanso-system";
/// Booking up to which the made-up figures go.
const REVISION: i64 = 812;

/// The namespace of a workload.
pub(super) fn namespace(workload: u64) -> String {
    format!("team-{:02}", workload % NAMESPACES)
}

/// The name of a workload.
pub(super) fn name(workload: u64) -> String {
    format!("service-{workload:05}")
}

fn figures(workload: u64) -> Value {
    let energy = 3_600_000_000_u64 * (workload % 997 + 1);
    let around =
        |value: u64| json!({"low": value * 9 / 10, "value": value, "high": value * 11 / 10});
    json!({
        "energyMicrojoules": around(energy), "emissionsMilligrams": around(energy / 8_640_000),
        "intensityMilligramsPerKwh": 417_300, "cpuMilliseconds": 1_000, "modelledPercent": 100,
        "coveragePercent": 100,
    })
}

fn result(workload: u64) -> Value {
    let verdict = match workload % 4 {
        0 => "Compliant",
        1 => "NonCompliant",
        2 => "Inconclusive",
        _ => "Unknown",
    };
    let saving = workload % 89;
    let advice = json!([{
        "action": "ShiftInTime", "savingMilligramsPerDay": {"low": 1, "value": saving, "high": 99},
        "clusterSavingMilligramsPerDay": saving, "savingMilliPercent": 7_930, "confidence": "Medium",
        "basis": "hours of a typical year; the saving is the difference to the present start, never to an average",
        "change": "kubectl -n team patch cronjob etl --type merge -p '{\"spec\":{\"schedule\":\"0 10 * * *\"}}'",
    }]);
    json!({
        "namespace": namespace(workload), "kind": "Deployment", "name": name(workload),
        "verdict": verdict, "reason": "WithinLimit", "pods": 1, "figures": figures(workload),
        "recommendations": advice,
    })
}

fn spec() -> Value {
    json!({
        "suspend": true,
        "site": {"zone": "KR", "timeZone": "Asia/Seoul", "pue": {"value": 1.32, "evidence": "Certificate"}},
        "evidence": {"maxEstimatedPercent": 100},
        "regulations": [{"rule": "kr-carbon-2050"}, {"rule": "kr-green-datacenter"}],
    })
}

/// Makes all of it; tokens of readers who may see all.
///
/// # Errors
/// If the API server refuses.
pub(super) async fn populate(api: &Api, through: Timestamp, readers: usize) -> Result<Vec<String>> {
    held(api, through).await?;
    let all: Vec<Value> = (0..WORKLOADS).map(result).collect();
    for number in 0..NAMESPACES {
        let home = namespace(number);
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": home}});
        api.ensure("/api/v1/namespaces", &object).await?;
        let own = all.iter().filter(|one| one["namespace"] == home);
        let own: Vec<Value> = own.cloned().collect();
        let object = json!({"apiVersion": "tanso.dev/v1alpha1", "kind": "CarbonPolicy",
            "metadata": {"name": "korea"}, "spec": spec()});
        let list = format!("/apis/tanso.dev/v1alpha1/namespaces/{home}/carbonpolicies");
        judged(api, &list, &object, (&home, &own), through).await?;
    }
    let object = json!({"apiVersion": "tanso.dev/v1alpha1", "kind": "ClusterCarbonPolicy",
        "metadata": {"name": "everything"}, "spec": {"namespaceSelector": {}, "policy": spec()}});
    let list = "/apis/tanso.dev/v1alpha1/clustercarbonpolicies";
    judged(api, list, &object, (HOME, &all), through).await?;
    let mut tokens = Vec::new();
    for number in 0..readers {
        tokens.push(reader(api, number).await?);
    }
    Ok(tokens)
}

/// The lease is another's, so that the operator reads and serves only.
async fn held(api: &Api, now: Timestamp) -> Result<()> {
    let at = now.strftime("%FT%T.000000Z").to_string();
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": "tanso-operator"},
        "spec": {"holderIdentity": "nobody", "leaseDurationSeconds": 86_400, "acquireTime": at, "renewTime": at}});
    let list = format!("/apis/coordination.k8s.io/v1/namespaces/{HOME}/leases");
    api.ensure(&list, &lease).await
}

/// A policy with its status and pages, anew.
async fn judged(
    api: &Api,
    list: &str,
    object: &Value,
    (home, workloads): (&str, &[Value]),
    through: Timestamp,
) -> Result<()> {
    let made = api.ask("POST", list, Some(object)).await?;
    let uid = made["metadata"]["uid"].as_str().context("a UID")?;
    let policy = object["metadata"]["name"].as_str().unwrap_or_default();
    let pages: Vec<_> = workloads.chunks(PAGE).collect();
    let mut names = Vec::new();
    let reports = format!("/apis/tanso.dev/v1alpha1/namespaces/{home}/carbonreports");
    for (number, rows) in (1..).zip(&pages) {
        let name = format!("{policy}-{number}");
        let report = json!({
            "apiVersion": "tanso.dev/v1alpha1", "kind": "CarbonReport",
            "metadata": {"name": name, "labels": {"tanso.dev/policy-uid": uid}},
            "spec": {
                "policy": policy, "page": number, "pages": pages.len(), "dataThrough": through.to_string(),
                "ledgerRevision": REVISION, "inputsDigest": "sha256:9f2c", "totals": figures(1), "workloads": rows,
            },
        });
        api.ask("POST", &reports, Some(&report)).await?;
        names.push(name);
    }
    let listed = workloads.get(..LISTED).unwrap_or(workloads);
    let status = json!({"status": {
        "verdict": "NonCompliant", "dataThrough": through.to_string(), "ledgerRevision": REVISION,
        "inputsDigest": "sha256:9f2c", "totals": figures(1), "workloads": listed,
        "workloadsNotListed": workloads.len() - listed.len(), "reports": names,
    }});
    let path = format!("{list}/{policy}/status");
    api.ask("PATCH", &path, Some(&status)).await.map(drop)
}

/// A service account that may see all, and its token.
async fn reader(api: &Api, number: usize) -> Result<String> {
    let name = format!("reader-{number}");
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}});
    let accounts = format!("/api/v1/namespaces/{HOME}/serviceaccounts");
    api.ensure(&accounts, &account).await?;
    let rights = "/apis/rbac.authorization.k8s.io/v1";
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": "scale-reader"}, "rules": [
            {"apiGroups": ["tanso.dev"], "resources": ["*"], "verbs": ["get", "list"]},
            {"apiGroups": [""], "resources": ["nodes", "configmaps"], "verbs": ["list"]},
            {"apiGroups": ["batch"], "resources": ["cronjobs"], "verbs": ["list"]}]});
    api.ensure(&format!("{rights}/clusterroles"), &role).await?;
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": format!("scale-{name}")},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "scale-reader"},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": HOME}]});
    api.ensure(&format!("{rights}/clusterrolebindings"), &binding)
        .await?;
    let asked = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "spec": {"expirationSeconds": 3_600}});
    let path = format!("{accounts}/{name}/token");
    let given = api.ask("POST", &path, Some(&asked)).await?;
    let token = given["status"]["token"].as_str();
    token.map(str::to_owned).context("a token")
}

/// A day of every workload, a pod each.
///
/// # Errors
/// If the ledger refuses.
pub(super) fn ledger(path: &Path, through: Timestamp) -> Result<()> {
    let mut connection = open_file(path)?;
    let pods: Vec<PodNames> = (0..WORKLOADS).map(pod).collect();
    names::keep(&mut connection, &pods, through)?;
    let hour = through.as_second().div_euclid(3_600) * 3_600;
    for node in 0..WORKLOADS.div_ceil(PODS_PER_NODE) {
        let mut records = Vec::new();
        for back in (0..HOURS).rev() {
            for number in 0..PODS_PER_NODE {
                let pod = node * PODS_PER_NODE + number;
                let sequence = u64::try_from(records.len())? + 1;
                let mut record = of_pod(sequence, pod, hour - back * 3_600);
                record.names.namespace = Some(namespace(pod));
                records.push(record);
            }
        }
        let page = Page {
            node: node_name(node),
            journal: JournalId(node + 1),
            next_sequence: u64::try_from(records.len())?,
            records,
            closed_until: hour + 60,
        };
        append::book(&mut connection, &page, through)?;
    }
    Ok(())
}

fn pod(number: u64) -> PodNames {
    PodNames {
        uid: pod_uid(number),
        namespace: namespace(number),
        name: format!("pod-{number}"),
        node: node_name(number / PODS_PER_NODE),
        workload_kind: "Deployment".to_owned(),
        workload_name: name(number),
        cpu_request_milli: Some(500),
        ..PodNames::default()
    }
}
