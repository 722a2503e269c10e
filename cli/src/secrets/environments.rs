//! The environments that a command's references name, each opened once.

use crate::args::secrets::Access;
use crate::config::Config;
use crate::credentials::{Given, Side, process};
use crate::exit::usage;
use crate::location;
use crate::location::Need;
use crate::output::Output;
use crate::secrets::reference::{Reference, location_of};
use keyferry_core::client::Trust;
use keyferry_core::engine::{Environment, Journal};
use keyferry_core::secret::SecretString;
use keyferry_core::{Error, Result};
use std::collections::HashMap;
use std::sync::Arc;

/// Opens environments when they are first asked for.
pub struct Opened<'a> {
    access: &'a Access,
    config: &'a Config,
    /// By name; the one of references that name none under an empty name.
    open: HashMap<String, Arc<Environment>>,
    /// For a command that writes: where keys are pinned, and whether it may write in the clear.
    writing: Option<(Journal, bool)>,
}

impl<'a> Opened<'a> {
    /// Nothing is opened yet. Secrets that were typed are warned of.
    pub fn new(access: &'a Access, config: &'a Config, output: Output) -> Self {
        for (flag, given) in [
            ("--token", &access.token),
            ("--refresh-token", &access.refresh_token),
            ("--master-key", &access.master_key),
        ] {
            if given.is_some() {
                output
                    .warn(&format!("{flag} can be read by other users of this machine: a variable is safer"));
            }
        }
        if access.no_ssl_verify {
            output.warn("the server's certificate is not verified: whoever stands in between reads along");
        }
        Self { access, config, open: HashMap::new(), writing: None }
    }

    /// Opens environments to write in them; see [`Environment::write_with`].
    pub fn write_with(&mut self, journal: Journal, permit_unencrypted: bool) {
        self.writing = Some((journal, permit_unencrypted));
    }

    /// The environment of a reference.
    pub async fn of(&mut self, reference: &Reference) -> Result<Arc<Environment>> {
        self.named(reference.environment.as_deref()).await
    }

    /// The environment that references name so; without a name, the one that the command or `PASSWORK_HOST` names.
    pub async fn named(&mut self, name: Option<&str>) -> Result<Arc<Environment>> {
        let key = name.unwrap_or_default();
        if let Some(open) = self.open.get(key) {
            return Ok(open.clone());
        }
        let environment = if let Some(name) = name {
            location::environment(&location_of(name), Side::Only, Need::Contents, self.config).await?.0
        } else {
            let (word, given) = (self.word()?, self.given()?);
            location::environment_with(&word, Side::Only, Need::Contents, self.config, given).await?.0
        };
        match &self.writing {
            Some((journal, permitted)) => environment.write_with(Arc::new(journal.clone()), *permitted)?,
            None => environment.stays_encrypted()?,
        }
        let environment = Arc::new(environment);
        self.open.insert(key.to_owned(), environment.clone());
        Ok(environment)
    }

    fn word(&self) -> Result<String> {
        let named = self.access.from.clone().or_else(|| self.access.host.clone());
        let word = named.or_else(|| process("PASSWORK_HOST")).ok_or_else(|| {
            usage(
                "no environment is named",
                "write NAME:Vault/record, add --from LOCATION, or set PASSWORK_HOST",
            )
        })?;
        // A configured environment may be named with its colon and without.
        Ok(if self.config.environments.contains_key(&word) { format!("{word}:") } else { word })
    }

    fn given(&self) -> Result<Given> {
        let secret = |text: &Option<String>| text.as_deref().map(SecretString::from);
        let trust = match &self.access.ssl_verify {
            Some(Some(file)) => Trust::Only(std::fs::read(file).map_err(|error| Error::io(file, error))?),
            _ if self.access.no_ssl_verify => Trust::Anybody,
            _ => Trust::System,
        };
        Ok(Given {
            token: secret(&self.access.token),
            refresh_token: secret(&self.access.refresh_token),
            master_key: secret(&self.access.master_key),
            trust,
        })
    }
}
