//! What stands beside a location-based sum: market-based, and the hardware's
//! embodied part. The one place for the operator's status and for reports of
//! any other time; pure.

use std::collections::BTreeMap;

use tanso_carbon::GramsCo2e;
use tanso_carbon::account::Account;
use tanso_carbon::calendar::Period;
use tanso_carbon::market::{MarketAccount, market_based};
use tanso_carbon::sci::{self, Hardware, Reserved};
use tanso_crds::carbon_policy::status::{MarketFigures, SciFigures};
use tanso_power::Estimate;

use super::figures::{bounded, milligrams, nearest, percent, percent_seen, short};
use crate::view::Market;

/// Longest text of a residual mix.
const RESIDUAL_MAX: usize = 512;
/// Longest name of a functional unit.
const UNIT_MAX: usize = 63;

/// The market-based sum of an account over the part of its time that has
/// passed.
#[must_use]
pub fn market(by: &Market, account: &Account, period: Period) -> MarketAccount {
    market_based(account, period, &by.contracts, by.matching, &by.residual)
}

/// The same as figures.
#[must_use]
pub fn market_figures(by: &Market, sum: &MarketAccount) -> MarketFigures {
    let residual = format!("{}, {}", by.residual.intensity.value, by.residual.source);
    MarketFigures {
        emissions_milligrams: bounded(sum.emissions, milligrams),
        matching: format!("{:?}", by.matching),
        covered_percent: percent(sum.covered_percent()),
        residual_mix: short(&residual, RESIDUAL_MAX),
    }
}

/// The software carbon intensity of an account.
///
/// # Errors
/// Why there is none, in words: a part of its energy is unpriced, or no units.
pub fn sci_figures(
    account: &Account,
    embodied: Estimate<GramsCo2e>,
    units: f64,
    unit: &str,
) -> Result<SciFigures, String> {
    let found = sci::sci(account, embodied, units, unit).map_err(|why| why.to_string())?;
    Ok(SciFigures {
        micrograms_per_unit: bounded(found.grams_per_unit, |grams| nearest(grams * 1e6)),
        unit: short(&found.unit, UNIT_MAX),
        units: nearest(found.units),
        operational_milligrams: bounded(found.operational, milligrams),
        embodied_milligrams: bounded(found.embodied, milligrams),
        coverage_percent: percent_seen(found.coverage_percent),
    })
}

/// The nodes' embodied emissions that belong to pods: the time that each was on
/// a node, times its share of the node's CPU by what it asks for. `reserved` is
/// thousandths of a core times seconds by node; `gives` what a node has to
/// give, thousandths of a core.
///
/// # Errors
/// If that is not known of a node on which anything was reserved: a sum without
/// its share would be too little, and look whole.
pub fn embodied<'a>(
    hardware: &Hardware,
    reserved: impl IntoIterator<Item = (&'a str, u64)>,
    gives: impl Fn(&str) -> Option<u64>,
) -> Result<Estimate<GramsCo2e>, EmbodiedUnknown> {
    let mut by_node: BTreeMap<&str, u64> = BTreeMap::new();
    for (node, millicore_seconds) in reserved {
        let sum = by_node.entry(node).or_default();
        *sum = sum.saturating_add(millicore_seconds);
    }
    let by_node = by_node.into_iter().map(|(node, millicore_seconds)| OnNode {
        node,
        gives: gives(node),
        millicore_seconds,
    });
    embodied_by_size(hardware, by_node)
}

/// What was reserved on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnNode<'a> {
    /// The node.
    pub node: &'a str,
    /// What it had to give then, thousandths of a core.
    pub gives: Option<u64>,
    /// Thousandths of a core times seconds.
    pub millicore_seconds: u64,
}

/// As [`embodied`], of nodes whose size was not always the same: a name comes
/// again for another machine.
///
/// # Errors
/// As [`embodied`].
pub fn embodied_by_size<'a>(
    hardware: &Hardware,
    reserved: impl IntoIterator<Item = OnNode<'a>>,
) -> Result<Estimate<GramsCo2e>, EmbodiedUnknown> {
    let mut by_size: BTreeMap<(&str, Option<u64>), u64> = BTreeMap::new();
    for one in reserved {
        let sum = by_size.entry((one.node, one.gives)).or_default();
        *sum = sum.saturating_add(one.millicore_seconds);
    }
    let (mut sum, mut unknown) = (Estimate::default(), Vec::new());
    for ((node, gives), seconds) in by_size.into_iter().filter(|(_, seconds)| *seconds > 0) {
        let share = gives.and_then(|of| {
            // Seconds × thousandths of a core, of all the node's thousandths.
            let reserved = Reserved {
                seconds,
                resources: 1,
                of,
            };
            hardware.embodied(reserved).ok()
        });
        match share {
            Some(share) => sum = sum + share,
            None => unknown.push(node.to_owned()),
        }
    }
    if unknown.is_empty() {
        Ok(sum)
    } else {
        Err(EmbodiedUnknown { nodes: unknown })
    }
}

/// Nodes whose share of the hardware is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "what {} had to give is not known, so their share of the hardware's embodied emissions is not either",
    nodes.join(", ")
)]
pub struct EmbodiedUnknown {
    /// Their names.
    pub nodes: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hardware() -> Hardware {
        Hardware {
            name: "server".to_owned(),
            total: Estimate::exact(GramsCo2e::try_from_grams(1e6).unwrap()),
            lifespan_years: 4,
            source: "the maker".to_owned(),
        }
    }

    /// The past of a name was on the machine that has it now.
    #[test]
    fn a_name_that_comes_again_has_the_share_of_each_of_its_machines() {
        let on = |node, gives, millicore_seconds| OnNode {
            node,
            gives,
            millicore_seconds,
        };
        let hour = 3_600 * 1_000;
        let both = [on("n1", Some(1_000), hour), on("n1", Some(2_000), hour)];
        let whole = embodied(&hardware(), [("n1", hour)], |_| Some(1_000)).unwrap();
        let half = embodied(&hardware(), [("n1", hour)], |_| Some(2_000)).unwrap();
        assert_eq!(embodied_by_size(&hardware(), both), Ok(whole + half));
        let unknown = [on("n1", Some(1_000), hour), on("n1", None, hour)];
        let why = embodied_by_size(&hardware(), unknown).unwrap_err();
        assert_eq!(why.nodes, ["n1"]);
    }

    /// A node that was gone took its share of the hardware with it in silence.
    #[test]
    fn a_node_of_unknown_size_leaves_no_sum_rather_than_a_smaller_one() {
        let hour = 3_600 * 1_000;
        let gives = |node: &str| (node == "here").then_some(1_000);
        let known = embodied(&hardware(), [("here", hour)], gives).unwrap();
        assert_eq!(format!("{:.2}", known.value.as_grams_f64()), "28.54");
        let both = [("here", hour), ("gone", hour)];
        let why = embodied(&hardware(), both, gives).unwrap_err();
        assert_eq!(why.nodes, ["gone"]);
        assert!(
            why.to_string().starts_with("what gone had to give"),
            "{why}"
        );
        // Where nothing was reserved there is nothing to know.
        let idle = [("here", hour), ("gone", 0)];
        assert_eq!(embodied(&hardware(), idle, gives), Ok(known));
    }
}
