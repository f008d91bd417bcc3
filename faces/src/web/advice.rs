//! Advice as the pages show it: what the cluster saves, and what only moves to
//! others.

use maud::{Markup, html};
use tanso_crds::carbon_policy::status::{Recommendation, WorkloadResult};

use super::layout::{self, Frame};
use super::overview::link_of;
use crate::answer::savings::{moved, rank};
use crate::report::figure as words;
use crate::view::Policy;

/// Pieces of advice shown.
const ADVICE: usize = 5;

/// The pieces that save most.
pub(super) fn advice(frame: &Frame, policy: &Policy, workloads: &[WorkloadResult]) -> Markup {
    let mut all: Vec<(Option<&WorkloadResult>, &Recommendation)> = workloads
        .iter()
        .flat_map(|one| {
            one.recommendations
                .iter()
                .map(move |advice| (Some(one), advice))
        })
        .chain(
            policy
                .status
                .recommendations
                .iter()
                .map(|advice| (None, advice)),
        )
        .collect();
    all.sort_by_key(|(_, advice)| rank(advice));
    html! {
        h2 { (frame.pick("What would save most, and what only moves to others", "절감 권고(배분량만 줄어드는 권고는 뒤에 표시)")) }
        @if all.is_empty() {
            p { (frame.pick("Nothing that is looked for would save enough to advise it.", "권고할 만큼 절감되는 변경이 없다.")) }
        } @else {
            ul.advice {
                @for (workload, advice) in all.into_iter().take(ADVICE) { (piece(frame, workload, advice)) }
            }
        }
    }
}

/// One piece of advice.
pub(super) fn piece(
    frame: &Frame,
    workload: Option<&WorkloadResult>,
    advice: &Recommendation,
) -> Markup {
    let all = &advice.saving_milligrams_per_day;
    let (saved, moves) = (advice.cluster_saving_milligrams_per_day, moved(advice));
    let a_day = |of: i64| {
        let (unit, day) = (frame.language.co2eq(), frame.pick("d", "일"));
        format!("−{} {unit}/{day}", words::mass(of))
    };
    html! {
        li {
            p {
                strong { (frame.language.action(&advice.action)) }
                @if let Some(one) = workload {
                    " – " a href=(frame.link(&link_of(one))) { (one.namespace) "/" (one.kind) "/" (one.name) }
                }
            }
            p {
                @if moves == 0 || saved != 0 { (a_day(saved)) }
                @if moves != 0 {
                    @if saved != 0 { " + " }
                    (a_day(moves)) " " (frame.pick("attributed", "배분량"))
                }
                " (" (words::mass(all.low)) " – " (words::mass(all.high)) ", 90 %), "
                (words::milli(advice.saving_milli_percent)) " %, "
                (frame.pick("confidence", "신뢰도")) " " (frame.language.confidence(&advice.confidence))
            }
            @if moves != 0 {
                p { (frame.pick(
                    "Attributed: others bear it instead; the cluster saves it only if a node goes.",
                    "배분량은 다른 워크로드의 몫으로 옮겨질 뿐이며, 노드를 줄일 때에만 클러스터 전체에서 절감된다.",
                )) }
            }
            p { (layout::said(frame, &advice.basis)) }
            (change(frame, &advice.change))
        }
    }
}

/// A command to copy; advice in words as a sentence.
fn change(frame: &Frame, change: &str) -> Markup {
    if change.starts_with("kubectl ") {
        return html! { pre tabindex="0" lang="en" { code { (change) } } };
    }
    html! { p { (layout::said(frame, change)) } }
}
