//! References of one entry's fields to another's: `{REF:P@I:46C9B1FFBD4ABC4BBB260C6190BAD20C}`.
//!
//! The first letter says what is wanted, the second by what the other entry is found: T title, U user name, P password,
//! A address, N notes, I identifier, O a field of its own. Resolved where exactly one entry is found, also through ten more;
//! kept as it stands otherwise.
//!
//! An environment encrypts passwords and custom fields alone: what leads to a password or a hidden field is resolved in
//! those only, and would stand in the clear anywhere else.

use crate::tally::Tally;
use keyferry_crypto::model::{CustomKind, Record};
use keyferry_crypto::secret::SecretString;
use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use zeroize::Zeroizing;

/// A reference that leads to a reference, and so on.
const LONGEST_CHAIN: usize = 10;
/// Characters that references of a file may come to: what refers to itself in pairs would double with each step.
const MOST: usize = 64 << 20;
/// References that are followed in one file.
const MOST_STEPS: usize = 1 << 20;

/// An entry that may be referred to.
pub(super) struct Target<'a> {
    pub(super) record: &'a Record,
    /// Its identifier in upper-case hex.
    pub(super) id: &'a str,
}

/// What a record's fields come to.
#[derive(Default)]
pub(super) struct Resolved {
    name: Option<String>,
    login: Option<String>,
    url: Option<String>,
    description: Option<String>,
    password: Option<SecretString>,
    /// By the place of the custom field; whether it is to be hidden now.
    customs: Vec<(usize, SecretString, bool)>,
}

impl Resolved {
    pub(super) fn apply(self, record: &mut Record) {
        for (field, value) in [
            (&mut record.name, self.name),
            (&mut record.login, self.login),
            (&mut record.url, self.url),
            (&mut record.description, self.description),
        ] {
            if let Some(value) = value {
                *field = value;
            }
        }
        if let Some(password) = self.password {
            record.password = Some(password);
        }
        for (place, value, hidden) in self.customs {
            if let Some(custom) = record.customs.get_mut(place) {
                custom.value = value;
                if hidden && custom.kind == CustomKind::Text {
                    custom.kind = CustomKind::Password;
                }
            }
        }
    }
}

/// A field that entries are found by, or that is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum What {
    Title,
    Login,
    Password,
    Address,
    Notes,
    Id,
    Own,
}

impl What {
    fn of(letter: char) -> Option<Self> {
        Some(match letter.to_ascii_uppercase() {
            'T' => What::Title,
            'U' => What::Login,
            'P' => What::Password,
            'A' => What::Address,
            'N' => What::Notes,
            'I' => What::Id,
            'O' => What::Own,
            _ => return None,
        })
    }
}

/// Whether a text may hold a reference.
pub(super) fn is_in(text: &str) -> bool {
    find(text).is_some()
}

fn find(text: &str) -> Option<usize> {
    text.as_bytes().windows(5).position(|window| window.eq_ignore_ascii_case(b"{REF:"))
}

/// Follows references.
pub(super) struct Resolver<'a> {
    targets: &'a [Target<'a>],
    /// Entries by what they are found by; made when it is first asked for.
    found_by: HashMap<What, HashMap<u64, Vec<usize>>>,
    hasher: RandomState,
    written: usize,
    steps: usize,
}

/// Why a reference stays.
enum Stays {
    Nowhere,
    InTheClear,
    TooMuch,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(targets: &'a [Target<'a>]) -> Self {
        Self { targets, found_by: HashMap::new(), hasher: RandomState::new(), written: 0, steps: 0 }
    }

    /// What the references of a record come to.
    pub(super) fn resolve(&mut self, record: &Record, at: &str, tally: &mut Tally) -> Option<Resolved> {
        let plain = [&record.name, &record.login, &record.url, &record.description];
        let secret = |value: &SecretString| is_in(value.expose());
        if !plain.iter().any(|text| is_in(text))
            && !record.password.as_ref().is_some_and(secret)
            && !record.customs.iter().any(|custom| secret(&custom.value))
        {
            return None;
        }
        let mut resolved = Resolved::default();
        let mut shown = |text: &str| self.text(text, false, at, tally).map(|(text, _)| text.to_string());
        resolved.name = shown(&record.name);
        resolved.login = shown(&record.login);
        resolved.url = shown(&record.url);
        resolved.description = shown(&record.description);
        let mut hidden = |text: &SecretString| {
            let (mut text, secret) = self.text(text.expose(), true, at, tally)?;
            Some((SecretString::new(std::mem::take(&mut *text)), secret))
        };
        resolved.password = record.password.as_ref().and_then(&mut hidden).map(|(text, _)| text);
        for (place, custom) in record.customs.iter().enumerate() {
            if let Some((text, secret)) = hidden(&custom.value) {
                resolved.customs.push((place, text, secret));
            }
        }
        Some(resolved)
    }

    /// A text with its references resolved, and whether a secret is in it now; `None` where nothing changes.
    fn text(
        &mut self,
        text: &str,
        hidden: bool,
        at: &str,
        tally: &mut Tally,
    ) -> Option<(Zeroizing<String>, bool)> {
        if !is_in(text) {
            return None;
        }
        match self.expand(text, hidden, LONGEST_CHAIN) {
            Ok(expanded) => Some(expanded),
            Err(why) => {
                tally.remark(
                    match why {
                        Stays::Nowhere => "a reference that leads to no entry, or to several, stays as it is",
                        Stays::InTheClear => {
                            "a reference to a secret stays as it is: the field that it stands in is not encrypted"
                        }
                        Stays::TooMuch => "a reference that grows without measure stays as it is",
                    },
                    at,
                );
                None
            }
        }
    }

    fn expand(&mut self, text: &str, hidden: bool, left: usize) -> Result<(Zeroizing<String>, bool), Stays> {
        let mut out = Zeroizing::new(String::new());
        let (mut rest, mut secret) = (text, false);
        while let Some(start) = find(rest) {
            let (before, reference) = rest.split_at(start);
            let end = reference.find('}').ok_or(Stays::Nowhere)?;
            self.steps += 1;
            if self.steps > MOST_STEPS {
                return Err(Stays::TooMuch);
            }
            let words = reference.get("{REF:".len()..end).unwrap_or_default();
            let target = self.target(words).ok_or(Stays::Nowhere)?;
            let (value, is_secret) = target;
            if is_secret && !hidden {
                return Err(Stays::InTheClear);
            }
            secret |= is_secret;
            let value = if is_in(&value) {
                let (value, is_secret) =
                    self.expand(&value, hidden, left.checked_sub(1).ok_or(Stays::Nowhere)?)?;
                secret |= is_secret;
                value
            } else {
                value
            };
            self.written = self.written.saturating_add(before.len() + value.len());
            if self.written > MOST {
                return Err(Stays::TooMuch);
            }
            push(&mut out, before);
            push(&mut out, &value);
            rest = reference.get(end + 1..).unwrap_or_default();
        }
        push(&mut out, rest);
        Ok((out, secret))
    }

    /// What `P@I:46C9…` names, and whether it is a secret.
    fn target(&mut self, words: &str) -> Option<(Zeroizing<String>, bool)> {
        let (letters, text) = words.split_once(':')?;
        let mut letters = letters.chars();
        let (wanted, mark, by) = (letters.next()?, letters.next()?, letters.next()?);
        let (wanted, by) = (What::of(wanted)?, What::of(by)?);
        if mark != '@' || letters.next().is_some() || wanted == What::Own || text.is_empty() {
            return None;
        }
        let target = self.one(by, text)?;
        let record = target.record;
        let value = match wanted {
            What::Title => &record.name,
            What::Login => &record.login,
            What::Address => &record.url,
            What::Notes => &record.description,
            What::Password => record.password.as_ref().map_or("", SecretString::expose),
            What::Id => target.id,
            What::Own => return None,
        };
        Some((Zeroizing::new(value.to_owned()), wanted == What::Password))
    }

    /// The one entry that is found so.
    fn one(&mut self, by: What, text: &str) -> Option<&'a Target<'a>> {
        let (targets, hasher) = (self.targets, &self.hasher);
        let found_by = self.found_by.entry(by).or_insert_with(|| {
            let mut found: HashMap<u64, Vec<usize>> = HashMap::new();
            for (index, target) in targets.iter().enumerate() {
                each(target, by, &mut |value| {
                    if !value.is_empty() {
                        found.entry(hasher.hash_one(&*folded(value))).or_default().push(index);
                    }
                });
            }
            found
        });
        let wanted = folded(text);
        let alike = found_by.get(&hasher.hash_one(&*wanted))?;
        // Of entries alike there are two at least, or the field of one says the same twice.
        let mut found = alike.iter().filter_map(|index| targets.get(*index));
        let first = found.next()?;
        if found.any(|other| !std::ptr::eq(first, other)) {
            return None;
        }
        let mut is = false;
        each(first, by, &mut |value| is |= *folded(value) == *wanted);
        is.then_some(first)
    }
}

fn each(target: &Target<'_>, what: What, found: &mut dyn FnMut(&str)) {
    let record = target.record;
    match what {
        What::Title => found(&record.name),
        What::Login => found(&record.login),
        What::Address => found(&record.url),
        What::Notes => found(&record.description),
        What::Password => found(record.password.as_ref().map_or("", SecretString::expose)),
        What::Id => found(target.id),
        What::Own => record.customs.iter().for_each(|custom| found(custom.value.expose())),
    }
}

/// Upper and lower case are the same to KeePass.
fn folded(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.trim().to_lowercase())
}

/// Appends; where the text must grow, its old place is wiped.
fn push(out: &mut Zeroizing<String>, more: &str) {
    let length = out.len() + more.len();
    if length > out.capacity() {
        let mut grown = Zeroizing::new(String::with_capacity(length.max(2 * out.capacity())));
        grown.push_str(out);
        *out = grown;
    }
    out.push_str(more);
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyferry_crypto::model::Custom;

    fn record(name: &str, login: &str, password: &str) -> Record {
        Record {
            name: name.into(),
            login: login.into(),
            password: Some(password.into()),
            ..Record::default()
        }
    }

    fn resolved(records: &[Record], mut one: Record) -> (Record, Vec<String>) {
        let ids: Vec<_> = (0..records.len()).map(|number| format!("{number:032X}")).collect();
        let targets: Vec<_> = records.iter().zip(&ids).map(|(record, id)| Target { record, id }).collect();
        let mut tally = Tally::default();
        if let Some(found) = Resolver::new(&targets).resolve(&one, "/Entry", &mut tally) {
            found.apply(&mut one);
        }
        let notes = tally.finish().into_iter().filter_map(|entry| match entry {
            keyferry_crypto::model::Entry::Note(note) => Some(note),
            _ => None,
        });
        (one, notes.collect())
    }

    #[test]
    fn references_are_followed_to_the_one_entry_that_fits() {
        let mut own = record("Own", "o", "4");
        own.customs.push(Custom { name: "Id".into(), kind: CustomKind::Text, value: "abc".into() });
        let records = [
            record("Mail", "me", "one"),
            record("Twin", "u", "two"),
            record("Twin", "v", "three"),
            own,
            record("Chain", "{REF:U@T:Mail}", "{ref:p@t:MAIL}"),
        ];
        let id = "0".repeat(32);
        for (login, password, wanted) in [
            (format!("{{REF:U@I:{id}}}"), format!("{{REF:P@I:{id}}}"), ("me", "one")),
            (
                "{REF:U@T:mail}@x and {REF:T@P:one}".into(),
                "<{REF:P@U:me}>".into(),
                ("me@x and Mail", "<one>"),
            ),
            ("{REF:U@O:ABC}".into(), "{REF:P@O:abc}".into(), ("o", "4")),
            ("{REF:U@T:Chain}".into(), "{REF:P@T:Chain}".into(), ("me", "one")),
            ("{USERNAME} {NOTES}".into(), "{REF:I@T:Mail}".into(), ("{USERNAME} {NOTES}", &id)),
        ] {
            let (one, notes) = resolved(&records, record("x", &login, &password));
            assert_eq!((one.login.as_str(), one.password.unwrap().expose()), wanted, "{notes:?}");
            assert_eq!(notes, Vec::<String>::new());
        }
        for text in [
            "{REF:P@T:Twin}",
            "{REF:P@T:None}",
            "{REF:P@T:Mail",
            "{REF:X@T:Mail}",
            "{REF:O@T:Mail}",
            "{REF:P@T:}",
        ] {
            let (one, notes) = resolved(&records, record("x", "", text));
            assert_eq!((one.password.unwrap().expose(), notes.len()), (text, 1));
        }
    }

    #[test]
    fn a_password_is_not_brought_where_nothing_encrypts_it() {
        let records = [record("Mail", "me", "hidden"), record("Chain", "{REF:P@T:Mail}", "")];
        for text in ["{REF:P@T:Mail}", "https://x/?{REF:P@U:me}", "{REF:U@T:Chain}"] {
            let mut one = record(text, text, "");
            (one.url, one.description) = (text.into(), text.into());
            one.customs.push(Custom { name: "c".into(), kind: CustomKind::Text, value: text.into() });
            let (one, notes) = resolved(&records, one);
            for field in [&one.name, &one.login, &one.url, &one.description] {
                assert_eq!(field, text);
            }
            assert!(one.customs[0].value.expose().contains("hidden"));
            assert_eq!(one.customs[0].kind, CustomKind::Password);
            assert!(notes[0].contains("is not encrypted") && !notes[0].contains("hidden"), "{notes:?}");
        }
    }

    #[test]
    fn references_that_turn_in_circles_or_double_come_to_an_end() {
        let circle = [record("a", "{REF:U@T:b}", ""), record("b", "{REF:U@T:a}", "")];
        let (one, notes) = resolved(&circle, record("x", "{REF:U@T:a}", ""));
        assert_eq!((one.login.as_str(), notes.len()), ("{REF:U@T:a}", 1));
        let doubling: Vec<_> = (0..11)
            .map(|n| record(&format!("r{n}"), &format!("{{REF:U@T:r{}}}", n + 1).repeat(30), ""))
            .collect();
        let (one, notes) = resolved(&doubling, record("x", "{REF:U@T:r0}", ""));
        assert_eq!((one.login.as_str(), notes.len()), ("{REF:U@T:r0}", 1));
    }
}
