//! Bytes in little-endian order, taken one after the other.

use keyferry_crypto::error::{Error, ErrorKind, Result};

/// An error of a file that is not as its program wrote it.
pub(in crate::managers) fn damaged(what: &str) -> Error {
    Error::new(ErrorKind::Decrypt, format!("the file is damaged: {what}"))
        .next_step("take another copy of the file")
}

/// What is left of some bytes.
pub(in crate::managers) struct Bytes<'a> {
    rest: &'a [u8],
    taken: usize,
}

impl<'a> Bytes<'a> {
    pub(in crate::managers) fn new(rest: &'a [u8]) -> Self {
        Self { rest, taken: 0 }
    }

    /// How many were taken.
    pub(in crate::managers) fn taken(&self) -> usize {
        self.taken
    }

    pub(in crate::managers) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(in crate::managers) fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(|| damaged("it is cut short"))?;
        self.rest = rest;
        self.taken += count;
        Ok(taken)
    }

    pub(in crate::managers) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let taken = self.take(N)?;
        taken.try_into().map_err(|_| damaged("it is cut short"))
    }

    pub(in crate::managers) fn u8(&mut self) -> Result<u8> {
        self.array().map(|[byte]| byte)
    }

    pub(in crate::managers) fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(in crate::managers) fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }
}
