//! Records to the Credential Exchange Format 1.0 in its strict form, and to a zip archive of it with `documents/`.
//!
//! Of each record an item: `basic-auth` for login and password, `totp` for one-time codes, `note` for the description,
//! `custom-fields` for the other fields in their order (one list before a code, one behind it), passkeys as they came from
//! there, `file` for attachments in the archive. Vaults and folders are collections. Editable fields are objects with their
//! type, ids base64url, moments whole seconds.
//! Items are written as they come, a number of each is kept for the collections at the end; the archive is put together in
//! memory.

use super::cxf::of_item;
use super::item::CodeParts;
use crate::held::{Export, as_folders, further_urls};
use crate::json::{self, Members, Value, object};
use crate::wiped::append;
use crate::zip_writer::ZipWriter;
use crate::{WriteOptions, Writer, date};
use data_encoding::BASE64URL_NOPAD;
use keyferry_crypto::error::{Error, Result};
use keyferry_crypto::model::{Attachment, Custom, CustomKind, Record, RecordPath};
use keyferry_crypto::secret::{SecretBytes, SecretString};
use keyferry_crypto::totp::Totp;
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Write;
use zeroize::{Zeroize as _, Zeroizing};

/// Collections nest by two levels of JSON each, of which readers take so many.
const DEEPEST: usize = 50;

const JSON: Export = Export {
    write: write_plain,
    hold: |record| Cow::Owned(hold(record)),
    place: as_folders,
    dates: true,
    folders: true,
    twin: None,
    encrypted: false,
    depth: DEEPEST,
    as_is: true,
    streams: true,
};

pub(crate) static PLAIN: Export = JSON;
pub(crate) static ZIP: Export = Export {
    write: write_zip,
    hold: |record| Cow::Owned(Record { attachments: record.attachments.clone(), ..hold(record) }),
    streams: false,
    ..JSON
};

/// What an item gives back of a record without its attachments.
fn hold(record: &Record) -> Record {
    let mut held = of_item(item(record));
    held.path = as_folders(&record.path);
    held
}

fn editable(kind: &str, text: &str) -> Value {
    object([("fieldType", kind.into()), ("value", text.into())])
}

fn credential<const N: usize>(kind: &str, members: [(&str, Value); N]) -> Value {
    let mut all: Members = vec![("type".to_owned(), kind.into())];
    all.extend(members.into_iter().map(|(name, value)| (name.to_owned(), value)));
    Value::Object(all)
}

/// The members of an item besides its id and files.
fn item(record: &Record) -> Members {
    let urls = further_urls(record);
    let mut credentials = Vec::new();
    let password = record.password.as_ref().map_or("", SecretString::expose);
    if !record.login.is_empty() || !password.is_empty() {
        let mut auth = vec![("type".to_owned(), "basic-auth".into())];
        for (name, kind, text) in
            [("username", "string", record.login.as_str()), ("password", "concealed-string", password)]
        {
            if !text.is_empty() {
                auth.push((name.to_owned(), editable(kind, text)));
            }
        }
        credentials.push(Value::Object(auth));
    }
    if !record.description.is_empty() {
        credentials.push(credential("note", [("content", editable("string", &record.description))]));
    }
    let mut fields = Vec::new();
    let mut end = |fields: &mut Vec<Value>, next: Option<Value>| {
        if !fields.is_empty() {
            let fields = std::mem::take(fields);
            credentials.push(credential("custom-fields", [("fields", Value::List(fields))]));
        }
        credentials.extend(next);
    };
    let (mut codes, mut number) = (0, 0_u64);
    for (at, custom) in record.customs.iter().enumerate() {
        if urls.contains(&at) || custom.value.is_empty() {
            continue;
        }
        if let Some(own) = code(custom, codes).or_else(|| passkey(custom)) {
            codes += usize::from(custom.kind == CustomKind::Totp);
            end(&mut fields, Some(own));
            continue;
        }
        let kind = if custom.kind == CustomKind::Text { "string" } else { "concealed-string" };
        number += 1;
        fields.push(object([
            ("id", id(FIELD, number).as_str().into()),
            ("fieldType", kind.into()),
            ("value", custom.value.expose().into()),
            ("label", custom.name.as_str().into()),
        ]));
    }
    end(&mut fields, None);
    let further = urls.iter().filter_map(|at| record.customs.get(*at)).map(|one| one.value.expose());
    let all = Some(record.url.as_str()).filter(|url| !url.is_empty()).into_iter().chain(further);
    let urls: Vec<_> = all.map(Value::from).collect();
    let tags: Vec<_> = record.tags.iter().map(|tag| Value::from(tag.as_str())).collect();
    let mut members: Members = vec![("title".to_owned(), record.name.as_str().into())];
    let mut add =
        |name: &str, value: Option<Value>| members.extend(value.map(|value| (name.to_owned(), value)));
    let moment = |seconds: Option<i64>| {
        // Moments are whole numbers that are not negative.
        seconds.filter(|seconds| *seconds > 0).and_then(date::as_number).map(Value::Number)
    };
    add("creationAt", moment(record.created_at));
    add("modifiedAt", moment(record.changed_at));
    add("favorite", record.favorite.then_some(Value::Bool(true)));
    let scope = object([("urls", Value::List(urls)), ("androidApps", Value::List(Vec::new()))]);
    add("scope", (!record.url.is_empty()).then_some(scope));
    add("credentials", Some(Value::List(credentials)));
    add("tags", (!tags.is_empty()).then_some(Value::List(tags)));
    members
}

/// A one-time code in its parts, where the reader calls it what it is called and its parts are all that it says.
fn code(custom: &Custom, before: usize) -> Option<Value> {
    let wanted = if before == 0 { "TOTP".to_owned() } else { format!("TOTP {}", before + 1) };
    if custom.kind != CustomKind::Totp || custom.name != wanted {
        return None;
    }
    let parts = Parts::of(&custom.value)?;
    let mut all: Members = [
        ("type", "totp".into()),
        ("secret", parts.secret.as_str().into()),
        ("period", Value::Number(parts.period.to_string())),
        ("digits", Value::Number(parts.digits.to_string())),
        ("algorithm", parts.algorithm.as_str().into()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    for (name, text) in [("username", &parts.account), ("issuer", &parts.issuer)] {
        if !text.is_empty() {
            all.push((name.to_owned(), text.as_str().into()));
        }
    }
    Some(Value::Object(all))
}

/// What an `otpauth` address says, or a bare secret.
struct Parts {
    secret: Zeroizing<String>,
    period: u64,
    digits: u64,
    algorithm: String,
    issuer: String,
    account: String,
}

impl Parts {
    fn of(value: &SecretString) -> Option<Self> {
        let text = value.expose().trim();
        let mut parts = Self {
            secret: Zeroizing::default(),
            period: 30,
            digits: 6,
            algorithm: "sha1".to_owned(),
            issuer: String::new(),
            account: String::new(),
        };
        let secret = |text: &str| {
            let mut secret = Zeroizing::new(String::with_capacity(text.len()));
            let plain = text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '-' | '='));
            secret.extend(plain.map(|c| c.to_ascii_uppercase()));
            secret
        };
        let Some((scheme, rest)) = text.split_once("://") else {
            parts.secret = secret(text);
            return parts.checked(value);
        };
        let (label, query) = rest.split_once('?')?;
        let (kind, label) = label.split_once('/').unwrap_or((label, ""));
        if !scheme.eq_ignore_ascii_case("otpauth") || !kind.eq_ignore_ascii_case("totp") {
            return None;
        }
        let label = unescaped(label)?;
        let (issuer, account) = label.split_once(':').unwrap_or(("", label.as_str()));
        (parts.issuer, parts.account) = (issuer.to_owned(), account.trim_start().to_owned());
        for pair in query.split('&') {
            let (name, text) = pair.split_once('=')?;
            let text = unescaped(text)?;
            match name {
                "secret" => parts.secret = secret(&text),
                "issuer" => parts.issuer = text.to_string(),
                "algorithm" => parts.algorithm = text.to_ascii_lowercase(),
                "digits" => parts.digits = text.parse().ok()?,
                "period" => parts.period = text.parse().ok()?,
                _ => return None,
            }
        }
        parts.checked(value)
    }

    /// These parts where they make the same codes; numbers of the format have eight bits.
    fn checked(self, value: &SecretString) -> Option<Self> {
        let known = matches!(self.algorithm.as_str(), "sha1" | "sha256" | "sha512")
            && [self.digits, self.period].into_iter().all(|number| u8::try_from(number).is_ok());
        let (digits, period) = (self.digits.to_string(), self.period.to_string());
        let again = CodeParts {
            issuer: &self.issuer,
            account: &self.account,
            secret: &self.secret,
            algorithm: &self.algorithm,
            digits: &digits,
            period: &period,
        };
        let again = Totp::parse(&SecretString::new(again.address())).ok()?;
        let own = Totp::parse(value).ok()?;
        let same = [59, 1_111_111_109, 2_000_000_000].into_iter().all(|at| own.code(at) == again.code(at));
        (known && same).then_some(self)
    }
}

/// Percent-encoding undone; `None` where that is no text.
fn unescaped(text: &str) -> Option<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let digits = (*byte == b'%').then(|| after.get(..2)).flatten();
        let escaped = digits
            .and_then(|two| std::str::from_utf8(two).ok())
            .and_then(|two| u8::from_str_radix(two, 16).ok());
        bytes.push(escaped.unwrap_or(*byte));
        rest = after.get(if escaped.is_some() { 2 } else { 0 }..).unwrap_or_default();
    }
    String::from_utf8(std::mem::take(&mut *bytes)).ok().map(Zeroizing::new)
}

/// A passkey that came from this format, with all that its strict form asks for.
fn passkey(custom: &Custom) -> Option<Value> {
    let site = custom.name.strip_prefix("Passkey")?;
    if custom.kind != CustomKind::Password || !custom.value.expose().starts_with('{') {
        return None;
    }
    let value = json::parse(custom.value.expose()).ok()?;
    let is_own = matches!(value.get("type"), Some(Value::Text(kind)) if kind.as_str() == "passkey");
    let named = matches!(value.get("rpId"), Some(Value::Text(id)) if site.trim_start() == id.as_str());
    let has = |name: &str| matches!(value.get(name), Some(Value::Text(_)));
    let whole = ["credentialId", "userHandle", "key"].into_iter().all(has);
    let same = is_own && named && whole && value.duplicate().is_none() && json::text(&value) == custom.value;
    same.then_some(value)
}

const ACCOUNT: u8 = 0;
const ITEM: u8 = 1;
const COLLECTION: u8 = 2;
const FIELD: u8 = 3;
const DOCUMENT: u8 = 4;

/// An id: the same for the same place in the file.
fn id(kind: u8, number: u64) -> String {
    BASE64URL_NOPAD.encode(&[&[kind], &number.to_be_bytes()[..]].concat())
}

/// A collection being filled.
#[derive(Default)]
struct Collection {
    names: Vec<String>,
    below: Vec<Collection>,
    index: HashMap<String, usize>,
    items: Vec<u64>,
}

impl Collection {
    fn at(&mut self, path: &RecordPath) -> Option<&mut Collection> {
        let mut collection = self;
        for name in &path.folders {
            let next = collection.below.len();
            let index = *collection.index.entry(name.clone()).or_insert(next);
            if index == next {
                collection.names.push(name.clone());
                collection.below.push(Collection::default());
            }
            collection = collection.below.get_mut(index)?;
        }
        Some(collection)
    }

    /// The collections below, as a list.
    fn written(&self, out: &mut Vec<u8>, number: &mut u64) {
        out.push(b'[');
        for (index, (name, collection)) in self.names.iter().zip(&self.below).enumerate() {
            *number += 1;
            let gap = if index > 0 { "," } else { "" };
            out.extend(format!("{gap}{{\"id\":\"{}\",\"title\":", id(COLLECTION, *number)).into_bytes());
            json::quote(out, name);
            out.extend(b",\"items\":[");
            for (index, item) in collection.items.iter().enumerate() {
                let gap = if index > 0 { "," } else { "" };
                out.extend(format!("{gap}{{\"item\":\"{}\"}}", id(ITEM, *item)).into_bytes());
            }
            out.extend(b"],\"subCollections\":");
            collection.written(out, number);
            out.push(b'}');
        }
        out.push(b']');
    }
}

struct ItemWriter {
    output: Box<dyn Write + Send>,
    text: Zeroizing<Vec<u8>>,
    /// The documents of an archive by their ids.
    files: Option<Vec<(String, SecretBytes)>>,
    items: u64,
    documents: u64,
    top: Collection,
    /// The latest moment in the file: when it was written nobody here knows.
    latest: i64,
}

fn writer(output: Box<dyn Write + Send>, files: Option<Vec<(String, SecretBytes)>>) -> Box<dyn Writer> {
    Box::new(ItemWriter {
        output,
        text: Zeroizing::new(Vec::with_capacity(1 << 16)),
        files,
        items: 0,
        documents: 0,
        top: Collection::default(),
        latest: 0,
    })
}

#[expect(clippy::unnecessary_wraps, reason = "as every row of the table of formats has it")]
fn write_plain(output: Box<dyn Write + Send>, _: &WriteOptions) -> Result<Box<dyn Writer>> {
    Ok(writer(output, None))
}

#[expect(clippy::unnecessary_wraps, reason = "as every row of the table of formats has it")]
fn write_zip(output: Box<dyn Write + Send>, _: &WriteOptions) -> Result<Box<dyn Writer>> {
    Ok(writer(output, Some(Vec::new())))
}

impl ItemWriter {
    fn put(&mut self, bytes: &[u8]) {
        append(&mut self.text, bytes);
    }

    /// Gives out what can be given out.
    fn flow(&mut self) -> Result<()> {
        if self.files.is_none() {
            self.output.write_all(&self.text).map_err(Error::stream)?;
            self.text.as_mut_slice().zeroize();
            self.text.clear();
        }
        Ok(())
    }

    fn begin(&mut self) {
        if self.items > 0 {
            return self.put(b",");
        }
        let account = id(ACCOUNT, 1);
        let head = [
            "{\"version\":{\"major\":1,\"minor\":0},\"exporterRpId\":\"keyferry.invalid\",\"exporterDisplayName\":\"keyferry\",\"accounts\":[{\"id\":\"",
            &account,
            "\",\"username\":\"\",\"email\":\"\",\"items\":[",
        ];
        self.put(head.concat().as_bytes());
    }

    /// A document of the archive, and what names it in its item.
    fn document(&mut self, file: &Attachment) -> Value {
        self.documents += 1;
        let id = id(DOCUMENT, self.documents);
        let hash = BASE64URL_NOPAD.encode(&Sha256::digest(file.content.expose()));
        let value = credential(
            "file",
            [
                ("id", id.as_str().into()),
                ("name", file.name.as_str().into()),
                ("decryptedSize", Value::Number(file.content.len().to_string())),
                ("integrityHash", hash.as_str().into()),
            ],
        );
        if let Some(files) = &mut self.files {
            files.push((format!("documents/{id}"), file.content.clone()));
        }
        value
    }
}

impl Writer for ItemWriter {
    fn write(&mut self, record: &Record) -> Result<()> {
        self.begin();
        self.items += 1;
        self.latest =
            [record.created_at, record.changed_at].into_iter().flatten().fold(self.latest, i64::max);
        let number = self.items;
        let place = as_folders(&record.path);
        if !place.folders.is_empty()
            && let Some(collection) = self.top.at(&place)
        {
            collection.items.push(number);
        }
        let mut members: Members = vec![("id".to_owned(), id(ITEM, number).as_str().into())];
        members.extend(item(record));
        if self.files.is_some() {
            let files: Vec<_> = record.attachments.iter().map(|file| self.document(file)).collect();
            if let Some((_, Value::List(credentials))) =
                members.iter_mut().find(|(name, _)| name == "credentials")
            {
                credentials.extend(files);
            }
        }
        self.put(json::text(&Value::Object(members)).expose().as_bytes());
        self.flow()
    }

    fn folder(&mut self, path: &RecordPath) -> Result<()> {
        self.top.at(path);
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Vec<String>> {
        if self.items == 0 {
            self.begin();
        }
        let mut end = b"],\"collections\":".to_vec();
        self.top.written(&mut end, &mut 0);
        end.extend(format!("}}],\"timestamp\":{}}}\n", self.latest).into_bytes());
        self.put(&end);
        self.flow()?;
        let Self { mut output, text, files, .. } = *self;
        let Some(files) = files else {
            output.flush().map_err(Error::stream)?;
            return Ok(Vec::new());
        };
        let mut zip = ZipWriter::new(output, files.len() + 1)?;
        zip.member("cxf.json", &text)?;
        for (name, content) in files {
            zip.member(&name, content.expose())?;
        }
        zip.finish()?;
        Ok(Vec::new())
    }
}
