//! Which records share a password: found by keyed digest, so that no password is kept.
//!
//! In memory stay 32 bytes for each password. What the records are called waits in a file without a name, as
//! only the records of a group are ever told.

use crate::engine::audit::finding::Field;
use crate::engine::compare::digest::{Digester, Short};
use crate::error::{Error, Result};
use crate::secret::SecretString;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::io::{self, BufReader, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use tempfile::SpooledTempFile;

/// Names that fit into so many bytes stay in memory.
const IN_MEMORY: usize = 4 << 20;

/// What a finding calls a record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Subject {
    pub record: String,
    pub id: Option<String>,
    pub at: Option<String>,
}

/// Digests under a key that lives as long as the audit.
pub(crate) struct DigestStore(Digester);

impl DigestStore {
    pub fn new() -> Result<Self> {
        Ok(Self(Digester::new()?))
    }

    pub fn of(&self, password: &SecretString) -> Short {
        self.0.secret(password)
    }
}

/// Every password that was seen.
pub(crate) struct Reuse {
    seen: Vec<(Short, u64, Field)>,
    names: BufWriter<SpooledTempFile>,
    end: u64,
}

impl Reuse {
    pub fn new() -> Self {
        Self { seen: Vec::new(), names: BufWriter::new(SpooledTempFile::new(IN_MEMORY)), end: 0 }
    }

    /// Adds a record with the digests of its passwords. One that it holds twice is no reuse.
    pub fn add(&mut self, subject: &Subject, digests: &[(Field, Short)]) -> Result<()> {
        if digests.is_empty() {
            return Ok(());
        }
        let mut own = HashSet::new();
        let fresh = digests.iter().filter(|(_, digest)| own.insert(*digest));
        self.seen.extend(fresh.map(|(field, digest)| (*digest, self.end, *field)));
        let text = serde_json::to_vec(subject).map_err(|error| spilled(error.into()))?;
        let length = text.len() as u64;
        self.names.write_all(&length.to_ne_bytes()).map_err(spilled)?;
        self.names.write_all(&text).map_err(spilled)?;
        self.end += length + 8;
        Ok(())
    }

    /// The groups of records that share a password, in the order of their first.
    pub fn groups(mut self) -> Result<Vec<Vec<(Subject, Field)>>> {
        self.seen.sort_unstable();
        let mut names = self.names.into_inner().map_err(|error| spilled(error.into_error()))?;
        names.rewind().map_err(spilled)?;
        let mut names = BufReader::new(names);
        let alike = self.seen.chunk_by(|(one, ..), (other, ..)| one == other);
        let mut groups: Vec<_> = alike.filter(|group| group.len() > 1).collect();
        groups.sort_unstable_by_key(|group| group.first().map(|(_, at, _)| *at));
        let member = |(_, at, field): &(Short, u64, Field)| Ok((read(&mut names, *at)?, *field));
        let mut member = member;
        groups.into_iter().map(|group| group.iter().map(&mut member).collect()).collect()
    }
}

fn read(names: &mut BufReader<SpooledTempFile>, at: u64) -> Result<Subject> {
    let mut read = || -> io::Result<Subject> {
        names.seek(SeekFrom::Start(at))?;
        let mut length = [0; 8];
        names.read_exact(&mut length)?;
        let mut text = Vec::new();
        names.take(u64::from_ne_bytes(length)).read_to_end(&mut text)?;
        Ok(serde_json::from_slice(&text)?)
    };
    read().map_err(spilled)
}

fn spilled(error: io::Error) -> Error {
    Error::io(std::env::temp_dir(), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_come_in_the_order_of_reading_also_from_the_disk() {
        let digests = DigestStore::new().unwrap();
        let digest = |word: String| digests.of(&SecretString::new(word));
        let mut reuse = Reuse::new();
        let many = 40_000_u32;
        for number in 0..many {
            let subject = Subject { record: format!("{number} {}", "x".repeat(100)), ..Subject::default() };
            // Every record holds one password twice; those of a thousand, and of one more field, repeat.
            let word = if number < 2_000 { number % 1_000 } else { number };
            let mut held = vec![
                (Field::Password, digest(word.to_string())),
                (Field::Custom(2), digest(word.to_string())),
            ];
            if number % (many - 1) == 0 {
                held.push((Field::Custom(3), digest("first and last".to_owned())));
            }
            reuse.add(&subject, &held).unwrap();
        }
        let groups = reuse.groups().unwrap();
        assert_eq!(groups.len(), 1_001);
        let names = |group: &[(Subject, Field)]| {
            let name = |(subject, field): &(Subject, Field)| {
                format!("{} {field}", subject.record.split(' ').next().unwrap_or_default())
            };
            group.iter().map(name).collect::<Vec<_>>()
        };
        let mut firsts: Vec<_> = groups[..2].iter().map(|group| names(group)).collect();
        firsts.sort();
        assert_eq!(firsts, [["0 custom field 3", "39999 custom field 3"], ["0 password", "1000 password"]]);
        assert_eq!(names(&groups[1_000]), ["999 password", "1999 password"]);
    }
}
