//! Folds of work, two at a time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Does `work` for each item, two at a time; `step` is told after each how many
/// of how many are done. What came of them is in their order.
///
/// # Errors
/// The first that a worker met.
pub(super) fn each<T: Sync, R: Send, E: Send>(
    items: &[T],
    step: impl Fn(usize, usize) + Sync,
    work: impl Fn(&T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let found: Mutex<Vec<(usize, R)>> = Mutex::default();
    let worker = || -> Result<(), E> {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else {
                return Ok(());
            };
            let result = work(item)?;
            // No code panics while it holds the lock.
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            found.push((at, result));
            drop(found);
            step(done.fetch_add(1, Ordering::Relaxed) + 1, items.len());
        }
    };
    std::thread::scope(|scope| {
        let threads = [scope.spawn(worker), scope.spawn(worker)];
        threads.into_iter().try_for_each(|thread| {
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    })?;
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.sort_by_key(|(at, _)| *at);
    Ok(found.into_iter().map(|(_, result)| result).collect())
}
