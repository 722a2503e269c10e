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
use crate::engine::journal::wrapped_key_hash;
use crate::engine::names;
use crate::error::{Error, ErrorKind, Place, Result};
use crate::secret::SecretString;
use keyferry_api::item::Item;
use keyferry_api::vault::Vault;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, OnceLock};

/// What is compared.
pub type Digest = [u8; 32];

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

    /// The hash of the wrapped record key that an item was written with here; `None` where it was written elsewhere.
    ///
    /// # Errors
    /// Where the memory cannot be read.
    fn written_key(&self, item: &str) -> Result<Option<Digest>> {
        let _ = item;
        Ok(None)
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
            all.insert((place.trim().to_owned(), subject.to_owned()), digest);
        }
        Ok(Self(all))
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

    fn written_key(&self, item: &str) -> Result<Option<Digest>> {
        self.own.get().map_or(Ok(None), |own| own.written_key(item))
    }

    fn written_with(&self, keys: &HashSet<Digest>) -> Result<HashMap<Digest, String>> {
        self.own.get().map_or_else(|| Ok(HashMap::new()), |own| own.written_with(keys))
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

    /// Whether a vault's key was seen before.
    ///
    /// # Errors
    /// Where the memory cannot be read.
    pub fn knows_vault(&self, id: &str) -> Result<bool> {
        self.pins.pinned(&self.place, &format!("vault:{id}")).map(|pinned| pinned.is_some())
    }

    /// Makes sure that names which lead to vaults do not lead to others all at once. All that are looked at together are
    /// asked for together: two of one name that were never seen before are both known by it from then on, and one that comes
    /// later beside a known one is a stranger.
    ///
    /// # Errors
    /// [`ErrorKind::NotAllowed`] where a name was another vault's.
    pub(crate) fn vault_names<'a>(&self, vaults: impl IntoIterator<Item = &'a Vault>) -> Result<()> {
        let mut first = Vec::new();
        for vault in vaults {
            let (subject, digest) = name_pin(vault);
            if self.pins.pinned(&self.place, &subject)?.is_some() {
                continue;
            }
            let mut others = self.pins.subjects(&self.place, "name:", &digest)?;
            for (_, earlier) in earlier_name_pins(vault) {
                others.extend(self.pins.subjects(&self.place, "name:", &earlier)?);
            }
            let mut ids = others.iter().filter_map(|subject| subject.split(':').nth(1));
            let second = format!("second:{}", vault.id);
            if let Some(other) = ids.find(|id| *id != vault.id)
                && self.pins.pinned(&self.place, &second)?.is_none()
            {
                let what = format!(
                    "vault `{}` of {} is not the one that was seen before: that was {other}, this is {}",
                    vault.name, self.place, vault.id
                );
                return Err(Error::new(ErrorKind::NotAllowed, what).next_step(format!(
                    "ask its owner over another way; if it was made anew or renamed: keyferry env unpin {0} vault:{other}; if there are two of that name now: keyferry env unpin {0} {second}",
                    self.place
                )));
            }
            if self.required && !self.knows_vault(&vault.id)? {
                let what =
                    format!("vault `{}` of {} has no pin, and pins are required", vault.name, self.place);
                return Err(Error::new(ErrorKind::NotAllowed, what)
                    .next_step("bring it from a machine that knows it: keyferry env pins export"));
            }
            first.push((subject, digest));
        }
        self.pin_all(&first)
    }

    /// The same of one vault.
    pub(crate) fn vault_name(&self, vault: &Vault) -> Result<()> {
        self.vault_names([vault])
    }

    /// Remembers a vault that was made here: its key and its name come from no server.
    pub(crate) fn own_vault(&self, id: &str, name: &str, key: Option<&SecretString>) -> Result<()> {
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
        let (mut other, mut keyless) = (Vec::new(), Vec::new());
        for item in items {
            let held = wrapped_key_hash(item.key_encrypted.as_deref());
            match (held, self.pins.written_key(&item.id)?) {
                (Some(key), Some(written)) if written != key => other.push((key, item)),
                // It had one when it was written.
                (None, Some(_)) => keyless.push(item.id.clone()),
                _ => {}
            }
        }
        if other.is_empty() {
            return Ok(keyless.into_iter().collect());
        }
        let keys: HashSet<Digest> = other.iter().map(|(key, _)| *key).collect();
        let written = self.pins.written_with(&keys)?;
        let exchanged = other.iter().find_map(|(key, item)| Some((item, written.get(key)?)));
        let Some((item, as_other)) = exchanged else {
            return Ok(other.iter().map(|(_, item)| item.id.clone()).chain(keyless).collect());
        };
        let what = format!(
            "{} answers with what was written as record {as_other} in the place of record {}",
            self.place, item.id
        );
        Err(Error::new(ErrorKind::NotAllowed, what).at(Place::Record(item.name.clone())).next_step(
            "its secrets are another record's: ask the environment's administrator over another way",
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

fn derivation(options: &master_key::Options) -> Digest {
    Sha256::digest(options.to_string()).into()
}

/// The pin of a vault's name, whichever of its equivalent spellings the server gives: what finds a vault by its name takes
/// them as one.
fn name_pin(vault: &Vault) -> (String, Digest) {
    name_pin_of(&vault.id, &names::canonical(&vault.name))
}

/// The same of the spellings that earlier versions pinned as they were given.
fn earlier_name_pins(vault: &Vault) -> impl Iterator<Item = (String, Digest)> {
    let canonical = names::canonical(&vault.name).into_owned();
    let spellings = [vault.name.clone(), names::decomposed(&vault.name)];
    spellings.into_iter().filter(move |name| *name != canonical).map(|name| name_pin_of(&vault.id, &name))
}

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

    #[test]
    fn a_name_leads_to_the_vault_that_it_led_to_before() {
        let pins = Arc::new(Kept::default());
        let run = || Memory::new(pins.clone(), "p", false);
        // Two of one name at the first look are two known vaults.
        let first = run();
        first.vault_names([&vault("1", "V"), &vault("2", "V")]).unwrap();
        let second = run();
        second.vault_name(&vault("2", "V")).unwrap();
        assert!(refused(second.vault_name(&vault("3", "V"))));
        second.vault_name(&vault("1", "renamed")).unwrap();
        assert!(refused(run().vault_name(&vault("3", "V"))), "a name that a vault lost is still known");
        // Nor does it free its name by taking another, in whatever order the two are shown.
        let archive = [vault("1", "Archive"), vault("3", "V")];
        assert!(refused(run().vault_names(&archive)) && refused(run().vault_names(archive.iter().rev())));
        // A person may say that there are two now.
        run().pin_all(&[("second:5".to_owned(), [1; 32])]).unwrap();
        run().vault_name(&vault("5", "V")).unwrap();
        run().own_vault("4", "V", None).unwrap();
        run().vault_name(&vault("4", "V")).unwrap();
        Memory::new(pins, "elsewhere", false).vault_name(&vault("3", "V")).unwrap();
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
        fn subjects(&self, _: &str, _: &str, _: &Digest) -> Result<Vec<String>> {
            Ok(Vec::new())
        }
        fn written_key(&self, item: &str) -> Result<Option<Digest>> {
            Ok(["a", "b"].contains(&item).then(|| wrapped_key_hash(Some(item)).unwrap()))
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
            assert!(refused(memory(text).vault_name(&vault("v", "V"))));
            assert!(refused(memory(text).encryption(true)) && refused(memory(text).encryption(false)));
        }
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
