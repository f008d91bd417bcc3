//! The nodes with their meters and how their agents are.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use maud::{Markup, html};
use tanso_crds::PowerMonitor;
use tanso_power::Provenance;

use super::layout::{self, Frame, Rows, cell};
use super::overview::watts;
use super::{LiveNode, PageFault, Web, answer};
use crate::report::document::Sheet;
use crate::view::{FactsFault, LeftOut, Listed};

/// An agent that was last read longer ago is said to be late, and is no power
/// of now, seconds.
pub(super) const LATE_S: i64 = 120;

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
    let title = frame.pick("Nodes", "노드");
    let nodes = facts.nodes().await?;
    let monitors = facts.listed_monitors().await;
    if nodes.is_empty() {
        let why = frame.pick(
            "You may not list nodes, or there is none.",
            "노드를 조회할 권한이 없거나 노드가 없다.",
        );
        let body =
            html! { (layout::left_out(frame, of_monitors(&monitors))) (layout::empty(why, "")) };
        return Ok(layout::page(frame, title, None, &body));
    }
    let live: BTreeMap<String, LiveNode> = web
        .live
        .nodes()
        .into_iter()
        .map(|node| (node.node.clone(), node))
        .collect();
    let body = html! { (summary(frame, &monitors)) (table(frame, &nodes, &live)) };
    Ok(layout::page(frame, title, None, &body))
}

type Monitors = Result<Listed<PowerMonitor>, FactsFault>;

/// The monitors that cannot be read.
fn of_monitors(monitors: &Monitors) -> &[LeftOut] {
    match monitors {
        Ok(listed) => &listed.unreadable,
        Err(_) => &[],
    }
}

/// What each monitor says; the nodes are told also where none can be asked.
fn summary(frame: &Frame, monitors: &Monitors) -> Markup {
    match monitors {
        Ok(listed) => html! {
            (layout::left_out(frame, &listed.unreadable))
            (said(frame, &listed.items, listed.unreadable.is_empty()))
        },
        Err(fault) => html! { p.sub role="status" lang="en" { (fault.to_string()) } },
    }
}

fn said(frame: &Frame, monitors: &[PowerMonitor], is_all: bool) -> Markup {
    html! {
        @if monitors.is_empty() && is_all {
            (layout::empty(frame.pick("No PowerMonitor: nothing is measured.", "PowerMonitor가 없어 측정하지 않는다."), "kubectl apply -f config/samples/powermonitor.yaml"))
        }
        @for monitor in monitors {
            @let status = monitor.status.clone().unwrap_or_default();
            @let counts = &status.nodes;
            p.sub {
                "PowerMonitor " strong { (monitor.metadata.name.as_deref().unwrap_or_default()) } ": "
                (frame.pick("agents", "에이전트")) " " (counts.ready) "/" (counts.desired) ", "
                (counts.measured) " " (frame.language.provenance(0)) ", "
                (counts.modelled) " " (frame.language.provenance(1)) ", "
                (counts.simulated) " " (frame.language.provenance(2)) ", "
                (counts.none) " " (frame.pick("without a source", "전력 정보 없음"))
            }
            @if !counts.none_because.is_empty() {
                ul { @for reason in &counts.none_because { li { (layout::said(frame, reason)) } } }
            }
        }
    }
}

fn table(frame: &Frame, nodes: &[Node], live: &BTreeMap<String, LiveNode>) -> Markup {
    let sheet = Sheet::new(
        frame.pick("Nodes with their meters", "노드와 계량기"),
        &[
            frame.pick("Node", "노드"),
            frame.pick("#Power now", "#현재 소비전력"),
            frame.pick("Source", "출처"),
            frame.pick("Meters", "계량기"),
            frame.pick("Agent", "에이전트"),
            frame.pick("Last read", "최근 수집"),
            frame.pick("Health", "상태"),
        ],
    );
    let row = |node: &Node| {
        let name = node.metadata.name.clone().unwrap_or_default();
        let known = live.get(&name);
        vec![
            html! { (name) br; small { (machine(node)) } },
            cell(
                known
                    .and_then(|one| one.power_mw)
                    .map_or_else(String::new, watts),
            ),
            cell(
                known
                    .and_then(|one| one.provenance)
                    .map_or("", |from| source(frame, from)),
            ),
            known.map_or_else(|| cell(""), |one| meters(frame, one)),
            cell(known.map_or("", |one| &one.pod)),
            cell(
                known
                    .and_then(|one| one.last_success)
                    .map_or_else(String::new, |at| frame.age(at)),
            ),
            health(frame, known),
        ]
    };
    Rows {
        sheet: &sheet,
        cells: nodes.iter().map(row).collect(),
        sorted: None,
    }
    .table()
}

/// Its meters by name: those that are read, and those that cannot be.
fn meters(frame: &Frame, known: &LiveNode) -> Markup {
    let failed = &known.failed_meters;
    html! {
        (cell(known.active_meters.join(", ")))
        @if !failed.is_empty() {
            br; small { (frame.pick("cannot be read:", "읽을 수 없음:")) " " (failed.join(", ")) }
        }
    }
}

/// What kind of machine it is, from its labels.
fn machine(node: &Node) -> String {
    let labels = node.metadata.labels.clone().unwrap_or_default();
    let words = [
        "node.kubernetes.io/instance-type",
        "kubernetes.io/arch",
        "topology.kubernetes.io/region",
    ];
    let known: Vec<String> = words
        .iter()
        .filter_map(|word| labels.get(*word).cloned())
        .collect();
    known.join(", ")
}

fn source(frame: &Frame, provenance: Provenance) -> &'static str {
    frame.language.provenance(match provenance {
        Provenance::Measured => 0,
        Provenance::Modelled => 1,
        Provenance::Simulated => 2,
    })
}

fn health(frame: &Frame, known: Option<&LiveNode>) -> Markup {
    let Some(known) = known else {
        return html! { span.v.v-unknown { span aria-hidden="true" { "○" } " " (frame.pick("no agent", "에이전트 없음")) } };
    };
    if let Some(error) = &known.error {
        return html! {
            span.v.v-no { span aria-hidden="true" { "▲" } " " (frame.pick("not reached", "연결되지 않음")) }
            br; small { (layout::said(frame, error)) }
        };
    }
    let is_late = known
        .last_success
        .is_none_or(|at: Timestamp| frame.now.as_second().saturating_sub(at.as_second()) > LATE_S);
    if is_late {
        return html! { span.v.v-open { span aria-hidden="true" { "◆" } " " (frame.pick("late", "지연")) } };
    }
    html! { span.v.v-ok { span aria-hidden="true" { "●" } " " (frame.pick("healthy", "정상")) } }
}
