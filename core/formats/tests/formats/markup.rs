//! XML documents of every shape that managers have, for the law of conservation: written as JSON, in which an attribute is
//! `@name` and a text beside attributes `#text`. A text is replaced by a token; one that begins with `=` is a word that the reader
//! has to know.

use serde_json::{Value, json};

/// What a format's documents look like: the outermost element, what stands in it, and what of that is resolved.
pub(super) struct Shape {
    pub(super) root: &'static str,
    pub(super) values: Vec<Value>,
    pub(super) resolved: &'static [&'static str],
}

/// The shapes of a format; none for one that is no XML of this kind.
pub(super) fn shapes(format: &str) -> Option<Shape> {
    let (root, value, resolved): (_, _, &[&str]) = match format {
        "safeincloud-xml" => {
            ("database", safeincloud(), &["@id", "@type", "@symbol", "@autofill", "@size", "@name"])
        }
        "passworddepot-xml" => (
            "passwordfile",
            password_depot(),
            &[
                "application",
                "version",
                "uniqueid",
                "@fingerprint",
                "fingerprint",
                "@fmt",
                "type",
                "visible",
                "kind",
                "name",
            ],
        ),
        "delinea-xml" => ("ImportFile", delinea(), &["SecretTemplateName", "Slug", "FieldName"]),
        "devolutions-xml" => (
            "ArrayOfConnection",
            json!({"Connection": [
                {"ConnectionType": "", "ID": "", "Name": "", "Group": "", "Description": "", "Url": "", "Credentials": {"UserName": "", "Domain": "", "Password": ""}, "MetaInformation": {"OS": ""}, "Keywords": ""},
                {"ConnectionType": "=Group", "ID": "", "Name": "", "Group": ""},
                {"ConnectionType": "", "Credentials": {"SafePassword": ""}},
            ]}),
            &["ConnectionType", "ID"],
        ),
        "pwsafe-xml" => (
            "passwordsafe",
            json!({"@delimiter": "=;;", "@Database": "", "Preferences": {"x": ""}, "EmptyGroups": {"EGName": ["", ""]}, "entry": [
                {
                    "@id": "", "group": "", "title": "", "username": "", "password": "", "url": "", "notes": "", "uuid": "", "email": "", "runcommand": "", "autotype": "", "ctimex": "", "xtimex": "", "rmtimex": "", "atimex": "",
                    "pwhistory": {"status": "", "history_entries": {"history_entry": [{"@num": "", "changedx": "", "oldpassword": ""}, {"oldpassword": ""}]}},
                },
                {"title": {"@x": "", "#text": ""}, "email": ""}, "",
            ]}),
            &["@delimiter", "@id", "uuid"],
        ),
        "sticky-xml" => ("root", sticky(), &["@ID", "@ParentID", "@SourceLoginID"]),
        "keepass1-xml" => (
            "pwlist",
            json!({"pwentry": [
                {"group": {"@tree": "", "#text": ""}, "title": "", "username": "", "url": "", "password": "", "notes": "", "uuid": "",
                    "image": "", "creationtime": "", "lastmodtime": "", "lastaccesstime": "", "expiretime": {"@expires": "=true", "#text": ""},
                    "attachdesc": "", "attachment": "", "more": {"@x": "", "#text": ""}},
                {"group": "", "title": "", "expiretime": ""},
            ], "own": ""}),
            &["uuid"],
        ),
        "keepassx-xml" => ("database", keepassx(), &[]),
        "passworddragon-xml" => (
            "PasswordManager",
            json!({"@version": "", "record": [
                {"Account-Name": "", "User-Id": "", "Password": "", "URL": "", "Notes": "", "Category": "", "Attribute-1": "", "Attribute-10": "", "Attribute-2": "=null"},
                {"Account-Name": {"@x": "", "#text": ""}},
            ]}),
            &[],
        ),
        "revelation-xml" => {
            ("revelationdata", revelation(), &["@version", "@dataversion", "@type", "updated", "@id"])
        }
        "figaro-xml" => (
            "FPM",
            json!({"@full_version": "", "KeyInfo": {"@cipher": "=none", "@salt": ""}, "LauncherList": {"LauncherItem": ""}, "PasswordList": {"PasswordItem": [
                {"title": "", "user": "", "url": "", "password": "", "notes": "", "category": "", "launcher": "", "default": {"x": ""}}, "",
            ]}}),
            &["@full_version", "@salt"],
        ),
        "kwallet-xml" => (
            "wallet",
            json!({"@name": "", "folder": [
                {"@name": "", "password": [{"@name": "", "#text": ""}, ""], "map": {"@name": "", "mapentry": [{"@name": "=login", "#text": ""}, {"@name": "=password", "#text": ""}, {"@name": "", "#text": ""}]}, "stream": [{"@name": "", "#text": "=AAEC"}, {"@name": "", "#text": ""}]},
                {"@name": ""},
            ]}),
            &[],
        ),
        "syspass-xml" => (
            "Root",
            syspass(),
            &["Generator", "Version", "@id", "id", "name", "key", "categoryId", "clientId"],
        ),
        _ => return None,
    };
    Some(Shape { root, values: vec![value], resolved })
}

fn safeincloud() -> Value {
    json!({
        "label": [{"@name": "", "@id": "=1", "@type": ""}, {"@name": "", "@id": "=2"}],
        "ghost": {"@id": "", "@time_stamp": ""},
        "card": [
            {
                "@title": "", "@id": "", "@symbol": "", "@color": "", "@star": "=true", "@type": "", "@time_stamp": "", "@autofill": "",
                "field": [
                    {"@name": "", "@type": "=login", "@autofill": "", "#text": ""}, {"@name": "", "@type": "=password", "@score": "", "@hash": "", "@history": "", "#text": ""},
                    {"@name": "", "@type": "=password", "#text": ""}, {"@name": "", "@type": "=pin", "#text": ""}, {"@name": "", "@type": "=website", "#text": ""}, {"@name": "", "@type": "=website", "#text": ""},
                    {"@name": "", "@type": "=one_time_password", "#text": ""}, {"@name": "", "@type": "=email", "#text": ""}, {"@name": "", "@type": "=expiry", "#text": ""}, {"@name": "", "@type": "=text"}, "",
                ],
                "label_id": ["=1", "=2", ""], "notes": "", "image": {"@id": "", "#text": "=AAEC"}, "file": [{"@name": "", "#text": "=AAEC"}, {"@name": "", "#text": ""}], "custom_icon": "",
            },
            {"@title": "", "field": {"@name": "", "@type": "=email", "#text": ""}, "notes": {"@x": "", "#text": ""}},
            "",
        ],
    })
}

fn password_depot() -> Value {
    json!({
        "header": {"application": "", "version": "", "uniqueid": "", "encrypted": "=False", "lastmodified": {"@fmt": "", "#text": ""}},
        "passwords": {"group": [
            {
                "@name": "", "@fingerprint": "",
                "item": [
                    {
                        "description": "", "type": "", "password": "", "username": "", "url": "", "comment": "", "category": "", "tags": "", "fingerprint": "", "created": {"@fmt": "", "#text": ""}, "lastmodified": "",
                        "expirydate": "", "usagecount": "", "urls": {"url": ["", ""]}, "customfields": {"field": [{"name": "", "value": "", "type": "=1", "visible": "", "kind": ""}, {"name": "=IDS_CardNumber", "value": ""}, {"name": "", "value": {"@x": "", "#text": ""}}, {"name": ""}]},
                    },
                    {"description": "", "expirydate": {"@fmt": "", "#text": "=03.02.2025"}},
                ],
                "group": {"@name": ""},
            },
            {"@name": ""},
        ]},
        "favorites": "",
    })
}

fn delinea() -> Value {
    json!({
        "Folders": {"Folder": [{"FolderName": "", "FolderPath": "", "Permissions": {"Permission": ""}}, {"FolderName": ""}]},
        "Groups": {"Group": {"GroupName": ""}},
        "Secrets": {"Secret": [
            {
                "SecretName": "", "SecretTemplateName": "", "FolderPath": "", "TotpKey": "", "TotpBackupCodes": "",
                "SecretItems": {"SecretItem": [
                    {"FieldName": "", "Slug": "=username", "Value": ""}, {"FieldName": "", "Slug": "=password", "Value": ""}, {"FieldName": "", "Slug": "=password", "Value": ""}, {"FieldName": "", "Slug": "=machine", "Value": ""},
                    {"FieldName": "", "Slug": "=notes", "Value": ""}, {"FieldName": "", "Slug": "=url", "Value": ""}, {"FieldName": "", "Slug": "", "Value": ""}, {"FieldName": "", "Slug": "=empty"},
                ]},
            },
            {"SecretName": "", "SecretItems": {"SecretItem": {"FieldName": "", "Slug": "=host", "Value": {"@x": "", "#text": ""}}}}, "",
        ]},
    })
}

fn sticky() -> Value {
    json!({"Database": {
        "Groups": {"Group": [{"@ID": "=g", "@Name": "", "@ParentID": ""}, {"@ID": "", "@Name": ""}]},
        "Logins": {"Login": [{"@ID": "=a", "@Name": "", "@Password": ""}, {"@ID": "=b", "@Name": "", "@Password": ""}, {"@ID": "=c", "@Name": "", "@Password": ""}]},
        "Accounts": {"Account": [
            {"@ID": "", "@Name": "", "@Link": "", "@ParentID": "=g", "@Comments": "", "@UsageCount": "", "LoginLinks": {"Login": [{"@SourceLoginID": "=a"}, {"@SourceLoginID": "=b"}, {"@SourceLoginID": ""}]}},
            {"@ID": "", "@Name": "", "@ParentID": ""},
        ]},
        "SecureMemos": {"Memo": {"@Name": ""}},
    }})
}

fn keepassx() -> Value {
    json!({"group": [
        {"title": "", "icon": "", "entry": [
            {"title": "", "username": "", "password": "", "url": "", "comment": "", "icon": "", "creation": "", "lastaccess": "", "lastmod": "", "expire": "=Never", "bindesc": "", "bin": "=AAEC"},
            {"title": "", "expire": "=2027-01-02T03:04:05", "bindesc": "", "bin": ""}, "",
        ], "group": {"title": "", "entry": {"title": {"@x": "", "#text": ""}, "expire": ""}}},
        {"title": ""},
    ]})
}

fn revelation() -> Value {
    json!({"@version": "", "@dataversion": "", "entry": [
        {"@type": "=folder", "name": "", "description": "", "updated": "", "entry": [
            {"@type": "", "name": "", "description": "", "notes": "", "updated": "", "field": [
                {"@id": "=generic-username", "#text": ""}, {"@id": "=generic-password", "#text": ""}, {"@id": "=generic-hostname", "#text": ""}, {"@id": "=generic-email", "#text": ""},
                {"@id": "=creditcard-cardnumber", "#text": ""}, {"@id": "=generic-port", "#text": ""}, {"@id": "", "#text": ""}, {"@id": "=generic-url", "#text": ""}, "",
            ]},
            {"@type": "=folder", "name": ""},
        ]},
        {"@type": "", "name": "", "field": {"@id": "=generic-email", "#text": ""}},
    ]})
}

fn syspass() -> Value {
    json!({
        "Meta": {"Generator": "", "Version": "", "More": ""},
        "Categories": {"Category": {"@id": "=1", "name": "", "description": ""}},
        "Clients": {"Client": [{"@id": "=1", "name": "", "description": ""}, {"@id": "=2", "name": ""}]},
        "Tags": {"Tag": {"@id": "=1", "name": ""}},
        "Accounts": {"Account": [
            {"@id": "", "name": "", "clientId": "=1", "categoryId": "=1", "login": "", "url": "", "notes": "", "pass": null, "key": "", "tags": {"tag": [{"@id": "=1"}, {"@id": ""}]}},
            {"@id": "", "name": "", "clientId": "", "categoryId": ""},
            {"@id": "", "name": "", "pass": "", "key": ""},
        ]},
    })
}

/// The document as XML; what is no name there is written as one.
pub(super) fn written(name: &str, value: &Value) -> String {
    let escaped = |text: &str| {
        text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
    };
    match value {
        Value::Null => format!("<{name}/>"),
        Value::Array(list) => list.iter().map(|one| written(name, one)).collect::<Vec<_>>().join("\n"),
        Value::Object(members) => {
            let (mut attributes, mut inside) = (String::new(), String::new());
            for (member, value) in members {
                let text = value.as_str().unwrap_or_default();
                match member.strip_prefix('@') {
                    Some(attribute) => {
                        attributes.extend([" ", attribute, "=\"", &escaped(text), "\""]);
                    }
                    None if member == "#text" => inside += &escaped(text),
                    None => inside += &written(&member.replace("~/", "."), value),
                }
            }
            format!("<{name}{attributes}>{inside}</{name}>")
        }
        Value::String(text) => format!("<{name}>{}</{name}>", escaped(text)),
        other => format!("<{name}>{other}</{name}>"),
    }
}
