//! What every controller needs of the cluster: writing, conditions, Events,
//! the lease, and the class of a failure.
//!
//! Knows no kind of object by name and judges nothing.

pub mod apply;
pub mod conditions;
pub mod events;
pub mod fault;
pub mod lease;

pub use apply::{Applied, Applier, ApplyFault, Change};
pub use conditions::{condition, set_condition, transitions};
pub use events::Events;
pub use fault::Class;
pub use lease::Claim;

/// Field manager of the `PowerMonitor` controller.
pub const POWER_MONITOR_MANAGER: &str = "tanso-power-monitor";

/// Field manager of the carbon policy controllers.
pub const CARBON_POLICY_MANAGER: &str = "tanso-carbon-policy";
