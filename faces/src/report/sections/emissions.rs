//! Emissions by both methods, and per unit of work.

use tanso_crds::carbon_policy::spec::MeteringPoint;

use super::Writer;
use crate::answer::places::is_elsewhere;
use crate::pue;
use crate::report::document::{Block, Section};
use crate::report::{Language, figure};
use crate::words::emitted_cell;

/// 5: emissions.
pub(super) fn emissions(writer: &Writer<'_>) -> Section {
    let report = writer.report;
    let totals = &report.totals;
    let intensity = totals
        .intensity_milligrams_per_kwh
        .map_or_else(|| "-".to_owned(), figure::intensity);
    let pue = factor(writer);
    let energy = figure::energy(totals.energy_microjoules.value);
    let mass = emitted_cell(totals, "≥ ", |mg| writer.mass(mg));
    let unit = writer.language.co2eq();
    let mut facts = vec![
        (
            writer.pick("Formula", "산정식"),
            writer.pick(
                "sum over hours of energy × PUE × intensity of the hour",
                "시간별 전력량 × PUE × 해당 시간의 배출계수의 합",
            ),
        ),
        (
            writer.pick("With its numbers", "대입값"),
            format!("{energy} × {pue} × {intensity} g{unit}/kWh = {mass}"),
        ),
        (
            writer.pick("Scope 2, location-based", "간접배출(Scope 2), 지역기반"),
            writer.emitted(),
        ),
    ];
    match &report.market {
        Some(market) => {
            facts.push((
                writer.pick("Scope 2, market-based", "간접배출(Scope 2), 시장기반"),
                writer.bounded(&market.emissions_milligrams, |mg| writer.mass(mg)),
            ));
            let hourly = market.matching == "Hourly";
            let matching = match (hourly, writer.language) {
                (true, Language::English) => "hour by hour",
                (false, Language::English) => "over the whole period",
                (true, Language::Korean) => "시간 단위",
                (false, Language::Korean) => "전체 기간 단위",
            };
            facts.push((
                writer.pick("Contracts", "계약(PPA, REC 등)"),
                match writer.language {
                    Language::English => format!(
                        "cover {} % of the facility's energy, matched {matching}; residual mix: {}",
                        market.covered_percent, market.residual_mix
                    ),
                    Language::Korean => format!(
                        "시설 전력량의 {} %에 해당하며 {matching}로 대응시켰다. 잔여 믹스: {}",
                        market.covered_percent,
                        residual(writer, &market.residual_mix)
                    ),
                },
            ));
        }
        None => facts.push((
            writer.pick("Scope 2, market-based", "간접배출(Scope 2), 시장기반"),
            writer.pick(
                "not reported: no contract is on file",
                "보고하지 않음(제출된 계약 자료 없음)",
            ),
        )),
    }
    facts.push((
        writer.pick("Gases", "대상 온실가스"),
        writer.pick(
            "CO2 equivalents as the intensity's source gives them; its GWP set applies",
            "배출계수 출처가 정한 이산화탄소상당량이며, 지구온난화지수는 출처의 값을 따른다",
        ),
    ));
    if !report.answer.is_empty() {
        facts.push((
            writer.pick("In a few sentences", "평가 요약"),
            writer.answer(),
        ));
    }
    writer.section(
        "emissions",
        ("Emissions", "온실가스 배출량"),
        vec![Block::Facts(facts)],
    )
}

/// What the energy is multiplied with: the site's PUE, or that of the place
/// where all of it was used.
fn factor(writer: &Writer<'_>) -> String {
    let report = writer.report;
    let none = || "1".to_owned();
    match report.places.as_slice() {
        _ if report.spec.site.metering == MeteringPoint::Facility => none(),
        places if !is_elsewhere(places) => {
            let site = &report.method;
            let applied = site.pue.clone().filter(|_| site.pue_is_applied);
            applied.unwrap_or_else(none)
        }
        [only] => match &only.pue_figure {
            Some(found) => pue::shown(found),
            None if only.pue == "-" => none(),
            None => only.pue.clone(),
        },
        _ => writer.pick(
            "PUE of each place of use (section 6)",
            "사용 장소별 PUE(6절)",
        ),
    }
}

/// The residual mix as it is written in Korea: the figure, and who publishes it.
fn residual(writer: &Writer<'_>, text: &str) -> String {
    let (figure, source) = text.split_once(", ").unwrap_or((text, ""));
    let figure = writer.language.unit(figure);
    if source.is_empty() {
        return figure;
    }
    format!("{figure}, {}", writer.own_text(source))
}

/// 8: software carbon intensity.
pub(super) fn sci(writer: &Writer<'_>) -> Section {
    let title = (
        "Software carbon intensity (ISO/IEC 21031)",
        "소프트웨어 탄소 집약도(SCI, ISO/IEC 21031)",
    );
    if let (None, Some(embodied)) = (
        &writer.report.software_carbon_intensity,
        &writer.report.embodied_milligrams,
    ) {
        let facts = vec![
            (
                writer.pick("M, embodied", "M, 내재 탄소"),
                writer.bounded(embodied, |mg| writer.mass(mg)),
            ),
            (
                writer.pick("Method", "방법"),
                writer.pick(
                    "shared by what pods asked for of a node's CPU, of nodes that are still there; how many functional units that time served was not given (--units), so there is no intensity per unit",
                    "파드가 요청한 노드 CPU의 몫으로 배분하며 현재 있는 노드만 포함한다. 해당 기간의 기능 단위 수(--units)가 제출되지 않아 단위당 값은 산정하지 않는다",
                ),
            ),
        ];
        return writer.section("sci", title, vec![Block::Facts(facts)]);
    }
    let Some(sci) = &writer.report.software_carbon_intensity else {
        let text = writer.text(
            "Not computed: the policy names no functional unit or no hardware.",
            "산정하지 않음(정책에 기능 단위 또는 하드웨어가 지정되지 않음).",
        );
        return writer.section("sci", title, vec![text]);
    };
    let per_unit = |micrograms: i64| {
        format!(
            "{} mg{}/{}",
            figure::fraction(i128::from(micrograms), 1_000, 3),
            writer.language.co2eq(),
            sci.unit
        )
    };
    let facts = vec![
        (
            "SCI = ((E × I) + M) / R".to_owned(),
            writer.bounded(&sci.micrograms_per_unit, per_unit),
        ),
        (
            writer.pick("E × I, operational", "E × I, 운영 배출"),
            writer.bounded(&sci.operational_milligrams, |mg| writer.mass(mg)),
        ),
        (
            writer.pick("M, embodied", "M, 내재 탄소"),
            writer.bounded(&sci.embodied_milligrams, |mg| writer.mass(mg)),
        ),
        (
            writer.pick("R, functional units", "R, 기능 단위"),
            match (writer.report.statement.units, writer.language) {
                (None, _) => format!("{} {}", sci.units, sci.unit),
                (Some(_), Language::English) => {
                    format!("{} {}, as the organisation states", sci.units, sci.unit)
                }
                (Some(_), Language::Korean) => {
                    format!("{} {}(보고 조직 제출)", sci.units, sci.unit)
                }
            },
        ),
        (
            writer.pick("Method", "방법"),
            writer.pick(
                "location-based; nothing market-based goes in",
                "지역기반이며 시장기반 값은 포함하지 않는다",
            ),
        ),
    ];
    writer.section("sci", title, vec![Block::Facts(facts)])
}
