//! A report as comma-separated values (RFC 4180): one fact a line, whole
//! numbers, the unit in its own column, the same words in every language.

use tanso_crds::carbon_policy::status::{AdviceOutcome, Bounded, Figures, Recommendation};

use super::{Language, Report};
use crate::answer::outcomes;
use crate::answer::savings::moved;
use crate::pue;
use crate::words::{Priced, is_known};

const HEADER: &str = "section,subject,fact,low,value,high,unit\n";

/// Writes the report.
pub(super) fn write(report: &Report) -> String {
    let mut out = Lines(HEADER.to_owned());
    statement(&mut out, report);
    figures(&mut out, "totals", "all", &report.totals);
    if let Some(market) = &report.market {
        out.bounded(
            "market",
            "all",
            "emissions",
            &market.emissions_milligrams,
            "mgCO2eq",
        );
        out.value(
            "market",
            "all",
            "covered",
            market.covered_percent,
            "percent",
        );
        out.text("market", "all", "matching", &market.matching);
        out.text("market", "all", "residualMix", &market.residual_mix);
    }
    if let Some(sci) = &report.software_carbon_intensity {
        out.bounded(
            "sci",
            &sci.unit,
            "perUnit",
            &sci.micrograms_per_unit,
            "ugCO2eq",
        );
        out.value("sci", &sci.unit, "units", sci.units, "count");
        out.bounded(
            "sci",
            &sci.unit,
            "operational",
            &sci.operational_milligrams,
            "mgCO2eq",
        );
        out.bounded(
            "sci",
            &sci.unit,
            "embodied",
            &sci.embodied_milligrams,
            "mgCO2eq",
        );
    }
    if let Some(embodied) = &report.embodied_milligrams {
        out.bounded("embodied", "all", "emissions", embodied, "mgCO2eq");
    }
    if let Some(through) = &report.advice_through {
        out.text("advice", "all", "dataThrough", through);
    }
    parts(&mut out, report);
    rules(&mut out, report);
    for workload in &report.workloads {
        let subject = format!("{}/{}/{}", workload.namespace, workload.kind, workload.name);
        // What is not known has no line: a zero would be a figure.
        if is_known(workload.verdict, &workload.figures) {
            figures(&mut out, "workload", &subject, &workload.figures);
        }
        let verdict = format!("{:?}", workload.verdict);
        out.text("workload", &subject, "verdict", &verdict);
        for advice in &workload.recommendations {
            saving(&mut out, "workload", &subject, advice);
        }
        for earlier in &workload.advice_outcomes {
            outcome(&mut out, &subject, earlier);
        }
    }
    for advice in &report.recommendations {
        saving(&mut out, "cluster", "all", advice);
    }
    hours(&mut out, report);
    for command in &report.recompute {
        out.text("provenance", "all", "recompute", command);
    }
    for limit in &report.not_recomputed {
        out.text("provenance", "all", "notRecomputed", limit);
    }
    out.0
}

fn statement(out: &mut Lines, report: &Report) {
    let policy = &report.policy;
    let namespace = policy.namespace.as_deref().unwrap_or_default();
    let digests = &report.digests;
    let revision = digests.ledger_revision.map(|number| number.to_string());
    let pue = pue::in_words(report.method.facility_pue.as_ref(), Language::English);
    for (fact, text) in [
        ("schema", report.schema.as_str()),
        ("organisation", &report.statement.organisation),
        ("responsible", &report.statement.responsible),
        ("cluster", &report.statement.cluster),
        ("software", &report.statement.software),
        ("evaluated", &report.statement.evaluated),
        ("policyKind", &policy.kind),
        ("policyNamespace", namespace),
        ("policy", &policy.name),
        ("from", &report.period.from),
        ("until", &report.period.until),
        ("dataThrough", &report.period.data_through),
        ("timeZone", &report.period.time_zone),
        ("pue", report.method.pue.as_deref().unwrap_or_default()),
        ("pueInWords", &pue),
        ("verdict", &format!("{:?}", report.verdict)),
        (
            "digestInputs",
            digests.inputs.as_deref().unwrap_or_default(),
        ),
        ("digestSpec", &digests.spec),
        ("digestRules", &digests.rules),
        ("digestWorkloads", &digests.workloads),
        ("ledgerRevision", revision.as_deref().unwrap_or_default()),
    ] {
        out.text("statement", "all", fact, text);
    }
    if let Some(from) = &report.intensity {
        for (fact, text) in [
            ("zone", &from.zone),
            ("method", &from.method),
            ("boundary", &from.boundary),
            ("basis", &from.basis),
            ("source", &from.source),
            ("licence", &from.licence),
            ("filledBy", &from.filled_by),
        ] {
            out.text("intensity", "all", fact, text);
        }
        for one in &from.sources {
            let year = one.data_year.map(|year| year.to_string());
            let year = year.unwrap_or_default();
            out.text("intensity", &one.source, "dataYear", &year);
            let hours = one.hours.to_string();
            out.text("intensity", &one.source, "hoursUsed", &hours);
        }
    }
}

fn figures(out: &mut Lines, section: &str, subject: &str, figures: &Figures) {
    out.bounded(
        section,
        subject,
        "energy",
        &figures.energy_microjoules,
        "uJ",
    );
    // Where nothing has an intensity no mass is known, and a zero would be one.
    if !matches!(Priced::of(figures), Priced::Nothing) {
        out.bounded(
            section,
            subject,
            "emissions",
            &figures.emissions_milligrams,
            "mgCO2eq",
        );
    }
    if figures.unpriced_microjoules != 0 {
        let unpriced = figures.unpriced_microjoules;
        out.value(section, subject, "energyWithoutIntensity", unpriced, "uJ");
    }
    if let Some(value) = figures.intensity_milligrams_per_kwh {
        let low = figures.intensity_low_milligrams_per_kwh;
        let high = figures.intensity_high_milligrams_per_kwh;
        let cells = [low, Some(value), high];
        let cells = cells.map(|cell| cell.map_or_else(String::new, |number| number.to_string()));
        out.line(section, subject, "intensity", &cells, "mgCO2eq/kWh");
    }
    out.value(section, subject, "cpu", figures.cpu_milliseconds, "ms");
    for (fact, percent) in [
        ("measured", figures.measured_percent),
        ("modelled", figures.modelled_percent),
        ("simulated", figures.simulated_percent),
        ("intensityEstimated", figures.intensity_estimated_percent),
        ("coverage", figures.coverage_percent),
    ] {
        out.value(section, subject, fact, percent, "percent");
    }
}

/// A sum of emissions; none where none of the energy has an intensity, and
/// beside it the energy that has none.
fn emitted(out: &mut Lines, section: &str, subject: &str, mass_mg: i64, unpriced_uj: i64) {
    if mass_mg != 0 || unpriced_uj == 0 {
        out.value(section, subject, "emissions", mass_mg, "mgCO2eq");
    }
    if unpriced_uj != 0 {
        out.value(
            section,
            subject,
            "energyWithoutIntensity",
            unpriced_uj,
            "uJ",
        );
    }
}

/// What the cluster saves and what only moves to others stand apart: a reader
/// who adds up one of them adds up nothing else.
fn saving(out: &mut Lines, section: &str, subject: &str, advice: &Recommendation) {
    let action = &advice.action;
    let unit = "mgCO2eq/d";
    let of_cluster = advice.cluster_saving_milligrams_per_day;
    out.value(
        section,
        subject,
        &format!("clusterSaving {action}"),
        of_cluster,
        unit,
    );
    out.value(
        section,
        subject,
        &format!("attributedSaving {action}"),
        moved(advice),
        unit,
    );
    let both = &advice.saving_milligrams_per_day;
    out.bounded(
        section,
        subject,
        &format!("bothSavings {action}"),
        both,
        unit,
    );
    let basis = format!("basis {action}");
    out.text(section, subject, &basis, &advice.basis);
}

/// Advice on a request that was told on an earlier day, and what became of it.
fn outcome(out: &mut Lines, subject: &str, one: &AdviceOutcome) {
    let about = format!(
        "{} {} {}",
        one.resource,
        one.container,
        outcomes::first_day(one)
    );
    let named = |fact: &str| format!("{fact} {about}");
    let section = "workload";
    let request = format!("{} to {}", one.asked, one.advised);
    out.text(section, subject, &named("requestAdvised"), &request);
    let state = format!("{:?}", one.state);
    out.text(section, subject, &named("requestState"), &state);
    if let Some(now) = &one.asked_now {
        out.text(section, subject, &named("requestNow"), now);
    }
    if let Some(at) = &one.taken_at {
        out.text(section, subject, &named("requestTaken"), &at.0.to_string());
    }
    out.bounded(
        section,
        subject,
        &named("requestPredicted"),
        &one.predicted_milligrams_per_day,
        "mgCO2eq/d",
    );
    let Some(effect) = &one.effect else {
        return;
    };
    for (fact, value, unit) in [
        ("energyBefore", effect.before_microjoules_per_hour, "uJ/h"),
        ("energyAfter", effect.after_microjoules_per_hour, "uJ/h"),
        ("cpuBefore", effect.cpu_before_milliseconds_per_hour, "ms/h"),
        ("cpuAfter", effect.cpu_after_milliseconds_per_hour, "ms/h"),
        ("daysBefore", i64::from(one.days_before), "count"),
        ("daysAfter", i64::from(one.days_after), "count"),
    ] {
        out.value(section, subject, &named(fact), value, unit);
    }
    out.bounded(
        section,
        subject,
        &named("energyChange"),
        &effect.change_microjoules_per_hour,
        "uJ/h",
    );
    out.text(
        section,
        subject,
        &named("energyProvenance"),
        &effect.provenance,
    );
    out.text(section, subject, &named("energyBasis"), &effect.basis);
}

fn parts(out: &mut Lines, report: &Report) {
    let all = [("namespace", &report.namespaces), ("month", &report.months)];
    for (section, parts) in all {
        for part in parts {
            out.value(section, &part.name, "energy", part.energy_microjoules, "uJ");
            out.value(
                section,
                &part.name,
                "measured",
                part.measured_microjoules,
                "uJ",
            );
            out.value(
                section,
                &part.name,
                "modelled",
                part.modelled_microjoules,
                "uJ",
            );
            out.value(
                section,
                &part.name,
                "simulated",
                part.simulated_microjoules,
                "uJ",
            );
            let mass = part.emissions_milligrams;
            emitted(out, section, &part.name, mass, part.unpriced_microjoules);
        }
    }
    for account in &report.unallocated {
        out.value(
            "unallocated",
            &account.account,
            "energy",
            account.energy_microjoules,
            "uJ",
        );
    }
    for place in &report.places {
        out.value(
            "place",
            &place.region,
            "energy",
            place.energy_microjoules,
            "uJ",
        );
        out.text("place", &place.region, "pue", &place.pue);
        if let Some(found) = &place.pue_figure {
            out.text("place", &place.region, "pueSource", &found.source);
        }
        out.text("place", &place.region, "zone", &place.intensity.zone);
    }
}

fn rules(out: &mut Lines, report: &Report) {
    for rule in &report.rules {
        let (id, result) = (rule.result.rule.as_str(), &rule.result);
        out.text("rule", id, "kind", &result.kind);
        out.text("rule", id, "verdict", &format!("{:?}", result.verdict));
        out.text("rule", id, "reason", &result.reason);
        let milli = format!("milli {}", result.unit);
        if let Some(limit) = result.limit_milli {
            out.value("rule", id, "limit", limit, &milli);
        }
        if let Some(value) = &result.value_milli {
            out.bounded("rule", id, "value", value, &milli);
        }
        out.text("rule", id, "source", &result.source);
    }
    for path in &report.paths {
        for point in &path.points {
            let year = point.year.to_string();
            let reduction = point.reduction_milli_percent;
            out.value(
                "path",
                &format!("{} {year}", path.rule),
                "reduction",
                reduction,
                "milli percent",
            );
        }
    }
}

fn hours(out: &mut Lines, report: &Report) {
    let Some(hours) = &report.hours else { return };
    for hour in &hours.hours {
        let subject = super::hours::utc(hour.start);
        if let Some(energy) = hour.energy_microjoules {
            out.value("hour", &subject, "energy", energy, "uJ");
            let mass = hour.emissions_milligrams;
            emitted(out, "hour", &subject, mass, hour.unpriced_microjoules);
        }
        if let Some(intensity) = hour.intensity_milligrams_per_kwh {
            let fact = match (hour.is_ahead, hour.is_estimated) {
                (true, _) => "intensityExpected",
                (false, true) => "intensityEstimated",
                (false, false) => "intensity",
            };
            out.value("hour", &subject, fact, intensity, "mgCO2eq/kWh");
        }
    }
}

/// Lines of seven fields.
struct Lines(String);

impl Lines {
    fn bounded(&mut self, section: &str, subject: &str, fact: &str, figure: &Bounded, unit: &str) {
        let numbers = [figure.low, figure.value, figure.high].map(|number| number.to_string());
        self.line(section, subject, fact, &numbers, unit);
    }

    fn value(
        &mut self,
        section: &str,
        subject: &str,
        fact: &str,
        value: impl Into<i64>,
        unit: &str,
    ) {
        let value: i64 = value.into();
        let numbers = [String::new(), value.to_string(), String::new()];
        self.line(section, subject, fact, &numbers, unit);
    }

    fn text(&mut self, section: &str, subject: &str, fact: &str, text: &str) {
        if !text.is_empty() {
            let cells = [String::new(), text.to_owned(), String::new()];
            self.line(section, subject, fact, &cells, "");
        }
    }

    fn line(&mut self, section: &str, subject: &str, fact: &str, cells: &[String; 3], unit: &str) {
        let [low, value, high] = cells;
        let fields = [section, subject, fact, low, value, high, unit];
        let fields: Vec<String> = fields.iter().map(|field| quoted(field)).collect();
        self.0.push_str(&fields.join(","));
        self.0.push('\n');
    }
}

/// A field; quoted where it must be, and made text where a spreadsheet would
/// take it for a formula. A number stays one.
fn quoted(field: &str) -> String {
    let is_number = field.parse::<i64>().is_ok();
    let is_formula = !is_number && field.starts_with(['=', '+', '-', '@', '\t']);
    let mark = if is_formula { "'" } else { "" };
    if is_formula || field.contains([',', '"', '\n', '\r']) {
        return format!("\"{mark}{}\"", field.replace('"', "\"\""));
    }
    field.to_owned()
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn what_a_spreadsheet_would_run_is_made_text_and_numbers_stay() {
        assert_eq!(quoted("=cmd()"), "\"'=cmd()\"");
        assert_eq!(quoted("-5"), "-5");
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
    }
}
