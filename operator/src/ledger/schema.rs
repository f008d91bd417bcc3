//! The ledger's tables, by version.
//!
//! A migration is never edited once it was released; a change is a new one.

use rusqlite::Connection;

use super::LedgerFault;

/// Migrations in order; the n-th brings the file to version n.
const MIGRATIONS: &[&str] = &[
    VERSION_1, VERSION_2, VERSION_3, VERSION_4, VERSION_5, VERSION_6, VERSION_7, VERSION_8,
    VERSION_9, VERSION_10, VERSION_11, VERSION_12,
];

const VERSION_1: &str = "
-- How far each journal of each node was read.
CREATE TABLE cursors (
    node TEXT NOT NULL,
    journal TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    closed_until INTEGER NOT NULL,
    -- The booking that moved it last; the highest of a node is its current journal.
    revision INTEGER NOT NULL,
    PRIMARY KEY (node, journal)
) STRICT, WITHOUT ROWID;

-- The audit line of each booked page.
CREATE TABLE bookings (
    revision INTEGER PRIMARY KEY AUTOINCREMENT,
    node TEXT NOT NULL,
    journal TEXT NOT NULL,
    first_sequence INTEGER NOT NULL,
    last_sequence INTEGER NOT NULL,
    records INTEGER NOT NULL,
    energy_uj INTEGER NOT NULL,
    closed_until INTEGER NOT NULL,
    booked_at INTEGER NOT NULL
) STRICT;

-- Records that never came, so that they are not taken for zero.
CREATE TABLE gaps (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    node TEXT NOT NULL,
    journal TEXT NOT NULL,
    kind TEXT NOT NULL,
    after_sequence INTEGER NOT NULL,
    before_sequence INTEGER NOT NULL,
    found_at INTEGER NOT NULL
) STRICT;

CREATE TABLE nodes (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- Who is charged: a pod by its uid, or a named account.
CREATE TABLE accounts (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    pod_uid TEXT NOT NULL,
    UNIQUE (kind, pod_uid)
) STRICT;

CREATE TABLE models (
    id INTEGER PRIMARY KEY,
    digest TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE hours (
    hour INTEGER NOT NULL,
    node INTEGER NOT NULL REFERENCES nodes (id),
    account INTEGER NOT NULL REFERENCES accounts (id),
    provenance INTEGER NOT NULL,
    model INTEGER NOT NULL REFERENCES models (id),
    caught_up INTEGER NOT NULL,
    low_uj INTEGER NOT NULL,
    energy_uj INTEGER NOT NULL,
    high_uj INTEGER NOT NULL,
    cpu_us INTEGER NOT NULL,
    -- Minutes of the hour that have a record.
    minutes INTEGER NOT NULL,
    PRIMARY KEY (hour, node, account, provenance, model, caught_up)
) STRICT, WITHOUT ROWID;

-- As hours, for what is older than the hourly retention; `hour` is the first of a UTC day.
CREATE TABLE days (
    hour INTEGER NOT NULL,
    node INTEGER NOT NULL REFERENCES nodes (id),
    account INTEGER NOT NULL REFERENCES accounts (id),
    provenance INTEGER NOT NULL,
    model INTEGER NOT NULL REFERENCES models (id),
    caught_up INTEGER NOT NULL,
    low_uj INTEGER NOT NULL,
    energy_uj INTEGER NOT NULL,
    high_uj INTEGER NOT NULL,
    cpu_us INTEGER NOT NULL,
    minutes INTEGER NOT NULL,
    PRIMARY KEY (hour, node, account, provenance, model, caught_up)
) STRICT, WITHOUT ROWID;

-- CPU time of pods by the minute, for the last two hours only: what a
-- workload needs at its peak cannot be told from hours.
CREATE TABLE minutes (
    minute INTEGER NOT NULL,
    account INTEGER NOT NULL REFERENCES accounts (id),
    cpu_us INTEGER NOT NULL,
    PRIMARY KEY (minute, account)
) STRICT, WITHOUT ROWID;

-- What is known of pods, also of finished ones; joined when read, so that a
-- name that comes late names energy that was booked before.
CREATE TABLE pods (
    uid TEXT PRIMARY KEY,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    node TEXT NOT NULL,
    workload_kind TEXT NOT NULL,
    workload_name TEXT NOT NULL,
    labels TEXT NOT NULL,
    cpu_request_milli INTEGER,
    -- The only container that asks for CPU; empty if none or several do.
    container TEXT NOT NULL,
    started_at INTEGER,
    finished_at INTEGER,
    -- 1 when the cluster said it, 0 when only an agent's record did.
    confirmed INTEGER NOT NULL,
    seen_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX pods_by_namespace ON pods (namespace);
";

const VERSION_2: &str = "
-- As days, for what is older than the daily retention; `hour` is the first of a UTC month.
CREATE TABLE months (
    hour INTEGER NOT NULL,
    node INTEGER NOT NULL REFERENCES nodes (id),
    account INTEGER NOT NULL REFERENCES accounts (id),
    provenance INTEGER NOT NULL,
    model INTEGER NOT NULL REFERENCES models (id),
    caught_up INTEGER NOT NULL,
    low_uj INTEGER NOT NULL,
    energy_uj INTEGER NOT NULL,
    high_uj INTEGER NOT NULL,
    cpu_us INTEGER NOT NULL,
    minutes INTEGER NOT NULL,
    PRIMARY KEY (hour, node, account, provenance, model, caught_up)
) STRICT, WITHOUT ROWID;

-- What a report was made from, so that it can be made again.
CREATE TABLE evidence (
    digest TEXT PRIMARY KEY,
    policy TEXT NOT NULL,
    kept_at INTEGER NOT NULL,
    inputs BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX evidence_by_policy ON evidence (policy, kept_at);
";

const VERSION_3: &str = "
-- What each hour of the day used, packed (`ledger::day`). NULL in rows of earlier versions, which
-- kept the day's sums only: these are spread over the day when read.
ALTER TABLE days ADD COLUMN by_hour BLOB;

-- The booking up to which a report goes.
ALTER TABLE evidence ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
CREATE INDEX evidence_by_revision ON evidence (policy, revision);
";

const VERSION_4: &str = "
-- Working set of a pod in the minute, its containers added up; NULL where no agent told it.
ALTER TABLE minutes ADD COLUMN memory_bytes INTEGER;

-- The highest working set of a pod in an hour (span 0), a UTC day (1), a UTC month (2);
-- `begin` is the first hour of it. Hours and months age as those of energy do.
CREATE TABLE memory (
    span INTEGER NOT NULL,
    begin INTEGER NOT NULL,
    account INTEGER NOT NULL REFERENCES accounts (id),
    peak_bytes INTEGER NOT NULL,
    -- Minutes in which it was seen.
    minutes INTEGER NOT NULL,
    PRIMARY KEY (span, begin, account)
) STRICT, WITHOUT ROWID;

ALTER TABLE pods ADD COLUMN memory_request_bytes INTEGER;
-- The only container that asks for memory; empty if none or several do.
ALTER TABLE pods ADD COLUMN memory_container TEXT NOT NULL DEFAULT '';
-- When the kernel last killed one of its containers for want of memory.
ALTER TABLE pods ADD COLUMN oom_killed_at INTEGER;
";

const VERSION_5: &str = "
-- Energy beside CPU time by the minute, of every account: what a study's trial used.
ALTER TABLE minutes ADD COLUMN energy_uj INTEGER NOT NULL DEFAULT 0;
-- The worst of the minute's provenances.
ALTER TABLE minutes ADD COLUMN provenance INTEGER NOT NULL DEFAULT 0;

-- Studies, by the UID of their object, with the plan that their first trial stood on.
CREATE TABLE studies (
    study TEXT PRIMARY KEY,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    began_at INTEGER NOT NULL,
    plan TEXT NOT NULL,
    -- Of all that the arms apply.
    digest TEXT NOT NULL,
    -- The first line of the raw figures.
    header TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX studies_by_name ON studies (namespace, name, began_at);

-- The raw figures of each whole trial, once.
CREATE TABLE study_trials (
    study TEXT NOT NULL REFERENCES studies (study),
    trial INTEGER NOT NULL,
    kept_at INTEGER NOT NULL,
    lines TEXT NOT NULL,
    PRIMARY KEY (study, trial)
) STRICT, WITHOUT ROWID;
";

const VERSION_6: &str = "
-- In which hours of a UTC day a pod was seen, a bit for each; 0 in rows of other spans. Minutes of
-- pods that replace each other are added up, but no hour has more than 60.
ALTER TABLE memory ADD COLUMN hours INTEGER NOT NULL DEFAULT 0;
UPDATE memory SET hours = seen.hours
FROM (SELECT begin - begin % 24 AS day, account, sum(1 << (begin % 24)) AS hours
      FROM memory WHERE span = 0 GROUP BY 1, 2) AS seen
WHERE memory.span = 1 AND memory.begin = seen.day AND memory.account = seen.account;

-- What a pod is taken to have held at least when it was killed or evicted for want of memory.
ALTER TABLE pods ADD COLUMN oom_held_bytes INTEGER;
";

const VERSION_7: &str = "
-- CPU time of a pod on a UTC day, of minutes that are no longer kept, packed (`ledger::past_cpu`);
-- `day` is its first hour. Kept for as long as advice looks back.
CREATE TABLE cpu_days (
    day INTEGER NOT NULL,
    account INTEGER NOT NULL REFERENCES accounts (id),
    used BLOB NOT NULL,
    PRIMARY KEY (day, account)
) STRICT, WITHOUT ROWID;
";

const VERSION_8: &str = "
-- Where a node is and what it has to give, also of those that are gone, whose energy stays.
CREATE TABLE known_nodes (
    node TEXT PRIMARY KEY,
    -- NULL where no label names a region that is known.
    provider TEXT,
    region TEXT,
    millicores INTEGER,
    memory_bytes INTEGER,
    seen_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

const VERSION_9: &str = "
-- Where a node was and what CPU it had to give from an hour on, until the next row of its name
-- begins: names come again in other regions. What was known before is so from the beginning.
CREATE TABLE node_places (
    node TEXT NOT NULL,
    -- The first hour; 0 from the beginning.
    since INTEGER NOT NULL,
    -- NULL where no label names a region that is known.
    provider TEXT,
    region TEXT,
    millicores INTEGER,
    PRIMARY KEY (node, since)
) STRICT, WITHOUT ROWID;
INSERT INTO node_places (node, since, provider, region, millicores)
SELECT node, 0, provider, region, millicores FROM known_nodes;
";

const VERSION_10: &str = "
-- Advice on requests that a policy gave, with what became of it (`ledger::advice`). A row stands for
-- one request as it was; days are days of Unix time, amounts thousandths of a core or bytes.
CREATE TABLE advice (
    -- As in evidence: `namespace/name` of the policy, `/name` of a cluster's one.
    policy TEXT NOT NULL,
    namespace TEXT NOT NULL,
    workload_kind TEXT NOT NULL,
    workload_name TEXT NOT NULL,
    -- `cpu` or `memory`.
    resource TEXT NOT NULL,
    container TEXT NOT NULL,
    first_day INTEGER NOT NULL,
    asked INTEGER NOT NULL,
    advised INTEGER NOT NULL,
    last_day INTEGER NOT NULL,
    -- What it promised per day when it was told first on the last day, milligrams of CO2eq.
    saving_low_mg INTEGER NOT NULL,
    saving_mg INTEGER NOT NULL,
    saving_high_mg INTEGER NOT NULL,
    -- What of it the cluster saves even if no node goes.
    cluster_mg INTEGER NOT NULL,
    -- What became of it, JSON, and the day on which that was found; NULL while it is told.
    outcome TEXT,
    found_day INTEGER,
    -- 1 when later hours change nothing of it.
    is_final INTEGER NOT NULL,
    PRIMARY KEY (policy, namespace, workload_kind, workload_name, resource, container, first_day,
                 asked)
) STRICT, WITHOUT ROWID;

-- Pods of one workload are sought for each piece of advice: those of its whole namespace are not read.
CREATE INDEX pods_by_workload ON pods (namespace, workload_kind, workload_name);
-- The new one begins with it.
DROP INDEX pods_by_namespace;
";

const VERSION_11: &str = "
-- In which hours of a UTC day a node has any row, by the hour or by the day: bit 0 is the first hour,
-- which `day` names. Evaluations ask for it, and must not read every pod's rows for that.
CREATE TABLE node_days (
    node INTEGER NOT NULL REFERENCES nodes (id),
    day INTEGER NOT NULL,
    hours INTEGER NOT NULL,
    PRIMARY KEY (node, day)
) STRICT, WITHOUT ROWID;

-- Of days the hours stand in the second to the fourth byte of the packed field, the lowest first; one
-- without it is spread over as many hours as its minutes fill.
WITH RECURSIVE
    numbers (hour) AS (SELECT 0 UNION ALL SELECT hour + 1 FROM numbers WHERE hour < 23),
    packed (node, day, bytes, filled) AS (
        SELECT DISTINCT node, hour, hex(substr(by_hour, 2, 3)),
            CASE WHEN by_hour IS NULL THEN min(24, max(1, (minutes + 59) / 60)) END
        FROM days),
    digits (node, day, filled, a, b, c, d, e, f) AS (
        SELECT node, day, filled,
            instr('123456789ABCDEF', substr(bytes, 1, 1)), instr('123456789ABCDEF', substr(bytes, 2, 1)),
            instr('123456789ABCDEF', substr(bytes, 3, 1)), instr('123456789ABCDEF', substr(bytes, 4, 1)),
            instr('123456789ABCDEF', substr(bytes, 5, 1)), instr('123456789ABCDEF', substr(bytes, 6, 1))
        FROM packed),
    masks (node, day, mask) AS (
        SELECT node, day, CASE WHEN filled IS NULL
            THEN b + (a << 4) + (d << 8) + (c << 12) + (f << 16) + (e << 20)
            ELSE (1 << filled) - 1 END
        FROM digits),
    seen (node, day, hour) AS (
        SELECT node, hour / 24 * 24, hour % 24 FROM hours
        UNION
        SELECT node, day, numbers.hour FROM masks, numbers WHERE mask >> numbers.hour & 1)
INSERT INTO node_days (node, day, hours)
SELECT node, day, sum(1 << hour) FROM seen GROUP BY node, day;
";

const VERSION_12: &str = "
-- In which minutes of an hour a node was seen, a bit for each (`ledger::seen_minutes`). Hours of before
-- had so many minutes as the account of most; of days that were rolled up before nothing is known.
CREATE TABLE seen_minutes (
    hour INTEGER NOT NULL,
    node INTEGER NOT NULL REFERENCES nodes (id),
    minutes INTEGER NOT NULL,
    PRIMARY KEY (hour, node)
) STRICT, WITHOUT ROWID;
INSERT INTO seen_minutes (hour, node, minutes)
SELECT hour, node, (1 << min(60, max(of_account))) - 1
FROM (SELECT hour, node, sum(minutes) AS of_account FROM hours GROUP BY hour, node, account)
GROUP BY hour, node;
-- Hours that were not seen whole are few, and are all that is asked for.
CREATE INDEX part_hours ON seen_minutes (hour) WHERE minutes <> 1152921504606846975;
";

/// Brings a ledger to the newest version; a new file gets all tables.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), LedgerFault> {
    let fault = LedgerFault::of("bringing the ledger to this version's format");
    let found: i64 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(&fault)?;
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(LedgerFault::Newer { found, known });
    }
    let done = usize::try_from(found).unwrap_or(0);
    for (index, migration) in MIGRATIONS.iter().enumerate().skip(done) {
        let transaction = connection.transaction().map_err(&fault)?;
        transaction.execute_batch(migration).map_err(&fault)?;
        let version = i64::try_from(index + 1).unwrap_or(i64::MAX);
        transaction
            .pragma_update(None, "user_version", version)
            .map_err(&fault)?;
        transaction.commit().map_err(&fault)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One row of energy, with all that it refers to.
    const AN_HOUR: &str = "INSERT INTO nodes VALUES (1, 'n1');
         INSERT INTO accounts VALUES (1, 'idle', '');
         INSERT INTO models VALUES (1, '');
         INSERT INTO hours VALUES (496000, 1, 1, 0, 1, 0, 5, 7, 9, 11, 60);";

    #[test]
    fn a_ledger_of_the_first_version_is_brought_up_to_date_and_keeps_its_rows() {
        let mut ledger = Connection::open_in_memory().unwrap();
        ledger.execute_batch(VERSION_1).unwrap();
        ledger.pragma_update(None, "user_version", 1).unwrap();
        ledger.execute_batch(AN_HOUR).unwrap();
        migrate(&mut ledger).unwrap();
        let version: i64 = ledger
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .unwrap();
        assert_eq!(usize::try_from(version).unwrap(), MIGRATIONS.len());
        let (rows, months): (i64, i64) = ledger
            .query_row(
                "SELECT (SELECT sum(energy_uj) FROM hours), (SELECT count(*) FROM months)",
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .unwrap();
        assert_eq!((rows, months), (7, 0));
        migrate(&mut ledger).unwrap();
    }

    #[test]
    fn of_an_hour_of_the_tenth_version_as_much_was_seen_as_of_the_account_of_most() {
        let mut ledger = Connection::open_in_memory().unwrap();
        for version in &MIGRATIONS[..10] {
            ledger.execute_batch(version).unwrap();
        }
        ledger.pragma_update(None, "user_version", 10).unwrap();
        ledger.execute_batch(AN_HOUR).unwrap();
        // Rows of one account differ in where their figures come from.
        ledger
            .execute_batch(
                "INSERT INTO accounts VALUES (2, 'system', '');
                 INSERT INTO hours VALUES (496001, 1, 1, 0, 1, 0, 5, 7, 9, 11, 3);
                 INSERT INTO hours VALUES (496001, 1, 2, 0, 1, 0, 5, 7, 9, 11, 4);
                 INSERT INTO hours VALUES (496001, 1, 2, 1, 1, 0, 5, 7, 9, 11, 1);",
            )
            .unwrap();
        migrate(&mut ledger).unwrap();
        let seen = |hour: i64| -> i64 {
            let sql = "SELECT minutes FROM seen_minutes WHERE hour = ?1";
            ledger.query_row(sql, [hour], |row| row.get(0)).unwrap()
        };
        assert_eq!((seen(496_000).count_ones(), seen(496_001)), (60, 0b1_1111));
    }

    #[test]
    fn a_ledger_of_the_seventh_version_knows_no_node_yet_and_keeps_its_energy() {
        let mut ledger = Connection::open_in_memory().unwrap();
        for version in &MIGRATIONS[..7] {
            ledger.execute_batch(version).unwrap();
        }
        ledger.pragma_update(None, "user_version", 7).unwrap();
        ledger.execute_batch(AN_HOUR).unwrap();
        migrate(&mut ledger).unwrap();
        assert_eq!(super::super::known_nodes::all(&ledger).unwrap().len(), 0);
        let kept: i64 = ledger
            .query_row("SELECT sum(energy_uj) FROM hours", [], |row| row.get(0))
            .unwrap();
        assert_eq!(kept, 7);
    }

    #[test]
    fn a_node_of_the_eighth_version_is_where_it_was_from_the_beginning() {
        use std::collections::BTreeMap;

        use super::super::node_places::{self, Stay};
        use tanso_carbon::calendar::UtcHour;

        let mut ledger = Connection::open_in_memory().unwrap();
        for version in &MIGRATIONS[..8] {
            ledger.execute_batch(version).unwrap();
        }
        ledger.pragma_update(None, "user_version", 8).unwrap();
        ledger
            .execute_batch(
                "INSERT INTO known_nodes VALUES
                     ('n1', 'aws', 'eu-north-1', 16000, 68719476736, 1790000000),
                     ('n2', NULL, NULL, NULL, NULL, 1790000000);",
            )
            .unwrap();
        migrate(&mut ledger).unwrap();
        let stay = |region: Option<(&str, &str)>, millicores| Stay {
            since: UtcHour::from_unix_seconds(0),
            region: region.map(|(one, other)| (one.to_owned(), other.to_owned())),
            millicores,
        };
        let found = node_places::all(&ledger).unwrap();
        let wanted = [
            ("n1", stay(Some(("aws", "eu-north-1")), Some(16_000))),
            ("n2", stay(None, None)),
        ];
        let wanted = wanted.map(|(node, stay)| (node.to_owned(), vec![stay]));
        assert_eq!(found, BTreeMap::from(wanted));
        // What was known of them beside stays.
        assert_eq!(super::super::known_nodes::all(&ledger).unwrap().len(), 2);
    }

    #[test]
    fn a_ledger_of_the_ninth_version_knows_no_advice_yet_and_keeps_its_energy() {
        let mut ledger = Connection::open_in_memory().unwrap();
        for version in &MIGRATIONS[..9] {
            ledger.execute_batch(version).unwrap();
        }
        ledger.pragma_update(None, "user_version", 9).unwrap();
        ledger.execute_batch(AN_HOUR).unwrap();
        migrate(&mut ledger).unwrap();
        let told = super::super::advice::of_policy(&ledger, "shop/korea").unwrap();
        assert_eq!(told, []);
        let kept: i64 = ledger
            .query_row("SELECT sum(energy_uj) FROM hours", [], |row| row.get(0))
            .unwrap();
        assert_eq!(kept, 7);
    }

    #[test]
    fn the_hours_that_nodes_have_are_found_out_of_a_ledger_of_the_tenth_version() {
        use super::super::day::{Day, Slot};

        let mut ledger = Connection::open_in_memory().unwrap();
        for version in &MIGRATIONS[..10] {
            ledger.execute_batch(version).unwrap();
        }
        ledger.pragma_update(None, "user_version", 10).unwrap();
        // The first hours of a day of one node, two of its last ones by the day, and of
        // another node a day whose hours are gone.
        ledger
            .execute_batch(
                "INSERT INTO nodes VALUES (1, 'n1'), (2, 'n2');
                 INSERT INTO accounts VALUES (1, 'idle', ''), (2, 'system', '');
                 INSERT INTO models VALUES (1, '');
                 INSERT INTO hours VALUES (480, 1, 1, 0, 1, 0, 5, 7, 9, 11, 60),
                     (480, 1, 2, 0, 1, 0, 5, 7, 9, 11, 60), (482, 1, 1, 0, 1, 0, 5, 7, 9, 11, 60);
                 INSERT INTO days VALUES (456, 2, 1, 0, 1, 0, 5, 7, 9, 11, 90, NULL);",
            )
            .unwrap();
        for (account, hours) in [(1, [0, 5, 23]), (2, [5, 12, 17])] {
            let mut day = Day::default();
            for hour in hours {
                day.add(hour, Slot::default());
            }
            let row = "INSERT INTO days VALUES (456, 1, ?1, 0, 1, 0, 0, 0, 0, 0, 0, ?2)";
            ledger
                .execute(row, rusqlite::params![account, day.pack()])
                .unwrap();
        }
        migrate(&mut ledger).unwrap();
        let found: Vec<(i64, i64, i64)> = ledger
            .prepare("SELECT node, day, hours FROM node_days")
            .unwrap()
            .query_map([], |row| row.try_into())
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        let bits = |hours: &[i64]| hours.iter().fold(0, |mask, hour| mask | 1 << hour);
        let wanted = [
            (1, 456, bits(&[0, 5, 12, 17, 23])),
            (1, 480, bits(&[0, 2])),
            (2, 456, bits(&[0, 1])),
        ];
        assert_eq!(found, wanted);
    }

    /// Each piece of advice read all pods of its namespace.
    #[test]
    fn the_pods_of_a_workload_and_of_a_namespace_are_found_by_an_index() {
        let mut ledger = Connection::open_in_memory().unwrap();
        migrate(&mut ledger).unwrap();
        for (wanted, by) in [
            (
                "namespace = '' AND workload_kind = '' AND workload_name = ''",
                "(namespace=? AND workload_kind=? AND workload_name=?)",
            ),
            ("namespace = ''", "(namespace=?)"),
        ] {
            let sql = format!("EXPLAIN QUERY PLAN SELECT node FROM pods WHERE {wanted}");
            let plan: String = ledger.query_row(&sql, [], |row| row.get(3)).unwrap();
            assert!(plan.ends_with(&format!("pods_by_workload {by}")), "{plan}");
        }
    }

    #[test]
    fn a_ledger_of_the_third_version_keeps_its_pods_and_minutes() {
        let mut ledger = Connection::open_in_memory().unwrap();
        for version in [VERSION_1, VERSION_2, VERSION_3] {
            ledger.execute_batch(version).unwrap();
        }
        ledger.pragma_update(None, "user_version", 3).unwrap();
        ledger
            .execute_batch(
                "INSERT INTO accounts VALUES (1, 'pod', 'u1');
                 INSERT INTO minutes VALUES (60, 1, 5);
                 INSERT INTO pods VALUES ('u1', 'shop', 'till', 'n1', 'Pod', 'till', '{}', 250,
                                          'c', 1, 2, 1, 3);",
            )
            .unwrap();
        migrate(&mut ledger).unwrap();
        let kept: (i64, Option<i64>, i64, Option<i64>, String) = ledger
            .query_row(
                "SELECT m.cpu_us, m.memory_bytes, p.cpu_request_milli, p.memory_request_bytes,
                        p.memory_container
                 FROM minutes AS m, pods AS p",
                [],
                |row| row.try_into(),
            )
            .unwrap();
        assert_eq!(kept, (5, None, 250, None, String::new()));
    }

    #[test]
    fn hours_in_which_memory_was_seen_are_found_out_of_a_ledger_of_the_fifth_version() {
        let mut ledger = Connection::open_in_memory().unwrap();
        for version in [VERSION_1, VERSION_2, VERSION_3, VERSION_4, VERSION_5] {
            ledger.execute_batch(version).unwrap();
        }
        ledger.pragma_update(None, "user_version", 5).unwrap();
        // Two hours of one day of a pod, one hour of another, and a day whose hours are gone.
        ledger
            .execute_batch(
                "INSERT INTO accounts VALUES (1, 'pod', 'u1'), (2, 'pod', 'u2');
                 INSERT INTO memory VALUES (0, 480, 1, 5, 60), (0, 503, 1, 5, 60), (1, 480, 1, 5, 120),
                     (0, 481, 2, 5, 9), (1, 480, 2, 5, 9), (1, 456, 2, 5, 77);",
            )
            .unwrap();
        migrate(&mut ledger).unwrap();
        let hours: Vec<i64> = ledger
            .prepare("SELECT hours FROM memory WHERE span = 1 ORDER BY begin, account")
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!(hours, [0, 1 | 1 << 23, 1 << 1]);
    }

    #[test]
    fn days_of_the_second_version_stay_as_sums() {
        let mut ledger = Connection::open_in_memory().unwrap();
        ledger.execute_batch(VERSION_1).unwrap();
        ledger.execute_batch(VERSION_2).unwrap();
        ledger.pragma_update(None, "user_version", 2).unwrap();
        ledger
            .execute_batch(
                "INSERT INTO nodes VALUES (1, 'n1');
                 INSERT INTO accounts VALUES (1, 'idle', '');
                 INSERT INTO models VALUES (1, '');
                 INSERT INTO days VALUES (496008, 1, 1, 0, 1, 0, 5, 7, 9, 11, 1440);",
            )
            .unwrap();
        migrate(&mut ledger).unwrap();
        let (sum, packed): (i64, Option<Vec<u8>>) = ledger
            .query_row("SELECT energy_uj, by_hour FROM days", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .unwrap();
        assert_eq!((sum, packed), (7, None));
    }
}
