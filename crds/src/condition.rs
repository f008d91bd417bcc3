//! Condition types, reasons and Events: part of the API, a sentence each. The
//! tables are what `docs/reference/conditions.md` is written from.

/// A table of words: each a constant with its meaning.
macro_rules! words {
    ($($(#[doc = $doc:literal])+ $name:ident = $word:literal;)*) => {
        $($(#[doc = $doc])+ pub const $name: &str = $word;)*
        /// Every word of this table with its meaning.
        pub const ALL: &[(&str, &str)] = &[$(($word, concat!($($doc),+))),*];
    };
}

/// Condition types.
pub mod types {
    words! {
        /// The object is reconciled: rolled out, or evaluated. Says nothing about
        /// compliance, so that delivery tools do not block on carbon.
        READY = "Ready";
        /// Work is going on that will change the status.
        RECONCILING = "Reconciling";
        /// Nothing will change until somebody changes something.
        STALLED = "Stalled";
        /// The agents of a `PowerMonitor` run on every node it chooses.
        AGENTS_READY = "AgentsReady";
        /// The model server of a `PowerMonitor` answers.
        MODEL_SERVER_READY = "ModelServerReady";
        /// The `ServiceMonitor`s that a `PowerMonitor` asks for are there; False while
        /// their kind is not installed. Absent where they are not asked for.
        SERVICE_MONITORS_READY = "ServiceMonitorsReady";
        /// The agents of a `PowerMonitor` are read and their answers taken; False names those
        /// that are silent (`Stale`) or refused (`Quarantined`). Absent before the first was read.
        DATA_FRESH = "DataFresh";
        /// An older `PowerMonitor` measures some of the chosen nodes: they are left to it,
        /// and the message names it. Absent where there is none.
        CONFLICTED = "Conflicted";
        /// True when compliant, False when not, Unknown with the verdict as reason.
        COMPLIANT = "Compliant";
        /// The intensity series covers the evaluated hours.
        INTENSITY_FRESH = "IntensityFresh";
        /// Each node of a policy with placement `NodeRegion` is at the place that its label
        /// names, or has none; False while some count as at the policy's site, since the
        /// table has not their region or its zone has no figures. Absent with placement `Site`.
        PLACES_KNOWN = "PlacesKnown";
        /// The `Report`s of OpenReports that a `CarbonPolicy` asks for are there; False
        /// while their kind is not installed. Absent where they are not asked for.
        OPEN_REPORTS_READY = "OpenReportsReady";
        /// An `EnergyStudy` has all the trials that its rule asks for.
        COMPLETE = "Complete";
        /// An `EnergyStudy` cannot go on; what was measured stays.
        FAILED = "Failed";
        /// An `EnergyStudy` waits, by `spec.suspend`.
        SUSPENDED = "Suspended";
    }
}

/// Condition reasons.
pub mod reasons {
    words! {
        /// First visit; nothing is known yet.
        PROGRESSING = "Progressing";
        /// All is as wished.
        SUCCEEDED = "Succeeded";
        /// Pods are being replaced or started.
        ROLLOUT_IN_PROGRESS = "RolloutInProgress";
        /// No node matches the node selector.
        NO_MATCHING_NODES = "NoMatchingNodes";
        /// Some of the chosen nodes take no agent; the message names them.
        NODES_LEFT_OUT = "NodesLeftOut";
        /// What an agent answers is refused; the message names the node and says why.
        QUARANTINED = "Quarantined";
        /// An older `PowerMonitor` measures the nodes, or an object of a name that is needed is somebody else's.
        CONFLICTED = "Conflicted";
        /// The spec asks for what cannot be.
        INVALID_SPEC = "InvalidSpec";
        /// A table, rule file or reference is broken; the message names file, row and reason.
        INVALID_INPUT = "InvalidInput";
        /// A referenced object does not exist.
        NOT_FOUND = "NotFound";
        /// The API server refused a request; the message names verb and resource.
        FORBIDDEN = "Forbidden";
        /// The API server or a provider did not answer; tried again.
        UNAVAILABLE = "Unavailable";
        /// A visit ended by a fault of tanso itself; tried again, and worth reporting.
        INTERNAL_ERROR = "InternalError";
        /// It is being deleted and stays, for a finalizer that is not tanso's; the message names it.
        TERMINATING = "Terminating";
        /// The object holds what this version cannot read; the message says what.
        UNSUPPORTED_SCHEMA = "UnsupportedSchema";
        /// What is shown is older than asked for, or not from the first choice.
        STALE = "Stale";
        /// Nodes name a region that the table of regions has not, or whose grid zone has no figures; the message names them.
        UNKNOWN_REGION = "UnknownRegion";
        /// No energy was booked for what the policy selects.
        NO_DATA = "NoData";
        /// `spec.suspend` is set.
        SUSPENDED = "Suspended";
        /// The part is switched off by the spec.
        SWITCHED_OFF = "SwitchedOff";
        /// Trials are being run.
        RUNNING = "Running";
        /// The planned blocks were run.
        BLOCKS_DONE = "BlocksDone";
        /// The interval is narrow enough.
        INTERVAL_NARROW = "IntervalNarrow";
        /// All blocks were run and the interval is still wider than asked for.
        INTERVAL_WIDE = "IntervalWide";
        /// A trial failed more often in a row than the spec allows.
        RETRIES_EXHAUSTED = "RetriesExhausted";
    }
}

/// Reasons of Events that are no condition's. Every other Event carries the
/// reason and the message of a condition that changed: `Ready`, `DataFresh` and `Conflicted` of a
/// `PowerMonitor`, `Stalled`, `IntensityFresh` and `PlacesKnown` of a policy.
pub mod events {
    words! {
        /// The verdict of a policy changed; the note says from what to what, and why.
        VERDICT_CHANGED = "VerdictChanged";
    }
}

#[cfg(test)]
mod tests {
    use super::{events, reasons, types};

    #[test]
    fn every_word_is_one_word_with_a_sentence_and_there_once() {
        for table in [types::ALL, reasons::ALL, events::ALL] {
            for (index, (word, meaning)) in table.iter().enumerate() {
                assert!(word.chars().all(|c| c.is_ascii_alphabetic()), "{word}");
                assert!(meaning.trim().ends_with('.'), "{word}: {meaning}");
                assert!(
                    table.iter().skip(index + 1).all(|(other, _)| other != word),
                    "{word}"
                );
            }
        }
    }
}
