//! What a node can have used in an hour, over all that was booked of it.
//!
//! A page is checked at the border by its own minutes. A node that says the same
//! minute page after page, or begins its journal anew, is seen here alone: in the
//! transaction that would book it.

use std::collections::BTreeSet;
use std::time::Duration;

use rusqlite::{Statement, Transaction, params};
use tanso_agent_wire::energy::Record;
use tanso_power::Watts;

use super::ids::id_of;
use super::{LedgerFault, unsigned};

/// Most power that one node may have. An air-cooled server with eight accelerators
/// has up to 15 kW: NVIDIA DGX B200, 14.3 kW (DGX B200 user guide, 2024, "Power
/// specifications"; DGX H100, 2022, has 10.2 kW).
pub const NODE_POWER_MAX: Watts = Watts::from_microwatts(20_000_000_000);

/// Longest time that an agent can catch up on: what it keeps.
pub const CAUGHT_UP_MAX: Duration = Duration::from_hours(48);

/// Most CPUs of one node.
pub const CPUS_MAX: u64 = 8_192;

const SECONDS_PER_HOUR: i64 = 3_600;
const ONE_HOUR: Duration = Duration::from_hours(1);

/// How many hours before the one that it is told in what was caught up may be of.
const CAUGHT_UP_HOURS: usize = 48;

/// For how many hours before and after what is told the energy must fit.
const FITS_HOURS: i64 = 7 * 24;

/// What one hour of a node has, by what it covers: its own time, or also earlier.
#[derive(Clone, Copy, Default)]
struct Hour {
    own: Used,
    caught_up: Used,
}

/// Figures of many records; 128 bits, since SQL's own sums would overflow.
#[derive(Clone, Copy, Default)]
struct Used {
    energy_uj: u128,
    cpu_us: u128,
}

/// Refuses what makes an hour of the node more than a node can use, or more of many
/// hours than it could have used in them. To be called when the records are in their
/// rows, and the node's cursor is not moved yet.
pub(super) fn check(
    transaction: &Transaction<'_>,
    node: &str,
    records: &[&Record],
) -> Result<(), LedgerFault> {
    let hours: BTreeSet<i64> = records
        .iter()
        .map(|record| record.minute.div_euclid(SECONDS_PER_HOUR))
        .collect();
    let (Some(first), Some(last)) = (hours.first().copied(), hours.last().copied()) else {
        return Ok(());
    };
    let id = id_of(transaction, "nodes", "name", node)?;
    let mut ledger = Rows::of(transaction, id)?;
    for hour in hours {
        let used = ledger.hour(hour)?;
        for (used, longest) in [(used.own, ONE_HOUR), (used.caught_up, CAUGHT_UP_MAX)] {
            check_hour(node, hour, used, longest)?;
        }
    }
    // What comes in order and covers its own minute is within its hour.
    let is_caught_up = records.iter().any(|record| record.caught_up);
    if is_caught_up || is_late(transaction, node, records)? {
        check_fit(&mut ledger, node, first, last)?;
    }
    Ok(())
}

fn check_hour(node: &str, hour: i64, used: Used, longest: Duration) -> Result<(), LedgerFault> {
    let most_uj = NODE_POWER_MAX.over(longest).microjoules();
    if used.energy_uj > u128::from(most_uj) {
        return Err(LedgerFault::Implausible {
            node: node.to_owned(),
            hour,
            hours: 1,
            energy_uj: used.energy_uj,
            most_uj: u128::from(most_uj),
        });
    }
    if used.cpu_us > u128::from(CPUS_MAX) * longest.as_micros() {
        return Err(LedgerFault::CpuTime {
            node: node.to_owned(),
            hour,
            cpu_us: used.cpu_us,
        });
    }
    Ok(())
}

/// Whether records are of a time that the node has closed before: with an earlier
/// journal, or since it was read on in parts.
fn is_late(
    transaction: &Transaction<'_>,
    node: &str,
    records: &[&Record],
) -> Result<bool, LedgerFault> {
    let closed: Option<i64> = transaction
        .prepare("SELECT max(closed_until) FROM cursors WHERE node = ?1")
        .and_then(|mut query| query.query_row([node], |row| row.get(0)))
        .map_err(LedgerFault::of("reading a node's journals"))?;
    Ok(closed.is_some_and(|closed| records.iter().any(|record| record.minute < closed)))
}

/// Refuses energy that could not have been used by the end of the hour that it is
/// told in.
///
/// What covers its own time was used in its hour; what was caught up, in it or in the
/// 48 before. So of any run of hours, all of the former and what was caught up in the
/// run but its first 48 hours was used within the run, and no run has more than the
/// most power over its length. Every honest node keeps to that, however long it was
/// away; one that lies ends at the most power, over any time that is longer.
fn check_fit(ledger: &mut Rows<'_>, node: &str, first: i64, last: i64) -> Result<(), LedgerFault> {
    let caught_up_hours = i64::try_from(CAUGHT_UP_HOURS).unwrap_or(i64::MAX);
    let begin = first - FITS_HOURS - caught_up_hours;
    let hours: Vec<Hour> = (begin..=last + FITS_HOURS)
        .map(|hour| ledger.hour(hour))
        .collect::<Result<_, _>>()?;
    let most_uj = u128::from(NODE_POWER_MAX.over(ONE_HOUR).microjoules());
    let fresh_may = u128::from(NODE_POWER_MAX.over(CAUGHT_UP_MAX).microjoules());
    // Of the runs that end before this hour the worst: its length, its energy and what
    // it may have.
    let (mut length, mut used_uj, mut may_uj) = (0_i64, 0_u128, 0_u128);
    for (index, now) in hours.iter().enumerate() {
        // Runs begin 48 hours before: what was caught up in those is of earlier.
        let Some(before) = index.checked_sub(CAUGHT_UP_HOURS) else {
            continue;
        };
        let fresh: u128 = hours
            .get(before..index)
            .into_iter()
            .flatten()
            .map(|hour| hour.own.energy_uj)
            .sum();
        if length == 0 || fresh + may_uj > used_uj + fresh_may {
            (length, used_uj, may_uj) = (caught_up_hours, fresh, fresh_may);
        }
        length += 1;
        used_uj += now.own.energy_uj + now.caught_up.energy_uj;
        may_uj += most_uj;
        let hour = begin + i64::try_from(index).unwrap_or(i64::MAX);
        if used_uj > may_uj && hour >= first {
            return Err(LedgerFault::Implausible {
                node: node.to_owned(),
                hour: hour + 1 - length,
                hours: length,
                energy_uj: used_uj,
                most_uj: may_uj,
            });
        }
    }
    Ok(())
}

/// A node's hourly rows, hour by hour: by the hour alone all nodes' would be read.
struct Rows<'a> {
    query: Statement<'a>,
    node: i64,
}

impl<'a> Rows<'a> {
    fn of(transaction: &'a Transaction<'_>, node: i64) -> Result<Self, LedgerFault> {
        let query = transaction
            .prepare(
                "SELECT caught_up, energy_uj, high_uj, cpu_us FROM hours
                 WHERE hour = ?1 AND node = ?2",
            )
            .map_err(LedgerFault::of("adding up a node's hour"))?;
        Ok(Self { query, node })
    }

    fn hour(&mut self, hour: i64) -> Result<Hour, LedgerFault> {
        let fault = LedgerFault::of("adding up a node's hour");
        let mut rows = self.query.query(params![hour, self.node]).map_err(&fault)?;
        let mut sums = Hour::default();
        while let Some(row) = rows.next().map_err(&fault)? {
            let is_caught_up: bool = row.get(0).map_err(&fault)?;
            let read = |column| {
                let found: i64 = row.get(column).map_err(&fault)?;
                unsigned("hours", found)
            };
            let used = if is_caught_up {
                &mut sums.caught_up
            } else {
                &mut sums.own
            };
            // The upper bound of a rough model may be twice its figure.
            used.energy_uj += u128::from(read(1)?.max(read(2)? / 2));
            used.cpu_us += u128::from(read(3)?);
        }
        Ok(sums)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use tanso_agent_wire::energy::{Account, JournalId, Names};
    use tanso_power::{Estimate, Joules, Provenance};

    use super::super::append::{Page, book, cursor};
    use super::super::{open_file, verify};
    use super::*;

    /// 2026-09-21T14:00Z.
    const HOUR: i64 = 1_789_999_200;

    /// A page of one record, as much as the border lets pass for a minute.
    fn page(journal: u64, sequence: u64, caught_up: bool) -> Page {
        let minute = Duration::from_mins(1);
        let record = Record {
            sequence,
            minute: HOUR + 60,
            account: Account::System,
            names: Names::default(),
            energy_uj: Estimate::exact(NODE_POWER_MAX.over(minute)),
            cpu_us: 1,
            provenance: Provenance::Measured,
            model: None,
            caught_up,
            memory_peak_bytes: None,
        };
        Page {
            node: "n1".to_owned(),
            journal: JournalId(journal),
            records: vec![record],
            next_sequence: sequence,
            closed_until: HOUR + 120,
        }
    }

    /// One that lies said the same minute in page after page, and its energy was
    /// booked as often: any amount passed the border in parts.
    #[test]
    fn a_minute_said_again_in_page_after_page_ends_at_what_a_node_can_use() {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
        let now = Timestamp::from_second(HOUR + 130).unwrap();
        for sequence in 1..=60 {
            book(&mut ledger, &page(1, sequence, false), now).unwrap();
        }
        // More of the same, also as another journal's, keeps nothing.
        for (journal, sequence) in [(1, 61), (2, 1)] {
            let refused = book(&mut ledger, &page(journal, sequence, false), now).unwrap_err();
            assert!(
                matches!(refused, LedgerFault::Implausible { .. }),
                "{refused}"
            );
            let said = refused.to_string();
            assert!(
                said.contains("\"n1\"") && said.contains("20000.000 W"),
                "{said}"
            );
        }
        assert_eq!(cursor(&ledger, "n1").unwrap().unwrap().sequence, 60);
        let found = verify::verify(&mut ledger).unwrap();
        let hour = NODE_POWER_MAX.over(ONE_HOUR).microjoules();
        assert!(found.sound, "{found:?}");
        assert_eq!(found.rows_microjoules, u128::from(hour));
        // Other nodes are booked, and what was caught up has more room.
        let mut other = page(3, 1, false);
        other.node = "n2".to_owned();
        book(&mut ledger, &other, now).unwrap();
        book(&mut ledger, &page(1, 61, true), now).unwrap();
    }

    #[test]
    fn what_is_caught_up_in_an_hour_has_a_limit_too() {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
        let now = Timestamp::from_second(HOUR + 130).unwrap();
        let mut most = page(1, 1, true);
        if let Some(record) = most.records.first_mut() {
            record.energy_uj = Estimate::exact(NODE_POWER_MAX.over(CAUGHT_UP_MAX));
        }
        book(&mut ledger, &most, now).unwrap();
        let mut more = page(1, 2, true);
        if let Some(record) = more.records.first_mut() {
            record.energy_uj = Estimate::exact(Joules::from_microjoules(1));
        }
        let refused = book(&mut ledger, &more, now).unwrap_err();
        assert!(
            matches!(refused, LedgerFault::Implausible { .. }),
            "{refused}"
        );
    }

    /// What a node at the most power says of so many hours, told in an hour.
    fn told(sequence: u64, hour: i64, hours: u32, caught_up: bool) -> Page {
        let mut page = page(1, sequence, caught_up);
        let begin = HOUR + hour * SECONDS_PER_HOUR;
        for record in &mut page.records {
            record.minute = begin + 60;
            let used = NODE_POWER_MAX.over(ONE_HOUR * hours).microjoules();
            record.energy_uj = Estimate::exact(Joules::from_microjoules(used));
        }
        page.closed_until = begin + 120;
        page
    }

    /// What was caught up was held against 48 hours of its own, each hour anew: a node
    /// that lied could use 48 times what a node can.
    #[test]
    fn what_is_caught_up_hour_after_hour_ends_at_what_a_node_can_use_in_the_time() {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
        let now = Timestamp::from_second(HOUR + 96 * SECONDS_PER_HOUR).unwrap();
        book(&mut ledger, &told(1, 0, 48, true), now).unwrap();
        // The time before is spent: another hour has room for itself alone.
        let refused = book(&mut ledger, &told(2, 1, 48, true), now).unwrap_err();
        let said = refused.to_string();
        assert_eq!(refused.quarantined(), Some("power"), "{said}");
        assert!(said.contains("50 h"), "{said}");
        book(&mut ledger, &told(2, 1, 2, true), now).unwrap();
        // Nor do hours of before that are told later, as another journal's.
        let mut refused = 0;
        for (sequence, hour) in (1..).zip(-48..=1) {
            let mut page = told(sequence, hour, 1, false);
            page.journal = JournalId(9);
            if book(&mut ledger, &page, now).is_err() {
                refused += 1;
                break;
            }
        }
        assert_eq!(refused, 1);
        // Other nodes have room of their own.
        let mut other = told(1, 1, 48, true);
        other.node = "n2".to_owned();
        book(&mut ledger, &other, now).unwrap();
    }

    /// A node at three quarters of the most power that is away for two days, again and
    /// again, uses no more than it can.
    #[test]
    fn an_honest_node_may_catch_up_on_all_its_time_away_as_often_as_it_is_away() {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
        let mut sequence = 0;
        let mut hour = 0;
        for away in [48_u32, 1, 47, 12, 48] {
            for (hours, caught_up) in [(1, false), (1, false), (away, true)] {
                hour += if caught_up { i64::from(away) } else { 1 };
                sequence += 1;
                let mut page = told(sequence, hour, hours, caught_up);
                for record in &mut page.records {
                    let used = record.energy_uj.value.microjoules() / 4 * 3;
                    record.energy_uj = Estimate::exact(Joules::from_microjoules(used));
                }
                let now = Timestamp::from_second(HOUR + (hour + 1) * SECONDS_PER_HOUR).unwrap();
                book(&mut ledger, &page, now).unwrap();
            }
        }
    }

    #[test]
    fn cpu_time_of_an_hour_ends_at_what_a_node_can_have() {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
        let now = Timestamp::from_second(HOUR + 130).unwrap();
        let minute = CPUS_MAX * 60_000_000;
        let told = |sequence| {
            let mut page = page(1, sequence, false);
            for record in &mut page.records {
                record.energy_uj = Estimate::default();
                record.cpu_us = minute;
            }
            page
        };
        for sequence in 1..=60 {
            book(&mut ledger, &told(sequence), now).unwrap();
        }
        let refused = book(&mut ledger, &told(61), now).unwrap_err();
        assert_eq!(refused.quarantined(), Some("cpuTime"), "{refused}");
    }
}
