//! Advice on requests: as it is told now, and what became of earlier advice as
//! a status shows it; pure.

use std::cmp::Reverse;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use tanso_carbon::calendar::UtcHour;
use tanso_carbon::recommend::taken::{Effect, EnergyChange, Outcome, State, Told};
use tanso_crds::carbon_policy::status::{
    AdviceOutcome, AdviceState, MeasuredEffect, Recommendation,
};
use tanso_power::Estimate;

use super::Inputs;
use super::advise::Fit;
use super::figures::bounded;
use super::group::Workload;
use super::scene::Scene;
use crate::ledger::AdviceRow;
use crate::ledger::advice::day_begin;

/// Most pieces of earlier advice that are shown of a workload.
const OUTCOMES_MAX: usize = 4;

/// What measured figures are, and are not.
const BASIS: &str = "mean hour, by the same hours of the same weekdays (UTC) of up to 28 days before and after; 90 % bounds from the weekdays' differences; an association, not causal: load, replicas and versions may have changed too";

/// Advice on a request as it is told now.
pub(super) fn row(
    scene: &Scene<'_>,
    workload: &Workload<'_>,
    fit: &Fit,
    piece: &Recommendation,
) -> AdviceRow {
    let today = today(scene.data_through);
    let saving = &piece.saving_milligrams_per_day;
    AdviceRow {
        workload: workload.key.to_ledger(),
        container: fit.container.clone(),
        told: Told {
            resource: fit.resource,
            asked: fit.asked,
            advised: fit.advised,
            last_told: today,
        },
        first_told: today,
        saving_mg_per_day: Estimate {
            low: saving.low,
            value: saving.value,
            high: saving.high,
        },
        cluster_mg_per_day: piece.cluster_saving_milligrams_per_day,
        outcome: None,
        found: None,
        is_final: false,
    }
}

/// The first hour of the UTC day that the evaluation is made on.
fn today(data_through: Timestamp) -> UtcHour {
    day_begin(UtcHour::containing(data_through))
}

/// Advice of earlier days: of today's, recommendations say all.
pub(super) fn earlier<'a>(inputs: &'a Inputs<'_>) -> impl Iterator<Item = &'a AdviceRow> {
    let today = today(inputs.data_through);
    let all = inputs.snapshot.advice.iter();
    all.filter(move |row| row.first_told < today)
}

/// What became of a workload's earlier advice, the newest first.
pub(super) fn outcomes(scene: &Scene<'_>, workload: &Workload<'_>) -> Vec<AdviceOutcome> {
    let key = workload.key;
    let key = [key.namespace, key.kind, key.name];
    let is_before = |row: &AdviceRow| row.workload.each_ref().map(String::as_str) < key;
    // They come by workload.
    let all = &scene.snapshot.advice;
    let first = all.partition_point(is_before);
    let today = today(scene.data_through);
    let mut own: Vec<&AdviceRow> = all
        .iter()
        .skip(first)
        .take_while(|row| row.workload.each_ref().map(String::as_str) == key)
        .filter(|row| row.first_told < today)
        .collect();
    own.sort_by_key(|row| Reverse((row.told.last_told, row.first_told)));
    own.into_iter()
        .take(OUTCOMES_MAX)
        .map(|row| shown(row, today))
        .collect()
}

fn shown(row: &AdviceRow, today: UtcHour) -> AdviceOutcome {
    let found = row.outcome.unwrap_or(Outcome::NOT_TAKEN);
    // While it is told the request is as it was: the first evaluation of a day
    // knows of the day before.
    let is_told = row.told.last_told >= today.plus_hours(-24);
    let quantity = |amount: u64| row.told.resource.quantity(amount);
    let at = |hour: UtcHour| Time(hour.start());
    let days = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
    AdviceOutcome {
        resource: row.told.resource.as_str().to_owned(),
        container: row.container.clone(),
        asked: quantity(row.told.asked),
        advised: quantity(row.told.advised),
        asked_now: found.asked_now.map(quantity),
        first_told: at(row.first_told),
        last_told: at(row.told.last_told),
        predicted_milligrams_per_day: bounded(row.saving_mg_per_day, |mg| mg),
        cluster_milligrams_per_day: row.cluster_mg_per_day,
        state: match found.state {
            State::NotTaken if found.asked_now.is_none() && !is_told => AdviceState::NotKnown,
            State::NotTaken => AdviceState::NotTaken,
            State::PartlyTaken => AdviceState::PartlyTaken,
            State::TakenTooEarly => AdviceState::TakenTooEarly,
            State::Measured => AdviceState::Measured,
        },
        taken_at: found.taken_at.map(at),
        kept_until: found.kept_until.map(at),
        days_before: days(found.days_before),
        days_after: days(found.days_after),
        effect: found.effect.as_ref().map(measured),
    }
}

fn measured(effect: &Effect) -> MeasuredEffect {
    let whole = |figure: u64| i64::try_from(figure).unwrap_or(i64::MAX);
    MeasuredEffect {
        before_microjoules_per_hour: whole(effect.before_per_hour.microjoules()),
        after_microjoules_per_hour: whole(effect.after_per_hour.microjoules()),
        change_microjoules_per_hour: bounded(effect.change_per_hour, EnergyChange::microjoules),
        cpu_before_milliseconds_per_hour: whole(effect.cpu_before_per_hour.microseconds() / 1_000),
        cpu_after_milliseconds_per_hour: whole(effect.cpu_after_per_hour.microseconds() / 1_000),
        weekdays: i32::try_from(effect.weekdays).unwrap_or(i32::MAX),
        provenance: effect.provenance.as_str().to_owned(),
        basis: BASIS.to_owned(),
    }
}
