//! What goes wrong, in the official command line's words.

use crate::passwork::python::text_repr;
use crate::passwork::value::Value;
use std::fmt;

/// Why a command fails. Outside a command's own work the official one tells Python's `ValueError`s from the rest.
#[derive(Debug)]
pub struct Failure {
    /// Its text, without secrets.
    pub what: String,
    /// Whether it would be a `ValueError`.
    pub is_value_error: bool,
}

/// What may fail so.
pub type Result<T> = std::result::Result<T, Failure>;

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Failure {
    /// A `ValueError`.
    pub fn value(what: impl Into<String>) -> Self {
        Self { what: what.into(), is_value_error: true }
    }

    /// Any other exception.
    pub fn other(what: impl Into<String>) -> Self {
        Self { what: what.into(), is_value_error: false }
    }
}

impl From<keyferry_core::Error> for Failure {
    fn from(error: keyferry_core::Error) -> Self {
        Self::other(error.to_string())
    }
}

/// `value[name]`
pub fn member<'a>(value: &'a Value, name: &str) -> Result<&'a Value> {
    match value {
        Value::Dict(_) => value.get(name).ok_or_else(|| Failure::other(text_repr(name))),
        Value::List(_) => Err(Failure::other("list indices must be integers or slices, not str")),
        Value::Text(_) => Err(Failure::other("string indices must be integers, not 'str'")),
        other => Err(Failure::other(format!("'{}' object is not subscriptable", other.kind()))),
    }
}

/// `for element in value`, of an array.
pub fn elements(value: &Value) -> Result<&[Value]> {
    match value {
        Value::List(values) => Ok(values),
        other => Err(Failure::other(format!("'{}' object is not iterable", other.kind()))),
    }
}

/// A value that must be text.
pub fn text(value: &Value) -> Result<&str> {
    value.text().ok_or_else(|| Failure::other(format!("expected a text, got '{}'", value.kind())))
}
