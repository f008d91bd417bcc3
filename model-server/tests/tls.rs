//! A real server process over TLS: who is answered, who may teach, a renewed
//! certificate, and a follower that trusts its leader by a file.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail as its body does")]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use axum::http::Method;
use rcgen::{CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::{Value, json};
use tanso_runtime::client::{Bounds, ClientFiles};

type Authority = CertifiedIssuer<'static, KeyPair>;

const BOUNDS: Bounds = Bounds {
    time: Duration::from_mins(2),
    bytes: 1 << 22,
};

fn authority(name: &str, folder: &Path) -> (Authority, PathBuf) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let file = folder.join(format!("{name}.pem"));
    std::fs::write(&file, authority.pem()).unwrap();
    (authority, file)
}

/// Writes a certificate and its key under that name.
fn issue(authority: &Authority, name: &str, folder: &Path) -> (PathBuf, PathBuf) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    let files = (
        folder.join(format!("{name}.crt")),
        folder.join(format!("{name}.key")),
    );
    std::fs::write(&files.0, certificate.pem()).unwrap();
    std::fs::write(&files.1, key.serialize_pem()).unwrap();
    files
}

/// A server process, killed when dropped.
struct Running {
    child: Child,
    url: String,
}

impl Running {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tanso-model-server"))
            .args(["--log-format", "json", "serve", "--listen", "127.0.0.1:0"])
            .args(["--watch-every", "100ms"])
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let port = loop {
            let line = lines.next().unwrap().unwrap();
            let event: Value = serde_json::from_str(&line).unwrap_or_default();
            if event["message"] == "serving models" {
                let address = event["address"].as_str().unwrap();
                break address.rsplit_once(':').unwrap().1.to_owned();
            }
        };
        // What else it logs must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            child,
            url: format!("https://localhost:{port}"),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

async fn ask(files: &ClientFiles, method: Method, url: &str, body: Option<Value>) -> (u16, Value) {
    let body = body.map(|body| body.to_string().into_bytes());
    let reply = files.call(method, url, body, BOUNDS).await.unwrap();
    let value = serde_json::from_slice(&reply.body).unwrap_or_default();
    (reply.status.as_u16(), value)
}

#[tokio::test]
async fn models_are_for_all_over_tls_and_teaching_for_certificates_and_the_token() {
    tanso_runtime::crypto::install();
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let (servers, ca) = authority("servers", at);
    let (clients, client_ca) = authority("clients", at);
    let (certificate, key) = issue(&servers, "server", at);
    let token = at.join("token");
    std::fs::write(&token, "0123456789abcdef").unwrap();
    let running = Running::start(&[
        "--tls-certificate",
        text(&certificate),
        "--tls-key",
        text(&key),
        "--tls-client-ca",
        text(&client_ca),
        "--token-file",
        text(&token),
    ]);
    let anybody = ClientFiles {
        ca: Some(ca.clone()),
        ..ClientFiles::default()
    };
    let select = format!("{}/v1/select", running.url);
    let question = json!({"machine": {"cpu_name": "AMD EPYC 7763"}});
    let (status, model) = ask(&anybody, Method::POST, &select, Some(question)).await;
    assert_eq!(status, 200, "{model}");

    let train = format!("{}/v1/train", running.url);
    let by_certificate = ClientFiles {
        identity: Some(issue(&clients, "person", at)),
        ..anybody.clone()
    };
    let by_token = ClientFiles {
        token: Some(token),
        ..anybody.clone()
    };
    for (files, wanted) in [(&anybody, 401), (&by_certificate, 202), (&by_token, 202)] {
        let (status, answer) = ask(files, Method::POST, &train, Some(json!({}))).await;
        assert_eq!(status, wanted, "{answer}");
    }
    let pin = format!("{}/v1/node-types/none", running.url);
    let (status, _) = ask(&anybody, Method::PUT, &pin, Some(json!({"pinned": null}))).await;
    assert_eq!(status, 401);

    // A follower trusts the leader by the file alone.
    let follower = Running::start(&[
        "--follow",
        &running.url,
        "--follow-ca",
        text(&ca),
        "--tls-certificate",
        text(&certificate),
        "--tls-key",
        text(&key),
    ]);
    let jobs = format!("{}/v1/train", follower.url);
    let (status, _) = ask(&anybody, Method::POST, &jobs, Some(json!({}))).await;
    // It has no way to know a writer, so it takes none.
    assert_eq!(status, 401);

    // A certificate of another authority is served without a restart.
    let (others, other_ca) = authority("others", at);
    issue(&others, "server", at);
    let renewed = ClientFiles {
        ca: Some(other_ca),
        ..ClientFiles::default()
    };
    let health = format!("{}/healthz", running.url);
    for _ in 0..1_200 {
        if let Ok(reply) = renewed.call(Method::GET, &health, None, BOUNDS).await {
            assert_eq!(reply.status.as_u16(), 200);
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    unreachable!("the new certificate is not served after two minutes");
}
