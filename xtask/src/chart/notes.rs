//! What Helm prints when the chart is installed: the next commands, and the objects
//! that they apply, which are the samples and nothing else.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::objects::documents;
use super::{Chart, NAMESPACE};
use crate::process::output;
use crate::workspace;

/// Values, and the samples that the notes then have.
const CASES: [(&[&str], &[&str]); 3] = [
    (&[], &["clustercarbonpolicy"]),
    (
        &["powerMonitor.enabled=false"],
        &["powermonitor", "clustercarbonpolicy"],
    ),
    (
        &[
            "clusterCarbonPolicies[0].name=all",
            "clusterCarbonPolicies[0].spec.policy.site.zone=DE",
            "clusterCarbonPolicies[0].spec.policy.regulations[0].rule=kr-carbon-2050",
            "clusterCarbonPolicies[0].spec.namespaceSelector.matchLabels.team=shop",
        ],
        &[],
    ),
];

/// Values, and words that the notes then have, or have not.
const WORDS: [(&[&str], &str, bool); 9] = [
    (&[], "set image.repository to", true),
    (
        &["image.repository=example.org/team"],
        "image.repository",
        false,
    ),
    (&[], "Fake", false),
    (
        &["powerMonitor.spec.agent.sources={Rapl,Fake}"],
        "Fake is among its sources",
        true,
    ),
    (
        &[
            "powerMonitor.enabled=false",
            "powerMonitor.spec.agent.sources={Fake}",
        ],
        "Fake",
        false,
    ),
    // Agents are asked by way of the API server, which is no pod that a policy lets in.
    (
        &["networkPolicy.enabled=true"],
        "networkPolicy.apiServerCidr names",
        true,
    ),
    (
        &[
            "networkPolicy.enabled=true",
            "networkPolicy.apiServerCidr=10.0.0.1/32",
        ],
        "apiServerCidr",
        false,
    ),
    // A monitor of one's own would be reached by nobody otherwise, and scraped by none.
    (
        &["powerMonitor.enabled=false", "networkPolicy.enabled=true"],
        "\n  networkPolicy:\n    type: Enabled\nEOF",
        true,
    ),
    (
        &[
            "powerMonitor.enabled=false",
            "monitoring.serviceMonitor.enabled=true",
        ],
        "\n  serviceMonitor:\n    interval: 15s\n    type: Enabled\nEOF",
        true,
    ),
];

/// Holds the notes against the samples; says what they have.
///
/// # Errors
/// When they have another object, none where there should be one, an address, or
/// say of images and of simulated power what is not so.
pub(super) fn run(chart: &Chart) -> Result<String> {
    for (set, samples) in CASES {
        let notes = notes(chart, set)?;
        let mut wanted = Vec::new();
        for name in samples {
            wanted.extend(sample(name)?);
        }
        let found = documents(&applied(&notes).join("\n---\n"))?;
        ensure!(
            found == wanted,
            "with {set:?} the notes apply {found:?}, and the samples are {wanted:?}"
        );
        // What is not published yet would answer nobody.
        ensure!(!notes.contains("://"), "the notes name an address: {notes}");
        ensure!(
            notes.contains("\nkubectl get ") && notes.contains("\nkubectl label namespace "),
            "the notes lack a command: {notes}"
        );
    }
    for (set, words, there) in WORDS {
        let notes = notes(chart, set)?;
        ensure!(
            notes.contains(words) == there,
            "with {set:?} the notes should {} {words:?}: {notes}",
            if there { "say" } else { "not say" }
        );
    }
    Ok(format!(
        "the next commands, and what they apply is as in config/samples, with {} sets of values; \
         {} cases of images and simulated power",
        CASES.len(),
        WORDS.len()
    ))
}

fn notes(chart: &Chart, set: &[&str]) -> Result<String> {
    let mut command = chart.helm();
    command.args(["install", "tanso", "--namespace", NAMESPACE]);
    command.arg(&chart.dir).arg("--dry-run=client");
    for value in set {
        command.args(["--set", value]);
    }
    let said = output(&mut command)?;
    let notes = said.split_once("\nNOTES:\n");
    let (_, notes) = notes.context("helm install printed no notes")?;
    Ok(notes.to_owned())
}

fn sample(name: &str) -> Result<Vec<Value>> {
    let file = workspace::root().join(format!("config/samples/{name}.yaml"));
    let text =
        fs::read_to_string(&file).with_context(|| format!("reading \"{}\"", file.display()))?;
    documents(&text)
}

/// The texts that the printed commands give to `kubectl apply -f -`.
fn applied(notes: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let mut open: Option<String> = None;
    for line in notes.lines() {
        if line == "EOF" {
            texts.extend(open.take());
        } else if let Some(text) = &mut open {
            text.push_str(line);
            text.push('\n');
        } else if line == "kubectl apply -f - <<'EOF'" {
            open = Some(String::new());
        }
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::applied;

    #[test]
    fn what_a_command_applies_is_what_stands_before_its_end() {
        let notes = "Do:\n\nkubectl apply -f - <<'EOF'\nkind: A\nsize: 1\nEOF\nkubectl get a\n\
                     kubectl apply -f - <<'EOF'\nkind: B\nEOF\n";
        assert_eq!(applied(notes), ["kind: A\nsize: 1\n", "kind: B\n"]);
        assert!(applied("kubectl get a\n").is_empty());
    }
}
