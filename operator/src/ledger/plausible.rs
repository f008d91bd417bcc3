//! What a node can have used in an hour, over all that was booked of it.
//!
//! A page is checked at the border by its own minutes. A node that says the same
//! minute page after page, or begins its journal anew, is seen here alone: in the
//! transaction that would book it.

use std::collections::BTreeSet;
use std::time::Duration;

use rusqlite::{Transaction, params};
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

const SECONDS_PER_HOUR: i64 = 3_600;
const ONE_HOUR: Duration = Duration::from_hours(1);

/// Refuses what makes an hour of the node more than a node can use. To be called
/// when the records are in their rows.
pub(super) fn check(
    transaction: &Transaction<'_>,
    node: &str,
    records: &[&Record],
) -> Result<(), LedgerFault> {
    let fault = LedgerFault::of("adding up a node's hour");
    let hours: BTreeSet<(i64, bool)> = records
        .iter()
        .map(|record| (record.minute.div_euclid(SECONDS_PER_HOUR), record.caught_up))
        .collect();
    let id = id_of(transaction, "nodes", "name", node)?;
    let mut query = transaction
        .prepare(
            "SELECT energy_uj, high_uj FROM hours
             WHERE hour = ?1 AND node = ?2 AND caught_up = ?3",
        )
        .map_err(&fault)?;
    for (hour, caught_up) in hours {
        // Sums are made here in 128 bits: SQL's own would overflow.
        let mut energy_uj: u128 = 0;
        let mut rows = query.query(params![hour, id, caught_up]).map_err(&fault)?;
        while let Some(row) = rows.next().map_err(&fault)? {
            let read = |column| row.get::<_, i64>(column).map_err(&fault);
            let (value, high) = (unsigned("hours", read(0)?)?, unsigned("hours", read(1)?)?);
            // The upper bound of a rough model may be twice its figure.
            energy_uj += u128::from(value.max(high / 2));
        }
        let longest = if caught_up { CAUGHT_UP_MAX } else { ONE_HOUR };
        let most_uj = NODE_POWER_MAX.over(longest).microjoules();
        if energy_uj > u128::from(most_uj) {
            return Err(LedgerFault::Implausible {
                node: node.to_owned(),
                hour,
                energy_uj,
                most_uj,
            });
        }
    }
    Ok(())
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
}
