//! What each envelope of a record was written as: Passwork's envelopes do not say of which field they are, so a server could
//! answer with one field's in the place of another's, and both would open. Each is random, so a few bytes of its hash tell it
//! from the others of its record, and say nothing of what is in it.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | how many custom fields there are |
//! | 6 | `SHA-256(password's envelope)`, cut short |
//! | 18 each | the same of each custom field's name, type and value |
//! | 12 each | of each attachment's wrapped key, and of `name ‖ 0 ‖ wrapped key` |

use keyferry_api::item::{Attachment, Custom, Item, ItemDraft};
use sha2::{Digest as _, Sha256};

/// The bytes of a hash that are kept.
const KEPT: usize = 6;

type Short = [u8; KEPT];

fn short(parts: &[&str]) -> Short {
    let mut sha = Sha256::new();
    for (number, part) in parts.iter().enumerate() {
        if number > 0 {
            sha.update([0]);
        }
        sha.update(part);
    }
    let whole: [u8; 32] = sha.finalize().into();
    let mut kept = [0; KEPT];
    kept.copy_from_slice(&whole[..KEPT]);
    kept
}

fn texts(custom: &Custom) -> [&str; 3] {
    [&custom.name, &custom.kind, &custom.value]
}

/// What a record is written as; `None` where nothing is encrypted, as equal texts are equal there.
pub(crate) fn of_draft(draft: &ItemDraft) -> Option<Vec<u8>> {
    draft.key_encrypted.as_deref().filter(|key| !key.is_empty())?;
    let customs = draft.customs.as_deref().unwrap_or_default();
    let attachments = draft.attachments.as_deref().unwrap_or_default();
    let mut parts = u32::try_from(customs.len()).ok()?.to_be_bytes().to_vec();
    parts.extend(short(&[draft.password_encrypted.as_deref().unwrap_or_default()]));
    for text in customs.iter().flat_map(texts) {
        parts.extend(short(&[text]));
    }
    for Attachment { name, encrypted_key, .. } in attachments {
        parts.extend(short(&[encrypted_key]));
        parts.extend(short(&[name, encrypted_key]));
    }
    Some(parts)
}

/// The same, read back.
struct Written<'a> {
    password: &'a [u8],
    /// Name, type and value, one after the other.
    customs: Vec<&'a [u8]>,
    attachments: Vec<&'a [u8]>,
}

impl<'a> Written<'a> {
    fn read(parts: &'a [u8]) -> Option<Self> {
        let (count, rest) = parts.split_first_chunk::<4>()?;
        let count = usize::try_from(u32::from_be_bytes(*count)).ok()?.checked_mul(3)?;
        let mut all: Vec<&[u8]> = rest.chunks_exact(KEPT).collect();
        if all.len() <= count {
            return None;
        }
        let attachments = all.split_off(count + 1);
        let customs = all.split_off(1);
        Some(Self { password: all[0], customs, attachments })
    }

    /// Which field an envelope was written as, by its number; `None` where it was not written here.
    fn custom(&self, hash: Short) -> Option<usize> {
        self.customs.iter().position(|one| **one == hash)
    }
}

/// Whether an item answers with an envelope in another place than it was written in: as another field's, or beside another
/// field's name. What is new was written elsewhere, and may be anywhere; fields may stand in any order.
pub(crate) fn are_exchanged(parts: &[u8], item: &Item) -> bool {
    let Some(written) = Written::read(parts) else { return false };
    let password = item.password_encrypted.as_deref().filter(|text| !text.is_empty());
    if password.is_some_and(|text| written.custom(short(&[text])).is_some()) {
        return true;
    }
    item.customs.iter().any(|custom| {
        let mut field = None;
        texts(custom).into_iter().enumerate().filter(|(_, text)| !text.is_empty()).any(|(role, text)| {
            let hash = short(&[text]);
            if hash == *written.password {
                return true;
            }
            let Some(number) = written.custom(hash) else { return false };
            number % 3 != role || *field.get_or_insert(number / 3) != number / 3
        })
    })
}

/// Whether an attachment's key was written as that of an attachment of another name.
pub(crate) fn is_another_attachment(parts: &[u8], name: &str, encrypted_key: &str) -> bool {
    let Some(written) = Written::read(parts) else { return false };
    let (key, whole) = (short(&[encrypted_key]), short(&[name, encrypted_key]));
    let mut same = written.attachments.chunks_exact(2).filter(|pair| *pair[0] == key);
    same.next().is_some_and(|pair| *pair[1] != whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_envelope_is_known_in_its_place_alone() {
        let custom =
            |name: &str, kind: &str, value: &str| json!({ "name": name, "type": kind, "value": value });
        let (pin, puk) = (custom("n1", "t1", "v1"), custom("n2", "t2", "v2"));
        let file = |name: &str, key: &str| json!({ "name": name, "encryptedKey": key, "encryptedData": "d", "hash": "h" });
        let draft = json!({
            "vaultId": "v", "name": "n", "keyEncrypted": "k", "passwordEncrypted": "p", "customs": [pin, puk],
            "attachments": [file("a", "k1"), file("b", "k2")],
        });
        let draft: ItemDraft = serde_json::from_value(draft).unwrap();
        let parts = of_draft(&draft).unwrap();
        let exchanged = |password: &str, customs: serde_json::Value| {
            let item =
                json!({ "id": "i", "vaultId": "v", "passwordEncrypted": password, "customs": customs });
            are_exchanged(&parts, &serde_json::from_value(item).unwrap())
        };
        for (password, customs) in [
            ("p", json!([pin, puk])),
            ("p", json!([puk, pin])),
            ("new", json!([pin, custom("n2", "t2", "new"), custom("x", "y", "z")])),
            ("p", json!([custom("new name", "t1", "v1")])),
            ("", json!([])),
        ] {
            assert!(!exchanged(password, customs.clone()), "{password} {customs}");
        }
        for (password, customs) in [
            ("v1", json!([pin, puk])),
            ("p", json!([custom("n1", "t1", "v2"), custom("n2", "t2", "v1")])),
            ("p", json!([custom("n1", "t1", "p"), puk])),
            ("p", json!([custom("n1", "v1", "t1")])),
            ("p", json!([custom("n2", "t1", "v1")])),
        ] {
            assert!(exchanged(password, customs.clone()), "{password} {customs}");
        }
        assert!(is_another_attachment(&parts, "a", "k2") && !is_another_attachment(&parts, "b", "k2"));
        assert!(!is_another_attachment(&parts, "c", "of another client"));
        let plain = ItemDraft { key_encrypted: None, ..draft };
        assert!(of_draft(&plain).is_none() && !is_another_attachment(&[], "a", "k1"));
    }
}
