//! `kubectl tanso`: what the cluster's statuses, reports and tables say, in
//! the words of the command line. A file per command.
//!
//! Reads only: no command here changes anything on a cluster. No figure of a
//! cluster is computed anew: what is shown is what the operator judged. Only
//! `whatif`, a `report` of a time that was asked for, and `schedule` compute,
//! with the operator's own engine.

pub mod cluster;
pub mod completion;
pub mod doctor;
pub mod explain;
pub mod figures;
pub mod live;
pub mod mcp;
pub mod operator;
pub mod policies;
mod progress;
pub mod regions;
pub mod report;
pub mod schedule;
pub mod study;
pub mod table;
pub mod top;
pub mod whatif;

use std::io::Write;

use clap::{Parser, Subcommand, ValueEnum};

use crate::cluster::{ClusterArgs, ClusterError};

/// Energy and carbon of the workloads of a cluster.
#[derive(Debug, Parser)]
#[command(name = "kubectl-tanso", bin_name = "kubectl tanso", version)]
pub struct Cli {
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show workloads by emissions, energy or power
    Top(top::Args),
    /// Show why a policy or a workload has its verdict
    Explain(explain::Args),
    /// Show grid zones and cloud regions with their yearly intensity and PUE
    Regions(regions::Args),
    /// Write a policy's report for an auditor, or look whether one was changed
    Report(Box<report::Args>),
    /// Find the best time for a workload or a job
    Schedule(Box<schedule::Args>),
    /// Find why figures are missing and say how to mend it
    Doctor(doctor::Args),
    /// Compute emissions and verdicts from a CSV of hourly energy, without a cluster
    #[command(
        after_help = "Exit status: 0 where no rule is broken, 1 where the verdict is NonCompliant, 2 where nothing could be computed"
    )]
    Whatif(Box<whatif::Args>),
    /// Make an experiment's report from its raw figures, deal its trials, plan their number
    Study(study::Args),
    /// Serve the Model Context Protocol on standard input and output, for assistants and editors
    Mcp(mcp::Args),
    /// Print the completion script of a shell
    Completion(completion::Args),
}

/// How a figure is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Aligned columns for people
    #[default]
    Table,
    /// The same with more columns, where a command has more
    Wide,
    /// JSON for programs: whole numbers, the unit in each name
    Json,
    /// The same as YAML
    Yaml,
}

/// How a command ended that did its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing to complain about.
    Fine,
    /// The work was done and found a fault: exit status 1. Work that could not
    /// be done ends with 2, as wrong flags do.
    Failing,
}

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cluster did not give what was asked for.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// There is nothing to explain.
    #[error(transparent)]
    Explain(#[from] explain::ExplainError),
    /// The bundled tables are broken.
    #[error(transparent)]
    Regions(#[from] regions::RegionsError),
    /// There is no power to show.
    #[error(transparent)]
    Power(#[from] top::PowerFault),
    /// There is no report.
    #[error(transparent)]
    Report(#[from] report::ReportFault),
    /// There is no best time.
    #[error(transparent)]
    Schedule(#[from] schedule::ScheduleFault),
    /// The figures to compute from are broken.
    #[error(transparent)]
    Whatif(#[from] whatif::WhatifFault),
    /// The figures of a study are broken.
    #[error(transparent)]
    Study(#[from] study::StudyFault),
    /// The answer could not be written.
    #[error("writing the answer: {0}")]
    Write(#[from] std::io::Error),
    /// The answer could not be encoded.
    #[error("encoding the answer: {0}")]
    Encode(#[from] serde_json::Error),
    /// The answer could not be encoded as YAML.
    #[error("encoding the answer as YAML: {0}")]
    Yaml(String),
}

impl Cli {
    /// Runs the command and writes its answer to `out`.
    ///
    /// # Errors
    /// What failed, where, and what to do about it.
    pub async fn run(self, out: &mut impl Write) -> Result<Outcome, Error> {
        match self.verb {
            Verb::Top(args) => top::run(&args, &self.cluster.connect().await?, out).await,
            Verb::Explain(args) => {
                args.check()?;
                explain::run(&args, &self.cluster.connect().await?, out).await
            }
            Verb::Regions(args) => regions::run(&args, out),
            Verb::Report(args) if args.is_offline() => report::check(&args, out),
            Verb::Report(args) => {
                let cluster = self.cluster.connect().await?;
                Box::pin(report::run(&args, &cluster, out)).await
            }
            Verb::Schedule(args) => Box::pin(schedule::run(&args, &self.cluster, out)).await,
            Verb::Doctor(args) => doctor::run(&args, self.cluster.connect().await, out).await,
            Verb::Whatif(args) => whatif::run(&args, out),
            Verb::Study(args) => Box::pin(study::run(&args, &self.cluster, out)).await,
            Verb::Mcp(args) => Box::pin(mcp::run(&args, self.cluster.connect().await)).await,
            Verb::Completion(args) => completion::run(args, out),
        }
    }
}

impl Output {
    /// Writes a value for programs, with a line end; a table is its command's
    /// own, and this one's is JSON.
    fn write(self, out: &mut impl Write, value: &impl serde::Serialize) -> Result<(), Error> {
        if self == Self::Yaml {
            // By way of JSON, so that both have the same names and numbers.
            let value = serde_json::to_value(value)?;
            let text = serde_saphyr::to_string(&value);
            let text = text.map_err(|fault| Error::Yaml(fault.to_string()))?;
            return Ok(writeln!(out, "{}", text.trim_end())?);
        }
        let text = serde_json::to_string_pretty(value)?;
        Ok(writeln!(out, "{text}")?)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use serde_json::{Value, json};

    use super::{Cli, Output};

    #[test]
    fn yaml_says_what_json_says() {
        let value = json!({"policies": [{"name": "no", "energyMicrojoules": 12_345_678_901_i64}]});
        let write = |output: Output| {
            let mut out = Vec::new();
            output.write(&mut out, &value).unwrap();
            String::from_utf8(out).unwrap()
        };
        let read: Value = serde_saphyr::from_str(&write(Output::Yaml)).unwrap();
        assert_eq!(read, value);
        assert!(!write(Output::Yaml).contains('{'));
        assert_eq!(
            serde_json::from_str::<Value>(&write(Output::Json)).unwrap(),
            value
        );
    }

    #[test]
    fn the_command_line_has_no_contradictions() {
        Cli::command().debug_assert();
    }
}
