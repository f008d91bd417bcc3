//! From a snapshot to samples: a pure function of what was published.

use std::collections::BTreeMap;

use tanso_agent_wire::families::{self as f, Family, Level};
use tanso_power::Joules;

use super::options::{Options, Surface};
use super::sink::Sink;
use super::write;
use crate::books::Books;
use crate::processors::Processor;
use crate::rights::Right;
use crate::snapshot::Snapshot;

/// What is written.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The node's name.
    pub node: &'a str,
    /// Its processors.
    pub processors: &'a [Processor],
    /// What the agent may do.
    pub rights: &'a [Right],
    /// The figures; `None` before the first.
    pub snapshot: Option<&'a Snapshot>,
    /// Settings read anew and pushes, by result.
    pub counters: &'a Counters,
    /// What of it.
    pub options: &'a Options,
}

/// What other parts of the agent count, by result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Settings read anew.
    pub reloads: BTreeMap<&'static str, u64>,
    /// Pushes by OTLP.
    pub pushes: BTreeMap<&'static str, u64>,
}

impl View<'_> {
    /// Writes all families that have a figure.
    pub fn write(&self, sink: &mut dyn Sink) {
        let mut out = Out {
            sink,
            node: self.node,
            options: self.options,
        };
        if self.options.surface != Surface::Legacy {
            write::node::program(self.processors, &mut out);
            out.write(
                &f::RIGHT_HELD,
                self.rights
                    .iter()
                    .map(|right| (vec![right.name], f64::from(u8::from(right.held)))),
            );
            if let Some(snapshot) = self.snapshot {
                write::node::zones(snapshot, &mut out);
                write::gpus::write(snapshot, &mut out);
                let withheld = [
                    (Level::Process, write::processes::write(snapshot, &mut out)),
                    (
                        Level::Container,
                        write::containers::write(snapshot, &mut out),
                    ),
                    (Level::Pod, write::pods::write(snapshot, &mut out)),
                ];
                write::machines::write(snapshot, &mut out);
                write::own::write(snapshot, &mut out);
                out.write(
                    &f::SERIES_WITHHELD,
                    withheld.map(|(level, number)| (vec![level.as_str()], write::count(number))),
                );
            }
            let by_result = |counts: &'static Family, numbers: &BTreeMap<&'static str, u64>| {
                let rows = numbers
                    .iter()
                    .map(|(&result, &number)| (vec![result], write::count(number)));
                (counts, rows.collect::<Vec<_>>())
            };
            for (family, rows) in [
                by_result(&f::SETTINGS_RELOADS, &self.counters.reloads),
                by_result(&f::PUSHES, &self.counters.pushes),
            ] {
                out.write(family, rows);
            }
        }
        if self.options.surface != Surface::New {
            write::legacy::write(self.snapshot, &mut out);
        }
    }
}

/// One sample: label values in the family's order, without the node's name
/// where that comes last.
pub(super) type Sample<'a> = (Vec<&'a str>, f64);

/// Where samples go, with what they have in common.
pub(super) struct Out<'a> {
    sink: &'a mut dyn Sink,
    pub(super) node: &'a str,
    pub(super) options: &'a Options,
}

impl Out<'_> {
    /// Writes a family, if its level is on.
    pub(super) fn write<'s>(
        &mut self,
        family: &Family,
        samples: impl IntoIterator<Item = Sample<'s>>,
    ) {
        if !self.options.levels.include(family) {
            return;
        }
        let node_is_last = family.labels.last() == Some(&"node_name");
        self.sink.family(family);
        let mut all: Vec<&str> = Vec::with_capacity(family.labels.len());
        for (values, value) in samples {
            all.clear();
            all.extend(values);
            if node_is_last {
                all.push(self.node);
            }
            debug_assert_eq!(all.len(), family.labels.len(), "{}", family.name);
            self.sink.sample(family, &all, value);
        }
    }

    /// Writes a family that has a sample for each of many, if its level is on:
    /// `fill` hands them over one by one, and none takes memory of its own.
    pub(super) fn each(&mut self, family: &Family, fill: impl FnOnce(&mut Samples<'_>)) {
        if self.options.levels.include(family) {
            self.sink.family(family);
            fill(&mut Samples {
                sink: &mut *self.sink,
                family,
                zone: family.labels.iter().position(|label| *label == "zone"),
                node: self.node,
            });
        }
    }
}

/// Labels of a family with many samples, the node's name among them, at most.
const LABELS_MAX: usize = 12;

/// A family being written whose last label is the node's name.
pub(super) struct Samples<'a> {
    sink: &'a mut dyn Sink,
    family: &'a Family,
    /// Where the zone stands among its labels, if it has one.
    zone: Option<usize>,
    node: &'a str,
}

impl Samples<'_> {
    /// A sample: label values in the family's order, without the node's name.
    pub(super) fn put(&mut self, values: &[&str], value: f64) {
        let all = named(values, self.node);
        let all = all.get(..=values.len()).unwrap_or(&all);
        debug_assert_eq!(all.len(), self.family.labels.len(), "{}", self.family.name);
        self.sink.sample(self.family, all, value);
    }

    /// A sample for each zone: label values as in [`Samples::put`], with any text
    /// for the zone.
    pub(super) fn put_zones<'z>(
        &mut self,
        values: &[&str],
        mut zones: impl Iterator<Item = (&'z str, f64)>,
    ) {
        let all = named(values, self.node);
        let all = all.get(..=values.len()).unwrap_or(&all);
        debug_assert_eq!(all.len(), self.family.labels.len(), "{}", self.family.name);
        debug_assert!(self.zone.is_some(), "{}", self.family.name);
        if let Some(place) = self.zone {
            self.sink.each(self.family, all, place, &mut zones);
        }
    }
}

/// Label values with the node's name behind them.
fn named<'v>(values: &[&'v str], node: &'v str) -> [&'v str; LABELS_MAX] {
    let mut all = [""; LABELS_MAX];
    for (place, text) in all.iter_mut().zip(values.iter().copied().chain([node])) {
        *place = text;
    }
    all
}

/// The zones by class: several of one class are one series, so that no series
/// appears twice where labels know no path.
pub(super) fn classes(books: &Books) -> Vec<(&'static str, Vec<usize>)> {
    let mut classes: Vec<(&'static str, Vec<usize>)> = Vec::new();
    for (place, book) in books.zones.iter().enumerate() {
        let name = book.zone.class.as_str();
        match classes.iter_mut().find(|(known, _)| *known == name) {
            Some((_, places)) => places.push(place),
            None => classes.push((name, vec![place])),
        }
    }
    classes
}

/// The sum over a class.
pub(super) fn sum(by_zone: &[Joules], places: &[usize]) -> Joules {
    places
        .iter()
        .filter_map(|&place| by_zone.get(place))
        .copied()
        .sum()
}
