//! The tables `places`, vaults and folders that a job made, and `written_to`, those that it sends records to.

use crate::engine::crash;
use crate::engine::journal::jobs::Job;
use crate::engine::journal::now;
use crate::error::Result;
use rusqlite::params;

/// A vault (where `folder` is `None`) or folder that a job made.
pub(crate) struct Made {
    pub vault: String,
    pub folder: Option<String>,
}

/// A folder that a job sent records to, or the place outside folders.
pub(crate) struct WrittenTo {
    pub vault: String,
    pub folder: Option<String>,
}

impl Job {
    /// Before a vault or folder is made.
    pub(crate) fn intend_place(&self, kind: &'static str) -> Result<i64> {
        crash::point("before place intent");
        let number = self.change(|db| {
            db.execute(
                "INSERT INTO places (job, sent, kind) VALUES (?1, ?2, ?3)",
                params![self.id(), now(), kind],
            )?;
            Ok(db.last_insert_rowid())
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

    /// Where the job sent records to; `None` where that was not written down, as older versions did not do it.
    pub(crate) fn written_to(&self) -> Result<Option<Vec<WrittenTo>>> {
        let places = self.read("SELECT vault, folder FROM written_to WHERE job = ?1", |row| {
            let folder = row.get::<_, String>(1)?;
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
