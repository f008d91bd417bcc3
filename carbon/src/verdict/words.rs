//! A comparison in words, with its numbers.

use tanso_power::Estimate;

use super::boundary::differs;
use super::{Evidence, Reason, grounds};
use crate::account::Account;
use crate::pue::FacilityPue;
use crate::regulation::{Metric, Op, Rule};
use crate::series::Basis;

/// `PUE is 1.5; at most 1.4 (a law)`.
pub(super) fn in_words(
    rule: &Rule,
    evidence: &Evidence<'_>,
    value: Estimate<f64>,
    limit: f64,
    reason: Reason,
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
        (Metric::Pue, Some(pue)) => pue_in_words(pue),
        (metric, _) if rule.basis == Basis::Market => format!("market-based {}", metric.in_words()),
        (metric, _) => metric.in_words().to_owned(),
    };
    let shown = shown(value, limit);
    let tail = match reason {
        Reason::BoundsStraddleLimit => ": the limit lies within the bounds",
        _ => "",
    };
    format!(
        "{what} is {shown}{unit}; {bound} {}{unit} ({}){tail}{}",
        number(limit),
        rule.kind.in_words(),
        grounds_in_words(rule, evidence)
    )
}

/// `annual PUE, measured, category 2 (IT metered at the PDU)`.
fn pue_in_words(pue: &FacilityPue) -> String {
    let words = format!("{}, {}", pue.scope, pue.evidence.in_words());
    match pue.category {
        Some(category) => format!("{words}, {category}"),
        None => words,
    }
}

/// What the figure rests on beside the energy: figures of another boundary than
/// the limit's, whose PUE, how much estimated intensity, energy that is not known
/// exactly, and which part of the period nobody saw; each after a semicolon.
fn grounds_in_words(rule: &Rule, evidence: &Evidence<'_>) -> String {
    let pue = grounds::pue(rule, evidence);
    let from = pue.map_or_else(String::new, pue_source);
    if rule.metric.is_facility() {
        return from;
    }
    let factor = pue.map_or_else(String::new, |pue| format!("; the site's PUE is {pue}"));
    let estimated = grounds::estimated_percent(rule, evidence);
    let estimated = estimated.filter(|percent| *percent > 0.0);
    let estimated = estimated.map(|percent| {
        let percent = share(percent);
        format!("; the intensity of {percent} % of it is estimated")
    });
    let is_open = rule.metric == Metric::GridIntensity
        && evidence.account.is_some_and(Account::has_open_weights);
    let open = is_open
        .then(|| "; the energy behind it is not known exactly, which widens the bounds".to_owned());
    let seen = evidence.account.map(|sum| sum.coverage.percent());
    let seen = seen.filter(|seen| (f64::MIN_POSITIVE..100.0).contains(seen));
    let unseen = seen.map(|seen| {
        let unseen = share(100.0 - seen);
        format!("; {unseen} % of the period was not seen, which widens the bounds")
    });
    let differs = differs(rule, evidence).map(|differs| differs.in_words().to_owned());
    let parts = [differs, Some(factor), Some(from), estimated, open, unseen];
    parts.into_iter().flatten().collect()
}

/// Where a PUE is stated, after a semicolon; nothing if it does not say.
pub(super) fn pue_source(pue: &FacilityPue) -> String {
    match pue.source.as_str() {
        "" => String::new(),
        source => format!("; the PUE is from: {source}"),
    }
}

/// A share with one place; one that is there is never said to be nothing.
fn share(percent: f64) -> String {
    format!("{:.1}", percent.max(0.1))
}

/// A share with one place, and with as many more as tell it from the one that
/// is demanded: 79.96 is not told as 80.0 where 80 are.
pub(super) fn share_beside(percent: f64, demanded: f64) -> String {
    let with = |share: f64, places: usize| format!("{share:.places$}");
    let apart = (1..=PLACES_MOST).find(|&places| with(percent, places) != with(demanded, places));
    with(percent, apart.unwrap_or(1))
}

/// `430.2 (401.0 to 455.1)`, or one number where there are no bounds.
fn shown(Estimate { low, value, high }: Estimate<f64>, limit: f64) -> String {
    let [low, value, high] = [low, value, high].map(|figure| number_beside(figure, limit));
    if low == high {
        value
    } else {
        format!("{value} ({low} to {high})")
    }
}

/// The most places that any number is shown with.
const PLACES_MOST: usize = 9;

/// A number that looks like the limit only if it is the limit: one that breaks
/// it by little has as many places more as show that.
fn number_beside(value: f64, limit: f64) -> String {
    let short = number(value);
    if short != number(limit) || value.total_cmp(&limit).is_eq() {
        return short;
    }
    let with = |figure: f64, places: usize| format!("{figure:.places$}");
    let apart = (1..=PLACES_MOST).find(|&places| with(value, places) != with(limit, places));
    apart.map_or(short, |places| with(value, places))
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
