//! The machine that a command is about.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::Value;
use tanso_power::model::MachineFeatures;

use super::learning::learn;
use crate::features::{Machine, cpuinfo};
use crate::reading::Reading;
use crate::select::Selection;

/// Where a machine's features come from; with none of them, from this machine.
#[derive(Debug, Args)]
pub(super) struct MachineArgs {
    /// CPU model name.
    #[arg(long, group = "source")]
    cpu_name: Option<String>,
    /// A file as /proc/cpuinfo.
    #[arg(long, group = "source", value_name = "FILE")]
    cpuinfo: Option<PathBuf>,
    /// Features as a JSON object, or @FILE with one.
    #[arg(long, group = "source", value_name = "JSON")]
    machine: Option<String>,
    /// Cloud instance type.
    #[arg(long)]
    instance_type: Option<String>,
    /// What the figures are to stand for: power at the plug, or what RAPL would read
    #[arg(long, value_name = "SENSE", value_parser = ["wall", "rapl"], default_value = "wall")]
    measured: String,
}

impl MachineArgs {
    /// Whether the command line says anything of a machine.
    pub(super) const fn is_told(&self) -> bool {
        self.cpu_name.is_some()
            || self.cpuinfo.is_some()
            || self.machine.is_some()
            || self.instance_type.is_some()
    }

    /// The machine's model; mistakes are told before the work of training.
    pub(super) fn select(&self, level: f64, readings: &[Reading]) -> anyhow::Result<Selection> {
        let machine = self.read()?;
        let rapl = self.measured == "rapl";
        if rapl && !readings.is_empty() {
            bail!("--reading corrects power at the plug; accepted with --measured wall");
        }
        let selector = learn()?;
        Ok(if rapl {
            selector.select_rapl(&machine, level)?
        } else {
            selector.select_with(&machine, level, readings)?
        })
    }

    fn read(&self) -> anyhow::Result<Machine> {
        let mut machine = if let Some(json) = &self.machine {
            from_json(json)?
        } else if let Some(name) = &self.cpu_name {
            Machine::new(MachineFeatures {
                cpu_name: Some(name.clone()),
                ..MachineFeatures::default()
            })
        } else if let Some(file) = &self.cpuinfo {
            from_cpuinfo(file)?
        } else if self.instance_type.is_some() {
            Machine::default()
        } else {
            from_cpuinfo(Path::new("/proc/cpuinfo"))?
        };
        if self.instance_type.is_some() {
            machine
                .features
                .instance_type
                .clone_from(&self.instance_type);
        }
        Ok(machine)
    }
}

fn from_cpuinfo(file: &Path) -> anyhow::Result<Machine> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("reading \"{}\"", file.display()))?;
    let features = cpuinfo::parse(&text);
    // Else any file would get the mean of all machines for an answer.
    if features == MachineFeatures::default() {
        bail!(
            "\"{}\" tells of no processor; accepted is a file as /proc/cpuinfo",
            file.display()
        );
    }
    Ok(Machine::new(features))
}

fn from_json(json: &str) -> anyhow::Result<Machine> {
    let text = match json.strip_prefix('@') {
        Some(file) => {
            std::fs::read_to_string(file).with_context(|| format!("reading \"{file}\""))?
        }
        None => json.to_owned(),
    };
    let Value::Object(object) = serde_json::from_str(&text).context("reading --machine as JSON")?
    else {
        bail!("--machine is no JSON object");
    };
    Machine::from_json(&object).map_err(|faults| {
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        anyhow::anyhow!(lines.join("; "))
    })
}
