//! A memory request that fits what is used, after the rule of the Kubernetes
//! vertical pod autoscaler: the peaks of each day, weighed down by half each
//! day, their 90th percentile and 15 %; a kill for want of memory counts as a
//! fifth (at least 100 MiB) more than was used then.
//!
//! One thing is stricter than there: what was held once in these days may be
//! held again, and who holds more than was asked for is evicted first, so
//! advice never falls under the highest peak and 15 %.
//!
//! What was seen and what a kill makes of it are two figures, and are told as
//! two.

mod advice;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use advice::{MemoryAdvice, MemoryRequest, rightsize_memory};

use super::histogram::{Histogram, Shape};
use super::{NoAdvice, WhyNot};

const MIB: u64 = 1 << 20;
/// What is added after a kill, in bytes.
const BUMP_MIN: u64 = 100 * MIB;
/// The least request that is advised, in bytes.
const FLOOR: u64 = 250 * MIB;
/// How many days of peaks count.
pub const DAYS: i64 = 8;
/// The percentile that a request should cover, and what is added.
const TARGET: (f64, f64) = (0.90, 1.15);
const DAY_S: i64 = 86_400;

/// The memory that one pod held at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemorySample {
    /// When.
    pub at: Timestamp,
    /// The working set that it was seen with, bytes; 0 where only a kill is
    /// known.
    pub bytes: u64,
    /// If it was killed or evicted then for want of memory, the least that is
    /// taken for what it held, bytes: its limit, what the kubelet told, or
    /// else what it asked for.
    pub killed_with: Option<u64>,
}

/// What a kill for want of memory makes of a peak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Raised {
    /// What it counts as: a fifth, at least 100 MiB, more, bytes.
    pub to_bytes: u64,
    /// What the pod is taken to have held: as it was seen, or as a kill says
    /// at least, bytes.
    pub from_bytes: u64,
}

impl Raised {
    fn of(held: u64) -> Self {
        let fifth = held.saturating_add(held / 5);
        Self {
            to_bytes: fifth.max(held.saturating_add(BUMP_MIN)),
            from_bytes: held,
        }
    }
}

/// What a pod should ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemorySizes {
    /// The request, bytes.
    pub target_bytes: u64,
    /// The least that would do, bytes.
    pub lower_bytes: u64,
    /// The most that could be needed, bytes.
    pub upper_bytes: u64,
    /// The highest that was seen, bytes; 0 where only kills are known.
    pub peak_bytes: u64,
    /// Days that were seen.
    pub days: u32,
    /// If a pod was killed for want of memory: what it counts as, of several
    /// kills the highest.
    pub raised: Option<Raised>,
}

/// The sizes from what was held up to `now`.
///
/// # Errors
/// [`NoAdvice`] without a sample of the last eight days.
pub fn sizes(samples: &[MemorySample], now: Timestamp) -> Result<MemorySizes, NoAdvice> {
    let mut peaks: BTreeMap<i64, u64> = BTreeMap::new();
    let mut raised: Option<Raised> = None;
    let mut peak_bytes = 0;
    for sample in samples {
        let age_s = now.as_second().saturating_sub(sample.at.as_second());
        if !(0..DAYS * DAY_S).contains(&age_s) {
            continue;
        }
        peak_bytes = sample.bytes.max(peak_bytes);
        let of_kill = sample
            .killed_with
            .map(|held| Raised::of(held.max(sample.bytes)));
        raised = raised.max(of_kill);
        let bytes = of_kill.map_or(sample.bytes, |kill| kill.to_bytes);
        let peak = peaks.entry(age_s.div_euclid(DAY_S)).or_default();
        *peak = bytes.max(*peak);
    }
    let mut histogram = Histogram::shaped(Shape::MEMORY, now);
    for (days_ago, bytes) in &peaks {
        let at = Timestamp::from_second(now.as_second() - days_ago * DAY_S).unwrap_or(now);
        #[expect(clippy::cast_precision_loss, reason = "a bucket is 5 % wide")]
        histogram.add(at, *bytes as f64, 1.0);
    }
    let at = |share| {
        let none = || {
            NoAdvice::new(
                WhyNot::TooFewSamples,
                "no memory was seen in the last 8 days",
            )
        };
        histogram.percentile(share).ok_or_else(none)
    };
    let days = u32::try_from(peaks.len()).unwrap_or(0);
    // The fewer days were seen, the wider the bounds.
    let doubt = 1.0 + 1.0 / f64::from(days.max(1));
    let (share, margin) = TARGET;
    let highest = peaks.values().copied().max().unwrap_or(0);
    // Whole numbers: 15 % above a peak must not round to less.
    let safe = highest.saturating_add(highest.div_ceil(100).saturating_mul(15));
    let target_bytes = whole(at(share)? * margin).max(whole_mebibytes(safe));
    let lower_bytes = whole(at(0.5)? * margin / doubt).max(whole_mebibytes(highest));
    Ok(MemorySizes {
        target_bytes,
        lower_bytes: lower_bytes.min(target_bytes),
        upper_bytes: whole(at(0.95)? * margin * doubt).max(target_bytes),
        peak_bytes,
        days,
        raised,
    })
}

/// Whole bytes, rounded up to a MiB, not below the floor.
fn whole(bytes: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the cast saturates; no size is negative"
    )]
    let bytes = bytes.ceil() as u64;
    whole_mebibytes(bytes)
}

fn whole_mebibytes(bytes: u64) -> u64 {
    bytes.div_ceil(MIB).saturating_mul(MIB).max(FLOOR)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_sample() -> impl Strategy<Value = MemorySample> {
        let killed = prop::option::of(0..1_u64 << 40);
        (0..9 * DAY_S, 1..1_u64 << 40, killed).prop_map(|(age_s, bytes, killed_with)| {
            let second = at(8).as_second() - age_s;
            MemorySample {
                at: Timestamp::from_second(second).unwrap(),
                bytes,
                killed_with,
            }
        })
    }

    proptest! {
        #[test]
        fn advice_is_never_under_the_highest_peak_and_its_margin(
            samples in prop::collection::vec(any_sample(), 1..60),
        ) {
            let seen = |one: &&MemorySample| {
                at(8).as_second() - one.at.as_second() < DAYS * DAY_S
            };
            let highest = samples.iter().filter(seen).map(|one| one.bytes).max();
            match (sizes(&samples, at(8)), highest) {
                (Ok(found), Some(highest)) => {
                    prop_assert!(u128::from(found.target_bytes) * 100 >= u128::from(highest) * 115);
                    prop_assert!(found.lower_bytes <= found.target_bytes);
                    prop_assert!(found.target_bytes <= found.upper_bytes);
                    prop_assert!(found.lower_bytes >= highest.max(FLOOR));
                    // What is told as seen was seen, whatever a kill counts as.
                    prop_assert_eq!(found.peak_bytes, highest);
                    let kills = samples.iter().filter(seen).filter_map(|one| {
                        Some(one.killed_with?.max(one.bytes))
                    });
                    prop_assert_eq!(found.raised.map(|kill| kill.from_bytes), kills.max());
                    if let Some(kill) = found.raised {
                        prop_assert!(found.target_bytes >= kill.to_bytes);
                    }
                }
                (Err(_), None) => {}
                other => prop_assert!(false, "{other:?}"),
            }
        }

        #[test]
        fn order_is_no_matter_and_more_memory_never_asks_for_less(
            samples in prop::collection::vec(any_sample(), 2..40),
            more in 0_u64..1 << 38,
            which in any::<prop::sample::Index>(),
        ) {
            let Ok(before) = sizes(&samples, at(8)) else { return Ok(()) };
            let mut turned = samples.clone();
            turned.reverse();
            prop_assert_eq!(sizes(&turned, at(8)).unwrap(), before);
            which.get_mut(&mut turned).bytes += more;
            let after = sizes(&turned, at(8)).unwrap();
            prop_assert!(after.target_bytes >= before.target_bytes);
        }
    }

    fn at(day: i64) -> Timestamp {
        Timestamp::from_second(day * DAY_S + 3_600).unwrap()
    }

    fn sample(day: i64, mib: u64, was_killed: bool) -> MemorySample {
        MemorySample {
            at: at(day),
            bytes: mib * MIB,
            killed_with: was_killed.then_some(0),
        }
    }

    #[test]
    fn the_daily_peaks_decide_and_old_days_are_forgotten() {
        let mut samples: Vec<_> = (1..=8).map(|day| sample(day, 1_000, false)).collect();
        samples.extend((1..=8).map(|day| sample(day, 10, false)));
        samples.push(sample(-5, 64_000, false));
        let sizes = sizes(&samples, at(8)).unwrap();
        let mib = sizes.target_bytes / MIB;
        assert!((1_150..1_210).contains(&mib), "{mib}");
        assert_eq!(sizes.days, 8);
        assert!(sizes.lower_bytes < sizes.target_bytes && sizes.target_bytes < sizes.upper_bytes);
    }

    #[test]
    fn a_kill_asks_for_more_than_was_used() {
        let mib = |killed| {
            sizes(&[sample(8, 400, killed)], at(8))
                .unwrap()
                .target_bytes
                / MIB
        };
        assert!((575..625).contains(&mib(true)), "{}", mib(true));
        assert!((460..490).contains(&mib(false)), "{}", mib(false));
        assert!(sizes(&[sample(-1, 400, false)], at(8)).is_err());
        assert_eq!(
            sizes(&[sample(8, 1, false)], at(8)).unwrap().target_bytes,
            FLOOR
        );
    }

    /// The request was told as held, and the limit, which was, did not count.
    #[test]
    fn a_kill_at_a_limit_counts_that_limit_and_is_not_told_as_seen() {
        let mut killed = sample(8, 400, false);
        killed.killed_with = Some(1_000 * MIB);
        let sizes = sizes(&[sample(7, 450, false), killed], at(8)).unwrap();
        assert_eq!(sizes.peak_bytes, 450 * MIB);
        let raised = sizes.raised.unwrap();
        assert_eq!(
            (raised.from_bytes / MIB, raised.to_bytes / MIB),
            (1_000, 1_200)
        );
        assert!(sizes.target_bytes >= 1_380 * MIB);
        assert_eq!(sizes.days, 2);
    }
}
