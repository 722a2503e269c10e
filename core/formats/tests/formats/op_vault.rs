//! Vaults of 1Password (`.opvault`), sealed here from the published design.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::conservation::zipped_all;
use super::wrapping::PASSPHRASE;
use aes::Aes256;
use aes::cipher::block_padding::NoPadding;
use aes::cipher::{BlockModeEncrypt as _, KeyIvInit as _};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use keyferry_crypto::ErrorKind;
use keyferry_crypto::model::{Entry, Record, Values};
use keyferry_formats::detect::detect;
use keyferry_formats::{Format, ReadOptions, reader};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256, Sha512};
use std::io::Cursor;

type Keys = [u8; 64];

fn encrypted(keys: &Keys, vector: [u8; 16], plain: &[u8]) -> Vec<u8> {
    cbc::Encryptor::<Aes256>::new_from_slices(&keys[..32], &vector)
        .unwrap()
        .encrypt_padded_vec::<NoPadding>(plain)
}

fn with_mac(keys: &Keys, mut body: Vec<u8>) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&keys[32..]).unwrap();
    mac.update(&body);
    body.extend(mac.finalize().into_bytes());
    body
}

fn opdata(keys: &Keys, plain: &[u8]) -> Vec<u8> {
    let padded = [&vec![9; 16 - plain.len() % 16][..], plain].concat();
    let vector = [4; 16];
    let mut body = b"opdata01".to_vec();
    body.extend((plain.len() as u64).to_le_bytes());
    body.extend(vector);
    body.extend(encrypted(keys, vector, &padded));
    with_mac(keys, body)
}

fn text(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

/// The keys that a seed comes to.
fn of_seed(seed: &[u8]) -> Keys {
    Sha512::digest(seed).into()
}

const SEEDS: [&[u8]; 2] = [&[1; 256], &[2; 64]];
const ITEM: Keys = [3; 64];

fn profile(rounds: u32) -> Value {
    let derived: Keys = pbkdf2::pbkdf2_hmac_array::<Sha512, 64>(PASSPHRASE.as_bytes(), &[7; 16], rounds);
    json!({
        "salt": text(&[7; 16]), "iterations": rounds, "profileName": "default",
        "masterKey": text(&opdata(&derived, SEEDS[0])), "overviewKey": text(&opdata(&derived, SEEDS[1])),
    })
}

/// An item with what is shown of it, its details, and more members.
fn item(overview: &Value, details: &Value, more: &Value) -> Value {
    let (master, shown) = (of_seed(SEEDS[0]), of_seed(SEEDS[1]));
    let mut key = vec![5; 16];
    key.extend(encrypted(&master, [5; 16], &ITEM));
    let mut item = json!({
        "k": text(&with_mac(&master, key)),
        "o": text(&opdata(&shown, overview.to_string().as_bytes())),
        "d": text(&opdata(&ITEM, details.to_string().as_bytes())),
        "hmac": "x",
    });
    item.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    item
}

fn vault(profile: &Value, folders: &Value, items: &Value) -> Vec<u8> {
    zipped_all(&[
        ("a.opvault/default/band_F.js", format!("ld({items});").as_bytes()),
        ("a.opvault/default/folders.js", format!("loadFolders({folders});").as_bytes()),
        ("a.opvault/default/profile.js", format!("var profile={profile};").as_bytes()),
    ])
}

fn read(bytes: &[u8]) -> Result<(Vec<Record>, Vec<String>, Values), ErrorKind> {
    read_with(bytes, false)
}

fn read_with(bytes: &[u8], include_trash: bool) -> Result<(Vec<Record>, Vec<String>, Values), ErrorKind> {
    let options =
        ReadOptions { passphrase: Some(PASSPHRASE.into()), include_trash, ..ReadOptions::default() };
    assert_eq!(detect(bytes, None).unwrap().name(), "opvault");
    let format = Format::from_name("opvault").unwrap();
    let (mut records, mut told, mut values) = (Vec::new(), Vec::new(), Values::default());
    let entries =
        reader(format, Box::new(Cursor::new(bytes.to_vec())), &options).map_err(|error| error.kind())?;
    for entry in entries {
        match entry.unwrap() {
            Entry::Record(record, _) => records.push(record),
            Entry::Reject(reject) => told.push(format!("{}: {}", reject.at, reject.why)),
            Entry::Note(note) => told.push(note),
            Entry::Values(found) => values = found,
            Entry::Folder(path) => told.push(path.to_string()),
        }
    }
    assert_eq!(values.lost(), 0);
    Ok((records, told, values))
}

#[test]
fn members_that_nobody_knows_are_fields_and_searches_are_told() {
    let shown = of_seed(SEEDS[1]);
    let folders = json!({
        "A": {"overview": text(&opdata(&shown, b"{\"title\":\"Work\"}"))},
        "B": {"overview": text(&opdata(&shown, b"{\"title\":\"Net\"}")), "parent": "A"},
        "C": {"overview": text(&opdata(&shown, b"{}")), "smart": true},
        "D": {"overview": "AAAA"},
    });
    let one = item(
        &json!({"title": "a", "url": 7, "tags": ["t"], "ps": 1, "zz": {"y": "own of overview"}}),
        &json!({"fields": [{"name": "n", "type": "P", "value": 42}], "zz": ["own of details"], "password": "p"}),
        &json!({"folder": "B", "category": "001", "zz": "own of item"}),
    );
    let (records, told, _) = read(&vault(&profile(2), &folders, &json!({"F1": one}))).unwrap();
    let record = &records[0];
    assert_eq!((record.label().as_str(), record.url.as_str()), ("Work / Net / a", "7"));
    let fields: Vec<_> = record.customs.iter().map(|one| (one.name.as_str(), one.value.expose())).collect();
    assert_eq!(
        fields,
        [
            ("n", "42"),
            ("secureContents.zz[0]", "own of details"),
            ("zz", "own of item"),
            ("overview.zz.y", "own of overview")
        ]
    );
    for part in ["kept as a folder stays behind", "/folders.js/D: a folder's name does not open"] {
        assert!(told.iter().any(|one| one.contains(part)), "{part}: {told:?}");
    }
}

#[test]
fn an_item_that_was_changed_is_rejected_and_the_rest_is_read() {
    let good = item(&json!({"title": "good"}), &json!({"password": "p"}), &json!({"category": "005"}));
    for part in ["k", "o", "d"] {
        let mut changed = good.clone();
        let mut bytes = BASE64_STANDARD.decode(changed[part].as_str().unwrap()).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        changed[part] = text(&bytes).into();
        let whole = vault(&profile(2), &json!({}), &json!({"F1": changed, "F2": good}));
        let (records, told, values) = read(&whole).unwrap();
        assert_eq!((records.len(), records[0].name.as_str(), values.told), (1, "good", 1), "{part}");
        assert!(told.iter().any(|one| one.contains("/band_F.js/F1") && one.contains("changed")), "{told:?}");
    }
}

#[test]
fn a_changed_key_is_damage_and_rounds_without_end_are_refused() {
    let items = json!({});
    let mut one = profile(2);
    one["masterKey"] = one["overviewKey"].as_str().unwrap().replace('A', "B").into();
    assert_eq!(read(&vault(&one, &json!({}), &items)).map(drop), Err(ErrorKind::Decrypt));
    let mut both = profile(2);
    both["salt"] = text(&[8; 16]).into();
    assert_eq!(read(&vault(&both, &json!({}), &items)).map(drop), Err(ErrorKind::Locked));
    let mut long = profile(2);
    long["iterations"] = json!(4_000_000_000_u64);
    assert!(read(&vault(&long, &json!({}), &items)).is_err());
    for (name, value) in [("salt", json!("%")), ("iterations", json!("x")), ("masterKey", json!(null))] {
        let mut broken = profile(2);
        broken[name] = value;
        assert_eq!(read(&vault(&broken, &json!({}), &items)).map(drop), Err(ErrorKind::Decrypt), "{name}");
    }
}

#[test]
fn what_was_thrown_away_comes_along_where_that_is_asked_for() {
    let shown = of_seed(SEEDS[1]);
    let folders = json!({"A": {"overview": text(&opdata(&shown, b"{\"title\":\"Work\"}"))}});
    let gone = item(
        &json!({"title": "gone"}),
        &json!({"password": "p"}),
        &json!({"category": "005", "folder": "A", "trashed": true}),
    );
    let whole = vault(&profile(2), &folders, &json!({"F1": gone}));
    let (records, told, _) = read_with(&whole, false).unwrap();
    assert!(records.is_empty() && told.iter().any(|one| one.contains("in the bin")), "{told:?}");
    let (records, told, _) = read_with(&whole, true).unwrap();
    assert_eq!(records[0].label(), "Work / Trash / gone");
    assert!(!told.iter().any(|one| one.contains("in the bin")), "{told:?}");
}
