//! What stands beside the location-based sum: market-based, per unit of work,
//! by place; pure.

use std::collections::{BTreeMap, BTreeSet};

use tanso_carbon::GramsCo2e;
use tanso_carbon::account::Account;
use tanso_carbon::calendar::{Period, UtcHour};
use tanso_crds::carbon_policy::status::{
    IntensityProvenance, MarketFigures, PlaceFigures, SciFigures, UsedSource,
};
use tanso_faces::answer::beside::{self as shown, EmbodiedUnknown, OnNode};
use tanso_faces::answer::sources;
use tanso_power::{Estimate, Joules};

use super::coverage::{Since, coverage};
use super::figures::short;
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
/// for; `None` if the policy names no hardware.
pub(super) fn embodied(
    inputs: &Inputs<'_>,
    grouped: &Grouped<'_>,
) -> Option<Result<Estimate<GramsCo2e>, EmbodiedUnknown>> {
    let hardware = inputs.policy.accounting.hardware.as_ref()?;
    let rows = grouped.workloads.iter().flat_map(|one| &one.hours);
    let mut now: BTreeMap<&str, Option<u32>> = BTreeMap::new();
    let reserved = rows.filter_map(|row| {
        let LedgerAccount::Pod(uid) = &row.account else {
            return None;
        };
        let asks = inputs.snapshot.pods.get(uid);
        let asks = asks.and_then(|pod| u64::try_from(pod.cpu_request_milli?).ok());
        let seconds = row.minutes.saturating_mul(60);
        let node = &*row.node;
        // A name that came again is of another machine.
        let earlier = inputs.facts.earlier_millicores(node).iter();
        let mut earlier = earlier.filter(|(until, _)| row.hour < *until);
        let is_now = || inputs.facts.allocatable_millicores(node);
        let gives = match earlier.next() {
            Some((_, gives)) => Some(*gives),
            None => *now.entry(node).or_insert_with(is_now),
        };
        Some(OnNode {
            node,
            gives: gives.map(u64::from),
            millicore_seconds: seconds.saturating_mul(asks.unwrap_or(0)),
        })
    });
    Some(shown::embodied_by_size(hardware, reserved))
}

/// The software carbon intensity of the window, or why there is none; `None` if
/// the policy does not name hardware and units, or these are not known. Units
/// are of the whole window, so what was not recorded of it is missing.
pub(super) fn sci(
    inputs: &Inputs<'_>,
    account: &Account,
    embodied: Option<&Result<Estimate<GramsCo2e>, EmbodiedUnknown>>,
) -> Option<Result<SciFigures, String>> {
    let units = inputs.policy.accounting.units.as_ref()?;
    let embodied = match embodied? {
        Ok(embodied) => *embodied,
        Err(why) => return Some(Err(why.to_string())),
    };
    let account = Account {
        coverage: coverage(inputs, inputs.window, Since::Begin),
        ..account.clone()
    };
    Some(shown::sci_figures(
        &account,
        embodied,
        units.count,
        &units.name,
    ))
}

/// Who spoke for the site's hours in which energy was used: of the window, and
/// of the periods of rules.
pub(super) fn sources(inputs: &Inputs<'_>, grouped: &Grouped<'_>) -> Vec<UsedSource> {
    let rows = grouped.workloads.iter().flat_map(|one| &one.rows);
    let rows = rows.chain(&inputs.snapshot.earlier);
    let here = rows.filter(|row| row.place == 0).map(|row| row.hour);
    sources::used(&*inputs.policy.intensity.series, here)
}

/// Each place where energy was used; nothing if all was used at the site.
pub(super) fn places(policy: &ValidatedPolicy, grouped: &Grouped<'_>) -> Vec<PlaceFigures> {
    if policy.others.places.is_empty() {
        return Vec::new();
    }
    let mut used: BTreeMap<usize, (u128, BTreeSet<UtcHour>)> = BTreeMap::new();
    for row in grouped.workloads.iter().flat_map(|one| &one.rows) {
        let (energy, hours) = used.entry(row.place).or_default();
        *energy += u128::from(row.energy.value.microjoules());
        hours.insert(row.hour);
    }
    let figures = |(number, (energy, hours)): (usize, (u128, BTreeSet<UtcHour>))| {
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
            intensity: IntensityProvenance {
                sources: sources::used(&*intensity.series, hours),
                ..provenance_of(intensity)
            },
        }
    };
    used.into_iter().map(figures).take(32).collect()
}
