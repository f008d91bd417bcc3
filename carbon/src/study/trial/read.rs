//! CSV to trials; every broken cell with its place and reason.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use tanso_power::Provenance;
use tanso_power::units::Utilisation;

use super::{Phase, Trial, Trials, Unit};
use crate::table::{Row, Table, TableFaults};

/// The columns that are no responses.
pub(super) const FIXED: [&str; 10] = [
    "trial",
    "block",
    "arm",
    "phase",
    "started_at",
    "duration_seconds",
    "provenance",
    "steal_ratio",
    "foreign_cpu_ratio",
    "marks",
];
/// Longest name of an arm.
const NAME_LENGTH_MAX: usize = 63;

/// Why a name of an arm is none; `None` if it is one.
#[must_use]
pub fn name_fault(name: &str) -> Option<&'static str> {
    let proper = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let fits = !name.is_empty() && name.len() <= NAME_LENGTH_MAX && name.chars().all(proper);
    (!fits).then_some("accepted are 1 to 63 lower-case letters, digits, dots and hyphens")
}

impl Trials {
    /// Parses raw figures.
    ///
    /// ```
    /// use tanso_carbon::study::Trials;
    /// let text = "trial,block,arm,node_joules\n1,1,flux,512.5\n2,1,snow,498\n";
    /// let trials = Trials::parse("trials.csv", text)?;
    /// assert_eq!(trials.rows()[1].values["node_joules"], 498.0);
    /// let broken = Trials::parse("trials.csv", &text.replace("498", "much")).unwrap_err();
    /// assert!(broken.to_string().starts_with("trials.csv row 3, node_joules \"much\""));
    /// # Ok::<(), tanso_carbon::table::TableFaults>(())
    /// ```
    ///
    /// # Errors
    /// All faults of the table: a column missing, twice or without a unit at
    /// its end, a cell that is not what its column says, a phase of a trial
    /// that stands twice, a trial with two arms or blocks.
    pub fn parse(file: &str, text: &str) -> Result<Self, TableFaults> {
        let mut table = Table::open(file, text);
        table.demand(&["trial", "block", "arm"]);
        let responses = responses(&mut table);
        let mut rows = Vec::new();
        let mut seen = BTreeSet::new();
        let mut places: BTreeMap<u32, (u32, String)> = BTreeMap::new();
        while let Some(mut row) = table.next_row() {
            let Some(trial) = trial(&mut row, &responses) else {
                continue;
            };
            let place = (trial.block, trial.arm.clone());
            if !seen.insert((trial.order, trial.phase)) {
                let phase = trial.phase.as_str();
                row.fault("trial", format!("its phase {phase:?} stands twice"));
            } else if *places.entry(trial.order).or_insert_with(|| place.clone()) != place {
                row.fault("trial", "its phases differ in block or arm".to_owned());
            } else {
                rows.push(trial);
            }
        }
        table.finish()?;
        let mut trials = Self::new(rows);
        // A column that is empty throughout is a response too.
        trials.responses = responses;
        Ok(trials)
    }
}

fn responses(table: &mut Table<'_>) -> BTreeMap<String, Unit> {
    let mut found = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for column in table.columns().to_vec() {
        if !seen.insert(column.clone()) {
            table.fault_at(1, &column, "", "the column stands twice".to_owned());
        } else if let Some(unit) = Unit::of_column(&column) {
            if !FIXED.contains(&column.as_str()) {
                found.insert(column, unit);
            }
        } else if !FIXED.contains(&column.as_str()) {
            let units = Unit::ALL
                .map(|unit| format!("_{}", unit.suffix()))
                .join(", ");
            let reason = format!("a response's column must end with its unit: {units}");
            table.fault_at(1, &column, "", reason);
        }
    }
    found
}

fn trial(row: &mut Row<'_, '_>, responses: &BTreeMap<String, Unit>) -> Option<Trial> {
    let order = row.parse("trial", whole);
    let block = row.parse("block", whole);
    let arm = row.parse("arm", |text| match name_fault(text) {
        Some(fault) => Err(fault),
        None => Ok(text.to_owned()),
    });
    let phase = row.optional("phase", phase);
    let started_at = row.optional("started_at", str::parse::<Timestamp>);
    let duration = row.optional("duration_seconds", |text| {
        Duration::try_from_secs_f64(finite(text)?).map_err(|error| error.to_string())
    });
    let provenance = row.optional("provenance", provenance);
    let share = |text: &str| {
        Utilisation::try_new(finite(text)?).map_err(|_| "accepted are 0 to 1".to_owned())
    };
    let steal = row.optional("steal_ratio", share);
    let foreign_cpu = row.optional("foreign_cpu_ratio", share);
    let marks = row.get("marks").split(';').map(str::trim);
    let marks = marks.filter(|mark| !mark.is_empty()).map(str::to_owned);
    let marks = marks.collect();
    let mut values = BTreeMap::new();
    let mut whole_row = true;
    for column in responses.keys() {
        match row.optional(column, finite) {
            Some(Some(value)) => drop(values.insert(column.clone(), value)),
            Some(None) => {}
            None => whole_row = false,
        }
    }
    let trial = Trial {
        order: order?,
        block: block?,
        arm: arm?,
        phase: phase?.unwrap_or_default(),
        started_at: started_at?,
        duration: duration?,
        provenance: provenance?,
        steal: steal?,
        foreign_cpu: foreign_cpu?,
        marks,
        values,
    };
    whole_row.then_some(trial)
}

fn whole(text: &str) -> Result<u32, &'static str> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or("accepted are whole numbers from 1")
}

fn finite(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    number.ok_or_else(|| "not a finite number".to_owned())
}

fn phase(text: &str) -> Result<Phase, String> {
    let found = Phase::ALL.into_iter().find(|phase| phase.as_str() == text);
    found.ok_or_else(|| format!("accepted are {}", Phase::ALL.map(Phase::as_str).join(", ")))
}

fn provenance(text: &str) -> Result<Provenance, String> {
    let all = Provenance::ALL;
    let found = all.into_iter().find(|one| one.as_str() == text);
    found.ok_or_else(|| format!("accepted are {}", all.map(Provenance::as_str).join(", ")))
}
