//! The tables `places`, vaults and folders that a job made, and `written_to`, those that it sends records to.

use crate::engine::crash;
use crate::engine::environment::is_encrypted;
use crate::engine::journal::jobs::Job;
use crate::error::Result;
use keyferry_api::folder::Folder;
use keyferry_api::vault::Vault;
use keyferry_sql::params;

/// A vault (where `folder` is `None`) or folder that a job made.
pub(crate) struct Made {
    pub vault: String,
    pub folder: Option<String>,
}

/// A vault or folder as it is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Intended {
    Vault {
        name: String,
        /// Of its key, where it has one: no other vault has the same.
        key_hash: Option<String>,
    },
    Folder {
        name: String,
        vault: String,
        parent: Option<String>,
    },
}

impl Intended {
    /// Whether `vault` is what was asked for. A key's hash is random, so it tells; without a key the name has to do, which
    /// was free before.
    pub(crate) fn is_vault(&self, vault: &Vault) -> bool {
        match self {
            Self::Vault { key_hash: Some(hash), .. } => vault.master_key_hash.as_ref() == Some(hash),
            Self::Vault { name, key_hash: None } => vault.name == *name && !is_encrypted(vault),
            Self::Folder { .. } => false,
        }
    }

    /// Whether `folder`, of the same vault, is what was asked for.
    pub(crate) fn is_folder(&self, folder: &Folder) -> bool {
        matches!(self, Self::Folder { name, parent, .. }
            if folder.name == *name && folder.parent_folder_id == *parent)
    }
}

/// A folder that a job sent records to, or the place outside folders.
pub(crate) struct WrittenTo {
    pub vault: String,
    pub folder: Option<String>,
}

impl Job {
    /// Before a vault or folder is made.
    pub(crate) fn intend_place(&self, what: &Intended) -> Result<i64> {
        crash::point("before place intent");
        let (kind, name, vault, parent, key_hash) = match what {
            Intended::Vault { name, key_hash } => ("vault", name, None, None, key_hash.as_ref()),
            Intended::Folder { name, vault, parent } => ("folder", name, Some(vault), parent.as_ref(), None),
        };
        let number = self.change(|db| {
            db.insert(
                "INSERT INTO places (job, sent, kind, name, at_vault, at_folder, key_hash)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                "seq",
                params![self.id(), self.now(), kind, name, vault, parent, key_hash],
            )
        })?;
        crash::point("after place intent");
        Ok(number)
    }

    /// After it was made.
    pub(crate) fn place_made(&self, number: i64, vault: &str, folder: Option<&str>) -> Result<()> {
        crash::point("before place outcome");
        self.change(|db| {
            db.execute(
                "UPDATE places SET vault = ?2, folder = ?3, open = 0 WHERE seq = ?1",
                params![number, vault, folder],
            )
            .map(drop)
        })?;
        crash::point("after place outcome");
        Ok(())
    }

    /// After another run was found to have made it: it is not this job's to take back.
    pub(crate) fn place_was_there(&self, number: i64) -> Result<()> {
        self.change(|db| db.execute("DELETE FROM places WHERE seq = ?1", [number]).map(drop))
    }

    /// Vaults and folders that were asked for, and of which no answer was written down: a run ended there. Those of versions
    /// that did not write down what was asked for are not among them.
    pub(crate) fn unanswered_places(&self) -> Result<Vec<(i64, Intended)>> {
        let sql = "SELECT seq, kind, name, at_vault, at_folder, key_hash FROM places
                   WHERE job = ?1 AND vault IS NULL AND name IS NOT NULL ORDER BY seq";
        self.read(sql, |row| {
            let name = row.get(2)?;
            let what = match row.get::<Option<String>>(3)? {
                Some(vault) => Intended::Folder { name, vault, parent: row.get(4)? },
                None => Intended::Vault { name, key_hash: row.get(5)? },
            };
            Ok((row.get(0)?, what))
        })
    }

    /// Where the job sent records to; `None` where that was not written down, as older versions did not do it.
    pub(crate) fn written_to(&self) -> Result<Option<Vec<WrittenTo>>> {
        let places = self.read("SELECT vault, folder FROM written_to WHERE job = ?1", |row| {
            let folder = row.get::<String>(1)?;
            Ok(WrittenTo { vault: row.get(0)?, folder: Some(folder).filter(|folder| !folder.is_empty()) })
        })?;
        if places.is_empty()
            && self.read("SELECT 1 FROM creations WHERE job = ?1 LIMIT 1", |_| Ok(()))?.len() == 1
        {
            return Ok(None);
        }
        Ok(Some(places))
    }

    /// Vaults and folders that the job made, the newest first, so that a child comes before its parent.
    pub(crate) fn places(&self) -> Result<Vec<Made>> {
        self.read(
            "SELECT vault, folder FROM places WHERE job = ?1 AND vault IS NOT NULL ORDER BY seq DESC",
            |row| Ok(Made { vault: row.get(0)?, folder: row.get(1)? }),
        )
    }
}
