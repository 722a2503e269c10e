//! Finds what unlocks an environment, in this order: variables, files that variables name, the keyring, a session
//! file, a program that the config names, a prompt. Never argv.
//!
//! | file | what it knows |
//! |---|---|
//! | `session_places` | where an environment's session may be kept |
//! | `session` | a session that outlives the command, and its lock |
//! | `keyring` | the system's keyring |
//! | `command` | a secret that a program gives |

mod command;
#[cfg(feature = "keyring")]
mod keyring;
#[cfg(not(feature = "keyring"))]
#[path = "no_keyring.rs"]
mod keyring;
mod session;
pub mod session_places;

pub use crate::credentials::keyring::Keyring;
pub use crate::credentials::session::{StoredSession, UnstoredSession};

use crate::config::Configured;
use crate::exit::usage;
use crate::output::Output;
use keyferry_core::client::Trust;
use keyferry_core::engine::Unlock;
use keyferry_core::secret::SecretString;
use keyferry_core::{Error, Result};
use std::io::IsTerminal as _;
use url::Url;

/// Reads one variable of the process's environment.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Which of a command's locations this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The only environment.
    Only,
    /// The first of two.
    From,
    /// The second of two.
    To,
}

/// What was found.
#[derive(Default)]
pub struct Credentials {
    /// The access token.
    pub token: Option<SecretString>,
    /// What renews it.
    pub refresh_token: Option<SecretString>,
    /// The master key or master password.
    pub unlock: Option<Unlock>,
    /// Where the tokens came from.
    pub tokens_from: Option<String>,
    /// Where the key or password came from.
    pub unlock_from: Option<String>,
    /// Where renewed tokens are put back.
    pub kept: Option<StoredSession>,
    /// Why a session that is there was passed over.
    pub hints: Vec<String>,
}

/// Which environment secrets are looked for.
pub struct Asked<'a> {
    /// Its name, where it is a configured one.
    pub name: Option<&'a str>,
    /// Which of the command's locations it is.
    pub side: Side,
    /// Its address, where it is a server.
    pub url: Option<&'a Url>,
    /// Its canonical location.
    pub location: &'a str,
    /// What messages call it.
    pub label: &'a str,
    /// What the config says of it.
    pub configured: Option<&'a Configured>,
    /// Where remarks go.
    pub output: Output,
}

impl Asked<'_> {
    fn kept(&self, place: session::SessionPlace) -> StoredSession {
        StoredSession {
            shelf: place,
            name: self.name.map(str::to_owned),
            location: self.location.to_owned(),
            output: self.output,
        }
    }

    /// What the config's programs give as the master key or master password.
    pub fn unlock_command(&self) -> Result<Option<(Unlock, &'static str)>> {
        let Some(configured) = self.configured else { return Ok(None) };
        if let Some(words) = &configured.master_key_command {
            let name = "master_key_command";
            return Ok(Some((Unlock::MasterKey(command::secret(name, words)?), name)));
        }
        let Some(words) = &configured.master_password_command else { return Ok(None) };
        let name = "master_password_command";
        Ok(Some((Unlock::MasterPassword(command::secret(name, words)?), name)))
    }

    /// What opens the user's keys, where nothing was found yet: a program, or a question on a terminal.
    pub fn unlock(&self) -> Result<Option<Unlock>> {
        match self.unlock_command()? {
            Some((unlock, _)) => Ok(Some(unlock)),
            None => Ok(ask(self.label)?.map(Unlock::MasterPassword)),
        }
    }

    /// The login password: a variable, a program, a question on a terminal.
    pub fn login_password(&self, lookup: Lookup<'_>) -> Result<Option<SecretString>> {
        for prefix in prefixes(self.name, self.side) {
            if let Some(password) = secret(&prefix, "PASSWORD", lookup)? {
                return Ok(Some(password));
            }
        }
        if let Some(words) = self.configured.and_then(|configured| configured.password_command.as_ref()) {
            return command::secret("password_command", words).map(Some);
        }
        ask_for(&format!("Login password of {}: ", self.label.trim_end_matches(':')))
    }
}

/// What was typed: it goes before what is looked up.
#[derive(Default)]
pub struct Given {
    /// The access token.
    pub token: Option<SecretString>,
    /// What renews it.
    pub refresh_token: Option<SecretString>,
    /// The master key.
    pub master_key: Option<SecretString>,
    /// Which certificates prove the server's name.
    pub trust: Trust,
}

impl Credentials {
    /// With what was typed in its place. A pair of tokens belongs together.
    pub fn overridden(mut self, given: Given) -> Self {
        if given.token.is_some() || given.refresh_token.is_some() {
            (self.token, self.refresh_token) = (given.token, given.refresh_token);
            self.tokens_from = Some("the command line".to_owned());
        }
        if let Some(key) = given.master_key {
            self.unlock = Some(Unlock::MasterKey(key));
            self.unlock_from = Some("the command line".to_owned());
        }
        self
    }

    /// Whether there is a token of either kind.
    pub fn signed_in(&self) -> bool {
        self.token.is_some() || self.refresh_token.is_some()
    }

    /// With tokens from the keyring, a session file or a program, where none were found yet. The master key of
    /// a kept session goes with its tokens: it is the same user's.
    pub fn completed(mut self, asked: &Asked<'_>, lookup: Lookup<'_>) -> Result<Self> {
        if self.signed_in() || asked.url.is_none() {
            return Ok(self);
        }
        if let Some((kept, content)) = session_places::find(asked, lookup, &mut self.hints)? {
            (self.token, self.refresh_token) = (content.access_token, content.refresh_token);
            self.tokens_from = Some(kept.place());
            if let (None, Some(key)) = (&self.unlock, content.master_key) {
                self.unlock = Some(Unlock::MasterKey(key));
                self.unlock_from = Some(kept.place());
            }
            self.kept = Some(kept);
            return Ok(self);
        }
        let Some(configured) = asked.configured else { return Ok(self) };
        let run = |name, words: &Option<Vec<String>>| {
            words.as_ref().map(|words| command::secret(name, words)).transpose()
        };
        self.token = run("token_command", &configured.token_command)?;
        self.refresh_token = run("refresh_token_command", &configured.refresh_token_command)?;
        self.tokens_from = self.signed_in().then(|| "token_command".to_owned());
        Ok(self)
    }
}

/// The process's own variables; an empty one counts as missing.
pub fn process(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The beginnings of the variables' names, most specific first.
pub fn prefixes(name: Option<&str>, side: Side) -> Vec<String> {
    if let Some(name) = name {
        return vec![format!("KEYFERRY_{}", name.to_uppercase().replace('-', "_"))];
    }
    let own = match side {
        Side::Only => None,
        Side::From => Some("KEYFERRY_FROM"),
        Side::To => Some("KEYFERRY_TO"),
    };
    own.into_iter().chain(["KEYFERRY"]).map(str::to_owned).collect()
}

/// Looks everything up. `PASSWORK_*` counts only for the origin of `PASSWORK_HOST`.
pub fn find(name: Option<&str>, side: Side, url: Option<&Url>, lookup: Lookup<'_>) -> Result<Credentials> {
    let mut prefixes = prefixes(name, side);
    if let (Some(url), Some(host)) = (url, lookup("PASSWORK_HOST"))
        && Url::parse(&host).is_ok_and(|host| host.origin() == url.origin())
    {
        prefixes.push("PASSWORK".to_owned());
    }
    let mut found = Credentials::default();
    for prefix in &prefixes {
        // A pair of tokens belongs together: both come from the same prefix.
        if found.token.is_none() && found.refresh_token.is_none() {
            found.token = secret(prefix, "TOKEN", lookup)?;
            found.refresh_token = secret(prefix, "REFRESH_TOKEN", lookup)?;
            let names = ["TOKEN", "REFRESH_TOKEN"].map(|word| variable(prefix, word, lookup));
            found.tokens_from = names.into_iter().flatten().next();
        }
        if found.unlock.is_none() {
            found.unlock = match secret(prefix, "MASTER_KEY", lookup)? {
                Some(key) => Some(Unlock::MasterKey(key)),
                None => secret(prefix, "MASTER_PASSWORD", lookup)?.map(Unlock::MasterPassword),
            };
            let names = ["MASTER_KEY", "MASTER_PASSWORD"].map(|word| variable(prefix, word, lookup));
            found.unlock_from = names.into_iter().flatten().next();
        }
    }
    Ok(found)
}

/// The variable that holds a secret or names its file.
pub fn variable(prefix: &str, word: &str, lookup: Lookup<'_>) -> Option<String> {
    let name = format!("{prefix}_{word}");
    [name.clone(), format!("{name}_FILE")].into_iter().find(|name| lookup(name).is_some())
}

/// One secret: the variable itself, or the file that its `_FILE` sibling names.
pub fn secret(prefix: &str, word: &str, lookup: Lookup<'_>) -> Result<Option<SecretString>> {
    let name = format!("{prefix}_{word}");
    if let Some(value) = lookup(&name) {
        return Ok(Some(SecretString::new(value)));
    }
    let Some(path) = lookup(&format!("{name}_FILE")) else { return Ok(None) };
    let text = std::fs::read_to_string(&path).map_err(|error| {
        Error::io(&path, error).next_step(format!("{name}_FILE names a file that holds the secret"))
    })?;
    let text = SecretString::new(text);
    Ok(Some(SecretString::from(text.expose().trim_end_matches(['\r', '\n']))))
}

/// Asks for the master password on a terminal; `None` elsewhere and for an empty answer.
pub fn ask(label: &str) -> Result<Option<SecretString>> {
    ask_for(&format!("Master password of {label} (empty if it has none): "))
}

/// Asks for a secret on a terminal; `None` elsewhere and for an empty answer.
pub fn ask_for(question: &str) -> Result<Option<SecretString>> {
    if !std::io::stdin().is_terminal() {
        return Ok(None);
    }
    Ok(Some(prompt(question)?).filter(|answer| !answer.is_empty()))
}

/// A new master password: the variable, a prompt twice, or generated.
pub fn new_master_password(generate: bool, lookup: Lookup<'_>) -> Result<(SecretString, bool)> {
    if generate {
        return Ok((keyferry_core::crypto::generate::password(32)?, true));
    }
    if let Some(password) = secret("KEYFERRY", "MASTER_PASSWORD", lookup)? {
        return Ok((password, false));
    }
    if !std::io::stdin().is_terminal() {
        return Err(usage(
            "a new environment needs a master password",
            "set KEYFERRY_MASTER_PASSWORD or KEYFERRY_MASTER_PASSWORD_FILE, or add --generate",
        ));
    }
    let first = prompt("New master password: ")?;
    if first.is_empty() {
        return Err(usage("an empty master password protects nothing", "choose one, or add --generate"));
    }
    if prompt("Once more: ")? != first {
        return Err(usage("the two master passwords differ", "run the command again"));
    }
    Ok((first, false))
}

fn prompt(text: &str) -> Result<SecretString> {
    rpassword::prompt_password(text).map(SecretString::new).map_err(|error| Error::io("the terminal", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<'a>(variables: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    }

    fn shown(secret: Option<&SecretString>) -> Option<&str> {
        secret.map(SecretString::expose)
    }

    #[test]
    fn the_more_specific_variable_wins() {
        let lookup = with(&[
            ("KEYFERRY_TOKEN", "general"),
            ("KEYFERRY_FROM_TOKEN", "from"),
            ("KEYFERRY_MASTER_KEY", "key"),
            ("KEYFERRY_FROM_MASTER_PASSWORD", "password"),
        ]);
        let from = find(None, Side::From, None, &lookup).unwrap();
        assert_eq!(shown(from.token.as_ref()), Some("from"));
        assert!(matches!(from.unlock, Some(Unlock::MasterPassword(_))));
        let to = find(None, Side::To, None, &lookup).unwrap();
        assert_eq!(shown(to.token.as_ref()), Some("general"));
        assert!(matches!(to.unlock, Some(Unlock::MasterKey(_))));
    }

    #[test]
    fn a_named_environment_takes_only_its_own() {
        let lookup = with(&[("KEYFERRY_TOKEN", "general"), ("KEYFERRY_MY_PROD_REFRESH_TOKEN", "own")]);
        let found = find(Some("my-prod"), Side::From, None, &lookup).unwrap();
        assert!(found.token.is_none());
        assert_eq!(shown(found.refresh_token.as_ref()), Some("own"));
    }

    #[test]
    fn passwork_variables_go_only_to_their_origin() {
        let lookup = with(&[("PASSWORK_HOST", "https://pw.example.com/"), ("PASSWORK_TOKEN", "official")]);
        let at = |url: &str| find(None, Side::Only, Some(&Url::parse(url).unwrap()), &lookup).unwrap().token;
        assert_eq!(shown(at("https://pw.example.com/some/base").as_ref()), Some("official"));
        for other in
            ["https://pw.example.com.evil.org", "http://pw.example.com", "https://pw.example.com:8443"]
        {
            assert!(at(other).is_none(), "{other}");
        }
    }

    #[test]
    fn a_file_gives_its_text_without_the_last_line_end() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), " two words \r\n").unwrap();
        let path = file.path().to_str().unwrap();
        let variables = [("KEYFERRY_TOKEN_FILE", path)];
        let lookup = with(&variables);
        assert_eq!(shown(secret("KEYFERRY", "TOKEN", &lookup).unwrap().as_ref()), Some(" two words "));
    }
}
