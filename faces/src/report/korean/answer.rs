//! The evaluation in a few Korean sentences, from the report's own figures: a
//! status says them in English.

use tanso_carbon::verdict::Reason;
use tanso_crds::carbon_policy::status::{Recommendation, WorkloadResult};

use super::particle::fill;
use super::{RuleNames, sentence};
use crate::answer::savings::{foremost, moved};
use crate::pue;
use crate::report::figure;
use crate::report::sections::Writer;
use crate::words::Priced;

/// What was used, what it emitted and why, the verdict, and what would help.
pub(in crate::report) fn answer(writer: &Writer<'_>, names: &RuleNames) -> String {
    let mut sentences = vec![used(writer), priced(writer, names)];
    sentences.extend(market(writer));
    sentences.push(judged(writer, names));
    sentences.push(advised(writer));
    sentences.join(" ")
}

fn filled(wording: &str, texts: &[&str]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
    fill(wording, &texts)
}

fn used(writer: &Writer<'_>) -> String {
    let report = writer.report;
    let totals = &report.totals;
    let shares = [
        ("측정", totals.measured_percent),
        ("추정", totals.modelled_percent),
        ("모의", totals.simulated_percent),
    ];
    let shares: Vec<String> = shares
        .iter()
        .filter(|(_, percent)| *percent > 0)
        .map(|(how, percent)| format!("{how} {percent} %"))
        .collect();
    let shares = if shares.is_empty() {
        String::new()
    } else {
        format!("({})", shares.join(", "))
    };
    let used = format!(
        "워크로드 {}개가 {}시간 동안 전력 {}{shares}를 사용",
        report.workloads.len(),
        report.period.hours,
        figure::energy(totals.energy_microjoules.value),
    );
    match Priced::of(totals) {
        Priced::Nothing => format!("{used}하였으나 배출계수가 없어 배출량을 산정할 수 없다."),
        _ => format!("{used}하여 온실가스 {}를 배출하였다.", writer.emitted()),
    }
}

fn priced(writer: &Writer<'_>, names: &RuleNames) -> String {
    let report = writer.report;
    let intensity = report.totals.intensity_milligrams_per_kwh;
    let intensity = intensity.map_or_else(|| "-".to_owned(), figure::intensity);
    let factor = match (&report.method.facility_pue, report.method.pue_is_applied) {
        (Some(used), true) => format!(" × PUE {}", pue::brief(used, writer.language)),
        _ => String::new(),
    };
    let formula = format!(
        "산정식은 전력량{factor} × 배출계수 {intensity} g{}/kWh이다.",
        writer.language.co2eq()
    );
    let Some(from) = &report.intensity else {
        return formula;
    };
    let fill = sentence(&from.filled_by, names);
    format!(
        "{formula} 배출계수 출처: {}, 결측 처리: {fill}.",
        from.source
    )
}

fn market(writer: &Writer<'_>) -> Option<String> {
    let market = writer.report.market.as_ref()?;
    Some(format!(
        "시장기반 배출량: {}(시설 전력량의 {} %를 계약으로 대응).",
        writer.mass(market.emissions_milligrams.value),
        market.covered_percent
    ))
}

/// The verdict, and the rule that decided: the first of those that say so.
fn judged(writer: &Writer<'_>, names: &RuleNames) -> String {
    let report = writer.report;
    let verdict = writer.language.verdict(report.verdict);
    let beside = [Reason::NoLimit.as_str(), Reason::ContextOnly.as_str()];
    let same = || {
        let rules = report.rules.iter().map(|rule| &rule.result);
        rules.filter(|rule| rule.verdict == report.verdict)
    };
    let judged = same().find(|rule| !beside.contains(&rule.reason.as_str()));
    match judged.or_else(|| same().next()) {
        Some(rule) => format!(
            "종합 판정: {verdict}. 근거 규정 {}: {}.",
            rule.rule,
            sentence(&rule.message, names)
        ),
        None => format!("종합 판정: {verdict}."),
    }
}

fn advised(writer: &Writer<'_>) -> String {
    let [saves, moves] = foremost(&writer.report.workloads);
    let said = |wording: &str, (workload, advice): (&WorkloadResult, &Recommendation), mg| {
        let action = writer.language.action(&advice.action);
        let name = format!("{} {}", workload.kind, workload.name);
        filled(wording, &[&name, &action, &writer.mass(mg)])
    };
    let saves = saves.map(|found| {
        let wording = "절감량이 가장 큰 권고: {0} {1}, 1일 {2}.";
        said(wording, found, found.1.cluster_saving_milligrams_per_day)
    });
    let moves = moves.map(|found| {
        let wording = "배분량이 가장 많이 줄어드는 권고: {0} {1}, 1일 {2}(노드를 줄일 때에만 클러스터 전체에서 절감된다).";
        said(wording, found, moved(found.1))
    });
    let found: Vec<String> = saves.into_iter().chain(moves).collect();
    if found.is_empty() {
        "권고할 만큼 절감되는 변경이 없다.".to_owned()
    } else {
        found.join(" ")
    }
}
