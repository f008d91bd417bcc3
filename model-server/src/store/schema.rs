//! The store's tables, by version.
//!
//! A migration is never edited once it was released; a change is a new one.

use rusqlite::Connection;

use super::StoreFault;

/// Migrations in order; the n-th brings the file to version n.
const MIGRATIONS: &[&str] = &[VERSION_1, VERSION_2];

const VERSION_1: &str = "
CREATE TABLE nodes (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    first_s INTEGER NOT NULL,
    last_s INTEGER NOT NULL
) STRICT;

-- A kind of machine and what is measured of it.
CREATE TABLE node_types (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    measured TEXT NOT NULL,
    machine TEXT NOT NULL,
    -- A digest, 'prior', or nothing: the newest promotion serves.
    pinned TEXT,
    -- JSON, while a drift is known.
    drift TEXT,
    -- Older samples are of before the last drift: they teach no more.
    epoch_s INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE samples (
    type INTEGER NOT NULL REFERENCES node_types (id),
    node INTEGER NOT NULL REFERENCES nodes (id),
    at_s INTEGER NOT NULL,
    utilisation REAL NOT NULL,
    watts REAL NOT NULL,
    -- The sample as it came: other zones, clock, events.
    whole TEXT NOT NULL,
    PRIMARY KEY (type, node, at_s)
) STRICT, WITHOUT ROWID;
CREATE INDEX samples_by_time ON samples (at_s);

CREATE TABLE documents (
    digest TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    tier TEXT NOT NULL,
    body BLOB NOT NULL,
    made_s INTEGER NOT NULL
) STRICT;

-- A model that was learned and taken into service; never changed.
CREATE TABLE promotions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    type INTEGER NOT NULL REFERENCES node_types (id),
    digest TEXT NOT NULL REFERENCES documents (digest),
    -- The digest that it replaced, or 'prior'.
    replaced TEXT NOT NULL,
    at_s INTEGER NOT NULL,
    -- The last sample that it was learned from.
    learned_until_s INTEGER NOT NULL,
    report TEXT NOT NULL
) STRICT;
CREATE INDEX promotions_by_type ON promotions (type, id);

-- What the last training thought of each node.
CREATE TABLE trust (
    type INTEGER NOT NULL REFERENCES node_types (id),
    node INTEGER NOT NULL REFERENCES nodes (id),
    trust TEXT NOT NULL,
    PRIMARY KEY (type, node)
) STRICT, WITHOUT ROWID;

CREATE TABLE jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- One node type, or nothing: all.
    type TEXT,
    state TEXT NOT NULL,
    made_s INTEGER NOT NULL,
    begun_s INTEGER,
    ended_s INTEGER,
    report TEXT NOT NULL
) STRICT;
";

const VERSION_2: &str = "
-- JSON: the last drift that was found, also when it was learned anew since.
ALTER TABLE node_types ADD COLUMN last_drift TEXT;
UPDATE node_types SET last_drift = drift;
";

/// Brings the file to the newest version, each step a transaction.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreFault> {
    let fault = StoreFault::of("bringing the store to the newest format");
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    let found: i64 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(&fault)?;
    if found > known {
        return Err(StoreFault::Newer { found, known });
    }
    for (version, script) in (1_i64..).zip(MIGRATIONS) {
        if version <= found {
            continue;
        }
        let step = connection.transaction().map_err(&fault)?;
        step.execute_batch(script).map_err(&fault)?;
        step.pragma_update(None, "user_version", version)
            .map_err(&fault)?;
        step.commit().map_err(&fault)?;
    }
    Ok(())
}
