//! Says what a long step waits for: a moving line on a terminal, otherwise a
//! plain line now and then, so that a log shows life without filling up.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

const PLAIN_EVERY: Duration = Duration::from_secs(15);

/// One step that may take long.
#[derive(Debug)]
pub struct Step {
    label: String,
    waits_for: String,
    started: Instant,
    last_plain: Instant,
    bar: Option<ProgressBar>,
}

impl Step {
    /// Starts a step and says so.
    #[must_use]
    pub fn new(label: impl Into<String>) -> Self {
        let label = label.into();
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} [{elapsed}]") {
                bar.set_style(style);
            }
            bar.set_message(label.clone());
            bar
        });
        if bar.is_none() {
            eprintln!("{label}");
        }
        let now = Instant::now();
        Self {
            label,
            waits_for: String::new(),
            started: now,
            last_plain: now,
            bar,
        }
    }

    /// Shows life; `waits_for` says what the step is waiting for.
    pub fn tick(&mut self, waits_for: &str) {
        let changed = self.waits_for != waits_for;
        if changed {
            waits_for.clone_into(&mut self.waits_for);
        }
        if let Some(bar) = &self.bar {
            if changed {
                bar.set_message(format!("{}: {waits_for}", self.label));
            }
            bar.tick();
        } else if self.last_plain.elapsed() >= PLAIN_EVERY {
            self.last_plain = Instant::now();
            let seconds = self.started.elapsed().as_secs();
            eprintln!("{} ({seconds} s): waiting for {waits_for}", self.label);
        }
    }

    /// How long the step has run.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Ends the step with a line that says what came of it.
    pub fn done(self, result: &str) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        eprintln!("{result} ({:.1} s)", self.started.elapsed().as_secs_f64());
    }
}
