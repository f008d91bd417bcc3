//! The languages of a report, and the words that are the same everywhere:
//! verdicts, reasons, kinds of rule, provenance.
//!
//! Korean terms follow the Framework Act on Carbon Neutrality, the guideline
//! on emission reports and the Korean Kubernetes documentation; sentences end
//! in -다, statutes stand in 「」.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tanso_crds::carbon_policy::status::Verdict;

use super::korean;
use crate::answer::presets::RULE_NOT_READ;

/// A language of reports.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
pub enum Language {
    /// English.
    #[default]
    #[serde(rename = "en")]
    English,
    /// Korean.
    #[serde(rename = "ko")]
    Korean,
}

impl Language {
    /// The language's tag (BCP 47).
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Korean => "ko",
        }
    }

    /// Of two texts the one in this language.
    #[must_use]
    pub const fn pick<'a>(self, english: &'a str, korean: &'a str) -> &'a str {
        match self {
            Self::English => english,
            Self::Korean => korean,
        }
    }

    /// The unit of emissions after a mass: `CO2eq`, in Korea `CO₂-eq`.
    #[must_use]
    pub const fn co2eq(self) -> &'static str {
        self.pick("CO2eq", "CO₂-eq")
    }

    /// A verdict.
    #[must_use]
    pub const fn verdict(self, verdict: Verdict) -> &'static str {
        match verdict {
            Verdict::Compliant => self.pick("Compliant", "적합"),
            Verdict::NonCompliant => self.pick("NonCompliant", "부적합"),
            Verdict::Inconclusive => self.pick("Inconclusive", "판정 보류"),
            Verdict::Unknown => self.pick("Unknown", "판정 불가(자료 부족)"),
            Verdict::NotYetBinding => self.pick("NotYetBinding", "시행 전"),
        }
    }

    /// A reason of a verdict in words; one that is not known as it is.
    #[must_use]
    pub fn reason(self, reason: &str) -> String {
        let (english, korean) = match reason {
            "WithinLimit" => (
                "the whole interval is within the limit",
                "구간 전체가 한도 이내이다",
            ),
            "OverLimit" => (
                "the whole interval is outside the limit",
                "구간 전체가 한도를 벗어난다",
            ),
            "BoundsStraddleLimit" => (
                "the limit lies within the interval",
                "한도가 구간 안에 있어 단정할 수 없다",
            ),
            "CoverageTooLow" => (
                "too little of the period was seen",
                "대상 기간 중 자료가 확보된 시간이 부족하다",
            ),
            "EstimatedShareTooHigh" => (
                "too much of the intensity is an estimate",
                "배출계수 중 추정값의 비율이 허용치를 넘는다",
            ),
            "SimulatedEnergy" => (
                "some energy is simulated",
                "전력량에 모의값이 포함되어 있다",
            ),
            "ProvenanceUnknown" => (
                "nobody says where the energy's figures come from",
                "전력량의 출처(측정·추정·모의)를 알 수 없다",
            ),
            "NoEnergy" => ("no energy was used", "사용된 전력량이 없다"),
            "IntensityMissing" => (
                "energy was used in hours whose intensity nobody knows",
                "배출계수를 알 수 없는 시간대에 전력을 사용하였다",
            ),
            "PueWithoutEvidence" => (
                "the PUE is an average of others or a guess",
                "PUE가 평균값 또는 가정값으로 증빙이 없다",
            ),
            "PueScopeDiffers" => (
                "the PUE covers another time, part or load than the rule's",
                "PUE의 산정 범위가 규정의 범위와 다르다",
            ),
            "PueCategoryDiffers" => (
                "the PUE's category is not the rule's",
                "PUE의 측정 등급이 규정의 등급과 다르다",
            ),
            "EntityDiffers" => (
                "the figure is of one site and the rule of all, or the other way round",
                "수치의 대상 범위(사업장)가 규정의 범위와 다르다",
            ),
            "IndicatorWithoutEvidence" => (
                "an indicator is an average of others or a guess",
                "지표가 평균값 또는 가정값으로 증빙이 없다",
            ),
            "NoEvidence" => (
                "nothing was given that this rule could be judged by",
                "이 규정을 판정할 자료가 제출되지 않았다",
            ),
            "BindsLater" => ("the rule begins to bind later", "시행일이 도래하지 않았다"),
            "BoundBefore" => ("the rule no longer binds", "효력이 종료되었다"),
            "Draft" => ("the rule is a draft", "입법예고 등 초안 단계이다"),
            "NoLimit" => ("the rule has no number to keep", "수치로 된 한도가 없다"),
            "ContextOnly" => (
                "the rule binds somebody else and is shown for context",
                "다른 대상에 적용되는 규정으로서 참고 사항이며 판정하지 않는다",
            ),
            "BoundariesMixed" => (
                "direct and life-cycle figures are in one sum",
                "직접배출과 전과정 배출계수를 적용한 값이 함께 더해져 있다",
            ),
            "BoundaryDiffers" => (
                "the intensity counts other emissions than the limit, so it proves neither",
                "배출계수의 산정 경계가 규정의 경계와 달라 준수 여부를 입증하지 못한다",
            ),
            "NoRule" => ("no rule was judged", "판정한 규정이 없다"),
            RULE_NOT_READ => (
                "the rule's text cannot be read here",
                "규정 자료를 읽을 수 없어 판정하지 못하였다",
            ),
            other => return other.to_owned(),
        };
        self.pick(english, korean).to_owned()
    }

    /// A kind of rule in words: a target is never called law.
    #[must_use]
    pub fn rule_kind(self, kind: &str) -> String {
        let (english, korean) = match kind {
            "law" => ("law", "법령"),
            "draft" => ("draft, not in force", "초안(미시행)"),
            "voluntary" => ("voluntary", "자발적 기준"),
            "policyTarget" => ("policy target, not a law", "정책 목표(법령 아님)"),
            "quotedTarget" => ("quoted target, not a law", "인용 목표(법령 아님)"),
            "standard" => ("standard", "표준"),
            "factor" => ("accounting factor", "산정 계수"),
            "unknown" => ("not known", "알 수 없음"),
            other => return other.to_owned(),
        };
        self.pick(english, korean).to_owned()
    }

    /// Where energy figures come from.
    #[must_use]
    pub const fn provenance(self, index: usize) -> &'static str {
        match index {
            0 => self.pick("measured", "측정"),
            1 => self.pick("modelled", "추정"),
            _ => self.pick("simulated", "모의"),
        }
    }

    /// A word of the engine, such as who stands for a PUE; one that has no
    /// Korean is marked as English.
    #[must_use]
    pub fn engine_word(self, word: &str) -> String {
        match self {
            Self::English => word.to_owned(),
            Self::Korean => korean::word(word),
        }
    }

    /// What kind of intensity a status names: its method, boundary or basis; one
    /// that is not known as it is.
    #[must_use]
    pub fn intensity_kind(self, kind: &str) -> String {
        let (english, korean) = match kind {
            "Average" => ("average", "평균 배출계수"),
            "Marginal" => ("marginal", "한계배출계수"),
            "LifeCycle" => ("life-cycle", "전과정"),
            "Direct" => ("direct, at the stack", "직접 배출(발전소 굴뚝)"),
            "Location" => ("location-based", "지역기반"),
            "Market" => ("market-based", "시장기반"),
            other => return other.to_owned(),
        };
        self.pick(english, korean).to_owned()
    }

    /// The unit of a rule.
    #[must_use]
    pub fn unit(self, unit: &str) -> String {
        match (self, unit) {
            (Self::English, _) => unit.to_owned(),
            (Self::Korean, "ratio") => "비율".to_owned(),
            (Self::Korean, "percent") => "%".to_owned(),
            (Self::Korean, other) => other.replace("CO2eq", "CO₂-eq"),
        }
    }

    /// What advice asks for, in words; an action that is not known as it is.
    #[must_use]
    pub fn action(self, action: &str) -> String {
        let korean = match action {
            "ShiftInTime" => "실행 시간 이동",
            "Rightsize" => "자원 요청량 적정화",
            "RightsizeMemory" => "메모리 요청량 적정화",
            "MoveRegion" => "리전 이전",
            "FewerReplicas" | "ScaleDown" => "레플리카 축소",
            "RemoveIdle" | "Remove" => "유휴 워크로드 제거",
            "Consolidate" => "노드 통합",
            other => return other.to_owned(),
        };
        self.pick(action, korean).to_owned()
    }

    /// How sure advice is.
    #[must_use]
    pub fn confidence(self, confidence: &str) -> String {
        let korean = match confidence {
            "High" => "높음",
            "Medium" => "보통",
            "Low" => "낮음",
            other => return other.to_owned(),
        };
        self.pick(confidence, korean).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tanso_carbon::verdict::Reason;

    #[test]
    fn every_reason_of_the_engine_has_words_in_both_languages() {
        let all = [
            Reason::WithinLimit,
            Reason::OverLimit,
            Reason::BoundsStraddleLimit,
            Reason::CoverageTooLow,
            Reason::EstimatedShareTooHigh,
            Reason::SimulatedEnergy,
            Reason::ProvenanceUnknown,
            Reason::NoEnergy,
            Reason::IntensityMissing,
            Reason::PueWithoutEvidence,
            Reason::PueScopeDiffers,
            Reason::PueCategoryDiffers,
            Reason::EntityDiffers,
            Reason::IndicatorWithoutEvidence,
            Reason::NoEvidence,
            Reason::BindsLater,
            Reason::BoundBefore,
            Reason::Draft,
            Reason::NoLimit,
            Reason::ContextOnly,
            Reason::BoundariesMixed,
            Reason::BoundaryDiffers,
            Reason::NoRule,
        ];
        let all = all.map(Reason::as_str);
        for reason in all.into_iter().chain([RULE_NOT_READ]) {
            let english = Language::English.reason(reason);
            let korean = Language::Korean.reason(reason);
            assert_ne!(english, reason);
            assert!(!korean.is_ascii() && korean.ends_with('다'), "{korean}");
        }
    }
}
