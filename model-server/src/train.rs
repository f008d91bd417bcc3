//! Training in service: samples from the store become models in service.
//!
//! One job runs at a time, type by type; each promotion is one transaction,
//! so that a crash loses nothing that was promoted. A second loop watches for
//! drift. Nothing here is HTTP.

mod document;
pub mod in_service;
mod one_type;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Transaction;
use serde_json::Value;
use tanso_runtime::Shutdown;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

pub(crate) use document::at_level;
pub use in_service::{InService, Served};
pub use one_type::{Outcome, TrainFault};

use crate::select::Selector;
use crate::store::jobs::{self, Job, State};
use crate::store::{Store, StoreFault, samples, types};

/// Jobs that may wait.
const QUEUE: usize = 16;

/// By how much training steps back for answers.
const NICENESS: i32 = 10;

/// How often old samples are dropped.
const EXPIRE_EVERY: Duration = Duration::from_mins(10);

/// When and on what to train.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How often types with new samples are trained.
    pub train_every: Duration,
    /// How often types with new samples are watched for drift.
    pub watch_every: Duration,
    /// How long samples are kept.
    pub keep_samples: Duration,
    /// How many samples are kept at most.
    pub samples_max: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            train_every: Duration::from_mins(15),
            watch_every: Duration::from_secs(30),
            keep_samples: Duration::from_hours(14 * 24),
            samples_max: 2_000_000,
        }
    }
}

/// What trains; clones share it.
#[derive(Clone, Debug)]
pub struct Trainer {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    selector: Arc<Selector>,
    in_service: Arc<InService>,
    queue: mpsc::Sender<u64>,
    progress: Mutex<Option<(u64, f64)>>,
    /// Types with samples since they were last watched, and last trained.
    unwatched: Mutex<BTreeSet<String>>,
    untrained: Mutex<BTreeSet<String>>,
}

/// Why a training is not taken.
#[derive(Debug, thiserror::Error)]
pub enum AskFault {
    /// Too many wait.
    #[error("{QUEUE} trainings wait already; ask again when one has ended")]
    Busy,
    /// No such node type.
    #[error("no samples of node type \"{0}\" were ever sent")]
    Unknown(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

/// Seconds of Unix time, now.
#[must_use]
pub fn now_s() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// What serves, and how many types drift.
type Standing = (HashMap<String, Arc<Served>>, u64);

fn state(transaction: &Transaction<'_>) -> Result<Standing, StoreFault> {
    Ok((
        in_service::load(transaction)?,
        types::drifting(transaction)?,
    ))
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Each step under these locks is whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Trainer {
    /// Loads what was promoted, says of jobs an earlier process left that they
    /// were interrupted, and starts training and watching until the shutdown.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn start(
        store: Store,
        selector: Arc<Selector>,
        pace: Pace,
        shutdown: Shutdown,
    ) -> Result<Self, StoreFault> {
        let in_service = Arc::new(InService::default());
        let (served, drifting) = store
            .call(|transaction| {
                jobs::interrupt_all(transaction, now_s())?;
                state(transaction)
            })
            .await?;
        let count = served.len();
        in_service.replace_all(served);
        in_service.set_drifting(drifting);
        tracing::info!(node_types = count, "learned models in service");
        let (queue, waiting) = mpsc::channel(QUEUE);
        let trainer = Self {
            inner: Arc::new(Inner {
                store,
                selector,
                in_service,
                queue,
                progress: Mutex::default(),
                unwatched: Mutex::default(),
                untrained: Mutex::default(),
            }),
        };
        tokio::spawn(trainer.clone().work(waiting, shutdown.clone()));
        tokio::spawn(trainer.clone().watch(pace, shutdown));
        Ok(trainer)
    }

    /// The learned models that serve.
    #[must_use]
    pub fn in_service(&self) -> &Arc<InService> {
        &self.inner.in_service
    }

    /// Notes that types have new samples.
    pub fn touched(&self, node_types: &[String]) {
        for places in [&self.inner.unwatched, &self.inner.untrained] {
            locked(places).extend(node_types.iter().cloned());
        }
    }

    /// Takes a wish to train one type, or all.
    ///
    /// # Errors
    /// If too many wait, there is no such type, or the store fails.
    pub async fn ask(&self, node_type: Option<String>) -> Result<Job, AskFault> {
        let slot = self.inner.queue.try_reserve().map_err(|_| AskFault::Busy)?;
        let wanted = node_type.clone();
        let job = self
            .inner
            .store
            .call(move |transaction| {
                if let Some(name) = &wanted
                    && types::get(transaction, name)?.is_none()
                {
                    return Ok(None);
                }
                let id = jobs::ask(transaction, wanted.as_deref(), now_s())?;
                jobs::get(transaction, id)
            })
            .await?;
        let job = job.ok_or_else(|| AskFault::Unknown(node_type.unwrap_or_default()))?;
        slot.send(job.id);
        Ok(job)
    }

    /// Share of a running job that is done.
    #[must_use]
    pub fn progress(&self, id: u64) -> Option<f64> {
        locked(&self.inner.progress)
            .filter(|(running, _)| *running == id)
            .map(|(_, share)| share)
    }

    async fn work(self, mut waiting: mpsc::Receiver<u64>, shutdown: Shutdown) {
        loop {
            let id = tokio::select! {
                () = shutdown.begun() => return,
                id = waiting.recv() => id,
            };
            let Some(id) = id else { return };
            match self.in_background(id).await {
                Ok(Ok(())) => {}
                Ok(Err(fault)) => {
                    tracing::error!(job = id, error = %fault, "training job failed");
                }
                Err(reason) => tracing::error!(job = id, error = reason, "training job died"),
            }
            *locked(&self.inner.progress) = None;
        }
    }

    /// Runs a job on a thread of its own that steps back for those that
    /// answer; `Err` if the thread cannot be made or dies.
    async fn in_background(&self, id: u64) -> Result<Result<(), StoreFault>, String> {
        let trainer = self.clone();
        let (done, ended) = oneshot::channel();
        let job = move || {
            // On Linux that is of this thread alone; without it training is
            // no worse.
            let _ = rustix::process::nice(NICENESS);
            // Who asked may be gone; the work is done all the same.
            let _ = done.send(trainer.run(id));
        };
        std::thread::Builder::new()
            .name("training".to_owned())
            .spawn(job)
            .map_err(|fault| fault.to_string())?;
        ended.await.map_err(|fault| fault.to_string())
    }

    /// Runs a job to its end on this thread.
    fn run(&self, id: u64) -> Result<(), StoreFault> {
        let store = &self.inner.store;
        let names = store.call_blocking(move |transaction| {
            let job = jobs::get(transaction, id)?;
            jobs::set(
                transaction,
                id,
                State::Running,
                &Value::from(Vec::<Value>::new()),
                now_s(),
            )?;
            match job.and_then(|job| job.node_type) {
                Some(name) => Ok(vec![name]),
                None => types::names(transaction),
            }
        })?;
        let mut report = Vec::new();
        let mut state = State::Done;
        for (done, name) in names.iter().enumerate() {
            let share = crate::host::count(done) / crate::host::count(names.len());
            *locked(&self.inner.progress) = Some((id, share));
            let entry = match one_type::train(store, &self.inner.selector, name) {
                Ok(outcome) => {
                    self.note(&outcome)?;
                    serde_json::to_value(&outcome).unwrap_or_default()
                }
                Err(fault) => {
                    tracing::warn!(job = id, node_type = name, error = %fault, "training a node type failed");
                    state = State::Failed;
                    serde_json::json!({ "nodeType": name, "error": fault.to_string() })
                }
            };
            report.push(entry);
        }
        store.call_blocking(move |transaction| {
            jobs::set(transaction, id, state, &Value::from(report), now_s())
        })
    }

    fn note(&self, outcome: &Outcome) -> Result<(), StoreFault> {
        if let Some(digest) = &outcome.promoted {
            tracing::info!(
                node_type = outcome.node_type,
                model = digest,
                reason = outcome.verdict.reason,
                "learned model promoted"
            );
            self.refresh_blocking()?;
        }
        Ok(())
    }

    fn refresh_blocking(&self) -> Result<(), StoreFault> {
        let now = self.inner.store.call_blocking(state)?;
        self.serve(now);
        Ok(())
    }

    /// Serves what the store says from now on.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn refresh(&self) -> Result<(), StoreFault> {
        let now = self.inner.store.call(state).await?;
        self.serve(now);
        Ok(())
    }

    fn serve(&self, (served, drifting): Standing) {
        self.inner.in_service.replace_all(served);
        self.inner.in_service.set_drifting(drifting);
    }

    /// Looks for drift, asks for trainings, drops old samples; for ever.
    async fn watch(self, pace: Pace, shutdown: Shutdown) {
        let (mut trained, mut expired) = (Instant::now(), Instant::now());
        loop {
            tokio::select! {
                () = shutdown.begun() => return,
                () = sleep(pace.watch_every) => {}
            }
            let names = std::mem::take(&mut *locked(&self.inner.unwatched));
            for name in names {
                if let Err(fault) = self.watch_type(name).await {
                    tracing::warn!(error = %fault, "watching for drift failed");
                }
            }
            if trained.elapsed() >= pace.train_every {
                trained = Instant::now();
                let due = std::mem::take(&mut *locked(&self.inner.untrained));
                if !due.is_empty()
                    && let Err(fault) = self.ask(None).await
                {
                    tracing::warn!(error = %fault, "asking for the regular training failed");
                    locked(&self.inner.untrained).extend(due);
                }
            }
            if expired.elapsed() >= EXPIRE_EVERY {
                expired = Instant::now();
                self.expire(pace).await;
            }
        }
    }

    async fn watch_type(&self, name: String) -> Result<(), AskFault> {
        let watched = name.clone();
        let (found, drifting) = self
            .inner
            .store
            .call(move |transaction| {
                let found = one_type::watch(transaction, &watched)?;
                Ok((found, types::drifting(transaction)?))
            })
            .await?;
        self.inner.in_service.set_drifting(drifting);
        let Some(drift) = found else { return Ok(()) };
        tracing::warn!(
            node_type = name,
            ratio = drift.ratio,
            since_s = drift.since_s,
            "nodes draw other power than their model says; training anew"
        );
        self.ask(Some(name)).await?;
        Ok(())
    }

    async fn expire(&self, pace: Pace) {
        let keep_s = i64::try_from(pace.keep_samples.as_secs()).unwrap_or(i64::MAX);
        let oldest_s = now_s().saturating_sub(keep_s);
        let dropped = self
            .inner
            .store
            .call(move |transaction| samples::expire(transaction, oldest_s, pace.samples_max))
            .await;
        match dropped {
            Ok(samples) => tracing::debug!(samples, "old samples dropped"),
            Err(fault) => tracing::warn!(error = %fault, "dropping old samples failed"),
        }
    }
}
