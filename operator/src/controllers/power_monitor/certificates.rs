//! Certificates of agents and model server: whether they are there, and where
//! the operator is the authority, their making and renewal.
//!
//! Deciding is pure; making takes keys from the system's source of chance.
//! Nothing here reads or writes the cluster. The authority's key stays in its
//! Secret and in this process; agents and model server get their own alone.

pub mod issue;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use serde_json::{Value, json};

use super::build::Plan;
use super::build::foreign::Certificate;
use super::observe::Live;
use super::validate::Tls;

pub use issue::{IssueFault, Issued, issue};

/// Annotation with the time from which a certificate is renewed.
const RENEW_AFTER: &str = "tanso.dev/renew-after";
/// Annotation with what a certificate was made for: authority and names.
const MADE_FOR: &str = "tanso.dev/made-for";

/// Why there are no certificates yet.
#[derive(Debug, thiserror::Error)]
pub enum CertificateFault {
    /// Somebody's Secret is not there, or lacks a part.
    #[error(
        "Secret \"{name}\" of spec.tls has no \"{key}\"; make it in the namespace of the installation, with tls.crt, tls.key and ca.crt"
    )]
    Missing {
        /// The Secret.
        name: String,
        /// What is missing.
        key: &'static str,
    },
    /// cert-manager has not signed yet.
    #[error(
        "Secret \"{name}\" has no \"{key}\" yet: cert-manager has not signed; see kubectl describe certificate {name}"
    )]
    Unsigned {
        /// The Secret.
        name: String,
        /// What is missing.
        key: &'static str,
    },
    /// cert-manager is not there.
    #[error(
        "kind Certificate of cert-manager.io/v1 is not installed; install cert-manager, or set spec.tls.type \"SelfSigned\""
    )]
    NoCertManager,
    /// A certificate could not be made.
    #[error("making a certificate: {0}")]
    Issue(#[from] IssueFault),
}

/// What a visit wishes for certificates.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wish {
    /// Secrets to be written, the authority's first.
    pub secrets: Vec<Secret>,
    /// Certificates that cert-manager is asked for: the agents' and the model
    /// server's.
    pub certificates: Option<[Certificate; 2]>,
}

/// Names in the certificates of agents and model server.
fn subjects(plan: Plan<'_>) -> [(String, Vec<String>); 2] {
    let names = plan.names();
    let hosts = |services: &[&String]| -> Vec<String> {
        services
            .iter()
            .flat_map(|service| {
                let host = plan.host(service);
                [host.clone(), format!("{host}.cluster.local")]
            })
            .collect()
    };
    [
        (names.agent_tls.clone(), hosts(&[&names.agent])),
        (
            names.model_tls.clone(),
            hosts(&[&names.model_server, &names.model_lead]),
        ),
    ]
}

/// What is to be written now, given what is there.
///
/// # Errors
/// If a certificate cannot be made.
pub fn wish(plan: Plan<'_>, live: &Live, now: Timestamp) -> Result<Wish, CertificateFault> {
    match &plan.monitor.tls {
        None | Some(Tls::Secret { .. }) => Ok(Wish::default()),
        Some(Tls::SelfSigned) => Ok(Wish {
            secrets: self_signed(plan, live, now)?,
            certificates: None,
        }),
        Some(Tls::CertManager { kind, name }) => {
            if !live.has_certificates {
                return Err(CertificateFault::NoCertManager);
            }
            let certificates = subjects(plan).map(|(secret, hosts)| {
                Certificate::wish(
                    plan.certificate_meta(secret.clone()),
                    certificate(&secret, &hosts, kind, name),
                )
            });
            Ok(Wish {
                secrets: Vec::new(),
                certificates: Some(certificates),
            })
        }
    }
}

fn certificate(secret: &str, hosts: &[String], kind: &str, name: &str) -> Value {
    json!({
        "secretName": secret,
        "dnsNames": hosts,
        "usages": ["digital signature", "server auth"],
        "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
        "issuerRef": {"group": "cert-manager.io", "kind": kind, "name": name},
    })
}

/// The authority's certificate once all is there; the Secrets are those that
/// are live after the wish was applied.
///
/// # Errors
/// What is missing.
pub fn authority(
    plan: Plan<'_>,
    agent: Option<&Secret>,
    model_server: Option<&Secret>,
) -> Result<Option<String>, CertificateFault> {
    let (Some(tls), Some((agent_name, server_name))) = (&plan.monitor.tls, plan.tls_secrets())
    else {
        return Ok(None);
    };
    let missing = |name: &str, key: &'static str| {
        let name = name.to_owned();
        match tls {
            Tls::CertManager { .. } => CertificateFault::Unsigned { name, key },
            Tls::SelfSigned | Tls::Secret { .. } => CertificateFault::Missing { name, key },
        }
    };
    let wanted = [
        (agent, agent_name, true),
        (
            model_server,
            server_name,
            plan.monitor.model_server.is_some(),
        ),
    ];
    for (secret, name, needed) in &wanted {
        for key in ["tls.crt", "tls.key", "ca.crt"] {
            if *needed && text(*secret, key).is_none() {
                return Err(missing(name, key));
            }
        }
    }
    Ok(text(agent, "ca.crt"))
}

/// A Secret's text under a key.
fn text(secret: Option<&Secret>, key: &str) -> Option<String> {
    let ByteString(bytes) = secret?.data.as_ref()?.get(key)?;
    let text = String::from_utf8(bytes.clone()).ok()?;
    (!text.trim().is_empty()).then_some(text)
}

/// Whether what was made for `made_for` is there and not to be renewed.
fn holds(secret: Option<&Secret>, made_for: &str, now: Timestamp) -> bool {
    let Some(secret) = secret else { return false };
    let says = |key: &str| secret.annotations().get(key).map(String::as_str);
    let renew_after = says(RENEW_AFTER).and_then(|text| text.parse::<Timestamp>().ok());
    says(MADE_FOR) == Some(made_for)
        && renew_after.is_some_and(|renew_after| now < renew_after)
        && ["tls.crt", "tls.key", "ca.crt"]
            .iter()
            .all(|key| text(Some(secret), key).is_some())
}

/// The Secrets that must be written so that all hold.
fn self_signed(
    plan: Plan<'_>,
    live: &Live,
    now: Timestamp,
) -> Result<Vec<Secret>, CertificateFault> {
    let mut writes = Vec::new();
    let name = plan.names().authority;
    let old = live.authority.as_ref();
    let authority = if holds(old, "authority", now) {
        Issued {
            certificate: text(old, "tls.crt").unwrap_or_default(),
            key: text(old, "tls.key").unwrap_or_default(),
            bundle: text(old, "ca.crt").unwrap_or_default(),
            renew_after: now,
        }
    } else {
        let made = issue::authority(&plan.monitor.name, text(old, "tls.crt").as_deref(), now)?;
        writes.push(secret(plan, name, "authority", &made));
        made
    };
    let lives = [live.agent_tls.as_ref(), live.model_tls.as_ref()];
    for ((name, hosts), live) in subjects(plan).into_iter().zip(lives) {
        let made_for = issue::fingerprint(&authority.bundle, &hosts);
        if !holds(live, &made_for, now) {
            let made = issue(&plan.monitor.name, &authority, &hosts, now)?;
            writes.push(secret(plan, name, &made_for, &made));
        }
    }
    Ok(writes)
}

fn secret(plan: Plan<'_>, name: String, made_for: &str, made: &Issued) -> Secret {
    let mut metadata = plan.certificate_meta(name);
    metadata.annotations = Some(
        [
            (MADE_FOR.to_owned(), made_for.to_owned()),
            (RENEW_AFTER.to_owned(), made.renew_after.to_string()),
        ]
        .into(),
    );
    let bytes = |text: &str| ByteString(text.as_bytes().to_vec());
    Secret {
        metadata,
        type_: Some("kubernetes.io/tls".into()),
        data: Some(
            [
                ("tls.crt".to_owned(), bytes(&made.certificate)),
                ("tls.key".to_owned(), bytes(&made.key)),
                ("ca.crt".to_owned(), bytes(&made.bundle)),
            ]
            .into(),
        ),
        ..Secret::default()
    }
}

#[cfg(test)]
mod tests;
