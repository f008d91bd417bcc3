//! The bundled tables: parsed, checked, and refused by name where they are
//! wrong.
//!
//! Nothing here predicts. A row that fails a check is not in the catalogue but
//! in [`Catalog::refused`], with file, row and reason.

pub mod coefficients;
pub mod curves;
pub mod designs;
pub mod instances;
pub mod parts;
pub mod rapl;
pub mod sheets;

use std::collections::HashMap;

use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use coefficients::Coefficient;
use curves::TrainingMachine;
use designs::Designs;
use instances::{InstanceFigure, InstanceType, Platform};
use parts::{Accelerator, MemoryFigure};
use rapl::RaplCurve;
use sheets::DataSheet;

use crate::host::LOADS;

/// Origins and licences of the bundled data, for every document.
pub const ORIGIN: &str = "SPECpower_ssj2008 results (c) SPEC, quoted as facts, from green-coding-solutions/spec-power-raw-data (MIT) \
    and cloud-carbon-footprint/ccf-coefficients (Apache-2.0); EC2 instance figures by Benjamin Davy, Teads, as in \
    ccf-coefficients (Apache-2.0); derived figures are no SPEC metrics";

const FILES: [(&str, &str); 12] = [
    (
        "specpower_curves.csv",
        include_str!("../data/specpower_curves.csv"),
    ),
    (
        "specpower_endpoints_2022h2_2024.csv",
        include_str!("../data/specpower_endpoints_2022h2_2024.csv"),
    ),
    (
        "kepler_specpower_fitted_curves.csv",
        include_str!("../data/kepler_specpower_fitted_curves.csv"),
    ),
    (
        "kepler_ec2_metal_rapl.csv",
        include_str!("../data/kepler_ec2_metal_rapl.csv"),
    ),
    (
        "microarch_coefficients.csv",
        include_str!("../data/microarch_coefficients.csv"),
    ),
    (
        "ec2_instances_teads.csv",
        include_str!("../data/ec2_instances_teads.csv"),
    ),
    (
        "ec2_instances_2026.csv",
        include_str!("../data/ec2_instances_2026.csv"),
    ),
    (
        "ec2_platform_cpus.csv",
        include_str!("../data/ec2_platform_cpus.csv"),
    ),
    (
        "microarch_facts.csv",
        include_str!("../data/microarch_facts.csv"),
    ),
    (
        "cpu_data_sheets.csv",
        include_str!("../data/cpu_data_sheets.csv"),
    ),
    ("memory_power.csv", include_str!("../data/memory_power.csv")),
    ("gpu_power.csv", include_str!("../data/gpu_power.csv")),
];

/// A row that is not used, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// File name.
    pub file: String,
    /// The row's own name, or its line.
    pub row: String,
    /// What is wrong with it.
    pub reason: String,
}

/// How many rows of a file are used, and whose they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileCount {
    /// File name.
    pub file: &'static str,
    /// Where the file came from.
    pub origin: &'static str,
    /// Under which terms it is used.
    pub licence: &'static str,
    /// Rows in use.
    pub accepted: usize,
    /// Rows refused.
    pub refused: usize,
}

/// All reference data in memory.
#[derive(Clone, Debug)]
pub struct Catalog {
    /// Machines with measured power.
    pub machines: Vec<TrainingMachine>,
    /// EC2 instance types with published watts.
    pub instance_figures: Vec<InstanceFigure>,
    /// EC2 instance types without.
    pub instance_types: Vec<InstanceType>,
    /// Host CPUs of EC2.
    pub platforms: Vec<Platform>,
    /// Published watts per thread by microarchitecture.
    pub coefficients: Vec<Coefficient>,
    /// RAPL curves of EC2 bare-metal hosts.
    pub rapl: Vec<RaplCurve>,
    /// How families of CPUs are built.
    pub designs: Designs,
    /// What vendors publish of CPU models, measured or not.
    pub data_sheets: Vec<DataSheet>,
    /// Watts per gigabyte of memory by source.
    pub memory: Vec<MemoryFigure>,
    /// Power of accelerator boards.
    pub accelerators: Vec<Accelerator>,
    /// Rows not used.
    pub refused: Vec<Refusal>,
    /// Rows used and refused by file.
    pub files: Vec<FileCount>,
    /// SHA-256 over all files, `sha256:…`.
    pub digest: String,
}

impl Catalog {
    /// The catalogue of the tables built into this program.
    #[must_use]
    pub fn bundled() -> Self {
        Self::from_files(&FILES)
    }

    /// A catalogue of the given files; a file that is not among them is empty.
    #[must_use]
    pub fn from_files(files: &[(&'static str, &str)]) -> Self {
        let mut intake = Intake {
            files,
            refused: Vec::new(),
            counts: Vec::new(),
        };
        let by = |column: &'static str| move |row: &Row| row.get(column).map(str::to_owned);
        let designs =
            Designs::new(intake.table("microarch_facts.csv", by("microarch"), designs::family));
        let data_sheets = intake.table("cpu_data_sheets.csv", by("cpu_name"), |row| {
            sheets::sheet(row, &designs)
        });
        let curves = intake.table("specpower_curves.csv", by("result_id"), curves::full);
        let ends = intake.table(
            "specpower_endpoints_2022h2_2024.csv",
            by("row_id"),
            curves::endpoints,
        );
        // Weak labels: checked and counted, not trained on.
        let _ = intake.table(
            "kepler_specpower_fitted_curves.csv",
            by("node_type"),
            |row| row.watts("", ALL_LOADS),
        );
        let rapl = intake.table("kepler_ec2_metal_rapl.csv", rapl::name, rapl::curve);
        let coefficients = intake.table(
            "microarch_coefficients.csv",
            coefficients::name,
            coefficients::coefficient,
        );
        let instance_figures = intake.table(
            "ec2_instances_teads.csv",
            by("instance_type"),
            instances::figure,
        );
        let instance_types = intake.table(
            "ec2_instances_2026.csv",
            by("instance_type"),
            instances::instance_type,
        );
        let platforms = intake.table("ec2_platform_cpus.csv", by("cpu_name"), instances::platform);
        let memory = intake.table("memory_power.csv", by("source"), parts::memory);
        let accelerators = intake.table("gpu_power.csv", by("gpu"), parts::accelerator);
        let mut machines = curves::completed(curves, ends);
        for machine in &mut machines {
            let host = &mut machine.host;
            host.design = designs.of(&host.microarch, &host.vendor, host.year);
        }
        Self {
            machines,
            instance_figures,
            instance_types,
            platforms,
            coefficients,
            rapl,
            designs,
            data_sheets,
            memory,
            accelerators,
            refused: intake.refused,
            files: intake.counts,
            digest: digest(files),
        }
    }
}

/// The rows of measured machines as they are bundled, by their id: what a
/// question could tell, without what was measured.
pub(crate) fn records() -> impl Iterator<Item = (String, Map<String, Value>)> {
    let tables = FILES.iter().take(2);
    tables.flat_map(|(_, text)| {
        let rows = csv::Reader::from_reader(text.as_bytes())
            .into_deserialize::<HashMap<String, String>>()
            .filter_map(Result::ok);
        rows.filter_map(|row| {
            let id = row.get("result_id").or(row.get("row_id"))?.clone();
            let cells = row.into_iter().filter(|(name, cell)| {
                !cell.is_empty() && !name.starts_with("w_") && !name.starts_with("load_")
            });
            let value = |cell: String| {
                let number = cell.parse::<f64>().ok().filter(|n| n.is_finite());
                number.map_or_else(|| Value::from(cell.clone()), Value::from)
            };
            let cells = cells.map(|(name, cell)| (name, value(cell)));
            Some((id, cells.collect()))
        })
    })
}

struct Intake<'a> {
    files: &'a [(&'static str, &'a str)],
    refused: Vec<Refusal>,
    counts: Vec<FileCount>,
}

impl Intake<'_> {
    /// Reads a table row by row; `name` gives a row's own name, `check` its
    /// value or what is wrong with it.
    fn table<T>(
        &mut self,
        file: &'static str,
        name: impl Fn(&Row) -> Option<String>,
        check: impl Fn(&Row) -> Result<T, String>,
    ) -> Vec<T> {
        let text = self
            .files
            .iter()
            .find(|(name, _)| *name == file)
            .map_or("", |(_, text)| *text);
        let mut accepted = Vec::new();
        let before = self.refused.len();
        for (index, cells) in csv::Reader::from_reader(text.as_bytes())
            .deserialize()
            .enumerate()
        {
            let line = || format!("line {}", index + 2);
            let outcome = match cells {
                Ok(cells) => {
                    let row = Row(cells);
                    check(&row).map_err(|reason| (name(&row).unwrap_or_else(line), reason))
                }
                Err(fault) => Err((line(), fault.to_string())),
            };
            match outcome {
                Ok(value) => accepted.push(value),
                Err((row, reason)) => {
                    tracing::debug!(file, row, reason, "reference row refused");
                    self.refused.push(Refusal {
                        file: file.to_owned(),
                        row,
                        reason,
                    });
                }
            }
        }
        let (origin, licence) = source(file);
        self.counts.push(FileCount {
            file,
            origin,
            licence,
            accepted: accepted.len(),
            refused: self.refused.len() - before,
        });
        accepted
    }
}

/// Origin and licence of a bundled file; `data/README.md` has commits and paths.
fn source(file: &str) -> (&'static str, &'static str) {
    match file {
        "specpower_curves.csv" => (
            "green-coding-solutions/spec-power-raw-data",
            "MIT; results (c) SPEC, quoted as facts",
        ),
        "specpower_endpoints_2022h2_2024.csv" => (
            "cloud-carbon-footprint/ccf-coefficients",
            "Apache-2.0; results (c) SPEC, quoted as facts",
        ),
        "kepler_specpower_fitted_curves.csv" | "kepler_ec2_metal_rapl.csv" => {
            ("sustainable-computing-io/kepler-model-db", "Apache-2.0")
        }
        "ec2_instances_teads.csv" => (
            "cloud-carbon-footprint/ccf-coefficients (Benjamin Davy, Teads)",
            "Apache-2.0",
        ),
        "microarch_facts.csv" => ("vendors' announcements and data sheets", "facts"),
        "cpu_data_sheets.csv" => ("vendors' product pages", "facts"),
        "memory_power.csv" => ("published methods, one figure each", "facts"),
        "gpu_power.csv" => (
            "vendors' board limits; load figures by Benjamin Davy, Teads",
            "facts; Apache-2.0",
        ),
        _ => ("cloud-carbon-footprint/ccf-coefficients", "Apache-2.0"),
    }
}

fn digest(files: &[(&'static str, &str)]) -> String {
    use std::fmt::Write as _;
    let mut hash = Sha256::new();
    for (name, text) in files {
        hash.update(name.as_bytes());
        hash.update([0]);
        hash.update(text.as_bytes());
        hash.update([0]);
    }
    hash.finalize()
        .iter()
        .fold(String::from("sha256:"), |mut name, byte| {
            // Writing to a String cannot fail.
            let _ = write!(name, "{byte:02x}");
            name
        })
}

/// A row of a table by column name.
struct Row(HashMap<String, String>);

impl Row {
    /// A cell; `None` if it is empty, dashes, or not there.
    fn get(&self, column: &str) -> Option<&str> {
        self.0
            .get(column)
            .map(|cell| cell.trim())
            .filter(|cell| !cell.is_empty() && *cell != "--")
    }

    fn text(&self, column: &str) -> Result<String, String> {
        self.get(column)
            .map(str::to_owned)
            .ok_or_else(|| format!("{column} is missing"))
    }

    /// A number that is more than 0.
    fn positive(&self, column: &str) -> Result<f64, String> {
        self.number(column).and_then(|number| {
            if number > 0.0 {
                Ok(number)
            } else {
                Err(format!("{column} is {number}; accepted is more than 0"))
            }
        })
    }

    fn number(&self, column: &str) -> Result<f64, String> {
        let cell = self.text(column)?;
        let number = cell.parse::<f64>().ok().filter(|number| number.is_finite());
        number.ok_or_else(|| format!("{column} is \"{cell}\"; accepted is a number"))
    }

    /// A number that no such row has outside these bounds.
    fn within(&self, column: &str, least: f64, most: f64) -> Result<f64, String> {
        let number = self.number(column)?;
        if (least..=most).contains(&number) {
            return Ok(number);
        }
        Err(format!(
            "{column} is {number}; accepted is {least} to {most}"
        ))
    }

    /// A number that may be missing, but not be wrong.
    fn optional(&self, column: &str) -> Result<Option<f64>, String> {
        self.get(column).map(|_| self.number(column)).transpose()
    }

    /// The watts at the given loads in percent, checked to be a power curve.
    fn watts<const N: usize>(&self, prefix: &str, loads: [u32; N]) -> Result<[f64; N], String> {
        let mut watts = [0.0; N];
        for (cell, load) in watts.iter_mut().zip(loads) {
            *cell = self.number(&format!("{prefix}w_{load}"))?;
        }
        curve_fault(&watts).map_or(Ok(watts), Err)
    }
}

/// The loads of a whole curve, percent.
const ALL_LOADS: [u32; LOADS] = [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100];

/// What is wrong with watts by rising load, if anything is.
fn curve_fault(watts: &[f64]) -> Option<String> {
    if let Some(bad) = watts.iter().find(|w| !w.is_finite() || **w <= 0.0) {
        return Some(format!("power {bad} W; accepted is more than 0"));
    }
    let pair = watts
        .iter()
        .zip(watts.iter().skip(1))
        .find(|(a, b)| a > b)?;
    Some(format!(
        "power falls with load from {} W to {} W",
        pair.0, pair.1
    ))
}

#[cfg(test)]
mod tests;
