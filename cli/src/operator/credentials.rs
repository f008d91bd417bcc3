//! The bearer token that the kubeconfig has or gets, for the operator.
//!
//! It goes to the operator's pod alone, inside the port-forward.

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, HeaderValue};
use hyper::{Request, Response};
use kube::Config;
use kube::client::ConfigExt as _;
use kube::client::middleware::AuthLayer;
use tanso_faces::view::FactsFault;
use tokio::sync::OnceCell;
use tower::{BoxError, Layer as _, ServiceExt as _};

/// By what the operator may know the caller; by nothing, by default.
#[derive(Clone, Default)]
pub struct Credentials(Option<Arc<Kept>>);

struct Kept {
    config: Config,
    /// Made when it is first needed: it may run a program.
    layer: OnceCell<Option<AuthLayer>>,
}

impl Credentials {
    /// Those of a configuration. Who acts as another (`--as`) brings no token:
    /// it would tell who they are, and not as whom they act; the API server
    /// judges the port-forward as that one.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        if config.auth_info.impersonate.is_some() {
            return Self::default();
        }
        Self(Some(Arc::new(Kept {
            config: config.clone(),
            layer: OnceCell::new(),
        })))
    }

    /// The token as it is now, in a header; none with a client certificate or a
    /// password.
    ///
    /// # Errors
    /// If the file or the program that has it does not give it.
    pub(super) async fn bearer(&self) -> Result<Option<HeaderValue>, FactsFault> {
        let Some(kept) = &self.0 else {
            return Ok(None);
        };
        let layer = kept
            .layer
            .get_or_try_init(|| std::future::ready(kept.config.auth_layer()));
        let Some(layer) = layer.await.map_err(|fault| broken(&fault))? else {
            return Ok(None);
        };
        let told = shown(layer).await.map_err(|fault| broken(&fault))?;
        let value = told.headers().get(AUTHORIZATION).cloned();
        Ok(value.filter(|value| value.as_bytes().starts_with(b"Bearer ")))
    }
}

/// What a layer adds to a request, as the headers of an answer: the client tells
/// its token to nobody but the requests that it sends.
fn shown(layer: &AuthLayer) -> BoxFuture<'static, Result<Response<()>, BoxError>> {
    let echo = tower::service_fn(|request: Request<Empty<Bytes>>| {
        let mut answer = Response::new(());
        if let Some(value) = request.headers().get(AUTHORIZATION) {
            answer.headers_mut().insert(AUTHORIZATION, value.clone());
        }
        std::future::ready(Ok::<_, BoxError>(answer))
    });
    Box::pin(layer.layer(echo).oneshot(Request::new(Empty::new())))
}

/// Secrets are not shown.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

fn broken(fault: &dyn fmt::Display) -> FactsFault {
    FactsFault::Broken {
        what: "the credentials of the kubeconfig".to_owned(),
        reason: fault.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use kube::config::{KubeConfigOptions, Kubeconfig};

    use super::*;

    /// The header that a user of a kubeconfig brings, and how they say it.
    async fn brought(user: &str) -> Option<String> {
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
             clusters: [{{name: c, cluster: {{server: 'https://127.0.0.1:1'}}}}]\n\
             users: [{{name: u, user: {user}}}]\n\
             contexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n"
        );
        let kubeconfig = Kubeconfig::from_yaml(&text).unwrap();
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(kubeconfig, &options);
        let credentials = Credentials::of(&config.await.unwrap());
        let header = credentials.bearer().await.unwrap();
        header.map(|value| value.to_str().unwrap().to_owned())
    }

    #[tokio::test]
    async fn a_token_is_brought_and_nothing_else() {
        assert_eq!(brought("{token: t-1}").await.unwrap(), "Bearer t-1");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "t-2").unwrap();
        let user = format!("{{tokenFile: '{}'}}", file.path().display());
        assert_eq!(brought(&user).await.unwrap(), "Bearer t-2");
        assert_eq!(brought("{username: eve, password: p}").await, None);
        assert_eq!(brought("{}").await, None);
    }

    /// It would tell who they are, and not as whom they act.
    #[tokio::test]
    async fn who_acts_as_another_brings_no_token() {
        assert_eq!(brought("{token: t-1, as: auditor}").await, None);
    }
}
