use proptest::prelude::*;

use super::*;

fn day_of_pod() -> impl Strategy<Value = Used> {
    let minute = (0_i64..1_440, 0_u64..200_000_000, 1_u64..=60);
    prop::collection::vec(minute, 0..60).prop_map(|minutes| {
        let mut used = Used::default();
        for (minute, cpu_us, present_s) in minutes {
            used.add(86_400 * 20_000 + minute * 60, cpu_us, present_s);
        }
        used
    })
}

proptest! {
    #[test]
    fn what_was_packed_comes_back_as_it_was(used in day_of_pod()) {
        let bytes = used.pack();
        prop_assert_eq!(Used::unpack(&bytes), Some(used));
        prop_assert_eq!(Used::unpack(&bytes[..bytes.len() - 1]), None);
        prop_assert_eq!(Used::unpack(&[bytes.as_slice(), &[0]].concat()), None);
    }

    #[test]
    fn any_bytes_are_read_or_refused_and_never_panic(bytes: Vec<u8>) {
        let _ = Used::unpack(&bytes);
    }

    #[test]
    fn days_of_pods_come_to_the_same_in_whatever_order(
        pods in prop::collection::vec(day_of_pod(), 0..5)
    ) {
        let merged = |pods: &mut dyn Iterator<Item = &Used>| {
            let mut all = Used::default();
            pods.for_each(|pod| all.merge(pod.clone()));
            all.finish()
        };
        let forth = merged(&mut pods.iter());
        prop_assert_eq!(&merged(&mut pods.iter().rev()), &forth);
        // Pods beside each other make no minute twice.
        let mut seen = std::collections::BTreeSet::new();
        for pod in &pods {
            seen.extend(pod.spans.iter().flat_map(|(from, until)| *from..*until));
        }
        prop_assert_eq!(forth.minutes, u64::try_from(seen.len()).unwrap());
    }
}

#[test]
fn a_minute_counts_for_as_long_as_the_pod_was_there() {
    let of = |started, finished| present_s(600, started, finished);
    assert_eq!(of(None, None), 60);
    assert_eq!(of(Some(0), None), 60);
    assert_eq!(of(Some(645), None), 15);
    assert_eq!(of(Some(0), Some(620)), 20);
    assert_eq!(of(Some(610), Some(612)), 2);
    // Its CPU time came after its end, or before its begin.
    assert_eq!(of(Some(0), Some(600)), 60);
    assert_eq!(of(Some(660), None), 60);
}

/// A steady pod all day is a few bytes, so ten thousand of them over nine days
/// stay a few megabytes.
#[test]
fn a_steady_day_is_packed_small() {
    let mut used = Used::default();
    for minute in 0..1_440 {
        used.add(minute * 60, 15_000_000 + 10_000 * minute.unsigned_abs(), 60);
    }
    assert_eq!(used.spans, BTreeMap::from([(0, 1_440)]));
    assert!(used.pack().len() < 80, "{}", used.pack().len());
    let day = used.finish();
    assert_eq!(day.minutes, 1_440);
    let seconds = day.seconds.iter().map(|(_, seconds)| seconds);
    assert_eq!(seconds.sum::<u64>(), 86_400);
    assert_eq!(day.most_microcores, (15_000_000 + 14_390_000) / 60);
}
