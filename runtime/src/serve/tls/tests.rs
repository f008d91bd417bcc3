use std::sync::Arc;

use axum::Extension;
use axum::Router;
use axum::routing::get;
use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;

use super::*;
use crate::serve::{Limits, Peer, listen, serve_with};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate for `name` and its key, PEM.
fn issue(authority: &Authority, name: &str) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    (certificate.pem(), key.serialize_pem())
}

struct Server {
    files: TlsFiles,
    tls: Arc<Tls>,
    address: std::net::SocketAddr,
    _directory: TempDir,
    _shutdown: crate::Shutdown,
}

async fn start(servers: &Authority, clients: Option<&Authority>) -> Server {
    crate::crypto::install();
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let files = TlsFiles {
        certificate: at("tls.crt"),
        key: at("tls.key"),
        client_ca: clients.map(|_| at("ca.crt")),
    };
    write(&files, &issue(servers, "localhost"));
    if let Some(clients) = clients {
        fs::write(at("ca.crt"), clients.pem()).unwrap();
    }
    let tls = Arc::new(Tls::load(files.clone()).unwrap());
    let listener = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = crate::Shutdown::new();
    let router =
        Router::new().route(
            "/",
            get(|Extension(peer): Extension<Peer>| async move {
                format!("certified={}", peer.certified)
            }),
        );
    let limits = Limits {
        header_timeout: Duration::from_millis(300),
        ..Limits::default()
    };
    tokio::spawn(serve_with(
        listener,
        Some(Arc::clone(&tls)),
        router,
        limits,
        shutdown.clone(),
    ));
    Server {
        files,
        tls,
        address,
        _directory: directory,
        _shutdown: shutdown,
    }
}

fn write(files: &TlsFiles, (certificate, key): &(String, String)) {
    fs::write(&files.certificate, certificate).unwrap();
    fs::write(&files.key, key).unwrap();
}

fn client(trusted: &Authority, own: Option<(String, String)>) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.der().clone()).unwrap();
    let builder = ClientConfig::builder().with_root_certificates(roots);
    let config = match own {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
            builder.with_client_auth_cert(vec![chain], key).unwrap()
        }
    };
    TlsConnector::from(Arc::new(config))
}

async fn ask(server: &Server, client: TlsConnector) -> io::Result<String> {
    let stream = TcpStream::connect(server.address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = client.connect(name, stream).await?;
    let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[tokio::test]
async fn a_replaced_certificate_is_used_without_a_restart() {
    let (old, new) = (authority("old"), authority("new"));
    let server = start(&old, None).await;
    assert!(ask(&server, client(&old, None)).await.is_ok());
    assert!(!server.tls.refresh().unwrap());
    write(&server.files, &issue(&new, "localhost"));
    assert!(server.tls.refresh().unwrap());
    assert!(ask(&server, client(&old, None)).await.is_err());
    assert!(ask(&server, client(&new, None)).await.is_ok());
}

#[tokio::test]
async fn broken_files_leave_the_certificate_that_was_there() {
    let ours = authority("ours");
    let server = start(&ours, None).await;
    let other_key = issue(&ours, "localhost").1;
    for broken in ["", "no pem", other_key.as_str()] {
        fs::write(&server.files.key, broken).unwrap();
        assert!(server.tls.refresh().is_err(), "{broken}");
    }
    fs::remove_file(&server.files.key).unwrap();
    let fault = server.tls.refresh().unwrap_err().to_string();
    assert!(fault.contains("tls.key"), "{fault}");
    assert!(ask(&server, client(&ours, None)).await.is_ok());
}

#[tokio::test]
async fn a_client_certificate_is_told_apart_and_a_strangers_is_refused() {
    let (servers, clients) = (authority("servers"), authority("clients"));
    let server = start(&servers, Some(&clients)).await;
    let none = ask(&server, client(&servers, None)).await.unwrap();
    assert!(none.ends_with("certified=false"), "{none}");
    let ours = Some(issue(&clients, "prometheus"));
    let some = ask(&server, client(&servers, ours)).await.unwrap();
    assert!(some.ends_with("certified=true"), "{some}");
    let stranger = Some(issue(&authority("strangers"), "prometheus"));
    let refused = ask(&server, client(&servers, stranger)).await;
    assert!(refused.is_err() || refused.is_ok_and(|answer| answer.is_empty()));
}

#[tokio::test]
async fn a_client_that_never_shakes_hands_holds_up_nobody_and_is_cut_off() {
    let ours = authority("ours");
    let server = start(&ours, None).await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    assert!(ask(&server, client(&ours, None)).await.is_ok());
    let mut rest = Vec::new();
    // Ends when the server closes it.
    silent.read_to_end(&mut rest).await.unwrap();
    assert!(rest.is_empty());
}
