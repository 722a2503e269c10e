//! An archive in, records out.

use super::entry::{self, Counts, Decoded, Input, malformed};
use super::stream::Unsealer;
use super::{Opener, header};
use keyferry_crypto::error::{Error, Position, Result};
use keyferry_crypto::model::Entry;
use std::fmt;
use std::io::Read;
use zstd::stream::raw::{Decoder, InBuffer, Operation as _, OutBuffer};

/// Gives entries one by one, each authenticated. An error ends it; so does the archive's own end,
/// and only then is it known that nothing is missing.
pub struct Reader {
    decompressor: Decompressor,
    counts: Counts,
    ended: bool,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reader({} records)", self.counts.records)
    }
}

struct Decompressor {
    decoder: Decoder<'static>,
    unsealer: Unsealer,
    /// The compressed frame is at its end.
    frame_ended: bool,
}

impl Input for Decompressor {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<()> {
        let mut filled = 0;
        while filled < bytes.len() {
            if self.frame_ended {
                return Err(malformed("it ends before its end"));
            }
            let ready = self.unsealer.ready()?;
            let none_left = ready.is_empty();
            let mut input = InBuffer::around(ready);
            let mut output = OutBuffer::around(&mut bytes[filled..]);
            let hint = self.decoder.run(&mut input, &mut output).map_err(|_| malformed("its compression"))?;
            let (taken, came) = (input.pos(), output.pos());
            self.unsealer.take(taken);
            filled += came;
            self.frame_ended = hint == 0;
            if none_left && came == 0 {
                return Err(malformed("it ends before its end"));
            }
        }
        Ok(())
    }
}

impl Decompressor {
    /// Makes sure that nothing follows.
    fn finish(&mut self) -> Result<()> {
        let mut spare = [0; 1];
        while !self.frame_ended {
            let ready = self.unsealer.ready()?;
            if ready.is_empty() {
                return Err(malformed("its compression is cut short"));
            }
            let mut input = InBuffer::around(ready);
            let mut output = OutBuffer::around(&mut spare[..]);
            let hint = self.decoder.run(&mut input, &mut output).map_err(|_| malformed("its compression"))?;
            let (taken, came) = (input.pos(), output.pos());
            self.unsealer.take(taken);
            if came > 0 {
                return Err(malformed("something follows its end"));
            }
            self.frame_ended = hint == 0;
        }
        if self.unsealer.ready()?.is_empty() { Ok(()) } else { Err(malformed("something follows its end")) }
    }
}

impl Reader {
    /// Opens an archive with what is at hand.
    ///
    /// # Errors
    /// [`Locked`](keyferry_crypto::ErrorKind::Locked) where nothing of it fits,
    /// [`Decrypt`](keyferry_crypto::ErrorKind::Decrypt) where the file is damaged.
    pub fn open(mut input: Box<dyn Read + Send>, openers: &[Opener<'_>]) -> Result<Self> {
        let (key, length) = header::open(&mut *input, openers)?;
        let decoder = Decoder::new().map_err(Error::stream)?;
        let unsealer = Unsealer::new(input, key, length);
        let decompressor = Decompressor { decoder, unsealer, frame_ended: false };
        Ok(Self { decompressor, counts: Counts::default(), ended: false })
    }

    fn step(&mut self) -> Result<Option<Entry>> {
        match entry::decode(&mut self.decompressor)? {
            Decoded::Record(record) => {
                let at = Position::pointer(format!("/{}", self.counts.records));
                self.counts.records += 1;
                Ok(Some(Entry::Record(record, at)))
            }
            Decoded::Folder(path) => {
                self.counts.folders += 1;
                Ok(Some(Entry::Folder(path)))
            }
            Decoded::End(counts) => {
                self.decompressor.finish()?;
                if counts != self.counts {
                    return Err(malformed("its counts are not what it holds"));
                }
                Ok(None)
            }
        }
    }
}

impl Iterator for Reader {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let step = self.step();
        self.ended = !matches!(step, Ok(Some(_)));
        step.transpose()
    }
}
