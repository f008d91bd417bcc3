//! An object as far as this version can read it.
//!
//! The kinds are open to later versions: one may know a word that this one does
//! not, and be rolled back. Were one such object an error of its whole list, all
//! others would no longer be seen.

use std::borrow::Cow;
use std::fmt::Debug;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use kube::core::{ApiResource, DynamicObject, PartialObjectMeta};
use kube::{Api, Client, Resource};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use tanso_crds::condition::{reasons, types};

use super::apply::{Applier, ApplyFault, Object};
use super::conditions::Conditions;

/// An object, or what is known of one that cannot be read.
#[derive(Clone, Debug)]
pub struct Readable<K>(pub Result<K, Unreadable>);

/// An object that a later version wrote, or that nobody should have let in.
#[derive(Clone, Debug)]
pub struct Unreadable {
    /// What cannot be read.
    pub reason: String,
    /// Who it is.
    pub metadata: ObjectMeta,
    /// Its spec as it is.
    pub spec: Value,
    /// What its status says.
    pub conditions: Vec<Condition>,
}

impl<K> Readable<K> {
    /// The object, if it can be read.
    pub const fn known(&self) -> Option<&K> {
        match &self.0 {
            Ok(object) => Some(object),
            Err(_) => None,
        }
    }
}

impl<'de, K: Resource + DeserializeOwned> Deserialize<'de> for Readable<K> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut value = Value::deserialize(from)?;
        let reason = match K::deserialize(&value) {
            Ok(object) => return Ok(Self(Ok(object))),
            Err(fault) => fault.to_string(),
        };
        let conditions = value
            .pointer("/status/conditions")
            .and_then(|found| Vec::deserialize(found).ok())
            .unwrap_or_default();
        let spec = value.get_mut("spec").map(Value::take).unwrap_or_default();
        let rest = PartialObjectMeta::<K>::deserialize(&value).map_err(D::Error::custom)?;
        Ok(Self(Err(Unreadable {
            reason,
            metadata: rest.metadata,
            spec,
            conditions,
        })))
    }
}

impl<K: Resource> Resource for Readable<K> {
    type DynamicType = K::DynamicType;
    type Scope = K::Scope;

    fn kind(of: &Self::DynamicType) -> Cow<'_, str> {
        K::kind(of)
    }

    fn group(of: &Self::DynamicType) -> Cow<'_, str> {
        K::group(of)
    }

    fn version(of: &Self::DynamicType) -> Cow<'_, str> {
        K::version(of)
    }

    fn plural(of: &Self::DynamicType) -> Cow<'_, str> {
        K::plural(of)
    }

    fn meta(&self) -> &ObjectMeta {
        match &self.0 {
            Ok(object) => object.meta(),
            Err(unreadable) => &unreadable.metadata,
        }
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        match &mut self.0 {
            Ok(object) => object.meta_mut(),
            Err(unreadable) => &mut unreadable.metadata,
        }
    }
}

/// Says on the object itself that it cannot be read, by its conditions alone: all
/// else of its status is a later version's, and stays.
///
/// # Errors
/// If the API server refuses or is silent.
pub async fn tell<K: Object>(
    client: &Client,
    applier: &Applier,
    unreadable: &Unreadable,
) -> Result<(), ApplyFault> {
    let kind = ApiResource::erase::<K>(&());
    let of = &unreadable.metadata;
    let name = of.name.clone().unwrap_or_default();
    let api: Api<DynamicObject> = match &of.namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &kind),
        None => Api::all_with(client.clone(), &kind),
    };
    if of.deletion_timestamp.is_some() {
        return Ok(());
    }
    let before = &unreadable.conditions;
    let after = said(before, unreadable, Timestamp::now());
    if *before == after {
        return Ok(());
    }
    tracing::warn!(
        kind = %K::kind(&()),
        name,
        reason = unreadable.reason,
        "an object cannot be read by this version"
    );
    applier.write_conditions::<K>(&api, of, &after).await
}

fn said(before: &[Condition], unreadable: &Unreadable, now: Timestamp) -> Vec<Condition> {
    let mut after = before.to_vec();
    let message = format!(
        "this version of tanso cannot read it: {}; run the version that wrote it, or change that field",
        unreadable.reason.chars().take(500).collect::<String>()
    );
    let generation = unreadable.metadata.generation;
    let mut conditions = Conditions::new(&mut after, generation, now);
    let reason = reasons::UNSUPPORTED_SCHEMA;
    conditions.set(types::READY, "False", reason, &message);
    conditions.set(types::RECONCILING, "False", reason, "waiting for a change");
    conditions.set(types::STALLED, "True", reason, &message);
    after
}

#[cfg(test)]
mod tests {
    use kube::ResourceExt as _;
    use serde_json::json;
    use tanso_crds::CarbonPolicy;

    use super::*;

    #[test]
    fn one_object_that_a_later_version_wrote_hides_no_other() {
        let policy = |name: &str, source: &str| {
            json!({"apiVersion": "tanso.dev/v1alpha1", "kind": "CarbonPolicy",
                "metadata": {"name": name, "namespace": "shop", "uid": name, "generation": 3},
                "spec": {"site": {"zone": "KR", "timeZone": "Asia/Seoul"},
                    "intensity": {"source": source, "static": {"gramsPerKwh": 417, "reference": "a"}},
                    "regulations": []}})
        };
        let list = json!([policy("newer", "Oracle"), policy("known", "Static")]);
        let read: Vec<Readable<CarbonPolicy>> = serde_json::from_value(list).unwrap();
        assert_eq!(read[1].known().unwrap().name_any(), "known");
        assert_eq!(
            (read[0].name_any(), read[0].known()),
            ("newer".into(), None)
        );
        let unreadable = read[0].0.as_ref().unwrap_err();
        assert!(
            unreadable.reason.contains("Oracle"),
            "{}",
            unreadable.reason
        );
        assert_eq!(unreadable.spec["intensity"]["source"], "Oracle");
        let conditions = said(&[], unreadable, Timestamp::UNIX_EPOCH);
        let stalled = conditions
            .iter()
            .find(|one| one.type_ == "Stalled")
            .unwrap();
        assert_eq!(
            (stalled.status.as_str(), stalled.reason.as_str()),
            ("True", "UnsupportedSchema")
        );
        assert_eq!(stalled.observed_generation, Some(3));
        assert_eq!(said(&conditions, unreadable, Timestamp::MAX), conditions);
    }
}
