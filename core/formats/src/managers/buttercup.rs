//! Buttercup's CSV: rows that are groups, and rows that are entries.
//!
//! Signature: the column `!group_id`. Mapping: groups nest by `!group_parent`, wherever their rows stand; title, user name, password, URL
//! and note fill the record, every other column is a field by its name.
//! Resolved: ids, kinds of rows. Told: nothing else. The whole table is kept in memory.

use super::ini::numbered;
use super::item::Item;
use super::items::{Document, Found, Kept, nested};
use crate::csv;
use crate::decode::Decode;
use crate::head::{Fit, Head};
use crate::json::{Members, Value};
use crate::managers::place::Place;
use crate::{Entries, ReadOptions};
use keyferry_crypto::error::Result;
use std::collections::HashMap;
use std::io::Read;

/// Whether it is such a table.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    (!head.looks_like_json() && is_header(head.first_line().0)).into()
}

fn is_header(line: &str) -> bool {
    line.split(',').any(|name| name.trim().trim_matches('"') == "!group_id")
}

pub(crate) fn read(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let text = Decode::unicode(input)?.text("export it again")?;
    let mut rows = csv::rows(text.expose())?.into_iter();
    let (_, header) = rows.next().unwrap_or_default();
    if !header.iter().any(|name| name.trim() == "!group_id") {
        return Err(super::items::not_one("Buttercup"));
    }
    let mut seen = HashMap::new();
    let names: Vec<String> = header
        .iter()
        .enumerate()
        .map(|(column, name)| match name.trim() {
            "" => numbered(&mut seen, format!("column {}", column + 1)),
            name => numbered(&mut seen, name.to_owned()),
        })
        .collect();
    let mut document = Document::default();
    let (mut nodes, mut entries) = (Vec::new(), Vec::new());
    for (line, cells) in rows {
        let row = cells.into_iter().enumerate().map(|(column, cell)| {
            let name = names.get(column).cloned().unwrap_or_else(|| format!("column {}", column + 1));
            (name, Value::Text(cell))
        });
        let mut row: Members = row.collect();
        let at = format!("line {line}");
        document.tally.read(crate::json::leaves(&row));
        if is_group(&row) {
            let id = document.id(&mut row, &["!group_id"]).unwrap_or_default();
            let parent = document.id(&mut row, &["!group_parent"]);
            let name = document.name(&mut row, &["!group_name"]);
            document.resolve(&mut row, &["!type"]);
            document.leave_rest(row, &at);
            nodes.push(((id, parent, name), at));
        } else {
            entries.push(Found { value: Value::Object(row), at, path: Place::default() });
        }
    }
    let paths = nested(&nodes.iter().map(|(node, _)| node.clone()).collect::<Vec<_>>());
    for ((id, _, name), at) in &nodes {
        let alone = || Place::default().below(name.clone());
        document.place(paths.get(id).cloned().unwrap_or_else(alone), at);
    }
    document.found = entries;
    Ok(document.entries(Box::new(move |item, members| fill(item, members, &paths))))
}

/// Whether a row is a group: it says so, or has nothing but what groups have.
fn is_group(row: &Members) -> bool {
    let kind = row.iter().find(|(name, _)| name == "!type").map(|(_, value)| value);
    match kind {
        Some(Value::Text(kind)) if !kind.is_empty() => kind.eq_ignore_ascii_case("group"),
        _ => row.iter().all(|(name, value)| value.leaves() == 0 || name.starts_with("!group")),
    }
}

fn fill(item: &mut Item<'_>, mut members: Members, paths: &HashMap<String, Place>) -> Kept {
    let (group, name) = (item.mark(&mut members, "!group_id"), item.simple(&mut members, "!group_name"));
    match paths.get(&group) {
        Some(path) => {
            item.record.path = path.path();
            if !name.is_empty() {
                item.tally.turned_out_resolved();
            }
        }
        // Older tables have no rows of groups.
        None if !name.is_empty() => item.record.path.folders = vec![name],
        None if group.is_empty() => {}
        None => item.tally.unresolved("the group of a record is not in the file", item.at),
    }
    item.resolve(&mut members, &["!type", "!entry_id", "!group_parent", "id"]);
    for (label, value) in members {
        item.tally.carried(value.leaves());
        let text = value.into_text().unwrap_or_default();
        match label.to_ascii_lowercase().as_str() {
            "title" if item.record.name.is_empty() => item.record.name = text,
            "username" => item.login(text),
            "password" => item.password(&label, text),
            "url" => item.url(text),
            "note" | "notes" => item.note(&text),
            _ => item.labelled(label, text),
        }
    }
    Kept::Record
}
