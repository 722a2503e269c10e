//! What a filter asked for and a source had: a slip of the pen must not make an empty backup.

use crate::engine::names;
use crate::engine::source::filter::Filter;
use crate::error::{Error, ErrorKind, Result};
use crate::model::RecordPath;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Names that are kept to tell of near ones; a source has more only where nobody could look through them.
const MOST: usize = 1000;
/// Notes that an error of a source without records repeats.
const MOST_NOTES: usize = 5;

/// What one reading met.
pub(crate) struct Seen {
    filter: Filter,
    met: Mutex<Met>,
}

#[derive(Default)]
struct Met {
    records: u64,
    rejects: u64,
    vaults: BTreeSet<String>,
    folders: BTreeSet<String>,
    tags: BTreeSet<String>,
    /// Which of the filter's words were met, in its order.
    vault: Vec<bool>,
    folder: bool,
    tag: Vec<bool>,
    /// Records that each of the exclusions left out; `None` where it met nothing.
    excluded: Vec<Option<u64>>,
    /// What was said of a source before its first record: why it has none, where it has none.
    notes: Vec<String>,
}

impl Seen {
    pub(crate) fn new(filter: Filter) -> Self {
        let met = Met {
            vault: vec![false; filter.vaults.len()],
            tag: vec![false; filter.tags.len()],
            excluded: vec![None; filter.exclude.len()],
            ..Met::default()
        };
        Self { filter, met: Mutex::new(met) }
    }

    /// What was asked for.
    pub(crate) fn filter(&self) -> &Filter {
        &self.filter
    }

    /// A vault, which may be empty.
    pub(crate) fn vault(&self, name: &str) {
        if !self.filter.vaults.is_empty() {
            self.with(|met| {
                keep(&mut met.vaults, name);
                for (met, wanted) in met.vault.iter_mut().zip(&self.filter.vaults) {
                    *met |= names::same(wanted, name);
                }
            });
        }
    }

    /// A folder, which may be empty.
    pub(crate) fn folder(&self, path: &RecordPath) {
        if let Some(wanted) = &self.filter.folder {
            self.with(|met| {
                keep(&mut met.folders, &path.folders.join("/"));
                met.folder |= names::begins_with(&path.folders, wanted);
            });
        }
    }

    /// A record, whether or not the filter takes it.
    pub(crate) fn record(&self, path: &RecordPath, tags: &[String]) {
        self.records(1);
        if let Some(vault) = &path.vault {
            self.vault(vault);
            // What stands elsewhere was not asked for.
            if !self.filter.takes_vault(vault) {
                return;
            }
        }
        self.folder(path);
        self.tags(tags);
    }

    /// So many records were left out by the exclusion of that number.
    pub(crate) fn excluded(&self, number: usize, records: u64) {
        self.with(|met| {
            if let Some(count) = met.excluded.get_mut(number) {
                *count = Some(count.unwrap_or_default() + records);
            }
        });
    }

    /// What the exclusions left out, in a sentence each.
    pub(crate) fn left_out(&self) -> Vec<String> {
        self.with(|met| {
            let named = self.filter.exclude.iter().zip(&met.excluded);
            let left_out = |(pattern, count): (&Vec<String>, &Option<u64>)| {
                let (count, pattern) = ((*count)?, pattern.join("/"));
                let records = if count == 1 { "record was" } else { "records were" };
                Some(format!("{count} {records} left out by --exclude {pattern}"))
            };
            named.filter_map(left_out).collect()
        })
    }

    /// So many records, of which no more is known yet.
    pub(crate) fn records(&self, count: usize) {
        self.with(|met| met.records += count as u64);
    }

    /// The tags of a record.
    pub(crate) fn tags(&self, tags: &[String]) {
        if !self.filter.tags.is_empty() {
            self.with(|met| {
                for tag in tags {
                    keep(&mut met.tags, tag);
                    for (met, wanted) in met.tag.iter_mut().zip(&self.filter.tags) {
                        *met |= names::same(wanted, tag);
                    }
                }
            });
        }
    }

    /// Something that was said of the source: where it has no records, that may be why.
    pub(crate) fn note(&self, note: &str) {
        self.with(|met| {
            if met.records == 0 && met.notes.len() < MOST_NOTES && note.contains(" behind") {
                met.notes.push(note.to_owned());
            }
        });
    }

    /// A record that cannot be read: it might have been wanted.
    pub(crate) fn reject(&self) {
        self.with(|met| met.rejects += 1);
    }

    fn with<T>(&self, work: impl FnOnce(&mut Met) -> T) -> T {
        work(&mut self.met.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Insists that each word of the filter matched something, and that there was something at all.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for a vault, folder or tag that is not there, [`ErrorKind::Input`] for a source without
    /// records. That a search or a time alone takes nothing is no mistake.
    pub(crate) fn check(&self, taken: u64) -> Result<()> {
        let filter = &self.filter;
        self.with(|met| {
            let missing = |words: &[String], met: &[bool]| {
                words.iter().zip(met).find(|(_, met)| !**met).map(|(word, _)| word.clone())
            };
            if let Some(name) = missing(&filter.vaults, &met.vault) {
                return Err(not_there("vault", &name, &met.vaults));
            }
            if let Some(folder) = filter.folder.as_ref().filter(|_| !met.folder) {
                return Err(not_there("folder", &folder.join("/"), &met.folders));
            }
            if let Some((pattern, _)) = filter.exclude.iter().zip(&met.excluded).find(|(_, met)| met.is_none()) {
                let what = format!("--exclude {}: the source has nothing of that name", pattern.join("/"));
                return Err(Error::new(ErrorKind::NotFound, what).next_step(
                    "names go from the vault down, * stands for any characters; --allow-empty if that is as it should be",
                ));
            }
            if met.records == 0 && met.rejects == 0 && met.excluded.is_empty() {
                let in_bin = met.notes.iter().any(|note| note.contains("in the bin"));
                let why = if met.notes.is_empty() { "" } else { ": " };
                let what = format!("the source has no records{why}{}", met.notes.join("; "));
                let look = if in_bin {
                    "--include-trash takes along what lies in the bin"
                } else {
                    "look whether it is the right one"
                };
                let next = format!("{look}; --allow-empty if that is as it should be");
                return Err(Error::new(ErrorKind::Input, what).next_step(next));
            }
            // Of records that did not change, an environment is not asked for their tags.
            if let Some(name) = missing(&filter.tags, &met.tag).filter(|_| filter.changed_since.is_none()) {
                return Err(not_there("tag", &name, &met.tags));
            }
            // A place that is there may be empty; tags are those of records.
            let otherwise = filter.query.is_some() || filter.changed_since.is_some();
            if taken == 0 && met.rejects == 0 && !filter.tags.is_empty() && !otherwise {
                return Err(Error::new(ErrorKind::NotFound, "no record matches the filter")
                    .next_step("leave a part of it out; --allow-empty if that is as it should be"));
            }
            Ok(())
        })
    }
}

fn keep(names: &mut BTreeSet<String>, name: &str) {
    if names.len() < MOST && !name.is_empty() && !names.contains(name) {
        names.insert(name.to_owned());
    }
}

fn not_there(what: &str, wanted: &str, there: &BTreeSet<String>) -> Error {
    let near = names::near(wanted, there.iter().map(String::as_str));
    let near = if near.is_empty() { String::new() } else { format!("did you mean {}? ", near.join(", ")) };
    Error::new(ErrorKind::NotFound, format!("the source has no {what} `{wanted}`"))
        .next_step(format!("{near}--allow-empty if that is as it should be"))
}
