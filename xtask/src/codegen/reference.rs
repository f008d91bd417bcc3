//! `docs/reference`: a page for each kind, from its schema, and one for the
//! conditions and Events, from their tables.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::Value;
use tanso_crds::condition::{events, reasons, types};

/// Fields of other projects' types; their documentation is theirs.
const FOREIGN: [&str; 2] = ["resources", "tolerations"];

/// Bounds of a schema, and how they are said.
const BOUNDS: [(&str, &str); 5] = [
    ("minimum", "from"),
    ("maximum", "to"),
    ("minItems", "at least"),
    ("maxItems", "at most"),
    ("maxLength", "length to"),
];

/// Every page: path and text.
pub(super) fn pages(kinds: &[CustomResourceDefinition]) -> Result<Vec<(String, String)>> {
    let mut pages = vec![("docs/reference/conditions.md".to_owned(), conditions())];
    for crd in kinds {
        let name = &crd.spec.names.plural;
        pages.push((format!("docs/reference/{name}.md"), page(crd)?));
    }
    Ok(pages)
}

fn page(crd: &CustomResourceDefinition) -> Result<String> {
    let version = crd.spec.versions.first().context("a version of the kind")?;
    let schema = version.schema.as_ref().context("a schema of the kind")?;
    let schema = serde_json::to_value(&schema.open_api_v3_schema).context("a schema")?;
    let names = &crd.spec.names;
    let mut text = format!(
        "# {kind}\n\nWritten by `cargo xtask codegen` from `crds/src`.\n\n{about}\n\n\
         `apiVersion: {group}/{version}`, `kind: {kind}`, {scope}; short name `{short}`.\n",
        kind = names.kind,
        about = schema["description"].as_str().unwrap_or_default(),
        group = crd.spec.group,
        version = version.name,
        scope = crd.spec.scope.to_lowercase(),
        short = names
            .short_names
            .as_deref()
            .unwrap_or_default()
            .join("`, `"),
    );
    if let Some(columns) = &version.additional_printer_columns {
        text.push_str("\n## Columns\n\n| column | shown | from |\n|---|---|---|\n");
        for column in columns {
            let wide = column.priority.unwrap_or(0) > 0;
            let shown = if wide { "`-o wide`" } else { "always" };
            let _ = writeln!(
                text,
                "| {} | {shown} | `{}` |",
                column.name, column.json_path
            );
        }
    }
    for part in ["spec", "status"] {
        let of = &schema["properties"][part];
        if of.is_null() {
            continue;
        }
        let _ = write!(
            text,
            "\n## {part}\n\n| field | type | default | meaning |\n|---|---|---|---|\n"
        );
        fields(&mut text, part, of);
    }
    let mut refused = Vec::new();
    rules("", &schema, &mut refused);
    if !refused.is_empty() {
        text.push_str(
            "\n## Refused at admission\n\nBeside types and bounds above; each has a case in \
             `operator/tests/api_crds.rs`.\n\n| field | message |\n|---|---|\n",
        );
        for (field, message) in refused {
            let _ = writeln!(text, "| `{field}` | {message} |");
        }
    }
    Ok(text)
}

/// A line for each field, its own fields below it.
fn fields(text: &mut String, path: &str, schema: &Value) {
    let required: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        let default = match (&field["default"], required.contains(&name.as_str())) {
            (Value::Null, true) => "required".to_owned(),
            (Value::Object(_) | Value::Null, _) => String::new(),
            (default, _) => format!("`{default}`"),
        };
        let about = field["description"].as_str().unwrap_or_default();
        let about = about.replace('|', "\\|").replace('\n', " ");
        let kind = type_of(field);
        let _ = writeln!(text, "| `{path}` | {kind} | {default} | {about} |");
        if FOREIGN.contains(&name.as_str()) || name == "conditions" {
            continue;
        }
        match field["type"].as_str() {
            Some("object") => fields(text, &path, field),
            Some("array") => fields(text, &format!("{path}[]"), &field["items"]),
            _ => {}
        }
    }
}

/// The type with its bounds, in words.
fn type_of(field: &Value) -> String {
    if let Some(values) = field["enum"].as_array() {
        let words = values.iter().filter_map(Value::as_str);
        let words: Vec<String> = words.map(|word| format!("`{word}`")).collect();
        return words.join(", ");
    }
    let mut text = match field["type"].as_str() {
        Some("array") => format!("list of {}", type_of(&field["items"])),
        Some("object") if field["additionalProperties"].is_object() => "map".to_owned(),
        Some(other) => other.to_owned(),
        None => "any".to_owned(),
    };
    for (bound, before) in BOUNDS {
        if !field[bound].is_null() {
            // A schema's bounds are fractions also where its numbers are whole.
            let number = field[bound].to_string();
            let number = number.strip_suffix(".0").unwrap_or(&number);
            let _ = write!(text, ", {before} {number}");
        }
    }
    text
}

/// The rules of a schema: field and message.
fn rules(path: &str, schema: &Value, found: &mut Vec<(String, String)>) {
    let validations = schema["x-kubernetes-validations"].as_array();
    for rule in validations.into_iter().flatten() {
        let message = rule["message"].as_str().map_or_else(
            || in_words(rule["messageExpression"].as_str().unwrap_or_default()),
            str::to_owned,
        );
        let field = if path.is_empty() { "whole" } else { path };
        found.push((field.to_owned(), message.replace('|', "\\|")));
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let below = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        rules(&below, field, found);
    }
    if schema["items"].is_object() {
        rules(&format!("{path}[]"), &schema["items"], found);
    }
}

/// A CEL expression that makes a message: its texts, with a mark for values.
fn in_words(expression: &str) -> String {
    let parts: Vec<&str> = expression.split('\'').skip(1).step_by(2).collect();
    parts.join("…")
}

fn conditions() -> String {
    let mut text = String::from(
        "# Conditions and Events\n\nWritten by `cargo xtask codegen` from `crds/src/condition.rs`. \
         Types and reasons are part of the API: tools may rely on them.\n",
    );
    for (title, table) in [
        ("Condition types", types::ALL),
        ("Reasons", reasons::ALL),
        ("Events", events::ALL),
    ] {
        let _ = write!(text, "\n## {title}\n\n");
        if title == "Events" {
            text.push_str(
                "Said when something changes, never on each visit. An Event with the reason and message of a\n\
                 condition tells that this condition changed: `Ready` of a PowerMonitor, `Stalled` and\n\
                 `IntensityFresh` and `PlacesKnown` of a policy; a warning where that is bad news. Actions on CronJobs are told as\n\
                 `Rescheduled`, `Suspended`, `Resumed` and `Reverted`, and as `ActionForbidden` or `ActionFailed`\n\
                 where they could not be carried out. Beside those:\n\n",
            );
        }
        text.push_str("| word | meaning |\n|---|---|\n");
        for (word, meaning) in table {
            let _ = writeln!(text, "| `{word}` | {} |", meaning.trim());
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use kube::CustomResourceExt as _;

    use super::*;
    use crate::workspace;

    fn sources(folder: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let is_test =
                    path.ends_with("tests.rs") || path.to_string_lossy().contains("/tests/");
                let tests = text
                    .split_once("#[cfg(test)]")
                    .map(|(_, tests)| tests.to_owned());
                found.extend(if is_test { Some(text) } else { tests });
            }
        }
    }

    /// The constant's name of a word: `NOT_FOUND` of `NotFound`.
    fn constant(word: &str) -> String {
        let mut name = String::new();
        for (index, letter) in word.chars().enumerate() {
            if index > 0 && letter.is_ascii_uppercase() {
                name.push('_');
            }
            name.push(letter.to_ascii_uppercase());
        }
        name
    }

    /// A word that no test expects may be said never, or always.
    #[test]
    fn every_condition_type_reason_and_event_is_expected_by_a_test() {
        let mut tests = Vec::new();
        sources(&workspace::root().join("operator"), &mut tests);
        assert!(tests.len() > 10, "{}", tests.len());
        let told = [types::ALL, reasons::ALL, events::ALL].concat();
        // Events about CronJobs, which the page names in its text.
        let actions = [
            "Rescheduled",
            "Suspended",
            "Resumed",
            "Reverted",
            "ActionForbidden",
            "ActionFailed",
        ];
        for word in told.iter().map(|(word, _)| *word).chain(actions) {
            let quoted = [
                format!("\"{word}\""),
                format!(" {word}\""),
                format!("reasons::{}", constant(word)),
            ];
            let is_expected = tests
                .iter()
                .any(|text| quoted.iter().any(|quoted| text.contains(quoted)));
            assert!(is_expected, "no test of the operator expects \"{word}\"");
        }
    }

    /// A page that names tests is worth as much as the tests that are there.
    #[test]
    fn every_test_that_the_reliability_page_names_is_there() {
        let mut tests = Vec::new();
        for folder in [
            "agent",
            "operator",
            "carbon",
            "cli",
            "crds",
            "faces",
            "intensity",
            "runtime",
            "tests",
        ] {
            sources(&workspace::root().join(folder), &mut tests);
        }
        let page = fs::read_to_string(workspace::root().join("docs/reliability.md")).unwrap();
        let names = page.split('`').skip(1).step_by(2);
        let names: Vec<&str> = names
            .filter(|word| word.matches('_').count() > 3 && !word.contains(['/', ' ', '.']))
            // Metrics are named there too.
            .filter(|word| !word.starts_with("tanso_"))
            .collect();
        assert!(names.len() > 20, "{names:?}");
        for name in names {
            let head = format!("fn {name}(");
            let is_there = tests.iter().any(|text| text.contains(&head));
            assert!(is_there, "no test is called \"{name}\"");
        }
    }

    #[test]
    fn an_expression_becomes_its_words() {
        let text = in_words("'interval \"' + self + '\"; accepted are 10s'");
        assert_eq!(text, "interval \"…\"; accepted are 10s");
    }

    #[test]
    fn every_field_has_a_meaning() {
        let crds = [
            tanso_crds::PowerMonitor::crd(),
            tanso_crds::CarbonPolicy::crd(),
            tanso_crds::ClusterCarbonPolicy::crd(),
            tanso_crds::CarbonReport::crd(),
            tanso_crds::EnergyStudy::crd(),
        ];
        for (path, text) in pages(&crds).unwrap() {
            for line in text.lines().filter(|line| line.starts_with("| `")) {
                let cells: Vec<&str> = line.split(" | ").collect();
                let meaning = cells.last().unwrap().trim_matches(['|', ' ']);
                assert!(!meaning.is_empty(), "{path}: {line}");
            }
        }
    }
}
