//! Where a transfer would put things: its vaults and folders, which of them are new, and what becomes of the records of
//! each vault.

use crate::engine::endpoint::Endpoint;
use crate::engine::environment::paths;
use crate::error::Result;
use crate::model::RecordPath;
use keyferry_api::vault::Vault;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

/// What would become of the records that go into one vault.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct VaultPlan {
    /// The vault's name in the sink.
    pub vault: String,
    /// Whether it is to be made.
    pub new: bool,
    /// Records to be made in it.
    pub create: u64,
    /// Records to be overwritten.
    pub update: u64,
    /// Records that are there already.
    pub unchanged: u64,
    /// Records whose place is taken, or that were edited there: left alone.
    pub left_alone: u64,
    /// Folders to be made, each as the names that lead to it from the vault down; in order.
    pub new_folders: Vec<Vec<String>>,
}

/// What a record would meet, for the account of its vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Create,
    Update,
    Unchanged,
    LeftAlone,
}

/// The places of a source's records, numbered: four bytes a record.
#[derive(Debug, Default)]
pub(crate) struct Places {
    numbers: HashMap<RecordPath, u32>,
    of_record: Vec<u32>,
}

impl Places {
    /// The next record goes there.
    pub(crate) fn record(&mut self, path: &RecordPath) {
        let number = self.number(path);
        self.of_record.push(number);
    }

    /// A folder, which may hold no record.
    pub(crate) fn folder(&mut self, path: &RecordPath) {
        self.number(path);
    }

    fn number(&mut self, path: &RecordPath) -> u32 {
        if let Some(number) = self.numbers.get(path) {
            return *number;
        }
        // Four thousand million places do not fit into the memory that finds them.
        let number = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
        self.numbers.insert(path.clone(), number);
        number
    }

    /// The account of every vault, by name. Asks the sink for the folders of those that it has.
    pub(crate) async fn account(
        &self,
        to: &Endpoint,
        mut outcomes: impl Iterator<Item = Outcome>,
    ) -> Result<Vec<VaultPlan>> {
        let Endpoint::Environment(environment, _) = to else { return Ok(Vec::new()) };
        let mut paths_of: Vec<&RecordPath> = self.numbers.keys().collect();
        paths_of.sort_by_key(|path| self.numbers.get(*path));
        let mut vaults: BTreeMap<&str, VaultPlan> = BTreeMap::new();
        let mut wanted: BTreeMap<&str, BTreeSet<&[String]>> = BTreeMap::new();
        for path in &paths_of {
            let name = path.vault.as_deref().unwrap_or_default();
            vaults.entry(name).or_insert_with(|| VaultPlan {
                vault: name.to_owned(),
                new: true,
                ..VaultPlan::default()
            });
            let folders = wanted.entry(name).or_default();
            folders.extend((1..=path.folders.len()).filter_map(|depth| path.folders.get(..depth)));
        }
        for number in &self.of_record {
            let Some(outcome) = outcomes.next() else { break };
            let Some(path) = paths_of.get(*number as usize) else { continue };
            let Some(vault) = vaults.get_mut(path.vault.as_deref().unwrap_or_default()) else { continue };
            *match outcome {
                Outcome::Create => &mut vault.create,
                Outcome::Update => &mut vault.update,
                Outcome::Unchanged => &mut vault.unchanged,
                Outcome::LeftAlone => &mut vault.left_alone,
            } += 1;
        }
        let there = environment.vaults(&RecordPath::default()).await?;
        let is_named = |vault: &Vault| vaults.contains_key(vault.name.as_str());
        for there in environment.without_strangers(there, is_named)? {
            let Some(vault) = vaults.get_mut(there.name.as_str()) else { continue };
            vault.new = false;
            let Some(wanted) = wanted.get_mut(there.name.as_str()).filter(|wanted| !wanted.is_empty()) else {
                continue;
            };
            let folders = environment.client().folders(Some(&there.id)).await?;
            for path in paths(&there, &folders)?.values() {
                wanted.remove(path.folders.as_slice());
            }
        }
        for (name, vault) in &mut vaults {
            let new = wanted.get(name).into_iter().flatten();
            vault.new_folders = new.map(|folders| folders.to_vec()).collect();
        }
        Ok(vaults.into_values().collect())
    }
}

impl fmt::Display for VaultPlan {
    /// A line of counts, then the folders to be made as a tree.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            (self.create, "to create"),
            (self.update, "to update"),
            (self.unchanged, "there already"),
            (self.left_alone, "left alone"),
        ];
        let counts = counts.iter().filter(|(count, _)| *count > 0);
        let counts: Vec<_> = counts.map(|(count, what)| format!("{count} {what}")).collect();
        let counts = if counts.is_empty() { "no record".to_owned() } else { counts.join(", ") };
        write!(f, "vault {}{}: {counts}", self.vault, if self.new { " (new)" } else { "" })?;
        // Each stands below the nearest one above it that is new as well, and names what lies between.
        let mut above: Vec<&[String]> = Vec::new();
        for folders in &self.new_folders {
            while above.last().is_some_and(|above| !folders.starts_with(above)) {
                above.pop();
            }
            let known = above.last().map_or(0, |above| above.len());
            let name = folders.get(known..).unwrap_or_default().join("/");
            above.push(folders);
            write!(f, "\n{:indent$}+ {name}/", "", indent = 2 * above.len())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vault_reads_as_counts_and_a_tree_of_what_is_new() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let plan = VaultPlan {
            vault: "Infra".into(),
            new: true,
            create: 3,
            unchanged: 1,
            new_folders: vec![names(&["db"]), names(&["db", "main"]), names(&["old", "web"])],
            ..VaultPlan::default()
        };
        assert_eq!(
            plan.to_string(),
            "vault Infra (new): 3 to create, 1 there already\n  + db/\n    + main/\n  + old/web/"
        );
    }
}
