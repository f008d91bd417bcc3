//! By what a zone's energy above idle is shared.
//!
//! Pure. A cycle is CPU time times the clock at which it ran, so that who ran at
//! a low clock, or waited for memory halted, is not charged for what a
//! neighbour's turbo drew. Energy of memory above idle is spent by what reaches
//! it, which cache misses stand for; who stays within the caches has no part of
//! it, and there is no floor by time, since what memory draws by itself is idle
//! power and told apart. A count stands for an interval only where all of it was
//! counted: else it is CPU time, as where nothing is counted at all.

use tanso_agent_wire::zone::ZoneClass;

/// What parts are in proportion to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Weight {
    /// The scheduler's CPU time.
    #[default]
    CpuTime,
    /// Processor cycles.
    Cycles,
    /// Misses of the last level of cache.
    CacheMisses,
    /// What a device's driver tells of its users.
    DeviceUse,
}

impl Weight {
    /// The name in labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CpuTime => "cpu_time",
            Self::Cycles => "cycles",
            Self::CacheMisses => "cache_misses",
            Self::DeviceUse => "device_use",
        }
    }
}

/// What is known of an interval beside CPU time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// All cycles of all processors are, and there were some.
    pub cycles: bool,
    /// All cache misses are, and there were some.
    pub cache_misses: bool,
    /// A driver tells who used the accelerators.
    pub device_use: bool,
}

/// By what a zone of that class is shared.
#[must_use]
pub const fn weight_of(class: ZoneClass, known: Known) -> Weight {
    match class {
        ZoneClass::Gpu if known.device_use => Weight::DeviceUse,
        ZoneClass::Dram if known.cache_misses => Weight::CacheMisses,
        ZoneClass::Package
        | ZoneClass::Core
        | ZoneClass::Uncore
        | ZoneClass::Psys
        | ZoneClass::Platform
            if known.cycles =>
        {
            Weight::Cycles
        }
        _ => Weight::CpuTime,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_zone_has_the_best_weight_that_is_known_whole() {
        let all = Known {
            cycles: true,
            cache_misses: true,
            device_use: true,
        };
        assert_eq!(weight_of(ZoneClass::Package, all), Weight::Cycles);
        assert_eq!(weight_of(ZoneClass::Platform, all), Weight::Cycles);
        assert_eq!(weight_of(ZoneClass::Dram, all), Weight::CacheMisses);
        assert_eq!(weight_of(ZoneClass::Gpu, all), Weight::DeviceUse);
        let cycles = Known {
            cycles: true,
            ..Known::default()
        };
        // Cycles say no more of memory than time does.
        assert_eq!(weight_of(ZoneClass::Dram, cycles), Weight::CpuTime);
        assert_eq!(weight_of(ZoneClass::Gpu, cycles), Weight::CpuTime);
        let nothing = Known::default();
        assert_eq!(weight_of(ZoneClass::Core, nothing), Weight::CpuTime);
    }
}
