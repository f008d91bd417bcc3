//! Writes every generated file of the checkout.

mod chart;
mod grafana;
mod reference;
mod values;

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use kube::CustomResourceExt as _;
use serde::Serialize;
use tanso_agent_wire::families::{self, Family};
use tanso_crds::{CarbonPolicy, CarbonReport, ClusterCarbonPolicy, EnergyStudy, PowerMonitor};

use crate::workspace;

/// The hand-written parts of the installation, in the order of application.
const INSTALL_PARTS: [&str; 6] = [
    "config/operator/namespace.yaml",
    "config/rbac/agent.yaml",
    "config/rbac/operator.yaml",
    "config/rbac/actions.yaml",
    "config/rbac/studies.yaml",
    "config/operator/operator.yaml",
];

/// How to generate.
#[derive(Debug, Default, clap::Args)]
pub struct Args {
    /// Change nothing; fail when a generated file differs from its source
    #[arg(long)]
    pub check: bool,
}

/// A generated file: path below the checkout, and content.
type Generated = (String, String);

/// Writes (or compares) the generated files.
///
/// # Errors
/// When a file cannot be written, or with `check` when one differs.
pub fn run(args: &Args) -> Result<()> {
    let mut differ = Vec::new();
    for (path, content) in generate()? {
        let file: PathBuf = workspace::root().join(&path);
        if fs::read_to_string(&file).is_ok_and(|present| present == content) {
            continue;
        }
        if !args.check {
            if let Some(folder) = file.parent() {
                fs::create_dir_all(folder)
                    .with_context(|| format!("creating \"{}\"", folder.display()))?;
            }
            fs::write(&file, content).with_context(|| format!("writing \"{}\"", file.display()))?;
            eprintln!("written: {path}");
        }
        differ.push(path);
    }
    if args.check && !differ.is_empty() {
        bail!(
            "not as generated: {}; run `cargo xtask codegen`",
            differ.join(", ")
        );
    }
    Ok(())
}

fn generate() -> Result<Vec<Generated>> {
    let crds = [
        ("powermonitors", yaml(&PowerMonitor::crd())?),
        ("carbonpolicies", yaml(&CarbonPolicy::crd())?),
        ("clustercarbonpolicies", yaml(&ClusterCarbonPolicy::crd())?),
        ("carbonreports", yaml(&CarbonReport::crd())?),
        ("energystudies", yaml(&EnergyStudy::crd())?),
    ];
    let mut files = vec![
        ("crds/src/zones.rs".to_owned(), zones()?),
        ("config/default/install.yaml".to_owned(), install(&crds)?),
        ("docs/metrics.md".to_owned(), metrics()),
    ];
    for (name, text) in crds {
        let text = format!("# Written by `cargo xtask codegen` from crds/src.\n{text}");
        files.push((format!("charts/tanso/crds/{name}.yaml"), text.clone()));
        files.push((format!("config/crd/{name}.yaml"), text));
    }
    let boards = grafana::generate()?;
    files.extend(chart::generate(&boards)?);
    files.extend(boards);
    files.push(values::schema(&[
        ("carbonPolicySpec", CarbonPolicy::crd()),
        ("clusterCarbonPolicySpec", ClusterCarbonPolicy::crd()),
        ("powerMonitorSpec", PowerMonitor::crd()),
    ])?);
    files.extend(reference::pages(&[
        PowerMonitor::crd(),
        CarbonPolicy::crd(),
        ClusterCarbonPolicy::crd(),
        CarbonReport::crd(),
        EnergyStudy::crd(),
    ])?);
    Ok(files)
}

fn yaml<T: Serialize>(object: &T) -> Result<String> {
    serde_saphyr::to_string(object).context("writing YAML")
}

/// The whole installation in one file: namespace, kinds, rights, operator.
fn install(crds: &[(&str, String)]) -> Result<String> {
    let mut parts: Vec<String> = Vec::new();
    for path in INSTALL_PARTS {
        let file = workspace::root().join(path);
        parts.push(
            fs::read_to_string(&file).with_context(|| format!("reading \"{}\"", file.display()))?,
        );
    }
    // Kinds after the namespace and before all that may be of such a kind.
    for (index, (_, text)) in crds.iter().enumerate() {
        parts.insert(1 + index, text.clone());
    }
    let head = "# Written by `cargo xtask codegen`: config/default as one file.\n";
    let body: Vec<String> = parts
        .iter()
        .map(|part| part.trim_end().to_owned())
        .collect();
    Ok(format!("{head}{}\n", body.join("\n---\n")))
}

/// The grid zones that admission knows, from the table of zones.
fn zones() -> Result<String> {
    let file = workspace::root().join("config/regions/zones_yearly.csv");
    let text =
        fs::read_to_string(&file).with_context(|| format!("reading \"{}\"", file.display()))?;
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    let header = lines.next().unwrap_or_default();
    if header.split(',').next() != Some("em_zone") {
        bail!(
            "\"{}\": the first column must be em_zone, it is {header:?}",
            file.display()
        );
    }
    let mut zones: Vec<&str> = lines.filter_map(|line| line.split(',').next()).collect();
    zones.sort_unstable();
    zones.dedup();
    let quoted: Vec<String> = zones.iter().map(|zone| format!("'{zone}'")).collect();
    Ok(format!(
        "//! Grid zones that a policy may name; written by `cargo xtask codegen` from\n\
         //! `config/regions/zones_yearly.csv`.\n\n\
         /// CEL: the zone is known, or private (`X-NAME`).\n\
         pub const KNOWN_OR_PRIVATE: &str = \"self.matches('^X-[A-Z0-9-]{{1,30}}$') || self in [{}]\";\n",
        quoted.join(", ")
    ))
}

/// The agents' metrics, from the tables that `/metrics` comes from.
fn metrics() -> String {
    let mut text = String::from(
        "# Metrics of the agent\n\n\
         Written by `cargo xtask codegen` from `agent/wire/src/families.rs`. How to choose format, levels, bounds\n\
         and resolution: [exports.md](exports.md).\n\n\
         Families named `kepler_…` keep the name, type, labels and meaning that Kepler 0.11's\n\
         dashboards know. Counters never fall, also across restarts of the agent; only those of single GPUs and\n\
         of hardware counters begin anew with it. A family appears with its first figure: those of GPUs where there is a GPU, those of\n\
         processes where that level is on.\n\n",
    );
    table(&mut text, families::all());
    text.push_str(
        "\n## Names of Kepler up to 0.9\n\n\
         With `--legacy-metrics`, or alone on a port of their own with `--legacy-listen`. Two of them have another\n\
         meaning in 0.11 and stand on the port of their own only: `kepler_container_gpu_joules_total` and\n\
         `kepler_process_gpu_joules_total`.\n\n",
    );
    table(&mut text, families::legacy::ALL.iter().copied());
    text
}

fn table<'a>(text: &mut String, families: impl Iterator<Item = &'a Family>) {
    text.push_str("| name | type | labels | meaning |\n|---|---|---|---|\n");
    for family in families {
        let Family {
            name,
            kind,
            labels,
            help,
            ..
        } = family;
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "| `{name}` | {} | {} | {help} |",
            kind.as_str(),
            labels.join(", ")
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_files_are_as_their_sources_say() {
        run(&Args { check: true }).unwrap();
    }

    #[test]
    fn every_kind_is_in_the_installation() {
        let all = generate().unwrap();
        let (_, install) = all
            .iter()
            .find(|(path, _)| path.ends_with("install.yaml"))
            .unwrap();
        for kind in [
            "PowerMonitor",
            "CarbonPolicy",
            "ClusterCarbonPolicy",
            "CarbonReport",
        ] {
            assert!(install.contains(&format!("kind: {kind}\n")), "{kind}");
        }
    }
}
