//! Passwork's key derivation for envelopes, many at a time.
//!
//! `key ‖ iv` are the first 48 bytes of `D1 ‖ D2 ‖ D3`, where `D1 = MD5(passphrase ‖ salt)` and
//! `Di = MD5(Di−1 ‖ passphrase ‖ salt)`: OpenSSL's `EVP_BytesToKey` with MD5 (RFC 1321) and one
//! iteration. It costs more than everything else about an envelope together. Passwork's keys all
//! have 100 characters, so the hashes of different fields, of different records too, take the same
//! steps and run side by side in the [lanes](crate::md5_lanes) of vector registers.

use crate::md5_lanes::{self, BLOCK, DIGEST, Lanes, Path, Words};
use crate::secret::SecretString;
use zeroize::Zeroizing;

/// AES key (32 bytes) and CBC initialisation vector (16 bytes).
pub(super) type KeyAndIv = Zeroizing<[u8; 48]>;

/// Derives a key for each passphrase and salt. Neighbours of one length are derived together.
pub(super) fn derive(secrets: &[(&SecretString, [u8; 8])]) -> Vec<KeyAndIv> {
    derive_by(Path::best(), secrets)
}

fn derive_by(path: Path, secrets: &[(&SecretString, [u8; 8])]) -> Vec<KeyAndIv> {
    let mut derived = Vec::with_capacity(secrets.len());
    let length = |(passphrase, _): &(&SecretString, [u8; 8])| passphrase.expose().len();
    for alike in secrets.chunk_by(|one, two| length(one) == length(two)) {
        derive_alike(path, alike, &mut derived);
    }
    derived
}

/// Derives one key.
pub(super) fn derive_one(passphrase: &SecretString, salt: [u8; 8]) -> KeyAndIv {
    let mut derived = Vec::with_capacity(1);
    // One lane fills no register, however wide.
    derive_alike(Path::Baseline, &[(passphrase, salt)], &mut derived);
    derived.pop().unwrap_or_else(|| Zeroizing::new([0; 48]))
}

/// Derives keys from passphrases of one length.
#[cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "a function compiled for instructions that not every machine has")
)]
fn derive_alike(path: Path, secrets: &[(&SecretString, [u8; 8])], derived: &mut Vec<KeyAndIv>) {
    match path {
        Path::Baseline => derive_lanes(secrets, md5_lanes::hash, derived),
        #[cfg(target_arch = "x86_64")]
        Path::Avx2 => {
            // SAFETY: `Path::here` found AVX2 on this machine; the function is safe but for needing it.
            derive_lanes(secrets, |state, words| unsafe { md5_lanes::hash_avx2(state, words) }, derived);
        }
        #[cfg(target_arch = "x86_64")]
        Path::Avx512 => {
            // SAFETY: `Path::here` found AVX-512 on this machine; the function is safe but for needing it.
            derive_lanes(secrets, |state, words| unsafe { md5_lanes::hash_avx512(state, words) }, derived);
        }
    }
}

/// The same, `N` at a time; lanes without a passphrase hash what is there.
fn derive_lanes<const N: usize>(
    secrets: &[(&SecretString, [u8; 8])],
    hash: impl Fn(&mut [Lanes<N>; 4], &[Lanes<N>]),
    derived: &mut Vec<KeyAndIv>,
) {
    let length = secrets.first().map_or(0, |(passphrase, _)| passphrase.expose().len()) + 8;
    let (first, later) = (padded(length), padded(DIGEST + length));
    let mut message = Zeroizing::new(Vec::with_capacity(length.next_multiple_of(4) + 4));
    // The words of `digest ‖ passphrase ‖ salt ‖ 0x80 ‖ 0…`, lane beside lane. The first hash takes
    // them from the passphrase on. All messages have one length, so each covers the one before.
    let mut words = Words(vec![[0; N]; DIGEST / 4 + later.max(first) / 4]);
    for secrets in secrets.chunks(N) {
        for (lane, (passphrase, salt)) in secrets.iter().enumerate() {
            message.clear();
            message.extend_from_slice(passphrase.expose().as_bytes());
            message.extend_from_slice(salt);
            message.push(0x80);
            let whole = message.len().next_multiple_of(4);
            message.resize(whole, 0);
            let (bytes, _) = message.as_chunks::<4>();
            for (word, bytes) in words.0[DIGEST / 4..].iter_mut().zip(bytes) {
                word[lane] = u32::from_le_bytes(*bytes);
            }
        }
        let done = derived.len();
        derived.resize_with(done + secrets.len(), || Zeroizing::new([0; 48]));
        for round in 0..3 {
            let (start, message, end) = match round {
                0 => (DIGEST / 4, length, DIGEST / 4 + first / 4),
                _ => (0, DIGEST + length, later / 4),
            };
            // The length in bits, in two words; messages of 512 MiB and more do not occur.
            let bits = u32::try_from(message << 3).unwrap_or(u32::MAX);
            let marked = std::mem::replace(&mut words.0[end - 2], [bits; N]);
            let mut state = md5_lanes::start::<N>();
            hash(&mut state, &words.0[start..end]);
            words.0[end - 2] = marked;
            words.0[..DIGEST / 4].copy_from_slice(&state);
            for (word, index) in state.iter().zip((round * DIGEST..).step_by(4)) {
                for (key, word) in derived[done..].iter_mut().zip(word) {
                    key[index..index + 4].copy_from_slice(&word.to_le_bytes());
                }
            }
        }
    }
}

/// The length of a message after padding (RFC 1321 §3.1, §3.2): a byte of 0x80, zeros, and eight
/// bytes of length.
const fn padded(length: usize) -> usize {
    (length + 9).next_multiple_of(BLOCK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use md5::{Digest, Md5};

    /// The definition, one hash after the other.
    fn reference(passphrase: &str, salt: [u8; 8]) -> [u8; 48] {
        let mut derived = [0; 48];
        for round in 0..3 {
            let before = if round == 0 { Vec::new() } else { derived[(round - 1) * 16..round * 16].to_vec() };
            let digest =
                Md5::new().chain_update(before).chain_update(passphrase).chain_update(salt).finalize();
            derived[round * 16..(round + 1) * 16].copy_from_slice(&digest);
        }
        derived
    }

    #[test]
    fn lanes_agree_with_the_definition_for_every_length_and_number() {
        for length in 0..200_usize {
            let passphrases: Vec<SecretString> = (0..length % 67)
                // A longer one in between, as a file of other clients could have.
                .map(|n| SecretString::from(format!("{n:02}").repeat(length) + if n == 5 { "+" } else { "" }))
                .collect();
            let salt = |n: usize| (n as u64 * 0x9e37_79b9).to_be_bytes();
            let secrets: Vec<_> = passphrases.iter().enumerate().map(|(n, text)| (text, salt(n))).collect();
            for path in Path::here() {
                let derived = derive_by(path, &secrets);
                assert_eq!(derived.len(), secrets.len());
                for ((passphrase, salt), derived) in secrets.iter().zip(derived) {
                    assert_eq!(*derived, reference(passphrase.expose(), *salt), "{path:?}, length {length}");
                    assert_eq!(*derive_one(passphrase, *salt), *derived);
                }
            }
        }
    }

    proptest::proptest! {
        /// Whatever the passphrases: lanes of one length, lanes of many, more than a register has, fewer.
        #[test]
        fn every_path_gives_the_bytes_of_the_definition(
            texts in proptest::collection::vec(("[a-z]{0,3}|[!-~]{100}|\\PC{0,130}", proptest::num::u64::ANY), 0..80),
        ) {
            let texts: Vec<(SecretString, [u8; 8])> =
                texts.into_iter().map(|(text, salt)| (text.into(), salt.to_le_bytes())).collect();
            let secrets: Vec<_> = texts.iter().map(|(text, salt)| (text, *salt)).collect();
            let defined: Vec<_> = texts.iter().map(|(text, salt)| reference(text.expose(), *salt)).collect();
            for path in Path::here() {
                let derived: Vec<[u8; 48]> = derive_by(path, &secrets).iter().map(|key| **key).collect();
                proptest::prop_assert_eq!(&derived, &defined, "{:?}", path);
            }
        }
    }

    /// What this machine cannot do is not tested on it: said, so that nobody believes otherwise.
    #[test]
    fn the_fastest_path_that_the_machine_has_is_taken() {
        let here: Vec<Path> = Path::here().collect();
        assert_eq!(here.last(), Some(&Path::best()));
        eprintln!("tested here: {here:?}");
        #[cfg(target_arch = "x86_64")]
        assert_eq!(here.contains(&Path::Avx2), std::arch::is_x86_feature_detected!("avx2"));
    }
}
