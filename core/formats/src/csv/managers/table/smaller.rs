//! Tables of smaller managers.

use super::{CODE, FEW, KIND, MAIL, NO_FILES, NOTHING, OWN};
use crate::csv::managers::{Manager, Outcome, PLAIN, cells, hooks};

/// The rows of this family.
pub(super) const ROWS: &[Manager] = &[
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
        becomes: &[
            ("tags", "tags"),
            ("custom_fields", "fields with labels of their own"),
            ("files", "a hidden field, but for none"),
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
        becomes: &[
            ("Shared Notes", "description, below the other"),
            ("Extra Fields", "fields with labels of their own"),
            ("Tags", "tags"),
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
            ("cardholder", "text:Cardholder name"),
            ("number", "password:number"),
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
        becomes: &[("type", KIND), ("trash", "whether it was thrown away")],
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
        becomes: &[("text", "description, below the other")],
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
        becomes: &[("secondary_username", "login where there is no other, or field `Login 2`")],
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
];
