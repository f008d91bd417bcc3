//! Who may come in over HTTP: the host and origin that were meant, a body of
//! bearable size and depth, a token that the API server knows, and not too
//! often. Everything is refused before the protocol sees it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use serde_json::json;
use tanso_runtime::serve::Peer;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::pace::Pace;
use crate::view::{Caller, CallerFault, Reviewer};

/// Largest body, bytes.
pub const BODY_MAX: usize = 256 * 1_024;
/// Deepest nesting of a body.
pub const DEPTH_MAX: usize = 32;
/// Most bytes of a token.
const TOKEN_MAX: usize = 16 * 1_024;
/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(10);

/// What the gate lets in.
#[derive(Clone, Debug)]
pub struct GateSettings {
    /// Hosts by which the server may be called, without port.
    pub hosts: Vec<String>,
    /// Requests a second of one caller.
    pub per_second: u32,
    /// Requests at once of one caller.
    pub burst: u32,
    /// Requests under way at once, of all callers.
    pub at_once: usize,
}

impl GateSettings {
    /// The loopback names and those of a Service, and what was listed beside.
    #[must_use]
    pub fn of_service(service: &str, namespace: &str, more: &[String]) -> Self {
        let own = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned);
        let names = [
            service.to_owned(),
            format!("{service}.{namespace}"),
            format!("{service}.{namespace}.svc"),
            format!("{service}.{namespace}.svc.cluster.local"),
        ];
        Self {
            hosts: own
                .into_iter()
                .chain(names)
                .chain(more.iter().cloned())
                .collect(),
            per_second: 20,
            burst: 60,
            at_once: 32,
        }
    }
}

/// Stands before the server.
#[derive(Clone)]
pub struct Gate {
    hosts: Arc<BTreeSet<String>>,
    reviewer: Reviewer,
    pace: Arc<Mutex<Pace>>,
    places: Arc<Semaphore>,
    shares: Shares,
}

/// Requests under way of each caller, of which one alone never has all places:
/// bodies that come slowly would keep everybody else out.
#[derive(Clone)]
struct Shares {
    most: usize,
    taken: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Shares {
    /// Half of so many places, at least one.
    fn half_of(places: usize) -> Self {
        Self {
            most: (places / 2).max(1),
            taken: Arc::default(),
        }
    }

    /// A place of a caller's share, if there is one left.
    fn take(&self, user: &str) -> Option<Share> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(user.to_owned()).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Share {
            user: user.to_owned(),
            taken: Arc::clone(&self.taken),
        })
    }
}

/// Given back when it is let go.
struct Share {
    user: String,
    taken: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.user) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                taken.remove(&self.user);
            }
        }
    }
}

/// A request's place among those under way, and in its caller's share.
pub struct Held {
    _place: OwnedSemaphorePermit,
    _share: Share,
}

/// A request that came in.
pub struct Admitted {
    /// The request with its whole body; whose it is lies in its extensions.
    pub request: Request<Full<Bytes>>,
    /// Its place among those under way.
    pub place: Held,
}

impl Gate {
    /// A gate that asks `reviewer` who callers are.
    #[must_use]
    pub fn new(settings: &GateSettings, reviewer: Reviewer) -> Self {
        let hosts = settings.hosts.iter().map(|host| host.to_ascii_lowercase());
        Self {
            hosts: Arc::new(hosts.collect()),
            reviewer,
            pace: Arc::new(Mutex::new(Pace::new(settings.per_second, settings.burst))),
            places: Arc::new(Semaphore::new(settings.at_once)),
            shares: Shares::half_of(settings.at_once),
        }
    }

    /// Who is asked about callers.
    #[must_use]
    pub const fn reviewer(&self) -> &Reviewer {
        &self.reviewer
    }

    /// Lets a request in.
    ///
    /// # Errors
    /// The refusal to send.
    pub async fn admit(&self, request: Request) -> Result<Admitted, Response> {
        let (mut parts, body) = request.into_parts();
        self.is_meant(&parts.headers, &parts.uri)?;
        if ![Method::POST, Method::GET, Method::DELETE].contains(&parts.method) {
            let mut refusal = refuse(
                StatusCode::METHOD_NOT_ALLOWED,
                "accepted are POST, GET and DELETE",
            );
            let allow = HeaderValue::from_static("POST, GET, DELETE");
            refusal.headers_mut().insert(header::ALLOW, allow);
            return Err(refusal);
        }
        let token = bearer(&parts.headers).ok_or_else(unauthorized)?;
        let peer = parts.extensions.get::<Peer>();
        let from = peer.map(|peer| peer.address.ip());
        let caller = self.caller(token, from).await?;
        self.take_turn(&caller.user)?;
        let share = self.shares.take(&caller.user);
        let share = share.ok_or_else(|| too_many(Duration::ZERO))?;
        let places = Arc::clone(&self.places);
        let place = places.try_acquire_owned().map_err(|_| {
            later(
                StatusCode::SERVICE_UNAVAILABLE,
                Duration::from_secs(1),
                "too much is under way",
            )
        })?;
        let body = whole(&parts.headers, body).await?;
        parts.extensions.insert(caller);
        Ok(Admitted {
            request: Request::from_parts(parts, Full::new(body)),
            place: Held {
                _place: place,
                _share: share,
            },
        })
    }

    /// Host and origin: a page of another site in a caller's browser is none
    /// of ours.
    #[expect(clippy::result_large_err, reason = "a refusal is the whole answer")]
    fn is_meant(&self, headers: &HeaderMap, uri: &Uri) -> Result<(), Response> {
        let named = headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok());
        let host = named.or_else(|| uri.authority().map(axum::http::uri::Authority::as_str));
        if !host.is_some_and(|host| self.knows(host)) {
            return Err(refuse(
                StatusCode::FORBIDDEN,
                "this server is not called by that host",
            ));
        }
        let Some(origin) = headers.get(header::ORIGIN) else {
            return Ok(());
        };
        let origin = origin
            .to_str()
            .ok()
            .and_then(|origin| origin.split_once("://"));
        match origin {
            Some(("http" | "https", host)) if self.knows(host) => Ok(()),
            _ => Err(refuse(
                StatusCode::FORBIDDEN,
                "pages of that origin may not call this server",
            )),
        }
    }

    fn knows(&self, host: &str) -> bool {
        let port_at = host
            .rfind(':')
            .filter(|at| host.rfind(']').is_none_or(|end| *at > end));
        let name = port_at.map_or(host, |at| host.get(..at).unwrap_or_default());
        self.hosts.contains(&name.to_ascii_lowercase())
    }

    async fn caller(&self, token: &str, from: Option<IpAddr>) -> Result<Arc<Caller>, Response> {
        let fault = match self.reviewer.caller(token, from).await {
            Ok(Some(caller)) => return Ok(caller),
            Ok(None) => return Err(unauthorized()),
            Err(CallerFault::TooMany { wait }) => return Err(too_many(wait)),
            Err(CallerFault::Facts(fault)) => fault,
        };
        tracing::warn!(error = %fault, "a bearer token could not be checked");
        let text = "the token cannot be checked now";
        Err(later(
            StatusCode::SERVICE_UNAVAILABLE,
            Duration::from_secs(5),
            text,
        ))
    }

    #[expect(clippy::result_large_err, reason = "a refusal is the whole answer")]
    fn take_turn(&self, user: &str) -> Result<(), Response> {
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = pace.take(user, Instant::now());
        turn.map_err(too_many)
    }
}

/// The bearer token of a request.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = text.split_once(' ')?;
    let token = token.trim();
    let is_token = scheme.eq_ignore_ascii_case("bearer")
        && !token.is_empty()
        && token.len() <= TOKEN_MAX
        && token.bytes().all(|byte| byte.is_ascii_graphic());
    is_token.then_some(token)
}

/// The whole body, if it is small and shallow enough.
async fn whole(headers: &HeaderMap, body: Body) -> Result<Bytes, Response> {
    let too_large = || {
        refuse(
            StatusCode::PAYLOAD_TOO_LARGE,
            "accepted are bodies up to 256 KiB",
        )
    };
    let length = headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > BODY_MAX) {
        return Err(too_large());
    }
    let collected = tokio::time::timeout(BODY_TIME, Limited::new(body, BODY_MAX).collect()).await;
    let bytes = match collected {
        Ok(Ok(collected)) => collected.to_bytes(),
        Ok(Err(fault)) if fault.is::<LengthLimitError>() => return Err(too_large()),
        Ok(Err(_)) => return Err(refuse(StatusCode::BAD_REQUEST, "the body broke off")),
        Err(_) => {
            return Err(refuse(
                StatusCode::REQUEST_TIMEOUT,
                "the body took too long",
            ));
        }
    };
    if depth(&bytes) > DEPTH_MAX {
        return Err(refuse(
            StatusCode::BAD_REQUEST,
            "accepted is nesting up to 32 deep",
        ));
    }
    Ok(bytes)
}

/// How deep a JSON text nests; texts within are passed over.
#[must_use]
pub fn depth(text: &[u8]) -> usize {
    let (mut deepest, mut depth, mut is_text, mut is_escaped) = (0_usize, 0_usize, false, false);
    for byte in text {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => is_text = !is_text,
            b'[' | b'{' if !is_text => {
                depth = depth.saturating_add(1);
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !is_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

fn refuse(status: StatusCode, message: &str) -> Response {
    let body =
        json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32_600, "message": message}});
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (status, kind, body.to_string()).into_response()
}

fn unauthorized() -> Response {
    let mut refusal = refuse(
        StatusCode::UNAUTHORIZED,
        "a bearer token of this cluster is needed, as from `kubectl create token`",
    );
    let asks = HeaderValue::from_static("Bearer realm=\"tanso\"");
    refusal.headers_mut().insert(header::WWW_AUTHENTICATE, asks);
    refusal
}

fn too_many(wait: Duration) -> Response {
    later(StatusCode::TOO_MANY_REQUESTS, wait, "too many requests")
}

fn later(status: StatusCode, wait: Duration, message: &str) -> Response {
    let mut refusal = refuse(status, message);
    let seconds = wait.as_secs().saturating_add(1);
    refusal
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    refusal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nesting_is_counted_outside_of_texts() {
        assert_eq!(depth(br#"{"a":[1,{"b":"[[[[\"[[["}]}"#), 3);
        assert_eq!(depth(b""), 0);
        assert_eq!(depth(&vec![b'['; 100_000]), 100_000);
        assert_eq!(depth(b"]]]]"), 0);
    }

    /// Slow bodies of one caller kept all others out.
    #[test]
    fn one_caller_never_has_all_places() {
        let shares = Shares::half_of(5);
        let mut held = vec![shares.take("a").unwrap(), shares.take("a").unwrap()];
        assert!(shares.take("a").is_none());
        assert!(shares.take("b").is_some());
        held.pop();
        held.extend(shares.take("a"));
        assert_eq!(held.len(), 2);
        drop(held);
        assert!(shares.taken.lock().unwrap().is_empty(), "nobody is kept");
        assert!(Shares::half_of(1).take("a").is_some());
    }

    #[test]
    fn a_token_is_taken_from_a_bearer_header_only() {
        let with = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(with("Bearer abc.def"), Some("abc.def".to_owned()));
        assert_eq!(with("bearer abc"), Some("abc".to_owned()));
        assert_eq!(with("Basic abc"), None);
        assert_eq!(with("Bearer a b"), None);
        assert_eq!(with(&format!("Bearer {}", "x".repeat(TOKEN_MAX + 1))), None);
    }
}
