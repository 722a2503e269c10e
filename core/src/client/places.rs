//! Where the items of a vault stand: a list that may be long, and so waits on the disk.

use crate::client::list::Gather;
use crate::{Error, ErrorKind, Result};
use keyferry_api::item::ItemPlace;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, BufRead as _, BufReader, BufWriter, Read as _, Seek as _, Write as _};
use tempfile::SpooledTempFile;

/// A longer list goes to the disk: ids and times alone, no names.
const IN_MEMORY: usize = 256 << 10;
/// Stands for an item outside folders.
const NO_FOLDER: u32 = u32::MAX;

/// The places of a vault's items, in the order in which the environment listed them.
pub struct Places {
    spool: BufWriter<SpooledTempFile>,
    count: usize,
    folders: Vec<Box<str>>,
    numbers: HashMap<Box<str>, u32>,
    /// A word for each id: an item listed twice would be carried twice.
    seen: HashSet<u64>,
    hasher: RandomState,
}

impl Default for Places {
    fn default() -> Self {
        let spool = BufWriter::new(SpooledTempFile::new(IN_MEMORY));
        Self {
            spool,
            count: 0,
            folders: Vec::new(),
            numbers: HashMap::new(),
            seen: HashSet::new(),
            hasher: RandomState::new(),
        }
    }
}

/// The first places of a list, which is not heard to its end.
#[derive(Default)]
pub(super) struct First<const N: usize>(pub(super) Vec<ItemPlace>);

impl<const N: usize> Gather<ItemPlace> for First<N> {
    const NEEDS_LITTLE: bool = true;

    fn take(&mut self, place: ItemPlace) -> Result<()> {
        if self.0.len() < N {
            self.0.push(place);
        }
        Ok(())
    }

    fn has_enough(&self) -> bool {
        self.0.len() >= N
    }
}

impl Gather<ItemPlace> for Places {
    const NEEDS_LITTLE: bool = true;

    fn take(&mut self, place: ItemPlace) -> Result<()> {
        if !self.seen.insert(self.hasher.hash_one(&place.id)) {
            return Err(Error::new(ErrorKind::Protocol, format!("the list names item {} twice", place.id)));
        }
        let folder = match place.folder_id {
            None => NO_FOLDER,
            Some(id) => *self.numbers.entry(id).or_insert_with_key(|id| {
                self.folders.push(id.clone());
                u32::try_from(self.folders.len() - 1).unwrap_or(NO_FOLDER)
            }),
        };
        let mut write = || {
            self.spool.write_all(&folder.to_ne_bytes())?;
            self.spool.write_all(&place.updated_at.unwrap_or(i64::MIN).to_ne_bytes())?;
            self.spool.write_all(&place.id.len().to_ne_bytes())?;
            self.spool.write_all(place.id.as_bytes())
        };
        write().map_err(spooled)?;
        self.count += 1;
        Ok(())
    }
}

impl Places {
    /// How many items there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is no item.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The ids of the folders that hold an item.
    pub fn folders(&self) -> impl Iterator<Item = &str> {
        self.folders.iter().map(|id| &**id)
    }

    /// Every place.
    pub fn read(self) -> Result<impl Iterator<Item = Result<ItemPlace>>> {
        let mut spool = self.spool.into_inner().map_err(|error| spooled(error.into_error()))?;
        spool.rewind().map_err(spooled)?;
        let mut spool = BufReader::with_capacity(32 << 10, spool);
        let folders = self.folders;
        Ok(std::iter::from_fn(move || next(&mut spool, &folders).map_err(spooled).transpose()))
    }
}

fn next(spool: &mut BufReader<SpooledTempFile>, folders: &[Box<str>]) -> io::Result<Option<ItemPlace>> {
    fn take<const N: usize>(from: &mut BufReader<SpooledTempFile>) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        from.read_exact(&mut bytes)?;
        Ok(bytes)
    }
    if spool.fill_buf()?.is_empty() {
        return Ok(None);
    }
    let folder = u32::from_ne_bytes(take(spool)?);
    let updated_at = i64::from_ne_bytes(take(spool)?);
    let mut id = vec![0; usize::from_ne_bytes(take(spool)?)];
    spool.read_exact(&mut id)?;
    Ok(Some(ItemPlace {
        id: String::from_utf8_lossy(&id).into(),
        folder_id: folders.get(folder as usize).cloned(),
        updated_at: Some(updated_at).filter(|at| *at != i64::MIN),
    }))
}

fn spooled(error: io::Error) -> Error {
    Error::io(std::env::temp_dir(), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_back_in_order_from_the_disk_too() {
        let place = |n: usize| ItemPlace {
            id: format!("item-{n}").into(),
            folder_id: (!n.is_multiple_of(3)).then(|| format!("folder-{}", n % 7).into()),
            updated_at: i64::try_from(n).ok().filter(|n| n % 2 > 0),
        };
        let mut places = Places::default();
        let many = IN_MEMORY / 20;
        (0..many).try_for_each(|n| places.take(place(n))).unwrap();
        assert_eq!((places.len(), places.folders().count()), (many, 7));
        for (n, read) in places.read().unwrap().enumerate() {
            let (read, place) = (read.unwrap(), place(n));
            assert_eq!(
                (read.id, read.folder_id, read.updated_at),
                (place.id, place.folder_id, place.updated_at)
            );
        }
    }
}
