//! What readers of managers' documents share: a record being filled from an item, by one set of labels and types, and the
//! account of every value in it.

use crate::as_bool;
use crate::codes::{NO_CODE, code_kind};
use crate::columns::kind_of;
use crate::date;
use crate::document::{left_behind, take};
use crate::json::{self, Json, Members, Value, Word};
use crate::jsonl::spread;
use crate::tally::Tally;
use crate::zip::{NO_BYTES, Zip};
use keyferry_crypto::error::Position;
use keyferry_crypto::model::{Attachment, Custom, CustomKind, Earlier, Record, RecordPath};
use keyferry_crypto::secret::{SecretBytes, SecretString};
use std::collections::HashMap;
use std::ops::Range;

/// Why dates are told though a record knows them.
pub(crate) const DATES: &str = "an environment keeps its own dates";
/// Why earlier passwords are told though a record knows them.
pub(crate) const EARLIER: &str = "earlier passwords do not move into an environment";
/// Why what only its manager understands stays there.
pub(crate) const OWN: &str = "it means something only where it comes from";
const SEVERAL: &str = "a record stands in several places: the first is taken";

/// A record being filled. Whatever is given to it as text was counted as carried by whoever took it out of the document:
/// [`Item::simple`] does both.
pub(crate) struct Item<'a> {
    pub(crate) record: Record,
    /// Where the item stands, as a JSON pointer.
    pub(crate) at: &'a str,
    pub(crate) tally: &'a mut Tally,
    /// The archive that the document came in.
    pub(crate) zip: Option<&'a mut Zip>,
    /// What lies in the bin is asked for.
    pub(crate) include_trash: bool,
    /// It lies there.
    pub(crate) in_bin: bool,
    /// Labels that were numbered, with how many fields were looked at and how many of them have it.
    pub(crate) numbers: HashMap<String, (usize, usize)>,
    /// Sections that fields stand in, by name, and their places among the custom fields; until [`Item::name_sections`].
    pub(crate) sections: Vec<(String, Range<usize>)>,
}

impl<'a> Item<'a> {
    /// An item of which nothing is known yet.
    pub(crate) fn new(at: &'a str, tally: &'a mut Tally) -> Self {
        let (record, numbers, sections) = (Record::default(), HashMap::new(), Vec::new());
        Self { record, at, tally, zip: None, include_trash: false, in_bin: false, numbers, sections }
    }
}

impl Item<'_> {
    /// Whether the item stays behind since it lies in the bin; where the bin is asked for, it comes along into a folder.
    pub(crate) fn stays_in_bin(&mut self, lies_there: bool) -> bool {
        self.in_bin |= lies_there;
        lies_there && !self.include_trash
    }

    /// Takes a member's text where it is one; a list or an object stays among the members.
    pub(crate) fn simple(&mut self, members: &mut Members, name: &str) -> String {
        let is_plain = |value: &Value| !matches!(value, Value::List(_) | Value::Object(_));
        let found = members.iter_mut().find(|(member, value)| member == name && is_plain(value));
        let Some((_, value)) = found else { return String::new() };
        let value = std::mem::replace(value, Value::Null);
        self.tally.carried(value.leaves());
        value.into_text().unwrap_or_default()
    }

    /// Takes members that did their work: ids, kinds, versions. What is no single value stays.
    pub(crate) fn resolve(&mut self, members: &mut Members, names: &[&str]) {
        for (name, value) in members.iter_mut() {
            if names.contains(&name.as_str()) && !matches!(value, Value::List(_) | Value::Object(_)) {
                let value = std::mem::replace(value, Value::Null);
                self.tally.resolved(value.leaves());
            }
        }
    }

    /// Takes members that stay behind, all that is in them, for a reason; `inside` is where they stand within the item.
    pub(crate) fn leave(&mut self, inside: &str, members: &mut Members, names: &[&str], why: &str) {
        for name in names {
            let value = take(members, name);
            self.behind(&value, &within(inside, name), why);
        }
    }

    /// Tells of every value below a member why it does not travel.
    pub(crate) fn behind(&mut self, value: &Value, name: &str, why: &str) {
        left_behind(self.tally, value, &format!("{}/{name}", self.at), why);
    }

    /// Something to know of the record.
    pub(crate) fn remark(&mut self, what: impl Into<String>) {
        self.tally.remark(what, self.at);
    }

    /// A login; where there is one already, a further one.
    pub(crate) fn login(&mut self, text: String) {
        if text.is_empty() || text == self.record.login {
            return;
        }
        if self.record.login.is_empty() {
            self.record.login = text;
            return;
        }
        let label = if text.contains('@') { "E-mail".to_owned() } else { self.numbered("Login") };
        self.field(label, CustomKind::Text, text);
    }

    /// An e-mail address: the login where there is no other, once logins are set.
    pub(crate) fn mail(&mut self, text: String) {
        if self.record.login.is_empty() {
            self.record.login = text;
        } else if text != self.record.login {
            self.field("E-mail", CustomKind::Text, text);
        }
    }

    /// The first e-mail address among the fields is the login where there is no other.
    pub(crate) fn mail_for_login(&mut self) {
        let mail = self.record.customs.iter().position(|custom| custom.name == "E-mail");
        if self.record.login.is_empty()
            && let Some(index) = mail
        {
            let mail = self.record.customs.remove(index);
            mail.value.expose().clone_into(&mut self.record.login);
        }
    }

    /// A password; where there is one already, a hidden field of that label.
    pub(crate) fn password(&mut self, label: &str, text: String) {
        if text.is_empty() {
            return;
        }
        if self.record.password.is_none() {
            self.record.password = Some(SecretString::new(text));
        } else {
            self.field(label, CustomKind::Password, text);
        }
    }

    /// An address; the first is the record's, the others are fields.
    pub(crate) fn url(&mut self, text: String) {
        if text.is_empty() || text == self.record.url {
            return;
        }
        if self.record.url.is_empty() {
            self.record.url = text;
        } else {
            let label = self.numbered("URL");
            self.field(label, CustomKind::Text, text);
        }
    }

    /// Text of the description; what is there already stays above it, a blank line between.
    pub(crate) fn note(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        if !self.record.description.is_empty() {
            self.record.description.push_str("\n\n");
        }
        self.record.description.push_str(text);
    }

    /// A one-time code as found; of a kind that nobody computes, it is a hidden field.
    pub(crate) fn code(&mut self, label: &str, text: String) {
        if text.is_empty() {
            return;
        }
        let value = SecretString::new(text);
        let kind = code_kind(&value);
        if kind == CustomKind::Password {
            self.remark(NO_CODE);
        }
        // What was numbered once is known to be taken: a record may have any number of codes.
        let taken =
            self.numbers.contains_key(label) || self.record.customs.iter().any(|custom| custom.name == label);
        let name = if taken { self.numbered(label) } else { label.to_owned() };
        self.record.customs.push(Custom { name, kind, value });
    }

    /// A filled field; empty ones make none.
    pub(crate) fn field(&mut self, label: impl Into<String>, kind: CustomKind, text: String) {
        if !text.is_empty() {
            self.record.customs.push(Custom { name: label.into(), kind, value: SecretString::new(text) });
        }
    }

    /// A filled field whose source has no mark: its label says whether it is hidden.
    pub(crate) fn labelled(&mut self, label: impl Into<String>, text: String) {
        let label = label.into();
        let kind = kind_of(&label);
        self.field(label, kind, text);
    }

    /// `URL 2` for the second, and so on.
    fn numbered(&mut self, label: &str) -> String {
        let further = |custom: &&Custom| {
            custom
                .name
                .strip_prefix(label)
                .and_then(|rest| rest.strip_prefix(' '))
                .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
        };
        // Each field is looked at once, however many addresses a record has.
        let (seen, count) = self.numbers.entry(label.to_owned()).or_default();
        *count += self.record.customs.iter().skip(*seen).filter(further).count();
        *seen = self.record.customs.len();
        format!("{label} {}", *count + 2)
    }

    /// A passkey: its JSON, hidden.
    pub(crate) fn passkey(&mut self, value: &Value) {
        let leaves = value.leaves();
        if leaves == 0 {
            return;
        }
        self.tally.carried(leaves);
        let site = ["rpId", "rp_id", "relyingParty"].into_iter().find_map(|name| match value.get(name) {
            Some(Value::Text(site)) => Some(site.as_str()),
            _ => None,
        });
        let name = format!("Passkey {}", site.unwrap_or_default()).trim_end().to_owned();
        self.record.customs.push(Custom { name, kind: CustomKind::Password, value: json::text(value) });
        self.remark("a passkey travels as a hidden field: Passwork cannot sign in with it");
    }

    /// A mark of the user's own; `false` where the value is none, and stays for others.
    pub(crate) fn favorite(&mut self, members: &mut Members, name: &str) {
        let found = members.iter_mut().find(|(member, _)| member == name);
        let Some((_, value)) = found else { return };
        let is = match value {
            Value::Bool(is) => Some(*is),
            Value::Number(text) => as_bool(text),
            Value::Text(text) => as_bool(text),
            _ => None,
        };
        if let Some(is) = is {
            self.tally.carried(value.leaves());
            self.record.favorite |= is;
            *value = Value::Null;
        }
    }

    /// Takes a mark that may be set: yes, no, or `None` where it is absent or something else, and then stays.
    pub(crate) fn flag(&mut self, members: &mut Members, name: &str) -> Option<bool> {
        flag(self.tally, members, name)
    }

    /// What is archived keeps a tag.
    pub(crate) fn archived(&mut self) {
        if !self.record.tags.iter().any(|tag| tag == "archived") {
            self.record.tags.push("archived".to_owned());
        }
    }

    /// Tags of a list of texts, or of objects that have their text under one of these names.
    pub(crate) fn tags(&mut self, value: Value, names: &[&str]) {
        match value {
            Value::List(list) => {
                for one in list {
                    match one {
                        Value::Object(mut members) => {
                            let mut text = String::new();
                            for name in names {
                                // Further names say the same for machines.
                                if text.is_empty() {
                                    text = self.simple(&mut members, name);
                                } else {
                                    self.mark(&mut members, name);
                                }
                            }
                            self.tag(&text);
                            self.resolve(&mut members, &["id", "uuid"]);
                            self.leave("tags", &mut members, &["color", "colour", "icon"], OWN);
                            self.unknown("tags", members);
                        }
                        Value::List(_) => self.behind(&one, "tags", "it is no tag"),
                        plain => {
                            self.tally.carried(plain.leaves());
                            self.tag(&plain.into_text().unwrap_or_default());
                        }
                    }
                }
            }
            Value::Text(text) => {
                self.tally.carried(u64::from(!text.is_empty()));
                text.split(',').for_each(|tag| self.tag(tag.trim()));
            }
            other => self.behind(&other, "tags", "it is no list of tags"),
        }
    }

    /// A tag that is not empty.
    pub(crate) fn tag(&mut self, text: &str) {
        if !text.is_empty() {
            self.record.tags.push(text.to_owned());
        }
    }

    /// When the record was made.
    pub(crate) fn created(&mut self, inside: &str, members: &mut Members, names: &[&str]) {
        for name in names {
            let value = take(members, name);
            self.record.created_at = self.record.created_at.or_else(|| seconds(&value));
            self.behind(&value, &within(inside, name), DATES);
        }
    }

    /// When the record was changed last.
    pub(crate) fn changed(&mut self, inside: &str, members: &mut Members, names: &[&str]) {
        for name in names {
            let value = take(members, name);
            self.record.changed_at = self.record.changed_at.or_else(|| seconds(&value));
            self.behind(&value, &within(inside, name), DATES);
        }
    }

    /// Earlier passwords: a list of objects with a password and a date under one of these names each.
    pub(crate) fn earlier(&mut self, value: &Value, name: &str, password: &[&str], date: &[&str]) {
        for password in password {
            for date in date {
                if self.record.history.is_empty() {
                    self.record.history = earlier(value, password, date);
                }
            }
        }
        self.behind(value, name, EARLIER);
    }

    /// A file; an empty one counts as no value.
    pub(crate) fn attach(&mut self, name: String, content: SecretBytes) {
        self.record.attachments.push(Attachment { name, content });
    }

    /// A file that stands in the archive beside the document; its name, at this place of the item, was carried.
    pub(crate) fn attach_member(&mut self, member: &str, name: String, at: &str) {
        let found = self.zip.as_mut().map(|zip| zip.take(member));
        match found {
            Some(Ok(Some(mut bytes))) => {
                self.tally.read(1);
                self.tally.carried(1);
                self.attach(name, SecretBytes::new(std::mem::take(&mut *bytes)));
            }
            Some(Err(_)) => {
                self.tally.read(1);
                self.tally.tell("a file of the archive is damaged, and stays behind", self.at, 1);
            }
            Some(Ok(None)) | None => {
                if !name.is_empty() {
                    self.tally.not_carried();
                }
                let name = Value::Text(zeroize::Zeroizing::new(name));
                self.behind(&name, at, NO_BYTES);
            }
        }
    }

    /// Takes a mark that says how a record is to be read, which is resolved; a list or an object stays.
    pub(crate) fn mark(&mut self, members: &mut Members, name: &str) -> String {
        let is_plain = |value: &Value| !matches!(value, Value::List(_) | Value::Object(_));
        let found = members.iter_mut().find(|(member, value)| member == name && is_plain(value));
        let Some((_, value)) = found else { return String::new() };
        let value = std::mem::replace(value, Value::Null);
        self.tally.resolved(value.leaves());
        value.into_text().unwrap_or_default()
    }

    /// A place that the record stands in; the first is taken.
    pub(crate) fn place(&mut self, path: impl Into<RecordPath>) {
        let path = path.into();
        let is_new = path != self.record.path && !self.record.also_in.contains(&path);
        if self.record.path == RecordPath::default() {
            self.record.path = path;
        } else if is_new {
            self.record.also_in.push(path);
            self.remark(SEVERAL);
        }
    }

    /// Members that nobody knows, of an object within the item: fields, one for each value in them.
    pub(crate) fn unknown(&mut self, inside: &str, members: Members) {
        let prefix = if inside.is_empty() { String::new() } else { format!("{inside}.") };
        let members = members.into_iter().map(|(name, value)| (format!("{prefix}{name}"), value));
        spread(&mut self.record, members, &Position::pointer(self.at), self.tally);
    }

    /// The same of an object whose own value is secret: what it is in other forms is as secret.
    pub(crate) fn unknown_secrets(&mut self, inside: &str, members: Members) {
        let start = self.record.customs.len();
        self.unknown(inside, members);
        for custom in self.record.customs.iter_mut().skip(start) {
            if custom.kind == CustomKind::Text {
                custom.kind = CustomKind::Password;
            }
        }
    }

    /// Members of an object within the item that say nothing of the record.
    pub(crate) fn leave_rest(&mut self, inside: &str, members: Members) {
        for (name, value) in members {
            self.behind(&value, &format!("{inside}/{}", json::pointer_part(&name)), OWN);
        }
    }

    /// The texts in a value, whatever its shape, one after the other: an address on its lines, the parts of a name.
    pub(crate) fn joined(&mut self, value: Value, between: &str) -> String {
        fn walk(value: Value, parts: &mut Vec<String>) {
            match value {
                Value::List(list) => list.into_iter().for_each(|value| walk(value, parts)),
                Value::Object(members) => members.into_iter().for_each(|(_, value)| walk(value, parts)),
                plain => parts.extend(plain.into_text().filter(|text| !text.is_empty())),
            }
        }
        self.tally.carried(value.leaves());
        let mut parts = Vec::new();
        walk(value, &mut parts);
        parts.join(between)
    }
}

/// Takes a mark out of these members: yes, no, or `None` where it is absent or something else, and then stays.
pub(crate) fn flag(tally: &mut Tally, members: &mut Members, name: &str) -> Option<bool> {
    let (_, value) = members.iter_mut().find(|(member, _)| member == name)?;
    let is = match value {
        Value::Bool(is) => Some(*is),
        Value::Number(text) => as_bool(text),
        Value::Text(text) => as_bool(text),
        _ => None,
    }?;
    tally.resolved(value.leaves());
    *value = Value::Null;
    Some(is)
}

/// Whether a field with this name of 1Password's own is secret, whatever its kind and its label say.
pub(crate) fn is_secret_id(id: &str) -> bool {
    matches!(id, "ccnum" | "cvv" | "pin" | "telephonePin")
}

/// The members of an object among these, which they leave; of anything else none, and it stays.
pub(crate) fn object(members: &mut Members, name: &str) -> Members {
    let found =
        members.iter_mut().find(|(member, value)| member == name && matches!(value, Value::Object(_)));
    match found.map(|(_, value)| std::mem::replace(value, Value::Null)) {
        Some(Value::Object(members)) => members,
        _ => Members::new(),
    }
}

/// The same for a list.
pub(crate) fn list(members: &mut Members, name: &str) -> Vec<Value> {
    let found = members.iter_mut().find(|(member, value)| member == name && matches!(value, Value::List(_)));
    match found.map(|(_, value)| std::mem::replace(value, Value::Null)) {
        Some(Value::List(list)) => list,
        _ => Vec::new(),
    }
}

/// The pointer of a member from the item on; `inside` is empty for one of its own.
fn within(inside: &str, name: &str) -> String {
    let name = json::pointer_part(name);
    if inside.is_empty() { name } else { format!("{inside}/{name}") }
}

/// An `otpauth:` address of parts; what is usual is left out.
pub(crate) struct CodeParts<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) account: &'a str,
    pub(crate) secret: &'a str,
    pub(crate) algorithm: &'a str,
    pub(crate) digits: &'a str,
    pub(crate) period: &'a str,
}

impl CodeParts<'_> {
    /// The address of a code by time; a bare secret where nothing else is known of it.
    pub(crate) fn address(&self) -> String {
        self.address_of("totp")
    }

    /// The address of a code of that kind.
    pub(crate) fn address_of(&self, code: &str) -> String {
        if self.secret.is_empty() {
            return String::new();
        }
        let label = match (self.issuer, self.account) {
            ("", "") => String::new(),
            ("", only) | (only, "") => escaped(only),
            (issuer, account) => format!("{}:{}", escaped(issuer), escaped(account)),
        };
        let algorithm: String = self
            .algorithm
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect::<String>()
            .to_ascii_uppercase();
        let algorithm = algorithm.strip_prefix("HMAC").unwrap_or(&algorithm);
        let issuer = escaped(self.issuer);
        let parameters = [
            ("issuer", issuer.as_str(), ""),
            ("algorithm", algorithm, "SHA1"),
            ("digits", self.digits, "6"),
            ("period", self.period, "30"),
        ];
        // Room for all of it, so that no part of the secret is left where the text stood before it grew.
        let room = label.len()
            + code.len()
            + self.secret.len()
            + parameters.iter().map(|(_, value, _)| value.len()).sum::<usize>();
        let mut address = String::with_capacity(room + 64);
        address.extend(["otpauth://", code, "/", &label, "?secret="]);
        let secret = self.secret.chars().filter(|c| !c.is_whitespace());
        // Base32 knows no case; what other kinds have is no base32.
        if matches!(code, "totp" | "hotp") {
            address.extend(secret.map(|c| c.to_ascii_uppercase()));
        } else {
            address.extend(secret);
        }
        for (name, value, usual) in parameters {
            if !value.is_empty() && value != usual && value != "0" {
                address.extend(["&", name, "=", value]);
            }
        }
        address
    }
}

/// A text within an address: what has a meaning there is written in percent.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'@' => {
                out.push(char::from(byte));
            }
            _ => {
                const DIGITS: [char; 16] =
                    ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
                out.push('%');
                out.extend([byte >> 4, byte & 15].map(|digit| DIGITS[usize::from(digit)]));
            }
        }
    }
    out
}

/// The passwords of a list of objects that have them under this name, and until when each held.
pub(crate) fn earlier<N: Word, T: Word>(value: &Json<N, T>, password: &str, date: &str) -> Vec<Earlier> {
    let Json::List(list) = value else { return Vec::new() };
    let one = |one: &Json<N, T>| {
        let password = match one.get(password) {
            Some(Json::Text(text)) if !text.as_str().is_empty() => SecretString::from(text.as_str()),
            Some(Json::Number(text)) => SecretString::from(text.as_str()),
            _ => return None,
        };
        Some(Earlier { password, changed_at: one.get(date).and_then(seconds) })
    };
    list.iter().filter_map(one).collect()
}

/// Unix seconds of a date in any of the forms that JSON has.
pub(crate) fn seconds<N: Word, T: Word>(value: &Json<N, T>) -> Option<i64> {
    match value {
        Json::Number(text) => date::of_number(text.as_str().split('.').next()?.parse().ok()?),
        Json::Text(text) => {
            date::of_iso(text.as_str()).or_else(|| date::of_number(text.as_str().parse().ok()?))
        }
        _ => None,
    }
}

/// A path without a vault of names that nest by a separator; empty names are left out.
pub(crate) fn folders(text: &str, separator: char) -> RecordPath {
    let folders = text.split(separator).filter(|part| !part.is_empty()).map(str::to_owned).collect();
    RecordPath { vault: None, folders }
}
