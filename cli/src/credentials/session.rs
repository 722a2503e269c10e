//! A session that outlives the command: in the keyring, or in an encrypted file.
//!
//! Tokens that are renewed are put back, under a lock that every keyferry takes: whoever finds newer tokens
//! there than it holds uses those, since a refresh token works once.

use crate::credentials::keyring::Keyring;
use crate::output::Output;
use keyferry_core::client::{Held, Session, SessionStore};
use keyferry_core::crypto::session_file::{self, Content};
use keyferry_core::engine::Journal;
use keyferry_core::error::Place;
use keyferry_core::files::sink;
use keyferry_core::secret::SecretString;
use keyferry_core::{Error, ErrorKind, Result};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where it is kept.
#[derive(Clone, Debug)]
pub enum SessionPlace {
    /// In the system's keyring, under this name.
    Keyring(Keyring, String),
    /// In a file, encrypted under this key.
    File(PathBuf, SecretString),
}

/// A kept session and how to reach it.
#[derive(Clone, Debug)]
pub struct StoredSession {
    /// Where it is.
    pub shelf: SessionPlace,
    /// The environment's name, where it has one.
    pub name: Option<String>,
    /// The environment's address: tokens are for it alone.
    pub location: String,
    /// Where failures to keep tokens are told.
    pub output: Output,
}

impl StoredSession {
    /// The environment as `login` takes it.
    pub fn label(&self) -> String {
        self.name.as_ref().map_or_else(|| self.location.clone(), |name| format!("{name}:"))
    }

    /// Where it is, for people.
    pub fn place(&self) -> String {
        match &self.shelf {
            SessionPlace::Keyring(..) => "the keyring".to_owned(),
            SessionPlace::File(path, _) => format!("the session file {}", path.display()),
        }
    }

    /// The file, where it is one.
    pub fn file(&self) -> Option<&Path> {
        match &self.shelf {
            SessionPlace::Keyring(..) => None,
            SessionPlace::File(path, _) => Some(path),
        }
    }

    /// What is kept; `None` where nothing is.
    ///
    /// # Errors
    /// Where it cannot be read: the key is another one's, the file is damaged, the keyring fails.
    pub fn load(&self) -> Result<Option<Content>> {
        match &self.shelf {
            SessionPlace::Keyring(keyring, account) => match keyring.get(account)? {
                None => Ok(None),
                Some(json) => Content::from_json(&json).map(Some).map_err(|error| self.unusable(error)),
            },
            SessionPlace::File(path, key) => match read(path)? {
                None => Ok(None),
                Some(text) => session_file::open(&text, key)
                    .map(Some)
                    .map_err(|error| self.unusable(error.at(Place::File { path: path.clone(), at: None }))),
            },
        }
    }

    fn unusable(&self, error: Error) -> Error {
        error.next_step(format!(
            "check KEYFERRY_SESSION_KEY, or sign in anew: keyferry login {}",
            self.label()
        ))
    }

    /// Keeps this in place of what was kept.
    pub fn save(&self, content: Content) -> Result<()> {
        let content = Content { location: Some(self.location.clone()), ..content };
        match &self.shelf {
            SessionPlace::Keyring(keyring, account) => keyring.set(account, &content.to_json()?),
            SessionPlace::File(path, key) => write(path, &session_file::seal(&content, key)?),
        }
    }

    /// Makes sure that a session can be kept here, before anybody signs in.
    pub fn check(&self) -> Result<()> {
        if let SessionPlace::File(path, _) = &self.shelf {
            check(path)?;
        }
        self.lock().map(drop)
    }

    /// Forgets the session; nothing kept is no error.
    pub fn remove(&self) -> Result<()> {
        match &self.shelf {
            SessionPlace::Keyring(keyring, account) => keyring.remove(account),
            SessionPlace::File(path, _) => match std::fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io(path, error)),
                _ => Ok(()),
            },
        }
    }

    /// Waits until no other keyferry renews this session, and keeps the others out until it is dropped.
    pub fn lock(&self) -> Result<File> {
        let path = match &self.shelf {
            SessionPlace::Keyring(..) => default_file(self.name.as_deref(), &self.location)?,
            SessionPlace::File(path, _) => path.clone(),
        };
        // A file beside it: the session file itself is replaced, and a lock on it would be of the old one.
        let mut path = path.into_os_string();
        path.push(".lock");
        let path = PathBuf::from(path);
        let failed = |error| {
            Error::io(&path, error).next_step(
                "the folder must be writable: tokens that are renewed are put back, or the session would be lost",
            )
        };
        make_folder(&path)?;
        let lock = owner_alone().write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        lock.lock().map_err(failed)?;
        Ok(lock)
    }
}

impl SessionStore for StoredSession {
    fn take(&self) -> Result<Held> {
        let lock = self.lock()?;
        let content = self.load()?.ok_or_else(|| {
            Error::new(
                ErrorKind::NotAuthenticated,
                format!("{}: the session was ended meanwhile", self.label()),
            )
            .next_step(format!("keyferry login {}", self.label()))
        })?;
        let session = Session {
            access_token: content.access_token,
            refresh_token: content.refresh_token,
            ..Session::default()
        };
        Ok(Held::new(Some(session), lock))
    }

    fn save(&self, held: Held, session: &Session) {
        let saved = self.load().and_then(|content| {
            StoredSession::save(
                self,
                Content {
                    access_token: session.access_token.clone(),
                    refresh_token: session.refresh_token.clone(),
                    ..content.unwrap_or_default()
                },
            )
        });
        if let Err(error) = saved {
            self.output.error(&error);
            self.output.warn(&format!(
                "{}: the tokens were renewed and could not be kept: keyferry login {}",
                self.label(),
                self.label()
            ));
        }
        drop(held);
    }
}

/// Tokens that came from where nothing can be put back: says once that the new ones are lost with the command.
pub struct UnstoredSession {
    label: String,
    source: String,
    output: Output,
    said: std::sync::Once,
}

impl UnstoredSession {
    /// `source` is where the tokens came from.
    pub fn new(label: &str, source: &str, output: Output) -> Arc<Self> {
        Arc::new(Self {
            label: label.to_owned(),
            source: source.to_owned(),
            output,
            said: std::sync::Once::new(),
        })
    }
}

impl SessionStore for UnstoredSession {
    fn take(&self) -> Result<Held> {
        Ok(Held::new(None, ()))
    }

    fn save(&self, _: Held, _: &Session) {
        self.said.call_once(|| {
            self.output.say(&format!(
                "{0}: its tokens were renewed, those of {1} have ended, and the new ones are lost with this command; keyferry login {0} keeps a session",
                self.label, self.source
            ));
        });
    }
}

/// The name that a session has in the keyring.
pub fn account(name: Option<&str>, location: &str) -> String {
    name.map_or_else(|| location.to_owned(), |name| format!("{name}:"))
}

/// The name that a session file's key has in the keyring.
pub fn key_account(file: &Path) -> String {
    let whole = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    format!("session file {}", whole.display())
}

/// The session file of an environment that names none: beside the journal, in the platform's state folder.
pub fn default_file(name: Option<&str>, location: &str) -> Result<PathBuf> {
    let tame = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c } else { '_' };
    // No name of an environment begins like an address's.
    let stem =
        name.map_or_else(|| format!("@{}", location.chars().map(tame).collect::<String>()), str::to_owned);
    Ok(Journal::default_path()?.with_file_name("sessions").join(format!("{stem}.session")))
}

/// The file's text; `None` where there is no such file.
fn read(path: &Path) -> Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(path, error)),
    }
}

/// Writes the file whole or not at all, readable by its owner alone.
fn write(path: &Path, text: &str) -> Result<()> {
    check(path)?;
    make_folder(path)?;
    sink::write(path, text.as_bytes())
}

/// Makes sure that the file is a session file or nothing: anything else stays as it is.
fn check(path: &Path) -> Result<()> {
    match read(path)? {
        Some(text) if !text.is_empty() && !session_file::is_session_file(&text) => {
            Err(Error::new(ErrorKind::Usage, "this file is there already and is no session file")
                .at(Place::File { path: path.to_owned(), at: None })
                .next_step("name another file"))
        }
        _ => Ok(()),
    }
}

/// The file's folder, made where it is missing, for its owner alone.
fn make_folder(path: &Path) -> Result<()> {
    let folder = sink::folder(path);
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|error| Error::io(folder, error))
}

fn owner_alone() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}
