//! What stands beside a location-based sum: market-based, and the hardware's
//! embodied part. The one place for the operator's status and for reports of
//! any other time; pure.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use tanso_carbon::GramsCo2e;
use tanso_carbon::account::Account;
use tanso_carbon::calendar::Period;
use tanso_carbon::market::{MarketAccount, market_based};
use tanso_carbon::sci::{self, Hardware, Reserved};
use tanso_carbon::series::{Basis, Method, SeriesInfo};
use tanso_crds::carbon_policy::status::{MarketFigures, SciFigures};
use tanso_power::{Estimate, Joules};

use super::figures::{bounded, milligrams, nearest, percent, percent_seen, short, short_of};
use super::sources;
use crate::view::Market;

/// Longest text of a residual mix.
const RESIDUAL_MAX: usize = 512;
/// Most instruments that are named, and letters of each.
const INSTRUMENTS_MAX: usize = 8;
const INSTRUMENT_MAX: usize = 128;
/// Longest name of a source.
const SOURCE_MAX: usize = 256;
/// Longest name of a functional unit.
const UNIT_MAX: usize = 63;

/// The market-based sum of an account over the part of its time that has
/// passed.
#[must_use]
pub fn market(by: &Market, account: &Account, period: Period) -> MarketAccount {
    market_based(account, period, &by.contracts, by.matching, &by.residual)
}

/// The same as figures, of the account that it was made of.
#[must_use]
pub fn market_figures(by: &Market, sum: &MarketAccount, account: &Account) -> MarketFigures {
    let residual = format!("{}, {}", by.residual.intensity.value, by.residual.source);
    let boundary = by.boundary.map(sources::boundary);
    MarketFigures {
        emissions_milligrams: bounded(sum.emissions, milligrams),
        matching: format!("{:?}", by.matching),
        covered_percent: percent(sum.covered_percent()),
        residual_mix: short_of(&residual, RESIDUAL_MAX, "spec.accounting.market"),
        method: sources::method(Method::Average).to_owned(),
        basis: sources::basis(Basis::Market).to_owned(),
        boundary: boundary.unwrap_or_default().to_owned(),
        instruments: instruments(sum),
        data_year: by.residual.data_year.map(i32::from),
        intensity_estimated_percent: by
            .residual
            .data_year
            .map(|year| of_another_year(year, sum, account)),
    }
}

/// The contracts that cover energy, by name.
fn instruments(sum: &MarketAccount) -> Vec<String> {
    let counted = sum.contracts.iter();
    let counted: Vec<_> = counted.filter(|one| one.counted > Joules::ZERO).collect();
    let fit = if counted.len() > INSTRUMENTS_MAX {
        INSTRUMENTS_MAX - 1
    } else {
        counted.len()
    };
    let named = counted.iter().take(fit);
    let mut named: Vec<_> = named.map(|one| short(&one.name, INSTRUMENT_MAX)).collect();
    if counted.len() > fit {
        named.push(format!("and {} more", counted.len() - fit));
    }
    named
}

/// Share of the energy that the residual mix of a year prices which is not the
/// energy's, percent. Whose hours contracts cover is not told of annual
/// matching, so all of the rest counts where any hour is of another year.
fn of_another_year(year: i16, sum: &MarketAccount, account: &Account) -> i32 {
    let is_within = Period::local_year(year, &TimeZone::UTC)
        .is_ok_and(|year| account.hours.keys().all(|hour| year.contains(*hour)));
    if is_within || sum.residual_energy.value == Joules::ZERO {
        0
    } else {
        100 - percent(sum.covered_percent())
    }
}

/// What a software carbon intensity is made with.
#[derive(Clone, Copy, Debug)]
pub struct MadeWith<'a> {
    /// M: the hardware's part of the time.
    pub embodied: Estimate<GramsCo2e>,
    /// The hardware, with who says what it emits.
    pub hardware: &'a Hardware,
    /// What kind of figures I is.
    pub intensity: &'a SeriesInfo,
    /// R, and what a unit is.
    pub units: (f64, &'a str),
}

/// The software carbon intensity of an account.
///
/// # Errors
/// Why there is none, in words: a part of its energy is unpriced, or no units.
pub fn sci_figures(account: &Account, made: &MadeWith<'_>) -> Result<SciFigures, String> {
    let (units, unit) = made.units;
    let found = sci::sci(account, made.embodied, units, unit).map_err(|why| why.to_string())?;
    let info = made.intensity;
    Ok(SciFigures {
        method: sources::method(info.method).to_owned(),
        boundary: sources::boundary(info.boundary).to_owned(),
        basis: sources::basis(info.basis).to_owned(),
        source: short_of(&info.source, SOURCE_MAX, "spec.intensity"),
        data_year: info.data_year.map(i32::from),
        intensity_estimated_percent: Some(percent(account.estimated_percent())),
        embodied_source: short_of(
            &made.hardware.source,
            SOURCE_MAX,
            "spec.accounting.hardware",
        ),
        micrograms_per_unit: bounded(found.grams_per_unit, |grams| nearest(grams * 1e6)),
        unit: short(&found.unit, UNIT_MAX),
        units: nearest(found.units),
        operational_milligrams: bounded(found.operational, milligrams),
        embodied_milligrams: bounded(found.embodied, milligrams),
        coverage_percent: percent_seen(found.coverage_percent),
    })
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

/// The nodes' embodied emissions that belong to pods: the time that each was on
/// a node, times its share of the node's CPU by what it asks for. A node's size
/// was not always the same: a name comes again for another machine.
///
/// # Errors
/// If a size is not known of a node on which anything was reserved: a sum without
/// its share would be too little, and look whole.
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

    /// Of nodes that always had the same to give.
    fn embodied<'a>(
        hardware: &Hardware,
        reserved: impl IntoIterator<Item = (&'a str, u64)>,
        gives: impl Fn(&str) -> Option<u64>,
    ) -> Result<Estimate<GramsCo2e>, EmbodiedUnknown> {
        let reserved = reserved.into_iter();
        let on_node = reserved.map(|(node, millicore_seconds)| OnNode {
            node,
            gives: gives(node),
            millicore_seconds,
        });
        embodied_by_size(hardware, on_node)
    }

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
