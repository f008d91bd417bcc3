//! Whether the first page is kept ready: from the start, and while somebody
//! looks at it. A cluster that nobody looks at is not read again and again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two looks at whether something is new.
pub(super) const PAUSE: Duration = Duration::from_secs(10);
/// How long after a view, or the start, it is kept ready.
const KEPT: Duration = Duration::from_mins(15);

/// When the first page was last looked at; clones share it.
#[derive(Clone)]
pub(super) struct Warmth(Arc<Mutex<Instant>>);

impl Default for Warmth {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }
}

impl Warmth {
    /// Somebody looks.
    pub(super) fn note_view(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Whether it is to be kept ready.
    pub(super) fn is_wanted(&self) -> bool {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.elapsed() < KEPT
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::future::BoxFuture;
    use tanso_crds::ClusterCarbonPolicy;

    use super::super::{Live, LiveNode, StudyFiles, Web, overview};
    use crate::view::given::Given;
    use crate::view::{Energy, FactsFault, Policy};

    struct NoAgents;

    impl Live for NoAgents {
        fn nodes(&self) -> Vec<LiveNode> {
            Vec::new()
        }

        fn studies(&self) -> BoxFuture<'_, Result<Vec<StudyFiles>, FactsFault>> {
            Box::pin(std::future::ready(Ok(Vec::new())))
        }
    }

    /// The first view after a start waited for all that it shows to be read.
    #[tokio::test]
    async fn what_was_read_ahead_is_there_when_somebody_looks() {
        let text = include_str!("../report/tests/policy.json");
        let policy: ClusterCarbonPolicy = serde_json::from_str(text).unwrap();
        let facts = Given {
            now: "2026-10-05T09:31:00Z".parse().unwrap(),
            policies: vec![Policy::from(policy)],
            energy: Some(Energy::default()),
            ..Given::default()
        };
        // The ledger is out of reach: only what is kept can be told.
        let blind = Given {
            energy: None,
            ..facts.clone()
        };
        let policy = &blind.policies[0];
        let web = Web::given(Arc::new(facts.clone()), Arc::new(NoAgents));
        assert!(web.warmth.is_wanted(), "from the start");
        assert!(web.cache.hours(&blind, policy).await.is_err());
        overview::warm(&web, &facts).await.unwrap();
        let found = web.cache.hours(&blind, policy).await.unwrap();
        assert!(found.is_some_and(|hours| !hours.hours.is_empty()));
    }
}
