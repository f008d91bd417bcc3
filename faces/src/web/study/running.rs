//! `EnergyStudies` of the cluster: how far each is, what is being done, and
//! what its status says so far. Nothing is computed here: the whole report is
//! the command's.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use maud::{Markup, html};
use tanso_crds::EnergyStudy;
use tanso_crds::energy_study::{EnergyStudyStatus, StudyResult, TrialStep};

use super::super::layout::{self, Frame, Rows, cell, figure};
use crate::report::document::Sheet;

/// One study.
pub(super) fn one(frame: &Frame, study: &EnergyStudy) -> Markup {
    let (namespace, name) = (
        study.metadata.namespace.as_deref().unwrap_or_default(),
        study.metadata.name.as_deref().unwrap_or_default(),
    );
    let status = study.status.clone().unwrap_or_default();
    let spec = &study.spec;
    html! {
        section aria-label=(format!("EnergyStudy {namespace}/{name}")) {
            h2 lang="en" { (spec.title) }
            p.sub { "EnergyStudy " strong { (namespace) "/" (name) } }
            @if !spec.question.is_empty() { p lang="en" { (spec.question) } }
            dl.figures {
                (figure(frame.pick("Trials", "시행"), &trials(&status), &disturbed(frame, &status)))
                (figure(frame.pick("State", "상태"), &state(frame, &status), &expected(frame, &status)))
            }
            @if !status.results.is_empty() { (results(frame, &spec.primary_response, &status.results)) }
            @if !status.answer.is_empty() {
                ul lang="en" { @for sentence in &status.answer { li { (sentence) } } }
            }
            p { (frame.pick("The whole report:", "전체 보고서:")) }
            pre tabindex="0" { code { "kubectl tanso study report " (name) " -n " (namespace) } }
        }
    }
}

fn trials(status: &EnergyStudyStatus) -> Markup {
    let progress = &status.progress;
    cell(format!("{} / {}", progress.done, progress.planned))
}

/// What is marked as disturbed is said, never dropped.
fn disturbed(frame: &Frame, status: &EnergyStudyStatus) -> String {
    match status.progress.disturbed {
        0 => String::new(),
        count => format!("{count} {}", frame.pick("disturbed", "교란됨")),
    }
}

fn state(frame: &Frame, status: &EnergyStudyStatus) -> Markup {
    let holds = |type_: &str| {
        let mut conditions = status.conditions.iter();
        conditions.find(|one| one.type_ == type_ && one.status == "True")
    };
    let said = |words: &str, condition: &Condition| {
        html! { (words) ": " (layout::said(frame, &condition.message)) }
    };
    if let Some(failed) = holds("Failed") {
        return said(frame.pick("failed", "실패"), failed);
    }
    if holds("Complete").is_some() {
        return cell(frame.pick("complete", "완료"));
    }
    if holds("Suspended").is_some() {
        return cell(frame.pick("suspended", "일시 중지"));
    }
    if let Some(stalled) = holds("Stalled") {
        return said(frame.pick("stalled", "멈춤"), stalled);
    }
    let Some(trial) = &status.trial else {
        return cell(frame.pick("between two trials", "시행 사이"));
    };
    html! {
        (frame.pick("trial", "시행")) " " (trial.trial) ", "
        (frame.pick("block", "블록")) " " (trial.block) ", "
        span lang="en" { (trial.arm) } ": " (step(frame, trial.step))
    }
}

fn step<'a>(frame: &Frame, step: TrialStep) -> &'a str {
    match step {
        TrialStep::SettingUp => frame.pick("setting up", "준비 중"),
        TrialStep::Measuring => frame.pick("measuring", "측정 중"),
        TrialStep::ClearingUp => frame.pick("clearing up", "정리 중"),
        TrialStep::Resting => frame.pick("resting", "안정화 중"),
        TrialStep::Abandoning => frame.pick("beginning again", "다시 시작하는 중"),
    }
}

fn expected(frame: &Frame, status: &EnergyStudyStatus) -> String {
    if let Some(done) = &status.completed_at {
        return done.0.strftime("%F %H:%MZ").to_string();
    }
    let expected = status.progress.expected_at.as_ref();
    expected.map_or_else(String::new, |at| {
        let at = at.0.strftime("%F %H:%MZ");
        match frame.pick("en", "ko") {
            "ko" => format!("예상 종료 {at}"),
            _ => format!("expected to end {at}"),
        }
    })
}

fn results(frame: &Frame, response: &str, results: &[StudyResult]) -> Markup {
    let caption = format!("{}: {response}", frame.pick("Differences", "차이"));
    let sheet = Sheet::new(
        &caption,
        &[
            frame.pick("Compared", "비교"),
            frame.pick("#Blocks", "#블록"),
            frame.pick("#Mean difference", "#평균 차이"),
            frame.pick("#Interval", "#구간"),
            frame.pick("Placebo", "위약"),
        ],
    );
    let row = |one: &StudyResult| {
        let placebo = match one.holds_what_is_known {
            None => "",
            Some(true) => frame.pick("holds 0", "0을 포함"),
            Some(false) => frame.pick("does not hold 0", "0을 포함하지 않음"),
        };
        vec![
            html! { (one.arm) " − " (one.against) },
            cell(one.blocks.to_string()),
            cell(&one.difference),
            cell(&one.interval),
            cell(placebo),
        ]
    };
    Rows {
        sheet: &sheet,
        cells: results.iter().map(row).collect(),
        sorted: None,
    }
    .table()
}
