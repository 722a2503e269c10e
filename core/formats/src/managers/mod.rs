//! Files of other managers: a file for each, with its reader and what it is known by. Their rows stand in `format.rs`.

pub(crate) mod bitwarden;
