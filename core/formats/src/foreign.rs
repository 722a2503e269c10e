//! Files of other tools that no reader of ours takes: named, and refused with a way on, rather than read as something
//! that they are not. Signatures are those of the tools' own documents.

use crate::json::Value;
use keyferry_crypto::error::{Error, ErrorKind, Result};
use zeroize::Zeroizing;

/// What begins with certain bytes, and what to do with it.
const MAGIC: &[(&[u8], &str, &str)] = &[
    (b"\x03\xd9\xa2\x9a", "a KeePass database of a kind that is no longer in use", KEEPASS),
    (
        b"PK\x03\x04",
        "a zip archive, perhaps a workbook or a manager's export",
        "name its format where it is an export: --format 1pux; save a workbook as CSV (UTF-8); unpack anything else",
    ),
    (
        b"\xd0\xcf\x11\xe0",
        "a document of Microsoft Office, perhaps a workbook (.xls)",
        "leave --format out where it is a workbook; save anything else as CSV (UTF-8)",
    ),
    (b"\x1f\x8b", "a gzip archive", "unpack it first: gunzip -c FILE | keyferry import FORMAT:- …"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive", "unpack it first"),
    (b"BZh", "a bzip2 archive", "unpack it first"),
    (b"\xfd7zXZ\0", "an xz archive", "unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "unpack it first"),
    (b"%PDF-", "a PDF document", "export the secrets as CSV or JSON instead"),
    (b"SQLite format 3\0", "an SQLite database", "export its tables as CSV"),
    (
        b"age-encryption.org/",
        "a file encrypted with age",
        "decrypt it first: age -d FILE | keyferry import FORMAT:- …",
    ),
    (
        b"-----BEGIN AGE",
        "a file encrypted with age",
        "decrypt it first: age -d FILE | keyferry import FORMAT:- …",
    ),
    (
        b"-----BEGIN PGP",
        "a part of OpenPGP that holds no secrets, or a message for a key",
        "decrypt it first: gpg -d FILE | keyferry import FORMAT:- …",
    ),
    (
        b"KWALLET\n\r\0\r\n",
        "a wallet of KDE, which is encrypted",
        "export it in KWalletManager: File > Export as XML",
    ),
    (
        b"GnomeKeyring\n\r\0\n",
        "a keyring of GNOME, which is encrypted",
        "read it through the Secret Service: print its items as JSON ({\"keyring\": [{\"display_name\", \"secret\", \"attributes\"}]}), and import that",
    ),
    (b"var profile=", "a part of a 1Password vault (.opvault)", OP_VAULT),
    (b"loadProfile(", "a part of a 1Password vault (.opvault)", OP_VAULT),
    (b"loadFolders(", "a part of a 1Password vault (.opvault)", OP_VAULT),
    (b"ld({", "a part of a 1Password vault (.opvault)", OP_VAULT),
];

const KEEPASS: &str = "open it in KeePass 2 or KeePassXC, save it there as KDBX and import that";
const OP_VAULT: &str = "name the folder that it stands in (.opvault), or a zip archive of that; or export it in 1Password: File > Export > 1PUX";
const ONE_PASSWORD: &str = "open it in 1Password, and export it there: File > Export > 1PUX";

/// Refuses bytes that are no text, and text that is no table.
///
/// # Errors
/// [`ErrorKind::Input`] names what it is.
pub(crate) fn refuse_text(head: &[u8]) -> Result<()> {
    let trimmed = head.trim_ascii_start();
    let found = MAGIC.iter().find(|(magic, ..)| head.starts_with(magic) || trimmed.starts_with(magic));
    if let Some((_, what, next)) = found {
        return Err(refused(what, next));
    }
    let lower: Zeroizing<Vec<u8>> =
        Zeroizing::new(trimmed.iter().take(32).map(u8::to_ascii_lowercase).collect());
    if lower.starts_with(b"<?xml") || lower.starts_with(b"<!doctype keepassx") {
        return Err(Error::new(
            ErrorKind::Input,
            "this is an XML document of no kind that was asked for, or none that is known",
        )
        .next_step(
            "leave --format out, or export it where it comes from in a form that keyferry formats lists",
        ));
    }
    if lower.starts_with(b"<!doctype html") || lower.starts_with(b"<html") {
        return Err(refused("a web page", "export the secrets as CSV or JSON instead of saving a page"));
    }
    if head.iter().take(1 << 12).filter(|byte| **byte == 0).count() > 8
        && crate::decode::utf_16(head).is_none()
    {
        return Err(refused("no text", "export the secrets as CSV or JSON"));
    }
    Ok(())
}

fn refused(what: &str, next: &str) -> Error {
    Error::new(ErrorKind::Input, format!("this is {what}, which keyferry does not read")).next_step(next)
}

/// Refuses a JSON document that is known to be another tool's.
///
/// # Errors
/// [`ErrorKind::Input`] names the tool.
pub(crate) fn refuse_json(value: &Value) -> Result<()> {
    match JSON.iter().find(|foreign| (foreign.is)(value)) {
        Some(foreign) => Err(refused(foreign.what, foreign.next)),
        None => Ok(()),
    }
}

/// Says of a JSON document that nothing knows it.
pub(crate) fn unknown_json() -> Error {
    Error::new(ErrorKind::Input, "this JSON is neither Passwork's export nor JSON lines of records")
        .next_step("bring it into the form of docs/formats.md, or export a CSV where it comes from")
}

struct Foreign {
    what: &'static str,
    next: &'static str,
    is: fn(&Value) -> bool,
}

/// The members of `value` that are lists hold an object for which `is` holds.
fn any_in(value: &Value, lists: &[&str], is: impl Fn(&Value) -> bool) -> bool {
    lists.iter().any(|name| match value.get(name) {
        Some(Value::List(list)) => list.iter().any(&is),
        _ => false,
    })
}

/// Refuses what only its name tells: databases that are encrypted from their first byte on.
///
/// # Errors
/// [`ErrorKind::Input`] names the tool.
pub(crate) fn refuse_name(ending: &str) -> Result<()> {
    let (what, next) = match ending {
        "enpassdb" | "walletx" => ("a vault of Enpass", "export it in Enpass: Menu > File > Export > .json"),
        "dash" => (
            "an encrypted export of Dashlane",
            "export it in Dashlane: My account > Settings > Export data > CSV",
        ),
        "agilekeychain" | "onepassword_data" => ("a vault of 1Password", ONE_PASSWORD),
        "rfn" | "rfp" | "rfi" | "rfo" => (
            "a file of RoboForm, which is encrypted",
            "export it in RoboForm: Options > Account & Data > Export > CSV",
        ),
        _ => return Ok(()),
    };
    Err(refused(what, next))
}

const JSON: &[Foreign] = &[
    Foreign {
        what: "the keys of a 1Password vault (.agilekeychain)",
        next: ONE_PASSWORD,
        is: |doc| any_in(doc, &["list"], |one| one.has("validation") && one.has("iterations")),
    },
    Foreign {
        what: "an encrypted backup of Nextcloud Passwords",
        next: "export it there without a password, as JSON or CSV; shred the file afterwards",
        is: |doc| doc.has("challenge") && matches!(doc.get("encrypted"), Some(Value::Bool(true))),
    },
    Foreign {
        what: "logins of Firefox, which are encrypted",
        next: "export them as CSV: in Firefox at about:logins",
        is: |doc| any_in(doc, &["logins"], |one| one.has("encryptedPassword") || one.has("formSubmitURL")),
    },
];
