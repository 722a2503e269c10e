//! Tables of managers for teams.

use super::{CODE, DATES, KIND, MAIL, NO_FILES, NOTHING, OWN};
use crate::csv::managers::{Manager, Outcome, PLAIN, cells, hooks, notes};

/// The rows of this family.
pub(super) const ROWS: &[Manager] = &[
    Manager {
        format: "delinea-csv",
        name: "Delinea (Thycotic) Secret Server",
        left: NO_FILES,
        // One template a file: it need not have a password.
        signatures: &[&["Secret Name", "TOTP Key", "TOTP Backup Codes"]],
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
        becomes: &[
            ("Resource Name", "folder"),
            ("Account Name", "login and name"),
            ("User Account", "login and name"),
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
        becomes: &[("Password List", "the last folder")],
        finish: hooks::passwordstate,
        ..PLAIN
    },
    Manager {
        format: "netwrix-csv",
        name: "Netwrix Password Secure, MATESO",
        left: NO_FILES,
        signatures: &[
            &["Organisationseinheit", "DataTags", "Beschreibung"],
            &["Organisational unit", "DataTags", "Description"],
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
        map: &[
            ("company_name", "vault"),
            ("password_folder_name", "folder"),
            ("otp_secret", CODE),
            ("password_type", "tags"),
            ("id", OWN),
        ],
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
        becomes: &[("tags", "tags")],
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
        becomes: &[("Custom Fields", "fields with labels of their own")],
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
        becomes: &[("type", KIND)],
        finish: cells::psono,
        ..PLAIN
    },
];
