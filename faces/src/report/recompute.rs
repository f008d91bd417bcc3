//! The commands that compute a report's sums and verdicts again, and what
//! they cannot: every flag that the policy's spec asks for, ready for a shell.
//! Computes nothing itself.

use std::collections::BTreeSet;
use std::fmt::Display;

use tanso_carbon::Preset;
use tanso_carbon::calendar::{Period, UtcHour, local_day};
use tanso_crds::carbon_policy::spec::{
    IntensityBoundary, IntensitySource, MeteringPoint, Placement, PueCategory, PueEvidence,
    PueScope,
};
use tanso_crds::carbon_policy::status::PueFigure;
use tanso_crds::carbon_policy::{
    AccountingSpec, FacilityEntity, IndicatorMetric, IndicatorSpec, MarketSpec, Matching,
};

use super::build::{Inputs, OtherTime};
use super::hours::utc;
use super::model::Report;
use crate::view::rules;

/// What a reader can do, and what not.
#[derive(Debug, Default)]
pub(super) struct Recompute {
    /// Commands, in their order.
    pub(super) commands: Vec<String>,
    /// What they do not compute again, and why.
    pub(super) limits: Vec<String>,
}

/// The commands of a report.
pub(super) fn recompute(inputs: &Inputs<'_>, report: &Report) -> Recompute {
    let spec = &inputs.policy.spec;
    let mut out = Recompute::default();
    let presets: Vec<&Preset> = spec
        .regulations
        .iter()
        .filter_map(|one| inputs.rules.get(&one.rule))
        .collect();
    let exports_intensity = matches!(
        spec.intensity.source,
        IntensitySource::Table | IntensitySource::Providers
    );
    out.export(inputs, report, &presets, exports_intensity);
    let mut line = Line::new("kubectl tanso whatif energy.csv");
    line.flag("zone", &spec.site.zone);
    if spec.site.time_zone != "UTC" {
        line.flag("time-zone", &spec.site.time_zone);
    }
    Recompute::period(inputs, report, &mut line);
    out.intensity(inputs, report, &mut line);
    if let Some(pue) = &report.method.facility_pue {
        Recompute::pue(pue, &mut line);
    }
    if spec.site.metering == MeteringPoint::Facility {
        line.switch("metered-at-facility");
    }
    // The export has the PUE of each node's region, where one is known.
    if spec.site.placement == Placement::NodeRegion && report.method.facility_pue.is_some() {
        out.limits.push("nodes in regions whose PUE nobody publishes: the export has none for them, and the command takes the site's".to_owned());
    }
    line.flag("min-coverage", &spec.evidence.min_coverage_percent);
    line.flag("max-estimated", &spec.evidence.max_estimated_percent);
    out.rules(inputs, &mut line);
    out.accounting(&spec.accounting, inputs, report, &mut line);
    out.commands.push(line.0);
    out
}

impl Recompute {
    /// The export of the longest period that a rule is judged over.
    fn export(
        &mut self,
        inputs: &Inputs<'_>,
        report: &Report,
        presets: &[&Preset],
        with_intensity: bool,
    ) {
        let longest = match &inputs.other {
            // Such a report has judged by its own hours alone.
            Some(_) => None,
            None => longest(presets, &report.period.data_through),
        };
        let from = longest.map(|period| utc(period.from.unix_seconds()));
        // Of one form and in UTC: their order is that of time.
        let from = from.map_or_else(
            || report.period.from.clone(),
            |from| from.min(report.period.from.clone()),
        );
        let mut line = Line::new("kubectl tanso report");
        // A policy of the other kind may have the same name: the line must not ask which.
        let policy = inputs.policy;
        line.word(&format!("{}/{}", policy.kind, policy.name));
        if let Some(namespace) = &inputs.policy.namespace {
            line.0 += " -n ";
            line.0 += &word(namespace);
        }
        line.flag("from", &from);
        line.flag("until", &report.period.until);
        line.flag("energy-csv", &"energy.csv");
        if with_intensity {
            line.flag("intensity-csv", &"intensity.csv");
        }
        self.commands.push(line.0);
        if inputs.policy.namespace.is_some() {
            self.limits.push("coverage by node: the export of a namespace knows an hour of its own workloads only".to_owned());
        }
    }

    /// What is added up, within what was exported.
    fn period(inputs: &Inputs<'_>, report: &Report, line: &mut Line) {
        let first = inputs.hours.and_then(|hours| {
            let mut booked = hours.hours.iter();
            booked
                .find(|hour| hour.energy_microjoules.is_some())
                .map(|hour| utc(hour.start))
        });
        let is_window = inputs.other.is_none();
        let first = first.filter(|first| is_window && *first > report.period.from);
        // A window is known since its first record.
        line.flag("from", first.as_ref().unwrap_or(&report.period.from));
        line.flag("until", &report.period.until);
        if is_window {
            line.flag("data-through", &report.period.until);
        }
    }

    fn intensity(&mut self, inputs: &Inputs<'_>, report: &Report, line: &mut Line) {
        let spec = &inputs.policy.spec.intensity;
        let told = report.intensity.as_ref().map(|from| from.boundary.as_str());
        let mut is_direct = told == Some("Direct");
        match spec.source {
            IntensitySource::Static => {
                if let Some(given) = &spec.r#static {
                    line.flag("grams-per-kwh", &given.grams_per_kwh);
                    line.flag("intensity-source", &given.reference);
                    if let Some(year) = given.data_year {
                        line.flag("data-year", &year);
                    }
                    is_direct = given.boundary == IntensityBoundary::Direct;
                }
            }
            IntensitySource::Table => {
                line.flag("intensity", &"intensity.csv");
                line.flag("fill", &3);
                line.flag("fill-days", &7);
                if let Some(table) = &spec.table {
                    is_direct = table.boundary == IntensityBoundary::Direct;
                    if let Some(year) = table.data_year {
                        line.flag("data-year", &year);
                    }
                }
            }
            IntensitySource::Providers => {
                line.flag("intensity", &"intensity.csv");
                self.limits.push("bounds of estimated intensity: the exported table has one figure an hour, as the providers give it when it is exported".to_owned());
            }
            IntensitySource::Bundled => {}
        }
        if is_direct {
            line.flag("boundary", &"direct");
        }
    }

    /// The figure that was applied, also where a query gave it.
    fn pue(pue: &PueFigure, line: &mut Line) {
        line.flag("pue", &pue.value);
        line.flag("pue-evidence", &evidence(pue.evidence));
        if !pue.source.is_empty() {
            line.flag("pue-source", &pue.source);
        }
        line.flag("pue-scope", &scope(pue.scope));
        if let Some(category) = pue.category {
            line.flag("pue-category", &self::category(category));
        }
        if pue.entity == FacilityEntity::AllSites {
            line.switch("pue-of-all-sites");
        }
    }

    /// Rules that come with tanso by their id, others as files.
    fn rules(&mut self, inputs: &Inputs<'_>, line: &mut Line) {
        let bundled = rules::bundled().unwrap_or_default();
        let mut told = BTreeSet::new();
        for one in &inputs.policy.spec.regulations {
            let id = one.rule.as_str();
            if !told.insert(id) {
                continue;
            }
            match (inputs.rules.get(id), bundled.get(id)) {
                (Some(own), known) if known != Some(own) => {
                    line.flag("rule-file", &format!("{id}.yaml"));
                    self.limits.push(format!(
                        "rule {id} comes with the cluster: {id}.yaml is the key of a ConfigMap with the label tanso.dev/regulations=true in the operator's namespace"
                    ));
                }
                (Some(_), _) => line.flag("rule", &id),
                (None, _) => self.limits.push(format!(
                    "rule {id}: there is no such rule any more, or its text cannot be read here"
                )),
            }
        }
    }

    fn accounting(
        &mut self,
        spec: &AccountingSpec,
        inputs: &Inputs<'_>,
        report: &Report,
        line: &mut Line,
    ) {
        if let Some(market) = &spec.market {
            self.market(market, inputs, line);
        }
        for one in &spec.indicators {
            line.flag("indicator", &indicator(one));
        }
        if let Some(base) = &spec.base_year {
            line.flag("base-year-grams", &(base.tonnes * 1e6));
        }
        if let Some(sci) = &report.software_carbon_intensity {
            line.flag("units", &sci.units);
            line.flag("unit-name", &sci.unit);
            line.flag("embodied-grams", &grams(sci.embodied_milligrams.value));
        } else if let Some(OtherTime {
            embodied: Some(mass),
            ..
        }) = &inputs.other
        {
            line.flag("embodied-grams", &grams(mass.value));
        }
    }

    fn market(&mut self, market: &MarketSpec, inputs: &Inputs<'_>, line: &mut Line) {
        line.flag("residual", &market.residual_mix.grams_per_kwh);
        line.flag("residual-source", &market.residual_mix.reference);
        let matching = match market.matching {
            Matching::Hourly => "hourly",
            Matching::Annual => "annual",
        };
        line.flag("matching", &matching);
        if let Some(table) = &market.contracts {
            line.flag("contracts", &"contracts.csv");
            let home = inputs.policy.namespace.as_deref();
            let path = format!("jsonpath={{.data.{}}}", table.key.replace('.', "\\."));
            self.commands.push(format!(
                "kubectl get configmap {} -n {} -o {} > contracts.csv",
                word(&table.config_map),
                word(home.unwrap_or("tanso-system")),
                word(&path)
            ));
        }
    }
}

/// The longest period of a rule that is judged by energy, on the last local day
/// with data.
fn longest(presets: &[&Preset], data_through: &str) -> Option<Period> {
    let through: jiff::Timestamp = data_through.parse().ok()?;
    let last = UtcHour::from_unix_seconds(through.as_second().saturating_sub(1)).start();
    let of_preset = |preset: &&Preset| {
        let day = local_day(last, &preset.zone);
        let rules = preset.on(day).into_iter();
        let rules = rules.filter(|rule| !rule.metric.is_facility());
        let periods = rules.filter_map(|rule| preset.period(rule, day).ok().flatten());
        periods.min_by_key(|period| period.from)
    };
    let periods = presets.iter().filter_map(of_preset);
    periods.min_by_key(|period| period.from)
}

/// Milligrams as grams, exact.
fn grams(milligrams: i64) -> String {
    crate::report::figure::fraction(milligrams.into(), 1_000, 3)
}

fn indicator(one: &IndicatorSpec) -> String {
    let metric = match one.metric {
        IndicatorMetric::Wue => "wue",
        IndicatorMetric::Erf => "erf",
        IndicatorMetric::Ref => "ref",
        IndicatorMetric::RenewableShare => "renewable-share",
    };
    let figure = one.litres_per_kwh.or(one.percent).unwrap_or_default();
    let of_all = match one.entity {
        FacilityEntity::Site => "",
        FacilityEntity::AllSites => ":all-sites",
    };
    format!("{metric}={figure}:{}{of_all}", evidence(one.evidence))
}

const fn evidence(evidence: PueEvidence) -> &'static str {
    match evidence {
        PueEvidence::Measured => "measured",
        PueEvidence::Certificate => "certificate",
        PueEvidence::PublishedForRegion => "region",
        PueEvidence::ProviderAverage => "provider-average",
        PueEvidence::Assumed => "assumed",
    }
}

const fn scope(scope: PueScope) -> &'static str {
    match scope {
        PueScope::Annual => "annual",
        PueScope::Interim => "interim",
        PueScope::Partial => "partial",
        PueScope::Design => "design",
        PueScope::AtQuarterLoad => "at-quarter-load",
        PueScope::AtFullLoad => "at-full-load",
    }
}

const fn category(category: PueCategory) -> &'static str {
    match category {
        PueCategory::Ups => "ups",
        PueCategory::Pdu => "pdu",
        PueCategory::Device => "device",
    }
}

/// A command line in the making.
struct Line(String);

impl Line {
    fn new(command: &str) -> Self {
        Self(command.to_owned())
    }

    fn word(&mut self, text: &str) {
        self.0.push(' ');
        self.0 += &word(text);
    }

    fn switch(&mut self, name: &str) {
        self.0 += " --";
        self.0 += name;
    }

    fn flag(&mut self, name: &str, value: &dyn Display) {
        self.switch(name);
        self.word(&value.to_string());
    }
}

/// A word of a shell's line.
fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}
