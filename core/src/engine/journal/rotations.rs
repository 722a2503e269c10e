//! What the journal knows of secrets that are being changed at their targets: enough to finish, or to go
//! back, after a crash at any moment.
//!
//! Between a target and the environment a new secret stands nowhere but here, sealed under the job's key,
//! which only the user can unwrap. Both secrets are taken out as soon as the rotation has ended.

use crate::engine::crash;
use crate::engine::journal::Job;
use crate::error::{Error, ErrorKind, Result};
use crate::secret::SecretString;
use keyferry_sql::params;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use zeroize::Zeroizing;

/// The secret that worked, and the one that takes its place.
#[derive(Clone, Debug)]
pub struct Secrets {
    /// What the environment held at first.
    pub old: SecretString,
    /// What it is to hold.
    pub new: SecretString,
}

/// A rotation as the journal knows it.
#[derive(Debug)]
pub struct Rotating {
    /// Its number in the journal.
    pub number: i64,
    /// The record's id.
    pub item: String,
    /// How messages name it.
    pub record: String,
    /// The target's address, without secrets.
    pub target: String,
    /// Whose secret it is there.
    pub login: String,
    /// Both secrets; `None` once it has ended, and where the job has no key to seal with.
    pub secrets: Option<Secrets>,
    /// Whether the new secret may have been sent to the target.
    pub sent: bool,
    /// When the new secret was sent to the environment, in Unix seconds.
    pub stored: Option<i64>,
    /// How it ended; `None` while it is open.
    pub outcome: Option<String>,
}

/// How the secrets are written before they are sealed.
#[derive(Deserialize, Serialize)]
struct Written<'a> {
    old: std::borrow::Cow<'a, str>,
    new: std::borrow::Cow<'a, str>,
}

impl Job {
    /// Whether secrets can be kept in the journal: the user has a key to seal them with.
    #[must_use]
    pub fn can_seal(&self) -> bool {
        self.key().is_some()
    }

    /// How long a request may have an effect after it was sent.
    #[must_use]
    pub fn request_outlives(&self) -> Duration {
        self.request_timeout()
    }

    /// Before a secret is set at its target. Answers the rotation's number.
    pub fn intend_rotation(
        &self,
        (item, record): (&str, &str),
        (target, login): (&str, &str),
        secrets: &Secrets,
    ) -> Result<i64> {
        crash::point("before rotation intent");
        let sealed = self.key().map(|key| {
            let written = Written { old: secrets.old.expose().into(), new: secrets.new.expose().into() };
            let json = serde_json::to_vec(&written).map(Zeroizing::new).map_err(|_| not_sealed())?;
            key.seal_bytes(&bound_to(item), &json).map_err(|_| not_sealed())
        });
        let sealed = sealed.transpose()?;
        let number = self.change(|db| {
            db.insert(
                "INSERT INTO rotations (job, item, record, target, login, secrets, sent)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0)",
                "seq",
                params![self.id(), item, record, target, login, sealed],
            )
        })?;
        crash::point("after rotation intent");
        Ok(number)
    }

    /// Before the new secret is sent to the target: from now on it may work there.
    pub fn send_rotation(&self, number: i64) -> Result<()> {
        self.change(|db| db.execute("UPDATE rotations SET sent = 1 WHERE seq = ?1", [number]).map(drop))
    }

    /// Before the new secret is sent to the environment: from now on it may be there.
    pub fn store_rotation(&self, number: i64) -> Result<()> {
        self.change(|db| {
            db.execute("UPDATE rotations SET stored = ?2 WHERE seq = ?1", params![number, self.now()])
                .map(drop)
        })
    }

    /// After it ended: the secrets leave the journal.
    pub fn end_rotation(&self, number: i64, outcome: &str) -> Result<()> {
        crash::point("before rotation outcome");
        self.change(|db| {
            db.execute(
                "UPDATE rotations SET outcome = ?2, secrets = NULL WHERE seq = ?1",
                params![number, outcome],
            )
            .map(drop)
        })?;
        crash::point("after rotation outcome");
        Ok(())
    }

    /// Every rotation of the job, in the order in which they began.
    pub fn rotations(&self) -> Result<Vec<Rotating>> {
        let rows = self.read(
            "SELECT seq, item, record, target, login, secrets, stored, outcome, sent
             FROM rotations WHERE job = ?1 ORDER BY seq",
            |row| {
                let sealed: Option<Vec<u8>> = row.get(5)?;
                let known = Rotating {
                    number: row.get(0)?,
                    item: row.get(1)?,
                    record: row.get(2)?,
                    target: row.get(3)?,
                    login: row.get(4)?,
                    secrets: None,
                    sent: row.get(8)?,
                    stored: row.get(6)?,
                    outcome: row.get(7)?,
                };
                Ok((known, sealed))
            },
        )?;
        rows.into_iter()
            .map(|(mut known, sealed)| {
                if let (Some(sealed), Some(key)) = (sealed, self.key()) {
                    let json = key.open_bytes(&bound_to(&known.item), &sealed).ok_or_else(damaged)?;
                    let written: Written<'_> = serde_json::from_slice(&json).map_err(|_| damaged())?;
                    let secret = |text: std::borrow::Cow<'_, str>| SecretString::new(text.into_owned());
                    known.secrets = Some(Secrets { old: secret(written.old), new: secret(written.new) });
                }
                Ok(known)
            })
            .collect()
    }
}

/// What ties sealed secrets to their record, and tells them from a sealed item.
fn bound_to(item: &str) -> Vec<u8> {
    format!("rotation {item}").into_bytes()
}

fn not_sealed() -> Error {
    Error::new(ErrorKind::Internal, "secrets could not be sealed")
}

fn damaged() -> Error {
    Error::new(ErrorKind::Decrypt, "the secrets of a rotation are damaged in the journal")
}
