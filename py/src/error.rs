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
    let class = classes.get_item(error.kind().name()).or_else(|_| classes.get_item("internal"))?;
    let text = match error.next() {
        Some(next) => format!("{error} ({next})"),
        None => error.to_string(),
    };
    let exception = class.call1((text,))?;
    exception.setattr("kind", error.kind().name())?;
    exception.setattr("where", error.place().map(ToString::to_string))?;
    exception.setattr("next_step", error.next())?;
    Ok(PyErr::from_value(exception))
}

/// The stable word of every kind: for the test that each has its class.
#[pyfunction]
pub fn error_kinds() -> Vec<&'static str> {
    ErrorKind::ALL.iter().map(|kind| kind.name()).collect()
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
