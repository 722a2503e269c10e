//! An environment as a source: its records in chunks, decrypted or carried sealed.

use crate::crypto::mark::{self, Marks};
use crate::crypto::record::{Opened, Protection};
use crate::crypto::{attachment, bulk};
use crate::engine::environment::scope::Scope;
use crate::engine::environment::{CHUNK, Environment, ended_early, paths};
use crate::engine::options::{Attachments, Keys};
use crate::engine::source::filter::Filter;
use crate::engine::source::seen::Seen;
use crate::error::{Error, ErrorKind, Position, Result};
use crate::model::{Attachment, Entry, Record, RecordPath, Reject};
use crate::secret::SecretString;
use futures_util::{StreamExt as _, stream};
use keyferry_api::item::Item;
use keyferry_api::vault::Vault;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use tokio::sync::mpsc::Sender;

/// Chunks that are fetched before they are needed.
const AHEAD: usize = 2;
/// Records of a chunk whose attachments are fetched at once; each may be five megabytes.
const FILES: usize = 4;

/// What of an environment is read, besides what a filter takes.
#[derive(Clone, Default)]
pub(crate) struct Only {
    /// Where only these items count.
    pub items: Option<Arc<HashSet<String>>>,
    /// Where only these places are looked at; folders without records are none of the reader's affair then.
    pub places: Option<Arc<Scope>>,
    /// Where only these vaults are looked at, by their ids: such as nobody here knows, so that nothing of them is believed or
    /// remembered.
    pub unknown: Option<Arc<HashSet<String>>>,
    /// What it is read for.
    pub side: Side,
}

/// What an environment is read for.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Side {
    /// Its records count as they stand: for a transfer's source, a comparison, an audit.
    #[default]
    Source,
    /// To find out what is there to be written to, or what became of what was.
    Sink,
}

/// Why a vault was not read.
enum Unread {
    /// Its key does not open, or its folders have no end.
    Whole(String),
    Other(Error),
}

impl From<Error> for Unread {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

/// One reading of an environment.
pub(crate) struct Reading<'a> {
    environment: &'a Environment,
    inside: &'a RecordPath,
    filter: &'a Filter,
    seen: &'a Seen,
    only: &'a Only,
    keys: Keys,
    attachments: Attachments,
    to: &'a Sender<Result<Vec<Entry>>>,
    /// Records that the filter took.
    taken: u64,
    /// Records taken because the environment does not tell when they were changed.
    timeless: u64,
    /// Records with another key than they were written with here.
    rekeyed: usize,
    /// Records that were not written here, with the key of one that was.
    copies: usize,
}

impl<'a> Reading<'a> {
    /// Sends every record within `inside` that the filter takes and that is among `only`, in chunks; positions are item ids.
    /// Answers how many there were, with those that could not be read.
    pub(crate) async fn run(
        environment: &'a Environment,
        inside: &'a RecordPath,
        seen: &'a Seen,
        only: &'a Only,
        (keys, attachments): (Keys, Attachments),
        to: &'a Sender<Result<Vec<Entry>>>,
    ) -> Result<u64> {
        let filter = seen.filter();
        let mut reading = Self {
            environment,
            inside,
            filter,
            seen,
            only,
            keys,
            attachments,
            to,
            taken: 0,
            timeless: 0,
            rekeyed: 0,
            copies: 0,
        };
        environment.stays_encrypted()?;
        let vaults = environment.vaults(inside).await?;
        // A vault of the server's own under a name that is known would be read as what it was.
        let is_read = |vault: &&Vault| {
            let root = RecordPath { vault: Some(vault.name.clone()), folders: Vec::new() };
            only.places.as_ref().is_none_or(|places| places.names_vault(&vault.name))
                && filter.takes_vault(&vault.name)
                && filter.excluding(&root, None).is_none()
        };
        let strangers = match &only.unknown {
            Some(_) => HashMap::new(),
            None => environment.strangers(vaults.iter().filter(is_read))?,
        };
        for vault in vaults {
            if only.unknown.as_ref().is_some_and(|unknown| !unknown.contains(&vault.id)) {
                continue;
            }
            if let Some(why) = strangers.get(&vault.id) {
                // A sink's own records stand in the vault that is known.
                if only.side == Side::Source && !reading.leaves_out(&vault, why.what()).await {
                    break;
                }
                continue;
            }
            seen.vault(&vault.name);
            let root = RecordPath { vault: Some(vault.name.clone()), folders: Vec::new() };
            let named = only.places.as_ref().is_none_or(|places| places.names_vault(&vault.name));
            if !named {
                continue;
            }
            let taken = filter.takes_vault(&vault.name);
            if let Some(number) = filter.excluding(&root, None) {
                // What was not chosen is not left out either.
                let left_out =
                    if taken { environment.client().item_places(&vault.id).await?.len() } else { 0 };
                seen.excluded(number, left_out as u64);
            } else if taken {
                match reading.vault(&vault).await {
                    Ok(true) => {}
                    Ok(false) => break,
                    // Anybody can make a vault for others under a key that does not open: it keeps no other back.
                    Err(Unread::Whole(why)) => {
                        if !reading.leaves_out(&vault, &why).await {
                            break;
                        }
                    }
                    // What another run left there, or a server shows, ends no job.
                    Err(Unread::Other(error)) if only.unknown.is_some() => {
                        if !reading.leaves_out(&vault, error.what()).await {
                            break;
                        }
                    }
                    Err(Unread::Other(error)) => return Err(error),
                }
            }
        }
        if reading.timeless > 0 {
            let note = format!(
                "{} does not tell when {} of its records were changed: they were taken as changed",
                environment.label(),
                reading.timeless
            );
            let _ = to.send(Ok(vec![Entry::Note(note)])).await;
        }
        if reading.rekeyed > 0 {
            let note = format!(
                "{} records of {} have other keys than they were written with here: another client moved them between vaults, or the server answers with others",
                reading.rekeyed,
                environment.label()
            );
            let _ = to.send(Ok(vec![Entry::Note(note)])).await;
        }
        if reading.copies > 0 && only.side == Side::Source {
            let note = format!(
                "{} records of {} were not written here and have the keys of records that were: they are copies, or the server answers with others",
                reading.copies,
                environment.label()
            );
            let _ = to.send(Ok(vec![Entry::Note(note)])).await;
        }
        Ok(reading.taken)
    }

    /// Tells that a vault is not read; `false` once nobody listens any more.
    async fn leaves_out(&self, vault: &Vault, why: &str) -> bool {
        self.seen.reject();
        let at = Position::pointer(vault.id.clone());
        let why = format!("none of its records can be read: {why}");
        let reject = Reject { at, label: vault.name.clone(), why };
        self.to.send(Ok(vec![Entry::Reject(reject)])).await.is_ok()
    }

    /// Sends one vault's records; `false` once nobody listens any more.
    async fn vault(&mut self, vault: &Vault) -> std::result::Result<bool, Unread> {
        let client = self.environment.client();
        let (inside, filter, only) = (self.inside, self.filter, self.only);
        let key = match self.environment.unpinned_vault_key(vault) {
            key if only.unknown.is_some() => key.map_err(|error| Unread::Whole(error.what().to_owned()))?,
            // Whoever shares a vault gives the copy of its key. Of one that was read before it is nothing to pass over.
            Err(error) if error.kind() == ErrorKind::Decrypt && !self.was_read(vault)? => {
                return Err(Unread::Whole(error.what().to_owned()));
            }
            _ => self.environment.vault_key(vault)?,
        };
        if only.unknown.is_none() {
            self.environment.vault_agrees(&vault.id, key.as_deref())?;
        }
        let folders = client.folders(Some(&vault.id)).await?;
        let paths = paths(vault, &folders).map_err(|error| Unread::Whole(error.what().to_owned()))?;
        let root = RecordPath { vault: Some(vault.name.clone()), folders: Vec::new() };
        let place = |folder: Option<&str>| folder.and_then(|id| paths.get(id)).unwrap_or(&root);
        let is_inside = |path: &RecordPath| path.folders.starts_with(&inside.folders);
        let named = |path: &RecordPath| only.places.as_ref().is_none_or(|places| places.holds(path));
        let within = |path: &RecordPath| is_inside(path) && filter.takes_place(path) && named(path);
        let places = match &only.places {
            Some(scope) => scope.of_vault(vault, &paths).list(client, &vault.id).await?,
            None => client.item_places(&vault.id).await?,
        };
        // A place that is not there holds no records, whatever else the vault holds.
        if inside.folders.is_empty() || paths.values().any(is_inside) {
            self.seen.records(places.len());
        }
        self.seen.folder(&root);
        for path in paths.values() {
            self.seen.folder(path);
        }
        let mut filled: HashSet<&str> =
            folders.iter().filter_map(|one| one.parent_folder_id.as_deref()).collect();
        filled.extend(places.folders());
        let empty = folders.iter().filter(|folder| !filled.contains(folder.id.as_str()));
        let mut bare: Vec<_> = empty.map(|folder| place(Some(&folder.id))).collect();
        if places.is_empty() && folders.is_empty() {
            bare.push(&root);
        }
        bare.retain(|path| only.places.is_none() && within(path) && filter.takes_bare(path));
        let bare: Vec<_> = bare.into_iter().cloned().map(Entry::Folder).collect();
        if !bare.is_empty() && self.to.send(Ok(bare)).await.is_err() {
            return Ok(false);
        }
        drop(filled);
        let seen = self.seen;
        let mut wanted = places.read()?.filter(|item| {
            item.as_ref().map_or(true, |item| {
                let path = place(item.folder_id.as_deref());
                if let Some(number) = filter.excluding(path, None).filter(|_| is_inside(path)) {
                    seen.excluded(number, 1);
                }
                only.items.as_ref().is_none_or(|items| items.contains(&*item.id))
                    && within(path)
                    && filter.takes_time(item)
            })
        });
        // The next chunk is on its way while this one is opened.
        let mut ahead = VecDeque::new();
        loop {
            while ahead.len() < AHEAD {
                let mut ids = Vec::with_capacity(CHUNK);
                for item in wanted.by_ref().take(CHUNK) {
                    let item = item?;
                    self.timeless += u64::from(filter.changed_since.is_some() && item.updated_at.is_none());
                    ids.push(item.id.into_string());
                }
                if ids.is_empty() {
                    break;
                }
                let client = client.clone();
                ahead.push_back(tokio::spawn(async move { (client.items(&ids).await, ids) }));
            }
            let Some(fetched) = ahead.pop_front() else { break };
            let (items, ids) = fetched.await.map_err(ended_early)?;
            let entries = self.open(&ids, items, (&vault.id, key.as_deref()), &place).await?;
            self.taken += entries.len() as u64;
            if self.to.send(Ok(entries)).await.is_err() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Opens the items that the filter takes and fetches their attachments. What is damaged becomes
    /// a reject; what stops the whole reading is an error.
    async fn open<'p>(
        &mut self,
        ids: &[String],
        fetched: Vec<Result<Item>>,
        (vault, key): (&str, Option<&SecretString>),
        place: &(impl Fn(Option<&str>) -> &'p RecordPath + Sync),
    ) -> Result<Vec<Entry>> {
        let mut entries = Vec::with_capacity(ids.len());
        let mut items = Vec::with_capacity(ids.len());
        for (id, item) in ids.iter().zip(fetched) {
            match item {
                Ok(item) => {
                    self.seen.tags(&item.tags);
                    let path = place(item.folder_id.as_deref());
                    if let Some(number) = self.filter.excluding(path, Some(&item.name)) {
                        self.seen.excluded(number, 1);
                    } else if self.filter.takes_item(&item) {
                        items.push(item);
                    }
                }
                Err(error) if error.kind() == ErrorKind::NotFound => entries.push(gone(id, &error)),
                Err(error) => return Err(error),
            }
        }
        // What a job reads back is compared with what it sent.
        let memory =
            self.environment.memory().filter(|_| self.only.items.is_none() && self.only.unknown.is_none());
        if let Some(memory) = memory {
            let compared = tokio::task::block_in_place(|| memory.compared(&items))?;
            self.rekeyed += compared.rekeyed.len();
            self.copies += compared.copies.len();
        }
        let path = |item: &Item| place(item.folder_id.as_deref()).clone();
        // On this thread, which belongs to the job: rayon's workers do the work.
        let protection = match key {
            Some(key) if self.marks() == Marks::Require => Protection::Marked(key),
            key => key.map_or(Protection::Unencrypted, Protection::VaultKey),
        };
        let opened = tokio::task::block_in_place(|| match (self.keys, key) {
            (Keys::Kept, _) if self.marks() == Marks::Require => Err(Error::new(
                ErrorKind::Usage,
                "records that are carried sealed are not opened, so nobody sees their marks",
            )
            .next_step("leave --rewrap out, or do not require marks")),
            (Keys::Fresh, _) => Ok(bulk::decrypt(&items, protection, path)),
            (Keys::Kept, Some(key)) => Ok(bulk::carry(&items, key, path)),
            (Keys::Kept, None) if items.is_empty() => Ok(Vec::new()),
            (Keys::Kept, None) => Err(Error::new(
                ErrorKind::Usage,
                "a vault is not encrypted, so it has no record keys to keep",
            )
            .next_step("leave --rewrap out, or choose other vaults with --vault")),
        })?;
        // What opened a record has proved itself, and another key will be refused from now on.
        if self.only.unknown.is_none()
            && key.is_some()
            && opened.iter().any(|one| one.as_ref().is_ok_and(|one| one.key.is_some()))
        {
            self.environment.pin_vault(vault, key)?;
        }
        let whole = items.iter().zip(opened).map(async |(item, opened)| match opened {
            Ok(opened) => self.with_attachments(item, opened).await,
            Err(error) => Err(error),
        });
        let mut whole = stream::iter(whole.collect::<Vec<_>>()).buffered(FILES);
        for item in &items {
            let at = Position::pointer(item.id.clone());
            if let Some(Err(why)) = memory.filter(|_| key.is_some()).map(|memory| memory.keeps_its_key(item))
            {
                let _ = whole.next().await;
                let label = format!("{} / {}", path(item), item.name);
                entries.push(Entry::Reject(Reject { at, label, why: why.what().to_owned() }));
                continue;
            }
            entries.push(match whole.next().await {
                Some(Ok(record)) => Entry::Record(record, at),
                Some(Err(error)) if error.kind() == ErrorKind::Decrypt || mark::is_missing(&error) => {
                    let label = format!("{} / {}", path(item), item.name);
                    Entry::Reject(Reject { at, label, why: error.what().to_owned() })
                }
                Some(Err(error)) => return Err(error),
                None => break,
            });
        }
        Ok(entries)
    }

    /// Whether a vault's key was seen before, by whoever remembers.
    fn was_read(&self, vault: &Vault) -> Result<bool> {
        self.environment.memory().map_or(Ok(false), |memory| memory.knows_vault(&vault.id))
    }

    /// What is asked of the records that are read.
    fn marks(&self) -> Marks {
        if self.only.side == Side::Source { self.environment.marks() } else { Marks::Free }
    }

    async fn with_attachments(&self, item: &Item, opened: Opened) -> Result<Record> {
        let Opened { mut record, key } = opened;
        let wanted = match self.attachments {
            Attachments::Fetched => item.attachments.as_slice(),
            Attachments::Left => &[],
        };
        for info in wanted {
            record.attachments.push(self.attachment(item, info, key.as_ref()).await?);
        }
        Ok(record)
    }

    async fn attachment(
        &self,
        item: &Item,
        info: &keyferry_api::item::AttachmentInfo,
        key: Option<&SecretString>,
    ) -> Result<Attachment> {
        let mut wire = self.environment.client().attachment(&item.id, &info.id).await?;
        if wire.name.is_empty() {
            wire.name.clone_from(&info.name);
        }
        if let Some(memory) = self.environment.memory().filter(|_| self.only.unknown.is_none()) {
            tokio::task::block_in_place(|| memory.is_that_attachment(item, &wire.name, &wire))?;
        }
        match self.keys {
            Keys::Fresh => attachment::decrypt_marked(&wire, key, self.marks()),
            Keys::Kept => attachment::pack(&wire),
        }
    }
}

fn gone(id: &str, error: &Error) -> Entry {
    Entry::Reject(Reject {
        at: Position::pointer(id.to_owned()),
        label: String::new(),
        why: format!("it vanished while it was read: {}", error.what()),
    })
}
