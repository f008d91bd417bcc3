//! How often one caller may ask: a bucket of turns that fills with time;
//! memory is bounded.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Most callers that are remembered.
const CALLERS_MAX: usize = 4_096;

/// Turns by caller.
#[derive(Debug)]
pub(crate) struct Pace {
    per_second: f64,
    burst: f64,
    callers: HashMap<String, (Instant, f64)>,
}

impl Pace {
    /// So many turns a second, and so many at once.
    pub(crate) fn new(per_second: u32, burst: u32) -> Self {
        Self {
            per_second: f64::from(per_second.max(1)),
            burst: f64::from(burst.max(1)),
            callers: HashMap::new(),
        }
    }

    /// Takes a turn.
    ///
    /// # Errors
    /// If there is none: how long until there is.
    pub(crate) fn take(&mut self, caller: &str, now: Instant) -> Result<(), Duration> {
        if self.callers.len() >= CALLERS_MAX && !self.callers.contains_key(caller) {
            let full = self.burst / self.per_second;
            // Whoever's bucket is full again need not be remembered.
            self.callers
                .retain(|_, (at, _)| now.duration_since(*at).as_secs_f64() < full);
            if self.callers.len() >= CALLERS_MAX {
                return Err(Duration::from_secs(1));
            }
        }
        let (at, left) = self
            .callers
            .entry(caller.to_owned())
            .or_insert((now, self.burst));
        let filled = now.duration_since(*at).as_secs_f64() * self.per_second;
        *left = (*left + filled).min(self.burst);
        *at = now;
        if *left < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - *left) / self.per_second));
        }
        *left -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_waits_for_a_turn_and_others_do_not() {
        let (mut pace, start) = (Pace::new(2, 3), Instant::now());
        for _ in 0..3 {
            assert_eq!(pace.take("a", start), Ok(()));
        }
        assert_eq!(pace.take("a", start), Err(Duration::from_millis(500)));
        assert_eq!(pace.take("b", start), Ok(()));
        assert_eq!(pace.take("a", start + Duration::from_millis(500)), Ok(()));
    }

    #[test]
    fn memory_is_bounded_whoever_asks() {
        let (mut pace, start) = (Pace::new(1, 1), Instant::now());
        for caller in 0..10 * CALLERS_MAX {
            let _ = pace.take(&caller.to_string(), start);
        }
        assert_eq!(pace.callers.len(), CALLERS_MAX);
        assert_eq!(pace.take("new", start + Duration::from_secs(2)), Ok(()));
        assert_eq!(pace.callers.len(), 1);
    }
}
