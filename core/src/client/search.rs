//! A server's own search: by where something stands and by its tags, rather than by its text.

use crate::Result;
use crate::client::Client;
use keyferry_api::item::ItemSummary;
use keyferry_api::shortcut::FoundShortcut;

/// What to look for. Every list that is not empty must hold; of vaults and of folders any one is enough, of tags all
/// must be there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// In one of these vaults, by id.
    pub vaults: Vec<String>,
    /// In one of these folders, by id; not in folders below them.
    pub folders: Vec<String>,
    /// With all of these tags.
    pub tags: Vec<String>,
}

impl Search {
    /// Whether nothing is looked for, which finds everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn query(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, values) in
            [("vaultIds[]", &self.vaults), ("folderIds[]", &self.folders), ("tags[]", &self.tags)]
        {
            query.extend_pairs(values.iter().map(|value| (name, value)));
        }
        query.finish()
    }
}

impl Client {
    /// The items that the search finds.
    pub async fn search_items(&self, search: &Search) -> Result<Vec<ItemSummary>> {
        self.gather(&format!("/items/search?{}", search.query())).await
    }

    /// The shortcuts that the search finds, each with what it leads to.
    pub async fn search_shortcuts(&self, search: &Search) -> Result<Vec<FoundShortcut>> {
        self.gather(&format!("/shortcuts/search?{}", search.query())).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_repeat_their_name_and_are_escaped() {
        let search =
            Search { folders: vec!["a".into(), "b".into()], tags: vec!["x&y".into()], ..Search::default() };
        assert_eq!(search.query(), "folderIds%5B%5D=a&folderIds%5B%5D=b&tags%5B%5D=x%26y");
    }
}
