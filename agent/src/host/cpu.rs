//! What the node's processors are: what a power model is chosen by.

use std::collections::BTreeSet;

use super::{HostError, HostRoots, read, read_optional};

/// The processors of a node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CpuInfo {
    /// `GenuineIntel`, `AuthenticAMD`, or an ARM implementer's code.
    pub vendor: Option<String>,
    /// The model's name for people.
    pub model_name: Option<String>,
    /// The family's number (x86).
    pub family: Option<u32>,
    /// The model's number (x86), or the part's (ARM).
    pub model: Option<u32>,
    /// The stepping (x86), or the revision (ARM).
    pub stepping: Option<u32>,
    /// Sockets.
    pub sockets: u32,
    /// Physical cores, all sockets together.
    pub cores: u32,
    /// Logical processors, all sockets together.
    pub threads: u32,
    /// The frequency that the first processor showed, in MHz.
    pub frequency_mhz: Option<f64>,
    /// The highest frequency that the first processor may take, in MHz.
    pub frequency_mhz_max: Option<f64>,
    /// A hypervisor says that it is there.
    pub virtualised: bool,
}

impl CpuInfo {
    /// Reads the node's processors.
    ///
    /// # Errors
    /// If `/proc/cpuinfo` cannot be read or lists no processor.
    pub fn read(roots: &HostRoots) -> Result<Self, HostError> {
        let path = roots.proc.join("cpuinfo");
        let text = read(&path)?;
        let mut info = Self::parse(&text).ok_or(HostError::Parse {
            path,
            what: "processor",
        })?;
        let max = roots
            .sys
            .join("devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq");
        info.frequency_mhz_max = read_optional(&max)
            .and_then(|khz| khz.parse::<u32>().ok())
            .map(|khz| f64::from(khz) / 1000.0);
        Ok(info)
    }

    /// Reads the text of `/proc/cpuinfo`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut info = Self::default();
        let mut sockets = BTreeSet::new();
        let mut cores = BTreeSet::new();
        let mut socket = 0_u32;
        for line in text.lines() {
            let Some((name, value)) = line.split_once(':') else {
                continue;
            };
            let (name, value) = (name.trim(), value.trim());
            match name {
                "processor" if value.parse::<u32>().is_ok() => {
                    info.threads += 1;
                    socket = 0;
                }
                "physical id" => {
                    socket = value.parse().unwrap_or_default();
                    sockets.insert(socket);
                }
                "core id" => {
                    cores.insert((socket, value.parse::<u32>().unwrap_or_default()));
                }
                _ => info.note(name, value),
            }
        }
        if info.threads == 0 {
            return None;
        }
        // ARM and some hypervisors tell neither sockets nor cores.
        info.sockets = count(sockets.len()).max(1);
        info.cores = match count(cores.len()) {
            0 => info.threads,
            cores => cores,
        };
        Some(info)
    }

    /// Notes what is alike for all processors, from the first that tells.
    fn note(&mut self, name: &str, value: &str) {
        match name {
            "vendor_id" | "CPU implementer" => keep(&mut self.vendor, || Some(value.to_owned())),
            "model name" | "cpu model" => keep(&mut self.model_name, || Some(value.to_owned())),
            "cpu family" | "CPU architecture" => keep(&mut self.family, || number(value)),
            "model" | "CPU part" => keep(&mut self.model, || number(value)),
            "stepping" | "CPU revision" => keep(&mut self.stepping, || number(value)),
            "cpu MHz" => keep(&mut self.frequency_mhz, || value.parse().ok()),
            "flags" => {
                self.virtualised |= value
                    .split_ascii_whitespace()
                    .any(|flag| flag == "hypervisor");
            }
            _ => {}
        }
    }
}

fn keep<T>(place: &mut Option<T>, value: impl FnOnce() -> Option<T>) {
    if place.is_none() {
        *place = value();
    }
}

/// A number in decimal, or in hexadecimal after `0x`.
fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// The processors that are online, by rising number; none if the kernel does not
/// say.
#[must_use]
pub fn online(roots: &HostRoots) -> Vec<usize> {
    let list = read_optional(&roots.sys.join("devices/system/cpu/online"));
    processors_in(&list.unwrap_or_default())
}

/// Processors of a list like `0,28-29`.
#[must_use]
pub fn processors_in(list: &str) -> Vec<usize> {
    /// More processors than any kernel is built for.
    const CPUS_MAX: usize = 8_192;
    let mut numbers = Vec::new();
    for part in list.split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (Ok(from), Ok(to)) = (from.trim().parse::<usize>(), to.trim().parse::<usize>()) else {
            continue;
        };
        numbers.extend(from..=to.min(CPUS_MAX));
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn x86(processor: u32, socket: u32, core: u32) -> String {
        format!(
            "processor\t: {processor}\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 143\n\
             model name\t: Intel(R) Xeon(R) Gold 6430\nstepping\t: 8\ncpu MHz\t\t: 2100.5\n\
             physical id\t: {socket}\ncore id\t\t: {core}\nflags\t\t: fpu vme avx512f\n\n"
        )
    }

    #[test]
    fn two_sockets_with_threads_are_counted_apart() {
        let text: String = (0..8).map(|n| x86(n, n % 2, (n / 2) % 2)).collect();
        let info = CpuInfo::parse(&text).unwrap();
        assert_eq!((info.sockets, info.cores, info.threads), (2, 4, 8));
        assert_eq!(info.vendor.as_deref(), Some("GenuineIntel"));
        assert_eq!(
            (info.family, info.model, info.stepping),
            (Some(6), Some(143), Some(8))
        );
        assert_eq!(info.frequency_mhz, Some(2100.5));
        assert!(!info.virtualised);
    }

    #[test]
    fn an_arm_server_tells_parts_and_no_sockets() {
        let one = "processor\t: 0\nBogoMIPS\t: 50.00\nCPU implementer\t: 0x41\n\
                   CPU architecture: 8\nCPU part\t: 0xd0c\nCPU revision\t: 1\n\n";
        let info = CpuInfo::parse(&one.repeat(3)).unwrap();
        assert_eq!((info.sockets, info.cores, info.threads), (1, 3, 3));
        assert_eq!(info.vendor.as_deref(), Some("0x41"));
        assert_eq!(info.model, Some(0xd0c));
        assert_eq!(info.model_name, None);
    }

    #[test]
    fn a_guest_says_so() {
        let text = x86(0, 0, 0).replace("avx512f", "hypervisor avx512f");
        assert!(CpuInfo::parse(&text).unwrap().virtualised);
        assert_eq!(CpuInfo::parse("nothing here"), None);
    }

    #[test]
    fn this_machine_is_read() {
        let info = CpuInfo::read(&HostRoots::default()).unwrap();
        assert!(info.threads > 0 && info.cores > 0 && info.sockets > 0);
    }

    #[test]
    fn lists_of_processors_are_read() {
        assert_eq!(processors_in("0,28-30,x,5-"), [0, 28, 29, 30]);
        assert_eq!(processors_in(""), [] as [usize; 0]);
        assert_eq!(processors_in("0-99999999999").len(), 8_193);
        let machine = tempfile::tempdir().unwrap();
        let roots = HostRoots::under(machine.path());
        assert_eq!(online(&roots), [] as [usize; 0]);
        let folder = roots.sys.join("devices/system/cpu");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("online"), "0-1,5\n").unwrap();
        assert_eq!(online(&roots), [0, 1, 5]);
    }
}
