//! Published `SPECpower` results: machines with their measured power.

use super::designs::Design;
use super::{ALL_LOADS, Row};
use crate::features::{cpu_name, maker};
use crate::host::{Curve, Form, Host, LOADS, count};

/// A published machine.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingMachine {
    /// The result's own id.
    pub id: String,
    /// Who published it.
    pub system_vendor: String,
    /// The machine.
    pub host: Host,
    /// Wall power per node by load.
    pub watts: Curve,
    /// Whether all levels were measured; otherwise idle and full load were and
    /// the rest has the mean shape of its time.
    pub full: bool,
    /// When the result was published, in years.
    pub published: f64,
}

impl TrainingMachine {
    /// The load levels that were measured.
    #[must_use]
    pub const fn measured(&self) -> &'static [usize] {
        if self.full {
            &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
        } else {
            &[0, LOADS - 1]
        }
    }
}

/// A machine of which idle and full load are known: the curve's inner levels
/// are not filled in yet.
pub(super) struct Ends(TrainingMachine);

pub(super) fn full(row: &Row) -> Result<TrainingMachine, String> {
    let watts = row.watts("", ALL_LOADS)?;
    let mut host = host(row)?;
    host.year = year(&row.text("hw_available")?)?;
    // Some results were entered in KiB: see the data's README.
    host.l3_mb = row
        .optional("l3_mb_per_socket")?
        .filter(|mb| *mb <= 2_048.0);
    host.dimms = row.optional("dimms")?;
    host.form = row.get("form_factor").and_then(Form::parse);
    let supplies = row
        .optional("psu_count")?
        .zip(row.optional("psu_rating_w")?);
    host.psu_w = supplies.map(|(psu_count, rating_w)| psu_count * rating_w / host.nodes);
    machine(row, row.text("result_id")?, host, watts, true)
}

pub(super) fn endpoints(row: &Row) -> Result<Ends, String> {
    let [idle, all] = row.watts("", [0, 100])?;
    let mut watts = [idle; LOADS];
    watts[LOADS - 1] = all;
    machine(row, row.text("row_id")?, host(row)?, watts, false).map(Ends)
}

/// All machines; those with idle and full load only get the mean shape of the
/// newest whole curves in between.
pub(super) fn completed(mut curves: Vec<TrainingMachine>, ends: Vec<Ends>) -> Vec<TrainingMachine> {
    let shape = mean_shape(&curves, 2_020.0);
    curves.extend(ends.into_iter().map(|Ends(mut machine)| {
        let (idle, span) = (
            machine.watts[0],
            machine.watts[LOADS - 1] - machine.watts[0],
        );
        machine.watts = shape.map(|share| idle + share * span);
        machine
    }));
    curves
}

/// The mean share of the span from idle to full load that each level takes,
/// over whole curves published since `since`; a straight line if there are none.
#[must_use]
pub fn mean_shape(curves: &[TrainingMachine], since: f64) -> Curve {
    let mut sum = [0.0; LOADS];
    let mut machines = 0_usize;
    for machine in curves
        .iter()
        .filter(|machine| machine.full && machine.published >= since)
    {
        let (idle, span) = (
            machine.watts[0],
            machine.watts[LOADS - 1] - machine.watts[0],
        );
        if span > 0.0 {
            machines += 1;
            for (total, watts) in sum.iter_mut().zip(machine.watts) {
                *total += (watts - idle) / span;
            }
        }
    }
    if machines == 0 {
        return std::array::from_fn(crate::host::load);
    }
    sum.map(|total| total / count(machines))
}

fn machine(
    row: &Row,
    id: String,
    host: Host,
    watts: Curve,
    full: bool,
) -> Result<TrainingMachine, String> {
    let per_thread_w = watts[LOADS - 1] / host.threads;
    // Far outside anything published: a slip of the pen.
    if !(0.1..=250.0).contains(&per_thread_w) {
        return Err(format!(
            "{per_thread_w:.2} W per thread at full load; accepted are 0.1 to 250"
        ));
    }
    let system_vendor = row.text("system_vendor")?;
    Ok(TrainingMachine {
        id,
        system_vendor,
        host,
        watts,
        full,
        published: year(&row.text("published")?)?,
    })
}

/// What both tables say of a machine.
fn host(row: &Row) -> Result<Host, String> {
    Ok(Host {
        cpu: cpu_name::key(&row.text("cpu_name")?),
        vendor: row.text("cpu_vendor")?,
        microarch: row.text("microarch")?,
        maker: maker(&row.text("system_vendor")?),
        // The catalogue puts the family's own in when all tables are read.
        design: Design::TODAY,
        sockets: row.positive("sockets")?,
        cores: row.positive("cores")?,
        threads: row.positive("threads")?,
        base_mhz: row.positive("base_mhz")?,
        tdp_w: row.positive("tdp_w")?,
        year: year(&row.text("published")?)?,
        mem_gb: row.optional("mem_gb")?,
        l3_mb: None,
        dimms: None,
        psu_w: None,
        form: None,
        nodes: row.positive("nodes")?,
    })
}

/// A date `YYYY-MM` in years.
pub(super) fn year(date: &str) -> Result<f64, String> {
    let parsed = date
        .split_once('-')
        .and_then(|(year, month)| Some((year.parse::<u16>().ok()?, month.parse::<u8>().ok()?)));
    match parsed {
        Some((year @ 2000..=2100, month @ 1..=12)) => {
            Ok(f64::from(year) + f64::from(month - 1) / 12.0)
        }
        _ => Err(format!("date \"{date}\"; accepted is YYYY-MM")),
    }
}
