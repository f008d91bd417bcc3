//! Speaks to one BMC: a session where it has them, else the name and password
//! with each request; no redirects, bounded answers, bounded time.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::RedfishSettings;
use super::answers::{Chassis, Collection, EnvironmentMetrics, Power};

const REQUEST_MAX: Duration = Duration::from_secs(10);
const BODY_BYTES_MAX: usize = 1 << 20;
const CHASSIS_MAX: usize = 32;
const CHASSIS: &str = "/redfish/v1/Chassis";
const SESSIONS: &str = "/redfish/v1/SessionService/Sessions";
const TOKEN: &str = "x-auth-token";

/// Why a BMC did not tell its power.
#[derive(Debug, thiserror::Error)]
pub(super) enum BmcFault {
    #[error("BMC \"{0}\": accepted is \"https://HOST\", and \"http://\" to this machine only")]
    Address(String),
    #[error("{what} \"{path}\": {source}")]
    File {
        what: &'static str,
        path: String,
        source: io::Error,
    },
    #[error("{what} \"{path}\": {reason}")]
    Content {
        what: &'static str,
        path: String,
        reason: &'static str,
    },
    #[error("BMC \"{endpoint}\" refused the login with {status}; see the credentials' file")]
    Login {
        endpoint: String,
        status: StatusCode,
    },
    #[error("BMC \"{endpoint}\", {path}: {reason}")]
    Exchange {
        endpoint: String,
        path: String,
        reason: String,
    },
    #[error("BMC \"{endpoint}\", {path}: answered {status}")]
    Status {
        endpoint: String,
        path: String,
        status: StatusCode,
    },
    #[error("BMC \"{0}\" shows no chassis with a power reading")]
    NoPower(String),
}

/// A name and a password; never shown.
struct Credentials {
    username: String,
    password: String,
}

/// How requests say who asks.
enum Pass {
    None,
    /// A session's token, and the session's path.
    Session(HeaderValue, Option<String>),
    Basic(HeaderValue),
}

/// Where power is told.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Environment(String),
    Power(String),
}

/// One BMC.
pub(super) struct Bmc {
    settings: RedfishSettings,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    pass: Pass,
    place: Option<Place>,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Bmc {
    pub(super) fn new(settings: RedfishSettings) -> Result<Self, BmcFault> {
        check_address(&settings.endpoint)?;
        let tls = tls(settings.authorities.as_deref())?;
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            settings,
            pass: Pass::None,
            place: None,
        })
    }

    /// The power now, if the answer has a figure, and where it is told.
    pub(super) async fn power(&mut self) -> Result<(Option<f64>, String), BmcFault> {
        let place = match self.place.clone() {
            Some(place) => place,
            None => self.find().await?,
        };
        let told = match &place {
            Place::Environment(path) => {
                let answer = self.get::<EnvironmentMetrics>(path).await;
                answer.map(|metrics| (metrics.watts(), path.clone()))
            }
            Place::Power(path) => {
                let answer = self.get::<Power>(path).await;
                answer.map(|power| (power.watts(), path.clone()))
            }
        };
        // A BMC that was updated or replaced tells it elsewhere.
        self.place = told.is_ok().then_some(place);
        told
    }

    /// Looks for the chassis of this machine: the one that is named, else the
    /// first with a computer in it and a power reading.
    async fn find(&mut self) -> Result<Place, BmcFault> {
        let all: Collection = self.get(CHASSIS).await?;
        let mut second_best = None;
        for link in all.members.iter().take(CHASSIS_MAX) {
            let Some(path) = link.path() else { continue };
            let chassis: Chassis = self.get(path).await?;
            match &self.settings.chassis {
                Some(wanted) if *wanted != chassis.id => continue,
                _ => {}
            }
            let Some(place) = self.place_in(&chassis).await else {
                continue;
            };
            if self.settings.chassis.is_some() || !chassis.links.computer_systems.is_empty() {
                return Ok(place);
            }
            second_best.get_or_insert(place);
        }
        second_best.ok_or_else(|| BmcFault::NoPower(self.settings.endpoint.clone()))
    }

    async fn place_in(&mut self, chassis: &Chassis) -> Option<Place> {
        if let Some(path) = chassis.environment_metrics.as_ref().and_then(|l| l.path())
            && let Ok(metrics) = self.get::<EnvironmentMetrics>(path).await
            && metrics.watts().is_some()
        {
            return Some(Place::Environment(path.to_owned()));
        }
        let path = chassis.power.as_ref()?.path()?;
        let power = self.get::<Power>(path).await.ok()?;
        power.watts()?;
        Some(Place::Power(path.to_owned()))
    }

    /// Closes the session.
    pub(super) async fn close(&mut self) {
        if let Pass::Session(_, Some(path)) = &self.pass {
            let path = path.clone();
            // The BMC ends it by itself if this fails.
            let _ = self.exchange(Method::DELETE, &path, Bytes::new()).await;
        }
        self.pass = Pass::None;
    }

    async fn get<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, BmcFault> {
        let mut answer = self.exchange(Method::GET, path, Bytes::new()).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            self.login().await?;
            answer = self.exchange(Method::GET, path, Bytes::new()).await?;
        }
        if answer.status != StatusCode::OK {
            return Err(BmcFault::Status {
                endpoint: self.settings.endpoint.clone(),
                path: path.to_owned(),
                status: answer.status,
            });
        }
        serde_json::from_slice(&answer.body).map_err(|fault| self.fault(path, &fault))
    }

    /// Opens a session, or falls back to sending the password each time.
    async fn login(&mut self) -> Result<(), BmcFault> {
        let Some(credentials) = self.credentials()? else {
            return Err(self.refused(StatusCode::UNAUTHORIZED));
        };
        if matches!(self.pass, Pass::Basic(_)) {
            return Err(self.refused(StatusCode::UNAUTHORIZED));
        }
        self.pass = Pass::None;
        let body = serde_json::json!({
            "UserName": credentials.username,
            "Password": credentials.password,
        });
        let body = Bytes::from(body.to_string());
        let answer = self.exchange(Method::POST, SESSIONS, body).await?;
        let token = answer.headers.get(TOKEN);
        match (answer.status, token) {
            (status, Some(token)) if status.is_success() => {
                let mut token = token.clone();
                token.set_sensitive(true);
                let location = answer.headers.get(header::LOCATION);
                let path = location.and_then(|value| session_path(value.to_str().ok()?));
                self.pass = Pass::Session(token, path);
                Ok(())
            }
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST, _) => {
                Err(self.refused(answer.status))
            }
            // No sessions here.
            _ => {
                self.pass = Pass::Basic(basic(&credentials));
                Ok(())
            }
        }
    }

    fn credentials(&self) -> Result<Option<Credentials>, BmcFault> {
        self.settings
            .credentials
            .as_deref()
            .map(read_credentials)
            .transpose()
    }

    async fn exchange(&self, method: Method, path: &str, body: Bytes) -> Result<Answer, BmcFault> {
        let endpoint = self.settings.endpoint.trim_end_matches('/');
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{endpoint}{path}"))
            .header(header::ACCEPT, "application/json")
            .header("odata-version", "4.0");
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        request = match &self.pass {
            Pass::None => request,
            Pass::Session(token, _) => request.header(TOKEN, token),
            Pass::Basic(value) => request.header(header::AUTHORIZATION, value),
        };
        let request = request
            .body(Full::new(body))
            .map_err(|fault| self.fault(path, &fault))?;
        let exchange = async {
            let response = self
                .client
                .request(request)
                .await
                .map_err(|fault| self.fault(path, &fault))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
            Ok(Answer {
                status: head.status,
                headers: head.headers,
                body: body.map_err(|fault| self.fault(path, &*fault))?.to_bytes(),
            })
        };
        timeout(REQUEST_MAX, exchange).await.map_err(|_| {
            let reason = format!("no answer within {} s", REQUEST_MAX.as_secs());
            self.exchange_fault(path, reason)
        })?
    }

    fn refused(&self, status: StatusCode) -> BmcFault {
        BmcFault::Login {
            endpoint: self.settings.endpoint.clone(),
            status,
        }
    }

    /// The cause under the wrappings.
    fn fault(&self, path: &str, fault: &dyn std::error::Error) -> BmcFault {
        let mut inner = fault;
        while let Some(source) = inner.source() {
            inner = source;
        }
        self.exchange_fault(path, inner.to_string())
    }

    fn exchange_fault(&self, path: &str, reason: String) -> BmcFault {
        BmcFault::Exchange {
            endpoint: self.settings.endpoint.clone(),
            path: path.to_owned(),
            reason,
        }
    }
}

impl fmt::Debug for Bmc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bmc")
            .field("settings", &self.settings)
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

/// Passwords go over TLS, or nowhere outside this machine.
fn check_address(endpoint: &str) -> Result<(), BmcFault> {
    let refuse = || BmcFault::Address(endpoint.to_owned());
    let uri: Uri = endpoint.parse().map_err(|_| refuse())?;
    let host = uri.host().ok_or_else(refuse)?;
    let here = matches!(host, "127.0.0.1" | "[::1]" | "localhost");
    let bare = matches!(uri.path(), "" | "/") && uri.query().is_none();
    match uri.scheme_str() {
        Some("https") if bare => Ok(()),
        Some("http") if here && bare => Ok(()),
        _ => Err(refuse()),
    }
}

fn tls(authorities: Option<&Path>) -> Result<ClientConfig, BmcFault> {
    let builder = ClientConfig::builder();
    let Some(path) = authorities else {
        let builder = builder
            .with_native_roots()
            .map_err(|source| BmcFault::File {
                what: "the system's certificates",
                path: "/etc/ssl".to_owned(),
                source,
            })?;
        return Ok(builder.with_no_client_auth());
    };
    let what = "certificates of authorities";
    let content = |reason| BmcFault::Content {
        what,
        path: path.display().to_string(),
        reason,
    };
    let bytes = fs::read(path).map_err(|source| BmcFault::File {
        what,
        path: path.display().to_string(),
        source,
    })?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&bytes) {
        let certificate = certificate.map_err(|_| content("no PEM"))?;
        roots
            .add(certificate)
            .map_err(|_| content("no usable certificate"))?;
    }
    if roots.is_empty() {
        return Err(content("no certificate in it"));
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn read_credentials(path: &Path) -> Result<Credentials, BmcFault> {
    let read = |path: &Path| {
        fs::read_to_string(path).map_err(|source| BmcFault::File {
            what: "BMC credentials",
            path: path.display().to_string(),
            source,
        })
    };
    if path.is_dir() {
        let line = |text: String| text.trim_end_matches(['\r', '\n']).to_owned();
        return Ok(Credentials {
            username: line(read(&path.join("username"))?),
            password: line(read(&path.join("password"))?),
        });
    }
    let text = read(path)?;
    let line = text.lines().next().unwrap_or_default();
    match line.split_once(':') {
        Some((username, password)) if !username.is_empty() => Ok(Credentials {
            username: username.to_owned(),
            password: password.to_owned(),
        }),
        _ => Err(BmcFault::Content {
            what: "BMC credentials",
            path: path.display().to_string(),
            reason: "accepted is the line \"username:password\"",
        }),
    }
}

/// A session's path out of its location, which may be a whole address.
fn session_path(location: &str) -> Option<String> {
    let at = location.find("/redfish/")?;
    location.get(at..).map(str::to_owned)
}

fn basic(credentials: &Credentials) -> HeaderValue {
    let pair = format!("{}:{}", credentials.username, credentials.password);
    let text = format!("Basic {}", STANDARD.encode(pair));
    let mut value =
        HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("Basic"));
    value.set_sensitive(true);
    value
}
