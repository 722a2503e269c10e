//! The versions of the schema: one numbered list, and both databases are at the same number.

/// What brings a file from each version to the next; the first makes version 1.
pub(super) const FILE: &[&str] = &[
    include_str!("../../migrations/0001_initial.sql"),
    include_str!("../../migrations/0002_whole_api.sql"),
    include_str!("../../migrations/0003_shortcut_creators.sql"),
    include_str!("../../migrations/0004_session_families.sql"),
    include_str!("../../migrations/0005_user_administration.sql"),
    include_str!("../../migrations/0006_group_rights.sql"),
    include_str!("../../migrations/0007_standard_types.sql"),
    include_str!("../../migrations/0008_fields_order.sql"),
    include_str!("../../migrations/0009_guesses.sql"),
    include_str!("../../migrations/0010_idempotency_keys.sql"),
    include_str!("../../migrations/0011_folder_colors.sql"),
    include_str!("../../migrations/0012_side_by_side.sql"),
    include_str!("../../migrations/0013_housekeeping.sql"),
    include_str!("../../migrations/0014_months.sql"),
    include_str!("../../migrations/0015_keys_by_digest.sql"),
];

/// The same for a server, where the first makes version [`SERVER_FIRST`].
pub(super) const SERVER: &[&str] = &[
    include_str!("../../migrations/postgres/0010_initial.sql"),
    include_str!("../../migrations/postgres/0011_folder_colors.sql"),
    include_str!("../../migrations/postgres/0012_side_by_side.sql"),
    include_str!("../../migrations/postgres/0013_housekeeping.sql"),
    include_str!("../../migrations/postgres/0014_months.sql"),
    include_str!("../../migrations/postgres/0015_keys_by_digest.sql"),
];

/// The version in which environments on servers began.
pub(super) const SERVER_FIRST: usize = 10;

/// The version since which tables lie in parts there, whose first ones are made once its file was read ([`super::months`]).
pub(super) const IN_MONTHS: usize = 14;

const _: () =
    assert!(FILE.len() == SERVER_FIRST - 1 + SERVER.len(), "a version is missing for one of the two");

/// The version that this program works with.
pub(super) const NEWEST: usize = FILE.len();
