//! Two readings to a trial's figures: energy and CPU time by component. Pure.
//!
//! Energy by component is above idle, as the agent attributes it; the node's
//! total holds idle too. A component's processes are known by their ids, a
//! container by its pod's namespace.

use std::collections::{BTreeMap, BTreeSet};

/// Zones of which one holds all others.
const WHOLE: [&str; 2] = ["platform", "psys"];
/// Zones that are added up where there is no whole.
const PARTS: [&str; 2] = ["package", "dram"];

/// What the agent says at one instant.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Reading {
    /// When the figures were read, seconds since 1970.
    pub(super) at: f64,
    /// Energy of the node with idle, joules.
    pub(super) node_joules: f64,
    /// Energy of the node above idle, joules.
    pub(super) active_joules: f64,
    /// CPU time of the agent, seconds.
    pub(super) agent_seconds: f64,
    /// Where the energy comes from, in the agent's word.
    pub(super) provenance: String,
    /// Of each process: joules above idle and CPU seconds.
    pub(super) processes: BTreeMap<i32, Used>,
    /// Of each container.
    pub(super) containers: BTreeMap<String, Container>,
}

/// Energy above idle and CPU time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Used {
    joules: f64,
    seconds: f64,
}

/// A container's use, and whose it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Container {
    used: Used,
    /// Its pod's uid.
    pub(super) pod: String,
    /// Its processes, also those that ended lately: a runtime's own, which set a
    /// container up, end before its program begins.
    pub(super) processes: BTreeSet<i32>,
}

/// A sample of the exposition format.
struct Sample<'a> {
    family: &'a str,
    labels: &'a str,
    value: f64,
}

impl<'a> Sample<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (head, value) = line.rsplit_once(' ')?;
        let (family, labels) = head.split_once('{').unwrap_or((head, ""));
        let value = value.parse().ok()?;
        Some(Self {
            family,
            labels,
            value,
        })
    }

    /// A label's value; values of the labels asked for hold no quotes.
    fn label(&self, name: &str) -> &'a str {
        let key = format!("{name}=\"");
        let found = self.labels.split(',').find_map(|part| {
            let part = part.trim_start_matches('{');
            part.strip_prefix(&key)?.split('"').next()
        });
        found.unwrap_or_default()
    }
}

impl Reading {
    /// Reads `/metrics`.
    pub(super) fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let samples: Vec<_> = lines.filter_map(Sample::parse).collect();
        let zones: BTreeSet<_> = samples
            .iter()
            .filter(|sample| sample.family == "kepler_node_cpu_joules_total")
            .map(|sample| sample.label("zone"))
            .collect();
        let whole = WHOLE.into_iter().find(|zone| zones.contains(zone));
        let counts = |zone: &str| whole.map_or(PARTS.contains(&zone), |whole| whole == zone);
        let mut found = Self::default();
        for sample in &samples {
            found.take(sample, &counts);
        }
        found
    }

    fn take(&mut self, sample: &Sample<'_>, counts: &dyn Fn(&str) -> bool) {
        let is_counted = counts(sample.label("zone"));
        match sample.family {
            "tanso_snapshot_timestamp_seconds" => self.at = sample.value,
            "tanso_agent_cpu_seconds_total" => self.agent_seconds = sample.value,
            "tanso_node_cpu_non_overlapping_joules_total" => {
                self.node_joules += sample.value;
                sample.label("provenance").clone_into(&mut self.provenance);
            }
            "kepler_node_cpu_active_joules_total" if is_counted => {
                self.active_joules += sample.value;
            }
            "kepler_process_cpu_joules_total" if is_counted => {
                self.process(sample, |used| used.joules += sample.value);
            }
            "kepler_process_cpu_seconds_total" => {
                self.process(sample, |used| used.seconds += sample.value);
            }
            "kepler_container_cpu_joules_total" if is_counted => {
                self.container(sample).used.joules += sample.value;
            }
            "kepler_container_cpu_seconds_total" => {
                self.container(sample).used.seconds += sample.value;
            }
            _ => {}
        }
    }

    fn process(&mut self, sample: &Sample<'_>, add: impl FnOnce(&mut Used)) {
        let Ok(pid) = sample.label("pid").parse() else {
            return;
        };
        add(self.processes.entry(pid).or_default());
        let container = sample.label("container_id");
        if !container.is_empty() {
            let entry = self.containers.entry(container.to_owned()).or_default();
            entry.processes.insert(pid);
        }
    }

    fn container(&mut self, sample: &Sample<'_>) -> &mut Container {
        let id = sample.label("container_id").to_owned();
        let entry = self.containers.entry(id).or_default();
        sample.label("pod_id").clone_into(&mut entry.pod);
        entry
    }
}

/// Who is who on the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cast {
    /// The component of each process that is no container's.
    pub(super) processes: BTreeMap<i32, &'static str>,
    /// The component of each pod, by its uid.
    pub(super) pods: BTreeMap<String, &'static str>,
}

/// Every component; each has a column of joules and of CPU seconds, also
/// where it does not run.
pub(super) const COMPONENTS: [&str; 7] = [
    "flux",
    "apiserver",
    "etcd",
    "kubelet",
    "control",
    "node_services",
    "workloads",
];

/// What went through the network of each pod of a component so far, by the
/// pod's uid. A pod's containers share one network, so one process that answers
/// speaks for all; the pod is left out if none does.
///
/// `bytes_of` tells what went through the network that a process sees; `None` if
/// it is gone.
pub(super) fn network(
    reading: &Reading,
    cast: &BTreeMap<String, &'static str>,
    component: &str,
    bytes_of: impl Fn(i32) -> Option<u64>,
) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    for container in reading.containers.values() {
        let is_asked = cast.get(&container.pod) == Some(&component);
        if is_asked && !found.contains_key(&container.pod) {
            let mut processes = container.processes.iter();
            let bytes = processes.find_map(|process| bytes_of(*process));
            found.extend(bytes.map(|bytes| (container.pod.clone(), bytes)));
        }
    }
    found
}

/// What went through the network between two readings of [`network`]; `None`
/// where a pod did not answer both times, which is not 0.
pub(super) fn network_between(
    first: &BTreeMap<String, u64>,
    last: &BTreeMap<String, u64>,
    pods: usize,
) -> Option<u64> {
    let both = last
        .iter()
        .filter_map(|(pod, bytes)| bytes.checked_sub(*first.get(pod)?));
    let both: Vec<u64> = both.collect();
    (both.len() == pods).then(|| both.iter().sum())
}

/// The figures of what lies between two readings.
///
/// `cluster_…` is the sum of all components.
pub(super) fn between(first: &Reading, last: &Reading, cast: &Cast) -> BTreeMap<String, f64> {
    let mut sums: BTreeMap<&str, Used> = COMPONENTS
        .iter()
        .map(|name| (*name, Used::default()))
        .collect();
    let mut add = |component: &'static str, before: Option<&Used>, after: &Used| {
        let before = before.copied().unwrap_or_default();
        let sum = sums.entry(component).or_default();
        sum.joules += (after.joules - before.joules).max(0.0);
        sum.seconds += (after.seconds - before.seconds).max(0.0);
    };
    for (pid, component) in &cast.processes {
        if let Some(after) = last.processes.get(pid) {
            add(component, first.processes.get(pid), after);
        }
    }
    for (id, after) in &last.containers {
        if let Some(component) = cast.pods.get(&after.pod) {
            let before = first.containers.get(id).map(|container| &container.used);
            add(component, before, &after.used);
        }
    }
    let mut values = BTreeMap::new();
    let mut whole = Used::default();
    for (name, used) in sums {
        values.insert(format!("{name}_joules"), used.joules);
        values.insert(format!("{name}_cpu_seconds"), used.seconds);
        whole.joules += used.joules;
        whole.seconds += used.seconds;
    }
    values.insert("cluster_joules".to_owned(), whole.joules);
    values.insert("cluster_cpu_seconds".to_owned(), whole.seconds);
    let grown = |of: fn(&Reading) -> f64| (of(last) - of(first)).max(0.0);
    values.insert("node_joules".to_owned(), grown(|one| one.node_joules));
    values.insert(
        "node_active_joules".to_owned(),
        grown(|one| one.active_joules),
    );
    values.insert(
        "agent_cpu_seconds".to_owned(),
        grown(|one| one.agent_seconds),
    );
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the agent writes it, with a zone within the platform.
    fn metrics(at: f64, factor: f64) -> String {
        let line = |name: &str, value: f64| format!("{name} {}\n", value * factor);
        let mut text =
            format!("# HELP x y\ntanso_snapshot_timestamp_seconds{{node_name=\"n\"}} {at}\n");
        for (name, value) in [
            (
                "kepler_node_cpu_joules_total{zone=\"platform\",path=\"model\",node_name=\"n\"}",
                90.0,
            ),
            (
                "kepler_node_cpu_joules_total{zone=\"package\",path=\"model\",node_name=\"n\"}",
                70.0,
            ),
            (
                "kepler_node_cpu_active_joules_total{zone=\"platform\",path=\"model\",node_name=\"n\"}",
                50.0,
            ),
            (
                "kepler_node_cpu_active_joules_total{zone=\"package\",path=\"model\",node_name=\"n\"}",
                40.0,
            ),
            (
                "tanso_node_cpu_non_overlapping_joules_total{provenance=\"modelled\",node_name=\"n\"}",
                90.0,
            ),
            (
                "kepler_process_cpu_joules_total{pid=\"7\",comm=\"kube-apiserver\",exe=\"/a\",type=\"regular\",state=\"running\",container_id=\"\",vm_id=\"\",zone=\"platform\",node_name=\"n\"}",
                11.0,
            ),
            (
                "kepler_process_cpu_joules_total{pid=\"7\",comm=\"kube-apiserver\",exe=\"/a\",type=\"regular\",state=\"running\",container_id=\"\",vm_id=\"\",zone=\"package\",node_name=\"n\"}",
                9.0,
            ),
            (
                "kepler_process_cpu_seconds_total{pid=\"7\",comm=\"kube, api\",exe=\"/a\",type=\"regular\",container_id=\"\",vm_id=\"\",node_name=\"n\"}",
                5.0,
            ),
            (
                "kepler_process_cpu_seconds_total{pid=\"8\",comm=\"rustc\",exe=\"/b\",type=\"regular\",container_id=\"\",vm_id=\"\",node_name=\"n\"}",
                30.0,
            ),
            (
                "kepler_process_cpu_seconds_total{pid=\"21\",comm=\"manager\",exe=\"/c\",type=\"container\",container_id=\"c1\",vm_id=\"\",node_name=\"n\"}",
                2.0,
            ),
            (
                "kepler_container_cpu_joules_total{container_id=\"c1\",container_name=\"\",runtime=\"containerd\",state=\"running\",zone=\"platform\",pod_id=\"p1\",node_name=\"n\"}",
                3.0,
            ),
            (
                "kepler_container_cpu_seconds_total{container_id=\"c1\",container_name=\"\",runtime=\"containerd\",state=\"running\",pod_id=\"p1\",node_name=\"n\"}",
                2.0,
            ),
            (
                "kepler_container_cpu_seconds_total{container_id=\"c2\",container_name=\"\",runtime=\"containerd\",state=\"running\",pod_id=\"p2\",node_name=\"n\"}",
                1.0,
            ),
            ("tanso_agent_cpu_seconds_total{node_name=\"n\"}", 0.5),
        ] {
            text.push_str(&line(name, value));
        }
        text
    }

    fn cast() -> Cast {
        Cast {
            processes: [(7, "apiserver"), (9, "etcd")].into(),
            pods: [("p1".to_owned(), "flux")].into(),
        }
    }

    #[test]
    fn each_component_gets_its_own_and_a_zone_within_another_is_not_added() {
        let (first, last) = (
            Reading::parse(&metrics(100.0, 1.0)),
            Reading::parse(&metrics(110.0, 3.0)),
        );
        let values = between(&first, &last, &cast());
        for (name, expected) in [
            ("apiserver_joules", 22.0),
            ("apiserver_cpu_seconds", 10.0),
            ("flux_joules", 6.0),
            ("flux_cpu_seconds", 4.0),
            ("etcd_joules", 0.0),
            ("workloads_cpu_seconds", 0.0),
            ("cluster_joules", 28.0),
            ("cluster_cpu_seconds", 14.0),
            ("node_joules", 180.0),
            ("node_active_joules", 100.0),
            ("agent_cpu_seconds", 1.0),
        ] {
            assert_eq!(values.get(name), Some(&expected), "{name}");
        }
        assert_eq!((last.at, last.provenance.as_str()), (110.0, "modelled"));
        assert_eq!(last.containers["c1"].processes, [21].into());
    }

    #[test]
    fn a_runtime_s_process_that_ended_does_not_silence_its_pod() {
        // What the study saw for days: the first process of each container had set
        // it up and was gone, so that the network of every pod came to 0.
        let line = |pid: i32, container: &str| {
            format!(
                "kepler_process_cpu_seconds_total{{pid=\"{pid}\",comm=\"c\",exe=\"\",type=\"container\",container_id=\"{container}\",vm_id=\"\",node_name=\"n\"}} 1\n"
            )
        };
        let of_pod = |container: &str, pod: &str| {
            format!(
                "kepler_container_cpu_seconds_total{{container_id=\"{container}\",container_name=\"\",runtime=\"containerd\",state=\"running\",pod_id=\"{pod}\",node_name=\"n\"}} 1\n"
            )
        };
        let text = [
            (10, "pause1", "p1"),
            (19, "c1", "p1"),
            (21, "c1", "p1"),
            (30, "c2", "p2"),
            (40, "c3", "p3"),
        ]
        .map(|(pid, container, pod)| line(pid, container) + &of_pod(container, pod))
        .concat();
        let reading = Reading::parse(&text);
        let pods: BTreeMap<String, &'static str> = [
            ("p1".to_owned(), "flux"),
            ("p2".to_owned(), "flux"),
            ("p3".to_owned(), "workloads"),
        ]
        .into();
        let at = |of_p2: Option<u64>, grown: u64| {
            network(&reading, &pods, "flux", |process| match process {
                21 | 10 => Some(1_000 + grown),
                30 => of_p2,
                40 => Some(7),
                _ => None,
            })
        };
        let (first, last) = (at(Some(50), 0), at(Some(80), 200));
        // Once for the pod, though two of its containers share the network.
        assert_eq!(network_between(&first, &last, 2), Some(230));
        assert_eq!(network_between(&at(None, 0), &last, 2), None);
        assert_eq!(network_between(&first, &at(Some(3), 200), 2), None);
        assert_eq!(
            network_between(&BTreeMap::new(), &BTreeMap::new(), 0),
            Some(0)
        );
    }

    #[test]
    fn a_container_that_began_between_two_readings_counts_from_nothing() {
        let first = Reading::parse("");
        let last = Reading::parse(&metrics(5.0, 1.0));
        let values = between(&first, &last, &cast());
        assert_eq!(values.get("flux_joules"), Some(&3.0));
        assert_eq!(values.len(), 2 * COMPONENTS.len() + 5);
    }
}
