//! Jobs: records moved or compared, with progress shown and interruption heard.

use crate::environment::Environment;
use crate::error::{Raise, usage};
use crate::runtime;
use crate::select::{filter, option};
use keyferry_core::Result;
use keyferry_core::engine::job::{self, Begin};
use keyferry_core::engine::{
    self, ArchiveKeys, Conflict, Endpoint, Journal, Keys, Options, ProgressQueue, Report, Verify,
};
use keyferry_core::secret::SecretString;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

/// Asks a job to stop, from any thread.
#[pyclass(frozen, module = "keyferry")]
#[derive(Default)]
pub struct Stop(Arc<AtomicBool>);

#[pymethods]
impl Stop {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    /// What is in flight ends first.
    fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Between two looks at signals and progress.
const TICK: Duration = Duration::from_millis(50);

/// Runs a job on a thread of its own while this one listens for signals: Ctrl-C stops it cleanly.
fn run(
    py: Python<'_>,
    progress: Option<&Bound<'_, PyAny>>,
    stop: Option<&Stop>,
    job: impl AsyncFnOnce(&ProgressQueue) -> Result<Report> + Send + 'static,
) -> PyResult<String> {
    let stop = stop.map_or_else(Arc::default, |stop| stop.0.clone());
    let watched = Arc::new(ProgressQueue::new(stop.clone()));
    let runtime = runtime()?;
    let (ended, mut end) = mpsc::channel();
    let seen = watched.clone();
    // Whoever waits has gone only where this process ends.
    std::thread::spawn(move || drop(ended.send(runtime.block_on(job(&seen)))));
    // The first signal, or exception of the user's function: the job ends first.
    let mut raised = None;
    loop {
        let end = &mut end;
        let ended = py.detach(move || end.recv_timeout(TICK));
        let heard = py.check_signals().and_then(|()| match progress {
            Some(callback) if raised.is_none() => tell(&watched, callback),
            _ => Ok(()),
        });
        if let Err(error) = heard {
            stop.store(true, Ordering::Relaxed);
            raised.get_or_insert(error);
        }
        let ended = match ended {
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return Err(usage("the job ended without a word")),
            Ok(ended) => ended,
        };
        if let Some(error) = raised {
            return Err(error);
        }
        return serde_json::to_string(&ended.raise()?).map_err(|error| usage(error.to_string()));
    }
}

/// Calls the user's function with (step, done, total) for each step that has news.
fn tell(watched: &ProgressQueue, callback: &Bound<'_, PyAny>) -> PyResult<()> {
    for news in watched.news() {
        callback.call1((news.step.word(), news.done, news.total))?;
    }
    Ok(())
}

/// A location as Python gives it: an environment with a path in it, or a file.
#[derive(FromPyObject)]
pub enum Place<'py> {
    Environment(Bound<'py, Environment>, Vec<String>),
    File(PathBuf),
}

impl Place<'_> {
    fn endpoint(self) -> Endpoint {
        match self {
            Place::Environment(environment, path) => environment.get().at(path),
            // A name that is no text names no format either.
            Place::File(path) => match path.to_str() {
                Some(word) => Endpoint::file(word),
                None => Endpoint::File { path, format: None },
            },
        }
    }
}

fn options(given: Option<&Bound<'_, PyDict>>, endpoints: [&Endpoint; 2]) -> PyResult<Options> {
    let word: Option<String> = option!(given, "on_conflict");
    let on_conflict = word.as_deref().map_or_else(|| Ok(Conflict::default()), Conflict::from_name).raise()?;
    let word: Option<String> = option!(given, "verify");
    let verify = word.as_deref().map_or_else(|| Ok(Verify::default()), Verify::from_name).raise()?;
    let passphrase: Option<String> = option!(given, "archive_passphrase");
    let mut options = Options {
        on_conflict,
        verify,
        filter: filter(given)?,
        archive: ArchiveKeys::of(endpoints, passphrase.map(SecretString::new)),
        rejects: option!(given, "rejects"),
        ..Options::default()
    };
    let map: Option<Vec<(String, String)>> = option!(given, "map");
    options.read.map = map.unwrap_or_default();
    let flag = |name: &str| -> PyResult<bool> {
        let value = given.map(|given| given.get_item(name)).transpose()?.flatten();
        value.map_or(Ok(false), |value| value.is_truthy())
    };
    options.allow_plaintext = flag("allow_plaintext")?;
    options.allow_unencrypted_target = flag("allow_unencrypted_target")?;
    options.trust_administrators = flag("trust_administrators")?;
    options.allow_empty = flag("allow_empty")?;
    options.exact = flag("exact")?;
    options.read.no_password = flag("no_password")?;
    if flag("rewrap")? {
        options.keys = Keys::Kept;
    }
    Ok(options)
}

/// Moves every record of `source` into `sink`; the report as JSON. `words` are what `keyferry jobs` shows,
/// and `resume` the number of a job to go on with.
#[pyfunction]
#[pyo3(signature = (source, sink, words, journal, resume=None, progress=None, stop=None, **given))]
#[expect(clippy::too_many_arguments, reason = "each is a keyword of the Python function")]
pub fn transfer(
    py: Python<'_>,
    source: Place<'_>,
    sink: Place<'_>,
    words: Vec<String>,
    journal: PathBuf,
    resume: Option<i64>,
    progress: Option<&Bound<'_, PyAny>>,
    stop: Option<&Stop>,
    given: Option<&Bound<'_, PyDict>>,
) -> PyResult<String> {
    let (from, to) = (source.endpoint(), sink.endpoint());
    let options = options(given, [&from, &to])?;
    run(py, progress, stop, async move |shown| {
        let begin = resume.map_or_else(|| Begin::now(&words), Begin::Again);
        let go_on = |id| format!("give resume={id} to the same call");
        job::run(|| Journal::open(&journal), begin, &from, &to, &options, shown, go_on).await
    })
}

/// Where the journal is unless a call names another.
#[pyfunction]
pub fn default_journal() -> PyResult<PathBuf> {
    Journal::default_path().raise()
}

/// Compares two locations; the report as JSON.
#[pyfunction]
#[pyo3(signature = (a, b, progress=None, stop=None, **given))]
pub fn verify(
    py: Python<'_>,
    a: Place<'_>,
    b: Place<'_>,
    progress: Option<&Bound<'_, PyAny>>,
    stop: Option<&Stop>,
    given: Option<&Bound<'_, PyDict>>,
) -> PyResult<String> {
    let (a, b) = (a.endpoint(), b.endpoint());
    let options = options(given, [&a, &b])?;
    run(py, progress, stop, async move |shown| engine::verify(&a, &b, &options, shown).await)
}
