//! The API server's judgement of a token.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, UserInfo};
use k8s_openapi::api::authorization::v1::{
    NonResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::time::timeout;

/// How long the API server may take for each of the two questions.
const PATIENCE: Duration = Duration::from_secs(5);

/// What became of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Its bearer may read.
    Granted,
    /// It is nobody's.
    Unknown,
    /// Its bearer may not.
    Forbidden,
}

/// Why a token was not judged.
#[derive(Debug, thiserror::Error)]
pub enum ReviewFault {
    /// The API server refused or could not be reached.
    #[error(
        "asking the API server: {0}; the service account needs \"create\" on tokenreviews and subjectaccessreviews"
    )]
    Api(#[from] kube::Error),
    /// It took too long.
    #[error("the API server did not answer within {} s", PATIENCE.as_secs())]
    Late,
    /// Nobody is asked any more.
    #[error("the agent ends")]
    Ended,
}

/// Somebody who judges tokens.
pub trait Review: Send + Sync {
    /// Whether the token's bearer may `get` the path.
    fn judge(&self, token: String, path: String) -> BoxFuture<'_, Result<Judgement, ReviewFault>>;
}

/// The API server of this cluster.
pub struct ClusterReview {
    client: Client,
    audiences: Vec<String>,
}

impl ClusterReview {
    /// Judges tokens for `audiences`; for the API server's own if there is
    /// none.
    #[must_use]
    pub fn new(client: Client, audiences: Vec<String>) -> Self {
        Self { client, audiences }
    }

    async fn user(&self, token: String) -> Result<Option<UserInfo>, ReviewFault> {
        let audiences = (!self.audiences.is_empty()).then(|| self.audiences.clone());
        let question = TokenReview {
            spec: TokenReviewSpec {
                token: Some(token),
                audiences,
            },
            ..TokenReview::default()
        };
        let api: Api<TokenReview> = Api::all(self.client.clone());
        let parameters = PostParams::default();
        let asked = timeout(PATIENCE, api.create(&parameters, &question));
        let status = asked.await.map_err(|_| ReviewFault::Late)??.status;
        let Some(status) = status.filter(|status| status.authenticated == Some(true)) else {
            return Ok(None);
        };
        // A server that knows no audiences answers without any.
        let meant = self.audiences.is_empty()
            || status
                .audiences
                .iter()
                .flatten()
                .any(|audience| self.audiences.contains(audience));
        Ok(status.user.filter(|_| meant))
    }

    async fn may(&self, user: UserInfo, path: String) -> Result<bool, ReviewFault> {
        let question = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: user.username,
                uid: user.uid,
                groups: user.groups,
                extra: user.extra.map(BTreeMap::from_iter),
                non_resource_attributes: Some(NonResourceAttributes {
                    path: Some(path),
                    verb: Some("get".to_owned()),
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let api: Api<SubjectAccessReview> = Api::all(self.client.clone());
        let parameters = PostParams::default();
        let asked = timeout(PATIENCE, api.create(&parameters, &question));
        let status = asked.await.map_err(|_| ReviewFault::Late)??.status;
        Ok(status.is_some_and(|status| status.allowed && status.denied != Some(true)))
    }
}

impl Review for ClusterReview {
    fn judge(&self, token: String, path: String) -> BoxFuture<'_, Result<Judgement, ReviewFault>> {
        async move {
            let Some(user) = self.user(token).await? else {
                return Ok(Judgement::Unknown);
            };
            Ok(if self.may(user, path).await? {
                Judgement::Granted
            } else {
                Judgement::Forbidden
            })
        }
        .boxed()
    }
}
