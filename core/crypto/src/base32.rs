//! Passwork's own base32: alphabet `0123456789abcdefghjkmnpqrtuvwxyz`, five bits a character,
//! most significant first, the last group filled with zero bits, no padding character.
//!
//! Reading is lenient, as the official client is: case does not matter, `o` `i` `l` `s` stand
//! for `0` `1` `1` `5`, any other character is skipped, leftover bits are dropped.

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrtuvwxyz";
const SKIP: u8 = 0xff;

#[expect(clippy::cast_possible_truncation, reason = "an index into 32 characters")]
const VALUES: [u8; 256] = {
    let mut values = [SKIP; 256];
    let mut index = 0;
    while index < 32 {
        values[ALPHABET[index] as usize] = index as u8;
        values[ALPHABET[index].to_ascii_uppercase() as usize] = index as u8;
        index += 1;
    }
    let aliases = [(b'o', 0), (b'i', 1), (b'l', 1), (b's', 5)];
    let mut index = 0;
    while index < aliases.len() {
        values[aliases[index].0 as usize] = aliases[index].1;
        values[aliases[index].0.to_ascii_uppercase() as usize] = aliases[index].1;
        index += 1;
    }
    values
};

/// Two characters for each ten bits: half as many look-ups. What is encoded is ciphertext, so where they fall tells nothing.
const PAIRS: [[u8; 2]; 1024] = {
    let mut pairs = [[0; 2]; 1024];
    let mut bits = 0;
    while bits < 1024 {
        pairs[bits] = [ALPHABET[bits >> 5], ALPHABET[bits & 31]];
        bits += 1;
    }
    pairs
};

/// Encodes bytes: eight characters for five bytes.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    let character = |bits: u64, index: usize| ALPHABET[(bits >> (35 - 5 * index) & 31) as usize];
    let (groups, rest) = bytes.as_chunks::<5>();
    let mut text = Vec::with_capacity((bytes.len() * 8).div_ceil(5));
    text.resize(groups.len() * 8, 0);
    for (&[a, b, c, d, e], characters) in groups.iter().zip(text.as_chunks_mut::<8>().0) {
        let bits = u64::from_be_bytes([0, 0, 0, a, b, c, d, e]);
        let pair = |shift: u32| PAIRS[(bits >> shift & 1023) as usize];
        characters.copy_from_slice([pair(30), pair(20), pair(10), pair(0)].as_flattened());
    }
    let mut last = [0; 8];
    last[3..3 + rest.len()].copy_from_slice(rest);
    let bits = u64::from_be_bytes(last);
    text.extend((0..(rest.len() * 8).div_ceil(5)).map(|index| character(bits, index)));
    // The alphabet is ASCII.
    String::from_utf8(text).unwrap_or_default()
}

/// Decodes text; never fails.
#[must_use]
pub fn decode(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    decode_into(text, &mut bytes);
    bytes
}

/// Decodes text into a buffer that is emptied first; never fails.
pub fn decode_into(text: &str, bytes: &mut Vec<u8>) {
    // Groups of eight characters without junk are the rule.
    let (groups, _) = text.as_bytes().as_chunks::<8>();
    bytes.clear();
    bytes.reserve(text.len() * 5 / 8);
    bytes.resize(groups.len() * 5, 0);
    let mut clean = 0;
    for (group, five) in groups.iter().zip(bytes.as_chunks_mut::<5>().0) {
        let (mut bits, mut junk) = (0_u64, 0);
        for &character in group {
            let value = VALUES[character as usize];
            junk |= value;
            bits = bits << 5 | u64::from(value);
        }
        if junk > 31 {
            break;
        }
        let [_, _, _, decoded @ ..] = bits.to_be_bytes();
        *five = decoded;
        clean += 1;
    }
    bytes.truncate(clean * 5);
    let rest = &text.as_bytes()[clean * 8..];
    let (mut bits, mut held) = (0_u32, 0);
    for &character in rest {
        let value = VALUES[character as usize];
        if value == SKIP {
            continue;
        }
        bits = bits << 5 | u32::from(value);
        held += 5;
        if held >= 8 {
            held -= 8;
            let [.., byte] = (bits >> held).to_be_bytes();
            bytes.push(byte);
            bits &= (1 << held) - 1;
        }
    }
}
