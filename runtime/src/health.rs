//! Health: is the process alive, and is it ready, with reasons.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;

/// The state of a process' parts, shared by those who report and those who ask.
///
/// The process is ready when each part that was ever named is ready, and
/// alive unless a part failed for good.
#[derive(Clone, Debug, Default)]
pub struct Health {
    parts: Arc<Mutex<BTreeMap<&'static str, Part>>>,
}

#[derive(Clone, Debug)]
enum Part {
    Ready,
    Waiting(String),
    Failed(String),
}

impl Health {
    /// A process that waits for each of `parts`.
    #[must_use]
    pub fn new(parts: &[&'static str]) -> Self {
        let health = Self::default();
        for part in parts {
            health.waiting(part, "starting");
        }
        health
    }

    /// The part does its work.
    pub fn ready(&self, part: &'static str) {
        self.lock().insert(part, Part::Ready);
    }

    /// The part cannot work yet or for now; the process is not ready.
    pub fn waiting(&self, part: &'static str, reason: impl Into<String>) {
        self.lock().insert(part, Part::Waiting(reason.into()));
    }

    /// The part will not recover by itself; the process should be restarted.
    pub fn failed(&self, part: &'static str, reason: impl Into<String>) {
        self.lock().insert(part, Part::Failed(reason.into()));
    }

    /// Whether every part is ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.lock().values().all(|part| matches!(part, Part::Ready))
    }

    /// Whether no part failed for good.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        !self
            .lock()
            .values()
            .any(|part| matches!(part, Part::Failed(_)))
    }

    /// `/healthz` (and `/livez`) and `/readyz`: 200 or 503, and a line per part.
    pub fn router<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        let alive = self.clone();
        let live = move || {
            let health = alive.clone();
            async move { (status(health.is_alive()), health.report()) }
        };
        let ready = self.clone();
        Router::new()
            .route("/healthz", get(live.clone()))
            .route("/livez", get(live))
            .route(
                "/readyz",
                get(move || {
                    let health = ready.clone();
                    async move { (status(health.is_ready()), health.report()) }
                }),
            )
    }

    fn report(&self) -> String {
        let mut text = String::new();
        for (name, part) in self.lock().iter() {
            // Writing to a String cannot fail.
            let _ = match part {
                Part::Ready => writeln!(text, "{name}: ready"),
                Part::Waiting(reason) => writeln!(text, "{name}: waiting: {reason}"),
                Part::Failed(reason) => writeln!(text, "{name}: failed: {reason}"),
            };
        }
        if text.is_empty() {
            text.push_str("ok\n");
        }
        text
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Part>> {
        // No code panics while it holds the lock, and each write is whole.
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn status(good: bool) -> StatusCode {
    if good {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_means_every_part_and_says_which_is_not() {
        let health = Health::new(&["ledger", "watch"]);
        health.ready("ledger");
        assert!(!health.is_ready());
        assert!(health.report().contains("watch: waiting: starting"));
        health.ready("watch");
        assert!(health.is_ready());
        health.failed("ledger", "disk is full");
        assert!(!health.is_alive());
        assert!(!health.is_ready());
    }
}
