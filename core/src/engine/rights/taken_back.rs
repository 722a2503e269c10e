//! Unmakes the groups, memberships, roles and shortcuts of a job, as far as they are as it left them.

use crate::client::Client;
use crate::engine::journal::{GrantKind, GrantMade, Job};
use crate::engine::rights::held::{Asked, Holder};
use crate::error::{ErrorKind, Result};
use keyferry_api::vault::{GroupRight, Role, VaultUser};
use std::collections::BTreeMap;

/// What came of it.
#[derive(Default)]
pub(crate) struct TakenBack {
    /// How many were unmade.
    pub unmade: u64,
    /// Those that stay, and why.
    pub notes: Vec<String>,
    /// Those that the environment said it unmade, and shows as they were.
    pub still_there: Vec<String>,
}

/// Unmakes them, the newest first. What is gone already is no matter.
pub(crate) async fn all(job: &Job, client: &Client) -> Result<TakenBack> {
    let mut taken = TakenBack::default();
    let grants = tokio::task::block_in_place(|| job.grants())?;
    let mut unmade = Vec::new();
    for one in &grants {
        match unmake(client, one).await {
            Ok(Unmade::Yes) => unmade.push(one),
            Ok(Unmade::Gone) => {}
            Ok(Unmade::Stays(why)) => taken.notes.push(why),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::Conflict | ErrorKind::NotAllowed | ErrorKind::Refused
                ) =>
            {
                taken.notes.push(format!("{} stays: {}", told(one), error.what()));
            }
            Err(error) => return Err(error),
        }
    }
    taken.unmade = unmade.len() as u64;
    taken.still_there = still_there(client, unmade).await?;
    taken.unmade -= taken.still_there.len() as u64;
    Ok(taken)
}

/// Which of these stand as they were, by what the environment shows now.
async fn still_there(client: &Client, unmade: Vec<&GrantMade>) -> Result<Vec<String>> {
    let any = |kinds: &[GrantKind]| unmade.iter().any(|one| kinds.contains(&one.kind));
    let (mut groups, mut shortcuts) = (Vec::new(), Vec::new());
    if any(&[GrantKind::Group, GrantKind::Member]) {
        groups = client.groups().await?;
    }
    if any(&[GrantKind::Shortcut]) {
        shortcuts = client.shortcuts().await?;
    }
    let mut there = Vec::new();
    for one in unmade {
        let stands = match one.kind {
            GrantKind::Shortcut => {
                shortcuts.iter().any(|found| Some(&found.shortcut.id) == one.made.as_ref())
            }
            GrantKind::Group => groups.iter().any(|group| Some(&group.id) == one.made.as_ref()),
            GrantKind::Member => {
                groups.iter().any(|group| group.id == one.target && group.user_ids.contains(&one.holder))
            }
            _ => match held(client, one).await {
                Ok(role) => role.is_some_and(|role| role.word() == one.role),
                Err(error) if error.kind() == ErrorKind::NotFound => false,
                Err(error) => return Err(error),
            },
        };
        if stands {
            there.push(told(one));
        }
    }
    Ok(there)
}

/// The role that somebody has now in a vault or folder.
async fn held(client: &Client, one: &GrantMade) -> Result<Option<Role>> {
    let in_vault = matches!(one.kind, GrantKind::VaultUser | GrantKind::VaultGroup);
    let asked = if in_vault {
        Asked::vault(client, &one.target).await?
    } else {
        Asked::folder(client, &one.target).await?
    };
    let is_user = matches!(one.kind, GrantKind::VaultUser | GrantKind::FolderUser);
    let holder = if is_user { Holder::User(one.holder.clone()) } else { Holder::Group(one.holder.clone()) };
    Ok(asked.holders().find(|(other, _)| *other == holder).map(|(_, role)| role))
}

enum Unmade {
    Yes,
    Gone,
    Stays(String),
}

/// One of them, for messages.
fn told(one: &GrantMade) -> String {
    match one.kind {
        GrantKind::Group => format!("group {}", one.holder),
        GrantKind::Member => format!("user {} in group {}", one.holder, one.target),
        GrantKind::Shortcut => format!("the shortcut to record {} in {}", one.holder, one.target),
        GrantKind::VaultUser | GrantKind::FolderUser => {
            format!("{} for user {} in {}", one.role, one.holder, one.target)
        }
        GrantKind::VaultGroup | GrantKind::FolderGroup => {
            format!("{} for group {} in {}", one.role, one.holder, one.target)
        }
    }
}

async fn unmake(client: &Client, one: &GrantMade) -> Result<Unmade> {
    match one.kind {
        GrantKind::Shortcut => match &one.made {
            Some(id) => client.delete_shortcut(id).await.map(|()| Unmade::Yes),
            None => Ok(Unmade::Stays(format!("{} may be there: its answer never came", told(one)))),
        },
        GrantKind::Member => {
            client.remove_from_group(&one.target, vec![one.holder.clone()]).await.map(|()| Unmade::Yes)
        }
        GrantKind::Group => remove_group(client, one).await,
        GrantKind::VaultUser | GrantKind::VaultGroup | GrantKind::FolderUser | GrantKind::FolderGroup => {
            take_away(client, one).await
        }
    }
}

async fn remove_group(client: &Client, one: &GrantMade) -> Result<Unmade> {
    let Some(id) = &one.made else {
        return Ok(Unmade::Stays(format!("{} may be there: its answer never came", told(one))));
    };
    let Some(group) = client.groups().await?.into_iter().find(|group| group.id == *id) else {
        return Ok(Unmade::Gone);
    };
    if !group.user_ids.is_empty() || !client.group_rights(id).await?.is_empty() {
        return Ok(Unmade::Stays(format!("{} stays: somebody gave it members or rights since", told(one))));
    }
    client.delete_group(id).await.map(|()| Unmade::Yes)
}

/// Takes a role away that is as the job gave it.
async fn take_away(client: &Client, one: &GrantMade) -> Result<Unmade> {
    match held(client, one).await? {
        None => return Ok(Unmade::Gone),
        Some(role) if role.word() != one.role => {
            return Ok(Unmade::Stays(format!("{} stays: somebody changed it since", told(one))));
        }
        Some(_) => {}
    }
    let id = one.holder.clone();
    match one.kind {
        GrantKind::VaultUser => {
            let none = VaultUser { user_id: id, role: Role::None, master_key_encrypted: None };
            client.grant_vault(&one.target, &none).await?;
        }
        GrantKind::VaultGroup => {
            let none = GroupRight { group_id: id, role: Role::None, master_keys_encrypted: BTreeMap::new() };
            client.grant_vault_group(&one.target, &none).await?;
        }
        GrantKind::FolderUser => client.forget_folder_user(&one.target, &id).await?,
        _ => client.forget_folder_group(&one.target, &id).await?,
    }
    Ok(Unmade::Yes)
}
