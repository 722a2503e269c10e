//! Cells that hold a form of their own: JSON, pairs of label and value, fields with a type.

use super::Outcome;
use super::hooks::{self, add, mark, several_urls, take};
use crate::columns::{is_known, kind_of};
use crate::json::{self, Members, Value};
use crate::managers::item::Item;
use crate::managers::proton_content::content_of;
use crate::tally::{ROW, Tally};
use keyferry_crypto::model::{Custom, CustomKind, Record, RecordPath};
use keyferry_crypto::secret::SecretString;

pub(super) fn nordpass(record: &mut Record, tally: &mut Tally) -> Outcome {
    let kinds = ["folder", "password", "note", "credit_card", "identity", "passkey", "document"];
    if mark(record, tally, "type", &kinds).is_some_and(|kind| kind == "folder") {
        return Outcome::Folder;
    }
    if let Some(text) = take(record, "additional_urls") {
        let mut urls = vec![record.url.clone()];
        match json::parse(text.expose()) {
            Ok(Value::List(list)) if list.iter().all(|one| matches!(one, Value::Text(_))) => {
                urls.extend(list.into_iter().filter_map(Value::into_text));
            }
            // Some builds have one bare address there.
            _ => urls.push(text.expose().to_owned()),
        }
        several_urls(record, urls);
    }
    if let Some(text) = take(record, "custom_fields") {
        let plain = |field: &Value, name: &str| match field.get(name) {
            Some(Value::Text(text)) => Some(text.to_string()),
            Some(Value::Number(text)) => Some(text.clone()),
            _ => None,
        };
        let fields = match json::parse(text.expose()) {
            Ok(Value::List(list)) => {
                let known = list.iter().map(|field| {
                    let known = field.has("type")
                        && !field.any_member(|name| !["type", "label", "value"].contains(&name));
                    let kind = plain(field, "type");
                    Some((plain(field, "label")?, plain(field, "value")?, kind.filter(|_| known)?))
                });
                known.collect::<Option<Vec<_>>>()
            }
            _ => None,
        };
        match fields {
            Some(fields) => {
                for (label, value, kind) in fields {
                    let kind = if kind == "hidden" { CustomKind::Password } else { kind_of(&label) };
                    add(record, label, kind, value);
                }
            }
            None => add(record, "custom_fields", CustomKind::Password, text.expose()),
        }
    }
    if let Some(folder) = take(record, "shared_folder") {
        shared_folder(record, tally, folder.expose());
    }
    hooks::mail_for_login(record);
    hooks::card(record);
    Outcome::Record
}

/// A folder that is shared is the place where there is no other, and a second one where there is.
fn shared_folder(record: &mut Record, tally: &mut Tally, text: &str) {
    let folders: Vec<_> = text.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
    if record.path.folders.is_empty() {
        record.path.folders = folders;
    } else {
        record.also_in.push(RecordPath { vault: None, folders });
        tally.remark("a record stands in several folders: the first is taken", ROW);
    }
}

/// Whose first character RoboForm guards a cell by: a spreadsheet would run it.
const GUARDED: [char; 5] = ['@', '\'', '=', '+', '-'];

/// The cell without the one apostrophe that RoboForm put before it.
fn unguarded(text: &str) -> Option<&str> {
    text.strip_prefix('\'').filter(|rest| rest.starts_with(GUARDED))
}

/// `label,match,label2,type,value`, with commas in the value; or `label:type:value`, as older versions had it.
pub(super) fn roboform_fields(record: &mut Record, cells: &[&str], tally: &mut Tally) {
    for cell in cells.iter().filter(|cell| !cell.is_empty()) {
        let new: Vec<_> = cell.splitn(5, ',').collect();
        let old: Vec<_> = cell.splitn(3, ':').collect();
        let (label, kind, value) = match (new.as_slice(), old.as_slice()) {
            ([label, _, second, kind, value], _) => {
                (if label.is_empty() { *second } else { *label }, *kind, *value)
            }
            (_, [label, kind, value]) => (*label, *kind, *value),
            _ => ("", "", *cell),
        };
        let password = record.password.as_ref().map_or("", SecretString::expose);
        let repeats = match label {
            "User ID$" => value == record.login,
            "Password$" => value == password,
            "Script$" => true,
            _ => false,
        };
        if repeats || value.is_empty() {
            tally.resolved(1);
            continue;
        }
        tally.carried(1);
        let label = if label == "-no-name-" { "" } else { label };
        let plain = unguarded(value);
        if plain.is_some() {
            tally.remark(GUARD, ROW);
        }
        let value = plain.unwrap_or(value);
        match label {
            "TOTP KEY$" => add(record, "TOTP", CustomKind::Totp, value),
            "User ID$" if record.login.is_empty() => value.clone_into(&mut record.login),
            _ => {
                let kind = if kind == "pwd" { CustomKind::Password } else { kind_of(label) };
                add(record, label.trim_end_matches('$'), kind, value);
            }
        }
    }
}

const GUARD: &str =
    "an apostrophe is taken from the start of a cell: RoboForm guards cells that a spreadsheet would run";

pub(super) fn roboform(record: &mut Record, tally: &mut Tally) -> Outcome {
    if let Some(login) = unguarded(&record.login).map(str::to_owned) {
        record.login = login;
        tally.remark(GUARD, ROW);
    }
    let password =
        record.password.as_ref().and_then(|password| unguarded(password.expose())).map(SecretString::from);
    if let Some(password) = password {
        record.password = Some(password);
        tally.remark(GUARD, ROW);
    }
    if let Some(address) = take(record, "MatchUrl") {
        if address.expose() == record.url {
            tally.turned_out_resolved();
        } else {
            add(record, "URL 2", CustomKind::Text, address);
        }
    }
    Outcome::Record
}

/// Whether a table without a header is Keeper's: labels and marks that only it has stand in fixed places.
pub(super) fn is_keeper(rows: &[Vec<String>]) -> bool {
    rows.iter().any(|row| {
        let shared = row.get(6).is_some_and(|cell| cell.contains("#edit") || cell.contains("#reshare"));
        let label = |cell: &String| {
            cell == "TFC:Keeper"
                || ["$oneTimeCode", "$record_uid", "$type"].iter().any(|own| cell.starts_with(own))
        };
        row.len() >= 7 && (shared || row.iter().skip(7).step_by(2).any(label))
    })
}

/// Pairs of label and value.
pub(super) fn keeper_fields(record: &mut Record, cells: &[&str], tally: &mut Tally) {
    let mut codes = 0;
    for pair in cells.chunks(2) {
        let (label, value) =
            (pair.first().copied().unwrap_or_default(), pair.get(1).copied().unwrap_or_default());
        let count = u64::from(!label.is_empty()) + u64::from(!value.is_empty());
        if count == 0 {
            continue;
        }
        let mut parts = label.strip_prefix('$').unwrap_or("").split(':');
        let kind = parts.next().unwrap_or_default();
        let own = parts.next().filter(|own| !own.is_empty()).unwrap_or(kind);
        if matches!(label, "$record_uid" | "$type") || (value.is_empty() && !label.is_empty()) {
            tally.resolved(count);
            continue;
        }
        tally.carried(count);
        if label == "TFC:Keeper" || kind == "oneTimeCode" {
            codes += 1;
            let name = if codes == 1 { "TOTP".to_owned() } else { format!("TOTP {codes}") };
            add(record, name, CustomKind::Totp, value);
        } else {
            let label = if kind.is_empty() { label } else { own };
            let hidden = matches!(
                kind,
                "secret"
                    | "pinCode"
                    | "password"
                    | "paymentCard"
                    | "licenseNumber"
                    | "keyPair"
                    | "passkey"
                    | "securityQuestion"
            );
            add(record, label, if hidden { CustomKind::Password } else { kind_of(label) }, value);
        }
    }
}

/// A shared folder comes before the folder in it; what may be done there follows after `#`.
pub(super) fn keeper(record: &mut Record, tally: &mut Tally) -> Outcome {
    if let Some(shared) = take(record, "shared folder") {
        let mut parts = shared.expose().split('#');
        let path = parts.next().unwrap_or_default();
        if parts.next().is_some() {
            tally.remark("rights of shared folders do not move", ROW);
        }
        let mut folders = super::super::paths::split(path, '\\');
        folders.append(&mut record.path.folders);
        record.path.folders = folders;
    }
    Outcome::Record
}

pub(super) fn proton_pass(record: &mut Record, tally: &mut Tally) -> Outcome {
    let kinds = ["login", "note", "alias", "creditCard", "identity", "sshKey", "wifi", "custom"];
    let kind = mark(record, tally, "type", &kinds);
    let urls: Vec<String> = record.url.split(", ").map(str::to_owned).collect();
    several_urls(record, urls);
    hooks::mail_for_login(record);
    if let Some((kind, members)) = proton_content(record, kind) {
        record.description.clear();
        // The cell is one value, and was counted as that.
        let mut inside = Tally::default();
        let mut item = Item::new(ROW, &mut inside);
        item.record = std::mem::take(record);
        let mut members = members;
        let note = item.simple(&mut members, "note");
        item.note(&note);
        content_of(&mut item, &kind, members);
        *record = item.record;
        tally.heed(inside);
    }
    Outcome::Record
}

/// What is neither a login nor a note has its content as JSON where others have a note.
fn proton_content(record: &Record, kind: Option<String>) -> Option<(String, Members)> {
    if !record.description.starts_with('{') {
        return None;
    }
    let Ok(Value::Object(members)) = json::parse(&record.description) else { return None };
    let kind = kind.filter(|kind| !["login", "note", "alias"].contains(&kind.as_str()));
    let is_card = || members.iter().any(|(name, _)| name == "cardholderName");
    let kind = kind.or_else(|| is_card().then(|| "creditCard".to_owned()))?;
    Some((kind, members))
}

/// Labels that Enpass gives.
const ENPASS: &[&str] = &["Username", "Password", "Email", "E-mail", "URL", "Website", "Phone"];

/// Whether a table without a header is Enpass': a title, then labels and values.
pub(super) fn is_enpass(rows: &[Vec<String>]) -> bool {
    let Some(first) = rows.first() else { return false };
    let begins =
        |words: &[&str]| words.iter().zip(first).filter(|(word, cell)| word == cell).count() == words.len();
    if begins(&["Title", "Field", "Value"]) {
        return true;
    }
    let label = |cell: &str| ENPASS.contains(&cell.trim_start_matches('*'));
    let pairs = |row: &Vec<String>| {
        let cells = row.get(1..).unwrap_or_default();
        let labels = cells.chunks(2).filter(|pair| {
            pair.first().is_some_and(|cell| label(cell)) && pair.get(1).is_some_and(|value| !is_known(value))
        });
        labels.count() >= 2
    };
    rows.iter().any(pairs)
}

/// Pairs of label and value, then the note where one cell is left.
pub(super) fn enpass_fields(record: &mut Record, cells: &[&str], tally: &mut Tally) {
    let (pairs, note) = match cells.split_last() {
        Some((note, pairs)) if cells.len() % 2 == 1 => (pairs, Some(*note)),
        _ => (cells, None),
    };
    for pair in pairs.chunks(2) {
        let (label, value) =
            (pair.first().copied().unwrap_or_default(), pair.get(1).copied().unwrap_or_default());
        let count = u64::from(!label.is_empty()) + u64::from(!value.is_empty());
        if value.is_empty() {
            tally.resolved(count);
            continue;
        }
        tally.carried(count);
        let hidden = label.starts_with('*');
        let label = label.trim_start_matches('*');
        match label.to_lowercase().as_str() {
            "username" | "login" | "user name" if record.login.is_empty() => {
                value.clone_into(&mut record.login);
            }
            "password" if record.password.is_none() => record.password = Some(SecretString::from(value)),
            "url" | "website" if record.url.is_empty() => value.clone_into(&mut record.url),
            "email" | "e-mail" => add(record, "E-mail", CustomKind::Text, value),
            "totp" | "one-time code" => add(record, label, CustomKind::Totp, value),
            _ => add(record, label, if hidden { CustomKind::Password } else { kind_of(label) }, value),
        }
    }
    if let Some(note) = note.filter(|note| !note.is_empty()) {
        tally.carried(1);
        note.clone_into(&mut record.description);
    }
}

pub(super) fn enpass(record: &mut Record, _: &mut Tally) -> Outcome {
    hooks::mail_for_login(record);
    Outcome::Record
}

/// `[A] [B]`, or tags as others have them.
fn bracketed(text: &str) -> Vec<String> {
    let parts = text.split(['[', ']', ',']).map(|part| part.trim().trim_matches('"'));
    parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// Objects of JSON in a cell as fields; the cell as it is where they are something else.
fn json_fields(
    record: &mut Record,
    column: &str,
    text: &SecretString,
    names: (&str, &str),
    hidden: impl Fn(&Value) -> bool,
) {
    let fields = match json::parse(text.expose()) {
        Ok(Value::List(list)) => {
            let field = |one: &Value| match (one.get(names.0), one.get(names.1)) {
                (Some(Value::Text(label)), Some(Value::Text(value))) => {
                    Some((label.to_string(), value.to_string(), hidden(one)))
                }
                _ => None,
            };
            list.iter().map(field).collect::<Option<Vec<_>>>()
        }
        _ => None,
    };
    match fields {
        Some(fields) => {
            for (label, value, hidden) in fields {
                let kind = if hidden { CustomKind::Password } else { kind_of(&label) };
                add(record, label, kind, value);
            }
        }
        None => add(record, column, CustomKind::Password, text.expose()),
    }
}

/// Variables of an environment: `[{"key": …, "value": …}]`, each a hidden field.
pub(super) fn variables(record: &mut Record, text: &SecretString) {
    json_fields(record, "variables", text, ("key", "value"), |_| true);
}

/// Kinds of Psono's items, which their members begin with, in its table as in its JSON.
pub(crate) const PSONO_KINDS: &[&str] = &[
    "website_password",
    "application_password",
    "environment_variables",
    "credit_card",
    "ssh_own_key",
    "mail_gpg_own_key",
    "elster_certificate",
    "bookmark",
    "passkey",
    "identity",
    "note",
    "totp",
];

/// A column for each member of each kind of item: `website_password_url`.
pub(super) fn psono(record: &mut Record, tally: &mut Tally) -> Outcome {
    mark(record, tally, "type", PSONO_KINDS);
    for mut custom in std::mem::take(&mut record.customs) {
        // Headers compare without case, so their members do too.
        let lower = custom.name.to_ascii_lowercase();
        if PSONO_KINDS.iter().any(|kind| lower.strip_prefix(kind).is_some_and(|rest| rest.starts_with('_'))) {
            custom.name = lower;
        }
        let member = PSONO_KINDS.iter().find_map(|kind| custom.name.strip_prefix(kind)?.strip_prefix('_'));
        let text = || custom.value.expose().to_owned();
        match member {
            Some("title") if record.name.is_empty() => record.name = text(),
            Some("title") if record.name == custom.value.expose() => {}
            Some("username") if record.login.is_empty() => record.login = text(),
            Some("password") if record.password.is_none() => record.password = Some(custom.value),
            Some("url") if record.url.is_empty() => record.url = text(),
            Some("notes") if record.description.is_empty() => record.description = text(),
            Some("totp_code" | "code") => {
                record.customs.push(Custom { name: "TOTP".to_owned(), kind: CustomKind::Totp, ..custom });
            }
            Some("variables") => variables(record, &custom.value),
            Some(member) => {
                let (name, kind) = psono_member(&custom.name, member);
                record.customs.push(Custom { name, kind, ..custom });
            }
            None => record.customs.push(custom),
        }
    }
    hooks::card(record);
    Outcome::Record
}

/// The label and the type of a column of Psono, by its whole name and what follows the kind in it.
fn psono_member(column: &str, member: &str) -> (String, CustomKind) {
    let (label, kind) = match column {
        "credit_card_name" => ("Cardholder name", CustomKind::Text),
        "credit_card_number" => ("Card number", CustomKind::Password),
        "credit_card_cvc" => ("Security code", CustomKind::Password),
        "credit_card_pin" => ("PIN", CustomKind::Password),
        "credit_card_valid_through" => ("Expiry", CustomKind::Text),
        "elster_certificate_file_content" | "elster_certificate_retrieval_code" => {
            (member, CustomKind::Password)
        }
        _ if member == "public" => ("Public key", CustomKind::Text),
        _ if member == "private" => ("Private key", CustomKind::Password),
        _ if member.contains("private") => (member, CustomKind::Password),
        _ => (member, kind_of(member)),
    };
    (label.to_owned(), kind)
}

pub(super) fn passman(record: &mut Record, tally: &mut Tally) -> Outcome {
    if let Some(tags) = take(record, "tags") {
        record.tags = bracketed(tags.expose());
    }
    if mark(record, tally, "files", &["[]"]).is_none()
        && let Some(files) = take(record, "files")
    {
        add(record, "files", CustomKind::Password, files);
    }
    if let Some(text) = take(record, "custom_fields") {
        let hidden = |one: &Value| {
            matches!(one.get("secret"), Some(Value::Bool(true)))
                || matches!(one.get("field_type"), Some(Value::Text(kind)) if kind.as_str() == "password")
        };
        json_fields(record, "custom_fields", &text, ("label", "value"), hidden);
    }
    hooks::mail_for_login(record);
    Outcome::Record
}

/// JSON that holds JSON as text: `{"tags":["{\"tag\":\"A\"}"]}`.
fn inner(text: &str, list: &str) -> Option<Vec<Value>> {
    let outer = json::parse(text).ok()?;
    let Some(Value::List(list)) = outer.get(list) else { return None };
    let parsed = list.iter().map(|one| match one {
        Value::Text(text) => json::parse(text).ok(),
        _ => None,
    });
    parsed.collect()
}

pub(super) fn passpack(record: &mut Record, _: &mut Tally) -> Outcome {
    if let Some(text) = take(record, "Tags") {
        let tags = inner(text.expose(), "tags").map(|list| {
            let tag = |one: Value| match one {
                Value::Object(members) => members
                    .into_iter()
                    .find_map(|(name, value)| if name == "tag" { value.into_text() } else { None }),
                _ => None,
            };
            list.into_iter().map(tag).collect::<Option<Vec<_>>>()
        });
        match tags.flatten() {
            Some(tags) => record.tags = tags,
            None => record.tags = text.expose().split([',', ';']).map(|tag| tag.trim().to_owned()).collect(),
        }
    }
    if let Some(text) = take(record, "Extra Fields") {
        let fields = inner(text.expose(), "extraFields").map(|list| {
            let plain = |one: &Value, name: &str| match one.get(name) {
                Some(Value::Text(text)) => Some(text.to_string()),
                Some(Value::Number(number)) => Some(number.clone()),
                _ => None,
            };
            list.iter()
                .map(|one| Some((plain(one, "name")?, plain(one, "data")?)))
                .collect::<Option<Vec<_>>>()
        });
        match fields.flatten() {
            Some(fields) => {
                for (label, value) in fields {
                    let kind = kind_of(&label);
                    add(record, label, kind, value);
                }
            }
            None => add(record, "Extra Fields", CustomKind::Password, text.expose()),
        }
    }
    hooks::into_description(record, "Shared Notes");
    hooks::mail_for_login(record);
    Outcome::Record
}

/// Versions from 7 on have a name, a type, tags, a note and then fields, each `label|number|value`; older ones fixed columns.
pub(super) fn msecure(record: &mut Record, _: &mut Tally) -> Outcome {
    record.description = record.description.replace("\\n", "\n");
    let password = record.password.as_ref().map_or("", SecretString::expose);
    let is_new =
        [record.url.as_str(), record.login.as_str(), password].iter().any(|cell| field(cell).is_some());
    if !is_new {
        return Outcome::Record;
    }
    let cells = [
        std::mem::take(&mut record.url),
        std::mem::take(&mut record.login),
        record.password.take().map(|password| password.expose().to_owned()).unwrap_or_default(),
    ];
    let tags = std::mem::take(&mut record.name);
    record.tags.extend(tags.split(',').map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned));
    if let Some(name) = std::mem::take(&mut record.path.folders).pop() {
        // A number follows the name.
        let plain =
            name.rsplit_once('|').filter(|(_, number)| number.bytes().all(|byte| byte.is_ascii_digit()));
        plain.map_or(name.as_str(), |(plain, _)| plain).clone_into(&mut record.name);
    }
    let further = std::mem::take(&mut record.customs);
    let (kind, further): (Vec<_>, Vec<_>) = further.into_iter().partition(|custom| custom.name == "Type");
    record.customs = kind;
    for cell in cells.iter().filter(|cell| !cell.is_empty()) {
        match field(cell) {
            Some((label, value)) => msecure_field(record, label, value),
            None => add(record, "Field", CustomKind::Text, cell.as_str()),
        }
    }
    for custom in further {
        msecure_field(record, &custom.name, custom.value.expose());
    }
    Outcome::Record
}

/// A field of newer versions: the first of each kind fills the record.
fn msecure_field(record: &mut Record, label: &str, value: &str) {
    match label {
        _ if value.is_empty() => {}
        "Website" | "URL" if record.url.is_empty() => value.clone_into(&mut record.url),
        "Username" | "Login" if record.login.is_empty() => value.clone_into(&mut record.login),
        "Password" if record.password.is_none() => record.password = Some(SecretString::from(value)),
        _ => add(record, label, kind_of(label), value),
    }
}

/// The label and the value of `label|number|value`.
fn field(cell: &str) -> Option<(&str, &str)> {
    let mut parts = cell.splitn(3, '|');
    let (label, number, value) = (parts.next()?, parts.next()?, parts.next()?);
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some((label, value))
}

/// `label|number|value`, as newer versions have every cell.
pub(super) fn msecure_fields(record: &mut Record, cells: &[&str], tally: &mut Tally) {
    for (index, cell) in cells.iter().enumerate().filter(|(_, cell)| !cell.is_empty()) {
        tally.carried(1);
        let mut parts = cell.splitn(3, '|');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(label), Some(_), Some(value)) => add(record, label, kind_of(label), value),
            _ => add(record, format!("Column {}", index + 8), CustomKind::Text, *cell),
        }
    }
}

/// Own fields, then the note, then the folder.
pub(super) fn splashid_fields(record: &mut Record, cells: &[&str], tally: &mut Tally) {
    let count = cells.len();
    for (index, cell) in cells.iter().enumerate().filter(|(_, cell)| !cell.is_empty()) {
        tally.carried(1);
        match count - index {
            1 => record.path.folders = vec![(*cell).to_owned()],
            2 => (*cell).clone_into(&mut record.description),
            _ => add(record, format!("Field {}", index + 1), CustomKind::Text, *cell),
        }
    }
}

/// Columns beyond those that are known, by their numbers.
pub(super) fn further_columns(record: &mut Record, cells: &[&str], tally: &mut Tally) {
    for (index, cell) in cells.iter().enumerate().filter(|(_, cell)| !cell.is_empty()) {
        tally.carried(1);
        add(record, format!("Further column {}", index + 1), CustomKind::Text, *cell);
    }
}

/// Password Agent has nine columns or ten in some builds: ten begin with a zero, the note may come before the address, and of
/// the further ones only the folder shows what it is.
pub(super) fn password_agent(record: &mut Record, cells: &[&str], tally: &mut Tally) {
    let mut cells = cells.to_vec();
    if let [first, _, _, _, _] = cells.as_mut_slice()
        && record.name == "0"
    {
        let mut next = std::mem::take(first).to_owned();
        tally.resolved(u64::from(!next.is_empty()));
        for field in [&mut record.description, &mut record.url] {
            std::mem::swap(field, &mut next);
        }
        let password = record.password.replace(SecretString::new(next));
        record.password = record.password.take().filter(|password| !password.is_empty());
        record.name = std::mem::take(&mut record.login);
        record.login = password.map(|login| login.expose().to_owned()).unwrap_or_default();
    }
    let is_address = |text: &str| text.contains("://") && !text.contains(char::is_whitespace);
    if cells.len() > 3 && is_address(&record.description) && !is_address(&record.url) {
        std::mem::swap(&mut record.url, &mut record.description);
    }
    let is_path = |cell: &&str| cell.contains(" > ") && !cell.contains('\n');
    if let Some(path) = cells.iter_mut().find(|cell| is_path(cell)) {
        tally.carried(1);
        record.path.folders = path.split(" > ").map(|name| name.trim().to_owned()).collect();
        record.path.folders.retain(|name| !name.is_empty());
        *path = "";
    }
    further_columns(record, &cells, tally);
}
