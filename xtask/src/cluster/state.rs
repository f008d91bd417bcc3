//! What is known about a cluster, as files in its state folder: the wish
//! (`spec.json`), what runs (`state.json`), and where everything lies.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Profile;

/// The API server's port; all clusters use the same, each in its own network.
pub const API_PORT: u16 = 16443;
/// The API server's address for everything inside the cluster's network.
pub const API_ADDRESS: &str = "10.244.0.1";

/// What the supervisor is asked to run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Spec {
    /// The cluster's name.
    pub name: String,
    /// How much of a cluster.
    pub profile: Profile,
    /// How many nodes; used with [`Profile::Node`] only.
    pub nodes: u8,
    /// Whether Services work (kube-proxy runs).
    pub services: bool,
    /// Image archives that every node gets before it is ready.
    pub images: Vec<PathBuf>,
    /// Further flags of the API server, for example an audit policy.
    pub apiserver_args: Vec<String>,
    /// Further flags of the controller manager.
    pub controller_manager_args: Vec<String>,
    /// The programs that the supervisor starts beside Kubernetes' own.
    pub programs: Programs,
}

/// Programs of the machine.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Programs {
    /// containerd; empty when no node runs.
    pub containerd: PathBuf,
    /// containerd's own command line.
    pub ctr: PathBuf,
    /// runc.
    pub runc: PathBuf,
    /// The folder of the CNI plugins.
    pub cni_dir: PathBuf,
    /// iproute2's `ip`.
    pub ip: PathBuf,
}

/// What runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The cluster's name.
    pub name: String,
    /// How much of a cluster this is.
    pub profile: Profile,
    /// The kernel's id of this boot: after another, no pid or inode here means anything.
    pub boot_id: String,
    /// What the supervisor is doing.
    pub stage: String,
    /// Whether everything asked for was ready once.
    pub ready: bool,
    /// Why the start failed.
    pub failure: Option<String>,
    /// Seconds from the supervisor's start until ready.
    pub ready_after_s: Option<f64>,
    /// The supervisor itself.
    pub supervisor: Process,
    /// The API server's URL, inside the cluster's network.
    pub api: String,
    /// An administrator's kubeconfig.
    pub kubeconfig: PathBuf,
    /// The control group of everything, relative to each hierarchy's root.
    pub cgroup: String,
    /// The nodes; the first also carries the control plane.
    pub nodes: Vec<Node>,
    /// Every component that was started.
    pub parts: Vec<Part>,
    /// Inodes of the network namespaces.
    pub netns_inodes: Vec<u64>,
}

impl State {
    /// The state folder: everything in it goes with the cluster. Pods may use
    /// folders of their own below it by `hostPath`.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.kubeconfig.parent().unwrap_or(&self.kubeconfig)
    }

    /// A component of a node, or of the control plane.
    #[must_use]
    pub fn part(&self, name: &str, node: Option<&str>) -> Option<&Part> {
        self.parts
            .iter()
            .find(|part| part.name == name && part.node.as_deref() == node)
    }
}

/// A process that cannot be mistaken for a later one with the same pid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// The process id.
    pub pid: i32,
    /// Its start time as the kernel gives it, in clock ticks since boot.
    pub start_ticks: u64,
}

impl Process {
    /// The process with this pid now, if there is one.
    #[must_use]
    pub fn find(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let start_ticks = start_ticks(&stat)?;
        Some(Self { pid, start_ticks })
    }

    /// Whether it still runs; a zombie does not.
    #[must_use]
    pub fn is_alive(self) -> bool {
        let Ok(stat) = fs::read_to_string(format!("/proc/{}/stat", self.pid)) else {
            return false;
        };
        start_ticks(&stat) == Some(self.start_ticks) && !is_zombie(&stat)
    }
}

/// Field 22 of `/proc/PID/stat`; the name before it may hold blanks and brackets.
fn start_ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(19)?.parse().ok()
}

fn is_zombie(stat: &str) -> bool {
    stat.rsplit_once(')')
        .is_some_and(|(_, rest)| rest.trim_start().starts_with(['Z', 'X']))
}

/// A node of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// The Node object's name.
    pub name: String,
    /// Its internal address.
    pub address: String,
    /// Where its pods get their addresses.
    pub pod_cidr: String,
    /// The kubelet's control group, relative to each hierarchy's root.
    pub cgroup_root: String,
    /// containerd's socket, in the cluster's mount namespace.
    pub containerd_socket: PathBuf,
    /// A name of the network namespace in the cluster's mount namespace;
    /// none when it is the supervisor's own.
    pub netns: Option<PathBuf>,
}

impl Node {
    /// The node with this number, from 0.
    #[must_use]
    pub fn new(cluster: &str, number: u8) -> Self {
        let name = format!("node-{number}");
        Self {
            address: format!("10.244.{number}.1"),
            pod_cidr: format!("10.244.{number}.0/24"),
            cgroup_root: format!("/tanso-{cluster}/{name}"),
            containerd_socket: PathBuf::from(format!("/run/tanso/{name}/containerd.sock")),
            netns: (number > 0).then(|| PathBuf::from(format!("/run/netns/{name}"))),
            name,
        }
    }
}

/// A component that the supervisor started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The component, for example `kubelet`.
    pub name: String,
    /// The node it belongs to; none for the control plane.
    pub node: Option<String>,
    /// The running process.
    pub process: Process,
    /// Where it writes.
    pub log: PathBuf,
    /// How it ended, when the supervisor saw it end.
    pub ended: Option<String>,
}

/// Where a cluster's files are.
#[derive(Debug, Clone)]
pub struct Layout {
    /// The state folder.
    pub dir: PathBuf,
}

impl Layout {
    /// The layout below a state folder.
    #[must_use]
    pub fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// A file or folder below the state folder.
    #[must_use]
    pub fn at(&self, relative: &str) -> PathBuf {
        self.dir.join(relative)
    }

    /// The administrator's kubeconfig.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.at("kubeconfig")
    }

    /// The components under their own names.
    #[must_use]
    pub fn bin(&self, component: &str) -> PathBuf {
        self.at("bin").join(component)
    }

    /// The log of a component.
    #[must_use]
    pub fn log(&self, component: &str, node: Option<&str>) -> PathBuf {
        let file = node.map_or(format!("{component}.log"), |node| {
            format!("{component}.{node}.log")
        });
        self.at("logs").join(file)
    }

    /// What was asked for.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read_spec(&self) -> Result<Spec> {
        read_json(&self.at("spec.json"))
    }

    /// What runs, as last written.
    ///
    /// # Errors
    /// When there is none or it cannot be read.
    pub fn read_state(&self) -> Result<State> {
        read_json(&self.at("state.json"))
    }

    /// Writes what was asked for.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_spec(&self, spec: &Spec) -> Result<()> {
        write_json(&self.at("spec.json"), spec)
    }

    /// Replaces what runs; a reader sees the old or the new, never half of it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_state(&self, state: &State) -> Result<()> {
        write_json(&self.at("state.json"), state)
    }
}

/// The kernel's id of this boot.
#[must_use]
pub fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text =
        fs::read_to_string(path).with_context(|| format!("reading \"{}\"", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("reading \"{}\"", path.display()))
}

/// Writes JSON by way of a second file.
///
/// # Errors
/// When it cannot be written.
pub fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let text = serde_json::to_string_pretty(value).context("encoding a file as JSON")?;
    let partial = path.with_extension("partial");
    fs::write(&partial, text)
        .and_then(|()| fs::rename(&partial, path))
        .with_context(|| format!("writing \"{}\"", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        State {
            name: "one".into(),
            profile: Profile::Node,
            boot_id: boot_id(),
            stage: "ready".into(),
            ready: true,
            failure: None,
            ready_after_s: None,
            supervisor: Process {
                pid: 17,
                start_ticks: 23,
            },
            api: "https://10.244.0.1:16443".into(),
            kubeconfig: "/x/kubeconfig".into(),
            cgroup: "/tanso-one".into(),
            nodes: vec![Node::new("one", 0), Node::new("one", 1)],
            parts: vec![Part {
                name: "etcd".into(),
                node: None,
                process: Process {
                    pid: 19,
                    start_ticks: 29,
                },
                log: "/x/logs/etcd.log".into(),
                ended: Some("signal: 9".into()),
            }],
            netns_inodes: vec![31],
        }
    }

    #[test]
    fn a_state_comes_back_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path().to_path_buf());
        assert!(layout.read_state().is_err());
        layout.write_state(&state()).unwrap();
        assert_eq!(layout.read_state().unwrap(), state());
        assert_eq!(
            fs::read_dir(dir.path()).unwrap().count(),
            1,
            "no partial file stays"
        );
    }

    #[test]
    fn half_a_state_file_is_refused_with_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path().to_path_buf());
        fs::write(layout.at("state.json"), "{\"name\": \"one\"").unwrap();
        let error = format!("{:#}", layout.read_state().unwrap_err());
        assert!(error.contains("state.json"), "{error}");
    }

    #[test]
    fn a_start_time_is_found_behind_a_name_with_brackets_and_blanks() {
        let stat = "42 (a) (b c) S 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 777 1 2";
        assert_eq!(start_ticks(stat), Some(777));
        assert!(!is_zombie(stat));
        assert!(is_zombie("42 (Z) Z 1 42"));
    }

    #[test]
    fn this_process_is_alive_and_one_with_its_pid_from_another_time_is_not() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let me = Process::find(pid).unwrap();
        assert!(me.is_alive());
        assert!(
            !Process {
                pid,
                start_ticks: me.start_ticks + 1
            }
            .is_alive()
        );
    }

    #[test]
    fn nodes_share_nothing() {
        let (first, second) = (Node::new("one", 0), Node::new("one", 1));
        assert_ne!(first.pod_cidr, second.pod_cidr);
        assert_ne!(first.cgroup_root, second.cgroup_root);
        assert_ne!(first.containerd_socket, second.containerd_socket);
        assert_ne!(first.cgroup_root, Node::new("two", 0).cgroup_root);
    }
}
