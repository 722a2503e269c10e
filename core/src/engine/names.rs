//! Names as people take them for the same: by canonical equivalence (Unicode Standard Annex 15). What is typed composed finds
//! what a Mac wrote decomposed. Stored names are never changed.

use std::borrow::Cow;
use strsim::damerau_levenshtein;
use unicode_normalization::{UnicodeNormalization as _, is_nfc};

/// The composed form.
pub(crate) fn canonical(text: &str) -> Cow<'_, str> {
    if is_nfc(text) { Cow::Borrowed(text) } else { Cow::Owned(text.nfc().collect()) }
}

/// The other spelling, with its marks apart.
pub(crate) fn decomposed(text: &str) -> String {
    text.nfd().collect()
}

/// Every spelling of a name, each of its letters with its marks apart, on or half so; none where there would be more than
/// `most`.
pub(crate) fn spellings(name: &str, most: usize) -> Vec<String> {
    let mut all = vec![String::new()];
    for letter in canonical(name).chars() {
        let apart: Vec<char> = std::iter::once(letter).nfd().collect();
        // The first so many of its parts put together, and the others as they are.
        let ways: Vec<String> = (1..=apart.len())
            .map(|joined| {
                apart[..joined].iter().copied().nfc().chain(apart[joined..].iter().copied()).collect()
            })
            .collect();
        if all.len() * ways.len() > most {
            return Vec::new();
        }
        all = all.iter().flat_map(|start| ways.iter().map(move |way| format!("{start}{way}"))).collect();
    }
    all
}

/// Whether two names are canonically equivalent.
pub(crate) fn same(one: &str, other: &str) -> bool {
    one == other || (!(one.is_ascii() && other.is_ascii()) && one.nfc().eq(other.nfc()))
}

/// Whether a path begins with another.
pub(crate) fn begins_with(path: &[String], start: &[String]) -> bool {
    path.len() >= start.len() && path.iter().zip(start).all(|(one, other)| same(one, other))
}

/// Where the item of a name is: one that is called exactly so goes before an equivalent one.
pub fn find<T>(items: &[T], name: &str, name_of: impl Fn(&T) -> &str) -> Option<usize> {
    let exact = items.iter().position(|item| name_of(item) == name);
    exact.or_else(|| items.iter().position(|item| same(name_of(item), name)))
}

/// Up to three of the names that somebody may have meant, the nearest first.
pub fn near<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let lower = canonical(wanted).to_lowercase();
    let most = (wanted.chars().count() / 3).clamp(1, 3);
    let mut near: Vec<_> = names
        .into_iter()
        .map(|name| (damerau_levenshtein(&lower, &canonical(name).to_lowercase()), name))
        .filter(|(distance, _)| *distance <= most)
        .collect();
    near.sort_unstable();
    near.dedup();
    near.truncate(3);
    near.into_iter().map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equivalent_names_are_the_same_and_others_are_not() {
        for (one, other) in
            [("Büro", "Bu\u{308}ro"), ("Ёлка", "Е\u{308}лка"), ("한", "\u{1112}\u{1161}\u{11ab}"), ("a", "a")]
        {
            assert!(same(one, other) && same(other, one), "{one}");
        }
        for (one, other) in [("Büro", "Buro"), ("ﬁ", "fi"), ("A", "a"), ("", "a")] {
            assert!(!same(one, other), "{one}");
        }
        let path = ["V".to_owned(), "Bu\u{308}ro".to_owned()];
        assert!(begins_with(&path, &["V".to_owned(), "Büro".to_owned()]) && !begins_with(&path[..1], &path));
    }

    #[test]
    fn a_name_has_as_many_spellings_as_its_letters_have_together() {
        assert_eq!(spellings("ab", 8), ["ab"]);
        let mut both = spellings("B\u{fc}\u{fc}", 8);
        both.sort();
        assert_eq!(both, ["Bu\u{308}u\u{308}", "Bu\u{308}\u{fc}", "B\u{fc}u\u{308}", "B\u{fc}\u{fc}"]);
        assert_eq!(spellings("\u{1ebf}", 8).len(), 3);
        assert!(spellings(&"\u{fc}".repeat(13), 1 << 12).is_empty());
    }

    #[test]
    fn near_names_are_those_with_a_slip_of_the_pen() {
        let names = ["Infra", "Office", "infra2", "Büro", "X"];
        assert_eq!(near("Infar", names), ["Infra"]);
        assert_eq!(near("infra", names), ["Infra", "infra2"]);
        assert_eq!(near("buro", names), ["Büro"]);
        assert!(near("entirely else", names).is_empty());
    }
}
