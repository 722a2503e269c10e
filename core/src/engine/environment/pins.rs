//! What an environment is held to: who remembers what it said of its keys.

use crate::error::Result;
use crate::secret::SecretString;

/// A memory of keys. The journal is one; nothing in it opens anything.
pub trait Pins: Send + Sync {
    /// Makes sure that an environment in which users had keys is not one without all at once.
    ///
    /// # Errors
    /// [`NotAllowed`](crate::error::ErrorKind::NotAllowed) where its user has none.
    fn pin_encryption(&self, place: &str, encrypts: bool) -> Result<()>;

    /// Makes sure that a vault's key is the one that was seen first. The server wraps keys for a user as well as anybody:
    /// a key of its own that it puts in the place of a vault's would open all that is written from then on.
    ///
    /// # Errors
    /// [`NotAllowed`](crate::error::ErrorKind::NotAllowed) where it is another, or where a vault that had a key has none
    /// any more.
    fn pin_vault(&self, place: &str, vault: &str, key: Option<&SecretString>) -> Result<()>;

    /// Whether a vault's key was seen before.
    fn knows_vault(&self, place: &str, vault: &str) -> Result<bool>;
}
