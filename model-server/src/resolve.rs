//! From what a machine says of itself to the physical host behind it.
//!
//! Whatever is filled in from the catalogue is noted, for the explanation.
//! Nothing here predicts power.

mod machines;

use std::collections::{BTreeMap, BTreeSet};

use tanso_power::model::MachineFeatures;

use crate::catalog::Catalog;
use crate::catalog::curves::TrainingMachine;
use crate::catalog::designs::Designs;
use crate::catalog::instances::{InstanceFigure, Platform};
use crate::catalog::sheets::DataSheet;
use crate::features::{Machine, cpu_name, cpuid};
use crate::host::{Host, median};
use crate::partial::Told;
pub(crate) use machines::YEAR_ASSUMED;
use machines::{Known, add_details};

/// What the catalogue knows of CPUs and instance types.
#[derive(Debug)]
pub struct Atlas {
    /// Data sheets by CPU model and its vendor, as numbers are used twice
    /// (Opteron 6238, Xeon Gold 6238); measured or not.
    sheets: BTreeMap<Cpu, Facts>,
    measured: BTreeSet<Cpu>,
    families: BTreeMap<String, Facts>,
    vendors: BTreeMap<String, usize>,
    figures: BTreeMap<String, InstanceFigure>,
    types: BTreeMap<String, MachineFeatures>,
    platforms: Vec<(String, Platform)>,
    accelerated: BTreeSet<String>,
    designs: Designs,
}

/// A CPU model's key and its vendor.
type Cpu = (String, String);

fn cpu_of(host: &Host) -> Cpu {
    (host.cpu.clone(), host.vendor.clone())
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
    /// The machine by its own threads, where their number is known: what there
    /// is to go by if its host, or the design power, cannot be made out.
    pub part: Option<Host>,
    /// Its own threads over its host's; 1 unless it is virtual.
    pub share: f64,
    /// Whether its CPU model is among the measured ones.
    pub cpu_known: bool,
    /// Whether its family is.
    pub family_known: bool,
    /// Whether its vendor is.
    pub vendor_known: bool,
    /// All that it tells, and what its CPU's name or data sheet adds.
    pub told: Told,
    /// What of its host nothing tells.
    pub gaps: Gaps,
    /// What was assumed, for people.
    pub notes: Vec<String>,
}

/// What of a host nothing tells and cannot be taken from its like, so that the
/// host is not the one that its figures describe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gaps {
    /// How many sockets it has.
    pub sockets: bool,
    /// Of what time it is.
    pub year: bool,
    /// Its clock.
    pub clock: bool,
}

impl Resolved {
    /// Whether it is a guest that tells how large it is.
    #[must_use]
    pub fn is_sized_guest(&self) -> bool {
        self.features.virtual_machine == Some(true) && self.part.is_some()
    }
}

/// Fewer machines of a vendor than these teach nothing about its next family.
pub(crate) const ENOUGH_OF_A_VENDOR: usize = 20;

impl Atlas {
    /// Gathers the facts of the catalogue: what measured machines have comes
    /// before what their CPU's data sheet says.
    #[must_use]
    pub fn new(catalog: &Catalog) -> Self {
        let hosts = catalog.machines.iter().map(|machine| &machine.host);
        let mut sheets = gather(hosts, cpu_of);
        for sheet in &catalog.data_sheets {
            sheets
                .entry((sheet.cpu.clone(), sheet.vendor.clone()))
                .or_insert_with(|| Facts::published(sheet, &catalog.designs));
        }
        Self::of(catalog, &catalog.machines, sheets)
    }

    /// As if only `machines` had been measured; what is public of other CPU
    /// models before anybody measures them is known if `sheets` says so.
    #[must_use]
    pub(crate) fn as_if_measured(
        catalog: &Catalog,
        machines: &[TrainingMachine],
        sheets: bool,
    ) -> Self {
        let hosts = machines.iter().map(|machine| &machine.host);
        let mut known = gather(hosts, cpu_of);
        if sheets {
            let all = catalog.machines.iter().map(|machine| &machine.host);
            for (cpu, facts) in gather(all, cpu_of) {
                let designs = &catalog.designs;
                known
                    .entry(cpu)
                    .or_insert_with(|| facts.of_a_data_sheet(designs));
            }
        }
        Self::of(catalog, machines, known)
    }

    fn of(catalog: &Catalog, machines: &[TrainingMachine], sheets: BTreeMap<Cpu, Facts>) -> Self {
        let hosts = || machines.iter().map(|machine| &machine.host);
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
            sheets,
            measured: hosts().map(cpu_of).collect(),
            families: gather(hosts(), |host| host.microarch.clone()),
            vendors,
            figures: catalog
                .instance_figures
                .iter()
                .map(|figure| (figure.instance_type.clone(), figure.clone()))
                .collect(),
            types: types.collect(),
            accelerated: catalog
                .instance_types
                .iter()
                .filter(|kind| kind.accelerated)
                .map(|kind| family_of(&kind.instance_type).to_owned())
                .collect(),
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
        let vendor = features
            .cpu_vendor
            .as_deref()
            .map(|given| cpu_name::vendor(given).unwrap_or(given).to_owned());
        let facts = self.sheet(&cpu, cpu_name::vendor(&name).or(vendor.as_deref()));
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
        let is_measured = |facts: &Facts| {
            let of_it = (cpu.clone(), facts.vendor.clone());
            self.measured.contains(&of_it)
        };
        resolved.cpu_known = facts.is_some_and(is_measured);
        if facts.is_some() && !resolved.cpu_known && features.tdp_w.is_none() {
            let words = "nobody measured its CPU model: what is not told of it is its data sheet's";
            resolved.notes.push(words.to_owned());
        }
        resolved.family_known = family.is_some();
        let vendor = resolved
            .features
            .cpu_vendor
            .as_ref()
            .and_then(|vendor| self.vendors.get(vendor));
        resolved.vendor_known = vendor.is_some_and(|machines| *machines >= ENOUGH_OF_A_VENDOR);
        let known = Known {
            cpu: &cpu,
            measured: resolved.cpu_known,
            facts,
            family,
            year: self.year(machine, facts.or(family), &resolved.features),
        };
        resolved.gaps.year = known.year.is_none();
        resolved.part = known.part(&resolved.features);
        let platform = self.platforms.iter().find(|(key, _)| known.is_of(key));
        let platform = platform.map(|(_, platform)| platform);
        resolved.told = known.told(machine, &resolved.features, platform, &self.designs);
        // A guest that does not tell its size is answered for by its host.
        if resolved.is_sized_guest() {
            known.host_of_guest(&mut resolved, platform);
        } else {
            resolved.host = known.whole_machine(&mut resolved);
        }
        for host in [&mut resolved.host, &mut resolved.part]
            .into_iter()
            .flatten()
        {
            add_details(host, machine);
            host.design = self.designs.of(&host.microarch, &host.vendor, host.year);
        }
        resolved
    }

    /// The data sheet of a CPU model; of whichever vendor, if that is not known.
    fn sheet(&self, cpu: &str, vendor: Option<&str>) -> Option<&Facts> {
        if cpu.is_empty() {
            return None;
        }
        if let Some(vendor) = vendor {
            return self.sheets.get(&(cpu.to_owned(), vendor.to_owned()));
        }
        let (of, facts) = self
            .sheets
            .range((cpu.to_owned(), String::new())..)
            .next()?;
        (of.0 == cpu).then_some(facts)
    }

    /// When a machine was sold, in years: as it says, or when machines of its
    /// CPU model or family were, or when the family came out.
    fn year(
        &self,
        machine: &Machine,
        usual: Option<&Facts>,
        features: &MachineFeatures,
    ) -> Option<f64> {
        let launched = || self.designs.launched(features.microarch.as_deref()?);
        machine
            .server
            .sold
            // Of a year alone its middle is the best guess.
            .or(features.year.map(|year| f64::from(year) + 0.5))
            .or(usual.map(|usual| usual.year))
            .or_else(launched)
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
                .or_else(|| cpu_name::family_written(given))
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
}

/// The medians of the hosts with one name.
fn gather<'a, N: Ord + Clone>(
    hosts: impl Iterator<Item = &'a Host>,
    name: impl Fn(&Host) -> N,
) -> BTreeMap<N, Facts> {
    let mut groups: BTreeMap<N, Vec<&Host>> = BTreeMap::new();
    for host in hosts {
        groups.entry(name(host)).or_default().push(host);
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

/// An instance type without its size: `p5` of `p5.48xlarge`.
fn family_of(instance_type: &str) -> &str {
    instance_type.split('.').next().unwrap_or_default()
}

impl Facts {
    /// What a vendor publishes of a CPU model; of two sockets if it can be.
    fn published(sheet: &DataSheet, designs: &Designs) -> Self {
        let sockets = cpu_name::made_for_sockets(&sheet.cpu, &sheet.vendor).unwrap_or(2.0);
        Self {
            vendor: sheet.vendor.clone(),
            microarch: sheet.microarch.clone(),
            sockets: sockets.min(2.0),
            cores_per_socket: sheet.cores,
            threads_per_core: sheet.threads_per_core,
            base_mhz: sheet.base_mhz,
            tdp_w: sheet.tdp_w,
            year: designs.launched(&sheet.microarch).unwrap_or(YEAR_ASSUMED),
        }
    }

    /// What a data sheet says before anybody measured the CPU model: nothing of
    /// when it is bought and in what machine; of two sockets if it can be.
    fn of_a_data_sheet(self, designs: &Designs) -> Self {
        Self {
            year: designs.launched(&self.microarch).unwrap_or(self.year),
            sockets: self.sockets.min(2.0),
            ..self
        }
    }
}

fn is_metal(instance_type: &str) -> bool {
    instance_type.contains(".metal")
}

/// A whole count of a table.
pub(crate) fn whole(number: f64) -> Option<u32> {
    (1..=16_384).find(|n| (f64::from(*n) - number).abs() < 0.5)
}

impl Atlas {
    /// Whether an instance type is sold with accelerators: by its line in the
    /// tables, or by the letters that its cloud gives to such lines, so that a
    /// type of after the tables is told as well.
    #[must_use]
    pub fn is_accelerated(&self, instance_type: &str) -> bool {
        let family = family_of(instance_type);
        let letters = family
            .split(|c: char| !c.is_ascii_lowercase())
            .next()
            .unwrap_or_default();
        let by_letters = instance_type.contains('.')
            && family[letters.len()..].starts_with(|c: char| c.is_ascii_digit())
            && matches!(
                letters,
                "p" | "g" | "gr" | "trn" | "inf" | "dl" | "vt" | "f"
            );
        by_letters || self.accelerated.contains(family)
    }

    /// Published instance figures.
    pub fn figures(&self) -> impl Iterator<Item = &InstanceFigure> {
        self.figures.values()
    }
}
