//! The ledger's rows in the order of workloads, those of a pod beside each
//! other; no row is dropped.
//!
//! Rows come by hour and node, and a cluster's day has millions of them. They are
//! put in order by counting: names are numbered as they come, so that none is
//! compared for a row.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use tanso_carbon::account::EnergyRow;
use tanso_carbon::calendar::{Period, UtcHour};
use tanso_carbon::stays::PlaceNumbers;
use tanso_power::{Estimate, Joules, Provenance};

use super::ValidatedPolicy;
use super::group::{Key, selects};
use crate::ledger::{HourRow, LedgerAccount, PodNames, Snapshot};

/// What one account used on one node in one hour, by provenance.
#[derive(Clone, Copy, Debug)]
pub(super) struct Booked {
    pub(super) hour: UtcHour,
    pub(super) provenance: Provenance,
    /// The number of the node, by name.
    pub(super) node: usize,
    pub(super) place: usize,
    pub(super) energy: Estimate<Joules>,
    pub(super) cpu_us: u64,
    pub(super) minutes: u64,
}

impl Booked {
    fn of(row: &HourRow, node: usize, place: usize) -> Self {
        Self {
            hour: row.hour,
            provenance: row.provenance,
            node,
            place,
            energy: row.energy,
            cpu_us: row.cpu_us,
            minutes: row.minutes,
        }
    }

    /// As it is priced.
    pub(super) fn energy_row(&self) -> EnergyRow {
        EnergyRow {
            hour: self.hour,
            place: self.place,
            energy: self.energy,
            provenance: self.provenance,
        }
    }

    /// By all that it says; its place is its node's.
    pub(super) fn order(&self) -> impl Ord + use<> {
        let Estimate { low, value, high } = self.energy;
        let at = (self.hour, self.node, self.provenance);
        (at, [low, value, high], self.cpu_us, self.minutes)
    }
}

/// All rows of a snapshot, each in exactly one place.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    /// The names of all nodes of rows, in order.
    pub(super) nodes: Vec<&'a str>,
    /// Rows within the window: of the members, then of other pods.
    rows: Vec<Booked>,
    /// The pods of workloads that have rows within the window or none at all, by
    /// workload and UID, with where their rows are.
    pub(super) members: Vec<Member<'a>>,
    /// Pods that the policy does not select, or nobody named, by UID.
    unselected: Vec<(&'a str, Range<usize>)>,
    /// Rows within the window of accounts that are no pods.
    pub(super) named: BTreeMap<&'static str, Vec<Booked>>,
    /// Rows outside of the window.
    pub(super) outside: Vec<(&'a LedgerAccount, Booked)>,
}

/// A pod of a workload.
#[derive(Clone, Debug)]
pub(super) struct Member<'a> {
    pub(super) key: Key<'a>,
    pub(super) uid: &'a Arc<str>,
    pub(super) names: &'a PodNames,
    pub(super) rows: Range<usize>,
}

impl<'a> Rows<'a> {
    /// Puts the rows of a snapshot in order, as a policy sees them.
    pub(super) fn of(policy: &ValidatedPolicy, snapshot: &'a Snapshot, window: Period) -> Self {
        let mut reader = Reader {
            entries: Vec::with_capacity(snapshot.rows.len()),
            ..Reader::default()
        };
        for row in &snapshot.rows {
            reader.read(policy, row, window);
        }
        reader.finish(policy, snapshot)
    }

    /// The rows of a range.
    pub(super) fn within(&self, range: Range<usize>) -> &[Booked] {
        self.rows.get(range).unwrap_or_default()
    }

    /// Pods that the policy does not select, or nobody named, with their rows.
    pub(super) fn unselected(&self) -> impl ExactSizeIterator<Item = (&'a str, &[Booked])> {
        let all = self.unselected.iter();
        all.map(|(uid, range)| (*uid, self.within(range.clone())))
    }
}

/// A row of a pod with the numbers of its names as they came.
struct Entry<'a> {
    row: &'a HourRow,
    pod: usize,
    node: usize,
    place: usize,
}

/// Reads rows in the order in which they come.
#[derive(Default)]
struct Reader<'a> {
    nodes: Numbers<'a>,
    /// Of each node by its number.
    places: Vec<PlaceNumbers>,
    pods: Numbers<'a>,
    /// Rows of pods within the window.
    entries: Vec<Entry<'a>>,
    /// Others, with nodes by their numbers as they came.
    named: BTreeMap<&'static str, Vec<Booked>>,
    outside: Vec<(&'a LedgerAccount, Booked)>,
}

impl<'a> Reader<'a> {
    fn read(&mut self, policy: &ValidatedPolicy, row: &'a HourRow, window: Period) {
        let node = self.nodes.of(&row.node);
        if node == self.places.len() {
            self.places.push(policy.places_of(&row.node));
        }
        let places = self.places.get(node);
        let place = places.map_or(0, |places| places.at(row.hour));
        // A pod with rows of another time only is none without rows.
        let pod = row.pod().map(|uid| self.pods.of(uid));
        let booked = || Booked::of(row, node, place);
        match (&row.account, pod) {
            (account, _) if !window.contains(row.hour) => self.outside.push((account, booked())),
            (LedgerAccount::Named(name), _) => {
                self.named.entry(name).or_default().push(booked());
            }
            (LedgerAccount::Pod(_), pod) => self.entries.extend(pod.map(|pod| Entry {
                row,
                pod,
                node,
                place,
            })),
        }
    }

    fn finish(self, policy: &ValidatedPolicy, snapshot: &'a Snapshot) -> Rows<'a> {
        let (nodes, rank) = self.nodes.by_name();
        let rank = |node: usize| rank.get(node).copied().unwrap_or(node);
        let ranked = |booked: Booked| Booked {
            node: rank(booked.node),
            ..booked
        };
        let mut layout = Layout::of(&self.entries, self.pods.names.len());
        let members = layout.members(policy, snapshot, &self.pods);
        let unselected = layout.unselected(&self.pods);
        let order = layout.order(&self.entries);
        let entries = order
            .into_iter()
            .filter_map(|index| self.entries.get(index));
        let rows = entries.map(|one| Booked::of(one.row, rank(one.node), one.place));
        let named = self.named.into_iter();
        let outside = self.outside.into_iter();
        Rows {
            nodes,
            rows: rows.collect(),
            members,
            unselected,
            named: named
                .map(|(name, rows)| (name, rows.into_iter().map(ranked).collect()))
                .collect(),
            outside: outside
                .map(|(account, booked)| (account, ranked(booked)))
                .collect(),
        }
    }
}

/// Where the rows of each pod go.
struct Layout {
    /// How many rows each pod has, by its number.
    counts: Vec<usize>,
    /// Where the next row of each pod goes, once its place is known.
    next: Vec<Option<usize>>,
    /// The first place that is free.
    free: usize,
}

impl Layout {
    fn of(entries: &[Entry<'_>], pods: usize) -> Self {
        let mut counts = vec![0; pods];
        for entry in entries {
            if let Some(count) = counts.get_mut(entry.pod) {
                *count += 1;
            }
        }
        Self {
            counts,
            next: vec![None; pods],
            free: 0,
        }
    }

    /// Gives a pod's rows the next places.
    fn place(&mut self, pod: usize) -> Range<usize> {
        let begin = self.free;
        self.free += self.counts.get(pod).copied().unwrap_or(0);
        if let Some(next) = self.next.get_mut(pod) {
            *next = Some(begin);
        }
        begin..self.free
    }

    /// Of the selected pods those that have rows within the window, and those that
    /// have none at all: what runs without using energy is told too.
    fn members<'a>(
        &mut self,
        policy: &ValidatedPolicy,
        snapshot: &'a Snapshot,
        numbers: &Numbers<'a>,
    ) -> Vec<Member<'a>> {
        let selected = snapshot.pods.iter().filter(|(_, pod)| selects(policy, pod));
        let mut members: Vec<(Member<'a>, Option<usize>)> = selected
            .filter_map(|(uid, names)| {
                let number = numbers.known.get(&**uid).copied();
                let rows = number.and_then(|number| self.counts.get(number));
                let member = Member {
                    key: Key::of(names),
                    uid,
                    names,
                    rows: 0..0,
                };
                (rows != Some(&0)).then_some((member, number))
            })
            .collect();
        members.sort_unstable_by(|(a, _), (b, _)| (a.key, a.uid).cmp(&(b.key, b.uid)));
        let placed = members.into_iter().map(|(member, number)| Member {
            rows: number.map_or(self.free..self.free, |number| self.place(number)),
            ..member
        });
        placed.collect()
    }

    /// The pods with rows whose places are not known yet.
    fn unselected<'a>(&mut self, numbers: &Numbers<'a>) -> Vec<(&'a str, Range<usize>)> {
        let is_left = |number: usize| {
            self.next.get(number) == Some(&None) && self.counts.get(number) != Some(&0)
        };
        let all = (0..).zip(&numbers.names);
        let mut left: Vec<_> = all
            .filter(|(number, _)| is_left(*number))
            .map(|(number, uid)| (&***uid, number))
            .collect();
        left.sort_unstable();
        let placed = left.into_iter();
        placed
            .map(|(uid, number)| (uid, self.place(number)))
            .collect()
    }

    /// The entry of each place.
    fn order(mut self, entries: &[Entry<'_>]) -> Vec<usize> {
        let mut order = vec![0; self.free];
        for (index, entry) in entries.iter().enumerate() {
            let Some(Some(next)) = self.next.get_mut(entry.pod) else {
                continue;
            };
            if let Some(place) = order.get_mut(*next) {
                *place = index;
            }
            *next += 1;
        }
        order
    }
}

/// Numbers of names, in the order in which they come first.
///
/// Each hour lists them in the same order, so the one that came after the last
/// one before is tried first; a name is one text that all rows share, and only
/// where it is not, or comes out of order, it is looked up.
#[derive(Default)]
struct Numbers<'a> {
    names: Vec<&'a Arc<str>>,
    known: HashMap<&'a str, usize>,
    /// The number that came after each.
    after: Vec<usize>,
    last: usize,
}

impl<'a> Numbers<'a> {
    fn of(&mut self, name: &'a Arc<str>) -> usize {
        let is = |number: &usize| {
            let known = self.names.get(*number);
            known.is_some_and(|known| Arc::ptr_eq(known, name))
        };
        if is(&self.last) {
            return self.last;
        }
        let after = self.after.get(self.last).copied();
        let number = match after.filter(is) {
            Some(number) => number,
            None => self.looked_up(name),
        };
        if let Some(after) = self.after.get_mut(self.last) {
            *after = number;
        }
        self.last = number;
        number
    }

    fn looked_up(&mut self, name: &'a Arc<str>) -> usize {
        let number = *self.known.entry(name).or_insert(self.names.len());
        if number == self.names.len() {
            self.names.push(name);
            self.after.push(0);
        }
        number
    }

    /// The names in their order, and the place of each number in it.
    fn by_name(&self) -> (Vec<&'a str>, Vec<usize>) {
        let mut sorted: Vec<(&str, usize)> =
            self.names.iter().map(|name| &***name).zip(0..).collect();
        sorted.sort_unstable();
        let mut rank = vec![0; sorted.len()];
        for (place, (_, number)) in sorted.iter().enumerate() {
            if let Some(rank) = rank.get_mut(*number) {
                *rank = place;
            }
        }
        (sorted.into_iter().map(|(name, _)| name).collect(), rank)
    }
}
