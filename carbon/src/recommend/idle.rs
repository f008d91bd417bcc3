//! Workloads that run and do nothing.
//!
//! Idle is what never used more than a hundredth of its request over a day;
//! after a week of that it is taken for a zombie: running, paid for and
//! forgotten. What such a workload's own processes use is saved for sure;
//! its share of idle energy only moves to others unless a node goes.

use tanso_power::{Estimate, Joules};

use super::rightsize::{CpuSample, NodeIdle, attributed_idle};
use super::{
    Action, Attributed, AttributedGrams, Confidence, NoAdvice, Recommendation, Target, Terms,
    WhyNot,
};
use crate::units::{GramsCo2e, Intensity, Pue};

/// The share of its request that an idle workload never exceeds.
const SHARE_OF_REQUEST: f64 = 0.01;
/// What any process may use without doing work, in cores.
const NOISE_CORES: f64 = 0.002;
/// The least that must have been seen, in seconds: a day.
const SEEN_S: f64 = 86_400.0;
/// After this long, in seconds, it is a zombie: a week.
const ZOMBIE_S: f64 = 7.0 * SEEN_S;

/// A workload that might be idle.
#[derive(Clone, Copy, Debug)]
pub struct IdleRequest<'a> {
    /// The workload.
    pub target: &'a Target,
    /// What one pod used.
    pub samples: &'a [CpuSample],
    /// What one pod asks for, in thousandths of a core.
    pub request_millicores: u32,
    /// How many pods there are.
    pub replicas: u32,
    /// The energy of its own processes per day, at the IT equipment.
    pub own_per_day: Joules,
    /// The node.
    pub node: NodeIdle,
    /// The intensity of the energy.
    pub intensity: Estimate<Intensity>,
    /// The facility's factor.
    pub pue: Pue,
    /// When, and for what least saving.
    pub terms: Terms,
}

/// Advice to remove what does nothing.
///
/// # Errors
/// [`NoAdvice`] says why there is none.
pub fn remove_idle(request: &IdleRequest<'_>) -> Result<Recommendation, NoAdvice> {
    let seen_s: f64 = request
        .samples
        .iter()
        .map(|sample| f64::from(sample.seconds))
        .sum();
    // Samples of several pods cover the same time.
    let seen_s = seen_s / f64::from(request.replicas.max(1));
    if seen_s < SEEN_S {
        let message = format!(
            "seen for {:.1} h, at least 24 h are needed to call it idle",
            seen_s / 3_600.0
        );
        return Err(NoAdvice::new(WhyNot::TooFewSamples, message));
    }
    let asked = f64::from(request.request_millicores) / 1e3;
    let limit = (asked * SHARE_OF_REQUEST).max(NOISE_CORES);
    let most = request
        .samples
        .iter()
        .map(|sample| sample.cores)
        .fold(0.0, f64::max);
    if most > limit {
        let message = format!("it used up to {:.0}m CPU: it works", most * 1e3);
        return Err(NoAdvice::new(WhyNot::InUse, message));
    }
    let priced = |energy: Joules| {
        request
            .intensity
            .map(|at| at.emissions_of(energy, request.pue))
    };
    let own = priced(request.own_per_day);
    let total_millicores = request.request_millicores.saturating_mul(request.replicas);
    let attributed = priced(attributed_idle(request.node, total_millicores));
    if own.value == GramsCo2e::ZERO && attributed.value == GramsCo2e::ZERO {
        let message = "it asks for nothing and uses nothing: removing it saves 0 g";
        return Err(NoAdvice::new(WhyNot::SavesTooLittle, message));
    }
    let days = seen_s / 86_400.0;
    let is_zombie = seen_s >= ZOMBIE_S;
    let what = if is_zombie { "zombie" } else { "idle" };
    let Target {
        namespace,
        kind,
        name,
    } = request.target;
    let change = match kind.as_str() {
        "Deployment" | "StatefulSet" | "ReplicaSet" => format!(
            "kubectl -n {namespace} scale {} {name} --replicas=0",
            kind.to_ascii_lowercase()
        ),
        _ => format!("remove {kind} {namespace}/{name} if nobody needs it"),
    };
    Ok(Recommendation {
        action: Action::RemoveIdle,
        saving_per_day: own,
        saving_percent: Estimate::exact(100.0),
        attributed: Some(Attributed {
            per_day: attributed.map(AttributedGrams::new),
            percent: Estimate::exact(100.0),
        }),
        confidence: if is_zombie {
            Confidence::High
        } else {
            Confidence::Medium
        },
        basis: format!(
            "{what}: at most {:.1}m CPU in {days:.1} days, {:.0}m asked for; its own processes {}, the rest is attributed idle energy, which the cluster saves only if a node goes",
            most * 1e3,
            asked * 1e3,
            own.value
        ),
        change,
        message: format!(
            "{what} for {days:.1} days: without it {} a day less, and {} of idle energy are others' to bear unless a node goes",
            own.value, attributed.value
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    fn samples(hours: u32, cores: f64) -> Vec<CpuSample> {
        (0..hours)
            .map(|hour| CpuSample {
                at: Timestamp::from_second(i64::from(hour) * 3_600).unwrap(),
                seconds: 3_600,
                cores,
            })
            .collect()
    }

    fn advise(samples: &[CpuSample]) -> Result<Recommendation, NoAdvice> {
        let target = Target {
            namespace: "shop".into(),
            kind: "Deployment".into(),
            name: "sleeper".into(),
        };
        let kwh = |energy: u64| Joules::from_microjoules(energy * 3_600_000_000_000);
        remove_idle(&IdleRequest {
            target: &target,
            samples,
            request_millicores: 500,
            replicas: 1,
            own_per_day: Joules::from_microjoules(36_000_000_000),
            node: NodeIdle {
                idle_per_day: kwh(4),
                allocatable_millicores: 16_000,
            },
            intensity: Estimate::exact(Intensity::try_from_grams_per_kwh(400.0).unwrap()),
            pue: Pue::ONE,
            terms: Terms {
                now: Timestamp::from_second(30 * 86_400).unwrap(),
                min_saving_percent: 1.0,
            },
        })
    }

    #[test]
    fn a_day_of_nothing_is_idle_and_a_week_of_it_a_zombie() {
        let idle = advise(&samples(24, 0.001)).unwrap();
        assert_eq!(idle.confidence, Confidence::Medium);
        // 0.01 kWh of its own are saved; a thirty-second of 4 kWh only moves.
        assert_eq!(idle.saving_per_day.value.to_string(), "4.00 g");
        let attributed = idle.attributed.unwrap().per_day.value;
        assert_eq!(attributed.to_string(), "50.0 g (attributed)");
        assert_eq!(
            idle.change,
            "kubectl -n shop scale deployment sleeper --replicas=0"
        );
        let zombie = advise(&samples(24 * 7, 0.001)).unwrap();
        assert!(zombie.basis.starts_with("zombie"), "{}", zombie.basis);
        assert_eq!(zombie.confidence, Confidence::High);
    }

    #[test]
    fn what_works_once_or_was_hardly_seen_is_not_called_idle() {
        let mut once = samples(48, 0.0);
        once[17].cores = 0.4;
        assert_eq!(advise(&once).unwrap_err().reason, WhyNot::InUse);
        assert_eq!(
            advise(&samples(23, 0.0)).unwrap_err().reason,
            WhyNot::TooFewSamples
        );
    }
}
