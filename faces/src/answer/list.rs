//! Workloads by their compliance, a page at a time. Where several policies
//! judge a workload it is one workload still: the worst verdict is its own, by
//! the engine's order, and the others stand beside it.
//!
//! A page begins after the last workload of the one before, by the order's
//! own key: what is judged anew in between moves workloads, but never breaks
//! the list.

mod cursor;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tanso_crds::carbon_policy::status::{Figures, Recommendation, Verdict, WorkloadResult};

use super::judge;
use super::savings::moved;
use super::{AnswerFault, Evaluated, PolicyName, WorkloadName, note};
use crate::view::{Facts, LeftOut, Missing, Policy, Scope};
use crate::words;
use cursor::{Key, is_after, read, write};

/// Workloads of a page, unless asked for otherwise.
const LIMIT: u32 = 25;
/// Most workloads of a page.
const LIMIT_MAX: u32 = 200;

/// Which workloads, in what order.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Question {
    /// Only this namespace; default all that you may see.
    #[serde(default)]
    #[schemars(length(max = 63))]
    pub namespace: Option<String>,
    /// Only workloads with one of these verdicts; default all.
    #[serde(default)]
    #[schemars(length(max = 5))]
    pub verdicts: Vec<Verdict>,
    /// Only what this policy judged, by its name; default all policies.
    #[serde(default)]
    #[schemars(length(max = 253))]
    pub policy: Option<String>,
    /// Only what policies judged that name this standard: an id as in their spec.regulations, for example kr-carbon-2050, or that of one of its rules, for example KR-QUOTED-424 (the resource `tanso://regulations` lists them). The verdict shown is still that over all rules of the policy.
    #[serde(default)]
    #[schemars(length(max = 63))]
    pub standard: Option<String>,
    /// The order. Default Emissions, largest first.
    #[serde(default)]
    pub sort: Sort,
    /// Workloads of a page, 1 to 200. Default 25.
    #[serde(default)]
    #[schemars(range(min = 1, max = 200))]
    pub limit: Option<u32>,
    /// The `nextCursor` of the page before; with the same other arguments.
    #[serde(default)]
    #[schemars(length(max = 2048))]
    pub cursor: Option<String>,
}

/// An order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Sort {
    /// Largest emissions first.
    #[default]
    Emissions,
    /// Largest energy first.
    Energy,
    /// Highest effective intensity first.
    Intensity,
    /// Largest saving of the cluster first; among equals, the largest attributed one.
    Saving,
    /// By namespace, kind and name.
    Name,
}

/// A page of workloads.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Page {
    /// The answer in a sentence.
    pub summary: String,
    /// How many workloads have each verdict, before `verdicts` was applied. A workload that several policies judge counts once, by the worst.
    pub counts: Counts,
    /// How many workloads fit, on all pages.
    pub total: u32,
    /// The workloads of this page.
    pub workloads: Vec<Item>,
    /// What to give as `cursor` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
    /// What the figures were made from, by policy.
    pub policies: Vec<ListedPolicy>,
    /// Policies that this version of tanso cannot read; their workloads are counted nowhere here. Absent where there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<LeftOut>,
}

/// Workloads by verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Compliant.
    pub compliant: u32,
    /// Not compliant.
    pub non_compliant: u32,
    /// The limit lies within the interval.
    pub inconclusive: u32,
    /// Too little is known, or it is simulated.
    pub unknown: u32,
    /// The rule starts later.
    pub not_yet_binding: u32,
}

/// A workload in a list.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// The workload.
    pub workload: WorkloadName,
    /// The index in `policies` of the policy whose judgement this is: of several the worst, of equally bad ones the first.
    pub policy: u32,
    /// The verdict.
    pub verdict: Verdict,
    /// Machine-readable reason of the verdict.
    pub reason: String,
    /// Energy and emissions with 90 % bounds: the status's own numbers.
    pub figures: Figures,
    /// The largest saving of the cluster that is recommended, milligrams of CO2eq per day; 0 without such advice.
    pub largest_saving_milligrams_per_day: i64,
    /// The most that advice moves to others, milligrams of CO2eq per day: the cluster saves it only if a node goes.
    pub largest_attributed_milligrams_per_day: i64,
    /// What other policies say of the same workload.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also_judged_by: Vec<Other>,
}

/// Another policy's judgement of a listed workload.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Other {
    /// The index in `policies` of the policy.
    pub policy: u32,
    /// Its verdict.
    pub verdict: Verdict,
    /// Machine-readable reason of that verdict.
    pub reason: String,
}

/// A policy whose workloads are listed.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListedPolicy {
    /// The policy.
    pub policy: PolicyName,
    /// Its verdict over all its workloads together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// The rules it names.
    pub rules: Vec<String>,
    /// What it was made from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluated: Option<Evaluated>,
    /// Workloads that it judged and that are neither listed nor counted here, since its pages cannot be read; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<Missing>,
}

/// Lists workloads.
///
/// # Errors
/// If an argument makes no sense.
pub async fn list(facts: &dyn Facts, question: &Question) -> Result<Page, AnswerFault> {
    let limit = question.limit.unwrap_or(LIMIT);
    if limit == 0 || limit > LIMIT_MAX {
        return Err(AnswerFault::invalid("limit", limit, "1 to 200"));
    }
    let after = question
        .cursor
        .as_deref()
        .map(|text| read(text, question.sort))
        .transpose()?;
    let scope = Scope::of(question.namespace.as_deref());
    let found = facts.listed_policies(&scope).await?;
    let (mut policies, mut unreadable) = (found.items, found.unreadable);
    unreadable.retain(|one| {
        let asked = question.policy.as_ref();
        asked.is_none_or(|name| one.name == *name)
    });
    let standard = standard_of(facts, &policies, question).await?;
    policies.retain(|one| wanted(one, question, standard.as_deref()));
    let mut judged: Vec<Judged> = Vec::new();
    let mut missing: Vec<Option<Missing>> = Vec::new();
    for (index, policy) in (0_u32..).zip(&policies) {
        let read = facts.listed_workloads(policy).await?;
        missing.push(Missing::of(policy, &read));
        judged.push((index, read.workloads));
        note(facts, (judged.len(), policies.len()), (5, 95), "policy");
    }
    let found = page(&judged, &scope, question, after.as_ref(), limit);
    let last = found.kept.last().filter(|_| found.is_more);
    let of_policies = policies.iter().zip(&missing);
    let not_in_it = of_policies.filter_map(|(policy, missing)| Some((policy, missing.as_ref()?)));
    Ok(Page {
        summary: found.counts.in_words(found.total, found.kept.len())
            + &Missing::sentences(not_in_it)
            + &LeftOut::sentence(&unreadable),
        counts: found.counts,
        total: found.total,
        next_cursor: last.map(|(key, _)| write(question.sort, key)),
        workloads: found.kept.into_iter().map(|(_, item)| item).collect(),
        policies: policies.iter().zip(missing).map(listed).collect(),
        unreadable,
    })
}

/// What a policy says of its workloads, with the policy's index.
type Judged = (u32, Arc<Vec<WorkloadResult>>);

/// A workload's namespace, kind and name.
type Name<'a> = (&'a str, &'a str, &'a str);

/// What is listed, and how much of it there is.
struct Found {
    counts: Counts,
    total: u32,
    kept: Vec<(Key, Item)>,
    is_more: bool,
}

fn page(
    judged: &[Judged],
    scope: &Scope,
    question: &Question,
    after: Option<&Key>,
    limit: u32,
) -> Found {
    let (mut counts, mut total) = (Counts::default(), 0_u32);
    let mut kept: Vec<(Key, Item)> = Vec::new();
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    for (index, result) in deciding(judged, scope).into_values() {
        counts.count(result.verdict);
        if !question.verdicts.is_empty() && !question.verdicts.contains(&result.verdict) {
            continue;
        }
        total = total.saturating_add(1);
        let rank = rank(question.sort, result);
        if after.is_some_and(|after| !is_after(after, rank, result, index)) {
            continue;
        }
        offer(&mut kept, most.saturating_add(1), rank, result, index);
    }
    let is_more = kept.len() > most;
    kept.truncate(most);
    name_others(&mut kept, judged);
    Found {
        counts,
        total,
        kept,
        is_more,
    }
}

fn name_of(result: &WorkloadResult) -> Name<'_> {
    (&result.namespace, &result.kind, &result.name)
}

/// Of each workload the judgement that decides.
fn deciding<'a>(
    judged: &'a [Judged],
    scope: &Scope,
) -> HashMap<Name<'a>, (u32, &'a WorkloadResult)> {
    let mut worst: HashMap<Name<'a>, (u32, &WorkloadResult)> = HashMap::new();
    for (index, results) in judged {
        let within = results.iter().filter(|one| scope.holds(&one.namespace));
        for result in within {
            let known = worst.entry(name_of(result)).or_insert((*index, result));
            if weight(result) > weight(known.1) {
                *known = (*index, result);
            }
        }
    }
    worst
}

/// How much a judgement decides among several, as rules of one policy do: the
/// worst verdict, and what has no limit to keep only where nothing else is.
fn weight(result: &WorkloadResult) -> u8 {
    if matches!(result.reason.as_str(), "NoRule" | "NoLimit" | "ContextOnly") {
        return 0;
    }
    match result.verdict {
        Verdict::NonCompliant => 5,
        Verdict::Unknown => 4,
        Verdict::Inconclusive => 3,
        Verdict::Compliant => 2,
        Verdict::NotYetBinding => 1,
    }
}

/// Puts beside each listed workload what other policies say of it.
fn name_others(kept: &mut [(Key, Item)], judged: &[Judged]) {
    if judged.len() < 2 {
        return;
    }
    let mut others: HashMap<Name<'_>, Vec<Other>> = HashMap::new();
    let listed: HashSet<Name<'_>> = kept
        .iter()
        .map(|(Key(_, namespace, kind, name, _), _)| (&**namespace, &**kind, &**name))
        .collect();
    for (index, results) in judged {
        let of_page = results.iter().filter(|one| listed.contains(&name_of(one)));
        for result in of_page {
            others.entry(name_of(result)).or_default().push(Other {
                policy: *index,
                verdict: result.verdict,
                reason: result.reason.clone(),
            });
        }
    }
    for (Key(_, namespace, kind, name, _), item) in kept {
        let found = others.remove(&(&**namespace, &**kind, &**name));
        item.also_judged_by = found.unwrap_or_default();
        item.also_judged_by
            .retain(|other| other.policy != item.policy);
    }
}

fn wanted(policy: &Policy, question: &Question, standard: Option<&str>) -> bool {
    let named = question
        .policy
        .as_ref()
        .is_none_or(|name| policy.name == *name);
    named && standard.is_none_or(|id| names_standard(policy, id))
}

fn names_standard(policy: &Policy, id: &str) -> bool {
    policy.spec.regulations.iter().any(|one| one.rule == id)
}

/// The id by which policies name the standard that is asked for. One of the
/// user's own that the caller may not read is known by the policies alone.
async fn standard_of(
    facts: &dyn Facts,
    policies: &[Policy],
    question: &Question,
) -> Result<Option<String>, AnswerFault> {
    let Some(asked) = &question.standard else {
        return Ok(None);
    };
    if policies.iter().any(|one| names_standard(one, asked)) {
        return Ok(Some(asked.clone()));
    }
    let rules = facts.rules().await?;
    let found = judge::standard(asked, &rules);
    let found = found.ok_or_else(|| judge::no_standard("standard", asked, &rules))?;
    Ok(Some(found.id.clone()))
}

fn listed((policy, missing): (&Policy, Option<Missing>)) -> ListedPolicy {
    ListedPolicy {
        policy: PolicyName::of(policy),
        verdict: policy.status.verdict,
        rules: policy
            .spec
            .regulations
            .iter()
            .map(|one| one.rule.clone())
            .collect(),
        evaluated: Evaluated::of(policy),
        missing,
    }
}

fn largest(result: &WorkloadResult, of: fn(&Recommendation) -> i64) -> i64 {
    result.recommendations.iter().map(of).max().unwrap_or(0)
}

fn of_cluster(advice: &Recommendation) -> i64 {
    advice.cluster_saving_milligrams_per_day
}

/// The figures that the order goes by, negated where the largest comes first.
fn rank(sort: Sort, result: &WorkloadResult) -> (i64, i64) {
    let figures = &result.figures;
    let (figure, then) = match sort {
        Sort::Emissions => (figures.emissions_milligrams.value, 0),
        Sort::Energy => (figures.energy_microjoules.value, 0),
        Sort::Intensity => (figures.intensity_milligrams_per_kwh.unwrap_or(-1), 0),
        Sort::Saving => (largest(result, of_cluster), largest(result, moved)),
        Sort::Name => (0, 0),
    };
    (figure.saturating_neg(), then.saturating_neg())
}

/// Keeps a workload if it is among the first so many.
fn offer(
    kept: &mut Vec<(Key, Item)>,
    most: usize,
    rank: (i64, i64),
    result: &WorkloadResult,
    index: u32,
) {
    let is_before = |(key, _): &(Key, Item)| !is_after(key, rank, result, index);
    if kept.len() >= most && kept.last().is_some_and(|last| !is_before(last)) {
        return;
    }
    let place = kept.partition_point(|one| !is_before(one));
    let key = Key(
        rank,
        result.namespace.clone(),
        result.kind.clone(),
        result.name.clone(),
        index,
    );
    let item = Item {
        workload: WorkloadName {
            namespace: result.namespace.clone(),
            kind: result.kind.clone(),
            name: result.name.clone(),
        },
        policy: index,
        verdict: result.verdict,
        reason: result.reason.clone(),
        figures: result.figures.clone(),
        largest_saving_milligrams_per_day: largest(result, of_cluster),
        largest_attributed_milligrams_per_day: largest(result, moved),
        also_judged_by: Vec::new(),
    };
    kept.insert(place, (key, item));
    kept.truncate(most);
}

impl Counts {
    fn count(&mut self, verdict: Verdict) {
        let place = match verdict {
            Verdict::Compliant => &mut self.compliant,
            Verdict::NonCompliant => &mut self.non_compliant,
            Verdict::Inconclusive => &mut self.inconclusive,
            Verdict::Unknown => &mut self.unknown,
            Verdict::NotYetBinding => &mut self.not_yet_binding,
        };
        *place = place.saturating_add(1);
    }

    fn in_words(&self, total: u32, shown: usize) -> String {
        let parts = [
            (self.non_compliant, Verdict::NonCompliant),
            (self.inconclusive, Verdict::Inconclusive),
            (self.unknown, Verdict::Unknown),
            (self.not_yet_binding, Verdict::NotYetBinding),
            (self.compliant, Verdict::Compliant),
        ];
        let parts: Vec<_> = parts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, verdict)| format!("{count} {}", words::verdict(*verdict)))
            .collect();
        if parts.is_empty() {
            return "No workload was judged by a policy that you may see.".to_owned();
        }
        format!("{}; {total} fit, {shown} shown.", parts.join(", "))
    }
}
