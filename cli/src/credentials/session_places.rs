//! Where an environment's session may be kept, in order: a file that a variable names, the keyring, the file in
//! the platform's state folder.

use crate::credentials::keyring::Keyring;
use crate::credentials::session::{SessionPlace, StoredSession, account, default_file, key_account};
use crate::credentials::{Asked, Lookup, command, prefixes, secret};
use crate::exit::usage;
use keyferry_core::Result;
use keyferry_core::crypto::session_file::{self, Content};
use keyferry_core::secret::SecretString;
use std::path::{Path, PathBuf};

/// A file that a variable names.
struct Named {
    path: PathBuf,
    variable: String,
    /// The variable is this environment's own. What a general one names counts only where the file says that it
    /// is for this environment.
    own: bool,
}

fn named_files(asked: &Asked<'_>, lookup: Lookup<'_>) -> Vec<Named> {
    let own = prefixes(asked.name, asked.side);
    let general = (!own.iter().any(|prefix| prefix == "KEYFERRY")).then(|| ("KEYFERRY".to_owned(), false));
    let all = own.into_iter().map(|prefix| (prefix, true)).chain(general);
    all.filter_map(|(prefix, own)| {
        let variable = format!("{prefix}_SESSION_FILE");
        lookup(&variable).map(|path| Named { path: path.into(), variable, own })
    })
    .collect()
}

/// The session that is kept for an environment. Why one that is there was passed over goes into `hints`.
pub fn find(
    asked: &Asked<'_>,
    lookup: Lookup<'_>,
    hints: &mut Vec<String>,
) -> Result<Option<(StoredSession, Content)>> {
    for named in named_files(asked, lookup) {
        if !named.path.exists() {
            hints.push(format!(
                "{} names {}, which is not there: keyferry login {}",
                named.variable,
                named.path.display(),
                asked.label
            ));
        } else if let Some(found) = in_file(asked, &named.path, named.own, lookup, hints)? {
            return Ok(Some(found));
        }
    }
    if let Some(keyring) = Keyring::at_hand() {
        let kept = asked.kept(SessionPlace::Keyring(keyring, account(asked.name, asked.location)));
        if let Some(found) = loaded(kept, true, asked, hints)? {
            return Ok(Some(found));
        }
    }
    let path = default_file(asked.name, asked.location)?;
    if path.exists() { in_file(asked, &path, true, lookup, hints) } else { Ok(None) }
}

fn in_file(
    asked: &Asked<'_>,
    path: &Path,
    own: bool,
    lookup: Lookup<'_>,
    hints: &mut Vec<String>,
) -> Result<Option<(StoredSession, Content)>> {
    let Some(key) = key(asked, path, lookup)? else {
        hints.push(format!("session file {} is there: set KEYFERRY_SESSION_KEY to open it", path.display()));
        return Ok(None);
    };
    loaded(asked.kept(SessionPlace::File(path.to_owned(), key)), own, asked, hints)
}

fn loaded(
    kept: StoredSession,
    own: bool,
    asked: &Asked<'_>,
    hints: &mut Vec<String>,
) -> Result<Option<(StoredSession, Content)>> {
    let Some(content) = kept.load()? else { return Ok(None) };
    match &content.location {
        Some(location) if location == asked.location => Ok(Some((kept, content))),
        // As the official client writes it: it is believed where the user named it for this environment.
        None if own => Ok(Some((kept, content))),
        Some(location) => {
            hints.push(format!("{} is of {location}: keyferry login {}", kept.place(), asked.label));
            Ok(None)
        }
        None => {
            hints.push(format!(
                "{} does not say which environment it is of: name it in {}_SESSION_FILE",
                kept.place(),
                prefixes(asked.name, asked.side)[0]
            ));
            Ok(None)
        }
    }
}

/// A session file's key: a variable, the config's command, the keyring.
fn key(asked: &Asked<'_>, file: &Path, lookup: Lookup<'_>) -> Result<Option<SecretString>> {
    let own = prefixes(asked.name, asked.side);
    for prefix in own.iter().map(String::as_str).chain(["KEYFERRY"]) {
        if let Some(key) = secret(prefix, "SESSION_KEY", lookup)? {
            return Ok(Some(key));
        }
    }
    if let Some(words) = asked.configured.and_then(|configured| configured.session_key_command.as_deref()) {
        return command::secret("session_key_command", words).map(Some);
    }
    Keyring::at_hand().map_or(Ok(None), |keyring| keyring.get(&key_account(file)))
}

/// Where a login is to be kept.
pub struct Chosen {
    /// The place.
    pub kept: StoredSession,
    /// The key of its file, where it is new and nobody but the user can keep it.
    pub new_key: Option<SecretString>,
}

/// Chooses where a login is kept: the file that was typed or that a variable names, the keyring, a file in the
/// state folder. `shows` says whether a new key can be shown to the user.
///
/// # Errors
/// Where a new key would be lost, or the place cannot be written.
pub fn choose(asked: &Asked<'_>, typed: Option<&Path>, shows: bool, lookup: Lookup<'_>) -> Result<Chosen> {
    let own = named_files(asked, lookup).into_iter().find(|named| named.own).map(|named| named.path);
    let keyring = Keyring::at_hand();
    let file = match (typed.map(Path::to_owned).or(own), keyring) {
        (Some(file), _) => file,
        (None, Some(keyring)) => {
            let kept = asked.kept(SessionPlace::Keyring(keyring, account(asked.name, asked.location)));
            kept.check()?;
            return Ok(Chosen { kept, new_key: None });
        }
        (None, None) => default_file(asked.name, asked.location)?,
    };
    let known = key(asked, &file, lookup)?;
    let is_new = known.is_none();
    if is_new && keyring.is_none() && !shows {
        return Err(usage(
            "there is no keyring for the session file's key, and no terminal to show it on",
            "set KEYFERRY_SESSION_KEY to a long random text (keyferry generate --token 32), or add --json to be given one",
        ));
    }
    let key = known.map_or_else(session_file::new_key, Ok)?;
    let kept = asked.kept(SessionPlace::File(file.clone(), key.clone()));
    kept.check()?;
    let new_key = match keyring {
        Some(keyring) if is_new => {
            keyring.set(&key_account(&file), &key)?;
            None
        }
        _ => is_new.then_some(key),
    };
    Ok(Chosen { kept, new_key })
}

/// The session to end: in the file that was typed, or where it is found.
pub fn to_end(
    asked: &Asked<'_>,
    typed: Option<&Path>,
    lookup: Lookup<'_>,
    hints: &mut Vec<String>,
) -> Result<Option<(StoredSession, Content)>> {
    match typed {
        Some(path) if path.exists() => in_file(asked, path, true, lookup, hints),
        Some(_) => Ok(None),
        None => find(asked, lookup, hints),
    }
}

/// Forgets a session and the key of its file.
pub fn forget(kept: &StoredSession) -> Result<()> {
    kept.remove()?;
    match (&kept.shelf, Keyring::at_hand()) {
        (SessionPlace::File(path, _), Some(keyring)) => keyring.remove(&key_account(path)),
        _ => Ok(()),
    }
}
