//! 2FAS' backup, in the clear or encrypted with a password.
//!
//! ```text
//! key      = PBKDF2-HMAC-SHA-256(password, salt, 10,000)
//! services = AES-256-GCM[key, nonce](ciphertext ‖ tag); `servicesEncrypted` = ciphertext ‖ tag ":" salt ":" nonce, each in base64
//! ```
//!
//! `reference` is a text of the same form that is known beforehand: it says whether the password is right (k).
//! Signature: `schemaVersion` beside `services` or `servicesEncrypted`. Groups are tags. Resolved: ids, kinds, orders, what
//! opens the backup. Told: dates, icons, badges.

use super::Code;
use crate::document::{NO_RECORD, parsed, take};
use crate::head::{Fit, Head};
use crate::json::{Members, Value};
use crate::jsonl::base64;
use crate::managers::item::{Item, OWN, list, object};
use crate::managers::items::{Document, Kept};
use crate::managers::place::Place;
use crate::sealed::{self, Hash, Key, damaged};
use crate::{Entries, ReadOptions};
use keyferry_crypto::error::Result;
use keyferry_crypto::secret::SecretString;
use std::collections::HashMap;
use std::io::Read;

/// Whether it is such a backup.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    let own = |document: &Value| {
        document.has("schemaVersion") && (document.has("services") || document.has("servicesEncrypted"))
    };
    head.json().is_some_and(own).into()
}

/// Whether it is one that a password guards.
pub(super) fn is_sealed(head: &Head<'_>) -> bool {
    let sealed = |document: &Value| {
        document.has("schemaVersion")
            && matches!(document.get("servicesEncrypted"), Some(Value::Text(text)) if !text.is_empty())
    };
    head.json().is_some_and(sealed)
}

/// `ciphertext ‖ tag : salt : nonce`.
struct Sealed {
    content: Vec<u8>,
    salt: Vec<u8>,
    nonce: Vec<u8>,
}

impl Sealed {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':').map(base64);
        let mut part = || parts.next().flatten();
        let this = Self { content: part()?, salt: part()?, nonce: part()? };
        parts.next().is_none().then_some(this)
    }

    fn key(&self, password: &SecretString) -> Result<Key> {
        sealed::pbkdf2(Hash::Sha256, password, &self.salt, 10_000)
    }
}

/// The services of a backup that is encrypted.
///
/// # Errors
/// [`ErrorKind::Locked`](keyferry_crypto::ErrorKind::Locked) for a wrong password or none,
/// [`ErrorKind::Decrypt`](keyferry_crypto::ErrorKind::Decrypt) for a damaged file.
fn open(services: &str, reference: &Value, options: &ReadOptions) -> Result<Value> {
    let sealed = Sealed::parse(services).ok_or_else(|| damaged("servicesEncrypted is not of three parts"))?;
    let password = sealed::passphrase(options, "this backup of 2FAS")?;
    let key = sealed.key(password)?;
    if let Some(inside) = sealed::gcm(&key, &sealed.nonce, &sealed.content) {
        return parsed(&inside);
    }
    let reference = match reference {
        Value::Text(text) => Sealed::parse(text),
        _ => None,
    };
    let Some(reference) = reference else { return Err(sealed::wrong_or_damaged("backup of 2FAS")) };
    let key = if reference.salt == sealed.salt { key } else { reference.key(password)? };
    Err(match sealed::gcm(&key, &reference.nonce, &reference.content) {
        Some(_) => damaged("its content is not what was written"),
        None => sealed::wrong("backup of 2FAS"),
    })
}

pub(crate) fn read(input: Box<dyn Read + Send>, options: &ReadOptions) -> Result<Entries> {
    let (mut document, mut members) = Document::object(input, "2FAS")?;
    let reference = take(&mut members, "reference");
    match take(&mut members, "servicesEncrypted") {
        Value::Text(text) if !text.is_empty() => {
            document.tally.resolved(1 + reference.leaves());
            let inside = open(&text, &reference, options)?;
            document.tally.read(inside.leaves());
            match inside {
                Value::List(services) => document.items(services, "/services", &Place::default()),
                other => document.behind(&other, "/services", NO_RECORD),
            }
        }
        other => {
            document.behind(&other, "/servicesEncrypted", NO_RECORD);
            document.behind(&reference, "/reference", NO_RECORD);
        }
    }
    document.resolve(
        &mut members,
        &["schemaVersion", "appVersionCode", "appVersionName", "appOrigin", "updatedAt"],
    );
    let mut groups = HashMap::new();
    for (number, group) in list(&mut members, "groups").into_iter().enumerate() {
        let at = format!("/groups/{number}");
        let Value::Object(mut group) = group else {
            document.behind(&group, &at, NO_RECORD);
            continue;
        };
        let id = document.id(&mut group, &["id"]).unwrap_or_default();
        groups.insert(id, document.id(&mut group, &["name"]).unwrap_or_default());
        document.resolve(&mut group, &["isExpanded", "updatedAt"]);
        document.leave_rest(group, &at);
    }
    document.items(list(&mut members, "services"), "/services", &Place::default());
    document.leave_rest(members, "");
    Ok(document.entries(Box::new(move |item, members| fill(item, members, &groups))))
}

fn fill(item: &mut Item<'_>, mut members: Members, groups: &HashMap<String, String>) -> Kept {
    item.record.name = item.simple(&mut members, "name");
    let mut otp = object(&mut members, "otp");
    let label = item.simple(&mut otp, "label");
    let account = item.simple(&mut otp, "account");
    let code = Code {
        issuer: item.simple(&mut otp, "issuer"),
        account: if account.is_empty() { label.clone() } else { account.clone() },
        secret: item.simple(&mut members, "secret"),
        algorithm: item.mark(&mut otp, "algorithm"),
        digits: item.mark(&mut otp, "digits"),
        period: item.mark(&mut otp, "period"),
        counter: item.mark(&mut otp, "counter"),
        kind: item.mark(&mut otp, "tokenType"),
    };
    code.fill(item);
    if !account.is_empty() && label != account && !label.ends_with(&account) {
        item.field("Label", keyferry_crypto::model::CustomKind::Text, label);
    }
    item.resolve(&mut otp, &["source"]);
    item.leave("otp", &mut otp, &["link"], "the address of a code is made of its parts");
    item.changed("", &mut members, &["updatedAt"]);
    let group = item.mark(&mut members, "groupId");
    if let Some(name) = groups.get(&group) {
        item.tag(name);
    }
    item.leave("", &mut members, &["order", "icon", "badge", "serviceTypeID"], OWN);
    item.unknown("otp", otp);
    item.unknown("", members);
    Kept::Record
}
