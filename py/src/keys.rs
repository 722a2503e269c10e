//! The keys of vaults that data engines work with, by id: read where the work is done, from what a reference names, and
//! wiped with the ring. No key is ever a Python object here, unless it came as one.

use crate::error::{Raise as _, usage};
use keyferry_core::files::locked;
use keyferry_core::secret::{SecretBytes, SecretString};
use keyferry_core::{Error, ErrorKind, Result};
use keyring::{Entry, Error as Failure};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

/// No key of a vault is as long as this; whatever is has been named by mistake.
const LARGEST: u64 = 64 << 10;

/// What one key of a ring is.
#[derive(Clone, Debug)]
pub enum Key {
    /// The vault's.
    Vault(SecretString),
    /// The vault has none: its records are base64, by name.
    Unencrypted,
}

/// Keys by id. Where rows name no keys there is one, whose id is empty.
#[pyclass(frozen, module = "keyferry._native")]
pub struct Ring(BTreeMap<String, Key>);

#[pymethods]
impl Ring {
    /// Reads every key from what names it: its id, `env`, `file`, `keyring`, `command`, `given` or `unencrypted`, and the words.
    /// Of rings that are `given` the one key is taken under another id.
    #[new]
    #[pyo3(signature = (references, given=None))]
    fn new(
        py: Python<'_>,
        references: Vec<(String, String, Vec<String>)>,
        given: Option<Vec<(String, Py<Self>)>>,
    ) -> PyResult<Self> {
        let read = || {
            let each = references.into_iter().map(|(id, kind, words)| {
                let key = read(&kind, words).map_err(|error| error.at_key(&id))?;
                Ok((id, key))
            });
            each.collect::<Result<BTreeMap<_, _>>>()
        };
        let mut keys = py.detach(read).raise()?;
        for (id, ring) in given.unwrap_or_default() {
            keys.extend(ring.get().0.get("").map(|key| (id, key.clone())));
        }
        if keys.is_empty() { Err(usage("no key is named")) } else { Ok(Self(keys)) }
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }

    fn __repr__(&self) -> String {
        format!("Ring({} keys)", self.0.len())
    }

    #[expect(clippy::unused_self, reason = "Python calls it on an object")]
    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err("a ring is not pickled: its keys would be in the clear; pickle the KeyRef"))
    }
}

impl Ring {
    /// Those of an environment's vaults, by their names; `None` is a vault that is not encrypted.
    pub fn of_vaults(keys: Vec<(String, Option<SecretString>)>) -> Self {
        Self(keys.into_iter().map(|(name, key)| (name, key.map_or(Key::Unencrypted, Key::Vault))).collect())
    }

    /// The key of an id.
    pub fn get(&self, id: &str) -> Option<&Key> {
        self.0.get(id)
    }
}

/// Says which key it is about.
trait AtKey {
    fn at_key(self, id: &str) -> Self;
}

impl AtKey for Error {
    fn at_key(self, id: &str) -> Self {
        if id.is_empty() {
            return self;
        }
        let named = Error::new(self.kind(), format!("key {id}: {self}"));
        match self.next() {
            Some(next) => named.next_step(next.to_owned()),
            None => named,
        }
    }
}

/// A secret that is named rather than given.
pub fn secret(kind: &str, words: Vec<String>) -> Result<SecretString> {
    match read(kind, words)? {
        Key::Vault(secret) => Ok(secret),
        Key::Unencrypted => Err(Error::new(ErrorKind::Usage, "nothing is named")),
    }
}

fn read(kind: &str, mut words: Vec<String>) -> Result<Key> {
    if kind == "given" {
        let key = words.pop().map(SecretString::new).unwrap_or_default();
        let empty = || Error::new(ErrorKind::Usage, "the key that was given is empty");
        return if key.is_empty() { Err(empty()) } else { Ok(Key::Vault(key)) };
    }
    let first = words.first().map_or("", String::as_str);
    let text = match kind {
        "unencrypted" => return Ok(Key::Unencrypted),
        "env" => variable(first)?,
        "file" => file(first)?,
        "command" => command(&words)?,
        "keyring" => kept(first, words.get(1).map_or("", String::as_str))?,
        _ => return Err(Error::new(ErrorKind::Usage, "a key is named by env, file, keyring or command")),
    };
    if text.is_empty() {
        return Err(Error::new(ErrorKind::NotAuthenticated, format!("{kind} {first} is empty")));
    }
    Ok(Key::Vault(text))
}

/// Without the end of its last line.
fn line(text: &SecretString) -> SecretString {
    SecretString::from(text.expose().trim_end_matches(['\r', '\n']))
}

fn text_of(bytes: SecretBytes, what: &str) -> Result<SecretString> {
    let text = bytes.into_text();
    let text = text.ok_or_else(|| Error::new(ErrorKind::Input, format!("{what} is no text in UTF-8")))?;
    Ok(line(&text))
}

fn variable(name: &str) -> Result<SecretString> {
    let value = std::env::var_os(name).ok_or_else(|| {
        Error::new(ErrorKind::NotAuthenticated, format!("the variable {name} is not set in this process"))
            .next_step("set it where the workers run: a reference travels, its key does not")
    })?;
    let text = value.into_string();
    text.map(SecretString::new)
        .map_err(|_| Error::new(ErrorKind::Input, format!("the variable {name} is no text in UTF-8")))
}

fn file(path: &str) -> Result<SecretString> {
    let bytes = locked::beginning(Path::new(path), LARGEST + 1)?;
    if bytes.len() as u64 > LARGEST {
        return Err(Error::new(ErrorKind::Input, format!("{path} is too large for a key")));
    }
    text_of(bytes, path)
}

/// Runs a program without a shell and takes what it prints. What that is, nobody repeats.
fn command(words: &[String]) -> Result<SecretString> {
    let Some((program, arguments)) = words.split_first() else {
        return Err(Error::new(ErrorKind::Usage, "the command names no program"));
    };
    let run = Command::new(program).args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).output();
    let run =
        run.map_err(|error| Error::new(ErrorKind::Io, format!("{program} cannot be run")).because(error))?;
    let printed = SecretBytes::new(run.stdout);
    if !run.status.success() {
        let how = run
            .status
            .code()
            .map_or_else(|| "was ended".to_owned(), |code| format!("ended with code {code}"));
        return Err(Error::new(ErrorKind::NotAuthenticated, format!("{program} {how}"))
            .next_step("run it by hand on the worker to see why"));
    }
    text_of(printed, &format!("what {program} printed"))
}

/// What the system's keyring keeps. Its library waits in its own way, and is asked on a thread of its own.
fn kept(service: &str, account: &str) -> Result<SecretString> {
    let asked = std::thread::scope(|scope| {
        let asked = scope.spawn(|| Entry::new(service, account)?.get_password()).join();
        asked.unwrap_or(Err(Failure::NoDefaultStore))
    });
    let what = match asked {
        Ok(secret) => return Ok(line(&SecretString::new(secret))),
        Err(Failure::NoEntry) => format!("the keyring has nothing under {service} {account}"),
        // What the library quotes could be the secret itself.
        Err(Failure::NoStorageAccess(_)) => "the keyring is locked".to_owned(),
        Err(_) => "the keyring of this machine does not answer".to_owned(),
    };
    Err(Error::new(ErrorKind::NotAuthenticated, what)
        .next_step("workers have keyrings of their own: name a file or a variable where they have none"))
}
