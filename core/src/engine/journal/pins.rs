//! The table `pins`: what was seen first and must not change unasked; see [`environment::pins`](crate::engine::environment::pins).

use crate::engine::environment::pins::{Digest, Pins, Written};
use crate::engine::journal::Journal;
use crate::error::Result;
use keyferry_sql::{self as sql, Begin, Optional as _, ToSql, params};
use std::collections::{HashMap, HashSet};

impl Journal {
    /// Forgets a subject: what is seen next will be believed. Of a vault it forgets its names as well. Says whether there
    /// was anything.
    pub fn unpin(&self, place: &str, subject: &str) -> Result<bool> {
        let names = subject.strip_prefix("vault:").map(|id| format!("name:{id}:"));
        let gone = self.change(|db| {
            db.execute(
                "DELETE FROM pins WHERE place = ?1 AND (\"user\" = ?2 OR substr(\"user\", 1, length(?3)) = ?3)",
                params![place, subject, names],
            )
        })?;
        Ok(gone > 0)
    }

    /// Forgets all of an environment: another is made in its place.
    pub fn unpin_all(&self, place: &str) -> Result<()> {
        self.change(|db| db.execute("DELETE FROM pins WHERE place = ?1", [place]).map(drop))
    }

    /// Every pin of an environment: subject and digest.
    pub fn pins(&self, place: &str) -> Result<Vec<(String, Digest)>> {
        self.look(|db| {
            let mut query = db.prepare_cached(
                "SELECT \"user\", fingerprint FROM pins WHERE place = ?1 ORDER BY \"user\"",
            )?;
            let rows = query.query_map([place], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<sql::Result<Vec<_>>>()
        })
    }
}

impl Pins for Journal {
    fn all(&self, place: &str, beginning: &str) -> Result<Vec<(String, Digest)>> {
        let mut all = self.pins(place)?;
        all.retain(|(subject, _)| subject.starts_with(beginning));
        Ok(all)
    }

    fn written(&self, items: &[&str]) -> Result<HashMap<String, Written>> {
        let rows: Vec<[&dyn ToSql; 1]> = items.iter().map(|item| [item as _]).collect();
        let found = self.look(|db| {
            // One transaction: outside of one each question would lock the file and look at its state anew.
            let reading = db.transaction(Begin::Reading)?;
            let query = "SELECT wrap, parts FROM creations WHERE item = ?1";
            reading.find_each(query, &rows, |row| Ok((row.get::<Vec<u8>>(0)?, row.get(1)?)))
        })?;
        let known = items.iter().zip(found).filter_map(|(item, found)| {
            let (key, parts) = found?;
            Some(((*item).to_owned(), Written { key: key.try_into().ok()?, parts }))
        });
        Ok(known.collect())
    }

    fn written_with(&self, keys: &HashSet<Digest>) -> Result<HashMap<Digest, String>> {
        let keys: Vec<(&[u8], &Digest)> = keys.iter().map(|key| (&key[..8], key)).collect();
        let rows: Vec<[&dyn ToSql; 2]> =
            keys.iter().map(|(beginning, key)| [beginning as _, *key as _]).collect();
        let found: Vec<Option<String>> = self.look(|db| {
            let reading = db.transaction(Begin::Reading)?;
            let query =
                "SELECT item FROM creations WHERE substr(wrap, 1, 8) = ?1 AND wrap = ?2 AND item IS NOT NULL";
            reading.find_each(query, &rows, |row| row.get(0))
        })?;
        Ok(keys.iter().zip(found).filter_map(|((_, key), item)| Some((**key, item?))).collect())
    }

    fn pinned(&self, place: &str, subject: &str) -> Result<Option<Digest>> {
        self.look(|db| {
            let mut query =
                db.prepare_cached("SELECT fingerprint FROM pins WHERE place = ?1 AND \"user\" = ?2")?;
            query.query_row([place, subject], |row| row.get(0)).optional()
        })
    }

    fn pin(&self, place: &str, subjects: &[(String, Digest)]) -> Result<()> {
        let rows: Vec<[&dyn ToSql; 3]> =
            subjects.iter().map(|(subject, digest)| [&place as _, subject as _, digest as _]).collect();
        let pin = "INSERT INTO pins (place, \"user\", fingerprint) VALUES (?1, ?2, ?3)
                   ON CONFLICT (place, \"user\") DO UPDATE SET fingerprint = excluded.fingerprint";
        self.change(|db| db.execute_each(pin, &rows).map(drop))
    }

    fn subjects(&self, place: &str, beginning: &str, digest: &Digest) -> Result<Vec<String>> {
        self.look(|db| {
            let mut query = db.prepare_cached(
                "SELECT \"user\" FROM pins
                 WHERE place = ?1 AND substr(\"user\", 1, length(?2)) = ?2 AND fingerprint = ?3",
            )?;
            let rows = query.query_map(params![place, beginning, digest], |row| row.get(0))?;
            rows.collect::<sql::Result<Vec<String>>>()
        })
    }
}
