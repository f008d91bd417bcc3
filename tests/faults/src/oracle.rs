//! Tells whether two runs ended alike.
//!
//! Pure. What no two runs share (UIDs, versions, times) is left out; what
//! differs between runs without faults is learned and left out too.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use crate::world::Snapshot;

/// Fields by path, with what is theirs.
pub type Fields = BTreeMap<String, Value>;

/// Fields that tell when or which, not what.
const LEFT_OUT: [&str; 9] = [
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "lastTransitionTime",
    "managedFields",
    "acquireTime",
    "renewTime",
    "leaseTransitions",
    "annotations",
];

/// The state in fields.
#[must_use]
pub fn fields(snapshot: &Snapshot) -> Fields {
    let uids: HashMap<&str, &str> = snapshot
        .objects
        .iter()
        .filter_map(|(key, object)| Some((object["metadata"]["uid"].as_str()?, key.as_str())))
        .collect();
    let mut fields = Fields::new();
    for (key, object) in &snapshot.objects {
        flatten(key, object, &uids, &mut fields);
        let managers: BTreeSet<&str> = object["metadata"]["managedFields"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|entry| entry["manager"].as_str())
            .collect();
        let managers = managers.into_iter().collect::<Vec<_>>().join(" ");
        fields.insert(format!("{key} managers"), Value::from(managers));
    }
    fields
}

fn flatten(path: &str, value: &Value, uids: &HashMap<&str, &str>, fields: &mut Fields) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                if name == "uid"
                    && let Some(owner) = value.as_str().and_then(|uid| uids.get(uid))
                    && path.contains("ownerReferences")
                {
                    fields.insert(format!("{path}.owner"), Value::from(*owner));
                } else if !LEFT_OUT.contains(&name.as_str()) {
                    flatten(&format!("{path}.{name}"), value, uids, fields);
                }
            }
        }
        Value::Array(list) => {
            for (at, value) in list.iter().enumerate() {
                flatten(&format!("{path}[{at}]"), value, uids, fields);
            }
        }
        Value::String(text) => {
            let text = uids.get(text.as_str()).copied().unwrap_or(text);
            fields.insert(path.to_owned(), Value::from(text));
        }
        other => {
            fields.insert(path.to_owned(), other.clone());
        }
    }
}

/// Paths of the fields that are not the same in both.
#[must_use]
pub fn differences(a: &Fields, b: &Fields) -> BTreeSet<String> {
    a.keys()
        .chain(b.keys())
        .filter(|key| a.get(*key) != b.get(*key))
        .cloned()
        .collect()
}

/// What a run must end like.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    fields: Fields,
    /// Fields that differ from run to run by themselves.
    free: BTreeSet<String>,
}

impl Expected {
    /// Learns from the same state of several runs without faults.
    #[must_use]
    pub fn learn(runs: &[Fields]) -> Self {
        let Some((first, others)) = runs.split_first() else {
            return Self::default();
        };
        let free = others
            .iter()
            .flat_map(|other| differences(first, other))
            .collect();
        Self {
            fields: first.clone(),
            free,
        }
    }

    /// Fields that differ from run to run by themselves.
    #[must_use]
    pub const fn free(&self) -> &BTreeSet<String> {
        &self.free
    }

    /// What is not as expected, in words; objects that `but` names are left out.
    #[must_use]
    pub fn unlike(&self, fields: &Fields, but: Option<&str>) -> Vec<String> {
        let is_but = |path: &String| but.is_some_and(|but| path.starts_with(but));
        differences(&self.fields, fields)
            .into_iter()
            .filter(|path| !self.free.contains(path) && !is_but(path))
            .map(|path| {
                let show = |fields: &Fields| {
                    fields
                        .get(&path)
                        .map_or("absent".to_owned(), Value::to_string)
                };
                let (is, wish) = (show(fields), show(&self.fields));
                format!("{path}: is {is}, expected {wish}")
            })
            .collect()
    }
}

/// Objects whose status is of an earlier generation.
#[must_use]
pub fn behind(snapshot: &Snapshot) -> Vec<String> {
    let mut behind = Vec::new();
    for (key, object) in &snapshot.objects {
        let is_ours = object["apiVersion"] == "tanso.dev/v1alpha1";
        if !is_ours || object["kind"] == "CarbonReport" {
            continue;
        }
        let generation = &object["metadata"]["generation"];
        let conditions = object["status"]["conditions"].as_array();
        let of_conditions = conditions
            .into_iter()
            .flatten()
            .map(|condition| &condition["observedGeneration"]);
        let mut all = of_conditions.chain([&object["status"]["observedGeneration"]]);
        if !all.all(|observed| observed == generation) {
            behind.push(key.clone());
        }
    }
    behind
}

/// Resource versions of all objects but leases.
#[must_use]
pub fn versions(snapshot: &Snapshot) -> BTreeMap<String, Value> {
    let but_leases = snapshot
        .objects
        .iter()
        .filter(|(key, _)| !key.starts_with("leases"));
    but_leases
        .map(|(key, object)| (key.clone(), object["metadata"]["resourceVersion"].clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn snapshot(objects: &[(&str, Value)]) -> Snapshot {
        let objects = objects
            .iter()
            .map(|(key, object)| ((*key).to_owned(), object.clone()))
            .collect();
        Snapshot { objects }
    }

    #[test]
    fn a_new_uid_is_no_difference_and_a_new_owner_is() {
        let run = |owner: &str, child_owner: &str| {
            fields(&snapshot(&[
                ("powermonitors /a", json!({"metadata": {"uid": owner}})),
                (
                    "services x/b",
                    json!({"metadata": {"ownerReferences": [{"uid": child_owner}]}}),
                ),
            ]))
        };
        assert!(differences(&run("1", "1"), &run("2", "2")).is_empty());
        assert!(!differences(&run("1", "1"), &run("2", "1")).is_empty());
    }

    #[test]
    fn what_differs_by_itself_is_learned_and_all_else_is_told() {
        let run = |noise: u32, signal: u32| {
            fields(&snapshot(&[(
                "a x/y",
                json!({"noise": noise, "signal": signal}),
            )]))
        };
        let expected = Expected::learn(&[run(1, 7), run(2, 7)]);
        assert!(expected.unlike(&run(3, 7), None).is_empty());
        assert_eq!(
            expected.unlike(&run(3, 8), None),
            ["a x/y.signal: is 8, expected 7"]
        );
    }

    #[test]
    fn a_status_of_an_earlier_generation_is_behind() {
        let object = |observed: u32| {
            json!({"apiVersion": "tanso.dev/v1alpha1", "kind": "PowerMonitor",
            "metadata": {"generation": 2}, "status": {"observedGeneration": 2,
                "conditions": [{"observedGeneration": observed}]}})
        };
        assert!(behind(&snapshot(&[("p", object(2))])).is_empty());
        assert_eq!(behind(&snapshot(&[("p", object(1))])), ["p"]);
    }
}
