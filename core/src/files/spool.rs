//! What is larger than memory, or can be read only once, kept in a file until it is needed again: sealed, as it holds secrets.
//!
//! Pieces under AES-256-GCM. The key is random and never leaves this process; a piece's number is its nonce. The file has
//! no name and is gone with the process, however that ends.

use crate::crypto::generate;
use crate::error::{Error, Result};
use crate::formats::{self, Spools};
use aes_gcm::aead::consts::U12;
use aes_gcm::aead::{AeadInOut as _, KeyInit as _};
use aes_gcm::{Aes256Gcm, Nonce, Tag};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use zeroize::Zeroizing;

const TAG: usize = 16;
/// Small pieces go to the file together.
const BUFFER: usize = 256 << 10;

/// Sealed pieces in a file in the folder for temporary ones.
pub struct Spool {
    cipher: Aes256Gcm,
    file: io::BufWriter<File>,
    /// Where each piece ends.
    ends: Vec<u64>,
    /// Where the file stands.
    at: u64,
}

impl std::fmt::Debug for Spool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Spool({} pieces)", self.ends.len())
    }
}

/// Spools for what readers and writers of files cannot keep in memory.
#[must_use]
pub fn spools() -> Spools {
    Spools::new(|| Ok(Box::new(Spool::new()?)))
}

impl Spool {
    /// An empty one.
    ///
    /// # Errors
    /// [`Io`](crate::error::ErrorKind::Io) where no file can be made.
    pub fn new() -> Result<Self> {
        let folder = std::env::temp_dir();
        let file = tempfile::tempfile_in(&folder).map_err(|error| {
            Error::io(&folder, error)
                .next_step("name a folder for temporary files in TMPDIR: what is put there is encrypted")
        })?;
        let mut key = Zeroizing::new([0; 32]);
        generate::random_bytes(&mut *key)?;
        let cipher = Aes256Gcm::new((&*key).into());
        Ok(Self { cipher, file: io::BufWriter::with_capacity(BUFFER, file), ends: Vec::new(), at: 0 })
    }

    /// So many pieces are in it.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.ends.len() as u64
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    fn seek(&mut self, to: u64) -> io::Result<()> {
        if self.at != to {
            self.file.seek(SeekFrom::Start(to))?;
            self.at = to;
        }
        Ok(())
    }

    fn end(&self) -> u64 {
        self.ends.last().copied().unwrap_or_default()
    }
}

impl formats::Spool for Spool {
    fn put(&mut self, piece: &[u8]) -> io::Result<()> {
        let mut sealed = Zeroizing::new(piece.to_vec());
        let tag = self
            .cipher
            .encrypt_inout_detached(&nonce(self.len()), b"", sealed.as_mut_slice().into())
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a piece could not be sealed"))?;
        self.seek(self.end())?;
        self.file.write_all(&sealed)?;
        self.file.write_all(&tag)?;
        self.at += (sealed.len() + TAG) as u64;
        self.ends.push(self.at);
        Ok(())
    }

    fn get(&mut self, number: u64, into: &mut Zeroizing<Vec<u8>>) -> io::Result<()> {
        let absent = || io::Error::new(io::ErrorKind::NotFound, "no such piece was put away");
        let index = usize::try_from(number).map_err(|_| absent())?;
        let end = *self.ends.get(index).ok_or_else(absent)?;
        let start = index.checked_sub(1).and_then(|index| self.ends.get(index).copied()).unwrap_or_default();
        let length = usize::try_from(end - start).map_err(|_| absent())?.saturating_sub(TAG);
        self.seek(start)?;
        self.file.flush()?;
        let mut piece = Zeroizing::new(vec![0; length]);
        let mut tag = Tag::default();
        let file = self.file.get_mut();
        file.read_exact(&mut piece)?;
        file.read_exact(&mut tag)?;
        self.at = end;
        self.cipher
            .decrypt_inout_detached(&nonce(number), b"", piece.as_mut_slice().into(), &tag)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the spool was changed"))?;
        if into.is_empty() {
            *into = piece;
        } else {
            let mut both = Zeroizing::new(Vec::with_capacity(into.len() + length));
            both.extend_from_slice(into);
            both.extend_from_slice(&piece);
            *into = both;
        }
        Ok(())
    }
}

fn nonce(number: u64) -> Nonce<U12> {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&number.to_be_bytes());
    nonce.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::Spool as _;

    fn on_disk(spool: &mut Spool) -> Vec<u8> {
        spool.file.flush().unwrap();
        let (mut sealed, file) = (Vec::new(), spool.file.get_mut());
        file.rewind().unwrap();
        file.read_to_end(&mut sealed).unwrap();
        spool.at = u64::MAX;
        sealed
    }

    #[test]
    fn pieces_come_back_in_any_order_and_do_not_lie_on_the_disk() {
        let pieces: Vec<Vec<u8>> = [0, 1, 15, BUFFER - 1, 3, 2 * BUFFER + 5, 700]
            .iter()
            .map(|length| b"planted ".iter().copied().cycle().take(*length).collect())
            .collect();
        let mut spool = Spool::new().unwrap();
        let check = |spool: &mut Spool, number: usize| {
            let mut back = Zeroizing::new(b"before ".to_vec());
            spool.get(number as u64, &mut back).unwrap();
            assert_eq!(back.strip_prefix(b"before ").unwrap(), pieces[number]);
        };
        // What was put away can be had before the last piece is there.
        for (number, piece) in pieces.iter().enumerate() {
            spool.put(piece).unwrap();
            check(&mut spool, number / 2);
        }
        for number in [3, 0, 6, 5, 5, 1, 2, 4] {
            check(&mut spool, number);
        }
        let sealed = on_disk(&mut spool);
        assert_eq!(sealed.len(), pieces.iter().map(|piece| piece.len() + TAG).sum::<usize>());
        assert!(!sealed.windows(7).any(|window| window == b"planted"));
        assert_eq!(spool.get(7, &mut Zeroizing::default()).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_piece_that_was_changed_is_not_believed() {
        let mut spool = Spool::new().unwrap();
        spool.put(b"a few bytes").unwrap();
        let sealed = on_disk(&mut spool);
        let file = spool.file.get_mut();
        file.seek(SeekFrom::Start(3)).unwrap();
        file.write_all(&[sealed[3] ^ 1]).unwrap();
        assert_eq!(spool.get(0, &mut Zeroizing::default()).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
