//! One stream of entries from any location, in bounded chunks, with paths made whole.

pub(crate) mod environment;
pub mod filter;
mod kv;
mod seen;
pub mod several;
pub mod stdin;

use crate::archive;
use crate::engine::endpoint::Endpoint;
use crate::engine::environment::Environment;
use crate::engine::environment::scope::Scope;
use crate::engine::options::Options;
use crate::engine::placement::DEFAULT_VAULT;
use crate::engine::report::progress::{Progress, patiently};
use crate::engine::source::environment::{Only, Reading, Side};
use crate::engine::source::filter::Filter;
use crate::engine::source::seen::Seen;
use crate::engine::source::stdin::Spool;
use crate::error::{Error, ErrorKind, Place, Result};
use crate::files;
use crate::files::folder::is_folder;
use crate::formats;
use crate::formats::{Bundle, detect};
use crate::model::{Entry, RecordPath};
use std::collections::HashSet;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc::{self, Receiver, Sender};
use zeroize::Zeroizing;

/// Chunks that wait between reader and writer: together with their size the bound on memory.
const QUEUE: usize = 4;
/// A chunk of a file ends at so many records or so many bytes.
const CHUNK_RECORDS: usize = 500;
const CHUNK_BYTES: usize = 4 << 20;

/// Entries as they are read, and how much of a file that is.
pub(crate) struct Chunks {
    entries: Receiver<Result<Vec<Entry>>>,
    /// Bytes that were read, and those of the file.
    bytes: Option<(Arc<AtomicU64>, u64)>,
    /// Chunks that were received.
    received: u32,
}

impl Chunks {
    /// The next; `None` after the last one or an error.
    pub(crate) async fn recv(&mut self) -> Option<Result<Vec<Entry>>> {
        let next = self.entries.recv().await;
        self.received += u32::from(next.is_some());
        next
    }

    /// About how much of the source has been received, from 0 to 1; `None` where nothing tells its length. The reader is ahead
    /// of whoever receives: by the chunks that wait and one more, and by its buffer, which may hold all that is left.
    pub(crate) fn portion(&self) -> Option<f64> {
        let (read, all) = self.bytes.as_ref()?;
        let (read, waiting) = (read.load(Ordering::Relaxed), self.entries.len() as f64);
        let received = f64::from(self.received);
        if self.entries.is_closed() {
            return Some(received / (received + waiting));
        }
        (read < *all).then(|| read as f64 / *all as f64 * received / (received + waiting + 1.0))
    }
}

/// Counts the bytes that are read.
struct Counting<R>(R, Arc<AtomicU64>);

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(buffer)?;
        self.1.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Starts reading what the filter takes; the stream ends after the last chunk or the first error.
/// A chunk may be empty.
pub(crate) fn open(from: &Endpoint, options: &Options) -> Chunks {
    // A sync that removes has a brake of its own for a source that yields nothing.
    let allow_empty = options.allow_empty || options.sync.as_ref().is_some_and(|sync| sync.delete);
    start(from, options, options.filter.clone(), Only::default(), allow_empty)
}

/// Starts reading what a sink holds, whatever a filter takes of the source: everything, or in these places alone.
pub(crate) fn open_whole(from: &Endpoint, options: &Options, places: Option<&Arc<Scope>>) -> Chunks {
    start(
        from,
        options,
        Filter::default(),
        Only { places: places.cloned(), side: Side::Sink, ..Only::default() },
        true,
    )
}

/// Starts reading these items of an environment, which stand in these places where any are named.
pub(crate) fn open_items(
    from: &Endpoint,
    options: &Options,
    items: HashSet<String>,
    places: Option<&Arc<Scope>>,
) -> Chunks {
    let only =
        Only { items: Some(Arc::new(items)), places: places.cloned(), side: Side::Sink, ..Only::default() };
    start(from, options, Filter::default(), only, true)
}

/// Starts reading these vaults of an environment, which nobody here knows, in these places: nothing of them is remembered.
pub(crate) fn open_unknown(
    from: &Endpoint,
    options: &Options,
    vaults: HashSet<String>,
    places: &Arc<Scope>,
) -> Chunks {
    let (unknown, places) = (Some(Arc::new(vaults)), Some(places.clone()));
    let only = Only { unknown, places, side: Side::Sink, ..Only::default() };
    start(from, options, Filter::default(), only, true)
}

fn start(from: &Endpoint, options: &Options, filter: Filter, only: Only, allow_empty: bool) -> Chunks {
    let (to, entries) = mpsc::channel(QUEUE);
    let mut bytes = None;
    match from {
        Endpoint::Environment(environment, inside) => {
            let (environment, inside) = (environment.clone(), inside.clone());
            let how = (options.keys, options.attachments);
            tokio::spawn(async move {
                let seen = Seen::new(filter);
                let taken = match environment.settled(&inside).await {
                    Ok(inside) => Reading::run(&environment, &inside, &seen, &only, how, &to).await,
                    Err(error) => Err(error),
                };
                if let Some(end) = end(taken, &seen, allow_empty) {
                    // Nobody listens any more only where the job has ended already.
                    let _ = to.send(end).await;
                }
            });
        }
        Endpoint::Kv(server) => {
            let server = server.clone();
            tokio::spawn(async move {
                let seen = Seen::new(filter);
                let taken = kv::read(&server, &seen, &to).await;
                if let Some(end) = end(taken, &seen, allow_empty) {
                    let _ = to.send(end).await;
                }
            });
        }
        Endpoint::File { path, format } if is_folder(path) => {
            let check = filter.check(from);
            bytes = several::spawn(
                std::slice::from_ref(path),
                *format,
                options,
                check,
                (filter, allow_empty),
                to,
            );
        }
        Endpoint::Files(paths, format) => {
            let check = filter.check(from);
            bytes = several::spawn(paths, *format, options, check, (filter, allow_empty), to);
        }
        Endpoint::File { path, format } => {
            let path = path.clone();
            let read = Arc::new(AtomicU64::new(0));
            bytes = files::source::length(&path).map(|all| (read.clone(), all));
            let input = {
                let path = path.clone();
                move || Ok(Box::new(Counting(files::source::open(&path)?, read)) as Box<dyn Read + Send>)
            };
            spawn_reading(path, input, *format, options, filter.check(from), (filter, allow_empty), to);
        }
        Endpoint::Spooled(spool, format) => {
            let spool = spool.clone();
            let path = spool.path().to_owned();
            let input = move || Ok(Box::new(spool.read()) as Box<dyn Read + Send>);
            spawn_reading(path, input, *format, options, filter.check(from), (filter, allow_empty), to);
        }
    }
    Chunks { entries, bytes, received: 0 }
}

/// What `from` gives, kept so that it can be read twice, where it gives that only once: standard input, a pipe.
pub(crate) async fn kept(from: &Endpoint, progress: &dyn Progress) -> Result<Option<Endpoint>> {
    match from {
        Endpoint::File { path, format } if files::source::is_stream(path)? => {
            let path = path.clone();
            let spool = patiently(progress, move || Spool::fill(&path, files::source::open(&path)?)).await?;
            Ok(Some(Endpoint::Spooled(spool, *format)))
        }
        _ => Ok(None),
    }
}

/// A file that can be read from its beginning as often as is needed, whatever the path leads to.
#[derive(Debug)]
pub struct Repeatable {
    path: PathBuf,
    kept: Option<Arc<Spool>>,
}

impl Repeatable {
    /// Reads what can be read only once, and keeps it sealed.
    pub async fn open(path: &Path, progress: &dyn Progress) -> Result<Self> {
        let kept = match kept(&Endpoint::File { path: path.to_owned(), format: None }, progress).await? {
            Some(Endpoint::Spooled(spool, _)) => Some(spool),
            _ => None,
        };
        Ok(Self { path: path.to_owned(), kept })
    }

    /// From the beginning.
    pub fn read(&self) -> Result<Box<dyn Read + Send>> {
        match &self.kept {
            Some(spool) => Ok(Box::new(spool.read())),
            None => files::source::open(&self.path),
        }
    }
}

fn spawn_reading(
    path: PathBuf,
    input: impl FnOnce() -> Result<Box<dyn Read + Send>> + Send + 'static,
    format: Option<formats::Format>,
    options: &Options,
    check: Result<()>,
    (filter, allow_empty): (Filter, bool),
    to: Sender<Result<Vec<Entry>>>,
) {
    let options = options.clone();
    tokio::task::spawn_blocking(move || {
        let seen = Seen::new(filter);
        let read = check.and_then(|()| read_file(&path, input()?, format, &options, &seen, &to, None));
        if let Some(end) = end(read, &seen, allow_empty) {
            let _ = to.blocking_send(end.map_err(|error| error.at(Place::File { path, at: None })));
        }
    });
}

/// What is left to say: the error, or that there was nothing, so that a slip of the pen shows.
fn end(taken: Result<u64>, seen: &Seen, allow_empty: bool) -> Option<Result<Vec<Entry>>> {
    let taken = match taken {
        Err(error) => return Some(Err(error)),
        Ok(taken) => taken,
    };
    if !allow_empty && let Err(error) = seen.check(taken) {
        return Some(Err(error));
    }
    let mut notes = seen.left_out();
    if taken == 0 && !seen.filter().is_empty() {
        notes.push("no record matches the filter".to_owned());
    }
    (!notes.is_empty()).then(|| Ok(notes.into_iter().map(Entry::Note).collect()))
}

/// Sends what the filter takes; answers how many records that were.
fn read_file(
    path: &Path,
    mut input: Box<dyn Read + Send>,
    format: Option<formats::Format>,
    options: &Options,
    seen: &Seen,
    to: &Sender<Result<Vec<Entry>>>,
    member: Option<&several::Here>,
) -> Result<u64> {
    let failed = |error| Error::io(path, error);
    let mut head = Zeroizing::new(Vec::with_capacity(detect::HEAD));
    input.by_ref().take(detect::HEAD as u64).read_to_end(&mut head).map_err(failed)?;
    // What is empty has no format, and no record.
    if head.is_empty() && format.is_none() && detect::detect(&head, path.to_str()).is_err() {
        return Ok(0);
    }
    let entries: Box<dyn Iterator<Item = Result<Entry>>> = if archive::is_archive(&head) {
        let whole = Box::new(io::Cursor::new(head).chain(input));
        Box::new(options.archive.open(whole)?)
    } else {
        let format = match format {
            Some(format) => format,
            None => {
                match (detect::detect_in(&mut input, &mut head, path.to_str()).map_err(failed)?, member) {
                    (Ok(format), _) => format,
                    (Err(_), here)
                        if Bundle::begins(&head) && !here.is_some_and(several::Here::in_archive) =>
                    {
                        let whole = Box::new(io::Cursor::new(head).chain(input));
                        return read_bundle(path, whole, options, seen, to, here);
                    }
                    // What else lies in a folder stops nothing, and is told.
                    (Err(error), Some(here)) if here.in_folder() => {
                        seen.reject();
                        let _ = to.blocking_send(Ok(vec![here.rejected(&error)]));
                        return Ok(0);
                    }
                    (Err(error), _) => return Err(error),
                }
            }
        };
        let whole = formats::WipedReader::with_capacity(1 << 18, io::Cursor::new(head).chain(input));
        let name = path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        let read = formats::ReadOptions { name, spools: files::spool::spools(), ..options.read.clone() };
        formats::reader(format, Box::new(whole), &read)?
    };
    let mut chunk = Vec::new();
    let (mut entries_read, mut weight, mut taken) = (0, 0, 0);
    for entry in entries {
        let entry = entry?;
        let entry = whole_path(match member {
            Some(here) => here.place(entry),
            None => entry,
        });
        entries_read += 1;
        if wanted(&entry, seen) {
            let entry = match (entry, &options.joins) {
                (Entry::Record(record, at), Some(joins)) => Entry::Record(joins.in_place_of(record), at),
                (entry, _) => entry,
            };
            if let Entry::Record(record, _) = &entry {
                weight += record.weight();
                taken += 1;
            }
            chunk.push(entry);
        }
        // By what was read, not by what was taken: whoever listens may want to stop.
        if entries_read >= CHUNK_RECORDS || weight >= CHUNK_BYTES {
            (entries_read, weight) = (0, 0);
            if to.blocking_send(Ok(std::mem::take(&mut chunk))).is_err() {
                return Ok(taken);
            }
        }
    }
    let _ = to.blocking_send(Ok(chunk));
    Ok(taken)
}

/// Files in an archive that is nobody's export: each by its own format, as those of a folder.
fn read_bundle(
    path: &Path,
    whole: Box<dyn Read + Send>,
    options: &Options,
    seen: &Seen,
    to: &Sender<Result<Vec<Entry>>>,
    outer: Option<&several::Here>,
) -> Result<u64> {
    let mut bundle = Bundle::open(whole)?;
    let refused = bundle.refused();
    for _ in &refused {
        seen.reject();
    }
    let _ = to.blocking_send(Ok(refused));
    let mut taken = 0;
    for name in bundle.names().into_iter().filter(|name| !files::folder::is_passed_over(name)) {
        let here = several::Here::inside(outer, path, &name);
        let read = bundle.take(&name).and_then(|content| {
            let Some(content) = content else { return Ok(0) };
            let input = Box::new(io::Cursor::new(several::Exposed(content)));
            read_file(&path.join(&name), input, None, options, seen, to, Some(&here))
        });
        match read {
            Ok(count) => taken += count,
            // One file that cannot be read keeps no other back.
            Err(error) if matches!(error.kind(), ErrorKind::Input | ErrorKind::Decrypt) => {
                seen.reject();
                let _ = to.blocking_send(Ok(vec![here.rejected(&error)]));
            }
            Err(error) => return Err(error.at(Place::File { path: path.join(&name), at: None })),
        }
        if to.is_closed() {
            break;
        }
    }
    Ok(taken)
}

/// Whether the filter takes an entry; what was met is kept in mind.
fn wanted(entry: &Entry, seen: &Seen) -> bool {
    let filter = seen.filter();
    match entry {
        Entry::Record(record, _) => {
            seen.record(&record.path, &record.tags);
            let excluding = filter.excluding(&record.path, Some(&record.name));
            excluding.inspect(|number| seen.excluded(*number, 1));
            let since = filter.changed_since.zip(record.changed_at);
            excluding.is_none() && since.is_none_or(|(since, at)| at >= since) && filter.takes(record)
        }
        Entry::Folder(path) => {
            filter.excluding(path, None).inspect(|number| seen.excluded(*number, 0));
            filter.takes_bare(path)
        }
        // What cannot be read might have been wanted.
        Entry::Reject(_) => {
            seen.reject();
            true
        }
        Entry::Note(note) => {
            seen.note(note);
            true
        }
        Entry::Values(_) => true,
    }
}

/// Without a vault the first folder is the vault.
fn whole_path(mut entry: Entry) -> Entry {
    if let Entry::Record(crate::model::Record { path, .. }, _) | Entry::Folder(path) = &mut entry
        && path.vault.is_none()
    {
        path.vault =
            Some(if path.folders.is_empty() { DEFAULT_VAULT.to_owned() } else { path.folders.remove(0) });
    }
    entry
}

/// A file's path as the user wrote it, for errors.
pub(crate) fn file_path(endpoint: &Endpoint) -> Option<&Path> {
    match endpoint {
        Endpoint::File { path, .. } => Some(path),
        Endpoint::Spooled(spool, _) => Some(spool.path()),
        Endpoint::Files(paths, _) => paths.first().map(PathBuf::as_path),
        Endpoint::Environment(..) | Endpoint::Kv(..) => None,
    }
}

/// Starts to read what a location holds, for a face that shows records one by one. The stream ends after
/// the last chunk or the first error; to stop early, drop it. A runtime must be entered.
#[must_use]
pub fn records(from: &Endpoint, options: &Options) -> Receiver<Result<Vec<Entry>>> {
    // Whoever shows records one by one sees that there are none.
    open(from, &Options { allow_empty: true, ..options.clone() }).entries
}

/// The same of records that stand right in these places of an environment, and not below them: for who divides a reading among
/// machines. A place that is not there any more is an error, since its records may stand elsewhere by now.
#[must_use]
pub fn records_in(
    environment: &Arc<Environment>,
    places: &[RecordPath],
    options: &Options,
) -> Receiver<Result<Vec<Entry>>> {
    let mut scope = Scope::default();
    for place in places {
        scope.name(place);
    }
    let (to, entries) = mpsc::channel(QUEUE);
    let (environment, places, options) = (environment.clone(), places.to_vec(), options.clone());
    tokio::spawn(async move {
        let seen = Seen::new(options.filter.clone());
        let only = Only { places: Some(Arc::new(scope)), ..Only::default() };
        let how = (options.keys, options.attachments);
        let read = match environment.has_places(&places).await {
            Ok(()) => Reading::run(&environment, &RecordPath::default(), &seen, &only, how, &to).await,
            Err(error) => Err(error),
        };
        if let Err(error) = read {
            // Nobody listens any more only where the reading has ended already.
            let _ = to.send(Err(error)).await;
        }
    });
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_waits_between_reader_and_writer_is_not_through() {
        let (to, entries) = mpsc::channel(QUEUE);
        let read = Arc::new(AtomicU64::new(50));
        let mut chunks = Chunks { entries, bytes: Some((read.clone(), 100)), received: 0 };
        for _ in 0..3 {
            to.send(Ok(Vec::new())).await.unwrap();
        }
        assert!(chunks.recv().await.is_some());
        assert_eq!(chunks.portion(), Some(0.5 / 4.0));
        // The file is in the buffer, and how much of it is through nothing tells.
        read.store(100, Ordering::Relaxed);
        assert_eq!(chunks.portion(), None);
        drop(to);
        assert_eq!(chunks.portion(), Some(1.0 / 3.0));
        while chunks.recv().await.is_some() {}
        assert_eq!(chunks.portion(), Some(1.0));
    }
}
