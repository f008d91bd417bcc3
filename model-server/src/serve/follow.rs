//! Following: what serves at the leader serves here, fetched by digest and
//! checked. If the leader is gone, what was fetched goes on serving.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::Uri;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use tanso_runtime::Shutdown;
use tokio::time::{sleep, timeout};

use crate::store::types::PRIOR;
use crate::train::in_service::{InService, Served, check};

/// The largest answer of a leader: thousands of node types.
const BODY_BYTES_MAX: usize = 32 << 20;
const REQUEST_MAX: Duration = Duration::from_secs(20);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct List {
    node_types: Vec<Listed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    name: String,
    in_service: String,
}

/// Follows the leader until the shutdown.
pub(super) async fn keep(
    leader: String,
    in_service: Arc<InService>,
    every: Duration,
    shutdown: Shutdown,
) {
    let mut held: HashMap<String, Arc<Served>> = HashMap::new();
    loop {
        match follow(&leader, &held).await {
            Ok(now) => {
                in_service.replace_all(now.clone());
                held = now;
            }
            Err(reason) => {
                tracing::warn!(
                    leader,
                    reason,
                    "following failed; models fetched before go on serving"
                );
            }
        }
        tokio::select! {
            () = shutdown.begun() => return,
            () = sleep(every) => {}
        }
    }
}

async fn follow(
    leader: &str,
    held: &HashMap<String, Arc<Served>>,
) -> Result<HashMap<String, Arc<Served>>, String> {
    let list = get(&format!("{leader}/v1/node-types")).await?;
    let list: List = serde_json::from_slice(&list).map_err(|fault| fault.to_string())?;
    let mut now = HashMap::new();
    for listed in list.node_types {
        if listed.in_service == PRIOR {
            continue;
        }
        let known = held
            .get(&listed.name)
            .filter(|served| served.digest == listed.in_service);
        let served = if let Some(served) = known {
            Arc::clone(served)
        } else {
            let body = get(&format!("{leader}/v1/models/{}", listed.in_service)).await?;
            Arc::new(check(&listed.in_service, Some(body.to_vec()))?)
        };
        now.insert(listed.name, served);
    }
    Ok(now)
}

async fn get(url: &str) -> Result<Bytes, String> {
    let uri: Uri = url
        .parse()
        .map_err(|_| format!("\"{url}\" is no address; accepted is http://HOST:PORT"))?;
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let exchange = async {
        let response = client.get(uri).await.map_err(|fault| fault.to_string())?;
        let status = response.status();
        let body = Limited::new(response.into_body(), BODY_BYTES_MAX)
            .collect()
            .await
            .map_err(|fault| fault.to_string())?;
        if status.is_success() {
            Ok(body.to_bytes())
        } else {
            Err(format!("\"{url}\" answered {status}"))
        }
    };
    timeout(REQUEST_MAX, exchange).await.map_err(|_| {
        format!(
            "\"{url}\" did not answer within {} s",
            REQUEST_MAX.as_secs()
        )
    })?
}
