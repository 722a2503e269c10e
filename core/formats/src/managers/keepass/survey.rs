//! The first reading of a document: what it holds, and which of its groups is the recycle bin.
//!
//! The rule of the bin stands before the groups in what programs write, and may stand behind them.

use super::places::{MOST, too_many};
use crate::jsonl::base64;
use crate::xml::{Step, Xml, is_blank};
use keyferry_crypto::error::Result;

/// What the first reading finds.
pub(super) struct Survey {
    /// Texts and attributes that are not empty.
    pub(super) leaves: u64,
    /// The bin, by its place among all groups.
    pub(super) bin: Option<usize>,
}

/// An element on the way of the first reading.
struct Open<'a> {
    name: &'a str,
    group: Option<usize>,
    /// Holds elements, so blank text in it is none.
    above: bool,
    /// Its text will be unlocked, and blanks in it are none.
    locked: bool,
    seen: Seen,
    said: String,
}

/// What text stands in an element.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    Nothing,
    Blanks,
    Words,
}

/// Counts every text and attribute that is not empty.
pub(super) fn survey(document: &str, unlocking: bool) -> Result<Survey> {
    let mut xml = Xml::new(document);
    let mut open: Vec<Open<'_>> = Vec::new();
    let (mut leaves, mut groups, mut things, mut ids) = (0, 0, 0, Vec::new());
    let (mut enabled, mut bin) = (false, String::new());
    loop {
        match xml.step()? {
            Step::Open(tag) => {
                leaves += tag.leaves();
                let depth = open.len();
                let inside = open.last_mut().map(|outer| {
                    outer.above = true;
                    (outer.name, outer.group.is_some())
                });
                let places =
                    matches!(inside, Some((_, true))) || (depth == 2 && matches!(inside, Some(("Root", _))));
                let group = (tag.name == "Group" && places).then_some(groups);
                groups += usize::from(group.is_some());
                let counts = group.is_some()
                    || (tag.name == "Entry" && matches!(inside, Some((_, true))))
                    || (depth == 3 && matches!(inside, Some(("Binaries", _))));
                things += usize::from(counts);
                if things > MOST {
                    return Err(too_many());
                }
                let walked = depth == 0
                    || (depth == 1 && matches!(tag.name, "Meta" | "Root"))
                    || (depth == 2 && tag.name == "Binaries" && matches!(inside, Some(("Meta", _))))
                    || group.is_some();
                let locked = unlocking && tag.is("Protected");
                let (seen, said) = (Seen::Nothing, String::new());
                open.push(Open { name: tag.name, group, above: walked, locked, seen, said });
            }
            Step::Text(text) => {
                if let Some(current) = open.last_mut() {
                    let seen = match &*text {
                        "" => Seen::Nothing,
                        text if is_blank(text) => Seen::Blanks,
                        _ => Seen::Words,
                    };
                    current.seen = current.seen.max(seen);
                    // Identifiers and marks are short, and no secrets.
                    if matches!(current.name, "UUID" | "RecycleBinEnabled" | "RecycleBinUUID")
                        && current.said.len() + text.len() < 64
                    {
                        current.said.push_str(&text);
                    }
                }
            }
            Step::Close => {
                let Some(closed) = open.pop() else { continue };
                let counts = match closed.seen {
                    Seen::Nothing => false,
                    Seen::Blanks => !closed.above && !closed.locked,
                    Seen::Words => true,
                };
                leaves += u64::from(counts);
                let said = closed.said.trim();
                match (open.last(), closed.name) {
                    (Some(Open { name: "Meta", .. }), "RecycleBinEnabled") => {
                        enabled = said.eq_ignore_ascii_case("true");
                    }
                    (Some(Open { name: "Meta", .. }), "RecycleBinUUID") => said.clone_into(&mut bin),
                    (Some(Open { group: Some(group), .. }), "UUID") => ids.push((*group, said.to_owned())),
                    _ => {}
                }
            }
            Step::End => break,
        }
    }
    // An identifier of zeros alone is none.
    let bin =
        Some(bin).filter(|bin| enabled && base64(bin).is_some_and(|id| id.iter().any(|byte| *byte != 0)));
    let bin = bin.and_then(|bin| ids.into_iter().find(|(_, id)| *id == bin)).map(|(group, _)| group);
    Ok(Survey { leaves, bin })
}
