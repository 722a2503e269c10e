//! The table of tables: a row for each manager's export.
//!
//! A row names the columns that only this export has, what each column means where its name alone does not say so, and a
//! hook for what no map can say. Its neighbours show the rest.

use super::{Manager, Outcome, PLAIN, cells, hooks, notes};

/// What an environment keeps of its own.
const DATES: &str = "behind:an environment keeps its own dates";
/// What only its manager understands.
const OWN: &str = "behind:it means something only where it comes from";
const CODE: &str = "totp:TOTP";
const MAIL: &str = "text:E-mail";
const NO_FILES: &str = "attachments, in the source already";
const FEW: &str = "own fields and attachments, in the source already";
const NOTHING: &str = "nothing that the file has";

/// Every table that is known, those that most people come from first.
pub(crate) const MANAGERS: &[Manager] = &[
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
        finish: notes::bitwarden,
        ..PLAIN
    },
    Manager {
        format: "1password-csv",
        name: "1Password 8",
        left: "fields of what is no login, in the source already",
        signatures: &[&["Title", "Url", "Username", "Password", "OTPAuth", "Favorite", "Archived"]],
        map: &[("OTPAuth", CODE), ("Archived", "text:Archived")],
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
        finish: notes::lastpass,
        ..PLAIN
    },
    Manager {
        format: "dashlane-csv",
        name: "Dashlane (credentials)",
        left: NO_FILES,
        signatures: &[&["username", "username2", "username3", "title", "password"]],
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
        signatures: &[&["SecretData", "CustomData", "Notes"]],
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
        finish: notes::zoho,
        ..PLAIN
    },
    Manager {
        format: "delinea-csv",
        name: "Delinea (Thycotic) Secret Server",
        left: NO_FILES,
        signatures: &[&["Secret Name", "Password", "Folder", "TOTP Key", "TOTP Backup Codes"]],
        map: &[
            ("Secret Name", "name"),
            ("TOTP Key", CODE),
            ("TOTP Backup Codes", "password:TOTP Backup Codes"),
        ],
        separator: Some('\\'),
        finish: |record, _| {
            hooks::first(record, &["TOTP", "TOTP Backup Codes"]);
            Outcome::Record
        },
        ..PLAIN
    },
    Manager {
        format: "cyberark-csv",
        name: "CyberArk (Password Upload Utility)",
        left: NOTHING,
        signatures: &[&["Password_name", "TemplateSafe", "CPMUser", "PolicyID"]],
        map: &[
            ("Password_name", "name"),
            ("Safe", "vault"),
            ("Folder", "folder"),
            ("UserName", "login"),
            ("Address", "url"),
            ("HostName", "text:HostName"),
        ],
        separator: Some('\\'),
        finish: |record, _| {
            record.path.folders.retain(|name| !name.eq_ignore_ascii_case("root"));
            Outcome::Record
        },
        ..PLAIN
    },
    Manager {
        format: "pmp-csv",
        name: "ManageEngine Password Manager Pro, PAM360",
        left: NO_FILES,
        signatures: &[
            &["Resource Name", "Account Name", "Password"],
            &["Resource Name", "User Account", "Password"],
        ],
        map: &[
            ("Resource Name", "text:Resource Name"),
            ("Account Name", "login"),
            ("User Account", "login"),
            ("Resource URL", "url"),
            ("DNS Name", "text:DNS Name"),
            ("Description", "text:Description"),
            ("Notes", "description"),
        ],
        finish: hooks::password_manager_pro,
        ..PLAIN
    },
    Manager {
        format: "passwordstate-csv",
        name: "Click Studios Passwordstate",
        left: "numbers of passwords and lists; attachments, in the source already",
        signatures: &[&["PasswordListID", "Password List", "TreePath", "PasswordID"]],
        map: &[
            ("PasswordListID", OWN),
            ("PasswordID", OWN),
            ("Password List", "text:Password List"),
            ("TreePath", "folder"),
            ("Title", "name"),
            ("UserName", "login"),
            ("DomainOrHost", "text:DomainOrHost"),
            ("Description", "text:Description"),
            ("Notes", "description"),
            ("URL", "url"),
            ("OTPUri", CODE),
        ],
        separator: Some('\\'),
        finish: hooks::passwordstate,
        ..PLAIN
    },
    Manager {
        format: "netwrix-csv",
        name: "Netwrix Password Secure, MATESO",
        left: NO_FILES,
        signatures: &[
            &["Organisationseinheit", "DataTags", "Beschreibung", "Passwort"],
            &["Organisational unit", "DataTags", "Description", "Password"],
        ],
        map: &[
            ("Organisationseinheit", "folder"),
            ("Organisational unit", "folder"),
            ("DataTags", "tags"),
            ("Beschreibung", "name"),
            ("Description", "name"),
            ("Informationen", "description"),
            ("Information", "description"),
            ("Web page", "url"),
            ("Webmail", "url"),
            ("One-Time Passwort", CODE),
            ("One-Time Password", CODE),
            ("EMail-Adresse", MAIL),
            ("E-Mail address", MAIL),
        ],
        separator: Some('\\'),
        finish: |record, _| {
            hooks::mail_for_login(record);
            Outcome::Record
        },
        ..PLAIN
    },
    Manager {
        format: "devolutions-csv",
        name: "Devolutions Remote Desktop Manager, Server, Workspace",
        left: "what its owner did not choose to export",
        signatures: &[&["ConnectionType", "Name", "Group", "Host"]],
        map: &[
            ("ConnectionType", "text:ConnectionType"),
            ("Host", "text:Host"),
            ("CredentialUserName", "login"),
            ("CredentialPassword", "password"),
            ("CredentialDomain", "text:Domain"),
        ],
        separator: Some('\\'),
        ..PLAIN
    },
    Manager {
        format: "itglue-csv",
        name: "IT Glue",
        left: NO_FILES,
        signatures: &[&["organization", "name", "password_category", "username", "password"]],
        map: &[
            ("organization", "vault"),
            ("password_category", "tags"),
            ("otp_secret", CODE),
            ("resource_id", OWN),
            ("id", OWN),
        ],
        ..PLAIN
    },
    Manager {
        format: "hudu-csv",
        name: "Hudu",
        left: NO_FILES,
        signatures: &[&["company_name", "name", "username", "password", "otp_secret"]],
        map: &[("company_name", "vault"), ("otp_secret", CODE), ("password_type", "tags")],
        ..PLAIN
    },
    Manager {
        format: "passportal-csv",
        name: "N-able Passportal",
        left: "its number; attachments, in the source already",
        signatures: &[&["Passportal ID", "Client Name", "Credential Type"]],
        map: &[
            ("Passportal ID", OWN),
            ("Client Name", "vault"),
            ("Credential Type", "tags"),
            ("Description", "name"),
            ("Expires", "text:Expires"),
            ("Notes", "description"),
            ("TOTP", CODE),
        ],
        ..PLAIN
    },
    Manager {
        format: "teampass-csv",
        name: "TeamPass",
        left: "its number, rights; attachments, in the source already",
        signatures: &[&["label", "description", "pw", "login", "restricted_to"]],
        map: &[
            ("id", OWN),
            ("label", "name"),
            ("restricted_to", OWN),
            ("perso", OWN),
            ("kbs", OWN),
            ("email", MAIL),
            ("tags", "text:tags"),
        ],
        finish: |record, _| {
            hooks::spaced_tags(record);
            hooks::mail_for_login(record);
            Outcome::Record
        },
        ..PLAIN
    },
    Manager {
        format: "nextcloud-csv",
        name: "Nextcloud Passwords",
        left: "ids, revisions, dates; attachments, in the source already",
        signatures: &[&["Label", "Password", "Custom Fields", "Revision"]],
        map: &[
            ("Label", "name"),
            ("Custom Fields", "password:Custom Fields"),
            ("Edited", DATES),
            ("Id", OWN),
            ("Revision", OWN),
            ("Folder Id", OWN),
        ],
        finish: notes::nextcloud,
        ..PLAIN
    },
    Manager {
        format: "psono-csv",
        name: "Psono",
        left: "files, which it never exports",
        signatures: &[&["path", "type", "website_password_title"]],
        map: &[
            ("path", "folder"),
            ("type", "text:type"),
            ("website_password_title", "text:website_password_title"),
        ],
        finish: hooks::psono,
        ..PLAIN
    },
    Manager {
        format: "passman-csv",
        name: "Passman",
        left: "its number",
        signatures: &[&["label", "custom_fields", "files"]],
        map: &[
            ("label", "name"),
            ("email", MAIL),
            ("tags", "text:tags"),
            ("custom_fields", "password:custom_fields"),
            ("files", "password:files"),
        ],
        finish: cells::passman,
        ..PLAIN
    },
    Manager {
        format: "padloc-csv",
        name: "Padloc, Padlock",
        left: NO_FILES,
        map: &[("category", "tags")],
        ..PLAIN
    },
    Manager {
        format: "enpass-csv",
        name: "Enpass",
        left: NO_FILES,
        columns: &["name"],
        is: cells::is_enpass,
        rest: Some(cells::enpass_fields),
        finish: cells::enpass,
        ..PLAIN
    },
    Manager {
        format: "passpack-csv",
        name: "Passpack",
        left: NO_FILES,
        signatures: &[&["Entry Name", "User ID", "Shared Notes", "Extra Fields"]],
        map: &[
            ("Entry Name", "name"),
            ("User ID", "login"),
            ("Shared Notes", "text:Shared Notes"),
            ("Extra Fields", "password:Extra Fields"),
            ("Tags", "text:Tags"),
            ("Email", MAIL),
        ],
        finish: cells::passpack,
        ..PLAIN
    },
    Manager {
        format: "myki-csv",
        name: "Myki (accounts)",
        left: "cards, identities and notes, which are files of their own there",
        signatures: &[&["nickname", "url", "username", "password", "additionalInfo", "twofaSecret"]],
        map: &[
            ("nickname", "name"),
            ("additionalInfo", "description"),
            ("twofaSecret", CODE),
            ("status", OWN),
        ],
        ..PLAIN
    },
    Manager {
        format: "truekey-csv",
        name: "True Key",
        left: "its number of the export's version, colors",
        signatures: &[&["kind", "name", "tk_export_version"]],
        map: &[
            ("kind", "text:kind"),
            ("memo", "description"),
            ("hexColor", OWN),
            ("protectedWithPassword", OWN),
            ("tk_export_version", OWN),
        ],
        ..PLAIN
    },
    Manager {
        format: "remembear-csv",
        name: "RememBear",
        left: "the bin (`--include-trash`)",
        signatures: &[&["type", "name", "website", "username", "trash", "cardholder", "verification"]],
        map: &[
            ("type", "text:type"),
            ("trash", "text:trash"),
            ("cardholder", "text:Cardholder name"),
            ("number", "password:Card number"),
            ("verification", "password:Security code"),
            ("expiry", "text:Expiry"),
        ],
        finish: |record, tally| {
            hooks::mark(record, tally, "type", &["LoginItem", "CreditCardItem"]);
            hooks::card(record);
            match hooks::mark(record, tally, "trash", &["true", "false", "1", "0"]).as_deref() {
                Some("true" | "1") => Outcome::Bin,
                _ => Outcome::Record,
            }
        },
        ..PLAIN
    },
    Manager {
        format: "encryptr-csv",
        name: "Encryptr",
        left: NOTHING,
        signatures: &[&["Entry Type", "Label", "Password", "Username", "Site URL", "Notes", "Text"]],
        map: &[
            ("Entry Type", "text:Entry Type"),
            ("Label", "name"),
            ("Site URL", "url"),
            ("Name on card", "text:Cardholder name"),
            ("Card Number", "password:Card number"),
            ("CVV", "password:Security code"),
            ("Expiry", "text:Expiry"),
        ],
        finish: |record, _| {
            hooks::card(record);
            Outcome::Record
        },
        ..PLAIN
    },
    Manager {
        format: "codebook-csv",
        name: "Codebook",
        left: NOTHING,
        signatures: &[&["Category", "Entry", "Note", "Password", "TOTP", "Website", "Account"]],
        map: &[
            ("Category", "folder"),
            ("Entry", "name"),
            ("Email", MAIL),
            ("TOTP", CODE),
            ("Account", "text:Account"),
            ("Date", "text:Date"),
        ],
        finish: |record, _| {
            hooks::mail_for_login(record);
            Outcome::Record
        },
        ..PLAIN
    },
    Manager {
        format: "saferpass-csv",
        name: "SaferPass, ESET, Panda, ByePass",
        left: "versions, colors",
        signatures: &[&["modelType", "modelVersion", "url", "username", "password"]],
        map: &[
            ("modelType", "text:modelType"),
            ("modelVersion", OWN),
            ("color", OWN),
            ("text", "text:text"),
            ("title", "name"),
        ],
        finish: |record, _| {
            hooks::into_description(record, "text");
            Outcome::Record
        },
        ..PLAIN
    },
    Manager {
        format: "synology-csv",
        name: "Synology C2 Password",
        left: NO_FILES,
        signatures: &[&["Display_Name", "Login_Username", "Login_Password", "Login_URLs", "Login_TOTP"]],
        map: &[
            ("Display_Name", "name"),
            ("Login_Username", "login"),
            ("Login_Password", "password"),
            ("Login_URLs", "url"),
            ("Login_TOTP", CODE),
        ],
        finish: |record, _| {
            let urls = record.url.split(['\n', ',']).map(|url| url.trim().to_owned()).collect();
            hooks::several_urls(record, urls);
            Outcome::Record
        },
        ..PLAIN
    },
    Manager {
        format: "avira-csv",
        name: "Avira Password Manager",
        left: FEW,
        signatures: &[&["name", "website", "username", "password", "secondary_username"]],
        map: &[("secondary_username", "text:Login 2")],
        finish: |record, _| {
            hooks::first_login(record, &["Login 2"]);
            Outcome::Record
        },
        ..PLAIN
    },
    Manager {
        format: "avast-csv",
        name: "Avast Passwords",
        left: FEW,
        signatures: &[&["name", "web", "login", "password"]],
        only: true,
        map: &[("web", "url")],
        ..PLAIN
    },
    Manager {
        format: "blur-csv",
        name: "Blur",
        left: FEW,
        signatures: &[&["domain", "label", "username", "email", "password"]],
        map: &[("domain", "url"), ("label", "name"), ("email", MAIL)],
        finish: hooks::blur,
        ..PLAIN
    },
    Manager {
        format: "meldium-csv",
        name: "Meldium",
        left: FEW,
        signatures: &[&["DisplayName", "UserName", "Password", "Url", "Notes"]],
        map: &[("DisplayName", "name")],
        ..PLAIN
    },
    Manager {
        format: "securesafe-csv",
        name: "SecureSafe",
        left: FEW,
        signatures: &[
            &["Title", "Username", "Password", "URL", "Comment"],
            &["Title", "Username", "Password", "Website", "Comment"],
        ],
        only: true,
        map: &[],
        ..PLAIN
    },
    Manager {
        format: "passkeep-csv",
        name: "PassKeep",
        left: FEW,
        signatures: &[&["title", "username", "password", "password2", "site", "description"]],
        map: &[("password2", "password:Password 2")],
        ..PLAIN
    },
    Manager {
        format: "safeincloud-csv",
        name: "SafeInCloud",
        left: FEW,
        signatures: &[&["Title", "Login", "Password", "URL", "Notes", "OTP"]],
        only: true,
        map: &[("OTP", CODE), ("Website", "url")],
        ..PLAIN
    },
    Manager {
        format: "gorilla-csv",
        name: "Password Gorilla",
        left: "`uuid`",
        signatures: &[&["uuid", "group", "title", "url", "user", "password", "notes"]],
        map: &[("uuid", OWN), ("group", "folder"), ("user", "login")],
        separator: Some('.'),
        finish: |record, _| {
            record.description = record.description.replace("\\n", "\n");
            Outcome::Record
        },
        ..PLAIN
    },
    Manager {
        format: "yoti-csv",
        name: "Yoti Password Manager",
        left: FEW,
        // Its columns are those of Chrome: named with --format.
        ..PLAIN
    },
    Manager {
        format: "heylogin-csv",
        name: "heylogin",
        left: FEW,
        signatures: &[
            &["title", "username", "password", "websites", "notes", "otp"],
            &["name", "username", "password", "websites", "notes", "otp"],
        ],
        map: &[("websites", "url"), ("otp", CODE)],
        finish: |record, _| {
            let urls = record.url.split(['\n', ',', ' ']).map(|url| url.trim().to_owned()).collect();
            hooks::several_urls(record, urls);
            Outcome::Record
        },
        ..PLAIN
    },
    Manager {
        format: "passwdteam-csv",
        name: "Passwd.team",
        left: "ids, versions, rights",
        signatures: &[&["version", "id", "name", "username", "password", "web", "TOTP - secret"]],
        map: &[
            ("version", OWN),
            ("id", OWN),
            ("web", "url"),
            ("TOTP - secret", CODE),
            ("GSuite group IDs - viewers", OWN),
            ("GSuite group IDs - editors", OWN),
            ("GSuite group IDs - owners", OWN),
            ("GSuite user IDs - viewers", OWN),
            ("GSuite user IDs - editors", OWN),
            ("GSuite user IDs - owners", OWN),
        ],
        ..PLAIN
    },
    // What has no header, and nothing that only it has: named with --format.
    Manager {
        format: "upm-csv",
        name: "Universal Password Manager",
        left: NOTHING,
        columns: &["name", "login", "password", "url", "description"],
        ..PLAIN
    },
    Manager {
        format: "msecure-csv",
        name: "mSecure",
        left: NO_FILES,
        columns: &["folder", "text:Type", "name", "description", "url", "login", "password"],
        rest: Some(cells::msecure_fields),
        // A folder is one name.
        separator: Some('\u{1f}'),
        finish: cells::msecure,
        ..PLAIN
    },
    Manager {
        format: "splashid-csv",
        name: "SplashID",
        left: NO_FILES,
        columns: &["text:Type", "name", "login", "password", "url"],
        rest: Some(cells::splashid_fields),
        ..PLAIN
    },
    Manager {
        format: "logmeonce-csv",
        name: "LogMeOnce",
        left: FEW,
        columns: &["name", "url", "login", "password"],
        ..PLAIN
    },
    Manager {
        format: "datavault-csv",
        name: "Ascendo DataVault",
        left: NO_FILES,
        columns: &["name"],
        rest: Some(cells::enpass_fields),
        finish: cells::enpass,
        ..PLAIN
    },
    Manager {
        format: "passwordagent-csv",
        name: "Password Agent",
        left: NO_FILES,
        columns: &["name", "login", "password", "url", "description"],
        rest: Some(cells::further_columns),
        ..PLAIN
    },
    Manager {
        format: "passwordwallet-txt",
        name: "PasswordWallet",
        left: NO_FILES,
        columns: &["name", "url", "login", "password", "description", "folder"],
        rest: Some(cells::further_columns),
        delimiter: Some('\t'),
        finish: |record, _| {
            record.description = record.description.replace('¬', "\n");
            Outcome::Record
        },
        ..PLAIN
    },
    Manager {
        format: "syspass-csv",
        name: "sysPass",
        left: NO_FILES,
        columns: &["name", "vault", "folder", "url", "login", "password", "description"],
        delimiter: Some(';'),
        ..PLAIN
    },
];

/// The other tables of Dashlane's archive, by the names of its members.
pub(crate) const DASHLANE: &[(&str, Manager)] = &[
    (
        "credentials.csv",
        Manager {
            format: "dashlane-csv",
            name: "Dashlane (credentials)",
            signatures: &[&["username", "username2", "username3", "title", "password"]],
            ..PLAIN
        },
    ),
    (
        "securenotes.csv",
        Manager {
            format: "dashlane-zip",
            name: "Dashlane (notes)",
            signatures: &[&["title", "note"]],
            map: &[("category", "folder")],
            ..PLAIN
        },
    ),
    (
        "payments.csv",
        Manager {
            format: "dashlane-zip",
            name: "Dashlane (payments)",
            signatures: &[&["type", "account_name", "account_holder", "cc_number"]],
            map: &[
                ("type", "text:type"),
                ("account_name", "text:account_name"),
                ("account_holder", "text:Cardholder name"),
                ("cc_number", "password:Card number"),
                ("code", "password:Security code"),
                ("expiration_month", "text:expiration_month"),
                ("expiration_year", "text:expiration_year"),
                ("account_number", "password:account_number"),
            ],
            finish: hooks::dashlane_payment,
            ..PLAIN
        },
    ),
    (
        "ids.csv",
        Manager {
            format: "dashlane-zip",
            name: "Dashlane (papers)",
            signatures: &[&["type", "number", "name"]],
            map: &[("number", "password:number")],
            finish: hooks::dashlane_paper,
            ..PLAIN
        },
    ),
    (
        "personalinfo.csv",
        Manager {
            format: "dashlane-zip",
            name: "Dashlane (personal information)",
            signatures: &[&["type", "title"]],
            map: &[
                ("title", "text:title"),
                ("email", "text:E-mail"),
                ("url", "url"),
                ("address", "text:address"),
                ("item_name", "name"),
                ("login", "text:login"),
            ],
            finish: hooks::dashlane_paper,
            ..PLAIN
        },
    ),
    (
        "wifi.csv",
        Manager {
            format: "dashlane-zip",
            name: "Dashlane (networks)",
            signatures: &[&["ssid"]],
            map: &[("ssid", "text:SSID"), ("passphrase", "password")],
            ..PLAIN
        },
    ),
    (
        "secrets.csv",
        Manager {
            format: "dashlane-zip",
            name: "Dashlane (secrets)",
            signatures: &[&["title", "content"]],
            map: &[("content", "password")],
            ..PLAIN
        },
    ),
];
