//! Families that dashboards and alerts of Kepler 0.11 know.
//!
//! Name, type, labels and meaning are theirs; a test compares them with a
//! table of Kepler's surface.

use super::{Family, Kind, families};

families! {
    KEPLER;

    /// Energy of the node's power zone; zones may contain each other
    NODE_JOULES: Counter "joules" = "kepler_node_cpu_joules_total" { zone, path, node_name };

    /// The part of the zone's energy above idle power
    NODE_ACTIVE_JOULES: Counter "joules" = "kepler_node_cpu_active_joules_total" {
        zone, path, node_name
    };

    /// The part of the zone's energy that is drawn when nothing runs
    NODE_IDLE_JOULES: Counter "joules" = "kepler_node_cpu_idle_joules_total" {
        zone, path, node_name
    };

    /// Mean power of the zone over the last reading interval
    NODE_WATTS: Gauge "watts" = "kepler_node_cpu_watts" { zone, path, node_name };

    /// Mean power above idle over the last reading interval
    NODE_ACTIVE_WATTS: Gauge "watts" = "kepler_node_cpu_active_watts" { zone, path, node_name };

    /// Mean idle power over the last reading interval
    NODE_IDLE_WATTS: Gauge "watts" = "kepler_node_cpu_idle_watts" { zone, path, node_name };

    /// Share of the node's CPU time that was busy in the last reading interval
    NODE_USAGE_RATIO: Gauge "ratio" = "kepler_node_cpu_usage_ratio" { node_name };

    /// The node's processors
    NODE_CPU_INFO: Info "" = "kepler_node_cpu_info" {
        processor, vendor_id, model_name, physical_id, core_id
    };

    /// Energy of the GPU
    NODE_GPU_JOULES: Counter "joules" = "kepler_node_gpu_joules_total" {
        gpu, gpu_uuid, gpu_name, vendor, node_name
    };

    /// The part of the GPU's energy above idle power
    NODE_GPU_ACTIVE_JOULES: Counter "joules" = "kepler_node_gpu_active_joules_total" {
        gpu, gpu_uuid, gpu_name, vendor, node_name
    };

    /// The part of the GPU's energy that is drawn when nothing runs on it
    NODE_GPU_IDLE_JOULES: Counter "joules" = "kepler_node_gpu_idle_joules_total" {
        gpu, gpu_uuid, gpu_name, vendor, node_name
    };

    /// Mean power of the GPU over the last reading interval
    NODE_GPU_WATTS: Gauge "watts" = "kepler_node_gpu_watts" {
        gpu, gpu_uuid, gpu_name, vendor, node_name
    };

    /// Mean power of the GPU above idle over the last reading interval
    NODE_GPU_ACTIVE_WATTS: Gauge "watts" = "kepler_node_gpu_active_watts" {
        gpu, gpu_uuid, gpu_name, vendor, node_name
    };

    /// Mean idle power of the GPU over the last reading interval
    NODE_GPU_IDLE_WATTS: Gauge "watts" = "kepler_node_gpu_idle_watts" {
        gpu, gpu_uuid, gpu_name, vendor, node_name
    };

    /// The node's GPUs
    NODE_GPU_INFO: Info "" = "kepler_node_gpu_info" { gpu, gpu_uuid, gpu_name, vendor, node_name };

    /// Energy above idle of the process in the power zone
    PROCESS_JOULES: Counter "joules" = "kepler_process_cpu_joules_total" {
        pid, comm, exe, type, state, container_id, vm_id, zone, node_name
    };

    /// Mean power above idle of the process over the last reading interval
    PROCESS_WATTS: Gauge "watts" = "kepler_process_cpu_watts" {
        pid, comm, exe, type, state, container_id, vm_id, zone, node_name
    };

    /// CPU time of the process
    PROCESS_SECONDS: Counter "seconds" = "kepler_process_cpu_seconds_total" {
        pid, comm, exe, type, container_id, vm_id, node_name
    };

    /// GPU energy of the process
    PROCESS_GPU_JOULES: Counter "joules" = "kepler_process_gpu_joules_total" {
        pid, comm, exe, type, state, container_id, vm_id, node_name
    };

    /// Mean GPU power of the process over the last reading interval
    PROCESS_GPU_WATTS: Gauge "watts" = "kepler_process_gpu_watts" {
        pid, comm, exe, type, state, container_id, vm_id, node_name
    };

    /// Energy above idle of the container in the power zone
    CONTAINER_JOULES: Counter "joules" = "kepler_container_cpu_joules_total" {
        container_id, container_name, runtime, state, zone, pod_id, node_name
    };

    /// Mean power above idle of the container over the last reading interval
    CONTAINER_WATTS: Gauge "watts" = "kepler_container_cpu_watts" {
        container_id, container_name, runtime, state, zone, pod_id, node_name
    };

    /// CPU time of the container
    CONTAINER_SECONDS: Counter "seconds" = "kepler_container_cpu_seconds_total" {
        container_id, container_name, runtime, state, pod_id, node_name
    };

    /// GPU energy of the container
    CONTAINER_GPU_JOULES: Counter "joules" = "kepler_container_gpu_joules_total" {
        container_id, container_name, runtime, state, pod_id, node_name
    };

    /// Mean GPU power of the container over the last reading interval
    CONTAINER_GPU_WATTS: Gauge "watts" = "kepler_container_gpu_watts" {
        container_id, container_name, runtime, state, pod_id, node_name
    };

    /// Energy above idle of the virtual machine in the power zone
    VM_JOULES: Counter "joules" = "kepler_vm_cpu_joules_total" {
        vm_id, vm_name, hypervisor, state, zone, node_name
    };

    /// Mean power above idle of the virtual machine over the last reading interval
    VM_WATTS: Gauge "watts" = "kepler_vm_cpu_watts" {
        vm_id, vm_name, hypervisor, state, zone, node_name
    };

    /// Energy above idle of the pod in the power zone
    POD_JOULES: Counter "joules" = "kepler_pod_cpu_joules_total" {
        pod_id, pod_name, pod_namespace, state, zone, node_name
    };

    /// Mean power above idle of the pod over the last reading interval
    POD_WATTS: Gauge "watts" = "kepler_pod_cpu_watts" {
        pod_id, pod_name, pod_namespace, state, zone, node_name
    };

    /// GPU energy of the pod
    POD_GPU_JOULES: Counter "joules" = "kepler_pod_gpu_joules_total" {
        pod_id, pod_name, pod_namespace, state, node_name
    };

    /// Mean GPU power of the pod over the last reading interval
    POD_GPU_WATTS: Gauge "watts" = "kepler_pod_gpu_watts" {
        pod_id, pod_name, pod_namespace, state, node_name
    };

    /// Power of a power supply or chassis as the board management controller tells it
    PLATFORM_WATTS: Gauge "watts" = "kepler_platform_watts" {
        source, node_name, bmc_id, chassis_id, source_id, source_name, source_type
    };

    /// The program; goversion is empty
    BUILD_INFO: Info "" = "kepler_build_info" { arch, branch, revision, version, goversion };
}
