//! One request to one agent, bounded in time and size; over TLS where its
//! monitor has it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, HeaderMap};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;
use tanso_agent_wire::counters::{COUNTERS_HEADER, CountersSaid};
use tanso_agent_wire::energy::{
    CPU_TIME_HEADER, Cursor, EnergyPage, FIELDS_HEADER, MEMORY_FIELD, PAGE_LIMIT, PATH,
};
use tanso_agent_wire::meters::{self, METERS_HEADER, MeterSaid};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::trust::{AgentTrust, TrustBoard};
use crate::owners::Agent;

/// How long an answer may take, to its last byte.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Largest answer that is read, bytes.
const BODY_MAX: usize = 8 * 1024 * 1024;

/// Largest answer that is read beside any number of others, bytes: what an agent has
/// to say of some minutes. A page of what piled up is 1 to 2 MiB.
const SMALL_BODY: usize = 512 * 1024;

/// Larger answers that are held at a time, each with what it says, which takes up
/// to thrice its bytes: agents that lie together must not fill the memory.
pub(super) const LARGE_AT_A_TIME: usize = 3;

/// What an agent answered.
#[derive(Debug)]
pub enum Answer {
    /// A page of records.
    Page {
        /// The page.
        page: Box<EnergyPage>,
        /// Where the node's CPU time comes from, as far as it says.
        cpu_time: Option<CpuTimeSource>,
        /// How many kinds of hardware counters are read, where they are asked for.
        counters: Option<CountersSaid>,
        /// The node's meters and their states, as far as it says.
        meters: Vec<MeterSaid>,
        /// The room that a large one has; to be kept as long as the page is.
        room: Option<OwnedSemaphorePermit>,
    },
    /// Its journal is another than the cursor's.
    Gone {
        /// The cursor to begin with.
        start: Cursor,
    },
}

/// Where a node's CPU time comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuTimeSource {
    /// Kernel programs.
    Ebpf,
    /// Files of control groups.
    CgroupFiles,
    /// The process list.
    Proc,
}

impl CpuTimeSource {
    fn of(headers: &HeaderMap) -> Option<Self> {
        match headers.get(CPU_TIME_HEADER)?.to_str().ok()? {
            "ebpf" => Some(Self::Ebpf),
            "cgroup-files" => Some(Self::CgroupFiles),
            "proc" => Some(Self::Proc),
            _ => None,
        }
    }
}

fn counters_of(headers: &HeaderMap) -> Option<CountersSaid> {
    CountersSaid::read(headers.get(COUNTERS_HEADER)?.to_str().ok()?)
}

fn meters_of(headers: &HeaderMap) -> Vec<MeterSaid> {
    let text = headers.get(METERS_HEADER);
    let text = text.and_then(|text| text.to_str().ok());
    text.map(meters::read).unwrap_or_default()
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum FetchFault {
    /// The address makes no URL.
    #[error("asking agent at {address}: {source}")]
    Address {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: hyper::http::Error,
    },
    /// No connection, or it broke.
    #[error("asking agent at {address}: {source}")]
    Connect {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: hyper_util::client::legacy::Error,
    },
    /// Its authority's certificates are of no use.
    #[error("asking agent at {address}: authority of its monitor: {reason}")]
    Trust {
        /// Where.
        address: SocketAddr,
        /// Why.
        reason: String,
    },
    /// The token for agents cannot be read.
    #[error("asking agent at {address}: reading token \"{}\": {source}", path.display())]
    Token {
        /// Where.
        address: SocketAddr,
        /// The token's file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It took too long.
    #[error("asking agent at {address}: no complete answer within {} s", TIMEOUT.as_secs())]
    Slow {
        /// Where.
        address: SocketAddr,
    },
    /// The body broke off or is too large.
    #[error(
        "reading the answer of agent at {address}: {reason}; at most {BODY_MAX} bytes are read"
    )]
    Body {
        /// Where.
        address: SocketAddr,
        /// Why.
        reason: String,
    },
    /// A refusal.
    #[error("agent at {address} answered {status}: {detail}")]
    Status {
        /// Where.
        address: SocketAddr,
        /// The HTTP status.
        status: StatusCode,
        /// The begin of the body.
        detail: String,
    },
    /// The body is no page.
    #[error("answer of agent at {address} is no energy page: {source}")]
    Syntax {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

type Plain = Client<HttpConnector, Empty<Bytes>>;
type Secure = Client<HttpsConnector<HttpConnector>, Empty<Bytes>>;

/// Clients by monitor, each with what it trusts.
type ByMonitor = BTreeMap<String, (Arc<AgentTrust>, Secure)>;

/// An HTTP client for agents. Follows no redirect and uses no proxy.
#[derive(Clone, Debug)]
pub struct Fetcher {
    plain: Plain,
    trust: TrustBoard,
    token: Option<PathBuf>,
    /// Clients by monitor, each made for what was trusted then.
    secure: Arc<Mutex<ByMonitor>>,
    /// Room for large answers.
    pub(super) large: Arc<Semaphore>,
}

impl Default for Fetcher {
    fn default() -> Self {
        Self::trusting(TrustBoard::default(), None)
    }
}

fn connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(TIMEOUT));
    connector.set_nodelay(true);
    connector
}

fn builder() -> hyper_util::client::legacy::Builder {
    let mut builder = Client::builder(TokioExecutor::new());
    builder
        .pool_idle_timeout(Duration::from_secs(30))
        .pool_max_idle_per_host(1);
    builder
}

/// A client that trusts that authority and name alone.
fn secure(trust: &AgentTrust) -> Result<Secure, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(trust.authority.as_bytes()) {
        let certificate = certificate.map_err(|fault| fault.to_string())?;
        roots.add(certificate).map_err(|fault| fault.to_string())?;
    }
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name =
        ServerName::try_from(trust.server_name.clone()).map_err(|fault| fault.to_string())?;
    let mut http = connector();
    http.enforce_http(false);
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(config)
        .https_only()
        .with_server_name_resolver(FixedServerNameResolver::new(name))
        .enable_http1()
        .wrap_connector(http);
    Ok(builder().build(connector))
}

#[derive(Deserialize)]
struct Gone {
    start: Cursor,
}

impl Fetcher {
    /// A client that speaks TLS to agents of monitors on the board, with the
    /// token of that file, which is read anew for each request.
    #[must_use]
    pub fn trusting(trust: TrustBoard, token: Option<PathBuf>) -> Self {
        Self {
            plain: builder().build(connector()),
            trust,
            token,
            secure: Arc::default(),
            large: Arc::new(Semaphore::new(LARGE_AT_A_TIME)),
        }
    }

    /// Says which monitors wish TLS.
    pub(super) fn secure(&self, monitors: BTreeSet<String>) {
        self.trust.secure(monitors);
        // Of monitors that are gone, or speak plainly now.
        let mut clients = self.secure.lock().unwrap_or_else(PoisonError::into_inner);
        clients.retain(|monitor, _| self.trust.of(monitor).is_some());
    }

    /// Asks the agent for the records after a cursor. A large answer waits for
    /// room, which is not the agent's time.
    ///
    /// # Errors
    /// If the agent is silent, slow, or answers what is no page.
    pub async fn page(&self, agent: &Agent, since: Option<&Cursor>) -> Result<Answer, FetchFault> {
        let address = agent.address;
        let deadline = Instant::now() + TIMEOUT;
        let query = match since {
            Some(cursor) => format!("{PATH}?since={cursor}&limit={PAGE_LIMIT}"),
            None => format!("{PATH}?limit={PAGE_LIMIT}"),
        };
        let (head, body) = timeout_at(deadline, self.send(agent, query))
            .await
            .map_err(|_| FetchFault::Slow { address })??
            .into_parts();
        let (body, room) = self.body(address, body, deadline).await?;
        if head.status == StatusCode::GONE
            && let Ok(Gone { start }) = serde_json::from_slice(&body)
        {
            return Ok(Answer::Gone { start });
        }
        if head.status != StatusCode::OK {
            let detail = String::from_utf8_lossy(&body).chars().take(200).collect();
            return Err(FetchFault::Status {
                address,
                status: head.status,
                detail,
            });
        }
        serde_json::from_slice(&body)
            .map(|page| Answer::Page {
                page: Box::new(page),
                cpu_time: CpuTimeSource::of(&head.headers),
                counters: counters_of(&head.headers),
                meters: meters_of(&head.headers),
                room,
            })
            .map_err(|source| FetchFault::Syntax { address, source })
    }

    /// Reads a body to its end, and finds room for it where it is large.
    async fn body(
        &self,
        address: SocketAddr,
        mut body: Incoming,
        mut deadline: Instant,
    ) -> Result<(Vec<u8>, Option<OwnedSemaphorePermit>), FetchFault> {
        let fault = |reason: String| FetchFault::Body { address, reason };
        let mut read = Vec::new();
        let mut room = None;
        loop {
            let frame = timeout_at(deadline, body.frame()).await;
            let Some(frame) = frame.map_err(|_| FetchFault::Slow { address })? else {
                return Ok((read, room));
            };
            let Ok(data) = frame.map_err(|error| fault(error.to_string()))?.into_data() else {
                continue;
            };
            let length = read.len() + data.len();
            if length > BODY_MAX {
                return Err(fault("it is too large".to_owned()));
            }
            if length > SMALL_BODY && room.is_none() {
                let begun = Instant::now();
                let found = Arc::clone(&self.large).acquire_owned().await;
                room = Some(found.map_err(|error| fault(error.to_string()))?);
                deadline += begun.elapsed();
            }
            read.extend_from_slice(&data);
        }
    }

    /// Sends the request as the agent's monitor wants it.
    async fn send(&self, agent: &Agent, query: String) -> Result<Response<Incoming>, FetchFault> {
        let address = agent.address;
        let trust = self.trust.of(&agent.monitor);
        if trust.is_none() && self.trust.is_secured(&agent.monitor) {
            let reason = "it is not known yet, and without it nobody is asked".to_owned();
            return Err(FetchFault::Trust { address, reason });
        }
        let uri = Uri::builder()
            .scheme(if trust.is_some() { "https" } else { "http" })
            .authority(address.to_string())
            .path_and_query(query)
            .build()
            .map_err(|source| FetchFault::Address { address, source })?;
        let mut request = Request::get(uri).header(FIELDS_HEADER, MEMORY_FIELD);
        // A token goes to agents that are known, and to nobody else.
        if let (Some(_), Some(path)) = (&trust, &self.token) {
            let token = std::fs::read_to_string(path).map_err(|source| FetchFault::Token {
                address,
                path: path.clone(),
                source,
            })?;
            request = request.header(AUTHORIZATION, format!("Bearer {}", token.trim()));
        }
        let request = request
            .body(Empty::new())
            .map_err(|source| FetchFault::Address { address, source })?;
        let asked = match trust {
            Some(trust) => {
                let client = self.secure_client(&agent.monitor, &trust);
                let client = client.map_err(|reason| FetchFault::Trust { address, reason })?;
                client.request(request).await
            }
            None => self.plain.request(request).await,
        };
        asked.map_err(|source| FetchFault::Connect { address, source })
    }

    fn secure_client(&self, monitor: &str, trust: &Arc<AgentTrust>) -> Result<Secure, String> {
        // No code panics while it holds the lock.
        let mut clients = self.secure.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((made_for, client)) = clients.get(monitor)
            && made_for == trust
        {
            return Ok(client.clone());
        }
        let client = secure(trust)?;
        clients.insert(monitor.to_owned(), (Arc::clone(trust), client.clone()));
        Ok(client)
    }
}
