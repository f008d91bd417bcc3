//! A comparison in words, with its numbers.

use tanso_power::Estimate;

use super::{Evidence, Verdict};
use crate::regulation::{Metric, Op, Rule};
use crate::series::Basis;

/// `PUE is 1.5; at most 1.4 (a law)`.
pub(super) fn in_words(
    rule: &Rule,
    evidence: &Evidence<'_>,
    value: Estimate<f64>,
    limit: f64,
    verdict: Verdict,
) -> String {
    let unit = if rule.unit == "ratio" {
        String::new()
    } else {
        format!(" {}", rule.unit)
    };
    let bound = match rule.op {
        Op::AtMost => "at most",
        Op::AtLeast => "at least",
    };
    let what = match (rule.metric, evidence.pue) {
        (Metric::Pue, Some(pue)) => match pue.category {
            Some(category) => format!("{}, {}, {category}", pue.scope, pue.evidence.in_words()),
            None => format!("{}, {}", pue.scope, pue.evidence.in_words()),
        },
        (metric, _) if rule.basis == Basis::Market => format!("market-based {}", metric.in_words()),
        (metric, _) => metric.in_words().to_owned(),
    };
    let shown = shown(value);
    let tail = match verdict {
        Verdict::Inconclusive => ": the limit lies within the bounds",
        _ => "",
    };
    format!(
        "{what} is {shown}{unit}; {bound} {}{unit} ({}){tail}",
        number(limit),
        rule.kind.in_words()
    )
}

/// `430.2 (401.0 to 455.1)`, or one number where there are no bounds.
fn shown(Estimate { low, value, high }: Estimate<f64>) -> String {
    if number(low) == number(high) {
        number(value)
    } else {
        format!("{} ({} to {})", number(value), number(low), number(high))
    }
}

/// A number with as many places as it deserves.
fn number(value: f64) -> String {
    let places = match value.abs() {
        size if size >= 10_000.0 => 0,
        size if size >= 100.0 => 1,
        size if size >= 10.0 => 2,
        size if size == 0.0 || size >= 0.1 => 3,
        _ => 6,
    };
    let text = format!("{value:.places$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}
