//! Why a verdict is what it is: the formula with its numbers, the evidence,
//! the rules and their sources.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tanso_carbon::calendar::Period;
use tanso_crds::carbon_policy::status::{
    AdviceOutcome, CarbonPolicyStatus, Figures, PlaceFigures, Recommendation, RegulationResult,
    Verdict,
};
use tanso_crds::condition::types;

use super::assess::by_policy;
use super::find::{Found, Named, search};
use super::{AnswerFault, Evaluated, PolicyName, WorkloadName, outcomes, places, sources};
use crate::letters;
use crate::report::Language;
use crate::report::period::placed;
use crate::view::{Facts, LeftOut, Policy, Scope};
use crate::words;

/// What to explain.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Question {
    /// The workload: NAME or KIND/NAME. Give it or `policy`.
    #[serde(default)]
    #[schemars(length(min = 1, max = 317))]
    pub workload: Option<String>,
    /// The policy, by its name. Give it or `workload`.
    #[serde(default)]
    #[schemars(length(min = 1, max = 253))]
    pub policy: Option<String>,
    /// The namespace of either; without one, all that you may see are searched.
    #[serde(default)]
    #[schemars(length(max = 63))]
    pub namespace: Option<String>,
    /// The workload's kind, if the name alone is not enough.
    #[serde(default)]
    #[schemars(length(max = 63))]
    pub kind: Option<String>,
}

/// Why verdicts are what they are.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The explanation in Markdown.
    pub text: String,
    /// The workload, if one was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload: Option<WorkloadName>,
    /// Each policy that judged it.
    pub verdicts: Vec<Explained>,
    /// Policies that may have a say too and that this version of tanso cannot read. Absent where there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<LeftOut>,
}

/// One verdict.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Explained {
    /// The policy.
    pub policy: PolicyName,
    /// The verdict; absent before the first evaluation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Machine-readable reason of the verdict, or of what is in the way.
    pub reason: String,
    /// What it was made from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluated: Option<Evaluated>,
    /// energy × PUE × intensity = emissions, with the numbers.
    pub formula: String,
    /// The figures of the formula: the status's own numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub figures: Option<Figures>,
    /// What the policy demands before it judges, against what there is.
    pub evidence: Vec<Demand>,
    /// The policy's rules over all its workloads, each with document and clause.
    pub rules: Vec<RegulationResult>,
    /// Where the energy of all the policy's workloads was used, each place with its PUE, its grid and their sources. Absent where all was used at the site.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<PlaceFigures>,
    /// The same of this workload's own energy. Absent for a policy, where no energy of its policy was used elsewhere, and where you cannot read the hours.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub own_places: Vec<PlaceFigures>,
    /// Advice, largest saving first.
    pub recommendations: Vec<Recommendation>,
    /// Advice on the workload's requests that was told on earlier days, and what became of it: an association with what was used since, not causal. Absent where there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub advice_outcomes: Vec<AdviceOutcome>,
    /// What is in the way, in words.
    pub conditions: Vec<String>,
}

/// A demand on evidence.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Demand {
    /// What is demanded.
    pub what: String,
    /// What there is, percent.
    pub is_percent: i32,
    /// What is demanded, percent.
    pub demanded_percent: i32,
    /// Whether that is met.
    pub met: bool,
}

/// Explains.
///
/// # Errors
/// If there is no such workload or policy.
pub async fn explain(facts: &dyn Facts, question: &Question) -> Result<Explanation, AnswerFault> {
    match (&question.workload, &question.policy) {
        (Some(workload), None) => of_workload(facts, question, workload).await,
        (None, Some(policy)) => of_policy(facts, question, policy).await,
        _ => Err(AnswerFault::invalid(
            "workload",
            "",
            "either a workload or a policy",
        )),
    }
}

async fn of_workload(
    facts: &dyn Facts,
    question: &Question,
    workload: &str,
) -> Result<Explanation, AnswerFault> {
    let named = Named {
        workload,
        namespace: question.namespace.as_deref(),
        kind: question.kind.as_deref(),
        policy: None,
    };
    let (found, unreadable) = search(facts, named).await?;
    let mut verdicts = Vec::with_capacity(found.len());
    for one in &found {
        let (by, own_places) = (by_policy(one), own_places(facts, one).await);
        let used = match own_places.as_slice() {
            [] => one.policy.status.places.clone(),
            own => own.to_vec(),
        };
        verdicts.push(Explained {
            verdict: Some(by.verdict),
            reason: by.reason,
            formula: formula(&one.policy, used, &by.figures),
            evidence: evidence(&one.policy, &by.figures),
            figures: Some(by.figures),
            own_places,
            recommendations: by.recommendations,
            advice_outcomes: by.advice_outcomes,
            ..of(&one.policy)
        });
    }
    let name = found.first().map(Found::name);
    Ok(Explanation {
        text: text(name.as_ref(), &verdicts, &unreadable),
        workload: name,
        verdicts,
        unreadable,
    })
}

/// Where a workload's own energy was used; nothing where all of its policy's
/// was used at the site, or the caller cannot read the hours.
async fn own_places(facts: &dyn Facts, found: &Found) -> Vec<PlaceFigures> {
    let policy = &found.policy;
    let window = policy
        .window()
        .filter(|_| places::is_elsewhere(&policy.status.places));
    let Some(window) = window else {
        return Vec::new();
    };
    // What is newer than the window is in the judged figures too.
    let wanted = Period {
        until: window.until.plus_hours(24),
        ..window
    };
    let key = found.name().key();
    let (site, energy) = tokio::join!(facts.site(policy), facts.energy_of(&key, wanted));
    let (Ok(site), Ok(energy)) = (site, energy) else {
        return Vec::new();
    };
    placed::places(&site, &energy.rows.iter().collect::<Vec<_>>())
}

async fn of_policy(
    facts: &dyn Facts,
    question: &Question,
    name: &str,
) -> Result<Explanation, AnswerFault> {
    let scope = Scope::of(question.namespace.as_deref());
    let listed = facts.listed_policies(&scope).await?;
    let mut unreadable = listed.unreadable;
    unreadable.retain(|one| one.name == name);
    let fits = listed.items.iter().filter(|policy| policy.name == name);
    let verdicts: Vec<_> = fits.map(of).collect();
    if let ([], Some(one)) = (verdicts.as_slice(), unreadable.first()) {
        return Err(AnswerFault::NotKnown {
            what: one.title(),
            reason: one.why(),
        });
    }
    if verdicts.is_empty() {
        let place = question.namespace.as_ref();
        let place = place.map_or_else(String::new, |name| format!(" in namespace \"{name}\""));
        return Err(AnswerFault::NotFound {
            what: format!("policy \"{name}\"{place}"),
            hint: "the resource tanso://policies lists what there is",
        });
    }
    Ok(Explanation {
        text: text(None, &verdicts, &unreadable),
        workload: None,
        verdicts,
        unreadable,
    })
}

fn of(policy: &Policy) -> Explained {
    let status = &policy.status;
    let wrong = status.conditions.iter().filter(|one| {
        let bad = match one.type_.as_str() {
            types::STALLED => "True",
            types::READY | types::INTENSITY_FRESH | types::PLACES_KNOWN => "False",
            _ => return false,
        };
        one.status == bad
    });
    let totals = status.totals.as_ref();
    let ready = policy.condition(types::COMPLIANT);
    Explained {
        policy: PolicyName::of(policy),
        verdict: status.verdict,
        reason: ready.map_or_else(String::new, |one| one.reason.clone()),
        evaluated: Evaluated::of(policy),
        formula: totals.map_or_else(String::new, |totals| {
            formula(policy, status.places.clone(), totals)
        }),
        evidence: totals.map_or_else(Vec::new, |totals| evidence(policy, totals)),
        figures: totals.cloned(),
        rules: status.regulations.clone(),
        places: status.places.clone(),
        own_places: Vec::new(),
        recommendations: status.recommendations.clone(),
        advice_outcomes: Vec::new(),
        conditions: wrong
            .map(|one| format!("{}: {}: {}", one.type_, one.reason, one.message))
            .collect(),
    }
}

/// `4.31 kWh (…) x PUE 1.32 (annual PUE, from a certificate) x 434.0 g/kWh (KR …) = 2.47 kg`.
fn formula(policy: &Policy, used: Vec<PlaceFigures>, figures: &Figures) -> String {
    let status = CarbonPolicyStatus {
        pue: policy.status.pue.clone(),
        summary: policy.status.summary.clone(),
        intensity: policy.status.intensity.clone(),
        places: used,
        ..CarbonPolicyStatus::default()
    };
    let pue = places::factor(&policy.spec, &status, Language::English);
    let grid = figures
        .intensity_milligrams_per_kwh
        .map_or("-".to_owned(), words::intensity);
    let from = places::grid(&status).map_or_else(String::new, |from| {
        let source = sources::told(from, sources::with_year("data of "));
        format!(
            " ({} {} {}: {source})",
            from.zone, from.method, from.boundary
        )
    });
    format!(
        "{} ({} % measured, {} % modelled, {} % simulated) x PUE {pue} x {grid}{from} = {}, location-based",
        words::energy(figures.energy_microjoules.value),
        figures.measured_percent,
        figures.modelled_percent,
        figures.simulated_percent,
        words::emitted(figures),
    )
}

fn evidence(policy: &Policy, figures: &Figures) -> Vec<Demand> {
    let asked = &policy.spec.evidence;
    vec![
        Demand {
            what: "hours with energy data, at least".to_owned(),
            is_percent: figures.coverage_percent,
            demanded_percent: asked.min_coverage_percent,
            met: figures.coverage_percent >= asked.min_coverage_percent,
        },
        Demand {
            what: "energy at estimated intensity, at most".to_owned(),
            is_percent: figures.intensity_estimated_percent,
            demanded_percent: asked.max_estimated_percent,
            met: figures.intensity_estimated_percent <= asked.max_estimated_percent,
        },
        Demand {
            what: "simulated energy, at most".to_owned(),
            is_percent: figures.simulated_percent,
            demanded_percent: 0,
            met: figures.simulated_percent == 0,
        },
    ]
}

/// A rule with its message, its source and, of a period of its own, the places
/// of that period's energy.
fn rule_line(rule: &RegulationResult) -> String {
    let places = places::of_rule(&rule.places);
    let places = places.map_or_else(String::new, |said| {
        format!("; energy of its period at {said}")
    });
    format!(
        "- rule {} [{}], all workloads together: {} ({}): {}; {}{places}",
        rule.rule,
        rule.kind,
        words::verdict(rule.verdict),
        rule.reason,
        rule.message,
        rule.source
    )
}

fn text(workload: Option<&WorkloadName>, verdicts: &[Explained], unreadable: &[LeftOut]) -> String {
    let mut lines = Vec::new();
    for one in verdicts {
        let what = workload.map_or_else(String::new, |name| format!("{name}: "));
        let verdict = one.verdict.map_or("no verdict yet", words::verdict);
        let policy = &one.policy;
        let place = policy
            .namespace
            .as_ref()
            .map_or_else(String::new, |name| format!("{name}/"));
        lines.push(format!(
            "**{what}{verdict}** ({}) by {} {place}{}",
            one.reason, policy.kind, policy.name
        ));
        if !one.formula.is_empty() {
            lines.push(format!("- {}", one.formula));
        }
        if !one.own_places.is_empty() {
            let own = places::told(&one.own_places);
            let own = own.unwrap_or_else(|| "all at the policy's site".to_owned());
            lines.push(format!("- places of its own energy: {own}"));
        }
        lines.extend(
            places::told(&one.places).map(|said| format!("- places of all workloads: {said}")),
        );
        lines.extend(one.evidence.iter().map(|demand| {
            let met = if demand.met { "met" } else { "not met" };
            let (demanded, is) = (demand.demanded_percent, demand.is_percent);
            format!("- {} {demanded} %: {is} %, {met}", demand.what)
        }));
        lines.extend(one.rules.iter().map(rule_line));
        lines.extend(one.recommendations.iter().map(|advice| {
            let saving = words::saving(advice);
            format!("- advice {}: {saving}; {}", advice.action, advice.change)
        }));
        lines.extend(one.advice_outcomes.iter().map(|earlier| {
            let said = outcomes::sentence(Language::English, earlier);
            format!("- earlier advice, {said}")
        }));
        let conditions = one.conditions.iter();
        lines.extend(conditions.map(|condition| format!("- in the way: {condition}")));
    }
    lines.extend(unreadable.iter().map(|one| format!("- left out: {one}")));
    // A text of the cluster ends no line of ours.
    let lines = lines.iter().map(|text| letters::line(text));
    lines.flat_map(|text| [text, "\n".into()]).collect()
}
