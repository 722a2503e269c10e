//! The records that references name, fetched together: each once, in batches.

use crate::secrets::environments::Opened;
use crate::secrets::reference::Reference;
use keyferry_core::engine::FetchedRecord;
use keyferry_core::secret::SecretString;
use keyferry_core::{Error, ErrorKind, Result};
use std::collections::{BTreeMap, HashMap};

/// Records by environment and path.
#[derive(Default)]
pub struct Fetched {
    records: HashMap<(Option<String>, Vec<String>), Result<FetchedRecord>>,
}

impl Fetched {
    /// Fetches what these references name.
    ///
    /// # Errors
    /// Where an environment cannot be opened or listed. A record that is not there is told by [`Fetched::record`].
    pub async fn of<'a>(
        references: impl IntoIterator<Item = &'a Reference>,
        opened: &mut Opened<'_>,
    ) -> Result<Self> {
        let mut wanted: BTreeMap<Option<&str>, Vec<Vec<String>>> = BTreeMap::new();
        for reference in references {
            let names = wanted.entry(reference.environment.as_deref()).or_default();
            if !names.contains(&reference.names) {
                names.push(reference.names.clone());
            }
        }
        let mut fetched = Self::default();
        for (environment, names) in wanted {
            let picked = opened.named(environment).await?.fetch_each(&names).await?;
            let keys = names.into_iter().map(|names| (environment.map(str::to_owned), names));
            fetched.records.extend(keys.zip(picked));
        }
        Ok(fetched)
    }

    /// The record that a reference names.
    pub fn record(&self, reference: &Reference) -> Result<&FetchedRecord> {
        let key = (reference.environment.clone(), reference.names.clone());
        match self.records.get(&key) {
            Some(Ok(picked)) => Ok(picked),
            Some(Err(error)) => Err(error.again()),
            None => Err(Error::new(ErrorKind::Internal, format!("`{reference}` was not fetched"))),
        }
    }

    /// The value that a reference names.
    pub fn value(&self, reference: &Reference) -> Result<SecretString> {
        reference.wanted.of(self.record(reference)?)
    }
}
