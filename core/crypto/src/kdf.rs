//! Passwork's key derivation for envelopes, eight at a time.
//!
//! `key ‖ iv` are the first 48 bytes of `D1 ‖ D2 ‖ D3`, where `D1 = MD5(passphrase ‖ salt)` and
//! `Di = MD5(Di−1 ‖ passphrase ‖ salt)`: OpenSSL's `EVP_BytesToKey` with MD5 (RFC 1321) and one
//! iteration. It costs more than everything else about an envelope together. Passwork's keys all
//! have 100 characters, so the hashes of different fields, of different records too, take the same
//! steps and run side by side in the lanes of vector registers.

use crate::secret::SecretString;
use zeroize::{Zeroize, Zeroizing};

/// AES key (32 bytes) and CBC initialisation vector (16 bytes).
pub(super) type KeyAndIv = Zeroizing<[u8; 48]>;

/// Hashes computed at once.
const LANES: usize = 8;
/// Bytes of an MD5 block.
const BLOCK: usize = 64;
/// Bytes of an MD5 digest.
const DIGEST: usize = 16;

/// One 32-bit word of each lane.
type Lanes = wide::u32x8;

/// RFC 1321 §3.4: the integer part of 2³² · |sin(i + 1)|.
const SINES: [u32; 64] = [
    0xd76a_a478,
    0xe8c7_b756,
    0x2420_70db,
    0xc1bd_ceee,
    0xf57c_0faf,
    0x4787_c62a,
    0xa830_4613,
    0xfd46_9501,
    0x6980_98d8,
    0x8b44_f7af,
    0xffff_5bb1,
    0x895c_d7be,
    0x6b90_1122,
    0xfd98_7193,
    0xa679_438e,
    0x49b4_0821,
    0xf61e_2562,
    0xc040_b340,
    0x265e_5a51,
    0xe9b6_c7aa,
    0xd62f_105d,
    0x0244_1453,
    0xd8a1_e681,
    0xe7d3_fbc8,
    0x21e1_cde6,
    0xc337_07d6,
    0xf4d5_0d87,
    0x455a_14ed,
    0xa9e3_e905,
    0xfcef_a3f8,
    0x676f_02d9,
    0x8d2a_4c8a,
    0xfffa_3942,
    0x8771_f681,
    0x6d9d_6122,
    0xfde5_380c,
    0xa4be_ea44,
    0x4bde_cfa9,
    0xf6bb_4b60,
    0xbebf_bc70,
    0x289b_7ec6,
    0xeaa1_27fa,
    0xd4ef_3085,
    0x0488_1d05,
    0xd9d4_d039,
    0xe6db_99e5,
    0x1fa2_7cf8,
    0xc4ac_5665,
    0xf429_2244,
    0x432a_ff97,
    0xab94_23a7,
    0xfc93_a039,
    0x655b_59c3,
    0x8f0c_cc92,
    0xffef_f47d,
    0x8584_5dd1,
    0x6fa8_7e4f,
    0xfe2c_e6e0,
    0xa301_4314,
    0x4e08_11a1,
    0xf753_7e82,
    0xbd3a_f235,
    0x2ad7_d2bb,
    0xeb86_d391,
];

/// RFC 1321 §3.3.
const START: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// Derives a key for each passphrase and salt. Neighbours of one length are derived together.
pub(super) fn derive(secrets: &[(&SecretString, [u8; 8])]) -> Vec<KeyAndIv> {
    let mut derived = Vec::with_capacity(secrets.len());
    let length = |(passphrase, _): &(&SecretString, [u8; 8])| passphrase.expose().len();
    for alike in secrets.chunk_by(|one, two| length(one) == length(two)) {
        for secrets in alike.chunks(LANES) {
            derived.extend(derive_lanes(secrets).into_iter().take(secrets.len()));
        }
    }
    derived
}

/// Derives one key.
pub(super) fn derive_one(passphrase: &SecretString, salt: [u8; 8]) -> KeyAndIv {
    let [key, ..] = derive_lanes(&[(passphrase, salt)]);
    key
}

/// Derives at most [`LANES`] keys from passphrases of one length; lanes without one hash zeros.
fn derive_lanes(secrets: &[(&SecretString, [u8; 8])]) -> [KeyAndIv; LANES] {
    let mut derived: [KeyAndIv; LANES] = std::array::from_fn(|_| Zeroizing::new([0; 48]));
    let length = secrets.first().map_or(0, |(passphrase, _)| passphrase.expose().len()) + 8;
    let (first, later) = (padded(length), padded(DIGEST + length));
    // The words of `digest ‖ passphrase ‖ salt ‖ 0x80 ‖ 0…`, lane beside lane. The first hash takes
    // them from the passphrase on.
    let mut words = Words(vec![Lanes::ZERO; DIGEST / 4 + later.max(first) / 4]);
    let mut message = Zeroizing::new(Vec::with_capacity(length.next_multiple_of(4) + 4));
    for (lane, (passphrase, salt)) in secrets.iter().enumerate() {
        message.clear();
        message.extend_from_slice(passphrase.expose().as_bytes());
        message.extend_from_slice(salt);
        message.push(0x80);
        let whole = message.len().next_multiple_of(4);
        message.resize(whole, 0);
        let (bytes, _) = message.as_chunks::<4>();
        for (word, bytes) in words.0[DIGEST / 4..].iter_mut().zip(bytes) {
            word.as_mut_array()[lane] = u32::from_le_bytes(*bytes);
        }
    }
    for round in 0..3 {
        let (start, message, end) = match round {
            0 => (DIGEST / 4, length, DIGEST / 4 + first / 4),
            _ => (0, DIGEST + length, later / 4),
        };
        // The length in bits, in two words; messages of 512 MiB and more do not occur.
        let bits = u32::try_from(message << 3).unwrap_or(u32::MAX);
        let marked = std::mem::replace(&mut words.0[end - 2], Lanes::splat(bits));
        let mut state = START.map(Lanes::splat);
        hash(&mut state, &words.0[start..end]);
        words.0[end - 2] = marked;
        words.0[..DIGEST / 4].copy_from_slice(&state);
        for (word, index) in state.iter().zip((round * DIGEST..).step_by(4)) {
            for (key, word) in derived.iter_mut().zip(word.to_array()) {
                key[index..index + 4].copy_from_slice(&word.to_le_bytes());
            }
        }
    }
    derived
}

/// Words that passphrases were copied into: wiped when dropped.
struct Words(Vec<Lanes>);

impl Drop for Words {
    fn drop(&mut self) {
        for lanes in &mut self.0 {
            lanes.as_mut_array().zeroize();
        }
    }
}

/// The length of a message after padding (RFC 1321 §3.1, §3.2): a byte of 0x80, zeros, and eight
/// bytes of length.
const fn padded(length: usize) -> usize {
    (length + 9).next_multiple_of(BLOCK)
}

/// Hashes padded messages of one length.
fn hash(state: &mut [Lanes; 4], words: &[Lanes]) {
    let (blocks, _) = words.as_chunks::<{ BLOCK / 4 }>();
    for block in blocks {
        compress(state, block);
    }
}

/// RFC 1321 §3.4: one block into the state, every lane alike. `F`, `G`, `H` and `I` are its mixing
/// functions; each step `[abcd k s i]` stands with its rotation as a constant.
fn compress(state: &mut [Lanes; 4], block: &[Lanes; 16]) {
    let [mut a, mut b, mut c, mut d] = *state;
    macro_rules! step {
        ($mix:ident, $a:ident, $b:ident, $c:ident, $d:ident, $word:expr, $sine:expr, $turn:literal) => {
            let sum = $a + $mix!($b, $c, $d) + block[$word % 16] + Lanes::splat(SINES[$sine]);
            $a = $b + ((sum << $turn) | (sum >> (32 - $turn)));
        };
    }
    macro_rules! round {
        ($round:literal, $mix:ident, $stride:literal, $offset:literal, $s:literal, $t:literal, $u:literal, $v:literal) => {
            for four in 0..4 {
                let step = 4 * four;
                let sine = 16 * $round + step;
                step!($mix, a, b, c, d, $stride * step + $offset, sine, $s);
                step!($mix, d, a, b, c, $stride * (step + 1) + $offset, sine + 1, $t);
                step!($mix, c, d, a, b, $stride * (step + 2) + $offset, sine + 2, $u);
                step!($mix, b, c, d, a, $stride * (step + 3) + $offset, sine + 3, $v);
            }
        };
    }
    macro_rules! F {
        ($x:ident, $y:ident, $z:ident) => {
            ($x & ($y ^ $z)) ^ $z
        };
    }
    macro_rules! G {
        ($x:ident, $y:ident, $z:ident) => {
            ($z & ($x ^ $y)) ^ $y
        };
    }
    macro_rules! H {
        ($x:ident, $y:ident, $z:ident) => {
            $x ^ $y ^ $z
        };
    }
    macro_rules! I {
        ($x:ident, $y:ident, $z:ident) => {
            $y ^ ($x | !$z)
        };
    }
    round!(0, F, 1, 0, 7, 12, 17, 22);
    round!(1, G, 5, 1, 5, 9, 14, 20);
    round!(2, H, 3, 5, 4, 11, 16, 23);
    round!(3, I, 7, 0, 6, 10, 15, 21);
    for (word, add) in state.iter_mut().zip([a, b, c, d]) {
        *word += add;
    }
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
            let passphrases: Vec<SecretString> = (0..length % 19)
                // A longer one in between, as a file of other clients could have.
                .map(|n| SecretString::from(format!("{n:02}").repeat(length) + if n == 5 { "+" } else { "" }))
                .collect();
            let salt = |n: usize| (n as u64 * 0x9e37_79b9).to_be_bytes();
            let secrets: Vec<_> = passphrases.iter().enumerate().map(|(n, text)| (text, salt(n))).collect();
            let derived = derive(&secrets);
            assert_eq!(derived.len(), secrets.len());
            for ((passphrase, salt), derived) in secrets.iter().zip(derived) {
                assert_eq!(*derived, reference(passphrase.expose(), *salt), "length {length}");
                assert_eq!(*derive_one(passphrase, *salt), *derived);
            }
        }
    }
}
