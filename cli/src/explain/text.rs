//! The words of an explanation. Pure: a status in, lines out.

use std::fmt::Write;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use tanso_crds::carbon_policy::status::{
    Bounded, Figures, IntensityProvenance, Recommendation, RegulationResult, WorkloadResult,
};
use tanso_crds::condition::types;
use tanso_faces::answer::{outcomes, places, sources};
use tanso_faces::letters;
use tanso_faces::report::Language;
use tanso_faces::words::{self, Priced};

use crate::figures;
use crate::policies::Policy;

/// Why a policy has its verdict.
pub(super) fn policy(policy: &Policy) -> String {
    let mut lines = Lines::default();
    let status = &policy.status;
    let verdict = status.verdict.map_or("no verdict yet", figures::verdict);
    lines.add(&format!("{}: {verdict}", policy.title()));
    lines.add(&period(policy));
    for (kind, word) in [
        (types::STALLED, "Stalled"),
        (types::RECONCILING, "Reconciling"),
    ] {
        if let Some(found) = policy
            .condition(kind)
            .filter(|found| found.status == "True")
        {
            lines.add(&format!("{word}: {}: {}", found.reason, found.message));
        }
    }
    if let Some(found) = policy
        .condition(types::PLACES_KNOWN)
        .filter(|found| found.status == "False")
    {
        lines.add(&format!("Places: {}", found.message));
    }
    if let (Some(now), Some(seen)) = (policy.generation, status.observed_generation)
        && seen < now
    {
        lines.add(&format!(
            "The spec changed since (generation {now}, judged is {seen})."
        ));
    }
    let Some(totals) = &status.totals else {
        let why = policy.condition(types::READY).map_or(
            "the operator has not visited this policy; see `kubectl tanso doctor`".to_owned(),
            |ready| format!("{}: {}", ready.reason, ready.message),
        );
        lines.add(&format!("No figures: {why}"));
        return lines.0;
    };
    lines.heading("Sum");
    formula(&mut lines, policy, totals);
    lines.heading("Evidence");
    evidence(&mut lines, policy, totals);
    lines.heading("Rules");
    for rule in &status.regulations {
        regulation(&mut lines, rule);
    }
    lines.0
}

/// Why a workload has its verdict.
pub(super) fn workload(policy: &Policy, found: &WorkloadResult) -> String {
    let mut lines = Lines::default();
    let (kind, name) = (&found.kind, &found.name);
    lines.add(&format!(
        "{kind} {}/{name}: {} ({}) by {}",
        found.namespace,
        figures::verdict(found.verdict),
        found.reason,
        policy.title()
    ));
    lines.add(&period(policy));
    lines.heading("Sum");
    formula(&mut lines, policy, &found.figures);
    let pods = match found.pods {
        1 => "1 pod".to_owned(),
        count => format!("{count} pods"),
    };
    let cpu_s = figures::float(found.figures.cpu_milliseconds) / 1e3;
    lines.item("CPU time", &format!("{cpu_s:.1} s in {pods}"));
    lines.heading("Evidence");
    evidence(&mut lines, policy, &found.figures);
    if found.recommendations.is_empty() {
        lines.heading("Advice");
        lines.add("  none above the least saving that the policy asks for");
    } else {
        lines.heading("Advice");
        for advice in &found.recommendations {
            recommendation(&mut lines, advice);
        }
    }
    if !found.advice_outcomes.is_empty() {
        lines.heading("Earlier advice");
        for earlier in &found.advice_outcomes {
            let said = outcomes::sentence(Language::English, earlier);
            lines.add(&format!("  {said}"));
        }
    }
    lines.0
}

/// Lines of text, each ended.
#[derive(Default)]
struct Lines(String);

impl Lines {
    /// A line, whatever texts of the cluster stand in it.
    fn add(&mut self, line: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "{}", letters::line(line));
    }

    fn heading(&mut self, word: &str) {
        self.add(word);
    }

    fn item(&mut self, name: &str, text: &str) {
        self.add(&format!("  {name:<12} {text}"));
    }
}

fn period(policy: &Policy) -> String {
    let through = policy.status.data_through.as_ref();
    let through = through.map_or(String::new(), |Time(time)| format!(" to {time}"));
    format!(
        "Last {}{through}, evaluated every {}",
        policy.spec.window, policy.spec.interval
    )
}

/// The formula with its numbers: energy x PUE x intensity = emissions.
fn formula(lines: &mut Lines, policy: &Policy, sum: &Figures) {
    let energy = &sum.energy_microjoules;
    let bounds = within(energy, figures::energy);
    lines.item(
        "energy",
        &format!(
            "{}{bounds}, {}",
            figures::kwh(energy.value),
            figures::source(sum)
        ),
    );
    lines.item(
        "x PUE",
        &places::factor(&policy.spec, &policy.status, Language::English),
    );
    let grid = sum
        .intensity_milligrams_per_kwh
        .map_or("-".to_owned(), figures::intensity);
    let origin = places::grid(&policy.status);
    let origin = origin.map_or(String::new(), |from| provenance(from, sum));
    lines.item("x grid", &format!("{grid}{origin}"));
    if let Some(said) = places::told(&policy.status.places) {
        lines.item("by place", &format!("{said}; of all workloads"));
    }
    let emissions = &sum.emissions_milligrams;
    let emitted = match Priced::of(sum) {
        Priced::All => {
            let bounds = within(emissions, figures::emissions);
            format!("{}{bounds}", figures::emissions(emissions.value))
        }
        _ => words::emitted(sum),
    };
    lines.item("= emissions", &format!("{emitted}, location-based"));
}

fn provenance(from: &IntensityProvenance, sum: &Figures) -> String {
    let source = sources::told(from, sources::with_year("data of "));
    let filled = match (sum.intensity_estimated_percent, from.filled_by.as_str()) {
        (0, _) => String::new(),
        (percent, "") => format!("; {percent}% of the energy at estimated hours"),
        (percent, rule) => format!("; {percent}% of the energy at estimated hours ({rule})"),
    };
    format!(
        " weighted by energy, zone {}, {}, {}: {source}{filled}",
        from.zone,
        from.method.to_lowercase(),
        if from.boundary == "LifeCycle" {
            "life-cycle"
        } else {
            "direct"
        },
    )
}

/// ` (20.8kg to 24.4kg, 90 %)`, nothing when the figure is exact.
fn within(figure: &Bounded, show: impl Fn(i64) -> String) -> String {
    if figure.low == figure.value && figure.value == figure.high {
        return String::new();
    }
    format!(" ({} to {}, 90 %)", show(figure.low), show(figure.high))
}

fn evidence(lines: &mut Lines, policy: &Policy, sum: &Figures) {
    let asked = &policy.spec.evidence;
    lines.item(
        "coverage",
        &format!(
            "{}% of the hours, {}% needed",
            sum.coverage_percent, asked.min_coverage_percent
        ),
    );
    lines.item(
        "estimated",
        &format!(
            "{}% of the energy at estimated intensity, {}% accepted",
            sum.intensity_estimated_percent, asked.max_estimated_percent
        ),
    );
    lines.item(
        "provenance",
        &format!(
            "{}% measured, {}% modelled, {}% simulated (simulated energy is never judged)",
            sum.measured_percent, sum.modelled_percent, sum.simulated_percent
        ),
    );
    if let Some(revision) = policy.status.ledger_revision {
        lines.item("ledger", &format!("up to booking {revision}"));
    }
    if let Some(digest) = &policy.status.inputs_digest {
        lines.item("inputs", digest);
    }
}

fn regulation(lines: &mut Lines, rule: &RegulationResult) {
    lines.add(&format!(
        "  {} [{}]: {} ({})",
        rule.rule,
        rule.kind,
        figures::verdict(rule.verdict),
        rule.reason
    ));
    if let (Some(value), Some(limit)) = (&rule.value_milli, rule.limit_milli) {
        let bounds = within(value, figures::milli);
        lines.add(&format!(
            "    {}{bounds} against {} {}",
            figures::milli(value.value),
            figures::milli(limit),
            rule.unit
        ));
    }
    lines.add(&format!("    {}", rule.message));
    if !rule.source.is_empty() {
        lines.add(&format!("    source: {}", rule.source));
    }
    if let Some(said) = places::of_rule(&rule.places) {
        lines.add(&format!("    energy of its period at {said}"));
    }
}

fn recommendation(lines: &mut Lines, advice: &Recommendation) {
    let saving = &advice.saving_milligrams_per_day;
    let bounds = within(saving, figures::emissions);
    let saved = advice.cluster_saving_milligrams_per_day;
    let moved = saving.value - saved;
    let all = figures::emissions(saving.value);
    let size = match (saved, moved) {
        (_, 0) => format!("-{all}/d{bounds}"),
        (0, _) => format!("-{all}/d attributed{bounds}"),
        (_, _) => format!(
            "-{}/d, and -{}/d attributed; both -{all}/d{bounds}",
            figures::emissions(saved),
            figures::emissions(moved)
        ),
    };
    lines.add(&format!(
        "  {}: {size}, {}% of its emissions, confidence {}",
        advice.action,
        figures::milli(advice.saving_milli_percent),
        advice.confidence
    ));
    if moved > 0 {
        lines.add(&format!(
            "    {}/d of it would be others' to bear: the cluster saves that only if a node goes",
            figures::emissions(moved)
        ));
    }
    lines.add(&format!("    change: {}", advice.change));
    lines.add(&format!("    basis: {}", advice.basis));
}
