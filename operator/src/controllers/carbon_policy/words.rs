//! Figures in words, for the columns of `kubectl get`; pure.
//!
//! Every cell is one word or `-`, so that column tools work; three digits are
//! enough to compare, the exact figures are in the status.

mod answer;

use tanso_carbon::verdict::Verdict;
use tanso_crds::carbon_policy::status::{Figures, Summary};

use tanso_faces::answer::sources;
use tanso_faces::words::emitted_cell;

use super::judge::Evaluation;
use super::validate::ValidatedPolicy;

pub use answer::answer;

/// What a column shows for nothing.
const NOTHING: &str = "-";

/// The columns of an evaluation.
#[must_use]
pub fn summary(policy: &ValidatedPolicy, evaluation: &Evaluation) -> Summary {
    let totals = &evaluation.totals;
    let saving = evaluation
        .largest_saving()
        .map(|advice| advice.cluster_saving_milligrams_per_day);
    Summary {
        failing: format!("{}/{}", evaluation.failing(), evaluation.workloads.len()),
        emissions: emitted_cell(totals, ">=", emissions),
        energy: energy(totals.energy_microjoules.value),
        intensity: intensity(totals),
        pue: match (&policy.pue, evaluation.pue) {
            (None, _) => NOTHING.to_owned(),
            (Some(pue), None) => pue.value.value.to_string(),
            (Some(pue), Some(verdict)) => pue_with(&pue.value.value.to_string(), verdict),
        },
        measured: format!("{}%", totals.measured_percent),
        saving: saving.map_or_else(|| NOTHING.to_owned(), |mg| format!("{}/d", emissions(mg))),
    }
}

/// Which figures priced the energy: of a list of providers each that was used,
/// with its own data year and its hours.
pub(super) fn series(policy: &ValidatedPolicy, evaluation: &Evaluation) -> String {
    let info = policy.intensity.series.info();
    if evaluation.sources.is_empty() {
        return info.to_string();
    }
    let with_year = sources::with_year("data year ");
    let each = sources::joined(&evaluation.sources, with_year, " and ");
    let (zone, method, boundary, basis) = (&info.zone, info.method, info.boundary, info.basis);
    format!("{zone} {method} {boundary} {basis}, {each}")
}

fn pue_with(pue: &str, verdict: Verdict) -> String {
    format!("{pue} {verdict}")
}

fn intensity(totals: &Figures) -> String {
    let grams = totals
        .intensity_milligrams_per_kwh
        .map(|mg| (mg + 500) / 1_000);
    grams.map_or_else(|| NOTHING.to_owned(), |grams| grams.to_string())
}

/// Three digits of a figure with the largest unit that leaves a whole part.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
fn three_digits(figure: i64, units: &[(f64, &str)]) -> String {
    let figure = figure as f64;
    let fits = |(size, _): &&(f64, &str)| figure >= *size * 0.999_5;
    let Some((size, unit)) = units.iter().rev().find(fits).or(units.first()) else {
        return NOTHING.to_owned();
    };
    let scaled = figure / size;
    // The smallest unit counts in whole ones: more digits would be made up.
    if figure == 0.0 || (*size - 1.0).abs() < f64::EPSILON || scaled >= 99.95 {
        format!("{scaled:.0}{unit}")
    } else if scaled >= 9.995 {
        format!("{scaled:.1}{unit}")
    } else {
        format!("{scaled:.2}{unit}")
    }
}

/// Emissions in words, `22.6kg`.
#[must_use]
pub fn emissions(milligrams: i64) -> String {
    three_digits(
        milligrams,
        &[(1.0, "mg"), (1e3, "g"), (1e6, "kg"), (1e9, "t")],
    )
}

/// Energy in words, `41.2kWh`.
#[must_use]
pub fn energy(microjoules: i64) -> String {
    three_digits(
        microjoules,
        &[(1e6, "J"), (3.6e9, "Wh"), (3.6e12, "kWh"), (3.6e15, "MWh")],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_and_a_unit_are_one_word() {
        assert_eq!(energy(41_200_000 * 3_600_000), "41.2kWh");
        assert_eq!(energy(1_840_000_000), "1840J");
        assert_eq!(energy(6_000_000_000), "1.67Wh");
        assert_eq!(energy(0), "0J");
        assert_eq!(emissions(22_600_000), "22.6kg");
        assert_eq!(emissions(999_600), "1.00kg");
        assert_eq!(emissions(412_300), "412g");
        assert_eq!(emissions(3), "3mg");
        assert_eq!(emissions(0), "0mg");
    }
}
