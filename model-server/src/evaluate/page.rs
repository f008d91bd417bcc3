//! The evaluation as one HTML page: tables and curves, no scripts, nothing
//! fetched.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Evaluation;
use super::guest::TOLD;
use super::lacking::{self, Lacking};
use super::protocol::{Outcome, Split};
use super::report::{MAE, MAPE, Report, cells};
use super::targets::LOOKED;
use crate::baselines::Method;
use crate::conformal::{Calibration, Scored};
use crate::host::LOADS;
use crate::plot::{CurvePlot, escaped, scatter};
use crate::tiers::LEVEL;

const STYLE: &str = "body{font:14px/1.45 sans-serif;max-width:76em;margin:2em auto;padding:0 1em;color:#222}\
    table{border-collapse:collapse;margin:.6em 0 1.6em}td,th{padding:.15em .7em;border-bottom:1px solid #ddd;text-align:right}\
    td:first-child,th:first-child{text-align:left}.no{color:#b3261e;font-weight:bold}.yes{color:#1b6e3c}figure{display:inline-block;margin:4px}";

fn start(title: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{0}</title><style>{STYLE}</style></head><body><h1>{0}</h1>",
        escaped(title)
    )
}

/// The tiers' errors alone, as a server knows them from its start.
#[must_use]
pub fn tiers_page(evaluation: &Evaluation<'_>) -> String {
    let mut page = start("How wrong the power models are");
    tiers(&mut page, evaluation);
    page.push_str("</body></html>\n");
    page
}

/// The whole protocol.
#[must_use]
pub fn report_page(report: &Report<'_>) -> String {
    let mut page = start("How wrong the power models are");
    page.push_str("<p>Every method is trained without the machines it is asked about. Wall power of tuned servers (SPECpower_ssj2008 results, © SPEC, quoted as facts; derived figures are no SPEC metrics).</p><h2>What is asked</h2><table><tr><th>figure</th><th>this run</th><th>accepted</th><th></th><th>without design facts</th></tr>");
    for target in &report.targets {
        let (class, word) = if target.met() {
            ("yes", "met")
        } else {
            ("no", "not met")
        };
        let _ = write!(
            page,
            "<tr><td>{}</td><td>{:.2}</td><td>{} to {}</td><td class=\"{class}\">{word}</td><td>{}</td></tr>",
            escaped(target.name),
            target.value,
            target.least,
            target.most,
            target
                .without_design_facts
                .map_or_else(String::new, |value| format!("{value:.2}"))
        );
    }
    let _ = write!(
        page,
        "</table><p>{}</p><p>{}</p>",
        escaped(LOOKED),
        escaped(TOLD)
    );
    for target in report.targets.iter().filter(|target| !target.met()) {
        let _ = write!(
            page,
            "<p>{}: not met. Tried: {}.</p>",
            escaped(target.name),
            escaped(target.tried)
        );
    }
    for split in Split::ALL {
        let _ = write!(
            page,
            "<h2>{}</h2><table><tr><th>method</th><th>machines</th><th>MAPE %</th><th>by family %</th><th>idle %</th><th>half %</th><th>full %</th><th>MAE W</th><th>coverage %</th><th>width</th><th>worst family</th></tr>",
            escaped(split.name())
        );
        for method in Method::ALL {
            if let Some(outcome) = report.outcome(split, method) {
                row(&mut page, outcome);
            }
        }
        page.push_str("</table>");
        by_load(&mut page, report, split);
    }
    tell_little(&mut page, &report.lacking);
    if let Some(unseen) = report.outcome(Split::Family, Method::Served) {
        curves(&mut page, unseen);
    }
    tiers(&mut page, &report.tiers);
    page.push_str("</body></html>\n");
    page
}

fn row(page: &mut String, outcome: &Outcome) {
    let score = &outcome.score;
    let half = score
        .half_percent
        .map_or_else(|| "–".to_owned(), |half| format!("{half:.1}"));
    let _ = write!(
        page,
        "<tr><td>{}</td><td>{}</td><td>{:.1}</td><td>{:.1}</td><td>{:.1}</td><td>{half}</td><td>{:.1}</td><td>{:.1}</td><td>{:.1}</td><td>{:.2}</td><td>{}</td></tr>",
        outcome.method.name(),
        score.machines,
        score.mape_percent,
        score.macro_mape_percent,
        score.idle_percent,
        score.full_percent,
        score.mae_w,
        score.coverage_percent,
        score.width,
        escaped(&score.worst_family)
    );
}

/// The rows of machines that tell little alone.
#[must_use]
pub fn lacking_page(rows: &[Lacking]) -> String {
    let mut page = start("How wrong the power models of machines are that tell little");
    tell_little(&mut page, rows);
    page.push_str("</body></html>\n");
    page
}

fn tell_little(page: &mut String, rows: &[Lacking]) {
    let _ = write!(
        page,
        "<h2>Machines that tell little, answered as served</h2><p>Accepted: {} to {} % within the bounds. Tried: {}.</p>",
        lacking::ACCEPTED.0,
        lacking::ACCEPTED.1,
        escaped(lacking::TRIED)
    );
    for split in Split::ALL {
        let mut rows = rows.iter().filter(|row| row.split == split).peekable();
        if rows.peek().is_none() {
            continue;
        }
        let _ = write!(
            page,
            "<h3>{}</h3><table><tr><th>told</th><th>machines</th><th>MAPE %</th><th>coverage %</th><th></th><th>width</th><th>tier</th><th>least covered</th></tr>",
            escaped(lacking::left_out(split))
        );
        for row in rows {
            let (class, word) = if row.met() {
                ("yes", "met")
            } else {
                ("no", "not met")
            };
            let _ = write!(
                page,
                "<tr><td>{}</td><td>{}</td><td>{:.1}</td><td>{:.1}</td><td class=\"{class}\">{word}</td><td>{:.2}</td><td>{}</td><td>{} ({:.0} %)</td></tr>",
                escaped(row.told),
                row.machines,
                row.mape_percent,
                row.coverage_percent,
                row.width,
                row.tier,
                escaped(&row.worst.0),
                row.worst.1
            );
        }
        page.push_str("</table>");
    }
}

/// Every method's errors at every load.
fn by_load(page: &mut String, report: &Report<'_>, split: Split) {
    let _ = write!(
        page,
        "<h3>{}, by load</h3><table><tr><th>method</th><th></th>",
        escaped(split.name())
    );
    for level in 0..LOADS {
        let _ = write!(page, "<th>{} %</th>", level * 10);
    }
    page.push_str("</tr>");
    for method in Method::ALL {
        let Some(outcome) = report.outcome(split, method) else {
            continue;
        };
        for (name, unit, pick) in [(method.name(), "MAPE %", MAPE), ("", "MAE W", MAE)] {
            let _ = write!(page, "<tr><td>{name}</td><td>{unit}</td>");
            for cell in cells(&outcome.score, pick) {
                let _ = write!(page, "<td>{cell}</td>");
            }
            page.push_str("</tr>");
        }
    }
    page.push_str("</table>");
}

/// Predicted over measured, and of each family the machine of median error.
fn curves(page: &mut String, unseen: &Outcome) {
    page.push_str("<h2>Predicted against measured, CPU family never seen</h2>");
    for (name, level) in [
        ("idle", 0),
        ("half load", LOADS / 2),
        ("full load", LOADS - 1),
    ] {
        let pairs: Vec<(f64, f64)> = unseen
            .scored
            .iter()
            .filter_map(|m| Some((*m.truth.get(level)?, *m.predicted.get(level)?)))
            .collect();
        let title = format!("{name}: predicted over measured");
        let _ = write!(page, "<figure>{}</figure>", scatter(&title, &pairs));
    }
    page.push_str("<p>Of each family the machine with the median error: line and band are the prediction and its 90 % interval, dots are measured.</p>");
    let mut families: BTreeMap<&str, Vec<&Scored>> = BTreeMap::new();
    for machine in &unseen.scored {
        families.entry(&machine.family).or_default().push(machine);
    }
    for (family, mut machines) in families {
        machines.sort_by(|a, b| a.mean_error().total_cmp(&b.mean_error()));
        let Some(machine) = machines.get(machines.len() / 2) else {
            continue;
        };
        let others = unseen.scored.iter().filter(|other| other.family != family);
        let bounds =
            Calibration::learn(others, LOADS).bounds(&machine.predicted, machine.deviation, LEVEL);
        let title = format!("{family}: {}", machine.id);
        let plot = CurvePlot {
            title: &title,
            predicted: &bounds,
            measured: &machine.truth,
        };
        let _ = write!(page, "<figure>{}</figure>", plot.svg());
    }
}

fn tiers(page: &mut String, evaluation: &Evaluation<'_>) {
    page.push_str("<h2>By what is known of a machine</h2><table><tr><th>tier</th><th>model sees</th><th>machines</th><th>MAPE %</th><th>idle %</th><th>full %</th><th>coverage %</th><th>width</th><th>worst family</th></tr>");
    for tier in &evaluation.tiers {
        let score = tier.score;
        let _ = write!(
            page,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{:.1}</td><td>{:.1}</td><td>{:.1}</td><td>{:.1}</td><td>{:.2}</td><td>{}</td></tr>",
            tier.tier,
            tier.sees,
            score.machines,
            score.mape_percent,
            score.idle_percent,
            score.full_percent,
            score.coverage_percent,
            score.width,
            escaped(&score.worst_family)
        );
    }
    page.push_str("</table>");
    let families = evaluation
        .tiers
        .iter()
        .rfind(|tier| tier.tier == "unseen-family");
    if let Some(tier) = families {
        page.push_str("<h2>By CPU family, never seen, full description</h2><table><tr><th>family</th><th>machines</th><th>MAPE %</th><th>coverage %</th></tr>");
        for family in &tier.score.by_family {
            let _ = write!(
                page,
                "<tr><td>{}</td><td>{}</td><td>{:.1}</td><td>{:.1}</td></tr>",
                escaped(&family.family),
                family.machines,
                family.mape_percent,
                family.coverage_percent
            );
        }
        page.push_str("</table>");
    }
    let _ = write!(
        page,
        "<p>Trained on {}.</p>",
        escaped(evaluation.training_digest)
    );
}
