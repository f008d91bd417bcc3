//! Who the pods are, and the few rights that they have: agents read pods, and
//! who is asked for tokens asks the API server about them.
//!
//! The roles come with the installation; the operator may bind them and
//! nothing else, and may make no role.

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{ClusterRoleBinding, RoleRef, Subject};

use super::{AGENT, MODEL_SERVER, Plan};

/// The `ClusterRole` of the agents, brought by the installation.
pub const AGENT_ROLE: &str = "tanso-agent";

/// The `ClusterRole` of who judges tokens.
pub const REVIEWER_ROLE: &str = "tanso-token-reviewer";

/// The `ClusterRole` of who may send samples to a model server.
pub const SAMPLES_ROLE: &str = "tanso-agent-samples";

pub(super) fn agent(plan: Plan<'_>) -> ServiceAccount {
    ServiceAccount {
        metadata: plan.meta(plan.names().agent, AGENT),
        automount_service_account_token: Some(true),
        ..ServiceAccount::default()
    }
}

pub(super) fn agent_binding(plan: Plan<'_>) -> ClusterRoleBinding {
    let names = plan.names();
    binding(plan, AGENT, AGENT_ROLE, names.binding, names.agent)
}

pub(super) fn agent_reviews(plan: Plan<'_>) -> ClusterRoleBinding {
    let names = plan.names();
    binding(plan, AGENT, REVIEWER_ROLE, names.agent_reviews, names.agent)
}

pub(super) fn agent_samples(plan: Plan<'_>) -> ClusterRoleBinding {
    let names = plan.names();
    binding(plan, AGENT, SAMPLES_ROLE, names.agent_samples, names.agent)
}

pub(super) fn model_reviews(plan: Plan<'_>) -> ClusterRoleBinding {
    let names = plan.names();
    let (name, account) = (names.model_reviews, names.model_server);
    binding(plan, MODEL_SERVER, REVIEWER_ROLE, name, account)
}

fn binding(
    plan: Plan<'_>,
    component: &str,
    role: &str,
    name: String,
    account: String,
) -> ClusterRoleBinding {
    ClusterRoleBinding {
        metadata: plan.cluster_meta(name, component),
        role_ref: RoleRef {
            api_group: "rbac.authorization.k8s.io".into(),
            kind: "ClusterRole".into(),
            name: role.into(),
        },
        subjects: Some(vec![Subject {
            kind: "ServiceAccount".into(),
            name: account,
            namespace: Some(plan.installation.namespace.clone()),
            ..Subject::default()
        }]),
    }
}

pub(super) fn model_server(plan: Plan<'_>) -> ServiceAccount {
    ServiceAccount {
        metadata: plan.meta(plan.names().model_server, MODEL_SERVER),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}
