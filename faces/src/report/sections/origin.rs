//! Where figures come from: intensity, the facility, uncertainty, digests.

use tanso_crds::carbon_policy::accounting::IndicatorMetric;
use tanso_crds::carbon_policy::status::{IntensityProvenance, PlaceFigures, PueFigure};

use super::Writer;
use crate::answer::places::is_elsewhere;
use crate::answer::sources;
use crate::pue;
use crate::report::document::{Block, Section, Sheet};
use crate::report::{Language, figure};
use crate::view::stated::{category, evidence};
use crate::words::Priced;

/// 6: emission factors.
pub(super) fn factors(writer: &Writer<'_>) -> Section {
    let report = writer.report;
    let mut blocks = Vec::new();
    // The site's own figures say nothing of energy that was all used elsewhere.
    let from = match report.places.as_slice() {
        [only] if is_elsewhere(&report.places) => Some(&only.intensity),
        _ => report.intensity.as_ref(),
    };
    if let Some(from) = from {
        blocks.push(Block::Facts(intensity(writer, from)));
    }
    let hours = report.hours.iter().flat_map(|hours| &hours.hours);
    let seen: Vec<_> = hours.filter(|hour| !hour.is_ahead).collect();
    if !seen.is_empty() {
        let missing = |hour: &&&super::super::Hour| hour.intensity_milligrams_per_kwh.is_none();
        let (gaps, estimated) = (
            seen.iter().filter(missing).count(),
            seen.iter().filter(|hour| hour.is_estimated).count(),
        );
        blocks.push(Block::Text(match writer.language {
            Language::English => format!(
                "Of {} hours {gaps} have no intensity and {estimated} an estimated or filled one; {} % of the energy was used in the latter.",
                seen.len(), report.totals.intensity_estimated_percent
            ),
            Language::Korean => format!(
                "{}시간 중 {gaps}시간은 배출계수가 결측이고 {estimated}시간은 추정값 또는 대체값이며, 전력량의 {} %가 후자에 해당한다.",
                seen.len(), report.totals.intensity_estimated_percent
            ),
        }));
    }
    if is_elsewhere(&report.places) {
        blocks.push(Block::Sheet(places(writer)));
    }
    writer.section("factors", ("Emission factors", "배출계수"), blocks)
}

fn intensity(writer: &Writer<'_>, from: &IntensityProvenance) -> Vec<(String, String)> {
    let kind = |text: &str| writer.language.intensity_kind(text);
    let year_of = |year: Option<i32>| {
        year.map_or_else(
            || writer.pick("of the hours themselves", "해당 시간의 실측"),
            |year| year.to_string(),
        )
    };
    let year = if from.sources.is_empty() {
        year_of(from.data_year)
    } else {
        let said = |source: &str, year| format!("{} {}", writer.own_text(source), year_of(year));
        sources::joined(&from.sources, said, "; ")
    };
    let percent = writer.report.totals.intensity_estimated_percent;
    vec![
        (
            writer.pick("Grid zone", "전력 계통 구역"),
            from.zone.clone(),
        ),
        (
            writer.pick("Method, boundary, basis", "방법, 경계, 기준"),
            format!(
                "{}, {}, {}",
                kind(&from.method),
                kind(&from.boundary),
                kind(&from.basis)
            ),
        ),
        (writer.pick("Source", "출처"), writer.own_text(&from.source)),
        (writer.pick("Data year", "자료 연도"), year),
        (
            writer.pick("Hours filled by", "결측 처리 방법"),
            writer.or_not_stated(&writer.engine(&from.filled_by)),
        ),
        (
            writer.pick(
                "Energy at estimated intensity",
                "추정·대체 배출계수를 쓴 전력량",
            ),
            format!("{percent} %"),
        ),
        (
            writer.pick("Licence", "이용 조건"),
            writer.or_not_stated(&writer.own_text(&sources::licences(from))),
        ),
    ]
}

fn places(writer: &Writer<'_>) -> Sheet {
    let mut table = Sheet::new(
        &writer.pick("By place of use", "사용 장소별"),
        &[
            &writer.pick("Region", "리전"),
            &writer.pick("#Energy (kWh)", "#전력량 (kWh)"),
            "PUE",
            &writer.pick("Grid zone and source", "계통 구역과 출처"),
        ],
    );
    for place in &writer.report.places {
        table.push([
            place.region.clone(),
            figure::kwh(place.energy_microjoules),
            of_place(writer, place),
            format!(
                "{}, {}",
                place.intensity.zone,
                sources::told(&place.intensity, sources::with_year(""))
            ),
        ]);
    }
    table
}

/// A place's PUE with who says it and of which year, as far as a status tells.
fn of_place(writer: &Writer<'_>, place: &PlaceFigures) -> String {
    let told = pue::of_place(&place.pue, writer.language);
    let Some(found) = &place.pue_figure else {
        return told;
    };
    let source = Some(source_of(writer, found)).filter(|text| !text.is_empty());
    let year = found.data_year.map(|year| year.to_string());
    let parts = [Some(told), source, year];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// 7: the facility.
pub(super) fn facility(writer: &Writer<'_>) -> Section {
    let mut facts = Vec::new();
    match &writer.report.method.facility_pue {
        Some(used) => facts.extend(of_pue(writer, used)),
        None => facts.push((
            writer.pick("PUE", "전력사용효율(PUE)"),
            writer.pick(
                "none is given: the sums are of the IT equipment alone",
                "제출되지 않음. 합계는 IT 장비만의 값이다",
            ),
        )),
    }
    for one in &writer.report.spec.accounting.indicators {
        let name = match one.metric {
            IndicatorMetric::Wue => writer.pick("WUE (L/kWh)", "물사용효율 WUE (L/kWh)"),
            IndicatorMetric::Erf => writer.pick("ERF (%)", "에너지 재사용률 ERF (%)"),
            IndicatorMetric::Ref => writer.pick("REF (%)", "재생에너지 계수 REF (%)"),
            IndicatorMetric::RenewableShare => {
                writer.pick("Renewable share (%)", "재생에너지 비율(%)")
            }
        };
        let known = evidence(one.evidence);
        let known = writer.language.engine_word(known.in_words());
        let figure = one.litres_per_kwh.or(one.percent);
        let figure = figure.map_or_else(|| "-".to_owned(), |figure| figure.to_string());
        let reference = writer.own_text(&one.reference);
        facts.push((name, format!("{figure} ({known}) {reference}")));
    }
    let note = writer.text(
        "tanso measures the energy of IT equipment; what the facility uses beside is stated by its operator (Delegated Regulation (EU) 2024/1364 for its definitions).",
        "탄소(tanso)는 IT 장비의 전력량만 측정한다. 시설의 나머지 값은 운영자가 제출한 것이다(정의는 위임규정 (EU) 2024/1364).",
    );
    writer.section(
        "facility",
        ("Facility", "시설(데이터센터)"),
        vec![Block::Facts(facts), note],
    )
}

/// The PUE with who says so, and what it is good for.
fn of_pue(writer: &Writer<'_>, used: &PueFigure) -> Vec<(String, String)> {
    let language = writer.language;
    let mut facts = vec![
        (
            writer.pick("PUE", "전력사용효율(PUE)"),
            pue::brief(used, language),
        ),
        (
            writer.pick("Source of the PUE", "PUE 근거 자료"),
            writer.or_not_stated(&source_of(writer, used)),
        ),
        (
            writer.pick(
                "IT energy metered at (ISO/IEC 30134-2)",
                "IT 전력량 계량 등급(ISO/IEC 30134-2)",
            ),
            writer.or_not_stated(&used.category.map_or_else(String::new, |one| {
                language.engine_word(&category(one).to_string())
            })),
        ),
    ];
    let remarks: Vec<_> = pue::remarks(used, language).collect();
    if !remarks.is_empty() {
        facts.push((
            writer.pick("Use of the PUE", "PUE의 쓰임"),
            remarks.join("; "),
        ));
    }
    facts
}

/// Who is named as the source of a PUE; a query is no text of anybody's.
fn source_of(writer: &Writer<'_>, used: &PueFigure) -> String {
    let source = pue::source(used, writer.language);
    if source == used.source {
        writer.own_text(&source)
    } else {
        source
    }
}

/// 9: uncertainty.
pub(super) fn uncertainty(writer: &Writer<'_>) -> Section {
    let totals = &writer.report.totals;
    let spread = |bounds| {
        figure::spread(bounds).map_or_else(|| "-".to_owned(), |percent| format!("±{percent} %"))
    };
    let asked = &writer.report.spec.evidence;
    let share = |found: i32, asked: i32, least: bool| match (writer.language, least) {
        (Language::English, true) => format!("{found} %, at least {asked} % needed"),
        (Language::English, false) => format!("{found} %, at most {asked} % accepted"),
        (Language::Korean, true) => format!("{found} % (최소 {asked} % 필요)"),
        (Language::Korean, false) => format!("{found} % (최대 {asked} % 허용)"),
    };
    let facts = vec![
        (
            writer.pick("Energy", "전력량"),
            format!(
                "{}, {}",
                spread(&totals.energy_microjoules),
                writer.bounded(&totals.energy_microjoules, figure::energy)
            ),
        ),
        (
            writer.pick("Emissions", "배출량"),
            match Priced::of(totals) {
                Priced::All => format!(
                    "{}, {}",
                    spread(&totals.emissions_milligrams),
                    writer.emitted()
                ),
                _ => writer.emitted(),
            },
        ),
        (
            writer.pick("Confidence", "신뢰수준"),
            format!("{} %", writer.report.method.confidence_percent),
        ),
        (
            writer.pick("Method", "방법"),
            writer.pick(
                "bounds of energy (meters' errors, models' conformal intervals), PUE and intensity are multiplied low with low and high with high, and added hour by hour: no error is assumed to cancel another",
                "전력량(계량 오차, 모델의 등각 예측 구간), PUE, 배출계수의 하한은 하한끼리 상한은 상한끼리 곱하여 시간별로 더한다. 오차가 서로 상쇄된다고 가정하지 않는다",
            ),
        ),
        (
            writer.pick("Hours with energy data", "전력량 자료 확보율"),
            share(totals.coverage_percent, asked.min_coverage_percent, true) + &counted(writer),
        ),
        (
            writer.pick("Energy at estimated intensity", "추정·대체 배출계수를 쓴 비율"),
            share(totals.intensity_estimated_percent, asked.max_estimated_percent, false),
        ),
        (
            writer.pick("Not in it", "포함되지 않은 것"),
            writer.pick(
                "whether the grid zone is the one that supplies the site; errors of the intensity's source that it does not state; GWP values",
                "계통 구역이 실제 공급 계통과 같은지 여부, 배출계수 출처가 밝히지 않은 오차, 지구온난화지수의 불확도",
            ),
        ),
    ];
    writer.section(
        "uncertainty",
        ("Uncertainty", "불확도"),
        vec![Block::Facts(facts)],
    )
}

/// What a report of another time counts its hours by; a status counts them by
/// node.
fn counted(writer: &Writer<'_>) -> String {
    let report = writer.report;
    match (&report.advice_through, &report.policy.namespace) {
        (None, _) => String::new(),
        (Some(_), None) => writer.pick(
            "; counted by node, between the first and the last hour of each; hours to come do not count",
            ", 노드별 첫 자료와 마지막 자료 사이의 시간 기준(아직 오지 않은 시간 제외)",
        ),
        (Some(_), Some(_)) => writer.pick(
            "; counted by the hours in which the namespace's pods used energy: hours in which none ran count as missing, hours to come do not, and a node that was silent does not show",
            ", 네임스페이스의 파드가 전력을 사용한 시간 기준(실행된 파드가 없는 시간은 미확보로 계산하며, 일부 노드의 자료 누락은 나타나지 않음)",
        ),
    }
}

/// 12: digests and the commands that compute it again.
pub(super) fn provenance(writer: &Writer<'_>) -> Section {
    let digests = &writer.report.digests;
    let optional = |text: &Option<String>| writer.or_not_stated(text.as_deref().unwrap_or(""));
    let revision = digests.ledger_revision.map(|number| number.to_string());
    let facts = vec![
        (
            writer.pick("All inputs", "전체 입력자료"),
            optional(&digests.inputs),
        ),
        (
            writer.pick("Policy's spec", "정책(spec)"),
            digests.spec.clone(),
        ),
        (writer.pick("Rules", "규정 자료"), digests.rules.clone()),
        (
            writer.pick("Workloads' figures", "워크로드 수치"),
            digests.workloads.clone(),
        ),
        (
            writer.pick("Ledger, up to booking", "전력량 원장(기입 번호)"),
            writer.or_not_stated(revision.as_deref().unwrap_or("")),
        ),
        (
            writer.pick("Software", "소프트웨어"),
            writer.report.statement.software.clone(),
        ),
    ];
    let mut blocks = vec![
        Block::Facts(facts),
        writer.text(
            "Anybody with the ledger's rows computes the sums and the verdicts again by these commands; rows that were booked after the evaluation are in the export too:",
            "전력량 원장의 자료가 있으면 누구나 다음 명령으로 합계와 판정을 다시 계산할 수 있다. 평가 이후에 기입된 자료도 내보내기에 포함된다.",
        ),
    ];
    for command in &writer.report.recompute {
        blocks.push(Block::Command(command.clone()));
    }
    let limits = &writer.report.not_recomputed;
    if !limits.is_empty() {
        blocks.push(writer.text(
            "What these commands do not compute again, and what they need besides:",
            "위 명령으로 다시 계산할 수 없거나 추가로 필요한 사항(영문):",
        ));
        blocks.push(Block::Text(limits.join("; ")));
    }
    writer.section("provenance", ("Provenance", "출처와 재계산"), blocks)
}
