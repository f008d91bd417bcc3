//! HTTP serving on our own accept loop, with bounds, plain or over TLS.
//!
//! A slow, endless or hostile client costs at most a few of a bounded number
//! of connections, each for a bounded time and with bounded memory: headers
//! have a size and a time, an answer that is not taken is given up, one
//! address has a share of the connections only, and handshakes hold nobody
//! else up.

mod paced;
mod peers;
pub mod tls;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tower::ServiceExt as _;

use crate::Shutdown;
use paced::Paced;
use peers::{Peers, Place};
pub use tls::Tls;

/// The bounds of a server.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A client that has not sent its headers by then is disconnected; so is
    /// a kept-alive connection that stays silent for longer, and a TLS
    /// handshake that is not done.
    pub header_timeout: Duration,
    /// Size of a request's headers, at least 8,192 bytes.
    pub header_bytes: usize,
    /// A client that takes nothing of an answer for so long is disconnected.
    pub stall: Duration,
    /// A client that has not taken a whole answer by then is disconnected.
    pub answer: Duration,
    /// Connections at a time; more wait in the kernel's backlog.
    pub connections: usize,
    /// Connections of one address at a time; more are closed.
    pub per_address: usize,
    /// How long running answers may take after the shutdown began.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(30),
            header_bytes: 32 * 1024,
            stall: Duration::from_secs(30),
            answer: Duration::from_mins(5),
            connections: 256,
            per_address: 128,
            drain: Duration::from_secs(5),
        }
    }
}

/// Who is at the other end; an extension of each request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The address.
    pub address: SocketAddr,
    /// Whether it showed a certificate of an authority that the server
    /// accepts.
    pub certified: bool,
}

/// Why a server could not start.
#[derive(Debug, thiserror::Error)]
#[error("listening on \"{address}\": {source}")]
pub struct ListenFault {
    /// The address asked for.
    pub address: SocketAddr,
    /// Why.
    pub source: io::Error,
}

/// Takes the address; requests wait until [`serve`] runs.
///
/// # Errors
/// If the address is taken or not this machine's.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, ListenFault> {
    TcpListener::bind(address)
        .await
        .map_err(|source| ListenFault { address, source })
}

/// Answers requests in plain HTTP until the shutdown begins and running
/// answers are done (or [`Limits::drain`] has passed).
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, shutdown: Shutdown) {
    serve_with(listener, None, router, limits, shutdown).await;
}

/// As [`serve`], over TLS if there is a `tls`.
pub async fn serve_with(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    router: Router,
    limits: Limits,
    shutdown: Shutdown,
) {
    let slots = Arc::new(Semaphore::new(limits.connections));
    let peers = Peers::new(limits.per_address);
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.begun() => break,
            accepted = accept(&listener, &slots) => accepted,
        };
        let Some((stream, address, slot)) = accepted else {
            continue;
        };
        let Some(place) = peers.admit(address.ip()) else {
            tracing::debug!(%address, "too many connections of one address");
            continue;
        };
        let connection = Connection {
            address,
            router: router.clone(),
            limits,
            watcher: graceful.watcher(),
            _held: (slot, place),
        };
        tokio::spawn(connection.run(stream, tls.clone()));
    }
    drop(listener);
    if timeout(limits.drain, graceful.shutdown()).await.is_err() {
        tracing::warn!("answers still running at the end of the drain time were cut off");
    }
}

/// Answers the requests of one stream, with the bounds of a server.
pub async fn serve_stream<S>(stream: S, peer: Peer, router: Router, limits: Limits)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let graceful = GracefulShutdown::new();
    answer(stream, peer, router, limits, graceful.watcher()).await;
}

struct Connection {
    address: SocketAddr,
    router: Router,
    limits: Limits,
    watcher: Watcher,
    _held: (Slot, Place),
}

impl Connection {
    async fn run(self, stream: TcpStream, tls: Option<Arc<Tls>>) {
        let peer = |certified| Peer {
            address: self.address,
            certified,
        };
        let Some(tls) = tls else {
            return answer(stream, peer(false), self.router, self.limits, self.watcher).await;
        };
        match timeout(self.limits.header_timeout, tls.accept(stream)).await {
            Ok(Ok(stream)) => {
                let peer = peer(tls::is_certified(&stream));
                answer(stream, peer, self.router, self.limits, self.watcher).await;
            }
            Ok(Err(fault)) => tracing::debug!(error = %fault, "TLS handshake failed"),
            Err(_) => tracing::debug!("TLS handshake took too long"),
        }
    }
}

async fn answer<S>(stream: S, peer: Peer, router: Router, limits: Limits, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(limits.header_bytes.max(8 * 1024));
    let router = router.map_request(move |mut request: axum::http::Request<Incoming>| {
        request.extensions_mut().insert(peer);
        let request: Request = request.map(axum::body::Body::new);
        request
    });
    let stream = TokioIo::new(Paced::new(stream, limits.stall, limits.answer));
    let connection = builder
        .serve_connection(stream, TowerToHyperService::new(router))
        .into_owned();
    if let Err(fault) = watcher.watch(connection).await {
        tracing::debug!(error = %fault, "connection ended early");
    }
}

type Slot = tokio::sync::OwnedSemaphorePermit;

/// The next connection and its slot, or `None` after a fault that may pass.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, Slot)> {
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, address)) => {
            // Answers are small; do not wait for more to send.
            let _ = stream.set_nodelay(true);
            Some((stream, address, slot))
        }
        Err(fault) => {
            // Out of file descriptors, for instance: do not spin.
            tracing::warn!(error = %fault, "accepting a connection failed");
            sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

#[cfg(test)]
mod tests;
