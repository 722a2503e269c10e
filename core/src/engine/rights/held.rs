//! What an environment says of rights within a location: groups, what users and groups were given where, and shortcuts.

use crate::client::Client;
use crate::engine::environment::{Environment, paths};
use crate::engine::placement::Placement;
use crate::engine::source::filter::Filter;
use crate::error::{Error, ErrorKind, Result};
use crate::model::RecordPath;
use futures_util::{StreamExt as _, stream};
use keyferry_api::user::{UserGroup, UserInfo};
use keyferry_api::vault::{GroupRight, Role, Vault, VaultUser};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};

/// Folders that are asked for at once.
const AT_ONCE: usize = 8;

/// Who was given something.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Holder {
    User(String),
    Group(String),
}

/// What was given to somebody at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    /// The place in the sink.
    pub at: RecordPath,
    pub holder: Holder,
    pub role: Role,
}

/// A shortcut, in the paths of the sink.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    /// Where it stands.
    pub at: RecordPath,
    /// Where the record is that it leads to; `None` where that is not among those that are carried.
    pub record: Option<RecordPath>,
    /// The record's name.
    pub name: String,
}

/// How many records of each name stand in each place: a word for each, as an environment may hold very many.
#[derive(Default)]
pub(crate) struct Standing {
    hasher: RandomState,
    counts: HashMap<u64, u32>,
}

impl Standing {
    fn add(&mut self, at: &RecordPath, name: &str) {
        *self.counts.entry(self.hasher.hash_one((at, name))).or_default() += 1;
    }

    /// Takes one out; `false` where none is left.
    pub fn take(&mut self, at: &RecordPath, name: &str) -> bool {
        let count = self.counts.get_mut(&self.hasher.hash_one((at, name))).filter(|count| **count > 0);
        count.map(|count| *count -= 1).is_some()
    }
}

/// All of it.
#[derive(Default)]
pub(crate) struct Held {
    /// How messages name the environment.
    pub label: String,
    pub users: Vec<UserInfo>,
    pub groups: Vec<UserGroup>,
    pub given: Vec<Given>,
    pub shortcuts: Vec<Shown>,
    pub records: Standing,
    /// Rights that a location inside a vault leaves above it.
    pub above: usize,
    /// Places of the sink that several of the source become: who may see one of them may not see the other.
    pub merged: BTreeSet<RecordPath>,
}

/// What a right was asked of.
pub(crate) struct Asked {
    pub users: Vec<VaultUser>,
    pub groups: Vec<GroupRight>,
}

impl Asked {
    /// What users and groups were given in a vault.
    pub async fn vault(client: &Client, id: &str) -> Result<Self> {
        Ok(Self { users: client.vault_users(id).await?, groups: client.vault_groups(id).await? })
    }

    /// The same in a folder.
    pub async fn folder(client: &Client, id: &str) -> Result<Self> {
        Ok(Self { users: client.folder_users(id).await?, groups: client.folder_groups(id).await? })
    }

    /// Each with its role.
    pub fn holders(self) -> impl Iterator<Item = (Holder, Role)> {
        let users = self.users.into_iter().map(|user| (Holder::User(user.user_id), user.role));
        users.chain(self.groups.into_iter().map(|group| (Holder::Group(group.group_id), group.role)))
    }
}

impl Held {
    /// Asks for everything within `inside` that the filter takes; paths are those of the sink.
    ///
    /// # Errors
    /// [`ErrorKind::NotAllowed`] and [`ErrorKind::NotFound`] where the environment does not tell.
    pub async fn look(
        environment: &Environment,
        inside: &RecordPath,
        filter: &Filter,
        placement: &Placement,
    ) -> Result<Self> {
        let client = environment.client();
        let mut held = Self {
            label: environment.label().to_owned(),
            users: told(client.users().await, environment)?,
            groups: told(client.groups().await, environment)?,
            ..Self::default()
        };
        // Places in the sink by the ids of the source: shortcuts may lead from one vault to another.
        let mut places: HashMap<String, RecordPath> = HashMap::new();
        let there = |path: RecordPath| placement.place(path);
        let mut vaults = environment.vaults(inside).await?;
        vaults.retain(|vault| {
            let root = RecordPath { vault: Some(vault.name.clone()), folders: Vec::new() };
            filter.takes_vault(&vault.name) && filter.excluding(&root, None).is_none()
        });
        for vault in &vaults {
            held.vault(environment, vault, inside, filter, &there, &mut places).await?;
        }
        let mut seen = HashSet::new();
        held.merged = places.values().filter(|path| !seen.insert(*path)).cloned().collect();
        held.records(client, &vaults, &places).await?;
        Ok(held)
    }

    async fn vault(
        &mut self,
        environment: &Environment,
        vault: &Vault,
        inside: &RecordPath,
        filter: &Filter,
        there: &impl Fn(RecordPath) -> RecordPath,
        places: &mut HashMap<String, RecordPath>,
    ) -> Result<()> {
        let client = environment.client();
        let asked = told(Asked::vault(client, &vault.id).await, environment)?;
        let root = RecordPath { vault: Some(vault.name.clone()), folders: Vec::new() };
        let holders = asked.holders().filter(|(_, role)| *role > Role::None);
        if inside.folders.is_empty() {
            let at = there(root.clone());
            places.insert(vault.id.clone(), at.clone());
            self.given.extend(holders.map(|(holder, role)| Given { at: at.clone(), holder, role }));
        } else {
            self.above += holders.count();
        }
        let folders = client.folders(Some(&vault.id)).await?;
        let within =
            |path: &RecordPath| path.folders.starts_with(&inside.folders) && filter.takes_place(path);
        let wanted = paths(vault, &folders)?.into_iter().filter(|(_, path)| within(path));
        let wanted: Vec<_> = wanted.map(|(id, path)| (id, there(path))).collect();
        places.extend(wanted.iter().cloned());
        let asked = wanted.iter().map(async |(id, at)| (at, Asked::folder(client, id).await));
        let mut answers = stream::iter(asked.collect::<Vec<_>>()).buffered(AT_ONCE);
        while let Some((at, asked)) = answers.next().await {
            let holders = told(asked, environment)?.holders();
            self.given.extend(holders.map(|(holder, role)| Given { at: at.clone(), holder, role }));
        }
        Ok(())
    }

    /// What stands in the places, and what is shown there.
    async fn records(
        &mut self,
        client: &Client,
        vaults: &[Vault],
        places: &HashMap<String, RecordPath>,
    ) -> Result<()> {
        let shortcuts = client.shortcuts().await?;
        let standing = shortcuts.into_iter().filter_map(|found| {
            let id = found.shortcut.folder_id.as_ref().unwrap_or(&found.shortcut.vault_id);
            Some((places.get(id)?.clone(), found.shortcut.item_id, found.item.name))
        });
        let standing: Vec<_> = standing.collect();
        let shown: HashSet<&String> = standing.iter().map(|(_, item, _)| item).collect();
        let mut records: HashMap<String, RecordPath> = HashMap::new();
        for vault in vaults {
            for item in client.item_summaries(&vault.id).await? {
                let id = item.folder_id.as_ref().unwrap_or(&item.vault_id);
                if let Some(place) = places.get(id) {
                    self.records.add(place, &item.name);
                    if shown.contains(&item.id) {
                        records.insert(item.id, place.clone());
                    }
                }
            }
        }
        for (at, item, name) in standing {
            self.shortcuts.push(Shown { at, record: records.get(&item).cloned(), name });
        }
        Ok(())
    }
}

/// An answer that rights cannot be carried without.
pub(crate) fn told<T>(answer: Result<T>, environment: &Environment) -> Result<T> {
    use ErrorKind::{NotAllowed, NotFound, Refused};
    answer.map_err(|error| match error.kind() {
        NotAllowed | NotFound | Refused => {
            let what = format!("{} does not tell this user who may do what", environment.label());
            Error::new(ErrorKind::NotAllowed, what)
                .next_step("leave out --rights, or sign in as somebody who administers it")
                .because(error)
        }
        _ => error,
    })
}
