//! What reports were made from, kept beside the energy so that they can be
//! made again. Knows bytes and when to let them go, not what is in them.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{LedgerFault, upkeep};

/// The newest of a policy that are kept, whatever their day: a report that is
/// being replaced, and the one that replaces it.
const NEWEST: i64 = 2;

/// How long the last of each UTC day is kept, seconds: longer than the longest
/// window.
const DAILY_KEPT_S: i64 = 35 * DAY_S;

const DAY_S: i64 = 86_400;

const KEEP: &str = "INSERT INTO evidence (digest, policy, kept_at, inputs, revision)
     VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";

/// Lets go of a policy's older ones.
const REPLACE: &str = "DELETE FROM evidence WHERE policy = ?1
     AND digest NOT IN (SELECT digest FROM evidence WHERE policy = ?1
                        ORDER BY revision DESC, kept_at DESC LIMIT ?2)
     AND (kept_at < ?3 OR EXISTS (
          SELECT 1 FROM evidence AS later WHERE later.policy = evidence.policy
          AND later.kept_at / 86400 = evidence.kept_at / 86400
          AND (later.kept_at, later.digest) > (evidence.kept_at, evidence.digest)))";

/// What one report was made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Digest of the inputs, as the report names it.
    pub digest: String,
    /// The policy, by its UID.
    pub policy: String,
    /// The booking up to which the report goes.
    pub revision: i64,
    /// The inputs.
    pub inputs: Vec<u8>,
}

/// Keeps what a report was made from; the same digest twice is kept once. Lets
/// go of the policy's older ones.
///
/// # Errors
/// If the database refuses; then nothing was changed.
pub fn keep(
    connection: &mut Connection,
    evidence: &Evidence,
    now: Timestamp,
) -> Result<(), LedgerFault> {
    let fault = LedgerFault::of("keeping what a report was made from");
    let transaction = connection.transaction().map_err(&fault)?;
    transaction
        .prepare_cached(KEEP)
        .and_then(|mut keep| {
            keep.execute(params![
                evidence.digest,
                evidence.policy,
                now.as_second(),
                evidence.inputs,
                evidence.revision
            ])
        })
        .map_err(&fault)?;
    // What is old is so by the newest minute that was booked too: a clock that is
    // ahead must not take away what reports were made from.
    let booked = upkeep::no_later_than_booked(&transaction, now).map_err(&fault)?;
    let daily = booked.map_or(i64::MIN, |now| now.as_second() - DAILY_KEPT_S);
    transaction
        .prepare_cached(REPLACE)
        .and_then(|mut replace| replace.execute(params![evidence.policy, NEWEST, daily]))
        .map_err(&fault)?;
    transaction.commit().map_err(fault)
}

/// Lets go of what is left of policies that are gone: of others nothing is so old.
/// Looks at all that is kept, so it is no part of a visit.
///
/// # Errors
/// If the database refuses; then nothing was changed.
pub(super) fn forget_gone(connection: &Connection, now: Timestamp) -> Result<usize, LedgerFault> {
    let oldest = now.as_second() - 2 * DAILY_KEPT_S;
    connection
        .execute("DELETE FROM evidence WHERE kept_at < ?1", [oldest])
        .map_err(LedgerFault::of("letting go of what reports were made from"))
}

/// What the report of a policy at a booking was made from; its newest one if no
/// booking is named. A report stands until its inputs change, so that of a
/// later booking may be an earlier one.
///
/// # Errors
/// If the database refuses.
pub fn find(
    connection: &mut Connection,
    policy: &str,
    revision: Option<i64>,
) -> Result<Option<Evidence>, LedgerFault> {
    connection
        .prepare(
            "SELECT digest, policy, revision, inputs FROM evidence
             WHERE policy = ?1 AND (?2 IS NULL OR revision <= ?2)
             ORDER BY revision DESC, kept_at DESC LIMIT 1",
        )
        .and_then(|mut query| {
            query
                .query_row(params![policy, revision], |row| {
                    Ok(Evidence {
                        digest: row.get(0)?,
                        policy: row.get(1)?,
                        revision: row.get(2)?,
                        inputs: row.get(3)?,
                    })
                })
                .optional()
        })
        .map_err(LedgerFault::of("reading what a report was made from"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::open_file;

    fn booked_until(ledger: &Connection, at: Timestamp) {
        let sql = "INSERT OR REPLACE INTO cursors VALUES ('n1', '07', 1, ?1, 1)";
        ledger.execute(sql, [at.as_second()]).unwrap();
    }

    /// An hour of a clock that was a year ahead, and no report of before could be
    /// made again, of any policy.
    #[test]
    fn a_clock_that_jumps_a_year_ahead_takes_away_no_report() {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
        let of = |policy: &str, day: i64| Evidence {
            digest: format!("sha256:{policy}{day}"),
            policy: policy.to_owned(),
            revision: day,
            inputs: vec![1],
        };
        let at = |day: i64| Timestamp::from_second(1_790_000_000 + day * 86_400).unwrap();
        for day in 0..4 {
            booked_until(&ledger, at(day));
            for policy in ["uid-1", "uid-2"] {
                keep(&mut ledger, &of(policy, day), at(day)).unwrap();
            }
        }
        keep(&mut ledger, &of("uid-1", 4), at(4 + 365)).unwrap();
        let kept: i64 = ledger
            .query_row("SELECT count(*) FROM evidence", [], |row| row.get(0))
            .unwrap();
        assert_eq!(kept, 9);
    }

    #[test]
    fn the_newest_and_the_last_of_each_day_stay_and_others_go() {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = open_file(&folder.path().join("ledger.db")).unwrap();
        let start = 1_790_000_000 / 86_400 * 86_400;
        for hour in 0..60 * 24 {
            let evidence = Evidence {
                digest: format!("sha256:{hour:04}"),
                policy: "uid-1".to_owned(),
                revision: hour,
                inputs: vec![1, 2, 3],
            };
            let now = Timestamp::from_second(start + hour * 3_600).unwrap();
            booked_until(&ledger, now);
            keep(&mut ledger, &evidence, now).unwrap();
            keep(&mut ledger, &evidence, now).unwrap();
        }
        let kept: Vec<i64> = ledger
            .prepare("SELECT revision FROM evidence ORDER BY revision")
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        // The last hour of each of 35 days, and the two newest.
        assert!((35..=38).contains(&kept.len()), "{kept:?}");
        assert_eq!(kept[kept.len() - 2..], [60 * 24 - 2, 60 * 24 - 1]);
        assert!(
            kept[..kept.len() - 2].iter().all(|hour| hour % 24 == 23),
            "{kept:?}"
        );
        let newest = find(&mut ledger, "uid-1", None).unwrap().unwrap();
        assert_eq!(newest.revision, 60 * 24 - 1);
        let older = find(&mut ledger, "uid-1", Some(kept[0])).unwrap().unwrap();
        assert_eq!(older.digest, format!("sha256:{:04}", kept[0]));
        assert_eq!(find(&mut ledger, "uid-2", None).unwrap(), None);
        // Of a policy that is gone nothing comes any more that would replace it.
        let end = start + 60 * DAY_S;
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(forget_gone(&ledger, at(end)).unwrap(), 0);
        let gone = forget_gone(&ledger, at(end + 2 * DAILY_KEPT_S)).unwrap();
        assert_eq!(gone, kept.len());
    }

    /// A visit read all that was kept of all policies: of a thousand, for 35 days.
    #[test]
    fn keeping_one_looks_at_no_other_policys() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = open_file(&folder.path().join("ledger.db")).unwrap();
        for sql in [KEEP, REPLACE] {
            let mut plan = ledger
                .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
                .unwrap();
            let steps = plan.raw_query().mapped(|row| row.get::<_, String>(3));
            let steps: Vec<String> = steps.collect::<Result<_, _>>().unwrap();
            assert!(
                steps.iter().all(|step| !step.starts_with("SCAN evidence")),
                "{steps:?}"
            );
        }
    }
}
