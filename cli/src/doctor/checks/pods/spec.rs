//! What an agent's pod was not given: capabilities and the host's trees.

use k8s_openapi::api::core::v1::{Container, Pod};

use super::super::super::Finding;

/// Capabilities that counting in the kernel needs.
const CAPABILITIES: [&str; 2] = ["BPF", "PERFMON"];
/// The host's trees by where they are mounted, and what is lost without each.
const MOUNTS: [(&str, &str); 2] = [
    ("/host/proc", "processes and their containers"),
    ("/host/sys", "meters (RAPL) and control groups"),
];

/// A finding for each thing that the agent's container lacks.
pub(super) fn lacking(pod: &Pod) -> Vec<Finding> {
    let Some(spec) = &pod.spec else {
        return Vec::new();
    };
    // Another container may stand beside, a mesh's for example.
    let containers = || spec.containers.iter();
    let agent = containers()
        .find(|one| one.name == "agent")
        .or_else(|| containers().next());
    let Some(agent) = agent else {
        return Vec::new();
    };
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let node = spec.node_name.as_deref().unwrap_or_default();
    let again = format!(
        "the operator sets it, so something takes it away: look for a policy of the cluster that changes pods; then kubectl -n {namespace} delete pod {name}"
    );
    let capabilities = capabilities(agent).into_iter().map(|missing| {
        Finding::warn(
            format!(
                "agent {name} on node \"{node}\" has no capability {missing}: CPU time comes from control groups' files, and what lives for less than a second is not seen"
            ),
            format!("{again}; or set spec.agent.securityMode: Privileged"),
        )
    });
    let mounts = MOUNTS
        .iter()
        .filter(|(path, _)| !is_mounted(agent, path))
        .map(|(path, lost)| {
            Finding::fail(
                format!(
                    "agent {name} on node \"{node}\" has no mount {path}: it cannot see {lost}"
                ),
                again.clone(),
            )
        });
    capabilities.chain(mounts).collect()
}

/// The capabilities that are missing, in one word.
fn capabilities(agent: &Container) -> Option<String> {
    let context = agent.security_context.as_ref()?;
    if context.privileged == Some(true) {
        return None;
    }
    let added = context
        .capabilities
        .as_ref()
        .and_then(|all| all.add.clone())
        .unwrap_or_default();
    let has = |wanted: &str| {
        let same = |one: &String| {
            let one = one.strip_prefix("CAP_").unwrap_or(one);
            one == wanted || one == "ALL" || one == "SYS_ADMIN"
        };
        added.iter().any(same)
    };
    let missing: Vec<&str> = CAPABILITIES.into_iter().filter(|one| !has(one)).collect();
    (!missing.is_empty()).then(|| missing.join(" and "))
}

fn is_mounted(agent: &Container, path: &str) -> bool {
    // A pod that lists no mounts at all was not read whole.
    agent
        .volume_mounts
        .as_ref()
        .is_none_or(|mounts| mounts.iter().any(|mount| mount.mount_path == path))
}
