//! Each tier's error: its machines predicted as if they, and whoever would give
//! them away, had never been seen.

use std::collections::{BTreeMap, BTreeSet};

use super::means::{families, mean_curve, threads};
use super::{Assessed, Steps, Tier};
use crate::catalog::curves::TrainingMachine;
use crate::columns::View;
use crate::conformal::Scored;
use crate::guess::Guess;
use crate::host::{Curve, Host, LOADS, median};
use crate::matrix::Singular;
use crate::process::{Kernel, Process};

/// A process and the tiers that stand on it.
pub(super) fn train(
    view: View,
    machines: &[TrainingMachine],
    guess: &Guess,
    steps: &Steps<'_>,
) -> Result<(Process, Vec<Assessed>), Singular> {
    let process = Process::train(view, Kernel::default(), machines)?;
    steps.done();
    if view == View::Guest {
        let assessed = guests(&process, machines, steps)?;
        return Ok((process, assessed));
    }
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
    let (usual, share) = usual_sockets(&process, machines)?;
    let family_known = groups(&process, machines, cpu, |m, others| {
        others.iter().any(|other| family(other) == family(m))
    })?;
    let unseen = groups(&process, machines, family, |m, others| {
        others
            .iter()
            .any(|other| other.host.vendor == m.host.vendor)
    })?;
    let tier = |tier: Tier, scored: Vec<Scored>| {
        steps.done();
        Assessed::new(tier, &scored, LOADS, LOADS / 2)
    };
    let guessed = guessed(&process, machines, guess)?;
    let assessed = vec![
        tier(Tier::CpuModel(view), model),
        tier(Tier::CpuModelUsual(view), usual),
        tier(Tier::CpuModelShare(view), share),
        tier(Tier::CpuFamily(view), family_known),
        tier(Tier::CpuFamilyGuessed(view), guessed),
        tier(Tier::UnseenFamily(view), unseen),
    ];
    Ok((process, assessed))
}

/// The tiers of guests whose CPU's data sheet nobody has: their machines as
/// guests show them, without their CPU model or without their family.
fn guests(
    process: &Process,
    machines: &[TrainingMachine],
    steps: &Steps<'_>,
) -> Result<Vec<Assessed>, Singular> {
    let mut assessed = Vec::new();
    for tier in [
        Tier::CpuFamily(View::Guest),
        Tier::UnseenFamily(View::Guest),
    ] {
        let by_family = tier == Tier::UnseenFamily(View::Guest);
        let mut groups: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
        for (row, machine) in machines.iter().enumerate() {
            let cpu = if by_family { "" } else { &machine.host.cpu };
            let group = groups.entry((&machine.host.microarch, cpu)).or_default();
            group.push(row);
        }
        let mut scored = Vec::new();
        for ((family, _), group) in &groups {
            let inside: BTreeSet<usize> = group.iter().copied().collect();
            let others = (0..machines.len()).filter(|row| !inside.contains(row));
            let mut others = others.map(|row| &machines[row].host);
            let vendor = &machines[group[0]].host.vendor;
            let known = others.any(|other| {
                if by_family {
                    other.vendor == *vendor
                } else {
                    other.microarch == *family
                }
            });
            if !known {
                continue;
            }
            let without = process.without(group)?;
            for machine in group.iter().map(|row| &machines[*row]) {
                if machine.full {
                    let belief = process.believe_without(&without, &shown(&machine.host));
                    scored.push(compared(machine, belief.watts.to_vec(), belief.deviation));
                }
            }
        }
        steps.done();
        assessed.push(Assessed::new(tier, &scored, LOADS, LOADS / 2));
    }
    Ok(assessed)
}

/// A host as a guest shows it whose CPU is in no table: it is of the year in
/// which its family came out, and its clock is what its name says.
fn shown(host: &Host) -> Host {
    Host {
        cpu: String::new(),
        maker: String::new(),
        base_mhz: host.clock_in_name().unwrap_or(0.0),
        year: host.design.launched,
        ..host.clone()
    }
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

/// Whole curves predicted without their CPU model in machines of their builder,
/// with as many sockets as the other builders' machines usually have; and what
/// that says of a share of the machine.
fn usual_sockets(
    process: &Process,
    machines: &[TrainingMachine],
) -> Result<(Vec<Scored>, Vec<Scored>), Singular> {
    let mut twins: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (row, machine) in machines.iter().enumerate() {
        if !machine.host.cpu.is_empty() {
            twins.entry(&machine.host.cpu).or_default().push(row);
        }
    }
    let (mut scored, mut shares) = (Vec::new(), Vec::new());
    for rows in twins.values() {
        let builders: BTreeSet<&str> = rows
            .iter()
            .map(|row| machines[*row].system_vendor.as_str())
            .collect();
        for builder in builders {
            let (group, others): (Vec<usize>, Vec<usize>) = rows
                .iter()
                .partition(|row| machines[**row].system_vendor == builder);
            let others: Vec<&Host> = others.iter().map(|row| &machines[*row].host).collect();
            if others.is_empty() {
                continue;
            }
            let sockets = median(&others, |host| host.sockets);
            let without = process.without(&group)?;
            for (row, itself) in group.iter().zip(process.leave_out(&group)?) {
                let machine = &machines[*row];
                let by = sockets / machine.host.sockets;
                let usual = || Host {
                    sockets,
                    cores: machine.host.cores * by,
                    threads: machine.host.threads * by,
                    ..machine.host.clone()
                };
                let belief = if (by - 1.0).abs() < 1e-9 {
                    itself
                } else {
                    process.believe_without(&without, &usual())
                };
                let share = belief.watts.map(|watts| watts / by);
                scored.push(compared(machine, belief.watts.to_vec(), belief.deviation));
                shares.push(compared(machine, share.to_vec(), belief.deviation));
            }
        }
    }
    for scored in [&mut scored, &mut shares] {
        scored.retain(|machine| machine.levels.len() == LOADS);
    }
    Ok((scored, shares))
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
        id: machine.id.clone(),
        family: machine.host.microarch.clone(),
        levels: machine.measured().to_vec(),
        truth: machine.watts.to_vec(),
        predicted,
        deviation,
    }
}

/// The error of a mean curve by `unit` when the machine's `group` is left out.
pub(super) fn left_out(
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

/// The first year of machines that an unknown one is taken for: older threads
/// take several times the power.
pub(super) const RECENT: f64 = 2_017.0;

/// The error of the mean curve of recent machines by `unit`, on machines of any
/// time whose family is left out.
pub(super) fn unknown(
    tier: Tier,
    machines: &[&TrainingMachine],
    unit: impl Fn(&TrainingMachine) -> f64 + Copy,
) -> Assessed {
    let mut families: BTreeMap<&str, Vec<&TrainingMachine>> = BTreeMap::new();
    for machine in machines {
        let family = families.entry(&machine.host.microarch).or_default();
        family.push(machine);
    }
    let mut scored = Vec::new();
    for (family, members) in &families {
        let others: Vec<&TrainingMachine> = machines
            .iter()
            .filter(|other| other.host.year >= RECENT && other.host.microarch != *family)
            .copied()
            .collect();
        if others.is_empty() {
            continue;
        }
        let curve = mean_curve(&others, unit);
        scored.extend(members.iter().map(|machine| {
            let watts = curve.map(|watts| watts * unit(machine));
            compared(machine, watts.to_vec(), 1.0)
        }));
    }
    Assessed::new(tier, &scored, LOADS, LOADS / 2)
}

pub(super) fn assess_family_threads(machines: &[TrainingMachine]) -> Assessed {
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

pub(super) fn assess_coefficients(
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
