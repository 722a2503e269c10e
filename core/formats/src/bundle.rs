//! A zip archive that is no manager's export but holds files, each of which is read by itself.

use crate::head::Head;
use crate::zip::Zip;
use keyferry_crypto::error::Result;
use keyferry_crypto::model::Entry;
use keyferry_crypto::secret::SecretBytes;
use std::io::Read;

/// Members that say what an archive is: a workbook, a document, a program.
const NO_BUNDLE: [&str; 4] =
    ["[Content_Types].xml", "mimetype", "META-INF/MANIFEST.MF", "AndroidManifest.xml"];

/// Files in a zip archive, in memory.
pub struct Bundle(Zip);

impl Bundle {
    /// Whether a file of no known format that begins so may be one.
    #[must_use]
    pub fn begins(head: &[u8]) -> bool {
        let head = Head::of(head, "");
        let names = head.members();
        head.bytes.starts_with(b"PK\x03\x04") && !names.iter().any(|name| NO_BUNDLE.contains(&name.as_str()))
    }

    /// Reads all of it.
    ///
    /// # Errors
    /// [`Input`](keyferry_crypto::ErrorKind::Input) where it is damaged, or has an encrypted member.
    pub fn open(input: Box<dyn Read + Send>) -> Result<Self> {
        Zip::open(input).map(Self)
    }

    /// The paths of its files.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.0.names().map(str::to_owned).collect()
    }

    /// Files that are not taken, as their names lead elsewhere or stand twice.
    pub fn refused(&mut self) -> Vec<Entry> {
        self.0.take_refused()
    }

    /// A file; `None` where there is no such one, or it was taken already.
    ///
    /// # Errors
    /// [`Input`](keyferry_crypto::ErrorKind::Input) where it is damaged, or all of them come to more than a gigabyte.
    pub fn take(&mut self, name: &str) -> Result<Option<SecretBytes>> {
        let taken = self.0.take(name)?;
        Ok(taken.map(|mut bytes| SecretBytes::new(std::mem::take(&mut *bytes))))
    }
}
