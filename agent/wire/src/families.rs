//! Each metric family: name, type, unit, labels, help.
//!
//! One table, from which the agent's `/metrics` and the documentation come.
//! Families named `kepler_…` keep the name, type, labels and meaning that
//! dashboards know; all others begin with `tanso_`. No value is kept here.

/// What sort of figure a family holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Never falls while the node is up.
    Counter,
    /// May rise and fall.
    Gauge,
    /// Always 1: the labels are the figure. Exposed as a gauge.
    Info,
}

impl Kind {
    /// The type's name in the exposition format.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge | Self::Info => "gauge",
        }
    }
}

/// A metric family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    /// The full name, with `_total` for counters.
    pub name: &'static str,
    /// What sort of figure it is.
    pub kind: Kind,
    /// The unit's name; empty for counts.
    pub unit: &'static str,
    /// The labels, in the order in which values are given.
    pub labels: &'static [&'static str],
    /// A sentence.
    pub help: &'static str,
}

/// Energy of the node's power zone; zones may contain each other.
pub const NODE_JOULES: Family = Family {
    name: "kepler_node_cpu_joules_total",
    kind: Kind::Counter,
    unit: "joules",
    labels: &["zone", "path", "node_name"],
    help: "Energy of the node's power zone; zones may contain each other",
};

/// The part of the zone's energy above idle power.
pub const NODE_ACTIVE_JOULES: Family = Family {
    name: "kepler_node_cpu_active_joules_total",
    kind: Kind::Counter,
    unit: "joules",
    labels: &["zone", "path", "node_name"],
    help: "The part of the zone's energy above idle power",
};

/// The part of the zone's energy that is drawn when nothing runs.
pub const NODE_IDLE_JOULES: Family = Family {
    name: "kepler_node_cpu_idle_joules_total",
    kind: Kind::Counter,
    unit: "joules",
    labels: &["zone", "path", "node_name"],
    help: "The part of the zone's energy that is drawn when nothing runs",
};

/// Mean power of the zone over the last reading interval.
pub const NODE_WATTS: Family = Family {
    name: "kepler_node_cpu_watts",
    kind: Kind::Gauge,
    unit: "watts",
    labels: &["zone", "path", "node_name"],
    help: "Mean power of the zone over the last reading interval",
};

/// Mean power above idle over the last reading interval.
pub const NODE_ACTIVE_WATTS: Family = Family {
    name: "kepler_node_cpu_active_watts",
    kind: Kind::Gauge,
    unit: "watts",
    labels: &["zone", "path", "node_name"],
    help: "Mean power above idle over the last reading interval",
};

/// Mean idle power over the last reading interval.
pub const NODE_IDLE_WATTS: Family = Family {
    name: "kepler_node_cpu_idle_watts",
    kind: Kind::Gauge,
    unit: "watts",
    labels: &["zone", "path", "node_name"],
    help: "Mean idle power over the last reading interval",
};

/// Share of the node's CPU time that was busy in the last reading interval.
pub const NODE_USAGE_RATIO: Family = Family {
    name: "kepler_node_cpu_usage_ratio",
    kind: Kind::Gauge,
    unit: "ratio",
    labels: &["node_name"],
    help: "Share of the node's CPU time that was busy in the last reading interval",
};

/// The node's processors.
pub const NODE_CPU_INFO: Family = Family {
    name: "kepler_node_cpu_info",
    kind: Kind::Info,
    unit: "",
    labels: &[
        "processor",
        "vendor_id",
        "model_name",
        "physical_id",
        "core_id",
    ],
    help: "The node's processors",
};

/// Energy above idle of the container in the power zone.
pub const CONTAINER_JOULES: Family = Family {
    name: "kepler_container_cpu_joules_total",
    kind: Kind::Counter,
    unit: "joules",
    labels: &[
        "container_id",
        "container_name",
        "runtime",
        "state",
        "zone",
        "pod_id",
        "node_name",
    ],
    help: "Energy above idle of the container in the power zone",
};

/// Mean power above idle of the container over the last reading interval.
pub const CONTAINER_WATTS: Family = Family {
    name: "kepler_container_cpu_watts",
    kind: Kind::Gauge,
    unit: "watts",
    labels: &[
        "container_id",
        "container_name",
        "runtime",
        "state",
        "zone",
        "pod_id",
        "node_name",
    ],
    help: "Mean power above idle of the container over the last reading interval",
};

/// CPU time of the container.
pub const CONTAINER_SECONDS: Family = Family {
    name: "kepler_container_cpu_seconds_total",
    kind: Kind::Counter,
    unit: "seconds",
    labels: &[
        "container_id",
        "container_name",
        "runtime",
        "state",
        "pod_id",
        "node_name",
    ],
    help: "CPU time of the container",
};

/// Energy above idle of the pod in the power zone.
pub const POD_JOULES: Family = Family {
    name: "kepler_pod_cpu_joules_total",
    kind: Kind::Counter,
    unit: "joules",
    labels: &[
        "pod_id",
        "pod_name",
        "pod_namespace",
        "state",
        "zone",
        "node_name",
    ],
    help: "Energy above idle of the pod in the power zone",
};

/// Mean power above idle of the pod over the last reading interval.
pub const POD_WATTS: Family = Family {
    name: "kepler_pod_cpu_watts",
    kind: Kind::Gauge,
    unit: "watts",
    labels: &[
        "pod_id",
        "pod_name",
        "pod_namespace",
        "state",
        "zone",
        "node_name",
    ],
    help: "Mean power above idle of the pod over the last reading interval",
};

/// The program; goversion is empty.
pub const BUILD_INFO: Family = Family {
    name: "kepler_build_info",
    kind: Kind::Info,
    unit: "",
    labels: &["arch", "branch", "revision", "version", "goversion"],
    help: "The program; goversion is empty",
};

/// Energy of all power zones of the node that do not contain each other, added up.
pub const TOTAL_JOULES: Family = Family {
    name: "tanso_node_cpu_non_overlapping_joules_total",
    kind: Kind::Counter,
    unit: "joules",
    labels: &["provenance", "node_name"],
    help: "Energy of all power zones of the node that do not contain each other, added up",
};

/// Lower and upper 90 % bound of the node's energy, all provenances.
pub const TOTAL_BOUND_JOULES: Family = Family {
    name: "tanso_node_cpu_bound_joules_total",
    kind: Kind::Counter,
    unit: "joules",
    labels: &["bound", "node_name"],
    help: "Lower and upper 90 % bound of the node's energy, all provenances",
};

/// Energy booked per kind of account; adds up to the node's energy.
pub const ACCOUNT_JOULES: Family = Family {
    name: "tanso_account_joules_total",
    kind: Kind::Counter,
    unit: "joules",
    labels: &["account", "node_name"],
    help: "Energy booked per kind of account; adds up to the node's energy",
};

/// CPU time per kind of account.
pub const ACCOUNT_SECONDS: Family = Family {
    name: "tanso_account_cpu_seconds_total",
    kind: Kind::Counter,
    unit: "seconds",
    labels: &["account", "node_name"],
    help: "CPU time per kind of account",
};

/// Energy of finished containers that are no longer listed.
pub const FOLDED_JOULES: Family = Family {
    name: "tanso_folded_joules_total",
    kind: Kind::Counter,
    unit: "joules",
    labels: &["pod_namespace", "node_name"],
    help: "Energy of finished containers that are no longer listed",
};

/// Energy of times in which the agent did not run, charged afterwards.
pub const CAUGHT_UP_JOULES: Family = Family {
    name: "tanso_caught_up_joules_total",
    kind: Kind::Counter,
    unit: "joules",
    labels: &["node_name"],
    help: "Energy of times in which the agent did not run, charged afterwards",
};

/// Where the node's energy comes from now; no series while no meter is active.
pub const PROVENANCE_INFO: Family = Family {
    name: "tanso_provenance_info",
    kind: Kind::Info,
    unit: "",
    labels: &["meter", "provenance", "model", "node_name"],
    help: "Where the node's energy comes from now; no series while no meter is active",
};

/// 1 for the state that the meter is in: active, standby, disabled, absent or failed.
pub const METER_STATE: Family = Family {
    name: "tanso_meter_state",
    kind: Kind::Gauge,
    unit: "",
    labels: &["meter", "state", "node_name"],
    help: "1 for the state that the meter is in: active, standby, disabled, absent or failed",
};

/// Readings of the meter that failed.
pub const METER_FAILURES: Family = Family {
    name: "tanso_meter_read_failures_total",
    kind: Kind::Counter,
    unit: "",
    labels: &["meter", "node_name"],
    help: "Readings of the meter that failed",
};

/// Where CPU time comes from: ebpf, cgroup-files or proc.
pub const RUNG_INFO: Family = Family {
    name: "tanso_cpu_time_source_info",
    kind: Kind::Info,
    unit: "",
    labels: &["rung", "node_name"],
    help: "Where CPU time comes from: ebpf, cgroup-files or proc",
};

/// CPU time that was charged to an account against the node's busy time, since the agent's start.
pub const COVERAGE_RATIO: Family = Family {
    name: "tanso_cpu_time_coverage_ratio",
    kind: Kind::Gauge,
    unit: "ratio",
    labels: &["node_name"],
    help: "CPU time that was charged to an account against the node's busy time, since the agent's start",
};

/// CPU time of all containers as charged, against the kernel's own cgroup counters, over the last minute; 1 is equal.
pub const CROSS_CHECK_RATIO: Family = Family {
    name: "tanso_cpu_time_cross_check_ratio",
    kind: Kind::Gauge,
    unit: "ratio",
    labels: &["node_name"],
    help: "CPU time of all containers as charged, against the kernel's own cgroup counters, over the last minute; 1 is equal",
};

/// CPU time that found no room in the kernel's tables, since the agent's start.
pub const OVERFLOW_SECONDS: Family = Family {
    name: "tanso_cpu_time_overflow_seconds_total",
    kind: Kind::Counter,
    unit: "seconds",
    labels: &["node_name"],
    help: "CPU time that found no room in the kernel's tables, since the agent's start",
};

/// What went otherwise than planned while counting CPU time, since the agent's start.
pub const LOSSES: Family = Family {
    name: "tanso_cpu_time_events_total",
    kind: Kind::Counter,
    unit: "",
    labels: &["event", "node_name"],
    help: "What went otherwise than planned while counting CPU time, since the agent's start",
};

/// Reading intervals done since the agent's start.
pub const CYCLES: Family = Family {
    name: "tanso_cycles_total",
    kind: Kind::Counter,
    unit: "",
    labels: &["node_name"],
    help: "Reading intervals done since the agent's start",
};

/// Time that reading intervals' work took, since the agent's start.
pub const CYCLE_SECONDS: Family = Family {
    name: "tanso_cycle_seconds_total",
    kind: Kind::Counter,
    unit: "seconds",
    labels: &["node_name"],
    help: "Time that reading intervals' work took, since the agent's start",
};

/// Time that the last reading interval's work took.
pub const CYCLE_LAST_SECONDS: Family = Family {
    name: "tanso_cycle_last_seconds",
    kind: Kind::Gauge,
    unit: "seconds",
    labels: &["node_name"],
    help: "Time that the last reading interval's work took",
};

/// Failures within reading intervals, by part, since the agent's start.
pub const CYCLE_FAILURES: Family = Family {
    name: "tanso_cycle_failures_total",
    kind: Kind::Counter,
    unit: "",
    labels: &["part", "node_name"],
    help: "Failures within reading intervals, by part, since the agent's start",
};

/// CPU time of the agent itself.
pub const AGENT_SECONDS: Family = Family {
    name: "tanso_agent_cpu_seconds_total",
    kind: Kind::Counter,
    unit: "seconds",
    labels: &["node_name"],
    help: "CPU time of the agent itself",
};

/// Memory of the agent itself.
pub const AGENT_BYTES: Family = Family {
    name: "tanso_agent_resident_bytes",
    kind: Kind::Gauge,
    unit: "bytes",
    labels: &["node_name"],
    help: "Memory of the agent itself",
};

/// Sequence number of the last energy record.
pub const JOURNAL_SEQUENCE: Family = Family {
    name: "tanso_journal_last_sequence",
    kind: Kind::Gauge,
    unit: "",
    labels: &["node_name"],
    help: "Sequence number of the last energy record",
};

/// Size of the energy journal.
pub const JOURNAL_BYTES: Family = Family {
    name: "tanso_journal_bytes",
    kind: Kind::Gauge,
    unit: "bytes",
    labels: &["node_name"],
    help: "Size of the energy journal",
};

/// When the figures were read; a scrape reads nothing anew.
pub const SNAPSHOT_TIME: Family = Family {
    name: "tanso_snapshot_timestamp_seconds",
    kind: Kind::Gauge,
    unit: "seconds",
    labels: &["node_name"],
    help: "When the figures were read; a scrape reads nothing anew",
};

/// Every family, in the order of exposition.
pub const ALL: &[&Family] = &[
    &NODE_JOULES,
    &NODE_ACTIVE_JOULES,
    &NODE_IDLE_JOULES,
    &NODE_WATTS,
    &NODE_ACTIVE_WATTS,
    &NODE_IDLE_WATTS,
    &NODE_USAGE_RATIO,
    &NODE_CPU_INFO,
    &CONTAINER_JOULES,
    &CONTAINER_WATTS,
    &CONTAINER_SECONDS,
    &POD_JOULES,
    &POD_WATTS,
    &BUILD_INFO,
    &TOTAL_JOULES,
    &TOTAL_BOUND_JOULES,
    &ACCOUNT_JOULES,
    &ACCOUNT_SECONDS,
    &FOLDED_JOULES,
    &CAUGHT_UP_JOULES,
    &PROVENANCE_INFO,
    &METER_STATE,
    &METER_FAILURES,
    &RUNG_INFO,
    &COVERAGE_RATIO,
    &CROSS_CHECK_RATIO,
    &OVERFLOW_SECONDS,
    &LOSSES,
    &CYCLES,
    &CYCLE_SECONDS,
    &CYCLE_LAST_SECONDS,
    &CYCLE_FAILURES,
    &AGENT_SECONDS,
    &AGENT_BYTES,
    &JOURNAL_SEQUENCE,
    &JOURNAL_BYTES,
    &SNAPSHOT_TIME,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_say_type_and_unit() {
        let mut names = BTreeSet::new();
        for family in ALL {
            assert!(names.insert(family.name), "{} twice", family.name);
            assert_eq!(
                family.name.ends_with("_total"),
                family.kind == Kind::Counter,
                "{}",
                family.name
            );
            assert_eq!(
                family.name.ends_with("_info"),
                family.kind == Kind::Info,
                "{}",
                family.name
            );
            assert!(family.name.contains(family.unit), "{}", family.name);
            assert!(!family.help.ends_with('.'), "{}", family.name);
        }
    }

    #[test]
    fn no_label_appears_twice_in_a_family() {
        for family in ALL {
            let labels: BTreeSet<_> = family.labels.iter().collect();
            assert_eq!(labels.len(), family.labels.len(), "{}", family.name);
        }
    }
}
