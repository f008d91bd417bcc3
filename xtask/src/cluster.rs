//! A real Kubernetes on this machine: etcd, the control plane, and nodes with
//! containerd and runc, in namespaces of their own. Nothing of it is reachable
//! from outside, several can run at once, and [`down`] leaves nothing behind.
//!
//! A cluster is used through [`Cluster`]: its commands run inside.

mod cgroups;
mod clean;
mod config;
mod down;
pub mod enter;
mod isolate;
mod network;
mod parts;
mod pki;
mod prepare;
pub mod state;
pub mod supervise;
mod verbs;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use crate::progress::Step;
use crate::{images, kubeparts, process, workspace};
pub use config::PAUSE_IMAGE;
use state::{Layout, State};
pub use verbs::{Args, run};

/// How much of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// etcd and the API server
    Api,
    /// Also the controller manager and the scheduler
    Control,
    /// Also nodes that run pods
    Node,
}

/// What to start.
#[derive(Debug, Clone)]
pub struct Options {
    /// The cluster's name: lower-case letters, digits and `-`, at most 30.
    pub name: String,
    /// How much of a cluster.
    pub profile: Profile,
    /// How many nodes (1 or 2), with [`Profile::Node`].
    pub nodes: u8,
    /// Whether Services work.
    pub services: bool,
    /// Where its files go; by default a folder in the cache.
    pub state_dir: Option<PathBuf>,
    /// A folder with the Kubernetes components, to be preferred.
    pub kube_binaries: Option<PathBuf>,
    /// Image archives that every node gets while the control plane starts.
    pub images: Vec<PathBuf>,
    /// Further flags of the API server, for example an audit policy.
    pub apiserver_args: Vec<String>,
    /// Further flags of the controller manager.
    pub controller_manager_args: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self::new("tanso")
    }
}

impl Options {
    /// One node with Services, under this name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            profile: Profile::Node,
            nodes: 1,
            services: true,
            state_dir: None,
            kube_binaries: None,
            images: Vec::new(),
            apiserver_args: Vec::new(),
            controller_manager_args: Vec::new(),
        }
    }
}

/// A running cluster.
#[derive(Debug, Clone)]
pub struct Cluster {
    layout: Layout,
    state: State,
}

/// Brings all that a cluster with nodes takes from elsewhere, so that it starts
/// where nothing else can be reached.
///
/// # Errors
/// When something is missing and cannot be installed or built here.
pub fn fetch() -> Result<()> {
    kubeparts::ensure(None)?;
    prepare::packages(Profile::Node)?;
    images::build(&["pause"]).map(drop)
}

/// Starts a cluster and waits until all of it is ready.
///
/// A cluster of that name that runs is given as it is; the remains of a dead
/// one are removed first.
///
/// # Errors
/// When this is not root, something it needs is missing, or a component does
/// not come up; its log is kept in `logs/` of the target folder.
pub fn up(options: &Options) -> Result<Cluster> {
    check_name(&options.name)?;
    if !nix::unistd::geteuid().is_root() {
        bail!("starting a cluster needs root, for namespaces and control groups; try `sudo -E`");
    }
    let layout = layout(&options.name, options.state_dir.as_deref())?;
    match layout.read_state() {
        Ok(state) if state.ready && state.supervisor.is_alive() => {
            eprintln!("cluster \"{}\" is up already", options.name);
            return Ok(Cluster { layout, state });
        }
        _ => drop(down::down(&options.name, &layout)?),
    }
    let parts = kubeparts::ensure(options.kube_binaries.as_deref())?;
    let spec = prepare::spec(options)?;
    let mut step = Step::new(format!("starting cluster \"{}\"", options.name));
    fs::create_dir_all(layout.at("logs"))
        .with_context(|| format!("creating \"{}\"", layout.dir.display()))?;
    layout.write_spec(&spec)?;
    supervise::link_components(&layout, &parts, spec.services)?;
    match wait_ready(&layout, &mut step) {
        Ok(state) => {
            step.done(&format!("cluster \"{}\" is up", options.name));
            Ok(Cluster { layout, state })
        }
        Err(error) => {
            let kept = keep_logs(&options.name, &layout);
            down::down(&options.name, &layout)?;
            Err(error.context(format!(
                "starting cluster \"{}\"; its logs are in \"{}\"",
                options.name,
                kept.display()
            )))
        }
    }
}

/// A cluster that was started before.
///
/// # Errors
/// When there is none of that name.
pub fn attach(name: &str) -> Result<Cluster> {
    attach_at(name, None)
}

/// As [`attach`], with the state folder given.
///
/// # Errors
/// When there is none of that name there.
pub fn attach_at(name: &str, state_dir: Option<&Path>) -> Result<Cluster> {
    check_name(name)?;
    let layout = layout(name, state_dir)?;
    let state = layout
        .read_state()
        .with_context(|| format!("looking for cluster \"{name}\"; start it with `cluster up`"))?;
    Ok(Cluster { layout, state })
}

/// Ends a cluster and removes all it left, in whatever state it is; it is no
/// error when there is none.
///
/// # Errors
/// When something is left; names it.
pub fn down(name: &str) -> Result<()> {
    down_at(name, None).map(drop)
}

/// As [`down`], with the state folder given; whether there was anything.
///
/// # Errors
/// When something is left; names it.
pub fn down_at(name: &str, state_dir: Option<&Path>) -> Result<bool> {
    check_name(name)?;
    down::down(name, &layout(name, state_dir)?)
}

/// Fails when anything of a cluster is left on the machine; names all of it.
///
/// # Errors
/// When a process, mount, control group, network link, network namespace or
/// file of that cluster is there.
pub fn assert_clean(name: &str) -> Result<()> {
    clean::assert_clean(name, &layout(name, None)?)
}

/// As [`assert_clean`], with the state folder given.
///
/// # Errors
/// As there.
pub fn assert_clean_at(name: &str, state_dir: &Path) -> Result<()> {
    clean::assert_clean(name, &layout(name, Some(state_dir))?)
}

impl Cluster {
    /// The cluster's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.state.name
    }

    /// An administrator's kubeconfig; its server is reachable only from inside.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.state.kubeconfig
    }

    /// The nodes' names.
    #[must_use]
    pub fn node_names(&self) -> Vec<&str> {
        self.state
            .nodes
            .iter()
            .map(|node| node.name.as_str())
            .collect()
    }

    /// What runs, as last read.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Where the cluster's files are.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Reads anew what runs.
    ///
    /// # Errors
    /// When the cluster is gone.
    pub fn refresh(&mut self) -> Result<&State> {
        self.state = self.layout.read_state()?;
        Ok(&self.state)
    }

    /// A program to run inside the cluster's network and mounts, on the first
    /// node; `KUBECONFIG` and `PATH` lead to the cluster and its kubectl.
    #[must_use]
    pub fn exec<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Command {
        self.inside(self.inhabitant(), words)
    }

    /// As [`Cluster::exec`], on a node.
    #[must_use]
    pub fn exec_on<S: AsRef<OsStr>>(
        &self,
        node: &str,
        words: impl IntoIterator<Item = S>,
    ) -> Command {
        let pid = self
            .pid("containerd", Some(node))
            .unwrap_or_else(|| self.inhabitant());
        self.inside(pid, words)
    }

    /// A kubectl command as the cluster's administrator.
    #[must_use]
    pub fn kubectl<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.exec([self.layout.bin("kubectl")]);
        command.args(words);
        command
    }

    /// Applies tanso's kinds, and these files of `config`: what an operator finds
    /// installed that runs beside an API server and not in a pod.
    ///
    /// # Errors
    /// When a file is refused.
    pub fn install_kinds_and(&self, files: &[&str]) -> Result<()> {
        let config = workspace::root().join("config");
        let kinds = ["apply", "--server-side", "-k"];
        process::output(self.kubectl(kinds).arg(config.join("crd")))?;
        for file in files {
            let one = ["apply", "--server-side", "-f"];
            process::output(self.kubectl(one).arg(config.join(file)))?;
        }
        Ok(())
    }

    /// Gives image archives to every node.
    ///
    /// # Errors
    /// When an archive is missing or refused.
    pub fn load_images<P: AsRef<Path>>(&self, archives: &[P]) -> Result<()> {
        for node in &self.state.nodes {
            for archive in archives {
                let path = fs::canonicalize(archive.as_ref())
                    .with_context(|| format!("reading \"{}\"", archive.as_ref().display()))?;
                let words = ["ctr", "--timeout=120s", "--namespace=k8s.io"];
                let mut command = self.exec_on(&node.name, words);
                command.arg("--address").arg(&node.containerd_socket);
                command.args(["images", "import"]).arg(path);
                process::output(&mut command)
                    .with_context(|| format!("loading an image on {}", node.name))?;
            }
        }
        Ok(())
    }

    /// The pid of a component, for tests that kill it: `kubelet` on a node,
    /// or a part of the control plane with no node.
    #[must_use]
    pub fn pid(&self, part: &str, node: Option<&str>) -> Option<i32> {
        let part = self.state.part(part, node)?;
        part.process.is_alive().then_some(part.process.pid)
    }

    /// The processes of the components and of all that they started, without
    /// those in containers.
    ///
    /// # Errors
    /// When the mount table cannot be read.
    pub fn part_processes(&self) -> Result<Vec<i32>> {
        cgroups::processes(&format!("{}/parts", self.state.cgroup))
    }

    /// Ends the cluster and removes all it left.
    ///
    /// # Errors
    /// When something is left; names it.
    pub fn down(self) -> Result<()> {
        down::down(&self.state.name, &self.layout).map(drop)
    }

    /// A process inside; the supervisor, or after its end any component.
    fn inhabitant(&self) -> i32 {
        let parts = self
            .state
            .parts
            .iter()
            .filter(|part| part.node.as_deref().is_none_or(|node| node == "node-0"));
        let processes = parts.map(|part| part.process);
        let supervisor = self.state.supervisor;
        let mut all = std::iter::once(supervisor).chain(processes);
        all.find(|process| process.is_alive())
            .unwrap_or(supervisor)
            .pid
    }

    fn inside<S: AsRef<OsStr>>(&self, pid: i32, words: impl IntoIterator<Item = S>) -> Command {
        let namespaces = format!("/proc/{pid}/ns");
        let mut command = Command::new("/proc/self/exe");
        command.args(["enter", "--mnt", &format!("{namespaces}/mnt")]);
        command
            .args(["--net", &format!("{namespaces}/net"), "--"])
            .args(words);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let dirs = std::iter::once(self.layout.at("bin")).chain(std::env::split_paths(&path));
        if let Ok(path) = std::env::join_paths(dirs) {
            command.env("PATH", path);
        }
        command.env("KUBECONFIG", self.kubeconfig());
        command.env("KUBECACHEDIR", self.layout.at("kubectl-cache"));
        command
    }
}

fn check_name(name: &str) -> Result<()> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || name.len() > 30 || !name.chars().all(allowed) {
        bail!("a cluster's name is 1 to 30 lower-case letters, digits and \"-\", not \"{name}\"");
    }
    Ok(())
}

fn layout(name: &str, state_dir: Option<&Path>) -> Result<Layout> {
    let dir = match state_dir {
        Some(dir) => std::path::absolute(dir).context("finding the state folder")?,
        None => workspace::cache_dir()?.join("clusters").join(name),
    };
    if dir.starts_with("/run") || dir.starts_with("/var/run") || dir.starts_with("/var/log") {
        bail!(
            "the state folder \"{}\" would be hidden inside; choose another",
            dir.display()
        );
    }
    Ok(Layout::new(dir))
}

fn wait_ready(layout: &Layout, step: &mut Step) -> Result<State> {
    let supervisor = supervise::detach(layout)?;
    let deadline = Instant::now() + Duration::from_mins(5);
    loop {
        let state = layout.read_state().ok();
        match state {
            Some(state) if state.ready => return Ok(state),
            Some(State {
                failure: Some(failure),
                ..
            }) => bail!("{failure}"),
            Some(state) => step.tick(&state.stage),
            None => step.tick("the supervisor"),
        }
        if !supervisor.is_alive() {
            bail!(
                "the supervisor ended: {}",
                process::tail(&layout.at("logs/supervisor.log"), 3000)
            );
        }
        if Instant::now() > deadline {
            bail!("nothing is ready after 5 minutes");
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// Copies the logs of a start that failed to where `down` does not remove them.
fn keep_logs(name: &str, layout: &Layout) -> PathBuf {
    let kept = workspace::target_dir()
        .join("logs")
        .join(format!("cluster-{name}"));
    let _ = fs::create_dir_all(&kept);
    if let Ok(entries) = fs::read_dir(layout.at("logs")) {
        for entry in entries.flatten() {
            let _ = fs::copy(entry.path(), kept.join(entry.file_name()));
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_could_leave_its_folder_or_group_is_refused() {
        for name in [
            "",
            "a/b",
            "..",
            "A",
            "a.b",
            "abcdefghijklmnopqrstuvwxyz-12345",
        ] {
            assert!(check_name(name).is_err(), "{name}");
        }
        check_name("tanso-2").unwrap();
    }

    #[test]
    fn a_state_folder_that_would_be_hidden_inside_is_refused() {
        assert!(layout("one", Some(Path::new("/run/x"))).is_err());
        assert!(layout("one", Some(Path::new("/srv/x"))).is_ok());
    }
}
