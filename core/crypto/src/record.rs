//! Records: what of them is encrypted, and how they stand on the wire.
//!
//! `keyEncrypted = envelope(record key, vault key)`; password and each custom field's name, type
//! and value are envelopes under the record key. The record key is always sent, even for a record
//! without a password: without it the custom fields could never be read again.
//!
//! Several records are worked on at once, because envelopes are cheaper together (see
//! [`envelope::encrypt_texts`]); [`bulk`](super::bulk) spreads such groups over all cores.

use crate::error::damaged;
use crate::error::{Error, ErrorKind, Result};
use crate::mark::{self, Marks};
use crate::model::{Custom, CustomKind, Record, RecordPath};
use crate::secret::SecretString;
use crate::{attachment, envelope, generate};
use keyferry_api::item::{Attachment as WireAttachment, Custom as WireCustom, Item, ItemDraft};

/// How secrets of a vault are kept.
#[derive(Clone, Copy, Debug)]
pub enum Protection<'a> {
    /// Client-side encryption under this vault key.
    VaultKey(&'a SecretString),
    /// The same; what is encrypted carries a [mark], and what is decrypted has to.
    Marked(&'a SecretString),
    /// None: base64.
    Unencrypted,
}

impl<'a> Protection<'a> {
    /// The vault key, where there is one.
    fn vault_key(self) -> Option<&'a SecretString> {
        match self {
            Protection::VaultKey(key) | Protection::Marked(key) => Some(key),
            Protection::Unencrypted => None,
        }
    }

    fn is_marked(self) -> bool {
        matches!(self, Protection::Marked(_))
    }
}

/// Encrypts records, each for its own vault. Vault and folder ids are the caller's to fill in.
///
/// # Errors
/// Each record's own. Where the system gives no randomness, every record's.
#[must_use]
pub fn encrypt(records: &[(Record, Protection<'_>)]) -> Vec<Result<ItemDraft>> {
    let seal_all = || -> Result<_> {
        let keys = generate::keys(records.len())?;
        let mut texts = Vec::new();
        let mut marks = Vec::new();
        for ((record, protection), key) in records.iter().zip(&keys) {
            if let Some(vault_key) = protection.vault_key() {
                if let Some(kept) = &record.sealed_under {
                    texts.push((kept.expose(), vault_key));
                } else {
                    texts.push((key.expose(), vault_key));
                    let before = texts.len();
                    texts.extend(secret_texts(record).map(|text| (text, key)));
                    if protection.is_marked() && texts.len() > before {
                        marks.push((texts.len() - 1, mark::of(record, key)));
                    }
                }
            }
        }
        let sealed = envelope::encrypt_texts_salted(&texts, &marks)?;
        Ok((keys, sealed.into_iter()))
    };
    let (keys, mut sealed) = match seal_all() {
        Ok(sealed) => sealed,
        // One cause, told for each record.
        Err(error) => return records.iter().map(|_| Err(error.again())).collect(),
    };
    let drafts = records.iter().zip(&keys).map(|((record, protection), key)| match protection {
        Protection::VaultKey(_) | Protection::Marked(_) => {
            let key_encrypted = sealed.next().unwrap_or_default();
            if record.sealed_under.is_some() {
                return draft(
                    record,
                    None,
                    key_encrypted,
                    &mut secret_texts(record).map(str::to_owned),
                    Marks::Free,
                );
            }
            let marks = if protection.is_marked() { Marks::Write } else { Marks::Free };
            draft(record, Some(key), key_encrypted, &mut sealed, marks)
        }
        Protection::Unencrypted if record.sealed_under.is_some() => {
            Err(Error::new(ErrorKind::NotAllowed, "a sealed record cannot go where nothing is encrypted"))
        }
        Protection::Unencrypted => draft(record, None, String::new(), &mut encoded(record), Marks::Free),
    });
    drafts.collect()
}

/// Encrypts a record under a record key that exists already, as an update does.
pub fn encrypt_under(
    record: &Record,
    key: Option<&SecretString>,
    key_encrypted: String,
    marks: Marks,
) -> Result<ItemDraft> {
    match key {
        Some(key) => {
            let texts: Vec<_> = secret_texts(record).map(|text| (text, key)).collect();
            let mark =
                (marks != Marks::Free && !texts.is_empty()).then(|| (texts.len() - 1, mark::of(record, key)));
            let sealed = envelope::encrypt_texts_salted(&texts, mark.as_slice())?;
            draft(record, Some(key), key_encrypted, &mut sealed.into_iter(), marks)
        }
        None => draft(record, None, key_encrypted, &mut encoded(record), Marks::Free),
    }
}

/// The texts of a record that become envelopes, in the order in which [`draft`] takes them back.
fn secret_texts(record: &Record) -> impl Iterator<Item = &str> {
    let customs = record.customs.iter();
    customs
        .flat_map(|custom| [custom.name.as_str(), custom.kind.as_str(), custom.value.expose()])
        .chain(record.password.as_ref().map(SecretString::expose))
}

fn encoded(record: &Record) -> impl Iterator<Item = String> {
    secret_texts(record).map(|text| envelope::encode_plain(text.as_bytes()))
}

fn draft(
    record: &Record,
    key: Option<&SecretString>,
    key_encrypted: String,
    sealed: &mut impl Iterator<Item = String>,
    marks: Marks,
) -> Result<ItemDraft> {
    let mut next = || sealed.next().unwrap_or_default();
    let mut customs = Vec::with_capacity(record.customs.len());
    for _ in &record.customs {
        customs.push(WireCustom { name: next(), kind: next(), value: next(), other: serde_json::Map::new() });
    }
    let password_encrypted = record.password.as_ref().map(|_| next());
    // After the texts, so that they are taken also where this fails.
    let attach = |one| match record.sealed_under {
        Some(_) => attachment::unpack(one),
        None => attachment::encrypt_marked(one, key, marks),
    };
    let attachments = record.attachments.iter().map(attach).collect::<Result<Vec<_>>>()?;
    let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Ok(ItemDraft {
        vault_id: None,
        folder_id: None,
        name: Some(record.name.clone()),
        login: filled(&record.login),
        url: filled(&record.url),
        description: filled(&record.description),
        tags: Some(record.tags.clone()),
        color: record.color,
        is_favorite: record.favorite.then_some(true),
        password_encrypted,
        key_encrypted: Some(key_encrypted),
        customs: Some(customs),
        attachments: (!attachments.is_empty()).then_some(attachments),
        fields_order: None,
        revision: None,
    })
}

/// An opened item and, for its attachments, its record key.
#[derive(Debug)]
pub struct Opened {
    /// Without its attachments' contents: they are fetched one by one and opened by
    /// [`attachment::decrypt`].
    pub record: Record,
    /// `None` without client-side encryption.
    pub key: Option<SecretString>,
}

impl Opened {
    /// The record with these attachments, decrypted.
    pub fn with_attachments(self, files: &[WireAttachment]) -> Result<Record> {
        let Opened { mut record, key } = self;
        for file in files {
            record.attachments.push(attachment::decrypt(file, key.as_ref())?);
        }
        Ok(record)
    }
}

/// Opens the record keys of items of one vault and nothing else: the records are carried sealed.
/// Encrypting them for another vault wraps their keys anew and copies their ciphertext.
pub fn carry(
    items: &[Item],
    vault_key: &SecretString,
    path: impl Fn(&Item) -> RecordPath,
) -> Vec<Result<Opened>> {
    let keys = record_keys(items, Protection::VaultKey(vault_key));
    let records = items.iter().zip(keys).map(|(item, key)| {
        let key = key?;
        let texts = sealed_texts(item).map(SecretString::from).collect();
        let mut record = assemble(item, texts, path(item));
        // A record without any secret has nothing that its key would be needed for.
        let bare =
            item.password_encrypted.is_none() && item.customs.is_empty() && item.attachments.is_empty();
        record.sealed_under.clone_from(if bare { &None } else { &key });
        Ok(Opened { record, key })
    });
    records.collect()
}

/// Decrypts items of one vault; `path` answers where each stands. Each succeeds or fails by itself.
pub fn decrypt(
    items: &[Item],
    protection: Protection<'_>,
    path: impl Fn(&Item) -> RecordPath,
) -> Vec<Result<Opened>> {
    let keys = record_keys(items, protection);
    let mut texts = Vec::new();
    for (item, key) in items.iter().zip(&keys) {
        if let Ok(Some(key)) = key {
            texts.extend(sealed_texts(item).filter(|text| !text.is_empty()).map(|text| (text, key)));
        }
    }
    let mut opened = envelope::decrypt_texts(&texts).into_iter();
    drop(texts);
    let records = items.iter().zip(keys).map(|(item, key)| {
        let key = key?;
        let next = |text: &str| match &key {
            // Every client writes an envelope, of the empty text too; an empty string hides nothing.
            Some(_) if text.is_empty() => Ok(SecretString::default()),
            Some(_) => opened.next().unwrap_or_else(|| Err(damaged("an envelope is missing"))),
            None => envelope::decode_plain(text)?.into_text().ok_or_else(|| damaged("not UTF-8")),
        };
        // All of them first, so that the next item finds its own.
        let texts: Vec<Result<SecretString>> = sealed_texts(item).map(next).collect();
        let texts: Vec<SecretString> = texts.into_iter().collect::<Result<_>>()?;
        let record = assemble(item, texts, path(item));
        match &key {
            Some(key) if protection.is_marked() => {
                mark::check(sealed_texts(item).last(), mark::of(&record, key))?;
            }
            None if protection.is_marked() => return Err(mark::missing()),
            _ => {}
        }
        Ok(Opened { record, key })
    });
    records.collect()
}

/// The envelopes of an item, in the order in which [`assemble`] takes their texts.
fn sealed_texts(item: &Item) -> impl Iterator<Item = &str> {
    let customs = item.customs.iter();
    customs
        .flat_map(|custom| [custom.name.as_str(), custom.kind.as_str(), custom.value.as_str()])
        .chain(item.password_encrypted.as_deref())
}

fn assemble(item: &Item, texts: Vec<SecretString>, path: RecordPath) -> Record {
    let mut texts = texts.into_iter();
    let mut next = || texts.next().unwrap_or_default();
    let mut customs = Vec::with_capacity(item.customs.len());
    for _ in &item.customs {
        let (name, kind, value) = (next(), next(), next());
        let kind = CustomKind::from(kind.expose());
        customs.push(Custom { name: name.expose().to_owned(), kind, value });
    }
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    Record {
        path,
        name: item.name.clone(),
        login: text(&item.login),
        password: item.password_encrypted.as_ref().map(|_| next()),
        url: text(&item.url),
        description: text(&item.description),
        tags: item.tags.clone(),
        color: item.color.filter(|color| *color != 0),
        favorite: item.is_favorite,
        customs,
        attachments: Vec::new(),
        created_at: None,
        changed_at: item.updated_at,
        also_in: Vec::new(),
        history: Vec::new(),
        sealed_under: None,
    }
}

/// The record key of an item; `None` in a vault without client-side encryption.
pub fn record_key(item: &Item, protection: Protection<'_>) -> Result<Option<SecretString>> {
    let mut keys = record_keys(std::slice::from_ref(item), protection);
    keys.pop().unwrap_or(Ok(None))
}

fn record_keys(items: &[Item], protection: Protection<'_>) -> Vec<Result<Option<SecretString>>> {
    let Some(vault_key) = protection.vault_key() else {
        return items.iter().map(|_| Ok(None)).collect();
    };
    let wrapped = |item: &Item| !item.key_encrypted.as_deref().unwrap_or_default().is_empty();
    let texts: Vec<_> =
        items.iter().filter(|item| wrapped(item)).filter_map(|item| item.key_encrypted.as_deref()).collect();
    let texts: Vec<_> = texts.into_iter().map(|text| (text, vault_key)).collect();
    let mut keys = envelope::decrypt_texts(&texts).into_iter();
    let keys = items.iter().map(|item| {
        if wrapped(item) {
            return keys.next().unwrap_or_else(|| Err(damaged("a record key is missing"))).map(Some);
        }
        if sealed_texts(item).next().is_some() || !item.attachments.is_empty() {
            return Err(damaged("it was stored without its record key"));
        }
        Ok(None)
    });
    keys.collect()
}
