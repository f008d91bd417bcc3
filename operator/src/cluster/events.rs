//! Events: said when something changes, never on each visit.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, MicroTime, ObjectMeta};
use kube::api::{Patch, PatchParams, PostParams};
use kube::runtime::events::EventType;
use kube::{Api, Client};
use serde_json::json;
use tokio::time::timeout;

use super::apply::DEADLINE;
use super::conditions::transitions;
use super::lease::Claim;

/// Longest note that the API accepts, bytes.
const NOTE_LIMIT: usize = 1_000;

/// Most things of which it is known what was said last.
const SAID_MAX: usize = 10_000;

/// An Event that is said again within this time is counted, and not made anew.
const COUNTED: SignedDuration = SignedDuration::from_mins(6);

/// Publishes Events of one controller, while the process holds the lease.
#[derive(Clone)]
pub struct Events {
    client: Client,
    controller: String,
    instance: String,
    claim: Claim,
    /// The last Events. No more of them than it takes to count one that is said
    /// again: each of a thousand policies has some after its first visit.
    made: Arc<Mutex<Made>>,
    /// What was said last of things that go on failing.
    said: Arc<Mutex<HashMap<String, String>>>,
}

/// Events by a digest of all that they say.
#[derive(Default)]
struct Made {
    hasher: RandomState,
    by_digest: HashMap<u64, Counted>,
    /// When old ones were let go.
    pruned_at: Timestamp,
}

/// An Event's name, and how often it was said when last.
#[derive(Clone)]
struct Counted {
    name: String,
    count: i32,
    at: Timestamp,
}

impl Made {
    /// Whether the same was said lately.
    fn lately(&self, digest: u64, now: Timestamp) -> Option<Counted> {
        let known = self.by_digest.get(&digest);
        known
            .filter(|one| now.duration_since(one.at) < COUNTED)
            .cloned()
    }

    fn note(&mut self, digest: u64, said: Counted) {
        let now = said.at;
        if now.duration_since(self.pruned_at) >= COUNTED || self.by_digest.len() >= SAID_MAX {
            self.by_digest
                .retain(|_, one| now.duration_since(one.at) < COUNTED);
            self.pruned_at = now;
        }
        if self.by_digest.len() >= SAID_MAX {
            self.by_digest.clear();
        }
        self.by_digest.insert(digest, said);
    }
}

impl Events {
    /// Events that name `controller` (for example `tanso-power-monitor`) and
    /// `instance` (the pod) as their source.
    #[must_use]
    pub fn new(client: Client, controller: &str, instance: &str, claim: Claim) -> Self {
        Self {
            client,
            controller: controller.to_owned(),
            instance: instance.to_owned(),
            claim,
            made: Arc::default(),
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
        let said = (kind_of(type_), reason, action, &*shortened(note));
        // A visit waits for it.
        match timeout(DEADLINE, self.say(regarding, said)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, reason, "publishing an event failed"),
            Err(_) => tracing::debug!(reason, "publishing an event took too long"),
        }
    }

    /// Makes an Event of type, reason, action and note, or counts the one that says
    /// the same.
    async fn say(
        &self,
        regarding: &ObjectReference,
        (type_, reason, action, note): (&str, &str, &str, &str),
    ) -> Result<(), kube::Error> {
        let now = Timestamp::now();
        let who = [
            &regarding.kind,
            &regarding.namespace,
            &regarding.name,
            &regarding.uid,
        ];
        let (digest, lately) = {
            let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
            let digest = made.hasher.hash_one((who, type_, reason, action, note));
            (digest, made.lately(digest, now))
        };
        let namespace = regarding.namespace.as_deref().unwrap_or("default");
        let api: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        let (name, count) = if let Some(Counted { name, count, .. }) = lately {
            let count = count.saturating_add(1);
            let series = json!({"series": {"count": count, "lastObservedTime": MicroTime(now)}});
            api.patch(&name, &PatchParams::default(), &Patch::Merge(series))
                .await?;
            (name, count)
        } else {
            let of = regarding.name.as_deref().unwrap_or(&self.controller);
            let name = format!("{of}.{:x}", now.as_nanosecond());
            let event = Event {
                type_: Some(type_.to_owned()),
                reason: Some(reason.to_owned()),
                action: Some(action.to_owned()),
                note: Some(note.to_owned()),
                event_time: Some(MicroTime(now)),
                regarding: Some(regarding.clone()),
                reporting_controller: Some(self.controller.clone()),
                reporting_instance: Some(self.instance.clone()),
                metadata: ObjectMeta {
                    namespace: regarding.namespace.clone(),
                    name: Some(name.clone()),
                    ..ObjectMeta::default()
                },
                ..Event::default()
            };
            api.create(&PostParams::default(), &event).await?;
            (name, 1)
        };
        let said = Counted {
            name,
            count,
            at: now,
        };
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.note(digest, said);
        Ok(())
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

const fn kind_of(type_: EventType) -> &'static str {
    match type_ {
        EventType::Normal => "Normal",
        EventType::Warning => "Warning",
    }
}

fn tone(change: &Condition) -> EventType {
    if is_bad(change) {
        EventType::Warning
    } else {
        EventType::Normal
    }
}

/// Whether what a condition says is bad news.
#[must_use]
pub fn is_bad(condition: &Condition) -> bool {
    let bad = match condition.type_.as_str() {
        "Stalled" | "Conflicted" => "True",
        "Reconciling" => return false,
        _ => "False",
    };
    // A rollout that is under way is no bad news, nor is a node that just came.
    let passes = ["RolloutInProgress", "NodesLeftOut"].contains(&condition.reason.as_str());
    condition.status == bad && !passes
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
    use serde_json::Value;
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

    /// The second of two verdicts within minutes was counted as the first, by whose
    /// words it was told.
    #[tokio::test]
    async fn what_is_said_again_is_counted_and_other_words_are_an_event_of_their_own() {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        let answer = service_fn(move |request: Request<Body>| {
            let seen = Arc::clone(&seen);
            async move {
                let method = request.method().to_string();
                let body = request.into_body().collect_bytes().await.unwrap();
                let mut said: Value = serde_json::from_slice(&body).unwrap();
                seen.lock().unwrap().push((method, said.clone()));
                said["metadata"]["name"] = "one.1".into();
                Ok::<_, Infallible>(Response::new(Body::from(said.to_string().into_bytes())))
            }
        });
        let events = Events::new(
            Client::new(answer, "default"),
            "tanso-test",
            "me",
            Claim::always(),
        );
        let of = ObjectReference {
            name: Some("one".to_owned()),
            namespace: Some("shop".to_owned()),
            ..ObjectReference::default()
        };
        for note in [
            "none -> Compliant",
            "none -> Compliant",
            "NonCompliant -> Compliant",
        ] {
            events
                .publish(&of, EventType::Normal, "Verdict", "Evaluate", note)
                .await;
        }
        let asked = asked.lock().unwrap();
        let methods: Vec<_> = asked.iter().map(|(method, _)| method.as_str()).collect();
        assert_eq!(methods, ["POST", "PATCH", "POST"]);
        assert_eq!(asked[0].1["reportingInstance"], "me");
        assert_eq!(asked[1].1["series"]["count"], 2);
        assert_eq!(asked[2].1["note"], "NonCompliant -> Compliant");
    }

    #[test]
    fn events_that_are_no_longer_counted_are_forgotten() {
        let mut made = Made::default();
        let at = |second: i64| Timestamp::from_second(1_790_000_000 + second).unwrap();
        let said = |second: i64| Counted {
            name: "one.1".to_owned(),
            count: 1,
            at: at(second),
        };
        made.note(7, said(0));
        assert!(made.lately(7, at(359)).is_some() && made.lately(7, at(360)).is_none());
        made.note(8, said(400));
        assert_eq!(made.by_digest.len(), 1);
        for digest in 0..3 * SAID_MAX as u64 {
            made.note(digest, said(401));
        }
        assert!(made.by_digest.len() <= SAID_MAX);
    }

    #[test]
    fn a_note_is_cut_between_letters() {
        let note = "é".repeat(600);
        assert_eq!(shortened(&note).len(), 1_000);
        assert_eq!(shortened("short"), "short");
    }
}
