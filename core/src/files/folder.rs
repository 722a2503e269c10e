//! A folder as a source: the files in it and below it, each of which is read by itself.
//!
//! What a program keeps beside its files is passed over: `.git`, the marks of stores and of file managers. Links are not
//! followed: they may lead out of the folder, or in a circle. A folder with `.gpg-id` or `.age-recipients` is a store of pass or gopass: there
//! a file that ends in `.gpg` or `.age` is an entry, whatever it is called.

use crate::error::{Error, ErrorKind, Place, Result};
use crate::secret::SecretBytes;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use zeroize::Zeroizing;

/// Folders in folders beyond this are no one's tree.
const DEEPEST: usize = 128;
/// More files are no folder of secrets.
const MOST_FILES: usize = 1_000_000;
/// An entry of a store; attachments in an environment have five megabytes.
const LARGEST_ENTRY: usize = 64 << 20;
/// All files of a vault, which are held at once.
const LARGEST_VAULT: u64 = 1 << 30;

/// Names that hold nothing of the user's.
const PASSED_OVER: &[&str] = &[
    ".git",
    ".gitattributes",
    ".gitignore",
    ".gpg-id",
    ".gpg-id.sig",
    ".age-recipients",
    ".age-identities",
    ".gopass",
    ".public-keys",
    ".extensions",
    ".DS_Store",
    "__MACOSX",
    "Thumbs.db",
    "desktop.ini",
];
/// What says that a folder is a store.
const STORE: [&str; 2] = [".gpg-id", ".age-recipients"];

/// What says that a folder is a vault of 1Password, and what it begins with.
const PROFILE: &str = "profile.js";
const PROFILE_BEGINS: &[u8] = b"var profile";

/// A file of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Where it is.
    pub path: PathBuf,
    /// The folders between it and the one that was named, from the outer one on.
    pub below: Vec<String>,
    /// How it is read.
    pub kind: Kind,
}

/// How a file of a folder is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// As if it had been named.
    File,
    /// An entry of a store that `gpg` opens.
    Gpg,
    /// An entry of a store that is sealed with age.
    Age,
    /// A folder that is one vault of 1Password (`.opvault`): its files, as one archive.
    Vault,
}

/// The files of a folder, and how many links were not followed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    /// By their paths.
    pub files: Vec<Member>,
    /// Links that were passed over.
    pub links: u64,
}

/// Whether a path leads to a folder that is no environment.
#[must_use]
pub fn is_folder(path: &Path) -> bool {
    path.is_dir() && !path.join("environment.db").exists()
}

/// Whether a path leads to what a program keeps for itself.
#[must_use]
pub fn is_passed_over(path: &str) -> bool {
    path.split('/').any(|name| PASSED_OVER.contains(&name))
}

/// The files in a folder and below it, by their names.
///
/// # Errors
/// [`ErrorKind::Io`] where a folder cannot be read; [`ErrorKind::Input`] for one that is nested more than 128 deep, holds more than
/// a million files, or has a name that is no text.
pub fn members(folder: &Path) -> Result<Members> {
    let mut found = Members::default();
    walk(folder, &mut Vec::new(), false, &mut found)?;
    Ok(found)
}

fn walk(folder: &Path, below: &mut Vec<String>, in_store: bool, found: &mut Members) -> Result<()> {
    let failed = |error| Error::io(folder, error);
    let refused = |what: &str| {
        Error::new(ErrorKind::Input, what.to_owned()).at(Place::File { path: folder.to_owned(), at: None })
    };
    if below.len() > DEEPEST {
        return Err(refused("folders are nested more than 128 deep"));
    }
    if is_vault(folder) {
        // Its own folders are none of the user's.
        let own = |name: &String| name == "default" || name.ends_with(".opvault");
        let kept = below.len() - below.iter().rev().take(2).take_while(|name| own(name)).count();
        let below = below.iter().take(kept).cloned().collect();
        found.files.push(Member { path: folder.to_owned(), below, kind: Kind::Vault });
        return Ok(());
    }
    let in_store = in_store || STORE.iter().any(|name| folder.join(name).exists());
    let mut entries =
        fs::read_dir(folder).map_err(failed)?.collect::<io::Result<Vec<_>>>().map_err(failed)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().into_string().map_err(|_| refused("a name in it is no text"))?;
        if PASSED_OVER.contains(&name.as_str()) {
            continue;
        }
        let (path, kind) = (entry.path(), entry.file_type().map_err(failed)?);
        if kind.is_dir() {
            below.push(name);
            walk(&path, below, in_store, found)?;
            below.pop();
        } else if kind.is_file() {
            if found.files.len() == MOST_FILES {
                return Err(refused("there are more than a million files in it"));
            }
            let kind = match name.rsplit_once('.') {
                Some((_, "gpg")) if in_store => Kind::Gpg,
                Some((_, "age")) if in_store => Kind::Age,
                _ => Kind::File,
            };
            found.files.push(Member { path, below: below.clone(), kind });
        } else {
            found.links += 1;
        }
    }
    Ok(())
}

/// What `gpg` makes of a file: its own keyring, agent and dialogue, and nothing of it on the disk.
///
/// # Errors
/// [`ErrorKind::NotFound`] where there is no such program; [`ErrorKind::Decrypt`] with its own words where it does not open the
/// file; [`ErrorKind::Input`] for more than 64 MiB.
pub fn by_gpg(path: &Path) -> Result<SecretBytes> {
    let at = || Place::File { path: path.to_owned(), at: None };
    let mut child = Command::new("gpg")
        .args(["--batch", "--quiet", "--decrypt", "--"])
        .arg(path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| {
            Error::new(ErrorKind::NotFound, "gpg cannot be started").at(at()).because(error).next_step(
                "install GnuPG, or decrypt the store first and name that folder with --format pass",
            )
        })?;
    let content = child.stdout.take().map(|out| whole(out, LARGEST_ENTRY)).transpose();
    let mut said = String::new();
    if let Some(mut err) = child.stderr.take() {
        let _ = err.by_ref().take(1 << 16).read_to_string(&mut said);
    }
    // It ends by itself once nobody reads what it writes.
    let ended = child.wait().map_err(|error| Error::io(path, error))?;
    let content = content.map_err(|error| Error::io(path, error))?.flatten();
    if !ended.success() {
        let why = said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("it said nothing");
        return Err(Error::new(ErrorKind::Decrypt, format!("gpg does not open it: {why}")).at(at()));
    }
    content.ok_or_else(|| Error::new(ErrorKind::Input, "the entry has more than 64 MiB").at(at()))
}

/// Whether a folder is a vault: others have files of that name too.
fn is_vault(folder: &Path) -> bool {
    let mut start = Vec::with_capacity(PROFILE_BEGINS.len());
    fs::File::open(folder.join(PROFILE))
        .and_then(|file| file.take(PROFILE_BEGINS.len() as u64).read_to_end(&mut start))
        .is_ok_and(|_| start == PROFILE_BEGINS)
}

/// A vault that is a folder, as one zip archive: what is in it is sealed, and stays so.
///
/// # Errors
/// [`ErrorKind::Io`] where a file of it cannot be read; [`ErrorKind::Input`] where it has more than 1 GiB.
pub fn vault(folder: &Path) -> Result<Vec<u8>> {
    let failed = |error| Error::io(folder, error);
    let (mut files, mut size) = (Vec::new(), 0_u64);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        // Links are not followed here either.
        if !entry.file_type().map_err(failed)?.is_file() {
            continue;
        }
        let Ok(name) = entry.file_name().into_string() else { continue };
        size += entry.metadata().map_err(failed)?.len();
        if size > LARGEST_VAULT {
            return Err(Error::new(ErrorKind::Input, "the vault has more than 1 GiB")
                .at(Place::File { path: folder.to_owned(), at: None }));
        }
        files.push((name, fs::read(entry.path()).map_err(|error| Error::io(entry.path(), error))?));
    }
    files.sort();
    crate::formats::zip_of(&files)
}

/// All that is read, up to so many bytes; `None` for more. What grows is wiped where it stood.
fn whole(mut from: impl Read, most: usize) -> io::Result<Option<SecretBytes>> {
    let mut all = Zeroizing::new(Vec::with_capacity(64 << 10));
    let mut chunk = Zeroizing::new(vec![0; 64 << 10]);
    loop {
        let count = match from.read(&mut chunk) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        if count == 0 {
            return Ok(Some(SecretBytes::new(std::mem::take(&mut *all))));
        }
        if all.len() + count > most {
            return Ok(None);
        }
        if all.capacity() - all.len() < count {
            let mut larger = Zeroizing::new(Vec::with_capacity(2 * all.capacity()));
            larger.extend_from_slice(&all);
            all = larger;
        }
        all.extend_from_slice(&chunk[..count]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_by_name_and_links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        };
        for name in
            ["b/c.env", "a.csv", ".git/config", ".DS_Store", "store/.gpg-id", "store/mail/me.gpg", "x.gpg"]
        {
            write(name);
        }
        #[cfg(unix)]
        std::os::unix::fs::symlink("/", folder.path().join("all")).unwrap();
        let found = members(folder.path()).unwrap();
        let shown: Vec<_> = found
            .files
            .iter()
            .map(|one| (one.path.file_name().unwrap().to_str().unwrap(), one.below.join("/"), one.kind))
            .collect();
        assert_eq!(
            shown,
            [
                ("a.csv", String::new(), Kind::File),
                ("c.env", "b".to_owned(), Kind::File),
                ("me.gpg", "store/mail".to_owned(), Kind::Gpg),
                ("x.gpg", String::new(), Kind::File),
            ]
        );
        assert_eq!(found.links, u64::from(cfg!(unix)));
    }

    #[test]
    fn a_vault_of_1password_is_one_file_whose_own_folders_are_no_place() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("team/Home.opvault/default");
        fs::create_dir_all(&inside).unwrap();
        fs::write(inside.join("profile.js"), "var profile={};").unwrap();
        fs::write(inside.join("band_0.js"), "ld({});").unwrap();
        for (named, below) in [("", vec!["team".to_owned()]), ("team/Home.opvault", Vec::new())] {
            let found = members(&folder.path().join(named)).unwrap().files;
            assert_eq!(found, [Member { path: inside.clone(), below, kind: Kind::Vault }], "{named}");
        }
        // A file of that name alone makes no vault.
        fs::write(folder.path().join("team/profile.js"), "export default {}").unwrap();
        let found = members(folder.path()).unwrap().files;
        assert_eq!(found.iter().filter(|member| member.kind == Kind::File).count(), 1);
        let bytes = vault(&inside).unwrap();
        assert_eq!(crate::formats::detect::detect(&bytes, None).unwrap().name(), "opvault");
    }

    #[test]
    fn what_is_read_whole_has_an_end() {
        assert_eq!(whole(&b"abc"[..], 3).unwrap().unwrap().expose(), b"abc");
        assert!(whole(&b"abcd"[..], 3).unwrap().is_none());
        let long = vec![7; 1 << 20];
        assert_eq!(whole(&*long, 1 << 20).unwrap().unwrap().expose(), long);
    }
}
