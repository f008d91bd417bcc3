//! The operator's own routes, by a port-forward that this program opens itself.
//!
//! The operator tells its ledger to known readers alone: whoever comes by a
//! port-forward, which the API server allowed, and whoever brings a token, as
//! far as its bearer may list reports. A token goes before the port-forward, so
//! the kubeconfig's is brought along: its bearer sees what they may list, and
//! not all because they came this way. Where no port-forward opens, the API
//! server's Service proxy is asked; an operator that answers anybody answers it.
//!
//! Rights: list pods, get and create pods/portforward in the operator's
//! namespace.

mod credentials;
mod forward;

use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, HOST, HeaderValue};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tanso_faces::view::{Door, DoorFault, FactsFault, ProxyDoor, STRANGER, Told};
use tokio::io::DuplexStream;
use tokio::sync::Mutex;

pub use credentials::Credentials;
pub(crate) use forward::PodForward;

/// The name by which the operator is asked: it takes who comes by its loopback
/// for a port-forward only if they ask for a name of that machine.
const HOST_NAME: &str = "localhost";
/// For how long a missing right is believed to be missing still. A report asks
/// fifty times, an assistant's server runs for days.
const SHUT_FOR: Duration = Duration::from_secs(30);

type Sender = SendRequest<Empty<Bytes>>;

/// Why no port-forward was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OpenFault {
    /// The caller lacks this right in the operator's namespace.
    Right(&'static str),
    /// There is nobody to open one to.
    Nobody(String),
    /// Anything else.
    Other(FactsFault),
}

/// Opens streams to the operator's HTTP port.
pub(crate) trait Opener: Send + Sync {
    /// A stream whose other end is in the operator's pod.
    fn open(&self) -> BoxFuture<'_, Result<DuplexStream, OpenFault>>;
}

/// The operator's routes by a port-forward, and else by the Service proxy.
pub(crate) struct OperatorDoor<O> {
    opener: O,
    credentials: Credentials,
    proxy: ProxyDoor,
    namespace: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    line: Line,
    /// The operator does not know the token, as where something before the API
    /// server gave it: the port-forward alone counts.
    is_token_unknown: bool,
}

#[derive(Default)]
enum Line {
    #[default]
    None,
    Open(Sender),
    /// A right is missing.
    Shut {
        why: String,
        until: Instant,
    },
}

/// What the operator answered.
struct Reply {
    status: StatusCode,
    text: String,
}

impl Reply {
    fn is_for_strangers(&self) -> bool {
        self.status == StatusCode::UNAUTHORIZED && self.text.contains(STRANGER)
    }
}

impl<O: Opener> OperatorDoor<O> {
    /// The door of the operator in `namespace`, which `proxy` leads to as well.
    pub(crate) fn new(
        opener: O,
        credentials: Credentials,
        proxy: ProxyDoor,
        namespace: &str,
    ) -> Self {
        Self {
            opener,
            credentials,
            proxy,
            namespace: namespace.to_owned(),
            state: Mutex::default(),
        }
    }

    async fn ask(&self, action: &str, path: &str) -> Result<String, DoorFault> {
        let mut state = self.state.lock().await;
        if let Line::Shut { why, until } = &state.line
            && Instant::now() < *until
        {
            return self.by_proxy(action, path, why).await;
        }
        match self.forwarded(&mut state, path).await {
            Ok(reply) => self.read(action, reply),
            Err(fault) => {
                let why = self.why(&fault);
                if matches!(fault, OpenFault::Right(_)) {
                    state.line = Line::Shut {
                        why: why.clone(),
                        until: Instant::now() + SHUT_FOR,
                    };
                }
                self.by_proxy(action, path, &why).await
            }
        }
    }

    /// What the operator answers to the bearer of the kubeconfig's token; to
    /// whoever came by the port-forward if there is none, or none that is known.
    async fn forwarded(&self, state: &mut State, path: &str) -> Result<Reply, OpenFault> {
        let token = if state.is_token_unknown {
            None
        } else {
            let token = self.credentials.bearer().await;
            token.map_err(OpenFault::Other)?
        };
        let reply = self.exchange(&mut state.line, path, token.as_ref()).await?;
        if token.is_none() || !reply.is_for_strangers() {
            return Ok(reply);
        }
        state.is_token_unknown = true;
        self.exchange(&mut state.line, path, None).await
    }

    async fn exchange(
        &self,
        line: &mut Line,
        path: &str,
        token: Option<&HeaderValue>,
    ) -> Result<Reply, OpenFault> {
        // One that was kept may be over by now: then a new one is asked.
        if let Line::Open(mut sender) = std::mem::take(line)
            && let Ok(reply) = send(&mut sender, path, token).await
        {
            *line = Line::Open(sender);
            return Ok(reply);
        }
        let silent = |cause: String| {
            OpenFault::Other(FactsFault::Unreachable {
                action: "asking the operator".to_owned(),
                cause,
            })
        };
        let stream = self.opener.open().await?;
        let mut sender = connected(stream).await.map_err(silent)?;
        let reply = send(&mut sender, path, token).await.map_err(silent)?;
        *line = Line::Open(sender);
        Ok(reply)
    }

    fn read(&self, action: &str, reply: Reply) -> Result<String, DoorFault> {
        if reply.status.is_success() {
            return Ok(reply.text);
        }
        if reply.is_for_strangers() {
            return Err(DoorFault::Shut(format!(
                "the operator in namespace \"{}\" does not take this port-forward for one and wants a token; log in with one",
                self.namespace
            )));
        }
        let said = format!("the operator says: {}", said(&reply.text));
        Err(match reply.status {
            StatusCode::FORBIDDEN => DoorFault::Shut(said),
            StatusCode::NOT_FOUND => DoorFault::NotFound(said),
            status => DoorFault::Other(FactsFault::Refused {
                action: action.to_owned(),
                code: status.as_u16(),
                message: said,
            }),
        })
    }

    /// Why there is no port-forward, and what would help.
    fn why(&self, fault: &OpenFault) -> String {
        let ns = &self.namespace;
        match fault {
            OpenFault::Right(right) => {
                format!("it needs the right to {right} in namespace \"{ns}\"")
            }
            OpenFault::Nobody(why) => why.clone(),
            OpenFault::Other(fault) => {
                format!("no port-forward to the operator in namespace \"{ns}\": {fault}")
            }
        }
    }

    /// Asks by the Service proxy; `why` no port-forward is there.
    async fn by_proxy(&self, action: &str, path: &str, why: &str) -> Result<String, DoorFault> {
        let told = self.proxy.get(action, path).await;
        told.map_err(|fault| match fault {
            DoorFault::Stranger => DoorFault::Shut(format!(
                "{why}; the API server's proxy is no way to an operator that refuses readers whom it does not know (operator.anonymousReaders)"
            )),
            DoorFault::Shut(other) => DoorFault::Shut(format!(
                "{why}; or, where the operator answers anybody (operator.anonymousReaders: Allow), {other}"
            )),
            fault => fault,
        })
    }
}

impl<O: Opener> Door for OperatorDoor<O> {
    fn get<'a>(&'a self, action: &'a str, path: &'a str) -> Told<'a> {
        Box::pin(self.ask(action, path))
    }
}

async fn connected(stream: DuplexStream) -> Result<Sender, String> {
    let made = handshake(TokioIo::new(stream)).await;
    let (sender, connection) = made.map_err(|fault| fault.to_string())?;
    // What ended it is told to whoever asks next.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}

async fn send(
    sender: &mut Sender,
    path: &str,
    token: Option<&HeaderValue>,
) -> Result<Reply, String> {
    let told = |fault: hyper::Error| fault.to_string();
    let mut request = Request::get(path).header(HOST, HOST_NAME);
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, token.clone());
    }
    let request = request.body(Empty::new());
    let request = request.map_err(|fault| fault.to_string())?;
    sender.ready().await.map_err(told)?;
    let answer = sender.send_request(request).await.map_err(told)?;
    let status = answer.status();
    let bytes = answer.into_body().collect().await.map_err(told)?.to_bytes();
    let text = String::from_utf8(bytes.into()).map_err(|fault| fault.to_string())?;
    Ok(Reply { status, text })
}

/// A refusal in its own words.
fn said(text: &str) -> String {
    #[derive(Deserialize)]
    struct Problem {
        title: String,
        detail: Option<String>,
    }
    match serde_json::from_str::<Problem>(text) {
        Ok(Problem {
            title,
            detail: Some(detail),
        }) => format!("{title}: {detail}"),
        Ok(Problem { title, .. }) => title,
        Err(_) => text.trim().to_owned(),
    }
}

#[cfg(test)]
mod tests;
