use jiff::Timestamp;
use proptest::prelude::*;

use super::*;

const GIB: u64 = 1 << 30;
const SHARINGS: [IdleSharing; 3] = [
    IdleSharing::LargerShare,
    IdleSharing::CpuRequests,
    IdleSharing::CpuTime,
];

fn target() -> Target {
    Target {
        namespace: "shop".into(),
        kind: "Deployment".into(),
        name: "web".into(),
    }
}

/// Two pods of a quarter of the CPU and an eighth of the memory each.
fn standing(target: &Target) -> Standing<'_> {
    Standing {
        target,
        asks: Asks {
            millicores: 4_000,
            bytes: 8 * GIB,
        },
        pod_minutes_per_day: 2 * DAY_MINUTES,
        node: NodeGives {
            idle: NodeIdle {
                idle_per_day: Joules::from_microjoules(3_600_000_000_000),
                allocatable_millicores: 16_000,
            },
            allocatable_bytes: 64 * GIB,
            sharing: IdleSharing::LargerShare,
        },
        intensity: Estimate::exact(Intensity::try_from_grams_per_kwh(400.0).unwrap()),
        pue: Pue::ONE,
        terms: Terms {
            now: Timestamp::UNIX_EPOCH,
            min_saving_percent: 0.0,
        },
    }
}

fn grams(figure: f64) -> GramsCo2e {
    GramsCo2e::try_from_grams(figure).unwrap()
}

fn why(standing: &Standing<'_>, less: Asks) -> String {
    let refused = standing.moved(less, grams(100.0), "it").unwrap_err();
    assert_eq!(refused.reason, WhyNot::SavesTooLittle);
    refused.message
}

#[test]
fn cpu_and_memory_are_asked_the_same_question() {
    let target = target();
    let standing = standing(&target);
    // Half the CPU: memory's eighth is the floor of what is borne.
    let half = Asks {
        millicores: 2_000,
        ..standing.asks
    };
    let moved = standing.moved(half, grams(100.0), "it").unwrap();
    assert_eq!(
        moved.attributed.per_day.value.to_string(),
        "100 g (attributed)"
    );
    // 100 g of its own and two quarters of 400 g.
    assert!((moved.attributed.percent.value - 100.0 / 3.0).abs() < 1e-9);
    let none = Asks {
        millicores: 1,
        ..standing.asks
    };
    let least = standing.moved(none, grams(100.0), "it").unwrap();
    assert_eq!(least.energy, moved.energy);
    // A CPU request that is the smaller share moved its idle energy all the same.
    let mut of_memory = standing;
    of_memory.asks.bytes = 48 * GIB;
    let less = Asks {
        millicores: 25,
        ..of_memory.asks
    };
    let said = why(&of_memory, less);
    assert!(said.contains("memory is the larger share"), "{said}");
}

/// "CPU is the larger share" was said whatever the reason was.
#[test]
fn that_nothing_moves_has_its_own_reason_each_time() {
    let target = target();
    let plain = standing(&target);
    let less = Asks {
        bytes: GIB,
        ..plain.asks
    };
    assert!(why(&plain, less).contains("CPU is the larger share"));
    let mut of_memory = plain;
    of_memory.asks.bytes = 32 * GIB;
    let mut clean = of_memory;
    clean.intensity = Estimate::exact(Intensity::try_from_grams_per_kwh(0.0).unwrap());
    let said = why(&clean, less);
    assert!(said.contains("emits 0 g at 0"), "{said}");
    let mut without = of_memory;
    without.node.idle.idle_per_day = Joules::ZERO;
    let said = why(&without, less);
    assert!(said.contains("no idle energy"), "{said}");
    of_memory.node.sharing = IdleSharing::CpuTime;
    assert!(why(&of_memory, less).contains("by the CPU time used"));
    of_memory.node.sharing = IdleSharing::CpuRequests;
    assert!(why(&of_memory, less).contains("by the CPU asked for alone"));
    // What is charged in the account already is not added to it again.
    let half = Asks {
        millicores: 2_000,
        ..of_memory.asks
    };
    let moved = of_memory.moved(half, grams(500.0), "it").unwrap();
    assert!((moved.attributed.percent.value - 20.0).abs() < 1e-9);
}

#[test]
fn pods_that_run_for_a_part_of_the_day_bear_that_part() {
    let target = target();
    let mut standing = standing(&target);
    let all_day = standing.bears(standing.asks);
    standing.pod_minutes_per_day = DAY_MINUTES / 2;
    let half_a_pod = standing.bears(standing.asks);
    assert_eq!(all_day.microjoules(), 4 * half_a_pod.microjoules());
}

fn any_node() -> impl Strategy<Value = NodeGives> {
    let parts = (0_u64..1 << 44, 1_u32..512_000, 1_u64..1 << 42, 0..3_usize);
    parts.prop_map(|(idle_uj, millicores, bytes, sharing)| NodeGives {
        idle: NodeIdle {
            idle_per_day: Joules::from_microjoules(idle_uj),
            allocatable_millicores: millicores,
        },
        allocatable_bytes: bytes,
        sharing: SHARINGS[sharing],
    })
}

proptest! {
    #[test]
    fn who_asks_for_less_never_bears_more_and_advice_moves_something(
        node in any_node(),
        asks in (0_u32..256_000, 0_u64..1 << 41),
        less in (0_u32..256_000, 0_u64..1 << 41),
        minutes in 0..40 * DAY_MINUTES,
        grams_per_kwh in 0.0..900.0_f64,
        own in 0.0..1e6_f64,
        least in prop::sample::select(vec![0.0, 1.0, 20.0]),
    ) {
        let target = target();
        let asks = Asks { millicores: asks.0, bytes: asks.1 };
        let less = Asks {
            millicores: less.0.min(asks.millicores),
            bytes: less.1.min(asks.bytes),
        };
        let (before, after) = (borne(node, asks, minutes), borne(node, less, minutes));
        prop_assert!(after <= before);
        let standing = Standing {
            asks,
            pod_minutes_per_day: minutes,
            node,
            intensity: Estimate::exact(Intensity::try_from_grams_per_kwh(grams_per_kwh).unwrap()),
            terms: Terms { min_saving_percent: least, ..standing(&target).terms },
            ..standing(&target)
        };
        match standing.moved(less, grams(own), "it") {
            Ok(moved) => {
                prop_assert!(moved.attributed.per_day.value.mass() > GramsCo2e::ZERO);
                prop_assert!(moved.attributed.percent.value >= least);
                prop_assert!(moved.attributed.percent.value <= 100.0);
                prop_assert_eq!(moved.energy, before.saturating_sub(after));
            }
            Err(why) => prop_assert_eq!(why.reason, WhyNot::SavesTooLittle),
        }
    }
}
