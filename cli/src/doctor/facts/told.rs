//! What an agent tells of itself in its own metrics: its meters, its rights,
//! and where it has CPU time from.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Pod;
use tanso_agent_wire::families::{METER_STATE, RIGHT_HELD, RUNG_INFO};

use crate::live::scrape::{Line, samples};

/// What an agent tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::doctor) struct Told {
    /// The namespace of its pod.
    pub(in crate::doctor) namespace: String,
    /// Its pod.
    pub(in crate::doctor) pod: String,
    /// Its node.
    pub(in crate::doctor) node: String,
    /// The state of each meter: `active`, `standby`, `disabled`, `absent` or
    /// `failed`.
    pub(in crate::doctor) meters: BTreeMap<String, String>,
    /// Rights that it lacks.
    pub(in crate::doctor) missing: BTreeSet<String>,
    /// Where it has CPU time from: `ebpf`, `cgroup-files` or `proc`; empty
    /// before its first figures.
    pub(in crate::doctor) rung: String,
}

/// What stands in an agent's metrics; `None` of a pod without a node.
pub(super) fn told(pod: &Pod, metrics: &str) -> Option<Told> {
    let label = |line: &Line, name: &str| line.labels.get(name).cloned();
    let is_so = |line: &&Line| line.value > 0.0;
    let states = samples(metrics, METER_STATE.name);
    let meters = states.iter().filter(is_so);
    let rights = samples(metrics, RIGHT_HELD.name);
    let missing = rights.iter().filter(|line| !is_so(line));
    let rungs = samples(metrics, RUNG_INFO.name);
    Some(Told {
        namespace: pod.metadata.namespace.clone().unwrap_or_default(),
        pod: pod.metadata.name.clone()?,
        node: pod.spec.as_ref()?.node_name.clone()?,
        meters: meters
            .filter_map(|line| Some((label(line, "meter")?, label(line, "state")?)))
            .collect(),
        missing: missing.filter_map(|line| label(line, "right")).collect(),
        rung: rungs
            .first()
            .and_then(|line| label(line, "rung"))
            .unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn meters_rights_and_the_source_of_cpu_time_are_read() {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "tanso-agent-x", "namespace": "tanso-system"},
            "spec": {"nodeName": "n1", "containers": []},
        }))
        .unwrap();
        let metrics = "# TYPE tanso_meter_state gauge\n\
            tanso_meter_state{meter=\"rapl\",state=\"active\",node_name=\"n1\"} 0\n\
            tanso_meter_state{meter=\"rapl\",state=\"failed\",node_name=\"n1\"} 1\n\
            tanso_meter_state{meter=\"model\",state=\"active\",node_name=\"n1\"} 1\n\
            tanso_right_held{right=\"bpf\",node_name=\"n1\"} 1\n\
            tanso_right_held{right=\"energy_files\",node_name=\"n1\"} 0\n\
            tanso_cpu_time_source_info{rung=\"proc\",node_name=\"n1\"} 1\n";
        let found = told(&pod, metrics).unwrap();
        let meters = [("model", "active"), ("rapl", "failed")];
        let meters = meters.map(|(meter, state)| (meter.to_owned(), state.to_owned()));
        assert_eq!(found.meters, BTreeMap::from(meters));
        assert_eq!(found.missing, BTreeSet::from(["energy_files".to_owned()]));
        assert_eq!((&*found.rung, &*found.node), ("proc", "n1"));
        let silent = told(&pod, "").unwrap();
        assert!(silent.meters.is_empty() && silent.missing.is_empty() && silent.rung.is_empty());
    }
}
