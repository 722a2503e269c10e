//! Signing in, staying signed in, signing out.

use super::{Context, Reply, Request, Visit};
use crate::error::{Refusal, Result};
use crate::id::UserId;
use crate::json::text;
use crate::store::activity::{Event, append};
use crate::store::session::{self, Presented, Standing};
use crate::store::{guess, totp, user};
use http::StatusCode;
use keyferry_api::Empty;
use keyferry_api::error::code;
use keyferry_api::session::{CsrfToken, Login, OneTimeCode, OneTimeSecret, Refresh, RefreshAccess, Tokens};

/// A browser that is signed in gets a new token for its session, any other one for its login: also one whose cookie has
/// had its day, since a page cannot take that away.
pub(super) fn csrf(visit: &Visit<'_>, _: Request) -> Result<Reply> {
    visit.limits.guess(visit.peer)?;
    let csrf_token = visit.environment.store().write(|conn| match visit.caller(conn) {
        Ok(caller) if caller.csrf_hash.is_some() => session::renew_csrf(conn, &caller),
        // A program's session stays one: with a token of its own it would be answered as a browser's.
        Ok(_) => session::new_csrf(conn),
        Err(Refusal::Answer(answer)) if answer.status == StatusCode::UNAUTHORIZED => session::new_csrf(conn),
        Err(refusal) => Err(refusal),
    })?;
    Ok(text(&CsrfToken { csrf_token })?.into())
}

/// The password is checked outside of any transaction: Argon2 takes its time, and writers wait.
pub(super) fn login(visit: &Visit<'_>, request: Request) -> Result<Reply> {
    let login: Login = request.body.parse()?;
    visit.limits.guess(visit.peer)?;
    visit.limits.account(&login.username, visit.peer)?;
    let store = visit.environment.store();
    if visit.is_browser() {
        let given = visit.csrf_token().ok_or_else(Refusal::csrf_invalid)?;
        if !store.write(|conn| session::take_csrf(conn, given))? {
            return Err(Refusal::csrf_invalid());
        }
    }
    let found = store.read(|conn| user::credentials(conn, &login.username))?;
    let right = user::verify_password(&login.password, found.as_ref().map(|(_, hash)| hash.as_str()))?;
    let event =
        |user: Option<&UserId>, action| Event::now(user.cloned(), action, None, None, visit.address());
    let known = found.map(|(id, _)| id);
    let Some(id) = known.clone().filter(|_| right) else {
        let missed = visit.limits.missed(&login.username);
        store.write(|conn| {
            // Of names that are nobody's nothing is kept: there is no end of them.
            if known.is_some() {
                guess::keep(conn, &missed)?;
            }
            append(conn, &[event(known.as_ref(), "session.refuse")])
        })?;
        return Err(Refusal::unauthorized(code::CREDENTIALS_INVALID, "User name or password is wrong."));
    };
    let csrf_token = session::token()?;
    let csrf_hash = visit.is_browser().then(|| session::hash(&csrf_token));
    let tokens = store.write(|conn| {
        // Where a session begins: who was blocked a moment ago gets none.
        if user::is_blocked(conn, &id)? {
            return Err(Refusal::new(
                StatusCode::FORBIDDEN,
                code::ACCESS_DENIED,
                "This user is blocked: ask an administrator.",
            ));
        }
        let standing = Standing { owes_code: totp::is_enabled(conn, &id)?, csrf_hash, code_misses: 0 };
        append(conn, &[event(Some(&id), "session.start")])?;
        guess::keep(conn, &visit.limits.succeeded(&login.username, visit.peer))?;
        session::start(conn, &id, &standing, visit.options)
    })?;
    reply(visit, Tokens { csrf_token: Some(csrf_token), ..tokens }, visit.is_browser())
}

/// A browser's access token leaves as a cookie, and as nothing else: a page must not come by it.
fn reply(visit: &Visit<'_>, mut tokens: Tokens, browser: bool) -> Result<Reply> {
    let cookie =
        if browser { tokens.access_token.take().map(|token| visit.cookie(Some(&token))) } else { None };
    Ok(Reply { body: text(&tokens)?, cookie })
}

pub(super) fn refresh(visit: &Visit<'_>, request: Request) -> Result<Reply> {
    visit.check_csrf_header(&request.method)?;
    let asked: Refresh = request.body.parse_or_default()?;
    let (access, refresh) = (visit.presented(), asked.refresh_token);
    let access =
        access.as_ref().map(|(token, cookie)| Presented { token, csrf: visit.csrf_token(), cookie: *cookie });
    let refreshed = visit
        .environment
        .store()
        .write(|conn| session::refresh(conn, access.as_ref(), refresh.as_deref(), visit.options))?;
    let (tokens, browser) = refreshed.tokens()?;
    reply(visit, tokens, browser)
}

pub(super) fn refresh_access(visit: &Visit<'_>, request: Request) -> Result<Reply> {
    let asked: RefreshAccess = request.body.parse()?;
    let store = visit.environment.store();
    let refreshed = store.write(|conn| session::refresh_access(conn, &asked.access_token, visit.options));
    let (tokens, browser) = refreshed?;
    reply(visit, tokens, browser)
}

pub(super) fn refresh_refresh(visit: &Visit<'_>, request: Request) -> Result<Reply> {
    let asked: Refresh = request.body.parse()?;
    let token =
        asked.refresh_token.ok_or_else(|| Refusal::invalid("refreshToken", "A refresh token is needed."))?;
    let store = visit.environment.store();
    let refreshed = store.write(|conn| session::refresh_refresh(conn, &token, visit.options))?;
    let (tokens, browser) = refreshed.tokens()?;
    reply(visit, tokens, browser)
}

pub(super) fn logout(context: &Context<'_>, _: Request) -> Result<Vec<u8>> {
    session::end(context.conn, context.caller)?;
    context.record("session.end", context.caller.user.as_str(), None);
    text(&Empty {})
}

pub(super) fn info(context: &Context<'_>, _: Request) -> Result<Vec<u8>> {
    text(&session::info(context.conn, context.caller)?)
}

fn wrong_code() -> Refusal {
    Refusal::unauthorized(code::ONE_TIME_CODE_INVALID, "The one-time code is wrong, or was used already.")
}

fn take_code(context: &Context<'_>, request: Request) -> Result<()> {
    let given: OneTimeCode = request.body.parse()?;
    let (limits, peer) = (context.visit.limits, context.visit.peer);
    // A code has a million values whoever guesses, so no address is trusted with more tries.
    let account = format!("code of {}", context.caller.user.as_str());
    limits.guess(peer)?;
    limits.account(&account, None)?;
    if totp::take(context.conn, &context.caller.user, &given.code)? {
        return guess::keep(context.conn, &limits.succeeded(&account, None));
    }
    context.missed.borrow_mut().push(limits.missed(&account));
    if context.caller.owes_code {
        context.missed_codes.set(context.missed_codes.get() + 1);
    }
    Err(wrong_code())
}

pub(super) fn authorize(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    take_code(context, request)?;
    session::settle_code(context.conn, context.caller)?;
    text(&Empty {})
}

pub(super) fn generate_secret(context: &Context<'_>, _: Request) -> Result<Vec<u8>> {
    let secret = totp::generate(context.conn, &context.caller.user)?;
    let url = format!("otpauth://totp/keyferry?secret={secret}&issuer=keyferry");
    text(&OneTimeSecret { secret, url })
}

pub(super) fn enable_codes(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    take_code(context, request)?;
    totp::set_enabled(context.conn, &context.caller.user, true)?;
    context.record("user.two-factor.enable", context.caller.user.as_str(), None);
    text(&Empty {})
}

pub(super) fn disable_codes(context: &Context<'_>, request: Request) -> Result<Vec<u8>> {
    take_code(context, request)?;
    totp::set_enabled(context.conn, &context.caller.user, false)?;
    context.record("user.two-factor.disable", context.caller.user.as_str(), None);
    text(&Empty {})
}
