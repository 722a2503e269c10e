//! Signing in, staying signed in, signing out.

use super::{Body, Context};
use crate::error::{Refusal, Result};
use crate::json::text;
use crate::store::{session, user};
use crate::{Environment, ServeOptions};
use keyferry_api::Empty;
use keyferry_api::error::code;
use keyferry_api::session::{CsrfToken, Login, Refresh, RefreshAccess};

pub(super) fn csrf() -> Result<Vec<u8>> {
    text(&CsrfToken { csrf_token: session::token()? })
}

/// The password is checked outside of any transaction: Argon2 takes its time, and writers wait.
pub(super) fn login(environment: &Environment, options: &ServeOptions, body: Body) -> Result<Vec<u8>> {
    let login: Login = body.parse()?;
    let store = environment.store();
    let found = store.read(|conn| user::credentials(conn, &login.username))?;
    let right = user::verify_password(&login.password, found.as_ref().map(|(_, hash)| hash.as_str()))?;
    let Some((id, _)) = found.filter(|_| right) else {
        return Err(Refusal::unauthorized(code::CREDENTIALS_INVALID, "User name or password is wrong."));
    };
    let mut tokens = store.write(|conn| session::start(conn, &id, options))?;
    tokens.csrf_token = Some(session::token()?);
    text(&tokens)
}

pub(super) fn refresh(
    environment: &Environment,
    options: &ServeOptions,
    bearer: Option<&str>,
    body: Body,
) -> Result<Vec<u8>> {
    let asked: Refresh = if body.is_empty() { Refresh::default() } else { body.parse()? };
    let refresh = asked.refresh_token.as_deref();
    text(&environment.store().write(|conn| session::refresh(conn, bearer, refresh, options))?)
}

pub(super) fn refresh_access(
    environment: &Environment,
    options: &ServeOptions,
    body: Body,
) -> Result<Vec<u8>> {
    let asked: RefreshAccess = body.parse()?;
    text(&environment.store().write(|conn| session::refresh_access(conn, &asked.access_token, options))?)
}

pub(super) fn refresh_refresh(
    environment: &Environment,
    options: &ServeOptions,
    body: Body,
) -> Result<Vec<u8>> {
    let asked: Refresh = body.parse()?;
    let token =
        asked.refresh_token.ok_or_else(|| Refusal::invalid("refreshToken", "A refresh token is needed."))?;
    text(&environment.store().write(|conn| session::refresh_refresh(conn, &token, options))?)
}

pub(super) fn logout(context: &Context<'_>) -> Result<Vec<u8>> {
    session::end(context.conn, context.caller)?;
    text(&Empty {})
}
