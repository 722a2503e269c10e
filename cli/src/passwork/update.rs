//! `update`: changes one item where it stands.

use crate::passwork::failure::{Failure, Result, member, text};
use crate::passwork::items::Client;
use crate::passwork::python::strip;
use crate::passwork::value::Value;
use crate::passwork::{Parsed, complain, get};
use keyferry_core::crypto::envelope;
use keyferry_core::secret::SecretString;
use std::ffi::OsString;

/// A custom field that was typed.
#[derive(Debug, PartialEq)]
pub struct Typed {
    name: String,
    value: SecretString,
}

/// The custom fields among what no option took: `--custom-NAME VALUE`, `--custom-NAME=VALUE`; all else is passed over.
pub fn customs(rest: &[OsString]) -> std::result::Result<Vec<Typed>, String> {
    let mut customs = Vec::new();
    let mut words = rest.iter().map(|word| word.to_string_lossy());
    while let Some(word) = words.next() {
        let Some(name) = word.strip_prefix("--custom-") else { continue };
        let (name, value) = match name.split_once('=') {
            Some((name, value)) => (name, SecretString::from(value)),
            None => match words.next() {
                Some(value) => (name, SecretString::from(&*value)),
                None => return Err(format!("Error: Missing value for custom field {name}")),
            },
        };
        customs.push(Typed { name: name.to_owned(), value });
    }
    Ok(customs)
}

/// Makes the change.
pub async fn run(client: &Client, parsed: &Parsed, typed: Vec<Typed>) -> Result<u8> {
    let item = get::item(client, parsed).await?;
    if !item.is_true() {
        return Ok(complain("Error: No password found"));
    }
    let mut change = Value::Dict(Vec::new());
    for name in ["name", "login", "url", "description"] {
        if let Some(value) = parsed.text(&format!("--{name}")) {
            change.set(name, value.as_str().into());
        }
    }
    if let Some(tags) = parsed.text("--tags").and_then(|text| tags(&text)) {
        change.set("tags", tags);
    }
    let customs = merged(member(&item, "customs")?, typed)?;
    let vault_id = member(&item, "vaultId")?;
    let id = text(member(&item, "id")?)?;
    let vault = client.server.get(&format!("/api/v1/vaults/{}", text(vault_id)?), &Value::None).await?;
    client.check_vault(&vault)?;
    change.set("vaultId", vault_id.clone());
    let key = client.record_key(&item)?;
    let seal = |plain: &str| -> Result<Value> {
        Ok(Value::from(
            match &key {
                Some(key) => envelope::encrypt_text(plain, key)?,
                None => envelope::encode_plain(plain.as_bytes()),
            }
            .as_str(),
        ))
    };
    let password = parsed.text("--password").map(SecretString::new);
    if password.is_some() || !customs.is_empty() {
        client.may_be_clear(text(vault_id)?)?;
    }
    match (&key, &password) {
        (Some(_), _) => change.set("keyEncrypted", member(&item, "keyEncrypted")?.clone()),
        (None, Some(_)) => change.set("keyEncrypted", "".into()),
        (None, None) => {}
    }
    if let Some(password) = password {
        change.set("passwordEncrypted", seal(password.expose())?);
    }
    let mut sealed = customs;
    for custom in &mut sealed {
        for name in ["name", "type", "value"] {
            if let Some(plain) = custom.get(name) {
                let envelope = seal(text(plain)?)?;
                custom.set(name, envelope);
            }
        }
    }
    change.set("customs", Value::List(sealed));
    client.server.send("PATCH", &format!("/api/v1/items/{id}"), &change).await?;
    Ok(0)
}

/// Tags as they were typed; `None` leaves those that are there.
fn tags(text: &str) -> Option<Value> {
    let tags: Vec<Value> =
        text.split(',').map(strip).filter(|tag| !tag.is_empty()).map(Value::from).collect();
    (!tags.is_empty() || !text.contains(',')).then_some(Value::List(tags))
}

/// The item's custom fields with what was typed: only those of type `password` take a new value; what is typed for
/// another type is lost; what fits none is added. A typed field that fits hides the next one from the same item
/// field, as taking an element out of a list that is being walked does.
fn merged(there: &Value, mut typed: Vec<Typed>) -> Result<Vec<Value>> {
    let Value::List(customs) = there else {
        let kind = there.kind();
        return Err(Failure::other(if typed.is_empty() {
            format!("object of type '{kind}' has no len()")
        } else {
            format!("'{kind}' object is not iterable")
        }));
    };
    let mut customs = customs.clone();
    for custom in &mut customs {
        let mut at = 0;
        while let Some(one) = typed.get(at) {
            if member(custom, "name")?.text() == Some(one.name.as_str()) {
                if member(custom, "type")?.text() == Some("password") {
                    custom.set("value", Value::Text(one.value.clone()));
                }
                typed.remove(at);
            }
            at += 1;
        }
    }
    customs.extend(typed.into_iter().map(|one| {
        Value::dict([
            ("name", one.name.as_str().into()),
            ("value", Value::Text(one.value)),
            ("type", "password".into()),
        ])
    }));
    Ok(customs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passwork::python::repr;

    fn typed(words: &[&str]) -> Vec<Typed> {
        customs(&words.iter().map(OsString::from).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn custom_fields_are_taken_from_what_is_left() {
        let seen = typed(&["x", "--custom-A=1=2", "--custom-B", "--custom-C", "y", "--custom-D", "4"]);
        let seen: Vec<_> = seen.iter().map(|one| (one.name.as_str(), one.value.expose())).collect();
        assert_eq!(seen, [("A", "1=2"), ("B", "--custom-C"), ("D", "4")]);
        assert_eq!(
            customs(&["--custom-A".into()]),
            Err("Error: Missing value for custom field A".to_owned())
        );
    }

    #[test]
    fn only_passwords_take_new_values() {
        let there = Value::loads(
            r#"[{"name": "a", "type": "password", "value": "1"}, {"name": "b", "type": "text", "value": "2"}]"#,
        );
        let merged =
            merged(&there.unwrap(), typed(&["--custom-a=9", "--custom-a=8", "--custom-b=7", "--custom-c=6"]));
        let shown: Vec<_> = merged.ok().unwrap().iter().map(repr).collect();
        assert_eq!(
            shown,
            [
                "{'name': 'a', 'type': 'password', 'value': '9'}",
                "{'name': 'b', 'type': 'text', 'value': '2'}",
                "{'name': 'a', 'value': '8', 'type': 'password'}",
                "{'name': 'c', 'value': '6', 'type': 'password'}",
            ]
        );
    }

    #[test]
    fn tags_are_replaced_emptied_or_left() {
        assert_eq!(
            ["a, b,", " ", "x", ","].map(|text| tags(text).map(|tags| repr(&tags))),
            [Some("['a', 'b']".to_owned()), Some("[]".to_owned()), Some("['x']".to_owned()), None]
        );
    }
}
