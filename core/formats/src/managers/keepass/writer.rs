//! Records to a KDBX 4 file: Argon2id, `ChaCha20`, values protected where they are secrets.
//!
//! One vault is the root group; several are groups below a root group. A tree that names no vault stands below the root too.
//! The file is put together in memory, since its values are protected in the order of the document, and written at the end.
//!
//! What it cannot hold, and counts: marks of a favourite, colors, `;` and `,` in tags, control characters in names, a password that is
//! empty rather than missing, names that repeat within a record (they get a number), types of fields that the format does not have.

use super::cipher::{Cipher, Stream};
use super::dates;
use super::kdbx::{Keys, MAGIC, field};
use super::kdf::Kdf;
use super::key::of_parts;
use crate::costs::Argon2;
use crate::wiped::append;
use crate::{WriteOptions, Writer, counted};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use keyferry_crypto::error::{Error, ErrorKind, Result};
use keyferry_crypto::generate;
use keyferry_crypto::model::{Custom, CustomKind, Record, RecordPath};
use keyferry_crypto::secret::{SecretBytes, SecretString};
use sha2::{Digest as _, Sha256};
use std::collections::{HashMap, HashSet};
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

/// What the format could not hold.
#[derive(Default)]
struct Lost {
    favorites: u64,
    colors: u64,
    tags: u64,
    characters: u64,
    empty: u64,
    renamed: u64,
    kinds: u64,
    nameless: u64,
}

impl Lost {
    fn told(&self) -> Vec<String> {
        [
            (self.favorites, "record is marked as a favourite", "records are marked as favourites"),
            (self.colors, "record has a color", "records have a color"),
            (
                self.tags,
                "tag is not kept as it is (`;` and `,` divide tags, none is there twice)",
                "tags are not kept as they are (`;` and `,` divide tags, none is there twice)",
            ),
            (
                self.characters,
                "name or tag had control characters, which are replaced",
                "names or tags had control characters, which are replaced",
            ),
            (self.empty, "empty password became none", "empty passwords became none"),
            (
                self.renamed,
                "name of a field or attachment was there already, and got a number",
                "names of fields or attachments were there already, and got a number",
            ),
            (self.kinds, "field has a type that KeePass has not", "fields have a type that KeePass has not"),
            (
                self.nameless,
                "field, attachment or folder had no name, and got one",
                "fields, attachments or folders had no name, and got one",
            ),
        ]
        .into_iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, one, many)| format!("KDBX does not hold all: {}", counted(count, one, many)))
        .collect()
    }
}

struct KdbxWriter {
    output: Box<dyn Write + Send>,
    composite: super::key::Key,
    top: Group,
}

/// Writes a file for whoever has this passphrase, this key file, or both.
///
/// # Errors
/// [`ErrorKind::Locked`] where there is neither.
pub(crate) fn write(output: Box<dyn Write + Send>, options: &WriteOptions) -> Result<Box<dyn Writer>> {
    let composite = of_parts(options.passphrase.as_ref(), options.key_file.as_ref())?;
    Ok(Box::new(KdbxWriter { output, composite, top: Group::default() }))
}

impl KdbxWriter {
    fn place(&mut self, path: &RecordPath) -> Result<&mut Group> {
        if path.folders.len() > crate::MOST_FOLDERS {
            return Err(Error::new(ErrorKind::Input, crate::too_deep())
                .next_step("write JSON lines, which have no such limit"));
        }
        let lost = || Error::new(ErrorKind::Internal, "a folder of the export was lost");
        let mut group = &mut self.top;
        // A tree without a vault is told from the others by a name that no vault has.
        for name in path.vault.iter().chain(&path.folders) {
            group = group.child(name).ok_or_else(lost)?;
        }
        Ok(group)
    }
}

impl Writer for KdbxWriter {
    fn write(&mut self, record: &Record) -> Result<()> {
        self.place(&record.path)?.records.push(record.clone());
        Ok(())
    }

    fn folder(&mut self, path: &RecordPath) -> Result<()> {
        self.place(path).map(|_| ())
    }

    fn finish(mut self: Box<Self>) -> Result<Vec<String>> {
        let mut key = Zeroizing::new([0; 64]);
        generate::random_bytes(&mut *key)?;
        let stream = Stream::of(Stream::CHACHA20, &key[..])
            .ok_or_else(|| Error::new(ErrorKind::Internal, "a stream could not be made"))?;
        let mut document = Document {
            xml: Zeroizing::new(Vec::with_capacity(1 << 16)),
            stream,
            pool: HashMap::new(),
            binaries: Vec::new(),
            lost: Lost::default(),
        };
        document.whole(&std::mem::take(&mut self.top))?;
        let told = document.lost.told();
        let plain = document.with_inner_header(&key);
        drop(document);
        let (header, keys, vector) = self.header()?;
        let failed = || Error::new(ErrorKind::Internal, "the file could not be encrypted");
        let mut sealed = plain;
        Cipher::ChaCha20.encrypt(&keys.cipher, &vector, &mut sealed).ok_or_else(failed)?;
        let mut out = |bytes: &[u8]| self.output.write_all(bytes).map_err(Error::stream);
        out(&header)?;
        out(&Sha256::digest(&header))?;
        out(&keys.header_tag(&header).ok_or_else(failed)?)?;
        for (number, block) in sealed.chunks(BLOCK).chain([&[][..]]).enumerate() {
            out(&keys.tag(number as u64, block).ok_or_else(failed)?)?;
            out(&u32::try_from(block.len()).unwrap_or_default().to_le_bytes())?;
            out(block)?;
        }
        self.output.flush().map_err(Error::stream)?;
        Ok(told)
    }
}

impl KdbxWriter {
    /// The outer header, the keys that it leads to, and the nonce in it.
    fn header(&self) -> Result<(Vec<u8>, Keys, [u8; 12])> {
        let (mut seed, mut salt, mut nonce) = ([0; 32], [0; 32], [0; 12]);
        for random in [&mut seed[..], &mut salt, &mut nonce] {
            generate::random_bytes(random)?;
        }
        let argon2 = Argon2 {
            id: true,
            old: false,
            salt: salt.to_vec(),
            memory: MEMORY,
            passes: PASSES,
            lanes: LANES,
        };
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
        let keys = Keys::derive(&kdf, &self.composite, &seed)?;
        Ok((header, keys, nonce))
    }
}

fn put(out: &mut Vec<u8>, name: u8, value: &[u8]) {
    out.push(name);
    out.extend(u32::try_from(value.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend(value);
}

/// The document, as it is written.
struct Document {
    xml: Zeroizing<Vec<u8>>,
    stream: Stream,
    /// Attachments that are there already, by their hash.
    pool: HashMap<[u8; 32], usize>,
    binaries: Vec<SecretBytes>,
    lost: Lost,
}

impl Document {
    /// The inner header and the document behind it.
    fn with_inner_header(&self, key: &[u8; 64]) -> Zeroizing<Vec<u8>> {
        let files: usize = self.binaries.iter().map(|binary| binary.len() + 6).sum();
        // Room for the padding of a cipher, so that encrypting makes no copy.
        let mut plain = Zeroizing::new(Vec::with_capacity(files + self.xml.len() + 128));
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

    /// A name, which cannot be protected.
    fn name(&mut self, name: &str) {
        self.lost.characters += u64::from(!name.chars().all(is_xml));
        self.text(name);
    }

    fn element(&mut self, tag: &str, text: &str) {
        self.raw(&format!("<{tag}>"));
        self.text(text);
        self.raw(&format!("</{tag}>"));
    }

    fn identifier(&mut self) -> Result<()> {
        let mut id = [0; 16];
        generate::random_bytes(&mut id)?;
        self.element("UUID", &BASE64_STANDARD.encode(id));
        Ok(())
    }

    fn whole(&mut self, top: &Group) -> Result<()> {
        self.raw("<?xml version=\"1.0\" encoding=\"utf-8\" standalone=\"yes\"?>\n<KeePassFile><Meta><Generator>keyferry</Generator>");
        self.raw("<MemoryProtection><ProtectTitle>False</ProtectTitle><ProtectUserName>False</ProtectUserName><ProtectPassword>True</ProtectPassword><ProtectURL>False</ProtectURL><ProtectNotes>False</ProtectNotes></MemoryProtection>");
        self.raw("<RecycleBinEnabled>True</RecycleBinEnabled><RecycleBinUUID>AAAAAAAAAAAAAAAAAAAAAA==</RecycleBinUUID></Meta><Root>");
        match (&top.names[..], &top.groups[..]) {
            ([name], [vault]) if top.records.is_empty() => self.group(name, vault)?,
            _ => self.group(ROOT, top)?,
        }
        self.raw("<DeletedObjects></DeletedObjects></Root></KeePassFile>");
        Ok(())
    }

    /// A group and all below it. Depth is bounded where records are taken in.
    fn group(&mut self, name: &str, group: &Group) -> Result<()> {
        self.raw("<Group>");
        self.identifier()?;
        self.raw("<Name>");
        self.lost.nameless += u64::from(name.is_empty());
        self.name(if name.is_empty() { UNNAMED } else { name });
        self.raw("</Name><IconID>48</IconID><IsExpanded>True</IsExpanded>");
        for record in &group.records {
            self.entry(record)?;
        }
        for (name, group) in group.names.iter().zip(&group.groups) {
            self.group(name, group)?;
        }
        self.raw("</Group>");
        Ok(())
    }

    fn entry(&mut self, record: &Record) -> Result<()> {
        self.lost.favorites += u64::from(record.favorite);
        self.lost.colors += u64::from(record.color.is_some());
        self.raw("<Entry>");
        self.identifier()?;
        self.raw("<IconID>0</IconID>");
        for (index, tag) in record.tags.iter().enumerate() {
            let before = record.tags.get(..index).unwrap_or_default();
            let is_lost = tag.contains([';', ','])
                || tag.trim() != tag.as_str()
                || tag.is_empty()
                || before.contains(tag);
            self.lost.tags += u64::from(is_lost);
            self.lost.characters += u64::from(!tag.chars().all(is_xml));
        }
        self.element("Tags", &record.tags.join(";"));
        let expires = expiry(&record.customs);
        self.times(record.created_at, record.changed_at, expires.map(|(_, at)| at));
        for (key, value) in [
            ("Title", &record.name),
            ("UserName", &record.login),
            ("URL", &record.url),
            ("Notes", &record.description),
        ] {
            self.string(key, value, false)?;
        }
        let password = record.password.as_ref().map_or("", SecretString::expose);
        self.lost.empty += u64::from(record.password.is_some() && password.is_empty());
        self.string("Password", password, true)?;
        self.customs(&record.customs, expires.map(|(place, _)| place))?;
        self.attachments(record)?;
        self.raw("</Entry>");
        Ok(())
    }

    fn times(&mut self, created: Option<i64>, changed: Option<i64>, expires: Option<i64>) {
        self.raw("<Times>");
        let date = |seconds| BASE64_STANDARD.encode(dates::in_base64(seconds));
        if let Some(created) = created {
            self.element("CreationTime", &date(created));
        }
        if let Some(changed) = changed {
            self.element("LastModificationTime", &date(changed));
        }
        if let Some(expires) = expires {
            self.element("ExpiryTime", &date(expires));
        }
        self.element("Expires", if expires.is_some() { "True" } else { "False" });
        self.raw("</Times>");
    }

    /// A string; protected where it is a secret, and where XML could not hold it.
    fn string(&mut self, key: &str, value: &str, secret: bool) -> Result<()> {
        self.raw("<String><Key>");
        self.name(key);
        self.raw("</Key>");
        if secret || !value.chars().all(is_xml) {
            let mut bytes = Zeroizing::new(value.as_bytes().to_vec());
            self.stream.apply(&mut bytes).ok_or_else(|| {
                Error::new(ErrorKind::Refused, "a KDBX file holds at most 256 GiB of secrets")
            })?;
            self.raw("<Value Protected=\"True\">");
            self.raw(&BASE64_STANDARD.encode(&*bytes));
            self.raw("</Value></String>");
        } else {
            self.raw("<Value>");
            self.text(value);
            self.raw("</Value></String>");
        }
        Ok(())
    }

    fn customs(&mut self, customs: &[Custom], expires: Option<usize>) -> Result<()> {
        let mut names: HashSet<String> =
            ["Title", "UserName", "Password", "URL", "Notes"].into_iter().map(str::to_owned).collect();
        let (mut codes, mut urls) = (0, 1);
        for (place, custom) in customs.iter().enumerate() {
            if expires == Some(place) {
                continue;
            }
            let mut key = custom.name.clone();
            if is_numbered(&custom.name, "TOTP", codes) && custom.kind == CustomKind::Totp {
                let word =
                    if custom.value.expose().contains("://") { "otp" } else { "TimeOtp-Secret-Base32" };
                if !names.contains(word) {
                    codes += 1;
                    word.clone_into(&mut key);
                }
            }
            if custom.kind == CustomKind::Text && custom.name == format!("URL {}", urls + 1) {
                key = if urls == 1 { "KP2A_URL".to_owned() } else { format!("KP2A_URL_{}", urls - 1) };
                urls += 1;
            }
            let special = key != custom.name;
            let known = match custom.kind {
                CustomKind::Text | CustomKind::Password => true,
                CustomKind::Totp => special,
                CustomKind::Other(_) => false,
            };
            self.lost.kinds += u64::from(!known);
            let key = self.unique(&mut names, &key);
            self.string(&key, custom.value.expose(), custom.kind != CustomKind::Text)?;
        }
        Ok(())
    }

    /// A name that is not there yet: programs keep the last of two.
    fn unique(&mut self, names: &mut HashSet<String>, name: &str) -> String {
        self.lost.nameless += u64::from(name.is_empty());
        let name = if name.is_empty() { UNNAMED } else { name };
        if names.insert(name.to_owned()) {
            return name.to_owned();
        }
        self.lost.renamed += 1;
        let mut number = 2;
        loop {
            let numbered = format!("{name} ({number})");
            if names.insert(numbered.clone()) {
                return numbered;
            }
            number += 1;
        }
    }

    fn attachments(&mut self, record: &Record) -> Result<()> {
        let mut names = HashSet::new();
        for attachment in &record.attachments {
            let name = self.unique(&mut names, &attachment.name);
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
            self.raw("<Binary><Key>");
            self.name(&name);
            self.raw(&format!("</Key><Value Ref=\"{index}\" /></Binary>"));
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
