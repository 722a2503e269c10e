//! A resolved location: what a word on the command line comes to.

use crate::client::REQUEST_TIMEOUT;
use crate::client::kv::{self, Server};
use crate::engine::environment::Environment;
use crate::engine::environment::identity::Identity;
use crate::engine::source::stdin::Spool;
use crate::error::{Error, ErrorKind, Result};
use crate::formats::Format;
use crate::model::RecordPath;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A resolved location: anything that yields records or takes them.
pub enum Endpoint {
    /// An unlocked environment, and the vault and folder within it that count.
    Environment(Arc<Environment>, RecordPath),
    /// A file; `-` is standard input or output.
    File {
        /// Where it is.
        path: PathBuf,
        /// `None`: found from content, then from the ending.
        format: Option<Format>,
    },
    /// Files, and the files of folders, one after the other, as one source. A source only.
    Files(Arc<[PathBuf]>, Option<Format>),
    /// A server of HashiCorp Vault or OpenBao, and the place in it that counts. A source only.
    Kv(Arc<Server>),
    /// Standard input, read already and kept so that it can be read again. A source only.
    Spooled(Arc<Spool>, Option<Format>),
}

impl Endpoint {
    /// A file as users type it: `FILE` or `FORMAT:FILE`.
    #[must_use]
    pub fn file(word: &str) -> Self {
        let named = word.split_once(':').filter(|(_, path)| !path.is_empty());
        match named.and_then(|(name, path)| Some((Format::from_name(name)?, path))) {
            Some((format, path)) => Endpoint::File { path: path.into(), format: Some(format) },
            None => Endpoint::File { path: word.into(), format: None },
        }
    }

    /// What a program gives where no environment is meant: a file as users type it, or a server of secrets
    /// (`vault://HOST:PORT/MOUNT`), whose token this process brings.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for what is no address; [`ErrorKind::NotAuthenticated`] where there is no token;
    /// [`ErrorKind::NotAllowed`] for plain HTTP to another machine, unless `KEYFERRY_INSECURE_HTTP` is 1.
    pub fn source(word: &str) -> Result<Self> {
        if !kv::address::is_address(word) {
            return Ok(Self::file(word));
        }
        let address = kv::Address::parse(word)?;
        let token = kv::token::of_process(&address)?;
        let token = token.ok_or_else(|| kv::token::none_at_hand(&address))?;
        let insecure = std::env::var_os("KEYFERRY_INSECURE_HTTP").is_some_and(|value| value == "1");
        let trust = kv::token::trust_of_process()?;
        Ok(Self::Kv(Arc::new(Server::new(address, token, REQUEST_TIMEOUT, insecure, &trust)?)))
    }

    /// Several files as one source, or the only one of them as it is.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] where there is none, or one of several names its format or is no file.
    pub fn several(mut words: Vec<PathBuf>) -> Result<Self> {
        if words.len() == 1
            && let Some(only) = words.pop()
        {
            return only
                .to_str()
                .map_or_else(|| Ok(Self::File { path: only.clone(), format: None }), Self::source);
        }
        let is_more = |path: &PathBuf| {
            let word = path.to_str().unwrap_or_default();
            kv::address::is_address(word) || !matches!(Self::file(word), Endpoint::File { format: None, .. })
        };
        if words.is_empty() || words.iter().any(is_more) {
            return Err(Error::new(
                ErrorKind::Usage,
                "several sources are files and folders, named by their paths alone",
            )
            .next_step("read what has a format before its name, or is no file, by itself"));
        }
        Ok(Self::Files(words.into(), None))
    }

    /// The place within it that it names; none of a file.
    #[must_use]
    pub fn inside(&self) -> RecordPath {
        match self {
            Endpoint::Environment(_, inside) => inside.clone(),
            Endpoint::Kv(server) => server.address().place(),
            Endpoint::File { .. } | Endpoint::Files(..) | Endpoint::Spooled(..) => RecordPath::default(),
        }
    }

    /// The environment, where it is one.
    #[must_use]
    pub fn environment(&self) -> Option<&Arc<Environment>> {
        match self {
            Endpoint::Environment(environment, _) => Some(environment),
            Endpoint::File { .. } | Endpoint::Files(..) | Endpoint::Kv(..) | Endpoint::Spooled(..) => None,
        }
    }

    /// Who is signed in, for a report. `None` of a file, and where the server does not answer any more: what a job did is
    /// filed all the same.
    pub async fn identity(&self) -> Option<Identity> {
        self.environment()?.identity().await.ok()
    }

    /// The same place under the names that it has, where it was typed in another Unicode form.
    pub(crate) async fn settled(&self) -> Result<Option<Self>> {
        match self {
            Endpoint::Environment(environment, inside) => {
                let settled = environment.settled(inside).await?;
                Ok(Some(Endpoint::Environment(environment.clone(), settled)))
            }
            Endpoint::File { .. } | Endpoint::Files(..) | Endpoint::Kv(..) | Endpoint::Spooled(..) => {
                Ok(None)
            }
        }
    }

    /// Whether it is an environment whose user has keys.
    pub(crate) fn encrypts(&self) -> bool {
        self.environment().is_some_and(|environment| environment.encrypts())
    }
}

/// The format that a file is written in: the one that was named, or that its ending names.
#[must_use]
pub fn written_format(path: &Path, named: Option<Format>) -> Option<Format> {
    named.or_else(|| path.extension().and_then(|ending| ending.to_str()).and_then(Format::from_name))
}

/// Whether a sink's name asks for an archive.
#[must_use]
pub fn is_archive(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("kfa"))
}
