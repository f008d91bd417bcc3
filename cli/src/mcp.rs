//! `kubectl tanso mcp`: the answers as a server of the Model Context Protocol
//! on standard input and output, as the user of the kubeconfig.
//!
//! Reads only, and sees what that user may see. Nothing else may be written
//! to standard output while it serves.

use std::io;
use std::os::fd::AsFd as _;
use std::sync::Arc;

use tanso_faces::mcp::serve_stdio;
use tanso_faces::view::{Access, ProxyBooks, Reader};

use crate::cluster::Cluster;
use crate::{Error, Outcome};

/// Where the operator is.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Namespace of the operator, whose ledger is read through the API server where that is allowed
    #[arg(long, default_value = "tanso-system", value_name = "NAMESPACE")]
    operator_namespace: String,
}

/// Serves until standard input ends.
///
/// # Errors
/// If standard input or output cannot be used.
pub async fn run(args: &Args, cluster: &Cluster) -> Result<Outcome, Error> {
    let books = ProxyBooks::new(cluster.client.clone(), &args.operator_namespace);
    let reader = Reader::new(
        cluster.client.clone(),
        &args.operator_namespace,
        Arc::new(books),
    );
    // The program holds the lock of its standard output, so that one is not waited for.
    let input = tokio::fs::File::from_std(io::stdin().as_fd().try_clone_to_owned()?.into());
    let output = tokio::fs::File::from_std(io::stdout().as_fd().try_clone_to_owned()?.into());
    let facts = Arc::new(reader.seen_by(Access::Own));
    Box::pin(serve_stdio(facts, input, output)).await?;
    Ok(Outcome::Fine)
}
