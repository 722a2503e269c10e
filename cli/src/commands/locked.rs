//! What opens files that other programs encrypted: a passphrase, a key file, or both.

use crate::args::{Html, Managed};
use crate::credentials;
use crate::exit::usage;
use crate::journal::Jobs;
use keyferry_core::Result;
use keyferry_core::engine::Endpoint;
use keyferry_core::engine::endpoint::written_format;
use keyferry_core::engine::source::several::files_of;
use keyferry_core::files::folder::{Kind, Member};
use keyferry_core::files::locked::{beginning, key_file};
use keyferry_core::files::source;
use keyferry_core::formats::{self, Format, ReadOptions, WriteOptions, detect};
use std::path::Path;

/// How much of a file tells whether it is encrypted.
const HEAD: usize = 64 << 10;

/// The options with what opens the encrypted files among these. A person is asked only where a file needs it and no
/// variable has it.
pub fn unlocked<const N: usize>(
    mut read: ReadOptions,
    managed: &Managed,
    from: [&Endpoint; N],
    jobs: &Jobs,
) -> Result<ReadOptions> {
    read.include_trash = managed.include_trash;
    read.html = match managed.html {
        Html::Keep => formats::Html::Keep,
        Html::Text => formats::Html::Text,
    };
    read.gpg = managed.gpg;
    read.heavy_kdf = jobs.allow_heavy_kdf;
    read.key_file = managed.key_file.as_deref().map(key_file).transpose()?;
    read.passphrase = credentials::secret("KEYFERRY", "FILE_PASSPHRASE", &credentials::process)?;
    for endpoint in from {
        let (paths, format) = match endpoint {
            Endpoint::File { path, format } => (std::slice::from_ref(path), *format),
            Endpoint::Files(paths, format) => (&**paths, *format),
            Endpoint::Environment(..) | Endpoint::Kv(..) | Endpoint::Spooled(..) => continue,
        };
        for (Member { path, kind, .. }, _) in files_of(paths)?.files {
            if read.passphrase.is_some() {
                continue;
            }
            let is_locked = match kind {
                Kind::Vault => true,
                Kind::File if !source::is_stream(&path)? => {
                    detect::needs_passphrase(beginning(&path, HEAD as u64)?.expose(), format)
                }
                Kind::File | Kind::Gpg | Kind::Age => false,
            };
            if is_locked {
                let empty =
                    if read.key_file.is_some() { " (empty if its key file alone opens it)" } else { "" };
                let question = format!("Passphrase of {}{empty}: ", path.display());
                read.passphrase = credentials::ask_for(&question)?;
            }
        }
    }
    Ok(read)
}

/// Completes the options with what a file that is written encrypted will open with. A person is asked only where no
/// variable has it and no key file is named.
pub fn sealing(write: &mut WriteOptions, key: Option<&Path>, to: &Endpoint) -> Result<()> {
    let Endpoint::File { path, format } = to else { return Ok(()) };
    if !written_format(path, *format).is_some_and(Format::is_encrypted) {
        return Ok(());
    }
    write.key_file = key.map(key_file).transpose()?;
    write.passphrase = credentials::secret("KEYFERRY", "FILE_PASSPHRASE", &credentials::process)?;
    if write.passphrase.is_none() && write.key_file.is_none() {
        write.passphrase = credentials::ask_for(&format!("New passphrase of {}: ", path.display()))?;
        if write.passphrase.is_some() && credentials::ask_for("Once more: ")? != write.passphrase {
            return Err(usage("the two passphrases differ", "run the command again"));
        }
    }
    Ok(())
}
