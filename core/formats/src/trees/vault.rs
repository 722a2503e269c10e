//! Answers of HashiCorp Vault and OpenBao as JSON: `vault kv get -format=json`, and those of a server that is asked.
//!
//! Signature: `request_id` or `lease_id` beside `data`. Mapping: the record has the file's name, since an answer does not say
//! its own path; whoever asked a server knows it. `custom_metadata` are tags `key:value`; the rest by the rule of all trees.
//! Resolved: ids, leases, versions. Told: dates, versions that were deleted, lists of names, which have no values.

use super::{fill, stem};
use crate::document::{document, parsed, take};
use crate::head::{Fit, Head};
use crate::json::{Members, Value};
use crate::jsonl::twice;
use crate::managers::item::{DATES, Item, OWN, object};
use crate::managers::items::{Document, Found, Kept};
use crate::managers::place::Place;
use crate::tally::Tally;
use crate::{Entries, ReadOptions};
use keyferry_crypto::error::{Error, ErrorKind, Position, Result};
use keyferry_crypto::model::{Entry, Record, RecordPath};
use std::io::Read;

/// Why nothing is read of a version without values.
const DELETED: &str = "a version that was deleted has no values";

/// Whether it is such an answer, or a list of them.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    let own = |one: &Value| one.has("data") && (one.has("lease_id") || one.has("lease_duration"));
    match head.json() {
        Some(Value::List(list)) => list.iter().any(own).into(),
        Some(document) => own(document).into(),
        None => Fit::No,
    }
}

pub(crate) fn read(input: Box<dyn Read + Send>, options: &ReadOptions) -> Result<Entries> {
    let value = document(input)?;
    let mut found = Document::default();
    let (list, is_one) = match value {
        Value::List(list) => (list, false),
        one => (vec![one], true),
    };
    for (number, value) in list.into_iter().enumerate() {
        let at = if is_one { String::new() } else { format!("/{number}") };
        found.tally.read(value.leaves());
        if let Some(data) = value.get("data")
            && (data.has("keys") && matches!(data.get("keys"), Some(Value::List(_))))
            && !data.has("data")
        {
            return Err(Error::new(ErrorKind::Input, "this is a list of names, which has no values")
                .next_step(
                    "take each with vault kv get -format=json, or read the server: vault://HOST/MOUNT",
                ));
        }
        found.found.push(Found { value, at, path: Place::default() });
    }
    let name = stem(options.name.as_deref());
    Ok(found.entries(Box::new(move |item, members| {
        let version = guess(&members);
        name.clone_into(&mut item.record.name);
        answer(item, members, version)
    })))
}

/// Which version of the engine keeps a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KvVersion {
    /// Values alone.
    One,
    /// Values with versions and metadata.
    Two,
}

/// The version that an answer looks like: only a server says it for certain.
fn guess(members: &Members) -> KvVersion {
    let versioned = members.iter().find(|(name, _)| name == "data").is_some_and(|(_, data)| {
        data.has("data") && data.get("metadata").is_some_and(|metadata| metadata.has("version"))
    });
    if versioned { KvVersion::Two } else { KvVersion::One }
}

/// Answers of a server, one secret after the other, under one account.
#[derive(Default)]
pub struct KvAnswers(Tally);

impl KvAnswers {
    /// The record of an answer, called by this name and standing in this place; a reject where the answer holds what no record
    /// takes; `None` where its version was deleted or destroyed.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] for what is no JSON.
    pub fn record(
        &mut self,
        answer: &[u8],
        version: KvVersion,
        path: RecordPath,
        name: &str,
    ) -> Result<Option<Entry>> {
        let value = parsed(answer)?;
        let leaves = value.leaves();
        self.0.read(leaves);
        let mark = self.0.mark();
        let refused =
            |tally: &mut Tally, why: String| Ok(Some(tally.refuse(mark, leaves, Position::default(), why)));
        if let Some(name) = value.duplicate() {
            let why = twice(name);
            return refused(&mut self.0, why);
        }
        let Value::Object(members) = value else {
            return refused(&mut self.0, "the answer is no object".to_owned());
        };
        let mut item = Item::new("", &mut self.0);
        item.record = Record { path, name: name.to_owned(), ..Record::default() };
        let kept = self::answer(&mut item, members, version);
        let mut record = item.record;
        // What was made then is its newest version.
        record.changed_at = record.created_at.take();
        crate::addresses::take_out(&mut record, &mut self.0, &"/data");
        match kept {
            Kept::Record => Ok(Some(Entry::Record(record, Position::default()))),
            Kept::LeftOut(why) => {
                self.0.back_to(mark);
                self.0.tell(why, "/data", leaves);
                Ok(None)
            }
            Kept::Rejected(why) => refused(&mut self.0, why),
        }
    }

    /// What is said of all of them, and their account.
    #[must_use]
    pub fn finish(self) -> Vec<Entry> {
        self.0.finish()
    }
}

/// Fills a record, which has its name already.
fn answer(item: &mut Item<'_>, mut members: Members, version: KvVersion) -> Kept {
    item.resolve(
        &mut members,
        &["request_id", "lease_id", "lease_duration", "renewable", "mount_type", "wrap_info"],
    );
    item.leave("", &mut members, &["warnings", "auth", "metadata"], OWN);
    if version == KvVersion::One {
        let data = object(&mut members, "data");
        fill(item, data);
        item.unknown("", members);
        return Kept::Record;
    }
    let mut data = object(&mut members, "data");
    let mut metadata = object(&mut data, "metadata");
    let Value::Object(values) = take(&mut data, "data") else { return Kept::LeftOut(DELETED) };
    item.resolve(&mut metadata, &["version", "destroyed"]);
    // A version of today may say when it will be deleted.
    item.leave("data/metadata", &mut metadata, &["deletion_time"], DATES);
    item.created("data/metadata", &mut metadata, &["created_time"]);
    for (key, value) in object(&mut metadata, "custom_metadata") {
        let text = item.joined(value, " ");
        item.tag(&format!("{key}:{text}"));
    }
    item.leave_rest("data/metadata", metadata);
    fill(item, values);
    item.unknown("data", data);
    item.unknown("", members);
    Kept::Record
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_servers_word_and_not_the_looks_of_the_values() {
        let answer = br#"{"lease_id":"","data":{"data":{"a":"1"},"metadata":{"version":3},"keys":["x"]}}"#;
        let read = |version| {
            let mut answers = KvAnswers::default();
            let place = RecordPath::parse("secret/team");
            let Some(Entry::Record(record, _)) = answers.record(answer, version, place, "a.b\\c").unwrap()
            else {
                panic!("no record")
            };
            for entry in answers.finish() {
                assert!(!matches!(entry, Entry::Values(values) if values.lost() > 0), "{entry:?}");
            }
            let fields = record.customs.iter().map(|one| one.name.clone()).collect::<Vec<_>>();
            (record.name, fields)
        };
        assert_eq!(read(KvVersion::One).1, ["data", "metadata", "keys"]);
        assert_eq!(
            read(KvVersion::Two),
            ("a.b\\c".to_owned(), vec!["a".to_owned(), "data.keys[0]".to_owned()])
        );
    }

    #[test]
    fn a_version_that_will_be_deleted_is_there_and_one_that_was_is_not() {
        let answer = |data: &str| {
            let answer = format!(
                r#"{{"lease_id":"","data":{{"data":{data},"metadata":{{"created_time":"2026-01-02T03:04:05.6Z","deletion_time":"2036-01-02T03:04:05Z","destroyed":false,"version":2,"custom_metadata":{{"owner":"ops"}}}}}}}}"#
            );
            let mut answers = KvAnswers::default();
            answers.record(answer.as_bytes(), KvVersion::Two, RecordPath::default(), "n").unwrap()
        };
        let Some(Entry::Record(record, _)) = answer(r#"{"password":"p"}"#) else { panic!("no record") };
        assert_eq!((record.tags, record.changed_at), (vec!["owner:ops".to_owned()], Some(1_767_323_045)));
        assert!(answer("null").is_none());
    }
}
