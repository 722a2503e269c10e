//! Environments: opened once, used from any thread.

use crate::boundary::{Out, Outcome, call, lent, name, optional_name};
use crate::buffer::kf_buffer;
use crate::handle::Table;
use crate::last_error::Failure;
use crate::options::Choice;
use crate::runtime;
use crate::status::{KF_CALLBACK, KF_NULL, kf_status};
use keyferry_core::client::Session;
use keyferry_core::engine::{self, Endpoint, Environment, Options, Unlock};
use keyferry_core::error::{Error, ErrorKind, Place};
use keyferry_core::formats::json_line;
use keyferry_core::model::{Entry, RecordPath};
use keyferry_core::secret::SecretString;
use std::ffi::{c_char, c_void};
use std::sync::Arc;
use std::time::Duration;

/// An environment that is signed in and, where a key was given, unlocked. 0 is none.
pub type kf_environment = u64;

pub static ENVIRONMENTS: Table<Arc<Environment>> = Table::new("environment");

/// How to sign in to an environment, and what unlocks it. Each text is NUL-terminated UTF-8 or NULL, is copied, and
/// may be wiped as soon as the call has returned. Clear the struct before you fill it, so that members of later
/// versions are none: `kf_credentials c = {sizeof c};`
#[repr(C)]
#[derive(Debug)]
pub struct kf_credentials {
    /// `sizeof(kf_credentials)` as your compiler sees it.
    pub size: usize,
    /// The session's access token. An embedded environment needs none.
    pub token: *const c_char,
    /// What renews it.
    pub refresh_token: *const c_char,
    /// What unlocks the user's private key. Without one only names can be read.
    pub master_key: *const c_char,
    /// The same, to be derived first.
    pub master_password: *const c_char,
    /// Seconds that one request may take; 0 stands for 120.
    pub timeout_seconds: u64,
}

/// The size of the first version of the struct.
const SMALLEST: usize = size_of::<kf_credentials>();

/// Opens `https://…` or `embedded:DIR`. `credentials` may be NULL. Close it with `kf_environment_close`. Any number of
/// threads may use it at once. Its keys are compared with those that `KEYFERRY_PINS`, the file that `KEYFERRY_PINS_FILE`
/// names, or the journal that `KEYFERRY_JOURNAL` names have seen before; `KEYFERRY_REQUIRE_PINS` refuses new ones.
/// `KEYFERRY_MARKS=write` has what is written carry marks, `require` refuses records without.
#[unsafe(no_mangle)]
pub extern "C" fn kf_environment_open(
    location: *const c_char,
    credentials: *const kf_credentials,
    environment: *mut kf_environment,
) -> kf_status {
    call(|| {
        let out = Out::new(environment, "environment")?;
        let location = name(location, "location")?;
        let (mut session, mut unlock, mut timeout) = (Session::default(), None, 0);
        if let Some(given) = lent(credentials) {
            if given.size < SMALLEST {
                return Err(crate::boundary::usage("credentials.size is not sizeof(kf_credentials)"));
            }
            let text = |place, what| optional_name(place, what).map(|text| text.map(SecretString::from));
            session.access_token = text(given.token, "token")?;
            session.refresh_token = text(given.refresh_token, "refresh_token")?;
            unlock = text(given.master_key, "master_key")?.map(Unlock::MasterKey);
            if unlock.is_none() {
                unlock = text(given.master_password, "master_password")?.map(Unlock::MasterPassword);
            }
            timeout = given.timeout_seconds;
        }
        let timeout = Duration::from_secs(if timeout == 0 { 120 } else { timeout });
        let opened = runtime()?.block_on(async {
            let (client, place) = keyferry_embedded::connect(location, session, timeout)?;
            let memory = engine::memory_of_process(&place)?;
            let opened = Environment::open_known(client, unlock, memory).await?;
            let advice = "give kf_environment_open a master_key or master_password";
            Ok::<_, Error>(
                opened.with_advice(advice).with_place(place).with_marks(engine::marks_of_process()?),
            )
        })?;
        out.set(ENVIRONMENTS.open(Arc::new(opened)));
        Ok(())
    })
}

/// Closes an environment. Its keys are wiped once no call uses it any more.
#[unsafe(no_mangle)]
pub extern "C" fn kf_environment_close(environment: kf_environment) -> kf_status {
    call(|| ENVIRONMENTS.close(environment))
}

/// Every vault, folder and record by name, as JSON: a list of `{"name", "encrypted", "folders", "records"}`. Needs no
/// key.
#[unsafe(no_mangle)]
pub extern "C" fn kf_environment_tree(environment: kf_environment, tree: *mut kf_buffer) -> kf_status {
    call(|| {
        let out = Out::new(tree, "tree")?;
        let environment = ENVIRONMENTS.get(environment)?;
        let vaults = runtime()?.block_on(environment.tree())?;
        out.set(kf_buffer::lend(to_json(&vaults)?));
        Ok(())
    })
}

/// The tokens as they are now: a refresh ends the old ones, so keep these. Empty where there are none.
#[unsafe(no_mangle)]
pub extern "C" fn kf_environment_tokens(
    environment: kf_environment,
    token: *mut kf_buffer,
    refresh_token: *mut kf_buffer,
) -> kf_status {
    call(|| {
        let (token, refresh) = (Out::new(token, "token"), Out::new(refresh_token, "refresh_token"));
        let (token, refresh) = (token?, refresh?);
        let session = ENVIRONMENTS.get(environment)?.client().session();
        let bytes = |token: Option<SecretString>| token.map(|token| token.expose().as_bytes().to_vec());
        token.set(kf_buffer::lend(bytes(session.access_token).unwrap_or_default()));
        refresh.set(kf_buffer::lend(bytes(session.refresh_token).unwrap_or_default()));
        Ok(())
    })
}

/// Decrypts records one by one while the next ones are on their way; memory stays bounded. Each goes to `write` as one
/// line of JSON (as `kf_records_decrypt` has it, with `vault` and `path`), on this thread; an answer other than 0 ends
/// the call with `KF_CALLBACK`. `path` is a vault and folders, such as "Infra/databases", where a backslash makes the
/// next `/`, `#`, `:` or backslash part of a name; NULL is everything. `options` is NULL or JSON with any of `vaults`,
/// `folder`, `tags` (lists of names), `query` (text), `changed_since` (Unix seconds), `exclude` (a list of
/// paths).
///
/// A record that cannot be read ends the call with `KF_DECRYPT` once the others are through.
#[unsafe(no_mangle)]
pub extern "C" fn kf_environment_records(
    environment: kf_environment,
    path: *const c_char,
    options: *const c_char,
    write: crate::bulk::kf_write_callback,
    context: *mut c_void,
) -> kf_status {
    call(|| {
        let environment = ENVIRONMENTS.get(environment)?;
        let write = write.ok_or_else(|| Failure::new(KF_NULL, "write is NULL"))?;
        environment.unlocked()?;
        let from = at(&environment, path)?;
        let options = Options { filter: Choice::parse(options)?.into_filter(), ..Options::default() };
        let _entered = runtime()?.enter();
        let mut chunks = engine::records(&from, &options);
        let mut unread = None;
        while let Some(chunk) = chunks.blocking_recv() {
            for entry in chunk? {
                match entry {
                    Entry::Record(record, _) => {
                        let line = json_line(&record);
                        if write(context, line.expose().as_ptr().cast(), line.len()) != 0 {
                            return Err(Failure::new(
                                KF_CALLBACK,
                                "the callback write answered that it failed",
                            ));
                        }
                    }
                    Entry::Reject(reject) => {
                        let at = Place::Record(format!("{} ({})", reject.label, reject.at));
                        unread.get_or_insert_with(|| Error::new(ErrorKind::Decrypt, reject.why).at(at));
                    }
                    Entry::Folder(_) | Entry::Note(_) | Entry::Values(_) => {}
                }
            }
        }
        unread.map_or(Ok(()), |error| Err(error.into()))
    })
}

/// A place in an environment.
pub fn at(environment: &Arc<Environment>, path: *const c_char) -> Outcome<Endpoint> {
    let path = optional_name(path, "path")?.map(RecordPath::parse).unwrap_or_default();
    Ok(Endpoint::Environment(environment.clone(), path))
}

/// JSON of what the library itself made.
pub fn to_json(value: &impl serde::Serialize) -> Outcome<Vec<u8>> {
    serde_json::to_vec(value).map_err(|error| {
        Failure::new(crate::status::KF_INTERNAL, format!("a result could not be written as JSON: {error}"))
    })
}
