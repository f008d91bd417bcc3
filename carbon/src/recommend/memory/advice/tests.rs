use jiff::Timestamp;

use super::*;
use crate::recommend::idle_share::{NodeGives, NodeIdle, borne};
use crate::recommend::{Target, Terms};
use crate::units::{Intensity, Pue};

const GIB: u64 = 1 << 30;

fn target() -> Target {
    Target {
        namespace: "shop".into(),
        kind: "Deployment".into(),
        name: "api".into(),
    }
}

fn now() -> Timestamp {
    Timestamp::from_second(1_790_000_000).unwrap()
}

/// Days of a peak of 600 MiB each, the newest first.
fn days(number: i64) -> Vec<MemorySample> {
    let sample = |day: i64| MemorySample {
        at: Timestamp::from_second(now().as_second() - day * 86_400).unwrap(),
        bytes: 600 * MIB,
        killed_with: None,
    };
    (0..number).map(sample).collect()
}

fn asked<'a>(target: &'a Target, samples: &'a [MemorySample]) -> MemoryRequest<'a> {
    let days = u64::try_from(samples.len()).unwrap();
    let standing = Standing {
        target,
        asks: Asks {
            millicores: 100,
            bytes: 4 * GIB,
        },
        pod_minutes_per_day: 2 * DAY_MINUTES,
        node: NodeGives {
            idle: NodeIdle {
                idle_per_day: Joules::from_microjoules(8_640_000_000_000),
                allocatable_millicores: 16_000,
            },
            allocatable_bytes: 64 * GIB,
            sharing: IdleSharing::LargerShare,
        },
        intensity: Estimate::exact(Intensity::try_from_grams_per_kwh(500.0).unwrap()),
        pue: Pue::ONE,
        terms: Terms {
            now: now(),
            min_saving_percent: 1.0,
        },
    };
    MemoryRequest {
        standing,
        container: "main",
        samples,
        minutes: days * DAY_MINUTES,
        own_per_day: GramsCo2e::ZERO,
    }
}

#[test]
fn less_memory_moves_idle_energy_and_saves_the_cluster_nothing() {
    let (target, samples) = (target(), days(8));
    let advice = rightsize_memory(&asked(&target, &samples)).unwrap();
    let said = &advice.recommendation;
    assert_eq!(said.action, Action::RightsizeMemory);
    assert_eq!(said.saving_per_day, Estimate::default());
    assert_eq!(said.confidence, Confidence::High);
    // 690 MiB are 15 % above the peak; a bucket of the histogram is up to 5 % and 10 MB wide.
    let mib = advice.sizes.target_bytes / MIB;
    assert!((690..=736).contains(&mib), "{mib}");
    // Two of 4 GiB on 64 GiB bear an eighth of 100 W, then two of about 700 MiB.
    let standing = asked(&target, &samples).standing;
    let less = Asks {
        bytes: advice.sizes.target_bytes,
        ..standing.asks
    };
    let bears = |asks| borne(standing.node, asks, 2 * DAY_MINUTES).microjoules();
    assert_eq!(bears(standing.asks), 8_640_000_000_000 / 8);
    let moved = bears(standing.asks) - bears(less);
    assert_eq!(advice.attributed_per_day.microjoules(), moved);
    assert!(advice.if_a_node_goes_per_day > GramsCo2e::ZERO);
    assert!(
        said.change
            .contains(&format!(r#""requests":{{"memory":"{mib}Mi"}}"#))
    );
    assert!(said.basis.contains("evicted first") && said.basis.contains("600Mi"));
    assert!(said.basis.len() <= 512, "{}", said.basis.len());
}

#[test]
fn a_day_must_have_been_seen_and_a_week_makes_it_sure() {
    let (target, samples) = (target(), days(2));
    let mut request = asked(&target, &samples);
    assert_eq!(
        rightsize_memory(&request)
            .unwrap()
            .recommendation
            .confidence,
        Confidence::Medium
    );
    request.minutes = DAY_MINUTES - 1;
    let why = rightsize_memory(&request).unwrap_err();
    assert_eq!(why.reason, WhyNot::TooFewSamples);
    assert!(why.message.contains("1439 minutes"), "{}", why.message);
}

#[test]
fn where_cpu_is_the_larger_share_that_is_said_with_what_would_do() {
    let (target, samples) = (target(), days(8));
    let mut request = asked(&target, &samples);
    request.standing.asks.millicores = 4_000;
    let why = rightsize_memory(&request).unwrap_err();
    assert_eq!(why.reason, WhyNot::SavesTooLittle);
    assert!(
        why.message.contains("CPU is the larger share"),
        "{}",
        why.message
    );
}

#[test]
fn what_holds_more_than_it_asks_for_is_told_of_its_risk_and_never_made_smaller() {
    let (target, samples) = (target(), days(8));
    let mut request = asked(&target, &samples);
    request.standing.asks.bytes = 500 * MIB;
    let why = rightsize_memory(&request).unwrap_err();
    assert!(why.message.contains("evicted first"), "{}", why.message);
    request.standing.asks.bytes = 650 * MIB;
    let why = rightsize_memory(&request).unwrap_err();
    assert!(why.message.contains("would not be safe"), "{}", why.message);
    request.standing.asks.bytes = 0;
    let why = rightsize_memory(&request).unwrap_err();
    assert_eq!(why.reason, WhyNot::NoRequest);
}

/// The raised figure stood where the seen one belongs, as if it had been held.
#[test]
fn what_was_seen_and_what_a_kill_counts_as_are_told_apart() {
    let (target, mut samples) = (target(), days(8));
    samples[3].killed_with = Some(1_000 * MIB);
    let request = asked(&target, &samples);
    let said = rightsize_memory(&request).unwrap().recommendation.basis;
    assert!(
        said.contains("never under the highest (seen: 600Mi)"),
        "{said}"
    );
    let counts = "a pod killed for want of memory at 1000Mi or more counts as 1200Mi";
    assert!(said.contains(counts), "{said}");
    assert!(said.len() <= 512, "{}", said.len());
    let mut tight = request;
    tight.standing.asks.bytes = 1_300 * MIB;
    let why = rightsize_memory(&tight).unwrap_err().message;
    assert!(
        why.contains("seen with up to 600Mi") && why.contains("counts as 1200Mi"),
        "{why}"
    );
    assert!(
        !why.contains("held up to 1200Mi") && why.len() <= 256,
        "{why}"
    );
}

/// A change that saves nothing was advised where no least saving was set.
#[test]
fn less_memory_that_moves_nothing_is_refused_whatever_least_saving_is_asked_for() {
    let (target, samples) = (target(), days(8));
    let mut request = asked(&target, &samples);
    request.standing.terms.min_saving_percent = 0.0;
    assert!(rightsize_memory(&request).is_ok());
    request.standing.intensity = Estimate::exact(Intensity::try_from_grams_per_kwh(0.0).unwrap());
    let why = rightsize_memory(&request).unwrap_err();
    assert_eq!(why.reason, WhyNot::SavesTooLittle);
    assert!(why.message.contains("emits 0 g at"), "{why}");
    assert!(!why.message.contains("CPU"), "{why}");
}
