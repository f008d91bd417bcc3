//! Energy by part and its provenance, and the annex with every exact figure.

use tanso_crds::carbon_policy::status::{Figures, WorkloadResult};

use super::Writer;
use crate::report::document::{Block, Section, Sheet};
use crate::report::{EnergyOf, Language, chart, figure};
use crate::words::{Priced, emitted_cell, emitted_sum, is_known};

/// 4: energy.
pub(super) fn energy(writer: &Writer<'_>) -> Section {
    let report = writer.report;
    let totals = &report.totals;
    let shares = [
        totals.measured_percent,
        totals.modelled_percent,
        totals.simulated_percent,
    ];
    let words = provenance(writer, shares);
    let mut blocks = vec![Block::Chart {
        svg: chart::share(shares, &words),
        summary: words,
    }];
    if let Some(hours) = &report.hours
        && let Some((svg, summary)) = chart::hours(hours, chart::Now::default(), writer.language)
    {
        blocks.push(Block::Chart { svg, summary });
    }
    if !report.months.is_empty() {
        let caption = match (&report.hours, writer.language) {
            (Some(hours), Language::English) => format!(
                "By local month, from the ledger up to booking {}",
                hours
                    .ledger_revision
                    .map_or("-".to_owned(), |n| n.to_string())
            ),
            (Some(hours), Language::Korean) => format!(
                "월별 전력량(현지 시각, 원장 기입 번호 {}까지)",
                hours
                    .ledger_revision
                    .map_or("-".to_owned(), |n| n.to_string())
            ),
            _ => String::new(),
        };
        blocks.push(Block::Sheet(parts(
            writer,
            &caption,
            ("Month", "월"),
            &report.months,
        )));
    }
    let caption = writer.pick(
        "By namespace; parts by provenance from each workload's whole percents",
        "네임스페이스별(측정·추정·모의 구분은 워크로드별 정수 백분율로 계산)",
    );
    let title = ("Namespace", "네임스페이스");
    blocks.push(Block::Sheet(parts(
        writer,
        &caption,
        title,
        &report.namespaces,
    )));
    if !report.unallocated.is_empty() {
        blocks.push(Block::Sheet(unallocated(writer)));
    }
    blocks.push(Block::Sheet(workloads(writer)));
    writer.section("energy", ("Energy", "전력량(활동자료)"), blocks)
}

fn provenance(writer: &Writer<'_>, [measured, modelled, simulated]: [i32; 3]) -> String {
    match writer.language {
        Language::English => format!(
            "Of the energy {measured} % is measured by meters, {modelled} % modelled from utilisation, {simulated} % simulated; {} % of the expected hours have data.",
            writer.report.totals.coverage_percent
        ),
        Language::Korean => format!(
            "전력량의 {measured} %는 계량기로 측정하였고 {modelled} %는 사용률로 추정하였으며 {simulated} %는 모의값이다. 대상 시간의 확보율은 {} %이다.",
            writer.report.totals.coverage_percent
        ),
    }
}

fn parts(writer: &Writer<'_>, caption: &str, first: (&str, &str), parts: &[EnergyOf]) -> Sheet {
    let column = |word: &str| format!("#{word} (kWh)");
    let emissions = format!(
        "#{} (g{})",
        writer.pick("Emissions", "배출량"),
        writer.language.co2eq()
    );
    let whole = whole(writer, parts);
    let mut columns = vec![
        writer.pick(first.0, first.1),
        column(&writer.pick("Energy", "전력량")),
        column(writer.language.provenance(0)),
        column(writer.language.provenance(1)),
        column(writer.language.provenance(2)),
        emissions,
    ];
    // Where all has an intensity, a column of nothing would only raise questions.
    let says_unpriced = whole.unpriced_microjoules > 0;
    if says_unpriced {
        columns.push(column(&writer.pick(
            "Facility energy without intensity, not in the emissions",
            "배출계수가 없어 배출량에 포함하지 않은 시설 전력량",
        )));
    }
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let mut table = Sheet::new(caption, &columns);
    for part in parts {
        let mut shown = part.clone();
        if parts.len() == 1 {
            // The only part is all.
            shown.emissions_milligrams = whole.emissions_milligrams;
        }
        table.push(of_part(&shown, says_unpriced));
    }
    table.total(of_part(&whole, says_unpriced));
    table
}

/// The sum of parts. Where they are all of the policy's energy and their masses
/// differ from its total by roundings alone, the total stands: one report has one.
fn whole(writer: &Writer<'_>, parts: &[EnergyOf]) -> EnergyOf {
    let sum = |of: fn(&EnergyOf) -> i64| parts.iter().map(of).sum::<i64>();
    let mut whole = EnergyOf {
        name: writer.pick("Sum", "합계"),
        workloads: 0,
        energy_microjoules: sum(|part| part.energy_microjoules),
        measured_microjoules: sum(|part| part.measured_microjoules),
        modelled_microjoules: sum(|part| part.modelled_microjoules),
        simulated_microjoules: sum(|part| part.simulated_microjoules),
        emissions_milligrams: sum(|part| part.emissions_milligrams),
        unpriced_microjoules: sum(|part| part.unpriced_microjoules),
    };
    let report = writer.report;
    let total = report.totals.emissions_milligrams.value;
    let hours = report.hours.as_ref().map_or(0, |hours| hours.hours.len());
    // Masses are added of workloads or of hours, each rounded to a milligram.
    let roundings = u64::try_from(report.workloads.len().max(hours)).unwrap_or(u64::MAX);
    if whole.energy_microjoules == report.totals.energy_microjoules.value
        && whole.emissions_milligrams.abs_diff(total) <= roundings
    {
        whole.emissions_milligrams = total;
    }
    whole
}

fn of_part(part: &EnergyOf, says_unpriced: bool) -> Vec<String> {
    let mut cells = vec![
        part.name.clone(),
        figure::kwh(part.energy_microjoules),
        figure::kwh(part.measured_microjoules),
        figure::kwh(part.modelled_microjoules),
        figure::kwh(part.simulated_microjoules),
        emitted_sum(
            part.emissions_milligrams,
            part.unpriced_microjoules,
            "≥ ",
            figure::grams,
        ),
    ];
    if says_unpriced {
        cells.push(figure::kwh(part.unpriced_microjoules));
    }
    cells
}

fn unallocated(writer: &Writer<'_>) -> Sheet {
    let mut table = Sheet::new(
        &writer.pick(
            "Energy of nodes that belongs to no workload; with the workloads it is all that was metered",
            "워크로드에 속하지 않는 노드 전력량(워크로드와 더하면 전체 계량값이 된다)",
        ),
        &[
            &writer.pick("Account", "계정"),
            &writer.pick("#Energy (kWh)", "#전력량 (kWh)"),
        ],
    );
    let word = |account: &str| {
        let korean = match account {
            "idle" => "유휴 전력",
            "system" => "시스템",
            "kernel" => "커널",
            "overflow" => "초과분",
            "standalone" => "단독 컨테이너",
            "unselected" => "선정되지 않은 파드",
            other => other,
        };
        writer.pick(account, korean)
    };
    let all = &writer.report.unallocated;
    for one in all {
        table.push([word(&one.account), figure::kwh(one.energy_microjoules)]);
    }
    let rest: i64 = all.iter().map(|one| one.energy_microjoules).sum();
    let whole = rest.saturating_add(writer.report.totals.energy_microjoules.value);
    table.push([
        writer.pick("workloads", "워크로드"),
        figure::kwh(writer.report.totals.energy_microjoules.value),
    ]);
    table.total([writer.pick("Metered", "전체 계량값"), figure::kwh(whole)]);
    table
}

fn workloads(writer: &Writer<'_>) -> Sheet {
    let emissions = format!(
        "#{} (g{})",
        writer.pick("Emissions", "배출량"),
        writer.language.co2eq()
    );
    let mut table = Sheet::new(
        &writer.pick(
            "By workload, largest emissions first",
            "워크로드별(배출량이 큰 순)",
        ),
        &[
            &writer.pick("Workload", "워크로드"),
            &writer.pick("#Energy (kWh)", "#전력량 (kWh)"),
            &emissions,
            &writer.pick("#±90 % (%)", "#불확도 ±90 % (%)"),
            &writer.pick(
                "Measured / modelled / simulated (%)",
                "측정 / 추정 / 모의 (%)",
            ),
            &writer.pick("Verdict", "판정"),
        ],
    );
    for one in &writer.report.workloads {
        let figures = &one.figures;
        let verdict = writer.language.verdict(one.verdict).to_owned();
        if !is_known(one.verdict, figures) {
            let cells = [title(one)].into_iter();
            let unknown = std::iter::repeat_n("-".to_owned(), 4);
            table.push(cells.chain(unknown).chain([verdict]));
            continue;
        }
        table.push([
            title(one),
            figure::kwh(figures.energy_microjoules.value),
            emitted_cell(figures, "≥ ", figure::grams),
            figure::spread(&figures.emissions_milligrams).unwrap_or_default(),
            format!(
                "{} / {} / {}",
                figures.measured_percent, figures.modelled_percent, figures.simulated_percent
            ),
            verdict,
        ]);
    }
    let totals = &writer.report.totals;
    table.total([
        writer.pick("Sum", "합계"),
        figure::kwh(totals.energy_microjoules.value),
        emitted_cell(totals, "≥ ", figure::grams),
        figure::spread(&totals.emissions_milligrams).unwrap_or_default(),
        format!(
            "{} / {} / {}",
            totals.measured_percent, totals.modelled_percent, totals.simulated_percent
        ),
        writer.language.verdict(writer.report.verdict).to_owned(),
    ]);
    table
}

/// `shop/Deployment/api`.
pub(super) fn title(workload: &WorkloadResult) -> String {
    format!("{}/{}/{}", workload.namespace, workload.kind, workload.name)
}

/// 13: every figure as it is in the status.
pub(super) fn annex(writer: &Writer<'_>) -> Section {
    let mut table = Sheet::new(
        &writer.pick(
            "Figures of the status to the last digit, with the ends of their 90 % intervals",
            "상태(status)의 수치 원본과 신뢰수준 90 % 구간",
        ),
        &[
            &writer.pick("Subject", "대상"),
            &writer.pick("#Energy low (uJ)", "#전력량 하한 (uJ)"),
            &writer.pick("#Energy (uJ)", "#전력량 (uJ)"),
            &writer.pick("#Energy high (uJ)", "#전력량 상한 (uJ)"),
            &writer.pick("#Emissions low (mg)", "#배출량 하한 (mg)"),
            &writer.pick("#Emissions (mg)", "#배출량 (mg)"),
            &writer.pick("#Emissions high (mg)", "#배출량 상한 (mg)"),
            &writer.pick("#mg/kWh", "#mg/kWh"),
        ],
    );
    for one in &writer.report.workloads {
        if is_known(one.verdict, &one.figures) {
            table.push(exact(title(one), &one.figures));
        } else {
            let unknown = std::iter::repeat_n("-".to_owned(), 7);
            table.push([title(one)].into_iter().chain(unknown));
        }
    }
    table.total(exact(writer.pick("All", "전체"), &writer.report.totals));
    let title = ("Annex: exact figures", "부록: 수치 원본");
    writer.section("annex", title, vec![Block::Sheet(table)])
}

fn exact(subject: String, figures: &Figures) -> [String; 8] {
    let (energy, mass) = (&figures.energy_microjoules, &figures.emissions_milligrams);
    let intensity = figures.intensity_milligrams_per_kwh;
    let is_priced = !matches!(Priced::of(figures), Priced::Nothing);
    let mass_of = |mg: i64| {
        if is_priced {
            mg.to_string()
        } else {
            "-".to_owned()
        }
    };
    [
        subject,
        energy.low.to_string(),
        energy.value.to_string(),
        energy.high.to_string(),
        mass_of(mass.low),
        mass_of(mass.value),
        mass_of(mass.high),
        intensity.map_or_else(String::new, |number| number.to_string()),
    ]
}
