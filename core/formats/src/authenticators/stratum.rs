//! Stratum's (Authenticator Pro's) backup, in the clear.
//!
//! Signature: `Authenticators`. Categories are tags. Told: icons, rankings. An encrypted one is no JSON.

use super::Code;
use crate::document::NO_RECORD;
use crate::head::{Fit, Head};
use crate::json::{Members, Value};
use crate::managers::item::{Item, OWN, list};
use crate::managers::items::{Document, Kept};
use crate::{Entries, ReadOptions};
use keyferry_crypto::error::Result;
use keyferry_crypto::model::RecordPath;
use std::collections::HashMap;
use std::io::Read;

/// Whether it is such a backup.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    let own = |document: &Value| matches!(document.get("Authenticators"), Some(Value::List(_)));
    head.json().is_some_and(own).into()
}

pub(crate) fn read(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let (mut document, mut members) = Document::object(input, "Stratum")?;
    let mut names = HashMap::new();
    for (index, category) in list(&mut members, "Categories").into_iter().enumerate() {
        let at = format!("/Categories/{index}");
        let Value::Object(mut category) = category else {
            document.behind(&category, &at, NO_RECORD);
            continue;
        };
        let id = document.id(&mut category, &["Id"]).unwrap_or_default();
        names.insert(id, document.id(&mut category, &["Name"]).unwrap_or_default());
        document.resolve(&mut category, &["Ranking"]);
        document.leave_rest(category, &at);
    }
    let mut tags: HashMap<String, Vec<String>> = HashMap::new();
    for (index, binding) in list(&mut members, "AuthenticatorCategories").into_iter().enumerate() {
        let at = format!("/AuthenticatorCategories/{index}");
        let Value::Object(mut binding) = binding else {
            document.behind(&binding, &at, NO_RECORD);
            continue;
        };
        let secret = document.id(&mut binding, &["AuthenticatorSecret"]).unwrap_or_default();
        let category = document.id(&mut binding, &["CategoryId"]).unwrap_or_default();
        if let Some(name) = names.get(&category) {
            tags.entry(secret).or_default().push(name.clone());
        }
        document.resolve(&mut binding, &["Ranking"]);
        document.leave_rest(binding, &at);
    }
    document.items(list(&mut members, "Authenticators"), "/Authenticators", &RecordPath::default());
    for name in ["CustomIcons", "IconPacks"] {
        let icons = crate::document::take(&mut members, name);
        document.behind(&icons, &format!("/{name}"), OWN);
    }
    document.leave_rest(members, "");
    Ok(document.entries(Box::new(move |item, members| fill(item, members, &tags))))
}

fn fill(item: &mut Item<'_>, mut members: Members, tags: &HashMap<String, Vec<String>>) -> Kept {
    let word = |number: &str, words: &[&str]| {
        number.parse::<usize>().ok().and_then(|number| words.get(number)).map_or("", |word| word).to_owned()
    };
    let kind = item.mark(&mut members, "Type");
    let algorithm = item.mark(&mut members, "Algorithm");
    let secret = item.simple(&mut members, "Secret");
    for tag in tags.get(&secret).into_iter().flatten() {
        item.tag(tag);
    }
    let code = Code {
        issuer: item.simple(&mut members, "Issuer"),
        account: item.simple(&mut members, "Username"),
        secret,
        algorithm: word(&algorithm, &["SHA1", "SHA256", "SHA512"]),
        digits: item.mark(&mut members, "Digits"),
        period: item.mark(&mut members, "Period"),
        counter: item.mark(&mut members, "Counter"),
        kind: word(&kind, &["", "hotp", "totp", "motp", "steam", "yandex"]),
    };
    code.fill(item);
    item.leave("", &mut members, &["Icon", "Ranking", "CopyCount", "Pin"], OWN);
    item.unknown("", members);
    Kept::Record
}
