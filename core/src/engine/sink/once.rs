//! The keys under which an environment makes each thing once: what two runs of the same user make of the same source in the
//! same place has the same key, whichever journal they keep, and whoever comes second finds it made.
//!
//! `HMAC-SHA-256[the user's own key](what ‖ place ‖ content ‖ number)`: only the user can take it, so that the environment
//! cannot try guesses at what it stands for. The number counts records alike in everything, so that twins have different keys
//! and stay as many as the source has. What the environment does learn is that a request means the same as one of the last
//! days; without that it could not keep the second one out.

use crate::client::OnceKey;
use crate::crypto::generate;
use crate::engine::compare::digest::{Digester, RecordDigest, Short};
use crate::engine::environment::Environment;
use crate::error::Result;
use crate::model::Record;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use hmac::{Hmac, KeyInit as _, Mac as _};
use keyferry_api::IDEMPOTENCY_FEATURE;
use sha2::Sha256;
use std::collections::{HashMap, HashSet};
use zeroize::Zeroizing;

/// Makes keys. One for each run, which its answers are told by.
pub(crate) struct Keys {
    mac: Hmac<Sha256>,
    run: String,
}

/// What a record of the source is in the sink: its content, and its number among those alike in everything, from 0.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    content: (Short, Short),
    pub(crate) number: u32,
}

/// Counts records alike in everything: a word for each.
pub(crate) struct Identities {
    digester: Option<Digester>,
    seen: HashSet<u64>,
    again: HashMap<u64, u32>,
}

/// `None` where the environment does not heed keys.
pub(crate) async fn prepare(
    environment: &Environment,
    digester: &Digester,
) -> Result<Option<(Keys, Identities)>> {
    if !environment.client().features().await?.iter().any(|feature| feature.name == IDEMPOTENCY_FEATURE) {
        return Ok(None);
    }
    let own = match environment.keychain() {
        Ok(keychain) => keychain.comparison_key()?,
        // Nothing is encrypted there: the environment reads what the key is made of anyway.
        Err(_) => Zeroizing::new(*b"keyferry without keys of the use"),
    };
    let mut run = [0; 8];
    generate::random_bytes(&mut run)?;
    let keys = Keys { mac: under(&*own), run: HEXLOWER.encode(&run) };
    // A key that lives as long as this run would give another run's records other digests.
    let digester = (!digester.is_lasting()).then(|| Digester::of_user(&*own));
    Ok(Some((keys, Identities { digester, seen: HashSet::new(), again: HashMap::new() })))
}

fn under(key: &[u8]) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC pads or hashes keys of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(b"keyferry idempotency\0");
    mac
}

impl Identities {
    /// The identity of the source's next record; `digest` is the transfer's own.
    pub(crate) fn next(&mut self, record: &Record, digest: &RecordDigest) -> Identity {
        let content = match &self.digester {
            Some(digester) => digester.digest(record).whole(),
            None => digest.whole(),
        };
        let folded =
            |short: &Short| short.iter().take(8).fold(0, |word: u64, byte| word << 8 | u64::from(*byte));
        let word = folded(&content.1) ^ folded(&content.0);
        let number = if self.seen.insert(word) {
            0
        } else {
            let again = self.again.entry(word).or_default();
            *again += 1;
            *again
        };
        Identity { content, number }
    }
}

impl Keys {
    fn key<'a>(&self, what: &'a str, parts: impl IntoIterator<Item = &'a [u8]>) -> OnceKey {
        let mut mac = self.mac.clone();
        for part in [what.as_bytes()].into_iter().chain(parts) {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        OnceKey::new(&BASE64URL_NOPAD.encode(&mac.finalize().into_bytes()[..16]), &self.run)
    }

    /// The key of a record in a place, as the `number`-th of those alike.
    pub(crate) fn item(
        &self,
        vault: &str,
        folder: Option<&str>,
        identity: &Identity,
        number: u32,
    ) -> OnceKey {
        let number = number.to_be_bytes();
        let folder = folder.unwrap_or_default();
        self.key(
            "item",
            [vault.as_bytes(), folder.as_bytes(), &identity.content.0, &identity.content.1, &number],
        )
    }

    /// A key that nothing else has.
    pub(crate) fn fresh(&self) -> Result<OnceKey> {
        let mut random = [0; 16];
        generate::random_bytes(&mut random)?;
        Ok(self.key("fresh", [&random[..]]))
    }

    /// The key of a change that makes an item of this revision what a record is.
    pub(crate) fn change(&self, item: &str, revision: i64, identity: &Identity) -> OnceKey {
        let revision = revision.to_be_bytes();
        self.key("change", [item.as_bytes(), &revision, &identity.content.0, &identity.content.1])
    }

    /// The key of a folder.
    pub(crate) fn folder(&self, vault: &str, parent: Option<&str>, name: &str) -> OnceKey {
        self.key("folder", [vault, parent.unwrap_or_default(), name].map(str::as_bytes))
    }

    /// The key of a vault.
    pub(crate) fn vault(&self, name: &str) -> OnceKey {
        self.key("vault", [name.as_bytes()])
    }
}
