//! What a policy tells about requests is kept, and what became of earlier
//! advice is looked at: each once a day, in the ledger.

use jiff::Timestamp;
use rusqlite::Connection;
use tanso_carbon::calendar::{Period, UtcHour};
use tanso_carbon::recommend::taken;

use crate::ledger::advice::{self, AdviceRow, day_begin};
use crate::ledger::{Ledger, LedgerFault, query};

/// Most hours of single pods that a visit seeks, a third of a second or so: what
/// is left comes with the next visit. Some 140 pods of a workload over all days.
const POD_HOURS_MAX: usize = 200_000;

/// Keeps what is told now and looks at what became of earlier advice, of which
/// all that the ledger has is `known`: nobody but the policy's own visits changes
/// it. Without it the evaluation stands all the same, and the next visit tries again.
pub(super) async fn keep(
    ledger: &Ledger,
    policy: &str,
    (known, told): (&[AdviceRow], &[AdviceRow]),
    data_through: Timestamp,
) {
    let policy = policy.to_owned();
    let (known, told) = (known.to_vec(), told.to_vec());
    let keep = move |connection: &mut Connection| {
        let most = POD_HOURS_MAX;
        note_and_look(connection, &policy, (known, &told), data_through, most)
    };
    match ledger.call(keep).await {
        Ok(0) => {}
        Ok(rows) => tracing::debug!(rows, "looked at what became of advice"),
        Err(error) => {
            tracing::warn!(%error, "advice is not kept, or what became of it not looked at");
        }
    }
}

/// The same on the ledger's thread, seeking at most so many hours of pods;
/// returns of how many pieces of advice it was looked at what became of them.
pub(super) fn note_and_look(
    connection: &mut Connection,
    policy: &str,
    (mut known, told): (Vec<AdviceRow>, &[AdviceRow]),
    data_through: Timestamp,
    most: usize,
) -> Result<usize, LedgerFault> {
    // Days of data, not of the clock: what is not booked yet is not looked at.
    let today = day_begin(UtcHour::containing(data_through));
    advice::note(connection, policy, &mut known, told, today)?;
    let mut left = most;
    let mut found = Vec::new();
    let mut due = known;
    due.retain(|row| row.is_due(today));
    // Where a visit does not come to the end, the next day begins with those that
    // wait longest, and not with the same ones again.
    due.sort_by_key(|row| row.found.unwrap_or(row.told.last_told));
    for row in due {
        let needed = row.told.needed();
        if today > needed.until {
            // Its first hours are kept by the day by now, where those of all pods
            // would be read for each pod: what was found in time stays.
            found.push(AdviceRow {
                is_final: true,
                ..row
            });
            continue;
        }
        // Whole days only: energy of the last hours may come late.
        let period = Period {
            from: needed.from,
            until: needed.until.min(today),
        };
        let resource = row.told.resource;
        let [namespace, kind, name] = row.workload.each_ref().map(String::as_str);
        let key = [namespace, kind, name];
        let sought = query::requests_by_hour(connection, key, resource, period, left)?;
        let outcome = match sought.hours {
            Some(hours) => {
                left = left.saturating_sub(sought.pod_hours);
                Some(taken::outcome(&row.told, &hours))
            }
            // More than a visit may seek at all: told as not known, but for what
            // was found of it when it had fewer pods.
            None if sought.pod_hours > most => {
                row.outcome.filter(|outcome| outcome.taken_at.is_some())
            }
            // The next visit begins with it.
            None => break,
        };
        let is_final = outcome.map_or(today >= needed.until, |outcome| {
            outcome.is_final(&row.told, today)
        });
        found.push(AdviceRow {
            outcome,
            found: Some(today),
            is_final,
            ..row
        });
    }
    advice::settle(connection, policy, &found)?;
    Ok(found.len())
}
