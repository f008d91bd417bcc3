//! What a report says, section by section, in either language: the order and
//! the content that ISO 14064-1, the Scope 2 guidance and ISO/IEC 21031 ask
//! for. Numbers are written as the report has them.

mod emissions;
mod energy;
mod measures;
mod origin;
mod statement;
mod taken;
mod verdicts;

use jiff::Timestamp;
use tanso_crds::carbon_policy::status::Bounded;

use super::document::{Block, Document, Section};
use super::figure;
use super::korean::{self, RuleNames};
use super::{Language, Report};
use crate::words::{Priced, emitted_cell};

/// The whole report in a language.
pub(super) fn document(report: &Report, language: Language) -> Document {
    let writer = Writer { report, language };
    let sections = [
        statement::statement(&writer),
        verdicts::verdicts(&writer),
        statement::boundary(&writer),
        energy::energy(&writer),
        emissions::emissions(&writer),
        origin::factors(&writer),
        origin::facility(&writer),
        emissions::sci(&writer),
        origin::uncertainty(&writer),
        measures::base_year(&writer),
        measures::savings(&writer),
        origin::provenance(&writer),
        energy::annex(&writer),
    ];
    Document {
        language,
        title: writer.pick(
            "Energy and greenhouse gas emissions of workloads",
            "워크로드 전력량 및 온실가스 배출량 보고서",
        ),
        subtitle: subtitle(&writer),
        headline: headline(&writer),
        warning: warning(&writer),
        sections: sections
            .into_iter()
            .enumerate()
            .map(|(index, section)| Section {
                title: format!("{}. {}", index + 1, section.title),
                ..section
            })
            .collect(),
    }
}

/// A report being put into words.
pub(super) struct Writer<'a> {
    pub(super) report: &'a Report,
    pub(super) language: Language,
}

impl Writer<'_> {
    /// The text of this language.
    pub(super) fn pick(&self, english: &str, korean: &str) -> String {
        self.language.pick(english, korean).to_owned()
    }

    pub(super) fn section(
        &self,
        id: &'static str,
        title: (&str, &str),
        blocks: Vec<Block>,
    ) -> Section {
        let title = self.pick(title.0, title.1);
        Section { id, title, blocks }
    }

    pub(super) fn text(&self, english: &str, korean: &str) -> Block {
        Block::Text(self.pick(english, korean))
    }

    /// An instant in local time with its offset.
    pub(super) fn local(&self, instant: &str) -> String {
        let zone = crate::report::zone(&self.report.period.time_zone);
        let parsed = instant.parse::<Timestamp>().or_else(|_| {
            // Hours are written without seconds.
            format!("{}:00Z", instant.trim_end_matches('Z')).parse()
        });
        parsed.map_or_else(
            |_| instant.to_owned(),
            |at: Timestamp| {
                let zoned = at.to_zoned(zone);
                zoned.strftime("%Y-%m-%d %H:%M %:z").to_string()
            },
        )
    }

    /// Emissions with their unit.
    pub(super) fn mass(&self, milligrams: i64) -> String {
        format!("{} {}", figure::mass(milligrams), self.language.co2eq())
    }

    /// A figure with its bounds in words.
    pub(super) fn bounded(&self, bounds: &Bounded, show: impl Fn(i64) -> String) -> String {
        let value = show(bounds.value);
        if bounds.low == bounds.value && bounds.value == bounds.high {
            return value;
        }
        let (low, high) = (show(bounds.low), show(bounds.high));
        match self.language {
            Language::English => format!("{value} ({low} to {high}, 90 %)"),
            Language::Korean => format!("{value} (신뢰수준 90 %, {low} ~ {high})"),
        }
    }

    /// Names of the report's rules, for sentences that have them.
    fn rule_names(&self) -> RuleNames {
        let rules = self.report.rules.iter();
        rules
            .filter(|rule| !rule.name_ko.is_empty())
            .map(|rule| (rule.name.clone(), rule.name_ko.clone()))
            .collect()
    }

    /// A sentence of the engine in this language.
    pub(super) fn engine(&self, sentence: &str) -> String {
        match self.language {
            Language::Korean if !sentence.is_empty() => {
                korean::sentence(sentence, &self.rule_names())
            }
            _ => sentence.to_owned(),
        }
    }

    /// What a rule or a person says in words of their own.
    pub(super) fn own_text(&self, text: &str) -> String {
        match self.language {
            Language::English => text.to_owned(),
            Language::Korean => korean::own_text(text),
        }
    }

    /// A command as it is; advice in words as a sentence.
    pub(super) fn change(&self, change: &str) -> String {
        let is_command = change.starts_with("kubectl ");
        match self.language {
            Language::Korean => korean::known(change, &RuleNames::new()).unwrap_or_else(|| {
                if is_command {
                    change.to_owned()
                } else {
                    korean::own_text(change)
                }
            }),
            Language::English => change.to_owned(),
        }
    }

    /// The evaluation in a few sentences.
    pub(super) fn answer(&self) -> String {
        match self.language {
            Language::English => self.report.answer.clone(),
            Language::Korean => korean::answer(self, &self.rule_names()),
        }
    }

    /// What all workloads emitted, with bounds; a lower bound where part of the
    /// energy has no intensity.
    pub(super) fn emitted(&self) -> String {
        let totals = &self.report.totals;
        let mass = &totals.emissions_milligrams;
        let without = figure::energy(totals.unpriced_microjoules);
        match Priced::of(totals) {
            Priced::All => self.bounded(mass, |mg| self.mass(mg)),
            Priced::Part => {
                let mass = self.mass(mass.value);
                match self.language {
                    Language::English => {
                        format!("at least {mass} ({without} at the facility have no intensity)")
                    }
                    Language::Korean => {
                        format!("{mass} 이상(배출계수가 없는 전력량 {without} 제외)")
                    }
                }
            }
            Priced::Nothing => match self.language {
                Language::English => format!("not known ({without}, and none has an intensity)"),
                Language::Korean => format!("산정 불가(전력량 {without}, 배출계수 없음)"),
            },
        }
    }

    /// A text or a word for "not stated".
    pub(super) fn or_not_stated(&self, text: &str) -> String {
        if text.is_empty() {
            self.pick("not stated", "기재되지 않음")
        } else {
            text.to_owned()
        }
    }
}

fn subtitle(writer: &Writer<'_>) -> String {
    let (policy, period) = (&writer.report.policy, &writer.report.period);
    let name = match &policy.namespace {
        Some(namespace) => format!("{} {namespace}/{}", policy.kind, policy.name),
        None => format!("{} {}", policy.kind, policy.name),
    };
    format!(
        "{name}, {} – {} ({})",
        writer.local(&period.from),
        writer.local(&period.until),
        period.time_zone
    )
}

fn headline(writer: &Writer<'_>) -> Vec<(String, String)> {
    let totals = &writer.report.totals;
    let measured = format!("{} %", totals.measured_percent);
    vec![
        (
            writer.pick("Verdict", "판정"),
            writer.language.verdict(writer.report.verdict).to_owned(),
        ),
        (
            writer.pick("Energy of the IT equipment", "IT 장비 전력량"),
            figure::energy(totals.energy_microjoules.value),
        ),
        (
            writer.pick("Emissions, location-based", "온실가스 배출량(지역기반)"),
            emitted_cell(totals, "≥ ", |mg| writer.mass(mg)),
        ),
        (
            writer.pick("Measured by meters", "계량기로 측정한 비율"),
            measured,
        ),
    ]
}

/// What must not be overlooked: simulated energy.
fn warning(writer: &Writer<'_>) -> Option<String> {
    let percent = writer.report.totals.simulated_percent;
    (percent > 0).then(|| match writer.language {
        Language::English => format!(
            "{percent} % of the energy is simulated. Simulated energy is never judged, and this report is no evidence of it."
        ),
        Language::Korean => format!(
            "전력량의 {percent} %는 모의값이다. 모의값은 판정에 사용하지 않으며, 이 보고서는 그에 대한 증빙이 될 수 없다."
        ),
    })
}
