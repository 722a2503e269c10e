//! Other people whom keys are wrapped for: said with their fingerprints before anything leaves, and asked where a key was
//! never seen. What is wrapped for a key that a server put in another's place, that server can read.

use crate::crypto::keychain::PublicKey;
use crate::engine::environment::Environment;
use crate::engine::report::WrappedFor;
use crate::engine::report::progress::Progress;
use crate::error::{Error, ErrorKind, Place, Result};

/// Somebody, and the public key that the server shows for them.
pub(crate) type Recipient = (WrappedFor, PublicKey);

/// Somebody by the word of the server.
///
/// # Errors
/// Where the key is none, or too weak to wrap anything for.
pub(crate) fn recipient(id: String, name: Option<String>, pem: &str) -> Result<Recipient> {
    let public = PublicKey::from_pem(pem)?;
    let fingerprint = data_encoding::HEXLOWER.encode(&public.fingerprint()?);
    let whom = WrappedFor { id, name, fingerprint };
    public.strong().map_err(|error| error.at(Place::Record(whom.to_string())))?;
    Ok((whom, public))
}

/// Makes sure that these keys are those of before; `what` is said to be wrapped for them, and asked about where a key was
/// never seen, unless such are trusted. From then on they are known.
///
/// # Errors
/// [`ErrorKind::NotAllowed`] where a key is another than before, or was never seen and nobody says yes.
pub(crate) fn agree<'a>(
    environment: &Environment,
    progress: &dyn Progress,
    trust: bool,
    what: &str,
    otherwise: &str,
    recipients: impl IntoIterator<Item = &'a Recipient>,
) -> Result<()> {
    for (whom, key) in recipients {
        let known = match environment.memory() {
            Some(memory) => memory.user_agrees(&whom.id, key)?,
            None => false,
        };
        if !known && !trust {
            let question = format!(
                "{what} are wrapped for {whom}, whose key was never seen here. Compare it over another way. Go on?"
            );
            if tokio::task::block_in_place(|| progress.confirm(&question)) != Some(true) {
                let what = format!("{what} would be wrapped for {whom}, whose key was never seen here");
                return Err(Error::new(ErrorKind::NotAllowed, what).next_step(format!(
                    "compare the fingerprint with that user over another way, then add --trust-administrators{otherwise}"
                )));
            }
        }
        progress.note(&format!("{what} are wrapped for {whom}"));
        if let (false, Some(memory)) = (known, environment.memory()) {
            memory.pin_user(&whom.id, key)?;
        }
    }
    Ok(())
}
