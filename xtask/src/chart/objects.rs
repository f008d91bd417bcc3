//! Rendered objects by kind and name, and where two renders of one installation
//! differ.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde_json::{Map, Value};

/// An object's kind and name, and the object.
pub(crate) type Objects = BTreeMap<String, Value>;

/// Labels that only a chart's objects carry.
const CHART_LABELS: [&str; 3] = [
    "helm.sh/chart",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/managed-by",
];

/// The objects of a stream of YAML documents, in their order.
///
/// # Errors
/// When a document is no YAML.
pub(super) fn documents(text: &str) -> Result<Vec<Value>> {
    let mut all = Vec::new();
    for document in text.split("\n---") {
        let document = document.trim_start_matches("---");
        let object = serde_saphyr::from_str::<Option<Value>>(document)
            .with_context(|| format!("reading a rendered object: {document}"))?;
        all.extend(object);
    }
    Ok(all)
}

/// The objects of a stream of YAML documents by kind and name, as they are.
///
/// # Errors
/// When a document is no YAML.
pub(crate) fn unchanged(text: &str) -> Result<Objects> {
    let mut all = Objects::new();
    for object in documents(text)? {
        let kind = object["kind"].as_str().unwrap_or_default();
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        all.insert(format!("{kind}/{name}"), object);
    }
    Ok(all)
}

/// As [`unchanged`], without what only a chart adds.
///
/// # Errors
/// As there.
pub(super) fn objects(text: &str) -> Result<Objects> {
    let mut all = unchanged(text)?;
    for object in all.values_mut() {
        plain(object);
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
    let rules = object.pointer_mut("/spec/groups");
    for group in rules.and_then(Value::as_array_mut).into_iter().flatten() {
        for rule in group["rules"].as_array_mut().into_iter().flatten() {
            // kustomize writes a folded line of an expression as two.
            if let Some(text) = rule["expr"].as_str() {
                let words: Vec<&str> = text.split_whitespace().collect();
                rule["expr"] = Value::String(words.join(" "));
            }
        }
    }
}

/// What one side has and the other has not, or has otherwise.
pub(super) fn differences(chart: &Objects, ours: &Objects) -> Vec<String> {
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
    fn how_an_expression_is_broken_into_lines_makes_no_difference_and_its_words_do() {
        let rule = |expression: &str| {
            let text = format!(
                "kind: R\nmetadata: {{name: r}}\nspec: {{groups: [{{rules: [{{expr: {expression:?}}}]}}]}}\n"
            );
            objects(&text).unwrap()
        };
        let none: Vec<String> = Vec::new();
        assert_eq!(differences(&rule("a (\n  b)"), &rule("a (\n\n  b)")), none);
        assert_eq!(differences(&rule("a (b)"), &rule("a (c)")).len(), 1);
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
