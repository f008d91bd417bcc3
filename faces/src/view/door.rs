//! The ways to the operator's own routes, for whoever has a kubeconfig.
//!
//! Which way is open depends on rights of the caller that differ: a port-forward,
//! which the command line opens, or the API server's Service proxy, which is here.

use futures::future::BoxFuture;
use kube::Client;

use super::FactsFault;

/// The operator's Service and the name of its port.
const SERVICE: &str = "tanso-operator:http";

/// The title of the operator's refusal of readers whom nobody knows. The API server
/// takes a caller's token away before it passes their request on.
pub const STRANGER: &str = "the ledger answers known readers alone";

/// Why a route of the operator gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DoorFault {
    /// The operator answers known readers alone, and this one came as nobody.
    Stranger,
    /// Something else keeps the caller out: what, and what would help.
    Shut(String),
    /// There is no such route or thing, or no operator; in its words.
    NotFound(String),
    /// Anything else.
    Other(FactsFault),
}

/// An answer that is being read.
pub type Told<'a> = BoxFuture<'a, Result<String, DoorFault>>;

/// A way to the operator's routes.
pub trait Door: Send + Sync {
    /// The answer of a route, `path` with its query. `action` is what is tried,
    /// for messages.
    fn get<'a>(&'a self, action: &'a str, path: &'a str) -> Told<'a>;
}

/// By the API server's Service proxy: the operator does not learn who asks, so
/// it answers only where it answers anybody.
#[derive(Clone)]
pub struct ProxyDoor {
    client: Client,
    namespace: String,
}

impl ProxyDoor {
    /// The door of the operator in `namespace`.
    #[must_use]
    pub fn new(client: Client, namespace: &str) -> Self {
        Self {
            client,
            namespace: namespace.to_owned(),
        }
    }

    async fn ask(&self, action: &str, path: &str) -> Result<String, DoorFault> {
        let ns = &self.namespace;
        let path = format!("/api/v1/namespaces/{ns}/services/{SERVICE}/proxy{path}");
        let request = hyper::Request::get(path).body(Vec::new());
        let request = request.map_err(|error| {
            DoorFault::Other(FactsFault::Broken {
                what: action.to_owned(),
                reason: error.to_string(),
            })
        })?;
        let answer = self.client.request_text(request).await;
        answer.map_err(|error| match &error {
            _ if is_strangers(&error) => DoorFault::Stranger,
            kube::Error::Api(status) if status.code == 403 => DoorFault::Shut(format!(
                "it needs the right to get services/proxy in namespace \"{ns}\""
            )),
            kube::Error::Api(status) if status.code == 404 => {
                DoorFault::NotFound(status.message.clone())
            }
            _ => DoorFault::Other(FactsFault::of(action, &error)),
        })
    }
}

impl Door for ProxyDoor {
    fn get<'a>(&'a self, action: &'a str, path: &'a str) -> Told<'a> {
        Box::pin(self.ask(action, path))
    }
}

/// Whether the operator refused, and not the API server.
fn is_strangers(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 401 && status.message.contains(STRANGER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_the_operator_is_told_from_one_of_the_api_server() {
        let with = |message: &str| {
            let status = kube::core::Status::failure(message, "no").with_code(401);
            is_strangers(&kube::Error::Api(Box::new(status)))
        };
        assert!(with(&format!(
            "{{\"title\":\"{STRANGER}\",\"status\":401}}"
        )));
        assert!(!with("Unauthorized"));
    }
}
