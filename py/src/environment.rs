//! An environment, opened once and used by many threads.

use crate::error::{Raise, usage};
use crate::keys::{Ring, secret};
use crate::record::Record;
use crate::rows::Rows;
use crate::runtime;
use crate::select::filter;
use keyferry_core::client::Session;
use keyferry_core::crypto::keychain::PublicKey;
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
        let secret = |text: Option<String>| text.map(SecretString::new);
        let unlock = unlock(secret(master_key), secret(master_password));
        Self::connect(py, location, (secret(token), secret(refresh_token)), unlock, timeout)
    }

    /// The same where secrets are named: by `env`, `file`, `keyring` or `command`, and the words.
    #[staticmethod]
    #[pyo3(signature = (location, token=None, master_key=None, master_password=None, timeout=120))]
    fn open_by(
        py: Python<'_>,
        location: &str,
        token: Option<(String, Vec<String>)>,
        master_key: Option<(String, Vec<String>)>,
        master_password: Option<(String, Vec<String>)>,
        timeout: u64,
    ) -> PyResult<Self> {
        let read = |named: Option<(String, Vec<String>)>| {
            named.map(|(kind, words)| secret(&kind, words)).transpose().raise()
        };
        let unlock = unlock(read(master_key)?, read(master_password)?);
        Self::connect(py, location, (read(token)?, None), unlock, timeout)
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
        Ok(Records::new(chunks, ErrorKind::Decrypt))
    }

    /// The records right in these places, as tables with these columns. `encrypted` says whether the places' vaults are.
    #[pyo3(signature = (places, columns, errors="raise", encrypted=true, **select))]
    fn rows(
        &self,
        places: Vec<Vec<String>>,
        columns: Vec<String>,
        errors: &str,
        encrypted: bool,
        select: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Rows> {
        Rows::start(&self.inner, places, columns, errors, encrypted, select)
    }

    /// The public key of its user, to seal for.
    fn public_key(&self) -> PyResult<String> {
        self.inner.public_key().and_then(PublicKey::to_pem).raise()
    }

    /// The keys of its vaults, by their names.
    fn ring(&self, py: Python<'_>) -> PyResult<Ring> {
        let runtime = runtime()?;
        py.detach(|| runtime.block_on(self.inner.vault_keys())).map(Ring::of_vaults).raise()
    }

    fn __repr__(&self) -> String {
        format!("Environment({:?})", self.inner.label())
    }
}

fn unlock(key: Option<SecretString>, password: Option<SecretString>) -> Option<Unlock> {
    key.map(Unlock::MasterKey).or_else(|| password.map(Unlock::MasterPassword))
}

impl Environment {
    fn connect(
        py: Python<'_>,
        location: &str,
        (access_token, refresh_token): (Option<SecretString>, Option<SecretString>),
        unlock: Option<Unlock>,
        timeout: u64,
    ) -> PyResult<Self> {
        let session = Session { access_token, refresh_token, ..Session::default() };
        let runtime = runtime()?;
        py.detach(|| {
            runtime.block_on(async {
                let timeout = Duration::from_secs(timeout);
                let (client, place) = keyferry_embedded::connect(location, session, timeout)?;
                let opened =
                    engine::Environment::open_known(client, unlock, engine::memory_of_process(&place)?)
                        .await?;
                let advice = "give connect() a master_key or master_password";
                let opened = opened.with_advice(advice).with_place(place);
                Ok(Self { inner: Arc::new(opened.with_marks(engine::marks_of_process()?)) })
            })
        })
        .raise()
    }

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

impl Records {
    /// What is read, and the kind of error that a record which cannot be taken is.
    pub fn new(chunks: Receiver<Result<Vec<Entry>>>, rejected: ErrorKind) -> Self {
        Self { state: Mutex::new(Stream { chunks, ready: VecDeque::new(), rejected }) }
    }
}

struct Stream {
    chunks: Receiver<Result<Vec<Entry>>>,
    ready: VecDeque<Result<Record>>,
    rejected: ErrorKind,
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
                        self.ready.push_back(Err(Error::new(self.rejected, reject.why).at(at)));
                    }
                    Entry::Folder(_) | Entry::Note(_) | Entry::Values(_) => {}
                }
            }
        }
    }
}
