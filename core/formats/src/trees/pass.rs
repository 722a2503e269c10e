//! An entry of pass, gopass or a store like theirs: one file, already decrypted, or sealed with age for an identity in the key
//! file. What walks a store and lets `gpg` open its files stands above this crate.
//!
//! Signature: `GOPASS-SECRET-1.0` alone; everything else is any text, so the format is named, or the store's own files tell.
//! Mapping: the first line is the password, unless it is a field of a known name or an `otpauth:` address. `key: value` is a field, `login`,
//! `user`, `username` the login and `url`, `uri`, `website`, `link` the address, where they stand first; `otpauth:` a one-time
//! code; behind a line `---` stands YAML; all other lines are the description. A file that is no text is an attachment. An
//! empty entry is a record without a password. Told: nothing.

use crate::age::{self, Fault, Identity};
use crate::decode::Decode;
use crate::head::{Fit, Head};
use crate::json::Value;
use crate::managers::item::Item;
use crate::sealed::damaged;
use crate::tally::Tally;
use crate::{Entries, ReadOptions, yaml};
use keyferry_crypto::error::{Error, ErrorKind, Position, Result};
use keyferry_crypto::model::Entry;
use keyferry_crypto::secret::{SecretBytes, SecretString};
use std::io::Read;
use zeroize::Zeroizing;

const GOPASS: &str = "GOPASS-SECRET-1.0";
const CODE: &str = "otpauth://";
/// What a message of age begins with.
const SEALED: [&[u8]; 2] = [b"age-encryption.org/", b"-----BEGIN AGE ENCRYPTED FILE-----"];
/// Longer than what people call a field.
const LONGEST_KEY: usize = 64;

/// Whether it is an entry in gopass' older form.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    (head.text().lines().next().map(str::trim_end) == Some(GOPASS)).into()
}

pub(crate) fn read(input: Box<dyn Read + Send>, options: &ReadOptions) -> Result<Entries> {
    let file = options.name.as_deref().unwrap_or("entry");
    let file = file.rsplit(['/', '\\']).next().unwrap_or_default();
    let endings = [".gpg", ".age", ".txt"];
    let name = endings.iter().find_map(|ending| file.strip_suffix(ending)).unwrap_or(file).to_owned();
    let mut bytes = Decode::raw(input).bytes()?;
    if SEALED.iter().any(|begin| bytes.starts_with(begin)) {
        bytes = opened(&bytes, options)?;
    }
    let mut tally = Tally::default();
    let mut item = Item::new("", &mut tally);
    if let Ok(text) = std::str::from_utf8(&bytes) {
        entry(&mut item, text);
    } else {
        one(&mut item);
        item.attach(name.clone(), SecretBytes::new(std::mem::take(&mut *bytes)));
    }
    item.record.name = name;
    let record = std::mem::take(&mut item.record);
    let mut entries = vec![Entry::Record(record, Position::line(1))];
    entries.extend(tally.finish());
    Ok(Box::new(entries.into_iter().map(Ok)))
}

/// What a message of age holds.
fn opened(message: &[u8], options: &ReadOptions) -> Result<Zeroizing<Vec<u8>>> {
    let locked = |what: &str| {
        Error::new(ErrorKind::Locked, what.to_owned())
            .next_step("name the file that holds the identity (AGE-SECRET-KEY-…): --key-file")
    };
    let file = options.key_file.as_ref().and_then(|file| std::str::from_utf8(file.expose()).ok());
    let phrase = options.passphrase.as_ref().map(SecretString::expose);
    let identities: Vec<_> = [phrase, file].into_iter().flatten().flat_map(Identity::all).collect();
    if identities.is_empty() {
        return Err(locked("this entry opens with an identity of age"));
    }
    age::open(message, &identities).map_err(|fault| match fault {
        Fault::Damaged => damaged("the entry is not what was written"),
        Fault::NotForUs => locked("no identity of age that was given opens this entry"),
    })
}

fn entry(item: &mut Item<'_>, text: &str) {
    let mut lines = text.lines();
    let mut rest: Vec<&str> = Vec::new();
    let first = lines.clone().next().unwrap_or_default();
    if first.trim_end() == GOPASS {
        lines.next();
        // Fields up to the first empty line, then the body.
        for line in lines.by_ref().take_while(|line| !line.trim().is_empty()) {
            match field_of(line) {
                Some((key, value)) => field(item, key, value),
                None => rest.push(line),
            }
        }
    } else if !first.starts_with(CODE) && !field_of(first).is_some_and(|(key, _)| is_known(key)) {
        lines.next();
        if !first.is_empty() {
            one(item);
            item.password("Password", first.to_owned());
        }
    }
    let mut yaml = None;
    while let Some(line) = lines.next() {
        if line.trim_end() == "---"
            && let Some(members) = members_of(&Zeroizing::new(lines.clone().collect::<Vec<_>>().join("\n")))
        {
            yaml = Some(members);
            break;
        }
        if line.trim_start().starts_with(CODE) {
            one(item);
            item.code("TOTP", line.trim().to_owned());
        } else if let Some((key, value)) = field_of(line) {
            field(item, key, value);
        } else {
            rest.push(line);
        }
    }
    let note = Zeroizing::new(rest.join("\n"));
    let note = note.trim_matches('\n');
    if !note.trim().is_empty() {
        one(item);
        item.note(note);
    }
    for (name, value) in yaml.into_iter().flatten() {
        item.tally.read(value.leaves());
        if matches!(value, Value::List(_) | Value::Object(_)) {
            item.unknown("", vec![(name, value)]);
            continue;
        }
        item.tally.carried(value.leaves());
        put(item, &name, value.into_text().unwrap_or_default());
    }
}

/// The members of a text that is one map of YAML.
fn members_of(text: &str) -> Option<crate::json::Members> {
    let mut documents = yaml::documents(text).ok()?;
    match (documents.pop(), documents.is_empty()) {
        (Some(Value::Object(members)), true) => Some(members),
        _ => None,
    }
}

/// One value of the file, which is carried.
fn one(item: &mut Item<'_>) {
    item.tally.read(1);
    item.tally.carried(1);
}

/// A line that is a field: a name, a colon, a blank, and a value.
fn field_of(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.split_once(": ")?;
    let (key, value) = (key.trim(), value.trim());
    let plain = !key.is_empty() && key.len() <= LONGEST_KEY && !key.contains("://");
    (plain && !value.is_empty() && !line.starts_with([' ', '\t', '-', '#'])).then_some((key, value))
}

const LOGIN: &[&str] = &["login", "user", "username", "user name"];
const URL: &[&str] = &["url", "uri", "website", "link"];
const PASSWORD: &[&str] = &["password", "pass", "passphrase"];
const CODES: &[&str] = &["otpauth", "otp", "totp"];
const NOTE: &[&str] = &["note", "notes", "comment", "comments", "description"];

fn is_any(key: &str, names: &[&str]) -> bool {
    names.iter().any(|name| key.eq_ignore_ascii_case(name))
}

fn is_known(key: &str) -> bool {
    [LOGIN, URL, PASSWORD, CODES].iter().any(|names| is_any(key, names))
}

fn field(item: &mut Item<'_>, key: &str, value: &str) {
    one(item);
    put(item, key, value.to_owned());
}

fn put(item: &mut Item<'_>, key: &str, value: String) {
    if is_any(key, LOGIN) {
        item.login(value);
    } else if is_any(key, URL) {
        item.url(value);
    } else if is_any(key, PASSWORD) {
        item.password(key, value);
    } else if is_any(key, CODES) {
        item.code(key, value);
    } else if is_any(key, NOTE) {
        item.note(&value);
    } else {
        item.labelled(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyferry_crypto::model::Record;

    fn read_as(name: &str, content: &[u8]) -> Record {
        let options = ReadOptions { name: Some(name.to_owned()), ..ReadOptions::default() };
        let entries = read(Box::new(std::io::Cursor::new(content.to_vec())), &options).unwrap();
        let mut records: Vec<_> = entries
            .filter_map(|entry| match entry.unwrap() {
                Entry::Record(record, _) => Some(record),
                _ => None,
            })
            .collect();
        records.pop().unwrap()
    }

    fn fields(record: &Record) -> Vec<(&str, &str)> {
        record.customs.iter().map(|one| (one.name.as_str(), one.value.expose())).collect()
    }

    #[test]
    fn the_first_line_is_the_password_and_the_others_say_what_they_are() {
        let text = "pass: word\nlogin: anna\nurl: https://a.example\nPIN: 12\nuser: bea\n\nfree text\nhttps://b.example: no\n\nmore\notpauth://totp/x?secret=GEZDGNBV\n";
        let record = read_as("mail.gpg", text.as_bytes());
        assert_eq!(
            (record.name.as_str(), record.login.as_str(), record.url.as_str()),
            ("mail", "anna", "https://a.example")
        );
        // `pass` is a field of a known name: then no line is the bare password.
        assert_eq!(record.password.as_ref().unwrap().expose(), "word");
        assert_eq!(record.description, "free text\nhttps://b.example: no\n\nmore");
        assert_eq!(
            fields(&record),
            [("PIN", "12"), ("Login 2", "bea"), ("TOTP", "otpauth://totp/x?secret=GEZDGNBV")]
        );
        let record = read_as("a.b", b"se: cret \nno field:\n");
        assert_eq!(record.password.as_ref().unwrap().expose(), "se: cret ");
        assert_eq!((record.name.as_str(), record.description.as_str()), ("a.b", "no field:"));
    }

    #[test]
    fn yaml_gopass_and_files_that_are_no_text() {
        let record = read_as("x", b"secret\n---\nuser: anna\nport: 22\nkeys:\n  - one\n  - two\n");
        assert_eq!((record.password.as_ref().unwrap().expose(), record.login.as_str()), ("secret", "anna"));
        assert_eq!(fields(&record), [("port", "22"), ("keys[0]", "one"), ("keys[1]", "two")]);
        let record = read_as("x", b"secret\n---\nno yaml: [\n");
        assert!(record.description.contains("---"), "{:?}", record.description);
        let record = read_as("x", b"GOPASS-SECRET-1.0\nPassword: s\nUser: anna\n\nbody\n");
        assert_eq!((record.password.as_ref().unwrap().expose(), record.login.as_str()), ("s", "anna"));
        assert_eq!(record.description, "body");
        let record = read_as("key.bin.gpg", &[0xff, 0, 0xfe, 1, 2, 0x80]);
        assert_eq!((record.attachments.len(), record.attachments[0].name.as_str()), (1, "key.bin"));
        let record = read_as("empty", b"");
        assert!(record.password.is_none() && record.name == "empty");
    }
}
