//! What stood sealed in a file, once it is open: read as what it is, or kept as a file.

use super::stem;
use crate::tally::Tally;
use crate::{Entries, ReadOptions};
use keyferry_crypto::error::Position;
use keyferry_crypto::model::{Attachment, Entry, Record};
use keyferry_crypto::secret::SecretBytes;
use zeroize::Zeroizing;

/// The options for what is inside, which has the file's name without what says that it is sealed.
pub(super) fn options_of(options: &ReadOptions) -> ReadOptions {
    ReadOptions { name: options.name.as_deref().map(plain_name), ..options.clone() }
}

/// `db.sops.yaml`, `db.yaml.vault` and the like, without the word in it.
fn plain_name(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let mut parts = name.split('.');
    let first = parts.next().unwrap_or_default();
    let is_seal = |part: &str| {
        ["sops", "enc", "encrypted", "vault", "age"].iter().any(|word| part.eq_ignore_ascii_case(word))
    };
    let rest = parts.filter(|part| !is_seal(part));
    std::iter::once(first).chain(rest).collect::<Vec<_>>().join(".")
}

/// What it is.
pub(crate) enum Inside {
    /// A file of another format, read.
    Read(Entries),
    /// A file of none, or of a general one: its bytes.
    Bytes(Zeroizing<Vec<u8>>),
}

/// A record of the file's name: one line is its password, anything else its attachment.
pub(crate) fn file(mut bytes: Zeroizing<Vec<u8>>, options: &ReadOptions) -> Entries {
    let (mut tally, mut entries) = (Tally::default(), Vec::new());
    let name = options.name.clone().unwrap_or_else(|| "secret".to_owned());
    let mut record = Record { name: stem(options.name.as_deref()), ..Record::default() };
    tally.read(u64::from(!bytes.is_empty()));
    tally.carried(u64::from(!bytes.is_empty()));
    let text = std::str::from_utf8(&bytes).ok();
    let text =
        text.map(|text| text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text)));
    match text {
        Some(line) if !line.is_empty() && !line.contains(['\n', '\r', '\0']) => {
            record.password = Some(line.into());
        }
        _ => {
            let content = SecretBytes::new(std::mem::take(&mut *bytes));
            record.attachments.push(Attachment { name, content });
        }
    }
    entries.push(Ok(Entry::Record(record, Position::line(1))));
    entries.extend(tally.finish().into_iter().map(Ok));
    Box::new(entries.into_iter())
}
