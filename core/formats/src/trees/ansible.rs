//! Ansible Vault: whole files, and values in YAML (`!vault`).
//!
//! ```text
//! sealed = "$ANSIBLE_VAULT;1.1;AES256" or "$ANSIBLE_VAULT;1.2;AES256;label", then hex(hex(salt) LF hex(tag) LF hex(ciphertext)) over lines
//! keys   = PBKDF2-HMAC-SHA-256(password, salt, 10,000): cipher 32 ‖ tag 32 ‖ counter 16
//! tag    = HMAC-SHA-256[keys.tag](ciphertext)
//! text   = AES-256-CTR[keys.cipher, keys.counter](ciphertext), padded (PKCS #7)
//! ```
//!
//! Signature: that first line, or a value `!vault` with it. Mapping: YAML by the rule of all trees; a whole file that holds a
//! format of another row is read as that; of one line, it is a password; of anything else, an attachment. The label of a
//! vault says which password opens it, and nothing of the value.
//! Told: values that another password seals, where this one opens others.
//! Not read: version 1.0. The password may stand in the key file. The whole file is kept in memory.

use super::inside::{self, Inside};
use super::kv;
use crate::costs::too_much;
use crate::decode::Decode;
use crate::head::{Fit, Head};
use crate::json::Value;
use crate::managers::items::Document;
use crate::sealed::{self, Hash, damaged};
use crate::{Entries, ReadOptions, yaml};
use aes::Aes256;
use aes::cipher::{KeyIvInit as _, StreamCipher as _};
use data_encoding::HEXLOWER_PERMISSIVE;
use hmac::{Hmac, KeyInit as _, Mac as _};
use keyferry_crypto::error::{Error, ErrorKind, Result};
use keyferry_crypto::secret::{SecretBytes, SecretString, wiped};
use sha2::Sha256;
use std::io::Read;
use zeroize::Zeroizing;

const MAGIC: &str = "$ANSIBLE_VAULT;";
const ROUNDS: u64 = 10_000;
/// Values of one file, each of which costs a derivation: ten million rounds in all, as of any file; ten times that where
/// it is asked for.
const MOST: usize = 1000;
const MOST_HEAVY: usize = 10_000;

/// Whether it is sealed, or holds values that are.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    let text = head.text();
    let has_value = || text.contains("!vault") && text.contains("$ANSIBLE_VAULT;1.");
    if text.starts_with(MAGIC) || (!head.looks_like_json() && has_value()) { Fit::Seal } else { Fit::No }
}

/// Why a sealed text does not open.
enum Fault {
    /// It is of another form.
    Broken(&'static str),
    Version,
    /// The tag is another's.
    Tag,
}

/// What opens the texts of a file.
struct Vault {
    password: SecretString,
    most: usize,
    derived: usize,
    opened: usize,
    /// Lines of values that the password does not open.
    closed: Vec<usize>,
}

impl Vault {
    fn of(options: &ReadOptions) -> Result<Self> {
        let password = sealed::passphrase_or_file(options, "this file of Ansible Vault")?;
        let most = if options.heavy_kdf { MOST_HEAVY } else { MOST };
        Ok(Self { password, most, derived: 0, opened: 0, closed: Vec::new() })
    }

    fn check(&self, count: usize) -> Result<()> {
        if count <= self.most {
            return Ok(());
        }
        Err(too_much(&format!("PBKDF2, {ROUNDS} rounds for each of {count} values"), count > MOST_HEAVY))
    }

    fn open(&mut self, text: &str) -> Result<Result<Zeroizing<Vec<u8>>, Fault>> {
        let parts = match Parts::parse(text) {
            Ok(parts) => parts,
            Err(fault) => return Ok(Err(fault)),
        };
        // Where it is done, however a file spells what calls for it.
        self.derived += 1;
        self.check(self.derived)?;
        let keys = sealed::pbkdf2::<80>(Hash::Sha256, &self.password, &parts.salt, ROUNDS)?;
        Ok(parts.open(&keys))
    }

    /// The value of a scalar with a tag.
    fn value(&mut self, tag: &str, text: &str, line: usize) -> Result<Option<Value>> {
        if tag != "vault" && tag != "vault-encrypted" {
            return Ok(None);
        }
        match self.open(text)? {
            Ok(mut bytes) => {
                self.opened += 1;
                let text = SecretBytes::new(std::mem::take(&mut *bytes)).into_text().ok_or_else(|| {
                    Error::new(ErrorKind::Input, format!("line {line}: the value is no text"))
                        .next_step("a value that is no text stands in a file of its own")
                })?;
                Ok(Some(Value::Text(Zeroizing::new(text.expose().to_owned()))))
            }
            Err(Fault::Tag) => {
                self.closed.push(line);
                Ok(Some(Value::Null))
            }
            Err(fault) => Err(fault.told(Some(line))),
        }
    }

    /// The documents of a YAML file, and the account of what does not open.
    fn documents(mut self, text: &str) -> Result<(Document, Vec<Value>)> {
        // Known before anything is derived, mostly.
        self.check(text.matches(MAGIC).count())?;
        let values = yaml::tagged_documents(text, &mut |tag, text, line| self.value(tag, text, line))?;
        if self.opened == 0 && !self.closed.is_empty() {
            return Err(sealed::wrong_or_damaged("file of Ansible Vault"));
        }
        let mut document = Document::default();
        for line in self.closed {
            document.tally.read(1);
            document.tally.tell(
                "a value stays behind: another password seals it, or it is damaged",
                format!("line {line}"),
                1,
            );
        }
        Ok((document, values))
    }
}

impl Fault {
    fn told(&self, line: Option<usize>) -> Error {
        let at = line.map(|line| format!("line {line}: ")).unwrap_or_default();
        match self {
            Fault::Broken(what) => damaged(&format!("{at}{what}")),
            Fault::Version => Error::new(
                ErrorKind::Input,
                format!("{at}it is sealed in a version of Ansible Vault other than 1.1 and 1.2"),
            )
            .next_step("seal it anew: ansible-vault rekey"),
            Fault::Tag => sealed::wrong_or_damaged("file of Ansible Vault"),
        }
    }
}

/// A sealed text.
struct Parts {
    salt: Vec<u8>,
    tag: Vec<u8>,
    ciphertext: Vec<u8>,
}

impl Parts {
    fn parse(text: &str) -> Result<Self, Fault> {
        let mut lines = text.trim().lines().map(str::trim);
        let mut header = lines.next().unwrap_or_default().split(';');
        if header.next() != MAGIC.strip_suffix(';') {
            return Err(Fault::Broken("a sealed value does not begin as one"));
        }
        let (version, cipher) = (header.next(), header.next());
        if !matches!(version, Some("1.1" | "1.2")) || cipher != Some("AES256") {
            return Err(Fault::Version);
        }
        let hex =
            |bytes: &[u8]| HEXLOWER_PERMISSIVE.decode(bytes).map_err(|_| Fault::Broken("it is not in hex"));
        let digits: String = lines.collect();
        let body = hex(digits.as_bytes())?;
        let mut parts = body.split(|byte| *byte == b'\n').map(hex);
        let mut part = || parts.next().unwrap_or(Err(Fault::Broken("a part of it is missing")));
        Ok(Self { salt: part()?, tag: part()?, ciphertext: part()? })
    }

    fn open(mut self, keys: &[u8; 80]) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let (cipher, rest) = keys.split_at(32);
        let (signing, counter) = rest.split_at(32);
        let is_signed = Hmac::<Sha256>::new_from_slice(signing).is_ok_and(|mut mac| {
            mac.update(&self.ciphertext);
            mac.verify_slice(&self.tag).is_ok()
        });
        if !is_signed {
            return Err(Fault::Tag);
        }
        let broken = Fault::Broken("its content does not decrypt");
        let Ok(mut cipher) = ctr::Ctr128BE::<Aes256>::new_from_slices(cipher, counter) else {
            return Err(broken);
        };
        let mut bytes = Zeroizing::new(std::mem::take(&mut self.ciphertext));
        if wiped(|| cipher.try_apply_keystream(&mut bytes)).is_err() {
            return Err(broken);
        }
        let padding = usize::from(bytes.last().copied().unwrap_or_default());
        let length = bytes.len().checked_sub(padding).filter(|_| (1..=16).contains(&padding));
        bytes.truncate(length.ok_or(broken)?);
        Ok(bytes)
    }
}

pub(crate) fn read(input: Box<dyn Read + Send>, options: &ReadOptions) -> Result<Entries> {
    let text = Decode::unicode(input)?.text("write it in UTF-8")?;
    let within = inside::options_of(options);
    let mut vault = Vault::of(options)?;
    if !text.expose().trim_start().starts_with(MAGIC) {
        let (document, values) = vault.documents(text.expose())?;
        return Ok(kv::tree(document, values, &within));
    }
    let bytes = vault.open(text.expose())?.map_err(|fault| fault.told(None))?;
    vault.opened += 1;
    let bytes = match crate::read_inside(bytes, within.name.as_deref(), &within, crate::Tables::Kept)? {
        Inside::Read(entries) => return Ok(entries),
        Inside::Bytes(bytes) => bytes,
    };
    // Within may be values that are sealed once more, with another password perhaps.
    let is_map = |value: &Value| matches!(value, Value::Object(_));
    let text = std::str::from_utf8(&bytes).ok().filter(|text| !text.starts_with(MAGIC));
    if let Some(text) = text
        && yaml::documents(text).is_ok_and(|values| !values.is_empty() && values.iter().all(is_map))
    {
        let (document, values) = vault.documents(text)?;
        return Ok(kv::tree(document, values, &within));
    }
    Ok(inside::file(bytes, &within))
}
