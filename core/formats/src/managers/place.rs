//! Where records of a document stand, while there are many of them.
//!
//! A path of names is made when its record is given out: were it kept with each, a file of small folders, one in the other
//! or many in one with a long name, would fill the memory with the names of those above them.

use crate::MOST_FOLDERS;
use keyferry_crypto::model::RecordPath;
use std::collections::HashMap;
use std::sync::Arc;

/// A vault or folder by the one that it stands in; the top by default. A copy shares all names.
#[derive(Clone, Default)]
pub(crate) struct Place(Option<Arc<Node>>);

struct Node {
    name: String,
    is_vault: bool,
    above: Place,
    depth: usize,
}

impl Place {
    /// A vault; the top where it has no name.
    pub(crate) fn vault(name: String) -> Self {
        if name.is_empty() { Self::default() } else { Self::node(name, true, &Self::default()) }
    }

    /// A folder in this place; the place itself where that is too deep: its records are rejected anyway.
    pub(crate) fn child(&self, name: String) -> Self {
        if self.is_too_deep() { self.clone() } else { Self::node(name, false, self) }
    }

    /// The same; the place itself where the folder has no name.
    pub(crate) fn below(&self, name: String) -> Self {
        if name.is_empty() { self.clone() } else { self.child(name) }
    }

    /// A place whose records are rejected: one that stands in itself, say.
    pub(crate) fn too_deep() -> Self {
        let node =
            Node { name: String::new(), is_vault: false, above: Self::default(), depth: MOST_FOLDERS + 1 };
        Self(Some(Arc::new(node)))
    }

    fn node(name: String, is_vault: bool, above: &Self) -> Self {
        let depth = above.depth() + usize::from(!is_vault);
        Self(Some(Arc::new(Node { name, is_vault, above: above.clone(), depth })))
    }

    /// How many folders it is down to here.
    fn depth(&self) -> usize {
        self.0.as_ref().map_or(0, |node| node.depth)
    }

    /// Whether its folders are more than a record may stand in.
    pub(crate) fn is_too_deep(&self) -> bool {
        self.depth() > MOST_FOLDERS
    }

    /// Whether it is no place at all.
    pub(super) fn is_top(&self) -> bool {
        self.0.is_none()
    }

    /// The names from the top down.
    pub(crate) fn path(&self) -> RecordPath {
        let mut path = RecordPath::default();
        let up = std::iter::successors(self.0.as_ref(), |node| node.above.0.as_ref());
        for node in up {
            if node.is_vault {
                path.vault = Some(node.name.clone());
            } else {
                path.folders.push(node.name.clone());
            }
        }
        path.folders.reverse();
        // Whoever is too deep without having so many names is seen to be so.
        let names = if self.is_too_deep() { MOST_FOLDERS + 1 } else { 0 };
        path.folders.resize(names.max(path.folders.len()), String::new());
        path
    }
}

impl From<RecordPath> for Place {
    fn from(path: RecordPath) -> Self {
        let top = path.vault.map_or_else(Self::default, |name| Self::node(name, true, &Self::default()));
        path.folders.into_iter().fold(top, |place, name| Self::node(name, false, &place))
    }
}

impl From<Place> for RecordPath {
    fn from(place: Place) -> Self {
        place.path()
    }
}

/// Which places hold something, here or below: each name once for the place that it stands in.
#[derive(Default)]
pub(super) struct Filled {
    vaults: HashMap<String, Folders>,
    top: Folders,
}

/// What holds something in one place.
#[derive(Default)]
struct Folders {
    here: bool,
    below: HashMap<String, Folders>,
}

impl Filled {
    /// Notes that something stands at the end of this path; whether that was new for the last of its places.
    pub(super) fn insert(&mut self, path: &RecordPath) -> bool {
        let mut at = match &path.vault {
            Some(vault) => child(&mut self.vaults, vault),
            None => &mut self.top,
        };
        for name in &path.folders {
            at.here = true;
            at = child(&mut at.below, name);
        }
        !std::mem::replace(&mut at.here, true)
    }
}

/// What is held under a name.
fn child<'a>(all: &'a mut HashMap<String, Folders>, name: &str) -> &'a mut Folders {
    if !all.contains_key(name) {
        all.insert(name.to_owned(), Folders::default());
    }
    all.entry(name.to_owned()).or_default()
}

#[cfg(test)]
mod tests {
    use super::super::items::nested;
    use super::*;

    #[test]
    fn a_place_gives_its_names_from_the_top_down() {
        let place =
            Place::vault("V".to_owned()).below("a".to_owned()).below(String::new()).below("b".to_owned());
        assert_eq!(place.path().to_string(), "V / a / b");
        assert_eq!(Place::from(place.path()).path(), place.path());
        assert!(Place::vault(String::new()).is_top() && Place::default().path() == RecordPath::default());
        let mut deep = Place::default();
        for number in 0..=MOST_FOLDERS + 5 {
            deep = deep.below(number.to_string());
        }
        assert!(deep.is_too_deep() && deep.depth() == MOST_FOLDERS + 1 && Place::too_deep().is_too_deep());
    }

    #[test]
    fn folders_share_the_names_above_them_whatever_their_order() {
        let node = |id: &str, parent: &str| {
            (id.to_owned(), Some(parent.to_owned()).filter(|id| !id.is_empty()), format!("name of {id}"))
        };
        let nodes = [node("c", "b"), node("d", "b"), node("b", "a"), node("a", ""), node("lost", "gone")];
        let places = nested(&nodes);
        assert_eq!(places["c"].path().to_string(), "name of a / name of b / name of c");
        assert_eq!(places["lost"].path().to_string(), "name of lost");
        let above = |id: &str| places[id].0.as_ref().unwrap().above.0.clone().unwrap();
        assert!(
            Arc::ptr_eq(&above("c"), &above("d"))
                && Arc::ptr_eq(&above("c"), places["b"].0.as_ref().unwrap())
        );

        // In a circle, below one, and deeper than records may stand.
        let places = nested(&[node("x", "y"), node("y", "x"), node("z", "x")]);
        assert!(["x", "y", "z"].iter().all(|id| places[*id].is_too_deep()));
        assert!(places["z"].path().folders.len() > MOST_FOLDERS);
        let chain: Vec<_> = (0..=MOST_FOLDERS)
            .rev()
            .map(|number| {
                node(&number.to_string(), &number.checked_sub(1).map_or(String::new(), |up| up.to_string()))
            })
            .collect();
        let places = nested(&chain);
        let (last, before) = (MOST_FOLDERS.to_string(), (MOST_FOLDERS - 1).to_string());
        assert!(places[&last].is_too_deep() && !places[&before].is_too_deep());
        assert_eq!(places[&before].path().folders.len(), MOST_FOLDERS);
    }

    #[test]
    fn a_place_is_new_once_and_those_above_it_are_filled() {
        let mut filled = Filled::default();
        let path = |text: &[&str]| RecordPath {
            vault: None,
            folders: text.iter().map(|name| (*name).to_owned()).collect(),
        };
        assert!(filled.insert(&path(&["a", "b"])));
        assert!(!filled.insert(&path(&["a", "b"])) && !filled.insert(&path(&["a"])));
        assert!(filled.insert(&path(&["b"])));
        assert!(filled.insert(&RecordPath { vault: Some("a".to_owned()), folders: Vec::new() }));
    }
}
