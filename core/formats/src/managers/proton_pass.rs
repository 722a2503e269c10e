//! Proton Pass: a zip archive with `Proton Pass/data.json` and `Proton Pass/files/`, or that JSON by itself.
//!
//! Signature: that member; or `vaults`, an object, beside `userId`, `encrypted` or `version`.
//! Mapping: a user name is the login and the e-mail address a field, or the login where there is no other; own fields by
//! their labels and types; cards, identities, keys and networks member by member; a pinned item is a favourite.
//! Resolved: ids, kinds, versions. Told: the bin (where it is not asked for), dates, how a vault looks, what belongs to apps.
//! `data.pgp` in its place is a message of `OpenPGP`, which its passphrase opens. The whole archive is kept in memory.

use super::item::{Item, OWN, list, object};
use super::items::{BIN, Document, Kept, nested_in};
use crate::document::{NO_RECORD, parsed, take};
use crate::head::{Fit, Head};
use crate::json::{Members, Value, pointer_part};
use crate::managers::place::Place;
use crate::managers::proton_content::{content_of, fields, others};
use crate::zip::Zip;
use crate::{Entries, ReadOptions, openpgp};
use keyferry_crypto::error::{Error, ErrorKind, Result};
use std::collections::HashMap;
use std::io::Read;

const WHOSE: &str = "Proton Pass";
/// The folder within the archive.
const FOLDER: &str = "Proton Pass/";

/// Whether it is the JSON.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    let own = |document: &Value| {
        matches!(document.get("vaults"), Some(Value::Object(_)))
            && ["userId", "encrypted", "version"].iter().any(|name| document.has(name))
    };
    head.json().is_some_and(own).into()
}

/// Whether it is the archive.
pub(crate) fn fits_zip(head: &Head<'_>) -> Fit {
    head.members().iter().any(|name| name.starts_with(FOLDER)).into()
}

pub(crate) fn read(input: Box<dyn Read + Send>, options: &ReadOptions) -> Result<Entries> {
    let (document, members) = Document::object(input, WHOSE)?;
    entries(document, members, options)
}

pub(crate) fn read_zip(input: Box<dyn Read + Send>, options: &ReadOptions) -> Result<Entries> {
    let mut zip = Zip::open(input)?;
    let sealed = zip.names().find(|name| name.ends_with("data.pgp")).map(str::to_owned);
    if let Some(sealed) = sealed.and_then(|name| zip.take(&name).transpose()) {
        let plain = openpgp::open(&sealed?, options, "this export of Proton Pass")?;
        let (mut document, members) = Document::of(parsed(&plain)?, WHOSE)?;
        document.zip = Some(zip);
        return entries(document, members, options);
    }
    let name =
        if zip.names().any(|name| name == "data.json") { "data.json" } else { "Proton Pass/data.json" };
    let (document, members) = Document::member(zip, name, WHOSE)?;
    entries(document, members, options)
}

fn encrypted() -> Error {
    Error::new(ErrorKind::Input, "this export of Proton Pass says that its items are encrypted").next_step(
        "export it there with a passphrase (PGP), or without encryption; shred the file afterwards",
    )
}

fn entries(mut document: Document, mut members: Members, options: &ReadOptions) -> Result<Entries> {
    let is_encrypted = take(&mut members, "encrypted");
    if matches!(is_encrypted, Value::Bool(true)) {
        return Err(encrypted());
    }
    document.tally.resolved(is_encrypted.leaves());
    document.resolve(&mut members, &["version", "userId"]);
    let mut places = Places::new();
    for (id, vault) in object(&mut members, "vaults") {
        let at = format!("/vaults/{}", pointer_part(&id));
        let Value::Object(mut vault) = vault else {
            document.behind(&vault, &at, NO_RECORD);
            continue;
        };
        let name = document.name(&mut vault, &["name"]);
        let path = Place::vault(name);
        document.place(path.clone(), &at);
        folders(&mut document, &mut vault, &path, &at, &mut places);
        document.items(list(&mut vault, "items"), &format!("{at}/items"), &path);
        document.leave_rest(vault, &at);
    }
    document.leave_rest(members, "");
    Ok(document.with_bin(options).entries(Box::new(move |item, members| fill(item, members, &places))))
}

/// Folders by their ids.
type Places = HashMap<String, Place>;

/// The folders of a vault, which newer versions have: what their members are called is not verified.
fn folders(document: &mut Document, vault: &mut Members, inside: &Place, at: &str, places: &mut Places) {
    let (mut nodes, mut kept) = (Vec::new(), Vec::new());
    for (number, folder) in list(vault, "folders").into_iter().enumerate() {
        let at = format!("{at}/folders/{number}");
        let Value::Object(mut folder) = folder else {
            document.behind(&folder, &at, NO_RECORD);
            continue;
        };
        let name = document.name(&mut folder, &["name"]);
        let id = document.id(&mut folder, &["folderId", "id"]).unwrap_or_default();
        let parent = document.id(&mut folder, &["parentFolderId", "parentId"]);
        document.leave_rest(folder, &at);
        nodes.push((id, parent, name));
        kept.push(at);
    }
    let paths = nested_in(inside, &nodes);
    for ((id, ..), at) in nodes.iter().zip(kept) {
        document.place(paths.get(id).cloned().unwrap_or_default(), at);
    }
    places.extend(paths);
}

fn fill(item: &mut Item<'_>, mut members: Members, places: &Places) -> Kept {
    let trashed = item.mark(&mut members, "state") == "2";
    if item.stays_in_bin(trashed) {
        return BIN;
    }
    item.resolve(&mut members, &["itemId", "shareId", "contentFormatVersion", "shareCount"]);
    item.created("", &mut members, &["createTime"]);
    item.changed("", &mut members, &["modifyTime"]);
    item.favorite(&mut members, "pinned");
    let known = members.iter().find_map(|(name, value)| match value {
        Value::Text(id) if name == "folderId" => places.get(id.as_str()),
        _ => None,
    });
    if let Some(path) = known {
        item.record.path = path.path();
        item.resolve(&mut members, &["folderId"]);
    }
    let mut data = object(&mut members, "data");
    let mut metadata = object(&mut data, "metadata");
    item.record.name = item.simple(&mut metadata, "name");
    let note = item.simple(&mut metadata, "note");
    item.note(&note);
    item.resolve(&mut metadata, &["itemUuid"]);
    item.unknown("metadata", metadata);
    let kind = item.mark(&mut data, "type");
    let content = object(&mut data, "content");
    match kind.as_str() {
        "login" => login(item, content),
        other => content_of(item, other, content),
    }
    let alias = item.simple(&mut members, "aliasEmail");
    item.mail(alias);
    fields(item, list(&mut data, "extraFields"));
    item.leave("data", &mut data, &["platformSpecific"], OWN);
    for (index, file) in list(&mut members, "files").into_iter().enumerate() {
        let leaves = file.leaves();
        match file {
            Value::Text(name) => {
                item.tally.carried(leaves);
                let stored = format!("{FOLDER}files/{}", name.as_str());
                item.attach_member(&stored, file_name(&name), &format!("files/{index}"));
            }
            other => item.behind(&other, "files", "it is no file's name"),
        }
    }
    item.unknown("data", data);
    item.unknown("", members);
    Kept::Record
}

/// `ca.ab12cd34ab12cd34.pem` is `ca.pem`: the id of the file stands before its ending, or at the end where it has none.
fn file_name(stored: &str) -> String {
    let is_id = |part: &str| part.len() == 16 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut parts: Vec<_> = stored.split('.').collect();
    let at = parts.iter().rposition(|part| is_id(part));
    if let Some(at) = at.filter(|at| *at > 0 && at + 2 >= parts.len()) {
        parts.remove(at);
    }
    parts.join(".")
}

fn login(item: &mut Item<'_>, mut content: Members) {
    for name in ["itemUsername", "username"] {
        let login = item.simple(&mut content, name);
        item.login(login);
    }
    let mail = item.simple(&mut content, "itemEmail");
    item.mail(mail);
    let password = item.simple(&mut content, "password");
    item.password("Password", password);
    for url in list(&mut content, "urls") {
        let url = item.joined(url, " ");
        item.url(url);
    }
    let code = item.simple(&mut content, "totpUri");
    item.code("TOTP", code);
    for key in list(&mut content, "passkeys") {
        item.passkey(&key);
    }
    others(item, content);
}
