//! Writing and deleting a study's objects in the name of its ServiceAccount.
//!
//! The operator itself has no right over them: each request impersonates an
//! account of the study's namespace, which its owners let the operator use.
//! What the account may not, a study cannot.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use hyper::Request as HttpRequest;
use hyper::header::{HeaderName, HeaderValue};
use kube::api::{DeleteParams, GetParams, Patch, PatchParams, Preconditions};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind, Request};
use kube::discovery::{self, Scope};
use kube::{Client, Resource as _, ResourceExt as _};
use serde_json::Value;
use tokio::time::timeout;

use super::manifests::{MADE_BY, Manifest};
use crate::cluster::Claim;
use crate::cluster::fault::{self, Class};

/// Owner of the fields that a study writes.
pub const MANAGER: &str = "tanso-study";

const AS_USER: HeaderName = HeaderName::from_static("impersonate-user");

/// How long one request may take.
const DEADLINE: std::time::Duration = std::time::Duration::from_secs(20);

/// Why an object of a study could not be written.
#[derive(Debug, thiserror::Error)]
pub enum HandFault {
    /// Another process holds the lease.
    #[error("this process does not hold the lease")]
    NotLeader,
    /// The API server refused.
    #[error("{doing} as \"{user}\": {}{}", fault::message(source), hint(source))]
    Api {
        /// What was tried.
        doing: String,
        /// In whose name.
        user: String,
        /// Why.
        source: Box<kube::Error>,
    },
    /// The API server did not answer in time.
    #[error("{doing}: no answer within {} s", DEADLINE.as_secs())]
    Deadline {
        /// What was tried.
        doing: String,
    },
    /// The request cannot be made.
    #[error("{0}")]
    Request(String),
}

impl HandFault {
    /// Whether the account or the operator lacks a right.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        matches!(self, Self::Api { source, .. } if fault::is_forbidden(source))
    }
}

fn hint(source: &kube::Error) -> &'static str {
    match source {
        kube::Error::Api(status)
            if status.code == 403 && status.message.contains("impersonate") =>
        {
            "; let the operator use it: kubectl create rolebinding tanso-study \
             --clusterrole=tanso-operator-studies --serviceaccount=tanso-system:tanso-operator"
        }
        _ if fault::is_forbidden(source) => {
            "; give the account get, create, patch and delete on what the arms apply"
        }
        _ => "",
    }
}

/// Where a kind is found.
type Places = Arc<Mutex<HashMap<GroupVersionKind, (ApiResource, bool)>>>;

/// Writes for one study.
#[derive(Clone)]
pub struct Hand {
    client: Client,
    claim: Claim,
    places: Places,
    namespace: String,
    user: String,
    study: String,
}

impl Hand {
    /// Writes in the name of an account of a namespace for a study, by its UID.
    #[must_use]
    pub fn new(
        client: Client,
        claim: Claim,
        places: Places,
        [namespace, account, study]: [&str; 3],
    ) -> Self {
        Self {
            client,
            claim,
            places,
            namespace: namespace.to_owned(),
            user: format!("system:serviceaccount:{namespace}:{account}"),
            study: study.to_owned(),
        }
    }

    /// Makes an object so; one that was not there is marked as made by the study.
    ///
    /// # Errors
    /// If the API server refuses or is silent.
    pub async fn apply(&self, manifest: &Manifest) -> Result<(), HandFault> {
        let (resource, path) = self.place(manifest).await?;
        let live = self.get(manifest, &path).await?;
        let is_ours = live.is_none_or(|live| self.made(&live));
        let object = if is_ours {
            manifest.marked(&self.study)
        } else {
            manifest.object.clone()
        };
        let params = PatchParams::apply(MANAGER).force();
        let wish = Patch::Apply(&object);
        let request = Request::new(path).patch(&manifest.name, &params, &wish);
        let doing = format!("applying {} \"{}\"", resource.kind, manifest.name);
        let _: Value = self.send(doing, request).await?;
        Ok(())
    }

    /// Deletes an object if the study made it. Returns whether it is gone.
    ///
    /// # Errors
    /// If the API server refuses or is silent.
    pub async fn remove(&self, manifest: &Manifest) -> Result<bool, HandFault> {
        let (resource, path) = self.place(manifest).await?;
        let Some(live) = self.get(manifest, &path).await? else {
            return Ok(true);
        };
        if !self.made(&live) {
            return Ok(true);
        }
        if live.meta().deletion_timestamp.is_some() {
            return Ok(false);
        }
        let params = DeleteParams::background().preconditions(Preconditions {
            uid: live.uid(),
            ..Preconditions::default()
        });
        let request = Request::new(path).delete(&manifest.name, &params);
        let doing = format!("deleting {} \"{}\"", resource.kind, manifest.name);
        match self.send::<Value>(doing, request).await {
            Err(HandFault::Api { source, .. }) if fault::class(&source) == Class::Absent => {
                Ok(true)
            }
            // Whether it is gone is looked at again.
            done => done.map(|_| false),
        }
    }

    fn made(&self, live: &DynamicObject) -> bool {
        live.annotations().get(MADE_BY) == Some(&self.study)
    }

    async fn get(
        &self,
        manifest: &Manifest,
        path: &str,
    ) -> Result<Option<DynamicObject>, HandFault> {
        let request = Request::new(path).get(&manifest.name, &GetParams::default());
        let doing = format!("reading {} \"{}\"", manifest.kind.kind, manifest.name);
        match self.send(doing, request).await {
            Ok(object) => Ok(Some(object)),
            Err(HandFault::Api { source, .. }) if fault::class(&source) == Class::Absent => {
                Ok(None)
            }
            Err(fault) => Err(fault),
        }
    }

    /// The kind's resource, and the path of its objects.
    async fn place(&self, manifest: &Manifest) -> Result<(ApiResource, String), HandFault> {
        let known = self.places().get(&manifest.kind).cloned();
        let (resource, is_namespaced) = match known {
            Some(known) => known,
            None => self.discover(&manifest.kind).await?,
        };
        let namespace = manifest.namespace.as_deref().unwrap_or(&self.namespace);
        let path = DynamicObject::url_path(&resource, is_namespaced.then_some(namespace));
        Ok((resource, path))
    }

    async fn discover(&self, kind: &GroupVersionKind) -> Result<(ApiResource, bool), HandFault> {
        let doing = format!(
            "looking for kind {} of \"{}\"",
            kind.kind,
            kind.api_version()
        );
        let asked = Box::pin(discovery::pinned_kind(&self.client, kind));
        let found = timeout(DEADLINE, asked)
            .await
            .map_err(|_| HandFault::Deadline {
                doing: doing.clone(),
            })?;
        let (resource, capabilities) = found.map_err(|source| HandFault::Api {
            doing,
            user: "tanso-operator".to_owned(),
            source: Box::new(source),
        })?;
        let found = (resource, capabilities.scope == Scope::Namespaced);
        self.places().insert(kind.clone(), found.clone());
        Ok(found)
    }

    fn places(&self) -> std::sync::MutexGuard<'_, HashMap<GroupVersionKind, (ApiResource, bool)>> {
        // No code panics while it holds the lock, and each write is whole.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn send<T: serde::de::DeserializeOwned>(
        &self,
        doing: String,
        request: Result<HttpRequest<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<T, HandFault> {
        if !self.claim.holds() {
            return Err(HandFault::NotLeader);
        }
        let unfit = |error: String| HandFault::Request(format!("{doing}: {error}"));
        let mut request = request.map_err(|error| unfit(error.to_string()))?;
        let user = HeaderValue::from_str(&self.user).map_err(|error| unfit(error.to_string()))?;
        request.headers_mut().insert(AS_USER, user);
        match timeout(DEADLINE, Box::pin(self.client.request::<T>(request))).await {
            Ok(answer) => answer.map_err(|source| HandFault::Api {
                doing,
                user: self.user.clone(),
                source: Box::new(source),
            }),
            Err(_) => Err(HandFault::Deadline { doing }),
        }
    }
}
