//! JSON lines: one record a line, complete and streaming.
//!
//! Signature: a first line that is one whole JSON object with a member of ours, and without Passwork's lists.
//! Mapping: members `vault`, `path`, `name`, `login`, `password`, `url`, `description`,
//! `tags`, `color`, `favorite`, `customs` (`name`, `type`, `value`), `attachments` (`name`,
//! `data` in base64), `also_in` (`vault`, `path`), `history` (`password`, `changed` in Unix seconds). A password left out was never set; an empty one is empty. A folder
//! without records is a line of `vault`, `path` and `"folder": true`. Every other member becomes custom
//! fields, one for each value in it: `login.uris[0].uri`.
//! Resolved: `folder`. Told: `history`, and rejected lines.
//! Cannot hold: when records were made and changed.

use crate::decode::Decode;
use crate::head::{Fit, Head};
use crate::held::{Export, same_place};
use crate::json::{self, Json, Value, Word};
use crate::tally::Tally;
use crate::{
    Entries, MOST_FOLDERS, ReadOptions, WipedReader, WriteOptions, Writer, as_bool, columns, foreign,
    too_deep,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyferry_crypto::error::{Error, Position, Result};
use keyferry_crypto::model::{Attachment, Custom, CustomKind, Earlier, Entry, Record, RecordPath, Reject};
use keyferry_crypto::secret::{SecretBytes, SecretString};
use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt::Display;
use std::io::{BufRead as _, Read, Write};
use zeroize::{Zeroize, Zeroizing};

/// Members of an object, in order.
type Members<N, T> = Vec<(N, Json<N, T>)>;

/// Whether its first line is one of ours.
pub(super) fn fits(head: &Head<'_>) -> Fit {
    // A line that is cut off by the end of the head is a long one.
    let (line, is_whole) = head.first_line();
    let line = if is_whole { json::parse(line).ok() } else { json::parse_head(line).ok() };
    line.is_some_and(|line| is_record(&line)).into()
}

/// Whether it is a line of ours: members of a record, with texts in them, or those of a folder.
fn is_record(line: &Value) -> bool {
    let scalar =
        |name: &str| line.get(name).is_some_and(|value| !matches!(value, Value::List(_) | Value::Object(_)));
    ["name", "login", "password", "url", "description"].into_iter().any(scalar)
        || (line.has("folder") && (line.has("path") || line.has("vault")))
}

pub(super) fn read(input: Box<dyn Read + Send>, _: &ReadOptions) -> Result<Entries> {
    let mut reader = Reader::new(Decode::unicode(input)?.into_read());
    let head = reader.input.fill_buf().map_err(Error::stream)?;
    foreign::refuse_text(head)?;
    if let Ok(document) = json::parse_head(&Zeroizing::new(String::from_utf8_lossy(head).into_owned())) {
        foreign::refuse_json(&document)?;
    }
    Ok(Box::new(reader))
}

/// Yields the entries of JSON lines.
pub(super) struct Reader<R> {
    input: WipedReader<R>,
    buffer: Zeroizing<Vec<u8>>,
    line: u64,
    queue: VecDeque<Entry>,
    tally: Tally,
    ended: bool,
}

impl<R: Read> Reader<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input: WipedReader::with_capacity(1 << 16, input),
            buffer: Zeroizing::new(Vec::new()),
            line: 0,
            queue: VecDeque::new(),
            tally: Tally::default(),
            ended: false,
        }
    }

    fn entry(&mut self) -> Entry {
        let at = Position::line(self.line);
        let reject = |why: String| Entry::Reject(Reject { at: at.clone(), label: String::new(), why });
        // Files put together from several have a mark at the start of each.
        let bytes = self.buffer.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&self.buffer);
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text.trim_end_matches(['\n', '\r']),
            Err(error) => return reject(format!("not UTF-8: byte {} of the line", error.valid_up_to() + 1)),
        };
        let value = match json::parse_borrowed(text) {
            Ok(value) => value,
            Err(broken) => {
                return reject(format!("not JSON: {} (byte {} of the line)", broken.why, broken.at + 1));
            }
        };
        if let Some(name) = value.duplicate() {
            return reject(twice(name));
        }
        let leaves = value.leaves();
        self.tally.read(leaves);
        let Json::Object(members) = value else {
            self.tally.rejected(leaves);
            return reject("not an object: each line is one record".to_owned());
        };
        let mark = self.tally.mark();
        record_of(members, &at, &mut self.tally)
            .unwrap_or_else(|why| self.tally.refuse(mark, leaves, at.clone(), why))
    }
}

/// A line's record or folder.
fn record_of<N: Word, T: Word>(
    members: Members<N, T>,
    at: &Position,
    tally: &mut Tally,
) -> Result<Entry, String> {
    let folder =
        members.iter().any(|(name, value)| name.as_str() == "folder" && matches!(value, Json::Bool(true)))
            && members.iter().all(|(name, _)| matches!(name.as_str(), "vault" | "path" | "folder"));
    let mut path = RecordPath::default();
    let mut rest = Vec::new();
    let (mut also_in, mut history) = (Vec::new(), Vec::new());
    for (name, value) in members {
        match (name.as_str(), value) {
            ("vault", value) => path.vault = text_of(value, "vault", tally)?,
            ("path", Json::Null) => {}
            ("path", Json::List(list)) => {
                for value in list {
                    path.folders.push(text_of(value, "path", tally)?.unwrap_or_default());
                }
            }
            ("path", _) => return Err("path is not a list".to_owned()),
            ("folder", value) if folder => tally.resolved(value.leaves()),
            ("also_in", value) if is_list_of(&value, &["vault", "path"]) => {
                tally.carried(value.leaves());
                also_in = places(value);
            }
            ("history", value) if is_list_of(&value, &["password", "changed"]) => {
                history = earlier(&value);
                let why = "history stays behind: earlier passwords do not move into an environment";
                tally.tell(why, at, value.leaves());
            }
            (_, value) => rest.push((name, value)),
        }
    }
    if path.folders.len() > MOST_FOLDERS {
        return Err(too_deep());
    }
    if folder {
        return Ok(Entry::Folder(path));
    }
    let mut record = Record { path, also_in, history, ..Record::default() };
    let unknown = fill(&mut record, rest, tally)?;
    spread(&mut record, unknown, at, tally);
    if record.name.is_empty() {
        tally.remark("no name", at);
    }
    Ok(Entry::Record(record, at.clone()))
}

/// Whether a value is a list of objects that have these members and no others.
fn is_list_of<N: Word, T: Word>(value: &Json<N, T>, names: &[&str]) -> bool {
    let known =
        |one: &Json<N, T>| matches!(one, Json::Object(_)) && !one.any_member(|name| !names.contains(&name));
    matches!(value, Json::List(list) if list.iter().all(known))
}

/// The places of a list of them.
fn places<N: Word, T: Word>(value: Json<N, T>) -> Vec<RecordPath> {
    let Json::List(list) = value else { return Vec::new() };
    let place = |one: Json<N, T>| {
        let mut path = RecordPath::default();
        let Json::Object(members) = one else { return path };
        for (name, value) in members {
            match value {
                Json::List(list) if name.as_str() == "path" => {
                    path.folders.extend(list.into_iter().filter_map(Json::into_text));
                }
                value => path.vault = value.into_text(),
            }
        }
        path
    };
    list.into_iter().map(place).collect()
}

/// The passwords of a list of earlier ones.
fn earlier<N: Word, T: Word>(value: &Json<N, T>) -> Vec<Earlier> {
    let Json::List(list) = value else { return Vec::new() };
    let one = |one: &Json<N, T>| {
        let Some(Json::Text(text)) = one.get("password") else { return None };
        let changed_at = match one.get("changed") {
            Some(Json::Number(number)) => number.as_str().parse().ok(),
            _ => None,
        };
        Some(Earlier { password: SecretString::from(text.as_str()), changed_at })
    };
    list.iter().filter_map(one).collect()
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            self.buffer.as_mut_slice().zeroize();
            self.buffer.clear();
            self.line += 1;
            match self.input.line(&mut self.buffer) {
                Ok(0) => {
                    self.ended = true;
                    self.queue.extend(std::mem::take(&mut self.tally).finish());
                }
                Ok(_) if self.buffer.iter().all(u8::is_ascii_whitespace) => {}
                Ok(_) => return Some(Ok(self.entry())),
                Err(error) => {
                    self.ended = true;
                    return Some(Err(Error::stream(error)));
                }
            }
        }
        self.queue.pop_front().map(Ok)
    }
}

/// The members of a record that programs write; the first two say where it stands.
pub const MEMBERS: [&str; 12] = [
    "vault",
    "path",
    "name",
    "login",
    "password",
    "url",
    "description",
    "tags",
    "color",
    "favorite",
    "customs",
    "attachments",
];

/// A member stands twice in one object. Only names that mean something are shown: others come out of the file.
pub(super) fn twice(name: &str) -> String {
    let inside = ["type", "value", "data", "items", "folders", "vaults", "id"];
    if MEMBERS.contains(&name) || inside.contains(&name) {
        format!("member {name} twice")
    } else {
        "a member stands twice in one object".to_owned()
    }
}

/// The text of a member, which is counted as carried; `None` for null.
pub(super) fn text_of<N: Word, T: Word>(
    value: Json<N, T>,
    name: impl Display,
    tally: &mut Tally,
) -> Result<Option<String>, String> {
    if matches!(value, Json::Null) {
        return Ok(None);
    }
    let leaves = u64::from(!value.is_nothing());
    let text = value.into_text().ok_or_else(|| format!("{name} is not a text"))?;
    tally.carried(leaves);
    Ok(Some(text))
}

/// Members that no field takes, as custom fields: one for each value in them.
pub(super) fn spread<N: Word, T: Word>(
    record: &mut Record,
    members: impl IntoIterator<Item = (N, Json<N, T>)>,
    at: &impl Display,
    tally: &mut Tally,
) {
    for (name, value) in members {
        let leaves = value.leaves();
        if leaves > 0 {
            tally.carried(leaves);
            tally.remark("members that no field takes became custom fields", at);
        }
        spread_value(record, name.into_string(), value);
    }
}

fn spread_value<N: Word, T: Word>(record: &mut Record, label: String, value: Json<N, T>) {
    match value {
        Json::Null => {}
        Json::Text(text) if text.as_str().is_empty() => {}
        Json::List(list) => {
            for (index, value) in list.into_iter().enumerate() {
                spread_value(record, format!("{label}[{index}]"), value);
            }
        }
        Json::Object(members) => {
            for (name, value) in members {
                spread_value(record, format!("{label}.{}", name.as_str()), value);
            }
        }
        scalar @ (Json::Text(_) | Json::Bool(_) | Json::Number(_)) => {
            // The innermost name says what it is: `card.code`, `keys.api_key`.
            let kind = columns::kind_of(label.rsplit('.').next().unwrap_or(&label));
            let value = SecretString::new(scalar.into_text().unwrap_or_default());
            record.customs.push(Custom { name: label, kind, value });
        }
    }
}

/// Base64, line breaks allowed.
pub(super) fn base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok().or_else(|| {
        let mut joined = Zeroizing::new(String::with_capacity(text.len()));
        joined.extend(text.chars().filter(|c| !c.is_ascii_whitespace()));
        STANDARD.decode(joined.as_bytes()).ok()
    })
}

/// Fills what is called the same in all of JSON; gives the members that are not.
pub(super) fn fill<N: Word, T: Word>(
    record: &mut Record,
    members: Members<N, T>,
    tally: &mut Tally,
) -> Result<Members<N, T>, String> {
    let mut unknown = Vec::new();
    for (name, value) in members {
        match name.as_str() {
            "name" => record.name = text_of(value, "name", tally)?.unwrap_or_default(),
            "login" => record.login = text_of(value, "login", tally)?.unwrap_or_default(),
            "password" => record.password = text_of(value, "password", tally)?.map(SecretString::new),
            "url" => record.url = text_of(value, "url", tally)?.unwrap_or_default(),
            "description" => record.description = text_of(value, "description", tally)?.unwrap_or_default(),
            "tags" => match value {
                Json::Null => {}
                Json::List(list) => {
                    for tag in list {
                        record.tags.extend(text_of(tag, "a tag", tally)?);
                    }
                }
                _ => return Err("tags is not a list".to_owned()),
            },
            "color" => match number(&value) {
                Some(color) => {
                    tally.carried(value.leaves());
                    record.color = Some(color);
                }
                None => unknown.push((name, value)),
            },
            "favorite" => match favorite(&value) {
                Some(is) => {
                    tally.carried(value.leaves());
                    record.favorite = is;
                }
                None => unknown.push((name, value)),
            },
            "customs" => match value {
                Json::Null => {}
                Json::List(list) => {
                    for (index, value) in list.into_iter().enumerate() {
                        let custom = custom(value, &format_args!("customs[{index}]"), &mut unknown, tally)?;
                        record.customs.push(custom);
                    }
                }
                _ => return Err("customs is not a list".to_owned()),
            },
            "attachments" => match value {
                Json::Null => {}
                Json::List(list) => {
                    for (index, value) in list.into_iter().enumerate() {
                        let label = format_args!("attachments[{index}]");
                        record.attachments.push(attachment(value, &label, &mut unknown, tally)?);
                    }
                }
                _ => return Err("attachments is not a list".to_owned()),
            },
            _ => unknown.push((name, value)),
        }
    }
    Ok(unknown)
}

/// A color, where the value is one.
fn number<N: Word, T: Word>(value: &Json<N, T>) -> Option<i64> {
    match value {
        Json::Number(text) => text.as_str().parse().ok(),
        Json::Text(text) => text.as_str().parse().ok(),
        _ => None,
    }
}

/// A favourite mark, where the value is one.
fn favorite<N: Word, T: Word>(value: &Json<N, T>) -> Option<bool> {
    match value {
        Json::Null => Some(false),
        Json::Bool(is) => Some(*is),
        Json::Number(text) => as_bool(text.as_str()),
        Json::Text(text) => as_bool(text.as_str()),
        Json::List(_) | Json::Object(_) => None,
    }
}

fn custom<N: Word, T: Word>(
    value: Json<N, T>,
    label: &impl Display,
    unknown: &mut Members<N, T>,
    tally: &mut Tally,
) -> Result<Custom, String> {
    let Json::Object(members) = value else { return Err(format!("{label} is not an object")) };
    let mut custom = Custom { name: String::new(), kind: CustomKind::Text, value: SecretString::default() };
    for (name, value) in members {
        match name.as_str() {
            "name" => custom.name = text_of(value, format_args!("{label}.name"), tally)?.unwrap_or_default(),
            "type" => {
                custom.kind = text_of(value, format_args!("{label}.type"), tally)?
                    .map_or(CustomKind::Text, |word| CustomKind::from(word.as_str()));
            }
            "value" => {
                custom.value =
                    text_of(value, format_args!("{label}.value"), tally)?.unwrap_or_default().into();
            }
            _ => unknown.push((N::from(format!("{label}.{}", name.as_str())), value)),
        }
    }
    Ok(custom)
}

fn attachment<N: Word, T: Word>(
    value: Json<N, T>,
    label: &impl Display,
    unknown: &mut Members<N, T>,
    tally: &mut Tally,
) -> Result<Attachment, String> {
    let Json::Object(members) = value else { return Err(format!("{label} is not an object")) };
    let (mut title, mut content) = (String::new(), None);
    for (name, value) in members {
        match name.as_str() {
            "name" => title = text_of(value, format_args!("{label}.name"), tally)?.unwrap_or_default(),
            "data" => {
                if let Some(text) = text_of(value, format_args!("{label}.data"), tally)? {
                    let text = SecretString::new(text);
                    let bytes = base64(text.expose()).ok_or_else(|| format!("{label}.data is not base64"))?;
                    content = Some(SecretBytes::new(bytes));
                }
            }
            _ => unknown.push((N::from(format!("{label}.{}", name.as_str())), value)),
        }
    }
    let content = content.ok_or_else(|| format!("{label} has no data"))?;
    Ok(Attachment { name: title, content })
}

/// Appends `,"name":"text"`.
fn member(out: &mut Vec<u8>, name: &str, text: &str) {
    out.push(b',');
    json::quote(out, name);
    out.push(b':');
    json::quote(out, text);
}

/// Appends the members that are called the same in all of JSON, from `"name"` on.
pub(super) fn append(out: &mut Vec<u8>, record: &Record, favorite: &str) {
    out.extend_from_slice(b"\"name\":");
    json::quote(out, &record.name);
    member(out, "login", &record.login);
    if let Some(password) = &record.password {
        member(out, "password", password.expose());
    }
    member(out, "url", &record.url);
    member(out, "description", &record.description);
    out.extend_from_slice(b",\"tags\":");
    list(out, &record.tags);
    if let Some(color) = record.color {
        out.extend_from_slice(format!(",\"color\":{color}").as_bytes());
    }
    out.extend_from_slice(format!(",\"{favorite}\":{},\"customs\":[", record.favorite).as_bytes());
    for (index, custom) in record.customs.iter().enumerate() {
        out.extend_from_slice(if index > 0 { b",{\"name\":" } else { b"{\"name\":" });
        json::quote(out, &custom.name);
        member(out, "type", custom.kind.as_str());
        member(out, "value", custom.value.expose());
        out.push(b'}');
    }
    out.extend_from_slice(b"],\"attachments\":[");
    for (index, attachment) in record.attachments.iter().enumerate() {
        out.extend_from_slice(if index > 0 { b",{\"name\":" } else { b"{\"name\":" });
        json::quote(out, &attachment.name);
        member(out, "data", &Zeroizing::new(STANDARD.encode(attachment.content.expose())));
        out.push(b'}');
    }
    out.push(b']');
}

fn list(out: &mut Vec<u8>, names: &[String]) {
    out.push(b'[');
    for (index, name) in names.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        json::quote(out, name);
    }
    out.push(b']');
}

/// Writes records as JSON lines.
pub(super) struct LinesWriter<W> {
    output: W,
    line: Zeroizing<Vec<u8>>,
}

/// How they are written: all but dates, as it stands.
pub(super) static EXPORT: Export = Export {
    write,
    hold: |record| Cow::Borrowed(record),
    place: same_place,
    dates: false,
    folders: true,
    twin: None,
    encrypted: false,
    depth: MOST_FOLDERS,
    as_is: false,
    streams: true,
};

#[expect(clippy::unnecessary_wraps, reason = "as every row of the table of formats has it")]
fn write(output: Box<dyn Write + Send>, _: &WriteOptions) -> Result<Box<dyn Writer>> {
    Ok(Box::new(LinesWriter::new(output)))
}

impl<W: Write> LinesWriter<W> {
    pub(super) fn new(output: W) -> Self {
        Self { output, line: Zeroizing::new(Vec::new()) }
    }

    pub(super) fn record(&mut self, record: &Record) -> Result<()> {
        self.begin(&record.path);
        append(&mut self.line, record, "favorite");
        self.elsewhere(record);
        self.end()
    }

    pub(super) fn flush(&mut self) -> Result<()> {
        self.output.flush().map_err(Error::stream)
    }

    /// Other places of a record, and passwords that it had before.
    fn elsewhere(&mut self, record: &Record) {
        for (index, path) in record.also_in.iter().enumerate() {
            self.line.extend_from_slice(if index > 0 { b",{" } else { b",\"also_in\":[{" });
            if let Some(vault) = &path.vault {
                self.line.extend_from_slice(b"\"vault\":");
                json::quote(&mut self.line, vault);
                self.line.push(b',');
            }
            self.line.extend_from_slice(b"\"path\":");
            list(&mut self.line, &path.folders);
            self.line.push(b'}');
        }
        if !record.also_in.is_empty() {
            self.line.push(b']');
        }
        for (index, earlier) in record.history.iter().enumerate() {
            let begin: &[u8] = if index > 0 { b",{\"password\":" } else { b",\"history\":[{\"password\":" };
            self.line.extend_from_slice(begin);
            json::quote(&mut self.line, earlier.password.expose());
            if let Some(changed) = earlier.changed_at {
                self.line.extend_from_slice(format!(",\"changed\":{changed}").as_bytes());
            }
            self.line.push(b'}');
        }
        if !record.history.is_empty() {
            self.line.push(b']');
        }
    }

    fn begin(&mut self, path: &RecordPath) {
        self.line.as_mut_slice().zeroize();
        self.line.clear();
        self.line.push(b'{');
        if let Some(vault) = &path.vault {
            self.line.extend_from_slice(b"\"vault\":");
            json::quote(&mut self.line, vault);
            self.line.push(b',');
        }
        self.line.extend_from_slice(b"\"path\":");
        list(&mut self.line, &path.folders);
        self.line.push(b',');
    }

    fn end(&mut self) -> Result<()> {
        self.line.extend_from_slice(b"}\n");
        self.output.write_all(&self.line).map_err(Error::stream)
    }
}

impl<W: Write + Send> Writer for LinesWriter<W> {
    fn write(&mut self, record: &Record) -> Result<()> {
        self.record(record)
    }

    fn folder(&mut self, path: &RecordPath) -> Result<()> {
        self.begin(path);
        self.line.extend_from_slice(b"\"folder\":true");
        self.end()
    }

    fn finish(mut self: Box<Self>) -> Result<Vec<String>> {
        self.flush()?;
        Ok(Vec::new())
    }
}
