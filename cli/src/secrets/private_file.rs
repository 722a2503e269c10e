//! Files that hold secrets in the clear: readable by this user alone from their first byte on, and under their name
//! only when whole.

use keyferry_core::{Error, Result};
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use tempfile::NamedTempFile;

/// Writes a file whole, in place of one of the same name. What is no file, such as a pipe, is written to.
pub fn write(path: &Path, content: &[u8]) -> Result<()> {
    let failed = |error| Error::io(path, error);
    if is_open_already(path) || std::fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        return OpenOptions::new()
            .write(true)
            .open(path)
            .and_then(|mut to| to.write_all(content))
            .map_err(failed);
    }
    // What a link leads to is replaced, rather than the link.
    let path = &std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    written(path, content)?.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

/// Whether it is a name of something open, such as `/dev/stdout`, also by way of a link: that is no file to replace,
/// even where it leads to one.
fn is_open_already(path: &Path) -> bool {
    let open = ["/dev/fd", "/dev/stdout", "/dev/stderr", "/proc"];
    let inside = |path: &Path| open.iter().any(|place| path.starts_with(place));
    cfg!(unix) && (inside(path) || std::fs::read_link(path).is_ok_and(|to| inside(&to)))
}

/// Writes a new file whole; what has this name already stays as it is.
pub fn create(path: &Path, content: &[u8]) -> Result<()> {
    written(path, content)?.persist_noclobber(path).map_err(|error| {
        let there = error.error.kind() == ErrorKind::AlreadyExists;
        let failed = Error::io(path, error.error);
        if there { failed.next_step("it is there already: name a new file") } else { failed }
    })?;
    Ok(())
}

/// The folder that a file stands in.
pub fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The content on the disk, without its name yet.
fn written(path: &Path, content: &[u8]) -> Result<NamedTempFile> {
    let write = || {
        let mut file = NamedTempFile::new_in(folder(path))?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        Ok(file)
    };
    write().map_err(|error| Error::io(path, error))
}
