//! Power zones contain each other: nothing is added twice.
//!
//! `platform ⊃ psys ⊃ package ⊃ core, uncore`; `dram` lies beside package (on
//! client machines inside psys) and `gpu` beside both. A measured platform
//! contains all of them; a modelled one is a machine without accelerators, so
//! that a GPU's own figure stands beside it. Without a platform the node's
//! total takes package and dram, which every RAPL generation since Sandy
//! Bridge counts alike, so that nodes compare; psys is taken only where
//! package is missing, because what it covers differs from board to board
//! (Intel SDM vol. 3B, §16.10.2).

use std::fmt;

use serde::{Deserialize, Serialize};
use tanso_power::Watts;

/// What a zone covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ZoneClass {
    /// Processor packages: cores, caches, memory controller.
    Package,
    /// The cores of a package.
    Core,
    /// The rest of a package, on client processors its graphics.
    Uncore,
    /// Memory.
    Dram,
    /// The board's own idea of the platform.
    Psys,
    /// Accelerators on cards of their own.
    Gpu,
    /// The whole machine at its plug.
    Platform,
}

impl ZoneClass {
    /// The name in the label `zone`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Package => "package",
            Self::Core => "core",
            Self::Uncore => "uncore",
            Self::Dram => "dram",
            Self::Psys => "psys",
            Self::Gpu => "gpu",
            Self::Platform => "platform",
        }
    }

    /// More power than any zone of this class draws for a second, per sensor:
    /// what is above is a broken reading. Twice the largest parts sold in
    /// 2026: 500 W packages, 3 kW accelerator modules, 20 kW chassis.
    #[must_use]
    pub const fn plausible(self) -> Watts {
        let watts = match self {
            Self::Package | Self::Core | Self::Uncore | Self::Dram => 1_500,
            Self::Psys | Self::Gpu => 6_000,
            Self::Platform => 40_000,
        };
        Watts::from_microwatts(watts * 1_000_000)
    }

    /// The class that the kernel's name of a zone means: `package-1`, `dram`.
    #[must_use]
    pub fn from_kernel(name: &str) -> Option<Self> {
        let class = name.split_once('-').map_or(name, |(class, _)| class);
        match class {
            "package" => Some(Self::Package),
            "core" => Some(Self::Core),
            "uncore" => Some(Self::Uncore),
            "dram" => Some(Self::Dram),
            "psys" => Some(Self::Psys),
            _ => None,
        }
    }

    /// The class of that name in the label `zone`.
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        match label {
            "gpu" => Some(Self::Gpu),
            "platform" => Some(Self::Platform),
            kernels => Self::from_kernel(kernels),
        }
    }

    /// Whether a total over `present` zones takes this one.
    #[must_use]
    pub fn counts_among(self, present: &[Self]) -> bool {
        let has = |class| present.contains(&class);
        match self {
            Self::Platform => true,
            Self::Package | Self::Gpu => !has(Self::Platform),
            Self::Psys => !has(Self::Platform) && !has(Self::Package),
            // Without a package, psys covers memory where it is inside it.
            Self::Dram => !has(Self::Platform) && (has(Self::Package) || !has(Self::Psys)),
            Self::Core | Self::Uncore => {
                !has(Self::Platform) && !has(Self::Package) && !has(Self::Psys)
            }
        }
    }
}

impl fmt::Display for ZoneClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A zone as it is exported: all of one class together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Zone {
    /// What it covers.
    pub class: ZoneClass,
    /// Where it is read; `aggregated-package` for several sockets together.
    pub path: String,
}

impl Zone {
    /// The path of a zone that is computed by a power model.
    pub const MODELLED: &str = "model";

    /// Whether a total over `present` zones takes this one.
    #[must_use]
    pub fn counts_among<'a>(&self, present: impl IntoIterator<Item = &'a Self>) -> bool {
        // A model of a machine knows nothing of its accelerators.
        let accelerator = self.class == ZoneClass::Gpu;
        let classes: Vec<ZoneClass> = present
            .into_iter()
            .filter(|zone| !(accelerator && zone.path == Self::MODELLED))
            .map(|zone| zone.class)
            .collect();
        self.class.counts_among(&classes)
    }
}

#[cfg(test)]
mod tests {
    use super::ZoneClass::{Core, Dram, Gpu, Package, Platform, Psys, Uncore};
    use super::*;

    fn counted(present: &[ZoneClass]) -> Vec<ZoneClass> {
        present
            .iter()
            .copied()
            .filter(|class| class.counts_among(present))
            .collect()
    }

    #[test]
    fn nothing_is_added_twice() {
        assert_eq!(
            counted(&[Package, Core, Uncore, Dram, Psys]),
            [Package, Dram]
        );
        assert_eq!(counted(&[Psys, Core]), [Psys]);
        assert_eq!(counted(&[Psys, Dram]), [Psys]);
        assert_eq!(counted(&[Package, Core]), [Package]);
        assert_eq!(counted(&[Core, Uncore]), [Core, Uncore]);
        assert_eq!(counted(&[Platform, Package, Dram]), [Platform]);
        assert_eq!(counted(&[Dram]), [Dram]);
        assert_eq!(counted(&[Package, Dram, Gpu]), [Package, Dram, Gpu]);
        assert_eq!(counted(&[Platform, Package, Gpu]), [Platform]);
    }

    #[test]
    fn a_modelled_machine_does_not_contain_the_measured_gpu_beside_it() {
        let zone = |class, path: &str| Zone {
            class,
            path: path.to_owned(),
        };
        let gpu = zone(Gpu, "GPU-one");
        let modelled = zone(Platform, Zone::MODELLED);
        let measured = zone(Platform, "bmc");
        assert!(gpu.counts_among([&gpu, &modelled]));
        assert!(!gpu.counts_among([&gpu, &measured]));
        assert!(modelled.counts_among([&gpu, &modelled]));
    }

    #[test]
    fn the_kernels_names_are_known_with_and_without_a_socket() {
        assert_eq!(ZoneClass::from_kernel("package-1"), Some(Package));
        assert_eq!(ZoneClass::from_kernel("dram"), Some(Dram));
        assert_eq!(ZoneClass::from_kernel("mmio"), None);
    }
}
