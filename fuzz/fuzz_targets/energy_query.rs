//! Any query of `/v1/energy`: an answer or a refusal that names what is
//! accepted, never a panic and never a server's fault.
#![no_main]

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use libfuzzer_sys::fuzz_target;
use tanso_fuzz::agent;
use tower::ServiceExt as _;

fuzz_target!(|query: &str| {
    static ROUTER: OnceLock<(Router, Arc<tempfile::TempDir>)> = OnceLock::new();
    let (router, _) = ROUTER.get_or_init(agent::router);
    let Ok(request) = Request::get(format!("/v1/energy?{query}")).body(Body::empty()) else {
        return;
    };
    let runtime = agent::runtime();
    let answer = runtime.block_on(router.clone().oneshot(request));
    let status = answer.map(|answer| answer.status());
    let known = [StatusCode::OK, StatusCode::BAD_REQUEST, StatusCode::GONE];
    assert!(status.is_ok_and(|status| known.contains(&status)));
});
