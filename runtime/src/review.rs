//! Who a bearer token belongs to and what it may do, by the API server's
//! judgement.
//!
//! As kube-rbac-proxy does it: `TokenReview`, then `SubjectAccessReview` for
//! verb and path. A judgement is remembered for a short time under the
//! token's digest. An API server that does not answer vouches for nobody.

mod cluster;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

pub use cluster::ClusterReview;

/// How long a judgement holds.
const GRANTED_FOR: Duration = Duration::from_mins(1);
const REFUSED_FOR: Duration = Duration::from_secs(10);
/// Judgements remembered at most.
const REMEMBERED_MAX: usize = 1_024;
/// Questions to the API server at a time.
const ASKED_AT_ONCE: usize = 4;

/// What became of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Its bearer may.
    Granted {
        /// The node of the pod that the token is bound to, if it is.
        node: Option<Arc<str>>,
    },
    /// It is nobody's.
    Unknown,
    /// Its bearer may not.
    Forbidden,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The verb, `get` for instance.
    pub verb: &'static str,
    /// The path of the URL.
    pub path: String,
}

/// Why a token was not judged.
#[derive(Debug, thiserror::Error)]
pub enum ReviewFault {
    /// The API server refused or could not be reached.
    #[error(
        "asking the API server: {0}; the service account needs \"create\" on tokenreviews and subjectaccessreviews"
    )]
    Api(#[from] kube::Error),
    /// It took too long.
    #[error("the API server did not answer within {} s", .0.as_secs())]
    Late(Duration),
    /// Nobody is asked any more.
    #[error("the program ends")]
    Ended,
}

/// Somebody who judges tokens.
pub trait Review: Send + Sync {
    /// Whether the token's bearer may do as wished.
    fn judge(&self, token: String, wish: Wish) -> BoxFuture<'_, Result<Judgement, ReviewFault>>;
}

/// A reviewer, and what it judged lately.
pub struct Judge {
    review: Arc<dyn Review>,
    remembered: Mutex<HashMap<[u8; 32], (Instant, Judgement)>>,
    asking: Semaphore,
}

impl fmt::Debug for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Judge").finish_non_exhaustive()
    }
}

impl Judge {
    /// A judge that asks `review` about what it does not remember.
    #[must_use]
    pub fn new(review: Arc<dyn Review>) -> Self {
        Self {
            review,
            remembered: Mutex::default(),
            asking: Semaphore::new(ASKED_AT_ONCE),
        }
    }

    /// Whether the token's bearer may do as wished.
    ///
    /// # Errors
    /// If nobody can be asked.
    pub async fn judge(&self, token: &str, wish: Wish) -> Result<Judgement, ReviewFault> {
        let mut digest = Sha256::new();
        for part in [wish.verb, &wish.path, token] {
            digest.update(part.as_bytes());
            digest.update([0]);
        }
        let key: [u8; 32] = digest.finalize().into();
        if let Some(known) = self.remembered(&key) {
            return Ok(known);
        }
        let Ok(_turn) = self.asking.acquire().await else {
            return Err(ReviewFault::Ended);
        };
        // Somebody may have asked the same while this one waited.
        if let Some(known) = self.remembered(&key) {
            return Ok(known);
        }
        let judgement = self.review.judge(token.to_owned(), wish).await?;
        self.remember(key, judgement.clone());
        Ok(judgement)
    }

    fn remembered(&self, key: &[u8; 32]) -> Option<Judgement> {
        let known = self
            .remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let (until, judgement) = known.get(key)?;
        (Instant::now() < *until).then(|| judgement.clone())
    }

    fn remember(&self, key: [u8; 32], judgement: Judgement) {
        let now = Instant::now();
        let granted = |judgement: &Judgement| matches!(judgement, Judgement::Granted { .. });
        let held = if granted(&judgement) {
            GRANTED_FOR
        } else {
            REFUSED_FOR
        };
        let mut known = self
            .remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED_MAX {
            known.retain(|_, (until, judgement)| now < *until && granted(judgement));
        }
        if known.len() < REMEMBERED_MAX {
            known.insert(key, (now + held, judgement));
        }
    }
}

/// The token of an `Authorization: Bearer` header.
#[must_use]
pub fn bearer(headers: &hyper::HeaderMap) -> Option<&str> {
    let text = headers.get(hyper::header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests;
