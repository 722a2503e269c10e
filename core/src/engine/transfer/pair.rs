//! Which sync a sync is: what its memory is found by.

use crate::engine::endpoint::Endpoint;
use crate::engine::source::filter::Filter;
use crate::error::{Error, ErrorKind, Result};

/// What a sync is remembered by: its source (`word` as it was typed or given), its sink, and which records were chosen.
/// Another source, place or choice of records is another sync, with a memory of its own.
///
/// # Errors
/// [`ErrorKind::Usage`] where the sink is no environment.
pub fn sync_pair(word: &str, from: &Endpoint, to: &Endpoint, filter: &Filter) -> Result<String> {
    let Endpoint::Environment(sink, inside) = to else {
        return Err(Error::new(ErrorKind::Usage, "a sync keeps an environment in step, not a file"));
    };
    let (source, place) = match from {
        Endpoint::Environment(source, place) => (source.place().to_owned(), place.to_string()),
        Endpoint::Kv(server) => (server.address().to_string(), String::new()),
        Endpoint::File { .. } | Endpoint::Files(..) | Endpoint::Spooled(..) => {
            (std::path::absolute(word).unwrap_or_default().display().to_string(), String::new())
        }
    };
    Ok(serde_json::json!([source, place, sink.place(), inside.to_string(), chosen(filter)]).to_string())
}

/// The choice of records as every version has written it: what came to be later is in it only where it is set.
fn chosen(filter: &Filter) -> String {
    let Filter { vaults, folder, tags, query, changed_since, exclude } = filter;
    let exclude = if exclude.is_empty() { String::new() } else { format!(", exclude: {exclude:?}") };
    format!(
        "Filter {{ vaults: {vaults:?}, folder: {folder:?}, tags: {tags:?}, query: {query:?}, changed_since: {changed_since:?}{exclude} }}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_written_as_before_what_came_to_be_since() {
        let mut filter = Filter { vaults: vec!["V".into()], query: Some("q".into()), ..Filter::default() };
        let before =
            r#"Filter { vaults: ["V"], folder: None, tags: [], query: Some("q"), changed_since: None }"#;
        assert_eq!(chosen(&filter), before);
        filter.exclude.push(vec!["W".into()]);
        assert_ne!(chosen(&filter), before);
    }
}
