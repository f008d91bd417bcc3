//! The base year with its path, and what would save or did save.

use tanso_crds::carbon_policy::status::{Recommendation, WorkloadResult};

use super::Writer;
use super::energy::title;
use super::taken;
use crate::answer::savings::{moved, rank};
use crate::report::document::{Block, Section, Sheet};
use crate::report::{Language, ReductionPath, build, chart, figure};

/// 10: base year.
pub(super) fn base_year(writer: &Writer<'_>) -> Section {
    let title = ("Base year and reduction path", "기준연도와 감축 경로");
    let paths = &writer.report.paths;
    if paths.is_empty() {
        let none = writer.text(
            "No rule of the policy has a reduction path.",
            "정책에 감축 경로가 있는 규정이 없다.",
        );
        return writer.section("base-year", title, vec![none]);
    }
    let mut blocks = Vec::new();
    for path in paths {
        blocks.push(Block::Facts(path_facts(writer, path)));
        if let Some(svg) = chart::path(path, build::year(writer.report), writer.language) {
            let summary = writer.pick(
                "The line is what is asked for; the dot is what was reached, with its interval.",
                "선은 요구되는 감축률, 점은 달성한 감축률과 그 구간이다.",
            );
            blocks.push(Block::Chart { svg, summary });
        }
    }
    blocks.push(writer.text(
        "The base year was not recalculated by tanso; a change of it is a change of the policy and of its digest.",
        "기준연도 배출량은 재산정하지 않았다. 이를 바꾸면 정책과 그 다이제스트가 바뀐다.",
    ));
    writer.section("base-year", title, blocks)
}

fn path_facts(writer: &Writer<'_>, path: &ReductionPath) -> Vec<(String, String)> {
    let base = path.base_tonnes.map_or_else(
        || writer.pick("not stated", "기재되지 않음"),
        |tonnes| {
            format!(
                "{tonnes} t{} ({})",
                writer.language.co2eq(),
                writer.own_text(&path.base_reference)
            )
        },
    );
    let year = build::year(writer.report);
    let asked = path.points.iter().find(|point| point.year == year);
    let percent = |milli: i64| format!("{} %", figure::milli(milli));
    let reached = path.reached_milli_percent.as_ref();
    vec![
        (
            writer.pick("Rule", "규정"),
            format!("{} ({} – {})", path.rule, path.base_year, path.target_year),
        ),
        (
            writer.pick("Emissions of the base year", "기준연도 배출량"),
            base,
        ),
        (
            match writer.language {
                Language::English => format!("Asked for in {year}, on a straight line"),
                Language::Korean => format!("{year}년 요구 감축률(직선 경로 기준)"),
            },
            asked.map_or_else(
                || "-".to_owned(),
                |point| percent(point.reduction_milli_percent),
            ),
        ),
        (
            writer.pick("Reached", "달성 감축률"),
            reached.map_or_else(|| "-".to_owned(), |value| writer.bounded(value, percent)),
        ),
    ]
}

/// 11: advice, and what it came to.
pub(super) fn savings(writer: &Writer<'_>) -> Section {
    let mut all: Vec<(String, &Recommendation)> = Vec::new();
    for one in &writer.report.workloads {
        all.extend(
            one.recommendations
                .iter()
                .map(|advice| (title(one), advice)),
        );
    }
    let whole = || writer.pick("the cluster", "클러스터 전체");
    all.extend(
        writer
            .report
            .recommendations
            .iter()
            .map(|advice| (whole(), advice)),
    );
    all.sort_by_key(|(_, advice)| rank(advice));
    let mut blocks = vec![writer.text(
        "Savings are told apart from emissions and never subtracted from them. Those of one workload do not add up: together they were run through again hour by hour.",
        "절감량은 배출량과 따로 적으며 배출량에서 빼지 않는다. 한 워크로드의 여러 절감량은 단순히 더할 수 없어 시간별로 다시 계산하였다.",
    )];
    if let Some(at) = &writer.report.advice_through {
        let at = writer.local(at);
        blocks.push(Block::Text(match writer.language {
            Language::English => format!(
                "Advice, and what became of it, is of the policy's last evaluation, by data through {at}, and not of the time of this report; settled runs are those that began in it."
            ),
            Language::Korean => format!(
                "권고와 그 이행 결과는 이 보고서의 기간이 아니라 정책의 최근 평가({at}까지의 자료) 결과이다. 정산은 이 기간에 시작된 실행을 대상으로 한다."
            ),
        }));
    }
    if all.is_empty() {
        blocks.push(writer.text(
            "Nothing that is looked for would save enough to advise it.",
            "권고할 만큼 절감되는 변경이 없다.",
        ));
    } else {
        blocks.push(Block::Sheet(predicted(writer, &all)));
        blocks.push(writer.text(
            "What is attributed is borne by others instead: the cluster saves it only if a node goes. It is no part of what the cluster saves.",
            "배분량 감소는 다른 워크로드의 몫으로 옮겨지는 양이며, 노드를 줄일 때에만 클러스터 전체에서 절감된다. 클러스터 절감량에는 들어가지 않는다.",
        ));
        blocks.push(Block::Facts(
            all.iter()
                .map(|(name, advice)| {
                    let action = writer.language.action(&advice.action);
                    (format!("{name}, {action}"), writer.change(&advice.basis))
                })
                .collect(),
        ));
    }
    blocks.push(match settled(writer) {
        Some(table) => Block::Sheet(table),
        None => writer.text(
            "Measured effect: no run is settled yet; that needs a provider of intensity that forecasts.",
            "실현 효과: 아직 정산된 실행이 없다. 정산에는 예측값을 주는 배출계수 제공자가 필요하다.",
        ),
    });
    blocks.extend(taken::requests(writer));
    blocks.push(writer.text(
        "Of other advice (another region, fewer replicas, removal, fewer nodes) it is not known whether it was taken, and what it saved.",
        "그 밖의 권고(지역 이전, 복제본 축소, 유휴 워크로드 삭제, 노드 축소)는 이행 여부와 실현 효과를 산정하지 않는다.",
    ));
    writer.section(
        "savings",
        ("Recommendations and savings", "권고와 절감 효과"),
        blocks,
    )
}

/// Advice in rows; what the cluster saves and what is attributed never share a
/// column.
fn predicted(writer: &Writer<'_>, all: &[(String, &Recommendation)]) -> Sheet {
    let (unit, day) = (writer.language.co2eq(), writer.pick("d", "일"));
    let mut table = Sheet::new(
        &writer.pick(
            "Predicted: advice, what the cluster saves before what only moves to others",
            "예측: 권고(클러스터 절감량이 큰 순, 배분량만 줄어드는 권고는 뒤에 표시)",
        ),
        &[
            &writer.pick("Workload", "워크로드"),
            &writer.pick("Advice", "권고"),
            &format!(
                "#{} (g{unit}/{day})",
                writer.pick("Cluster saves", "클러스터 절감량")
            ),
            &format!(
                "#{} (g{unit}/{day})",
                writer.pick("Attributed", "배분량 감소")
            ),
            &format!(
                "#{} (g{unit}/{day})",
                writer.pick("Both, 90 %", "합계, 90 %")
            ),
            &writer.pick("#Of its emissions (%)", "#배출량 대비 (%)"),
            &writer.pick("Confidence", "신뢰도"),
            &writer.pick("Change to make", "변경 내용"),
        ],
    );
    for (name, advice) in all {
        let saving = &advice.saving_milligrams_per_day;
        table.push([
            name.clone(),
            writer.language.action(&advice.action),
            figure::grams(advice.cluster_saving_milligrams_per_day),
            figure::grams(moved(advice)),
            format!(
                "{} – {}",
                figure::grams(saving.low),
                figure::grams(saving.high)
            ),
            figure::milli(advice.saving_milli_percent),
            writer.language.confidence(&advice.confidence),
            writer.change(&advice.change),
        ]);
    }
    table
}

/// Runs that are over: what was promised and what it came to.
fn settled(writer: &Writer<'_>) -> Option<Sheet> {
    let mut table = Sheet::new(
        &writer.pick(
            "Settled: what following the forecast would have saved on runs that are over",
            "정산: 종료된 실행에서 예측을 따랐을 때의 절감량",
        ),
        &[
            &writer.pick("Workload", "워크로드"),
            &writer.pick("Run", "실행"),
            &writer.pick("Advised start", "권고 시작 시각"),
            &writer.pick("#Predicted (g)", "#예측 (g)"),
            &writer.pick("#Realised (g)", "#실현 (g)"),
            &writer.pick("#Regret (g)", "#차이 (g)"),
        ],
    );
    let runs = |one: &WorkloadResult| -> Vec<[String; 6]> {
        let run = |run: &tanso_crds::carbon_policy::status::SettledRun| {
            let last = run.realised.last();
            let shown = |of: Option<i64>| of.map_or_else(String::new, figure::grams);
            [
                title(one),
                writer.local(&run.started.0.to_string()),
                writer.local(&run.advised.0.to_string()),
                figure::grams(run.predicted_milligrams),
                shown(last.map(|last| last.saved_milligrams)),
                shown(last.map(|last| last.regret_milligrams)),
            ]
        };
        one.settled.iter().map(run).collect()
    };
    for row in writer.report.workloads.iter().flat_map(runs) {
        table.push(row);
    }
    (!table.rows.is_empty()).then_some(table)
}
