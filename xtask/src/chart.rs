//! The Helm chart without a cluster, by the real Helm: linted with every values
//! file, what it refuses, what each value does, its renders against those that
//! were looked at, and against the same installation by kustomize; what it prints
//! to do next; and that what Flux is told to deliver can be delivered.

mod cases;
mod delivered;
mod notes;
pub(crate) mod objects;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::kubeparts;
use crate::process::output;
use crate::tools::Tool;
use crate::workspace;
use objects::{Objects, differences, objects, unchanged};

/// The values files beside the chart's own.
pub(crate) const FILES: [&str; 2] = ["values-simple.yaml", "values-production.yaml"];

/// The namespace of every render.
const NAMESPACE: &str = "tanso-system";

/// Which folder of `config` renders as which values file, and what the chart's
/// render has beyond it.
const PAIRS: [(&str, Option<&str>, &[&str]); 3] = [
    ("config/default", None, &["PowerMonitor/tanso"]),
    ("config/overlays/simple", Some(FILES[0]), &[]),
    ("config/overlays/production", Some(FILES[1]), &[]),
];

/// Renders that were looked at: name, values file, further values. What is
/// generated elsewhere and long is left out here and compared with `config`.
const GOLDEN: [(&str, Option<&str>, &[&str]); 3] = [
    ("default", None, &[]),
    ("simple", Some(FILES[0]), &[]),
    (
        "production",
        Some(FILES[1]),
        &[
            "monitoring.dashboards.enabled=false",
            "monitoring.prometheusRule.enabled=false",
        ],
    ),
];

/// What every object of a release says whose it is.
const LABELS: [(&str, &str); 3] = [
    ("app.kubernetes.io/part-of", "tanso"),
    ("app.kubernetes.io/instance", "tanso"),
    ("app.kubernetes.io/managed-by", "Helm"),
];

/// How to look.
#[derive(Debug, Default, clap::Args)]
pub struct Args {
    /// Take the renders of now for those that were looked at
    #[arg(long)]
    bless: bool,
}

/// Looks at the chart; prints what holds.
///
/// # Errors
/// At the first thing that does not hold.
pub fn run(args: &Args) -> Result<()> {
    let chart = Chart::find()?;
    if args.bless {
        return chart.bless();
    }
    let facts = chart.facts()?;
    for (what, figures) in &facts {
        println!("ok      chart: {what}: {figures}");
    }
    println!("chart: {} passed, 0 failed", facts.len());
    Ok(())
}

/// The chart, and Helm.
#[derive(Debug)]
pub(crate) struct Chart {
    helm: PathBuf,
    dir: PathBuf,
}

impl Chart {
    /// The chart of this checkout.
    ///
    /// # Errors
    /// When Helm is neither there nor can be built.
    pub(crate) fn find() -> Result<Self> {
        Ok(Self {
            helm: Tool::Helm.ensure()?,
            dir: workspace::root().join("charts/tanso"),
        })
    }

    /// Helm's program.
    pub(crate) fn program(&self) -> &Path {
        &self.helm
    }

    /// The chart's folder, or a file of it.
    pub(crate) fn path(&self, file: &str) -> String {
        self.dir.join(file).to_string_lossy().into_owned()
    }

    /// Everything that holds of it: what, and figures.
    ///
    /// # Errors
    /// At the first thing that does not hold.
    pub(crate) fn facts(&self) -> Result<Vec<(&'static str, String)>> {
        Ok(vec![
            ("lint", self.lint()?),
            ("labels", self.labels()?),
            ("namespace", self.moved()?),
            ("values", cases::run(self)?),
            ("renders", self.golden()?),
            ("notes", notes::run(self)?),
            ("no drift", self.no_drift()?),
            ("flux", delivered::run()?),
        ])
    }

    fn helm(&self) -> Command {
        let mut command = Command::new(&self.helm);
        // Nobody's own cluster takes part.
        command
            .current_dir(workspace::root())
            .env("KUBECONFIG", "/dev/null");
        command
    }

    /// The words of `helm template`, without hooks and tests if told.
    fn template(&self, files: &[&str], set: &[&str], with_hooks: bool) -> Command {
        let mut command = self.helm();
        command.args(["template", "tanso", "--namespace", NAMESPACE]);
        command.arg(&self.dir);
        if !with_hooks {
            command.arg("--no-hooks");
        }
        for file in files {
            command.arg("--values").arg(self.dir.join(file));
        }
        for value in set {
            command.args(["--set", value]);
        }
        command
    }

    /// What Helm would send to a cluster, hooks and tests included.
    ///
    /// # Errors
    /// When Helm refuses the values.
    pub(crate) fn render(&self, files: &[&str], set: &[&str]) -> Result<String> {
        output(&mut self.template(files, set, true))
    }

    /// A version with build metadata, as Flux gives a chart from Git, is still
    /// a valid label: it holds no plus sign. Every object says whose it is.
    fn labels(&self) -> Result<String> {
        let version = "0.1.0+4735e14a8f86.1";
        let folder = tempfile::tempdir().context("making a folder for the packed chart")?;
        let mut pack = self.helm();
        pack.arg("package").arg(&self.dir);
        pack.args(["--version", version, "--destination"]);
        output(pack.arg(folder.path()))?;
        let packed = folder.path().join(format!("tanso-{version}.tgz"));
        let rendered = output(self.helm().args(["template", "tanso"]).arg(&packed))?;
        let labels = rendered
            .lines()
            .filter_map(|line| line.trim().strip_prefix("helm.sh/chart: "));
        let mut seen = 0;
        for label in labels {
            ensure!(
                label == "tanso-0.1.0_4735e14a8f86.1",
                "the label helm.sh/chart of version {version} is \"{label}\""
            );
            seen += 1;
        }
        ensure!(seen > 0, "no object has the label helm.sh/chart");
        let all = unchanged(&self.render(
            &[FILES[1]],
            &["monitoring.prometheusRule.keplerLegacy=true"],
        )?)?;
        for (name, object) in &all {
            let labels = &object["metadata"]["labels"];
            for (label, value) in LABELS {
                ensure!(
                    labels[label] == value,
                    "{name} has not the label {label}: {value}, but {labels}"
                );
            }
        }
        Ok(format!(
            "of one release and of tanso are all of {} objects; {seen} are valid where the version is {version}",
            all.len()
        ))
    }

    /// In another namespace nothing names the install's, commands in comments
    /// included: whoever runs one as it stands would bind an account that is not there.
    fn moved(&self) -> Result<String> {
        let mut command = self.template(
            &[FILES[1]],
            &["monitoring.prometheusRule.keplerLegacy=true"],
            true,
        );
        // The last of two is Helm's.
        let rendered = output(command.args(["--namespace", "elsewhere"]))?;
        if let Some(line) = rendered.lines().find(|line| line.contains(NAMESPACE)) {
            bail!(
                "in the namespace elsewhere a render still says \"{}\"",
                line.trim()
            );
        }
        let commands = rendered
            .matches("--serviceaccount=elsewhere:tanso-operator")
            .count();
        ensure!(
            commands == 2,
            "{commands} comments, not 2, bind the operator of the namespace elsewhere"
        );
        Ok(format!(
            "another is named in all objects, and in {commands} commands of comments"
        ))
    }

    fn lint(&self) -> Result<String> {
        let files = [None, Some(FILES[0]), Some(FILES[1])];
        for file in files {
            let mut command = self.helm();
            command.args(["lint", "--strict"]).arg(&self.dir);
            if let Some(file) = file {
                command.arg("--values").arg(self.dir.join(file));
            }
            output(&mut command)?;
        }
        Ok(format!(
            "helm lint --strict passes with each of {} values files",
            files.len()
        ))
    }

    fn looked_at(name: &str) -> PathBuf {
        workspace::root().join(format!("tests/chart/golden/{name}.yaml"))
    }

    fn golden(&self) -> Result<String> {
        let mut lines = 0;
        for (name, file, set) in GOLDEN {
            let now = self.render(file.as_slice(), set)?;
            let path = Self::looked_at(name);
            let then = fs::read_to_string(&path)
                .with_context(|| format!("reading \"{}\"", path.display()))?;
            if let Some(difference) = first_difference(&then, &now) {
                bail!(
                    "the chart renders otherwise than \"{}\": {difference}; after a wanted change: \
                     cargo xtask chart --bless",
                    path.display()
                );
            }
            lines += now.lines().count();
        }
        Ok(format!(
            "{} renders are as they were looked at, {lines} lines",
            GOLDEN.len()
        ))
    }

    fn bless(&self) -> Result<()> {
        for (name, file, set) in GOLDEN {
            let path = Self::looked_at(name);
            fs::write(&path, self.render(file.as_slice(), set)?)
                .with_context(|| format!("writing \"{}\"", path.display()))?;
            println!("written: {}", path.display());
        }
        Ok(())
    }

    /// Chart and `config` say the same: where they differ, it is named.
    fn no_drift(&self) -> Result<String> {
        let mut counts = Vec::new();
        for (folder, values, only_chart) in PAIRS {
            let mut ours = objects(&kustomize(folder)?)?;
            // The namespace and the kinds are Helm's own business.
            ours.retain(|name, _| {
                !name.starts_with("Namespace/") && !name.starts_with("CustomResourceDefinition/")
            });
            let mut chart: Objects =
                objects(&output(&mut self.template(values.as_slice(), &[], false))?)?;
            for name in only_chart {
                chart.remove(*name);
            }
            let differing = differences(&chart, &ours);
            if !differing.is_empty() {
                bail!("the chart and {folder} differ:\n{}", differing.join("\n"));
            }
            counts.push(format!("{} objects of {folder}", ours.len()));
        }
        Ok(format!("kustomize renders the same: {}", counts.join(", ")))
    }
}

/// What `kubectl kustomize` makes of a folder of the checkout.
///
/// # Errors
/// When it is no such folder, or kubectl is neither there nor can be built.
pub(crate) fn kustomize(folder: &str) -> Result<String> {
    let mut command = match workspace::in_path("kubectl") {
        Some(kubectl) => Command::new(kubectl),
        None => match kubeparts::ensure(None)? {
            kubeparts::Parts::Folder(dir) => Command::new(dir.join("kubectl")),
            kubeparts::Parts::Combined(file) => {
                let mut command = Command::new(file);
                command.arg("kubectl");
                command
            }
        },
    };
    output(command.arg("kustomize").arg(workspace::root().join(folder)))
}

/// The first line that differs, as it was and as it is.
fn first_difference(then: &str, now: &str) -> Option<String> {
    let (mut old, mut new) = (then.lines(), now.lines());
    for number in 1.. {
        match (old.next(), new.next()) {
            (None, None) => return None,
            (was, is) if was != is => {
                let (was, is) = (was.unwrap_or("(nothing)"), is.unwrap_or("(nothing)"));
                return Some(format!("line {number} was {was:?} and is {is:?}"));
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::first_difference;

    #[test]
    fn the_first_line_that_differs_is_told_with_both() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        let told = first_difference("a\nb\n", "a\nc\n").unwrap();
        assert!(
            told.contains("line 2") && told.contains("\"b\"") && told.contains("\"c\""),
            "{told}"
        );
        let told = first_difference("a\n", "a\nb\n").unwrap();
        assert!(told.contains("(nothing)"), "{told}");
    }
}
