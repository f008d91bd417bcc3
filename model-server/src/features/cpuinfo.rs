//! What `/proc/cpuinfo` says of a machine.
//!
//! It parses text that it is given; it never opens a file.

use std::collections::BTreeSet;

use tanso_power::model::MachineFeatures;

use super::{cpu_name, cpuid};

/// The features in the text of `/proc/cpuinfo`; whatever it does not say stays
/// missing. A text without a processor gives no feature at all.
#[must_use]
pub fn parse(text: &str) -> MachineFeatures {
    let mut found = Found::default();
    for line in text.lines() {
        if let Some((name, value)) = line.split_once(':') {
            found.line(name.trim(), value.trim());
        }
    }
    found.features()
}

#[derive(Default)]
struct Found {
    threads: u32,
    name: Option<String>,
    vendor: Option<String>,
    family: Option<u32>,
    model: Option<u32>,
    stepping: Option<u32>,
    arm_implementer: Option<u32>,
    arm_part: Option<u32>,
    package: u32,
    packages: BTreeSet<u32>,
    cores: BTreeSet<(u32, u32)>,
    hypervisor: bool,
}

impl Found {
    fn line(&mut self, name: &str, value: &str) {
        let number = || value.parse::<u32>().ok();
        match name {
            "processor" => self.threads = self.threads.saturating_add(1),
            "model name" if !value.is_empty() => self.name = Some(value.to_owned()),
            "vendor_id" => self.vendor = Some(value.to_owned()),
            "cpu family" => self.family = number(),
            "model" => self.model = number(),
            "stepping" => self.stepping = number(),
            "physical id" => {
                self.package = number().unwrap_or(0);
                self.packages.insert(self.package);
            }
            "core id" => {
                self.cores.insert((self.package, number().unwrap_or(0)));
            }
            "CPU implementer" => self.arm_implementer = hexadecimal(value),
            "CPU part" => self.arm_part = hexadecimal(value),
            "flags" => self.hypervisor |= value.split_whitespace().any(|flag| flag == "hypervisor"),
            _ => {}
        }
    }

    fn features(self) -> MachineFeatures {
        let count = |n: usize| u32::try_from(n).ok().filter(|n| *n > 0);
        let cpuid = match (self.family, self.model) {
            (Some(family), Some(model)) => Some([family, model, self.stepping.unwrap_or(0)]),
            _ => None,
        };
        let arm = self.arm_part.map(|_| "arm");
        let vendor = self.vendor.as_deref().and_then(cpu_name::vendor).or(arm);
        MachineFeatures {
            cpu_vendor: vendor.map(str::to_owned).or(self.vendor),
            microarch: self
                .arm_implementer
                .zip(self.arm_part)
                .and_then(|(implementer, part)| cpuid::arm_part(implementer, part))
                .map(str::to_owned),
            base_mhz: self.name.as_deref().and_then(clock_in_name),
            cpu_name: self.name,
            cpuid,
            sockets: count(self.packages.len()),
            cores: count(self.cores.len()),
            threads: Some(self.threads).filter(|n| *n > 0),
            virtual_machine: self.hypervisor.then_some(true),
            ..MachineFeatures::default()
        }
    }
}

fn hexadecimal(text: &str) -> Option<u32> {
    u32::from_str_radix(text.trim_start_matches("0x"), 16).ok()
}

/// The clock in MHz that a name such as `… @ 2.50GHz` ends with.
#[must_use]
pub fn clock_in_name(name: &str) -> Option<f64> {
    let lower = name.to_lowercase();
    let at = lower.rsplit('@').next().filter(|_| lower.contains('@'))?;
    let ghz: f64 = at.trim().strip_suffix("ghz")?.trim().parse().ok()?;
    (0.1..10.0).contains(&ghz).then_some(ghz * 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUEST: &str = "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 106\n\
        model name\t: Intel(R) Xeon(R) Processor @ 2.90GHz\nstepping\t: 6\nphysical id\t: 0\ncore id\t\t: 0\n\
        flags\t\t: fpu hypervisor avx512f\n\nprocessor\t: 1\nphysical id\t: 0\ncore id\t\t: 0\nflags\t\t: fpu hypervisor\n";

    #[test]
    fn a_guest_is_counted_and_seen_to_be_one() {
        let features = parse(GUEST);
        assert_eq!(features.threads, Some(2));
        assert_eq!((features.cores, features.sockets), (Some(1), Some(1)));
        assert_eq!(features.cpuid, Some([6, 106, 6]));
        assert_eq!(features.virtual_machine, Some(true));
        assert_eq!(features.base_mhz, Some(2_900.0));
        assert_eq!(features.cpu_vendor.as_deref(), Some("intel"));
    }

    #[test]
    fn an_arm_machine_is_known_by_its_part() {
        let features = parse("processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n");
        assert_eq!(features.microarch.as_deref(), Some("neoverse-n1"));
        assert_eq!(features.cpu_vendor.as_deref(), Some("arm"));
    }

    #[test]
    fn an_empty_text_says_nothing() {
        assert_eq!(parse("\n\0:::"), MachineFeatures::default());
    }
}
