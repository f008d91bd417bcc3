//! Condition types and reasons: part of the API, a sentence each.

/// Condition types.
pub mod types {
    /// The object is reconciled: rolled out, or evaluated. Says nothing about
    /// compliance, so that delivery tools do not block on carbon.
    pub const READY: &str = "Ready";
    /// Work is going on that will change the status.
    pub const RECONCILING: &str = "Reconciling";
    /// Nothing will change until somebody changes something.
    pub const STALLED: &str = "Stalled";
    /// The agents of a `PowerMonitor` run on every node it chooses.
    pub const AGENTS_READY: &str = "AgentsReady";
    /// The model server of a `PowerMonitor` answers.
    pub const MODEL_SERVER_READY: &str = "ModelServerReady";
    /// True when compliant, False when not, Unknown with the verdict as reason.
    pub const COMPLIANT: &str = "Compliant";
    /// The intensity series covers the evaluated hours.
    pub const INTENSITY_FRESH: &str = "IntensityFresh";
}

/// Condition reasons.
pub mod reasons {
    /// First visit; nothing is known yet.
    pub const PROGRESSING: &str = "Progressing";
    /// All is as wished.
    pub const SUCCEEDED: &str = "Succeeded";
    /// Pods are being replaced or started.
    pub const ROLLOUT_IN_PROGRESS: &str = "RolloutInProgress";
    /// No node matches the node selector.
    pub const NO_MATCHING_NODES: &str = "NoMatchingNodes";
    /// An older `PowerMonitor` already measures one of the nodes.
    pub const CONFLICTED: &str = "Conflicted";
    /// The spec asks for what cannot be.
    pub const INVALID_SPEC: &str = "InvalidSpec";
    /// A table, rule file or reference is broken; the message names file, row and reason.
    pub const INVALID_INPUT: &str = "InvalidInput";
    /// A referenced object does not exist.
    pub const NOT_FOUND: &str = "NotFound";
    /// The API server refused a request; the message names verb and resource.
    pub const FORBIDDEN: &str = "Forbidden";
    /// The API server or a provider did not answer; tried again.
    pub const UNAVAILABLE: &str = "Unavailable";
    /// What is shown is older than asked for, or not from the first choice.
    pub const STALE: &str = "Stale";
    /// No energy was booked for what the policy selects.
    pub const NO_DATA: &str = "NoData";
    /// `spec.suspend` is set.
    pub const SUSPENDED: &str = "Suspended";
    /// The part is switched off by the spec.
    pub const SWITCHED_OFF: &str = "SwitchedOff";
}
