//! What is remembered of an environment, so that its server cannot say one thing today and another tomorrow. The first
//! use is believed; a change is refused until a person asks for it.
//!
//! | subject | what its digest stands for |
//! |---|---|
//! | `encryption` | the user had keys |
//! | `key-derivation` | how the master key comes from the master password |
//! | `vault:ID` | the vault's key: `HMAC-SHA-256[vault key](…)`, which says nothing about it |
//! | `name:ID:DIGEST` | a name that the vault was seen under |
//! | `second:ID` | that this vault may share its name with one that was known before, by a person's word |
//! | `record:ID` | the vault key that a record was opened under |
//! | `target:ID`, `binding:ID` | where a record's secret is changed by `rotate`, and that it offered channel binding |
//! | a user's id | the public key that keys were wrapped for |
//!
//! A server wraps keys for a user as well as anybody, since a public key is no secret: a key of its own in the place of a
//! vault's would open all that is written from then on, and a vault of its own under a name that is known would take it in.

use crate::crypto::keychain::{PublicKey, vault_key_pin};
use crate::crypto::master_key;
use crate::engine::journal::{parts, wrapped_key_hash};
use crate::engine::names;
use crate::error::{Error, ErrorKind, Place, Result};
use crate::secret::SecretString;
use keyferry_api::item::{Attachment, Item};
use keyferry_api::vault::Vault;
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, OnceLock};

/// What is compared.
pub type Digest = [u8; 32];

/// What an item was written as here.
#[derive(Clone, Debug)]
pub struct Written {
    /// The hash of its wrapped record key.
    pub key: Digest,
    /// What each of its envelopes was written as, in the journal's own form; `None` where that is not known.
    pub parts: Option<Vec<u8>>,
}

/// Digests by place and subject. Nothing among them opens anything.
pub trait Pins: Send + Sync {
    /// The digest of a subject; `None` where it was never seen.
    ///
    /// # Errors
    /// Where the memory cannot be read.
    fn pinned(&self, place: &str, subject: &str) -> Result<Option<Digest>>;

    /// Remembers these, in place of what was there.
    ///
    /// # Errors
    /// Where the memory cannot be written.
    fn pin(&self, place: &str, subjects: &[(String, Digest)]) -> Result<()>;

    /// The subjects that begin so and have this digest.
    ///
    /// # Errors
    /// Where the memory cannot be read.
    fn subjects(&self, place: &str, beginning: &str, digest: &Digest) -> Result<Vec<String>>;

    /// The subjects that begin so, each with its digest.
    ///
    /// # Errors
    /// Where the memory cannot be read.
    fn all(&self, place: &str, beginning: &str) -> Result<Vec<(String, Digest)>>;

    /// What these items were written as here, by their ids; without those that were written elsewhere. Asked for many at
    /// once, since each question costs a look at the disk or a way over a network.
    ///
    /// # Errors
    /// Where the memory cannot be read.
    fn written(&self, items: &[&str]) -> Result<HashMap<String, Written>> {
        let _ = items;
        Ok(HashMap::new())
    }

    /// The items that were written with these record keys here, by key.
    ///
    /// # Errors
    /// Where the memory cannot be read.
    fn written_with(&self, keys: &HashSet<Digest>) -> Result<HashMap<Digest, String>> {
        let _ = keys;
        Ok(HashMap::new())
    }

    /// Offers a memory to whoever has none to keep new pins in.
    fn keep_in(&self, own: Arc<dyn Pins>) {
        drop(own);
    }
}

/// Pins that were brought along, as `keyferry env pins export` writes them: a line each of 64 hexadecimal digits, the
/// subject, and the place.
#[derive(Debug, Default)]
pub struct Brought(BTreeMap<(String, String), Digest>);

impl Brought {
    /// Reads the lines; empty ones and those that begin with `#` say nothing.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] for anything else: a pin that was lost would be believed anew.
    pub fn parse(text: &str) -> Result<Self> {
        let mut all = BTreeMap::new();
        for (number, line) in text.lines().map(str::trim).enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let mut words = line.splitn(3, ' ');
            let digest =
                words.next().and_then(|word| data_encoding::HEXLOWER_PERMISSIVE.decode(word.as_bytes()).ok());
            let digest = digest.and_then(|bytes| Digest::try_from(bytes.as_slice()).ok());
            let (Some(digest), Some(subject), Some(place)) = (digest, words.next(), words.next()) else {
                return Err(Error::new(ErrorKind::Input, format!("line {} of the pins is none", number + 1))
                    .next_step("take them as keyferry env pins export wrote them"));
            };
            let of = (place.trim().to_owned(), subject.to_owned());
            // Which of two is true nobody here can say.
            if all.insert(of, digest).is_some_and(|other| other != digest) {
                let what = format!(
                    "line {} of the pins says of {subject} another thing than one before",
                    number + 1
                );
                return Err(Error::new(ErrorKind::Input, what)
                    .next_step("take them from one machine, as keyferry env pins export wrote them"));
            }
        }
        Ok(Self(all))
    }

    /// Whether any of them is of the environment at this place.
    #[must_use]
    pub fn tell_of(&self, place: &str) -> bool {
        self.0.keys().any(|(at, _)| at == place)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A line of [`Brought`].
#[must_use]
pub fn line(place: &str, subject: &str, digest: &Digest) -> String {
    format!("{} {subject} {place}", data_encoding::HEXLOWER.encode(digest))
}

/// Pins that were brought, and a memory of one's own besides. What was brought counts first.
pub struct Known {
    brought: Brought,
    own: OnceLock<Arc<dyn Pins>>,
}

impl Known {
    /// `own` is where the rest is kept; `None` where nothing can be, or not yet.
    #[must_use]
    pub fn new(brought: Brought, own: Option<Arc<dyn Pins>>) -> Self {
        Self { brought, own: own.map_or_else(OnceLock::new, OnceLock::from) }
    }
}

impl Pins for Known {
    fn pinned(&self, place: &str, subject: &str) -> Result<Option<Digest>> {
        if let Some(digest) = self.brought.0.get(&(place.to_owned(), subject.to_owned())) {
            return Ok(Some(*digest));
        }
        self.own.get().map_or(Ok(None), |own| own.pinned(place, subject))
    }

    fn pin(&self, place: &str, subjects: &[(String, Digest)]) -> Result<()> {
        self.own.get().map_or(Ok(()), |own| own.pin(place, subjects))
    }

    fn subjects(&self, place: &str, beginning: &str, digest: &Digest) -> Result<Vec<String>> {
        let brought =
            self.brought.0.iter().filter(|((at, subject), held)| {
                at == place && subject.starts_with(beginning) && *held == digest
            });
        let mut all: Vec<String> = brought.map(|((_, subject), _)| subject.clone()).collect();
        if let Some(own) = self.own.get() {
            all.extend(own.subjects(place, beginning, digest)?);
        }
        Ok(all)
    }

    fn all(&self, place: &str, beginning: &str) -> Result<Vec<(String, Digest)>> {
        let brought =
            self.brought.0.iter().filter(|((at, one), _)| at == place && one.starts_with(beginning));
        let mut all: Vec<_> = brought.map(|((_, subject), digest)| (subject.clone(), *digest)).collect();
        if let Some(own) = self.own.get() {
            all.extend(own.all(place, beginning)?);
        }
        Ok(all)
    }

    fn written_with(&self, keys: &HashSet<Digest>) -> Result<HashMap<Digest, String>> {
        self.own.get().map_or_else(|| Ok(HashMap::new()), |own| own.written_with(keys))
    }

    fn written(&self, items: &[&str]) -> Result<HashMap<String, Written>> {
        self.own.get().map_or_else(|| Ok(HashMap::new()), |own| own.written(items))
    }

    fn keep_in(&self, own: Arc<dyn Pins>) {
        self.own.get_or_init(|| own);
    }
}

/// What is remembered of one environment, and how strictly.
#[derive(Clone)]
pub struct Memory {
    pins: Arc<dyn Pins>,
    place: String,
    /// Nothing is believed for the first time.
    required: bool,
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Memory({}, required: {})", self.place, self.required)
    }
}

/// What became of records that were written here, as far as anybody knows.
#[derive(Default)]
pub(crate) struct Compared {
    /// Those that have a key which is neither theirs nor another's: so a client leaves them that moves records between vaults.
    pub rekeyed: HashSet<String>,
    /// Items that were not written here and have the key of one that was, which is named: a copy that somebody made, or what a
    /// server shows under an id of its own.
    pub copies: HashMap<String, String>,
}

/// What is known of a vault by its name.
enum Named {
    /// It was seen under this name.
    Known,
    /// Nobody was: this is what to remember.
    First(String, Digest),
    /// Another was, and nobody said that there are two.
    Stranger(Error, Beside),
}

/// Whom a stranger's name leads to besides.
enum Beside {
    /// The vault that is known by it.
    Known,
    /// That one has it no more.
    Nobody,
}

const ENCRYPTION: &str = "encryption";
const KEY_DERIVATION: &str = "key-derivation";

impl Memory {
    /// The memory of the environment at `place`, its canonical name. With `required`, what has no pin is refused.
    #[must_use]
    pub fn new(pins: Arc<dyn Pins>, place: impl Into<String>, required: bool) -> Self {
        Self { pins, place: place.into(), required }
    }

    /// The memory of what was brought, kept in `own` besides; `None` where neither is there and nothing is required.
    #[must_use]
    pub fn of(brought: Brought, own: Option<Arc<dyn Pins>>, place: &str, required: bool) -> Option<Self> {
        let any = own.is_some() || !brought.is_empty() || required;
        any.then(|| Self::new(Arc::new(Known::new(brought, own)), place, required))
    }

    /// The environment's canonical name.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Whether nothing is believed for the first time.
    pub(crate) fn requires_pins(&self) -> bool {
        self.required
    }

    /// New pins are kept there, where nothing keeps them yet.
    pub(crate) fn keep_in(&self, own: Arc<dyn Pins>) {
        self.pins.keep_in(own);
    }

    /// Whether this is what was seen before; `false` where nothing was. `what` and `remedy` are for the error.
    fn agrees(&self, subject: &str, digest: &Digest, what: &str, remedy: &str) -> Result<bool> {
        match self.pins.pinned(&self.place, subject)? {
            Some(pinned) if pinned == *digest => Ok(true),
            Some(_) => Err(self.refuse(
                subject,
                &format!("{what} of {} is not the one that was seen before", self.place),
                remedy,
            )),
            None if self.required => Err(Error::new(
                ErrorKind::NotAllowed,
                format!("{what} of {} has no pin, and pins are required", self.place),
            )
            .next_step(format!("bring `{subject}` from a machine that knows it: keyferry env pins export"))),
            None => Ok(false),
        }
    }

    fn refuse(&self, subject: &str, what: &str, remedy: &str) -> Error {
        Error::new(ErrorKind::NotAllowed, what.to_owned())
            .next_step(format!("{remedy}: keyferry env unpin {} {subject}", self.place))
    }

    fn first(&self, subject: String, digest: Digest) -> Result<()> {
        self.pins.pin(&self.place, &[(subject, digest)])
    }

    /// Makes sure that an environment in which its user had keys is not one without all at once.
    ///
    /// # Errors
    /// [`ErrorKind::NotAllowed`] where its user has none any more.
    pub(crate) fn encryption(&self, encrypts: bool) -> Result<()> {
        let pinned = self.pins.pinned(&self.place, ENCRYPTION)?;
        match (encrypts, pinned) {
            (true, Some(_)) => Ok(()),
            (true, None) if !self.required => self.first(ENCRYPTION.to_owned(), [1; 32]),
            (false, None) if !self.required => Ok(()),
            (false, Some(_)) => {
                let what = format!(
                    "{} encrypted before, and says now that its user has no keys: what is written, its server could read",
                    self.place
                );
                Err(self.refuse(
                    ENCRYPTION,
                    &what,
                    "ask its administrator over another way; if encryption was given up",
                ))
            }
            (_, None) => self.agrees(ENCRYPTION, &[1; 32], "that its user has keys", "").map(drop),
        }
    }

    /// Whether the way to the master key is the one of before; `false` where it was never seen.
    ///
    /// # Errors
    /// [`ErrorKind::NotAllowed`] for another: a server that names it could make guessing cheap.
    pub fn derivation_agrees(&self, options: &master_key::Options) -> Result<bool> {
        let remedy = "ask its administrator over another way; if the master password was changed";
        self.agrees(KEY_DERIVATION, &derivation(options), "the key derivation", remedy)
    }

    /// Makes sure that a user who had a way to the master key is not without one all at once.
    ///
    /// # Errors
    /// [`ErrorKind::NotAllowed`] where it was seen before.
    pub(crate) fn no_derivation(&self) -> Result<()> {
        if self.pins.pinned(&self.place, KEY_DERIVATION)?.is_none() {
            return Ok(());
        }
        let what = format!("{} named a key derivation before, and says now that there is none", self.place);
        Err(self.refuse(
            KEY_DERIVATION,
            &what,
            "ask its administrator over another way; if encryption was given up",
        ))
    }

    /// Remembers the way to the master key, once it has opened the private key.
    pub(crate) fn pin_derivation(&self, options: &master_key::Options) -> Result<()> {
        self.first(KEY_DERIVATION.to_owned(), derivation(options))
    }

    /// Whether a vault's key is the one of before; `false` where it was never seen.
    ///
    /// # Errors
    /// [`ErrorKind::NotAllowed`] for another, or where a vault that had a key has none any more.
    pub fn vault_agrees(&self, id: &str, key: Option<&SecretString>) -> Result<bool> {
        let (subject, what) = (format!("vault:{id}"), format!("the key of vault {id}"));
        let remedy = "ask the vault's administrator over another way; if it was changed";
        if let Some(key) = key {
            return self.agrees(&subject, &vault_key_pin(key, id), &what, remedy);
        }
        if self.pins.pinned(&self.place, &subject)?.is_none() && !self.required {
            return Ok(false);
        }
        let what =
            format!("{what} of {} was there before, and is gone by the word of the server", self.place);
        Err(self.refuse(&subject, &what, remedy))
    }

    /// The same, and remembers it if it was never seen. Only for a key that has opened something, or of an empty vault.
    ///
    /// # Errors
    /// As [`Memory::vault_agrees`], and where the memory cannot be written.
    pub fn pin_vault(&self, id: &str, key: Option<&SecretString>) -> Result<()> {
        if !self.vault_agrees(id, key)?
            && let Some(key) = key
        {
            self.first(format!("vault:{id}"), vault_key_pin(key, id))?;
        }
        Ok(())
    }

    /// What there is to say of a copy of a known vault's key that does not open, or is not what the vault itself says.
    pub(crate) fn not_the_key(&self, id: &str, error: Error) -> Error {
        let what = format!("the key of vault {id} of {} is not the one that was seen before", self.place);
        let remedy = "ask the vault's administrator over another way; if it was changed";
        self.refuse(&format!("vault:{id}"), &what, remedy).because(error)
    }

    /// Whether a vault's key was seen before.
    ///
    /// # Errors
    /// Where the memory cannot be read.
    pub fn knows_vault(&self, id: &str) -> Result<bool> {
        self.pins.pinned(&self.place, &format!("vault:{id}")).map(|pinned| pinned.is_some())
    }

    /// Makes sure that names which lead to vaults do not lead to others all at once. All that are looked at together are
    /// asked for together: two of one name that were never seen before are both known by it from then on, and one that comes
    /// later beside a known one is a stranger. Answers these, by their ids, with what there is to say: whoever may make a
    /// vault and share it can make one, and the known one is there as before.
    ///
    /// # Errors
    /// [`ErrorKind::NotAllowed`] where a name was another vault's that has it no more.
    pub(crate) fn vault_names(&self, vaults: &[&Vault]) -> Result<HashMap<String, Error>> {
        let (mut first, mut strangers) = (Vec::new(), HashMap::new());
        for vault in vaults {
            match self.named(vault, vaults)? {
                Named::Known => {}
                Named::Stranger(error, Beside::Known) => drop(strangers.insert(vault.id.clone(), error)),
                Named::Stranger(error, Beside::Nobody) => return Err(error),
                Named::First(..) if self.required && !self.knows_vault(&vault.id)? => {
                    let what =
                        format!("vault `{}` of {} has no pin, and pins are required", vault.name, self.place);
                    return Err(Error::new(ErrorKind::NotAllowed, what)
                        .next_step("bring it from a machine that knows it: keyferry env pins export"));
                }
                Named::First(subject, digest) => first.push((subject, digest)),
            }
        }
        self.pin_all(&first)?;
        Ok(strangers)
    }

    /// The strangers among vaults that are only looked at, by their ids: nothing is remembered of the others.
    ///
    /// # Errors
    /// Where the memory cannot be read.
    pub(crate) fn strangers_beside(&self, vaults: &[&Vault]) -> Result<HashMap<String, Error>> {
        let mut strangers = HashMap::new();
        for vault in vaults {
            if let Named::Stranger(error, Beside::Known) = self.named(vault, vaults)? {
                strangers.insert(vault.id.clone(), error);
            }
        }
        Ok(strangers)
    }

    /// What is known of a vault by its name, among those that are looked at together.
    fn named(&self, vault: &Vault, together: &[&Vault]) -> Result<Named> {
        let (subject, digest) = name_pin(vault);
        if self.pins.pinned(&self.place, &subject)?.is_some() {
            return Ok(Named::Known);
        }
        let mut others = self.pins.subjects(&self.place, "name:", &digest)?;
        let earlier = earlier_name_pins(vault);
        if !earlier.is_empty() {
            let all = self.pins.all(&self.place, "name:")?.into_iter();
            others.extend(all.filter(|(_, held)| earlier.contains(held)).map(|(subject, _)| subject));
        }
        let ids = others.iter().filter_map(|subject| subject.split(':').nth(1));
        let others: Vec<&str> = ids.filter(|id| *id != vault.id).collect();
        let second = format!("second:{}", vault.id);
        let Some(other) = others.first() else { return Ok(Named::First(subject, digest)) };
        if self.pins.pinned(&self.place, &second)?.is_some() {
            return Ok(Named::First(subject, digest));
        }
        let what = format!(
            "vault `{}` of {} is not the one that was seen before: that was {other}, this is {}",
            vault.name, self.place, vault.id
        );
        let error = Error::new(ErrorKind::NotAllowed, what).next_step(format!(
            "ask its owner over another way; if it was made anew or renamed: keyferry env unpin {0} vault:{other}; if there are two of that name now: keyferry env unpin {0} {second}",
            self.place
        ));
        let has_it_still =
            |one: &&Vault| others.contains(&one.id.as_str()) && names::same(&one.name, &vault.name);
        let beside = if together.iter().any(has_it_still) { Beside::Known } else { Beside::Nobody };
        Ok(Named::Stranger(error, beside))
    }

    /// Remembers a vault that was made here: its key and its name come from no server.
    ///
    /// # Errors
    /// [`ErrorKind::NotAllowed`] where a vault of this id was known before.
    pub(crate) fn own_vault(&self, id: &str, name: &str, key: Option<&SecretString>) -> Result<()> {
        if self.knows_vault(id)? {
            let what =
                format!("{} answers that a new vault is {id}, which is another that is known", self.place);
            return Err(Error::new(ErrorKind::NotAllowed, what).next_step(
                "nothing was written to it: ask the environment's administrator over another way",
            ));
        }
        let vault = Vault { id: id.to_owned(), name: name.to_owned(), ..Vault::default() };
        let mut subjects = vec![name_pin(&vault)];
        subjects.extend(key.map(|key| (format!("vault:{id}"), vault_key_pin(key, id))));
        self.pins.pin(&self.place, &subjects)
    }

    /// Makes sure that records, by their ids, are opened under the vault key of before. One that moved into a vault whose
    /// key is known is known there.
    ///
    /// # Errors
    /// [`ErrorKind::NotAllowed`] where a record was opened under another key before, or under any and now none.
    pub fn record(
        &self,
        id: &str,
        vault_id: &str,
        key: Option<&SecretString>,
    ) -> Result<Option<(String, Digest)>> {
        let subject = format!("record:{id}");
        let pinned = self.pins.pinned(&self.place, &subject)?;
        let digest = key.map(|key| vault_key_pin(key, id));
        if pinned.is_none() && key.is_some() && self.required {
            // Whoever wrote the pins may never have opened this record, but knew its vault.
            self.vault_agrees(vault_id, key)?;
        }
        if pinned == digest {
            return Ok(None);
        }
        if pinned.is_some() && !(key.is_some() && self.vault_agrees(vault_id, key)?) {
            let what =
                format!("the key of record {id} of {} is not the one that was seen before", self.place);
            return Err(self.refuse(&subject, &what, "if it was moved to another vault"));
        }
        Ok(digest.map(|digest| (subject, digest)))
    }

    /// Makes sure that no item which was written here is answered with what was written as another: nothing in Passwork's
    /// envelopes says whose they are, but each record has a key of its own. Names those that have a key which is neither
    /// theirs nor another's: so a client leaves them that moves records between vaults.
    ///
    /// # Errors
    /// [`ErrorKind::NotAllowed`] for an exchange.
    pub fn exchanged<'a>(&self, items: impl IntoIterator<Item = &'a Item>) -> Result<HashSet<String>> {
        self.compared(items).map(|compared| compared.rekeyed)
    }

    /// The same, with those that were not written here and have the record key of one that was.
    ///
    /// # Errors
    /// As [`Memory::exchanged`].
    pub(crate) fn compared<'a>(&self, items: impl IntoIterator<Item = &'a Item>) -> Result<Compared> {
        let (mut other, mut unknown, mut compared) = (Vec::new(), Vec::new(), Compared::default());
        let items: Vec<&Item> = items.into_iter().collect();
        let written = self.pins.written(&items.iter().map(|item| item.id.as_str()).collect::<Vec<_>>())?;
        let looked_at: Vec<(Option<Digest>, Result<()>)> = items
            .par_iter()
            .map(|item| {
                let held = wrapped_key_hash(item.key_encrypted.as_deref());
                let as_written = written.get(&item.id).filter(|written| held == Some(written.key));
                let parts = as_written.and_then(|written| written.parts.as_deref());
                (held, self.each_in_its_place(item, parts))
            })
            .collect();
        for (item, (held, in_place)) in items.into_iter().zip(looked_at) {
            match (held, written.get(&item.id)) {
                (Some(key), Some(written)) if written.key != key => other.push((key, item)),
                (Some(_), Some(_)) => in_place?,
                (Some(key), None) => unknown.push((key, item)),
                // It had one when it was written.
                (None, Some(_)) => drop(compared.rekeyed.insert(item.id.clone())),
                (None, None) => {}
            }
        }
        let keys: HashSet<Digest> = other.iter().chain(&unknown).map(|(key, _)| *key).collect();
        if keys.is_empty() {
            return Ok(compared);
        }
        let written = self.pins.written_with(&keys)?;
        for (key, item) in other {
            if let Some(as_other) = written.get(&key) {
                let what = format!(
                    "{} answers with what was written as record {as_other} in the place of record {}",
                    self.place, item.id
                );
                return Err(of_another(what, &item.name));
            }
            compared.rekeyed.insert(item.id.clone());
        }
        let copy = |(key, item): (Digest, &Item)| Some((item.id.clone(), written.get(&key)?.clone()));
        compared.copies = unknown.into_iter().filter_map(copy).collect();
        Ok(compared)
    }

    fn written(&self, item: &str) -> Result<Option<Written>> {
        Ok(self.pins.written(&[item])?.remove(item))
    }

    /// Makes sure that no envelope of an item stands for another field than it was written as here.
    fn each_in_its_place(&self, item: &Item, parts: Option<&[u8]>) -> Result<()> {
        if !parts.is_some_and(|parts| parts::are_exchanged(parts, item)) {
            return Ok(());
        }
        let what =
            format!("{} answers with what was written as one field in the place of another", self.place);
        Err(of_another(what, &item.name))
    }

    /// Makes sure that an attachment is not answered with what was written as another of its item.
    ///
    /// # Errors
    /// [`ErrorKind::NotAllowed`] where it is.
    pub(crate) fn is_that_attachment(&self, item: &Item, name: &str, attachment: &Attachment) -> Result<()> {
        let parts = self.written(&item.id)?.and_then(|written| written.parts);
        if !parts.is_some_and(|parts| parts::is_another_attachment(&parts, name, &attachment.encrypted_key)) {
            return Ok(());
        }
        let what = format!(
            "{} answers with what was written as another attachment in the place of {name}",
            self.place
        );
        Err(of_another(what, &item.name))
    }

    /// Makes sure that an item which was written here with a record key is not answered without one: what was in it would
    /// be gone, and what is written next would hide that.
    ///
    /// # Errors
    /// [`ErrorKind::NotAllowed`] where it is.
    pub(crate) fn keeps_its_key(&self, item: &Item) -> Result<()> {
        let has_one = item.key_encrypted.as_deref().is_some_and(|key| !key.is_empty());
        if has_one || self.written(&item.id)?.is_none() {
            return Ok(());
        }
        let what = format!("it was written here with a key, and has none by the word of {}", self.place);
        Err(Error::new(ErrorKind::NotAllowed, what).at(Place::Record(item.name.clone())).next_step(
            "ask its administrator over another way; its history, or a backup, has what was in it",
        ))
    }

    /// Remembers what [`Memory::record`] answered.
    ///
    /// # Errors
    /// Where the memory cannot be written.
    pub fn pin_all(&self, subjects: &[(String, Digest)]) -> Result<()> {
        if subjects.is_empty() { Ok(()) } else { self.pins.pin(&self.place, subjects) }
    }

    /// Whether another user's public key is the one of before; `false` where it was never seen. What is encrypted for a
    /// key that a server put in its place, the server can read.
    ///
    /// # Errors
    /// [`ErrorKind::NotAllowed`] where it is another.
    pub(crate) fn user_agrees(&self, id: &str, key: &PublicKey) -> Result<bool> {
        let remedy = "ask that user over another way whether the key was changed; if so";
        self.agrees(id, &key.fingerprint()?, &format!("the public key of user {id}"), remedy)
    }

    /// Remembers another user's public key.
    pub(crate) fn pin_user(&self, id: &str, key: &PublicKey) -> Result<()> {
        self.first(id.to_owned(), key.fingerprint()?)
    }

    /// Makes sure that a record's secret goes where it went before; `target` is the whole address as it counts.
    ///
    /// # Errors
    /// [`ErrorKind::NotAllowed`] for another target, unless it is `allowed`.
    pub fn target(&self, id: &str, target: &str, allowed: bool) -> Result<()> {
        if allowed {
            return Ok(());
        }
        let remedy = "if it moved, name it with --target or add --allow-target; to forget the old one";
        self.agrees(
            &format!("target:{id}"),
            &Sha256::digest(target).into(),
            &format!("the target of record {id}"),
            remedy,
        )
        .map(drop)
    }

    /// Remembers where a record's secret went, and whether that target offered channel binding.
    ///
    /// # Errors
    /// Where the memory cannot be written.
    pub fn pin_target(&self, id: &str, target: &str, binds: bool) -> Result<()> {
        let (subject, digest) = (format!("target:{id}"), Sha256::digest(target).into());
        if self.pins.pinned(&self.place, &subject)? != Some(digest) {
            self.first(subject, digest)?;
        }
        if binds && !self.binds(id, target)? {
            self.first(format!("binding:{id}"), digest)?;
        }
        Ok(())
    }

    /// Whether this target of a record offered channel binding before.
    ///
    /// # Errors
    /// Where the memory cannot be read.
    pub fn binds(&self, id: &str, target: &str) -> Result<bool> {
        Ok(self.pins.pinned(&self.place, &format!("binding:{id}"))? == Some(Sha256::digest(target).into()))
    }
}

fn of_another(what: String, record: &str) -> Error {
    Error::new(ErrorKind::NotAllowed, what).at(Place::Record(record.to_owned())).next_step(
        "its secrets are not what they are said to be: ask the environment's administrator over another way",
    )
}

fn derivation(options: &master_key::Options) -> Digest {
    Sha256::digest(options.to_string()).into()
}

/// The pin of a vault's name, whichever of its equivalent spellings the server gives: what finds a vault by its name takes
/// them as one.
fn name_pin(vault: &Vault) -> (String, Digest) {
    name_pin_of(&vault.id, &names::canonical(&vault.name))
}

/// The digests of the spellings that earlier versions pinned as they were given.
fn earlier_name_pins(vault: &Vault) -> HashSet<Digest> {
    let canonical = names::canonical(&vault.name);
    let mut spellings = names::spellings(&canonical, MOST_SPELLINGS);
    spellings.extend([vault.name.clone(), names::decomposed(&vault.name)]);
    let others = spellings.iter().filter(|name| **name != canonical);
    others.map(|name| name_pin_of(&vault.id, name).1).collect()
}

/// A name of more letters with marks than make so many spellings is known in its whole forms alone.
const MOST_SPELLINGS: usize = 1 << 12;

fn name_pin_of(id: &str, name: &str) -> (String, Digest) {
    let digest: Digest = Sha256::digest(name).into();
    (format!("name:{id}:{}", data_encoding::HEXLOWER.encode(&digest[..8])), digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[derive(Default)]
    struct Kept(Mutex<BTreeMap<(String, String), Digest>>);

    impl Pins for Kept {
        fn pinned(&self, place: &str, subject: &str) -> Result<Option<Digest>> {
            Ok(self.0.lock().unwrap().get(&(place.to_owned(), subject.to_owned())).copied())
        }
        fn pin(&self, place: &str, subjects: &[(String, Digest)]) -> Result<()> {
            let mut kept = self.0.lock().unwrap();
            kept.extend(
                subjects.iter().map(|(subject, digest)| ((place.to_owned(), subject.clone()), *digest)),
            );
            Ok(())
        }
        fn all(&self, place: &str, beginning: &str) -> Result<Vec<(String, Digest)>> {
            let kept = self.0.lock().unwrap();
            let found = kept.iter().filter(|((at, one), _)| at == place && one.starts_with(beginning));
            Ok(found.map(|((_, subject), digest)| (subject.clone(), *digest)).collect())
        }
        fn subjects(&self, place: &str, beginning: &str, digest: &Digest) -> Result<Vec<String>> {
            let kept = self.0.lock().unwrap();
            let found = kept.iter().filter(|((at, subject), held)| {
                at == place && subject.starts_with(beginning) && *held == digest
            });
            Ok(found.map(|((_, subject), _)| subject.clone()).collect())
        }
    }

    fn vault(id: &str, name: &str) -> Vault {
        Vault { id: id.to_owned(), name: name.to_owned(), ..Vault::default() }
    }

    fn refused<T: fmt::Debug>(result: Result<T>) -> bool {
        result.unwrap_err().kind() == ErrorKind::NotAllowed
    }

    /// What is said of one vault alone.
    fn named(memory: &Memory, vault: &Vault) -> Result<()> {
        assert!(memory.vault_names(&[vault])?.is_empty(), "nobody has that name beside it");
        Ok(())
    }

    #[test]
    fn a_name_leads_to_the_vault_that_it_led_to_before() {
        let pins = Arc::new(Kept::default());
        let run = || Memory::new(pins.clone(), "p", false);
        // Two of one name at the first look are two known vaults.
        let first = run();
        first.vault_names(&[&vault("1", "V"), &vault("2", "V")]).unwrap();
        let second = run();
        named(&second, &vault("2", "V")).unwrap();
        assert!(refused(named(&second, &vault("3", "V"))));
        // Beside one that is known and has the name still, it is a stranger, in whatever order the two are shown.
        let (known, stranger) = (vault("2", "V"), vault("3", "V"));
        for both in [[&known, &stranger], [&stranger, &known]] {
            let strangers = second.vault_names(&both).unwrap();
            assert_eq!(strangers.keys().collect::<Vec<_>>(), ["3"]);
            assert!(strangers["3"].next().unwrap().contains("second:3"));
        }
        named(&second, &vault("1", "renamed")).unwrap();
        assert!(refused(named(&run(), &vault("3", "V"))), "a name that a vault lost is still known");
        // Nor does it free its name by taking another.
        let (renamed, taker) = (vault("1", "Archive"), vault("3", "V"));
        for both in [[&renamed, &taker], [&taker, &renamed]] {
            assert!(refused(run().vault_names(&both)));
        }
        // A person may say that there are two now.
        run().pin_all(&[("second:5".to_owned(), [1; 32])]).unwrap();
        named(&run(), &vault("5", "V")).unwrap();
        run().own_vault("4", "V", Some(&"k".into())).unwrap();
        named(&run(), &vault("4", "V")).unwrap();
        assert!(
            refused(run().own_vault("4", "W", Some(&"another".into()))),
            "a new one is none that is known"
        );
        named(&Memory::new(pins, "elsewhere", false), &vault("3", "V")).unwrap();
    }

    #[test]
    fn a_name_that_an_earlier_version_pinned_as_it_was_given_is_known_in_every_spelling() {
        for given in [
            "B\u{fc}rotu\u{308}r",
            "Bu\u{308}rot\u{fc}r",
            "Bu\u{308}rotu\u{308}r",
            "e\u{302}\u{301}\u{ea}\u{301}",
        ] {
            let pins = Arc::new(Kept::default());
            let run = || Memory::new(pins.clone(), "p", false);
            run().pin_all(&[name_pin_of("1", given)]).unwrap();
            for now in [given.to_owned(), names::canonical(given).into_owned(), names::decomposed(given)] {
                assert!(refused(named(&run(), &vault("2", &now))), "{given} {now}");
                named(&run(), &vault("3", &format!("{now}s"))).unwrap();
            }
            named(&run(), &vault("1", &names::canonical(given))).unwrap();
        }
    }

    #[test]
    fn a_record_moves_among_known_vaults_alone() {
        let (key, other) = (SecretString::from("k"), SecretString::from("o"));
        let memory = Memory::new(Arc::new(Kept::default()), "p", false);
        let seen = memory.record("r", "v", Some(&key)).unwrap().unwrap();
        memory.pin_all(&[seen]).unwrap();
        assert_eq!(memory.record("r", "v", Some(&key)).unwrap(), None);
        assert!(refused(memory.record("r", "w", Some(&other))));
        assert!(refused(memory.record("r", "v", None)));
        memory.pin_vault("w", Some(&other)).unwrap();
        assert!(memory.record("r", "w", Some(&other)).unwrap().is_some());
    }

    /// Two records that were written here, each with a key of its own.
    struct Wrote;

    impl Pins for Wrote {
        fn pinned(&self, _: &str, _: &str) -> Result<Option<Digest>> {
            Ok(None)
        }
        fn pin(&self, _: &str, _: &[(String, Digest)]) -> Result<()> {
            Ok(())
        }
        fn all(&self, _: &str, _: &str) -> Result<Vec<(String, Digest)>> {
            Ok(Vec::new())
        }
        fn subjects(&self, _: &str, _: &str, _: &Digest) -> Result<Vec<String>> {
            Ok(Vec::new())
        }
        fn written(&self, items: &[&str]) -> Result<HashMap<String, Written>> {
            let here = items.iter().filter(|item| ["a", "b"].contains(item));
            let as_what = |item: &str| Written { key: wrapped_key_hash(Some(item)).unwrap(), parts: None };
            Ok(here.map(|item| ((*item).to_owned(), as_what(item))).collect())
        }
        fn written_with(&self, keys: &HashSet<Digest>) -> Result<HashMap<Digest, String>> {
            let all = ["a", "b"].map(|item| (wrapped_key_hash(Some(item)).unwrap(), item.to_owned()));
            Ok(all.into_iter().filter(|(key, _)| keys.contains(key)).collect())
        }
    }

    #[test]
    fn a_record_is_not_answered_with_what_was_written_as_another() {
        let memory = Memory::new(Arc::new(Wrote), "p", false);
        let item = |id: &str, key: &str| -> Item {
            let item = serde_json::json!({ "id": id, "vaultId": "v", "keyEncrypted": key });
            serde_json::from_value(item).unwrap()
        };
        let of = |id, key| memory.exchanged(&[item(id, key)]);
        assert_eq!(of("a", "a").unwrap().len(), 0);
        assert_eq!(of("a", "wrapped anew by a client that moved it").unwrap().len(), 1);
        assert_eq!(of("of somebody else", "b").unwrap().len(), 0, "a copy, as far as anybody knows");
        assert!(refused(of("a", "b")));
    }

    #[test]
    fn what_is_required_is_never_believed_first() {
        let key = SecretString::from("k");
        let brought = line("p", "vault:v", &vault_key_pin(&key, "v"));
        let memory = |text: &str| {
            let known = Known::new(Brought::parse(text).unwrap(), None);
            Memory::new(Arc::new(known), "p", true)
        };
        memory(&brought).pin_vault("v", Some(&key)).unwrap();
        memory(&brought).record("r", "v", Some(&key)).unwrap();
        for text in ["", "# nothing"] {
            assert!(refused(memory(text).pin_vault("v", Some(&key))));
            assert!(refused(memory(text).record("r", "v", Some(&key))));
            assert!(refused(named(&memory(text), &vault("v", "V"))));
            assert!(refused(memory(text).encryption(true)) && refused(memory(text).encryption(false)));
        }
        let other = line("p", "vault:v", &[0; 32]);
        assert!(Brought::parse(&format!("{brought}\n{brought}")).unwrap().tell_of("p"));
        assert!(Brought::parse(&format!("{brought}\n{other}")).is_err(), "one of them is a lie");
        assert!(Brought::parse("abc vault:v p").is_err() && Brought::parse(&brought[..68]).is_err());
    }

    #[test]
    fn a_target_changes_when_it_is_allowed() {
        let memory = Memory::new(Arc::new(Kept::default()), "p", false);
        memory.target("r", "postgres://a", false).unwrap();
        memory.pin_target("r", "postgres://a", true).unwrap();
        assert!(memory.binds("r", "postgres://a").unwrap() && !memory.binds("r", "postgres://b").unwrap());
        assert!(refused(memory.target("r", "postgres://b", false)));
        memory.target("r", "postgres://b", true).unwrap();
        memory.pin_target("r", "postgres://b", false).unwrap();
        assert!(refused(memory.target("r", "postgres://a", false)));
    }
}
