//! Everything learned from the catalogue: a process for each view, means for
//! those of whom less is known.

use std::collections::BTreeMap;

use super::left_out::{
    RECENT, assess_coefficients, assess_family_threads, left_out, train, unknown,
};
use super::means::{coefficients, families, mean_curve, threads};
use super::{Assessed, Steps, Tier};
use crate::catalog::Catalog;
use crate::catalog::curves::TrainingMachine;
use crate::columns::View;
use crate::guess::Guess;
use crate::host::{Curve, LOADS};
use crate::matrix::Singular;
use crate::partial::{Kin, Partial, Scale, Told, Which};
use crate::process::Process;

/// Everything learned from the catalogue.
#[derive(Debug)]
pub struct Knowledge {
    processes: BTreeMap<View, Process>,
    partial: Partial,
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
    pub(crate) fn learn(catalog: &Catalog, steps: &Steps<'_>) -> Result<Self, Singular> {
        let machines = catalog.machines.as_slice();
        let guess = Guess::learn(machines.iter().map(|machine| &machine.host));
        let trained = std::thread::scope(|scope| {
            let threads = View::ALL.map(|view| {
                scope.spawn({
                    let guess = &guess;
                    move || train(view, machines, guess, steps)
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
        let partial = Partial::learn(machines)?;
        for kin in [Kin::Family, Kin::Vendor, Kin::Nobody] {
            let answers = partial.answers(least_told(machines, kin), kin, Scale::Machine)?;
            assessed.push(Assessed::new(
                Tier::Partial(kin),
                &answers.scored,
                LOADS,
                LOADS / 2,
            ));
        }
        assessed.push(left_out(
            Tier::TdpRatio,
            &all,
            |m| m.host.tdp_total_w(),
            |m| m.host.vendor.clone(),
        ));
        assessed.push(assess_family_threads(machines));
        assessed.push(assess_coefficients(&coefficients, machines));
        // Nobody says that a machine of which nothing is known is a recent one:
        // its watts are a recent one's, its bounds hold the others as well.
        assessed.push(unknown(Tier::AnyThread, &all, threads));
        assessed.push(unknown(Tier::AnyMachine, &all, |_| 1.0));
        assessed.sort_by_key(|tier| tier.tier);
        steps.done();
        Ok(Self {
            processes,
            partial,
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

    /// What is said of machines of which only a part is told.
    #[must_use]
    pub const fn partial(&self) -> &Partial {
        &self.partial
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

/// The least that is told of machines whose tier says how wrong it is: more of
/// it makes it better.
fn least_told(machines: &[TrainingMachine], kin: Kin) -> Which {
    let host = machines.first().map(|machine| &machine.host);
    let told = host.map_or_else(Told::default, |host| {
        let all = Told::of(host);
        match kin {
            Kin::Family | Kin::Vendor => Told {
                vendor: all.vendor,
                design: all.design,
                ..Told::default()
            },
            Kin::Nobody => Told {
                tdp_w: all.tdp_w,
                ..Told::default()
            },
        }
    });
    Which::of(&told.cells())
}
