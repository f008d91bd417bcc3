//! A snapshot in the making: rows as they are shown become rows with names, or
//! sums before a fold.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use tanso_carbon::account::EnergyRow;
use tanso_power::{Estimate, Joules, Provenance};

use super::{Fold, HourRow, LedgerAccount, Snapshot, hour_number, hour_of};
use crate::ledger::day::Slot;
use crate::ledger::ids::provenance_of;
use crate::ledger::names::PodNames;
use crate::ledger::node_places::PlaceNumbers;
use crate::ledger::rows::{RawHour, Visitor};
use crate::ledger::{LedgerFault, unsigned};

/// What a fold comes to, by the numbers of the tables.
pub(super) struct Folding {
    before: i64,
    counted: HashSet<i64>,
    places: HashMap<i64, PlaceNumbers>,
    sums: BTreeMap<(i64, usize, Provenance), Estimate<Joules>>,
}

impl Folding {
    pub(super) fn new(
        fold: &Fold<'_>,
        accounts: &HashMap<i64, LedgerAccount>,
        pods: &HashMap<Arc<str>, PodNames>,
        names: &HashMap<i64, Arc<str>>,
    ) -> Self {
        let counts = |account: &LedgerAccount| match account {
            LedgerAccount::Pod(uid) => pods.get(uid).is_some_and(fold.counts),
            LedgerAccount::Named(_) => false,
        };
        let counted = accounts.iter().filter(|(_, account)| counts(account));
        Self {
            before: hour_number(fold.before),
            counted: counted.map(|(id, _)| *id).collect(),
            places: names
                .iter()
                .map(|(id, name)| (*id, (fold.place_of)(name)))
                .collect(),
            sums: BTreeMap::new(),
        }
    }
}

/// A snapshot in the making.
pub(super) struct Gathered<'a> {
    /// Most rows that are kept.
    pub(super) most: usize,
    pub(super) accounts: &'a HashMap<i64, LedgerAccount>,
    pub(super) names: &'a HashMap<i64, Arc<str>>,
    pub(super) idle: HashSet<i64>,
    pub(super) fold: Option<Folding>,
    pub(super) found: Snapshot,
    pub(super) node_hours: BTreeSet<(i64, i64)>,
    /// The last that was noted: rows come by hour and node.
    pub(super) last_seen: Option<(i64, i64)>,
}

impl Gathered<'_> {
    fn is_folded(&self, hour: i64) -> bool {
        self.fold.as_ref().is_some_and(|fold| hour < fold.before)
    }

    fn node(&self, node: i64) -> Result<Arc<str>, LedgerFault> {
        let name = self.names.get(&node).cloned();
        name.ok_or_else(|| LedgerFault::Foreign {
            table: "hours",
            found: format!("the unknown node {node}"),
        })
    }

    fn add_idle(&mut self, row: RawHour) -> Result<(), LedgerFault> {
        let node = self.node(row.node)?;
        let idle = self.found.node_idle.entry(node).or_default();
        idle.0 += Joules::from_microjoules(unsigned("hours", row.slot.energy_uj)?);
        idle.1 += unsigned("hours", row.slot.minutes)?;
        Ok(())
    }

    pub(super) fn finish(self) -> Snapshot {
        let mut found = self.found;
        for (node, hour) in self.node_hours {
            if let Some(name) = self.names.get(&node) {
                let hours = found.node_hours.entry(Arc::clone(name)).or_default();
                hours.insert(hour_of(hour));
            }
        }
        let sums = self.fold.map(|fold| fold.sums).unwrap_or_default();
        let earlier = |((hour, place, provenance), energy)| EnergyRow {
            hour: hour_of(hour),
            place,
            energy,
            provenance,
        };
        found.earlier = sums.into_iter().map(earlier).collect();
        found
    }
}

impl Visitor for Gathered<'_> {
    fn wants(&self, account: i64) -> bool {
        self.accounts.contains_key(&account) || self.idle.contains(&account)
    }

    fn needs(&self, account: i64, until: i64) -> bool {
        // Idle energy before a fold counts for nothing.
        self.accounts.contains_key(&account) || !self.is_folded(until - 1)
    }

    fn seen(&mut self, hour: i64, node: i64) {
        if self.last_seen.replace((node, hour)) != Some((node, hour)) {
            self.node_hours.insert((node, hour));
        }
    }

    fn row(&mut self, row: RawHour) -> Result<(), LedgerFault> {
        let is_folded = self.is_folded(row.hour);
        if self.idle.contains(&row.account) && !row.caught_up && !is_folded {
            self.add_idle(row)?;
        }
        let Some(account) = self.accounts.get(&row.account) else {
            return Ok(());
        };
        let provenance = provenance_of(row.provenance)?;
        let energy = energy_of(row.slot)?;
        if is_folded {
            if let Some(fold) = &mut self.fold
                && fold.counted.contains(&row.account)
            {
                let places = fold.places.get(&row.node);
                let place = places.map_or(0, |places| places.at(hour_of(row.hour)));
                let sum = fold.sums.entry((row.hour, place, provenance)).or_default();
                *sum = *sum + energy;
            }
            return Ok(());
        }
        if self.found.rows.len() >= self.most {
            return Err(LedgerFault::TooMuch { most: self.most });
        }
        let found = HourRow {
            hour: hour_of(row.hour),
            node: self.node(row.node)?,
            account: account.clone(),
            provenance,
            energy,
            cpu_us: unsigned("hours", row.slot.cpu_us)?,
            minutes: unsigned("hours", row.slot.minutes)?,
        };
        self.found.rows.push(found);
        Ok(())
    }
}

pub(super) fn energy_of(slot: Slot) -> Result<Estimate<Joules>, LedgerFault> {
    let joules = |raw| unsigned("hours", raw).map(Joules::from_microjoules);
    Ok(Estimate {
        low: joules(slot.low_uj)?,
        value: joules(slot.energy_uj)?,
        high: joules(slot.high_uj)?,
    })
}
