//! Events: said when something changes, never on each visit.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::time::timeout;

use super::apply::DEADLINE;
use super::conditions::transitions;
use super::lease::Claim;

/// Longest note that the API accepts, bytes.
const NOTE_LIMIT: usize = 1_000;

/// Most things of which it is known what was said last.
const SAID_MAX: usize = 10_000;

/// Publishes Events of one controller, while the process holds the lease.
#[derive(Clone)]
pub struct Events {
    recorder: Recorder,
    claim: Claim,
    /// What was said last of things that go on failing.
    said: Arc<Mutex<HashMap<String, String>>>,
}

impl Events {
    /// Events that name `controller` (for example `tanso-power-monitor`) and
    /// `instance` (the pod) as their source.
    #[must_use]
    pub fn new(client: Client, controller: &str, instance: &str, claim: Claim) -> Self {
        let reporter = Reporter {
            controller: controller.to_owned(),
            instance: Some(instance.to_owned()),
        };
        Self {
            recorder: Recorder::new(client, reporter),
            claim,
            said: Arc::default(),
        }
    }

    /// Whether `word` is something else than what was said of `thing` last; from now
    /// on it was said. For failures that each visit meets anew.
    #[must_use]
    pub fn is_news(&self, thing: &str, word: &str) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.get(thing).map(String::as_str) == Some(word) {
            return false;
        }
        // Things that are gone are never settled.
        if said.len() >= SAID_MAX {
            said.clear();
        }
        said.insert(thing.to_owned(), word.to_owned());
        true
    }

    /// Notes that a thing no longer fails: what is said of it next is news.
    pub fn settle(&self, thing: &str) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.remove(thing);
    }

    /// Publishes one Event. A failure is logged and otherwise ignored, and so is
    /// an API server that does not answer in time: the status says the same.
    pub async fn publish(
        &self,
        regarding: &ObjectReference,
        type_: EventType,
        reason: &str,
        action: &str,
        note: &str,
    ) {
        if !self.claim.holds() {
            return;
        }
        let event = Event {
            type_,
            reason: reason.to_owned(),
            note: Some(shortened(note)),
            action: action.to_owned(),
            secondary: None,
        };
        // A visit waits for it.
        match timeout(DEADLINE, self.recorder.publish(&event, regarding)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, reason, "publishing an event failed"),
            Err(_) => tracing::debug!(reason, "publishing an event took too long"),
        }
    }

    /// Publishes an Event for each condition of `types` whose status or reason
    /// changed: a warning when that is bad news (`False`, or `True` of `Stalled`
    /// and `Conflicted`).
    pub async fn on_transitions(
        &self,
        regarding: &ObjectReference,
        types: &[&str],
        before: &[Condition],
        after: &[Condition],
    ) {
        for change in transitions(before, after) {
            if types.contains(&change.type_.as_str()) {
                let action = format!("{}{}", change.type_, change.status);
                self.publish(
                    regarding,
                    tone(change),
                    &change.reason,
                    &action,
                    &change.message,
                )
                .await;
            }
        }
    }
}

fn tone(change: &Condition) -> EventType {
    let bad = match change.type_.as_str() {
        "Stalled" | "Conflicted" => "True",
        "Reconciling" => return EventType::Normal,
        _ => "False",
    };
    // A rollout that is under way is no bad news, nor is a node that just came.
    let passes = ["RolloutInProgress", "NodesLeftOut"].contains(&change.reason.as_str());
    if change.status == bad && !passes {
        EventType::Warning
    } else {
        EventType::Normal
    }
}

fn shortened(note: &str) -> String {
    let mut end = note.len().min(NOTE_LIMIT);
    while !note.is_char_boundary(end) {
        end -= 1;
    }
    note.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use hyper::{Request, Response};
    use kube::client::Body;
    use tower::service_fn;

    use super::*;

    /// It waited as long as a list may be silent, and its visit with it.
    #[tokio::test(start_paused = true)]
    async fn an_event_that_nobody_takes_holds_up_no_visit() {
        let silent = service_fn(|_: Request<Body>| async {
            std::future::pending::<()>().await;
            Ok::<_, Infallible>(Response::new(Body::empty()))
        });
        let client = Client::new(silent, "default");
        let events = Events::new(client, "tanso-test", "me", Claim::always());
        let of = ObjectReference {
            kind: Some("CarbonPolicy".to_owned()),
            name: Some("one".to_owned()),
            namespace: Some("shop".to_owned()),
            ..ObjectReference::default()
        };
        let telling = events.publish(&of, EventType::Normal, "Reason", "Action", "note");
        let told = timeout(DEADLINE + Duration::from_secs(1), telling).await;
        assert!(told.is_ok());
    }

    /// An action that a right is missing for was told at every visit: a write a
    /// minute and `CronJob` for as long as nobody granted it.
    #[tokio::test]
    async fn what_goes_on_failing_is_news_once() {
        let silent = service_fn(|_: Request<Body>| async {
            Ok::<_, Infallible>(Response::new(Body::empty()))
        });
        let client = Client::new(silent, "default");
        let events = Events::new(client, "tanso-test", "me", Claim::always());
        let other = events.clone();
        assert!(events.is_news("shop/etl", "ActionForbidden"));
        assert!(!other.is_news("shop/etl", "ActionForbidden"));
        assert!(events.is_news("shop/report", "ActionForbidden"));
        assert!(events.is_news("shop/etl", "ActionFailed"));
        events.settle("shop/etl");
        assert!(other.is_news("shop/etl", "ActionFailed"));
        for thing in 0..2 * SAID_MAX {
            assert!(events.is_news(&thing.to_string(), "ActionFailed"));
        }
        assert!(events.said.lock().unwrap().len() <= SAID_MAX);
    }

    #[test]
    fn a_note_is_cut_between_letters() {
        let note = "é".repeat(600);
        assert_eq!(shortened(&note).len(), 1_000);
        assert_eq!(shortened("short"), "short");
    }
}
