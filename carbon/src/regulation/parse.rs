//! A preset file to checked rules; every fault with its line and field.

use std::fmt;

use jiff::civil::Date;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{Binds, Metric, Op, Preset, Rule, RuleKind, RulePeriod, WorkloadVerdict};
use crate::calendar;
use crate::pue::{PueCategory, PueScope};
use crate::series::{Basis, Boundary};

/// The most rules of one file.
const RULES_MAX: usize = 100;

/// One fault in a preset file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleFault {
    /// The file.
    pub file: String,
    /// The line, from 1; none if the fault has no place.
    pub line: Option<u64>,
    /// The field, such as `rules[0].limit`; empty if the file is no YAML.
    pub field: String,
    /// What is wrong, and what is accepted.
    pub reason: String,
}

impl fmt::Display for RuleFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if let Some(line) = self.line {
            write!(f, " line {line}")?;
        }
        if !self.field.is_empty() {
            write!(f, ", {}", self.field)?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// All faults of preset files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleFaults(pub Vec<RuleFault>);

impl fmt::Display for RuleFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            write!(f, "{}{fault}", if index == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl std::error::Error for RuleFaults {}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawPreset {
    id: Spanned<String>,
    title: String,
    title_ko: Option<String>,
    jurisdiction: String,
    time_zone: Spanned<String>,
    note: Option<String>,
    rules: Spanned<Vec<RawRule>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawRule {
    id: Spanned<String>,
    name: String,
    name_ko: Option<String>,
    kind: RuleKind,
    authority: String,
    binds: Binds,
    source: String,
    evidence: String,
    clause: Option<String>,
    from: Option<Date>,
    until: Option<Spanned<Date>>,
    due: Option<Spanned<Date>>,
    workload_verdict: Option<Spanned<WorkloadVerdict>>,
    metric: Metric,
    op: Spanned<Op>,
    limit: Option<Spanned<f64>>,
    unit: Spanned<String>,
    period: Spanned<RulePeriod>,
    pue_scope: Option<Spanned<PueScope>>,
    pue_category: Option<Spanned<PueCategory>>,
    basis: Option<Spanned<Basis>>,
    boundary: Option<Spanned<Boundary>>,
    base_year: Option<Spanned<i16>>,
    target_year: Option<Spanned<i16>>,
    condition: Option<String>,
    note: Option<String>,
}

/// The faults found so far in one file.
struct Faults<'a> {
    file: &'a str,
    found: Vec<RuleFault>,
}

impl Faults<'_> {
    fn add<T>(&mut self, at: &Spanned<T>, field: String, reason: String) {
        let line = Some(at.referenced.line()).filter(|line| *line > 0);
        self.found.push(RuleFault {
            file: self.file.to_owned(),
            line,
            field,
            reason,
        });
    }
}

/// The file's fields, or the first that has another type than it should.
fn read(file: &str, yaml: &str) -> Result<RawPreset, RuleFault> {
    let mut path = String::new();
    let raw = serde_saphyr::with_deserializer_from_str(yaml, |yaml| {
        let mut track = serde_path_to_error::Track::new();
        let tracked = serde_path_to_error::Deserializer::new(yaml, &mut track);
        RawPreset::deserialize(tracked).inspect_err(|_| path = track.path().to_string())
    });
    raw.map_err(|error| {
        let line = error.location().map(|place| place.line());
        // What a program could set is no help to who wrote the file.
        let told = first_line(&error.without_snippet().to_string())
            .replace(", set DuplicateKeyPolicy in Options if acceptable", "");
        let field = field_of(&path, &told);
        let reason = match accepted(&field) {
            Some(accepted) if !told.contains("expected one of") => {
                format!("{told}; accepted is {accepted}")
            }
            _ => told,
        };
        RuleFault {
            file: file.to_owned(),
            line: line.filter(|line| *line > 0),
            field,
            reason,
        }
    })
}

/// How the parser begins to say that a field stands twice.
const TWICE: &str = "duplicate mapping key: ";

/// The field of a fault as a reader of the file calls it: without the steps
/// that keep places, and with the name of a field that is missing or unknown.
fn field_of(path: &str, told: &str) -> String {
    let steps = path
        .split('.')
        .map(|step| step.strip_prefix("value").unwrap_or(step))
        .filter(|step| !step.is_empty() && *step != "?");
    let mut field = String::new();
    for step in steps {
        let joint = if field.is_empty() || step.starts_with('[') {
            ""
        } else {
            "."
        };
        field = field + joint + step;
    }
    let named = ["missing field `", "unknown field `", TWICE]
        .iter()
        .find_map(|opening| told.split_once(opening)?.1.split(['`', ' ']).next());
    match named {
        Some(name) if field.is_empty() || field == name => name.to_owned(),
        Some(name) if !field.ends_with(&format!(".{name}")) => format!("{field}.{name}"),
        _ => field,
    }
}

/// What a field accepts; `None` where nothing is known of it.
fn accepted(field: &str) -> Option<&'static str> {
    Some(match field.rsplit('.').next()? {
        "limit" => "a number, such as 1.4",
        "from" | "until" | "due" => "a day, such as 2027-07-01",
        "baseYear" | "targetYear" => "a year, such as 2018",
        "rules" => "a list of rules",
        "kind" => "law, draft, voluntary, policyTarget, quotedTarget, standard or factor",
        "binds" => "State, Facility, Operator, Reporters, Software or Nobody",
        "metric" => {
            "GridIntensity, Pue, EnergyBudget, CarbonBudget, ReductionPath, Sci, RenewableShare, \
             Wue, Erf, Ref or Duty"
        }
        "op" => "AtMost or AtLeast",
        "period" => "Window, Day, Month or Year",
        "pueScope" => "Annual, Interim, Partial, Design, AtQuarterLoad or AtFullLoad",
        "pueCategory" => "Ups, Pdu or Device",
        "basis" => "Location or Market",
        "boundary" => "Direct or LifeCycle",
        "workloadVerdict" => "None, Facility, Factor or Policy",
        "" => return None,
        step if step.ends_with(']') => "a rule with its fields",
        _ => "a text",
    })
}

pub(super) fn preset(file: &str, yaml: &str) -> Result<Preset, RuleFaults> {
    let raw = read(file, yaml).map_err(|fault| RuleFaults(vec![fault]))?;
    let mut faults = Faults {
        file,
        found: Vec::new(),
    };
    check_id(&raw.id, "id", &mut faults);
    let zone = calendar::time_zone(&raw.time_zone.value);
    if let Err(error) = &zone {
        faults.add(&raw.time_zone, "timeZone".to_owned(), error.to_string());
    }
    let count = raw.rules.value.len();
    if count == 0 || count > RULES_MAX {
        let reason = format!("{count} rules: accepted are 1 to {RULES_MAX}");
        faults.add(&raw.rules, "rules".to_owned(), reason);
    }
    for (index, rule) in raw.rules.value.iter().enumerate() {
        check_rule(index, rule, &mut faults);
        let twin = raw
            .rules
            .value
            .iter()
            .take(index)
            .any(|other| other.id.value == rule.id.value);
        if twin {
            let reason = format!("id {:?} is used twice", rule.id.value);
            faults.add(&rule.id, format!("rules[{index}].id"), reason);
        }
    }
    match zone {
        Ok(zone) if faults.found.is_empty() => Ok(Preset {
            id: raw.id.value,
            title: raw.title,
            title_ko: raw.title_ko,
            jurisdiction: raw.jurisdiction,
            time_zone: raw.time_zone.value,
            note: raw.note,
            rules: raw.rules.value.into_iter().map(Rule::from).collect(),
            zone,
        }),
        _ => Err(RuleFaults(faults.found)),
    }
}

fn check_id(id: &Spanned<String>, field: &str, faults: &mut Faults<'_>) {
    let proper = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    if id.value.is_empty() || id.value.len() > 63 || !id.value.chars().all(proper) {
        let reason = format!(
            "id {:?}: accepted are 1 to 63 letters, digits, \"-\" and \".\"",
            id.value
        );
        faults.add(id, field.to_owned(), reason);
    }
}

fn check_rule(index: usize, rule: &RawRule, faults: &mut Faults<'_>) {
    let field = |name: &str| format!("rules[{index}].{name}");
    check_id(&rule.id, &field("id"), faults);
    if !rule.metric.units().contains(&rule.unit.value.as_str()) {
        let accepted = rule.metric.units().join(", ");
        let reason = format!(
            "unit {:?} for {:?}: accepted are {accepted}",
            rule.unit.value, rule.metric
        );
        faults.add(&rule.unit, field("unit"), reason);
    }
    if let Some(limit) = &rule.limit {
        check_limit(&field("limit"), rule.metric, limit, faults);
    }
    for (day, name) in [(&rule.until, "until"), (&rule.due, "due")] {
        if let (Some(from), Some(day)) = (rule.from, day)
            && day.value < from
        {
            let reason = format!("{name} {} is before from {from}", day.value);
            faults.add(day, field(name), reason);
        }
    }
    if let (Some(until), Some(due)) = (&rule.until, &rule.due)
        && until.value < due.value
    {
        let reason = format!(
            "due {} is after until {}: the limit would never have to be kept",
            due.value, until.value
        );
        faults.add(due, field("due"), reason);
    }
    check_op(&field, rule, faults);
    check_of_others(&field, rule, faults);
    check_verdict(&field, rule, faults);
    check_kind_of_sum(&field, rule, faults);
    if rule.metric == Metric::ReductionPath {
        if rule.period.value != RulePeriod::Year {
            let reason = format!(
                "period {:?} of a reduction path: accepted is Year, since it is held against the emissions of a whole year",
                rule.period.value
            );
            faults.add(&rule.period, field("period"), reason);
        }
        let needed = || "a reduction path needs a baseYear and a later targetYear".to_owned();
        match (&rule.base_year, &rule.target_year) {
            (Some(base), Some(target)) if base.value < target.value => {}
            (_, Some(target)) => faults.add(target, field("targetYear"), needed()),
            _ => faults.add(&rule.id, field("targetYear"), needed()),
        }
        for (year, name) in [
            (&rule.base_year, "baseYear"),
            (&rule.target_year, "targetYear"),
        ] {
            if let Some(year) = year
                && !YEARS.contains(&year.value)
            {
                let (first, last) = (YEARS.start(), YEARS.end());
                let reason = format!("{name} {}: accepted are {first} to {last}", year.value);
                faults.add(year, field(name), reason);
            }
        }
    }
}

/// The years of a reduction path: a year of two digits puts its line wrong.
const YEARS: std::ops::RangeInclusive<i16> = 1950..=2150;

/// A limit on the wrong side would let pass what breaks it.
fn check_op(field: &impl Fn(&str) -> String, rule: &RawRule, faults: &mut Faults<'_>) {
    let sides: &[Op] = match rule.metric {
        Metric::Pue
        | Metric::Wue
        | Metric::GridIntensity
        | Metric::EnergyBudget
        | Metric::CarbonBudget
        | Metric::Sci => &[Op::AtMost],
        Metric::ReductionPath | Metric::RenewableShare | Metric::Erf | Metric::Ref => {
            &[Op::AtLeast]
        }
        Metric::Duty => &[Op::AtMost, Op::AtLeast],
    };
    if let [side] = sides
        && *side != rule.op.value
    {
        let (given, metric) = (rule.op.value, rule.metric);
        let reason = format!(
            "op {given:?} for {metric:?}: accepted is {side:?}, else what breaks the limit would keep it"
        );
        faults.add(&rule.op, field("op"), reason);
    }
}

/// A field that only rules of another metric have would be read over.
fn check_of_others(field: &impl Fn(&str) -> String, rule: &RawRule, faults: &mut Faults<'_>) {
    let metric = rule.metric;
    let of = |wanted: Metric, name: &str| format!("{name} for {metric:?}: accepted for {wanted:?}");
    if metric != Metric::Pue {
        if let Some(scope) = &rule.pue_scope {
            faults.add(scope, field("pueScope"), of(Metric::Pue, "pueScope"));
        }
        if let Some(category) = &rule.pue_category {
            faults.add(
                category,
                field("pueCategory"),
                of(Metric::Pue, "pueCategory"),
            );
        }
    }
    if metric != Metric::ReductionPath {
        for (year, name) in [
            (&rule.base_year, "baseYear"),
            (&rule.target_year, "targetYear"),
        ] {
            if let Some(year) = year {
                faults.add(year, field(name), of(Metric::ReductionPath, name));
            }
        }
    }
}

/// Only some sums are market-based, and a boundary is one of the grid's
/// intensity: what contracts deliver has none, and a path holds a year against
/// another of the same kind.
fn check_kind_of_sum(field: &impl Fn(&str) -> String, rule: &RawRule, faults: &mut Faults<'_>) {
    if let Some(basis) = &rule.basis
        && basis.value == Basis::Market
        && !matches!(rule.metric, Metric::CarbonBudget | Metric::ReductionPath)
    {
        let reason = format!(
            "basis Market for {:?}: accepted for CarbonBudget and ReductionPath (a software carbon \
             intensity is location-based, ISO/IEC 21031)",
            rule.metric
        );
        faults.add(basis, field("basis"), reason);
    }
    let Some(boundary) = &rule.boundary else {
        return;
    };
    let (given, metric) = (boundary.value, rule.metric);
    let has_one = matches!(metric, Metric::GridIntensity | Metric::CarbonBudget);
    let is_market = matches!(&rule.basis, Some(basis) if basis.value == Basis::Market);
    let reason = match (has_one, is_market) {
        (true, false) => return,
        (true, true) => {
            format!("boundary {given:?} with basis Market: accepted with basis Location")
        }
        (false, _) => {
            format!(
                "boundary {given:?} for {metric:?}: accepted for GridIntensity and CarbonBudget"
            )
        }
    };
    faults.add(boundary, field("boundary"), reason);
}

/// What a rule's verdict is about if its file does not say.
const fn verdict_of(binds: Binds, kind: RuleKind) -> WorkloadVerdict {
    match (binds, kind) {
        (_, RuleKind::Factor) => WorkloadVerdict::Factor,
        (Binds::State, _) => WorkloadVerdict::None,
        _ => WorkloadVerdict::Policy,
    }
}

/// Nobody's workload is judged by what binds a state, nor by a factor.
fn check_verdict(field: &impl Fn(&str) -> String, rule: &RawRule, faults: &mut Faults<'_>) {
    let Some(given) = &rule.workload_verdict else {
        return;
    };
    let of_facility = rule.metric.is_facility();
    let reason = match (given.value, rule.binds, rule.kind) {
        (WorkloadVerdict::Factor, _, RuleKind::Factor) => return,
        (_, _, RuleKind::Factor) => "of a factor: accepted is Factor",
        (WorkloadVerdict::Factor, ..) => {
            "of a rule that is no factor: accepted are None, Facility and Policy"
        }
        (WorkloadVerdict::None, ..) => return,
        (_, Binds::State, _) => "of a rule that binds a state: accepted is None",
        (WorkloadVerdict::Facility, ..) if !of_facility => {
            "of a metric that is not a facility's: accepted are None and Policy"
        }
        _ => return,
    };
    let reason = format!("workloadVerdict {:?} {reason}", given.value);
    faults.add(given, field("workloadVerdict"), reason);
}

fn check_limit(field: &str, metric: Metric, limit: &Spanned<f64>, faults: &mut Faults<'_>) {
    let (least, most) = match metric {
        Metric::Pue => (1.0, 5.0),
        Metric::GridIntensity => (0.0, 2_000.0),
        Metric::ReductionPath | Metric::RenewableShare | Metric::Erf | Metric::Ref => (0.0, 100.0),
        Metric::EnergyBudget | Metric::CarbonBudget | Metric::Sci | Metric::Wue | Metric::Duty => {
            (0.0, 1e15)
        }
    };
    if !(least..=most).contains(&limit.value) {
        let reason = format!(
            "limit {} for {metric:?}: accepted are {least} to {most}",
            limit.value
        );
        faults.add(limit, field.to_owned(), reason);
    }
}

impl From<RawRule> for Rule {
    fn from(raw: RawRule) -> Self {
        let said = raw.workload_verdict.map(|given| given.value);
        Self {
            due: raw.due.map(|due| due.value),
            workload_verdict: said.unwrap_or_else(|| verdict_of(raw.binds, raw.kind)),
            id: raw.id.value,
            name: raw.name,
            name_ko: raw.name_ko,
            kind: raw.kind,
            authority: raw.authority,
            binds: raw.binds,
            source: raw.source,
            evidence: raw.evidence,
            clause: raw.clause,
            from: raw.from,
            until: raw.until.map(|until| until.value),
            metric: raw.metric,
            op: raw.op.value,
            limit: raw.limit.map(|limit| limit.value),
            unit: raw.unit.value,
            period: raw.period.value,
            pue_scope: raw.pue_scope.map(|scope| scope.value).unwrap_or_default(),
            pue_category: raw.pue_category.map(|category| category.value),
            basis: raw.basis.map_or(Basis::Location, |basis| basis.value),
            boundary: raw.boundary.map(|boundary| boundary.value),
            base_year: raw.base_year.map(|year| year.value),
            target_year: raw.target_year.map(|year| year.value),
            condition: raw.condition,
            note: raw.note,
        }
    }
}

/// The first line of an error, which names the field; the rest draws it.
fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim().to_owned()
}
