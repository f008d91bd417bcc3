//! Who may teach: by a client certificate, a shared token, or a token that
//! the cluster vouches for.
//!
//! Models are given to anybody: nothing in them is secret. A token that is
//! bound to a node's pod speaks for that node alone.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};
use sha2::{Digest as _, Sha256};
use tanso_runtime::review::{Judge, Judgement, Wish, bearer};
use tanso_runtime::serve::Peer;
use tanso_runtime::{Problem, Shutdown};

/// The shortest shared token that is taken, bytes.
const LENGTH_MIN: usize = 16;

/// How often the token's file is looked at.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Why the token is refused.
#[derive(Debug, thiserror::Error)]
pub enum TokenFault {
    /// The file cannot be read.
    #[error("token file \"{}\": {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The token can be guessed.
    #[error("token file \"{}\" holds less than {LENGTH_MIN} bytes", .0.display())]
    Short(PathBuf),
}

/// A shared token as its digest, kept up with its file.
#[derive(Debug)]
pub(super) struct SharedToken {
    file: PathBuf,
    digest: RwLock<[u8; 32]>,
}

impl SharedToken {
    pub(super) fn read(file: &Path) -> Result<Self, TokenFault> {
        Ok(Self {
            digest: RwLock::new(read(file)?),
            file: file.to_owned(),
        })
    }

    /// Keeps up with the file until the shutdown begins; one that is broken
    /// leaves what was read before.
    pub(super) async fn keep(&self, every: Duration, shutdown: Shutdown) {
        loop {
            tokio::select! {
                () = shutdown.begun() => return,
                () = tokio::time::sleep(every) => {}
            }
            match read(&self.file) {
                Ok(now) => *self.digest.write().unwrap_or_else(PoisonError::into_inner) = now,
                Err(fault) => {
                    tracing::warn!(error = %fault, "new token is not usable; the old one stays");
                }
            }
        }
    }

    /// Compares digests of a secret: where they part says nothing of it.
    fn opens(&self, token: &str) -> bool {
        *self.digest.read().unwrap_or_else(PoisonError::into_inner) == digest(token)
    }
}

fn read(file: &Path) -> Result<[u8; 32], TokenFault> {
    let text = std::fs::read_to_string(file).map_err(|source| TokenFault::Read {
        path: file.to_owned(),
        source,
    })?;
    let token = text.trim();
    if token.len() < LENGTH_MIN {
        return Err(TokenFault::Short(file.to_owned()));
    }
    Ok(digest(token))
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// The ways by which writers are known.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// Whether nobody need be known: no TLS, no token.
    pub(super) open: bool,
    /// A token that all writers share.
    pub(super) token: Option<Arc<SharedToken>>,
    /// Who judges other tokens.
    pub(super) judge: Option<Judge>,
}

/// Who writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Writer {
    /// The node that its token is bound to.
    node: Option<Arc<str>>,
}

impl Writer {
    /// Refuses a writer that speaks for another node than its own.
    pub(super) fn may_speak_for(&self, node: &str) -> Result<(), Problem> {
        match self.node.as_deref() {
            Some(own) if own != node => Err(Problem::new(
                StatusCode::FORBIDDEN,
                "the token is another node's",
            )
            .with("field", "node")
            .with("value", node)
            .with("accepted", own)),
            _ => Ok(()),
        }
    }
}

impl Gate {
    /// Lets a writer through.
    pub(super) async fn check(
        &self,
        peer: Option<&Peer>,
        headers: &HeaderMap,
        wish: Wish,
    ) -> Result<Writer, Problem> {
        let anybody = Ok(Writer { node: None });
        if self.open || peer.is_some_and(|peer| peer.certified) {
            return anybody;
        }
        let brought = bearer(headers);
        if let (Some(shared), Some(token)) = (&self.token, brought)
            && shared.opens(token)
        {
            return anybody;
        }
        let (Some(judge), Some(token)) = (&self.judge, brought) else {
            return Err(self.unknown());
        };
        match judge.judge(token, wish.clone()).await {
            Ok(Judgement::Granted { node }) => Ok(Writer { node }),
            Ok(Judgement::Unknown) => Err(self.unknown()),
            Ok(Judgement::Forbidden) => Err(Problem::new(StatusCode::FORBIDDEN, "not authorised")
                .detail(format!(
                    "grant the verb \"{}\" on the non-resource URL \"{}\"",
                    wish.verb, wish.path
                ))),
            Err(fault) => {
                tracing::warn!(error = %fault, "a writer's token could not be judged");
                Err(
                    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "cannot authenticate")
                        .detail("the API server does not answer; ask again"),
                )
            }
        }
    }

    fn unknown(&self) -> Problem {
        let detail = match (&self.token, &self.judge) {
            (None, None) => "bring a client certificate of the server's --tls-client-ca",
            (Some(_), None) => "bring the server's token as \"Authorization: Bearer …\"",
            (_, Some(_)) => "bring a token that the cluster knows as \"Authorization: Bearer …\"",
        };
        Problem::new(StatusCode::UNAUTHORIZED, "token is missing or wrong").detail(detail)
    }
}

#[cfg(test)]
mod tests;
