//! The queries of Kepler's public dashboards, asked of a real Prometheus that
//! scrapes a real agent: none may come back empty.
//!
//! Prometheus is Debian's, unpacked below the target directory and never
//! installed. Containers are control groups of our own with a busy process in
//! each; they are removed again.

mod load;

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::{packages, process, workspace};
use load::Load;

/// How long the queries may take to be answered; those over sub-queries of
/// minutes need two whole ones.
const PATIENCE: Duration = Duration::from_mins(6);

/// What to ask.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Also expect figures of these: gpu, pmu, platform
    #[arg(long, value_delimiter = ',')]
    expect: Vec<String>,
}

struct Query<'a> {
    board: &'a str,
    panel: &'a str,
    need: &'a str,
    text: &'a str,
}

/// Asks every query until each has an answer.
///
/// # Errors
/// When one that this node can answer stays empty.
pub fn run(args: &Args) -> Result<()> {
    let tools = prometheus()?;
    process::run(Command::new("cargo").current_dir(workspace::root()).args([
        "build",
        "--package",
        "tanso-agent",
    ]))?;
    let _load = Load::start()?;
    let work = tempfile::tempdir().context("making a directory")?;
    let (agent_port, prometheus_port) = (free_port()?, free_port()?);
    let _agent = Ended(
        Command::new(workspace::target_dir().join("debug/tanso-agent"))
            .arg(format!("--listen=127.0.0.1:{agent_port}"))
            .arg(format!(
                "--state-dir={}",
                work.path().join("state").display()
            ))
            .args(["--meters=fake", "--legacy-metrics=on", "--kubernetes=off"])
            .args([
                "--metrics-level=node,process,container,vm,pod",
                "--node-name=node-1",
            ])
            .stderr(Stdio::null())
            .spawn()
            .context("starting the agent")?,
    );
    let config = work.path().join("prometheus.yml");
    fs::write(&config, configuration(agent_port)).context("writing the configuration")?;
    let _prometheus = Ended(
        Command::new(tools.join("prometheus"))
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                work.path().join("data").display()
            ))
            .arg(format!("--web.listen-address=127.0.0.1:{prometheus_port}"))
            // This makes it ask for protocol buffers first.
            .arg("--enable-feature=native-histograms")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("starting Prometheus")?,
    );
    let server = format!("http://127.0.0.1:{prometheus_port}");
    ask_all(args, &tools, &server)
}

fn ask_all(args: &Args, tools: &Path, server: &str) -> Result<()> {
    let queries = queries();
    let has = |query: &&Query<'_>| {
        ["-", "process", "vm"].contains(&query.need)
            || args.expect.iter().any(|expected| expected == query.need)
    };
    let mut waiting: Vec<&Query<'_>> = queries.iter().filter(has).collect();
    let asked = waiting.len();
    let begin = Instant::now();
    while !waiting.is_empty() && begin.elapsed() < PATIENCE {
        // Prometheus scrapes each second; its own start takes one, too.
        thread::sleep(Duration::from_secs(2));
        waiting.retain(|query| !answers(tools, server, query.text).unwrap_or(false));
    }
    for query in &waiting {
        println!("empty: {}: {}: {}", query.board, query.panel, query.text);
    }
    let left_out = queries.len() - asked;
    println!(
        "{} of {asked} queries answered after {} s; {left_out} need what this node lacks",
        asked - waiting.len(),
        begin.elapsed().as_secs()
    );
    if !waiting.is_empty() {
        bail!(
            "{} queries of Kepler's dashboards stay empty",
            waiting.len()
        );
    }
    Ok(())
}

fn answers(tools: &Path, server: &str, query: &str) -> Result<bool> {
    let mut command = Command::new(tools.join("promtool"));
    let said = process::output(command.args(["query", "instant", server, query]))?;
    Ok(!said.trim().is_empty())
}

fn queries() -> Vec<Query<'static>> {
    let lines = include_str!("dashboards/queries.tsv").lines();
    let rows = lines
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let mut columns = line.split('\t');
            Some(Query {
                board: columns.next()?,
                panel: columns.next()?,
                need: columns.next()?,
                text: columns.next()?,
            })
        });
    rows.collect()
}

fn configuration(agent_port: u16) -> String {
    let rules = workspace::root().join("config/prometheus/kepler-legacy-rules.yaml");
    let rules = rules.display();
    format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [\"{rules}\"]\nscrape_configs:\n- job_name: kepler\n  static_configs:\n  \
         - targets: [\"127.0.0.1:{agent_port}\"]\n    \
         labels: {{instance: node-1, namespace: power, container: kepler}}\n"
    )
}

/// The folder with `prometheus` and `promtool`: what `PATH` has, or Debian's
/// package, unpacked and not installed.
///
/// # Errors
/// When there is neither.
pub fn prometheus() -> Result<PathBuf> {
    if let Some(found) = workspace::in_path("prometheus") {
        return Ok(found.parent().map(Path::to_owned).unwrap_or_default());
    }
    let place = workspace::target_dir().join("prometheus");
    packages::unpack("prometheus", &place)?;
    Ok(place.join("usr/bin"))
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("looking for a free port")?;
    Ok(listener.local_addr()?.port())
}

/// A program that ends with its owner.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
