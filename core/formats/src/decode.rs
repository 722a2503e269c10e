//! From bytes in any encoding to bytes that should be UTF-8.
//!
//! A sequence that does not fit the encoding becomes one byte 0xFF, which UTF-8 never
//! holds: the row it stands in fails the check that every row goes through anyway.

use crate::wiped::{append, read_all};
use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8};
use keyferry_crypto::error::{Error, ErrorKind, Result};
use keyferry_crypto::secret::{SecretBytes, SecretString};
use std::io::Read;
use zeroize::Zeroizing;

/// How much is read before the encoding is guessed.
const HEAD: u64 = 1 << 20;
const CHUNK: usize = 1 << 16;

/// Bytes that should be UTF-8, in chunks.
pub(crate) struct Decode {
    input: Box<dyn Read + Send>,
    /// `None` for UTF-8, whose bytes pass as they are.
    decoder: Option<Decoder>,
    raw: Zeroizing<Vec<u8>>,
    done: bool,
    /// The encoding's name.
    pub(crate) name: &'static str,
    /// Whether it was guessed rather than told or marked.
    pub(crate) guessed: bool,
}

impl Decode {
    /// Reads what is in the encoding called `label`; where that is `None`, in the one that a mark, the bytes or a guess says.
    pub(crate) fn open(mut input: Box<dyn Read + Send>, label: Option<&str>) -> Result<Self> {
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
        } else if let Some(encoding) = utf_16(&raw) {
            encoding
        } else if is_mostly_utf8(&raw) {
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
        Ok(Self::with(input, raw, encoding, guessed))
    }

    /// Reads JSON, whose encoding is marked or plain to see, and never guessed.
    pub(crate) fn unicode(mut input: Box<dyn Read + Send>) -> Result<Self> {
        let mut raw = Zeroizing::new(Vec::with_capacity(CHUNK));
        input.by_ref().take(CHUNK as u64).read_to_end(&mut raw).map_err(Error::stream)?;
        let (encoding, mark) = match Encoding::for_bom(&raw) {
            Some(marked) => marked,
            None => (utf_16(&raw).unwrap_or(UTF_8), 0),
        };
        raw.drain(..mark);
        Ok(Self::with(input, raw, encoding, false))
    }

    /// Takes bytes as they are, whatever they look like.
    pub(crate) fn raw(input: Box<dyn Read + Send>) -> Self {
        Self::with(input, Zeroizing::new(Vec::new()), UTF_8, false)
    }

    fn with(
        input: Box<dyn Read + Send>,
        raw: Zeroizing<Vec<u8>>,
        encoding: &'static Encoding,
        guessed: bool,
    ) -> Self {
        let decoder = (encoding != UTF_8).then(|| encoding.new_decoder_without_bom_handling());
        Self { input, decoder, raw, done: false, name: encoding.name(), guessed }
    }

    /// All of the bytes.
    ///
    /// # Errors
    /// What the input says.
    pub(crate) fn bytes(mut self) -> Result<Zeroizing<Vec<u8>>> {
        if self.decoder.is_none() {
            let mut all = std::mem::take(&mut self.raw);
            read_all(&mut self.input, &mut all).map_err(Error::stream)?;
            return Ok(all);
        }
        let (mut all, mut chunk) = (Zeroizing::new(Vec::new()), Zeroizing::new(Vec::new()));
        while self.next(&mut chunk)? {
            append(&mut all, &chunk);
        }
        Ok(all)
    }

    /// All of the text.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] where it is not UTF-8, with what to do `next`.
    pub(crate) fn text(self, next: &'static str) -> Result<SecretString> {
        let bytes = std::mem::take(&mut *self.bytes()?);
        SecretBytes::new(bytes)
            .into_text()
            .ok_or_else(|| Error::new(ErrorKind::Input, "the file is not UTF-8").next_step(next))
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

impl Decode {
    /// The same as a stream; what does not fit the encoding is a byte that UTF-8 never holds.
    pub(crate) fn into_read(self) -> impl Read + Send {
        Text { source: self, chunk: Zeroizing::new(Vec::new()), at: 0 }
    }
}

struct Text {
    source: Decode,
    chunk: Zeroizing<Vec<u8>>,
    at: usize,
}

impl Read for Text {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        if self.at == self.chunk.len() {
            self.at = 0;
            self.source.next(&mut self.chunk).map_err(std::io::Error::other)?;
        }
        let rest = self.chunk.get(self.at..).unwrap_or_default();
        let count = rest.len().min(to.len());
        if let (Some(to), Some(from)) = (to.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        self.at += count;
        Ok(count)
    }
}

/// UTF-16 without a mark: zero bytes stand on one side of its pairs alone, and many, as every delimiter has one.
pub(crate) fn utf_16(bytes: &[u8]) -> Option<&'static Encoding> {
    let head = bytes.get(..bytes.len().min(1024) & !1)?;
    let zeros = |odd: usize| head.iter().skip(odd).step_by(2).filter(|byte| **byte == 0).count();
    let (first, second, pairs) = (zeros(0), zeros(1), head.len() / 2);
    match (first, second) {
        (0, zeros) if zeros > 0 && zeros * 8 >= pairs => Some(encoding_rs::UTF_16LE),
        (zeros, 0) if zeros > 0 && zeros * 8 >= pairs => Some(encoding_rs::UTF_16BE),
        _ => None,
    }
}

/// Whether UTF-8 fits all but stray lines, which are then rejected one by one: a guess for their sake would damage the
/// others without a word. A text is not UTF-8 where no line of it says so.
fn is_mostly_utf8(bytes: &[u8]) -> bool {
    let Err(error) = std::str::from_utf8(bytes) else { return true };
    if error.error_len().is_none() && bytes.len() as u64 >= HEAD {
        return true; // The end of the head has cut a character.
    }
    let (mut plain, mut proven, mut stray) = (0_u64, 0, 0);
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        match std::str::from_utf8(line) {
            Ok(line) if line.is_ascii() => plain += 1,
            Ok(_) => proven += 1,
            Err(_) => stray += 1,
        }
    }
    // A header proves nothing, and neither does a single row beside it.
    if proven > 0 { stray <= proven } else { stray == 1 && plain > 2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stray_bytes_do_not_make_another_encoding_of_what_fits() {
        for (text, mostly) in [
            (&b"name,password\ncaf\xc3\xa9,x\nold,p\xe9ss\n"[..], true),
            (b"name,password\na,b\nc,d\nold,p\xe9ss\n", true),
            (b"name,password\ncaf\xe9,p\xe9ss\n", false),
            (b"name,password\ncaf\xe9,b\nth\xe9,d\nx,y\nz,w\n", false),
        ] {
            assert_eq!(is_mostly_utf8(text), mostly, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn utf_16_is_seen_without_a_mark() {
        let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
        assert_eq!(utf_16(&wide("name,пароль\n")), Some(encoding_rs::UTF_16LE));
        assert_eq!(utf_16(&wide("{\"name\":\"x\"}")), Some(encoding_rs::UTF_16LE));
        assert_eq!(utf_16(b"name,password"), None);
        assert_eq!(utf_16(b"PK\x03\x04\x14\0\0\0\x08\0"), None);
    }
}
