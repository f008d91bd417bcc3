//! Energy from agents and from a Prometheus that scrapes them, on one run: the
//! same verdicts for the same reasons, the same provenance, and the same power.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use super::Fact;
use super::prometheus::{PORT, Server, all_judged};
use crate::demo::session::{NAMESPACE, Session};
use crate::demo::table::unix_seconds;
use crate::progress::Step;
use crate::{dashboards, workspace};

/// The policy whose figures are compared.
const POLICY: &str = "korea-year";

/// Minutes of energy from each source.
const MINUTES: i64 = 4;

/// By how much the mean power of two spans of the same steady load may differ.
const TOLERANCE: f64 = 0.1;

/// Runs the suite.
pub(super) fn run(session: &Session) -> Result<Vec<Fact>> {
    let program = dashboards::prometheus()?.join("prometheus");
    session.install()?;
    session.apply_file("workloads.yaml")?;
    session.apply_file("policies.yaml")?;
    all_judged(session)?;
    let _server = Server::start(
        session,
        &program,
        &workspace::root().join("config/prometheus"),
    )?;
    let by_agents = Seen::wait(session, "agents")?;
    read_from_store(session)?;
    let by_store = Seen::wait(session, "the store")?;
    ensure!(
        by_agents.judged == by_store.judged,
        "the sources are judged otherwise:\nagents {:#?}\nstore {:#?}",
        by_agents.judged,
        by_store.judged
    );
    ensure!(
        by_agents.provenance == by_store.provenance,
        "the sources have other provenance:\nagents {}\nstore {}",
        by_agents.provenance,
        by_store.provenance
    );
    let ratio = by_store.watts / by_agents.watts;
    ensure!(
        (ratio - 1.0).abs() <= TOLERANCE,
        "{:.3} W by agents, {:.3} W by the store",
        by_agents.watts,
        by_store.watts
    );
    let verdicts = by_agents.judged.values();
    Ok(vec![
        Fact::new(
            "verdicts",
            format!(
                "{} policies, {} judgements of rules, each the same for the same reason",
                by_agents.judged.len(),
                verdicts.map(|(_, rules)| rules.len()).sum::<usize>()
            ),
        ),
        Fact::new("provenance", format!("{} of both", by_agents.provenance)),
        Fact::new(
            "power",
            format!(
                "{POLICY}: {:.3} W over {MINUTES} minutes by agents, {:.3} W by the store ({:+.1} %)",
                by_agents.watts,
                by_store.watts,
                (ratio - 1.0) * 100.0
            ),
        ),
    ])
}

/// A policy's verdict, and of each rule its verdict and reason.
type Judged = (String, Vec<(String, String, String)>);

/// What one source leads to.
struct Seen {
    /// By policy.
    judged: BTreeMap<String, Judged>,
    /// Measured, modelled and simulated percent.
    provenance: Value,
    /// Mean power of the policy's workloads over some minutes.
    watts: f64,
}

impl Seen {
    /// Waits for some minutes of energy of one source.
    fn wait(session: &Session, source: &str) -> Result<Self> {
        let what = format!("{MINUTES} minutes of energy by {source}");
        let mut step = Step::new(what.clone());
        let mut first: Option<Point> = None;
        let limit = Duration::from_mins(20);
        let watts = session.wait(&mut step, &what, limit, |session| {
            let status = policy(session)?;
            let Some(now) = Point::of(&status) else {
                return Ok(None);
            };
            // A new ledger counts its bookings anew.
            let since = match first {
                Some(first) if first.revision <= now.revision => first,
                _ => *first.insert(now),
            };
            let seconds = now.through - since.through;
            if seconds < 60 * MINUTES {
                return Ok(None);
            }
            let seconds = i32::try_from(seconds).context("seconds")?;
            Ok(Some((now.joules - since.joules) / f64::from(seconds)))
        })?;
        step.done(&format!("{watts:.3} W by {source}"));
        let totals = &policy(session)?["totals"];
        Ok(Self {
            judged: judged(session)?,
            provenance: json!([
                totals["measuredPercent"],
                totals["modelledPercent"],
                totals["simulatedPercent"]
            ]),
            watts,
        })
    }
}

fn policy(session: &Session) -> Result<Value> {
    let words = ["get", "carbonpolicy", POLICY, "-n", "shop", "-o", "json"];
    Ok(session.json(&words)?["status"].clone())
}

/// How far a policy's figures go.
#[derive(Clone, Copy)]
struct Point {
    /// Booking of the ledger.
    revision: i64,
    /// End of the last minute, Unix time.
    through: i64,
    /// Energy until then.
    joules: f64,
}

impl Point {
    fn of(status: &Value) -> Option<Self> {
        let energy = status["totals"]["energyMicrojoules"]["value"].as_f64()?;
        Some(Self {
            revision: status["ledgerRevision"].as_i64()?,
            through: unix_seconds(status["dataThrough"].as_str()?)?,
            joules: energy / 1e6,
        })
    }
}

fn judged(session: &Session) -> Result<BTreeMap<String, Judged>> {
    let all = session.json(&["get", "carbonpolicies", "-A", "-o", "json"])?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut found = BTreeMap::new();
    for item in all["items"].as_array().context("items")? {
        let (meta, status) = (&item["metadata"], &item["status"]);
        let rules = status["regulations"].as_array().into_iter().flatten();
        let rules = rules.map(|rule| {
            (
                text(&rule["rule"]),
                text(&rule["verdict"]),
                text(&rule["reason"]),
            )
        });
        let name = format!("{}/{}", text(&meta["namespace"]), text(&meta["name"]));
        found.insert(name, (text(&status["verdict"]), rules.collect()));
    }
    Ok(found)
}

/// Tells the operator of the store, and gives it an empty ledger.
fn read_from_store(session: &Session) -> Result<()> {
    let nodes = session.json(&["get", "nodes", "-o", "json"])?;
    let addresses = nodes["items"][0]["status"]["addresses"].as_array();
    let internal = |one: &&Value| one["type"] == "InternalIP";
    let address = addresses.and_then(|all| all.iter().find(internal));
    let Some(address) = address.and_then(|one| one["address"].as_str()) else {
        bail!("the node has no address: {}", nodes["items"][0]["status"]);
    };
    let patch = json!({"spec": {"template": {"spec": {
        "containers": [{
            "name": "operator",
            "env": [{"name": "TANSO_PROMETHEUS", "value": format!("http://{address}:{PORT}")}],
        }],
        "volumes": [{"name": "ledger", "persistentVolumeClaim": null, "emptyDir": {}}],
    }}}});
    let deployment = "deployment/tanso-operator";
    let patch = patch.to_string();
    session.kubectl(&["patch", deployment, "-n", NAMESPACE, "-p", &patch])?;
    session.kubectl(&[
        "rollout",
        "status",
        deployment,
        "-n",
        NAMESPACE,
        "--timeout=5m",
    ])?;
    Ok(())
}
