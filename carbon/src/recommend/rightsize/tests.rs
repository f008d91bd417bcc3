use tanso_power::Joules;

use super::super::Terms;
use super::super::histogram::Shape;
use super::super::idle_share::{DAY_MINUTES, IdleSharing, NodeGives, NodeIdle};
use super::*;
use crate::units::{Intensity, Pue};

const DAY_S: i64 = 86_400;

fn samples(count: u32, seconds: u32, cores: impl Fn(u32) -> f64) -> Vec<CpuSample> {
    let at = |index: u32| i64::from(index) * i64::from(seconds);
    (0..count)
        .map(|index| CpuSample {
            at: Timestamp::from_second(at(index)).unwrap(),
            seconds,
            cores: cores(index),
        })
        .collect()
}

fn request<'a>(target: &'a Target, samples: &'a [CpuSample]) -> RightsizeRequest<'a> {
    let kwh = |energy: u64| Joules::from_microjoules(energy * 3_600_000_000_000);
    let standing = Standing {
        target,
        asks: Asks {
            millicores: 2_000,
            bytes: 0,
        },
        pod_minutes_per_day: 2 * DAY_MINUTES,
        node: NodeGives {
            idle: NodeIdle {
                idle_per_day: kwh(4),
                allocatable_millicores: 16_000,
            },
            allocatable_bytes: 64 << 30,
            sharing: IdleSharing::LargerShare,
        },
        intensity: Estimate::exact(Intensity::try_from_grams_per_kwh(400.0).unwrap()),
        pue: Pue::try_new(1.5).unwrap(),
        terms: Terms {
            now: Timestamp::from_second(8 * DAY_S).unwrap(),
            min_saving_percent: 1.0,
        },
    };
    RightsizeRequest {
        standing,
        container: "web",
        samples,
        past: &[],
        // With a quarter of 2.4 kg of idle energy 1 kg.
        own_per_day: GramsCo2e::try_from_grams(400.0).unwrap(),
    }
}

fn target() -> Target {
    Target {
        namespace: "shop".into(),
        kind: "Deployment".into(),
        name: "web".into(),
    }
}

#[test]
fn the_attributed_and_the_clusters_saving_are_two_figures() {
    let (target, samples) = (target(), samples(8 * 24, 3_600, |_| 0.4));
    let advice = rightsize(&request(&target, &samples)).unwrap();
    assert!(
        (460..=485).contains(&advice.target_millicores),
        "{}",
        advice.target_millicores
    );
    // A lowered request was shown as grams saved: the cluster saves none.
    let advised = &advice.recommendation;
    assert_eq!(advised.saving_per_day, Estimate::exact(GramsCo2e::ZERO));
    assert_eq!(advised.saving_percent, Estimate::exact(0.0));
    // 4 kWh × 400 g/kWh × 1.5.
    assert_eq!(advice.if_a_node_goes_per_day.to_string(), "2.40 kg");
    // Two pods move from a quarter of the node to about 0.06 of it.
    let attributed = advised.attributed.unwrap();
    let moved = attributed.per_day.value.mass().as_grams_f64();
    assert!((450.0..470.0).contains(&moved), "{moved}");
    assert!((attributed.percent.value - moved / 10.0).abs() < 1e-6);
    assert!(
        advised
            .message
            .contains("0 g less for the cluster unless a node goes")
    );
    assert_eq!(advice.recommendation.confidence, Confidence::High);
    assert!(advice.recommendation.basis.contains("unless a node goes"));
    let supposed = "supposing that idle energy is borne by the larger of the CPU and memory share";
    assert!(advice.recommendation.basis.contains(supposed));
    assert!(advice.recommendation.basis.len() <= 512);
    let change = &advice.recommendation.change;
    assert!(change.starts_with("kubectl -n shop patch deployment web --type strategic -p '{"));
    assert!(
        change.contains(&format!("\"cpu\":\"{}m\"", advice.target_millicores)),
        "{change}"
    );
}

#[test]
fn a_few_minutes_give_low_confidence_and_wide_bounds() {
    let (target, samples) = (target(), samples(10, 60, |index| f64::from(index) / 1e3));
    let advice = rightsize(&request(&target, &samples)).unwrap();
    assert_eq!(advice.target_millicores, FLOOR_MILLICORES);
    assert_eq!(advice.recommendation.confidence, Confidence::Low);
    assert!(advice.upper_millicores > advice.target_millicores);
    assert!(
        advice.recommendation.basis.contains("10 minutes"),
        "{}",
        advice.recommendation.basis
    );
}

#[test]
fn no_advice_says_why() {
    let target = target();
    let few = samples(9, 60, |_| 0.1);
    assert_eq!(
        rightsize(&request(&target, &few)).unwrap_err().reason,
        WhyNot::TooFewSamples
    );
    let busy = samples(100, 60, |_| 1.9);
    let refused = rightsize(&request(&target, &busy)).unwrap_err();
    assert_eq!(refused.reason, WhyNot::SavesTooLittle);
    assert!(refused.message.contains("2000m"), "{refused}");
    let mut nothing = request(&target, &busy);
    nothing.standing.asks.millicores = 0;
    assert_eq!(rightsize(&nothing).unwrap_err().reason, WhyNot::NoRequest);
}

/// A change that saves nothing was advised where no least saving was set, and
/// idle energy was shared by CPU alone.
#[test]
fn a_change_that_moves_nothing_is_refused_whatever_least_saving_is_asked_for() {
    let (target, samples) = (target(), samples(8 * 24, 3_600, |_| 0.4));
    let mut request = request(&target, &samples);
    request.standing.terms.min_saving_percent = 0.0;
    assert!(rightsize(&request).is_ok());
    request.standing.asks.bytes = 32 << 30;
    let refused = rightsize(&request).unwrap_err();
    assert_eq!(refused.reason, WhyNot::SavesTooLittle);
    let said = "lowering the request from 2000m to";
    assert!(
        refused.message.starts_with(said) && refused.message.contains("memory is the larger share"),
        "{refused}"
    );
    request.standing.asks.bytes = 0;
    request.standing.intensity = Estimate::exact(Intensity::try_from_grams_per_kwh(0.0).unwrap());
    let refused = rightsize(&request).unwrap_err();
    assert!(refused.message.contains("emits 0 g"), "{refused}");
}

/// The time of pods beside each other was added up: ten replicas had seen a day
/// after two hours and a half.
#[test]
fn pods_beside_each_other_are_seen_no_longer_for_that() {
    let target = target();
    let two_hours = samples(120, 60, |_| 0.4);
    let alone = rightsize(&request(&target, &two_hours)).unwrap();
    let many: Vec<_> = (0..15).flat_map(|_| two_hours.clone()).collect();
    let beside = rightsize(&request(&target, &many)).unwrap();
    assert_eq!(beside.recommendation.confidence, Confidence::Low);
    assert_eq!(beside.upper_millicores, alone.upper_millicores);
    assert!(
        beside
            .recommendation
            .basis
            .contains("1800 samples over 2 hours")
    );
    // What overlaps in part, and what lies within another.
    let at = |from: i64, seconds| CpuSample {
        at: Timestamp::from_second(from).unwrap(),
        seconds,
        cores: 0.1,
    };
    let seen = seen_s(&[at(100, 60), at(0, 120), at(10, 5), at(500, 1)], &[]);
    assert!((seen - 161.0).abs() < 1e-9, "{seen}");
}

/// A week before the window was not looked at.
#[test]
fn past_days_count_like_their_minutes_and_weigh_less_the_older_they_are() {
    let target = target();
    let used = |microcores: u32| [(Shape::CPU.bucket_of_micros(microcores.into()), 2 * 86_400)];
    let (much, little) = (used(1_500_000), used(400_000));
    let day = |ago: i64, microcores: u32| PastDay {
        at: Timestamp::from_second((8 - ago) * DAY_S).unwrap(),
        seen_s: 86_400,
        most_cores: f64::from(microcores) / 1e6,
        seconds: if microcores > 400_000 { &much } else { &little },
    };
    let by = |past: &[PastDay<'_>], samples: &[CpuSample]| {
        rightsize(&RightsizeRequest {
            past,
            ..request(&target, samples)
        })
    };
    let steady: Vec<_> = (1..=7).map(|ago| day(ago, 400_000)).collect();
    let advice = by(&steady, &[]).unwrap();
    // As minutes of 0.4 cores have it, and two pods are seen no longer than one.
    let minutes = samples(7 * 1_440, 60, |_| 0.4);
    let plain = rightsize(&request(&target, &minutes)).unwrap();
    assert_eq!(advice.target_millicores, plain.target_millicores);
    assert_eq!(advice.recommendation.confidence, Confidence::High);
    let basis = &advice.recommendation.basis;
    assert!(basis.contains("20160 samples over 7 days"), "{basis}");
    // What was used a week ago weighs little against yesterday, and the other way round.
    let calmed = by(&[day(7, 1_500_000), day(1, 400_000)], &[]).unwrap();
    assert_eq!(calmed.target_millicores, advice.target_millicores);
    let busier = by(&[day(7, 400_000), day(1, 1_500_000)], &[]).unwrap();
    assert!(busier.target_millicores > 1_500);
}
