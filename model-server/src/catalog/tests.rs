use super::*;

#[test]
fn the_bundled_tables_are_read_whole() {
    let catalog = Catalog::bundled();
    for (file, accepted, refused) in [
        ("specpower_curves.csv", 672, 2),
        ("specpower_endpoints_2022h2_2024.csv", 227, 0),
        ("ec2_instances_teads.csv", 621, 0),
        ("ec2_instances_2026.csv", 1_195, 0),
        ("ec2_platform_cpus.csv", 23, 0),
        ("microarch_facts.csv", 39, 0),
        ("cpu_data_sheets.csv", 592, 0),
        ("memory_power.csv", 7, 0),
        ("gpu_power.csv", 41, 0),
    ] {
        let count = catalog
            .files
            .iter()
            .find(|count| count.file == file)
            .unwrap();
        assert_eq!(
            (count.accepted, count.refused),
            (accepted, refused),
            "{file}: {:?}",
            catalog.refused
        );
    }
    assert_eq!(catalog.machines.len(), 899);
}

#[test]
fn known_wrong_rows_are_refused_by_name() {
    let catalog = Catalog::bundled();
    let reason = |file: &str, row: &str| {
        catalog
            .refused
            .iter()
            .find(|refusal| refusal.file == file && refusal.row == row)
            .map(|refusal| refusal.reason.clone())
    };
    assert!(
        reason("microarch_coefficients.csv", "ccf-aws EPYC 5th Gen")
            .unwrap()
            .contains("every machine")
    );
    assert!(
        reason("microarch_coefficients.csv", "ccf-aws Graviton3")
            .unwrap()
            .contains("copy")
    );
    for host in ["m5.metal", "c5.metal", "m5zn.metal", "m7i.metal-24xl"] {
        let row = format!("{host} package LogarithmicRegressionTrainer");
        assert!(
            reason("kepler_ec2_metal_rapl.csv", &row)
                .unwrap()
                .contains("accepted is more than 0"),
            "{row}"
        );
    }
    assert!(
        !catalog
            .coefficients
            .iter()
            .any(|c| c.microarch.starts_with("graviton"))
    );
}

#[test]
fn a_broken_row_costs_only_itself() {
    let table = "cpu_name,platform_vcpu,sockets,vcpu_per_socket\nXeon A,96,2,48\nXeon B,many,2,48\nXeon C,96,2,40\n";
    let catalog = Catalog::from_files(&[("ec2_platform_cpus.csv", table)]);
    assert_eq!(catalog.platforms.len(), 1);
    assert_eq!(catalog.refused[0].row, "Xeon B");
    assert_eq!(catalog.refused[1].row, "Xeon C");
}

#[test]
fn a_curve_that_falls_or_has_no_idle_power_is_refused() {
    assert!(
        curve_fault(&[10.0, 20.0, 19.0])
            .unwrap()
            .contains("from 20 W to 19 W")
    );
    assert!(curve_fault(&[-10.0, 20.0]).unwrap().contains("-10 W"));
    assert_eq!(curve_fault(&[10.0, 10.0, 19.0]), None);
}
