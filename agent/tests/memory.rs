//! The working set that the reader tells against the kernel's own files, of a
//! group that this test makes.
//!
//! Needs root and a memory controller that this machine lets it use; says so
//! where it does not.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tanso_agent::host::HostRoots;
use tanso_agent::host::cgroup::MemoryFiles;

const ANONYMOUS: u64 = 24 << 20;

/// A group of the v1 memory controller; removed at the end.
struct Cell {
    directory: PathBuf,
    path: String,
}

impl Cell {
    fn new() -> Option<Self> {
        let path = format!("/tanso-memory-{}", std::process::id());
        let root = Path::new("/sys/fs/cgroup/memory");
        let directory = root.join(path.trim_start_matches('/'));
        if let Err(fault) = fs::create_dir(&directory) {
            eprintln!("not shown: making a group of the v1 memory controller: {fault}");
            return None;
        }
        Some(Self { directory, path })
    }

    fn spawn(&self, script: &str) -> Child {
        let procs = self.directory.join("cgroup.procs");
        let script = format!("echo $$ > {} && {script}", procs.display());
        Command::new("sh")
            .args(["-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        let begun = Instant::now();
        while fs::remove_dir(&self.directory).is_err() && begun.elapsed() < Duration::from_secs(10)
        {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

#[test]
fn the_working_set_of_a_real_group_has_its_memory_and_not_its_file_pages() {
    let files = MemoryFiles::detect(&HostRoots::default());
    let (Some(files), Some(cell)) = (files, Cell::new()) else {
        return;
    };
    let mut buffer = Vec::new();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    // File pages that are written once and never read again, then memory that is held.
    let script = format!(
        "dd if=/dev/zero of={}/file bs=1M count=40 conv=fsync 2>/dev/null; \
         held=$(head -c {ANONYMOUS} /dev/zero | tr '\\0' a); echo ready; read line",
        folder.path().display()
    );
    let mut child = cell.spawn(&script);
    let mut said = String::new();
    let stdout = child.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut said).unwrap();
    assert_eq!(said, "ready\n");

    let number = |name: &str| -> u64 {
        let text = fs::read_to_string(cell.directory.join(name)).unwrap();
        text.trim().parse().unwrap()
    };
    let stat = fs::read_to_string(cell.directory.join("memory.stat")).unwrap();
    let inactive = stat
        .lines()
        .find_map(|line| line.strip_prefix("total_inactive_file "));
    let inactive: u64 = inactive.unwrap().parse().unwrap();
    let usage = number("memory.usage_in_bytes");
    let seen = files.working_set(&cell.path, &mut buffer).unwrap();
    eprintln!("usage {usage}, inactive file pages {inactive}, working set {seen} bytes");
    assert!(seen >= ANONYMOUS, "{seen}");
    // The kernel brings its sums up to date in batches of pages.
    assert!(seen.abs_diff(usage - inactive) < 4 << 20, "{seen}");

    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    child.wait().unwrap();
    let after = files.working_set(&cell.path, &mut buffer).unwrap();
    assert!(after < ANONYMOUS / 2, "{after}");
    let gone = files.working_set("/tanso-memory-of-nobody", &mut buffer);
    assert_eq!(gone, None);
}
