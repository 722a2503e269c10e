//! The places that a job's records name: nothing else of its sink is looked at, so that a job costs what it carries, and
//! not what the sink holds besides.
//!
//! Records are alike only where they stand in the same place, so what stands elsewhere decides nothing.

use crate::client::{Client, Places};
use crate::engine::environment::{Environment, paths};
use crate::error::Result;
use crate::model::RecordPath;
use keyferry_api::vault::Vault;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};

/// So many folders of one vault are listed one by one; for more the vault's whole list is read.
const FEW: usize = 16;

/// A set of places, by name: a word for each. Two that share a word make it larger, never smaller.
#[derive(Debug, Default)]
pub(crate) struct Scope {
    hasher: RandomState,
    vaults: HashMap<String, HashSet<u64>>,
}

impl Scope {
    /// One place.
    pub(crate) fn of(path: &RecordPath) -> Self {
        let mut scope = Self::default();
        scope.name(path);
        scope
    }

    /// Adds the place of a record.
    pub(crate) fn name(&mut self, path: &RecordPath) {
        let word = self.hasher.hash_one(&path.folders);
        let vault = path.vault.as_deref().unwrap_or_default();
        if let Some(folders) = self.vaults.get_mut(vault) {
            folders.insert(word);
        } else {
            self.vaults.insert(vault.to_owned(), HashSet::from([word]));
        }
    }

    /// Whether records stand in a vault of this name.
    pub(crate) fn names_vault(&self, name: &str) -> bool {
        self.vaults.contains_key(name)
    }

    /// Whether records stand right in this place.
    pub(crate) fn holds(&self, path: &RecordPath) -> bool {
        let vault = path.vault.as_deref().unwrap_or_default();
        self.vaults.get(vault).is_some_and(|words| words.contains(&self.hasher.hash_one(&path.folders)))
    }

    /// The places of a vault that are in it, by id; `folders` are the paths of those that the vault has.
    pub(crate) fn of_vault(&self, vault: &Vault, folders: &HashMap<String, RecordPath>) -> Spots {
        let root = RecordPath { vault: Some(vault.name.clone()), folders: Vec::new() };
        let folders = folders.iter().filter(|(_, path)| self.holds(path)).map(|(id, _)| id.clone());
        Spots { all: false, top: self.holds(&root), folders: folders.collect() }
    }

    /// The places that are in it, by the id of their vault, as the environment has them now.
    pub(crate) async fn in_environment(&self, environment: &Environment) -> Result<HashMap<String, Spots>> {
        let mut found = HashMap::new();
        let vaults = environment.client().vaults().await?;
        for vault in environment.without_strangers(vaults, |vault| self.names_vault(&vault.name))? {
            if self.names_vault(&vault.name) {
                let folders = environment.client().folders(Some(&vault.id)).await?;
                let spots = self.of_vault(&vault, &paths(&vault, &folders)?);
                found.insert(vault.id, spots);
            }
        }
        Ok(found)
    }
}

/// Places of one vault, by id.
#[derive(Debug, Default)]
pub(crate) struct Spots {
    /// Whatever they are called.
    all: bool,
    /// Outside folders.
    top: bool,
    folders: HashSet<String>,
}

impl Spots {
    /// Every place of a vault.
    pub(crate) fn all() -> Self {
        Self { all: true, ..Self::default() }
    }

    /// Adds a folder, or the place outside folders.
    pub(crate) fn add(&mut self, folder: Option<&str>) {
        match folder {
            Some(id) => drop(self.folders.insert(id.to_owned())),
            None => self.top = true,
        }
    }

    /// Whether items that stand there count.
    pub(crate) fn hold(&self, folder: Option<&str>) -> bool {
        self.all || folder.map_or(self.top, |id| self.folders.contains(id))
    }

    /// A list with every item of these places; others of the vault may be in it.
    pub(crate) async fn list(&self, client: &Client, vault_id: &str) -> Result<Places> {
        // What stands outside folders is not listed without the rest.
        if self.all || self.top || self.folders.len() > FEW {
            return client.item_places(vault_id).await;
        }
        let folders: Vec<&str> = self.folders.iter().map(String::as_str).collect();
        client.item_places_in(vault_id, &folders).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(vault: &str, folders: &[&str]) -> RecordPath {
        RecordPath {
            vault: Some(vault.to_owned()),
            folders: folders.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    #[test]
    fn a_place_is_neither_its_vault_nor_what_is_above_or_below_it() {
        let mut scope = Scope::default();
        scope.name(&path("V", &["a", "b"]));
        assert!(scope.holds(&path("V", &["a", "b"])) && scope.names_vault("V"));
        for other in [path("V", &[]), path("V", &["a"]), path("V", &["a", "b", "c"]), path("W", &["a", "b"])]
        {
            assert!(!scope.holds(&other), "{other}");
        }
        assert!(!scope.names_vault("W"));
    }
}
