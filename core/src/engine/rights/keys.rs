//! Copies of vault keys for those who have a right and none: who joined a group, or was given a right by somebody who does
//! not hold the key, sees nothing of an encrypted vault before.

use crate::engine::environment::Environment;
use crate::engine::recipients::{Recipient, agree, recipient};
use crate::engine::report::progress::Progress;
use crate::error::{ErrorKind, Result};
use keyferry_api::vault::WithoutKey;
use serde::Serialize;
use std::collections::BTreeMap;

/// What was given, and to whom nothing could be.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct KeysGiven {
    /// Who got a copy of which vault's key.
    pub given: Vec<KeyGiven>,
    /// Who did not, and why.
    pub left: Vec<KeyLeft>,
}

/// A copy of a vault's key.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct KeyGiven {
    /// The vault's name.
    pub vault: String,
    /// What the user signs in with.
    pub user: String,
    /// `SHA-256(SubjectPublicKeyInfo)` of the public key that it was wrapped for, in hexadecimal.
    pub fingerprint: String,
}

/// Somebody who has no copy still.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct KeyLeft {
    /// The vault's name.
    pub vault: String,
    /// What the user signs in with.
    pub user: String,
    /// The reason.
    pub why: String,
}

/// Gives them out in every vault that the user administers, or in one. Says for whom before anything leaves, and asks where a
/// key was never seen.
///
/// # Errors
/// [`ErrorKind::Locked`] without a key; [`ErrorKind::NotAllowed`] where somebody's key is another than before, or was never
/// seen and nobody says yes.
pub async fn give_missing(
    environment: &Environment,
    vault: Option<&str>,
    trust: bool,
    progress: &dyn Progress,
) -> Result<KeysGiven> {
    environment.unlocked()?;
    let client = environment.client();
    let mut outcome = KeysGiven::default();
    let mut wanted = Vec::new();
    let mut recipients: BTreeMap<String, Recipient> = BTreeMap::new();
    for one in client.vaults().await? {
        if vault.is_some_and(|name| *name != one.name) {
            continue;
        }
        let lacking = match client.users_without_key(&one.id).await {
            Ok(lacking) => lacking,
            // Somebody else's vault, or a server that has no such call.
            Err(error) if matches!(error.kind(), ErrorKind::NotAllowed | ErrorKind::NotFound) => continue,
            Err(error) => return Err(error),
        };
        let key = match environment.unpinned_vault_key(&one) {
            Ok(Some(key)) => {
                environment.vault_agrees(&one.id, Some(&key))?;
                key
            }
            Ok(None) => continue,
            // One vault whose key nobody can use here keeps no other waiting.
            Err(error) if error.kind() == ErrorKind::Decrypt => {
                let why = error.what().to_owned();
                outcome.left.push(KeyLeft { vault: one.name.clone(), user: "everybody".to_owned(), why });
                continue;
            }
            Err(error) => return Err(error),
        };
        let mut users = Vec::new();
        for user in lacking {
            match found(&user) {
                Ok(other) => {
                    recipients.insert(user.user_id.clone(), other);
                    users.push(user);
                }
                Err(why) => outcome.left.push(KeyLeft { vault: one.name.clone(), user: user.login, why }),
            }
        }
        wanted.push((one, key, users));
    }
    agree(environment, progress, trust, "the keys of vaults", "", recipients.values())?;
    for (vault, key, users) in wanted {
        let mut keys = BTreeMap::new();
        for user in &users {
            if let Some((_, public)) = recipients.get(&user.user_id) {
                keys.insert(user.user_id.clone(), public.strong()?.wrap(&key)?);
            }
        }
        if keys.is_empty() {
            continue;
        }
        client.give_keys(&vault.id, keys).await?;
        outcome.given.extend(users.into_iter().filter_map(|user| {
            let fingerprint = recipients.get(&user.user_id)?.0.fingerprint.clone();
            Some(KeyGiven { vault: vault.name.clone(), user: user.login, fingerprint })
        }));
    }
    Ok(outcome)
}

fn found(user: &WithoutKey) -> std::result::Result<Recipient, String> {
    let Some(pem) = user.public_key.as_deref().filter(|pem| !pem.is_empty()) else {
        return Err("the user has no keys".to_owned());
    };
    recipient(user.user_id.clone(), Some(user.login.clone()), pem).map_err(|error| error.what().to_owned())
}
