//! What each rule says, with the clause, the limit and why.

use super::Writer;
use crate::report::document::{Block, Section, Sheet};
use crate::report::{Language, RuleFacts, figure};

/// 2: the verdicts.
pub(super) fn verdicts(writer: &Writer<'_>) -> Section {
    let mut table = Sheet::new(
        &writer.pick("Verdict of each rule in force", "규정별 판정"),
        &[
            &writer.pick("Rule", "규정"),
            &writer.pick("Kind", "구분"),
            &writer.pick("#Value (90 %)", "#값(신뢰수준 90 %)"),
            &writer.pick("#Limit", "#한도"),
            &writer.pick("Unit", "단위"),
            &writer.pick("Verdict", "판정"),
            &writer.pick("Why", "사유"),
        ],
    );
    for rule in &writer.report.rules {
        table.push(row(writer, rule));
    }
    let mut blocks = vec![
        writer.text(
            "Five verdicts are possible: Compliant (the whole interval keeps the limit), NonCompliant (the whole interval breaks it), Inconclusive (the limit lies within the interval), Unknown (too little evidence, or simulated energy) and NotYetBinding. A target is never called law.",
            "판정은 다섯 가지이다. 적합(구간 전체가 한도 이내), 부적합(구간 전체가 한도를 벗어남), 판정 보류(한도가 구간 안에 있음), 판정 불가(자료 부족 또는 모의값), 시행 전. 목표를 법령으로 부르지 않는다.",
        ),
        Block::Sheet(table),
    ];
    for rule in &writer.report.rules {
        blocks.push(Block::Facts(details(writer, rule)));
    }
    writer.section("verdicts", ("Verdicts", "규정별 판정"), blocks)
}

fn name(writer: &Writer<'_>, rule: &RuleFacts) -> String {
    let name = match writer.language {
        Language::Korean if !rule.name_ko.is_empty() => &rule.name_ko,
        _ => &rule.name,
    };
    if name.is_empty() {
        return rule.result.rule.clone();
    }
    // Statutes stand in corner brackets in Korean.
    if writer.language == Language::Korean && rule.result.kind == "law" {
        return format!("「{name}」 [{}]", rule.result.rule);
    }
    format!("{name} [{}]", rule.result.rule)
}

fn row(writer: &Writer<'_>, rule: &RuleFacts) -> [String; 7] {
    let result = &rule.result;
    let bounds = result.value_milli.as_ref();
    [
        name(writer, rule),
        writer.language.rule_kind(&result.kind),
        bounds.map_or_else(String::new, |value| {
            let [low, best, high] = [value.low, value.value, value.high].map(figure::milli);
            if low == high {
                best
            } else {
                format!("{best} ({low} – {high})")
            }
        }),
        result.limit_milli.map_or_else(String::new, figure::milli),
        writer.language.unit(&result.unit),
        writer.language.verdict(result.verdict).to_owned(),
        writer.language.reason(&result.reason),
    ]
}

fn details(writer: &Writer<'_>, rule: &RuleFacts) -> Vec<(String, String)> {
    let binding = match (rule.binds_from.as_str(), rule.binds_until.as_str()) {
        ("", "") => String::new(),
        (from, "") => format!("{from} –"),
        (from, until) => format!("{from} – {until}"),
    };
    let mut facts = vec![(
        writer.pick("Rule", "규정"),
        format!(
            "{}: {}",
            name(writer, rule),
            writer.language.verdict(rule.result.verdict)
        ),
    )];
    let own = |text: &str| writer.own_text(text);
    let all = [
        (
            ("Said by the engine", "판정 내용"),
            &rule.result.message,
            writer.engine(&rule.result.message),
        ),
        (
            ("Issued by", "제정 기관"),
            &rule.authority,
            own(&rule.authority),
        ),
        (("Clause", "조항"), &rule.clause, own(&rule.clause)),
        (
            ("Source", "출처"),
            &rule.result.source,
            match writer.language {
                Language::Korean if !rule.source_ko.is_empty() => rule.source_ko.clone(),
                _ => own(&rule.result.source),
            },
        ),
        (
            ("How the source was checked", "출처 확인 방법"),
            &rule.evidence,
            own(&rule.evidence),
        ),
        (("In force", "시행 기간"), &binding, binding.clone()),
        (("Note", "비고"), &rule.note, own(&rule.note)),
    ];
    for ((english, korean), text, shown) in all {
        if !text.is_empty() {
            facts.push((writer.pick(english, korean), shown));
        }
    }
    facts
}
