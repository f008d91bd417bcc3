//! What stands beside a location-based sum: market-based, and the hardware's
//! embodied part. The one place for the operator's status and for reports of
//! any other time; pure.

use std::collections::BTreeMap;

use tanso_carbon::GramsCo2e;
use tanso_carbon::account::Account;
use tanso_carbon::calendar::Period;
use tanso_carbon::market::{MarketAccount, market_based};
use tanso_carbon::sci::{Hardware, Reserved};
use tanso_crds::carbon_policy::status::MarketFigures;
use tanso_power::Estimate;

use super::figures::{bounded, milligrams, percent, short};
use crate::view::Market;

/// Longest text of a residual mix.
const RESIDUAL_MAX: usize = 512;

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

/// The nodes' embodied emissions that belong to pods: the time that each was on
/// a node, times its share of the node's CPU by what it asks for. `reserved` is
/// thousandths of a core times seconds by node; `gives` what a node has to
/// give, thousandths of a core. A node that is gone has no share.
#[must_use]
pub fn embodied<'a>(
    hardware: &Hardware,
    reserved: impl IntoIterator<Item = (&'a str, u64)>,
    gives: impl Fn(&str) -> Option<u64>,
) -> Estimate<GramsCo2e> {
    let mut by_node: BTreeMap<&str, u64> = BTreeMap::new();
    for (node, millicore_seconds) in reserved {
        let sum = by_node.entry(node).or_default();
        *sum = sum.saturating_add(millicore_seconds);
    }
    let shares = by_node.into_iter().filter_map(|(node, seconds)| {
        // Seconds × thousandths of a core, of all the node's thousandths.
        let reserved = Reserved {
            seconds,
            resources: 1,
            of: gives(node)?,
        };
        hardware.embodied(reserved).ok()
    });
    shares.sum()
}
