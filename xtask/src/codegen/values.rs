//! The parts of the chart's schema that others decide: what may stand in the
//! specs and in Kubernetes' own words that values carry, and what no null may
//! take away. A wrong key is refused by Helm with its place, before anything is
//! sent.

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::{Affinity, Toleration};
use k8s_openapi::api::networking::v1::NetworkPolicyEgressRule;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::Generated;

/// The schema, of which `definitions` and `required` are generated and all else
/// written by hand.
const FILE: &str = "charts/tanso/values.schema.json";

/// The defaults.
const VALUES: &str = "charts/tanso/values.yaml";

/// Values below which anything may be taken away: a limit, say.
const MAY_GO: [&str; 1] = ["/operator/resources"];

/// The schema with the specs of these kinds, each under its definition's name.
pub(super) fn schema(kinds: &[(&str, CustomResourceDefinition)]) -> Result<Generated> {
    let text = super::chart::read(FILE)?;
    let mut schema: Value =
        serde_json::from_str(&text).with_context(|| format!("reading \"{FILE}\""))?;
    let mut definitions = Map::new();
    for (name, kind) in kinds {
        definitions.insert((*name).to_owned(), spec(kind)?);
    }
    definitions.insert("affinity".to_owned(), of_kubernetes::<Affinity>()?);
    definitions.insert(
        "egressRule".to_owned(),
        of_kubernetes::<NetworkPolicyEgressRule>()?,
    );
    definitions.insert("toleration".to_owned(), of_kubernetes::<Toleration>()?);
    schema["definitions"] = Value::Object(definitions);
    let defaults = super::chart::read(VALUES)?;
    let defaults: Value =
        serde_saphyr::from_str(&defaults).with_context(|| format!("reading \"{VALUES}\""))?;
    require(&mut schema, &defaults, "");
    let text = serde_json::to_string_pretty(&schema).context("writing JSON")?;
    Ok((FILE.to_owned(), format!("{text}\n")))
}

/// A type of Kubernetes itself, with all that it is made of.
fn of_kubernetes<T: JsonSchema>() -> Result<Value> {
    let settings = SchemaSettings::draft07().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let schema = settings.into_generator().into_root_schema_for::<T>();
    let schema = serde_json::to_value(schema).context("reading a type's schema")?;
    Ok(closed(&schema))
}

/// Requires each value that has a default of its own. Helm takes a default away
/// where somebody gives null for it, and a template would then fail in words that
/// name no value, or render nothing in its place.
fn require(schema: &mut Value, defaults: &Value, place: &str) {
    if MAY_GO.contains(&place) {
        return;
    }
    let (Some(defaults), Some(properties)) = (
        defaults.as_object(),
        schema.get_mut("properties").and_then(Value::as_object_mut),
    ) else {
        return;
    };
    let mut required: Vec<&String> = Vec::new();
    for (name, default) in defaults {
        if !is_nothing(default) {
            required.push(name);
        }
        if let Some(below) = properties.get_mut(name) {
            require(below, default, &format!("{place}/{name}"));
        }
    }
    required.sort_unstable();
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
}

/// Whether null says the same.
fn is_nothing(default: &Value) -> bool {
    match default {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    }
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
    fn a_default_that_says_something_is_required_and_what_null_says_too_is_not() {
        let object = |properties: Value| json!({"type": "object", "properties": properties});
        let mut schema = object(json!({
            "operator": object(json!({
                "replicas": {}, "affinity": {}, "spare": {}, "quiet": {},
                "resources": object(json!({"limits": {}})),
            })),
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        }));
        let defaults = json!({
            "operator": {
                "replicas": 1, "affinity": {}, "spare": "", "quiet": false,
                "resources": {"limits": {"cpu": "1"}},
            },
            "labels": {"a": "b"},
        });
        require(&mut schema, &defaults, "");
        assert_eq!(schema["required"], json!(["labels", "operator"]));
        let operator = &schema["properties"]["operator"];
        assert_eq!(operator["required"], json!(["replicas", "resources"]));
        // A limit may be taken away, and a label.
        assert!(operator["properties"]["resources"]["required"].is_null());
        assert!(schema["properties"]["labels"]["required"].is_null());
    }

    #[test]
    fn a_rule_of_the_network_takes_ports_and_no_port() {
        let rule = of_kubernetes::<NetworkPolicyEgressRule>().unwrap();
        assert_eq!(rule["additionalProperties"], json!(false));
        let fields: Vec<&String> = rule["properties"].as_object().unwrap().keys().collect();
        assert_eq!(fields, ["ports", "to"]);
        let port = &rule["properties"]["ports"]["items"];
        assert_eq!(port["additionalProperties"], json!(false));
        assert_eq!(
            port["properties"]["port"],
            json!({"type": ["integer", "string"]})
        );
        assert!(!rule.to_string().contains("$ref"), "{rule}");
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
