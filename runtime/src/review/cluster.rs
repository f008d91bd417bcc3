//! The API server's judgement of a token.

use std::collections::BTreeMap;
use std::sync::Arc;
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

use super::{Judgement, Review, ReviewFault, Wish};

/// How long the API server may take for each of the two questions.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where an API server says on which node the pod of a bound token runs.
const NODE_NAME: &str = "authentication.kubernetes.io/node-name";

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

    /// As [`ClusterReview::new`], asking the API server of the cluster that
    /// this process runs in, or of its kubeconfig.
    ///
    /// # Errors
    /// If neither says where it is.
    pub async fn of_this_cluster(audiences: Vec<String>) -> Result<Self, ReviewFault> {
        Ok(Self::new(Client::try_default().await?, audiences))
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
        let status = asked
            .await
            .map_err(|_| ReviewFault::Late(PATIENCE))??
            .status;
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

    async fn may(&self, user: UserInfo, wish: Wish) -> Result<bool, ReviewFault> {
        let question = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: user.username,
                uid: user.uid,
                groups: user.groups,
                extra: user.extra.map(BTreeMap::from_iter),
                non_resource_attributes: Some(NonResourceAttributes {
                    path: Some(wish.path),
                    verb: Some(wish.verb.to_owned()),
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let api: Api<SubjectAccessReview> = Api::all(self.client.clone());
        let parameters = PostParams::default();
        let asked = timeout(PATIENCE, api.create(&parameters, &question));
        let status = asked
            .await
            .map_err(|_| ReviewFault::Late(PATIENCE))??
            .status;
        Ok(status.is_some_and(|status| status.allowed && status.denied != Some(true)))
    }
}

impl Review for ClusterReview {
    fn judge(&self, token: String, wish: Wish) -> BoxFuture<'_, Result<Judgement, ReviewFault>> {
        async move {
            let Some(user) = self.user(token).await? else {
                return Ok(Judgement::Unknown);
            };
            let node = user
                .extra
                .as_ref()
                .and_then(|extra| extra.get(NODE_NAME))
                .and_then(|names| names.first())
                .map(|name| Arc::from(name.as_str()));
            Ok(if self.may(user, wish).await? {
                Judgement::Granted { node }
            } else {
                Judgement::Forbidden
            })
        }
        .boxed()
    }
}
