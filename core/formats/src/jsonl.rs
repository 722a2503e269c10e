//! JSON lines: one record a line, complete and streaming.
//!
//! Signature: a first line that is one whole JSON object without Passwork's lists.
//! Mapping: members `vault`, `path`, `name`, `login`, `password`, `url`, `description`,
//! `tags`, `color`, `favorite`, `customs` (`name`, `type`, `value`), `attachments` (`name`,
//! `data` in base64). A password left out was never set; an empty one is empty. A folder
//! without records is a line of `vault`, `path` and `"folder": true`. Unknown members of
//! text, number or boolean become custom text fields.
//! Cannot hold: nothing is lost.

use crate::json::{self, Members, Value};
use crate::{Entries, Writer, is_yes};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyferry_crypto::error::{Error, Position, Result};
use keyferry_crypto::model::{Attachment, Custom, CustomKind, Entry, Record, RecordPath, Reject};
use keyferry_crypto::secret::{SecretBytes, SecretString};
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use zeroize::{Zeroize, Zeroizing};

pub(super) fn read(input: Box<dyn Read + Send>) -> Entries {
    Box::new(Reader::new(input))
}

/// Yields the entries of JSON lines.
pub(super) struct Reader<R> {
    input: BufReader<R>,
    buffer: Zeroizing<Vec<u8>>,
    line: u64,
    queue: VecDeque<Entry>,
    ended: bool,
}

impl<R: Read> Reader<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input: BufReader::with_capacity(1 << 16, input),
            buffer: Zeroizing::new(Vec::new()),
            line: 0,
            queue: VecDeque::new(),
            ended: false,
        }
    }

    fn entry(&mut self) -> Result<Entry, Reject> {
        let at = Position::line(self.line);
        let reject = |label: String, why: String| Reject { at: at.clone(), label, why };
        let mut bytes: &[u8] = &self.buffer;
        if self.line == 1 {
            bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| reject(String::new(), "not UTF-8".to_owned()))?;
        let value = json::parse(text.trim_end_matches(['\n', '\r']))
            .map_err(|broken| reject(String::new(), format!("not JSON: {}", broken.why)))?;
        if let Some(name) = value.duplicate() {
            return Err(reject(String::new(), format!("member {name} twice")));
        }
        let Value::Object(members) = value else {
            return Err(reject(String::new(), "not an object: each line is one record".to_owned()));
        };
        let folder =
            members.iter().any(|(name, value)| name == "folder" && matches!(value, Value::Bool(true)))
                && members.iter().all(|(name, _)| matches!(name.as_str(), "vault" | "path" | "folder"));
        let mut path = RecordPath::default();
        let mut rest = Members::new();
        for (name, value) in members {
            match (name.as_str(), value) {
                ("vault", value) => {
                    path.vault = text_of(value, "vault").map_err(|why| reject(String::new(), why))?;
                }
                ("path", Value::Null) => {}
                ("path", Value::List(list)) => {
                    for value in list {
                        let name = text_of(value, "path").map_err(|why| reject(String::new(), why))?;
                        path.folders.push(name.unwrap_or_default());
                    }
                }
                ("path", _) => return Err(reject(String::new(), "path is not a list".to_owned())),
                (_, value) => rest.push((name, value)),
            }
        }
        if folder {
            return Ok(Entry::Folder(path));
        }
        let mut record = Record { path, ..Record::default() };
        let unknown = fill(&mut record, rest).map_err(|why| reject(record.label(), why))?;
        for (name, value) in unknown {
            if matches!(value, Value::Null) {
                continue;
            }
            match value.into_text() {
                Some(text) => {
                    self.queue.push_back(Entry::Note(format!(
                        "line {}: unknown member {name} became a custom field",
                        self.line
                    )));
                    record.customs.push(Custom {
                        name,
                        kind: CustomKind::Text,
                        value: SecretString::new(text),
                    });
                }
                None => {
                    return Err(reject(
                        record.label(),
                        format!("unknown member {name} is a list or an object"),
                    ));
                }
            }
        }
        if record.name.is_empty() {
            self.queue.push_back(Entry::Note(format!("line {}: no name", self.line)));
        }
        Ok(Entry::Record(record, at))
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(entry) = self.queue.pop_front() {
            return Some(Ok(entry));
        }
        while !self.ended {
            self.buffer.as_mut_slice().zeroize();
            self.buffer.clear();
            self.line += 1;
            match self.input.read_until(b'\n', &mut self.buffer) {
                Ok(0) => self.ended = true,
                Ok(_) if self.buffer.iter().all(u8::is_ascii_whitespace) => {}
                Ok(_) => return Some(Ok(self.entry().unwrap_or_else(Entry::Reject))),
                Err(error) => {
                    self.ended = true;
                    return Some(Err(Error::stream(error)));
                }
            }
        }
        None
    }
}

/// The text of a member; `None` for null.
pub(super) fn text_of(value: Value, name: &str) -> Result<Option<String>, String> {
    if matches!(value, Value::Null) {
        return Ok(None);
    }
    value.into_text().map(Some).ok_or_else(|| format!("{name} is not a text"))
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
pub(super) fn fill(record: &mut Record, members: Members) -> Result<Members, String> {
    let mut unknown = Members::new();
    for (name, value) in members {
        match name.as_str() {
            "name" => record.name = text_of(value, "name")?.unwrap_or_default(),
            "login" => record.login = text_of(value, "login")?.unwrap_or_default(),
            "password" => record.password = text_of(value, "password")?.map(SecretString::new),
            "url" => record.url = text_of(value, "url")?.unwrap_or_default(),
            "description" => record.description = text_of(value, "description")?.unwrap_or_default(),
            "tags" => match value {
                Value::Null => {}
                Value::List(list) => {
                    for tag in list {
                        record.tags.extend(text_of(tag, "a tag")?);
                    }
                }
                _ => return Err("tags is not a list".to_owned()),
            },
            "color" => match text_of(value, "color")? {
                None => {}
                Some(text) if text.is_empty() => {}
                Some(text) => match text.parse() {
                    Ok(color) => record.color = Some(color),
                    Err(_) => {
                        record.customs.push(Custom {
                            name,
                            kind: CustomKind::Text,
                            value: SecretString::new(text),
                        });
                    }
                },
            },
            "favorite" => record.favorite = is_yes(&text_of(value, "favorite")?.unwrap_or_default()),
            "customs" => match value {
                Value::Null => {}
                Value::List(list) => {
                    for value in list {
                        record.customs.push(custom(value)?);
                    }
                }
                _ => return Err("customs is not a list".to_owned()),
            },
            "attachments" => match value {
                Value::Null => {}
                Value::List(list) => {
                    for value in list {
                        record.attachments.push(attachment(value)?);
                    }
                }
                _ => return Err("attachments is not a list".to_owned()),
            },
            _ => unknown.push((name, value)),
        }
    }
    Ok(unknown)
}

fn custom(value: Value) -> Result<Custom, String> {
    let Value::Object(members) = value else { return Err("a custom field is not an object".to_owned()) };
    let mut custom = Custom { name: String::new(), kind: CustomKind::Text, value: SecretString::default() };
    for (name, value) in members {
        match name.as_str() {
            "name" => custom.name = text_of(value, "a custom field's name")?.unwrap_or_default(),
            "type" => {
                custom.kind = text_of(value, "a custom field's type")?
                    .map_or(CustomKind::Text, |word| CustomKind::from(word.as_str()));
            }
            "value" => custom.value = text_of(value, "a custom field's value")?.unwrap_or_default().into(),
            _ => {}
        }
    }
    Ok(custom)
}

fn attachment(value: Value) -> Result<Attachment, String> {
    let Value::Object(members) = value else { return Err("an attachment is not an object".to_owned()) };
    let (mut title, mut content) = (String::new(), None);
    for (name, value) in members {
        match name.as_str() {
            "name" => title = text_of(value, "an attachment's name")?.unwrap_or_default(),
            "data" => {
                if let Some(text) = text_of(value, "an attachment's data")? {
                    let text = SecretString::new(text);
                    let bytes = base64(text.expose()).ok_or("an attachment's data is not base64")?;
                    content = Some(SecretBytes::new(bytes));
                }
            }
            _ => {}
        }
    }
    let content = content.ok_or_else(|| format!("attachment {title} has no data"))?;
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

pub(super) fn write(output: Box<dyn Write + Send>) -> Box<dyn Writer> {
    Box::new(LinesWriter::new(output))
}

impl<W: Write> LinesWriter<W> {
    pub(super) fn new(output: W) -> Self {
        Self { output, line: Zeroizing::new(Vec::new()) }
    }

    pub(super) fn record(&mut self, record: &Record) -> Result<()> {
        self.begin(&record.path);
        append(&mut self.line, record, "favorite");
        self.end()
    }

    pub(super) fn flush(&mut self) -> Result<()> {
        self.output.flush().map_err(Error::stream)
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
