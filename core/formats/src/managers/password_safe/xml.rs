//! Password Safe's XML.

use super::entry::STARTS;
use super::{NOWHERE, Reference, path, plain_id, reference};
use crate::document::take;
use crate::head::{Fit, Head};
use crate::json::{Members, Value};
use crate::managers::item::{CodeParts, DATES, EARLIER, Item, OWN, seconds};
use crate::managers::items::Kept;
use crate::managers::markup::{each, inner, open};
use crate::managers::place::Place;
use crate::{Entries, ReadOptions};
use keyferry_crypto::error::Result;
use keyferry_crypto::model::{CustomKind, Earlier};
use keyferry_crypto::secret::SecretString;
use std::collections::HashMap;
use std::io::Read;
use zeroize::Zeroizing;

/// Whether it is such a document.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    (head.has_element("passwordsafe/entry")
        || (head.has_element("passwordsafe") && head.text().contains("delimiter=")))
    .into()
}

/// What others may refer to.
#[derive(Default)]
struct Base {
    login: Zeroizing<String>,
    password: Zeroizing<String>,
    url: Zeroizing<String>,
    notes: Zeroizing<String>,
}

/// All of them, by their ids and by `group:title:user`.
#[derive(Default)]
struct Bases {
    all: Vec<Base>,
    places: HashMap<String, usize>,
}

impl Bases {
    fn get(&self, name: &str) -> Option<&Base> {
        self.all.get(*self.places.get(name)?)
    }
}

pub(crate) fn read(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let (mut document, mut members) = open(input, "passwordsafe", "Password Safe")?;
    let delimiter = document.id(&mut members, &["@delimiter"]).unwrap_or_default();
    for (at, groups) in each(&mut members, "EmptyGroups") {
        let mut groups = inner(groups);
        for (inside, group) in each(&mut groups, "EGName") {
            let (at, mut group) = (format!("/passwordsafe/{at}/{inside}"), inner(group));
            let name = document.name(&mut group, &["#text"]);
            document.place(path(&name), &at);
            document.leave_rest(group, &at);
        }
        document.leave_rest(groups, "/passwordsafe/EmptyGroups");
    }
    document.elements(&mut members, "entry", "/passwordsafe", &Place::default());
    for (name, value) in members {
        document.behind(&value, &format!("/passwordsafe/{name}"), "it is a setting of the database");
    }
    let text = |value: &Value, name: &str| match value.get(name) {
        Some(Value::Text(text)) => text.clone(),
        _ => Zeroizing::default(),
    };
    let mut bases = Bases::default();
    for found in &document.found {
        let of = |name| text(&found.value, name);
        let base =
            Base { login: of("username"), password: of("password"), url: of("url"), notes: of("notes") };
        if reference(&base.password, true).is_none() {
            let names = [of("group"), of("title"), of("username")].map(|name| name.to_string()).join(":");
            for name in plain_id(&of("uuid")).into_iter().chain([names]) {
                bases.places.entry(name).or_insert(bases.all.len());
            }
            bases.all.push(base);
        }
    }
    Ok(document.entries(Box::new(move |item, members| fill(item, members, &delimiter, &bases))))
}

fn fill(item: &mut Item<'_>, mut members: Members, delimiter: &str, bases: &Bases) -> Kept {
    let broken =
        |text: &str| if delimiter.is_empty() { text.to_owned() } else { text.replace(delimiter, "\n") };
    item.resolve(&mut members, &["@id", "@normal", "uuid"]);
    let group = item.text(&mut members, "group");
    item.record.path = path(&group);
    item.record.name = item.text(&mut members, "title");
    let login = item.text(&mut members, "username");
    item.login(login);
    let password = item.text(&mut members, "password");
    let wanted = reference(&password, true);
    let base = match &wanted {
        Some(Reference::Alias(name) | Reference::Shortcut(name)) => bases.get(name),
        None => None,
    };
    if let Some(base) = base {
        item.tally.turned_out_resolved();
        item.password("Password", base.password.to_string());
    } else {
        if wanted.is_some() {
            item.remark(NOWHERE);
        }
        item.password("Password", password);
    }
    let url = item.text(&mut members, "url");
    item.url(url);
    let notes = item.text(&mut members, "notes");
    item.note(&broken(&notes));
    if let (Some(Reference::Shortcut(_)), Some(base)) = (&wanted, base) {
        item.login(base.login.to_string());
        item.url(base.url.to_string());
        item.note(&broken(&base.notes));
    }
    let mail = item.text(&mut members, "email");
    item.mail(mail);
    one_time(item, &mut members);
    for (element, label) in [("runcommand", "Run command"), ("qrcode", "QR code")] {
        let text = item.text(&mut members, element);
        let kind = if element == "qrcode" { CustomKind::Password } else { CustomKind::Text };
        item.field(label, kind, text);
    }
    let expiry = item.text(&mut members, "xtimex");
    item.field("Expiry", CustomKind::Text, expiry);
    item.created("", &mut members, &["ctimex", "ctime"]);
    item.changed("", &mut members, &["rmtimex", "rmtime"]);
    item.leave(
        "",
        &mut members,
        &["atimex", "atime", "pmtimex", "pmtime", "ltimex", "ltime", "xtime"],
        DATES,
    );
    let history = take(&mut members, "pwhistory");
    earlier(item, &history);
    item.behind(&history, "pwhistory", EARLIER);
    item.leave(
        "",
        &mut members,
        &[
            "autotype",
            "dca",
            "shiftdca",
            "protected",
            "kbshortcut",
            "PasswordPolicy",
            "PasswordPolicyName",
            "entrypasswordpolicy",
            "xtime_interval",
            "symbols",
        ],
        OWN,
    );
    item.unknown("", members);
    Kept::Record
}

/// A one-time code: its secret in base32, and how it is computed where that is not the usual way.
fn one_time(item: &mut Item<'_>, members: &mut Members) {
    let mut part = |name: &str| item.text(members, name);
    let (secret, digits, period) = (part("twofactorkey"), part("totplength"), part("totptimestep"));
    let starts = part("totpstarttime");
    for told in [&digits, &period, &starts] {
        if !told.is_empty() {
            item.tally.turned_out_resolved();
        }
    }
    if secret.is_empty() {
        return;
    }
    if !matches!(starts.as_str(), "" | "0") && !starts.starts_with("1970-01-01") {
        item.remark(STARTS);
    }
    let is_usual = matches!(digits.as_str(), "" | "6") && matches!(period.as_str(), "" | "30");
    let (name, login) = (item.record.name.clone(), item.record.login.clone());
    let parts = CodeParts {
        issuer: &name,
        account: &login,
        secret: &secret,
        algorithm: "",
        digits: &digits,
        period: &period,
    };
    let address = if is_usual { secret.clone() } else { parts.address() };
    item.code("TOTP", address);
}

/// Passwords that an entry had before.
fn earlier(item: &mut Item<'_>, history: &Value) {
    let Some(entries) = history.get("history_entries").and_then(|entries| entries.get("history_entry"))
    else {
        return;
    };
    let one = std::slice::from_ref(entries);
    let list = if let Value::List(list) = entries { list.as_slice() } else { one };
    for entry in list {
        if let Some(Value::Text(password)) = entry.get("oldpassword") {
            let changed = entry.get("changedx").or_else(|| entry.get("changed"));
            item.record.history.push(Earlier {
                password: SecretString::from(password.as_str()),
                changed_at: changed.and_then(seconds),
            });
        }
    }
}
