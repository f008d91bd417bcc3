//! HTTP serving on our own accept loop, with bounds.
//!
//! A slow or hostile client costs at most one of a bounded number of
//! connections for a bounded time. Plain HTTP; TLS takes its place where the
//! stream is accepted.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::Shutdown;

/// The bounds of a server.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A client that has not sent its headers by then is disconnected; so is
    /// a kept-alive connection that stays silent for longer.
    pub header_timeout: Duration,
    /// Connections at a time; more wait in the kernel's backlog.
    pub connections: usize,
    /// How long running answers may take after the shutdown began.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(30),
            connections: 256,
            drain: Duration::from_secs(5),
        }
    }
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

/// Answers requests until the shutdown begins and running answers are done
/// (or [`Limits::drain`] has passed).
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, shutdown: Shutdown) {
    let slots = Arc::new(Semaphore::new(limits.connections));
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.begun() => break,
            accepted = accept(&listener, &slots) => accepted,
        };
        let Some((stream, slot)) = accepted else {
            continue;
        };
        let mut builder = Builder::new(TokioExecutor::new()).http1_only();
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_timeout);
        let service = TowerToHyperService::new(router.clone());
        let connection = builder
            .serve_connection(TokioIo::new(stream), service)
            .into_owned();
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(fault) = connection.await {
                tracing::debug!(error = %fault, "connection ended early");
            }
            drop(slot);
        });
    }
    drop(listener);
    if timeout(limits.drain, graceful.shutdown()).await.is_err() {
        tracing::warn!("answers still running at the end of the drain time were cut off");
    }
}

type Slot = tokio::sync::OwnedSemaphorePermit;

/// The next connection and its slot, or `None` after a fault that may pass.
async fn accept(listener: &TcpListener, slots: &Arc<Semaphore>) -> Option<(TcpStream, Slot)> {
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            // Answers are small; do not wait for more to send.
            let _ = stream.set_nodelay(true);
            Some((stream, slot))
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
