//! The first page: power now, energy and emissions of a policy's window with
//! their interval, the verdicts, the hours, the worst workloads, what would
//! help, where the figures come from.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, PreEscaped, html};
use tanso_crds::carbon_policy::status::{Figures, Verdict, WorkloadResult};

use super::advice::advice;
use super::layout::{self, Frame, Rows, cell, figure};
use super::nodes::LATE_S;
use super::{LiveNode, PageFault, Web, answer, place};
use crate::answer::places;
use crate::report::chart::{self, Now};
use crate::report::document::Sheet;
use crate::report::figure as words;
use crate::report::{Hours, Language};
use crate::view::{Facts, FactsFault, Missing, Policy, PolicyKind, Scope};
use crate::words::Priced;

/// Workloads shown.
const WORKLOADS: usize = 25;

pub(super) async fn page(State(web): State<Web>, frame: Frame) -> Response {
    let made = made(&web, &frame).await;
    answer(&frame, made)
}

async fn made(web: &Web, frame: &Frame) -> Result<Markup, PageFault> {
    let facts = web.doors.facts(&frame.parts).await?;
    let frame = &Frame {
        now: facts.now(),
        ..frame.clone()
    };
    let title = frame.pick("Overview", "개요");
    let listed = facts.listed_policies(&Scope::All).await?;
    let (policies, left_out) = (listed.items, layout::left_out(frame, &listed.unreadable));
    let is_known = |name: &String| policies.iter().any(|one| key(one) == *name);
    // Another policy in its place would pass for it.
    if let Some(name) = asked(frame).filter(|name| !is_known(name))
        && !policies.is_empty()
        && listed.unreadable.is_empty()
    {
        return Err(PageFault::NotFound(format!("policy {name}")));
    }
    let Some(policy) = chosen(frame, &policies) else {
        let why = frame.pick(
            "No policy is visible to you: energy is booked, but nothing is judged.",
            "볼 수 있는 정책이 없다. 전력량은 기록되지만 판정은 하지 않는다.",
        );
        let empty = || layout::empty(why, "kubectl apply -f config/samples/carbonpolicy.yaml");
        let is_none = listed.unreadable.is_empty();
        let body = html! { (left_out) @if is_none { (empty()) } };
        return Ok(layout::page(frame, title, None, &body));
    };
    // Each waits for another part of the cluster: none for the others.
    let (workloads, hours, seen) = tokio::join!(
        facts.listed_workloads(policy),
        web.cache.hours(&*facts, policy),
        nodes_seen(&*facts)
    );
    let read = workloads?;
    let missing = Missing::of(policy, &read);
    let workloads = read.workloads;
    let may_see = policy.kind == PolicyKind::ClusterCarbonPolicy || seen.is_some();
    let live = may_see.then(|| web.live.nodes());
    // A node without an agent is a node too.
    let nodes = live
        .as_deref()
        .map(|live| (live, seen.unwrap_or_default().max(live.len())));
    let body = html! {
        (left_out)
        (choice(frame, policy, &policies))
        (subtitle(frame, policy))
        (layout::missing(frame, missing.as_ref()))
        (headline(frame, policy, &workloads, nodes))
        (drawing(frame, policy, &hours))
        (worst(frame, policy, &workloads))
        (advice(frame, policy, &workloads))
        (sources(frame, policy))
    };
    Ok(layout::page(
        frame,
        title,
        banner(frame, policy).as_deref(),
        &body,
    ))
}

/// How many nodes there are, for a caller who may see them.
async fn nodes_seen(facts: &dyn Facts) -> Option<usize> {
    let nodes = facts.nodes().await.ok()?;
    (!nodes.is_empty()).then_some(nodes.len())
}

/// The policy that the address names; else the widest that has figures.
fn chosen<'a>(frame: &Frame, policies: &'a [Policy]) -> Option<&'a Policy> {
    let asked = asked(frame);
    let by_name = policies.iter().find(|policy| Some(key(policy)) == asked);
    by_name.or_else(|| widest(policies))
}

/// The policy that the address names.
fn asked(frame: &Frame) -> Option<String> {
    let mut pairs = frame.parts.uri.query().unwrap_or_default().split('&');
    let asked = pairs.find_map(|pair| pair.strip_prefix("policy="));
    let asked = asked.filter(|text| !text.is_empty());
    asked.map(|text| text.replace("%2F", "/").replace("%2f", "/"))
}

/// The policy that the page shows who names none.
pub(super) fn widest(policies: &[Policy]) -> Option<&Policy> {
    let is_wide = |policy: &&Policy| policy.kind == PolicyKind::ClusterCarbonPolicy;
    let has_figures = |policy: &&Policy| policy.status.totals.is_some();
    let mut wide = policies.iter().filter(is_wide);
    wide.find(has_figures)
        .or_else(|| policies.iter().find(has_figures))
        .or_else(|| policies.first())
}

/// `shop/korea`, or `everything` for a cluster's policy.
pub(super) fn key(policy: &Policy) -> String {
    match &policy.namespace {
        Some(namespace) => format!("{namespace}/{}", policy.name),
        None => policy.name.clone(),
    }
}

/// The page of a policy.
pub(super) fn link(policy: &Policy) -> String {
    match &policy.namespace {
        Some(namespace) => format!("/policies/{namespace}/{}", policy.name),
        None => format!("/cluster-policies/{}", policy.name),
    }
}

/// The page of a workload.
pub(super) fn link_of(workload: &WorkloadResult) -> String {
    format!(
        "/workloads/{}/{}/{}",
        workload.namespace, workload.kind, workload.name
    )
}

fn choice(frame: &Frame, policy: &Policy, policies: &[Policy]) -> Markup {
    html! {
        @if policies.len() > 1 {
            form method="get" action="/" {
                label for="policy" { (frame.pick("Policy", "정책")) }
                select id="policy" name="policy" {
                    @for one in policies {
                        option value=(key(one)) selected[key(one) == key(policy)] { (key(one)) }
                    }
                }
                input type="hidden" name="lang" value=(frame.language.tag());
                button type="submit" { (frame.pick("Show", "보기")) }
            }
        }
    }
}

fn subtitle(frame: &Frame, policy: &Policy) -> Markup {
    let status = &policy.status;
    let zone = &policy.spec.site.zone;
    html! {
        p.sub {
            a href=(frame.link(&link(policy))) { (policy.title()) }
            ", " (frame.pick("last", "최근")) " " (policy.spec.window) ", "
            (frame.pick("grid zone", "계통 구역")) " " (zone) ", "
            (frame.pick("times of", "시각 기준")) " " (policy.spec.site.time_zone)
            @if let Some(through) = &status.data_through {
                ", " (frame.pick("data", "자료")) " "
                @let is_stale = frame.now.as_second() - through.0.as_second() > 600;
                span.stale[is_stale] role="status" { (frame.age(through.0)) }
            }
        }
    }
}

/// What must stand first: simulated energy.
pub(super) fn banner(frame: &Frame, policy: &Policy) -> Option<String> {
    let percent = policy.status.totals.as_ref()?.simulated_percent;
    (percent > 0).then(|| match frame.language {
        Language::English => format!("{percent} % of the energy is simulated and never judged."),
        Language::Korean => format!("전력량의 {percent} %는 모의값이며 판정에 쓰지 않는다."),
    })
}

fn headline(
    frame: &Frame,
    policy: &Policy,
    workloads: &[WorkloadResult],
    nodes: Option<(&[LiveNode], usize)>,
) -> Markup {
    let status = &policy.status;
    let Some(totals) = &status.totals else {
        let why = policy.condition("Ready").map_or_else(
            || {
                frame
                    .pick(
                        "The operator has not visited this policy.",
                        "아직 평가되지 않았다.",
                    )
                    .to_owned()
            },
            |ready| format!("{}: {}", ready.reason, ready.message),
        );
        return layout::empty(&why, "kubectl tanso doctor");
    };
    let unit = frame.language.co2eq();
    let mass = &totals.emissions_milligrams;
    let within = match Priced::of(totals) {
        Priced::All => format!(
            "{unit} ({} – {}, 90 %)",
            words::mass(mass.low),
            words::mass(mass.high)
        ),
        _ => without_intensity(frame, totals),
    };
    let energy = &totals.energy_microjoules;
    let measured = format!(
        "{} – {}, 90 %; {} % {}, {} % {}",
        words::energy(energy.low),
        words::energy(energy.high),
        totals.measured_percent,
        frame.language.provenance(0),
        totals.modelled_percent,
        frame.language.provenance(1)
    );
    html! {
        dl.figures {
            @if let Some((live, all)) = nodes { (power(frame, live, all)) }
            (figure(frame.pick("Energy", "전력량"), &cell(words::energy(totals.energy_microjoules.value)), &measured))
            (figure(frame.pick("Emissions", "온실가스 배출량"), &cell(crate::words::emitted_cell(totals, "≥ ", words::mass)), &within))
            (figure(frame.pick("Verdicts", "판정"), &counts(frame, status.verdict.unwrap_or(Verdict::Unknown), workloads), ""))
        }
    }
}

/// What stands in the place of bounds where part of the energy has no
/// intensity: no upper one is known.
pub(super) fn without_intensity(frame: &Frame, figures: &Figures) -> String {
    let energy = words::energy(figures.unpriced_microjoules);
    match frame.language {
        Language::English => format!("CO2eq; {energy} without intensity are not in it"),
        Language::Korean => format!("CO₂-eq; 배출계수가 없는 전력량 {energy} 제외"),
    }
}

fn spread(figures: &Figures) -> String {
    match Priced::of(figures) {
        Priced::All => words::spread(&figures.emissions_milligrams).unwrap_or_default(),
        _ => String::new(),
    }
}

/// Power of all nodes; those without a figure are said, not counted as zero.
fn power(frame: &Frame, nodes: &[LiveNode], all: usize) -> Markup {
    let is_fresh = |node: &&LiveNode| {
        let age = |at: jiff::Timestamp| frame.now.as_second().saturating_sub(at.as_second());
        node.last_success.is_some_and(|at| age(at) <= LATE_S)
    };
    let fresh = nodes.iter().filter(is_fresh);
    let known: Vec<i64> = fresh.filter_map(|node| node.power_mw).collect();
    let label = frame.pick("Power now, all nodes", "현재 소비전력(전체 노드)");
    let more = match frame.language {
        Language::English => format!("{} of {all} nodes", known.len()),
        Language::Korean => format!("노드 {all}개 중 {}개", known.len()),
    };
    if known.is_empty() {
        return figure(label, &cell("-"), &more);
    }
    figure(label, &cell(watts(known.iter().sum())), &more)
}

/// Power: `212.0 W`, `1.633 kW`.
pub(super) fn watts(milliwatts: i64) -> String {
    if milliwatts.abs() < 1_000_000 {
        format!("{} W", words::fraction(milliwatts.into(), 1_000, 1))
    } else {
        format!("{} kW", words::fraction(milliwatts.into(), 1_000_000, 3))
    }
}

fn counts(frame: &Frame, whole: Verdict, workloads: &[WorkloadResult]) -> Markup {
    const ALL: [Verdict; 5] = [
        Verdict::NonCompliant,
        Verdict::Inconclusive,
        Verdict::Unknown,
        Verdict::NotYetBinding,
        Verdict::Compliant,
    ];
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    for one in workloads {
        if let Some(index) = ALL.iter().position(|verdict| *verdict == one.verdict) {
            *counts.entry(index).or_default() += 1;
        }
    }
    html! {
        (layout::verdict(frame, whole))
        ul.verdicts {
            @for (index, count) in counts {
                @if let Some(verdict) = ALL.get(index) { li { (count) " " (layout::verdict(frame, *verdict)) } }
            }
        }
    }
}

type Found = Result<Option<std::sync::Arc<Hours>>, FactsFault>;

fn drawing(frame: &Frame, policy: &Policy, hours: &Found) -> Markup {
    let title = frame.pick(
        "Energy and grid intensity by hour",
        "시간별 전력량과 전력 배출계수",
    );
    let drawn = match hours {
        Ok(Some(hours)) => {
            let now = Now {
                at: Some(frame.now.as_second()),
                best: None,
            };
            chart::hours(hours, now, frame.language)
        }
        _ => None,
    };
    let why = match hours {
        Err(fault) => fault.to_string(),
        Ok(_) => frame
            .pick("No hours yet.", "아직 시간별 자료가 없다.")
            .to_owned(),
    };
    html! {
        h2 { (title) }
        @match drawn {
            Some((svg, summary)) => {
                figure { div.wide role="group" tabindex="0" aria-label=(title) { (PreEscaped(svg)) } figcaption { (summary) " " (legend(frame)) } }
                @if let Ok(Some(hours)) = hours { (by_hour(frame, policy, hours)) }
            }
            None => (layout::empty(&why, "kubectl tanso doctor")),
        }
    }
}

fn legend(frame: &Frame) -> &str {
    frame.pick(
        "Bars: solid measured, hatched modelled, dashed outline simulated or missing. Line: dashed estimated or filled, dotted expected.",
        "막대: 채움은 측정, 빗금은 추정, 점선 테두리는 모의 또는 결측. 선: 파선은 추정·대체값, 점선은 예상값.",
    )
}

/// The figures of the drawing as a table, folded away.
fn by_hour(frame: &Frame, policy: &Policy, hours: &Hours) -> Markup {
    let zone = crate::report::zone(&policy.spec.site.time_zone);
    let caption = frame.pick("The same as a table", "같은 내용의 표");
    let mut table = Sheet::new(
        caption,
        &[
            frame.pick("Hour", "시각"),
            frame.pick("#Energy (kWh)", "#전력량 (kWh)"),
            frame.pick("#Measured (%)", "#측정 (%)"),
            frame.pick("#Intensity (g/kWh)", "#배출계수 (g/kWh)"),
        ],
    );
    for hour in &hours.hours {
        let at = jiff::Timestamp::from_second(hour.start).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let energy = hour.energy_microjoules;
        table.push([
            at.to_zoned(zone.clone())
                .strftime("%m-%d %H:%M %:z")
                .to_string(),
            energy.map_or_else(String::new, words::kwh),
            energy
                .and_then(|energy| words::percent(hour.measured_microjoules, energy))
                .unwrap_or_default(),
            hour.intensity_milligrams_per_kwh
                .map_or_else(String::new, words::intensity),
        ]);
    }
    html! { details { summary { (caption) } (crate::report::sheet_html(&table)) } }
}

fn worst(frame: &Frame, policy: &Policy, workloads: &[WorkloadResult]) -> Markup {
    let (shown, more) = workloads.split_at(workloads.len().min(WORKLOADS));
    html! {
        h2 { (frame.pick("Workloads, largest emissions first", "워크로드(배출량이 큰 순)")) }
        (table(frame, shown))
        @if !more.is_empty() {
            p { a href=(frame.link(&link(policy))) { (more.len()) " " (frame.pick("more", "개 더 보기")) } }
        }
    }
}

/// Workloads with their figures and verdicts.
pub(super) fn table(frame: &Frame, workloads: &[WorkloadResult]) -> Markup {
    let emissions = format!(
        "#{} (g{})",
        frame.pick("Emissions", "배출량"),
        frame.language.co2eq()
    );
    let sheet = Sheet::new(
        frame.pick("Workloads", "워크로드"),
        &[
            frame.pick("Workload", "워크로드"),
            frame.pick("#Energy (kWh)", "#전력량 (kWh)"),
            &emissions,
            frame.pick("#±90 % (%)", "#±90 % (%)"),
            frame.pick("#Measured (%)", "#측정 (%)"),
            frame.pick("Verdict", "판정"),
        ],
    );
    let row = |one: &WorkloadResult| {
        let figures = &one.figures;
        let is_known = crate::words::is_known(one.verdict, figures);
        let cell = |text: String| {
            if is_known {
                cell(text)
            } else {
                self::cell("-")
            }
        };
        vec![
            html! { a href=(frame.link(&link_of(one))) { (one.namespace) "/" (one.kind) "/" (one.name) } },
            cell(words::kwh(figures.energy_microjoules.value)),
            cell(crate::words::emitted_cell(figures, "≥ ", words::grams)),
            cell(spread(figures)),
            cell(figures.measured_percent.to_string()),
            layout::verdict(frame, one.verdict),
        ]
    };
    if workloads.is_empty() {
        let why = frame.pick(
            "No workload used energy in the window.",
            "대상 기간에 전력을 사용한 워크로드가 없다.",
        );
        return layout::empty(why, "kubectl tanso top -A");
    }
    Rows {
        sheet: &sheet,
        cells: workloads.iter().map(row).collect(),
        sorted: Some((2, "descending")),
    }
    .table()
}

/// Where the figures come from.
pub(super) fn sources(frame: &Frame, policy: &Policy) -> Markup {
    let status = &policy.status;
    html! {
        h2 { (frame.pick("Sources", "출처")) }
        dl.facts {
            @if status.intensity.is_some() {
                div {
                    dt { (frame.pick("Grid intensity", "전력 배출계수")) }
                    dd { (place::grids(frame, policy)) }
                }
            }
            div { dt { "PUE" } dd { (places::factor(&policy.spec, status, frame.language)) } }
            @if let Some(digest) = &status.inputs_digest {
                div { dt { (frame.pick("Digest of all inputs", "입력자료 다이제스트")) } dd { code { (digest) } } }
            }
            @if let Some(revision) = status.ledger_revision {
                div { dt { (frame.pick("Ledger, up to booking", "전력량 원장(기입 번호)")) } dd { (revision) } }
            }
        }
    }
}
