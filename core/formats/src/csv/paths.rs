//! Paths in a cell.

/// `Infra/Net\/Core`: a backslash before the separator makes it part of the name, and
/// stands for itself anywhere else. Empty parts are left out: `/Infra/` is `Infra`.
pub(crate) fn split(cell: &str, separator: char) -> Vec<String> {
    let mut names = vec![String::new()];
    let mut chars = cell.chars().peekable();
    while let Some(c) = chars.next() {
        let literal = if c == '\\' && chars.peek() == Some(&separator) { chars.next() } else { None };
        if literal.is_none() && c == separator {
            names.push(String::new());
        } else if let Some(name) = names.last_mut() {
            name.push(literal.unwrap_or(c));
        }
    }
    names.retain(|name| !name.is_empty());
    names
}
