//! Earlier advice on requests: whether it was taken, and what was used since.

use tanso_crds::carbon_policy::status::{AdviceOutcome, WorkloadResult};

use super::Writer;
use super::energy::title;
use crate::answer::outcomes;
use crate::report::document::{Block, Sheet};
use crate::report::figure;

/// The table with what its figures are and are not.
pub(super) fn requests(writer: &Writer<'_>) -> Vec<Block> {
    let workloads = writer.report.workloads.iter();
    let all: Vec<(&WorkloadResult, &AdviceOutcome)> = workloads
        .flat_map(|one| one.advice_outcomes.iter().map(move |told| (one, told)))
        .collect();
    if all.is_empty() {
        return vec![writer.text(
            "No advice on requests was told on an earlier day.",
            "이전에 제시한 자원 요청량 권고가 없다.",
        )];
    }
    vec![
        Block::Sheet(table(writer, &all)),
        writer.text(
            "Energy and CPU time are of a mean hour before and after the request was changed: the same hours of the same weekdays (UTC) of up to 28 days on each side, at least seven, with 90 % bounds from the weekdays' differences. That is an association, not causal: load, replicas and versions may have changed too. Rows of one workload are not added up, and nothing of it is subtracted from emissions.",
            "전력량과 CPU 시간은 요청량 변경 전후의 시간당 평균이다. 변경 전과 후 각각 최소 7일, 최대 28일에서 같은 요일·같은 시간대(UTC)를 비교하였으며, 90 % 구간은 요일별 차이로 산정하였다. 이는 연관성일 뿐 인과관계를 뜻하지 않는다. 부하, 복제본 수, 버전도 함께 바뀌었을 수 있다. 한 워크로드의 여러 행은 합산하지 않으며 배출량에서 빼지 않는다.",
        ),
    ]
}

fn table(writer: &Writer<'_>, all: &[(&WorkloadResult, &AdviceOutcome)]) -> Sheet {
    let (unit, day) = (writer.language.co2eq(), writer.pick("d", "일"));
    let mut table = Sheet::new(
        &writer.pick(
            "Earlier advice on requests: whether it was taken, and what was used since",
            "이전 자원 요청량 권고의 이행 여부와 이후 사용량",
        ),
        &[
            &writer.pick("Workload", "워크로드"),
            &writer.pick("Request", "요청량"),
            &writer.pick("Advised", "권고 내용"),
            &writer.pick("Told (UTC)", "권고일(UTC)"),
            &writer.pick("State", "이행 여부"),
            &writer.pick("Taken", "이행 시각"),
            &format!(
                "#{} (g{unit}/{day})",
                writer.pick("Predicted, 90 %", "예측, 90 %")
            ),
            &writer.pick("#Before, an hour", "#변경 전(시간당)"),
            &writer.pick("#After, an hour", "#변경 후(시간당)"),
            &writer.pick("#Difference, 90 %", "#차이, 90 %"),
            &writer.pick("#CPU time, an hour", "#CPU 시간(시간당)"),
        ],
    );
    for (workload, one) in all {
        table.push(row(writer, workload, one));
    }
    table
}

fn row(writer: &Writer<'_>, workload: &WorkloadResult, one: &AdviceOutcome) -> [String; 11] {
    let language = writer.language;
    let predicted = &one.predicted_milligrams_per_day;
    let effect = one.effect.as_ref();
    [
        title(workload),
        outcomes::request(language, one),
        format!("{} → {}", one.asked, one.advised),
        outcomes::days_told(one),
        outcomes::state(language, one.state).to_owned(),
        one.taken_at
            .as_ref()
            .map_or_else(String::new, |at| writer.local(&at.0.to_string())),
        format!(
            "{} – {}",
            figure::grams(predicted.low),
            figure::grams(predicted.high)
        ),
        effect.map_or_else(String::new, |found| {
            figure::energy(found.before_microjoules_per_hour)
        }),
        effect.map_or_else(String::new, |found| {
            let source = outcomes::source(language, found);
            figure::energy(found.after_microjoules_per_hour) + &source
        }),
        effect.map_or_else(String::new, outcomes::change),
        effect.map_or_else(String::new, outcomes::cpu),
    ]
}
