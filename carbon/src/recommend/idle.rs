//! Workloads that run and do nothing.
//!
//! Idle is what in no minute used more than a hundredth of its request over a day;
//! after a week of that it is taken for a zombie: running, paid for and
//! forgotten. What such a workload's own processes use is saved for sure;
//! its share of idle energy only moves to others unless a node goes.

use std::fmt;

use tanso_power::{Estimate, Joules};

use super::idle_share::Standing;
use super::rightsize::{CpuSample, PastDay, seen_s};
use super::{
    Action, Attributed, AttributedGrams, Confidence, NoAdvice, Recommendation, Target, WhyNot,
};
use crate::units::GramsCo2e;

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
    /// The workload, what its pods ask for and what that is worth.
    pub standing: Standing<'a>,
    /// What its pods used of late, each sample of one of them.
    pub samples: &'a [CpuSample],
    /// What they used before.
    pub past: &'a [PastDay<'a>],
    /// The energy of its own processes per day, at the IT equipment.
    pub own_per_day: Joules,
}

/// That a workload does work; in words only where somebody reads them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InUse {
    most_cores: f64,
}

impl fmt::Display for InUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "it used up to {:.0}m CPU: it works",
            self.most_cores * 1e3
        )
    }
}

/// Whether a workload whose pods ask for so much each is not idle, if one of
/// them used so much in a minute: what is looked at first, before all else of a
/// request is put together.
#[must_use]
pub fn in_use(asked_millicores: u32, most_cores: f64) -> Option<InUse> {
    let asked = f64::from(asked_millicores) / 1e3;
    let limit = (asked * SHARE_OF_REQUEST).max(NOISE_CORES);
    (most_cores > limit).then_some(InUse { most_cores })
}

/// Advice to remove what does nothing.
///
/// # Errors
/// [`NoAdvice`] says why there is none.
pub fn remove_idle(request: &IdleRequest<'_>) -> Result<Recommendation, NoAdvice> {
    let standing = &request.standing;
    let asked = f64::from(standing.asks.millicores) / 1e3;
    let of_late = request.samples.iter().map(|sample| sample.cores);
    let before = request.past.iter().map(|day| day.most_cores);
    let most = of_late.chain(before).fold(0.0, f64::max);
    if let Some(used) = in_use(standing.asks.millicores, most) {
        return Err(NoAdvice::new(WhyNot::InUse, used.to_string()));
    }
    let seen_s = seen_s(request.samples, request.past);
    if seen_s < SEEN_S {
        let message = format!(
            "seen for {:.1} h, at least 24 h are needed to call it idle",
            seen_s / 3_600.0
        );
        return Err(NoAdvice::new(WhyNot::TooFewSamples, message));
    }
    let own = standing.price(request.own_per_day);
    let (own, attributed) = if standing.node.sharing.is_charged() {
        // Its own account has idle energy in it, which cannot be told apart: none is sure.
        (Estimate::default(), own)
    } else {
        (own, standing.price(standing.bears(standing.asks)))
    };
    if own.value == GramsCo2e::ZERO && attributed.value == GramsCo2e::ZERO {
        let uses_any =
            request.own_per_day > Joules::ZERO || standing.bears(standing.asks) > Joules::ZERO;
        let message = if uses_any {
            let at = standing.intensity.value;
            format!("what it uses and asks for emits 0 g at {at}: removing it saves 0 g")
        } else {
            "it uses no energy and bears no idle energy: removing it saves 0 g".to_owned()
        };
        return Err(NoAdvice::new(WhyNot::SavesTooLittle, message));
    }
    let days = seen_s / 86_400.0;
    let is_zombie = seen_s >= ZOMBIE_S;
    let what = if is_zombie { "zombie" } else { "idle" };
    let Target {
        namespace,
        kind,
        name,
    } = standing.target;
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
            "{what}: at most {:.1}m CPU in {days:.1} days, {:.0}m asked for; its own processes {}, the rest is attributed, {}: the cluster saves that only if a node goes",
            most * 1e3,
            asked * 1e3,
            own.value,
            standing.node.sharing.in_words()
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
    use super::super::Terms;
    use super::super::idle_share::{Asks, DAY_MINUTES, IdleSharing, NodeGives, NodeIdle};
    use super::*;
    use crate::units::{Intensity, Pue};
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
        advise_by(samples, IdleSharing::LargerShare)
    }

    fn advise_by(samples: &[CpuSample], sharing: IdleSharing) -> Result<Recommendation, NoAdvice> {
        advise_at(samples, sharing, 400.0)
    }

    fn advise_at(
        samples: &[CpuSample],
        sharing: IdleSharing,
        grams_per_kwh: f64,
    ) -> Result<Recommendation, NoAdvice> {
        let target = Target {
            namespace: "shop".into(),
            kind: "Deployment".into(),
            name: "sleeper".into(),
        };
        let kwh = |energy: u64| Joules::from_microjoules(energy * 3_600_000_000_000);
        let standing = Standing {
            target: &target,
            asks: Asks {
                millicores: 500,
                bytes: 0,
            },
            pod_minutes_per_day: DAY_MINUTES,
            node: NodeGives {
                idle: NodeIdle {
                    idle_per_day: kwh(4),
                    allocatable_millicores: 16_000,
                },
                allocatable_bytes: 64 << 30,
                sharing,
            },
            intensity: Estimate::exact(Intensity::try_from_grams_per_kwh(grams_per_kwh).unwrap()),
            pue: Pue::ONE,
            terms: Terms {
                now: Timestamp::from_second(30 * 86_400).unwrap(),
                min_saving_percent: 1.0,
            },
        };
        remove_idle(&IdleRequest {
            standing,
            samples,
            past: &[],
            own_per_day: Joules::from_microjoules(36_000_000_000),
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
    fn what_is_charged_with_idle_energy_is_not_sure_to_save_it() {
        let saved = |sharing| advise_by(&samples(24, 0.001), sharing).unwrap();
        let own = saved(IdleSharing::LargerShare);
        let charged = saved(IdleSharing::CpuRequests);
        assert_eq!(charged.saving_per_day.value, GramsCo2e::ZERO);
        let attributed = charged.attributed.unwrap().per_day;
        assert_eq!(attributed.map(AttributedGrams::mass), own.saving_per_day);
        assert!(own.basis.len() <= 512 && charged.basis.len() <= 512);
    }

    /// It was said to use nothing where the grid emits nothing.
    #[test]
    fn on_a_grid_without_emissions_what_is_idle_is_not_said_to_use_nothing() {
        let why = advise_at(&samples(24, 0.001), IdleSharing::LargerShare, 0.0).unwrap_err();
        assert_eq!(why.reason, WhyNot::SavesTooLittle);
        assert!(why.message.contains("emits 0 g at"), "{why}");
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
