//! MD5 (RFC 1321) of many messages of one length at once, a lane for each.
//!
//! One function is written for any number of lanes and compiled for several sets of instructions; which of them this machine
//! has is asked while the program runs, so that one binary uses what there is. A step of MD5 waits for the one before it:
//! each half of the lanes is a chain of its own, and a core works on the one while it waits for the other.

use zeroize::Zeroize as _;

/// Bytes of a block.
pub(crate) const BLOCK: usize = 64;
/// Bytes of a digest.
pub(crate) const DIGEST: usize = 16;

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

/// One 32-bit word of each lane.
pub(crate) type Lanes<const N: usize> = [u32; N];

/// Words that secrets were copied into: wiped when dropped.
pub(crate) struct Words<const N: usize>(pub(crate) Vec<Lanes<N>>);

impl<const N: usize> Drop for Words<N> {
    fn drop(&mut self) {
        self.0.as_flattened_mut().zeroize();
    }
}

/// Before the first block.
pub(crate) const fn start<const N: usize>() -> [Lanes<N>; 4] {
    [[START[0]; N], [START[1]; N], [START[2]; N], [START[3]; N]]
}

/// The instructions that hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    /// What every machine of this architecture has: SSE2 on x86-64, NEON on 64-bit Arm.
    Baseline,
    /// Registers of 256 bits.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// Registers of 512 bits, with a rotation of their own.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Path {
    /// Those that this machine has, the slowest first.
    pub(crate) fn here() -> impl Iterator<Item = Self> {
        let baseline = std::iter::once(Self::Baseline);
        #[cfg(target_arch = "x86_64")]
        let all = {
            let wide = [
                (Self::Avx2, std::arch::is_x86_feature_detected!("avx2")),
                (Self::Avx512, std::arch::is_x86_feature_detected!("avx512f")),
            ];
            baseline.chain(wide.into_iter().filter(|(_, there)| *there).map(|(path, _)| path))
        };
        #[cfg(not(target_arch = "x86_64"))]
        let all = baseline;
        all
    }

    /// The fastest.
    pub(crate) fn best() -> Self {
        Self::here().last().unwrap_or(Self::Baseline)
    }
}

/// Lanes of [`Path::Baseline`]: two chains in registers of 128 bits.
pub(crate) const BASELINE: usize = 8;
/// Lanes of [`Path::Avx2`].
#[cfg(target_arch = "x86_64")]
pub(crate) const AVX2: usize = 16;
/// Lanes of [`Path::Avx512`].
#[cfg(target_arch = "x86_64")]
pub(crate) const AVX512: usize = 32;

/// Hashes padded messages of one length, with what every machine has.
pub(crate) fn hash(state: &mut [Lanes<BASELINE>; 4], words: &[Lanes<BASELINE>]) {
    blocks(state, words);
}

/// The same with AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
pub(crate) fn hash_avx2(state: &mut [Lanes<AVX2>; 4], words: &[Lanes<AVX2>]) {
    blocks(state, words);
}

/// The same with AVX-512.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
pub(crate) fn hash_avx512(state: &mut [Lanes<AVX512>; 4], words: &[Lanes<AVX512>]) {
    blocks(state, words);
}

#[expect(clippy::inline_always, reason = "or it would be compiled for the baseline alone")]
#[inline(always)]
fn blocks<const N: usize>(state: &mut [Lanes<N>; 4], words: &[Lanes<N>]) {
    let (blocks, _) = words.as_chunks::<{ BLOCK / 4 }>();
    for block in blocks {
        compress(state, block);
    }
}

/// RFC 1321 §3.4: one block into the state, every lane alike. `F`, `G`, `H` and `I` are its mixing functions; each step
/// `[abcd k s i]` stands with its rotation as a constant, for one lane of each half. The compiler makes vectors of the loop.
#[expect(clippy::inline_always, reason = "or it would be compiled for the baseline alone")]
#[expect(clippy::many_single_char_names, reason = "the RFC's own, and those of the second chain")]
#[inline(always)]
fn compress<const N: usize>(state: &mut [Lanes<N>; 4], block: &[Lanes<N>; 16]) {
    for one in 0..N / 2 {
        let two = one + N / 2;
        let [mut a, mut b, mut c, mut d] = [state[0][one], state[1][one], state[2][one], state[3][one]];
        let [mut e, mut f, mut g, mut h] = [state[0][two], state[1][two], state[2][two], state[3][two]];
        macro_rules! step {
            ($mix:ident, $lane:ident, $a:ident, $b:ident, $c:ident, $d:ident, $word:expr, $sine:expr, $turn:literal) => {
                let word = block[$word % 16][$lane].wrapping_add(SINES[$sine]);
                let sum = $a.wrapping_add($mix!($b, $c, $d)).wrapping_add(word);
                $a = $b.wrapping_add(sum.rotate_left($turn));
            };
        }
        macro_rules! both {
            ($mix:ident, [$($one:ident)*], [$($two:ident)*], $word:expr, $sine:expr, $turn:literal) => {
                step!($mix, one, $($one,)* $word, $sine, $turn);
                step!($mix, two, $($two,)* $word, $sine, $turn);
            };
        }
        macro_rules! round {
            ($round:literal, $mix:ident, $stride:literal, $offset:literal, $s:literal, $t:literal, $u:literal, $v:literal: $($step:literal)*) => {
                $(
                    both!($mix, [a b c d], [e f g h], $stride * $step + $offset, 16 * $round + $step, $s);
                    both!($mix, [d a b c], [h e f g], $stride * ($step + 1) + $offset, 16 * $round + $step + 1, $t);
                    both!($mix, [c d a b], [g h e f], $stride * ($step + 2) + $offset, 16 * $round + $step + 2, $u);
                    both!($mix, [b c d a], [f g h e], $stride * ($step + 3) + $offset, 16 * $round + $step + 3, $v);
                )*
            };
        }
        macro_rules! F {
            ($x:ident, $y:ident, $z:ident) => {
                ($x & ($y ^ $z)) ^ $z
            };
        }
        macro_rules! G {
            ($x:ident, $y:ident, $z:ident) => {
                // No bit is in both terms, so a sum joins them: one of them need not wait for the other.
                ($z & $x).wrapping_add(!$z & $y)
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
        round!(0, F, 1, 0, 7, 12, 17, 22: 0 4 8 12);
        round!(1, G, 5, 1, 5, 9, 14, 20: 0 4 8 12);
        round!(2, H, 3, 5, 4, 11, 16, 23: 0 4 8 12);
        round!(3, I, 7, 0, 6, 10, 15, 21: 0 4 8 12);
        for ((word, one_adds), two_adds) in state.iter_mut().zip([a, b, c, d]).zip([e, f, g, h]) {
            word[one] = word[one].wrapping_add(one_adds);
            word[two] = word[two].wrapping_add(two_adds);
        }
    }
}
