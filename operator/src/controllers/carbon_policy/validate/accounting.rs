//! What a policy wants computed beside the location-based sum; pure.

use tanso_carbon::indicator::Indicator;
use tanso_carbon::sci::Hardware;
use tanso_crds::carbon_policy::{AccountingSpec, FunctionalUnitSpec, MarketSpec};
use tanso_crds::condition::reasons;
use tanso_faces::view::stated::{self, Market, StatedFault};

use super::{Observed, PolicyFault};

/// What the workloads served.
#[derive(Clone, Debug)]
pub struct Units {
    /// What is counted.
    pub name: String,
    /// How many.
    pub count: f64,
}

/// What is computed beside the location-based sum.
#[derive(Clone, Debug, Default)]
pub struct Accounting {
    /// For a market-based sum.
    pub market: Option<Market>,
    /// For the embodied part of a software carbon intensity.
    pub hardware: Option<Hardware>,
    /// For a software carbon intensity.
    pub units: Option<Units>,
    /// What was emitted in a base year, grams.
    pub base_year_grams: Option<f64>,
    /// What the facility states of itself.
    pub indicators: Vec<Indicator>,
}

/// Checks it; what could not be asked is added to the notes.
pub(super) fn accounting(
    spec: &AccountingSpec,
    observed: &Observed,
    notes: &mut Vec<String>,
) -> Result<Accounting, Vec<PolicyFault>> {
    let mut faults = Vec::new();
    let market = spec
        .market
        .as_ref()
        .map(|market| self::market(market, observed));
    let market = super::note(&mut faults, market.transpose());
    let hardware = spec.hardware.as_ref().map(stated::hardware).transpose();
    let hardware = super::note(&mut faults, hardware.map_err(refused));
    let indicators: Vec<_> = spec
        .indicators
        .iter()
        .filter_map(|one| super::note(&mut faults, stated::indicator(one).map_err(refused)))
        .collect();
    let (Some(market), Some(hardware), true) = (market, hardware, faults.is_empty()) else {
        return Err(faults);
    };
    let units = spec.functional_unit.as_ref();
    Ok(Accounting {
        market,
        hardware,
        units: units.and_then(|unit| self::units(unit, observed, notes)),
        base_year_grams: spec.base_year.as_ref().map(|base| base.tonnes * 1e6),
        indicators,
    })
}

fn market(spec: &MarketSpec, observed: &Observed) -> Result<Market, PolicyFault> {
    stated::market(spec, observed.contracts.as_ref()).map_err(refused)
}

/// A fault of a stated figure, at its field.
fn refused(fault: StatedFault) -> PolicyFault {
    const CONTRACTS: &str = "spec.accounting.market.contracts";
    match fault {
        StatedFault::NoContracts(message) => PolicyFault {
            reason: reasons::NOT_FOUND,
            path: CONTRACTS,
            message,
        },
        StatedFault::Contracts(message) => PolicyFault::input(CONTRACTS, message),
        StatedFault::ResidualMix(message) => {
            PolicyFault::spec("spec.accounting.market.residualMix", message)
        }
        StatedFault::Hardware(message) => {
            PolicyFault::spec("spec.accounting.hardware.kilogramsPerNode", message)
        }
        StatedFault::Indicator(message) => PolicyFault::spec("spec.accounting.indicators", message),
    }
}

/// How many were served, if it is known.
fn units(spec: &FunctionalUnitSpec, observed: &Observed, notes: &mut Vec<String>) -> Option<Units> {
    #[expect(clippy::cast_precision_loss, reason = "a count up to 10^12 is exact")]
    let given = spec.count.map(|count| Ok(count as f64));
    let count = match given.or_else(|| observed.units.clone())? {
        Ok(count) if count > 0.0 => count,
        Ok(count) => {
            notes.push(format!(
                "no software carbon intensity: the query counts {count} {}s",
                spec.name
            ));
            return None;
        }
        Err(why) => {
            notes.push(format!("no software carbon intensity: {why}"));
            return None;
        }
    };
    Some(Units {
        name: spec.name.clone(),
        count,
    })
}
