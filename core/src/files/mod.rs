//! Files as people name them: what a path leads to, read as a source and written as a sink.
//!
//! | file | what it does |
//! |---|---|
//! | `target` | follows links to what a path leads to: a file, a pipe, something open already, a device |
//! | [`source`] | opens it to be read, and knows whether it can be read twice |
//! | [`locked`] | what opens files that other programs encrypted |
//! | [`spool`] | keeps what is larger than memory, sealed, while it is needed |
//! | [`sink`] | writes a file whole or not at all; writes through what is no file |

pub mod folder;
pub mod locked;
pub mod sink;
pub mod source;
pub mod spool;
mod target;
