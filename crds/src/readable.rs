//! An object as far as this version can read it.
//!
//! The kinds are open to later versions: one may know a word that this one does
//! not, and be rolled back. Were one such object an error of its whole list, all
//! others would no longer be seen. Whoever lists reads each alone; nothing here
//! asks a cluster.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use kube::Resource;
use kube::core::PartialObjectMeta;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Most letters of a reason: a list of accepted words can be long.
const REASON_MAX: usize = 500;

/// An object, or what is known of one that cannot be read; without the list of who
/// manages which field, which nobody here asks for and takes as much room as all else.
#[derive(Clone, Debug)]
pub struct Readable<K>(pub Result<K, Unreadable>);

/// An object that a later version wrote, or that nobody should have let in.
#[derive(Clone, Debug)]
pub struct Unreadable {
    /// The first field that cannot be read, as in `spec.intensity.source`; empty
    /// where it is the object itself.
    pub field: String,
    /// Why not, with what is accepted.
    pub reason: String,
    /// Who it is.
    pub metadata: ObjectMeta,
    /// Its spec as it is.
    pub spec: Value,
    /// What its status says.
    pub conditions: Vec<Condition>,
}

impl Unreadable {
    /// Field and reason, as in ``spec.intensity.source: unknown variant `Oracle` ``.
    #[must_use]
    pub fn why(&self) -> String {
        if self.field.is_empty() {
            self.reason.clone()
        } else {
            format!("{}: {}", self.field, self.reason)
        }
    }
}

impl<K> Readable<K> {
    /// The object, if it can be read.
    #[must_use]
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
        if let Some(Value::Object(metadata)) = value.get_mut("metadata") {
            metadata.remove("managedFields");
        }
        let fault = match K::deserialize(&value) {
            Ok(object) => return Ok(Self(Ok(object))),
            Err(fault) => fault.to_string(),
        };
        let (field, reason) = fault_at::<K>(&value).unwrap_or((String::new(), fault));
        let conditions = value
            .pointer("/status/conditions")
            .and_then(|found| Vec::deserialize(found).ok())
            .unwrap_or_default();
        let spec = value.get_mut("spec").map(Value::take).unwrap_or_default();
        let rest = PartialObjectMeta::<K>::deserialize(&value).map_err(D::Error::custom)?;
        Ok(Self(Err(Unreadable {
            field,
            reason: reason.chars().take(REASON_MAX).collect(),
            metadata: rest.metadata,
            spec,
            conditions,
        })))
    }
}

/// Where the fault is, and what it is. Paths are followed only where there is a
/// fault: most objects have none.
fn fault_at<K: DeserializeOwned>(value: &Value) -> Option<(String, String)> {
    let fault = serde_path_to_error::deserialize::<_, K>(value).err()?;
    let is_root = fault.path().iter().next().is_none();
    let field = if is_root {
        String::new()
    } else {
        fault.path().to_string()
    };
    Some((field, fault.into_inner().to_string()))
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

#[cfg(test)]
mod tests {
    use kube::ResourceExt as _;
    use serde_json::json;

    use super::*;
    use crate::CarbonPolicy;

    fn policy(name: &str, source: &str) -> Value {
        json!({"apiVersion": "tanso.dev/v1alpha1", "kind": "CarbonPolicy",
            "metadata": {"name": name, "namespace": "shop", "uid": name, "generation": 3},
            "spec": {"site": {"zone": "KR", "timeZone": "Asia/Seoul"},
                "intensity": {"source": source, "static": {"gramsPerKwh": 417, "reference": "a"}},
                "regulations": []}})
    }

    #[test]
    fn one_object_that_a_later_version_wrote_hides_no_other() {
        let list = json!([policy("newer", "Oracle"), policy("known", "Static")]);
        let read: Vec<Readable<CarbonPolicy>> = serde_json::from_value(list).unwrap();
        assert_eq!(read[1].known().unwrap().name_any(), "known");
        assert_eq!(
            (read[0].name_any(), read[0].known()),
            ("newer".into(), None)
        );
        let unreadable = read[0].0.as_ref().unwrap_err();
        assert_eq!(unreadable.spec["intensity"]["source"], "Oracle");
        assert_eq!(unreadable.metadata.generation, Some(3));
    }

    /// Of a thousand policies they took many megabytes.
    #[test]
    fn who_manages_which_field_is_not_kept() {
        for source in ["Static", "Oracle"] {
            let mut object = policy("known", source);
            let managed = json!([{"manager": "kubectl", "operation": "Update",
                "apiVersion": "tanso.dev/v1alpha1", "time": "2026-10-05T07:00:00Z",
                "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:site": {"f:zone": {}}}}}]);
            object["metadata"]["managedFields"] = managed;
            let read: Readable<CarbonPolicy> = serde_json::from_value(object).unwrap();
            assert_eq!(read.0.is_ok(), source == "Static");
            assert_eq!(
                (read.name_any(), read.managed_fields()),
                ("known".into(), &[][..])
            );
            assert_eq!(read.meta().generation, Some(3));
        }
    }

    /// The reason alone was told: which of a dozen fields knew no `Oracle` was not.
    #[test]
    fn the_field_that_cannot_be_read_is_named_with_what_is_accepted() {
        let read = |object: Value| -> Unreadable {
            let read: Readable<CarbonPolicy> = serde_json::from_value(object).unwrap();
            read.0.unwrap_err()
        };
        let newer = read(policy("newer", "Oracle"));
        assert_eq!(newer.field, "spec.intensity.source");
        let why = newer.why();
        assert!(why.starts_with("spec.intensity.source: unknown variant `Oracle`"));
        assert!(why.contains("`Static`"), "{why}");
        let mut bare = policy("bare", "Static");
        bare["spec"] = json!({"regulations": []});
        let bare = read(bare);
        assert_eq!(
            (&*bare.field, &*bare.reason),
            ("spec", "missing field `site`")
        );
        let mut none = policy("none", "Static");
        none.as_object_mut().unwrap().remove("spec");
        assert_eq!(read(none).why(), "missing field `spec`");
    }
}
