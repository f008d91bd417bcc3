//! The chart's whole life with the real Helm: linted, refused where it should
//! be, the same objects as `config`, accepted by the real API server with every
//! values file, installed, upgraded, rolled back and uninstalled with real pods.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value};

use super::Fact;
use crate::demo::session::{NAMESPACE, Session};
use crate::process::output;
use crate::progress::Step;
use crate::tools::{self, Tool};
use crate::workspace;

/// The values files beside the chart's own.
const FILES: [&str; 2] = ["values-simple.yaml", "values-production.yaml"];

/// Which folder of `config` renders as which values file, and what the chart's
/// render has beyond it.
const PAIRS: [(&str, Option<&str>, &[&str]); 3] = [
    ("config/default", None, &["PowerMonitor/tanso"]),
    ("config/overlays/simple", Some("values-simple.yaml"), &[]),
    (
        "config/overlays/production",
        Some("values-production.yaml"),
        &[],
    ),
];

/// Labels that only a chart's objects carry.
const CHART_LABELS: [&str; 3] = [
    "helm.sh/chart",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/managed-by",
];

/// Runs the chart's life; a fact per promise.
pub(super) fn run(session: &Session) -> Result<Vec<Fact>> {
    let chart = Chart {
        helm: Tool::Helm.ensure()?,
        dir: workspace::root().join("charts/tanso"),
        session,
    };
    // A cluster in earnest has the Prometheus Operator's kinds.
    let kinds = tools::module_dir(
        "prometheus-operator",
        "github.com/prometheus-operator/prometheus-operator",
    )?
    .join("example/prometheus-operator-crd");
    for kind in ["servicemonitors", "prometheusrules", "podmonitors"] {
        let file = kinds.join(format!("monitoring.coreos.com_{kind}.yaml"));
        session.kubectl(&["apply", "--server-side", "-f", &file.to_string_lossy()])?;
    }
    let mut facts = vec![
        chart.lint()?,
        chart.refusal()?,
        chart.unchanged_by_kustomize()?,
    ];
    session.apply(&session.ledger_volume()?)?;
    facts.push(chart.install()?);
    facts.push(chart.test()?);
    facts.push(chart.upgrade()?);
    facts.push(chart.rollback()?);
    facts.push(chart.uninstall()?);
    // The kinds are there still: the API server itself judges every manifest.
    facts.push(chart.accepted()?);
    Ok(facts)
}

struct Chart<'s> {
    helm: PathBuf,
    dir: PathBuf,
    session: &'s Session,
}

/// An object's kind and name, and the object as JSON.
type Objects = BTreeMap<String, Value>;

impl Chart<'_> {
    /// Helm inside the cluster's network.
    fn helm(&self, words: &[&str]) -> Result<Command> {
        let mut command = self.session.cluster()?.exec([&self.helm]);
        command.args(words).current_dir(workspace::root());
        Ok(command)
    }

    fn dir(&self) -> String {
        self.dir.to_string_lossy().into_owned()
    }

    fn values(&self, file: &str) -> String {
        self.dir.join(file).to_string_lossy().into_owned()
    }

    fn lint(&self) -> Result<Fact> {
        let dir = self.dir();
        output(&mut self.helm(&["lint", "--strict", &dir])?)?;
        for file in FILES {
            let values = self.values(file);
            output(&mut self.helm(&["lint", "--strict", &dir, "-f", &values])?)?;
        }
        Ok(Fact::new(
            "lint",
            format!(
                "helm lint --strict passes with {} values files",
                FILES.len() + 1
            ),
        ))
    }

    /// A key that nobody knows must be named.
    fn refusal(&self) -> Result<Fact> {
        let words = [
            "template",
            "tanso",
            &self.dir(),
            "--set",
            "operator.replica=2",
        ];
        match output(&mut self.helm(&words)?) {
            Ok(_) => bail!("the chart takes the unknown value operator.replica"),
            Err(error) => {
                let said = format!("{error:#}");
                let line = said
                    .lines()
                    .find(|line| line.contains("replica"))
                    .with_context(|| format!("the refusal does not name the key: {said}"))?;
                Ok(Fact::new(
                    "unknown value",
                    format!("refused: {}", line.trim()),
                ))
            }
        }
    }

    fn rendered(&self, values: Option<&str>) -> Result<Objects> {
        let dir = self.dir();
        let mut words = vec!["template", "tanso", &dir, "-n", NAMESPACE, "--no-hooks"];
        let file = values.map(|name| self.values(name));
        if let Some(file) = &file {
            words.extend(["-f", file]);
        }
        objects(&output(&mut self.helm(&words)?)?)
    }

    /// Chart and `config` say the same: where they differ, it is named.
    fn unchanged_by_kustomize(&self) -> Result<Fact> {
        let mut counts = Vec::new();
        for (folder, values, only_chart) in PAIRS {
            let path = workspace::root().join(folder);
            let text = self
                .session
                .kubectl(&["kustomize", &path.to_string_lossy()])?;
            let mut ours = objects(&text)?;
            // The namespace and the kinds are Helm's own business.
            ours.retain(|name, _| {
                !name.starts_with("Namespace/") && !name.starts_with("CustomResourceDefinition/")
            });
            let mut chart = self.rendered(values)?;
            for name in only_chart {
                chart.remove(*name);
            }
            let differing = differences(&chart, &ours);
            if !differing.is_empty() {
                bail!("the chart and {folder} differ:\n{}", differing.join("\n"));
            }
            counts.push(format!("{} of {folder}", ours.len()));
        }
        Ok(Fact::new(
            "no drift",
            format!(
                "chart and kustomize render the same objects: {}",
                counts.join(", ")
            ),
        ))
    }

    /// Every rendered manifest passes the real API server's dry run.
    fn accepted(&self) -> Result<Fact> {
        let mut count = 0;
        let dir = self.dir();
        for values in [None, Some(FILES[0]), Some(FILES[1])] {
            let mut words = vec!["template", "tanso", &dir, "-n", NAMESPACE];
            let file = values.map(|name| self.values(name));
            if let Some(file) = &file {
                words.extend(["-f", file]);
            }
            let text = output(&mut self.helm(&words)?)?;
            count += self.session.dry_run(&text)?;
        }
        for folder in [
            "config/default",
            "config/overlays/simple",
            "config/overlays/production",
        ] {
            let path = workspace::root().join(folder);
            let text = self
                .session
                .kubectl(&["kustomize", &path.to_string_lossy()])?;
            count += self.session.dry_run(&text)?;
        }
        count += self.samples()?;
        Ok(Fact::new(
            "dry run",
            format!("{count} rendered objects accepted by the API server"),
        ))
    }

    fn samples(&self) -> Result<usize> {
        let dir = workspace::root().join("config/samples");
        let entries =
            std::fs::read_dir(&dir).with_context(|| format!("reading \"{}\"", dir.display()))?;
        let mut count = 0;
        for entry in entries {
            let path = entry.context("reading config/samples")?.path();
            count += self.session.dry_run(&read(&path)?)?;
        }
        Ok(count)
    }

    /// Words that every release command here shares: the checkout's images.
    fn release<'w>(words: &[&'w str]) -> Vec<&'w str> {
        let mut all = words.to_vec();
        all.extend([
            "-n",
            NAMESPACE,
            "--set",
            "image.repository=localhost/tanso",
            "--set",
            "image.tag=dev",
            "--wait",
            "--timeout",
            "10m",
        ]);
        all
    }

    fn install(&self) -> Result<Fact> {
        let dir = self.dir();
        let simple = self.values(FILES[0]);
        let words = [
            "install",
            "tanso",
            &dir,
            "--create-namespace",
            "-f",
            &simple,
            "--set",
            "ledger.persistence.enabled=true",
        ];
        let mut step = Step::new("helm install");
        output(&mut self.helm(&Self::release(&words))?)?;
        let power = self.measured(&mut step)?;
        let seconds = step.elapsed().as_secs_f64();
        step.done("installed, agents measure");
        Ok(Fact::new(
            "install",
            format!("one command measures: PowerMonitor Ready, {power}, after {seconds:.0} s"),
        ))
    }

    /// Waits until the release's monitor is Ready with a measuring agent.
    fn measured(&self, step: &mut Step) -> Result<String> {
        self.session.wait(
            step,
            "the PowerMonitor",
            Duration::from_mins(10),
            |session| {
                let monitor = session.json(&["get", "powermonitor", "tanso", "-o", "json"])?;
                let ready = condition(&monitor, "Ready") == Some("True");
                let agents = monitor["status"]["nodes"]["ready"].as_i64().unwrap_or(0);
                Ok((ready && agents >= 1).then(|| format!("{agents} agent(s) ready")))
            },
        )
    }

    fn test(&self) -> Result<Fact> {
        output(&mut self.helm(&["test", "tanso", "-n", NAMESPACE, "--timeout", "5m"])?)?;
        Ok(Fact::new(
            "helm test",
            "passed: the operator answers ready".to_owned(),
        ))
    }

    fn upgrade(&self) -> Result<Fact> {
        let dir = self.dir();
        let production = self.values(FILES[1]);
        let words = [
            "upgrade",
            "tanso",
            &dir,
            "-f",
            &production,
            // The embedded node is small, and one copy has room.
            "--set",
            "powerMonitor.spec.modelServer.replicas=1",
            "--set",
            "operator.priorityClassName=",
            "--set",
            "ledger.persistence.size=1Gi",
        ];
        let mut step = Step::new("helm upgrade to the production values");
        output(&mut self.helm(&Self::release(&words))?)?;
        self.measured(&mut step)?;
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
        let kinds = "servicemonitors,prometheusrules,networkpolicies,poddisruptionbudgets";
        let names = self
            .session
            .kubectl(&["get", kinds, "-n", NAMESPACE, "-o", "name"])?;
        Ok(Fact::new(
            "upgrade",
            format!(
                "to values-production.yaml: {} monitoring, network and disruption objects, kinds applied by the Job",
                names.lines().count()
            ),
        ))
    }

    fn rollback(&self) -> Result<Fact> {
        let words = [
            "rollback",
            "tanso",
            "1",
            "-n",
            NAMESPACE,
            "--wait",
            "--timeout",
            "10m",
        ];
        let mut step = Step::new("helm rollback");
        output(&mut self.helm(&words)?)?;
        self.measured(&mut step)?;
        step.done("rolled back");
        let left = self.session.kubectl(&[
            "get",
            "servicemonitors,prometheusrules,networkpolicies",
            "-n",
            NAMESPACE,
            "-o",
            "name",
        ])?;
        if !left.trim().is_empty() {
            bail!("after the roll-back there is still {left}");
        }
        Ok(Fact::new(
            "rollback",
            "to revision 1: what the upgrade added is gone, PowerMonitor Ready".to_owned(),
        ))
    }

    /// Nothing with tanso's label is left, but the kinds, which outlive a
    /// release by Helm's own rule.
    fn uninstall(&self) -> Result<Fact> {
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
        let resources =
            self.session
                .kubectl(&["api-resources", "--verbs=list,delete", "-o", "name"])?;
        let all: Vec<&str> = resources
            .lines()
            .filter(|name| {
                !name.starts_with("events")
                    && *name != "customresourcedefinitions.apiextensions.k8s.io"
            })
            .collect();
        let all = all.join(",");
        self.session.wait(
            &mut step,
            "the last object to go",
            Duration::from_mins(5),
            |session| {
                let left = session.kubectl(&[
                    "get",
                    &all,
                    "-A",
                    "-o",
                    "name",
                    "-l",
                    "app.kubernetes.io/part-of=tanso",
                ])?;
                if left.trim().is_empty() {
                    Ok(Some(()))
                } else {
                    bail!(
                        "left: {}",
                        left.split_whitespace().collect::<Vec<_>>().join(", ")
                    )
                }
            },
        )?;
        step.done("uninstalled");
        Ok(Fact::new(
            "uninstall",
            "no object labelled part-of=tanso is left; the kinds stay, as Helm leaves them"
                .to_owned(),
        ))
    }
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("reading \"{}\"", path.display()))
}

/// The status of a condition.
fn condition<'o>(object: &'o Value, name: &str) -> Option<&'o str> {
    let conditions = object["status"]["conditions"].as_array()?;
    let found = conditions.iter().find(|one| one["type"] == name)?;
    found["status"].as_str()
}

/// The objects of a stream of YAML documents, without what only a chart adds.
fn objects(text: &str) -> Result<Objects> {
    let mut all = Objects::new();
    for document in text.split("\n---") {
        let document = document.trim_start_matches("---");
        let Some(mut object) = serde_saphyr::from_str::<Option<Value>>(document)
            .with_context(|| format!("reading a rendered object: {document}"))?
        else {
            continue;
        };
        let kind = object["kind"].as_str().unwrap_or_default().to_owned();
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let key = format!("{kind}/{name}");
        plain(&mut object);
        all.insert(key, object);
    }
    Ok(all)
}

/// Takes away labels and annotations that differ by how a thing is installed,
/// and what is empty.
fn plain(object: &mut Value) {
    for pointer in ["/metadata", "/spec/template/metadata"] {
        let Some(meta) = object.pointer_mut(pointer).and_then(Value::as_object_mut) else {
            continue;
        };
        if let Some(labels) = meta.get_mut("labels").and_then(Value::as_object_mut) {
            for label in CHART_LABELS {
                labels.remove(label);
            }
            // A claim, role or account of `config` need not say whose it is.
            labels.remove("app.kubernetes.io/part-of");
        }
        meta.remove("annotations");
        if meta
            .get("labels")
            .is_some_and(|labels| labels == &Value::Object(Map::new()))
        {
            meta.remove("labels");
        }
    }
}

/// What one side has and the other has not, or has otherwise.
fn differences(chart: &Objects, ours: &Objects) -> Vec<String> {
    let mut all = Vec::new();
    for (name, object) in chart {
        match ours.get(name) {
            None => all.push(format!("only in the chart: {name}")),
            Some(other) if other != object => {
                all.push(format!("{name}\n  chart:  {object}\n  config: {other}"));
            }
            Some(_) => {}
        }
    }
    for name in ours.keys().filter(|name| !chart.contains_key(*name)) {
        all.push(format!("only in config: {name}"));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::{differences, objects};

    const ONE: &str = "kind: A\nmetadata:\n  name: one\nspec: {size: 1}\n";

    #[test]
    fn labels_of_a_chart_make_no_difference_and_fields_do() {
        let ours = objects(ONE).unwrap();
        let labelled = ONE.replace(
            "  name: one\n",
            "  name: one\n  labels: {helm.sh/chart: tanso-1}\n",
        );
        assert_eq!(
            differences(&objects(&labelled).unwrap(), &ours),
            Vec::<String>::new()
        );
        let other = ONE.replace("size: 1", "size: 2");
        let found = differences(&objects(&other).unwrap(), &ours);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found.concat().contains("A/one"), "{found:?}");
    }

    #[test]
    fn an_object_of_one_side_alone_is_named_from_both_sides() {
        let ours = objects(ONE).unwrap();
        let two = ONE.replace("one", "two");
        let both = objects(&format!("{ONE}---\n{two}")).unwrap();
        assert_eq!(differences(&both, &ours), ["only in the chart: A/two"]);
        assert_eq!(differences(&ours, &both), ["only in config: A/two"]);
    }
}
