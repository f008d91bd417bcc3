//! The chart's whole life with the real Helm on a real cluster: what it renders
//! is accepted, one command measures, an upgrade, a roll-back, and what is left
//! when it is gone.

mod left;
mod manifests;

use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::Value;

use super::Fact;
use super::flux::fleet;
use crate::chart::{Chart, FILES};
use crate::demo::session::{NAMESPACE, Session};
use crate::process::output;
use crate::progress::Step;
use crate::tools;
use crate::workspace;

/// What production adds by way of the release's `PowerMonitor`.
const OF_MONITOR: [&str; 5] = [
    "NetworkPolicy/tanso-agent-in",
    "NetworkPolicy/tanso-model-in",
    "PodDisruptionBudget/tanso-model-server",
    "ServiceMonitor/tanso-agent",
    "ServiceMonitor/tanso-model-server",
];

/// Runs the chart's life; a fact per promise.
pub(super) fn run(session: &Session) -> Result<Vec<Fact>> {
    let chart = Release {
        chart: Chart::find()?,
        session,
    };
    let facts = chart.chart.facts()?;
    let mut facts: Vec<Fact> = facts
        .into_iter()
        .map(|(what, figures)| Fact::new(what, figures))
        .collect();
    // A cluster in earnest has the Prometheus Operator's kinds.
    monitoring_kinds(session)?;
    session.apply(&session.ledger_volume()?)?;
    let before = left::inventory(session)?;
    facts.push(chart.install()?);
    facts.push(chart.test("helm test")?);
    facts.push(chart.upgrade()?);
    facts.push(chart.test("helm test after the upgrade")?);
    facts.push(chart.rollback()?);
    facts.push(chart.uninstall(&before)?);
    facts.push(manifests::accepted(session, &chart.chart)?);
    Ok(facts)
}

/// Gives the cluster the kinds of the Prometheus Operator.
pub(super) fn monitoring_kinds(session: &Session) -> Result<()> {
    let module = "github.com/prometheus-operator/prometheus-operator";
    let kinds = tools::module_dir("prometheus-operator", module)?;
    let kinds = kinds.join("example/prometheus-operator-crd");
    for kind in ["servicemonitors", "prometheusrules"] {
        let file = kinds.join(format!("monitoring.coreos.com_{kind}.yaml"));
        session.kubectl(&["apply", "--server-side", "-f", &file.to_string_lossy()])?;
    }
    Ok(())
}

struct Release<'s> {
    chart: Chart,
    session: &'s Session,
}

impl Release<'_> {
    /// Helm inside the cluster's network.
    fn helm(&self, words: &[&str]) -> Result<Command> {
        let mut command = self.session.cluster()?.exec([self.chart.program()]);
        command.args(words).current_dir(workspace::root());
        Ok(command)
    }

    /// Installs or upgrades with this checkout's images, and waits.
    fn send(&self, verb: &str, file: &str, set: &[&str]) -> Result<()> {
        let (dir, file) = (self.chart.path(""), self.chart.path(file));
        let mut words = vec![verb, "tanso", &dir, "--namespace", NAMESPACE];
        words.extend(["--values", &file, "--wait", "--timeout", "10m"]);
        if verb == "install" {
            words.push("--create-namespace");
        }
        let images = ["image.repository=localhost/tanso", "image.tag=dev"];
        for value in images.iter().chain(set) {
            words.extend(["--set", value]);
        }
        output(&mut self.helm(&words)?).map(drop)
    }

    fn install(&self) -> Result<Fact> {
        let mut step = Step::new("helm install");
        self.send("install", FILES[0], &["ledger.persistence.enabled=true"])?;
        let agents = self.measured(&mut step)?;
        let seconds = step.elapsed().as_secs_f64();
        step.done("installed, agents measure");
        Ok(Fact::new(
            "install",
            format!("one command measures: {agents} after {seconds:.0} s"),
        ))
    }

    /// Waits until the release's monitor is Ready with a measuring agent.
    fn measured(&self, step: &mut Step) -> Result<String> {
        let what = "the PowerMonitor";
        let limit = Duration::from_mins(10);
        self.session.wait(step, what, limit, |session| {
            let monitor = session.json(&["get", "powermonitor", "tanso", "-o", "json"])?;
            // An upgrade's monitor is not the one that was ready before.
            let ready = fleet::is_ready(&monitor);
            let agents = monitor["status"]["nodes"]["ready"].as_i64().unwrap_or(0);
            let shown = format!("PowerMonitor Ready, {agents} agent(s) ready");
            Ok((ready && agents >= 1).then_some(shown))
        })
    }

    /// The chart's own test, of the release as it is now.
    fn test(&self, what: &'static str) -> Result<Fact> {
        let words = ["test", "tanso", "-n", NAMESPACE, "--timeout", "5m"];
        output(&mut self.helm(&words)?)?;
        Ok(Fact::new(
            what,
            "passed: the operator answers ready".to_owned(),
        ))
    }

    fn upgrade(&self) -> Result<Fact> {
        let mut step = Step::new("helm upgrade to the production values");
        self.send("upgrade", FILES[1], &[])?;
        let agents = self.measured(&mut step)?;
        let seconds = step.elapsed().as_secs_f64();
        step.done("upgraded");
        let owner = self.session.kubectl(&[
            "get",
            "crd",
            "carbonpolicies.tanso.dev",
            "--show-managed-fields",
            "-o",
            "jsonpath={.metadata.managedFields[*].manager}",
        ])?;
        if !owner.split_whitespace().any(|name| name == "tanso-crds") {
            bail!("the Job did not bring the kinds up to date: managers are {owner}");
        }
        let (chart, monitor) = self.owners(&mut Step::new("what production adds"))?;
        Ok(Fact::new(
            "upgrade",
            format!(
                "to values-production.yaml in {seconds:.0} s: {agents}, with TLS; {chart} monitoring, \
                 network and disruption objects of the chart and {monitor} of the PowerMonitor, none of \
                 both; kinds applied by the Job"
            ),
        ))
    }

    /// How many of the objects that production adds are the chart's, and how
    /// many the monitor's; each has one owner.
    fn owners(&self, step: &mut Step) -> Result<(usize, usize)> {
        let what = "the PowerMonitor's own monitoring, network and disruption objects";
        let limit = Duration::from_mins(5);
        let items = self.session.wait(step, what, limit, |_| {
            let items = self.extras()?;
            let names: Vec<String> = items.iter().map(name).collect();
            let missing = OF_MONITOR
                .iter()
                .find(|wanted| !names.contains(&(**wanted).to_owned()));
            match missing {
                None => Ok(Some(items)),
                Some(missing) => bail!("{missing} is not there"),
            }
        })?;
        let mut counts = (0, 0);
        for item in &items {
            let helm = item["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm";
            let owner = &item["metadata"]["ownerReferences"][0]["kind"];
            match (
                helm,
                owner == "PowerMonitor",
                OF_MONITOR.contains(&name(item).as_str()),
            ) {
                (true, false, false) => counts.0 += 1,
                (false, true, true) => counts.1 += 1,
                _ => bail!("{} has not one owner: {}", name(item), item["metadata"]),
            }
        }
        let tls = self.session.json(&[
            "get",
            "daemonset",
            "tanso-agent",
            "-n",
            NAMESPACE,
            "-o",
            "json",
        ])?;
        let probe = &tls["spec"]["template"]["spec"]["containers"][0]["readinessProbe"]["httpGet"];
        if probe["scheme"] != "HTTPS" {
            bail!("the production values' agents do not speak TLS: {probe}");
        }
        Ok(counts)
    }

    /// What the production values have and the simple ones have not.
    fn extras(&self) -> Result<Vec<Value>> {
        let kinds = "servicemonitors,prometheusrules,networkpolicies,poddisruptionbudgets";
        let words = ["get", kinds, "-n", NAMESPACE, "-o", "json"];
        let all = self.session.json(&words)?;
        Ok(all["items"].as_array().cloned().unwrap_or_default())
    }

    fn rollback(&self) -> Result<Fact> {
        let mut words = vec!["rollback", "tanso", "1", "-n", NAMESPACE];
        words.extend(["--wait", "--timeout", "10m"]);
        let mut step = Step::new("helm rollback");
        output(&mut self.helm(&words)?)?;
        self.measured(&mut step)?;
        let seconds = step.elapsed().as_secs_f64();
        step.done("rolled back");
        let what = "what the upgrade added to go";
        let limit = Duration::from_mins(5);
        self.session.wait(&mut Step::new(what), what, limit, |_| {
            let left = self.extras()?;
            if left.is_empty() {
                return Ok(Some(()));
            }
            let left: Vec<String> = left.iter().map(name).collect();
            bail!("after the roll-back there is still {}", left.join(", "))
        })?;
        Ok(Fact::new(
            "rollback",
            format!(
                "to revision 1 in {seconds:.0} s: what the upgrade added is gone, PowerMonitor Ready"
            ),
        ))
    }

    /// What is left is what the documentation says, and goes as it says.
    fn uninstall(&self, before: &left::Inventory) -> Result<Fact> {
        let words = [
            "uninstall",
            "tanso",
            "-n",
            NAMESPACE,
            "--wait",
            "--timeout",
            "5m",
        ];
        let mut step = Step::new("helm uninstall");
        output(&mut self.helm(&words)?)?;
        let kept = left::kept(self.session, &mut step, before)?;
        left::remove_kept(self.session)?;
        left::nothing(self.session, &mut step, before)?;
        step.done("uninstalled");
        Ok(Fact::new(
            "uninstall",
            format!(
                "left are {kept} and the namespace, as documented; with those deleted, of {} kinds \
                 nothing that was not there before",
                before.kinds()
            ),
        ))
    }
}

/// Kind and name.
fn name(object: &Value) -> String {
    let part = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    format!(
        "{}/{}",
        part(&object["kind"]),
        part(&object["metadata"]["name"])
    )
}

/// The status of a condition.
pub(super) fn condition<'o>(object: &'o Value, name: &str) -> Option<&'o str> {
    let conditions = object["status"]["conditions"].as_array()?;
    let found = conditions.iter().find(|one| one["type"] == name)?;
    found["status"].as_str()
}
