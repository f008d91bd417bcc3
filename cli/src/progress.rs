//! How far long work is: a bar on standard error while that is a terminal, and
//! nothing at all where it is not, so that no log fills up and no program that
//! reads the answer is disturbed.

use std::io;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar; hidden where standard error is no terminal. Clones are the same bar,
/// which is gone when the last of them is.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    bar: Arc<Bar>,
}

#[derive(Debug)]
struct Bar(ProgressBar);

impl Progress {
    /// A bar of so many steps, such as days.
    #[must_use]
    pub(crate) fn new(what: &str, steps: u32, unit: &str) -> Self {
        // Draws to standard error, and only if that is a terminal.
        let bar = ProgressBar::new(u64::from(steps));
        let form = format!("{{msg}} {{bar:30}} {{pos}}/{{len}} {unit}, {{elapsed}}");
        if let Ok(style) = ProgressStyle::with_template(&form) {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        Self {
            bar: Arc::new(Bar(bar)),
        }
    }

    /// Notes how many steps are done, of how many.
    pub(crate) fn at(&self, done: u32, steps: u32) {
        self.bar.0.set_length(u64::from(steps));
        self.bar.0.set_position(u64::from(done));
    }

    /// Says what is being done now.
    pub(crate) fn say(&self, what: &str) {
        self.bar.0.set_message(what.to_owned());
    }

    /// Takes the bar away: what follows is written where it was.
    pub(crate) fn clear(&self) {
        self.bar.0.finish_and_clear();
    }

    /// Writes lines elsewhere without the bar in their way.
    ///
    /// # Errors
    /// What `write` answers.
    pub(crate) fn beside(&self, write: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        self.bar.0.suspend(write)
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_is_where_the_bar_stands_and_lines_go_out_beside_it() {
        let progress = Progress::new("reading", 3, "days");
        progress.at(2, 5);
        assert_eq!(progress.bar.0.position(), 2);
        assert_eq!(progress.bar.0.length(), Some(5));
        progress.say("pricing");
        assert_eq!(progress.bar.0.message(), "pricing");
        let mut out = Vec::new();
        progress
            .beside(|| io::Write::write_all(&mut out, b"a line\n"))
            .unwrap();
        assert_eq!(out, b"a line\n");
    }
}
