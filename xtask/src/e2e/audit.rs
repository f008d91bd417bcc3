//! The API server's own record of a run against what the installation grants:
//! nothing was asked for in vain, and nothing is granted that nothing uses.
//!
//! Reads the audit log and the roles of the cluster; changes nothing there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::demo::session::{NAMESPACE, Session};
use crate::workspace;

/// What is recorded: who asks for what, of tanso's own accounts alone.
const POLICY: &str = r#"apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: Metadata
    userGroups: ["system:serviceaccounts:tanso-system"]
  - level: None
"#;

/// The roles that the installation brings and binds, or lets the operator bind.
const ROLES: [(&str, &str); 5] = [
    ("clusterrole", "tanso-operator"),
    ("role", "tanso-operator"),
    ("clusterrole", "tanso-agent"),
    ("clusterrole", "tanso-token-reviewer"),
    ("clusterrole", "tanso-agent-samples"),
];

/// Rights that these tests do not use: resources, verbs, and what does.
const ELSEWHERE: [(&str, &str, &str); 10] = [
    (
        "powermonitors/finalizers carbonpolicies/finalizers clustercarbonpolicies/finalizers",
        "update",
        "clusters that check owner references (OpenShift)",
    ),
    (
        "clusterroles",
        "bind",
        "asked by the API server itself when agents are bound: it records no request of its own",
    ),
    (
        "energystudies energystudies/status",
        "get patch",
        "a study that runs: operator/tests/api_energy_study.rs",
    ),
    (
        "secrets persistentvolumeclaims poddisruptionbudgets networkpolicies servicemonitors certificates",
        "create patch delete",
        "what a PowerMonitor may ask for: operator/tests/api_power_monitor.rs, `e2e helm`",
    ),
    (
        "reports",
        "get list create patch delete",
        "Reports of OpenReports, of policies that ask for them: operator/tests/api_carbon_policy/open_reports.rs",
    ),
    (
        "secrets",
        "get",
        "credentials of intensity services: operator/tests/api_carbon_policy.rs",
    ),
    (
        "tokenreviews subjectaccessreviews",
        "create",
        "who asks over MCP and HTTP, and agents that ask for tokens: `e2e mcp`, `e2e faces`",
    ),
    (
        "/v1/energy /v1/samples",
        "get post",
        "asked of agents and model server, which ask the API server whether it is allowed: `e2e faces`",
    ),
    (
        "clusterrolebindings configmaps services serviceaccounts deployments",
        "delete",
        "what a monitor's spec no longer asks for, as a model server that is switched off: operator/tests/api_power_monitor.rs",
    ),
    (
        "events",
        "patch",
        "an Event that is said again within six minutes: `e2e faults`",
    ),
];

/// A verb on a resource of a group, or on a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Right {
    group: String,
    resource: String,
    verb: String,
}

/// What an audit log says.
#[derive(Debug, Default)]
struct Found {
    /// Requests that were answered for want of a right.
    refused: BTreeSet<String>,
    /// What was used, by the role that allowed it.
    used: BTreeMap<(String, String), BTreeSet<Right>>,
    /// Requests that were read.
    requests: usize,
}

/// The flags with which an API server records a cluster of that name; an older
/// record is removed.
///
/// # Errors
/// When the policy cannot be written.
pub(super) fn flags(cluster: &str) -> Result<Vec<String>> {
    let (policy, log) = (file(cluster, "policy.yaml"), file(cluster, "log"));
    let folder = policy.parent().context("a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("creating \"{}\"", folder.display()))?;
    fs::write(&policy, POLICY).with_context(|| format!("writing \"{}\"", policy.display()))?;
    if log.exists() {
        fs::remove_file(&log).with_context(|| format!("removing \"{}\"", log.display()))?;
    }
    Ok(vec![
        format!("--audit-policy-file={}", policy.display()),
        format!("--audit-log-path={}", log.display()),
        // Files above it are turned over; a run stays far below.
        "--audit-log-maxsize=1024".to_owned(),
    ])
}

fn file(cluster: &str, what: &str) -> PathBuf {
    workspace::target_dir().join(format!("e2e/audit-{cluster}-{what}"))
}

/// Compares the record of a cluster with what its roles grant; says how many
/// rights there are of each kind, and names those that only other tests use.
///
/// # Errors
/// If something was asked for that is not granted, or a right is used by nothing.
pub(super) fn compare(session: &Session, cluster: &str) -> Result<String> {
    let path = file(cluster, "log");
    let found = read(&path)?;
    let mut granted = BTreeMap::new();
    for (kind, name) in ROLES {
        let words = ["get", kind, name, "-n", NAMESPACE, "-o", "json"];
        granted.insert(
            (kind.to_owned(), name.to_owned()),
            rights(&session.json(&words)?)?,
        );
    }
    judge(&found, &granted)
}

fn read(path: &Path) -> Result<Found> {
    let text =
        fs::read_to_string(path).with_context(|| format!("reading \"{}\"", path.display()))?;
    let mut found = Found::default();
    for line in text.lines() {
        let event = serde_json::from_str(line)
            .with_context(|| format!("a line of \"{}\"", path.display()))?;
        found.add(&event);
    }
    Ok(found)
}

impl Found {
    fn add(&mut self, event: &Value) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        // What is done in another's name is that account's right.
        if !event["impersonatedUser"].is_null() {
            return;
        }
        let note = |key: &str| text(&event["annotations"][format!("authorization.k8s.io/{key}")]);
        let of = &event["objectRef"];
        let resource = match (of["resource"].as_str(), of["subresource"].as_str()) {
            (Some(resource), Some(part)) => format!("{resource}/{part}"),
            (Some(resource), None) => resource.to_owned(),
            // Paths such as /version are everybody's.
            (None, _) => return,
        };
        let right = Right {
            group: text(&of["apiGroup"]),
            resource,
            verb: text(&event["verb"]),
        };
        self.requests += 1;
        if note("decision") != "allow" {
            let who = text(&event["user"]["username"]);
            let Right {
                group,
                resource,
                verb,
            } = right;
            self.refused
                .insert(format!("{who}: {verb} {resource}.{group}"));
            return;
        }
        let Some(role) = role(&note("reason")) else {
            return;
        };
        // Applying what was not there asks for both.
        let is_made = right.verb == "patch" && event["responseStatus"]["code"] == 201;
        let used = self.used.entry(role).or_default();
        if is_made {
            used.insert(Right {
                verb: "create".to_owned(),
                ..right.clone()
            });
        }
        used.insert(right);
    }
}

/// The role that a reason names, as in `RBAC: allowed by RoleBinding "a/b" of
/// Role "a" to ServiceAccount "a/b"`.
fn role(reason: &str) -> Option<(String, String)> {
    let (_, rest) = reason.split_once(" of ")?;
    let (kind, rest) = rest.split_once(" \"")?;
    let (name, _) = rest.split_once('"')?;
    Some((kind.to_lowercase(), name.to_owned()))
}

fn rights(role: &Value) -> Result<BTreeSet<Right>> {
    let mut rights = BTreeSet::new();
    for rule in role["rules"].as_array().into_iter().flatten() {
        let words = |field: &str| -> Vec<&str> {
            let list = rule[field].as_array().into_iter().flatten();
            list.filter_map(Value::as_str).collect()
        };
        let paths = words("nonResourceURLs");
        let groups = if paths.is_empty() {
            words("apiGroups")
        } else {
            vec![""]
        };
        for group in groups {
            for resource in words("resources").iter().chain(&paths) {
                for verb in words("verbs") {
                    let all = [group, resource, verb];
                    ensure!(
                        all.iter().all(|word| !word.contains('*')),
                        "a wildcard: {rule}"
                    );
                    rights.insert(Right {
                        group: group.to_owned(),
                        resource: (*resource).to_owned(),
                        verb: verb.to_owned(),
                    });
                }
            }
        }
    }
    Ok(rights)
}

/// Compares what was found with what is granted.
fn judge(found: &Found, granted: &BTreeMap<(String, String), BTreeSet<Right>>) -> Result<String> {
    ensure!(
        found.requests > 0,
        "the audit log has no request of tanso's"
    );
    if !found.refused.is_empty() {
        bail!("asked for and not granted: {:?}", found.refused);
    }
    let nothing = BTreeSet::new();
    let (mut all, mut here, mut idle, mut excused) = (0, 0, Vec::new(), BTreeSet::new());
    for (role, rights) in granted {
        // What a role of the cluster allows already is used by that name.
        let wide = ("clusterrole".to_owned(), role.1.clone());
        let of = |role| found.used.get(role).unwrap_or(&nothing);
        for right in rights {
            all += 1;
            if of(role).contains(right) || of(&wide).contains(right) {
                here += 1;
            } else if let Some(place) = elsewhere(right) {
                excused.insert(place);
            } else {
                idle.push(format!(
                    "{} {}: {} {}",
                    role.0, role.1, right.verb, right.resource
                ));
            }
        }
    }
    ensure!(idle.is_empty(), "granted and used by nothing: {idle:?}");
    // Of a pair of lists some crossings are no right; each resource must be one.
    let is_granted = |resource: &str, verbs: &str| {
        let mut rights = granted.values().flatten();
        rights.any(|right| right.resource == resource && has(verbs, &right.verb))
    };
    let strange: Vec<&str> = ELSEWHERE
        .iter()
        .flat_map(|(resources, verbs, _)| {
            let resources = resources.split(' ');
            resources.filter(|resource| !is_granted(resource, verbs))
        })
        .collect();
    ensure!(
        strange.is_empty(),
        "audit.rs excuses what nobody is granted: {strange:?}"
    );
    Ok(format!(
        "{} requests recorded, none refused; {all} rights granted: {here} used here, {} by what audit.rs names ({} places), none idle",
        found.requests,
        all - here,
        excused.len(),
    ))
}

/// Whether a list has a word.
fn has(words: &str, wanted: &str) -> bool {
    words.split(' ').any(|word| word == wanted)
}

/// What uses a right, where these tests do not.
fn elsewhere(right: &Right) -> Option<&'static str> {
    let place = ELSEWHERE
        .iter()
        .find(|(resources, verbs, _)| has(resources, &right.resource) && has(verbs, &right.verb));
    place.map(|(_, _, place)| *place)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(verb: &str, resource: &str, decision: &str, code: u16) -> Value {
        json!({
            "verb": verb,
            "user": {"username": "system:serviceaccount:tanso-system:tanso-operator"},
            "objectRef": {"resource": resource, "apiGroup": "apps", "namespace": "tanso-system"},
            "responseStatus": {"code": code},
            "annotations": {
                "authorization.k8s.io/decision": decision,
                "authorization.k8s.io/reason": "RBAC: allowed by RoleBinding \"tanso-operator/tanso-system\" of Role \"tanso-operator\" to ServiceAccount \"tanso-operator/tanso-system\"",
            },
        })
    }

    fn everything_excused() -> Value {
        let rules: Vec<Value> = ELSEWHERE
            .iter()
            .map(|(resources, verbs, _)| {
                let list = |words: &str| words.split(' ').map(str::to_owned).collect::<Vec<_>>();
                json!({"apiGroups": ["any"], "resources": list(resources), "verbs": list(verbs)})
            })
            .collect();
        json!({ "rules": rules })
    }

    fn granted(verbs: &[&str]) -> BTreeMap<(String, String), BTreeSet<Right>> {
        let role = json!({"rules": [{"apiGroups": ["apps"], "resources": ["statefulsets"], "verbs": verbs}]});
        let name = |kind: &str, name: &str| (kind.to_owned(), name.to_owned());
        [
            (name("role", "tanso-operator"), rights(&role).unwrap()),
            (
                name("clusterrole", "others"),
                rights(&everything_excused()).unwrap(),
            ),
        ]
        .into()
    }

    #[test]
    fn an_idle_right_a_missing_one_and_a_creating_patch_are_told() {
        let mut found = Found::default();
        found.add(&event("patch", "statefulsets", "allow", 201));
        let told = judge(&found, &granted(&["create", "patch"])).unwrap();
        assert!(
            told.contains("1 requests recorded") && told.contains("2 used here"),
            "{told}"
        );
        let idle = judge(&found, &granted(&["create", "patch", "delete"])).unwrap_err();
        assert!(idle.to_string().contains("delete statefulsets"), "{idle}");
        found.add(&event("list", "secrets", "forbid", 403));
        let refused = judge(&found, &granted(&["create", "patch"])).unwrap_err();
        assert!(
            refused.to_string().contains("list secrets.apps"),
            "{refused}"
        );
    }

    #[test]
    fn a_patch_of_what_is_there_creates_nothing_and_an_empty_log_proves_nothing() {
        let mut found = Found::default();
        let empty = judge(&found, &granted(&["patch"])).unwrap_err();
        assert!(empty.to_string().contains("no request"), "{empty}");
        found.add(&event("patch", "statefulsets", "allow", 200));
        assert!(judge(&found, &granted(&["patch"])).is_ok());
        assert!(judge(&found, &granted(&["create", "patch"])).is_err());
    }

    #[test]
    fn an_excuse_for_what_nobody_is_granted_is_refused() {
        let mut found = Found::default();
        found.add(&event("patch", "statefulsets", "allow", 200));
        let mut granted = granted(&["patch"]);
        let others = ("clusterrole".to_owned(), "others".to_owned());
        granted
            .get_mut(&others)
            .unwrap()
            .retain(|right| right.resource != "events");
        let strange = judge(&found, &granted).unwrap_err().to_string();
        assert!(strange.contains("events"), "{strange}");
    }

    #[test]
    fn a_wildcard_is_refused() {
        let role =
            json!({"rules": [{"apiGroups": ["*"], "resources": ["pods"], "verbs": ["get"]}]});
        assert!(rights(&role).is_err());
    }
}
