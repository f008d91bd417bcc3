//! An HTTP client that goes where it is allowed to, and nowhere else.
//!
//! Public services are reached over TLS at public addresses only, so that no
//! name leads into the cluster. What lies inside must be listed by whoever
//! runs the program; only there plain HTTP and private addresses pass. No
//! redirect is followed, no proxy used, and answers are bounded in size and
//! time.

pub mod guard;

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::header::{HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use hyper::{Request, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

use crate::service::Ask;
use guard::{Guard, GuardFault, GuardedResolver};

/// How long an answer may take, to its last byte.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// Largest answer that is read, bytes: a week of five-minute figures is a
/// tenth of it.
pub const BODY_MAX: usize = 4 * 1024 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpFault {
    /// The endpoint may not be asked.
    #[error(transparent)]
    Refused(#[from] GuardFault),
    /// It cannot be built.
    #[error("asking {endpoint}: {reason}")]
    Request {
        /// Where.
        endpoint: String,
        /// Why.
        reason: String,
    },
    /// No connection, or it broke.
    #[error("asking {endpoint}: {reason}")]
    Connect {
        /// Where.
        endpoint: String,
        /// Why, with its causes.
        reason: String,
    },
    /// It took too long.
    #[error("asking {endpoint}: no complete answer within {} s", .limit.as_secs())]
    Slow {
        /// Where.
        endpoint: String,
        /// The limit.
        limit: Duration,
    },
    /// The body broke off or is too large.
    #[error("asking {endpoint}: {reason}; at most {limit} bytes are read")]
    Body {
        /// Where.
        endpoint: String,
        /// The limit, bytes.
        limit: usize,
        /// Why.
        reason: String,
    },
    /// A redirect, which is not followed.
    #[error("{endpoint} redirects to \"{to}\": not followed; set the endpoint that answers itself")]
    Redirect {
        /// Where.
        endpoint: String,
        /// Where to.
        to: String,
    },
    /// It wants to be asked less often.
    #[error("{endpoint} answered {status}{}", wait_in_words(.retry_at.as_ref()))]
    Later {
        /// Where.
        endpoint: String,
        /// 429, 503, or another refusal that names a time.
        status: StatusCode,
        /// When it may be asked again, if it says so.
        retry_at: Option<Timestamp>,
    },
    /// A refusal.
    #[error("{endpoint} answered {status}: {detail}")]
    Status {
        /// Where.
        endpoint: String,
        /// The HTTP status.
        status: StatusCode,
        /// The begin of the body.
        detail: String,
    },
}

fn wait_in_words(retry_at: Option<&Timestamp>) -> String {
    retry_at.map_or_else(String::new, |at| format!(": not before {at}"))
}

impl HttpFault {
    /// When it may be asked again, if it said so.
    #[must_use]
    pub const fn retry_at(&self) -> Option<Timestamp> {
        match self {
            Self::Later { retry_at, .. } => *retry_at,
            _ => None,
        }
    }

    /// Whether the credentials were refused.
    #[must_use]
    pub fn is_unauthorized(&self) -> bool {
        matches!(self, Self::Status { status, .. }
            if *status == StatusCode::UNAUTHORIZED || *status == StatusCode::FORBIDDEN)
    }
}

/// The client; clones share its connections.
#[derive(Clone, Debug)]
pub struct Http {
    client: Client<HttpsConnector<HttpConnector<GuardedResolver>>, Empty<Bytes>>,
    guard: Arc<Guard>,
    timeout: Duration,
    body_max: usize,
}

impl Http {
    /// A client that trusts the public authorities and `extra`, and may go
    /// where `guard` lets it.
    ///
    /// # Errors
    /// If a certificate is none, or the provider of cryptography refuses.
    pub fn try_new(guard: Guard, extra: &[CertificateDer<'_>]) -> Result<Self, rustls::Error> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned());
        for certificate in extra {
            roots.add(certificate.clone().into_owned())?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let guard = Arc::new(guard);
        let mut plain = HttpConnector::new_with_resolver(GuardedResolver::new(Arc::clone(&guard)));
        plain.set_connect_timeout(Some(TIMEOUT));
        plain.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(plain);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .pool_max_idle_per_host(1)
            .build(connector);
        Ok(Self {
            client,
            guard,
            timeout: TIMEOUT,
            body_max: BODY_MAX,
        })
    }

    /// The same with another limit of time, for tests and slow links.
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The same for answers of up to so many bytes.
    #[must_use]
    pub const fn with_body_max(mut self, bytes: usize) -> Self {
        self.body_max = bytes;
        self
    }

    /// Whether an endpoint may be asked at all; `services_own` is the
    /// service's own address.
    ///
    /// # Errors
    /// Names what would be accepted.
    pub fn check(&self, endpoint: &str, services_own: Option<&str>) -> Result<(), GuardFault> {
        self.guard.check(endpoint, services_own).map(drop)
    }

    /// Asks an endpoint and reads the whole answer.
    ///
    /// # Errors
    /// If it may not be asked, is silent, slow, too long, or refuses.
    pub async fn ask(
        &self,
        endpoint: &str,
        services_own: Option<&str>,
        ask: &Ask,
    ) -> Result<Bytes, HttpFault> {
        self.guard.check(endpoint, services_own)?;
        let whole = self.exchange(endpoint, ask);
        match tokio::time::timeout(self.timeout, whole).await {
            Ok(answer) => answer,
            Err(_) => Err(HttpFault::Slow {
                endpoint: endpoint.to_owned(),
                limit: self.timeout,
            }),
        }
    }

    async fn exchange(&self, endpoint: &str, ask: &Ask) -> Result<Bytes, HttpFault> {
        let named = || endpoint.to_owned();
        let request = request(endpoint, ask).map_err(|reason| HttpFault::Request {
            endpoint: named(),
            reason,
        })?;
        let response = self.client.request(request).await;
        let response = response.map_err(|fault| HttpFault::Connect {
            endpoint: named(),
            reason: with_causes(&fault),
        })?;
        let (head, body) = response.into_parts();
        if head.status.is_redirection() {
            return Err(HttpFault::Redirect {
                endpoint: named(),
                to: header(&head.headers, &LOCATION),
            });
        }
        let body = Limited::new(body, self.body_max).collect().await;
        let body = body
            .map_err(|fault| HttpFault::Body {
                endpoint: named(),
                limit: self.body_max,
                reason: fault.to_string(),
            })?
            .to_bytes();
        let status = head.status;
        if status == StatusCode::OK {
            return Ok(body);
        }
        let wait = header(&head.headers, &RETRY_AFTER);
        let retry_at = retry_at(&wait, Timestamp::now());
        // A wait may come with any refusal but that of the credentials.
        let is_busy = matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
        );
        let is_login = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        if is_busy || (retry_at.is_some() && !is_login) {
            return Err(HttpFault::Later {
                endpoint: named(),
                status,
                retry_at,
            });
        }
        Err(HttpFault::Status {
            endpoint: named(),
            status,
            detail: String::from_utf8_lossy(&body).chars().take(120).collect(),
        })
    }
}

fn request(endpoint: &str, ask: &Ask) -> Result<Request<Empty<Bytes>>, String> {
    let uri: Uri = format!("{}{}", endpoint.trim_end_matches('/'), ask.path)
        .parse()
        .map_err(|fault| format!("{fault}"))?;
    let mut request = Request::get(uri).header("accept", "application/json");
    if let Some((name, secret)) = &ask.header {
        let mut value = HeaderValue::from_str(secret.reveal())
            .map_err(|_| format!("the credentials cannot stand in the header \"{name}\""))?;
        value.set_sensitive(true);
        request = request.header(*name, value);
    }
    request
        .body(Empty::new())
        .map_err(|fault| fault.to_string())
}

fn header(headers: &HeaderMap, name: &hyper::header::HeaderName) -> String {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().chars().take(120).collect()
}

/// When a service may be asked again: its `Retry-After` in seconds or as a
/// date; `None` if it says nothing that can be read.
#[must_use]
pub fn retry_at(text: &str, now: Timestamp) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Timestamp::from_second(now.as_second() + i64::from(seconds)).ok();
    }
    let at = httpdate::parse_http_date(text).ok()?;
    Timestamp::try_from(at).ok()
}

fn with_causes(fault: &dyn std::error::Error) -> String {
    let mut text = fault.to_string();
    let mut cause = fault.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_in_seconds_and_as_a_date() {
        let now: Timestamp = "2024-06-14T15:00:00Z".parse().unwrap();
        let at = |text| retry_at(text, now).map(|at| at.to_string());
        assert_eq!(at("90").as_deref(), Some("2024-06-14T15:01:30Z"));
        let date = at("Fri, 14 Jun 2024 16:00:00 GMT");
        assert_eq!(date.as_deref(), Some("2024-06-14T16:00:00Z"));
        assert_eq!(at("soon"), None);
    }
}
