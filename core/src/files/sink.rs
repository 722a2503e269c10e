//! Files that hold secrets, or names of secrets: readable by this user alone from their first byte on, and under
//! their name only when whole.
//!
//! A link stays, and what it leads to is replaced. What is no file stays as well: a pipe, a terminal and whatever is
//! open already are written through; a disk and a folder are refused. A file that has other names (hard links) is
//! replaced under the one that was given: the others keep the old content, so no secret gets a name that nobody asked
//! for.

use crate::error::{Error, ErrorKind, Result};
use crate::files::target::{self, Kind, Open, Purpose, Target, of_file};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// How standard output is written as a location.
pub const STANDARD_OUTPUT: &str = "-";

/// A file that is being written.
#[derive(Debug)]
pub struct Draft {
    /// As the user named it.
    named: PathBuf,
    way: Way,
}

#[derive(Debug)]
enum Way {
    /// In a file without its name yet, which will be this one.
    Beside(NamedTempFile, PathBuf),
    Through(File),
    StandardOutput,
    StandardError,
}

impl Draft {
    /// Begins to write. A pipe with a name waits for whoever reads it; a file that is there already stays as it is
    /// until [`Draft::finish`], and for good where that is never called.
    ///
    /// # Errors
    /// Where nothing can be written there, with what to do instead.
    pub fn open(path: &Path) -> Result<Self> {
        let failed = |error| Error::io(path, error);
        let way = match find(path)? {
            Found::StandardOutput => Way::StandardOutput,
            Found::StandardError => Way::StandardError,
            Found::File(target) => {
                Way::Beside(NamedTempFile::new_in(target::folder(&target)).map_err(failed)?, target)
            }
            // At its end, where it is a file: what others wrote through the same descriptor stays.
            Found::Open(target) => {
                Way::Through(target::opened(OpenOptions::new().append(true), &target).map_err(failed)?)
            }
            Found::Stream(target) => {
                let file = target::opened(OpenOptions::new().append(true), &target).map_err(failed)?;
                if file.metadata().map_err(failed)?.is_file() {
                    return Err(changed(path));
                }
                Way::Through(file)
            }
        };
        Ok(Self { named: path.to_owned(), way })
    }

    /// What to write to. Flush it before [`Draft::finish`].
    pub fn output(&self) -> Result<Box<dyn Write + Send>> {
        let failed = |error| Error::io(&self.named, error);
        Ok(match &self.way {
            Way::Beside(file, _) => Box::new(file.reopen().map_err(failed)?),
            Way::Through(file) => Box::new(file.try_clone().map_err(failed)?),
            Way::StandardOutput => Box::new(io::stdout()),
            Way::StandardError => Box::new(io::stderr()),
        })
    }

    /// Writes all of the content, and finishes.
    pub fn complete(self, content: &[u8]) -> Result<()> {
        let mut output = self.output()?;
        output
            .write_all(content)
            .and_then(|()| output.flush())
            .map_err(|error| Error::io(&self.named, error))?;
        self.finish()
    }

    /// Puts the file in its place, once all of it is on the disk.
    ///
    /// # Errors
    /// Where something that is no file took that place meanwhile.
    pub fn finish(self) -> Result<()> {
        let failed = |error| Error::io(&self.named, error);
        let Way::Beside(file, target) = self.way else { return Ok(()) };
        file.as_file().sync_all().map_err(failed)?;
        if fs::symlink_metadata(&target).is_ok_and(|there| !there.is_file()) {
            return Err(changed(&self.named));
        }
        file.persist(target).map_err(|error| failed(error.error))?;
        Ok(())
    }
}

/// What can be written to.
enum Found {
    /// A file, or a free name.
    File(PathBuf),
    /// What a process has open.
    Open(PathBuf),
    /// A pipe or a device.
    Stream(PathBuf),
    StandardOutput,
    StandardError,
}

fn find(path: &Path) -> Result<Found> {
    if path == Path::new(STANDARD_OUTPUT) {
        return Ok(Found::StandardOutput);
    }
    let Target { path: target, kind, open } = Target::of(path, Purpose::Write)?;
    let refused = |what: &str, next: &str| Err(of_file(path, ErrorKind::Usage, what).next_step(next));
    match (kind, open) {
        (Kind::Folder, _) => refused("this is a folder where a file is meant", "name a file in it"),
        (Kind::Disk, _) => refused("this is a disk, whose content would be lost", "name a file"),
        (_, Some(Open::Here(1))) => Ok(Found::StandardOutput),
        (_, Some(Open::Here(2))) => Ok(Found::StandardError),
        (_, Some(_)) => Ok(Found::Open(target)),
        (Kind::Free | Kind::File, None) => Ok(Found::File(target)),
        (Kind::Socket, None) => refused(
            "this is a socket",
            "write to standard output, and let a program send it: keyferry … jsonl:- | …",
        ),
        (Kind::Pipe | Kind::Terminal | Kind::Null | Kind::Device, None) => Ok(Found::Stream(target)),
    }
}

fn changed(path: &Path) -> Error {
    of_file(
        path,
        ErrorKind::Io,
        "something else took its place while it was written; that stays, and nothing was written",
    )
    .next_step("run the same command again")
}

/// Makes sure, before hours of work, that a file can be written there. Nothing is opened or made.
///
/// # Errors
/// Those of [`Draft::open`], as far as they can be foreseen.
pub fn check(path: &Path) -> Result<()> {
    find(path).map(drop)
}

/// Whether it is standard output under any of its names.
#[must_use]
pub fn is_standard_output(path: &Path) -> bool {
    matches!(find(path), Ok(Found::StandardOutput))
}

/// Whether it is no file, and takes bytes only as they come.
#[must_use]
pub fn is_stream(path: &Path) -> bool {
    matches!(find(path), Ok(found) if !matches!(found, Found::File(_)))
}

/// The folder that a file stands in.
#[must_use]
pub fn folder(path: &Path) -> &Path {
    target::folder(path)
}

/// Makes a folder and those above it that are missing, for this user alone.
pub fn make_private_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Writes a file whole, in place of one of the same name. What is no file is written through.
pub fn write(path: &Path, content: &[u8]) -> Result<()> {
    Draft::open(path)?.complete(content)
}

/// Writes a new file whole; a file or link of this name stays as it is. What is no file is written through.
pub fn create(path: &Path, content: &[u8]) -> Result<()> {
    if is_stream(path) {
        return write(path, content);
    }
    let failed = |error| Error::io(path, error);
    let mut file = NamedTempFile::new_in(folder(path)).map_err(failed)?;
    file.write_all(content).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    file.persist_noclobber(path).map_err(|error| {
        let there = error.error.kind() == io::ErrorKind::AlreadyExists;
        let failed = failed(error.error);
        if there { failed.next_step("it is there already: name a new file") } else { failed }
    })?;
    Ok(())
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    #[test]
    fn links_stay_and_what_they_lead_to_is_replaced_for_this_user_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("real"), "old").unwrap();
        fs::hard_link(path("real"), path("other-name")).unwrap();
        for (link, to) in [("link", "real"), ("chain", "link"), ("dangling", "new")] {
            symlink(to, path(link)).unwrap();
        }
        for link in ["chain", "dangling"] {
            write(&path(link), link.as_bytes()).unwrap();
            assert!(path(link).is_symlink(), "{link}");
            assert_eq!(fs::read_to_string(path(link)).unwrap(), link);
            assert_eq!(fs::metadata(path(link)).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert!(path("link").is_symlink());
        assert_eq!(fs::read_to_string(path("other-name")).unwrap(), "old");
    }

    #[test]
    fn a_draft_that_is_never_finished_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "old").unwrap();
        let draft = Draft::open(&path).unwrap();
        draft.output().unwrap().write_all(b"half").unwrap();
        drop(draft);
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_takes_the_place_meanwhile_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let draft = Draft::open(&path).unwrap();
        symlink("/dev/null", &path).unwrap();
        assert!(draft.finish().unwrap_err().to_string().contains("took its place"));
        assert!(path.is_symlink());
    }

    #[test]
    fn devices_are_written_through_and_folders_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        symlink("/dev/null", path("null")).unwrap();
        symlink("/dev/full", path("full")).unwrap();
        write(&path("null"), b"x").unwrap();
        let full = write(&path("full"), b"x").unwrap_err();
        assert!(full.to_string().contains("full"), "{full}");
        assert!(path("null").is_symlink() && path("full").is_symlink());
        assert!(check(folder.path()).unwrap_err().next().unwrap().contains("a file in it"));
        assert!(check(&path("no/file")).unwrap_err().to_string().contains("folder does not exist"));
    }
}
