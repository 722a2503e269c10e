//! A few of many records, chosen at random while all of them pass by.

use crate::engine::compare::digest::{DigestStore, RecordDigest};
use crate::error::Result;
use std::collections::HashSet;

/// Records of a sample. Where one record in a hundred were damaged, so many would all be sound once
/// in fifty times.
const SIZE: usize = 400;

/// Each record offered is in it with the same probability (Vitter's algorithm R).
#[derive(Default)]
pub(crate) struct Sample {
    chosen: Vec<(String, RecordDigest, String)>,
    offered: usize,
}

impl Sample {
    /// A record that was written: its id, its digests, its label.
    pub(crate) fn offer(&mut self, id: &str, digest: &RecordDigest, label: &str) {
        self.offered += 1;
        let one = || (id.to_owned(), digest.clone(), label.to_owned());
        if self.chosen.len() < SIZE {
            self.chosen.push(one());
        } else if let Some(place) = self.chosen.get_mut(fastrand::usize(..self.offered)) {
            *place = one();
        }
    }

    /// The ids to read, and what they must hold.
    pub(crate) fn into_parts(self) -> Result<(HashSet<String>, DigestStore)> {
        let mut expected = DigestStore::new();
        let mut ids = HashSet::with_capacity(self.chosen.len());
        for (id, digest, label) in self.chosen {
            expected.add(&digest, &label)?;
            ids.insert(id);
        }
        Ok((ids, expected))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::compare::digest::Digester;
    use crate::model::Record;

    #[test]
    fn a_sample_takes_from_everywhere_and_never_too_many() {
        let digest = Digester::new().unwrap().digest(&Record::default());
        let mut sample = Sample::default();
        for n in 0..20 * SIZE {
            sample.offer(&n.to_string(), &digest, "");
        }
        let (ids, expected) = sample.into_parts().unwrap();
        let numbers: Vec<usize> = ids.iter().map(|id| id.parse().unwrap()).collect();
        assert_eq!(numbers.len(), SIZE);
        assert_eq!(expected.into_parts().map(|part| part.unwrap().len()).sum::<usize>(), SIZE);
        // With even odds the chance that one half holds less than a quarter of them is below 1e-24.
        let late = numbers.iter().filter(|n| **n >= 10 * SIZE).count();
        assert!((SIZE / 4..SIZE * 3 / 4).contains(&late), "{late}");
    }
}
