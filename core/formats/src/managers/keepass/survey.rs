//! Which of a document's groups is the recycle bin, where reading it once does not tell.
//!
//! The rule of the bin stands before the groups in what programs write, and each group begins with its identifier. Both may
//! stand elsewhere: then all of the document is walked through before it is read.

use crate::jsonl::base64;
use crate::xml::{Step, Xml};
use keyferry_crypto::error::Result;

/// The bin that a document names in its rules, before its groups are known.
#[derive(Default)]
pub(super) struct Rule {
    pub(super) enabled: bool,
    pub(super) id: String,
}

impl Rule {
    /// The identifier of the bin; `None` where there is none. One of zeros alone is none.
    pub(super) fn bin(self) -> Option<String> {
        let is_one = |id: &String| base64(id).is_some_and(|id| id.iter().any(|byte| *byte != 0));
        Some(self.id).filter(|id| self.enabled && is_one(id))
    }
}

/// An element on the way.
struct Open<'a> {
    name: &'a str,
    group: Option<usize>,
    said: String,
}

/// The bin, by its place among all groups.
pub(super) fn bin(document: &str) -> Result<Option<usize>> {
    let mut xml = Xml::new(document);
    let mut open: Vec<Open<'_>> = Vec::new();
    let (mut groups, mut ids, mut rule) = (0, Vec::new(), Rule::default());
    loop {
        match xml.step()? {
            Step::Open(tag) => {
                let inside = open.last().map(|outer| (outer.name, outer.group.is_some()));
                let places = matches!(inside, Some((_, true)))
                    || (open.len() == 2 && matches!(inside, Some(("Root", _))));
                let group = (tag.name == "Group" && places).then_some(groups);
                groups += usize::from(group.is_some());
                open.push(Open { name: tag.name, group, said: String::new() });
            }
            Step::Text(text) => {
                // Identifiers and marks are short, and no secrets.
                if let Some(current) = open.last_mut()
                    && matches!(current.name, "UUID" | "RecycleBinEnabled" | "RecycleBinUUID")
                    && current.said.len() + text.len() < 64
                {
                    current.said.push_str(&text);
                }
            }
            Step::Close => {
                let Some(closed) = open.pop() else { continue };
                let said = closed.said.trim();
                match (open.last(), closed.name) {
                    (Some(Open { name: "Meta", .. }), "RecycleBinEnabled") => {
                        rule.enabled = said.eq_ignore_ascii_case("true");
                    }
                    (Some(Open { name: "Meta", .. }), "RecycleBinUUID") => said.clone_into(&mut rule.id),
                    (Some(Open { group: Some(group), .. }), "UUID") => ids.push((*group, said.to_owned())),
                    _ => {}
                }
            }
            Step::End => break,
        }
    }
    let bin = rule.bin();
    Ok(bin.and_then(|bin| ids.into_iter().find(|(_, id)| *id == bin)).map(|(group, _)| group))
}
