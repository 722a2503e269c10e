//! Jobs: records moved or compared, with progress told and a wish to stop heard.

use crate::boundary::{Context, Out, Outcome, call, call_with_outcome, name, secret, usage};
use crate::buffer::kf_buffer;
use crate::environment::{ENVIRONMENTS, at, kf_environment, to_json};
use crate::handle::Table;
use crate::listener::{self, KF_LOG_INFO};
use crate::options::Choice;
use crate::runtime;
use crate::status::{KF_DIFFERENT, KF_LEFT_OUT, KF_OK, kf_status};
use keyferry_core::engine::job::{self, Begin};
use keyferry_core::engine::{self, ArchiveKeys, Endpoint, Journal, Options, ProgressQueue, Report, Step};
use keyferry_core::secret::SecretString;
use std::ffi::{c_char, c_void};
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Listens to jobs and stops them: make one for each job that is to be watched, or give 0. 0 is none.
pub type kf_job = u64;

/// The source, and what the sink holds already, are read.
pub const KF_STEP_READING: i32 = 1;
/// Records are encrypted and sent, or written to a file.
pub const KF_STEP_WRITING: i32 = 2;
/// What was written is read back and compared.
pub const KF_STEP_VERIFYING: i32 = 3;

/// Hears how far a job has come, at most twenty times a second: the step, the records through it, and their number
/// (0: not known). Called on the thread that called the library. An answer other than 0 cancels the job.
pub type kf_progress_callback =
    Option<extern "C" fn(context: *mut c_void, step: i32, done: u64, total: u64) -> i32>;

#[derive(Default)]
struct Handle {
    stop: Arc<AtomicBool>,
    given: Mutex<Given>,
}

#[derive(Clone, Default)]
struct Given {
    progress: Option<(extern "C" fn(*mut c_void, i32, u64, u64) -> i32, Context)>,
    archive_passphrase: Option<SecretString>,
}

impl Handle {
    fn given(&self) -> MutexGuard<'_, Given> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

static JOBS: Table<Handle> = Table::new("job");

/// Makes a handle to give to a job. Close it with `kf_job_close`.
#[unsafe(no_mangle)]
pub extern "C" fn kf_job_open(job: *mut kf_job) -> kf_status {
    call(|| {
        let out = Out::new(job, "job")?;
        out.set(JOBS.open(Handle::default()));
        Ok(())
    })
}

/// Closes a handle. A job that runs goes on.
#[unsafe(no_mangle)]
pub extern "C" fn kf_job_close(job: kf_job) -> kf_status {
    call(|| JOBS.close(job))
}

/// Who hears of the progress of the jobs that begin with this handle from now on. NULL: nobody.
#[unsafe(no_mangle)]
pub extern "C" fn kf_job_set_progress(
    job: kf_job,
    callback: kf_progress_callback,
    context: *mut c_void,
) -> kf_status {
    call(|| {
        JOBS.get(job)?.given().progress = callback.map(|callback| (callback, Context(context)));
        Ok(())
    })
}

/// What an archive is sealed with or opened by, besides the key of the environment's user. Empty: nothing.
#[unsafe(no_mangle)]
pub extern "C" fn kf_job_set_archive_passphrase(
    job: kf_job,
    passphrase: *const c_void,
    passphrase_len: usize,
) -> kf_status {
    call(|| {
        let passphrase = secret(passphrase, passphrase_len, "passphrase")?;
        JOBS.get(job)?.given().archive_passphrase = Some(passphrase).filter(|phrase| !phrase.is_empty());
        Ok(())
    })
}

/// Stops the jobs of this handle, from any thread: what is in flight ends, the journal is written, and the call that
/// runs the job returns `KF_INTERRUPTED`. A cancelled handle stays cancelled.
#[unsafe(no_mangle)]
pub extern "C" fn kf_job_cancel(job: kf_job) -> kf_status {
    call(|| {
        JOBS.get(job)?.stop.store(true, Ordering::Relaxed);
        Ok(())
    })
}

/// Brings a file's records into an environment, then reads back and compares. `file` is whatever `keyferry formats` lists or an
/// archive (`.kfa`), found by content and ending, or named: "csv:people.txt"; or a folder; or a server of HashiCorp Vault or OpenBao,
/// `vault://HOST:8200/secret`, with the token of the variable `KEYFERRY_VAULT_TOKEN`. `path` is a vault and folder to put
/// them in, or NULL. `options` is NULL or JSON; see `kf_migrate`. `report`, where it is not NULL, gets JSON: counts, names
/// and reasons, no secrets.
#[unsafe(no_mangle)]
pub extern "C" fn kf_import(
    job: kf_job,
    file: *const c_char,
    environment: kf_environment,
    path: *const c_char,
    options: *const c_char,
    report: *mut kf_buffer,
) -> kf_status {
    transfer(job, None, (0, file), (environment, path), options, report)
}

/// Writes an environment's records to a file; the reverse of `kf_import`. A file in the clear needs
/// `"allow_plaintext": true` and is readable by its owner alone. An archive (`.kfa`) needs no permission: it is sealed for
/// the environment's user, and for the job's passphrase.
#[unsafe(no_mangle)]
pub extern "C" fn kf_export(
    job: kf_job,
    environment: kf_environment,
    path: *const c_char,
    file: *const c_char,
    options: *const c_char,
    report: *mut kf_buffer,
) -> kf_status {
    transfer(job, None, (environment, path), (0, file), options, report)
}

/// Moves every record of a source into a sink, then reads back and compares. Each side is an environment with a path in
/// it (NULL: everything), or 0 with the path of a file. Members of `options`, all of which may be missing:
///
/// - `on_conflict`: what to do where a record's place and name are taken by other content: "skip", "update",
///   "duplicate", or "fail" (the default: nothing is written at all);
/// - `verify`: read back "full" (the default), "sample" (400 records), or "none";
/// - `rewrap`: true keeps ciphertext as it is and wraps only record keys anew;
/// - `allow_plaintext`, `allow_unencrypted_target`, `trust_administrators`, `allow_empty`, `no_password`: true permits
///   what would be refused;
/// - `vaults`, `folder`, `tags`, `query`, `changed_since`, `exclude` (a list of paths): which records of the source count;
/// - `structure`: `below` (the default), `keep`, `flatten`: where the source's vaults and folders stand in the sink;
/// - `include_trash`: what lies in the bin of a manager's file comes along, in a folder `Trash`;
/// - `match_codes`: one-time codes of an authenticator's file go into the records of the sink that they belong to, by issuer and
///   account; those that fit none, or several, are records of their own;
/// - `gpg`: `gpg` opens the entries of a store of pass, with its own keyring and agent;
/// - `key_file`: the key file of a KDBX; its passphrase, and that of every file that another program encrypted, comes from the
///   variable `KEYFERRY_FILE_PASSPHRASE`, or from the file that `KEYFERRY_FILE_PASSPHRASE_FILE` names;
/// - `map`: an object of CSV columns and the fields that they are;
/// - `more_files`: a list of files and folders that are read as one source with the one that was given;
/// - `rejects`: a file for a list of what could not be taken;
/// - `journal`: the journal's file, or `postgres://USER@HOST:PORT/DATABASE` with its password in `KEYFERRY_JOURNAL_PASSWORD`;
///   by default that of the command line, `KEYFERRY_JOURNAL` included, so that `keyferry jobs` and `keyferry undo` know this
///   job too.
///
/// `KF_LEFT_OUT` and `KF_DIFFERENT` are ends with a report; any other code but `KF_OK` has none. A job that stopped on
/// its way is named in `kf_last_error`; go on with `kf_resume`.
#[unsafe(no_mangle)]
pub extern "C" fn kf_migrate(
    job: kf_job,
    source: kf_environment,
    source_path: *const c_char,
    sink: kf_environment,
    sink_path: *const c_char,
    options: *const c_char,
    report: *mut kf_buffer,
) -> kf_status {
    transfer(job, None, (source, source_path), (sink, sink_path), options, report)
}

/// Goes on with a job that stopped, by its number in the journal: `kf_migrate` with the places and options that it had.
#[unsafe(no_mangle)]
pub extern "C" fn kf_resume(
    job: kf_job,
    number: i64,
    source: kf_environment,
    source_path: *const c_char,
    sink: kf_environment,
    sink_path: *const c_char,
    options: *const c_char,
    report: *mut kf_buffer,
) -> kf_status {
    transfer(job, Some(number), (source, source_path), (sink, sink_path), options, report)
}

/// Compares two places record by record and field by field: `KF_OK` where everything of the first is in the second, equal;
/// else `KF_DIFFERENT`, and the report names records and fields, never values. What only the second holds is counted in
/// its `only_there`; with the option `"exact": true` it is a difference too. Each side is as in `kf_migrate`; of its
/// `options` those that choose records and say how a file is read count.
#[unsafe(no_mangle)]
pub extern "C" fn kf_verify(
    job: kf_job,
    a: kf_environment,
    a_path: *const c_char,
    b: kf_environment,
    b_path: *const c_char,
    options: *const c_char,
    report: *mut kf_buffer,
) -> kf_status {
    call_with_outcome(|| {
        let out = Out::optional(report);
        let handle = handle(job)?;
        let choice = Choice::parse(options)?;
        let a = endpoint((a, a_path), &choice.more_files, "a_path")?;
        let b = endpoint((b, b_path), &[], "b_path")?;
        let archive = ArchiveKeys::of([&a, &b], handle.given().archive_passphrase.clone());
        let options = Options { archive, ..choice.into_options()? };
        let work = async move |watched: &ProgressQueue| engine::verify(&a, &b, &options, watched).await;
        finish(&run(&handle, work)?, out)
    })
}

/// An environment and a path in it, or 0 and a file.
type Side = (kf_environment, *const c_char);

fn transfer(
    job: kf_job,
    resumed: Option<i64>,
    source: Side,
    sink: Side,
    options: *const c_char,
    report: *mut kf_buffer,
) -> kf_status {
    call_with_outcome(|| {
        let out = Out::optional(report);
        let handle = handle(job)?;
        let choice = Choice::parse(options)?;
        let from = endpoint(source, &choice.more_files, "the source's path")?;
        let to = endpoint(sink, &[], "the sink's path")?;
        let journal = choice.journal.clone();
        let mut options = choice.into_options()?;
        options.archive = ArchiveKeys::of([&from, &to], handle.given().archive_passphrase.clone());
        // What `keyferry jobs` shows; `keyferry resume` leaves such a job to its program.
        let kind = if from.environment().is_some() { "migrate" } else { "import" };
        let command = ["program".to_owned(), kind.to_owned(), word(&from), word(&to)];
        let report = run(&handle, async move |watched: &ProgressQueue| {
            let begin = resumed.map_or_else(|| Begin::now(&command), Begin::Again);
            let named =
                || std::env::var_os("KEYFERRY_JOURNAL").filter(|path| !path.is_empty()).map(PathBuf::from);
            let journal = || Journal::open(&journal.or_else(named).map_or_else(Journal::default_path, Ok)?);
            let go_on = |number| format!("go on with kf_resume and the number {number}");
            job::run(journal, begin, &from, &to, &options, watched, go_on).await
        })?;
        finish(&report, out)
    })
}

fn endpoint((environment, path): Side, more: &[PathBuf], what: &str) -> Outcome<Endpoint> {
    if environment == 0 {
        let first = PathBuf::from(name(path, what)?);
        return Ok(Endpoint::several(std::iter::once(first).chain(more.iter().cloned()).collect())?);
    }
    if !more.is_empty() {
        return Err(usage("options: more_files stand beside a file, and the source is an environment"));
    }
    at(&*ENVIRONMENTS.get(environment)?, path)
}

/// A side as one would type it.
fn word(side: &Endpoint) -> String {
    match side {
        Endpoint::Environment(environment, _) => environment.label().to_owned(),
        Endpoint::File { path, .. } => path.display().to_string(),
        Endpoint::Kv(server) => server.address().to_string(),
        Endpoint::Files(paths, _) => {
            paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" ")
        }
        Endpoint::Spooled(..) => "-".to_owned(),
    }
}

fn handle(job: kf_job) -> Outcome<Arc<Handle>> {
    if job == 0 { Ok(Arc::default()) } else { JOBS.get(job) }
}

/// Between two looks at a job's progress.
const TICK: Duration = Duration::from_millis(50);

/// Runs a job on a thread of its own while this one tells how far it has come.
fn run(
    handle: &Handle,
    work: impl AsyncFnOnce(&ProgressQueue) -> keyferry_core::Result<Report> + Send + 'static,
) -> Outcome<Report> {
    let Given { progress, .. } = handle.given().clone();
    let watched = Arc::new(ProgressQueue::new(handle.stop.clone()));
    let (runtime, seen) = (runtime()?, watched.clone());
    let (ended, end) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::Builder::new().name("keyferry-job".to_owned()).spawn(move || {
        // Dropped when the job ends, however it does.
        let _ended = ended;
        runtime.block_on(work(&seen))
    });
    let thread = thread.map_err(|error| keyferry_core::Error::io(".", error))?;
    loop {
        let running = end.recv_timeout(TICK) == Err(std::sync::mpsc::RecvTimeoutError::Timeout);
        for note in watched.notes() {
            listener::tell(KF_LOG_INFO, &note);
        }
        if let Some((callback, context)) = progress {
            for news in watched.news() {
                let step = match news.step {
                    Step::Planning => KF_STEP_READING,
                    Step::Writing => KF_STEP_WRITING,
                    Step::Verifying => KF_STEP_VERIFYING,
                };
                if callback(context.0, step, news.done, news.total.unwrap_or_default()) != 0 {
                    handle.stop.store(true, Ordering::Relaxed);
                }
            }
        }
        if !running {
            let report = thread.join().unwrap_or_else(|panic| resume_unwind(panic));
            return Ok(report?);
        }
    }
}

/// Hands the report over, and says in a code how the job ended.
fn finish(report: &Report, out: Option<Out<kf_buffer>>) -> Outcome<kf_status> {
    for note in &report.notes {
        listener::tell(KF_LOG_INFO, note);
    }
    if let Some(out) = out {
        out.set(kf_buffer::lend(to_json(report)?));
    }
    Ok(match report.exit_code() {
        0 => KF_OK,
        4 => KF_DIFFERENT,
        _ => KF_LEFT_OUT,
    })
}
