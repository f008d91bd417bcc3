//! The physical machine behind what is said, and the part of it that is asked
//! about.
//!
//! What a machine says of itself comes before what is usual for its CPU model,
//! and that before what is usual for its family. Nothing here reads a table.

use tanso_power::model::MachineFeatures;

use super::{Facts, Gaps, Resolved};
use crate::catalog::designs::{Design, Designs};
use crate::catalog::instances::Platform;
use crate::features::{Machine, ServerDetails, cpu_name, cpuinfo, maker};
use crate::host::{Form, Host};
use crate::partial::Told;

/// The year that is assumed of a machine of which nothing tells it.
pub(crate) const YEAR_ASSUMED: f64 = 2_022.0;
/// Likewise the clock, MHz.
const CLOCK_ASSUMED_MHZ: f64 = 2_400.0;

/// What the tables know of a machine's CPU.
pub(super) struct Known<'a> {
    /// Its model's key, empty if unknown.
    pub(super) cpu: &'a str,
    /// Whether machines with that model were measured.
    pub(super) measured: bool,
    /// What is usual for the model.
    pub(super) facts: Option<&'a Facts>,
    /// What is usual for its family.
    pub(super) family: Option<&'a Facts>,
    /// When it was sold, in years.
    pub(super) year: Option<f64>,
}

impl Known<'_> {
    /// Whether a platform's CPU is this one.
    pub(super) fn is_of(&self, platform: &str) -> bool {
        !self.cpu.is_empty() && platform == self.cpu
    }

    fn usual(&self) -> Option<&Facts> {
        self.facts.or(self.family)
    }

    fn per_core(&self, features: &MachineFeatures) -> f64 {
        // Arm's servers have one thread a core, nearly all others two.
        let alone = features.cpu_vendor.as_deref() == Some("arm");
        self.usual().map_or(if alone { 1.0 } else { 2.0 }, |usual| {
            usual.threads_per_core
        })
    }

    /// A machine with that CPU, of no size yet; what only a server's data sheet
    /// tells is added later.
    fn bare(&self, features: &MachineFeatures) -> Host {
        Host {
            // Another vendor's model of that number is none of its like.
            cpu: if self.measured { self.cpu } else { "" }.to_owned(),
            vendor: features.cpu_vendor.clone().unwrap_or_default(),
            microarch: features.microarch.clone().unwrap_or_default(),
            maker: String::new(),
            design: Design::TODAY,
            sockets: 1.0,
            cores: 1.0,
            threads: 1.0,
            base_mhz: features.base_mhz.unwrap_or(0.0),
            tdp_w: 0.0,
            year: self.year.unwrap_or(YEAR_ASSUMED),
            mem_gb: features.mem_gb,
            l3_mb: None,
            dimms: None,
            psu_w: None,
            form: None,
            nodes: 1.0,
        }
    }

    /// The machine by its own threads, whatever it is a part of; `None` if
    /// their number is unknown. No design power is known of it.
    pub(super) fn part(&self, features: &MachineFeatures) -> Option<Host> {
        let said_cores = features.cores.map(f64::from);
        let threads = features
            .threads
            .map(f64::from)
            .or_else(|| said_cores.map(|cores| cores * self.per_core(features)))?;
        Some(Host {
            // Guests are often shown threads as cores: what is usual is surer.
            cores: self.usual().map_or_else(
                || said_cores.unwrap_or(threads / 2.0),
                |usual| threads / usual.threads_per_core,
            ),
            threads,
            ..self.bare(features)
        })
    }

    /// All that is told of a machine, or follows from its CPU's name.
    pub(super) fn told(
        &self,
        machine: &Machine,
        features: &MachineFeatures,
        platform: Option<&Platform>,
        designs: &Designs,
    ) -> Told {
        let server = &machine.server;
        let name = features.cpu_name.as_deref().unwrap_or_default();
        let vendor = features.cpu_vendor.as_deref();
        let sheet = |figure: fn(&Facts) -> f64| self.facts.map(figure);
        let guest = features.virtual_machine == Some(true);
        // Of a guest these are its own.
        let of_host = |number: Option<u32>| number.filter(|_| !guest).map(f64::from);
        Told {
            vendor: vendor.map(str::to_owned),
            design: features
                .microarch
                .as_deref()
                .and_then(|family| designs.known(family)),
            year: server
                .sold
                .or(features.year.map(|year| f64::from(year) + 0.5))
                .or(sheet(|facts| facts.year)),
            made_for: vendor.and_then(|vendor| cpu_name::made_for_sockets(self.cpu, vendor)),
            sockets: of_host(features.sockets),
            cores: of_host(features.cores),
            threads: of_host(features.threads),
            cores_per_socket: server
                .cores_per_socket
                .map(f64::from)
                .or(sheet(|facts| facts.cores_per_socket))
                .or_else(|| cpu_name::cores(name))
                .or_else(|| {
                    // Clouds' own models have no public data sheet, and a size.
                    let platform = platform?;
                    Some(platform.vcpus / platform.sockets / self.per_core(features))
                }),
            threads_per_core: server
                .threads_per_core
                .map(f64::from)
                .or(sheet(|facts| facts.threads_per_core)),
            tdp_w: features.tdp_w.or(sheet(|facts| facts.tdp_w)),
            base_mhz: features
                .base_mhz
                .or_else(|| cpuinfo::clock_in_name(name))
                .or(sheet(|facts| facts.base_mhz)),
            mem_gb: features.mem_gb.filter(|_| !guest),
            dimms: server.dimms,
            psu_w: psu_w(server),
            l3_mb: server.l3_mb_per_socket,
            form: server.form_factor.as_deref().and_then(Form::parse),
            nodes: server.nodes,
        }
    }

    /// The host that a guest runs on: the usual machine with its CPU model, or
    /// its cloud's platform; unknown if neither is, unless the guest tells a
    /// design power and so speaks of a whole machine.
    pub(super) fn host_of_guest(&self, resolved: &mut Resolved, platform: Option<&Platform>) {
        let Some(threads) = resolved.part.as_ref().map(|part| part.threads) else {
            return;
        };
        let Some(usual) = self.facts.or(platform.and(self.family)) else {
            if resolved.features.tdp_w.is_some() {
                resolved.host = self.whole_machine(resolved);
                resolved.notes.push(
                    "its host is not known: the design power that it tells is taken for that of its own threads and sockets".to_owned(),
                );
            }
            return;
        };
        let features = &resolved.features;
        let usual_sockets = platform.map_or(usual.sockets, |platform| platform.sockets);
        let per_socket = platform.map_or(
            usual.cores_per_socket * usual.threads_per_core,
            |platform| platform.vcpus / platform.sockets,
        );
        // A guest that has more threads than the usual host runs on a larger.
        let sockets = usual_sockets.max((threads / per_socket).ceil());
        let host_threads = per_socket * sockets;
        let share = threads / host_threads;
        let tdp_w = features.tdp_w.or(self.facts.map(|facts| facts.tdp_w));
        let host = Host {
            vendor: usual.vendor.clone(),
            microarch: usual.microarch.clone(),
            sockets,
            cores: host_threads / usual.threads_per_core,
            threads: host_threads,
            base_mhz: features
                .base_mhz
                .or(self.facts.map(|facts| facts.base_mhz))
                .unwrap_or(usual.base_mhz),
            tdp_w: tdp_w.unwrap_or(0.0),
            year: self.year.unwrap_or(usual.year),
            // Memory is sold with the threads.
            mem_gb: features.mem_gb.map(|mem| mem / share),
            ..self.bare(features)
        };
        let source = if sockets > usual_sockets {
            "that must have at least"
        } else if platform.is_some() {
            "which its cloud runs with"
        } else {
            "assumed to have"
        };
        resolved.notes.push(format!(
            "it owns {threads} of the {host_threads} threads of a host {source} {sockets} {}, so that share of the host's curve",
            if sockets > 1.0 { "sockets" } else { "socket" }
        ));
        resolved.share = share;
        resolved.host = Some(host);
    }

    /// A machine that is no guest, from its own words first, then from its CPU
    /// model's; `None` if cores or thermal design power stay unknown.
    pub(super) fn whole_machine(&self, resolved: &mut Resolved) -> Option<Host> {
        let facts = self.facts;
        let features = &resolved.features;
        // A family's design power can be guessed, a stranger's cannot.
        let tdp_w = features
            .tdp_w
            .or(facts.map(|facts| facts.tdp_w))
            .or(self.family.map(|_| 0.0))?;
        let per_core = self.per_core(features);
        let said_threads = features.threads.map(f64::from);
        let said_cores = features
            .cores
            .map(f64::from)
            .or_else(|| said_threads.map(|threads| (threads / per_core).max(1.0)));
        let (per_socket, said_mhz) = (resolved.told.cores_per_socket, resolved.told.base_mhz);
        let whole_sockets = |cores: f64| Some((cores / per_socket?).round().max(1.0));
        // What a guest without a size says of sockets is not its host's.
        let guest = features.virtual_machine == Some(true);
        let sockets = features
            .sockets
            .filter(|_| !guest || resolved.part.is_some())
            .map(f64::from)
            .or_else(|| whole_sockets(said_cores?));
        resolved.gaps = Gaps {
            sockets: sockets.is_none(),
            year: self.year.is_none(),
            clock: said_mhz.is_none(),
        };
        let sockets = sockets.or(facts.map(|facts| facts.sockets)).unwrap_or(1.0);
        let cores = said_cores.or_else(|| Some(per_socket? * sockets))?;
        let mut host = Host {
            sockets,
            cores,
            threads: said_threads.unwrap_or(cores * per_core),
            tdp_w,
            ..self.bare(features)
        };
        host.base_mhz = said_mhz
            .or(self.usual().map(|usual| usual.base_mhz))
            .unwrap_or(CLOCK_ASSUMED_MHZ);
        Some(host)
    }
}

/// Adds what only a data sheet of a server tells.
pub(super) fn add_details(host: &mut Host, machine: &Machine) {
    let server = &machine.server;
    host.nodes = server.nodes.unwrap_or(1.0);
    host.l3_mb = server.l3_mb_per_socket;
    host.dimms = server.dimms;
    host.psu_w = psu_w(server);
    host.maker = server
        .system_vendor
        .as_deref()
        .map(maker)
        .unwrap_or_default();
    host.form = server.form_factor.as_deref().and_then(Form::parse);
}

/// Rated power supply of one node, watts.
fn psu_w(server: &ServerDetails) -> Option<f64> {
    let all_w = server.psu_count? * server.psu_rating_w?;
    Some(all_w / server.nodes.unwrap_or(1.0))
}
