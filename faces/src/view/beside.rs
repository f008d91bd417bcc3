//! What a policy wants computed beside the location-based sum, as far as a
//! reader of its spec can know it: contracts, hardware, indicators; pure.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Node;
use tanso_carbon::indicator::{Indicator, Stated};
use tanso_carbon::market::{Contract, Matching, ResidualMix};
use tanso_carbon::pue::Entity;
use tanso_carbon::regulation::Metric;
use tanso_carbon::sci::Hardware;
use tanso_carbon::whatif::parse_contracts;
use tanso_carbon::{GramsCo2e, Intensity};
use tanso_crds::carbon_policy as crd;
use tanso_crds::carbon_policy::CarbonPolicySpec;
use tanso_intensity::table::Table;
use tanso_power::Estimate;

use super::site::evidence;

/// Contracts and what the rest emits.
#[derive(Clone, Debug, PartialEq)]
pub struct Market {
    /// The contracts, in the order in which they cover.
    pub contracts: Vec<Contract>,
    /// How they are matched.
    pub matching: Matching,
    /// What the rest emits.
    pub residual: ResidualMix,
}

/// What stands beside the location-based sum.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Beside {
    /// For a market-based sum; none where its table cannot be read.
    pub market: Option<Market>,
    /// For embodied emissions.
    pub hardware: Option<Hardware>,
    /// What the nodes that there are have to give, thousandths of a core.
    pub millicores: BTreeMap<String, u64>,
    /// What the facility states of itself.
    pub indicators: Vec<Indicator>,
}

/// Reads a spec; what cannot be read is noted and left out.
pub(super) fn beside(
    spec: &CarbonPolicySpec,
    contracts: Option<&Result<Table, String>>,
    nodes: &[Node],
    remarks: &mut Vec<String>,
) -> Beside {
    let accounting = &spec.accounting;
    let mut keep = |what: &str, fault: String| remarks.push(format!("{what}: {fault}"));
    let market = accounting
        .market
        .as_ref()
        .map(|spec| market(spec, contracts));
    let market = match market.transpose() {
        Ok(market) => market,
        Err(fault) => {
            keep("no market-based sum", fault);
            None
        }
    };
    let hardware = accounting.hardware.as_ref().map(hardware).transpose();
    let hardware = match hardware {
        Ok(hardware) => hardware,
        Err(fault) => {
            keep("no embodied emissions", fault);
            None
        }
    };
    let indicators = accounting.indicators.iter().filter_map(indicator);
    Beside {
        market,
        hardware,
        millicores: nodes
            .iter()
            .filter_map(|node| Some((node.metadata.name.clone()?, allocatable(node)?)))
            .collect(),
        indicators: indicators.collect(),
    }
}

fn market(
    spec: &crd::MarketSpec,
    contracts: Option<&Result<Table, String>>,
) -> Result<Market, String> {
    let residual = Intensity::try_from_grams_per_kwh(spec.residual_mix.grams_per_kwh);
    let residual = residual.map_err(|fault| fault.to_string())?;
    let contracts = match contracts {
        None => Vec::new(),
        Some(Err(missing)) => return Err(missing.clone()),
        Some(Ok(table)) => {
            parse_contracts(&table.file, &table.text).map_err(|faults| faults.to_string())?
        }
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

fn hardware(spec: &crd::HardwareSpec) -> Result<Hardware, String> {
    let total = GramsCo2e::try_from_grams(spec.kilograms_per_node * 1e3);
    Ok(Hardware {
        name: "node".to_owned(),
        total: Estimate::exact(total.map_err(|fault| fault.to_string())?),
        lifespan_years: u32::try_from(spec.lifespan_years).unwrap_or(0),
        source: spec.reference.clone(),
    })
}

/// A stated figure; one that the schema would refuse is none.
fn indicator(spec: &crd::IndicatorSpec) -> Option<Indicator> {
    let (metric, figure) = match spec.metric {
        crd::IndicatorMetric::Wue => (Metric::Wue, spec.litres_per_kwh?),
        crd::IndicatorMetric::Erf => (Metric::Erf, spec.percent?),
        crd::IndicatorMetric::Ref => (Metric::Ref, spec.percent?),
        crd::IndicatorMetric::RenewableShare => (Metric::RenewableShare, spec.percent?),
    };
    let stated = Stated::try_new(metric, figure).ok()?;
    Some(Indicator {
        entity: match spec.entity {
            crd::FacilityEntity::Site => Entity::Site,
            crd::FacilityEntity::AllSites => Entity::AllSites,
        },
        ..Indicator::new(stated, evidence(spec.evidence), &spec.reference)
    })
}

/// The CPU that a node has to give, thousandths of a core.
pub(crate) fn allocatable(node: &Node) -> Option<u64> {
    let cpu = node.status.as_ref()?.allocatable.as_ref()?.get("cpu")?;
    match cpu.0.strip_suffix('m') {
        Some(milli) => milli.parse().ok(),
        None => cpu.0.parse::<u64>().ok()?.checked_mul(1_000),
    }
}
