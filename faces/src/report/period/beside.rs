//! What stands beside the location-based sum of a period: market-based, and
//! the nodes' embodied emissions; as the operator computes them.

use std::collections::BTreeMap;

use tanso_carbon::GramsCo2e;
use tanso_carbon::account::Account;
use tanso_carbon::calendar::Period;
use tanso_carbon::market::{MarketAccount, market_based};
use tanso_carbon::sci::Reserved;
use tanso_crds::carbon_policy::status::MarketFigures;
use tanso_power::Estimate;

use crate::answer::figures::{bounded, milligrams, percent};
use crate::view::{EnergyHour, Site};

/// The market-based sum of an account. Contracts are of one market, so there
/// is none where energy was used in several.
pub(super) fn market(site: &Site, account: &Account, period: Period) -> Option<MarketAccount> {
    let by = site
        .beside
        .market
        .as_ref()
        .filter(|_| site.others.is_empty())?;
    Some(market_based(
        account,
        period,
        &by.contracts,
        by.matching,
        &by.residual,
    ))
}

/// The same as figures.
pub(super) fn market_figures(site: &Site, sum: &MarketAccount) -> Option<MarketFigures> {
    let by = site.beside.market.as_ref()?;
    let residual = format!("{}, {}", by.residual.intensity.value, by.residual.source);
    Some(MarketFigures {
        emissions_milligrams: bounded(sum.emissions, milligrams),
        matching: format!("{:?}", by.matching),
        covered_percent: percent(sum.covered_percent()),
        residual_mix: residual.chars().take(512).collect(),
    })
}

/// The nodes' embodied emissions that belong to rows: the minutes in which a
/// pod was there, times its share of the node's CPU by what it asks for. A
/// node that is gone has no share.
pub(super) fn embodied(site: &Site, rows: &[&EnergyHour]) -> Option<Estimate<GramsCo2e>> {
    let hardware = site.beside.hardware.as_ref()?;
    let mut reserved: BTreeMap<&str, u64> = BTreeMap::new();
    for row in rows {
        let sum = reserved.entry(&row.node).or_default();
        *sum = sum.saturating_add(row.asked_millicore_seconds);
    }
    let shares = reserved.into_iter().filter_map(|(node, seconds)| {
        let reserved = Reserved {
            seconds,
            resources: 1,
            of: *site.beside.millicores.get(node)?,
        };
        hardware.embodied(reserved).ok()
    });
    Some(shares.sum())
}
