use super::*;

/// Types of after 2022 have no published figures, and their accelerators were
/// silently not there.
#[test]
fn accelerators_of_an_instance_type_that_are_not_in_the_figure_are_named() {
    let of = |name: &str, gpus: Option<(u32, &str)>| {
        ask(MachineFeatures {
            instance_type: Some(name.to_owned()),
            gpus: gpus.map(|(number, _)| number),
            gpu_name: gpus.map(|(_, name)| name.to_owned()),
            ..MachineFeatures::default()
        })
    };
    for name in [
        "p5.48xlarge",
        "g6.xlarge",
        "trn1.32xlarge",
        "inf2.xlarge",
        "p6-b300.48xlarge",
        // Of after the tables.
        "p9.48xlarge",
    ] {
        let selection = of(name, None);
        let words = &selection.document.explanation;
        assert!(selection.accelerators_left_out, "{name}");
        assert!(
            words.contains(name) && words.contains("not in these figures"),
            "{words}"
        );
    }
    // Published figures hold them, idle; others have none, or name them.
    for selection in [
        of("g4dn.xlarge", None),
        of("m7i.2xlarge", None),
        of("x2gd.large", None),
        of("p5.48xlarge", Some((8, "NVIDIA H100 80GB HBM3"))),
    ] {
        assert!(!selection.accelerators_left_out, "{selection:?}");
    }
    let told = of("p5.48xlarge", Some((8, "NVIDIA H100 80GB HBM3")));
    let silent = of("p5.48xlarge", None);
    assert!(ends(&told).0 > ends(&silent).0 + 100.0);
}

#[test]
fn a_reading_holds_the_accelerators_that_were_told() {
    let mut machine = Machine::new(MachineFeatures {
        sockets: Some(2),
        gpus: Some(8),
        gpu_name: Some("NVIDIA A100-SXM4-40GB".to_owned()),
        ..named("AMD EPYC 7763")
    });
    machine.server.gpu_load = Some(1.0);
    let at = Utilisation::try_new(0.3).unwrap();
    let watts = |selection: &Selection| selection.document.power_at(at).value.as_watts_f64();
    let without = watts(&SELECTOR.select(&machine).unwrap());
    let reading = Reading::try_new(0.3, without).unwrap();
    let with = SELECTOR.select_with(&machine, LEVEL, &[reading]).unwrap();
    // What was expected was read, so that nothing moves.
    assert!((watts(&with) / without - 1.0).abs() < 0.01, "{with:?}");
    assert!(!with.document.explanation.contains("not one in a hundred"));
}

#[test]
fn accelerators_that_nobody_measures_are_in_the_figure_and_may_be_at_their_limit() {
    let host = MachineFeatures {
        sockets: Some(2),
        mem_gb: Some(512.0),
        ..named("AMD EPYC 7763")
    };
    let with = |name: &str, load: Option<f64>| {
        let mut machine = Machine::new(MachineFeatures {
            gpus: Some(8),
            gpu_name: Some(name.to_owned()),
            ..host.clone()
        });
        machine.server.gpu_load = load;
        SELECTOR.select(&machine).unwrap()
    };
    let watts = |selection: &Selection| {
        selection
            .document
            .power_at(Utilisation::IDLE)
            .map(Watts::as_watts_f64)
    };
    let (without, idle, busy) = (
        ask(host.clone()),
        with("NVIDIA A100-SXM4-40GB", None),
        with("NVIDIA A100-SXM4-40GB", Some(1.0)),
    );
    let (without, idle, busy) = (watts(&without), watts(&idle), watts(&busy));
    // Eight boards of 400 W.
    assert!(
        (200.0..600.0).contains(&(idle.value - without.value)),
        "{idle:?}"
    );
    assert!(idle.high - without.high >= 3_200.0, "{idle:?}");
    assert!(
        busy.value - without.value > 2_500.0 && busy.low > idle.low,
        "{busy:?}"
    );
    let strange = with("Voodoo 2", None);
    assert!((watts(&strange).value - without.value).abs() < 1e-9);
    assert!(
        strange.document.explanation.contains("Voodoo 2"),
        "{strange:?}"
    );
}

#[test]
fn what_rapl_would_read_is_its_own_domain_with_its_components_and_their_doubt() {
    let bounds = |selection: &Selection, load: f64| {
        let at = selection
            .document
            .power_at(Utilisation::try_new(load).unwrap());
        at.map(Watts::as_watts_f64)
    };
    let of = |features: MachineFeatures| {
        SELECTOR
            .select_rapl(&Machine::new(features), LEVEL)
            .unwrap()
    };
    let known = of(MachineFeatures {
        sockets: Some(2),
        threads: Some(96),
        mem_gb: Some(377.0),
        virtual_machine: Some(false),
        ..named("Intel(R) Xeon(R) Platinum 8259CL CPU @ 2.50GHz")
    });
    assert_eq!(known.tier, Tier::RaplHost);
    assert_eq!(known.document.domain, Domain::Rapl);
    // Package 449 to 456 W and memory some 27 W were published of it.
    let full = bounds(&known, 1.0);
    assert!((455.0..505.0).contains(&full.value), "{full:?}");
    let sum: f64 = known
        .components
        .iter()
        .map(|part| {
            tanso_power::model::power_on(&part.curve, Utilisation::FULL)
                .value
                .as_watts_f64()
        })
        .sum();
    assert!((sum - full.value).abs() < 1e-3);
    assert!(
        known.document.explanation.contains("not power at the plug"),
        "{known:?}"
    );

    let other = of(MachineFeatures {
        sockets: Some(2),
        mem_gb: Some(512.0),
        ..named("AMD EPYC 7763")
    });
    assert_eq!(other.tier, Tier::RaplTdp);
    let width = |selection: &Selection| {
        let at = bounds(selection, 0.5);
        (at.high - at.low) / at.value
    };
    assert!(
        width(&other) > width(&known),
        "{} {}",
        width(&other),
        width(&known)
    );
    assert!(
        other
            .document
            .explanation
            .contains("no host of this vendor"),
        "{other:?}"
    );
    // Nothing known is wide, and no refusal.
    let nothing = of(MachineFeatures::default());
    assert_eq!(nothing.tier, Tier::RaplThread);
    assert!(bounds(&nothing, 0.0).low > 0.0);
}
