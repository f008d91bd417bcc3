//! Each metric family: name, type, unit, labels, help.
//!
//! Tables, from which the agent's `/metrics` and the documentation come.
//! Families named `kepler_…` keep the name, type, labels and meaning that
//! dashboards know; all others begin with `tanso_`. No value is kept here.

mod kepler;
pub mod legacy;
mod own;

pub use kepler::*;
pub use own::*;

/// What sort of figure a family holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Never falls while the node is up.
    Counter,
    /// May rise and fall.
    Gauge,
    /// Always 1: the labels are the figure. Exposed as a gauge.
    Info,
}

impl Kind {
    /// The type's name in the exposition format.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge | Self::Info => "gauge",
        }
    }
}

/// What a family is about, as Kepler's `metricsLevel` divides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// The node's meters and processors.
    Node,
    /// Processes.
    Process,
    /// Containers.
    Container,
    /// Virtual machines.
    Vm,
    /// Pods.
    Pod,
}

impl Level {
    /// Every level.
    pub const ALL: [Self; 5] = [
        Self::Node,
        Self::Process,
        Self::Container,
        Self::Vm,
        Self::Pod,
    ];

    /// The name in settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Process => "process",
            Self::Container => "container",
            Self::Vm => "vm",
            Self::Pod => "pod",
        }
    }
}

/// A metric family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    /// The full name, with `_total` for counters.
    pub name: &'static str,
    /// What sort of figure it is.
    pub kind: Kind,
    /// The unit's name; empty for counts.
    pub unit: &'static str,
    /// The labels, in the order in which values are given.
    pub labels: &'static [&'static str],
    /// A sentence.
    pub help: &'static str,
}

impl Family {
    /// The level that switches it on or off; `None` for what is always there.
    #[must_use]
    pub fn level(&self) -> Option<Level> {
        let rest = self.name.strip_prefix("kepler_")?;
        Level::ALL.into_iter().find(|level| {
            rest.strip_prefix(level.as_str())
                .is_some_and(|rest| rest.starts_with('_'))
        })
    }
}

/// A table of families: each line a sentence, a constant's name, its kind,
/// unit, name and labels. The first word names the list of them in the order of exposition.
macro_rules! families {
    ($table:ident; $(
        #[doc = $help:literal]
        $constant:ident: $kind:ident $unit:literal = $name:literal { $($label:ident),* };
    )*) => {
        $(
            #[doc = $help]
            pub const $constant: Family = Family {
                name: $name,
                kind: Kind::$kind,
                unit: $unit,
                labels: &[$(stringify!($label)),*],
                help: $help.trim_ascii(),
            };
        )*
        /// Every family of this table, in the order of exposition.
        pub const $table: &[&Family] = &[$(&$constant),*];
    };
}
use families;

/// Every family that is on by default, in the order of exposition.
pub fn all() -> impl Iterator<Item = &'static Family> {
    KEPLER.iter().chain(OWN).copied()
}

#[cfg(test)]
mod tests;
