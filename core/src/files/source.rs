//! A file, a pipe or what else gives bytes, as a source. `-` is standard input, and so is every other name of it.

use crate::error::{Error, ErrorKind, Result};
use crate::files::folder;
use crate::files::target::{Kind, Open, Purpose, Target, missing, of_file, opened};
use std::fs::{self, OpenOptions};
use std::io::{self, IsTerminal as _, Read};
use std::path::{Path, PathBuf};

/// How standard input is written as a location.
pub const STANDARD_INPUT: &str = "-";

/// What a path comes to as a source.
enum Source {
    StandardInput,
    /// Can be opened again and read from its beginning.
    File(PathBuf),
    /// Gives its bytes once.
    Stream(PathBuf),
    /// Holds files, each a source of its own.
    Folder,
}

impl Source {
    fn of(path: &Path) -> Result<Self> {
        if path == Path::new(STANDARD_INPUT) {
            return Ok(Self::StandardInput);
        }
        let target = Target::of(path, Purpose::Read)?;
        match (target.kind, target.open) {
            (Kind::Free, _) => Err(missing(path)),
            (Kind::Folder, _) if folder::is_folder(path) => Ok(Self::Folder),
            (Kind::Folder, _) => Err(is_folder(path)),
            (Kind::Device | Kind::Disk, _) => Err(is_device(path)),
            (_, Some(Open::Here(0))) => Ok(Self::StandardInput),
            (Kind::File, _) => Ok(Self::File(target.path)),
            (Kind::Pipe | Kind::Terminal | Kind::Null, _) => Ok(Self::Stream(target.path)),
            (Kind::Socket, _) => Err(of_file(path, ErrorKind::Usage, "this is a socket")
                .next_step("let a program read it, and give its output as standard input: … | keyferry … -")),
        }
    }
}

/// Opens what `path` leads to. A pipe with a name waits for whoever writes to it.
///
/// # Errors
/// A sentence on what to do for whatever gives no file: a folder, a missing file, a device that may have no end.
pub fn open(path: &Path) -> Result<Box<dyn Read + Send>> {
    let target = match Source::of(path)? {
        Source::File(target) | Source::Stream(target) => target,
        Source::Folder => return Err(is_folder(path)),
        Source::StandardInput => {
            check_standard_input()?;
            return Ok(Box::new(io::stdin()));
        }
    };
    let file = opened(OpenOptions::new().read(true), &target).map_err(|error| Error::io(path, error))?;
    Ok(Box::new(file))
}

/// Whether it gives its bytes only once, as a pipe does.
///
/// # Errors
/// Those of [`open`].
pub fn is_stream(path: &Path) -> Result<bool> {
    Ok(!matches!(Source::of(path)?, Source::File(_) | Source::Folder))
}

/// The bytes of a file that is not empty; `None` for what has no length.
#[must_use]
pub fn length(path: &Path) -> Option<u64> {
    match Source::of(path) {
        Ok(Source::File(target)) => {
            fs::metadata(target).ok().map(|file| file.len()).filter(|length| *length > 0)
        }
        _ => None,
    }
}

/// Whether a person would have to type what is read from there.
#[must_use]
pub fn is_terminal(path: &Path) -> bool {
    match Source::of(path) {
        Ok(Source::StandardInput) => io::stdin().is_terminal(),
        Ok(Source::Stream(target)) => {
            Target::of(&target, Purpose::Read).is_ok_and(|target| target.kind == Kind::Terminal)
        }
        _ => false,
    }
}

/// A shell can give anything as standard input, also what has no end.
fn check_standard_input() -> Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    let path = Path::new(if cfg!(target_os = "linux") { "/proc/self/fd/0" } else { "/dev/fd/0" });
    match Target::of(path, Purpose::Read).map(|target| target.kind) {
        Ok(Kind::Device | Kind::Disk) => Err(is_device(Path::new(STANDARD_INPUT))),
        Ok(Kind::Folder) => Err(is_folder(Path::new(STANDARD_INPUT))),
        // Where there is no such name nothing can be said; reading will tell.
        _ => Ok(()),
    }
}

/// Names of a folder that an error shows.
const SHOWN: usize = 3;

fn is_folder(path: &Path) -> Error {
    let error = of_file(path, ErrorKind::Usage, "this is a folder where a file is meant");
    let mut names: Vec<_> = fs::read_dir(path)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
        .map(|entry| entry.path().display().to_string())
        .collect();
    names.sort();
    names.truncate(SHOWN);
    let such = if names.is_empty() { String::new() } else { format!(", such as {}", names.join(" or ")) };
    error.next_step(format!(
        "name a file in it{such}; the folder of an embedded environment is written embedded:DIR"
    ))
}

fn is_device(path: &Path) -> Error {
    of_file(path, ErrorKind::Usage, "this is a device, which may have no end")
        .next_step("name a file or a pipe")
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_is_refused_before_it_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |path: &Path| open(path).map(drop).unwrap_err();
        assert!(refused(folder.path()).to_string().contains("this is a folder"));
        fs::write(folder.path().join("people.csv"), "").unwrap();
        assert!(refused(folder.path()).next().unwrap().contains("people.csv"));
        for device in ["/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"] {
            assert!(refused(Path::new(device)).to_string().contains("may have no end"), "{device}");
        }
        assert!(refused(&folder.path().join("people.cvs")).next().unwrap().contains("people.csv"));
        let mut nothing = Vec::new();
        assert_eq!(open(Path::new("/dev/null")).unwrap().read_to_end(&mut nothing).unwrap(), 0);
        assert!(is_stream(Path::new("/dev/null")).unwrap());
        assert!(!is_stream(&folder.path().join("people.csv")).unwrap());
    }
}
