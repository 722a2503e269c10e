//! Trees of secrets: what vaults, clouds and clusters keep, and files of variables.
//!
//! The rule of all trees: a map with values is a record named after its key, its path the keys above. `username`, `user`,
//! `login` are its login; `password`, `pass`, `value`, `secret` its password where one of them stands alone of its kind;
//! `url`, `uri`, `host`, `endpoint` its address; `description`, `notes`, `comment` its description; every other key is a
//! hidden field. A map that has both values and maps with values is a record, and a folder of that name besides. Lists,
//! and maps without values of their own below, are compact JSON.

pub(crate) mod ansible;
pub(crate) mod cloud;
pub(crate) mod docker;
pub(crate) mod dotenv;
pub(crate) mod dotenv_writer;
pub(crate) mod infisical;
pub(crate) mod inside;
pub(crate) mod kubernetes;
pub(crate) mod kubernetes_writer;
pub(crate) mod kv;
pub(crate) mod kv_writer;
pub(crate) mod my_cnf;
pub(crate) mod netrc;
pub(crate) mod pass;
pub(crate) mod pgpass;
pub(crate) mod sops;
pub(crate) mod terraform;
pub(crate) mod vault;

use crate::json::{self, Members, Value};
use crate::managers::item::Item;
use keyferry_crypto::model::{CustomKind, RecordPath};

const LOGIN: &[&str] = &["username", "user", "login"];
const PASSWORD: &[&str] = &["password", "pass", "value", "secret"];
const URL: &[&str] = &["url", "uri", "host", "endpoint"];
const DESCRIPTION: &[&str] = &["description", "notes", "comment"];

/// Whether a value is a leaf of its own.
fn is_plain(value: &Value) -> bool {
    !matches!(value, Value::List(_) | Value::Object(_))
}

/// Whether a map, or one below it, has values: then it is a place of records rather than a value.
fn holds_values(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.iter().any(|(_, value)| is_plain(value) || holds_values(value)),
        _ => false,
    }
}

/// Fills a record from the values of a map.
fn fill(item: &mut Item<'_>, members: Members) {
    let only = |names: &[&str]| {
        let mut found = members.iter().filter(|(name, value)| {
            is_plain(value) && names.iter().any(|known| name.eq_ignore_ascii_case(known))
        });
        found.next().filter(|_| found.next().is_none()).map(|(name, _)| name.clone())
    };
    let (login, password) = (only(LOGIN), only(PASSWORD));
    let (url, description) = (only(URL), only(DESCRIPTION));
    for (name, value) in members {
        let is = |wanted: &Option<String>| wanted.as_deref() == Some(name.as_str());
        item.tally.carried(value.leaves());
        let text = match value {
            Value::Null => continue,
            value if is_plain(&value) => value.into_text().unwrap_or_default(),
            structured if structured.leaves() == 0 => continue,
            structured => json::text(&structured).expose().to_owned(),
        };
        if is(&login) {
            item.login(text);
        } else if is(&password) {
            item.record.password = Some(text.into());
        } else if is(&url) {
            item.url(text);
        } else if is(&description) {
            item.note(&text);
        } else {
            // An empty value is one here: a variable that is set to nothing.
            let value = text.into();
            item.record.customs.push(keyferry_crypto::model::Custom {
                name,
                kind: CustomKind::Password,
                value,
            });
        }
    }
}

/// The folders of a path that nests by `/`.
fn path_of(text: &str) -> (RecordPath, String) {
    let mut folders: Vec<_> = text.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
    let name = folders.pop().unwrap_or_default();
    (RecordPath { vault: None, folders }, name)
}

/// What a file is called, without its ending.
fn stem(name: Option<&str>) -> String {
    let name = name.unwrap_or_default();
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    if stem.is_empty() { "secrets".to_owned() } else { stem.to_owned() }
}
