//! Whom to trust for agents that speak TLS, by their monitor.
//!
//! The controller that rolls agents out says it; the collector only reads. An
//! agent of a monitor with TLS is never asked in the clear: also not while nobody
//! has said yet by whose word it is known, as after a start.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

/// How the agents of a monitor are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentTrust {
    /// Certificates of the authority that vouches for them, PEM.
    pub authority: String,
    /// The name in their certificates.
    pub server_name: String,
}

/// What is known of all monitors; clones share it.
#[derive(Clone, Debug, Default)]
pub struct TrustBoard {
    monitors: Arc<RwLock<BTreeMap<String, Arc<AgentTrust>>>>,
    /// Monitors whose spec wishes TLS.
    secured: Arc<RwLock<BTreeSet<String>>>,
}

impl TrustBoard {
    /// Says how a monitor's agents are known; `None`: they speak plain HTTP.
    pub fn set(&self, monitor: &str, trust: Option<AgentTrust>) {
        // No code panics while it holds the lock.
        let mut monitors = self
            .monitors
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        match trust {
            Some(trust) => {
                let known = monitors.get(monitor).is_some_and(|known| **known == trust);
                if !known {
                    monitors.insert(monitor.to_owned(), Arc::new(trust));
                }
            }
            None => {
                monitors.remove(monitor);
            }
        }
    }

    /// Forgets monitors that are gone.
    pub fn retain(&self, is_there: impl Fn(&str) -> bool) {
        // No code panics while it holds the lock.
        let mut monitors = self
            .monitors
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        monitors.retain(|monitor, _| is_there(monitor));
    }

    /// Says which monitors wish TLS.
    pub fn secure(&self, monitors: BTreeSet<String>) {
        // No code panics while it holds the lock.
        *self.secured.write().unwrap_or_else(PoisonError::into_inner) = monitors;
    }

    /// Whether a monitor wishes TLS.
    #[must_use]
    pub fn is_secured(&self, monitor: &str) -> bool {
        let secured = self.secured.read().unwrap_or_else(PoisonError::into_inner);
        secured.contains(monitor)
    }

    /// How a monitor's agents are known, if they speak TLS.
    #[must_use]
    pub fn of(&self, monitor: &str) -> Option<Arc<AgentTrust>> {
        self.monitors
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(monitor)
            .cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_trusted_for_a_monitor_that_is_gone() {
        let board = TrustBoard::default();
        let trust = AgentTrust {
            authority: String::new(),
            server_name: String::new(),
        };
        for monitor in ["gone", "here"] {
            board.set(monitor, Some(trust.clone()));
        }
        board.retain(|monitor| monitor == "here");
        assert!(board.of("gone").is_none());
        assert!(board.of("here").is_some());
    }
}
