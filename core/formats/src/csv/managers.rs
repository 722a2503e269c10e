//! Tables that managers and browsers export: what their columns mean beyond their names, and what a row needs then.
//!
//! A row of [`MANAGERS`] is one export. It is taken for a file whose header has all columns of the signature; what the user
//! says with `--map` or `--folder-separator` stands above it. To add one, write its row, and a header to the test of
//! conservation (`tests/formats/conservation.rs`).

use super::header::header_of;
use crate::columns::{kind_of, normal};
use crate::head::{Fit, Head};
use crate::json::{self, Value};
use crate::tally::Tally;
use keyferry_crypto::model::{Custom, CustomKind, Record};
use keyferry_crypto::secret::SecretString;

/// One manager's table.
pub(crate) struct Manager {
    /// The word for the command line.
    pub(crate) format: &'static str,
    /// Who exports it, for people.
    pub(crate) name: &'static str,
    /// What stays behind: in the source already, or because no record takes it.
    pub(crate) left: &'static str,
    /// Columns that all have to be there.
    signature: &'static [&'static str],
    /// Column and meaning, as `--map` has them, and `behind:` with a reason.
    pub(super) map: &'static [(&'static str, &'static str)],
    /// Between folders.
    pub(super) separator: Option<char>,
    /// Makes the next character literal.
    pub(super) escape: Option<u8>,
    /// Completes a record of which all cells are set.
    pub(super) finish: fn(&mut Record, &mut Tally) -> Outcome,
}

/// What a row is.
pub(crate) enum Outcome {
    Record,
    /// Its name is the path of a folder, which may be empty.
    Folder,
    /// No secret of the user's; the reason.
    LeftOut(&'static str),
}

const DATES: &str = "behind:an environment keeps its own dates";
const OWN: &str = "behind:it means something only where it comes from";

pub(crate) const MANAGERS: &[Manager] = &[
    Manager {
        format: "firefox-csv",
        name: "Firefox, Waterfox, LibreWolf",
        left: "the browser's own login, dates, `guid`, `formActionOrigin`",
        signature: &["url", "username", "password", "httpRealm", "formActionOrigin", "guid"],
        map: &[
            ("httpRealm", "text:HTTP realm"),
            ("formActionOrigin", OWN),
            ("guid", OWN),
            ("timeCreated", DATES),
            ("timeLastUsed", DATES),
            ("timePasswordChanged", DATES),
        ],
        separator: None,
        escape: None,
        finish: |record, _| {
            if record.url.starts_with("chrome://FirefoxAccounts") {
                Outcome::LeftOut("the browser's own login stays behind")
            } else {
                Outcome::Record
            }
        },
    },
    Manager {
        format: "1password-csv",
        name: "1Password 8",
        left: "what is no login, in the source already",
        signature: &["Title", "Url", "Username", "Password", "OTPAuth", "Favorite", "Archived"],
        map: &[("OTPAuth", "totp:TOTP"), ("Archived", "text:Archived")],
        separator: None,
        escape: None,
        finish: |record, tally| {
            if mark(record, tally, "Archived", &["true", "false"]).is_some_and(|word| word == "true") {
                record.tags.push("archived".to_owned());
            }
            Outcome::Record
        },
    },
    Manager {
        format: "safari-csv",
        name: "Safari, Apple Passwords, iCloud Keychain",
        left: "nothing",
        signature: &["Title", "URL", "Username", "Password", "Notes", "OTPAuth"],
        map: &[("OTPAuth", "totp:TOTP")],
        separator: None,
        escape: None,
        finish: |_, _| Outcome::Record,
    },
    Manager {
        format: "bitwarden-csv",
        name: "Bitwarden, Vaultwarden",
        left: "cards, identities, SSH keys, attachments, in the source already",
        signature: &["type", "name", "login_uri", "login_username", "login_password"],
        map: &[
            ("type", "text:type"),
            ("fields", "password:fields"),
            ("reprompt", "text:reprompt"),
            ("archivedDate", "text:Archived"),
            ("collections", "folder"),
            ("login_totp", "totp:TOTP"),
        ],
        separator: None,
        escape: None,
        finish: bitwarden,
    },
    Manager {
        format: "keepassxc-csv",
        name: "KeePassXC, KeePassX 2, Strongbox, Passbolt",
        left: "own fields and attachments, in the source already; icons, dates",
        signature: &["Group", "Title", "Username", "Password", "URL", "Notes"],
        map: &[("TOTP", "totp:TOTP"), ("Icon", OWN), ("Last Modified", DATES), ("Created", DATES)],
        separator: None,
        escape: None,
        // The root group has the database's name.
        finish: |record, _| {
            if record.path.vault.is_none() && !record.path.folders.is_empty() {
                record.path.vault = Some(record.path.folders.remove(0));
            }
            Outcome::Record
        },
    },
    Manager {
        format: "keepass-csv",
        name: "KeePass 1 and 2",
        left: "own fields and attachments, in the source already",
        signature: &["Account", "Login Name", "Password", "Web Site", "Comments"],
        map: &[
            ("Account", "name"),
            ("Login Name", "login"),
            ("Password", "password"),
            ("Web Site", "url"),
            ("Comments", "description"),
        ],
        separator: None,
        escape: Some(b'\\'),
        finish: |_, _| Outcome::Record,
    },
    Manager {
        format: "dashlane-csv",
        name: "Dashlane (credentials)",
        left: "attachments, in the source already",
        signature: &["username", "username2", "username3", "title", "password"],
        map: &[
            ("username2", "text:Login 2"),
            ("username3", "text:Login 3"),
            ("otpUrl", "totp:TOTP"),
            ("otpSecret", "totp:TOTP"),
            ("category", "folder"),
        ],
        separator: None,
        escape: None,
        finish: |_, _| Outcome::Record,
    },
    Manager {
        format: "nordpass-csv",
        name: "NordPass",
        left: "one-time codes and attachments, in the source already",
        signature: &["name", "url", "username", "password", "note", "cardholdername", "cardnumber", "cvc"],
        map: &[
            ("additional_urls", "text:additional_urls"),
            ("email", "text:E-mail"),
            ("type", "text:type"),
            ("custom_fields", "password:custom_fields"),
        ],
        separator: None,
        escape: None,
        finish: nordpass,
    },
    Manager {
        format: "protonpass-csv",
        name: "Proton Pass",
        left: "own fields and attachments, in the source already; dates",
        signature: &["type", "name", "url", "password", "note", "totp", "createTime", "modifyTime"],
        map: &[
            ("type", "text:type"),
            ("email", "text:E-mail"),
            ("totp", "totp:TOTP"),
            ("createTime", DATES),
            ("modifyTime", DATES),
        ],
        separator: None,
        escape: None,
        finish: |record, tally| {
            mark(record, tally, "type", &["login", "note", "alias", "creditCard", "identity"]);
            let urls: Vec<String> = record.url.split(", ").map(str::to_owned).collect();
            several_urls(record, urls);
            login_or_mail(record);
            Outcome::Record
        },
    },
    Manager {
        format: "lastpass-csv",
        name: "LastPass",
        left: "attachments, in the source already",
        signature: &["url", "username", "password", "extra", "name", "grouping", "fav"],
        map: &[("extra", "description"), ("grouping", "folder"), ("fav", "favorite"), ("totp", "totp:TOTP")],
        separator: Some('\\'),
        escape: None,
        finish: lastpass,
    },
    Manager {
        format: "delinea-csv",
        name: "Delinea Secret Server",
        left: "attachments, in the source already",
        signature: &["Secret Name", "Password", "Folder", "TOTP Key", "TOTP Backup Codes"],
        map: &[
            ("Secret Name", "name"),
            ("TOTP Key", "totp:TOTP"),
            ("TOTP Backup Codes", "password:TOTP Backup Codes"),
        ],
        separator: Some('\\'),
        escape: None,
        finish: |_, _| Outcome::Record,
    },
    Manager {
        format: "zoho-csv",
        name: "Zoho Vault",
        left: "classification; attachments, in the source already",
        signature: &["SecretData", "CustomData", "Notes"],
        map: &[
            ("Password Name", "name"),
            ("Secret Name", "name"),
            ("Password URL", "url"),
            ("Secret URL", "url"),
            ("SecretData", "password:SecretData"),
            ("CustomData", "password:CustomData"),
            ("Description", "description"),
            ("Notes", "text:Notes"),
            ("Tags", "text:Tags"),
            ("Classification", OWN),
            ("TOTP", "totp:TOTP"),
            ("login_totp", "totp:TOTP"),
            ("Folder Name", "folder"),
            ("ChamberName", "folder"),
        ],
        separator: None,
        escape: None,
        finish: zoho,
    },
];

/// Whose table has this header.
pub(super) fn find(header: &[String]) -> Option<&'static Manager> {
    let names: Vec<String> = header.iter().map(|name| normal(name)).collect();
    MANAGERS.iter().find(|manager| manager.signature.iter().all(|column| names.contains(&normal(column))))
}

/// Whether the beginning of a file is this manager's table.
pub(crate) fn fits(manager: &Manager, head: &Head<'_>) -> Fit {
    header_of(head).and_then(find).is_some_and(|found| found.format == manager.format).into()
}

impl Manager {
    /// What its table is known by, in Markdown.
    pub(crate) fn known_by(&self) -> String {
        let columns: Vec<_> = self.signature.iter().map(|column| format!("`{column}`")).collect();
        format!("the columns {}", columns.join(", "))
    }

    /// What a column means here, beyond its name.
    pub(super) fn meaning(&self, column: &str) -> Option<&'static str> {
        let found = self.map.iter().find(|(name, _)| normal(name) == normal(column));
        found.map(|(_, meaning)| *meaning)
    }
}

/// Takes a custom field out again.
fn take(record: &mut Record, name: &str) -> Option<SecretString> {
    let at = record.customs.iter().position(|custom| custom.name == name)?;
    Some(record.customs.remove(at).value)
}

/// The same, for a mark: it has done its work where it is one of those that are known, and is a field as any other where not.
fn mark(record: &mut Record, tally: &mut Tally, name: &str, known: &[&str]) -> Option<String> {
    let at = record.customs.iter().position(|custom| custom.name == name)?;
    let value = record.customs.get(at)?.value.expose();
    let word = (*known.iter().find(|known| known.eq_ignore_ascii_case(value))?).to_owned();
    record.customs.remove(at);
    tally.turned_out_resolved();
    Some(word)
}

fn add(record: &mut Record, name: impl Into<String>, kind: CustomKind, value: impl Into<SecretString>) {
    record.customs.push(Custom { name: name.into(), kind, value: value.into() });
}

/// The first is the record's; the others stand before its one-time code.
fn several_urls(record: &mut Record, urls: Vec<String>) {
    let mut urls = urls.into_iter().filter(|url| !url.is_empty());
    record.url = urls.next().unwrap_or_default();
    let at = record.customs.iter().position(|custom| custom.kind == CustomKind::Totp);
    let at = at.unwrap_or(record.customs.len());
    for (index, url) in urls.enumerate() {
        let name = format!("URL {}", index + 2);
        let url = Custom { name, kind: CustomKind::Text, value: SecretString::new(url) };
        record.customs.insert(at + index, url);
    }
}

/// An address is the login where there is no other.
fn login_or_mail(record: &mut Record) {
    if record.login.is_empty()
        && let Some(mail) = take(record, "E-mail")
    {
        mail.expose().clone_into(&mut record.login);
    }
}

fn bitwarden(record: &mut Record, tally: &mut Tally) -> Outcome {
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

fn nordpass(record: &mut Record, tally: &mut Tally) -> Outcome {
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
    login_or_mail(record);
    Outcome::Record
}

fn lastpass(record: &mut Record, tally: &mut Tally) -> Outcome {
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
    if record.description.starts_with("NoteType:")
        && let Some(fields) = typed_note(&record.description)
    {
        record.description.clear();
        for (label, value) in fields {
            match label.as_str() {
                "NoteType" | "Language" => {}
                "Notes" => record.description = value,
                _ if value.is_empty() => {}
                "Username" if record.login.is_empty() => record.login = value,
                "Password" if record.password.is_none() => record.password = Some(SecretString::new(value)),
                "URL" if record.url.is_empty() => record.url = value,
                _ => {
                    let kind = kind_of(&label);
                    add(record, label, kind, value);
                }
            }
        }
    }
    Outcome::Record
}

/// The fields of a note with a type: a line each, and `Notes:` with all that follows. `None` where a line is none, since
/// some values have several lines and nothing says where they end: then the note stays as it is.
fn typed_note(text: &str) -> Option<Vec<(String, String)>> {
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

fn zoho(record: &mut Record, _: &mut Tally) -> Outcome {
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

#[cfg(test)]
mod tests {
    use super::super::read;
    use crate::ReadOptions;
    use keyferry_crypto::model::{Entry, Record};
    use std::io::Cursor;

    fn entries(text: &str) -> (Vec<Record>, Vec<String>) {
        let (mut records, mut rest) = (Vec::new(), Vec::new());
        for entry in read(Box::new(Cursor::new(text.to_owned())), &ReadOptions::default()).unwrap() {
            match entry.unwrap() {
                Entry::Record(record, _) => records.push(record),
                Entry::Folder(path) => rest.push(path.to_string()),
                Entry::Reject(reject) => rest.push(reject.why),
                Entry::Note(_) => {}
                Entry::Values(values) => assert_eq!(values.lost(), 0),
            }
        }
        (records, rest)
    }

    fn fields(record: &Record) -> Vec<(&str, &str, &str)> {
        record.customs.iter().map(|one| (one.name.as_str(), one.kind.as_str(), one.value.expose())).collect()
    }

    #[test]
    fn lastpass_has_notes_with_a_type_and_rows_that_are_folders() {
        let (records, rest) = entries(
            "url,username,password,totp,extra,name,grouping,fav\n\
             http://sn,,,,\"NoteType:Server\nLanguage:en-US\nHostname:h.example\nUsername:root\nPassword:p:w\nNotes:one\ntwo: three\",srv,Ops\\Net,0\n\
             http://sn,,,,\"NoteType:SSH Key\nPrivate Key:-----BEGIN\nbm90LWEta2V5\nNotes:n\",key,,1\n\
             http://group,,,,,Ops\\Empty,,0\n",
        );
        assert_eq!(rest, ["Ops / Empty"]);
        assert_eq!(records[0].label(), "Ops / Net / srv");
        assert_eq!((records[0].login.as_str(), records[0].url.as_str()), ("root", ""));
        assert_eq!(records[0].password.as_ref().unwrap().expose(), "p:w");
        assert_eq!(records[0].description, "one\ntwo: three");
        assert_eq!(fields(&records[0]), [("Hostname", "text", "h.example")]);
        // Nothing says where the key ends: the note stays whole.
        assert!(records[1].description.contains("bm90LWEta2V5\nNotes:n") && records[1].favorite);
        assert_eq!(fields(&records[1]), []);
    }

    #[test]
    fn nordpass_has_json_in_cells() {
        let (records, rest) = entries(
            "name,url,additional_urls,username,password,note,cardholdername,cardnumber,cvc,folder,email,type,custom_fields\n\
             Ops/Net,,,,,,,,,,,folder,\n\
             A,https://a,\"[\"\"https://b\"\"]\",u,p,,,,,Ops,,password,\"[{\"\"type\"\":\"\"hidden\"\",\"\"label\"\":\"\"Own\"\",\"\"value\"\":\"\"x\"\"}]\"\n\
             B,,https://bare,,p,,,,,,b@b.example,other,[not JSON\n",
        );
        assert_eq!(rest, ["Ops / Net"]);
        assert_eq!(fields(&records[0]), [("URL 2", "text", "https://b"), ("Own", "password", "x")]);
        assert_eq!((records[1].login.as_str(), records[1].url.as_str()), ("b@b.example", "https://bare"));
        assert_eq!(
            fields(&records[1]),
            [("type", "text", "other"), ("custom_fields", "password", "[not JSON")]
        );
    }

    #[test]
    fn secret_server_and_bitwarden_keep_places_and_lines() {
        let (records, _) = entries(
            "Secret Name,Username,Password,Folder,TOTP Key,TOTP Backup Codes\nA,u,p,\\Ops\\Net,GEZDGNBVGY3TQOJQ,1 2\n",
        );
        assert_eq!(records[0].label(), "Ops / Net / A");
        assert_eq!(fields(&records[0])[0], ("TOTP", "totp", "GEZDGNBVGY3TQOJQ"));
        let (records, _) = entries(
            "folder,type,name,fields,login_uri,login_username,login_password\n\
             ,login,A,\"lost\nPIN: 1\nmulti: a\r\nb: c\nd\n\",\"https://a/x,y,https://b\",u,p\n",
        );
        assert_eq!(records[0].url, "https://a/x,y");
        assert_eq!(
            fields(&records[0]),
            [
                ("URL 2", "text", "https://b"),
                ("", "text", "lost"),
                ("PIN", "password", "1"),
                ("multi", "text", "a"),
                ("b", "text", "c\nd")
            ]
        );
    }
}
