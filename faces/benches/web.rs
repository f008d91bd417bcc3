//! The overview of 10,000 workloads: how long it takes and how large it is,
//! as JSON lines. `cargo bench -p tanso-faces --bench web`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::http::{Request, header};
use http_body_util::BodyExt as _;
use tanso_faces::web::Web;
use tanso_runtime::serve::Peer;
use tower::ServiceExt as _;

#[path = "../tests/support/sample.rs"]
#[allow(
    dead_code,
    clippy::unwrap_used,
    reason = "shared with tests, which use all of it and fail as it does"
)]
mod sample;

const WORKLOADS: i64 = 10_000;
const ROUNDS: usize = 50;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let web = Web::given(Arc::new(sample::many(WORKLOADS)), Arc::new(sample::Agents));
    let mut millis = Vec::new();
    let (mut bytes, mut first) = (0, 0.0);
    for round in 0..=ROUNDS {
        let mut request = Request::get("/?lang=en")
            .header(header::HOST, "localhost")
            .body(Body::empty())?;
        let address: SocketAddr = "127.0.0.1:1".parse()?;
        request.extensions_mut().insert(Peer {
            address,
            certified: false,
        });
        let begun = Instant::now();
        let body = runtime.block_on(async {
            let response = web.clone().router().oneshot(request).await?;
            let body = response.into_body().collect().await?;
            Ok::<_, Box<dyn std::error::Error>>(body.to_bytes())
        })?;
        let taken = begun.elapsed().as_secs_f64() * 1e3;
        bytes = body.len();
        if round == 0 {
            first = taken;
        } else {
            millis.push(taken);
        }
    }
    millis.sort_by(f64::total_cmp);
    let at = |share: usize| {
        millis
            .get(millis.len() * share / 100)
            .copied()
            .unwrap_or(0.0)
    };
    println!(
        "{{\"bench\":\"web overview\",\"workloads\":{WORKLOADS},\"first_ms\":{first:.1},\"p50_ms\":{:.2},\"p99_ms\":{:.2},\"bytes\":{bytes},\"limit_ms\":200,\"limit_bytes\":{}}}",
        at(50),
        at(99),
        300 * 1024
    );
    Ok(())
}
