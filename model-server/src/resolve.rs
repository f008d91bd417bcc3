//! From what a machine says of itself to the physical host behind it.
//!
//! Whatever is filled in from the catalogue is noted, for the explanation.
//! Nothing here predicts power.

use std::collections::BTreeMap;

use tanso_power::model::MachineFeatures;

use crate::catalog::Catalog;
use crate::catalog::designs::{Design, Designs};
use crate::catalog::instances::{InstanceFigure, Platform};
use crate::features::{Machine, cpu_name, cpuid, maker};
use crate::host::{Form, Host, median};

/// What the catalogue knows of CPUs and instance types.
#[derive(Debug)]
pub struct Atlas {
    cpus: BTreeMap<String, Facts>,
    families: BTreeMap<String, Facts>,
    vendors: BTreeMap<String, usize>,
    figures: BTreeMap<String, InstanceFigure>,
    types: BTreeMap<String, MachineFeatures>,
    platforms: Vec<(String, Platform)>,
    designs: Designs,
}

/// The usual figures of a CPU model or of a family.
#[derive(Clone, Debug)]
struct Facts {
    vendor: String,
    microarch: String,
    sockets: f64,
    cores_per_socket: f64,
    threads_per_core: f64,
    base_mhz: f64,
    tdp_w: f64,
    year: f64,
}

/// A machine as far as it could be made out.
#[derive(Clone, Debug, Default)]
pub struct Resolved {
    /// The features with vendor, family and an instance type's size filled in.
    pub features: MachineFeatures,
    /// Published figures of its instance type.
    pub figure: Option<InstanceFigure>,
    /// The physical machine, if enough is known of it.
    pub host: Option<Host>,
    /// Its own threads over its host's; 1 unless it is virtual.
    pub share: f64,
    /// Whether its CPU model is among the measured ones.
    pub cpu_known: bool,
    /// Whether its family is.
    pub family_known: bool,
    /// Whether its vendor is.
    pub vendor_known: bool,
    /// What was assumed, for people.
    pub notes: Vec<String>,
}

/// Fewer machines of a vendor than these teach nothing about its next family.
pub(crate) const ENOUGH_OF_A_VENDOR: usize = 20;

impl Atlas {
    /// Gathers the facts of the catalogue.
    #[must_use]
    pub fn new(catalog: &Catalog) -> Self {
        let hosts = || catalog.machines.iter().map(|machine| &machine.host);
        let mut vendors = BTreeMap::new();
        for host in hosts() {
            *vendors.entry(host.vendor.clone()).or_default() += 1;
        }
        let types = catalog.instance_types.iter().map(|kind| {
            let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            let features = MachineFeatures {
                cpu_name: text(&kind.platform_cpu),
                microarch: text(&kind.microarch),
                threads: whole(kind.vcpus),
                mem_gb: kind.mem_gb,
                virtual_machine: Some(!is_metal(&kind.instance_type)),
                ..MachineFeatures::default()
            };
            (kind.instance_type.clone(), features)
        });
        Self {
            designs: catalog.designs.clone(),
            cpus: gather(hosts(), |host| &host.cpu),
            families: gather(hosts(), |host| &host.microarch),
            vendors,
            figures: catalog
                .instance_figures
                .iter()
                .map(|figure| (figure.instance_type.clone(), figure.clone()))
                .collect(),
            types: types.collect(),
            platforms: catalog
                .platforms
                .iter()
                .map(|platform| (cpu_name::key(&platform.cpu_name), platform.clone()))
                .collect(),
        }
    }

    /// Makes out the host of a machine.
    #[must_use]
    pub fn resolve(&self, machine: &Machine) -> Resolved {
        let mut resolved = Resolved {
            features: machine.features.clone(),
            share: 1.0,
            ..Resolved::default()
        };
        self.instance(&mut resolved);
        let features = &mut resolved.features;
        let name = features.cpu_name.clone().unwrap_or_default();
        let cpu = cpu_name::key(&name);
        let facts = self.cpus.get(&cpu).filter(|_| !cpu.is_empty());
        let vendor = features
            .cpu_vendor
            .as_deref()
            .map(|given| cpu_name::vendor(given).unwrap_or(given).to_owned());
        features.cpu_vendor = vendor
            .or_else(|| cpu_name::vendor(&name).map(str::to_owned))
            .or_else(|| Some(facts?.vendor.clone()));
        features.microarch = self.microarch(features, facts);
        let family = features
            .microarch
            .as_ref()
            .and_then(|family| self.families.get(family));
        if features.cpu_vendor.is_none() {
            features.cpu_vendor = family.map(|family| family.vendor.clone());
        }
        resolved.cpu_known = facts.is_some();
        resolved.family_known = family.is_some();
        let vendor = resolved
            .features
            .cpu_vendor
            .as_ref()
            .and_then(|vendor| self.vendors.get(vendor));
        resolved.vendor_known = vendor.is_some_and(|machines| *machines >= ENOUGH_OF_A_VENDOR);
        if resolved.features.virtual_machine == Some(true) {
            self.host_of_guest(&mut resolved, &cpu, facts, family);
        } else {
            resolved.host = whole_machine(&mut resolved, &cpu, facts, family);
        }
        if let Some(host) = &mut resolved.host {
            add_details(host, machine);
            host.design = self.designs.of(&host.microarch, &host.vendor, host.year);
        }
        resolved
    }

    /// Fills in what the instance type says, where the machine did not.
    fn instance(&self, resolved: &mut Resolved) {
        let Some(name) = resolved.features.instance_type.clone() else {
            return;
        };
        resolved.figure = self.figures.get(&name).cloned();
        let features = &mut resolved.features;
        if let Some(figure) = &resolved.figure {
            features.threads = features.threads.or(whole(figure.vcpus));
            features.mem_gb = features.mem_gb.or(Some(figure.mem_gb));
            features
                .cpu_name
                .get_or_insert_with(|| figure.platform_cpu.clone());
        } else if let Some(kind) = self.types.get(&name) {
            features.threads = features.threads.or(kind.threads);
            features.mem_gb = features.mem_gb.or(kind.mem_gb);
            features.microarch = features.microarch.take().or_else(|| kind.microarch.clone());
            features.cpu_name = features.cpu_name.take().or_else(|| kind.cpu_name.clone());
        } else {
            resolved
                .notes
                .push(format!("instance type \"{name}\" is in no bundled table"));
        }
        features.virtual_machine.get_or_insert(!is_metal(&name));
    }

    fn microarch(&self, features: &MachineFeatures, facts: Option<&Facts>) -> Option<String> {
        let given = features.microarch.as_ref().map(|given| {
            let known = self.families.contains_key(given).then_some(given.as_str());
            known
                .or_else(|| cpu_name::family_named(given))
                .unwrap_or(given)
                .to_owned()
        });
        given
            .or_else(|| facts.map(|facts| facts.microarch.clone()))
            .or_else(|| cpu_name::microarch(features.cpu_name.as_deref()?).map(str::to_owned))
            .or_else(|| {
                cpuid::microarch(features.cpu_vendor.as_deref(), features.cpuid?).map(str::to_owned)
            })
    }

    /// The host that a guest runs on: the usual machine with its CPU model, or
    /// its cloud's platform; unknown if neither is.
    fn host_of_guest(
        &self,
        resolved: &mut Resolved,
        cpu: &str,
        facts: Option<&Facts>,
        family: Option<&Facts>,
    ) {
        let features = &resolved.features;
        let Some(threads) = features.threads.map(f64::from) else {
            return;
        };
        let platform = self
            .platforms
            .iter()
            .find(|(key, _)| !cpu.is_empty() && key == cpu)
            .map(|(_, platform)| platform);
        let Some(usual) = facts.or(platform.and(family)) else {
            return;
        };
        let sockets = platform.map_or(usual.sockets, |platform| platform.sockets);
        let host_threads = platform.map_or(
            usual.cores_per_socket * sockets * usual.threads_per_core,
            |platform| platform.vcpus,
        );
        let share = (threads / host_threads).min(1.0);
        let host = Host {
            cpu: cpu.to_owned(),
            vendor: usual.vendor.clone(),
            microarch: usual.microarch.clone(),
            maker: String::new(),
            design: Design::TODAY,
            sockets,
            cores: host_threads / usual.threads_per_core,
            threads: host_threads,
            base_mhz: features
                .base_mhz
                .or(facts.map(|facts| facts.base_mhz))
                .unwrap_or(usual.base_mhz),
            tdp_w: facts.map_or(0.0, |facts| facts.tdp_w),
            year: usual.year,
            // Memory is sold with the threads.
            mem_gb: features.mem_gb.map(|mem| mem / share),
            l3_mb: None,
            dimms: None,
            psu_w: None,
            form: None,
            nodes: 1.0,
        };
        let source = if platform.is_some() {
            "which its cloud runs with"
        } else {
            "assumed to have"
        };
        resolved.notes.push(format!(
            "it owns {threads} of the {host_threads} threads of a host {source} {sockets} sockets, so that share of the host's curve"
        ));
        resolved.share = share;
        resolved.host = Some(host);
    }
}

/// A machine that is no guest, from its own words first, then from its CPU
/// model's; `None` if threads or thermal design power stay unknown.
fn whole_machine(
    resolved: &mut Resolved,
    cpu: &str,
    facts: Option<&Facts>,
    family: Option<&Facts>,
) -> Option<Host> {
    let features = &resolved.features;
    // A family's design power can be guessed, a stranger's cannot.
    let tdp_w = features
        .tdp_w
        .or(facts.map(|facts| facts.tdp_w))
        .or(family.map(|_| 0.0))?;
    if tdp_w == 0.0 && features.cores.is_none() && features.threads.is_none() {
        return None;
    }
    let per_core = facts.or(family).map_or(2.0, |facts| facts.threads_per_core);
    let said_threads = features.threads.map(f64::from);
    let said_cores = features
        .cores
        .map(f64::from)
        .or_else(|| said_threads.map(|threads| (threads / per_core).max(1.0)));
    let sockets = features.sockets.map(f64::from).or_else(|| {
        let facts = facts?;
        Some(said_cores.map_or(facts.sockets, |cores| {
            (cores / facts.cores_per_socket).round().max(1.0)
        }))
    });
    let sockets = sockets.unwrap_or(1.0);
    let cores = said_cores.or_else(|| Some(facts?.cores_per_socket * sockets))?;
    let mut assume = |what: &str, value: f64| {
        resolved.notes.push(format!("{what} {value} is assumed"));
        value
    };
    let usual = facts.or(family);
    let base_mhz = features
        .base_mhz
        .or(usual.map(|usual| usual.base_mhz))
        .unwrap_or_else(|| assume("a clock in MHz of", 2_400.0));
    let year = features
        .year
        .map(|year| f64::from(year) + 0.5)
        .or(usual.map(|usual| usual.year));
    Some(Host {
        cpu: cpu.to_owned(),
        vendor: features.cpu_vendor.clone().unwrap_or_default(),
        microarch: features.microarch.clone().unwrap_or_default(),
        maker: String::new(),
        design: Design::TODAY,
        sockets,
        cores,
        threads: said_threads.unwrap_or(cores * per_core),
        base_mhz,
        tdp_w,
        year: year.unwrap_or_else(|| assume("a year of sale of", 2_022.0)),
        mem_gb: features.mem_gb,
        l3_mb: None,
        dimms: None,
        psu_w: None,
        form: None,
        nodes: 1.0,
    })
}

fn add_details(host: &mut Host, machine: &Machine) {
    let server = &machine.server;
    host.nodes = server.nodes.unwrap_or(1.0);
    host.l3_mb = server.l3_mb_per_socket;
    host.dimms = server.dimms;
    host.psu_w = server
        .psu_count
        .zip(server.psu_rating_w)
        .map(|(psu_count, rating_w)| psu_count * rating_w / host.nodes);
    host.maker = server
        .system_vendor
        .as_deref()
        .map(maker)
        .unwrap_or_default();
    host.form = server.form_factor.as_deref().and_then(Form::parse);
}

/// The medians of the hosts with one name.
fn gather<'a>(
    hosts: impl Iterator<Item = &'a Host>,
    name: impl Fn(&Host) -> &str,
) -> BTreeMap<String, Facts> {
    let mut groups: BTreeMap<String, Vec<&Host>> = BTreeMap::new();
    for host in hosts {
        groups.entry(name(host).to_owned()).or_default().push(host);
    }
    let facts = |hosts: &[&Host]| {
        let first = hosts.first()?;
        let median = |figure: fn(&Host) -> f64| median(hosts, figure);
        Some(Facts {
            vendor: first.vendor.clone(),
            microarch: first.microarch.clone(),
            sockets: median(|host| host.sockets),
            cores_per_socket: median(|host| host.cores / host.sockets),
            threads_per_core: median(|host| host.threads / host.cores),
            base_mhz: median(|host| host.base_mhz),
            tdp_w: median(|host| host.tdp_w),
            year: median(|host| host.year),
        })
    };
    groups
        .iter()
        .filter_map(|(name, hosts)| Some((name.clone(), facts(hosts)?)))
        .collect()
}

fn is_metal(instance_type: &str) -> bool {
    instance_type.contains(".metal")
}

/// A whole count of a table.
pub(crate) fn whole(number: f64) -> Option<u32> {
    (1..=16_384).find(|n| (f64::from(*n) - number).abs() < 0.5)
}

impl Atlas {
    /// Published instance figures.
    pub fn figures(&self) -> impl Iterator<Item = &InstanceFigure> {
        self.figures.values()
    }
}
