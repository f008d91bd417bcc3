//! What a facility states of itself beside PUE: water, reused heat, renewable
//! electricity. Each figure has one unit and one accepted range, as a type:
//! a share is percent and never a ratio. Never judges.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::pue::{Entity, PueEvidence};
use crate::regulation::Metric;

/// A share of a whole, 0 to 100 percent. A ratio of 0.15 is 15.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Percent(f64);

impl Percent {
    /// A share from a figure in percent.
    ///
    /// # Errors
    /// If it is not from 0 to 100.
    pub fn try_new(percent: f64) -> Result<Self, IndicatorFault> {
        if (0.0..=100.0).contains(&percent) {
            Ok(Self(percent))
        } else {
            Err(IndicatorFault::Percent(percent))
        }
    }

    /// The figure in percent.
    #[must_use]
    pub const fn as_f64(self) -> f64 {
        self.0
    }
}

/// Water per energy of IT equipment, litres per kWh.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct LitresPerKwh(f64);

impl LitresPerKwh {
    /// Water per energy from a figure in litres per kWh.
    ///
    /// # Errors
    /// If it is not from 0 to 100: evaporating all heat takes about 1.5.
    pub fn try_new(litres: f64) -> Result<Self, IndicatorFault> {
        if (0.0..=100.0).contains(&litres) {
            Ok(Self(litres))
        } else {
            Err(IndicatorFault::Litres(litres))
        }
    }

    /// The figure in litres per kWh.
    #[must_use]
    pub const fn as_f64(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Percent {
    type Error = IndicatorFault;
    fn try_from(figure: f64) -> Result<Self, Self::Error> {
        Self::try_new(figure)
    }
}

impl From<Percent> for f64 {
    fn from(figure: Percent) -> Self {
        figure.0
    }
}

impl TryFrom<f64> for LitresPerKwh {
    type Error = IndicatorFault;
    fn try_from(figure: f64) -> Result<Self, Self::Error> {
        Self::try_new(figure)
    }
}

impl From<LitresPerKwh> for f64 {
    fn from(figure: LitresPerKwh) -> Self {
        figure.0
    }
}

/// A stated figure with what it indicates (Delegated Regulation (EU)
/// 2024/1364, Annex III, where ERF and REF are ratios: here they are percent).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Stated {
    /// Water usage effectiveness.
    Wue(LitresPerKwh),
    /// Energy reuse factor.
    Erf(Percent),
    /// Renewable energy factor.
    Ref(Percent),
    /// Renewable share of the electricity.
    RenewableShare(Percent),
}

impl Stated {
    /// A figure in the unit of its metric: litres per kWh for `Wue`, percent
    /// for `Erf`, `Ref` and `RenewableShare`.
    ///
    /// # Errors
    /// If the metric is not one that a facility states, or the figure is out
    /// of its range.
    pub fn try_new(metric: Metric, figure: f64) -> Result<Self, IndicatorFault> {
        Ok(match metric {
            Metric::Wue => Self::Wue(LitresPerKwh::try_new(figure)?),
            Metric::Erf => Self::Erf(Percent::try_new(figure)?),
            Metric::Ref => Self::Ref(Percent::try_new(figure)?),
            Metric::RenewableShare => Self::RenewableShare(Percent::try_new(figure)?),
            _ => return Err(IndicatorFault::Metric(metric)),
        })
    }

    /// What it indicates.
    #[must_use]
    pub const fn metric(self) -> Metric {
        match self {
            Self::Wue(_) => Metric::Wue,
            Self::Erf(_) => Metric::Erf,
            Self::Ref(_) => Metric::Ref,
            Self::RenewableShare(_) => Metric::RenewableShare,
        }
    }

    /// The figure in the unit that rules of its metric have.
    #[must_use]
    pub const fn figure(self) -> f64 {
        match self {
            Self::Wue(litres) => litres.as_f64(),
            Self::Erf(percent) | Self::Ref(percent) | Self::RenewableShare(percent) => {
                percent.as_f64()
            }
        }
    }
}

impl fmt::Display for Stated {
    /// `WUE 0.35 L/kWh`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = self.metric().units().first().copied().unwrap_or_default();
        write!(f, "{} {} {unit}", self.metric().in_words(), self.figure())
    }
}

/// A facility indicator of a year, stated by somebody.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Indicator {
    /// The figure and what it indicates.
    pub stated: Stated,
    /// Who stands for it.
    pub evidence: PueEvidence,
    /// Whose it is.
    #[serde(default)]
    pub entity: Entity,
    /// Where it was published.
    pub source: String,
}

impl Indicator {
    /// An indicator of one site.
    #[must_use]
    pub fn new(stated: Stated, evidence: PueEvidence, source: &str) -> Self {
        Self {
            stated,
            evidence,
            entity: Entity::Site,
            source: source.to_owned(),
        }
    }

    /// The figure of metered amounts of a year: water (L) over IT energy
    /// (kWh) for WUE; reused, renewable or contracted energy over the
    /// facility's in percent for ERF, REF and the renewable share.
    ///
    /// ```
    /// use tanso_carbon::indicator::Indicator;
    /// use tanso_carbon::regulation::Metric;
    /// // 0.3 of 2 GWh are used again.
    /// let reuse = Indicator::measured(Metric::Erf, 0.3e6, 2e6, "meters of 2025")?;
    /// assert_eq!(reuse.stated.to_string(), "energy reuse factor 15 percent");
    /// # Ok::<(), tanso_carbon::indicator::IndicatorFault>(())
    /// ```
    ///
    /// # Errors
    /// If the metric is no such ratio, `whole` is not above zero, or the
    /// figure is out of its range.
    pub fn measured(
        metric: Metric,
        part: f64,
        whole: f64,
        source: &str,
    ) -> Result<Self, IndicatorFault> {
        let scale = if metric == Metric::Wue { 1.0 } else { 100.0 };
        if !(whole > 0.0 && whole.is_finite()) {
            return Err(IndicatorFault::Whole(whole));
        }
        let stated = Stated::try_new(metric, part / whole * scale)?;
        Ok(Self::new(stated, PueEvidence::Measured, source))
    }
}

/// Why a figure indicates nothing.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum IndicatorFault {
    /// It is no share.
    #[error("a share of {0}: accepted are 0 to 100 percent (a ratio of 0.15 is 15)")]
    Percent(f64),
    /// It is no water usage.
    #[error("water usage of {0}: accepted are 0 to 100 litres per kWh")]
    Litres(f64),
    /// It is no metric that a facility states.
    #[error("{0:?} is not stated by a facility: accepted are Wue, Erf, Ref and RenewableShare")]
    Metric(Metric),
    /// There is nothing to divide by.
    #[error("over an energy of {0} kWh: accepted is one above 0")]
    Whole(f64),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The resource called ERF and REF ratios and the rules percent: a
    /// facility that reused 15 % was told that it reused 0.15 %.
    #[test]
    fn a_share_is_percent_and_nothing_else() {
        for metric in [Metric::Erf, Metric::Ref, Metric::RenewableShare] {
            let stated = Stated::try_new(metric, 15.0).unwrap();
            assert_eq!((stated.metric(), stated.figure()), (metric, 15.0));
            assert_eq!(metric.units(), ["percent"]);
            for bad in [-0.1, 100.1, f64::NAN] {
                let refused = Stated::try_new(metric, bad).unwrap_err().to_string();
                assert!(refused.contains("0 to 100 percent"), "{refused}");
            }
        }
        assert!(Stated::try_new(Metric::Wue, 100.1).is_err());
        assert!(Stated::try_new(Metric::Pue, 1.2).is_err());
        // More cannot be used again than was used.
        assert!(Indicator::measured(Metric::Erf, 2.1, 2.0, "m").is_err());
        assert!(serde_json::from_str::<Percent>("101").is_err());
    }
}
