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
    // A link would be replaced rather than what it leads to.
    if let Ok(there) = std::fs::metadata(path)
        && !there.is_file()
    {
        return OpenOptions::new()
            .write(true)
            .open(path)
            .and_then(|mut to| to.write_all(content))
            .map_err(failed);
    }
    written(path, content)?.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
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
