//! Tables of browsers, and of the managers that most people come from.

use super::{CODE, DATES, FEW, KIND, MAIL, NO_FILES, NOTHING, OWN};
use crate::csv::managers::{Manager, Outcome, PLAIN, cells, hooks, notes};

/// The rows of this family.
pub(super) const ROWS: &[Manager] = &[
    Manager {
        format: "chrome-csv",
        name: "Chrome, Edge, Brave, Opera, Vivaldi, Arc, Yandex",
        left: NOTHING,
        signatures: &[&["name", "url", "username", "password"]],
        only: true,
        map: &[("note", "description")],
        ..PLAIN
    },
    Manager {
        format: "chrome-sqlite-csv",
        name: "Chrome and its kin: the table `logins` of their database, decrypted",
        left: "dates, what its forms are called",
        signatures: &[&["origin_url", "username_value", "password_value"]],
        map: &[
            ("origin_url", "url"),
            ("username_value", "login"),
            ("password_value", "password"),
            ("display_name", "name"),
            ("action_url", OWN),
            ("username_element", OWN),
            ("password_element", OWN),
            ("submit_element", OWN),
            ("signon_realm", OWN),
            ("date_created", DATES),
            ("date_last_used", DATES),
            ("date_password_modified", DATES),
            ("times_used", OWN),
        ],
        ..PLAIN
    },
    Manager {
        format: "firefox-csv",
        name: "Firefox, Waterfox, LibreWolf",
        left: "the browser's own login, `guid`, `formActionOrigin`, dates",
        signatures: &[
            &["url", "username", "password", "httpRealm", "formActionOrigin", "guid"],
            &["hostname", "username", "password", "formSubmitURL", "httpRealm"],
        ],
        map: &[
            ("hostname", "url"),
            ("httpRealm", "text:HTTP realm"),
            ("formActionOrigin", OWN),
            ("formSubmitURL", OWN),
            ("usernameField", OWN),
            ("passwordField", OWN),
            ("guid", OWN),
            ("timeCreated", "created"),
            ("timeLastUsed", DATES),
            ("timePasswordChanged", "changed"),
        ],
        finish: |record, _| {
            if record.url.starts_with("chrome://FirefoxAccounts") {
                Outcome::LeftOut("the browser's own login stays behind")
            } else {
                Outcome::Record
            }
        },
        ..PLAIN
    },
    Manager {
        format: "safari-csv",
        name: "Safari, Apple Passwords, iCloud Keychain",
        left: NOTHING,
        signatures: &[
            &["Title", "URL", "Username", "Password", "Notes", "OTPAuth"],
            &["Title", "URL", "Username", "Password", "OTPAuth"],
        ],
        map: &[("OTPAuth", CODE)],
        ..PLAIN
    },
    Manager {
        format: "bitwarden-csv",
        name: "Bitwarden, Vaultwarden",
        left: "cards, identities, SSH keys, attachments, in the source already",
        signatures: &[&["type", "name", "login_uri", "login_username", "login_password"]],
        map: &[
            ("type", "text:type"),
            ("fields", "password:fields"),
            ("reprompt", "text:reprompt"),
            ("archivedDate", "text:Archived"),
            ("collections", "text:collections"),
            ("login_totp", CODE),
        ],
        becomes: &[
            ("type", KIND),
            ("fields", "fields with labels of their own"),
            ("reprompt", "a field, but for 0"),
            ("collections", "vault and folders, and further places"),
            ("login_uri", "url, and fields `URL 2` …"),
            ("archivedDate", "a field, and the tag `archived`"),
        ],
        finish: notes::bitwarden,
        ..PLAIN
    },
    Manager {
        format: "1password-csv",
        name: "1Password 8",
        left: "fields of what is no login, in the source already",
        signatures: &[&["Title", "Url", "Username", "Password", "OTPAuth", "Favorite", "Archived"]],
        map: &[("OTPAuth", CODE), ("Archived", "text:Archived")],
        becomes: &[("Archived", "the tag `archived`")],
        finish: hooks::archived,
        ..PLAIN
    },
    Manager {
        format: "1password7-csv",
        name: "1Password 4 to 7",
        left: "`UUID`, `SCOPE`, `AUTOSUBMIT`; attachments, in the source already",
        signatures: &[
            &["UUID", "TITLE", "SCOPE", "AUTOSUBMIT"],
            &["title(title)", "username(username)"],
            &["ainfo", "autosubmit", "Title", "Password"],
        ],
        map: &[
            ("UUID", OWN),
            ("SCOPE", OWN),
            ("AUTOSUBMIT", OWN),
            ("ainfo", OWN),
            ("URLS", "text:URLS"),
            ("EMAIL", MAIL),
            ("MASTER-PASSWORD", "password:MASTER-PASSWORD"),
            ("ACCOUNT-KEY", "password:ACCOUNT-KEY"),
            ("title(title)", "name"),
            ("username(username)", "login"),
            ("password(password)", "password"),
            ("notesPlain(notesPlain)", "description"),
            ("notes(notesPlain)", "description"),
            ("website(URL)", "url"),
            ("urls(urls)", "text:URLS"),
            ("tags(tags)", "tags"),
            ("uuid(uuid)", OWN),
        ],
        becomes: &[("URLS", "fields `URL 2` …"), ("urls(urls)", "fields `URL 2` …")],
        finish: hooks::one_password_7,
        ..PLAIN
    },
    Manager {
        format: "lastpass-csv",
        name: "LastPass, BlackBerry Password Keeper",
        left: NO_FILES,
        signatures: &[&["url", "username", "password", "extra", "name", "grouping"]],
        map: &[("extra", "description"), ("grouping", "folder"), ("fav", "favorite"), ("totp", CODE)],
        separator: Some('\\'),
        entities: true,
        becomes: &[("extra", "description, or fields of a note with a type")],
        finish: notes::lastpass,
        ..PLAIN
    },
    Manager {
        format: "dashlane-csv",
        name: "Dashlane (credentials)",
        left: NO_FILES,
        signatures: &[&["username", "username2", "username3", "title", "password"]],
        without_header: &["name", "url", "login", "password", "description"],
        map: &[
            ("username2", "text:Login 2"),
            ("username3", "text:Login 3"),
            ("otpUrl", CODE),
            ("otpSecret", CODE),
            ("category", "folder"),
        ],
        finish: |record, _| {
            hooks::first_login(record, &["Login 2", "Login 3"]);
            Outcome::Record
        },
        ..PLAIN
    },
    Manager {
        format: "nordpass-csv",
        name: "NordPass",
        left: "one-time codes and attachments, in the source already",
        signatures: &[&[
            "name",
            "url",
            "username",
            "password",
            "note",
            "cardholdername",
            "cardnumber",
            "cvc",
        ]],
        map: &[
            ("additional_urls", "text:additional_urls"),
            ("cardholdername", "text:Cardholder name"),
            ("cardnumber", "password:Card number"),
            ("cvc", "password:Security code"),
            ("pin", "password:PIN"),
            ("expirydate", "text:Expiry"),
            ("email", MAIL),
            ("type", "text:type"),
            ("shared_folder", "text:shared_folder"),
            ("custom_fields", "password:custom_fields"),
        ],
        becomes: &[
            ("additional_urls", "fields `URL 2` …"),
            ("type", KIND),
            ("shared_folder", "folder, or a further place"),
            ("custom_fields", "fields with labels of their own"),
            ("email", "login where there is no other, or field `E-mail`"),
        ],
        finish: cells::nordpass,
        ..PLAIN
    },
    Manager {
        format: "roboform-csv",
        name: "RoboForm",
        left: "identities and contacts, which are files of their own there; attachments",
        signatures: &[
            &["Name", "Url", "Login", "Pwd", "Note", "Folder", "RfFieldsV2"],
            &["Name", "Url", "Login", "Pwd", "Note", "Folder", "Rf_fields"],
        ],
        map: &[
            ("MatchUrl", "text:MatchUrl"),
            ("Pwd", "password"),
            ("RfFieldsV2", "rest"),
            ("Rf_fields", "rest"),
        ],
        rest: Some(cells::roboform_fields),
        becomes: &[("MatchUrl", "field `URL 2`, where it differs")],
        finish: cells::roboform,
        ..PLAIN
    },
    Manager {
        format: "keeper-csv",
        name: "Keeper",
        left: "attachments, references, rights of shared folders",
        columns: &["folder", "name", "login", "password", "url", "description", "text:shared folder"],
        is: cells::is_keeper,
        rest: Some(cells::keeper_fields),
        separator: Some('\\'),
        becomes: &[("text:shared folder", "folder that the other stands in")],
        finish: cells::keeper,
        ..PLAIN
    },
    Manager {
        format: "protonpass-csv",
        name: "Proton Pass",
        left: "own fields and attachments, in the source already; dates",
        signatures: &[&["type", "name", "url", "password", "note", "totp", "createTime", "modifyTime"]],
        map: &[
            ("type", "text:type"),
            ("email", MAIL),
            ("totp", CODE),
            ("createTime", "created"),
            ("modifyTime", "changed"),
        ],
        becomes: &[
            ("type", KIND),
            ("url", "url, and fields `URL 2` …"),
            ("email", "login where there is no other, or field `E-mail`"),
            ("note", "description, or the fields of what is no login"),
        ],
        finish: cells::proton_pass,
        ..PLAIN
    },
    Manager {
        format: "keepass-csv",
        name: "KeePass 1 and 2",
        left: FEW,
        signatures: &[&["Account", "Login Name", "Password", "Web Site", "Comments"]],
        map: &[
            ("Account", "name"),
            ("Login Name", "login"),
            ("Password", "password"),
            ("Web Site", "url"),
            ("Comments", "description"),
        ],
        escape: Some(b'\\'),
        ..PLAIN
    },
    Manager {
        format: "keepassxc-csv",
        name: "KeePassXC, KeePassX 2, Strongbox, Passbolt",
        left: "own fields and attachments, in the source already; icons, dates",
        signatures: &[&["Group", "Title", "Username", "Password", "URL", "Notes"]],
        map: &[("TOTP", CODE), ("Icon", OWN), ("Last Modified", "changed"), ("Created", "created")],
        // The root group has the database's name.
        becomes: &[("Group", "vault and folders")],
        finish: |record, _| {
            if record.path.vault.is_none() && !record.path.folders.is_empty() {
                record.path.vault = Some(record.path.folders.remove(0));
            }
            Outcome::Record
        },
        ..PLAIN
    },
    Manager {
        format: "zoho-csv",
        name: "Zoho Vault",
        left: "the classification; attachments, in the source already",
        signatures: &[
            &["SecretData", "CustomData", "Notes"],
            &["Password Name", "Password URL"],
            &["Secret Name", "Secret URL"],
        ],
        map: &[
            ("Password Name", "name"),
            ("Secret Name", "name"),
            ("Password URL", "url"),
            ("Secret URL", "url"),
            ("SecretData", "password:SecretData"),
            ("CustomData", "password:CustomData"),
            ("Description", "description"),
            ("Notes", "text:Notes"),
            ("Tags", "text:Tags"),
            ("Classification", OWN),
            ("TOTP", CODE),
            ("login_totp", CODE),
            ("Folder Name", "folder"),
            ("ChamberName", "folder"),
        ],
        // A bare form has cells beyond its header.
        rest: Some(notes::zoho_cells),
        becomes: &[
            ("SecretData", "login, password, and fields with labels of their own"),
            ("CustomData", "fields with labels of their own"),
            ("Notes", "description, below the other"),
            ("Tags", "tags"),
        ],
        finish: notes::zoho,
        ..PLAIN
    },
];
