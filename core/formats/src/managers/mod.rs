//! Files of other managers: a file for each, with its reader and what it is known by. Their rows stand in `format.rs`.

pub(crate) mod bitwarden;
mod bitwarden_protected;
pub(crate) mod cxf;
pub(crate) mod dashlane;
pub(crate) mod devolutions;
pub(crate) mod enpass;
pub(crate) mod item;
pub(crate) mod items;
pub(crate) mod keepass;
pub(crate) mod keeper;
pub(crate) mod markup;
pub(crate) mod nextcloud;
pub(crate) mod one_password;
pub(crate) mod one_pif;
pub(crate) mod password_safe;
pub(crate) mod proton_pass;
pub(crate) mod psono;
