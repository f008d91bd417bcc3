//! What arms apply: YAML documents to objects. Pure.

use std::collections::BTreeSet;

use kube::core::GroupVersionKind;
use serde_json::{Value, json};

/// The annotation of objects that a study made, by its UID: these go after a
/// trial, and no others.
pub const MADE_BY: &str = "tanso.dev/made-by-study";

/// An object to apply.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// Its kind.
    pub kind: GroupVersionKind,
    /// Its name.
    pub name: String,
    /// Its namespace, where it names one.
    pub namespace: Option<String>,
    /// All of it.
    pub object: Value,
}

/// Which object, whatever it says.
pub type Identity = (String, String, String, Option<String>, String);

impl Manifest {
    /// Which object it is.
    #[must_use]
    pub fn identity(&self) -> Identity {
        let GroupVersionKind {
            group,
            version,
            kind,
        } = self.kind.clone();
        (
            group,
            version,
            kind,
            self.namespace.clone(),
            self.name.clone(),
        )
    }

    /// The same, marked as made by a study.
    #[must_use]
    pub fn marked(&self, study: &str) -> Value {
        let mut object = self.object.clone();
        object["metadata"]["annotations"][MADE_BY] = json!(study);
        object
    }
}

/// What stands for values in a source of changes.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The arm.
    pub arm: &'a str,
    /// The block.
    pub block: u32,
    /// The trial.
    pub trial: u32,
    /// The change, from 1; 0 where there is none.
    pub change: u32,
}

/// The objects of some YAML documents, their placeholders filled in.
///
/// # Errors
/// All that is wrong with it, a sentence each.
pub fn objects(text: &str, place: Place<'_>) -> Result<Vec<Manifest>, Vec<String>> {
    let text = text
        .replace("${ARM}", place.arm)
        .replace("${BLOCK}", &place.block.to_string())
        .replace("${TRIAL}", &place.trial.to_string())
        .replace("${CHANGE}", &place.change.to_string());
    let (mut found, mut faults) = (Vec::new(), Vec::new());
    for (number, document) in (1..).zip(documents(&text)) {
        let parsed: Result<Value, _> = serde_saphyr::from_str(&document);
        match parsed {
            // A document of comments alone.
            Ok(Value::Null) => {}
            Ok(value) => {
                for object in items(value) {
                    match manifest(object) {
                        Ok(manifest) => found.push(manifest),
                        Err(fault) => faults.push(format!("document {number}: {fault}")),
                    }
                }
            }
            Err(error) => faults.push(format!("document {number}: {error}")),
        }
    }
    if found.is_empty() && faults.is_empty() {
        faults.push("there is no object in it".to_owned());
    }
    if faults.is_empty() {
        Ok(found)
    } else {
        Err(faults)
    }
}

fn documents(text: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    for line in text.lines() {
        if line.trim_end() == "---" {
            all.push(String::new());
        } else if let Some(last) = all.last_mut() {
            last.push_str(line);
            last.push('\n');
        }
    }
    all.retain(|document| !document.trim().is_empty());
    all
}

/// A list's items, or the object itself.
fn items(mut value: Value) -> Vec<Value> {
    let is_list = value["kind"].as_str().is_some_and(|kind| kind == "List");
    match value.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) if is_list => items,
        Some(items) => {
            value["items"] = items;
            vec![value]
        }
        None => vec![value],
    }
}

fn manifest(object: Value) -> Result<Manifest, String> {
    let text = |path: &str| object.pointer(path).and_then(Value::as_str);
    let needed = |path: &'static str| {
        text(path).ok_or_else(|| format!("{} is missing", path.trim_start_matches('/')))
    };
    let (version, kind) = (needed("/apiVersion")?, needed("/kind")?);
    let name = needed("/metadata/name")?;
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    Ok(Manifest {
        kind: GroupVersionKind::gvk(group, version, kind),
        name: name.to_owned(),
        namespace: text("/metadata/namespace").map(str::to_owned),
        object,
    })
}

/// The same without those that stand a second time.
#[must_use]
pub fn distinct(all: Vec<Manifest>) -> Vec<Manifest> {
    let mut seen = BTreeSet::new();
    let mut all = all;
    all.retain(|one| seen.insert(one.identity()));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place<'_> = Place {
        arm: "flux",
        block: 2,
        trial: 7,
        change: 3,
    };

    #[test]
    fn documents_and_lists_are_objects_and_placeholders_their_values() {
        let text = "# a comment\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: x}\n\
                    data: {revision: '${ARM}-${BLOCK}-${TRIAL}-${CHANGE}'}\n---\n\
                    {apiVersion: v1, kind: List, items: [{apiVersion: apps/v1, kind: Deployment, metadata: {name: b}}]}\n";
        let found = objects(text, PLACE).unwrap();
        assert_eq!(found[0].object["data"]["revision"], "flux-2-7-3");
        assert_eq!(found[0].namespace.as_deref(), Some("x"));
        assert_eq!(
            found[1].kind,
            GroupVersionKind::gvk("apps", "v1", "Deployment")
        );
        assert_eq!((found.len(), found[1].namespace.as_deref()), (2, None));
        let marked = found[1].marked("u1");
        assert_eq!(marked["metadata"]["annotations"][MADE_BY], "u1");
        assert_eq!(distinct([found.clone(), found].concat()).len(), 2);
    }

    #[test]
    fn what_is_no_object_is_told_by_document() {
        let told = |text: &str| objects(text, PLACE).unwrap_err().join("; ");
        let two = "kind: A\nmetadata: {name: a}\n---\napiVersion: v1\nkind: A\n";
        assert_eq!(
            told(two),
            "document 1: apiVersion is missing; document 2: metadata/name is missing"
        );
        assert!(told("a: [").starts_with("document 1: "));
        assert_eq!(told("# nothing\n"), "there is no object in it");
    }
}
