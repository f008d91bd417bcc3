//! The policy controllers against a real API server, with the rights that the
//! installation gives the operator and no more: from booked energy to status,
//! pages and Events, with a broken policy beside.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should end"
)]

#[path = "support/api.rs"]
mod api;
#[path = "api_carbon_policy/open_reports.rs"]
mod open_reports;

use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::http::Request;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{ConfigMap, Event, Namespace, Node, Pod, ServiceAccount};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tanso_agent_wire::energy::{Account, JournalId, Names, Record};
use tanso_crds::carbon_policy::status::Verdict;
use tanso_crds::{CarbonPolicy, CarbonPolicyStatus, CarbonReport, ClusterCarbonPolicy};
use tanso_operator::cluster::{Applier, CARBON_POLICY_MANAGER, Claim, Events, condition};
use tanso_operator::collect::NodeBoard;
use tanso_operator::controllers::carbon_policy::{self, Context};
use tanso_operator::intensity::Feeds;
use tanso_operator::ledger::{Ledger, Page, append, query};
use tanso_operator::metrics::Metrics;
use tanso_operator::owners::Inventory;
use tanso_power::{Estimate, Joules, Provenance};
use tanso_runtime::Shutdown;
use tower::ServiceExt as _;

const SHOP: &str = "policy-shop";
const NODE: &str = "policy-node";
const PATIENCE: Duration = Duration::from_secs(30);

/// The operator's parts that judge, on a ledger of their own.
struct Bench {
    admin: Client,
    ledger: Ledger,
    shutdown: Shutdown,
    _folder: tempfile::TempDir,
}

fn read<K: DeserializeOwned>(object: Value) -> K {
    serde_json::from_value(object).unwrap()
}

impl Bench {
    async fn new() -> Option<Self> {
        let admin = api::admin().await?;
        let operator = api::as_operator().await?;
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("ledger.db")).unwrap();
        let shutdown = Shutdown::new();
        let (inventory, watch) = Inventory::new(operator.clone(), api::NAMESPACE);
        let metrics = Metrics::default();
        let claim = Claim::always();
        let context = Context {
            client: operator.clone(),
            namespace: api::NAMESPACE.to_owned(),
            ledger: ledger.clone(),
            inventory,
            board: NodeBoard::default(),
            feeds: Feeds::try_new(&[], None).unwrap(),
            applier: Applier::new(CARBON_POLICY_MANAGER, claim.clone(), metrics.clone()),
            events: Events::new(operator, CARBON_POLICY_MANAGER, "test", claim),
            metrics,
            policies: tanso_operator::controllers::carbon_policy::board::PolicyBoard::default(),
        };
        tokio::spawn(watch.run(ledger.clone(), shutdown.clone()));
        let bench = Self {
            admin,
            ledger,
            shutdown,
            _folder: folder,
        };
        bench.prepare().await;
        tokio::spawn(carbon_policy::run(context, bench.shutdown.clone()));
        Some(bench)
    }

    fn all<K: Resource<DynamicType = ()>>(&self) -> Api<K> {
        Api::all(self.admin.clone())
    }

    fn shop<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
    {
        Api::namespaced(self.admin.clone(), SHOP)
    }

    /// A namespace with a job's finished pod, owned by a `CronJob` by way of a
    /// `Job`, and a pod without owner; policies of an earlier run are removed.
    async fn prepare(&self) {
        api::put(
            &self.all(),
            &read::<Namespace>(json!({"metadata": {"name": SHOP}})),
        )
        .await;
        api::put(
            &self.shop(),
            &read::<ServiceAccount>(json!({"metadata": {"name": "default"}})),
        )
        .await;
        let node = read::<Node>(json!({"metadata": {"name": NODE}}));
        api::put(&self.all(), &node).await;
        let status = json!({"status": {"allocatable": {"cpu": "4", "memory": "8Gi"}}});
        self.all::<Node>()
            .patch_status(NODE, &PatchParams::default(), &Patch::Merge(status))
            .await
            .unwrap();
        for name in ["judged", "broken"] {
            let _ = self
                .shop::<CarbonPolicy>()
                .delete(name, &DeleteParams::default())
                .await;
        }
        let _ = self
            .all::<ClusterCarbonPolicy>()
            .delete("everything", &DeleteParams::default())
            .await;
        let template = json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}});
        let cron_job = read::<CronJob>(json!({"metadata": {"name": "etl"}, "spec": {
            "schedule": "0 18 * * *", "timeZone": "Asia/Seoul", "suspend": true,
            "jobTemplate": {"spec": {"template": template}}}}));
        api::put(&self.shop(), &cron_job).await;
        let owner = self.owner::<CronJob>("etl").await;
        let job = read::<Job>(
            json!({"metadata": {"name": "etl-1", "ownerReferences": [owner]},
            "spec": {"suspend": true, "template": template}}),
        );
        if self.shop::<Job>().get_opt("etl-1").await.unwrap().is_none() {
            api::put(&self.shop(), &job).await;
        }
        let owner = self.owner::<Job>("etl-1").await;
        self.pod("etl-1-x", json!([owner]), "Succeeded").await;
        self.pod("lonely", json!([]), "Running").await;
        // Nothing makes its pod anew or takes it away while it is as wished.
        let labels = json!({"app": "store"});
        let store = read::<StatefulSet>(json!({"metadata": {"name": "store"}, "spec": {
            "replicas": 1, "serviceName": "store", "updateStrategy": {"type": "OnDelete"},
            "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels},
                "spec": {"containers": [{"name": "c", "image": "i"}]}}}}));
        api::put(&self.shop(), &store).await;
        let mut owner = self.owner::<StatefulSet>("store").await;
        owner["apiVersion"] = json!("apps/v1");
        owner["controller"] = json!(true);
        self.pod("store-0", json!([owner]), "Running").await;
    }

    async fn owner<K>(&self, name: &str) -> Value
    where
        K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
        K: Clone + DeserializeOwned + std::fmt::Debug,
    {
        let uid = self.shop::<K>().get(name).await.unwrap().uid().unwrap();
        json!({"apiVersion": "batch/v1", "kind": K::kind(&()), "name": name, "uid": uid})
    }

    async fn pod(&self, name: &str, owners: Value, phase: &str) {
        let pods = self.shop::<Pod>();
        if pods.get_opt(name).await.unwrap().is_none() {
            let pod = read::<Pod>(json!({"metadata": {"name": name, "ownerReferences": owners,
                    "labels": {"app": name.split('-').next()}},
                "spec": {"nodeName": NODE, "restartPolicy": "Never",
                    "containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": "100m", "memory": "4Gi"}}}]}}));
            api::put(&pods, &pod).await;
        }
        let begun = start();
        let at = |second| Timestamp::from_second(second).unwrap().to_string();
        let mut container = json!({"name": "c", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"running": {"startedAt": at(begun)}}});
        if phase == "Succeeded" {
            container["state"] =
                json!({"terminated": {"exitCode": 0, "finishedAt": at(begun + 600)}});
        }
        let status = json!({"status": {"phase": phase, "startTime": at(begun), "containerStatuses": [container]}});
        pods.patch_status(name, &PatchParams::default(), &Patch::Merge(status))
            .await
            .unwrap();
    }

    async fn uid(&self, pod: &str) -> String {
        self.shop::<Pod>().get(pod).await.unwrap().uid().unwrap()
    }

    /// Books twelve minutes of three pods, a pod nobody knows, and idle power; of
    /// the store also the memory of two days before.
    async fn book(&self) -> u64 {
        let container = |pod_uid: String| Account::Container {
            pod_uid,
            container_id: "c".into(),
        };
        let accounts = [
            container(self.uid("etl-1-x").await),
            container(self.uid("lonely").await),
            container(self.uid("store-0").await),
            container("nobody-knows".into()),
            Account::Idle,
        ];
        let mut records = Vec::new();
        let record = |sequence: usize, minute: i64, account: &Account, energy_uj: u64| Record {
            sequence: u64::try_from(sequence).unwrap(),
            minute: start() + 60 * minute,
            account: account.clone(),
            names: Names::default(),
            energy_uj: Estimate::exact(Joules::from_microjoules(energy_uj)),
            cpu_us: 1_000_000,
            provenance: Provenance::Modelled,
            model: Some("sha256:ab".into()),
            caught_up: false,
            memory_peak_bytes: (*account == accounts[2]).then_some(300 << 20),
        };
        for minute in -2_880..0 {
            records.push(record(records.len() + 1, minute, &accounts[2], 0));
        }
        for minute in 0..12 {
            for account in &accounts {
                let sequence = records.len() + 1;
                let energy_uj = 600_000_000 + u64::try_from(sequence).unwrap();
                records.push(record(sequence, minute, account, energy_uj));
            }
        }
        let total = records
            .iter()
            .map(|record| record.energy_uj.value.microjoules())
            .sum();
        let last = u64::try_from(records.len()).unwrap();
        let page = Page {
            node: NODE.into(),
            journal: JournalId(1),
            records,
            next_sequence: last,
            closed_until: start() + 720,
        };
        self.ledger
            .call(move |c| append::book(c, &page, Timestamp::now()))
            .await
            .unwrap();
        total
    }
}

/// The begin of the last hour.
fn start() -> i64 {
    Timestamp::now().as_second().div_euclid(3_600) * 3_600 - 3_600
}

fn policy(intensity: &Value) -> Value {
    json!({
        "interval": "10s",
        "site": {"zone": "KR", "timeZone": "Asia/Seoul", "pue": {"value": 1.32, "evidence": "Certificate"}},
        "intensity": intensity,
        "evidence": {"maxEstimatedPercent": 100},
        "regulations": [{"rule": "kr-carbon-2050"}, {"rule": "kr-green-datacenter"}],
    })
}

/// Waits until a policy's status is as wished.
async fn until<K>(
    api: &Api<K>,
    name: &str,
    wish: impl Fn(&CarbonPolicyStatus) -> bool,
) -> CarbonPolicyStatus
where
    K: Resource + Clone + DeserializeOwned + Serialize + std::fmt::Debug,
{
    let begun = Instant::now();
    loop {
        let object = serde_json::to_value(api.get(name).await.unwrap()).unwrap();
        let status = serde_json::from_value::<CarbonPolicyStatus>(object["status"].clone());
        match status {
            Ok(status) if wish(&status) => return status,
            other if begun.elapsed() > PATIENCE => panic!("{name} never became so: {other:#?}"),
            _ => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

fn is(status: &CarbonPolicyStatus, type_: &str, value: &str) -> bool {
    condition(&status.conditions, type_).is_some_and(|c| c.status == value)
}

/// A policy that is right, one whose table is broken, and one of the cluster.
async fn put_policies(bench: &Bench) {
    let given =
        json!({"source": "Static", "static": {"gramsPerKwh": 417.3, "reference": "official"}});
    let judged =
        read::<CarbonPolicy>(json!({"metadata": {"name": "judged"}, "spec": policy(&given)}));
    api::put(&bench.shop(), &judged).await;
    let text = "datetime_utc,gco2eq_per_kwh\n2026-11-21T00:00Z,412.5\n2026-11-21T01:00Z,dirty\n";
    let table =
        read::<ConfigMap>(json!({"metadata": {"name": "grid"}, "data": {"intensity.csv": text}}));
    api::put(&bench.shop(), &table).await;
    let given = json!({"source": "Table", "table": {"configMap": "grid"}});
    let broken =
        read::<CarbonPolicy>(json!({"metadata": {"name": "broken"}, "spec": policy(&given)}));
    api::put(&bench.shop(), &broken).await;
    let everything = read::<ClusterCarbonPolicy>(json!({"metadata": {"name": "everything"},
        "spec": {"namespaceSelector": {}, "policy": policy(&json!({}))}}));
    api::put(&bench.all(), &everything).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_booked_energy_to_status_pages_and_events_with_a_broken_policy_beside() {
    let Some(bench) = Bench::new().await else {
        return;
    };
    let booked = bench.book().await;
    put_policies(&bench).await;

    // Names may come after the first evaluation.
    let status = until(&bench.shop::<CarbonPolicy>(), "judged", |s| {
        s.workloads.len() == 3
    })
    .await;
    assert!(
        is(&status, "Ready", "True") && is(&status, "Compliant", "True"),
        "{status:#?}"
    );
    assert_eq!(status.verdict, Some(Verdict::Compliant));
    assert_eq!(status.summary.as_ref().unwrap().pue, "1.32 Compliant");
    let pue = serde_json::to_value(status.pue.as_ref().unwrap()).unwrap();
    assert_eq!(
        pue,
        json!({"value": "1.32", "evidence": "Certificate", "scope": "Annual", "entity": "Site",
            "source": "", "metering": "ItEquipment"})
    );
    let mut kinds: Vec<_> = status
        .workloads
        .iter()
        .map(|w| (w.kind.as_str(), w.name.as_str()))
        .collect();
    kinds.sort_unstable();
    assert_eq!(
        kinds,
        [
            ("CronJob", "etl"),
            ("Pod", "lonely"),
            ("StatefulSet", "store")
        ]
    );

    let stalled = until(&bench.shop::<CarbonPolicy>(), "broken", |s| {
        is(s, "Stalled", "True")
    })
    .await;
    let why = condition(&stalled.conditions, "Stalled").unwrap();
    assert_eq!(why.reason, "InvalidInput");
    assert!(
        why.message.contains("grid/intensity.csv row 3") && why.message.contains("dirty"),
        "{}",
        why.message
    );

    let all = until(&bench.all::<ClusterCarbonPolicy>(), "everything", |s| {
        s.workloads.len() == 3
    })
    .await;
    let others: i64 = all
        .unallocated
        .iter()
        .map(|account| account.energy_microjoules)
        .sum();
    let workloads = all.totals.as_ref().unwrap().energy_microjoules.value;
    assert_eq!(u64::try_from(workloads + others).unwrap(), booked);
    let revision = all.ledger_revision;
    let total = bench
        .ledger
        .call(move |c| query::total_through(c, revision))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(total.energy_microjoules, u128::from(booked));
    let shift = all
        .workloads
        .iter()
        .find(|w| w.kind == "CronJob")
        .unwrap()
        .recommendations
        .first()
        .unwrap();
    assert_eq!(shift.action, "ShiftInTime");
    memory_that_was_booked_is_advised_on(&all);

    let reports: Api<CarbonReport> = Api::namespaced(bench.admin.clone(), api::NAMESPACE);
    let page = reports.get(all.reports.first().unwrap()).await.unwrap();
    assert_eq!((page.spec.workloads.len(), page.spec.pages), (3, 1));
    assert_eq!(
        page.owner_references().first().unwrap().kind,
        "ClusterCarbonPolicy"
    );
    let events = bench
        .shop::<Event>()
        .list(&ListParams::default())
        .await
        .unwrap();
    assert!(
        events
            .iter()
            .any(|e| e.reason.as_deref() == Some("VerdictChanged"))
    );

    a_report_is_made_again_as_it_stands(&bench, &status).await;
    open_reports::verdicts_stand_in_reports_of_openreports_where_they_are_wished(&bench).await;
    nothing_is_written_when_nothing_changed(&bench).await;
    a_mended_table_ends_the_stall(&bench).await;
    an_edited_table_reaches_the_status_long_before_the_interval(&bench).await;
    bench.shutdown.begin();
}

/// Two days of 300 MiB, of which 4 GiB are asked for, on a node of 8 GiB.
fn memory_that_was_booked_is_advised_on(status: &CarbonPolicyStatus) {
    let store = status.workloads.iter().find(|w| w.name == "store").unwrap();
    let all = &store.recommendations;
    let advice = all.iter().find(|one| one.action == "RightsizeMemory");
    let advice = advice.unwrap_or_else(|| panic!("{store:#?}"));
    let wanted = "kubectl -n policy-shop patch statefulset store";
    assert!(advice.change.starts_with(wanted), "{}", advice.change);
    let asked = advice.change.split("\"memory\":\"").nth(1).unwrap();
    let mebibytes: u64 = asked.split("Mi").next().unwrap().parse().unwrap();
    assert!((345..400).contains(&mebibytes), "{}", advice.change);
    assert_eq!(advice.cluster_saving_milligrams_per_day, 0);
    assert!(advice.saving_milligrams_per_day.value > 0);
    assert!(advice.basis.contains("evicted first"), "{}", advice.basis);
}

/// The pages on the API server are those that are made again from what was
/// kept, bit for bit.
async fn a_report_is_made_again_as_it_stands(bench: &Bench, status: &CarbonPolicyStatus) {
    let revision = status.ledger_revision.unwrap();
    let path =
        format!("/v1/reports/verify?namespace={SHOP}&policy=judged&revision={revision}&pages=true");
    let request = Request::get(path).body(Body::empty()).unwrap();
    let answer = tanso_operator::api::router(bench.ledger.clone())
        .oneshot(request)
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let body = to_bytes(answer.into_body(), 1 << 24).await.unwrap();
    let found: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(found["equal"], true, "{found:#}");
    assert_eq!(found["ledgerEqual"], true, "{found:#}");
    assert_eq!(found["inputsDigest"], json!(status.inputs_digest));
    let name = status.reports.first().unwrap();
    let page = bench.shop::<CarbonReport>().get(name).await.unwrap();
    assert_eq!(found["pages"][0], serde_json::to_value(&page.spec).unwrap());
    let unknown = Request::get("/v1/reports/verify?policy=nobody");
    let unknown = unknown.body(Body::empty()).unwrap();
    let answer = tanso_operator::api::router(bench.ledger.clone())
        .oneshot(unknown)
        .await
        .unwrap();
    assert_eq!(answer.status(), 404);
}

/// Two intervals pass, and no object's resourceVersion moves.
async fn nothing_is_written_when_nothing_changed(bench: &Bench) {
    let versions = || async {
        let mut all = Vec::new();
        for policy in bench
            .shop::<CarbonPolicy>()
            .list(&ListParams::default())
            .await
            .unwrap()
        {
            all.push(policy.resource_version());
        }
        all.push(
            bench
                .all::<ClusterCarbonPolicy>()
                .get("everything")
                .await
                .unwrap()
                .resource_version(),
        );
        for page in bench
            .all::<CarbonReport>()
            .list(&ListParams::default())
            .await
            .unwrap()
        {
            all.push(page.resource_version());
        }
        all
    };
    // One more visit each, for names that came late.
    tokio::time::sleep(Duration::from_secs(11)).await;
    let before = versions().await;
    tokio::time::sleep(Duration::from_secs(22)).await;
    assert_eq!(versions().await, before);
}

async fn a_mended_table_ends_the_stall(bench: &Bench) {
    let hour = Timestamp::from_second(start()).unwrap();
    let text = format!("datetime_utc,gco2eq_per_kwh\n{hour},430\n");
    let table =
        read::<ConfigMap>(json!({"metadata": {"name": "grid"}, "data": {"intensity.csv": text}}));
    api::put(&bench.shop(), &table).await;
    let status = until(&bench.shop::<CarbonPolicy>(), "broken", |s| {
        is(s, "Stalled", "False")
    })
    .await;
    assert_eq!(status.verdict, Some(Verdict::NonCompliant), "{status:#?}");
}

/// Its policy looks again by itself once an hour only.
async fn an_edited_table_reaches_the_status_long_before_the_interval(bench: &Bench) {
    let hourly = json!({"spec": {"interval": "1h"}});
    let policies = bench.shop::<CarbonPolicy>();
    let asked = PatchParams::default();
    policies
        .patch("broken", &asked, &Patch::Merge(hourly))
        .await
        .unwrap();
    let generation = policies.get("broken").await.unwrap().metadata.generation;
    until(&policies, "broken", |s| s.observed_generation == generation).await;
    let hour = Timestamp::from_second(start()).unwrap();
    let text = format!("datetime_utc,gco2eq_per_kwh\n{hour},77\n");
    let table =
        read::<ConfigMap>(json!({"metadata": {"name": "grid"}, "data": {"intensity.csv": text}}));
    api::put(&bench.shop(), &table).await;
    let status = until(&policies, "broken", |s| {
        s.verdict == Some(Verdict::Compliant)
    })
    .await;
    assert!(status.answer.contains("77 gCO2eq/kWh"), "{}", status.answer);
}
