//! What a study stands on: the embedded cluster, the real Flux controllers and
//! their Git repository, the applications that are delivered, the agent that
//! measures, and a watch that sees. Does what a trial says and measures nothing.

mod agent;
mod applications;
mod syncs;

use std::collections::BTreeMap;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use jiff::Timestamp;
use serde_json::{Value, json};

use self::agent::Agent;
pub(super) use self::syncs::Started;
use self::syncs::was_synced;
use super::design::{ArmDesign, By, Design};
use super::figures::Cast;
use super::watch::{Sighting, Watch, settle};
use crate::demo::session::Session;
use crate::e2e::flux::fleet::{Controller, FLUX, Fleet, KUSTOMIZE, SOURCE, delivered};
use crate::progress::Step;

/// The study's cluster.
const CLUSTER: &str = "study";
/// The agent and its model server run beside the cluster from these builds.
const PROGRAMS: [&str; 2] = ["tanso-agent", "tanso-model-server"];
/// Where the applications live.
const NAMESPACE: &str = "study";
/// The label of what is watched.
const WATCHED: &str = "study.tanso.dev/watched=revision";

const SOURCES: &str = "gitrepositories.source.toolkit.fluxcd.io";
const KUSTOMIZATIONS: &str = "kustomizations.kustomize.toolkit.fluxcd.io";

/// How long anything may take to come to rest.
const PATIENCE: Duration = Duration::from_mins(10);

/// The cluster of a study; [`Bench::new`] needs one that lives longer.
///
/// `programs` is a folder that has agent and model server already.
pub(super) fn cluster(programs: Option<&Path>) -> Result<Session> {
    let built = programs.map_or(&PROGRAMS[..], |_| &[]);
    let images: Vec<&str> = built.iter().copied().chain(["pause"]).collect();
    Session::bare_with(CLUSTER, &images)
}

/// All of it, at work.
pub(super) struct Bench<'s> {
    fleet: Fleet<'s>,
    /// What measures.
    pub(super) agent: Agent,
    watch: Watch,
    /// What each application is wanted to say.
    wanted: Vec<String>,
    /// What each was last seen to say.
    known: BTreeMap<String, String>,
    sightings: Vec<Sighting>,
    /// A process of the workload's container.
    load: i32,
}

impl<'s> Bench<'s> {
    /// Starts all of it; Flux has delivered once and is switched off.
    pub(super) fn new(
        session: &'s Session,
        programs: Option<&Path>,
        design: &Design,
    ) -> Result<Self> {
        let cluster = session.cluster()?;
        let mut step = Step::new("starting Flux, agent and applications");
        let agent = Agent::start(cluster, programs)?;
        session.apply(&applications::namespace(NAMESPACE))?;
        let fleet = Fleet::new(session, &[SOURCE, KUSTOMIZE])?;
        let mut this = Self {
            watch: Watch::start(cluster, NAMESPACE, WATCHED)?,
            fleet,
            agent,
            wanted: vec!["begin".to_owned(); design.applications()],
            known: BTreeMap::new(),
            sightings: Vec::new(),
            load: 0,
        };
        for number in 0..design.applications() {
            this.write_application(number)?;
        }
        this.start_flux(Duration::from_mins(10), design.applications(), 0)?;
        this.stop_flux()?;
        step.tick("the load's pod");
        this.load = this.until("the load's pod", |this| this.find_load().map(Some))?;
        step.done("Flux delivered once, agent measures");
        Ok(this)
    }

    /// The name of an application, from its number.
    pub(super) fn application(number: usize) -> String {
        applications::name(number)
    }

    fn session(&self) -> &'s Session {
        self.fleet.session
    }

    /// Tries until something is found, without a word on the way.
    fn until<T>(
        &mut self,
        what: &str,
        mut probe: impl FnMut(&mut Self) -> Result<Option<T>>,
    ) -> Result<T> {
        let begun = Instant::now();
        loop {
            let last = match probe(self) {
                Ok(Some(found)) => return Ok(found),
                Ok(None) => String::new(),
                Err(error) => format!(": {error:#}"),
            };
            if begun.elapsed() > PATIENCE {
                bail!("{what} did not come within {} s{last}", PATIENCE.as_secs());
            }
            thread::sleep(Duration::from_millis(200));
        }
    }

    fn write_application(&self, number: usize) -> Result<()> {
        let text = self.wanted.get(number).context("an application's number")?;
        let folder = format!("apps/{}", applications::name(number));
        let objects = applications::manifests(NAMESPACE, number, text);
        self.fleet
            .repository
            .write(&format!("{folder}/objects.yaml"), &objects)?;
        let list = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [objects.yaml]\n";
        self.fleet
            .repository
            .write(&format!("{folder}/kustomization.yaml"), list)
    }

    fn want(&mut self, number: usize, text: &str) -> Result<()> {
        let wanted = self
            .wanted
            .get_mut(number)
            .context("an application's number")?;
        text.clone_into(wanted);
        self.write_application(number)
    }

    /// Applies by hand whatever does not say what is wanted.
    pub(super) fn bring_to_wanted(&mut self) -> Result<()> {
        self.drain();
        let stale: String = self
            .wanted
            .iter()
            .enumerate()
            .filter(|(number, text)| self.known.get(&applications::name(*number)) != Some(*text))
            .map(|(number, text)| applications::manifests(NAMESPACE, number, text))
            .collect();
        if !stale.is_empty() {
            self.session().apply(&stale)?;
        }
        self.until("the applications to say what is wanted", |this| {
            this.drain();
            let mut all = this.wanted.iter().enumerate();
            let says = |(number, text): (usize, &String)| {
                this.known.get(&applications::name(number)) == Some(text)
            };
            Ok(all.all(says).then_some(()))
        })
    }

    /// Switches Flux on with an interval for the first `count` applications, and
    /// waits until it has delivered them. Kustomizations of the others are
    /// suspended; what nobody delivers keeps what it was last given.
    ///
    /// The source comes first: a Kustomization that finds none tries again five
    /// seconds later, also when it was delivered in between, and that sync would
    /// fall into the measured phase.
    pub(super) fn start_flux(
        &mut self,
        interval: Duration,
        count: usize,
        trial: u32,
    ) -> Result<Started> {
        let url = self.fleet.repository.url();
        let objects = applications::flux(url, interval, self.wanted.len(), count);
        self.session().apply(&objects)?;
        // A commit of its own: only this start can have delivered it.
        self.fleet
            .repository
            .write("trial.txt", &format!("{trial} {:?}\n", Instant::now()))?;
        let commit = self.fleet.repository.commit(&format!("trial {trial}"))?;
        let begun = (Instant::now(), Timestamp::now());
        self.scale(&[SOURCE], 1)?;
        let name = format!("{SOURCES}/study");
        let deployment = "deployment/source-controller";
        let words = ["get", deployment, &name, "-n", FLUX, "-o", "json"];
        let source = self.until("the source", |this| {
            let both = this.session().json(&words)?;
            let [deployment, source] = [&both["items"][0], &both["items"][1]];
            let is_served = deployment["status"]["availableReplicas"] == 1;
            let revision = source["status"]["artifact"]["revision"].as_str();
            let is_new = revision.is_some_and(|revision| revision.ends_with(&commit));
            Ok((is_served && is_new).then(|| source.clone()))
        })?;
        self.scale(&[KUSTOMIZE], 1)?;
        let all = self.until("Flux to deliver", |this| {
            let all = this
                .session()
                .json(&["get", KUSTOMIZATIONS, "-n", FLUX, "-o", "json"])?;
            let items = all["items"].as_array().context("items")?;
            let active = items.iter().filter(|item| item["spec"]["suspend"] != true);
            let (there, waiting): (Vec<_>, Vec<_>) =
                active.partition(|item| delivered(item, &commit));
            if there.len() != count {
                bail!("{} of {count} Kustomizations wait", waiting.len());
            }
            Ok(Some(all))
        })?;
        Ok(Started::of(begun, &source, &all))
    }

    /// How many Kustomizations Flux synced between two moments, seconds since 1970.
    pub(super) fn synced(&self, from: f64, to: f64) -> Result<usize> {
        let words = ["get", KUSTOMIZATIONS, "-n", FLUX, "-o", "json"];
        let all = self.session().json(&words)?;
        let items = all["items"].as_array().context("items")?;
        let synced = items.iter().filter(|item| was_synced(item, from, to));
        Ok(synced.count())
    }

    fn scale(&self, controllers: &[Controller], replicas: u32) -> Result<()> {
        let replicas = format!("--replicas={replicas}");
        let names = controllers.iter().map(|(_, name)| *name);
        let words = ["scale", "deployment", "-n", FLUX, &replicas];
        let words: Vec<&str> = words.into_iter().chain(names).collect();
        self.session().kubectl(&words).map(drop)
    }

    fn stop_flux(&mut self) -> Result<()> {
        self.scale(&[SOURCE, KUSTOMIZE], 0)?;
        self.until("Flux to end", |this| {
            let pods = this
                .session()
                .kubectl(&["get", "pods", "-n", FLUX, "-o", "name"])?;
            Ok(pods.trim().is_empty().then_some(()))
        })?;
        // Those that follow need not wait for leases of those that ended.
        let words = ["delete", "leases", "-n", FLUX, "--all", "--wait=false"];
        self.session().kubectl(&words).map(drop)
    }

    /// After a trial: nothing of its arm runs on.
    pub(super) fn put_to_rest(&mut self, arm: &ArmDesign) -> Result<()> {
        match arm.by {
            By::Flux { .. } => self.stop_flux(),
            By::Nobody | By::Script => Ok(()),
        }
    }

    /// Commits a change of the first `count` applications, as an interval's time
    /// of changes brings it.
    pub(super) fn let_changes_wait(&mut self, count: usize, trial: u32) -> Result<()> {
        for number in 0..count.min(self.wanted.len()) {
            self.want(number, &format!("waiting-{trial}"))?;
        }
        self.fleet.repository.commit("what waits").map(drop)
    }

    /// A change by a script: the application's folder is applied.
    pub(super) fn apply_change(&mut self, number: usize, text: &str) -> Result<()> {
        self.want(number, text)?;
        let objects = applications::manifests(NAMESPACE, number, text);
        self.session().apply(&objects).map(drop)
    }

    /// A change by a commit.
    pub(super) fn commit_change(&mut self, number: usize, text: &str) -> Result<()> {
        self.want(number, text)?;
        self.fleet.repository.commit(text).map(drop)
    }

    /// An edit past whatever holds the wanted state.
    pub(super) fn edit_by_hand(&self, number: usize, text: &str) -> Result<()> {
        let name = applications::name(number);
        let patch = json!({"data": {"revision": text}}).to_string();
        let words = [
            "patch",
            "configmap",
            &name,
            "-n",
            NAMESPACE,
            "--type=merge",
            "-p",
            &patch,
        ];
        self.session().kubectl(&words).map(drop)
    }

    /// The component of each pod, by uid.
    pub(super) fn pods(&self) -> Result<BTreeMap<String, &'static str>> {
        let all = self.session().json(&["get", "pods", "-A", "-o", "json"])?;
        let items = all["items"].as_array().context("pods")?;
        let pod = |item: &Value| {
            let uid = item["metadata"]["uid"].as_str()?.to_owned();
            let is_flux = item["metadata"]["namespace"] == FLUX;
            Some((uid, if is_flux { "flux" } else { "workloads" }))
        };
        Ok(items.iter().filter_map(pod).collect())
    }

    /// Who is who among the processes, with these pods.
    pub(super) fn cast(&self, pods: BTreeMap<String, &'static str>) -> Result<Cast> {
        let cluster = self.session().cluster()?;
        let mut processes = BTreeMap::new();
        for process in cluster.part_processes()? {
            processes.insert(process, "node_services");
        }
        for part in &cluster.state().parts {
            let component = match part.name.as_str() {
                "kube-apiserver" => "apiserver",
                "etcd" => "etcd",
                "kubelet" => "kubelet",
                "kube-controller-manager" | "kube-scheduler" => "control",
                _ => "node_services",
            };
            if part.process.is_alive() {
                processes.insert(part.process.pid, component);
            } else {
                bail!("{} has ended", part.name);
            }
        }
        Ok(Cast { processes, pods })
    }

    /// A process of the pod that stands for a workload, by its control group.
    fn find_load(&self) -> Result<i32> {
        let words = ["get", "pod", "load", "-n", NAMESPACE, "-o", "json"];
        let pod = self.session().json(&words)?;
        if pod["status"]["phase"] != "Running" {
            bail!("the load's pod is {}", pod["status"]["phase"]);
        }
        let uid = pod["metadata"]["uid"].as_str().context("the load's pod")?;
        let entries = std::fs::read_dir("/proc").context("reading \"/proc\"")?;
        let is_of_pod = |process: &i32| {
            let groups = std::fs::read_to_string(format!("/proc/{process}/cgroup"));
            groups.is_ok_and(|groups| groups.contains(uid))
        };
        let processes = entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        // The one that holds the pod's namespaces began before the container.
        let process = processes.filter(is_of_pod).max();
        process.context("no process is in the control group of the load's pod")
    }

    /// A process of the pod that stands for a workload.
    pub(super) const fn load_process(&self) -> i32 {
        self.load
    }

    fn drain(&mut self) {
        let seen = self.watch.take();
        settle(&mut self.known, &seen);
        self.sightings.extend(seen);
    }

    /// What is seen from now on is another phase's. A watch that the API server
    /// ended, as it does after half an hour or more, begins anew.
    pub(super) fn forget_sightings(&mut self) -> Result<()> {
        if !self.watch.is_alive() {
            let cluster = self.session().cluster()?;
            self.watch = Watch::start(cluster, NAMESPACE, WATCHED)?;
        }
        self.drain();
        self.sightings.clear();
        Ok(())
    }

    /// What was seen since then.
    pub(super) fn sightings(&mut self) -> Vec<Sighting> {
        self.drain();
        std::mem::take(&mut self.sightings)
    }

    pub(super) fn watch_is_alive(&mut self) -> bool {
        self.watch.is_alive()
    }
}
