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
use kube::{Api, Client, Resource as _, ResourceExt as _};
use tanso_crds::EnergyStudy;
use tanso_runtime::Shutdown;
use tokio::sync::Mutex;

use crate::cluster::{Applier, ApplyFault, Claim, Events, Readable, readable, requested_at};
use crate::guard::{Panicked, guarded};
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
    /// A fault of this program.
    #[error(transparent)]
    Panicked(#[from] Panicked),
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
    let api: Api<Readable<EnergyStudy>> = Api::all(context.client.clone());
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

async fn reconcile(
    study: Arc<Readable<EnergyStudy>>,
    shared: Arc<Shared>,
) -> Result<Action, StudyFault> {
    if let Err(unreadable) = &study.0 {
        let (context, begun) = (&shared.context, Instant::now());
        readable::tell::<EnergyStudy>(&context.client, &context.applier, unreadable).await?;
        let metrics = &context.metrics;
        metrics.reconciled(CONTROLLER, "terminal", begun.elapsed());
        return Ok(Action::await_change());
    }
    let uid = study.uid().unwrap_or_default();
    let now = |at| Due {
        generation: study.meta().generation,
        requested_at: requested_at(&*study),
        is_going: study.meta().deletion_timestamp.is_some(),
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
    let context = &shared.context;
    let visit = Box::pin(driver::visit(&namespace, &name, context, Timestamp::now()));
    let result = match guarded(visit).await {
        Ok(result) => result,
        Err(panicked) => {
            tracing::error!(namespace, study = name, error = %panicked, "a visit panicked; the others go on");
            let telling = driver::tell_panic(&namespace, &name, context, &panicked);
            if let Err(error) = guarded(Box::pin(telling)).await {
                tracing::error!(namespace, study = name, %error, "writing its status panicked too");
            }
            Err(StudyFault::Panicked(panicked))
        }
    };
    let label = match &result {
        Ok(_) => "ok",
        Err(StudyFault::Panicked(_)) => "panic",
        Err(_) => "transient",
    };
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
fn error_policy(study: Arc<Readable<EnergyStudy>>, fault: &StudyFault, _: Arc<Shared>) -> Action {
    tracing::warn!(
        error = %fault,
        controller = CONTROLLER,
        namespace = study.namespace().unwrap_or_default(),
        study = study.name_any(),
        "visiting a study failed; trying again"
    );
    Action::requeue(AFTER_FAILURE)
}
