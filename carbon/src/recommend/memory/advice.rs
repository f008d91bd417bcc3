//! Advice to ask for as much memory as is held.
//!
//! Idle energy is shared by the larger of the CPU and the memory share that
//! requests take of a node; a smaller memory request moves idle energy only
//! where memory is that larger share. The cluster saves something only if a
//! node goes; both figures are given, and never mixed.

use serde::Serialize;
use serde_json::json;
use tanso_power::{Estimate, Joules};

use super::{MIB, MemorySample, MemorySizes, dominant_share, sizes};
use crate::recommend::rightsize::{NodeIdle, requests_change, share_percent};
use crate::recommend::{
    Action, Attributed, AttributedGrams, Confidence, NoAdvice, Recommendation, Target, Terms,
    WhyNot,
};
use crate::units::{GramsCo2e, Intensity, Pue};

/// Minutes of a day: a daily peak needs at least one.
const DAY_MINUTES: u64 = 1_440;
const MILLIONTHS: u128 = 1_000_000;

/// What a node has to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeGives {
    /// Its idle energy and CPU.
    pub idle: NodeIdle,
    /// Its memory, bytes.
    pub allocatable_bytes: u64,
}

/// What one pod asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asks {
    /// CPU, thousandths of a core; 0 if it asks for none.
    pub millicores: u32,
    /// Memory, bytes.
    pub bytes: u64,
}

/// A workload whose memory request could be lowered.
#[derive(Clone, Copy, Debug)]
pub struct MemoryRequest<'a> {
    /// The workload.
    pub target: &'a Target,
    /// The container whose request it is.
    pub container: &'a str,
    /// The highest working set of any of its pods, by day or finer.
    pub samples: &'a [MemorySample],
    /// Minutes in which it was seen.
    pub minutes: u64,
    /// What one pod asks for.
    pub asks: Asks,
    /// How many pods there are.
    pub replicas: u32,
    /// The node, or the mean of several.
    pub node: NodeGives,
    /// The intensity of the energy, such as the account's effective one.
    pub intensity: Estimate<Intensity>,
    /// The facility's factor.
    pub pue: Pue,
    /// What the workload emits per day without a share of idle energy.
    pub emissions_per_day: GramsCo2e,
    /// When, and for what least saving.
    pub terms: Terms,
}

/// Advice to ask for less memory.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MemoryAdvice {
    /// The advice; its saving is the cluster's, which is nothing, and what it
    /// moves to others stands beside it.
    pub recommendation: Recommendation,
    /// What a pod should ask for.
    pub sizes: MemorySizes,
    /// The idle energy per day that others would bear instead, before PUE.
    pub attributed_per_day: Joules,
    /// What the cluster would save per day if the lowered requests let a whole
    /// node go: its idle energy.
    pub if_a_node_goes_per_day: GramsCo2e,
}

/// Advice from daily peaks: see [`sizes`].
///
/// # Errors
/// [`NoAdvice`] says why there is none.
pub fn rightsize_memory(request: &MemoryRequest<'_>) -> Result<MemoryAdvice, NoAdvice> {
    let asked = request.asks.bytes;
    if asked == 0 {
        let message = format!("container {:?} asks for no memory", request.container);
        return Err(NoAdvice::new(WhyNot::NoRequest, message));
    }
    if request.minutes < DAY_MINUTES {
        let message = format!(
            "memory was seen in {} minutes; daily peaks need a day of them",
            request.minutes
        );
        return Err(NoAdvice::new(WhyNot::TooFewSamples, message));
    }
    let sizes = sizes(request.samples, request.terms.now)?;
    if sizes.target_bytes >= asked {
        return Err(NoAdvice::new(
            WhyNot::SavesTooLittle,
            needs_it(asked, sizes),
        ));
    }
    let attributed_per_day =
        bears(request, asked).saturating_sub(bears(request, sizes.target_bytes));
    let price = |energy| {
        request
            .intensity
            .map(|intensity| intensity.emissions_of(energy, request.pue))
    };
    let moved = price(attributed_per_day);
    let whole = request.emissions_per_day + price(bears(request, asked)).value;
    let percent = moved.map(|mass| share_percent(mass, whole));
    if percent.value < request.terms.min_saving_percent {
        let why = too_little(request, sizes, percent.value);
        return Err(NoAdvice::new(WhyNot::SavesTooLittle, why));
    }
    let if_a_node_goes_per_day = price(request.node.idle.idle_per_day).value;
    let recommendation = Recommendation {
        action: Action::RightsizeMemory,
        saving_per_day: Estimate::default(),
        saving_percent: Estimate::default(),
        attributed: Some(Attributed {
            per_day: moved.map(AttributedGrams::new),
            percent,
        }),
        confidence: if request.minutes >= 7 * DAY_MINUTES {
            Confidence::High
        } else {
            Confidence::Medium
        },
        basis: basis(sizes, if_a_node_goes_per_day),
        change: requests_change(
            request.target,
            request.container,
            &json!({"memory": mebibytes(sizes.target_bytes)}),
        ),
        message: format!(
            "ask for {} instead of {} memory per pod: {} a day less attributed, 0 g less for the cluster unless a node goes",
            mebibytes(sizes.target_bytes),
            mebibytes(asked),
            moved.value
        ),
    };
    Ok(MemoryAdvice {
        recommendation,
        sizes,
        attributed_per_day,
        if_a_node_goes_per_day,
    })
}

/// The idle energy that all pods bear if each asks for so much memory.
fn bears(request: &MemoryRequest<'_>, bytes: u64) -> Joules {
    let (node, asks) = (request.node, request.asks);
    let cpu = (
        u64::from(asks.millicores),
        u64::from(node.idle.allocatable_millicores),
    );
    let share = dominant_share(cpu, (bytes, node.allocatable_bytes));
    let energy = u128::from(node.idle.idle_per_day.microjoules())
        * u128::from(share)
        * u128::from(request.replicas)
        / MILLIONTHS;
    Joules::from_microjoules(u64::try_from(energy).unwrap_or(u64::MAX))
}

fn needs_it(asked: u64, sizes: MemorySizes) -> String {
    let (asked_text, need) = (mebibytes(asked), mebibytes(sizes.target_bytes));
    let peak = mebibytes(sizes.peak_bytes);
    if sizes.peak_bytes > asked {
        format!(
            "the pods ask for {asked_text} each and held up to {peak}: they are evicted first when their node runs out of memory; {need} would cover it"
        )
    } else {
        format!(
            "the pods ask for {asked_text} each, held up to {peak} and need {need}: a smaller request would not be safe"
        )
    }
}

fn too_little(request: &MemoryRequest<'_>, sizes: MemorySizes, percent: f64) -> String {
    let from = mebibytes(request.asks.bytes);
    let to = mebibytes(sizes.target_bytes);
    if percent > 0.0 {
        let least = request.terms.min_saving_percent;
        format!(
            "lowering the memory request from {from} to {to} would move {percent:.1} % of the workload's emissions, less than {least} %"
        )
    } else {
        format!(
            "{to} of memory would do instead of {from}, but CPU is the larger share of the node that the pods ask for, so no idle energy moves"
        )
    }
}

fn basis(sizes: MemorySizes, if_a_node_goes: GramsCo2e) -> String {
    let killed = if sizes.was_killed {
        "; a kill for want of memory counts a fifth more"
    } else {
        ""
    };
    format!(
        "daily peaks of the working set of {} days, 90th percentile and 15 %, never under the highest ({}) and 15 %{killed}; risk: a pod above its request is evicted first when memory runs out, its limit stays; attributed idle energy by the larger of CPU and memory share: the cluster saves nothing unless a node goes, then {if_a_node_goes} a day; does not add to advice on CPU",
        sizes.days,
        mebibytes(sizes.peak_bytes)
    )
}

/// As Kubernetes writes it, rounded up: `512Mi`.
fn mebibytes(bytes: u64) -> String {
    format!("{}Mi", bytes.div_ceil(MIB))
}

#[cfg(test)]
mod tests;
