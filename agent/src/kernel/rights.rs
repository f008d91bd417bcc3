//! Which of the rights that the kernel programs need this process has.

use std::fs;

/// The capabilities and the view that kernel programs need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    capabilities: u64,
    host_pids: bool,
}

/// Numbers of linux/capability.h.
const SYS_ADMIN: u32 = 21;
const PERFMON: u32 = 38;
const BPF: u32 = 39;

/// The inode of the first pid namespace: `PROC_PID_INIT_INO`, fixed since
/// Linux 3.8.
const FIRST_PID_NAMESPACE: &str = "pid:[4026531836]";

impl Rights {
    /// The rights of this process.
    #[must_use]
    pub fn of_self() -> Self {
        let capabilities = fs::read_to_string("/proc/self/status")
            .ok()
            .and_then(|text| effective(&text))
            .unwrap_or_default();
        let host_pids = fs::read_link("/proc/self/ns/pid")
            .is_ok_and(|link| link.to_str() == Some(FIRST_PID_NAMESPACE));
        Self {
            capabilities,
            host_pids,
        }
    }

    /// What is missing for kernel programs, a clause each, with its remedy.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        let mut missing = Vec::new();
        if !self.has(SYS_ADMIN) {
            if !self.has(BPF) {
                missing.push("capability BPF is missing");
            }
            if !self.has(PERFMON) {
                missing.push("capability PERFMON is missing");
            }
        }
        if !self.host_pids {
            // A walk shows the tasks of the walker's own namespace only.
            missing.push("not in the host's pid namespace; set hostPID");
        }
        missing
    }

    /// Whether programs may be loaded.
    #[must_use]
    pub const fn may_load(&self) -> bool {
        self.has(BPF) || self.has(SYS_ADMIN)
    }

    /// Whether programs may be attached to tracepoints, and perf's events
    /// opened.
    #[must_use]
    pub const fn may_trace(&self) -> bool {
        self.has(PERFMON) || self.has(SYS_ADMIN)
    }

    /// Whether the tasks of the whole machine are in sight.
    #[must_use]
    pub const fn sees_all_tasks(&self) -> bool {
        self.host_pids
    }

    const fn has(&self, capability: u32) -> bool {
        self.capabilities & (1 << capability) != 0
    }
}

fn effective(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_missing_right_is_named() {
        let none = Rights {
            capabilities: 0,
            host_pids: false,
        };
        assert_eq!(none.missing().len(), 3);
        let enough = Rights {
            capabilities: (1 << BPF) | (1 << PERFMON),
            host_pids: true,
        };
        assert!(enough.missing().is_empty());
        let half = Rights {
            capabilities: 1 << BPF,
            ..enough
        };
        assert_eq!(half.missing(), ["capability PERFMON is missing"]);
        let admin = Rights {
            capabilities: 1 << SYS_ADMIN,
            ..enough
        };
        assert!(admin.missing().is_empty());
    }

    #[test]
    fn effective_capabilities_are_read_from_the_status() {
        let status = "Name:\tx\nCapPrm:\t00\nCapEff:\t000001fffeffffff\nCapBnd:\t0\n";
        assert_eq!(effective(status), Some(0x1ff_feff_ffff));
        assert_eq!(effective("Name:\tx\n"), None);
    }
}
