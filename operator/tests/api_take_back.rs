//! What a policy changed of a `CronJob` is taken back on a real API server:
//! when the policy goes while nobody is there, when it only suggests, when the
//! `CronJob` no longer asks; and where a right is missing it is said what stays.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should end"
)]

#[path = "support/api.rs"]
mod api;

use std::time::{Duration, Instant};

use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::core::v1::{Event, Namespace};
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt as _};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tanso_crds::CarbonPolicy;
use tanso_operator::cluster::{Applier, CARBON_POLICY_MANAGER, Claim, Events};
use tanso_operator::collect::NodeBoard;
use tanso_operator::controllers::carbon_policy::act::{APPLIED_BY, OPT_IN, Wish, carry_out};
use tanso_operator::controllers::carbon_policy::board::PolicyBoard;
use tanso_operator::controllers::carbon_policy::{self, Context};
use tanso_operator::intensity::Feeds;
use tanso_operator::ledger::Ledger;
use tanso_operator::metrics::Metrics;
use tanso_operator::owners::Inventory;
use tanso_runtime::Shutdown;

/// Where the operator may act, and where it may not.
const OPEN: &str = "take-back-open";
const CLOSED: &str = "take-back-closed";

const PATIENCE: Duration = Duration::from_mins(3);

fn read<K: DeserializeOwned>(object: Value) -> K {
    serde_json::from_value(object).unwrap()
}

struct Lab {
    admin: Client,
    operator: Client,
    applier: Applier,
    shutdown: Shutdown,
    folder: tempfile::TempDir,
}

impl Lab {
    async fn new() -> Option<Self> {
        let admin = api::admin().await?;
        let lab = Self {
            admin,
            operator: api::as_operator().await?,
            applier: Applier::new(CARBON_POLICY_MANAGER, Claim::always(), Metrics::default()),
            shutdown: Shutdown::new(),
            folder: tempfile::tempdir().unwrap(),
        };
        for namespace in [OPEN, CLOSED] {
            let object = json!({"metadata": {"name": namespace}});
            api::put(&Api::all(lab.admin.clone()), &read::<Namespace>(object)).await;
        }
        let bindings: Api<RoleBinding> = Api::namespaced(lab.admin.clone(), CLOSED);
        let _ = bindings
            .delete("tanso-actions", &DeleteParams::default())
            .await;
        lab.bind(OPEN).await;
        Some(lab)
    }

    async fn bind(&self, namespace: &str) {
        let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "tanso-operator-actions"});
        let subject = json!({"kind": "ServiceAccount", "name": "tanso-operator", "namespace": api::NAMESPACE});
        let binding =
            json!({"metadata": {"name": "tanso-actions"}, "roleRef": role, "subjects": [subject]});
        let bindings = Api::namespaced(self.admin.clone(), namespace);
        api::put(&bindings, &read::<RoleBinding>(binding)).await;
    }

    fn cron_jobs(&self, namespace: &str) -> Api<CronJob> {
        Api::namespaced(self.admin.clone(), namespace)
    }

    fn policies(&self) -> Api<CarbonPolicy> {
        Api::namespaced(self.admin.clone(), OPEN)
    }

    /// A policy that may act; returns its UID.
    async fn policy(&self, name: &str) -> String {
        let spec = json!({"site": {"zone": "KR"}, "actions": {"mode": "Apply"},
            "regulations": [{"rule": "kr-carbon-2050"}]});
        let policy = read::<CarbonPolicy>(json!({"metadata": {"name": name}, "spec": spec}));
        api::put(&self.policies(), &policy).await;
        self.policies().get(name).await.unwrap().uid().unwrap()
    }

    /// A policy that suspends at any intensity; returns its UID.
    async fn holding_policy(&self, name: &str) -> String {
        let actions = json!({"mode": "Apply", "suspendAboveGramsPerKwh": 1});
        let spec = json!({"site": {"zone": "KR"}, "actions": actions,
            "regulations": [{"rule": "kr-carbon-2050"}]});
        let policy = read::<CarbonPolicy>(json!({"metadata": {"name": name}, "spec": spec}));
        api::put(&self.policies(), &policy).await;
        self.policies().get(name).await.unwrap().uid().unwrap()
    }

    /// Whether a `CronJob` is suspended in the name of a policy.
    async fn is_held(&self, name: &str, policy: &str) -> bool {
        let found = self.cron_jobs(OPEN).get(name).await.unwrap();
        let is_of = found.labels().get(APPLIED_BY).map(String::as_str) == Some(policy);
        let is_suspended = found.spec.unwrap().suspend == Some(true);
        is_of && is_suspended
    }

    /// A `CronJob` that asks for it.
    async fn cron_job(&self, namespace: &str, name: &str) {
        let _ = self
            .cron_jobs(namespace)
            .delete(name, &DeleteParams::default())
            .await;
        self.until(&format!("{name} is gone"), || async {
            self.cron_jobs(namespace)
                .get_opt(name)
                .await
                .unwrap()
                .is_none()
        })
        .await;
        let template = json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}});
        let cron_job = json!({"metadata": {"name": name, "labels": {OPT_IN.0: OPT_IN.1}}, "spec": {
            "schedule": "0 18 * * *", "jobTemplate": {"spec": {"template": template}}}});
        api::put(&self.cron_jobs(namespace), &read::<CronJob>(cron_job)).await;
    }

    /// Moves it in the name of a policy, as a visit does.
    async fn moved(&self, client: &Client, namespace: &str, name: &str, policy: &str) {
        let wish = Wish {
            policy: policy.to_owned(),
            may_apply: true,
            rewrite: Some(("0 11 * * *".into(), "Asia/Seoul".into())),
            hold: false,
        };
        // The authorizer learns of a binding a moment later.
        self.until(&format!("{name} is moved"), || async {
            let done = carry_out(&self.applier, client, namespace, name, &wish).await;
            done.is_ok()
        })
        .await;
        assert!(self.is_moved(namespace, name).await);
    }

    async fn is_moved(&self, namespace: &str, name: &str) -> bool {
        let found = self.cron_jobs(namespace).get(name).await.unwrap();
        let is_marked = found.labels().contains_key(APPLIED_BY);
        let schedule = found.spec.unwrap().schedule;
        assert_eq!(schedule == "0 11 * * *", is_marked, "half taken back");
        is_marked
    }

    async fn until<F: Future<Output = bool>>(&self, what: &str, is_so: impl Fn() -> F) {
        let begun = Instant::now();
        while !is_so().await {
            assert!(begun.elapsed() < PATIENCE, "it never came so that {what}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Starts the operator's part.
    fn start(&self) {
        let ledger = Ledger::open(&self.folder.path().join("ledger.db")).unwrap();
        let (inventory, watch) = Inventory::new(self.operator.clone(), api::NAMESPACE);
        let metrics = Metrics::default();
        let claim = Claim::always();
        let events = Events::new(self.operator.clone(), CARBON_POLICY_MANAGER, "test", claim);
        let context = Context {
            client: self.operator.clone(),
            namespace: api::NAMESPACE.to_owned(),
            ledger: ledger.clone(),
            inventory,
            board: NodeBoard::default(),
            feeds: Feeds::try_new(&[], None).unwrap(),
            applier: self.applier.clone(),
            events,
            metrics,
            policies: PolicyBoard::default(),
        };
        tokio::spawn(watch.run(ledger, self.shutdown.clone()));
        tokio::spawn(carbon_policy::run(context, self.shutdown.clone()));
    }

    /// The notes of a `CronJob`'s Events with a reason.
    async fn said(&self, namespace: &str, name: &str, reason: &str) -> Vec<String> {
        let events: Api<Event> = Api::namespaced(self.admin.clone(), namespace);
        let all = events.list(&ListParams::default()).await.unwrap();
        all.into_iter()
            .filter(|event| event.involved_object.name.as_deref() == Some(name))
            .filter(|event| event.reason.as_deref() == Some(reason))
            .filter_map(|event| event.message)
            .collect()
    }
}

/// It stayed suspended for as long as its policy was broken or suspended: no
/// visit came to the point where it is resumed.
async fn what_is_held_is_let_go_when_its_policy_is_not_evaluated(lab: &Lab) {
    let params = PatchParams::default();
    let broken = json!({"spec": {"regulations": [{"rule": "no-such-rule"}]}});
    for (name, change) in [
        ("breaks", broken),
        ("rests", json!({"spec": {"suspend": true}})),
    ] {
        lab.cron_job(OPEN, name).await;
        let policy = lab.holding_policy(name).await;
        lab.until(&format!("{name} is suspended"), || {
            lab.is_held(name, &policy)
        })
        .await;
        let policies = lab.policies();
        policies
            .patch(name, &params, &Patch::Merge(change))
            .await
            .unwrap();
        lab.until(&format!("{name} is resumed"), || async {
            !lab.is_held(name, &policy).await
        })
        .await;
        let found = lab.cron_jobs(OPEN).get(name).await.unwrap();
        assert_eq!(found.spec.unwrap().suspend, Some(false));
        let _ = policies.delete(name, &DeleteParams::default()).await;
        let _ = lab
            .cron_jobs(OPEN)
            .delete(name, &DeleteParams::default())
            .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_goes_takes_its_changes_back_also_while_nobody_was_there() {
    let Some(lab) = Lab::new().await else {
        return;
    };
    for name in ["left", "suggests", "unasked", "stays"] {
        lab.cron_job(OPEN, name).await;
    }
    lab.cron_job(CLOSED, "forbidden").await;
    let (gone, kept) = (lab.policy("gone").await, lab.policy("kept").await);
    let turned = lab.policy("turned").await;
    lab.moved(&lab.operator, OPEN, "left", &gone).await;
    lab.moved(&lab.operator, OPEN, "suggests", &turned).await;
    lab.moved(&lab.operator, OPEN, "unasked", &kept).await;
    lab.moved(&lab.operator, OPEN, "stays", &kept).await;
    lab.moved(&lab.admin, CLOSED, "forbidden", &gone).await;

    // Nobody operates: the deletion waits for nobody.
    let deleted = lab
        .policies()
        .delete("gone", &DeleteParams::default())
        .await;
    assert!(deleted.unwrap().is_right(), "something holds it up");
    assert!(lab.policies().get_opt("gone").await.unwrap().is_none());
    assert!(lab.is_moved(OPEN, "left").await);

    lab.start();
    lab.until(
        "the change of the policy that is gone is taken back",
        || async { !lab.is_moved(OPEN, "left").await },
    )
    .await;
    lab.until("an Event tells it", || async {
        let said = lab.said(OPEN, "left", "Reverted").await;
        said.iter().any(|note| note.contains("its policy is gone"))
    })
    .await;

    // Where a right is missing, what stays is said, and nothing else waits.
    lab.until("an Event tells what stays", || async {
        let said = lab.said(CLOSED, "forbidden", "ActionForbidden").await;
        said.iter()
            .any(|note| note.contains("stays") && note.contains("tanso-operator-actions"))
    })
    .await;
    assert!(lab.is_moved(CLOSED, "forbidden").await);

    assert!(lab.is_moved(OPEN, "suggests").await);
    let suggest = json!({"spec": {"actions": {"mode": "Suggest"}}});
    let params = PatchParams::default();
    let policies = lab.policies();
    policies
        .patch("turned", &params, &Patch::Merge(suggest))
        .await
        .unwrap();
    let unlabel = json!({"metadata": {"labels": {OPT_IN.0: null}}});
    lab.cron_jobs(OPEN)
        .patch("unasked", &params, &Patch::Merge(unlabel))
        .await
        .unwrap();
    for name in ["suggests", "unasked"] {
        lab.until(&format!("{name} is as it was"), || async {
            !lab.is_moved(OPEN, name).await
        })
        .await;
    }

    // Once it may, it does what it could not.
    lab.bind(CLOSED).await;
    lab.until("what was forbidden is taken back", || async {
        !lab.is_moved(CLOSED, "forbidden").await
    })
    .await;
    // A policy that acts keeps its changes all the while.
    assert!(lab.is_moved(OPEN, "stays").await);
    what_is_held_is_let_go_when_its_policy_is_not_evaluated(&lab).await;
    lab.shutdown.begin();
    for name in ["kept", "turned"] {
        let _ = lab.policies().delete(name, &DeleteParams::default()).await;
    }
}
