//! An answer's memory, used again for the next one.
//!
//! A page that the system hands out is cleared and mapped first, and taken back
//! after it was sent: an answer of a megabyte has hundreds of them, and readers
//! come every few seconds. One answer's memory stays, and no more of it than a
//! plain text of some 500 containers has.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;

/// More than this is the system's again at once, bytes.
const KEPT_MAX: usize = 1 << 20;

/// The memory of an answer that was sent.
#[derive(Debug, Default)]
pub struct Spare(Mutex<Vec<u8>>);

impl Spare {
    /// Takes the memory; empty if there is none, or another answer has it.
    #[must_use]
    pub fn take(&self) -> Vec<u8> {
        mem::take(&mut *self.lock())
    }

    /// Bytes to be sent, whose memory comes back when they were.
    #[must_use]
    pub fn lend(self: &Arc<Self>, answer: Vec<u8>) -> Bytes {
        Bytes::from_owner(Lent {
            answer,
            of: Arc::clone(self),
        })
    }

    fn keep(&self, memory: Vec<u8>) {
        if memory.capacity() > KEPT_MAX {
            return;
        }
        let mut held = self.lock();
        if held.capacity() < memory.capacity() {
            *held = memory;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        // Each step under the lock is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer that is being sent.
struct Lent {
    answer: Vec<u8>,
    of: Arc<Spare>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.answer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.of.keep(mem::take(&mut self.answer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(length: usize) -> Vec<u8> {
        vec![b'x'; length]
    }

    #[test]
    fn an_answers_memory_comes_back_once_it_was_sent() {
        let spare = Arc::new(Spare::default());
        let sent = spare.lend(answer(70_000));
        let place = sent.as_ptr();
        assert_eq!(spare.take().capacity(), 0);
        drop(sent);
        let again = spare.take();
        assert_eq!((again.as_ptr(), again.len()), (place, 70_000));
    }

    #[test]
    fn of_two_answers_the_larger_stays_and_of_a_huge_one_nothing() {
        let spare = Arc::new(Spare::default());
        let both = [spare.lend(answer(20_000)), spare.lend(answer(10_000))];
        drop(both);
        assert_eq!(spare.take().len(), 20_000);
        drop(spare.lend(answer(KEPT_MAX + 1)));
        assert_eq!(spare.take().capacity(), 0);
    }
}
