//! What a sync remembers: which records it brought, and as what.
//!
//! Two copies of a record that differ do not tell who changed it. The memory does: if the sink's is
//! as it was brought last, the source changed and the sink may be overwritten; if not, someone
//! edited the sink, which is drift. It holds digests only (HMAC-SHA-256), under a key that is
//! wrapped to the user's public key.

use crate::engine::compare::digest::{DigestStore, Digester, RecordDigest, Short};
use crate::engine::environment::Environment;
use crate::engine::journal::Journal;
use crate::error::{Error, ErrorKind, Result};
use crate::secret::SecretString;
use data_encoding::BASE64;
use keyferry_sql::{Optional as _, ToSql, params};
use std::sync::Arc;
use zeroize::Zeroizing;

/// How to keep a sink in step with its source.
#[derive(Clone, Debug, Default)]
pub struct Sync {
    /// Move to the bin what an earlier sync brought, was not edited since, and the source no longer
    /// holds.
    pub delete: bool,
    /// How many of those may go at once; `None`: half of them.
    pub max_delete: Option<MaxDelete>,
    /// What was brought before; `None`: nothing tells edits of the sink from those of the source.
    pub base: Option<Base>,
}

/// How many of the records that earlier syncs brought, and that the sink still holds, one sync may remove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxDelete {
    /// So many.
    Records(u64),
    /// So many of a hundred. Exactly so many still may: of two, one is fifty percent.
    Percent(u8),
}

impl Default for MaxDelete {
    fn default() -> Self {
        Self::Percent(50)
    }
}

impl std::fmt::Display for MaxDelete {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Records(records) => write!(f, "{records}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl std::str::FromStr for MaxDelete {
    type Err = Error;

    /// `20`, or `20%`.
    fn from_str(word: &str) -> Result<Self> {
        let parsed = match word.strip_suffix('%') {
            Some(percent) => percent.parse().ok().filter(|percent| *percent <= 100).map(Self::Percent),
            None => word.parse().ok().map(Self::Records),
        };
        parsed.ok_or_else(|| Error::new(ErrorKind::Usage, "this is a number of records, or 0% to 100%"))
    }
}

impl MaxDelete {
    /// Whether `removals` of `brought` records may go.
    pub(crate) fn allows(self, removals: u64, brought: u64) -> bool {
        match self {
            Self::Records(most) => removals <= most,
            Self::Percent(percent) => u128::from(removals) * 100 <= u128::from(brought) * u128::from(percent),
        }
    }
}

/// So many rows are written at once.
const TOGETHER: usize = 500;

/// The records that one sync brought last.
#[derive(Clone)]
pub struct Base {
    journal: Journal,
    id: i64,
    generation: i64,
    /// How many records were in step when removals were held back first: what a sync brought since then makes the
    /// same removals no smaller.
    held_of: Option<u64>,
    key: Arc<SecretString>,
    /// The same, where it is the one that the user derives for comparisons: then `verify` takes the same digests. What an
    /// earlier version began has a random one.
    users: Option<Arc<Zeroizing<[u8; 32]>>>,
}

impl std::fmt::Debug for Base {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Base({}, generation {})", self.id, self.generation)
    }
}

impl Base {
    /// Finds what was brought before `between` these places, or begins with nothing. `None` where the
    /// sink's user has no keys: then nothing guards the digests.
    ///
    /// # Errors
    /// [`ErrorKind::Locked`] where another user keeps these places in step.
    pub fn open(journal: &Journal, between: &str, sink: &Environment) -> Result<Option<Self>> {
        let Ok(keychain) = sink.keychain() else { return Ok(None) };
        let users = Arc::new(keychain.comparison_key()?);
        let lasting = SecretString::new(BASE64.encode(&**users));
        let found = journal.look(|db| {
            db.query_row(
                "SELECT id, generation, digest_key, held_of FROM syncs WHERE pair = ?1",
                [between],
                |row| Ok((row.get(0)?, row.get(1)?, row.get::<String>(2)?, row.get::<Option<i64>>(3)?)),
            )
            .optional()
        })?;
        let (id, generation, key, held_of) = if let Some((id, generation, wrapped, held_of)) = found {
            let key = keychain.unwrap(&wrapped).map_err(|error| {
                Error::new(ErrorKind::Locked, "another user keeps these places in step with this journal")
                    .next_step("name another journal with --journal")
                    .because(error)
            })?;
            (id, generation, key, held_of)
        } else {
            let wrapped = keychain.public().strong()?.wrap(&lasting)?;
            let db = journal.db();
            let insert = "INSERT INTO syncs (pair, digest_key, generation) VALUES (?1, ?2, 0)";
            let id =
                db.insert(insert, "id", params![between, wrapped]).map_err(|error| journal.failed(error))?;
            (id, 0, lasting.clone(), None)
        };
        let held_of = held_of.and_then(|count| u64::try_from(count).ok());
        let users = (key == lasting).then_some(users);
        Ok(Some(Self { journal: journal.clone(), id, generation, held_of, key: Arc::new(key), users }))
    }

    /// How many of the records in step count, where removals were held back before and are looked at again.
    pub(crate) fn counted(&self, brought: u64) -> u64 {
        self.held_of.map_or(brought, |held_of| held_of.min(brought))
    }

    pub(crate) fn held_of(&self) -> Option<u64> {
        self.held_of
    }

    pub(crate) fn digester(&self) -> Digester {
        match &self.users {
            Some(key) => Digester::of_user(&***key),
            None => Digester::under(self.key.expose().as_bytes()),
        }
    }

    /// Whether a record of this place, name and login was brought.
    pub(crate) fn knows(&self, digest: &RecordDigest) -> Result<bool> {
        self.find("SELECT 1 FROM synced WHERE sync = ?1 AND generation = ?2 AND identity = ?3", digest, None)
    }

    /// Whether it was brought with this very content.
    pub(crate) fn holds(&self, digest: &RecordDigest) -> Result<bool> {
        self.find(
            "SELECT 1 FROM synced WHERE sync = ?1 AND generation = ?2 AND identity = ?3 AND content = ?4",
            digest,
            Some(&digest.content),
        )
    }

    fn find(&self, sql: &str, digest: &RecordDigest, content: Option<&Short>) -> Result<bool> {
        self.journal.look(|db| {
            let mut query = db.prepare_cached(sql)?;
            match content {
                Some(content) => query.exists(params![self.id, self.generation, digest.identity, content]),
                None => query.exists(params![self.id, self.generation, digest.identity]),
            }
        })
    }

    /// Notes what the sink holds now, and what of the past still counts. It takes effect with
    /// [`Base::commit`].
    pub(crate) fn note(&self, now: &mut DigestStore, past: &[RecordDigest]) -> Result<()> {
        let next = self.generation + 1;
        let failed = |error| self.journal.failed(error);
        let db = self.journal.writing().map_err(failed)?;
        let change = db.started();
        // What a run left that ended early.
        change
            .execute("DELETE FROM synced WHERE sync = ?1 AND generation <> ?2", [self.id, self.generation])
            .map_err(failed)?;
        let insert = |noted: &mut Vec<(Short, Short)>| {
            let rows: Vec<[&dyn ToSql; 4]> = noted
                .iter()
                .map(|(identity, content)| [&self.id as _, &next as _, identity as _, content as _])
                .collect();
            let insert = "INSERT INTO synced (sync, generation, identity, content) VALUES (?1, ?2, ?3, ?4)
                          ON CONFLICT DO NOTHING";
            change.execute_each(insert, &rows).map_err(failed)?;
            noted.clear();
            Ok(())
        };
        let mut noted = Vec::with_capacity(TOGETHER);
        now.visit(|digest| {
            noted.push((digest.identity, digest.content));
            if noted.len() == TOGETHER { insert(&mut noted) } else { Ok(()) }
        })?;
        insert(&mut noted)?;
        let keep = "INSERT INTO synced (sync, generation, identity, content)
                    SELECT sync, CAST(?3 AS BIGINT), identity, content FROM synced
                    WHERE sync = ?1 AND generation = ?2 AND identity = ?4
                    ON CONFLICT DO NOTHING";
        for past in past.chunks(TOGETHER) {
            let rows: Vec<[&dyn ToSql; 4]> = past
                .iter()
                .map(|digest| [&self.id as _, &self.generation as _, &next as _, &digest.identity as _])
                .collect();
            change.execute_each(keep, &rows).map_err(failed)?;
        }
        change.commit().map_err(failed)
    }

    /// Makes what was noted what the next sync compares with; `held_of` as a sync that may remove leaves it.
    pub(crate) fn commit(&self, held_of: Option<u64>) -> Result<()> {
        let held_of = held_of.map(|count| i64::try_from(count).unwrap_or(i64::MAX));
        let run = || {
            let db = self.journal.writing()?;
            let change = db.started();
            let next = self.generation + 1;
            change.execute(
                "UPDATE syncs SET generation = ?2, held_of = ?3 WHERE id = ?1",
                params![self.id, next, held_of],
            )?;
            change.execute("DELETE FROM synced WHERE sync = ?1 AND generation <> ?2", [self.id, next])?;
            change.commit()
        };
        run().map_err(|error| self.journal.failed(error))
    }
}
