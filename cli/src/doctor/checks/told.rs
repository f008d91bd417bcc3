//! What agents tell of their meters and rights: why energy is modelled though
//! there might be a meter, and what an agent was not allowed.

use std::collections::{BTreeMap, BTreeSet};

use super::super::Finding;
use super::super::facts::{ASKED, Facts, Told};

/// The meters that measure a whole node or its processors.
const METERS: [&str; 5] = ["rapl", "perf", "hwmon", "acpi", "redfish"];
/// The right to read what powercap shows.
const ENERGY_FILES: &str = "energy_files";
/// Nodes that are named in a line.
const NAMED: usize = 5;
/// The rights without which the kernel does not count, which is said of them.
const KERNEL: [&str; 3] = ["bpf", "perfmon", "host_pids"];
/// Each right, what is lost without it, and how it is given.
const RIGHTS: [(&str, &str, &str); 5] = [
    (
        "bpf",
        "nothing is counted in the kernel, and control groups' files are read instead",
        "allow the capability BPF (admission policies, seccomp), or set spec.agent.securityMode: Privileged",
    ),
    (
        "perfmon",
        "nothing is counted in the kernel, and perf's energy events cannot be read",
        "allow the capability PERFMON (admission policies, seccomp), or set spec.agent.securityMode: Privileged",
    ),
    (
        "host_pids",
        "nothing is counted in the kernel: tasks of other pods would not be seen",
        "the operator sets hostPID: look for a policy of the cluster that takes it away",
    ),
    (
        "process_files",
        "there is no process list to count CPU time by where nothing else does",
        "let the agent have the host's /proc, mounted without the option hidepid",
    ),
    (
        ENERGY_FILES,
        "the processors' energy by powercap is not measured, or not all of it",
        "the operator runs the agent as root: look for a policy of the cluster that takes it away, or grant read on /sys/class/powercap/*/energy_uj of the node",
    ),
];

/// A line for each cause by which nodes have no meter, and what mends them.
pub(super) fn unmetered(facts: &Facts) -> (String, String) {
    let without: Vec<&Told> = facts.told.iter().filter(|one| has_no_meter(one)).collect();
    let mut by_cause: BTreeMap<String, Vec<&Told>> = BTreeMap::new();
    for one in &without {
        by_cause.entry(cause(one)).or_default().push(one);
    }
    let line = |(cause, agents): (&String, &Vec<&Told>)| format!("\n{}: {cause}", nodes(agents));
    let lines: String = by_cause.iter().map(line).collect();
    let mut mends = Vec::new();
    if let Some(one) = without.iter().find(|one| is_refused(one)) {
        mends.push(format!(
            "kubectl -n {} logs {} names what could not be read and how it is granted",
            one.namespace, one.pod
        ));
    }
    if without.iter().any(|one| state(one, "rapl") == "disabled") {
        mends.push("put Rapl into spec.agent.sources".to_owned());
    }
    let nothing = if mends.is_empty() {
        "none needed on a virtual machine, which shows no meter"
    } else {
        "a virtual machine shows no meter and needs no mending"
    };
    mends.push(format!(
        "{nothing}; bare metal has RAPL (config/default mounts /sys): look for /sys/class/powercap on the node, and for the kernel module intel_rapl_msr"
    ));
    (lines, mends.join("; "))
}

fn has_no_meter(agent: &Told) -> bool {
    !agent.meters.is_empty() && METERS.iter().all(|meter| state(agent, meter) != "active")
}

fn state<'a>(agent: &'a Told, meter: &str) -> &'a str {
    agent.meters.get(meter).map_or("", String::as_str)
}

/// Whether a meter is there and may not be read, or cannot.
fn is_refused(agent: &Told) -> bool {
    agent.missing.contains(ENERGY_FILES)
        || METERS.iter().any(|meter| state(agent, meter) == "failed")
}

/// `rapl failed; no perf, hwmon, acpi`.
fn cause(agent: &Told) -> String {
    let in_state = |wanted: &str| {
        let found = METERS
            .into_iter()
            .filter(|meter| state(agent, meter) == wanted);
        let found: Vec<&str> = found.collect();
        (!found.is_empty()).then(|| found.join(", "))
    };
    let refused = agent
        .missing
        .contains(ENERGY_FILES)
        .then(|| format!("powercap is there and the right {ENERGY_FILES} is missing"));
    let failed = in_state("failed").map(|meters| format!("{meters} failed"));
    let absent = in_state("absent").map(|meters| format!("no {meters}"));
    let off = in_state("disabled").map(|meters| format!("switched off: {meters}"));
    let causes: Vec<String> = [refused, failed, absent, off]
        .into_iter()
        .flatten()
        .collect();
    causes.join("; ")
}

/// `node n1` or `nodes n1, n2 and 7 more`.
fn nodes(agents: &[&Told]) -> String {
    let names: Vec<&str> = agents
        .iter()
        .take(NAMED)
        .map(|one| one.node.as_str())
        .collect();
    let word = if agents.len() == 1 { "node" } else { "nodes" };
    let more = match agents.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{word} {}{more}", names.join(", "))
}

/// Rights that agents lack, and kernels that do not count though they may.
pub(super) fn rights(facts: &Facts) -> Vec<Finding> {
    let all = &facts.told;
    let mut findings = Vec::new();
    let missing: BTreeSet<&str> = all
        .iter()
        .flat_map(|one| one.missing.iter().map(String::as_str))
        .collect();
    for right in missing {
        let lacking: Vec<&Told> = all
            .iter()
            .filter(|one| one.missing.contains(right))
            .collect();
        let known = RIGHTS.iter().find(|(name, _, _)| *name == right);
        let (lost, mend) = known.map_or(
            (
                "its log says what is lost",
                "its log says how the right is given",
            ),
            |(_, lost, mend)| (*lost, *mend),
        );
        findings.push(Finding::warn(
            format!(
                "agent without the right {right} on {}: {lost}",
                nodes(&lacking)
            ),
            mend,
        ));
    }
    findings.extend(rungs(all));
    if let Ok(agents) = &facts.agents
        && agents.len() > ASKED
    {
        findings.push(Finding::ok(format!(
            "{ASKED} of {} agents were asked for their meters, rights and cost: of the others only their pods were looked at",
            agents.len()
        )));
    }
    findings
}

/// Agents that have the rights and still do not count in the kernel.
fn rungs(all: &[Told]) -> Vec<Finding> {
    let may = |one: &&Told| KERNEL.iter().all(|right| !one.missing.contains(*right));
    let mut by_rung: BTreeMap<&str, Vec<&Told>> = BTreeMap::new();
    for one in all.iter().filter(may) {
        if !matches!(one.rung.as_str(), "" | "ebpf") {
            by_rung.entry(&one.rung).or_default().push(one);
        }
    }
    let one = |(rung, agents): (&str, Vec<&Told>)| {
        let first = agents.first()?;
        Some(Finding::warn(
            format!(
                "CPU time comes from {rung} and not from the kernel's programs on {}: what lives for less than a second is seen less well",
                nodes(&agents)
            ),
            format!(
                "kubectl -n {} logs {}: the line \"source of CPU time is not used\" says why, a kernel without BTF for example",
                first.namespace, first.pod
            ),
        ))
    };
    by_rung.into_iter().filter_map(one).collect()
}
