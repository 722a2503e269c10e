//! What encrypted files of other tools have alike: how they ask for a passphrase, what a derivation may cost, how their
//! content is opened. A file is input: costs are looked at before any work.

use crate::ReadOptions;
use crate::costs::too_much;
use crate::wiped::append;
use aes::Aes256;
use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt as _, KeyIvInit as _};
use aes_gcm::aead::AeadInOut as _;
use aes_gcm::aead::array::ArraySize;
use aes_gcm::aead::consts::{U12, U16};
use aes_gcm::{AesGcm, KeyInit as _, Nonce, Tag};
use keyferry_crypto::error::{Error, ErrorKind, Result};
use keyferry_crypto::master_key::Options;
use keyferry_crypto::secret::{SecretString, wiped};
use pbkdf2::pbkdf2_hmac;
use poly1305::Poly1305;
use salsa20::XSalsa20;
use salsa20::cipher::StreamCipher as _;
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use std::io::Read;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// 32 bytes that are a secret.
pub(crate) type Key = Zeroizing<[u8; 32]>;

/// A file is read whole, up to here.
const MOST: usize = 1 << 30;
/// Bytes of AES-GCM's tag.
const TAG: usize = 16;

/// The passphrase of a file; `what` is the beginning of a sentence: `this backup of Aegis`.
///
/// # Errors
/// [`ErrorKind::Locked`] where there is none.
pub(crate) fn passphrase<'a>(options: &'a ReadOptions, what: &str) -> Result<&'a SecretString> {
    options.passphrase.as_ref().ok_or_else(|| {
        Error::new(ErrorKind::Locked, format!("{what} is encrypted with a passphrase")).next_step(
            "set KEYFERRY_FILE_PASSPHRASE or KEYFERRY_FILE_PASSPHRASE_FILE, or run it on a terminal",
        )
    })
}

/// The passphrase of a file, or the text of a key file without the blanks around it.
///
/// # Errors
/// [`ErrorKind::Locked`] where there is neither, [`ErrorKind::Input`] for a key file that is no text.
pub(crate) fn passphrase_or_file(options: &ReadOptions, what: &str) -> Result<SecretString> {
    // A person who is asked answers nothing where the key file alone opens it.
    let is_empty = options.passphrase.as_ref().is_none_or(SecretString::is_empty);
    if let Some(file) = options.key_file.as_ref().filter(|_| is_empty) {
        let text = std::str::from_utf8(file.expose())
            .map_err(|_| Error::new(ErrorKind::Input, "the key file is no text"))?;
        return Ok(SecretString::from(text.trim_start_matches('\u{feff}').trim()));
    }
    passphrase(options, what).cloned()
}

/// An error of a passphrase that does not open a file which can tell.
pub(crate) fn wrong(whose: &str) -> Error {
    Error::new(ErrorKind::Locked, format!("the passphrase of this {whose} is wrong"))
        .next_step("it is the one that was typed when the file was written")
}

/// The same of a file that cannot tell.
pub(crate) fn wrong_or_damaged(whose: &str) -> Error {
    let what =
        format!("the passphrase of this {whose} is wrong, or the file is damaged: such a file cannot tell");
    Error::new(ErrorKind::Locked, what).next_step(
        "it is the one that was typed when the file was written; if it is right, take another copy",
    )
}

/// An error of a file that is not what was written.
pub(crate) fn damaged(what: &str) -> Error {
    Error::new(ErrorKind::Decrypt, format!("the file is damaged: {what}"))
        .next_step("take another copy of the file, or write it once more")
}

/// All of a file.
///
/// # Errors
/// [`ErrorKind::Input`] for one of more than 1 GiB.
pub(crate) fn whole(mut input: impl Read) -> Result<Zeroizing<Vec<u8>>> {
    let (mut all, mut chunk) = (Zeroizing::new(Vec::new()), Zeroizing::new(vec![0; 1 << 16]));
    loop {
        let count = match input.read(&mut chunk) {
            Ok(0) => return Ok(all),
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Error::stream(error)),
        };
        append(&mut all, chunk.get(..count).unwrap_or_default());
        if all.len() > MOST {
            return Err(Error::new(ErrorKind::Input, "the file is larger than 1 GiB, which is read whole")
                .next_step("take attachments out of it where it was written, or divide it"));
        }
    }
}

/// The hash within PBKDF2.
#[derive(Clone, Copy)]
pub(crate) enum Hash {
    Sha1,
    Sha256,
    Sha512,
}

/// `PBKDF2-HMAC-hash(passphrase, salt, rounds)`, RFC 8018.
///
/// # Errors
/// [`ErrorKind::Input`] above ten million rounds.
pub(crate) fn pbkdf2<const N: usize>(
    hash: Hash,
    passphrase: &SecretString,
    salt: &[u8],
    rounds: u64,
) -> Result<Zeroizing<[u8; N]>> {
    let most = u64::from(Options::MAX_ITERATIONS);
    let Some(rounds) = u32::try_from(rounds).ok().filter(|_| rounds <= most) else {
        return Err(too_much(&format!("PBKDF2, {rounds} rounds"), true));
    };
    if rounds == 0 {
        return Err(damaged("the parameters of its key derivation make no sense"));
    }
    let (phrase, mut key) = (passphrase.expose().as_bytes(), Zeroizing::new([0; N]));
    wiped(|| match hash {
        Hash::Sha1 => pbkdf2_hmac::<Sha1>(phrase, salt, rounds, &mut *key),
        Hash::Sha256 => pbkdf2_hmac::<Sha256>(phrase, salt, rounds, &mut *key),
        Hash::Sha512 => pbkdf2_hmac::<Sha512>(phrase, salt, rounds, &mut *key),
    });
    Ok(key)
}

/// `scrypt(passphrase, salt, N, r, p)`, RFC 7914, as a file asks for it.
pub(crate) struct Scrypt {
    /// The power of two that N is.
    log_n: u8,
    r: u32,
    p: u32,
    salt: Vec<u8>,
}

impl Scrypt {
    /// # Errors
    /// [`ErrorKind::Decrypt`] for numbers that make no sense.
    pub(crate) fn new(n: u64, r: u64, p: u64, salt: Vec<u8>) -> Result<Self> {
        let senseless = || damaged("the parameters of its key derivation make no sense");
        if !n.is_power_of_two() || n < 2 || r == 0 || p == 0 {
            return Err(senseless());
        }
        let log_n = u8::try_from(n.ilog2()).map_err(|_| senseless())?;
        let number = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        Ok(Self { log_n, r: number(r), p: number(p), salt })
    }

    /// Refuses all of these together, where they ask for too much: each above 1 GiB, or the work of ten passes over it; with
    /// `heavy` above 4 GiB, or the work of 64 passes over that.
    pub(crate) fn check(all: &[Self], heavy: bool) -> Result<()> {
        // What is held, and what is worked through, in KiB.
        let memory = |one: &Self| u64::from(one.r).saturating_mul(1_u64 << one.log_n.min(63)) / 8;
        let work = |one: &Self| memory(one).saturating_mul(u64::from(one.p));
        let most = all.iter().map(memory).max().unwrap_or_default();
        let total = all.iter().map(work).fold(0_u64, u64::saturating_add);
        // The blocks of all lanes are held beside.
        let lanes = |one: &Self| u64::from(one.r).saturating_mul(u64::from(one.p)) / 8;
        let blocks = all.iter().map(lanes).max().unwrap_or_default();
        let over = |limit: u64, turns: u64| most > limit || blocks > limit || total > limit * turns;
        let (usual, absurd) = (over(1 << 20, 10), over(4 << 20, 64));
        if if heavy { absurd } else { usual } {
            return Err(too_much(&format!("scrypt, {most} KiB, {total} KiB worked through"), absurd));
        }
        Ok(())
    }

    /// The key that a passphrase comes to, once [`Scrypt::check`] has let it pass.
    pub(crate) fn derive<const N: usize>(&self, passphrase: &[u8]) -> Result<Zeroizing<[u8; N]>> {
        let failed = || damaged("the parameters of its key derivation make no sense");
        let parameters = scrypt::Params::new(self.log_n, self.r, self.p).map_err(|_| failed())?;
        let mut key = Zeroizing::new([0; N]);
        wiped(|| scrypt::scrypt(passphrase, &self.salt, &parameters, &mut *key)).map_err(|_| failed())?;
        Ok(key)
    }
}

/// `AES-256-GCM[key, nonce](sealed)`, whose tag stands at its end; `None` where it does not open.
pub(crate) fn gcm(key: &Key, nonce: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    gcm_beside(key, nonce, &[], sealed)
}

/// The same of what was sealed beside bytes that stand in the clear, under a nonce of 12 or 16 bytes.
pub(crate) fn gcm_beside(
    key: &Key,
    nonce: &[u8],
    beside: &[u8],
    sealed: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    match nonce.len() {
        12 => gcm_of::<U12>(key, nonce, beside, sealed),
        16 => gcm_of::<U16>(key, nonce, beside, sealed),
        _ => None,
    }
}

fn gcm_of<N: ArraySize>(key: &Key, nonce: &[u8], beside: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (body, tag) = sealed.split_at_checked(sealed.len().checked_sub(TAG)?)?;
    let (nonce, tag) = (Nonce::<N>::try_from(nonce).ok()?, <[u8; TAG]>::try_from(tag).ok()?);
    let (mut body, tag) = (Zeroizing::new(body.to_vec()), Tag::from(tag));
    wiped(|| {
        let cipher = AesGcm::<Aes256, N>::new((&**key).into());
        cipher.decrypt_inout_detached(&nonce, beside, body.as_mut_slice().into(), &tag)
    })
    .ok()?;
    Some(body)
}

/// `XSalsa20-Poly1305[key, nonce](sealed)`, the secret box of `NaCl`: the tag stands first, and the first 32 bytes of the stream are its
/// key. `None` where it does not open.
pub(crate) fn secret_box(key: &Key, nonce: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (tag, body) = sealed.split_at_checked(TAG)?;
    let mut body = Zeroizing::new(body.to_vec());
    let is_right = wiped(|| {
        let mut stream = XSalsa20::new_from_slices(&key[..], nonce).ok()?;
        let mut first = Zeroizing::new([0; 32]);
        stream.apply_keystream(&mut *first);
        let made = Poly1305::new((&*first).into()).compute_unpadded(&body);
        let is_right = bool::from(made.as_slice().ct_eq(tag));
        stream.apply_keystream(&mut body);
        Some(is_right)
    })?;
    is_right.then_some(body)
}

/// `AES-256-CBC[key, vector](sealed)` with padding (PKCS #7); `None` where that is wrong.
pub(crate) fn cbc(key: &Key, vector: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut body = Zeroizing::new(sealed.to_vec());
    let cipher = ::cbc::Decryptor::<Aes256>::new_from_slices(&key[..], vector).ok()?;
    let length = wiped(|| cipher.decrypt_padded::<Pkcs7>(&mut body).map(<[u8]>::len)).ok()?;
    body.truncate(length);
    Some(body)
}
