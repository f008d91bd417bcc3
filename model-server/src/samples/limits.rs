//! How many samples a node may send: a bucket per node that fills by itself.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Samples that a node may send at once: what an agent kept over an outage.
pub const BURST: f64 = 400.0;
/// Samples per second that a node may send in the long run; agents send one a
/// minute.
pub const RATE: f64 = 0.1;
/// Nodes whose buckets are kept; full ones are forgotten first.
const BUCKETS_MAX: usize = 20_000;

/// The nodes' buckets.
#[derive(Debug, Default)]
pub struct Limits {
    buckets: Mutex<HashMap<String, Bucket>>,
}

#[derive(Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Bucket {
    fn left(&self, now: Instant) -> f64 {
        let filled = now.saturating_duration_since(self.at).as_secs_f64() * RATE;
        (self.left + filled).min(BURST)
    }
}

impl Limits {
    /// Takes `samples` from the node's bucket.
    ///
    /// # Errors
    /// How long to wait, if it holds too few; then nothing is taken.
    pub fn take(&self, node: &str, samples: u32, now: Instant) -> Result<(), Duration> {
        let wanted = f64::from(samples);
        // Each step under the lock is whole.
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= BUCKETS_MAX && !buckets.contains_key(node) {
            buckets.retain(|_, bucket| bucket.left(now) < BURST);
            if buckets.len() >= BUCKETS_MAX {
                return Err(Duration::from_mins(1));
            }
        }
        let bucket = buckets.entry(node.to_owned()).or_insert(Bucket {
            left: BURST,
            at: now,
        });
        let left = bucket.left(now);
        if left < wanted {
            return Err(Duration::from_secs_f64(((wanted - left) / RATE).ceil()));
        }
        *bucket = Bucket {
            left: left - wanted,
            at: now,
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_sends_too_much_waits_and_others_do_not() {
        let (limits, now) = (Limits::default(), Instant::now());
        for _ in 0..4 {
            assert_eq!(limits.take("loud", 96, now), Ok(()));
        }
        let wait = limits.take("loud", 96, now).unwrap_err();
        assert_eq!(wait, Duration::from_secs(800));
        assert_eq!(limits.take("quiet", 96, now), Ok(()));
        assert_eq!(limits.take("loud", 96, now + wait), Ok(()));
    }
}
