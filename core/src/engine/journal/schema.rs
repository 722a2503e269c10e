//! The tables, as numbered steps from one version of the file to the next.

use rusqlite::{Connection, Transaction, TransactionBehavior};

/// Step by step; a file's `user_version` says how many of them it has. A step never changes once it was released.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_jobs.sql"),
    include_str!("migrations/0002_syncs_and_pins.sql"),
    include_str!("migrations/0003_rotations.sql"),
    include_str!("migrations/0004_removals.sql"),
    include_str!("migrations/0005_rotations_sent.sql"),
    include_str!("migrations/0006_written_to.sql"),
    include_str!("migrations/0007_rights.sql"),
    include_str!("migrations/0008_creations_by_item.sql"),
    include_str!("migrations/0009_places_intended.sql"),
    include_str!("migrations/0010_chunks.sql"),
    include_str!("migrations/0011_creations_by_key.sql"),
];

/// Whether the file can be used by this version.
pub(crate) enum Schema {
    /// Its tables are those that the code expects.
    Current,
    /// A newer keyferry made it.
    Newer,
}

/// Brings an open file's tables up to date.
pub(crate) fn migrate(db: &Connection) -> rusqlite::Result<Schema> {
    let version = |db: &Connection| db.pragma_query_value(None, "user_version", |row| row.get(0));
    let current = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    let held: i64 = version(db)?;
    if !(0..current).contains(&held) {
        return Ok(if held == current { Schema::Current } else { Schema::Newer });
    }
    // Another process may be making the tables as well: look again once the file is ours.
    let change = Transaction::new_unchecked(db, TransactionBehavior::Immediate)?;
    let held: i64 = version(&change)?;
    for step in MIGRATIONS.iter().skip(usize::try_from(held).unwrap_or(MIGRATIONS.len())) {
        change.execute_batch(step)?;
    }
    change.pragma_update(None, "user_version", current)?;
    change.commit()?;
    Ok(Schema::Current)
}
