//! The table `pins`: other users' public keys, as they were first seen.

use crate::crypto::keychain::PublicKey;
use crate::engine::journal::Journal;
use crate::error::{Error, ErrorKind, Result};
use rusqlite::params;

impl Journal {
    /// Makes sure that another user's public key is the one that was seen first. What is encrypted for
    /// a key that a server put in its place, the server can read.
    ///
    /// # Errors
    /// [`ErrorKind::NotAllowed`] where it is another.
    pub fn pin(&self, place: &str, user: &str, key: &PublicKey) -> Result<()> {
        let fingerprint = key.fingerprint()?;
        let pin = || {
            let db = self.db();
            db.execute(
                "INSERT OR IGNORE INTO pins (place, user, fingerprint) VALUES (?1, ?2, ?3)",
                params![place, user, fingerprint],
            )?;
            db.query_row(
                "SELECT fingerprint FROM pins WHERE place = ?1 AND user = ?2",
                [place, user],
                |row| row.get::<_, [u8; 32]>(0),
            )
        };
        let pinned = pin().map_err(|error| self.failed(error))?;
        if pinned == fingerprint {
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

    /// Forgets another user's public key: the next one that is seen will be believed. Says whether
    /// there was any.
    pub fn unpin(&self, place: &str, user: &str) -> Result<bool> {
        let gone = self.db().execute("DELETE FROM pins WHERE place = ?1 AND user = ?2", [place, user]);
        gone.map(|gone| gone > 0).map_err(|error| self.failed(error))
    }
}
