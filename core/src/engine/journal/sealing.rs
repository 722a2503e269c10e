//! The job's own key: digests and sealed items that only the user can say anything about.

use crate::crypto::generate;
use crate::engine::journal::content::Content;
use crate::error::{Error, ErrorKind, Result};
use crate::secret::SecretString;
use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit as _, Nonce};
use data_encoding::BASE64;
use hmac::{Hmac, Mac};
use keyferry_api::item::Item;
use sha2::Sha256;
use zeroize::Zeroizing;

/// What keeps a job's digests and sealed items from whoever reads the journal.
pub(crate) struct JobKey(Zeroizing<[u8; 32]>);

impl JobKey {
    /// Bytes of a nonce, which stands before what it sealed.
    const NONCE: usize = 12;

    pub(crate) fn generate() -> Result<Self> {
        let mut key = Zeroizing::new([0; 32]);
        generate::random_bytes(&mut *key)?;
        Ok(Self(key))
    }

    pub(crate) fn to_text(&self) -> SecretString {
        SecretString::new(BASE64.encode(&*self.0))
    }

    pub(crate) fn from_text(text: &SecretString) -> Result<Self> {
        let bytes = BASE64.decode(text.expose().as_bytes()).map(Zeroizing::new).unwrap_or_default();
        let key = <[u8; 32]>::try_from(bytes.as_slice())
            .map_err(|_| Error::new(ErrorKind::Decrypt, "the job's key is damaged"))?;
        Ok(Self(Zeroizing::new(key)))
    }

    /// `HMAC-SHA-256[job key](length ‖ bytes ‖ …)` over an item's content.
    pub(crate) fn digest(&self, content: &Content<'_>) -> [u8; 32] {
        #[expect(clippy::expect_used, reason = "HMAC pads or hashes keys of any length")]
        let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(&*self.0).expect("any length");
        content.feed(|bytes| mac.update(bytes));
        mac.finalize().into_bytes().into()
    }

    /// `nonce ‖ AES-256-GCM[job key](item as JSON)`, bound to the item's id.
    pub(crate) fn seal(&self, item: &Item) -> Result<Vec<u8>> {
        let failed = || Error::new(ErrorKind::Internal, "an item could not be sealed");
        let json = Zeroizing::new(serde_json::to_vec(item).map_err(|_| failed())?);
        self.seal_bytes(item.id.as_bytes(), &json).map_err(|_| failed())
    }

    /// `nonce ‖ AES-256-GCM[job key](content)`, bound to `to`.
    pub(crate) fn seal_bytes(&self, to: &[u8], content: &[u8]) -> Result<Vec<u8>> {
        let mut nonce = [0; Self::NONCE];
        generate::random_bytes(&mut nonce)?;
        let payload = Payload { msg: content, aad: to };
        let sealed = self
            .cipher()
            .encrypt(&Nonce::from(nonce), payload)
            .map_err(|_| Error::new(ErrorKind::Internal, "sealing failed"))?;
        Ok([&nonce[..], &sealed].concat())
    }

    pub(crate) fn open(&self, id: &str, sealed: &[u8]) -> Result<Item> {
        let damaged = || Error::new(ErrorKind::Decrypt, "what an item was before is damaged in the journal");
        let json = self.open_bytes(id.as_bytes(), sealed).ok_or_else(damaged)?;
        serde_json::from_slice(&json).map_err(|_| damaged())
    }

    /// What was sealed; `None` where it is damaged, or bound to something else.
    pub(crate) fn open_bytes(&self, to: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = sealed.split_first_chunk::<{ Self::NONCE }>()?;
        let payload = Payload { msg: sealed, aad: to };
        self.cipher().decrypt(&Nonce::from(*nonce), payload).ok().map(Zeroizing::new)
    }

    fn cipher(&self) -> Aes256Gcm {
        Aes256Gcm::new((&*self.0).into())
    }
}
