//! Advice to ask for as much memory as is held.
//!
//! A smaller memory request moves idle energy by the rule of
//! [`crate::recommend::idle_share`], the same as for CPU. The cluster saves
//! something only if a node goes; both figures are given, and never mixed.

use serde::Serialize;
use serde_json::json;
use tanso_power::{Estimate, Joules};

use super::{MIB, MemorySample, MemorySizes, sizes};
use crate::recommend::idle_share::{Asks, DAY_MINUTES, IdleSharing, Standing};
use crate::recommend::rightsize::requests_change;
use crate::recommend::{Action, Confidence, NoAdvice, Recommendation, WhyNot};
use crate::units::GramsCo2e;

/// A workload whose memory request could be lowered.
#[derive(Clone, Copy, Debug)]
pub struct MemoryRequest<'a> {
    /// The workload, what its pods ask for and what that is worth.
    pub standing: Standing<'a>,
    /// The container whose request it is.
    pub container: &'a str,
    /// The highest working set of any of its pods, by day or finer.
    pub samples: &'a [MemorySample],
    /// Minutes in which its pods were seen; a daily peak needs a day of them.
    pub minutes: u64,
    /// What the workload's account emits per day.
    pub own_per_day: GramsCo2e,
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
    let standing = &request.standing;
    let asked = standing.asks.bytes;
    if asked == 0 {
        let message = format!("container {:?} asks for no memory", request.container);
        return Err(NoAdvice::new(WhyNot::NoRequest, message));
    }
    if request.minutes < DAY_MINUTES {
        let message = format!(
            "memory was seen in {} minutes; daily peaks need a day of them, {DAY_MINUTES}",
            request.minutes
        );
        return Err(NoAdvice::new(WhyNot::TooFewSamples, message));
    }
    let sizes = sizes(request.samples, standing.terms.now)?;
    if sizes.target_bytes >= asked {
        let why = needs_it(asked, sizes);
        return Err(NoAdvice::new(WhyNot::SavesTooLittle, why));
    }
    let less = Asks {
        bytes: sizes.target_bytes,
        ..standing.asks
    };
    let (from, to) = (mebibytes(asked), mebibytes(sizes.target_bytes));
    let change = format!("lowering the memory request from {from} to {to}");
    let moved = standing.moved(less, request.own_per_day, &change)?;
    let if_a_node_goes_per_day = moved.if_a_node_goes;
    let recommendation = Recommendation {
        action: Action::RightsizeMemory,
        saving_per_day: Estimate::default(),
        saving_percent: Estimate::default(),
        attributed: Some(moved.attributed),
        confidence: if request.minutes >= 7 * DAY_MINUTES {
            Confidence::High
        } else {
            Confidence::Medium
        },
        basis: basis(sizes, standing.node.sharing, if_a_node_goes_per_day),
        change: requests_change(standing.target, request.container, &json!({"memory": to})),
        message: format!(
            "ask for {to} instead of {from} memory per pod: {} a day less attributed, 0 g less for the cluster unless a node goes",
            moved.attributed.per_day.value.mass()
        ),
    };
    Ok(MemoryAdvice {
        recommendation,
        sizes,
        attributed_per_day: moved.energy,
        if_a_node_goes_per_day,
    })
}

fn needs_it(asked: u64, sizes: MemorySizes) -> String {
    let (asked_text, need) = (mebibytes(asked), mebibytes(sizes.target_bytes));
    let peak = mebibytes(sizes.peak_bytes);
    if sizes.peak_bytes > asked {
        return format!(
            "the pods ask for {asked_text} each and held up to {peak}: they are evicted first when their node runs out of memory; {need} would cover it"
        );
    }
    match sizes.raised {
        Some(kill) => format!(
            "the pods ask for {asked_text} each and were seen with up to {peak}; one was killed for want of memory at {} or more, which counts as {}, so they need {need}: a smaller request would not be safe",
            mebibytes(kill.from_bytes),
            mebibytes(kill.to_bytes)
        ),
        None => format!(
            "the pods ask for {asked_text} each, held up to {peak} and need {need}: a smaller request would not be safe"
        ),
    }
}

fn basis(sizes: MemorySizes, sharing: IdleSharing, if_a_node_goes: GramsCo2e) -> String {
    let raised = sizes.raised.map_or_else(String::new, |kill| {
        format!(
            "; a pod killed for want of memory at {} or more counts as {}",
            mebibytes(kill.from_bytes),
            mebibytes(kill.to_bytes)
        )
    });
    format!(
        "daily peaks of the working set of {} days, 90th percentile and 15 %, never under the highest (seen: {}) and 15 %{raised}; risk: a pod above its request is evicted first, its limit stays; attributed, {}: the cluster saves nothing unless a node goes, then {if_a_node_goes} a day; does not add to advice on CPU",
        sizes.days,
        mebibytes(sizes.peak_bytes),
        sharing.in_words()
    )
}

/// As Kubernetes writes it, rounded up: `512Mi`.
fn mebibytes(bytes: u64) -> String {
    format!("{}Mi", bytes.div_ceil(MIB))
}

#[cfg(test)]
mod tests;
