//! Who may see what: the roles of users in vaults, and in folders where they differ.

use crate::client::Client;
use crate::engine::audit::lacks;
use crate::engine::environment::{Environment, is_encrypted, paths};
use crate::engine::source::filter::Filter;
use crate::error::Result;
use crate::model::RecordPath;
use futures_util::{StreamExt as _, stream};
use keyferry_api::vault::{Role, VaultUser};
use serde::Serialize;
use std::collections::HashMap;

/// Folders that are asked for at once.
const AT_ONCE: usize = 8;

/// Who may do what in a vault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VaultAccess {
    /// Its name.
    pub vault: String,
    /// Its id.
    pub id: String,
    /// Whether its secrets are encrypted by clients.
    pub encrypted: bool,
    /// Who has a role in it as a whole; `None` where the server does not tell.
    pub users: Option<Vec<Holder>>,
    /// Folders where somebody has another role.
    pub folders: Vec<FolderAccess>,
}

/// Who has another role in a folder than in its vault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FolderAccess {
    /// Its path, from the vault down.
    pub folder: String,
    /// Its id.
    pub id: String,
    /// Whose role differs.
    pub users: Vec<Holder>,
}

/// A user and a role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Holder {
    /// The name to sign in with; the id where no name is known.
    pub user: String,
    /// The id.
    pub id: String,
    /// `none`, `read`, `edit` or `administer`.
    pub role: &'static str,
}

/// The users of an environment by id, as far as it tells.
pub(crate) async fn user_names(client: &Client) -> Result<HashMap<String, String>> {
    match client.users().await {
        Ok(users) => Ok(users.into_iter().map(|user| (user.id, user.username)).collect()),
        Err(error) if lacks(&error) => Ok(HashMap::new()),
        Err(error) => Err(error),
    }
}

/// Asks for the roles in every vault within `inside` that the filter takes, and in their folders. What the
/// server does not tell becomes a note.
pub(crate) async fn of(
    environment: &Environment,
    inside: &RecordPath,
    filter: &Filter,
    notes: &mut Vec<String>,
) -> Result<Vec<VaultAccess>> {
    let client = environment.client();
    let names = user_names(client).await?;
    let holders = |users: Vec<VaultUser>| -> Vec<Holder> {
        let mut holders: Vec<_> = users.into_iter().map(|user| holder(user, &names)).collect();
        holders.sort_by(|one, other| one.user.cmp(&other.user));
        holders
    };
    let mut access = Vec::new();
    let (mut silent_vaults, mut silent_folders) = (0, 0);
    for vault in environment.vaults(inside).await? {
        if !filter.takes_vault(&vault.name) {
            continue;
        }
        let users = match client.vault_users(&vault.id).await {
            Ok(users) => Some(users),
            Err(error) if lacks(&error) => None,
            Err(error) => return Err(error),
        };
        let mut of_vault = VaultAccess {
            encrypted: is_encrypted(&vault),
            vault: vault.name.clone(),
            id: vault.id.clone(),
            users: None,
            folders: Vec::new(),
        };
        let Some(mut users) = users else {
            silent_vaults += 1;
            access.push(of_vault);
            continue;
        };
        // Whoever has a role in a folder alone is named there.
        users.retain(|user| user.role > Role::None);
        of_vault.users = Some(holders(users));
        let folders = client.folders(Some(&vault.id)).await?;
        let paths = paths(&vault, &folders);
        let within =
            |path: &RecordPath| path.folders.starts_with(&inside.folders) && filter.takes_place(path);
        let mut wanted: Vec<_> = paths.iter().filter(|(_, path)| within(path)).collect();
        wanted.sort_by_key(|(_, path)| *path);
        let asked = wanted.into_iter().map(async |(id, path)| (id, path, client.folder_users(id).await));
        let mut answers = stream::iter(asked.collect::<Vec<_>>()).buffered(AT_ONCE);
        while let Some((id, path, users)) = answers.next().await {
            match users {
                Ok(users) if users.is_empty() => {}
                Ok(users) => {
                    let (folder, id) = (path.to_string(), id.clone());
                    of_vault.folders.push(FolderAccess { folder, id, users: holders(users) });
                }
                Err(error) if lacks(&error) => silent_folders += 1,
                Err(error) => return Err(error),
            }
        }
        access.push(of_vault);
    }
    for (count, what) in [(silent_vaults, "vault"), (silent_folders, "folder")] {
        if count > 0 {
            let counted = crate::engine::audit::checks::counted(count, what);
            notes.push(format!("{} does not tell who may see {counted}", environment.label()));
        }
    }
    Ok(access)
}

fn holder(user: VaultUser, names: &HashMap<String, String>) -> Holder {
    let name = names.get(&user.user_id).filter(|name| !name.is_empty()).unwrap_or(&user.user_id).clone();
    let role = match user.role {
        Role::None => "none",
        Role::Read => "read",
        Role::Edit => "edit",
        Role::Administer => "administer",
    };
    Holder { user: name, id: user.user_id, role }
}
