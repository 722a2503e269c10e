//! Characters that were lost before a file came here, or are none: half a surrogate pair in JSON reads as U+FFFD, as it does
//! in every browser. A password with such a character opens nothing, so each record with one is told.

use keyferry_crypto::model::Record;

/// What is told of such a record.
pub(crate) const LOST: &str = "a character that the file has only half of, or lost before, is \u{fffd} now: compare the record with its source";

/// Whether a text of the record has such a character.
pub(crate) fn is_damaged(record: &Record) -> bool {
    let has = |text: &str| memchr::memmem::find(text.as_bytes(), "\u{fffd}".as_bytes()).is_some();
    [&record.name, &record.login, &record.url, &record.description].into_iter().any(|text| has(text))
        || record.password.as_ref().is_some_and(|password| has(password.expose()))
        || record.customs.iter().any(|one| has(&one.name) || has(one.value.expose()))
        || record.tags.iter().any(|tag| has(tag))
        || record.path.folders.iter().chain(&record.path.vault).any(|name| has(name))
}
