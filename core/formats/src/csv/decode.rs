//! From bytes in any encoding to bytes that should be UTF-8.
//!
//! A sequence that does not fit the encoding becomes one byte 0xFF, which UTF-8 never
//! holds: the row it stands in fails the check that every row goes through anyway.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8};
use keyferry_crypto::error::{Error, ErrorKind, Result};
use std::io::Read;
use zeroize::Zeroizing;

/// How much is read before the encoding is guessed.
const HEAD: u64 = 1 << 20;
const CHUNK: usize = 1 << 16;

/// Bytes that should be UTF-8, in chunks.
pub(super) struct Decode {
    input: Box<dyn Read + Send>,
    /// `None` for UTF-8, whose bytes pass as they are.
    decoder: Option<Decoder>,
    raw: Zeroizing<Vec<u8>>,
    done: bool,
    /// The encoding's name.
    pub(super) name: &'static str,
    /// Whether it was guessed rather than told or marked.
    pub(super) guessed: bool,
}

impl Decode {
    pub(super) fn open(mut input: Box<dyn Read + Send>, label: Option<&str>) -> Result<Self> {
        let mut raw = Zeroizing::new(Vec::with_capacity(CHUNK));
        input.by_ref().take(HEAD).read_to_end(&mut raw).map_err(Error::stream)?;
        let marked = Encoding::for_bom(&raw);
        let mut guessed = false;
        let encoding = if let Some(label) = label {
            Encoding::for_label(label.as_bytes()).ok_or_else(|| {
                Error::new(ErrorKind::Usage, format!("no encoding is called {label}"))
                    .next_step("use a name such as utf-8, utf-16le, windows-1251 or windows-1252")
            })?
        } else if let Some((encoding, _)) = marked {
            encoding
        } else if fits_utf8(&raw) {
            UTF_8
        } else {
            guessed = true;
            let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
            detector.feed(&raw, true);
            detector.guess(None, Utf8Detection::Deny)
        };
        if let Some((marked, length)) = marked
            && marked == encoding
        {
            raw.drain(..length);
        }
        let decoder = (encoding != UTF_8).then(|| encoding.new_decoder_without_bom_handling());
        Ok(Self { input, decoder, raw, done: false, name: encoding.name(), guessed })
    }

    /// Puts the next bytes into `out`; `false` at the end.
    pub(super) fn next(&mut self, out: &mut Vec<u8>) -> Result<bool> {
        out.clear();
        while out.is_empty() {
            if self.done {
                return Ok(false);
            }
            if self.raw.is_empty() {
                self.raw.resize(CHUNK, 0);
                let count = loop {
                    match self.input.read(&mut self.raw) {
                        Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                        other => break other.map_err(Error::stream)?,
                    }
                };
                self.raw.truncate(count);
                self.done = count == 0;
            }
            match &mut self.decoder {
                None => out.extend_from_slice(&self.raw),
                Some(decoder) => {
                    let mut rest: &[u8] = &self.raw;
                    loop {
                        let room = decoder.max_utf8_buffer_length_without_replacement(rest.len());
                        let start = out.len();
                        out.resize(start + room.unwrap_or(rest.len() * 4 + 16), 0);
                        let target = out.get_mut(start..).unwrap_or_default();
                        let (result, read, written) =
                            decoder.decode_to_utf8_without_replacement(rest, target, self.done);
                        out.truncate(start + written);
                        rest = rest.get(read..).unwrap_or_default();
                        match result {
                            DecoderResult::InputEmpty => break,
                            DecoderResult::OutputFull => {}
                            DecoderResult::Malformed(..) => out.push(0xff),
                        }
                    }
                }
            }
            self.raw.clear();
        }
        Ok(true)
    }
}

/// Whether this is UTF-8, but for a character that the end may have cut.
fn fits_utf8(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes)
        .err()
        .is_none_or(|error| error.error_len().is_none() && bytes.len() as u64 >= HEAD)
}
