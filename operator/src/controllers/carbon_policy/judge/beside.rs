//! What stands beside the location-based sum: market-based, per unit of work,
//! by place; pure.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use tanso_carbon::account::{Account, EnergyRow};
use tanso_carbon::calendar::{Period, UtcHour};
use tanso_carbon::{FacilityPue, GramsCo2e};
use tanso_crds::carbon_policy::status::{
    IntensityProvenance, MarketFigures, PlaceFigures, PlaceShare, SciFigures, UsedSource,
};
use tanso_faces::answer::beside::{self as shown, EmbodiedUnknown, OnNode};
use tanso_faces::answer::{places::SITE, sources};
use tanso_faces::pue;
use tanso_intensity::Loaded;
use tanso_intensity::provider::Series;
use tanso_power::Estimate;

use super::coverage::{Since, coverage};
use super::figures::short;
use super::group::Grouped;
use super::{Inputs, ValidatedPolicy};

/// The name of the places that do not fit.
const OTHERS: &str = "others";
/// Most places of a status, and of one rule in it.
const PLACES_MAX: usize = 32;
const SHARES_MAX: usize = 8;
/// Letters of a region, of a zone and of a PUE in words.
const REGION_MAX: usize = 63;
const ZONE_MAX: usize = 32;
const PUE_MAX: usize = 128;

/// The market-based sum, if contracts and a residual mix are named.
pub(super) fn market(
    policy: &ValidatedPolicy,
    account: &Account,
    window: Period,
) -> Option<MarketFigures> {
    let by = policy.accounting.market.as_ref()?;
    let sum = shown::market(by, account, window);
    Some(shown::market_figures(by, &sum, account))
}

/// The nodes' embodied emissions that belong to the workloads: the minutes in
/// which a pod was there, times its share of the node's CPU by what it asks
/// for; `None` if the policy names no hardware.
pub(super) fn embodied(
    inputs: &Inputs<'_>,
    grouped: &Grouped<'_>,
) -> Option<Result<Estimate<GramsCo2e>, EmbodiedUnknown>> {
    let hardware = inputs.policy.accounting.hardware.as_ref()?;
    let pods = grouped.workloads.iter().flat_map(|one| one.pods);
    let rows = pods.flat_map(|pod| {
        let asks = pod.names.cpu_request_milli;
        let asks = asks.and_then(|asks| u64::try_from(asks).ok());
        pod.rows.iter().map(move |row| (asks, row))
    });
    let mut now: BTreeMap<&str, Option<u32>> = BTreeMap::new();
    let reserved = rows.filter_map(|(asks, row)| {
        let seconds = row.minutes.saturating_mul(60);
        let node = grouped.all.node(row)?;
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
    let made = shown::MadeWith {
        embodied,
        hardware: inputs.policy.accounting.hardware.as_ref()?,
        intensity: inputs.policy.intensity.series.info(),
        units: (units.count, units.name.as_str()),
    };
    Some(shown::sci_figures(&account, &made))
}

/// Who spoke for the site's hours in which energy was used: of the window, and
/// of the periods of rules.
pub(super) fn sources(
    inputs: &Inputs<'_>,
    grouped: &Grouped<'_>,
    account: &Account,
) -> Vec<UsedSource> {
    let earlier = inputs.snapshot.earlier.iter();
    let earlier = earlier.filter(|row| row.place == 0).map(|row| row.hour);
    let hours: BTreeSet<UtcHour> = if inputs.policy.others.places.is_empty() {
        account.hours.keys().copied().chain(earlier).collect()
    } else {
        let here = grouped.rows().filter(|row| row.place() == 0);
        here.map(|row| row.hour).chain(earlier).collect()
    };
    sources::used(&*inputs.policy.intensity.series, hours)
}

/// Each place where energy was used, in the order of their numbers, and of more
/// than fit those with most; nothing where no node is elsewhere.
pub(super) fn places(policy: &ValidatedPolicy, grouped: &Grouped<'_>) -> Vec<PlaceFigures> {
    if policy.others.places.is_empty() {
        return Vec::new();
    }
    let mut used: BTreeMap<usize, Used> = BTreeMap::new();
    for row in grouped.rows() {
        let sum = used.entry(row.place()).or_default();
        sum.energy += u128::from(row.energy.value.microjoules());
        *sum.hours.entry(row.hour).or_default() += u128::from(row.energy.value.microjoules());
    }
    let figures = |(number, used): (usize, Used)| {
        let at = named(policy, number);
        PlaceFigures {
            region: short(at.region, REGION_MAX),
            energy_microjoules: whole(used.energy),
            pue: at.pue_in_words().unwrap_or_else(|| "-".to_owned()),
            pue_figure: at.pue.map(|found| pue::figure(found, policy.metering)),
            intensity_estimated_percent: Some(used.estimated_percent(&at.intensity.series)),
            intensity: IntensityProvenance {
                sources: sources::used(&*at.intensity.series, used.hours.into_keys()),
                ..sources::provenance_of(at.intensity)
            },
        }
    };
    // A node that used nothing makes its region no place of use.
    used.retain(|_, of| of.energy > 0);
    let mut used: Vec<_> = used.into_iter().collect();
    used.sort_by_key(|(_, of)| Reverse(of.energy));
    used.truncate(PLACES_MAX);
    used.sort_by_key(|(number, _)| *number);
    used.into_iter().map(figures).collect()
}

/// What was used at a place.
#[derive(Default)]
struct Used {
    energy: u128,
    hours: BTreeMap<UtcHour, u128>,
}

impl Used {
    /// Share of the energy whose hours have an estimated or filled figure.
    fn estimated_percent(&self, series: &Series) -> i32 {
        let is_estimated = |hour: UtcHour| {
            let point = series.at(hour);
            point.is_some_and(|point| point.origin.is_estimated())
        };
        let estimated = self.hours.iter().filter(|(hour, _)| is_estimated(**hour));
        let estimated: u128 = estimated.map(|(_, energy)| energy).sum();
        let percent = (estimated * 200 + self.energy).checked_div(self.energy * 2);
        percent
            .and_then(|percent| i32::try_from(percent).ok())
            .unwrap_or(0)
    }
}

/// A place with what it is called.
struct Named<'a> {
    region: &'a str,
    intensity: &'a Loaded,
    pue: Option<&'a FacilityPue>,
}

impl Named<'_> {
    fn pue_in_words(&self) -> Option<String> {
        self.pue.map(|pue| short(&pue.to_string(), PUE_MAX))
    }
}

/// The place of a number: the site, or a region of nodes.
fn named(policy: &ValidatedPolicy, number: usize) -> Named<'_> {
    let other = number.checked_sub(1);
    let other = other.and_then(|index| policy.others.places.get(index));
    let site = || Named {
        region: SITE,
        intensity: &policy.intensity,
        pue: policy.pue.as_ref(),
    };
    other.map_or_else(site, |other| Named {
        region: &other.region,
        intensity: &other.intensity,
        pue: other.pue.as_ref(),
    })
}

/// Where the energy of a rule's own period was used, most first; nothing where
/// all of it was used at the site. The last line is of all that do not fit.
pub(super) fn places_of(policy: &ValidatedPolicy, rows: &[EnergyRow]) -> Vec<PlaceShare> {
    let mut used: BTreeMap<usize, u128> = BTreeMap::new();
    for row in rows {
        *used.entry(row.place).or_default() += u128::from(row.energy.value.microjoules());
    }
    used.retain(|_, energy| *energy > 0);
    if used.keys().all(|number| *number == 0) {
        return Vec::new();
    }
    let mut used: Vec<_> = used.into_iter().collect();
    used.sort_by_key(|(number, energy)| (Reverse(*energy), *number));
    let fit = if used.len() > SHARES_MAX {
        SHARES_MAX - 1
    } else {
        used.len()
    };
    let rest = used.split_off(fit);
    let share = |(number, energy): (usize, u128)| {
        let at = named(policy, number);
        PlaceShare {
            region: short(at.region, REGION_MAX),
            energy_microjoules: whole(energy),
            zone: Some(short(&at.intensity.series.info().zone, ZONE_MAX)),
            pue: at.pue_in_words(),
        }
    };
    let mut shares: Vec<_> = used.into_iter().map(share).collect();
    if !rest.is_empty() {
        shares.push(PlaceShare {
            region: OTHERS.to_owned(),
            energy_microjoules: whole(rest.iter().map(|(_, energy)| energy).sum()),
            ..PlaceShare::default()
        });
    }
    shares
}

fn whole(microjoules: u128) -> i64 {
    i64::try_from(microjoules).unwrap_or(i64::MAX)
}
