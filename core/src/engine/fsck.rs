//! Looks in an environment for what cannot be read, and says what to do about it. Changes nothing.

use crate::crypto::record;
use crate::crypto::record::Protection;
use crate::crypto::{attachment, bulk, envelope};
use crate::engine::environment::Environment;
use crate::engine::environment::{CHUNK, paths};
use crate::engine::report::progress::{Progress, Step};
use crate::error::{Error, ErrorKind, Result};
use crate::model::RecordPath;
use crate::secret::SecretString;
use keyferry_api::folder::Folder;
use keyferry_api::item::{AttachmentInfo, Item};
use keyferry_api::vault::Vault;
use serde::{Serialize, Serializer};
use std::collections::{HashMap, HashSet};
use std::time::Instant;

macro_rules! kinds {
    ($( $(#[doc = $doc:literal])+ $kind:ident = $name:literal, $next:literal; )+) => {
        /// What is wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Kind { $( $(#[doc = $doc])+ $kind, )+ }

        impl Kind {
            /// The stable word for scripts.
            #[must_use]
            pub const fn name(self) -> &'static str { match self { $( Kind::$kind => $name, )+ } }

            /// What to do about it.
            #[must_use]
            pub const fn next(self) -> &'static str { match self { $( Kind::$kind => $next, )+ } }
        }
    };
}

kinds! {
    /// The vault key does not open under the user's private key, or is not the vault's.
    VaultKey = "vault-key", "ask an administrator of the vault to take you out of it and in again";
    /// The vault came beside a known one of its name.
    SecondVault = "second-vault",
        "ask its owner over another way; if there are two of that name now: keyferry env unpin PLACE second:ID";
    /// Secrets were stored without the record key; the official client does so where there is no password.
    NoRecordKey = "no-record-key", "nobody can read these secrets: enter them anew from where they came from";
    /// The record key does not open under the vault key.
    WrongRecordKey = "wrong-record-key", "bring the record back from its history or a backup, or enter it anew";
    /// An envelope is cut or changed.
    DamagedEnvelope = "damaged-envelope", "bring the value back from the record's history or a backup";
    /// The environment lists the record and cannot give it.
    RecordUnreadable = "record-unreadable",
        "run fsck again, it may have been deleted meanwhile; if not, the environment's own log says why";
    /// The record's folder is missing.
    RecordOrphan = "record-orphan", "move the record, or ask an administrator for the folder it stands in";
    /// An attachment's content opens and is not what its hash was taken of.
    AttachmentHash = "attachment-hash", "look at the file before you trust it, then upload a good copy";
    /// An attachment is missing or does not open.
    AttachmentUnreadable = "attachment-unreadable", "upload the file again";
    /// Folders contain each other.
    FolderCycle = "folder-cycle", "move one of the folders to the top of its vault";
    /// The folder's parent is missing.
    FolderOrphan = "folder-orphan", "move the folder, or ask an administrator for the one it stands in";
    /// The private key is encrypted under the master password itself, as the official client's
    /// `create_user` does: one round of MD5 stands between a copy of it and whoever guesses.
    WeakPrivateKeyGuard = "weak-private-key-guard",
        "change the master password in Passwork: the private key is then encrypted under the master key";
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// See [`Kind`].
    pub kind: Kind,
    /// Path and name of the record, or of the folder, vault or user.
    pub record: String,
    /// Its id.
    pub id: String,
    /// The field or attachment, where it is one: `password`, `custom field 2, value`.
    pub field: Option<String>,
    /// What was seen: a sentence without secrets.
    pub what: String,
    /// What to do about it.
    pub next: &'static str,
}

/// What was looked at, and what was found.
#[derive(Debug, Default, Serialize)]
pub struct Health {
    /// Vaults that were looked at.
    pub vaults: u64,
    /// Folders that were looked at.
    pub folders: u64,
    /// Records that were looked at.
    pub records: u64,
    /// Attachments that were fetched and checked.
    pub attachments: u64,
    /// What is wrong, in the order of the walk.
    pub findings: Vec<Finding>,
    /// Wall-clock time.
    pub seconds: f64,
}

impl Health {
    /// 4 where something was found, else 0.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        if self.findings.is_empty() { 0 } else { 4 }
    }

    fn add(&mut self, kind: Kind, record: String, id: &str, field: Option<String>, what: impl Into<String>) {
        let (id, what, next) = (id.to_owned(), what.into(), kind.next());
        self.findings.push(Finding { kind, record, id, field, what, next });
    }
}

/// Opens everything within `inside`: vault keys, record keys, fields, attachments. Records are
/// fetched in chunks, attachments one at a time.
///
/// # Errors
/// What stops the whole walk: no key, no connection, a place that is not there, an interruption.
pub async fn fsck(environment: &Environment, inside: &RecordPath, progress: &dyn Progress) -> Result<Health> {
    let start = Instant::now();
    environment.unlocked()?;
    let inside = &environment.settled(inside).await?;
    progress.begin(Step::Verifying, None);
    let mut walk = Walk { environment, inside, progress, health: Health::default() };
    if environment.is_weakly_guarded() {
        let user = environment.client().user_info().await?;
        let what = "the private key is encrypted under the master password, not under the master key";
        walk.health.add(Kind::WeakPrivateKeyGuard, format!("user {}", user.username), &user.id, None, what);
    }
    let mut found = inside.vault.is_none();
    let vaults = environment.vaults(inside).await?;
    let strangers = environment.strangers(&vaults)?;
    for vault in vaults {
        if let Some(why) = strangers.get(&vault.id) {
            walk.health.add(Kind::SecondVault, vault.name.clone(), &vault.id, None, why.what());
        } else {
            found |= walk.vault(&vault).await?;
        }
    }
    if !found {
        return Err(Error::new(ErrorKind::NotFound, format!("there is no {inside}"))
            .next_step(format!("keyferry tree {} shows what there is", environment.label())));
    }
    walk.health.seconds = start.elapsed().as_secs_f64();
    Ok(walk.health)
}

struct Walk<'a> {
    environment: &'a Environment,
    inside: &'a RecordPath,
    progress: &'a dyn Progress,
    health: Health,
}

impl Walk<'_> {
    /// Looks at a vault; answers whether it holds the folder that was asked for.
    async fn vault(&mut self, vault: &Vault) -> Result<bool> {
        let (environment, inside) = (self.environment, self.inside);
        let client = environment.client();
        let folders = client.folders(Some(&vault.id)).await?;
        let paths = paths(vault, &folders)?;
        let root = RecordPath { vault: Some(vault.name.clone()), folders: Vec::new() };
        let place = |folder: Option<&str>| folder.and_then(|id| paths.get(id)).unwrap_or(&root);
        let within = |path: &RecordPath| path.folders.starts_with(&inside.folders);
        if !within(&root) && !paths.values().any(within) {
            return Ok(false);
        }
        let here: Vec<_> = folders.iter().filter(|folder| within(place(Some(&folder.id)))).collect();
        let items = client.item_places(&vault.id).await?.read()?.collect::<Result<Vec<_>>>()?;
        let wanted: Vec<_> = items.iter().filter(|item| within(place(item.folder_id.as_deref()))).collect();
        self.health.vaults += 1;
        self.health.folders += here.len() as u64;
        self.folders(&here, &paths);
        // As it is shown: that it is not the one of before is told of one that opens.
        let key = match environment.unpinned_vault_key(vault) {
            Ok(_) => environment.vault_key(vault)?,
            Err(error) if error.kind() == ErrorKind::Decrypt => {
                let what = format!("{}: none of its {} records can be read", error.what(), wanted.len());
                self.health.add(Kind::VaultKey, vault.name.clone(), &vault.id, None, what);
                return Ok(true);
            }
            Err(error) => return Err(error),
        };
        let protection = key.as_deref().map_or(Protection::Unencrypted, Protection::VaultKey);
        for chunk in wanted.chunks(CHUNK) {
            let ids: Vec<String> = chunk.iter().map(|item| String::from(&*item.id)).collect();
            let items = self.fetch(&ids, &root).await?;
            for item in &items {
                if item.folder_id.as_ref().is_some_and(|id| !paths.contains_key(id)) {
                    let what = "its folder is missing; it shows at the top of its vault";
                    self.health.add(Kind::RecordOrphan, label(&root, item), &item.id, None, what);
                }
            }
            self.records(&items, protection, &place).await?;
            self.progress.advance(chunk.len() as u64);
        }
        Ok(true)
    }

    fn folders(&mut self, folders: &[&Folder], paths: &HashMap<String, RecordPath>) {
        let by_id: HashMap<&str, &Folder> =
            folders.iter().map(|folder| (folder.id.as_str(), *folder)).collect();
        let name = |folder: &Folder| paths.get(&folder.id).map(ToString::to_string).unwrap_or_default();
        for folder in folders {
            if folder.parent_folder_id.as_ref().is_some_and(|parent| !paths.contains_key(parent)) {
                let what = "the folder it stands in is missing; it shows at the top of its vault";
                self.health.add(Kind::FolderOrphan, name(folder), &folder.id, None, what);
            }
        }
        for folder in one_of_each_cycle(folders, &by_id) {
            let what = "the folders above it lead back to it; it shows at the top of its vault";
            self.health.add(Kind::FolderCycle, name(folder), &folder.id, None, what);
        }
    }

    /// Items by id. One that an answer breaks on is asked for alone, so that it spoils no other.
    async fn fetch(&mut self, ids: &[String], root: &RecordPath) -> Result<Vec<Item>> {
        let client = self.environment.client();
        let mut items = Vec::with_capacity(ids.len());
        for (id, item) in ids.iter().zip(client.items(ids).await) {
            let item = match item {
                Err(error) if concerns_one(&error) => client.item(id).await,
                item => item,
            };
            self.health.records += 1;
            match item {
                Ok(item) => items.push(item),
                Err(error) if concerns_one(&error) => {
                    self.health.add(Kind::RecordUnreadable, root.to_string(), id, None, error.what());
                }
                Err(error) => return Err(error),
            }
            self.check_interrupted()?;
        }
        Ok(items)
    }

    async fn records<'b>(
        &mut self,
        items: &[Item],
        protection: Protection<'_>,
        place: &(impl Fn(Option<&str>) -> &'b RecordPath + Sync),
    ) -> Result<()> {
        // The quick way for all; only what fails is looked at field by field.
        let opened =
            tokio::task::block_in_place(|| bulk::decrypt(items, protection, |_| RecordPath::default()));
        for (item, opened) in items.iter().zip(opened) {
            let label = label(place(item.folder_id.as_deref()), item);
            let key = match opened {
                Ok(opened) => opened.key,
                Err(_) => match record_key(item, protection) {
                    Ok(key) => {
                        self.diagnose(item, &label, key.as_ref());
                        key
                    }
                    // Nothing else of it can be opened: this finding says it all.
                    Err((kind, what)) => {
                        let field = (kind == Kind::DamagedEnvelope).then(|| "record key".to_owned());
                        self.health.add(kind, label, &item.id, field, what);
                        continue;
                    }
                },
            };
            for info in &item.attachments {
                self.check_interrupted()?;
                self.attachment(item, &label, info, key.as_ref()).await?;
            }
        }
        Ok(())
    }

    /// Names each field that does not open; a key opens envelopes, none is for base64.
    fn diagnose(&mut self, item: &Item, label: &str, key: Option<&SecretString>) {
        for (field, text) in fields(item) {
            let opened = match key {
                Some(_) if text.is_empty() => continue,
                Some(key) => envelope::decrypt_text(text, key).map(drop),
                None => envelope::decode_plain(text).and_then(|bytes| {
                    let not_text = || Error::new(ErrorKind::Decrypt, "not UTF-8");
                    bytes.into_text().map(drop).ok_or_else(not_text)
                }),
            };
            if let Err(error) = opened {
                let (label, what) = (label.to_owned(), error.what());
                self.health.add(Kind::DamagedEnvelope, label, &item.id, Some(field), what);
            }
        }
    }

    async fn attachment(
        &mut self,
        item: &Item,
        label: &str,
        info: &AttachmentInfo,
        key: Option<&SecretString>,
    ) -> Result<()> {
        self.health.attachments += 1;
        let mut add = |kind, what: &str| {
            let field = Some(format!("attachment {}", info.name));
            self.health.add(kind, label.to_owned(), &item.id, field, what);
        };
        let opened = match self.environment.client().attachment(&item.id, &info.id).await {
            Ok(wire) => attachment::decrypt_unchecked(&wire, key).map(|opened| (opened, wire.hash)),
            Err(error) => Err(error),
        };
        match opened {
            Ok((opened, hash)) if attachment::is_genuine(&opened, &hash) => {}
            Ok(_) => add(Kind::AttachmentHash, "the content does not match its hash"),
            Err(error) if concerns_one(&error) => add(Kind::AttachmentUnreadable, error.what()),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn check_interrupted(&self) -> Result<()> {
        if self.progress.interrupted() {
            return Err(Error::new(ErrorKind::Interrupted, "interrupted; fsck changes nothing"));
        }
        Ok(())
    }
}

/// The record key, or what is wrong with it.
fn record_key(item: &Item, protection: Protection<'_>) -> Result<Option<SecretString>, (Kind, String)> {
    let said = |error: &Error| error.what().to_owned();
    if let Protection::VaultKey(_) = protection {
        match item.key_encrypted.as_deref().unwrap_or_default() {
            "" => {
                return Err((Kind::NoRecordKey, format!("{} stored without its record key", secrets(item))));
            }
            wrapped => envelope::check(wrapped).map_err(|error| (Kind::DamagedEnvelope, said(&error)))?,
        }
    }
    record::record_key(item, protection).map_err(|error| (Kind::WrongRecordKey, said(&error)))
}

/// Whether an error is about what was asked for, so that asking for the next makes sense.
fn concerns_one(error: &Error) -> bool {
    use ErrorKind::{Decrypt, NotFound, Protocol, Refused, Server};
    matches!(error.kind(), Decrypt | NotFound | Protocol | Refused | Server)
}

fn label(path: &RecordPath, item: &Item) -> String {
    format!("{path} / {}", item.name)
}

/// The secrets of an item, counted.
fn secrets(item: &Item) -> String {
    let many = |count: usize, one: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        _ => Some(format!("{count} {one}s")),
    };
    let password = item.password_encrypted.as_ref().map(|_| "a password".to_owned());
    let customs = many(item.customs.len(), "custom field");
    let attachments = many(item.attachments.len(), "attachment");
    let all: Vec<_> = [password, customs, attachments].into_iter().flatten().collect();
    all.join(", ")
}

/// The envelopes of an item, by name.
fn fields(item: &Item) -> impl Iterator<Item = (String, &str)> {
    let customs = item.customs.iter().enumerate().flat_map(|(index, custom)| {
        let parts = [("name", &custom.name), ("type", &custom.kind), ("value", &custom.value)];
        parts.map(|(part, text)| (format!("custom field {}, {part}", index + 1), text.as_str()))
    });
    item.password_encrypted.as_deref().map(|text| ("password".to_owned(), text)).into_iter().chain(customs)
}

/// The first folder met of each cycle.
fn one_of_each_cycle<'a>(folders: &[&'a Folder], by_id: &HashMap<&str, &'a Folder>) -> Vec<&'a Folder> {
    let mut done = HashSet::new();
    let mut found = Vec::new();
    for start in folders {
        let mut way = HashSet::new();
        let mut here = Some(*start);
        while let Some(folder) = here.filter(|folder| !done.contains(folder.id.as_str())) {
            if !way.insert(folder.id.as_str()) {
                found.push(folder);
                break;
            }
            here = folder.parent_folder_id.as_deref().and_then(|id| by_id.get(id).copied());
        }
        done.extend(way);
    }
    found
}
