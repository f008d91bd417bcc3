//! Studies: those that run on the cluster with what their status says; those
//! that were put into the operator's namespace, the answer first, the drawing,
//! and the whole report as text, made anew from plan and raw figures; and the
//! one that is published.

mod running;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use tanso_carbon::study::plot;
use tanso_carbon::study::report::markdown::markdown;
use tanso_carbon::study::report::{self, Report};
use tanso_carbon::study::{Plan, Trials};

use super::layout::{self, Frame};
use super::{PageFault, StudyFiles, Web, answer};

pub(super) async fn page(State(web): State<Web>, frame: Frame) -> Response {
    let made = made(&web, &frame).await;
    answer(&frame, made)
}

/// The drawing of a study, as a picture of its own.
pub(super) async fn picture(
    State(web): State<Web>,
    Path(name): Path<String>,
    frame: Frame,
) -> Response {
    let studies = match studies(&web, &frame).await {
        Ok(studies) => studies,
        Err(fault) => return answer(&frame, Err(fault)),
    };
    let wanted = name.strip_suffix(".svg").unwrap_or(&name);
    let study = studies.iter().find(|study| study.name == wanted);
    let drawn = study.and_then(|study| {
        let found = reported(study).ok()?;
        plot::differences(&found, &found.plan.primary_response)
    });
    let Some(svg) = drawn else {
        return StatusCode::NOT_FOUND.into_response();
    };
    // The drawing brings its own style, and nothing else.
    let headers = [
        (header::CONTENT_TYPE, "image/svg+xml"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'",
        ),
    ];
    (headers, svg).into_response()
}

async fn studies(web: &Web, frame: &Frame) -> Result<Vec<StudyFiles>, PageFault> {
    let facts = web.doors.facts(&frame.parts).await?;
    // Whoever may see the nodes may see what was measured on them.
    if facts.nodes().await?.is_empty() {
        return Ok(Vec::new());
    }
    Ok(web.live.studies().await?)
}

/// The study of what GitOps costs, with its raw figures.
const PUBLISHED: &str = "https://github.com/tanso-dev/tanso/blob/main/docs/studies/gitops/index.md";

async fn made(web: &Web, frame: &Frame) -> Result<Markup, PageFault> {
    let title = frame.pick("Studies", "실험");
    let studies = studies(web, frame).await?;
    let facts = web.doors.facts(&frame.parts).await?;
    let listed = facts.listed_studies().await?;
    let of_cluster = listed.items;
    let is_none = studies.is_empty() && of_cluster.is_empty() && listed.unreadable.is_empty();
    let body = html! {
        (layout::left_out(frame, &listed.unreadable))
        p {
            a href=(PUBLISHED) rel="noreferrer external" hreflang="en" {
                (frame.pick("What does GitOps cost? The published study", "GitOps의 에너지 비용: 공개된 실험(영어)"))
            }
        }
        @for study in &of_cluster { (running::one(frame, study)) }
        @if is_none {
            (layout::empty(
                frame.pick("No study is here. One is an EnergyStudy, which runs on the cluster, or a ConfigMap of the operator's namespace with the label tanso.dev/study=true and the keys trials.csv and plan.yaml.", "등록된 실험이 없다. 실험은 클러스터에서 실행하는 EnergyStudy이거나 오퍼레이터 네임스페이스의 ConfigMap(레이블 tanso.dev/study=true, 키 trials.csv와 plan.yaml)이다."),
                &commands(web.doors.namespace()),
            ))
        }
        @for study in &studies { (one(frame, study)) }
    };
    Ok(layout::page(frame, title, None, &body))
}

/// How raw figures come here.
fn commands(namespace: &str) -> String {
    let kubectl = format!("kubectl -n {namespace}");
    format!(
        "{kubectl} create configmap my-study --from-file=trials.csv --from-file=plan.yaml\n{kubectl} label configmap my-study tanso.dev/study=true"
    )
}

fn reported(study: &StudyFiles) -> Result<Report, String> {
    let file = |key: &str| format!("{}/{key}", study.name);
    let trials =
        Trials::parse(&file("trials.csv"), &study.trials).map_err(|fault| fault.to_string())?;
    let plan = match &study.plan {
        Some(text) => Plan::parse(&file("plan.yaml"), text).map_err(|fault| fault.to_string())?,
        None => Plan::unstated(&trials, None, None),
    };
    report::report(&plan, &trials).map_err(|fault| fault.to_string())
}

fn one(frame: &Frame, study: &StudyFiles) -> Markup {
    let found = match reported(study) {
        Ok(found) => found,
        Err(why) => {
            return html! { section { h2 { (study.name) } (layout::empty(&why, "")) } };
        }
    };
    let words = found.answer.join(" ");
    html! {
        section lang="en" {
            h2 { (found.plan.title) }
            p.sub { (found.plan.question) }
            ul { @for sentence in &found.answer { li { (sentence) } } }
            @if let Some(provenance) = found.provenance { p { "Energy figures are " (provenance) "." } }
            img.picture src=(format!("/study/{}.svg", study.name)) alt=(format!("Differences with their intervals. {words}")) loading="lazy";
            details {
                summary lang=(frame.language.tag()) { (frame.pick("The whole report", "전체 보고서")) }
                pre tabindex="0" { code { (markdown(&found)) } }
            }
        }
    }
}
