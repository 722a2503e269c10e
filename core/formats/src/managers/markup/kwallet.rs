//! The XML of KDE's wallet.
//!
//! Signature: `wallet` with `folder`. Mapping: the wallet is the vault, its folders are folders; a password is a record, and so is a map,
//! whose entries are fields but for what is called `login`, `password` or `url` there; a stream is a record with an attachment.
//! Resolved: nothing. The whole document is kept in memory.

use super::{each, inner};
use crate::head::{Fit, Head};
use crate::json::{Members, Value};
use crate::jsonl::base64;
use crate::managers::item::Item;
use crate::managers::items::{Found, Kept};
use crate::managers::place::Place;
use crate::{Entries, ReadOptions};
use keyferry_crypto::error::Result;
use keyferry_crypto::secret::SecretBytes;
use std::io::Read;

/// Whether it is such a document.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    head.has_element("wallet/folder").into()
}

pub(crate) fn read(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let (mut document, mut members) = super::open(input, "wallet", "KWallet")?;
    let vault = Some(document.name(&mut members, &["@name"])).filter(|name| !name.is_empty());
    for (at, folder) in each(&mut members, "folder") {
        let (at, mut folder) = (format!("/wallet/{at}"), inner(folder));
        let name = document.name(&mut folder, &["@name"]);
        let path = Place::vault(vault.clone().unwrap_or_default()).below(name);
        document.place(path.clone(), &at);
        for kind in ["password", "map", "stream"] {
            for (inside, value) in each(&mut folder, kind) {
                // Its kind is the element's name; the walk knows only what stands in it.
                let value = Value::Object(vec![(kind.to_owned(), Value::Object(inner(value)))]);
                document.found.push(Found { value, at: format!("{at}/{inside}"), path: path.clone() });
            }
        }
        document.leave_rest(folder, &at);
    }
    document.leave_rest(members, "/wallet");
    Ok(document.entries(Box::new(fill)))
}

fn fill(item: &mut Item<'_>, members: Members) -> Kept {
    for (kind, value) in members {
        let mut members = inner(value);
        item.record.name = item.simple(&mut members, "@name");
        match kind.as_str() {
            "password" => {
                let password = item.simple(&mut members, "#text");
                item.password("Password", password);
            }
            "map" => {
                for (at, entry) in each(&mut members, "mapentry") {
                    map_entry(item, inner(entry), &at);
                }
            }
            _ => stream(item, &mut members),
        }
        item.unknown("", members);
    }
    Kept::Record
}

fn map_entry(item: &mut Item<'_>, mut entry: Members, at: &str) {
    let value = item.simple(&mut entry, "#text");
    let label =
        if value.is_empty() { item.mark(&mut entry, "@name") } else { item.simple(&mut entry, "@name") };
    let word = label.to_ascii_lowercase();
    let fills = match word.as_str() {
        "login" | "username" | "user" => item.record.login.is_empty(),
        "password" => item.record.password.is_none(),
        "url" => item.record.url.is_empty(),
        _ => false,
    };
    if fills && !value.is_empty() {
        item.tally.turned_out_resolved();
    }
    match word.as_str() {
        "password" if fills => item.password("Password", value),
        "url" if fills => item.url(value),
        _ if fills => item.login(value),
        _ => item.labelled(label, value),
    }
    item.unknown(at, entry);
}

fn stream(item: &mut Item<'_>, members: &mut Members) {
    let content = match members.iter().find(|(name, _)| name == "#text") {
        Some((_, Value::Text(text))) => base64(text).filter(|bytes| !bytes.is_empty()),
        _ => None,
    };
    if let Some(content) = content {
        drop(item.simple(members, "#text"));
        let name = item.record.name.clone();
        item.attach(name, SecretBytes::new(content));
    } else {
        item.leave("", members, &["#text"], "it is not in base64");
    }
}
