//! Where nodes were, against a naive replay of what was seen.

use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::prelude::*;
use tanso_carbon::calendar::UtcHour;

use super::*;
use crate::ledger::known_nodes::{self, KnownNode};
use crate::ledger::open_file;

/// 2026-09-21T14:00Z.
const START_H: i64 = 1_789_999_200 / 3_600;

fn hour(after: i64) -> UtcHour {
    hour_of(START_H + after)
}

/// A second within an hour after the start.
fn at(after: i64, second: i64) -> Timestamp {
    Timestamp::from_second((START_H + after) * 3_600 + second).unwrap()
}

fn seen(region: Option<&str>, millicores: Option<u32>, made: Option<Timestamp>) -> KnownNode {
    KnownNode {
        region: region.map(|name| ("aws".to_owned(), name.to_owned())),
        millicores,
        made,
        ..KnownNode::default()
    }
}

fn keep(ledger: &mut Connection, node: KnownNode, now: Timestamp) {
    booked_until(ledger, now);
    known_nodes::keep(ledger, &BTreeMap::from([("n1".to_owned(), node)]), now).unwrap();
}

/// Nothing is old by the clock alone.
fn booked_until(ledger: &Connection, at: Timestamp) {
    let sql = "INSERT OR REPLACE INTO cursors VALUES ('n1', '07', 1, ?1, 1)";
    ledger.execute(sql, [at.as_second()]).unwrap();
}

fn opened() -> (tempfile::TempDir, Connection) {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open_file(&folder.path().join("ledger.db")).unwrap();
    (folder, ledger)
}

fn stays(ledger: &Connection) -> Vec<Stay> {
    all(ledger).unwrap().remove("n1").unwrap_or_default()
}

fn region_at(stays: &[Stay], hour: UtcHour) -> Option<&str> {
    let (_, region) = Stay::at(stays, hour)?.region.as_ref()?;
    Some(region)
}

/// The past of a name was that of the machine which had it last.
#[test]
fn a_name_that_comes_again_elsewhere_is_there_from_the_hour_on_in_which_it_was_made() {
    let (_folder, mut ledger) = opened();
    let first = seen(Some("eu-north-1"), Some(4_000), Some(at(-9, 0)));
    keep(&mut ledger, first, at(0, 60));
    // It was made while the operator was away, and is larger.
    let second = seen(Some("ap-northeast-2"), Some(8_000), Some(at(5, 1_800)));
    keep(&mut ledger, second, at(8, 0));
    let found = stays(&ledger);
    let [one, other] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert!(one.is_first() && !other.is_first());
    assert_eq!(
        (one.millicores, other.millicores),
        (Some(4_000), Some(8_000))
    );
    assert_eq!(region_at(&found, hour(-400 * 24)), Some("eu-north-1"));
    assert_eq!(region_at(&found, hour(4)), Some("eu-north-1"));
    // The hour in which it changes is the later's.
    assert_eq!(region_at(&found, hour(5)), Some("ap-northeast-2"));
}

#[test]
fn what_was_not_known_of_an_object_was_so_all_the_time_and_of_a_former_one_is_not_known() {
    let (_folder, mut ledger) = opened();
    let made = Some(at(-1, 0));
    keep(&mut ledger, seen(None, Some(4_000), made), at(0, 0));
    // Its label comes later than it: it is where it was.
    keep(
        &mut ledger,
        seen(Some("eu-north-1"), Some(4_000), made),
        at(3, 0),
    );
    let found = stays(&ledger);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(region_at(&found, hour(-30)), Some("eu-north-1"));
    // One that loses its labels is where it was.
    keep(&mut ledger, seen(None, None, made), at(4, 0));
    assert_eq!(stays(&ledger), found);

    // A machine without labels, and after it another one with.
    let (_folder, mut ledger) = opened();
    keep(&mut ledger, seen(None, None, made), at(0, 0));
    let other = seen(Some("eu-north-1"), None, Some(at(6, 0)));
    keep(&mut ledger, other, at(6, 30));
    let found = stays(&ledger);
    assert_eq!(region_at(&found, hour(5)), None);
    assert_eq!(region_at(&found, hour(6)), Some("eu-north-1"));
}

#[test]
fn what_is_seen_again_is_no_row_and_neither_is_elsewhere_and_back_within_an_hour() {
    let (_folder, mut ledger) = opened();
    let regions = ["eu-north-1", "eu-north-1", "eu-west-1", "eu-north-1"];
    for (second, region) in (0..).zip(regions) {
        keep(&mut ledger, seen(Some(region), None, None), at(7, second));
    }
    let found = stays(&ledger);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(region_at(&found, hour(7)), Some("eu-north-1"));
}

#[test]
fn a_place_is_forgotten_when_the_next_holds_at_the_beginning_of_what_is_kept() {
    let (_folder, mut ledger) = opened();
    let day = |days: i64| days * 24;
    for (days, region) in [(0, "eu-north-1"), (10, "eu-west-1"), (20, "eu-central-1")] {
        keep(
            &mut ledger,
            seen(Some(region), None, None),
            at(day(days), 0),
        );
    }
    // Of 431 days: the first of them is the twelfth, on which the second holds.
    keep(
        &mut ledger,
        seen(Some("eu-central-1"), None, None),
        at(day(431 + 12), 0),
    );
    let found = stays(&ledger);
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(region_at(&found, hour(day(12))), Some("eu-west-1"));
    assert_eq!(region_at(&found, hour(day(20))), Some("eu-central-1"));
    // A node that is no longer known is nowhere.
    booked_until(&ledger, at(day(431 * 2 + 20), 0));
    known_nodes::keep(&mut ledger, &BTreeMap::new(), at(day(431 * 2 + 20), 0)).unwrap();
    assert_eq!(all(&ledger).unwrap(), BTreeMap::new());
}

/// One that came again in a cellar was priced in the region before it for good.
#[test]
fn a_name_that_comes_again_without_a_region_of_the_table_is_not_where_it_was() {
    let (_folder, mut ledger) = opened();
    let first = seen(Some("eu-north-1"), None, Some(at(-9, 0)));
    keep(&mut ledger, first, at(0, 60));
    let made = Some(at(5, 0));
    keep(&mut ledger, seen(None, None, made), at(5, 60));
    let found = stays(&ledger);
    assert_eq!(region_at(&found, hour(4)), Some("eu-north-1"));
    assert_eq!(region_at(&found, hour(5)), None);
    // Its label comes late, and it was there all the time.
    keep(&mut ledger, seen(Some("eu-west-1"), None, made), at(7, 0));
    let found = stays(&ledger);
    assert_eq!(region_at(&found, hour(5)), Some("eu-west-1"));
    // The label is another one, which no table has: `known_nodes` names it.
    keep(&mut ledger, seen(Some("cellar"), None, made), at(9, 0));
    let found = stays(&ledger);
    assert_eq!(region_at(&found, hour(8)), Some("eu-west-1"));
    assert_eq!(region_at(&found, hour(9)), Some("cellar"));
}

/// How long after the last look, which region the node is in, if its labels say
/// so, and whether its object was made since the last look.
type Look = (i64, Option<usize>, bool);

const REGIONS: [&str; 3] = ["eu-north-1", "eu-west-1", "ap-northeast-2"];

fn looks() -> impl Strategy<Value = Vec<Look>> {
    let region = prop_oneof![4 => (0..3_usize).prop_map(Some), 1 => Just(None)];
    prop::collection::vec((2..20_000_i64, region, any::<bool>()), 1..30)
}

/// Hours that are replayed.
const HOURS: usize = 200;

/// The place of each hour: each look writes all hours from its own on, that of a
/// new object from when it was made, and the first that says a place from when
/// the object of then was there.
fn replayed(looks: &[Look]) -> Vec<Option<usize>> {
    let mut places = vec![None; HOURS];
    let (mut second, mut object_since) = (0, 0);
    for (number, (after, region, is_anew)) in looks.iter().enumerate() {
        second += after;
        let hour = usize::try_from(second / 3_600).unwrap();
        let mut from = hour;
        if *is_anew && number > 0 {
            // Made a second before it is seen.
            object_since = usize::try_from((second - 1) / 3_600).unwrap();
            from = object_since;
        }
        let Some(region) = *region else {
            if *is_anew && number > 0 {
                places[from..].fill(None);
            }
            continue;
        };
        if places[HOURS - 1].is_none() {
            from = object_since;
        }
        for place in places.iter_mut().skip(from) {
            *place = Some(region);
        }
    }
    places
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn places_by_hour_are_those_of_a_naive_replay(looks in looks()) {
        let (_folder, mut ledger) = opened();
        let (mut second, mut made) = (0, at(-1, 0));
        for (number, (after, region, is_anew)) in looks.iter().enumerate() {
            second += after;
            if *is_anew && number > 0 {
                made = at(0, second - 1);
            }
            let node = seen(region.map(|index| REGIONS[index]), None, Some(made));
            keep(&mut ledger, node, at(0, second));
        }
        let found = stays(&ledger);
        for (index, place) in (0..).zip(replayed(&looks)) {
            let wanted = place.map(|region| REGIONS[region]);
            prop_assert_eq!(region_at(&found, hour(index)), wanted, "hour {}", index);
        }
        let differ = |two: &[Stay]| two[0].region != two[1].region || two[1].region.is_none();
        let in_order = |two: &[Stay]| two[0].since < two[1].since;
        prop_assert!(found.windows(2).all(|two| in_order(two) && differ(two)), "{:?}", found);
    }
}
