//! 1Password's own vault of versions 4 to 7 (`.opvault`): the folder that it is, in a zip archive.
//!
//! ```text
//! profile.js      = var profile={salt, iterations, masterKey, overviewKey, …};
//! folders.js      = loadFolders({id: {overview, …}});
//! band_?.js       = ld({id: {category, folder, o: overview, k: the item's keys, d: details, trashed, fave, …}});
//! *.attachment    = "OPCLDAT", a version, lengths, metadata, an icon, the content
//! opdata01        = "opdata01" ‖ length (u64 LE) ‖ vector (16) ‖ AES-256-CBC[key, vector](random ‖ content) ‖ HMAC-SHA-256 (32)
//! k               = vector (16) ‖ AES-256-CBC[master key, vector](64 bytes) ‖ HMAC-SHA-256 (32)
//! the passphrase  : PBKDF2-HMAC-SHA-512(passphrase, salt, iterations), 64 bytes: one key to decrypt, one for the MAC
//! masterKey, overviewKey: the SHA-512 of what they decrypt to
//! ```
//!
//! Signature: a member `profile.js`. Mapping: as `.1pif`, whose items have the same contents; folders by their ids.
//! Resolved: ids, kinds, headings. Told: dates, the bin (where it is not asked for), earlier passwords, searches that are kept as folders.
//! The whole archive is kept in memory. By the published design of the format.

use super::item::{Item, OWN, object};
use super::items::{Document, Found, nested, not_one};
use super::one_pif;
use crate::document::{parsed, take};
use crate::head::{Fit, Head};
use crate::json::{self, Members, Value};
use crate::managers::place::Place;
use crate::sealed::{self, Hash, Key, damaged};
use crate::zip::Zip;
use crate::{Entries, ReadOptions};
use aes::Aes256;
use aes::cipher::block_padding::NoPadding;
use aes::cipher::{BlockModeDecrypt as _, KeyIvInit as _};
use data_encoding::BASE64_MIME_PERMISSIVE;
use hmac::{Hmac, KeyInit as _, Mac as _};
use keyferry_crypto::error::{Position, Result};
use keyferry_crypto::model::{CustomKind, Entry, Reject};
use keyferry_crypto::secret::{SecretBytes, wiped};
use sha2::{Digest as _, Sha256, Sha512};
use std::collections::HashMap;
use std::io::Read;
use zeroize::Zeroizing;

const WHOSE: &str = "vault of 1Password";
/// The kind of what was deleted for good.
const TOMBSTONE: &str = "099";
const MAC: usize = 32;
const VECTOR: usize = 16;

/// Whether it is such a vault.
pub(crate) fn fits(head: &Head<'_>) -> Fit {
    head.members().iter().any(|name| is_profile(name)).into()
}

fn is_profile(name: &str) -> bool {
    name == "profile.js" || name.ends_with("/profile.js")
}

/// What decrypts, and what shows that nothing was changed.
struct Keys {
    cipher: Key,
    mac: Key,
}

impl Keys {
    /// Both halves of 64 bytes.
    fn of(bytes: &[u8]) -> Option<Self> {
        let (cipher, mac) = bytes.split_at_checked(32)?;
        let key = |bytes: &[u8]| <[u8; 32]>::try_from(bytes).ok().map(Zeroizing::new);
        Some(Self { cipher: key(cipher)?, mac: key(mac)? })
    }

    /// What stands before its MAC, where that is right.
    fn checked<'a>(&self, sealed: &'a [u8]) -> Option<&'a [u8]> {
        let (body, tag) = sealed.split_at_checked(sealed.len().checked_sub(MAC)?)?;
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.mac[..]).ok()?;
        mac.update(body);
        mac.verify_slice(tag).ok()?;
        Some(body)
    }

    fn decrypted(&self, vector: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let mut body = Zeroizing::new(sealed.to_vec());
        let cipher = cbc::Decryptor::<Aes256>::new_from_slices(&self.cipher[..], vector).ok()?;
        wiped(|| cipher.decrypt_padded::<NoPadding>(&mut body).map(<[u8]>::len)).ok()?;
        Some(body)
    }

    /// The content of an `opdata01`.
    fn open(&self, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let body = self.checked(sealed)?.strip_prefix(b"opdata01")?;
        let (length, body) = body.split_first_chunk::<8>()?;
        let (vector, body) = body.split_at_checked(VECTOR)?;
        let body = self.decrypted(vector, body)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
        let content = body.get(body.len().checked_sub(length)?..)?;
        Some(Zeroizing::new(content.to_vec()))
    }

    /// The keys of an item.
    fn open_keys(&self, sealed: &[u8]) -> Option<Self> {
        let (vector, body) = self.checked(sealed)?.split_at_checked(VECTOR)?;
        Self::of(&self.decrypted(vector, body)?)
    }

    /// The object that an `opdata01` in base64 holds.
    fn object(&self, sealed: Option<&Value>) -> Option<Members> {
        match parsed(&self.open(&bytes(sealed?)?)?).ok()? {
            Value::Object(members) => Some(members),
            _ => None,
        }
    }
}

/// Bytes in base64.
fn bytes(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::Text(text) => BASE64_MIME_PERMISSIVE.decode(text.as_bytes()).ok(),
        _ => None,
    }
}

fn text(value: Option<&Value>) -> String {
    match value {
        Some(Value::Text(text)) => text.to_string(),
        Some(Value::Number(text)) => text.clone(),
        _ => String::new(),
    }
}

/// The object in a script that hands it to a function, or to a variable.
fn script(content: &[u8]) -> Result<Value> {
    let broken = || damaged("a part of it is no script with an object");
    let start = content.iter().position(|byte| *byte == b'{').ok_or_else(broken)?;
    let end = content.iter().rposition(|byte| *byte == b'}').ok_or_else(broken)?;
    parsed(content.get(start..=end).ok_or_else(broken)?)
}

pub(crate) fn read(input: Box<dyn Read + Send>, options: &ReadOptions) -> Result<Entries> {
    let mut zip = Zip::open(input)?;
    let name = zip.names().find(|name| is_profile(name)).map(str::to_owned);
    let Some(name) = name else { return Err(not_one("1Password")) };
    let Some(profile) = zip.take(&name)? else { return Err(not_one("1Password")) };
    let folder = name.strip_suffix("profile.js").unwrap_or_default();
    let (master, overview) = unlocked(&script(&profile)?, options)?;
    let mut document = Document::default();
    let paths = match zip.take(&format!("{folder}folders.js"))? {
        Some(content) => folders(&mut document, script(&content)?, &overview),
        None => HashMap::new(),
    };
    let bands: Vec<_> = (0..16).map(|digit| format!("{folder}band_{digit:X}.js")).collect();
    let mut keys = HashMap::new();
    for band in bands {
        let Some(content) = zip.take(&band)? else { continue };
        let Value::Object(items) = script(&content)? else { continue };
        for (id, item) in items {
            item_of(&mut document, (&id, item), &band, (&master, &overview), &mut keys);
        }
    }
    let mut files = attachments(&mut document, &mut zip, folder, &overview, &keys)?;
    document.zip = Some(zip);
    let fill = move |item: &mut Item<'_>, mut members: Members| {
        let id = text(members.iter().find(|(name, _)| name == "uuid").map(|(_, value)| value));
        let repeated = item.mark(&mut members, "ainfo");
        let mut about = object(&mut members, "overview");
        item.leave("overview", &mut about, &["ps", "pbe", "pgrng", "uuid"], OWN);
        members.push(("overview".to_owned(), Value::Object(about)));
        let kept = one_pif::fill(item, members, &paths);
        let known = [&item.record.login, &item.record.url, &item.record.name];
        if !known.into_iter().any(|known| *known == repeated) {
            item.field("Subtitle", CustomKind::Text, repeated);
        }
        for (name, content) in files.remove(&id).unwrap_or_default() {
            item.tally.read(2);
            item.tally.carried(2);
            item.attach(name, content);
        }
        kept
    };
    Ok(document.with_bin(options).entries(Box::new(fill)))
}

/// The keys that the passphrase opens: of items, and of what is shown of them.
fn unlocked(profile: &Value, options: &ReadOptions) -> Result<(Keys, Keys)> {
    let missing = || damaged("a part of its profile is missing");
    let part = |name: &str| profile.get(name).and_then(bytes).ok_or_else(missing);
    let rounds = text(profile.get("iterations")).parse().map_err(|_| missing())?;
    let passphrase = sealed::passphrase(options, "this vault of 1Password")?;
    let derived: Zeroizing<[u8; 64]> = sealed::pbkdf2(Hash::Sha512, passphrase, &part("salt")?, rounds)?;
    let derived = Keys::of(&derived[..]).ok_or_else(missing)?;
    let key = |name: &str| {
        let opened = derived.open(&part(name)?);
        Ok(opened.and_then(|seed| Keys::of(&Zeroizing::new(<[u8; 64]>::from(Sha512::digest(&*seed)))[..])))
    };
    match (key("masterKey")?, key("overviewKey")?) {
        (Some(master), Some(overview)) => Ok((master, overview)),
        (None, None) => Err(sealed::wrong(WHOSE)),
        // The passphrase is right: it opened one of them.
        _ => Err(damaged("one of its keys was changed")),
    }
}

/// The folders of the vault, by their ids.
fn folders(document: &mut Document, folders: Value, overview: &Keys) -> HashMap<String, Place> {
    let (mut nodes, mut places) = (Vec::new(), Vec::new());
    let Value::Object(folders) = folders else { return HashMap::new() };
    for (id, folder) in folders {
        let at = format!("/folders.js/{}", json::pointer_part(&id));
        document.tally.read(1);
        let is_search = matches!(folder.get("smart"), Some(Value::Bool(true)));
        let title = overview.object(folder.get("overview")).map(|mut about| take(&mut about, "title"));
        match title {
            _ if is_search => document.tally.tell("a search that is kept as a folder stays behind", at, 1),
            Some(title) => {
                document.tally.carried(1);
                let parent = text(folder.get("parent"));
                nodes.push((id, Some(parent).filter(|id| !id.is_empty()), text(Some(&title))));
                places.push(at);
            }
            None => document.tally.tell("a folder's name does not open: it was changed", at, 1),
        }
    }
    let paths = nested(&nodes);
    for ((id, ..), at) in nodes.iter().zip(places) {
        document.place(paths.get(id).cloned().unwrap_or_default(), at);
    }
    paths
}

/// Opens an item, and gives it the form that `.1pif` has.
fn item_of(
    document: &mut Document,
    (id, item): (&str, Value),
    band: &str,
    (master, overview): (&Keys, &Keys),
    keys: &mut HashMap<String, Keys>,
) {
    let file = band.rsplit('/').next().unwrap_or_default();
    let at = format!("/{file}/{}", json::pointer_part(id));
    if text(item.get("category")) == TOMBSTONE {
        document.tally.read(1);
        return document.tally.tell("an item that was deleted for good has no values", at, 1);
    }
    let own = item.get("k").and_then(bytes).and_then(|sealed| master.open_keys(&sealed));
    let about = overview.object(item.get("o"));
    let details = own.as_ref().and_then(|own| own.object(item.get("d")));
    let (Some(own), Some(mut about), Some(details), Value::Object(mut members)) = (own, about, details, item)
    else {
        document.tally.read(1);
        document.tally.rejected(1);
        let why = "it does not open: a part of it was changed".to_owned();
        document.last.push(Entry::Reject(Reject { at: Position::pointer(&at), label: String::new(), why }));
        return;
    };
    keys.insert(id.to_owned(), own);
    members.retain(|(name, _)| !matches!(name.as_str(), "k" | "o" | "d" | "hmac"));
    for (name, new) in [
        ("category", "typeName"),
        ("folder", "folderUuid"),
        ("created", "createdAt"),
        ("updated", "updatedAt"),
        ("tx", "txTimestamp"),
        ("fave", "faveIndex"),
    ] {
        for (member, _) in members.iter_mut().filter(|(member, _)| member == name) {
            new.clone_into(member);
        }
    }
    if !members.iter().any(|(name, _)| name == "uuid") {
        members.push(("uuid".to_owned(), Value::Text(Zeroizing::new(id.to_owned()))));
    }
    let mut secure = details;
    secure.retain(|(name, _)| name != "backupKeys");
    let addresses = match take(&mut about, "URLs") {
        Value::List(list) => list.into_iter().map(address).collect(),
        _ => Vec::new(),
    };
    secure.push(("URLs".to_owned(), Value::List(addresses)));
    let open = vec![("tags".to_owned(), take(&mut about, "tags"))];
    for (name, new) in [("title", "title"), ("url", "location"), ("ainfo", "ainfo")] {
        members.push((new.to_owned(), take(&mut about, name)));
    }
    members.push(("openContents".to_owned(), Value::Object(open)));
    members.push(("secureContents".to_owned(), Value::Object(secure)));
    members.push(("overview".to_owned(), Value::Object(about)));
    let value = Value::Object(members);
    document.tally.read(value.leaves());
    // By its number, as remarks of one kind are one remark.
    let at = format!("/items/{}", document.found.len());
    document.found.push(Found { value, at, path: Place::default() });
}

/// An address under the names that `.1pif` has for its parts.
fn address(value: Value) -> Value {
    let Value::Object(mut members) = value else { return value };
    for (name, _) in &mut members {
        match name.as_str() {
            "u" => "url".clone_into(name),
            "l" => "label".clone_into(name),
            _ => {}
        }
    }
    Value::Object(members)
}

/// Attachments by the id of their item.
type Files = HashMap<String, Vec<(String, SecretBytes)>>;

fn attachments(
    document: &mut Document,
    zip: &mut Zip,
    folder: &str,
    overview: &Keys,
    keys: &HashMap<String, Keys>,
) -> Result<Files> {
    let is_one = |name: &&str| name.starts_with(folder) && name.ends_with(".attachment");
    let names: Vec<_> = zip.names().filter(is_one).map(str::to_owned).collect();
    let mut files = Files::new();
    for name in names {
        let Some(content) = zip.take(&name)? else { continue };
        let file = name.rsplit('/').next().unwrap_or_default();
        let id = file.split('_').next().unwrap_or_default();
        if let Some(found) = keys.get(id).and_then(|own| attachment(&content, own, overview)) {
            files.entry(id.to_owned()).or_default().push(found);
            continue;
        }
        document.tally.read(1);
        let why = if keys.contains_key(id) {
            "an attachment does not open: it was changed"
        } else {
            "an attachment belongs to no item"
        };
        document.tally.tell(why, format!("/{file}"), 1);
    }
    Ok(files)
}

/// The name and content of an attachment.
fn attachment(content: &[u8], own: &Keys, overview: &Keys) -> Option<(String, SecretBytes)> {
    let header = content.strip_prefix(b"OPCLDAT")?;
    let (metadata, icon) = (header.get(1..3)?, header.get(5..9)?);
    let metadata = usize::from(u16::from_le_bytes(metadata.try_into().ok()?));
    let icon = usize::try_from(u32::from_le_bytes(icon.try_into().ok()?)).ok()?;
    let (metadata, rest) = header.get(9..)?.split_at_checked(metadata)?;
    let mut about = overview.object(parsed(metadata).ok()?.get("overview"))?;
    let name = text(Some(&take(&mut about, "filename")));
    let mut content = own.open(rest.get(icon..)?)?;
    Some((name, SecretBytes::new(std::mem::take(&mut *content))))
}
