//! An end to silence: a connection whose other side is gone without a word.
//!
//! Reads and writes of visits have a deadline of their own; lists and watches of
//! the controllers' caches have none, and one that waits for ever would leave
//! the operator blind. A watch that is silent ends, as the API server ends it
//! from time to time, and goes on from the last version that was seen; every
//! other answer that stops in its middle is an error, and asked for again.

use std::time::Duration;

use futures::{Stream, stream};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Bytes, Frame};
use hyper::{Request, Response};
use kube::Client;
use kube::client::Body;
use tokio::time::timeout;
use tower::service_fn;

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// The API server said nothing for too long.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the API server was silent for {0:?}")]
pub struct Silent(Duration);

/// The same client; every wait of its answers, for their beginning and from each
/// piece to the next, ends after that time.
#[must_use]
pub fn bounded(client: Client, longest: Duration) -> Client {
    let namespace = client.default_namespace().to_owned();
    let service = service_fn(move |request: Request<Body>| {
        let client = client.clone();
        let is_watch = watches(request.uri().query().unwrap_or_default());
        async move {
            let answer = timeout(longest, client.send(request))
                .await
                .map_err(|_| Fault::from(Silent(longest)))??;
            Ok::<_, Fault>(within(answer, longest, is_watch))
        }
    });
    Client::new(service, namespace)
}

fn watches(query: &str) -> bool {
    query
        .split('&')
        .any(|part| matches!(part, "watch=true" | "watch=1"))
}

fn within(
    answer: Response<Body>,
    longest: Duration,
    is_watch: bool,
) -> Response<StreamBody<impl Stream<Item = Result<Frame<Bytes>, Fault>>>> {
    answer.map(|body| {
        let pieces = stream::unfold(Some(body), move |body| async move {
            let mut body = body?;
            match timeout(longest, body.frame()).await {
                Ok(Some(Ok(piece))) => Some((Ok(piece), Some(body))),
                Ok(Some(Err(fault))) => Some((Err(Fault::from(fault)), None)),
                Ok(None) => None,
                Err(_) if is_watch => {
                    tracing::debug!(?longest, "a watch was silent; watching again");
                    None
                }
                Err(_) => Some((Err(Fault::from(Silent(longest))), None)),
            }
        });
        StreamBody::new(pieces)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures::{StreamExt as _, TryStreamExt as _};
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::Api;
    use kube::runtime::{WatchStreamExt as _, watcher};

    use super::*;

    /// An API server that begins a list and never ends it, or answers one with
    /// nothing in it; its watches say one thing and then nothing.
    fn mute(asked: Arc<AtomicU32>, lists_end: bool) -> Client {
        let service = service_fn(move |request: Request<Body>| {
            let asked = Arc::clone(&asked);
            async move {
                let number = asked.fetch_add(1, Ordering::Relaxed);
                let text = if watches(request.uri().query().unwrap_or_default()) {
                    format!(
                        "{{\"type\":\"ADDED\",\"object\":{{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{{\"name\":\"n{number}\",\"resourceVersion\":\"{number}\"}}}}}}\n"
                    )
                } else if lists_end {
                    let list = r#"{"apiVersion":"v1","kind":"ConfigMapList","metadata":{"resourceVersion":"1"},"items":[]}"#;
                    return Ok(Response::new(StreamBody::new(
                        stream::iter([Ok::<_, Fault>(piece(list.to_owned()))]).boxed(),
                    )));
                } else {
                    "{\"items\":[".to_owned()
                };
                let first = stream::iter([Ok::<_, Fault>(piece(text))]);
                let body = first.chain(stream::pending()).boxed();
                Ok::<_, Fault>(Response::new(StreamBody::new(body)))
            }
        });
        Client::new(service, "default")
    }

    fn piece(text: String) -> Frame<Bytes> {
        Frame::data(Bytes::from(text))
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_that_never_ends_is_an_error_and_no_wait_for_ever() {
        let client = bounded(mute(Arc::default(), false), Duration::from_mins(1));
        let begun = tokio::time::Instant::now();
        let maps: Api<ConfigMap> = Api::all(client);
        let fault = maps.list(&kube::api::ListParams::default()).await;
        assert!(fault.is_err());
        assert_eq!(begun.elapsed(), Duration::from_mins(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_falls_silent_is_opened_again_without_an_error() {
        let asked = Arc::new(AtomicU32::new(0));
        let client = bounded(mute(Arc::clone(&asked), true), Duration::from_mins(1));
        let maps: Api<ConfigMap> = Api::all(client);
        let events = watcher(maps, watcher::Config::default());
        let seen: Vec<ConfigMap> = events
            .applied_objects()
            .take(3)
            .try_collect()
            .await
            .unwrap();
        let names: Vec<_> = seen
            .iter()
            .filter_map(|map| map.metadata.name.clone())
            .collect();
        // One list, then three watches.
        assert_eq!(names, ["n1", "n2", "n3"]);
        assert_eq!(asked.load(Ordering::Relaxed), 4);
    }
}
