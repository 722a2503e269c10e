//! A resolved location: what a word on the command line comes to.

use crate::engine::environment::Environment;
use crate::engine::environment::identity::Identity;
use crate::engine::source::stdin::Spool;
use crate::error::Result;
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

    /// The environment, where it is one.
    #[must_use]
    pub fn environment(&self) -> Option<&Arc<Environment>> {
        match self {
            Endpoint::Environment(environment, _) => Some(environment),
            Endpoint::File { .. } | Endpoint::Files(..) | Endpoint::Spooled(..) => None,
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
            Endpoint::File { .. } | Endpoint::Files(..) | Endpoint::Spooled(..) => Ok(None),
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
