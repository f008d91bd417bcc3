//! Runs the agent under the least rights that it asks for, then without each
//! of them, and shows what it says is missing and what is left.
//!
//! A container runtime starts it as a kubelet's would: capabilities in the
//! bounding, permitted and effective sets alone, no new privileges, the seccomp
//! profile that is shipped, a read-only root, the host's trees read-only, but for
//! an energy register that is made here: which rights are missing is the same on
//! machines with and without one. Needs root and `runc`; leaves nothing behind.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::packages::{self, Need};
use crate::{ebpf, process, workspace};

/// How long an agent may take to its first figures.
const PATIENCE: Duration = Duration::from_secs(90);

const RUNTIME: Need = Need {
    file: "runc",
    package: "runc",
};

/// What is run.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// An agent that is built already; else one is built
    #[arg(long, value_name = "FILE")]
    agent: Option<PathBuf>,
}

/// One way to be started.
struct Case {
    name: &'static str,
    /// Capabilities of [`MINIMAL`] that are taken away.
    without: &'static [&'static str],
    uid: u32,
    host_pids: bool,
    /// Whether the host's /proc shows the processes of others.
    process_files: bool,
    /// Who alone may read the energy register.
    register_of: u32,
    seccomp: Seccomp,
    /// Where CPU time must come from.
    rung: &'static str,
    /// The rights that must be told as missing.
    missing: &'static [&'static str],
    /// The state of the meter that reads the energy register.
    rapl: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Seccomp {
    Shipped,
    /// The shipped one without the calls of kernel programs.
    WithoutBpf,
}

const MINIMAL: [&str; 2] = ["CAP_BPF", "CAP_PERFMON"];

/// Another user than root.
const NOBODY: u32 = 65_534;

/// With all that it asks for.
const WHOLE: Case = Case {
    name: "minimal",
    without: &[],
    uid: 0,
    host_pids: true,
    process_files: true,
    register_of: 0,
    seccomp: Seccomp::Shipped,
    rung: "ebpf",
    missing: &[],
    rapl: "active",
};

const CASES: [Case; 8] = [
    WHOLE,
    Case {
        name: "without BPF",
        without: &["CAP_BPF"],
        rung: "cgroup-files",
        missing: &["bpf"],
        ..WHOLE
    },
    Case {
        name: "without PERFMON",
        without: &["CAP_PERFMON"],
        rung: "cgroup-files",
        missing: &["perfmon"],
        ..WHOLE
    },
    Case {
        name: "without hostPID",
        host_pids: false,
        rung: "cgroup-files",
        missing: &["host_pids"],
        ..WHOLE
    },
    Case {
        name: "without processes",
        process_files: false,
        missing: &["process_files"],
        ..WHOLE
    },
    Case {
        name: "without registers",
        register_of: NOBODY,
        missing: &["energy_files"],
        rapl: "failed",
        ..WHOLE
    },
    Case {
        name: "not as root",
        uid: NOBODY,
        rung: "cgroup-files",
        missing: &["bpf", "perfmon", "energy_files"],
        rapl: "failed",
        ..WHOLE
    },
    Case {
        name: "seccomp without bpf",
        seccomp: Seccomp::WithoutBpf,
        rung: "cgroup-files",
        ..WHOLE
    },
];

/// Runs every case.
///
/// # Errors
/// When an agent does not start, or says something else than it lacks.
pub fn run(args: &Args) -> Result<()> {
    packages::ensure(&[RUNTIME], "running containers")?;
    let agent = match &args.agent {
        Some(built) => built.clone(),
        None => built()?,
    };
    println!(
        "{:<20} {:<13} {:<25} {:<8} log",
        "RIGHTS", "CPU TIME", "MISSING", "RAPL"
    );
    let mut wrong = Vec::new();
    for case in &CASES {
        let found = look(case, &agent).with_context(|| format!("case \"{}\"", case.name))?;
        let missing = match found.missing.as_slice() {
            [] => "-".to_owned(),
            names => names.join(","),
        };
        println!(
            "{:<20} {:<13} {missing:<25} {:<8} {}",
            case.name, found.rung, found.rapl, found.log
        );
        if found.rung != case.rung || found.missing != case.missing || found.rapl != case.rapl {
            wrong.push(case.name);
        }
    }
    if !wrong.is_empty() {
        bail!("not as expected: {}", wrong.join(", "));
    }
    Ok(())
}

fn built() -> Result<PathBuf> {
    let mut build = Command::new("cargo");
    build
        .current_dir(workspace::root())
        .args(["build", "--package", "tanso-agent"]);
    ebpf::give(&mut build);
    process::run(&mut build)?;
    Ok(workspace::target_dir().join("debug/tanso-agent"))
}

/// What an agent said.
struct Found {
    rung: String,
    missing: Vec<String>,
    rapl: String,
    log: String,
}

fn look(case: &Case, agent: &Path) -> Result<Found> {
    let work = tempfile::tempdir().context("making a directory")?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let bundle = work.path();
    // The user of a case must be able to look in.
    for folder in ["rootfs", "state"] {
        fs::create_dir(bundle.join(folder))?;
    }
    std::os::unix::fs::chown(bundle.join("state"), Some(case.uid), Some(case.uid))?;
    let tree = Tree::make(&bundle.join("sys"), case.register_of)?;
    let config = configuration(case, agent, bundle, &tree, port)?;
    fs::write(bundle.join("config.json"), config.to_string())?;
    let log = bundle.join("log");
    let running = Running::start(bundle, &log, port)?;
    let begin = Instant::now();
    let text = loop {
        let text = scrape(port).unwrap_or_default();
        if text.contains("tanso_cpu_time_source_info{") {
            break text;
        }
        if begin.elapsed() > PATIENCE {
            let said = fs::read_to_string(&log).unwrap_or_default();
            bail!("no figures after {} s: {said}", PATIENCE.as_secs());
        }
        thread::sleep(Duration::from_millis(300));
    };
    drop(running);
    let said = fs::read_to_string(&log).unwrap_or_default();
    Ok(Found {
        rung: label(&text, "tanso_cpu_time_source_info{", "rung").unwrap_or_default(),
        missing: text
            .lines()
            .filter(|line| line.starts_with("tanso_right_held{") && line.ends_with(" 0"))
            .filter_map(|line| label(line, "tanso_right_held{", "right"))
            .collect(),
        rapl: text
            .lines()
            .filter(|line| line.ends_with(" 1"))
            .find_map(|line| label(line, "tanso_meter_state{meter=\"rapl\"", "state"))
            .unwrap_or_default(),
        log: reason(&said),
    })
}

/// The reason that the log gives against the best source.
fn reason(log: &str) -> String {
    let line = log.lines().find(|line| line.contains("is not used"));
    let reason = line.and_then(|line| line.split_once("reason="));
    reason.map_or_else(|| "-".to_owned(), |(_, reason)| reason.to_owned())
}

fn label(text: &str, family: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(family))?;
    let (_, rest) = line.split_once(&format!("{name}=\""))?;
    rest.split_once('"').map(|(value, _)| value.to_owned())
}

fn scrape(port: u16) -> Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

/// The agent in its container; gone when it is dropped.
struct Running {
    child: Child,
    name: String,
}

impl Running {
    fn start(bundle: &Path, log: &Path, port: u16) -> Result<Self> {
        let name = format!("tanso-rights-{}-{port}", std::process::id());
        let log = fs::File::create(log)?;
        let child = Command::new("runc")
            .args(["run", "--bundle"])
            .arg(bundle)
            .arg(&name)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("starting runc")?;
        Ok(Self { child, name })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let delete = Command::new("runc")
            .args(["delete", "--force", &self.name])
            .stderr(Stdio::null())
            .status();
        if delete.is_err() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// A tree for sysfs: the machine's, but for the classes of devices, of which
/// there is one energy register.
struct Tree {
    root: PathBuf,
    /// What of the machine's is mounted in it.
    mounted: Vec<String>,
}

impl Tree {
    fn make(root: &Path, register_of: u32) -> Result<Self> {
        let zone = root.join("class/powercap/intel-rapl:0");
        fs::create_dir_all(&zone)?;
        fs::write(zone.join("name"), "package-0\n")?;
        fs::write(zone.join("max_energy_range_uj"), "262143328850\n")?;
        let register = zone.join("energy_uj");
        fs::write(&register, "1000000\n")?;
        std::os::unix::fs::chown(&register, Some(register_of), Some(register_of))?;
        // As the kernel has it since 5.10: its owner alone may read it.
        fs::set_permissions(&register, fs::Permissions::from_mode(0o400))?;
        let mut mounted = Vec::new();
        for entry in fs::read_dir("/sys").context("reading \"/sys\"")? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name != "class" && entry.file_type()?.is_dir() {
                fs::create_dir(root.join(&name))?;
                mounted.push(name);
            }
        }
        Ok(Self {
            root: root.to_owned(),
            mounted,
        })
    }
}

fn configuration(
    case: &Case,
    agent: &Path,
    bundle: &Path,
    tree: &Tree,
    port: u16,
) -> Result<Value> {
    let held: Vec<&str> = MINIMAL
        .into_iter()
        .filter(|name| !case.without.contains(name))
        .collect();
    let mut namespaces = vec![json!({"type": "mount"}), json!({"type": "ipc"})];
    if !case.host_pids {
        namespaces.push(json!({"type": "pid"}));
    }
    Ok(json!({
        "ociVersion": "1.0.2",
        "root": {"path": "rootfs", "readonly": true},
        "process": {
            "terminal": false,
            "user": {"uid": case.uid, "gid": case.uid},
            "cwd": "/",
            "env": ["PATH=/usr/bin", "NO_COLOR=1"],
            "args": [
                "/agent", format!("--listen=127.0.0.1:{port}"), "--state-dir=/state",
                "--host-proc=/host/proc", "--host-sys=/host/sys", "--host-cgroup=/host/sys/fs/cgroup",
                "--meters=rapl,fake", "--kubernetes=off", "--interval=100ms", "--node-name=node-1"
            ],
            "capabilities": {"bounding": held, "permitted": held, "effective": held},
            "noNewPrivileges": true
        },
        "mounts": mounts(case, agent, bundle, tree),
        "linux": {"namespaces": namespaces, "seccomp": seccomp(case.seccomp)?}
    }))
}

fn mounts(case: &Case, agent: &Path, bundle: &Path, tree: &Tree) -> Vec<Value> {
    let bind = |from: &Path, to: &str, how: &str| {
        json!({
            "destination": to, "type": "bind", "source": from, "options": ["rbind", how]
        })
    };
    let mut mounts = vec![
        json!({"destination": "/proc", "type": "proc", "source": "proc"}),
        bind(agent, "/agent", "ro"),
        bind(&bundle.join("state"), "/state", "rw"),
        if case.process_files {
            bind(Path::new("/proc"), "/host/proc", "ro")
        } else {
            // The group that sees all is root's where none is named.
            json!({
                "destination": "/host/proc", "type": "proc", "source": "proc",
                "options": ["ro", "hidepid=2", format!("gid={NOBODY}")]
            })
        },
        bind(&tree.root, "/host/sys", "ro"),
        bind(Path::new("/sys"), "/sys", "ro"),
    ];
    for name in &tree.mounted {
        let from = Path::new("/sys").join(name);
        mounts.push(bind(&from, &format!("/host/sys/{name}"), "ro"));
    }
    // The shared libraries of a build for this machine.
    for folder in ["/usr/lib", "/usr/lib64", "/lib", "/lib64"] {
        let path = Path::new(folder);
        if path.is_dir() {
            mounts.push(bind(path, folder, "ro"));
        }
    }
    mounts
}

fn seccomp(which: Seccomp) -> Result<Value> {
    let file = workspace::root().join("config/seccomp/tanso-agent.json");
    let text =
        fs::read_to_string(&file).with_context(|| format!("reading \"{}\"", file.display()))?;
    let mut profile: Value = serde_json::from_str(&text)?;
    let groups = profile
        .get_mut("syscalls")
        .and_then(Value::as_array_mut)
        .context("the profile has no \"syscalls\"")?;
    if which == Seccomp::WithoutBpf {
        let has_bpf = |group: &Value| {
            let names = group.get("names").and_then(Value::as_array);
            names.is_some_and(|names| names.iter().any(|name| name == "bpf"))
        };
        groups.retain(|group| !has_bpf(group));
    }
    Ok(profile)
}
