//! What a reading keeps beside its records: the account of their values, and the attachments.

use crate::gzip;
use crate::jsonl::base64;
use crate::tally::Tally;
use crate::xml::{Element, Tag};
use keyferry_crypto::secret::SecretBytes;
use std::collections::HashMap;
use zeroize::Zeroizing;

/// Bytes that attachments kept in the document itself may come to.
const MOST_ATTACHED: usize = 1 << 30;

/// An attachment's content, shared by all that refer to it.
pub(super) struct Binary {
    pub(super) content: SecretBytes,
    pub(super) at: String,
    pub(super) used: bool,
    /// It counts as a value of its own, rather than with the entry that it stands in.
    pub(super) counts: bool,
}

/// The account and the attachments.
#[derive(Default)]
pub(super) struct Shelf {
    pub(super) tally: Tally,
    /// Attachments by what entries call them.
    pub(super) pool: HashMap<String, usize>,
    pub(super) binaries: Vec<Binary>,
    attached: usize,
}

impl Shelf {
    /// Values stay behind.
    pub(super) fn tell(&mut self, what: &str, at: impl std::fmt::Display, leaves: u64) {
        if leaves > 0 {
            self.tally.tell(what, at, leaves);
        }
    }

    /// Attributes that nobody asked for, of an element that is walked through.
    pub(super) fn attributes(&mut self, tag: &Tag<'_>, at: &str) {
        self.tell("an attribute that no record takes stays behind", at, tag.leaves());
    }

    /// A plain value that has done its work; whatever else stands in it is told.
    pub(super) fn known(&mut self, element: &Element<'_>, above: &str) {
        let at = format_args!("{above}/{}", element.tag.name);
        let text = u64::from(element.children.is_empty() && !element.text.is_empty());
        self.tally.resolved(text);
        self.tell("what no record takes stays behind", at, element.leaves() - text);
    }

    /// What an attachment's element holds. Its text is accounted for by whoever takes the content.
    pub(super) fn content(&mut self, element: &Element<'_>, at: &str) -> Option<SecretBytes> {
        if !element.children.is_empty() {
            return None;
        }
        let bytes = if element.unlocked {
            Zeroizing::new(element.text.as_bytes().to_vec())
        } else {
            Zeroizing::new(base64(element.text.as_str())?)
        };
        let bytes = if element.tag.is("Compressed") && gzip::is_gzip(&bytes) {
            gzip::gunzip(&bytes).ok()?
        } else {
            bytes
        };
        self.attached += bytes.len();
        if self.attached > MOST_ATTACHED {
            return None;
        }
        self.marks(&element.tag, at);
        // A text that comes to nothing is carried as the nothing that it is.
        if bytes.is_empty() && !element.text.is_empty() {
            self.tally.resolved(1);
        }
        Some(SecretBytes::new(bytes.to_vec()))
    }

    /// Attributes of a value: those that say how it stands there have done their work.
    pub(super) fn marks(&mut self, tag: &Tag<'_>, at: &str) {
        let is_known =
            |name: &str| matches!(name, "Protected" | "ProtectInMemory" | "Compressed" | "ID" | "Ref");
        let said = |known: bool| {
            tag.attributes.iter().filter(|(name, value)| !value.is_empty() && is_known(name) == known).count()
                as u64
        };
        let (known, unknown) = (said(true), said(false));
        self.tally.resolved(known);
        self.tell("an attribute that no record takes stays behind", at, unknown);
    }
}
