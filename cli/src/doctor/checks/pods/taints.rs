//! Nodes whose taint keeps the agent away.

use k8s_openapi::api::core::v1::{Node, Taint, Toleration};
use tanso_crds::PowerMonitor;

use super::super::super::Finding;

/// A finding for a node with a taint that a monitor's agents do not tolerate.
pub(super) fn repelled(node: &Node, monitors: &[PowerMonitor]) -> Option<Finding> {
    let name = node.metadata.name.as_deref()?;
    let taints = node.spec.as_ref()?.taints.as_deref()?;
    monitors.iter().find_map(|monitor| {
        // Without tolerations in the spec the agents tolerate everything.
        let tolerations = monitor.spec.agent.tolerations.as_deref()?;
        let repels = |taint: &&Taint| {
            taint.effect != "PreferNoSchedule" && !tolerations.iter().any(|one| bears(one, taint))
        };
        let taint = taints.iter().find(repels)?;
        let monitor = monitor.metadata.name.as_deref().unwrap_or_default();
        let value = taint.value.as_deref().unwrap_or_default();
        let shown = if value.is_empty() {
            format!("{}:{}", taint.key, taint.effect)
        } else {
            format!("{}={value}:{}", taint.key, taint.effect)
        };
        Some(Finding::fail(
            format!("no agent on node \"{name}\": its taint {shown} is not tolerated"),
            format!(
                "add it to spec.agent.tolerations of PowerMonitor {monitor} (without that field every taint is tolerated), or take it away: kubectl taint node {name} {}-",
                taint.key
            ),
        ))
    })
}

/// Whether a toleration bears a taint, by the rules of the scheduler.
fn bears(toleration: &Toleration, taint: &Taint) -> bool {
    let effect = toleration.effect.as_deref().unwrap_or_default();
    if !effect.is_empty() && effect != taint.effect {
        return false;
    }
    let key = toleration.key.as_deref().unwrap_or_default();
    let exists = toleration.operator.as_deref() == Some("Exists");
    if key.is_empty() {
        return exists;
    }
    let same_value = toleration.value.as_deref().unwrap_or_default()
        == taint.value.as_deref().unwrap_or_default();
    key == taint.key && (exists || same_value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_toleration_bears_its_taint_only() {
        let taint: Taint =
            serde_json::from_value(json!({"key": "gpu", "value": "a", "effect": "NoSchedule"}))
                .unwrap();
        let bears = |value: serde_json::Value| {
            super::bears(&serde_json::from_value(value).unwrap(), &taint)
        };
        assert!(bears(json!({"operator": "Exists"})));
        assert!(bears(
            json!({"key": "gpu", "operator": "Exists", "effect": "NoSchedule"})
        ));
        assert!(bears(json!({"key": "gpu", "value": "a"})));
        assert!(!bears(json!({"key": "gpu", "value": "b"})));
        assert!(!bears(
            json!({"key": "gpu", "operator": "Exists", "effect": "NoExecute"})
        ));
        assert!(!bears(json!({})));
    }
}
