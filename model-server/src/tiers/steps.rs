//! How far training is, for whoever waits.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::columns::View;

/// Hears how many steps of how many are done; from several threads.
pub type Tell<'a> = dyn Fn(usize, usize) + Sync + 'a;

/// Steps of one view: its process, and its six tiers.
pub(crate) const OF_A_VIEW: usize = 7;
/// Tiers that a guest's view lacks: a known CPU model has a data sheet.
const NOT_OF_GUESTS: usize = 4;
/// All steps: the views', the means' and the instances'.
const ALL: usize = View::ALL.len() * OF_A_VIEW - NOT_OF_GUESTS + 2;

/// Counts the steps of a training.
pub(crate) struct Steps<'a> {
    done: AtomicUsize,
    tell: &'a Tell<'a>,
}

impl<'a> Steps<'a> {
    /// Nothing is done yet.
    pub(crate) fn new(tell: &'a Tell<'a>) -> Self {
        tell(0, ALL);
        Self {
            done: AtomicUsize::new(0),
            tell,
        }
    }

    /// One more step is done.
    pub(crate) fn done(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        (self.tell)(done.min(ALL), ALL);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use crate::catalog::Catalog;
    use crate::select::Selector;

    #[test]
    fn training_tells_each_of_its_steps() {
        let heard = Mutex::new(Vec::new());
        let tell = |done: usize, all: usize| heard.lock().unwrap().push((done, all));
        Selector::learn_telling(Catalog::bundled(), &tell).unwrap();
        let mut heard = heard.into_inner().unwrap();
        heard.sort_unstable();
        let all = super::ALL;
        let wanted: Vec<(usize, usize)> = (0..=all).map(|done| (done, all)).collect();
        assert_eq!(heard, wanted);
    }
}
