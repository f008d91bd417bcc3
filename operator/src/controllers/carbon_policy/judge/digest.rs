//! The digest of everything that an evaluation was made from; pure.

use std::collections::BTreeSet;
use std::sync::Arc;

use tanso_carbon::report::Digest;
use tanso_power::Joules;

use super::group::Grouped;
use super::{Inputs, cpu, memory, outcomes};

/// Everything that the evaluation was made from, in a fixed order.
pub(super) fn digest(inputs: &Inputs<'_>, grouped: &Grouped<'_>) -> Digest {
    let policy = inputs.policy;
    let mut pods: Vec<String> = grouped
        .workloads
        .iter()
        .flat_map(|w| {
            w.pods.keys().map(move |uid: &&Arc<str>| {
                format!(
                    "pod {uid} {} {} {}",
                    w.key.namespace, w.key.kind, w.key.name
                )
            })
        })
        .collect();
    pods.sort_unstable();
    let rules = policy.presets.iter().map(|preset| {
        format!(
            "rule {}",
            serde_json::to_string(preset).unwrap_or_else(|_| preset.id.clone())
        )
    });
    let head = head(inputs).into_iter().chain(others(inputs, grouped));
    Digest::of_lines(head.chain(rules).chain(pods).chain(rows(inputs, grouped)))
}

/// What was booked, in the order of its lines.
fn rows(inputs: &Inputs<'_>, grouped: &Grouped<'_>) -> Vec<String> {
    let mut rows: Vec<String> = inputs
        .snapshot
        .rows
        .iter()
        .map(|row| {
            let energy = row.energy.map(Joules::microjoules);
            format!(
                "row {} {} {:?} {} {} {} {} {}",
                row.hour,
                row.node,
                row.account,
                row.provenance,
                energy.low,
                energy.value,
                energy.high,
                row.cpu_us
            )
        })
        .collect();
    rows.extend(inputs.snapshot.earlier.iter().map(|row| {
        let energy = row.energy.map(Joules::microjoules);
        format!(
            "earlier {} {} {} {} {} {}",
            row.hour, row.place, row.provenance, energy.low, energy.value, energy.high
        )
    }));
    rows.extend(cpu::lines(inputs, grouped));
    rows.extend(memory::lines(&inputs.snapshot.memory));
    rows.sort_unstable();
    rows
}

/// What the policy says.
fn head(inputs: &Inputs<'_>) -> [String; 9] {
    let policy = inputs.policy;
    let wanted = &policy.advice;
    [
        format!("software tanso-operator {}", env!("CARGO_PKG_VERSION")),
        format!("window {} {}", inputs.window.from, inputs.window.until),
        format!("select {:?} {:?}", policy.kinds, policy.match_labels),
        format!("pue {:?} {:?}", policy.pue, policy.metering),
        format!("places {:?}", policy.others.of_node),
        format!("beside {:?}", policy.accounting),
        format!(
            "intensity {} {} {:?}",
            policy.intensity.series.info(),
            policy.intensity.digest,
            policy.intensity.past
        ),
        format!("demands {:?}", policy.thresholds),
        format!(
            "advice {} {:?} {:?} {} {:?} {} {:?}",
            wanted.slack_hours,
            wanted.within,
            wanted.interruptible,
            wanted.min_saving_percent,
            wanted.limits,
            wanted.gigabytes_per_day,
            wanted.min_replicas
        ),
    ]
}

/// Where nodes were elsewhere or larger before: no line where none was, as in reports of
/// before these were known.
fn before(inputs: &Inputs<'_>, used: &BTreeSet<&str>) -> Vec<String> {
    let moved = inputs.policy.others.moved.iter();
    let moved = moved.map(|(node, later)| format!("moved {node} {later:?}"));
    let sizes = used.iter().filter_map(|node| {
        let earlier = inputs.facts.earlier_millicores(node);
        (!earlier.is_empty()).then(|| format!("gave {node} {earlier:?}"))
    });
    moved.chain(sizes).collect()
}

/// What else was known: places, nodes and what runs on them, rules of sharing,
/// schedules.
fn others(inputs: &Inputs<'_>, grouped: &Grouped<'_>) -> Vec<String> {
    let policy = inputs.policy;
    let wanted = &policy.advice;
    let others = policy.others.places.iter().chain(&wanted.targets);
    let others = others.map(|place| {
        let (series, digest) = (&place.intensity.series, &place.intensity.digest);
        format!(
            "place {} {} {digest} {:?}",
            place.region,
            series.info(),
            place.pue
        )
    });
    let (nodes, load) = if inputs.is_whole {
        (inputs.facts.nodes(), inputs.facts.load())
    } else {
        (Vec::new(), Vec::new())
    };
    let charged = inputs.idle_sharing.iter();
    let charged = charged.map(|(node, sharing)| format!("idle of {node} {sharing:?}"));
    let told = inputs.snapshot.memory_told.iter();
    let told = told.map(|pod| format!("memory of {pod}"));
    let jobs = grouped
        .workloads
        .iter()
        .filter(|one| one.key.kind == "CronJob");
    let schedules = jobs.map(|one| {
        let (namespace, name) = (one.key.namespace, one.key.name);
        let now = inputs.facts.schedule(namespace, name);
        let before = inputs.facts.original_schedule(namespace, name);
        format!("schedule {namespace}/{name} {now:?} {before:?}")
    });
    let used: BTreeSet<&str> = inputs.snapshot.rows.iter().map(|row| &*row.node).collect();
    let gives = used.iter().map(|node| {
        let (cpu, memory) = (
            inputs.facts.allocatable_millicores(node),
            inputs.facts.allocatable_bytes(node),
        );
        format!("gives {node} {cpu:?} {memory:?}")
    });
    let gives = gives.chain(before(inputs, &used));
    let nodes = nodes.iter().map(|node| format!("node {node:?}"));
    let load = load.iter().map(|pod| format!("load {pod:?}"));
    let others = others.chain(nodes).chain(load);
    let others = others.chain(charged).chain(told);
    let others = others.chain(schedules).chain(gives);
    others.chain(outcomes::lines(inputs)).collect()
}
