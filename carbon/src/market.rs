//! Market-based sums: what contracts claim, beside what the grid emitted.
//!
//! GHG Protocol Scope 2 Guidance (2015), section 6: both methods are reported;
//! market-based takes the contract's factor for what contracts cover and the
//! residual mix for the rest. Whether a contract may cover an hour in which
//! its plant stood still is the difference between annual and hourly matching
//! (the revision in consultation since 2025-10 wants the second).
//!
//! Never feeds a software carbon intensity: ISO/IEC 21031 excludes
//! market-based figures. One call is one market: where electricity of several
//! is used, each has its own account and its own contracts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tanso_power::{Estimate, Joules};

use crate::account::Account;
use crate::calendar::{Period, UtcHour};
use crate::units::{GramsCo2e, Intensity, Pue};

/// When a contract's electricity counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Matching {
    /// Sums over the whole matching period, hours without load in it: a sunny
    /// noon covers a night, and what was delivered while nothing ran counts.
    Annual,
    /// Hour by hour: what was not used in its hour covers nothing.
    #[default]
    Hourly,
}

impl Matching {
    /// The words for a message.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Annual => "matched over the whole period",
            Self::Hourly => "matched hour by hour",
        }
    }
}

/// A contract or certificate for electricity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Contract {
    /// Its name, for the report.
    pub name: String,
    /// What its electricity emits.
    pub intensity: Intensity,
    /// What it delivered in each hour.
    pub delivered: BTreeMap<UtcHour, Joules>,
}

/// What the electricity emits that no contract covers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResidualMix {
    /// The grid's mix without what others have claimed. A grid's own average
    /// in its place counts claimed electricity twice; then `source` says so.
    pub intensity: Estimate<Intensity>,
    /// Who publishes it.
    pub source: String,
    /// The year it describes.
    pub data_year: Option<i16>,
}

/// What one contract covered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Covered {
    /// The contract's name.
    pub name: String,
    /// What it delivered in the matching period, also in hours without load.
    pub delivered: Joules,
    /// What of it was counted.
    pub counted: Joules,
}

/// The market-based account of a period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MarketAccount {
    /// How contracts were matched.
    pub matching: Matching,
    /// Facility energy of the period.
    pub facility_energy: Estimate<Joules>,
    /// What contracts covered, at the best estimate of the energy.
    pub contracts: Vec<Covered>,
    /// What the residual mix stands for.
    pub residual_energy: Estimate<Joules>,
    /// Market-based emissions.
    pub emissions: Estimate<GramsCo2e>,
}

impl MarketAccount {
    /// What contracts covered of the energy, in percent.
    #[must_use]
    pub fn covered_percent(&self) -> f64 {
        let covered: Joules = self.contracts.iter().map(|one| one.counted).sum();
        crate::account::percent(
            covered.microjoules(),
            self.facility_energy.value.microjoules(),
        )
    }
}

/// The market-based sum of an account's facility energy over a matching
/// period, the part of the account's period that has passed; contracts cover in
/// the order given. Hours without a location-based intensity are in it too: a
/// market-based sum does not need one.
///
/// ```
/// use std::collections::BTreeMap;
/// use tanso_carbon::account::{Coverage, EnergyRow, Place, account};
/// use tanso_carbon::market::{Contract, Matching, ResidualMix, market_based};
/// use tanso_carbon::{Intensity, Period, SeriesInfo, StaticIntensity, UtcHour};
/// use tanso_power::{Estimate, Joules, Provenance};
/// let mwh = Joules::from_microjoules(3_600_000_000_000_000);
/// let (noon, night) = (UtcHour::parse("2026-06-01T03:00Z")?, UtcHour::parse("2026-06-01T15:00Z")?);
/// let row = |hour| EnergyRow { hour, place: 0, energy: Estimate::exact(mwh), provenance: Provenance::Measured };
/// let grid = Intensity::try_from_grams_per_kwh(417.3)?;
/// let grid = StaticIntensity::new(SeriesInfo::average_life_cycle("KR", "factor"), Estimate::exact(grid));
/// let sum = account(&[row(noon), row(night)], &[Place::new(&grid, None)], Coverage::new(2, 2));
/// let sun = Contract {
///     name: "sun".into(),
///     intensity: Intensity::ZERO,
///     delivered: BTreeMap::from([(noon, mwh + mwh)]),
/// };
/// let rest = Intensity::try_from_grams_per_kwh(480.0)?;
/// let rest = ResidualMix { intensity: Estimate::exact(rest), source: "made up".into(), data_year: None };
/// let day = Period { from: UtcHour::parse("2026-06-01T00:00Z")?, until: UtcHour::parse("2026-06-02T00:00Z")? };
/// let by = |matching| market_based(&sum, day, &[sun.clone()], matching, &rest).emissions.value.to_string();
/// assert_eq!(sum.emissions.value.to_string(), "834.6 kg");
/// assert_eq!((by(Matching::Annual), by(Matching::Hourly)), ("0 g".into(), "480.0 kg".into()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn market_based(
    account: &Account,
    period: Period,
    contracts: &[Contract],
    matching: Matching,
    residual: &ResidualMix,
) -> MarketAccount {
    let offered: Vec<_> = contracts
        .iter()
        .map(|contract| delivered(contract, account, period))
        .collect();
    let at = |pick: fn(Estimate<Joules>) -> Joules| {
        let used = account.hours.iter();
        let used = used.map(|(hour, sum)| (*hour, pick(sum.facility_energy)));
        match matching {
            Matching::Hourly => hourly(used, contracts),
            Matching::Annual => annual(used.map(|(_, energy)| energy).sum(), &offered),
        }
    };
    let (low, value, high) = (at(|e| e.low), at(|e| e.value), at(|e| e.high));
    let mix = residual.intensity;
    let emissions = Estimate {
        low: low.emissions(contracts, mix.low),
        value: value.emissions(contracts, mix.value),
        high: high.emissions(contracts, mix.high),
    };
    let covered = contracts.iter().zip(&offered).zip(&value.counted);
    MarketAccount {
        matching,
        facility_energy: account.facility_energy,
        contracts: covered
            .map(|((contract, delivered), counted)| Covered {
                name: contract.name.clone(),
                delivered: *delivered,
                counted: *counted,
            })
            .collect(),
        residual_energy: Estimate {
            low: low.rest,
            value: value.rest,
            high: high.rest,
        },
        emissions,
    }
}

/// What a contract delivered in the period; an hour with load is in it too
/// where the account goes on after its end.
fn delivered(contract: &Contract, account: &Account, period: Period) -> Joules {
    let within = |(hour, _): &(&UtcHour, &Joules)| {
        period.contains(**hour) || account.hours.contains_key(*hour)
    };
    let hours = contract.delivered.iter().filter(within);
    hours.map(|(_, energy)| *energy).sum()
}

/// What each contract covers of some energy, and what is left.
struct Split {
    counted: Vec<Joules>,
    rest: Joules,
}

impl Split {
    fn nothing(contracts: usize) -> Self {
        Self {
            counted: vec![Joules::ZERO; contracts],
            rest: Joules::ZERO,
        }
    }

    /// Covers `used` with what the contracts offer, in their order.
    fn cover(&mut self, used: Joules, offers: impl Iterator<Item = Joules>) {
        let mut left = used;
        for (counted, offer) in self.counted.iter_mut().zip(offers) {
            let taken = left.min(offer);
            *counted += taken;
            left = left.saturating_sub(taken);
        }
        self.rest += left;
    }

    fn emissions(&self, contracts: &[Contract], residual: Intensity) -> GramsCo2e {
        let of = |intensity: Intensity, energy| intensity.emissions_of(energy, Pue::ONE);
        let covered = contracts.iter().zip(&self.counted);
        let covered: GramsCo2e = covered
            .map(|(contract, energy)| of(contract.intensity, *energy))
            .sum();
        covered + of(residual, self.rest)
    }
}

fn hourly(used: impl Iterator<Item = (UtcHour, Joules)>, contracts: &[Contract]) -> Split {
    let mut split = Split::nothing(contracts.len());
    for (hour, energy) in used {
        let offer = |contract: &Contract| contract.delivered.get(&hour).copied();
        split.cover(
            energy,
            contracts.iter().map(|one| offer(one).unwrap_or_default()),
        );
    }
    split
}

fn annual(used: Joules, offered: &[Joules]) -> Split {
    let mut split = Split::nothing(offered.len());
    split.cover(used, offered.iter().copied());
    split
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{Coverage, EnergyRow, Place, account};
    use crate::series::{SeriesInfo, StaticIntensity};
    use tanso_power::Provenance;

    fn kwh(energy: u64) -> Joules {
        Joules::from_microjoules(energy * 3_600_000_000_000)
    }

    /// A batch job that runs at night had no use of its sun by annual
    /// matching: hours without load were left out of what was delivered.
    #[test]
    fn annual_matching_counts_what_was_delivered_while_nothing_ran() {
        let hour = |text| UtcHour::parse(text).unwrap();
        let (noon, night) = (hour("2026-06-01T03:00Z"), hour("2026-06-01T15:00Z"));
        let year = Period {
            from: hour("2026-01-01T00:00Z"),
            until: hour("2027-01-01T00:00Z"),
        };
        let grid = Estimate::exact(Intensity::try_from_grams_per_kwh(400.0).unwrap());
        let grid = StaticIntensity::new(SeriesInfo::average_life_cycle("KR", "made"), grid);
        let row = EnergyRow {
            hour: night,
            place: 0,
            energy: Estimate::exact(kwh(10)),
            provenance: Provenance::Measured,
        };
        let sum = account(&[row], &[Place::new(&grid, None)], Coverage::new(1, 1));
        let sun = Contract {
            name: "sun".to_owned(),
            intensity: Intensity::ZERO,
            delivered: BTreeMap::from([(noon, kwh(8)), (hour("2025-06-01T03:00Z"), kwh(100))]),
        };
        let residual = ResidualMix {
            intensity: Estimate::exact(Intensity::try_from_grams_per_kwh(500.0).unwrap()),
            source: "made".to_owned(),
            data_year: None,
        };
        let by =
            |matching| market_based(&sum, year, std::slice::from_ref(&sun), matching, &residual);
        let (annual, hourly) = (by(Matching::Annual), by(Matching::Hourly));
        // Another year's deliveries are another year's.
        assert_eq!(annual.contracts[0].delivered, kwh(8));
        assert_eq!(annual.contracts[0].counted, kwh(8));
        assert_eq!(annual.emissions.value.to_string(), "1.00 kg");
        assert_eq!(hourly.contracts[0].delivered, kwh(8));
        assert_eq!(hourly.contracts[0].counted, Joules::ZERO);
        assert_eq!(hourly.emissions.value.to_string(), "5.00 kg");
    }
}
