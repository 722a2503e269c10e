//! Files as people have them beyond the samples: packed anew, wrapped once more, of newer and older builds. Each value ends where
//! a person looks for it, and what is secret is hidden.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::conservation::zipped_all;
use super::sealed::{Read, read};
use keyferry_crypto::model::Record;
use keyferry_formats::ReadOptions;
use keyferry_formats::detect::detect;
use serde_json::json;

/// The records of a file that is known by itself to be of this format.
fn found(format: &str, bytes: &[u8]) -> Vec<Record> {
    assert_eq!(detect(bytes, None).unwrap().name(), format);
    named(format, bytes).records
}

/// The same of a file whose format is named.
fn named(format: &str, bytes: &[u8]) -> Read {
    let found = read(format, bytes, &ReadOptions::default()).unwrap();
    assert_eq!(found.values.lost(), 0, "{format}: {:?}", found.values);
    found
}

/// Labels, types and values of custom fields.
fn fields(record: &Record) -> Vec<(&str, &str, &str)> {
    record.customs.iter().map(|one| (one.name.as_str(), one.kind.as_str(), one.value.expose())).collect()
}

fn password(record: &Record) -> &str {
    record.password.as_ref().map_or("", |password| password.expose())
}

#[test]
fn rows_in_one_more_layer_of_quotes_are_read_as_without_it() {
    let plain = "Organisationseinheit;DataTags;Beschreibung;Benutzername;Passwort;Web page;Kommentare\n\
                 Ops\\Net;;srv;u;\"p;\"\"q\";https://a.example;n\n";
    let wrap = |line: &str| format!("\"{}\"\r\n", line.replace('"', "\"\""));
    let wrapped: String = plain.lines().map(wrap).collect();
    for text in [plain, &wrapped] {
        let records = found("netwrix-csv", text.as_bytes());
        let record = &records[0];
        assert_eq!(record.label(), "Ops / Net / srv");
        assert_eq!((password(record), record.url.as_str()), ("p;\"q", "https://a.example"));
    }
    // What a spreadsheet made of a table with commas: rows without quotes need no layer.
    let table = "\"name,login,password\"\n\"\"\"a, b\"\",u,\"\"p\nq\"\"\"\nc,v,w\n";
    let records = found("csv", table.as_bytes());
    assert_eq!((records[0].name.as_str(), password(&records[0])), ("a, b", "p\nq"));
    assert_eq!((records[1].name.as_str(), password(&records[1])), ("c", "w"));
    let told = named("csv", table.as_bytes()).notes;
    assert!(
        told.iter().any(|note| note.contains("one more layer of quotes, which is taken off")),
        "{told:?}"
    );
}

#[test]
fn columns_of_less_known_exports_mean_what_they_say() {
    let records = found("csv", b"hostname,username,password\nhttps://a.example,u,p\n");
    assert_eq!((records[0].url.as_str(), records[0].name.as_str()), ("https://a.example", "a.example"));
    let records = found("csv", b"Path/Group,Title,Username,Password\nRoot/Ops,srv,u,p\n");
    assert_eq!(records[0].label(), "Root / Ops / srv");
    // A table that only its name tells is meant where it is named.
    let told = named("yoti-csv", b"Name,User name,Password,URL\na,u,p,b\n").notes;
    assert!(told.iter().any(|note| note.starts_with("read as yoti-csv")), "{told:?}");
    let records = named("keeper-csv", b"F,a,u,p,,,,$paymentCard,4111,$pinCode,12,$text:Own:1,x\n").records;
    assert_eq!(
        fields(&records[0]),
        [("paymentCard", "password", "4111"), ("pinCode", "password", "12"), ("Own", "text", "x")]
    );
}

#[test]
fn columns_of_psono_are_hidden_where_they_are_secrets() {
    let table = "path,type,website_password_title,environment_variables_title,environment_variables_variables,\
                 credit_card_title,credit_card_number,credit_card_cvc,ssh_own_key_title,ssh_own_key_private,elster_certificate_retrieval_code\n\
                 A/B,environment_variables,,env,\"[{\"\"key\"\":\"\"K\"\",\"\"value\"\":\"\"v\"\"},{\"\"key\"\":\"\"L\"\",\"\"value\"\":\"\"w\"\"}]\",,,,,,\n\
                 ,credit_card,,,,card,4111,123,,,\n,ssh_own_key,,,,,,,key,PEM,\n,elster_certificate,,,,,,,,,code\n";
    let records = found("psono-csv", table.as_bytes());
    assert_eq!(fields(&records[0]), [("K", "password", "v"), ("L", "password", "w")]);
    assert_eq!(
        fields(&records[1]),
        [("Card number", "password", "4111"), ("Security code", "password", "123")]
    );
    assert_eq!(fields(&records[2]), [("Private key", "password", "PEM")]);
    assert_eq!(fields(&records[3]), [("retrieval_code", "password", "code")]);
    let table = table.replace("\"[{", "\"{");
    assert_eq!(fields(&found("psono-csv", table.as_bytes())[0])[0].0, "variables");
}

#[test]
fn codes_that_nobody_computes_are_hidden_in_tables_too() {
    let table = "folder,favorite,type,name,notes,fields,reprompt,login_uri,login_username,login_password,login_totp\n\
                 ,,login,a,,,0,,u,p,steam://GEZDGNBVGY3TQOJQ\n,,login,b,,,0,,u,p,otpauth://totp/x?secret=GEZDGNBVGY3TQOJQ\n";
    let records = found("bitwarden-csv", table.as_bytes());
    assert_eq!(fields(&records[0]), [("TOTP", "password", "steam://GEZDGNBVGY3TQOJQ")]);
    assert_eq!(records[1].customs[0].kind.as_str(), "totp");
    let told = named("bitwarden-csv", table.as_bytes()).notes;
    assert!(told.iter().any(|note| note.contains("cannot be computed")), "{told:?}");
}

#[test]
fn both_forms_of_msecure_are_read() {
    let new =
        "srv|12,Login,\"a,b\",n\\nm,Website|2|https://a.example,Username|7|u,Password|8|p,PIN|9|12,Own|3|x\n";
    let records = named("msecure-csv", new.as_bytes()).records;
    let record = &records[0];
    assert_eq!((record.name.as_str(), record.login.as_str(), password(record)), ("srv", "u", "p"));
    assert_eq!((record.url.as_str(), record.description.as_str()), ("https://a.example", "n\nm"));
    assert_eq!(record.tags, ["a", "b"]);
    assert_eq!(fields(record), [("Type", "text", "Login"), ("PIN", "password", "12"), ("Own", "text", "x")]);
    let old = named("msecure-csv", b"Work/Home,Login,srv,n,https://a.example,u,p\n").records;
    assert_eq!(old[0].label(), "Work/Home / srv");
}

#[test]
fn documents_of_managers_hide_and_place_what_they_hold() {
    let enpass = json!({"items": [{"category": "login", "template_type": "login.default", "title": "a", "fields": [
        {"type": "email", "label": "E-mail", "value": "m@a.example"}, {"type": "email", "label": "E-mail", "value": "n@a.example"}]}]});
    let records = found("enpass-json", enpass.to_string().as_bytes());
    assert_eq!(records[0].login, "m@a.example");
    assert_eq!(fields(&records[0]), [("E-mail", "text", "n@a.example")]);

    let own =
        json!([{"label": "K", "type": "secret", "value": "s"}, {"label": "T", "type": "text", "value": "t"}]);
    let cloud = json!({"version": 2, "passwords": [{"id": "1", "label": "a", "password": "p", "customFields": own.to_string(), "revision": "r", "folder": ""}]});
    let records = found("nextcloud-json", cloud.to_string().as_bytes());
    assert_eq!(fields(&records[0]), [("K", "password", "s"), ("T", "text", "t")]);

    let file = json!({"filename": "k.pem", "file_data": "data:text/plain;base64,aGk=", "size": 2});
    let passman = json!([{"credential_id": 1, "label": "a", "custom_fields": [
        {"label": "Key of the gate", "field_type": "file", "secret": false, "value": file}]}]);
    let records = found("passman-json", passman.to_string().as_bytes());
    assert_eq!(records[0].attachments[0].name, "k.pem");
    assert_eq!(records[0].attachments[0].content.expose(), b"hi");
    assert_eq!(fields(&records[0]), [("File", "text", "Key of the gate")]);

    let dashlane = json!({"AUTHENTIFIANT": [], "PAYMENTMEANS_CREDITCARD": [{"name": "a", "cardNumber": "4111", "securityCode": "123", "owner": "o"}]});
    let records = found("dashlane-json", dashlane.to_string().as_bytes());
    assert_eq!(
        fields(&records[0]),
        [("cardNumber", "password", "4111"), ("securityCode", "password", "123"), ("owner", "text", "o")]
    );

    let note = "NoteType:Server\nHostname:h\nUsername:u\nPassword:p\nNotes:n";
    let lastpass = json!([{"id": "1", "name": "a", "fullname": "a", "username": "", "password": "", "group": "", "url": "http://sn", "note": note}]);
    let records = found("lastpass-json", lastpass.to_string().as_bytes());
    let record = &records[0];
    assert_eq!((record.login.as_str(), password(record), record.description.as_str()), ("u", "p", "n"));

    // Kinds of the same name are another manager's.
    let boss = json!({"folders": [], "items": [{"name": "a", "type": "credit_card", "identifiers": {"cardNumber": "4111"}}]});
    assert_eq!(found("passwordboss-json", boss.to_string().as_bytes())[0].name, "a");
}

#[test]
fn secrets_that_are_no_base32_keep_their_case_and_their_pin() {
    let stratum = json!({"Authenticators": [{"Type": 3, "Issuer": "I", "Secret": "abcdef0123", "Pin": "1234", "Digits": 6, "Period": 10}]});
    let records = found("stratum", stratum.to_string().as_bytes());
    let code = fields(&records[0]);
    assert!(code[0].1 == "password" && code[0].2.contains("secret=abcdef0123"), "{code:?}");
    assert_eq!(code[1], ("PIN", "password", "1234"));
}

#[test]
fn folders_of_proton_pass_are_places() {
    let item = json!({"data": {"metadata": {"name": "a"}, "type": "note", "content": {}}, "folderId": "2", "state": 1});
    let vault = json!({"name": "V", "items": [item], "folders": [
        {"folderId": "1", "name": "Ops"}, {"folderId": "2", "parentFolderId": "1", "name": "Net"}, {"folderId": "3", "name": "empty"}]});
    let document = json!({"version": "1", "encrypted": false, "vaults": {"x": vault}});
    assert_eq!(found("protonpass-json", document.to_string().as_bytes())[0].label(), "V / Ops / Net / a");
    let told = named("protonpass-json", document.to_string().as_bytes()).notes;
    assert!(told.iter().any(|note| note == "empty: V / empty"), "{told:?}");
}

/// A zip archive as programs write it that do not know lengths beforehand: they follow the content.
fn streamed(members: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in members {
        let at = u32::try_from(out.len()).unwrap().to_le_bytes();
        let length = u32::try_from(content.len()).unwrap().to_le_bytes();
        let check = crc32fast::hash(content).to_le_bytes();
        let lengths = u16::try_from(name.len()).unwrap().to_le_bytes();
        out.extend(b"PK\x03\x04\x14\0\x08\x08\0\0\0\0\0\0");
        out.extend([0; 12]);
        out.extend(lengths);
        out.extend([0; 2]);
        out.extend(name.as_bytes());
        out.extend(*content);
        out.extend(b"PK\x07\x08");
        for part in [check, length, length] {
            out.extend(part);
        }
        directory.extend(b"PK\x01\x02\x14\0\x14\0\x08\x08\0\0\0\0\0\0");
        for part in [check, length, length] {
            directory.extend(part);
        }
        directory.extend(lengths);
        directory.extend([0; 12]);
        directory.extend(at);
        directory.extend(name.as_bytes());
    }
    let count = u16::try_from(members.len()).unwrap().to_le_bytes();
    let end = [directory.len(), out.len()].map(|number| u32::try_from(number).unwrap().to_le_bytes());
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend([count, count].concat());
    out.extend(end.concat());
    out.extend([0; 2]);
    out
}

#[test]
fn archives_that_somebody_packed_anew_are_still_their_managers() {
    let document = json!({"encrypted": false, "folders": [], "items": [{"id": "i1", "type": 1, "name": "a", "login": {"password": "p"}}]}).to_string();
    let members: [(&str, &[u8]); 4] = [
        ("attachments/i1/f.txt", b"hi"),
        ("__MACOSX/._data.json", b"\0\x05\x16\x07"),
        ("attachments/.DS_Store", b"x"),
        ("data.json", document.as_bytes()),
    ];
    for bytes in [zipped_all(&members), streamed(&members)] {
        let records = found("bitwarden-zip", &bytes);
        assert_eq!(records[0].attachments[0].content.expose(), b"hi");
    }
    // The document beyond what is looked at.
    let large = vec![b'x'; 1 << 17];
    let bytes = zipped_all(&[("attachments/i1/f.bin", &large), ("data.json", document.as_bytes())]);
    let head = &bytes[..1 << 16];
    assert_eq!(detect(head, None).unwrap().name(), "bitwarden-zip");
    assert_eq!(named("bitwarden-zip", &bytes).records[0].attachments[0].content.len(), 1 << 17);
    let table = b"type,account_name,account_holder,cc_number\npayment_card,a,o,4111\n";
    assert_eq!(found("dashlane-zip", &streamed(&[("payments.csv", table)])).len(), 1);
}
