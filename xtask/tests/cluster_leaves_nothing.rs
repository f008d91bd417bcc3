//! A real cluster with a node and a running pod, ended in the worst ways:
//! afterwards the machine is as it was before.
//!
//! Needs root; says so and passes without.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it must be"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use xtask::cluster::assert_clean_at;
use xtask::cluster::state::{Layout, State};

const POD: &str = "\
apiVersion: v1
kind: Pod
metadata:
  name: one
spec:
  terminationGracePeriodSeconds: 0
  containers:
    - name: only
      image: localhost/tanso/pause:1
      imagePullPolicy: Never
      volumeMounts:
        - name: scratch
          mountPath: /scratch
  volumes:
    - name: scratch
      emptyDir:
        medium: Memory
";

struct Ground {
    name: String,
    // Dropped last: the state folder is inside.
    dir: tempfile::TempDir,
}

impl Ground {
    fn new(name: &str) -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("skipped: a cluster needs root");
            return None;
        }
        let name = format!("{name}-{}", std::process::id());
        Some(Self {
            name,
            dir: tempfile::tempdir().unwrap(),
        })
    }

    fn state_dir(&self) -> std::path::PathBuf {
        self.dir.path().join("state")
    }

    fn state(&self) -> Option<State> {
        Layout::new(self.state_dir()).read_state().ok()
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command
            .arg("cluster")
            .args(words)
            .args(["--name", &self.name, "--state-dir"]);
        command.arg(self.state_dir());
        command
    }

    fn kubectl(&self, words: &[&str]) -> Command {
        let mut command = self.command(&["kubectl"]);
        command.arg("--").args(words);
        command
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        // Also when an assertion failed.
        let _ = self.command(&["down"]).output();
    }
}

fn succeeds(command: &mut Command) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let stdout = String::from_utf8_lossy(&stdout).into_owned();
    assert!(
        status.success(),
        "{stdout}{}",
        String::from_utf8_lossy(&stderr)
    );
    stdout
}

fn names(dir: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path().display().to_string())
        .collect()
}

/// What a cluster could touch outside its own folder. Only names that its
/// components use: other tests may be at work on the same machine.
fn machine() -> BTreeSet<String> {
    let words = [
        "cni",
        "containerd",
        "containers",
        "kube",
        "netns",
        "node-",
        "pods",
        "tanso0",
    ];
    let mut found = BTreeSet::new();
    for dir in [
        "/run",
        "/run/netns",
        "/opt",
        "/var/lib",
        "/var/log",
        "/sys/class/net",
    ] {
        let names = names(dir).into_iter();
        found.extend(names.filter(|name| words.iter().any(|word| name.contains(word))));
    }
    found.extend(
        names("/run")
            .into_iter()
            .filter(|name| name.ends_with("xtables.lock")),
    );
    for file in [
        "vm/overcommit_memory",
        "kernel/panic",
        "kernel/panic_on_oops",
    ] {
        let value = fs::read_to_string(Path::new("/proc/sys").join(file)).unwrap();
        found.insert(format!("{file}={value}"));
    }
    found
}

fn start_pod(ground: &Ground) {
    let mut child = ground
        .kubectl(&["create", "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), POD.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    succeeds(&mut ground.kubectl(&["wait", "--for=condition=Ready", "pod/one", "--timeout=60s"]));
}

fn kill_supervisor(ground: &Ground) {
    let supervisor = ground.state().unwrap().supervisor;
    kill(Pid::from_raw(supervisor.pid), Signal::SIGKILL).unwrap();
    let deadline = Instant::now() + Duration::from_secs(5);
    while supervisor.is_alive() {
        assert!(Instant::now() < deadline, "the supervisor outlives SIGKILL");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_killed_supervisor_leaves_a_cluster_that_works_and_that_down_removes_whole() {
    let Some(ground) = Ground::new("killed") else {
        return;
    };
    let before = machine();
    succeeds(&mut ground.command(&["up"]));
    start_pod(&ground);
    assert!(
        assert_clean_at(&ground.name, &ground.state_dir()).is_err(),
        "it sees what runs"
    );

    kill_supervisor(&ground);
    let status = ground.command(&["status"]).output().unwrap();
    assert!(!status.status.success());
    let said = String::from_utf8_lossy(&status.stderr).into_owned();
    assert!(said.contains("supervisor died"), "{said}");
    let pods = succeeds(&mut ground.kubectl(&["get", "pods", "--no-headers"]));
    assert!(pods.contains("Running"), "{pods}");

    succeeds(&mut ground.command(&["down"]));
    assert_clean_at(&ground.name, &ground.state_dir()).unwrap();
    let new: Vec<_> = machine().difference(&before).cloned().collect();
    assert!(new.is_empty(), "new on the machine: {new:?}");
}

#[test]
fn half_a_start_that_lost_its_state_is_removed_by_its_name() {
    let Some(ground) = Ground::new("half") else {
        return;
    };
    let mut up = ground
        .command(&["up"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_mins(10);
    while ground.state().is_none_or(|state| state.parts.len() < 3) {
        assert!(Instant::now() < deadline, "the start does not get anywhere");
        thread::sleep(Duration::from_millis(10));
    }
    // First the one that would clean up, then the one that would go on.
    up.kill().unwrap();
    up.wait().unwrap();
    kill_supervisor(&ground);
    fs::remove_file(ground.state_dir().join("state.json")).unwrap();

    succeeds(&mut ground.command(&["down"]));
    assert_clean_at(&ground.name, &ground.state_dir()).unwrap();
    let again = succeeds(&mut ground.command(&["down"]));
    assert!(again.contains("was not there"), "{again}");
}
