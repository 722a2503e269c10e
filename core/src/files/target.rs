//! What a path leads to. Links are followed one by one, so that what stands at the end of them is known before
//! anything is opened: opening a device may already do something.

use crate::error::{Error, ErrorKind, Place, Result};
use crate::process;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// Links that are followed one after the other: as many as Linux follows.
const MOST_LINKS: usize = 40;

/// What a path leads to.
#[derive(Debug)]
pub(super) struct Target {
    /// Where it stands; no part of it is a link.
    pub path: PathBuf,
    /// What stands there.
    pub kind: Kind,
    /// Whether the path is a name of something that a process has open.
    pub open: Option<Open>,
}

/// What stands at the end of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(unix), expect(dead_code, reason = "elsewhere fewer kinds are told apart"))]
pub(super) enum Kind {
    /// Nothing yet, in a folder that is there.
    Free,
    /// A regular file.
    File,
    Folder,
    /// A pipe, with a name or without.
    Pipe,
    Socket,
    Terminal,
    /// `/dev/null`
    Null,
    /// A device that gives or takes bytes one after the other, perhaps without end.
    Device,
    /// A disk.
    Disk,
}

/// Whose descriptor a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Open {
    /// This process's, of that number: `/dev/stdout` is 1.
    Here(u32),
    /// Another's.
    Elsewhere,
}

/// What is to be done with the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Read,
    /// Secrets go where it leads, so a stranger may not have chosen where that is.
    Write,
}

impl Target {
    /// Follows `named`.
    ///
    /// # Errors
    /// Where its folder is missing, its links lead in a circle or, for writing, a stranger laid one of them.
    pub(super) fn of(named: &Path, purpose: Purpose) -> Result<Self> {
        process::with_own_descriptors(|| Self::followed(named, purpose))
    }

    fn followed(named: &Path, purpose: Purpose) -> Result<Self> {
        let failed = |error| Error::io(named, error);
        let mut at = named.to_owned();
        for _ in 0..=MOST_LINKS {
            let name = at.file_name().filter(|_| !ends_as_folder(&at));
            let Some(name) = name.map(OsStr::to_owned) else {
                return match fs::canonicalize(&at) {
                    Ok(path) => Ok(Self { path, kind: Kind::Folder, open: None }),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        Err(of_file(named, ErrorKind::Usage, "this names a folder")
                            .next_step("name a file: without the / at its end"))
                    }
                    Err(error) => Err(failed(error)),
                };
            };
            let around = match fs::canonicalize(folder(&at)) {
                Ok(around) => around,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(missing(named)),
                Err(error) => return Err(failed(error)),
            };
            if purpose == Purpose::Write && leads_through_strangers(folder(&at)).map_err(failed)? {
                return Err(laid_by_another(named));
            }
            let path = around.join(&name);
            if let Some(open) = open(&around, &name) {
                let there = fs::metadata(&path).map_err(|error| match error.kind() {
                    io::ErrorKind::NotFound => {
                        of_file(named, ErrorKind::Io, "nothing is open under this number").next_step(
                            "a pipe that a shell made ends with its command: run that command again",
                        )
                    }
                    _ => failed(error),
                })?;
                let end = fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
                return Ok(Self { kind: kind(&end, &there), path, open: Some(open) });
            }
            let there = match fs::symlink_metadata(&path) {
                Ok(there) => there,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Ok(Self { path, kind: Kind::Free, open: None });
                }
                Err(error) => return Err(failed(error)),
            };
            let regular = there.is_file() || there.is_dir();
            if purpose == Purpose::Write && !regular && is_strangers(&around, &there).map_err(failed)? {
                return Err(laid_by_another(named));
            }
            if !there.is_symlink() {
                return Ok(Self { kind: kind(&path, &there), path, open: None });
            }
            at = around.join(fs::read_link(&path).map_err(failed)?);
        }
        Err(of_file(named, ErrorKind::Io, "its links lead in a circle").next_step("name the file itself"))
    }
}

/// Opens a file, a pipe, or what a process has open. Opening a pipe waits for its other end, so only descriptors are
/// opened in a way that others could look at us.
pub(super) fn opened(options: &OpenOptions, path: &Path) -> io::Result<File> {
    if path.starts_with("/proc") || path.starts_with("/dev/fd") {
        return process::with_own_descriptors(|| options.open(path));
    }
    options.open(path)
}

/// An error about a file as the user named it.
pub(super) fn of_file(path: &Path, kind: ErrorKind, what: &str) -> Error {
    Error::new(kind, what).at(Place::File { path: path.to_owned(), at: None })
}

fn laid_by_another(path: &Path) -> Error {
    let what = "another user laid this link or pipe in a folder that everybody may write to";
    of_file(path, ErrorKind::NotAllowed, what).next_step("name a file in a folder of your own")
}

/// Whether a folder's own path has a stranger's link in it.
fn leads_through_strangers(path: &Path) -> io::Result<bool> {
    for part in path.ancestors().filter(|part| !part.as_os_str().is_empty()) {
        let there = fs::symlink_metadata(part)?;
        if there.is_symlink() && is_strangers(&fs::canonicalize(folder(part))?, &there)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The folder that a file stands in.
pub(super) fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// `out/` is no file, though a path without its last letter is.
fn ends_as_folder(path: &Path) -> bool {
    let last = path.as_os_str().as_encoded_bytes().last();
    last.is_some_and(|last| std::path::is_separator(char::from(*last)))
}

/// Whose descriptor the name in this folder stands for, if it does.
fn open(folder: &Path, name: &OsStr) -> Option<Open> {
    if !cfg!(unix) {
        return None;
    }
    let number = name.to_str()?.parse().ok()?;
    if folder == Path::new("/dev/fd") {
        return Some(Open::Here(number));
    }
    let mut parts = folder.strip_prefix("/proc").ok()?.iter().map(|part| part.to_str().unwrap_or_default());
    let process = parts.next()?;
    let of_process = match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("fd"), None, _, _) | (Some("task"), Some(_), Some("fd"), None) => process,
        _ => return None,
    };
    let here = of_process.parse() == Ok(std::process::id());
    Some(if here { Open::Here(number) } else { Open::Elsewhere })
}

/// What stands at `path`, which is no link.
#[cfg(unix)]
fn kind(path: &Path, there: &Metadata) -> Kind {
    use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
    let kind = there.file_type();
    let is_null = || fs::metadata("/dev/null").is_ok_and(|null| null.rdev() == there.rdev());
    // By name: to ask the device itself it would have to be opened.
    let is_terminal = || {
        path.to_str().is_some_and(|path| {
            ["/dev/tty", "/dev/pts/", "/dev/console"].iter().any(|name| path.starts_with(name))
        })
    };
    if kind.is_file() {
        Kind::File
    } else if kind.is_dir() {
        Kind::Folder
    } else if kind.is_fifo() {
        Kind::Pipe
    } else if kind.is_socket() {
        Kind::Socket
    } else if kind.is_block_device() {
        Kind::Disk
    } else if is_null() {
        Kind::Null
    } else if is_terminal() {
        Kind::Terminal
    } else {
        Kind::Device
    }
}

#[cfg(not(unix))]
fn kind(_: &Path, there: &Metadata) -> Kind {
    if there.is_file() {
        Kind::File
    } else if there.is_dir() {
        Kind::Folder
    } else {
        Kind::Device
    }
}

/// Whether another user than this one, the folder's owner or root put an entry into a folder that everybody may
/// write to: the rule by which Linux itself guards such folders (`fs.protected_symlinks`), held also where that is off.
#[cfg(unix)]
fn is_strangers(folder: &Path, entry: &Metadata) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let around = fs::metadata(folder)?;
    let trusted = [rustix::process::geteuid().as_raw(), around.uid(), 0];
    Ok(around.mode() & 0o002 != 0 && !trusted.contains(&entry.uid()))
}

#[cfg(not(unix))]
fn is_strangers(_: &Path, _: &Metadata) -> io::Result<bool> {
    Ok(false)
}

/// Names of a folder that an error shows.
const SHOWN: usize = 3;
/// Names that are compared: a folder may hold millions.
const COMPARED: usize = 10_000;

/// The error for a path that leads nowhere: how far it leads, and what has a name like the missing one.
pub(super) fn missing(named: &Path) -> Error {
    let error =
        |what: &str| of_file(named, ErrorKind::Io, what).because(io::Error::from(io::ErrorKind::NotFound));
    let mut wanted = named;
    let mut there = folder(named);
    while !there.is_dir() && there.parent().is_some() {
        (wanted, there) = (there, folder(there));
        if there == Path::new(".") {
            break;
        }
    }
    if wanted != named {
        return error("its folder does not exist").next_step(format!(
            "{} is there, and nothing called {} in it",
            there.display(),
            wanted.file_name().unwrap_or_default().to_string_lossy()
        ));
    }
    let near = near(there, wanted.file_name().unwrap_or_default());
    let error = error("there is no such file");
    error.next_step(match near.as_slice() {
        [] => "check its name and its folder".to_owned(),
        near => format!("did you mean {}?", near.join(" or ")),
    })
}

/// What a folder holds under names like `name`: the same but for case, ending or a letter or two.
fn near(folder: &Path, name: &OsStr) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let wanted = name.to_string_lossy().to_lowercase();
    let stem = |name: &str| name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_owned();
    let names =
        entries.take(COMPARED).flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut near: Vec<(usize, String)> = names
        .filter_map(|name| {
            let lower = name.to_lowercase();
            let far = strsim::damerau_levenshtein(&lower, &wanted);
            let alike = far <= 2 && far * 2 < wanted.chars().count() || stem(&lower) == stem(&wanted);
            alike.then_some((far, name))
        })
        .collect();
    near.sort();
    near.into_iter().take(SHOWN).map(|(_, name)| name).collect()
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn kind_of(path: &Path) -> Kind {
        Target::of(path, Purpose::Write).unwrap().kind
    }

    #[test]
    fn every_kind_is_told_apart_also_behind_links() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("file"), "").unwrap();
        for (name, to, kind) in [
            ("to-file", "file", Kind::File),
            ("to-link", "to-file", Kind::File),
            ("to-nothing", "new", Kind::Free),
            ("to-folder", ".", Kind::Folder),
            ("to-null", "/dev/null", Kind::Null),
            ("to-zero", "/dev/zero", Kind::Device),
        ] {
            symlink(to, path(name)).unwrap();
            assert_eq!(kind_of(&path(name)), kind, "{name}");
        }
        let file = fs::canonicalize(path("file")).unwrap();
        assert_eq!(Target::of(&path("to-link"), Purpose::Write).unwrap().path, file);
        assert_eq!(kind_of(&path("new")), Kind::Free);
    }

    #[test]
    fn links_in_a_circle_and_paths_that_end_as_folders_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        symlink("b", path("a")).unwrap();
        symlink("a", path("b")).unwrap();
        let error = Target::of(&path("a"), Purpose::Write).unwrap_err();
        assert!(error.to_string().contains("circle"), "{error}");
        let error = Target::of(&path("new/"), Purpose::Write).unwrap_err();
        assert!(error.to_string().contains("names a folder"), "{error}");
    }

    #[test]
    fn names_of_what_is_open_are_known() {
        let here = std::process::id();
        for (folder, name, expected) in [
            ("/dev/fd".to_owned(), "1", Some(Open::Here(1))),
            (format!("/proc/{here}/fd"), "63", Some(Open::Here(63))),
            (format!("/proc/{here}/task/7/fd"), "0", Some(Open::Here(0))),
            ("/proc/1/fd".to_owned(), "0", Some(Open::Elsewhere)),
            (format!("/proc/{here}/fd"), "x", None),
            (format!("/proc/{here}"), "1", None),
            ("/home/1/fd".to_owned(), "1", None),
        ] {
            let expected =
                if folder.starts_with("/proc/1/") && here == 1 { Some(Open::Here(0)) } else { expected };
            assert_eq!(open(Path::new(&folder), OsStr::new(name)), expected, "{folder} {name}");
        }
        assert!(Target::of(Path::new("/dev/fd/987"), Purpose::Read).is_err());
    }

    #[test]
    fn what_is_missing_is_told_with_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["People.csv", "people.json", "unlike"] {
            fs::write(path(name), "").unwrap();
        }
        let next = |name: &str| missing(&path(name)).next().unwrap_or_default().to_owned();
        assert_eq!(next("people.csv"), "did you mean People.csv or people.json?");
        assert_eq!(next("poeple.csv"), "did you mean People.csv?");
        assert_eq!(next("other"), "check its name and its folder");
        assert!(next("no/such/file").contains("nothing called no in it"), "{}", next("no/such/file"));
    }
}
