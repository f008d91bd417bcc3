use kube::client::Body;
use kube::core::Status;

use super::*;

fn cluster() -> Cluster {
    let service = tower::service_fn(|_: hyper::Request<Body>| async {
        Ok::<_, std::io::Error>(hyper::Response::new(Body::empty()))
    });
    Cluster {
        client: Client::new(service, "shop"),
        namespace: "shop".to_owned(),
        server: "https://10.0.0.1:6443/".to_owned(),
        credentials: Credentials::default(),
    }
}

fn said(message: &str, code: u16) -> String {
    let status = Status::failure(message, "Reason").with_code(code);
    cluster()
        .refusal(
            "listing carbonpolicies",
            &kube::Error::Api(Box::new(status)),
        )
        .to_string()
}

#[tokio::test]
async fn an_unknown_kind_means_that_tanso_is_not_installed() {
    let text = said("404 page not found\n", 404);
    assert!(
        text.contains("tanso is not installed") && text.contains("kubectl apply -k"),
        "{text}"
    );
    let text = said("carbonpolicies.tanso.dev \"x\" not found", 404);
    assert!(
        text.contains("answered 404") && !text.contains("not installed"),
        "{text}"
    );
}

#[tokio::test]
async fn refusals_name_action_and_reason() {
    let text = said("User \"eve\" cannot list resource", 403);
    assert!(
        text.starts_with("listing carbonpolicies: forbidden (User \"eve\""),
        "{text}"
    );
    assert!(said("Unauthorized", 401).contains("log in again"));
    assert!(said("etcdserver: request timed out", 500).contains("answered 500: etcdserver"));
}

#[tokio::test]
async fn a_silent_server_is_named() {
    let error = kube::Error::Service("connection refused".into());
    let text = cluster().refusal("listing nodes", &error).to_string();
    assert!(
        text.contains("https://10.0.0.1:6443/ does not answer (connection refused)"),
        "{text}"
    );
}

/// It was told as a server that does not answer.
#[tokio::test]
async fn a_certificate_that_is_not_accepted_is_told_as_such() {
    let fault = rustls::CertificateError::UnknownIssuer;
    let fault = rustls::Error::InvalidCertificate(fault);
    let fault = std::io::Error::other(fault);
    let error = kube::Error::Service(Box::new(fault));
    let text = cluster().refusal("listing nodes", &error).to_string();
    assert!(
        text.contains("certificate of the API server at https://10.0.0.1:6443/ is not accepted: no authority that is trusted here signed it;"),
        "{text}"
    );
    assert!(!text.contains("does not answer"), "{text}");
    let fault = FactsFault::of("listing nodes", &error);
    let named = ClusterError::named(fault, "https://10.0.0.1:6443/");
    assert_eq!(named.unwrap().to_string(), text);
    let forbidden = FactsFault::Forbidden {
        action: "listing nodes".to_owned(),
    };
    let left = ClusterError::named(forbidden.clone(), "https://10.0.0.1:6443/");
    assert_eq!(left.unwrap_err(), forbidden);
}

/// It was told as a server that does not answer.
#[tokio::test]
async fn an_answer_that_cannot_be_read_is_told_as_such() {
    let fault = serde_json::from_str::<u8>("\"a\"").unwrap_err();
    let error = kube::Error::SerdeError(fault);
    let text = cluster().refusal("listing nodes", &error).to_string();
    assert!(
        text.contains(
            "listing nodes: this version of kubectl tanso cannot read the answer: invalid type"
        ),
        "{text}"
    );
}

#[tokio::test]
async fn a_missing_kubeconfig_is_named() {
    let args = ClusterArgs {
        kubeconfig: Some("/nonexistent/kubeconfig".into()),
        ..ClusterArgs::default()
    };
    let text = args.connect().await.err().unwrap().to_string();
    assert!(
        text.starts_with("kubeconfig \"/nonexistent/kubeconfig\":"),
        "{text}"
    );
    assert!(text.contains("--kubeconfig"), "{text}");
}

#[test]
fn who_acts_as_another_says_so_in_place_of_the_context() {
    let mut config = Config::new("https://10.0.0.1:6443".parse().unwrap());
    config.auth_info.impersonate = Some("of-the-context".to_owned());
    ClusterArgs::default().impersonate(&mut config);
    assert_eq!(
        config.auth_info.impersonate.as_deref(),
        Some("of-the-context")
    );
    let args = ClusterArgs {
        as_user: Some("auditor".to_owned()),
        as_group: vec!["audit".to_owned(), "eu".to_owned()],
        ..ClusterArgs::default()
    };
    args.impersonate(&mut config);
    assert_eq!(config.auth_info.impersonate.as_deref(), Some("auditor"));
    assert_eq!(config.auth_info.impersonate_groups, Some(args.as_group));
}

/// A kubeconfig that was there and broken was told as none at all.
#[test]
fn a_kubeconfig_that_is_broken_is_none_that_is_missing() {
    let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
    let missing = KubeconfigError::ReadConfig(missing, "config".into());
    assert!(is_missing(&missing) && is_missing(&KubeconfigError::FindPath));
    let locked = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
    let locked = KubeconfigError::ReadConfig(locked, "config".into());
    let gone = KubeconfigError::LoadContext("gone".to_owned());
    assert!(!is_missing(&locked) && !is_missing(&gone));
    let text = ClusterError::Unusable {
        cause: gone.to_string(),
    }
    .to_string();
    assert!(
        text.starts_with("no cluster to ask: failed to load current context: gone ("),
        "{text}"
    );
}

#[tokio::test]
async fn the_program_that_gives_credentials_is_named_where_it_fails() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config");
    let text = "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
        clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\n\
        users: [{name: u, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: no-such-program, interactiveMode: Never}}}]\n\
        contexts: [{name: c, context: {cluster: c, user: u}}]\n";
    std::fs::write(&file, text).unwrap();
    let args = ClusterArgs {
        kubeconfig: Some(file),
        ..ClusterArgs::default()
    };
    let text = args.connect().await.err().unwrap().to_string();
    assert!(text.contains("\"no-such-program\""), "{text}");
}
