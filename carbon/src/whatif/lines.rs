//! Lines of the energy table with their places, and how much of a period they
//! are. Prices nothing itself.

use std::collections::{BTreeMap, BTreeSet};

use tanso_power::Provenance;

use super::sites::Sites;
use super::{EnergyLine, EnergyTable};
use crate::account::{Account, Coverage, EnergyRow, Place, account};
use crate::calendar::{Period, UtcHour};

/// Lines with the number of their place.
pub(super) struct Lines<'a>(pub(super) Vec<(&'a EnergyLine, usize)>);

impl<'a> Lines<'a> {
    pub(super) fn of(energy: &'a EnergyTable, sites: &Sites) -> Self {
        let places = sites.of_line.iter().copied();
        Self(energy.lines().iter().zip(places).collect())
    }

    pub(super) fn within(&self, period: Period) -> Self {
        let lines = self.0.iter();
        let lines = lines.filter(|(line, _)| period.contains(line.hour));
        Self(lines.copied().collect())
    }

    /// Rows of the energy alone; where nobody says where it comes from, as if
    /// it was measured: only for what does not ask.
    pub(super) fn rows(&self) -> Vec<EnergyRow> {
        self.rows_where(|_| true)
    }

    fn rows_where(&self, wanted: impl Fn(&EnergyLine) -> bool) -> Vec<EnergyRow> {
        let lines = self.0.iter().filter(|(line, _)| wanted(line));
        let row = |(line, place): &(&EnergyLine, usize)| EnergyRow {
            hour: line.hour,
            place: *place,
            energy: line.energy,
            provenance: line.provenance.unwrap_or(Provenance::Measured),
        };
        lines.map(row).collect()
    }

    /// The account of all; what no line says the provenance of is of none.
    pub(super) fn account(&self, places: &[Place<'_>], coverage: Coverage) -> Account {
        let known = self.rows_where(|line| line.provenance.is_some());
        let unknown = self.rows_where(|line| line.provenance.is_none());
        let mut unknown = account(&unknown, places, Coverage::default());
        unknown.by_provenance.clear();
        account(&known, places, coverage).merged(&unknown)
    }

    /// The hours of a period that have energy. Where lines name nodes, each
    /// node's hours from its first on: one that went silent is missing.
    pub(super) fn coverage(&self, period: Period) -> Coverage {
        let mut seen: BTreeMap<&str, BTreeSet<UtcHour>> = BTreeMap::new();
        for (line, _) in &self.0 {
            seen.entry(&line.node).or_default().insert(line.hour);
        }
        let (mut expected, mut with_data) = (0_u64, 0_u64);
        for (node, hours) in seen {
            let first = match hours.first() {
                Some(first) if !node.is_empty() => period.from.max(*first),
                _ => period.from,
            };
            let within = hours.iter().filter(|hour| period.contains(**hour)).count();
            expected += u64::try_from(period.until.hours_since(first)).unwrap_or(0);
            with_data += u64::try_from(within).unwrap_or(u64::MAX);
        }
        Coverage::new(expected, with_data)
    }

    /// The same counted from the period's begin: hours before the first line of
    /// all are missing too, on as many nodes as there were on average since.
    pub(super) fn coverage_since_begin(&self, period: Period) -> Coverage {
        let seen = self.coverage(period);
        let lines = || self.0.iter().map(|(line, _)| line);
        // Where no node is named all hours of the period count already.
        let first = match lines().map(|line| line.hour).min() {
            Some(first) if lines().all(|line| !line.node.is_empty()) => first,
            _ => return seen,
        };
        let hours =
            |from: UtcHour, until: UtcHour| u64::try_from(until.hours_since(from)).unwrap_or(0);
        let blind = hours(period.from, first.min(period.until));
        let known = hours(period.from, period.until).saturating_sub(blind);
        let nodes = seen.expected().div_ceil(known.max(1)).max(1);
        let expected = seen.expected() + blind.saturating_mul(nodes);
        Coverage::new(expected, seen.with_data())
    }

    pub(super) fn by_workload(&self) -> BTreeMap<&'a str, Self> {
        let mut found: BTreeMap<&str, Self> = BTreeMap::new();
        for (line, place) in &self.0 {
            let lines = found
                .entry(&line.workload)
                .or_insert_with(|| Self(Vec::new()));
            lines.0.push((*line, *place));
        }
        found
    }
}
