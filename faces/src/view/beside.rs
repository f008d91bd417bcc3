//! What a policy wants computed beside the location-based sum, as far as a
//! reader of its spec can know it: contracts, hardware, indicators; pure.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Node;
use tanso_carbon::calendar::UtcHour;
use tanso_carbon::indicator::Indicator;
use tanso_carbon::sci::Hardware;
use tanso_carbon::stays::earlier_sizes;
use tanso_crds::carbon_policy::CarbonPolicySpec;
use tanso_intensity::table::Table;

use super::placed::Nodes;
use super::stated::{self, Market, StatedFault};

/// What stands beside the location-based sum.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Beside {
    /// For a market-based sum; none where its table cannot be read.
    pub market: Option<Market>,
    /// For embodied emissions.
    pub hardware: Option<Hardware>,
    /// What nodes have to give, thousandths of a core; of those that are gone, what
    /// they had.
    pub millicores: BTreeMap<String, u64>,
    /// What they had to give until an hour, in the order of hours, where that was
    /// something else.
    pub earlier_millicores: BTreeMap<String, Vec<(UtcHour, u32)>>,
    /// What the facility states of itself.
    pub indicators: Vec<Indicator>,
}

impl Beside {
    /// What a node had to give in an hour, thousandths of a core: a name that came
    /// again is of another machine.
    #[must_use]
    pub fn gives(&self, node: &str, hour: UtcHour) -> Option<u64> {
        let earlier = self.earlier_millicores.get(node).into_iter().flatten();
        let mut of_then = earlier.filter(|(until, _)| hour < *until);
        let of_then = of_then.next().map(|(_, gives)| u64::from(*gives));
        of_then.or_else(|| self.millicores.get(node).copied())
    }
}

/// Reads a spec; what cannot be read is noted and left out.
pub(super) fn beside(
    spec: &CarbonPolicySpec,
    contracts: Option<&Result<Table, String>>,
    nodes: Nodes<'_>,
    remarks: &mut Vec<String>,
) -> Beside {
    let accounting = &spec.accounting;
    let mut keep = |what: &str, fault: StatedFault| remarks.push(format!("{what}: {fault}"));
    let market = accounting
        .market
        .as_ref()
        .map(|spec| stated::market(spec, contracts));
    let market = match market.transpose() {
        Ok(market) => market,
        Err(fault) => {
            keep("no market-based sum", fault);
            None
        }
    };
    let hardware = accounting
        .hardware
        .as_ref()
        .map(stated::hardware)
        .transpose();
    let hardware = match hardware {
        Ok(hardware) => hardware,
        Err(fault) => {
            keep("no embodied emissions", fault);
            None
        }
    };
    // One that the schema would refuse is none.
    let indicators = accounting
        .indicators
        .iter()
        .filter_map(|spec| stated::indicator(spec).ok());
    Beside {
        market,
        hardware,
        millicores: millicores(nodes),
        earlier_millicores: nodes
            .known()
            .map(|(node, stays)| (node.clone(), earlier_sizes(stays)))
            .filter(|(_, sizes)| !sizes.is_empty())
            .collect(),
        indicators: indicators.collect(),
    }
}

/// What nodes have to give; the cluster says it of those that there are.
fn millicores(nodes: Nodes<'_>) -> BTreeMap<String, u64> {
    let last = nodes.known().filter_map(|(node, stays)| {
        let last = stays.last()?.millicores?;
        Some((node.clone(), u64::from(last)))
    });
    let now = nodes.now.iter();
    let now = now.filter_map(|node| Some((node.metadata.name.clone()?, allocatable(node)?)));
    last.chain(now).collect()
}

/// The CPU that a node has to give, thousandths of a core.
pub(crate) fn allocatable(node: &Node) -> Option<u64> {
    let cpu = node.status.as_ref()?.allocatable.as_ref()?.get("cpu")?;
    match cpu.0.strip_suffix('m') {
        Some(milli) => milli.parse().ok(),
        None => cpu.0.parse::<u64>().ok()?.checked_mul(1_000),
    }
}

/// The memory that a node has to give, bytes, rounded down.
pub(crate) fn allocatable_bytes(node: &Node) -> Option<u64> {
    const UNITS: [(&str, u64); 9] = [
        ("Ki", 1 << 10),
        ("Mi", 1 << 20),
        ("Gi", 1 << 30),
        ("Ti", 1 << 40),
        ("k", 1_000),
        ("M", 1_000_000),
        ("G", 1_000_000_000),
        ("T", 1_000_000_000_000),
        ("", 1),
    ];
    let memory = node.status.as_ref()?.allocatable.as_ref()?.get("memory")?;
    if let Some(milli) = memory.0.strip_suffix('m') {
        return Some(milli.parse::<u64>().ok()? / 1_000);
    }
    UNITS.iter().find_map(|(unit, size)| {
        let number = memory.0.strip_suffix(unit)?;
        number.parse::<u64>().ok()?.checked_mul(*size)
    })
}
