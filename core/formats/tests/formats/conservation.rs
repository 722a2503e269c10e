//! The law of conservation: every value of a file ends in a record, in a place, in a reference that was resolved, or in a
//! remark or reject that names where it stands. And its other half: no remark, reject or error shows a value.
//!
//! A format without a sample here fails the test.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::documents::shapes;
use super::markup;
use super::wrapping;
use keyferry_crypto::model::{Entry, Record, Values};
use keyferry_crypto::secret::SecretString;
use keyferry_formats::{Format, ReadOptions, detect::detect, json_line, reader};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{Cursor, Write as _};

/// A file with a unique token in each of its values, and where each stands.
struct Planted {
    format: Format,
    text: String,
    /// The places by token: a JSON pointer, or line and column.
    places: BTreeMap<String, String>,
    /// Members that are references, as the reader's own documentation lists them.
    resolved: &'static [&'static str],
    /// Values that are no token: words that a reader has to know.
    fixed: usize,
    /// The member of a zip archive that the text is.
    member: Option<&'static str>,
}

impl Planted {
    fn bytes(&self) -> Vec<u8> {
        match self.format.name() {
            "padloc" => return wrapping::padloc(&self.text),
            "buttercup" => return wrapping::buttercup('b', &self.text),
            "xlsx" => return wrapping::xlsx(&self.text),
            "ods" => return wrapping::ods(&self.text),
            _ => {}
        }
        self.member
            .map_or_else(|| self.text.clone().into_bytes(), |member| zipped(member, self.text.as_bytes()))
    }
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
        "bitwarden-json" | "bitwarden-protected" => exports_of_bitwarden(format),
        // Their values stand in no text: `keepass_conservation`, `kdb`, `op_vault`, `psafe` and `sealed`.
        // `openpgp` holds other formats, and `xls` goes the way of its neighbours: `containers`.
        "keepass-xml" | "kdbx" | "kdb" | "psafe3" | "ansible-vault" | "sops" | "openpgp" | "opvault"
        | "xls" => Vec::new(),
        "xlsx" | "ods" => {
            vec![table(
                format,
                "vault,folder,name,login,password,url,description,tags,totp,color,favorite,Own",
                3,
            )]
        }
        name => {
            let tables: Vec<_> = TABLES.iter().filter(|(of, ..)| *of == name).collect();
            if tables.is_empty() {
                return documents(format);
            }
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
        "chrome-sqlite-csv",
        "origin_url,action_url,username_value,password_value,display_name,date_created,times_used,more",
        1,
    ),
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
    ("chrome-csv", "name,url,username,password,note", 2),
    ("firefox-csv", "hostname,username,password,formSubmitURL,httpRealm,usernameField,passwordField", 1),
    (
        "1password7-csv",
        "UUID,TITLE,USERNAME,PASSWORD,URL,URLS,EMAIL,MASTER-PASSWORD,ACCOUNT-KEY,SCOPE,AUTOSUBMIT,TAGS,NOTES,NAME 1: FIRST NAME,2: NUMBER",
        1,
    ),
    (
        "1password7-csv",
        "title(title),username(username),password(password),notesPlain(notesPlain),account number(accountNo)",
        2,
    ),
    ("roboform-csv", "Name,Url,MatchUrl,Login,Pwd,Note,Folder,RfFieldsV2", 2),
    ("keeper-csv", "a,b,c,d,e,f,g,h,i,j,k", 2),
    (
        "cyberark-csv",
        "Password_name,TemplateSafe,CPMUser,Safe,Folder,Password,DeviceType,PolicyID,Address,UserName,HostName",
        2,
    ),
    ("pmp-csv", "Resource Name,Account Name,Password,DNS Name,Resource URL,Department,Notes,Description", 2),
    (
        "passwordstate-csv",
        "PasswordListID,Password List,TreePath,PasswordID,Title,DomainOrHost,UserName,Description,Notes,URL,Password,OTPUri,Generic Field 1",
        1,
    ),
    (
        "netwrix-csv",
        "Organisationseinheit;DataTags;Beschreibung;Benutzername;Passwort;Internetseite;Informationen;One-Time Passwort;EMail-Adresse;Webseite1",
        2,
    ),
    (
        "devolutions-csv",
        "ConnectionType,Name,Group,Host,CredentialUserName,CredentialDomain,CredentialPassword,Description",
        2,
    ),
    (
        "itglue-csv",
        "organization,name,password_category,username,password,url,notes,otp_secret,resource_type,resource_id",
        1,
    ),
    ("hudu-csv", "company_name,name,username,password,url,description,otp_secret,password_type", 2),
    (
        "passportal-csv",
        "Passportal ID,Client Name,Credential Type,Username,Password,Description,Expires,Notes,URL,TOTP",
        1,
    ),
    ("teampass-csv", "id,label,description,pw,login,restricted_to,perso,url,email,kbs,tags,folder", 1),
    (
        "nextcloud-csv",
        "Label,Username,Password,Notes,Url,Custom Fields,Folder,Tags,Favorite,Edited,Id,Revision,Folder Id",
        1,
    ),
    (
        "psono-csv",
        "path,type,website_password_title,website_password_url,website_password_username,website_password_password,credit_card_number",
        2,
    ),
    ("passman-csv", "label,username,password,email,description,tags,url,custom_fields,files", 2),
    ("padloc-csv", "name,tags,username,password,note,category", 2),
    ("enpass-csv", "a,b,c,d,e,f", 2),
    ("passpack-csv", "Entry Name,URL,User ID,Password,Notes,Shared Notes,Tags,Extra Fields,Email", 2),
    ("myki-csv", "nickname,url,username,password,additionalInfo,twofaSecret,status,tags", 1),
    (
        "truekey-csv",
        "kind,name,login,password,url,memo,favorite,hexColor,protectedWithPassword,tk_export_version",
        1,
    ),
    (
        "remembear-csv",
        "type,name,website,username,password,notes,trash,cardholder,number,verification,expiry",
        2,
    ),
    (
        "encryptr-csv",
        "Entry Type,Label,Password,Username,Site URL,Notes,Text,Type,Name on card,Card Number,CVV,Expiry",
        2,
    ),
    (
        "codebook-csv",
        "Category,Entry,Note,Username,Email,Password,TOTP,Website,Phone,PIN,Account,Date,Favorite",
        2,
    ),
    ("saferpass-csv", "modelType,modelVersion,url,username,password,notes,favorite,title,text,color", 1),
    ("synology-csv", "Display_Name,Login_Username,Login_Password,Login_URLs,Login_TOTP,Notes,Favorite", 2),
    ("avira-csv", "name,website,username,password,secondary_username", 2),
    ("avast-csv", "name,web,login,password", 2),
    ("blur-csv", "domain,label,username,email,password", 2),
    ("meldium-csv", "DisplayName,UserName,Password,Url,Notes", 2),
    ("securesafe-csv", "Title,Username,Password,URL,Comment", 2),
    ("passkeep-csv", "title,username,password,password2,site,description", 2),
    ("safeincloud-csv", "Title,Login,Password,URL,Notes,OTP", 2),
    ("gorilla-csv", "uuid,group,title,url,user,password,notes", 1),
    ("yoti-csv", "Name,User name,Password,URL", 2),
    ("heylogin-csv", "title,username,password,websites,notes,otp", 2),
    (
        "passwdteam-csv",
        "version,id,name,username,password,note,web,tags,GSuite group IDs - viewers,TOTP - secret",
        1,
    ),
    ("upm-csv", "a,b,c,d,e", 2),
    ("msecure-csv", "a,b,c,d,e,f,g,h,i", 2),
    ("splashid-csv", "a,b,c,d,e,f,g,h", 2),
    ("logmeonce-csv", "a,b,c,d", 2),
    ("datavault-csv", "a,b,c,d,e,f", 2),
    ("passwordagent-csv", "a,b,c,d,e,f,g", 2),
    ("passwordwallet-txt", "a\tb\tc\td\te\tf", 2),
    ("syspass-csv", "a;b;c;d;e;f;g", 2),
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

/// An archive of one member.
pub(super) fn zipped(name: &str, content: &[u8]) -> Vec<u8> {
    zipped_all(&[(name, content)])
}

/// An archive of these members.
pub(super) fn zipped_all(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut archive = rawzip::ZipArchiveWriter::new(&mut out);
    for (name, content) in members {
        let (mut entry, config) = archive.new_file(name).start().unwrap();
        let mut writer = config.wrap(&mut entry);
        writer.write_all(content).unwrap();
        let (_, descriptor) = writer.finish().unwrap();
        entry.finish(descriptor).unwrap();
    }
    archive.finish().unwrap();
    out
}

/// Documents of other tools, and what is no JSON.
#[expect(clippy::too_many_lines, reason = "a table")]
fn documents(format: Format) -> Vec<Planted> {
    let name = format.name();
    if let Some(shape) = shapes(if name == "kv-yaml" { "kv-json" } else { name }) {
        let planted = |value| Planted { member: shape.member, ..document(format, value, shape.resolved) };
        return shape.values.into_iter().map(planted).collect();
    }
    if let Some(markup::Shape { root, values, resolved }) = markup::shapes(name) {
        return values.into_iter().map(|value| markup_document(format, root, value, resolved)).collect();
    }
    let plain = |text: String, places: &[(usize, &str)], fixed| {
        let places = places.iter().map(|(number, at)| (token(*number), (*at).to_owned())).collect();
        vec![Planted { format, text, places, resolved: &["resolved"], fixed, member: None }]
    };
    match name {
        "dashlane-zip" => {
            let header = "username,username2,username3,title,password,note,url,category,otpUrl";
            vec![Planted { member: Some("credentials.csv"), ..table(format, header, 2) }]
        }
        "otpauth-list" => plain(
            format!("otpauth://totp/{}?secret=A\n{}\n", token(0), token(1)),
            &[(0, "line 1"), (1, "line 2")],
            0,
        ),
        // One code: secret 07, name n.
        "google-auth" => plain("otpauth-migration://offline?data=CgYKAQcSAW4%3D\n".to_owned(), &[], 1),
        "dotenv" => plain(
            format!("A={}\nexport B=\"{}\"\nC='{}'\n{}\n", token(0), token(1), token(2), token(3)),
            &[(0, "line 1"), (1, "line 2"), (2, "line 3"), (3, "line 4")],
            0,
        ),
        "pass" => plain(
            format!(
                "{}\nuser: {}\nurl: {}\n{}: {}\n{}\n---\nport: {}\nkeys:\n  - {}\n",
                token(0),
                token(1),
                token(2),
                "field",
                token(3),
                token(4),
                token(5),
                token(6)
            ),
            &[(0, ""), (1, ""), (2, ""), (3, ""), (4, ""), (5, ""), (6, "")],
            0,
        ),
        "netrc" | "pgpass" | "my-cnf" => {
            let (text, places, fixed) = logins_of_programs(name);
            plain(text, places, fixed)
        }
        "1pif" => {
            let mut item = json!({
                "uuid": "", "typeName": "=webforms.WebForm", "title": "", "folderUuid": "", "location": "", "createdAt": "", "openContents": {"tags": [""], "scope": ""},
                "secureContents": {"fields": [{"value": "", "name": "", "type": "", "designation": "=username"}, {"value": "", "name": ""}], "URLs": [{"label": "", "url": ""}], "notesPlain": "",
                    "passwordHistory": [{"value": "", "time": ""}], "sections": [{"title": "", "name": "", "fields": [{"k": "=concealed", "t": "", "v": "", "n": ""}]}]},
            });
            let mut places = BTreeMap::new();
            plant(&mut item, "/0", &mut places);
            let fixed = leaves(&item) - places.len();
            let text = format!("{item}\n***5642bee8-a5ff-11dc-8314-0800200c9a66***\n");
            vec![Planted {
                format,
                text,
                places,
                resolved: &["uuid", "type", "title", "name", "n"],
                fixed,
                member: None,
            }]
        }
        "kaspersky-txt" => plain(
            format!(
                "Websites\n\nWebsite name: {}\nWebsite URL: {}\nLogin name: {}\nLogin: {}\nPassword: {}\nComment: {}\n\n---\n\nName: {}\nText: {}\n---\nWort: {}\n---\nNotes\n\nName:\nLogin: x\n{}, a line that says nothing\n",
                token(0),
                token(1),
                token(2),
                token(3),
                token(4),
                token(5),
                token(6),
                token(7),
                token(8),
                token(9),
            ),
            &[
                (0, ""),
                (1, ""),
                (2, ""),
                (3, ""),
                (4, ""),
                (5, ""),
                (6, ""),
                (7, ""),
                (8, ""),
                (9, "line 21"),
            ],
            0,
        ),
        "ewallet-txt" => plain(
            format!(
                "{}\nUser Name {}\nPassword\t{}\nPIN: {}\nPIN: {}\n{}\n\n{}\n",
                token(0),
                token(1),
                token(2),
                token(3),
                token(4),
                token(5),
                token(6)
            ),
            &[(0, ""), (1, ""), (2, ""), (3, ""), (4, ""), (5, ""), (6, "")],
            0,
        ),
        "buttercup-csv" => {
            let header =
                "!type,!group_id,!group_name,!group_parent,title,username,password,URL,notes,More,More,";
            let resolved = &["line 2, column 1", "line 2, column 2", "line 2, column 4"];
            vec![Planted { resolved, ..table(format, header, 1) }]
        }
        "clipperz-html" => {
            let mut list = json!([{"label": "", "data": {"notes": "", "directLogins": {"x": ""}}, "reference": "", "currentVersion": {"fields": {"f": {"label": "", "value": "", "actionType": "=URL", "hidden": false}, "g": {"label": "", "value": "", "actionType": "", "hidden": true}, "h": {"label": "", "value": ""}, "i": ""}}}, ""]);
            let mut places = BTreeMap::new();
            plant(&mut list, "", &mut places);
            let fixed = leaves(&list) - places.len();
            let text = format!("<html><textarea>{list}</textarea></html>");
            vec![Planted {
                format,
                text,
                places,
                resolved: &["label", "reference", "actionType"],
                fixed,
                member: None,
            }]
        }
        "gnome-keyring" => plain(
            format!(
                "{}\n[keyring]\ndisplay-name={}\nctime={}\nmore={}\n[1]\nitem-type={}\ndisplay-name={}\nsecret={}\nmtime={}\nodd={}\n[1:attribute0]\nname=username\ntype={}\nvalue={}\n[1:attribute1]\nname={}\nvalue={}\nodd={}\n[7:attribute0]\nname={}\n",
                token(0),
                token(1),
                token(2),
                token(3),
                token(4),
                token(5),
                token(6),
                token(7),
                token(8),
                token(9),
                token(10),
                token(11),
                token(12),
                token(13),
                token(14),
            ),
            &[
                (0, "line 1"),
                (1, ""),
                (2, "line 2/resolved"),
                (3, "line 2/more"),
                (4, "line 6/resolved"),
                (5, ""),
                (6, ""),
                (7, "line 6/mtime"),
                (8, ""),
                (9, "line 11/resolved"),
                (10, ""),
                (11, ""),
                (12, ""),
                (13, ""),
                (14, "line 20/name"),
            ],
            1,
        ),
        "networkmanager" => plain(
            format!(
                "{}\n[connection]\nid={}\nuuid={}\nmore={}\n[wifi-security]\npsk={}\nkey-mgmt={}\n[802-1x]\nidentity={}\npassword={}\n[vpn]\nuser={}\ngateway={}\n[vpn]\nuser={}\n",
                token(0),
                token(1),
                token(2),
                token(3),
                token(4),
                token(5),
                token(6),
                token(7),
                token(8),
                token(9),
                token(10),
            ),
            &[
                (0, "line 1"),
                (1, ""),
                (2, "resolved"),
                (3, ""),
                (4, ""),
                (5, ""),
                (6, ""),
                (7, ""),
                (8, ""),
                (9, ""),
                (10, ""),
            ],
            0,
        ),
        "apple-keychain" => plain(
            format!(
                "{}\nkeychain: \"{}\"\nversion: 512\nclass: \"inet\"\nattributes:\n    0x00000007 <blob>=\"{}\"\n    \"acct\"<blob>=\"{}\"\n    \"cdat\"<timedate>=\"{}\"\n    \"srvr\"<blob>=\"{}\"\n    \"svce\"<blob>=\"{}\"\n    \"crtr\"<uint32>=\"{}\"\n    \"odd\"<blob>=\"{}\"\n{}\ndata:\n\"{}\"\n",
                token(0),
                token(1),
                token(2),
                token(3),
                token(4),
                token(5),
                token(6),
                token(7),
                token(8),
                token(9),
                token(10),
            ),
            &[
                (0, "line 1"),
                (1, "resolved"),
                (2, ""),
                (3, ""),
                (4, "line 2/cdat"),
                (5, ""),
                (6, ""),
                (7, "line 2/crtr"),
                (8, ""),
                (9, "line 13"),
                (10, ""),
            ],
            2,
        ),
        _ => panic!("{name} has no sample: every reader has to keep the law"),
    }
}

/// Files of logins that are no JSON: the text, where its tokens stand, and how many values are none.
fn logins_of_programs(name: &str) -> (String, &'static [(usize, &'static str)], usize) {
    match name {
        "netrc" => (
            format!(
                "{} {}\nmachine {}\n  login {}\n  password \"{}\"\ndefault account {} port {}\nmacdef {}\n{} {}\n\nmachine m {}\n",
                token(0),
                token(1),
                token(2),
                token(3),
                token(4),
                token(5),
                token(6),
                token(7),
                token(8),
                token(9),
                token(10),
            ),
            &[
                (0, "line 1"),
                (1, "line 1"),
                (2, "line 2"),
                (3, "line 3"),
                (4, "line 4"),
                (5, "line 5"),
                (6, "line 5"),
                (7, "line 6"),
                (8, "line 6"),
                (10, "line 9"),
            ],
            1,
        ),
        "pgpass" => (
            format!("# c\n{}:5432:{}:{}:{}\n{}\n", token(0), token(1), token(2), token(3), token(4)),
            &[(0, "line 2"), (1, "line 2"), (2, "line 2"), (3, "line 2"), (4, "line 3")],
            1,
        ),
        _ => (
            format!(
                "{}\n[client]\nuser={}\npassword = \"{}\"\nhost='{}'\nport={} # c\n!include {}\n[mysqld]\ndatadir={}\n",
                token(0),
                token(1),
                token(2),
                token(3),
                token(4),
                token(5),
                token(6),
            ),
            &[
                (0, "line 1"),
                (1, "line 3"),
                (2, "line 4"),
                (3, "line 5"),
                (4, "line 6"),
                (5, "line 7"),
                (6, "line 8"),
            ],
            0,
        ),
    }
}

fn token(number: usize) -> String {
    format!("zq{number:04}qz")
}

/// A table with a token in each cell.
fn table(format: Format, header: &str, rows: usize) -> Planted {
    let delimiter = header.chars().find(|c| [',', ';', '\t'].contains(c)).unwrap();
    let columns = header.split(delimiter).count();
    // Columns without names stand for a table without a header.
    let has_header = !header.starts_with("a,b") && !header.starts_with("a;b") && !header.starts_with("a\tb");
    let mut text = if has_header { format!("{header}\r\n") } else { String::new() };
    let mut places = BTreeMap::new();
    let first = if has_header { 2 } else { 1 };
    for row in 0..rows {
        let cells: Vec<_> = (0..columns).map(|column| token(row * columns + column)).collect();
        for (column, token) in cells.iter().enumerate() {
            places.insert(token.clone(), format!("line {}, column {}", row + first, column + 1));
        }
        text += &cells.join(&delimiter.to_string());
        text += "\r\n";
    }
    Planted { format, text, places, resolved: &[], fixed: 0, member: None }
}

/// Puts a token into each text of a document, and members that nobody knows into each object.
fn plant(value: &mut Value, at: &str, places: &mut BTreeMap<String, String>) {
    match value {
        // A word that the reader has to know.
        Value::String(text) if text.starts_with('=') => {
            text.remove(0);
        }
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
    let fixed = leaves(&value) - places.len();
    Planted {
        format,
        text: serde_json::to_string_pretty(&value).unwrap(),
        places,
        resolved,
        fixed,
        member: None,
    }
}

/// The same in XML, where an element has a name without `~` and `/`.
fn markup_document(
    format: Format,
    root: &str,
    mut value: Value,
    resolved: &'static [&'static str],
) -> Planted {
    let mut places = BTreeMap::new();
    plant(&mut value, &format!("/{root}"), &mut places);
    let fixed = leaves(&value) - places.len();
    for at in places.values_mut() {
        *at = at.replace("c~0~1d", "c.d");
    }
    let text = format!("<?xml version=\"1.0\"?>\n{}", markup::written(root, &value));
    Planted { format, text, places, resolved, fixed, member: None }
}

/// How many values stand in a document.
fn leaves(value: &Value) -> usize {
    match value {
        Value::Null => 0,
        Value::String(text) => usize::from(!text.is_empty()),
        Value::Bool(_) | Value::Number(_) => 1,
        Value::Array(list) => list.iter().map(leaves).sum(),
        Value::Object(members) => members.values().map(leaves).sum(),
    }
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
    vec![Planted { format: Format::JSON_LINES, text, places, resolved: &[], fixed: 0, member: None }]
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
            // What has no name would be found in every note.
            || read.told.iter().filter(|_| !member.is_empty()).any(|note| {
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
    ReadOptions { no_password: true, passphrase: Some(wrapping::PASSPHRASE.into()), ..ReadOptions::default() }
}

fn open(planted: &Planted) -> keyferry_formats::Entries {
    reader(planted.format, Box::new(Cursor::new(planted.bytes())), &options()).unwrap()
}

#[test]
fn no_reader_drops_a_value() {
    let mut wrong = Vec::new();
    for planted in Format::all().flat_map(samples) {
        let name = planted.format.name();
        let read = read(open(&planted));
        let flags = planted.text.matches("\"folder\":true").count();
        let wanted = (planted.places.len() + flags + planted.fixed) as u64;
        let lost = lost(&planted, &read);
        if !lost.is_empty() {
            wrong.push(format!("{name}: {lost:#?} went nowhere"));
        }
        if read.values.lost() != 0 || read.values.read != wanted {
            wrong.push(format!("{name}: {wanted} values, and {:?}", read.values));
        }
        let shown = |token: &&String| read.told.iter().any(|words| words.contains(token.as_str()));
        if let Some(token) = planted.places.keys().find(shown) {
            wrong.push(format!("{name} shows {}", planted.places[token]));
        }
        if wrong.last().is_some_and(|last| last.starts_with(name)) {
            wrong.push(format!("{}\n{}\n{}", planted.text, read.carried, read.told.join("\n")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
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
            ("whole".into(), planted.bytes()),
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
            // Most messages hold nothing that begins like a token.
            let shown = words
                .contains("zq")
                .then(|| planted.places.keys().find(|token| words.contains(token.as_str())));
            assert_eq!(shown.flatten(), None, "{how}: {words}");
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
