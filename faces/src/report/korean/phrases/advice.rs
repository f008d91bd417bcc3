//! What the engine says of advice on requests: what it rests on, and why there
//! is none (`carbon::recommend`, and what the operator says before it asks).

use super::{Phrase, phrase};

/// The first that fits is taken.
pub(in crate::report::korean) const ADVICE: &[Phrase] = &[
    // What it rests on.
    phrase(
        "Rightsize",
        "90th percentile of {n} samples over {n} days and 15 %",
        "{1}일간 표본 {0}개의 90 백분위수에 15 %를 더한 값",
    ),
    phrase(
        "Rightsize",
        "90th percentile of {n} samples over {n} hours and 15 %",
        "{1}시간 동안의 표본 {0}개의 90 백분위수에 15 %를 더한 값",
    ),
    phrase(
        "Rightsize",
        "90th percentile of {n} samples over {n} minutes and 15 %",
        "{1}분 동안의 표본 {0}개의 90 백분위수에 15 %를 더한 값",
    ),
    phrase(
        "RightsizeMemory",
        "daily peaks of the working set of {n} days, 90th percentile and 15 %, never under the highest (seen: {t}) and 15 %",
        "{0}일간 일 최대 작업 집합의 90 백분위수에 15 %를 더한 값으로, 최댓값(관측: {1})에 15 %를 더한 값보다 낮지 않음",
    ),
    phrase(
        "RightsizeMemory",
        "a pod killed for want of memory at {t} or more counts as {t}",
        "메모리 부족으로 종료된 파드는 {0} 이상을 사용한 것으로 보아 {1}(으)로 계산",
    ),
    phrase(
        "RightsizeMemory",
        "risk: a pod above its request is evicted first, its limit stays",
        "위험: 요청량을 초과한 파드가 먼저 축출되며 제한값은 그대로 둠",
    ),
    phrase(
        "RightsizeMemory",
        "does not add to advice on CPU",
        "CPU 권고의 값과 합산할 수 없음",
    ),
    phrase(
        "Attributed",
        "attributed, {s}: the cluster saves nothing unless a node goes, then {v} a day",
        "배분량({0}). 노드가 줄지 않으면 클러스터의 감축은 없으며 줄면 1일 {1}",
    ),
    phrase(
        "IdleSharing",
        "supposing that idle energy is borne by the larger of the CPU and memory share asked for",
        "유휴 전력량은 요청한 CPU와 메모리의 점유율 중 큰 쪽에 따라 부담한다고 가정",
    ),
    phrase(
        "IdleSharing",
        "idle energy is charged by the CPU asked for, and only what nobody asked for is told apart: at least",
        "유휴 전력량은 요청한 CPU에 따라 부과되며 아무도 요청하지 않은 부분만 구분되므로 최솟값",
    ),
    // Why nothing moves.
    phrase(
        "SavesTooLittle",
        "lowering the request from {t} to {t} would move nothing: {s}",
        "CPU 요청을 {0}에서 {1}(으)로 낮추어도 옮겨지는 양이 없음: {2}",
    ),
    phrase(
        "SavesTooLittle",
        "lowering the memory request from {t} to {t} would move nothing: {s}",
        "메모리 요청을 {0}에서 {1}(으)로 낮추어도 옮겨지는 양이 없음: {2}",
    ),
    phrase(
        "SavesTooLittle",
        "lowering the request from {t} to {t} would move {n} % of the workload's emissions with its share of idle energy, less than {n} %",
        "CPU 요청을 {0}에서 {1}(으)로 낮추면 유휴 전력량의 몫을 포함한 워크로드 배출량의 {2} %가 옮겨지며 {3} %에 미달",
    ),
    phrase(
        "SavesTooLittle",
        "lowering the memory request from {t} to {t} would move {n} % of the workload's emissions with its share of idle energy, less than {n} %",
        "메모리 요청을 {0}에서 {1}(으)로 낮추면 유휴 전력량의 몫을 포함한 워크로드 배출량의 {2} %가 옮겨지며 {3} %에 미달",
    ),
    phrase(
        "SavesTooLittle",
        "CPU is the larger share of the node that the pods ask for, so they bear as much idle energy as before",
        "파드가 요청한 노드 점유율은 CPU가 더 커서 부담하는 유휴 전력량이 같다",
    ),
    phrase(
        "SavesTooLittle",
        "memory is the larger share of the node that the pods ask for, so they bear as much idle energy as before",
        "파드가 요청한 노드 점유율은 메모리가 더 커서 부담하는 유휴 전력량이 같다",
    ),
    phrase(
        "SavesTooLittle",
        "the idle energy that others would bear emits 0 g at {v}",
        "다른 쪽이 부담할 유휴 전력량의 배출은 {0}에서 0 g이다",
    ),
    phrase(
        "SavesTooLittle",
        "its nodes have no idle energy that others could bear",
        "노드에 다른 쪽이 부담할 유휴 전력량이 없다",
    ),
    phrase(
        "SavesTooLittle",
        "idle energy is charged by the CPU asked for alone",
        "유휴 전력량은 요청한 CPU에 따라서만 부과된다",
    ),
    phrase(
        "SavesTooLittle",
        "idle energy is charged by the CPU time used, whatever is asked for",
        "유휴 전력량은 요청과 무관하게 사용한 CPU 시간에 따라 부과된다",
    ),
    phrase(
        "SavesTooLittle",
        "the share of idle energy is too small to count",
        "유휴 전력량의 몫이 계산하기에 너무 작다",
    ),
    phrase(
        "SavesTooLittle",
        "idle energy is charged by the CPU time used (idleSharing: Use): no request bears any",
        "유휴 전력량이 사용한 CPU 시간에 따라 부과되므로(idleSharing: Use) 요청은 이를 부담하지 않는다",
    ),
    // Why a request stays.
    phrase(
        "SavesTooLittle",
        "the pods ask for {t} each and need {t}: a smaller request would not fit",
        "파드는 각각 {0}을(를) 요청하고 {1}이(가) 필요하여 더 작은 요청은 맞지 않는다",
    ),
    phrase(
        "SavesTooLittle",
        "the pods ask for {t} each, held up to {t} and need {t}: a smaller request would not be safe",
        "파드는 각각 {0}을(를) 요청하고 최대 {1}을(를) 사용하였으며 {2}이(가) 필요하여 더 작은 요청은 안전하지 않다",
    ),
    phrase(
        "SavesTooLittle",
        "the pods ask for {t} each and were seen with up to {t}; one was killed for want of memory at {t} or more, which counts as {t}, so they need {t}: a smaller request would not be safe",
        "파드는 각각 {0}을(를) 요청하고 관측된 최대 사용량은 {1}이며, {2} 이상에서 메모리 부족으로 종료된 파드가 있어 {3}(으)로 계산하면 {4}이(가) 필요하여 더 작은 요청은 안전하지 않다",
    ),
    phrase(
        "SavesTooLittle",
        "the pods ask for {t} each and held up to {t}: they are evicted first when their node runs out of memory; {t} would cover it",
        "파드는 각각 {0}을(를) 요청하고 최대 {1}을(를) 사용하여 노드의 메모리가 부족하면 먼저 축출된다. {2}이면 충분하다",
    ),
    // What is not known.
    phrase(
        "TooFewSamples",
        "{n} samples of CPU use, at least {n} are needed",
        "CPU 사용 표본이 {0}개이며 {1}개 이상이 필요하다",
    ),
    phrase(
        "TooFewSamples",
        "memory was seen in {n} minutes; daily peaks need a day of them, {n}",
        "메모리가 관측된 시간은 {0}분이며 일 최댓값에는 하루치인 {1}분이 필요하다",
    ),
    phrase(
        "TooFewSamples",
        "memory is told for {n} of {n} pods that were there for {n} minutes and more: the others may have held more",
        "{2}분 이상 있었던 파드 {1}개 중 {0}개의 메모리만 보고되었으며 나머지는 더 많이 사용하였을 수 있다",
    ),
    phrase(
        "TooFewSamples",
        "no agent told the memory of its pods in the last 8 days",
        "최근 8일간 파드의 메모리를 보고한 에이전트가 없다",
    ),
    phrase(
        "NoRequest",
        "its pods run once: nothing makes them anew with a smaller request",
        "파드가 한 번만 실행되어 더 작은 요청으로 다시 만들어지지 않는다",
    ),
    phrase(
        "NoRequest",
        "not exactly one container of its pods asks for CPU",
        "파드에서 CPU를 요청하는 컨테이너가 정확히 하나가 아니다",
    ),
    phrase(
        "NoRequest",
        "not exactly one container of its pods asks for memory",
        "파드에서 메모리를 요청하는 컨테이너가 정확히 하나가 아니다",
    ),
    phrase(
        "NoEnergy",
        "the PowerMonitors of its nodes share idle energy by different rules",
        "노드들의 PowerMonitor가 유휴 전력량을 서로 다른 방식으로 나눈다",
    ),
    phrase(
        "NoEnergy",
        "the idle energy of its nodes, or what they have to give, is not known",
        "노드의 유휴 전력량 또는 할당 가능량을 알 수 없다",
    ),
    phrase(
        "NoEnergy",
        "it used no energy whose intensity is known",
        "배출계수를 아는 전력량을 사용하지 않았다",
    ),
];
