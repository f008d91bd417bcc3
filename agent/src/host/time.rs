//! The node's own processor time, as `/proc/stat` has it.

use std::time::Duration;

use super::{HostError, HostRoots, read};

/// The kernel's unit in `/proc`: `USER_HZ`, 100 on every architecture that
/// runs containers, whatever the kernel's own tick is (proc(5)).
const TICK: Duration = Duration::from_millis(10);

/// Cumulative processor time by state, all processors together, since boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTimes {
    /// In user space, guests included.
    pub user: Duration,
    /// In user space at low priority.
    pub nice: Duration,
    /// In the kernel.
    pub system: Duration,
    /// Doing nothing.
    pub idle: Duration,
    /// Doing nothing while a disk is waited for; idle to a power meter.
    pub iowait: Duration,
    /// In interrupts.
    pub irq: Duration,
    /// In soft interrupts.
    pub softirq: Duration,
    /// Taken by the hypervisor for others.
    pub steal: Duration,
}

impl CpuTimes {
    /// The time in which a processor worked for this node.
    #[must_use]
    pub fn busy(&self) -> Duration {
        self.user + self.nice + self.system + self.irq + self.softirq
    }

    /// All time, work or not.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.busy() + self.idle + self.iowait + self.steal
    }
}

/// A reading of `/proc/stat`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeTimes {
    /// All processors together.
    pub cpu: CpuTimes,
    /// Processors that are online.
    pub online: u32,
    /// Processes made since boot.
    pub forks: Option<u64>,
}

impl NodeTimes {
    /// Reads the node's times.
    ///
    /// # Errors
    /// If `/proc/stat` cannot be read or has no line for all processors.
    pub fn read(roots: &HostRoots) -> Result<Self, HostError> {
        let path = roots.proc.join("stat");
        let text = read(&path)?;
        Self::parse(&text).ok_or(HostError::Parse {
            path,
            what: "line \"cpu\"",
        })
    }

    /// Reads the text of `/proc/stat`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut times = Self::default();
        let mut seen = false;
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("cpu") => {
                    times.cpu = cpu_times(words)?;
                    seen = true;
                }
                Some("processes") => {
                    times.forks = words.next().and_then(|word| word.parse().ok());
                }
                Some(word)
                    if word
                        .strip_prefix("cpu")
                        .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit())) =>
                {
                    times.online += 1;
                }
                _ => {}
            }
        }
        seen.then_some(times)
    }
}

fn cpu_times<'a>(words: impl Iterator<Item = &'a str>) -> Option<CpuTimes> {
    // Old kernels end the line early: what is missing there was not counted.
    // Guest time, the ninth and tenth, is within user and nice already.
    let mut values = [Duration::ZERO; 8];
    let mut count = 0;
    for (place, word) in values.iter_mut().zip(words) {
        *place = ticks(word.parse().ok()?);
        count += 1;
    }
    let [user, nice, system, idle, iowait, irq, softirq, steal] = values;
    (count >= 4).then_some(CpuTimes {
        user,
        nice,
        system,
        idle,
        iowait,
        irq,
        softirq,
        steal,
    })
}

/// A count of the kernel's ticks as time.
pub(crate) fn ticks(count: u64) -> Duration {
    const PER_SECOND: u64 = 100;
    let rest = u32::try_from(count % PER_SECOND).unwrap_or_default();
    Duration::from_secs(count / PER_SECOND) + TICK * rest
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "cpu  101 12 203 10004 55 6 7 8 9 10\n\
        cpu0 50 6 100 5000 25 3 3 4 4 5\ncpu3 51 6 103 5004 30 3 4 4 5 5\n\
        intr 12345 0 1\nctxt 99\nbtime 1700000000\nprocesses 4242\nprocs_running 2\n";

    #[test]
    fn each_state_has_its_own_time() {
        let times = NodeTimes::parse(STAT).unwrap();
        assert_eq!(times.online, 2);
        assert_eq!(times.forks, Some(4242));
        assert_eq!(times.cpu.user, Duration::from_millis(1010));
        assert_eq!(times.cpu.steal, Duration::from_millis(80));
        assert_eq!(times.cpu.busy(), Duration::from_millis(3290));
        assert_eq!(times.cpu.total(), Duration::from_millis(103_960));
    }

    #[test]
    fn a_file_without_the_first_line_is_refused() {
        assert_eq!(NodeTimes::parse("cpu0 1 2 3 4\n"), None);
        assert_eq!(NodeTimes::parse("cpu 1 2 x 4\n"), None);
        assert_eq!(NodeTimes::parse(""), None);
    }

    #[test]
    fn this_machine_is_read() {
        let times = NodeTimes::read(&HostRoots::default()).unwrap();
        assert!(times.online > 0);
        assert!(times.cpu.total() > Duration::ZERO);
    }
}
