//! The operator's rights against what it really asks for: none is missing, and
//! none is there that nothing uses.
//!
//! Pure. Granted is what `config/rbac/{operator,actions}.yaml` say, used is what the
//! proxy saw in runs without faults, with the operator's own account.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::call::Call;

/// A verb on a resource.
pub type Right = (String, String);

/// Rights that these runs do not use: resource, verbs, and what does.
const ELSEWHERE: [(&str, &[&str], &str); 13] = [
    (
        "powermonitors/finalizers carbonpolicies/finalizers clustercarbonpolicies/finalizers",
        &["update"],
        "clusters that check owner references (OpenShift)",
    ),
    (
        "clusterroles",
        &["bind"],
        "asked by the API server itself when the agents are bound",
    ),
    (
        "clusterrolebindings configmaps",
        &["delete"],
        "a monitor whose spec no longer asks for what it had: operator/tests/api_power_monitor.rs",
    ),
    (
        "events",
        &["patch"],
        "an Event that is said again within six minutes",
    ),
    (
        "carbonreports",
        &["get"],
        "a page that the status does not name yet, and one that goes",
    ),
    (
        "reports",
        &["get", "list", "create", "patch", "delete"],
        "Reports of openreports.io: operator/tests/api_carbon_policy/open_reports.rs",
    ),
    (
        "secrets persistentvolumeclaims poddisruptionbudgets networkpolicies servicemonitors certificates",
        &["create", "patch", "delete"],
        "what a PowerMonitor may ask for: operator/tests/api_power_monitor.rs",
    ),
    (
        "secrets",
        &["get"],
        "credentials of intensity services: operator/tests/api_carbon_policy.rs",
    ),
    (
        "energystudies energystudies/status",
        &["get", "patch"],
        "a study that runs: operator/tests/api_energy_study.rs",
    ),
    (
        "tokenreviews subjectaccessreviews",
        &["create"],
        "who asks over MCP: operator/src/mcp.rs",
    ),
    (
        "configmaps",
        &["get", "list"],
        "tables and rules of the user: operator/tests/api_carbon_policy.rs",
    ),
    (
        "leases",
        &["create", "update"],
        "taking, keeping and giving back the lease",
    ),
    (
        "services deployments serviceaccounts",
        &["delete"],
        "a model server that is switched off",
    ),
];

/// What the rules of a YAML stream of roles grant.
///
/// # Errors
/// If it is no YAML of roles, or grants by wildcard.
pub fn granted(yaml: &str) -> Result<BTreeSet<Right>> {
    let mut rights = BTreeSet::new();
    for document in yaml.split("\n---\n") {
        let object: Value = serde_saphyr::from_str(document).context("reading the roles")?;
        for rule in object["rules"].as_array().into_iter().flatten() {
            let words = |field: &str| -> Vec<&str> {
                let list = rule[field].as_array().into_iter().flatten();
                list.filter_map(Value::as_str).collect()
            };
            for field in ["apiGroups", "resources", "verbs"] {
                let has_wildcard = words(field).iter().any(|word| word.contains('*'));
                ensure!(!has_wildcard, "a wildcard in {field}: {rule}");
            }
            for resource in words("resources") {
                for verb in words("verbs") {
                    rights.insert((resource.to_owned(), verb.to_owned()));
                }
            }
        }
    }
    Ok(rights)
}

/// What these calls used; who creates by a patch needs both.
pub fn used<'a>(
    calls: impl Iterator<Item = &'a Call>,
    created: impl Iterator<Item = &'a String>,
) -> BTreeSet<Right> {
    let asked = calls.map(|call| (call.resource.clone(), call.verb.to_owned()));
    let made = created.filter_map(|object| {
        let resource = object.split(' ').next()?;
        Some((resource.to_owned(), "create".to_owned()))
    });
    asked.chain(made).collect()
}

/// Compares them; says how many there are of each.
///
/// # Errors
/// If something was used that is not granted, or granted and used by nothing.
pub fn compare(granted: &BTreeSet<Right>, used: &BTreeSet<Right>) -> Result<String> {
    let missing: Vec<_> = used.difference(granted).collect();
    ensure!(missing.is_empty(), "used and not granted: {missing:?}");
    let elsewhere: BTreeSet<Right> = ELSEWHERE
        .iter()
        .flat_map(|(resources, verbs, _)| {
            resources.split(' ').flat_map(move |resource| {
                verbs
                    .iter()
                    .map(move |verb| (resource.to_owned(), (*verb).to_owned()))
            })
        })
        .collect();
    let idle: Vec<_> = granted
        .difference(used)
        .filter(|right| !elsewhere.contains(right))
        .collect();
    ensure!(idle.is_empty(), "granted and used by nothing: {idle:?}");
    let here = granted.intersection(used).count();
    Ok(format!(
        "rights: {} granted, {here} used here, {} by what is named in rights.rs, none idle, none missing",
        granted.len(),
        granted.len() - here,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLES: &str = "kind: Role\nrules:\n  - apiGroups: ['']\n    resources: [services, pods]\n    verbs: [get, patch]\n---\nkind: ServiceAccount\n";

    fn right(resource: &str, verb: &str) -> Right {
        (resource.to_owned(), verb.to_owned())
    }

    #[test]
    fn an_idle_right_and_a_missing_one_are_both_told() {
        let granted = granted(ROLES).unwrap();
        assert_eq!(granted.len(), 4);
        let mut used = granted.clone();
        assert!(
            compare(&granted, &used)
                .unwrap()
                .contains("4 granted, 4 used here")
        );
        used.remove(&right("pods", "patch"));
        let idle = compare(&granted, &used).unwrap_err().to_string();
        assert!(
            idle.contains("pods") && idle.contains("by nothing"),
            "{idle}"
        );
        used.insert(right("nodes", "delete"));
        let missing = compare(&granted, &used).unwrap_err().to_string();
        assert!(missing.contains("not granted"), "{missing}");
    }

    #[test]
    fn a_wildcard_is_refused() {
        let roles = ROLES.replace("[get, patch]", "['*']");
        assert!(granted(&roles).is_err());
    }

    #[test]
    fn the_installation_grants_no_wildcard() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../config/rbac/operator.yaml"
        );
        let rights = granted(&std::fs::read_to_string(path).unwrap()).unwrap();
        assert!(rights.contains(&right("powermonitors/status", "patch")));
        for dangerous in ["nodes/proxy", "pods/exec", "roles", "serviceaccounts/token"] {
            assert!(
                rights.iter().all(|(resource, _)| resource != dangerous),
                "{dangerous}"
            );
        }
    }
}
