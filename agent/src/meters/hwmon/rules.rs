//! What known chips' sensors cover, by driver and label as the kernel's own
//! documents and sources have them (Documentation/hwmon/).
//!
//! A chip that is not named here is not used: a rail of unknown place would
//! be added twice or to the wrong zone.

use std::fs;

use super::super::ZoneClass;
use super::chips::{Attribute, Chip, Quantity};

/// A card with memory of its own, not the graphics of a processor.
const CARD_BYTES_MIN: u64 = 8 << 30;

/// What a rule says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// It covers this; of several chips with the same class the lowest rank
    /// is read.
    Covers { class: ZoneClass, rank: u8 },
    /// It is not used, for this reason.
    Not(&'static str),
}

const UNKNOWN: Rule = Rule::Not("what it covers is not known");

/// What a sensor covers.
pub(super) fn rule(chip: &Chip, attribute: &Attribute) -> Rule {
    use ZoneClass::{Core, Gpu, Package, Platform, Uncore};
    let label = attribute.label.as_str();
    let covers = |class, rank| Rule::Covers { class, rank };
    match chip.name.as_str() {
        // Socket and core registers of AMD server processors.
        "amd_energy" if label.starts_with("Esocket") => covers(Package, 0),
        "amd_energy" if label.starts_with("Ecore") => covers(Core, 0),
        // AMD families 15h and 16h: the processor's own estimate.
        "fam15h_power" => covers(Package, 1),
        "zenpower" if label == "SVI2_P_Core" => covers(Core, 2),
        "zenpower" if label == "SVI2_P_SoC" => covers(Uncore, 2),
        // Ampere Altra and X-Gene: two rails that together are the processor.
        "apm_xgene" if label == "CPU power" => covers(Core, 0),
        "apm_xgene" if label == "IO power" => covers(Uncore, 0),
        "altra_hwmon" if label.starts_with("Core Energy") => covers(Core, 1),
        "ibmpowernv" => powernv(label),
        "scpi_sensors" | "scmi_sensors" | "vexpress_energy" | "vexpress_power" => arm(label),
        "ina209" | "ina219" | "ina220" | "ina226" | "ina230" | "ina231" | "ina238" | "ina3221" => {
            rail(label)
        }
        "corsairpsu" if label == "power total" => covers(Platform, 1),
        "i915" | "xe" if matches!(attribute.quantity, Quantity::Energy(_)) && label != "pkg" => {
            covers(Gpu, 0)
        }
        "amdgpu" if matches!(attribute.quantity, Quantity::Product(..)) => UNKNOWN,
        "amdgpu" if is_card(chip) => covers(Gpu, 0),
        "amdgpu" => Rule::Not("it lies within the processor's package"),
        // The sum of the rails that the card's own sensors watch
        // (nouveau_hwmon.c, nvkm_iccsense_read_all).
        "nouveau" if matches!(attribute.quantity, Quantity::Power(_)) => covers(Gpu, 0),
        name if name.starts_with("BAT") || name.starts_with("ucsi_source") => {
            Rule::Not("a battery's or charger's flow is not the machine's use")
        }
        _ => UNKNOWN,
    }
}

/// Who makes the cards that a driver is for, as labels have it.
pub(super) fn vendor(chip: &str) -> &'static str {
    match chip {
        "amdgpu" => "amd",
        "nouveau" => "nvidia",
        _ => "intel",
    }
}

/// POWER8 and later (Documentation/hwmon/ibmpowernv.rst).
fn powernv(label: &str) -> Rule {
    use ZoneClass::{Core, Dram, Package, Platform, Uncore};
    let class = match label {
        label if label.starts_with("System") => Platform,
        label if label.ends_with("Vdd") => Core,
        label if label.ends_with("Vdn") => Uncore,
        label if label.starts_with("Memory") => Dram,
        label if label.starts_with("Chip") || label.starts_with("Processor") => Package,
        _ => return UNKNOWN,
    };
    Rule::Covers { class, rank: 0 }
}

/// ARM's reference boards: clusters, graphics, the rest of the chip.
fn arm(label: &str) -> Rule {
    let label = label.to_ascii_uppercase();
    let is = |parts: &[&str]| parts.iter().any(|part| label.contains(part));
    let class = if is(&["_A5", "_A7", "_A15", "_A53", "_A57", "_A72", "_A73", "CPU"]) {
        ZoneClass::Core
    } else if is(&["_GPU", "_SYS", "SOC"]) {
        ZoneClass::Uncore
    } else {
        return UNKNOWN;
    };
    Rule::Covers { class, rank: 3 }
}

/// Rails of single-board computers by the names that their makers give them.
/// The chip's graphics lies within the board's input like its cores do.
fn rail(label: &str) -> Rule {
    let label = label.to_ascii_uppercase();
    let class = match label.as_str() {
        "VDD_IN" | "VIN_SYS_5V0" | "VDD_5V_IN" | "POM_5V_IN" | "TOTAL_POWER" => ZoneClass::Psys,
        label if label.contains("CPU") => ZoneClass::Core,
        label if label.contains("SOC") || label.contains("GPU") => ZoneClass::Uncore,
        _ => return UNKNOWN,
    };
    Rule::Covers { class, rank: 4 }
}

fn is_card(chip: &Chip) -> bool {
    fs::read_to_string(chip.device.join("mem_info_vram_total"))
        .ok()
        .and_then(|text| text.trim().parse::<u64>().ok())
        .is_some_and(|bytes| bytes >= CARD_BYTES_MIN)
}
