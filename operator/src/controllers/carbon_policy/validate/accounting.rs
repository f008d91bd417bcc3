//! What a policy wants computed beside the location-based sum; pure.

use tanso_carbon::indicator::{Indicator, Stated};
use tanso_carbon::market::{Contract, Matching, ResidualMix};
use tanso_carbon::pue::Entity;
use tanso_carbon::regulation::Metric;
use tanso_carbon::sci::Hardware;
use tanso_carbon::whatif::parse_contracts;
use tanso_carbon::{GramsCo2e, Intensity, PueEvidence};
use tanso_crds::carbon_policy::{
    self as crd, AccountingSpec, FunctionalUnitSpec, HardwareSpec, IndicatorSpec, MarketSpec,
};
use tanso_crds::condition::reasons;
use tanso_power::Estimate;

use super::{Observed, PolicyFault};

/// Contracts and what the rest emits.
#[derive(Clone, Debug)]
pub struct Market {
    /// The contracts, in the order in which they cover.
    pub contracts: Vec<Contract>,
    /// How they are matched.
    pub matching: Matching,
    /// What the rest emits.
    pub residual: ResidualMix,
}

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
    let hardware = super::note(
        &mut faults,
        spec.hardware.as_ref().map(hardware).transpose(),
    );
    let indicators: Vec<_> = spec
        .indicators
        .iter()
        .filter_map(|one| super::note(&mut faults, indicator(one)))
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
    const CONTRACTS: &str = "spec.accounting.market.contracts";
    let residual = Intensity::try_from_grams_per_kwh(spec.residual_mix.grams_per_kwh);
    let residual = residual.map_err(|fault| {
        PolicyFault::spec("spec.accounting.market.residualMix", fault.to_string())
    })?;
    let contracts = match &observed.contracts {
        None => Vec::new(),
        Some(Err(missing)) => {
            return Err(PolicyFault {
                reason: reasons::NOT_FOUND,
                path: CONTRACTS,
                message: missing.clone(),
            });
        }
        Some(Ok(table)) => parse_contracts(&table.file, &table.text)
            .map_err(|faults| PolicyFault::input(CONTRACTS, faults.to_string()))?,
    };
    Ok(Market {
        contracts,
        matching: match spec.matching {
            crd::Matching::Hourly => Matching::Hourly,
            crd::Matching::Annual => Matching::Annual,
        },
        residual: ResidualMix {
            intensity: Estimate::exact(residual),
            source: spec.residual_mix.reference.clone(),
            data_year: None,
        },
    })
}

fn hardware(spec: &HardwareSpec) -> Result<Hardware, PolicyFault> {
    let total = GramsCo2e::try_from_grams(spec.kilograms_per_node * 1e3).map_err(|fault| {
        PolicyFault::spec(
            "spec.accounting.hardware.kilogramsPerNode",
            fault.to_string(),
        )
    })?;
    Ok(Hardware {
        name: "node".to_owned(),
        total: Estimate::exact(total),
        lifespan_years: u32::try_from(spec.lifespan_years).unwrap_or(0),
        source: spec.reference.clone(),
    })
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

fn indicator(spec: &IndicatorSpec) -> Result<Indicator, PolicyFault> {
    const PATH: &str = "spec.accounting.indicators";
    let metric = match spec.metric {
        crd::IndicatorMetric::Wue => Metric::Wue,
        crd::IndicatorMetric::Erf => Metric::Erf,
        crd::IndicatorMetric::Ref => Metric::Ref,
        crd::IndicatorMetric::RenewableShare => Metric::RenewableShare,
    };
    let figure = match (spec.metric, spec.litres_per_kwh, spec.percent) {
        (crd::IndicatorMetric::Wue, Some(litres), None) => litres,
        (crd::IndicatorMetric::Wue, ..) => {
            return Err(PolicyFault::spec(PATH, "Wue takes `litresPerKwh`"));
        }
        (_, None, Some(percent)) => percent,
        _ => {
            let message = format!("{metric:?} takes `percent`, 0 to 100 (a ratio of 0.15 is 15)");
            return Err(PolicyFault::spec(PATH, message));
        }
    };
    let stated = Stated::try_new(metric, figure)
        .map_err(|fault| PolicyFault::spec(PATH, fault.to_string()))?;
    Ok(Indicator {
        entity: entity(spec.entity),
        ..Indicator::new(stated, evidence(spec.evidence), &spec.reference)
    })
}

/// Whose figure it is.
pub(super) const fn entity(entity: crd::FacilityEntity) -> Entity {
    match entity {
        crd::FacilityEntity::Site => Entity::Site,
        crd::FacilityEntity::AllSites => Entity::AllSites,
    }
}

/// Who stands for it.
pub(super) const fn evidence(evidence: crd::PueEvidence) -> PueEvidence {
    match evidence {
        crd::PueEvidence::Measured => PueEvidence::Measured,
        crd::PueEvidence::Certificate => PueEvidence::Certificate,
        crd::PueEvidence::PublishedForRegion => PueEvidence::PublishedForRegion,
        crd::PueEvidence::ProviderAverage => PueEvidence::ProviderAverage,
        crd::PueEvidence::Assumed => PueEvidence::Assumed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ERF was called a ratio here and judged as percent.
    #[test]
    fn a_share_is_given_in_percent_and_water_in_litres() {
        use crd::IndicatorMetric::{Erf, Ref, RenewableShare, Wue};
        let spec = |metric, litres_per_kwh, percent| IndicatorSpec {
            metric,
            litres_per_kwh,
            percent,
            evidence: crd::PueEvidence::Certificate,
            entity: crd::FacilityEntity::Site,
            reference: "certificate 7".to_owned(),
        };
        let figure = |one: &IndicatorSpec| -> Result<f64, PolicyFault> {
            Ok(indicator(one)?.stated.figure())
        };
        let refused = |one: &IndicatorSpec| figure(one).unwrap_err().to_string();
        assert_eq!(figure(&spec(Wue, Some(0.35), None)), Ok(0.35));
        for metric in [Erf, Ref, RenewableShare] {
            assert_eq!(figure(&spec(metric, None, Some(15.0))), Ok(15.0));
            assert!(refused(&spec(metric, Some(0.15), None)).contains("`percent`, 0 to 100"));
            assert!(refused(&spec(metric, None, Some(150.0))).contains("0 to 100 percent"));
        }
        assert!(refused(&spec(Wue, None, Some(35.0))).contains("`litresPerKwh`"));
        assert!(refused(&spec(Wue, Some(0.35), Some(35.0))).contains("`litresPerKwh`"));
    }
}
