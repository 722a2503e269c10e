//! The table `chunks`: records on their way through several workers. A chunk and the intents of its records are written down in
//! one transaction; whoever takes it has it until the lease ends, and the number of takings is the fence: what comes from an
//! older one is no outcome any more.

use crate::client::OnceKey;
use crate::engine::crash;
use crate::engine::journal::jobs::{Job, State};
use crate::engine::journal::sealing::JobKey;
use crate::error::{Error, ErrorKind, Result};
use keyferry_api::item::ItemDraft;
use keyferry_sql::{self as sql, Connection, Optional as _, ToSql, params};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::time::Duration;

/// Where chunks wait for workers, and what workers say of them. Everything that they share goes through here.
pub(crate) trait Board: Send + Sync {
    /// Adds a chunk, with the intents of its records; its number, and theirs.
    fn offer(&self, drafts: &[ItemDraft], keys: &[OnceKey]) -> Result<(i64, Vec<i64>)>;
    /// Takes the oldest chunk that nobody has, or whose lease has ended.
    fn claim(&self, worker: &str, lease: Duration) -> Result<Option<Claim>>;
    /// Keeps a chunk for another lease; false: somebody else has it.
    fn renew(&self, claim: &Claim, lease: Duration) -> Result<bool>;
    /// Says what came of a chunk; false: somebody else has it, and nothing was written down.
    fn settle_chunk(&self, claim: &Claim, outcomes: &[Outcome]) -> Result<bool>;
    /// What came of a chunk; `None` while it is not known.
    fn outcome(&self, chunk: i64) -> Result<Option<Vec<Outcome>>>;
    /// The items that are written down as what came of these records, once their chunk was sent; `None` before, and of one
    /// that was given up.
    fn recorded(&self, claim: &Claim) -> Result<Option<Vec<Option<String>>>>;
    /// Gives up all that is not sent yet: nobody's outcome counts any more.
    fn give_up(&self) -> Result<()>;
    /// Whether there is anything left to wait for.
    fn goes_on(&self) -> Result<bool>;
    /// Whether chunks are to be sent, be it by who has them.
    fn is_left(&self) -> Result<bool>;
}

/// What is to be sent: records as they will stand, each with the number of its intent, and with its key where the environment
/// makes each thing once.
#[derive(Serialize, Deserialize)]
pub(crate) struct Parcel {
    pub numbers: Vec<i64>,
    pub drafts: Vec<ItemDraft>,
    pub keys: Vec<OnceKey>,
}

/// A chunk in the hands of a worker.
pub(crate) struct Claim {
    pub chunk: i64,
    /// How often it was taken: more than once, and somebody else may have sent it.
    pub fence: i64,
    pub parcel: Parcel,
}

impl Claim {
    /// As what the worker has it.
    pub(crate) fn held(&self) -> Held {
        Held { chunk: self.chunk, fence: self.fence }
    }
}

/// A chunk that a worker has: whose outcome counts until another takes it.
#[derive(Clone, Copy)]
pub(crate) struct Held {
    pub chunk: i64,
    pub fence: i64,
}

impl Held {
    /// Whether that is still so; until the transaction ends nobody else takes it.
    pub(super) fn counts(self, db: &Connection) -> sql::Result<bool> {
        let still =
            format!("UPDATE chunks SET fence = fence WHERE id = ?1 AND fence = ?2 AND state = {TO_BE_SENT}");
        Ok(db.execute(&still, [self.chunk, self.fence])? == 1)
    }
}

/// What came of one record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Outcome {
    /// Made by this job.
    New(String),
    /// Made by another run.
    There(String),
    /// An error: its kind by name, and what it says.
    Failed(String, String),
}

/// How a chunk stands.
const TO_BE_SENT: i64 = 0;
const SENT: i64 = 1;
const GIVEN_UP: i64 = 2;

fn milliseconds(lease: Duration) -> i64 {
    i64::try_from(lease.as_millis()).unwrap_or(i64::MAX)
}

impl Job {
    fn seal_json(&self, to: &str, value: &impl Serialize) -> Result<Vec<u8>> {
        let failed = |_| Error::new(ErrorKind::Internal, "a chunk could not be written as JSON");
        let json = serde_json::to_vec(value).map_err(failed)?;
        self.needed_key()?.seal_bytes(to.as_bytes(), &json)
    }

    fn open_json<T: DeserializeOwned>(&self, to: &str, sealed: &[u8]) -> Result<T> {
        let json = self.needed_key()?.open_bytes(to.as_bytes(), sealed);
        json.and_then(|json| serde_json::from_slice(&json).ok())
            .ok_or_else(|| Error::new(ErrorKind::Decrypt, "a chunk of records is damaged in the journal"))
    }

    fn needed_key(&self) -> Result<&JobKey> {
        self.key().ok_or_else(|| {
            Error::new(ErrorKind::Usage, "several workers need an environment with client-side encryption")
                .next_step("leave --workers out: without it nothing but this process holds what is sent")
        })
    }
}

impl Board for Job {
    fn offer(&self, drafts: &[ItemDraft], keys: &[OnceKey]) -> Result<(i64, Vec<i64>)> {
        crash::point("before intent");
        self.needed_key()?;
        let intents = self.intents(drafts);
        let offered = self.try_change(|db| {
            let numbers = self.insert_intents(db, &intents).map_err(|error| self.journal().failed(error))?;
            let parcel = Parcel { numbers, drafts: drafts.to_vec(), keys: keys.to_vec() };
            let sealed = self.seal_json("parcel", &parcel)?;
            let records = i64::try_from(drafts.len()).unwrap_or(i64::MAX);
            let failed = |error| self.journal().failed(error);
            let insert = "INSERT INTO chunks (job, records, sealed) VALUES (?1, ?2, ?3)";
            let chunk = db.insert(insert, "id", params![self.id(), records, sealed]).map_err(failed)?;
            Ok((chunk, parcel.numbers))
        })?;
        crash::point("after intent");
        Ok(offered)
    }

    fn claim(&self, worker: &str, lease: Duration) -> Result<Option<Claim>> {
        let taken = self.change(|db| {
            // What another is taking at this moment is not waited for.
            let (now, skipping) = (db.dialect().milliseconds(), db.dialect().for_update_skip_locked());
            db.prepare_cached(&format!(
                "UPDATE chunks SET fence = fence + 1, worker = ?2, until = {now} + ?3 WHERE id =
                   (SELECT id FROM chunks WHERE job = ?1 AND state = {TO_BE_SENT}
                    AND (until IS NULL OR until < {now}) ORDER BY id LIMIT 1{skipping})
                 RETURNING id, fence, sealed"
            ))?
            .query_row(params![self.id(), worker, milliseconds(lease)], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get::<Vec<u8>>(2)?))
            })
            .optional()
        })?;
        let Some((chunk, fence, sealed)) = taken else { return Ok(None) };
        Ok(Some(Claim { chunk, fence, parcel: self.open_json("parcel", &sealed)? }))
    }

    fn renew(&self, claim: &Claim, lease: Duration) -> Result<bool> {
        self.change(|db| {
            let now = db.dialect().milliseconds();
            db.prepare_cached(&format!(
                "UPDATE chunks SET until = {now} + ?3 WHERE id = ?1 AND fence = ?2 AND state = {TO_BE_SENT}"
            ))?
            .execute(params![claim.chunk, claim.fence, milliseconds(lease)])
        })
        .map(|held| held == 1)
    }

    fn settle_chunk(&self, claim: &Claim, outcomes: &[Outcome]) -> Result<bool> {
        crash::point("before outcome");
        let sealed = self.seal_json("outcome", &outcomes)?;
        let held = self.change(|db| {
            let held = db
                .prepare_cached(&format!(
                    "UPDATE chunks SET state = {SENT}, sealed = NULL, until = NULL, outcome = ?3
                     WHERE id = ?1 AND fence = ?2 AND state = {TO_BE_SENT}"
                ))?
                .execute(params![claim.chunk, claim.fence, sealed])?;
            if held == 0 {
                return Ok(false);
            }
            let settled =
                claim.parcel.numbers.iter().zip(outcomes).filter_map(|(number, outcome)| match outcome {
                    Outcome::New(id) => Some((number, Some(id))),
                    // Whether the environment acted is settled by who goes on with the job.
                    Outcome::Failed(kind, _) if leaves_open(kind) => None,
                    Outcome::There(_) | Outcome::Failed(..) => Some((number, None)),
                });
            let settled: Vec<_> = settled.collect();
            let rows: Vec<[&dyn ToSql; 2]> =
                settled.iter().map(|(number, item)| [number as _, item as _]).collect();
            db.execute_each("UPDATE creations SET item = ?2, open = 0 WHERE seq = ?1", &rows)?;
            Ok(true)
        })?;
        crash::point("after outcome");
        Ok(held)
    }

    fn outcome(&self, chunk: i64) -> Result<Option<Vec<Outcome>>> {
        let read = self.journal().look(|db| {
            db.prepare_cached(&format!(
                "SELECT outcome FROM chunks WHERE id = ?1 AND state = {SENT} AND outcome IS NOT NULL"
            ))?
            .query_row([chunk], |row| row.get::<Vec<u8>>(0))
            .optional()
        });
        let Some(sealed) = read? else { return Ok(None) };
        let outcomes = self.open_json("outcome", &sealed)?;
        // Told once: from here on the job's own account has it.
        self.change(|db| db.execute("UPDATE chunks SET outcome = NULL WHERE id = ?1", [chunk]))?;
        Ok(Some(outcomes))
    }

    fn recorded(&self, claim: &Claim) -> Result<Option<Vec<Option<String>>>> {
        let (state, items) = self.journal().look(|db| {
            let state: Option<i64> = db
                .query_row("SELECT state FROM chunks WHERE id = ?1", [claim.chunk], |row| row.get(0))
                .optional()?;
            if state != Some(SENT) {
                return Ok((state, Vec::new()));
            }
            let mut query = db.prepare_cached("SELECT item FROM creations WHERE seq = ?1")?;
            let items = claim.parcel.numbers.iter().map(|number| {
                query.query_row([number], |row| row.get::<Option<String>>(0)).optional().map(Option::flatten)
            });
            Ok((state, items.collect::<sql::Result<Vec<_>>>()?))
        })?;
        Ok(match state {
            Some(SENT) => Some(items),
            Some(TO_BE_SENT) => None,
            // Given up, or forgotten: a later run settles what was sent.
            _ => Some(Vec::new()),
        })
    }

    fn give_up(&self) -> Result<()> {
        self.change(|db| {
            // Chunks before their records, as whoever settles one takes them.
            let give_up = format!(
                "UPDATE chunks SET state = {GIVEN_UP}, sealed = NULL, fence = fence + 1
                 WHERE job = ?1 AND state = {TO_BE_SENT}"
            );
            db.execute(&give_up, [self.id()])?;
            // Whoever took one may be sending it at this moment.
            let may_be_sent = format!(
                "UPDATE creations SET sent = ?2 WHERE job = ?1 AND open = 1 AND EXISTS
                   (SELECT 1 FROM chunks WHERE job = ?1 AND state = {GIVEN_UP} AND until IS NOT NULL)"
            );
            db.execute(&may_be_sent, [self.id(), self.now()])?;
            let told = format!("UPDATE chunks SET until = NULL WHERE job = ?1 AND state = {GIVEN_UP}");
            db.execute(&told, [self.id()]).map(drop)
        })
    }

    fn is_left(&self) -> Result<bool> {
        let left = format!("SELECT 1 FROM chunks WHERE job = ?1 AND state = {TO_BE_SENT} LIMIT 1");
        Ok(!self.read(&left, |_| Ok(()))?.is_empty())
    }

    fn goes_on(&self) -> Result<bool> {
        let state = self.read("SELECT state FROM jobs WHERE id = ?1", |row| row.get::<String>(0))?;
        Ok(state.first().is_some_and(|state| state == State::Running.name()))
    }
}

/// Whether an error of this kind says nothing about what the environment did.
fn leaves_open(kind: &str) -> bool {
    ErrorKind::ALL.iter().any(|known| known.name() == kind && known.leaves_open())
}
