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
    /// The number of its node among [`Rows::nodes`].
    pub(super) node: u32,
    place: u32,
    pub(super) provenance: Provenance,
    pub(super) energy: Estimate<Joules>,
    pub(super) cpu_us: u64,
    pub(super) minutes: u64,
}

impl Booked {
    fn of(row: &HourRow, node: u32, place: usize) -> Self {
        Self {
            hour: row.hour,
            node,
            // A policy has a few places.
            place: u32::try_from(place).unwrap_or(u32::MAX),
            provenance: row.provenance,
            energy: row.energy,
            cpu_us: row.cpu_us,
            minutes: row.minutes,
        }
    }

    /// The number of its place among the policy's.
    pub(super) fn place(&self) -> usize {
        index(self.place)
    }

    /// As it is priced.
    pub(super) fn energy_row(&self) -> EnergyRow {
        EnergyRow {
            hour: self.hour,
            place: self.place(),
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

/// A member with the number that its rows bear, if it has any.
type Numbered<'a> = (Member<'a>, Option<Number>);

/// All rows of a snapshot, each in exactly one place.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    /// The names of all nodes of rows, in order.
    pub(super) nodes: Vec<&'a str>,
    /// Rows within the window: of the members, then of other pods.
    booked: Vec<Booked>,
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
        let mut reader = Reader::of(snapshot);
        for row in &snapshot.rows {
            reader.read(policy, row, window);
        }
        reader.finish(policy)
    }

    /// The name of a row's node.
    pub(super) fn node(&self, row: &Booked) -> Option<&'a str> {
        self.nodes.get(index(row.node)).copied()
    }

    /// The rows of a range.
    pub(super) fn within(&self, range: Range<usize>) -> &[Booked] {
        self.booked.get(range).unwrap_or_default()
    }

    /// Pods that the policy does not select, or nobody named, with their rows.
    pub(super) fn unselected(&self) -> impl ExactSizeIterator<Item = (&'a str, &[Booked])> {
        let all = self.unselected.iter();
        all.map(|(uid, range)| (*uid, self.within(range.clone())))
    }
}

/// The number of a name, as they came.
type Number = u32;

/// Where what a number is of stands.
pub(super) fn index(number: Number) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// The names of a row; no pod where the row is not to be put in order.
struct Entry {
    pod: Option<Number>,
    node: Number,
}

/// Reads rows in the order in which they come.
struct Reader<'a> {
    snapshot: &'a Snapshot,
    nodes: Numbers<'a>,
    /// Of each node by its number.
    places: Vec<PlaceNumbers>,
    pods: Numbers<'a>,
    /// Of each row.
    entries: Vec<Entry>,
    /// Rows that are not put in order, with nodes by their numbers as they came.
    named: BTreeMap<&'static str, Vec<Booked>>,
    outside: Vec<(&'a LedgerAccount, Booked)>,
}

impl<'a> Reader<'a> {
    fn of(snapshot: &'a Snapshot) -> Self {
        Self {
            snapshot,
            nodes: Numbers::with_room(snapshot.nodes.len()),
            places: Vec::new(),
            pods: Numbers::with_room(snapshot.pods.len()),
            entries: Vec::with_capacity(snapshot.rows.len()),
            named: BTreeMap::new(),
            outside: Vec::new(),
        }
    }

    fn read(&mut self, policy: &ValidatedPolicy, row: &'a HourRow, window: Period) {
        let node = self.nodes.of(&row.node);
        if index(node) == self.places.len() {
            self.places.push(policy.places_of(&row.node));
        }
        // A pod with rows of another time only is none without rows.
        let pod = row.pod().map(|uid| self.pods.of(uid));
        let pod = pod.filter(|_| window.contains(row.hour));
        if pod.is_none() {
            let booked = self.booked(row, node);
            match row.account {
                LedgerAccount::Named(name) if window.contains(row.hour) => {
                    self.named.entry(name).or_default().push(booked);
                }
                _ => self.outside.push((&row.account, booked)),
            }
        }
        self.entries.push(Entry { pod, node });
    }

    fn booked(&self, row: &HourRow, node: Number) -> Booked {
        let places = self.places.get(index(node));
        let place = places.map_or(0, |places| places.at(row.hour));
        Booked::of(row, node, place)
    }

    fn finish(self, policy: &ValidatedPolicy) -> Rows<'a> {
        let (nodes, rank) = self.nodes.by_name();
        let ranked = |booked: Booked| Booked {
            node: rank.get(index(booked.node)).copied().unwrap_or_default(),
            ..booked
        };
        let mut layout = Layout::of(&self.entries, self.pods.names.len());
        let members = layout.members(policy, self.snapshot, &self.pods);
        let unselected = layout.unselected(&self.pods);
        let order = layout.order(&self.entries);
        let mut rows = Vec::with_capacity(order.len());
        rows.extend(order.into_iter().filter_map(|number| {
            let row = self.snapshot.rows.get(index(number))?;
            let entry = self.entries.get(index(number))?;
            Some(ranked(self.booked(row, entry.node)))
        }));
        let named = self.named.into_iter();
        let outside = self.outside.into_iter();
        Rows {
            nodes,
            booked: rows,
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
    fn of(entries: &[Entry], pods: usize) -> Self {
        let mut counts = vec![0; pods];
        for pod in entries.iter().filter_map(|entry| entry.pod) {
            if let Some(count) = counts.get_mut(index(pod)) {
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
    fn place(&mut self, pod: Number) -> Range<usize> {
        let begin = self.free;
        self.free += self.counts.get(index(pod)).copied().unwrap_or(0);
        if let Some(next) = self.next.get_mut(index(pod)) {
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
        // Kinds in namespaces are few: within each, names alone are compared.
        let mut spaces: HashMap<(&str, &str), Vec<Numbered<'a>>> = HashMap::new();
        for (uid, names) in snapshot.pods.iter().filter(|(_, pod)| selects(policy, pod)) {
            let number = numbers.known.get(&**uid).copied();
            let rows = number.and_then(|number| self.counts.get(index(number)));
            if rows != Some(&0) {
                let member = Member {
                    key: Key::of(names),
                    uid,
                    names,
                    rows: 0..0,
                };
                let space = (member.key.namespace, member.key.kind);
                spaces.entry(space).or_default().push((member, number));
            }
        }
        let mut spaces: Vec<_> = spaces.into_iter().collect();
        spaces.sort_unstable_by_key(|(space, _)| *space);
        let mut placed = Vec::with_capacity(snapshot.pods.len());
        for (_, mut members) in spaces {
            members.sort_unstable_by_key(|(member, _)| (member.key.name, member.uid));
            placed.extend(members.into_iter().map(|(member, number)| Member {
                rows: number.map_or(self.free..self.free, |number| self.place(number)),
                ..member
            }));
        }
        placed
    }

    /// The pods with rows whose places are not known yet.
    fn unselected<'a>(&mut self, numbers: &Numbers<'a>) -> Vec<(&'a str, Range<usize>)> {
        let is_left = |number: Number| {
            let number = index(number);
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

    /// The number of the row in each place.
    fn order(mut self, entries: &[Entry]) -> Vec<u32> {
        let mut order = vec![0; self.free];
        for (row, entry) in (0..).zip(entries) {
            let next = entry.pod.and_then(|pod| self.next.get_mut(index(pod)));
            let Some(Some(next)) = next else {
                continue;
            };
            if let Some(place) = order.get_mut(*next) {
                *place = row;
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
struct Numbers<'a> {
    names: Vec<&'a Arc<str>>,
    known: HashMap<&'a str, Number>,
    /// The number that came after each.
    after: Vec<Number>,
    last: Number,
}

impl<'a> Numbers<'a> {
    fn with_room(names: usize) -> Self {
        Self {
            names: Vec::with_capacity(names),
            known: HashMap::with_capacity(names),
            after: Vec::with_capacity(names),
            last: 0,
        }
    }

    fn of(&mut self, name: &'a Arc<str>) -> Number {
        let is = |number: &Number| {
            let known = self.names.get(index(*number));
            known.is_some_and(|known| Arc::ptr_eq(known, name))
        };
        if is(&self.last) {
            return self.last;
        }
        let after = self.after.get(index(self.last)).copied();
        let number = match after.filter(is) {
            Some(number) => number,
            None => self.looked_up(name),
        };
        if let Some(after) = self.after.get_mut(index(self.last)) {
            *after = number;
        }
        self.last = number;
        number
    }

    fn looked_up(&mut self, name: &'a Arc<str>) -> Number {
        // No memory holds as many names as there are numbers.
        let new = Number::try_from(self.names.len()).unwrap_or(Number::MAX);
        let number = *self.known.entry(name).or_insert(new);
        if number == new {
            self.names.push(name);
            self.after.push(0);
        }
        number
    }

    /// The names in their order, and the place of each number in it.
    fn by_name(&self) -> (Vec<&'a str>, Vec<u32>) {
        let numbered = self.names.iter().map(|name| &***name).zip(0..);
        let mut sorted: Vec<(&str, Number)> = numbered.collect();
        sorted.sort_unstable();
        let mut rank = vec![0; sorted.len()];
        for (place, (_, number)) in (0..).zip(&sorted) {
            if let Some(rank) = rank.get_mut(index(*number)) {
                *rank = place;
            }
        }
        (sorted.into_iter().map(|(name, _)| name).collect(), rank)
    }
}
