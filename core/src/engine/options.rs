//! How to transfer: plain values, whose defaults lose nothing and ask before they overwrite.

use crate::archive::{self, Opener, Recipient};
use crate::crypto::keychain::PublicKey;
use crate::engine::endpoint::Endpoint;
use crate::engine::environment::Environment;
use crate::engine::joins::Joins;
use crate::engine::journal::{Job, Pace};
use crate::engine::placement::Structure;
use crate::engine::rights::people::UserMap;
use crate::engine::source::filter::Filter;
use crate::engine::transfer::sync::Sync;
use crate::engine::workers::Workers;
use crate::error::{Error, ErrorKind, Result};
use crate::formats::{ReadOptions, WriteOptions};
use crate::secret::SecretString;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

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
    /// Take an archive whose passphrase costs more than 1 GiB or 10 passes to try.
    pub allow_heavy: bool,
}

impl ArchiveKeys {
    /// Those of the first environment's user among these, with a passphrase or without.
    #[must_use]
    pub fn of<'a>(
        endpoints: impl IntoIterator<Item = &'a Endpoint>,
        passphrase: Option<SecretString>,
    ) -> Self {
        let user = endpoints.into_iter().find_map(Endpoint::environment).cloned();
        Self { passphrase, user, ..Self::default() }
    }

    /// Opens an archive with whichever of the keys fits.
    pub fn open(&self, input: Box<dyn Read + Send>) -> Result<archive::Reader> {
        let keychain = self.user.as_ref().and_then(|user| user.keychain().ok());
        let mut openers: Vec<Opener<'_>> = keychain.map(Opener::PrivateKey).into_iter().collect();
        let heavy = self.allow_heavy;
        openers.extend(
            self.passphrase.as_ref().map(|phrase| {
                if heavy { Opener::HeavyPassphrase(phrase) } else { Opener::Passphrase(phrase) }
            }),
        );
        archive::Reader::open(input, &openers)
    }

    /// Everybody to seal an archive for.
    pub(crate) fn recipients(&self) -> Result<Vec<Recipient>> {
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
#[expect(clippy::struct_excessive_bools, reason = "each is a permission of its own")]
pub struct Options {
    /// See [`Conflict`].
    pub on_conflict: Conflict,
    /// See [`Verify`].
    pub verify: Verify,
    /// See [`Keys`].
    pub keys: Keys,
    /// See [`Attachments`].
    pub attachments: Attachments,
    /// See [`Structure`]. `None`: below for a transfer; a comparison finds out how what it compares was brought there.
    pub structure: Option<Structure>,
    /// Which records of the source count.
    pub filter: Filter,
    /// How to read a file.
    pub read: ReadOptions,
    /// One-time codes of the source join the sink's records of their issuer and account.
    pub match_codes: bool,
    /// What was found out about that; a transfer does so itself.
    pub joins: Option<Arc<Joins>>,
    /// How to write one.
    pub write: WriteOptions,
    /// How to seal and open an archive.
    pub archive: ArchiveKeys,
    /// A file is an archive whatever its name: a pipe has none that ends in `.kfa`.
    pub sealed: bool,
    /// The sink is kept in step with the source.
    pub sync: Option<Sync>,
    /// A plaintext file may be written.
    pub allow_plaintext: bool,
    /// Records may go from an encrypted vault into one that is not.
    pub allow_unencrypted_target: bool,
    /// Keys of vaults may be wrapped for administrators, and for those whose rights go along, whose keys were never seen here.
    pub trust_administrators: bool,
    /// Groups, rights and shortcuts go along as well, and who is who.
    pub rights: Option<UserMap>,
    /// A source without records, or a filter that matches none, is no mistake.
    pub allow_empty: bool,
    /// When two locations are compared: what only the second holds is a difference too.
    pub exact: bool,
    /// The digest of the plan that was approved: a transfer that finds another one writes nothing.
    pub approved: Option<String>,
    /// What a plan's digest is taken under where the sink's user has no keys; those of other sinks are under a key that only
    /// the user can derive.
    pub plan_key: Option<SecretString>,
    /// What a plan is the plan of: the words of its command, and where they were typed. Another command, another digest.
    pub plan_of: Vec<String>,
    /// How fast an earlier job wrote to the sink, for a plan's estimate.
    pub pace: Option<Pace>,
    /// Where the transfer is written down, so that it can be resumed and undone.
    pub job: Option<Job>,
    /// Several processes send what is to be made. The sink has to be encrypted by clients.
    pub workers: Option<Workers>,
    /// Where records that could not be taken are listed (positions, names and reasons; no secrets).
    pub rejects: Option<PathBuf>,
}
