//! Units and their laws: emissions, carbon intensity, PUE.
//!
//! Each is kept in whole small parts, so that sums are exact and their order
//! does not matter. Raw numbers enter by a named constructor only.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign};

use serde::{Deserialize, Serialize};
use tanso_power::Joules;
use tanso_power::units::MICROJOULES_PER_KWH;

/// Grams per kWh in one pound per megawatt-hour (the international pound, 1959).
const GRAMS_PER_KWH_IN_POUND_PER_MWH: f64 = 0.453_592_37;
/// Nanograms in a gram.
const NANOGRAMS_PER_GRAM: u128 = 1_000_000_000;

/// An amount of greenhouse gas as grams of CO2 equivalent, in whole
/// nanograms; never negative.
///
/// ```
/// use tanso_carbon::GramsCo2e;
/// assert_eq!(GramsCo2e::try_from_grams(22_600.0)?.to_string(), "22.6 kg");
/// assert_eq!(GramsCo2e::try_from_grams(412.4)?.to_string(), "412 g");
/// assert_eq!(GramsCo2e::try_from_grams(1_200_000.0)?.to_string(), "1.20 t");
/// # Ok::<(), tanso_carbon::units::UnitError>(())
/// ```
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct GramsCo2e(u128);

impl GramsCo2e {
    /// No emissions.
    pub const ZERO: Self = Self(0);

    /// Emissions from whole nanograms.
    #[must_use]
    pub const fn from_nanograms(mass_ng: u128) -> Self {
        Self(mass_ng)
    }

    /// Emissions from a figure in grams.
    ///
    /// # Errors
    /// If `grams` is negative, not finite or above 10^18 (a million Mt).
    pub fn try_from_grams(grams: f64) -> Result<Self, UnitError> {
        if !(0.0..=1e18).contains(&grams) {
            return Err(UnitError::Grams(grams));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the range was checked above"
        )]
        Ok(Self((grams * 1e9).round() as u128))
    }

    /// The emissions in whole nanograms.
    #[must_use]
    pub const fn nanograms(self) -> u128 {
        self.0
    }

    /// The emissions in grams, for display, metrics and limits.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "documented: display, metrics and limits only"
    )]
    pub fn as_grams_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// The emissions in whole grams, rounded to the nearest.
    #[must_use]
    pub fn whole_grams(self) -> u64 {
        let grams = self.0.saturating_add(NANOGRAMS_PER_GRAM / 2) / NANOGRAMS_PER_GRAM;
        u64::try_from(grams).unwrap_or(u64::MAX)
    }

    /// The difference, or zero if `other` is larger.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The emissions times `numerator / denominator`, rounded to the nearest
    /// nanogram; zero for a zero denominator.
    #[must_use]
    pub fn scaled(self, numerator: u64, denominator: u64) -> Self {
        let denominator = u128::from(denominator);
        if denominator == 0 {
            return Self::ZERO;
        }
        Self((self.0.saturating_mul(u128::from(numerator)) + denominator / 2) / denominator)
    }
}

impl Add for GramsCo2e {
    type Output = Self;
    #[inline]
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for GramsCo2e {
    #[inline]
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for GramsCo2e {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        parts.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for GramsCo2e {
    /// Three digits that count at least: `0 g`, `3.10 mg`, `1.23 g`, `41.2 g`,
    /// `412 g`, `2.40 kg`, `22.6 kg`, `1.20 t`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let grams = self.as_grams_f64();
        match grams {
            _ if self.0 == 0 => f.write_str("0 g"),
            g if g < 0.009_995 => write!(f, "{:.2} mg", g * 1e3),
            g if g < 0.9995 => write!(f, "{:.1} mg", g * 1e3),
            g if g < 9.995 => write!(f, "{g:.2} g"),
            g if g < 99.95 => write!(f, "{g:.1} g"),
            g if g < 999.5 => write!(f, "{g:.0} g"),
            g if g < 9_995.0 => write!(f, "{:.2} kg", g / 1e3),
            g if g < 999_950.0 => write!(f, "{:.1} kg", g / 1e3),
            g if g < 9_995_000.0 => write!(f, "{:.2} t", g / 1e6),
            g => write!(f, "{:.1} t", g / 1e6),
        }
    }
}

/// Carbon intensity of electricity in gCO2eq per kWh, in whole micrograms;
/// 0 to 2,000 g/kWh. No grid on Earth is outside; what is, was given in
/// another unit.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "f64", into = "f64")]
pub struct Intensity(u32);

impl Intensity {
    /// Electricity without emissions.
    pub const ZERO: Self = Self(0);
    /// The highest intensity accepted: 2,000 g/kWh.
    pub const MAX: Self = Self(2_000_000_000);

    /// An intensity from grams per kWh.
    ///
    /// # Errors
    /// If the figure is outside 0 to 2,000 or not finite; the error names it.
    pub fn try_from_grams_per_kwh(grams_per_kwh: f64) -> Result<Self, UnitError> {
        if !(0.0..=2_000.0).contains(&grams_per_kwh) {
            return Err(UnitError::Intensity(grams_per_kwh));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the range was checked above"
        )]
        Ok(Self((grams_per_kwh * 1e6).round() as u32))
    }

    /// An intensity from pounds per megawatt-hour, the unit of some North American
    /// services.
    ///
    /// # Errors
    /// As [`Self::try_from_grams_per_kwh`], after conversion.
    pub fn try_from_pounds_per_mwh(pounds_per_mwh: f64) -> Result<Self, UnitError> {
        Self::try_from_grams_per_kwh(pounds_per_mwh * GRAMS_PER_KWH_IN_POUND_PER_MWH)
    }

    /// An intensity from tonnes per megawatt-hour, the unit of official factors.
    ///
    /// # Errors
    /// As [`Self::try_from_grams_per_kwh`], after conversion.
    pub fn try_from_tonnes_per_mwh(tonnes_per_mwh: f64) -> Result<Self, UnitError> {
        Self::try_from_grams_per_kwh(tonnes_per_mwh * 1e3)
    }

    /// An intensity from whole micrograms per kWh, or `None` above 2,000 g.
    #[must_use]
    pub const fn from_micrograms_per_kwh(micrograms: u32) -> Option<Self> {
        if micrograms <= Self::MAX.0 {
            Some(Self(micrograms))
        } else {
            None
        }
    }

    /// The intensity in whole micrograms per kWh.
    #[must_use]
    pub const fn micrograms_per_kwh(self) -> u32 {
        self.0
    }

    /// The intensity in grams per kWh.
    #[must_use]
    pub fn as_grams_per_kwh_f64(self) -> f64 {
        f64::from(self.0) / 1e6
    }

    /// What `energy` (at the socket, PUE not in it) emits at this intensity
    /// in a facility of this `pue`, rounded once, to the nearest nanogram.
    ///
    /// ```
    /// use tanso_carbon::{Intensity, Pue};
    /// use tanso_power::Joules;
    /// let kwh = Joules::from_microjoules(3_600_000_000_000);
    /// let ci = Intensity::try_from_pounds_per_mwh(900.0)?;
    /// let grams = ci.emissions_of(kwh, Pue::try_new(1.15)?);
    /// assert_eq!(format!("{:.3}", grams.as_grams_f64()), "469.468");
    /// # Ok::<(), tanso_carbon::units::UnitError>(())
    /// ```
    #[must_use]
    pub fn emissions_of(self, energy: Joules, pue: Pue) -> GramsCo2e {
        // µJ × ppm × µg/kWh stays below 2^64 × 5·10^6 × 2·10^9 < 2^118, and
        // is 3.6·10^15 times the nanograms.
        const PRODUCT_PER_NANOGRAM: u128 = MICROJOULES_PER_KWH as u128 * 1_000;
        let product = u128::from(energy.microjoules()) * u128::from(pue.0) * u128::from(self.0);
        GramsCo2e((product + PRODUCT_PER_NANOGRAM / 2) / PRODUCT_PER_NANOGRAM)
    }

    /// The intensity at which `energy` emits `grams`; `None` without energy
    /// or above 2,000 g/kWh.
    #[must_use]
    pub fn of(grams: GramsCo2e, energy: Joules) -> Option<Self> {
        let energy = u128::from(energy.microjoules());
        if energy == 0 {
            return None;
        }
        let per_kwh_ng = grams.0.checked_mul(u128::from(MICROJOULES_PER_KWH))? / energy;
        Self::from_micrograms_per_kwh(u32::try_from((per_kwh_ng + 500) / 1_000).ok()?)
    }
}

impl TryFrom<f64> for Intensity {
    type Error = UnitError;
    fn try_from(grams_per_kwh: f64) -> Result<Self, UnitError> {
        Self::try_from_grams_per_kwh(grams_per_kwh)
    }
}

impl From<Intensity> for f64 {
    fn from(intensity: Intensity) -> Self {
        intensity.as_grams_per_kwh_f64()
    }
}

impl fmt::Display for Intensity {
    /// `424.0 gCO2eq/kWh`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} gCO2eq/kWh", self.as_grams_per_kwh_f64())
    }
}

/// Power usage effectiveness: facility energy over IT energy, 1 to 5, in
/// whole millionths (ISO/IEC 30134-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Pue(u32);

impl Pue {
    /// A facility without losses; also the factor for energy that was metered
    /// at the facility.
    pub const ONE: Self = Self(1_000_000);

    /// A PUE from a ratio.
    ///
    /// # Errors
    /// If `ratio` is below 1 (no facility uses less than its IT), above 5 or
    /// not finite.
    pub fn try_new(ratio: f64) -> Result<Self, UnitError> {
        if !(1.0..=5.0).contains(&ratio) {
            return Err(UnitError::Pue(ratio));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the range was checked above"
        )]
        Ok(Self((ratio * 1e6).round() as u32))
    }

    /// The ratio.
    #[must_use]
    pub fn ratio(self) -> f64 {
        f64::from(self.0) / 1e6
    }

    /// The facility energy that `it` energy stands for, to the nearest
    /// microjoule.
    #[must_use]
    pub fn facility_energy(self, it: Joules) -> Joules {
        let product = u128::from(it.microjoules()) * u128::from(self.0);
        Joules::from_microjoules(u64::try_from((product + 500_000) / 1_000_000).unwrap_or(u64::MAX))
    }
}

impl TryFrom<f64> for Pue {
    type Error = UnitError;
    fn try_from(ratio: f64) -> Result<Self, UnitError> {
        Self::try_new(ratio)
    }
}

impl From<Pue> for f64 {
    fn from(pue: Pue) -> Self {
        pue.ratio()
    }
}

impl fmt::Display for Pue {
    /// `1.40`, or up to three places where they matter: `1.433`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let thousandths = (self.0 + 500) / 1_000;
        if thousandths.is_multiple_of(10) {
            write!(f, "{:.2}", self.ratio())
        } else {
            write!(f, "{:.3}", self.ratio())
        }
    }
}

/// Why a raw number is no quantity.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum UnitError {
    /// The figure is no amount of emissions.
    #[error("emissions of {0} g: accepted are 0 to 10^18 g, finite")]
    Grams(f64),
    /// The figure is no carbon intensity.
    #[error(
        "carbon intensity of {0} gCO2eq/kWh: accepted are 0 to 2000; check the unit (g/kWh, not kg, t or lb per MWh)"
    )]
    Intensity(f64),
    /// The figure is no PUE.
    #[error("PUE of {0}: accepted are 1 to 5 (facility energy over IT energy)")]
    Pue(f64),
}

#[cfg(test)]
mod tests {
    use super::*;

    const KWH: Joules = Joules::from_microjoules(MICROJOULES_PER_KWH);

    #[test]
    fn case_1_units_are_converted_and_never_mixed() {
        let ci = Intensity::try_from_pounds_per_mwh(900.0).unwrap();
        assert_eq!(ci.micrograms_per_kwh(), 408_233_133);
        let grams = ci.emissions_of(KWH, Pue::try_new(1.15).unwrap());
        assert_eq!(format!("{:.3}", grams.as_grams_f64()), "469.468");
        let official = Intensity::try_from_tonnes_per_mwh(0.4173).unwrap();
        assert_eq!(official, Intensity::try_from_grams_per_kwh(417.3).unwrap());
        let half = Intensity::try_from_tonnes_per_mwh(0.5).unwrap();
        assert_eq!(half.as_grams_per_kwh_f64().to_string(), "500");
        let refused = Intensity::try_from_grams_per_kwh(402.0 * 1e6).unwrap_err();
        assert!(refused.to_string().contains("402000000"), "{refused}");
    }

    #[test]
    fn what_is_no_quantity_is_refused_with_the_figure() {
        for bad in [-0.1, 2_000.1, f64::NAN, f64::INFINITY] {
            assert!(Intensity::try_from_grams_per_kwh(bad).is_err());
        }
        for bad in [0.8, 0.999_999, 5.01, f64::NAN] {
            let refused = Pue::try_new(bad).unwrap_err();
            assert!(refused.to_string().contains(&bad.to_string()));
        }
        assert!(Pue::try_new(1.0 / 0.0).is_err());
        assert!(GramsCo2e::try_from_grams(-1.0).is_err());
    }

    #[test]
    fn energy_without_emissions_and_emissions_without_energy_differ() {
        assert_eq!(Intensity::of(GramsCo2e::ZERO, KWH), Some(Intensity::ZERO));
        assert_eq!(Intensity::of(GramsCo2e::ZERO, Joules::ZERO), None);
    }

    #[test]
    fn display_picks_a_readable_unit() {
        let shown = |grams| GramsCo2e::try_from_grams(grams).unwrap().to_string();
        assert_eq!(shown(0.0), "0 g");
        assert_eq!(shown(0.0031), "3.10 mg");
        assert_eq!(shown(0.031), "31.0 mg");
        assert_eq!(shown(1.234), "1.23 g");
        assert_eq!(shown(41.23), "41.2 g");
        assert_eq!(shown(999.6), "1.00 kg");
        assert_eq!(shown(4_236.0), "4.24 kg");
        assert_eq!(shown(9_996.0), "10.0 kg");
        assert_eq!(shown(999_960.0), "1.00 t");
        assert_eq!(shown(4_236_000.0), "4.24 t");
        assert_eq!(shown(42_360_000.0), "42.4 t");
        assert_eq!(Pue::try_new(1.4).unwrap().to_string(), "1.40");
        assert_eq!(Pue::try_new(43.0 / 30.0).unwrap().to_string(), "1.433");
    }
}
