//! gzip (RFC 1952), into memory that is wiped: a decoder's own window would keep the end of what it gave.

use crate::wiped::append;
use keyferry_crypto::error::{Error, ErrorKind, Result};
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};
use zeroize::Zeroizing;

/// What anything may grow to, however it is compressed.
const MOST: usize = 1 << 30;
/// What it may grow to at once, and how many times its size beyond that: real files come to a twentieth.
const FREE: usize = 64 << 20;
const FACTOR: usize = 200;

/// Whether bytes begin as gzip does.
pub(crate) fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b])
}

fn damaged() -> Error {
    Error::new(ErrorKind::Decrypt, "what is compressed in the file is damaged")
        .next_step("take another copy of the file")
}

fn too_large() -> Error {
    Error::new(ErrorKind::Input, "what is compressed in the file grows without measure")
        .next_step("do not trust this file: it is made to fill the memory")
}

/// What one member holds.
///
/// # Errors
/// [`ErrorKind::Decrypt`] where it is damaged, [`ErrorKind::Input`] where it grows beyond 64 MiB and two hundred times its
/// size, or beyond 1 GiB.
pub(crate) fn gunzip(input: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let body = header(input).ok_or_else(damaged)?;
    let limit = MOST.min(FREE + FACTOR.saturating_mul(body.len()));
    // The last four bytes should be the length; nothing is believed but a hint.
    let hint = body.last_chunk::<4>().map_or(0, |length| u32::from_le_bytes(*length) as usize);
    let mut out = Zeroizing::new(vec![0; hint.min(body.len().saturating_mul(32)).clamp(1 << 12, limit)]);
    let mut state = Box::<DecompressorOxide>::default();
    let (mut read, mut written) = (0, 0);
    loop {
        let rest = body.get(read..).unwrap_or_default();
        let (status, more_read, more_written) =
            decompress(&mut state, rest, &mut out, written, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF);
        read += more_read;
        written += more_written;
        match status {
            TINFLStatus::Done => break,
            TINFLStatus::HasMoreOutput if out.len() >= limit => return Err(too_large()),
            TINFLStatus::HasMoreOutput => {
                let length = out.len().saturating_mul(2).min(limit);
                let mut grown = Zeroizing::new(Vec::with_capacity(length));
                append(&mut grown, &out);
                grown.resize(length, 0);
                out = grown;
            }
            _ => return Err(damaged()),
        }
    }
    out.truncate(written);
    let trailer = body.get(read..).and_then(|rest| rest.first_chunk::<8>()).ok_or_else(damaged)?;
    let [a, b, c, d, length @ ..] = *trailer;
    let whole = u32::from_le_bytes([a, b, c, d]) == crc32fast::hash(&out)
        && u32::from_le_bytes(length) as usize == written & 0xffff_ffff;
    if whole { Ok(out) } else { Err(damaged()) }
}

/// What follows the header.
fn header(input: &[u8]) -> Option<&[u8]> {
    let ([0x1f, 0x8b, 8, flags, ..], mut rest) = input.split_first_chunk::<10>()? else { return None };
    if flags & 4 != 0 {
        let (length, after) = rest.split_first_chunk::<2>()?;
        rest = after.get(usize::from(u16::from_le_bytes(*length))..)?;
    }
    // A name and a comment end with a zero.
    for flag in [8, 16] {
        if flags & flag != 0 {
            rest = rest.get(memchr::memchr(0, rest)? + 1..)?;
        }
    }
    if flags & 2 != 0 {
        rest = rest.get(2..)?;
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(content: &[u8]) -> Vec<u8> {
        let mut out = vec![0x1f, 0x8b, 8, 8 | 16 | 2 | 4, 0, 0, 0, 0, 0, 255, 2, 0, 1, 2];
        out.extend(b"name\0comment\0hc");
        out.extend(miniz_oxide::deflate::compress_to_vec(content, 6));
        out.extend(crc32fast::hash(content).to_le_bytes());
        out.extend(u32::try_from(content.len()).unwrap().to_le_bytes());
        out
    }

    #[test]
    fn what_was_packed_comes_back_and_damage_shows() {
        for content in [&b""[..], b"a", &b"zeros and ones ".repeat(9_000)] {
            let packed = member(content);
            assert_eq!(&*gunzip(&packed).unwrap(), content);
            for cut in 0..packed.len().min(80) {
                assert_eq!(gunzip(&packed[..cut]).unwrap_err().kind(), ErrorKind::Decrypt, "{cut}");
            }
            let mut wrong = packed.clone();
            let at = wrong.len() - 5;
            wrong[at] ^= 1;
            assert!(gunzip(&wrong).is_err());
        }
    }

    #[test]
    fn a_bomb_is_refused_before_it_fills_the_memory() {
        let bomb = member(&vec![0; FREE + (8 << 20)]);
        assert!(bomb.len() < 100_000, "{}", bomb.len());
        let limit = FREE + FACTOR * bomb.len();
        assert!(limit > FREE + (8 << 20) || gunzip(&bomb).unwrap_err().kind() == ErrorKind::Input);
        let bomb = member(&vec![0; FREE * 2]);
        assert_eq!(gunzip(&bomb).unwrap_err().to_string(), too_large().to_string());
    }
}
