//! Machines as rows of numbers for the models, by what is known of them.
//!
//! Power is a product of factors, so nearly all columns are logarithms. What a
//! row lacks is imputed from what it has by a ridge regression over the rows
//! that have it.

use crate::host::{Form, Host, count};
use crate::matrix::{Square, dot};

/// What is known of a machine: each view has a model of its own, so that a
/// machine of which little is known gets the error of little knowledge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum View {
    /// What a guest sees whose CPU's data sheet nobody has: threads, how the
    /// CPU's family is built, memory by thread, perhaps a clock. Power is by
    /// thread, as no design power is known.
    Guest,
    /// The CPU and how many.
    Cpu,
    /// And the memory.
    Memory,
    /// And what a data sheet says: cache, modules, power supplies, form.
    Server,
}

impl View {
    /// All views.
    pub const ALL: [Self; 4] = [Self::Guest, Self::Cpu, Self::Memory, Self::Server];

    /// What the view knows, for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Guest => "threads and family",
            Self::Cpu => "CPU",
            Self::Memory => "CPU and memory",
            Self::Server => "full server description",
        }
    }

    /// The richest view that a machine's knowledge fills; a server's details
    /// count as known if at least two of cache, modules and supplies are.
    #[must_use]
    pub fn of(host: &Host) -> Self {
        let details = [host.l3_mb, host.dimms, host.psu_w]
            .iter()
            .flatten()
            .count();
        match (host.mem_gb, details) {
            _ if host.tdp_w == 0.0 => Self::Guest,
            (Some(_), 2..) => Self::Server,
            (Some(_), _) => Self::Memory,
            (None, _) => Self::Cpu,
        }
    }

    /// What power is measured against: the design power, or the threads where
    /// that is not known.
    #[must_use]
    pub fn scale(self, host: &Host) -> f64 {
        match self {
            Self::Guest => host.threads,
            Self::Cpu | Self::Memory | Self::Server => host.tdp_total_w(),
        }
    }

    /// The column of the year.
    const YEAR: usize = 0;

    /// What counts as one step in each column, in the order of
    /// [`Columns::raw`].
    const fn units(self) -> &'static [f64] {
        match self {
            Self::Guest => &GUEST_UNITS,
            Self::Cpu | Self::Memory | Self::Server => &UNITS,
        }
    }
}

/// Turns machines into standardised rows of one view.
#[derive(Clone, Debug)]
pub struct Columns {
    view: View,
    memory: Ridge,
    clock: Ridge,
    l3: Ridge,
    dimms: Ridge,
    psu: Ridge,
    blade: f64,
    tower: f64,
    mean: Vec<f64>,
    unit: Vec<f64>,
}

impl Columns {
    /// Learns imputation and scale from machines.
    #[must_use]
    pub fn learn(view: View, hosts: &[&Host]) -> Self {
        let cpu: Vec<Vec<f64>> = hosts
            .iter()
            .map(|host| match view {
                View::Guest => guest_columns(host),
                View::Cpu | View::Memory | View::Server => cpu_columns(host),
            })
            .collect();
        let learn = |known: &dyn Fn(&Host) -> Option<f64>| {
            let rows = hosts
                .iter()
                .zip(&cpu)
                .filter_map(|(host, row)| Some((row.as_slice(), known(host)?)));
            Ridge::learn(&rows.collect::<Vec<_>>())
        };
        let share = |form: Form| {
            let known: Vec<Form> = hosts.iter().filter_map(|host| host.form).collect();
            count(known.iter().filter(|known| **known == form).count()) / count(known.len().max(1))
        };
        let mut columns = Self {
            view,
            memory: learn(&|host| match view {
                View::Guest => Some((host.mem_gb? / host.threads).ln()),
                View::Cpu | View::Memory | View::Server => host.mem_gb.map(f64::ln),
            }),
            clock: learn(&|host| (host.base_mhz > 0.0).then(|| host.base_mhz.ln())),
            l3: learn(&|host| host.l3_mb.map(f64::ln_1p)),
            dimms: learn(&|host| host.dimms.map(f64::ln)),
            psu: learn(&|host| host.psu_w.map(f64::ln)),
            blade: share(Form::Blade),
            tower: share(Form::Tower),
            mean: Vec::new(),
            unit: Vec::new(),
        };
        let raw: Vec<Vec<f64>> = hosts.iter().map(|host| columns.raw(host)).collect();
        let width = raw.first().map_or(0, Vec::len);
        let rows = count(raw.len().max(1));
        for column in 0..width {
            let mean = raw.iter().map(|row| row[column]).sum::<f64>() / rows;
            columns.mean.push(mean);
            let unit = view.units().get(column).copied();
            columns.unit.push(unit.unwrap_or(1.0));
        }
        columns
    }

    /// The view whose columns these are.
    #[must_use]
    pub const fn view(&self) -> View {
        self.view
    }

    /// The standardised row of a machine.
    #[must_use]
    pub fn row(&self, host: &Host) -> Vec<f64> {
        let scale = self.mean.iter().zip(&self.unit);
        self.raw(host)
            .iter()
            .zip(scale)
            .map(|(cell, (mean, unit))| (cell - mean) / unit)
            .collect()
    }

    /// How finely the local correction looks at each column, in its unit:
    /// time finer than the rest.
    #[must_use]
    pub fn fineness(&self) -> Vec<f64> {
        let mut fineness = vec![1.0; self.mean.len()];
        if let Some(year) = fineness.get_mut(View::YEAR) {
            *year = 4.0;
        }
        fineness
    }

    fn raw(&self, host: &Host) -> Vec<f64> {
        if self.view == View::Guest {
            return self.guest(host);
        }
        let cpu = cpu_columns(host);
        let design = &host.design;
        let mut row = vec![host.year];
        // A square of the year predicts the past well and the future badly.
        row.extend(
            cpu.iter()
                .enumerate()
                .filter(|(column, _)| !AGES.contains(column))
                .map(|(_, cell)| *cell),
        );
        row.extend([
            design.process_nm.ln(),
            design.integration,
            f64::from(u8::from(design.integration >= 2.0)),
            design.ddr,
            design.chiplets,
        ]);
        if self.view >= View::Memory {
            let memory = host
                .mem_gb
                .map_or_else(|| self.memory.predict(&cpu), f64::ln);
            row.extend([
                memory,
                memory - host.cores.ln(),
                memory - host.tdp_total_w().ln(),
            ]);
        }
        if self.view == View::Server {
            let flag = |form: Form, share: f64| {
                host.form
                    .map_or(share, |known| f64::from(u8::from(known == form)))
            };
            let memory = host
                .mem_gb
                .map_or_else(|| self.memory.predict(&cpu), f64::ln);
            let dimms = host.dimms.map_or_else(|| self.dimms.predict(&cpu), f64::ln);
            let supply = host.psu_w.map_or_else(|| self.psu.predict(&cpu), f64::ln);
            row.extend([
                host.l3_mb.map_or_else(|| self.l3.predict(&cpu), f64::ln_1p),
                dimms,
                memory - dimms,
                supply,
                supply - host.tdp_total_w().ln(),
                flag(Form::Blade, self.blade),
                flag(Form::Tower, self.tower),
                f64::from(u8::from(host.nodes > 1.0)),
                host.nodes.ln(),
            ]);
        }
        row
    }
}

impl Columns {
    /// What a guest sees, by thread: nothing here hangs on the size of its host.
    fn guest(&self, host: &Host) -> Vec<f64> {
        let known = guest_columns(host);
        let mut row = vec![host.year];
        row.extend(known.iter().skip(AGES_FIRST));
        row.push(host.mem_gb.map_or_else(
            || self.memory.predict(&known),
            |mem| (mem / host.threads).ln(),
        ));
        row.push(if host.base_mhz > 0.0 {
            host.base_mhz.ln()
        } else {
            self.clock.predict(&known)
        });
        row
    }
}

/// What counts as one step in each column, in the order of [`Columns::raw`]:
/// rounded spreads of servers' features since 2004. They are constants so that
/// a trend learned from old machines goes on into new ones at the same slope,
/// however alike the old ones were.
const UNITS: [f64; 26] = [
    5.0, 0.75, 1.2, 1.3, 0.15, 0.4, 0.4, 0.4, 0.65, // year and CPU
    0.8, 0.7, 0.5, 0.9, 0.5, // design
    1.5, 0.6, 1.0, // memory
    1.4, 0.8, 0.9, 0.6, 0.4, 0.3, 0.3, 0.4, 0.7, // server
];

/// The same of what a guest sees.
const GUEST_UNITS: [f64; 10] = [
    5.0, 0.4, 0.4, // year, more than one thread a core, vendor
    0.8, 0.7, 0.5, 0.9, 0.5, // design
    0.8, 0.15, // memory by thread, clock
];

/// The columns of [`cpu_columns`] that tell the age.
const AGES: [usize; 2] = [5, 6];

/// What is imputed from, too.
fn cpu_columns(host: &Host) -> Vec<f64> {
    let age = (host.year - 2_015.0) / 5.0;
    vec![
        host.tdp_total_w().ln(),
        host.cores.ln(),
        host.threads.ln(),
        host.base_mhz.ln(),
        host.sockets.ln(),
        age,
        age * age,
        f64::from(u8::from(host.threads > host.cores)),
        f64::from(u8::from(host.vendor == "amd")),
        host.tdp_total_w().ln() - host.cores.ln(),
    ]
}

/// How many of [`guest_columns`] tell the age: the first.
const AGES_FIRST: usize = 2;

/// What a guest always sees: the age twice, threads by core, vendor, design.
fn guest_columns(host: &Host) -> Vec<f64> {
    let age = (host.year - 2_015.0) / 5.0;
    let design = &host.design;
    vec![
        age,
        age * age,
        f64::from(u8::from(host.threads > host.cores)),
        f64::from(u8::from(host.vendor == "amd")),
        design.process_nm.ln(),
        design.integration,
        f64::from(u8::from(design.integration >= 2.0)),
        design.ddr,
        design.chiplets,
    ]
}

/// A linear prediction with its weights held small.
#[derive(Clone, Debug, Default)]
pub struct Ridge {
    intercept: f64,
    mean: Vec<f64>,
    weights: Vec<f64>,
}

impl Ridge {
    /// Learns from rows and targets; without any it predicts 0.
    #[must_use]
    pub fn learn(rows: &[(&[f64], f64)]) -> Self {
        let Some((first, _)) = rows.first() else {
            return Self::default();
        };
        let width = first.len();
        let total = count(rows.len());
        let mean: Vec<f64> = (0..width)
            .map(|column| rows.iter().map(|(row, _)| row[column]).sum::<f64>() / total)
            .collect();
        let intercept = rows.iter().map(|(_, target)| target).sum::<f64>() / total;
        let centred = |row: &[f64], column: usize| row[column] - mean[column];
        let gram = Square::symmetric(width, |a, b| {
            let sum: f64 = rows
                .iter()
                .map(|(row, _)| centred(row, a) * centred(row, b))
                .sum();
            sum + if a == b { 1.0 } else { 0.0 }
        });
        let right: Vec<f64> = (0..width)
            .map(|column| {
                rows.iter()
                    .map(|(row, target)| centred(row, column) * (target - intercept))
                    .sum()
            })
            .collect();
        // The unit on the diagonal keeps the matrix positive definite.
        let weights = gram.inverse().map_or_else(
            |_| vec![0.0; width],
            |inverse| {
                (0..width)
                    .map(|column| dot(inverse.row(column), &right))
                    .collect()
            },
        );
        Self {
            intercept,
            mean,
            weights,
        }
    }

    /// The prediction for a row.
    #[must_use]
    pub fn predict(&self, row: &[f64]) -> f64 {
        let parts = row.iter().zip(&self.mean).zip(&self.weights);
        self.intercept
            + parts
                .map(|((cell, mean), weight)| (cell - mean) * weight)
                .sum::<f64>()
    }
}
