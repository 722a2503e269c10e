//! The `KeePass` family.

use super::Row;
use crate::managers::keepass;

/// `KeePass`'s database.
pub(super) static KDBX: Row = Row {
    name: "kdbx",
    aliases: &["keepass"],
    from: "KeePass 2, KeePassXC, Strongbox and what else writes KDBX 3.1 or 4",
    known_by: "its first eight bytes",
    left: "the recycle bin (`--include-trash`), earlier versions, dates, icons, colors, auto-type",
    fits: keepass::fits_kdbx,
    read: keepass::read_kdbx,
    write: Some(&keepass::KDBX),
};

/// The database of `KeePass` 1.
pub(super) static KDB: Row = Row {
    name: "kdb",
    aliases: &[],
    from: "KeePass 1, KeePassX before 2",
    known_by: "its first eight bytes",
    left: "dates, icons",
    fits: keepass::fits_kdb,
    read: keepass::read_kdb,
    write: None,
};

/// `KeePass`'s export as XML.
pub(super) static KEEPASS_XML: Row = Row {
    name: "keepass-xml",
    aliases: &[],
    from: "KeePass 2, KeePassXC",
    known_by: "an XML document whose outermost element is `KeePassFile`",
    left: "the recycle bin (`--include-trash`), earlier versions, dates, icons, colors, auto-type",
    fits: keepass::fits_xml,
    read: keepass::read_xml,
    write: Some(&keepass::XML),
};

/// The rows of this family.
pub(super) static ROWS: &[&Row] = &[&KDBX, &KDB, &KEEPASS_XML];
