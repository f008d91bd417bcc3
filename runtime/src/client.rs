//! One bounded HTTP(S) exchange, with trust and identity from files that may
//! change.
//!
//! For calls that come by the minute: files are read anew for each, so that a
//! renewed certificate or token needs no signal. Follows no redirect and uses
//! no proxy.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode, Uri, header};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;

use crate::serve::tls::{TlsFault, certificates};

/// Where a client's trust and identity are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientFiles {
    /// Authorities to trust instead of the system's, PEM.
    pub ca: Option<PathBuf>,
    /// Own certificate with its chain, and its key, PEM.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// A bearer token.
    pub token: Option<PathBuf>,
}

/// How long an exchange may take to the answer's last byte, and how much of
/// the answer is read.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The time.
    pub time: Duration,
    /// The answer's size, bytes.
    pub bytes: usize,
}

/// An answer, whatever its status.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The body.
    pub body: Bytes,
    /// By which name the answer can be asked for again, quotes included.
    pub etag: Option<String>,
}

impl Reply {
    /// The beginning of the body, for messages.
    #[must_use]
    pub fn begin(&self, characters: usize) -> String {
        String::from_utf8_lossy(&self.body)
            .chars()
            .take(characters)
            .collect()
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallFault {
    /// The address is none.
    #[error("\"{0}\" is no address; accepted is for instance \"https://tanso-model-server:8100\"")]
    Address(String),
    /// The token cannot be read, or is none.
    #[error("reading token \"{}\": {source}", path.display())]
    Token {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Certificates or key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsFault),
    /// The system has no authorities to trust.
    #[error("reading the system's certificate authorities: {0}; name a file with the authority")]
    Roots(io::Error),
    /// No connection, or it broke.
    #[error("{0}")]
    Transport(String),
    /// It took too long.
    #[error("no answer within {} s", .0.as_secs())]
    Late(Duration),
}

impl ClientFiles {
    /// Sends a request, with a JSON body if there is one, and reads its answer.
    ///
    /// # Errors
    /// If a file cannot be used, or there is no whole answer within the bounds.
    pub async fn call(
        &self,
        method: Method,
        url: &str,
        body: Option<Vec<u8>>,
        bounds: Bounds,
    ) -> Result<Reply, CallFault> {
        self.exchange(method, url, body, None, bounds).await
    }

    /// Gets what is at an address, unless it is still what has the name
    /// `etag`: then the answer is 304 (RFC 9110, 13.1.2).
    ///
    /// # Errors
    /// As [`ClientFiles::call`].
    pub async fn get_unless(
        &self,
        url: &str,
        etag: Option<&str>,
        bounds: Bounds,
    ) -> Result<Reply, CallFault> {
        self.exchange(Method::GET, url, None, etag, bounds).await
    }

    async fn exchange(
        &self,
        method: Method,
        url: &str,
        body: Option<Vec<u8>>,
        etag: Option<&str>,
        bounds: Bounds,
    ) -> Result<Reply, CallFault> {
        let address = || CallFault::Address(url.chars().take(256).collect());
        let uri: Uri = url.parse().map_err(|_| address())?;
        let mut request = Request::builder().method(method).uri(uri.clone());
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        if let Some(etag) = etag {
            request = request.header(header::IF_NONE_MATCH, etag);
        }
        if let Some(file) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", token(file)?));
        }
        let request = request
            .body(Full::new(Bytes::from(body.unwrap_or_default())))
            .map_err(|_| address())?;
        let exchange = async {
            match uri.scheme_str() {
                Some("http") => exchange(&plain(), request, bounds.bytes).await,
                Some("https") => {
                    let connector = HttpsConnectorBuilder::new()
                        .with_tls_config(self.config()?)
                        .https_only()
                        .enable_http1()
                        .build();
                    let client = Client::builder(TokioExecutor::new()).build(connector);
                    exchange(&client, request, bounds.bytes).await
                }
                _ => Err(address()),
            }
        };
        timeout(bounds.time, exchange)
            .await
            .map_err(|_| CallFault::Late(bounds.time))?
    }

    fn config(&self) -> Result<ClientConfig, CallFault> {
        let builder = ClientConfig::builder();
        let builder = match &self.ca {
            Some(path) => {
                let mut roots = RootCertStore::empty();
                for authority in certificates(path, &read(path)?)? {
                    roots.add(authority).map_err(|source| TlsFault::Config {
                        path: path.clone(),
                        source,
                    })?;
                }
                builder.with_root_certificates(roots)
            }
            None => builder.with_native_roots().map_err(CallFault::Roots)?,
        };
        let Some((certificate, key)) = &self.identity else {
            return Ok(builder.with_no_client_auth());
        };
        let chain = certificates(certificate, &read(certificate)?)?;
        let secret =
            PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|error| TlsFault::Content {
                path: key.clone(),
                reason: format!("no private key: {error}"),
            })?;
        builder
            .with_client_auth_cert(chain, secret)
            .map_err(|source| {
                CallFault::Tls(TlsFault::Config {
                    path: certificate.clone(),
                    source,
                })
            })
    }
}

fn plain() -> Client<HttpConnector, Full<Bytes>> {
    Client::builder(TokioExecutor::new()).build_http()
}

async fn exchange<C>(
    client: &Client<C, Full<Bytes>>,
    request: Request<Full<Bytes>>,
    bytes: usize,
) -> Result<Reply, CallFault>
where
    C: hyper_util::client::legacy::connect::Connect + Clone + Send + Sync + 'static,
{
    let response = client
        .request(request)
        .await
        .map_err(|fault| CallFault::Transport(deepest(&fault)))?;
    let status = response.status();
    let etag = response
        .headers()
        .get(header::ETAG)
        .and_then(|etag| etag.to_str().ok())
        .map(str::to_owned);
    let body = Limited::new(response.into_body(), bytes).collect().await;
    let body = body.map_err(|fault| CallFault::Transport(fault.to_string()))?;
    Ok(Reply {
        status,
        body: body.to_bytes(),
        etag,
    })
}

fn read(path: &Path) -> Result<Vec<u8>, TlsFault> {
    fs::read(path).map_err(|source| TlsFault::Read {
        path: path.to_owned(),
        source,
    })
}

fn token(file: &Path) -> Result<String, CallFault> {
    let fault = |source| CallFault::Token {
        path: file.to_owned(),
        source,
    };
    let text = fs::read_to_string(file).map_err(fault)?;
    let token = text.trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(fault(io::Error::new(
            io::ErrorKind::InvalidData,
            "accepted is one word of visible ASCII",
        )));
    }
    Ok(token.to_owned())
}

/// The cause under the wrappings: "connection refused" rather than "client
/// error".
fn deepest(fault: &dyn std::error::Error) -> String {
    let mut inner = fault;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

#[cfg(test)]
mod tests;
