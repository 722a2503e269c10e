//! What values mean beyond their names: sections, addresses with passwords, files that are only named, secrets of secrets.

use super::strangers::{fields, named, password};
use keyferry_crypto::model::Record;

/// The one record of a file, and whether a note has these words.
fn one(format: &str, text: &str, told: &str) -> Record {
    let mut found = named(format, text.as_bytes());
    assert_eq!(found.records.len(), 1, "{format}: {:?}", found.notes);
    let is_told = told.is_empty() || found.notes.iter().any(|note| note.contains(told));
    assert!(is_told, "{format}: {told}: {:?}", found.notes);
    found.records.remove(0)
}

#[test]
fn no_reader_leaves_a_password_in_an_address() {
    const TOLD: &str = "an address with a password in it is a hidden field";
    for (format, text, rest) in [
        ("kv-json", r#"{"app":{"uri":"mongodb://u:SECRET@h/db"}}"#, "mongodb://u@h/db"),
        (
            "aws-secrets",
            r#"{"ARN":"a","Name":"n","SecretString":"{\"url\":\"postgres://u:SECRET@h/db\"}"}"#,
            "postgres://u@h/db",
        ),
        (
            "k8s-secret",
            "apiVersion: v1\nkind: Secret\nmetadata: {name: n}\nstringData: {uri: 'amqp://u:SECRET@h/'}\n",
            "amqp://u@h/",
        ),
        ("chrome-csv", "name,url,username,password\na,https://u:SECRET@h/,u,p\n", "https://u@h/"),
        ("csv", "name,url,password\na,\"jdbc:x://h/?password=SECRET\",p\n", "jdbc:x://h/?password="),
        (
            "bitwarden-json",
            r#"{"encrypted":false,"items":[{"type":1,"name":"a","login":{"uris":[{"uri":"ftp://u:SECRET@h/"}]}}]}"#,
            "ftp://u@h/",
        ),
    ] {
        let record = one(format, text, TOLD);
        assert_eq!(record.url, rest, "{format}");
        let hidden = fields(&record).into_iter().find(|(name, ..)| *name == "URL");
        assert!(
            hidden.is_some_and(|(_, kind, value)| kind == "password" && value.contains("SECRET")),
            "{format}"
        );
    }
    // A further address is a field, which is encrypted, and hidden besides.
    let text = r#"{"encrypted":false,"items":[{"type":1,"name":"a","login":{"uris":[{"uri":"https://h/"},{"uri":"ftp://u:SECRET@h/"}]}}]}"#;
    let record = one("bitwarden-json", text, "a field that is an address with a password in it is hidden");
    assert_eq!(fields(&record), [("URL 2", "password", "ftp://u:SECRET@h/")]);
    // A copy of an environment stays equal to it.
    let record = one("jsonl", r#"{"name":"a","url":"postgres://u:SECRET@h/db"}"#, "");
    assert_eq!((&*record.url, fields(&record).len()), ("postgres://u:SECRET@h/db", 0));
}

/// Two sections with a field of one label, in every format that has sections.
fn with_sections(first: &str, second: &str) -> Vec<(&'static str, String)> {
    let proton = |name: &str, value: &str| {
        format!(
            r#"{{"sectionName":"{name}","sectionFields":[{{"fieldName":"password","type":"hidden","data":{{"content":"{value}"}}}}]}}"#
        )
    };
    let one_password = |name: &str, value: &str| {
        format!(
            r#"{{"title":"{name}","name":"x{value}","fields":[{{"title":"password","id":"password","value":{{"concealed":"{value}"}},"indexAtSource":0,"clipboardFilter":{{"characters":"0"}}}}]}}"#
        )
    };
    let one_pif = |name: &str, value: &str| {
        format!(
            r#"{{"title":"{name}","name":"x","fields":[{{"k":"concealed","n":"f{value}","t":"password","v":"{value}"}}]}}"#
        )
    };
    let op = |name: &str, value: &str| {
        format!(
            r#"{{"id":"f{value}","section":{{"id":"x{value}","label":"{name}"}},"type":"CONCEALED","label":"password","value":"{value}"}}"#
        )
    };
    let cxf = |name: &str, value: &str| {
        format!(
            r#"{{"type":"custom-fields","label":"{name}","fields":[{{"fieldType":"concealed-string","label":"password","value":"{value}"}}]}}"#
        )
    };
    let two = |of: &dyn Fn(&str, &str) -> String| {
        let sections =
            [(first, "s1"), (second, "s2")].map(|(name, value)| (!name.is_empty()).then(|| of(name, value)));
        sections.into_iter().flatten().collect::<Vec<_>>().join(",")
    };
    vec![
        (
            "protonpass-json",
            format!(
                r#"{{"version":"1","userId":"u","encrypted":false,"vaults":{{"i":{{"name":"V","items":[{{"itemId":"g","data":{{"metadata":{{"name":"srv"}},"type":"custom","content":{{"sections":[{}]}}}},"state":1}}]}}}}}}"#,
                two(&proton)
            ),
        ),
        (
            "1pux",
            format!(
                r#"{{"accounts":[{{"attrs":{{}},"vaults":[{{"attrs":{{"name":"V"}},"items":[{{"categoryUuid":"110","overview":{{"title":"srv","urls":[{{"url":"https://h","mode":"default"}}]}},"details":{{"sections":[{}]}}}}]}}]}}]}}"#,
                two(&one_password)
            ),
        ),
        (
            "1pif",
            format!(
                r#"{{"uuid":"a","typeName":"securenotes.SecureNote","title":"srv","secureContents":{{"sections":[{}]}}}}
***5642bee8-a5ff-11dc-8314-0800200c9a66***
"#,
                two(&one_pif)
            ),
        ),
        (
            "op-json",
            format!(
                r#"[{{"id":"a","title":"srv","category":"SERVER","vault":{{"id":"v","name":"V"}},"fields":[{}]}}]"#,
                two(&op)
            ),
        ),
        (
            "cxf",
            format!(
                r#"{{"version":{{"major":1,"minor":0}},"exporterRpId":"e","accounts":[{{"items":[{{"id":"a","title":"srv","credentials":[{}]}}]}}]}}"#,
                two(&cxf)
            ),
        ),
    ]
}

#[test]
fn fields_of_several_sections_say_which_they_stand_in() {
    for (format, text) in with_sections("Production", "Staging") {
        let record = one(format, &text, "");
        assert_eq!(
            fields(&record),
            [("Production: password", "password", "s1"), ("Staging: password", "password", "s2")],
            "{format}"
        );
        assert!(record.password.is_none(), "{format}");
    }
}

#[test]
fn fields_of_an_only_section_keep_their_labels_and_its_name_is_told() {
    for (format, text) in with_sections("Production", "") {
        let record = one(format, &text, "the name of an item's only section stays behind");
        let values = (password(&record), fields(&record));
        if format == "1pux" {
            assert_eq!(values, ("s1", vec![]), "{format}");
        } else {
            assert_eq!(values, ("", vec![("password", "password", "s1")]), "{format}");
        }
    }
}

#[test]
fn half_a_character_costs_no_file() {
    for half in [r"\ud83d", r"\ude00", r"\ud83dA", r"\ud83d\ud83d", r"\ud83d\n"] {
        let text = format!(
            r#"{{"encrypted":false,"items":[{{"type":1,"name":"a{half}b","login":{{"password":"p"}}}}]}}"#
        );
        let record = one("bitwarden-json", &text, "a character that the file has only half of");
        assert!(
            record.name.starts_with("a\u{fffd}") && record.name.ends_with('b'),
            "{half}: {}",
            record.name
        );
        assert_eq!(password(&record), "p");
    }
    let whole = r#"{"encrypted":false,"items":[{"type":1,"name":"\ud83d\ude00","login":{}}]}"#;
    assert_eq!(named("bitwarden-json", whole.as_bytes()).records[0].name, "\u{1f600}");
}

#[test]
fn a_file_that_is_only_named_is_told_and_makes_no_fields() {
    let text = r#"[{"object":"item","id":"i","type":1,"name":"a","login":{},"attachments":[{"id":"f","fileName":"k.pem","size":"3","sizeName":"3 B","url":"https://h/f?token=SECRET"}]}]"#;
    let record = one("bitwarden-json", text, "a file is named, but its bytes are not in this file");
    assert!(record.customs.is_empty(), "{:?}", fields(&record));
}

#[test]
fn what_stands_beside_a_secret_in_its_own_field_is_as_secret() {
    let text = r#"[{"id":"a","title":"k","category":"SSH_KEY","vault":{"id":"v","name":"V"},"fields":[{"id":"private_key","type":"SSHKEY","label":"private key","value":"P1","ssh_formats":{"openssh":{"reference":"op://v/k/p","value":"P2"}}}]}]"#;
    let record = one("op-json", text, "");
    assert!(record.customs.iter().all(|one| one.kind.as_str() == "password"), "{:?}", fields(&record));
    assert!(record.customs.iter().any(|one| one.value.expose() == "P2"));
}

#[test]
fn cards_of_older_1password_are_hidden() {
    let text = r#"{"uuid":"a","typeName":"wallet.financial.CreditCard","title":"c","secureContents":{"cardholder":"Ann","ccnum":"4111","cvv":"123","pin":"9","expiry_mm":"7","expiry_yy":"2031"}}
***5642bee8-a5ff-11dc-8314-0800200c9a66***
"#;
    let record = one("1pif", text, "");
    assert_eq!(
        fields(&record),
        [
            ("Cardholder name", "text", "Ann"),
            ("Card number", "password", "4111"),
            ("Security code", "password", "123"),
            ("PIN", "password", "9"),
            ("Expiry", "text", "2031-07"),
        ]
    );
    let text = "title(title),username(username),number(ccnum),verification number(cvv)\nc,u,4111,123\n";
    let record = one("1password7-csv", text, "");
    assert_eq!(fields(&record), [("number", "password", "4111"), ("verification number", "password", "123")]);
}

#[test]
fn a_one_time_code_of_password_safe_is_one_in_its_xml_too() {
    let text = r#"<passwordsafe delimiter=";"><entry id="1"><title>t</title><username>u</username><password>p</password><twofactorkey>GEZDGNBVGY3TQOJQ</twofactorkey><totplength>8</totplength><totptimestep>30</totptimestep></entry></passwordsafe>"#;
    let record = one("pwsafe-xml", text, "");
    assert_eq!(
        fields(&record),
        [("TOTP", "totp", "otpauth://totp/t:u?secret=GEZDGNBVGY3TQOJQ&issuer=t&digits=8")]
    );
}

#[test]
fn what_is_no_one_time_code_is_hidden_and_told_in_tables() {
    const TOLD: &str = "a one-time code of a kind that cannot be computed is a hidden field";
    for code in ["garbage!!", "steam://ABC", "otpauth://hotp/a?secret=GEZDGNBVGY3TQOJQ&counter=1"] {
        let text = format!(
            "folder,favorite,type,name,notes,fields,reprompt,login_uri,login_username,login_password,login_totp\n,,login,a,,,0,,u,p,{code}\n"
        );
        let record = one("bitwarden-csv", &text, TOLD);
        assert_eq!(record.customs[0].kind.as_str(), "password", "{code}");
        // Our own table keeps the type that a field had.
        let told = "a one-time code is of a kind that cannot be computed, or is none";
        let record = one("csv", &format!("name,password,totp\na,p,{code}\n"), told);
        assert_eq!(record.customs[0].kind.as_str(), "totp", "{code}");
    }
}

#[test]
fn lastpass_writes_words_where_there_is_nothing() {
    let note = "NoteType:Address\nPhone:{\"\"num\"\":\"\"15550100\"\",\"\"ext\"\":\"\"7\"\",\"\"cc3l\"\":\"\"USA\"\"}\nBirthday:,\nNotes:";
    let text = format!("url,username,password,extra,name,grouping,fav\nhttp://sn,,,\"{note}\",a,(none),0\n");
    let record = one("lastpass-csv", &text, "");
    assert_eq!(record.label(), "a");
    assert_eq!(fields(&record), [("Phone", "text", "15550100 ext. 7")]);
    let text = r#"[{"id":"1","name":"a","fullname":"a","username":"u","password":"p","group":"(none)","url":"http://","note":""}]"#;
    assert_eq!(one("lastpass-json", text, "").label(), "a");
}

#[test]
fn secrets_that_a_state_does_not_mark_are_taken() {
    for (kind, attributes, secret) in [
        ("random_password", r#"{"result":"S","bcrypt_hash":"H"}"#, "S"),
        ("kubernetes_secret", r#"{"data":{"k":"S"}}"#, r#"{"k":"S"}"#),
        ("vault_generic_secret", r#"{"data_json":"S","path":"p"}"#, "S"),
        ("aws_ssm_parameter", r#"{"value":"S"}"#, "S"),
    ] {
        let text = format!(
            r#"{{"version":4,"terraform_version":"1.9.0","resources":[{{"mode":"managed","type":"{kind}","name":"n","instances":[{{"attributes":{attributes},"sensitive_attributes":[]}}]}}]}}"#
        );
        let record = one("terraform-state", &text, "");
        let hidden = record.customs.iter().filter(|one| one.kind.as_str() == "password");
        let all: Vec<_> = hidden.map(|one| one.value.expose()).chain([password(&record)]).collect();
        assert!(all.contains(&secret), "{kind}: {all:?}");
    }
}

#[test]
fn a_tag_has_one_name() {
    let text = r#"[{"key":"K","value":"v","type":"shared","tags":[{"id":"i","slug":"prod","name":"Prod","color":"red"}]}]"#;
    let record = one("infisical", text, "");
    assert_eq!((record.tags.as_slice(), record.customs.len()), (["Prod".to_owned()].as_slice(), 0));
}

#[test]
fn earlier_passwords_of_op_are_told_as_such() {
    let text = r#"[{"id":"a","title":"k","category":"LOGIN","vault":{"id":"v","name":"V"},"fields":[{"id":"password","type":"CONCEALED","purpose":"PASSWORD","label":"password","value":"p","password_details":{"history":["old"]}}]}]"#;
    let record = one("op-json", text, "earlier passwords do not move into an environment");
    assert_eq!(record.history.len(), 1);
}

#[test]
fn a_table_with_the_columns_of_another_manager_is_refused() {
    let options = keyferry_formats::ReadOptions::default();
    for (format, text, missing) in [
        ("lastpass-csv", "name,url,username,password\na,https://h,u,p\n", "extra, grouping"),
        (
            "dashlane-csv",
            "folder,favorite,type,name,notes,fields,reprompt,login_uri,login_username,login_password,login_totp\n,,login,a,,,0,,u,p,\n",
            "username2",
        ),
    ] {
        let error = super::sealed::read(format, text.as_bytes(), &options).err();
        let what = error.map(|error| error.what().to_owned()).unwrap_or_default();
        assert!(what.contains(missing), "{format}: {what}");
    }
}

#[test]
fn remarks_on_rows_name_their_line() {
    let text = "Name,Url,MatchUrl,Login,Pwd,Note,Folder,RfFieldsV2\na,https://h,,'@u,p,,,\n";
    one("roboform-csv", text, "line 2: an apostrophe is taken");
}
