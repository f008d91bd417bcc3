//! What every controller needs of the cluster: writing, conditions, Events,
//! the lease, and the class of a failure.
//!
//! Judges nothing.

pub mod apply;
pub mod back_off;
pub mod conditions;
pub mod events;
pub mod fault;
pub mod going;
pub mod lease;
pub mod pace;
pub mod readable;
pub mod silence;

use kube::{Resource, ResourceExt as _};
use tanso_crds::REQUESTED_AT;

pub use apply::{Applied, Applier, ApplyFault, Change};
pub use back_off::BackOff;
pub use conditions::{Conditions, condition, transitions};
pub use events::Events;
pub use fault::Class;
pub use going::kept_by;
pub use lease::Claim;
pub use pace::Pace;
pub use readable::{Readable, Unreadable};

/// Field manager of the `PowerMonitor` controller.
pub const POWER_MONITOR_MANAGER: &str = "tanso-power-monitor";

/// Field manager of the carbon policy controllers.
pub const CARBON_POLICY_MANAGER: &str = "tanso-carbon-policy";

/// Field manager of the `EnergyStudy` controller.
pub const ENERGY_STUDY_MANAGER: &str = "tanso-energy-study";

/// Longest value of that annotation that is told back.
const REQUEST_LIMIT: usize = 64;

/// What a person asked a visit with, as far as it is told back in the status.
#[must_use]
pub fn requested_at<K: Resource>(object: &K) -> Option<String> {
    let asked = object.annotations().get(REQUESTED_AT)?;
    Some(asked.chars().take(REQUEST_LIMIT).collect())
}

#[cfg(test)]
mod tests {
    use tanso_crds::PowerMonitor;

    use super::*;

    #[test]
    fn what_a_visit_was_asked_with_is_told_back_within_bounds() {
        let mut monitor = PowerMonitor::new("a", tanso_crds::PowerMonitorSpec::default());
        assert_eq!(requested_at(&monitor), None);
        let annotations = monitor.annotations_mut();
        annotations.insert(REQUESTED_AT.into(), "é".repeat(99));
        assert_eq!(requested_at(&monitor), Some("é".repeat(REQUEST_LIMIT)));
    }
}
