//! An environment, signed in and unlocked: vaults and folders by name.

pub mod identity;
mod lookup;
pub mod pins;
pub mod process_memory;
pub mod record;
pub(crate) mod scope;

use crate::client::Client;
use crate::crypto::keychain::{Keychain, NOT_THE_VAULTS, PublicKey, VaultProof};
use crate::crypto::mark::Marks;
use crate::crypto::master_key;
use crate::engine::environment::pins::{Memory, Pins};
use crate::engine::names;
use crate::error::{Error, ErrorKind, Place, Result};
use crate::model::RecordPath;
use crate::secret::SecretString;
use keyferry_api::folder::Folder;
use keyferry_api::item::Item;
use keyferry_api::vault::Vault;
use serde::Serialize;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// What opens a user's private key.
#[derive(Debug)]
pub enum Unlock {
    /// 88 characters of base64.
    MasterKey(SecretString),
    /// What a person types.
    MasterPassword(SecretString),
    /// The same, for an installation whose key derivation is weaker than what is taken today.
    WeaklyDerived(SecretString),
}

impl Unlock {
    /// Takes a key derivation below today's floors, as old installations have it.
    #[must_use]
    pub fn allow_weak_derivation(self) -> Self {
        match self {
            Unlock::MasterPassword(password) => Unlock::WeaklyDerived(password),
            other => other,
        }
    }
}

/// What became of a master key or password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyAtHand {
    /// None was given.
    None,
    /// It opened the private key.
    Used,
    /// It was given, and the server says that there is nothing to use it for.
    Unused,
}

/// A client and, where client-side encryption is on and unlocked, the keys.
pub struct Environment {
    client: Client,
    keychain: Option<Keychain>,
    /// The user has keys, whether or not they are open.
    encrypts: bool,
    key: KeyAtHand,
    /// The private key opened with the master password itself.
    weakly_guarded: bool,
    /// How to come by a key, for the error that says that none is at hand.
    advice: String,
    /// What it is known by in the journal.
    place: String,
    /// What is remembered of it; whoever writes always remembers.
    memory: OnceLock<Memory>,
    /// Secrets may be written in the clear although a key is at hand, or was.
    unencrypted_permitted: OnceLock<bool>,
    /// The vault that an item was found in by its name, of those that were looked for.
    found_in: Mutex<HashMap<String, String>>,
    /// Whether its records carry marks.
    marks: Marks,
    /// Vaults of which something was told already.
    told: Mutex<HashSet<String>>,
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Environment({})", self.label())
    }
}

/// A vault with what is in it: names only.
#[derive(Debug, Serialize)]
pub struct VaultTree {
    /// Its name.
    pub name: String,
    /// Whether its secrets are encrypted by clients.
    pub encrypted: bool,
    /// Its top folders.
    pub folders: Vec<FolderTree>,
    /// The names of records outside folders.
    pub records: Vec<String>,
}

/// A folder with what is in it: names only.
#[derive(Debug, Default, Serialize)]
pub struct FolderTree {
    /// Its name.
    pub name: String,
    /// Its own folders.
    pub folders: Vec<FolderTree>,
    /// The names of its records.
    pub records: Vec<String>,
}

/// So many vaults are looked into to see that they are empty.
const FEW_VAULTS: usize = 16;

/// Items in memory at once, for each chunk that waits in the queue.
pub(crate) const CHUNK: usize = 256;

impl Environment {
    /// Opens the user's keys with what is at hand. Without `unlock` only names can be read where
    /// the user has keys.
    pub async fn open(client: Client, unlock: Option<Unlock>) -> Result<Self> {
        Self::open_known(client, unlock, None).await
    }

    /// The same, where something is remembered of it: what the server says of keys is compared with that.
    ///
    /// # Errors
    /// [`ErrorKind::NotAllowed`] where it says another thing than before; see [`pins`].
    pub async fn open_known(client: Client, unlock: Option<Unlock>, memory: Option<Memory>) -> Result<Self> {
        let key_given = unlock.is_some();
        let mut password = None;
        let mut derivation = None;
        let mut weak = false;
        let key = match unlock {
            None => None,
            Some(Unlock::MasterKey(key)) => Some(key),
            Some(unlock @ (Unlock::MasterPassword(_) | Unlock::WeaklyDerived(_))) => {
                let check = match unlock {
                    Unlock::WeaklyDerived(_) => master_key::Options::check_ceilings,
                    _ => master_key::Options::check,
                };
                let (Unlock::MasterPassword(given) | Unlock::WeaklyDerived(given) | Unlock::MasterKey(given)) =
                    unlock;
                let options = client.master_key_options().await?.master_key_options;
                let given = password.insert(given).clone();
                match options.filter(|options| !options.is_empty()) {
                    None => {
                        memory.as_ref().map_or(Ok(()), Memory::no_derivation)?;
                        None
                    }
                    Some(options) => {
                        let options = check(options.parse::<master_key::Options>()?)?;
                        // Before anything is derived: the password's only guard is how it is.
                        let known =
                            memory.as_ref().map(|memory| memory.derivation_agrees(&options)).transpose()?;
                        derivation = Some(options.clone()).filter(|_| known == Some(false));
                        weak = known != Some(true) && options.clone().check().is_err();
                        Some(blocking(move || master_key::derive(&given, &options)).await?)
                    }
                }
            }
        };
        // What a weak derivation that nobody knows makes of the password is told to nobody: it could be tried at ease.
        if let Some(key) = key.as_ref().filter(|_| !weak) {
            client.withhold_master_key_hash(master_key::hash(key));
        }
        let hash = key.as_ref().map(master_key::hash);
        let keys = client.user_keys().await.map_err(|error| match error.kind() {
            ErrorKind::Locked if weak => weakly_asked(client.label(), error),
            _ => error,
        });
        let pair = keys?.keys.filter(|pair| !pair.private_encrypted.is_empty());
        let encrypts = pair.is_some();
        let mut weakly_guarded = false;
        let keychain = match (pair, key) {
            (Some(pair), Some(key)) => match (Keychain::unlock(&pair.private_encrypted, &key), password) {
                (Ok(keychain), _) => Some(keychain),
                // So the official client's `create_user` leaves it.
                (Err(error), Some(password)) => {
                    weakly_guarded = true;
                    Some(Keychain::unlock(&pair.private_encrypted, &password).map_err(|_| error)?)
                }
                (Err(error), None) => return Err(error),
            },
            _ => None,
        };
        if let (Some(memory), Some(options), Some(_)) = (&memory, &derivation, &keychain) {
            memory.pin_derivation(options)?;
        }
        // It has opened the private key, so it is the one that the user chose.
        if let (true, Some(hash), Some(_)) = (weak, hash, &keychain) {
            client.withhold_master_key_hash(hash);
        }
        let advice = "give its master password or its master key".to_owned();
        let place = memory.as_ref().map_or_else(|| client.label(), Memory::place).to_owned();
        let key = match &keychain {
            Some(_) => KeyAtHand::Used,
            None if key_given => KeyAtHand::Unused,
            None => KeyAtHand::None,
        };
        let memory = memory.map_or_else(OnceLock::new, OnceLock::from);
        let unencrypted_permitted = OnceLock::new();
        Ok(Self {
            client,
            keychain,
            encrypts,
            key,
            weakly_guarded,
            advice,
            place,
            memory,
            unencrypted_permitted,
            found_in: Mutex::default(),
            marks: Marks::Free,
            told: Mutex::default(),
        })
    }

    /// Makes sure, for whoever only reads, that an environment which encrypted once still does.
    ///
    /// # Errors
    /// [`ErrorKind::NotAllowed`] where it does not any more.
    pub fn stays_encrypted(&self) -> Result<()> {
        self.memory.get().map_or(Ok(()), |memory| memory.encryption(self.encrypts))
    }

    /// What is remembered of it; `None` where nobody does.
    #[must_use]
    pub fn memory(&self) -> Option<&Memory> {
        self.memory.get()
    }

    /// Prepares for writing: what the server says of keys is compared, from now on, with what it said before: with what
    /// is remembered already, else with `pins`. `permit_unencrypted` lets secrets be written in the clear although a key
    /// is at hand, or was; a vault key that changed is refused all the same.
    ///
    /// # Errors
    /// [`ErrorKind::NotAllowed`] where the environment encrypted before and does not any more.
    pub fn write_with(&self, pins: Arc<dyn Pins>, permit_unencrypted: bool) -> Result<()> {
        let memory = self.memory.get_or_init(|| Memory::new(pins.clone(), self.place.clone(), false));
        memory.keep_in(pins);
        if self.encrypts || !permit_unencrypted {
            memory.encryption(self.encrypts)?;
        }
        let _ = self.unencrypted_permitted.set(permit_unencrypted);
        Ok(())
    }

    fn unencrypted_permitted(&self) -> bool {
        self.unencrypted_permitted.get().copied().unwrap_or_default()
    }

    /// Makes sure that a vault's key is the one that was seen first, where somebody remembers, and remembers it if it was
    /// never seen. Only for a key that has opened something, or of an empty vault.
    pub(crate) fn pin_vault(&self, id: &str, key: Option<&SecretString>) -> Result<()> {
        match self.memory.get() {
            Some(memory) if key.is_some() || !self.unencrypted_permitted() => memory.pin_vault(id, key),
            _ => Ok(()),
        }
    }

    /// Makes sure, of those vaults that are used under their names, that none leads to another than before, where keys are
    /// in use. Answers the strangers: vaults that came beside a known one of their name, which is there as before.
    ///
    /// # Errors
    /// [`ErrorKind::NotAllowed`] where a known vault has given its name up to another.
    pub(crate) fn strangers<'a>(
        &self,
        vaults: impl IntoIterator<Item = &'a Vault>,
    ) -> Result<HashMap<String, Error>> {
        match self.memory.get() {
            Some(memory) if self.encrypts => memory.vault_names(&vaults.into_iter().collect::<Vec<_>>()),
            _ => Ok(HashMap::new()),
        }
    }

    /// Leaves strangers out, for whoever goes by a name and means the vault that it knows, and tells each once. What is not
    /// `named` is not asked for.
    pub(crate) fn without_strangers(
        &self,
        mut vaults: Vec<Vault>,
        named: impl Fn(&Vault) -> bool,
    ) -> Result<Vec<Vault>> {
        let strangers = self.strangers(vaults.iter().filter(|vault| named(vault)))?;
        self.leave_out(&mut vaults, strangers);
        Ok(vaults)
    }

    /// The same for whoever only looks at names: nothing is remembered.
    pub(crate) fn without_strangers_beside(
        &self,
        mut vaults: Vec<Vault>,
        named: impl Fn(&Vault) -> bool,
    ) -> Result<Vec<Vault>> {
        if let Some(memory) = self.memory.get().filter(|_| self.encrypts) {
            let named: Vec<&Vault> = vaults.iter().filter(|vault| named(vault)).collect();
            let strangers = memory.strangers_beside(&named)?;
            self.leave_out(&mut vaults, strangers);
        }
        Ok(vaults)
    }

    fn leave_out(&self, vaults: &mut Vec<Vault>, strangers: HashMap<String, Error>) {
        vaults.retain(|vault| !strangers.contains_key(&vault.id));
        for (id, why) in strangers {
            let next = why.next().map(|next| format!("; {next}")).unwrap_or_default();
            self.tell_once(id, &format!("left out: {}{next}", why.what()));
        }
    }

    /// Says something of a vault, by its id, the first time.
    pub(crate) fn tell_once(&self, vault: String, what: &str) {
        if self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(vault) {
            self.client.remark(what);
        }
    }

    /// Whether records may be opened under a key where they are read alone: it must not be another than before.
    pub(crate) fn vault_agrees(&self, id: &str, key: Option<&SecretString>) -> Result<()> {
        self.memory.get().map_or(Ok(()), |memory| memory.vault_agrees(id, key).map(drop))
    }

    /// Remembers in which vault, known by its name, an item was found.
    pub(crate) fn found_in(&self, item: &str, vault: &str) {
        let mut found = self.found_in.lock().unwrap_or_else(PoisonError::into_inner);
        found.insert(item.to_owned(), vault.to_owned());
    }

    /// Makes sure that an item which was found in one vault is not answered as one of another: a vault of the server's own,
    /// whose key it knows. `true` where it was found there, `false` where nobody looked.
    ///
    /// # Errors
    /// [`ErrorKind::NotAllowed`] where it is answered so.
    pub(crate) fn stands_where_found(&self, item: &Item) -> Result<bool> {
        let found = self.found_in.lock().unwrap_or_else(PoisonError::into_inner);
        match found.get(&item.id) {
            Some(vault) if *vault != item.vault_id => {
                let what = format!(
                    "it was found in vault {vault}, and {} answers it as one of vault {}",
                    self.label(),
                    item.vault_id
                );
                Err(Error::new(ErrorKind::NotAllowed, what).at(Place::Record(item.name.clone())).next_step(
                    "run it again if somebody moved it meanwhile; if not, the server lies: ask its administrator over another way",
                ))
            }
            found => Ok(found.is_some()),
        }
    }

    /// Whether a vault's key was seen before; `true` where nobody remembers.
    pub(crate) fn knows_vault(&self, id: &str) -> Result<bool> {
        self.memory.get().map_or(Ok(true), |memory| memory.knows_vault(id))
    }

    /// Whether a key is at hand and what is written must be encrypted with it. That a user or a vault has no keys is
    /// the server's word alone: believing it would hand it every secret in the clear.
    pub(crate) fn must_encrypt(&self) -> bool {
        self.key != KeyAtHand::None && !self.unencrypted_permitted()
    }

    /// Whether a key was given that the server has no use for.
    pub(crate) fn key_is_unused(&self) -> bool {
        self.key == KeyAtHand::Unused && !self.unencrypted_permitted()
    }

    /// Why something is not written in the clear.
    pub(crate) fn downgraded(&self, what: &str) -> Error {
        let what = format!("{what} has no key by the word of {}, but a key is at hand", self.label());
        Error::new(ErrorKind::NotAllowed, format!("{what}: what is written there, its server could read"))
            .next_step("if that is as it should be: --allow-unencrypted-target, or take the master key or password away")
    }

    /// Gives its canonical name: the same for every spelling of its location, so that the journal
    /// knows it again.
    #[must_use]
    pub fn with_place(mut self, place: impl Into<String>) -> Self {
        self.place = place.into();
        self
    }

    /// Has what is written here carry [marks](crate::crypto::mark), or insists on them in what is read as well.
    #[must_use]
    pub fn with_marks(mut self, marks: Marks) -> Self {
        self.marks = marks;
        self
    }

    pub(crate) fn marks(&self) -> Marks {
        self.marks
    }

    /// Its canonical name; its label where none was given.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Replaces the advice for whoever lacks the key: each face takes it in its own way.
    #[must_use]
    pub fn with_advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = advice.into();
        self
    }

    /// Makes sure that what is encrypted can be read.
    ///
    /// # Errors
    /// [`ErrorKind::Locked`] where the user has keys and none of them is open.
    pub fn unlocked(&self) -> Result<()> {
        if self.encrypts { self.keychain().map(drop) } else { Ok(()) }
    }

    /// How messages name it.
    #[must_use]
    pub fn label(&self) -> &str {
        self.client.label()
    }

    /// Whether its user has keys, so that new vaults are encrypted.
    #[must_use]
    pub fn encrypts(&self) -> bool {
        self.encrypts
    }

    /// Whether only the master password, rather than the master key, guards the private key.
    #[must_use]
    pub fn is_weakly_guarded(&self) -> bool {
        self.weakly_guarded
    }

    /// The public key of its user: that of the private key which was unlocked, whatever the server
    /// says.
    ///
    /// # Errors
    /// [`ErrorKind::Locked`] where no key is at hand or the user has none.
    pub fn public_key(&self) -> Result<&PublicKey> {
        Ok(self.keychain()?.public())
    }

    /// The client beneath.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Every vault, folder and record by name. Needs no key. A stranger beside a vault that is known is left out and told.
    pub async fn tree(&self) -> Result<Vec<VaultTree>> {
        let mut trees = Vec::new();
        for vault in self.without_strangers_beside(self.client.vaults().await?, |_| true)? {
            let folders = self.client.folders(Some(&vault.id)).await?;
            let mut records: HashMap<Option<String>, Vec<String>> = HashMap::new();
            for item in self.client.item_summaries(&vault.id).await? {
                records.entry(item.folder_id).or_default().push(item.name);
            }
            let known: HashSet<&str> = folders.iter().map(|folder| folder.id.as_str()).collect();
            let mut children: HashMap<Option<&str>, Vec<&Folder>> = HashMap::new();
            for folder in &folders {
                let parent = folder.parent_folder_id.as_deref().filter(|id| known.contains(id));
                children.entry(parent).or_default().push(folder);
            }
            trees.push(VaultTree {
                encrypted: is_encrypted(&vault),
                name: vault.name,
                folders: subtree(None, &children, &mut records, 0),
                records: records.remove(&None).unwrap_or_default(),
            });
        }
        Ok(trees)
    }

    /// The keys of all vaults by name, for who encrypts records of several vaults without asking again; `None` of a vault
    /// that is not encrypted.
    ///
    /// # Errors
    /// A vault whose key does not open or is not the one that was seen before; two vaults of one name, since a name would not
    /// say whose key it means.
    pub async fn vault_keys(&self) -> Result<Vec<(String, Option<SecretString>)>> {
        self.stays_encrypted()?;
        let vaults = self.without_strangers(self.client.vaults().await?, |_| true)?;
        let mut keys: Vec<(String, Option<SecretString>)> = Vec::with_capacity(vaults.len());
        for vault in &vaults {
            if keys.iter().any(|(name, _)| *name == vault.name) {
                let what =
                    format!("two vaults are called {}: a name does not say whose key is meant", vault.name);
                return Err(Error::new(ErrorKind::Conflict, what).next_step("rename one of them"));
            }
            let key = self.vault_key(vault)?;
            self.vault_agrees(&vault.id, key.as_deref())?;
            keys.push((vault.name.clone(), key.as_deref().cloned()));
        }
        Ok(keys)
    }

    /// Whether all of these places are there.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] with the first that is not.
    pub(crate) async fn has_places(&self, places: &[RecordPath]) -> Result<()> {
        let wanted: HashSet<&str> = places.iter().filter_map(|place| place.vault.as_deref()).collect();
        let mut there = HashSet::new();
        let is_wanted = |vault: &Vault| wanted.contains(vault.name.as_str());
        for vault in self.without_strangers_beside(self.client.vaults().await?, is_wanted)? {
            if is_wanted(&vault) {
                let folders = self.client.folders(Some(&vault.id)).await?;
                there.extend(paths(&vault, &folders)?.into_values());
                there.insert(RecordPath { vault: Some(vault.name), folders: Vec::new() });
            }
        }
        match places.iter().find(|place| !there.contains(*place)) {
            None => Ok(()),
            Some(place) => Err(Error::new(ErrorKind::NotFound, format!("{place} is not there any more"))
                .next_step("read again: it was renamed or moved since the reading began")),
        }
    }

    pub(crate) fn keychain(&self) -> Result<&Keychain> {
        self.keychain.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::Locked, format!("{} is encrypted and no key is at hand", self.label()))
                .next_step(self.advice.clone())
        })
    }

    /// A vault's key, which is not another than before where somebody remembers; `None` where it has none.
    pub(crate) fn vault_key(&self, vault: &Vault) -> Result<Option<Arc<SecretString>>> {
        let key = match self.unpinned_vault_key(vault) {
            Err(error) if error.kind() == ErrorKind::Decrypt => {
                return Err(match self.memory.get() {
                    Some(memory) if memory.knows_vault(&vault.id)? => memory.not_the_key(&vault.id, error),
                    _ => contradicted(error),
                });
            }
            key => key?,
        };
        match self.memory.get() {
            Some(memory) if key.is_some() || !self.unencrypted_permitted() => {
                memory.vault_agrees(&vault.id, key.as_deref())?;
            }
            _ => {}
        }
        Ok(key)
    }

    /// A vault's key as the server shows it.
    pub(crate) fn unpinned_vault_key(&self, vault: &Vault) -> Result<Option<Arc<SecretString>>> {
        let Some(wrapped) = vault.master_key_encrypted.as_deref().filter(|wrapped| !wrapped.is_empty())
        else {
            return Ok(None);
        };
        let proof = match (&vault.master_key_hash, &vault.salt) {
            (Some(hash), Some(salt)) if !hash.is_empty() => Some(VaultProof { hash, salt }),
            _ => None,
        };
        let key = self.keychain()?.vault_key(wrapped, proof);
        key.map(Some).map_err(|error| error.at(Place::Record(format!("vault {}", vault.name))))
    }

    /// Whether it is soon seen that no vault within `inside` holds a record: not where there are many vaults.
    pub(crate) async fn is_plainly_empty(&self, inside: &RecordPath) -> Result<bool> {
        let vaults = self.vaults(inside).await?;
        // Nothing is asked by an id that the server shows for a known name. Whether a job may write there is said where it
        // is known which vaults it writes to.
        if vaults.len() > FEW_VAULTS
            || self.strangers(&vaults).map_or(true, |strangers| !strangers.is_empty())
        {
            return Ok(false);
        }
        for vault in vaults {
            if !self.client.first_items::<1>(&vault.id).await?.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A place as it was typed, under the names that it has: what differs in its Unicode form alone is the same place.
    /// Whoever looks into a place settles it first and compares names exactly from then on.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] where several places differ from it in that way, and none is written exactly so.
    pub async fn settled(&self, inside: &RecordPath) -> Result<RecordPath> {
        let mut settled = inside.clone();
        if inside.vault.iter().chain(&inside.folders).all(|name| name.is_ascii()) {
            return Ok(settled);
        }
        let several = |typed: &str| {
            Error::new(
                ErrorKind::Usage,
                format!("several places are called `{typed}` in other Unicode forms"),
            )
            .next_step("copy the name that is meant from keyferry tree")
        };
        let mut vaults = self.client.vaults().await?;
        // One of another spelling is no stranger's to choose.
        vaults.retain(|vault| inside.vault.as_ref().is_some_and(|name| names::same(&vault.name, name)));
        let vaults = within(self.without_strangers_beside(vaults, |_| true)?, inside);
        let (Some(name), Some(vault)) = (&mut settled.vault, vaults.first()) else { return Ok(settled) };
        if vaults.iter().any(|other| other.name != vault.name) {
            return Err(several(name));
        }
        name.clone_from(&vault.name);
        let mut there = HashMap::new();
        for vault in &vaults {
            there.extend(paths(vault, &self.client.folders(Some(&vault.id)).await?)?);
        }
        for depth in 0..inside.folders.len() {
            let typed = &inside.folders[depth];
            let here: BTreeSet<&String> = there
                .values()
                .filter(|path| {
                    path.folders.len() == depth + 1 && path.folders[..depth] == settled.folders[..depth]
                })
                .map(|path| &path.folders[depth])
                .filter(|name| names::same(name, typed))
                .collect();
            match here.len() {
                _ if here.contains(typed) => {}
                0 => break,
                1 => settled.folders[depth].clone_from(here.into_iter().next().unwrap_or(typed)),
                _ => return Err(several(typed)),
            }
        }
        Ok(settled)
    }

    pub(crate) async fn vaults(&self, inside: &RecordPath) -> Result<Vec<Vault>> {
        Ok(within(self.client.vaults().await?, inside))
    }
}

/// Those of these vaults that a place's name leads to; what is written exactly so goes before what is only equivalent.
fn within(mut vaults: Vec<Vault>, inside: &RecordPath) -> Vec<Vault> {
    if let Some(name) = &inside.vault {
        let exact = vaults.iter().any(|vault| vault.name == *name);
        vaults.retain(|vault| if exact { vault.name == *name } else { names::same(&vault.name, name) });
    }
    vaults
}

/// A key that opens and is not what its vault says of it is no damage: somebody put it there.
pub(crate) fn contradicted(error: Error) -> Error {
    if error.what() != NOT_THE_VAULTS {
        return error;
    }
    Error::new(ErrorKind::NotAllowed, NOT_THE_VAULTS)
        .next_step("ask the vault's administrator over another way who gave this user its key; keyferry fsck looks at all vaults")
        .because(error)
}

/// Why a server is not told what a weak key derivation makes of a master password.
fn weakly_asked(label: &str, error: Error) -> Error {
    let what = format!(
        "{label} asks for the hash of a master key that is weakly derived, before it has shown the private key which that opens"
    );
    Error::new(ErrorKind::NotAllowed, what)
        .next_step("give the master key itself, or bring the derivation's pin from a machine that knows it")
        .because(error)
}

pub(crate) fn is_encrypted(vault: &Vault) -> bool {
    vault.master_key_encrypted.as_deref().is_some_and(|wrapped| !wrapped.is_empty())
}

/// Deeper folders are not shown: a server that answers a cycle must not overflow the stack.
const MAX_DEPTH: usize = 128;

fn subtree(
    parent: Option<&str>,
    children: &HashMap<Option<&str>, Vec<&Folder>>,
    records: &mut HashMap<Option<String>, Vec<String>>,
    depth: usize,
) -> Vec<FolderTree> {
    if depth > MAX_DEPTH {
        return Vec::new();
    }
    let folders = children.get(&parent).into_iter().flatten();
    let mut trees = Vec::new();
    for folder in folders {
        trees.push(FolderTree {
            name: folder.name.clone(),
            folders: subtree(Some(&folder.id), children, records, depth + 1),
            records: records.remove(&Some(folder.id.clone())).unwrap_or_default(),
        });
    }
    trees
}

/// Folders in folders beyond this are no one's tree, and paths of them would fill the memory.
pub(crate) const MOST_FOLDERS: usize = 128;

/// Each folder's path; a folder whose ancestors form a cycle or are missing stands at the top.
///
/// # Errors
/// [`ErrorKind::Protocol`] where folders are nested more than 128 deep.
pub(crate) fn paths(vault: &Vault, folders: &[Folder]) -> Result<HashMap<String, RecordPath>> {
    let by_id: HashMap<&str, &Folder> = folders.iter().map(|folder| (folder.id.as_str(), folder)).collect();
    let mut paths = HashMap::with_capacity(folders.len());
    for folder in folders {
        let mut way = vec![folder];
        let mut parent = folder.parent_folder_id.as_deref();
        while let Some(above) = parent.and_then(|id| by_id.get(id)) {
            if way.iter().any(|below| below.id == above.id) {
                way.truncate(1);
                break;
            }
            if way.len() == MOST_FOLDERS {
                let what =
                    format!("folders of vault `{}` are nested more than {MOST_FOLDERS} deep", vault.name);
                return Err(Error::new(ErrorKind::Protocol, what).next_step("move them up where they stand"));
            }
            way.push(above);
            parent = above.parent_folder_id.as_deref();
        }
        let folders = way.iter().rev().map(|folder| folder.name.clone()).collect();
        paths.insert(folder.id.clone(), RecordPath { vault: Some(vault.name.clone()), folders });
    }
    Ok(paths)
}

pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(ended_early)
}

pub(crate) fn ended_early(error: tokio::task::JoinError) -> Error {
    Error::new(ErrorKind::Internal, "a worker ended early").because(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(length: usize, last: Option<usize>) -> Vec<Folder> {
        let folder = |number: usize| Folder {
            id: number.to_string(),
            name: format!("f{number}"),
            vault_id: "v".to_owned(),
            parent_folder_id: number.checked_sub(1).or(last).map(|parent| parent.to_string()),
            path: Vec::new(),
            permissions: Vec::new(),
            color: None,
        };
        (0..length).map(folder).collect()
    }

    #[test]
    fn folders_have_paths_of_a_bounded_depth() {
        let vault = Vault { name: "V".to_owned(), ..Vault::default() };
        let whole = paths(&vault, &chain(128, None)).unwrap();
        assert_eq!(whole["127"].folders.len(), 128);
        for folders in [chain(129, None), chain(20_000, None), chain(20_000, Some(19_999))] {
            assert_eq!(paths(&vault, &folders).unwrap_err().kind(), ErrorKind::Protocol);
        }
        // A circle has no top.
        let circle = paths(&vault, &chain(3, Some(2))).unwrap();
        assert!(circle.iter().all(|(id, path)| path.folders == [format!("f{id}")]));
    }
}
