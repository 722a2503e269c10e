//! Records to a KDBX 4 file (Argon2id, `ChaCha20`, values protected where they are secrets), and to the XML that KeePass exports.
//!
//! One vault is the root group. Several, and records without one, stand below a root group that is marked: its groups are the
//! vaults, so that they come back as such. Earlier passwords are earlier versions of their entry. In XML every value stands
//! in the clear, and attachments in base64.
//! Both are put together in memory: values are protected in the order of the document, and attachments stand before it.
//! What an entry gives back is found by the code that reads entries.

use super::cipher::{Cipher, Stream};
use super::dates;
use super::entry::{of_fields, replaced, tags};
use super::field::Field;
use super::kdbx::{Keys, MAGIC, field};
use super::kdf::Kdf;
use super::key::of_parts;
use super::places::FRAME;
use crate::costs::Argon2;
use crate::held::{Export, Names, renamed, spaced};
use crate::wiped::append;
use crate::xml::Text;
use crate::{MOST_FOLDERS, WriteOptions, Writer, date};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use keyferry_crypto::error::{Error, ErrorKind, Result};
use keyferry_crypto::generate;
use keyferry_crypto::model::{Custom, CustomKind, Earlier, Record, RecordPath};
use keyferry_crypto::secret::{SecretBytes, SecretString};
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Write;
use zeroize::Zeroizing;

/// Bytes of a block.
const BLOCK: usize = 1 << 20;
/// RFC 9106's second recommendation, as for archives.
const MEMORY: u64 = 64 << 10;
const PASSES: u64 = 3;
const LANES: u32 = 4;
/// What the root group is called where there is not one vault alone.
const ROOT: &str = "Root";
/// What a name without a character is called: a key or group of no name is lost by some programs.
const UNNAMED: &str = "Unnamed";

/// A group being filled.
#[derive(Default)]
struct Group {
    names: Vec<String>,
    groups: Vec<Group>,
    index: HashMap<String, usize>,
    records: Vec<Record>,
}

impl Group {
    fn child(&mut self, name: &str) -> Option<&mut Group> {
        let next = self.groups.len();
        let index = *self.index.entry(name.to_owned()).or_insert(next);
        if index == next {
            self.names.push(name.to_owned());
            self.groups.push(Group::default());
        }
        self.groups.get_mut(index)
    }
}

/// How a database is written.
const DATABASE: Export = Export {
    write,
    hold: |record| Cow::Owned(hold(record, Form::Kdbx)),
    place,
    dates: true,
    folders: true,
    twin: None,
    encrypted: true,
    depth: MOST_FOLDERS,
    as_is: true,
    streams: false,
};

pub(crate) static KDBX: Export = DATABASE;

/// How KeePass's XML is written.
pub(crate) static XML: Export = Export {
    write: write_xml,
    hold: |record| Cow::Owned(hold(record, Form::Xml)),
    encrypted: false,
    ..DATABASE
};

/// What is written: the database, whose protected values may hold any character and whose dates are numbers, or XML.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Kdbx,
    Xml,
}

impl Form {
    /// A value as it can stand there.
    fn value(self, text: &str) -> Cow<'_, str> {
        if self == Form::Kdbx { Cow::Borrowed(text) } else { plain(text) }
    }

    /// A moment as it can stand there.
    fn moment(self, seconds: i64) -> Option<String> {
        match self {
            Form::Kdbx => Some(BASE64_STANDARD.encode(dates::in_base64(seconds))),
            Form::Xml => date::iso(seconds),
        }
    }

    /// What a moment is read as.
    fn moment_back(self, seconds: Option<i64>) -> Option<i64> {
        self.moment(seconds?).and_then(|text| dates::seconds(&text))
    }
}

/// A text without what XML has not, which is U+FFFD.
fn plain(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_xml) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if is_xml(c) { c } else { char::REPLACEMENT_CHARACTER }).collect())
}

/// A name, which has at least one character.
fn named(name: &str) -> String {
    if name.is_empty() { UNNAMED.to_owned() } else { plain(name).into_owned() }
}

/// Groups of a place: the first is the vault.
fn place(path: &RecordPath) -> RecordPath {
    path.vault.iter().chain(&path.folders).map(|name| named(name)).collect()
}

/// What an entry gives back of a record.
fn hold(record: &Record, form: Form) -> Record {
    let expires = expiry(&record.customs);
    let fields = strings(record, expires.map(|(at, _)| at)).into_iter().map(|string| {
        let hidden = string.secret || (form == Form::Kdbx && !string.value.chars().all(is_xml));
        let value = Text::Made(Zeroizing::new(form.value(string.value).into_owned()));
        Field { name: string.key.into(), value, hidden, used: false }
    });
    let mut held = of_fields(fields.collect());
    if let Some((at, _)) = expires {
        held.customs.extend(record.customs.get(at).cloned());
    }
    held.path = place(&record.path);
    for tag in tags(&plain(&record.tags.join(";"))) {
        if !held.tags.contains(&tag) {
            held.tags.push(tag);
        }
    }
    held.created_at = form.moment_back(record.created_at);
    held.changed_at = form.moment_back(record.changed_at);
    let earlier = record.history.iter().filter(|earlier| !earlier.password.is_empty());
    let earlier = earlier.map(|earlier| Earlier {
        password: SecretString::new(form.value(earlier.password.expose()).into_owned()),
        changed_at: form.moment_back(earlier.changed_at),
    });
    held.history = replaced(held.password.as_ref(), earlier.collect());
    held.attachments = renamed(&record.attachments, attachment_names(record));
    held
}

/// A string of an entry.
struct StringOf<'a> {
    key: String,
    value: &'a str,
    secret: bool,
}

/// The strings of a record, one of each key; the field that is the entry's own expiry is none.
fn strings(record: &Record, expires: Option<usize>) -> Vec<StringOf<'_>> {
    let password = record.password.as_ref().map_or("", SecretString::expose);
    let mut strings: Vec<_> = [
        ("Title", record.name.as_str(), false),
        ("UserName", &record.login, false),
        ("URL", &record.url, false),
        ("Notes", &record.description, false),
        ("Password", password, true),
    ]
    .into_iter()
    .map(|(key, value, secret)| StringOf { key: key.to_owned(), value, secret })
    .collect();
    let mut names: Names = strings.iter().map(|string| &string.key).collect();
    let (mut codes, mut urls) = (0, 1);
    for (at, custom) in record.customs.iter().enumerate() {
        if expires == Some(at) {
            continue;
        }
        let mut key = named(&custom.name);
        if is_numbered(&custom.name, "TOTP", codes) && custom.kind == CustomKind::Totp {
            let word = if custom.value.expose().contains("://") { "otp" } else { "TimeOtp-Secret-Base32" };
            if !names.contains(word) {
                codes += 1;
                word.clone_into(&mut key);
            }
        }
        if custom.kind == CustomKind::Text && custom.name == format!("URL {}", urls + 1) {
            key = if urls == 1 { "KP2A_URL".to_owned() } else { format!("KP2A_URL_{}", urls - 1) };
            urls += 1;
        }
        // Programs keep the last of two.
        let key = names.unique(&key, spaced);
        strings.push(StringOf { key, value: custom.value.expose(), secret: custom.kind != CustomKind::Text });
    }
    strings
}

fn attachment_names(record: &Record) -> Vec<String> {
    let mut names = Names::default();
    record.attachments.iter().map(|file| names.unique(&named(&file.name), spaced)).collect()
}

struct GroupWriter {
    output: Box<dyn Write + Send>,
    /// What the database is for; XML is for everybody.
    composite: Option<super::key::Key>,
    top: Group,
}

/// Writes a file for whoever has this passphrase, this key file, or both.
///
/// # Errors
/// [`ErrorKind::Locked`] where there is neither.
fn write(output: Box<dyn Write + Send>, options: &WriteOptions) -> Result<Box<dyn Writer>> {
    let composite = of_parts(options.passphrase.as_ref(), options.key_file.as_ref())?;
    Ok(Box::new(GroupWriter { output, composite: Some(composite), top: Group::default() }))
}

/// Writes XML, in the clear.
#[expect(clippy::unnecessary_wraps, reason = "as every row of the table of formats has it")]
fn write_xml(output: Box<dyn Write + Send>, _: &WriteOptions) -> Result<Box<dyn Writer>> {
    Ok(Box::new(GroupWriter { output, composite: None, top: Group::default() }))
}

impl GroupWriter {
    fn place(&mut self, path: &RecordPath) -> Result<&mut Group> {
        let lost = || Error::new(ErrorKind::Internal, "a folder of the export was lost");
        let mut group = &mut self.top;
        for name in path.vault.iter().chain(&path.folders) {
            group = group.child(name).ok_or_else(lost)?;
        }
        Ok(group)
    }
}

impl Writer for GroupWriter {
    fn write(&mut self, record: &Record) -> Result<()> {
        self.take(record.clone())
    }

    fn take(&mut self, record: Record) -> Result<()> {
        self.place(&place(&record.path))?.records.push(record);
        Ok(())
    }

    fn folder(&mut self, path: &RecordPath) -> Result<()> {
        self.place(path).map(|_| ())
    }

    fn finish(self: Box<Self>) -> Result<Vec<String>> {
        let Self { mut output, composite, top } = *self;
        let mut key = Zeroizing::new([0; 64]);
        generate::random_bytes(&mut *key)?;
        let number = if composite.is_some() { Stream::CHACHA20 } else { 0 };
        let stream = Stream::of(number, &key[..])
            .ok_or_else(|| Error::new(ErrorKind::Internal, "a stream could not be made"))?;
        let mut document = Document {
            xml: Zeroizing::new(Vec::with_capacity(1 << 16)),
            form: if composite.is_some() { Form::Kdbx } else { Form::Xml },
            stream,
            pool: HashMap::new(),
            binaries: Vec::new(),
        };
        let mut out = |bytes: &[u8]| output.write_all(bytes).map_err(Error::stream);
        document.root(&top)?;
        drop(top);
        let Some(composite) = composite else {
            let root = std::mem::take(&mut document.xml);
            document.meta();
            out(&document.xml)?;
            out(&root)?;
            return output.flush().map_err(Error::stream).map(|()| Vec::new());
        };
        let plain = document.with_inner_header(&key);
        drop(document);
        let (header, keys, vector) = header(&composite)?;
        let failed = || Error::new(ErrorKind::Internal, "the file could not be encrypted");
        let mut sealed = plain;
        Cipher::ChaCha20.encrypt(&keys.cipher, &vector, &mut sealed).ok_or_else(failed)?;
        out(&header)?;
        out(&Sha256::digest(&header))?;
        out(&keys.header_tag(&header).ok_or_else(failed)?)?;
        for (number, block) in sealed.chunks(BLOCK).chain([&[][..]]).enumerate() {
            out(&keys.tag(number as u64, block).ok_or_else(failed)?)?;
            out(&u32::try_from(block.len()).unwrap_or_default().to_le_bytes())?;
            out(block)?;
        }
        output.flush().map_err(Error::stream)?;
        Ok(Vec::new())
    }
}

/// The outer header, the keys that it leads to, and the nonce in it.
fn header(composite: &super::key::Key) -> Result<(Vec<u8>, Keys, [u8; 12])> {
    let (mut seed, mut salt, mut nonce) = ([0; 32], [0; 32], [0; 12]);
    for random in [&mut seed[..], &mut salt, &mut nonce] {
        generate::random_bytes(random)?;
    }
    let argon2 =
        Argon2 { id: true, old: false, salt: salt.to_vec(), memory: MEMORY, passes: PASSES, lanes: LANES };
    let kdf = Kdf::Argon2(argon2);
    let mut header = MAGIC.to_vec();
    // Version 4.0: what 4.1 adds is not written.
    header.extend([0, 0, 4, 0]);
    for (name, value) in [
        (field::CIPHER, &Cipher::ChaCha20.name()[..]),
        (field::COMPRESSION, &0_u32.to_le_bytes()[..]),
        (field::SEED, &seed[..]),
        (field::VECTOR, &nonce[..]),
        (field::KDF, &kdf.dictionary()[..]),
        (field::END, &b"\r\n\r\n"[..]),
    ] {
        put(&mut header, name, value);
    }
    let keys = Keys::derive(&kdf, composite, &seed)?;
    Ok((header, keys, nonce))
}

fn put(out: &mut Vec<u8>, name: u8, value: &[u8]) {
    out.push(name);
    out.extend(u32::try_from(value.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend(value);
}

/// The document, as it is written.
struct Document {
    xml: Zeroizing<Vec<u8>>,
    form: Form,
    stream: Stream,
    /// Attachments that are there already, by their hash.
    pool: HashMap<[u8; 32], usize>,
    binaries: Vec<SecretBytes>,
}

impl Document {
    /// The inner header and the document behind it.
    fn with_inner_header(&mut self, key: &[u8; 64]) -> Zeroizing<Vec<u8>> {
        let files: usize = self.binaries.iter().map(|binary| binary.len() + 6).sum();
        let root = std::mem::take(&mut self.xml);
        self.meta();
        // Room for the padding of a cipher, so that encrypting makes no copy.
        let mut plain = Zeroizing::new(Vec::with_capacity(files + self.xml.len() + root.len() + 128));
        put(&mut plain, field::INNER_STREAM, &Stream::CHACHA20.to_le_bytes());
        put(&mut plain, field::INNER_KEY, key);
        for binary in &self.binaries {
            plain.push(field::INNER_BINARY);
            plain.extend(u32::try_from(binary.len() + 1).unwrap_or(u32::MAX).to_le_bytes());
            // To be protected in memory.
            plain.push(1);
            plain.extend(binary.expose());
        }
        put(&mut plain, field::END, b"");
        plain.extend_from_slice(&self.xml);
        plain.extend_from_slice(&root);
        plain
    }

    fn raw(&mut self, text: &str) {
        append(&mut self.xml, text.as_bytes());
    }

    /// A text between tags; characters that XML has not are replaced.
    fn text(&mut self, text: &str) {
        let mut rest = text;
        while let Some(at) = rest.find(|c| matches!(c, '&' | '<' | '>' | '\r') || !is_xml(c)) {
            let (before, after) = rest.split_at(at);
            self.raw(before);
            let c = after.chars().next().unwrap_or_default();
            self.raw(match c {
                '&' => "&amp;",
                '<' => "&lt;",
                '>' => "&gt;",
                '\r' => "&#13;",
                _ => "\u{fffd}",
            });
            rest = after.get(c.len_utf8()..).unwrap_or_default();
        }
        self.raw(rest);
    }

    fn element(&mut self, tag: &str, text: &str) {
        self.raw(&format!("<{tag}>"));
        self.text(text);
        self.raw(&format!("</{tag}>"));
    }

    fn identifier() -> Result<String> {
        let mut id = [0; 16];
        generate::random_bytes(&mut id)?;
        Ok(BASE64_STANDARD.encode(id))
    }

    /// All before the groups; attachments are known by then.
    fn meta(&mut self) {
        self.raw("<?xml version=\"1.0\" encoding=\"utf-8\" standalone=\"yes\"?>\n<KeePassFile><Meta><Generator>keyferry</Generator>");
        self.raw("<MemoryProtection><ProtectTitle>False</ProtectTitle><ProtectUserName>False</ProtectUserName><ProtectPassword>True</ProtectPassword><ProtectURL>False</ProtectURL><ProtectNotes>False</ProtectNotes></MemoryProtection>");
        self.raw("<RecycleBinEnabled>True</RecycleBinEnabled><RecycleBinUUID>AAAAAAAAAAAAAAAAAAAAAA==</RecycleBinUUID>");
        if self.form == Form::Xml && !self.binaries.is_empty() {
            self.raw("<Binaries>");
            for (number, binary) in std::mem::take(&mut self.binaries).iter().enumerate() {
                self.raw(&format!("<Binary ID=\"{number}\">"));
                self.raw(&Zeroizing::new(BASE64_STANDARD.encode(binary.expose())));
                self.raw("</Binary>");
            }
            self.raw("</Binaries>");
        }
        self.raw("</Meta>");
    }

    fn root(&mut self, top: &Group) -> Result<()> {
        self.raw("<Root>");
        match (&top.names[..], &top.groups[..]) {
            ([name], [vault]) if top.records.is_empty() => self.group(name, vault, false)?,
            _ => self.group(ROOT, top, true)?,
        }
        self.raw("<DeletedObjects></DeletedObjects></Root></KeePassFile>");
        Ok(())
    }

    /// A group and all below it. Depth is bounded where records are taken in.
    fn group(&mut self, name: &str, group: &Group, is_frame: bool) -> Result<()> {
        self.raw("<Group>");
        self.element("UUID", &Self::identifier()?);
        self.element("Name", name);
        self.raw("<IconID>48</IconID><IsExpanded>True</IsExpanded>");
        if is_frame {
            self.raw("<CustomData><Item>");
            self.element("Key", FRAME.0);
            self.element("Value", FRAME.1);
            self.raw("</Item></CustomData>");
        }
        for record in &group.records {
            self.entry(record)?;
        }
        for (name, group) in group.names.iter().zip(&group.groups) {
            self.group(name, group, false)?;
        }
        self.raw("</Group>");
        Ok(())
    }

    fn entry(&mut self, record: &Record) -> Result<()> {
        self.raw("<Entry>");
        let id = Self::identifier()?;
        self.element("UUID", &id);
        self.raw("<IconID>0</IconID>");
        self.element("Tags", &record.tags.join(";"));
        let expires = expiry(&record.customs);
        self.times(record.created_at, record.changed_at, expires.map(|(_, at)| at));
        for string in strings(record, expires.map(|(at, _)| at)) {
            self.string(&string.key, string.value, string.secret)?;
        }
        self.attachments(record)?;
        if !record.history.is_empty() {
            self.raw("<History>");
            for earlier in record.history.iter().filter(|earlier| !earlier.password.is_empty()) {
                self.raw("<Entry>");
                self.element("UUID", &id);
                self.raw("<IconID>0</IconID>");
                self.times(record.created_at, earlier.changed_at, None);
                for (key, value) in
                    [("Title", &record.name), ("UserName", &record.login), ("URL", &record.url)]
                {
                    self.string(key, value, false)?;
                }
                self.string("Password", earlier.password.expose(), true)?;
                self.raw("</Entry>");
            }
            self.raw("</History>");
        }
        self.raw("</Entry>");
        Ok(())
    }

    fn times(&mut self, created: Option<i64>, changed: Option<i64>, expires: Option<i64>) {
        self.raw("<Times>");
        for (name, seconds) in
            [("CreationTime", created), ("LastModificationTime", changed), ("ExpiryTime", expires)]
        {
            if let Some(moment) = seconds.and_then(|seconds| self.form.moment(seconds)) {
                self.element(name, &moment);
            }
        }
        self.element("Expires", if expires.is_some() { "True" } else { "False" });
        self.raw("</Times>");
    }

    /// A string; protected where it is a secret, and where XML could not hold it.
    fn string(&mut self, key: &str, value: &str, secret: bool) -> Result<()> {
        self.raw("<String>");
        self.element("Key", key);
        let hidden = secret || !value.chars().all(is_xml);
        if self.form == Form::Kdbx && hidden {
            let mut bytes = Zeroizing::new(value.as_bytes().to_vec());
            self.stream.apply(&mut bytes).ok_or_else(|| {
                Error::new(ErrorKind::Refused, "a KDBX file holds at most 256 GiB of secrets")
            })?;
            self.raw("<Value Protected=\"True\">");
            self.raw(&BASE64_STANDARD.encode(&*bytes));
        } else {
            self.raw(if secret { "<Value ProtectInMemory=\"True\">" } else { "<Value>" });
            self.text(value);
        }
        self.raw("</Value></String>");
        Ok(())
    }

    fn attachments(&mut self, record: &Record) -> Result<()> {
        for (attachment, name) in record.attachments.iter().zip(attachment_names(record)) {
            let next = self.binaries.len();
            let hash = Sha256::digest(attachment.content.expose()).into();
            let index = *self.pool.entry(hash).or_insert(next);
            if index == next {
                if u32::try_from(attachment.content.len() + 1).is_err() {
                    return Err(Error::new(
                        ErrorKind::Refused,
                        "a KDBX file holds attachments of less than 4 GiB",
                    ));
                }
                self.binaries.push(attachment.content.clone());
            }
            self.raw("<Binary>");
            self.element("Key", &name);
            self.raw(&format!("<Value Ref=\"{index}\" /></Binary>"));
        }
        Ok(())
    }
}

/// The field that becomes the entry's own expiry, and its moment: the last one, so that fields keep their order.
fn expiry(customs: &[Custom]) -> Option<(usize, i64)> {
    let (place, custom) = customs.iter().enumerate().next_back()?;
    let at = dates::seconds(custom.value.expose())?;
    let is =
        custom.name == "Expiry" && custom.kind == CustomKind::Text && dates::iso(at) == custom.value.expose();
    is.then_some((place, at))
}

/// Whether this is what the next one-time code is called when it is read.
fn is_numbered(name: &str, word: &str, before: usize) -> bool {
    if before == 0 { name == word } else { name == format!("{word} {}", before + 1) }
}

/// What XML 1.0 can hold.
fn is_xml(c: char) -> bool {
    !matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}
