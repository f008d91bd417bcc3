//! Machines that tell little of themselves, as the server answers them.
//!
//! Each measured machine is asked about by its published row, with columns left
//! away, of a selector that was trained without it and its like: reading,
//! resolving, choice of tier and bounds are those of a served question. Nothing
//! here was used to choose any of them.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::protocol::{Split, tenth};
use super::workers::each;
use crate::catalog::curves::TrainingMachine;
use crate::catalog::{Catalog, records};
use crate::features::Machine;
use crate::host::{count, load};
use crate::matrix::Singular;
use crate::select::Selector;
use crate::tiers::LEVEL;

/// What is accepted of the bounds' coverage, percent.
pub(super) const ACCEPTED: (f64, f64) = (87.0, 97.0);

/// What was tried where bounds hold too many or too few.
pub(super) const TRIED: &str = "bounds are calibrated on left-out machines that show the same of themselves, each family weighing by the root of \
    its size; a family unlike all others is beyond that, and is named as the worst. There are three vendors, one with ten \
    machines: who has seen two of them cannot tell how far the third is off, and bounds by vendor are too wide where \
    one of the two is unlike the other";

/// What of a row is told.
#[derive(Clone, Copy, Debug)]
enum Shows {
    /// All but these columns.
    But(&'static [&'static str]),
    /// These columns alone.
    Only(&'static [&'static str]),
    /// Every other column, others for each machine.
    Half,
    /// These columns, and as many vCPUs of a guest; its size is not told if 0.
    Guest(&'static [&'static str], u32),
}

/// A description and its name.
struct Description {
    name: &'static str,
    shows: Shows,
}

const fn description(name: &'static str, shows: Shows) -> Description {
    Description { name, shows }
}

const DESCRIPTIONS: [Description; 22] = [
    description("the whole row", Shows::But(&[])),
    description("no TDP", Shows::But(&["tdp_w"])),
    description("no threads", Shows::But(&["threads", "threads_per_core"])),
    description(
        "no cores, no threads",
        Shows::But(&["cores", "threads", "cores_per_socket", "threads_per_core"]),
    ),
    description("no sockets", Shows::But(&["sockets", "cores_per_socket"])),
    description(
        "no sockets, cores, threads",
        Shows::But(&[
            "sockets",
            "cores",
            "threads",
            "cores_per_socket",
            "threads_per_core",
        ]),
    ),
    description("no clock", Shows::But(&["base_mhz"])),
    description(
        "no year",
        Shows::But(&["published", "test_date", "hw_available"]),
    ),
    description("no memory", Shows::But(&["mem_gb", "dimms"])),
    description(
        "no CPU name, no family",
        Shows::But(&["cpu_name", "microarch"]),
    ),
    description(
        "no CPU name, family, year",
        Shows::But(&[
            "cpu_name",
            "microarch",
            "published",
            "test_date",
            "hw_available",
        ]),
    ),
    description("every other column", Shows::Half),
    description("CPU name alone", Shows::Only(&["cpu_name"])),
    description("CPU name, sockets", Shows::Only(&["cpu_name", "sockets"])),
    description(
        "as /proc/cpuinfo",
        Shows::Only(&["cpu_name", "cpu_vendor", "sockets", "cores", "threads"]),
    ),
    description("TDP, sockets", Shows::Only(&["tdp_w", "sockets"])),
    description("TDP, cores", Shows::Only(&["tdp_w", "cores"])),
    description("threads", Shows::Only(&["threads"])),
    description(
        "vendor, year",
        Shows::Only(&["cpu_vendor", "published", "hw_available"]),
    ),
    description("vendor", Shows::Only(&["cpu_vendor"])),
    description(
        "guest: CPU name, 8 vCPUs",
        Shows::Guest(&["cpu_name", "cpu_vendor"], 8),
    ),
    description(
        "guest: CPU name alone",
        Shows::Guest(&["cpu_name", "cpu_vendor"], 0),
    ),
];

/// How machines are left out, and of how many one is asked about.
pub const SPLITS: [(Split, usize); 4] = [
    (Split::Family, 1),
    (Split::CpuModel, 2),
    (Split::Random, 2),
    (Split::Vendor, 2),
];

/// One description's error on one split.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lacking {
    /// How machines were left out.
    pub split: Split,
    /// What was told.
    pub told: &'static str,
    /// Machines asked about.
    pub machines: usize,
    /// Mean absolute error of the curve, percent.
    pub mape_percent: f64,
    /// Share of true values within the bounds, percent.
    pub coverage_percent: f64,
    /// Mean width of the bounds over the value.
    pub width: f64,
    /// The family of which the fewest lie within, and how many do, percent.
    pub worst: (String, f64),
    /// The tier that answered most of them.
    pub tier: &'static str,
}

impl Lacking {
    /// Whether the bounds hold what they are to hold.
    #[must_use]
    pub fn met(&self) -> bool {
        (ACCEPTED.0..=ACCEPTED.1).contains(&self.coverage_percent)
    }
}

/// One answer.
struct Answer {
    family: String,
    error: f64,
    inside: f64,
    width: f64,
    tier: &'static str,
}

/// Asks about every description; `step` is told after each fold how many of
/// how many are done.
///
/// # Errors
/// If a selector cannot be trained.
pub fn run(
    catalog: &Catalog,
    splits: &[(Split, usize)],
    step: impl Fn(usize, usize) + Sync,
) -> Result<Vec<Lacking>, Singular> {
    let rows: BTreeMap<String, Map<String, Value>> = records().collect();
    let mut folds = Vec::new();
    for (split, every) in splits {
        for group in groups(catalog, *split) {
            folds.push((*split, *every, group));
        }
    }
    let found = each(&folds, step, |(split, every, group)| {
        Ok((*split, fold(catalog, &rows, *split, *every, group)?))
    })?;
    let mut tables: BTreeMap<(Split, usize), Vec<Answer>> = BTreeMap::new();
    for (split, answers) in found {
        for (place, answer) in answers {
            tables.entry((split, place)).or_default().push(answer);
        }
    }
    Ok(tables
        .into_iter()
        .filter_map(|((split, place), answers)| {
            Some(summed(split, DESCRIPTIONS.get(place)?.name, &answers))
        })
        .collect())
}

/// The groups of machines of a split, those of which the ends alone are known
/// as well.
fn groups(catalog: &Catalog, split: Split) -> Vec<String> {
    let places = catalog.machines.iter().enumerate();
    let mut groups: Vec<String> = places
        .filter_map(|(place, machine)| split.group(machine, place))
        .collect();
    groups.sort_unstable();
    groups.dedup();
    groups
}

/// Whether a machine may be trained on when `group` is left out; of a vendor
/// left out all others are known.
fn trains(split: Split, machine: &TrainingMachine, place: usize, group: &str) -> bool {
    if split == Split::Vendor {
        machine.host.vendor != group
    } else {
        split.trains(machine, place, group)
    }
}

/// What a selector without a group says of its machines, by description.
fn fold(
    catalog: &Catalog,
    rows: &BTreeMap<String, Map<String, Value>>,
    split: Split,
    every: usize,
    group: &str,
) -> Result<Vec<(usize, Answer)>, Singular> {
    let places = || catalog.machines.iter().enumerate();
    let selector = Selector::learn(Catalog {
        machines: places()
            .filter(|(place, machine)| trains(split, machine, *place, group))
            .map(|(_, machine)| machine.clone())
            .collect(),
        ..catalog.clone()
    })?;
    let asked =
        places().filter(|(place, machine)| split.group(machine, *place).as_deref() == Some(group));
    let mut answers = Vec::new();
    for (_, machine) in asked.step_by(every) {
        let Some(row) = rows.get(&machine.id) else {
            continue;
        };
        for (place, description) in DESCRIPTIONS.iter().enumerate() {
            let (told, factor) = description.of(row, machine);
            if let Some(answer) = answer(&selector, &told, machine, factor) {
                answers.push((place, answer));
            }
        }
    }
    Ok(answers)
}

/// What the selector says beside what was measured; `None` of a row that is
/// refused, which the tables' own test does not let happen.
fn answer(
    selector: &Selector,
    told: &Map<String, Value>,
    machine: &TrainingMachine,
    factor: f64,
) -> Option<Answer> {
    let selection = selector
        .select_at(&Machine::from_json(told).ok()?, LEVEL)
        .ok()?;
    let (mut error, mut inside, mut width) = (0.0, 0.0, 0.0);
    for level in machine.measured() {
        let at = tanso_power::Utilisation::try_new(load(*level)).ok()?;
        let power = selection.document.power_at(at);
        let power = power.map(tanso_power::Watts::as_watts_f64);
        let truth = machine.watts[*level] * factor;
        error += (power.value / truth - 1.0).abs();
        inside += f64::from(u8::from((power.low..=power.high).contains(&truth)));
        width += (power.high - power.low) / power.value;
    }
    let levels = count(machine.measured().len());
    Some(Answer {
        family: machine.host.microarch.clone(),
        error: error / levels,
        inside: inside / levels,
        width: width / levels,
        tier: selection.tier.name(),
    })
}

impl Description {
    /// What is told of a machine by its row, and what share of it is asked for.
    fn of(&self, row: &Map<String, Value>, machine: &TrainingMachine) -> (Map<String, Value>, f64) {
        let with = |keeps: &dyn Fn(&str) -> bool| -> Map<String, Value> {
            let kept = row.iter().filter(|(name, _)| keeps(name));
            kept.map(|(name, value)| (name.clone(), value.clone()))
                .collect()
        };
        match self.shows {
            Shows::But(left_away) => (with(&|name| !left_away.contains(&name)), 1.0),
            Shows::Only(told) => (with(&|name| told.contains(&name)), 1.0),
            Shows::Half => {
                let seed = |name: &str| tenth(format!("{} {name}", machine.id).as_bytes());
                (with(&|name| seed(name) < 5), 1.0)
            }
            Shows::Guest(told, vcpus) => {
                let mut told = with(&|name| told.contains(&name));
                told.insert("virtual_machine".to_owned(), json!(true));
                let threads = machine.host.threads;
                let own = f64::from(vcpus).min(threads);
                if vcpus == 0 {
                    return (told, 1.0);
                }
                told.insert("threads".to_owned(), json!(own));
                (told, own / threads)
            }
        }
    }
}

fn summed(split: Split, told: &'static str, answers: &[Answer]) -> Lacking {
    let mean =
        |of: fn(&Answer) -> f64| answers.iter().map(of).sum::<f64>() / count(answers.len().max(1));
    let mut families: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    let mut tiers: BTreeMap<&'static str, usize> = BTreeMap::new();
    for answer in answers {
        let (inside, all) = families.entry(&answer.family).or_default();
        *inside += answer.inside;
        *all += 1.0;
        *tiers.entry(answer.tier).or_default() += 1;
    }
    let worst = families
        .iter()
        .map(|(family, (inside, all))| ((*family).to_owned(), 100.0 * inside / all))
        .min_by(|a, b| a.1.total_cmp(&b.1));
    let tier = tiers.iter().max_by_key(|(_, answers)| **answers);
    Lacking {
        split,
        told,
        machines: answers.len(),
        mape_percent: 100.0 * mean(|answer| answer.error),
        coverage_percent: 100.0 * mean(|answer| answer.inside),
        width: mean(|answer| answer.width),
        worst: worst.unwrap_or_default(),
        tier: tier.map_or("", |(tier, _)| *tier),
    }
}

/// How a split is called here.
pub(super) const fn left_out(split: Split) -> &'static str {
    match split {
        Split::Random => "the machine never seen, its CPU perhaps",
        other => other.name(),
    }
}

/// The rows as text.
pub struct Table<'a>(pub &'a [Lacking]);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Machines that tell little, answered as served by who never saw them; bounds at {:.0} %",
            LEVEL * 100.0
        )?;
        for split in Split::ALL {
            let mut rows = self.0.iter().filter(|row| row.split == split).peekable();
            if rows.peek().is_none() {
                continue;
            }
            writeln!(
                f,
                "{}\n  {:<28} {:>4} {:>6} {:>6} {:>6}  {:<8} {:<21} least covered",
                left_out(split),
                "told",
                "n",
                "MAPE",
                "cover",
                "width",
                "",
                "tier"
            )?;
            for row in rows {
                writeln!(
                    f,
                    "  {:<28} {:>4} {:>6.1} {:>6.1} {:>6.2}  {:<8} {:<21} {} ({:.0} %)",
                    row.told,
                    row.machines,
                    row.mape_percent,
                    row.coverage_percent,
                    row.width,
                    if row.met() { "met" } else { "NOT MET" },
                    row.tier,
                    row.worst.0,
                    row.worst.1
                )?;
            }
        }
        writeln!(
            f,
            "Accepted: {} to {} % within the bounds. Tried: {TRIED}.",
            ACCEPTED.0, ACCEPTED.1
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who never saw a vendor answers all that it may tell, and its bounds hold
    /// most of it.
    #[test]
    fn every_description_is_answered_by_who_never_saw_the_vendor() {
        let rows = run(&Catalog::bundled(), &[(Split::Vendor, 9)], |_, _| ()).unwrap();
        assert_eq!(rows.len(), DESCRIPTIONS.len());
        let all = rows.iter().map(|row| row.machines).max().unwrap();
        for row in &rows {
            assert_eq!(row.machines, all, "{}", row.told);
            assert!(row.mape_percent.is_finite() && row.width > 0.1, "{row:?}");
            assert!(row.coverage_percent > 60.0, "{row:?}");
        }
        let text = Table(&rows).to_string();
        for description in &DESCRIPTIONS {
            assert!(text.contains(description.name), "{text}");
        }
    }
}
