use jiff::Timestamp;

use super::*;

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
        was_killed: false,
    };
    (0..number).map(sample).collect()
}

fn asked<'a>(target: &'a Target, samples: &'a [MemorySample]) -> MemoryRequest<'a> {
    let days = u64::try_from(samples.len()).unwrap();
    MemoryRequest {
        target,
        container: "main",
        samples,
        minutes: days * DAY_MINUTES,
        asks: Asks {
            millicores: 100,
            bytes: 4 * GIB,
        },
        replicas: 2,
        node: NodeGives {
            idle: NodeIdle {
                idle_per_day: Joules::from_microjoules(8_640_000_000_000),
                allocatable_millicores: 16_000,
            },
            allocatable_bytes: 64 * GIB,
        },
        intensity: Estimate::exact(Intensity::try_from_grams_per_kwh(500.0).unwrap()),
        pue: Pue::ONE,
        emissions_per_day: GramsCo2e::ZERO,
        terms: Terms {
            now: now(),
            min_saving_percent: 1.0,
        },
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
    let before = 8_640_000_000_000_u64 / 8;
    let share = dominant_share((100, 16_000), (advice.sizes.target_bytes, 64 * GIB));
    let after = 8_640_000_000_000 * 2 * share / 1_000_000;
    assert_eq!(advice.attributed_per_day.microjoules(), before - after);
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
    request.asks.millicores = 4_000;
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
    request.asks.bytes = 500 * MIB;
    let why = rightsize_memory(&request).unwrap_err();
    assert!(why.message.contains("evicted first"), "{}", why.message);
    request.asks.bytes = 650 * MIB;
    let why = rightsize_memory(&request).unwrap_err();
    assert!(why.message.contains("would not be safe"), "{}", why.message);
    request.asks.bytes = 0;
    let why = rightsize_memory(&request).unwrap_err();
    assert_eq!(why.reason, WhyNot::NoRequest);
}
