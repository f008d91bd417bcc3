//! What is told of a machine, as numbers of which any may be missing.

use crate::catalog::designs::Design;
use crate::features::cpu_name;
use crate::host::{Form, Host};

/// How many things may be told.
pub(super) const TOLD: usize = 22;

/// One number for each, in the order of [`NAMES`].
pub(super) type Cells = [Option<f64>; TOLD];

/// Their names for people; what has one name is told together.
const NAMES: [&str; TOLD] = [
    "date",
    "CPU vendor",
    "CPU family",
    "CPU family",
    "CPU family",
    "CPU family",
    "CPU family",
    "the sockets that its CPU's name is for",
    "sockets",
    "cores",
    "threads",
    "cores by socket",
    "threads by core",
    "design power",
    "clock",
    "memory",
    "memory modules",
    "power supplies",
    "cache",
    "form",
    "form",
    "nodes",
];

/// Where the threads stand.
pub(super) const THREADS: usize = 10;
/// Where the clock stands.
pub(super) const CLOCK: usize = 14;

/// What hangs on the CPU's vendor: nothing to go by where nobody measured it.
const OF_A_VENDOR: std::ops::RangeInclusive<usize> = 1..=7;

/// Which things are told, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Which(u32);

impl Which {
    /// Those that are told in `cells`.
    #[must_use]
    pub fn of(cells: &Cells) -> Self {
        let bits = cells.iter().enumerate();
        Self(bits.fold(0, |bits, (at, cell)| {
            bits | (u32::from(cell.is_some()) << at)
        }))
    }

    /// Without what hangs on the vendor.
    #[must_use]
    pub fn of_any_vendor(self) -> Self {
        Self(OF_A_VENDOR.fold(self.0, |bits, at| bits & !(1 << at)))
    }

    /// Without the number at `place`.
    #[must_use]
    pub(super) const fn without(self, place: usize) -> Self {
        Self(self.0 & !(1 << place))
    }

    /// Whether nothing is told.
    #[must_use]
    pub const fn is_nothing(self) -> bool {
        self.0 == 0
    }

    /// Whether all of `other` is told here too.
    #[must_use]
    pub const fn holds(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Their places.
    #[must_use]
    pub fn places(self) -> Vec<usize> {
        (0..TOLD).filter(|at| self.0 & (1 << at) != 0).collect()
    }

    /// What of the greatest worth is not told, for people.
    #[must_use]
    pub fn lacking(self) -> Vec<&'static str> {
        const WORTH: [(&[usize], &str); 3] = [
            (&[8], "sockets"),
            (&[9, 10, 11], "cores or threads"),
            (&[13], "design power"),
        ];
        let told = |places: &[usize]| places.iter().any(|at| self.0 & (1 << at) != 0);
        WORTH
            .iter()
            .filter(|(places, _)| !told(places))
            .map(|(_, name)| *name)
            .collect()
    }

    /// For people: `sockets, design power and memory`.
    #[must_use]
    pub fn words(self) -> String {
        let mut names: Vec<&str> = Vec::new();
        for place in self.places() {
            if !names.contains(&NAMES[place]) {
                names.push(NAMES[place]);
            }
        }
        match names.as_slice() {
            [] => "nothing".to_owned(),
            [one] => (*one).to_owned(),
            [first @ .., last] => format!("{} and {last}", first.join(", ")),
        }
    }
}

/// What is told of a machine, or follows from its CPU's name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    /// CPU vendor.
    pub vendor: Option<String>,
    /// How the CPU's family is built, if the family is known.
    pub design: Option<Design>,
    /// When it was sold, in years.
    pub year: Option<f64>,
    /// How many sockets machines have that its CPU was made for.
    pub made_for: Option<f64>,
    /// Sockets.
    pub sockets: Option<f64>,
    /// Cores of all sockets.
    pub cores: Option<f64>,
    /// Threads of all sockets.
    pub threads: Option<f64>,
    /// Cores of one socket.
    pub cores_per_socket: Option<f64>,
    /// Threads of one core.
    pub threads_per_core: Option<f64>,
    /// Design power of one socket, watts.
    pub tdp_w: Option<f64>,
    /// Nominal clock, MHz.
    pub base_mhz: Option<f64>,
    /// Memory, GiB.
    pub mem_gb: Option<f64>,
    /// Memory modules.
    pub dimms: Option<f64>,
    /// Rated power supply per node, watts.
    pub psu_w: Option<f64>,
    /// Level-3 cache of one socket, MiB.
    pub l3_mb: Option<f64>,
    /// How it is built.
    pub form: Option<Form>,
    /// Nodes in the chassis.
    pub nodes: Option<f64>,
}

impl Told {
    /// All that is known of a measured machine.
    #[must_use]
    pub fn of(host: &Host) -> Self {
        Self {
            vendor: Some(host.vendor.clone()),
            design: Some(host.design),
            year: Some(host.year),
            made_for: cpu_name::made_for_sockets(&host.cpu, &host.vendor),
            sockets: Some(host.sockets),
            cores: Some(host.cores),
            threads: Some(host.threads),
            cores_per_socket: None,
            threads_per_core: None,
            tdp_w: Some(host.tdp_w).filter(|watts| *watts > 0.0),
            base_mhz: Some(host.base_mhz).filter(|mhz| *mhz > 0.0),
            mem_gb: host.mem_gb,
            dimms: host.dimms,
            psu_w: host.psu_w,
            l3_mb: host.l3_mb,
            form: host.form,
            nodes: Some(host.nodes),
        }
    }

    /// As numbers: power is a product of factors, so most are logarithms.
    #[must_use]
    pub fn cells(&self) -> Cells {
        let ratio = |of: Option<f64>, by: Option<f64>| Some(of? / by?);
        let per_socket = self.cores_per_socket.or(ratio(self.cores, self.sockets));
        let per_core = self.threads_per_core.or(ratio(self.threads, self.cores));
        let flag = |yes: bool| f64::from(u8::from(yes));
        let design = |of: fn(&Design) -> f64| self.design.as_ref().map(of);
        let form = |form: Form| self.form.map(|known| flag(known == form));
        let vendor = match self.vendor.as_deref() {
            Some("intel") => Some(0.0),
            Some("amd") => Some(1.0),
            _ => None,
        };
        [
            self.year,
            vendor,
            design(|design| design.launched),
            design(|design| design.process_nm.ln()),
            design(|design| design.integration),
            design(|design| design.ddr),
            design(|design| design.chiplets),
            self.made_for.map(f64::ln),
            self.sockets.map(f64::ln),
            self.cores.map(f64::ln),
            self.threads.map(f64::ln),
            per_socket.map(f64::ln),
            per_core.map(|per_core| flag(per_core > 1.0)),
            self.tdp_w.map(f64::ln),
            self.base_mhz.map(f64::ln),
            self.mem_gb.map(f64::ln),
            self.dimms.map(f64::ln),
            self.psu_w.map(f64::ln),
            self.l3_mb.map(f64::ln_1p),
            form(Form::Blade),
            form(Form::Tower),
            self.nodes.map(f64::ln),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_named_once_and_nothing_is_said_to_be_nothing() {
        assert_eq!(Which::default().words(), "nothing");
        let told = Told {
            vendor: Some("amd".to_owned()),
            design: Some(Design::TODAY),
            tdp_w: Some(200.0),
            ..Told::default()
        };
        let which = Which::of(&told.cells());
        assert_eq!(which.words(), "CPU vendor, CPU family and design power");
        assert_eq!(which.of_any_vendor().words(), "design power");
        assert!(which.holds(which.of_any_vendor()) && !which.of_any_vendor().holds(which));
        assert!(Which::of(&Told::default().cells()).is_nothing());
    }
}
