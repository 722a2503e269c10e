//! The law of conservation: every value of a file ends in a record, in a place, in a reference that was resolved, or in a
//! remark or reject that names where it stands. And its other half: no remark, reject or error shows a value.
//!
//! A format without a sample here fails the test.
#![expect(clippy::unwrap_used, reason = "tests")]

use keyferry_crypto::model::{Entry, Record, Values};
use keyferry_crypto::secret::SecretString;
use keyferry_formats::{Format, ReadOptions, detect::detect, json_line, reader};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Cursor;

/// A file with a unique token in each of its values, and where each stands.
struct Planted {
    format: Format,
    text: String,
    /// The places by token: a JSON pointer, or line and column.
    places: BTreeMap<String, String>,
    /// Members that are references, as the reader's own documentation lists them.
    resolved: &'static [&'static str],
}

/// What was read: records and folders as text, places and words of the rest, and the account.
struct Read {
    carried: String,
    rejected: Vec<String>,
    told: Vec<String>,
    values: Values,
}

/// A document of every shape that a format has. Formats to come need a line here.
fn samples(format: Format) -> Vec<Planted> {
    match format.name() {
        "csv" => tables(),
        "passwork-json" => {
            let record = json!({
                "id": "", "_id": "", "folderId": "", "vaultId": "", "name": "", "login": "", "password": "", "url": "",
                "description": "", "tags": ["", ""], "color": "", "isFavorite": "", "createdAt": "", "revision": "",
                "custom": [{"name": "", "type": "", "value": ""}],
                "passwordEncrypted": "", "title": "", "path": [{"id": "", "name": ""}],
            });
            let encoded = json!({"name": "", "cryptedPassword": "", "customs": [{"name": "", "type": "", "value": ""}]});
            let nested = json!({
                "version": "", "exportedAt": {"by": ["", ""]},
                "vaults": [{"id": "", "name": "", "description": "", "folders": [
                    {"id": "", "name": "", "parentId": "", "color": "", "folders": [], "items": [record.clone()]},
                ], "items": [record.clone(), encoded, "", [""]]}, ""],
            });
            let flat = json!({"response": {"folders": [{"id": "", "name": "", "vaultId": ""}], "passwords": [record.clone()]}, "status": ""});
            let list = json!([record, {"name": "", "password": ""}, ""]);
            vec![
                document(format, nested, PASSWORK_IDS),
                document(format, flat, PASSWORK_IDS),
                document(format, list, PASSWORK_IDS),
            ]
        }
        "jsonl" => {
            let record = json!({
                "vault": "", "path": ["", ""], "name": "", "login": "", "password": "", "url": "", "description": "",
                "tags": [""], "color": "", "favorite": "", "customs": [{"name": "", "type": "", "value": ""}],
                "attachments": [],
            });
            let wrong = [
                json!({"name": "", "tags": ""}),
                json!({"name": "", "customs": [""]}),
                json!([""]),
                json!({"name": "", "attachments": [{"name": "", "data": "", "note": ""}]}),
                json!({"name": {"first": ""}}),
            ];
            let mut planted =
                lines(&[record.clone(), record, json!({"vault": "", "path": [""], "folder": true})]);
            planted
                .extend(wrong.into_iter().flat_map(|one| lines(&[json!({"name": "", "password": ""}), one])));
            planted
        }
        "bitwarden-json" => exports_of_bitwarden(format),
        name => {
            let tables: Vec<_> = TABLES.iter().filter(|(of, ..)| *of == name).collect();
            assert!(!tables.is_empty(), "{name} has no sample: every reader has to keep the law");
            tables.into_iter().map(|(_, header, rows)| table(format, header, *rows)).collect()
        }
    }
}

/// Tables of our own making, which are no manager's.
fn tables() -> Vec<Planted> {
    vec![
        table(Format::CSV, "vault,folder,name,login,password,url,description,tags,totp,color,favorite", 3),
        table(Format::CSV, "Benutzername;Kennwort;Titel;Webseite;Notizen;Ganz Neues;PIN;zz;", 2),
        table(
            Format::CSV,
            "name\tpassword\ttext:Own\tpassword:Hidden\ttotp:Code\tusername\temail\temail 2",
            2,
        ),
    ]
}

/// Whose table, its header, and how many rows it gets: one where more would be told of the first alone.
const TABLES: &[(&str, &str, usize)] = &[
    (
        "firefox-csv",
        "url,username,password,httpRealm,formActionOrigin,guid,timeCreated,timeLastUsed,timePasswordChanged",
        1,
    ),
    ("1password-csv", "Title,Url,Username,Password,OTPAuth,Favorite,Archived,Tags,Notes", 1),
    ("safari-csv", "Title,URL,Username,Password,Notes,OTPAuth", 2),
    (
        "bitwarden-csv",
        "folder,favorite,type,name,notes,fields,reprompt,archivedDate,login_uri,login_username,login_password,login_totp",
        2,
    ),
    (
        "bitwarden-csv",
        "collections,type,name,notes,fields,reprompt,login_uri,login_username,login_password,login_totp",
        2,
    ),
    ("keepassxc-csv", "Group,Title,Username,Password,URL,Notes,TOTP,Icon,Last Modified,Created,Else", 1),
    ("keepass-csv", "Account,Login Name,Password,Web Site,Comments", 2),
    ("dashlane-csv", "username,username2,username3,title,password,note,url,category,otpUrl", 2),
    (
        "nordpass-csv",
        "name,url,additional_urls,username,password,note,cardholdername,cardnumber,cvc,pin,expirydate,zipcode,folder,full_name,email,type,custom_fields",
        2,
    ),
    ("protonpass-csv", "type,name,url,email,username,password,note,totp,createTime,modifyTime,vault", 1),
    ("lastpass-csv", "url,username,password,totp,extra,name,grouping,fav", 2),
    (
        "delinea-csv",
        "Secret Name,Username,URL,Password,Notes,Date Created,Folder,TOTP Key,TOTP Backup Codes",
        2,
    ),
    (
        "zoho-csv",
        "Password Name,Description,Password URL,SecretData,Notes,CustomData,Tags,Classification,Favorite,TOTP,Folder Name",
        1,
    ),
];

fn exports_of_bitwarden(format: Format) -> Vec<Planted> {
    let login = json!({
        "username": "", "password": "", "totp": "", "uri": "", "passwordRevisionDate": "",
        "uris": [{"uri": "", "match": "", "uriChecksum": ""}, {"uri": ""}, ""],
        "fido2Credentials": [{"credentialId": "", "rpId": "", "discoverable": ""}, ""],
    });
    let fields =
        json!([{"name": "", "value": "", "type": ""}, {"name": "", "value": "", "linkedId": ""}, ""]);
    let item = json!({
        "id": "", "organizationId": "", "folderId": "", "collectionIds": ["", [""]], "type": "", "name": "",
        "notes": "", "favorite": "", "reprompt": "", "creationDate": "", "revisionDate": "", "archivedDate": "",
        "passwordHistory": [{"lastUsedDate": "", "password": ""}], "fields": fields, "login": login,
        "attachments": [{"fileName": "", "url": ""}], "secureNote": {"type": ""},
    });
    let card = json!({"name": "", "card": {
        "cardholderName": "", "brand": "", "number": "", "expMonth": "", "expYear": "", "code": "",
    }});
    let half = json!({"name": "", "card": {"expMonth": ""}, "fields": "", "login": "", "sshKey": [""]});
    let identity = json!({"name": "", "identity": {
        "title": "", "firstName": "", "address1": "", "email": "", "username": "", "ssn": "", "more": [""],
    }});
    let person = json!({"name": "", "identity": {"email": "", "phone": ""}});
    let key = json!({"name": "", "sshKey": {"privateKey": "", "publicKey": "", "keyFingerprint": ""}});
    let wrong = json!({"name": [""], "login": {"username": [""]}});
    let list = [item, card, half, identity, person, key, wrong, json!("")];
    let folder = json!({"id": "", "name": "", "organizationId": "", "externalId": ["", ""]});
    let whole = json!({"version": "", "folders": [folder, ""], "collections": [folder], "items": list});
    let odd = json!({"folders": "", "collections": {"a": ""}, "items": [{"name": "", "collectionIds": ""}]});
    vec![document(format, whole, BITWARDEN_IDS), document(format, odd, BITWARDEN_IDS)]
}

const PASSWORK_IDS: &[&str] = &["id", "_id", "folderId", "groupId", "vaultId", "parentId", "parentFolderId"];

const BITWARDEN_IDS: &[&str] = &["id", "organizationId", "type"];

fn token(number: usize) -> String {
    format!("zq{number:04}qz")
}

/// A table with a token in each cell.
fn table(format: Format, header: &str, rows: usize) -> Planted {
    let delimiter = header.chars().find(|c| [',', ';', '\t'].contains(c)).unwrap();
    let columns = header.split(delimiter).count();
    let (mut text, mut places) = (format!("{header}\r\n"), BTreeMap::new());
    for row in 0..rows {
        let cells: Vec<_> = (0..columns).map(|column| token(row * columns + column)).collect();
        for (column, token) in cells.iter().enumerate() {
            places.insert(token.clone(), format!("line {}, column {}", row + 2, column + 1));
        }
        text += &cells.join(&delimiter.to_string());
        text += "\r\n";
    }
    Planted { format, text, places, resolved: &[] }
}

/// Puts a token into each text of a document, and members that nobody knows into each object.
fn plant(value: &mut Value, at: &str, places: &mut BTreeMap<String, String>) {
    match value {
        Value::String(text) => {
            *text = token(places.len());
            places.insert(text.clone(), at.to_owned());
        }
        Value::Array(list) => {
            for (index, value) in list.iter_mut().enumerate() {
                plant(value, &format!("{at}/{index}"), places);
            }
        }
        Value::Object(members) => {
            if !members.contains_key("folder") {
                members.insert("unheard".to_owned(), json!(""));
                members.insert("unheardOf".to_owned(), json!({"a": ["", {"b": ""}], "c~/d": ""}));
            }
            let mut unknown = Vec::new();
            for (name, value) in members.iter_mut() {
                let at = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
                if name == "unheardOf" { unknown.push((at, value)) } else { plant(value, &at, places) }
            }
            for (at, value) in unknown {
                plant_plain(value, &at, places);
            }
        }
        _ => {}
    }
}

/// The same without adding to it.
fn plant_plain(value: &mut Value, at: &str, places: &mut BTreeMap<String, String>) {
    match value {
        Value::String(_) => plant(value, at, places),
        Value::Array(list) => {
            list.iter_mut()
                .enumerate()
                .for_each(|(index, value)| plant_plain(value, &format!("{at}/{index}"), places));
        }
        Value::Object(members) => members.iter_mut().for_each(|(name, value)| {
            plant_plain(value, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), places);
        }),
        _ => {}
    }
}

fn document(format: Format, mut value: Value, resolved: &'static [&'static str]) -> Planted {
    let mut places = BTreeMap::new();
    plant(&mut value, "", &mut places);
    Planted { format, text: serde_json::to_string_pretty(&value).unwrap(), places, resolved }
}

fn lines(records: &[Value]) -> Vec<Planted> {
    let (mut text, mut places) = (String::new(), BTreeMap::new());
    for (index, record) in records.iter().enumerate() {
        let (mut record, mut of_line) = (record.clone(), BTreeMap::new());
        plant(&mut record, "", &mut of_line);
        let mut line = record.to_string();
        // Numbered anew, the last first, so that none is replaced twice.
        for (number, (old, _)) in of_line.into_iter().enumerate().collect::<Vec<_>>().into_iter().rev() {
            let new = token(index * 1000 + number);
            line = line.replace(&old, &new);
            places.insert(new, format!("line {}", index + 1));
        }
        text += &line;
        text.push('\n');
    }
    vec![Planted { format: Format::JSON_LINES, text, places, resolved: &[] }]
}

fn read(entries: impl Iterator<Item = keyferry_crypto::Result<Entry>>) -> Read {
    let mut read =
        Read { carried: String::new(), rejected: Vec::new(), told: Vec::new(), values: Values::default() };
    for entry in entries {
        match entry.unwrap() {
            Entry::Record(record, _) => {
                read.carried += std::str::from_utf8(json_line(&record).expose()).unwrap();
            }
            Entry::Folder(path) => read.carried += &path.to_string(),
            Entry::Reject(reject) => {
                read.told.push(format!("{} {} {}", reject.at, reject.label, reject.why));
                read.rejected.push(reject.at.to_string());
            }
            Entry::Note(note) => read.told.push(note),
            Entry::Values(values) => read.values.add(values),
        }
    }
    read
}

/// A pointer as remarks group it.
fn pattern(pointer: &str) -> String {
    let digits = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    pointer.split('/').map(|part| if digits(&part) { "*" } else { part }).collect::<Vec<_>>().join("/")
}

/// Tokens that went nowhere.
fn lost(planted: &Planted, read: &Read) -> Vec<String> {
    let found = |token: &String, at: &String| {
        let member = at.rsplit('/').next().unwrap_or_default();
        read.carried.contains(token.as_str())
            || planted.resolved.contains(&member)
            || read.rejected.iter().any(|place| {
                let place = place.trim_start_matches("at ");
                at == place || at.starts_with(&format!("{place}/")) || at.starts_with(&format!("{place},"))
            })
            || read.told.iter().any(|note| {
                note.contains(&format!("{} ", pattern(at)))
                    || note.starts_with(&format!("{member} "))
                    || note.contains(&format!("{at}:"))
                    || note.contains(&format!("first {at})"))
                    || note.contains(&format!(": {member} "))
            })
    };
    planted.places.iter().filter(|(token, at)| !found(token, at)).map(|(_, at)| at.clone()).collect()
}

fn options() -> ReadOptions {
    ReadOptions { no_password: true, ..ReadOptions::default() }
}

fn open(planted: &Planted) -> keyferry_formats::Entries {
    reader(planted.format, Box::new(Cursor::new(planted.text.clone().into_bytes())), &options()).unwrap()
}

#[test]
fn no_reader_drops_a_value() {
    for planted in Format::all().flat_map(samples) {
        let read = read(open(&planted));
        let story =
            format!("{}\n{}\n{}\n{:#?}", planted.text, read.carried, read.told.join("\n"), read.values);
        assert_eq!(lost(&planted, &read), Vec::<String>::new(), "{story}");
        assert_eq!(read.values.lost(), 0, "{story}");
        let flags = planted.text.matches("\"folder\":true").count();
        assert_eq!(read.values.read, (planted.places.len() + flags) as u64, "{story}");
        let shown = |token: &&String| read.told.iter().any(|words| words.contains(token.as_str()));
        assert_eq!(planted.places.keys().find(shown), None, "{story}");
    }
}

/// The test would notice: a reader that drops one member of its records.
#[test]
fn a_reader_that_drops_a_member_is_caught() {
    type Drop = fn(&mut Record);
    let drops: [(&str, Drop); 4] = [
        ("login", |record| record.login.clear()),
        ("a tag", |record| drop(record.tags.pop())),
        ("a custom field", |record| drop(record.customs.pop())),
        ("the vault", |record| record.path.vault = None),
    ];
    for (what, dropping) in drops {
        let planted = samples(Format::JSON_LINES).remove(0);
        let entries = open(&planted).map(|entry| {
            entry.map(|entry| match entry {
                Entry::Record(mut record, at) => {
                    dropping(&mut record);
                    Entry::Record(record, at)
                }
                other => other,
            })
        });
        assert!(!lost(&planted, &read(entries)).is_empty(), "{what}");
    }
    assert_eq!(Values { read: 3, carried: 1, resolved: 0, told: 1 }.lost(), 1);
    assert_eq!(Values { read: 1, carried: 1, resolved: 0, told: 1 }.lost(), 1);
}

/// Every way in which a file can be broken, and what is said of it.
#[test]
fn no_error_and_no_remark_shows_a_value() {
    for planted in Format::all().flat_map(samples) {
        let text = planted.text.as_bytes();
        let mut broken: Vec<(String, Vec<u8>)> = vec![
            ("whole".into(), text.to_vec()),
            ("without its first line".into(), text[planted.text.find('\n').unwrap_or(0) + 1..].to_vec()),
            ("a quote never closed".into(), planted.text.replacen("zq0001qz", "\"zq0001qz", 1).into_bytes()),
            (
                "a stray byte".into(),
                planted.text.replacen("zq0002qz", "zq0002qz\u{1}", 1).replace('\u{1}', "\u{85}").into_bytes(),
            ),
            ("a workbook".into(), [b"PK\x03\x04\x14\0\x06\0", text].concat()),
            ("zeros".into(), [b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0", text].concat()),
            ("twice".into(), [text, text].concat()),
            ("in a list".into(), [b"[", text, b"]"].concat()),
        ];
        let mut latin = text.to_vec();
        let at = planted.text.find("zq0003qz").unwrap_or(0);
        latin.insert(at, 0xe9);
        broken.push(("a byte of another encoding".into(), latin));
        broken.extend((0..text.len()).step_by(13).map(|cut| (format!("cut at {cut}"), text[..cut].to_vec())));
        let ways = [
            ReadOptions::default(),
            options(),
            ReadOptions { delimiter: Some('|'), ..options() },
            ReadOptions { escape: Some('q'), ..options() },
            ReadOptions { encoding: Some("utf-16le".into()), ..options() },
            ReadOptions {
                no_header: true,
                columns: Some(vec!["name".into(), "password".into()]),
                ..options()
            },
            ReadOptions { map: vec![("9".into(), "password".into())], ..options() },
            ReadOptions { extra_columns: keyferry_formats::ExtraColumns::Fail, ..options() },
        ];
        let check = |how: &str, words: &str| {
            let shown = planted.places.keys().find(|token| words.contains(token.as_str()));
            assert_eq!(shown, None, "{how}: {words}");
        };
        for (how, bytes) in &broken {
            if let Err(error) = detect(bytes, Some("people.csv")) {
                check(how, &format!("{error} {error:?} {:?}", error.next()));
            }
            // The file's own format in every way, the general ones too; any other would be refused for its signature.
            let general = [Format::CSV, Format::PASSWORK_JSON, Format::JSON_LINES];
            let formats = general.into_iter().filter(|format| *format != planted.format);
            let others = formats.map(|format| (format, &ways[1]));
            for (format, way) in ways.iter().map(|way| (planted.format, way)).chain(others) {
                let entries = match reader(format, Box::new(Cursor::new(bytes.clone())), way) {
                    Ok(entries) => entries,
                    Err(error) => {
                        check(how, &format!("{error} {error:?} {:?}", error.next()));
                        continue;
                    }
                };
                for entry in entries {
                    match entry {
                        Ok(Entry::Note(note)) => check(how, &note),
                        Ok(Entry::Reject(reject)) => check(how, &format!("{} {}", reject.label, reject.why)),
                        Ok(_) => {}
                        Err(error) => check(how, &format!("{error} {error:?} {:?}", error.next())),
                    }
                }
            }
        }
    }
}

/// A path of thousands of folders would cost their square.
#[test]
fn folders_without_end_are_rejected_by_their_place() {
    let deep: Vec<_> = (0..200).map(|number| number.to_string()).collect();
    let line = json!({"name": "deep", "password": "p", "path": deep});
    for (format, text) in [
        (Format::CSV, format!("name,password,folder\ndeep,p,{}\nflat,p,a/b\n", deep.join("/"))),
        (Format::JSON_LINES, format!("{line}\n{{\"name\":\"flat\",\"password\":\"p\"}}\n")),
    ] {
        let found = read(reader(format, Box::new(Cursor::new(text)), &ReadOptions::default()).unwrap());
        assert!(found.carried.contains("flat") && !found.carried.contains("deep"), "{}", format.name());
        assert_eq!((found.rejected.len(), found.values.lost()), (1, 0), "{}", format.name());
    }
}

/// The rest of a file is carried though one row of it cannot be.
#[test]
fn what_is_broken_is_told_by_its_place_and_the_rest_is_carried() {
    let csv = "name,password\na,one\nb,\"two\" x\nc,three\n";
    let found = read(reader(Format::CSV, Box::new(Cursor::new(csv)), &ReadOptions::default()).unwrap());
    assert!(found.carried.contains("one") && found.carried.contains("three"), "{}", found.carried);
    assert_eq!(found.rejected, ["line 3"]);
    let secret = SecretString::from("two");
    assert!(!found.told.concat().contains(secret.expose()), "{:?}", found.told);
}
