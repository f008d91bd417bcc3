use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use serde_json::json;
use tanso_crds::PowerMonitor;

use super::*;
use crate::controllers::power_monitor::build::{Installation, PullPolicy};
use crate::controllers::power_monitor::validate::{ValidatedPowerMonitor, validate};

struct Rig {
    monitor: ValidatedPowerMonitor,
    installation: Installation,
    owner: OwnerReference,
    live: Live,
}

impl Rig {
    fn new(tls: &Value) -> Self {
        let spec = json!({"tls": tls});
        let monitor = PowerMonitor::new("tanso", serde_json::from_value(spec).unwrap());
        Self {
            monitor: validate(&monitor).unwrap(),
            installation: Installation {
                namespace: "tanso-system".into(),
                agent_image: "a".into(),
                model_server_image: "m".into(),
                pull_secrets: Vec::new(),
                pull_policy: PullPolicy::default(),
            },
            owner: OwnerReference::default(),
            live: Live::default(),
        }
    }

    fn plan(&self) -> Plan<'_> {
        Plan {
            monitor: &self.monitor,
            installation: &self.installation,
            owner: &self.owner,
            authority: None,
            has_service_monitors: false,
            older: &[],
        }
    }

    /// One visit: writes what is wished, and returns its names.
    fn visit(&mut self, now: Timestamp) -> Vec<String> {
        let wish = wish(self.plan(), &self.live, now).unwrap();
        let mut names = Vec::new();
        for secret in wish.secrets {
            names.push(secret.name_any());
            let place = match secret.name_any().as_str() {
                "tanso-ca" => &mut self.live.authority,
                "tanso-agent-tls" => &mut self.live.agent_tls,
                "tanso-model-tls" => &mut self.live.model_tls,
                other => panic!("{other}"),
            };
            *place = Some(secret);
        }
        names
    }

    fn authority(&self) -> Result<Option<String>, CertificateFault> {
        let (agent, server) = (self.live.agent_tls.as_ref(), self.live.model_tls.as_ref());
        super::authority(self.plan(), agent, server)
    }
}

fn day(days: i64) -> Timestamp {
    let begin: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
    begin + jiff::SignedDuration::from_hours(24 * days)
}

#[test]
fn a_certificate_is_made_once_and_renewed_after_two_thirds_of_its_life() {
    let mut rig = Rig::new(&json!({"type": "SelfSigned"}));
    let all = ["tanso-ca", "tanso-agent-tls", "tanso-model-tls"];
    assert!(matches!(
        rig.authority(),
        Err(CertificateFault::Missing { .. })
    ));
    assert_eq!(rig.visit(day(0)), all);
    let first = rig.live.clone();
    for days in [0, 1, 59] {
        assert!(rig.visit(day(days)).is_empty(), "day {days}");
    }
    assert_eq!(rig.visit(day(61)), all[1..]);
    let key = |live: &Live| text(live.agent_tls.as_ref(), "tls.key").unwrap();
    assert_ne!(key(&first), key(&rig.live));
    // The authority is the same, so whoever trusted it goes on.
    let trusted = |live: &Live| text(live.agent_tls.as_ref(), "ca.crt").unwrap();
    assert_eq!(trusted(&first), trusted(&rig.live));
    assert_eq!(rig.authority().unwrap().unwrap(), trusted(&rig.live));
    // The authority's key is in no Secret but its own.
    let secret = text(rig.live.authority.as_ref(), "tls.key").unwrap();
    for other in [&rig.live.agent_tls, &rig.live.model_tls] {
        let data = other.as_ref().unwrap().data.as_ref().unwrap();
        assert!(data.values().all(|value| value.0 != secret.as_bytes()));
    }
}

#[test]
fn a_new_authority_is_trusted_beside_the_old_one() {
    let mut rig = Rig::new(&json!({"type": "SelfSigned"}));
    rig.visit(day(0));
    let old = text(rig.live.authority.as_ref(), "tls.crt").unwrap();
    assert_eq!(rig.visit(day(2_500)).len(), 3);
    let trusted = rig.authority().unwrap().unwrap();
    assert!(trusted.contains(old.trim()), "{trusted}");
    assert_eq!(trusted.matches("BEGIN CERTIFICATE").count(), 2);
}

#[test]
fn what_was_damaged_is_made_anew() {
    let mut rig = Rig::new(&json!({"type": "SelfSigned"}));
    rig.visit(day(0));
    let data = |secret: &mut Option<Secret>, key: &str| {
        secret.as_mut().unwrap().data.as_mut().unwrap().remove(key);
    };
    data(&mut rig.live.model_tls, "tls.key");
    assert_eq!(rig.visit(day(1)), ["tanso-model-tls"]);
    data(&mut rig.live.authority, "tls.key");
    assert_eq!(rig.visit(day(1)).len(), 3);
}

#[tokio::test]
async fn a_handshake_holds_by_the_names_of_the_services_and_by_no_other() {
    use std::sync::Arc;

    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};

    tanso_runtime::crypto::install();
    let mut rig = Rig::new(&json!({"type": "SelfSigned"}));
    rig.visit(Timestamp::now());
    let mut roots = rustls::RootCertStore::empty();
    let authority = rig.authority().unwrap().unwrap();
    roots
        .add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap())
        .unwrap();
    let client = rustls::ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = Arc::new(client);
    for (secret, host, holds) in [
        (&rig.live.agent_tls, "tanso-agent.tanso-system.svc", true),
        (
            &rig.live.model_tls,
            "tanso-model-lead.tanso-system.svc",
            true,
        ),
        (
            &rig.live.agent_tls,
            "tanso-model-server.tanso-system.svc",
            false,
        ),
    ] {
        let pem = |key: &str| text(secret.as_ref(), key).unwrap();
        let server = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from_pem_slice(pem("tls.crt").as_bytes()).unwrap()],
                PrivateKeyDer::from_pem_slice(pem("tls.key").as_bytes()).unwrap(),
            )
            .unwrap();
        let mut server = rustls::ServerConnection::new(Arc::new(server)).unwrap();
        let name = ServerName::try_from(host.to_owned()).unwrap();
        let mut client = rustls::ClientConnection::new(Arc::clone(&client), name).unwrap();
        assert_eq!(shake(&mut client, &mut server).is_ok(), holds, "{host}");
    }
}

/// Carries records between the two until both are content.
fn shake(
    client: &mut rustls::ClientConnection,
    server: &mut rustls::ServerConnection,
) -> Result<(), rustls::Error> {
    for _ in 0..10 {
        let mut records = Vec::new();
        client.write_tls(&mut records).unwrap();
        server.read_tls(&mut records.as_slice()).unwrap();
        server.process_new_packets()?;
        let mut records = Vec::new();
        server.write_tls(&mut records).unwrap();
        client.read_tls(&mut records.as_slice()).unwrap();
        client.process_new_packets()?;
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    Ok(())
}

#[test]
fn cert_manager_is_asked_and_waited_for() {
    let issuer = json!({"type": "CertManager", "issuer": {"name": "internal"}});
    let mut rig = Rig::new(&issuer);
    let missing = wish(rig.plan(), &rig.live, day(0)).unwrap_err();
    assert!(
        missing.to_string().contains("install cert-manager"),
        "{missing}"
    );
    rig.live.has_certificates = true;
    let wished = wish(rig.plan(), &rig.live, day(0)).unwrap();
    let [agent, _] = wished.certificates.unwrap();
    let agent = serde_json::to_value(agent).unwrap();
    assert_eq!(agent["apiVersion"], "cert-manager.io/v1");
    assert_eq!(agent["spec"]["issuerRef"]["kind"], "ClusterIssuer");
    assert_eq!(agent["spec"]["dnsNames"][0], "tanso-agent.tanso-system.svc");
    let fault = rig.authority().unwrap_err().to_string();
    assert!(fault.contains("has not signed"), "{fault}");
}

#[test]
fn a_secret_of_somebody_is_named_with_what_it_lacks() {
    let given =
        json!({"type": "Secret", "agentSecretName": "mine", "modelServerSecretName": "its"});
    let mut rig = Rig::new(&given);
    assert_eq!(
        wish(rig.plan(), &rig.live, day(0)).unwrap(),
        Wish::default()
    );
    let secret = |data: Value| -> Option<Secret> {
        serde_json::from_value(json!({"metadata": {"name": "mine"}, "data": data})).unwrap()
    };
    rig.live.agent_tls = secret(json!({"tls.crt": "eA==", "tls.key": "eA=="}));
    let fault = rig.authority().unwrap_err().to_string();
    assert!(
        fault.contains("\"mine\"") && fault.contains("ca.crt"),
        "{fault}"
    );
    let whole = secret(json!({"tls.crt": "eA==", "tls.key": "eA==", "ca.crt": "eA=="}));
    (rig.live.agent_tls, rig.live.model_tls) = (whole.clone(), whole);
    assert_eq!(rig.authority().unwrap().as_deref(), Some("x"));
}
