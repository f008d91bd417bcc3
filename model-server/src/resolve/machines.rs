//! The physical machine behind what is said, and the part of it that is asked
//! about.
//!
//! What a machine says of itself comes before what is usual for its CPU model,
//! and that before what is usual for its family. Nothing here reads a table.

use tanso_power::model::MachineFeatures;

use super::{Facts, Resolved};
use crate::catalog::designs::Design;
use crate::catalog::instances::Platform;
use crate::features::{Machine, maker};
use crate::host::{Form, Host};

/// The year that is assumed of a machine of which nothing tells it.
const YEAR_ASSUMED: f64 = 2_022.0;
/// Likewise the clock, MHz.
const CLOCK_ASSUMED_MHZ: f64 = 2_400.0;

/// What the tables know of a machine's CPU.
pub(super) struct Known<'a> {
    /// Its model's key, empty if unknown.
    pub(super) cpu: &'a str,
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

    fn per_core(&self) -> f64 {
        let usual = self.facts.or(self.family);
        usual.map_or(2.0, |usual| usual.threads_per_core)
    }

    /// The machine by its own threads, whatever it is a part of; `None` if
    /// their number is unknown. No design power is known of it.
    pub(super) fn part(&self, features: &MachineFeatures) -> Option<Host> {
        let said_cores = features.cores.map(f64::from);
        let threads = features
            .threads
            .map(f64::from)
            .or_else(|| said_cores.map(|cores| cores * self.per_core()))?;
        let usual = self.facts.or(self.family);
        Some(Host {
            cpu: self.cpu.to_owned(),
            vendor: features.cpu_vendor.clone().unwrap_or_default(),
            microarch: features.microarch.clone().unwrap_or_default(),
            maker: String::new(),
            design: Design::TODAY,
            sockets: 1.0,
            // Guests are often shown threads as cores: what is usual is surer.
            cores: usual.map_or_else(
                || said_cores.unwrap_or(threads / 2.0),
                |usual| threads / usual.threads_per_core,
            ),
            threads,
            base_mhz: features.base_mhz.unwrap_or(0.0),
            tdp_w: 0.0,
            year: self.year.unwrap_or(YEAR_ASSUMED),
            mem_gb: features.mem_gb,
            l3_mb: None,
            dimms: None,
            psu_w: None,
            form: None,
            nodes: 1.0,
        })
    }

    /// The host that a guest runs on: the usual machine with its CPU model, or
    /// its cloud's platform; unknown if neither is, unless the guest tells a
    /// design power and so speaks of a whole machine.
    pub(super) fn host_of_guest(&self, resolved: &mut Resolved, platform: Option<&Platform>) {
        let features = &resolved.features;
        let Some(threads) = features.threads.map(f64::from) else {
            return;
        };
        let Some(usual) = self.facts.or(platform.and(self.family)) else {
            if features.tdp_w.is_some() {
                resolved.host = self.whole_machine(resolved);
                resolved.notes.push(
                    "its host is not known: the design power that it tells is taken for that of its own threads and sockets".to_owned(),
                );
            }
            return;
        };
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
            cpu: self.cpu.to_owned(),
            vendor: usual.vendor.clone(),
            microarch: usual.microarch.clone(),
            maker: String::new(),
            design: Design::TODAY,
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
            l3_mb: None,
            dimms: None,
            psu_w: None,
            form: None,
            nodes: 1.0,
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
        let (facts, family) = (self.facts, self.family);
        let features = &resolved.features;
        // A family's design power can be guessed, a stranger's cannot.
        let tdp_w = features
            .tdp_w
            .or(facts.map(|facts| facts.tdp_w))
            .or(family.map(|_| 0.0))?;
        if tdp_w == 0.0 && features.cores.is_none() && features.threads.is_none() {
            return None;
        }
        let per_core = self.per_core();
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
        let base_mhz = features
            .base_mhz
            .or(facts.or(family).map(|usual| usual.base_mhz))
            .unwrap_or_else(|| assume("a clock in MHz of", CLOCK_ASSUMED_MHZ));
        let year = self
            .year
            .unwrap_or_else(|| assume("a year of sale of", YEAR_ASSUMED));
        Some(Host {
            cpu: self.cpu.to_owned(),
            vendor: features.cpu_vendor.clone().unwrap_or_default(),
            microarch: features.microarch.clone().unwrap_or_default(),
            maker: String::new(),
            design: Design::TODAY,
            sockets,
            cores,
            threads: said_threads.unwrap_or(cores * per_core),
            base_mhz,
            tdp_w,
            year,
            mem_gb: features.mem_gb,
            l3_mb: None,
            dimms: None,
            psu_w: None,
            form: None,
            nodes: 1.0,
        })
    }
}

/// Adds what only a data sheet of a server tells.
pub(super) fn add_details(host: &mut Host, machine: &Machine) {
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
