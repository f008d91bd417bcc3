//! Advice on requests and its refusals, as the engine really says them.

use jiff::Timestamp;
use tanso_carbon::recommend::idle_share::{
    Asks, DAY_MINUTES, IdleSharing, NodeGives, NodeIdle, Standing,
};
use tanso_carbon::recommend::memory::{MemoryRequest, MemorySample, rightsize_memory};
use tanso_carbon::recommend::rightsize::{CpuSample, RightsizeRequest, rightsize};
use tanso_carbon::recommend::{NoAdvice, Recommendation, Target, Terms};

use super::*;

const GIB: u64 = 1 << 30;
const NOW_S: i64 = 1_790_000_000;

fn standing(target: &Target) -> Standing<'_> {
    Standing {
        target,
        asks: Asks {
            millicores: 2_000,
            bytes: 8 * GIB,
        },
        pod_minutes_per_day: DAY_MINUTES,
        node: NodeGives {
            idle: NodeIdle {
                idle_per_day: Joules::from_microjoules(8_640_000_000_000),
                allocatable_millicores: 16_000,
            },
            allocatable_bytes: 64 * GIB,
            sharing: IdleSharing::LargerShare,
        },
        intensity: Estimate::exact(Intensity::try_from_grams_per_kwh(400.0).unwrap()),
        pue: Pue::ONE,
        terms: Terms {
            now: Timestamp::from_second(NOW_S).unwrap(),
            min_saving_percent: 0.0,
        },
    }
}

fn ago(seconds: i64) -> Timestamp {
    Timestamp::from_second(NOW_S - seconds).unwrap()
}

fn cpu(standing: Standing<'_>, samples: u32, seconds: u32, cores: f64) -> String {
    let sample = |number| CpuSample {
        at: ago(i64::from(seconds) * i64::from(number)),
        seconds,
        cores,
    };
    let samples: Vec<_> = (1..=samples).map(sample).collect();
    said(
        rightsize(&RightsizeRequest {
            standing,
            container: "main",
            samples: &samples,
            past: &[],
            own_per_day: GramsCo2e::try_from_grams(100.0).unwrap(),
        })
        .map(|advice| advice.recommendation),
    )
}

fn memory(standing: Standing<'_>, minutes: u64, killed_with: Option<u64>) -> String {
    let samples = [MemorySample {
        at: ago(60),
        bytes: GIB,
        killed_with,
    }];
    said(
        rightsize_memory(&MemoryRequest {
            standing,
            container: "main",
            samples: &samples,
            minutes,
            own_per_day: GramsCo2e::try_from_grams(100.0).unwrap(),
        })
        .map(|advice| advice.recommendation),
    )
}

fn said(advice: Result<Recommendation, NoAdvice>) -> String {
    advice.map_or_else(|why| why.message, |advice| advice.basis)
}

/// Everything that both kinds of advice and their refusals can say.
fn all_said() -> Vec<String> {
    let target = Target {
        namespace: "shop".into(),
        kind: "Deployment".into(),
        name: "web".into(),
    };
    let of = |change: &dyn Fn(&mut Standing<'_>)| {
        let mut standing = standing(&target);
        change(&mut standing);
        standing
    };
    let plain = of(&|_| {});
    let by_cpu = of(&|one| one.asks.bytes = GIB / 2);
    let by_memory = of(&|one| one.asks.bytes = 32 * GIB);
    let mut all = vec![
        cpu(by_cpu, 20, 60, 0.1),
        cpu(by_cpu, 20, 3_600, 0.1),
        cpu(by_cpu, 20, 86_400, 0.1),
        cpu(by_memory, 20, 60, 0.1),
        cpu(plain, 3, 60, 0.1),
        cpu(plain, 20, 60, 1.9),
        memory(by_memory, 1_440, None),
        memory(by_memory, 1_440, Some(3 * GIB)),
        memory(plain, 1_439, None),
        memory(of(&|one| one.asks.millicores = 8_000), 1_440, None),
        memory(of(&|one| one.asks.bytes = GIB / 2), 1_440, None),
        memory(of(&|one| one.asks.bytes = GIB + GIB / 10), 1_440, None),
        memory(of(&|one| one.asks.bytes = 3 * GIB), 1_440, Some(3 * GIB)),
    ];
    let dear = |one: &mut Standing<'_>| one.terms.min_saving_percent = 90.0;
    all.push(cpu(
        of(&|one| {
            dear(one);
            one.asks.bytes = 0;
        }),
        20,
        60,
        0.1,
    ));
    all.push(memory(
        of(&|one| {
            dear(one);
            one.asks.bytes = 32 * GIB;
        }),
        1_440,
        None,
    ));
    for sharing in [IdleSharing::CpuRequests, IdleSharing::CpuTime] {
        let by = of(&|one| one.node.sharing = sharing);
        all.extend([cpu(by, 20, 60, 0.1), memory(by, 1_440, None)]);
    }
    let clean = Estimate::exact(Intensity::try_from_grams_per_kwh(0.0).unwrap());
    all.push(cpu(
        of(&|one| {
            one.asks.bytes = 0;
            one.intensity = clean;
        }),
        20,
        60,
        0.1,
    ));
    let without = of(&|one| one.node.idle.idle_per_day = Joules::ZERO);
    all.push(memory(without, 1_440, None));
    let lone = of(&|one| {
        one.asks.millicores = 0;
        one.node.allocatable_bytes = 0;
    });
    all.push(memory(lone, 1_440, None));
    all
}

#[test]
fn advice_on_requests_and_why_there_is_none_have_a_wording() {
    let none = RuleNames::new();
    let operators = [
        "memory is told for 1 of 2 pods that were there for 10 minutes and more: the others may have held more",
        "no agent told the memory of its pods in the last 8 days",
        "its pods run once: nothing makes them anew with a smaller request",
        "not exactly one container of its pods asks for CPU",
        "not exactly one container of its pods asks for memory",
        "idle energy is charged by the CPU time used (idleSharing: Use): no request bears any",
        "the PowerMonitors of its nodes share idle energy by different rules",
        "the idle energy of its nodes, or what they have to give, is not known",
        "it used no energy whose intensity is known",
    ];
    let all = all_said();
    let kinds: BTreeSet<&str> = ADVICE
        .iter()
        .filter(|phrase| {
            let own = operators
                .iter()
                .copied()
                .chain(all.iter().map(String::as_str));
            let parts = own.flat_map(|text| text.split("; ").chain([text]));
            let nested = parts.flat_map(|text| {
                let behind = text.split_once("nothing: ").map(|(_, rest)| rest);
                let within = text.split_once("attributed, ").map(|(_, rest)| rest);
                let within = within.and_then(|rest| rest.split_once(": the cluster"));
                [Some(text), behind, within.map(|(within, _)| within)]
            });
            let mut texts = nested.flatten();
            !texts.any(|text| matched(phrase.english, text).is_some())
        })
        .map(|phrase| phrase.english)
        .collect();
    assert!(kinds.is_empty(), "said by nobody: {kinds:?}");
    for text in all.iter().map(String::as_str).chain(operators) {
        let korean = known(text, &none).unwrap_or_else(|| panic!("no wording: {text}"));
        assert!(korean.chars().any(particle::is_hangul), "{korean}");
        assert!(
            !korean.contains(" the ") && !korean.contains('{'),
            "{korean}"
        );
    }
}
