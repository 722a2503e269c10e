//! `keyferry/config.toml`: where environments are. It never holds a secret.

use crate::exit::usage;
use crate::output::Output;
use etcetera::BaseStrategy as _;
use keyferry_core::crypto::mark::Marks;
use keyferry_core::engine::names;
use keyferry_core::error::Place;
use keyferry_core::files::sink;
use keyferry_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The file's content.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Environments by name.
    #[serde(default)]
    pub environments: BTreeMap<String, Configured>,
    /// Where it was read from and is saved to.
    #[serde(skip)]
    path: PathBuf,
    /// How long one request may take; typed, not read from the file.
    #[serde(skip)]
    pub timeout: Duration,
    /// Take a key derivation below today's floors; typed as well.
    #[serde(skip)]
    pub allow_weak_kdf: bool,
    /// Speak plain HTTP to other machines; typed as well.
    #[serde(skip)]
    pub insecure_http: bool,
    /// Where keys are remembered; typed as well.
    #[serde(skip)]
    pub pins: PinSource,
    /// Whether records carry marks; typed as well.
    #[serde(skip)]
    pub marks: Marks,
    /// Where remarks go; typed as well.
    #[serde(skip)]
    pub output: Output,
}

/// Where what is remembered of environments comes from and goes to.
#[derive(Debug, Default)]
pub struct PinSource {
    /// The journal, where it is not at its usual place.
    pub journal: Option<PathBuf>,
    /// Nothing is believed for the first time.
    pub required: bool,
}

/// One environment.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Configured {
    /// `https://…`, `http://…` or `embedded:DIR`.
    pub location: String,
    /// A program that prints the access token: a list of words, no shell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_command: Option<Vec<String>>,
    /// The same for the refresh token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token_command: Option<Vec<String>>,
    /// The same for the master key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master_key_command: Option<Vec<String>>,
    /// The same for the master password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master_password_command: Option<Vec<String>>,
    /// The same for the login password, for `login`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_command: Option<Vec<String>>,
    /// The same for a session file's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_key_command: Option<Vec<String>>,
}

impl Configured {
    /// An environment at this location, whose secrets no program gives.
    pub fn at(location: String) -> Self {
        Self {
            location,
            token_command: None,
            refresh_token_command: None,
            master_key_command: None,
            master_password_command: None,
            password_command: None,
            session_key_command: None,
        }
    }
}

impl Config {
    /// Reads the file; one that does not exist is empty.
    pub fn load(path: Option<&Path>, may_be_new: bool, timeout: Duration, output: Output) -> Result<Self> {
        let named = path.is_some() && !may_be_new;
        let path = match path {
            Some(path) => path.to_owned(),
            None => etcetera::choose_base_strategy()
                .map_err(|_| usage("this user has no config folder", "name the file with --config"))?
                .config_dir()
                .join("keyferry")
                .join("config.toml"),
        };
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !named => String::new(),
            Err(error) => return Err(Error::io(&path, error)),
        };
        // The parser's own message quotes the line, which could hold a misplaced secret.
        let mut config: Self = toml::from_str(&text).map_err(|error| {
            let line = error.span().map(|span| text[..span.start.min(text.len())].lines().count().max(1));
            Error::new(ErrorKind::Usage, "this is not a keyferry config").at(Place::File {
                path: path.clone(),
                at: line.map(|line| keyferry_core::error::Position::line(line as u64)),
            })
            .next_step("it holds sections [environments.NAME] with location = \"…\" and programs such as token_command = [\"…\"]; secrets belong elsewhere")
        })?;
        config.path = path;
        config.timeout = timeout;
        config.output = output;
        Ok(config)
    }

    /// Where an environment is.
    pub fn location(&self, name: &str) -> Result<&str> {
        self.environments.get(name).map(|environment| environment.location.as_str()).ok_or_else(|| {
            let known: Vec<_> = self.environments.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none yet".to_owned() } else { known.join(", ") };
            let near = names::near(name, self.environments.keys().map(String::as_str).chain(["embedded"]));
            let next = match near.as_slice() {
                [] => format!(
                    "keyferry env add {name} https://passwork.example.com; a file is written ./{name}:…"
                ),
                near => format!("did you mean {}:?", near.join(": or ")),
            };
            usage(format!("there is no environment `{name}` (known: {known})"), next)
        })
    }

    /// Where it was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the file whole, readable by its owner alone.
    pub fn save(&self) -> Result<()> {
        let io = |error| Error::io(&self.path, error);
        sink::make_private_folder(sink::folder(&self.path)).map_err(io)?;
        let text = toml::to_string_pretty(self).map_err(|error| {
            Error::new(ErrorKind::Internal, "the config could not be written").because(error)
        })?;
        sink::write(&self.path, text.as_bytes())
    }
}
