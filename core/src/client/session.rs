//! Tokens, and the one refresh that all workers share.
//!
//! Each pair of tokens has a generation. Whoever is told that the session has expired asks for a
//! pair newer than the one it used: the first asks the server, the others wait and find it there.

use super::{Call, Client, Repeat, answer, retry, to_bytes};
use crate::secret::SecretString;
use crate::{Error, ErrorKind, Result};
use bytes::Bytes;
use http::Method;
use keyferry_api::Empty;
use keyferry_api::session::{OneTimeCode, Tokens};
use serde::Serialize;
use std::sync::{Mutex, MutexGuard, PoisonError};

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

/// A session's state; shared by a client and its clones.
pub(super) struct Keeper {
    state: Mutex<State>,
    renewing: tokio::sync::Mutex<()>,
}

struct State {
    session: Session,
    generation: u64,
    /// The server refused the refresh token: no one need ask again.
    ended: bool,
}

/// What one request carries.
pub(super) struct Credentials {
    pub(super) access_token: Option<SecretString>,
    pub(super) master_key_hash: Option<String>,
    pub(super) generation: u64,
}

impl Keeper {
    pub(super) fn new(session: Session) -> Self {
        Self {
            state: Mutex::new(State { session, generation: 0, ended: false }),
            renewing: tokio::sync::Mutex::new(()),
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
            master_key_hash: state.session.master_key_hash.clone(),
            generation: state.generation,
        }
    }

    pub(super) fn set_master_key_hash(&self, hash: String) {
        self.state().session.master_key_hash = Some(hash);
    }

    fn replace(&self, tokens: Tokens) {
        let mut state = self.state();
        if let Some(token) = tokens.access_token {
            state.session.access_token = Some(token.into());
        }
        if let Some(token) = tokens.refresh_token {
            state.session.refresh_token = Some(token.into());
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

    /// Makes sure that the tokens are newer than `generation`. `false`: there is no way to get any.
    pub(super) async fn renew(&self, generation: u64) -> Result<bool> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Refresh<'a> {
            refresh_token: &'a str,
        }
        let keeper = &self.shared.keeper;
        let _turn = keeper.renewing.lock().await;
        let refresh_token = {
            let state = keeper.state();
            if state.generation != generation {
                return Ok(true);
            }
            if state.ended {
                return Ok(false);
            }
            state.session.refresh_token.clone()
        };
        let Some(refresh_token) = refresh_token else { return Ok(false) };
        let body = to_bytes(&Refresh { refresh_token: refresh_token.expose() })?;
        match self.tokens("/sessions/refresh", body, true).await {
            Ok(tokens) => {
                keeper.replace(tokens);
                Ok(true)
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
        let call = Call { method: Method::POST, path, body: Some(body), repeat: Repeat::IfNotActed };
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
            match retry::pause(&error, tries, call.repeat) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(error),
            }
        }
    }
}
