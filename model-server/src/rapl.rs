//! What RAPL would read: power of processor packages and of memory, on
//! machines whose registers nobody can read.
//!
//! It stands on the published curves of a few EC2 bare-metal hosts, all of one
//! vendor: the host's own curve where its CPU is among them, else their mean
//! ratio to the design power or to the threads. That is little, and the bounds
//! say so. This is no power at the plug, and no model of it stands on this.

use std::collections::{BTreeMap, BTreeSet};

use tanso_power::model::MachineFeatures;

use crate::catalog::Catalog;
use crate::conformal::Scored;
use crate::features::{Machine, cpu_name};
use crate::host::{Curve, Host, LOADS};
use crate::learn::mean;
use crate::resolve::{Atlas, Resolved};
use crate::tiers::{Assessed, Tier};

/// Bounds of machines of another vendor than the hosts' are wider by this
/// power: nobody published one.
const STRANGER: f64 = 2.0;
/// So are those of a memory whose size is assumed.
const ASSUMED: f64 = 2.0;

/// One published package curve.
struct Package {
    cpu: String,
    machine: String,
    watts: Curve,
    sockets: f64,
    threads: f64,
    /// Design power of all sockets, if it is known or can be guessed.
    tdp_w: Option<f64>,
}

/// One published memory curve.
struct Memory {
    machine: String,
    watts: Curve,
    mem_gb: f64,
}

/// What was learned from the published curves.
#[derive(Debug)]
pub struct Rapl {
    /// Package watts per socket by CPU, and the host's sockets.
    hosts: BTreeMap<String, (Curve, f64)>,
    per_tdp: Curve,
    per_thread: Curve,
    per_gb: Curve,
    /// Memory per thread of the hosts, GiB.
    gb_per_thread: f64,
    /// Threads of a usual host.
    threads: f64,
    vendor: String,
    /// The errors of the package's tiers and of memory.
    pub assessed: Vec<Assessed>,
}

/// A component's curve before its bounds.
pub(crate) struct Component {
    pub(crate) name: &'static str,
    pub(crate) tier: Tier,
    pub(crate) watts: Curve,
    pub(crate) deviation: f64,
    /// How it was come by, for people.
    pub(crate) why: String,
}

impl Rapl {
    /// Learns from the catalogue; `tdp_w` says a host's design power.
    #[must_use]
    pub fn learn(catalog: &Catalog, atlas: &Atlas, tdp_w: impl Fn(&Host) -> Option<f64>) -> Self {
        let (packages, memories) = gather(catalog, atlas, tdp_w);
        let per_tdp = |one: &Package| one.tdp_w;
        let per_thread = |one: &Package| Some(one.threads);
        let cpus: BTreeSet<&str> = packages.iter().map(|one| one.cpu.as_str()).collect();
        let hosts = cpus.into_iter().filter_map(|cpu| {
            let of_cpu: Vec<&Package> = packages.iter().filter(|one| one.cpu == cpu).collect();
            let sockets = of_cpu.first()?.sockets;
            let curve = ratio(&of_cpu, |one| Some(one.sockets))?;
            Some((cpu.to_owned(), (curve, sockets)))
        });
        let all: Vec<&Package> = packages.iter().collect();
        let per_gb: Vec<Curve> = memories
            .iter()
            .map(|one| one.watts.map(|watts| watts / one.mem_gb))
            .collect();
        Self {
            hosts: hosts.collect(),
            per_tdp: ratio(&all, per_tdp).unwrap_or([1.0; LOADS]),
            per_thread: ratio(&all, per_thread).unwrap_or([1.0; LOADS]),
            per_gb: log_mean(&per_gb).unwrap_or([0.1; LOADS]),
            gb_per_thread: mean(catalog.rapl.iter().map(|one| one.mem_gb / one.threads)),
            threads: mean(packages.iter().map(|one| one.threads)),
            vendor: "intel".to_owned(),
            assessed: vec![
                assess(Tier::RaplHost, &own_hosts(&packages)),
                assess(Tier::RaplTdp, &left_out(&packages, per_tdp)),
                assess(Tier::RaplThread, &left_out(&packages, per_thread)),
                assess(Tier::RaplMemory, &memory_left_out(&memories)),
            ],
        }
    }

    /// What is known of a tier's error.
    #[must_use]
    pub fn assessed(&self, tier: Tier) -> Option<&Assessed> {
        self.assessed.iter().find(|assessed| assessed.tier == tier)
    }

    /// The packages' and the memory's curves of a machine; `tdp_w` is the
    /// design power of its host's sockets together.
    pub(crate) fn components(&self, resolved: &Resolved, tdp_w: Option<f64>) -> [Component; 2] {
        let features = &resolved.features;
        let stranger = features.cpu_vendor.as_deref() != Some(self.vendor.as_str());
        let threads = features.threads.or(features.cores).map(f64::from);
        let mut package = self.package(resolved, tdp_w, threads);
        if stranger {
            package.deviation = STRANGER;
            package.why.push_str(
                "; no host of this vendor was published, so that the bounds are twice as wide",
            );
        }
        [package, self.memory(features, threads)]
    }

    fn package(&self, resolved: &Resolved, tdp_w: Option<f64>, threads: Option<f64>) -> Component {
        let share = resolved.share;
        let cpu = resolved.features.cpu_name.as_deref().map(cpu_name::key);
        let own = cpu.as_ref().and_then(|cpu| self.hosts.get(cpu));
        let host = resolved.host.as_ref().map(|host| host.sockets);
        let said = resolved.features.sockets.map(f64::from);
        let of = |tier: Tier, curve: &Curve, factor: f64, why: String| Component {
            name: "package",
            tier,
            watts: curve.map(|watts| watts * factor),
            deviation: 1.0,
            why,
        };
        if let Some((curve, published)) = own {
            let sockets = host.or(said).unwrap_or(*published);
            let why = "package: RAPL was published of an EC2 host with this CPU".to_owned();
            return of(Tier::RaplHost, curve, sockets * share, why);
        }
        let hosts = self.hosts.len();
        if let Some(tdp_w) = tdp_w {
            let why = format!(
                "package: mean ratio to the design power ({tdp_w:.0} W) on EC2 hosts of {hosts} CPU models"
            );
            return of(Tier::RaplTdp, &self.per_tdp, tdp_w * share, why);
        }
        let (threads, assumed) = threads.map_or(
            (
                self.threads,
                ", of which it is assumed to have the usual number",
            ),
            |threads| (threads, ""),
        );
        let why =
            format!("package: mean watts per thread on EC2 hosts of {hosts} CPU models{assumed}");
        of(Tier::RaplThread, &self.per_thread, threads, why)
    }

    fn memory(&self, features: &MachineFeatures, threads: Option<f64>) -> Component {
        let assumed = threads.unwrap_or(self.threads) * self.gb_per_thread;
        let (mem_gb, deviation, note) = features.mem_gb.map_or_else(
            || {
                (
                    assumed,
                    ASSUMED,
                    format!(", {assumed:.0} GiB assumed and bounds twice as wide"),
                )
            },
            |mem_gb| (mem_gb, 1.0, String::new()),
        );
        Component {
            name: "dram",
            tier: Tier::RaplMemory,
            watts: self.per_gb.map(|watts| watts * mem_gb),
            deviation,
            why: format!("memory: mean watts per GiB that RAPL showed on those hosts{note}"),
        }
    }
}

fn gather(
    catalog: &Catalog,
    atlas: &Atlas,
    tdp_w: impl Fn(&Host) -> Option<f64>,
) -> (Vec<Package>, Vec<Memory>) {
    let (mut packages, mut memories) = (Vec::new(), Vec::new());
    for curve in &catalog.rapl {
        if curve.component == "dram" {
            memories.push(Memory {
                machine: curve.machine.clone(),
                watts: curve.watts,
                mem_gb: curve.mem_gb,
            });
            continue;
        }
        let count = |number: f64| crate::resolve::whole(number);
        let machine = Machine::new(MachineFeatures {
            cpu_name: Some(curve.processor.clone()),
            sockets: count(curve.sockets),
            threads: count(curve.threads),
            mem_gb: Some(curve.mem_gb),
            virtual_machine: Some(false),
            ..MachineFeatures::default()
        });
        let host = atlas.resolve(&machine).host;
        packages.push(Package {
            cpu: cpu_name::key(&curve.processor),
            machine: curve.machine.clone(),
            watts: curve.watts,
            sockets: curve.sockets,
            threads: curve.threads,
            tdp_w: host.as_ref().and_then(&tdp_w),
        });
    }
    (packages, memories)
}

/// The mean of curves, as logarithms.
fn log_mean(curves: &[Curve]) -> Option<Curve> {
    (!curves.is_empty()).then(|| {
        std::array::from_fn(|level| {
            mean(curves.iter().map(|curve| curve[level].max(1e-6).ln())).exp()
        })
    })
}

/// The mean ratio of package power to a unit, each CPU model weighing alike.
fn ratio(packages: &[&Package], unit: impl Fn(&Package) -> Option<f64>) -> Option<Curve> {
    let mut by_cpu: BTreeMap<&str, Vec<Curve>> = BTreeMap::new();
    for one in packages {
        if let Some(unit) = unit(one) {
            let curves = by_cpu.entry(one.cpu.as_str()).or_default();
            curves.push(one.watts.map(|watts| watts / unit));
        }
    }
    let of_cpus: Vec<Curve> = by_cpu
        .values()
        .filter_map(|curves| log_mean(curves))
        .collect();
    log_mean(&of_cpus)
}

/// Each curve predicted by the other curves of its CPU.
fn own_hosts(packages: &[Package]) -> Vec<Scored> {
    let predict = |at: usize| {
        let one = &packages[at];
        let others = packages.iter().enumerate();
        let others: Vec<&Package> = others
            .filter(|(other, package)| *other != at && package.cpu == one.cpu)
            .map(|(_, package)| package)
            .collect();
        let curve = ratio(&others, |other| Some(other.sockets))?;
        Some(scored(one, curve.map(|watts| watts * one.sockets)))
    };
    (0..packages.len()).filter_map(predict).collect()
}

/// Each curve predicted by the hosts of other CPUs.
fn left_out(packages: &[Package], unit: impl Fn(&Package) -> Option<f64>) -> Vec<Scored> {
    let predict = |one: &Package| {
        let others = packages.iter().filter(|other| other.cpu != one.cpu);
        let curve = ratio(&others.collect::<Vec<_>>(), &unit)?;
        let unit = unit(one)?;
        Some(scored(one, curve.map(|watts| watts * unit)))
    };
    packages.iter().filter_map(predict).collect()
}

fn memory_left_out(memories: &[Memory]) -> Vec<Scored> {
    let predict = |at: usize| {
        let one = &memories[at];
        let others = memories.iter().enumerate();
        let per_gb: Vec<Curve> = others
            .filter(|(other, _)| *other != at)
            .map(|(_, other)| other.watts.map(|watts| watts / other.mem_gb))
            .collect();
        let curve = log_mean(&per_gb)?;
        Some(Scored {
            id: one.machine.clone(),
            family: one.machine.clone(),
            levels: (0..LOADS).collect(),
            truth: one.watts.to_vec(),
            predicted: curve.map(|watts| watts * one.mem_gb).to_vec(),
            deviation: 1.0,
        })
    };
    (0..memories.len()).filter_map(predict).collect()
}

fn scored(one: &Package, predicted: Curve) -> Scored {
    Scored {
        id: one.machine.clone(),
        family: one.cpu.clone(),
        levels: (0..LOADS).collect(),
        truth: one.watts.to_vec(),
        predicted: predicted.to_vec(),
        deviation: 1.0,
    }
}

fn assess(tier: Tier, scored: &[Scored]) -> Assessed {
    Assessed::new(tier, scored, LOADS, LOADS / 2)
}

#[cfg(test)]
mod tests {
    use crate::select::tests::selector;

    #[test]
    fn a_host_of_the_tables_reads_what_was_published_of_it() {
        let rapl = selector().rapl();
        let cpus: Vec<&str> = rapl.hosts.keys().map(String::as_str).collect();
        assert!(cpus.iter().any(|cpu| cpu.contains("8259cl")), "{cpus:?}");
        // The published fits of m5.metal and r5.metal say 449 to 456 W.
        let host = rapl.hosts.iter().find(|(cpu, _)| cpu.contains("8259cl"));
        let (per_socket, sockets) = host.unwrap().1;
        let full = sockets * per_socket[10];
        assert!((445.0..460.0).contains(&full), "{full}");
        for assessed in &rapl.assessed {
            let score = &assessed.score;
            assert!(score.machines >= 3, "{:?}", assessed.tier);
            println!(
                "{}",
                serde_json::json!({"test": "rapl", "tier": assessed.tier.name(), "curves": score.machines, "mape_percent": score.mape_percent})
            );
        }
    }
}
