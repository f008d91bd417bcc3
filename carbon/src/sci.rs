//! Software carbon intensity (ISO/IEC 21031:2024): (E × I + M) per R.
//!
//! I is location-based, so only an [`Account`] feeds it, never a market-based
//! sum. M, the embodied part, is the hardware's share for the time and the
//! resources that were reserved. Never guesses: without M or without a number
//! of functional units there is no figure.

use serde::{Deserialize, Serialize};
use tanso_power::Estimate;

use crate::account::{Account, of_the_whole};
use crate::units::GramsCo2e;

/// Seconds in a year of 365 days, in which life spans are given.
const YEAR_S: u64 = 365 * 86_400;

/// A piece of hardware and what its making and end of life emit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hardware {
    /// Its name.
    pub name: String,
    /// TE: all embodied emissions, with bounds as the maker states them.
    pub total: Estimate<GramsCo2e>,
    /// EL: the expected life span in years.
    pub lifespan_years: u32,
    /// Who says so: a product carbon footprint, its date.
    pub source: String,
}

/// What of a piece of hardware is reserved for a piece of software.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reserved {
    /// `TiR`: the time, in seconds.
    pub seconds: u64,
    /// RR: the resources reserved, such as thousandths of a core.
    pub resources: u64,
    /// `ToR`: all resources of the hardware, in the same unit.
    pub of: u64,
}

impl Hardware {
    /// M: TE × `TiR`/EL × RR/`ToR`, rounded twice to the nearest nanogram.
    ///
    /// ```
    /// use tanso_carbon::GramsCo2e;
    /// use tanso_carbon::sci::{Hardware, Reserved};
    /// use tanso_power::Estimate;
    /// let server = Hardware {
    ///     name: "server".into(),
    ///     total: Estimate::exact(GramsCo2e::try_from_grams(1_000_000.0)?),
    ///     lifespan_years: 4,
    ///     source: "example".into(),
    /// };
    /// let hour = Reserved { seconds: 3_600, resources: 1, of: 1 };
    /// let grams = server.embodied(hour)?.value.as_grams_f64();
    /// assert_eq!(format!("{grams:.2}"), "28.54");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If there is no life span, no resource, or more is reserved than there
    /// is.
    pub fn embodied(&self, reserved: Reserved) -> Result<Estimate<GramsCo2e>, SciError> {
        let lifespan_s = u64::from(self.lifespan_years) * YEAR_S;
        if lifespan_s == 0 {
            return Err(SciError::Lifespan(self.name.clone()));
        }
        if reserved.of == 0 || reserved.resources > reserved.of {
            return Err(SciError::Reserved {
                name: self.name.clone(),
                resources: reserved.resources,
                of: reserved.of,
            });
        }
        Ok(self.total.map(|total| {
            total
                .scaled(reserved.seconds, lifespan_s)
                .scaled(reserved.resources, reserved.of)
        }))
    }
}

/// The software carbon intensity of a period.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sci {
    /// E × I, location-based.
    pub operational: Estimate<GramsCo2e>,
    /// M.
    pub embodied: Estimate<GramsCo2e>,
    /// R: how many functional units the energy served.
    pub units: f64,
    /// What a functional unit is, such as `request`.
    pub unit: String,
    /// Grams of CO2 equivalent per functional unit. The upper bound is of the
    /// whole period: what was not seen of it may have been like the highest
    /// estimate of what was, while all of its units are counted.
    pub grams_per_unit: Estimate<f64>,
    /// Share of the period whose energy is known, percent.
    pub coverage_percent: f64,
}

/// The software carbon intensity of an account.
///
/// # Errors
/// If the number of functional units is not above zero, or energy of the
/// account has no intensity.
pub fn sci(
    account: &Account,
    embodied: Estimate<GramsCo2e>,
    units: f64,
    unit: &str,
) -> Result<Sci, SciError> {
    if !(units.is_finite() && units > 0.0) {
        return Err(SciError::Units(units));
    }
    if account.unpriced.microjoules() > 0 {
        return Err(SciError::Unpriced(account.unpriced_percent()));
    }
    let operational = account.emissions;
    let seen = (operational + embodied).map(|grams| grams.as_grams_f64() / units);
    Ok(Sci {
        operational,
        embodied,
        units,
        unit: unit.to_owned(),
        grams_per_unit: of_the_whole(seen, account.coverage),
        coverage_percent: account.coverage.percent(),
    })
}

/// Why there is no software carbon intensity.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SciError {
    /// The hardware has no life span.
    #[error("hardware {0:?} has a life span of 0 years: accepted are 1 and more")]
    Lifespan(String),
    /// More is reserved than there is, or there is nothing.
    #[error("{resources} of {of} resources of hardware {name:?}: accepted are shares of at most 1")]
    Reserved {
        /// The hardware.
        name: String,
        /// What is reserved.
        resources: u64,
        /// What there is.
        of: u64,
    },
    /// Nothing was served.
    #[error("{0} functional units: accepted are numbers above 0")]
    Units(f64),
    /// Some energy has no intensity.
    #[error("{0:.1} % of the energy has no intensity: fill the hours by a rule first")]
    Unpriced(f64),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(kilograms: f64) -> Hardware {
        Hardware {
            name: "m3.small".into(),
            total: Estimate::exact(GramsCo2e::try_from_grams(kilograms * 1e3).unwrap()),
            lifespan_years: 4,
            source: "the maker".into(),
        }
    }

    #[test]
    fn the_published_vectors_of_embodied_emissions_are_found_again() {
        let grams = |kilograms, seconds| {
            let reserved = Reserved {
                seconds,
                resources: 1,
                of: 1,
            };
            let found = server(kilograms).embodied(reserved).unwrap();
            format!("{:.2}", found.value.as_grams_f64())
        };
        assert_eq!(grams(1_000.0, 3_600), "28.54");
        assert_eq!(grams(550.0, 900), "3.92");
    }

    /// Half of the energy was divided by all of the units, without a word.
    #[test]
    fn what_was_not_seen_of_a_period_widens_the_figure_upwards() {
        let half = Account {
            coverage: crate::account::Coverage::new(24, 12),
            ..Account::default()
        };
        let found = sci(&half, server(1.0).total, 250.0, "request").unwrap();
        assert!((found.grams_per_unit.value - 4.0).abs() < 1e-12);
        assert!((found.grams_per_unit.high - 8.0).abs() < 1e-12);
        assert!((found.coverage_percent - 50.0).abs() < 1e-12);
    }

    #[test]
    fn a_share_above_one_and_no_units_are_refused() {
        let reserved = Reserved {
            seconds: 1,
            resources: 9,
            of: 8,
        };
        let refused = server(1.0).embodied(reserved).unwrap_err().to_string();
        assert!(refused.contains("9 of 8"), "{refused}");
        let none = sci(&Account::default(), Estimate::default(), 0.0, "request");
        assert_eq!(none, Err(SciError::Units(0.0)));
        let per = sci(&Account::default(), server(1.0).total, 250.0, "request");
        assert!((per.unwrap().grams_per_unit.value - 4.0).abs() < 1e-12);
    }
}
