//! What this version cannot read is told on the object itself.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::core::{ApiResource, DynamicObject};
use kube::{Api, Client};
use tanso_crds::condition::{reasons, types};

use super::apply::{Applier, ApplyFault, Object};
use super::conditions::Conditions;

pub use tanso_crds::readable::{Readable, Unreadable};

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
        reason = unreadable.why(),
        "an object cannot be read by this version"
    );
    applier.write_conditions::<K>(&api, of, &after).await
}

fn said(before: &[Condition], unreadable: &Unreadable, now: Timestamp) -> Vec<Condition> {
    let mut after = before.to_vec();
    let message = format!(
        "this version of tanso cannot read it: {}; run the version that wrote it, or change that field",
        unreadable.why()
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
    use serde_json::json;
    use tanso_crds::CarbonPolicy;

    use super::*;

    #[test]
    fn an_object_of_a_later_version_is_stalled_with_the_field_that_it_is_about() {
        let newer = json!({"apiVersion": "tanso.dev/v1alpha1", "kind": "CarbonPolicy",
            "metadata": {"name": "newer", "namespace": "shop", "uid": "newer", "generation": 3},
            "spec": {"site": {"zone": "KR", "timeZone": "Asia/Seoul"},
                "intensity": {"source": "Oracle", "static": {"gramsPerKwh": 417, "reference": "a"}},
                "regulations": []}});
        let read: Readable<CarbonPolicy> = serde_json::from_value(newer).unwrap();
        let unreadable = read.0.unwrap_err();
        let conditions = said(&[], &unreadable, Timestamp::UNIX_EPOCH);
        let stalled = conditions
            .iter()
            .find(|one| one.type_ == "Stalled")
            .unwrap();
        assert_eq!(
            (stalled.status.as_str(), stalled.reason.as_str()),
            ("True", "UnsupportedSchema")
        );
        let message = &stalled.message;
        assert!(
            message.contains("spec.intensity.source: unknown variant `Oracle`"),
            "{message}"
        );
        assert_eq!(stalled.observed_generation, Some(3));
        assert_eq!(said(&conditions, &unreadable, Timestamp::MAX), conditions);
    }
}
