//! One record: what of it is encrypted, and how it stands on the wire.
//!
//! `keyEncrypted = envelope(record key, vault key)`; password and each custom field's name, type
//! and value are envelopes under the record key. The record key is always sent, even for a record
//! without a password: without it the custom fields could never be read again.

use super::{attachment, damaged, envelope, generate};
use crate::error::Result;
use crate::model::{Custom, CustomKind, Record, RecordPath};
use crate::secret::SecretString;
use keyferry_api::item::{Custom as WireCustom, Item, ItemDraft};

/// How secrets of a vault are kept.
#[derive(Clone, Copy, Debug)]
pub enum Protection<'a> {
    /// Client-side encryption under this vault key.
    VaultKey(&'a SecretString),
    /// None: base64.
    Unencrypted,
}

/// Encrypts a record for a vault. Vault and folder ids are the caller's to fill in.
pub fn encrypt(record: &Record, protection: Protection<'_>) -> Result<ItemDraft> {
    let (key, key_encrypted) = match protection {
        Protection::VaultKey(vault_key) => {
            let key = generate::key()?;
            let wrapped = envelope::encrypt_text(key.expose(), vault_key)?;
            (Some(key), wrapped)
        }
        Protection::Unencrypted => (None, String::new()),
    };
    encrypt_under(record, key.as_ref(), key_encrypted)
}

/// Encrypts a record under a record key that exists already, as an update does.
pub fn encrypt_under(
    record: &Record,
    key: Option<&SecretString>,
    key_encrypted: String,
) -> Result<ItemDraft> {
    let seal = |text: &str| match key {
        Some(key) => envelope::encrypt_text(text, key),
        None => Ok(envelope::encode_plain(text.as_bytes())),
    };
    let customs = record
        .customs
        .iter()
        .map(|custom| {
            Ok(WireCustom {
                name: seal(&custom.name)?,
                kind: seal(custom.kind.as_str())?,
                value: seal(custom.value.expose())?,
                other: serde_json::Map::new(),
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let attachments =
        record.attachments.iter().map(|one| attachment::encrypt(one, key)).collect::<Result<Vec<_>>>()?;
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
        password_encrypted: record.password.as_ref().map(|password| seal(password.expose())).transpose()?,
        key_encrypted: Some(key_encrypted),
        customs: Some(customs),
        attachments: (!attachments.is_empty()).then_some(attachments),
    })
}

/// The record key of an item; `None` in a vault without client-side encryption.
pub fn record_key(item: &Item, protection: Protection<'_>) -> Result<Option<SecretString>> {
    match protection {
        Protection::Unencrypted => Ok(None),
        Protection::VaultKey(vault_key) => {
            let wrapped = item.key_encrypted.as_deref().unwrap_or_default();
            if wrapped.is_empty() {
                let sealed = item.password_encrypted.is_some()
                    || !item.customs.is_empty()
                    || !item.attachments.is_empty();
                return if sealed { Err(damaged("it was stored without its record key")) } else { Ok(None) };
            }
            envelope::decrypt_text(wrapped, vault_key).map(Some)
        }
    }
}

/// Decrypts an item, without its attachments' contents: they are fetched one by one and opened
/// by [`attachment::decrypt`].
pub fn decrypt(item: &Item, key: Option<&SecretString>, path: RecordPath) -> Result<Record> {
    let open = |text: &str| match key {
        // Every client writes an envelope, of the empty text too; an empty string hides nothing.
        Some(_) if text.is_empty() => Ok(SecretString::default()),
        Some(key) => envelope::decrypt_text(text, key),
        None => envelope::decode_plain(text)?.into_text().ok_or_else(|| damaged("not UTF-8")),
    };
    let customs = item
        .customs
        .iter()
        .map(|custom| {
            Ok(Custom {
                name: open(&custom.name)?.expose().to_owned(),
                kind: CustomKind::from(open(&custom.kind)?.expose().to_owned()),
                value: open(&custom.value)?,
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    Ok(Record {
        path,
        name: item.name.clone(),
        login: text(&item.login),
        password: item.password_encrypted.as_deref().map(open).transpose()?,
        url: text(&item.url),
        description: text(&item.description),
        tags: item.tags.clone(),
        color: item.color.filter(|color| *color != 0),
        favorite: item.is_favorite,
        customs,
        attachments: Vec::new(),
    })
}
