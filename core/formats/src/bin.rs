//! What lies in a recycle bin: it stays behind and is counted; where it is asked for, it comes along in a folder.

use crate::ReadOptions;
use keyferry_crypto::model::{Record, RecordPath};

/// Where what lies in a bin goes: at the top of its vault, which is the first folder where none is named.
pub(crate) const TRASH: &str = "Trash";

/// Why what lies in a bin stays there.
pub(crate) const STAYS: &str = "a record in the bin stays behind";

/// What becomes of what lies in a bin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bin {
    Stays,
    Comes,
}

impl Bin {
    pub(crate) fn of(options: &ReadOptions) -> Self {
        if options.include_trash { Bin::Comes } else { Bin::Stays }
    }
}

/// Brings a record into the folder, with the folders that it stood in: bins remember them, to restore what they hold.
pub(crate) fn into_trash(record: &mut Record) {
    let into = |path: &mut RecordPath| {
        let at = usize::from(path.vault.is_none() && !path.folders.is_empty());
        if path.vault.is_none() && path.folders.is_empty() {
            path.vault = Some(RecordPath::DEFAULT_VAULT.to_owned());
        }
        path.folders.insert(at, TRASH.to_owned());
    };
    into(&mut record.path);
    record.also_in.iter_mut().for_each(into);
}
