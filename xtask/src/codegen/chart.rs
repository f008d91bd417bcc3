//! The chart's generated files: rights and rules as `config` has them, and the
//! README from the comments of `values.yaml`. One source each, so that chart,
//! kustomize and operator cannot drift apart.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context as _, Result, bail};

use super::Generated;
use crate::workspace;

/// Where a file of the chart comes from.
const COPIES: [(&str, &str); 6] = [
    ("config/rbac/actions.yaml", "generated/rbac/actions.yaml"),
    ("config/rbac/agent.yaml", "generated/rbac/agent.yaml"),
    ("config/rbac/operator.yaml", "generated/rbac/operator.yaml"),
    ("config/rbac/studies.yaml", "generated/rbac/studies.yaml"),
    (
        "config/prometheus/rules.yaml",
        "generated/prometheus/rules.yaml",
    ),
    (
        "config/prometheus/kepler-legacy-rules.yaml",
        "generated/prometheus/kepler-legacy-rules.yaml",
    ),
];

/// Rule files as objects of the Prometheus Operator: the file, the object's file,
/// and its name.
const RULES: [(&str, &str, &str); 2] = [
    ("rules.yaml", "prometheusrule.yaml", "tanso"),
    (
        "kepler-legacy-rules.yaml",
        "kepler-legacy/prometheusrule.yaml",
        "tanso-kepler-legacy",
    ),
];

/// Every generated file of the chart.
pub(super) fn generate(boards: &[Generated]) -> Result<Vec<Generated>> {
    let mut files = Vec::new();
    for (source, copy) in COPIES {
        files.push((format!("charts/tanso/{copy}"), read(source)?));
    }
    for (source, object, name) in RULES {
        files.push((
            format!("config/prometheus/{object}"),
            prometheus_rule(source, name)?,
        ));
    }
    for (path, text) in boards {
        let name = path.trim_start_matches("config/grafana/");
        files.push((
            format!("charts/tanso/generated/grafana/{name}"),
            text.clone(),
        ));
    }
    let values = read("charts/tanso/values.yaml")?;
    let rows = rows(&values)?;
    files.push(("charts/tanso/README.md".to_owned(), readme(&rows)));
    Ok(files)
}

/// A rule file as an object of the Prometheus Operator.
fn prometheus_rule(source: &str, name: &str) -> Result<String> {
    let mut text = format!(
        "# Written by `cargo xtask codegen` from {source}.\n\
         apiVersion: monitoring.coreos.com/v1\n\
         kind: PrometheusRule\n\
         metadata:\n  \
           name: {name}\n  \
           namespace: tanso-system\n  \
           labels: {{app.kubernetes.io/part-of: tanso}}\n\
         spec:\n",
    );
    for line in read(&format!("config/prometheus/{source}"))?.lines() {
        if !line.is_empty() {
            text.push_str("  ");
            text.push_str(line);
        }
        text.push('\n');
    }
    Ok(text)
}

/// A file of the checkout.
pub(super) fn read(path: &str) -> Result<String> {
    let file = workspace::root().join(path);
    fs::read_to_string(&file).with_context(|| format!("reading \"{}\"", file.display()))
}

/// A value: its path, its default and its comment.
struct Row {
    path: String,
    default: String,
    comment: String,
}

/// Reads keys and the comment above each; a key without one is refused, so
/// that nothing stays undocumented.
fn rows(values: &str) -> Result<Vec<Row>> {
    let mut rows: Vec<Row> = Vec::new();
    let mut path: Vec<(usize, String)> = Vec::new();
    let mut comment = String::new();
    // Below a key whose whole block is one documented example.
    let mut skip_below: Option<usize> = None;
    for line in values.lines() {
        let text = line.trim_start();
        let indent = line.len() - text.len();
        if text.is_empty() {
            comment.clear();
            continue;
        }
        if let Some(words) = text.strip_prefix('#') {
            if !comment.is_empty() {
                comment.push(' ');
            }
            comment.push_str(words.trim());
            continue;
        }
        if skip_below.is_some_and(|above| indent > above) {
            continue;
        }
        skip_below = None;
        let Some((key, default)) = text.split_once(':') else {
            continue;
        };
        path.retain(|(level, _)| *level < indent);
        path.push((indent, key.to_owned()));
        let name: Vec<&str> = path.iter().map(|(_, key)| key.as_str()).collect();
        let name = name.join(".");
        if comment.is_empty() {
            bail!("charts/tanso/values.yaml: \"{name}\" has no comment above it");
        }
        let default = default.trim().to_owned();
        if default.is_empty() && matches!(name.as_str(), "powerMonitor.spec" | "operator.resources")
        {
            skip_below = Some(indent);
        }
        rows.push(Row {
            path: name,
            default,
            comment: std::mem::take(&mut comment),
        });
    }
    Ok(rows)
}

fn readme(rows: &[Row]) -> String {
    let mut text = String::from(
        "# tanso: Helm chart\n\n\
         Written by `cargo xtask codegen` from the comments of `values.yaml`.\n\n\
         ```console\n\
         helm install tanso charts/tanso --namespace tanso-system --create-namespace \\\n  \
           --set image.repository=REGISTRY\n\
         kubectl get powermonitor -o wide\n\
         ```\n\n\
         `REGISTRY` is where you pushed the images, as `docs/install/index.md` says: none are published yet.\n\
         `values-simple.yaml` is for a laptop, kind or minikube; `values-production.yaml` for a cluster in\n\
         earnest. Values that the schema does not know are refused by name. The kinds in `crds/` are brought\n\
         up to date by a Job before each upgrade (`crds.upgrade`), and outlive an uninstallation, as the\n\
         ledger's volume does (`ledger.persistence.keep`): an auditor may ask later.\n\n\
         The chart reads no `global` values and refuses them, as it does every value that would do nothing.\n\
         Under a parent chart that has some, install tanso as a release of its own: a cluster has one.\n\n\
         | value | default | what it is |\n|---|---|---|\n",
    );
    for row in rows {
        let default = if row.default.is_empty() {
            String::new()
        } else {
            format!("`{}`", row.default)
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| `{}` | {default} | {} |", row.path, row.comment);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::rows;

    #[test]
    fn a_value_carries_the_comment_above_it_and_its_whole_path() {
        let rows = rows("# A thing\na:\n  # Its size\n  b: 1Gi\n").unwrap();
        let read: Vec<_> = rows
            .iter()
            .map(|row| {
                (
                    row.path.as_str(),
                    row.default.as_str(),
                    row.comment.as_str(),
                )
            })
            .collect();
        assert_eq!(read, [("a", "", "A thing"), ("a.b", "1Gi", "Its size")]);
    }

    #[test]
    fn a_value_without_a_comment_is_refused_by_name() {
        let error = rows("# A thing\na:\n  b: 1\n").err().unwrap().to_string();
        assert!(error.contains("\"a.b\""), "{error}");
    }
}
