use proptest::prelude::*;

use super::*;

fn estimate(value_uj: u64, below: u64, above: u64) -> Estimate<Joules> {
    Estimate {
        low: Joules::from_microjoules(value_uj.saturating_sub(below)),
        value: Joules::from_microjoules(value_uj),
        high: Joules::from_microjoules(value_uj + above),
    }
}

fn is_ordered(part: Estimate<Joules>) -> bool {
    part.low <= part.value && part.value <= part.high
}

fn check(zone: ZoneEnergy, cpu_ns: &[u64]) {
    let split = split(zone, cpu_ns);
    let sum = split.idle + split.unowned + split.parts.iter().copied().sum();
    assert_eq!(sum, zone.energy, "{zone:?} {cpu_ns:?}");
    assert!(is_ordered(split.idle), "{zone:?} {cpu_ns:?}");
    assert!(is_ordered(split.unowned), "{zone:?} {cpu_ns:?}");
    for (&part, &weight) in split.parts.iter().zip(cpu_ns) {
        assert!(is_ordered(part), "{zone:?} {cpu_ns:?}");
        assert!(
            weight > 0 || part == Estimate::default(),
            "{zone:?} {cpu_ns:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100_000, ..ProptestConfig::default() })]
    #[test]
    fn the_parts_add_up_to_the_meter_to_the_microjoule(
        energy in (0_u64..1 << 44, 0_u64..1 << 44, 0_u64..1 << 44),
        idle in (0_u64..1 << 44, 0_u64..1 << 44, 0_u64..1 << 44),
        cpu_ns in prop::collection::vec(0_u64..1 << 40, 0..12),
    ) {
        let zone = ZoneEnergy {
            energy: estimate(energy.0, energy.1, energy.2),
            idle: estimate(idle.0, idle.1, idle.2),
        };
        check(zone, &cpu_ns);
    }

    #[test]
    fn few_microjoules_among_many_add_up_too(
        energy in (0_u64..9, 0_u64..9, 0_u64..9),
        idle in (0_u64..9, 0_u64..9, 0_u64..9),
        cpu_ns in prop::collection::vec(0_u64..5, 0..12),
    ) {
        let zone = ZoneEnergy {
            energy: estimate(energy.0, energy.1, energy.2),
            idle: estimate(idle.0, idle.1, idle.2),
        };
        check(zone, &cpu_ns);
    }
}

#[test]
fn energy_without_any_cpu_time_is_nobodys_and_not_lost() {
    let zone = ZoneEnergy {
        energy: estimate(100, 10, 10),
        idle: estimate(60, 0, 0),
    };
    let split = split(zone, &[0, 0]);
    assert_eq!(split.unowned.value.microjoules(), 40);
    assert_eq!(split.parts, vec![Estimate::default(); 2]);
}

#[test]
fn twice_the_cpu_time_is_twice_the_energy() {
    let zone = ZoneEnergy {
        energy: estimate(160, 0, 0),
        idle: estimate(100, 0, 0),
    };
    let split = split(zone, &[1_000, 2_000, 0]);
    let values: Vec<u64> = split
        .parts
        .iter()
        .map(|part| part.value.microjoules())
        .collect();
    assert_eq!(values, [20, 40, 0]);
}

/// A figure without an error is split by a shorter way; it must be the same.
#[test]
fn what_is_known_without_error_is_so_in_its_parts() {
    let exact = |uj: u64| Estimate::exact(Joules::from_microjoules(uj));
    let parts = share(exact(10), &[1, 1, 0, 1]).unwrap();
    assert_eq!(parts, [4, 3, 0, 3].map(exact));
    assert_eq!(share(exact(10), &[0, 0]), None);
    assert_eq!(share(exact(0), &[2, 1]), Some(vec![exact(0); 2]));
    // By the longer way, a bound of one microjoule apart.
    let wide = share(estimate(10, 1, 1), &[1, 1, 0, 1]).unwrap();
    let values = |parts: &[Estimate<Joules>]| -> Vec<Joules> {
        parts.iter().map(|part| part.value).collect()
    };
    assert_eq!(values(&wide), values(&parts));
}
