//! The tiers of knowledge about a machine, from published figures of its very
//! kind down to nothing, each with its error on machines left out.

mod knowledge;
mod left_out;
mod means;
mod steps;

use serde::Serialize;

use crate::columns::View;
use crate::conformal::{Calibration, Score, Scored, score};
use crate::partial::Kin;
use crate::reading::Correction;
pub use knowledge::Knowledge;
pub(crate) use means::mean_curve;
pub(crate) use steps::Steps;
pub use steps::Tell;

/// How much is known of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Published watts of the cloud instance type.
    Instance,
    /// The CPU model was measured by others.
    CpuModel(View),
    /// As `CpuModel`, and the number of its sockets is the usual one.
    CpuModelUsual(View),
    /// As `CpuModel`, of a guest: its share of the usual machine.
    CpuModelShare(View),
    /// The microarchitecture was measured, this CPU model not.
    CpuFamily(View),
    /// As `CpuFamily`, and the design power is a guess from the family.
    CpuFamilyGuessed(View),
    /// The vendor was measured, this microarchitecture not.
    UnseenFamily(View),
    /// Only a part is told of the machine, whatever that is.
    Partial(Kin),
    /// The thermal design power is known, the vendor was not measured.
    TdpRatio,
    /// The microarchitecture was measured; little is known of the machine.
    FamilyPerThread,
    /// Only a published pair of watts per thread is known.
    Coefficients,
    /// Nothing but the number of threads is known.
    AnyThread,
    /// Nothing is known.
    AnyMachine,
    /// RAPL's package figure of this CPU was published.
    RaplHost,
    /// RAPL's package figure by the design power.
    RaplTdp,
    /// RAPL's package figure by the threads.
    RaplThread,
    /// RAPL's memory figure by the size.
    RaplMemory,
}

impl Tier {
    /// A stable name for reports and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::CpuModel(_) => "cpu-model",
            Self::CpuModelUsual(_) => "cpu-model-no-sockets",
            Self::CpuModelShare(_) => "cpu-model-guest",
            Self::CpuFamily(_) => "cpu-family",
            Self::CpuFamilyGuessed(_) => "cpu-family-no-tdp",
            Self::UnseenFamily(_) => "unseen-family",
            Self::Partial(Kin::Family) => "partial-family",
            Self::Partial(Kin::Vendor) => "partial-vendor",
            Self::Partial(Kin::Nobody) => "partial-anyone",
            Self::TdpRatio => "tdp-ratio",
            Self::FamilyPerThread => "family-per-thread",
            Self::Coefficients => "coefficients",
            Self::AnyThread => "any-thread",
            Self::AnyMachine => "any-machine",
            Self::RaplHost => "rapl-host",
            Self::RaplTdp => "rapl-tdp",
            Self::RaplThread => "rapl-per-thread",
            Self::RaplMemory => "rapl-memory",
        }
    }

    /// What the tier's model sees of a machine.
    #[must_use]
    pub const fn sees(self) -> &'static str {
        match self {
            Self::CpuModel(view)
            | Self::CpuModelUsual(view)
            | Self::CpuModelShare(view)
            | Self::CpuFamily(view)
            | Self::CpuFamilyGuessed(view)
            | Self::UnseenFamily(view) => view.name(),
            Self::Instance => "instance type",
            Self::Partial(Kin::Family | Kin::Vendor) => "vendor and family at least",
            Self::Partial(Kin::Nobody) => "TDP by socket at least",
            Self::TdpRatio | Self::RaplTdp => "TDP",
            Self::RaplHost => "CPU model",
            Self::RaplMemory => "memory",
            Self::FamilyPerThread | Self::Coefficients => "microarchitecture and threads",
            Self::AnyThread | Self::RaplThread => "threads",
            Self::AnyMachine => "nothing",
        }
    }

    /// The protocol by which the tier's error is found.
    #[must_use]
    pub const fn protocol(self) -> &'static str {
        match self {
            Self::Instance => {
                "published instance figures against wall-power models of their hosts; nobody published a measurement"
            }
            Self::CpuModel(_) => {
                "leave one CPU model of one system vendor out, other vendors' twins known"
            }
            Self::CpuModelUsual(_) => {
                "leave one CPU model of one system vendor out, other vendors' twins known; sockets are the twins' usual number"
            }
            Self::CpuModelShare(_) => {
                "leave one CPU model of one system vendor out, other vendors' twins known; a share of a machine with the twins' usual number of sockets"
            }
            Self::Partial(Kin::Family) => {
                "leave one CPU model out, others of its family known; each shown as the asked machine shows itself"
            }
            Self::Partial(Kin::Vendor) => {
                "leave one CPU family out; each machine shown as the asked one shows itself"
            }
            Self::Partial(Kin::Nobody) => {
                "leave one CPU vendor out; each machine shown as the asked one shows itself"
            }
            Self::CpuFamily(View::Guest) => {
                "leave one CPU model out, others of its family known; told are threads, memory by thread and the family"
            }
            Self::UnseenFamily(View::Guest) => {
                "leave one CPU family out; told are threads, memory by thread and how the family is built"
            }
            Self::CpuFamily(_) | Self::FamilyPerThread => {
                "leave one CPU model out, others of its family known"
            }
            Self::CpuFamilyGuessed(_) => {
                "leave one CPU model out, others of its family known; its design power guessed from them, clock and year the family's"
            }
            Self::UnseenFamily(_) => "leave one CPU family out",
            Self::AnyThread | Self::AnyMachine => {
                "leave one CPU family out; machines of any time by the mean of those since 2017"
            }
            Self::RaplHost => {
                "one published RAPL curve of a host against the others of its CPU; nobody published a measurement"
            }
            Self::RaplTdp | Self::RaplThread => {
                "leave one CPU model of the published RAPL hosts out"
            }
            Self::RaplMemory => "leave one of the published RAPL hosts out",
            Self::TdpRatio => "leave one CPU vendor out",
            Self::Coefficients => {
                "published coefficients on bundled machines, which their publisher may have seen"
            }
        }
    }
}

/// A tier's error, and its intervals.
#[derive(Clone, Debug)]
pub struct Assessed {
    /// The tier.
    pub tier: Tier,
    /// Its error on machines left out.
    pub score: Score,
    /// Its intervals.
    pub calibration: Calibration,
    /// How a reading corrects its curves.
    pub correction: Correction,
}

impl Assessed {
    /// Scores a tier and calibrates its intervals at 90 %.
    #[must_use]
    pub fn new(tier: Tier, scored: &[Scored], levels: usize, half: usize) -> Self {
        Self {
            tier,
            score: score(scored, levels, half, LEVEL),
            calibration: Calibration::learn(scored.iter(), levels),
            correction: Correction::learn(scored.iter()),
        }
    }

    /// The line of a report.
    #[must_use]
    pub fn line(&self) -> TierReport<'_> {
        TierReport {
            tier: self.tier.name(),
            sees: self.tier.sees(),
            protocol: self.tier.protocol(),
            score: &self.score,
        }
    }
}

/// A tier's line in the evaluation.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TierReport<'a> {
    pub(crate) tier: &'static str,
    pub(crate) sees: &'static str,
    pub(crate) protocol: &'static str,
    #[serde(flatten)]
    pub(crate) score: &'a Score,
}

/// The share of true values that intervals are to hold unless asked otherwise.
pub const LEVEL: f64 = 0.9;
