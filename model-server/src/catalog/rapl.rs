//! RAPL curves of EC2 bare-metal hosts, as the predecessor published them.
//!
//! The errors published beside them are the memory component's whatever the
//! row says, so they are not read.

use super::{ALL_LOADS, Row};
use crate::host::Curve;

/// One component's curve on one host.
#[derive(Clone, Debug, PartialEq)]
pub struct RaplCurve {
    /// EC2 bare-metal type.
    pub machine: String,
    /// `package` or `dram`.
    pub component: String,
    /// CPU model.
    pub processor: String,
    /// Hardware threads.
    pub threads: f64,
    /// Sockets.
    pub sockets: f64,
    /// Memory, GiB.
    pub mem_gb: f64,
    /// Watts by load.
    pub watts: Curve,
}

pub(super) fn name(row: &Row) -> Option<String> {
    Some(format!(
        "{} {} {}",
        row.get("machine")?,
        row.get("component")?,
        row.get("trainer")?
    ))
}

pub(super) fn curve(row: &Row) -> Result<RaplCurve, String> {
    Ok(RaplCurve {
        machine: row.text("machine")?,
        component: row.text("component")?,
        processor: row.text("processor")?.replace('_', " "),
        // The predecessor's cores are hardware threads.
        threads: row.positive("cores")?,
        sockets: row.positive("chips")?,
        mem_gb: row.positive("memory")?,
        watts: row.watts("", ALL_LOADS)?,
    })
}
