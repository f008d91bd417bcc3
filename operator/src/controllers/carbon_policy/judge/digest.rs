//! The digest of everything that an evaluation was made from; pure.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use tanso_carbon::account::EnergyRow;
use tanso_carbon::calendar::UtcHour;
use tanso_carbon::report::{Canonical, Digest};
use tanso_power::{Estimate, Joules, Provenance};

use super::booked::Booked;
use super::group::{Grouped, Key, Workload};
use super::{Inputs, outcomes};
use crate::ledger::{AdviceRow, LedgerAccount};

/// The version of the form: another where anything of it changes.
const FORM: u8 = 2;

/// Everything that the evaluation was made from, in a fixed order, whatever the
/// order in which it was read.
///
/// In the form of [`Canonical`] there are, one after the other: what the policy
/// says, as texts; what else was known, as texts; its rules, as texts; the names
/// of all nodes of rows, in order; the workloads by namespace, kind and name; the
/// other accounts; rows outside of the window; sums before it; the memory of
/// workloads; pods whose memory was told; earlier advice. Each list begins with
/// the number of its entries.
///
/// A workload is its namespace, kind and name, its pods by UID, each with its rows,
/// and its past days of CPU: the first hour, minutes, the most, and the list of
/// buckets with their seconds. Rows of an account are in the order of all that they
/// say. One is the hour (4 bytes, hours of Unix time), the number of the node in
/// the list (4 bytes), a byte that is the provenance (0 to 2) and 128 more where
/// the energy is known exactly, the energy (the value, and before it where it is
/// not exact the low bound and after it the high one), CPU time and minutes (8
/// bytes each).
pub(super) fn digest(inputs: &Inputs<'_>, grouped: &Grouped<'_>) -> Digest {
    let mut facts = Canonical::new(FORM);
    facts.texts(&head(inputs));
    facts.texts(&others(inputs, grouped));
    let rules = inputs.policy.presets.iter();
    let rules = rules.map(|preset| {
        let text = serde_json::to_string(preset);
        text.unwrap_or_else(|_| preset.id.clone())
    });
    facts.texts(&rules.collect::<Vec<_>>());
    facts.texts(&grouped.all.nodes);
    facts.count(grouped.workloads.len());
    for workload in &grouped.workloads {
        add_workload(&mut facts, workload);
    }
    add_accounts(&mut facts, grouped);
    add_earlier(&mut facts, &inputs.snapshot.earlier);
    add_memory(&mut facts, inputs);
    let advice: Vec<&AdviceRow> = outcomes::earlier(inputs).collect();
    facts.count(advice.len());
    for row in advice {
        add_advice(&mut facts, row);
    }
    facts.finish()
}

fn add_workload(facts: &mut Canonical, workload: &Workload<'_>) {
    let Key {
        namespace,
        kind,
        name,
    } = workload.key;
    facts.texts(&[namespace, kind, name]);
    facts.count(workload.pods.len());
    for pod in workload.pods {
        facts.text(pod.uid);
        add_rows(facts, pod.rows);
    }
    let days = workload.cpu_days.into_iter().flatten();
    facts.count(workload.cpu_days.map_or(0, BTreeMap::len));
    for (day, seen) in days {
        add_hour(facts, *day);
        facts.numbers([seen.minutes, seen.most_microcores]);
        facts.count(seen.seconds.len());
        for (bucket, seconds) in &seen.seconds {
            facts.bytes(bucket.to_le_bytes());
            facts.number(*seconds);
        }
    }
}

/// Pods that are of no workload here, accounts that are no pods, and rows
/// outside of the window.
fn add_accounts(facts: &mut Canonical, grouped: &Grouped<'_>) {
    let all = grouped.all;
    facts.count(all.unselected().len());
    for (uid, rows) in all.unselected() {
        facts.text(uid);
        add_rows(facts, rows);
    }
    facts.count(all.named.len());
    for (name, rows) in &all.named {
        facts.text(name);
        add_rows(facts, rows);
    }
    let mut outside: Vec<&(&LedgerAccount, Booked)> = all.outside.iter().collect();
    outside.sort_unstable_by(|(a, one), (b, other)| {
        a.cmp(b).then_with(|| one.order().cmp(&other.order()))
    });
    facts.count(outside.len());
    for (account, row) in outside {
        let (kind, name) = match account {
            LedgerAccount::Pod(uid) => ("pod", &**uid),
            LedgerAccount::Named(name) => ("named", *name),
        };
        facts.texts(&[kind, name]);
        add_row(facts, row);
    }
}

/// Rows of one account.
fn add_rows(facts: &mut Canonical, rows: &[Booked]) {
    facts.count(rows.len());
    // They mostly come in their order.
    let rows = if rows.is_sorted_by_key(Booked::order) {
        Cow::Borrowed(rows)
    } else {
        let mut sorted = rows.to_vec();
        sorted.sort_unstable_by_key(Booked::order);
        Cow::Owned(sorted)
    };
    for row in &*rows {
        add_row(facts, row);
    }
}

fn add_row(facts: &mut Canonical, row: &Booked) {
    add_hour(facts, row.hour);
    facts.bytes(row.node.to_le_bytes());
    add_energy(facts, row.provenance, row.energy);
    facts.numbers([row.cpu_us, row.minutes]);
}

fn add_energy(facts: &mut Canonical, provenance: Provenance, energy: Estimate<Joules>) {
    let Estimate { low, value, high } = energy.map(Joules::microjoules);
    let is_exact = low == value && value == high;
    let provenance = match provenance {
        Provenance::Measured => 0,
        Provenance::Modelled => 1,
        Provenance::Simulated => 2,
    };
    facts.bytes([provenance | u8::from(is_exact) << 7]);
    if is_exact {
        facts.number(value);
    } else {
        facts.numbers([low, value, high]);
    }
}

fn add_hour(facts: &mut Canonical, hour: UtcHour) {
    let hours = hour.hours_since(UtcHour::from_unix_seconds(0));
    facts.bytes(hours.to_le_bytes());
}

fn add_earlier(facts: &mut Canonical, earlier: &[EnergyRow]) {
    let order = |row: &EnergyRow| {
        let Estimate { low, value, high } = row.energy;
        (row.hour, row.place, row.provenance, [low, value, high])
    };
    let mut sorted = earlier.to_vec();
    sorted.sort_unstable_by_key(order);
    facts.count(sorted.len());
    for row in sorted {
        add_hour(facts, row.hour);
        facts.count(row.place);
        add_energy(facts, row.provenance, row.energy);
    }
}

fn add_memory(facts: &mut Canonical, inputs: &Inputs<'_>) {
    let memory = &inputs.snapshot.memory;
    facts.count(memory.len());
    for (workload, days) in memory {
        facts.texts(workload);
        facts.count(days.len());
        for (day, held) in days {
            add_hour(facts, *day);
            facts.numbers([held.peak_bytes, held.minutes]);
            add_maybe(facts, held.killed_with);
        }
    }
    let told: Vec<&Arc<str>> = inputs.snapshot.memory_told.iter().collect();
    facts.texts(&told);
}

fn add_maybe(facts: &mut Canonical, number: Option<u64>) {
    facts.bytes([u8::from(number.is_some())]);
    facts.number(number.unwrap_or(0));
}

fn add_advice(facts: &mut Canonical, row: &AdviceRow) {
    facts.texts(&row.workload);
    facts.texts(&[row.told.resource.as_str(), &row.container]);
    facts.numbers([row.told.asked, row.told.advised]);
    add_hour(facts, row.first_told);
    add_hour(facts, row.told.last_told);
    let Estimate { low, value, high } = row.saving_mg_per_day;
    for figure in [low, value, high, row.cluster_mg_per_day] {
        facts.bytes(figure.to_le_bytes());
    }
    // What became of it is of few.
    facts.text(&format!("{:?} {:?}", row.outcome, row.found));
    facts.bytes([u8::from(row.is_final)]);
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
fn before(inputs: &Inputs<'_>, used: &[&str]) -> Vec<String> {
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
    let used = &grouped.all.nodes;
    let gives = used.iter().map(|node| {
        let (cpu, memory) = (
            inputs.facts.allocatable_millicores(node),
            inputs.facts.allocatable_bytes(node),
        );
        format!("gives {node} {cpu:?} {memory:?}")
    });
    let gives = gives.chain(before(inputs, used));
    let parts = inputs.snapshot.part_hours.iter();
    let parts = parts.flat_map(|(node, hours)| {
        let part = move |(hour, minutes)| format!("seen {node} {hour} {minutes}");
        hours.iter().map(part)
    });
    let gives = gives.chain(parts);
    let nodes = nodes.iter().map(|node| format!("node {node:?}"));
    let load = load.iter().map(|pod| format!("load {pod:?}"));
    let others = others.chain(nodes).chain(load);
    let others = others.chain(charged).chain(schedules);
    others.chain(gives).collect()
}
