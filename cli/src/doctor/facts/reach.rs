//! What must be asked for, not only listed: the API server's clock, whether
//! agents answer, whether accounts have their rights.

use futures::future::join_all;
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, PostParams};
use tanso_crds::PowerMonitor;

use super::{ASKED, OPERATOR, Read};
use crate::cluster::Cluster;
use crate::live;

/// An agent that is ready and does not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::doctor) struct Silent {
    /// Its pod.
    pub(in crate::doctor) pod: String,
    /// Its node.
    pub(in crate::doctor) node: String,
    /// Its port.
    pub(in crate::doctor) port: i32,
    /// What was said instead.
    pub(in crate::doctor) cause: String,
}

/// A right that an account should have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::doctor) struct MissingRight {
    /// The service account.
    pub(in crate::doctor) account: String,
    /// `list`.
    pub(in crate::doctor) verb: &'static str,
    /// `pods`.
    pub(in crate::doctor) resource: &'static str,
}

/// What the operator must at least be allowed: group, resource, verb.
const OPERATORS: [(&str, &str, &str); 6] = [
    ("tanso.dev", "powermonitors", "watch"),
    ("tanso.dev", "carbonpolicies", "watch"),
    ("tanso.dev", "carbonreports", "create"),
    ("", "pods", "watch"),
    ("", "nodes", "watch"),
    ("apps", "replicasets", "watch"),
];
/// The same in its own namespace.
const AT_HOME: [(&str, &str, &str); 2] = [
    ("apps", "daemonsets", "patch"),
    ("coordination.k8s.io", "leases", "update"),
];
/// What agents must be allowed.
const AGENTS: [(&str, &str, &str); 1] = [("", "pods", "watch")];

/// The API server's clock, by the date of an answer.
pub(super) async fn server_time(cluster: &Cluster) -> Option<Timestamp> {
    let request = hyper::Request::get("/version")
        .body(kube::client::Body::empty())
        .ok()?;
    let answer = cluster.client.send(request).await.ok()?;
    let date = answer.headers().get(hyper::header::DATE)?.to_str().ok()?;
    Some(rfc2822::parse(date).ok()?.timestamp())
}

/// Agents that are ready and do not answer through the API server.
pub(super) async fn silent(cluster: &Cluster, agents: &[Pod]) -> Vec<Silent> {
    let ready = agents.iter().filter(|pod| is_ready(pod)).take(ASKED);
    let asked = ready.map(|pod| async move {
        let cause = live::health(cluster, pod).await.err()?;
        Some(Silent {
            pod: pod.metadata.name.clone().unwrap_or_default(),
            node: pod.spec.as_ref()?.node_name.clone().unwrap_or_default(),
            port: live::port(pod),
            cause,
        })
    });
    join_all(asked).await.into_iter().flatten().collect()
}

fn is_ready(pod: &Pod) -> bool {
    let status = pod.status.as_ref();
    let conditions = status.and_then(|status| status.conditions.as_ref());
    conditions
        .into_iter()
        .flatten()
        .any(|one| one.type_ == "Ready" && one.status == "True")
}

/// Rights that the operator's and the agents' accounts lack.
pub(super) async fn missing_rights(
    cluster: &Cluster,
    namespace: &str,
    monitors: &[PowerMonitor],
) -> Read<Vec<MissingRight>> {
    let mut wanted = Vec::new();
    for right in OPERATORS {
        wanted.push((OPERATOR.to_owned(), None, right));
    }
    for right in AT_HOME {
        wanted.push((OPERATOR.to_owned(), Some(namespace), right));
    }
    for name in monitors
        .iter()
        .filter_map(|one| one.metadata.name.as_deref())
    {
        for right in AGENTS {
            wanted.push((format!("{name}-agent"), None, right));
        }
    }
    let asked = wanted
        .into_iter()
        .map(|(account, inside, right)| async move {
            let (_, resource, verb) = right;
            let may = may(cluster, namespace, &account, inside, right).await?;
            Ok((!may).then_some(MissingRight {
                account,
                verb,
                resource,
            }))
        });
    let found: Read<Vec<Option<MissingRight>>> = join_all(asked).await.into_iter().collect();
    Ok(found?.into_iter().flatten().collect())
}

async fn may(
    cluster: &Cluster,
    namespace: &str,
    account: &str,
    inside: Option<&str>,
    (group, resource, verb): (&str, &str, &str),
) -> Read<bool> {
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(format!("system:serviceaccount:{namespace}:{account}")),
            groups: Some(vec![
                "system:serviceaccounts".to_owned(),
                format!("system:serviceaccounts:{namespace}"),
                "system:authenticated".to_owned(),
            ]),
            resource_attributes: Some(ResourceAttributes {
                verb: Some(verb.to_owned()),
                group: Some(group.to_owned()),
                resource: Some(resource.to_owned()),
                namespace: inside.map(str::to_owned),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let api: Api<SubjectAccessReview> = Api::all(cluster.client.clone());
    let made = api.create(&PostParams::default(), &review).await;
    let made = made.map_err(|error| cluster.refusal("asking for the parts' rights", &error))?;
    Ok(made.status.is_some_and(|status| status.allowed))
}
