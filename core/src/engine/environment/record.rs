//! Single records in use: found by path or id, opened, and changed where they stand.
//!
//! A transfer reads whole vaults; whoever fetches one password asks for one item. A change re-encrypts what
//! changes and sends the rest of the item as the ciphertext that it was.

use crate::crypto::mark::{self, Marks};
use crate::crypto::record;
use crate::crypto::record::Protection;
use crate::crypto::{attachment, bulk, envelope, generate};
use crate::engine::environment::pins::Compared;
use crate::engine::environment::{Environment, blocking};
use crate::engine::names;
use crate::engine::sink::one_opens;
use crate::error::{Error, ErrorKind, Place, Result};
use crate::model::{Attachment, Custom, CustomKind, Record, RecordPath};
use crate::secret::SecretString;
use keyferry_api::item::{Custom as WireCustom, Item, ItemDraft, ItemSummary};
use keyferry_api::vault::Vault;
use std::collections::BTreeSet;
use std::sync::Arc;

/// An opened record, and what it takes to change it.
pub struct FetchedRecord {
    /// The record, without its attachments' contents. Its path is empty where it was asked for by id.
    pub record: Record,
    /// The item's id, or the shortcut's where that was asked for.
    pub id: String,
    item: Item,
    key: Option<SecretString>,
}

/// What to change of a record; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// A new name; not empty.
    pub name: Option<String>,
    /// A new login.
    pub login: Option<String>,
    /// A new password.
    pub password: Option<SecretString>,
    /// A new address.
    pub url: Option<String>,
    /// A new description.
    pub description: Option<String>,
    /// All tags from now on.
    pub tags: Option<Vec<String>>,
    /// Values of custom fields by name, of one that is given twice the last. A field that is there keeps its type; one that
    /// is not is added as a password.
    pub customs: Vec<(String, SecretString)>,
    /// Take whatever another has made of the record meanwhile: without this such a change is an error.
    pub regardless: bool,
}

impl Change {
    /// The values of custom fields, of a name that is given twice the last.
    fn last_customs(&self) -> impl Iterator<Item = &(String, SecretString)> {
        self.customs.iter().enumerate().filter_map(|(index, pair)| {
            let mut after = self.customs.iter().skip(index + 1);
            after.all(|(name, _)| !names::same(name, &pair.0)).then_some(pair)
        })
    }
}

impl FetchedRecord {
    /// The ids of its vault and of its folder.
    #[must_use]
    pub fn place(&self) -> (&str, Option<&str>) {
        (&self.item.vault_id, self.item.folder_id.as_deref())
    }

    /// When it was last changed, in Unix seconds; some servers do not tell.
    #[must_use]
    pub fn updated_at(&self) -> Option<i64> {
        self.item.updated_at
    }

    /// The item as it was answered: ciphertext and all that is not secret.
    #[must_use]
    pub fn item(&self) -> &Item {
        &self.item
    }

    /// How messages name it.
    #[must_use]
    pub fn label(&self) -> String {
        self.record.label()
    }

    fn holds_secrets(&self) -> bool {
        self.record.password.as_ref().is_some_and(|password| !password.is_empty())
            || !self.record.customs.is_empty()
    }
}

impl Environment {
    /// The record at a path: vault, folders, and its own name last. A single name of 24 hexadecimal digits is
    /// an id, of an item or of a shortcut.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] where there is none; [`ErrorKind::Usage`] where there are several: the error
    /// names their ids.
    pub async fn fetch(&self, names: &[String]) -> Result<FetchedRecord> {
        if let [id] = names
            && is_id(id)
        {
            return self.fetch_id(id).await;
        }
        let item = self.only(names, self.find(names).await?)?;
        let mut picked = self.fetch_id(&item.id).await?;
        picked.record.path = names[..names.len() - 1].iter().cloned().collect();
        Ok(picked)
    }

    /// One record by the id of its item, or of a shortcut to it.
    pub async fn fetch_id(&self, id: &str) -> Result<FetchedRecord> {
        let item = self.client().item(id).await?;
        self.opened(vec![item], &RecordPath::default()).await.pop().unwrap_or_else(|| Err(vanished(id)))
    }

    /// Records by id, in the order asked for, fetched in batches. Each succeeds or fails by itself.
    pub async fn fetch_ids(&self, ids: &[String]) -> Vec<Result<FetchedRecord>> {
        let mut picked: Vec<Option<Result<FetchedRecord>>> = ids.iter().map(|_| None).collect();
        let (mut items, mut numbers) = (Vec::new(), Vec::new());
        for (number, answer) in self.client().items(ids).await.into_iter().enumerate() {
            match answer {
                Ok(item) => {
                    items.push(item);
                    numbers.push(number);
                }
                Err(error) => picked[number] = Some(Err(error)),
            }
        }
        let opened = self.opened(items, &RecordPath::default()).await;
        for (number, one) in numbers.into_iter().zip(opened) {
            picked[number] = Some(one);
        }
        picked.into_iter().zip(ids).map(|(one, id)| one.unwrap_or_else(|| Err(vanished(id)))).collect()
    }

    /// What stands at a path, by name: several where names repeat.
    pub async fn find(&self, names: &[String]) -> Result<Vec<ItemSummary>> {
        Ok(self.find_all(&[names]).await?.pop().unwrap_or_default())
    }

    /// The attachment of this name, with its content.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] where there is none, [`ErrorKind::Usage`] where there are several.
    pub async fn attachment(&self, picked: &FetchedRecord, name: &str) -> Result<Attachment> {
        let place = || Place::Record(picked.label());
        let exact = picked.item.attachments.iter().any(|info| info.name == name);
        let is_it = |info: &str| if exact { info == name } else { names::same(info, name) };
        let mut named = picked.item.attachments.iter().filter(|info| is_it(&info.name));
        let info = match (named.next(), named.next()) {
            (Some(info), None) => info,
            (Some(_), Some(_)) => {
                let what = format!("it has several attachments `{name}`");
                return Err(Error::new(ErrorKind::Usage, what).at(place()));
            }
            (None, _) => {
                let known: Vec<&str> =
                    picked.item.attachments.iter().map(|info| info.name.as_str()).collect();
                return Err(Error::new(ErrorKind::NotFound, format!("it has no attachment `{name}`"))
                    .at(place())
                    .next_step(format!("its attachments are: {}", known.join(", "))));
            }
        };
        let wire = self.client().attachment(&picked.id, &info.id).await?;
        if let Some(memory) = self.memory() {
            memory.is_that_attachment(&picked.item, &info.name, &wire)?;
        }
        let key = picked.key.clone();
        let marks = self.marks();
        let opened = blocking(move || attachment::decrypt_marked(&wire, key.as_ref(), marks)).await?;
        opened.map_err(|error| error.at(place()))
    }

    /// Changes a record where it stands.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] where another changed it since it was picked, on servers that tell;
    /// [`ErrorKind::Refused`] for an empty name.
    pub async fn change(&self, picked: &FetchedRecord, change: &Change) -> Result<()> {
        if change.name.as_deref() == Some("") {
            return Err(Error::new(ErrorKind::Refused, "a record needs a name"));
        }
        let item = &picked.item;
        let mut draft = ItemDraft {
            vault_id: Some(item.vault_id.clone()),
            name: change.name.clone(),
            login: change.login.clone(),
            url: change.url.clone(),
            description: change.description.clone(),
            tags: change.tags.clone(),
            revision: item.revision.filter(|_| !change.regardless),
            ..ItemDraft::default()
        };
        let mut under = picked.key.clone();
        if change.password.is_some() || !change.customs.is_empty() {
            let key = self.key_to_write(picked, &mut draft).await?;
            under.clone_from(&key);
            let seal = |text: &str| match &key {
                Some(key) => envelope::encrypt_text(text, key),
                None => Ok(envelope::encode_plain(text.as_bytes())),
            };
            draft.password_encrypted =
                change.password.as_ref().map(|password| seal(password.expose())).transpose()?;
            if !change.customs.is_empty() {
                let mut customs = item.customs.clone();
                for (name, value) in change.last_customs() {
                    let there = names::find(&picked.record.customs, name, |custom| &custom.name);
                    match there.and_then(|number| customs.get_mut(number)) {
                        Some(custom) => custom.value = seal(value.expose())?,
                        None => customs.push(WireCustom {
                            name: seal(name)?,
                            kind: seal(CustomKind::Password.as_str())?,
                            value: seal(value.expose())?,
                            other: serde_json::Map::new(),
                        }),
                    }
                }
                draft.customs = Some(customs);
            }
        }
        if let (true, Some(key)) = (self.marks() != Marks::Free, &under) {
            leave_mark(picked, change, key, &mut draft)?;
        }
        let place = || Place::Record(picked.label());
        self.client().patch_item(&picked.id, &draft).await.map_err(|error| match error.kind() {
            ErrorKind::Conflict => {
                Error::new(ErrorKind::Conflict, "somebody else changed it meanwhile: nothing was written")
                    .at(place())
                    .next_step("look at it and run the command again")
                    .because(error)
            }
            _ => error,
        })
    }

    /// Reads a record again and makes sure that a change of it, which the environment said it made, stands there.
    ///
    /// # Errors
    /// [`ErrorKind::Different`] names what does not.
    pub async fn confirm(&self, id: &str, change: &Change) -> Result<()> {
        let picked = self.fetch_id(id).await?;
        let record = &picked.record;
        let is = |now: &str, then: &Option<String>| then.as_deref().is_none_or(|then| now == then);
        let set = |tags: &[String]| tags.iter().cloned().collect::<BTreeSet<_>>();
        let tags = change.tags.as_ref().is_none_or(|then| set(then) == set(&record.tags));
        let password = record.password.as_ref();
        let mut differ: Vec<&str> = [
            ("name", is(&record.name, &change.name)),
            ("login", is(&record.login, &change.login)),
            ("password", change.password.as_ref().is_none_or(|then| password == Some(then))),
            ("url", is(&record.url, &change.url)),
            ("description", is(&record.description, &change.description)),
            ("tags", tags),
        ]
        .into_iter()
        .filter_map(|(field, is)| (!is).then_some(field))
        .collect();
        for (name, then) in change.last_customs() {
            let now = names::find(&record.customs, name, |custom| &custom.name);
            if now.and_then(|now| record.customs.get(now)).is_none_or(|now| now.value != *then) {
                differ.push(name);
            }
        }
        if differ.is_empty() {
            return Ok(());
        }
        let what = format!(
            "{} said that it made the change, and shows another value of: {}",
            self.label(),
            differ.join(", ")
        );
        Err(Error::new(ErrorKind::Different, what)
            .at(Place::Record(picked.label()))
            .next_step("look whether somebody else changed it at the same moment; if not, its administrator has to say why"))
    }

    /// Makes sure, before anything else happens, that a secret which is written into a record will be encrypted.
    ///
    /// # Errors
    /// [`ErrorKind::NotAllowed`] where a key is at hand and would not be used.
    pub async fn can_write(&self, picked: &FetchedRecord) -> Result<()> {
        if !self.must_encrypt() {
            return Ok(());
        }
        self.key_to_write(picked, &mut ItemDraft::default()).await.map(drop)
    }

    /// A vault's key for what will be written under it: not another than before, and where it was never seen, one that
    /// opens a record that is there. `None` where the vault has none.
    ///
    /// # Errors
    /// [`ErrorKind::NotAllowed`] for another key.
    pub(crate) async fn key_to_write_under(&self, vault: &Vault) -> Result<Option<Arc<SecretString>>> {
        let key = self.vault_key(vault)?;
        if let Some(key) = &key
            && !self.knows_vault(&vault.id)?
        {
            one_opens(self, &vault.id, key).await?;
            self.pin_vault(&vault.id, Some(key))?;
        }
        Ok(key)
    }

    /// The record key; a new one, named in `draft`, for a record that has secrets for the first time.
    async fn key_to_write(
        &self,
        picked: &FetchedRecord,
        draft: &mut ItemDraft,
    ) -> Result<Option<SecretString>> {
        if picked.key.is_some() {
            return Ok(picked.key.clone());
        }
        let vault = self.client().vault(&picked.item.vault_id).await?;
        if crate::engine::environment::is_encrypted(&vault)
            && self.client().shortcut(&picked.id).await.is_ok()
        {
            let what = "it has no key yet, and through a shortcut it gets none that its own vault could open";
            return Err(Error::new(ErrorKind::Refused, what)
                .at(Place::Record(picked.label()))
                .next_step("change it where it stands, by its own path or id"));
        }
        let Some(vault_key) = self.key_to_write_under(&vault).await? else {
            if self.must_encrypt() {
                return Err(self.downgraded("the vault of this record").at(Place::Record(picked.label())));
            }
            return Ok(None);
        };
        let key = generate::key()?;
        draft.key_encrypted = Some(envelope::encrypt_text(key.expose(), &vault_key)?);
        Ok(Some(key))
    }

    /// Opens items, each under the vault key that its own answer holds.
    async fn opened(&self, items: Vec<Item>, path: &RecordPath) -> Vec<Result<FetchedRecord>> {
        let mut opened: Vec<Option<Result<FetchedRecord>>> =
            items.iter().map(|item| self.stands_where_found(item).err().map(Err)).collect();
        let mut left: Vec<(usize, Item)> =
            items.into_iter().enumerate().filter(|(number, _)| opened[*number].is_none()).collect();
        while let Some((_, first)) = left.first() {
            let vault = first.vault_id.clone();
            let (group, others): (Vec<_>, Vec<_>) =
                left.into_iter().partition(|(_, item)| item.vault_id == vault);
            left = others;
            let (numbers, group): (Vec<usize>, Vec<Item>) = group.into_iter().unzip();
            let key = match self.key_of(&group).await {
                Ok(key) => key,
                Err(error) => {
                    for number in numbers {
                        opened[number] = Some(Err(error.again()));
                    }
                    continue;
                }
            };
            let group = open(group, key.clone(), path.clone(), self.marks()).await;
            for (number, one) in numbers.into_iter().zip(self.known(&vault, key.as_deref(), group)) {
                opened[number] = Some(one);
            }
        }
        opened.into_iter().flatten().collect()
    }

    /// Compares records of one vault with what is remembered of them, and remembers what was never seen: a key that has
    /// opened a record has proved itself.
    fn known(
        &self,
        vault: &str,
        key: Option<&SecretString>,
        group: Vec<Result<FetchedRecord>>,
    ) -> Vec<Result<FetchedRecord>> {
        let Some(memory) = self.memory() else { return group };
        let items = group.iter().flatten().map(|one| &one.item);
        let Compared { rekeyed, copies } = match memory.compared(items) {
            Ok(compared) => compared,
            Err(error) => return group.into_iter().map(|one| one.and_then(|_| Err(error.again()))).collect(),
        };
        let mut first = Vec::new();
        let checked: Vec<_> = group
            .into_iter()
            .map(|one| {
                let one = one?;
                let used = key.filter(|_| one.key.is_some());
                let place = |error: Error| error.at(Place::Record(one.label()));
                memory.keeps_its_key(&one.item).map_err(place)?;
                let must_have_a_key = memory.knows_vault(vault)? || memory.requires_pins() && self.encrypts;
                if used.is_none() && one.holds_secrets() && must_have_a_key {
                    let what = "its vault encrypts, and it is in the clear by the word of the server";
                    return Err(place(Error::new(ErrorKind::NotAllowed, what).next_step(format!(
                        "ask its administrator; if so: keyferry env unpin {} vault:{vault}",
                        memory.place()
                    ))));
                }
                if let Some(other) = copies.get(&one.item.id)
                    && self.stands_where_found(&one.item)?
                {
                    let what = format!("it was not written here, and has what was written as record {other}");
                    return Err(place(Error::new(ErrorKind::NotAllowed, what).next_step(format!(
                        "if it is a copy of that one, ask for it by its id: {}; if not, the server lies: ask its administrator over another way",
                        one.item.id
                    ))));
                }
                if rekeyed.contains(&one.item.id)
                    && !self.stands_where_found(&one.item)?
                    && !memory.knows_vault(vault)?
                {
                    let what =
                        "it was written here with another key, and stands in a vault that was never seen";
                    return Err(place(
                        Error::new(ErrorKind::NotAllowed, what).next_step(
                            "if it was moved there, ask for it by its path, which names the vault",
                        ),
                    ));
                }
                first.extend(memory.record(&one.item.id, vault, used).map_err(place)?);
                Ok(one)
            })
            .collect();
        let proved = checked.iter().flatten().any(|one| one.key.is_some());
        let kept = if proved { memory.pin_vault(vault, key) } else { Ok(()) };
        match kept.and_then(|()| memory.pin_all(&first)) {
            Ok(()) => checked,
            Err(error) => checked.into_iter().map(|one| one.and_then(|_| Err(error.again()))).collect(),
        }
    }

    /// The vault key of items that stand in one vault.
    async fn key_of(&self, items: &[Item]) -> Result<Option<Arc<SecretString>>> {
        let Some(first) = items.first() else { return Ok(None) };
        let wrapped = first.vault_master_key_encrypted.as_deref().filter(|wrapped| !wrapped.is_empty());
        match wrapped {
            // What it opens proves it: another key does not open the record's.
            Some(wrapped) => {
                let vault = Vault {
                    id: first.vault_id.clone(),
                    name: first.vault_id.clone(),
                    master_key_encrypted: Some(wrapped.to_owned()),
                    ..Vault::default()
                };
                self.vault_key(&vault)
            }
            None if first.key_encrypted.as_deref().unwrap_or_default().is_empty() => Ok(None),
            // Not every server repeats the vault's key with each item.
            None => self.vault_key(&self.client().vault(&first.vault_id).await?),
        }
    }
}

async fn open(
    items: Vec<Item>,
    key: Option<Arc<SecretString>>,
    path: RecordPath,
    marks: Marks,
) -> Vec<Result<FetchedRecord>> {
    let count = items.len();
    let work = move || {
        let protection = match key.as_deref() {
            Some(key) if marks == Marks::Require => Protection::Marked(key),
            key => key.map_or(Protection::Unencrypted, Protection::VaultKey),
        };
        let place = |_: &Item| path.clone();
        // One is not worth waking every core for.
        let opened = match items.as_slice() {
            [_] => record::decrypt(&items, protection, place),
            _ => bulk::decrypt(&items, protection, place),
        };
        let picked = items.into_iter().zip(opened).map(|(item, opened)| {
            let opened = opened.map_err(|error| error.at(Place::Record(item.name.clone())))?;
            Ok(FetchedRecord { record: opened.record, id: item.id.clone(), key: opened.key, item })
        });
        picked.collect()
    };
    match blocking(work).await {
        Ok(picked) => picked,
        Err(error) => (0..count).map(|_| Err(error.again())).collect(),
    }
}

/// Has a changed record carry its mark: the envelope that does is made anew, whether or not its text changes.
fn leave_mark(
    picked: &FetchedRecord,
    change: &Change,
    key: &SecretString,
    draft: &mut ItemDraft,
) -> Result<()> {
    let mut after = picked.record.clone();
    for (field, new) in [
        (&mut after.name, &change.name),
        (&mut after.login, &change.login),
        (&mut after.url, &change.url),
        (&mut after.description, &change.description),
    ] {
        if let Some(new) = new {
            field.clone_from(new);
        }
    }
    if let Some(password) = &change.password {
        after.password = Some(password.clone());
    }
    for (name, value) in &change.customs {
        let there = names::find(&picked.record.customs, name, |custom| &custom.name);
        match there.and_then(|number| after.customs.get_mut(number)) {
            Some(custom) => custom.value = value.clone(),
            None => after.customs.push(Custom {
                name: name.clone(),
                kind: CustomKind::Password,
                value: value.clone(),
            }),
        }
    }
    let mark = mark::of(&after, key);
    let seal = |text: &SecretString| envelope::encrypt_with_salt(text.expose().as_bytes(), key, mark);
    if let Some(password) = &after.password {
        draft.password_encrypted = Some(seal(password)?);
    } else if let Some(last) = after.customs.last() {
        let customs = draft.customs.get_or_insert_with(|| picked.item.customs.clone());
        if let Some(custom) = customs.last_mut() {
            custom.value = seal(&last.value)?;
        }
    }
    Ok(())
}

fn vanished(id: &str) -> Error {
    Error::new(ErrorKind::Protocol, format!("item {id} was not answered"))
}

/// Whether a word is an id rather than a name: 24 hexadecimal digits.
#[must_use]
pub fn is_id(word: &str) -> bool {
    word.len() == 24 && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}
