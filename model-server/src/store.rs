//! The models that were given out, by digest, in memory.
//!
//! Every one of them can be made again by asking the same question, so the
//! store is bounded and forgets the oldest first.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::select::Selection;

/// A bounded set of models.
#[derive(Debug)]
pub struct Store {
    capacity: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    models: HashMap<String, Selection>,
    order: VecDeque<String>,
}

/// A model in a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    digest: String,
    name: String,
    tier: &'static str,
    mape_percent: f64,
}

impl Store {
    /// An empty store of at most `capacity` models.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            held: Mutex::default(),
        }
    }

    /// Keeps a model.
    pub fn keep(&self, selection: &Selection) {
        let mut held = self.lock();
        if held
            .models
            .insert(selection.digest.clone(), selection.clone())
            .is_some()
        {
            return;
        }
        held.order.push_back(selection.digest.clone());
        while held.order.len() > self.capacity {
            if let Some(oldest) = held.order.pop_front() {
                held.models.remove(&oldest);
            }
        }
    }

    /// A model by its digest.
    #[must_use]
    pub fn get(&self, digest: &str) -> Option<Selection> {
        self.lock().models.get(digest).cloned()
    }

    /// All models, the oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<Listed> {
        let held = self.lock();
        let listed = |digest: &String| {
            let model = held.models.get(digest)?;
            Some(Listed {
                digest: digest.clone(),
                name: model.document.name.clone(),
                tier: model.tier.name(),
                mape_percent: model.document.error.mape_percent,
            })
        };
        held.order.iter().filter_map(listed).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        // No code panics while it holds the lock, and each step is whole.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
