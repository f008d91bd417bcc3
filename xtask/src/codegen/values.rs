//! The part of the chart's schema that the kinds decide: what may stand in the
//! specs that values carry. A wrong key there is refused by Helm with its place,
//! before anything is sent.

use anyhow::{Context as _, Result};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Map, Value, json};

use super::Generated;

/// The schema, of which `definitions` is generated and all else written by hand.
const FILE: &str = "charts/tanso/values.schema.json";

/// The schema with the specs of these kinds, each under its definition's name.
pub(super) fn schema(kinds: &[(&str, CustomResourceDefinition)]) -> Result<Generated> {
    let text = super::chart::read(FILE)?;
    let mut schema: Value =
        serde_json::from_str(&text).with_context(|| format!("reading \"{FILE}\""))?;
    let mut definitions = Map::new();
    for (name, kind) in kinds {
        definitions.insert((*name).to_owned(), spec(kind)?);
    }
    schema["definitions"] = Value::Object(definitions);
    let text = serde_json::to_string_pretty(&schema).context("writing JSON")?;
    Ok((FILE.to_owned(), format!("{text}\n")))
}

fn spec(kind: &CustomResourceDefinition) -> Result<Value> {
    let version = kind.spec.versions.first();
    let schema = version.and_then(|version| version.schema.as_ref());
    let schema = serde_json::to_value(schema).context("reading a kind's schema")?;
    let spec = schema.pointer("/openAPIV3Schema/properties/spec");
    let name = kind.metadata.name.as_deref().unwrap_or_default();
    Ok(closed(
        spec.with_context(|| format!("\"{name}\" has no spec"))?,
    ))
}

/// As JSON schema, without prose, and with no key but those that are named.
fn closed(schema: &Value) -> Value {
    let Some(fields) = schema.as_object() else {
        return schema.clone();
    };
    let mut out = Map::new();
    for (key, value) in fields {
        match key.as_str() {
            "properties" => {
                let all = value.as_object().into_iter().flatten();
                let all = all.map(|(name, schema)| (name.clone(), closed(schema)));
                out.insert(key.clone(), Value::Object(all.collect()));
                out.insert("additionalProperties".into(), Value::Bool(false));
            }
            "items" | "additionalProperties" => {
                out.insert(key.clone(), closed(value));
            }
            // Formats are those of Kubernetes, prose and defaults the API server's.
            "description" | "default" | "format" | "nullable" | "title" => {}
            name if name.starts_with("x-kubernetes-") => {}
            _ => {
                out.insert(key.clone(), value.clone());
            }
        }
    }
    if fields.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true)) {
        out.insert("type".into(), json!(["integer", "string"]));
    }
    // Helm takes a null for a default that is to go.
    if fields.get("nullable") == Some(&Value::Bool(true)) {
        return or_null(out);
    }
    Value::Object(out)
}

fn or_null(mut schema: Map<String, Value>) -> Value {
    if let Some(kind) = schema.get_mut("type") {
        let mut kinds = match kind.take() {
            Value::Array(kinds) => kinds,
            one => vec![one],
        };
        kinds.push(json!("null"));
        *kind = Value::Array(kinds);
    }
    if let Some(words) = schema.get_mut("enum").and_then(Value::as_array_mut)
        && !words.contains(&Value::Null)
    {
        words.push(Value::Null);
    }
    Value::Object(schema)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_named_keys_are_taken_and_free_ones_stay_free() {
        let schema = closed(&json!({
            "type": "object",
            "description": "prose",
            "properties": {
                "size": {"x-kubernetes-int-or-string": true},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}, "nullable": true},
                "list": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "string", "default": "b"}}}},
                "word": {"type": "string", "enum": ["A"], "nullable": true},
            },
            "required": ["size"],
        }));
        assert_eq!(
            schema,
            json!({
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "size": {"type": ["integer", "string"]},
                    "labels": {"type": ["object", "null"], "additionalProperties": {"type": "string"}},
                    "list": {"type": "array", "items": {
                        "type": "object",
                        "additionalProperties": false,
                        "properties": {"a": {"type": "string"}},
                    }},
                    "word": {"type": ["string", "null"], "enum": ["A", null]},
                },
                "required": ["size"],
            })
        );
    }

    #[test]
    fn a_field_called_description_is_a_field() {
        let schema = closed(&json!({"properties": {"description": {"type": "string"}}}));
        assert_eq!(
            schema["properties"]["description"],
            json!({"type": "string"})
        );
    }
}
