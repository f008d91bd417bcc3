//! Hardware counters in the exposition.

use super::*;
use crate::attribution::weight::Weight;

#[test]
fn hardware_counts_are_told_of_containers_and_kinds_that_are_counted() {
    let mut snapshot = full();
    let web = snapshot.books.accounts[4].account.clone();
    let counts = HardwareCounts {
        cache_misses: None,
        ..all_counted()
    };
    snapshot.details.counts.insert(web, counts);
    let absent = CounterState::Absent("no such counter".into());
    let states = [CounterState::Active, CounterState::Active, absent];
    let counters = NAMES
        .into_iter()
        .zip(states)
        .zip([Some(0.5), Some(1.0), None]);
    snapshot.details.counters = counters
        .map(|((counter, state), counted_ratio)| CounterFigures {
            report: CounterReport { counter, state },
            counted_ratio,
        })
        .collect();
    snapshot.books.zones[0].shared_by = Some(Weight::Cycles);
    let text = text_of(Some(&snapshot), &every_level(), Format::Plain);
    for line in [
        "tanso_container_cpu_cycles_total{container_id=\"id-web\",container_name=\"we\\\"b\",runtime=\"containerd\",state=\"running\",pod_id=\"uid-web\",node_name=\"node-7\"} 9000000001\n",
        "tanso_hardware_counter_state{counter=\"cycles\",state=\"active\",node_name=\"node-7\"} 1\n",
        "tanso_hardware_counter_state{counter=\"cache_misses\",state=\"active\",node_name=\"node-7\"} 0\n",
        "tanso_hardware_counter_state{counter=\"cache_misses\",state=\"absent\",node_name=\"node-7\"} 1\n",
        "tanso_hardware_counter_counted_ratio{counter=\"cycles\",node_name=\"node-7\"} 0.5\n",
        "tanso_zone_weight_info{zone=\"package\",weight=\"cycles\",node_name=\"node-7\"} 1\n",
        "tanso_zone_weight_info{zone=\"dram\",weight=\"cpu_time\",node_name=\"node-7\"} 1\n",
    ] {
        assert!(text.contains(line), "{line}");
    }
    assert!(text.contains("tanso_container_cpu_instructions_total{"));
    assert!(!text.contains("tanso_container_cache_misses_total{"));
    assert!(!text.contains("counted_ratio{counter=\"cache_misses\""));
    let mut options = every_level();
    options.surface = Surface::Legacy;
    let old = text_of(Some(&snapshot), &options, Format::Plain);
    assert!(old.contains("kepler_container_cpu_cycles_total{container_id=\"id-web\""));
    assert!(!old.contains("kepler_container_cache_miss_total{"));
    // Without the level of containers none is told, and none where nobody asked.
    let mut options = every_level();
    options.levels = Levels::try_from(vec!["node".to_owned()]).unwrap();
    let nodes = text_of(Some(&snapshot), &options, Format::Plain);
    assert!(!nodes.contains("tanso_container_"));
    let mut silent = full();
    silent.details.counts.clear();
    silent.details.counters.clear();
    let silent = text_of(Some(&silent), &every_level(), Format::Plain);
    assert!(
        !silent.contains("tanso_hardware_counter") && !silent.contains("cycles_total{container")
    );
}
