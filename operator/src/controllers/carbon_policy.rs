//! The controllers of `CarbonPolicy` and `ClusterCarbonPolicy`: one driver for
//! both, in the five steps.
//!
//! observe (rules, table, ledger) → validate → judge → apply (pages) → status,
//! which is written on every way out, and only if it says something new.
//!
//! Rights: carbonpolicies, clustercarbonpolicies: list, watch, and patch of
//! their status; carbonreports and reports of openreports.io: get, list,
//! patch, create, delete;
//! configmaps: get, in its own namespace list; secrets named
//! `tanso-intensity`: get; events: create, patch.

pub mod act;
pub mod apply;
pub mod board;
mod driver;
mod edits;
pub mod evidence;
#[cfg(test)]
mod fixture;
mod held;
pub mod judge;
mod kinds;
mod limits;
pub mod observe;
pub mod open_reports;
mod remembered;
mod savings;
pub mod status;
mod take_back;
mod taken;
pub mod validate;
pub mod words;

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use kube::runtime::Controller;
use kube::runtime::controller::{Action, Config};
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt as _};
use tanso_crds::condition::types;
use tanso_crds::{CarbonPolicy, ClusterCarbonPolicy};
use tanso_runtime::Shutdown;
use tokio::sync::Mutex;

use crate::cluster::{
    Applier, ApplyFault, BackOff, Class, Events, condition, readable, requested_at,
};
use crate::collect::NodeBoard;
use crate::guard::{Panicked, guarded};
use crate::intensity::Feeds;
use crate::ledger::{Ledger, LedgerFault};
use crate::metrics::Metrics;
use crate::owners::Inventory;

use board::PolicyBoard;
use held::{Brief, Held};
use kinds::Policy;
use observe::{NodeBook, RuleBook};

/// Policies that are evaluated at a time.
const AT_A_TIME: u16 = 8;

/// How long a policy waits at most that has no energy yet, or lacks something
/// that it names: a table that is made after the policy is found soon.
const WAITING: Duration = Duration::from_secs(30);

/// So many policies whose status stands are judged again in each second after
/// this process began: those that changed meanwhile need not wait for them.
const AGAIN_PER_SECOND: u32 = 50;

/// Waits after a failure.
const BACK_OFF: BackOff = BackOff::new(Duration::from_secs(1), Duration::from_mins(2));

/// Waits while a right is missing: granted, it shows within a minute.
const FORBIDDEN: BackOff = BackOff::new(Duration::from_secs(1), Duration::from_secs(30));

/// What the controllers work with.
#[derive(Clone)]
pub struct Context {
    /// The API server.
    pub client: Client,
    /// The operator's namespace.
    pub namespace: String,
    /// The ledger.
    pub ledger: Ledger,
    /// What runs in the cluster.
    pub inventory: Inventory,
    /// The agents.
    pub board: NodeBoard,
    /// Intensity services.
    pub feeds: Feeds,
    /// Writes in the name of [`crate::cluster::CARBON_POLICY_MANAGER`].
    pub applier: Applier,
    /// Publishes Events.
    pub events: Events,
    /// Counts reconciles.
    pub metrics: Metrics,
    /// Serves the statuses as metrics.
    pub policies: PolicyBoard,
}

/// What is remembered between visits.
struct Shared {
    context: Context,
    rules: RuleBook,
    nodes: NodeBook,
    visits: Mutex<HashMap<String, Visit>>,
    /// Policies whose inputs were edited since their last visit began, by UID.
    edited: Mutex<HashSet<String>>,
}

impl Shared {
    /// Forgets policies that are gone: one that has no finalizer is not visited
    /// once more when it goes.
    async fn forget_others(&self, there: &HashSet<String>) {
        self.visits
            .lock()
            .await
            .retain(|uid, _| there.contains(uid));
        self.edited.lock().await.retain(|uid| there.contains(uid));
    }
}

/// The last visit of a policy.
#[derive(Clone, Debug)]
struct Visit {
    generation: Option<i64>,
    requested_at: Option<String>,
    at: Instant,
    interval: Duration,
    failures: u32,
    /// Whether this process judged it, and did not only see that its status stands.
    is_judged: bool,
}

/// Why a visit failed.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileFault {
    /// The API server.
    #[error(transparent)]
    Api(#[from] ApplyFault),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerFault),
    /// The evaluation.
    #[error("evaluating: {0}")]
    Evaluation(String),
    /// A fault of this program.
    #[error(transparent)]
    Panicked(#[from] Panicked),
}

impl ReconcileFault {
    fn class(&self) -> Class {
        match self {
            Self::Api(fault) => fault.class(),
            Self::Ledger(_) | Self::Panicked(_) => Class::Transient,
            Self::Evaluation(_) => Class::Terminal,
        }
    }

    /// How long to wait before it is tried again.
    fn back_off(&self) -> BackOff {
        match self {
            Self::Api(fault) if fault.is_forbidden() => FORBIDDEN,
            _ => BACK_OFF,
        }
    }

    /// The result's name in metrics.
    fn label(&self) -> &'static str {
        match (self, self.class()) {
            (Self::Panicked(_), _) => "panic",
            (_, Class::Transient) => "transient",
            (_, Class::Terminal) => "terminal",
            (_, Class::Absent) => "absent",
        }
    }
}

/// Runs both controllers until the shutdown begins.
pub async fn run(context: Context, shutdown: Shutdown) {
    let shared = Arc::new(Shared {
        context,
        rules: RuleBook::default(),
        nodes: NodeBook::default(),
        visits: Mutex::default(),
        edited: Mutex::default(),
    });
    tokio::select! {
        () = shared.context.inventory.listed() => {}
        () = shutdown.begun() => return,
    }
    let namespaced = controller::<CarbonPolicy>(&shared);
    let cluster = controller::<ClusterCarbonPolicy>(&shared);
    let known = take_back::Known::new(namespaced.store(), cluster.store());
    let (of_namespaces, edited) = edits::Told::new(namespaced.store());
    let namespaced = namespaced.reconcile_all_on(edited);
    let (of_cluster, edited) = edits::Told::new(cluster.store());
    let cluster = cluster.reconcile_all_on(edited);
    let looking = edits::run(
        Arc::clone(&shared),
        of_namespaces,
        of_cluster,
        shutdown.clone(),
    );
    tokio::join!(
        // Boxed: a controller's future is large.
        Box::pin(control(namespaced, Arc::clone(&shared), shutdown.clone())),
        Box::pin(control(cluster, Arc::clone(&shared), shutdown.clone())),
        Box::pin(looking),
        Box::pin(take_back::run(shared, known, shutdown)),
    );
}

fn controller<P: Policy>(shared: &Shared) -> Controller<Held<P>> {
    let api: Api<Held<P>> = Api::all(shared.context.client.clone());
    let controller = Controller::new(api, watcher::Config::default());
    shared.context.policies.follow(controller.store());
    controller
}

async fn control<P: Policy>(
    controller: Controller<Held<P>>,
    shared: Arc<Shared>,
    shutdown: Shutdown,
) {
    controller
        .with_config(Config::default().concurrency(AT_A_TIME))
        .graceful_shutdown_on(async move { shutdown.begun().await })
        .run(reconcile::<P>, error_policy::<P>, shared)
        .for_each(|result| async move {
            if let Err(error) = result {
                tracing::debug!(%error, controller = P::CONTROLLER, "a reconcile ended with an error");
            }
        })
        .await;
}

async fn reconcile<P: Policy>(
    policy: Arc<Held<P>>,
    shared: Arc<Shared>,
) -> Result<Action, ReconcileFault> {
    match policy.bare() {
        Ok(bare) => visit(&policy, bare, &shared).await,
        Err(unreadable) => {
            let context = &shared.context;
            let begun = Instant::now();
            readable::tell::<P>(&context.client, &context.applier, unreadable).await?;
            let metrics = &context.metrics;
            metrics.reconciled(P::CONTROLLER, "terminal", begun.elapsed());
            Ok(Action::await_change())
        }
    }
}

/// Visits a policy if it is due; `policy` is what `held` has of it without its status.
async fn visit<P: Policy>(
    held: &Held<P>,
    policy: &P,
    shared: &Shared,
) -> Result<Action, ReconcileFault> {
    let uid = policy.uid().unwrap_or_default();
    if policy.meta().deletion_timestamp.is_some() {
        shared.visits.lock().await.remove(&uid);
        if let Some(whole) = held.whole() {
            driver::going(&whole, &shared.context).await?;
        }
        return Ok(Action::await_change());
    }
    let last = shared.visits.lock().await.get(&uid).cloned();
    // Before anything is read: an edit during the visit asks for another one.
    let was_edited = shared.edited.lock().await.remove(&uid);
    // Our own status write comes back as a change: wait for the rest of the interval.
    if let Some(last) = &last
        && !was_edited
        && last.failures == 0
        && last.generation == policy.meta().generation
        && last.requested_at == requested_at(policy)
        && last.at.elapsed() < last.interval
    {
        return Ok(Action::requeue(
            last.interval.saturating_sub(last.at.elapsed()),
        ));
    }
    if last.is_none() && !was_edited && stands(policy, held.brief()) {
        let wait = among(&uid, shared.context.policies.judged());
        let visit = Visit {
            generation: policy.meta().generation,
            requested_at: requested_at(policy),
            at: Instant::now(),
            interval: wait,
            failures: 0,
            is_judged: false,
        };
        shared.visits.lock().await.insert(uid, visit);
        return Ok(Action::requeue(wait));
    }
    let begun = Instant::now();
    let is_first = last.as_ref().is_none_or(|last| !last.is_judged);
    // What can be read without its status can be read with it.
    let whole = held.whole().unwrap_or_else(|| policy.clone());
    let visit = Box::pin(driver::visit(&whole, shared, is_first));
    let result = match guarded(visit).await {
        Ok(result) => result,
        Err(panicked) => {
            driver::tell_panic(&whole, &shared.context, &panicked).await;
            Err(ReconcileFault::Panicked(panicked))
        }
    };
    let (label, failures) = match &result {
        Ok(_) => ("ok", 0),
        Err(fault) => (
            fault.label(),
            last.as_ref()
                .map_or(0, |last| last.failures)
                .saturating_add(1),
        ),
    };
    shared
        .context
        .metrics
        .reconciled(P::CONTROLLER, label, begun.elapsed());
    let mut interval = interval(policy.policy().interval.as_str());
    if let Ok(driver::Found::Waiting) = result {
        interval = interval.min(WAITING);
    }
    let visit = Visit {
        generation: policy.meta().generation,
        requested_at: requested_at(policy),
        at: begun,
        interval,
        failures,
        is_judged: true,
    };
    shared.visits.lock().await.insert(uid, visit);
    result.map(|_| Action::requeue(interval.saturating_sub(begun.elapsed())))
}

/// Whether a status says all of a policy that can be said without judging it
/// again: it is of the spec and of the wish that stand now, and nothing failed.
fn stands<P: Policy>(policy: &P, said: Option<&Brief>) -> bool {
    said.is_some_and(|Brief { status, .. }| {
        let ready = condition(&status.conditions, types::READY);
        status.observed_generation == policy.meta().generation
            && status.last_handled_reconcile_at == requested_at(policy)
            && ready.is_some_and(|ready| ready.status == "True")
    })
}

/// When one of so many policies has its turn, by its UID.
fn among(uid: &str, count: usize) -> Duration {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    let all_ms = u64::from(count) * 1_000 / u64::from(AGAIN_PER_SECOND);
    Duration::from_millis(
        BuildHasherDefault::<DefaultHasher>::default().hash_one(uid) % all_ms.max(1),
    )
}

/// The policy's interval; its schema keeps it readable, and a broken one is
/// said by `validate`.
fn interval(text: &str) -> Duration {
    Duration::from_secs(validate::seconds(text).unwrap_or(300).max(10))
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature that the controller asks for"
)]
fn error_policy<P: Policy>(
    policy: Arc<Held<P>>,
    fault: &ReconcileFault,
    shared: Arc<Shared>,
) -> Action {
    if fault.class() == Class::Absent {
        return Action::await_change();
    }
    tracing::warn!(
        error = %fault,
        controller = P::CONTROLLER,
        namespace = policy.namespace().unwrap_or_default(),
        policy = policy.name_any(),
        "evaluating a policy failed; trying again"
    );
    let uid = policy.uid().unwrap_or_default();
    let failures = shared
        .visits
        .try_lock()
        .ok()
        .and_then(|v| v.get(&uid).map(|v| v.failures));
    Action::requeue(fault.back_off().after(failures.unwrap_or(3)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn policy(status: Option<&Value>) -> Held<CarbonPolicy> {
        serde_json::from_value(json!({
            "apiVersion": "tanso.dev/v1alpha1", "kind": "CarbonPolicy",
            "metadata": {"name": "korea", "namespace": "shop", "uid": "u1", "generation": 3,
                "annotations": {"reconcile.tanso.dev/requestedAt": "now"}},
            "spec": {"site": {"zone": "KR", "timeZone": "Asia/Seoul"}, "regulations": []},
            "status": status
        }))
        .unwrap()
    }

    /// An edit that was made while nobody looked waited for all policies that had
    /// not changed: 25 seconds with a thousand of them.
    #[test]
    fn only_a_status_that_says_all_may_wait_after_a_start() {
        let status = |generation: i64, wish: &str, ready: &str| {
            json!({"observedGeneration": generation, "lastHandledReconcileAt": wish,
                "conditions": [{"type": "Ready", "status": ready, "reason": "Evaluated", "message": "",
                    "lastTransitionTime": "2026-10-05T07:00:00Z"}]})
        };
        let stands = |held: Held<CarbonPolicy>| stands(held.known().unwrap(), held.brief());
        assert!(stands(policy(Some(&status(3, "now", "True")))));
        for other in [
            status(2, "now", "True"),
            status(3, "before", "True"),
            status(3, "now", "False"),
        ] {
            assert!(!stands(policy(Some(&other))), "{other}");
        }
        assert!(!stands(policy(None)));
    }

    /// Two minutes, where a right that is granted is to show within one.
    #[test]
    fn a_missing_right_is_tried_again_within_half_a_minute_and_all_else_within_two() {
        let refused = |code: u16, reason: &str| {
            let status = kube::core::Status::failure("no", reason).with_code(code);
            ReconcileFault::Api(ApplyFault::Api {
                verb: "get",
                kind: "ConfigMap".to_owned(),
                name: "grid".to_owned(),
                source: Box::new(kube::Error::Api(Box::new(status))),
            })
        };
        let forbidden = refused(403, "Forbidden").back_off();
        let away = refused(503, "ServiceUnavailable").back_off();
        for failures in 0..20 {
            assert!(forbidden.after(failures) < Duration::from_secs(30));
        }
        assert!(away.after(20) >= Duration::from_mins(1));
    }

    #[test]
    fn policies_whose_status_stands_have_their_turns_evenly_and_at_once_where_they_are_few() {
        let turns: Vec<Duration> = (0..1_000)
            .map(|number| among(&format!("uid-{number}"), 1_000))
            .collect();
        let within = |second: u64| {
            let begin = Duration::from_secs(second);
            let turns = turns.iter();
            turns
                .filter(|turn| **turn >= begin && **turn < begin + Duration::from_secs(1))
                .count()
        };
        let each: Vec<usize> = (0..20).map(within).collect();
        assert_eq!(each.iter().sum::<usize>(), 1_000);
        assert!(
            each.iter().all(|count| (20..100).contains(count)),
            "{each:?}"
        );
        assert!(among("u1", 3) <= Duration::from_millis(60));
        assert_eq!(among("u1", 0), Duration::ZERO);
    }
}
