//! A study's report as files, and its first table on the terminal: made of
//! plan and raw figures alone, so that it is the same whenever it is made.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use tanso_carbon::study::report::html::{Picture, html};
use tanso_carbon::study::report::markdown::markdown;
use tanso_carbon::study::report::{Compared, Report, plain, report};
use tanso_carbon::study::{Plan, Trials, plot};

/// Responses that have a picture, and stand in the table on the terminal.
const SHOWN: [&str; 6] = [
    "cluster_joules",
    "cluster_cpu_seconds",
    "flux_joules",
    "apiserver_joules",
    "outside_cpu_seconds",
    "drift_seconds",
];

/// Writes the report's files, and prints the differences.
///
/// # Errors
/// When nothing was measured, a file cannot be written, or a difference that is
/// known was not found.
pub(super) fn write(folder: &Path, plan: &Plan, trials: &Trials) -> Result<()> {
    let found = report(plan, trials).context("the study's report")?;
    for (name, text) in files(&found)? {
        let file = folder.join(name);
        fs::write(&file, text).with_context(|| format!("writing \"{}\"", file.display()))?;
    }
    print!("{}", told(&found));
    println!("report: {}", folder.join("report.html").display());
    let missed = missed(&found);
    if !missed.is_empty() {
        bail!(
            "what is known was not found, so nothing else of this run is to be believed: {}",
            missed.join("; ")
        );
    }
    Ok(())
}

/// The files of a report, by name.
pub(super) fn files(found: &Report) -> Result<BTreeMap<String, String>> {
    let pictures = SHOWN.iter().filter_map(|response| {
        let svg = plot::differences(found, response)?;
        let title = (*response).to_owned();
        Some(Picture { title, svg })
    });
    let pictures: Vec<Picture> = pictures.collect();
    let json = serde_json::to_string(found).context("the report as JSON")?;
    let mut files: BTreeMap<String, String> = [
        ("report.md", markdown(found)),
        ("report.html", html(found, &pictures)),
        ("report.json", json + "\n"),
    ]
    .map(|(name, text)| (name.to_owned(), text))
    .into();
    let drawn = pictures.into_iter();
    files.extend(drawn.map(|picture| (format!("{}.svg", picture.title), picture.svg)));
    Ok(files)
}

fn name(one: &Compared) -> String {
    format!("{} − {}", one.comparison.arm, one.comparison.against)
}

/// The known differences whose interval misses them: the placebo in the primary
/// response, the load in the one that it was put into.
fn missed(found: &Report) -> Vec<String> {
    let primary = &found.plan.primary_response;
    let known = found.comparisons.iter().filter(|one| {
        let is_placebo = one.comparison.placebo && one.response == *primary;
        is_placebo || one.comparison.injected.is_some()
    });
    let missed = known.filter(|one| one.holds_what_is_known == Some(false));
    missed
        .map(|one| format!("{} in {}", name(one), one.response))
        .collect()
}

/// The differences of the responses that matter most, then the answer.
fn told(found: &Report) -> String {
    let mut text = format!(
        "{:<20} {:<32} {:>3} {:>11}   {:<22} {}\n",
        "response", "comparison", "n", "difference", "95 % interval", ""
    );
    for response in SHOWN {
        let of_response = found
            .comparisons
            .iter()
            .filter(|one| one.response == response);
        for one in of_response {
            let Some(headline) = one.headline(found.plan.headline) else {
                continue;
            };
            let interval = headline.interval;
            let range = format!("{} to {}", plain(interval.low), plain(interval.high));
            let known = match (one.holds_what_is_known, one.comparison.injected.as_ref()) {
                (Some(true), Some(put)) => format!("load of {} found", plain(put.difference)),
                (Some(false), Some(put)) => format!("LOAD OF {} MISSED", plain(put.difference)),
                (Some(true), None) => "placebo: holds 0".to_owned(),
                (Some(false), None) => "PLACEBO: MISSES 0".to_owned(),
                (None, _) => String::new(),
            };
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "{response:<20} {:<32} {:>3} {:>11}   {range:<22} {known}",
                name(one),
                headline.pairs,
                plain(headline.difference),
            );
        }
    }
    if let Some(provenance) = found.provenance {
        let _ = writeln!(text, "Energy figures are {provenance}.");
    }
    for sentence in &found.answer {
        let _ = writeln!(text, "- {sentence}");
    }
    text
}
