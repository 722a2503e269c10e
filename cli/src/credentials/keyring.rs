//! The system's keyring: Secret Service on Linux, Keychain on macOS, Credential Manager on Windows.

use crate::credentials::process;
use keyferry_core::secret::SecretString;
use keyferry_core::{Error, ErrorKind, Result};
use keyring::{Entry, Error as Failure};

/// What our entries are found by.
const SERVICE: &str = "keyferry";

/// A keyring that answers.
#[derive(Clone, Copy, Debug)]
pub struct Keyring(());

impl Keyring {
    /// The keyring; `None` where there is none, or `KEYFERRY_KEYRING=off` says to leave it alone.
    pub fn at_hand() -> Option<Self> {
        if process("KEYFERRY_KEYRING").as_deref() == Some("off") || !may_exist() {
            return None;
        }
        // Nothing is kept under this name: the question alone shows whether anybody answers.
        match apart(|| Entry::new(SERVICE, "keyferry")?.get_password()) {
            Ok(_) | Err(Failure::NoEntry) => Some(Self(())),
            Err(_) => None,
        }
    }

    /// What is kept under a name.
    #[expect(clippy::unused_self, reason = "having one shows that the keyring answers")]
    pub fn get(self, account: &str) -> Result<Option<SecretString>> {
        match apart(|| Entry::new(SERVICE, account)?.get_password()) {
            Ok(secret) => Ok(Some(SecretString::new(secret))),
            Err(Failure::NoEntry) => Ok(None),
            Err(error) => Err(failed(&error)),
        }
    }

    /// Keeps a secret under a name, in place of what was kept there.
    #[expect(clippy::unused_self, reason = "having one shows that the keyring answers")]
    pub fn set(self, account: &str, secret: &SecretString) -> Result<()> {
        apart(|| Entry::new(SERVICE, account)?.set_password(secret.expose())).map_err(|error| failed(&error))
    }

    /// Forgets what is kept under a name; nothing is no error.
    #[expect(clippy::unused_self, reason = "having one shows that the keyring answers")]
    pub fn remove(self, account: &str) -> Result<()> {
        match apart(|| Entry::new(SERVICE, account)?.delete_credential()) {
            Ok(()) | Err(Failure::NoEntry) => Ok(()),
            Err(error) => Err(failed(&error)),
        }
    }
}

/// The Secret Service is reached over the session's bus: without one nobody need be waited for.
fn may_exist() -> bool {
    if !cfg!(all(unix, not(target_os = "macos"))) {
        return true;
    }
    let bus = || Some(std::path::Path::new(&process("XDG_RUNTIME_DIR")?).join("bus").exists());
    process("DBUS_SESSION_BUS_ADDRESS").is_some() || bus() == Some(true)
}

/// The keyring's library waits in its own way, which must not happen on a thread of our runtime.
fn apart<T: Send>(work: impl FnOnce() -> keyring::Result<T> + Send) -> keyring::Result<T> {
    std::thread::scope(|scope| {
        let done = scope.spawn(work).join();
        done.unwrap_or_else(|_| Err(Failure::NoDefaultStore))
    })
}

fn failed(error: &Failure) -> Error {
    // What the library quotes could be the secret itself.
    let what = match error {
        Failure::NoStorageAccess(_) => "the keyring is locked",
        Failure::Ambiguous(_) => "the keyring holds several entries of one name",
        Failure::TooLong(..) => "the keyring takes no secret as long as this",
        _ => "the keyring failed",
    };
    Error::new(ErrorKind::Io, what)
        .next_step("unlock it, or keep the session in a file: keyferry login LOCATION --session-file FILE")
}
