//! Pushes the latest figures to an OTLP receiver, over HTTP with protocol
//! buffers. The same figures as `/metrics`, as a pure read.
//!
//! A push that fails is counted and left out: the figures are cumulative, so
//! the next one has all of it.

use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode, Uri, header};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tanso_runtime::Shutdown;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::metrics::exposition::View;
use super::metrics::sink::otlp::{Otlp, PATH};
use super::{Reader, Sources};

const REQUEST_MAX: Duration = Duration::from_secs(10);
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Where and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushSettings {
    /// The receiver's address, with or without the path `/v1/metrics`.
    pub endpoint: Uri,
    /// The pause between pushes.
    pub every: Duration,
}

/// Why a push failed.
#[derive(Debug, thiserror::Error)]
pub enum PushFault {
    /// The address is no address.
    #[error("OTLP receiver \"{0}\": accepted is for instance \"http://collector:4318\"")]
    Address(String),
    /// No answer.
    #[error("OTLP receiver \"{url}\": {reason}")]
    Transport {
        /// Whom was sent to.
        url: String,
        /// What happened.
        reason: String,
    },
    /// A refusal.
    #[error("OTLP receiver \"{url}\" answered {status}: {body}")]
    Refused {
        /// Whom was sent to.
        url: String,
        /// With what status.
        status: StatusCode,
        /// The beginning of the answer.
        body: String,
    },
}

/// Reads a receiver's address.
///
/// # Errors
/// If it is none, or neither HTTP nor HTTPS.
pub fn endpoint(text: &str) -> Result<Uri, PushFault> {
    let fault = || PushFault::Address(text.chars().take(128).collect());
    let text = text.trim_end_matches('/');
    let full = if text.ends_with(PATH) {
        text.to_owned()
    } else {
        format!("{text}{PATH}")
    };
    let uri: Uri = full.parse().map_err(|_| fault())?;
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    (known && uri.host().is_some_and(|host| !host.is_empty()))
        .then_some(uri)
        .ok_or_else(fault)
}

type Sender = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Pushes until the shutdown begins, and once more then.
pub async fn keep(sources: Sources, settings: PushSettings, shutdown: Shutdown) {
    let since_ns = now_ns();
    let sender = match sender() {
        Ok(sender) => sender,
        Err(fault) => {
            tracing::error!(error = %fault, "no certificates to trust; nothing is pushed");
            return;
        }
    };
    let mut pace = interval(settings.every);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let ends = tokio::select! {
            () = shutdown.begun() => true,
            _ = pace.tick() => false,
        };
        match push(&sources, &sender, &settings.endpoint, since_ns).await {
            Ok(true) => sources.counters.push("success"),
            Ok(false) => {}
            Err(fault) => {
                tracing::warn!(error = %fault, "pushing metrics failed");
                sources.counters.push("failure");
            }
        }
        if ends {
            return;
        }
    }
}

fn sender() -> std::io::Result<Sender> {
    let connector = HttpsConnectorBuilder::new()
        .with_native_roots()?
        .https_or_http()
        .enable_http1()
        .build();
    Ok(Client::builder(TokioExecutor::new()).build(connector))
}

/// Pushes once; `false` while there are no figures.
async fn push(
    sources: &Sources,
    sender: &Sender,
    endpoint: &Uri,
    since_ns: u64,
) -> Result<bool, PushFault> {
    let Some(body) = request(sources, since_ns) else {
        return Ok(false);
    };
    let transport = |reason: String| PushFault::Transport {
        url: endpoint.to_string(),
        reason,
    };
    let request = Request::builder()
        .method(Method::POST)
        .uri(endpoint.clone())
        .header(header::CONTENT_TYPE, "application/x-protobuf")
        .header(header::CONTENT_ENCODING, "gzip")
        .body(Full::new(Bytes::from(body)))
        .map_err(|fault| transport(fault.to_string()))?;
    let exchange = async {
        let answer = sender.request(request).await;
        let answer = answer.map_err(|fault| transport(fault.to_string()))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX)
            .collect()
            .await;
        let body = body
            .map_err(|fault| transport(fault.to_string()))?
            .to_bytes();
        Ok::<_, PushFault>((status, body))
    };
    let (status, body) = timeout(REQUEST_MAX, exchange)
        .await
        .map_err(|_| transport(format!("no answer within {} s", REQUEST_MAX.as_secs())))??;
    if status.is_success() {
        return Ok(true);
    }
    Err(PushFault::Refused {
        url: endpoint.to_string(),
        status,
        body: String::from_utf8_lossy(&body).chars().take(200).collect(),
    })
}

/// The compressed request over the latest figures.
fn request(sources: &Sources, since_ns: u64) -> Option<Vec<u8>> {
    let snapshot = sources.snapshot_for(Reader::Trusted)?;
    let policy = sources.policy.load();
    let counters = sources.counters.snapshot();
    let view = View {
        node: &sources.node,
        processors: &sources.processors,
        rights: &sources.rights,
        snapshot: Some(&snapshot),
        counters: &counters,
        options: &policy.options,
    };
    let at = Duration::from_millis(snapshot.at_unix_ms.unsigned_abs());
    let mut otlp = Otlp::new(since_ns, u64::try_from(at.as_nanos()).unwrap_or(u64::MAX));
    view.write(&mut otlp);
    let bytes = otlp.finish(&[
        ("service.name", "tanso-agent"),
        ("service.version", env!("CARGO_PKG_VERSION")),
        ("host.name", &sources.node),
        ("k8s.node.name", &sources.node),
    ]);
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(&bytes).ok()?;
    packed.finish().ok()
}

fn now_ns() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
