//! What an item of Proton Pass holds beside a login, as its JSON has it and its table in the cell of the note.

use super::item::{Item, list, object};
use crate::columns::kind_of;
use crate::date;
use crate::json::{Members, Value};
use keyferry_crypto::model::CustomKind;

/// Fills a record with the content of an item of this kind.
pub(crate) fn content_of(item: &mut Item<'_>, kind: &str, mut content: Members) {
    match kind {
        "creditCard" => return card(item, content),
        "sshKey" => {
            let private = item.simple(&mut content, "privateKey");
            item.field("Private key", CustomKind::Password, private);
            let public = item.simple(&mut content, "publicKey");
            item.field("Public key", CustomKind::Text, public);
        }
        "wifi" => {
            let password = item.simple(&mut content, "password");
            item.password("Password", password);
            let network = item.simple(&mut content, "ssid");
            item.field("SSID", CustomKind::Text, network);
        }
        _ => {}
    }
    others(item, content);
}

fn card(item: &mut Item<'_>, mut content: Members) {
    let holder = item.simple(&mut content, "cardholderName");
    item.field("Cardholder name", CustomKind::Text, holder);
    item.resolve(&mut content, &["cardType"]);
    let number = item.simple(&mut content, "number");
    item.field("Card number", CustomKind::Password, number);
    let expiry = item.simple(&mut content, "expirationDate");
    item.field("Expiry", CustomKind::Text, date::month(&expiry).unwrap_or(expiry));
    let code = item.simple(&mut content, "verificationNumber");
    item.field("Security code", CustomKind::Password, code);
    let pin = item.simple(&mut content, "pin");
    item.field("PIN", CustomKind::Password, pin);
    others(item, content);
}

/// Members of a content by their own names; sections and details are lists of fields.
pub(super) fn others(item: &mut Item<'_>, content: Members) {
    let mut rest = Members::new();
    for (name, value) in content {
        match value {
            Value::List(list) if name.starts_with("extra") && name.ends_with("Details") => fields(item, list),
            Value::List(list) if name == "sections" || name == "extraSections" => {
                for section in list {
                    let Value::Object(mut section) = section else {
                        item.behind(&section, &name, "it is no section");
                        continue;
                    };
                    let title = item.mark(&mut section, "sectionName");
                    let inner = list_of(&mut section, &["sectionFields", "fields"]);
                    item.in_section(&title, |item| fields(item, inner));
                    item.unknown(&name, section);
                }
            }
            Value::List(_) | Value::Object(_) => rest.push((name, value)),
            plain => {
                item.tally.carried(plain.leaves());
                let text = plain.into_text().unwrap_or_default();
                let hidden =
                    matches!(name.as_str(), "socialSecurityNumber" | "passportNumber" | "licenseNumber");
                let kind = if hidden { CustomKind::Password } else { kind_of(&name) };
                item.field(name, kind, text);
            }
        }
    }
    item.name_sections();
    item.unknown("content", rest);
}

fn list_of(members: &mut Members, names: &[&str]) -> Vec<Value> {
    names.iter().flat_map(|name| list(members, name)).collect()
}

/// Own fields: label, type, and a value under a name that goes with the type.
pub(super) fn fields(item: &mut Item<'_>, list: Vec<Value>) {
    for field in list {
        let Value::Object(mut field) = field else {
            item.behind(&field, "extraFields", "it is no field");
            continue;
        };
        let label = item.simple(&mut field, "fieldName");
        let kind = item.mark(&mut field, "type");
        let mut data = object(&mut field, "data");
        let text = item.simple(&mut data, "content");
        match kind.as_str() {
            "hidden" => item.field(label.clone(), CustomKind::Password, text),
            "text" => item.field(label.clone(), CustomKind::Text, text),
            _ => item.labelled(label.clone(), text),
        }
        let code = item.simple(&mut data, "totpUri");
        item.code(&label, code);
        let time = item.simple(&mut data, "timestamp");
        item.field(label, CustomKind::Text, time);
        if kind == "hidden" {
            item.unknown_secrets("field", data);
        } else {
            item.unknown("field", data);
        }
        item.unknown("field", field);
    }
}
