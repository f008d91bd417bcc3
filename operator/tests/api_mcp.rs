//! The MCP server before a real API server: who asks sees what they may see,
//! what is not visible answers as what is not there, and hostile frames leave
//! it serving.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should end"
)]

#[path = "support/api.rs"]
mod api;

use std::net::SocketAddr;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tanso_crds::CarbonPolicy;
use tanso_faces::view::Reviewer;
use tanso_operator::api::readers::{AnonymousReaders, guarded};
use tanso_operator::intensity::Feeds;
use tanso_operator::ledger::Ledger;
use tanso_operator::mcp::{Parts, reader, router};
use tanso_runtime::serve::Peer;
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt as _;

const HOME: &str = "mcp-home";
const ABROAD: &str = "mcp-abroad";

fn read<K: DeserializeOwned>(object: Value) -> K {
    serde_json::from_value(object).unwrap()
}

/// A server on a port of its own; ends with the test's runtime.
struct Serving {
    address: SocketAddr,
    home: String,
    abroad: String,
    _ledger: tempfile::TempDir,
}

async fn serve(admin: &Client) -> Serving {
    let (home, abroad) = (prepare(admin, HOME).await, prepare(admin, ABROAD).await);
    let folder = tempfile::tempdir().unwrap();
    let client = api::as_operator().await.unwrap();
    let ledger = Ledger::open(&folder.path().join("ledger.db")).unwrap();
    let feeds = Feeds::try_new(&[], None).unwrap();
    let router = router(Parts {
        reader: reader(&client, api::NAMESPACE, ledger, feeds),
        reviewer: Reviewer::new(client, Vec::new()),
        namespace: api::NAMESPACE.to_owned(),
        hosts: Vec::new(),
        // So that every frame reaches what it is aimed at.
        per_second: 100_000,
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    Serving {
        address,
        home,
        abroad,
        _ledger: folder,
    }
}

/// A namespace with a judged policy, and a token that may see it alone.
async fn prepare(admin: &Client, namespace: &str) -> String {
    let object = json!({"metadata": {"name": namespace}});
    api::put(&Api::all(admin.clone()), &read::<Namespace>(object)).await;
    let policies: Api<CarbonPolicy> = Api::namespaced(admin.clone(), namespace);
    let policy = json!({
        "metadata": {"name": format!("policy-of-{namespace}"), "namespace": namespace},
        "spec": {
            "site": {"zone": "KR", "timeZone": "Asia/Seoul"},
            "regulations": [{"rule": "kr-carbon-2050"}],
        },
    });
    api::put(&policies, &read::<CarbonPolicy>(policy)).await;
    let figures = json!({
        "energyMicrojoules": {"low": 90, "value": 100, "high": 110},
        "emissionsMilligrams": {"low": 9, "value": 10, "high": 11},
        "intensityMilligramsPerKwh": 417_300, "modelledPercent": 100, "coveragePercent": 100,
    });
    let status = json!({
        "apiVersion": "tanso.dev/v1alpha1", "kind": "CarbonPolicy",
        "status": {
            "verdict": "Compliant", "dataThrough": "2026-11-21T10:05:00Z", "totals": figures,
            "workloads": [{
                "namespace": namespace, "kind": "Deployment", "name": format!("api-of-{namespace}"),
                "verdict": "Compliant", "reason": "WithinLimit", "pods": 1, "figures": figures,
            }],
        },
    });
    let params = PatchParams::apply("test").force();
    let name = format!("policy-of-{namespace}");
    policies
        .patch_status(&name, &params, &Patch::Apply(&status))
        .await
        .unwrap();
    let account = json!({"metadata": {"name": "reader", "namespace": namespace}});
    let accounts: Api<ServiceAccount> = Api::namespaced(admin.clone(), namespace);
    api::put(&accounts, &read::<ServiceAccount>(account)).await;
    let rules = json!([{"apiGroups": ["tanso.dev"], "resources": ["carbonpolicies", "carbonreports"], "verbs": ["get", "list"]}]);
    let role = json!({"metadata": {"name": "reader", "namespace": namespace}, "rules": rules});
    api::put(
        &Api::namespaced(admin.clone(), namespace),
        &read::<Role>(role),
    )
    .await;
    let subject = json!({"kind": "ServiceAccount", "name": "reader", "namespace": namespace});
    let of = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"});
    let binding = json!({"metadata": {"name": "reader", "namespace": namespace}, "roleRef": of, "subjects": [subject]});
    api::put(
        &Api::namespaced(admin.clone(), namespace),
        &read::<RoleBinding>(binding),
    )
    .await;
    let asked = TokenRequest {
        spec: TokenRequestSpec {
            expiration_seconds: Some(3_600),
            ..TokenRequestSpec::default()
        },
        ..TokenRequest::default()
    };
    let made = accounts
        .create_token_request("reader", &PostParams::default(), &asked)
        .await;
    made.unwrap().status.unwrap().token
}

/// One request; the status and the body.
async fn send(
    address: SocketAddr,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> Option<(StatusCode, String)> {
    let stream = TcpStream::connect(address).await.ok()?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .ok()?;
    tokio::spawn(connection);
    let mut request = Request::post("/mcp").header("content-type", "application/json");
    request = request.header("accept", "application/json, text/event-stream");
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", "localhost");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::from(body))).ok()?;
    let answer = sender.send_request(request).await.ok()?;
    let status = answer.status();
    let bytes = answer.into_body().collect().await.ok()?.to_bytes();
    Some((status, String::from_utf8_lossy(&bytes).into_owned()))
}

/// A tool's answer as one of the present revision gives it.
async fn call(serving: &Serving, token: &str, tool: &str, arguments: Value) -> String {
    let bearer = format!("Bearer {token}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("mcp-protocol-version", "2025-11-25"),
    ];
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}});
    let (status, body) = send(serving.address, &headers, body.to_string().into_bytes())
        .await
        .unwrap();
    assert_eq!(status, StatusCode::OK, "{body}");
    body
}

/// How each tool is asked about a thing.
fn questions(name: &str) -> Vec<(&'static str, Value)> {
    let workload = format!("api-of-{name}");
    vec![
        (
            "assess_workload_compliance",
            json!({"workload": workload, "namespace": name}),
        ),
        (
            "assess_workload_compliance",
            json!({"workload": workload, "standards": ["kr-carbon-2050"]}),
        ),
        (
            "compare_optimization_impact",
            json!({"workload": workload, "changes": [{"type": "shift", "hours": 3}]}),
        ),
        ("list_workloads_by_compliance", json!({"namespace": name})),
        (
            "get_regional_comparison",
            json!({"workload": workload, "regions": ["eu-north-1"]}),
        ),
        (
            "calculate_optimal_schedule",
            json!({"workload": workload, "durationMinutes": 60}),
        ),
        (
            "explain_verdict",
            json!({"workload": workload, "namespace": name}),
        ),
        (
            "explain_verdict",
            json!({"policy": format!("policy-of-{name}"), "namespace": name}),
        ),
        ("get_power", json!({"namespace": name})),
    ]
}

#[tokio::test]
async fn what_a_token_may_not_see_answers_as_what_is_not_there() {
    let Some(admin) = api::admin().await else {
        return;
    };
    let serving = serve(&admin).await;
    for ((tool, there), (_, nowhere)) in questions(ABROAD).into_iter().zip(questions("mcp-nowhere"))
    {
        let hidden = call(&serving, &serving.home, tool, there.clone()).await;
        let absent = call(&serving, &serving.home, tool, nowhere).await;
        assert_eq!(
            hidden.replace(ABROAD, "NAME"),
            absent.replace("mcp-nowhere", "NAME"),
            "{tool} {there}"
        );
        let own = call(&serving, &serving.abroad, tool, there.clone()).await;
        assert_ne!(own, hidden, "{tool} {there}: who may see it does");
    }
    for uri in [
        "tanso://policies/NAME/policy-of-NAME",
        "tanso://reports/NAME/policy-of-NAME/1",
    ] {
        let mut answers = Vec::new();
        for name in [ABROAD, "mcp-nowhere"] {
            let bearer = format!("Bearer {}", serving.home);
            let headers = [("authorization", bearer.as_str())];
            let body = json!({"jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": {"uri": uri.replace("NAME", name)}});
            let answer = send(serving.address, &headers, body.to_string().into_bytes())
                .await
                .unwrap();
            answers.push(answer.1.replace(name, "NAME"));
        }
        assert_eq!(answers[0], answers[1]);
    }
}

/// The ledger's own routes told every namespace to whoever reached the port.
#[tokio::test]
async fn the_ledger_is_read_by_who_may_list_reports_there_and_by_no_stranger() {
    const STRANGER: [u8; 4] = [10, 0, 0, 9];
    const HERE: [u8; 4] = [127, 0, 0, 1];
    let Some(admin) = api::admin().await else {
        return;
    };
    let serving = serve(&admin).await;
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&folder.path().join("ledger.db")).unwrap();
    let client = api::as_operator().await.unwrap();
    let ledger_routes = tanso_operator::api::router(ledger);
    let reviewer = Reviewer::new(client, Vec::new());
    let open = guarded(
        ledger_routes.clone(),
        AnonymousReaders::Allow,
        reviewer.clone(),
    );
    let closed = guarded(ledger_routes, AnonymousReaders::Refuse, reviewer);
    let ask = |router: &axum::Router, path: &str, token: Option<&str>, from: [u8; 4]| {
        let mut request = Request::get(path).header("host", "localhost:8080");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let mut request = request.body(axum::body::Body::empty()).unwrap();
        request.extensions_mut().insert(Peer {
            address: (from, 40_000).into(),
            certified: false,
        });
        let router = router.clone();
        async move { router.oneshot(request).await.unwrap().status().as_u16() }
    };
    let own = "/v1/workloads?namespace=mcp-home";
    assert_eq!(ask(&open, own, None, STRANGER).await, 200);
    let home = Some(serving.home.as_str());
    for (path, as_home) in [
        (own, 200),
        ("/v1/ledger/export?namespace=mcp-home", 200),
        ("/v1/reports/verify?namespace=mcp-home&policy=none", 404),
        // What is another's, or everybody's.
        ("/v1/workloads?namespace=mcp-abroad", 403),
        ("/v1/ledger/export?namespace=mcp-abroad", 403),
        ("/v1/workloads", 403),
        ("/v1/workloads?namespace=", 403),
        ("/v1/reports/verify?policy=none", 403),
        ("/v1/ledger/nodes", 403),
        ("/v1/ledger/nodes?namespace=mcp-home", 403),
        ("/v1/ledger/total", 403),
        ("/v1/ledger/verify?namespace=mcp-home", 403),
        ("/v1/studies?namespace=mcp-home&name=none", 403),
    ] {
        assert_eq!(ask(&closed, path, home, STRANGER).await, as_home, "{path}");
        assert_eq!(ask(&closed, path, None, STRANGER).await, 401, "{path}");
        let guess = Some("no-token");
        assert_eq!(ask(&closed, path, guess, STRANGER).await, 401, "{path}");
    }
    // A port-forward, which the API server allowed.
    assert_eq!(ask(&closed, "/v1/ledger/total", None, HERE).await, 200);
}

#[tokio::test]
async fn a_stranger_and_a_foreign_page_are_refused() {
    let Some(admin) = api::admin().await else {
        return;
    };
    let serving = serve(&admin).await;
    let bearer = format!("Bearer {}", serving.home);
    let body = || {
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
            .to_string()
            .into_bytes()
    };
    let status =
        async |headers: &[(&str, &str)]| send(serving.address, headers, body()).await.unwrap().0;
    assert_eq!(status(&[]).await, StatusCode::UNAUTHORIZED);
    assert_eq!(
        status(&[("authorization", "Bearer nobody")]).await,
        StatusCode::UNAUTHORIZED
    );
    let known = ("authorization", bearer.as_str());
    assert_eq!(
        status(&[known, ("origin", "https://evil.example")]).await,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        status(&[known, ("origin", "null")]).await,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        status(&[known, ("host", "evil.example")]).await,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        status(&[known, ("origin", "http://localhost:3000")]).await,
        StatusCode::OK
    );
    assert_eq!(status(&[known]).await, StatusCode::OK);
}

/// Hostile frames: fuzzed, oversized, nested, foreign; the same each time.
fn hostile(seed: u64) -> (Vec<(&'static str, &'static str)>, Vec<u8>) {
    let good = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "get_power", "arguments": {}}}).to_string().into_bytes();
    let mut state = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    match seed % 8 {
        0 => (vec![], vec![b'['; 200_000]),
        1 => (
            vec![],
            format!("{{\"a\":{}1{}}}", "[".repeat(20_000), "]".repeat(20_000)).into_bytes(),
        ),
        2 => (vec![], vec![b'x'; 2_000_000]),
        3 => (vec![("origin", "https://evil.example")], good),
        4 => (vec![("host", "169.254.169.254")], good),
        5 => {
            let mut bytes = good;
            for _ in 0..12 {
                let place = usize::try_from(next()).unwrap() % bytes.len();
                bytes[place] = u8::try_from(next() % 256).unwrap();
            }
            (vec![], bytes)
        }
        6 => {
            let name = "\\u0000".repeat(usize::try_from(next() % 5_000).unwrap());
            (vec![], format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{{\"name\":\"explain_verdict\",\"arguments\":{{\"workload\":\"{name}\",\"namespace\":\"../../secrets\"}}}}}}").into_bytes())
        }
        _ => (
            vec![("mcp-session-id", "not-a-session")],
            (0..1_000)
                .map(|_| u8::try_from(next() % 256).unwrap())
                .collect(),
        ),
    }
}

/// Resident memory of this process, KiB.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn two_hundred_hostile_frames_leave_it_serving_with_flat_memory() {
    let Some(admin) = api::admin().await else {
        return;
    };
    let serving = serve(&admin).await;
    let bearer = format!("Bearer {}", serving.home);
    let mut refused = 0;
    let mut resident = Vec::new();
    for _ in 0..3 {
        for seed in 0..200 {
            let (mut headers, body) = hostile(seed);
            headers.push(("authorization", bearer.as_str()));
            // A refused body may end the connection before an answer.
            match send(serving.address, &headers, body).await {
                Some((status, _)) if status.is_success() => {}
                _ => refused += 1,
            }
        }
        resident.push(resident_kib());
    }
    println!("hostile frames: 3 x 200, {refused} refused, resident KiB after each: {resident:?}");
    assert!(refused >= 3 * 100, "{refused}");
    assert!(resident[2] < resident[0] + 32 * 1_024, "{resident:?}");
    let served = call(
        &serving,
        &serving.home,
        "list_workloads_by_compliance",
        json!({}),
    )
    .await;
    assert!(served.contains("api-of-mcp-home"), "{served}");
}
