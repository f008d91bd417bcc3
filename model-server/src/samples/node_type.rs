//! Node types: machines that are alike enough to share a power model.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};
use tanso_power::model::MachineFeatures;
use tanso_power::sample::Measured;

/// Longest readable part of a name.
const READABLE_MAX: usize = 80;

/// Whether a machine says enough to be sorted.
#[must_use]
pub fn is_told(features: &MachineFeatures) -> bool {
    features.cpu_name.is_some() || features.cpuid.is_some() || features.instance_type.is_some()
}

/// The name of a machine's type: CPU, instance type, sockets, cores, threads,
/// memory to half a power of two (firmware takes a little of it, differently
/// from node to node), and what is measured; readable, and short by a digest.
#[must_use]
pub fn name(features: &MachineFeatures, measured: Measured) -> String {
    let mut text = String::new();
    let cpu = features
        .instance_type
        .as_deref()
        .or(features.cpu_name.as_deref());
    text.push_str(cpu.unwrap_or("cpuid"));
    if let Some([family, model, stepping]) = features.cpuid {
        // Writing to a String cannot fail.
        let _ = write!(text, " {family} {model} {stepping}");
    }
    for (count, unit) in [
        (features.sockets, "s"),
        (features.cores, "c"),
        (features.threads, "t"),
    ] {
        let _ = write!(text, " {}{unit}", count.unwrap_or(0));
    }
    let memory = features
        .mem_gb
        .map_or(0.0, |mem_gb| (mem_gb.log2() * 2.0).round() / 2.0);
    let _ = write!(text, " {:.0}g", memory.exp2());
    // A plug's sensor sees them too.
    if let Some(gpus) = features.gpus.filter(|gpus| *gpus > 0) {
        let name = features.gpu_name.as_deref().unwrap_or("gpu");
        let _ = write!(text, " {gpus}x {name}");
    }
    let digest = Sha256::digest(format!(
        "{text}|{}",
        features.cpu_name.as_deref().unwrap_or_default()
    ));
    let mut name = slug(&text);
    name.truncate(READABLE_MAX);
    let name = name.trim_end_matches('-');
    let mut name = format!("{name}-");
    for byte in digest.iter().take(4) {
        let _ = write!(name, "{byte:02x}");
    }
    let _ = write!(name, "-{}", measured.name());
    name
}

/// Lower-case ASCII letters and digits, with single dashes for all else.
fn slug(text: &str) -> String {
    let mut slug = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_ascii_alphanumeric() {
            slug.push(letter.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(mem_gb: f64) -> MachineFeatures {
        MachineFeatures {
            cpu_name: Some("Intel(R) Xeon(R) Gold 6430".to_owned()),
            sockets: Some(2),
            cores: Some(64),
            threads: Some(128),
            mem_gb: Some(mem_gb),
            ..MachineFeatures::default()
        }
    }

    #[test]
    fn a_type_is_readable_and_parts_what_differs() {
        let name = name(&machine(503.4), Measured::Rapl);
        assert!(
            name.starts_with("intel-r-xeon-r-gold-6430-2s-64c-128t-512g-"),
            "{name}"
        );
        assert!(name.ends_with("-rapl"), "{name}");
        assert_eq!(name, super::name(&machine(502.9), Measured::Rapl));
        assert_ne!(name, super::name(&machine(251.0), Measured::Rapl));
        assert_ne!(name, super::name(&machine(503.4), Measured::Wall));
    }

    #[test]
    fn a_hostile_name_becomes_a_short_slug() {
        let features = MachineFeatures {
            cpu_name: Some("../\u{202e}é".repeat(80)),
            ..MachineFeatures::default()
        };
        let name = name(&features, Measured::Wall);
        assert!(name.len() < 110 && name.is_ascii(), "{name}");
        assert!(
            name.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        );
    }
}
