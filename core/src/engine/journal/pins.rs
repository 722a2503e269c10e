//! The table `pins`: what was seen first and must not change unasked. Other users' public keys, vault keys, and that an
//! environment encrypts at all.

use crate::crypto::keychain::{PublicKey, vault_key_pin};
use crate::engine::environment::pins::Pins;
use crate::engine::journal::Journal;
use crate::error::{Error, ErrorKind, Result};
use crate::secret::SecretString;
use rusqlite::{OptionalExtension as _, params};

/// Pinned of an environment whose user had keys.
const ENCRYPTION: &str = "encryption";

impl Journal {
    /// Makes sure that another user's public key is the one that was seen first. What is encrypted for
    /// a key that a server put in its place, the server can read.
    ///
    /// # Errors
    /// [`ErrorKind::NotAllowed`] where it is another.
    pub fn pin(&self, place: &str, user: &str, key: &PublicKey) -> Result<()> {
        if self.pin_first(place, user, &key.fingerprint()?)? {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::NotAllowed,
            format!("the public key of user {user} of {place} is not the one that was seen before"),
        )
        .next_step(format!(
            "ask that user over another way whether the key was changed; if so: keyferry env unpin {place} {user}"
        )))
    }

    /// Pins what is seen for the first time; whether it is what was seen first.
    fn pin_first(&self, place: &str, subject: &str, digest: &[u8; 32]) -> Result<bool> {
        self.db()
            .execute(
                "INSERT OR IGNORE INTO pins (place, user, fingerprint) VALUES (?1, ?2, ?3)",
                params![place, subject, digest],
            )
            .map_err(|error| self.failed(error))?;
        Ok(self.pinned(place, subject)?.as_ref() == Some(digest))
    }

    fn pinned(&self, place: &str, subject: &str) -> Result<Option<[u8; 32]>> {
        let row = self
            .db()
            .query_row(
                "SELECT fingerprint FROM pins WHERE place = ?1 AND user = ?2",
                [place, subject],
                |row| row.get(0),
            )
            .optional();
        row.map_err(|error| self.failed(error))
    }

    /// Forgets another user's public key, `vault:ID` or `encryption`: what is seen next will be believed. Says whether
    /// there was any.
    pub fn unpin(&self, place: &str, subject: &str) -> Result<bool> {
        let gone = self.db().execute("DELETE FROM pins WHERE place = ?1 AND user = ?2", [place, subject]);
        gone.map(|gone| gone > 0).map_err(|error| self.failed(error))
    }
}

impl Pins for Journal {
    fn pin_vault(&self, place: &str, vault: &str, key: Option<&SecretString>) -> Result<()> {
        let subject = format!("vault:{vault}");
        let what = match key {
            Some(key) if self.pin_first(place, &subject, &vault_key_pin(key, vault))? => return Ok(()),
            Some(_) => "is not the one that was seen before",
            None if self.pinned(place, &subject)?.is_none() => return Ok(()),
            None => "was there before, and is gone by the word of the server",
        };
        Err(Error::new(ErrorKind::NotAllowed, format!("the key of vault {vault} of {place} {what}")).next_step(
            format!("ask the vault's administrator over another way; if it was changed: keyferry env unpin {place} {subject}"),
        ))
    }

    fn knows_vault(&self, place: &str, vault: &str) -> Result<bool> {
        self.pinned(place, &format!("vault:{vault}")).map(|pinned| pinned.is_some())
    }

    fn pin_encryption(&self, place: &str, encrypts: bool) -> Result<()> {
        if encrypts {
            return self.pin_first(place, ENCRYPTION, &[1; 32]).map(drop);
        }
        if self.pinned(place, ENCRYPTION)?.is_none() {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::NotAllowed,
            format!("{place} encrypted before, and says now that its user has no keys: what is written, its server could read"),
        )
        .next_step(format!(
            "ask its administrator over another way; if encryption was given up: keyferry env unpin {place} {ENCRYPTION}"
        )))
    }
}
