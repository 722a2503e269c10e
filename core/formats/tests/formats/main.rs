//! Sample files and what they must give, and archives that are damaged in every way.

mod archive;
mod bin;
mod cells;
mod conservation;
mod containers;
mod documents;
mod hostile;
mod kdb;
mod kdbx;
mod keepass_conservation;
mod large;
mod larger_than_memory;
mod locks;
mod making;
mod markup;
mod meaning;
mod mutations;
mod op_vault;
mod psafe;
mod samples;
mod sealed;
mod strangers;
mod table;
mod wrapping;
mod writers;

#[path = "../support/any_format.rs"]
mod any_format;
