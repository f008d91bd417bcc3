//! The whole evaluation as a few sentences, first in `kubectl describe`; pure.

use tanso_carbon::account::Metering;
use tanso_carbon::verdict::Verdict;
use tanso_crds::carbon_policy::status::{Figures, Recommendation, SciFigures, WorkloadResult};
use tanso_faces::answer::figures::short_of;
use tanso_faces::answer::places;
use tanso_faces::answer::savings::{foremost, moved};
use tanso_faces::pue;
use tanso_faces::report::Language;
use tanso_faces::words::Priced;

use super::super::judge::Unseen;
use super::{Evaluation, ValidatedPolicy, emissions, energy, intensity, series};

/// Longest answer that a status holds, letters.
const LETTERS_MAX: usize = 1_024;
/// What tells all of it, where a status holds a part.
const WHOLE: &str = "kubectl tanso explain policy";

/// What was used, what it emitted and why, the verdict, and what would help.
#[must_use]
pub fn answer(policy: &ValidatedPolicy, evaluation: &Evaluation) -> String {
    let mut sentences = vec![used(policy, evaluation)];
    sentences.extend(unseen(evaluation));
    sentences.push(priced(policy, evaluation));
    sentences.extend(facility(policy, evaluation));
    let at_site = evaluation.at_site.as_ref();
    sentences.extend(at_site.map(|nodes| format!("Note: {}.", nodes.in_words())));
    sentences.extend(beside(evaluation));
    sentences.push(judged(evaluation));
    sentences.extend(advised(evaluation));
    sentences.extend(policy.notes.iter().map(|note| format!("Note: {note}.")));
    short_of(&sentences.join(" "), LETTERS_MAX, WHOLE)
}

fn used(policy: &ValidatedPolicy, evaluation: &Evaluation) -> String {
    let figures = &evaluation.totals;
    let count = evaluation.workloads.len();
    let workloads = if count == 1 { "workload" } else { "workloads" };
    // Energy that was metered at the facility has the PUE in it.
    let applied = policy
        .pue
        .as_ref()
        .filter(|_| policy.metering == Metering::ItEquipment);
    let factor = if !places::is_elsewhere(&evaluation.places) {
        applied.map_or_else(String::new, |pue| format!(" x PUE {}", pue.value.value))
    } else if policy.metering == Metering::Facility {
        String::new()
    } else {
        " x PUE of each place".to_owned()
    };
    format!(
        "{count} {workloads} used {}{} in {} h{} and emitted {}: energy{factor} x {} gCO2eq/kWh.",
        energy(figures.energy_microjoules.value),
        known_by(figures),
        policy.window_hours,
        recorded(evaluation),
        emitted(figures),
        intensity(figures),
    )
}

/// A part is not told as the whole: what has no intensity emitted more.
fn emitted(figures: &Figures) -> String {
    let mass = figures.emissions_milligrams;
    let without = energy(figures.unpriced_microjoules);
    match Priced::of(figures) {
        Priced::All => format!(
            "{} CO2eq ({} to {})",
            emissions(mass.value),
            emissions(mass.low),
            emissions(mass.high)
        ),
        Priced::Part => format!(
            "at least {} CO2eq, {without} at the facility having no intensity",
            emissions(mass.value)
        ),
        Priced::Nothing => "what is not known, since none of it has an intensity".to_owned(),
    }
}

/// Pods that no workload can be given to: without this, energy would leave a
/// Deployment in silence.
fn unseen(evaluation: &Evaluation) -> Option<String> {
    let Unseen { pods, energy: used } = evaluation.unseen;
    let used = energy(i64::try_from(used.microjoules()).unwrap_or(i64::MAX));
    let (begin, end) = match pods {
        0 => return None,
        1 => (
            "1 pod was gone before the operator saw it".to_owned(),
            "its owner is not known, so it stands",
        ),
        more => (
            format!("{more} pods were gone before the operator saw them"),
            "their owners are not known, so each stands",
        ),
    };
    Some(format!(
        "{begin} and used {used}: {end} for itself, and is left out where a policy selects by label or kind."
    ))
}

/// How the energy is known: a figure that is not measured says so beside
/// itself.
fn known_by(figures: &Figures) -> String {
    let shares = [
        (figures.measured_percent, "measured"),
        (figures.modelled_percent, "modelled"),
        (figures.simulated_percent, "simulated"),
    ];
    let known: Vec<String> = shares
        .iter()
        .filter(|(percent, _)| *percent > 0)
        .map(|(percent, how)| format!("{percent} % {how}"))
        .collect();
    if known.is_empty() {
        return String::new();
    }
    format!(" ({})", known.join(", "))
}

fn priced(policy: &ValidatedPolicy, evaluation: &Evaluation) -> String {
    format!(
        "Intensity: {}; {}.",
        series(policy, evaluation),
        policy.intensity.filled_by
    )
}

/// Who stands for the PUE: the site's, or where energy was used at the places of
/// nodes, that of each.
fn facility(policy: &ValidatedPolicy, evaluation: &Evaluation) -> Option<String> {
    if let Some(said) = places::told(&evaluation.places) {
        return Some(format!("By place: {said}."));
    }
    let pue = pue::figure(policy.pue.as_ref()?, policy.metering);
    let remarks: Vec<_> = pue::remarks(&pue, Language::English).collect();
    let remarks = if remarks.is_empty() {
        String::new()
    } else {
        format!("; {}", remarks.join("; "))
    };
    let said = pue::brief(&pue, Language::English);
    Some(format!("PUE: {said}{remarks}."))
}

/// The sums beside the location-based one.
fn beside(evaluation: &Evaluation) -> Vec<String> {
    let market = evaluation.market.as_ref().map(|market| {
        format!(
            "Market-based it is {} ({} % covered by contracts, matched {}).",
            emissions(market.emissions_milligrams.value),
            market.covered_percent,
            if market.matching == "Hourly" {
                "hour by hour"
            } else {
                "over the whole window"
            },
        )
    });
    let sci = evaluation.sci.as_ref().map(|sci| match sci {
        Ok(sci) => per_unit(sci),
        Err(why) => format!("No software carbon intensity: {why}."),
    });
    market.into_iter().chain(sci).collect()
}

/// What a unit of work emitted, and how much of the window it rests on.
fn per_unit(sci: &SciFigures) -> String {
    let milligrams = |micrograms: i64| format!("{}.{:03}", micrograms / 1_000, micrograms % 1_000);
    let part = match sci.coverage_percent {
        100 => String::new(),
        percent => format!(
            "; energy is known of {percent} % of the window, so it may be up to {} mg",
            milligrams(sci.micrograms_per_unit.high)
        ),
    };
    format!(
        "Software carbon intensity: {} mg per {} ({} of them), {} of the sum embodied{part}.",
        milligrams(sci.micrograms_per_unit.value),
        sci.unit,
        sci.units,
        emissions(sci.embodied_milligrams.value),
    )
}

fn judged(evaluation: &Evaluation) -> String {
    let combined = &evaluation.combined;
    let opening = match combined.verdict {
        Verdict::Compliant => "Within the rules",
        Verdict::NonCompliant => "Breaks a rule",
        Verdict::Inconclusive => "Cannot be told from these data",
        Verdict::Unknown => "Too little is known",
        Verdict::NotYetBinding => "Not binding yet",
    };
    let more = match evaluation.rules_not_listed {
        0 => String::new(),
        1 => " 1 more rule is judged than status.regulations has room for.".to_owned(),
        more => format!(" {more} more rules are judged than status.regulations has room for."),
    };
    format!(
        "{opening}: {}.{more}",
        combined.message.trim_end_matches('.')
    )
}

/// Since when energy is recorded, where that is not the whole window.
fn recorded(evaluation: &Evaluation) -> String {
    let since = evaluation.recorded_since;
    since.map_or_else(String::new, |since| format!(" (recorded since {since})"))
}

/// What saves the cluster most, and what moves most energy to others: the
/// second is saved only if a node goes.
fn advised(evaluation: &Evaluation) -> Vec<String> {
    let [saves, moves] = foremost(&evaluation.workloads);
    let saves = saves.map(|(workload, advice)| saved_in_words(workload, advice));
    let moves = moves.map(|(workload, advice)| moved_in_words(workload, advice));
    let found: Vec<_> = saves.into_iter().chain(moves).collect();
    if found.is_empty() {
        vec![why_nothing(evaluation)]
    } else {
        found
    }
}

fn share(advice: &Recommendation) -> String {
    let tenths = (advice.saving_milli_percent + 50) / 100;
    format!("{}.{} %", tenths / 10, tenths % 10)
}

fn saved_in_words(workload: &WorkloadResult, advice: &Recommendation) -> String {
    let share = if moved(advice) == 0 {
        format!("{} or ", share(advice))
    } else {
        String::new()
    };
    format!(
        "Saves most: {} of {} {}, {share}{} a day ({} confidence).",
        advice.action,
        workload.kind,
        workload.name,
        emissions(advice.cluster_saving_milligrams_per_day),
        advice.confidence.to_lowercase(),
    )
}

fn moved_in_words(workload: &WorkloadResult, advice: &Recommendation) -> String {
    let share = if advice.cluster_saving_milligrams_per_day == 0 {
        format!("{} or ", share(advice))
    } else {
        String::new()
    };
    format!(
        "Moves most to others: {} of {} {}, {share}{} a day, which the cluster saves only if a node goes.",
        advice.action,
        workload.kind,
        workload.name,
        emissions(moved(advice)),
    )
}

/// Why there is no advice, of the workload that emits most.
fn why_nothing(evaluation: &Evaluation) -> String {
    let mut workloads = evaluation.workloads.iter();
    let why = workloads.find_map(|workload| Some((workload, workload.no_advice.first()?)));
    why.map_or_else(
        || "No change that is looked for would save enough to advise it.".to_owned(),
        |(workload, why)| {
            format!(
                "No advice: {} {} has none of kind {}, since {}.",
                workload.kind, workload.name, why.action, why.message
            )
        },
    )
}
