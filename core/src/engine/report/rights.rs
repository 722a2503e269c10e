//! What became of rights, and whom keys were wrapped for. Names and counts.

use crate::engine::report::counted;
use serde::Serialize;
use std::fmt;

/// Somebody else whom a vault's key was wrapped for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WrappedFor {
    /// The user's id.
    pub id: String,
    /// The user's name by the word of the server, where it tells.
    pub name: Option<String>,
    /// `SHA-256(SubjectPublicKeyInfo)` of the public key, in hexadecimal.
    pub fingerprint: String,
}

impl fmt::Display for WrappedFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.as_deref().unwrap_or("user");
        write!(f, "{name} ({}), public key {}", self.id, self.fingerprint)
    }
}

/// What becomes of groups, rights and shortcuts: in a plan what is to be made, in a report what was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rights {
    /// Users of the source who hold something of this and are in the sink as well.
    pub users_found: u64,
    /// Those who are not, each with what they hold.
    pub users_not_found: Vec<NotFound>,
    /// Groups made.
    pub groups: u64,
    /// Groups that were there already.
    pub groups_there: u64,
    /// Users put into groups.
    pub members: u64,
    /// Roles given to users and groups, in vaults and folders.
    pub given: u64,
    /// Roles that they had already.
    pub given_there: u64,
    /// Shortcuts made.
    pub shortcuts: u64,
    /// Shortcuts that were there already.
    pub shortcuts_there: u64,
    /// Whom vault keys are wrapped for.
    pub wrapped_for: Vec<WrappedFor>,
    /// What cannot be carried, and why.
    pub left: Vec<Left>,
}

/// A user of the source whom the sink does not have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotFound {
    /// What they sign in with.
    pub user: String,
    /// Groups with a right that they are in.
    pub groups: u64,
    /// Roles that they have themselves.
    pub rights: u64,
}

/// Something that is not carried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Left {
    /// What it is.
    pub what: String,
    /// The reason.
    pub why: String,
}

impl Rights {
    /// Whether all of it was carried.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.users_not_found.is_empty() && self.left.is_empty()
    }

    /// Lines for people.
    #[must_use]
    pub fn lines(&self, planned: bool) -> Vec<String> {
        let to = if planned { "to " } else { "" };
        let (make, add, give) = if planned { ("make", "add", "give") } else { ("made", "added", "given") };
        let mut lines = vec![format!(
            "rights: {} {to}{make}, {} {to}{add} to groups, {} {to}{give}, {} {to}{make}; there already: {}, {}, {}",
            counted(self.groups, "group"),
            counted(self.members, "user"),
            counted(self.given, "right"),
            counted(self.shortcuts, "shortcut"),
            counted(self.groups_there, "group"),
            counted(self.given_there, "right"),
            counted(self.shortcuts_there, "shortcut"),
        )];
        if !self.users_not_found.is_empty() {
            let all = self.users_found + self.users_not_found.len() as u64;
            let missing = counted(self.users_not_found.len() as u64, "user");
            lines.push(format!("{missing} of {all} not found in the sink (--users FILE says who is who)"));
        }
        lines.extend(self.users_not_found.iter().map(|one| {
            let (groups, rights) = (counted(one.groups, "group"), counted(one.rights, "right"));
            format!("not found: {}: {groups}, {rights}", one.user)
        }));
        // When it is done they have been said already, before anything left.
        if planned {
            let wrapped = self.wrapped_for.iter();
            lines.extend(wrapped.map(|whom| format!("the keys of vaults are wrapped for {whom}")));
        }
        lines.extend(self.left.iter().map(|one| format!("not carried: {}: {}", one.what, one.why)));
        lines
    }
}
