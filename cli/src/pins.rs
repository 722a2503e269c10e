//! What is remembered of environments: in the journal, and in what `KEYFERRY_PINS` brings along.

use crate::config::{Config, PinSource};
use crate::credentials;
use keyferry_core::Result;
use keyferry_core::engine::journal::is_address;
use keyferry_core::engine::{Brought, Journal, Memory, Pins};
use std::path::Path;
use std::sync::Arc;

/// The memory of the environment at `place`; `None` where there is neither a journal nor anything brought. For a command
/// that writes, the journal has to open.
///
/// # Errors
/// Where what was brought is damaged.
pub fn memory(place: &str, config: &Config) -> Result<Option<Memory>> {
    let brought = brought()?;
    if !brought.is_empty() && !brought.tell_of(place) {
        config.output.say(&format!(
            "the pins that were brought say nothing of {place}: what it shows first is believed, unless --require-pins refuses it"
        ));
    }
    let memory = remembered(place, &config.pins)?;
    if memory.is_none() {
        config.output.say(&format!(
            "nothing here remembers the keys of {place}: bring pins (KEYFERRY_PINS), or name a journal with --journal"
        ));
    }
    Ok(memory)
}

/// The same, without a remark.
pub fn remembered(place: &str, from: &PinSource) -> Result<Option<Memory>> {
    let brought = brought()?;
    let own = journal(from.journal.as_deref())?.map(|journal| Arc::new(journal) as Arc<dyn Pins>);
    Ok(Memory::of(brought, own, place, from.required))
}

/// What `KEYFERRY_PINS` or the file of `KEYFERRY_PINS_FILE` brings.
fn brought() -> Result<Brought> {
    let brought = credentials::secret("KEYFERRY", "PINS", &credentials::process)?;
    Ok(brought.map(|text| Brought::parse(text.expose())).transpose()?.unwrap_or_default())
}

/// A machine that keeps nothing, such as a runner with a file system that cannot be written, is no error here. A database that
/// was named is meant to be there.
fn journal(path: Option<&Path>) -> Result<Option<Journal>> {
    if let Some(path) = path.filter(|path| is_address(path).is_some()) {
        return Journal::open(path).map(Some);
    }
    let path = path.map_or_else(Journal::default_path, |path| Ok(path.to_owned()));
    Ok(path.and_then(|path| Journal::open(&path)).ok())
}
