//! Tables of hourly energy and of contracts; every broken row with its place
//! and reason. Never fills or guesses a figure.

use std::collections::BTreeMap;

use tanso_power::{Estimate, Joules, Provenance};

use crate::account::EnergyRow;
use crate::calendar::{Period, UtcHour};
use crate::market::Contract;
use crate::pue::FacilityPue;
use crate::table::{Row, Table, TableFaults, parse_intensity};
use crate::units::{Intensity, Pue};

/// Columns of energy and their size in microjoules.
const UNITS: [(&str, f64); 4] = [
    ("kwh", 3.6e12),
    ("wh", 3.6e9),
    ("joules", 1e6),
    ("microjoules", 1.0),
];

/// One line: a workload's energy in one hour at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnergyLine {
    /// The hour.
    pub hour: UtcHour,
    /// The workload.
    pub workload: String,
    /// The grid zone, if the line names one.
    pub zone: Option<String>,
    /// The PUE of the place, if the line names one.
    pub pue: Option<Pue>,
    /// The energy.
    pub energy: Estimate<Joules>,
    /// Where the figure comes from.
    pub provenance: Provenance,
}

impl EnergyLine {
    pub(super) const fn row(&self, place: usize) -> EnergyRow {
        EnergyRow {
            hour: self.hour,
            place,
            energy: self.energy,
            provenance: self.provenance,
        }
    }

    /// The facility of the line: as given for all, with the line's own ratio.
    pub(super) fn facility(&self, given: Option<&FacilityPue>) -> Option<FacilityPue> {
        match (self.pue, given) {
            (None, given) => given.cloned(),
            (Some(pue), Some(given)) => Some(FacilityPue {
                value: Estimate::exact(pue),
                ..given.clone()
            }),
            (Some(pue), None) => {
                let evidence = crate::PueEvidence::Assumed;
                Some(FacilityPue::annual(pue, evidence, "the energy table"))
            }
        }
    }
}

/// A table of hourly energy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnergyTable {
    lines: Vec<EnergyLine>,
    period: Period,
}

impl EnergyTable {
    /// Reads CSV with the columns `datetime_utc` and `energy_kwh`
    /// (or `energy_wh`, `energy_joules`, `energy_microjoules`), and, where
    /// they are given, `workload`, `zone`, `pue`, `provenance` (`measured`,
    /// `modelled`, `simulated`) and the bounds `energy_low_kwh` and
    /// `energy_high_kwh` in the unit of the energy. Several lines of one
    /// workload and hour are added up: it may have moved.
    ///
    /// # Errors
    /// All faults of the table, each with line and column.
    pub fn parse(file: &str, text: &str) -> Result<Self, TableFaults> {
        let mut table = Table::open(file, text);
        let unit = UNITS
            .iter()
            .find(|(unit, _)| table.has(&format!("energy_{unit}")))
            .unwrap_or(&UNITS[0]);
        let columns = Columns::of(unit);
        table.demand(&["datetime_utc", &columns.value]);
        let mut lines = Vec::new();
        while let Some(mut row) = table.next_row() {
            lines.extend(line(&mut row, &columns));
        }
        let hours = || lines.iter().map(|line: &EnergyLine| line.hour);
        let (Some(first), Some(last)) = (hours().min(), hours().max()) else {
            table.fault_at(1, "", "", "the table has no hour".to_owned());
            return Err(table.faults());
        };
        table.finish()?;
        let period = Period {
            from: first,
            until: last.plus_hours(1),
        };
        Ok(Self { lines, period })
    }

    /// The lines, in the order of the table.
    #[must_use]
    pub fn lines(&self) -> &[EnergyLine] {
        &self.lines
    }

    /// From the first hour until after the last.
    #[must_use]
    pub const fn period(&self) -> Period {
        self.period
    }
}

/// The names of the energy columns, in one unit.
struct Columns {
    value: String,
    low: String,
    high: String,
    microjoules: f64,
}

impl Columns {
    fn of((unit, microjoules): &(&str, f64)) -> Self {
        Self {
            value: format!("energy_{unit}"),
            low: format!("energy_low_{unit}"),
            high: format!("energy_high_{unit}"),
            microjoules: *microjoules,
        }
    }
}

fn line(row: &mut Row<'_, '_>, columns: &Columns) -> Option<EnergyLine> {
    let energy = |text: &str| joules(text, columns.microjoules);
    let hour = row.parse("datetime_utc", UtcHour::parse);
    let value = row.parse(&columns.value, energy);
    let low = row.optional(&columns.low, energy);
    let high = row.optional(&columns.high, energy);
    let pue = row.optional("pue", parse_pue);
    let provenance = row.parse("provenance", parse_provenance);
    let (hour, value, low, high, pue, provenance) = (hour?, value?, low?, high?, pue?, provenance?);
    let Some(energy) = Estimate::try_new(low.unwrap_or(value), value, high.unwrap_or(value)) else {
        let reason = "the bounds must enclose the energy: low <= energy <= high";
        row.fault(&columns.value, reason.to_owned());
        return None;
    };
    let zone = Some(row.get("zone").to_owned()).filter(|zone| !zone.is_empty());
    Some(EnergyLine {
        hour,
        workload: row.get("workload").to_owned(),
        zone,
        pue,
        energy,
        provenance,
    })
}

fn joules(text: &str, microjoules: f64) -> Result<Joules, String> {
    if let (true, Ok(whole)) = (microjoules <= 1.0, text.parse()) {
        return Ok(Joules::from_microjoules(whole));
    }
    let number: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    let energy_uj = number * microjoules;
    // The largest whole number that each smaller one is exact below, times
    // 2,000: 5.1 GWh, the bound of a sum.
    if !(0.0..=1.8e19).contains(&energy_uj) {
        return Err("accepted are 0 to 5,000,000 kWh an hour".to_owned());
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range was checked above"
    )]
    Ok(Joules::from_microjoules(energy_uj.round() as u64))
}

fn parse_pue(text: &str) -> Result<Pue, String> {
    let ratio: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    Pue::try_new(ratio).map_err(|error| error.to_string())
}

fn parse_provenance(text: &str) -> Result<Provenance, String> {
    let known = Provenance::ALL.iter();
    match (text, known.copied().find(|one| one.as_str() == text)) {
        ("", _) => Ok(Provenance::Measured),
        (_, Some(provenance)) => Ok(provenance),
        _ => Err("accepted are measured, modelled and simulated".to_owned()),
    }
}

/// Reads contracts from CSV with the columns
/// `datetime_utc,contract,energy_kwh,gco2eq_per_kwh`; a contract has one
/// intensity, and covers in the order in which contracts first appear.
///
/// # Errors
/// All faults of the table, each with line and column.
pub fn parse_contracts(file: &str, text: &str) -> Result<Vec<Contract>, TableFaults> {
    let mut table = Table::open(file, text);
    table.demand(&["datetime_utc", "contract", "energy_kwh", "gco2eq_per_kwh"]);
    let mut contracts: Vec<Contract> = Vec::new();
    while let Some(mut row) = table.next_row() {
        let hour = row.parse("datetime_utc", UtcHour::parse);
        let energy = row.parse("energy_kwh", |text| joules(text, 3.6e12));
        let intensity = row.parse("gco2eq_per_kwh", parse_intensity);
        let (Some(hour), Some(energy), Some(intensity)) = (hour, energy, intensity) else {
            continue;
        };
        let name = row.get("contract").to_owned();
        let fault = deliver(&mut contracts, name, hour, energy, intensity).err();
        if let Some(reason) = fault {
            row.fault("gco2eq_per_kwh", reason);
        }
    }
    table.finish()?;
    Ok(contracts)
}

fn deliver(
    contracts: &mut Vec<Contract>,
    name: String,
    hour: UtcHour,
    energy: Joules,
    intensity: Intensity,
) -> Result<(), String> {
    match contracts.iter_mut().find(|one| one.name == name) {
        Some(known) if known.intensity != intensity => Err(format!(
            "contract {name:?} has {} in an earlier row: a contract has one intensity",
            known.intensity
        )),
        Some(known) => {
            *known.delivered.entry(hour).or_default() += energy;
            Ok(())
        }
        None => {
            let delivered = BTreeMap::from([(hour, energy)]);
            contracts.push(Contract {
                name,
                intensity,
                delivered,
            });
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_line_names_its_row_and_column() {
        let text = "datetime_utc,workload,energy_kwh,energy_low_kwh,pue\n\
            2026-06-01T00:00Z,a,1,2,\n2026-06-01T00:30Z,a,1,,\n2026-06-01T01:00Z,a,-1,,0.9\n";
        let told = EnergyTable::parse("e.csv", text).unwrap_err().to_string();
        for part in [
            "e.csv row 2, energy_kwh \"1\": the bounds",
            "row 3, datetime_utc",
            "row 4, energy_kwh \"-1\"",
            "row 4, pue \"0.9\"",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }

    #[test]
    fn joules_and_kilowatt_hours_are_the_same_energy() {
        let read = |unit: &str, figure: &str| {
            let text = format!("datetime_utc,energy_{unit}\n2026-06-01T00:00Z,{figure}\n");
            EnergyTable::parse("e.csv", &text).unwrap().lines()[0].energy
        };
        assert_eq!(read("kwh", "1.5"), read("joules", "5400000"));
        assert_eq!(read("wh", "0.25"), read("microjoules", "900000000"));
    }

    #[test]
    fn a_contract_has_one_intensity() {
        let text = "datetime_utc,contract,energy_kwh,gco2eq_per_kwh\n\
            2026-06-01T00:00Z,sun,1,0\n2026-06-01T01:00Z,sun,2,0\n2026-06-01T01:00Z,wind,2,9\n";
        let contracts = parse_contracts("c.csv", text).unwrap();
        assert_eq!((contracts.len(), contracts[0].delivered.len()), (2, 2));
        let two = text.replace("sun,2,0", "sun,2,5");
        let told = parse_contracts("c.csv", &two).unwrap_err().to_string();
        assert!(told.contains("row 3, gco2eq_per_kwh \"5\""), "{told}");
    }
}
