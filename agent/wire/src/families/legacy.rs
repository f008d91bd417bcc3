//! Families of Kepler up to 0.9, for dashboards of that time; off by default.
//!
//! Energy is `mode="dynamic"` (above idle) and, for the node and the pseudo
//! container `system_processes`, `mode="idle"`.

use super::{Family, Kind, families};

families! {
    ALL;

    /// Energy of the container in processor packages
    CONTAINER_PACKAGE_JOULES: Counter "joules" = "kepler_container_package_joules_total" {
        container_id, pod_name, container_name, container_namespace, mode, source
    };

    /// Energy of the container in cores
    CONTAINER_CORE_JOULES: Counter "joules" = "kepler_container_core_joules_total" {
        container_id, pod_name, container_name, container_namespace, mode, source
    };

    /// Energy of the container in the uncore
    CONTAINER_UNCORE_JOULES: Counter "joules" = "kepler_container_uncore_joules_total" {
        container_id, pod_name, container_name, container_namespace, mode, source
    };

    /// Energy of the container in memory
    CONTAINER_DRAM_JOULES: Counter "joules" = "kepler_container_dram_joules_total" {
        container_id, pod_name, container_name, container_namespace, mode, source
    };

    /// Energy of the container in what is neither package, memory nor GPU
    CONTAINER_OTHER_JOULES: Counter "joules" = "kepler_container_other_joules_total" {
        container_id, pod_name, container_name, container_namespace, mode, source
    };

    /// Energy of the container in GPUs
    CONTAINER_GPU_JOULES: Counter "joules" = "kepler_container_gpu_joules_total" {
        container_id, pod_name, container_name, container_namespace, mode, source
    };

    /// Energy of the container in the whole platform
    CONTAINER_PLATFORM_JOULES: Counter "joules" = "kepler_container_platform_joules_total" {
        container_id, pod_name, container_name, container_namespace, mode, source
    };

    /// Energy of the container in all zones that do not contain each other
    CONTAINER_JOULES: Counter "joules" = "kepler_container_joules_total" {
        container_id, pod_name, container_name, container_namespace, mode, source
    };

    /// Processor cycles of the container
    CONTAINER_CPU_CYCLES: Counter "" = "kepler_container_cpu_cycles_total" {
        container_id, pod_name, container_name, container_namespace, source
    };

    /// Instructions of the container
    CONTAINER_CPU_INSTRUCTIONS: Counter "" = "kepler_container_cpu_instructions_total" {
        container_id, pod_name, container_name, container_namespace, source
    };

    /// Cache misses of the container
    CONTAINER_CACHE_MISS: Counter "" = "kepler_container_cache_miss_total" {
        container_id, pod_name, container_name, container_namespace, source
    };

    /// CPU time in milliseconds of the container
    CONTAINER_BPF_CPU_TIME_MS: Counter "" = "kepler_container_bpf_cpu_time_ms_total" {
        container_id, pod_name, container_name, container_namespace, source
    };

    /// Energy of the process in processor packages
    PROCESS_PACKAGE_JOULES: Counter "joules" = "kepler_process_package_joules_total" {
        pid, container_id, vm_id, command, mode, source
    };

    /// Energy of the process in cores
    PROCESS_CORE_JOULES: Counter "joules" = "kepler_process_core_joules_total" {
        pid, container_id, vm_id, command, mode, source
    };

    /// Energy of the process in the uncore
    PROCESS_UNCORE_JOULES: Counter "joules" = "kepler_process_uncore_joules_total" {
        pid, container_id, vm_id, command, mode, source
    };

    /// Energy of the process in memory
    PROCESS_DRAM_JOULES: Counter "joules" = "kepler_process_dram_joules_total" {
        pid, container_id, vm_id, command, mode, source
    };

    /// Energy of the process in what is neither package, memory nor GPU
    PROCESS_OTHER_JOULES: Counter "joules" = "kepler_process_other_joules_total" {
        pid, container_id, vm_id, command, mode, source
    };

    /// Energy of the process in GPUs
    PROCESS_GPU_JOULES: Counter "joules" = "kepler_process_gpu_joules_total" {
        pid, container_id, vm_id, command, mode, source
    };

    /// Energy of the process in the whole platform
    PROCESS_PLATFORM_JOULES: Counter "joules" = "kepler_process_platform_joules_total" {
        pid, container_id, vm_id, command, mode, source
    };

    /// Energy of the process in all zones that do not contain each other
    PROCESS_JOULES: Counter "joules" = "kepler_process_joules_total" {
        pid, container_id, vm_id, command, mode, source
    };

    /// Processor cycles of the process
    PROCESS_CPU_CYCLES: Counter "" = "kepler_process_cpu_cycles_total" {
        pid, container_id, vm_id, command, source
    };

    /// Instructions of the process
    PROCESS_CPU_INSTRUCTIONS: Counter "" = "kepler_process_cpu_instructions_total" {
        pid, container_id, vm_id, command, source
    };

    /// Cache misses of the process
    PROCESS_CACHE_MISS: Counter "" = "kepler_process_cache_miss_total" {
        pid, container_id, vm_id, command, source
    };

    /// CPU time in milliseconds of the process
    PROCESS_BPF_CPU_TIME_MS: Counter "" = "kepler_process_bpf_cpu_time_ms_total" {
        pid, container_id, vm_id, command, source
    };

    /// Energy of the virtual machine in processor packages
    VM_PACKAGE_JOULES: Counter "joules" = "kepler_vm_package_joules_total" { vm_id, mode, source };

    /// Energy of the virtual machine in cores
    VM_CORE_JOULES: Counter "joules" = "kepler_vm_core_joules_total" { vm_id, mode, source };

    /// Energy of the virtual machine in the uncore
    VM_UNCORE_JOULES: Counter "joules" = "kepler_vm_uncore_joules_total" { vm_id, mode, source };

    /// Energy of the virtual machine in memory
    VM_DRAM_JOULES: Counter "joules" = "kepler_vm_dram_joules_total" { vm_id, mode, source };

    /// Energy of the virtual machine in what is neither package, memory nor GPU
    VM_OTHER_JOULES: Counter "joules" = "kepler_vm_other_joules_total" { vm_id, mode, source };

    /// Energy of the virtual machine in GPUs
    VM_GPU_JOULES: Counter "joules" = "kepler_vm_gpu_joules_total" { vm_id, mode, source };

    /// Energy of the virtual machine in the whole platform
    VM_PLATFORM_JOULES: Counter "joules" = "kepler_vm_platform_joules_total" {
        vm_id, mode, source
    };

    /// Energy of the virtual machine in all zones that do not contain each other
    VM_JOULES: Counter "joules" = "kepler_vm_joules_total" { vm_id, mode, source };

    /// Processor cycles of the virtual machine
    VM_CPU_CYCLES: Counter "" = "kepler_vm_cpu_cycles_total" { vm_id, source };

    /// Instructions of the virtual machine
    VM_CPU_INSTRUCTIONS: Counter "" = "kepler_vm_cpu_instructions_total" { vm_id, source };

    /// Cache misses of the virtual machine
    VM_CACHE_MISS: Counter "" = "kepler_vm_cache_miss_total" { vm_id, source };

    /// CPU time in milliseconds of the virtual machine
    VM_BPF_CPU_TIME_MS: Counter "" = "kepler_vm_bpf_cpu_time_ms_total" { vm_id, source };

    /// Energy of the node in processor packages
    NODE_PACKAGE_JOULES: Counter "joules" = "kepler_node_package_joules_total" {
        package, instance, mode, source
    };

    /// Energy of the node in cores
    NODE_CORE_JOULES: Counter "joules" = "kepler_node_core_joules_total" {
        package, instance, mode, source
    };

    /// Energy of the node in the uncore
    NODE_UNCORE_JOULES: Counter "joules" = "kepler_node_uncore_joules_total" {
        package, instance, mode, source
    };

    /// Energy of the node in memory
    NODE_DRAM_JOULES: Counter "joules" = "kepler_node_dram_joules_total" {
        package, instance, mode, source
    };

    /// Energy of the node in what is neither package, memory nor GPU
    NODE_OTHER_JOULES: Counter "joules" = "kepler_node_other_joules_total" {
        package, instance, mode, source
    };

    /// Energy of the node in GPUs
    NODE_GPU_JOULES: Counter "joules" = "kepler_node_gpu_joules_total" {
        package, instance, mode, source
    };

    /// Energy of the node in the whole platform
    NODE_PLATFORM_JOULES: Counter "joules" = "kepler_node_platform_joules_total" {
        package, instance, mode, source
    };

    /// Where the figures of the node come from
    NODE_INFO: Info "" = "kepler_node_info" {
        cpu_architecture, components_power_source, platform_power_source, source
    };

    /// The program; goversion is empty
    EXPORTER_BUILD_INFO: Info "" = "kepler_exporter_build_info" {
        branch, revision, version, goversion
    };
}

/// Whether Kepler 0.11 uses the family's name with other labels, so that both
/// cannot stand in one exposition.
#[must_use]
pub fn is_taken(family: &Family) -> bool {
    super::KEPLER.iter().any(|newer| newer.name == family.name)
}
