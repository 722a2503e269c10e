//! Cells that hold lines: own fields of Bitwarden and Nextcloud, data of Zoho, notes of LastPass that have a type.

use super::Outcome;
use super::hooks::{self, add, mark, several_urls, take};
use crate::columns::kind_of;
use crate::json;
use crate::tally::{ROW, Tally};
use keyferry_crypto::model::{CustomKind, Record, RecordPath};
use keyferry_crypto::secret::SecretString;

pub(super) fn bitwarden(record: &mut Record, tally: &mut Tally) -> Outcome {
    mark(record, tally, "type", &["login", "note"]);
    mark(record, tally, "reprompt", &["0"]);
    if record.customs.iter().any(|custom| custom.name == "Archived") {
        record.tags.push("archived".to_owned());
    }
    // A comma within an address is not escaped: a new one begins only where a scheme or a host does.
    let mut urls: Vec<String> = Vec::new();
    for part in record.url.split(',') {
        let begins = part.split_once("://").is_some_and(|(scheme, _)| {
            !scheme.is_empty()
                && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
        }) || part.split('/').next().is_some_and(|host| {
            host.contains('.')
                && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.:".contains(&byte))
        });
        match urls.last_mut() {
            Some(last) if !begins => {
                last.push(',');
                last.push_str(part);
            }
            _ => urls.push(part.to_owned()),
        }
    }
    collections(record, tally);
    let fields = take(record, "fields");
    several_urls(record, urls);
    let text = fields.as_ref().map_or("", SecretString::expose);
    // Label, and where the value begins and ends: what goes on over several lines is one piece of the text.
    let mut known: Vec<(&str, usize, usize)> = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let end = start + line.trim_end_matches(['\r', '\n']).len();
        match (line.split_once(": "), known.last_mut()) {
            (Some((label, _)), _) => known.push((label, start + label.len() + 2, end)),
            (None, Some(last)) => last.2 = end,
            // Nothing that it could go on with.
            (None, None) => known.push(("", start, end)),
        }
        start += line.len();
    }
    for (label, start, end) in known {
        add(record, label, kind_of(label), text.get(start..end).unwrap_or_default());
    }
    Outcome::Record
}

/// An organisation's record may stand in several collections; the first is its place.
fn collections(record: &mut Record, tally: &mut Tally) {
    let Some(text) = take(record, "collections") else { return };
    let path = |text: &str| RecordPath {
        vault: None,
        folders: text.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect(),
    };
    let mut paths = text.expose().split(',').map(path).filter(|path| !path.folders.is_empty());
    if let Some(first) = paths.next() {
        record.path.folders = first.folders;
    }
    record.also_in = paths.collect();
    if !record.also_in.is_empty() {
        tally.remark("a record stands in several collections: the first is taken", ROW);
    }
}

/// One `label, type: value` a line; line breaks within a value became blanks at the source.
pub(super) fn nextcloud(record: &mut Record, _: &mut Tally) -> Outcome {
    const KINDS: &[&str] = &["text", "secret", "email", "url", "file", "data"];
    if record.path.folders.first().is_some_and(|first| first == "Home") {
        record.path.folders.remove(0);
    }
    let Some(text) = take(record, "Custom Fields") else { return Outcome::Record };
    let field = |line: &str| {
        let (head, value) =
            line.split_once(": ").or_else(|| line.strip_suffix(':').map(|head| (head, "")))?;
        let (label, kind) = head.rsplit_once(", ")?;
        let kind = KINDS.iter().find(|known| **known == kind)?;
        Some((label.to_owned(), *kind, value.to_owned()))
    };
    let lines = text.expose().lines().filter(|line| !line.is_empty());
    match lines.map(field).collect::<Option<Vec<_>>>() {
        Some(fields) => {
            for (label, kind, value) in fields {
                let kind = if kind == "secret" { CustomKind::Password } else { kind_of(&label) };
                add(record, label, kind, value);
            }
        }
        None => add(record, "Custom Fields", CustomKind::Password, text.expose()),
    }
    Outcome::Record
}

pub(super) fn zoho(record: &mut Record, _: &mut Tally) -> Outcome {
    if let Some(notes) = take(record, "Notes") {
        if !record.description.is_empty() {
            record.description.push_str("\n\n");
        }
        record.description.push_str(notes.expose());
    }
    if let Some(tags) = take(record, "Tags") {
        let tags = tags.expose().split(['\n', ',']).map(str::trim).filter(|tag| !tag.is_empty());
        record.tags.extend(tags.map(str::to_owned));
    }
    for (column, fills) in [("SecretData", true), ("CustomData", false)] {
        let Some(data) = take(record, column) else { continue };
        let Some(fields) = labelled_lines(data.expose(), |_, _| true) else {
            add(record, column, CustomKind::Password, data.expose());
            continue;
        };
        for (label, value) in fields {
            match label.as_str() {
                "SecretType" if fills => {}
                _ if value.is_empty() => {}
                "User Name" if fills && record.login.is_empty() => record.login = value,
                "Password" if fills && record.password.is_none() => {
                    record.password = Some(SecretString::new(value));
                }
                _ => {
                    let kind = kind_of(&label);
                    add(record, label, kind, value);
                }
            }
        }
    }
    Outcome::Record
}

/// Cells beyond the header, which names three columns of five: what they hold says what they are. Where none holds a login's data,
/// any may be the password.
pub(super) fn zoho_cells(record: &mut Record, cells: &[&str], tally: &mut Tally) {
    let is_data = |cell: &str| {
        let begins =
            |line: &str| ["SecretType:", "User Name:", "Password:"].iter().any(|own| line.starts_with(own));
        cell.lines().any(begins)
    };
    let known = cells.iter().position(|cell| is_data(cell));
    for (index, cell) in cells.iter().enumerate().filter(|(_, cell)| !cell.is_empty()) {
        tally.carried(1);
        let is_pairs = || cell.lines().all(|line| line.contains(':') && !line.contains("://"));
        let column = match known {
            Some(at) if at == index => "SecretData".to_owned(),
            Some(_) if is_pairs() => "CustomData".to_owned(),
            Some(at) if at + 1 == index => "Notes".to_owned(),
            _ => format!("Further column {}", index + 1),
        };
        add(record, column, CustomKind::Password, *cell);
    }
}

/// Lines of `label:value`; what `is_label` says of a label and its value to be none goes on with the value before it, as do lines
/// without a colon and the lines of a key. `None` where a text begins with what belongs to no label.
fn labelled_lines(text: &str, is_label: impl Fn(&str, &str) -> bool) -> Option<Vec<(String, String)>> {
    let mut fields: Vec<(String, String)> = Vec::new();
    let mut in_key = false;
    for line in text.lines() {
        let begins = line.split_once(':').filter(|(label, value)| !in_key && is_label(label, value));
        match (begins, fields.last_mut()) {
            (Some((label, value)), _) => fields.push((label.to_owned(), value.to_owned())),
            (None, Some((_, value))) => {
                value.push('\n');
                value.push_str(line);
            }
            (None, None) if line.is_empty() => {}
            (None, None) => return None,
        }
        in_key = (in_key || line.contains("-----BEGIN ")) && !line.contains("-----END ");
    }
    for (_, value) in &mut fields {
        value.truncate(value.trim_end_matches('\n').len());
    }
    // The kind of a note is one line: what goes on below it is no kind.
    let is_kind = |label: &str| matches!(label, "NoteType" | "Language" | "SecretType");
    (!fields.iter().any(|(label, value)| is_kind(label) && value.contains('\n'))).then_some(fields)
}

pub(super) fn lastpass(record: &mut Record, tally: &mut Tally) -> Outcome {
    match record.url.as_str() {
        "http://group" => {
            record.url.clear();
            tally.turned_out_resolved();
            return Outcome::Folder;
        }
        // What stands for no address.
        "http://sn" | "http://" => {
            record.url.clear();
            tally.turned_out_resolved();
        }
        _ => {}
    }
    // What the program calls the place of what lies in no folder.
    if record.path.vault.is_none() && record.path.folders == [NO_FOLDER] {
        record.path.folders.clear();
        tally.turned_out_resolved();
    }
    note_with_type(record);
    Outcome::Record
}

/// How LastPass shows that a record lies in no folder.
pub(crate) const NO_FOLDER: &str = "(none)";

/// A value of a note as people read it: `,` is a date of which nothing is filled, and a telephone number stands in JSON.
fn note_value(value: String) -> String {
    if value.trim() == "," {
        return String::new();
    }
    if value.starts_with('{')
        && let Ok(json::Value::Object(members)) = json::parse(&value)
        && members.iter().all(|(name, _)| matches!(name.as_str(), "num" | "ext" | "cc3l"))
    {
        let part = |wanted: &str| match members.iter().find(|(name, _)| name == wanted) {
            Some((_, json::Value::Text(text))) => text.to_string(),
            _ => String::new(),
        };
        // The country is in the number too.
        let (number, extension) = (part("num"), part("ext"));
        return if extension.is_empty() { number } else { format!("{number} ext. {extension}") };
    }
    value
}

/// Makes fields of a description that is a note with a type.
pub(crate) fn note_with_type(record: &mut Record) {
    if record.description.starts_with("NoteType:")
        && let Some(fields) = typed_note(&record.description)
    {
        record.description.clear();
        let is_card = fields.iter().any(|(label, kind)| label == "NoteType" && kind == "Credit Card");
        for (label, value) in fields {
            let value = if label == "Notes" { value } else { note_value(value) };
            match label.as_str() {
                "NoteType" | "Language" => {}
                "Notes" if record.description.is_empty() => record.description = value,
                "Notes" => {
                    record.description.push('\n');
                    record.description.push_str(&value);
                }
                _ if value.is_empty() => {}
                "Username" if record.login.is_empty() => record.login = value,
                "Password" if record.password.is_none() => record.password = Some(SecretString::new(value)),
                "URL" if record.url.is_empty() => record.url = value,
                _ if is_card => card_field(record, &label, value),
                _ => {
                    let kind = kind_of(&label);
                    add(record, label, kind, value);
                }
            }
        }
        hooks::card(record);
    }
}

/// The labels of LastPass' types of notes: values run over lines, so only these begin a field.
const NOTES: &[(&str, &[&str])] = &[
    ("Server", &["Hostname", "Username", "Password"]),
    ("Database", &["Type", "Hostname", "Port", "Database", "Username", "Password", "SID", "Alias"]),
    ("SSH Key", &["Bit Strength", "Format", "Passphrase", "Private Key", "Public Key", "Hostname", "Date"]),
    ("Credit Card", &["Name on Card", "Type", "Number", "Security Code", "Start Date", "Expiration Date"]),
    (
        "Bank Account",
        &[
            "Bank Name",
            "Account Type",
            "Routing Number",
            "Account Number",
            "SWIFT Code",
            "IBAN Number",
            "Pin",
            "Branch Address",
            "Branch Phone",
        ],
    ),
    (
        "Wi-Fi Password",
        &[
            "SSID",
            "Password",
            "Connection Type",
            "Connection Mode",
            "Authentication",
            "Encryption",
            "Use 802.1X",
            "FIPS Mode",
            "Key Type",
            "Protected",
            "Key Index",
        ],
    ),
    ("Email Account", &["Username", "Password", "Server", "Port", "Type", "SMTP Server", "SMTP Port"]),
    ("Instant Messenger", &["Type", "Username", "Password", "Server", "Port"]),
    (
        "Address",
        &[
            "Title",
            "First Name",
            "Middle Name",
            "Last Name",
            "Username",
            "Gender",
            "Birthday",
            "Company",
            "Address 1",
            "Address 2",
            "Address 3",
            "City / Town",
            "County",
            "State",
            "Zip / Postal Code",
            "Country",
            "Timezone",
            "Email Address",
            "Phone",
            "Evening Phone",
            "Mobile Phone",
            "Fax",
        ],
    ),
    (
        "Passport",
        &[
            "Type",
            "Name",
            "Country",
            "Number",
            "Sex",
            "Nationality",
            "Issuing Authority",
            "Date of Birth",
            "Issued Date",
            "Expiration Date",
        ],
    ),
    (
        "Health Insurance",
        &[
            "Company",
            "Company Phone",
            "Policy Type",
            "Policy Number",
            "Group ID",
            "Member Name",
            "Member ID",
            "Physician Name",
            "Physician Phone",
            "Physician Address",
            "Co-pay",
        ],
    ),
    (
        "Insurance",
        &["Company", "Policy Type", "Policy Number", "Expiration", "Agent Name", "Agent Phone", "URL"],
    ),
    (
        "Membership",
        &[
            "Organization",
            "Membership Number",
            "Member Name",
            "Start Date",
            "Expiration Date",
            "Website",
            "Telephone",
            "Password",
        ],
    ),
    ("Social Security", &["Name", "Number"]),
    (
        "Driver's License",
        &[
            "Number",
            "Expiration Date",
            "License Class",
            "Name",
            "Address",
            "City / Town",
            "State",
            "ZIP / Postal Code",
            "Country",
            "Date of Birth",
            "Sex",
            "Height",
        ],
    ),
    (
        "Software License",
        &[
            "License Key",
            "Licensee",
            "Version",
            "Publisher",
            "Support Email",
            "Website",
            "Price",
            "Purchase Date",
            "Order Number",
            "Number of Licenses",
            "Order Total",
        ],
    ),
];

/// The fields of a note with a type. `None` where it cannot be told what is a field: then the note stays as it is.
fn typed_note(text: &str) -> Option<Vec<(String, String)>> {
    let first = text.lines().next()?.strip_prefix("NoteType:")?;
    let Some((_, labels)) = NOTES.iter().find(|(kind, _)| *kind == first) else { return free_note(text) };
    let mut fields: Vec<(String, String)> = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(notes) = rest.strip_prefix("Notes:") {
            fields.push(("Notes".to_owned(), notes.trim_start_matches(['\r', '\n']).to_owned()));
            break;
        }
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        rest = after;
        let line = line.trim_end_matches('\r');
        let begins = line
            .split_once(':')
            .filter(|(label, _)| labels.contains(label) || matches!(*label, "NoteType" | "Language"));
        match (begins, fields.last_mut()) {
            (Some((label, value)), _) => fields.push((label.to_owned(), value.to_owned())),
            // The kind of a note is one line.
            (None, Some((label, _)))
                if matches!(label.as_str(), "NoteType" | "Language") && !line.is_empty() =>
            {
                fields.push(("Notes".to_owned(), line.to_owned()));
            }
            (None, Some((_, value))) => {
                value.push('\n');
                value.push_str(line);
            }
            (None, None) => return None,
        }
    }
    for (_, value) in &mut fields {
        value.truncate(value.trim_end_matches('\n').len());
    }
    Some(fields)
}

/// A card's member under the label that every card's has here.
fn card_field(record: &mut Record, label: &str, value: String) {
    let (label, kind) = match label {
        "Name on Card" => ("Cardholder name", CustomKind::Text),
        "Type" => ("Card brand", CustomKind::Text),
        "Number" => ("Card number", CustomKind::Password),
        "Security Code" => ("Security code", CustomKind::Password),
        "Expiration Date" => return add(record, "Expiry", CustomKind::Text, month(&value).unwrap_or(value)),
        other => (other, kind_of(other)),
    };
    add(record, label, kind, value);
}

/// `January,2031` as `2031-01`.
fn month(text: &str) -> Option<String> {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let (name, year) = text.split_once(',')?;
    let number = MONTHS.iter().position(|month| month.eq_ignore_ascii_case(name.trim()))? + 1;
    let year = year.trim();
    (year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit())).then(|| format!("{year}-{number:02}"))
}

/// The fields of a note of a type that its owner made: any label begins one.
fn free_note(text: &str) -> Option<Vec<(String, String)>> {
    let starts = |text: &str| text.starts_with("Notes:");
    let notes = if starts(text) { Some(0) } else { text.find("\nNotes:").map(|at| at + 1) };
    let (before, notes) = text.split_at(notes.unwrap_or(text.len()));
    let is_label = |label: &str, value: &str| {
        !label.is_empty()
            && label.len() <= 40
            && !label.contains(['/', '"', '{', '='])
            && !value.starts_with("//")
    };
    let mut fields = labelled_lines(before, is_label)?;
    if let Some(notes) = notes.strip_prefix("Notes:") {
        fields.push(("Notes".to_owned(), notes.trim_start_matches(['\r', '\n']).to_owned()));
    }
    Some(fields)
}
