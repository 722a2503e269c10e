//! Standard input or a pipe, kept so that it can be read twice: sealed on the disk, as it holds secrets.

use crate::error::{Error, Result};
use crate::files::spool;
use crate::formats::Spool as _;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use zeroize::Zeroizing;

const BLOCK: usize = 64 << 10;

/// What was read, sealed.
pub struct Spool {
    /// As the user named it.
    path: PathBuf,
    blocks: Mutex<spool::Spool>,
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
        let mut blocks = spool::Spool::new()?;
        let mut block = Zeroizing::new(vec![0; BLOCK]);
        let mut length = 0;
        loop {
            let filled = fill(&mut from, &mut block).map_err(|error| Error::io(path, error))?;
            if filled == 0 {
                break;
            }
            blocks.put(&block[..filled]).map_err(|error| Error::io(std::env::temp_dir(), error))?;
            length += filled as u64;
        }
        Ok(Arc::new(Self { path: path.to_owned(), blocks: Mutex::new(blocks), length }))
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
        self.block.clear();
        self.taken = 0;
        let mut blocks = self.spool.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        if self.number < blocks.len() {
            blocks.get(self.number, &mut self.block)?;
            self.number += 1;
        }
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
    fn what_went_in_comes_out_twice() {
        for length in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 5] {
            let text: Vec<u8> = b"planted ".iter().copied().cycle().take(length).collect();
            let spool = Spool::fill(Path::new("-"), &*text).unwrap();
            for _ in 0..2 {
                let mut back = Vec::new();
                spool.read().read_to_end(&mut back).unwrap();
                assert_eq!(back, text);
            }
        }
    }
}
