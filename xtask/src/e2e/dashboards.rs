//! Dashboards and rules against a real Prometheus that scrapes real agents, the
//! operator and the model server: no empty panel, no unknown metric, and every
//! rule evaluated. The rules' own unit tests run here too.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::Fact;
use super::prometheus::{ADDRESS, Server, TARGETS, all_judged};
use crate::demo::session::{NAMESPACE, Session};
use crate::process::output;
use crate::progress::Step;
use crate::{dashboards, workspace};

/// What stands for a dashboard's variables: all of it.
const VARIABLES: [(&str, &str); 6] = [
    ("$__rate_interval", "1m"),
    ("$__interval", "1m"),
    ("$__range", "1h"),
    ("$node", ".*"),
    ("$namespace", ".*"),
    ("$policy", ".*"),
];

/// A query of a panel.
struct Ask {
    board: String,
    panel: String,
    query: String,
}

/// Runs the suite; a fact per promise.
pub(super) fn run(session: &Session) -> Result<Vec<Fact>> {
    let programs = dashboards::prometheus()?;
    let (prometheus, promtool) = (programs.join("prometheus"), programs.join("promtool"));
    let rules = workspace::root().join("config/prometheus");
    let mut facts = vec![rule_tests(&promtool, &rules)?];

    session.install()?;
    session.apply_file("workloads.yaml")?;
    session.apply_file("policies.yaml")?;
    all_judged(session)?;
    let server = Server::start(session, &prometheus, &rules)?;
    facts.push(documented(session)?);
    let found = boards()?;
    let asks = ours(&found);
    let boards: BTreeSet<&str> = asks.iter().map(|ask| &*ask.board).collect();
    let panels: BTreeSet<_> = asks.iter().map(|ask| (&ask.board, &ask.panel)).collect();
    let empty = server.unanswered(&promtool, &asks, "the panels of config/grafana")?;
    report("config/grafana", &empty)?;
    facts.push(Fact::new(
        "panels",
        format!(
            "{} dashboards, {} panels x {} queries, all non-empty",
            boards.len(),
            panels.len(),
            asks.len()
        ),
    ));
    let variables = variables(&found)?;
    let empty = server.unanswered(&promtool, &variables, "the variables of config/grafana")?;
    report("variables of config/grafana", &empty)?;
    facts.push(Fact::new(
        "variables",
        format!("{} of dashboards, each with values", variables.len()),
    ));
    let kepler = kepler()?;
    let empty = server.unanswered(&promtool, &kepler, "the panels of Kepler's dashboards")?;
    report("Kepler's dashboards", &empty)?;
    facts.push(Fact::new(
        "Kepler's panels",
        format!(
            "{} queries of its public dashboards, all non-empty",
            kepler.len()
        ),
    ));
    facts.push(server.rules(&promtool, &rules)?);
    Ok(facts)
}

/// Every family that operator and model server serve stands in their reference,
/// with its type. That of the agent is made from its own table.
fn documented(session: &Session) -> Result<Fact> {
    let page = workspace::root().join("docs/operator-metrics.md");
    let page =
        fs::read_to_string(&page).with_context(|| format!("reading \"{}\"", page.display()))?;
    let (mut served, mut missing) = (0, Vec::new());
    for (name, port) in &TARGETS[1..] {
        let path = format!("/api/v1/namespaces/{NAMESPACE}/services/{name}:{port}/proxy/metrics");
        let mut step = Step::new(format!("metrics of {name}"));
        let limit = Duration::from_mins(2);
        let text = session.wait(&mut step, name, limit, |session| {
            session.raw(&path).map(Some)
        })?;
        step.done(&format!("metrics of {name}"));
        for (family, kind) in text.lines().filter_map(family) {
            let ending = if kind == "counter" { "_total" } else { "" };
            let row = format!("| `{family}{ending}` | {kind} |");
            served += 1;
            if !page.contains(&row) {
                missing.push(row);
            }
        }
    }
    if served == 0 || !missing.is_empty() {
        bail!(
            "{served} families of operator and model server; docs/operator-metrics.md lacks:\n{}",
            missing.join("\n")
        );
    }
    Ok(Fact::new(
        "reference",
        format!("{served} families of operator and model server, each documented"),
    ))
}

/// Name and type of a family, by the line that says so.
fn family(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix("# TYPE ")?.split_once(' ')
}

fn rule_tests(promtool: &Path, rules: &Path) -> Result<Fact> {
    let checked = output(
        Command::new(promtool)
            .args(["check", "rules"])
            .arg(rules.join("rules.yaml")),
    )?;
    output(
        Command::new(promtool)
            .args(["test", "rules"])
            .arg(rules.join("tests.yaml")),
    )?;
    let found = checked
        .lines()
        .find(|line| line.contains("rules found"))
        .unwrap_or_default()
        .trim()
        .to_owned();
    Ok(Fact::new(
        "rules",
        format!("promtool check: {found}; promtool test rules: passed"),
    ))
}

/// Every dashboard of `config/grafana`.
fn boards() -> Result<Vec<Value>> {
    let dir = workspace::root().join("config/grafana");
    let mut files: Vec<PathBuf> = fs::read_dir(&dir)
        .with_context(|| format!("reading \"{}\"", dir.display()))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .collect();
    files.sort();
    let mut boards = Vec::new();
    for file in files {
        let text =
            fs::read_to_string(&file).with_context(|| format!("reading \"{}\"", file.display()))?;
        let board: Value = serde_json::from_str(&text)
            .with_context(|| format!("reading \"{}\"", file.display()))?;
        boards.push(board);
    }
    Ok(boards)
}

/// Every query of their panels.
fn ours(boards: &[Value]) -> Vec<Ask> {
    let mut asks = Vec::new();
    for board in boards {
        for panel in board["panels"].as_array().into_iter().flatten() {
            for target in panel["targets"].as_array().into_iter().flatten() {
                asks.push(Ask {
                    board: words(&board["title"]),
                    panel: words(&panel["title"]),
                    query: filled(target["expr"].as_str().unwrap_or_default()),
                });
            }
        }
    }
    asks
}

/// What each variable takes its values from: without one, a board shows nothing of
/// what somebody chose.
fn variables(boards: &[Value]) -> Result<Vec<Ask>> {
    let mut asks = Vec::new();
    for board in boards {
        let listed = board["templating"]["list"].as_array();
        for variable in listed.into_iter().flatten() {
            // The data source is chosen from what Grafana has.
            if variable["type"] != "query" {
                continue;
            }
            let query = variable["query"]["query"].as_str().unwrap_or_default();
            let (board, name) = (words(&board["title"]), words(&variable["name"]));
            let Some(query) = values(query) else {
                bail!(
                    "variable \"{name}\" of \"{board}\" asks {query:?}; accepted is label_values(metric, label)"
                );
            };
            asks.push(Ask {
                board,
                panel: format!("variable {name}"),
                query,
            });
        }
    }
    Ok(asks)
}

/// Grafana's own `label_values(metric, label)` as Prometheus can be asked it.
fn values(query: &str) -> Option<String> {
    let inner = query.strip_prefix("label_values(")?.strip_suffix(')')?;
    let (metric, label) = inner.rsplit_once(',')?;
    let (metric, label) = (metric.trim(), label.trim());
    Some(format!("group by ({label}) ({metric}{{{label}!=\"\"}})"))
}

fn words(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The queries of Kepler's dashboards, from the table of the tests.
fn kepler() -> Result<Vec<Ask>> {
    let file = workspace::root().join("tests/dashboards/kepler.tsv");
    let text =
        fs::read_to_string(&file).with_context(|| format!("reading \"{}\"", file.display()))?;
    let mut asks = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let mut cells = line.split('\t');
        let (Some(board), Some(panel), Some(query)) = (cells.next(), cells.next(), cells.next())
        else {
            bail!("\"{}\": not three cells: {line:?}", file.display());
        };
        asks.push(Ask {
            board: board.to_owned(),
            panel: panel.to_owned(),
            query: filled(query),
        });
    }
    Ok(asks)
}

fn filled(query: &str) -> String {
    VARIABLES
        .iter()
        .fold(query.to_owned(), |text, (name, value)| {
            text.replace(name, value)
        })
}

fn report(whose: &str, empty: &[String]) -> Result<()> {
    if empty.is_empty() {
        return Ok(());
    }
    bail!(
        "{} queries of {whose} find nothing:\n{}",
        empty.len(),
        empty.join("\n")
    );
}

impl Server<'_> {
    /// The result of a query: samples, or nothing yet.
    fn ask(&self, promtool: &Path, query: &str) -> Result<Vec<Value>> {
        let mut command = self.session.cluster()?.exec([promtool]);
        command.args(["query", "instant", "-o", "json"]);
        command.arg(format!("http://{ADDRESS}")).arg(query);
        let text = output(&mut command)?;
        let value: Value = serde_json::from_str(&text)
            .with_context(|| format!("reading the answer to {query}: {text}"))?;
        Ok(value.as_array().cloned().unwrap_or_default())
    }

    /// Asks until everything is answered; what is not by then is given back.
    fn unanswered(&self, promtool: &Path, asks: &[Ask], what: &str) -> Result<Vec<String>> {
        let mut step = Step::new(format!("asking {} queries", asks.len()));
        let mut open: Vec<&Ask> = asks.iter().collect();
        let waited = self
            .session
            .wait(&mut step, what, Duration::from_mins(5), |_| {
                let mut still = Vec::new();
                for ask in &open {
                    if self.ask(promtool, &ask.query)?.is_empty() {
                        still.push(*ask);
                    }
                }
                open = still;
                Ok(open.is_empty().then_some(()))
            });
        if let Err(error) = waited
            && open.is_empty()
        {
            return Err(error.context(self.said()));
        }
        step.done(&format!(
            "{} of {} answered",
            asks.len() - open.len(),
            asks.len()
        ));
        let line = |ask: &&Ask| format!("{} / {}: {}", ask.board, ask.panel, ask.query);
        Ok(open.iter().map(line).collect())
    }

    /// Every recording rule has a series, and every alert is evaluated without
    /// an error over metrics that exist.
    fn rules(&self, promtool: &Path, rules: &Path) -> Result<Fact> {
        let text = fs::read_to_string(rules.join("rules.yaml")).context("reading rules.yaml")?;
        let file: Value = serde_saphyr::from_str(&text).context("reading rules.yaml")?;
        let mut asks = Vec::new();
        let mut alerts = 0;
        for group in file["groups"].as_array().into_iter().flatten() {
            for rule in group["rules"].as_array().into_iter().flatten() {
                if let Some(record) = rule["record"].as_str() {
                    asks.push(Ask {
                        board: "recording rules".to_owned(),
                        panel: record.to_owned(),
                        query: record.to_owned(),
                    });
                } else {
                    alerts += 1;
                }
            }
        }
        // Modelled shares are absent only where no energy flows.
        let empty = self.unanswered(promtool, &asks, "the recording rules")?;
        report("recording rules", &empty)?;
        let failed = self.ask(
            promtool,
            "sum(prometheus_rule_evaluation_failures_total) > 0",
        )?;
        if !failed.is_empty() {
            bail!("rules fail to be evaluated: {failed:?}");
        }
        Ok(Fact::new(
            "rules on real metrics",
            format!(
                "{} recorded, {alerts} alerts evaluated, no failure",
                asks.len()
            ),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::{boards, filled, kepler, ours, values, variables};

    #[test]
    fn no_variable_is_left_in_a_query() {
        assert_eq!(
            filled("rate(a{node_name=~\"$node\"}[$__rate_interval])"),
            "rate(a{node_name=~\".*\"}[1m])"
        );
        let found = boards().unwrap();
        let all = [ours(&found), variables(&found).unwrap(), kepler().unwrap()];
        for ask in all.iter().flatten() {
            assert!(
                !ask.query.is_empty() && !ask.query.contains('$'),
                "{} / {}: {}",
                ask.board,
                ask.panel,
                ask.query
            );
        }
    }

    #[test]
    fn every_variable_but_the_data_source_is_asked_for_its_values() {
        assert_eq!(
            values("label_values(up, job)").as_deref(),
            Some("group by (job) (up{job!=\"\"})")
        );
        assert_eq!(values("up"), None);
        let found = boards().unwrap();
        let listed = found
            .iter()
            .flat_map(|board| board["templating"]["list"].as_array().unwrap());
        let asked = variables(&found).unwrap();
        // Each board has one variable for the data source.
        assert_eq!(asked.len() + found.len(), listed.count());
        assert!(!asked.is_empty());
    }
}
