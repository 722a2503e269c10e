//! Jobs: records moved or compared, with progress shown and interruption heard.

use crate::environment::Environment;
use crate::error::{Raise, usage};
use crate::runtime;
use keyferry_core::engine::journal::State;
use keyferry_core::engine::{
    self, ArchiveKeys, Conflict, Endpoint, Filter, Job, Journal, Keys, NewJob, Options, Progress, Report,
    Step, Verify,
};
use keyferry_core::formats::Format;
use keyferry_core::secret::SecretString;
use keyferry_core::{Error, ErrorKind, Result};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

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

/// Calls the user's function with (step, done, total), at most every tenth of a second and at each
/// step's beginning; keeps the first exception that comes of it, and stops the job for it.
struct Shown {
    callback: Option<Py<PyAny>>,
    stop: Arc<AtomicBool>,
    failed: Mutex<Option<PyErr>>,
    state: Mutex<(Step, Option<u64>, SystemTime)>,
    done: AtomicU64,
}

impl Shown {
    fn new(callback: Option<Py<PyAny>>, stop: Arc<AtomicBool>) -> Self {
        let state = Mutex::new((Step::Planning, None, UNIX_EPOCH));
        Self { callback, stop, failed: Mutex::default(), state, done: AtomicU64::new(0) }
    }

    fn tell(&self, step: Step, total: Option<u64>) {
        let Some(callback) = &self.callback else { return };
        let word = match step {
            Step::Planning => "reading",
            Step::Writing => "writing",
            Step::Verifying => "verifying",
        };
        let done = self.done.load(Ordering::Relaxed);
        let told = Python::attach(|py| callback.call1(py, (word, done, total)).map(drop));
        if let Err(error) = told {
            self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            self.stop.store(true, Ordering::Relaxed);
        }
    }
}

impl Progress for Shown {
    fn begin(&self, step: Step, total: Option<u64>) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = (step, total, SystemTime::now());
        self.done.store(0, Ordering::Relaxed);
        self.tell(step, total);
    }

    fn advance(&self, records: u64) {
        self.done.fetch_add(records, Ordering::Relaxed);
        let (step, total) = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if state.2.elapsed().is_ok_and(|since| since < Duration::from_millis(100)) {
                return;
            }
            state.2 = SystemTime::now();
            (state.0, state.1)
        };
        self.tell(step, total);
    }

    fn interrupted(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// Runs a job on a thread of its own while this one listens for signals: Ctrl-C stops it cleanly.
fn run(
    py: Python<'_>,
    progress: Option<Py<PyAny>>,
    stop: Option<&Stop>,
    job: impl AsyncFnOnce(&Shown) -> Result<Report> + Send + 'static,
) -> PyResult<String> {
    let stop = stop.map_or_else(Arc::default, |stop| stop.0.clone());
    let shown = Arc::new(Shown::new(progress, stop.clone()));
    let runtime = runtime()?;
    let (ended, mut end) = mpsc::channel();
    let seen = shown.clone();
    // Whoever waits has gone only where this process ends.
    std::thread::spawn(move || drop(ended.send(runtime.block_on(job(&seen)))));
    let mut signalled = None;
    let ended = loop {
        let end = &mut end;
        match py.detach(move || end.recv_timeout(Duration::from_millis(50))) {
            Ok(ended) => break ended,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(usage("the job ended without a word")),
        }
        if let Err(signal) = py.check_signals() {
            signalled.get_or_insert(signal);
            stop.store(true, Ordering::Relaxed);
        }
    };
    if let Some(signal) = signalled {
        return Err(signal);
    }
    if let Some(error) = shown.failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Err(error);
    }
    serde_json::to_string(&ended.raise()?).map_err(|error| usage(error.to_string()))
}

/// A location as Python gives it: an environment with a path in it, or a file.
#[derive(FromPyObject)]
pub enum Place<'py> {
    Environment(Bound<'py, Environment>, Vec<String>),
    File(PathBuf, Option<String>),
}

impl Place<'_> {
    fn endpoint(self) -> PyResult<Endpoint> {
        match self {
            Place::Environment(environment, path) => Ok(environment.get().at(path)),
            Place::File(path, None) => Ok(Endpoint::File { path, format: None }),
            Place::File(path, Some(name)) => {
                let format = Format::from_name(&name);
                let format = format.ok_or_else(|| usage(format!("there is no format `{name}`")))?;
                Ok(Endpoint::File { path, format: Some(format) })
            }
        }
    }
}

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

/// Which records count.
pub fn filter(select: Option<&Bound<'_, PyDict>>) -> PyResult<Filter> {
    let vaults: Option<Vec<String>> = option!(select, "vaults");
    let tags: Option<Vec<String>> = option!(select, "tags");
    Ok(Filter {
        vaults: vaults.unwrap_or_default(),
        folder: option!(select, "folder"),
        tags: tags.unwrap_or_default(),
        query: option!(select, "query"),
        changed_since: option!(select, "changed_since"),
    })
}

fn options(given: Option<&Bound<'_, PyDict>>, endpoints: [&Endpoint; 2]) -> PyResult<Options> {
    let word: Option<String> = option!(given, "on_conflict");
    let on_conflict = match word.as_deref().unwrap_or("fail") {
        "skip" => Conflict::Skip,
        "update" => Conflict::Update,
        "duplicate" => Conflict::Duplicate,
        "fail" => Conflict::Fail,
        _ => return Err(usage("on_conflict is skip, update, duplicate or fail")),
    };
    let word: Option<String> = option!(given, "verify");
    let verify = match word.as_deref().unwrap_or("full") {
        "full" => Verify::Full,
        "sample" => Verify::Sample,
        "none" => Verify::None,
        _ => return Err(usage("verify is full, sample or none")),
    };
    let passphrase: Option<String> = option!(given, "archive_passphrase");
    let user = endpoints.iter().find_map(|endpoint| match endpoint {
        Endpoint::Environment(environment, _) => Some(environment.clone()),
        _ => None,
    });
    let mut options = Options {
        on_conflict,
        verify,
        filter: filter(given)?,
        archive: ArchiveKeys { passphrase: passphrase.map(SecretString::new), user, recipients: Vec::new() },
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
    if flag("rewrap")? {
        options.keys = Keys::Kept;
    }
    Ok(options)
}

/// Moves every record of `source` into `sink`; the report as JSON. `words` are the command that
/// `keyferry resume` would run, and `resume` the number of a job to go on with.
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
    progress: Option<Py<PyAny>>,
    stop: Option<&Stop>,
    given: Option<&Bound<'_, PyDict>>,
) -> PyResult<String> {
    let (from, to) = (source.endpoint()?, sink.endpoint()?);
    let options = options(given, [&from, &to])?;
    run(py, progress, stop, async move |shown| {
        let Endpoint::Environment(environment, _) = &to else {
            return engine::transfer(&from, &to, &options, shown).await;
        };
        let journal = Journal::open(&journal)?;
        let _held = journal.lock(environment.place())?;
        let job = match resume {
            Some(id) => journal.resume(id, environment)?,
            None => begin(&journal, &words, environment)?,
        };
        let options = Options { job: Some(job.clone()), ..options };
        let moved = engine::transfer(&from, &to, &options, shown).await;
        match &moved {
            Ok(report) => job.finish(State::Done, Some(report))?,
            Err(error) => return Err(stopped(&job, error)),
        }
        moved
    })
}

fn begin(journal: &Journal, words: &[String], sink: &engine::Environment) -> Result<Job> {
    let folder = std::env::current_dir().map_err(|error| Error::io(".", error))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let started = i64::try_from(now).unwrap_or(i64::MAX);
    journal.begin(&NewJob { command: words, folder: &folder, started }, sink)
}

fn stopped(job: &Job, error: &Error) -> Error {
    let state = match error.kind() {
        ErrorKind::Interrupted => State::Interrupted,
        _ => State::Failed,
    };
    if matches!(job.forget_if_idle(), Ok(true)) {
        return error.again();
    }
    // The first error counts; a journal that fails as well will say so on resuming.
    let _ = job.finish(state, None);
    error.again().then(&format!("give resume={} to the same call", job.id()))
}

/// Compares two locations; the report as JSON.
#[pyfunction]
#[pyo3(signature = (a, b, progress=None, stop=None, **given))]
pub fn verify(
    py: Python<'_>,
    a: Place<'_>,
    b: Place<'_>,
    progress: Option<Py<PyAny>>,
    stop: Option<&Stop>,
    given: Option<&Bound<'_, PyDict>>,
) -> PyResult<String> {
    let (a, b) = (a.endpoint()?, b.endpoint()?);
    let options = options(given, [&a, &b])?;
    run(py, progress, stop, async move |shown| engine::verify(&a, &b, &options, shown).await)
}
