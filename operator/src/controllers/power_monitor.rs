//! `PowerMonitor`: agents on every chosen node, and a model server.
//!
//! Rights that this controller needs (config/rbac/operator.yaml):
//! - powermonitors: get, list, watch; powermonitors/status: patch
//! - nodes: list, watch (metadata)
//! - events.k8s.io events: create, patch
//! - clusterrolebindings: get, create, patch, delete;
//!   clusterroles "tanso-agent",
//!   "tanso-token-reviewer", "tanso-agent-samples": bind
//! - in its own namespace: serviceaccounts, configmaps, services, daemonsets,
//!   deployments: get, list, watch, create, patch, and of all but daemonsets
//!   delete; pods: list;
//!   secrets (certificates), persistentvolumeclaims, poddisruptionbudgets,
//!   networkpolicies, servicemonitors, cert-manager's certificates: get,
//!   create, patch, delete

pub mod apply;
pub mod build;
pub mod certificates;
pub mod facts;
pub mod observe;
pub mod overlap;
pub mod pods;
pub mod status;
pub mod validate;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::{Stream, StreamExt as _};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{ConfigMap, Service, ServiceAccount};
use kube::runtime::controller::{Action, Config, Controller};
use kube::runtime::watcher;
use kube::{Api, Client, Resource as _, ResourceExt as _};
use tanso_crds::condition::{reasons, types};
use tanso_crds::{PowerMonitor, PowerMonitorStatus};
use tanso_runtime::Shutdown;

use self::apply::{Hand, Rollout, RolloutFault};
use self::build::{Installation, MANAGED_BY, Plan, build};
use self::certificates::CertificateFault;
use self::facts::SharedFacts;
use self::observe::{Live, NodeStore, ObserveFault, Observed, Observer};
use self::overlap::{Claimant, Conflict, conflict, own_nodes};
use self::status::{Findings, Outcome, compute, first_visit};
use self::validate::{ValidatedPowerMonitor, validate};
use crate::cluster::apply::{Applier, ApplyFault};
use crate::cluster::fault::Class;
use crate::cluster::{
    BackOff, Claim, Conditions, Events, POWER_MONITOR_MANAGER, Readable, Unreadable, kept_by,
    readable, requested_at,
};
use crate::collect::{AgentTrust, TrustBoard};
use crate::guard::guarded;
use crate::metrics::Metrics;

/// The controller's name in metrics.
const CONTROLLER: &str = "power_monitor";

/// Time to the next visit when all is well: facts change by the minute.
const CALM: Duration = Duration::from_secs(30);

/// Time to the next visit when somebody has to act first.
const PATIENT: Duration = Duration::from_secs(15);

/// Pauses after a failure that may pass.
const BACK_OFF: BackOff = BackOff::new(Duration::from_secs(1), Duration::from_mins(2));

/// Conditions whose transitions are told as Events.
const TOLD: [&str; 3] = [types::READY, types::DATA_FRESH, types::CONFLICTED];

/// What the controller works with.
pub struct Context {
    client: Client,
    installation: Installation,
    observer: Observer,
    hand: Hand,
    events: Events,
    metrics: Metrics,
    facts: SharedFacts,
    trust: TrustBoard,
    /// Failures in a row by monitor.
    failures: Mutex<HashMap<String, u32>>,
}

impl Context {
    /// What the controller works with; `instance` names this process in Events.
    #[must_use]
    pub fn new(
        client: Client,
        installation: Installation,
        claim: &Claim,
        metrics: Metrics,
        facts: SharedFacts,
        nodes: NodeStore,
        instance: &str,
    ) -> Self {
        let trust = TrustBoard::default();
        let applier = Applier::new(POWER_MONITOR_MANAGER, claim.clone(), metrics.clone());
        Self {
            observer: Observer::new(client.clone(), &installation.namespace, nodes),
            hand: Hand::new(client.clone(), &installation.namespace, applier),
            events: Events::new(
                client.clone(),
                POWER_MONITOR_MANAGER,
                instance,
                claim.clone(),
            ),
            installation,
            client,
            metrics,
            facts,
            trust,
            failures: Mutex::default(),
        }
    }

    /// The same, telling on this board whom to trust for agents over TLS.
    #[must_use]
    pub fn trusting(mut self, board: TrustBoard) -> Self {
        self.trust = board;
        self
    }

    /// Forgets monitors that are gone.
    fn forget_others(&self, observed: &Observed) {
        let name = observed.monitor.name_any();
        let is_there =
            |other: &str| other == name || observed.others.iter().any(|one| one.name == other);
        self.trust.retain(is_there);
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.retain(|other, _| is_there(other));
    }

    /// Tells the collector whom to trust for the monitor's agents.
    fn trust(&self, plan: Plan<'_>) {
        let trust = plan.authority.map(|authority| AgentTrust {
            authority: authority.to_owned(),
            server_name: plan.host(&plan.names().agent),
        });
        self.trust.set(&plan.monitor.name, trust);
    }

    /// The same as far as it is known without a write: agents run on, and are
    /// asked, while their monitor is suspended or waits for something.
    fn trust_live(&self, observed: &Observed, valid: &ValidatedPowerMonitor) {
        let Some(owner) = observed.monitor.controller_owner_ref(&()) else {
            return;
        };
        let live = &observed.live;
        let plan = Plan {
            monitor: valid,
            installation: &self.installation,
            owner: &owner,
            authority: None,
            has_service_monitors: live.has_service_monitors,
            older: &[],
        };
        let (agent, server) = (live.agent_tls.as_ref(), live.model_tls.as_ref());
        if let Ok(Some(authority)) = certificates::authority(plan, agent, server) {
            self.trust(Plan {
                authority: Some(&authority),
                ..plan
            });
        }
    }
}

/// Runs the controller until the shutdown begins. `node_ticks` says when nodes
/// changed and fills their store; see [`observe::nodes`].
pub async fn run(
    context: Arc<Context>,
    node_ticks: impl Stream<Item = ()> + Send + 'static,
    shutdown: Shutdown,
) {
    let client = context.client.clone();
    let namespace = context.installation.namespace.clone();
    let ours = watcher::Config::default().labels(&format!("{}={}", MANAGED_BY.0, MANAGED_BY.1));
    let monitors: Api<Readable<PowerMonitor>> = Api::all(client.clone());
    Controller::new(monitors, watcher::Config::default())
        .with_config(
            Config::default()
                .concurrency(2)
                .debounce(Duration::from_millis(200)),
        )
        .owns(
            Api::<DaemonSet>::namespaced(client.clone(), &namespace),
            ours.clone(),
        )
        .owns(
            Api::<Deployment>::namespaced(client.clone(), &namespace),
            ours.clone(),
        )
        .owns(
            Api::<ConfigMap>::namespaced(client.clone(), &namespace),
            ours.clone(),
        )
        .owns(
            Api::<Service>::namespaced(client.clone(), &namespace),
            ours.clone(),
        )
        .owns(Api::<ServiceAccount>::namespaced(client, &namespace), ours)
        .reconcile_all_on(node_ticks)
        .graceful_shutdown_on(async move { shutdown.begun().await })
        .run(reconcile, |_, _, _| Action::requeue(PATIENT), context)
        .for_each(|visited| async {
            if let Err(error) = visited {
                // A monitor that vanished between queue and visit, for instance.
                tracing::debug!(%error, "a visit did not take place");
            }
        })
        .await;
}

async fn reconcile(
    monitor: Arc<Readable<PowerMonitor>>,
    context: Arc<Context>,
) -> Result<Action, std::convert::Infallible> {
    if let Err(unreadable) = &monitor.0 {
        return Ok(unread(&context, unreadable).await);
    }
    Ok(visit(&context, &monitor.name_any()).await)
}

/// Says that a monitor cannot be read; what runs for it goes on running.
async fn unread(context: &Context, unreadable: &Unreadable) -> Action {
    let begin = Instant::now();
    let applier = context.hand.applier();
    let told = readable::tell::<PowerMonitor>(&context.client, applier, unreadable).await;
    let name = unreadable.metadata.name.as_deref().unwrap_or_default();
    let (result, action) = match told {
        Ok(()) => ("terminal", Action::await_change()),
        Err(error) => {
            tracing::warn!(%error, "the status could not be written");
            ("transient", Action::requeue(context.pause(name)))
        }
    };
    context
        .metrics
        .reconciled(CONTROLLER, result, begin.elapsed());
    action
}

/// One visit: the five steps, and when to come again. Never asks why it was
/// called; the status is written after failure too.
#[tracing::instrument(skip(context))]
pub async fn visit(context: &Context, name: &str) -> Action {
    let begin = Instant::now();
    let (result, action) = match guarded(Box::pin(steps(context, name))).await {
        Ok(Ok(Done::Calm)) => {
            context.calm(name);
            ("ok", Action::requeue(CALM))
        }
        Ok(Ok(Done::Gone)) => {
            context.calm(name);
            ("absent", Action::await_change())
        }
        Ok(Ok(Done::Terminal)) => {
            context.calm(name);
            ("terminal", Action::requeue(PATIENT))
        }
        Ok(Ok(Done::Transient)) => ("transient", Action::requeue(context.pause(name))),
        Ok(Err(fault)) => {
            let pause = context.pause(name);
            tracing::warn!(error = %fault, ?pause, "the status could not be written");
            ("transient", Action::requeue(pause))
        }
        Err(panicked) => {
            let pause = context.pause(name);
            tracing::error!(error = %panicked, ?pause, "a visit panicked; the others go on");
            let message = panicked.to_string();
            let telling = tell(
                context,
                name,
                Class::Transient,
                reasons::INTERNAL_ERROR,
                &message,
            );
            if let Err(error) = guarded(Box::pin(telling)).await {
                tracing::error!(%error, "writing its status panicked too");
            }
            ("panic", Action::requeue(pause))
        }
    };
    context
        .metrics
        .reconciled(CONTROLLER, result, begin.elapsed());
    action
}

/// The nodes that a monitor's selector chooses.
#[derive(Default)]
struct Chosen {
    /// Those that it measures, by name.
    own: Vec<String>,
    /// Those that older monitors measure.
    conflict: Option<Conflict>,
    /// The monitors that are older and could choose some of them.
    older: Vec<Claimant>,
}

enum Done {
    Calm,
    Gone,
    Terminal,
    Transient,
}

async fn steps(context: &Context, name: &str) -> Result<Done, ApplyFault> {
    let mut observed = match Box::pin(context.observer.observe(name)).await {
        Ok(observed) => observed,
        Err(ObserveFault::Gone(_)) => return Ok(Done::Gone),
        Err(ObserveFault::Going(monitor)) => return going(context, &monitor).await,
        Err(fault) => return Box::pin(unobserved(context, name, &fault)).await,
    };
    context.forget_others(&observed);
    if observed.monitor.status.is_none() {
        let status = first_visit(observed.monitor.metadata.generation, Timestamp::now());
        if status::write(
            &context.client,
            context.hand.applier(),
            &observed.monitor,
            &status,
        )
        .await?
        {
            observed.monitor.status = Some(status);
        }
    }
    let valid = match validate(&observed.monitor) {
        Ok(valid) => valid,
        Err(faults) => {
            tracing::warn!(error = %faults, "the spec is not valid");
            conclude(
                context,
                &observed,
                None,
                Outcome::Invalid(&faults),
                &Chosen::default(),
            )
            .await?;
            return Ok(Done::Terminal);
        }
    };
    let me = Claimant {
        name: valid.name.clone(),
        created: observed.monitor.creation_timestamp(),
        node_selector: valid.node_selector.clone(),
    };
    let older = overlap::older(&me, &observed.others);
    let nodes = Chosen {
        own: own_nodes(&me, &older, &observed.nodes),
        conflict: conflict(&me, &older, &observed.nodes),
        older,
    };
    context.trust_live(&observed, &valid);
    if observed.monitor.spec.suspend {
        let running = Rollout {
            agent_set: observed.live.agent_set.clone(),
            model_deployment: observed.live.model_deployment.clone(),
            wrote: false,
        };
        conclude(
            context,
            &observed,
            Some(&valid),
            Outcome::Suspended(&running),
            &nodes,
        )
        .await?;
        return Ok(Done::Calm);
    }
    Box::pin(roll_out(context, &observed, &valid, &nodes)).await
}

/// Says of a monitor that is being deleted who keeps it, if anybody does.
async fn going(context: &Context, monitor: &PowerMonitor) -> Result<Done, ApplyFault> {
    let Some(who) = kept_by(monitor, None) else {
        return Ok(Done::Gone);
    };
    let mut after = monitor.status.clone().unwrap_or_default();
    after.observed_generation = monitor.metadata.generation;
    let message = format!("agents run until it is gone; {who}");
    let mut conditions = Conditions::new(
        &mut after.conditions,
        monitor.metadata.generation,
        Timestamp::now(),
    );
    conditions.set(types::READY, "False", reasons::TERMINATING, &message);
    conditions.set(types::RECONCILING, "True", reasons::TERMINATING, "");
    publish(context, monitor, &after).await?;
    Ok(Done::Gone)
}

/// Certificates first, then all objects, then the status.
async fn roll_out(
    context: &Context,
    observed: &Observed,
    valid: &ValidatedPowerMonitor,
    nodes: &Chosen,
) -> Result<Done, ApplyFault> {
    let Some(owner) = observed.monitor.controller_owner_ref(&()) else {
        // Whatever the API server answers has a name and a UID.
        return Ok(Done::Gone);
    };
    let plan = Plan {
        monitor: valid,
        installation: &context.installation,
        owner: &owner,
        authority: None,
        has_service_monitors: observed.live.has_service_monitors,
        older: &nodes.older,
    };
    let authority = match Box::pin(certify(context, plan, &observed.live)).await {
        Ok(authority) => authority,
        Err(Uncertified::Waits(fault)) => {
            return waits(context, observed, valid, &fault, nodes).await;
        }
        Err(Uncertified::Rollout(fault)) => {
            return failed(context, observed, valid, &fault, nodes).await;
        }
    };
    let plan = Plan {
        authority: authority.as_deref(),
        ..plan
    };
    let children = build(plan);
    context.trust(plan);
    match Box::pin(context.hand.roll_out(&observed.live, &children)).await {
        Ok(rollout) => {
            if valid.tls.is_none()
                && let Err(fault) = context.hand.forget_secrets(&observed.live).await
            {
                return failed(context, observed, valid, &fault, nodes).await;
            }
            conclude(
                context,
                observed,
                Some(valid),
                Outcome::RolledOut(&rollout),
                nodes,
            )
            .await?;
            Ok(Done::Calm)
        }
        Err(fault) => failed(context, observed, valid, &fault, nodes).await,
    }
}

/// Why there are no certificates.
enum Uncertified {
    /// Somebody has to do something first.
    Waits(CertificateFault),
    /// A write failed.
    Rollout(RolloutFault),
}

/// Sees to it that certificates are there where TLS is wished; returns the
/// authority's.
async fn certify(
    context: &Context,
    plan: Plan<'_>,
    live: &Live,
) -> Result<Option<String>, Uncertified> {
    let wish = certificates::wish(plan, live, Timestamp::now()).map_err(Uncertified::Waits)?;
    let [agent, server] = context
        .hand
        .certify(live, &wish)
        .await
        .map_err(Uncertified::Rollout)?;
    certificates::authority(plan, agent.as_ref(), server.as_ref()).map_err(Uncertified::Waits)
}

/// Says what is waited for; what runs goes on running as it is.
async fn waits(
    context: &Context,
    observed: &Observed,
    valid: &ValidatedPowerMonitor,
    fault: &CertificateFault,
    nodes: &Chosen,
) -> Result<Done, ApplyFault> {
    let message = fault.to_string();
    tracing::warn!(error = message, "certificates are not there yet");
    let outcome = Outcome::Failed {
        class: Class::Transient,
        reason: reasons::NOT_FOUND,
        message: &message,
    };
    conclude(context, observed, Some(valid), outcome, nodes).await?;
    // It comes without a change of the monitor.
    Ok(Done::Terminal)
}

/// Writes the status and tells its transitions.
async fn conclude(
    context: &Context,
    observed: &Observed,
    valid: Option<&ValidatedPowerMonitor>,
    outcome: Outcome<'_>,
    nodes: &Chosen,
) -> Result<(), ApplyFault> {
    let monitor = &observed.monitor;
    let before = monitor.status.as_ref();
    let now = Timestamp::now();
    let facts = context.facts.facts(now);
    let mut findings = Findings {
        generation: monitor.metadata.generation,
        before,
        chosen: &nodes.own,
        conflict: nodes.conflict.as_ref(),
        trouble: None,
        agents_on: None,
        facts: &facts,
        wants_model_server: valid.is_some_and(|valid| valid.model_server.is_some()),
        service_monitors: valid
            .and_then(|valid| valid.scrape.as_ref())
            .map(|_| observed.live.has_service_monitors),
        now,
    };
    let mut after = compute(&findings, outcome);
    let asks = [reasons::ROLLOUT_IN_PROGRESS, reasons::NODES_LEFT_OUT];
    let mut conditions = after.conditions.iter();
    if conditions.any(|c| asks.contains(&c.reason.as_str()))
        && let Ok(pods) = context.observer.pods(&monitor.name_any(), now).await
    {
        findings.trouble = pods.trouble();
        findings.agents_on = Some(&pods.agents_on);
        after = compute(&findings, outcome);
    }
    after.last_handled_reconcile_at = requested_at(monitor);
    publish(context, monitor, &after).await
}

/// Writes a status if it says something new, and tells its transitions.
async fn publish(
    context: &Context,
    monitor: &PowerMonitor,
    after: &PowerMonitorStatus,
) -> Result<(), ApplyFault> {
    let wrote = status::write(&context.client, context.hand.applier(), monitor, after).await;
    match wrote {
        // Deleted meanwhile: nobody is left to tell.
        Err(fault) if fault.class() == Class::Absent => return Ok(()),
        Err(fault) => return Err(fault),
        Ok(false) => return Ok(()),
        Ok(true) => {}
    }
    let before = monitor.status.as_ref();
    let before = before.map_or(&[][..], |status| &status.conditions);
    let regarding = monitor.object_ref(&());
    context
        .events
        .on_transitions(&regarding, &TOLD, before, &after.conditions)
        .await;
    Ok(())
}

async fn failed(
    context: &Context,
    observed: &Observed,
    valid: &ValidatedPowerMonitor,
    fault: &RolloutFault,
    nodes: &Chosen,
) -> Result<Done, ApplyFault> {
    let (class, reason) = match fault {
        RolloutFault::Foreign { .. } => (Class::Terminal, reasons::CONFLICTED),
        RolloutFault::Write(fault) => judge(fault),
    };
    let message = fault.to_string();
    tracing::warn!(error = message, ?class, "rolling out failed");
    let outcome = Outcome::Failed {
        class,
        reason,
        message: &message,
    };
    conclude(context, observed, Some(valid), outcome, nodes).await?;
    Ok(if class == Class::Terminal {
        Done::Terminal
    } else {
        Done::Transient
    })
}

/// Class and reason of a failed write or read.
fn judge(fault: &ApplyFault) -> (Class, &'static str) {
    match fault.class() {
        Class::Terminal if fault.is_forbidden() => (Class::Terminal, reasons::FORBIDDEN),
        Class::Terminal => (Class::Terminal, reasons::INVALID_SPEC),
        // The namespace, for instance: it may come.
        Class::Absent => (Class::Transient, reasons::NOT_FOUND),
        Class::Transient => (Class::Transient, reasons::UNAVAILABLE),
    }
}

/// Says that a read failed, if the monitor itself can be read.
async fn unobserved(
    context: &Context,
    name: &str,
    fault: &ObserveFault,
) -> Result<Done, ApplyFault> {
    let (class, reason) = match fault {
        ObserveFault::Read(fault) => judge(fault),
        ObserveFault::NoNodes | ObserveFault::Gone(_) | ObserveFault::Going(_) => {
            (Class::Transient, reasons::UNAVAILABLE)
        }
    };
    let message = fault.to_string();
    tracing::warn!(error = message, ?class, "observing failed");
    Box::pin(tell(context, name, class, reason, &message)).await
}

/// Says what failed, if the monitor itself can be read.
async fn tell(
    context: &Context,
    name: &str,
    class: Class,
    reason: &str,
    message: &str,
) -> Result<Done, ApplyFault> {
    let api: Api<PowerMonitor> = Api::all(context.client.clone());
    let Ok(Ok(Some(monitor))) = tokio::time::timeout(PATIENT, api.get_opt(name)).await else {
        return Ok(Done::Transient);
    };
    let observed = Observed {
        monitor,
        others: Vec::new(),
        nodes: Vec::new(),
        live: observe::Live::default(),
    };
    let outcome = Outcome::Failed {
        class,
        reason,
        message,
    };
    conclude(context, &observed, None, outcome, &Chosen::default()).await?;
    Ok(if class == Class::Terminal {
        Done::Terminal
    } else {
        Done::Transient
    })
}

impl Context {
    fn calm(&self, name: &str) {
        self.failures
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(name);
    }

    /// The pause after one more failure in a row.
    fn pause(&self, name: &str) -> Duration {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failures.entry(name.to_owned()).or_insert(0);
        *count = count.saturating_add(1);
        BACK_OFF.after(*count)
    }
}

#[cfg(test)]
mod tests;
