//! What stands beside the location-based sum: market-based, per unit of work,
//! by place; pure.

use std::collections::BTreeMap;

use tanso_carbon::GramsCo2e;
use tanso_carbon::account::Account;
use tanso_carbon::calendar::Period;
use tanso_carbon::sci;
use tanso_crds::carbon_policy::status::{MarketFigures, PlaceFigures, SciFigures};
use tanso_faces::answer::beside as shown;
use tanso_power::{Estimate, Joules};

use super::figures::{bounded, milligrams, nearest, short};
use super::group::Grouped;
use super::{Inputs, ValidatedPolicy};
use crate::controllers::carbon_policy::status::provenance_of;
use crate::ledger::LedgerAccount;

/// The name of the policy's own place.
const SITE: &str = "site";

/// The market-based sum, if contracts and a residual mix are named.
pub(super) fn market(
    policy: &ValidatedPolicy,
    account: &Account,
    window: Period,
) -> Option<MarketFigures> {
    let by = policy.accounting.market.as_ref()?;
    let sum = shown::market(by, account, window);
    Some(shown::market_figures(by, &sum))
}

/// The nodes' embodied emissions that belong to the workloads: the minutes in
/// which a pod was there, times its share of the node's CPU by what it asks
/// for.
pub(super) fn embodied(inputs: &Inputs<'_>, grouped: &Grouped<'_>) -> Option<Estimate<GramsCo2e>> {
    let hardware = inputs.policy.accounting.hardware.as_ref()?;
    let rows = grouped.workloads.iter().flat_map(|one| &one.hours);
    let reserved = rows.filter_map(|row| {
        let LedgerAccount::Pod(uid) = &row.account else {
            return None;
        };
        let asks = inputs.snapshot.pods.get(uid);
        let asks = asks.and_then(|pod| u64::try_from(pod.cpu_request_milli?).ok());
        let seconds = row.minutes.saturating_mul(60);
        Some((&*row.node, seconds.saturating_mul(asks.unwrap_or(0))))
    });
    let gives = |node: &str| inputs.facts.allocatable_millicores(node).map(u64::from);
    Some(shown::embodied(hardware, reserved, gives))
}

/// The software carbon intensity, if hardware and a number of units are known.
pub(super) fn sci(
    policy: &ValidatedPolicy,
    account: &Account,
    embodied: Option<Estimate<GramsCo2e>>,
) -> Option<SciFigures> {
    let units = policy.accounting.units.as_ref()?;
    let found = match sci::sci(account, embodied?, units.count, &units.name) {
        Ok(found) => found,
        Err(why) => {
            tracing::debug!(%why, "no software carbon intensity");
            return None;
        }
    };
    Some(SciFigures {
        micrograms_per_unit: bounded(found.grams_per_unit, |grams| nearest(grams * 1e6)),
        unit: short(&found.unit, 63),
        units: nearest(found.units),
        operational_milligrams: bounded(found.operational, milligrams),
        embodied_milligrams: bounded(found.embodied, milligrams),
    })
}

/// Each place where energy was used; nothing if all was used at the site.
pub(super) fn places(policy: &ValidatedPolicy, grouped: &Grouped<'_>) -> Vec<PlaceFigures> {
    if policy.others.places.is_empty() {
        return Vec::new();
    }
    let mut used: BTreeMap<usize, u128> = BTreeMap::new();
    for row in grouped.workloads.iter().flat_map(|one| &one.rows) {
        *used.entry(row.place).or_default() += u128::from(row.energy.value.microjoules());
    }
    let figures = |(number, energy): (usize, u128)| {
        let other = number.checked_sub(1);
        let other = other.and_then(|index| policy.others.places.get(index));
        let (region, intensity, pue) = other
            .map_or((SITE, &policy.intensity, policy.pue.as_ref()), |other| {
                (other.region.as_str(), &other.intensity, other.pue.as_ref())
            });
        let energy = Joules::from_microjoules(u64::try_from(energy).unwrap_or(u64::MAX));
        PlaceFigures {
            region: short(region, 63),
            energy_microjoules: i64::try_from(energy.microjoules()).unwrap_or(i64::MAX),
            pue: pue.map_or_else(|| "-".to_owned(), |pue| short(&pue.to_string(), 128)),
            intensity: provenance_of(intensity),
        }
    };
    used.into_iter().map(figures).take(32).collect()
}
