//! Serves the MCP face over made-up facts on standard input and output, for
//! trying clients without a cluster.

use std::sync::Arc;

use tanso_faces::mcp::serve_stdio;

#[path = "../tests/support/sample.rs"]
#[allow(
    dead_code,
    clippy::unwrap_used,
    reason = "shared with tests, which use all of it and fail as it does"
)]
mod sample;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let facts = Arc::new(sample::facts());
    Box::pin(serve_stdio(facts, tokio::io::stdin(), tokio::io::stdout())).await?;
    Ok(())
}
