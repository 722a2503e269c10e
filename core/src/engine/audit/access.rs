//! Who may see what: what users and groups were given in vaults, and in folders where that differs; the shortcuts and links
//! that lead past it; and what roles let users do to the environment itself.
//!
//! On the way from a record up to its vault the nearest role counts of a user, and the nearest of each group that the user is
//! in; of those the highest.

use crate::client::Client;
use crate::engine::audit::lacks;
use crate::engine::environment::{Environment, is_encrypted, paths};
use crate::engine::source::filter::Filter;
use crate::error::Result;
use crate::model::RecordPath;
use futures_util::{StreamExt as _, stream};
use keyferry_api::folder::Folder;
use keyferry_api::user::UserInfo;
use keyferry_api::vault::{GroupRight, Role, Vault, VaultUser};
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
    /// Who was given a role in it as a whole; `None` where the server does not tell.
    pub users: Option<Vec<Holder>>,
    /// The groups that were; `None` where the server does not tell, or has none.
    pub groups: Option<Vec<GroupHolder>>,
    /// Who has a right and no copy of the vault's key yet, so that they see nothing: names.
    pub without_key: Vec<String>,
    /// Folders where somebody has another role.
    pub folders: Vec<FolderAccess>,
    /// Records that are also seen from elsewhere, with whoever may see that place.
    pub shortcuts: Vec<SeenFrom>,
    /// Records that whoever has an address may see.
    pub links: Vec<Linked>,
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
    /// The groups whose role differs.
    pub groups: Vec<GroupHolder>,
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

/// A group and a role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GroupHolder {
    /// Its name; the id where no name is known.
    pub group: String,
    /// The id.
    pub id: String,
    /// `none`, `read`, `edit` or `administer`.
    pub role: &'static str,
    /// Who is in it.
    pub members: Vec<String>,
}

/// A record that is seen from another place as well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SeenFrom {
    /// The record's path and name.
    pub record: String,
    /// The shortcut's id.
    pub id: String,
    /// The place that it is seen from; the vault's id where this user may not see that vault.
    pub from: String,
    /// Who made it: nobody sees more through it than they may. `None` where nobody knows.
    pub maker: Option<String>,
}

/// A record that a link shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Linked {
    /// The record's path and name.
    pub record: String,
    /// The link's id.
    pub id: String,
    /// Who made it: it shows no more than they may see.
    pub maker: String,
    /// Until when, in Unix seconds; `None` for ever.
    pub expires_at: Option<i64>,
}

/// What a role lets users do to the environment, and who they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RoleAccess {
    /// Its name.
    pub role: String,
    /// Its id.
    pub id: String,
    /// What it allows, such as `user:create`.
    pub rights: Vec<String>,
    /// Who has it.
    pub users: Vec<String>,
}

/// The users of an environment by id, as far as it tells.
pub(crate) async fn user_names(client: &Client) -> Result<HashMap<String, String>> {
    Ok(if_told(client.users().await)?.map(names_of).unwrap_or_default())
}

fn names_of(users: Vec<UserInfo>) -> HashMap<String, String> {
    let name = |user: &UserInfo| {
        // What is given to them counts again when they are let in.
        if user.is_blocked { format!("{} (blocked)", user.username) } else { user.username.clone() }
    };
    users.into_iter().map(|user| (user.id.clone(), name(&user))).collect()
}

/// `None` where the server does not have a call, or not for this user.
fn if_told<T>(answer: Result<T>) -> Result<Option<T>> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if lacks(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The roles that are not everybody's, and who has them. Empty where the server does not tell.
pub(crate) async fn roles(environment: &Environment) -> Result<Vec<RoleAccess>> {
    let client = environment.client();
    let Some(users) = if_told(client.users().await)? else { return Ok(Vec::new()) };
    let Some(all) = if_told(client.user_roles().await)? else { return Ok(Vec::new()) };
    let holders = |id: &str| -> Vec<String> {
        let theirs = users.iter().filter(|user| user.user_role_id.as_deref() == Some(id));
        theirs.map(|user| user.username.clone()).collect()
    };
    let held = all.into_iter().filter(|role| !role.is_default);
    let held = held.map(|role| RoleAccess {
        users: holders(&role.id),
        role: role.name,
        id: role.id,
        rights: role.rights,
    });
    Ok(held.filter(|role| !role.users.is_empty()).collect())
}

/// The names of users, and groups with their members.
struct People {
    users: HashMap<String, String>,
    groups: HashMap<String, (String, Vec<String>)>,
}

impl People {
    async fn look(client: &Client) -> Result<Self> {
        let users = user_names(client).await?;
        let groups = if_told(client.groups().await)?.unwrap_or_default();
        let mut people = Self { users, groups: HashMap::new() };
        for group in groups {
            let mut members: Vec<String> = group.user_ids.iter().map(|id| people.name(id)).collect();
            members.sort_unstable();
            people.groups.insert(group.id, (group.name, members));
        }
        Ok(people)
    }

    /// The name of a user; the id where no name is known.
    fn name(&self, id: &str) -> String {
        self.users.get(id).filter(|name| !name.is_empty()).map_or_else(|| id.to_owned(), Clone::clone)
    }

    fn holders(&self, users: Vec<VaultUser>) -> Vec<Holder> {
        let holder = |user: VaultUser| Holder {
            user: self.name(&user.user_id),
            role: user.role.word(),
            id: user.user_id,
        };
        let mut holders: Vec<_> = users.into_iter().map(holder).collect();
        holders.sort_by(|one, other| one.user.cmp(&other.user));
        holders
    }

    fn group_holders(&self, groups: Vec<GroupRight>) -> Vec<GroupHolder> {
        let holder = |right: GroupRight| {
            let (group, members) = self
                .groups
                .get(&right.group_id)
                .cloned()
                .unwrap_or_else(|| (right.group_id.clone(), Vec::new()));
            GroupHolder { group, members, role: right.role.word(), id: right.group_id }
        };
        let mut holders: Vec<_> = groups.into_iter().map(holder).collect();
        holders.sort_by(|one, other| one.group.cmp(&other.group));
        holders
    }
}

/// What a server did not tell.
#[derive(Default)]
struct Silent {
    vaults: u64,
    folders: u64,
    ways_past: u64,
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
    let people = People::look(client).await?;
    let mut access = Vec::new();
    let mut silent = Silent::default();
    let vaults = environment.vaults(inside).await?;
    let wanted: Vec<_> = vaults.into_iter().filter(|vault| filter.takes_vault(&vault.name)).collect();
    // The names of places that shortcuts stand in; asked for once there is one.
    let mut places = None;
    for vault in wanted {
        let users = if_told(client.vault_users(&vault.id).await)?;
        let mut of_vault = VaultAccess {
            encrypted: is_encrypted(&vault),
            vault: vault.name.clone(),
            id: vault.id.clone(),
            users: None,
            groups: None,
            without_key: Vec::new(),
            folders: Vec::new(),
            shortcuts: Vec::new(),
            links: Vec::new(),
        };
        let Some(mut users) = users else {
            silent.vaults += 1;
            access.push(of_vault);
            continue;
        };
        // Whoever has a role in a folder alone is named there.
        users.retain(|user| user.role > Role::None);
        of_vault.users = Some(people.holders(users));
        of_vault.groups =
            if_told(client.vault_groups(&vault.id).await)?.map(|groups| people.group_holders(groups));
        let lacking = if_told(client.users_without_key(&vault.id).await)?.unwrap_or_default();
        of_vault.without_key = lacking.iter().map(|user| people.name(&user.user_id)).collect();
        let folders = client.folders(Some(&vault.id)).await?;
        let paths = paths(&vault, &folders)?;
        let within =
            |path: &RecordPath| path.folders.starts_with(&inside.folders) && filter.takes_place(path);
        let mut wanted: Vec<_> = paths.iter().filter(|(_, path)| within(path)).collect();
        wanted.sort_by_key(|(_, path)| *path);
        let asked = wanted.into_iter().map(async |(id, path)| {
            let groups = if_told(client.folder_groups(id).await);
            (id, path, if_told(client.folder_users(id).await), groups)
        });
        let mut answers = stream::iter(asked.collect::<Vec<_>>()).buffered(AT_ONCE);
        while let Some((id, path, users, groups)) = answers.next().await {
            let (users, groups) = (users?, groups?.unwrap_or_default());
            silent.folders += u64::from(users.is_none());
            let users = users.unwrap_or_default();
            if users.is_empty() && groups.is_empty() {
                continue;
            }
            let (folder, id) = (path.to_string(), id.clone());
            let (users, groups) = (people.holders(users), people.group_holders(groups));
            of_vault.folders.push(FolderAccess { folder, id, users, groups });
        }
        drop(answers);
        if !ways_past(client, &vault, &folders, &within, &people, &mut places, &mut of_vault).await? {
            silent.ways_past += 1;
        }
        access.push(of_vault);
    }
    for (count, what, where_) in [
        (silent.vaults, "vault", ""),
        (silent.folders, "folder", ""),
        (silent.ways_past, "vault", " by shortcuts and links"),
    ] {
        if count > 0 {
            let counted = crate::engine::audit::checks::counted(count, what);
            notes.push(format!("{} does not tell who may see {counted}{where_}", environment.label()));
        }
    }
    Ok(access)
}

/// The names of vaults and the paths of folders by id.
type Places = (HashMap<String, String>, HashMap<String, String>);

async fn all_places(client: &Client) -> Result<Places> {
    let vaults = client.vaults().await?;
    let folders = client.folders(None).await?;
    let mut by_folder = HashMap::new();
    for vault in &vaults {
        let inside: Vec<Folder> =
            folders.iter().filter(|folder| folder.vault_id == vault.id).cloned().collect();
        by_folder.extend(paths(vault, &inside)?.into_iter().map(|(id, path)| (id, path.to_string())));
    }
    Ok((vaults.into_iter().map(|vault| (vault.id, vault.name)).collect(), by_folder))
}

/// The shortcuts and links of what is in a vault; `false` where the server does not tell.
async fn ways_past(
    client: &Client,
    vault: &Vault,
    folders: &[Folder],
    within: &impl Fn(&RecordPath) -> bool,
    people: &People,
    places: &mut Option<Places>,
    of_vault: &mut VaultAccess,
) -> Result<bool> {
    let shortcuts = if_told(client.vault_shortcuts(&vault.id).await)?;
    let links = if_told(client.vault_links(&vault.id).await)?;
    let told = shortcuts.is_some() && links.is_some();
    let (shortcuts, links) = (shortcuts.unwrap_or_default(), links.unwrap_or_default());
    if shortcuts.is_empty() && links.is_empty() {
        return Ok(told);
    }
    let paths = paths(vault, folders)?;
    let root = RecordPath { vault: Some(vault.name.clone()), folders: Vec::new() };
    let mut records = HashMap::new();
    for item in client.item_summaries(&vault.id).await? {
        let path = item.folder_id.as_ref().and_then(|id| paths.get(id)).unwrap_or(&root);
        if within(path) {
            records.insert(item.id, format!("{path} / {}", item.name));
        }
    }
    if places.is_none() {
        *places = Some(all_places(client).await?);
    }
    let nowhere = Places::default();
    let (vaults, by_folder) = places.as_ref().unwrap_or(&nowhere);
    for one in shortcuts {
        let Some(record) = records.get(&one.item_id).cloned() else { continue };
        let at_top = || vaults.get(&one.vault_id).unwrap_or(&one.vault_id).clone();
        let from = one.folder_id.as_ref().and_then(|id| by_folder.get(id)).cloned().unwrap_or_else(at_top);
        let maker = one.user_id.as_deref().map(|id| people.name(id));
        of_vault.shortcuts.push(SeenFrom { record, id: one.id, from, maker });
    }
    for one in links {
        let Some(record) = records.get(&one.item_id).cloned() else { continue };
        let (maker, expires_at) = (people.name(&one.user_id), one.expires_at);
        of_vault.links.push(Linked { record, id: one.id, maker, expires_at });
    }
    Ok(told)
}
