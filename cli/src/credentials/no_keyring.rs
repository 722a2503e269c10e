//! In a build without the feature `keyring` there is none: sessions are kept in files.

use keyferry_core::Result;
use keyferry_core::secret::SecretString;

/// Nobody has one.
#[derive(Clone, Copy, Debug)]
pub enum Keyring {}

impl Keyring {
    /// Always none.
    pub fn at_hand() -> Option<Self> {
        None
    }

    pub fn get(self, _: &str) -> Result<Option<SecretString>> {
        match self {}
    }

    pub fn set(self, _: &str, _: &SecretString) -> Result<()> {
        match self {}
    }

    pub fn remove(self, _: &str) -> Result<()> {
        match self {}
    }
}
