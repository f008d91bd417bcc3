use std::collections::BTreeMap as Map;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use tokio::net::TcpListener;

use super::*;

/// A BMC with the resources of the DMTF's public rack-mount mock-up
/// (DSP2043), cut to what matters here.
struct Mockup {
    resources: Mutex<Map<&'static str, String>>,
    /// Whether it has sessions.
    sessions: bool,
    logins: AtomicUsize,
    closed: AtomicUsize,
    requests: Mutex<Vec<String>>,
}

const ENVIRONMENT: &str = "/redfish/v1/Chassis/1U/EnvironmentMetrics";
const POWER: &str = "/redfish/v1/Chassis/1U/Power";

fn rack_mount() -> Map<&'static str, String> {
    let text = |text: &str| text.to_owned();
    Map::from([
        (
            "/redfish/v1/Chassis",
            text(
                r##"{"@odata.type":"#ChassisCollection.ChassisCollection","Members@odata.count":2,
                "Members":[{"@odata.id":"https://elsewhere.example/redfish/v1/Chassis/X"},
                {"@odata.id":"/redfish/v1/Chassis/1U"}]}"##,
            ),
        ),
        (
            "/redfish/v1/Chassis/1U",
            text(
                r##"{"@odata.type":"#Chassis.v1_22_0.Chassis","Id":"1U","ChassisType":"RackMount",
                "EnvironmentMetrics":{"@odata.id":"/redfish/v1/Chassis/1U/EnvironmentMetrics"},
                "Power":{"@odata.id":"/redfish/v1/Chassis/1U/Power"},
                "Links":{"ComputerSystems":[{"@odata.id":"/redfish/v1/Systems/437XR1138R2"}]}}"##,
            ),
        ),
        (
            ENVIRONMENT,
            text(
                r##"{"@odata.type":"#EnvironmentMetrics.v1_3_0.EnvironmentMetrics","PowerWatts":
                {"Reading":374,"DataSourceUri":"/redfish/v1/Chassis/1U/Sensors/TotalPower"},
                "PowerLimitWatts":{"SetPoint":500}}"##,
            ),
        ),
        (
            POWER,
            text(
                r##"{"@odata.type":"#Power.v1_7_1.Power","PowerControl":[{"Name":"System Input Power",
                "PowerConsumedWatts":344,"PowerMetrics":{"AverageConsumedWatts":319}}]}"##,
            ),
        ),
    ])
}

impl Mockup {
    fn new(sessions: bool) -> Arc<Self> {
        Arc::new(Self {
            resources: Mutex::new(rack_mount()),
            sessions,
            logins: AtomicUsize::new(0),
            closed: AtomicUsize::new(0),
            requests: Mutex::default(),
        })
    }

    fn set(&self, path: &'static str, body: Option<&str>) {
        let mut resources = self.resources.lock().unwrap();
        match body {
            Some(body) => resources.insert(path, body.to_owned()),
            None => resources.remove(path),
        };
    }

    async fn listen(self: &Arc<Self>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(answer).with_state(Arc::clone(self));
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    }
}

async fn answer(
    Shared(bmc): Shared<Arc<Mockup>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path();
    bmc.requests
        .lock()
        .unwrap()
        .push(format!("{method} {path}"));
    if method == Method::POST && path == "/redfish/v1/SessionService/Sessions" {
        if !bmc.sessions {
            return StatusCode::METHOD_NOT_ALLOWED.into_response();
        }
        let login: serde_json::Value = serde_json::from_slice(&body).unwrap();
        if login["UserName"] != "metering" || login["Password"] != "pass:word" {
            return StatusCode::UNAUTHORIZED.into_response();
        }
        let number = bmc.logins.fetch_add(1, Ordering::Relaxed) + 1;
        let place = format!("/redfish/v1/SessionService/Sessions/{number}");
        let headers = [
            ("X-Auth-Token", format!("token-{number}")),
            ("Location", place),
        ];
        return (StatusCode::CREATED, headers).into_response();
    }
    let logins = bmc.logins.load(Ordering::Relaxed);
    let token = headers.get("x-auth-token").and_then(|v| v.to_str().ok());
    let basic = headers.get("authorization").and_then(|v| v.to_str().ok());
    // "metering:pass:word"
    let known = token == Some(&format!("token-{logins}"))
        || (!bmc.sessions && basic == Some("Basic bWV0ZXJpbmc6cGFzczp3b3Jk"));
    if !known {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    if method == Method::DELETE {
        bmc.closed.fetch_add(1, Ordering::Relaxed);
        return StatusCode::NO_CONTENT.into_response();
    }
    let found = bmc.resources.lock().unwrap().get(path).cloned();
    match found {
        Some(body) => ([("content-type", "application/json")], body).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Settings with a mounted Secret.
fn settings(address: SocketAddr, folder: &std::path::Path) -> RedfishSettings {
    std::fs::write(folder.join("username"), "metering\n").unwrap();
    std::fs::write(folder.join("password"), "pass:word\n").unwrap();
    RedfishSettings {
        endpoint: format!("http://{address}"),
        credentials: Some(folder.to_owned()),
        authorities: None,
        chassis: None,
    }
}

#[tokio::test]
async fn power_is_told_in_a_session_that_is_renewed_and_closed() {
    tanso_runtime::crypto::install();
    let (bmc, folder) = (Mockup::new(true), tempfile::tempdir().unwrap());
    let mut client = Bmc::new(settings(bmc.listen().await, folder.path())).unwrap();
    let (watts, place) = client.power().await.unwrap();
    assert_eq!((watts, place.as_str()), (Some(374.0), ENVIRONMENT));
    client.power().await.unwrap();
    assert_eq!(bmc.logins.load(Ordering::Relaxed), 1);
    // The BMC forgets its sessions.
    bmc.logins.fetch_add(1, Ordering::Relaxed);
    assert_eq!(client.power().await.unwrap().0, Some(374.0));
    assert_eq!(bmc.logins.load(Ordering::Relaxed), 3);
    client.close().await;
    assert_eq!(bmc.closed.load(Ordering::Relaxed), 1);
    let requests = bmc.requests.lock().unwrap();
    let gets = requests
        .iter()
        .filter(|r| **r == format!("GET {ENVIRONMENT}"));
    // Found once, then asked directly: no walk over the tree each time.
    assert!(gets.count() >= 4, "{requests:?}");
    let walks = requests
        .iter()
        .filter(|r| r.as_str() == "GET /redfish/v1/Chassis");
    assert!(walks.count() <= 2, "{requests:?}");
}

#[tokio::test]
async fn an_older_bmc_has_neither_sessions_nor_environment_metrics() {
    tanso_runtime::crypto::install();
    let (bmc, folder) = (Mockup::new(false), tempfile::tempdir().unwrap());
    bmc.set(ENVIRONMENT, None);
    let mut client = Bmc::new(settings(bmc.listen().await, folder.path())).unwrap();
    let told = client.power().await.unwrap();
    assert_eq!(told, (Some(344.0), POWER.to_owned()));
}

#[tokio::test]
async fn what_a_bmc_says_wrongly_is_a_fault_with_a_reason() {
    tanso_runtime::crypto::install();
    let (bmc, folder) = (Mockup::new(true), tempfile::tempdir().unwrap());
    let settings = settings(bmc.listen().await, folder.path());
    let mut client = Bmc::new(settings.clone()).unwrap();
    client.power().await.unwrap();
    for (body, wanted) in [
        (Some("<html>"), "expected value"),
        (None, "404"),
        (Some(r#"{"PowerWatts":{"Reading":"many"}}"#), "invalid type"),
    ] {
        bmc.set(ENVIRONMENT, body);
        bmc.set(POWER, body);
        let fault = client.power().await.unwrap_err().to_string();
        assert!(
            fault.contains(wanted) || fault.contains("no chassis"),
            "{fault}"
        );
    }
    // An endless answer ends.
    let long = format!(
        r#"{{"PowerWatts":{{"Reading":1}},"Oem":"{}"}}"#,
        "x".repeat(2 << 20)
    );
    bmc.set(ENVIRONMENT, Some(&long));
    bmc.set(POWER, Some(&long));
    assert!(client.power().await.is_err());
    // A wrong password is told without the password.
    std::fs::write(folder.path().join("password"), "wrong-secret").unwrap();
    let fault = Bmc::new(settings).unwrap().power().await.unwrap_err();
    assert!(matches!(fault, BmcFault::Login { .. }), "{fault}");
    assert!(!format!("{fault} {fault:?}").contains("wrong-secret"));
}

#[test]
fn a_password_leaves_this_machine_over_tls_only() {
    tanso_runtime::crypto::install();
    let new = |endpoint: &str| {
        Bmc::new(RedfishSettings {
            endpoint: endpoint.to_owned(),
            credentials: None,
            authorities: None,
            chassis: None,
        })
    };
    for refused in [
        "http://10.0.0.5",
        "http://bmc.example",
        "https://bmc.example/redfish",
        "ftp://bmc.example",
        "bmc.example",
        "",
    ] {
        assert!(
            matches!(new(refused), Err(BmcFault::Address(_))),
            "{refused}"
        );
    }
    assert!(new("http://127.0.0.1:8000").is_ok());
    assert!(new("https://bmc.example/").is_ok());
}

#[tokio::test]
async fn a_bmc_whose_certificate_nobody_vouches_for_gets_no_password() {
    tanso_runtime::crypto::install();
    let issued = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key =
        rustls::pki_types::PrivateKeyDer::try_from(issued.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![issued.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let shaken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&shaken);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            if acceptor.accept(stream).await.is_ok() {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let other = rcgen::generate_simple_self_signed(vec!["other".to_owned()]).unwrap();
    let authorities = folder.path().join("ca.pem");
    std::fs::write(&authorities, other.cert.pem()).unwrap();
    let mut settings = settings(SocketAddr::from(([127, 0, 0, 1], port)), folder.path());
    settings.endpoint = format!("https://localhost:{port}");
    settings.authorities = Some(authorities.clone());
    let fault = Bmc::new(settings.clone())
        .unwrap()
        .power()
        .await
        .unwrap_err();
    assert!(fault.to_string().contains("certificate"), "{fault}");
    assert_eq!(shaken.load(Ordering::Relaxed), 0);
    // Vouched for: the handshake is done.
    std::fs::write(&authorities, issued.cert.pem()).unwrap();
    let mut client = Bmc::new(settings).unwrap();
    let fault = client.power().await.unwrap_err();
    assert!(!fault.to_string().contains("certificate"), "{fault}");
    assert_eq!(shaken.load(Ordering::Relaxed), 1);
}

#[test]
fn energy_is_integrated_between_the_bmcs_samples_and_only_by_one_reader() {
    let source = Arc::new(RedfishSource::new("not asked yet"));
    let mut meter = Redfish::new(Arc::clone(&source));
    assert!(matches!(meter.find(), MeterState::Absent(_)));
    let now = source.now();
    source.accept(now, Some(f64::NAN), "/redfish/v1/Chassis/1U/Power");
    assert!(matches!(meter.find(), MeterState::Failed(_)));
    for (watts, refusal) in [
        (Some(-5.0), Refusal::Negative),
        (Some(9e9), Refusal::Absurd),
        (None, Refusal::NotANumber),
    ] {
        source.accept(now, watts, "somewhere");
        assert!(meter.refusals().contains_key(&refusal));
    }
    source.accept(now, Some(374.0), "somewhere");
    assert_eq!(meter.find(), MeterState::Active);
    assert_eq!(meter.classes(), [ZoneClass::Platform]);
    let span = Span {
        elapsed: Duration::from_secs(1),
        ..Span::default()
    };
    let energy_uj =
        |meter: &mut Redfish| meter.read(&span).unwrap()[0].1.energy.value.microjoules();
    assert_eq!(energy_uj(&mut meter), 0, "a beginning");
    // What is given out is what the samples hold, however often it is read.
    let begin = source.state().held.total(source.now()).unwrap();
    let mut sum_uj = 0;
    for _ in 0..50 {
        sum_uj += energy_uj(&mut meter);
    }
    let end = source.state().held.total(source.now()).unwrap();
    assert!(sum_uj <= end.microjoules(), "{sum_uj} {begin} {end}");
}
