//! Cells of managers' tables that hold more than one value.

use super::strangers::{fields, named, password};
use keyferry_crypto::model::Record;

fn records(format: &str, file: &str) -> Vec<Record> {
    let found = named(format, file.as_bytes());
    assert!(!found.notes.iter().any(|note| note.starts_with("rejected: ")), "{format}: {:?}", found.notes);
    found.records
}

#[test]
fn what_is_neither_a_login_nor_a_note_in_the_table_of_proton_has_fields_and_no_secret_in_its_note() {
    let found = records(
        "protonpass-csv",
        concat!(
            "type,name,url,email,username,password,note,totp,createTime,modifyTime,vault\n",
            r#"identity,Me,,,,,"{""fullName"":""Ann"",""socialSecurityNumber"":""123"",""extraPersonalDetails"":[{""fieldName"":""Own"",""type"":""hidden"",""data"":{""content"":""z""}}],""note"":""hello""}",,1,2,V"#,
            "\n",
            r#"wifi,Net,,,,,"{""ssid"":""net"",""password"":""pw"",""security"":2,""sections"":[],""note"":""""}",,1,2,V"#,
            "\n",
            r#"custom,C,,,,,"{""sections"":[{""sectionName"":""s"",""sectionFields"":[{""fieldName"":""K"",""type"":""hidden"",""data"":{""content"":""v""}}]}],""more"":{""a"":7}}",,1,2,V"#,
            "\n",
            r#"login,L,,,u,p,"{""not"":""one of theirs""}",,1,2,V"#,
            "\n",
        ),
    );
    assert_eq!(found[0].description, "hello");
    assert_eq!(
        fields(&found[0]),
        [("fullName", "text", "Ann"), ("socialSecurityNumber", "password", "123"), ("Own", "password", "z")]
    );
    assert_eq!((password(&found[1]), found[1].description.as_str()), ("pw", ""));
    assert_eq!(fields(&found[1]), [("SSID", "text", "net"), ("security", "text", "2")]);
    assert_eq!(fields(&found[2]), [("K", "password", "v"), ("content.more.a", "text", "7")]);
    assert_eq!(found[3].description, "{\"not\":\"one of theirs\"}");
}

#[test]
fn the_bare_form_of_zoho_has_cells_beyond_its_header() {
    let bare = "Secret Name,Secret URL,SecretData\nA,https://a,\"User Name:u\nPassword:p\n\",n,\"Port:22\"\n";
    let found = records("csv", bare);
    assert_eq!((found[0].login.as_str(), password(&found[0])), ("u", "p"));
    let bare = "Password Name,Description,Password URL\nA,d,https://a,\"SecretType:Web Account\nUser Name:u\nPassword:p:w\n\",note\nB,d,https://b,u,p\n";
    let found = records("csv", bare);
    assert_eq!((found[0].login.as_str(), password(&found[0])), ("u", "p:w"));
    assert_eq!(found[0].description, "d\n\nnote");
    // Whatever they are, they are nowhere in the clear.
    assert_eq!(
        fields(&found[1]),
        [("Further column 1", "password", "u"), ("Further column 2", "password", "p")]
    );
}

#[test]
fn values_of_several_lines_belong_to_their_label() {
    let zoho = "Password Name,SecretData,Notes,CustomData\nK,\"SecretType:SSH Key\nUser Name:u\nPrivate Key:-----BEGIN X-----\nProc-Type: 4\nabc\n-----END X-----\nPassword:p\n\",,\n";
    let found = records("zoho-csv", zoho);
    assert_eq!((found[0].login.as_str(), password(&found[0])), ("u", "p"));
    let key = "-----BEGIN X-----\nProc-Type: 4\nabc\n-----END X-----";
    assert_eq!(fields(&found[0]), [("Private Key", "password", key)]);
    // A label of the user's own, whose note would be in the clear.
    let lastpass = "url,username,password,totp,extra,name,grouping,fav\nhttp://sn,,,,\"NoteType:Custom_12\nLanguage:en\nAPI Key:abc\nmore\nSite:https://a.example\nNotes:x\nPIN:1\",c,,0\n";
    let found = records("lastpass-csv", lastpass);
    assert_eq!(
        fields(&found[0]),
        [("API Key", "password", "abc\nmore"), ("Site", "text", "https://a.example")]
    );
    assert_eq!(found[0].description, "x\nPIN:1");
    // What stands before the first label is no label's.
    let before = "url,username,password,totp,extra,name,grouping,fav\nhttp://sn,,,,\"NoteType:Server\nfree text\nHostname:h\nNotes:n\",c,,0\nhttp://sn,,,,\"NoteType:Mine\nfree text\",d,,0\n";
    let found = records("lastpass-csv", before);
    assert_eq!(
        (found[0].description.as_str(), fields(&found[0])),
        ("free text\nn", vec![("Hostname", "text", "h")])
    );
    assert_eq!(found[1].description, "NoteType:Mine\nfree text");
}

#[test]
fn secrets_of_smaller_tables_are_hidden_and_folders_are_places() {
    let agent = "n,u,p,http://b,x,2020-01-01,2020-02-01,Ops > Net,\n";
    let found = records("passwordagent-csv", agent);
    assert_eq!(found[0].path.to_string(), "Ops / Net");
    assert_eq!(fields(&found[0]).len(), 2);
    let ten = "0,n,u,p,note of it,http://b,x,,,Ops > Net\n";
    let found = records("passwordagent-csv", ten);
    let record = &found[0];
    assert_eq!((record.name.as_str(), record.login.as_str(), password(record)), ("n", "u", "p"));
    assert_eq!((record.url.as_str(), record.description.as_str()), ("http://b", "note of it"));
    assert_eq!((record.label().as_str(), fields(record).len()), ("Ops / Net / n", 1));
    let key = "kind,name,login,password,tk_export_version,cardholder,number\ncc,c,,,1,H,4111\n";
    assert_eq!(fields(&records("truekey-csv", key)[0])[2], ("number", "password", "4111"));
    let keeper = "F,T,l,p,https://u,n,S#edit,$securityQuestion::1,Pet? Rex\n";
    assert_eq!(fields(&records("keeper-csv", keeper)[0]), [("securityQuestion", "password", "Pet? Rex")]);
    let plain = "name,password,Card number,Security code\na,p,4111,123\n";
    assert!(fields(&records("csv", plain)[0]).iter().all(|(_, kind, _)| *kind == "password"));
}

#[test]
fn a_template_without_a_password_is_its_manager_s_all_the_same() {
    let key = "Secret Name,Folder,Private Key,TOTP Key,TOTP Backup Codes\nA,\\Ops\\Net,k,,\n";
    let found = records("csv", key);
    assert_eq!(found[0].label(), "Ops / Net / A");
    assert_eq!(fields(&found[0]), [("Private Key", "password", "k")]);
}

#[test]
fn the_holder_of_a_card_of_psono_is_not_taken_for_the_name_of_the_item() {
    let file = r#"{"folders":[],"items":[{"type":"credit_card","name":"C","credit_card_title":"C","credit_card_name":"H"},{"type":"note","name":"N","note_title":"M","note_notes":"n"}]}"#;
    let found = records("psono-json", file);
    assert_eq!(fields(&found[0]), [("Cardholder name", "text", "H")]);
    assert_eq!((found[1].name.as_str(), fields(&found[1])), ("M", vec![("name", "text", "N")]));
}

#[test]
fn cards_and_accounts_of_dashlane_have_the_labels_of_every_card_and_a_name() {
    let file = r#"{"PAYMENTMEANS_CREDITCARD":[{"name":"C","cardNumber":"4111","securityCode":"1","expireMonth":"8","expireYear":"2031","owner":"H"},{"name":"D","expireMonth":"8"}],"BANKSTATEMENT":[{"BankAccountName":"B"}],"AUTHENTIFIANT":[]}"#;
    let found = records("dashlane-json", file);
    assert_eq!(
        fields(&found[0]),
        [
            ("Expiry", "text", "2031-08"),
            ("Card number", "password", "4111"),
            ("Security code", "password", "1"),
            ("Cardholder name", "text", "H")
        ]
    );
    assert_eq!((fields(&found[1]), found[2].name.as_str()), (vec![("expireMonth", "text", "8")], "B"));
}
