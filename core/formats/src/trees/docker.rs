//! Docker's `config.json`, and the older `.dockercfg`: logins of registries.
//!
//! Signature: `auths`, an object of objects; or objects with `auth` at the top.
//! Mapping: a registry is a record of that name and address; `auth`, base64 of `user:password`, is login and password;
//! tokens are hidden fields. Resolved: `username` and `password` that say the same once more.
//! Told: settings; registries whose login a helper of the system keeps.

use crate::document::{NO_RECORD, take};
use crate::head::{Fit, Head};
use crate::json::{self, Members, Value, pointer_part};
use crate::jsonl::{base64, twice};
use crate::managers::item::{Item, OWN, object};
use crate::managers::items::{Document, Found, Kept};
use crate::managers::place::Place;
use crate::{Entries, ReadOptions};
use keyferry_crypto::error::{Error, ErrorKind, Result};
use keyferry_crypto::model::CustomKind;
use keyferry_crypto::secret::SecretBytes;
use std::collections::HashMap;
use std::io::Read;

/// Whether it has logins of registries.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    let Some(document) = head.json() else { return Fit::No };
    let is_login = |value: &Value| matches!(value.get("auth"), Some(Value::Text(_)));
    match document.get("auths") {
        Some(Value::Object(logins)) => {
            logins.iter().all(|(_, value)| matches!(value, Value::Object(_))).into()
        }
        _ => matches!(document, Value::Object(members) if !members.is_empty() && members.iter().all(|(_, value)| is_login(value)))
            .into(),
    }
}

pub(crate) fn read(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let (mut document, mut members) = Document::object(input, "Docker")?;
    let is_new = members.iter().any(|(name, _)| name == "auths");
    let (logins, above) =
        if is_new { (object(&mut members, "auths"), "/auths") } else { (std::mem::take(&mut members), "") };
    if let Some(name) = json::duplicate(&logins) {
        return Err(Error::new(ErrorKind::Input, twice(name)));
    }
    let mut names = HashMap::new();
    for (name, value) in logins {
        let at = format!("{above}/{}", pointer_part(&name));
        if !matches!(value, Value::Object(_)) {
            document.behind(&value, &at, NO_RECORD);
            continue;
        }
        if value.leaves() == 0 {
            document
                .tally
                .remark("the login of a registry is not in the file: a helper of the system keeps it", &at);
            continue;
        }
        names.insert(at.clone(), name);
        document.found.push(Found { value, at, path: Place::default() });
    }
    for (name, value) in members {
        document.behind(&value, &format!("/{}", pointer_part(&name)), OWN);
    }
    Ok(document.entries(Box::new(move |item, members| {
        item.record.name = names.remove(item.at).unwrap_or_default();
        let name = item.record.name.clone();
        item.url(name);
        login(item, members);
        Kept::Record
    })))
}

fn login(item: &mut Item<'_>, mut members: Members) {
    let auth = take(&mut members, "auth");
    let pair = match &auth {
        Value::Text(text) => base64(text).map(SecretBytes::new).and_then(SecretBytes::into_text),
        _ => None,
    };
    // Docker pads with zeros what it decodes to.
    let pair = pair.as_ref().and_then(|pair| pair.expose().trim_end_matches('\0').split_once(':'));
    if let Some((user, password)) = pair {
        item.tally.carried(auth.leaves());
        item.login(user.to_owned());
        item.password("Password", password.to_owned());
    } else {
        let text = item.joined(auth, "\n");
        item.field("auth", CustomKind::Password, text);
    }
    let user = item.simple(&mut members, "username");
    item.login(user);
    let password = item.simple(&mut members, "password");
    if item.record.password.as_ref().is_none_or(|known| known.expose() != password) {
        item.password("Password", password);
    }
    let mail = item.simple(&mut members, "email");
    item.mail(mail);
    for name in ["identitytoken", "registrytoken"] {
        let token = item.simple(&mut members, name);
        item.field(name, CustomKind::Password, token);
    }
    let address = item.simple(&mut members, "serveraddress");
    item.url(address);
    item.unknown("", members);
}
