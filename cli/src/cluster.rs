//! The connection to a cluster, and what its refusals mean in plain words.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kube::config::{InferConfigError, KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};
use tanso_faces::view::{Door, DoorFault, FactsFault, ProxyDoor, certificate_fault};

use crate::operator::{Credentials, OperatorDoor, PodForward};

/// An API server that does not answer within this time is not waited for.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// One answer takes at most this long.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Which cluster.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ClusterArgs {
    /// Context of the kubeconfig; default its current one
    #[arg(long, global = true, value_name = "NAME")]
    pub context: Option<String>,
    /// Kubeconfig file; default $KUBECONFIG, then ~/.kube/config
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// User to act as; the API server decides whether you may
    #[arg(long = "as", global = true, value_name = "USER")]
    pub as_user: Option<String>,
    /// Group to act as, once or more often; together with --as
    #[arg(long, global = true, value_name = "GROUP", requires = "as_user")]
    pub as_group: Vec<String>,
}

/// A cluster that can be asked.
#[derive(Clone)]
pub struct Cluster {
    /// The client.
    pub client: Client,
    /// Namespace of the context.
    pub namespace: String,
    /// Where the API server is, for messages.
    pub server: String,
    /// By what the operator may know the caller.
    pub credentials: Credentials,
}

/// Why the cluster did not give what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The kubeconfig cannot be read.
    #[error("kubeconfig \"{}\": {}; name another by --kubeconfig", path.display(), innermost(source))]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<KubeconfigError>,
    },
    /// The context cannot be used.
    #[error(
        "context \"{context}\": {}; `kubectl config get-contexts` lists what there is",
        innermost(source)
    )]
    Context {
        /// The context, or what stands for the current one.
        context: String,
        /// Why.
        #[source]
        source: Box<KubeconfigError>,
    },
    /// There is no configuration at all.
    #[error(
        "no cluster to ask: there is no kubeconfig, and this is no pod; set KUBECONFIG or give --kubeconfig FILE (and --context NAME)"
    )]
    NoConfig,
    /// There is a configuration, and it cannot be used.
    #[error(
        "no cluster to ask: {cause} ({}); mend it, or name another by --kubeconfig or --context",
        where_from()
    )]
    Unusable {
        /// Why.
        cause: String,
    },
    /// The client could not be made of the configuration.
    #[error("preparing the connection to \"{server}\"{by}: {source}")]
    Client {
        /// The API server.
        server: String,
        /// The program that its credentials come from, in words.
        by: String,
        /// Why.
        #[source]
        source: Box<kube::Error>,
    },
    /// The API server knows nothing of tanso.
    #[error(
        "{action}: the cluster does not know this kind, so tanso is not installed; install it with `kubectl apply -k config/default`"
    )]
    NotInstalled {
        /// What was tried.
        action: String,
    },
    /// The caller may not.
    #[error(
        "{action}: forbidden ({message}); ask for a role that allows it, or try another --context"
    )]
    Forbidden {
        /// What was tried.
        action: String,
        /// What the API server said.
        message: String,
    },
    /// The caller is unknown.
    #[error("{action}: the API server does not accept these credentials ({message}); log in again")]
    Unauthorized {
        /// What was tried.
        action: String,
        /// What the API server said.
        message: String,
    },
    /// The API server refused for another reason.
    #[error("{action}: the API server answered {code}: {message}")]
    Refused {
        /// What was tried.
        action: String,
        /// HTTP status.
        code: u16,
        /// What the API server said.
        message: String,
    },
    /// The operator does not let the caller in.
    #[error("{action}: {reason}")]
    Shut {
        /// What was tried.
        action: String,
        /// Why, and what would help.
        reason: String,
    },
    /// The operator gave no answer.
    #[error(transparent)]
    Operator(FactsFault),
    /// The API server answers in words that this version does not know.
    #[error("{action}: this version of kubectl tanso cannot read the answer: {cause}")]
    Unreadable {
        /// What was tried.
        action: String,
        /// Why not.
        cause: String,
    },
    /// What answers has a certificate that is not accepted.
    #[error(
        "{action}: the certificate of the API server at {server} is not accepted: {cause}; check that the certificate authority of the context signed it, and that it has the server's name"
    )]
    Certificate {
        /// What was tried.
        action: String,
        /// The API server.
        server: String,
        /// Why not.
        cause: String,
    },
    /// The API server does not answer.
    #[error(
        "{action}: the API server at {server} does not answer ({cause}); check that the cluster runs and that --context is the right one"
    )]
    Unreachable {
        /// What was tried.
        action: String,
        /// The API server.
        server: String,
        /// The innermost reason.
        cause: String,
    },
}

impl ClusterArgs {
    /// Reads the configuration; asks the cluster nothing yet.
    ///
    /// # Errors
    /// If there is no usable configuration.
    pub async fn connect(&self) -> Result<Cluster, ClusterError> {
        let mut config = self.config().await?;
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        config.read_timeout = Some(READ_TIMEOUT);
        // An agent that is down is answered for with 503: to ask again for
        // minutes would keep whoever waits from being told.
        config.default_retry = false;
        self.impersonate(&mut config);
        let credentials = Credentials::of(&config);
        let server = config.cluster_url.to_string();
        let namespace = config.default_namespace.clone();
        let program = config.auth_info.exec.as_ref();
        let program = program.and_then(|exec| exec.command.as_deref());
        let by = program.map_or_else(String::new, |program| {
            format!(" with the credentials that \"{program}\" gives")
        });
        let client = Client::try_from(config).map_err(|source| ClusterError::Client {
            server: server.clone(),
            by,
            source: Box::new(source),
        })?;
        Ok(Cluster {
            client,
            namespace,
            server,
            credentials,
        })
    }

    /// What the flags say goes before what the context says.
    fn impersonate(&self, config: &mut Config) {
        if let Some(user) = &self.as_user {
            config.auth_info.impersonate = Some(user.clone());
            let groups = (!self.as_group.is_empty()).then(|| self.as_group.clone());
            config.auth_info.impersonate_groups = groups;
        }
    }

    async fn config(&self) -> Result<Config, ClusterError> {
        if self.kubeconfig.is_none() && self.context.is_none() {
            return Config::infer().await.map_err(|fault| none(&fault));
        }
        let context = || {
            self.context
                .clone()
                .unwrap_or_else(|| "(current)".to_owned())
        };
        let in_context = |source| ClusterError::Context {
            context: context(),
            source: Box::new(source),
        };
        let kubeconfig = match &self.kubeconfig {
            Some(path) => Kubeconfig::read_from(path).map_err(|source| ClusterError::File {
                path: path.clone(),
                source: Box::new(source),
            })?,
            None => Kubeconfig::read().map_err(|fault| {
                if is_missing(&fault) {
                    ClusterError::NoConfig
                } else {
                    in_context(fault)
                }
            })?,
        };
        let options = KubeConfigOptions {
            context: self.context.clone(),
            ..KubeConfigOptions::default()
        };
        Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .map_err(in_context)
    }
}

impl ClusterError {
    /// The fault with the name of the server that does not answer, or not as
    /// itself; other faults come back as they are.
    pub(crate) fn named(fault: FactsFault, server: &str) -> Result<Self, FactsFault> {
        let server = server.to_owned();
        match fault {
            FactsFault::Unreachable { action, cause } => Ok(Self::Unreachable {
                action,
                server,
                cause,
            }),
            FactsFault::Certificate { action, cause } => Ok(Self::Certificate {
                action,
                server,
                cause,
            }),
            other => Err(other),
        }
    }
}

impl Cluster {
    /// The way to the routes of the operator in `namespace`.
    #[must_use]
    pub fn operator(&self, namespace: &str) -> Arc<dyn Door> {
        let forward = PodForward::new(self.client.clone(), namespace);
        let proxy = ProxyDoor::new(self.client.clone(), namespace);
        let credentials = self.credentials.clone();
        Arc::new(OperatorDoor::new(forward, credentials, proxy, namespace))
    }

    /// What it means that the operator's door did not open.
    #[must_use]
    pub fn kept_out(&self, action: &str, fault: DoorFault) -> ClusterError {
        let action = action.to_owned();
        match fault {
            DoorFault::Stranger => ClusterError::Shut {
                action,
                reason:
                    "the operator refuses readers whom it does not know (operator.anonymousReaders)"
                        .to_owned(),
            },
            DoorFault::Shut(reason) => ClusterError::Shut { action, reason },
            DoorFault::NotFound(message) => ClusterError::Refused {
                action,
                code: 404,
                message,
            },
            DoorFault::Other(fault) => {
                ClusterError::named(fault, &self.server).unwrap_or_else(ClusterError::Operator)
            }
        }
    }

    /// What a failed request means.
    #[must_use]
    pub fn refusal(&self, action: impl Into<String>, error: &kube::Error) -> ClusterError {
        let action = action.into();
        let status = match error {
            kube::Error::Api(status) => status,
            kube::Error::SerdeError(fault) => {
                return ClusterError::Unreadable {
                    action,
                    cause: fault.to_string(),
                };
            }
            _ => {
                let server = self.server.clone();
                return match certificate_fault(error) {
                    Some(cause) => ClusterError::Certificate {
                        action,
                        server,
                        cause,
                    },
                    None => ClusterError::Unreachable {
                        action,
                        server,
                        cause: innermost(error),
                    },
                };
            }
        };
        let message = status.message.clone();
        match status.code {
            401 => ClusterError::Unauthorized { action, message },
            403 => ClusterError::Forbidden { action, message },
            404 if is_unknown_kind(&message) => ClusterError::NotInstalled { action },
            code => ClusterError::Refused {
                action,
                code,
                message,
            },
        }
    }
}

/// Whether a 404 is about the kind, not about one object of it: then the API
/// server names no object.
fn is_unknown_kind(message: &str) -> bool {
    !message.contains('"')
}

/// Why no configuration could be inferred. One that is there and broken is not
/// passed off as none.
fn none(fault: &InferConfigError) -> ClusterError {
    let of_file = std::error::Error::source(fault);
    match of_file.and_then(|fault| fault.downcast_ref::<KubeconfigError>()) {
        Some(fault) if !is_missing(fault) => ClusterError::Unusable {
            cause: fault.to_string(),
        },
        _ => ClusterError::NoConfig,
    }
}

/// Whether there is no file at all.
fn is_missing(fault: &KubeconfigError) -> bool {
    match fault {
        KubeconfigError::FindPath => true,
        KubeconfigError::ReadConfig(fault, _) => fault.kind() == std::io::ErrorKind::NotFound,
        _ => false,
    }
}

/// Where the configuration is read from when no flag says it.
fn where_from() -> String {
    let set = std::env::var_os("KUBECONFIG").filter(|path| !path.is_empty());
    set.map_or_else(
        || "~/.kube/config".to_owned(),
        |path| format!("KUBECONFIG {}", path.display()),
    )
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

#[cfg(test)]
mod tests;
