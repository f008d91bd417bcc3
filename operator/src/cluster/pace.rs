//! A ceiling on writes: at most so many begin within any minute.
//!
//! A write above it waits; none is dropped, and none overtakes the ceiling by
//! a burst at the turn of a minute. It counts from the start of the process.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::metrics::Metrics;

/// What the ceiling is over.
const MINUTE: Duration = Duration::from_mins(1);

/// Keeps writes below a ceiling. Clones share it.
#[derive(Clone, Debug)]
pub struct Pace {
    per_minute: usize,
    /// When the writes of the last minute began, oldest first.
    begun: Arc<Mutex<VecDeque<Instant>>>,
    metrics: Metrics,
}

impl Pace {
    /// At most that many within any minute; the ceiling and what waits for it
    /// are told by the metrics.
    #[must_use]
    pub fn new(per_minute: NonZeroU32, metrics: Metrics) -> Self {
        metrics.writes_ceiling(per_minute.get());
        Self {
            per_minute: usize::try_from(per_minute.get()).unwrap_or(usize::MAX),
            begun: Arc::default(),
            metrics,
        }
    }

    /// Waits until one more write may begin, and counts it.
    pub async fn turn(&self) {
        let Some(mut wait) = self.take() else {
            return;
        };
        self.metrics.write_delayed();
        let since = Instant::now();
        tracing::debug!(wait_s = wait.as_secs(), "the ceiling on writes is reached");
        loop {
            sleep(wait).await;
            match self.take() {
                Some(longer) => wait = longer,
                None => break,
            }
        }
        self.metrics.writes_waited(since.elapsed());
    }

    /// Takes a place of this minute; without one, how long until there may be.
    fn take(&self) -> Option<Duration> {
        let now = Instant::now();
        // No code panics while it holds the lock, and each change is whole.
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        while begun
            .front()
            .is_some_and(|first| now.duration_since(*first) >= MINUTE)
        {
            begun.pop_front();
        }
        if begun.len() < self.per_minute {
            begun.push_back(now);
            return None;
        }
        let first = begun.front()?;
        Some(MINUTE.saturating_sub(now.duration_since(*first)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(per_minute: u32) -> Pace {
        Pace::new(NonZeroU32::new(per_minute).unwrap(), Metrics::default())
    }

    #[tokio::test(start_paused = true)]
    async fn no_minute_has_more_writes_than_the_ceiling_and_none_is_lost() {
        let (pace, start) = (pace(5), Instant::now());
        let mut writers = Vec::new();
        for number in 0..23_u64 {
            let pace = pace.clone();
            writers.push(tokio::spawn(async move {
                // Unevenly: a window of the clock's minutes would let ten through.
                sleep(Duration::from_secs(number * 7 % 61)).await;
                pace.turn().await;
                start.elapsed()
            }));
        }
        let mut begun = Vec::new();
        for writer in writers {
            begun.push(writer.await.unwrap());
        }
        begun.sort();
        assert_eq!(begun.len(), 23);
        for (number, at) in begun.iter().enumerate() {
            let within = begun[..=number]
                .iter()
                .filter(|earlier| at.saturating_sub(**earlier) < MINUTE);
            assert!(within.count() <= 5, "{begun:?}");
        }
        assert!(begun[22] >= Duration::from_mins(4), "{begun:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn below_the_ceiling_nothing_waits() {
        let (pace, start) = (pace(100), Instant::now());
        for _ in 0..100 {
            pace.turn().await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}
