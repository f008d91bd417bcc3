//! Trials to CSV: one header and a line for each phase, so that whoever runs a
//! study can append a line after each and lose nothing at a crash.

use std::collections::BTreeMap;

use tanso_power::units::Utilisation;

use super::read::FIXED;
use super::{Trial, Trials, Unit};

/// The header for these responses, with its line end.
#[must_use]
pub fn csv_header(responses: &BTreeMap<String, Unit>) -> String {
    let fixed = FIXED.iter().map(|column| (*column).to_owned());
    line(fixed.chain(responses.keys().cloned()))
}

/// A phase's line for these responses, with its line end. Numbers are written
/// so that they read back the same.
#[must_use]
pub fn csv_line(trial: &Trial, responses: &BTreeMap<String, Unit>) -> String {
    fn text(cell: Option<impl ToString>) -> String {
        cell.map(|cell| cell.to_string()).unwrap_or_default()
    }
    let fixed = [
        trial.order.to_string(),
        trial.block.to_string(),
        trial.arm.clone(),
        trial.phase.as_str().to_owned(),
        text(trial.started_at),
        text(trial.duration.map(|duration| duration.as_secs_f64())),
        text(trial.provenance),
        text(trial.steal.map(Utilisation::ratio)),
        text(trial.foreign_cpu.map(Utilisation::ratio)),
        trial.marks.join(";"),
    ];
    let values = responses
        .keys()
        .map(|column| text(trial.values.get(column)));
    line(fixed.into_iter().chain(values))
}

impl Trials {
    /// All of it as CSV.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let lines = self
            .rows
            .iter()
            .map(|trial| csv_line(trial, &self.responses));
        std::iter::once(csv_header(&self.responses))
            .chain(lines)
            .collect()
    }
}

/// Cells with commas between; a cell with a comma, a quote or a line end is
/// quoted (RFC 4180).
fn line(cells: impl Iterator<Item = String>) -> String {
    let quoted = cells.map(|cell| {
        if cell.contains(['"', ',', '\n', '\r', '#']) {
            format!("\"{}\"", cell.replace('"', "\"\""))
        } else {
            cell
        }
    });
    let mut line = quoted.collect::<Vec<_>>().join(",");
    line.push('\n');
    line
}
