//! What the members of a plain item mean, as a table: for readers whose items have one value for each thing and little else.

use super::item::Item;
use crate::document::take;
use crate::json::{Members, Value};
use keyferry_crypto::model::CustomKind;

/// Members by what they mean; of several names that mean the same, all are taken.
pub(super) struct Map {
    pub(super) name: &'static [&'static str],
    pub(super) login: &'static [&'static str],
    /// Addresses of e-mail: a login where there is no other.
    pub(super) mail: &'static [&'static str],
    pub(super) password: &'static [&'static str],
    pub(super) url: &'static [&'static str],
    pub(super) note: &'static [&'static str],
    pub(super) code: &'static [&'static str],
    /// The folder: one name.
    pub(super) folder: &'static [&'static str],
    pub(super) vault: &'static [&'static str],
    /// One tag each.
    pub(super) tag: &'static [&'static str],
    pub(super) favorite: &'static [&'static str],
    pub(super) created: &'static [&'static str],
    pub(super) changed: &'static [&'static str],
    /// Members with a label of ours; those whose mark is set are hidden.
    pub(super) fields: &'static [(&'static str, &'static str, bool)],
    /// Ids and kinds.
    pub(super) resolved: &'static [&'static str],
    /// What means something only where it comes from.
    pub(super) own: &'static [&'static str],
}

/// A table of nothing.
pub(super) const NOTHING: Map = Map {
    name: &[],
    login: &[],
    mail: &[],
    password: &[],
    url: &[],
    note: &[],
    code: &[],
    folder: &[],
    vault: &[],
    tag: &[],
    favorite: &[],
    created: &[],
    changed: &[],
    fields: &[],
    resolved: &[],
    own: &[],
};

/// The members that every card has here: of these names.
pub(super) const CARD: &[(&str, &str, bool)] = &[
    ("holderName", "Cardholder name", false),
    ("cardHolder", "Cardholder name", false),
    ("cardholder", "Cardholder name", false),
    ("nameOnCard", "Cardholder name", false),
    ("cardType", "Card brand", false),
    ("cardNumber", "Card number", true),
    ("number", "Card number", true),
    ("creditNumber", "Card number", true),
    ("creditExpiry", "Expiry", false),
    ("expirationDate", "Expiry", false),
    ("expiration", "Expiry", false),
    ("cvv", "Security code", true),
    ("cvv2", "Security code", true),
    ("cvc", "Security code", true),
    ("creditCvv", "Security code", true),
    ("pin", "PIN", true),
];

impl Map {
    /// Fills a record; what the table does not name stays among the members.
    pub(super) fn fill(&self, item: &mut Item<'_>, members: &mut Members) {
        self.fill_from(item, members, "");
    }

    /// The same of an object within the item.
    pub(super) fn fill_from(&self, item: &mut Item<'_>, members: &mut Members, inside: &str) {
        for name in self.name {
            let text = item.simple(members, name);
            if item.record.name.is_empty() {
                item.record.name = text;
            } else if text != item.record.name {
                item.labelled(*name, text);
            }
        }
        for name in self.login {
            let text = item.simple(members, name);
            item.login(text);
        }
        for name in self.mail {
            let text = item.simple(members, name);
            if !text.is_empty() {
                item.mail(text);
            }
        }
        for name in self.password {
            let text = item.simple(members, name);
            item.password(name, text);
        }
        for name in self.url {
            let text = item.simple(members, name);
            item.url(text);
        }
        for name in self.note {
            let text = item.simple(members, name);
            item.note(&text);
        }
        for name in self.code {
            let text = item.simple(members, name);
            item.code("TOTP", text);
        }
        for name in self.vault {
            let text = item.simple(members, name);
            if item.record.path.vault.is_none() && !text.is_empty() {
                item.record.path.vault = Some(text);
            } else {
                item.labelled(*name, text);
            }
        }
        for name in self.folder {
            let text = item.simple(members, name);
            item.record.path.folders.extend(Some(text).filter(|text| !text.is_empty()));
        }
        for name in self.tag {
            let text = item.simple(members, name);
            item.tag(&text);
        }
        for name in self.favorite {
            item.favorite(members, name);
        }
        item.created(inside, members, self.created);
        item.changed(inside, members, self.changed);
        for (name, label, hidden) in self.fields {
            let text = item.simple(members, name);
            let text = if *label == "Expiry" { crate::date::month(&text).unwrap_or(text) } else { text };
            item.field(*label, if *hidden { CustomKind::Password } else { CustomKind::Text }, text);
        }
        item.resolve(members, self.resolved);
        item.leave(inside, members, self.own, super::item::OWN);
    }
}

/// Takes words that stand for nothing out of an item.
pub(super) fn emptied(item: &mut Item<'_>, members: &mut Members, words: &[&str]) {
    for (_, value) in members {
        if matches!(value, Value::Text(text) if words.contains(&text.as_str())) {
            item.tally.resolved(value.leaves());
            *value = Value::Null;
        }
    }
}

/// Own fields: a list of objects that have their label, value and kind under one of these names each.
pub(super) fn own_fields(
    item: &mut Item<'_>,
    inside: &str,
    members: &mut Members,
    name: &str,
    labels: &[&str],
) {
    for (index, field) in super::item::list(members, name).into_iter().enumerate() {
        let at =
            if inside.is_empty() { format!("{name}/{index}") } else { format!("{inside}/{name}/{index}") };
        let Value::Object(mut field) = field else {
            item.behind(&field, &at, "it is no field");
            continue;
        };
        let kind = item.mark(&mut field, "type").to_ascii_lowercase();
        let value = item.simple(&mut field, "value");
        let mut label = String::new();
        for name in labels {
            let text =
                if value.is_empty() { item.mark(&mut field, name) } else { item.simple(&mut field, name) };
            if label.is_empty() {
                label = text;
            } else {
                item.labelled(*name, text);
            }
        }
        if ["password", "hidden", "secret", "concealed", "pin"].contains(&kind.as_str()) {
            item.field(label, CustomKind::Password, value);
        } else {
            item.labelled(label, value);
        }
        item.unknown(&at, field);
    }
    // What is no list stays, and becomes a field.
    let rest = take(members, name);
    if rest.leaves() > 0 {
        members.push((name.to_owned(), rest));
    }
}
