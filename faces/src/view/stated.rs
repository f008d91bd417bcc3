//! What a policy's spec states of itself, as the engine takes it: one reading
//! for the operator that judges and for those who ask; pure. What reads a
//! cluster, a table or a meter is elsewhere.

use tanso_carbon::account::Metering;
use tanso_carbon::indicator::{Indicator, Stated};
use tanso_carbon::market::{Contract, Matching, ResidualMix};
use tanso_carbon::pue::{Entity, PueCategory, PueScope};
use tanso_carbon::regulation::Metric;
use tanso_carbon::sci::Hardware;
use tanso_carbon::series::Boundary;
use tanso_carbon::whatif::parse_contracts;
use tanso_carbon::{GramsCo2e, Intensity, PueEvidence};
use tanso_crds::carbon_policy as crd;
use tanso_intensity::table::Table;
use tanso_power::Estimate;

/// Contracts and what the rest emits.
#[derive(Clone, Debug, PartialEq)]
pub struct Market {
    /// The contracts, in the order in which they cover.
    pub contracts: Vec<Contract>,
    /// How they are matched.
    pub matching: Matching,
    /// What the rest emits.
    pub residual: ResidualMix,
    /// Which emissions that counts, if its publisher says so.
    pub boundary: Option<Boundary>,
}

/// Why a stated figure cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatedFault {
    /// The intensity of the residual mix.
    #[error("{0}")]
    ResidualMix(String),
    /// The table of contracts is not there.
    #[error("{0}")]
    NoContracts(String),
    /// The table of contracts says what cannot be.
    #[error("{0}")]
    Contracts(String),
    /// The embodied emissions of a node.
    #[error("{0}")]
    Hardware(String),
    /// A figure of the facility.
    #[error("{0}")]
    Indicator(String),
}

/// Contracts and residual mix; `contracts` is the table that the spec names, or
/// why there is none.
///
/// # Errors
/// A figure out of its range, or a table that is missing or faulty.
pub fn market(
    spec: &crd::MarketSpec,
    contracts: Option<&Result<Table, String>>,
) -> Result<Market, StatedFault> {
    let residual = Intensity::try_from_grams_per_kwh(spec.residual_mix.grams_per_kwh)
        .map_err(|fault| StatedFault::ResidualMix(fault.to_string()))?;
    let contracts = match contracts {
        None => Vec::new(),
        Some(Err(missing)) => return Err(StatedFault::NoContracts(missing.clone())),
        Some(Ok(table)) => parse_contracts(&table.file, &table.text)
            .map_err(|faults| StatedFault::Contracts(faults.to_string()))?,
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
            data_year: spec
                .residual_mix
                .data_year
                .and_then(|year| i16::try_from(year).ok()),
        },
        boundary: spec.residual_mix.boundary.map(boundary),
    })
}

/// What it took to make a node.
///
/// # Errors
/// A mass out of its range.
pub fn hardware(spec: &crd::HardwareSpec) -> Result<Hardware, StatedFault> {
    let total = GramsCo2e::try_from_grams(spec.kilograms_per_node * 1e3)
        .map_err(|fault| StatedFault::Hardware(fault.to_string()))?;
    Ok(Hardware {
        name: "node".to_owned(),
        total: Estimate::exact(total),
        lifespan_years: u32::try_from(spec.lifespan_years).unwrap_or(0),
        source: spec.reference.clone(),
    })
}

/// A figure that the facility states of itself.
///
/// # Errors
/// A figure in the wrong unit or out of its range.
pub fn indicator(spec: &crd::IndicatorSpec) -> Result<Indicator, StatedFault> {
    let refused = |message: &str| Err(StatedFault::Indicator(message.to_owned()));
    let metric = match spec.metric {
        crd::IndicatorMetric::Wue => Metric::Wue,
        crd::IndicatorMetric::Erf => Metric::Erf,
        crd::IndicatorMetric::Ref => Metric::Ref,
        crd::IndicatorMetric::RenewableShare => Metric::RenewableShare,
    };
    let figure = match (spec.metric, spec.litres_per_kwh, spec.percent) {
        (crd::IndicatorMetric::Wue, Some(litres), None) => litres,
        (crd::IndicatorMetric::Wue, ..) => return refused("Wue takes `litresPerKwh`"),
        (_, None, Some(percent)) => percent,
        _ => {
            return refused(&format!(
                "{metric:?} takes `percent`, 0 to 100 (a ratio of 0.15 is 15)"
            ));
        }
    };
    let stated = Stated::try_new(metric, figure)
        .map_err(|fault| StatedFault::Indicator(fault.to_string()))?;
    Ok(Indicator {
        entity: entity(spec.entity),
        ..Indicator::new(stated, evidence(spec.evidence), &spec.reference)
    })
}

/// Which emissions are counted.
#[must_use]
pub const fn boundary(counted: crd::IntensityBoundary) -> Boundary {
    match counted {
        crd::IntensityBoundary::LifeCycle => Boundary::LifeCycle,
        crd::IntensityBoundary::Direct => Boundary::Direct,
    }
}

/// Where energy is metered.
#[must_use]
pub const fn metering(spec: crd::MeteringPoint) -> Metering {
    match spec {
        crd::MeteringPoint::ItEquipment => Metering::ItEquipment,
        crd::MeteringPoint::Facility => Metering::Facility,
    }
}

/// Whose figure it is.
#[must_use]
pub const fn entity(entity: crd::FacilityEntity) -> Entity {
    match entity {
        crd::FacilityEntity::Site => Entity::Site,
        crd::FacilityEntity::AllSites => Entity::AllSites,
    }
}

/// Who stands for it.
#[must_use]
pub const fn evidence(evidence: crd::PueEvidence) -> PueEvidence {
    match evidence {
        crd::PueEvidence::Measured => PueEvidence::Measured,
        crd::PueEvidence::Certificate => PueEvidence::Certificate,
        crd::PueEvidence::PublishedForRegion => PueEvidence::PublishedForRegion,
        crd::PueEvidence::ProviderAverage => PueEvidence::ProviderAverage,
        crd::PueEvidence::Assumed => PueEvidence::Assumed,
    }
}

/// What time a PUE covers.
#[must_use]
pub const fn scope(scope: crd::PueScope) -> PueScope {
    match scope {
        crd::PueScope::Annual => PueScope::Annual,
        crd::PueScope::Interim => PueScope::Interim,
        crd::PueScope::Partial => PueScope::Partial,
        crd::PueScope::Design => PueScope::Design,
        crd::PueScope::AtQuarterLoad => PueScope::AtQuarterLoad,
        crd::PueScope::AtFullLoad => PueScope::AtFullLoad,
    }
}

/// Where a PUE's meters stand.
#[must_use]
pub const fn category(category: crd::PueCategory) -> PueCategory {
    match category {
        crd::PueCategory::Ups => PueCategory::Ups,
        crd::PueCategory::Pdu => PueCategory::Pdu,
        crd::PueCategory::Device => PueCategory::Device,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ERF was called a ratio here and judged as percent.
    #[test]
    fn a_share_is_given_in_percent_and_water_in_litres() {
        use crd::IndicatorMetric::{Erf, Ref, RenewableShare, Wue};
        let spec = |metric, litres_per_kwh, percent| crd::IndicatorSpec {
            metric,
            litres_per_kwh,
            percent,
            evidence: crd::PueEvidence::Certificate,
            entity: crd::FacilityEntity::Site,
            reference: "certificate 7".to_owned(),
        };
        let figure = |one: &crd::IndicatorSpec| -> Result<f64, StatedFault> {
            Ok(indicator(one)?.stated.figure())
        };
        let refused = |one: &crd::IndicatorSpec| figure(one).unwrap_err().to_string();
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
