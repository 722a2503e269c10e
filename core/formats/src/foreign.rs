//! Files of other tools that no reader of ours takes: named, and refused with a way on, rather than read as something
//! that they are not. Signatures are those of the tools' own documents.

use crate::json::Value;
use keyferry_crypto::error::{Error, ErrorKind, Result};
use zeroize::Zeroizing;

/// What begins with certain bytes, and what to do with it.
const MAGIC: &[(&[u8], &str, &str)] = &[
    (b"\x03\xd9\xa2\x9a", "a KeePass database", KEEPASS),
    (b"PWS3", "a Password Safe database", "export it there as text or XML, and that as CSV"),
    (
        b"PK\x03\x04",
        "a zip archive, perhaps a workbook or a manager's export",
        "unpack it, or save the workbook as CSV (UTF-8), and import what is inside",
    ),
    (b"\xd0\xcf\x11\xe0", "an old workbook (.xls)", "save it as CSV (UTF-8) and import that"),
    (b"\x1f\x8b", "a gzip archive", "unpack it first: gunzip -c FILE | keyferry import FORMAT:- …"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive", "unpack it first"),
    (b"BZh", "a bzip2 archive", "unpack it first"),
    (b"\xfd7zXZ\0", "an xz archive", "unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "unpack it first"),
    (b"%PDF-", "a PDF document", "export the secrets as CSV or JSON instead"),
    (b"SQLite format 3\0", "an SQLite database", "export its tables as CSV"),
    (b"$ANSIBLE_VAULT;", "a file of Ansible Vault", "decrypt it with ansible-vault view first"),
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
    (b"-----BEGIN PGP", "an OpenPGP message", "decrypt it first: gpg -d FILE | keyferry import FORMAT:- …"),
    (b"b~>buttercup/", "a Buttercup vault", "export it there as CSV"),
    (b"otpauth-migration:", "an export of Google Authenticator", "keep its addresses as fields of type totp"),
    (
        b"otpauth:",
        "a list of one-time-code addresses",
        "put them into a table: a column `name` and a column `totp`",
    ),
];

const KEEPASS: &str =
    "export it as CSV: in KeePassXC Database > Export > to CSV, which leaves attachments and own fields out";
const AS_CSV: &str = "export it there as CSV, and look at what that leaves out";

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
        Zeroizing::new(trimmed.iter().take(1 << 12).map(u8::to_ascii_lowercase).collect());
    let has = |word: &[u8]| lower.windows(word.len()).any(|window| window == word);
    if lower.starts_with(b"<?xml")
        || lower.starts_with(b"<keepassfile")
        || lower.starts_with(b"<!doctype keepassx")
    {
        let keepass = has(b"<keepassfile") || has(b"keepassx_database");
        return Err(if keepass {
            refused("an XML export of KeePass", KEEPASS)
        } else {
            refused("an XML document", AS_CSV)
        });
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

fn any_of(value: &Value, is: impl Fn(&Value) -> bool) -> bool {
    matches!(value, Value::List(list) if list.iter().any(is))
}

fn is_object(value: &Value, name: &str) -> bool {
    matches!(value.get(name), Some(Value::Object(_)))
}

fn is_list(value: &Value, name: &str) -> bool {
    matches!(value.get(name), Some(Value::List(_)))
}

fn text_is(value: &Value, name: &str, is: impl Fn(&str) -> bool) -> bool {
    matches!(value.get(name), Some(Value::Text(text)) if is(text))
}

const JSON: &[Foreign] = &[
    Foreign {
        what: "an export of 1Password",
        next: AS_CSV,
        is: |doc| {
            any_in(doc, &["accounts"], |account| is_list(account, "vaults") && is_object(account, "attrs"))
                || any_of(doc, |item| is_object(item, "vault") && item.has("category"))
                || (is_object(doc, "secureContents") && doc.has("typeName"))
        },
    },
    Foreign {
        what: "an export in the Credential Exchange Format",
        next: AS_CSV,
        is: |doc| {
            doc.has("exporterRpId")
                || (is_list(doc, "collections")
                    && any_in(doc, &["items"], |item| is_list(item, "credentials")))
        },
    },
    Foreign {
        what: "an export of Keeper",
        next: AS_CSV,
        is: |doc| {
            is_list(doc, "shared_folders")
                || any_in(doc, &["records"], |one| {
                    one.has("$type") || is_object(one, "custom_fields") || one.has("login_url")
                })
        },
    },
    Foreign {
        what: "an export of Psono",
        next: AS_CSV,
        is: |doc| {
            fn items(node: &Value, depth: u8) -> bool {
                let item = |item: &Value| {
                    item.has("urlfilter")
                        || [
                            "website_password",
                            "application_password",
                            "environment_variables",
                            "bookmark",
                            "elster_certificate",
                            "ssh_own_key",
                        ]
                        .iter()
                        .any(|kind| text_is(item, "type", |word| word == *kind))
                        || item.any_member(|name| {
                            name.starts_with("website_password_") || name.starts_with("application_password_")
                        })
                };
                any_in(node, &["items"], item)
                    || (depth < 16 && any_in(node, &["folders"], |folder| items(folder, depth + 1)))
            }
            items(doc, 0)
        },
    },
    Foreign {
        what: "an export of Enpass",
        next: AS_CSV,
        is: |doc| {
            any_in(doc, &["items"], |item| {
                item.has("template_type") || (is_list(item, "fields") && item.has("category"))
            })
        },
    },
    Foreign {
        what: "an export of Proton Pass",
        next: AS_CSV,
        is: |doc| {
            is_object(doc, "vaults") && (doc.has("userId") || doc.has("encrypted") || doc.has("version"))
        },
    },
    Foreign {
        what: "an export of Dashlane",
        next: AS_CSV,
        is: |doc| is_list(doc, "AUTHENTIFIANT") || is_list(doc, "SECURENOTE"),
    },
    Foreign {
        what: "an export of Nextcloud Passwords or Passman",
        next: AS_CSV,
        is: |doc| {
            any_in(doc, &["passwords"], |one| {
                is_list(one, "customFields") || (one.has("label") && one.has("revision"))
            }) || any_of(doc, |one| {
                one.has("credential_id") || (one.has("label") && is_list(one, "custom_fields"))
            })
        },
    },
    Foreign {
        what: "logins of Firefox, which are encrypted",
        next: "export them as CSV: in Firefox at about:logins",
        is: |doc| any_in(doc, &["logins"], |one| one.has("encryptedPassword") || one.has("formSubmitURL")),
    },
    Foreign {
        what: "an export of Avast, Avira or F-Secure",
        next: AS_CSV,
        is: |doc| any_in(doc, &["logins"], |one| one.has("loginName") || one.has("pwd")),
    },
    Foreign {
        what: "a backup of an authenticator",
        next: "keep its secrets as fields of type totp: a table with the columns `name` and `totp`",
        is: |doc| {
            (is_object(doc, "header") && doc.has("db"))
                || (doc.has("schemaVersion") && (is_list(doc, "services") || doc.has("servicesEncrypted")))
                || (is_list(doc, "tokens") && doc.has("tokenOrder"))
                || is_list(doc, "Authenticators")
                || any_of(doc, |one| one.has("secret") && one.has("algorithm") && one.has("digits"))
        },
    },
    Foreign {
        what: "a Kubernetes manifest",
        next: "write its values into a table or into JSON lines",
        is: |doc| doc.has("apiVersion") && doc.has("kind"),
    },
    Foreign {
        what: "a file encrypted by SOPS",
        next: "decrypt it first: sops -d",
        is: |doc| is_object(doc, "sops"),
    },
    Foreign {
        what: "an answer of HashiCorp Vault or OpenBao",
        next: "write its values into a table or into JSON lines",
        is: |doc| doc.has("lease_id") || doc.has("lease_duration"),
    },
    Foreign {
        what: "secrets of a cloud's secrets manager",
        next: "write its values into a table or into JSON lines",
        is: |doc| {
            is_list(doc, "SecretValues")
                || is_list(doc, "SecretList")
                || doc.has("SecretString")
                || any_of(doc, |one| one.has("payload") && one.has("name") || one.has("contentType"))
        },
    },
];
