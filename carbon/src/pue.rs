//! PUE with its evidence: a factor for the sum, and a figure of the facility
//! that is judged only where somebody stands for it.

use std::fmt;

use serde::{Deserialize, Serialize};
use tanso_power::Estimate;

use crate::units::{Pue, UnitError};

/// Who stands for a PUE, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PueEvidence {
    /// Metered at the facility.
    Measured,
    /// Stated in a certificate.
    Certificate,
    /// Published by the provider for this very region.
    PublishedForRegion,
    /// A mean over the provider's regions: says nothing about this one.
    ProviderAverage,
    /// Somebody's guess.
    Assumed,
}

impl PueEvidence {
    /// Whether a verdict may rest on it. The others serve as a factor only.
    #[must_use]
    pub const fn is_judged(self) -> bool {
        matches!(
            self,
            Self::Measured | Self::Certificate | Self::PublishedForRegion
        )
    }

    /// The words for a message.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::Certificate => "from a certificate",
            Self::PublishedForRegion => "published for the region",
            Self::ProviderAverage => "only the provider's average",
            Self::Assumed => "only assumed",
        }
    }
}

/// What time and what part of a facility a PUE covers. Only an annual figure
/// of the whole site is a PUE in the sense of ISO/IEC 30134-2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PueScope {
    /// Energy of twelve months, the whole site.
    #[default]
    Annual,
    /// Energy of fewer months, the whole site (iPUE).
    Interim,
    /// A part of the site (pPUE).
    Partial,
    /// A design figure (dPUE).
    Design,
    /// Measured or designed at a quarter of the IT load.
    AtQuarterLoad,
    /// Measured or designed at full IT load.
    AtFullLoad,
}

impl fmt::Display for PueScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Annual => "annual PUE",
            Self::Interim => "interim PUE (iPUE, under twelve months)",
            Self::Partial => "partial PUE (pPUE, a part of the site)",
            Self::Design => "design PUE (dPUE)",
            Self::AtQuarterLoad => "PUE at 25 % IT load",
            Self::AtFullLoad => "PUE at 100 % IT load",
        })
    }
}

/// Where the IT energy was metered (ISO/IEC 30134-2 category).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PueCategory {
    /// Category 1: at the output of the UPS.
    Ups,
    /// Category 2: at the output of the power distribution unit.
    Pdu,
    /// Category 3: at the input of the IT device.
    Device,
}

impl fmt::Display for PueCategory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ups => "category 1 (IT metered at the UPS)",
            Self::Pdu => "category 2 (IT metered at the PDU)",
            Self::Device => "category 3 (IT metered at the device)",
        })
    }
}

/// Whose figure it is. A rule about all sites of an operator is not met by one
/// of them, nor the other way round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Entity {
    /// One site.
    #[default]
    Site,
    /// All sites of an operator, energies summed before dividing.
    AllSites,
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Site => "one site",
            Self::AllSites => "the sum of all the operator's sites",
        })
    }
}

/// What the meters of one site counted over a year. In kilowatt-hours, as
/// meters show it: a large site uses more than whole microjoules can hold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SiteEnergy {
    /// Energy of the whole site.
    pub facility_kwh: f64,
    /// Energy of its IT equipment.
    pub it_kwh: f64,
}

/// The PUE of a facility, with who says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FacilityPue {
    /// The ratio with its bounds.
    pub value: Estimate<Pue>,
    /// Who stands for it.
    pub evidence: PueEvidence,
    /// What it covers.
    pub scope: PueScope,
    /// Where the IT energy was metered, if known.
    pub category: Option<PueCategory>,
    /// Whose it is.
    #[serde(default)]
    pub entity: Entity,
    /// Where the figure was published, such as a page or a certificate.
    pub source: String,
    /// The year it describes, if known.
    pub year: Option<i16>,
}

impl FacilityPue {
    /// An annual PUE without bounds.
    #[must_use]
    pub fn annual(value: Pue, evidence: PueEvidence, source: &str) -> Self {
        Self {
            value: Estimate::exact(value),
            evidence,
            scope: PueScope::Annual,
            category: None,
            entity: Entity::Site,
            source: source.to_owned(),
            year: None,
        }
    }

    /// The annual PUE of metered energies, summed over all sites of an
    /// operator before dividing: the mean of several PUEs is not the PUE of
    /// them all. Of one site it is the site's.
    ///
    /// ```
    /// use tanso_carbon::FacilityPue;
    /// use tanso_carbon::pue::{PueCategory, SiteEnergy};
    /// let site = |facility_kwh, it_kwh| SiteEnergy { facility_kwh, it_kwh };
    /// let sites = [site(30e6, 20e6), site(13e6, 10e6)];
    /// let all = FacilityPue::measured(sites, PueCategory::Ups, "meters of fiscal 2025")?;
    /// assert_eq!(all.value.value.to_string(), "1.433");
    /// # Ok::<(), tanso_carbon::units::UnitError>(())
    /// ```
    ///
    /// # Errors
    /// If the ratio is no PUE, such as without IT energy.
    pub fn measured(
        sites: impl IntoIterator<Item = SiteEnergy>,
        category: PueCategory,
        source: &str,
    ) -> Result<Self, UnitError> {
        let (mut count, mut facility_kwh, mut it_kwh) = (0_usize, 0.0, 0.0);
        for site in sites {
            count += 1;
            facility_kwh += site.facility_kwh;
            it_kwh += site.it_kwh;
        }
        let entity = match count {
            0 | 1 => Entity::Site,
            _ => Entity::AllSites,
        };
        let value = Pue::try_new(facility_kwh / it_kwh)?;
        Ok(Self {
            category: Some(category),
            entity,
            ..Self::annual(value, PueEvidence::Measured, source)
        })
    }
}

impl fmt::Display for FacilityPue {
    /// `1.40, measured`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.value.value, self.evidence.in_words())
    }
}
