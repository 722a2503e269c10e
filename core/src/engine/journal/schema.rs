//! The tables, as numbered steps from one version of a journal to the next. A file and a server are at the same number.

use keyferry_sql::{Begin, Connection, DatabaseError, Result};

/// What brings a file from each version to the next; its `user_version` says how many of them it has. A step never changes once
/// it was released.
const FILE: &[&str] = &[
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

/// The same for a server, where the first makes version [`SERVER_FIRST`].
const SERVER: &[&str] = &[include_str!("migrations/postgres/0011_initial.sql")];

/// The version in which journals on servers began.
const SERVER_FIRST: usize = 11;

const _: () =
    assert!(FILE.len() == SERVER_FIRST - 1 + SERVER.len(), "a version is missing for one of the two");

/// Held by whoever makes or changes the tables on a server: a number that nobody else has a reason to take.
const MAKING: i64 = 0x006b_6579_6665_7272;

/// Whether a journal can be used by this version.
pub(crate) enum Schema {
    /// Its tables are those that the code expects.
    Current,
    /// A newer keyferry made it.
    Newer,
}

/// Brings an open file's tables up to date.
pub(crate) fn migrate_file(db: &Connection) -> Result<Schema> {
    let version = |db: &Connection| db.query_row("PRAGMA user_version", [], |row| row.get::<i64>(0));
    if let Some(known) = known(version(db)?) {
        return Ok(known);
    }
    // Another process may be making the tables as well: look again once the file is ours.
    let change = db.transaction(Begin::Writing)?;
    let held = version(&change)?;
    for step in missing(FILE, held) {
        change.execute_batch(step)?;
    }
    change.execute_batch(&format!("PRAGMA user_version = {}", FILE.len()))?;
    change.commit()?;
    Ok(Schema::Current)
}

/// Makes a journal's tables on a server, or brings them up to date: all of it, or nothing.
pub(crate) fn migrate_server(db: &Connection) -> Result<Schema> {
    let version = |db: &Connection| {
        // By way of the catalogue's own table: what another has made meanwhile is seen.
        let there =
            "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_class WHERE oid = to_regclass('keyferry_journal'))";
        let there: bool = db.query_row(there, [], |row| row.get(0))?;
        if !there {
            return Ok(None);
        }
        db.query_row("SELECT version FROM keyferry_journal", [], |row| row.get::<i64>(0)).map(Some)
    };
    if let Some(known) = version(db)?.and_then(known) {
        return Ok(known);
    }
    let change = db.transaction(Begin::Migrating)?;
    // Another process may be making the tables as well: look again once it has ended.
    change.query_row("SELECT pg_advisory_xact_lock(?1) IS NULL", [MAKING], |row| row.get::<bool>(0))?;
    let first = i64::try_from(SERVER_FIRST).unwrap_or(i64::MAX);
    let held = version(&change)?.unwrap_or(first - 1);
    if held < first - 1 {
        return Err(DatabaseError::unfit(format!(
            "it says that its tables are of version {held}, which no journal on a server ever had"
        )));
    }
    for step in missing(SERVER, held - (first - 1)) {
        change.execute_batch(step)?;
    }
    change.execute(
        "UPDATE keyferry_journal SET version = ?1",
        [i64::try_from(FILE.len()).unwrap_or(i64::MAX)],
    )?;
    change.commit()?;
    Ok(Schema::Current)
}

/// What a version is to this program; `None` where steps are missing.
fn known(version: i64) -> Option<Schema> {
    let current = i64::try_from(FILE.len()).unwrap_or(i64::MAX);
    match version.cmp(&current) {
        std::cmp::Ordering::Equal => Some(Schema::Current),
        std::cmp::Ordering::Greater => Some(Schema::Newer),
        std::cmp::Ordering::Less if version < 0 => Some(Schema::Newer),
        std::cmp::Ordering::Less => None,
    }
}

fn missing<'s>(steps: &'s [&'s str], done: i64) -> &'s [&'s str] {
    usize::try_from(done).ok().and_then(|done| steps.get(done..)).unwrap_or_default()
}
