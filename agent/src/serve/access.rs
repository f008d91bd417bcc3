//! Who may read: a client certificate, a token that the cluster vouches for,
//! or nobody known.
//!
//! Tokens are judged by the API server, see [`tanso_runtime::review`]; one
//! that does not answer vouches for nobody.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tanso_runtime::Problem;
use tanso_runtime::review::{Judge, Judgement, Review, Wish, bearer};
use tanso_runtime::serve::Peer;

use super::coarse::Resolution;
use super::{Reader, Sources};

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
#[derive(Debug, Default)]
pub struct Access {
    judge: Option<Judge>,
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
            judge: review.map(Judge::new),
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
        if let (Some(judge), Some(token)) = (&self.judge, bearer(headers)) {
            let wish = Wish {
                verb: "get",
                path: path.to_owned(),
            };
            return match judge.judge(token, wish).await {
                Ok(Judgement::Granted { .. }) => Ok(Reader::Trusted),
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

#[cfg(test)]
mod tests;
