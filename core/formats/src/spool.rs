//! Where what is larger than memory waits until it is needed again.
//!
//! This crate opens no files: whoever has a place for secrets that nobody else can read brings it, and what is put away
//! stays in memory otherwise.

use crate::wiped::append;
use keyferry_crypto::error::Result;
use std::fmt;
use std::io;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Pieces of bytes that are put away and taken out again, by their numbers. What it was given is gone when it is dropped.
pub trait Spool: Send {
    /// Puts a piece away: the first is number 0, the next 1.
    ///
    /// # Errors
    /// Where there is no room for it.
    fn put(&mut self, piece: &[u8]) -> io::Result<()>;

    /// Appends the piece of this number.
    ///
    /// # Errors
    /// Where there is none, or it is not what was put away.
    fn get(&mut self, number: u64, into: &mut Zeroizing<Vec<u8>>) -> io::Result<()>;
}

/// Makes spools. The default ones keep everything in memory.
#[derive(Clone, Default)]
pub struct Spools(Option<Arc<Make>>);

type Make = dyn Fn() -> Result<Box<dyn Spool>> + Send + Sync;

impl Spools {
    /// Those that `make` makes.
    pub fn new(make: impl Fn() -> Result<Box<dyn Spool>> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(make)))
    }

    pub(crate) fn make(&self) -> Result<Box<dyn Spool>> {
        match &self.0 {
            Some(make) => make(),
            None => Ok(Box::new(Memory(Vec::new()))),
        }
    }
}

impl fmt::Debug for Spools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Spools(elsewhere)" } else { "Spools(in memory)" })
    }
}

struct Memory(Vec<Zeroizing<Vec<u8>>>);

impl Spool for Memory {
    fn put(&mut self, piece: &[u8]) -> io::Result<()> {
        self.0.push(Zeroizing::new(piece.to_vec()));
        Ok(())
    }

    fn get(&mut self, number: u64, into: &mut Zeroizing<Vec<u8>>) -> io::Result<()> {
        let piece = usize::try_from(number).ok().and_then(|number| self.0.get(number));
        append(into, piece.ok_or(io::ErrorKind::NotFound)?);
        Ok(())
    }
}

/// A spool that is made when something is put into it for the first time: what is small needs none.
pub(crate) struct Lazy {
    spools: Spools,
    made: Option<Box<dyn Spool>>,
    /// So many pieces were put away.
    pub(crate) count: u64,
}

impl Lazy {
    pub(crate) fn new(spools: &Spools) -> Self {
        Self { spools: spools.clone(), made: None, count: 0 }
    }

    /// Puts a piece away, and empties where it stood; gives its number.
    pub(crate) fn put(&mut self, piece: &mut Zeroizing<Vec<u8>>) -> Result<u64> {
        let spool = match &mut self.made {
            Some(spool) => spool,
            none => none.insert(self.spools.make()?),
        };
        spool.put(piece).map_err(keyferry_crypto::error::Error::stream)?;
        *piece = Zeroizing::new(Vec::new());
        self.count += 1;
        Ok(self.count - 1)
    }

    /// The piece of this number in place of what stands there.
    pub(crate) fn get(&mut self, number: u64, into: &mut Zeroizing<Vec<u8>>) -> io::Result<()> {
        into.clear();
        match &mut self.made {
            Some(spool) => spool.get(number, into),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}
