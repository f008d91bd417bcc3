//! What is said about a monitor: conditions, counts, and the same in words.
//!
//! Computing is pure and gives the same status for the same findings, so that
//! nothing is written when nothing changed.

pub mod compute;

use kube::{Api, Client};
use tanso_crds::{PowerMonitor, PowerMonitorStatus};

use crate::cluster::apply::{Applier, ApplyFault};

pub use compute::{Findings, Outcome, compute, first_visit};

/// Writes the status unless it says the same already.
///
/// # Errors
/// If the write fails.
pub async fn write(
    client: &Client,
    applier: &Applier,
    monitor: &PowerMonitor,
    status: &PowerMonitorStatus,
) -> Result<bool, ApplyFault> {
    let api: Api<PowerMonitor> = Api::all(client.clone());
    applier
        .write_status(&api, monitor, monitor.status.as_ref(), status)
        .await
}
