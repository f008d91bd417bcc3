//! Who the pods are, and the one right that agents have: to read pods.
//!
//! The role comes with the installation; the operator may bind it and nothing
//! else, and may make no role.

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{ClusterRoleBinding, RoleRef, Subject};

use super::{AGENT, MODEL_SERVER, Plan};

/// The `ClusterRole` of the agents, brought by the installation.
pub const AGENT_ROLE: &str = "tanso-agent";

pub(super) fn agent(plan: Plan<'_>) -> ServiceAccount {
    ServiceAccount {
        metadata: plan.meta(plan.names().agent, AGENT),
        automount_service_account_token: Some(true),
        ..ServiceAccount::default()
    }
}

pub(super) fn agent_binding(plan: Plan<'_>) -> ClusterRoleBinding {
    let names = plan.names();
    ClusterRoleBinding {
        metadata: plan.cluster_meta(names.binding, AGENT),
        role_ref: RoleRef {
            api_group: "rbac.authorization.k8s.io".into(),
            kind: "ClusterRole".into(),
            name: AGENT_ROLE.into(),
        },
        subjects: Some(vec![Subject {
            kind: "ServiceAccount".into(),
            name: names.agent,
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
