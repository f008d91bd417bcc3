//! Tables of hourly energy and of contracts; every broken row with its place
//! and reason. Never fills or guesses a figure.

use std::collections::BTreeMap;

use tanso_power::{Estimate, Joules, Provenance};

use crate::calendar::{Period, UtcHour};
use crate::market::Contract;
use crate::pue::PueEvidence;
use crate::table::{Row, Table, TableFault, TableFaults, parse_intensity};
use crate::units::{GramsCo2e, Intensity, Pue};

/// Columns of energy and their size in microjoules.
const UNITS: [(&str, f64); 4] = [
    ("kwh", 3.6e12),
    ("wh", 3.6e9),
    ("joules", 1e6),
    ("microjoules", 1.0),
];

/// One line: a workload's energy in one hour at one place.
#[derive(Clone, Debug, PartialEq)]
pub struct EnergyLine {
    /// The hour.
    pub hour: UtcHour,
    /// The workload; of a ledger's export `namespace/kind/name`.
    pub workload: String,
    /// The node, if the line names one; empty if not.
    pub node: String,
    /// The grid zone, if the line names one.
    pub zone: Option<String>,
    /// The PUE of the place, if the line names one.
    pub pue: Option<Pue>,
    /// Who stands for it, if the line says so.
    pub pue_evidence: Option<PueEvidence>,
    /// The energy.
    pub energy: Estimate<Joules>,
    /// Where the figure comes from; `None` if the line does not say.
    pub provenance: Option<Provenance>,
    /// The functional units that it served, if the line says so.
    pub functional_units: Option<f64>,
    /// Embodied emissions of its share of the hardware in the hour, if the
    /// line says so.
    pub embodied: Option<GramsCo2e>,
}

/// A table of hourly energy.
#[derive(Clone, Debug, PartialEq)]
pub struct EnergyTable {
    lines: Vec<EnergyLine>,
    period: Period,
    /// Energy of no workload, by hour and account.
    unallocated: Vec<(UtcHour, String, Joules)>,
}

/// Columns of any table.
const COLUMNS: [&str; 10] = [
    "datetime_utc",
    "workload",
    "node",
    "pod",
    "zone",
    "pue",
    "pue_evidence",
    "provenance",
    "functional_units",
    "embodied_grams",
];
/// Columns of an export of the operator's ledger, beside those above.
const LEDGER: [&str; 9] = [
    "hour_utc",
    "account",
    "namespace",
    "workload_kind",
    "pod_uid",
    "cpu_microseconds",
    "minutes",
    "cpu_request_millicores",
    "memory_peak_bytes",
];
/// The account of a ledger's export under which pods are.
const PODS: &str = "pod";

impl EnergyTable {
    /// Reads CSV with the columns `datetime_utc` and `energy_kwh`
    /// (or `energy_wh`, `energy_joules`, `energy_microjoules`), and, where
    /// they are given, `workload`, `node`, `pod`, `zone`, `pue`, `pue_evidence`
    /// (`Measured`, `Certificate`, `PublishedForRegion`, `ProviderAverage`,
    /// `Assumed`), `provenance` (`measured`, `modelled`, `simulated`; not known
    /// where a line has none),
    /// `functional_units`, `embodied_grams`, and the bounds `energy_low_kwh`
    /// and `energy_high_kwh` in the unit of the energy. Several lines of one
    /// workload and hour are added up: it may have moved. Two that differ in
    /// nothing but figures are the same energy told twice, and a fault.
    ///
    /// An export of the operator's ledger is read as it is: its `hour_utc` is
    /// the hour, `namespace/workload_kind/workload` the workload, and what is
    /// not a pod's is kept apart.
    ///
    /// # Errors
    /// All faults of the table, each with line and column; a column that is
    /// not read is one.
    pub fn parse(file: &str, text: &str) -> Result<Self, TableFaults> {
        let mut table = Table::open(file, text);
        let unit = UNITS
            .iter()
            .find(|(unit, _)| table.has(&format!("energy_{unit}")))
            .unwrap_or(&UNITS[0]);
        let columns = Columns::of(unit, table.has("hour_utc"));
        table.demand(&[columns.hour, &columns.value]);
        table.allow(&columns.known());
        let (mut lines, mut unallocated) = (Vec::new(), Vec::new());
        let mut told = BTreeMap::new();
        while let Some(mut row) = table.next_row() {
            let account = row.get("account").to_owned();
            let Some(line) = line(&mut row, &columns) else {
                continue;
            };
            if is_told_twice(&mut told, &mut row, &columns, &line) {
                continue;
            }
            if account.is_empty() || account == PODS {
                lines.push(line);
            } else {
                unallocated.push((line.hour, account, line.energy.value));
            }
        }
        let hours = || {
            let others = unallocated.iter().map(|(hour, ..)| *hour);
            others.chain(lines.iter().map(|line: &EnergyLine| line.hour))
        };
        let (Some(first), Some(last)) = (hours().min(), hours().max()) else {
            // Of a table whose rows are all broken their faults say enough.
            table.finish()?;
            return Err(TableFaults {
                faults: vec![TableFault {
                    file: file.to_owned(),
                    row: 1,
                    column: String::new(),
                    value: String::new(),
                    reason: "the table has no hour".to_owned(),
                }],
                more: 0,
            });
        };
        table.finish()?;
        let period = Period {
            from: first,
            until: last.plus_hours(1),
        };
        Ok(Self {
            lines,
            period,
            unallocated,
        })
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

    /// With a provenance for each line that names none.
    #[must_use]
    pub fn with_provenance(mut self, provenance: Provenance) -> Self {
        for line in &mut self.lines {
            line.provenance.get_or_insert(provenance);
        }
        self
    }

    /// Only the workloads for which `wanted` holds; what others used is
    /// unallocated.
    #[must_use]
    pub fn select(self, wanted: impl Fn(&str) -> bool) -> Self {
        let (lines, others): (Vec<_>, Vec<_>) = self
            .lines
            .into_iter()
            .partition(|line| wanted(&line.workload));
        let others = others
            .into_iter()
            .map(|line| (line.hour, "unselected".to_owned(), line.energy.value));
        Self {
            lines,
            unallocated: self.unallocated.into_iter().chain(others).collect(),
            ..self
        }
    }

    /// Energy of a period that belongs to no workload, by account, in
    /// microjoules.
    pub(super) fn unallocated(&self, period: Period) -> BTreeMap<String, u64> {
        let mut sums: BTreeMap<String, u64> = BTreeMap::new();
        let within = self.unallocated.iter();
        for (_, account, energy) in within.filter(|(hour, ..)| period.contains(*hour)) {
            let sum = sums.entry(account.clone()).or_default();
            *sum = sum.saturating_add(energy.microjoules());
        }
        sums
    }
}

/// The names of the energy columns, in one unit.
struct Columns {
    hour: &'static str,
    value: String,
    low: String,
    high: String,
    microjoules: f64,
}

impl Columns {
    fn of((unit, microjoules): &(&str, f64), is_ledger: bool) -> Self {
        Self {
            hour: if is_ledger {
                "hour_utc"
            } else {
                "datetime_utc"
            },
            value: format!("energy_{unit}"),
            low: format!("energy_low_{unit}"),
            high: format!("energy_high_{unit}"),
            microjoules: *microjoules,
        }
    }

    /// All columns that are read, or known and of no use here.
    fn known(&self) -> Vec<&str> {
        let is_ledger = self.hour == "hour_utc";
        let common = COLUMNS.iter().copied();
        let common = common.filter(|column| !(is_ledger && *column == "datetime_utc"));
        let own = [&self.value, &self.low, &self.high].map(String::as_str);
        let ledger = LEDGER.iter().copied().filter(|_| is_ledger);
        common.chain(own).chain(ledger).collect()
    }
}

/// Cells that tell energy of one hour from other energy of it.
const TELLING: [&str; 8] = [
    "account",
    "namespace",
    "workload_kind",
    "workload",
    "node",
    "pod",
    "pod_uid",
    "zone",
];

/// Which energy a line is about.
type Identity = (
    UtcHour,
    [String; TELLING.len()],
    // As a number: 1.4 and 1.40 are the same.
    Option<Pue>,
    Option<PueEvidence>,
    Option<Provenance>,
);

/// Notes a fault if an earlier row is about the same energy: a line that was
/// pasted twice would count twice.
fn is_told_twice(
    told: &mut BTreeMap<Identity, u64>,
    row: &mut Row<'_, '_>,
    columns: &Columns,
    line: &EnergyLine,
) -> bool {
    let cells = TELLING.map(|column| row.get(column).to_owned());
    let about = (
        line.hour,
        cells,
        line.pue,
        line.pue_evidence,
        line.provenance,
    );
    let number = row.number();
    let first = *told.entry(about).or_insert(number);
    if first != number {
        let reason = format!(
            "the same hour stands in row {first}: lines of one workload and hour must differ in \
             node, pod, zone, PUE or provenance"
        );
        row.fault(columns.hour, reason);
    }
    first != number
}

fn line(row: &mut Row<'_, '_>, columns: &Columns) -> Option<EnergyLine> {
    let energy = |text: &str| joules(text, columns.microjoules);
    let hour = row.parse(columns.hour, UtcHour::parse);
    let value = row.parse(&columns.value, energy);
    let low = row.optional(&columns.low, energy);
    let high = row.optional(&columns.high, energy);
    let pue = row.optional("pue", parse_pue);
    let pue_evidence = row.optional("pue_evidence", parse_evidence);
    let provenance = row.optional("provenance", parse_provenance);
    let functional_units = row.optional("functional_units", parse_units);
    let embodied = row.optional("embodied_grams", parse_grams);
    let (hour, value, low, high) = (hour?, value?, low?, high?);
    let (pue, pue_evidence, provenance) = (pue?, pue_evidence?, provenance?);
    if pue.is_none() && pue_evidence.is_some() {
        let reason = "evidence of a PUE that the line does not have";
        row.fault("pue_evidence", reason.to_owned());
        return None;
    }
    let Some(energy) = Estimate::try_new(low.unwrap_or(value), value, high.unwrap_or(value)) else {
        let reason = "the bounds must enclose the energy: low <= energy <= high";
        row.fault(&columns.value, reason.to_owned());
        return None;
    };
    let zone = Some(row.get("zone").to_owned()).filter(|zone| !zone.is_empty());
    Some(EnergyLine {
        hour,
        workload: workload(row),
        node: row.get("node").to_owned(),
        zone,
        pue,
        pue_evidence,
        energy,
        provenance,
        functional_units: functional_units?,
        embodied: embodied?,
    })
}

/// The name of a line's workload; of a ledger's with namespace and kind.
fn workload(row: &Row<'_, '_>) -> String {
    let [namespace, kind, name] =
        ["namespace", "workload_kind", "workload"].map(|column| row.get(column));
    if kind.is_empty() {
        name.to_owned()
    } else {
        format!("{namespace}/{kind}/{name}")
    }
}

fn parse_evidence(text: &str) -> Result<PueEvidence, &'static str> {
    const KNOWN: [(&str, PueEvidence); 5] = [
        ("Measured", PueEvidence::Measured),
        ("Certificate", PueEvidence::Certificate),
        ("PublishedForRegion", PueEvidence::PublishedForRegion),
        ("ProviderAverage", PueEvidence::ProviderAverage),
        ("Assumed", PueEvidence::Assumed),
    ];
    // Other columns have their words in small letters, so people write these so too.
    let known = KNOWN
        .iter()
        .find(|(word, _)| word.eq_ignore_ascii_case(text));
    known.map(|(_, evidence)| *evidence).ok_or(
        "accepted are Measured, Certificate, PublishedForRegion, ProviderAverage and Assumed, in letters of either case",
    )
}

fn parse_units(text: &str) -> Result<f64, String> {
    let units: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..=1e15).contains(&units) {
        Ok(units)
    } else {
        Err("accepted are 0 to 10^15".to_owned())
    }
}

fn parse_grams(text: &str) -> Result<GramsCo2e, String> {
    let grams: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    GramsCo2e::try_from_grams(grams).map_err(|error| error.to_string())
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
    let known = known.copied().find(|one| one.as_str() == text);
    known.ok_or_else(|| "accepted are measured, modelled and simulated".to_owned())
}

/// Reads contracts from CSV with the columns
/// `datetime_utc,contract,energy_kwh,gco2eq_per_kwh`; a contract has one
/// intensity, and covers in the order in which contracts first appear.
///
/// # Errors
/// All faults of the table, each with line and column.
pub fn parse_contracts(file: &str, text: &str) -> Result<Vec<Contract>, TableFaults> {
    let mut table = Table::open(file, text);
    let columns = ["datetime_utc", "contract", "energy_kwh", "gco2eq_per_kwh"];
    table.demand(&columns);
    table.allow(&columns);
    let mut contracts: Vec<Contract> = Vec::new();
    while let Some(mut row) = table.next_row() {
        let hour = row.parse("datetime_utc", UtcHour::parse);
        let energy = row.parse("energy_kwh", |text| joules(text, 3.6e12));
        let intensity = row.parse("gco2eq_per_kwh", parse_intensity);
        let (Some(hour), Some(energy), Some(intensity)) = (hour, energy, intensity) else {
            continue;
        };
        let name = row.get("contract").to_owned();
        if let Err((column, reason)) = deliver(&mut contracts, name, hour, energy, intensity) {
            row.fault(column, reason);
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
) -> Result<(), (&'static str, String)> {
    match contracts.iter_mut().find(|one| one.name == name) {
        Some(known) if known.intensity != intensity => Err((
            "gco2eq_per_kwh",
            format!(
                "contract {name:?} has {} in an earlier row: a contract has one intensity",
                known.intensity
            ),
        )),
        Some(known) => match known.delivered.insert(hour, energy) {
            None => Ok(()),
            Some(_) => Err((
                "datetime_utc",
                format!("hour {hour} of contract {name:?} stands twice"),
            )),
        },
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
mod tests;
