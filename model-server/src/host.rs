//! A whole physical machine as the models see it.

use crate::catalog::designs::Design;

/// Load levels of a curve: 0, 10 … 100 %.
pub const LOADS: usize = 11;

/// One figure per load level.
pub type Curve = [f64; LOADS];

/// The utilisation of a load level, 0 to 1.
#[must_use]
pub fn load(level: usize) -> f64 {
    count(level) / 10.0
}

/// A count as a number to calculate with; above 2^32 it stays there.
#[must_use]
pub fn count(n: usize) -> f64 {
    f64::from(u32::try_from(n).unwrap_or(u32::MAX))
}

/// The median of a figure over machines; 0 without any.
#[must_use]
pub fn median(hosts: &[&Host], figure: impl Fn(&Host) -> f64) -> f64 {
    let mut figures: Vec<f64> = hosts.iter().map(|host| figure(host)).collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

/// How a server is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A chassis with shared fans and power supplies.
    Blade,
    /// A pedestal server.
    Tower,
    /// A server in a rack of its own.
    Rack,
}

impl Form {
    /// The form that a table's entry means; `None` if it says nothing.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() || text == "--" {
            return None;
        }
        let units = text.trim_end_matches(['u', 'U']).parse::<u32>().ok();
        Some(match units {
            _ if text.eq_ignore_ascii_case("tower") => Self::Tower,
            Some(units) if units >= 7 => Self::Blade,
            _ => Self::Rack,
        })
    }
}

/// A physical machine. Sockets, cores, threads, memory and power are of one
/// node; fields that may be missing are imputed by the model.
#[derive(Clone, Debug, PartialEq)]
pub struct Host {
    /// The CPU model's key, empty if unknown.
    pub cpu: String,
    /// `intel`, `amd`, `arm`, or another vendor's id.
    pub vendor: String,
    /// Microarchitecture, empty if unknown.
    pub microarch: String,
    /// Who built the machine, as [`crate::features::maker`] writes it; empty if
    /// unknown.
    pub maker: String,
    /// How its CPUs' family is built.
    pub design: Design,
    /// CPU sockets.
    pub sockets: f64,
    /// Physical cores, all sockets.
    pub cores: f64,
    /// Hardware threads, all sockets.
    pub threads: f64,
    /// Nominal clock in MHz.
    pub base_mhz: f64,
    /// Thermal design power of one socket, watts; 0 if unknown.
    pub tdp_w: f64,
    /// When it was sold, in years.
    pub year: f64,
    /// Memory, GiB.
    pub mem_gb: Option<f64>,
    /// Level-3 cache of one socket, MiB.
    pub l3_mb: Option<f64>,
    /// Memory modules.
    pub dimms: Option<f64>,
    /// Rated power supply per node, watts.
    pub psu_w: Option<f64>,
    /// How it is built.
    pub form: Option<Form>,
    /// Nodes in the chassis.
    pub nodes: f64,
}

impl Host {
    /// The clock that the CPU's name says to who reads `/proc/cpuinfo`: Intel's
    /// ended with it until the parts of 2023, AMD's never did.
    #[must_use]
    pub fn clock_in_name(&self) -> Option<f64> {
        let said = self.vendor == "intel" && self.design.launched < 2_023.0;
        said.then_some(self.base_mhz)
    }

    /// Thermal design power of all sockets, watts: what power is measured
    /// against.
    #[must_use]
    pub fn tdp_total_w(&self) -> f64 {
        self.tdp_w * self.sockets
    }
}
