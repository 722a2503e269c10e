//! Where a server's environment is: a folder, or a PostgreSQL database whose password comes from anywhere but the command.

use crate::credentials::Lookup;
use keyferry_core::Result;
use keyferry_core::engine::journal::database_address;
use keyferry_server::Address;

/// How such an address is written.
pub const SHAPE: &str = "postgres://USER@HOST:PORT/DATABASE";

/// A database's address with what signs in there: `KEYFERRY_STORE_PASSWORD`, the file that `KEYFERRY_STORE_PASSWORD_FILE`
/// names, or the line of `PGPASSFILE` for this address. Without any of them the server is asked to let in without one.
pub fn address(text: &str, lookup: Lookup<'_>) -> Result<Address> {
    database_address(text, "KEYFERRY_STORE", lookup)
}
