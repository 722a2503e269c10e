//! Standard input or a pipe, kept so that it can be read twice: sealed on the disk, as it holds secrets.
//!
//! Blocks of 64 KiB under AES-256-GCM. The key is random and never leaves this process; a block's
//! number is its nonce. The file has no name and is gone with the process, however that ends.

use crate::crypto::generate;
use crate::error::{Error, ErrorKind, Result};
use aes_gcm::aead::{AeadInOut as _, KeyInit as _};
use aes_gcm::{Aes256Gcm, Nonce, Tag};
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use zeroize::Zeroizing;

const BLOCK: usize = 64 << 10;
const TAG: usize = 16;

/// What was read, sealed.
pub struct Spool {
    cipher: Aes256Gcm,
    /// As the user named it.
    path: PathBuf,
    file: Mutex<File>,
    /// Bytes of plaintext.
    length: u64,
}

impl std::fmt::Debug for Spool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Spool({} bytes)", self.length)
    }
}

impl Spool {
    /// Reads `from`, which the user named by this path, to the end.
    pub(crate) fn fill(path: &Path, mut from: impl Read) -> Result<Arc<Self>> {
        let mut key = Zeroizing::new([0; 32]);
        generate::random_bytes(&mut *key)?;
        let cipher = Aes256Gcm::new((&*key).into());
        let folder = std::env::temp_dir();
        let failed = |error| Error::io(&folder, error);
        let mut file = tempfile::tempfile().map_err(failed)?;
        let mut block = Zeroizing::new(vec![0; BLOCK]);
        let mut length = 0;
        for number in 0.. {
            let filled = fill(&mut from, &mut block).map_err(|error| Error::io(path, error))?;
            if filled == 0 {
                break;
            }
            let tag = cipher
                .encrypt_inout_detached(&nonce(number), b"", (&mut block[..filled]).into())
                .map_err(|_| Error::new(ErrorKind::Internal, "what a pipe gives could not be sealed"))?;
            file.write_all(&block[..filled]).and_then(|()| file.write_all(&tag)).map_err(failed)?;
            length += filled as u64;
        }
        Ok(Arc::new(Self { cipher, path: path.to_owned(), file: Mutex::new(file), length }))
    }

    /// Where it came from, as the user named it.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads it from the beginning; several readings do not disturb each other.
    pub(crate) fn read(self: &Arc<Self>) -> impl Read + Send + use<> {
        Reading { spool: self.clone(), number: 0, block: Zeroizing::new(Vec::new()), taken: 0 }
    }
}

struct Reading {
    spool: Arc<Spool>,
    number: u64,
    block: Zeroizing<Vec<u8>>,
    taken: usize,
}

impl Reading {
    /// Opens the next block; an empty one is the end.
    fn next(&mut self) -> io::Result<()> {
        let left = self.spool.length.saturating_sub(self.number * BLOCK as u64);
        let length = usize::try_from(left).unwrap_or(BLOCK).min(BLOCK);
        self.block.resize(length, 0);
        self.taken = 0;
        if length == 0 {
            return Ok(());
        }
        let mut tag = Tag::default();
        {
            let mut file = self.spool.file.lock().unwrap_or_else(PoisonError::into_inner);
            file.seek(SeekFrom::Start(self.number * (BLOCK + TAG) as u64))?;
            file.read_exact(&mut self.block)?;
            file.read_exact(&mut tag)?;
        }
        let block = self.block.as_mut_slice();
        self.spool
            .cipher
            .decrypt_inout_detached(&nonce(self.number), b"", block.into(), &tag)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the spool was changed"))?;
        self.number += 1;
        Ok(())
    }
}

impl Read for Reading {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.block.len() {
            self.next()?;
        }
        let count = to.len().min(self.block.len() - self.taken);
        to[..count].copy_from_slice(&self.block[self.taken..self.taken + count]);
        self.taken += count;
        Ok(count)
    }
}

fn nonce(number: u64) -> Nonce<aes_gcm::aead::consts::U12> {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&number.to_be_bytes());
    nonce.into()
}

/// Reads until the block is full or the input ends.
fn fill(from: &mut impl Read, block: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < block.len() {
        match from.read(&mut block[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_in_comes_out_twice_and_does_not_lie_on_the_disk() {
        for length in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 5] {
            let text: Vec<u8> = b"planted ".iter().copied().cycle().take(length).collect();
            let spool = Spool::fill(Path::new("-"), &*text).unwrap();
            for _ in 0..2 {
                let mut back = Vec::new();
                spool.read().read_to_end(&mut back).unwrap();
                assert_eq!(back, text);
            }
            let mut sealed = Vec::new();
            let mut file = spool.file.lock().unwrap();
            file.rewind().unwrap();
            file.read_to_end(&mut sealed).unwrap();
            assert!(sealed.len() >= length);
            assert!(!sealed.windows(7).any(|window| window == b"planted"));
        }
    }

    #[test]
    fn a_block_that_was_changed_is_not_believed() {
        let spool = Spool::fill(Path::new("-"), &b"a few bytes"[..]).unwrap();
        {
            let mut file = spool.file.lock().unwrap();
            let mut sealed = Vec::new();
            file.rewind().unwrap();
            file.read_to_end(&mut sealed).unwrap();
            file.seek(SeekFrom::Start(3)).unwrap();
            file.write_all(&[sealed[3] ^ 1]).unwrap();
        }
        assert!(spool.read().read_to_end(&mut Vec::new()).is_err());
    }
}
