//! Files that hold secrets in the clear: readable by this user alone from their first byte on, and under their name
//! only when whole.

use keyferry_core::{Error, Result};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

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
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    file.write_all(content).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}
