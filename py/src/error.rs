//! Errors become exceptions: `keyferry.errors` has a class for each kind.

use keyferry_core::{Error, ErrorKind};
use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

create_exception!(keyferry, KeyferryError, PyException, "What every error of keyferry is.");

/// The exception for an error: its class by kind, with the attributes `kind`, `where` and `next_step`.
pub fn raised(error: &Error) -> PyErr {
    Python::attach(|py| build(py, error).unwrap_or_else(|failure| failure))
}

fn build(py: Python<'_>, error: &Error) -> PyResult<PyErr> {
    static CLASSES: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let classes = CLASSES
        .get_or_try_init(py, || py.import("keyferry.errors")?.getattr("BY_KIND").map(Bound::unbind))?
        .bind(py);
    let class = classes.get_item(class_of(error)).or_else(|_| classes.get_item("internal"))?;
    let next = error.next().map(as_parameters);
    let text = as_parameters(&error.to_string());
    let text = next.as_ref().map_or_else(|| text.clone(), |next| format!("{text} ({next})"));
    let exception = class.call1((text,))?;
    exception.setattr("kind", error.kind().name())?;
    exception.setattr("where", error.place().map(ToString::to_string))?;
    exception.setattr("next_step", next)?;
    Ok(PyErr::from_value(exception))
}

/// Which class an error is of: files that are missing or closed have Python's own beside ours.
fn class_of(error: &Error) -> &'static str {
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause.filter(|_| error.kind() == ErrorKind::Io) {
        match source.downcast_ref::<std::io::Error>().map(std::io::Error::kind) {
            Some(std::io::ErrorKind::NotFound) => return "io:missing",
            Some(std::io::ErrorKind::PermissionDenied) => return "io:permission",
            _ => cause = source.source(),
        }
    }
    error.kind().name()
}

/// Flags that take a word; all others are switches.
const WITH_WORD: &[&str] = &[
    "on-conflict",
    "verify",
    "structure",
    "map",
    "exclude",
    "vault",
    "folder",
    "tag",
    "journal",
    "max-delete",
    "rejects",
];

/// What is said of flags, as whoever calls a function has it: `--on-conflict skip` is `on_conflict="skip"`, `--allow-empty`
/// is `allow_empty=True`. A command line stays one.
fn as_parameters(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut rest, command) = text.split_at(text.find("keyferry ").unwrap_or(text.len()));
    while let Some(at) = rest.find("--") {
        let (before, flag) = rest.split_at(at);
        let flag = flag.get(2..).unwrap_or_default();
        let end = flag.find(|c: char| !(c.is_ascii_lowercase() || c == '-')).unwrap_or(flag.len());
        let (name, behind) = flag.split_at(end);
        let is_flag =
            !name.is_empty() && !name.starts_with('-') && !before.ends_with(|c: char| c.is_alphanumeric());
        out.push_str(before);
        if !is_flag {
            out.push_str("--");
            rest = flag;
            continue;
        }
        rest = behind;
        let parameter = match name {
            "vault" | "tag" => format!("{name}s"),
            // A word of the language there.
            "match" => "match_codes".to_owned(),
            name => name.replace('-', "_"),
        };
        out.push_str(&parameter);
        if !WITH_WORD.contains(&name) {
            out.push_str("=True");
            continue;
        }
        let word = behind.strip_prefix(' ').unwrap_or_default();
        let end = word.find(|c: char| !(c.is_ascii_alphanumeric() || c == '%')).unwrap_or(word.len());
        if let Some(word) = word
            .get(..end)
            .filter(|word| !word.is_empty() && !word.starts_with(|c: char| c.is_ascii_uppercase()))
        {
            out.push_str("=\"");
            out.push_str(word);
            out.push('"');
            rest = behind.get(1 + word.len()..).unwrap_or_default();
        }
    }
    out.push_str(rest);
    out.push_str(command);
    out
}

/// The same for a test.
#[pyfunction]
pub fn flags_as_parameters(text: &str) -> String {
    as_parameters(text)
}

/// The stable word of every kind, and of those that the system tells apart: for the test that each has its class.
#[pyfunction]
pub fn error_kinds() -> Vec<&'static str> {
    ErrorKind::ALL.iter().map(|kind| kind.name()).chain(["io:missing", "io:permission"]).collect()
}

/// An error of the caller's.
pub fn usage(what: impl Into<String>) -> PyErr {
    raised(&Error::new(ErrorKind::Usage, what))
}

/// Lets `?` turn a core result into a Python one.
pub trait Raise<T> {
    /// The value, or the exception for the error.
    fn raise(self) -> PyResult<T>;
}

impl<T> Raise<T> for keyferry_core::Result<T> {
    fn raise(self) -> PyResult<T> {
        self.map_err(|error| raised(&error))
    }
}
