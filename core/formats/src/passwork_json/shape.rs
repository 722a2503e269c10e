//! What a record, a place and a document of this format look like.

use crate::json::Value;

/// Lists of places in a document.
pub(super) const PLACES: &[&str] = &["vaults", "groups", "folders"];
/// Lists of records in it.
pub(super) const RECORDS: &[&str] = &["passwords", "items", "records"];
/// What a document may be wrapped in.
pub(super) const WRAPPERS: &[&str] = &["response", "data", "export"];
/// Whether a member is one of the lists of a document's structure.
pub(super) fn is_list(name: &str) -> bool {
    PLACES.contains(&name) || RECORDS.contains(&name)
}

/// Whether a document, or its beginning, has this format's own shape.
pub(super) fn is_own(document: &Value) -> bool {
    fn holds_records(value: &Value, depth: usize) -> bool {
        let Value::Object(members) = value else { return false };
        depth < 64
            && members.iter().any(|(name, value)| match (name.as_str(), value) {
                ("passwords" | "items" | "records", Value::List(list)) => list.iter().any(is_record),
                ("vaults" | "groups" | "folders", Value::List(list)) => {
                    list.iter().any(|node| holds_records(node, depth + 1) || is_place(node))
                }
                ("response" | "data" | "export", Value::Object(_)) if depth == 0 => holds_records(value, 1),
                _ => false,
            })
    }
    match document {
        Value::List(list) => list.iter().any(|one| is_record(one) || holds_records(one, 1)),
        _ => holds_records(document, 0),
    }
}

/// A record has its secrets itself, not in objects below it.
pub(super) fn is_record(value: &Value) -> bool {
    let scalar =
        |name: &str| value.get(name).is_some_and(|value| !matches!(value, Value::List(_) | Value::Object(_)));
    let has_name = value.has("name") || value.has("title");
    let has_password =
        ["password", "plainPassword", "passwordEncrypted", "cryptedPassword"].into_iter().any(scalar);
    has_name
        && (has_password
            || ["custom", "customs"].into_iter().any(|name| matches!(value.get(name), Some(Value::List(_)))))
}

/// A vault or folder has a name and lists of what it holds, which may be empty.
fn is_place(value: &Value) -> bool {
    value.has("name")
        && PLACES.iter().chain(RECORDS).any(|name| matches!(value.get(name), Some(Value::List(_))))
}

/// Whether it has Passwork's lists, and nothing in them.
pub(super) fn is_bare(document: &Value) -> bool {
    let Value::Object(members) = document else {
        return matches!(document, Value::List(list) if list.is_empty());
    };
    !members.is_empty()
        && members.iter().all(|(name, value)| {
            ["vaults", "folders", "items", "passwords"].contains(&name.as_str())
                && matches!(value, Value::List(list) if list.is_empty())
        })
}
