//! From counters to records: what each account of a node used, minute by
//! minute.
//!
//! Pure. A node's energy is all in its records: what neither a pod nor idle
//! power accounts for is the system's. Of zones that contain each other the
//! outermost count, as in an agent's own records.

use std::collections::BTreeMap;

use tanso_agent_wire::energy::{Account, Names, Record};
use tanso_agent_wire::families;
use tanso_agent_wire::zone::{Zone, ZoneClass};
use tanso_intensity::service::prometheus::Line;
use tanso_power::{Estimate, Joules, Provenance};

use super::growth::Curve;

/// A name for the pod's only entry: containers are not told apart here.
const WHOLE_POD: &str = "pod";

/// Where Kepler reads a zone of a processor.
const POWERCAP: &str = "/sys/class/powercap/intel-rapl:";

/// What Kepler's own fake meter says instead.
const KEPLERS_FAKE: &str = "/sys/class/powercap/intel-rapl/energy_";

/// The metrics that are asked for.
#[must_use]
pub fn metrics() -> [&'static str; 11] {
    [
        families::NODE_JOULES.name,
        families::NODE_IDLE_JOULES.name,
        families::NODE_GPU_JOULES.name,
        families::NODE_GPU_IDLE_JOULES.name,
        families::POD_JOULES.name,
        families::POD_GPU_JOULES.name,
        families::CONTAINER_SECONDS.name,
        families::TOTAL_JOULES.name,
        families::TOTAL_BOUND_JOULES.name,
        families::ACCOUNT_JOULES.name,
        families::PROVENANCE_INFO.name,
    ]
}

/// A pod's counters on a node.
#[derive(Debug, Default)]
struct PodCurves {
    names: Names,
    zones: BTreeMap<ZoneClass, Curve>,
    cpu: BTreeMap<String, Curve>,
}

/// The counters of one node.
#[derive(Debug, Default)]
pub struct NodeCurves {
    zones: BTreeMap<Zone, Curve>,
    idle_zones: BTreeMap<Zone, Curve>,
    pods: BTreeMap<String, PodCurves>,
    total: BTreeMap<Provenance, Curve>,
    lower: Curve,
    upper: Curve,
    idle_account: Option<Curve>,
    models: BTreeMap<String, Curve>,
}

/// Sorts the lines of an answer by node. A line without a node's name, or of
/// a zone that nobody knows, says nothing here.
#[must_use]
pub fn by_node(lines: &[Line]) -> BTreeMap<String, NodeCurves> {
    let mut nodes: BTreeMap<String, NodeCurves> = BTreeMap::new();
    for line in lines {
        let node = line.metric.get("node_name").filter(|name| !name.is_empty());
        if let Some(node) = node {
            nodes.entry(node.clone()).or_default().add(line);
        }
    }
    nodes
}

impl NodeCurves {
    fn add(&mut self, line: &Line) {
        let label = |name: &str| line.metric.get(name).map_or("", String::as_str);
        let name = label("__name__");
        let gpu = || Zone {
            class: ZoneClass::Gpu,
            path: label("gpu_uuid").to_owned(),
        };
        let zone = || {
            Some(Zone {
                class: ZoneClass::from_label(label("zone"))?,
                path: label("path").to_owned(),
            })
        };
        let curve = if name == families::NODE_JOULES.name {
            zone().map(|zone| self.zones.entry(zone).or_default())
        } else if name == families::NODE_GPU_JOULES.name {
            Some(self.zones.entry(gpu()).or_default())
        } else if name == families::NODE_IDLE_JOULES.name {
            zone().map(|zone| self.idle_zones.entry(zone).or_default())
        } else if name == families::NODE_GPU_IDLE_JOULES.name {
            Some(self.idle_zones.entry(gpu()).or_default())
        } else if name == families::TOTAL_JOULES.name {
            provenance_of(label("provenance")).map(|one| self.total.entry(one).or_default())
        } else if name == families::TOTAL_BOUND_JOULES.name {
            match label("bound") {
                "low" => Some(&mut self.lower),
                "high" => Some(&mut self.upper),
                _ => None,
            }
        } else if name == families::ACCOUNT_JOULES.name {
            (label("account") == "idle").then(|| self.idle_account.get_or_insert_default())
        } else if name == families::PROVENANCE_INFO.name {
            let model = label("model");
            (!model.is_empty()).then(|| self.models.entry(model.to_owned()).or_default())
        } else {
            self.pod_curve(name, &label)
        };
        if let Some(curve) = curve {
            for (at, value) in &line.values {
                curve.insert(*at, value.parse().unwrap_or(f64::NAN));
            }
        }
    }

    fn pod_curve<'a>(
        &mut self,
        name: &str,
        label: &impl Fn(&str) -> &'a str,
    ) -> Option<&mut Curve> {
        let uid = label("pod_id");
        if uid.is_empty() {
            return None;
        }
        let pod = self.pods.entry(uid.to_owned()).or_default();
        if name == families::CONTAINER_SECONDS.name {
            let container = label("container_id").to_owned();
            return Some(pod.cpu.entry(container).or_default());
        }
        let text = |name: &str| Some(label(name).to_owned()).filter(|text| !text.is_empty());
        pod.names.namespace = text("pod_namespace").or(pod.names.namespace.take());
        pod.names.pod = text("pod_name").or(pod.names.pod.take());
        let class = match name {
            _ if name == families::POD_JOULES.name => ZoneClass::from_label(label("zone"))?,
            _ if name == families::POD_GPU_JOULES.name => ZoneClass::Gpu,
            _ => return None,
        };
        Some(pod.zones.entry(class).or_default())
    }

    /// Whether the node's meter was seen at that time.
    fn is_seen_at(&self, time: i64) -> bool {
        let mut all = self.total.values().chain(self.zones.values());
        all.any(|curve| curve.is_seen_at(time))
    }

    /// Up to when it is known what it used, by the counters that its energy is of;
    /// `None` where nothing was counted. Of what is past the last value counts,
    /// though no other follows it.
    #[must_use]
    pub fn known_until(&self, is_past: bool) -> Option<i64> {
        let pods = || self.pods.values();
        let curves: Vec<&Curve> = if !self.total.is_empty() {
            self.total.values().collect()
        } else if !self.zones.is_empty() {
            self.zones.values().collect()
        } else {
            let energy = pods().flat_map(|pod| pod.zones.values());
            energy
                .chain(pods().flat_map(|pod| pod.cpu.values()))
                .collect()
        };
        let changes = curves.into_iter().filter_map(Curve::last_change);
        changes
            .map(|(before, after)| if is_past { after } else { before })
            .max()
    }

    /// The zones that make the node's total.
    fn counted(&self) -> Vec<&Zone> {
        let present = || self.zones.keys();
        present()
            .filter(|zone| zone.counts_among(present()))
            .collect()
    }

    /// The records of the minutes from `from` on, by minute and account;
    /// their sequence numbers follow `after`.
    #[must_use]
    pub fn records(&self, from: i64, after: u64) -> Vec<Record> {
        let mut minutes: BTreeMap<i64, Minute<'_>> = BTreeMap::new();
        self.gather_node(from, &mut minutes);
        self.gather_pods(from, &mut minutes);
        let mut owed = 0;
        let mut records = Vec::new();
        for (minute, found) in &minutes {
            let figures = self.figures(*minute, found);
            owed = found.write(*minute, &figures, owed, &mut records);
        }
        for (record, sequence) in records.iter_mut().zip(after.saturating_add(1)..) {
            record.sequence = sequence;
        }
        records
    }

    fn gather_node<'a>(&'a self, from: i64, minutes: &mut BTreeMap<i64, Minute<'a>>) {
        let seen = |time| self.is_seen_at(time);
        let counted = self.counted();
        let has_own = !self.total.is_empty();
        for (provenance, curve) in &self.total {
            for grown in curve.growth(from, seen) {
                let minute = minutes.entry(grown.minute).or_default();
                minute.total += grown.amount;
                minute.is_late |= grown.is_late;
                minute.seen = minute.seen.max(Some(*provenance));
                if grown.amount > 0 {
                    minute.provenance = minute.provenance.max(Some(*provenance));
                }
            }
        }
        for zone in counted.iter().filter(|_| !has_own) {
            for grown in self.zones[*zone].growth(from, seen) {
                let minute = minutes.entry(grown.minute).or_default();
                minute.total += grown.amount;
                minute.is_late |= grown.is_late;
                minute.provenance = minute.provenance.max(Some(provenance_by_path(&zone.path)));
            }
        }
        let zones = self.idle_zones.iter();
        let zones = zones.filter(|(zone, _)| self.idle_account.is_none() && counted.contains(zone));
        for curve in self
            .idle_account
            .iter()
            .chain(zones.map(|(_, curve)| curve))
        {
            for grown in curve.growth(from, seen) {
                minutes.entry(grown.minute).or_default().idle += grown.amount;
            }
        }
        for (bound, is_lower) in [(&self.lower, true), (&self.upper, false)] {
            for grown in bound.growth(from, seen) {
                let minute = minutes.entry(grown.minute).or_default();
                let side = if is_lower {
                    &mut minute.low
                } else {
                    &mut minute.high
                };
                *side = Some(grown.amount);
            }
        }
    }

    fn gather_pods<'a>(&'a self, from: i64, minutes: &mut BTreeMap<i64, Minute<'a>>) {
        let seen = |time| self.is_seen_at(time);
        let counted: Vec<ZoneClass> = self.counted().iter().map(|zone| zone.class).collect();
        for (uid, pod) in &self.pods {
            // Without the node's own zones the pod's say what there is.
            let own: Vec<ZoneClass> = pod.zones.keys().copied().collect();
            let counts = |class: &ZoneClass| {
                if counted.is_empty() {
                    class.counts_among(&own)
                } else {
                    counted.contains(class)
                }
            };
            let zones = pod.zones.iter().filter(|(class, _)| counts(class));
            let energy = zones.map(|(_, curve)| (curve, true));
            let cpu = pod.cpu.values().map(|curve| (curve, false));
            for (curve, is_energy) in energy.chain(cpu) {
                for grown in curve.growth(from, seen) {
                    let minute = minutes.entry(grown.minute).or_default();
                    let used = minute
                        .pods
                        .entry(uid)
                        .or_insert_with(|| Used::of(&pod.names));
                    if is_energy {
                        used.energy += grown.amount;
                    } else {
                        used.cpu_us += grown.amount;
                    }
                    used.is_late |= grown.is_late;
                }
            }
        }
    }

    fn figures(&self, minute: i64, found: &Minute<'_>) -> Figures {
        // What is not known to be measured is not called measured.
        let known = found.provenance.or(found.seen);
        let provenance = known.unwrap_or(Provenance::Modelled);
        let end = minute + super::growth::MINUTE_S;
        let model = self.models.iter().find(|(_, curve)| curve.is_seen_at(end));
        Figures {
            provenance,
            model: model
                .map(|(digest, _)| digest.clone())
                .filter(|_| provenance == Provenance::Modelled),
            total: found.total,
            bounds: found.low.zip(found.high),
        }
    }
}

/// What one pod used in a minute.
#[derive(Debug)]
struct Used<'a> {
    names: &'a Names,
    energy: u64,
    cpu_us: u64,
    is_late: bool,
}

impl<'a> Used<'a> {
    const fn of(names: &'a Names) -> Self {
        Self {
            names,
            energy: 0,
            cpu_us: 0,
            is_late: false,
        }
    }
}

/// What a node used in a minute, microjoules.
#[derive(Debug, Default)]
struct Minute<'a> {
    total: u64,
    idle: u64,
    is_late: bool,
    low: Option<u64>,
    high: Option<u64>,
    /// The worst of what the node's energy came from.
    provenance: Option<Provenance>,
    /// The worst that it may have come from: for a minute without energy.
    seen: Option<Provenance>,
    pods: BTreeMap<&'a String, Used<'a>>,
}

/// What holds for every record of a minute.
struct Figures {
    provenance: Provenance,
    model: Option<String>,
    total: u64,
    bounds: Option<(u64, u64)>,
}

impl Figures {
    /// A part of the node's energy with its part of the node's bounds. A
    /// model's figure without bounds may be anything up to its double.
    fn estimate(&self, energy: u64) -> Estimate<Joules> {
        let part = |bound: u64| {
            let product = u128::from(energy) * u128::from(bound);
            u64::try_from(product.div_ceil(u128::from(self.total.max(1)))).unwrap_or(u64::MAX)
        };
        let (low, high) = match (self.bounds, self.provenance) {
            (Some((low, high)), _) if self.total > 0 => (part(low), part(high)),
            (_, Provenance::Modelled) => (0, energy.saturating_mul(2)),
            _ => (energy, energy),
        };
        Estimate {
            low: Joules::from_microjoules(low.min(energy)),
            value: Joules::from_microjoules(energy),
            high: Joules::from_microjoules(high.max(energy)),
        }
    }

    fn record(&self, minute: i64, account: Account, energy: u64) -> Record {
        Record {
            sequence: 0,
            minute,
            account,
            names: Names::default(),
            energy_uj: self.estimate(energy),
            cpu_us: 0,
            provenance: self.provenance,
            model: self.model.clone(),
            caught_up: false,
            memory_peak_bytes: None,
        }
    }
}

impl Minute<'_> {
    /// Writes the minute's records. What pods and idle have above the node's
    /// total is owed by the system's share of the minutes after it; returns
    /// what stays owed.
    fn write(&self, minute: i64, figures: &Figures, owed: u64, records: &mut Vec<Record>) -> u64 {
        let mut given = self.idle;
        for (uid, used) in &self.pods {
            given = given.saturating_add(used.energy);
            let account = Account::Container {
                pod_uid: (*uid).clone(),
                container_id: WHOLE_POD.to_owned(),
            };
            records.push(Record {
                names: used.names.clone(),
                cpu_us: used.cpu_us,
                caught_up: used.is_late,
                ..figures.record(minute, account, used.energy)
            });
        }
        if self.idle > 0 {
            records.push(Record {
                caught_up: self.is_late,
                ..figures.record(minute, Account::Idle, self.idle)
            });
        }
        let rest = self.total.saturating_sub(given);
        let owed = owed.saturating_add(given.saturating_sub(self.total));
        let system = rest.saturating_sub(owed);
        if self.total > 0 {
            records.push(Record {
                caught_up: self.is_late,
                ..figures.record(minute, Account::System, system)
            });
            owed.saturating_sub(rest)
        } else {
            // Nothing to owe to: the node's own counters are not exported.
            0
        }
    }
}

fn provenance_of(label: &str) -> Option<Provenance> {
    Provenance::ALL
        .into_iter()
        .find(|provenance| provenance.as_str() == label)
}

/// Of an exporter that does not say it: what its path tells.
fn provenance_by_path(path: &str) -> Provenance {
    if path.starts_with(KEPLERS_FAKE) {
        Provenance::Simulated
    } else if path.starts_with(POWERCAP) || path.starts_with("aggregated-") {
        Provenance::Measured
    } else {
        Provenance::Modelled
    }
}

#[cfg(test)]
mod tests;
