//! What lies in a bin: left out and counted, or brought into a folder where it is asked for; of every format that knows one.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::conservation::zipped;
use keyferry_crypto::model::{Entry, Record, RecordPath, Values};
use keyferry_formats::{Format, ReadOptions, reader};
use serde_json::{Value, json};
use std::io::Cursor;

struct Read {
    records: Vec<Record>,
    folders: Vec<String>,
    notes: Vec<String>,
    values: Values,
}

fn read(format: Format, bytes: &[u8], include_trash: bool) -> Read {
    let options = ReadOptions { include_trash, ..ReadOptions::default() };
    let (mut records, mut folders, mut notes, mut values) =
        (Vec::new(), Vec::new(), Vec::new(), Values::default());
    for entry in reader(format, Box::new(Cursor::new(bytes.to_vec())), &options).unwrap() {
        match entry.unwrap() {
            Entry::Record(record, _) => records.push(record),
            Entry::Note(note) => notes.push(note),
            Entry::Values(found) => values = found,
            Entry::Folder(path) => folders.push(path.to_string()),
            Entry::Reject(reject) => panic!("{format:?}: {}", reject.why),
        }
    }
    Read { records, folders, notes, values }
}

/// A file with two records of which `gone` lies in the bin, and where that stands, the bin apart.
fn files() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let text = |value: Value| value.to_string().into_bytes();
    let bitwarden = json!({"encrypted": false, "folders": [{"id": "f", "name": "Ops/Net"}], "collections": [{"id": "c", "name": "C"}], "items": [
        {"type": 1, "name": "here", "login": {"password": "a"}},
        {"type": 1, "name": "gone", "folderId": "f", "collectionIds": ["c"], "deletedDate": "2026-01-02T03:04:05Z", "login": {"password": "b"}},
    ]});
    let one_password = |mark: Value| {
        let mut gone = json!({"uuid": "2", "overview": {"title": "gone"}, "details": {"password": "b"}});
        gone.as_object_mut().unwrap().extend(mark.as_object().unwrap().clone());
        json!({"accounts": [{"attrs": {"name": "Me"}, "vaults": [{"attrs": {"name": "Home"}, "items": [
            {"uuid": "1", "state": "active", "overview": {"title": "here"}, "details": {"password": "a"}}, gone,
        ]}]}]})
    };
    let proton = json!({"version": "1", "encrypted": false, "vaults": {"s": {"name": "Home", "items": [
        {"itemId": "1", "state": 1, "data": {"metadata": {"name": "here"}, "type": "login", "content": {"password": "a"}}},
        {"itemId": "2", "state": 2, "data": {"metadata": {"name": "gone"}, "type": "login", "content": {"password": "b"}}},
    ]}}});
    let enpass = json!({"folders": [{"uuid": "f", "title": "Ops"}], "items": [
        {"title": "here", "category": "login", "trashed": 0, "fields": [{"type": "password", "value": "a"}]},
        {"title": "gone", "category": "login", "trashed": 1, "folders": ["f"], "fields": [{"type": "password", "value": "b"}]},
    ]});
    let psono = |gone: Value, folder: Value| {
        let mut folder = folder;
        folder["items"] = json!([gone]);
        json!({"folders": [folder], "items": [
            {"type": "website_password", "website_password_title": "here", "website_password_password": "a"},
        ]})
    };
    let own = json!({"type": "website_password", "website_password_title": "gone", "website_password_password": "b"});
    let mut marked = own.clone();
    marked["deleted"] = json!(true);
    let nextcloud = |folders: Value, gone: Value| {
        json!({"version": 3, "encrypted": false, "folders": folders, "tags": [], "passwords": [
            {"id": "1", "label": "here", "password": "a", "customFields": [], "folder": "00000000-0000-0000-0000-000000000000"}, gone,
        ]})
    };
    let folder = json!({"id": "f", "label": "Ops", "parent": "00000000-0000-0000-0000-000000000000"});
    let mut above = folder.clone();
    above["trashed"] = json!(true);
    let below = json!({"id": "g", "label": "Net", "parent": "f"});
    let lies = |folder: &str, trashed: bool| json!({"id": "2", "label": "gone", "password": "b", "folder": folder, "trashed": trashed, "customFields": []});
    let passman = json!([
        {"credential_id": 1, "label": "here", "password": "a", "delete_time": 0, "custom_fields": []},
        {"credential_id": 2, "label": "gone", "password": "b", "delete_time": 1_700_000_000, "custom_fields": []},
    ]);
    let one_pif = "{\"uuid\":\"f\",\"typeName\":\"system.folder.Regular\",\"title\":\"Ops\"}\n***5642bee8-a5ff-11dc-8314-0800200c9a66***\n\
        {\"uuid\":\"1\",\"typeName\":\"passwords.Password\",\"title\":\"here\",\"secureContents\":{\"password\":\"a\"}}\n\
        ***5642bee8-a5ff-11dc-8314-0800200c9a66***\n\
        {\"uuid\":\"2\",\"typeName\":\"passwords.Password\",\"title\":\"gone\",\"folderUuid\":\"f\",\"trashed\":true,\"secureContents\":{\"password\":\"b\"}}\n";
    let table = "type,name,website,username,password,notes,trash,cardholder,verification\n\
        LoginItem,here,,,a,,false,,\nLoginItem,gone,https://x.example,,b,,true,,\n";
    let depot = "<passwordfile><header><encrypted>False</encrypted></header><passwords><item><description>here</description>\
        <password>a</password></item></passwords><recyclebin><group name=\"Ops\"><item><description>gone</description>\
        <password>b</password></item></group></recyclebin></passwordfile>";
    let cards = "<database><label name=\"Ops\" id=\"1\"/><card title=\"here\" id=\"2\"><field name=\"Password\" type=\"password\">a\
        </field></card><card title=\"gone\" id=\"3\" deleted=\"true\"><field name=\"Password\" type=\"password\">b</field>\
        <label_id>1</label_id></card></database>";
    let trashed = one_password(json!({"trashed": true}));
    vec![
        ("bitwarden-json", text(bitwarden.clone()), "Ops / Net"),
        ("bitwarden-protected", text(bitwarden.clone()), "Ops / Net"),
        ("bitwarden-zip", zipped("data.json", bitwarden.to_string().as_bytes()), "Ops / Net"),
        ("1pux", zipped("export.data", trashed.to_string().as_bytes()), ""),
        ("1pux", text(one_password(json!({"state": "trashed"}))), ""),
        ("protonpass-json", text(proton.clone()), ""),
        ("protonpass-zip", zipped("Proton Pass/data.json", proton.to_string().as_bytes()), ""),
        ("enpass-json", text(enpass), "Ops"),
        ("psono-json", text(psono(marked, json!({"name": "Ops"}))), "Ops"),
        ("psono-json", text(psono(own, json!({"name": "Ops", "deleted": true}))), "Ops"),
        ("nextcloud-json", text(nextcloud(json!([folder]), lies("f", true))), "Ops"),
        ("nextcloud-json", text(nextcloud(json!([above, below]), lies("g", false))), "Ops / Net"),
        ("passman-json", text(passman), ""),
        ("1pif", one_pif.as_bytes().to_vec(), "Ops"),
        ("remembear-csv", table.as_bytes().to_vec(), ""),
        ("passworddepot-xml", depot.as_bytes().to_vec(), "Ops"),
        ("safeincloud-xml", cards.as_bytes().to_vec(), "Ops"),
    ]
}

#[test]
fn what_lies_in_a_bin_is_left_out_or_comes_into_its_folder() {
    for (name, bytes, place) in files() {
        let format = Format::from_name(name).unwrap();
        let kept = read(format, &bytes, false);
        assert_eq!(kept.records.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["here"], "{name}");
        assert_eq!(kept.values.lost(), 0, "{name}: {:?}", kept.notes);
        let told = kept.notes.iter().any(|note| note.contains("a record in the bin stays behind"));
        assert!(told, "{name}: {:?}", kept.notes);

        let all = read(format, &bytes, true);
        assert_eq!(all.values.lost(), 0, "{name}: {:?}", all.notes);
        assert_eq!(all.values.read, kept.values.read, "{name}");
        let found = |wanted: &str| all.records.iter().find(|one| one.name == wanted).unwrap();
        let (here, gone) = (found("here"), found("gone"));
        assert!(here.path.folders.is_empty(), "{name}");
        // Without a vault the first folder is one, and a record without either stands in the default vault: never in one that
        // is called as the bin is.
        let mut place: Vec<&str> = place.split(" / ").filter(|name| !name.is_empty()).collect();
        let own = here.path.vault.as_deref();
        let vault = match own {
            Some(vault) => vault,
            None if place.is_empty() => RecordPath::DEFAULT_VAULT,
            None => place.remove(0),
        };
        let whole = [&[vault, "Trash"], place.as_slice()].concat();
        let names =
            |path: &RecordPath| -> Vec<String> { path.vault.iter().chain(&path.folders).cloned().collect() };
        assert_eq!(names(&gone.path), whole, "{name}");
        assert!(gone.also_in.iter().all(|path| names(path)[1] == "Trash"), "{name}");
        assert_eq!(gone.password.as_ref().unwrap().expose(), "b", "{name}");
        assert!(!all.notes.iter().any(|note| note.contains("in the bin")), "{name}: {:?}", all.notes);
        assert!(!all.folders.iter().any(|folder| folder.starts_with("Trash")), "{name}: {:?}", all.folders);
    }
}

/// Every row that speaks of a bin says how it comes along, and stands in the list above.
#[test]
fn who_knows_a_bin_says_how_it_comes_along() {
    let known: Vec<_> = files().into_iter().map(|(name, ..)| name).collect();
    for format in Format::all().filter(|format| format.left_behind().contains(" bin")) {
        assert!(format.left_behind().contains("bin (`--include-trash`)"), "{format:?}");
        // Those have tests of their own.
        let is_sealed = matches!(format.name(), "kdbx" | "keepass-xml" | "opvault");
        assert!(is_sealed || known.contains(&format.name()), "{format:?} has no file with a bin here");
    }
}
