//! Training on the bundled tables, with a bar for whoever waits for it.

use std::time::Instant;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};

use crate::catalog::Catalog;
use crate::select::Selector;

/// A bar on standard error; where that is no terminal, nothing is drawn.
pub(super) fn bar(what: &str) -> anyhow::Result<ProgressBar> {
    let template = format!("{what} {{bar:40}} {{pos}}/{{len}}, {{elapsed}}");
    let style = ProgressStyle::with_template(&template).context("the progress bar's template")?;
    Ok(ProgressBar::new(0).with_style(style))
}

/// Shows how much is done.
pub(super) fn show(bar: &ProgressBar, done: usize, all: usize) {
    bar.set_length(u64::try_from(all).unwrap_or(u64::MAX));
    bar.set_position(u64::try_from(done).unwrap_or(u64::MAX));
}

/// Trains on the bundled tables.
pub(super) fn learn() -> anyhow::Result<Selector> {
    let begun = Instant::now();
    let catalog = Catalog::bundled();
    let refused = catalog.refused.len();
    let machines = catalog.machines.len();
    let bar = bar("training")?;
    let selector = Selector::learn_telling(catalog, &|done, all| show(&bar, done, all))
        .context("training on the bundled tables")?;
    bar.finish_and_clear();
    tracing::debug!(
        machines,
        refused,
        seconds = begun.elapsed().as_secs_f64(),
        "trained on the bundled tables"
    );
    Ok(selector)
}
