//! A workload's energy by the hour: from the ledger where the caller may read
//! it, else its sum spread evenly, which is said.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tanso_carbon::EnergyRow;
use tanso_carbon::account::Coverage;
use tanso_carbon::calendar::Period;
use tanso_crds::carbon_policy::status::{Bounded, Figures};
use tanso_power::{Estimate, Joules, Provenance};

use super::AnswerFault;
use super::find::Found;
use crate::view::{Energy, Facts, Site};

/// What hours a computation rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Basis {
    /// The ledger's own hours.
    Hourly,
    /// The sum of the window, spread evenly over its hours: the ledger cannot
    /// be read by this caller.
    SpreadEvenly,
    /// The power and duration that were given.
    Given,
}

/// A workload's energy by the hour.
#[derive(Clone, Debug)]
pub(super) struct Profile {
    pub(super) rows: Vec<EnergyRow>,
    pub(super) basis: Basis,
    pub(super) period: Period,
    pub(super) coverage: Coverage,
    pub(super) cpu_ms: i64,
}

/// The hours of the policy's own window, or of another period.
pub(super) async fn profile(
    facts: &dyn Facts,
    found: &Found,
    site: &Site,
    other: Option<Period>,
) -> Result<Profile, AnswerFault> {
    let not_yet = || AnswerFault::NotKnown {
        what: found.name().to_string(),
        reason: format!("{} was not evaluated yet", found.policy.title()),
    };
    let window = found.policy.window().ok_or_else(not_yet)?;
    let period = other.unwrap_or(window);
    // What is newer than the window is in the judged figures too.
    let wanted = Period {
        until: period
            .until
            .plus_hours(if other.is_some() { 0 } else { 24 }),
        ..period
    };
    match facts.energy_of(&found.name().key(), wanted).await {
        Ok(energy) => Ok(of_ledger(&energy, found, site, period, other.is_some())),
        Err(fault) if fault.is_absent() && other.is_none() => Ok(spread(
            &found.result.figures,
            period,
            only_place(found, site),
        )),
        Err(fault) => Err(fault.into()),
    }
}

fn of_ledger(
    energy: &Energy,
    found: &Found,
    site: &Site,
    period: Period,
    is_other: bool,
) -> Profile {
    let rows = energy.rows.iter().map(|row| EnergyRow {
        hour: row.hour,
        place: site.place_of(&row.node, row.hour),
        energy: row.energy,
        provenance: row.provenance,
    });
    let cpu_us: u64 = energy.rows.iter().map(|row| row.cpu_us).sum();
    let coverage = if is_other {
        let mut hours: Vec<_> = energy.rows.iter().map(|row| row.hour).collect();
        hours.sort_unstable();
        hours.dedup();
        Coverage::new(
            u64::from(period.hour_count()),
            u64::try_from(hours.len()).unwrap_or(0),
        )
    } else {
        known(found.result.figures.coverage_percent)
    };
    Profile {
        rows: rows.collect(),
        basis: Basis::Hourly,
        period,
        coverage,
        cpu_ms: i64::try_from(cpu_us / 1_000).unwrap_or(i64::MAX),
    }
}

fn known(percent: i32) -> Coverage {
    Coverage::new(100, u64::try_from(percent).unwrap_or(0))
}

/// The number of the place where all energy of the policy was used; of several
/// the site, since nobody told which is the workload's.
fn only_place(found: &Found, site: &Site) -> usize {
    let [only] = found.policy.status.places.as_slice() else {
        return 0;
    };
    let mut others = (1..).zip(&site.others);
    let its = others.find(|(_, other)| other.region == only.region);
    its.map_or(0, |(number, _)| number)
}

fn spread(figures: &Figures, period: Period, place: usize) -> Profile {
    let shares = [
        (figures.measured_percent, Provenance::Measured),
        (figures.modelled_percent, Provenance::Modelled),
        (figures.simulated_percent, Provenance::Simulated),
    ];
    // Simulated energy is never hidden behind a larger part.
    let provenance = if figures.simulated_percent > 0 {
        Provenance::Simulated
    } else {
        shares
            .iter()
            .max_by_key(|(share, _)| *share)
            .map_or(Provenance::Modelled, |(_, one)| *one)
    };
    let hours = u64::from(period.hour_count()).max(1);
    let Bounded { low, value, high } = figures.energy_microjoules;
    let whole = |energy_uj: i64| u64::try_from(energy_uj).unwrap_or(0);
    let part = |energy_uj: i64, index: u64| {
        // The first hours take what does not divide.
        let more = u64::from(index < whole(energy_uj) % hours);
        Joules::from_microjoules(whole(energy_uj) / hours + more)
    };
    let rows = (0..).zip(period.hours()).map(|(index, hour)| EnergyRow {
        hour,
        place,
        energy: Estimate {
            low: part(low, index),
            value: part(value, index),
            high: part(high, index),
        },
        provenance,
    });
    Profile {
        rows: rows.collect(),
        basis: Basis::SpreadEvenly,
        period,
        coverage: known(figures.coverage_percent),
        cpu_ms: figures.cpu_milliseconds,
    }
}
