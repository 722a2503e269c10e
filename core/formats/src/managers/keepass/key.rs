//! What opens a file: `SHA-256(SHA-256(passphrase) ‖ key of the key file)`, of which either part may be missing.
//!
//! A missing passphrase is no part; an empty one is the hash of nothing. Key files are XML of version 1 (base64) or 2 (hex
//! with a checksum), 32 bytes, 64 hexadecimal digits, or any file, which counts by its SHA-256.

use crate::ReadOptions;
use crate::jsonl::base64;
use crate::xml::{Step, Xml};
use data_encoding::HEXLOWER_PERMISSIVE;
use keyferry_crypto::error::{Error, ErrorKind, Result};
use keyferry_crypto::secret::{SecretBytes, SecretString, wiped};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// 32 bytes that are a secret.
pub(in crate::managers) type Key = Zeroizing<[u8; 32]>;

/// `SHA-256(part ‖ …)`.
pub(in crate::managers) fn sha256(parts: &[&[u8]]) -> Key {
    wiped(|| {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(part);
        }
        Zeroizing::new(hash.finalize().into())
    })
}

/// The key that a passphrase and a key file make together.
///
/// # Errors
/// [`ErrorKind::Locked`] where there is neither, [`ErrorKind::Input`] for a key file that is damaged.
pub(in crate::managers) fn composite(options: &ReadOptions) -> Result<Key> {
    of_parts(options.passphrase.as_ref(), options.key_file.as_ref())
}

/// The same of its parts.
pub(in crate::managers) fn of_parts(
    passphrase: Option<&SecretString>,
    key_file: Option<&SecretBytes>,
) -> Result<Key> {
    let phrase = passphrase.map(|phrase| sha256(&[phrase.expose().as_bytes()]));
    let file = key_file.map(|file| of_file(file.expose())).transpose()?;
    if phrase.is_none() && file.is_none() {
        return Err(missing());
    }
    let part = |key: &Option<Key>| Zeroizing::new(key.as_ref().map(|key| key.to_vec()).unwrap_or_default());
    let parts = [phrase.as_ref().map_or(&[][..], |key| &key[..]), &part(&file)[..]];
    Ok(sha256(&parts))
}

/// An error of a file that nobody gave anything for.
pub(in crate::managers) fn missing() -> Error {
    Error::new(ErrorKind::Locked, "this file needs its passphrase, its key file, or both").next_step(
        "set KEYFERRY_FILE_PASSPHRASE or KEYFERRY_FILE_PASSPHRASE_FILE, or run it on a terminal; --key-file PATH names a key file",
    )
}

/// A passphrase as it may have been spelled in bytes: KeePass 1 took the code page of its system.
pub(in crate::managers) fn spellings(passphrase: Option<&SecretString>) -> Vec<Option<Zeroizing<Vec<u8>>>> {
    let Some(text) = passphrase.map(SecretString::expose) else { return vec![None] };
    let mut spellings = vec![Some(Zeroizing::new(text.as_bytes().to_vec()))];
    if !text.is_ascii() {
        for encoding in [encoding_rs::WINDOWS_1252, encoding_rs::WINDOWS_1251] {
            let (bytes, _, lost) = encoding.encode(text);
            let bytes = Zeroizing::new(bytes.into_owned());
            if !lost {
                spellings.push(Some(bytes));
            }
        }
    }
    spellings
}

/// The key that a key file holds.
pub(in crate::managers) fn of_file(bytes: &[u8]) -> Result<Key> {
    if let Ok(text) = std::str::from_utf8(bytes)
        && text.trim_start_matches('\u{feff}').trim_start().starts_with('<')
        && text.contains("<KeyFile")
    {
        return of_xml(text);
    }
    if let Ok(key) = <[u8; 32]>::try_from(bytes) {
        return Ok(Zeroizing::new(key));
    }
    let mut key = Zeroizing::new([0; 32]);
    if bytes.len() == 64 && HEXLOWER_PERMISSIVE.decode_mut(bytes, &mut *key).is_ok() {
        return Ok(key);
    }
    Ok(sha256(&[bytes]))
}

fn of_xml(text: &str) -> Result<Key> {
    let broken = |what: &str| {
        Error::new(ErrorKind::Input, format!("the key file is damaged: {what}"))
            .next_step("take another copy of the key file; nothing else opens the database")
    };
    let mut xml = Xml::new(text);
    let file = loop {
        match xml.step().map_err(|_| broken("it is no whole XML"))? {
            Step::Open(tag) => break xml.element(tag).map_err(|_| broken("it is no whole XML"))?,
            Step::Text(_) | Step::Close => {}
            Step::End => return Err(broken("it has no key")),
        }
    };
    let version = file.child("Meta").map_or("", |meta| meta.text_of("Version")).trim();
    let data = file.child("Key").and_then(|key| key.child("Data")).ok_or_else(|| broken("it has no key"))?;
    let mut digits = Zeroizing::new(Vec::with_capacity(data.text.as_str().len()));
    digits.extend(data.text.as_str().bytes().filter(|byte| !byte.is_ascii_whitespace()));
    if version.starts_with("2.") || version == "2" {
        let mut key = Zeroizing::new([0; 32]);
        if digits.len() != 64 || HEXLOWER_PERMISSIVE.decode_mut(&digits, &mut *key).is_err() {
            return Err(broken("its key is not 64 hexadecimal digits"));
        }
        if let Some(wanted) = data.tag.attribute("Hash") {
            let hash = sha256(&[&*key]);
            let is = HEXLOWER_PERMISSIVE.encode(hash.get(..4).unwrap_or_default());
            if !wanted.trim().eq_ignore_ascii_case(&is) {
                return Err(broken("its key does not match its checksum"));
            }
        }
        return Ok(key);
    }
    let text = std::str::from_utf8(&digits).map_err(|_| broken("its key is not in base64"))?;
    let bytes = Zeroizing::new(base64(text).ok_or_else(|| broken("its key is not in base64"))?);
    // Its own program takes 32 bytes; what else stands there counts as a file would.
    Ok(<[u8; 32]>::try_from(&**bytes).map_or_else(|_| sha256(&[&bytes]), Zeroizing::new))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "000102030405060708090A0B0C0D0E0F101112131415161718191a1b1c1d1e1f";

    #[test]
    fn a_key_file_of_every_kind_gives_its_key() {
        let key: [u8; 32] = std::array::from_fn(|index| u8::try_from(index).unwrap());
        let xml = |version: &str, data: &str| {
            format!(
                "\u{feff}<?xml version=\"1.0\"?>\n<KeyFile><Meta><Version>{version}</Version></Meta><Key>{data}</Key></KeyFile>"
            )
        };
        let first = xml("1.00", "<Data>AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=</Data>");
        let second =
            xml("2.0", &format!("<Data Hash=\"630dcd29\">\n {} {}\n</Data>", &HEX[..40], &HEX[40..]));
        for file in [&key[..], HEX.as_bytes(), first.as_bytes(), second.as_bytes()] {
            assert_eq!(*of_file(file).unwrap(), key, "{}", String::from_utf8_lossy(file));
        }
        for file in [&b""[..], b"a photograph", &[b'g'; 64], &[0xff; 64], b"<KeyFile is not this>x"] {
            if !file.starts_with(b"<") {
                assert_eq!(*of_file(file).unwrap(), *sha256(&[file]));
            }
        }
        for data in [
            second.replace("630dcd29", "630DCD2A"),
            second.replace("0001", "00"),
            xml("2.0", ""),
            first.replace('=', "!"),
        ] {
            let error = of_file(data.as_bytes()).unwrap_err();
            assert!(error.to_string().contains("the key file is damaged"), "{error}");
        }
    }

    #[test]
    fn no_passphrase_is_not_an_empty_one() {
        let file = SecretBytes::new(vec![7; 32]);
        let alone = of_parts(None, Some(&file)).unwrap();
        let empty = of_parts(Some(&SecretString::default()), Some(&file)).unwrap();
        assert_ne!(alone, empty);
        assert_eq!(of_parts(None, None).unwrap_err().kind(), ErrorKind::Locked);
    }
}
