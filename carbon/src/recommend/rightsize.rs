//! A CPU request that fits what is used.
//!
//! A smaller request moves idle energy to whoever asks for the rest, by the
//! rule of [`super::idle_share`]: that is the attributed saving. The cluster
//! saves something only if a node goes; both figures are given, and never
//! mixed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tanso_power::{Estimate, Joules};

use super::histogram::Histogram;
use super::idle_share::{Asks, Standing};
use super::{Action, Confidence, NoAdvice, Recommendation, Target, WhyNot};
use crate::units::GramsCo2e;

/// The percentile that a request should cover.
const TARGET_SHARE: f64 = 0.90;
/// What is added to it.
const MARGIN: f64 = 1.15;
/// The least request that is advised.
const FLOOR_MILLICORES: u32 = 25;
/// The least number of samples for any advice.
const SAMPLES_MIN: u64 = 10;

/// The CPU that one pod of a workload used over a while.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CpuSample {
    /// When the while began.
    pub at: Timestamp,
    /// How long it was, in seconds: the sample's weight.
    pub seconds: u32,
    /// The mean number of cores used.
    pub cores: f64,
}

/// The CPU that a workload's pods used on a past day, in short.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PastDay<'a> {
    /// The instant by which it is weighed.
    pub at: Timestamp,
    /// For how long any of its pods was seen, seconds.
    pub seen_s: u32,
    /// The most that one of them used in a minute, cores.
    pub most_cores: f64,
    /// How long they used how much, all together: seconds by the number of the
    /// bucket ([`bucket_of_micros`](super::histogram::Shape::bucket_of_micros)).
    pub seconds: &'a [(u16, u64)],
}

/// A workload whose request could be lowered.
#[derive(Clone, Copy, Debug)]
pub struct RightsizeRequest<'a> {
    /// The workload, what its pods ask for and what that is worth.
    pub standing: Standing<'a>,
    /// The container whose request it is.
    pub container: &'a str,
    /// What its pods used of late, each sample of one of them.
    pub samples: &'a [CpuSample],
    /// What they used before.
    pub past: &'a [PastDay<'a>],
    /// What the workload's account emits per day.
    pub own_per_day: GramsCo2e,
}

/// Advice to ask for less.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RightsizeAdvice {
    /// The advice; its saving is the cluster's, which is nothing, and what it
    /// moves to others stands beside it.
    pub recommendation: Recommendation,
    /// What a pod should ask for, in thousandths of a core.
    pub target_millicores: u32,
    /// The least that would do.
    pub lower_millicores: u32,
    /// The most that could be needed.
    pub upper_millicores: u32,
    /// The idle energy per day that others would bear instead, before PUE.
    pub attributed_per_day: Joules,
    /// What the cluster would save per day if the lowered requests let a whole
    /// node go: its idle energy.
    pub if_a_node_goes_per_day: GramsCo2e,
}

/// Advice from what was used: the 90th percentile of the decayed samples and
/// 15 %, at least 25 thousandths of a core.
///
/// # Errors
/// [`NoAdvice`] says why there is none.
pub fn rightsize(request: &RightsizeRequest<'_>) -> Result<RightsizeAdvice, NoAdvice> {
    let standing = &request.standing;
    let asked = standing.asks.millicores;
    if asked == 0 {
        let message = format!("container {:?} asks for no CPU", request.container);
        return Err(NoAdvice::new(WhyNot::NoRequest, message));
    }
    let sizes = Sizes::of(request)?;
    if sizes.target >= asked {
        let message = format!(
            "the pods ask for {asked}m each and need {}m: a smaller request would not fit",
            sizes.target
        );
        return Err(NoAdvice::new(WhyNot::SavesTooLittle, message));
    }
    let less = Asks {
        millicores: sizes.target,
        ..standing.asks
    };
    let change = format!("lowering the request from {asked}m to {}m", sizes.target);
    let moved = standing.moved(less, request.own_per_day, &change)?;
    let if_a_node_goes_per_day = moved.if_a_node_goes;
    let recommendation = Recommendation {
        action: Action::Rightsize,
        saving_per_day: Estimate::default(),
        saving_percent: Estimate::default(),
        attributed: Some(moved.attributed),
        confidence: sizes.confidence,
        basis: format!(
            "90th percentile of {} samples over {} and 15 %; attributed, {}: the cluster saves nothing unless a node goes, then {if_a_node_goes_per_day} a day",
            sizes.count,
            sizes.span_in_words(),
            standing.node.sharing.in_words()
        ),
        change: requests_change(
            standing.target,
            request.container,
            &json!({"cpu": format!("{}m", sizes.target)}),
        ),
        message: format!(
            "ask for {}m instead of {asked}m CPU per pod: {} a day less attributed, 0 g less for the cluster unless a node goes",
            sizes.target,
            moved.attributed.per_day.value.mass()
        ),
    };
    Ok(RightsizeAdvice {
        recommendation,
        target_millicores: sizes.target,
        lower_millicores: sizes.lower,
        upper_millicores: sizes.upper,
        attributed_per_day: moved.energy,
        if_a_node_goes_per_day,
    })
}

/// What a pod needs, from its samples.
struct Sizes {
    /// Samples, of a past day its minutes.
    count: u64,
    target: u32,
    lower: u32,
    upper: u32,
    days: f64,
    confidence: Confidence,
}

impl Sizes {
    fn of(request: &RightsizeRequest<'_>) -> Result<Self, NoAdvice> {
        let (samples, past) = (request.samples, request.past);
        let minutes: u64 = past
            .iter()
            .flat_map(|day| day.seconds)
            .map(|(_, seconds)| seconds)
            .sum();
        let count = u64::try_from(samples.len()).unwrap_or(u64::MAX);
        let count = count.saturating_add(minutes / 60);
        if count < SAMPLES_MIN {
            let message = format!("{count} samples of CPU use, at least {SAMPLES_MIN} are needed");
            return Err(NoAdvice::new(WhyNot::TooFewSamples, message));
        }
        let mut histogram = Histogram::new(request.standing.terms.now);
        for sample in samples {
            histogram.add(sample.at, sample.cores.max(0.0), f64::from(sample.seconds));
        }
        for day in past {
            for (bucket, seconds) in day.seconds {
                #[expect(clippy::cast_precision_loss, reason = "seconds of a day")]
                let weight = *seconds as f64;
                histogram.add_to(usize::from(*bucket), day.at, weight);
            }
        }
        let at = |share| {
            histogram
                .percentile(share)
                .ok_or_else(|| NoAdvice::new(WhyNot::TooFewSamples, "the samples have no duration"))
        };
        let days = seen_s(samples, past) / 86_400.0;
        // The fewer days were seen, the wider the bounds.
        let doubt = 1.0 + 1.0 / days;
        let target = millicores(at(TARGET_SHARE)? * MARGIN);
        let lower = millicores(at(0.5)? * MARGIN / doubt).min(target);
        let upper = millicores(at(0.95)? * MARGIN * doubt).max(target);
        let confidence = match days {
            days if days >= 7.0 => Confidence::High,
            days if days >= 1.0 => Confidence::Medium,
            _ => Confidence::Low,
        };
        Ok(Self {
            count,
            target,
            lower,
            upper,
            days,
            confidence,
        })
    }

    fn span_in_words(&self) -> String {
        if self.days >= 2.0 {
            format!("{:.0} days", self.days)
        } else if self.days * 24.0 >= 2.0 {
            format!("{:.0} hours", self.days * 24.0)
        } else {
            format!("{:.0} minutes", self.days * 1_440.0)
        }
    }
}

/// The time that samples and the days before them cover, in seconds: pods that
/// ran beside each other were seen no longer for that.
pub(super) fn seen_s(samples: &[CpuSample], past: &[PastDay<'_>]) -> f64 {
    let of = |sample: &CpuSample| {
        let from = sample.at.as_second();
        (from, from.saturating_add(i64::from(sample.seconds)))
    };
    let mut spans: Vec<(i64, i64)> = samples.iter().map(of).collect();
    spans.sort_unstable();
    let before = past
        .iter()
        .fold(0.0, |sum, day| sum + f64::from(day.seen_s));
    let (mut seen, mut covered_until) = (before, i64::MIN);
    for (from, until) in spans {
        let new = until.saturating_sub(from.max(covered_until)).max(0);
        seen += f64::from(u32::try_from(new).unwrap_or(u32::MAX));
        covered_until = covered_until.max(until);
    }
    seen
}

/// A whole number of millicores, rounded up, not below the floor.
fn millicores(cores: f64) -> u32 {
    let millicores = (cores * 1e3).ceil().clamp(f64::from(FLOOR_MILLICORES), 1e9);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 25 to 10^9 above"
    )]
    let whole = millicores as u32;
    whole
}

/// A command that sets a container's requests.
pub(super) fn requests_change(
    target: &Target,
    container: &str,
    requests: &serde_json::Value,
) -> String {
    let container = json!({"name": container, "resources": {"requests": requests}});
    let template = json!({"spec": {"template": {"spec": {"containers": [container]}}}});
    let patch = if target.kind.eq_ignore_ascii_case("CronJob") {
        json!({"spec": {"jobTemplate": template}})
    } else {
        template
    };
    target.patch("strategic", &patch)
}

#[cfg(test)]
mod tests;
