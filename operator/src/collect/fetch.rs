//! One request to one agent, bounded in time and size.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::{Request, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use tanso_agent_wire::energy::{Cursor, EnergyPage, PAGE_LIMIT, PATH};

/// How long an answer may take, to its last byte.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Largest answer that is read, bytes.
const BODY_MAX: usize = 8 * 1024 * 1024;

/// What an agent answered.
#[derive(Debug)]
pub enum Answer {
    /// A page of records.
    Page(Box<EnergyPage>),
    /// Its journal is another than the cursor's.
    Gone {
        /// The cursor to begin with.
        start: Cursor,
    },
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

/// An HTTP client for agents. Follows no redirect and uses no proxy.
#[derive(Clone, Debug)]
pub struct Fetcher {
    client: Client<HttpConnector, Empty<Bytes>>,
}

impl Default for Fetcher {
    fn default() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(TIMEOUT));
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .pool_max_idle_per_host(1)
            .build(connector);
        Self { client }
    }
}

#[derive(Deserialize)]
struct Gone {
    start: Cursor,
}

impl Fetcher {
    /// Asks the agent for the records after a cursor.
    ///
    /// # Errors
    /// If the agent is silent, slow, or answers what is no page.
    pub async fn page(
        &self,
        address: SocketAddr,
        since: Option<&Cursor>,
    ) -> Result<Answer, FetchFault> {
        match tokio::time::timeout(TIMEOUT, self.ask(address, since)).await {
            Ok(answer) => answer,
            Err(_) => Err(FetchFault::Slow { address }),
        }
    }

    async fn ask(&self, address: SocketAddr, since: Option<&Cursor>) -> Result<Answer, FetchFault> {
        let query = match since {
            Some(cursor) => format!("{PATH}?since={cursor}&limit={PAGE_LIMIT}"),
            None => format!("{PATH}?limit={PAGE_LIMIT}"),
        };
        let uri = Uri::builder()
            .scheme("http")
            .authority(address.to_string())
            .path_and_query(query)
            .build()
            .map_err(|source| FetchFault::Address { address, source })?;
        let request = Request::get(uri)
            .body(Empty::new())
            .map_err(|source| FetchFault::Address { address, source })?;
        let response = self
            .client
            .request(request)
            .await
            .map_err(|source| FetchFault::Connect { address, source })?;
        let status = response.status();
        let body = Limited::new(response.into_body(), BODY_MAX)
            .collect()
            .await
            .map_err(|fault| FetchFault::Body {
                address,
                reason: fault.to_string(),
            })?
            .to_bytes();
        if status == StatusCode::GONE
            && let Ok(Gone { start }) = serde_json::from_slice(&body)
        {
            return Ok(Answer::Gone { start });
        }
        if status != StatusCode::OK {
            let detail = String::from_utf8_lossy(&body).chars().take(200).collect();
            return Err(FetchFault::Status {
                address,
                status,
                detail,
            });
        }
        serde_json::from_slice(&body)
            .map(|page| Answer::Page(Box::new(page)))
            .map_err(|source| FetchFault::Syntax { address, source })
    }
}
