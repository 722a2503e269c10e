//! sysPass' XML.
//!
//! Signature: `Root` with `Meta/Generator` or with `Accounts` and `Clients`. Mapping: clients are vaults, categories folders.
//! Passwords are encrypted under the installation's own key, so an account that has one is rejected with the way on; one
//! without is read. Not read: a file whose sections are encrypted as well. The whole document is kept in memory.

use super::{child, each, inner};
use crate::head::{Fit, Head};
use crate::json::Members;
use crate::managers::item::Item;
use crate::managers::items::{Document, Kept};
use crate::managers::place::Place;
use crate::{Entries, ReadOptions};
use keyferry_crypto::error::{Error, ErrorKind, Result};
use keyferry_crypto::model::RecordPath;
use std::collections::HashMap;
use std::io::Read;

/// What to do where passwords cannot be read.
const WAY: &str = "export the accounts of sysPass as CSV, and name that: --format syspass-csv";

/// Whether it is such a document.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    let has = |path| head.has_element(path);
    (has("Root/Meta/Generator") || has("Root/Encrypted") || (has("Root/Accounts") && has("Root/Categories")))
        .into()
}

pub(crate) fn read(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let (mut document, mut members) = super::open(input, "Root", "sysPass")?;
    if members.iter().any(|(name, value)| name == "Encrypted" && value.leaves() > 0) {
        return Err(Error::new(ErrorKind::Input, "this export of sysPass is encrypted").next_step(WAY));
    }
    let mut names = |list: &str, one: &str| named(&mut document, &mut members, list, one);
    let (clients, categories) = (names("Clients", "Client"), names("Categories", "Category"));
    let tags = names("Tags", "Tag");
    let mut meta = child(&mut members, "Meta");
    document.resolve(&mut meta, &["Generator", "Version", "Time", "User", "Group"]);
    let mut hash = child(&mut meta, "Hash");
    document.resolve(&mut hash, &["#text", "@sign"]);
    document.leave_rest(hash, "/Root/Meta/Hash");
    document.leave_rest(meta, "/Root/Meta");
    let mut list = child(&mut members, "Accounts");
    document.elements(&mut list, "Account", "/Root/Accounts", &Place::default());
    document.leave_rest(list, "/Root/Accounts");
    document.leave_rest(members, "/Root");
    Ok(document.entries(Box::new(move |item, members| fill(item, members, [&clients, &categories, &tags]))))
}

/// Names by their ids. Whether they are the place of a record shows later: their names count as resolved.
fn named(document: &mut Document, members: &mut Members, list: &str, one: &str) -> HashMap<String, String> {
    let (mut inside, mut names) = (child(members, list), HashMap::new());
    for (at, value) in each(&mut inside, one) {
        let mut value = inner(value);
        let id = document.id(&mut value, &["@id"]).unwrap_or_default();
        let name = document.id(&mut value, &["name"]).unwrap_or_default();
        let at = format!("/Root/{list}/{at}");
        if one == "Client" && !name.is_empty() {
            document.place(RecordPath { vault: Some(name.clone()), folders: Vec::new() }, &at);
        }
        names.insert(id, name);
        document.leave_rest(value, &at);
    }
    document.leave_rest(inside, &format!("/Root/{list}"));
    names
}

fn fill(
    item: &mut Item<'_>,
    mut members: Members,
    [clients, categories, tags]: [&HashMap<String, String>; 3],
) -> Kept {
    if !item.mark(&mut members, "pass").is_empty() {
        return Kept::Rejected(format!("its password is encrypted: {WAY}"));
    }
    item.record.name = item.text(&mut members, "name");
    let login = item.text(&mut members, "login");
    item.login(login);
    let url = item.text(&mut members, "url");
    item.url(url);
    let notes = item.text(&mut members, "notes");
    item.note(&notes);
    for (member, names) in [("clientId", clients), ("categoryId", categories)] {
        let id = item.mark(&mut members, member);
        match names.get(&id).filter(|name| !name.is_empty()) {
            Some(name) if member == "clientId" => item.record.path.vault = Some(name.clone()),
            Some(name) => item.record.path.folders.push(name.clone()),
            None if id.is_empty() => {}
            None => item.tally.unresolved("the client or category of a record is not in the file", item.at),
        }
    }
    item.resolve(&mut members, &["@id", "key"]);
    let mut list = child(&mut members, "tags");
    for (_, tag) in each(&mut list, "tag") {
        let mut tag = inner(tag);
        let id = item.mark(&mut tag, "@id");
        match tags.get(&id) {
            Some(name) => item.tag(name),
            None if id.is_empty() => {}
            None => item.tally.unresolved("a tag of a record is not in the file", item.at),
        }
        item.unknown("tags.tag", tag);
    }
    item.unknown("tags", list);
    item.unknown("", members);
    Kept::Record
}
