//! Sections of an item: fields under a heading of their own, which a record has no place for. One law for all managers that
//! have them.
//!
//! Where an item has several sections, or a field outside of its only one has the same label, the heading stands before the
//! label (`Production: password`). Otherwise labels stay as they are, and it is told that the heading stays behind.

use super::item::Item;
use keyferry_crypto::model::Record;
use std::collections::HashSet;

const BEHIND: &str = "the name of an item's only section stays behind: its fields have labels of their own";

/// Whether a label is one that readers give, which writers know by it.
fn is_ours(label: &str) -> bool {
    matches!(label, "Private key" | "Public key" | "Fingerprint")
        || label.starts_with("URL ")
        || label.starts_with("Passkey ")
}

impl Item<'_> {
    /// Fills fields that stand in a section of this name; [`Item::name_sections`] gives them their labels.
    pub(crate) fn in_section(&mut self, name: &str, fill: impl FnOnce(&mut Self)) {
        let own =
            |record: &Record| (record.login.is_empty(), record.password.is_none(), record.url.is_empty());
        let (start, before) = (self.record.customs.len(), own(&self.record));
        fill(self);
        let (end, after) = (self.record.customs.len(), own(&self.record));
        if !name.trim().is_empty() && (end > start || before != after) {
            self.sections.push((name.trim().to_owned(), start..end));
        }
    }

    /// Says by their labels which section fields stand in, where that tells them apart.
    pub(crate) fn name_sections(&mut self) {
        let sections = std::mem::take(&mut self.sections);
        let names: HashSet<&str> = sections.iter().map(|(name, _)| name.as_str()).collect();
        let Some((first, _)) = sections.first() else { return };
        let is_inside = |at: usize| sections.iter().any(|(_, range)| range.contains(&at));
        let customs = self.record.customs.iter().enumerate();
        let (inside, outside): (Vec<_>, Vec<_>) = customs.partition(|(at, _)| is_inside(*at));
        let outside: HashSet<&str> = outside.into_iter().map(|(_, one)| one.name.as_str()).collect();
        let is_twice = inside.iter().any(|(_, one)| outside.contains(one.name.as_str()));
        if names.len() == 1 && !is_twice {
            // A field without a label is called as its section is.
            let is_shown = inside.iter().any(|(_, one)| one.name == *first);
            if !is_shown {
                self.remark(BEHIND);
            }
            return;
        }
        for (name, range) in &sections {
            for custom in self.record.customs.get_mut(range.clone()).into_iter().flatten() {
                if custom.name.is_empty() {
                    custom.name.clone_from(name);
                } else if !is_ours(&custom.name) {
                    custom.name = format!("{name}: {}", custom.name);
                }
            }
        }
    }
}
