//! One run: an operator's life or two, a change in the middle, and what must
//! hold at the end.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use kube::Client;
use tokio::time::sleep;

use crate::fault::{Fault, Plan, Target};
use crate::life::{Life, panics};
use crate::oracle::{self, Expected, Fields};
use crate::proxy::{BEHIND, Door, Proxy, Record, Replacer};
use crate::world::{FOREIGN, World};

/// How long a state may take to be reached.
const PATIENCE: Duration = Duration::from_mins(1);

/// A run without faults is at its end after this long without a write.
const QUIET: Duration = Duration::from_millis(1_500);

/// Nothing may be written for this long before a state counts as reached.
const PAUSE: Duration = Duration::from_millis(300);

/// How long the API server may be silent, as installed, and where it is.
const SILENCE: &str = "150s";
const SHORT_SILENCE: &str = "3s";

/// Monitors of a run.
const MONITORS: u32 = 2;

/// Reads after the end between which nothing may change.
const STILL_READS: u32 = 4;

/// What all runs share.
pub struct Stage {
    /// The cluster.
    pub world: World,
    /// The cluster as the operator may use it.
    pub operator: Client,
    /// The ledger that every run begins with.
    pub ledger: std::path::PathBuf,
}

/// What runs without faults come to: before the change, and after.
#[derive(Clone, Debug, Default)]
pub struct Reference {
    /// Before the change.
    pub first: Expected,
    /// After it.
    pub last: Expected,
    /// Creations and deletions.
    pub record: Record,
    /// Events that say the same as another one.
    pub repeated: usize,
}

/// What one run came to.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The state before the change.
    pub first: Fields,
    /// The state after it.
    pub last: Fields,
    /// What the API server saw.
    pub record: Record,
    /// Events that say the same as another one.
    pub repeated: usize,
    /// From the start to the last state.
    pub took: Duration,
}

impl Stage {
    /// Runs a plan; given a reference, the run must end like it.
    ///
    /// # Errors
    /// What did not hold.
    pub async fn run(&self, plans: &[Plan], reference: Option<&Reference>) -> Result<Ended> {
        self.world.reset().await.context("preparing the run")?;
        let folder = tempfile::tempdir()?;
        let ledger = folder.path().join("ledger.db");
        std::fs::copy(&self.ledger, &ledger).context("copying the ledger")?;
        let panics_before = panics();
        let mut course = Course::start(self, plans, &ledger).await?;
        let begun = Instant::now();
        let foreign = self.world.get(FOREIGN).await?;
        let but = plans.iter().find_map(replaced);
        let first = course
            .until(reference.map(|r| &r.first), but.as_deref())
            .await
            .context("before the change")?;
        self.world.change().await?;
        let last = course
            .until(reference.map(|r| &r.last), but.as_deref())
            .await
            .context("after the change")?;
        let took = begun.elapsed();
        course.stays_still().await?;
        course.end().await?;
        let (panicked, meant) = (panics() - panics_before, course.proxy.record().panics);
        // One that dies at that moment panics no more.
        let is_meant = panicked == u64::from(meant) || plans.len() > 1;
        ensure!(
            is_meant && panicked <= u64::from(meant),
            "something panicked {panicked} times, {meant} were meant"
        );
        let now = self
            .world
            .get(FOREIGN)
            .await
            .context("the foreign Service")?;
        ensure!(
            now["metadata"]["resourceVersion"] == foreign["metadata"]["resourceVersion"],
            "the operator wrote to a Service that somebody else made: {now}"
        );
        for plan in plans {
            self.was_spared(plan).await?;
        }
        let ended = Ended {
            first,
            last,
            record: course.proxy.record(),
            repeated: self
                .world
                .events()
                .await?
                .values()
                .filter(|count| **count > 1)
                .count(),
            took,
        };
        if let Some(reference) = reference {
            counts(plans, &ended, reference)?;
        }
        Ok(ended)
    }

    /// What somebody else made in place of a deleted object must be there.
    async fn was_spared(&self, plan: &Plan) -> Result<()> {
        let Target::Point(point) = &plan.target else {
            return Ok(());
        };
        if plan.fault != Fault::Replaced {
            return Ok(());
        }
        let (namespace, name) = point.call.name.split_once('/').context("a namespace")?;
        let group = match point.call.resource.as_str() {
            "deployments" | "daemonsets" => "apis/apps/v1",
            _ => "api/v1",
        };
        let resource = &point.call.resource;
        let path = format!("/{group}/namespaces/{namespace}/{resource}/{name}");
        let object = self.world.get(&path).await;
        let object =
            object.context("the operator deleted what somebody else had made meanwhile")?;
        ensure!(
            object["metadata"]["labels"]["app"] == "somebody-elses",
            "the operator changed what somebody else had made meanwhile: {object}"
        );
        Ok(())
    }
}

/// Who still reads what was before the last write may rightly write once more.
fn pause(plans: &[Plan]) -> Duration {
    if plans.iter().any(|plan| plan.fault == Fault::TwoServers) {
        PAUSE + BEHIND
    } else {
        PAUSE
    }
}

/// The object that a plan replaces, as snapshots name it.
fn replaced(plan: &Plan) -> Option<String> {
    match (&plan.target, plan.fault) {
        (Target::Point(point), Fault::Replaced) => {
            Some(format!("{} {}", point.call.resource, point.call.name))
        }
        _ => None,
    }
}

fn counts(plans: &[Plan], ended: &Ended, reference: &Reference) -> Result<()> {
    if plans.iter().all(|plan| plan.fault != Fault::Replaced) {
        let (is, wish) = (&ended.record.created, &reference.record.created);
        ensure!(is == wish, "objects were created {is:?}, expected {wish:?}");
        let (is, wish) = (&ended.record.deleted, &reference.record.deleted);
        ensure!(is == wish, "objects were deleted {is:?}, expected {wish:?}");
    }
    if !plans.iter().any(|plan| plan.fault.may_be_told()) {
        ensure!(
            ended.repeated <= reference.repeated,
            "{} Events are there twice, expected at most {}",
            ended.repeated,
            reference.repeated
        );
    }
    Ok(())
}

/// The operator's course through a run.
struct Course<'a> {
    world: &'a World,
    proxy: Proxy,
    ledger: &'a Path,
    /// How long the operator bears no word from the API server.
    silence: &'static str,
    /// How long a state may take to be reached.
    patience: Duration,
    /// Nothing may be written for this long before a state counts as reached.
    pause: Duration,
    door: Door,
    life: Option<Life>,
    /// Visits of monitors that a new life must have made, all counted.
    visits_due: u32,
}

impl<'a> Course<'a> {
    async fn start(stage: &'a Stage, plans: &[Plan], ledger: &'a Path) -> Result<Self> {
        let world = stage.world.clone();
        let replacer: Replacer = Arc::new(move |path| {
            let world = world.clone();
            Box::pin(async move { world.replace(&path).await })
        });
        let proxy = Proxy::new(stage.operator.clone(), plans.to_vec(), replacer);
        let door = proxy.open().await?;
        let is_silent = plans.iter().any(|plan| plan.fault.is_silence());
        let silence = if is_silent { SHORT_SILENCE } else { SILENCE };
        let life = Life::start(door.address, silence, ledger)?;
        Ok(Self {
            world: &stage.world,
            proxy,
            ledger,
            silence,
            pause: pause(plans),
            patience: PATIENCE * u32::try_from(plans.len()).unwrap_or(1).max(1),
            door,
            life: Some(life),
            visits_due: 0,
        })
    }

    /// Waits for a state: the expected one, or any that stays.
    async fn until(&mut self, expected: Option<&Expected>, but: Option<&str>) -> Result<Fields> {
        let begun = Instant::now();
        let mut writes = (self.proxy.writes(), Instant::now());
        loop {
            tokio::select! {
                () = self.proxy.death() => {
                    self.revive().await?;
                    continue;
                }
                () = sleep(Duration::from_millis(50)) => {}
            }
            let now = self.proxy.writes();
            if now != writes.0 {
                writes = (now, Instant::now());
            }
            let snapshot = self.world.snapshot().await?;
            let fields = oracle::fields(&snapshot);
            let behind = oracle::behind(&snapshot);
            let (unlike, is_done) = match expected {
                Some(expected) => {
                    let unlike = expected.unlike(&fields, but);
                    let rests = writes.1.elapsed() > self.pause;
                    // A new life waits for the lease before it looks at anything.
                    let looked = self.visits() >= self.visits_due;
                    let done = unlike.is_empty() && behind.is_empty() && rests && looked;
                    (unlike, done)
                }
                None => (
                    Vec::new(),
                    now > 0 && behind.is_empty() && writes.1.elapsed() > QUIET,
                ),
            };
            if is_done {
                return Ok(fields);
            }
            if begun.elapsed() > self.patience {
                let shown: Vec<_> = unlike.iter().take(6).collect();
                bail!(
                    "not reached within {} s: {} fields differ: {shown:#?}; behind its generation: {behind:?}",
                    self.patience.as_secs(),
                    unlike.len()
                );
            }
        }
    }

    /// Visits of monitors so far, by what each reads.
    fn visits(&self) -> u32 {
        self.proxy.count("get", "daemonsets")
    }

    /// The process dies; a new one finds what it left.
    async fn revive(&mut self) -> Result<()> {
        if let Some(life) = self.life.take() {
            life.kill()?;
        }
        self.visits_due = self.visits() + MONITORS;
        self.door = self.proxy.open().await?;
        self.life = Some(Life::start(self.door.address, self.silence, self.ledger)?);
        Ok(())
    }

    /// A visit more, and several looks: nothing is written.
    async fn stays_still(&mut self) -> Result<()> {
        self.world.touch("again").await?;
        let (before, writes) = (self.visits(), self.proxy.writes());
        let seen = self.proxy.record().points.len();
        let begun = Instant::now();
        while self.visits() < before + 1 {
            ensure!(
                begun.elapsed() < self.patience,
                "no visit followed a change"
            );
            sleep(Duration::from_millis(20)).await;
        }
        let mut versions = None;
        for _ in 0..STILL_READS {
            sleep(Duration::from_millis(60)).await;
            let now = oracle::versions(&self.world.snapshot().await?);
            let before = versions.get_or_insert_with(|| now.clone());
            ensure!(*before == now, "objects still change: {before:?}, {now:?}");
        }
        let more = self.proxy.writes() - writes;
        let late = self.proxy.record().points.split_off(seen);
        let late: Vec<_> = late
            .iter()
            .filter(|point| point.call.writes() && !point.call.is_lease())
            .map(ToString::to_string)
            .collect();
        ensure!(more == 0, "written although nothing had changed: {late:?}");
        Ok(())
    }

    /// A graceful end; a death that was planned for it is survived too.
    async fn end(&mut self) -> Result<()> {
        let Some(mut life) = self.life.take() else {
            bail!("the operator is not running");
        };
        let left = tokio::select! {
            left = life.stop() => left?,
            // It dies while it ends: the lease runs out by itself.
            () = self.proxy.death() => return life.kill(),
        };
        ensure!(left == 0, "{left} tasks did not end with the operator");
        Ok(())
    }
}
