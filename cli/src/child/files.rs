//! Secrets as files in a private folder, for programs that read them from a path. Gone when dropped.

use keyferry_core::secret::SecretString;
use keyferry_core::{Error, Result};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A folder that its owner alone can look into.
pub struct SecretFiles {
    folder: TempDir,
    /// Whether the files stand on a disk, rather than in memory.
    pub on_disk: bool,
}

impl SecretFiles {
    /// An empty folder: in memory where the system has a place for that.
    pub fn new() -> Result<Self> {
        let in_memory = [std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from), Some("/dev/shm".into())];
        for place in in_memory.into_iter().flatten().filter(|place| is_in_memory(place)) {
            if let Ok(folder) = private(&place) {
                return Ok(Self { folder, on_disk: false });
            }
        }
        let place = std::env::temp_dir();
        let folder = private(&place).map_err(|error| Error::io(place, error))?;
        Ok(Self { folder, on_disk: true })
    }

    /// Where the files are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Puts a secret into a file; its path.
    pub fn file(&self, name: &str, secret: &SecretString) -> Result<PathBuf> {
        let path = self.folder().join(name);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let write = |path: &Path| options.open(path)?.write_all(secret.expose().as_bytes());
        write(&path).map_err(|error| Error::io(&path, error))?;
        Ok(path)
    }

    /// Makes a FIFO from which the secret can be read once; its path.
    #[cfg(unix)]
    pub fn fifo(&self, name: &str, secret: &SecretString) -> Result<PathBuf> {
        use rustix::fs::{CWD, FileType, Mode};
        let path = self.folder().join(name);
        rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
            .map_err(|error| Error::io(&path, error.into()))?;
        let (at, secret) = (path.clone(), secret.clone());
        // It waits for a reader, and ends with this process where none comes.
        std::thread::spawn(move || {
            let Ok(mut fifo) = OpenOptions::new().write(true).open(&at) else { return };
            // A second reader would wait for ever, or share the secret with the first.
            let _ = fs::remove_file(&at);
            // A reader that goes away has seen enough.
            let _ = fifo.write_all(secret.expose().as_bytes());
        });
        Ok(path)
    }

    /// There are no FIFOs here.
    #[cfg(not(unix))]
    pub fn fifo(&self, _name: &str, _secret: &SecretString) -> Result<PathBuf> {
        Err(crate::exit::usage("this system has no FIFOs", "use --file NAME=REFERENCE"))
    }

    /// Removes the folder and all that is in it.
    pub fn remove(self) -> Result<()> {
        let path = self.folder().to_owned();
        self.folder
            .close()
            .map_err(|error| Error::io(path, error).next_step("remove it by hand: it may hold secrets"))
    }
}

/// Whether what is written there stays in memory, as far as the system tells.
#[cfg(target_os = "linux")]
fn is_in_memory(place: &Path) -> bool {
    // Linux's `TMPFS_MAGIC` and `RAMFS_MAGIC`.
    let kind = rustix::fs::statfs(place).map(|found| found.f_type);
    place.is_absolute() && matches!(kind, Ok(0x0102_1994 | 0x8584_58f6))
}

/// Whether what is written there stays in memory, as far as the system tells.
#[cfg(not(target_os = "linux"))]
fn is_in_memory(_: &Path) -> bool {
    false
}

fn private(place: &Path) -> std::io::Result<TempDir> {
    let mut folder = tempfile::Builder::new();
    folder.prefix("keyferry-");
    #[cfg(unix)]
    folder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    folder.tempdir_in(place)
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn files_are_private_and_go_with_their_folder() {
        let files = SecretFiles::new().unwrap();
        let path = files.file("KEY", &"planted".into()).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"planted");
        assert_eq!((mode(&path), mode(files.folder())), (0o600, 0o700));
        assert!(files.file("KEY", &"again".into()).is_err());
        let folder = files.folder().to_owned();
        files.remove().unwrap();
        assert!(!folder.exists());
    }

    #[test]
    fn a_fifo_gives_its_secret_once() {
        let files = SecretFiles::new().unwrap();
        let long = "planted ".repeat(20_000);
        let path = files.fifo("KEY", &long.as_str().into()).unwrap();
        assert_eq!(mode(&path), 0o600);
        assert_eq!(fs::read_to_string(&path).unwrap(), long);
        assert!(!path.exists());
    }
}
