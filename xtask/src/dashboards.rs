//! The queries of Kepler's public dashboards, asked of a real Prometheus that
//! scrapes a real agent: none may come back empty.
//!
//! Prometheus is Debian's, unpacked below the target directory and never
//! installed. Containers are control groups of our own with a busy process in
//! each; they are removed again.

mod load;

use std::collections::BTreeMap;
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
#[derive(Debug, Default, clap::Args)]
pub struct Args {
    /// Also expect figures of these: gpu, pmu, platform
    #[arg(long, value_delimiter = ',')]
    pub expect: Vec<String>,
    /// Evaluate sub-queries by steps of seconds, not minutes: the same series, minutes sooner
    #[arg(long)]
    pub quick: bool,
    /// The agent's program; by default it is built
    #[arg(long)]
    pub agent: Option<PathBuf>,
}

/// Steps of sub-queries as they are written, and as a quick run takes them. One
/// has an answer after two whole steps; which series it names is the same.
const STEPS: [(&str, &str); 2] = [(":1m]", ":10s]"), (":2m]", ":10s]")];

struct Query<'a> {
    board: &'a str,
    panel: &'a str,
    need: &'a str,
    text: String,
}

/// Asks every query until each has an answer.
///
/// # Errors
/// When one that this node can answer stays empty.
pub fn run(args: &Args) -> Result<()> {
    let tools = prometheus()?;
    let program = agent(args)?;
    let _load = Load::start()?;
    let work = tempfile::tempdir().context("making a directory")?;
    let (agent_port, prometheus_port) = (free_port()?, free_port()?);
    let _agent = Ended(
        Command::new(&program)
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
            .with_context(|| format!("starting \"{}\"", program.display()))?,
    );
    let rules = work.path().join("rules.yaml");
    fs::write(&rules, legacy_rules(args.quick)?).context("writing the rules")?;
    let config = work.path().join("prometheus.yml");
    fs::write(&config, configuration(agent_port, &rules)).context("writing the configuration")?;
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

/// The agent's program: the one that is named, else one built now.
fn agent(args: &Args) -> Result<PathBuf> {
    if let Some(program) = &args.agent {
        return Ok(program.clone());
    }
    process::run(Command::new("cargo").current_dir(workspace::root()).args([
        "build",
        "--package",
        "tanso-agent",
    ]))?;
    Ok(workspace::target_dir().join("debug/tanso-agent"))
}

fn ask_all(args: &Args, tools: &Path, server: &str) -> Result<()> {
    let queries = queries(args.quick);
    let (mut waiting, left_out): (Vec<&Query<'_>>, Vec<&Query<'_>>) = queries
        .iter()
        .partition(|query| has(query) || args.expect.iter().any(|expected| expected == query.need));
    let asked = waiting.len();
    let begin = Instant::now();
    while !waiting.is_empty() && begin.elapsed() < PATIENCE {
        // Prometheus scrapes each second; its own start takes one, too.
        thread::sleep(Duration::from_secs(2));
        waiting.retain(|query| !answers(tools, server, &query.text).unwrap_or(false));
    }
    for query in &waiting {
        println!("empty: {}: {}: {}", query.board, query.panel, query.text);
    }
    println!(
        "{} of {asked} queries answered after {} s; {} of {} need what this node lacks: {}",
        asked - waiting.len(),
        begin.elapsed().as_secs(),
        left_out.len(),
        queries.len(),
        lacking(&left_out)
    );
    if !waiting.is_empty() {
        bail!(
            "{} queries of Kepler's dashboards stay empty",
            waiting.len()
        );
    }
    Ok(())
}

/// Whether every node has what a query needs.
fn has(query: &Query<'_>) -> bool {
    ["-", "process", "vm"].contains(&query.need)
}

/// How many of them need what, in words.
fn lacking(left_out: &[&Query<'_>]) -> String {
    let mut needs: BTreeMap<&str, usize> = BTreeMap::new();
    for query in left_out {
        *needs.entry(query.need).or_default() += 1;
    }
    let words: Vec<String> = needs
        .iter()
        .map(|(need, count)| format!("{count} {need}"))
        .collect();
    words.join(", ")
}

fn answers(tools: &Path, server: &str, query: &str) -> Result<bool> {
    let mut command = Command::new(tools.join("promtool"));
    let said = process::output(command.args(["query", "instant", server, query]))?;
    Ok(!said.trim().is_empty())
}

fn queries(quick: bool) -> Vec<Query<'static>> {
    let lines = include_str!("dashboards/queries.tsv").lines();
    let rows = lines
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let mut columns = line.split('\t');
            Some(Query {
                board: columns.next()?,
                panel: columns.next()?,
                need: columns.next()?,
                text: stepped(columns.next()?, quick),
            })
        });
    rows.collect()
}

/// The text, for a quick run with its own steps of sub-queries.
fn stepped(text: &str, quick: bool) -> String {
    if !quick {
        return text.to_owned();
    }
    STEPS
        .iter()
        .fold(text.to_owned(), |text, (written, taken)| {
            text.replace(written, taken)
        })
}

/// The rules that three of the boards ask.
fn legacy_rules(quick: bool) -> Result<String> {
    let file = workspace::root().join("config/prometheus/kepler-legacy-rules.yaml");
    let text =
        fs::read_to_string(&file).with_context(|| format!("reading \"{}\"", file.display()))?;
    Ok(stepped(&text, quick))
}

fn configuration(agent_port: u16, rules: &Path) -> String {
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{has, lacking, legacy_rules, queries};
    use crate::workspace;

    /// Steps of minutes, which a quick run may not wait for.
    fn waits_minutes(text: &str) -> bool {
        text.contains(":1m]") || text.contains(":2m]")
    }

    #[test]
    fn a_quick_run_asks_the_same_series_and_waits_for_no_minute() {
        let (whole, quick) = (queries(false), queries(true));
        assert!(whole.iter().any(|query| waits_minutes(&query.text)));
        assert!(waits_minutes(&legacy_rules(false).unwrap()));
        assert!(!waits_minutes(&legacy_rules(true).unwrap()));
        assert_eq!(whole.len(), quick.len());
        for (whole, quick) in whole.iter().zip(&quick) {
            assert!(!waits_minutes(&quick.text), "{}", quick.text);
            let series = |text: &str| text.split('[').next().map(str::to_owned);
            assert_eq!(series(&whole.text), series(&quick.text));
        }
    }

    #[test]
    fn what_no_node_here_can_answer_is_named_in_the_documentation() {
        let queries = queries(false);
        let left_out: Vec<_> = queries.iter().filter(|query| !has(query)).collect();
        let page = fs::read_to_string(workspace::root().join("docs/dashboards.md")).unwrap();
        let count = format!("{} of {} are left out", left_out.len(), queries.len());
        assert!(
            page.contains(&count),
            "docs/dashboards.md lacks \"{count}\""
        );
        for query in &left_out {
            let row = format!("| {} | {} | {} |", query.board, query.panel, query.need);
            assert!(page.contains(&row), "docs/dashboards.md lacks {row}");
        }
        assert_eq!(lacking(&left_out), "6 gpu, 1 platform, 4 pmu");
    }
}
