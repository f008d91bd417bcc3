//! The certificates that agents and model servers show, and who is trusted
//! with them. Private keys are in the same Secrets and are not kept.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;
use tanso_crds::PowerMonitor;
use tanso_crds::power_monitor::TlsType;

use super::Read;
use crate::cluster::Cluster;

/// A certificate that some part shows.
pub(in crate::doctor) struct Certificate {
    /// Its `PowerMonitor`.
    pub(in crate::doctor) monitor: String,
    /// Whose it is: `agents` or `model server`.
    pub(in crate::doctor) part: &'static str,
    /// The Secret that holds it.
    pub(in crate::doctor) secret: String,
    /// Where it comes from.
    pub(in crate::doctor) from: TlsType,
    /// The name by which the part is asked.
    pub(in crate::doctor) server_name: String,
    /// What the Secret holds; `None` if there is no such Secret.
    pub(in crate::doctor) found: Read<Option<Found>>,
}

/// What a Secret holds.
#[derive(Clone, Debug, Default)]
pub(in crate::doctor) struct Found {
    /// `tls.crt`, PEM: the certificate, and those between it and the authority.
    pub(in crate::doctor) chain: Option<String>,
    /// `ca.crt`, PEM: the authority.
    pub(in crate::doctor) authority: Option<String>,
    /// The `ConfigMap` by which readers of metrics know agents: its name and
    /// its `ca.crt`.
    pub(in crate::doctor) shown: Option<(String, String)>,
}

/// The certificates of all monitors that have TLS.
pub(super) async fn certificates(
    cluster: &Cluster,
    namespace: &str,
    monitors: &[PowerMonitor],
) -> Vec<Certificate> {
    let mut all = Vec::new();
    for monitor in monitors {
        let name = monitor.metadata.name.clone().unwrap_or_default();
        let tls = &monitor.spec.tls;
        if tls.type_ == TlsType::Disabled {
            continue;
        }
        let named = |given: &Option<String>, own: String| given.clone().unwrap_or(own);
        let mut parts = vec![(
            "agents",
            named(&tls.agent_secret_name, format!("{name}-agent-tls")),
            format!("{name}-agent.{namespace}.svc"),
        )];
        if monitor.spec.model_server.replicas > 0 {
            parts.push((
                "model server",
                named(&tls.model_server_secret_name, format!("{name}-model-tls")),
                format!("{name}-model-server.{namespace}.svc"),
            ));
        }
        for (part, secret, server_name) in parts {
            let authority = (part == "agents").then(|| format!("{name}-ca"));
            let found = found(cluster, namespace, &secret, authority).await;
            all.push(Certificate {
                monitor: name.clone(),
                part,
                secret,
                from: tls.type_,
                server_name,
                found,
            });
        }
    }
    all
}

async fn found(
    cluster: &Cluster,
    namespace: &str,
    secret: &str,
    authority: Option<String>,
) -> Read<Option<Found>> {
    let secrets: Api<Secret> = Api::namespaced(cluster.client.clone(), namespace);
    let read = secrets.get_opt(secret).await;
    let read = read.map_err(|error| {
        cluster.refusal(format!("reading Secret \"{namespace}/{secret}\""), &error)
    })?;
    let Some(read) = read else {
        return Ok(None);
    };
    let mut data: BTreeMap<_, _> = read.data.unwrap_or_default();
    let mut text = |key: &str| {
        let bytes = data.remove(key)?;
        String::from_utf8(bytes.0).ok()
    };
    let (chain, own) = (text("tls.crt"), text("ca.crt"));
    let shown = match authority {
        None => None,
        Some(name) => {
            let maps: Api<ConfigMap> = Api::namespaced(cluster.client.clone(), namespace);
            // Who may not read it, or a monitor that has none, shows nothing.
            let map = maps.get_opt(&name).await.ok().flatten();
            let text = map.and_then(|map| map.data?.remove("ca.crt"));
            text.map(|text| (name, text))
        }
    };
    Ok(Some(Found {
        chain,
        authority: own,
        shown,
    }))
}
