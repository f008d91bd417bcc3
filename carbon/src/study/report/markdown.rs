//! A report as Markdown: the answer first, then tables, rules and threats.
//! Four digits that count; JSON has all.

use std::fmt::{self, Write};

use super::words::{p_value, plain};
use super::{Compared, Report};
use crate::study::difference::{Contrast, Interval};
use crate::study::plan::Headline;

/// A report as Markdown.
#[must_use]
pub fn markdown(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_all(report, &mut text);
    text
}

fn write_all(report: &Report, out: &mut String) -> fmt::Result {
    writeln!(out, "# {}\n", cell(&report.plan.title))?;
    if !report.plan.question.is_empty() {
        writeln!(out, "{}\n", cell(&report.plan.question))?;
    }
    writeln!(out, "## Answer\n")?;
    for sentence in &report.answer {
        writeln!(out, "- {}", cell(sentence))?;
    }
    if let Some(provenance) = report.provenance {
        writeln!(out, "\nEnergy figures are {provenance}.")?;
    }
    differences(report, out)?;
    costs(report, out)?;
    arms(report, out)?;
    strata(report, out)?;
    power(report, out)?;
    drift(report, out)?;
    marked(report, out)?;
    threats(report, out)?;
    rules(report, out)
}

/// Text that stays in its cell and is no markup.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
        .replace('<', "&lt;")
        .replace(['\n', '\r'], " ")
}

fn row(out: &mut String, cells: &[String]) -> fmt::Result {
    writeln!(out, "| {} |", cells.join(" | "))
}

/// A heading and a table's head: a column whose name begins with `>` holds
/// numbers.
fn head(out: &mut String, title: &str, columns: &[&str]) -> fmt::Result {
    writeln!(out, "\n## {title}\n")?;
    let names: Vec<_> = columns
        .iter()
        .map(|name| name.trim_start_matches('>').to_owned())
        .collect();
    row(out, &names)?;
    let lines: Vec<_> = columns
        .iter()
        .map(|name| if name.starts_with('>') { "---:" } else { "---" }.to_owned())
        .collect();
    row(out, &lines)
}

fn number(figure: Option<f64>) -> String {
    figure.map_or_else(|| "–".to_owned(), plain)
}

fn range(interval: Option<Interval>, factor: f64) -> String {
    interval.map_or_else(
        || "–".to_owned(),
        |found| {
            format!(
                "{} to {}",
                plain(found.low * factor),
                plain(found.high * factor)
            )
        },
    )
}

fn pair(one: &Compared) -> String {
    format!("{} − {}", one.comparison.arm, one.comparison.against)
}

fn differences(report: &Report, out: &mut String) -> fmt::Result {
    let level = plain(100.0 * report.plan.confidence.level());
    let interval = format!(">{level} % interval (t)");
    let columns = [
        "response",
        "comparison",
        "blocks",
        ">n",
        ">difference",
        &interval,
        ">shared by all",
        ">bootstrap (BCa)",
        ">relative, %",
        ">interval, %",
        ">bootstrap, %",
        ">p",
        ">d_z",
        ">its interval",
        ">g",
    ];
    head(out, "Differences", &columns)?;
    for one in &report.comparisons {
        let both = [(Headline::All, "all"), (Headline::Kept, "kept")];
        // Where nothing is marked, both are the same.
        let shown = if one.marked() == 0 {
            &both[..1]
        } else {
            &both[..]
        };
        for (which, word) in shown {
            if let Some(found) = one.headline(*which) {
                let mark = if *which == report.plan.headline && shown.len() > 1 {
                    "**"
                } else {
                    ""
                };
                difference(out, one, found, &format!("{mark}{word}{mark}"))?;
            }
        }
    }
    Ok(())
}

fn difference(out: &mut String, one: &Compared, found: &Contrast, word: &str) -> fmt::Result {
    row(
        out,
        &[
            one.response.clone(),
            pair(one),
            word.to_owned(),
            found.pairs.to_string(),
            plain(found.difference),
            range(Some(found.interval), 1.0),
            range(Some(found.shared_interval), 1.0),
            range(found.bootstrap_interval, 1.0),
            number(found.relative.map(|share| 100.0 * share)),
            range(found.relative_interval, 100.0),
            range(found.relative_bootstrap_interval, 100.0),
            p_value(found.p_value),
            number(found.effect_size),
            range(found.effect_size_interval, 1.0),
            number(found.hedges_g),
        ],
    )
}

fn costs(report: &Report, out: &mut String) -> fmt::Result {
    let scaled = || {
        report
            .comparisons
            .iter()
            .filter_map(|one| Some((one, one.scaled.as_ref()?)))
    };
    if scaled().next().is_none() {
        return Ok(());
    }
    let columns = ["response", "comparison", "as", ">value", ">interval"];
    head(out, "What it costs", &columns)?;
    for (one, scaled) in scaled() {
        let figures = [
            ("mean power, W", scaled.power_watts),
            ("a day, Wh", scaled.day_watt_hours),
            ("a change, J", scaled.change_joules),
        ];
        let named = figures.map(|(name, figure)| (name.to_owned(), figure));
        let carbon = scaled.carbon.iter().map(|zone| {
            let name = format!(
                "a day in {}, gCO2eq (at {} g/kWh, {})",
                zone.zone, zone.grams_per_kwh, zone.source
            );
            (name, Some(zone.day_grams))
        });
        for (name, figure) in named.into_iter().chain(carbon) {
            if let Some(figure) = figure {
                let [low, value, high] = [figure.low, figure.value, figure.high].map(plain);
                let cells = [
                    one.response.clone(),
                    pair(one),
                    cell(&name),
                    value,
                    format!("{low} to {high}"),
                ];
                row(out, &cells)?;
            }
        }
    }
    Ok(())
}

fn arms(report: &Report, out: &mut String) -> fmt::Result {
    let columns = [
        "response", "arm", ">trials", ">missing", ">mean", ">sd", ">median",
    ];
    head(out, "Arms", &columns)?;
    for one in &report.arms {
        row(
            out,
            &[
                one.response.clone(),
                one.arm.clone(),
                one.count.to_string(),
                one.missing.to_string(),
                number(one.mean),
                number(one.sd),
                number(one.median),
            ],
        )?;
    }
    Ok(())
}

/// Arms in parts, in the primary response; JSON has the others.
fn strata(report: &Report, out: &mut String) -> fmt::Result {
    if report.strata.is_empty() {
        return Ok(());
    }
    let level = plain(100.0 * report.plan.confidence.level());
    let interval = format!(">{level} % interval (t)");
    let columns = [
        "response",
        "arm",
        "trials",
        ">share, %",
        ">n",
        ">mean",
        ">sd",
        &interval,
        ">df",
    ];
    head(out, "Arms in parts", &columns)?;
    let primary = report.strata.iter();
    for one in primary.filter(|one| one.response == report.plan.primary_response) {
        let none = || "–".to_owned();
        for part in &one.parts {
            let cells = [
                one.response.clone(),
                one.arm.clone(),
                part.trials.clone(),
                plain(100.0 * part.share),
                part.count.to_string(),
                number(part.mean),
                number(part.sd),
                none(),
                none(),
            ];
            row(out, &cells)?;
        }
        let count: usize = one.parts.iter().map(|part| part.count).sum();
        let cells = [
            one.response.clone(),
            one.arm.clone(),
            "**all, by share**".to_owned(),
            "100".to_owned(),
            count.to_string(),
            number(one.mean.map(|mean| mean.mean)),
            none(),
            range(one.interval, 1.0),
            number(one.mean.and_then(|mean| mean.degrees_of_freedom)),
        ];
        row(out, &cells)?;
    }
    Ok(())
}

fn power(report: &Report, out: &mut String) -> fmt::Result {
    let target = report.plan.target;
    let asked = format!(
        ">power to see {} %",
        plain(100.0 * target.relative_difference)
    );
    let needed = format!(">blocks for power {}", plain(target.power));
    let columns = [
        "response",
        "comparison",
        &asked,
        &needed,
        ">least seen so, %",
    ];
    head(out, "What these trials can see", &columns)?;
    for one in &report.comparisons {
        if let Some(power) = one.power {
            let needed = power
                .pairs_needed
                .map_or_else(|| "over a million".to_owned(), |count| count.to_string());
            let least = number(power.detectable_relative.map(|share| 100.0 * share));
            row(
                out,
                &[
                    one.response.clone(),
                    pair(one),
                    plain(power.power),
                    needed,
                    least,
                ],
            )?;
        }
    }
    Ok(())
}

fn drift(report: &Report, out: &mut String) -> fmt::Result {
    if report.drift.is_empty() {
        return Ok(());
    }
    let columns = [
        "response",
        ">per trial",
        ">interval",
        ">p",
        ">first to last, %",
        ">Theil–Sen",
        ">interval",
        ">Kendall's tau",
        ">p",
        ">lag-1 correlation",
    ];
    head(out, "Drift over the study, arms apart", &columns)?;
    for one in &report.drift {
        let drift = &one.drift;
        row(
            out,
            &[
                one.response.clone(),
                plain(drift.slope),
                range(Some(drift.slope_interval), 1.0),
                p_value(drift.p_value),
                number(drift.relative_change.map(|share| 100.0 * share)),
                plain(drift.rank_slope),
                range(Some(drift.rank_slope_interval), 1.0),
                plain(drift.tau),
                p_value(drift.tau_p_value),
                number(drift.lag1_autocorrelation),
            ],
        )?;
    }
    Ok(())
}

fn marked(report: &Report, out: &mut String) -> fmt::Result {
    let mut outliers = Vec::new();
    for one in &report.comparisons {
        let far = one.blocks.iter().filter(|block| block.outlier);
        outliers.extend(far.map(|block| (one, block)));
    }
    if report.disturbed.is_empty() && outliers.is_empty() {
        return writeln!(
            out,
            "\n## Marked\n\nNo trial was disturbed and no difference is an outlier."
        );
    }
    head(out, "Marked", &["trial or block", "what", "why"])?;
    for one in &report.disturbed {
        let place = format!("trial {} (block {})", one.order, one.block);
        row(
            out,
            &[place, one.arm.clone(), cell(&one.reasons.join("; "))],
        )?;
    }
    for (one, block) in outliers {
        let what = format!("{}, {}", pair(one), one.response);
        let why = format!("outlier: difference {}", plain(block.difference));
        row(out, &[format!("block {}", block.block), what, why])?;
    }
    Ok(())
}

fn threats(report: &Report, out: &mut String) -> fmt::Result {
    writeln!(out, "\n## Threats to validity\n")?;
    if report.threats.is_empty() {
        writeln!(
            out,
            "None was found in the figures; those of the design remain."
        )?;
    }
    for threat in &report.threats {
        writeln!(out, "- {}", cell(&threat.text))?;
    }
    Ok(())
}

fn rules(report: &Report, out: &mut String) -> fmt::Result {
    let plan = &report.plan;
    let stated = if report.plan_stated {
        "Stated before the run"
    } else {
        "Not stated before the run"
    };
    let share = |share: f64| plain(100.0 * share);
    writeln!(out, "\n## Rules\n\n{stated}:\n")?;
    writeln!(out, "- primary response: {}", plan.primary_response)?;
    writeln!(out, "- {}", report.decision_note)?;
    writeln!(
        out,
        "- outliers: {}; marked, never dropped",
        plan.outliers.words()
    )?;
    writeln!(
        out,
        "- disturbed: over {} % stolen time, over {} % foreign CPU, or a mark of the runner",
        share(plan.disturbance.steal_max.ratio()),
        share(plan.disturbance.foreign_cpu_max.ratio())
    )?;
    let headline = match plan.headline {
        Headline::Kept => "without marked blocks",
        Headline::All => "with all complete blocks",
    };
    writeln!(out, "- the answer takes the result {headline}")?;
    writeln!(
        out,
        "- order: randomised blocks, seed {}; bootstrap: {} resamples, seed {} (SplitMix64)",
        plan.order_seed, plan.bootstrap.resamples, plan.bootstrap.seed
    )?;
    for arm in plan.arms.iter().filter(|arm| !arm.description.is_empty()) {
        writeln!(out, "- arm {}: {}", arm.name, cell(&arm.description))?;
    }
    for (name, value) in &plan.environment {
        writeln!(out, "- {}: {}", cell(name), cell(value))?;
    }
    Ok(())
}
