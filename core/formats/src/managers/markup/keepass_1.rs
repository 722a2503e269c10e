//! KeePass 1's XML export.
//!
//! Signature: `pwlist` with `pwentry`. Mapping: a group has the path of those above it in `tree`, by `\`; an expiry that is
//! switched on is the field `Expiry`; the attachment that an entry may have.
//! Resolved: ids. Told: dates, icons; entries that programs keep for themselves (`Meta-Info`).
//! The whole document is kept in memory.

use super::{each, inner};
use crate::document::take;
use crate::head::{Fit, Head};
use crate::json::{Members, Value};
use crate::jsonl::base64;
use crate::managers::item::{DATES, Item, OWN};
use crate::managers::items::Kept;
use crate::managers::place::Place;
use crate::{Entries, ReadOptions};
use keyferry_crypto::error::Result;
use keyferry_crypto::model::CustomKind;
use keyferry_crypto::secret::SecretBytes;
use std::io::Read;

/// What stands for no expiry where nothing says so.
const NEVER: [&str; 2] = ["2999-12-28", "4092-06-30"];

/// Whether it is such a document.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    head.has_element("pwlist/pwentry").into()
}

pub(crate) fn read(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let (mut document, mut members) = super::open(input, "pwlist", "KeePass 1")?;
    document.elements(&mut members, "pwentry", "/pwlist", &Place::default());
    document.leave_rest(members, "/pwlist");
    Ok(document.entries(Box::new(fill)))
}

fn fill(item: &mut Item<'_>, mut members: Members) -> Kept {
    if is_meta(&members) {
        return Kept::LeftOut("what a program keeps for itself stays behind (Meta-Info)");
    }
    for (_, group) in each(&mut members, "group") {
        let mut group = inner(group);
        let above = item.simple(&mut group, "@tree");
        let name = item.simple(&mut group, "#text");
        let folders = above.split('\\').filter(|name| !name.is_empty()).map(str::to_owned);
        item.record.path.folders = folders.chain(Some(name).filter(|name| !name.is_empty())).collect();
        item.unknown("group", group);
    }
    item.basics(&mut members, ["title", "username", "password", "url"]);
    let notes = item.text(&mut members, "notes");
    item.note(&notes);
    item.created("", &mut members, &["creationtime"]);
    item.changed("", &mut members, &["lastmodtime"]);
    item.leave("", &mut members, &["lastaccesstime"], DATES);
    for (_, expiry) in each(&mut members, "expiretime") {
        let mut expiry = inner(expiry);
        let switch = item.mark(&mut expiry, "@expires");
        let text = item.simple(&mut expiry, "#text");
        let is_off = switch.eq_ignore_ascii_case("false")
            || (switch.is_empty() && NEVER.iter().any(|never| text.starts_with(never)));
        if is_off && !text.is_empty() {
            item.tally.turned_out_resolved();
        } else {
            item.field("Expiry", CustomKind::Text, text);
        }
        item.unknown("expiretime", expiry);
    }
    attachment(item, &mut members);
    item.resolve(&mut members, &["uuid"]);
    item.leave("", &mut members, &["image"], OWN);
    item.unknown("", members);
    Kept::Record
}

fn attachment(item: &mut Item<'_>, members: &mut Members) {
    let file = take(members, "attachment");
    let content = match &file {
        Value::Text(text) => base64(text).filter(|bytes| !bytes.is_empty()),
        _ => None,
    };
    if let Some(content) = content {
        item.tally.carried(1);
        let name = item.text(members, "attachdesc");
        item.attach(name, SecretBytes::new(content));
    } else {
        item.behind(&file, "attachment", "it is not the content of a file");
        item.leave("", members, &["attachdesc"], "the file has no content in this export");
    }
}

/// Whether a program keeps the state of its window in it.
fn is_meta(members: &Members) -> bool {
    let is = |name: &str, wanted: &str| {
        members.iter().any(|(member, value)| {
            member == name && matches!(value, Value::Text(text) if text.as_str() == wanted)
        })
    };
    is("title", "Meta-Info") && is("username", "SYSTEM") && is("url", "$") && is("attachdesc", "bin-stream")
}
