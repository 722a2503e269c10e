//! `login`, `logout`: a session that outlives the command.

use crate::args::session::{Login, Logout};
use crate::config::Config;
use crate::credentials;
use crate::credentials::{Asked, StoredSession, process, session_places};
use crate::exit::usage;
use crate::location;
use crate::location::Target;
use crate::output::Output;
use crate::pins;
use keyferry_core::client::{Client, Session, http_transport};
use keyferry_core::crypto::master_key;
use keyferry_core::crypto::session_file::Content;
use keyferry_core::engine::{Environment, Unlock};
use keyferry_core::error::Place;
use keyferry_core::secret::SecretString;
use keyferry_core::{Error, ErrorKind, Result};
use serde_json::json;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;

/// Signs in and keeps the session.
pub async fn login(login: &Login, config: &Config, output: Output) -> Result<u8> {
    let target = Target::parse_named(&login.location, config)?;
    let asked = server(&target, config)?;
    let shows = output.json || io::stdout().is_terminal();
    // Before anybody signs in: a session that cannot be kept would be lost.
    let chosen = session_places::choose(&asked, login.session_file.as_deref(), shows, &process)?;
    let (client, typed_name) = if login.token_stdin {
        (given_tokens(&target, config, &asked)?, None)
    } else {
        let (client, name) = sign_in(login, &target, config, &asked).await?;
        (client, Some(name))
    };
    let user = who(&client, login, &asked).await?.or(typed_name);
    let master_key = if login.keep_master_key { master_key(&client, config, &asked).await? } else { None };
    let keeps_key = master_key.is_some();
    let session = client.session();
    let lock = chosen.kept.lock()?;
    chosen.kept.save(Content {
        access_token: session.access_token,
        refresh_token: session.refresh_token,
        master_key,
        location: None,
    })?;
    drop(lock);
    let user = user.unwrap_or_else(|| "this user".to_owned());
    if output.json {
        let mut answer = json!({
            "location": asked.location,
            "user": user,
            "kept_in": chosen.kept.place(),
            "session_file": chosen.kept.file(),
            "master_key_kept": keeps_key,
        });
        if let Some(key) = &chosen.new_key {
            answer["session_key"] = json!(key.expose());
        }
        output.document(&answer)?;
        return Ok(0);
    }
    output.say(&format!(
        "signed in to {} as {user}; the session is kept in {}",
        asked.label,
        chosen.kept.place()
    ));
    if let Some(key) = &chosen.new_key {
        output.warn("the session file's key is shown once and kept nowhere: set KEYFERRY_SESSION_KEY to it");
        output.line(&format!("session key  {}", key.expose()))?;
    }
    Ok(0)
}

/// Ends the kept session, at the server and here.
pub async fn logout(logout: &Logout, config: &Config, output: Output) -> Result<u8> {
    let target = Target::parse_named(&logout.location, config)?;
    let asked = server(&target, config)?;
    let mut hints = Vec::new();
    let found = session_places::to_end(&asked, logout.session_file.as_deref(), &process, &mut hints)?;
    let Some((kept, content)) = found else {
        let next = hints.into_iter().next().unwrap_or_else(|| "there is nothing to end".to_owned());
        return Err(Error::new(
            ErrorKind::NotFound,
            format!("{}: no session is kept", asked.label.trim_end_matches(':')),
        )
        .next_step(next));
    };
    let client = client(&target, config, &asked, content.access_token, content.refresh_token)?;
    client.keep_session_in(Arc::new(kept.clone()));
    if let Some(key) = &content.master_key {
        client.set_master_key_hash(master_key::hash(key));
    }
    match client.logout().await {
        // It has ended already: what is left is to forget it.
        Err(error) if error.kind() != ErrorKind::NotAuthenticated => {
            return Err(error.next_step(format!("the session is still kept in {}: try again", kept.place())));
        }
        _ => forget(&kept)?,
    }
    if output.json {
        output.document(&json!({ "location": asked.location, "forgotten_in": kept.place() }))?;
    } else {
        output.say(&format!("signed out of {}; {} forgot the session", asked.label, kept.place()));
    }
    Ok(0)
}

fn forget(kept: &StoredSession) -> Result<()> {
    let lock = kept.lock()?;
    session_places::forget(kept)?;
    drop(lock);
    Ok(())
}

fn server<'a>(target: &'a Target, config: &'a Config) -> Result<Asked<'a>> {
    let asked = target.asked(credentials::Side::Only, config);
    if let (None, location::Location::File(path, _)) = (asked.url, &target.location) {
        return Err(usage(
            format!("there is no environment `{}`", path.display()),
            "keyferry env list shows those that have names; others are written https://… or embedded:DIR",
        ));
    }
    if asked.url.is_none() {
        return Err(usage(
            format!("{} is opened in process, without a session", asked.label),
            "its files are your own: only the master password is needed",
        ));
    }
    Ok(asked)
}

fn client(
    target: &Target,
    config: &Config,
    asked: &Asked<'_>,
    access_token: Option<SecretString>,
    refresh_token: Option<SecretString>,
) -> Result<Client> {
    let url = target.url().ok_or_else(|| usage("this is no server", "write NAME: or https://…"))?;
    location::check_scheme(url, config)?;
    let session = Session { access_token, refresh_token, ..Session::default() };
    Ok(Client::new(http_transport(url, config.timeout)?, asked.label, session))
}

/// A session made elsewhere: its tokens, each a line.
fn given_tokens(target: &Target, config: &Config, asked: &Asked<'_>) -> Result<Client> {
    let access = secret_line("access token")?;
    let refresh = secret_line("refresh token")?;
    if access.is_none() && refresh.is_none() {
        return Err(usage(
            "no token was given",
            "write the access token and the refresh token, each on a line",
        ));
    }
    client(target, config, asked, access, refresh)
}

async fn sign_in(
    login: &Login,
    target: &Target,
    config: &Config,
    asked: &Asked<'_>,
) -> Result<(Client, String)> {
    let name = match &login.user {
        Some(name) => name.clone(),
        None => ask_name(asked.label.trim_end_matches(':'))?,
    };
    let password =
        if login.password_stdin { secret_line("login password")? } else { asked.login_password(&process)? };
    let password = password.ok_or_else(|| {
        usage(
            "no login password is at hand",
            format!(
                "add --password-stdin, or set {}_PASSWORD",
                credentials::prefixes(asked.name, asked.side)[0]
            ),
        )
    })?;
    let client = client(target, config, asked, None, None)?;
    client.login(&name, &password).await?;
    Ok((client, name))
}

/// The user's name as the server has it; gives the one-time code where it is owed.
async fn who(client: &Client, login: &Login, asked: &Asked<'_>) -> Result<Option<String>> {
    // Who is signed in, some servers tell also while a code is owed.
    let first = match client.user_info().await {
        Ok(_) => client.user_keys().await.map(drop),
        Err(error) => Err(error),
    };
    if let Err(error) = first
        && owes_code(&error)
    {
        let code = one_time_code(login, asked)?.ok_or(error)?;
        client.give_one_time_code(code.expose().trim()).await?;
    }
    let info = client.user_info().await;
    match info {
        Ok(info) => Ok(Some(info.username)),
        // Some servers tell nothing without the hash of the master key; the session is good all the same.
        Err(error) if error.kind() == ErrorKind::Locked => Ok(None),
        Err(error) => Err(error),
    }
}

fn owes_code(error: &Error) -> bool {
    matches!(error.place(), Some(Place::Request { code: Some(code), .. }) if code == "twoFactorAuthRequired")
}

fn one_time_code(login: &Login, asked: &Asked<'_>) -> Result<Option<SecretString>> {
    if login.code_stdin {
        return secret_line("one-time code");
    }
    for prefix in credentials::prefixes(asked.name, asked.side) {
        if let Some(code) = credentials::secret(&prefix, "CODE", &process)? {
            return Ok(Some(code));
        }
    }
    credentials::ask_for(&format!("One-time code for {}: ", asked.label.trim_end_matches(':')))
}

/// The master key, given or derived, and proved to open the user's private key; `None` where the user has none.
async fn master_key(client: &Client, config: &Config, asked: &Asked<'_>) -> Result<Option<SecretString>> {
    let found = credentials::find(asked.name, asked.side, asked.url, &process)?.unlock;
    let unlock = match found {
        Some(unlock) => Some(unlock),
        None => asked.unlock()?,
    };
    let key = match unlock {
        None => None,
        Some(Unlock::MasterKey(key)) => Some(key),
        Some(Unlock::MasterPassword(password) | Unlock::WeaklyDerived(password)) => {
            let options = client.master_key_options().await?.master_key_options;
            match options.filter(|options| !options.is_empty()) {
                None => None,
                Some(options) => {
                    let options = options.parse::<master_key::Options>()?;
                    let options =
                        if config.allow_weak_kdf { options.check_ceilings()? } else { options.check()? };
                    // Before anything is derived, and its hash sent.
                    if let Some(memory) = pins::remembered(asked.location, &config.pins)? {
                        memory.derivation_agrees(&options)?;
                    }
                    let derived =
                        tokio::task::spawn_blocking(move || master_key::derive(&password, &options));
                    Some(derived.await.map_err(|error| {
                        Error::new(ErrorKind::Internal, "the key derivation ended early").because(error)
                    })?)
                }
            }
        }
    };
    let Some(key) = key else {
        // Whether the user has keys at all is the server's to say.
        Environment::open(client.clone(), None).await?.unlocked()?;
        return Ok(None);
    };
    Environment::open(client.clone(), Some(Unlock::MasterKey(key.clone()))).await.map_err(|error| {
        error.next_step(
            "check the master password; a key that it guards itself cannot be kept: see keyferry fsck",
        )
    })?;
    Ok(Some(key))
}

/// A secret that standard input holds, a line each; asked for where that is a terminal.
fn secret_line(what: &str) -> Result<Option<SecretString>> {
    if io::stdin().is_terminal() {
        let mut first = what.chars();
        let name: String = first.next().into_iter().flat_map(char::to_uppercase).chain(first).collect();
        return credentials::ask_for(&format!("{name}: "));
    }
    let line = SecretString::new(read_line()?);
    Ok(Some(SecretString::from(line.expose().trim_end_matches(['\r', '\n']))).filter(|line| !line.is_empty()))
}

fn read_line() -> Result<String> {
    let mut line = String::with_capacity(1024);
    io::stdin().read_line(&mut line).map_err(|error| Error::io("-", error))?;
    Ok(line)
}

fn ask_name(label: &str) -> Result<String> {
    let name = if io::stdin().is_terminal() {
        let _ = write!(io::stderr(), "User name for {}: ", label.trim_end_matches(':'));
        read_line()?.trim().to_owned()
    } else {
        String::new()
    };
    if name.is_empty() { Err(usage("no user is named", "add --user NAME")) } else { Ok(name) }
}
