//! Jobs: records moved or compared, with progress shown and interruption heard.

use crate::environment::{Environment, Records};
use crate::error::{Raise, usage};
use crate::runtime;
use crate::select::{filter, option};
use keyferry_core::engine::job::{self, Begin};
use keyferry_core::engine::{
    self, ArchiveKeys, Base, Conflict, Endpoint, Journal, Keys, MaxDelete, Options, Page, PageFormat,
    ProgressQueue, Report, Rules, Structure, Sync, Verify, sync_pair,
};
use keyferry_core::files::{self, locked};
use keyferry_core::secret::SecretString;
use keyferry_core::{ErrorKind, Result};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde::Serialize;
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
fn run<T: Serialize + Send + 'static>(
    py: Python<'_>,
    progress: Option<&Bound<'_, PyAny>>,
    stop: Option<&Stop>,
    job: impl AsyncFnOnce(&ProgressQueue) -> Result<T> + Send + 'static,
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
    Files(Vec<PathBuf>),
}

impl Place<'_> {
    fn endpoint(self) -> PyResult<Endpoint> {
        match self {
            Place::Environment(environment, path) => Ok(environment.get().at(path)),
            // A name that is no text names no format either.
            Place::File(path) => Endpoint::several(vec![path]).raise(),
            Place::Files(paths) => Endpoint::several(paths).raise(),
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
    let word: Option<String> = option!(given, "structure");
    options.structure = word.as_deref().map(Structure::from_name).transpose().raise()?;
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
    options.match_codes = flag("match_codes")?;
    options.read.no_password = flag("no_password")?;
    options.read.include_trash = flag("include_trash")?;
    options.read.gpg = flag("gpg")?;
    let phrase: Option<String> = option!(given, "file_passphrase");
    let phrase = phrase.map(SecretString::new);
    let key: Option<PathBuf> = option!(given, "key_file");
    let key = key.as_deref().map(locked::key_file).transpose().raise()?;
    (options.read.passphrase, options.read.key_file) = (phrase.clone(), key.clone());
    (options.write.passphrase, options.write.key_file) = (phrase, key);
    if flag("rewrap")? {
        options.keys = Keys::Kept;
    }
    Ok(options)
}

/// Moves every record of `source` into `sink`; the report as JSON. `words` are what `keyferry jobs` shows (`program`, what is
/// done, source, sink), and `resume` the number of a job to go on with.
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
    let (from, to) = (source.endpoint()?, sink.endpoint()?);
    let options = options(given, [&from, &to])?;
    let page = ReportPage::of(given, &words)?;
    run(py, progress, stop, async move |shown| {
        let begin = resume.map_or_else(|| Begin::now(&words), Begin::Again);
        let go_on = |id| format!("give resume={id} to the same call");
        let report = job::run(|| Journal::open(&journal), begin, &from, &to, &options, shown, go_on).await?;
        page.write(&report, &from, &to).await?;
        Ok(report)
    })
}

/// The records of any source, one by one.
#[pyfunction]
#[pyo3(signature = (source, **given))]
pub fn read(source: Place<'_>, given: Option<&Bound<'_, PyDict>>) -> PyResult<Records> {
    let from = source.endpoint()?;
    let options = options(given, [&from, &from])?;
    options.filter.check(&from).raise()?;
    let _entered = runtime()?.enter();
    Ok(Records::new(engine::records(&from, &options), ErrorKind::Input))
}

/// Keeps `sink` in step with `source`; the report as JSON.
#[pyfunction]
#[pyo3(signature = (source, sink, words, journal, delete, max_delete=None, progress=None, stop=None, **given))]
#[expect(clippy::too_many_arguments, reason = "each is a keyword of the Python function")]
pub fn sync(
    py: Python<'_>,
    source: Place<'_>,
    sink: Place<'_>,
    words: Vec<String>,
    journal: PathBuf,
    delete: bool,
    max_delete: Option<String>,
    progress: Option<&Bound<'_, PyAny>>,
    stop: Option<&Stop>,
    given: Option<&Bound<'_, PyDict>>,
) -> PyResult<String> {
    let (from, to) = (source.endpoint()?, sink.endpoint()?);
    let mut options = options(given, [&from, &to])?;
    let max_delete = max_delete.map(|word| word.parse::<MaxDelete>()).transpose().raise()?;
    let page = ReportPage::of(given, &words)?;
    run(py, progress, stop, async move |shown| {
        let word = words.get(2).map_or("", String::as_str);
        let between = sync_pair(word, &from, &to, &options.filter)?;
        let kept = Journal::open(&journal)?;
        let base = to.environment().map(|sink| Base::open(&kept, &between, sink)).transpose()?.flatten();
        options.sync = Some(Sync { delete, max_delete, base });
        let go_on = |_| "call sync again: what is there already is not made twice".to_owned();
        let report = job::run(|| Ok(kept), Begin::now(&words), &from, &to, &options, shown, go_on).await?;
        page.write(&report, &from, &to).await?;
        Ok(report)
    })
}

/// What `transfer` would do, as JSON; writes nothing.
#[pyfunction]
#[pyo3(signature = (source, sink, progress=None, stop=None, **given))]
pub fn plan(
    py: Python<'_>,
    source: Place<'_>,
    sink: Place<'_>,
    progress: Option<&Bound<'_, PyAny>>,
    stop: Option<&Stop>,
    given: Option<&Bound<'_, PyDict>>,
) -> PyResult<String> {
    let (from, to) = (source.endpoint()?, sink.endpoint()?);
    let options = options(given, [&from, &to])?;
    run(py, progress, stop, async move |shown| engine::plan(&from, &to, &options, shown).await)
}

/// Takes back what a job did in an environment; what came of it as JSON.
#[pyfunction]
#[pyo3(signature = (job, environment, journal, progress=None, stop=None))]
pub fn undo(
    py: Python<'_>,
    job: i64,
    environment: &Bound<'_, Environment>,
    journal: PathBuf,
    progress: Option<&Bound<'_, PyAny>>,
    stop: Option<&Stop>,
) -> PyResult<String> {
    let environment = environment.get().inner().clone();
    run(py, progress, stop, async move |shown| {
        environment.unlocked()?;
        let journal = Journal::open(&journal)?;
        let _held = journal.lock(environment.place())?;
        engine::undo(&journal, job, &environment, shown).await
    })
}

/// Looks at the health of a location's secrets; what was found as JSON.
#[pyfunction]
#[pyo3(signature = (location, now, days_old, days_ahead, min_score, access, breached=None, progress=None, stop=None, **given))]
#[expect(clippy::too_many_arguments, reason = "each is a keyword of the Python function")]
pub fn audit(
    py: Python<'_>,
    location: Place<'_>,
    now: i64,
    days_old: u32,
    days_ahead: u32,
    min_score: u8,
    access: bool,
    breached: Option<PathBuf>,
    progress: Option<&Bound<'_, PyAny>>,
    stop: Option<&Stop>,
    given: Option<&Bound<'_, PyDict>>,
) -> PyResult<String> {
    const DAY: i64 = 24 * 60 * 60;
    let location = location.endpoint()?;
    let options = options(given, [&location, &location])?;
    let rules = Rules {
        min_score,
        now,
        changed_after: now - i64::from(days_old) * DAY,
        expires_by: now + i64::from(days_ahead) * DAY,
        breached,
        access,
        ..Rules::default()
    };
    run(py, progress, stop, async move |shown| engine::audit(&location, &options, &rules, shown).await)
}

/// Where a report is filed, if anywhere, and what is said on it besides.
struct ReportPage {
    path: Option<PathBuf>,
    words: Vec<String>,
    started: String,
}

impl ReportPage {
    /// Makes sure that it can be written, before hours of work.
    fn of(given: Option<&Bound<'_, PyDict>>, words: &[String]) -> PyResult<Self> {
        let path: Option<PathBuf> = option!(given, "report");
        if let Some(path) = &path {
            PageFormat::of(path).and_then(|_| files::sink::check(path)).raise()?;
        }
        let started: Option<String> = option!(given, "started");
        Ok(Self { path, words: words.to_vec(), started: started.unwrap_or_default() })
    }

    async fn write(&self, report: &Report, from: &Endpoint, to: &Endpoint) -> Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let (source, sink) = (from.identity().await, to.identity().await);
        let word = |index: usize| self.words.get(index).map_or("", String::as_str);
        let page = Page {
            what: word(1),
            from: word(2),
            to: word(3),
            started: &self.started,
            command: &[],
            source: source.as_ref(),
            sink: sink.as_ref(),
            report,
        };
        files::sink::write(path, page.render(PageFormat::of(path)?)?.as_bytes())
    }
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
    let (a, b) = (a.endpoint()?, b.endpoint()?);
    let options = options(given, [&a, &b])?;
    let words: Option<Vec<String>> = option!(given, "words");
    let page = ReportPage::of(given, &words.unwrap_or_default())?;
    run(py, progress, stop, async move |shown| {
        let report = engine::verify(&a, &b, &options, shown).await?;
        page.write(&report, &a, &b).await?;
        Ok(report)
    })
}
