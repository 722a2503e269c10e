//! HTML's entities in cells: some exports write them, passwords included, and nothing but the whole file tells which.

use zeroize::Zeroizing;

/// What exports write, and what it stands for.
const ENTITIES: &[(&str, char)] =
    &[("&amp;", '&'), ("&lt;", '<'), ("&gt;", '>'), ("&quot;", '"'), ("&#39;", '\''), ("&#039;", '\'')];

/// Where a text has entities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Nowhere,
    /// Every `&` begins one: they were written.
    Everywhere,
    /// Some do not: they may be what people typed.
    Mixed,
}

/// Looks at a whole text.
pub(super) fn seen(text: &[u8]) -> Seen {
    let (mut entities, mut bare) = (false, false);
    for at in memchr::memchr_iter(b'&', text) {
        let rest = text.get(at..).unwrap_or_default();
        if ENTITIES.iter().any(|(entity, _)| rest.starts_with(entity.as_bytes())) {
            entities = true;
        } else {
            bare = true;
        }
    }
    match (entities, bare) {
        (false, _) => Seen::Nowhere,
        (true, false) => Seen::Everywhere,
        (true, true) => Seen::Mixed,
    }
}

/// The cell with its entities decoded, once; `None` where it has none.
pub(crate) fn decoded(cell: &str) -> Option<Zeroizing<String>> {
    if !cell.contains('&') {
        return None;
    }
    let (mut out, mut rest, mut found) = (Zeroizing::new(String::with_capacity(cell.len())), cell, false);
    while let Some(at) = rest.find('&') {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        let entity = ENTITIES.iter().find_map(|(entity, c)| Some((after.strip_prefix(entity)?, *c)));
        rest = if let Some((after, c)) = entity {
            found = true;
            out.push(c);
            after
        } else {
            out.push('&');
            after.strip_prefix('&').unwrap_or_default()
        };
    }
    out.push_str(rest);
    found.then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities_are_decoded_once_and_only_where_all_were_written() {
        assert_eq!(seen(b"a &amp; b &lt;"), Seen::Everywhere);
        assert_eq!(seen(b"a &amp; b & c"), Seen::Mixed);
        assert_eq!(seen(b"a & b"), Seen::Nowhere);
        let plain = |cell| decoded(cell).map(|text| text.to_string());
        assert_eq!(plain("&amp;lt; &#39;x&quot;").as_deref(), Some("&lt; 'x\""));
        assert_eq!((plain("a & b"), plain("none")), (None, None));
    }
}
