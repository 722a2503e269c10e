//! Cells that hold lines: own fields of Bitwarden and Nextcloud, data of Zoho, notes of LastPass that have a type.

use super::Outcome;
use super::hooks::{self, add, mark, several_urls, take};
use crate::columns::kind_of;
use crate::tally::Tally;
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
        tally.remark("a record stands in several collections: the first is taken", "its row");
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
        let lines: Vec<_> = data.expose().lines().filter(|line| !line.is_empty()).collect();
        if !lines.iter().all(|line| line.contains(':')) {
            // Values of several lines: nothing says where they end.
            add(record, column, CustomKind::Password, data.expose());
            continue;
        }
        for (label, value) in lines.iter().filter_map(|line| line.split_once(':')) {
            match label {
                "SecretType" if fills => {}
                _ if value.is_empty() => {}
                "User Name" if fills && record.login.is_empty() => value.clone_into(&mut record.login),
                "Password" if fills && record.password.is_none() => {
                    record.password = Some(SecretString::from(value));
                }
                _ => add(record, label, kind_of(label), value),
            }
        }
    }
    Outcome::Record
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
    note_with_type(record);
    Outcome::Record
}

/// Makes fields of a description that is a note with a type.
pub(crate) fn note_with_type(record: &mut Record) {
    if record.description.starts_with("NoteType:")
        && let Some(fields) = typed_note(&record.description)
    {
        record.description.clear();
        let is_card = fields.iter().any(|(label, kind)| label == "NoteType" && kind == "Credit Card");
        for (label, value) in fields {
            match label.as_str() {
                "NoteType" | "Language" => {}
                "Notes" => record.description = value,
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

fn free_note(text: &str) -> Option<Vec<(String, String)>> {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        if let Some(notes) = rest.strip_prefix("Notes:") {
            fields.push(("Notes".to_owned(), notes.trim_start_matches(['\r', '\n']).to_owned()));
            return Some(fields);
        }
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        let (label, value) = line.trim_end_matches('\r').split_once(':')?;
        let is_label = !label.is_empty() && label.len() <= 40 && !label.contains(['/', '"', '{', '=']);
        fields.push((label.to_owned(), value.to_owned()));
        if !is_label {
            return None;
        }
        if after.is_empty() {
            return Some(fields);
        }
        rest = after;
    }
}
