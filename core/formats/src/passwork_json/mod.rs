//! Passwork's JSON export, which varies by version.
//!
//! Signature: an object with `vaults`, `groups`, `folders`, `passwords`, `items`, or those
//! under `response`, `data` or `export`; or a list; whose records have a password, or custom fields, themselves.
//! Mapping: nested (vaults and folders hold their records) and flat (records name a
//! `folderId`, `groupId` or `vaultId`) shapes, mixed and at any depth. `passwordEncrypted`
//! and `cryptedPassword` in base64 are decoded, with custom fields in base64 beside them.
//! Other members of a record become custom fields, one for each value in them.
//! Resolved: `id`, `_id`; `folderId`, `groupId`, `vaultId`, `parentId`, `parentFolderId` that lead somewhere.
//! Told: what an environment keeps of its own ([`OWN`]), members of vaults and folders but their names, and of
//! the document itself.
//! Cannot hold: second places, earlier passwords, dates. Two vaults or sibling folders of one name
//! become one.
//!
//! A record may stand before the folder that its `folderId` names, and is written among those of its folder. So records
//! wait, when they are read until the document has ended and when they are written until all of them are known; past
//! some megabytes they do so in a spool that the caller brings ([`Spools`](crate::Spools)). Names of vaults and folders stay in memory.
//!
//! | file | what it does |
//! |---|---|
//! | `shape` | tells records, places and documents of this format from others |
//! | `tree` | vaults and folders, and what is the path to each |
//! | `waiting` | records between the two readings |
//! | `survey` | reads the document once, from its beginning to its end |
//! | `reader` | makes records of what waits |
//! | `writer` | puts records among those of their folder |

mod reader;
mod shape;
mod survey;
mod tree;
mod waiting;
mod writer;

use crate::head::{Fit, Head};
pub(super) use reader::read;
pub(super) use writer::EXPORT;

/// Whether it is this format's.
pub(super) fn fits(head: &Head<'_>) -> Fit {
    let Some(document) = head.json() else { return Fit::No };
    if shape::is_own(document) {
        Fit::Signature
    } else if shape::is_bare(document) {
        Fit::Form
    } else {
        Fit::No
    }
}
