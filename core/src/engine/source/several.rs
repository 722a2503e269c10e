//! Several files as one source, and the files of a folder: one after the other, each by its own format.
//!
//! What a file of a folder holds stands below the folders between the two, as `infra/app.env` in the folder that was named
//! makes a record in `infra`. Positions name their file. A file in a folder that no format knows, or that is broken, is rejected and told; one that
//! was named itself is an error, as it is alone.

use crate::engine::options::Options;
use crate::engine::source::filter::Filter;
use crate::engine::source::seen::Seen;
use crate::engine::source::{Counting, end, read_file};
use crate::error::{Error, ErrorKind, Place, Position, Result};
use crate::files;
use crate::files::folder::{self, Kind, Member};
use crate::formats::Format;
use crate::model::{Entry, Record, RecordPath, Reject};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tokio::sync::mpsc::Sender;

/// Where what a file holds is to stand, and how its positions are called.
pub(crate) struct Here {
    below: Vec<String>,
    name: Arc<str>,
    in_folder: bool,
    in_archive: bool,
}

impl Here {
    /// A file in an archive, which may itself stand in a folder.
    pub(crate) fn inside(outer: Option<&Self>, archive: &Path, member: &str) -> Self {
        let mut below = outer.map(|outer| outer.below.clone()).unwrap_or_default();
        let folders = member.rsplit_once('/').map_or("", |(folders, _)| folders);
        below.extend(folders.split('/').filter(|name| !name.is_empty()).map(str::to_owned));
        let name = archive.join(member).display().to_string().into();
        Self { below, name, in_folder: true, in_archive: true }
    }

    /// Whether the file stands in an archive: one that is within it is not opened.
    pub(crate) fn in_archive(&self) -> bool {
        self.in_archive
    }

    /// Whether the file was found, rather than named.
    pub(crate) fn in_folder(&self) -> bool {
        self.in_folder
    }

    /// An entry of the file as one of the whole source.
    pub(crate) fn place(&self, mut entry: Entry) -> Entry {
        match &mut entry {
            Entry::Record(record, at) => {
                at.file = Some(self.name.clone());
                self.place_record(record);
            }
            Entry::Folder(path) => self.beneath(path),
            Entry::Reject(reject) => reject.at.file = Some(self.name.clone()),
            Entry::Note(note) => *note = format!("{}: {note}", self.name),
            Entry::Values(_) => {}
        }
        entry
    }

    /// That the file itself could not be taken.
    pub(crate) fn rejected(&self, why: &Error) -> Entry {
        let at = Position { file: Some(self.name.clone()), ..Position::default() };
        Entry::Reject(Reject { at, label: String::new(), why: why.what().to_owned() })
    }

    fn place_record(&self, record: &mut Record) {
        self.beneath(&mut record.path);
        record.also_in.iter_mut().for_each(|path| self.beneath(path));
    }

    fn beneath(&self, path: &mut RecordPath) {
        if self.below.is_empty() {
            return;
        }
        let inner = path.vault.take().into_iter().chain(std::mem::take(&mut path.folders));
        path.folders = self.below.iter().cloned().chain(inner).collect();
    }
}

/// Starts reading files and folders on a thread of its own. Answers where it counts the bytes that it read, and how many there
/// are, where that is known.
pub(crate) fn spawn(
    paths: &[PathBuf],
    format: Option<Format>,
    options: &Options,
    check: Result<()>,
    (filter, allow_empty): (Filter, bool),
    to: Sender<Result<Vec<Entry>>>,
) -> Option<(Arc<AtomicU64>, u64)> {
    let counted = Arc::new(AtomicU64::new(0));
    let found = files_of(paths);
    let files = found.iter().flat_map(|found| &found.files);
    let length = files.filter_map(|(one, _)| std::fs::metadata(&one.path).ok()).map(|file| file.len()).sum();
    let (options, read) = (options.clone(), counted.clone());
    tokio::task::spawn_blocking(move || {
        let seen = Seen::new(filter);
        let taken = check.and(found).and_then(|found| read_all(found, format, &options, &seen, &to, &read));
        if let Some(end) = end(taken, &seen, allow_empty) {
            let _ = to.blocking_send(end);
        }
    });
    (length > 0).then_some((counted, length))
}

/// What paths lead to.
#[derive(Debug, Default)]
pub struct Found {
    /// Every file, and whether it was found in a folder.
    pub files: Vec<(Member, bool)>,
    /// Folders with links and special files that are not followed, and how many.
    links: Vec<(PathBuf, u64)>,
}

/// Lists the files that these paths lead to, those of a folder in its place.
///
/// # Errors
/// Those of [`folder::members`].
pub fn files_of(paths: &[PathBuf]) -> Result<Found> {
    let mut found = Found::default();
    for path in paths {
        if folder::is_folder(path) {
            let members = folder::members(path)?;
            found.files.extend(members.files.into_iter().map(|member| (member, true)));
            if members.links > 0 {
                found.links.push((path.clone(), members.links));
            }
        } else {
            found.files.push((Member { path: path.clone(), below: Vec::new(), kind: Kind::File }, false));
        }
    }
    Ok(found)
}

fn read_all(
    found: Found,
    format: Option<Format>,
    options: &Options,
    seen: &Seen,
    to: &Sender<Result<Vec<Entry>>>,
    read: &Arc<AtomicU64>,
) -> Result<u64> {
    let mut taken = 0;
    for (member, in_folder) in found.files {
        let here = Here {
            below: member.below.clone(),
            name: member.path.display().to_string().into(),
            in_folder,
            in_archive: false,
        };
        let at = |error: Error| error.at(Place::File { path: member.path.clone(), at: None });
        let format = match member.kind {
            Kind::File | Kind::Vault => format,
            Kind::Gpg | Kind::Age => Format::from_name("pass"),
        };
        let input = match open(&member, options, read) {
            Ok(input) => input,
            // One entry that does not open keeps no other back.
            Err(error) if error.kind() == ErrorKind::Decrypt => {
                seen.reject();
                if to.blocking_send(Ok(vec![here.rejected(&error)])).is_err() {
                    return Ok(taken);
                }
                continue;
            }
            Err(error) => return Err(error),
        };
        match read_file(&member.path, input, format, options, seen, to, Some(&here)) {
            Ok(count) => taken += count,
            // One file of a folder that cannot be read, or not to its end, keeps no other back.
            Err(error) if in_folder && matches!(error.kind(), ErrorKind::Input | ErrorKind::Decrypt) => {
                seen.reject();
                if to.blocking_send(Ok(vec![here.rejected(&error)])).is_err() {
                    return Ok(taken);
                }
            }
            Err(error) => return Err(at(error)),
        }
        if to.is_closed() {
            return Ok(taken);
        }
    }
    for (path, links) in found.links {
        let note = format!("{}: {links} links and special files were not followed", path.display());
        let _ = to.blocking_send(Ok(vec![Entry::Note(note)]));
    }
    Ok(taken)
}

fn open(member: &Member, options: &Options, read: &Arc<AtomicU64>) -> Result<Box<dyn Read + Send>> {
    if member.kind == Kind::Vault {
        return Ok(Box::new(Counting(io::Cursor::new(folder::vault(&member.path)?), read.clone())));
    }
    if member.kind != Kind::Gpg {
        if files::source::is_stream(&member.path)? {
            return Err(once(&member.path));
        }
        return Ok(Box::new(Counting(files::source::open(&member.path)?, read.clone())));
    }
    if !options.read.gpg {
        let error = Error::new(ErrorKind::Usage, "this is an entry of a store that gpg opens")
            .at(Place::File { path: member.path.clone(), at: None });
        return Err(error.next_step("--gpg lets gpg open them, with your keyring and its agent"));
    }
    let content = folder::by_gpg(&member.path)?;
    Ok(Box::new(Counting(io::Cursor::new(Exposed(content)), read.clone())))
}

/// Bytes that are wiped when their reader is done with them.
pub(crate) struct Exposed(pub(crate) crate::secret::SecretBytes);

impl AsRef<[u8]> for Exposed {
    fn as_ref(&self) -> &[u8] {
        self.0.expose()
    }
}

fn once(path: &Path) -> Error {
    Error::new(ErrorKind::Usage, "this can be read only once, and stands among other files")
        .at(Place::File { path: path.to_owned(), at: None })
        .next_step("read it by itself")
}
