//! Bitwarden's export that a password protects: to the export inside.
//!
//! ```text
//! master = PBKDF2-HMAC-SHA-256(password, salt, iterations) | Argon2id(password, SHA-256(salt), …)
//! keys   = HKDF-Expand[master]("enc"), HKDF-Expand[master]("mac")
//! sealed = "2." iv "|" AES-256-CBC[enc, iv](text) "|" HMAC-SHA-256[mac](iv ‖ ciphertext), each in base64
//! ```
//!
//! The salt is text, as it stands in the file. A second sealed text beside the data says whether the password is right, so a
//! wrong one and damage are two errors.

use crate::costs::{Argon2, too_much};
use crate::json::{Members, Value};
use crate::jsonl::base64;
use crate::{Derivation, ReadOptions};
use aes::Aes256;
use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit as _};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use keyferry_crypto::error::{Error, ErrorKind, Result};
use keyferry_crypto::generate;
use keyferry_crypto::master_key::{self, Options};
use keyferry_crypto::secret::{SecretString, wiped};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

type Key = Zeroizing<[u8; 32]>;

fn damaged(what: &str) -> Error {
    Error::new(ErrorKind::Decrypt, format!("the file is damaged: {what}")).next_step("export it once more")
}

fn find<'a>(members: &'a Members, name: &str) -> Option<&'a Value> {
    members.iter().find(|(member, _)| member == name).map(|(_, value)| value)
}

fn text<'a>(members: &'a Members, name: &str) -> Result<&'a str> {
    match find(members, name) {
        Some(Value::Text(text)) => Ok(text),
        _ => Err(damaged(&format!("it has no {name}"))),
    }
}

fn number(members: &Members, name: &str) -> Result<u64> {
    match find(members, name) {
        Some(Value::Number(number)) => number.parse().ok(),
        _ => None,
    }
    .ok_or_else(|| damaged(&format!("{name} is no number")))
}

/// The export inside, as JSON.
///
/// # Errors
/// [`ErrorKind::Locked`] for a wrong passphrase or none, [`ErrorKind::Decrypt`] for a damaged file, [`ErrorKind::Input`] for
/// one that asks for too much work.
pub(super) fn open(members: &Members, options: &ReadOptions) -> Result<Zeroizing<Vec<u8>>> {
    let test = Sealed::parse(text(members, "encKeyValidation_DO_NOT_EDIT")?)?;
    let data = Sealed::parse(text(members, "data")?)?;
    let Some(password) = &options.passphrase else {
        return Err(Error::new(ErrorKind::Locked, "this export of Bitwarden is protected with a password")
            .next_step(
                "set KEYFERRY_FILE_PASSPHRASE or KEYFERRY_FILE_PASSPHRASE_FILE, or run it on a terminal",
            ));
    };
    let master = master(members, password, options.heavy_kdf)?;
    let (encryption, signing) = (expanded(&master, b"enc")?, expanded(&master, b"mac")?);
    if !test.is_signed(&signing) {
        return Err(Error::new(ErrorKind::Locked, "the password of this export is wrong")
            .next_step("it is the one that was typed when it was exported, not that of the account"));
    }
    if !data.is_signed(&signing) {
        return Err(damaged("its content is not what was written"));
    }
    data.open(&encryption)
}

fn master(members: &Members, password: &SecretString, heavy: bool) -> Result<Key> {
    let (salt, iterations) = (text(members, "salt")?, number(members, "kdfIterations")?);
    match number(members, "kdfType")? {
        0 => {
            if iterations > u64::from(Options::MAX_ITERATIONS) {
                return Err(too_much(&format!("PBKDF2, {iterations} rounds"), true));
            }
            pbkdf2(password, salt, iterations)
        }
        1 => {
            let memory = number(members, "kdfMemory")?.saturating_mul(1024);
            let lanes = u32::try_from(number(members, "kdfParallelism")?).unwrap_or(u32::MAX);
            let argon2 = argon2id(salt, memory, iterations, lanes);
            argon2.check(heavy)?;
            argon2.derive(password.expose().as_bytes())
        }
        kind => Err(Error::new(
            ErrorKind::Input,
            format!("its key derivation is of kind {kind}, which nobody knows"),
        )
        .next_step("use a newer keyferry")),
    }
}

fn pbkdf2(password: &SecretString, salt: &str, iterations: u64) -> Result<Key> {
    let derivation: Options = format!("pbkdf:sha256:{iterations}:32:{salt}")
        .parse()
        .map_err(|_| damaged("the parameters of its key derivation make no sense"))?;
    let key = master_key::derive(password, &derivation);
    let bytes = Zeroizing::new(base64(key.expose()).unwrap_or_default());
    let key = <[u8; 32]>::try_from(&**bytes);
    key.map(Zeroizing::new).map_err(|_| Error::new(ErrorKind::Internal, "a key has the wrong length"))
}

/// `memory` in KiB.
fn argon2id(salt: &str, memory: u64, passes: u64, lanes: u32) -> Argon2 {
    Argon2 { id: true, old: false, salt: Sha256::digest(salt).to_vec(), memory, passes, lanes }
}

/// The file around an export: what this password opens.
pub(super) fn seal(
    export: Zeroizing<Vec<u8>>,
    password: &SecretString,
    derivation: Derivation,
) -> Result<Vec<u8>> {
    let (mut salt, mut test) = ([0; 16], [0; 16]);
    generate::random_bytes(&mut salt)?;
    generate::random_bytes(&mut test)?;
    let salt = BASE64_STANDARD.encode(salt);
    let (master, parameters) = match derivation {
        Derivation::Argon2id => (
            argon2id(&salt, 64 << 10, 3, 4).derive(password.expose().as_bytes())?,
            "\"kdfType\":1,\"kdfIterations\":3,\"kdfMemory\":64,\"kdfParallelism\":4",
        ),
        Derivation::Pbkdf2 => (pbkdf2(password, &salt, 600_000)?, "\"kdfType\":0,\"kdfIterations\":600000"),
    };
    let keys = (expanded(&master, b"enc")?, expanded(&master, b"mac")?);
    let test = Sealed::seal(Zeroizing::new(data_encoding::HEXLOWER.encode(&test).into_bytes()), &keys)?;
    let data = Sealed::seal(export, &keys)?;
    Ok(format!(
        "{{\"encrypted\":true,\"passwordProtected\":true,\"salt\":\"{salt}\",{parameters},\"encKeyValidation_DO_NOT_EDIT\":\"{}\",\"data\":\"{}\"}}\n",
        test.written(),
        data.written()
    )
    .into_bytes())
}

/// `HKDF-Expand` of RFC 5869 to one block.
fn expanded(master: &Key, purpose: &[u8]) -> Result<Key> {
    let failed = |_| Error::new(ErrorKind::Internal, "a key has the wrong length");
    let mut mac = Hmac::<Sha256>::new_from_slice(&master[..]).map_err(failed)?;
    mac.update(purpose);
    mac.update(&[1]);
    Ok(Zeroizing::new(mac.finalize().into_bytes().into()))
}

/// One sealed text.
struct Sealed {
    vector: [u8; 16],
    ciphertext: Vec<u8>,
    tag: Vec<u8>,
}

impl Sealed {
    fn seal(text: Zeroizing<Vec<u8>>, (encryption, signing): &(Key, Key)) -> Result<Self> {
        let failed = || Error::new(ErrorKind::Internal, "the file could not be encrypted");
        let mut vector = [0; 16];
        generate::random_bytes(&mut vector)?;
        let length = text.len();
        let mut bytes = Zeroizing::new(Vec::with_capacity((length / 16 + 1) * 16));
        bytes.extend_from_slice(&text);
        drop(text);
        bytes.resize((length / 16 + 1) * 16, 0);
        let cipher =
            cbc::Encryptor::<Aes256>::new_from_slices(&encryption[..], &vector).map_err(|_| failed())?;
        wiped(|| cipher.encrypt_padded::<Pkcs7>(&mut bytes, length).map(|_| ())).map_err(|_| failed())?;
        let ciphertext = std::mem::take(&mut *bytes);
        let mut mac = Hmac::<Sha256>::new_from_slice(&signing[..]).map_err(|_| failed())?;
        mac.update(&vector);
        mac.update(&ciphertext);
        let tag = mac.finalize().into_bytes().to_vec();
        Ok(Self { vector, ciphertext, tag })
    }

    fn written(&self) -> String {
        let [vector, ciphertext, tag] =
            [&self.vector[..], &self.ciphertext, &self.tag].map(|part| BASE64_STANDARD.encode(part));
        format!("2.{vector}|{ciphertext}|{tag}")
    }

    fn parse(text: &str) -> Result<Self> {
        let body = text.strip_prefix("2.").ok_or_else(|| {
            Error::new(ErrorKind::Input, "it is encrypted in another way than exports are").next_step(OTHER)
        })?;
        let mut parts = body.split('|').map(base64);
        let mut part = || parts.next().flatten().ok_or_else(|| damaged("an encrypted text is cut short"));
        let vector = part()?.try_into().map_err(|_| damaged("an encrypted text is cut short"))?;
        Ok(Self { vector, ciphertext: part()?, tag: part()? })
    }

    fn is_signed(&self, key: &Key) -> bool {
        Hmac::<Sha256>::new_from_slice(&key[..]).is_ok_and(|mut mac| {
            mac.update(&self.vector);
            mac.update(&self.ciphertext);
            mac.verify_slice(&self.tag).is_ok()
        })
    }

    fn open(self, key: &Key) -> Result<Zeroizing<Vec<u8>>> {
        let mut bytes = Zeroizing::new(self.ciphertext);
        let failed = || damaged("its content does not decrypt");
        let cipher =
            cbc::Decryptor::<Aes256>::new_from_slices(&key[..], &self.vector).map_err(|_| failed())?;
        let length =
            wiped(|| cipher.decrypt_padded::<Pkcs7>(&mut bytes).map(<[u8]>::len)).map_err(|_| failed())?;
        bytes.truncate(length);
        Ok(bytes)
    }
}

/// What to do where an export cannot be opened.
pub(super) const OTHER: &str = "export it there as .json, without encryption or protected with a password, and shred that file afterwards";
