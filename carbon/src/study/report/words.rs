//! Figures and answers in plain words.

use super::{Compared, Report};
use crate::study::difference::Contrast;
use crate::study::plan::Cost;
use crate::study::trial::Unit;

/// Digits that count in text; JSON has all.
const DIGITS: i32 = 4;

/// A number with four digits that count: `1234`, `12.34`, `0.01234`.
///
/// ```
/// use tanso_carbon::study::report::plain;
/// assert_eq!([12_345.6, -0.012_345, 3.0].map(plain), ["12346", "-0.01235", "3"]);
/// ```
#[must_use]
pub fn plain(number: f64) -> String {
    if number == 0.0 || !number.is_finite() {
        return "0".to_owned();
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the logarithm of a finite number is within ±330"
    )]
    let magnitude = number.abs().log10().floor() as i32;
    let places = usize::try_from((DIGITS - 1 - magnitude).clamp(0, 12)).unwrap_or(0);
    let text = format!("{number:.places$}");
    if !text.contains('.') {
        return text;
    }
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text.trim_start_matches(['-', '0', '.']).is_empty() {
        "0".to_owned()
    } else {
        text.to_owned()
    }
}

/// A figure with its unit.
#[must_use]
pub fn figure(number: f64, unit: Unit) -> String {
    match unit.symbol() {
        "" => plain(number),
        symbol => format!("{} {symbol}", plain(number)),
    }
}

/// Below this a p value is told as that: four digits of it would say more than
/// the differences' shape is known to.
const P_LEAST: f64 = 1e-6;

/// A p value: never 0, which none is.
pub(super) fn p_value(p: Option<f64>) -> String {
    match p {
        None => "–".to_owned(),
        Some(p) if p < P_LEAST => "under 1e-6".to_owned(),
        Some(p) => plain(p),
    }
}

/// A sentence for each comparison of the primary response, and for each
/// difference that was put into another one.
pub(super) fn answer(report: &Report) -> Vec<String> {
    let primary = report.primary().map(|one| sentence(report, one));
    let others = report.comparisons.iter().filter(|one| {
        let injected = one.comparison.injected.as_ref();
        let is_here = injected.is_some_and(|injected| injected.response == one.response);
        is_here && one.response != report.plan.primary_response
    });
    let put_in = others.filter_map(|one| known(report, one));
    primary.chain(put_in).collect()
}

/// What was found of a difference that was put in.
fn known(report: &Report, one: &Compared) -> Option<String> {
    let injected = one.comparison.injected.as_ref()?;
    let found = one.headline(report.plan.headline)?;
    let verdict = if found.interval.contains(injected.difference) {
        "the interval holds what was put in."
    } else {
        "THE INTERVAL DOES NOT HOLD WHAT WAS PUT IN: trust nothing here before that is explained."
    };
    Some(format!(
        "{} of {} were put into {}; against {} {} were found ({} % interval: {} to {}; {} blocks): {verdict}",
        figure(injected.difference, one.unit),
        one.response,
        one.comparison.arm,
        one.comparison.against,
        figure(found.difference, one.unit),
        plain(100.0 * report.plan.confidence.level()),
        figure(found.interval.low, one.unit),
        figure(found.interval.high, one.unit),
        found.pairs,
    ))
}

fn sentence(report: &Report, one: &Compared) -> String {
    let (arm, against) = (&one.comparison.arm, &one.comparison.against);
    let Some(found) = one.headline(report.plan.headline) else {
        return format!("{arm} cannot be compared with {against}: fewer than two complete blocks.");
    };
    let mut text = if found.interval.contains(0.0) {
        unseen(report, one, found)
    } else {
        seen(report, one, found)
    };
    text.push_str(&shared(report, one, found));
    text.push_str(&cost(one));
    text.push_str(&shares(report, arm));
    match one.holds_what_is_known {
        Some(true) if one.comparison.placebo => text.push_str(" As a placebo must, it holds 0."),
        Some(true) => text.push_str(" The interval holds the difference that was put in."),
        Some(false) => text.push_str(" THE INTERVAL DOES NOT HOLD WHAT IS KNOWN: trust nothing here before that is explained."),
        None => {}
    }
    text
}

/// Whether a difference is seen only as long as the other comparisons are not
/// counted.
fn shared(report: &Report, one: &Compared, found: &Contrast) -> String {
    let shared = found.shared_interval;
    if found.interval.contains(0.0) || !shared.contains(0.0) {
        return String::new();
    }
    format!(
        " Held against all {} comparisons at once the interval is {} to {}, which holds 0.",
        report.primary().count(),
        figure(shared.low, one.unit),
        figure(shared.high, one.unit),
    )
}

/// What the difference costs, as what it was planned to be the cost of.
fn cost(one: &Compared) -> String {
    let Some(scaled) = one.scaled.as_ref() else {
        return String::new();
    };
    let (words, figure, unit) = match one.comparison.cost {
        None => ("Over a day that is", scaled.day_watt_hours, "Wh"),
        Some(Cost::IdleDay) => ("An idle day costs", scaled.day_watt_hours, "Wh"),
        Some(Cost::Change) => ("A change costs", scaled.change_joules, "J"),
    };
    let Some(figure) = figure else {
        return String::new();
    };
    let [value, low, high] = [figure.value, figure.low, figure.high].map(plain);
    format!(" {words} {value} {unit} ({low} to {high} {unit}).")
}

/// By which shares an arm in parts is weighted.
fn shares(report: &Report, arm: &str) -> String {
    let Some(arm) = report.plan.arm(arm).filter(|arm| !arm.strata.is_empty()) else {
        return String::new();
    };
    let part = |(kind, share): (&str, f64)| format!("{} % {kind}", plain(100.0 * share));
    let parts: Vec<_> = arm.parts().into_iter().map(part).collect();
    format!(" {} is weighted by time: {}.", arm.name, parts.join(", "))
}

fn seen(report: &Report, one: &Compared, found: &Contrast) -> String {
    let more = if found.difference > 0.0 {
        "more"
    } else {
        "less"
    };
    let sign = found.difference.signum();
    let ends = [found.interval.low, found.interval.high].map(|end| end * sign);
    let low = figure(ends[0].min(ends[1]), one.unit);
    let high = figure(ends[0].max(ends[1]), one.unit);
    format!(
        "{} has {} {more} {} per trial than {} ({} % interval: {low} to {high}{}; {} blocks).",
        one.comparison.arm,
        figure(found.difference.abs(), one.unit),
        one.response,
        one.comparison.against,
        plain(100.0 * report.plan.confidence.level()),
        relative(found),
        found.pairs,
    )
}

fn unseen(report: &Report, one: &Compared, found: &Contrast) -> String {
    let detectable = one.power.and_then(|power| power.detectable_relative);
    let limit = detectable.map(|share| {
        format!(
            " A difference of {} % would have been seen with a chance of {} %.",
            plain(100.0 * share),
            plain(100.0 * report.plan.target.power)
        )
    });
    format!(
        "No difference in {} was seen between {} and {} ({} % interval: {} to {}{}; {} blocks).{}",
        one.response,
        one.comparison.arm,
        one.comparison.against,
        plain(100.0 * report.plan.confidence.level()),
        figure(found.interval.low, one.unit),
        figure(found.interval.high, one.unit),
        relative(found),
        found.pairs,
        limit.unwrap_or_default(),
    )
}

/// The relative interval in brackets' words.
fn relative(found: &Contrast) -> String {
    let Some(interval) = found.relative_interval else {
        return String::new();
    };
    let [low, high] = [interval.low, interval.high].map(|end| plain(100.0 * end));
    format!(", {low} to {high} %")
}
