//! A zip archive, member after member, each stored as it is: CRC and lengths stand before the content, so that programs which
//! read from the front understand it too.
//!
//! Ours because the crate that reads archives writes lengths behind the content alone.

use keyferry_crypto::error::{Error, ErrorKind, Result};
use std::io::Write;

/// Version 2.0, names in UTF-8, 1980-01-01: an archive says nothing of when it was written.
const VERSION: u16 = 20;
const UTF_8: u16 = 1 << 11;
const DATE: u16 = 1 << 5 | 1;

/// An archive being written.
pub(crate) struct ZipWriter<W: Write> {
    output: W,
    directory: Vec<u8>,
    members: u16,
    at: u64,
}

impl<W: Write> ZipWriter<W> {
    /// An archive of so many members.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] for more than the format's old form counts.
    pub(crate) fn new(output: W, members: usize) -> Result<Self> {
        let members =
            u16::try_from(members).ok().filter(|members| *members < u16::MAX).ok_or_else(too_large)?;
        Ok(Self { output, directory: Vec::new(), members, at: 0 })
    }

    /// Writes a member.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] where the archive becomes larger than the format's old form allows.
    pub(crate) fn member(&mut self, name: &str, content: &[u8]) -> Result<()> {
        let (start, length) = (number(self.at)?, number(content.len() as u64)?);
        let name_length = u16::try_from(name.len()).map_err(|_| too_large())?;
        let mut common = Vec::with_capacity(26);
        for half in [VERSION, UTF_8, 0, 0, DATE] {
            common.extend(half.to_le_bytes());
        }
        for whole in [rawzip::crc32(content), length, length] {
            common.extend(whole.to_le_bytes());
        }
        common.extend(name_length.to_le_bytes());
        common.extend([0; 2]);
        let head = [b"PK\x03\x04", common.as_slice(), name.as_bytes()].concat();
        self.directory.extend(b"PK\x01\x02");
        // Made on a Unix, so that the permissions below count.
        self.directory.extend((3 << 8 | VERSION).to_le_bytes());
        self.directory.extend(&common);
        self.directory.extend([0; 6]);
        // A file that its owner alone reads.
        self.directory.extend((0o100_600_u32 << 16).to_le_bytes());
        self.directory.extend(start.to_le_bytes());
        self.directory.extend(name.as_bytes());
        self.output.write_all(&head).and_then(|()| self.output.write_all(content)).map_err(Error::stream)?;
        self.at += (head.len() + content.len()) as u64;
        Ok(())
    }

    /// Writes the directory, and gives back where it was written.
    pub(crate) fn finish(mut self) -> Result<W> {
        let mut end = b"PK\x05\x06\0\0\0\0".to_vec();
        end.extend(self.members.to_le_bytes());
        end.extend(self.members.to_le_bytes());
        end.extend(number(self.directory.len() as u64)?.to_le_bytes());
        end.extend(number(self.at)?.to_le_bytes());
        end.extend([0; 2]);
        self.output
            .write_all(&self.directory)
            .and_then(|()| self.output.write_all(&end))
            .and_then(|()| self.output.flush())
            .map_err(Error::stream)?;
        Ok(self.output)
    }
}

/// An archive of these files.
///
/// # Errors
/// [`ErrorKind::Refused`] for more than the format's old form takes.
pub(crate) fn in_memory(files: &[(String, Vec<u8>)]) -> Result<Vec<u8>> {
    let mut zip = ZipWriter::new(Vec::new(), files.len())?;
    for (name, content) in files {
        zip.member(name, content)?;
    }
    zip.finish()
}

fn number(value: u64) -> Result<u32> {
    u32::try_from(value).ok().filter(|value| *value < u32::MAX).ok_or_else(too_large)
}

fn too_large() -> Error {
    Error::new(ErrorKind::Refused, "a zip archive holds less than 4 GiB and 65,535 files")
        .next_step("export vault by vault, or write kdbx, jsonl or an archive (.kfa)")
}
