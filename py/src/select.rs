//! The options of a call, as a dictionary of Python's has them, and those that choose records.

use keyferry_core::engine::Filter;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// A member of the dictionary; missing and `None` are the same.
macro_rules! option {
    ($options:expr, $name:literal) => {
        match $options {
            Some(options) => options
                .get_item($name)?
                .filter(|value| !value.is_none())
                .map(|value| value.extract())
                .transpose()?,
            None => None,
        }
    };
}
pub(crate) use option;

/// Which records count.
pub fn filter(select: Option<&Bound<'_, PyDict>>) -> PyResult<Filter> {
    let vaults: Option<Vec<String>> = option!(select, "vaults");
    let tags: Option<Vec<String>> = option!(select, "tags");
    let exclude: Option<Vec<Vec<String>>> = option!(select, "exclude");
    Ok(Filter {
        vaults: vaults.unwrap_or_default(),
        folder: option!(select, "folder"),
        tags: tags.unwrap_or_default(),
        query: option!(select, "query"),
        changed_since: option!(select, "changed_since"),
        exclude: exclude.unwrap_or_default(),
    })
}
