//! CSV in its many dialects.
//!
//! Signature: a first line with a delimiter and at least one known column, or `sep=`.
//! Resolved: nothing; told: columns left out by the user, rows that were rejected.
//! Mapping: `columns.rs`, and `managers.rs` for tables that other managers export; typed headers (`password:API_KEY`) make custom fields.
//! Cannot hold: attachments, folders without records, same-named or empty custom fields,
//! tags with separators, an empty password against none, the order of custom fields; the table in docs/formats.md has it all.

mod entities;
mod header;
pub(crate) mod managers;
mod paths;
mod peel;
mod reader;
mod record;
mod rows;
mod survey;
pub(crate) mod table_writer;
mod writer;

pub(crate) use entities::decoded;
pub(crate) use header::{fits, fits_manager};
pub(crate) use managers::is_header_row;
pub(crate) use paths::split as split_path;
pub(crate) use reader::{open_rows, read, read_table};
pub use rows::rows;
pub use survey::{Column, Survey, YOUR_WORD, is_field, survey};
pub(crate) use writer::EXPORT;
pub use writer::cell;
