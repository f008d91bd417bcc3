//! Answers from the bundled tables that were made before: nodes of one kind ask
//! alike, and the tables do not change while the server runs.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::answers::Answer;
use crate::features::Machine;

/// Answers kept; when there are more, all are forgotten.
const KEPT_MAX: usize = 4_096;

/// Answers by question.
#[derive(Debug, Default)]
pub(super) struct Made {
    held: RwLock<HashMap<String, Arc<Answer>>>,
}

impl Made {
    /// The name of a question: all that the answer hangs on.
    pub(super) fn question(machine: &Machine, rapl: bool, level: f64) -> String {
        format!("{rapl} {level} {machine:?}")
    }

    /// The answer to a question.
    pub(super) fn get(&self, question: &str) -> Option<Arc<Answer>> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.get(question).map(Arc::clone)
    }

    /// Keeps an answer.
    pub(super) fn keep(&self, question: String, answer: &Arc<Answer>) {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= KEPT_MAX {
            held.clear();
        }
        held.insert(question, Arc::clone(answer));
    }
}
