//! One workload by every policy that judged it: the formula with its numbers,
//! the evidence, the rules, the advice, what came of it.

use axum::extract::{Path, State};
use axum::response::Response;
use maud::{Markup, html};
use tanso_crds::carbon_policy::status::{Unadvised, WorkloadResult};

use super::advice::piece;
use super::layout::{self, Frame, cell, figure};
use super::overview::{self, banner, key, link};
use super::policies::{RuleNames, names, rules};
use super::{PageFault, Web, answer};
use crate::answer::{outcomes as told, places, sources};
use crate::report::Language;
use crate::report::figure as words;
use crate::view::{Policy, Scope};
use crate::words::Priced;

pub(super) async fn page(
    State(web): State<Web>,
    Path((namespace, kind, name)): Path<(String, String, String)>,
    frame: Frame,
) -> Response {
    let made = made(&web, &frame, (&namespace, &kind, &name)).await;
    answer(&frame, made)
}

async fn made(
    web: &Web,
    frame: &Frame,
    (namespace, kind, name): (&str, &str, &str),
) -> Result<Markup, PageFault> {
    let facts = web.doors.facts(&frame.parts).await?;
    let title = format!("{kind} {namespace}/{name}");
    let listed = facts.listed_policies(&Scope::of(Some(namespace))).await?;
    let (policies, mut unreadable) = (listed.items, listed.unreadable);
    let mut found = Vec::new();
    for policy in &policies {
        let read = facts.listed_workloads(policy).await?;
        unreadable.extend(read.unreadable);
        let is_meant = |one: &&WorkloadResult| {
            one.namespace == namespace && one.kind == kind && one.name == name
        };
        found.extend(
            read.workloads
                .iter()
                .find(is_meant)
                .cloned()
                .map(|one| (policy, one)),
        );
    }
    if found.is_empty() {
        return Err(PageFault::NotFound(title));
    }
    let banner = found.iter().find_map(|(policy, _)| banner(frame, policy));
    let names = names(frame, &*facts).await?;
    let body = html! {
        (layout::left_out(frame, &unreadable))
        @for (policy, one) in &found { (by_policy(frame, policy, one, &names)) }
    };
    Ok(layout::page(frame, &title, banner.as_deref(), &body))
}

fn by_policy(frame: &Frame, policy: &Policy, one: &WorkloadResult, names: &RuleNames) -> Markup {
    let figures = &one.figures;
    let (energy, mass) = (&figures.energy_microjoules, &figures.emissions_milligrams);
    let unit = frame.language.co2eq();
    let within = |low: String, high: String| format!("({low} – {high}, 90 %)");
    let grams = match Priced::of(figures) {
        Priced::All => {
            let bounds = within(words::mass(mass.low), words::mass(mass.high));
            format!("{unit} {bounds}")
        }
        _ => overview::without_intensity(frame, figures),
    };
    html! {
        section aria-label=(policy.title()) {
            h2 { (frame.pick("By", "판정 정책:")) " " a href=(frame.link(&link(policy))) { (key(policy)) } }
            p {
                (layout::verdict(frame, one.verdict)) " – " (frame.language.reason(&one.reason))
            }
            dl.figures {
                (figure(frame.pick("Energy", "전력량"), &cell(words::energy(energy.value)), &within(words::energy(energy.low), words::energy(energy.high))))
                (figure(frame.pick("Emissions", "온실가스 배출량"), &cell(crate::words::emitted_cell(figures, "≥ ", words::mass)), &grams))
                (figure(frame.pick("Measured", "측정 비율"), &cell(format!("{} %", figures.measured_percent)), &parts(frame, one)))
            }
            h3 { (frame.pick("How it comes about", "산정 내역")) }
            (explanation(frame, policy, one))
            h3 { (frame.pick("The policy's rules", "정책의 규정별 판정")) }
            (rules(frame, &policy.status.regulations, names))
            h3 { (frame.pick("Advice", "권고")) }
            (advice(frame, one))
            (outcomes(frame, one))
            (settled(frame, one))
        }
    }
}

fn parts(frame: &Frame, one: &WorkloadResult) -> String {
    let figures = &one.figures;
    format!(
        "{} % {}, {} % {}",
        figures.modelled_percent,
        frame.language.provenance(1),
        figures.simulated_percent,
        frame.language.provenance(2)
    )
}

/// Energy × PUE × intensity with the numbers filled in, and the evidence.
fn explanation(frame: &Frame, policy: &Policy, one: &WorkloadResult) -> Markup {
    let figures = &one.figures;
    let intensity = figures.intensity_milligrams_per_kwh.map_or_else(
        || "-".to_owned(),
        |grid| format!("{} g/kWh", words::intensity(grid)),
    );
    let evidence = &policy.spec.evidence;
    let cpu = format!(
        "{} s, {} {}",
        words::fraction(figures.cpu_milliseconds.into(), 1_000, 1),
        one.pods,
        frame.pick("pods", "개 파드")
    );
    let coverage = match frame.language {
        Language::English => format!(
            "{} % of the hours have data ({} % needed); {} % of the energy at estimated intensity ({} % accepted)",
            figures.coverage_percent,
            evidence.min_coverage_percent,
            figures.intensity_estimated_percent,
            evidence.max_estimated_percent
        ),
        Language::Korean => format!(
            "확보율 {} %(최소 {} %), 추정·대체 배출계수를 쓴 전력량 {} %(최대 {} %)",
            figures.coverage_percent,
            evidence.min_coverage_percent,
            figures.intensity_estimated_percent,
            evidence.max_estimated_percent
        ),
    };
    html! {
        dl.facts {
            div { dt { (frame.pick("Energy", "전력량")) } dd { (words::kwh(figures.energy_microjoules.value)) " kWh" } }
            div {
                dt { "× PUE" }
                dd { (places::factor(&policy.spec, &policy.status, frame.language)) }
            }
            div {
                dt { "× " (frame.pick("grid intensity", "전력 배출계수")) }
                dd {
                    (intensity)
                    @if let Some(from) = places::grid(&policy.status) { ", " (from.zone) ", " (sources::told(from, sources::with_year(""))) }
                    @else if !policy.status.places.is_empty() { ", " (frame.pick("of each place of use", "사용 장소별")) }
                }
            }
            div { dt { "= " (frame.pick("emissions", "배출량")) } dd { (crate::words::emitted_cell(figures, "≥ ", words::grams)) " g" (frame.language.co2eq()) ", " (frame.pick("location-based", "지역기반")) } }
            div { dt { (frame.pick("CPU time", "CPU 시간")) } dd { (cpu) } }
            div { dt { (frame.pick("Evidence", "증빙")) } dd { (coverage) } }
        }
    }
}

/// The reason in words; of a workload that the status does not list its name.
fn why(without: &Unadvised) -> &str {
    if without.message.is_empty() {
        &without.reason
    } else {
        &without.message
    }
}

fn advice(frame: &Frame, one: &WorkloadResult) -> Markup {
    html! {
        @if one.recommendations.is_empty() {
            p { (frame.pick("None above the least saving that the policy asks for.", "정책이 요구하는 최소 절감량을 넘는 권고가 없다.")) }
        } @else {
            ul.advice { @for advice in &one.recommendations { (piece(frame, None, advice)) } }
        }
        @if !one.no_advice.is_empty() {
            details {
                summary { (frame.pick("Why there is no other", "다른 권고가 없는 사유")) }
                ul { @for without in &one.no_advice { li { (frame.language.action(&without.action)) ": " (layout::said(frame, why(without))) } } }
            }
        }
        @if let Some(together) = one.together_milligrams_per_day {
            p { (frame.pick("All of it together:", "모두 적용할 때:")) " −" (words::mass(together)) " " (frame.language.co2eq()) "/" (frame.pick("d", "일")) }
        }
    }
}

fn outcomes(frame: &Frame, one: &WorkloadResult) -> Markup {
    html! {
        @if !one.advice_outcomes.is_empty() {
            h3 { (frame.pick("What became of earlier advice on requests", "이전 자원 요청량 권고의 이행 결과")) }
            ul { @for earlier in &one.advice_outcomes { li { (told::sentence(frame.language, earlier)) } } }
        }
    }
}

fn settled(frame: &Frame, one: &WorkloadResult) -> Markup {
    html! {
        @if !one.settled.is_empty() {
            h3 { (frame.pick("What forecasts came to", "예측의 정산")) }
            ul {
                @for run in &one.settled {
                    li {
                        (run.started.0) ": " (frame.pick("predicted", "예측")) " " (words::mass(run.predicted_milligrams))
                        @if let Some(last) = run.realised.last() {
                            ", " (frame.pick("realised", "실현")) " " (words::mass(last.saved_milligrams))
                        }
                    }
                }
            }
        }
    }
}
