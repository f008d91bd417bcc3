//! Following: what serves at the leader serves here, fetched by digest and
//! checked. If the leader is gone, what was fetched goes on serving.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::http::Method;
use serde::Deserialize;
use serde_json::Value;
use tanso_runtime::Shutdown;
use tanso_runtime::client::{Bounds, ClientFiles};
use tokio::time::sleep;

use crate::store::types::PRIOR;
use crate::train::in_service::{InService, Served, check};

/// The largest answer of a leader is of thousands of node types.
const BOUNDS: Bounds = Bounds {
    time: Duration::from_secs(20),
    bytes: 32 << 20,
};

/// Who is followed, and whom to trust for it.
#[derive(Clone, Debug)]
pub(super) struct Leader {
    pub(super) url: String,
    pub(super) files: ClientFiles,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct List {
    node_types: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    name: String,
    in_service: String,
}

/// What the leader last said of its node types, in its words; clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard(Arc<RwLock<Vec<Value>>>);

impl Heard {
    /// All of them.
    pub(super) fn all(&self) -> Vec<Value> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The one of a name.
    pub(super) fn named(&self, name: &str) -> Option<Value> {
        let mut all = self.all().into_iter();
        all.find(|node_type| node_type["name"] == name)
    }

    fn set(&self, all: Vec<Value>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = all;
    }
}

/// Follows the leader until the shutdown.
pub(super) async fn keep(
    leader: Leader,
    (in_service, heard): (Arc<InService>, Heard),
    every: Duration,
    shutdown: Shutdown,
) {
    let mut held: HashMap<String, Arc<Served>> = HashMap::new();
    loop {
        match follow(&leader, &held).await {
            Ok((now, node_types)) => {
                in_service.replace_all(now.clone());
                heard.set(node_types);
                held = now;
            }
            Err(reason) => {
                tracing::warn!(
                    leader = leader.url,
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
    leader: &Leader,
    held: &HashMap<String, Arc<Served>>,
) -> Result<(HashMap<String, Arc<Served>>, Vec<Value>), String> {
    let list = leader.get("/v1/node-types").await?;
    let list: List = serde_json::from_slice(&list).map_err(|fault| fault.to_string())?;
    let mut now = HashMap::new();
    for listed in &list.node_types {
        let listed = Listed::deserialize(listed).map_err(|fault| fault.to_string())?;
        if listed.in_service == PRIOR {
            continue;
        }
        let known = held
            .get(&listed.name)
            .filter(|served| served.digest == listed.in_service);
        let served = if let Some(served) = known {
            Arc::clone(served)
        } else {
            let path = format!("/v1/models/{}", listed.in_service);
            let body = leader.get(&path).await?;
            Arc::new(check(&listed.in_service, Some(body))?)
        };
        now.insert(listed.name, served);
    }
    Ok((now, list.node_types))
}

impl Leader {
    async fn get(&self, path: &str) -> Result<Vec<u8>, String> {
        let url = format!("{}{path}", self.url.trim_end_matches('/'));
        let reply = self.files.call(Method::GET, &url, None, BOUNDS).await;
        let reply = reply.map_err(|fault| format!("\"{url}\": {fault}"))?;
        if reply.status.is_success() {
            Ok(reply.body.to_vec())
        } else {
            Err(format!("\"{url}\" answered {}", reply.status))
        }
    }
}
