//! The controller of `EnergyStudy`: runs a controlled experiment trial by trial.
//!
//! observe (`ConfigMaps`, ledger) → validate → a step of the trial (apply, wait,
//! clear up, read the ledger) → status. The engine that orders, stops and judges
//! is `carbon::study`, the command line's own.
//!
//! Rights: energystudies: get, list, watch, patch (its finalizer), and patch of
//! their status; configmaps: get; events: create, patch. Over the arms' objects it
//! has none: see [`hand`].

pub mod driver;
pub mod figures;
pub mod hand;
pub mod manifests;
pub mod status;
pub mod validate;

use std::collections::HashMap;
use std::sync::{Arc, Mutex as StdMutex};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use jiff::Timestamp;
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::Controller;
use kube::runtime::controller::{Action, Config};
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt as _};
use tanso_crds::EnergyStudy;
use tanso_runtime::Shutdown;
use tokio::sync::Mutex;

use crate::cluster::{Applier, ApplyFault, Claim, Events, requested_at};
use crate::ledger::{Ledger, LedgerFault};
use crate::metrics::Metrics;

/// Keeps a study until its trial is cleared up.
pub const FINALIZER: &str = "tanso.dev/study";

/// The controller's name in metrics.
const CONTROLLER: &str = "energy_study";

/// Studies that are visited at a time.
const AT_A_TIME: u16 = 4;

/// The wait after a failure of API server or ledger.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// What the controller works with.
#[derive(Clone)]
pub struct Context {
    /// The API server.
    pub client: Client,
    /// The ledger.
    pub ledger: Ledger,
    /// Writes in the name of [`crate::cluster::ENERGY_STUDY_MANAGER`].
    pub applier: Applier,
    /// Publishes Events.
    pub events: Events,
    /// Whether this process may write.
    pub claim: Claim,
    /// Counts reconciles.
    pub metrics: Metrics,
    /// This process in this term of office: another one's trials are not its own.
    pub runner: String,
    /// Where kinds of arms' objects are found.
    pub places: Arc<StdMutex<HashMap<GroupVersionKind, (ApiResource, bool)>>>,
}

/// Why a visit failed.
#[derive(Debug, thiserror::Error)]
pub enum StudyFault {
    /// The API server.
    #[error(transparent)]
    Api(#[from] ApplyFault),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerFault),
    /// An object of an arm.
    #[error(transparent)]
    Hand(#[from] hand::HandFault),
    /// The figures.
    #[error("evaluating: {0}")]
    Evaluation(String),
}

/// When a study is due again, unless it changes.
#[derive(Clone, Debug)]
struct Due {
    generation: Option<i64>,
    requested_at: Option<String>,
    is_going: bool,
    at: Instant,
}

struct Shared {
    context: Context,
    due: Mutex<HashMap<String, Due>>,
}

/// Runs the controller until the shutdown begins.
pub async fn run(context: Context, shutdown: Shutdown) {
    let api: Api<EnergyStudy> = Api::all(context.client.clone());
    let shared = Arc::new(Shared {
        context,
        due: Mutex::default(),
    });
    Controller::new(api, watcher::Config::default())
        .with_config(Config::default().concurrency(AT_A_TIME))
        .graceful_shutdown_on(async move { shutdown.begun().await })
        .run(reconcile, error_policy, shared)
        .for_each(|result| async move {
            if let Err(error) = result {
                tracing::debug!(%error, controller = CONTROLLER, "a reconcile ended with an error");
            }
        })
        .await;
}

async fn reconcile(study: Arc<EnergyStudy>, shared: Arc<Shared>) -> Result<Action, StudyFault> {
    let uid = study.uid().unwrap_or_default();
    let now = |at| Due {
        generation: study.metadata.generation,
        requested_at: requested_at(&*study),
        is_going: study.metadata.deletion_timestamp.is_some(),
        at,
    };
    // Our own status write comes back as a change: wait for what is due.
    if let Some(due) = shared.due.lock().await.get(&uid) {
        let same = now(due.at);
        let is_same = (&same.generation, &same.requested_at, same.is_going)
            == (&due.generation, &due.requested_at, due.is_going);
        let rest = due.at.saturating_duration_since(Instant::now());
        if is_same && !rest.is_zero() {
            return Ok(Action::requeue(rest));
        }
    }
    let (namespace, name) = (study.namespace().unwrap_or_default(), study.name_any());
    let begun = Instant::now();
    let result = Box::pin(driver::visit(
        &namespace,
        &name,
        &shared.context,
        Timestamp::now(),
    ))
    .await;
    let label = if result.is_ok() { "ok" } else { "transient" };
    shared
        .context
        .metrics
        .reconciled(CONTROLLER, label, begun.elapsed());
    let wait = match &result {
        Ok(wait) => *wait,
        Err(_) => Some(AFTER_FAILURE),
    };
    match wait {
        Some(wait) => {
            let due = now(Instant::now() + wait);
            shared.due.lock().await.insert(uid, due);
        }
        None => {
            shared.due.lock().await.remove(&uid);
        }
    }
    result.map(|wait| wait.map_or_else(Action::await_change, Action::requeue))
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature that the controller asks for"
)]
fn error_policy(study: Arc<EnergyStudy>, fault: &StudyFault, _: Arc<Shared>) -> Action {
    tracing::warn!(
        error = %fault,
        controller = CONTROLLER,
        namespace = study.namespace().unwrap_or_default(),
        study = study.name_any(),
        "visiting a study failed; trying again"
    );
    Action::requeue(AFTER_FAILURE)
}
