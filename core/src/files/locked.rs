//! What opens files that other programs encrypted: a passphrase, a key file, or both.

use crate::error::{Error, ErrorKind, Place, Result};
use crate::files::source;
use crate::secret::{SecretBytes, SecretString};
use std::ffi::OsString;
use std::io::Read as _;
use std::path::Path;

/// Any file may be a key file, but not one without an end.
const LARGEST: u64 = 256 << 20;
/// What is usual: room for it is made at once, so that nothing is left behind where it grew.
const USUAL: usize = 64 << 10;

/// The content of a key file.
///
/// # Errors
/// [`ErrorKind::Io`] where it does not open, [`ErrorKind::Input`] for one of more than 256 MiB.
pub fn key_file(path: &Path) -> Result<SecretBytes> {
    let bytes = beginning(path, LARGEST + 1)?;
    if bytes.len() as u64 > LARGEST {
        let error = Error::new(ErrorKind::Input, "a key file of more than 256 MiB is none");
        return Err(error.at(Place::File { path: path.to_owned(), at: None }));
    }
    Ok(bytes)
}

/// So many bytes of a file, which may be a secret.
///
/// # Errors
/// [`ErrorKind::Io`] where it does not open or cannot be read.
pub fn beginning(path: &Path, most: u64) -> Result<SecretBytes> {
    let mut bytes = Vec::with_capacity(USUAL + 1);
    let read = source::open(path)?.take(most).read_to_end(&mut bytes);
    let bytes = SecretBytes::new(bytes);
    read.map_err(|error| Error::io(path, error))?;
    Ok(bytes)
}

/// The passphrase that this process brings, for faces whose process is somebody else's: that of `KEYFERRY_FILE_PASSPHRASE`, or
/// the text of the file that `KEYFERRY_FILE_PASSPHRASE_FILE` names, without its last line end; `None` where neither is set.
///
/// # Errors
/// [`ErrorKind::Input`] for what is no text, [`ErrorKind::Io`] for a file that does not open: what was named is meant to be there.
pub fn passphrase_of_process() -> Result<Option<SecretString>> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    passphrase_of(variable("KEYFERRY_FILE_PASSPHRASE"), variable("KEYFERRY_FILE_PASSPHRASE_FILE"))
}

fn passphrase_of(own: Option<OsString>, file: Option<OsString>) -> Result<Option<SecretString>> {
    let no_text = || Error::new(ErrorKind::Input, "the passphrase of files is no text in UTF-8");
    if let Some(own) = own {
        return own.into_string().map(|text| Some(SecretString::new(text))).map_err(|_| no_text());
    }
    let Some(file) = file else { return Ok(None) };
    let bytes = beginning(Path::new(&file), USUAL as u64)?;
    let text = std::str::from_utf8(bytes.expose()).map_err(|_| no_text())?;
    Ok(Some(SecretString::from(text.trim_end_matches(['\r', '\n']))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passphrase_comes_from_a_variable_or_from_the_file_that_another_names() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("phrase");
        std::fs::write(&file, "of the\nfile\r\n").unwrap();
        let of = |own: Option<&str>, file: Option<&Path>| {
            passphrase_of(own.map(OsString::from), file.map(OsString::from))
        };
        assert!(of(None, None).unwrap().is_none());
        assert_eq!(of(Some("own"), Some(&file)).unwrap().unwrap().expose(), "own");
        assert_eq!(of(None, Some(&file)).unwrap().unwrap().expose(), "of the\nfile");
        assert_eq!(of(None, Some(&folder.path().join("absent"))).unwrap_err().kind(), ErrorKind::Io);
    }
}
