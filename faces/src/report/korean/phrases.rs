//! Every sentence that the engine says in a report, with its Korean wording.
//!
//! Places of the English form: `n` a number, `v` figures with units, `w` a
//! word of the engine, `r` the name of a rule, `t` a name or time, `s` another
//! sentence. The wording has them by number.

mod advice;
mod bases;
mod idle;

pub(super) use advice::ADVICE;
pub(super) use bases::BASES;
pub(super) use idle::IDLE;

/// What stands in a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Number,
    Value,
    Word,
    Rule,
    Name,
    Sentence,
}

impl Place {
    pub(super) fn of(letter: &str) -> Option<Self> {
        Some(match letter {
            "n" => Self::Number,
            "v" => Self::Value,
            "w" => Self::Word,
            "r" => Self::Rule,
            "t" => Self::Name,
            "s" => Self::Sentence,
            _ => return None,
        })
    }

    /// Whether a text may stand here.
    pub(super) fn takes(self, text: &str) -> bool {
        let number = |c: char| c.is_ascii_digit() || matches!(c, '.' | ',' | '-');
        match self {
            Self::Number => !text.is_empty() && text.chars().all(number),
            Self::Value => text.starts_with(number),
            // A name over a semicolon would take an English part into a Korean one.
            Self::Name => !text.is_empty() && !text.contains("; "),
            Self::Word | Self::Rule | Self::Sentence => !text.is_empty(),
        }
    }
}

/// A sentence of the engine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Phrase {
    /// What it says, for programs: the reason of a verdict or a word of its
    /// own.
    #[cfg_attr(not(test), expect(dead_code, reason = "names the sentence in tests"))]
    pub(super) code: &'static str,
    pub(super) english: &'static str,
    pub(super) korean: &'static str,
}

const fn phrase(code: &'static str, english: &'static str, korean: &'static str) -> Phrase {
    Phrase {
        code,
        english,
        korean,
    }
}

/// The first that fits is taken: the narrower one stands before.
pub(super) const PHRASES: &[Phrase] = &[
    // Verdicts: `carbon::verdict`.
    phrase(
        "Draft",
        "{r} is a draft; drafts are never applied",
        "{0}은(는) 초안이며 초안은 적용하지 않는다",
    ),
    phrase(
        "BindsLater",
        "the limit of {r} is to be kept from {t}; today is {t}",
        "{0}의 한도는 {1}부터 준수하여야 하며 평가일은 {2}이다",
    ),
    phrase(
        "BindsLater",
        "{r} binds from {t}; today is {t}",
        "{0}은(는) {1}부터 시행되며 평가일은 {2}이다",
    ),
    phrase(
        "BoundBefore",
        "{r} bound until {t}; today is {t}",
        "{0}은(는) {1}까지 효력이 있었으며 평가일은 {2}이다",
    ),
    // The same, of whatever day is judged: those before are of statuses that are stored.
    phrase(
        "BindsLater",
        "the limit of {r} is to be kept from {t}; judged is {t}",
        "{0}의 한도는 {1}부터 준수하여야 하며 평가일은 {2}이다",
    ),
    phrase(
        "BindsLater",
        "{r} binds from {t}; judged is {t}",
        "{0}은(는) {1}부터 시행되며 평가일은 {2}이다",
    ),
    phrase(
        "BoundBefore",
        "{r} bound until {t}; judged is {t}",
        "{0}은(는) {1}까지 효력이 있었으며 평가일은 {2}이다",
    ),
    phrase(
        "NoLimit",
        "{r} is {w} without a limit to keep",
        "{0}은(는) {1}이며 준수할 한도가 없다",
    ),
    phrase(
        "ContextOnly",
        "{r} is {w} that binds {w}: context, never judged on a workload or a facility",
        "{0}은(는) {2}에 적용되는 {1}이며, 참고 사항으로서 워크로드나 시설을 판정하지 않는다",
    ),
    phrase(
        "NoEvidence",
        "no energy was accounted",
        "산정된 전력량이 없다",
    ),
    phrase(
        "NoEvidence",
        "no PUE is given for the facility",
        "시설의 PUE가 제출되지 않았다",
    ),
    phrase(
        "NoEvidence",
        "no {w} is given for the facility",
        "시설의 {0}이(가) 제출되지 않았다",
    ),
    phrase(
        "NoEvidence",
        "{w} cannot be judged without {w}",
        "{1}이(가) 없어 {0}을(를) 판정할 수 없다",
    ),
    phrase(
        "PueWithoutEvidence",
        "PUE {n} is {w}: judged are only a measured one, a certificate, or one published for the region",
        "PUE {0}은(는) {1}이다. 측정값, 인증서 또는 해당 지역의 공표값만 판정한다",
    ),
    phrase(
        "PueWithoutEvidence",
        "the PUE of {n} % of the energy is only assumed or an average of others: judged are only a measured one, a certificate, one published for the region, or energy metered at the facility",
        "전력량의 {0} %에 적용한 PUE가 가정값 또는 평균값이다. 측정값, 인증서, 해당 지역의 공표값 또는 시설 인입점에서 계량한 전력량만 판정한다",
    ),
    phrase(
        "PueWithoutEvidence",
        "no PUE is known for {n} % of the energy, so the facility's is not known: judged are only a measured one, a certificate, one published for the region, or energy metered at the facility",
        "전력량의 {0} %에 대한 PUE를 알 수 없어 시설 전력량을 알 수 없다. 측정값, 인증서, 해당 지역의 공표값 또는 시설 인입점에서 계량한 전력량만 판정한다",
    ),
    phrase(
        "PueScopeDiffers",
        "{n} is the {w}; the rule is about the {w}",
        "{0}은(는) {1}이며, 규정의 대상은 {2}이다",
    ),
    phrase(
        "EntityDiffers",
        "PUE {n} is of {w}; the rule is about {w}",
        "PUE {0}은(는) {1}의 값이며, 규정의 대상은 {2}이다",
    ),
    phrase(
        "EntityDiffers",
        "the {w} is of {w}; the rule is about {w}",
        "{0}은(는) {1}의 값이며, 규정의 대상은 {2}이다",
    ),
    phrase(
        "PueCategoryDiffers",
        "PUE {n} is of {w}; the rule demands {w}",
        "PUE {0}은(는) {1}의 값이며, 규정은 {2}을(를) 요구한다",
    ),
    phrase(
        "PueCategoryDiffers",
        "PUE {n} names no category; the rule demands {w}",
        "PUE {0}의 측정 등급이 기재되지 않았으며, 규정은 {1}을(를) 요구한다",
    ),
    phrase(
        "IndicatorWithoutEvidence",
        "the {w} is {w}: judged are only a measured one, a certificate, or one published for the region",
        "{0}은(는) {1}이다. 측정값, 인증서 또는 해당 지역의 공표값만 판정한다",
    ),
    phrase(
        "SimulatedEnergy",
        "{n} % of the energy is simulated, for trials only",
        "전력량의 {0} %가 시험용 모의값이다",
    ),
    phrase(
        "ProvenanceUnknown",
        "nobody says whether the energy was measured, modelled or simulated",
        "전력량이 측정값, 추정값, 모의값 중 어느 것인지 밝혀져 있지 않다",
    ),
    phrase(
        "CoverageTooLow",
        "{n} % of the period has energy data, {n} % are demanded",
        "대상 기간의 전력량 자료 확보율은 {0} %이며 {1} % 이상이어야 한다",
    ),
    phrase(
        "NoEnergy",
        "no energy was used, so there is nothing to judge",
        "사용된 전력량이 없어 판정할 대상이 없다",
    ),
    phrase(
        "BoundariesMixed",
        "direct intensity prices {v} and life-cycle intensity {v}: a sum of both is neither",
        "{0}에는 직접배출 배출계수를, {1}에는 전과정 배출계수를 적용하였으며, 두 값의 합은 어느 쪽에도 해당하지 않는다",
    ),
    phrase(
        "SumTooLarge",
        "the energy is more than a sum holds ({v}): too much to judge at once",
        "전력량이 합계의 한도({0})를 넘어 한 번에 판정할 수 없다",
    ),
    phrase(
        "IntensityMissing",
        "{n} % of the energy was used in hours without intensity data ({v})",
        "전력량의 {0} %({1})가 배출계수 자료가 없는 시간대에 사용되었다",
    ),
    phrase(
        "EstimatedShareTooHigh",
        "the intensity of {n} % of the energy is estimated, at most {n} % are accepted",
        "전력량의 {0} %에 적용한 배출계수가 추정값이며 {1} %까지만 허용된다",
    ),
    phrase(
        "BoundsStraddleLimit",
        "{w} is {v}; at most {v} ({w}): the limit lies within the bounds",
        "{0}: {1}. 기준: {2} 이하({3}). 한도가 구간 안에 있다",
    ),
    phrase(
        "BoundsStraddleLimit",
        "{w} is {v}; at least {v} ({w}): the limit lies within the bounds",
        "{0}: {1}. 기준: {2} 이상({3}). 한도가 구간 안에 있다",
    ),
    phrase(
        "Limit",
        "{w} is {v}; at most {v} ({w})",
        "{0}: {1}. 기준: {2} 이하({3})",
    ),
    phrase(
        "Limit",
        "{w} is {v}; at least {v} ({w})",
        "{0}: {1}. 기준: {2} 이상({3})",
    ),
    phrase(
        "SitesPue",
        "the site's PUE is {n}, {w}",
        "사업장의 PUE: {0}({1})",
    ),
    phrase("PueSource", "the PUE is from: {t}", "PUE의 출처: {0}"),
    phrase(
        "EstimatedShare",
        "the intensity of {n} % of it is estimated",
        "그중 {0} %에 적용한 배출계수가 추정값이다",
    ),
    phrase(
        "NotSeen",
        "{n} % of the period was not seen, which widens the bounds",
        "대상 기간의 {0} %는 자료가 없어 구간이 그만큼 넓어진다",
    ),
    phrase(
        "OpenWeights",
        "the energy behind it is not known exactly, which widens the bounds",
        "해당 전력량이 정확한 값이 아니어서 구간이 그만큼 넓어진다",
    ),
    phrase(
        "BoundaryDiffers",
        "the intensity is direct and the limit life-cycle: life-cycle figures are no lower",
        "배출계수는 직접배출 기준이고 한도는 전과정 기준이다. 전과정 값은 이보다 낮지 않다",
    ),
    phrase(
        "BoundaryDiffers",
        "the intensity is life-cycle and the limit direct: direct figures are no higher",
        "배출계수는 전과정 기준이고 한도는 직접배출 기준이다. 직접배출 값은 이보다 높지 않다",
    ),
    phrase(
        "BoundariesMixed",
        "the intensity is in part direct and the limit life-cycle: life-cycle figures are no lower",
        "배출계수의 일부는 직접배출 기준이고 한도는 전과정 기준이다. 전과정 값은 이보다 낮지 않다",
    ),
    phrase(
        "BoundariesMixed",
        "the intensity is in part life-cycle and the limit direct: direct figures are no higher",
        "배출계수의 일부는 전과정 기준이고 한도는 직접배출 기준이다. 직접배출 값은 이보다 높지 않다",
    ),
    phrase(
        "MissingBefore",
        "of {n} h since {t} the first {n} h are missing: energy is recorded since {t}",
        "{1}부터 {0}시간 가운데 처음 {2}시간의 자료가 없다(전력량 기록 시작: {3})",
    ),
    phrase(
        "StillToCome",
        "it is about a whole period, and {n} h until {t} are to come",
        "전체 기간을 대상으로 하며 {1}까지 {0}시간이 남아 있다",
    ),
    // Methods: `intensity`.
    phrase(
        "TypicalHours",
        "typical hours of the data year: same month, kind of day and hour",
        "자료 연도의 대표 시간값(같은 월, 같은 요일 구분, 같은 시각)",
    ),
    phrase(
        "YearlyMean",
        "the zone's yearly mean for every hour",
        "모든 시간에 해당 구역의 연평균값을 적용",
    ),
    phrase(
        "OneFigure",
        "one figure for every hour",
        "모든 시간에 하나의 값을 적용",
    ),
    phrase(
        "Interpolated",
        "interpolated up to 3 h, else the same hour of the last 7 days",
        "3시간까지는 보간하고 그 밖에는 최근 7일의 같은 시각 값을 적용",
    ),
    phrase(
        "StayMissing",
        "hours that are missing stay missing; forecast of {t} until {t}",
        "결측 시간은 대체하지 않음. {0}에 발표된 예측값은 {1}까지 있음",
    ),
    phrase(
        "StayMissing",
        "hours that are missing stay missing",
        "결측 시간은 대체하지 않음",
    ),
    phrase(
        "NothingKnown",
        "nothing: no figures of this kind are known",
        "없음(같은 종류의 자료가 없음)",
    ),
    phrase("Layers", "{t}: {s}; then {s}", "{0}: {1}. 그다음 {2}"),
    phrase("Layer", "{t}: {s}", "{0}: {1}"),
    // Advice: `carbon::recommend`.
    phrase(
        "Consolidate",
        "kubectl drain --ignore-daemonsets {t} and switch off",
        "kubectl drain --ignore-daemonsets {0} 실행 후 해당 노드의 전원 차단",
    ),
    phrase(
        "MoveRegion",
        "run {t} in {t} instead of {t}",
        "{0}을(를) {2} 대신 {1}에서 실행",
    ),
    phrase(
        "ShiftInTime",
        "start {t} at {t}",
        "{0}의 시작 시각을 {1}(으)로 변경",
    ),
    phrase(
        "ShiftInTime",
        "set the schedule to \"{t}\" in the same time zone",
        "같은 시간대에서 일정을 \"{0}\"(으)로 변경",
    ),
    phrase(
        "FewerReplicas",
        "scale {t} to {n} in the dirtiest quarter of the hours",
        "배출계수가 가장 높은 4분의 1 시간대에 {0}의 레플리카를 {1}개로 축소",
    ),
    phrase(
        "RemoveIdle",
        "remove {t} if nobody needs it",
        "사용하는 곳이 없으면 {0} 제거",
    ),
];
