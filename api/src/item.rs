//! Items: what the model calls a record, as ciphertext.
//!
//! `name`, `login`, `url`, `description`, `tags` and `color` are plain on the
//! wire; the password, custom fields and attachments are envelopes, or base64
//! in a vault without client-side encryption.

use crate::folder::Step;
use crate::user::Person;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fmt;

/// `GET /items/{id}`: an item whole, but for the attachments' contents.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// The item's identifier, or the shortcut's where that was asked for.
    pub id: String,
    /// The vault it stands in.
    pub vault_id: String,
    /// Null at the top of its vault.
    #[serde(default)]
    pub folder_id: Option<String>,
    /// Always a string.
    #[serde(default, deserialize_with = "null_is_default")]
    pub name: String,
    /// Null where empty.
    #[serde(default)]
    pub login: Option<String>,
    /// Null where empty.
    #[serde(default)]
    pub url: Option<String>,
    /// Null where empty.
    #[serde(default)]
    pub description: Option<String>,
    /// Never null.
    #[serde(default, deserialize_with = "null_is_default")]
    pub tags: Vec<String>,
    /// 0 for none.
    #[serde(default)]
    pub color: Option<i64>,
    /// The asking user's own mark.
    #[serde(default, deserialize_with = "null_is_default")]
    pub is_favorite: bool,
    /// In the bin.
    #[serde(default, deserialize_with = "null_is_default")]
    pub is_deleted: bool,
    /// Envelope under the record key, or base64; null for an item without a password.
    #[serde(default)]
    pub password_encrypted: Option<String>,
    /// Envelope of the record key under the vault key; empty without client-side encryption.
    #[serde(default)]
    pub key_encrypted: Option<String>,
    /// Never null.
    #[serde(default, deserialize_with = "null_is_default")]
    pub customs: Vec<Custom>,
    /// Never null.
    #[serde(default, deserialize_with = "null_is_default")]
    pub attachments: Vec<AttachmentInfo>,
    /// How clients sort the fields, as one of them sent it; null where nobody sorted them.
    #[serde(default)]
    pub fields_order: Option<Value>,
    /// The vault key for the asking user.
    #[serde(default)]
    pub vault_master_key_encrypted: Option<String>,
    /// Unix seconds; some servers leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<i64>,
    /// See [`Item::created_at`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<i64>,
    /// Grows with each change; some servers leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
}

/// The entries of item lists and searches.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ItemSummary {
    /// The item's identifier.
    pub id: String,
    /// The vault it stands in.
    pub vault_id: String,
    /// Null at the top of its vault.
    #[serde(default)]
    pub folder_id: Option<String>,
    /// Always a string.
    #[serde(default, deserialize_with = "null_is_default")]
    pub name: String,
    /// Null where empty.
    #[serde(default)]
    pub login: Option<String>,
    /// Null where empty.
    #[serde(default)]
    pub url: Option<String>,
    /// Never null.
    #[serde(default, deserialize_with = "null_is_default")]
    pub tags: Vec<String>,
    /// 0 for none.
    #[serde(default)]
    pub color: Option<i64>,
    /// Unix seconds; some servers leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<i64>,
}

/// The entries of `GET /items` and, with `path`, `GET /items/search`, whole.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct FoundItem {
    /// What is needed to tell one from another.
    #[serde(flatten)]
    pub item: ItemSummary,
    /// Null where empty.
    #[serde(default)]
    pub description: Option<String>,
    /// The asking user's own mark.
    #[serde(default)]
    pub is_favorite: bool,
    /// Lists show nothing of the bin.
    #[serde(default)]
    pub is_deleted: bool,
    /// See [`Item::fields_order`].
    #[serde(default)]
    pub fields_order: Option<Value>,
    /// From the vault down to where it stands; only of searches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<Step>,
}

/// Of an entry of a list only where it stands and when it was changed.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ItemPlace {
    /// The item's identifier.
    pub id: Box<str>,
    /// Null at the top of its vault.
    #[serde(default)]
    pub folder_id: Option<Box<str>>,
    /// Unix seconds; some servers leave it out.
    #[serde(default)]
    pub updated_at: Option<i64>,
}

/// A custom field: name, type and value are each an envelope, or base64.
#[derive(Clone, Default, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Custom {
    /// Encrypted name.
    #[serde(default)]
    pub name: String,
    /// Encrypted type: `text`, `password` or `totp`.
    #[serde(default, rename = "type")]
    pub kind: String,
    /// Encrypted value.
    #[serde(default)]
    pub value: String,
    /// Any other member, kept as it is.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A member's name: a part of the text, where nothing in it is escaped.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// By hand: what serde makes for `flatten` keeps each member as a tree before it looks at its name, and an item has many.
impl<'de> Deserialize<'de> for Custom {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Custom;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a custom field")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Custom, A::Error> {
                let (mut custom, mut seen) = (Custom::default(), [false; 3]);
                while let Some(Name(name)) = members.next_key()? {
                    let (index, known, text) = match &*name {
                        "name" => (0, "name", &mut custom.name),
                        "type" => (1, "type", &mut custom.kind),
                        "value" => (2, "value", &mut custom.value),
                        _ => {
                            custom.other.insert(name.into_owned(), members.next_value()?);
                            continue;
                        }
                    };
                    if std::mem::replace(&mut seen[index], true) {
                        return Err(Error::duplicate_field(known));
                    }
                    *text = members.next_value()?;
                }
                Ok(custom)
            }
        }

        from.deserialize_map(Members)
    }
}

/// An attachment in its item: enough to ask for the content.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AttachmentInfo {
    /// The attachment's identifier.
    pub id: String,
    /// As its owner named it: input, not a path.
    #[serde(default, deserialize_with = "null_is_default")]
    pub name: String,
    /// Envelope of the attachment key under the record key.
    #[serde(default)]
    pub encrypted_key: Option<String>,
    /// See [`Attachment::hash`]; not every server tells.
    #[serde(default)]
    pub hash: Option<String>,
}

/// `GET /items/{id}/attachment/{attachmentId}`, and what a new item carries (there without an id).
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Attachment {
    /// Missing in requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// As its owner named it.
    #[serde(default, deserialize_with = "null_is_default")]
    pub name: String,
    /// Envelope of the attachment key under the record key.
    pub encrypted_key: String,
    /// Envelope of the content's base64 under the attachment key.
    pub encrypted_data: String,
    /// Hexadecimal SHA-256 over the content, each byte from 0x80 up as its two bytes of UTF-8.
    pub hash: String,
}

/// `POST /items`, and with every member optional `PATCH /items/{id}`. `customs` replaces the
/// list; attachments are added to it.
#[derive(Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ItemDraft {
    /// The vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault_id: Option<String>,
    /// Missing or null: the top of the vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder_id: Option<String>,
    /// Required in a new item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Plain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
    /// Plain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Plain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Plain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// 0 for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub color: Option<i64>,
    /// The asking user's mark; a server may ignore it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_favorite: Option<bool>,
    /// See [`Item::password_encrypted`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_encrypted: Option<String>,
    /// See [`Item::key_encrypted`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_encrypted: Option<String>,
    /// The whole list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customs: Option<Vec<Custom>>,
    /// New ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attachments: Option<Vec<Attachment>>,
    /// How clients sort the fields: kept as it comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields_order: Option<Value>,
    /// In a change: the item's revision as it was read. Where another change came between, the answer is 409.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
}

/// `POST /items/{id}/move` and `POST /items/{id}/copy`.
#[derive(Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct MoveItem {
    /// The vault to stand in; missing or null: that of the folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault_id: Option<String>,
    /// Null: the top of the vault; so is a missing one in another vault.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub folder_id: Option<Option<String>>,
    /// Another name for it, which some clients send.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub target_folder_id: Option<Option<String>>,
    /// And another.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub parent_folder_id: Option<Option<String>>,
    /// The same record key, wrapped for the other vault; not needed within one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_encrypted: Option<String>,
}

/// The entries of `GET /items/{id}/snapshots`, the newest first.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SnapshotInfo {
    /// The snapshot's identifier.
    pub id: String,
    /// When the item became what the snapshot holds; Unix seconds.
    pub created_at: i64,
    /// Who made it so; null where that is not known.
    #[serde(default)]
    pub user_id: Option<String>,
}

/// `GET /items/{id}/snapshot/{snapshotId}`: the item as it was before a change.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// The snapshot's identifier.
    pub id: String,
    /// Whose it is.
    pub item_id: String,
    /// See [`SnapshotInfo::created_at`].
    #[serde(default)]
    pub created_at: i64,
    /// See [`SnapshotInfo::user_id`].
    #[serde(default)]
    pub user_id: Option<String>,
    /// The same, under the name that Passwork's own client reads.
    #[serde(default)]
    pub creator_id: Option<String>,
    /// Who that is.
    #[serde(default)]
    pub creator: Option<Person>,
    /// See [`Item::fields_order`].
    #[serde(default)]
    pub fields_order: Option<Value>,
    /// Always a string.
    #[serde(default, deserialize_with = "null_is_default")]
    pub name: String,
    /// Null where empty.
    #[serde(default)]
    pub login: Option<String>,
    /// Null where empty.
    #[serde(default)]
    pub url: Option<String>,
    /// Null where empty.
    #[serde(default)]
    pub description: Option<String>,
    /// Never null.
    #[serde(default, deserialize_with = "null_is_default")]
    pub tags: Vec<String>,
    /// 0 for none.
    #[serde(default)]
    pub color: Option<i64>,
    /// See [`Item::password_encrypted`].
    #[serde(default)]
    pub password_encrypted: Option<String>,
    /// See [`Item::key_encrypted`].
    #[serde(default)]
    pub key_encrypted: Option<String>,
    /// Never null.
    #[serde(default, deserialize_with = "null_is_default")]
    pub customs: Vec<Custom>,
    /// Their contents: `GET /snapshots/{id}/attachment/{attachmentId}`.
    #[serde(default, deserialize_with = "null_is_default")]
    pub attachments: Vec<AttachmentInfo>,
}

/// Tells null, which means something, from a member that is missing.
#[expect(clippy::option_option, reason = "null means something else than a member that is missing")]
fn given<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(from).map(Some)
}

fn null_is_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_custom_field_keeps_what_it_does_not_know_and_has_nothing_twice() {
        let text = r#"{"more":{"a":[1]},"n\u0061me":"n","type":"t","value":"v","more":2,"less":null}"#;
        let custom: Custom = serde_json::from_str(text).unwrap();
        assert_eq!((&*custom.name, &*custom.kind, &*custom.value), ("n", "t", "v"));
        assert_eq!(
            serde_json::to_string(&custom).unwrap(),
            r#"{"name":"n","type":"t","value":"v","more":2,"less":null}"#
        );
        let from_tree: Custom = serde_json::from_value(serde_json::from_str(text).unwrap()).unwrap();
        assert_eq!(serde_json::to_string(&from_tree).unwrap(), serde_json::to_string(&custom).unwrap());
        assert_eq!(
            serde_json::to_string(&serde_json::from_str::<Custom>("{}").unwrap()).unwrap(),
            r#"{"name":"","type":"","value":""}"#
        );
        for wrong in
            [r#"{"name":"a","name":"b"}"#, r#"{"value":null}"#, r#"{"type":1}"#, "[]", "null", "\"text\""]
        {
            assert!(serde_json::from_str::<Custom>(wrong).is_err(), "{wrong}");
        }
    }
}
