//! Microarchitectures by CPUID family, model and stepping, and by Arm part.
//!
//! The numbers are those of the vendors' processor identification guides; the
//! names are those of the training tables.

/// The microarchitecture of an x86 processor.
#[must_use]
pub fn microarch(
    vendor: Option<&str>,
    [family, model, stepping]: [u32; 3],
) -> Option<&'static str> {
    match (vendor, family) {
        (Some("intel") | None, 6) => intel(model, stepping),
        (Some("intel"), 15) => Some("netburst"),
        (Some("amd") | None, 0x10) => Some("k10"),
        (Some("amd") | None, 0x15) => match model {
            0x02 | 0x10..=0x1f => Some("piledriver"),
            _ => Some("bulldozer"),
        },
        (Some("amd") | None, 0x17) => match model {
            0x00..=0x1f => Some("zen"),
            0x30..=0x9f => Some("zen2"),
            _ => None,
        },
        (Some("amd") | None, 0x19) => match model {
            0x00..=0x0f | 0x20..=0x5f => Some("zen3"),
            0x10..=0x1f | 0x60..=0x7f => Some("zen4"),
            0xa0..=0xaf => Some("zen4c"),
            _ => None,
        },
        (Some("amd") | None, 0x1a) => match model {
            0x10..=0x1f => Some("zen5c"),
            // The other numbers up to 0xcf are the next generation's.
            0x00..=0x0f | 0x20..=0x4f | 0x60..=0x7f => Some("zen5"),
            _ => None,
        },
        _ => None,
    }
}

fn intel(model: u32, stepping: u32) -> Option<&'static str> {
    Some(match model {
        0x0f | 0x16 => "core",
        0x17 | 0x1d => "penryn",
        0x1a | 0x1e | 0x2e => "nehalem",
        0x25 | 0x2c | 0x2f => "westmere",
        0x2a | 0x2d => "sandybridge",
        0x3a | 0x3e => "ivybridge",
        0x3c | 0x3f | 0x45 | 0x46 => "haswell",
        0x3d | 0x47 | 0x4f | 0x56 => "broadwell",
        0x4e | 0x5e => "skylake-client",
        0x55 => match stepping {
            0..=4 => "skylake-sp",
            5..=9 => "cascadelake",
            _ => "cooperlake",
        },
        0x6a | 0x6c => "icelake-sp",
        0x8e | 0x9e => "coffeelake",
        0x8f => "sapphirerapids",
        0xcf => "emeraldrapids",
        0xad | 0xae => "graniterapids",
        0xaf => "sierraforest",
        0xa7 => "rocketlake",
        0xb7 | 0xba | 0xbf => "raptorlake",
        _ => return None,
    })
}

/// The microarchitecture of an Arm core, by its implementer (0x41: Arm; 0xc0:
/// Ampere) and that one's part number.
#[must_use]
pub const fn arm_part(implementer: u32, part: u32) -> Option<&'static str> {
    match (implementer, part) {
        (0x41, 0xd03) => Some("cortex-a53"),
        (0x41, 0xd08) => Some("cortex-a72"),
        (0x41, 0xd0c) => Some("neoverse-n1"),
        (0x41, 0xd40) => Some("neoverse-v1"),
        (0x41, 0xd49) => Some("neoverse-n2"),
        (0x41, 0xd4f) => Some("neoverse-v2"),
        (0xc0, 0xac3 | 0xac4) => Some("ampereone"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stepping_tells_skylake_from_its_successors() {
        let of = |stepping| microarch(Some("intel"), [6, 85, stepping]);
        assert_eq!(
            (of(4), of(7), of(11)),
            (Some("skylake-sp"), Some("cascadelake"), Some("cooperlake"))
        );
    }

    #[test]
    fn a_number_of_the_future_is_unknown() {
        assert_eq!(microarch(Some("intel"), [6, 0xfff, 0]), None);
        assert_eq!(microarch(Some("intel"), [23, 49, 0]), None);
        // A number of the generation after Zen 5 was taken for Zen 5.
        assert_eq!(microarch(Some("amd"), [0x1a, 0x50, 0]), None);
        assert_eq!(microarch(Some("amd"), [0x1a, 0x02, 1]), Some("zen5"));
        assert_eq!(microarch(Some("amd"), [0x1a, 0x11, 0]), Some("zen5c"));
    }

    /// Opterons 6300 were taken for the generation before them.
    #[test]
    fn piledriver_is_told_from_bulldozer() {
        let of = |model| microarch(Some("amd"), [0x15, model, 0]);
        assert_eq!((of(1), of(2)), (Some("bulldozer"), Some("piledriver")));
    }

    #[test]
    fn an_arm_part_is_its_implementers() {
        assert_eq!(arm_part(0x41, 0xd4f), Some("neoverse-v2"));
        assert_eq!(arm_part(0xc0, 0xac3), Some("ampereone"));
        assert_eq!(arm_part(0x48, 0xd0c), None);
    }
}
