//! Turns a word of the command line into a location, and a location into something to read or write.

use crate::config::Config;
use crate::credentials;
use crate::credentials::{Asked, Given, Side, UnstoredSession};
use crate::exit::usage;
use crate::pins;
use keyferry_core::Result;
use keyferry_core::client::{Client, Session, http_transport_trusting, kv, root_of};
use keyferry_core::engine::{Endpoint, Environment, Unlock};
use keyferry_core::formats::Format;
use keyferry_core::model::RecordPath;
use keyferry_core::{Error, ErrorKind};
use keyferry_embedded as embedded;
use std::path::PathBuf;
use std::sync::Arc;
use url::Url;

/// A word, understood.
#[derive(Debug, PartialEq)]
pub enum Location {
    /// A configured environment, and a place in it.
    Named(String, RecordPath),
    /// An environment by address.
    Server(Url),
    /// An embedded environment in a folder, and a place in it: `embedded:DIR//Vault/folder`.
    Embedded(PathBuf, RecordPath),
    /// A server of HashiCorp Vault or OpenBao: `vault://HOST:PORT/MOUNT/FOLDER`.
    Secrets(Box<kv::Address>),
    /// A file; `-` is standard input or output.
    File(PathBuf, Option<Format>),
}

impl Location {
    /// Understands a word. Nothing is opened.
    pub fn parse(word: &str) -> Result<Self> {
        if word.is_empty() {
            return Err(usage("a location is empty", "name an environment or a file"));
        }
        if let Some(folder) = word.strip_prefix("embedded:") {
            if folder.is_empty() {
                return Err(usage("`embedded:` names no folder", "write embedded:DIR"));
            }
            // Two slashes end the folder: no name of a folder has them.
            let (folder, place) = folder.split_once("//").unwrap_or((folder, ""));
            return Ok(Self::Embedded(folder.into(), RecordPath::parse(place)));
        }
        if kv::address::is_address(word) {
            return Ok(Self::Secrets(Box::new(kv::Address::parse(word)?)));
        }
        if word.starts_with("https://") || word.starts_with("http://") {
            let url = Url::parse(word).map_err(|error| {
                // The address is not repeated: it could hold a password.
                usage(format!("this is not an address: {error}"), "write https://passwork.example.com")
            })?;
            if !url.username().is_empty() || url.password().is_some() {
                return Err(usage(
                    "an address must not hold a user name or password",
                    "set KEYFERRY_TOKEN and its siblings instead",
                ));
            }
            return Ok(Self::Server(url));
        }
        if let Some((first, rest)) = word.split_once(':') {
            if let Some(format) = Format::from_name(first) {
                if rest.is_empty() {
                    return Err(usage(
                        format!("`{first}:` names no file"),
                        format!("write {first}:FILE or {first}:-"),
                    ));
                }
                return Ok(Self::File(rest.into(), Some(format)));
            }
            if is_name(first) {
                return Ok(Self::Named(first.to_owned(), RecordPath::parse(rest)));
            }
        }
        Ok(Self::File(word.into(), None))
    }
}

/// Whether this may name an environment: `[a-z][a-z0-9_-]+`, so that `C:\x.csv` is a file.
pub fn is_name(word: &str) -> bool {
    word.len() >= 2
        && word.starts_with(|c: char| c.is_ascii_lowercase())
        && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
}

/// What opening an environment is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Names alone: no key is asked for unless the environment insists.
    Names,
    /// Contents: the master password is asked for where none is at hand.
    Contents,
}

/// Opens an endpoint: a file as it is, an environment unlocked.
pub async fn endpoint(word: &str, side: Side, config: &Config) -> Result<Endpoint> {
    match Location::parse(word)? {
        Location::File(path, format) => Ok(Endpoint::File { path, format }),
        Location::Secrets(address) => secrets(*address, config),
        Location::Named(..) | Location::Server(_) | Location::Embedded(..) => {
            let (environment, path) = environment(word, side, Need::Contents, config).await?;
            Ok(Endpoint::Environment(Arc::new(environment), path))
        }
    }
}

/// A server of secrets, with a token out of variables and files, or one that is asked for on a terminal.
fn secrets(address: kv::Address, config: &Config) -> Result<Endpoint> {
    check_scheme(&address.base, config)?;
    let token = match kv::token::of_process(&address)? {
        Some(token) => token,
        None => credentials::ask_for(&format!("Token of {address}: "))?
            .ok_or_else(|| kv::token::none_at_hand(&address))?,
    };
    let trust = kv::token::trust_of_process()?;
    let server = kv::Server::new(address, token, config.timeout, config.insecure_http, &trust)?;
    let output = config.output;
    server.tell_with(move |remark| output.say(&crate::output::clean(remark)));
    Ok(Endpoint::Kv(Arc::new(server)))
}

/// Opens a location that must be an environment.
pub async fn environment(
    word: &str,
    side: Side,
    need: Need,
    config: &Config,
) -> Result<(Environment, RecordPath)> {
    environment_with(word, side, need, config, Given::default()).await
}

/// As [`environment`], with what was typed in place of what is looked up.
pub async fn environment_with(
    word: &str,
    side: Side,
    need: Need,
    config: &Config,
    given: Given,
) -> Result<(Environment, RecordPath)> {
    let target = Target::parse(word, config)?;
    let asked = target.asked(side, config);
    let (label, lookup) = (asked.label.to_owned(), &credentials::process);
    let trust = given.trust.clone();
    let found = credentials::find(asked.name, side, asked.url, lookup)?.overridden(given);
    let mut found = found.completed(&asked, lookup)?;
    let given = found.unlock.take();
    let prefix = &credentials::prefixes(asked.name, side)[0];
    let client = || match &target.location {
        Location::Server(url) => {
            check_scheme(url, config)?;
            if !found.signed_in() {
                let advice =
                    format!("keyferry login {label}, or set {prefix}_TOKEN and {prefix}_REFRESH_TOKEN");
                let error = Error::new(
                    ErrorKind::NotAuthenticated,
                    // An environment's name ends with a colon of its own.
                    format!("{}: no token is at hand", label.trim_end_matches(':')),
                );
                return Err(error.next_step(found.hints.first().cloned().unwrap_or(advice)));
            }
            let session = Session {
                access_token: found.token.clone(),
                refresh_token: found.refresh_token.clone(),
                ..Session::default()
            };
            let transport = http_transport_trusting(url, config.timeout, &trust)?;
            let client =
                Client::new(transport, label.clone(), session).with_request_timeout(2 * config.timeout);
            match (&found.kept, &found.tokens_from) {
                (Some(kept), _) => client.keep_session_in(Arc::new(kept.clone())),
                (None, Some(source)) => {
                    client.keep_session_in(UnstoredSession::new(&label, source, config.output));
                }
                (None, None) => {}
            }
            let output = config.output;
            client.tell_with(move |remark| output.say(&crate::output::clean(remark)));
            Ok((client, true))
        }
        Location::Embedded(folder, _) => embedded::client(folder, &label),
        Location::File(path, None) if is_name(word) && !path.exists() => Err(usage(
            format!("there is no environment or file `{word}`"),
            if config.environments.contains_key(word) {
                format!("write {word}: with its colon")
            } else {
                "keyferry env list shows those that have names; others are written https://… or embedded:DIR"
                    .to_owned()
            },
        )),
        Location::Secrets(_) => Err(usage(
            format!("`{word}` is a server of secrets where an environment is meant"),
            "keyferry import, migrate, sync and verify read it as a source",
        )),
        Location::File(..) | Location::Named(..) => Err(usage(
            format!("`{word}` is a file where an environment is meant"),
            "write NAME:, https://… or embedded:DIR",
        )),
    };
    let (first, encrypts) = client()?;
    let unlock = match (given, need) {
        (None, Need::Contents) if encrypts => asked.unlock()?,
        (unlock, _) => unlock,
    };
    let memory = match need {
        Need::Contents => pins::memory(&target.canonical, config)?,
        // What the master password is made into leaves this process only in the way that was seen before.
        Need::Names if unlock.is_some() => pins::remembered(&target.canonical, &config.pins)?,
        Need::Names => None,
    };
    let permit = |unlock: Unlock| if config.allow_weak_kdf { unlock.allow_weak_derivation() } else { unlock };
    if config.allow_weak_kdf {
        config
            .output
            .warn("a weak key derivation is taken: a server that lies can guess the master password");
    }
    let opened = match Environment::open_known(first, unlock.map(permit), memory.clone()).await {
        // Some servers tell nothing at all without the hash of the master key.
        Err(error) if error.kind() == ErrorKind::Locked && need == Need::Names => {
            let Some(unlock) = asked.unlock()? else { return Err(error) };
            let memory = pins::memory(&target.canonical, config)?;
            Environment::open_known(client()?.0, Some(permit(unlock)), memory).await?
        }
        other => other?,
    };
    let advice = format!("set {prefix}_MASTER_PASSWORD or {prefix}_MASTER_KEY");
    let opened = opened.with_advice(advice).with_place(target.canonical).with_marks(config.marks);
    Ok((opened, target.path))
}

/// Names below another place.
fn beneath(above: &RecordPath, path: RecordPath) -> RecordPath {
    if above.vault.is_none() {
        return path;
    }
    let names = above.vault.iter().chain(&above.folders).cloned();
    names.chain(path.vault).chain(path.folders).collect()
}

/// See [`keyferry_core::client::check_scheme`].
pub fn check_scheme(url: &Url, config: &Config) -> Result<()> {
    keyferry_core::client::check_scheme(url, config.insecure_http)
}

/// An environment that a word names, and a place in it.
pub struct Target {
    /// Its name, where it is a configured one.
    pub name: Option<String>,
    /// Where it is.
    pub location: Location,
    /// The place in it.
    pub path: RecordPath,
    /// What messages call it.
    pub label: String,
    /// One name for every spelling of its location.
    pub canonical: String,
}

impl Target {
    /// Understands a word, with the config's help. Nothing is opened.
    pub fn parse(word: &str, config: &Config) -> Result<Self> {
        let (name, location, path) = match Location::parse(word)? {
            Location::Named(name, path) => {
                let location = Location::parse(config.location(&name)?)?;
                // A name for a folder within an environment counts from there.
                let path = match &location {
                    Location::Embedded(_, above) => beneath(above, path),
                    _ => path,
                };
                (Some(name), location, path)
            }
            Location::Embedded(folder, path) => (None, Location::Embedded(folder, path.clone()), path),
            other => (None, other, RecordPath::default()),
        };
        // A hint such as `keyferry tree LABEL` is typed for the whole of it.
        let whole = match (&location, word.split_once("//")) {
            (Location::Embedded(..), Some((whole, _))) if path.vault.is_some() => whole,
            _ => word,
        };
        let label = name.as_ref().map_or_else(|| whole.to_owned(), |name| format!("{name}:"));
        let canonical = canonical(&location);
        Ok(Self { name, location, path, label, canonical })
    }

    /// The same, where an environment's name is meant also without its colon.
    pub fn parse_named(word: &str, config: &Config) -> Result<Self> {
        if config.environments.contains_key(word) {
            return Self::parse(&format!("{word}:"), config);
        }
        Self::parse(word, config)
    }

    /// Its address, where it is a server.
    pub fn url(&self) -> Option<&Url> {
        match &self.location {
            Location::Server(url) => Some(url),
            _ => None,
        }
    }

    /// Whose secrets are to be looked for.
    pub fn asked<'a>(&'a self, side: Side, config: &'a Config) -> Asked<'a> {
        let name = self.name.as_deref();
        Asked {
            name,
            side,
            url: self.url(),
            location: &self.canonical,
            label: &self.label,
            configured: name.and_then(|name| config.environments.get(name)),
            output: config.output,
        }
    }
}

/// One name for every spelling of an environment's location.
pub fn canonical(location: &Location) -> String {
    match location {
        Location::Embedded(folder, _) => {
            let whole = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.clone());
            format!("embedded:{}", whole.display())
        }
        Location::Server(url) => root_of(url),
        Location::Named(name, _) => format!("{name}:"),
        Location::Secrets(address) => address.to_string(),
        Location::File(path, _) => path.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(names: &[&str]) -> RecordPath {
        let mut names = names.iter().map(|name| (*name).to_owned());
        RecordPath { vault: names.next(), folders: names.collect() }
    }

    #[test]
    fn every_kind_of_location_is_told_apart() {
        let parse = |word| Location::parse(word).unwrap();
        assert_eq!(parse("prod:"), Location::Named("prod".into(), path(&[])));
        assert_eq!(
            parse("prod:Infra/databases"),
            Location::Named("prod".into(), path(&["Infra", "databases"]))
        );
        assert_eq!(parse("embedded:./a:b"), Location::Embedded("./a:b".into(), path(&[])));
        assert_eq!(parse("embedded:./a//Infra/db"), Location::Embedded("./a".into(), path(&["Infra", "db"])));
        assert!(matches!(parse("https://pw.example.com"), Location::Server(_)));
        assert!(matches!(parse("csv:-"), Location::File(file, Some(_)) if file.as_os_str() == "-"));
        for file in ["people.csv", "-", r"C:\x.csv", "./prod:x", "Prod:x"] {
            assert_eq!(parse(file), Location::File(file.into(), None), "{file}");
        }
    }

    #[test]
    fn secrets_in_addresses_are_refused_and_not_repeated() {
        let error = Location::parse("https://me:planted@pw.example.com").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(!error.to_string().contains("planted"));
    }
}
