//! EC2 instance types and the hosts they run on.

use super::{Row, curve_fault};

/// The loads of an instance figure, 0 to 1.
pub const INSTANCE_LOADS: [f64; 4] = [0.0, 0.1, 0.5, 1.0];

/// Published watts of an instance type.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceFigure {
    /// `m5.2xlarge`.
    pub instance_type: String,
    /// Virtual CPUs.
    pub vcpus: f64,
    /// Virtual CPUs of the whole host.
    pub platform_vcpus: f64,
    /// Host CPU, `Xeon Platinum 8259CL`.
    pub platform_cpu: String,
    /// Memory, GiB.
    pub mem_gb: f64,
    /// Accelerators.
    pub gpus: f64,
    /// Watts at [`INSTANCE_LOADS`], accelerators at their idle power.
    pub watts: [f64; 4],
}

/// An instance type of which no watts are published.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceType {
    /// `m7i.2xlarge`.
    pub instance_type: String,
    /// Virtual CPUs.
    pub vcpus: f64,
    /// Memory, GiB.
    pub mem_gb: Option<f64>,
    /// Host CPU as the cloud names it, may be empty.
    pub platform_cpu: String,
    /// Microarchitecture, may be empty.
    pub microarch: String,
    /// Whether its cloud sells it with accelerators.
    pub accelerated: bool,
}

/// A host CPU of the cloud.
#[derive(Clone, Debug, PartialEq)]
pub struct Platform {
    /// `Xeon Platinum 8259CL`.
    pub cpu_name: String,
    /// Virtual CPUs of the host.
    pub vcpus: f64,
    /// Sockets of the host.
    pub sockets: f64,
}

pub(super) fn figure(row: &Row) -> Result<InstanceFigure, String> {
    let mut watts = [0.0; 4];
    for (cell, load) in watts.iter_mut().zip([0, 10, 50, 100]) {
        let part = |part: &str| row.number(&format!("{part}_w_{load}"));
        // An accelerator's load is not the CPUs': it counts as idle here.
        let gpu_idle = row.number("gpu_w_0")?;
        let rest = row.number("delta_full_machine_w")?;
        let sum = part("pkg")? + part("ram")? + rest;
        let published = part("instance")?;
        if (sum + part("gpu")? - published).abs() > 0.3 + 0.02 * published {
            return Err(format!("parts at {load} % do not add up to {published} W"));
        }
        *cell = sum + gpu_idle;
    }
    if let Some(fault) = curve_fault(&watts) {
        return Err(fault);
    }
    let (vcpus, platform_vcpus) = (row.positive("vcpu")?, row.positive("platform_vcpu")?);
    if vcpus > platform_vcpus {
        return Err(format!("{vcpus} vCPUs on a host of {platform_vcpus}"));
    }
    Ok(InstanceFigure {
        instance_type: row.text("instance_type")?,
        vcpus,
        platform_vcpus,
        platform_cpu: row.text("platform_cpu")?,
        mem_gb: row.positive("mem_gb")?,
        gpus: row.number("gpus")?,
        watts,
    })
}

pub(super) fn instance_type(row: &Row) -> Result<InstanceType, String> {
    Ok(InstanceType {
        instance_type: row.text("instance_type")?,
        vcpus: row.positive("vcpu")?,
        mem_gb: row.optional("mem_gb")?,
        platform_cpu: row.get("platform_cpu").unwrap_or_default().to_owned(),
        microarch: row.get("microarch").unwrap_or_default().to_owned(),
        accelerated: row
            .get("category")
            .is_some_and(|c| c.contains("Accelerated")),
    })
}

pub(super) fn platform(row: &Row) -> Result<Platform, String> {
    let (vcpus, sockets) = (row.positive("platform_vcpu")?, row.positive("sockets")?);
    let per_socket = row.positive("vcpu_per_socket")?;
    if (per_socket * sockets - vcpus).abs() > 0.5 {
        return Err(format!(
            "{sockets} sockets of {per_socket} vCPUs are not {vcpus}"
        ));
    }
    Ok(Platform {
        cpu_name: row.text("cpu_name")?,
        vcpus,
        sockets,
    })
}
