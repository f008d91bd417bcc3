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
