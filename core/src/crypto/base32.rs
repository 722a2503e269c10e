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

/// Encodes bytes: eight characters for five bytes.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    for group in bytes.chunks(5) {
        let mut block = [0; 8];
        block[3..3 + group.len()].copy_from_slice(group);
        let bits = u64::from_be_bytes(block);
        for index in 0..(group.len() * 8).div_ceil(5) {
            let value = (bits >> (35 - 5 * index)) & 31;
            text.push(char::from(ALPHABET[value as usize]));
        }
    }
    text
}

/// Decodes text; never fails.
#[must_use]
pub fn decode(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() * 5 / 8);
    let (mut bits, mut held) = (0_u32, 0);
    for character in text.bytes() {
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
    bytes
}
