//! Families of our own: provenance, bounds, sums that add up, own cost.

use super::{Family, Kind, families};

families! {
    OWN;

    /// Energy of all power zones of the node that do not contain each other, added up
    TOTAL_JOULES: Counter "joules" = "tanso_node_cpu_non_overlapping_joules_total" {
        provenance, node_name
    };

    /// Energy of the zone on the socket, where its meter tells several apart; since the agent's start, all sockets together what the zone used
    SOCKET_JOULES: Counter "joules" = "tanso_node_socket_joules_total" { zone, socket, node_name };

    /// Lower and upper 90 % bound of the node's energy, all provenances
    TOTAL_BOUND_JOULES: Counter "joules" = "tanso_node_cpu_bound_joules_total" { bound, node_name };

    /// Energy booked per kind of account; adds up to the node's energy
    ACCOUNT_JOULES: Counter "joules" = "tanso_account_joules_total" { account, node_name };

    /// CPU time per kind of account
    ACCOUNT_SECONDS: Counter "seconds" = "tanso_account_cpu_seconds_total" { account, node_name };

    /// Energy of finished containers that are no longer listed
    FOLDED_JOULES: Counter "joules" = "tanso_folded_joules_total" { pod_namespace, node_name };

    /// Energy of times in which the agent did not run, charged afterwards
    CAUGHT_UP_JOULES: Counter "joules" = "tanso_caught_up_joules_total" { node_name };

    /// Where the node's energy comes from now; no series while no meter is active
    PROVENANCE_INFO: Info "" = "tanso_provenance_info" { meter, provenance, model, node_name };

    /// 1 for the state that the meter is in: active, standby, disabled, absent or failed
    METER_STATE: Gauge "" = "tanso_meter_state" { meter, state, node_name };

    /// Power that a measured zone draws when nothing runs, and how it is known: quiet (intervals were seen), regressed (a line through loads and powers) or unused-share (nothing is known yet and the share of unused CPU time stands in; then 0)
    IDLE_FLOOR: Gauge "watts" = "tanso_idle_floor_watts" { zone, basis, node_name };

    /// By what the zone's energy above idle was shared last: CPU time; cycles or cache misses, of intervals in which hardware counters counted all that ran; or use of a device, as its driver tells
    ZONE_WEIGHT: Info "" = "tanso_zone_weight_info" { zone, weight, node_name };

    /// 1 for the state that the hardware counter is in: active, absent or failed; no series where none are asked for
    COUNTER_STATE: Gauge "" = "tanso_hardware_counter_state" { counter, state, node_name };

    /// Time for which the hardware counter was counted against the time for which it was wanted, since the agent's start; below 1 others want the processor's counters too, and counts are scaled
    COUNTER_RATIO: Gauge "ratio" = "tanso_hardware_counter_counted_ratio" { counter, node_name };

    /// Processor cycles of the container, by hardware counters, since the agent's start
    CONTAINER_CYCLES: Counter "" = "tanso_container_cpu_cycles_total" {
        container_id, container_name, runtime, state, pod_id, node_name
    };

    /// Instructions of the container, by hardware counters, since the agent's start
    CONTAINER_INSTRUCTIONS: Counter "" = "tanso_container_cpu_instructions_total" {
        container_id, container_name, runtime, state, pod_id, node_name
    };

    /// Misses of the last level of cache by the container, by hardware counters (cache-misses of Intel's processors, LLC-load-misses of others, none of AMD's), since the agent's start
    CONTAINER_CACHE_MISSES: Counter "" = "tanso_container_cache_misses_total" {
        container_id, container_name, runtime, state, pod_id, node_name
    };

    /// Sensors that are read for the zone, by what they show: counted (energy, which a register counts between readings too) or integrated (power: energy is estimated by the mean of two samples over the time between them)
    METER_SENSORS: Gauge "" = "tanso_meter_sensors" { meter, zone, figure, node_name };

    /// Readings of the meter that failed
    METER_FAILURES: Counter "" = "tanso_meter_read_failures_total" { meter, node_name };

    /// Figures of the meter's sensors that cannot be true and were refused, by reason
    METER_REFUSALS: Counter "" = "tanso_meter_refused_total" { meter, reason, node_name };

    /// 1 if the agent has the right, 0 if it is missing; the log says what is lost
    RIGHT_HELD: Gauge "" = "tanso_right_held" { right, node_name };

    /// Where CPU time comes from: ebpf, cgroup-files or proc
    RUNG_INFO: Info "" = "tanso_cpu_time_source_info" { rung, node_name };

    /// CPU time that was charged to an account against the node's busy time, since the agent's start
    COVERAGE_RATIO: Gauge "ratio" = "tanso_cpu_time_coverage_ratio" { node_name };

    /// CPU time of all containers as charged, against the kernel's own cgroup counters, over the last minute; 1 is equal
    CROSS_CHECK_RATIO: Gauge "ratio" = "tanso_cpu_time_cross_check_ratio" { node_name };

    /// CPU time that found no room in the kernel's tables, since the agent's start
    OVERFLOW_SECONDS: Counter "seconds" = "tanso_cpu_time_overflow_seconds_total" { node_name };

    /// What went otherwise than planned while counting CPU time, since the agent's start
    LOSSES: Counter "" = "tanso_cpu_time_events_total" { event, node_name };

    /// Entries of the map of the agent's programs in the kernel; no series without the programs
    MAP_ENTRIES: Gauge "" = "tanso_kernel_map_entries" { map, node_name };

    /// Entries that the map of the agent's programs in the kernel has room for; what finds none in that of CPU time goes to the overflow account
    MAP_ENTRIES_MAX: Gauge "" = "tanso_kernel_map_entries_max" { map, node_name };

    /// Reading intervals done since the agent's start
    CYCLES: Counter "" = "tanso_cycles_total" { node_name };

    /// Time that reading intervals' work took, since the agent's start
    CYCLE_SECONDS: Counter "seconds" = "tanso_cycle_seconds_total" { node_name };

    /// Length of the last reading interval: longer than asked for where reading this node's threads costs much
    CYCLE_INTERVAL: Gauge "seconds" = "tanso_cycle_interval_seconds" { node_name };

    /// Runs of the agent's programs in the kernel, while the kernel measures programs (`sysctl kernel.bpf_stats_enabled=1`)
    PROGRAM_RUNS: Counter "" = "tanso_kernel_program_runs_total" { program, node_name };

    /// Time that the agent's programs in the kernel took, while the kernel measures programs (`sysctl kernel.bpf_stats_enabled=1`)
    PROGRAM_SECONDS: Counter "seconds" = "tanso_kernel_program_seconds_total" { program, node_name };

    /// Time that the last reading interval's work took
    CYCLE_LAST_SECONDS: Gauge "seconds" = "tanso_cycle_last_seconds" { node_name };

    /// Failures within reading intervals, by part, since the agent's start
    CYCLE_FAILURES: Counter "" = "tanso_cycle_failures_total" { part, node_name };

    /// CPU time of the agent itself
    AGENT_SECONDS: Counter "seconds" = "tanso_agent_cpu_seconds_total" { node_name };

    /// Memory of the agent itself
    AGENT_BYTES: Gauge "bytes" = "tanso_agent_resident_bytes" { node_name };

    /// Sequence number of the last energy record
    JOURNAL_SEQUENCE: Gauge "" = "tanso_journal_last_sequence" { node_name };

    /// Size of the energy journal
    JOURNAL_BYTES: Gauge "bytes" = "tanso_journal_bytes" { node_name };

    /// When the figures were read; a scrape reads nothing anew
    SNAPSHOT_TIME: Gauge "seconds" = "tanso_snapshot_timestamp_seconds" { node_name };

    /// Items left out of this exposition by the bound on series; sums still have their energy
    SERIES_WITHHELD: Gauge "" = "tanso_series_withheld" { level, node_name };

    /// Times that the settings were read anew since the agent's start, by result
    SETTINGS_RELOADS: Counter "" = "tanso_settings_reloads_total" { result, node_name };

    /// Pushes of metrics by OTLP since the agent's start, by result
    PUSHES: Counter "" = "tanso_otlp_pushes_total" { result, node_name };
}
