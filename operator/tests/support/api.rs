//! A real API server for tests: who it is, and what is installed there.
//!
//! `TANSO_TEST_KUBECONFIG` names a kubeconfig with every right. Without it the
//! tests are skipped and say so; in CI (`CI` is set) that is a failure.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary uses a part of this"
)]

use std::path::Path;
use std::sync::Once;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Patch, PatchParams};
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use kube::core::NamespaceResourceScope;
use kube::runtime::wait::{await_condition, conditions};
use kube::{Api, Client, Config, CustomResourceExt as _, Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tanso_crds::{CarbonPolicy, CarbonReport, ClusterCarbonPolicy, EnergyStudy, PowerMonitor};
use tokio::sync::OnceCell;

/// Namespace of the installation.
pub const NAMESPACE: &str = "tanso-system";

const WHERE: &str = "TANSO_TEST_KUBECONFIG";

static CRYPTO: Once = Once::new();
static INSTALLED: OnceCell<()> = OnceCell::const_new();

/// An API server with tanso's kinds and rights installed, with every right.
pub async fn admin() -> Option<Client> {
    let client = connect(None).await?;
    INSTALLED.get_or_init(|| install(client.clone())).await;
    Some(client)
}

/// The same as the operator sees it: with its own rights and no more.
pub async fn as_operator() -> Option<Client> {
    connect(Some(format!(
        "system:serviceaccount:{NAMESPACE}:tanso-operator"
    )))
    .await
}

/// The same as somebody who has this token and no other credentials, so that
/// what impersonates can be tried.
pub async fn with_token(token: String) -> Client {
    let path = std::env::var_os(WHERE).unwrap();
    let kubeconfig = Kubeconfig::read_from(path).unwrap();
    let options = KubeConfigOptions::default();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .unwrap();
    config.auth_info = AuthInfo {
        token: Some(token.into()),
        ..AuthInfo::default()
    };
    Client::try_from(config).unwrap()
}

async fn connect(user: Option<String>) -> Option<Client> {
    let Some(path) = std::env::var_os(WHERE) else {
        assert!(
            std::env::var_os("CI").is_none(),
            "{WHERE} must be set in CI"
        );
        eprintln!("skipped: {WHERE} is not set");
        return None;
    };
    CRYPTO.call_once(tanso_runtime::crypto::install);
    let kubeconfig = Kubeconfig::read_from(path).unwrap();
    let options = KubeConfigOptions::default();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .unwrap();
    config.auth_info.impersonate = user;
    Some(Client::try_from(config).unwrap())
}

/// Installs tanso's kinds and rights, once more if they are there.
pub async fn install(client: Client) {
    let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
    for crd in [
        PowerMonitor::crd(),
        CarbonPolicy::crd(),
        ClusterCarbonPolicy::crd(),
        CarbonReport::crd(),
        EnergyStudy::crd(),
    ] {
        put(&crds, &crd).await;
        let name = crd.name_any();
        let established = conditions::is_crd_established();
        tokio::time::timeout(
            Duration::from_secs(30),
            await_condition(crds.clone(), &name, established),
        )
        .await
        .unwrap()
        .unwrap();
    }
    for file in [
        "operator/namespace.yaml",
        "rbac/agent.yaml",
        "rbac/operator.yaml",
        "rbac/actions.yaml",
        "rbac/studies.yaml",
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../config")
            .join(file);
        for document in std::fs::read_to_string(path).unwrap().split("\n---\n") {
            let object: Value = serde_saphyr::from_str(document).unwrap();
            put_any(&client, object).await;
        }
    }
}

async fn put_any(client: &Client, object: Value) {
    let all = || client.clone();
    match object["kind"].as_str().unwrap() {
        "Namespace" => put(&Api::<Namespace>::all(all()), &read(object)).await,
        "ClusterRole" => put(&Api::<ClusterRole>::all(all()), &read(object)).await,
        "ClusterRoleBinding" => put(&Api::<ClusterRoleBinding>::all(all()), &read(object)).await,
        "ServiceAccount" => put_inside::<ServiceAccount>(client, object).await,
        "Role" => put_inside::<Role>(client, object).await,
        "RoleBinding" => put_inside::<RoleBinding>(client, object).await,
        other => panic!("kind {other} is not known to the tests"),
    }
}

fn read<K: DeserializeOwned>(object: Value) -> K {
    serde_json::from_value(object).unwrap()
}

async fn put_inside<K>(client: &Client, object: Value)
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    K: Serialize + DeserializeOwned + Clone + std::fmt::Debug,
{
    let api: Api<K> = Api::namespaced(client.clone(), NAMESPACE);
    put(&api, &read(object)).await;
}

/// Applies an object in the tests' name.
pub async fn put<K>(api: &Api<K>, object: &K)
where
    K: Resource + Serialize + DeserializeOwned + Clone + std::fmt::Debug,
{
    let params = PatchParams::apply("tests").force();
    let name = object.name_any();
    api.patch(&name, &params, &Patch::Apply(object))
        .await
        .unwrap();
}
