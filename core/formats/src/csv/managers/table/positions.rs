//! Tables without a header, or without anything that only they have: named with `--format`.

use super::{FEW, NO_FILES, NOTHING};
use crate::csv::managers::{Manager, Outcome, PLAIN, cells};

/// The rows of this family.
pub(super) const ROWS: &[Manager] = &[
    Manager {
        format: "upm-csv",
        name: "Universal Password Manager",
        left: NOTHING,
        columns: &["name", "login", "password", "url", "description"],
        ..PLAIN
    },
    Manager {
        format: "msecure-csv",
        name: "mSecure",
        left: NO_FILES,
        columns: &["folder", "text:Type", "name", "description", "url", "login", "password"],
        rest: Some(cells::msecure_fields),
        // A folder is one name.
        separator: Some('\u{1f}'),
        finish: cells::msecure,
        ..PLAIN
    },
    Manager {
        format: "splashid-csv",
        name: "SplashID",
        left: NO_FILES,
        columns: &["text:Type", "name", "login", "password", "url"],
        rest: Some(cells::splashid_fields),
        ..PLAIN
    },
    Manager {
        format: "logmeonce-csv",
        name: "LogMeOnce",
        left: FEW,
        columns: &["name", "url", "login", "password"],
        ..PLAIN
    },
    Manager {
        format: "datavault-csv",
        name: "Ascendo DataVault",
        left: NO_FILES,
        columns: &["name"],
        rest: Some(cells::enpass_fields),
        finish: cells::enpass,
        ..PLAIN
    },
    Manager {
        format: "passwordagent-csv",
        name: "Password Agent",
        left: NO_FILES,
        columns: &["name", "login", "password", "url", "description"],
        rest: Some(cells::password_agent),
        ..PLAIN
    },
    Manager {
        format: "passwordwallet-txt",
        name: "PasswordWallet",
        left: NO_FILES,
        columns: &["name", "url", "login", "password", "description", "folder"],
        rest: Some(cells::further_columns),
        delimiter: Some('\t'),
        finish: |record, _| {
            record.description = record.description.replace('¬', "\n");
            Outcome::Record
        },
        ..PLAIN
    },
    Manager {
        format: "syspass-csv",
        name: "sysPass",
        left: NO_FILES,
        columns: &["name", "vault", "folder", "url", "login", "password", "description"],
        delimiter: Some(';'),
        ..PLAIN
    },
];
