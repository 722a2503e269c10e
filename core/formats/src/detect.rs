//! Which format a file has: by what only that format has, never for want of another.

use crate::authenticators;
use crate::foreign;
use crate::format::Format;
pub use crate::head::HEAD;
use crate::head::{Fit, Head};
use crate::json::Value;
use crate::managers::psono;
use keyferry_crypto::error::{Error, ErrorKind, Result};
use std::io::{self, Read};
use zeroize::Zeroizing;

/// The format of a file that begins with `head` (some KiB) and is called `name`.
///
/// # Errors
/// [`ErrorKind::Input`] names another tool's file, or the formats that fit equally, or says that none does.
pub fn detect(head: &[u8], name: Option<&str>) -> Result<Format> {
    let head = Head::of(head, name.unwrap_or_default());
    let (fit, found) = best(&head, |_| true);
    match found.as_slice() {
        [format] => Ok(*format),
        [] => unknown(&head),
        // The form alone never decides between two.
        several => Err(both(several, fit)),
    }
}

/// The same of a file that is being read: `head` takes as much of it as it needs. A document whose first member is a long list of
/// folders, or an archive that begins with a large file, shows only later what it is.
///
/// # Errors
/// Those of reading `input`; those of [`detect`] are within.
pub fn detect_in(
    input: &mut dyn Read,
    head: &mut Zeroizing<Vec<u8>>,
    name: Option<&str>,
) -> io::Result<Result<Format>> {
    for size in [HEAD, MORE, MOST] {
        // No copy is left behind where a vector grows.
        let mut larger = Zeroizing::new(Vec::with_capacity(size.max(head.len())));
        larger.extend_from_slice(head);
        *head = larger;
        let missing = size.saturating_sub(head.len()) as u64;
        input.take(missing).read_to_end(head)?;
        let found = detect(head, name);
        if found.is_ok() || head.len() < size || size == MOST || !may_come_later(head) {
            return Ok(found);
        }
    }
    Ok(detect(head, name))
}

/// The same of a file that is at hand as a whole.
pub(crate) fn detect_whole(bytes: &[u8], name: Option<&str>) -> Result<Format> {
    let of = |size: usize| detect(bytes.get(..bytes.len().min(size)).unwrap_or_default(), name);
    let mut found = of(HEAD);
    for size in [MORE, MOST] {
        if found.is_ok() || bytes.len() <= HEAD || !may_come_later(bytes) {
            break;
        }
        found = of(size);
    }
    found
}

/// Whether what a file is may stand far from its beginning.
fn may_come_later(head: &[u8]) -> bool {
    head.starts_with(b"PK\x03\x04") || Head::of(head.get(..64).unwrap_or(head), "").looks_like_json()
}

/// What is looked at where [`HEAD`] was too little, and at most: a table or a text shows at once what it is.
const MORE: usize = 1 << 20;
const MOST: usize = 16 << 20;

/// Whether a file that begins so opens with a passphrase or key file alone, where `format` does not say what it is.
#[must_use]
pub fn needs_passphrase(head: &[u8], format: Option<Format>) -> bool {
    let Some(format) = format.or_else(|| detect(head, None).ok()) else { return false };
    let head = Head::of(head, "");
    let is = |name| head.json().is_some_and(|json| matches!(json.get(name), Some(Value::Bool(true))));
    format.is_encrypted() || (is("encrypted") && is("passwordProtected")) || asks(format, &head)
}

/// The same of a format of which some files are sealed and others not.
fn asks(format: Format, head: &Head<'_>) -> bool {
    match format.name() {
        "ansible-vault" | "sops" => true,
        "psono-json" => psono::asks(head),
        "protonpass-zip" => head.members().iter().any(|name| name.ends_with("data.pgp")),
        name => authenticators::is_sealed(name, head),
    }
}

/// Makes sure that a file which is to be read as `format` has no signature of another.
///
/// # Errors
/// [`ErrorKind::Input`] names the other.
pub(crate) fn check(format: Format, head: &[u8]) -> Result<()> {
    let head = Head::of(head, "");
    if !format.is_general() {
        return unsealed(format, &head);
    }
    let (fit, found) = best(&head, |other| !other.is_general());
    match found.as_slice() {
        [other, ..] if fit >= Fit::Signature => Err(Error::new(
            ErrorKind::Input,
            format!("this is an export of {}, in a format of its own", other.from()),
        )
        .next_step(format!("leave --format out, or write --format {}", other.name()))),
        // A table within a web page is one.
        _ if format.fits(&head) >= Fit::Signature => Ok(()),
        _ => foreign::refuse_text(head.bytes),
    }
}

/// Makes sure that a tree of secrets which is named outright is not sealed by another format: its ciphertexts would pass for values.
fn unsealed(format: Format, head: &Head<'_>) -> Result<()> {
    if !format.is_tree() {
        return Ok(());
    }
    let sealed = Format::all().find(|other| *other != format && other.fits(head) == Fit::Seal);
    match sealed {
        Some(other) if format.fits(head) < Fit::Seal => {
            Err(Error::new(ErrorKind::Input, format!("its values are sealed: {}", other.from()))
                .next_step(format!("leave --format out, or write --format {}", other.name())))
        }
        _ => Ok(()),
    }
}

/// The best fit, and the formats that fit so well.
fn best(head: &Head<'_>, wanted: impl Fn(Format) -> bool) -> (Fit, Vec<Format>) {
    // A tool's own signature says more than members that many tools have.
    let (mut best, mut found) = ((Fit::No, false), Vec::new());
    for format in Format::all().filter(|format| wanted(*format)) {
        let fit = (format.fits(head), !format.is_general());
        if fit.0 == Fit::No || fit < best {
            continue;
        }
        if fit > best {
            found.clear();
        }
        best = fit;
        found.push(format);
    }
    (best.0, found)
}

fn both(formats: &[Format], fit: Fit) -> Error {
    let names: Vec<_> = formats.iter().map(|format| format.name()).collect();
    let flags: Vec<_> = names.iter().map(|name| format!("--format {name}")).collect();
    let how = if fit >= Fit::Signature { "it fits both" } else { "its form fits both" };
    Error::new(ErrorKind::Input, format!("this may be {}: {how}", names.join(" or ")))
        .next_step(format!("say which: {}", flags.join(" or ")))
}

/// What has no signature: another tool's, or known by its name alone.
fn unknown(head: &Head<'_>) -> Result<Format> {
    foreign::refuse_name(head.ending().as_deref().unwrap_or_default())?;
    foreign::refuse_text(head.bytes)?;
    if let Some(document) = head.json() {
        foreign::refuse_json(document)?;
        return Err(foreign::unknown_json());
    }
    match head.ending().as_deref() {
        Some("csv" | "tsv" | "tab") => Ok(Format::CSV),
        Some("jsonl" | "ndjson") => Ok(Format::JSON_LINES),
        // What is wrong with it, its reader says best.
        Some("json") if head.looks_like_json() => Ok(Format::PASSWORK_JSON),
        _ => Err(Error::new(ErrorKind::Input, "its format is not known")
            .next_step("name it: --format csv, or csv:FILE as the location; keyferry formats lists them")),
    }
}
