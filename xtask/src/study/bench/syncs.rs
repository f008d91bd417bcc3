//! When Flux synced what, as its objects tell it: in whole seconds.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;

/// What a time of an object may lie behind the true one.
const SECOND: f64 = 1.0;

/// Flux was switched on, and has delivered once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::study) struct Started {
    /// When it was switched on.
    pub(in crate::study) begun: Instant,
    /// The earliest that a source or Kustomization was synced, after that.
    pub(in crate::study) first: Duration,
    /// The latest.
    pub(in crate::study) last: Duration,
}

impl Started {
    /// From what source and Kustomizations say once all is delivered. What a
    /// suspended Kustomization says of earlier starts does not count.
    pub(super) fn of(
        (begun, at): (Instant, Timestamp),
        source: &Value,
        kustomizations: &Value,
    ) -> Self {
        let artifact = &source["status"]["artifact"]["lastUpdateTime"];
        let all = kustomizations["items"].as_array();
        let synced = all.into_iter().flatten().flat_map(synced);
        let begun_at = seconds(at);
        let after: Vec<f64> = synced
            .chain(time(artifact))
            .map(|second| second - begun_at)
            .filter(|after| *after > -SECOND)
            .collect();
        let first = after.iter().copied().fold(f64::INFINITY, f64::min);
        let last = after.iter().copied().fold(0.0, f64::max) + SECOND;
        let whole = |seconds: f64| Duration::try_from_secs_f64(seconds.max(0.0)).ok();
        Self {
            begun,
            first: whole(first).unwrap_or_default(),
            last: whole(last).unwrap_or_default(),
        }
    }
}

/// Whether a Kustomization's history has a sync between two moments, seconds since
/// 1970; one in a second that a moment falls into counts.
pub(super) fn was_synced(kustomization: &Value, from: f64, to: f64) -> bool {
    synced(kustomization).any(|second| second + SECOND > from && second < to)
}

/// When a Kustomization was last synced with each of its latest contents.
fn synced(kustomization: &Value) -> impl Iterator<Item = f64> {
    let history = kustomization["status"]["history"].as_array();
    let history = history.into_iter().flatten();
    history.filter_map(|one| time(&one["lastReconciled"]))
}

fn time(value: &Value) -> Option<f64> {
    let time = value.as_str()?.parse::<Timestamp>().ok()?;
    Some(seconds(time))
}

fn seconds(time: Timestamp) -> f64 {
    time.as_duration().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kustomization(times: &[&str]) -> Value {
        let one = |time: &&str| json!({"digest": "d", "lastReconciled": time});
        let history: Vec<_> = times.iter().map(one).collect();
        json!({"status": {"history": history}})
    }

    #[test]
    fn a_sync_counts_in_the_phase_that_its_second_lies_in() {
        // 2026-11-22T20:00:30Z
        let at = 1_795_377_630.0;
        let one = kustomization(&["2026-11-22T20:00:30Z", "2026-11-22T19:00:00Z"]);
        assert!(was_synced(&one, at - 5.0, at + 5.0));
        assert!(was_synced(&one, at + 0.7, at + 10.7));
        assert!(!was_synced(&one, at + 1.0, at + 11.0));
        assert!(!was_synced(&one, at - 10.0, at));
        assert!(!was_synced(&json!({"status": {}}), 0.0, at));
    }

    #[test]
    fn a_start_knows_its_first_and_last_sync_and_none_of_an_earlier_start() {
        let begun = (
            Instant::now(),
            "2026-11-22T20:00:00.5Z".parse::<Timestamp>().unwrap(),
        );
        let source = json!({"status": {"artifact": {"lastUpdateTime": "2026-11-22T20:00:02Z"}}});
        let all = json!({"items": [
            kustomization(&["2026-11-22T20:00:05Z", "2026-11-22T19:58:00Z"]),
            kustomization(&["2026-11-22T20:00:04Z"]),
            kustomization(&["2026-11-22T19:00:00Z"]),
        ]});
        let found = Started::of(begun, &source, &all);
        assert_eq!(found.first, Duration::from_millis(1_500));
        assert_eq!(found.last, Duration::from_millis(5_500));
        // Where nothing is told, the start itself is all that is known.
        let none = Started::of(begun, &json!({}), &json!({}));
        assert_eq!(none.first, Duration::ZERO);
    }
}
