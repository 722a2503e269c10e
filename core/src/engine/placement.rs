//! Where a source's vaults and folders stand in a sink.

use crate::engine::endpoint::Endpoint;
use crate::error::{Error, ErrorKind, Result};
use crate::model::RecordPath;

/// Where records go that name neither vault nor folder.
pub(crate) const DEFAULT_VAULT: &str = RecordPath::DEFAULT_VAULT;

/// Places above the one that a comparison names, below which what is compared may have been brought.
const MOST_BACK: usize = 8;

/// What becomes of the source's vaults and folders where the sink is a place in an environment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Structure {
    /// All names, the vault's first, below the place that the sink names.
    #[default]
    Below,
    /// What the place holds that the source names goes into the place that the sink names.
    Keep,
    /// Every record directly into the place that the sink names.
    Flatten,
}

impl Structure {
    /// The choice of that name.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for any other word.
    pub fn from_name(word: &str) -> Result<Self> {
        match word {
            "below" => Ok(Structure::Below),
            "keep" => Ok(Structure::Keep),
            "flatten" => Ok(Structure::Flatten),
            _ => Err(Error::new(ErrorKind::Usage, "structure is below, keep or flatten")),
        }
    }
}

/// The way from a path in a source to its path in a sink.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Placement {
    /// What is taken off: the place that the source names.
    off: RecordPath,
    /// What comes before it: the place that the sink names.
    below: RecordPath,
    flat: bool,
}

impl Placement {
    /// The way from one location to another.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] where folders are to be dropped and no place was named to put everything.
    pub(crate) fn of(from: &Endpoint, to: &Endpoint, structure: Structure) -> Result<Self> {
        let Endpoint::Environment(_, below) = to else { return Ok(Self::default()) };
        if structure == Structure::Flatten && below.vault.is_none() {
            return Err(Error::new(
                ErrorKind::Usage,
                "--structure flatten needs a place to put every record",
            )
            .next_step("name a vault, and a folder in it, as the sink: NAME:Vault/Folder"));
        }
        let off = match structure {
            Structure::Keep if below.vault.is_some() => from.inside(),
            _ => RecordPath::default(),
        };
        Ok(Self { off, below: below.clone(), flat: structure == Structure::Flatten })
    }

    /// Every way that may have been gone from one location to another, the likeliest first, each with what it is called where
    /// it is not the usual one: what was brought there can be compared without being told how.
    pub(crate) fn candidates(from: &Endpoint, to: &Endpoint) -> Vec<(Self, Option<&'static str>)> {
        let of = |structure| Self::of(from, to, structure).ok();
        let mut all = vec![
            (of(Structure::Below), None),
            (of(Structure::Keep), Some("as --structure keep puts them")),
            // A copy of the whole path: an export of this place, or of the other.
            (Some(Self::default()), None),
        ];
        if matches!(from, Endpoint::Environment(..) | Endpoint::Kv(..)) {
            let inside = from.inside();
            // Back from below, or from deeper there: the first folder was a vault, in files by their own rule; one without any
            // stands in the default vault.
            let names: Vec<&String> = inside.vault.iter().chain(&inside.folders).collect();
            for count in (1..=names.len().min(MOST_BACK)).rev() {
                let off = names.iter().take(count).copied().cloned().collect();
                let back = Self { off, ..Self::default() };
                all.push((Some(back), Some("without the place below which the first location has them")));
            }
        }
        all.push((of(Structure::Flatten), Some("as --structure flatten puts them")));
        let mut different: Vec<(Self, Option<&'static str>)> = Vec::new();
        for (one, called) in all {
            if let Some(one) = one.filter(|one| different.iter().all(|(known, _)| known != one)) {
                different.push((one, called));
            }
        }
        different
    }

    /// Where a record stood in the source that stands there in the sink; `None` where nothing tells.
    pub(crate) fn came_from(&self, path: &RecordPath) -> Option<RecordPath> {
        fn names(path: &RecordPath) -> impl Iterator<Item = &String> {
            path.vault.iter().chain(&path.folders)
        }
        let mut rest = names(path);
        if self.flat || !names(&self.below).all(|name| rest.next() == Some(name)) {
            return None;
        }
        Some(names(&self.off).chain(rest).cloned().collect())
    }

    /// Where a record or folder goes that stands there in the source.
    pub(crate) fn place(&self, mut path: RecordPath) -> RecordPath {
        if self.flat {
            return self.below.clone();
        }
        if self.off.vault.is_some() {
            path.vault = None;
            path.folders.drain(..self.off.folders.len().min(path.folders.len()));
        }
        if self.below.vault.is_none() {
            return path;
        }
        let mut folders = self.below.folders.clone();
        folders.extend(path.vault.filter(|vault| vault != DEFAULT_VAULT));
        folders.extend(path.folders);
        RecordPath { vault: self.below.vault.clone(), folders }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(names: &str) -> RecordPath {
        names.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }

    fn placed(off: &str, below: &str, flat: bool, from: &str) -> String {
        let placement = Placement { off: path(off), below: path(below), flat };
        placement.place(path(from)).to_string()
    }

    #[test]
    fn a_path_goes_below_into_or_flat() {
        assert_eq!(placed("", "", false, "Infra/db"), path("Infra/db").to_string());
        assert_eq!(placed("", "New", false, "Infra/db"), path("New/Infra/db").to_string());
        assert_eq!(placed("Infra", "New/Old", false, "Infra/db"), path("New/Old/db").to_string());
        assert_eq!(placed("Infra/db", "New", false, "Infra/db/main"), path("New/main").to_string());
        assert_eq!(placed("", "New/x", true, "Infra/db"), path("New/x").to_string());
        for (off, below, from) in
            [("", "", "Infra/db"), ("", "New", "Infra/db"), ("Infra", "New/Old", "Infra/db/x")]
        {
            let placement = Placement { off: path(off), below: path(below), flat: false };
            assert_eq!(placement.came_from(&placement.place(path(from))), Some(path(from)));
        }
        let flat = Placement { below: path("New"), flat: true, ..Placement::default() };
        assert_eq!(flat.came_from(&path("New")), None);
        // Who named no vault meant none.
        assert_eq!(placed("", "New", false, "Imported"), path("New").to_string());
    }
}
