//! What advice to remove rests on, and why there is none (`carbon::recommend::idle`).

use super::{Phrase, phrase};

/// The first that fits is taken.
pub(in crate::report::korean) const IDLE: &[Phrase] = &[
    phrase(
        "RemoveIdle",
        "{w}: at most {n}m CPU in {n} days, {n}m asked for",
        "{0}: {2}일간 CPU를 최대 {1}m 사용, 요청량 {3}m",
    ),
    phrase(
        "RemoveIdle",
        "its own processes {v}, the rest is attributed, {s}: the cluster saves that only if a node goes",
        "자체 프로세스의 몫 {0}, 나머지는 배분량({1})으로 노드가 줄어야만 클러스터 전체에서 절감됨",
    ),
    phrase(
        "IdleSharing",
        "idle energy is charged by the CPU time used",
        "유휴 전력량은 사용한 CPU 시간에 따라 부과됨",
    ),
    phrase(
        "RemoveIdle",
        "remove {t} if nobody needs it",
        "아무도 쓰지 않으면 {0} 제거",
    ),
    phrase(
        "InUse",
        "it used up to {n}m CPU: it works",
        "CPU를 최대 {0}m까지 사용하여 유휴가 아니다",
    ),
    phrase(
        "TooFewSamples",
        "seen for {n} h, at least 24 h are needed to call it idle",
        "관측된 시간이 {0}시간이며 유휴로 판단하려면 24시간 이상이 필요하다",
    ),
    phrase(
        "SavesTooLittle",
        "what it uses and asks for emits 0 g at {v}: removing it saves 0 g",
        "사용량과 요청량의 배출이 {0}에서 0 g이므로 제거하여도 절감되지 않는다",
    ),
    phrase(
        "SavesTooLittle",
        "it uses no energy and bears no idle energy: removing it saves 0 g",
        "전력을 사용하지 않고 유휴 전력량도 부담하지 않으므로 제거하여도 절감되지 않는다",
    ),
];
