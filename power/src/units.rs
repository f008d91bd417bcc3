//! Units and their laws: energy, power, utilisation.
//!
//! Arithmetic that stays within a unit is an operator; whatever crosses units
//! is a named method. Raw numbers enter by a named constructor only.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Microjoules in one kilowatt-hour: 3.6 MJ.
pub const MICROJOULES_PER_KWH: u64 = 3_600_000_000_000;

/// An amount of energy, in whole microjoules; never negative.
///
/// Addition saturates at 2^64 µJ (5.1 `GWh`), more than a node uses in its life, so
/// that no sum can wrap round to a small figure; sums over a fleet are made in wider integers.
///
/// ```
/// use tanso_power::{Joules, Watts};
/// use std::time::Duration;
/// let hour = Watts::from_microwatts(1_000_000_000).over(Duration::from_secs(3600));
/// assert_eq!(hour, Joules::from_microjoules(3_600_000_000_000));
/// assert_eq!(hour.to_string(), "1.000 kWh");
/// ```
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Joules(u64);

impl Joules {
    /// No energy.
    pub const ZERO: Self = Self(0);

    /// Energy from whole microjoules.
    #[must_use]
    #[inline]
    pub const fn from_microjoules(energy_uj: u64) -> Self {
        Self(energy_uj)
    }

    /// The energy in whole microjoules.
    #[must_use]
    #[inline]
    pub const fn microjoules(self) -> u64 {
        self.0
    }

    /// The energy in joules, for display and metrics only: above 2^53 µJ
    /// (9 GJ) the last microjoules are rounded away.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "documented: display and metrics only"
    )]
    pub fn as_joules_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// The energy in kilowatt-hours, for display only.
    #[must_use]
    pub fn as_kwh_f64(self) -> f64 {
        self.as_joules_f64() / 3.6e6
    }

    /// The difference, or `None` if `other` is larger.
    #[must_use]
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(rest) => Some(Self(rest)),
            None => None,
        }
    }

    /// The difference, or zero if `other` is larger.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The mean power over `period`; zero for an empty period.
    #[must_use]
    pub fn over(self, period: Duration) -> Watts {
        let nanos = period.as_nanos();
        if nanos == 0 {
            return Watts::ZERO;
        }
        let microwatts = u128::from(self.0) * 1_000_000_000 / nanos;
        Watts(u64::try_from(microwatts).unwrap_or(u64::MAX))
    }
}

impl Add for Joules {
    type Output = Self;
    #[inline]
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Joules {
    #[inline]
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Joules {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        parts.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Joules {
    /// `12.345 J` below 3.6 kJ, `1.234 Wh` below 1 kWh, `1.234 kWh` above.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joules = self.as_joules_f64();
        if joules < 3_600.0 {
            write!(f, "{joules:.3} J")
        } else if self.0 < MICROJOULES_PER_KWH {
            write!(f, "{:.3} Wh", joules / 3_600.0)
        } else {
            write!(f, "{:.3} kWh", self.as_kwh_f64())
        }
    }
}

/// Power, in whole microwatts; never negative.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Watts(u64);

impl Watts {
    /// No power.
    pub const ZERO: Self = Self(0);

    /// Power from whole microwatts.
    #[must_use]
    pub const fn from_microwatts(power_uw: u64) -> Self {
        Self(power_uw)
    }

    /// Power from a figure in watts.
    ///
    /// # Errors
    /// If `watts` is negative, not finite or above 18 TW.
    pub fn try_from_watts(watts: f64) -> Result<Self, UnitError> {
        let microwatts = (watts * 1e6).round();
        if !(0.0..1.8e19).contains(&microwatts) {
            return Err(UnitError::Watts(watts));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the range was checked above"
        )]
        Ok(Self(microwatts as u64))
    }

    /// The power in whole microwatts.
    #[must_use]
    pub const fn microwatts(self) -> u64 {
        self.0
    }

    /// The power in watts, for display, metrics and model arithmetic.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "documented: display and metrics only"
    )]
    pub fn as_watts_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// The energy this power delivers over `period`, rounded down to a whole
    /// microjoule. Whoever integrates over many periods keeps the rest.
    #[must_use]
    pub fn over(self, period: Duration) -> Joules {
        let microjoules = u128::from(self.0) * period.as_nanos() / 1_000_000_000;
        Joules(u64::try_from(microjoules).unwrap_or(u64::MAX))
    }
}

impl Add for Watts {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sum for Watts {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        parts.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Watts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} W", self.as_watts_f64())
    }
}

/// A share of a machine's CPU time that was busy: 0 (idle) to 1 (full).
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Utilisation(f64);

impl Utilisation {
    /// Nothing ran.
    pub const IDLE: Self = Self(0.0);
    /// Every CPU was busy.
    pub const FULL: Self = Self(1.0);

    /// A utilisation from a ratio.
    ///
    /// # Errors
    /// If `ratio` is not within 0 and 1.
    pub fn try_new(ratio: f64) -> Result<Self, UnitError> {
        if (0.0..=1.0).contains(&ratio) {
            Ok(Self(ratio))
        } else {
            Err(UnitError::Utilisation(ratio))
        }
    }

    /// Busy time over available time; 1 if rounding makes busy the larger,
    /// 0 if no time was available.
    #[must_use]
    pub fn of(busy: Duration, available: Duration) -> Self {
        if available.is_zero() {
            return Self::IDLE;
        }
        Self((busy.as_secs_f64() / available.as_secs_f64()).clamp(0.0, 1.0))
    }

    /// The ratio, within 0 and 1.
    #[must_use]
    pub const fn ratio(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Utilisation {
    type Error = UnitError;
    fn try_from(ratio: f64) -> Result<Self, UnitError> {
        Self::try_new(ratio)
    }
}

impl From<Utilisation> for f64 {
    fn from(utilisation: Utilisation) -> Self {
        utilisation.0
    }
}

/// Why a raw number is no quantity.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum UnitError {
    /// The figure is no power.
    #[error("power of {0} W: accepted are 0 to 18 TW, finite")]
    Watts(f64),
    /// The figure is no utilisation.
    #[error("utilisation of {0}: accepted are 0 to 1")]
    Utilisation(f64),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn power_over_time_and_back_is_the_same_power() {
        let power = Watts::try_from_watts(37.25).unwrap();
        let period = Duration::from_millis(1_700);
        assert_eq!(power.over(period).over(period), power);
    }

    #[test]
    fn a_sum_saturates_instead_of_wrapping() {
        let most = Joules::from_microjoules(u64::MAX);
        assert_eq!(most + Joules::from_microjoules(5), most);
    }

    #[test]
    fn what_is_no_power_is_refused_with_the_figure() {
        assert!(Watts::try_from_watts(f64::NAN).is_err());
        let refused = Watts::try_from_watts(-3.5).unwrap_err();
        assert!(refused.to_string().contains("-3.5"));
    }

    #[test]
    fn utilisation_never_leaves_its_range() {
        assert!(Utilisation::try_new(1.01).is_err());
        let busy = Utilisation::of(Duration::from_secs(3), Duration::from_secs(2));
        assert_eq!(busy, Utilisation::FULL);
        assert_eq!(
            Utilisation::of(Duration::from_secs(3), Duration::ZERO),
            Utilisation::IDLE
        );
    }
}
