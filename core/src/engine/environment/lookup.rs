//! Many records at once, for whoever uses secrets rather than moves them: by path, by folder, by a search.
//!
//! What lists say is asked once, and the items come in batches: five hundred records take a handful of requests.

use crate::client::Search;
use crate::engine::environment::record::{FetchedRecord, is_id};
use crate::engine::environment::{Environment, paths};
use crate::engine::names;
use crate::engine::source::filter::Filter;
use crate::error::{Error, ErrorKind, Result};
use crate::model::RecordPath;
use keyferry_api::item::ItemSummary;
use keyferry_api::shortcut::FoundShortcut;
use keyferry_api::vault::Vault;
use std::collections::{HashMap, HashSet};

/// So many names of one vault are searched for one by one; for more its whole list is read.
const FEW: usize = 8;

impl Environment {
    /// The records at these paths, in their order, each found or not; see [`Environment::fetch`].
    ///
    /// # Errors
    /// Where a list could not be read, which is an error of all.
    pub async fn fetch_each(&self, wanted: &[Vec<String>]) -> Result<Vec<Result<FetchedRecord>>> {
        let by_path: Vec<&[String]> =
            wanted.iter().map(Vec::as_slice).filter(|names| !by_id(names)).collect();
        let mut found = self.find_all(&by_path).await?.into_iter();
        let mut ids = Vec::with_capacity(wanted.len());
        for names in wanted {
            ids.push(match names.as_slice() {
                [id] if is_id(id) => Ok(id.clone()),
                names => self.only(names, found.next().unwrap_or_default()).map(|item| item.id),
            });
        }
        let known: Vec<String> = ids.iter().filter_map(|id| id.as_ref().ok()).cloned().collect();
        let mut picked = self.fetch_ids(&known).await.into_iter();
        let all = ids.into_iter().zip(wanted).map(|(id, names)| {
            let id = id?;
            let mut one = picked.next().unwrap_or_else(|| Err(gone(&id)))?;
            let folders = names.split_last().map_or(names.as_slice(), |(_, folders)| folders);
            one.record.path = folders.iter().cloned().collect();
            Ok(one)
        });
        Ok(all.collect())
    }

    /// Every record in a folder and in those below it, and in the whole vault where no folder is named. What a
    /// shortcut there leads to is among them.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] where there is no such vault or folder; otherwise the first record's that cannot be
    /// read.
    pub async fn fetch_below(&self, place: &RecordPath) -> Result<Vec<FetchedRecord>> {
        let place = &self.settled(place).await?;
        let mut ids = Vec::new();
        let mut places = Vec::new();
        let mut there = false;
        let vaults = self.without_strangers(self.vaults(place).await?, |_| true)?;
        for vault in vaults {
            let folders = self.client().folders(Some(&vault.id)).await?;
            let paths = paths(&vault, &folders)?;
            let within = |path: &RecordPath| path.folders.starts_with(&place.folders);
            there |= place.folders.is_empty() || paths.values().any(within);
            let root = RecordPath { vault: Some(vault.name.clone()), folders: Vec::new() };
            let path = |folder: Option<&str>| folder.and_then(|id| paths.get(id)).unwrap_or(&root);
            let mut take = |id: &str, folder: Option<&str>| {
                let path = path(folder);
                if within(path) {
                    self.found_in(id, &vault.id);
                    ids.push(id.to_owned());
                    places.push(path.clone());
                }
            };
            for item in self.client().item_places(&vault.id).await?.read()? {
                let item = item?;
                take(&item.id, item.folder_id.as_deref());
            }
            let search = Search { vaults: vec![vault.id.clone()], ..Search::default() };
            for found in self.client().search_shortcuts(&search).await? {
                if found.shortcut.vault_id == vault.id {
                    take(&found.shortcut.id, found.shortcut.folder_id.as_deref());
                }
            }
        }
        if !there {
            return Err(Error::new(ErrorKind::NotFound, format!("there is no folder `{place}`"))
                .next_step(format!("keyferry tree {} shows what there is", self.label())));
        }
        let picked = self.fetch_ids(&ids).await.into_iter().zip(places).map(|(one, path)| {
            let mut one = one?;
            one.record.path = path;
            Ok(one)
        });
        picked.collect()
    }

    /// The records in a place and below it that a filter takes, opened. Each succeeds or fails by itself.
    pub async fn fetch_filtered(
        &self,
        inside: &RecordPath,
        filter: &Filter,
    ) -> Result<Vec<Result<FetchedRecord>>> {
        let inside = &self.settled(inside).await?;
        let mut all = Vec::new();
        let vaults = self.without_strangers(self.vaults(inside).await?, |_| true)?;
        for vault in vaults {
            let folders = self.client().folders(Some(&vault.id)).await?;
            let paths = paths(&vault, &folders)?;
            let root = RecordPath { vault: Some(vault.name.clone()), folders: Vec::new() };
            let mut places: HashMap<String, RecordPath> = HashMap::new();
            let mut ids = Vec::new();
            for item in self.client().item_summaries(&vault.id).await? {
                let path = item.folder_id.as_ref().and_then(|id| paths.get(id)).unwrap_or(&root);
                if path.folders.starts_with(&inside.folders) && filter.takes_place(path) {
                    self.found_in(&item.id, &vault.id);
                    ids.push(item.id.clone());
                    places.insert(item.id, path.clone());
                }
            }
            for picked in self.fetch_ids(&ids).await {
                match picked {
                    Ok(mut picked) => {
                        picked.record.path = places.remove(&picked.id).unwrap_or_default();
                        let recent = filter
                            .changed_since
                            .is_none_or(|since| picked.updated_at().is_none_or(|at| at >= since));
                        if recent && filter.takes(&picked.record) {
                            all.push(Ok(picked));
                        }
                    }
                    failed => all.push(failed),
                }
            }
        }
        Ok(all)
    }

    /// What a server's search finds: items first, then what the shortcuts lead to that it finds.
    ///
    /// # Errors
    /// The first record's that cannot be read.
    pub async fn fetch_found(&self, search: &Search) -> Result<Vec<FetchedRecord>> {
        let items = self.client().search_items(search).await?.into_iter();
        let items = items.map(|item| {
            self.found_in(&item.id, &item.vault_id);
            item.id
        });
        let shortcuts = self.client().search_shortcuts(search).await?;
        let mut seen = HashSet::new();
        let mut ids: Vec<String> =
            items.chain(shortcuts.into_iter().map(|found| found.shortcut.id)).collect();
        ids.retain(|id| seen.insert(id.clone()));
        self.fetch_ids(&ids).await.into_iter().collect()
    }

    /// What stands at each path, by name: several where names repeat.
    pub(crate) async fn find_all(&self, wanted: &[&[String]]) -> Result<Vec<Vec<ItemSummary>>> {
        let mut found: Vec<Vec<ItemSummary>> = wanted.iter().map(|_| Vec::new()).collect();
        let mut vaults = None;
        // What is written exactly so goes before what is only equivalent.
        for alike in [|one: &str, other: &str| one == other, names::same as fn(&str, &str) -> bool] {
            let mut open: Vec<usize> = (0..wanted.len()).filter(|number| found[*number].is_empty()).collect();
            open.retain(|number| wanted[*number].len() > 1);
            if open.is_empty() {
                break;
            }
            if vaults.is_none() {
                let all = self.vaults(&RecordPath::default()).await?;
                let is_named = |vault: &Vault| {
                    let mut first = wanted.iter().filter_map(|names| names.first());
                    first.any(|name| names::same(name, &vault.name))
                };
                vaults = Some(self.without_strangers(all, is_named)?);
            }
            for vault in vaults.iter().flatten() {
                let here = open
                    .iter()
                    .copied()
                    .filter(|number| wanted[*number].first().is_some_and(|name| alike(name, &vault.name)));
                let here: Vec<usize> = here.collect();
                if !here.is_empty() {
                    self.find_in(vault, wanted, &here, alike, &mut found).await?;
                }
            }
        }
        Ok(found)
    }

    /// Adds what stands in one vault to what was found for these numbers.
    async fn find_in(
        &self,
        vault: &Vault,
        wanted: &[&[String]],
        numbers: &[usize],
        alike: fn(&str, &str) -> bool,
        found: &mut [Vec<ItemSummary>],
    ) -> Result<()> {
        let folders = self.client().folders(Some(&vault.id)).await?;
        let paths = paths(vault, &folders)?;
        let stands_at = |item: &ItemSummary, names: &[String]| {
            let [_, folders @ .., name] = names else { return false };
            alike(&item.name, name)
                && match &item.folder_id {
                    Some(id) => paths.get(id).is_some_and(|path| {
                        path.folders.len() == folders.len()
                            && path.folders.iter().zip(folders).all(|(one, other)| alike(one, other))
                    }),
                    None => folders.is_empty(),
                }
        };
        let mut left = numbers.to_vec();
        if numbers.len() <= FEW {
            // A server's search is quick, but which texts it looks at is its own affair: the list knows all.
            left.clear();
            for &number in numbers {
                let Some(name) = wanted[number].last() else { continue };
                let mut here = self.client().search(&vault.id, name).await?;
                here.retain(|item| stands_at(item, wanted[number]));
                for item in &here {
                    self.found_in(&item.id, &vault.id);
                }
                if here.is_empty() {
                    left.push(number);
                }
                found[number].append(&mut here);
            }
        }
        if left.is_empty() {
            return Ok(());
        }
        let mut by_name: HashMap<String, Vec<ItemSummary>> = HashMap::new();
        for item in self.client().item_summaries(&vault.id).await? {
            by_name.entry(names::canonical(&item.name).into_owned()).or_default().push(item);
        }
        for &number in &left {
            let namesakes = wanted[number].last().and_then(|name| by_name.get(&*names::canonical(name)));
            let here = namesakes.into_iter().flatten().filter(|item| stands_at(item, wanted[number]));
            found[number].extend(here.inspect(|item| self.found_in(&item.id, &vault.id)).cloned());
        }
        // Somebody who may read one record of another vault has it here by a shortcut alone.
        let missing: Vec<usize> = left.into_iter().filter(|number| found[*number].is_empty()).collect();
        if !missing.is_empty() {
            let search = Search { vaults: vec![vault.id.clone()], ..Search::default() };
            let there = match self.client().search_shortcuts(&search).await {
                // A server that knows no shortcuts has none.
                Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
                there => there?,
            };
            for FoundShortcut { shortcut, item } in there {
                let here = ItemSummary { id: shortcut.id, folder_id: shortcut.folder_id, ..item };
                for number in missing.iter().filter(|number| stands_at(&here, wanted[**number])) {
                    self.found_in(&here.id, &vault.id);
                    found[*number].push(here.clone());
                }
            }
        }
        Ok(())
    }

    /// The one item that was found at a path.
    pub(crate) fn only(&self, names: &[String], mut found: Vec<ItemSummary>) -> Result<ItemSummary> {
        let path = || names.join("/");
        match (found.pop(), found.as_slice()) {
            (None, _) => Err(Error::new(ErrorKind::NotFound, format!("there is no record `{}`", path()))
                .next_step(format!("keyferry tree {} shows what there is", self.label()))),
            (Some(item), []) => Ok(item),
            (Some(last), others) => {
                let ids: Vec<&str> = others.iter().chain([&last]).map(|item| item.id.as_str()).collect();
                let what = format!("there are {} records `{}`", ids.len(), path());
                Err(Error::new(ErrorKind::Usage, what)
                    .next_step(format!("take one by its id: {}", ids.join(", "))))
            }
        }
    }
}

/// Whether a path is an id rather than names.
fn by_id(names: &[String]) -> bool {
    matches!(names, [id] if is_id(id))
}

fn gone(id: &str) -> Error {
    Error::new(ErrorKind::Protocol, format!("item {id} was not answered"))
}
