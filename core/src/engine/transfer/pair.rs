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
        Endpoint::File { .. } | Endpoint::Spooled(..) => {
            (std::path::absolute(word).unwrap_or_default().display().to_string(), String::new())
        }
    };
    let filter = format!("{filter:?}");
    Ok(serde_json::json!([source, place, sink.place(), inside.to_string(), filter]).to_string())
}
