use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::*;

/// An API server that nobody asks.
fn nowhere() -> kube::Client {
    crate::crypto::install();
    kube::Client::try_from(kube::Config::new("http://127.0.0.1:9".parse().unwrap())).unwrap()
}

#[tokio::test]
async fn a_flood_of_tokens_does_not_grow_the_memory_without_bound() {
    let judge = Judge::new(Arc::new(ClusterReview::new(nowhere(), Vec::new())));
    for number in 0..5_000_u32 {
        let mut key = [0_u8; 32];
        key[..4].copy_from_slice(&number.to_le_bytes());
        judge.remember(key, Judgement::Unknown);
    }
    assert!(judge.remembered.lock().unwrap().len() <= REMEMBERED_MAX);
}

/// An API server with recorded answers.
async fn api_server(authenticated: bool, allowed: bool) -> kube::Client {
    let token = move |Json(asked): Json<Value>| async move {
        let known = authenticated && asked["spec"]["token"] == "good";
        let user = json!({
            "username": "system:serviceaccount:mon:prometheus", "groups": ["g"],
            "extra": {"authentication.kubernetes.io/node-name": ["n7"]},
        });
        Json(json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "metadata": {},
            "spec": asked["spec"],
            "status": {"authenticated": known, "user": user, "audiences": ["tanso"]},
        }))
    };
    let access = move |Json(asked): Json<Value>| async move {
        let spec = &asked["spec"];
        let meant = spec["user"] == "system:serviceaccount:mon:prometheus"
            && spec["nonResourceAttributes"] == json!({"path": "/metrics", "verb": "get"});
        Json(json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "metadata": {},
            "spec": spec,
            "status": {"allowed": allowed && meant},
        }))
    };
    let router = Router::new()
        .route("/apis/authentication.k8s.io/v1/tokenreviews", post(token))
        .route(
            "/apis/authorization.k8s.io/v1/subjectaccessreviews",
            post(access),
        );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    crate::crypto::install();
    kube::Client::try_from(kube::Config::new(url.parse().unwrap())).unwrap()
}

#[tokio::test]
async fn the_clusters_judgement_needs_token_audience_and_right() {
    let judge = async |client: kube::Client, audience: &str, token: &str| {
        let review = ClusterReview::new(client, vec![audience.to_owned()]);
        let wish = Wish {
            verb: "get",
            path: "/metrics".to_owned(),
        };
        review.judge(token.to_owned(), wish).await.unwrap()
    };
    let all = api_server(true, true).await;
    assert_eq!(
        judge(all.clone(), "tanso", "good").await,
        Judgement::Granted {
            node: Some("n7".into())
        }
    );
    assert_eq!(
        judge(all.clone(), "tanso", "forged").await,
        Judgement::Unknown
    );
    assert_eq!(judge(all, "other", "good").await, Judgement::Unknown);
    let weak = api_server(true, false).await;
    assert_eq!(judge(weak, "tanso", "good").await, Judgement::Forbidden);
}
