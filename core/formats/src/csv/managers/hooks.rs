//! What rows of several managers need: fields taken out again, put in order, or found to be marks.

use super::Outcome;
use crate::columns::kind_of;
use crate::date;
use crate::managers::item::is_secret_id;
use crate::tally::Tally;
use keyferry_crypto::model::{Custom, CustomKind, Record};
use keyferry_crypto::secret::SecretString;
use std::collections::HashSet;

/// Takes a custom field out again.
pub(super) fn take(record: &mut Record, name: &str) -> Option<SecretString> {
    let at = record.customs.iter().position(|custom| custom.name.eq_ignore_ascii_case(name))?;
    Some(record.customs.remove(at).value)
}

/// The same, for a mark: it has done its work where it is one of those that are known, and is a field as any other where not.
pub(super) fn mark(record: &mut Record, tally: &mut Tally, name: &str, known: &[&str]) -> Option<String> {
    let at = record.customs.iter().position(|custom| custom.name.eq_ignore_ascii_case(name))?;
    let value = record.customs.get(at)?.value.expose();
    let word = (*known.iter().find(|known| known.eq_ignore_ascii_case(value))?).to_owned();
    record.customs.remove(at);
    tally.turned_out_resolved();
    Some(word)
}

pub(super) fn add(
    record: &mut Record,
    name: impl Into<String>,
    kind: CustomKind,
    value: impl Into<SecretString>,
) {
    record.customs.push(Custom { name: name.into(), kind, value: value.into() });
}

/// The first is the record's; the others stand before its one-time code.
pub(super) fn several_urls(record: &mut Record, urls: Vec<String>) {
    let mut urls = urls.into_iter().filter(|url| !url.is_empty());
    record.url = urls.next().unwrap_or_default();
    let at = record.customs.iter().position(|custom| custom.kind == CustomKind::Totp);
    let at = at.unwrap_or(record.customs.len());
    let further = urls.enumerate().map(|(index, url)| Custom {
        name: format!("URL {}", index + 2),
        kind: CustomKind::Text,
        value: SecretString::new(url),
    });
    record.customs.splice(at..at, further);
}

/// An e-mail address is the login where there is no other.
pub(super) fn mail_for_login(record: &mut Record) {
    first_login(record, &["E-mail"]);
}

/// The first of these fields is the login where there is no other.
pub(super) fn first_login(record: &mut Record, labels: &[&str]) {
    for label in labels {
        if record.login.is_empty()
            && let Some(login) = take(record, label)
        {
            login.expose().clone_into(&mut record.login);
        }
    }
}

/// Puts these fields before the others.
pub(super) fn first(record: &mut Record, labels: &[&str]) {
    let place = |custom: &Custom| labels.iter().position(|label| *label == custom.name);
    record.customs.sort_by_key(|custom| place(custom).unwrap_or(labels.len()));
}

/// The fields of a card in one order, wherever their columns stood.
const CARD: &[&str] = &["Cardholder name", "Card brand", "Card number", "Expiry", "Security code", "PIN"];

/// Brings the fields of a card into their order, and the month to one form.
pub(super) fn card(record: &mut Record) {
    let of_card = |custom: &Custom| CARD.iter().position(|label| *label == custom.name);
    if record.customs.iter().filter(|custom| of_card(custom).is_some()).count() < 2 {
        return;
    }
    for custom in record.customs.iter_mut().filter(|custom| custom.name == "Expiry") {
        if let Some(month) = date::month(custom.value.expose()) {
            custom.value = SecretString::new(month);
        }
    }
    let at = record.customs.iter().position(|custom| of_card(custom).is_some()).unwrap_or(0);
    let (mut card, others): (Vec<_>, Vec<_>) =
        std::mem::take(&mut record.customs).into_iter().partition(|custom| of_card(custom).is_some());
    card.sort_by_key(of_card);
    record.customs = others;
    record.customs.splice(at..at, card);
}

/// A mark of what is archived, as a tag.
pub(super) fn archived(record: &mut Record, tally: &mut Tally) -> Outcome {
    if mark(record, tally, "Archived", &["true", "false"]).is_some_and(|word| word == "true") {
        record.tags.push("archived".to_owned());
    }
    Outcome::Record
}

/// A field's text at the end of the description.
pub(super) fn into_description(record: &mut Record, label: &str) {
    let Some(text) = take(record, label) else { return };
    if !record.description.is_empty() {
        record.description.push_str("\n\n");
    }
    record.description.push_str(text.expose());
}

/// Tags that blanks part.
pub(super) fn spaced_tags(record: &mut Record) {
    if let Some(tags) = take(record, "tags") {
        record.tags.extend(tags.expose().split_whitespace().map(str::to_owned));
    }
}

/// `SECTION 1: NAME` heads the columns after it; `NAME 1: FIRST NAME` and `first name(firstname)` are what stands after the
/// colon and before the bracket.
pub(super) fn one_password_7(record: &mut Record, tally: &mut Tally) -> Outcome {
    let customs = std::mem::take(&mut record.customs);
    for mut custom in customs {
        let upper = custom.name.to_uppercase();
        if upper.starts_with("SECTION ") && upper.ends_with(": NAME") {
            tally.turned_out_resolved();
            continue;
        }
        let numbered = custom
            .name
            .split_once(": ")
            .filter(|(before, after)| !after.is_empty() && before.ends_with(|c: char| c.is_ascii_digit()));
        // Older versions name a field twice: by its label, and in brackets by what it is.
        let is_secret = custom
            .name
            .rsplit_once('(')
            .and_then(|(_, designation)| designation.strip_suffix(')'))
            .is_some_and(is_secret_id);
        let label = match (numbered, custom.name.split_once('(')) {
            (Some((_, label)), _) => Some(label.to_owned()),
            (None, Some((label, designation))) if designation.ends_with(')') && !label.is_empty() => {
                Some(label.trim().to_owned())
            }
            _ => None,
        };
        if let Some(label) = label {
            custom.kind = kind_of(&label);
            custom.name = label;
        }
        if is_secret {
            custom.kind = CustomKind::Password;
        }
        record.customs.push(custom);
    }
    if let Some(text) = take(record, "URLS") {
        let mut urls = vec![record.url.clone()];
        urls.extend(text.expose().split([',', '\n']).map(|url| url.trim().to_owned()));
        let mut seen = HashSet::new();
        urls.retain(|url| seen.insert(url.clone()));
        several_urls(record, urls);
    }
    mail_for_login(record);
    Outcome::Record
}

/// A resource is a folder of accounts; an account has no name of its own.
pub(super) fn password_manager_pro(record: &mut Record, tally: &mut Tally) -> Outcome {
    if let Some(resource) = take(record, "Resource Name") {
        record.path.folders = vec![resource.expose().to_owned()];
    }
    record.name.clone_from(&record.login);
    let before = record.customs.len();
    record.customs.retain(|custom| custom.value.expose() != "N/A");
    for _ in record.customs.len()..before {
        tally.turned_out_resolved();
    }
    Outcome::Record
}

/// Lists are folders below their tree; fields of a page's form are numbers of its own.
pub(super) fn passwordstate(record: &mut Record, tally: &mut Tally) -> Outcome {
    if let Some(list) = take(record, "Password List") {
        record.path.folders.push(list.expose().to_owned());
    }
    let before = record.customs.len();
    record.customs.retain(|custom| {
        let name = custom.name.to_lowercase();
        !(name.starts_with("web") && name.ends_with("_id"))
    });
    for _ in record.customs.len()..before {
        tally.turned_out_resolved();
    }
    Outcome::Record
}

/// Words that stand for nothing.
pub(super) fn blur(record: &mut Record, tally: &mut Tally) -> Outcome {
    let is_empty = |text: &str| matches!(text, "undefined" | "null");
    for text in [&mut record.name, &mut record.login, &mut record.url] {
        if is_empty(text) {
            text.clear();
            tally.turned_out_resolved();
        }
    }
    if record.password.as_ref().is_some_and(|password| is_empty(password.expose())) {
        record.password = None;
        tally.turned_out_resolved();
    }
    let before = record.customs.len();
    record.customs.retain(|custom| !is_empty(custom.value.expose()));
    for _ in record.customs.len()..before {
        tally.turned_out_resolved();
    }
    mail_for_login(record);
    Outcome::Record
}

/// Cards and accounts of Dashlane: month and year stand apart, and its name may stand twice.
pub(super) fn dashlane_payment(record: &mut Record, tally: &mut Tally) -> Outcome {
    mark(record, tally, "type", &["payment_card", "credit_card", "bank", "bank_account"]);
    if let Some(name) = take(record, "account_name") {
        if record.name.is_empty() {
            name.expose().clone_into(&mut record.name);
        } else if record.name != name.expose() {
            add(record, "account_name", CustomKind::Text, name);
        }
    }
    let (month, year) = (take(record, "expiration_month"), take(record, "expiration_year"));
    match (month, year) {
        (Some(month), Some(year)) => {
            let expiry = format!("{}/{}", month.expose(), year.expose());
            add(record, "Expiry", CustomKind::Text, date::month(&expiry).unwrap_or(expiry));
        }
        (month, year) => {
            for (label, value) in [("Expiry month", month), ("Expiry year", year)] {
                if let Some(value) = value {
                    add(record, label, CustomKind::Text, value);
                }
            }
        }
    }
    card(record);
    Outcome::Record
}

/// Papers and personal information of Dashlane may have no name but their kind.
pub(super) fn dashlane_paper(record: &mut Record, _: &mut Tally) -> Outcome {
    let kind = |custom: &&Custom| custom.name == "type" || custom.name == "title";
    if record.name.is_empty()
        && let Some(kind) = record.customs.iter().find(kind)
    {
        kind.value.expose().clone_into(&mut record.name);
    }
    Outcome::Record
}
