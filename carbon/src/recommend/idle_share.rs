//! Who bears a node's idle energy: the one rule behind every figure of what a
//! request, a replica or a workload moves to others.
//!
//! Agents charge nobody with idle energy unless they are told to. What a
//! request bears of it is then a supposition, and each piece of advice names
//! it. Where they charge it by a rule of their own, that rule is taken.

use serde::{Deserialize, Serialize};
use tanso_power::{Estimate, Joules};

use super::{Attributed, AttributedGrams, NoAdvice, Target, Terms, WhyNot};
use crate::account::percent;
use crate::units::{GramsCo2e, Intensity, Pue};

/// Minutes of a day.
pub const DAY_MINUTES: u64 = 1_440;

/// By what idle energy is shared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum IdleSharing {
    /// By the larger of the shares of a node's CPU and memory that a pod asks
    /// for: that is what it keeps others from. A supposition, where nobody is
    /// charged with idle energy.
    #[default]
    LargerShare,
    /// By the CPU that is asked for, in the pods' own accounts.
    CpuRequests,
    /// By the CPU time that is used, in the pods' own accounts: a request
    /// bears nothing.
    CpuTime,
}

impl IdleSharing {
    /// What a figure of idle energy rests on, in words.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::LargerShare => {
                "supposing that idle energy is borne by the larger of the CPU and memory share asked for"
            }
            Self::CpuRequests => {
                "idle energy is charged by the CPU asked for, and only what nobody asked for is told apart: at least"
            }
            Self::CpuTime => "idle energy is charged by the CPU time used",
        }
    }

    /// Whether the pods' own accounts have their share of idle energy already.
    pub(super) const fn is_charged(self) -> bool {
        match self {
            Self::LargerShare => false,
            Self::CpuRequests | Self::CpuTime => true,
        }
    }
}

/// The node that a workload runs on, or the mean of several: what it uses doing
/// nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeIdle {
    /// What the node uses in a day doing nothing, at the IT equipment; of it
    /// what no pod is charged with.
    pub idle_per_day: Joules,
    /// The CPU it has to give, in thousandths of a core.
    pub allocatable_millicores: u32,
}

/// What a node has to give, and by what its idle energy is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeGives {
    /// Its idle energy and CPU.
    pub idle: NodeIdle,
    /// Its memory, bytes.
    pub allocatable_bytes: u64,
    /// Who bears its idle energy.
    pub sharing: IdleSharing,
}

/// What one pod asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asks {
    /// CPU, thousandths of a core; 0 if it asks for none.
    pub millicores: u32,
    /// Memory, bytes; 0 if it asks for none.
    pub bytes: u64,
}

/// The share of a node's idle energy that CPU requests bear, if they alone
/// count.
///
/// ```
/// use tanso_carbon::recommend::idle_share::{NodeIdle, attributed_idle};
/// use tanso_power::{Joules, Watts};
/// use std::time::Duration;
/// let day = Duration::from_secs(86_400);
/// let idle = |watts| Watts::try_from_watts(watts).unwrap().over(day);
/// let node = NodeIdle { idle_per_day: idle(200.0), allocatable_millicores: 16_000 };
/// assert_eq!(attributed_idle(node, 8_000), idle(100.0));
/// assert_eq!(attributed_idle(node, 3_000), idle(37.5));
/// ```
#[must_use]
pub fn attributed_idle(node: NodeIdle, request_millicores: u32) -> Joules {
    let whole = u64::from(node.allocatable_millicores);
    part(node.idle_per_day, (u64::from(request_millicores), whole), 1)
}

/// The idle energy per day that pods bear which ask for so much each and are
/// there for so many minutes of a day, all together: [`DAY_MINUTES`] for each
/// that runs all day.
///
/// ```
/// use tanso_carbon::recommend::idle_share::{Asks, DAY_MINUTES, IdleSharing, NodeGives, NodeIdle, borne};
/// use tanso_power::Joules;
/// let idle = NodeIdle { idle_per_day: Joules::from_microjoules(1_000), allocatable_millicores: 4_000 };
/// let mut node = NodeGives { idle, allocatable_bytes: 100, sharing: IdleSharing::LargerShare };
/// let asks = Asks { millicores: 1_000, bytes: 50 };
/// let by = |node| borne(node, asks, DAY_MINUTES).microjoules();
/// assert_eq!(by(node), 500);
/// node.sharing = IdleSharing::CpuRequests;
/// assert_eq!(by(node), 250);
/// node.sharing = IdleSharing::CpuTime;
/// assert_eq!(by(node), 0);
/// ```
#[must_use]
pub fn borne(node: NodeGives, asks: Asks, pod_minutes_per_day: u64) -> Joules {
    let whole = u64::from(node.idle.allocatable_millicores);
    let cpu = (u64::from(asks.millicores), whole);
    let memory = (asks.bytes, node.allocatable_bytes);
    let of = |share| part(node.idle.idle_per_day, share, pod_minutes_per_day);
    let per_day = |energy: Joules| Joules::from_microjoules(energy.microjoules() / DAY_MINUTES);
    match node.sharing {
        IdleSharing::LargerShare => per_day(of(cpu).max(of(memory))),
        IdleSharing::CpuRequests => per_day(of(cpu)),
        IdleSharing::CpuTime => Joules::ZERO,
    }
}

/// `times` the share of an energy; nothing of nothing.
fn part(energy: Joules, (asked, whole): (u64, u64), times: u64) -> Joules {
    let energy = u128::from(energy.microjoules());
    let asked = u128::from(asked).saturating_mul(u128::from(times));
    let part = energy.saturating_mul(asked).checked_div(u128::from(whole));
    Joules::from_microjoules(u64::try_from(part.unwrap_or(0)).unwrap_or(u64::MAX))
}

/// A workload as it stands on its nodes: what advice on what it asks for is
/// computed from.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    /// The workload.
    pub target: &'a Target,
    /// What one pod asks for.
    pub asks: Asks,
    /// Minutes of a day that its pods are there, all together:
    /// [`DAY_MINUTES`] for each that runs all day.
    pub pod_minutes_per_day: u64,
    /// The node, or the mean of several.
    pub node: NodeGives,
    /// The intensity of the energy, such as the account's effective one.
    pub intensity: Estimate<Intensity>,
    /// The facility's factor.
    pub pue: Pue,
    /// When, and for what least saving.
    pub terms: Terms,
}

/// What a smaller request moves to others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Moved {
    /// The idle energy per day, before PUE.
    pub(super) energy: Joules,
    /// The same as emissions.
    pub(super) attributed: Attributed,
    /// What the cluster saves per day if the requests let a whole node go.
    pub(super) if_a_node_goes: GramsCo2e,
}

impl Standing<'_> {
    /// The idle energy per day that its pods bear if they ask for so much.
    pub(super) fn bears(&self, asks: Asks) -> Joules {
        borne(self.node, asks, self.pod_minutes_per_day)
    }

    /// What an energy at the IT equipment emits.
    pub(super) fn price(&self, energy: Joules) -> Estimate<GramsCo2e> {
        self.intensity.map(|at| at.emissions_of(energy, self.pue))
    }

    /// What every percentage of idle energy is of: the workload's emissions of a
    /// day with its share of idle energy, whether its account has that share or
    /// not.
    #[must_use]
    pub fn with_idle(&self, own: GramsCo2e) -> GramsCo2e {
        if self.node.sharing.is_charged() {
            own
        } else {
            own + self.price(self.bears(self.asks)).value
        }
    }

    /// What moves to others if its pods ask for `less`; `change` says so in
    /// words. `own` is what the workload's account emits per day.
    ///
    /// # Errors
    /// [`NoAdvice`] if nothing moves, whatever least saving was asked for, and
    /// if too little does.
    pub(super) fn moved(
        &self,
        less: Asks,
        own: GramsCo2e,
        change: &str,
    ) -> Result<Moved, NoAdvice> {
        let refused = |message| Err(NoAdvice::new(WhyNot::SavesTooLittle, message));
        let now = self.bears(self.asks);
        let energy = now.saturating_sub(self.bears(less));
        let moved = self.price(energy);
        if moved.value == GramsCo2e::ZERO {
            let why = self.why_nothing(less, energy);
            return refused(format!("{change} would move nothing: {why}"));
        }
        let whole = self.with_idle(own);
        let percent = moved.map(|mass| share_percent(mass, whole));
        let least = self.terms.min_saving_percent;
        if percent.value < least {
            return refused(format!(
                "{change} would move {:.1} % of the workload's emissions with its share of idle energy, less than {least} %",
                percent.value
            ));
        }
        Ok(Moved {
            energy,
            attributed: Attributed {
                per_day: moved.map(AttributedGrams::new),
                percent,
            },
            if_a_node_goes: self.price(self.node.idle.idle_per_day).value,
        })
    }

    fn why_nothing(&self, less: Asks, energy: Joules) -> String {
        if energy > Joules::ZERO {
            let at = self.intensity.value;
            return format!("the idle energy that others would bear emits 0 g at {at}");
        }
        let is_memory = less.millicores == self.asks.millicores;
        let why = match self.node.sharing {
            IdleSharing::CpuTime => {
                "idle energy is charged by the CPU time used, whatever is asked for"
            }
            _ if self.node.idle.idle_per_day == Joules::ZERO => {
                "its nodes have no idle energy that others could bear"
            }
            IdleSharing::CpuRequests if is_memory => {
                "idle energy is charged by the CPU asked for alone"
            }
            IdleSharing::LargerShare if is_memory && self.asks.millicores > 0 => {
                "CPU is the larger share of the node that the pods ask for, so they bear as much idle energy as before"
            }
            IdleSharing::LargerShare if !is_memory && self.asks.bytes > 0 => {
                "memory is the larger share of the node that the pods ask for, so they bear as much idle energy as before"
            }
            _ => "the share of idle energy is too small to count",
        };
        why.to_owned()
    }
}

/// A mass in percent of another, at most 100.
pub(super) fn share_percent(part: GramsCo2e, whole: GramsCo2e) -> f64 {
    let of = |mass: GramsCo2e| u64::try_from(mass.nanograms()).unwrap_or(u64::MAX);
    percent(of(part).min(of(whole)), of(whole))
}

#[cfg(test)]
mod tests;
