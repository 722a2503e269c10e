//! One error type for all of keyferry: what went wrong, where, why, what to do next.
//!
//! Policy: public functions return [`Error`]. Each [`ErrorKind`] stands once in the table
//! below with its exit code and whether trying again can help; the faces map from there and
//! nothing has a default fate. Messages hold names, places and counts, never a secret.

use std::error::Error as StdError;
use std::fmt;
use std::path::PathBuf;

/// The result of whatever can fail with an [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

macro_rules! kinds {
    ($( $(#[doc = $doc:literal])+ $kind:ident = $name:literal, exit $exit:literal, retry $retry:literal; )+) => {
        /// What kind of thing went wrong. The kind decides the exit code and whether to try again.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorKind { $( $(#[doc = $doc])+ $kind, )+ }

        impl ErrorKind {
            /// Every kind, in the table's order.
            pub const ALL: &[ErrorKind] = &[ $( ErrorKind::$kind, )+ ];

            /// The stable word for scripts.
            #[must_use]
            pub const fn name(self) -> &'static str { match self { $( ErrorKind::$kind => $name, )+ } }

            /// The exit code of the command line.
            #[must_use]
            pub const fn exit_code(self) -> u8 { match self { $( ErrorKind::$kind => $exit, )+ } }

            /// Whether the same request may be sent again after a pause.
            #[must_use]
            pub const fn may_retry(self) -> bool { match self { $( ErrorKind::$kind => $retry, )+ } }

            /// Whether a request that changes something may have done so in spite of this error.
            #[must_use]
            pub const fn leaves_open(self) -> bool {
                matches!(self, ErrorKind::Unanswered | ErrorKind::Server | ErrorKind::Protocol)
            }
        }
    };
}

kinds! {
    /// The command or call itself is wrong.
    Usage = "usage", exit 2, retry false;
    /// A file or folder could not be read or written.
    Io = "io", exit 1, retry false;
    /// Input is malformed: a file's syntax, an address, a header.
    Input = "input", exit 1, retry false;
    /// Ciphertext is damaged, or was made with another key.
    Decrypt = "decrypt", exit 1, retry false;
    /// The master password or master key is not the one this was encrypted for, or none is at hand.
    Locked = "locked", exit 5, retry false;
    /// The session has ended or never was.
    NotAuthenticated = "not-authenticated", exit 5, retry false;
    /// The user may not do this.
    NotAllowed = "not-allowed", exit 5, retry false;
    /// There is no such thing.
    NotFound = "not-found", exit 1, retry false;
    /// A record with this place and name is there already, with other content.
    Conflict = "conflict", exit 1, retry false;
    /// The environment refused the content of a request.
    Refused = "refused", exit 1, retry false;
    /// No connection could be made: nothing was sent.
    Unreachable = "unreachable", exit 6, retry true;
    /// The answer never came: the environment may have acted, or may still act.
    Unanswered = "unanswered", exit 6, retry true;
    /// The environment asks to slow down.
    Busy = "busy", exit 6, retry true;
    /// The environment failed by its own account.
    Server = "server", exit 1, retry true;
    /// The environment's answer makes no sense.
    Protocol = "protocol", exit 1, retry false;
    /// What was read back is not what was written.
    Different = "different", exit 4, retry false;
    /// Interrupted by the user.
    Interrupted = "interrupted", exit 130, retry false;
    /// A promise of this crate's own was broken: please report it.
    Internal = "internal", exit 1, retry false;
}

/// A place in a source: lines and columns count from 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The file, where the source is several.
    pub file: Option<std::sync::Arc<str>>,
    /// The line, where the source has lines.
    pub line: Option<u64>,
    /// The column (of a CSV: the cell), where known.
    pub column: Option<u64>,
    /// A JSON pointer (RFC 6901), where the source is a tree.
    pub pointer: Option<String>,
}

impl Position {
    /// A whole line.
    #[must_use]
    pub fn line(line: u64) -> Self {
        Self { line: Some(line), ..Self::default() }
    }

    /// A node of a JSON document.
    #[must_use]
    pub fn pointer(pointer: impl Into<String>) -> Self {
        Self { pointer: Some(pointer.into()), ..Self::default() }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut gap = "";
        if let Some(file) = &self.file {
            write!(f, "{file}")?;
            gap = ", ";
        }
        if let Some(line) = self.line {
            write!(f, "{gap}line {line}")?;
            gap = ", ";
        }
        if let Some(column) = self.column {
            write!(f, "{gap}column {column}")?;
            gap = ", ";
        }
        if let Some(pointer) = &self.pointer {
            // The pointer of a whole document is empty.
            let at = if pointer.is_empty() { "the top of the document" } else { pointer };
            write!(f, "{gap}at {at}")?;
        }
        Ok(())
    }
}

/// Where an error happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Place {
    /// In a file, at a position where known.
    File {
        /// The file as the user named it; `-` for standard input.
        path: PathBuf,
        /// Where in it.
        at: Option<Position>,
    },
    /// In an answer of an environment.
    Request {
        /// The HTTP method.
        method: String,
        /// The path without its query, which may hold search words.
        path: String,
        /// The HTTP status, where an answer came.
        status: Option<u16>,
        /// The server's own code, where it gave one.
        code: Option<String>,
    },
    /// In a record: its path and name.
    Record(String),
}

/// What a full disk is called, and what to do then.
const FULL: &str = "the disk is full";
const MAKE_ROOM: &str = "make room and run the same command again";

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File { path, at } => {
                write!(f, "{}", path.display())?;
                at.as_ref().map_or(Ok(()), |at| write!(f, ", {at}"))
            }
            Place::Request { method, path, status, code } => {
                write!(f, "{method} {path}")?;
                if let Some(status) = status {
                    write!(f, ": {status}")?;
                }
                code.as_ref().map_or(Ok(()), |code| write!(f, " {code}"))
            }
            Place::Record(name) => write!(f, "record {name}"),
        }
    }
}

/// What went wrong, where, why, and what to do next.
///
/// `Display` gives one line: place and message, and for errors of the system and the network what these said.
/// [`Error::next`] and the chain of [`source`](StdError::source)s hold the rest.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    what: String,
    place: Option<Place>,
    next: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
    retry_after: Option<std::time::Duration>,
}

impl Error {
    /// An error without a place yet. `what` is a sentence without a full stop and without secrets.
    #[must_use]
    pub fn new(kind: ErrorKind, what: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            what: what.into(),
            place: None,
            next: None,
            source: None,
            retry_after: None,
        }))
    }

    /// An input or output error on `path`.
    #[must_use]
    pub fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        use std::io::ErrorKind as Io;
        let at = Place::File { path: path.into(), at: None };
        let error = |what: &str| Self::new(ErrorKind::Io, what).at(at);
        match source.kind() {
            Io::NotFound => error("there is no such file").next_step("check its name and its folder"),
            Io::PermissionDenied => error("access was denied")
                .next_step("look at the rights of the file and of its folder, or be another user"),
            Io::StorageFull => error(FULL).next_step(MAKE_ROOM),
            _ => error("reading or writing failed").because(source),
        }
    }

    /// An input or output error of a stream whose path only the caller knows.
    #[must_use]
    pub fn stream(source: std::io::Error) -> Self {
        if source.kind() == std::io::ErrorKind::StorageFull {
            return Self::new(ErrorKind::Io, FULL).next_step(MAKE_ROOM);
        }
        Self::new(ErrorKind::Io, "reading or writing failed").because(source)
    }

    /// Names the place. The innermost place wins: it knows most.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.0.place.get_or_insert(place);
        self
    }

    /// Says what to do next.
    #[must_use]
    pub fn next_step(mut self, next: impl Into<String>) -> Self {
        self.0.next.get_or_insert(next.into());
        self
    }

    /// Adds what to do after that.
    #[must_use]
    pub fn then(mut self, next: &str) -> Self {
        self.0.next = Some(match self.0.next.take() {
            Some(first) => format!("{first}; then {next}"),
            None => next.to_owned(),
        });
        self
    }

    /// The same error once more, for another that shares its fate. Its cause stays with this one.
    #[must_use]
    pub fn again(&self) -> Self {
        let Inner { kind, what, place, next, retry_after, source: _ } = &*self.0;
        Self(Box::new(Inner {
            kind: *kind,
            what: what.clone(),
            place: place.clone(),
            next: next.clone(),
            source: None,
            retry_after: *retry_after,
        }))
    }

    /// Keeps the cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Notes how long the environment asked to wait.
    #[must_use]
    pub fn retry_in(mut self, pause: Option<std::time::Duration>) -> Self {
        self.0.retry_after = pause;
        self
    }

    /// What kind of error this is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The message alone, without its place.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.0.what
    }

    /// What the system, the network or a server's driver said, where the error is theirs: the innermost cause.
    fn reason(&self) -> Option<String> {
        if !matches!(self.0.kind, ErrorKind::Io | ErrorKind::Unreachable | ErrorKind::Unanswered) {
            return None;
        }
        let mut cause = self.source()?;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        // Made here to say of what kind it is; the system itself said nothing.
        if cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|own| own.kind() == std::io::ErrorKind::NotFound && own.raw_os_error().is_none())
        {
            return None;
        }
        let said = cause.to_string();
        (!self.0.what.contains(&said)).then_some(said)
    }

    /// Where it happened.
    #[must_use]
    pub fn place(&self) -> Option<&Place> {
        self.0.place.as_ref()
    }

    /// What the user can do about it.
    #[must_use]
    pub fn next(&self) -> Option<&str> {
        self.0.next.as_deref()
    }

    /// How long the environment asked to wait before the next request.
    #[must_use]
    pub fn retry_after(&self) -> Option<std::time::Duration> {
        self.0.retry_after
    }
}

/// An error of kind [`ErrorKind::Decrypt`].
pub(crate) fn damaged(what: &'static str) -> Error {
    Error::new(ErrorKind::Decrypt, what)
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.0.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.0.what)?;
        self.reason().map_or(Ok(()), |reason| write!(f, ": {reason}"))
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own_and_a_documented_exit_code() {
        let mut names: Vec<_> = ErrorKind::ALL.iter().map(|kind| kind.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ErrorKind::ALL.len());
        for kind in ErrorKind::ALL {
            assert!([1, 2, 4, 5, 6, 130].contains(&kind.exit_code()), "{}", kind.name());
        }
    }

    #[test]
    fn one_line_says_where_and_what() {
        let error = Error::new(ErrorKind::Input, "4 cells, the header has 3")
            .at(Place::File { path: "people.csv".into(), at: Some(Position::line(42)) })
            .at(Place::Record("the outer place loses".into()));
        assert_eq!(error.to_string(), "people.csv, line 42: 4 cells, the header has 3");
    }

    #[test]
    fn what_the_network_said_is_told_and_what_our_own_layers_said_is_not() {
        let refused = || std::io::Error::other(std::io::Error::other("connection refused"));
        let error = Error::new(ErrorKind::Unreachable, "pw.example cannot be reached").because(refused());
        assert_eq!(error.to_string(), "pw.example cannot be reached: connection refused");
        let error = Error::new(ErrorKind::Locked, "the master password is wrong").because(refused());
        assert_eq!(error.to_string(), "the master password is wrong");
    }
}
