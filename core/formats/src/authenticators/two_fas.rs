//! 2FAS' backup, in the clear.
//!
//! Signature: `schemaVersion` beside `services` or `servicesEncrypted`. Groups are tags. Resolved: ids, kinds, orders.
//! Told: dates, icons, badges. Not read: a backup that is encrypted.

use super::{Code, encrypted};
use crate::document::{NO_RECORD, take};
use crate::head::{Fit, Head};
use crate::json::{Members, Value};
use crate::managers::item::{Item, OWN, list, object};
use crate::managers::items::{Document, Kept};
use crate::{Entries, ReadOptions};
use keyferry_crypto::error::Result;
use keyferry_crypto::model::RecordPath;
use std::collections::HashMap;
use std::io::Read;

/// Whether it is such a backup.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    let own = |document: &Value| {
        document.has("schemaVersion") && (document.has("services") || document.has("servicesEncrypted"))
    };
    head.json().is_some_and(own).into()
}

pub(crate) fn read(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let (mut document, mut members) = Document::object(input, "2FAS")?;
    if let Value::Text(text) = take(&mut members, "servicesEncrypted")
        && !text.is_empty()
    {
        return Err(encrypted("2FAS"));
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
    document.items(list(&mut members, "services"), "/services", &RecordPath::default());
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
