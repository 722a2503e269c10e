//! An environment as source and sink: vaults and folders by name, records decrypted.

use super::Filter;
use crate::client::Client;
use crate::crypto::keychain::{Keychain, VaultProof};
use crate::crypto::record::Protection;
use crate::crypto::{attachment, bulk, master_key, record};
use crate::error::{Error, ErrorKind, Place, Position, Result};
use crate::model::{Entry, Record, RecordPath, Reject};
use crate::secret::SecretString;
use keyferry_api::folder::Folder;
use keyferry_api::item::{Item, ItemPlace};
use keyferry_api::vault::Vault;
use serde::Serialize;
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use tokio::sync::mpsc::Sender;

/// What opens a user's private key.
#[derive(Debug)]
pub enum Unlock {
    /// 88 characters of base64.
    MasterKey(SecretString),
    /// What a person types.
    MasterPassword(SecretString),
}

/// A client and, where client-side encryption is on and unlocked, the keys.
pub struct Environment {
    client: Client,
    keychain: Option<Keychain>,
    /// The user has keys, whether or not they are open.
    encrypts: bool,
    /// The private key opened with the master password itself.
    weakly_guarded: bool,
    /// How to come by a key, for the error that says that none is at hand.
    advice: String,
    /// What it is known by in the journal.
    place: String,
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

/// Items in memory at once, for each chunk that waits in the queue.
pub(super) const CHUNK: usize = 256;

impl Environment {
    /// Opens the user's keys with what is at hand. Without `unlock` only names can be read where
    /// the user has keys.
    pub async fn open(client: Client, unlock: Option<Unlock>) -> Result<Self> {
        let mut password = None;
        let key = match unlock {
            None => None,
            Some(Unlock::MasterKey(key)) => Some(key),
            Some(Unlock::MasterPassword(given)) => {
                let options = client.master_key_options().await?.master_key_options;
                let given = password.insert(given).clone();
                match options.filter(|options| !options.is_empty()) {
                    None => None,
                    Some(options) => {
                        let options = options.parse::<master_key::Options>()?.check()?;
                        Some(blocking(move || master_key::derive(&given, &options)).await?)
                    }
                }
            }
        };
        if let Some(key) = &key {
            client.set_master_key_hash(master_key::hash(key));
        }
        let pair = client.user_keys().await?.keys.filter(|pair| !pair.private_encrypted.is_empty());
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
        let advice = "give its master password or its master key".to_owned();
        let place = client.label().to_owned();
        Ok(Self { client, keychain, encrypts, weakly_guarded, advice, place })
    }

    /// Gives its canonical name: the same for every spelling of its location, so that the journal
    /// knows it again.
    #[must_use]
    pub fn with_place(mut self, place: impl Into<String>) -> Self {
        self.place = place.into();
        self
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
    pub(super) fn is_weakly_guarded(&self) -> bool {
        self.weakly_guarded
    }

    /// The client beneath.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Every vault, folder and record by name. Needs no key.
    pub async fn tree(&self) -> Result<Vec<VaultTree>> {
        let mut trees = Vec::new();
        for vault in self.client.vaults().await? {
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

    pub(super) fn keychain(&self) -> Result<&Keychain> {
        self.keychain.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::Locked, format!("{} is encrypted and no key is at hand", self.label()))
                .next_step(self.advice.clone())
        })
    }

    pub(super) fn vault_key(&self, vault: &Vault) -> Result<Option<Arc<SecretString>>> {
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

    /// Whether no vault within `inside` holds a record.
    pub(super) async fn is_empty(&self, inside: &RecordPath) -> Result<bool> {
        for vault in self.vaults(inside).await? {
            if !self.client.item_places(&vault.id).await?.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) async fn vaults(&self, inside: &RecordPath) -> Result<Vec<Vault>> {
        let vaults = self.client.vaults().await?;
        Ok(vaults
            .into_iter()
            .filter(|vault| inside.vault.as_ref().is_none_or(|name| *name == vault.name))
            .collect())
    }

    /// Sends every record within `inside` that the filter takes, decrypted, in chunks; positions
    /// are item ids. Answers how many there were, with those that could not be decrypted.
    pub(super) async fn read(
        &self,
        inside: &RecordPath,
        filter: &Filter,
        to: &Sender<Result<Vec<Entry>>>,
    ) -> Result<u64> {
        let mut taken = Taken::default();
        for vault in self.vaults(inside).await? {
            if filter.takes_vault(&vault.name)
                && !self.read_vault(&vault, inside, filter, to, &mut taken).await?
            {
                break;
            }
        }
        if taken.timeless > 0 {
            let note = format!(
                "{} does not tell when {} of its records were changed: they were taken as changed",
                self.label(),
                taken.timeless
            );
            let _ = to.send(Ok(vec![Entry::Note(note)])).await;
        }
        Ok(taken.records)
    }

    /// Sends one vault's records; `false` once nobody listens any more.
    async fn read_vault(
        &self,
        vault: &Vault,
        inside: &RecordPath,
        filter: &Filter,
        to: &Sender<Result<Vec<Entry>>>,
        taken: &mut Taken,
    ) -> Result<bool> {
        /// Chunks that are fetched before they are needed.
        const AHEAD: usize = 2;
        let key = self.vault_key(vault)?;
        let folders = self.client.folders(Some(&vault.id)).await?;
        let paths = paths(vault, &folders);
        let root = RecordPath { vault: Some(vault.name.clone()), folders: Vec::new() };
        let place = |folder: Option<&str>| folder.and_then(|id| paths.get(id)).unwrap_or(&root);
        let within =
            |path: &RecordPath| path.folders.starts_with(&inside.folders) && filter.takes_place(path);
        let items = self.client.item_places(&vault.id).await?;
        let mut filled: HashSet<&str> =
            folders.iter().filter_map(|one| one.parent_folder_id.as_deref()).collect();
        filled.extend(items.iter().filter_map(|item| item.folder_id.as_deref()));
        let empty = folders.iter().filter(|folder| !filled.contains(folder.id.as_str()));
        let mut bare: Vec<_> = empty.map(|folder| place(Some(&folder.id))).collect();
        if items.is_empty() && folders.is_empty() {
            bare.push(&root);
        }
        bare.retain(|path| within(path) && filter.takes_bare(path));
        let bare: Vec<_> = bare.into_iter().cloned().map(Entry::Folder).collect();
        if !bare.is_empty() && to.send(Ok(bare)).await.is_err() {
            return Ok(false);
        }
        let in_place = |item: &&ItemPlace| within(place(item.folder_id.as_deref()));
        let wanted: Vec<_> = items.iter().filter(in_place).filter(|item| filter.takes_time(item)).collect();
        if filter.changed_since.is_some() {
            taken.timeless += wanted.iter().filter(|item| item.updated_at.is_none()).count();
        }
        // The next chunk is on its way while this one is decrypted.
        let mut ahead = VecDeque::new();
        let mut waiting = wanted.chunks(CHUNK);
        loop {
            while ahead.len() < AHEAD
                && let Some(items) = waiting.next()
            {
                let client = self.client.clone();
                let ids: Vec<String> = items.iter().map(|item| String::from(&*item.id)).collect();
                ahead.push_back(tokio::spawn(async move { (client.items(&ids).await, ids) }));
            }
            let Some(fetched) = ahead.pop_front() else { break };
            let (items, ids) = fetched.await.map_err(ended_early)?;
            let entries = self.open_items(&ids, items, key.as_deref(), filter, &place).await?;
            taken.records += entries.len() as u64;
            if to.send(Ok(entries)).await.is_err() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Decrypts the items that the filter takes and fetches their attachments. What is damaged becomes a reject; what stops
    /// the whole reading is an error.
    async fn open_items<'a>(
        &self,
        ids: &[String],
        fetched: Vec<Result<Item>>,
        key: Option<&SecretString>,
        filter: &Filter,
        place: &(impl Fn(Option<&str>) -> &'a RecordPath + Sync),
    ) -> Result<Vec<Entry>> {
        let mut entries = Vec::with_capacity(ids.len());
        let mut items = Vec::with_capacity(ids.len());
        for (id, item) in ids.iter().zip(fetched) {
            match item {
                Ok(item) if filter.takes_item(&item) => items.push(item),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => entries.push(gone(id, &error)),
                Err(error) => return Err(error),
            }
        }
        let protection = key.map_or(Protection::Unencrypted, Protection::VaultKey);
        // On this thread, which belongs to the job: rayon's workers do the work.
        let opened = tokio::task::block_in_place(|| {
            bulk::decrypt(&items, protection, |item| place(item.folder_id.as_deref()).clone())
        });
        for (item, opened) in items.iter().zip(opened) {
            let at = Position::pointer(item.id.clone());
            let whole = match opened {
                Ok(opened) => self.with_attachments(item, opened).await,
                Err(error) => Err(error),
            };
            entries.push(match whole {
                Ok(record) => Entry::Record(record, at),
                Err(error) if error.kind() == ErrorKind::Decrypt => Entry::Reject(Reject {
                    at,
                    label: format!("{} / {}", place(item.folder_id.as_deref()), item.name),
                    why: error.what().to_owned(),
                }),
                Err(error) => return Err(error),
            });
        }
        Ok(entries)
    }

    async fn with_attachments(&self, item: &Item, opened: record::Opened) -> Result<Record> {
        let mut record = opened.record;
        for info in &item.attachments {
            let mut wire = self.client.attachment(&item.id, &info.id).await?;
            if wire.name.is_empty() {
                wire.name.clone_from(&info.name);
            }
            record.attachments.push(attachment::decrypt(&wire, opened.key.as_ref())?);
        }
        Ok(record)
    }
}

/// What a reading has come across.
#[derive(Default)]
struct Taken {
    /// Records that the filter took.
    records: u64,
    /// Records taken because the environment does not tell when they were changed.
    timeless: usize,
}

fn gone(id: &str, error: &Error) -> Entry {
    Entry::Reject(Reject {
        at: Position::pointer(id.to_owned()),
        label: String::new(),
        why: format!("it vanished while it was read: {}", error.what()),
    })
}

pub(super) fn is_encrypted(vault: &Vault) -> bool {
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

/// Each folder's path; a folder whose ancestors form a cycle or are missing stands at the top.
pub(super) fn paths(vault: &Vault, folders: &[Folder]) -> HashMap<String, RecordPath> {
    let by_id: HashMap<&str, &Folder> = folders.iter().map(|folder| (folder.id.as_str(), folder)).collect();
    let path = |folder: &Folder| {
        let mut names = vec![folder.name.clone()];
        let mut parent = folder.parent_folder_id.as_deref();
        while let Some(above) = parent.and_then(|id| by_id.get(id)) {
            if names.len() > folders.len() {
                return vec![folder.name.clone()];
            }
            names.push(above.name.clone());
            parent = above.parent_folder_id.as_deref();
        }
        names.reverse();
        names
    };
    let place = |folder| RecordPath { vault: Some(vault.name.clone()), folders: path(folder) };
    folders.iter().map(|folder| (folder.id.clone(), place(folder))).collect()
}

pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(ended_early)
}

pub(super) fn ended_early(error: tokio::task::JoinError) -> Error {
    Error::new(ErrorKind::Internal, "a worker ended early").because(error)
}
