//! SOPS: YAML, JSON, files of variables, ini and binary files whose values are sealed, for identities of age.
//!
//! ```text
//! data key = the message of age in `sops.age[].enc`, 32 bytes
//! value    = "ENC[AES256_GCM,data:…,iv:…,tag:…,type:…]" = AES-256-GCM[data key, iv](text; its path), each part in base64
//! path     = the keys down to the value, each followed by ":"; places in lists are none
//! mac      = SHA-512([SHA-256("sops") where `mac_only_encrypted`] ‖ every value in its order), in hex, sealed with `lastmodified` for its path
//! ```
//!
//! Signature: `sops` with its metadata beside `ENC[AES256_GCM,` (`sops_mac=` in files of variables, `[sops]` in ini).
//! Mapping: by the rule of all trees; what holds a format of another row (a Secret of Kubernetes) is read as that; sections of
//! an ini file are records; variables are hidden fields of one record; a binary file is a password where it is one line,
//! otherwise an attachment. Values that are not sealed (`_unencrypted`) travel like the others.
//! Resolved: what SOPS keeps of its own. Told: comments that are sealed.
//! The identity is the passphrase, or stands in the key file. Not read: files that only KMS, PGP or a vault opens, and keys
//! that are divided among groups. A MAC that is missing or another's is damage. The whole file is kept in memory.

use super::inside::{self, Inside};
use super::{fill, kv};
use crate::age::{self, Fault, Identity};
use crate::decode::Decode;
use crate::document::{parsed, take};
use crate::head::{Fit, HEAD, Head};
use crate::json::{self, Members, Value, pointer_part};
use crate::jsonl::base64;
use crate::managers::item::{Item, list};
use crate::managers::items::{Document, Found, Kept};
use crate::managers::place::Place;
use crate::sealed::{Key, damaged};
use crate::{Entries, ReadOptions, yaml};
use aes::Aes256;
use aes_gcm::aead::AeadInOut as _;
use aes_gcm::aead::consts::{U12, U32};
use aes_gcm::{AesGcm, KeyInit as _, Nonce, Tag};
use keyferry_crypto::error::{Error, ErrorKind, Result};
use keyferry_crypto::model::{Custom, CustomKind, Entry};
use keyferry_crypto::secret::{SecretBytes, SecretString, wiped};
use sha2::{Digest as _, Sha256, Sha512};
use std::collections::HashMap;
use std::io::Read;
use zeroize::Zeroizing;

const SEALED: &str = "ENC[AES256_GCM,";
/// Data keys that are tried: a file has one for each of its recipients.
const MOST_MESSAGES: usize = 256;
const ELSE: &str = "decrypt it first: sops -d FILE | keyferry import FORMAT:- …";

/// Whether its values are sealed.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    let text = head.text();
    // The metadata stand at the end, which may not be here.
    let (has_values, is_cut) = (text.contains(SEALED), head.bytes.len() >= HEAD);
    if let Some(document) = head.json() {
        let has_metadata = document
            .get("sops")
            .is_some_and(|sops| ["mac", "version", "age"].iter().any(|name| sops.has(name)));
        // A whole value, not a mention of one.
        let is_sealed = is_cut && text.contains("\"ENC[AES256_GCM,data:");
        return if has_metadata || is_sealed { Fit::Seal } else { Fit::No };
    }
    let has_metadata = Shape::of(text) != Shape::Yaml || text.lines().any(|line| line.starts_with("sops:"));
    if has_values && (has_metadata || is_cut) { Fit::Seal } else { Fit::No }
}

/// What the file is, the seal apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Json,
    Yaml,
    Variables,
    Ini,
}

impl Shape {
    fn of(text: &str) -> Self {
        if text.trim_start().starts_with('{') {
            return Shape::Json;
        }
        let any = |is: &dyn Fn(&str) -> bool| text.lines().any(is);
        if any(&|line| line.trim() == "[sops]") {
            Shape::Ini
        } else if any(&|line| line.starts_with("sops_mac=") || line.starts_with("sops_version=")) {
            Shape::Variables
        } else {
            Shape::Yaml
        }
    }
}

/// What SOPS keeps of a file beside its values.
#[derive(Default)]
struct Metadata {
    /// Messages of age that hold the data key.
    messages: Vec<String>,
    mac: String,
    modified: String,
    only_encrypted: bool,
    /// Its key needs several groups of keys.
    is_divided: bool,
}

impl Metadata {
    fn of_tree(value: Value) -> Self {
        let Value::Object(mut members) = value else { return Self::default() };
        let text = |members: &mut Members, name| take(members, name).into_text().unwrap_or_default();
        let mut of = list(&mut members, "age");
        let groups = list(&mut members, "key_groups");
        let is_divided = groups.len() > 1;
        for group in groups {
            if let Value::Object(mut group) = group {
                of.extend(list(&mut group, "age"));
            }
        }
        let message = |one| match one {
            Value::Object(mut one) => take(&mut one, "enc").into_text(),
            _ => None,
        };
        Self {
            messages: of.into_iter().filter_map(message).collect(),
            mac: text(&mut members, "mac"),
            modified: text(&mut members, "lastmodified"),
            only_encrypted: is_true(&text(&mut members, "mac_only_encrypted")),
            is_divided,
        }
    }

    /// The same of files without trees: `age__list_0__map_enc`.
    fn flat(&mut self, name: &str, value: &str) {
        let text = value.replace("\\n", "\n");
        match name {
            "mac" => self.mac = text,
            "lastmodified" => self.modified = text,
            "mac_only_encrypted" => self.only_encrypted = is_true(&text),
            _ if name.ends_with("__map_enc") && name.contains("age__list_") => self.messages.push(text),
            _ => {}
        }
        self.is_divided |= name.starts_with("key_groups__list_") && !name.starts_with("key_groups__list_0__");
    }

    /// The key of the values.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] where no identity of age can open it, [`ErrorKind::Locked`] where none that was given does.
    fn key(&self, options: &ReadOptions) -> Result<Key> {
        if self.is_divided || self.messages.is_empty() {
            let why = if self.is_divided {
                "its key is divided among groups of keys"
            } else {
                "it has no recipient of age"
            };
            return Err(Error::new(
                ErrorKind::Input,
                format!("this file of SOPS cannot be opened here: {why}"),
            )
            .next_step(ELSE));
        }
        let locked = |what: &str| {
            Error::new(ErrorKind::Locked, what).next_step(
                "give the identity (AGE-SECRET-KEY-1…), or the file that age-keygen wrote, as --key-file FILE or in KEYFERRY_FILE_PASSPHRASE or KEYFERRY_FILE_PASSPHRASE_FILE",
            )
        };
        let phrase = options.passphrase.as_ref().map(SecretString::expose);
        let file = options.key_file.as_ref().and_then(|file| std::str::from_utf8(file.expose()).ok());
        if phrase.is_none() && options.key_file.is_none() {
            return Err(locked("this file of SOPS opens with an identity of age"));
        }
        let identities: Vec<_> = [phrase, file].into_iter().flatten().flat_map(Identity::all).collect();
        if identities.is_empty() {
            return Err(locked("what was given for this file of SOPS is no identity of age"));
        }
        let mut is_damaged = false;
        for message in self.messages.iter().take(MOST_MESSAGES) {
            match age::open(message.as_bytes(), &identities) {
                Ok(key) => {
                    let key = <[u8; 32]>::try_from(&**key)
                        .map_err(|_| damaged("its data key has another length"))?;
                    return Ok(Key::new(key));
                }
                Err(fault) => is_damaged |= fault == Fault::Damaged,
            }
        }
        Err(if is_damaged {
            damaged("its data key is not what was written")
        } else {
            locked("no identity of age that was given opens this file of SOPS")
        })
    }
}

fn is_true(text: &str) -> bool {
    matches!(text, "true" | "True" | "TRUE" | "1" | "t" | "T")
}

/// What opens values, and what they come to together.
struct Opener {
    key: Key,
    hash: Sha512,
    only_encrypted: bool,
}

/// The bytes of a value, and what they are.
type Opened<'a> = (Zeroizing<Vec<u8>>, &'a str);

/// A sealed value.
struct Sealed<'a> {
    data: Zeroizing<Vec<u8>>,
    iv: Vec<u8>,
    tag: [u8; 16],
    kind: &'a str,
}

impl<'a> Sealed<'a> {
    /// `None` for a value that is not sealed.
    fn parse(text: &'a str) -> Option<Result<Self>> {
        let body = text.strip_prefix(SEALED)?.strip_suffix(']')?;
        let mut parts = body.split(',');
        let mut part = |name: &str| parts.next().and_then(|part| part.strip_prefix(name));
        let (data, iv, tag, kind) = (part("data:"), part("iv:"), part("tag:"), part("type:"));
        let whole = || {
            Some(Self {
                data: Zeroizing::new(base64(data?)?),
                iv: base64(iv?)?,
                tag: base64(tag?)?.try_into().ok()?,
                kind: kind?,
            })
        };
        Some(whole().ok_or_else(|| damaged("a sealed value is cut short")))
    }

    fn open(mut self, key: &Key, path: &str) -> Option<Zeroizing<Vec<u8>>> {
        let (tag, path, data) = (Tag::from(self.tag), path.as_bytes(), &mut self.data);
        wiped(|| match self.iv.len() {
            // What SOPS itself writes.
            32 => {
                let iv: Nonce<U32> = <[u8; 32]>::try_from(&*self.iv).ok()?.into();
                let cipher = AesGcm::<Aes256, U32>::new((&**key).into());
                cipher.decrypt_inout_detached(&iv, path, data.as_mut_slice().into(), &tag).ok()
            }
            12 => {
                let iv: Nonce<U12> = <[u8; 12]>::try_from(&*self.iv).ok()?.into();
                let cipher = AesGcm::<Aes256, U12>::new((&**key).into());
                cipher.decrypt_inout_detached(&iv, path, data.as_mut_slice().into(), &tag).ok()
            }
            _ => None,
        })?;
        Some(self.data)
    }
}

impl Opener {
    fn new(metadata: &Metadata, options: &ReadOptions) -> Result<Self> {
        let mut hash = Sha512::new();
        if metadata.only_encrypted {
            hash.update(Sha256::digest("sops"));
        }
        Ok(Self { key: metadata.key(options)?, hash, only_encrypted: metadata.only_encrypted })
    }

    /// A value that is not sealed counts for the MAC as SOPS spells it.
    fn plain(&mut self, bytes: &[u8]) {
        if !self.only_encrypted {
            self.hash.update(bytes);
        }
    }

    /// The bytes of a sealed value, and what they are; `None` where it is not sealed.
    fn bytes<'a>(&mut self, text: &'a str, path: &str, at: &str) -> Result<Option<Opened<'a>>> {
        let Some(sealed) = Sealed::parse(text) else { return Ok(None) };
        let sealed = sealed?;
        let kind = sealed.kind;
        let bytes = sealed.open(&self.key, path);
        let bytes =
            bytes.ok_or_else(|| damaged(&format!("the value at {at} is not what was written there")))?;
        self.hash.update(&*bytes);
        Ok(Some((bytes, kind)))
    }

    /// Opens a value in its place.
    fn value(&mut self, value: &mut Value, path: &str, at: &str) -> Result<()> {
        match value {
            Value::Null => {}
            Value::Bool(is) => self.plain(if *is { b"True" } else { b"False" }),
            Value::Number(number) => self.plain(spelt(number).as_bytes()),
            Value::Text(text) => match self.bytes(text, path, at)? {
                None => self.plain(text.as_bytes()),
                Some((bytes, kind)) => *value = typed(bytes, kind, at)?,
            },
            Value::List(list) => {
                for (number, value) in list.iter_mut().enumerate() {
                    self.value(value, path, &format!("{at}/{number}"))?;
                }
            }
            Value::Object(members) => {
                for (name, value) in members {
                    self.value(value, &format!("{path}{name}:"), &format!("{at}/{}", pointer_part(name)))?;
                }
            }
        }
        Ok(())
    }

    /// Compares what was read with what was written.
    fn finish(self, metadata: &Metadata) -> Result<()> {
        let missing = || damaged("its MAC is missing");
        let sealed = Sealed::parse(&metadata.mac).ok_or_else(missing)??;
        let mac = sealed
            .open(&self.key, &metadata.modified)
            .ok_or_else(|| damaged("its MAC is not what was written"))?;
        let found = data_encoding::HEXUPPER.encode(&self.hash.finalize());
        if mac.eq_ignore_ascii_case(found.as_bytes()) {
            return Ok(());
        }
        Err(damaged(
            "its values are not those that were written together: one was changed, added or taken away",
        ))
    }
}

/// A number as Go spells it.
fn spelt(number: &str) -> String {
    if number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
        return number.to_owned();
    }
    number.parse::<f64>().map_or_else(|_| number.to_owned(), |number| number.to_string())
}

/// A value of its type.
fn typed(mut bytes: Zeroizing<Vec<u8>>, kind: &str, at: &str) -> Result<Value> {
    let text = SecretBytes::new(std::mem::take(&mut *bytes)).into_text().ok_or_else(|| {
        Error::new(ErrorKind::Input, format!("the value at {at} is no text")).next_step(ELSE)
    })?;
    let text = text.expose();
    Ok(match kind {
        "bool" => Value::Bool(is_true(text)),
        "int" | "float" => Value::Number(text.to_owned()),
        _ => Value::Text(Zeroizing::new(text.to_owned())),
    })
}

pub(crate) fn read(input: Box<dyn Read + Send>, options: &ReadOptions) -> Result<Entries> {
    let text = Decode::unicode(input)?.text("write it in UTF-8")?;
    let text = text.expose();
    let within = inside::options_of(options);
    match Shape::of(text) {
        Shape::Json => tree(Document::default(), vec![parsed(text.as_bytes())?], options, &within),
        Shape::Yaml => {
            let mut document = Document::default();
            for (number, line) in text.lines().enumerate() {
                if let Some(text) = line.trim_start().strip_prefix('#') {
                    comment(&mut document, text, number);
                }
            }
            tree(document, yaml::documents(text)?, options, &within)
        }
        Shape::Variables => variables(text, options, &within),
        Shape::Ini => ini(text, options, &within),
    }
}

fn tree(
    document: Document,
    mut values: Vec<Value>,
    options: &ReadOptions,
    within: &ReadOptions,
) -> Result<Entries> {
    let mut metadata = None;
    for value in &mut values {
        if let Value::Object(members) = value {
            // Each document has them; those of the first count.
            let own = take(members, "sops");
            members.retain(|(name, _)| name != "sops");
            metadata = metadata.or(Some(own).filter(|own| matches!(own, Value::Object(_))));
        }
    }
    let Some(metadata) = metadata.map(Metadata::of_tree) else {
        return Err(Error::new(ErrorKind::Input, "this is no file of SOPS").next_step("leave --format out"));
    };
    let mut opener = Opener::new(&metadata, options)?;
    if let [Value::Object(members)] = &*values
        && let [(name, Value::Text(text))] = &**members
        && name == "data"
        && let Some((bytes, _)) = opener.bytes(text, "data:", "/data")?
    {
        opener.finish(&metadata)?;
        return Ok(match crate::read_inside(bytes, within.name.as_deref(), within, crate::Tables::Kept)? {
            Inside::Read(entries) => entries,
            Inside::Bytes(bytes) => inside::file(bytes, within),
        });
    }
    let is_one = values.len() == 1;
    for (number, value) in values.iter_mut().enumerate() {
        opener.value(value, "", &if is_one { String::new() } else { format!("/{number}") })?;
    }
    opener.finish(&metadata)?;
    // As YAML, of which JSON is a part.
    let mut whole = Zeroizing::new(Vec::new());
    for value in &values {
        if !is_one {
            crate::wiped::append(&mut whole, b"---\n");
        }
        crate::wiped::append(&mut whole, json::text(value).expose().as_bytes());
        crate::wiped::append(&mut whole, b"\n");
    }
    match crate::read_inside(whole, None, within, crate::Tables::Kept)? {
        Inside::Read(entries) => {
            let told = document.tally.finish().into_iter().filter(|entry| matches!(entry, Entry::Note(_)));
            Ok(Box::new(entries.chain(told.map(Ok))))
        }
        Inside::Bytes(_) => Ok(kv::tree(document, values, within)),
    }
}

/// A line of a file without trees.
enum Line<'a> {
    Value(&'a str, &'a str),
    Comment(&'a str),
    Other,
}

fn line_of(line: &str) -> Line<'_> {
    let line = line.trim_end_matches('\r');
    match line.trim_start().strip_prefix(['#', ';']) {
        Some(comment) => Line::Comment(comment),
        None => line.split_once('=').map_or(Line::Other, |(name, value)| Line::Value(name, value)),
    }
}

/// Tells of a comment that is sealed; others are nobody's.
fn comment(document: &mut Document, text: &str, number: usize) {
    if text.trim_start().starts_with(SEALED) {
        document.tally.read(1);
        document.tally.tell("a comment that is sealed stays behind", format!("line {}", number + 1), 1);
    }
}

fn variables(text: &str, options: &ReadOptions, within: &ReadOptions) -> Result<Entries> {
    let (mut metadata, mut members, mut document) =
        (Metadata::default(), Members::new(), Document::default());
    for (number, line) in text.lines().enumerate() {
        match line_of(line) {
            Line::Value(name, value) => {
                if let Some(name) = name.strip_prefix("sops_") {
                    metadata.flat(name, value);
                } else {
                    let value = Value::Text(Zeroizing::new(value.replace("\\n", "\n")));
                    members.push((name.to_owned(), value));
                }
            }
            Line::Comment(text) => comment(&mut document, text, number),
            Line::Other if line.trim().is_empty() => {}
            Line::Other => {
                document.tally.read(1);
                document.tally.tell("no = in the line", format!("line {}", number + 1), 1);
            }
        }
    }
    let mut opener = Opener::new(&metadata, options)?;
    for (name, value) in &mut members {
        opener.value(value, &format!("{name}:"), &format!("/{}", pointer_part(name)))?;
    }
    opener.finish(&metadata)?;
    let name = within.name.clone().unwrap_or_else(|| ".env".to_owned());
    document.tally.read(json::leaves(&members));
    // A name may stand twice, as it may in any file of variables: no object of a document holds that.
    let value = Value::Object(Members::new());
    document.found.push(Found { value, at: String::new(), path: Place::default() });
    let mut members = Some(members);
    Ok(document.entries(Box::new(move |item, _| {
        item.record.name.clone_from(&name);
        let stage = name.strip_prefix(".env.").filter(|stage| !stage.is_empty());
        item.record.tags.extend(stage.map(str::to_owned));
        for (name, value) in members.take().into_iter().flatten() {
            variable(item, name, value);
        }
        Kept::Record
    })))
}

fn variable(item: &mut Item<'_>, name: String, value: Value) {
    item.tally.carried(value.leaves());
    let value = SecretString::new(value.into_text().unwrap_or_default());
    item.record.customs.push(Custom { name, kind: CustomKind::Password, value });
}

fn ini(text: &str, options: &ReadOptions, within: &ReadOptions) -> Result<Entries> {
    let (mut metadata, mut document) = (Metadata::default(), Document::default());
    let mut sections: Vec<(String, Members)> = vec![("DEFAULT".to_owned(), Members::new())];
    let mut index = HashMap::from([("DEFAULT".to_owned(), 0)]);
    let (mut is_own, mut current) = (false, 0);
    for (number, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            is_own = name == "sops";
            if !is_own {
                // A section that goes on further down is one.
                current = *index.entry(name.to_owned()).or_insert(sections.len());
                if current == sections.len() {
                    sections.push((name.to_owned(), Members::new()));
                }
            }
            continue;
        }
        match line_of(trimmed) {
            Line::Value(name, value) if is_own => metadata.flat(name.trim(), unquoted(value.trim())),
            Line::Value(name, value) => {
                let value = Value::Text(Zeroizing::new(unquoted(value.trim()).to_owned()));
                if let Some((_, members)) = sections.get_mut(current) {
                    members.push((name.trim().to_owned(), value));
                }
            }
            Line::Comment(text) => comment(&mut document, text, number),
            Line::Other if trimmed.is_empty() => {}
            Line::Other => {
                document.tally.read(1);
                document.tally.tell("no = in the line", format!("line {}", number + 1), 1);
            }
        }
    }
    let mut opener = Opener::new(&metadata, options)?;
    for (section, members) in &mut sections {
        for (name, value) in members {
            let at = format!("/{}/{}", pointer_part(section), pointer_part(name));
            opener.value(value, &format!("{section}:{name}:"), &at)?;
        }
    }
    opener.finish(&metadata)?;
    let mut names = HashMap::new();
    for (number, (name, members)) in sections.into_iter().enumerate() {
        if members.is_empty() {
            continue;
        }
        document.tally.read(json::leaves(&members));
        let at = if number == 0 { String::new() } else { format!("/{}", pointer_part(&name)) };
        names.insert(at.clone(), if number == 0 { super::stem(within.name.as_deref()) } else { name });
        document.found.push(Found { value: Value::Object(members), at, path: Place::default() });
    }
    Ok(document.entries(Box::new(move |item, members| {
        item.record.name = names.remove(item.at).unwrap_or_default();
        fill(item, members);
        Kept::Record
    })))
}

/// A value of an ini file without the quotes around it.
fn unquoted(text: &str) -> &str {
    ["\"\"\"", "\"", "`"]
        .into_iter()
        .find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(text)
}
