//! The boards themselves: which panels stand where, and what each asks.

use super::{Board, Kind, Quantity, Variable, panel};

const NODE: Variable = (
    "node",
    "tanso_node_cpu_non_overlapping_joules_total",
    "node_name",
);
const NAMESPACE: Variable = ("namespace", "kepler_pod_cpu_watts", "pod_namespace");
const POLICY: Variable = ("policy", "tanso_policy_verdict", "policy");

pub(super) const BOARDS: [Board; 5] = [
    Board {
        uid: "tanso-fleet",
        title: "tanso / fleet",
        about: "Power of all nodes now and over time, and how much of it is measured.",
        variables: &[],
        panels: &[
            panel(
                Kind::Stat,
                Quantity::Power,
                6,
                "Power now",
                "All nodes; no zone counted twice.",
                &[(
                    "sum(rate(tanso_node_cpu_non_overlapping_joules_total[2m]))",
                    "",
                )],
            ),
            panel(
                Kind::Stat,
                Quantity::Energy,
                6,
                "Energy of 24 hours",
                "All nodes.",
                &[(
                    "sum(increase(tanso_node_cpu_non_overlapping_joules_total[24h])) / 3.6e6",
                    "",
                )],
            ),
            panel(
                Kind::Stat,
                Quantity::Share,
                6,
                "Measured",
                "Share of the energy that a meter measured; the rest is modelled or simulated and says so.",
                &[(
                    "(sum(rate(tanso_node_cpu_non_overlapping_joules_total{provenance=\"measured\"}[10m])) or vector(0)) / sum(rate(tanso_node_cpu_non_overlapping_joules_total[10m]))",
                    "",
                )],
            ),
            panel(
                Kind::Stat,
                Quantity::Count,
                6,
                "Nodes",
                "Nodes with an agent.",
                &[(
                    "count(count by (node_name) (tanso_node_cpu_non_overlapping_joules_total))",
                    "",
                )],
            ),
            panel(
                Kind::Stack,
                Quantity::Power,
                16,
                "Power by node",
                "",
                &[(
                    "sum by (node_name) (rate(tanso_node_cpu_non_overlapping_joules_total[$__rate_interval]))",
                    "{{node_name}}",
                )],
            ),
            panel(
                Kind::Stack,
                Quantity::Power,
                8,
                "Power by provenance",
                "",
                &[(
                    "sum by (provenance) (rate(tanso_node_cpu_non_overlapping_joules_total[$__rate_interval]))",
                    "{{provenance}}",
                )],
            ),
            panel(
                Kind::Bars,
                Quantity::Energy,
                12,
                "Namespaces, energy of 24 hours",
                "Energy above idle.",
                &[(
                    "topk(15, sum by (pod_namespace) (max without (zone) (increase(kepler_pod_cpu_joules_total{zone=~\"package|psys|platform\"}[24h])))) / 3.6e6",
                    "{{pod_namespace}}",
                )],
            ),
            panel(
                Kind::Stack,
                Quantity::Power,
                12,
                "Power by account",
                "Pods, system, kernel, idle: adds up to the node.",
                &[(
                    "sum by (account) (rate(tanso_account_joules_total[$__rate_interval]))",
                    "{{account}}",
                )],
            ),
        ],
    },
    Board {
        uid: "tanso-node",
        title: "tanso / node",
        about: "One node: its zones, what is idle, and who uses the rest.",
        variables: &[NODE],
        panels: &[
            panel(
                Kind::Stat,
                Quantity::Power,
                8,
                "Power now",
                "No zone counted twice.",
                &[(
                    "sum(rate(tanso_node_cpu_non_overlapping_joules_total{node_name=~\"$node\"}[2m]))",
                    "",
                )],
            ),
            panel(
                Kind::Stat,
                Quantity::Share,
                8,
                "CPU busy",
                "",
                &[("avg(kepler_node_cpu_usage_ratio{node_name=~\"$node\"})", "")],
            ),
            panel(
                Kind::Table,
                Quantity::Count,
                8,
                "Source of power",
                "Meter, provenance and model.",
                &[("tanso_provenance_info{node_name=~\"$node\"}", "")],
            ),
            panel(
                Kind::Lines,
                Quantity::Power,
                12,
                "Power by zone",
                "Zones may contain each other: never add them up.",
                &[(
                    "kepler_node_cpu_watts{node_name=~\"$node\"}",
                    "{{node_name}} {{zone}}",
                )],
            ),
            panel(
                Kind::Stack,
                Quantity::Power,
                12,
                "Idle and active",
                "",
                &[
                    (
                        "sum(max by (node_name) (sum by (node_name, zone) (kepler_node_cpu_idle_watts{node_name=~\"$node\",zone=~\"package|psys|platform\"})))",
                        "idle",
                    ),
                    (
                        "sum(max by (node_name) (sum by (node_name, zone) (kepler_node_cpu_active_watts{node_name=~\"$node\",zone=~\"package|psys|platform\"})))",
                        "active",
                    ),
                ],
            ),
            panel(
                Kind::Stack,
                Quantity::Power,
                24,
                "Pods",
                "The 15 largest.",
                &[(
                    "topk(15, sum by (pod_namespace, pod_name) (max without (zone) (kepler_pod_cpu_watts{node_name=~\"$node\",zone=~\"package|psys|platform\",state=\"running\"})))",
                    "{{pod_namespace}}/{{pod_name}}",
                )],
            ),
        ],
    },
    Board {
        uid: "tanso-workload",
        title: "tanso / namespace and workload",
        about: "Energy of a namespace's pods and containers.",
        variables: &[NAMESPACE],
        panels: &[
            panel(
                Kind::Stat,
                Quantity::Power,
                8,
                "Power now",
                "Above idle.",
                &[(
                    "sum(max without (zone) (kepler_pod_cpu_watts{pod_namespace=~\"$namespace\",zone=~\"package|psys|platform\",state=\"running\"}))",
                    "",
                )],
            ),
            panel(
                Kind::Stat,
                Quantity::Energy,
                8,
                "Energy of 24 hours",
                "",
                &[(
                    "sum(max without (zone) (increase(kepler_pod_cpu_joules_total{pod_namespace=~\"$namespace\",zone=~\"package|psys|platform\"}[24h]))) / 3.6e6",
                    "",
                )],
            ),
            panel(
                Kind::Stat,
                Quantity::Share,
                8,
                "Share of the cluster's power",
                "Of what pods use above idle.",
                &[(
                    "sum(max without (zone) (kepler_pod_cpu_watts{pod_namespace=~\"$namespace\",zone=~\"package|psys|platform\",state=\"running\"})) / sum(max without (zone) (kepler_pod_cpu_watts{zone=~\"package|psys|platform\",state=\"running\"}))",
                    "",
                )],
            ),
            panel(
                Kind::Stack,
                Quantity::Power,
                12,
                "Power by pod",
                "",
                &[(
                    "sum by (pod_namespace, pod_name) (max without (zone) (kepler_pod_cpu_watts{pod_namespace=~\"$namespace\",zone=~\"package|psys|platform\",state=\"running\"}))",
                    "{{pod_name}}",
                )],
            ),
            panel(
                Kind::Bars,
                Quantity::Energy,
                12,
                "Pods, energy of 24 hours",
                "",
                &[(
                    "topk(15, sum by (pod_name) (max without (zone) (increase(kepler_pod_cpu_joules_total{pod_namespace=~\"$namespace\",zone=~\"package|psys|platform\"}[24h])))) / 3.6e6",
                    "{{pod_name}}",
                )],
            ),
            panel(
                Kind::Stack,
                Quantity::Power,
                24,
                "Power by container",
                "The 20 largest.",
                &[(
                    "topk(20, sum by (container_name) (max without (zone) (kepler_container_cpu_watts{zone=~\"package|psys|platform\",state=\"running\"}) * on (pod_id) group_left () max by (pod_id) (max without (zone) (kepler_pod_cpu_watts{pod_namespace=~\"$namespace\",zone=~\"package|psys|platform\"}) * 0 + 1)))",
                    "{{container_name}}",
                )],
            ),
        ],
    },
    Board {
        uid: "tanso-carbon",
        title: "tanso / carbon and compliance",
        about: "What the energy means: emissions, grid intensity, and the verdict of each regulation.",
        variables: &[POLICY],
        panels: &[
            panel(
                Kind::Stat,
                Quantity::Emissions,
                6,
                "Emissions of the window",
                "gCO2eq of each policy, never added up: several policies may judge the same workloads.",
                &[(
                    "tanso_policy_window_emissions_grams{policy=~\"$policy\",bound=\"value\"}",
                    "{{policy_namespace}} {{policy}}",
                )],
            ),
            panel(
                Kind::Stat,
                Quantity::Intensity,
                6,
                "Effective intensity",
                "Weighted by the energy of each hour.",
                &[(
                    "avg(tanso_policy_intensity_grams_per_kwh{policy=~\"$policy\"})",
                    "",
                )],
            ),
            panel(
                Kind::Stat,
                Quantity::Share,
                6,
                "Coverage",
                "Share of the window for which energy is known.",
                &[("min(tanso_policy_coverage_ratio{policy=~\"$policy\"})", "")],
            ),
            panel(
                Kind::Stat,
                Quantity::Share,
                6,
                "Estimated intensity",
                "Share of the energy whose intensity is an estimate.",
                &[(
                    "max(tanso_policy_intensity_estimated_ratio{policy=~\"$policy\"})",
                    "",
                )],
            ),
            panel(
                Kind::Table,
                Quantity::Count,
                12,
                "Verdicts",
                "Compliant, NonCompliant, Inconclusive, Unknown or NotYetBinding, by regulation.",
                &[("tanso_policy_rule_verdict{policy=~\"$policy\"} == 1", "")],
            ),
            panel(
                Kind::Table,
                Quantity::Count,
                12,
                "Values and limits",
                "What each regulation compares.",
                &[
                    (
                        "max by (policy_namespace, policy, rule, unit) (tanso_policy_rule_value{policy=~\"$policy\"})",
                        "value",
                    ),
                    (
                        "max by (policy_namespace, policy, rule, unit) (tanso_policy_rule_limit{policy=~\"$policy\"})",
                        "limit",
                    ),
                ],
            ),
            panel(
                Kind::Stat,
                Quantity::Emissions,
                12,
                "Savings per day",
                "gCO2eq a day that advice would save, of each workload the piece that does most: cluster is emitted less, attributed is borne by others unless a node goes, consolidation is of nodes that can be emptied. Never added up over policies; 0 where nothing is advised.",
                &[(
                    "tanso_policy_advice_savings_grams_per_day{policy=~\"$policy\"}",
                    "{{policy_namespace}} {{policy}} {{effect}}",
                )],
            ),
            panel(
                Kind::Bars,
                Quantity::Emissions,
                12,
                "Workloads with most to save",
                "gCO2eq a day that the cluster would emit less, of the workloads that the statuses list.",
                &[(
                    "topk(10, tanso_workload_advice_savings_grams_per_day{policy=~\"$policy\",effect=\"cluster\"})",
                    "{{policy}}: {{workload_namespace}}/{{workload}}",
                )],
            ),
            panel(
                Kind::Lines,
                Quantity::Energy,
                24,
                "Energy of the window",
                "kWh, with its 90 % interval.",
                &[(
                    "tanso_policy_window_energy_joules{policy=~\"$policy\"} / 3.6e6",
                    "{{policy}} {{bound}}",
                )],
            ),
            panel(
                Kind::Lines,
                Quantity::Intensity,
                24,
                "Effective intensity over time",
                "Of the energy of the window that ended at each moment.",
                &[(
                    "tanso_policy_intensity_grams_per_kwh{policy=~\"$policy\"}",
                    "{{policy}}",
                )],
            ),
            panel(
                Kind::Lines,
                Quantity::Energy,
                24,
                "Energy by hour of the whole cluster",
                "kWh that the cluster's nodes used in the hour before each moment.",
                &[(
                    "sum(increase(tanso_node_cpu_non_overlapping_joules_total[1h])) / 3.6e6",
                    "all nodes",
                )],
            )
            .hourly(),
            panel(
                Kind::Lines,
                Quantity::Intensity,
                24,
                "Grid intensity by hour",
                "Of each policy's zone, over the same hours as the energy above: what runs in a low hour emits less.",
                &[(
                    "tanso_policy_grid_intensity_grams_per_kwh{policy=~\"$policy\"}",
                    "{{policy}}",
                )],
            )
            .hourly(),
        ],
    },
    Board {
        uid: "tanso-agent",
        title: "tanso / agent health",
        about: "What metering costs, what it cannot see, and how far it is from the kernel's own figures.",
        variables: &[NODE],
        panels: &[
            panel(
                Kind::Lines,
                Quantity::Seconds,
                8,
                "Agent CPU seconds per minute",
                "Its whole cost.",
                &[(
                    "60 * rate(tanso_agent_cpu_seconds_total{node_name=~\"$node\"}[5m])",
                    "{{node_name}}",
                )],
            ),
            panel(
                Kind::Lines,
                Quantity::Bytes,
                8,
                "Agent memory",
                "",
                &[(
                    "tanso_agent_resident_bytes{node_name=~\"$node\"}",
                    "{{node_name}}",
                )],
            ),
            panel(
                Kind::Lines,
                Quantity::Seconds,
                8,
                "Work of a reading",
                "",
                &[(
                    "rate(tanso_cycle_seconds_total{node_name=~\"$node\"}[5m]) / rate(tanso_cycles_total{node_name=~\"$node\"}[5m])",
                    "{{node_name}}",
                )],
            ),
            panel(
                Kind::Lines,
                Quantity::Share,
                8,
                "CPU time charged",
                "Of the node's busy time.",
                &[(
                    "tanso_cpu_time_coverage_ratio{node_name=~\"$node\"}",
                    "{{node_name}}",
                )],
            ),
            panel(
                Kind::Lines,
                Quantity::Share,
                8,
                "Against the kernel's own counters",
                "1 is equal.",
                &[(
                    "tanso_cpu_time_cross_check_ratio{node_name=~\"$node\"}",
                    "{{node_name}}",
                )],
            ),
            panel(
                Kind::Table,
                Quantity::Count,
                8,
                "Where CPU time comes from",
                "",
                &[("tanso_cpu_time_source_info{node_name=~\"$node\"}", "")],
            ),
            panel(
                Kind::Table,
                Quantity::Count,
                12,
                "Meters",
                "",
                &[("tanso_meter_state{node_name=~\"$node\"} == 1", "")],
            ),
            panel(
                Kind::Lines,
                Quantity::Count,
                12,
                "Failures",
                "",
                &[
                    (
                        "sum by (node_name, part) (rate(tanso_cycle_failures_total{node_name=~\"$node\"}[5m]))",
                        "{{node_name}} {{part}}",
                    ),
                    (
                        "sum by (node_name) (rate(tanso_cpu_time_overflow_seconds_total{node_name=~\"$node\"}[5m]))",
                        "{{node_name}} overflow seconds",
                    ),
                ],
            ),
        ],
    },
];
