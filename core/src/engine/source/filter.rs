//! Which records of a source count.

use crate::engine::endpoint::Endpoint;
use crate::engine::names;
use crate::error::{Error, ErrorKind, Place, Result};
use crate::model::{Record, RecordPath};
use keyferry_api::item::{Item, ItemPlace};

/// A choice of records. Every member that is set must hold; the default takes everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// In one of these vaults, by name.
    pub vaults: Vec<String>,
    /// In this folder or below it: names from the vault down.
    pub folder: Option<Vec<String>>,
    /// With at least one of these tags.
    pub tags: Vec<String>,
    /// With this text, in upper or lower case, in name, login, url, description or a tag. Secrets
    /// are never searched.
    pub query: Option<String>,
    /// Changed at this time or later, in unix seconds. Only environments know; see
    /// [`Filter::check`].
    pub changed_since: Option<i64>,
    /// None of these, whatever else holds: vaults, folders with all below them, records; names from the vault down, in which
    /// `*` stands for any characters.
    pub exclude: Vec<Vec<String>>,
}

impl Filter {
    /// Whether it takes everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it names what must be there: a vault, a folder or a tag.
    pub(crate) fn names_something(&self) -> bool {
        !self.vaults.is_empty() || self.folder.is_some() || !self.tags.is_empty() || !self.exclude.is_empty()
    }

    /// Makes sure that the source can tell what is asked for.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] where times of change are asked of a file, which holds none.
    pub fn check(&self, from: &Endpoint) -> Result<()> {
        match crate::engine::source::file_path(from) {
            Some(path) if self.changed_since.is_some() => {
                Err(Error::new(ErrorKind::Usage, "a file does not tell when its records were changed")
                    .at(Place::File { path: path.to_owned(), at: None })
                    .next_step("leave --changed-since out, or read from an environment"))
            }
            _ => Ok(()),
        }
    }

    /// Whether a record is chosen by where it stands and what it says. A record does not hold the
    /// time of its last change, so that is not asked here.
    #[must_use]
    pub fn takes(&self, record: &Record) -> bool {
        let texts = [&record.name, &record.login, &record.url, &record.description];
        self.takes_place(&record.path)
            && self.excluding(&record.path, Some(&record.name)).is_none()
            && self.takes_texts(texts.map(String::as_str), &record.tags)
    }

    /// Which of the exclusions, by its number, leaves out a record of that name, or the place itself.
    pub(crate) fn excluding(&self, path: &RecordPath, name: Option<&str>) -> Option<usize> {
        let names = || path.vault.iter().chain(&path.folders).map(String::as_str).chain(name);
        self.exclude.iter().position(|pattern| {
            let met = names().zip(pattern).take_while(|(name, wanted)| matches(name, wanted)).count();
            met == pattern.len()
        })
    }

    /// Whether a folder without records is chosen: not where records are chosen for what they say.
    pub(crate) fn takes_bare(&self, path: &RecordPath) -> bool {
        let by_record = !self.tags.is_empty() || self.query.is_some() || self.changed_since.is_some();
        !by_record && self.takes_place(path)
    }

    /// The part of [`Filter::takes`] that needs no record.
    pub(crate) fn takes_place(&self, path: &RecordPath) -> bool {
        path.vault.as_ref().is_none_or(|vault| self.takes_vault(vault))
            && self.folder.as_ref().is_none_or(|folder| names::begins_with(&path.folders, folder))
            && self.excluding(path, None).is_none()
    }

    pub(crate) fn takes_vault(&self, name: &str) -> bool {
        self.vaults.is_empty() || self.vaults.iter().any(|wanted| names::same(wanted, name))
    }

    /// Whether an item may have changed since the time asked for; one without a time may have.
    pub(crate) fn takes_time(&self, item: &ItemPlace) -> bool {
        let Some(since) = self.changed_since else { return true };
        item.updated_at.is_none_or(|at| at >= since)
    }

    /// The part of [`Filter::takes`] that an item tells without being decrypted.
    pub(crate) fn takes_item(&self, item: &Item) -> bool {
        let [login, url, description] =
            [&item.login, &item.url, &item.description].map(|text| text.as_deref().unwrap_or_default());
        self.takes_texts([&item.name, login, url, description], &item.tags)
    }

    fn takes_texts(&self, texts: [&str; 4], tags: &[String]) -> bool {
        let wanted = |tag: &String| self.tags.iter().any(|one| names::same(one, tag));
        let tagged = self.tags.is_empty() || tags.iter().any(wanted);
        tagged
            && self.query.as_ref().is_none_or(|query| {
                let query = names::canonical(query).to_lowercase();
                let mut all = texts.into_iter().chain(tags.iter().map(String::as_str));
                all.any(|text| names::canonical(text).to_lowercase().contains(&query))
            })
    }
}

/// Whether a name is that of a pattern, in which `*` stands for any characters.
fn matches(name: &str, pattern: &str) -> bool {
    if !pattern.contains('*') {
        return names::same(pattern, name);
    }
    let (name, pattern) = (names::canonical(name), names::canonical(pattern));
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return false };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Custom, CustomKind};

    fn record() -> Record {
        Record {
            path: RecordPath {
                vault: Some("Infra".into()),
                folders: vec!["Databases".into(), "Main".into()],
            },
            name: "Ёлка".into(),
            login: "root".into(),
            password: Some("hidden".into()),
            url: "https://db.example".into(),
            description: "two\nlines".into(),
            tags: vec!["prod".into(), "Сеть".into()],
            customs: vec![Custom { name: "key".into(), kind: CustomKind::Text, value: "hidden".into() }],
            ..Record::default()
        }
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn words_are_found_whatever_their_case_but_never_in_secrets() {
        let query = |text: &str| Filter { query: Some(text.into()), ..Filter::default() }.takes(&record());
        for text in ["ёлк", "ЁЛКА", "ROOT", "example", "lines", "сЕТЬ"] {
            assert!(query(text), "{text}");
        }
        for text in ["hidden", "key", "елка", "Infra"] {
            assert!(!query(text), "{text}");
        }
    }

    #[test]
    fn a_folder_takes_what_is_below_it_and_no_namesake() {
        let folder =
            |names: &[&str]| Filter { folder: Some(words(names)), ..Filter::default() }.takes(&record());
        assert!(folder(&["Databases"]) && folder(&["Databases", "Main"]));
        assert!(!folder(&["Main"]) && !folder(&["Data"]) && !folder(&["Databases", "Main", "x"]));
    }

    #[test]
    fn one_flag_means_any_of_its_words_and_all_flags_must_hold() {
        let both = |vault: &str, tag: &str| {
            let (vaults, tags) = (words(&["HR", vault]), words(&["old", tag]));
            Filter { vaults, tags, ..Filter::default() }.takes(&record())
        };
        assert!(both("Infra", "prod"));
        assert!(!both("infra", "prod") && !both("Infra", "Prod"));
        assert!(Filter::default().takes(&record()) && Filter::default().is_empty());
    }

    #[test]
    fn an_item_without_a_time_may_have_changed() {
        let item = |updated_at| ItemPlace { id: "1".into(), folder_id: None, updated_at };
        let since = Filter { changed_since: Some(100), ..Filter::default() };
        assert!(since.takes_time(&item(Some(100))) && since.takes_time(&item(None)));
        assert!(!since.takes_time(&item(Some(99))));
    }

    #[test]
    fn what_is_excluded_goes_with_all_below_it() {
        let takes = |patterns: &[&[&str]]| {
            let exclude = patterns.iter().map(|pattern| words(pattern)).collect();
            Filter { exclude, ..Filter::default() }.takes(&record())
        };
        for pattern in [
            &["Infra"][..],
            &["Infra", "Databases"],
            &["Infra", "Databases", "Main", "Ёлка"],
            &["*"],
            &["In*a", "*ases"],
            &["*", "*", "M*", "*к*"],
        ] {
            assert!(!takes(&[&["HR"], pattern]), "{pattern:?}");
        }
        for pattern in [
            &["Databases"][..],
            &["Infra", "Data"],
            &["infra"],
            &["Infra", "Databases", "Main", "Ёлка", "x"],
            &["Inf*aa"],
            &["*x*"],
        ] {
            assert!(takes(&[pattern]), "{pattern:?}");
        }
    }
}
