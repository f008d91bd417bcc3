//! The tiers of knowledge about a machine, from published figures of its very
//! kind down to nothing, each with its error on machines left out.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::catalog::Catalog;
use crate::catalog::curves::{TrainingMachine, mean_shape};
use crate::columns::View;
use crate::conformal::{Calibration, Score, Scored, score};
use crate::guess::Guess;
use crate::host::{Curve, Host, LOADS, count, median};
use crate::matrix::Singular;
use crate::process::{Kernel, Process};

/// How much is known of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Published watts of the cloud instance type.
    Instance,
    /// The CPU model was measured by others.
    CpuModel(View),
    /// The microarchitecture was measured, this CPU model not.
    CpuFamily(View),
    /// As `CpuFamily`, and the design power is a guess from the family.
    CpuFamilyGuessed(View),
    /// The vendor was measured, this microarchitecture not.
    UnseenFamily(View),
    /// The thermal design power is known, the vendor was not measured.
    TdpRatio,
    /// The microarchitecture was measured; little is known of the machine.
    FamilyPerThread,
    /// Only a published pair of watts per thread is known.
    Coefficients,
    /// Nothing but the number of threads is known.
    AnyThread,
    /// Nothing is known.
    AnyMachine,
}

impl Tier {
    /// A stable name for reports and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::CpuModel(_) => "cpu-model",
            Self::CpuFamily(_) => "cpu-family",
            Self::CpuFamilyGuessed(_) => "cpu-family-no-tdp",
            Self::UnseenFamily(_) => "unseen-family",
            Self::TdpRatio => "tdp-ratio",
            Self::FamilyPerThread => "family-per-thread",
            Self::Coefficients => "coefficients",
            Self::AnyThread => "any-thread",
            Self::AnyMachine => "any-machine",
        }
    }

    /// What the tier's model sees of a machine.
    #[must_use]
    pub const fn sees(self) -> &'static str {
        match self {
            Self::CpuModel(view)
            | Self::CpuFamily(view)
            | Self::CpuFamilyGuessed(view)
            | Self::UnseenFamily(view) => view.name(),
            Self::Instance => "instance type",
            Self::TdpRatio => "TDP",
            Self::FamilyPerThread | Self::Coefficients => "microarchitecture and threads",
            Self::AnyThread => "threads",
            Self::AnyMachine => "nothing",
        }
    }

    /// The protocol by which the tier's error is found.
    #[must_use]
    pub const fn protocol(self) -> &'static str {
        match self {
            Self::Instance => {
                "published instance figures against wall-power models of their hosts; nobody published a measurement"
            }
            Self::CpuModel(_) => {
                "leave one CPU model of one system vendor out, other vendors' twins known"
            }
            Self::CpuFamily(_) | Self::FamilyPerThread => {
                "leave one CPU model out, others of its family known"
            }
            Self::CpuFamilyGuessed(_) => {
                "leave one CPU model out, others of its family known; its design power guessed from them, clock and year the family's"
            }
            Self::UnseenFamily(_) | Self::AnyThread | Self::AnyMachine => {
                "leave one CPU family out"
            }
            Self::TdpRatio => "leave one CPU vendor out",
            Self::Coefficients => {
                "published coefficients on bundled machines, which their publisher may have seen"
            }
        }
    }
}

/// A tier's error, and its intervals.
#[derive(Clone, Debug)]
pub struct Assessed {
    /// The tier.
    pub tier: Tier,
    /// Its error on machines left out.
    pub score: Score,
    /// Its intervals.
    pub calibration: Calibration,
}

impl Assessed {
    /// Scores a tier and calibrates its intervals at 90 %.
    #[must_use]
    pub fn new(tier: Tier, scored: &[Scored], levels: usize, half: usize) -> Self {
        Self {
            tier,
            score: score(scored, levels, half, LEVEL),
            calibration: Calibration::learn(scored.iter(), levels),
        }
    }

    /// The line of a report.
    #[must_use]
    pub fn line(&self) -> TierReport<'_> {
        TierReport {
            tier: self.tier.name(),
            sees: self.tier.sees(),
            protocol: self.tier.protocol(),
            score: &self.score,
        }
    }
}

/// A tier's line in the evaluation.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TierReport<'a> {
    pub(crate) tier: &'static str,
    pub(crate) sees: &'static str,
    pub(crate) protocol: &'static str,
    #[serde(flatten)]
    pub(crate) score: &'a Score,
}

/// The share of true values that intervals are to hold unless asked otherwise.
pub const LEVEL: f64 = 0.9;

/// The first year of machines that an unknown one is compared with: older
/// threads take several times the power.
const RECENT: f64 = 2_017.0;

/// Everything learned from the catalogue.
#[derive(Debug)]
pub struct Knowledge {
    processes: BTreeMap<View, Process>,
    guess: Guess,
    family_threads: BTreeMap<String, Curve>,
    coefficients: BTreeMap<String, Curve>,
    tdp_ratio: Curve,
    any_thread: Curve,
    any_machine: Curve,
    /// Each tier's error.
    pub assessed: Vec<Assessed>,
}

impl Knowledge {
    /// Trains every tier and finds its error; the views' processes train side
    /// by side.
    ///
    /// # Errors
    /// If a process cannot be trained.
    pub fn learn(catalog: &Catalog) -> Result<Self, Singular> {
        let machines = catalog.machines.as_slice();
        let guess = Guess::learn(machines.iter().map(|machine| &machine.host));
        let trained = std::thread::scope(|scope| {
            let threads = View::ALL.map(|view| {
                scope.spawn({
                    let guess = &guess;
                    move || train(view, machines, guess)
                })
            });
            threads
                .into_iter()
                .map(|thread| {
                    thread
                        .join()
                        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                })
                .collect::<Vec<_>>()
        });
        let mut processes = BTreeMap::new();
        let mut assessed = Vec::new();
        for (view, outcome) in View::ALL.into_iter().zip(trained) {
            let (process, tiers) = outcome?;
            processes.insert(view, process);
            assessed.extend(tiers);
        }
        let all: Vec<&TrainingMachine> = machines.iter().collect();
        let recent: Vec<&TrainingMachine> = machines
            .iter()
            .filter(|machine| machine.host.year >= RECENT)
            .collect();
        let coefficients = coefficients(catalog);
        assessed.push(left_out(
            Tier::TdpRatio,
            &all,
            |m| m.host.tdp_total_w(),
            |m| m.host.vendor.clone(),
        ));
        assessed.push(assess_family_threads(machines));
        assessed.push(assess_coefficients(&coefficients, machines));
        assessed.push(left_out(
            Tier::AnyThread,
            &recent,
            |m| m.host.threads,
            |m| m.host.microarch.clone(),
        ));
        assessed.push(left_out(
            Tier::AnyMachine,
            &recent,
            |_| 1.0,
            |m| m.host.microarch.clone(),
        ));
        assessed.sort_by_key(|tier| tier.tier);
        Ok(Self {
            processes,
            guess,
            family_threads: families(machines)
                .into_iter()
                .map(|(family, members)| (family, mean_curve(&members, threads)))
                .collect(),
            coefficients,
            tdp_ratio: mean_curve(&all, |m| m.host.tdp_total_w()),
            any_thread: mean_curve(&recent, threads),
            any_machine: mean_curve(&recent, |_| 1.0),
            assessed,
        })
    }

    /// The process of a view.
    #[must_use]
    pub fn process(&self, view: View) -> Option<&Process> {
        self.processes.get(&view)
    }

    /// Guesses design powers.
    #[must_use]
    pub const fn guess(&self) -> &Guess {
        &self.guess
    }

    /// Watts per thread of a measured microarchitecture.
    #[must_use]
    pub fn family_per_thread(&self, microarch: &str) -> Option<&Curve> {
        self.family_threads.get(microarch)
    }

    /// Published watts per thread of a microarchitecture.
    #[must_use]
    pub fn published_per_thread(&self, microarch: &str) -> Option<&Curve> {
        self.coefficients.get(microarch)
    }

    /// Watts per watt of thermal design power.
    #[must_use]
    pub const fn per_tdp(&self) -> &Curve {
        &self.tdp_ratio
    }

    /// Watts per thread of any recent machine.
    #[must_use]
    pub const fn any_thread(&self) -> &Curve {
        &self.any_thread
    }

    /// Watts of any recent machine.
    #[must_use]
    pub const fn any_machine(&self) -> &Curve {
        &self.any_machine
    }

    /// What is known of a tier's error.
    #[must_use]
    pub fn assessed(&self, tier: Tier) -> Option<&Assessed> {
        self.assessed.iter().find(|assessed| assessed.tier == tier)
    }
}

fn threads(machine: &TrainingMachine) -> f64 {
    machine.host.threads
}

fn families(machines: &[TrainingMachine]) -> BTreeMap<String, Vec<&TrainingMachine>> {
    let mut families: BTreeMap<String, Vec<&TrainingMachine>> = BTreeMap::new();
    for machine in machines {
        families
            .entry(machine.host.microarch.clone())
            .or_default()
            .push(machine);
    }
    families
}

/// A process and the four tiers that stand on it.
fn train(
    view: View,
    machines: &[TrainingMachine],
    guess: &Guess,
) -> Result<(Process, [Assessed; 4]), Singular> {
    let process = Process::train(view, Kernel::default(), machines)?;
    let cpu = |m: &TrainingMachine| {
        if m.host.cpu.is_empty() {
            m.id.clone()
        } else {
            m.host.cpu.clone()
        }
    };
    let family = |m: &TrainingMachine| m.host.microarch.clone();
    // Scored are machines of which the tier would be said: with twins of
    // another vendor, or with other CPU models in their family.
    let model = groups(
        &process,
        machines,
        |m| format!("{}|{}", cpu(m), m.system_vendor),
        |m, others| others.iter().any(|other| cpu(other) == cpu(m)),
    )?;
    let family_known = groups(&process, machines, cpu, |m, others| {
        others.iter().any(|other| family(other) == family(m))
    })?;
    let unseen = groups(&process, machines, family, |m, others| {
        others
            .iter()
            .any(|other| other.host.vendor == m.host.vendor)
    })?;
    let tier = |tier: Tier, scored: Vec<Scored>| Assessed::new(tier, &scored, LOADS, LOADS / 2);
    let guessed = guessed(&process, machines, guess)?;
    let assessed = [
        tier(Tier::CpuModel(view), model),
        tier(Tier::CpuFamily(view), family_known),
        tier(Tier::CpuFamilyGuessed(view), guessed),
        tier(Tier::UnseenFamily(view), unseen),
    ];
    Ok((process, assessed))
}

/// Whole curves predicted without their CPU model and without its data sheet:
/// design power, clock and year are what the rest of the family suggests.
fn guessed(
    process: &Process,
    machines: &[TrainingMachine],
    guess: &Guess,
) -> Result<Vec<Scored>, Singular> {
    let mut scored = Vec::new();
    for (family, members) in families(machines) {
        let cpus: BTreeSet<&str> = members
            .iter()
            .map(|machine| machine.host.cpu.as_str())
            .filter(|cpu| !cpu.is_empty())
            .collect();
        for cpu in cpus {
            let group: Vec<usize> = (0..machines.len())
                .filter(|row| {
                    machines[*row].host.microarch == family && machines[*row].host.cpu == cpu
                })
                .collect();
            let others: Vec<&Host> = members
                .iter()
                .map(|machine| &machine.host)
                .filter(|host| host.cpu != cpu)
                .collect();
            if others.is_empty() {
                continue;
            }
            let without = process.without(&group)?;
            let (base_mhz, year) = (
                median(&others, |host| host.base_mhz),
                median(&others, |host| host.year),
            );
            for machine in group
                .iter()
                .map(|row| &machines[*row])
                .filter(|machine| machine.full)
            {
                let per_socket = machine.host.cores / machine.host.sockets;
                let Some(tdp_w) = guess.tdp_w(&family, per_socket, base_mhz, cpu) else {
                    continue;
                };
                let host = Host {
                    base_mhz,
                    tdp_w,
                    year,
                    ..machine.host.clone()
                };
                let belief = process.believe_without(&without, &host);
                scored.push(compared(machine, belief.watts.to_vec(), belief.deviation));
            }
        }
    }
    Ok(scored)
}

/// Whole curves predicted without their group, where `counts` says that the
/// rest leaves the tier's knowledge.
fn groups(
    process: &Process,
    machines: &[TrainingMachine],
    group: impl Fn(&TrainingMachine) -> String,
    counts: impl Fn(&TrainingMachine, &[&TrainingMachine]) -> bool,
) -> Result<Vec<Scored>, Singular> {
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, machine) in machines.iter().enumerate() {
        groups.entry(group(machine)).or_default().push(index);
    }
    let mut scored = Vec::new();
    for (name, members) in &groups {
        let Some(first) = members.first().map(|member| &machines[*member]) else {
            continue;
        };
        let others: Vec<&TrainingMachine> = machines
            .iter()
            .filter(|machine| group(machine) != *name)
            .collect();
        if !counts(first, &others) {
            continue;
        }
        for (member, belief) in members.iter().zip(process.leave_out(members)?) {
            scored.push(compared(
                &machines[*member],
                belief.watts.to_vec(),
                belief.deviation,
            ));
        }
    }
    scored.retain(|machine| machine.levels.len() == LOADS);
    Ok(scored)
}

fn compared(machine: &TrainingMachine, predicted: Vec<f64>, deviation: f64) -> Scored {
    Scored {
        family: machine.host.microarch.clone(),
        levels: machine.measured().to_vec(),
        truth: machine.watts.to_vec(),
        predicted,
        deviation,
    }
}

/// The geometric mean of power by `unit`, each CPU model weighing by its
/// threads: a thread of which nothing else is known is likelier one of many.
fn mean_curve(machines: &[&TrainingMachine], unit: impl Fn(&TrainingMachine) -> f64) -> Curve {
    let mut models: BTreeMap<(&str, &str), Vec<&TrainingMachine>> = BTreeMap::new();
    for machine in machines {
        models
            .entry((&machine.host.microarch, &machine.host.cpu))
            .or_default()
            .push(machine);
    }
    let mut logs = [0.0; LOADS];
    let weight = |members: &[&TrainingMachine]| {
        members.iter().map(|m| m.host.threads).sum::<f64>() / count(members.len())
    };
    let total: f64 = models.values().map(|members| weight(members)).sum();
    for members in models.values() {
        let share = weight(members) / total / count(members.len());
        for machine in members {
            for (log, watts) in logs.iter_mut().zip(machine.watts) {
                *log += (watts / unit(machine)).ln() * share;
            }
        }
    }
    logs.map(f64::exp)
}

/// The error of a mean curve by `unit` when the machine's `group` is left out.
fn left_out(
    tier: Tier,
    machines: &[&TrainingMachine],
    unit: impl Fn(&TrainingMachine) -> f64 + Copy,
    group: impl Fn(&TrainingMachine) -> String,
) -> Assessed {
    let names: BTreeSet<String> = machines.iter().map(|machine| group(machine)).collect();
    let mut scored = Vec::new();
    for name in names {
        let (inside, outside): (Vec<_>, Vec<_>) =
            machines.iter().partition(|machine| group(machine) == name);
        let outside: Vec<&TrainingMachine> = outside;
        if outside.is_empty() {
            continue;
        }
        let curve = mean_curve(&outside, unit);
        scored.extend(inside.iter().map(|machine| {
            compared(
                machine,
                curve.map(|watts| watts * unit(machine)).to_vec(),
                1.0,
            )
        }));
    }
    Assessed::new(tier, &scored, LOADS, LOADS / 2)
}

fn assess_family_threads(machines: &[TrainingMachine]) -> Assessed {
    let mut scored = Vec::new();
    for members in families(machines).values() {
        let models: BTreeSet<&str> = members
            .iter()
            .map(|machine| machine.host.cpu.as_str())
            .collect();
        for model in models {
            let (inside, outside): (Vec<_>, Vec<_>) = members
                .iter()
                .partition(|machine| machine.host.cpu == model);
            let outside: Vec<&TrainingMachine> = outside;
            if outside.is_empty() {
                continue;
            }
            let curve = mean_curve(&outside, threads);
            scored.extend(
                inside
                    .iter()
                    .map(|m| compared(m, curve.map(|watts| watts * m.host.threads).to_vec(), 1.0)),
            );
        }
    }
    Assessed::new(Tier::FamilyPerThread, &scored, LOADS, LOADS / 2)
}

/// The geometric mean of the published pairs, with the newest mean shape.
fn coefficients(catalog: &Catalog) -> BTreeMap<String, Curve> {
    let shape = mean_shape(&catalog.machines, 2_020.0);
    let mut pairs: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    // The medians of the bundled machines would be scored on themselves.
    for pair in catalog
        .coefficients
        .iter()
        .filter(|pair| pair.source.starts_with("ccf"))
    {
        pairs
            .entry(pair.microarch.clone())
            .or_default()
            .push((pair.idle_w.ln(), pair.full_w.ln()));
    }
    let mean = |logs: &[(f64, f64)], pick: fn(&(f64, f64)) -> f64| {
        (logs.iter().map(pick).sum::<f64>() / count(logs.len())).exp()
    };
    let curve = |logs: &[(f64, f64)]| {
        let (idle, full) = (mean(logs, |pair| pair.0), mean(logs, |pair| pair.1));
        shape.map(|share| idle + share * (full - idle))
    };
    pairs
        .iter()
        .map(|(microarch, logs)| (microarch.clone(), curve(logs)))
        .collect()
}

fn assess_coefficients(
    coefficients: &BTreeMap<String, Curve>,
    machines: &[TrainingMachine],
) -> Assessed {
    let scored: Vec<Scored> = machines
        .iter()
        .filter_map(|machine| {
            let curve = coefficients.get(&machine.host.microarch)?;
            Some(compared(
                machine,
                curve.map(|watts| watts * machine.host.threads).to_vec(),
                1.0,
            ))
        })
        .collect();
    Assessed::new(Tier::Coefficients, &scored, LOADS, LOADS / 2)
}
