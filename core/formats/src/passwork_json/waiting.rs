//! Records of a document that wait until its end is known.

use crate::json::{self, Value};
use crate::spool::{Lazy, Spools};
use crate::wiped::append;
use keyferry_crypto::error::{Error, ErrorKind, Result};
use std::mem::size_of;
use zeroize::Zeroizing;

/// So many bytes wait in memory before they are put away.
const PIECE: usize = 1 << 20;

/// A list that records stand in.
pub(super) struct List {
    /// Where it stands, as a JSON pointer.
    pub(super) at: String,
    /// The vault or folder that it belongs to.
    pub(super) inside: Option<usize>,
}

/// Records as they stand in the document, in its order.
pub(super) struct Waiting {
    lists: Vec<List>,
    spool: Lazy,
    /// The end, or what is being taken out: for each record the number of its list, its own in it, and its text.
    piece: Zeroizing<Vec<u8>>,
    /// How much of the piece was taken out.
    taken: usize,
    /// The next piece to take out.
    next: u64,
}

/// A record that has waited.
pub(super) struct Waited {
    pub(super) value: Value,
    pub(super) at: String,
    pub(super) inside: Option<usize>,
}

impl Waiting {
    pub(super) fn new(spools: &Spools) -> Self {
        let piece = Zeroizing::new(Vec::new());
        Self { lists: Vec::new(), spool: Lazy::new(spools), piece, taken: 0, next: 0 }
    }

    /// A list whose records follow; gives its number.
    pub(super) fn list(&mut self, list: List) -> u64 {
        self.lists.push(list);
        self.lists.len() as u64 - 1
    }

    /// Keeps a record.
    pub(super) fn push(&mut self, list: u64, index: u64, text: &[u8]) -> Result<()> {
        for number in [list, index, text.len() as u64] {
            append(&mut self.piece, &number.to_le_bytes());
        }
        append(&mut self.piece, text);
        if self.piece.len() >= PIECE {
            self.spool.put(&mut self.piece)?;
        }
        Ok(())
    }

    /// That all of them are there: they are taken out from now on.
    pub(super) fn turn(&mut self) -> Result<()> {
        if self.spool.count > 0 && !self.piece.is_empty() {
            self.spool.put(&mut self.piece)?;
        }
        Ok(())
    }

    /// The next record.
    pub(super) fn pop(&mut self) -> Result<Option<Waited>> {
        if self.taken == self.piece.len() {
            if self.next == self.spool.count {
                return Ok(None);
            }
            self.spool.get(self.next, &mut self.piece).map_err(Error::stream)?;
            (self.next, self.taken) = (self.next + 1, 0);
        }
        let lost = || Error::new(ErrorKind::Internal, "a record was lost while it waited");
        let (of_list, index, length) = (self.number(), self.number(), self.number());
        let end =
            usize::try_from(length.ok_or_else(lost)?).ok().and_then(|length| self.taken.checked_add(length));
        let text = self.piece.get(self.taken..end.ok_or_else(lost)?).ok_or_else(lost)?;
        let text = std::str::from_utf8(text).map_err(|_| lost())?;
        let value = json::parse(text).map_err(|_| lost())?;
        let from =
            of_list.and_then(|number| self.lists.get(usize::try_from(number).ok()?)).ok_or_else(lost)?;
        let waited =
            Waited { value, at: format!("{}/{}", from.at, index.ok_or_else(lost)?), inside: from.inside };
        self.taken = end.ok_or_else(lost)?;
        Ok(Some(waited))
    }

    fn number(&mut self) -> Option<u64> {
        let end = self.taken + size_of::<u64>();
        let number = self.piece.get(self.taken..end)?.try_into().ok()?;
        self.taken = end;
        Some(u64::from_le_bytes(number))
    }
}
