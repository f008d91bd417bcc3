//! Control groups of a test's own on this node, and commands within them.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use tanso_agent::{
    host::{GroupSource, Hierarchies, HostRoots, cgroup::UsageFiles},
    kernel::{CpuReading, EbpfCpu, EbpfOptions, Group, KernelError, Rights, TaskKind},
    workloads::CgroupId,
};

/// Counts a shell's own work: about 0.1 s for 100,000.
pub(crate) const BURN: &str = "burn() { n=0; while [ $n -lt $1 ]; do n=$((n+1)); done; }";

/// Opens the kernel programs, or says why this machine cannot. Where they are
/// built and the rights are there, and in continuous integration, a machine that
/// cannot is a failure.
pub(crate) fn open(options: EbpfOptions) -> Option<EbpfCpu> {
    open_on(&HostRoots::default(), options)
}

/// The same, with some of the machine's files elsewhere.
pub(crate) fn open_on(roots: &HostRoots, options: EbpfOptions) -> Option<EbpfCpu> {
    let ground = |error: KernelError| {
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(next) = cause {
            text = format!("{text}: {next}");
            cause = next.source();
        }
        text
    };
    match EbpfCpu::open(roots, options) {
        Ok(cpu) => Some(cpu),
        Err(error) => {
            let should = !matches!(error, KernelError::NoObject)
                && Rights::of_self().missing().is_empty()
                || std::env::var("CI").as_deref() == Ok("true");
            let reason = ground(error);
            assert!(!should, "the kernel programs do not run here: {reason}");
            eprintln!("skipped: the kernel programs do not run here: {reason}");
            None
        }
    }
}

/// A control group in the hierarchy that is counted by and in the one in which
/// the kernel counts. Removed when dropped.
pub(crate) struct Cell {
    counted: PathBuf,
    usage: UsageFiles,
    path: String,
}

impl Cell {
    /// A group under `parent` with a name of its own.
    pub(crate) fn new(parent: &str, name: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let hierarchies = Hierarchies::detect(&HostRoots::default());
        let source = hierarchies.source().expect("this node has control groups");
        assert_eq!(source, GroupSource::CpuController);
        let counted = hierarchies.root_of(source).expect("root").to_owned();
        let usage = hierarchies.usage().expect("the kernel counts");
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = format!("{parent}/tanso-test-{name}-{}-{number}", std::process::id());
        let cell = Self {
            counted,
            usage,
            path,
        };
        for directory in cell.directories() {
            if !directory.exists() {
                fs::create_dir(&directory).expect("making a control group");
            }
        }
        cell
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    fn directories(&self) -> [PathBuf; 2] {
        let relative = self.path.trim_start_matches('/');
        // Ours first: where the two are apart, a process that enters the other
        // later shows some microseconds more here than there, not less.
        [
            self.counted.join(relative),
            self.usage.root().join(relative),
        ]
    }

    pub(crate) fn id(&self) -> CgroupId {
        let [counted, _] = self.directories();
        CgroupId::new(fs::metadata(counted).expect("the group").ino())
    }

    /// The files to write a process's id to, as words of a shell.
    pub(crate) fn doors(&self) -> String {
        self.directories()
            .map(|directory| format!("'{}/cgroup.procs'", directory.display()))
            .join(" ")
    }

    /// Starts a shell that first moves itself into the group.
    pub(crate) fn spawn(&self, script: &str) -> Child {
        let enter = format!("for door in {}; do echo $$ > $door; done", self.doors());
        Command::new("sh")
            .args(["-c", &format!("{enter}\n{BURN}\n{script}")])
            .spawn()
            .expect("starting a shell")
    }

    /// What the kernel counted in it.
    pub(crate) fn truth(&self) -> Duration {
        self.usage.read(&self.path).expect("the kernel's count")
    }

    /// What a reading shows of its user tasks.
    pub(crate) fn seen(&self, reading: &CpuReading) -> Duration {
        seen(reading, self.id())
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        for directory in self.directories() {
            remove(&directory);
        }
    }
}

/// What a reading shows of a group's user tasks.
pub(crate) fn seen(reading: &CpuReading, cgroup: CgroupId) -> Duration {
    let kind = TaskKind::User;
    reading.cpu_of(Group { cgroup, kind }).unwrap_or_default()
}

/// A group of ended processes is busy until the last is reaped.
fn remove(directory: &Path) {
    for _ in 0..50 {
        match fs::remove_dir(directory) {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                std::thread::sleep(Duration::from_millis(10));
            }
            _ => return,
        }
    }
}

/// `part` in hundredths of `whole`.
pub(crate) fn percent(part: Duration, whole: Duration) -> f64 {
    100.0 * part.as_secs_f64() / whole.as_secs_f64()
}
