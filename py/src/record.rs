//! What an environment yields: records whose secrets come out only when asked for.

use crate::records::record_dict;
use keyferry_core::model;
use keyferry_core::secret::SecretString;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use std::sync::Arc;

fn not_pickled() -> PyErr {
    PyTypeError::new_err("a record is not pickled: its secrets would be in the clear")
}

/// A record. Its `repr` names it and shows nothing that is secret.
#[pyclass(frozen, module = "keyferry")]
pub struct Record {
    id: String,
    inner: Arc<model::Record>,
}

impl Record {
    pub fn new(id: String, record: model::Record) -> Self {
        Self { id, inner: Arc::new(record) }
    }
}

#[pymethods]
impl Record {
    #[getter]
    fn id(&self) -> &str {
        &self.id
    }
    #[getter]
    fn vault(&self) -> Option<&str> {
        self.inner.path.vault.as_deref()
    }
    #[getter]
    fn path(&self) -> Vec<String> {
        self.inner.path.folders.clone()
    }
    #[getter]
    fn name(&self) -> &str {
        &self.inner.name
    }
    #[getter]
    fn login(&self) -> &str {
        &self.inner.login
    }
    #[getter]
    fn password(&self) -> Option<&str> {
        self.inner.password.as_ref().map(SecretString::expose)
    }
    #[getter]
    fn url(&self) -> &str {
        &self.inner.url
    }
    #[getter]
    fn description(&self) -> &str {
        &self.inner.description
    }
    #[getter]
    fn tags(&self) -> Vec<String> {
        self.inner.tags.clone()
    }
    #[getter]
    fn color(&self) -> Option<i64> {
        self.inner.color
    }
    #[getter]
    fn favorite(&self) -> bool {
        self.inner.favorite
    }
    #[getter]
    fn customs(&self) -> Vec<Custom> {
        (0..self.inner.customs.len()).map(|at| Custom { of: self.inner.clone(), at }).collect()
    }
    #[getter]
    fn attachments(&self) -> Vec<Attachment> {
        (0..self.inner.attachments.len()).map(|at| Attachment { of: self.inner.clone(), at }).collect()
    }
    fn as_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        record_dict(py, &self.id, &self.inner)
    }
    fn __repr__(&self) -> String {
        format!("Record({:?})", self.inner.label())
    }
    #[expect(clippy::unused_self, reason = "Python calls it on an object")]
    fn __reduce__(&self) -> PyResult<()> {
        Err(not_pickled())
    }
}

/// A custom field of a record.
#[pyclass(frozen, module = "keyferry")]
pub struct Custom {
    of: Arc<model::Record>,
    at: usize,
}

#[pymethods]
impl Custom {
    #[getter]
    fn name(&self) -> &str {
        &self.of.customs[self.at].name
    }
    #[getter]
    fn r#type(&self) -> &str {
        self.of.customs[self.at].kind.as_str()
    }
    #[getter]
    fn value(&self) -> &str {
        self.of.customs[self.at].value.expose()
    }
    fn __repr__(&self) -> String {
        format!("Custom({:?})", self.name())
    }
    #[expect(clippy::unused_self, reason = "Python calls it on an object")]
    fn __reduce__(&self) -> PyResult<()> {
        Err(not_pickled())
    }
}

/// A file in a record.
#[pyclass(frozen, module = "keyferry")]
pub struct Attachment {
    of: Arc<model::Record>,
    at: usize,
}

#[pymethods]
impl Attachment {
    #[getter]
    fn name(&self) -> &str {
        &self.of.attachments[self.at].name
    }
    #[getter]
    fn data<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.of.attachments[self.at].content.expose())
    }
    fn __len__(&self) -> usize {
        self.of.attachments[self.at].content.len()
    }
    fn __repr__(&self) -> String {
        format!("Attachment({:?}, {} bytes)", self.name(), self.__len__())
    }
    #[expect(clippy::unused_self, reason = "Python calls it on an object")]
    fn __reduce__(&self) -> PyResult<()> {
        Err(not_pickled())
    }
}
