//! Where nodes were, and how large, over time.
//!
//! Names of nodes come again: clouds and autoscalers use them for machines of
//! other regions. So a place has an hour from which on it holds, and the energy
//! of an hour is that of the place of then. What is kept of it is made into
//! places by the hour here alone, for whoever prices what was booked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::calendar::UtcHour;
use crate::regions::{Region, Regions};

/// Where a node is from an hour on, until the next begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stay {
    /// Its first hour; that of 1970 from the beginning.
    pub since: UtcHour,
    /// Its cloud region with the provider, or with none the label of a region
    /// that the table has not; `None` where no label was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<(String, String)>,
    /// Its CPU, thousandths of a core.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub millicores: Option<u32>,
}

/// The stays of each node in their order, by the node's name; also of nodes that
/// are gone.
pub type Stays = BTreeMap<String, Vec<Stay>>;

impl Stay {
    /// Whether it holds from the beginning.
    #[must_use]
    pub fn is_first(&self) -> bool {
        self.since.unix_seconds() <= 0
    }

    /// Whether nothing but the time is another.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        self.region == other.region && self.millicores == other.millicores
    }

    /// The stay of an hour, of all of a node in their order; `None` before the
    /// first.
    #[must_use]
    pub fn at(stays: &[Self], hour: UtcHour) -> Option<&Self> {
        stays.iter().rev().find(|stay| stay.since <= hour)
    }

    /// Its region; `None` where the table has none of that name.
    fn region_in<'r>(&self, table: &'r Regions) -> Option<&'r Region> {
        let (provider, region) = self.region.as_ref()?;
        table.get(region, Some(provider.as_str()))
    }
}

/// The numbers of a node's places over time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlaceNumbers {
    /// From the beginning.
    pub first: usize,
    /// From an hour on, in the order of hours.
    pub later: Vec<(UtcHour, usize)>,
}

impl PlaceNumbers {
    /// The number of an hour's place.
    #[must_use]
    pub fn at(&self, hour: UtcHour) -> usize {
        let mut newest_first = self.later.iter().rev();
        newest_first
            .find(|(since, _)| *since <= hour)
            .map_or(self.first, |(_, number)| *number)
    }
}

impl From<usize> for PlaceNumbers {
    /// One place all the time.
    fn from(first: usize) -> Self {
        Self {
            first,
            later: Vec::new(),
        }
    }
}

/// The regions of a node over time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegionsOver<'r> {
    /// From the beginning; `None` where it is not known, or in no table.
    pub first: Option<&'r Region>,
    /// From an hour on, in the order of hours; `None` for one that is in no
    /// table.
    pub later: Vec<(UtcHour, Option<&'r Region>)>,
}

/// The regions of a node: the cluster says where it is `here` and `now`, and its
/// stays where it was before, also of one that is gone. A region that the table
/// no longer has is none.
#[must_use]
pub fn regions_over<'r>(
    stays: &[Stay],
    here: Option<&'r Region>,
    now: UtcHour,
    table: &'r Regions,
) -> RegionsOver<'r> {
    if stays.is_empty() {
        return RegionsOver {
            first: here,
            later: Vec::new(),
        };
    }
    let mut places: Vec<_> = stays
        .iter()
        .map(|stay| (stay.since, stay.region_in(table)))
        .collect();
    if let Some(here) = here {
        say_now(&mut places, here, now);
    }
    // A stay of another size is none of another place.
    places.dedup_by_key(|(_, region)| *region);
    let is_first = stays.first().is_some_and(Stay::is_first);
    let later = places.split_off(usize::from(is_first));
    RegionsOver {
        first: places.first().and_then(|(_, region)| *region),
        later,
    }
}

/// What the cluster says goes before what was known last: until that is
/// written, it is so from this hour on; where nothing was known, all the time.
fn say_now<'r>(places: &mut Vec<(UtcHour, Option<&'r Region>)>, here: &'r Region, now: UtcHour) {
    match places.last().copied() {
        Some((_, Some(last))) if last == here => {}
        Some((since, Some(_))) if since < now => places.push((now, Some(here))),
        Some((since, _)) => {
            places.pop();
            places.push((since, Some(here)));
        }
        None => {}
    }
}

/// The label of a node's last stay, where the table has no such region.
#[must_use]
pub fn unlisted<'s>(stays: &'s [Stay], table: &Regions) -> Option<&'s str> {
    let last = stays.last()?;
    let (_, label) = last.region.as_ref()?;
    last.region_in(table).is_none().then_some(label.as_str())
}

/// What a node had to give until an hour, thousandths of a core, of all but its
/// last stay.
#[must_use]
pub fn earlier_sizes(stays: &[Stay]) -> Vec<(UtcHour, u32)> {
    let mut sizes: Vec<(UtcHour, u32)> = Vec::new();
    for two in stays.windows(2) {
        let [stay, next] = two else {
            continue;
        };
        let Some(size) = stay.millicores else {
            continue;
        };
        match sizes.last_mut() {
            Some((until, same)) if *same == size => *until = next.since,
            _ => sizes.push((next.since, size)),
        }
    }
    let last = stays.last().and_then(|stay| stay.millicores);
    // One that only moved has the size that it had.
    if sizes.last().map(|(_, size)| *size) == last {
        sizes.pop();
    }
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stay(since: i64, region: Option<&str>, millicores: u32) -> Stay {
        Stay {
            since: UtcHour::from_unix_seconds(since * 3_600),
            region: region.map(|region| ("aws".to_owned(), region.to_owned())),
            millicores: Some(millicores),
        }
    }

    #[test]
    fn only_sizes_of_before_that_differ_are_kept_apart() {
        let at = |hour: i64| UtcHour::from_unix_seconds(hour * 3_600);
        let moved = [stay(0, Some("a"), 4_000), stay(7, Some("b"), 4_000)];
        assert!(earlier_sizes(&moved).is_empty());
        let mut resized = moved.to_vec();
        resized.extend([stay(9, Some("b"), 8_000), stay(12, Some("a"), 8_000)]);
        assert_eq!(earlier_sizes(&resized), [(at(9), 4_000)]);
    }

    /// They are told to programs as text, and have to come back the same.
    #[test]
    fn stays_are_the_same_after_json_and_what_is_not_known_is_left_out() {
        let mut unknown = stay(500_000, None, 0);
        unknown.millicores = None;
        let stays = Stays::from([(
            "n1".to_owned(),
            vec![stay(0, Some("eu-north-1"), 4_000), unknown],
        )]);
        let text = serde_json::to_string(&stays).unwrap();
        let first = r#"{"n1":[{"since":"1970-01-01T00:00Z","region":["aws","eu-north-1"],"millicores":4000}"#;
        assert!(text.starts_with(first), "{text}");
        assert_eq!(text.matches("region").count(), 1, "{text}");
        assert_eq!(serde_json::from_str::<Stays>(&text).unwrap(), stays);
    }

    #[test]
    fn without_stays_a_node_is_where_the_cluster_says_all_the_time() {
        let table = Regions::default();
        let now = UtcHour::from_unix_seconds(0);
        assert_eq!(regions_over(&[], None, now, &table), RegionsOver::default());
        let odd = [stay(0, Some("cellar"), 1)];
        assert_eq!(unlisted(&odd, &table), Some("cellar"));
        assert_eq!(unlisted(&[], &table), None);
    }
}
