//! Passes a watch on, line by line, and lets it go wrong.
//!
//! Two events of one object are never swapped: no API server does that.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use http_body_util::BodyExt as _;
use http_body_util::channel::Sender;
use hyper::body::Bytes;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use crate::fault::Fault;

/// How late the events of a late watch are.
const LATE: Duration = Duration::from_millis(700);

/// How long an event waits for one that makes it superfluous.
const MERGE_WITHIN: Duration = Duration::from_millis(300);

/// How long a watch lives that is cut.
const CUT_AFTER: Duration = Duration::from_millis(500);

/// Reads whole lines of a body.
struct Lines<B> {
    body: B,
    rest: Vec<u8>,
}

impl<B> Lines<B>
where
    B: hyper::body::Body<Data = Bytes> + Unpin,
{
    /// The next line with its end; `None` when the body ends. May be
    /// cancelled without losing anything.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let tail = self.rest.split_off(end + 1);
                return Some(Bytes::from(std::mem::replace(&mut self.rest, tail)));
            }
            let frame = self.body.frame().await?.ok()?;
            if let Ok(data) = frame.into_data() {
                self.rest.extend_from_slice(&data);
            }
        }
    }
}

/// Passes events on until one side ends. `struck` is called once whenever a
/// fault really happened.
pub async fn pump<B>(
    body: B,
    mut out: Sender<Bytes, io::Error>,
    fault: Option<Fault>,
    struck: impl Fn(),
) where
    B: hyper::body::Body<Data = Bytes> + Unpin,
{
    let mut lines = Lines {
        body,
        rest: Vec::new(),
    };
    match fault {
        Some(Fault::WatchMerged) => merged(&mut lines, &mut out, struck).await,
        // `out` stays open: there is no end to it.
        Some(Fault::WatchSilent) => {
            struck();
            while lines.next().await.is_some() {}
        }
        Some(fault) => faulty(&mut lines, &mut out, fault, struck).await,
        None => {
            while let Some(line) = lines.next().await {
                if out.send_data(line).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn faulty<B>(
    lines: &mut Lines<B>,
    out: &mut Sender<Bytes, io::Error>,
    fault: Fault,
    struck: impl Fn(),
) where
    B: hyper::body::Body<Data = Bytes> + Unpin,
{
    let end = Instant::now() + CUT_AFTER;
    loop {
        let line = if fault == Fault::WatchCut {
            let rest = end.saturating_duration_since(Instant::now());
            timeout(rest, lines.next()).await.unwrap_or(None)
        } else {
            lines.next().await
        };
        let Some(line) = line else { return };
        let sent = match fault {
            Fault::WatchGone => {
                struck();
                let error = r#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"too old resource version","reason":"Expired","code":410}}"#;
                let _ = out.send_data(Bytes::from(format!("{error}\n"))).await;
                return;
            }
            Fault::WatchGarbled => {
                struck();
                let half = line.slice(..line.len() / 2);
                let _ = out.send_data(half).await;
                let _ = out.send_data(Bytes::from_static(b"\n")).await;
                return;
            }
            Fault::WatchDoubled => {
                let _ = out.send_data(line.clone()).await;
                out.send_data(line).await
            }
            Fault::WatchLate => {
                sleep(LATE).await;
                out.send_data(line).await
            }
            _ => out.send_data(line).await,
        };
        if sent.is_err() {
            return;
        }
    }
}

/// Holds every change back for a moment; one that is followed by another of
/// the same object is never seen.
async fn merged<B>(lines: &mut Lines<B>, out: &mut Sender<Bytes, io::Error>, struck: impl Fn())
where
    B: hyper::body::Body<Data = Bytes> + Unpin,
{
    let mut order: Vec<String> = Vec::new();
    let mut held: HashMap<String, Bytes> = HashMap::new();
    loop {
        let line = timeout(MERGE_WITHIN, lines.next()).await;
        match line {
            Ok(Some(line)) => {
                let (key, is_change) = identity(&line);
                if held.contains_key(&key) && is_change {
                    struck();
                    order.retain(|other| *other != key);
                }
                order.push(key.clone());
                held.insert(key, line);
            }
            Ok(None) => return,
            Err(_) => {
                for key in order.drain(..) {
                    if let Some(line) = held.remove(&key)
                        && out.send_data(line).await.is_err()
                    {
                        return;
                    }
                }
            }
        }
    }
}

/// Whose event it is, and whether it is a change that an earlier one of the
/// same object may be merged with. An end is never merged into a beginning.
fn identity(line: &[u8]) -> (String, bool) {
    let event: Value = serde_json::from_slice(line).unwrap_or_default();
    let is_change = event["type"] == "MODIFIED";
    let uid = event["object"]["metadata"]["uid"].as_str();
    match uid {
        Some(uid) if is_change => (uid.to_owned(), true),
        // Bookmarks, additions and ends stand for themselves.
        _ => {
            let version = &event["object"]["metadata"]["resourceVersion"];
            (format!("{}{version}", event["type"]), false)
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{Channel, Full};

    use super::*;

    async fn through(text: &str, fault: Option<Fault>) -> String {
        let (sender, channel) = Channel::<Bytes, io::Error>::new(64);
        let body = Full::new(Bytes::from(text.to_owned()));
        pump(body, sender, fault, || ()).await;
        let bytes = channel
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes);
        String::from_utf8(bytes.unwrap_or_default().to_vec()).unwrap_or_default()
    }

    #[tokio::test]
    async fn without_a_fault_every_line_comes_through() {
        assert_eq!(through("{}\n{}\n", None).await, "{}\n{}\n");
    }

    #[tokio::test]
    async fn an_expired_watch_says_so_and_ends() {
        let text = through("{}\n{}\n", Some(Fault::WatchGone)).await;
        assert_eq!(text.lines().count(), 1);
        assert!(text.contains("\"code\":410"), "{text}");
    }

    #[tokio::test]
    async fn a_silent_watch_says_nothing() {
        assert_eq!(through("{}\n{}\n", Some(Fault::WatchSilent)).await, "");
    }

    #[test]
    fn only_changes_of_one_object_can_be_merged() {
        let event = |type_: &str, version: u32| {
            format!(
                r#"{{"type":"{type_}","object":{{"metadata":{{"uid":"u","resourceVersion":"{version}"}}}}}}"#
            )
        };
        let of = |type_, version| identity(event(type_, version).as_bytes());
        assert_eq!(of("MODIFIED", 1), of("MODIFIED", 2));
        assert_ne!(of("ADDED", 1), of("ADDED", 2));
        assert_ne!(of("DELETED", 3).0, of("MODIFIED", 3).0);
    }
}
