//! Records in, an archive out.

use super::entry::{self, Counts, Output};
use super::stream::Sealer;
use super::{Recipient, header};
use keyferry_crypto::error::{Error, ErrorKind, Result};
use keyferry_crypto::model::{Record, RecordPath};
use std::fmt;
use std::io::Write;
use zstd::stream::raw::{Encoder, InBuffer, Operation as _, OutBuffer};

/// zstd's own default.
const LEVEL: i32 = 3;

/// Takes records one by one. An archive that was not finished is told as cut short by its readers.
pub struct Writer {
    compressor: Compressor,
    counts: Counts,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Writer({} records)", self.counts.records)
    }
}

struct Compressor {
    encoder: Encoder<'static>,
    sealer: Sealer,
}

impl Output for Compressor {
    fn raw(&mut self, bytes: &[u8]) -> Result<()> {
        let mut input = InBuffer::around(bytes);
        while input.pos() < bytes.len() {
            let mut output = OutBuffer::around(self.sealer.room()?);
            self.encoder.run(&mut input, &mut output).map_err(Error::stream)?;
            let filled = output.pos();
            self.sealer.filled(filled);
        }
        Ok(())
    }
}

impl Writer {
    /// Begins an archive for these recipients: public keys, a passphrase, or both.
    pub fn create(mut output: Box<dyn Write + Send>, recipients: &[Recipient]) -> Result<Self> {
        let (bytes, key) = header::seal(recipients)?;
        header::write(&bytes, &mut *output)?;
        let encoder = Encoder::new(LEVEL).map_err(Error::stream)?;
        Ok(Self {
            compressor: Compressor { encoder, sealer: Sealer::new(output, key) },
            counts: Counts::default(),
        })
    }

    /// Adds a record. One that is refused leaves the archive as it was.
    pub fn write(&mut self, record: &Record) -> Result<()> {
        if record.sealed_under.is_some() {
            return Err(Error::new(ErrorKind::Usage, "an archive takes records that are open")
                .next_step("leave --rewrap out: an archive is sealed as a whole"));
        }
        entry::weigh(|scales| entry::encode_record(record, scales))?;
        entry::encode_record(record, &mut self.compressor)?;
        self.counts.records += 1;
        Ok(())
    }

    /// Adds a folder that holds no record.
    pub fn folder(&mut self, path: &RecordPath) -> Result<()> {
        entry::weigh(|scales| entry::encode_folder(path, scales))?;
        entry::encode_folder(path, &mut self.compressor)?;
        self.counts.folders += 1;
        Ok(())
    }

    /// Writes the end, without which an archive counts as cut short.
    pub fn finish(mut self) -> Result<()> {
        entry::encode_end(self.counts, &mut self.compressor)?;
        let Compressor { mut encoder, mut sealer } = self.compressor;
        loop {
            let mut output = OutBuffer::around(sealer.room()?);
            let left = encoder.finish(&mut output, true).map_err(Error::stream)?;
            let filled = output.pos();
            sealer.filled(filled);
            if left == 0 {
                return sealer.finish();
            }
        }
    }
}

/// For whoever writes records, an archive is a format like any other.
impl crate::Writer for Writer {
    fn write(&mut self, record: &Record) -> Result<()> {
        Self::write(self, record)
    }

    fn folder(&mut self, path: &RecordPath) -> Result<()> {
        Self::folder(self, path)
    }

    fn finish(self: Box<Self>) -> Result<Vec<String>> {
        Self::finish(*self).map(|()| Vec::new())
    }
}
