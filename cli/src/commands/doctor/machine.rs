//! Config, journal, keyring, link.

use crate::commands::doctor::Findings;
use crate::config::Config;
use crate::credentials::{Keyring, process};
use crate::journal::Jobs;
use keyferry_core::engine::journal::is_address;
use std::path::Path;

/// The config's file, and who else can read and change it.
pub fn config(config: &Config, findings: &mut Findings) {
    let path = config.path();
    if !path.exists() {
        let found = format!("{} is not there: no environment has a name", path.display());
        findings.warn("config", "file", found, "keyferry env add NAME https://passwork.example.com");
        return;
    }
    let count = config.environments.len();
    let found = format!("{}: {count} environment{}", path.display(), if count == 1 { "" } else { "s" });
    match others(path) {
        Others::Write => findings.fail(
            "config",
            "file",
            format!("{found}; other users can change where secrets go"),
            format!("chmod 600 {}", path.display()),
        ),
        Others::Read => findings.warn(
            "config",
            "file",
            format!("{found}; other users can read it"),
            format!("chmod 600 {}", path.display()),
        ),
        Others::Nothing => findings.ok("config", "file", found),
    }
}

/// What other users of this machine may do with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    Nothing,
    Read,
    Write,
}

/// Looks at the mode; elsewhere than on Unix a user's own folders keep others out.
pub fn others(path: &Path) -> Others {
    #[cfg(unix)]
    if let Ok(metadata) = std::fs::metadata(path) {
        let mode = std::os::unix::fs::MetadataExt::mode(&metadata);
        if mode & 0o022 != 0 {
            return Others::Write;
        }
        if mode & 0o044 != 0 {
            return Others::Read;
        }
    }
    #[cfg(not(unix))]
    let _ = path;
    Others::Nothing
}

/// Jobs that wait to be resumed.
pub fn journal(jobs: &Jobs, findings: &mut Findings) {
    let path = match jobs.path() {
        Ok(path) => path,
        Err(error) => return findings.failed("journal", "file", &error),
    };
    if is_address(&path).is_none() && !path.exists() {
        return findings.ok("journal", "file", format!("{} is not there yet", path.display()));
    }
    let listed = jobs.journal().and_then(|journal| journal.jobs());
    let listed = match listed {
        Ok(listed) => listed,
        Err(error) => return findings.failed("journal", "file", &error),
    };
    let waiting: Vec<_> =
        listed.iter().filter(|job| job.state.can_be_resumed()).map(|job| job.id.to_string()).collect();
    let found = format!("{}: {} jobs", path.display(), listed.len());
    match waiting.first() {
        None => findings.ok("journal", "jobs", found),
        Some(first) => findings.warn(
            "journal",
            "jobs",
            format!("{found}; not at their end: {}", waiting.join(", ")),
            format!("keyferry jobs shows them; keyferry resume {first} goes on, keyferry undo {first} takes it back"),
        ),
    }
}

/// Whether sessions can be kept in a keyring.
pub fn keyring(findings: &mut Findings) {
    let off = process("KEYFERRY_KEYRING").as_deref() == Some("off");
    let found = match (Keyring::at_hand(), off) {
        (Some(_), _) => "it answers: sessions are kept in it",
        (None, true) => "left alone, as KEYFERRY_KEYRING says: sessions are kept in encrypted files",
        (None, false) => "there is none: sessions are kept in encrypted files",
    };
    findings.ok("keyring", "service", found);
}

/// What `passwork-cli` runs here.
pub fn link(findings: &mut Findings) {
    let Some(path) = std::env::var_os("PATH").and_then(|folders| {
        let name = format!("passwork-cli{}", std::env::consts::EXE_SUFFIX);
        std::env::split_paths(&folders).map(|folder| folder.join(&name)).find(|path| path.is_file())
    }) else {
        return findings.ok("passwork-cli", "link", "there is none on the path");
    };
    let ours = std::env::current_exe().and_then(std::fs::canonicalize).ok();
    let found = if ours.is_some() && std::fs::canonicalize(&path).ok() == ours {
        format!("{} is this keyferry", path.display())
    } else {
        format!("{} is another program: the official client, or another keyferry", path.display())
    };
    findings.ok("passwork-cli", "link", found);
}
