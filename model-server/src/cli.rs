//! The command line: serve, train, predict, explain, evaluate, export, backup.

mod export;
mod learning;
mod machine;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use tanso_runtime::serve::{Limits, Tls};
use tanso_runtime::{Health, Shutdown};

use crate::catalog::Catalog;
use crate::evaluate::report::Report;
use crate::evaluate::{ByFamily, Evaluation, lacking, page};
use crate::host::{LOADS, load};
use crate::matrix::Singular;
use crate::plot::CurvePlot;
use crate::reading::Reading;
use crate::select::{SelectFault, Selection};
use crate::serve;
use crate::tiers::LEVEL;
use learning::{bar, learn, show};
use machine::MachineArgs;

/// How often the files of the server's identity are looked at.
const TLS_LOOK_EVERY: Duration = Duration::from_secs(10);

/// Power models for machines that cannot measure.
#[derive(Debug, Parser)]
#[command(name = "tanso-model-server", version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    /// How log lines are written: text or json.
    #[arg(long, global = true, env = "TANSO_LOG_FORMAT", default_value_t)]
    log_format: tanso_runtime::logs::Format,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer requests over HTTP.
    Serve {
        /// Address and port to listen on.
        #[arg(long, env = "TANSO_LISTEN", default_value = "0.0.0.0:8100")]
        listen: SocketAddr,
        #[command(flatten)]
        options: serve::options::Options,
    },
    /// Write a consistent copy of a store to a new file, also while a server uses it.
    Backup {
        /// Directory of the store.
        #[arg(long, env = "TANSO_STORE", value_name = "DIR")]
        store: PathBuf,
        /// The copy; put in a directory as models.db, it is a store.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
    /// Print a machine's power curve with its bounds.
    Predict {
        #[command(flatten)]
        machine: MachineArgs,
        /// Share of true values that the bounds are to hold, 0.5 to 0.99.
        #[arg(long, default_value_t = 0.9, value_parser = level)]
        level: f64,
        /// A measured power of this machine, LOAD=WATTS such as 0.3=210; may be given again.
        #[arg(long, value_name = "LOAD=WATTS")]
        reading: Vec<Reading>,
        /// Write the curve as SVG.
        #[arg(long, value_name = "FILE")]
        svg: Option<PathBuf>,
    },
    /// Train on the bundled tables and print what was learned from how much.
    Train {
        /// Write the refused rows and every tier's error as JSON.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Say which model a machine gets, why, and how good it is.
    Explain {
        #[command(flatten)]
        machine: MachineArgs,
    },
    /// Print the error on machines left out: every tier, and every method beside what is asked.
    Evaluate {
        /// Print JSON.
        #[arg(long)]
        json: bool,
        /// Write tables and curves as one HTML page.
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
        /// Print the tiers alone, without training the other methods.
        #[arg(long)]
        tiers: bool,
        /// Print the rows of machines that tell little alone.
        #[arg(long, conflicts_with = "tiers")]
        lacking: bool,
    },
    /// Print a model document: of a machine, or of a name that --list shows.
    Export {
        #[command(flatten)]
        export: export::ExportArgs,
        #[command(flatten)]
        machine: MachineArgs,
    },
}

fn level(text: &str) -> Result<f64, String> {
    let level = text
        .parse::<f64>()
        .ok()
        .filter(|level| (0.5..=0.99).contains(level));
    level.ok_or_else(|| "accepted is a number from 0.5 to 0.99".to_owned())
}

/// How a command that failed ends: 2 if the command line, a file, an address
/// or a store has to be mended, 1 if this program has. A reader such as `head`
/// that has seen enough is no failure.
#[must_use]
pub fn exit_code(error: &anyhow::Error) -> u8 {
    let closed = |cause: &(dyn std::error::Error + 'static)| {
        let io = cause.downcast_ref::<std::io::Error>();
        io.is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
    };
    let own = |cause: &(dyn std::error::Error + 'static)| {
        let select = cause.downcast_ref::<SelectFault>();
        select.is_some_and(|fault| !matches!(fault, SelectFault::Reading(_)))
            || cause.is::<Singular>()
            || cause.is::<tokio::task::JoinError>()
    };
    if error.chain().any(closed) {
        0
    } else if error.chain().any(own) {
        1
    } else {
        2
    }
}

/// What failed, and its causes but for those that it has told already.
#[must_use]
pub fn told(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let words = cause.to_string();
        if !line.contains(&words) {
            line.push_str(if line.is_empty() { "" } else { ": " });
            line.push_str(&words);
        }
    }
    line
}

/// Does what the command line says.
///
/// # Errors
/// If input cannot be read, the address cannot be taken, or output ends early.
pub async fn run(cli: Cli) -> anyhow::Result<()> {
    tanso_runtime::logs::init(cli.log_format, "info")?;
    let mut out = std::io::stdout().lock();
    match cli.command {
        Command::Serve { listen, options } => {
            drop(out);
            serve_until_told(listen, &options).await?;
        }
        Command::Backup { store, to } => {
            let bytes = crate::store::backup::backup(&store, &to)?;
            writeln!(out, "{}: {bytes} bytes, checked", to.display())?;
        }
        Command::Predict {
            machine,
            level,
            reading,
            svg,
        } => {
            let selection = machine.select(level, &reading)?;
            write!(out, "{}", Table(&selection))?;
            if let Some(file) = svg {
                write_file(&file, &drawing(&selection))?;
            }
        }
        Command::Train { out: file } => train(&mut out, file.as_deref())?,
        Command::Explain { machine } => {
            let selection = machine.select(LEVEL, &[])?;
            let document = &selection.document;
            writeln!(
                out,
                "model   {}\ndigest  {}",
                document.name, selection.digest
            )?;
            writeln!(out, "machine {}", serde_json::to_string(&document.machine)?)?;
            writeln!(
                out,
                "domain  {}: {}",
                serde_json::to_string(&document.domain)?,
                document.boundary()
            )?;
            writeln!(
                out,
                "error   {} % ({})",
                document.error.mape_percent, document.error.method
            )?;
            writeln!(
                out,
                "why     {}\norigin  {}",
                document.explanation, document.origin
            )?;
        }
        Command::Evaluate {
            json,
            html,
            lacking: true,
            ..
        } => lacking(&mut out, json, html.as_deref())?,
        Command::Evaluate {
            json, html, tiers, ..
        } => evaluate(&mut out, json, html.as_deref(), tiers)?,
        Command::Export { export, machine } => {
            drop(out);
            let text = export::run(export, machine).await?;
            std::io::stdout().lock().write_all(text.as_bytes())?;
        }
    }
    Ok(())
}

/// Prints the evaluation; progress goes to standard error.
fn evaluate(
    out: &mut impl std::io::Write,
    json: bool,
    html: Option<&Path>,
    tiers: bool,
) -> anyhow::Result<()> {
    let selector = learn()?;
    if tiers {
        let evaluation = Evaluation::new(&selector);
        if json {
            writeln!(out, "{}", serde_json::to_string_pretty(&evaluation)?)?;
        } else {
            writeln!(out, "{evaluation}\n{}", ByFamily(&selector))?;
        }
        if let Some(file) = html {
            write_file(file, &page::tiers_page(&evaluation))?;
        }
        return Ok(());
    }
    let bar = bar("comparing, by folds")?;
    let report = Report::run(&selector, |done, all| show(&bar, done, all))
        .context("training a compared method")?;
    bar.finish_and_clear();
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?;
    } else {
        writeln!(out, "{}\n{}\n{report}", report.tiers, ByFamily(&selector))?;
    }
    if let Some(file) = html {
        write_file(file, &page::report_page(&report))?;
    }
    Ok(())
}

/// Prints how machines are answered that tell little.
fn lacking(out: &mut impl std::io::Write, json: bool, html: Option<&Path>) -> anyhow::Result<()> {
    let bar = bar("asking, by folds")?;
    let rows = lacking::run(&Catalog::bundled(), &lacking::SPLITS, |done, all| {
        show(&bar, done, all);
    })
    .context("training without a fold")?;
    bar.finish_and_clear();
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(&rows)?)?;
    } else {
        write!(out, "{}", lacking::Table(&rows))?;
    }
    if let Some(file) = html {
        write_file(file, &page::lacking_page(&rows))?;
    }
    Ok(())
}

/// Trains, says how long it took and what came of it.
fn train(out: &mut impl std::io::Write, file: Option<&Path>) -> anyhow::Result<()> {
    let begun = Instant::now();
    let selector = learn()?;
    let seconds = begun.elapsed().as_secs_f64();
    let catalog = selector.catalog();
    writeln!(
        out,
        "trained on {} machines in {seconds:.1} s\ndata    {}",
        catalog.machines.len(),
        catalog.digest
    )?;
    for count in &catalog.files {
        writeln!(
            out,
            "  {:<38} {:>5} rows, {} refused; {} ({})",
            count.file, count.accepted, count.refused, count.origin, count.licence
        )?;
    }
    for refusal in &catalog.refused {
        writeln!(
            out,
            "refused {} \"{}\": {}",
            refusal.file, refusal.row, refusal.reason
        )?;
    }
    let evaluation = Evaluation::new(&selector);
    write!(out, "\n{evaluation}")?;
    if let Some(file) = file {
        let learned = serde_json::json!({ "evaluation": evaluation, "files": catalog.files, "refused": catalog.refused });
        write_file(file, &serde_json::to_string_pretty(&learned)?)?;
    }
    Ok(())
}

fn write_file(file: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(file, text).with_context(|| format!("writing \"{}\"", file.display()))
}

/// A model's curve with its bounds.
fn drawing(selection: &Selection) -> String {
    // A curve's points need not be evenly spaced, a drawing's are.
    let watts: Vec<[f64; 3]> = (0..LOADS)
        .filter_map(|level| tanso_power::Utilisation::try_new(load(level)).ok())
        .map(|utilisation| {
            let power = selection
                .document
                .power_at(utilisation)
                .map(tanso_power::Watts::as_watts_f64);
            [power.low, power.value, power.high]
        })
        .collect();
    CurvePlot {
        title: &selection.document.name,
        predicted: &watts,
        measured: &[],
    }
    .svg()
}

/// Takes the address at once, so that a taken one is known before the work,
/// and answers when the models are trained: who connects earlier waits.
async fn serve_until_told(
    address: SocketAddr,
    options: &serve::options::Options,
) -> anyhow::Result<()> {
    tanso_runtime::crypto::install();
    let shutdown = Shutdown::on_signals().context("listening to signals")?;
    let health = Health::new(&["models"]);
    // Files that are wrong are told before the work.
    let tls = options.tls().map(Tls::load).transpose()?.map(Arc::new);
    if let Some(tls) = tls.clone() {
        let ends = shutdown.clone();
        tokio::spawn(async move { tls.keep(TLS_LOOK_EVERY, ends).await });
    }
    let listener = tanso_runtime::serve::listen(address).await?;
    let begun = Instant::now();
    let selector = tokio::task::spawn_blocking(learn)
        .await
        .context("training")??;
    for refusal in &selector.catalog().refused {
        tracing::info!(
            file = refusal.file,
            row = refusal.row,
            reason = refusal.reason,
            "reference row refused"
        );
    }
    let service = serve::Service::start(selector, options, shutdown.clone()).await?;
    if options.store.is_none() {
        tracing::warn!("no --store: samples and learned models end with this process");
    }
    health.ready("models");
    let address = listener.local_addr().context("reading the address")?;
    tracing::info!(%address, seconds = begun.elapsed().as_secs_f64(), "serving models");
    tanso_runtime::serve::serve_with(
        listener,
        tls,
        service.router(&health),
        Limits::default(),
        shutdown,
    )
    .await;
    Ok(())
}

/// A curve for people.
struct Table<'a>(&'a Selection);

impl std::fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let document = &self.0.document;
        writeln!(f, "{}  {}", document.name, self.0.digest)?;
        writeln!(
            f,
            "{:>6} {:>10} {:>10} {:>10}   modelled, {:.0} % bounds",
            "load",
            "low W",
            "watts",
            "high W",
            document.error.level * 100.0
        )?;
        for point in &document.curve {
            let power = point.power.map(tanso_power::Watts::as_watts_f64);
            writeln!(
                f,
                "{:>5.0}% {:>10.2} {:>10.2} {:>10.2}",
                point.utilisation.ratio() * 100.0,
                power.low,
                power.value,
                power.high
            )?;
        }
        writeln!(f, "{}\n{}", document.boundary(), document.explanation)
    }
}
