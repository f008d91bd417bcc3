//! The process that keeps a cluster: makes its namespaces, starts every
//! component, waits until all is ready, then writes down what ends. It never
//! restarts anything and never cleans up: `cluster down` does, and must be
//! able to without it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, setsid};

use super::config::{self, NodeFiles};
use super::isolate::{isolate, netns_inode};
use super::pki::Pki;
use super::state::{API_ADDRESS, API_PORT, Layout, Node, Part, Process, Spec, State, boot_id};
use super::{Profile, cgroups, network, parts};
use crate::process;

const PATIENCE: Duration = Duration::from_mins(2);

/// Which cluster to keep.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The cluster's state folder, with its `spec.json`
    #[arg(long)]
    state_dir: PathBuf,
}

/// Keeps the cluster until its last process has ended.
///
/// # Errors
/// When the start fails; the state says so too.
pub fn run(args: &Args) -> Result<()> {
    // A session of its own: a terminal's end does not end the cluster.
    let _ = setsid();
    let _ = prctl::set_name(c"tanso-cluster");
    let layout = Layout::new(args.state_dir.clone());
    let spec = layout.read_spec()?;
    let mut keeper = Keeper::new(layout, spec)?;
    if let Err(error) = keeper.start() {
        let failure = format!("{error:#}");
        eprintln!("{failure}");
        keeper.state.failure = Some(failure);
        keeper.write()?;
        return Err(error);
    }
    keeper.keep()
}

struct Keeper {
    layout: Layout,
    spec: Spec,
    state: State,
    started: Instant,
}

impl Keeper {
    fn new(layout: Layout, spec: Spec) -> Result<Self> {
        let pid = i32::try_from(std::process::id()).context("a pid fits 31 bits")?;
        let cgroup = format!("/tanso-{}", spec.name);
        let nodes: Vec<_> = (0..spec.nodes)
            .map(|number| Node::new(&spec.name, number))
            .collect();
        let state = State {
            name: spec.name.clone(),
            profile: spec.profile,
            boot_id: boot_id(),
            stage: "namespaces".into(),
            ready: false,
            failure: None,
            ready_after_s: None,
            supervisor: Process::find(pid).context("reading this process's start time")?,
            api: format!("https://{API_ADDRESS}:{API_PORT}"),
            kubeconfig: layout.kubeconfig(),
            cgroup,
            nodes,
            parts: Vec::new(),
            netns_inodes: Vec::new(),
        };
        Ok(Self {
            layout,
            spec,
            state,
            started: Instant::now(),
        })
    }

    fn write(&self) -> Result<()> {
        self.layout.write_state(&self.state)
    }

    fn stage(&mut self, stage: &str) -> Result<()> {
        eprintln!("{:8.3} {stage}", self.started.elapsed().as_secs_f64());
        stage.clone_into(&mut self.state.stage);
        self.write()
    }

    fn start(&mut self) -> Result<()> {
        self.prepare()?;
        let pki = Pki::create(&self.layout.at("pki"), &self.state.nodes)?;
        pki.kubeconfig("admin", &self.layout.kubeconfig())?;
        for name in ["kube-controller-manager", "kube-scheduler", "kube-proxy"] {
            pki.kubeconfig(name, &self.layout.at(&format!("{name}.kubeconfig")))?;
        }
        self.stage("etcd")?;
        self.launch("etcd", None, &parts::etcd(&self.layout))?;
        let nodes = self.state.nodes.clone();
        let mut files = Vec::new();
        for node in &nodes {
            let written = config::write(&self.layout, &pki, &self.spec.programs, node)?;
            self.launch("containerd", Some(node), &parts::containerd(&written))?;
            files.push(written);
        }
        self.until("etcd's port", || {
            listens(SocketAddr::from(([127, 0, 0, 1], 2379)))
        })?;
        self.stage("kube-apiserver")?;
        self.launch("kube-apiserver", None, &parts::apiserver(&self.spec, &pki))?;
        for node in &nodes {
            self.until("containerd's socket", || node.containerd_socket.exists())?;
            for image in self.spec.images.clone() {
                self.import(node, &image)?;
            }
        }
        self.until("the API server's port", || {
            listens(([127, 0, 0, 1], API_PORT).into())
        })?;
        self.until_kubectl(&["get", "--raw", "/livez"])?;
        self.start_control(&pki)?;
        if self.spec.services {
            self.stage("coredns")?;
            parts::write_corefile(&self.layout)?;
            self.launch("coredns", None, &parts::coredns(&self.layout))?;
        }
        self.start_nodes(&nodes, &files)?;
        self.until_kubectl(&["get", "--raw", "/readyz"])?;
        self.wait_control()?;
        self.wait_nodes(&nodes)?;
        self.state.ready = true;
        self.state.ready_after_s = Some(self.started.elapsed().as_secs_f64());
        self.stage("ready")
    }

    /// Namespaces, control groups, networks and the components under their names.
    fn prepare(&mut self) -> Result<()> {
        self.write()?;
        cgroups::create(&format!("{}/keeper", self.state.cgroup))?;
        cgroups::create(&format!("{}/parts", self.state.cgroup))?;
        for node in &self.state.nodes {
            cgroups::create(&node.cgroup_root)?;
        }
        cgroups::join(&format!("{}/keeper", self.state.cgroup))?;
        isolate(&self.layout, &self.spec)?;
        self.state
            .netns_inodes
            .push(netns_inode(Path::new("/proc/self/ns/net"))?);
        self.stage("network")?;
        if self.state.nodes.is_empty() {
            let lone = [Node::new(&self.spec.name, 0)];
            network::create(&self.spec.programs.ip, &lone)?;
        } else {
            network::create(&self.spec.programs.ip, &self.state.nodes)?;
        }
        for netns in self
            .state
            .nodes
            .iter()
            .filter_map(|node| node.netns.as_deref())
        {
            self.state.netns_inodes.push(netns_inode(netns)?);
        }
        fs::create_dir_all(self.layout.at("tmp")).context("creating \"tmp\"")?;
        self.write()
    }

    fn start_control(&mut self, pki: &Pki) -> Result<()> {
        if self.spec.profile == Profile::Api {
            return Ok(());
        }
        self.stage("kube-controller-manager, kube-scheduler")?;
        let words = parts::controller_manager(&self.spec, &self.layout, pki);
        self.launch("kube-controller-manager", None, &words)?;
        self.launch("kube-scheduler", None, &parts::scheduler(&self.layout))
    }

    fn start_nodes(&mut self, nodes: &[Node], files: &[NodeFiles]) -> Result<()> {
        for (node, files) in nodes.iter().zip(files) {
            self.stage(&format!("kubelet of {}", node.name))?;
            self.launch("kubelet", Some(node), &parts::kubelet(files, node))?;
            if self.spec.services {
                self.launch("kube-proxy", Some(node), &parts::kube_proxy(files))?;
            }
            // In turn, so that the first node gets the first range of pod addresses.
            self.kubectl_wait(&["--for=create", &format!("node/{}", node.name)])?;
        }
        Ok(())
    }

    fn wait_control(&mut self) -> Result<()> {
        if self.spec.profile == Profile::Api {
            return Ok(());
        }
        self.stage("the first service account")?;
        self.kubectl_wait(&[
            "--for=create",
            "serviceaccount/default",
            "--namespace=default",
        ])
    }

    fn wait_nodes(&mut self, nodes: &[Node]) -> Result<()> {
        for node in nodes {
            self.stage(&format!("node {} to be ready", node.name))?;
            self.kubectl_wait(&["--for=condition=Ready", &format!("node/{}", node.name)])?;
        }
        Ok(())
    }

    /// Starts a component with its output in a file: a pipe would be held open by pods.
    fn launch(&mut self, name: &str, node: Option<&Node>, words: &[OsString]) -> Result<()> {
        let program = if name == "containerd" {
            self.spec.programs.containerd.clone()
        } else {
            self.layout.bin(name)
        };
        // In a group apart from ours: `down` ends the components first, and we
        // reap them.
        let mut command = Command::new("/proc/self/exe");
        command.args(["enter", "--cgroup", &format!("{}/parts", self.state.cgroup)]);
        if let Some((node, netns)) = node.and_then(|node| Some((node, node.netns.as_deref()?))) {
            // The first program of a further node makes its mounts, the others enter them.
            match self.state.part("containerd", Some(&node.name)) {
                None => {
                    command
                        .arg("--net")
                        .arg(netns)
                        .args(["--split-mounts", &node.name]);
                    command.arg("--state-dir").arg(&self.layout.dir);
                }
                Some(first) => {
                    let namespaces = format!("/proc/{}/ns", first.process.pid);
                    command.arg("--mnt").arg(format!("{namespaces}/mnt"));
                    command.arg("--net").arg(format!("{namespaces}/net"));
                }
            }
        }
        command.arg("--").arg(&program);
        let log = self.layout.log(name, node.map(|node| node.name.as_str()));
        let file = File::create(&log).with_context(|| format!("creating \"{}\"", log.display()))?;
        let copy = file.try_clone().context("opening a log twice")?;
        command
            .args(words)
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(copy);
        command
            .env("TMPDIR", self.layout.at("tmp"))
            .env_remove("KUBECONFIG");
        let child = command
            .spawn()
            .with_context(|| format!("starting \"{}\"", program.display()))?;
        let pid = i32::try_from(child.id()).context("a pid fits 31 bits")?;
        self.state.parts.push(Part {
            name: name.to_owned(),
            node: node.map(|node| node.name.clone()),
            process: Process::find(pid).unwrap_or(Process {
                pid,
                start_ticks: 0,
            }),
            log,
            ended: None,
        });
        self.write()
    }

    /// Waits for a condition; fails as soon as a component has ended.
    fn until(&mut self, what: &str, mut holds: impl FnMut() -> bool) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !holds() {
            self.none_ended()?;
            if Instant::now() > deadline {
                bail!("waiting for {what}: nothing after {} s", PATIENCE.as_secs());
            }
            thread::sleep(Duration::from_millis(25));
        }
        Ok(())
    }

    fn until_kubectl(&mut self, words: &[&str]) -> Result<()> {
        let mut command = self.kubectl(words);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        self.until(&format!("kubectl {}", words.join(" ")), || {
            command.status().is_ok_and(|status| status.success())
        })
    }

    fn kubectl_wait(&mut self, words: &[&str]) -> Result<()> {
        let mut command = self.kubectl(&["wait", "--timeout=120s"]);
        command.args(words);
        self.tool(&mut command)
    }

    fn import(&mut self, node: &Node, image: &Path) -> Result<()> {
        let mut command = Command::new(&self.spec.programs.ctr);
        command.arg("--address").arg(&node.containerd_socket);
        command
            .args(["--timeout=60s", "--namespace=k8s.io", "images", "import"])
            .arg(image);
        // The socket may be there a moment before it answers.
        self.tool(&mut command)
    }

    /// Runs a program to its end while watching the components.
    fn tool(&mut self, command: &mut Command) -> Result<()> {
        let log = self.layout.at("logs/tools.log");
        let file = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| format!("opening \"{}\"", log.display()))?;
        let copy = file.try_clone().context("opening a log twice")?;
        let shown = process::shown(command);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(copy)
            .spawn()
            .with_context(|| format!("starting `{shown}`"))?;
        loop {
            if let Some(status) = child.try_wait().context("waiting for a child")? {
                if status.success() {
                    return Ok(());
                }
                bail!("`{shown}` failed: {status}: {}", process::tail(&log, 1000));
            }
            self.none_ended()?;
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn kubectl(&self, words: &[&str]) -> Command {
        let mut command = Command::new(self.layout.bin("kubectl"));
        command
            .arg("--kubeconfig")
            .arg(self.layout.kubeconfig())
            .args(words);
        command.env("KUBECACHEDIR", self.layout.at("kubectl-cache"));
        command
    }

    fn none_ended(&mut self) -> Result<()> {
        for index in 0..self.state.parts.len() {
            let Some(part) = self
                .state
                .parts
                .get(index)
                .filter(|part| part.ended.is_none())
            else {
                continue;
            };
            let pid = Pid::from_raw(part.process.pid);
            match waitpid(pid, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) => {}
                ended => {
                    let (name, log) = (part.name.clone(), part.log.clone());
                    self.record_end(pid, &how(ended))?;
                    bail!(
                        "{name} ended; the end of its log:\n{}",
                        process::tail(&log, 3000)
                    );
                }
            }
        }
        Ok(())
    }

    fn record_end(&mut self, pid: Pid, how: &str) -> Result<()> {
        let parts = &mut self.state.parts;
        if let Some(part) = parts
            .iter_mut()
            .find(|part| part.process.pid == pid.as_raw())
        {
            part.ended = Some(how.to_owned());
            let node = part.node.as_deref().unwrap_or("the control plane");
            eprintln!("{} of {node} ended: {how}; the end of its log:", part.name);
            eprintln!("{}", process::tail(&part.log, 3000));
            return self.write();
        }
        Ok(())
    }

    /// Reaps children and adopted orphans until there are none.
    fn keep(&mut self) -> Result<()> {
        loop {
            match waitpid(None, None) {
                Err(Errno::ECHILD) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error).context("waiting for the components"),
                Ok(status) => {
                    if let Some(pid) = status.pid() {
                        self.record_end(pid, &how(Ok(status)))?;
                    }
                }
            }
        }
    }
}

fn how(status: nix::Result<WaitStatus>) -> String {
    match status {
        Ok(WaitStatus::Exited(_, code)) => format!("exit status {code}"),
        Ok(WaitStatus::Signaled(_, signal, _)) => format!("signal {signal}"),
        Ok(other) => format!("{other:?}"),
        Err(error) => format!("unknown ({error})"),
    }
}

fn listens(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok()
}

/// Starts the supervisor of a prepared state folder and does not wait for it.
///
/// # Errors
/// When it cannot be started.
pub fn detach(layout: &Layout) -> Result<Process> {
    let log = layout.at("logs/supervisor.log");
    let file = File::create(&log).with_context(|| format!("creating \"{}\"", log.display()))?;
    let copy = file.try_clone().context("opening a log twice")?;
    let child = Command::new("/proc/self/exe")
        .arg0("tanso-cluster")
        .args(["cluster-supervise", "--state-dir"])
        .arg(&layout.dir)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(copy)
        .spawn()
        .context("starting the cluster's supervisor")?;
    let pid = i32::try_from(child.id()).context("a pid fits 31 bits")?;
    Process::find(pid).context("the cluster's supervisor ended at once; see its log")
}

/// Gives each component a file of its own name in the state folder.
///
/// # Errors
/// When a link cannot be made.
pub fn link_components(
    layout: &Layout,
    parts: &crate::kubeparts::Parts,
    services: bool,
) -> Result<()> {
    let dir = layout.at("bin");
    fs::create_dir_all(&dir).with_context(|| format!("creating \"{}\"", dir.display()))?;
    for name in crate::kubeparts::COMPONENTS {
        let link = layout.bin(name);
        symlink(parts.file(name), &link)
            .with_context(|| format!("linking \"{}\"", link.display()))?;
    }
    if services {
        let link = layout.bin("coredns");
        symlink(crate::kubeparts::dns()?, &link)
            .with_context(|| format!("linking \"{}\"", link.display()))?;
    }
    Ok(())
}
