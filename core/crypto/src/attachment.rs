//! Files within records.
//!
//! `encryptedKey = envelope(attachment key, record key)`, `encryptedData = envelope(base64(content),
//! attachment key)`; without client-side encryption base64 of 32 letters `a`, and base64 of base64.
//! `hash` is SHA-256 over the content with every byte from 0x80 up in its two bytes of UTF-8.

use crate::error::damaged;
use crate::error::{Error, ErrorKind, Result};
use crate::mark::{self, Marks};
use crate::model::Attachment;
use crate::secret::{SecretBytes, SecretString, wiped};
use crate::{envelope, generate};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyferry_api::item::Attachment as WireAttachment;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// base64 of 32 letters `a`: what stands for a key where nothing is encrypted.
const NO_KEY: &str = "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=";

/// Encrypts a file under the record key, or encodes it where there is none.
///
/// # Errors
/// [`ErrorKind::Input`] for more than [`Attachment::MAX`] bytes.
pub fn encrypt(attachment: &Attachment, record_key: Option<&SecretString>) -> Result<WireAttachment> {
    encrypt_marked(attachment, record_key, Marks::Free)
}

/// The same, with its [mark] or without.
///
/// # Errors
/// As [`encrypt`].
pub fn encrypt_marked(
    attachment: &Attachment,
    record_key: Option<&SecretString>,
    marks: Marks,
) -> Result<WireAttachment> {
    let content = attachment.content.expose();
    if content.len() > Attachment::MAX {
        return Err(Error::new(
            ErrorKind::Input,
            format!(
                "attachment {} has {} bytes; an environment takes {}",
                attachment.name,
                content.len(),
                Attachment::MAX
            ),
        ));
    }
    let text = SecretString::new(STANDARD.encode(content));
    let (encrypted_key, encrypted_data) = match record_key {
        Some(record_key) => {
            let key = generate::key()?;
            let wrapped = if marks == Marks::Free {
                envelope::encrypt_text(key.expose(), record_key)?
            } else {
                let mark = mark::of_attachment(attachment, record_key);
                envelope::encrypt_with_salt(key.expose().as_bytes(), record_key, mark)?
            };
            (wrapped, envelope::encrypt_text(text.expose(), &key)?)
        }
        None => (NO_KEY.to_owned(), envelope::encode_plain(text.expose().as_bytes())),
    };
    Ok(WireAttachment {
        id: None,
        name: attachment.name.clone(),
        encrypted_key,
        encrypted_data,
        hash: hash(content),
    })
}

/// Decrypts a file and checks its hash.
pub fn decrypt(attachment: &WireAttachment, record_key: Option<&SecretString>) -> Result<Attachment> {
    decrypt_marked(attachment, record_key, Marks::Free)
}

/// The same, and checks its [mark] where that is required.
///
/// # Errors
/// [`ErrorKind::NotAllowed`] where its mark is missing.
pub fn decrypt_marked(
    attachment: &WireAttachment,
    record_key: Option<&SecretString>,
    marks: Marks,
) -> Result<Attachment> {
    let opened = decrypt_unchecked(attachment, record_key)?;
    if !is_genuine(&opened, &attachment.hash) {
        return Err(damaged("an attachment's content does not match its hash"));
    }
    if let (Marks::Require, Some(key)) = (marks, record_key) {
        mark::check(Some(&attachment.encrypted_key), mark::of_attachment(&opened, key))?;
    }
    Ok(opened)
}

/// Whether a decrypted file is the one that this hash was taken of.
#[must_use]
pub fn is_genuine(attachment: &Attachment, hash_of_it: &str) -> bool {
    let hash = hash(attachment.content.expose());
    hash.as_bytes().ct_eq(hash_of_it.to_ascii_lowercase().as_bytes()).into()
}

/// Decrypts a file whatever its hash: to tell damaged content from a wrong hash.
pub fn decrypt_unchecked(
    attachment: &WireAttachment,
    record_key: Option<&SecretString>,
) -> Result<Attachment> {
    let text = match record_key {
        Some(record_key) => {
            let key = envelope::decrypt_text(&attachment.encrypted_key, record_key)?;
            envelope::decrypt(&attachment.encrypted_data, &key)?
        }
        None => envelope::decode_plain(&attachment.encrypted_data)?,
    };
    let content = STANDARD
        .decode(text.expose())
        .map(SecretBytes::new)
        .map_err(|_| damaged("an attachment's content is not base64"))?;
    Ok(Attachment { name: attachment.name.clone(), content })
}

/// Takes a file along as it stands on the wire, still encrypted: for records that are carried sealed.
pub fn pack(attachment: &WireAttachment) -> Result<Attachment> {
    let content = serde_json::to_vec(&WireAttachment { id: None, ..attachment.clone() })
        .map_err(|_| damaged("an attachment cannot be taken along"))?;
    Ok(Attachment { name: attachment.name.clone(), content: SecretBytes::new(content) })
}

/// The reverse of [`pack`].
pub fn unpack(attachment: &Attachment) -> Result<WireAttachment> {
    serde_json::from_slice(attachment.content.expose())
        .map_err(|_| damaged("an attachment that was taken along is damaged"))
}

/// 64 hexadecimal digits.
#[must_use]
pub fn hash(content: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&wiped(|| hash_of_spread(content)))
}

fn hash_of_spread(content: &[u8]) -> [u8; 32] {
    let mut sha = Sha256::new();
    let mut spread = zeroize::Zeroizing::new([0_u8; 2048]);
    for part in content.chunks(1024) {
        let mut length = 0;
        for &byte in part {
            if byte < 0x80 {
                spread[length] = byte;
                length += 1;
            } else {
                spread[length] = 0xc0 | byte >> 6;
                spread[length + 1] = 0x80 | byte & 0x3f;
                length += 2;
            }
        }
        sha.update(&spread[..length]);
    }
    sha.finalize().into()
}
