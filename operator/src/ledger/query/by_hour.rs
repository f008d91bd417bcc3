//! What the pods of one workload asked for and used, hour by hour.
//!
//! Each pod's hours are sought by themselves, from its start to its end: what
//! others used is not looked at, however many they are.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row, Transaction};
use tanso_carbon::calendar::{Period, UtcHour};
use tanso_carbon::recommend::taken::{CpuTime, HourUse, Hours, Resource};
use tanso_power::{Joules, Provenance};

use super::{hour_of, read};
use crate::ledger::ids::provenance_of;
use crate::ledger::rows::{self, Place, RawHour, Visitor};
use crate::ledger::{LedgerFault, unsigned};

/// A workload's hours, and how many hours of single pods were sought for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sought {
    /// Hours with energy; `None` if more pods and hours had to be sought than
    /// was allowed.
    pub hours: Option<Hours>,
    /// Hours of single pods.
    pub pod_hours: usize,
}

/// The hours of a workload's pods within `period`; of more than `most` hours of
/// single pods none. `workload` is its namespace, kind and name. A request that
/// was changed in a running pod is of all its hours. Energy that was caught up
/// is of no known hour and left out.
///
/// # Errors
/// If the database refuses or holds what no version writes.
pub fn requests_by_hour(
    connection: &mut Connection,
    workload: [&str; 3],
    resource: Resource,
    period: Period,
    most: usize,
) -> Result<Sought, LedgerFault> {
    let fault = LedgerFault::of("reading a workload's requests");
    let transaction = connection.transaction().map_err(fault)?;
    let pods = pods_of(&transaction, workload, resource)?;
    let spans: Vec<(Pod, Period)> = pods
        .into_iter()
        .map(|pod| (pod, pod.hours_within(period)))
        .filter(|(_, hours)| hours.from < hours.until)
        .collect();
    let hours_of = |hours: &Period| usize::try_from(hours.hour_count()).unwrap_or(usize::MAX);
    let pod_hours = spans.iter().fold(0_usize, |sum, (_, hours)| {
        sum.saturating_add(hours_of(hours))
    });
    if pod_hours > most {
        return Ok(Sought {
            hours: None,
            pod_hours,
        });
    }
    let mut sums = BTreeMap::new();
    for (pod, hours) in spans {
        let mut of_pod = OfPod {
            pod,
            sums: &mut sums,
        };
        rows::visit_only(&transaction, hours, &[pod.place], &mut of_pod)?;
    }
    let hours = sums
        .into_iter()
        .map(|(hour, sum): (i64, Sum)| (hour_of(hour), sum.used()))
        .collect();
    Ok(Sought {
        hours: Some(hours),
        pod_hours,
    })
}

/// A pod, as far as its request matters.
#[derive(Clone, Copy, Debug)]
struct Pod {
    place: Place,
    asked: Option<u64>,
    started_at: Option<i64>,
    finished_at: Option<i64>,
}

impl Pod {
    /// The hours of a period in which it may have rows.
    fn hours_within(self, period: Period) -> Period {
        let from = self
            .started_at
            .map_or(period.from, UtcHour::from_unix_seconds);
        // The hour after the one in which it ended.
        let until = self.finished_at.map_or(period.until, |second| {
            UtcHour::from_unix_seconds(second).plus_hours(1)
        });
        Period {
            from: from.max(period.from),
            until: until.min(period.until),
        }
    }
}

fn pods_of(
    transaction: &Transaction<'_>,
    workload: [&str; 3],
    resource: Resource,
) -> Result<Vec<Pod>, LedgerFault> {
    let fault = LedgerFault::of("reading a workload's requests");
    let column = match resource {
        Resource::Cpu => "cpu_request_milli",
        Resource::Memory => "memory_request_bytes",
    };
    let sql = format!(
        "SELECT a.id, n.id, p.{column}, p.started_at, p.finished_at FROM pods AS p
         JOIN accounts AS a ON a.kind = 'pod' AND a.pod_uid = p.uid
         JOIN nodes AS n ON n.name = p.node
         WHERE p.namespace = ?1 AND p.workload_kind = ?2 AND p.workload_name = ?3
         ORDER BY a.id"
    );
    let pod = |row: &Row<'_>| -> rusqlite::Result<Pod> {
        let asked: Option<i64> = read(row, 2)?;
        Ok(Pod {
            place: Place {
                account: read(row, 0)?,
                node: read(row, 1)?,
            },
            // What the cluster says is never negative.
            asked: asked.and_then(|amount| u64::try_from(amount).ok()),
            started_at: read(row, 3)?,
            finished_at: read(row, 4)?,
        })
    };
    transaction
        .prepare_cached(&sql)
        .and_then(|mut query| query.query_map(workload, pod)?.collect())
        .map_err(fault)
}

/// What one hour comes to.
#[derive(Debug)]
struct Sum {
    /// Requests of its pods, each by its minutes.
    asked: u128,
    asked_minutes: u128,
    energy_uj: u128,
    cpu_us: u128,
    provenance: Provenance,
}

impl Sum {
    const NOTHING: Self = Self {
        asked: 0,
        asked_minutes: 0,
        energy_uj: 0,
        cpu_us: 0,
        provenance: Provenance::Measured,
    };

    fn used(self) -> HourUse {
        let whole = |sum: u128| u64::try_from(sum).unwrap_or(u64::MAX);
        HourUse {
            asked: self.asked.checked_div(self.asked_minutes).map(whole),
            energy: Joules::from_microjoules(whole(self.energy_uj)),
            cpu: CpuTime::from_microseconds(whole(self.cpu_us)),
            provenance: self.provenance,
        }
    }
}

/// Adds a pod's rows to the hours of its workload.
struct OfPod<'a> {
    pod: Pod,
    sums: &'a mut BTreeMap<i64, Sum>,
}

impl Visitor for OfPod<'_> {
    fn wants(&self, account: i64) -> bool {
        account == self.pod.place.account
    }

    fn seen(&mut self, _hour: i64, _node: i64) {}

    fn row(&mut self, row: RawHour) -> Result<(), LedgerFault> {
        if row.caught_up {
            return Ok(());
        }
        let minutes = unsigned("hours", row.slot.minutes)?.max(1);
        let sum = self.sums.entry(row.hour).or_insert(Sum::NOTHING);
        if let Some(asked) = self.pod.asked {
            sum.asked += u128::from(asked) * u128::from(minutes);
            sum.asked_minutes += u128::from(minutes);
        }
        sum.energy_uj += u128::from(unsigned("hours", row.slot.energy_uj)?);
        sum.cpu_us += u128::from(unsigned("hours", row.slot.cpu_us)?);
        sum.provenance = sum.provenance.max(provenance_of(row.provenance)?);
        Ok(())
    }
}
