//! Documents of managers for teams.

use super::Row;
use crate::managers as foreign_managers;

/// The rows of this family.
pub(super) static ROWS: &[&Row] = &[
    &Row {
        name: "pmp-json",
        aliases: &["pam360-json"],
        from: "ManageEngine Password Manager Pro, PAM360",
        known_by: "`operation` with `Details`",
        left: "how the answer came; passwords, where the listing has none",
        fits: foreign_managers::teams::fits_pmp,
        read: foreign_managers::teams::read_pmp,
        write: None,
    },
    &Row {
        name: "cyberark-json",
        aliases: &[],
        from: "CyberArk (`/PasswordVault/API/Accounts`)",
        known_by: "`safeName` beside `platformId`",
        left: "dates, how the answer came; passwords, which its listing has not",
        fits: foreign_managers::teams::fits_cyberark,
        read: foreign_managers::teams::read_cyberark,
        write: None,
    },
    &Row {
        name: "itglue-json",
        aliases: &[],
        from: "IT Glue",
        known_by: "`data` with `attributes` of type `passwords`",
        left: "dates, relations",
        fits: foreign_managers::teams::fits_it_glue,
        read: foreign_managers::teams::read_it_glue,
        write: None,
    },
    &Row {
        name: "hudu-json",
        aliases: &[],
        from: "Hudu",
        known_by: "`asset_passwords`",
        left: "dates",
        fits: foreign_managers::teams::fits_hudu,
        read: foreign_managers::teams::read_hudu,
        write: None,
    },
    &Row {
        name: "pleasant-json",
        aliases: &[],
        from: "Pleasant Password Server",
        known_by: "`Credentials` with `CustomUserFields` or `GroupId`",
        left: "dates, rights",
        fits: foreign_managers::teams::fits_pleasant,
        read: foreign_managers::teams::read_pleasant,
        write: None,
    },
];
