//! The table `grants`: groups, memberships, rights and shortcuts that a job made, each before and after its answer.

use crate::engine::crash;
use crate::engine::journal::jobs::Job;
use crate::error::Result;
use keyferry_sql::params;

/// What was made. The words are the table's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GrantKind {
    /// A group; its holder is its name.
    Group,
    /// A user in a group: target and holder.
    Member,
    /// A user's role in a vault.
    VaultUser,
    /// A group's role in a vault.
    VaultGroup,
    /// A user's role in a folder.
    FolderUser,
    /// A group's role in a folder.
    FolderGroup,
    /// A shortcut in the target to the holder.
    Shortcut,
}

impl GrantKind {
    const ALL: [(Self, &'static str); 7] = [
        (Self::Group, "group"),
        (Self::Member, "member"),
        (Self::VaultUser, "vault-user"),
        (Self::VaultGroup, "vault-group"),
        (Self::FolderUser, "folder-user"),
        (Self::FolderGroup, "folder-group"),
        (Self::Shortcut, "shortcut"),
    ];

    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("", |(_, word)| word)
    }

    fn of(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == word).map(|(kind, _)| *kind)
    }
}

/// A row.
#[derive(Clone, Debug)]
pub(crate) struct GrantMade {
    pub kind: GrantKind,
    pub target: String,
    pub holder: String,
    /// A role's word, or nothing.
    pub role: String,
    /// The id of what was made, where it has one and an answer came.
    pub made: Option<String>,
}

impl Job {
    /// Before one is made.
    pub(crate) fn intend_grant(
        &self,
        kind: GrantKind,
        target: &str,
        holder: &str,
        role: &str,
    ) -> Result<i64> {
        crash::point("before grant intent");
        let number = self.change(|db| {
            // Whoever asks again has looked: the one before had no effect.
            db.execute(
                "DELETE FROM grants WHERE job = ?1 AND kind = ?2 AND target = ?3 AND holder = ?4 AND open = 1",
                params![self.id(), kind.word(), target, holder],
            )?;
            db.insert(
                "INSERT INTO grants (job, sent, kind, target, holder, role) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                "seq",
                params![self.id(), self.now(), kind.word(), target, holder, role],
            )
        })?;
        crash::point("after grant intent");
        Ok(number)
    }

    /// After it was made; with its id, where it has one.
    pub(crate) fn grant_made(&self, number: i64, made: Option<&str>) -> Result<()> {
        crash::point("before grant outcome");
        self.change(|db| {
            db.execute("UPDATE grants SET made = ?2, open = 0 WHERE seq = ?1", params![number, made])
                .map(drop)
        })?;
        crash::point("after grant outcome");
        Ok(())
    }

    /// After it was refused: there is nothing to take back.
    pub(crate) fn grant_refused(&self, number: i64) -> Result<()> {
        self.change(|db| db.execute("DELETE FROM grants WHERE seq = ?1", [number]).map(drop))
    }

    /// A group of this name whose making was never answered turned out to be this one.
    pub(crate) fn found_group(&self, name: &str, id: &str) -> Result<()> {
        self.change(|db| {
            db.execute(
                "UPDATE grants SET made = ?3, open = 0
                 WHERE job = ?1 AND kind = 'group' AND holder = ?2 AND open = 1",
                params![self.id(), name, id],
            )
            .map(drop)
        })
    }

    /// Everything that was made or may have been, the newest first.
    pub(crate) fn grants(&self) -> Result<Vec<GrantMade>> {
        let rows = self.read(
            "SELECT kind, target, holder, role, made FROM grants WHERE job = ?1 ORDER BY seq DESC",
            |row| {
                let kind: String = row.get(0)?;
                let (target, holder) = (row.get(1)?, row.get(2)?);
                Ok((GrantKind::of(&kind), target, holder, row.get(3)?, row.get(4)?))
            },
        )?;
        let made = rows.into_iter().filter_map(|(kind, target, holder, role, made)| {
            Some(GrantMade { kind: kind?, target, holder, role, made })
        });
        Ok(made.collect())
    }
}
