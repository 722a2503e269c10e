//! Tokens, and the one refresh that all workers share.
//!
//! Each pair of tokens has a generation. Whoever is told that the session has expired asks for a
//! pair newer than the one it used: the first asks the server, the others wait and find it there.
//! Where a [`SessionStore`] keeps the session, the same holds among processes.

use crate::client::{Call, Client, Repeat, answer, retry, to_bytes};
use crate::secret::SecretString;
use crate::{Error, ErrorKind, Result};
use bytes::Bytes;
use http::Method;
use keyferry_api::Empty;
use keyferry_api::session::{OneTimeCode, Tokens};
use serde::Serialize;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// What proves who asks. Worth keeping after a run, as tokens may have been renewed in it.
#[derive(Clone, Default)]
pub struct Session {
    /// The bearer token.
    pub access_token: Option<SecretString>,
    /// What buys the next pair of tokens.
    pub refresh_token: Option<SecretString>,
    /// The hexadecimal SHA-256 of the master key, where client-side encryption is on.
    pub master_key_hash: Option<String>,
}

/// Where a session outlives the process: tokens that were renewed are put back there. Both methods may wait;
/// they are called on a thread for that, once for each renewal.
pub trait SessionStore: Send + Sync {
    /// Keeps other processes from renewing until what this gives is dropped, and reads the tokens as they are
    /// kept by now.
    ///
    /// # Errors
    /// Where they could not be put back: then nothing is renewed, since the kept ones would end with that.
    fn take(&self) -> Result<Held>;

    /// Keeps these tokens in place of the others. They are good also where this fails, which is the store's
    /// own to tell.
    fn save(&self, held: Held, session: &Session);
}

/// The tokens that a [`SessionStore`] keeps, and the right to replace them.
pub struct Held {
    kept: Option<Session>,
    _guard: Box<dyn Send>,
}

impl Held {
    /// `kept` is `None` where nothing was kept that could be newer; dropping `guard` lets the others in.
    #[must_use]
    pub fn new(kept: Option<Session>, guard: impl Send + 'static) -> Self {
        Self { kept, _guard: Box::new(guard) }
    }
}

/// A session's state; shared by a client and its clones.
pub(super) struct Keeper {
    state: Mutex<State>,
    renewing: tokio::sync::Mutex<()>,
    store: OnceLock<Arc<dyn SessionStore>>,
}

/// How newer tokens came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Renewal {
    /// Somebody else had asked for them.
    Found,
    /// The server was asked.
    Made,
    /// There is no way to get any.
    Impossible,
}

struct State {
    session: Session,
    /// A hash of the master key that no server has asked for yet.
    withheld_hash: Option<String>,
    generation: u64,
    /// The server refused the refresh token: no one need ask again.
    ended: bool,
}

/// What one request carries.
pub(super) struct Credentials {
    pub(super) access_token: Option<SecretString>,
    /// Not sent along, and known to the server.
    pub(super) refresh_token: Option<SecretString>,
    pub(super) master_key_hash: Option<String>,
    pub(super) generation: u64,
}

impl Keeper {
    pub(super) fn new(session: Session) -> Self {
        Self {
            state: Mutex::new(State { session, withheld_hash: None, generation: 0, ended: false }),
            renewing: tokio::sync::Mutex::new(()),
            store: OnceLock::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code that can panic runs under this lock, so what it guards is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn credentials(&self) -> Credentials {
        let state = self.state();
        Credentials {
            access_token: state.session.access_token.clone(),
            refresh_token: state.session.refresh_token.clone(),
            master_key_hash: state.session.master_key_hash.clone(),
            generation: state.generation,
        }
    }

    pub(super) fn set_master_key_hash(&self, hash: String) {
        self.state().session.master_key_hash = Some(hash);
    }

    pub(super) fn withhold_master_key_hash(&self, hash: String) {
        self.state().withheld_hash = Some(hash);
    }

    /// Sends the hash from now on, if one is withheld; says whether it was so.
    pub(super) fn release_master_key_hash(&self) -> bool {
        let mut state = self.state();
        let released = state.withheld_hash.take();
        if released.is_some() {
            state.session.master_key_hash = released;
            return true;
        }
        false
    }

    fn replace(&self, tokens: Tokens) {
        self.adopt(tokens.access_token.map(Into::into), tokens.refresh_token.map(Into::into));
    }

    fn adopt(&self, access_token: Option<SecretString>, refresh_token: Option<SecretString>) {
        let mut state = self.state();
        if access_token.is_some() {
            state.session.access_token = access_token;
        }
        if refresh_token.is_some() {
            state.session.refresh_token = refresh_token;
        }
        state.generation += 1;
        state.ended = false;
    }
}

/// Whether new tokens could turn this failure into a success.
pub(super) fn renewal_may_help(error: &Error) -> bool {
    error.kind() == ErrorKind::NotAuthenticated
        && answer::status_and_code(error) != (Some(401), Some("twoFactorAuthRequired"))
}

impl Client {
    /// The tokens as they are now: a refresh ends the old ones, so keep these.
    #[must_use]
    pub fn session(&self) -> Session {
        self.shared.keeper.state().session.clone()
    }

    /// Keeps the session in `store` as well from now on, in every clone of this client; the first one counts.
    pub fn keep_session_in(&self, store: Arc<dyn SessionStore>) {
        let _ = self.shared.keeper.store.set(store);
    }

    /// Signs in with a login password, which is not the master password.
    pub async fn login(&self, username: &str, password: &SecretString) -> Result<()> {
        #[derive(Serialize)]
        struct Login<'a> {
            username: &'a str,
            password: &'a str,
            hostname: Option<&'a str>,
        }
        let body = to_bytes(&Login { username, password: password.expose(), hostname: None })?;
        let tokens = self.tokens("/users/login", body, false).await.map_err(|error| {
            if error.kind() == ErrorKind::NotAuthenticated {
                return error.next_step(
                    "check the user name and the login password, which is not the master password",
                );
            }
            error
        })?;
        self.shared.keeper.replace(tokens);
        Ok(())
    }

    /// Gives the one-time code that a login owes, which errors of the code `twoFactorAuthRequired` tell.
    pub async fn give_one_time_code(&self, code: &str) -> Result<()> {
        let body = OneTimeCode { code: code.to_owned() };
        self.act(Method::POST, "/users/2fa/totp/authorize", &body).await
    }

    /// Ends the session at the server.
    pub async fn logout(&self) -> Result<()> {
        self.act(Method::POST, "/sessions/logout", &Empty {}).await
    }

    /// Makes sure that the tokens are newer than `generation`.
    pub(super) async fn renew(&self, generation: u64) -> Result<Renewal> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Refresh<'a> {
            refresh_token: &'a str,
        }
        let keeper = &self.shared.keeper;
        let _turn = keeper.renewing.lock().await;
        let mine = {
            let state = keeper.state();
            if state.generation != generation {
                return Ok(Renewal::Found);
            }
            if state.ended {
                return Ok(Renewal::Impossible);
            }
            state.session.clone()
        };
        let store = keeper.store.get().cloned();
        let held = match store.clone() {
            Some(store) => Some(apart(move || store.take()).await??),
            None => None,
        };
        if let Some(Session { access_token: Some(newer), refresh_token, .. }) =
            held.as_ref().and_then(|held| held.kept.as_ref())
            && mine.access_token.as_ref() != Some(newer)
        {
            keeper.adopt(Some(newer.clone()), refresh_token.clone());
            return Ok(Renewal::Found);
        }
        let Some(refresh_token) = mine.refresh_token else { return Ok(Renewal::Impossible) };
        let body = to_bytes(&Refresh { refresh_token: refresh_token.expose() })?;
        match self.tokens("/sessions/refresh", body, true).await {
            Ok(tokens) => {
                keeper.replace(tokens);
                if let (Some(store), Some(held)) = (store, held) {
                    let session = self.session();
                    // Under way even where nobody waits for this request any more.
                    apart(move || store.save(held, &session)).await?;
                }
                Ok(Renewal::Made)
            }
            Err(error) if error.kind().may_retry() => Err(error),
            Err(error) => {
                keeper.state().ended = true;
                let label = self.label();
                Err(Error::new(ErrorKind::NotAuthenticated, "the session has ended and could not be renewed")
                    .at(answer::place(&Method::POST, "/sessions/refresh", None, None))
                    .next_step(format!(
                        "sign in again to {label}: its tokens have expired or were used elsewhere"
                    ))
                    .because(error))
            }
        }
    }

    /// Asks for tokens. Sent again only where the server did not act: a refresh token works once.
    async fn tokens(&self, path: &str, body: Bytes, bearer: bool) -> Result<Tokens> {
        let call =
            Call { method: Method::POST, path, body: Some(body), repeat: Repeat::IfNotActed, key: None };
        let mut tries = 0;
        loop {
            let credentials = bearer.then(|| self.shared.keeper.credentials());
            let error = match self.once(&call, credentials.as_ref()).await {
                Ok(body) => {
                    let tokens: Tokens = answer::parse(&call.method, path, &body)?;
                    if tokens.access_token.is_none() {
                        return Err(Error::new(ErrorKind::Protocol, "the answer has no access token")
                            .at(answer::place(&call.method, path, None, None)));
                    }
                    return Ok(tokens);
                }
                Err(error) => error,
            };
            tries += 1;
            match retry::pause(&error, tries, call.repeat, self.patience()) {
                Some(pause) => self.wait(&error, pause).await,
                None => return Err(self.too_long(error)),
            }
        }
    }
}

/// Work that waits, on a thread for that.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::new(ErrorKind::Internal, "a session's store ended early").because(error))
}
