//! Two chains of HMAC-SHA-256 at once, for PBKDF2 (RFC 8018 §5.2): each link is the HMAC of the one before it.
//!
//! A round of SHA-256 waits for the round before it, so a core that has instructions for it idles half of the time. Two
//! chains that know nothing of each other take turns there: both end in the time that one would have taken. Elsewhere each has
//! a thread of its own.

use crate::secret::wiped;
use sha2::block_api::compress256;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// The state of SHA-256, and a link of a chain: eight words.
pub(crate) type State = [u32; 8];

/// FIPS 180-4 §5.3.3.
const INITIAL: State =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// The end of a message of 32 bytes after a block of 64, which are 768 bits.
const PADDING: State = [0x8000_0000, 0, 0, 0, 0, 0, 0, 768];

/// The states after the two padded keys of HMAC (RFC 2104).
pub(crate) struct Pads {
    inner: Zeroizing<State>,
    outer: Zeroizing<State>,
}

impl Pads {
    pub(crate) fn new(password: &[u8]) -> Self {
        let mut key = Zeroizing::new([0; 64]);
        if password.len() > key.len() {
            key[..32].copy_from_slice(&wiped(|| Sha256::digest(password)));
        } else {
            key[..password.len()].copy_from_slice(password);
        }
        let padded = |pad: u8| {
            let mut block = key.clone();
            block.iter_mut().for_each(|byte| *byte ^= pad);
            let mut state = Zeroizing::new(INITIAL);
            compress256(&mut state, std::slice::from_ref(&*block));
            state
        };
        Self { inner: padded(0x36), outer: padded(0x5c) }
    }

    /// Goes on for so many links, and adds each to its chain's sum by XOR.
    #[cfg_attr(
        target_arch = "x86_64",
        expect(unsafe_code, reason = "a function compiled for instructions that not every machine has")
    )]
    pub(crate) fn extend(&self, links: &mut [State; 2], sums: &mut [State; 2], count: u32) {
        #[cfg(target_arch = "x86_64")]
        if x86::is_here() {
            // SAFETY: this machine has what the function needs, and it is safe but for that.
            return wiped(|| unsafe { x86::extend(self, links, sums, count) });
        }
        self.extend_anywhere(links, sums, count);
    }

    /// The same, with what every machine has: a thread for each chain.
    fn extend_anywhere(&self, links: &mut [State; 2], sums: &mut [State; 2], count: u32) {
        let ([one, other], [of_one, of_other]) = (links, sums);
        let extend = |link: &mut State, sum: &mut State| wiped(|| self.extend_one(link, sum, count));
        rayon::join(|| extend(one, of_one), || extend(other, of_other));
    }

    fn extend_one(&self, link: &mut State, sum: &mut State, count: u32) {
        let mut block = [0; 64];
        for (bytes, word) in block[32..].chunks_mut(4).zip(&PADDING) {
            bytes.copy_from_slice(&word.to_be_bytes());
        }
        for _ in 0..count {
            for after in [&self.inner, &self.outer] {
                for (bytes, word) in block.chunks_mut(4).zip(&*link) {
                    bytes.copy_from_slice(&word.to_be_bytes());
                }
                link.copy_from_slice(&**after);
                compress256(link, std::slice::from_ref(&block));
            }
            for (sum, word) in sum.iter_mut().zip(&*link) {
                *sum ^= word;
            }
        }
    }
}

/// The processor's instructions for SHA-256.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{PADDING, Pads, State};
    use std::arch::x86_64::{
        __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_blend_epi16, _mm_extract_epi32, _mm_set_epi32,
        _mm_setzero_si128, _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32,
        _mm_shuffle_epi32, _mm_xor_si128,
    };

    /// FIPS 180-4 §4.2.2: the first 32 bits of the fractional parts of the cube roots of the first 64 primes.
    const ROOTS: [u32; 64] = [
        0x428a_2f98,
        0x7137_4491,
        0xb5c0_fbcf,
        0xe9b5_dba5,
        0x3956_c25b,
        0x59f1_11f1,
        0x923f_82a4,
        0xab1c_5ed5,
        0xd807_aa98,
        0x1283_5b01,
        0x2431_85be,
        0x550c_7dc3,
        0x72be_5d74,
        0x80de_b1fe,
        0x9bdc_06a7,
        0xc19b_f174,
        0xe49b_69c1,
        0xefbe_4786,
        0x0fc1_9dc6,
        0x240c_a1cc,
        0x2de9_2c6f,
        0x4a74_84aa,
        0x5cb0_a9dc,
        0x76f9_88da,
        0x983e_5152,
        0xa831_c66d,
        0xb003_27c8,
        0xbf59_7fc7,
        0xc6e0_0bf3,
        0xd5a7_9147,
        0x06ca_6351,
        0x1429_2967,
        0x27b7_0a85,
        0x2e1b_2138,
        0x4d2c_6dfc,
        0x5338_0d13,
        0x650a_7354,
        0x766a_0abb,
        0x81c2_c92e,
        0x9272_2c85,
        0xa2bf_e8a1,
        0xa81a_664b,
        0xc24b_8b70,
        0xc76c_51a3,
        0xd192_e819,
        0xd699_0624,
        0xf40e_3585,
        0x106a_a070,
        0x19a4_c116,
        0x1e37_6c08,
        0x2748_774c,
        0x34b0_bcb5,
        0x391c_0cb3,
        0x4ed8_aa4a,
        0x5b9c_ca4f,
        0x682e_6ff3,
        0x748f_82ee,
        0x78a5_636f,
        0x84c8_7814,
        0x8cc7_0208,
        0x90be_fffa,
        0xa450_6ceb,
        0xbef9_a3f7,
        0xc671_78f2,
    ];

    /// Whether this machine has the instructions.
    pub(super) fn is_here() -> bool {
        std::arch::is_x86_feature_detected!("sha")
            && std::arch::is_x86_feature_detected!("ssse3")
            && std::arch::is_x86_feature_detected!("sse4.1")
    }

    /// Four words of each of the two chains.
    type Both = [__m128i; 2];

    /// The states of the two chains as the instructions take them: the words A, B, E, F and C, D, G, H, the last lowest.
    #[derive(Clone, Copy)]
    struct Halves {
        abef: Both,
        cdgh: Both,
    }

    #[target_feature(enable = "sha,ssse3,sse4.1")]
    fn four(words: [u32; 4]) -> __m128i {
        let [a, b, c, d] = words.map(u32::cast_signed);
        _mm_set_epi32(d, c, b, a)
    }

    #[target_feature(enable = "sha,ssse3,sse4.1")]
    fn halves(of: [&State; 2]) -> Halves {
        Halves {
            abef: of.map(|state| four([state[5], state[4], state[1], state[0]])),
            cdgh: of.map(|state| four([state[7], state[6], state[3], state[2]])),
        }
    }

    /// The states' words in their order, which is that of a message.
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    fn in_order(halves: &Halves) -> [Both; 2] {
        let mut order = [halves.abef, halves.cdgh];
        for (chain, (abef, cdgh)) in halves.abef.into_iter().zip(halves.cdgh).enumerate() {
            let feba = _mm_shuffle_epi32(abef, 0b00_01_10_11);
            let dchg = _mm_shuffle_epi32(cdgh, 0b10_11_00_01);
            order[0][chain] = _mm_blend_epi16(feba, dchg, 0b1111_0000);
            order[1][chain] = _mm_alignr_epi8(dchg, feba, 8);
        }
        order
    }

    /// Four rounds of each chain; `words` are those of the message for them.
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    #[inline]
    fn rounds(first: usize, halves: &mut Halves, words: Both) {
        let roots = four([ROOTS[first], ROOTS[first + 1], ROOTS[first + 2], ROOTS[first + 3]]);
        let low = words.map(|words| _mm_add_epi32(words, roots));
        for (chain, low) in low.into_iter().enumerate() {
            halves.cdgh[chain] = _mm_sha256rnds2_epu32(halves.cdgh[chain], halves.abef[chain], low);
        }
        for (chain, low) in low.into_iter().enumerate() {
            let high = _mm_shuffle_epi32(low, 0b00_00_11_10);
            halves.abef[chain] = _mm_sha256rnds2_epu32(halves.abef[chain], halves.cdgh[chain], high);
        }
    }

    /// FIPS 180-4 §6.2.2 for a block of each chain, which is made of what was `link`ed and of padding.
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    #[inline]
    fn compress(after: &Halves, link: [Both; 2], padding: [__m128i; 2]) -> Halves {
        let mut halves = *after;
        let mut words = [link[0], link[1], [padding[0]; 2], [padding[1]; 2]];
        for (index, words) in words.into_iter().enumerate() {
            rounds(4 * index, &mut halves, words);
        }
        for first in (16..64).step_by(16) {
            for index in 0..4 {
                let (second, third, last) =
                    (words[(index + 1) % 4], words[(index + 2) % 4], words[(index + 3) % 4]);
                for chain in 0..2 {
                    let sum = _mm_sha256msg1_epu32(words[index][chain], second[chain]);
                    let sum = _mm_add_epi32(sum, _mm_alignr_epi8(last[chain], third[chain], 4));
                    words[index][chain] = _mm_sha256msg2_epu32(sum, last[chain]);
                }
                rounds(first + 4 * index, &mut halves, words[index]);
            }
        }
        for chain in 0..2 {
            halves.abef[chain] = _mm_add_epi32(halves.abef[chain], after.abef[chain]);
            halves.cdgh[chain] = _mm_add_epi32(halves.cdgh[chain], after.cdgh[chain]);
        }
        halves
    }

    /// See [`Pads::extend`].
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    pub(super) fn extend(pads: &Pads, links: &mut [State; 2], sums: &mut [State; 2], count: u32) {
        let (inner, outer) = (halves([&*pads.inner; 2]), halves([&*pads.outer; 2]));
        let padding = [
            [PADDING[0], PADDING[1], PADDING[2], PADDING[3]],
            [PADDING[4], PADDING[5], PADDING[6], PADDING[7]],
        ];
        let padding = padding.map(|words| four(words));
        let mut link = in_order(&halves([&links[0], &links[1]]));
        let mut added = [[_mm_setzero_si128(); 2]; 2];
        for _ in 0..count {
            link = in_order(&compress(&inner, link, padding));
            link = in_order(&compress(&outer, link, padding));
            for half in 0..2 {
                for chain in 0..2 {
                    added[half][chain] = _mm_xor_si128(added[half][chain], link[half][chain]);
                }
            }
        }
        for chain in 0..2 {
            for half in 0..2 {
                let at = 4 * half..4 * half + 4;
                links[chain][at.clone()].copy_from_slice(&apart(link[half][chain]));
                for (sum, word) in sums[chain][at].iter_mut().zip(apart(added[half][chain])) {
                    *sum ^= word;
                }
            }
        }
    }

    #[target_feature(enable = "sha,ssse3,sse4.1")]
    fn apart(words: __m128i) -> [u32; 4] {
        [
            _mm_extract_epi32(words, 0),
            _mm_extract_epi32(words, 1),
            _mm_extract_epi32(words, 2),
            _mm_extract_epi32(words, 3),
        ]
        .map(i32::cast_unsigned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mac::keyed;
    use hmac::{Hmac, Mac as _};

    /// The chains by HMAC as its crate has it.
    fn expected(password: &[u8], links: [State; 2], count: u32) -> ([State; 2], [State; 2]) {
        let (mut links, mut sums) = (links, [[7; 8]; 2]);
        for (link, sum) in links.iter_mut().zip(&mut sums) {
            for _ in 0..count {
                let mut mac: Hmac<Sha256> = keyed(password);
                for word in &*link {
                    mac.update(&word.to_be_bytes());
                }
                let next = mac.finalize().into_bytes();
                for (word, bytes) in link.iter_mut().zip(next.chunks(4)) {
                    *word = u32::from_be_bytes(bytes.try_into().unwrap());
                }
                sum.iter_mut().zip(&*link).for_each(|(sum, word)| *sum ^= word);
            }
        }
        (links, sums)
    }

    #[test]
    fn each_path_chains_what_hmac_does() {
        for length in [0, 5, 63, 64, 65, 200] {
            let password = "password".repeat(30).into_bytes()[..length].to_vec();
            let pads = Pads::new(&password);
            let from = [[1, 2, 3, 4, 5, 6, 7, 8], [u32::MAX, 0x8000_0000, 0, 1, 99, 98, 97, 96]];
            for count in [0, 1, 2, 50] {
                let want = expected(&password, from, count);
                let (mut links, mut sums) = (from, [[7; 8]; 2]);
                pads.extend_anywhere(&mut links, &mut sums, count);
                assert_eq!((links, sums), want);
                let (mut links, mut sums) = (from, [[7; 8]; 2]);
                pads.extend(&mut links, &mut sums, count);
                assert_eq!((links, sums), want);
            }
        }
    }
}
