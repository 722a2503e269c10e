//! Finds what unlocks an environment: variables, files that variables name, a prompt. Never argv.

use crate::exit::usage;
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
        }
        self.unlock = given.master_key.map(Unlock::MasterKey).or(self.unlock);
        self
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
        }
        if found.unlock.is_none() {
            found.unlock = match secret(prefix, "MASTER_KEY", lookup)? {
                Some(key) => Some(Unlock::MasterKey(key)),
                None => secret(prefix, "MASTER_PASSWORD", lookup)?.map(Unlock::MasterPassword),
            };
        }
    }
    Ok(found)
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
    if !std::io::stdin().is_terminal() {
        return Ok(None);
    }
    let answer = prompt(&format!("Master password of {label} (empty if it has none): "))?;
    Ok(Some(answer).filter(|answer| !answer.is_empty()))
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
