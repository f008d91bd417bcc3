//! Server-side apply that writes nothing when nothing changed.
//!
//! A request is left out only if this process applied exactly the same object
//! before and every field of it is still so on the cluster. All other requests
//! are sent; the API server itself then leaves an unchanged object alone.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::fmt::Debug;
use std::hash::{Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, Preconditions};
use kube::{Api, Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::fault::{self, Class};
use super::lease::Claim;
use super::pace::Pace;
use crate::metrics::Metrics;

/// How long one request may take, retries included.
pub(super) const DEADLINE: Duration = Duration::from_secs(20);

/// Most objects whose last request is remembered.
const REMEMBERED: usize = 10_000;

/// Most fields of a status that are left out for a kind of an earlier version.
const UNDECLARED_MAX: usize = 16;

/// Any kind that can be applied.
pub trait Object:
    Resource<DynamicType = ()> + Serialize + DeserializeOwned + Clone + Debug + Send + Sync + 'static
{
}

impl<K> Object for K where
    K: Resource<DynamicType = ()>
        + Serialize
        + DeserializeOwned
        + Clone
        + Debug
        + Send
        + Sync
        + 'static
{
}

/// What applying did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It did not exist before.
    Created,
    /// It was different before.
    Changed,
    /// It was so already.
    Unchanged,
}

/// An object as it is on the cluster after applying.
#[derive(Clone, Debug)]
pub struct Applied<K> {
    /// What applying did.
    pub change: Change,
    /// The object as the API server answered it.
    pub object: K,
}

/// Why an object could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ApplyFault {
    /// Another process holds the lease.
    #[error("writing {kind} \"{name}\": this process does not hold the lease")]
    NotLeader {
        /// Kind of the object.
        kind: String,
        /// Its name.
        name: String,
    },
    /// The object cannot be written as JSON.
    #[error("writing {kind} \"{name}\": {source}")]
    Encode {
        /// Kind of the object.
        kind: String,
        /// Its name.
        name: String,
        /// Why.
        source: serde_json::Error,
    },
    /// The API server did not answer in time.
    #[error("{verb} {kind} \"{name}\": no answer within {} s", DEADLINE.as_secs())]
    Deadline {
        /// The verb of the request.
        verb: &'static str,
        /// Kind of the object.
        kind: String,
        /// Its name.
        name: String,
    },
    /// The API server refused.
    #[error("{verb} {kind} \"{name}\": {}", fault::message(source))]
    Api {
        /// The verb of the request.
        verb: &'static str,
        /// Kind of the object.
        kind: String,
        /// Its name.
        name: String,
        /// Why.
        source: Box<kube::Error>,
    },
}

impl ApplyFault {
    /// What can be done about it.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::NotLeader { .. } | Self::Deadline { .. } => Class::Transient,
            Self::Encode { .. } => Class::Terminal,
            Self::Api { source, .. } => fault::class(source),
        }
    }

    /// Whether the API server refused for want of a right.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        matches!(self, Self::Api { source, .. } if fault::is_forbidden(source))
    }
}

/// Applies objects in the name of one field manager, while the process holds
/// the lease. Clones share what they remember.
#[derive(Clone)]
pub struct Applier {
    manager: &'static str,
    claim: Claim,
    metrics: Metrics,
    /// Keeps all writes below a ceiling, where there is one.
    pace: Option<Pace>,
    /// UID and digest of the last request per object.
    sent: Arc<Mutex<HashMap<String, (String, u64)>>>,
}

impl Applier {
    /// An applier for that field manager; one manager per controller.
    #[must_use]
    pub fn new(manager: &'static str, claim: Claim, metrics: Metrics) -> Self {
        Self {
            manager,
            claim,
            metrics,
            pace: None,
            sent: Arc::default(),
        }
    }

    /// Below a ceiling on writes, which others may share.
    #[must_use]
    pub fn paced(self, pace: Pace) -> Self {
        Self {
            pace: Some(pace),
            ..self
        }
    }

    /// The field manager.
    #[must_use]
    pub const fn manager(&self) -> &'static str {
        self.manager
    }

    /// Makes the object so on the cluster; fetches it first.
    ///
    /// # Errors
    /// If this process does not hold the lease, or the API server refuses or
    /// is silent.
    pub async fn apply<K: Object>(
        &self,
        api: &Api<K>,
        desired: &K,
    ) -> Result<Applied<K>, ApplyFault> {
        let name = desired.name_any();
        let live = bounded::<K, _>("get", &name, api.get_opt(&name)).await?;
        self.apply_over(api, live.as_ref(), desired).await
    }

    /// As [`Applier::apply`], given what was just read.
    ///
    /// # Errors
    /// As [`Applier::apply`].
    pub async fn apply_over<K: Object>(
        &self,
        api: &Api<K>,
        live: Option<&K>,
        desired: &K,
    ) -> Result<Applied<K>, ApplyFault> {
        let name = desired.name_any();
        let encode = |source| ApplyFault::Encode {
            kind: kind::<K>(),
            name: name.clone(),
            source,
        };
        let request = serde_json::to_value(desired).map_err(encode)?;
        let key = key(desired);
        let digest = digest(&request);
        if let Some(live) = live
            && self.was_sent(&key, live.meta().uid.as_deref(), digest)
            && covers(&serde_json::to_value(live).map_err(encode)?, &request)
        {
            return Ok(Applied {
                change: Change::Unchanged,
                object: live.clone(),
            });
        }
        self.may_write::<K>(&name).await?;
        let params = PatchParams::apply(self.manager).force();
        let patch = Patch::Apply(&request);
        let object = bounded::<K, _>("patch", &name, api.patch(&name, &params, &patch)).await;
        self.count::<K, _>("apply", &object);
        let object = object?;
        let change = match live {
            None => Change::Created,
            Some(live) if live.resource_version() == object.resource_version() => Change::Unchanged,
            Some(_) => Change::Changed,
        };
        self.remember(key, object.uid().unwrap_or_default(), digest);
        Ok(Applied { change, object })
    }

    /// Deletes the very object that was read; one that is gone is a success.
    ///
    /// # Errors
    /// As [`Applier::apply`].
    pub async fn delete<K: Object>(&self, api: &Api<K>, live: &K) -> Result<(), ApplyFault> {
        let name = live.name_any();
        self.may_write::<K>(&name).await?;
        let params = DeleteParams::background().preconditions(Preconditions {
            uid: live.uid(),
            ..Preconditions::default()
        });
        let answer = bounded::<K, _>("delete", &name, api.delete(&name, &params)).await;
        self.count::<K, _>("delete", &answer);
        self.lock().remove(&key(live));
        match answer {
            Err(fault) if fault.class() != Class::Absent => Err(fault),
            _ => Ok(()),
        }
    }

    /// Writes the status of the very object `of`, unless it says the same
    /// already. Returns whether it was written.
    ///
    /// # Errors
    /// As [`Applier::apply`].
    pub async fn write_status<K: Object, S: Serialize + PartialEq>(
        &self,
        api: &Api<K>,
        of: &K,
        before: Option<&S>,
        after: &S,
    ) -> Result<bool, ApplyFault> {
        if before == Some(after) {
            return Ok(false);
        }
        let name = of.name_any();
        self.may_write::<K>(&name).await?;
        let mut request = json!({
            "apiVersion": K::api_version(&()),
            "kind": K::kind(&()),
            // The UID keeps the status from landing on a successor.
            "metadata": { "name": name, "uid": of.uid() },
            "status": after,
        });
        let params = PatchParams::apply(self.manager).force();
        for _ in 0..=UNDECLARED_MAX {
            let patch = Patch::Apply(&request);
            let written = api.patch_status(&name, &params, &patch);
            let answer = bounded::<K, _>("patch status of", &name, written).await;
            self.count::<K, _>("status", &answer);
            let Err(fault) = &answer else {
                return Ok(true);
            };
            // A kind that was installed with an earlier version: what it has no
            // field for is left out, and all else is said.
            let Some(field) = undeclared(fault, &mut request) else {
                return answer.map(|_| true);
            };
            tracing::warn!(
                kind = %K::kind(&()),
                name,
                field,
                "the kind as installed has no such status field; bring the CustomResourceDefinitions up to date: tanso-operator apply-crds"
            );
            self.may_write::<K>(&name).await?;
        }
        Ok(false)
    }

    /// Replaces the conditions of an object whose other fields are not known.
    ///
    /// # Errors
    /// As [`Applier::apply`].
    pub async fn write_conditions<K: Object>(
        &self,
        api: &Api<DynamicObject>,
        of: &ObjectMeta,
        conditions: &[Condition],
    ) -> Result<(), ApplyFault> {
        let name = of.name.as_deref().unwrap_or_default();
        self.may_write::<K>(name).await?;
        let params = PatchParams {
            field_manager: Some(self.manager.to_owned()),
            ..PatchParams::default()
        };
        let patch = Patch::Merge(json!({
            // The UID keeps them from landing on a successor.
            "metadata": { "uid": of.uid },
            "status": { "conditions": conditions },
        }));
        let written = api.patch_status(name, &params, &patch);
        let answer = bounded::<K, _>("patch status of", name, written).await;
        self.count::<K, _>("status", &answer);
        answer.map(drop)
    }

    /// Sends a merge patch: for a few fields of an object that others own.
    ///
    /// # Errors
    /// As [`Applier::apply`]; a conflict if the patch names a version that the
    /// object no longer has.
    pub async fn merge<K: Object>(
        &self,
        api: &Api<K>,
        name: &str,
        patch: &Value,
    ) -> Result<K, ApplyFault> {
        self.may_write::<K>(name).await?;
        let params = PatchParams {
            field_manager: Some(self.manager.to_owned()),
            ..PatchParams::default()
        };
        let patch = Patch::Merge(patch);
        let answer = bounded::<K, _>("patch", name, api.patch(name, &params, &patch)).await;
        self.count::<K, _>("merge", &answer);
        answer
    }

    /// Waits for its turn; the claim must hold before and after.
    async fn may_write<K: Object>(&self, name: &str) -> Result<(), ApplyFault> {
        self.holds::<K>(name)?;
        if let Some(pace) = &self.pace {
            pace.turn().await;
        }
        self.holds::<K>(name)
    }

    fn holds<K: Object>(&self, name: &str) -> Result<(), ApplyFault> {
        if self.claim.holds() {
            return Ok(());
        }
        Err(ApplyFault::NotLeader {
            kind: kind::<K>(),
            name: name.to_owned(),
        })
    }

    fn count<K: Object, T>(&self, verb: &'static str, answer: &Result<T, ApplyFault>) {
        self.metrics.api_write(&K::kind(&()), verb, answer.is_ok());
    }

    fn was_sent(&self, key: &str, uid: Option<&str>, digest: u64) -> bool {
        self.lock()
            .get(key)
            .is_some_and(|(sent_uid, sent)| Some(sent_uid.as_str()) == uid && *sent == digest)
    }

    fn remember(&self, key: String, uid: String, digest: u64) {
        let mut sent = self.lock();
        if sent.len() >= REMEMBERED {
            // Forgetting costs one request per object, no more.
            sent.clear();
        }
        sent.insert(key, (uid, digest));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, (String, u64)>> {
        // No code panics while it holds the lock, and each write is whole.
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bounds a request in time and names it in its failure.
///
/// # Errors
/// If the API server refuses or does not answer in time.
pub async fn bounded<K: Resource<DynamicType = ()>, T>(
    verb: &'static str,
    name: &str,
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, ApplyFault> {
    // Boxed: a request's future is large, and callers nest several of them.
    match timeout(DEADLINE, Box::pin(request)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(source)) => Err(ApplyFault::Api {
            verb,
            kind: kind::<K>(),
            name: name.to_owned(),
            source: Box::new(source),
        }),
        Err(_) => Err(ApplyFault::Deadline {
            verb,
            kind: kind::<K>(),
            name: name.to_owned(),
        }),
    }
}

/// Takes the field of a status out of its request that the API server does not
/// know; `None` if it refused for another reason.
fn undeclared(fault: &ApplyFault, request: &mut Value) -> Option<String> {
    let ApplyFault::Api { source, .. } = fault else {
        return None;
    };
    let text = fault::message(source);
    let (path, _) = text.split_once(": field not declared in schema")?;
    let (_, path) = path.split_once(".status.")?;
    let field: String = path.chars().take_while(|c| c.is_alphanumeric()).collect();
    // Without conditions there is nothing to be said by.
    if field == "conditions" {
        return None;
    }
    request.get_mut("status")?.as_object_mut()?.remove(&field)?;
    Some(field)
}

fn kind<K: Resource<DynamicType = ()>>() -> String {
    K::kind(&()).into_owned()
}

fn key<K: Object>(object: &K) -> String {
    format!(
        "{}/{}/{}",
        K::kind(&()),
        object.namespace().unwrap_or_default(),
        object.name_any()
    )
}

/// A digest that holds within this process.
fn digest(request: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    request.to_string().hash(&mut hasher);
    hasher.finish()
}

/// Whether every field of `desired` is so in `live`; fields that only `live`
/// has (defaults, other managers') do not matter.
fn covers(live: &Value, desired: &Value) -> bool {
    match (live, desired) {
        (_, Value::Null) => true,
        (Value::Object(live), Value::Object(desired)) => desired
            .iter()
            .all(|(key, wish)| covers(live.get(key).unwrap_or(&Value::Null), wish)),
        (Value::Array(live), Value::Array(desired)) => {
            live.len() == desired.len()
                && live.iter().zip(desired).all(|(is, wish)| covers(is, wish))
        }
        (live, desired) => live == desired,
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::num::NonZeroU32;

    use axum::http::{Method, Request, Response};
    use kube::Client;
    use kube::client::Body;
    use prometheus_client::registry::Registry;
    use tokio::time::Instant;

    use super::*;

    #[test]
    fn defaults_do_not_matter_and_drift_does() {
        let desired = json!({"spec": {"replicas": 2, "args": ["a", "b"], "none": null}});
        assert!(covers(
            &json!({"spec": {"replicas": 2, "args": ["a", "b"], "more": 1}}),
            &desired
        ));
        assert!(!covers(
            &json!({"spec": {"replicas": 3, "args": ["a", "b"]}}),
            &desired
        ));
        assert!(!covers(
            &json!({"spec": {"replicas": 2, "args": ["a", "b", "c"]}}),
            &desired
        ));
        assert!(!covers(&json!({"spec": {"args": ["a", "b"]}}), &desired));
    }

    #[test]
    fn only_a_field_that_the_kind_lacks_is_left_out() {
        let refusal = |message: &str| ApplyFault::Api {
            verb: "patch status of",
            kind: "CarbonPolicy".into(),
            name: "a".into(),
            source: Box::new(kube::Error::Api(Box::new(
                kube::core::Status::failure(message, "InternalError").with_code(500),
            ))),
        };
        let typed =
            "failed to create typed patch object (shop/a; tanso.dev/v1alpha1, Kind=CarbonPolicy)";
        let status = json!({"status": {"answer": "a", "noAdvice": [], "conditions": []}});
        let mut request = status.clone();
        for (message, field) in [
            (
                format!("{typed}: .status.noAdvice: field not declared in schema"),
                Some("noAdvice"),
            ),
            (
                format!("{typed}: .status.noAdvice: field not declared in schema"),
                None,
            ),
            (
                format!("{typed}: .status.answer[0].text: field not declared in schema"),
                Some("answer"),
            ),
            (
                format!("{typed}: .status.conditions[0].x: field not declared in schema"),
                None,
            ),
            ("etcdserver: request timed out".to_owned(), None),
        ] {
            let left_out = undeclared(&refusal(&message), &mut request);
            assert_eq!(left_out.as_deref(), field, "{message}");
        }
        assert_eq!(request, json!({"status": {"conditions": []}}));
    }

    #[tokio::test]
    async fn who_does_not_hold_the_lease_may_not_write() {
        use k8s_openapi::api::core::v1::ConfigMap;
        let applier = Applier::new("test", Claim::none(), Metrics::default());
        let fault = applier.may_write::<ConfigMap>("a").await.unwrap_err();
        assert_eq!(
            fault.to_string(),
            "writing ConfigMap \"a\": this process does not hold the lease"
        );
        assert_eq!(fault.class(), Class::Transient);
    }

    /// Every way to write takes a turn: at one a minute, four take three minutes.
    #[tokio::test(start_paused = true)]
    async fn every_write_keeps_below_the_ceiling() {
        use k8s_openapi::api::core::v1::ConfigMap;
        let answer = tower::service_fn(|request: Request<Body>| async move {
            let known = json!({"apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": "a", "uid": "u", "resourceVersion": "1"}});
            assert_ne!(request.method(), Method::GET);
            Ok::<_, Infallible>(Response::new(Body::from(known.to_string().into_bytes())))
        });
        let api: Api<ConfigMap> = Api::namespaced(Client::new(answer, "default"), "default");
        let metrics = Metrics::default();
        let pace = Pace::new(NonZeroU32::MIN, metrics.clone());
        let applier = Applier::new("test", Claim::always(), metrics.clone()).paced(pace);
        let object: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "a"}})).unwrap();
        let start = Instant::now();
        applier.apply_over(&api, None, &object).await.unwrap();
        let status = json!({"is": 1});
        let written = applier.write_status(&api, &object, None, &status).await;
        assert!(written.unwrap());
        applier.merge(&api, "a", &json!({})).await.unwrap();
        applier.delete(&api, &object).await.unwrap();
        assert_eq!(start.elapsed(), Duration::from_mins(3));
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        let text = crate::metrics::text(&Arc::new(registry)).unwrap();
        for line in [
            "tanso_operator_paced_writes_ceiling 1",
            "tanso_operator_paced_writes_delayed_total 3",
            "tanso_operator_paced_writes_delay_seconds_total 180",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
    }
}
