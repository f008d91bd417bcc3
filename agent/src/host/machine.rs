//! The machine as a whole: memory, maker, and which boot this is.

use std::time::Duration;

use super::{CpuInfo, HostError, HostRoots, read, read_optional};

/// What stays the same from boot to boot end.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    /// Its processors.
    pub cpu: CpuInfo,
    /// Memory usable by the kernel, in bytes.
    pub memory_bytes: Option<u64>,
    /// The maker, by DMI.
    pub vendor: Option<String>,
    /// The product, by DMI.
    pub product: Option<String>,
    /// It is a virtual machine: by the processors' flag, the kernel's
    /// hypervisor node or the product's name.
    pub virtualised: bool,
    /// The kernel's id of this boot: counters of another boot are others.
    pub boot_id: Option<String>,
}

impl Machine {
    /// Reads the machine.
    ///
    /// # Errors
    /// If its processors cannot be read; all else may be absent.
    pub fn read(roots: &HostRoots) -> Result<Self, HostError> {
        let cpu = CpuInfo::read(roots)?;
        let dmi = roots.sys.join("class/dmi/id");
        let vendor = read_optional(&dmi.join("sys_vendor"));
        let product = read_optional(&dmi.join("product_name"));
        let memory_bytes = read_optional(&roots.proc.join("meminfo"))
            .as_deref()
            .and_then(memory_bytes);
        let virtualised = cpu.virtualised
            || roots.sys.join("hypervisor/type").exists()
            || vendor.as_deref().is_some_and(is_hypervisor)
            || product.as_deref().is_some_and(is_hypervisor);
        Ok(Self {
            cpu,
            memory_bytes,
            vendor,
            product,
            virtualised,
            boot_id: read_optional(&roots.proc.join("sys/kernel/random/boot_id")),
        })
    }
}

/// How long the node has been up, sleep included.
///
/// # Errors
/// If `/proc/uptime` cannot be read or holds no number of seconds.
pub fn uptime(roots: &HostRoots) -> Result<Duration, HostError> {
    let path = roots.proc.join("uptime");
    let text = read(&path)?;
    text.split_ascii_whitespace()
        .next()
        .and_then(|seconds| seconds.parse::<f64>().ok())
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or(HostError::Parse {
            path,
            what: "number of seconds",
        })
}

fn memory_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    kib.checked_mul(1024)
}

/// Makers' and products' names that only virtual machines carry. ARM has no
/// processor flag for it: this is all there is.
fn is_hypervisor(name: &str) -> bool {
    const NAMES: [&str; 8] = [
        "QEMU",
        "KVM",
        "VMware",
        "Virtual Machine",
        "VirtualBox",
        "Xen",
        "Firecracker",
        "Google Compute Engine",
    ];
    NAMES.iter().any(|known| name.contains(known))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_machine_is_read_from_any_root() {
        let root = tempfile::tempdir().unwrap();
        let roots = HostRoots::under(root.path());
        let dmi = roots.sys.join("class/dmi/id");
        fs::create_dir_all(&dmi).unwrap();
        fs::create_dir_all(roots.proc.join("sys/kernel/random")).unwrap();
        fs::write(roots.proc.join("cpuinfo"), "processor : 0\nprocessor : 1\n").unwrap();
        fs::write(
            roots.proc.join("meminfo"),
            "MemTotal:       2048 kB\nMemFree: 7 kB\n",
        )
        .unwrap();
        fs::write(roots.proc.join("uptime"), "12.25 20.00\n").unwrap();
        fs::write(roots.proc.join("sys/kernel/random/boot_id"), "boot-one\n").unwrap();
        fs::write(dmi.join("sys_vendor"), "QEMU\n").unwrap();

        let machine = Machine::read(&roots).unwrap();
        assert_eq!(machine.cpu.threads, 2);
        assert_eq!(machine.memory_bytes, Some(2_097_152));
        assert_eq!(machine.boot_id.as_deref(), Some("boot-one"));
        assert_eq!(machine.product, None);
        assert!(machine.virtualised);
        assert_eq!(uptime(&roots).unwrap(), Duration::from_millis(12_250));
    }

    #[test]
    fn an_unreadable_processor_list_names_the_file() {
        let roots = HostRoots::under(std::path::Path::new("/nonexistent"));
        let error = Machine::read(&roots).unwrap_err().to_string();
        assert_eq!(error, "reading \"/nonexistent/proc/cpuinfo\"");
    }
}
