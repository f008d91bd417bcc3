//! The policies, and one of them with all its rules.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use maud::{Markup, html};
use tanso_carbon::RuleSet;
use tanso_crds::carbon_policy::status::{RegulationResult, WorkloadResult};

use super::layout::{self, Frame, Rows, cell};
use super::overview::{banner, key, link, sources, table};
use super::{PageFault, Web, answer};
use crate::report::document::Sheet;
use crate::report::figure as words;
use crate::report::{self, Inputs, Language, Statement, korean};
use crate::view::{Facts, FactsFault, LeftOut, Missing, Policy, PolicyKind, Scope};

/// Workloads on one page.
const PAGE: usize = 25;

/// The rules by which results are named in the reader's language; none where
/// ids and citations serve.
pub(super) type RuleNames = Option<Arc<RuleSet>>;

pub(super) async fn list(State(web): State<Web>, frame: Frame) -> Response {
    let made = all(&web, &frame).await;
    answer(&frame, made)
}

pub(super) async fn one(
    State(web): State<Web>,
    Path((namespace, name)): Path<(String, String)>,
    frame: Frame,
) -> Response {
    let made = single(&web, &frame, Some(&namespace), &name).await;
    answer(&frame, made)
}

pub(super) async fn wide(
    State(web): State<Web>,
    Path(name): Path<String>,
    frame: Frame,
) -> Response {
    let made = single(&web, &frame, None, &name).await;
    answer(&frame, made)
}

async fn all(web: &Web, frame: &Frame) -> Result<Markup, PageFault> {
    let facts = web.doors.facts(&frame.parts).await?;
    let listed = facts.listed_policies(&Scope::All).await?;
    let (policies, left_out) = (listed.items, layout::left_out(frame, &listed.unreadable));
    let title = frame.pick("Policies", "정책");
    if policies.is_empty() && listed.unreadable.is_empty() {
        let why = frame.pick("No policy is visible to you.", "볼 수 있는 정책이 없다.");
        let body = layout::empty(why, "kubectl apply -f config/samples/carbonpolicy.yaml");
        return Ok(layout::page(frame, title, None, &body));
    }
    let emissions = format!(
        "#{} (g{})",
        frame.pick("Emissions", "배출량"),
        frame.language.co2eq()
    );
    let sheet = Sheet::new(
        title,
        &[
            frame.pick("Policy", "정책"),
            frame.pick("Verdict", "판정"),
            frame.pick("Failing", "부적합 수"),
            frame.pick("#Energy (kWh)", "#전력량 (kWh)"),
            &emissions,
            frame.pick("#g/kWh", "#g/kWh"),
            frame.pick("Zone", "계통 구역"),
            frame.pick("Ready", "Ready"),
        ],
    );
    let row = |policy: &Policy| {
        let (status, totals) = (&policy.status, policy.status.totals.as_ref());
        vec![
            html! { a href=(frame.link(&link(policy))) { (key(policy)) } },
            status
                .verdict
                .map_or_else(|| cell("-"), |found| layout::verdict(frame, found)),
            cell(
                status
                    .summary
                    .as_ref()
                    .map_or("", |summary| &summary.failing),
            ),
            cell(totals.map_or_else(String::new, |sum| words::kwh(sum.energy_microjoules.value))),
            cell(totals.map_or_else(String::new, |sum| {
                crate::words::emitted_cell(sum, "≥ ", words::grams)
            })),
            cell(
                totals
                    .and_then(|sum| sum.intensity_milligrams_per_kwh)
                    .map_or_else(String::new, words::intensity),
            ),
            cell(&policy.spec.site.zone),
            cell(policy.condition("Ready").map_or("", |ready| &ready.status)),
        ]
    };
    let rows = policies.iter().map(row).collect();
    let table = Rows {
        sheet: &sheet,
        cells: rows,
        sorted: None,
    };
    let body = html! { (left_out) @if !policies.is_empty() { (table.table()) } };
    Ok(layout::page(frame, title, None, &body))
}

async fn single(
    web: &Web,
    frame: &Frame,
    namespace: Option<&str>,
    name: &str,
) -> Result<Markup, PageFault> {
    let facts = web.doors.facts(&frame.parts).await?;
    let listed = facts.listed_policies(&Scope::of(namespace)).await?;
    let policies = listed.items;
    let is_meant = |policy: &&Policy| {
        let is_wide = policy.kind == PolicyKind::ClusterCarbonPolicy;
        policy.name == name
            && is_wide == namespace.is_none()
            && policy.namespace.as_deref() == namespace
    };
    let policy = policies.iter().find(is_meant);
    let policy = policy.ok_or_else(|| missing(namespace, name, &listed.unreadable))?;
    let read = facts.listed_workloads(policy).await?;
    let not_shown = Missing::of(policy, &read);
    let workloads = read.workloads;
    let from = page_of(frame).saturating_mul(PAGE).min(workloads.len());
    let (_, rest) = workloads.split_at(from);
    let (shown, later) = rest.split_at(rest.len().min(PAGE));
    let path = link(policy);
    let names = names(frame, &*facts).await?;
    let answered = answered(frame, &*facts, policy, &workloads).await?;
    let body = html! {
        p.sub {
            @if let Some(verdict) = policy.status.verdict { (layout::verdict(frame, verdict)) }
            " " (answered)
        }
        h2 { (frame.pick("Rules", "규정별 판정")) }
        (rules(frame, &policy.status.regulations, &names))
        h2 { (frame.pick("Workloads", "워크로드")) " (" (workloads.len()) ")" }
        (layout::missing(frame, not_shown.as_ref()))
        (table(frame, shown))
        p {
            @if from > 0 {
                a rel="prev" href=(frame.link(&format!("{path}?page={}", from / PAGE))) { (frame.pick("Page before", "이전 쪽")) } " "
            }
            @if !later.is_empty() {
                a rel="next" href=(frame.link(&format!("{path}?page={}", from / PAGE + 2))) { (frame.pick("Next page", "다음 쪽")) }
            }
        }
        (conditions(frame, policy))
        (sources(frame, policy))
        h2 { (frame.pick("Report for an auditor", "제출용 보고서")) }
        pre tabindex="0" lang="en" { code { (command(policy, &policies, frame.language)) } }
    };
    Ok(layout::page(
        frame,
        &policy.title(),
        banner(frame, policy).as_deref(),
        &body,
    ))
}

/// Why there is no page of a policy: it is not there, or cannot be read.
fn missing(namespace: Option<&str>, name: &str, unreadable: &[LeftOut]) -> PageFault {
    let kind = match namespace {
        Some(_) => PolicyKind::CarbonPolicy,
        None => PolicyKind::ClusterCarbonPolicy,
    };
    let is_meant = |one: &&LeftOut| {
        one.kind == kind.as_str() && one.name == name && one.namespace.as_deref() == namespace
    };
    if let Some(one) = unreadable.iter().find(is_meant) {
        return PageFault::Facts(FactsFault::Broken {
            what: one.title(),
            reason: one.why(),
        });
    }
    let place = namespace.map_or_else(String::new, |namespace| format!("{namespace}/"));
    PageFault::NotFound(format!("{kind} {place}{name}"))
}

/// The page that the address asks for, from 0.
fn page_of(frame: &Frame) -> usize {
    let query = frame.parts.uri.query().unwrap_or_default();
    let asked = query.split('&').find_map(|pair| pair.strip_prefix("page="));
    let page: usize = asked.and_then(|text| text.parse().ok()).unwrap_or(1);
    page.saturating_sub(1)
}

/// The evaluation in a few sentences of the reader's language.
async fn answered(
    frame: &Frame,
    facts: &dyn Facts,
    policy: &Policy,
    workloads: &[WorkloadResult],
) -> Result<Markup, PageFault> {
    if frame.language == Language::English {
        return Ok(html! { (policy.status.answer) });
    }
    let rules = facts.rules().await?;
    let report = report::build(&Inputs {
        policy,
        workloads,
        rules: &rules,
        hours: None,
        statement: &Statement::default(),
        other: None,
    });
    // One that was not evaluated yet has the operator's own words only.
    Ok(report.map_or_else(
        |_| layout::said(frame, &policy.status.answer),
        |report| html! { (report::answer(&report, frame.language)) },
    ))
}

/// The rules that results are named by.
pub(super) async fn names(frame: &Frame, facts: &dyn Facts) -> Result<RuleNames, PageFault> {
    Ok(match frame.language {
        Language::English => None,
        Language::Korean => Some(facts.rules().await?),
    })
}

/// Name and source of a result's rule: in Korean where the rule has a Korean
/// name, else the citation of the status, marked as English.
fn cited(result: &RegulationResult, names: &RuleNames) -> Markup {
    let rule = names.as_ref().and_then(|set| report::rule_of(result, set));
    let korean = rule.and_then(|rule| Some((korean::named(rule)?, korean::cited(rule)?)));
    if let Some((name, source)) = korean {
        html! { br; (name) br; small { (source) } }
    } else {
        html! { br; small lang="en" { (result.source) } }
    }
}

/// The rules with value, limit and why.
pub(super) fn rules(frame: &Frame, rules: &[RegulationResult], names: &RuleNames) -> Markup {
    let sheet = Sheet::new(
        frame.pick("Rules", "규정별 판정"),
        &[
            frame.pick("Rule", "규정"),
            frame.pick("Kind", "구분"),
            frame.pick("#Value (90 %)", "#값(90 %)"),
            frame.pick("#Limit", "#한도"),
            frame.pick("Unit", "단위"),
            frame.pick("Verdict", "판정"),
            frame.pick("Why", "사유"),
        ],
    );
    let row = |rule: &RegulationResult| {
        let value = rule.value_milli.as_ref().map_or_else(String::new, |value| {
            let [low, best, high] = [value.low, value.value, value.high].map(words::milli);
            if low == high {
                best
            } else {
                format!("{best} ({low} – {high})")
            }
        });
        vec![
            html! {
                (rule.rule)
                (cited(rule, names))
            },
            cell(frame.language.rule_kind(&rule.kind)),
            cell(value),
            cell(rule.limit_milli.map_or_else(String::new, words::milli)),
            cell(frame.language.unit(&rule.unit)),
            layout::verdict(frame, rule.verdict),
            cell(frame.language.reason(&rule.reason)),
        ]
    };
    Rows {
        sheet: &sheet,
        cells: rules.iter().map(row).collect(),
        sorted: None,
    }
    .table()
}

fn conditions(frame: &Frame, policy: &Policy) -> Markup {
    html! {
        h2 { (frame.pick("Conditions", "상태 조건")) }
        dl.facts {
            @for one in &policy.status.conditions {
                div { dt { (one.type_) } dd { span lang="en" { (one.status) " (" (one.reason) ")" } " " (layout::said(frame, &one.message)) } }
            }
        }
    }
}

/// The report in the language that the page is read in, by its kind too where
/// another policy there has the name.
fn command(policy: &Policy, policies: &[Policy], language: Language) -> String {
    let is_other = |one: &&Policy| one.kind != policy.kind && one.name == policy.name;
    let name = match policies.iter().find(is_other) {
        Some(_) => format!("{}/{}", policy.kind, policy.name),
        None => policy.name.clone(),
    };
    let scope = policy
        .namespace
        .as_ref()
        .map_or_else(String::new, |ns| format!(" -n {ns}"));
    format!(
        "kubectl tanso report {name}{scope} --language {} --format html --file report.html",
        language.tag()
    )
}
