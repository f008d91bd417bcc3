//! When something of a kind changed, by a watch that carries the objects' metadata
//! alone: whoever reads ahead need not read what stayed as it was.

use std::fmt;
use std::time::Duration;

use futures::stream::{self, BoxStream, Stream, StreamExt as _};
use kube::Resource;
use kube::api::{Api, PartialObjectMeta, WatchEvent, WatchParams};
use serde::de::DeserializeOwned;
use tokio::time::{sleep, timeout};

/// From where a watch begins that knows no version: it tells first what there is.
const ANY: &str = "0";
/// How long one watch lasts; the API server ends it then.
const LASTS_S: u32 = 290;
/// After so long without a word a watch is given up: its server is gone.
const SILENCE: Duration = Duration::from_mins(5);
/// Before a watch that ended is opened anew: one that ends at once costs little.
const AGAIN: Duration = Duration::from_secs(1);
/// Where nothing can be watched, it is taken for changed so often.
const UNSEEN: Duration = Duration::from_mins(1);

type Event<K> = WatchEvent<PartialObjectMeta<K>>;

/// A watch, and the version up to which it has told.
struct Watch<K> {
    api: Api<K>,
    version: String,
    events: Option<BoxStream<'static, Result<Event<K>, kube::Error>>>,
}

/// An item each time that an object of a kind may have changed; never ends. It
/// begins with one for each object that there is.
pub(super) fn changes<K>(api: Api<K>) -> impl Stream<Item = ()> + Send + 'static
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + fmt::Debug + Send + 'static,
{
    let watch = Watch {
        api,
        version: ANY.to_owned(),
        events: None,
    };
    stream::unfold(watch, |mut watch| async move {
        watch.change().await;
        Some(((), watch))
    })
}

impl<K> Watch<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + fmt::Debug + Send + 'static,
{
    /// Waits for the next change, or for what may hide one.
    async fn change(&mut self) {
        loop {
            let Some(events) = &mut self.events else {
                if self.open().await {
                    continue;
                }
                sleep(UNSEEN).await;
                return;
            };
            let told = timeout(SILENCE, events.next()).await;
            match told {
                Ok(Some(Ok(event))) => {
                    if self.has_changed(event) {
                        return;
                    }
                }
                // What is opened anew goes on from where this one was.
                Ok(Some(Err(_)) | None) | Err(_) => self.events = None,
            }
            if self.events.is_none() {
                sleep(AGAIN).await;
            }
        }
    }

    /// Whether it was opened.
    async fn open(&mut self) -> bool {
        let params = WatchParams::default().timeout(LASTS_S);
        let opened = self.api.watch_metadata(&params, &self.version);
        let opened = timeout(SILENCE, opened).await;
        match opened {
            Ok(Ok(events)) => {
                self.events = Some(events.boxed());
                true
            }
            Ok(Err(fault)) => {
                tracing::debug!(%fault, kind = %K::kind(&()), "changes cannot be watched");
                ANY.clone_into(&mut self.version);
                false
            }
            Err(_) => false,
        }
    }

    /// Notes how far it has told, and says whether that was a change.
    fn has_changed(&mut self, event: Event<K>) -> bool {
        let version = match event {
            WatchEvent::Added(one) | WatchEvent::Modified(one) | WatchEvent::Deleted(one) => {
                self.version = one.metadata.resource_version.unwrap_or_default();
                return true;
            }
            WatchEvent::Bookmark(mark) => mark.metadata.resource_version,
            // Most often the version is too old: it begins again with what there is.
            WatchEvent::Error(_) => {
                self.events = None;
                ANY.to_owned()
            }
        };
        self.version = version;
        false
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::sync::{Arc, Mutex};

    use http_body_util::BodyExt as _;
    use hyper::{Request, Response};
    use kube::Client;
    use kube::client::Body;
    use serde_json::{Value, json};
    use tanso_crds::CarbonPolicy;

    use super::*;

    fn event(kind: &str, version: &str) -> Value {
        let meta = json!({"name": "korea", "namespace": "shop", "resourceVersion": version});
        json!({"type": kind, "object": {"apiVersion": "meta.k8s.io/v1",
            "kind": "PartialObjectMetadata", "metadata": meta}})
    }

    /// Watches that tell so, one after another, and then one that is refused.
    fn told(watches: Vec<Vec<Value>>) -> (Api<CarbonPolicy>, Arc<Mutex<Vec<String>>>) {
        let left = Arc::new(Mutex::new(VecDeque::from(watches)));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        let answer = move |request: Request<Body>| {
            let query = request.uri().query().unwrap_or_default().to_owned();
            let mut pairs = query.split('&');
            let version = pairs.find_map(|pair| pair.strip_prefix("resourceVersion="));
            let version = version.map(str::to_owned);
            seen.lock().unwrap().extend(version);
            let next = left.lock().unwrap().pop_front();
            async move {
                // The request's body is none.
                request.into_body().collect().await.unwrap();
                let Some(events) = next else {
                    let refused = Response::builder().status(403);
                    return Ok::<_, Infallible>(refused.body(Body::from(b"{}".to_vec())).unwrap());
                };
                let lines: Vec<_> = events.iter().map(|event| format!("{event}\n")).collect();
                Ok(Response::new(Body::from(lines.concat().into_bytes())))
            }
        };
        let client = Client::new(tower::service_fn(answer), "default");
        (Api::all(client), asked)
    }

    #[tokio::test(start_paused = true)]
    async fn each_change_is_told_and_a_watch_goes_on_from_the_last_one() {
        let (api, asked) = told(vec![
            vec![event("ADDED", "11"), event("MODIFIED", "14")],
            vec![event("BOOKMARK", "20")],
            vec![
                json!({"type": "ERROR", "object": {"kind": "Status", "apiVersion": "v1",
                "status": "Failure", "code": 410, "reason": "Expired", "message": "too old"}}),
            ],
            vec![event("DELETED", "31")],
        ]);
        let mut changes = Box::pin(changes(api));
        for _ in 0..3 {
            changes.next().await.unwrap();
        }
        // What is said of nothing but versions is no change.
        assert_eq!(*asked.lock().unwrap(), ["0", "14", "20", "0"]);
        // Nobody tells any more: it is looked at now and then.
        let begun = tokio::time::Instant::now();
        changes.next().await.unwrap();
        assert!(begun.elapsed() >= UNSEEN);
        assert_eq!(*asked.lock().unwrap(), ["0", "14", "20", "0", "31"]);
    }
}
