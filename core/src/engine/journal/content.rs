//! What an item comes to, as the bytes that digests are made of.

use keyferry_api::item::{AttachmentInfo, Custom, Item, ItemDraft};

/// What an item is apart from its id and the user's own marks: ciphertext where it is encrypted.
pub(crate) struct Content<'a> {
    vault: &'a str,
    folder: &'a str,
    texts: [&'a str; 6],
    color: i64,
    tags: &'a [String],
    customs: &'a [Custom],
    /// Name and wrapped key, in the order of the keys: servers may answer in any order.
    attachments: Vec<(&'a str, &'a str)>,
}

fn text(text: Option<&String>) -> &str {
    text.map(String::as_str).unwrap_or_default()
}

impl<'a> Content<'a> {
    pub(crate) fn of_item(item: &'a Item) -> Self {
        Self {
            vault: &item.vault_id,
            folder: text(item.folder_id.as_ref()),
            texts: [
                &item.name,
                text(item.login.as_ref()),
                text(item.url.as_ref()),
                text(item.description.as_ref()),
                text(item.password_encrypted.as_ref()),
                text(item.key_encrypted.as_ref()),
            ],
            color: item.color.unwrap_or_default(),
            tags: &item.tags,
            customs: &item.customs,
            attachments: sorted(item.attachments.iter().map(named).collect()),
        }
    }

    pub(crate) fn of_draft(draft: &'a ItemDraft) -> Self {
        Self {
            vault: text(draft.vault_id.as_ref()),
            folder: text(draft.folder_id.as_ref()),
            texts: [
                text(draft.name.as_ref()),
                text(draft.login.as_ref()),
                text(draft.url.as_ref()),
                text(draft.description.as_ref()),
                text(draft.password_encrypted.as_ref()),
                text(draft.key_encrypted.as_ref()),
            ],
            color: draft.color.unwrap_or_default(),
            tags: draft.tags.as_deref().unwrap_or_default(),
            customs: draft.customs.as_deref().unwrap_or_default(),
            attachments: sorted(added(draft)),
        }
    }

    /// An item once `draft` is applied: what the draft leaves out stays, attachments are added.
    pub(crate) fn after(before: &'a Item, draft: &'a ItemDraft) -> Self {
        let mut after = Self::of_item(before);
        let members = [
            draft.name.as_deref(),
            draft.login.as_deref(),
            draft.url.as_deref(),
            draft.description.as_deref(),
            draft.password_encrypted.as_deref(),
            draft.key_encrypted.as_deref(),
        ];
        for (old, new) in after.texts.iter_mut().zip(members) {
            *old = new.unwrap_or(old);
        }
        after.color = draft.color.unwrap_or(after.color);
        after.tags = draft.tags.as_deref().unwrap_or(after.tags);
        after.customs = draft.customs.as_deref().unwrap_or(after.customs);
        after.attachments.extend(added(draft));
        after.attachments = sorted(after.attachments);
        after
    }
}

impl Content<'_> {
    /// Every member, each part preceded by its length, so that no two contents give the same bytes.
    pub(crate) fn feed(&self, mut to: impl FnMut(&[u8])) {
        let mut part = |bytes: &[u8]| {
            to(&(bytes.len() as u64).to_be_bytes());
            to(bytes);
        };
        for text in [self.vault, self.folder].into_iter().chain(self.texts) {
            part(text.as_bytes());
        }
        part(&self.color.to_be_bytes());
        part(&(self.tags.len() as u64).to_be_bytes());
        self.tags.iter().for_each(|tag| part(tag.as_bytes()));
        part(&(self.customs.len() as u64).to_be_bytes());
        for custom in self.customs {
            for text in [&custom.name, &custom.kind, &custom.value] {
                part(text.as_bytes());
            }
        }
        for (name, key) in &self.attachments {
            part(name.as_bytes());
            part(key.as_bytes());
        }
    }
}

fn named(attachment: &AttachmentInfo) -> (&str, &str) {
    (&attachment.name, text(attachment.encrypted_key.as_ref()))
}

fn added(draft: &ItemDraft) -> Vec<(&str, &str)> {
    let new = draft.attachments.as_deref().unwrap_or_default();
    new.iter().map(|one| (one.name.as_str(), one.encrypted_key.as_str())).collect()
}

fn sorted<'a>(mut attachments: Vec<(&'a str, &'a str)>) -> Vec<(&'a str, &'a str)> {
    attachments.sort_unstable_by_key(|(_, key)| *key);
    attachments
}
