//! Who may read: a client certificate, a token that the cluster vouches for,
//! or nobody known.
//!
//! Tokens are judged by the API server (`TokenReview`, then
//! `SubjectAccessReview` for the path), as kube-rbac-proxy does it, and the
//! judgement is remembered for a short time under the token's digest. An API
//! server that does not answer vouches for nobody.

mod review;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest as _, Sha256};
use tanso_runtime::Problem;
use tanso_runtime::serve::Peer;
use tokio::sync::Semaphore;

pub use review::{ClusterReview, Judgement, Review, ReviewFault};

use super::coarse::Resolution;
use super::{Reader, Sources};

/// How long a judgement holds.
const GRANTED_FOR: Duration = Duration::from_mins(1);
const REFUSED_FOR: Duration = Duration::from_secs(10);
/// Judgements remembered at most.
const REMEMBERED_MAX: usize = 1_024;
/// Questions to the API server at a time.
const ASKED_AT_ONCE: usize = 4;

/// What readers get for whom nobody vouches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Anonymous {
    /// Everything.
    #[default]
    Full,
    /// Coarse figures, and no energy records.
    Coarse(Resolution),
    /// Nothing.
    Refuse,
}

/// Who vouches for readers.
pub struct Access {
    review: Option<Arc<dyn Review>>,
    remembered: Mutex<HashMap<[u8; 32], (Instant, Judgement)>>,
    asking: Semaphore,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("reviews_tokens", &self.review.is_some())
            .finish_non_exhaustive()
    }
}

impl Default for Access {
    fn default() -> Self {
        Self::new(None)
    }
}

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// Nobody vouches for the reader.
    Unknown,
    /// The reader is known, and may not.
    Forbidden,
    /// Nobody can be asked.
    Unavailable,
}

impl Access {
    /// Client certificates, and tokens judged by `review` if there is one.
    #[must_use]
    pub fn new(review: Option<Arc<dyn Review>>) -> Self {
        Self {
            review,
            remembered: Mutex::default(),
            asking: Semaphore::new(ASKED_AT_ONCE),
        }
    }

    async fn reader(
        &self,
        peer: Option<&Peer>,
        headers: &HeaderMap,
        path: &str,
        anonymous: Anonymous,
    ) -> Result<Reader, Refusal> {
        if peer.is_some_and(|peer| peer.certified) {
            return Ok(Reader::Trusted);
        }
        if let (Some(review), Some(token)) = (&self.review, bearer(headers)) {
            return match self.judge(review, token, path).await {
                Ok(Judgement::Granted) => Ok(Reader::Trusted),
                Ok(Judgement::Unknown) => Err(Refusal::Unknown),
                Ok(Judgement::Forbidden) => Err(Refusal::Forbidden),
                Err(fault) => {
                    tracing::warn!(error = %fault, "a reader's token could not be judged");
                    Err(Refusal::Unavailable)
                }
            };
        }
        match anonymous {
            Anonymous::Refuse => Err(Refusal::Unknown),
            Anonymous::Full | Anonymous::Coarse(_) => Ok(Reader::Anonymous),
        }
    }

    async fn judge(
        &self,
        review: &Arc<dyn Review>,
        token: &str,
        path: &str,
    ) -> Result<Judgement, ReviewFault> {
        let mut digest = Sha256::new();
        digest.update(path.as_bytes());
        digest.update([0]);
        digest.update(token.as_bytes());
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
        let judgement = review.judge(token.to_owned(), path.to_owned()).await?;
        self.remember(key, judgement);
        Ok(judgement)
    }

    fn remembered(&self, key: &[u8; 32]) -> Option<Judgement> {
        let known = self
            .remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let (until, judgement) = known.get(key)?;
        (Instant::now() < *until).then_some(*judgement)
    }

    fn remember(&self, key: [u8; 32], judgement: Judgement) {
        let now = Instant::now();
        let held = match judgement {
            Judgement::Granted => GRANTED_FOR,
            Judgement::Unknown | Judgement::Forbidden => REFUSED_FOR,
        };
        let mut known = self
            .remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED_MAX {
            known.retain(|_, (until, judgement)| now < *until && *judgement == Judgement::Granted);
        }
        if known.len() < REMEMBERED_MAX {
            known.insert(key, (now + held, judgement));
        }
    }
}

/// Lets a request through with what its sender may see, or refuses it.
pub async fn admit(State(sources): State<Sources>, mut request: Request, next: Next) -> Response {
    let anonymous = sources.policy.load().anonymous;
    let peer = request.extensions().get::<Peer>().copied();
    let path = request.uri().path().to_owned();
    let found = sources
        .access
        .reader(peer.as_ref(), request.headers(), &path, anonymous)
        .await;
    match found {
        Ok(reader) => {
            // Who may see everything is not told apart from whom all trust.
            let reader = match anonymous {
                Anonymous::Full => Reader::Trusted,
                Anonymous::Coarse(_) | Anonymous::Refuse => reader,
            };
            request.extensions_mut().insert(reader);
            next.run(request).await
        }
        Err(refusal) => refuse(refusal),
    }
}

/// Lets only readers pass who may see everything.
///
/// # Errors
/// 401 for others.
pub(super) fn trusted(Extension(reader): Extension<Reader>) -> Result<(), Problem> {
    match reader {
        Reader::Trusted => Ok(()),
        Reader::Anonymous => Err(Problem::new(StatusCode::UNAUTHORIZED, "not authenticated")
            .detail("energy records are exact: send a bearer token or a client certificate")),
    }
}

fn refuse(refusal: Refusal) -> Response {
    let (status, title, detail) = match refusal {
        Refusal::Unknown => (
            StatusCode::UNAUTHORIZED,
            "not authenticated",
            "send a bearer token that the cluster knows, or a client certificate",
        ),
        Refusal::Forbidden => (
            StatusCode::FORBIDDEN,
            "not authorised",
            "grant the verb \"get\" on this path as a non-resource URL",
        ),
        Refusal::Unavailable => (
            StatusCode::SERVICE_UNAVAILABLE,
            "cannot authenticate",
            "the API server does not answer; ask again",
        ),
    };
    let mut answer = Problem::new(status, title).detail(detail).into_response();
    if status == StatusCode::UNAUTHORIZED {
        let scheme = HeaderValue::from_static("Bearer");
        answer
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, scheme);
    }
    answer
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests;
