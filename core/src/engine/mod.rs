//! Ties a source to a sink: plan, transfer, verification, report.

pub mod audit;
pub mod crash;
mod digest;
pub mod environment;
mod filter;
pub mod fsck;
mod gather;
pub mod job;
pub mod journal;
pub mod page;
mod pick;
pub mod plan;
mod preflight;
mod reading;
pub mod report;
mod rotations;
mod sample;
mod settle;
mod sink;
mod source;
mod spool;
pub mod sync;
pub mod transfer;
pub mod undo;
pub mod verify;
mod watched;

pub use audit::{Audit, Rules, audit};
pub use environment::{Environment, Unlock};
pub use filter::Filter;
pub use fsck::{Finding, Health, fsck};
pub use journal::{Job, Journal, NewJob};
pub use page::{Page, PageFormat};
pub use pick::{Change, Picked, is_id};
pub use plan::{Plan, plan};
pub use preflight::{Check, Preflight, Standing};
pub use report::{Difference, NotMovable, Progress, Report, Silent, Stage, Step};
pub use rotations::{Rotating, Secrets};
pub use spool::Spool;
pub use sync::{Base, Sync};
pub use transfer::transfer;
pub use undo::{Undone, undo};
pub use verify::verify;
pub use watched::{News, Watched};

use crate::archive::{self, Opener, Recipient};
use crate::crypto::keychain::PublicKey;
use crate::error::{Error, ErrorKind, Result};
use crate::formats::{Format, ReadOptions, WriteOptions};
use crate::model::{Entry, RecordPath};
use crate::secret::SecretString;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

/// A resolved location: anything that yields records or takes them.
pub enum Endpoint {
    /// An unlocked environment, and the vault and folder within it that count.
    Environment(Arc<Environment>, RecordPath),
    /// A file; `-` is standard input or output.
    File {
        /// Where it is.
        path: PathBuf,
        /// `None`: found from content, then from the ending.
        format: Option<Format>,
    },
    /// Standard input, read already and kept so that it can be read again. A source only.
    Spooled(Arc<Spool>, Option<Format>),
}

/// Starts to read what a location holds, for a face that shows records one by one. The stream ends after
/// the last chunk or the first error; to stop early, drop it. A runtime must be entered.
#[must_use]
pub fn records(from: &Endpoint, options: &Options) -> tokio::sync::mpsc::Receiver<Result<Vec<Entry>>> {
    source::open(from, options)
}

impl Endpoint {
    /// A file as users type it: `FILE` or `FORMAT:FILE`.
    #[must_use]
    pub fn file(word: &str) -> Self {
        let named = word.split_once(':').filter(|(_, path)| !path.is_empty());
        match named.and_then(|(name, path)| Some((Format::from_name(name)?, path))) {
            Some((format, path)) => Endpoint::File { path: path.into(), format: Some(format) },
            None => Endpoint::File { path: word.into(), format: None },
        }
    }

    /// The environment, where it is one.
    #[must_use]
    pub fn environment(&self) -> Option<&Arc<Environment>> {
        match self {
            Endpoint::Environment(environment, _) => Some(environment),
            Endpoint::File { .. } | Endpoint::Spooled(..) => None,
        }
    }

    /// Whether it is an environment whose user has keys.
    fn encrypts(&self) -> bool {
        self.environment().is_some_and(|environment| environment.encrypts())
    }
}

/// What to do with a record whose place and name are taken by other content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Conflict {
    /// Leave what is there, list the record as skipped.
    Skip,
    /// Overwrite what is there.
    Update,
    /// Create it beside what is there.
    Duplicate,
    /// Write nothing at all.
    #[default]
    Fail,
}

impl Conflict {
    /// The rule of that name.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for any other word.
    pub fn from_name(word: &str) -> Result<Self> {
        let all = [Conflict::Skip, Conflict::Update, Conflict::Duplicate, Conflict::Fail];
        let found = all.into_iter().find(|rule| rule.name() == word);
        found.ok_or_else(|| Error::new(ErrorKind::Usage, "on_conflict is skip, update, duplicate or fail"))
    }

    /// The word on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Conflict::Skip => "skip",
            Conflict::Update => "update",
            Conflict::Duplicate => "duplicate",
            Conflict::Fail => "fail",
        }
    }
}

/// How much of what was written is read back and compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verify {
    /// Every record.
    #[default]
    Full,
    /// 400 of those that were written, chosen at random.
    Sample,
    /// Nothing.
    None,
}

impl Verify {
    /// The choice of that name.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for any other word.
    pub fn from_name(word: &str) -> Result<Self> {
        match word {
            "full" => Ok(Verify::Full),
            "sample" => Ok(Verify::Sample),
            "none" => Ok(Verify::None),
            _ => Err(Error::new(ErrorKind::Usage, "verify is full, sample or none")),
        }
    }
}

/// Which record keys the sink's records get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keys {
    /// Each record is decrypted and encrypted anew: whoever held a record key of the source cannot
    /// read the sink's.
    #[default]
    Fresh,
    /// Ciphertext is copied as it is and only the record keys are wrapped anew: no plaintext exists
    /// in memory at all. Both environments must be encrypted.
    Kept,
}

/// Whether an environment's attachments are fetched with its records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Attachments {
    /// All of them.
    #[default]
    Fetched,
    /// None, for who looks at records alone.
    Left,
}

/// What archives are sealed for and opened with.
#[derive(Clone, Debug, Default)]
pub struct ArchiveKeys {
    /// Whoever knows this.
    pub passphrase: Option<SecretString>,
    /// The user who is signed in to this environment, by the key pair there.
    pub user: Option<Arc<Environment>>,
    /// Others, when sealing.
    pub recipients: Vec<PublicKey>,
}

impl ArchiveKeys {
    /// Those of the first environment's user among these, with a passphrase or without.
    #[must_use]
    pub fn of<'a>(
        endpoints: impl IntoIterator<Item = &'a Endpoint>,
        passphrase: Option<SecretString>,
    ) -> Self {
        let user = endpoints.into_iter().find_map(Endpoint::environment).cloned();
        Self { passphrase, user, recipients: Vec::new() }
    }

    /// Opens an archive with whichever of the keys fits.
    pub fn open(&self, input: Box<dyn Read + Send>) -> Result<archive::Reader> {
        let keychain = self.user.as_ref().and_then(|user| user.keychain().ok());
        let mut openers: Vec<Opener<'_>> = keychain.map(Opener::PrivateKey).into_iter().collect();
        openers.extend(self.passphrase.as_ref().map(Opener::Passphrase));
        archive::Reader::open(input, &openers)
    }

    /// Everybody to seal an archive for.
    fn recipients(&self) -> Result<Vec<Recipient>> {
        let user = self.user.as_ref().and_then(|user| user.keychain().ok());
        let mut recipients: Vec<_> =
            user.map(|keychain| Recipient::PublicKey(keychain.public().clone())).into_iter().collect();
        recipients.extend(self.recipients.iter().cloned().map(Recipient::PublicKey));
        recipients.extend(self.passphrase.clone().map(Recipient::Passphrase));
        if recipients.is_empty() {
            return Err(Error::new(ErrorKind::Usage, "there is nobody to seal the archive for").next_step(
                "set KEYFERRY_ARCHIVE_PASSPHRASE or KEYFERRY_ARCHIVE_PASSPHRASE_FILE, or name a --recipient of archive create",
            ));
        }
        Ok(recipients)
    }
}

/// How to transfer. The default loses nothing and asks before it overwrites.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// See [`Conflict`].
    pub on_conflict: Conflict,
    /// See [`Verify`].
    pub verify: Verify,
    /// See [`Keys`].
    pub keys: Keys,
    /// See [`Attachments`].
    pub attachments: Attachments,
    /// Which records of the source count.
    pub filter: Filter,
    /// How to read a file.
    pub read: ReadOptions,
    /// How to write one.
    pub write: WriteOptions,
    /// How to seal and open an archive.
    pub archive: ArchiveKeys,
    /// The sink is kept in step with the source.
    pub sync: Option<Sync>,
    /// A plaintext file may be written.
    pub allow_plaintext: bool,
    /// Records may go from an encrypted vault into one that is not.
    pub allow_unencrypted_target: bool,
    /// Where the transfer is written down, so that it can be resumed and undone.
    pub job: Option<Job>,
    /// Where records that could not be taken are listed (positions, names and reasons; no secrets).
    pub rejects: Option<PathBuf>,
}
