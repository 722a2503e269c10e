//! The table `creations`: each record that is sent, before and after its answer.

use crate::engine::crash;
use crate::engine::journal::chunks::Held;
use crate::engine::journal::content::Content;
use crate::engine::journal::jobs::Job;
use crate::engine::journal::parts;
use crate::error::Result;
use keyferry_api::item::ItemDraft;
use keyferry_sql::{self as sql, Connection, ToSql, params};
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// `SHA-256(keyEncrypted)`: which creation an item came from.
pub(crate) type WrappedKeyHash = [u8; 32];

/// The wrap of a record key; `None` where nothing is encrypted, as then nothing tells twins apart.
pub(crate) fn wrapped_key_hash(key_encrypted: Option<&str>) -> Option<WrappedKeyHash> {
    key_encrypted.filter(|key| !key.is_empty()).map(|key| Sha256::digest(key).into())
}

/// What a record will be known by, and where it is to stand.
pub(crate) struct Intent<'d> {
    vault: &'d str,
    folder: &'d str,
    wrap: Vec<u8>,
    digest: Option<[u8; 32]>,
    parts: Option<Vec<u8>>,
}

/// A record that a job made.
pub(crate) struct Created {
    pub item: String,
    /// `None` where the job has no key.
    pub digest: Option<Vec<u8>>,
}

impl Job {
    /// Before records are sent: what they will be known by. Answers their numbers.
    pub(crate) fn intend(&self, drafts: &[ItemDraft]) -> Result<Vec<i64>> {
        crash::point("before intent");
        let intents = self.intents(drafts);
        let numbers = self.change(|db| self.insert_intents(db, &intents))?;
        crash::point("after intent");
        Ok(numbers)
    }

    /// What records will be known by; computed before the journal is asked for, which others wait for as well.
    pub(crate) fn intents<'d>(&self, drafts: &'d [ItemDraft]) -> Vec<Intent<'d>> {
        let intent = |draft: &'d ItemDraft| Intent {
            vault: draft.vault_id.as_deref().unwrap_or_default(),
            folder: draft.folder_id.as_deref().unwrap_or_default(),
            wrap: wrapped_key_hash(draft.key_encrypted.as_deref()).map(Vec::from).unwrap_or_default(),
            digest: self.digest_of_draft(draft),
            parts: parts::of_draft(draft),
        };
        drafts.par_iter().map(intent).collect()
    }

    /// Writes down what records will be known by; their numbers.
    pub(crate) fn insert_intents(&self, db: &Connection, intents: &[Intent<'_>]) -> sql::Result<Vec<i64>> {
        let sent = self.now();
        let job = self.id();
        let places: BTreeSet<(&str, &str)> = intents.iter().map(|one| (one.vault, one.folder)).collect();
        let places: Vec<[&dyn ToSql; 3]> =
            places.iter().map(|(vault, folder)| [&job as _, vault as _, folder as _]).collect();
        db.execute_each(
            "INSERT INTO written_to (job, vault, folder) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
            &places,
        )?;
        let rows: Vec<[&dyn ToSql; 5]> = intents
            .iter()
            .map(|Intent { wrap, digest, parts, .. }| {
                [&job as _, &sent as _, wrap as _, digest as _, parts as _]
            })
            .collect();
        let insert = "INSERT INTO creations (job, sent, wrap, print, parts) VALUES (?1, ?2, ?3, ?4, ?5)";
        db.insert_each(insert, "seq", &rows)
    }

    /// After an answer, or after looking: the items that came of intents; `None`: nothing did.
    pub(crate) fn settle(&self, outcomes: &[(i64, Option<&str>)]) -> Result<()> {
        if outcomes.is_empty() {
            return Ok(());
        }
        crash::point("before outcome");
        let rows: Vec<[&dyn ToSql; 2]> =
            outcomes.iter().map(|(number, item)| [number as _, item as _]).collect();
        self.change(|db| db.execute_each("UPDATE creations SET item = ?2, open = 0 WHERE seq = ?1", &rows))?;
        crash::point("after outcome");
        Ok(())
    }

    /// Creations whose answer never came: wrap to number. Those without a wrap are left out.
    pub(crate) fn open_creations(&self) -> Result<HashMap<WrappedKeyHash, i64>> {
        let rows = self.read("SELECT wrap, seq FROM creations WHERE job = ?1 AND open = 1", |row| {
            Ok((row.get::<Vec<u8>>(0)?, row.get(1)?))
        })?;
        Ok(rows.into_iter().filter_map(|(wrap, number)| Some((wrap.try_into().ok()?, number))).collect())
    }

    /// Which of these marks and digests are those of a record that the job sent.
    pub(crate) fn own_among(
        &self,
        digests: &HashMap<WrappedKeyHash, [u8; 32]>,
    ) -> Result<HashSet<WrappedKeyHash>> {
        let mut own = HashSet::new();
        if digests.is_empty() {
            return Ok(own);
        }
        self.journal().look(|db| {
            let mut query =
                db.prepare_cached("SELECT wrap, print FROM creations WHERE job = ?1 AND print IS NOT NULL")?;
            let mut rows = query.query([self.id()])?;
            while let Some(row) = rows.next()? {
                let (wrap, digest): (Vec<u8>, Vec<u8>) = (row.get(0)?, row.get(1)?);
                if let Ok(wrap) = WrappedKeyHash::try_from(wrap)
                    && digests.get(&wrap).is_some_and(|known| known[..] == digest)
                {
                    own.insert(wrap);
                }
            }
            Ok(())
        })?;
        Ok(own)
    }

    /// Before records are sent once more. False, and nothing written down, where a worker has lost their chunk meanwhile: what
    /// it sends would be settled by nobody.
    pub(crate) fn intend_again(&self, numbers: &[i64], held: Option<Held>) -> Result<bool> {
        let sent = self.now();
        let rows: Vec<[&dyn ToSql; 2]> = numbers.iter().map(|number| [number as _, &sent as _]).collect();
        // What another worker has settled meanwhile stays so.
        let again = "UPDATE creations SET sent = ?2, open = 1 WHERE seq = ?1 AND item IS NULL";
        self.change(|db| {
            let counts = held.map_or(Ok(true), |held| held.counts(db))?;
            if counts {
                db.execute_each(again, &rows)?;
            }
            Ok(counts)
        })
    }

    /// Whether something was sent of which nothing was seen to come.
    pub(crate) fn has_sent_in_vain(&self) -> Result<bool> {
        let sql = "SELECT 1 FROM creations WHERE job = ?1 AND item IS NULL AND open = 0 LIMIT 1";
        Ok(!self.read(sql, |_| Ok(()))?.is_empty())
    }

    /// Items that turned up, by id, with what they are known by: those that the job had sent are its own. Answers their ids.
    pub(crate) fn adopt(&self, found: &HashMap<String, WrappedKeyHash>) -> Result<HashSet<String>> {
        if found.is_empty() {
            return Ok(HashSet::new());
        }
        // In one order for all workers who find the same ones, so that none waits for another in a circle.
        let found: BTreeMap<_, _> = found.iter().map(|(id, wrap)| (wrap, id)).collect();
        self.change(|db| {
            let mut update = db.prepare_cached(
                "UPDATE creations SET item = ?3, open = 0 WHERE job = ?1 AND wrap = ?2 AND item IS NULL",
            )?;
            let mut own = HashSet::new();
            for (wrap, id) in &found {
                if update.execute(params![self.id(), &wrap[..], id])? > 0 {
                    own.insert((*id).clone());
                }
            }
            Ok(own)
        })
    }

    /// Every item that the job is known to have made.
    pub(crate) fn created(&self) -> Result<Vec<Created>> {
        self.read(
            "SELECT item, print FROM creations WHERE job = ?1 AND item IS NOT NULL ORDER BY seq",
            |row| Ok(Created { item: row.get(0)?, digest: row.get(1)? }),
        )
    }

    /// Their ids alone.
    pub(crate) fn created_ids(&self) -> Result<HashSet<String>> {
        let ids =
            self.read("SELECT item FROM creations WHERE job = ?1 AND item IS NOT NULL", |row| row.get(0))?;
        Ok(ids.into_iter().collect())
    }

    pub(crate) fn digest_of_draft(&self, draft: &ItemDraft) -> Option<[u8; 32]> {
        self.key().map(|key| key.digest(&Content::of_draft(draft)))
    }
}
