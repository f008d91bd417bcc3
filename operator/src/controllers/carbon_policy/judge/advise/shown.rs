//! Advice as a status shows it: rounded, bounded, with its times written out;
//! pure.

use jiff::Zoned;
use tanso_carbon::GramsCo2e;
use tanso_carbon::calendar::UtcHour;
use tanso_carbon::recommend::shift::{InterruptAdvice, ShiftAdvice, Window};
use tanso_carbon::recommend::{self, AttributedGrams};
use tanso_crds::carbon_policy::status::{AdvisedSchedule, Recommendation, RunInParts};
use tanso_intensity::Marginal;
use tanso_power::Estimate;

use super::super::figures::{bounded, milligrams, nearest, short};
use super::super::scene::Scene;

/// Most parts of a run that are listed.
const PARTS_MAX: usize = 24;

pub(super) fn shown(advice: &recommend::Recommendation) -> Recommendation {
    let saving = advice.saving_per_day;
    let moved = advice.attributed.as_ref();
    // A share of idle energy that others bear is no saving of the cluster.
    let borne = moved.map_or_else(Estimate::default, |moved| {
        moved.per_day.map(AttributedGrams::mass)
    });
    let share = match moved {
        Some(moved) if saving.value == GramsCo2e::ZERO => moved.percent,
        _ => advice.saving_percent,
    };
    Recommendation {
        action: advice.action.as_str().to_owned(),
        cluster_saving_milligrams_per_day: milligrams(saving.value),
        saving_milligrams_per_day: bounded(saving + borne, milligrams),
        saving_milli_percent: nearest(share.value * 1e3),
        confidence: advice.confidence.as_str().to_owned(),
        basis: short(&advice.basis, 512),
        change: short(&advice.change, 512),
        schedule: None,
        windows: Vec::new(),
    }
}

/// Advice to shift, with the times and the schedule written out, and what
/// marginal intensity says of the same move.
pub(super) fn shown_shift(scene: &Scene<'_>, advice: &ShiftAdvice) -> Recommendation {
    let window = |window: &Window| {
        let at = window.intensity.map(|at| format!(", {at}"));
        span(&window.start, &window.end) + &at.unwrap_or_default()
    };
    let mut shown = shown(&advice.recommendation);
    if let Some(beside) = marginal(scene, advice) {
        shown.basis = short(&format!("{}; {beside}", shown.basis), 512);
    }
    shown.schedule = advice.rewrite.as_ref().map(|rewrite| AdvisedSchedule {
        schedule: short(&rewrite.schedule, 128),
        time_zone: short(&rewrite.time_zone, 64),
    });
    shown.windows = advice
        .windows
        .iter()
        .map(|one| short(&window(one), 128))
        .collect();
    shown
}

/// Marginal intensity at both starts, where it is known: said, never mixed
/// into the saving.
fn marginal(scene: &Scene<'_>, advice: &ShiftAdvice) -> Option<String> {
    let Marginal(loaded) = scene.policy.marginal.as_ref()?;
    let at = |window: &Window| {
        let hour = UtcHour::containing(window.start.timestamp());
        Some(loaded.series.at(hour)?.intensity.value)
    };
    let (now, then) = (at(&advice.baseline)?, at(advice.windows.first()?)?);
    Some(format!(
        "marginal ({}): {then} instead of {now} at the start",
        loaded.series.info().source
    ))
}

pub(super) fn shown_parts(advice: &InterruptAdvice) -> RunInParts {
    let parts = advice.parts.iter().take(PARTS_MAX);
    let piece = &advice.recommendation;
    RunInParts {
        parts: parts.map(|(from, until)| span(from, until)).collect(),
        restarts: i32::try_from(advice.restarts).unwrap_or(i32::MAX),
        saving_milligrams: bounded(piece.saving_per_day, milligrams),
        saving_milli_percent: nearest(piece.saving_percent.value * 1e3),
        confidence: piece.confidence.as_str().to_owned(),
        basis: short(&piece.basis, 512),
    }
}

/// `2026-06-15 13:00 to 14:00 +09`.
fn span(start: &Zoned, end: &Zoned) -> String {
    format!(
        "{} {:02}:{:02} to {:02}:{:02} {}",
        start.date(),
        start.hour(),
        start.minute(),
        end.hour(),
        end.minute(),
        start.offset()
    )
}
