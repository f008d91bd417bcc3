//! What is delivered: small applications of four objects each, of which one
//! changes, and Flux's own objects for them. Nothing in the cluster acts on
//! any of it, so that what differs between arms is delivery alone.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::json;

/// Bytes of the settings that never change.
const SETTINGS_BYTES: usize = 2_048;

/// The name of an application, from its number.
pub(super) fn name(number: usize) -> String {
    format!("app-{number:03}")
}

/// The namespace, and a pod that stands for a workload.
pub(super) fn namespace(namespace: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {namespace}}}\n---\n\
         apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: load, namespace: {namespace}}}\n---\n\
         apiVersion: v1\nkind: Pod\nmetadata: {{name: load, namespace: {namespace}}}\nspec:\n  \
         serviceAccountName: load\n  automountServiceAccountToken: false\n  terminationGracePeriodSeconds: 0\n  \
         containers:\n  - {{name: load, image: {}, imagePullPolicy: Never}}\n",
        crate::cluster::PAUSE_IMAGE
    )
}

/// An application's objects, as they stand in Git and as a script applies them.
pub(super) fn manifests(namespace: &str, number: usize, revision: &str) -> String {
    let name = name(number);
    let mut settings = String::new();
    for key in 0..SETTINGS_BYTES / 64 {
        // Writing to a string cannot fail.
        let _ = writeln!(settings, "  key-{key:03}: \"{:0>48}\"", number * 1000 + key);
    }
    format!(
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  namespace: {namespace}\n  \
         labels: {{study.tanso.dev/watched: revision}}\ndata:\n  revision: \"{revision}\"\n\
         ---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}-settings, namespace: {namespace}}}\ndata:\n{settings}\
         ---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
         ---\napiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
         rules:\n- {{apiGroups: [\"\"], resources: [configmaps], resourceNames: [{name}], verbs: [get]}}\n"
    )
}

/// Flux's source and all Kustomizations, of which the first `active` deliver.
pub(super) fn flux(url: &str, interval: Duration, all: usize, active: usize) -> String {
    let interval = format!("{}s", interval.as_secs());
    let source = json!({
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "GitRepository",
        "metadata": {"name": "study", "namespace": super::FLUX},
        "spec": {"url": url, "interval": interval, "ref": {"branch": "main"}, "timeout": "60s"},
    });
    let kustomizations = (0..all).map(|number| {
        json!({
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
            "kind": "Kustomization",
            "metadata": {"name": name(number), "namespace": super::FLUX},
            "spec": {
                "interval": interval,
                "retryInterval": interval,
                "path": format!("./apps/{}", name(number)),
                "prune": true,
                "suspend": number >= active,
                "sourceRef": {"kind": "GitRepository", "name": "study"},
            },
        })
    });
    let all: Vec<_> = std::iter::once(source).chain(kustomizations).collect();
    json!({"apiVersion": "v1", "kind": "List", "items": all}).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn an_application_is_four_objects_of_which_one_says_the_revision() {
        let text = manifests("study", 7, "trial-1-0");
        let documents: Vec<Value> = text
            .split("---\n")
            .filter(|text| !text.is_empty())
            .map(|text| serde_saphyr::from_str(text).unwrap())
            .collect();
        let kinds: Vec<_> = documents
            .iter()
            .map(|one| one["kind"].as_str().unwrap())
            .collect();
        assert_eq!(kinds, ["ConfigMap", "ConfigMap", "ServiceAccount", "Role"]);
        assert_eq!(documents[0]["data"]["revision"], "trial-1-0");
        assert_eq!(documents[1]["data"].as_object().unwrap().len(), 32);
        assert!(documents.iter().all(|one| {
            one["metadata"]["name"]
                .as_str()
                .unwrap()
                .starts_with("app-007")
        }));
    }

    #[test]
    fn every_kustomization_has_the_interval_and_a_folder_of_its_own() {
        let all: Value =
            serde_json::from_str(&flux("http://x/y.git", Duration::from_mins(10), 3, 2)).unwrap();
        let items = all["items"].as_array().unwrap();
        assert_eq!(items.len(), 4);
        assert!(items.iter().all(|item| item["spec"]["interval"] == "600s"));
        assert_eq!(items[3]["spec"]["path"], "./apps/app-002");
        let suspended: Vec<_> = items
            .iter()
            .map(|item| item["spec"]["suspend"] == true)
            .collect();
        assert_eq!(suspended, [false, false, false, true]);
    }
}
