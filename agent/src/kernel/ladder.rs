//! Takes the best source of CPU time that the node allows, and keeps the
//! reasons against the better ones.

use std::{error::Error, fmt};

use super::{
    CpuTime, EbpfCpu, EbpfOptions, KernelError, PollCpu, ProcCpu, Rights, Rung, btf::VMLINUX,
    ebpf::has_object, limits::allow_many_files,
};
use crate::host::HostRoots;

/// Why a rung could not be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which rung.
    pub rung: Rung,
    /// Why, in one line, with what to do where something can be done.
    pub reason: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rung, self.reason)
    }
}

/// A source, and why it is no better one.
pub struct Climb {
    /// The source that was taken.
    pub source: Box<dyn CpuTime>,
    /// The better rungs, best first, and why each was not taken.
    pub refusals: Vec<Refusal>,
}

/// Opens the best source at or below `best`.
///
/// # Errors
/// If not even the process list can be read: the last rung's error.
pub fn climb(roots: &HostRoots, options: EbpfOptions, best: Rung) -> Result<Climb, KernelError> {
    let mut refusals = Vec::new();
    let mut refuse = |rung, reason| refusals.push(Refusal { rung, reason });
    let mut source: Option<Box<dyn CpuTime>> = None;
    if best == Rung::Ebpf {
        // Three for each processor where hardware counters are read.
        allow_many_files();
        match ebpf(roots, options) {
            Ok(cpu) => source = Some(Box::new(cpu)),
            Err(reason) => refuse(Rung::Ebpf, reason),
        }
    } else {
        refuse(Rung::Ebpf, "switched off by the settings".to_owned());
    }
    if source.is_none() && best <= Rung::CgroupFiles {
        match PollCpu::open(roots) {
            Ok(cpu) => source = Some(Box::new(cpu)),
            Err(error) => refuse(Rung::CgroupFiles, one_line(&error)),
        }
    } else if source.is_none() {
        refuse(Rung::CgroupFiles, "switched off by the settings".to_owned());
    }
    let source = match source {
        Some(source) => source,
        None => Box::new(ProcCpu::open(roots)?),
    };
    Ok(Climb { source, refusals })
}

/// Opens the kernel programs, or says all that stands against them at once.
fn ebpf(roots: &HostRoots, options: EbpfOptions) -> Result<EbpfCpu, String> {
    let mut against: Vec<String> = Vec::new();
    if !has_object() {
        against.push(KernelError::NoObject.to_string());
    }
    if let Err(error) = std::fs::metadata(VMLINUX) {
        against.push(format!("no type information at \"{VMLINUX}\": {error}"));
    }
    let rights = Rights::of_self();
    against.extend(rights.missing().into_iter().map(str::to_owned));
    if !against.is_empty() {
        return Err(against.join("; "));
    }
    EbpfCpu::open(roots, options).map_err(|error| one_line(&error))
}

/// An error with its causes, in one line. A verifier's log is cut.
pub(super) fn one_line(error: &KernelError) -> String {
    const LENGTH_MAX: usize = 600;
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(LENGTH_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lower_rung_can_be_asked_for_and_says_so() {
        let roots = HostRoots::default();
        let climb = climb(&roots, EbpfOptions::default(), Rung::Proc).unwrap();
        assert_eq!(climb.source.rung(), Rung::Proc);
        assert_eq!(climb.refusals.len(), 2);
        let text = climb.refusals[0].to_string();
        assert_eq!(text, "ebpf: switched off by the settings");
    }

    #[test]
    fn a_node_without_groups_falls_to_the_process_list() {
        let roots = HostRoots {
            cgroup: "/nonexistent".into(),
            ..HostRoots::default()
        };
        let climb = climb(&roots, EbpfOptions::default(), Rung::Ebpf).unwrap();
        assert_eq!(climb.source.rung(), Rung::Proc);
        assert!(climb.refusals[1].reason.contains("/nonexistent"));
    }

    #[test]
    fn the_kernels_rung_may_open_as_many_files_as_the_hard_limit_allows() {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let limit = getrlimit(Resource::Nofile);
        let lower = Rlimit {
            // One less is enough for the tests beside this one.
            current: limit.current.map(|most| most - 1),
            maximum: limit.maximum,
        };
        setrlimit(Resource::Nofile, lower).unwrap();
        // Whatever the rungs come to: it is raised before counters are opened.
        drop(climb(
            &HostRoots::under(std::path::Path::new("/nonexistent")),
            EbpfOptions::default(),
            Rung::Ebpf,
        ));
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }

    #[test]
    fn nothing_readable_at_all_is_an_error() {
        let roots = HostRoots::under(std::path::Path::new("/nonexistent"));
        assert!(climb(&roots, EbpfOptions::default(), Rung::Ebpf).is_err());
    }
}
