//! What this process may do on the node, what of it is missing, and what is
//! lost by that.
//!
//! Looks only, and asks for nothing: a missing right is a state. What a right
//! is for that nothing here would use (no RAPL on this machine) is not named.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::host::HostRoots;
use crate::kernel::Rights;

/// A right and its worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Right {
    /// Its name in labels: `bpf`, `perfmon`, `host_pids`, `process_files`,
    /// `energy_files`.
    pub name: &'static str,
    /// Whether this process has it.
    pub held: bool,
    /// What is lost without it.
    pub lost: &'static str,
    /// How it is given.
    pub remedy: &'static str,
}

/// All rights that matter on this machine.
#[must_use]
pub fn rights(roots: &HostRoots) -> Vec<Right> {
    let kernel = Rights::of_self();
    let mut all = vec![
        Right {
            name: "bpf",
            held: kernel.may_load(),
            lost: "counting in the kernel: control groups' files are read instead, and a container's last moments before its removal are its parent's",
            remedy: "add the capability BPF",
        },
        Right {
            name: "perfmon",
            held: kernel.may_trace(),
            lost: "counting in the kernel, as without BPF; energy by perf's events; and clock and events of processors, for samples and power models",
            remedy: "add the capability PERFMON",
        },
        Right {
            name: "host_pids",
            held: kernel.sees_all_tasks(),
            lost: "counting in the kernel, as without BPF: tasks of other pods would not be seen",
            remedy: "set hostPID, or run outside of a container",
        },
        Right {
            name: "process_files",
            held: can_read(&roots.proc.join("1/stat")),
            lost: "the process list, which is read where nothing else counts CPU time",
            remedy: "mount the host's /proc, without the option hidepid",
        },
    ];
    let registers = registers(&roots.sys);
    if !registers.is_empty() {
        all.push(Right {
            name: "energy_files",
            held: registers.iter().all(|register| can_read(register)),
            lost: "measured energy of processors and memory by powercap; perf's events or a power model stand in",
            remedy: "run as root (no capability is needed), or grant read on energy_uj",
        });
    }
    all
}

/// The energy registers that powercap shows.
fn registers(sys: &Path) -> Vec<PathBuf> {
    let zones = fs::read_dir(sys.join("class/powercap"));
    let files = zones.into_iter().flatten().flatten();
    files
        .map(|zone| zone.path().join("energy_uj"))
        .filter(|register| register.exists())
        .collect()
}

fn can_read(path: &Path) -> bool {
    let mut one = [0; 1];
    File::open(path).is_ok_and(|mut file| file.read(&mut one).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named<'a>(all: &'a [Right], name: &str) -> Option<&'a Right> {
        all.iter().find(|right| right.name == name)
    }

    #[test]
    fn a_register_that_cannot_be_read_is_a_right_that_is_missing() {
        let root = tempfile::tempdir().unwrap();
        let roots = HostRoots::under(root.path());
        assert!(named(&rights(&roots), "energy_files").is_none());
        let zone = roots.sys.join("class/powercap/intel-rapl:0");
        // A folder cannot be read as a file, also by root.
        fs::create_dir_all(zone.join("energy_uj")).unwrap();
        let found = rights(&roots);
        let right = named(&found, "energy_files").unwrap();
        assert!(!right.held && !right.lost.is_empty() && !right.remedy.is_empty());
        fs::remove_dir(zone.join("energy_uj")).unwrap();
        fs::write(zone.join("energy_uj"), "7").unwrap();
        assert!(named(&rights(&roots), "energy_files").unwrap().held);
    }

    #[test]
    fn a_process_list_that_is_not_there_is_named() {
        let root = tempfile::tempdir().unwrap();
        let found = rights(&HostRoots::under(root.path()));
        assert!(!named(&found, "process_files").unwrap().held);
    }
}
