use std::net::SocketAddr;
use std::sync::Arc;

use axum::routing::post;
use axum::{Extension, Router};
use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

use super::*;
use crate::serve::tls::TlsFiles;
use crate::serve::{Limits, Peer, Tls, listen, serve_with};

type Authority = CertifiedIssuer<'static, KeyPair>;

const BOUNDS: Bounds = Bounds {
    time: Duration::from_mins(1),
    bytes: 1 << 10,
};

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Writes a certificate of `authority` for `name`, and its key.
fn issue(authority: &Authority, name: &str, folder: &Path) -> (PathBuf, PathBuf) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    let files = (
        folder.join(format!("{name}.crt")),
        folder.join(format!("{name}.key")),
    );
    fs::write(&files.0, certificate.pem()).unwrap();
    fs::write(&files.1, key.serialize_pem()).unwrap();
    files
}

/// A server that says who asked and how.
async fn server(tls: Option<TlsFiles>, shutdown: &crate::Shutdown) -> SocketAddr {
    crate::crypto::install();
    let listener = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let say = |Extension(peer): Extension<Peer>, headers: axum::http::HeaderMap, body: String| async move {
        let token = headers.get(header::AUTHORIZATION).cloned();
        let token = token.map(|value| value.to_str().unwrap().to_owned());
        format!("{} {} {body}", peer.certified, token.unwrap_or_default())
    };
    let router = Router::new().route("/", post(say));
    let tls = tls.map(|files| Arc::new(Tls::load(files).unwrap()));
    tokio::spawn(serve_with(
        listener,
        tls,
        router,
        Limits::default(),
        shutdown.clone(),
    ));
    address
}

async fn ask(files: &ClientFiles, url: &str) -> Result<String, CallFault> {
    let reply = files
        .call(Method::POST, url, Some(b"hello".to_vec()), BOUNDS)
        .await?;
    assert_eq!(reply.status, StatusCode::OK);
    Ok(reply.begin(200))
}

#[tokio::test]
async fn a_server_is_asked_over_tls_with_certificate_and_a_token_that_changes() {
    let folder = TempDir::new().unwrap();
    let shutdown = crate::Shutdown::new();
    let (servers, clients) = (authority("servers"), authority("clients"));
    let ca = folder.path().join("servers.pem");
    fs::write(&ca, servers.pem()).unwrap();
    let client_ca = folder.path().join("clients.pem");
    fs::write(&client_ca, clients.pem()).unwrap();
    let (certificate, key) = issue(&servers, "localhost", folder.path());
    let address = server(
        Some(TlsFiles {
            certificate,
            key,
            client_ca: Some(client_ca),
        }),
        &shutdown,
    )
    .await;
    let url = format!("https://localhost:{}/", address.port());
    let token = folder.path().join("token");
    fs::write(&token, "first-token\n").unwrap();
    let mut files = ClientFiles {
        ca: Some(ca.clone()),
        identity: None,
        token: Some(token.clone()),
    };
    assert_eq!(
        ask(&files, &url).await.unwrap(),
        "false Bearer first-token hello"
    );
    fs::write(&token, "second-token").unwrap();
    files.identity = Some(issue(&clients, "agent", folder.path()));
    assert_eq!(
        ask(&files, &url).await.unwrap(),
        "true Bearer second-token hello"
    );

    // Of another authority: no exchange, and the token was not told.
    fs::write(&ca, clients.pem()).unwrap();
    let fault = ask(&files, &url).await.unwrap_err();
    assert!(matches!(&fault, CallFault::Transport(_)), "{fault}");
    fs::write(&ca, "nothing").unwrap();
    let fault = ask(&files, &url).await.unwrap_err().to_string();
    assert!(fault.contains("servers.pem"), "{fault}");
    shutdown.begin();
}

#[tokio::test]
async fn plain_addresses_work_and_what_is_no_address_or_token_is_named() {
    let folder = TempDir::new().unwrap();
    let shutdown = crate::Shutdown::new();
    let address = server(None, &shutdown).await;
    let files = ClientFiles::default();
    let url = format!("http://{address}/");
    assert_eq!(ask(&files, &url).await.unwrap(), "false  hello");
    for wrong in ["model-server", "ftp://x/", "http://"] {
        let fault = ask(&files, wrong).await.unwrap_err().to_string();
        assert!(fault.contains(wrong), "{fault}");
    }
    let token = folder.path().join("token");
    fs::write(&token, "two words").unwrap();
    let files = ClientFiles {
        token: Some(token),
        ..ClientFiles::default()
    };
    let fault = ask(&files, &url).await.unwrap_err().to_string();
    assert!(
        !fault.contains("two words") && fault.contains("visible ASCII"),
        "{fault}"
    );
    shutdown.begin();
}
