//! The sealing layer: STREAM (Hoang, Reyhanitabar, Rogaway, Vizár: "Online Authenticated-Encryption
//! and its Nonce-Reuse Misuse-Resistance", 2015, §7) over AES-256-GCM (NIST SP 800-38D).
//!
//! `sealed chunk i = AES-256-GCM[key, prefix ‖ i ‖ last](64 KiB of plaintext)`: a prefix of 7 bytes, the
//! number of the chunk from 0 on in 4 bytes, big-endian, and 1 for the last chunk or 0 for any
//! other. The number betrays what was moved, the flag what was cut off or added, the key what came
//! from elsewhere. Groups of chunks are sealed and opened in place, on every core.

use super::read_up_to;
use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit as _, Nonce, Tag};
use keyferry_crypto::error::{Error, ErrorKind, Result};
use rayon::prelude::*;
use std::fmt;
use std::io::{Read, Write};
use zeroize::Zeroizing;

/// Bytes of plaintext in every chunk but the last, which has 1 to as many.
pub const CHUNK: usize = 64 << 10;
/// Bytes of AES-GCM's tag, which follows each chunk.
const TAG: usize = 16;
const SEALED: usize = CHUNK + TAG;
/// Chunks that are sealed or opened at a time: 6 MiB, so that cores wait for each other seldom.
const GROUP: usize = 96;

/// The key of one stream. It must serve one stream only: a second one would repeat its nonces.
pub struct Key {
    cipher: Aes256Gcm,
    prefix: [u8; 7],
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

impl Key {
    /// AES key and the first bytes of every nonce.
    #[must_use]
    pub fn new(key: &[u8; 32], prefix: [u8; 7]) -> Self {
        Self { cipher: Aes256Gcm::new(key.into()), prefix }
    }

    fn nonce(&self, number: u64, last: bool) -> Option<[u8; 12]> {
        let mut nonce = [0; 12];
        nonce[..7].copy_from_slice(&self.prefix);
        nonce[7..11].copy_from_slice(&u32::try_from(number).ok()?.to_be_bytes());
        nonce[11] = u8::from(last);
        Some(nonce)
    }

    /// Seals a chunk in place: its last bytes become the tag.
    fn seal(&self, number: u64, last: bool, chunk: &mut [u8]) -> Option<()> {
        let (plaintext, tag) = chunk.split_last_chunk_mut::<TAG>()?;
        let nonce = Nonce::from(self.nonce(number, last)?);
        *tag = self.cipher.encrypt_inout_detached(&nonce, &[], plaintext.into()).ok()?.into();
        Some(())
    }

    /// Opens a chunk in place. Nothing is decrypted where the tag is wrong.
    fn open(&self, number: u64, last: bool, chunk: &mut [u8]) -> Option<()> {
        let (ciphertext, tag) = chunk.split_last_chunk_mut::<TAG>()?;
        let nonce = Nonce::from(self.nonce(number, last)?);
        let whole = !ciphertext.is_empty();
        let tag = Tag::from(*tag);
        self.cipher.decrypt_inout_detached(&nonce, &[], ciphertext.into(), &tag).ok().filter(|()| whole)
    }
}

/// Plaintext in, sealed chunks out.
pub struct Sealer {
    output: Box<dyn Write + Send>,
    key: Key,
    /// Slots of [`SEALED`] bytes: plaintext and room for its tag.
    buffer: Zeroizing<Vec<u8>>,
    slot: usize,
    /// Bytes of plaintext in the slot.
    filled: usize,
    /// The number of the chunk in the first slot.
    number: u64,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealer(chunk {})", self.number + self.slot as u64)
    }
}

impl Sealer {
    /// Begins a stream.
    #[must_use]
    pub fn new(output: Box<dyn Write + Send>, key: Key) -> Self {
        let buffer = Zeroizing::new(vec![0; GROUP * SEALED]);
        Self { output, key, buffer, slot: 0, filled: 0, number: 0 }
    }

    /// Where the next plaintext goes: at least one byte. Whoever asks for room must fill some of it,
    /// now or by asking again, before [`Sealer::finish`]: full chunks leave as not the last.
    pub fn room(&mut self) -> Result<&mut [u8]> {
        if self.filled == CHUNK {
            self.filled = 0;
            self.slot += 1;
            if self.slot == GROUP {
                self.slot = 0;
                self.seal(GROUP * SEALED, None)?;
            }
        }
        let start = self.slot * SEALED;
        Ok(&mut self.buffer[start + self.filled..start + CHUNK])
    }

    /// Says how many bytes of the room were filled.
    pub fn filled(&mut self, bytes: usize) {
        self.filled = CHUNK.min(self.filled + bytes);
    }

    /// Seals what is left as the last chunk and hands everything to the output.
    pub fn finish(mut self) -> Result<()> {
        self.seal(self.slot * SEALED + self.filled + TAG, Some(self.slot))?;
        self.output.flush().map_err(Error::stream)
    }

    fn seal(&mut self, bytes: usize, last: Option<usize>) -> Result<()> {
        let (key, first) = (&self.key, self.number);
        let sealed = &mut self.buffer[..bytes];
        sealed
            .par_chunks_mut(SEALED)
            .enumerate()
            .try_for_each(|(slot, chunk)| key.seal(first + slot as u64, last == Some(slot), chunk))
            .ok_or_else(|| {
                Error::new(ErrorKind::Refused, "an archive holds at most 256 TiB")
                    .next_step("choose less with --vault or --folder, and make several archives")
            })?;
        self.number += GROUP as u64;
        self.output.write_all(sealed).map_err(Error::stream)
    }
}

/// Sealed chunks in, plaintext out.
pub struct Unsealer {
    input: Box<dyn Read + Send>,
    key: Key,
    /// A group of sealed chunks, opened in place, and the one byte after it, which tells whether
    /// more follows.
    buffer: Zeroizing<Vec<u8>>,
    /// Chunks opened in the buffer, and the plaintext in the last of them.
    slots: usize,
    last_length: usize,
    /// Where the plaintext that was not taken yet begins.
    slot: usize,
    taken: usize,
    /// The number of the next chunk to be opened.
    number: u64,
    /// Bytes before the first chunk, for messages.
    before: u64,
    ended: bool,
}

impl fmt::Debug for Unsealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unsealer(chunk {})", self.number)
    }
}

impl Unsealer {
    /// Begins a stream that stands `before` bytes after the start of its file.
    #[must_use]
    pub fn new(input: Box<dyn Read + Send>, key: Key, before: u64) -> Self {
        let buffer = Zeroizing::new(vec![0; GROUP * SEALED + 1]);
        Self {
            input,
            key,
            buffer,
            slots: 0,
            last_length: 0,
            slot: 0,
            taken: 0,
            number: 0,
            before,
            ended: false,
        }
    }

    /// Plaintext that was not taken yet; none once the last chunk is through.
    pub fn ready(&mut self) -> Result<&[u8]> {
        if self.slot < self.slots && self.taken == self.length() {
            self.slot += 1;
            self.taken = 0;
        }
        if self.slot == self.slots && !self.ended {
            self.refill()?;
        }
        if self.slot == self.slots {
            return Ok(&[]);
        }
        let start = self.slot * SEALED;
        Ok(&self.buffer[start + self.taken..start + self.length()])
    }

    /// Takes so many bytes of what is ready.
    pub fn take(&mut self, bytes: usize) {
        self.taken = self.length().min(self.taken + bytes);
    }

    /// Bytes of plaintext in the slot.
    fn length(&self) -> usize {
        if self.slot + 1 == self.slots { self.last_length } else { CHUNK }
    }

    fn refill(&mut self) -> Result<()> {
        let group = GROUP * SEALED;
        let carried = usize::from(self.number > 0);
        self.buffer[0] = self.buffer[group];
        let came = carried + read_up_to(&mut self.input, &mut self.buffer[carried..])?;
        self.ended = came <= group;
        let bytes = came.min(group);
        let slots = bytes.div_ceil(SEALED);
        // Only the last chunk has the flag; a file cut after any other lacks one that has.
        let last = self.ended.then(|| slots.saturating_sub(1));
        let (key, first) = (&self.key, self.number);
        let damaged = self.buffer[..bytes]
            .par_chunks_mut(SEALED)
            .enumerate()
            .map(|(slot, chunk)| key.open(first + slot as u64, last == Some(slot), chunk))
            .position_first(|opened| opened.is_none())
            .or_else(|| (bytes == 0).then_some(0));
        if let Some(slot) = damaged {
            self.ended = true;
            return Err(self.damaged(first + slot as u64));
        }
        self.number += slots as u64;
        self.slots = slots;
        self.last_length = bytes - (slots - 1) * SEALED - TAG;
        self.slot = 0;
        self.taken = 0;
        Ok(())
    }

    fn damaged(&self, number: u64) -> Error {
        let offset = self.before + number * SEALED as u64;
        Error::new(
            ErrorKind::Decrypt,
            format!("chunk {number}, at byte {offset}, is damaged, cut short or not where it belongs"),
        )
        .next_step("take another copy of the archive: what follows this place cannot be trusted")
    }
}
