//! An environment, opened once and used by many threads.

use crate::error::{Raise, usage};
use crate::record::Record;
use crate::runtime;
use crate::select::filter;
use keyferry_core::client::Session;
use keyferry_core::engine::{self, Endpoint, Options, Unlock};
use keyferry_core::error::Place;
use keyferry_core::model::{Entry, RecordPath};
use keyferry_core::secret::SecretString;
use keyferry_core::{Error, ErrorKind, Result};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::Receiver;

/// An environment that is signed in and, where a key was given, unlocked.
#[pyclass(frozen, module = "keyferry._native")]
pub struct Environment {
    inner: Arc<engine::Environment>,
}

#[pymethods]
impl Environment {
    /// Opens `https://…` or `embedded:DIR`.
    #[staticmethod]
    #[pyo3(signature = (location, token=None, refresh_token=None, master_key=None, master_password=None, timeout=120))]
    fn open(
        py: Python<'_>,
        location: &str,
        token: Option<String>,
        refresh_token: Option<String>,
        master_key: Option<String>,
        master_password: Option<String>,
        timeout: u64,
    ) -> PyResult<Self> {
        let session = Session {
            access_token: token.map(SecretString::new),
            refresh_token: refresh_token.map(SecretString::new),
            ..Session::default()
        };
        let unlock = master_key
            .map(|key| Unlock::MasterKey(SecretString::new(key)))
            .or_else(|| master_password.map(|password| Unlock::MasterPassword(SecretString::new(password))));
        let runtime = runtime()?;
        py.detach(|| {
            runtime.block_on(async {
                let timeout = Duration::from_secs(timeout);
                let (client, place) = keyferry_embedded::connect(location, session, timeout)?;
                let opened =
                    engine::Environment::open_known(client, unlock, engine::memory_of_process(&place)?)
                        .await?;
                let advice = "give connect() a master_key or master_password";
                Ok(Self { inner: Arc::new(opened.with_advice(advice).with_place(place)) })
            })
        })
        .raise()
    }

    /// How messages name it.
    #[getter]
    fn location(&self) -> &str {
        self.inner.label()
    }

    /// Whether clients encrypt before they send.
    #[getter]
    fn encrypts(&self) -> bool {
        self.inner.encrypts()
    }

    /// Every vault, folder and record by name, as JSON. Needs no key.
    fn tree_json(&self, py: Python<'_>) -> PyResult<String> {
        let runtime = runtime()?;
        let tree = py.detach(|| runtime.block_on(self.inner.tree())).raise()?;
        serde_json::to_string(&tree).map_err(|error| usage(error.to_string()))
    }

    /// The tokens as they are now: a refresh ends the old ones.
    fn tokens(&self) -> (Option<String>, Option<String>) {
        let session = self.inner.client().session();
        let text = |token: Option<SecretString>| token.map(|token| token.expose().to_owned());
        (text(session.access_token), text(session.refresh_token))
    }

    /// Records one by one, decrypted while the next ones are on their way.
    #[pyo3(signature = (path, **select))]
    fn records(&self, path: Vec<String>, select: Option<&Bound<'_, PyDict>>) -> PyResult<Records> {
        let options = Options { filter: filter(select)?, ..Options::default() };
        self.inner.unlocked().raise()?;
        let _entered = runtime()?.enter();
        let chunks = engine::records(&self.at(path), &options);
        Ok(Records { state: Mutex::new(Stream { chunks, ready: VecDeque::new() }) })
    }

    fn __repr__(&self) -> String {
        format!("Environment({:?})", self.inner.label())
    }
}

impl Environment {
    /// The place that these names lead to, from the vault down.
    pub fn at(&self, path: Vec<String>) -> Endpoint {
        Endpoint::Environment(self.inner.clone(), path.into_iter().collect())
    }

    pub fn inner(&self) -> &Arc<engine::Environment> {
        &self.inner
    }
}

/// The names of a path as users type it.
#[pyfunction]
pub fn split_path(text: &str) -> Vec<String> {
    RecordPath::names(text)
}

/// A stream of records. To stop early, drop it.
#[pyclass(frozen, module = "keyferry._native")]
pub struct Records {
    state: Mutex<Stream>,
}

struct Stream {
    chunks: Receiver<Result<Vec<Entry>>>,
    ready: VecDeque<Result<Record>>,
}

#[pymethods]
impl Records {
    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Record>> {
        py.detach(|| self.state.lock().unwrap_or_else(PoisonError::into_inner).next()).raise()
    }
}

impl Stream {
    fn next(&mut self) -> Result<Option<Record>> {
        loop {
            if let Some(record) = self.ready.pop_front() {
                return record.map(Some);
            }
            let Some(chunk) = self.chunks.blocking_recv() else { return Ok(None) };
            for entry in chunk? {
                match entry {
                    Entry::Record(record, at) => {
                        let id = at.pointer.clone().unwrap_or_default();
                        self.ready.push_back(Ok(Record::new(id, record)));
                    }
                    // Whoever iterates must hear of what cannot be read.
                    Entry::Reject(reject) => {
                        let at = Place::Record(format!("{} ({})", reject.label, reject.at));
                        self.ready.push_back(Err(Error::new(ErrorKind::Decrypt, reject.why).at(at)));
                    }
                    Entry::Folder(_) | Entry::Note(_) | Entry::Values(_) => {}
                }
            }
        }
    }
}
