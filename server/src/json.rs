//! Answers as text: stored JSON is spliced in as it is, without a parse and without a tree.

use crate::error::{Refusal, Result};
use serde::Serialize;

/// The answer's text.
pub(crate) fn text<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|_| Refusal::internal())
}

/// Writes one object, member by member.
pub(crate) struct Object<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl<'a> Object<'a> {
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, first: true }
    }

    fn name(&mut self, name: &str) {
        if !self.first {
            self.out.push(b',');
        }
        self.first = false;
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    pub fn put<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<&mut Self> {
        self.name(name);
        serde_json::to_writer(&mut *self.out, value).map_err(|_| Refusal::internal())?;
        Ok(self)
    }

    /// `json` is JSON already.
    pub fn put_json(&mut self, name: &str, json: &[u8]) -> &mut Self {
        self.name(name);
        self.out.extend_from_slice(json);
        self
    }

    pub fn end(self) {
        self.out.push(b'}');
    }
}
