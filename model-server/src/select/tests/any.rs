use proptest::prelude::*;

use super::*;

fn features() -> impl Strategy<Value = MachineFeatures> {
    let names = prop::option::of(prop::sample::select(vec![
        "Intel Xeon Platinum 8280",
        "AMD EPYC 7R13",
        "AMD EPYC",
        "Intel(R) Xeon(R) Processor",
        "Intel Xeon E5-2686 v4",
        "",
        "ARM Neoverse-N1",
        "Ampere Altra Q80-30",
        "AMD EPYC 9999",
        "nothing",
    ]));
    let vendor = prop::option::of(prop::sample::select(vec!["intel", "amd", "arm", "riscy"]));
    let counts = (
        prop::option::of(1_u32..=64),
        prop::option::of(1_u32..=8_192),
        prop::option::of(1_u32..=16_384),
    );
    let figures = (
        prop::option::of(100.0..10_000.0),
        prop::option::of(1.0..2_000.0),
        prop::option::of(0.1..131_072.0),
    );
    let rest = (
        prop::option::of(any::<bool>()),
        prop::option::of(2_000_u32..2_100),
        prop::option::of((0_u32..40, 0_u32..256, 0_u32..16)),
    );
    (names, vendor, counts, figures, rest).prop_map(
        |(name, vendor, (sockets, cores, threads), (mhz, tdp, mem), (guest, year, cpuid))| {
            MachineFeatures {
                cpu_name: name.map(str::to_owned),
                cpu_vendor: vendor.map(str::to_owned),
                microarch: None,
                cpuid: cpuid.map(|(family, model, stepping)| [family, model, stepping]),
                sockets,
                cores,
                threads,
                base_mhz: mhz,
                tdp_w: tdp,
                mem_gb: mem,
                virtual_machine: guest,
                instance_type: None,
                year,
                gpus: guest.map(|_| 4),
                gpu_name: guest.map(|_| "NVIDIA L4".to_owned()),
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_machine_has_a_curve_that_never_falls_and_an_idle_above_zero(machine in features(), level in 0.5..0.99) {
        let machine = Machine::new(machine);
        for selection in [SELECTOR.select_at(&machine, level), SELECTOR.select_rapl(&machine, level)] {
            let document = selection.unwrap().document;
            document.check().unwrap();
            prop_assert!(document.power_at(Utilisation::IDLE).value > Watts::ZERO);
            prop_assert!((document.error.level - level).abs() < 1e-12);
        }
    }
}
