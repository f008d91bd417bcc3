//! What advice on other times, places and numbers of replicas rests on
//! (`carbon::recommend`), a part between semicolons each.

use super::{Phrase, phrase};

/// The first that fits is taken.
pub(in crate::report::korean) const BASES: &[Phrase] = &[
    // How the hours ahead are known.
    phrase(
        "ShiftInTime",
        "the saving's lower bound is nothing or a loss",
        "절감량의 하한이 0 또는 손실임",
    ),
    phrase(
        "ShiftInTime",
        "data published for the hours themselves",
        "해당 시간에 대해 공표된 자료",
    ),
    phrase(
        "ShiftInTime",
        "a forecast, settled when it has passed",
        "예측값이며 해당 시간이 지난 뒤 정산함",
    ),
    phrase(
        "ShiftInTime",
        "typical hours of a past year, not a forecast",
        "과거 연도의 대표 시간값으로 예측값이 아님",
    ),
    phrase(
        "ShiftInTime",
        "a constant cannot tell hours apart",
        "하나의 상수로는 시간대를 구분할 수 없음",
    ),
    phrase(
        "ShiftInTime",
        "some hours are estimated",
        "일부 시간은 추정값임",
    ),
    // Which figures: `carbon::series`.
    phrase(
        "Series",
        "{t} average {w} location-based, {t}, data year {n}",
        "배출계수: {0}, 평균, {1}, 지역기반, 출처 {2}, 자료 연도 {3}",
    ),
    phrase(
        "Series",
        "{t} average {w} location-based, {t}",
        "배출계수: {0}, 평균, {1}, 지역기반, 출처 {2}",
    ),
    // How many runs.
    phrase(
        "ShiftInTime",
        "{n} runs of the next {n} days",
        "향후 {1}일간 {0}회 실행",
    ),
    phrase(
        "ShiftInTime",
        "{n} runs of {n} days that are known, {n} ahead and {n} past, of up to {n}",
        "값을 아는 {1}일(향후 {2}일, 과거 {3}일, 최대 {4}일)간 {0}회 실행",
    ),
    phrase(
        "ShiftInTime",
        "one run, planned within the figures, which end {t}",
        "1회 실행, 자료가 있는 {0}까지의 범위에서 계획",
    ),
    phrase("ShiftInTime", "one run", "1회 실행"),
    phrase(
        "ShiftInTime",
        "marginal ({t}): {v} instead of {v} at the start",
        "한계배출계수({0}): 시작 시점에 {2} 대신 {1}",
    ),
    // Other places.
    phrase(
        "MoveRegion",
        "{n} hours of its load in each of {n} regions, {n} of them not allowed",
        "{1}개 리전 각각에서 부하 {0}시간을 산정하였으며 그중 {2}개 리전은 허용되지 않음",
    ),
    phrase(
        "MoveRegion",
        "transfer of {n} GB a day at 0.001 kWh/GB is in",
        "1일 {0} GB의 전송(0.001 kWh/GB)을 포함",
    ),
    phrase(
        "MoveRegion",
        "the destination's own rules apply there",
        "이전한 곳에는 그 지역의 규정이 적용됨",
    ),
    // Fewer replicas.
    phrase(
        "FewerReplicas",
        "measured CPU and 15 % against {t} a replica",
        "측정한 CPU 사용량에 15 %를 더하여 레플리카당 {0} 기준으로 계산",
    ),
    phrase(
        "FewerReplicas",
        "attributed standing energy: the cluster saves it only if a node goes",
        "배분된 상시 전력량으로 노드가 줄어야만 클러스터 전체에서 절감됨",
    ),
];
