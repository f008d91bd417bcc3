//! Serves the web face over made-up facts on a port of the loopback, for
//! browser tests: prints its address and runs until its input ends.

use std::io::Read as _;
use std::sync::Arc;

use tanso_faces::web::Web;
use tanso_runtime::Shutdown;
use tanso_runtime::serve::{self, Limits};

#[path = "../tests/support/sample.rs"]
#[allow(
    dead_code,
    clippy::unwrap_used,
    reason = "shared with tests, which use all of it and fail as it does"
)]
mod sample;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = serve::listen("127.0.0.1:0".parse()?).await?;
    println!("http://{}/", listener.local_addr()?);
    let web = Web::given(Arc::new(sample::facts()), Arc::new(sample::Agents));
    let shutdown = Shutdown::new();
    let ending = shutdown.clone();
    std::thread::spawn(move || {
        let mut rest = Vec::new();
        let _ = std::io::stdin().read_to_end(&mut rest);
        ending.begin();
    });
    serve::serve(listener, web.router(), Limits::default(), shutdown).await;
    Ok(())
}
