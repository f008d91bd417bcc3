use super::*;

const TEXT: &str = "trial,block,arm,phase,started_at,duration_seconds,provenance,steal_ratio,foreign_cpu_ratio,marks,\
    node_joules,reconcile_latency_seconds\n\
    2,1,snow,measured,2026-11-21T10:05:00Z,120.5,modelled,0.002,0.01,\"etcd, compacted;late\",512.25,\n\
    1,1,flux-1m,warm-up,2026-11-21T10:00:00Z,60,modelled,,,,40,0.5\n\
    1,1,flux-1m,measured,2026-11-21T10:01:00Z,120,modelled,0,0,,530,0.75\n";

#[test]
fn rows_come_in_the_order_of_time_and_read_back_the_same() {
    let trials = Trials::parse("t.csv", TEXT).unwrap();
    let phases: Vec<_> = trials
        .rows()
        .iter()
        .map(|row| (row.order, row.phase))
        .collect();
    let expected = [
        (1, Phase::WarmUp),
        (1, Phase::Measured),
        (2, Phase::Measured),
    ];
    assert_eq!(phases, expected);
    assert_eq!(trials.measured().count(), 2);
    let last = trials.rows().last().unwrap();
    assert_eq!(last.marks, ["etcd, compacted", "late"]);
    assert!(!last.values.contains_key("reconcile_latency_seconds"));
    assert_eq!(Trials::parse("t.csv", &trials.to_csv()), Ok(trials));
}

#[test]
fn every_broken_cell_is_told_with_what_is_accepted() {
    let text = TEXT
        .replace("2,1,snow", "0,1,Snow Flake")
        .replace("warm-up", "warmup")
        .replace("modelled,0,0,", "guessed,1.5,0,");
    let told = Trials::parse("t.csv", &text).unwrap_err().to_string();
    for part in [
        "row 2, trial \"0\": accepted are whole numbers from 1",
        "arm \"Snow Flake\": accepted are 1 to 63 lower-case",
        "row 3, phase \"warmup\": accepted are warm-up, measured, cool-down",
        "row 4, provenance \"guessed\": accepted are measured, modelled, simulated",
        "steal_ratio \"1.5\": accepted are 0 to 1",
    ] {
        assert!(told.contains(part), "{part:?} is not in {told}");
    }
}

#[test]
fn a_response_without_its_unit_and_a_phase_that_stands_twice_are_refused() {
    let text = "trial,block,arm,node_energy\n1,1,a,5\n";
    let told = Trials::parse("t.csv", text).unwrap_err().to_string();
    assert!(
        told.contains("must end with its unit: _joules, _watts"),
        "{told}"
    );
    let text = "trial,block,arm,node_joules\n1,1,a,5\n1,1,a,6\n2,1,b,5\n";
    let told = Trials::parse("t.csv", text).unwrap_err().to_string();
    assert!(
        told.contains("row 3") && told.contains("stands twice"),
        "{told}"
    );
}

#[test]
fn phases_of_a_trial_agree_in_block_and_arm() {
    let text = "trial,block,arm,phase,node_joules\n1,1,a,warm-up,5\n1,1,b,measured,6\n";
    let told = Trials::parse("t.csv", text).unwrap_err().to_string();
    assert!(told.contains("differ in block or arm"), "{told}");
}
