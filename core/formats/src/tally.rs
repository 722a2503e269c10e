//! The account that a reader keeps of a file's values, so that none goes missing without a word.
//!
//! A reader counts what it meets ([`Tally::read`]) apart from what it does with it; at the end both must agree.
//! Remarks that differ by their place alone are one remark with a count, so a report does not grow with the file.

use keyferry_crypto::error::Position;
use keyferry_crypto::model::{Entry, Reject, Values};
use std::collections::HashMap;
use std::fmt::Display;

/// Values and remarks of one reading.
#[derive(Default)]
pub(crate) struct Tally {
    values: Values,
    remarks: Vec<Remark>,
    index: HashMap<String, usize>,
    /// The line of the row that is being read.
    line: u64,
}

/// The place of the row that is being read, for who knows no more of it: [`Tally::row`] says which.
pub(crate) const ROW: &str = "its row";

struct Remark {
    what: String,
    first: String,
    count: u64,
}

impl Tally {
    /// The row of this line is read from now on.
    pub(crate) fn row(&mut self, line: u64) {
        self.line = line;
    }

    /// Values were met.
    pub(crate) fn read(&mut self, count: u64) {
        self.values.read += count;
    }

    /// Values went into a record or are the place of one.
    pub(crate) fn carried(&mut self, count: u64) {
        self.values.carried += count;
    }

    /// References did their work.
    pub(crate) fn resolved(&mut self, count: u64) {
        self.values.resolved += count;
    }

    /// A value that was carried a moment ago was a mark, and has done its work.
    pub(crate) fn turned_out_resolved(&mut self) {
        self.values.carried = self.values.carried.saturating_sub(1);
        self.values.resolved += 1;
    }

    /// A value that was carried a moment ago goes nowhere after all; whoever says so tells of it.
    pub(crate) fn not_carried(&mut self) {
        self.values.carried = self.values.carried.saturating_sub(1);
    }

    /// Values stay behind, and a reject names their place.
    pub(crate) fn rejected(&mut self, count: u64) {
        self.values.told += count;
    }

    /// Values stay behind. `what` is a sentence without any of them; `at` says where they stand.
    pub(crate) fn tell(&mut self, what: impl Into<String>, at: impl Display, count: u64) {
        self.values.told += count;
        self.remark(what, at);
    }

    /// A reference that was taken for resolved leads nowhere.
    pub(crate) fn unresolved(&mut self, what: impl Into<String>, at: impl Display) {
        self.values.resolved = self.values.resolved.saturating_sub(1);
        self.tell(what, at, 1);
    }

    /// Something to know of values that are carried or were none.
    pub(crate) fn remark(&mut self, what: impl Into<String>, at: impl Display) {
        let what = what.into();
        if let Some(remark) = self.index.get(&what).and_then(|index| self.remarks.get_mut(*index)) {
            remark.count += 1;
            return;
        }
        self.index.insert(what.clone(), self.remarks.len());
        let at = at.to_string();
        let first = match at.strip_prefix(ROW) {
            Some(rest) if self.line > 0 => format!("line {}{rest}", self.line),
            _ => at,
        };
        self.remarks.push(Remark { what, first, count: 1 });
    }

    /// Takes over the remarks of an account within a value, which is counted already.
    pub(crate) fn heed(&mut self, inside: Self) {
        for Remark { what, first, count } in inside.remarks {
            self.remark(what.as_str(), first);
            if let Some(remark) = self.index.get(&what).and_then(|index| self.remarks.get_mut(*index)) {
                remark.count += count - 1;
            }
        }
    }

    /// Takes over an account of what follows: its values and its remarks.
    pub(crate) fn follow(&mut self, next: Self) {
        let values = &mut self.values;
        values.read += next.values.read;
        values.carried += next.values.carried;
        values.resolved += next.values.resolved;
        values.told += next.values.told;
        self.heed(next);
    }

    /// What was counted so far, to go back to with [`Tally::back_to`].
    pub(crate) fn mark(&self) -> Values {
        self.values
    }

    /// Forgets what was counted of a record that is refused after all.
    pub(crate) fn back_to(&mut self, mark: Values) {
        self.values = mark;
    }

    /// A record of `leaves` values that is refused after all: what was counted since `mark` is forgotten, and the reject tells of
    /// all of it. `why` is a sentence without any of them.
    pub(crate) fn refuse(&mut self, mark: Values, leaves: u64, at: Position, why: String) -> Entry {
        self.back_to(mark);
        self.rejected(leaves);
        Entry::Reject(Reject { at, label: String::new(), why })
    }

    /// The remarks and the account, once the file has ended.
    pub(crate) fn finish(self) -> Vec<Entry> {
        let values = self.values;
        let mut all = self.notes();
        all.push(Entry::Values(values));
        all
    }

    /// The remarks alone: where somebody else keeps the account.
    pub(crate) fn notes(self) -> Vec<Entry> {
        let remarks = self.remarks.into_iter().map(|Remark { what, first, count }| {
            Entry::Note(if count == 1 {
                format!("{first}: {what}")
            } else {
                format!("{what} ({count} times, first {first})")
            })
        });
        remarks.collect()
    }
}
