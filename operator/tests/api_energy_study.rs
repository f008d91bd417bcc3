//! The controller of studies against a real API server, with the rights that the
//! installation gives the operator and no more: set up, changed and cleared up in
//! the name of an account of the study's namespace, measured by the ledger,
//! killed at any moment.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should end"
)]

#[path = "support/api.rs"]
mod api;

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ServiceAccount};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt as _};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tanso_agent_wire::energy::{Account, JournalId, Names, Record};
use tanso_carbon::study::{Plan, Trials, report};
use tanso_crds::EnergyStudy;
use tanso_crds::energy_study::TrialStep;
use tanso_operator::cluster::{Applier, Claim, ENERGY_STUDY_MANAGER, Events, condition};
use tanso_operator::controllers::energy_study::{Context, FINALIZER, driver};
use tanso_operator::ledger::{Ledger, Page, append, study};
use tanso_operator::metrics::Metrics;
use tanso_power::{Estimate, Joules, Provenance};

/// A minute's begin.
const START: i64 = 1_790_000_040;
/// No visit waits longer for a real server.
const PATIENCE: Duration = Duration::from_mins(1);

fn read<K: DeserializeOwned>(object: Value) -> K {
    serde_json::from_value(object).unwrap()
}

/// A namespace with an account for studies, a clock, and a node whose energy
/// follows from what runs.
struct Lab {
    namespace: String,
    admin: Client,
    operator: Client,
    ledger: Ledger,
    now: Timestamp,
    /// Begin of the next minute to book.
    minute: i64,
    sequence: u64,
    runners: u32,
    /// No agent tells anything.
    is_silent: bool,
    _folder: tempfile::TempDir,
}

impl Lab {
    /// In a namespace of its own; `bound`: its owner lets the operator use the account.
    async fn new(name: &str, bound: bool) -> Option<Self> {
        let admin = api::admin().await?;
        let folder = tempfile::tempdir().unwrap();
        let lab = Self {
            namespace: format!("study-{name}-{}", Timestamp::now().as_millisecond()),
            operator: api::with_token(operator_token(&admin).await).await,
            ledger: Ledger::open(&folder.path().join("ledger.db")).unwrap(),
            now: Timestamp::from_second(START + 7).unwrap(),
            minute: START,
            sequence: 0,
            runners: 0,
            is_silent: false,
            admin,
            _folder: folder,
        };
        let namespace = json!({"metadata": {"name": lab.namespace}});
        api::put(&Api::all(lab.admin.clone()), &read::<Namespace>(namespace)).await;
        lab.put::<ServiceAccount>(json!({"metadata": {"name": "tanso-study"}}))
            .await;
        let rules = json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "create", "patch", "delete"]}]);
        lab.put::<Role>(json!({"metadata": {"name": "arms"}, "rules": rules}))
            .await;
        lab.bind("arms", "Role", ("tanso-study", &lab.namespace))
            .await;
        if bound {
            let operator = ("tanso-operator", api::NAMESPACE);
            lab.bind("tanso-operator-studies", "ClusterRole", operator)
                .await;
        }
        lab.config_map("knob", "rest").await;
        Some(lab)
    }

    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
    {
        Api::namespaced(self.admin.clone(), &self.namespace)
    }

    async fn put<K>(&self, object: Value)
    where
        K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
        K: serde::Serialize + DeserializeOwned + Clone + std::fmt::Debug,
    {
        api::put(&self.api(), &read::<K>(object)).await;
    }

    async fn bind(&self, role: &str, kind: &str, (account, namespace): (&str, &str)) {
        let role_ref = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role});
        let subject = json!({"kind": "ServiceAccount", "name": account, "namespace": namespace});
        self.put::<RoleBinding>(
            json!({"metadata": {"name": role}, "roleRef": role_ref, "subjects": [subject]}),
        )
        .await;
    }

    async fn config_map(&self, name: &str, state: &str) {
        self.put::<ConfigMap>(json!({"metadata": {"name": name}, "data": {"state": state}}))
            .await;
    }

    async fn state(&self, name: &str) -> Option<String> {
        let found = self.api::<ConfigMap>().get_opt(name).await.unwrap()?;
        found.data?.get("state").cloned()
    }

    async fn create(&self, over: &Value) {
        let mut spec = spec();
        for (key, value) in over.as_object().unwrap() {
            spec[key] = value.clone();
        }
        let study = read(json!({"metadata": {"name": "s"}, "spec": spec}));
        self.api::<EnergyStudy>()
            .create(&PostParams::default(), &study)
            .await
            .unwrap();
    }

    async fn study(&self) -> EnergyStudy {
        self.api::<EnergyStudy>().get("s").await.unwrap()
    }

    async fn patch(&self, patch: Value) {
        let (params, patch) = (PatchParams::default(), Patch::Merge(patch));
        self.api::<EnergyStudy>()
            .patch("s", &params, &patch)
            .await
            .unwrap();
    }

    /// A process of the operator that has just started.
    fn process(&mut self) -> Context {
        self.runners += 1;
        let (metrics, claim) = (Metrics::default(), Claim::always());
        let client = self.operator.clone();
        Context {
            ledger: self.ledger.clone(),
            applier: Applier::new(ENERGY_STUDY_MANAGER, claim.clone(), metrics.clone()),
            events: Events::new(client.clone(), ENERGY_STUDY_MANAGER, "test", claim.clone()),
            runner: format!("test/{}", self.runners),
            places: Arc::default(),
            client,
            claim,
            metrics,
        }
    }

    /// Lets time pass, and books each minute that ended by what runs in it.
    async fn pass(&mut self, wait: Duration) {
        let trial = self.study().await.status.and_then(|status| status.trial);
        self.now += wait;
        let uj = trial.map_or(1_000, |trial| {
            // A placebo that differs from block to block, and not in the mean.
            let arm = match (trial.arm.as_str(), trial.block) {
                ("busy", block) => 50_000 + 100 * i64::from(block),
                ("again", 2) => -200,
                ("again", _) => 100,
                _ => 0,
            };
            u64::try_from(100_000 + 300 * i64::from(trial.block) + arm).unwrap()
        });
        while !self.is_silent && self.minute + 60 <= self.now.as_second() {
            let record = |account: Account, uj: u64| Record {
                sequence: 0,
                minute: self.minute,
                account,
                names: Names {
                    namespace: Some("shop".into()),
                    pod: Some("cart-1".into()),
                    ..Names::default()
                },
                energy_uj: Estimate::exact(Joules::from_microjoules(uj)),
                cpu_us: uj / 10,
                provenance: Provenance::Modelled,
                model: None,
                memory_peak_bytes: None,
                caught_up: false,
            };
            let pod = Account::Container {
                pod_uid: "pod-1".into(),
                container_id: "c".into(),
            };
            let mut records = vec![record(pod, uj), record(Account::Idle, 7_000)];
            for record in &mut records {
                self.sequence += 1;
                record.sequence = self.sequence;
            }
            self.minute += 60;
            let page = Page {
                node: "n1".into(),
                journal: JournalId(1),
                records,
                next_sequence: self.sequence,
                closed_until: self.minute,
            };
            let now = self.now;
            let book = move |ledger: &mut _| append::book(ledger, &page, now).map(drop);
            self.ledger.call(book).await.unwrap();
        }
    }

    /// Visits until there is nothing more to do or `is_enough`.
    async fn run(&mut self, context: &Context, is_enough: impl Fn(&EnergyStudy) -> bool) {
        let begun = Instant::now();
        loop {
            assert!(
                begun.elapsed() < 5 * PATIENCE,
                "{:?}",
                self.study().await.status
            );
            let visit = driver::visit(&self.namespace, "s", context, self.now);
            match visit.await.unwrap() {
                Some(wait) => self.pass(wait).await,
                None => return,
            }
            if is_enough(&self.study().await) {
                return;
            }
        }
    }

    /// The raw figures, and the report of them without its times.
    async fn found(&self) -> (Trials, Value) {
        let uid = self.study().await.uid().unwrap();
        let name = self.namespace.clone();
        let found = self.ledger.call(move |ledger| {
            let begun = study::newest(ledger, &name, "s")?;
            Ok((begun, study::figures(ledger, &uid)?))
        });
        let (begun, text) = found.await.unwrap();
        let plan = Plan::parse("plan", &begun.unwrap().plan).unwrap();
        let trials = Trials::parse("t.csv", &text).unwrap();
        let mut found = serde_json::to_value(report(&plan, &trials).unwrap()).unwrap();
        // The study's namespace is a name of this run.
        found["plan"]["environment"] = Value::Null;
        (trials, found)
    }
}

async fn operator_token(admin: &Client) -> String {
    let accounts: Api<ServiceAccount> = Api::namespaced(admin.clone(), api::NAMESPACE);
    let asked = read::<TokenRequest>(
        json!({"spec": {"audiences": [], "expirationSeconds": 3600}, "metadata": {}}),
    );
    let params = PostParams::default();
    let given = accounts.create_token_request("tanso-operator", &params, &asked);
    given.await.unwrap().status.unwrap().token
}

fn spec() -> Value {
    let map = |name: &str, state: &str| {
        format!(
            "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}}}, data: {{state: '{state}'}}}}\n"
        )
    };
    json!({
        "title": "T",
        "arms": [
            {"name": "calm"},
            {"name": "busy", "belongs": {"namespaces": ["shop"]},
             "setUp": {"manifests": map("load", "on") + "---\n" + &map("knob", "turned")},
             "clearUp": {"manifests": map("knob", "rest")},
             "changes": {"perTrial": 2, "source": {"manifests": map("stream", "${TRIAL}-${CHANGE}")}}},
            {"name": "again"},
        ],
        "components": [{"name": "shop", "namespaces": ["shop"]}],
        "comparisons": [{"arm": "busy", "against": "calm"}, {"arm": "again", "against": "calm", "known": "Placebo"}],
        "phases": {"warmUp": "10s", "measured": "1m", "coolDown": "5s"},
        "stopping": {"blocks": 3},
        "seed": 11,
        "retries": 1,
        "zone": "KR",
    })
}

#[tokio::test]
async fn a_study_runs_to_its_end_and_leaves_what_it_found() {
    let Some(mut lab) = Lab::new("whole", true).await else {
        return;
    };
    // A rest that is longer than the ledger keeps minutes.
    let phases = json!({"warmUp": "10s", "measured": "1m", "coolDown": "3h"});
    lab.create(&json!({"phases": phases})).await;
    let context = lab.process();
    let is_busy = |study: &EnergyStudy| {
        let trial = study
            .status
            .as_ref()
            .and_then(|status| status.trial.as_ref());
        trial.is_some_and(|trial| {
            trial.arm == "busy" && trial.step == TrialStep::Measuring && trial.changes == 2
        })
    };
    lab.run(&context, is_busy).await;
    let trial = lab.study().await.status.unwrap().trial.unwrap();
    assert_eq!(lab.state("load").await.as_deref(), Some("on"));
    assert_eq!(lab.state("knob").await.as_deref(), Some("turned"));
    lab.run(&context, |study| !is_busy(study)).await;
    lab.run(&context, |study| {
        study
            .status
            .as_ref()
            .is_some_and(|status| status.progress.done >= trial.trial)
    })
    .await;
    // What the study made is gone; what was there before is as it was.
    assert_eq!(
        (lab.state("load").await, lab.state("stream").await),
        (None, None)
    );
    assert_eq!(lab.state("knob").await.as_deref(), Some("rest"));

    lab.run(&context, |_| false).await;
    let study = lab.study().await;
    let status = study.status.clone().unwrap();
    assert!(is(&study, "Complete", "True"), "{status:?}");
    assert_eq!((status.progress.done, status.progress.planned), (9, 9));
    assert_eq!(status.progress.disturbed, 0, "{:?}", lab.found().await.0);
    assert_eq!((status.results.len(), status.results[0].blocks), (2, 3));
    assert_eq!(status.results[1].holds_what_is_known, Some(true));
    assert!(!status.answer.is_empty() && status.completed_at.is_some());
    let (trials, _) = lab.found().await;
    let busy = trials.measured().find(|row| row.arm == "busy").unwrap();
    let value = |name: &str| busy.values[name];
    assert!((value("shop_joules") - value("node_active_joules")).abs() < 1e-9);
    assert!((value("arm_joules") - value("shop_joules")).abs() < 1e-9);
    assert!((value("node_joules") - value("node_active_joules") - 0.007).abs() < 1e-9);
    assert!(value("shop_joules") > 0.15 && value("shop_cpu_seconds") > 0.0);
}

#[tokio::test]
async fn an_operator_killed_at_any_moment_loses_no_trial_and_doubles_none() {
    let Some(mut calm) = Lab::new("calm", true).await else {
        return;
    };
    calm.create(&json!({})).await;
    let context = calm.process();
    calm.run(&context, |_| false).await;

    let Some(mut lab) = Lab::new("killed", true).await else {
        return;
    };
    lab.create(&json!({})).await;
    let (mut context, mut kills, mut random) = (lab.process(), 0, 0x5eed_u64);
    let mut typical = Duration::from_millis(20);
    // A visit is dropped at any moment of the time that one takes: between any two
    // of its requests, and between a request and its answer.
    for _ in 0..400 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let share = u32::try_from(random % 200).unwrap();
        let begun = Instant::now();
        let visit = driver::visit(&lab.namespace, "s", &context, lab.now);
        let ended = tokio::time::timeout(typical * share / 100, visit).await;
        if let Ok(result) = ended {
            let Some(wait) = result.unwrap() else { break };
            typical = begun.elapsed().max(Duration::from_millis(2));
            lab.pass(wait).await;
        } else {
            kills += 1;
            context = lab.process();
        }
    }
    lab.run(&context, |_| false).await;
    assert!(is(&lab.study().await, "Complete", "True"));
    eprintln!("killed {kills} times");
    assert!(
        kills >= 20,
        "{kills} kills: the server is too fast for this test"
    );
    let ((whole, expected), (trials, found)) = (calm.found().await, lab.found().await);
    let of = |trials: &Trials| -> Vec<_> {
        let rows = trials.measured();
        rows.map(|row| {
            (
                row.order,
                row.arm.clone(),
                row.marks.clone(),
                row.values.clone(),
            )
        })
        .collect()
    };
    assert_eq!(of(&trials), of(&whole));
    assert_eq!(found["comparisons"], expected["comparisons"]);
    assert_eq!(found["answer"], expected["answer"]);
    assert_eq!(
        (lab.state("load").await, lab.state("stream").await),
        (None, None)
    );
    assert_eq!(lab.state("knob").await.as_deref(), Some("rest"));
}

#[tokio::test]
async fn without_its_owner_s_leave_a_study_writes_nothing_and_says_what_is_missing() {
    let Some(mut lab) = Lab::new("closed", false).await else {
        return;
    };
    lab.create(&json!({"stopping": {"blocks": 2}})).await;
    let context = lab.process();
    lab.run(&context, |study| is(study, "Stalled", "True"))
        .await;
    let status = lab.study().await.status.unwrap();
    let told = condition(&status.conditions, "Stalled").unwrap();
    assert_eq!(told.reason, "Forbidden");
    assert!(
        told.message.contains("tanso-operator-studies"),
        "{}",
        told.message
    );
    lab.run(&context, |_| false).await;
    let study = lab.study().await;
    assert!(is(&study, "Failed", "True"), "{:?}", study.status);
    let failed = condition(&study.status.as_ref().unwrap().conditions, "Failed").cloned();
    assert_eq!(failed.unwrap().reason, "RetriesExhausted");
    assert_eq!(lab.state("load").await, None);
}

#[tokio::test]
async fn a_study_that_is_never_measured_fails_after_its_retries() {
    let Some(mut lab) = Lab::new("silent", true).await else {
        return;
    };
    lab.is_silent = true;
    lab.create(&json!({})).await;
    let context = lab.process();
    lab.run(&context, |_| false).await;
    let study = lab.study().await;
    assert!(is(&study, "Failed", "True"), "{:?}", study.status);
    let status = study.status.unwrap();
    let failed = condition(&status.conditions, "Failed").unwrap();
    assert_eq!(failed.reason, "NoData");
    assert!(failed.message.contains("doctor"), "{}", failed.message);
    assert_eq!(status.progress.done, 0);
    assert_eq!(lab.state("load").await, None);
}

fn is(study: &EnergyStudy, type_: &str, status: &str) -> bool {
    let found = study.status.as_ref();
    let found = found.and_then(|status| condition(&status.conditions, type_));
    found.is_some_and(|found| found.status == status)
}

#[tokio::test]
async fn a_suspended_study_clears_up_and_goes_on_later_and_a_deleted_one_clears_up_too() {
    let Some(mut lab) = Lab::new("pause", true).await else {
        return;
    };
    lab.create(&json!({})).await;
    let context = lab.process();
    let runs_busy = |study: &EnergyStudy| {
        let trial = study
            .status
            .as_ref()
            .and_then(|status| status.trial.as_ref());
        trial.is_some_and(|trial| trial.arm == "busy" && trial.step == TrialStep::Measuring)
    };
    lab.run(&context, runs_busy).await;
    let number = lab.study().await.status.unwrap().trial.unwrap().trial;
    lab.patch(json!({"spec": {"suspend": true}})).await;
    lab.run(&context, |_| false).await;
    let study = lab.study().await;
    assert!(is(&study, "Suspended", "True"), "{:?}", study.status);
    assert_eq!(
        (lab.state("load").await, study.status.unwrap().trial),
        (None, None)
    );
    lab.patch(json!({"spec": {"suspend": false}})).await;
    lab.run(&context, runs_busy).await;
    assert_eq!(
        lab.study().await.status.unwrap().trial.unwrap().trial,
        number
    );
    assert_eq!(lab.state("load").await.as_deref(), Some("on"));

    assert!(
        lab.study()
            .await
            .finalizers()
            .iter()
            .any(|one| one == FINALIZER)
    );
    let params = DeleteParams::default();
    lab.api::<EnergyStudy>().delete("s", &params).await.unwrap();
    let begun = Instant::now();
    while lab
        .api::<EnergyStudy>()
        .get_opt("s")
        .await
        .unwrap()
        .is_some()
    {
        assert!(begun.elapsed() < PATIENCE, "{:?}", lab.study().await);
        driver::visit(&lab.namespace, "s", &context, lab.now)
            .await
            .unwrap();
    }
    assert_eq!(lab.state("load").await, None);
    assert_eq!(lab.state("knob").await.as_deref(), Some("rest"));
}
