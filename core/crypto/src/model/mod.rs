//! What moves: records, where they stand, and what they hold.

pub mod escapes;
pub mod visible;

use crate::error::Position;
use crate::secret::{SecretBytes, SecretString};
use serde::Serialize;
use std::fmt;

/// One secret item, decrypted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Where it stands.
    pub path: RecordPath,
    /// What people call it; may repeat.
    pub name: String,
    /// Empty where there is none.
    pub login: String,
    /// `None` differs from an empty password: the first was never set.
    pub password: Option<SecretString>,
    /// Empty where there is none.
    pub url: String,
    /// Notes; may have many lines.
    pub description: String,
    /// In order.
    pub tags: Vec<String>,
    /// Passwork's number of a color; `None` for no color.
    pub color: Option<i64>,
    /// The user's own mark.
    pub favorite: bool,
    /// In order; names may repeat and be empty.
    pub customs: Vec<Custom>,
    /// In order; names may repeat.
    pub attachments: Vec<Attachment>,
    /// When it was made where it was read from, in Unix seconds, where that is known. It does not move along.
    pub created_at: Option<i64>,
    /// When anything of it was last changed where it was read from, in Unix seconds; many files and some servers do not
    /// tell. It does not move along.
    pub changed_at: Option<i64>,
    /// Where else it stands in its source: an environment has one place for each record, JSON lines keep them all.
    pub also_in: Vec<RecordPath>,
    /// Passwords that it had before, in the source's order. Environments keep a history of their own making; JSON lines
    /// keep this one.
    pub history: Vec<Earlier>,
    /// The record key of a record that is carried sealed: password, custom fields and attachments
    /// hold ciphertext under this key, as it stands on the wire. `None`: everything is plaintext.
    pub sealed_under: Option<SecretString>,
}

impl Record {
    /// Path and name, for messages: `Infra / Databases / pg-main`.
    #[must_use]
    pub fn label(&self) -> String {
        let path = self.path.to_string();
        if path.is_empty() { self.name.clone() } else { format!("{path} / {}", self.name) }
    }

    /// The bytes of content it holds, about: what batches and queues are limited by.
    #[must_use]
    pub fn weight(&self) -> usize {
        let text = |text: &str| text.len();
        let secret = |text: &SecretString| text.expose().len();
        256 + text(&self.name)
            + text(&self.login)
            + self.password.as_ref().map_or(0, secret)
            + text(&self.url)
            + text(&self.description)
            + self.tags.iter().map(std::string::String::len).sum::<usize>()
            + self.customs.iter().map(|custom| custom.name.len() + secret(&custom.value)).sum::<usize>()
            + self.attachments.iter().map(|attachment| attachment.content.len()).sum::<usize>()
            + self.history.iter().map(|earlier| secret(&earlier.password)).sum::<usize>()
    }
}

/// Vault and folders of a record. Names are kept apart: each may hold any character, `/` too.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordPath {
    /// The vault; `None` where the source names none.
    pub vault: Option<String>,
    /// From the top folder down.
    pub folders: Vec<String>,
}

impl RecordPath {
    /// Where records go that name neither vault nor folder.
    pub const DEFAULT_VAULT: &str = "Imported";

    /// `Vault/folder/folder`, as users type it; see [`RecordPath::names`].
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self::names(text).into_iter().collect()
    }

    /// The names of a path as users type it, [escaped](escapes). Empty ones are left out.
    #[must_use]
    pub fn names(text: &str) -> Vec<String> {
        let mut names = Vec::new();
        let mut rest = Some(text);
        while let Some(text) = rest {
            let (name, after) = escapes::split(text, '/');
            if !name.is_empty() {
                names.push(escapes::unescaped(name));
            }
            rest = after;
        }
        names
    }
}

impl FromIterator<String> for RecordPath {
    /// The vault first, then the folders from the top down.
    fn from_iter<I: IntoIterator<Item = String>>(names: I) -> Self {
        let mut names = names.into_iter();
        Self { vault: names.next(), folders: names.collect() }
    }
}

impl fmt::Display for RecordPath {
    /// For people: names joined by ` / `.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut gap = "";
        for name in self.vault.iter().chain(&self.folders) {
            write!(f, "{gap}{name}")?;
            gap = " / ";
        }
        Ok(())
    }
}

/// A password that a record had before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earlier {
    /// The password.
    pub password: SecretString,
    /// Until when it held, in Unix seconds, where that is known.
    pub changed_at: Option<i64>,
}

/// A custom field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Custom {
    /// May repeat and be empty.
    pub name: String,
    /// What the value is.
    pub kind: CustomKind,
    /// Often a secret, so always treated as one.
    pub value: SecretString,
}

/// The type of a custom field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CustomKind {
    /// Shown.
    Text,
    /// Hidden.
    Password,
    /// A one-time-code secret, raw or as an `otpauth:` address.
    Totp,
    /// A word of a newer Passwork: kept.
    Other(String),
}

impl CustomKind {
    /// Passwork's word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            CustomKind::Text => "text",
            CustomKind::Password => "password",
            CustomKind::Totp => "totp",
            CustomKind::Other(word) => word,
        }
    }
}

impl From<&str> for CustomKind {
    fn from(word: &str) -> Self {
        match word {
            "text" => CustomKind::Text,
            "password" => CustomKind::Password,
            "totp" => CustomKind::Totp,
            _ => CustomKind::Other(word.to_owned()),
        }
    }
}

/// A file kept in a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// As its owner named it: input, not a path.
    pub name: String,
    /// At most [`Attachment::MAX`] bytes go into an environment.
    pub content: SecretBytes,
}

impl Attachment {
    /// Passwork's limit: 5 MiB.
    pub const MAX: usize = 5 * 1024 * 1024;
}

/// What a source yields, one after the other.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly every entry is a record")]
pub enum Entry {
    /// A record and where it was found.
    Record(Record, Position),
    /// A folder without records, which would otherwise be lost.
    Folder(RecordPath),
    /// Something that is not a usable record.
    Reject(Reject),
    /// Something the user should know although nothing was lost.
    Note(String),
    /// What became of the values that were met since the last such entry; files have one at their end.
    Values(Values),
}

/// The account of a file's values: table cells, JSON leaves, attachments that are not empty.
///
/// Each is carried, resolved or told: a reader that drops one shows by [`Values::lost`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Values {
    /// Values that the file holds.
    pub read: u64,
    /// Values that stand in a field, a custom field or a place of a record.
    pub carried: u64,
    /// References that did their work: the id of a folder whose records stand in it now, the code of a type.
    pub resolved: u64,
    /// Values that no record takes: a remark or a reject names their place.
    pub told: u64,
}

impl Values {
    /// Values that the account does not explain: met and gone, or told of without having been met. More than none is a
    /// reader's fault.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.read.abs_diff(self.carried + self.resolved + self.told)
    }

    /// Adds another account.
    pub fn add(&mut self, other: Values) {
        self.read += other.read;
        self.carried += other.carried;
        self.resolved += other.resolved;
        self.told += other.told;
    }
}

/// A record that could not be taken: its position and the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Where it stands in the source.
    pub at: Position,
    /// Path and name where they could be read.
    pub label: String,
    /// A sentence without secrets.
    pub why: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_can_be_part_of_a_name() {
        let path = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<RecordPath>();
        assert_eq!(RecordPath::parse(r"A\/B/c\:d\#e\\f/g\h"), path(&["A/B", r"c:d#e\f", r"g\h"]));
        assert_eq!(RecordPath::parse("Vault/"), path(&["Vault"]));
    }
}
