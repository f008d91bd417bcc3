//! The models that were given out last, by digest, in memory: agents ask for
//! them again at once, and the database need not be asked.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

/// A bounded set of documents; the oldest make room.
#[derive(Debug)]
pub struct Given {
    capacity: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    bodies: HashMap<String, Arc<[u8]>>,
    order: VecDeque<String>,
}

impl Given {
    /// An empty set of at most `capacity` documents.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            held: Mutex::default(),
        }
    }

    /// Whether the document was given out before.
    #[must_use]
    pub fn has(&self, digest: &str) -> bool {
        self.lock().bodies.contains_key(digest)
    }

    /// Keeps a document's canonical bytes.
    pub fn keep(&self, digest: &str, body: Arc<[u8]>) {
        let mut held = self.lock();
        if held.bodies.insert(digest.to_owned(), body).is_some() {
            return;
        }
        held.order.push_back(digest.to_owned());
        while held.order.len() > self.capacity {
            if let Some(oldest) = held.order.pop_front() {
                held.bodies.remove(&oldest);
            }
        }
    }

    /// A document by its digest.
    #[must_use]
    pub fn get(&self, digest: &str) -> Option<Arc<[u8]>> {
        self.lock().bodies.get(digest).map(Arc::clone)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Held> {
        // No code panics while it holds the lock, and each step is whole.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
