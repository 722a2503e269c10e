//! Vaults and folders of a document.

use crate::MOST_FOLDERS;
use keyferry_crypto::model::RecordPath;
use std::collections::HashMap;

/// A vault or folder.
#[derive(Default)]
pub(super) struct Node {
    pub(super) name: String,
    /// Where it stands, as a JSON pointer.
    pub(super) at: String,
    pub(super) vault: bool,
    /// The node it stands in.
    pub(super) inside: Option<usize>,
    pub(super) id: Option<String>,
    pub(super) parent_id: Option<String>,
    pub(super) vault_id: Option<String>,
    /// A record stands in it or below.
    pub(super) filled: bool,
}

/// All of them.
#[derive(Default)]
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
    vaults: HashMap<String, usize>,
    folders: HashMap<String, usize>,
}

impl Tree {
    /// With all of the names known: the first of an identifier is the one that it leads to.
    pub(super) fn of(mut nodes: Vec<Node>) -> Self {
        let (mut vaults, mut folders) = (HashMap::new(), HashMap::new());
        for (index, node) in nodes.iter_mut().enumerate() {
            if let Some(id) = node.id.take() {
                let ids = if node.vault { &mut vaults } else { &mut folders };
                ids.entry(id).or_insert(index);
            }
        }
        Self { nodes, vaults, folders }
    }

    /// The folder of this identifier; a vault where no folder has it.
    pub(super) fn folder(&self, id: &str) -> Option<usize> {
        self.folders.get(id).or_else(|| self.vaults.get(id)).copied()
    }

    /// The vault of this identifier; a folder where no vault has it.
    pub(super) fn vault(&self, id: &str) -> Option<usize> {
        self.vaults.get(id).or_else(|| self.folders.get(id)).copied()
    }

    fn parent(&self, node: &Node) -> Option<usize> {
        if node.vault {
            return None;
        }
        let by_id = node.parent_id.as_ref().and_then(|id| self.folder(id));
        by_id.or(node.inside).or_else(|| node.vault_id.as_ref().and_then(|id| self.vaults.get(id).copied()))
    }

    /// The path of a node, which is then known to be filled; `None` if it is inside itself.
    pub(super) fn path(&mut self, mut at: Option<usize>, fill_from: bool) -> Option<RecordPath> {
        let mut path = RecordPath::default();
        let mut fill = fill_from;
        while let Some(index) = at {
            // The cap keeps a file full of circles from costing its square, too.
            if path.folders.len() > self.nodes.len().min(MOST_FOLDERS) {
                return None;
            }
            let node = self.nodes.get_mut(index)?;
            node.filled |= fill;
            fill = true;
            let node = self.nodes.get(index)?;
            if node.vault {
                path.vault = Some(node.name.clone());
            } else {
                path.folders.push(node.name.clone());
            }
            at = self.parent(node);
        }
        path.folders.reverse();
        Some(path)
    }
}
