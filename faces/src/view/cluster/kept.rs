//! What one reader listed, for those whose questions follow each other closely.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::FactsFault;

/// How long the policies of a whole cluster are kept: a caller's questions
/// follow each other closely, and a thousand statuses are long.
pub(crate) const KEPT: Duration = Duration::from_secs(2);

/// What was read, and when.
pub(super) type Kept<T> = Arc<Mutex<Option<(Instant, Arc<T>)>>>;

/// What was listed a moment ago, or is now; who comes meanwhile waits for it. What
/// nobody asks for any more goes: a thousand statuses are long.
pub(super) async fn kept<T: Send + Sync + 'static>(
    place: &Kept<T>,
    read: impl Future<Output = Result<T, FactsFault>>,
) -> Result<Arc<T>, FactsFault> {
    let mut held = place.lock().await;
    if let Some((at, found)) = &*held
        && at.elapsed() < KEPT
    {
        return Ok(Arc::clone(found));
    }
    // Before another is read beside it.
    *held = None;
    let found = Arc::new(read.await?);
    let now = Instant::now();
    *held = Some((now, Arc::clone(&found)));
    let place = Arc::downgrade(place);
    tokio::spawn(async move {
        tokio::time::sleep_until(now + KEPT).await;
        let Some(place) = place.upgrade() else {
            return;
        };
        let mut held = place.lock().await;
        if held.as_ref().is_some_and(|(at, _)| *at == now) {
            *held = None;
        }
    });
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All policies of a cluster stayed in memory from the first question on.
    #[tokio::test(start_paused = true)]
    async fn what_was_listed_serves_the_next_questions_and_then_goes() {
        let place: Kept<&str> = Kept::default();
        let of = |name: &'static str| kept(&place, async move { Ok(name) });
        let first = of("first").await.unwrap();
        assert_eq!(*of("second").await.unwrap(), "first");
        tokio::time::sleep(KEPT + Duration::from_millis(1)).await;
        assert!(place.lock().await.is_none());
        assert_eq!(Arc::strong_count(&first), 1);
        assert_eq!(*of("third").await.unwrap(), "third");
    }
}
