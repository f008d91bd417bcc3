//! Rolls out agents, books their energy and judges carbon policies.
//!
//! This file starts and stops the parts: HTTP at once, everything that writes
//! only while this process holds the lease.

pub mod api;
pub mod chore;
pub mod cluster;
pub mod collect;
pub mod controllers;
pub mod guard;
pub mod intensity;
pub mod ledger;
pub mod mcp;
pub mod metrics;
pub mod owners;
pub mod regulations;
pub mod settings;
pub mod web;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse as _;
use axum::routing::get;
use kube::Client;
use prometheus_client::registry::Registry;
use tanso_faces::view::Reviewer;
use tanso_runtime::serve::{self, Limits, ListenFault};
use tanso_runtime::{Health, Shutdown, heap};
use tokio::time::timeout;

use crate::chore::{Chore, ChoreFault};
use crate::cluster::lease::{Claim, Keeper};
use crate::cluster::silence;
use crate::cluster::{Applier, CARBON_POLICY_MANAGER, ENERGY_STUDY_MANAGER, Events, Pace};
use crate::collect::prometheus::{Source, StoreFault};
use crate::collect::{CollectMetrics, Collector, NodeBoard, TrustBoard};
use crate::controllers::carbon_policy::board::PolicyBoard;
use crate::controllers::power_monitor::build::Installation;
use crate::controllers::{carbon_policy, energy_study, power_monitor};
use crate::intensity::Feeds;
use crate::ledger::{Ledger, LedgerFault, backup, upkeep};
use crate::metrics::Metrics;
use crate::owners::Inventory;
use crate::settings::Settings;

/// Name of the lease.
const LEASE: &str = "tanso-operator";

/// How long running visits may take to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// Time between two times that freed memory is handed back.
const GIVE_BACK_EVERY: Duration = Duration::from_secs(10);

/// Parts whose state `/readyz` tells.
const PARTS: [&str; 3] = ["ledger", "lease", web::PART];

/// Why the operator ended.
#[derive(Debug, thiserror::Error)]
pub enum OperatorFault {
    /// Signals cannot be listened to.
    #[error("listening to signals: {0}")]
    Signals(#[source] io::Error),
    /// There is no cluster to talk to.
    #[error("finding the API server: {0}; run inside a cluster, or set KUBECONFIG")]
    Cluster(#[source] Box<kube::Error>),
    /// The address is taken.
    #[error(transparent)]
    Listen(#[from] ListenFault),
    /// Intensity services cannot be asked.
    #[error("preparing to ask intensity services: {0}")]
    Tls(#[from] rustls::Error),
    /// The store of counters cannot be asked.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// The ledger cannot be used.
    #[error(transparent)]
    Ledger(#[from] LedgerFault),
    /// A chore could not be done.
    #[error(transparent)]
    Chore(#[from] ChoreFault),
}

/// Everything that lives as long as the process.
struct Operator {
    settings: Settings,
    source: Option<Source>,
    client: Client,
    ledger: Ledger,
    feeds: Feeds,
    metrics: Metrics,
    collect_metrics: CollectMetrics,
    board: NodeBoard,
    trust: TrustBoard,
    policies: PolicyBoard,
    claim: Claim,
    /// Keeps what policies write below a ceiling, over all terms of office.
    pace: Pace,
    health: Health,
}

/// Does the chore that the settings name; without one, operates until a signal
/// ends it, and gives the lease back then.
///
/// # Errors
/// If a part cannot start, or the chore cannot be done.
pub async fn run(settings: Settings) -> Result<(), OperatorFault> {
    match settings.chore.clone() {
        Some(Chore::ApplyCrds) => Ok(chore::apply_crds(client().await?).await?),
        Some(Chore::Probe { url }) => Ok(chore::probe(url).await?),
        Some(Chore::RestoreLedger { from }) => {
            let revision = backup::restore(&from, &settings.ledger)?;
            tracing::info!(revision, "the backup is in place");
            Ok(())
        }
        None => Box::pin(operate(settings)).await,
    }
}

async fn operate(settings: Settings) -> Result<(), OperatorFault> {
    let shutdown = Shutdown::on_signals().map_err(OperatorFault::Signals)?;
    let client = client().await?;
    Box::pin(run_with(settings, client, shutdown)).await
}

/// Runs against the API server of `client` until the shutdown begins; the
/// lease is given back then. The client should not try again by itself: the
/// controllers do, by their own clock.
///
/// # Errors
/// If a part cannot start.
pub async fn run_with(
    settings: Settings,
    client: Client,
    shutdown: Shutdown,
) -> Result<(), OperatorFault> {
    let source = settings.source()?;
    let client = silence::bounded(client, settings.api_silence.0);
    let health = Health::new(&PARTS);
    let listener = serve::listen(settings.listen).await?;
    let ledger = Ledger::open(&settings.ledger)?;
    health.ready("ledger");
    let folder = settings.ledger.with_file_name("intensity");
    let metrics = Metrics::default();
    let operator = Operator {
        client,
        feeds: Feeds::try_new(&settings.intensity_endpoint, Some(folder))?,
        ledger,
        pace: Pace::new(settings.policy_writes_per_minute, metrics.clone()),
        metrics,
        collect_metrics: CollectMetrics::default(),
        board: NodeBoard::default(),
        trust: TrustBoard::default(),
        policies: PolicyBoard::default(),
        claim: Claim::none(),
        health,
        source,
        settings,
    };
    let server = serve::serve(
        listener,
        operator.router(&shutdown),
        Limits::default(),
        shutdown.clone(),
    );
    let server = tokio::spawn(server);
    let keeper = Keeper::new(
        operator.client.clone(),
        &operator.settings.namespace,
        LEASE,
        &operator.settings.identity,
        operator.settings.lease_duration.0,
    );
    // The lease is kept to the very end: parts that end may still write.
    let parts_ended = Shutdown::new();
    tokio::join!(keeper.keep(&operator.claim, &parts_ended), async {
        operator.lead(&shutdown).await;
        parts_ended.begin();
    });
    keeper.release(&operator.claim).await;
    if server.await.is_err() {
        tracing::warn!("the HTTP server ended early");
    }
    Ok(())
}

async fn client() -> Result<Client, OperatorFault> {
    let fault = |error| OperatorFault::Cluster(Box::new(error));
    let mut config = kube::Config::infer()
        .await
        .map_err(|error| fault(kube::Error::InferConfig(error)))?;
    // The controllers try again by their own clock, with status and metrics.
    config.default_retry = false;
    Client::try_from(config).map_err(fault)
}

impl Operator {
    fn router(&self, shutdown: &Shutdown) -> Router {
        let mut registry = Registry::default();
        self.metrics.register(&mut registry);
        self.collect_metrics.register(&mut registry);
        self.policies.register(&mut registry);
        let registry = Arc::new(registry);
        let text = move || {
            let text = metrics::text(&registry);
            async move {
                match text {
                    Ok(text) => (
                        [(
                            header::CONTENT_TYPE,
                            "application/openmetrics-text; version=1.0.0; charset=utf-8",
                        )],
                        text,
                    )
                        .into_response(),
                    Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
                }
            }
        };
        // One memory of the cluster for tools and pages.
        let reader = mcp::reader(
            &self.client,
            &self.settings.namespace,
            self.ledger.clone(),
            self.feeds.clone(),
        );
        // And one of who callers are, so that guesses are counted together.
        let reviewer = Reviewer::new(self.client.clone(), Vec::new());
        self.health
            .router()
            .route("/metrics", get(text))
            .merge(api::readers::guarded(
                api::router(self.ledger.clone()),
                self.settings.anonymous_readers,
                reviewer.clone(),
            ))
            .merge(mcp::router(mcp::Parts {
                reviewer: reviewer.clone(),
                namespace: self.settings.namespace.clone(),
                reader: reader.clone(),
                hosts: self.settings.mcp_host.clone(),
                per_second: mcp::PER_SECOND,
            }))
            .merge(web::router(web::Process {
                client: self.client.clone(),
                reviewer,
                namespace: self.settings.namespace.clone(),
                reader,
                board: self.board.clone(),
                health: self.health.clone(),
                shutdown: shutdown.clone(),
            }))
    }

    /// Runs the writing parts while the lease is held, again and again.
    async fn lead(&self, shutdown: &Shutdown) {
        while !shutdown.has_begun() {
            self.health.waiting("lease", "another process may hold it");
            self.metrics.lease_held(false);
            tokio::select! {
                () = shutdown.begun() => return,
                () = self.claim.acquired() => {}
            }
            self.health.ready("lease");
            self.metrics.lease_held(true);
            let term = Shutdown::new();
            let parts = self.parts(term.clone());
            tokio::pin!(parts);
            let runs = tokio::select! {
                () = &mut parts => false,
                () = self.claim.lost() => {
                    tracing::warn!("lost the lease; stopping");
                    true
                }
                () = shutdown.begun() => true,
            };
            term.begin();
            // What ended by itself must not be polled again.
            if !runs {
                tracing::error!("every controller ended; starting them again");
            } else if timeout(PATIENCE, parts).await.is_err() {
                tracing::warn!("a part did not end in time and was stopped");
            }
        }
    }

    /// All parts of one term of office.
    async fn parts(&self, term: Shutdown) {
        let settings = &self.settings;
        let client = &self.client;
        let (inventory, watch) = Inventory::new(client.clone(), &settings.namespace);
        let collector = Collector::new(
            self.ledger.clone(),
            self.board.clone(),
            self.collect_metrics.clone(),
        )
        .trusting(self.trust.clone(), settings.agent_token.clone());
        let policies = carbon_policy::Context {
            client: client.clone(),
            namespace: settings.namespace.clone(),
            ledger: self.ledger.clone(),
            inventory: inventory.clone(),
            board: self.board.clone(),
            feeds: self.feeds.clone(),
            applier: Applier::new(
                CARBON_POLICY_MANAGER,
                self.claim.clone(),
                self.metrics.clone(),
            )
            .paced(self.pace.clone()),
            events: Events::new(
                client.clone(),
                CARBON_POLICY_MANAGER,
                &settings.identity,
                self.claim.clone(),
            ),
            metrics: self.metrics.clone(),
            policies: self.policies.clone(),
        };
        let (nodes, node_ticks) = power_monitor::observe::nodes(client.clone());
        let monitors = power_monitor::Context::new(
            client.clone(),
            Installation {
                namespace: settings.namespace.clone(),
                agent_image: settings.agent_image.clone(),
                model_server_image: settings.model_server_image.clone(),
                pull_secrets: settings.image_pull_secret.clone(),
                pull_policy: settings.image_pull_policy,
            },
            &self.claim,
            self.metrics.clone(),
            Arc::new(self.board.clone()),
            nodes,
            &settings.identity,
        );
        let monitors = Arc::new(monitors.trusting(self.trust.clone()));
        tokio::join!(
            watch.run(self.ledger.clone(), term.clone()),
            collect_from(collector, self.source.clone(), inventory, term.clone()),
            upkeep::run(self.ledger.clone(), settings.backups(), term.clone()),
            carbon_policy::run(policies, term.clone()),
            power_monitor::run(monitors, node_ticks, term.clone()),
            give_back_memory(term.clone()),
            Box::pin(energy_study::run(self.studies(), term)),
        );
    }

    /// What the controller of studies works with in this term of office.
    fn studies(&self) -> energy_study::Context {
        let (client, claim) = (self.client.clone(), self.claim.clone());
        let identity = &self.settings.identity;
        energy_study::Context {
            ledger: self.ledger.clone(),
            applier: Applier::new(ENERGY_STUDY_MANAGER, claim.clone(), self.metrics.clone()),
            events: Events::new(
                client.clone(),
                ENERGY_STUDY_MANAGER,
                identity,
                claim.clone(),
            ),
            // A process that starts anew in its pod has the same name: the moment tells.
            runner: format!("{identity}/{}", jiff::Timestamp::now().as_millisecond()),
            metrics: self.metrics.clone(),
            places: Arc::default(),
            client,
            claim,
        }
    }
}

/// Hands back what answers of agents and evaluations took: small pieces of them
/// lie between what stays.
async fn give_back_memory(term: Shutdown) {
    loop {
        tokio::select! {
            () = term.begun() => return,
            () = tokio::time::sleep(GIVE_BACK_EVERY) => heap::give_back(),
        }
    }
}

/// Collects from the store that is named, or from the agents.
async fn collect_from(
    collector: Collector,
    source: Option<Source>,
    inventory: Inventory,
    term: Shutdown,
) {
    match source {
        Some(source) => collector.run_from(source, inventory, term).await,
        None => collector.run(inventory, term).await,
    }
}
