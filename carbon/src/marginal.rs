//! What a change of use changes: marginal intensity, a type of its own.
//!
//! An average figure shares out what was emitted; a marginal one says what one
//! kilowatt-hour more would have added. Their sums answer different questions
//! and never meet: [`MarginalGrams`] does not add to
//! [`GramsCo2e`](crate::GramsCo2e), a [`MarginalIntensity`] is no place's
//! intensity, and [`account()`](crate::account()) leaves energy unpriced
//! rather than price it with a marginal series.

use std::fmt;
use std::ops::Add;

use serde::{Deserialize, Serialize};
use tanso_power::{Estimate, Joules};

use crate::account::EnergyRow;
use crate::calendar::UtcHour;
use crate::pue::FacilityPue;
use crate::series::{HourlyIntensity, Method, Point, SeriesInfo};
use crate::units::{GramsCo2e, Pue};

/// Emissions that a change of use would have caused or avoided.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct MarginalGrams(GramsCo2e);

impl MarginalGrams {
    /// The amount in grams, for display.
    #[must_use]
    pub fn as_grams_f64(self) -> f64 {
        self.0.as_grams_f64()
    }
}

impl Add for MarginalGrams {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl fmt::Display for MarginalGrams {
    /// `412 g (marginal)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (marginal)", self.0)
    }
}

/// A series that was checked to be marginal.
#[derive(Clone, Copy)]
pub struct MarginalIntensity<'a>(&'a dyn HourlyIntensity);

impl<'a> MarginalIntensity<'a> {
    /// Takes a marginal series.
    ///
    /// # Errors
    /// If the series says that it is of averages.
    pub fn try_new(series: &'a dyn HourlyIntensity) -> Result<Self, NotMarginal> {
        match series.info().method {
            Method::Marginal => Ok(Self(series)),
            Method::Average => Err(NotMarginal(series.info().to_string())),
        }
    }

    /// What kind of figures these are.
    #[must_use]
    pub fn info(&self) -> &SeriesInfo {
        self.0.info()
    }

    /// The figure of one hour.
    #[must_use]
    pub fn at(&self, hour: UtcHour) -> Option<Point> {
        self.0.at(hour)
    }
}

/// A series of averages was given where a marginal one is needed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the series \"{0}\" is of averages: accepted is a marginal one")]
pub struct NotMarginal(String);

/// What some energy more or less changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Consequence {
    /// The facility energy that was priced.
    pub facility_energy: Estimate<Joules>,
    /// What it changes.
    pub emissions: Estimate<MarginalGrams>,
    /// Facility energy in hours without a figure; not in the emissions.
    pub unpriced: Joules,
}

/// What the energy of rows changed at the margin of its grid.
///
/// ```
/// use tanso_carbon::marginal::{MarginalIntensity, consequence};
/// use tanso_carbon::series::Method;
/// use tanso_carbon::{Coverage, EnergyRow, Intensity, Place, SeriesInfo, StaticIntensity, UtcHour, account};
/// use tanso_power::{Estimate, Joules, Provenance};
/// let info = SeriesInfo { method: Method::Marginal, ..SeriesInfo::average_life_cycle("KR", "made up") };
/// let series = StaticIntensity::new(info, Estimate::exact(Intensity::try_from_grams_per_kwh(690.0)?));
/// let row = EnergyRow {
///     hour: UtcHour::parse("2026-06-01T03:00Z")?,
///     place: 0,
///     energy: Estimate::exact(Joules::from_microjoules(3_600_000_000_000)),
///     provenance: Provenance::Measured,
/// };
/// let change = consequence(&[row], MarginalIntensity::try_new(&series)?, None);
/// assert_eq!(change.emissions.value.to_string(), "690 g (marginal)");
/// // Averages are refused here, and marginal figures in an account.
/// let sum = account(&[row], &[Place::new(&series, None)], Coverage::new(1, 1));
/// assert_eq!((sum.emissions.value.to_string().as_str(), sum.unpriced), ("0 g", row.energy.value));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn consequence(
    rows: &[EnergyRow],
    intensity: MarginalIntensity<'_>,
    pue: Option<&FacilityPue>,
) -> Consequence {
    let pue = pue.map_or(Estimate::exact(Pue::ONE), |pue| pue.value);
    let mut sum = Consequence::default();
    for row in rows {
        let energy = row.energy;
        let facility = Estimate {
            low: pue.low.facility_energy(energy.low),
            value: pue.value.facility_energy(energy.value),
            high: pue.high.facility_energy(energy.high),
        };
        let Some(point) = intensity.at(row.hour) else {
            sum.unpriced += facility.value;
            continue;
        };
        let grams = |ci: crate::Intensity, energy, pue| MarginalGrams(ci.emissions_of(energy, pue));
        let ci = point.intensity;
        sum.facility_energy = sum.facility_energy + facility;
        sum.emissions = sum.emissions
            + Estimate {
                low: grams(ci.low, energy.low, pue.low),
                value: grams(ci.value, energy.value, pue.value),
                high: grams(ci.high, energy.high, pue.high),
            };
    }
    sum
}
