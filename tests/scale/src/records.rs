//! Energy records of simulated nodes, in the real wire format.
//!
//! Pure: the same node and minute always have the same records.

use tanso_agent_wire::energy::{Account, Names, Record};
use tanso_power::{Estimate, Joules, Provenance};

/// Pods that run on each simulated node.
pub const PODS_PER_NODE: u64 = 100;

/// Namespaces over which pods are spread.
pub const NAMESPACES: u64 = 10;

/// The UID of a pod by its number in the whole fleet.
#[must_use]
pub fn pod_uid(pod: u64) -> String {
    format!("00000000-0000-4000-8000-{pod:012x}")
}

/// The namespace of a pod.
#[must_use]
pub fn namespace(pod: u64) -> String {
    format!("scale-{}", pod % NAMESPACES)
}

/// One record of a pod in a minute (its begin, seconds of Unix time).
#[must_use]
pub fn of_pod(sequence: u64, pod: u64, minute: i64) -> Record {
    Record {
        sequence,
        minute,
        account: Account::Container {
            pod_uid: pod_uid(pod),
            container_id: format!("{pod:064x}"),
        },
        names: Names {
            namespace: Some(namespace(pod)),
            pod: Some(format!("pod-{pod}")),
            container: Some("main".to_owned()),
        },
        energy_uj: Estimate::exact(Joules::from_microjoules(90_000_000 + pod)),
        cpu_us: 1_500_000,
        provenance: Provenance::Measured,
        model: None,
        caught_up: false,
        memory_peak_bytes: None,
    }
}
