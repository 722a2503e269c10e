//! How the program ends: exit codes, the error's lines, and panics that say nothing of their payload.

use crate::output::Output;
use keyferry_core::error::Place;
use keyferry_core::{Error, ErrorKind};
use std::error::Error as _;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

/// Replaces the panic message, whose payload could hold a secret, by its place.
pub fn silence_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let mut errors = io::stderr().lock();
        let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        let _ = writeln!(errors, "keyferry: error: a promise of keyferry's own was broken at {place}");
        let _ = writeln!(errors, "  next: please report this place together with the command's name");
    }));
}

/// Shows the error and gives its exit code. A closed pipe is the reader's choice, not an error.
pub fn failed(output: Output, error: &Error) -> ExitCode {
    if is_closed_pipe(error) {
        return ExitCode::SUCCESS;
    }
    output.error(error);
    if output.json {
        // Standard output that is closed hears of nothing; the code tells.
        let _ = output.document(&document(error));
    }
    ExitCode::from(error.kind().exit_code())
}

/// Words that could not be understood, for programs: `--json` was among them.
pub fn wrong_words(error: &clap::Error) {
    let text = error.to_string();
    let mut parts = text.trim_start_matches("error: ").split("\n\n");
    let one_line = |part: &str| part.split_whitespace().collect::<Vec<_>>().join(" ");
    let message = parts.next().map(one_line).unwrap_or_default();
    // What it proposes itself goes before what is always right.
    let tips = parts.map(one_line).filter(|part| part.starts_with("tip: "));
    let tips: Vec<_> = tips.map(|tip| tip.trim_start_matches("tip: ").to_owned()).collect();
    let next = if tips.is_empty() {
        "keyferry --help, or keyferry COMMAND --help, lists what can be typed".to_owned()
    } else {
        tips.join("; ")
    };
    let document = serde_json::json!({ "error": {
        "kind": ErrorKind::Usage.name(), "message": message, "where": null, "next": next,
    }});
    let _ = writeln!(io::stdout().lock(), "{document:#}");
}

/// An error for programs. `where` is the place that its line names, without the sentence.
fn document(error: &Error) -> serde_json::Value {
    let place = error.place().map(ToString::to_string);
    serde_json::json!({ "error": {
        "kind": error.kind().name(),
        "message": error.what(),
        "where": place,
        "next": error.next(),
    }})
}

/// Whether standard output was closed by its reader.
fn is_closed_pipe(error: &Error) -> bool {
    let at_output = matches!(error.place(), Some(Place::File { path, .. }) if path == Path::new("-"));
    at_output
        && error
            .source()
            .and_then(|source| source.downcast_ref::<io::Error>())
            .is_some_and(|source| source.kind() == io::ErrorKind::BrokenPipe)
}

/// Wrong usage: what is wrong, and what to do instead.
pub fn usage(what: impl Into<String>, next: impl Into<String>) -> Error {
    Error::new(ErrorKind::Usage, what).next_step(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_pipe_is_told_from_a_broken_connection() {
        let pipe = || io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(is_closed_pipe(&Error::io("-", pipe())));
        assert!(!is_closed_pipe(&Error::new(ErrorKind::Unreachable, "the connection broke").because(pipe())));
    }
}
