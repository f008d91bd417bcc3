//! `kubectl tanso report`: what an auditor gets of a policy, in five formats
//! and two languages, and looking whether such a file is as it was written.
//!
//! Without a period the figures are the status' own; of another time they are
//! computed anew from the operator's ledger.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::ValueEnum;
use jiff::Timestamp;
use tanso_faces::answer::report::{Limits, ReadFault, When, choose, read};
use tanso_faces::report::{self, Format, Language, Statement, VerifyError};
use tanso_faces::view::{Access, Facts, FactsFault, LeftOut, OperatorBooks, Policy, Reader, Scope};

use crate::cluster::{Cluster, ClusterError};
use crate::policies::unchosen;
use crate::progress::Progress;
use crate::{Error, Outcome};

/// What to report.
#[derive(Clone, Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    check: Option<Check>,
    /// Name of a policy of the namespace, or of one for the whole cluster (KIND/NAME where both have it); may be left out if there is one only
    policy: Option<String>,
    /// Namespace; default that of the context
    #[arg(short, long)]
    namespace: Option<String>,
    /// How to write it
    #[arg(short, long, value_enum, default_value_t)]
    format: FormatArg,
    /// The language of its words
    #[arg(short, long, value_enum, default_value_t)]
    language: LanguageArg,
    /// A local day, month or year in place of the policy's window: 2026-06-15, 2026-06 or 2026
    #[arg(long, value_name = "PERIOD", conflicts_with_all = ["from", "until"])]
    period: Option<String>,
    /// Begin of the time in place of the policy's window, as in 2026-06-01T00:00Z
    #[arg(long, value_name = "TIME", requires = "until", value_parser = instant)]
    from: Option<Timestamp>,
    /// End of that time
    #[arg(long, value_name = "TIME", requires = "from", value_parser = instant)]
    until: Option<Timestamp>,
    /// The reporting organisation
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    organisation: String,
    /// The responsible person
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    responsible: String,
    /// The cluster's name in the report; default the API server's address
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    /// How many functional units that other time served, for its software carbon intensity
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(i64).range(1..=1_000_000_000_000))]
    units: Option<i64>,
    /// Write to this file; default standard output
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Write the hourly energy too, as `kubectl tanso whatif` reads it
    #[arg(long, value_name = "FILE")]
    energy_csv: Option<PathBuf>,
    /// Write the hourly intensity that it was priced by too, as `kubectl tanso whatif --intensity` reads it
    #[arg(long, value_name = "FILE")]
    intensity_csv: Option<PathBuf>,
    /// Namespace of the installation
    #[arg(long, default_value = "tanso-system", value_name = "NAME")]
    operator_namespace: String,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Check {
    /// Look whether a report is as it was written
    Verify {
        /// The report, in any of its formats
        file: PathBuf,
    },
}

/// A format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum FormatArg {
    /// Markdown with tables
    #[default]
    Markdown,
    /// One HTML file, ready to print or to save as PDF
    Html,
    /// One fact a line
    Csv,
    /// Whole numbers, the unit in each name
    Json,
    /// The same as YAML
    Yaml,
}

/// A language.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LanguageArg {
    /// English
    #[default]
    En,
    /// Korean (한국어)
    Ko,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportFault {
    /// Which policy is not clear.
    #[error("{0}")]
    Policy(String),
    /// There is no report of that policy and time.
    #[error(transparent)]
    Read(#[from] ReadFault),
    /// The cluster did not say what is needed.
    #[error(transparent)]
    Facts(#[from] FactsFault),
    /// A file could not be read or written.
    #[error("{action} \"{}\": {source}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A report is not as it was written.
    #[error("\"{}\": {source}", path.display())]
    Verify {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: VerifyError,
    },
}

impl Args {
    /// Whether the command needs no cluster.
    #[must_use]
    pub const fn is_offline(&self) -> bool {
        self.check.is_some()
    }
}

/// Looks at a file; asks no cluster.
///
/// # Errors
/// If it cannot be read or is no report.
pub fn check(args: &Args, out: &mut impl Write) -> Result<Outcome, Error> {
    let Some(Check::Verify { file }) = &args.check else {
        return Ok(Outcome::Fine);
    };
    let text = std::fs::read_to_string(file).map_err(|source| ReportFault::File {
        action: "reading",
        path: file.clone(),
        source,
    })?;
    let found = match report::verify(&text) {
        Ok(found) => found,
        // It was looked at, and this is what was found.
        Err(
            found @ (VerifyError::Changed { .. }
            | VerifyError::TextAfterSeal
            | VerifyError::BesideSeal(_)
            | VerifyError::KeyTwice(_)
            | VerifyError::Sums(_)),
        ) => {
            writeln!(out, "\"{}\": {found}", file.display())?;
            return Ok(Outcome::Failing);
        }
        Err(source) => {
            let path = file.clone();
            return Err(ReportFault::Verify { path, source }.into());
        }
    };
    writeln!(out, "unchanged since it was written: {}", found.digest)?;
    for line in &found.checked {
        writeln!(out, "{line}")?;
    }
    Ok(Outcome::Fine)
}

/// Writes a report.
///
/// # Errors
/// If the policy has no figures, or the cluster or a file refuses.
pub async fn run(args: &Args, cluster: &Cluster, out: &mut impl Write) -> Result<Outcome, Error> {
    let progress = Progress::new("reading the ledger", 0, "days");
    let bar = progress.clone();
    let operator = args.operator_namespace.as_str();
    let books = OperatorBooks::new(cluster.operator(operator), operator)
        .watched(move |done, days| bar.at(done, days));
    let reader = Reader::new(cluster.client.clone(), operator, Arc::new(books));
    let facts = reader.seen_by(Access::Own);
    let namespace = args.namespace.as_ref().unwrap_or(&cluster.namespace);
    let text = made(args, &facts, namespace, &cluster.server, &progress).await;
    let text = text.map_err(|fault| at_server(fault, &cluster.server))?;
    progress.clear();
    match &args.file {
        Some(path) => {
            write_file(path, &text)?;
            writeln!(out, "{}", path.display())?;
        }
        None => out.write_all(text.as_bytes())?,
    }
    Ok(Outcome::Fine)
}

/// Who does not answer is named, as other commands do.
fn at_server(fault: ReportFault, server: &str) -> Error {
    match fault {
        ReportFault::Facts(fault) | ReportFault::Read(ReadFault::Facts(fault)) => {
            match ClusterError::named(fault, server) {
                Ok(named) => named.into(),
                Err(fault) => ReportFault::Facts(fault).into(),
            }
        }
        other => other.into(),
    }
}

pub(crate) async fn made(
    args: &Args,
    facts: &dyn Facts,
    namespace: &str,
    server: &str,
    progress: &Progress,
) -> Result<String, ReportFault> {
    let policy = chosen(args, facts, namespace).await?;
    let limits = Limits {
        needs_hours: args.energy_csv.is_some() || args.intensity_csv.is_some(),
        rows: u64::MAX,
    };
    let read = read(facts, policy, &when(args), limits).await?;
    if let Some(fault) = read.without_hours() {
        // Nothing is left to do when standard error is gone.
        let _ = progress.beside(|| {
            let mut err = std::io::stderr();
            writeln!(err, "note: no hours in the report: {fault}")
        });
    }
    if let Some(why) = read.without_past() {
        let _ = progress.beside(|| {
            let mut err = std::io::stderr();
            writeln!(err, "note: {why}")
        });
    }
    progress.say("pricing and judging");
    if let (Some(path), Some(table)) = (&args.energy_csv, read.energy_table()) {
        write_file(path, &table)?;
    }
    if let (Some(path), Some(table)) = (&args.intensity_csv, read.intensity_table()) {
        write_file(path, &table)?;
    }
    let rules = facts.rules().await?;
    let statement = Statement {
        organisation: args.organisation.clone(),
        responsible: args.responsible.clone(),
        cluster: args.cluster.clone().unwrap_or_else(|| server.to_owned()),
        units: args.units,
        ..Statement::default()
    };
    let report = read.report(&rules, &statement)?;
    Ok(report::render(
        &report,
        args.format.into(),
        args.language.into(),
    ))
}

fn when(args: &Args) -> When {
    match (&args.period, args.from, args.until) {
        (Some(text), _, _) => When::Named(text.clone()),
        (None, Some(from), Some(until)) => When::Between(from, until),
        _ => When::Window,
    }
}

/// The policy that is meant: by name, or the only one.
async fn chosen(args: &Args, facts: &dyn Facts, namespace: &str) -> Result<Policy, ReportFault> {
    let scope = Scope::Namespace(namespace.to_owned());
    let listed = facts.listed_policies(&scope).await?;
    let readable = listed.items.iter().map(Policy::title);
    let others = listed.unreadable.iter().map(LeftOut::title);
    let known: Vec<String> = readable.chain(others).collect();
    let asked = args.policy.as_deref();
    let found = choose(listed, asked);
    found.map_err(|why| ReportFault::Policy(unchosen(why, asked, namespace, &known)))
}

fn write_file(path: &Path, text: &str) -> Result<(), ReportFault> {
    std::fs::write(path, text).map_err(|source| ReportFault::File {
        action: "writing",
        path: path.to_owned(),
        source,
    })
}

/// An instant; hours may be written without seconds.
fn instant(text: &str) -> Result<Timestamp, String> {
    let full = text
        .strip_suffix('Z')
        .filter(|rest| rest.len() == "2026-06-01T00:00".len())
        .map(|rest| format!("{rest}:00Z"));
    let parsed = full.as_deref().unwrap_or(text).parse();
    parsed.map_err(|_| format!("time \"{text}\"; accepted is one as in 2026-06-01T00:00Z"))
}

impl From<FormatArg> for Format {
    fn from(format: FormatArg) -> Self {
        match format {
            FormatArg::Markdown => Self::Markdown,
            FormatArg::Html => Self::Html,
            FormatArg::Csv => Self::Csv,
            FormatArg::Json => Self::Json,
            FormatArg::Yaml => Self::Yaml,
        }
    }
}

impl From<LanguageArg> for Language {
    fn from(language: LanguageArg) -> Self {
        match language {
            LanguageArg::En => Self::English,
            LanguageArg::Ko => Self::Korean,
        }
    }
}

#[cfg(test)]
mod tests;
