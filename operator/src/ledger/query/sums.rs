//! Sums of many pods, made while rows are read: of 10,000 pods a day has 240,000
//! of them. Of a pod no more is read than decides whether it counts.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use rusqlite::{Connection, Row, Transaction};
use tanso_carbon::account::EnergyRow;
use tanso_carbon::calendar::Period;
use tanso_power::{Estimate, Joules, Provenance};

use super::alone::seek;
use super::gather::energy_of;
use super::{Scope, hour_of, last_revision, node_names, read};
use crate::ledger::LedgerFault;
use crate::ledger::ids::provenance_of;
use crate::ledger::node_places::PlaceNumbers;
use crate::ledger::rows::{Place, RawHour, Visitor};

/// What the pods that count used within `period`, by hour, place and
/// provenance, with the last booking that is in. A pod counts by the namespace,
/// kind and name of its workload; a node has the numbers of its places by the hour.
///
/// # Errors
/// As [`super::snapshot`].
pub fn sums_of(
    connection: &mut Connection,
    scope: &Scope,
    period: Period,
    counts: &dyn Fn([&str; 3]) -> bool,
    place_of: &dyn Fn(&str) -> PlaceNumbers,
) -> Result<(i64, Vec<EnergyRow>), LedgerFault> {
    let fault = LedgerFault::of("reading the ledger");
    let transaction = connection.transaction().map_err(fault)?;
    let nodes = node_names(&transaction)?;
    let counted = counted(&transaction, scope, counts, &nodes)?;
    let places = nodes.iter().map(|(id, name)| (*id, place_of(name)));
    let mut adding = Adding {
        counted: &counted.accounts,
        places: places.collect(),
        open: None,
        sums: BTreeMap::new(),
    };
    seek(&transaction, counted.places.as_deref(), period, &mut adding)?;
    Ok((last_revision(&transaction)?, adding.finish()?))
}

/// The accounts of the pods that count.
struct Counted {
    accounts: HashSet<i64>,
    /// On which node the rows of each are; `None` where that is not known of
    /// one.
    places: Option<Vec<Place>>,
}

fn counted(
    transaction: &Transaction<'_>,
    scope: &Scope,
    counts: &dyn Fn([&str; 3]) -> bool,
    nodes: &HashMap<i64, Arc<str>>,
) -> Result<Counted, LedgerFault> {
    const ALL: &str = "SELECT a.id, p.namespace, p.workload_kind, p.workload_name, p.node
         FROM pods AS p JOIN accounts AS a ON a.kind = 'pod' AND a.pod_uid = p.uid";
    let by_name: HashMap<&str, i64> = nodes.iter().map(|(id, name)| (&**name, *id)).collect();
    let mut accounts = HashSet::new();
    let (mut places, mut is_placed) = (Vec::new(), true);
    let mut gather = |sql: &str, namespace: Option<&str>| -> Result<(), rusqlite::Error> {
        let mut query = transaction.prepare_cached(sql)?;
        let mut rows = query.query(rusqlite::params_from_iter(namespace))?;
        while let Some(row) = rows.next()? {
            if !counts([text(row, 1)?, text(row, 2)?, text(row, 3)?]) {
                continue;
            }
            let account: i64 = read(row, 0)?;
            accounts.insert(account);
            match by_name.get(text(row, 4)?) {
                Some(node) => places.push(Place {
                    node: *node,
                    account,
                }),
                None => is_placed = false,
            }
        }
        Ok(())
    };
    let fault = LedgerFault::of("reading pod names");
    match scope {
        Scope::All => gather(ALL, None).map_err(&fault)?,
        Scope::Namespaces(namespaces) => {
            let sql = format!("{ALL} WHERE p.namespace = ?1");
            for namespace in namespaces {
                gather(&sql, Some(namespace)).map_err(&fault)?;
            }
        }
    }
    places.sort_unstable();
    Ok(Counted {
        accounts,
        places: is_placed.then_some(places),
    })
}

fn text<'a>(row: &'a Row<'_>, column: usize) -> rusqlite::Result<&'a str> {
    Ok(row.get_ref(column)?.as_str()?)
}

/// Hour, node and provenance by their numbers in the tables.
type Of = (i64, i64, i64);

/// Sums in the making.
struct Adding<'a> {
    counted: &'a HashSet<i64>,
    places: HashMap<i64, PlaceNumbers>,
    /// Rows of an hour and node come one after the other, and mostly of one
    /// provenance: their sum is looked up once.
    open: Option<(Of, Estimate<Joules>)>,
    sums: BTreeMap<(i64, usize, Provenance), Estimate<Joules>>,
}

impl Adding<'_> {
    fn close(&mut self) -> Result<(), LedgerFault> {
        let Some(((hour, node, provenance), energy)) = self.open.take() else {
            return Ok(());
        };
        let places = self.places.get(&node);
        let place = places.map_or(0, |numbers| numbers.at(hour_of(hour)));
        let provenance = provenance_of(provenance)?;
        let sum = self.sums.entry((hour, place, provenance)).or_default();
        *sum = *sum + energy;
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<EnergyRow>, LedgerFault> {
        self.close()?;
        let row = |((hour, place, provenance), energy)| EnergyRow {
            hour: hour_of(hour),
            place,
            energy,
            provenance,
        };
        Ok(self.sums.into_iter().map(row).collect())
    }
}

impl Visitor for Adding<'_> {
    fn wants(&self, account: i64) -> bool {
        self.counted.contains(&account)
    }

    fn seen(&mut self, _: i64, _: i64) {}

    fn row(&mut self, row: RawHour) -> Result<(), LedgerFault> {
        let of = (row.hour, row.node, row.provenance);
        let energy = energy_of(row.slot)?;
        match &mut self.open {
            Some((open, sum)) if *open == of => *sum = *sum + energy,
            _ => {
                self.close()?;
                self.open = Some((of, energy));
            }
        }
        Ok(())
    }
}
