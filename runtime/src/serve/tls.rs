//! TLS from files that may change while the server runs.
//!
//! Certificate, key and client authorities are read together and replaced
//! together, when their content changes: a kubelet swaps a link, which a
//! watch on a file misses. Files that are broken leave what was read before.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::Shutdown;

/// Where a server's identity is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and its chain, PEM.
    pub certificate: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
    /// Authorities of client certificates, PEM; clients without one are let
    /// in and told apart.
    pub client_ca: Option<PathBuf>,
}

/// Why the files make no server.
#[derive(Debug, thiserror::Error)]
pub enum TlsFault {
    /// A file cannot be read.
    #[error("reading \"{}\": {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is no PEM of the sort wanted.
    #[error("\"{}\": {reason}; accepted is PEM", path.display())]
    Content {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Certificate and key do not fit, or an authority is none.
    #[error("TLS with \"{}\": {source}", path.display())]
    Config {
        /// The certificate's file.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
}

/// A server's identity, as its files have it now.
#[derive(Debug)]
pub struct Tls {
    files: TlsFiles,
    config: ArcSwap<ServerConfig>,
    digest: AtomicU64,
}

/// What the files hold.
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

impl Contents {
    fn read(files: &TlsFiles) -> Result<Self, TlsFault> {
        let read = |path: &Path| {
            fs::read(path).map_err(|source| TlsFault::Read {
                path: path.to_owned(),
                source,
            })
        };
        Ok(Self {
            certificate: read(&files.certificate)?,
            key: read(&files.key)?,
            client_ca: files.client_ca.as_deref().map(read).transpose()?,
        })
    }

    fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&self.certificate, &self.key, &self.client_ca).hash(&mut hasher);
        hasher.finish()
    }
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// If a file cannot be read or they make no server.
    pub fn load(files: TlsFiles) -> Result<Self, TlsFault> {
        let contents = Contents::read(&files)?;
        Ok(Self {
            config: ArcSwap::from_pointee(config(&files, &contents)?),
            digest: AtomicU64::new(contents.digest()),
            files,
        })
    }

    /// Reads the files again; whether they were other ones.
    ///
    /// # Errors
    /// As [`Tls::load`]; what was read before stays in use.
    pub fn refresh(&self) -> Result<bool, TlsFault> {
        let contents = Contents::read(&self.files)?;
        let digest = contents.digest();
        if digest == self.digest.load(Ordering::Relaxed) {
            return Ok(false);
        }
        self.config.store(Arc::new(config(&self.files, &contents)?));
        self.digest.store(digest, Ordering::Relaxed);
        Ok(true)
    }

    /// Keeps up with the files until the shutdown begins.
    pub async fn keep(&self, every: Duration, shutdown: Shutdown) {
        loop {
            tokio::select! {
                () = shutdown.begun() => return,
                () = tokio::time::sleep(every) => {}
            }
            let certificate = self.files.certificate.display();
            match self.refresh() {
                Ok(true) => tracing::info!(%certificate, "TLS certificate replaced"),
                Ok(false) => {}
                Err(fault) => {
                    tracing::warn!(error = %fault, "new TLS files are not usable; the old ones stay");
                }
            }
        }
    }

    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        TlsAcceptor::from(self.config.load_full())
            .accept(stream)
            .await
    }
}

/// Whether the client showed a certificate; one that was not accepted ended
/// the handshake.
pub(super) fn is_certified(stream: &TlsStream<TcpStream>) -> bool {
    let (_, session) = stream.get_ref();
    session
        .peer_certificates()
        .is_some_and(|chain| !chain.is_empty())
}

fn config(files: &TlsFiles, contents: &Contents) -> Result<ServerConfig, TlsFault> {
    let fault = |source| TlsFault::Config {
        path: files.certificate.clone(),
        source,
    };
    let chain = certificates(&files.certificate, &contents.certificate)?;
    let key = PrivateKeyDer::from_pem_slice(&contents.key).map_err(|error| TlsFault::Content {
        path: files.key.clone(),
        reason: format!("no private key: {error}"),
    })?;
    let builder = ServerConfig::builder();
    let builder = match (&files.client_ca, &contents.client_ca) {
        (Some(path), Some(bytes)) => {
            let mut roots = RootCertStore::empty();
            for authority in certificates(path, bytes)? {
                roots.add(authority).map_err(fault)?;
            }
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).allow_unauthenticated();
            let verifier = verifier.build().map_err(|error| TlsFault::Content {
                path: path.clone(),
                reason: error.to_string(),
            })?;
            builder.with_client_cert_verifier(verifier)
        }
        _ => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(chain, key).map_err(fault)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

pub(crate) fn certificates(
    path: &Path,
    bytes: &[u8],
) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    let content = |reason: String| TlsFault::Content {
        path: path.to_owned(),
        reason,
    };
    let chain: Vec<_> = CertificateDer::pem_slice_iter(bytes)
        .collect::<Result<_, _>>()
        .map_err(|error| content(error.to_string()))?;
    if chain.is_empty() {
        return Err(content("no certificate".to_owned()));
    }
    Ok(chain)
}

#[cfg(test)]
mod tests;
