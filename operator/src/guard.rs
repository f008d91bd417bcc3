//! Keeps a panic where it happened: the visit of one object ends, and nothing
//! else does.
//!
//! Nothing here is expected to panic, and lints forbid what does. Should a
//! library do so for one object's sake, all others must still be visited.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;

/// Longest text of a panic that is told, letters.
const TEXT_MAX: usize = 200;

/// A fault of this program ended what it names; the place is in the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a fault of tanso itself, tried again; please report it with the log: {text}")]
pub struct Panicked {
    text: String,
}

impl Panicked {
    /// What a panic left behind.
    #[must_use]
    pub fn of(payload: &(dyn Any + Send)) -> Self {
        let text = payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("a panic without words");
        Self {
            text: text.chars().take(TEXT_MAX).collect(),
        }
    }
}

/// Runs a visit to its end. If it panics, it is over and that is the answer.
///
/// # Errors
/// If the visit panicked.
pub async fn guarded<T>(visit: impl Future<Output = T>) -> Result<T, Panicked> {
    // Visits share maps, counters and caches of which each change is whole, and
    // locks that a panic does not close (tokio's, or with `into_inner`).
    AssertUnwindSafe(visit)
        .catch_unwind()
        .await
        .map_err(|payload| Panicked::of(payload.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_ends_its_visit_and_is_told_in_few_words() {
        let name = "a".repeat(999);
        let broken = guarded(async move {
            tokio::task::yield_now().await;
            assert!(name.is_empty(), "{name}");
        })
        .await
        .unwrap_err();
        assert_eq!(broken.text, "a".repeat(TEXT_MAX));
        let silent = guarded(async { std::panic::panic_any(7) }).await;
        let silent: Result<(), Panicked> = silent;
        assert!(silent.unwrap_err().to_string().contains("without words"));
        assert_eq!(guarded(async { 7 }).await, Ok(7));
    }
}
