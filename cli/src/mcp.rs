//! `kubectl tanso mcp`: the answers as a server of the Model Context Protocol
//! on standard input and output, as the user of the kubeconfig.
//!
//! Reads only, and sees what that user may see. Nothing else may be written
//! to standard output while it serves.

use std::io;
use std::os::fd::AsFd as _;
use std::sync::Arc;

use tanso_faces::mcp::serve_stdio;
use tanso_faces::view::{Access, Facts, Nowhere, OperatorBooks, Reader};

use crate::cluster::{Cluster, ClusterError};
use crate::{Error, Outcome};

/// Where the operator is.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Namespace of the operator, whose ledger is read by a port-forward where that is allowed
    #[arg(long, default_value = "tanso-system", value_name = "NAMESPACE")]
    operator_namespace: String,
}

/// Serves until standard input ends; without a cluster the rules, and a refusal
/// that says so of whatever needs one.
///
/// # Errors
/// If a cluster that was named cannot be used, or standard input or output
/// cannot.
pub async fn run(args: &Args, cluster: Result<Cluster, ClusterError>) -> Result<Outcome, Error> {
    let facts = facts(args, cluster)?;
    // The program holds the lock of its standard output, so that one is not waited for.
    let input = tokio::fs::File::from_std(io::stdin().as_fd().try_clone_to_owned()?.into());
    let output = tokio::fs::File::from_std(io::stdout().as_fd().try_clone_to_owned()?.into());
    Box::pin(serve_stdio(facts, input, output)).await?;
    Ok(Outcome::Fine)
}

fn facts(args: &Args, cluster: Result<Cluster, ClusterError>) -> Result<Arc<dyn Facts>, Error> {
    let cluster = match cluster {
        Ok(cluster) => cluster,
        // Who names a file or a context means that one.
        Err(fault @ (ClusterError::File { .. } | ClusterError::Context { .. })) => {
            return Err(fault.into());
        }
        Err(fault) => return Ok(Arc::new(Nowhere::new(fault.to_string()))),
    };
    let operator = args.operator_namespace.as_str();
    let books = OperatorBooks::new(cluster.operator(operator), operator);
    let reader = Reader::new(cluster.client, operator, Arc::new(books));
    Ok(Arc::new(reader.seen_by(Access::Own)))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use kube::config::KubeconfigError;

    use super::*;

    #[tokio::test]
    async fn without_a_cluster_rules_are_there_and_what_needs_one_says_how_to_name_it() {
        let args = Args {
            operator_namespace: "tanso-system".to_owned(),
        };
        let found = facts(&args, Err(ClusterError::NoConfig)).ok().unwrap();
        let rules = found.rules().await.unwrap();
        assert!(rules.get("kr-carbon-2050").is_some());
        let fault = found.monitors().await.unwrap_err();
        assert!(fault.to_string().contains("--kubeconfig FILE"), "{fault}");
        let wrong = ClusterError::File {
            path: PathBuf::from("/nowhere"),
            source: Box::new(KubeconfigError::FindPath),
        };
        assert!(facts(&args, Err(wrong)).is_err(), "a file that was named");
    }
}
