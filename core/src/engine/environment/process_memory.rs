//! What a process's variables bring of an environment, for faces whose process is somebody else's: a program in Python or C
//! keeps nothing by itself, so its first use of every key would be believed anew each time.

use crate::crypto::mark::Marks;
use crate::engine::environment::pins::{Brought, Memory, Pins};
use crate::engine::journal::Journal;
use crate::error::{Error, ErrorKind, Result};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The memory of the environment at `place`, as these variables bring it; `None` where they bring nothing:
///
/// | variable | what it brings |
/// |---|---|
/// | `KEYFERRY_PINS`, or the file that `KEYFERRY_PINS_FILE` names | pins, as `keyferry env pins export` writes them |
/// | `KEYFERRY_JOURNAL` | a journal, whose pins count, and which keeps what is seen first |
/// | `KEYFERRY_REQUIRE_PINS` | what has no pin is refused |
///
/// The journal of the command line is not looked at unasked: the process may not be this user's alone.
///
/// # Errors
/// [`ErrorKind::Input`] for pins that are none, [`ErrorKind::Io`] for a file or journal that does not open: what was
/// named is meant to be there.
pub fn memory_of_process(place: &str) -> Result<Option<Memory>> {
    memory_of(place, |name| std::env::var_os(name).filter(|value| !value.is_empty()))
}

/// Whether records carry marks, as `KEYFERRY_MARKS` says it: `write` or `require`.
///
/// # Errors
/// [`ErrorKind::Usage`] for any other word.
pub fn marks_of_process() -> Result<Marks> {
    let word = std::env::var_os("KEYFERRY_MARKS").filter(|word| !word.is_empty());
    word.map_or(Ok(Marks::Free), |word| Marks::from_name(&word.to_string_lossy()))
}

fn memory_of(place: &str, variable: impl Fn(&str) -> Option<OsString>) -> Result<Option<Memory>> {
    let text = match (variable("KEYFERRY_PINS"), variable("KEYFERRY_PINS_FILE")) {
        (Some(text), _) => Some(text.into_string().map_err(|_| {
            Error::new(ErrorKind::Input, "KEYFERRY_PINS is no text")
                .next_step("take it as keyferry env pins export wrote it")
        })?),
        (None, Some(path)) => {
            let path = Path::new(&path);
            Some(std::fs::read_to_string(path).map_err(|error| Error::io(path, error))?)
        }
        (None, None) => None,
    };
    let brought = text.map(|text| Brought::parse(&text)).transpose()?.unwrap_or_default();
    let journal = variable("KEYFERRY_JOURNAL").map(PathBuf::from);
    let own = journal.map(|path| Journal::open(&path)).transpose()?;
    let own = own.map(|journal| Arc::new(journal) as Arc<dyn Pins>);
    let required = variable("KEYFERRY_REQUIRE_PINS").is_some_and(|word| {
        !["0", "false", "no", "off", "n", "f"].iter().any(|no| word.eq_ignore_ascii_case(no))
    });
    Ok(Memory::of(brought, own, place, required))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<Option<Memory>> {
        memory_of("place", |name| {
            variables.iter().find(|(one, _)| *one == name).map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn nothing_brings_nothing_and_what_is_named_has_to_be_there() {
        assert!(of(&[]).unwrap().is_none());
        assert!(of(&[("KEYFERRY_REQUIRE_PINS", "0")]).unwrap().is_none());
        assert!(of(&[("KEYFERRY_REQUIRE_PINS", "1")]).unwrap().is_some());
        let pin = format!("{} encryption place", "01".repeat(32));
        assert!(of(&[("KEYFERRY_PINS", &pin)]).unwrap().is_some());
        assert_eq!(of(&[("KEYFERRY_PINS", "nonsense")]).unwrap_err().kind(), ErrorKind::Input);
        assert_eq!(of(&[("KEYFERRY_PINS_FILE", "/absent/pins")]).unwrap_err().kind(), ErrorKind::Io);
    }

    #[test]
    fn a_vault_of_another_key_than_was_brought_is_refused() {
        let pin = format!("{} vault:v1 place", "01".repeat(32));
        let memory = of(&[("KEYFERRY_PINS", &pin)]).unwrap().unwrap();
        let key = crate::crypto::generate::key().unwrap();
        assert_eq!(memory.vault_agrees("v1", Some(&key)).unwrap_err().kind(), ErrorKind::NotAllowed);
        assert!(!memory.vault_agrees("v2", Some(&key)).unwrap(), "what is new is believed");
        let strict = of(&[("KEYFERRY_PINS", &pin), ("KEYFERRY_REQUIRE_PINS", "yes")]).unwrap().unwrap();
        assert_eq!(strict.vault_agrees("v2", Some(&key)).unwrap_err().kind(), ErrorKind::NotAllowed);
    }
}
