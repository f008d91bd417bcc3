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
        watts: row.watts("", ALL_LOADS)?,
    })
}
