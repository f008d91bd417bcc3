//! What the kernel says that the programs cost.

use std::fs;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::time::Duration;

use aya::Ebpf;
use aya::programs::Program;

use crate::kernel::ProgramCost;

/// The kernel's switch for statistics of programs; they cost some nanoseconds
/// at each run, so only who asks for them has them.
const SWITCH: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// Every program that tells of itself.
const PROGRAMS: [&str; 11] = [
    "task_made",
    "task_ends",
    "task_freed",
    "task_moved",
    "task_ran",
    "task_left",
    "settle_counts",
    "nothing",
    "group_made",
    "group_removed",
    "walk",
];

/// The costs of the loaded programs; empty while nobody asks for them.
pub(super) fn of(programs: &Ebpf) -> Vec<ProgramCost> {
    if !fs::read_to_string(SWITCH).is_ok_and(|text| text.trim() == "1") {
        return Vec::new();
    }
    let cost = |name: &&'static str| {
        let number = match programs.program(name)? {
            Program::BtfTracePoint(program) => program.fd().ok()?.as_fd().as_raw_fd(),
            Program::RawTracePoint(program) => program.fd().ok()?.as_fd().as_raw_fd(),
            Program::Iter(program) => program.fd().ok()?.as_fd().as_raw_fd(),
            _ => return None,
        };
        let text = fs::read_to_string(format!("/proc/self/fdinfo/{number}")).ok()?;
        parse(name, &text)
    };
    PROGRAMS.iter().filter_map(cost).collect()
}

fn parse(program: &'static str, text: &str) -> Option<ProgramCost> {
    let number = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().parse().ok()
    };
    Some(ProgramCost {
        program,
        runs: number("run_cnt:")?,
        time: Duration::from_nanos(number("run_time_ns:")?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_programs_cost_is_read_from_the_kernels_lines() {
        let text = "pos:\t0\nprog_type:\t26\nrun_time_ns:\t1200\nrun_cnt:\t30\n";
        let cost = parse("walk", text).unwrap();
        assert_eq!((cost.runs, cost.time), (30, Duration::from_nanos(1_200)));
        assert_eq!(parse("walk", "pos:\t0\n"), None);
    }
}
