//! Groups, and the paths that they come to.
//!
//! A path is made when its record is given out: a file of small groups, one in the other, would otherwise fill the memory
//! with the names of those above each.

use keyferry_crypto::error::{Error, ErrorKind};

/// Groups, entries and attachments of one file: more than any program copes with, and an end for files that are made to
/// fill the memory.
pub(super) const MOST: usize = 1 << 20;

/// What a root group of ours says of itself in `CustomData`: its groups are the vaults, and it is none.
pub(super) const FRAME: (&str, &str) = ("keyferry.groups", "vaults");

/// An error of a file that holds more than that.
pub(super) fn too_many() -> Error {
    Error::new(ErrorKind::Input, "the file has more than a million groups, entries and attachments")
        .next_step("divide it, if it is not made to fill the memory")
}

/// A group.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Place {
    pub(super) parent: Option<usize>,
    pub(super) name: String,
    /// Its records take them.
    pub(super) tags: Vec<String>,
    /// How many groups it is down to here, this one included.
    pub(super) depth: usize,
    /// It holds something that is given out.
    pub(super) filled: bool,
    /// It is the recycle bin, or in it.
    pub(super) in_bin: bool,
    pub(super) is_bin: bool,
    /// It stands around the vaults, and in no path.
    pub(super) is_frame: bool,
}

/// All groups, in the order of the file.
#[derive(Default)]
pub(super) struct Places {
    all: Vec<Place>,
}

impl Places {
    /// A new group in another; its number.
    pub(super) fn open(&mut self, parent: Option<usize>, name: String, bin: bool) -> usize {
        let above = parent.and_then(|parent| self.all.get(parent));
        let depth = above.map_or(1, |above| above.depth + 1);
        let in_bin = bin || above.is_some_and(|above| above.in_bin);
        self.all.push(Place {
            parent,
            name,
            tags: Vec::new(),
            depth,
            filled: false,
            in_bin,
            is_bin: bin,
            is_frame: false,
        });
        self.all.len() - 1
    }

    pub(super) fn get(&self, number: usize) -> Option<&Place> {
        self.all.get(number)
    }

    pub(super) fn get_mut(&mut self, number: usize) -> Option<&mut Place> {
        self.all.get_mut(number)
    }

    pub(super) fn numbers(&self) -> std::ops::Range<usize> {
        0..self.all.len()
    }

    /// How deep a group stands, from the vault on.
    pub(super) fn depth(&self, number: usize) -> usize {
        let frame = usize::from(self.get(0).is_some_and(|place| place.is_frame));
        self.get(number).map_or(0, |place| place.depth - frame)
    }

    /// The group and those above it, from there up.
    fn up(&self, number: usize) -> impl Iterator<Item = &Place> {
        std::iter::successors(self.get(number), |place| place.parent.and_then(|parent| self.get(parent)))
    }

    /// Names from the top down.
    pub(super) fn names(&self, number: usize) -> Vec<String> {
        let mut names: Vec<_> =
            self.up(number).filter(|place| !place.is_frame).map(|place| place.name.clone()).collect();
        names.reverse();
        names
    }

    /// Tags that a record in a group takes.
    pub(super) fn tags(&self, number: usize) -> impl Iterator<Item = &String> {
        self.up(number).flat_map(|place| &place.tags)
    }

    /// Notes for each group whether there is another in it, leaving the bin out unless it is asked for.
    pub(super) fn fill_parents(&mut self, with_bin: bool) {
        for number in self.numbers() {
            let parent =
                self.get(number).filter(|place| with_bin || !place.in_bin).and_then(|place| place.parent);
            if let Some(parent) = parent.and_then(|parent| self.get_mut(parent)) {
                parent.filled = true;
            }
        }
    }
}
