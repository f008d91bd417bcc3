//! What the operator's image can do besides operating: bring the kinds up to
//! date, and ask a running operator whether it is ready. An installation needs
//! both, and no other image then.

use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, CustomResourceExt as _, ResourceExt as _};
use tanso_crds::{CarbonPolicy, CarbonReport, ClusterCarbonPolicy, EnergyStudy, PowerMonitor};

/// Owner of the fields of a kind that a chore writes.
const MANAGER: &str = "tanso-crds";

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest answer that is read, bytes.
const ANSWER_LIMIT: usize = 64 * 1024;

/// A task that ends.
#[derive(Clone, Debug, PartialEq, Eq, clap::Subcommand)]
pub enum Chore {
    /// Bring the cluster's `CustomResourceDefinition`s to this version, then end
    ApplyCrds,
    /// Put a backup in the place of the ledger, while no operator runs, then end
    RestoreLedger {
        /// The backup
        from: std::path::PathBuf,
    },
    /// Ask an address, for example <http://tanso-operator:8080/readyz>, and fail unless it answers 200
    Probe {
        /// The address, plain HTTP
        url: hyper::Uri,
    },
}

/// Why a chore failed.
#[derive(Debug, thiserror::Error)]
pub enum ChoreFault {
    /// A kind was refused.
    #[error("applying CustomResourceDefinition \"{name}\": {source}")]
    Kind {
        /// The kind's name.
        name: String,
        /// What the API server said.
        #[source]
        source: Box<kube::Error>,
    },
    /// Nobody answered.
    #[error("asking \"{url}\": {reason}")]
    Unanswered {
        /// The address asked.
        url: hyper::Uri,
        /// What went wrong.
        reason: String,
    },
    /// The answer was not 200.
    #[error("\"{url}\" answers {status}: {body}")]
    NotReady {
        /// The address asked.
        url: hyper::Uri,
        /// Its status.
        status: hyper::StatusCode,
        /// What it said.
        body: String,
    },
}

/// Every kind of this version.
fn kinds() -> [CustomResourceDefinition; 5] {
    [
        PowerMonitor::crd(),
        CarbonPolicy::crd(),
        ClusterCarbonPolicy::crd(),
        CarbonReport::crd(),
        EnergyStudy::crd(),
    ]
}

/// Applies every kind, as its one owner.
///
/// # Errors
/// At the first kind that the API server refuses.
pub async fn apply_crds(client: Client) -> Result<(), ChoreFault> {
    let api: Api<CustomResourceDefinition> = Api::all(client);
    // Helm wrote the kinds at the first installation; this version now owns them.
    let manner = PatchParams::apply(MANAGER).force();
    for kind in kinds() {
        let name = kind.name_any();
        api.patch(&name, &manner, &Patch::Apply(&kind))
            .await
            .map_err(|source| ChoreFault::Kind {
                name: name.clone(),
                source: Box::new(source),
            })?;
        tracing::info!(name, "applied");
    }
    Ok(())
}

/// Asks once.
///
/// # Errors
/// Unless the answer is 200 within ten seconds.
pub async fn probe(url: hyper::Uri) -> Result<(), ChoreFault> {
    let unanswered = |reason: String| ChoreFault::Unanswered {
        url: url.clone(),
        reason,
    };
    let client = HttpClient::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let ask = async {
        let answer = client.get(url.clone()).await.map_err(|error| {
            unanswered(format!("{error}: {:?}", std::error::Error::source(&error)))
        })?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_LIMIT)
            .collect()
            .await
            .map_err(|error| unanswered(error.to_string()))?;
        Ok((status, body.to_bytes()))
    };
    let (status, body) = tokio::time::timeout(PATIENCE, ask)
        .await
        .map_err(|_| unanswered(format!("no answer within {PATIENCE:?}")))??;
    if status == hyper::StatusCode::OK {
        return Ok(());
    }
    Err(ChoreFault::NotReady {
        url: url.clone(),
        status,
        body: String::from_utf8_lossy(&body).trim().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::StatusCode;
    use axum::routing::get;

    use kube::ResourceExt;

    use super::*;

    async fn server() -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/readyz", get(|| async { "ok" }))
            .route(
                "/waiting",
                get(|| async { (StatusCode::SERVICE_UNAVAILABLE, "waiting for lease") }),
            );
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}")
    }

    #[tokio::test]
    async fn a_probe_passes_on_200_alone_and_says_what_was_answered_else() {
        let base = server().await;
        probe(format!("{base}/readyz").parse().unwrap())
            .await
            .unwrap();
        let fault = probe(format!("{base}/waiting").parse().unwrap())
            .await
            .unwrap_err()
            .to_string();
        assert!(
            fault.contains("503") && fault.contains("waiting for lease"),
            "{fault}"
        );
    }

    #[tokio::test]
    async fn a_probe_of_nobody_names_the_address() {
        let fault = probe("http://127.0.0.1:9/readyz".parse().unwrap())
            .await
            .unwrap_err()
            .to_string();
        assert!(fault.contains("127.0.0.1:9"), "{fault}");
    }

    #[test]
    fn the_kinds_are_those_of_the_installation() {
        let names: Vec<String> = kinds().iter().map(ResourceExt::name_any).collect();
        for name in &names {
            let plural = name.trim_end_matches(".tanso.dev");
            let file = format!("{}/../config/crd/{plural}.yaml", env!("CARGO_MANIFEST_DIR"));
            assert!(std::path::Path::new(&file).is_file(), "{file}");
        }
    }
}
