//! The table of formats, and what is derived from it: names, detection, readers, writers, `keyferry formats`, the list in
//! docs/formats.md.
//!
//! A format is a file with a reader and a row of [`ROWS`]; a table that a manager exports as CSV is a row of
//! `csv::managers::MANAGERS` and nothing else. Each needs a sample under `tests/samples`.

use crate::csv::managers::{self, Manager};
use crate::head::{Fit, Head};
use crate::held::{self, Export, Losses};
use crate::managers as foreign_managers;
use crate::managers::keepass;
use crate::{Entries, ReadOptions, authenticators, csv, jsonl, openpgp, passwork_json, trees, workbook};
use keyferry_crypto::error::Result;
use keyferry_crypto::model::Record;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::io;

/// Bytes to read.
pub(crate) type Input = Box<dyn io::Read + Send>;
type Read = fn(Input, &ReadOptions) -> Result<Entries>;

/// What keyferry knows of one format.
struct Row {
    /// The word for the command line.
    name: &'static str,
    /// Other words for it.
    aliases: &'static [&'static str],
    /// Who exports it.
    from: &'static str,
    /// What it is known by, for people.
    known_by: &'static str,
    /// What is left behind, reading, beyond what no record takes at all.
    left: &'static str,
    /// How well the beginning of a file fits.
    fits: fn(&Head<'_>) -> Fit,
    read: Read,
    /// How it is written, where it is.
    write: Option<&'static Export>,
}

/// Comma-separated values in their many dialects.
static CSV: Row = Row {
    name: "csv",
    aliases: &["tsv"],
    from: "spreadsheets, and managers that have no row of their own",
    known_by: "a first line with a delimiter and a known column, or `sep=`",
    left: "nothing",
    fits: csv::fits,
    read: csv::read,
    write: Some(&csv::EXPORT),
};

/// Passwork's own JSON export, all shapes.
static PASSWORK_JSON: Row = Row {
    name: "passwork-json",
    aliases: &["json"],
    from: "Passwork 4 to 7",
    known_by: "`vaults`, `groups`, `folders`, `passwords`, `items` or a list, whose records have a password or custom fields themselves",
    left: "dates, access, revisions",
    fits: passwork_json::fits,
    read: passwork_json::read,
    write: Some(&passwork_json::EXPORT),
};

/// One JSON object a line: complete and streaming.
static JSON_LINES: Row = Row {
    name: "jsonl",
    aliases: &["ndjson"],
    from: "keyferry, and scripts",
    known_by: "a first line that is one object with a member of a record",
    left: "nothing",
    fits: jsonl::fits,
    read: jsonl::read,
    write: Some(&jsonl::EXPORT),
};

/// `KeePass`'s database.
static KDBX: Row = Row {
    name: "kdbx",
    aliases: &["keepass"],
    from: "KeePass 2, KeePassXC, Strongbox and what else writes KDBX 3.1 or 4",
    known_by: "its first eight bytes",
    left: "the recycle bin (`--include-trash`), earlier versions, dates, icons, colors, auto-type",
    fits: keepass::fits_kdbx,
    read: keepass::read_kdbx,
    write: Some(&keepass::KDBX),
};

/// The database of `KeePass` 1.
static KDB: Row = Row {
    name: "kdb",
    aliases: &[],
    from: "KeePass 1, KeePassX before 2",
    known_by: "its first eight bytes",
    left: "dates, icons",
    fits: keepass::fits_kdb,
    read: keepass::read_kdb,
    write: None,
};

/// `KeePass`'s export as XML.
static KEEPASS_XML: Row = Row {
    name: "keepass-xml",
    aliases: &[],
    from: "KeePass 2, KeePassXC",
    known_by: "an XML document whose outermost element is `KeePassFile`",
    left: "the recycle bin (`--include-trash`), earlier versions, dates, icons, colors, auto-type",
    fits: keepass::fits_xml,
    read: keepass::read_xml,
    write: Some(&keepass::XML),
};

/// Formats other than tables.
static ROWS: &[&Row] = &[
    &CSV,
    &PASSWORK_JSON,
    &JSON_LINES,
    &Row {
        name: "xlsx",
        aliases: &["excel"],
        from: "Excel, and what else saves workbooks as `.xlsx`",
        known_by: "members under `xl/`",
        left: "sheets that are no tables, comments of cells, formulas (their results are read)",
        fits: workbook::fits_xlsx,
        read: workbook::read_xlsx,
        write: None,
    },
    &Row {
        name: "xls",
        aliases: &[],
        from: "Excel 97 to 2003, ManageEngine Password Manager Pro, PAM360",
        known_by: "its first eight bytes",
        left: "sheets that are no tables, comments of cells, formulas (their results are read)",
        fits: workbook::fits_xls,
        read: workbook::read_xls,
        write: None,
    },
    &Row {
        name: "ods",
        aliases: &[],
        from: "LibreOffice, and what else saves spreadsheets as `.ods`",
        known_by: "its media type, which is its first member",
        left: "sheets that are no tables, comments of cells, formulas (their results are read)",
        fits: workbook::fits_ods,
        read: workbook::read_ods,
        write: None,
    },
    &Row {
        name: "bitwarden-json",
        aliases: &["vaultwarden-json"],
        from: "Bitwarden, Vaultwarden, and what `bw list items` prints",
        known_by: "`encrypted` beside `items`, or items with `login`, `secureNote`, `card`, `identity` or `sshKey`",
        left: "the bin (`--include-trash`), earlier passwords, attachments (they are not in the file), dates, second places",
        fits: foreign_managers::bitwarden::fits,
        read: foreign_managers::bitwarden::read,
        write: Some(&foreign_managers::bitwarden_writer::PLAIN),
    },
    &Row {
        name: "bitwarden-protected",
        aliases: &[],
        from: "Bitwarden, protected with a password",
        known_by: "its name alone: found, it is `bitwarden-json`, which reads it as well",
        left: "the bin (`--include-trash`), earlier passwords, attachments (they are not in the file), dates, second places",
        fits: |_| Fit::No,
        read: foreign_managers::bitwarden::read,
        write: Some(&foreign_managers::bitwarden_writer::PROTECTED),
    },
    &Row {
        name: "bitwarden-zip",
        aliases: &[],
        from: "Bitwarden with attachments",
        known_by: "a member `data.json` with Bitwarden's lists",
        left: "the bin (`--include-trash`), earlier passwords, dates",
        fits: foreign_managers::bitwarden::fits_zip,
        read: foreign_managers::bitwarden::read_zip,
        write: Some(&foreign_managers::bitwarden_writer::ZIP),
    },
    &Row {
        name: "1pux",
        aliases: &["1password"],
        from: "1Password 8",
        known_by: "members `export.data`, `export.attributes`; `accounts` with `attrs` and `vaults`",
        left: "the bin (`--include-trash`), dates, earlier passwords, references, labels of addresses",
        fits: foreign_managers::one_password::fits,
        read: foreign_managers::one_password::read,
        write: None,
    },
    &Row {
        name: "1pif",
        aliases: &[],
        from: "1Password 4 to 7",
        known_by: "lines of asterisks between items with `typeName` and `secureContents`",
        left: "the bin (`--include-trash`), dates, earlier passwords, attachments, which stand beside the file",
        fits: foreign_managers::one_pif::fits,
        read: foreign_managers::one_pif::read,
        write: None,
    },
    &Row {
        name: "protonpass-json",
        aliases: &[],
        from: "Proton Pass",
        known_by: "`vaults`, an object, beside `userId`, `encrypted` or `version`",
        left: "the bin (`--include-trash`), dates, attachments (they are in the zip)",
        fits: foreign_managers::proton_pass::fits,
        read: foreign_managers::proton_pass::read,
        write: None,
    },
    &Row {
        name: "protonpass-zip",
        aliases: &[],
        from: "Proton Pass",
        known_by: "members under `Proton Pass/`",
        left: "the bin (`--include-trash`), dates",
        fits: foreign_managers::proton_pass::fits_zip,
        read: foreign_managers::proton_pass::read_zip,
        write: None,
    },
    &Row {
        name: "enpass-json",
        aliases: &[],
        from: "Enpass",
        known_by: "`items` with `template_type`, or with `fields` and a `category`",
        left: "the bin (`--include-trash`), dates, earlier values, fields that were deleted",
        fits: foreign_managers::enpass::fits,
        read: foreign_managers::enpass::read,
        write: None,
    },
    &Row {
        name: "keeper-json",
        aliases: &[],
        from: "Keeper",
        known_by: "`shared_folders`, or `records` with `$type`, `custom_fields` or `login_url`",
        left: "dates, rights of folders; attachments, in the source already",
        fits: foreign_managers::keeper::fits,
        read: foreign_managers::keeper::read,
        write: Some(&foreign_managers::keeper_writer::EXPORT),
    },
    &Row {
        name: "psono-json",
        aliases: &[],
        from: "Psono",
        known_by: "items with a `type` of its own, whose members begin with it; sealed, `nonce` and `text`",
        left: "the bin (`--include-trash`), dates; files, in the source already",
        fits: foreign_managers::psono::fits,
        read: foreign_managers::psono::read,
        write: None,
    },
    &Row {
        name: "dashlane-json",
        aliases: &[],
        from: "Dashlane (older)",
        known_by: "`AUTHENTIFIANT`, `SECURENOTE`",
        left: "ids; attachments, in the source already",
        fits: foreign_managers::dashlane::fits,
        read: foreign_managers::dashlane::read,
        write: None,
    },
    &Row {
        name: "dashlane-zip",
        aliases: &[],
        from: "Dashlane",
        known_by: "members `credentials.csv`, `securenotes.csv` …",
        left: "attachments, in the source already",
        fits: foreign_managers::dashlane::fits_zip,
        read: foreign_managers::dashlane::read_zip,
        write: None,
    },
    &Row {
        name: "nextcloud-json",
        aliases: &[],
        from: "Nextcloud Passwords",
        known_by: "`passwords` with `customFields`, or with `label` and `folder`",
        left: "the bin (`--include-trash`), dates, shares; files, which stand elsewhere",
        fits: foreign_managers::nextcloud::fits,
        read: foreign_managers::nextcloud::read,
        write: None,
    },
    &Row {
        name: "passman-json",
        aliases: &[],
        from: "Passman",
        known_by: "a list of objects with `credential_id`, or with `label` and `custom_fields`",
        left: "the bin (`--include-trash`), dates, icons",
        fits: foreign_managers::nextcloud::fits_passman,
        read: foreign_managers::nextcloud::read_passman,
        write: None,
    },
    &Row {
        name: "devolutions-json",
        aliases: &[],
        from: "Devolutions Remote Desktop Manager, Server, Workspace",
        known_by: "`Connections` with `ConnectionType`",
        left: "dates; entries whose password is encrypted are rejected",
        fits: foreign_managers::devolutions::fits,
        read: foreign_managers::devolutions::read,
        write: None,
    },
    &Row {
        name: "cxf",
        aliases: &["cxf-json"],
        from: "whatever exports the Credential Exchange Format 1.0",
        known_by: "`exporterRpId`, or items with `credentials`",
        left: "dates, references, files (they are in the zip)",
        fits: foreign_managers::cxf::fits,
        read: foreign_managers::cxf::read,
        write: Some(&foreign_managers::cxf_writer::PLAIN),
    },
    &Row {
        name: "cxf-zip",
        aliases: &[],
        from: "whatever exports the Credential Exchange Format 1.0 with files",
        known_by: "a member `cxf.json`",
        left: "dates, references",
        fits: foreign_managers::cxf::fits_zip,
        read: foreign_managers::cxf::read_zip,
        write: Some(&foreign_managers::cxf_writer::ZIP),
    },
    &Row {
        name: "otpauth-list",
        aliases: &["ente"],
        from: "Ente Auth, Stratum (text), many others",
        known_by: "a first line that is an `otpauth:` address",
        left: "lines that are none",
        fits: authenticators::otpauth::fits,
        read: authenticators::otpauth::read,
        write: None,
    },
    &Row {
        name: "google-auth",
        aliases: &[],
        from: "Google Authenticator",
        known_by: "a first line that is an `otpauth-migration:` address",
        left: "parts of a batch that are not in the file",
        fits: authenticators::otpauth::fits_migration,
        read: authenticators::otpauth::read,
        write: None,
    },
    &Row {
        name: "aegis",
        aliases: &[],
        from: "Aegis",
        known_by: "`header` and `db`",
        left: "icons, slots that no password opens",
        fits: authenticators::aegis::fits,
        read: authenticators::aegis::read,
        write: None,
    },
    &Row {
        name: "2fas",
        aliases: &[],
        from: "2FAS",
        known_by: "`schemaVersion` beside `services` or `servicesEncrypted`",
        left: "icons, orders, dates",
        fits: authenticators::two_fas::fits,
        read: authenticators::two_fas::read,
        write: None,
    },
    &Row {
        name: "andotp",
        aliases: &[],
        from: "andOTP, Raivo, and others that keep such a list",
        known_by: "a list of objects with `secret`, `digits`, `algorithm`; encrypted (`.json.aes`), its number of rounds or the ending of its name",
        left: "thumbnails, when a code was used",
        fits: authenticators::and_otp::fits,
        read: authenticators::and_otp::read,
        write: None,
    },
    &Row {
        name: "freeotp",
        aliases: &["freeotp-plus"],
        from: "FreeOTP, FreeOTP+",
        known_by: "`tokens` and `tokenOrder`",
        left: "images",
        fits: authenticators::free_otp::fits,
        read: authenticators::free_otp::read,
        write: None,
    },
    &Row {
        name: "stratum",
        aliases: &[],
        from: "Stratum (Authenticator Pro)",
        known_by: "`Authenticators`; encrypted, its first 16 bytes",
        left: "icons, rankings",
        fits: authenticators::stratum::fits,
        read: authenticators::stratum::read,
        write: None,
    },
    &Row {
        name: "proton-authenticator",
        aliases: &[],
        from: "Proton Authenticator",
        known_by: "`entries` whose `content` has a `uri`",
        left: "nothing",
        fits: authenticators::proton::fits,
        read: authenticators::proton::read,
        write: None,
    },
    &Row {
        name: "duo",
        aliases: &[],
        from: "Duo Mobile",
        known_by: "a list of objects with `otpGenerator`",
        left: "logos",
        fits: authenticators::others::fits_duo,
        read: authenticators::others::read_duo,
        write: None,
    },
    &Row {
        name: "steam",
        aliases: &["mafile"],
        from: "Steam's authenticator (`.maFile`, and dumps of it)",
        known_by: "`shared_secret`, alone or in `accounts`",
        left: "its session, ids, states",
        fits: authenticators::others::fits_steam,
        read: authenticators::others::read_steam,
        write: None,
    },
    &Row {
        name: "dotenv",
        aliases: &["env"],
        from: "files of variables (`.env`)",
        known_by: "a first line `NAME=value`",
        left: "lines without `=`, comments",
        fits: trees::dotenv::fits,
        read: trees::dotenv::read,
        write: Some(&trees::dotenv_writer::EXPORT),
    },
    &Row {
        name: "ansible-vault",
        aliases: &["ansible"],
        from: "Ansible Vault: whole files, and values in YAML",
        known_by: "`$ANSIBLE_VAULT;`, at its beginning or after `!vault`",
        left: "values for another password, comments of YAML",
        fits: trees::ansible::fits,
        read: trees::ansible::read,
        write: None,
    },
    &Row {
        name: "sops",
        aliases: &[],
        from: "SOPS with age: YAML, JSON, `.env`, ini, binary",
        known_by: "`ENC[AES256_GCM,` beside `sops`",
        left: "comments",
        fits: trees::sops::fits,
        read: trees::sops::read,
        write: None,
    },
    &Row {
        name: "k8s-secret",
        aliases: &["kubernetes"],
        from: "Kubernetes (YAML, JSON)",
        known_by: "`apiVersion` and `kind`",
        left: "objects of other kinds, labels and annotations",
        fits: trees::kubernetes::fits,
        read: trees::kubernetes::read,
        write: Some(&trees::kubernetes_writer::EXPORT),
    },
    &Row {
        name: "vault-kv",
        aliases: &["openbao-kv"],
        from: "HashiCorp Vault, OpenBao (`kv get -format=json`)",
        known_by: "`lease_id` or `lease_duration` beside `data`",
        left: "dates, versions that were deleted",
        fits: trees::vault::fits,
        read: trees::vault::read,
        write: None,
    },
    &Row {
        name: "kv-json",
        aliases: &[],
        from: "dumps of trees of secrets (medusa and the like)",
        known_by: "its name alone",
        left: "nothing",
        fits: |_| Fit::No,
        read: trees::kv::read_json,
        write: Some(&trees::kv_writer::JSON),
    },
    &Row {
        name: "kv-yaml",
        aliases: &[],
        from: "dumps of trees of secrets (medusa and the like)",
        known_by: "its name alone",
        left: "nothing",
        fits: |_| Fit::No,
        read: trees::kv::read_yaml,
        write: Some(&trees::kv_writer::YAML),
    },
    &Row {
        name: "infisical",
        aliases: &[],
        from: "Infisical",
        known_by: "`secretKey`, or objects with `key`, `value` and `secretPath` or `type`",
        left: "dates, metadata",
        fits: trees::infisical::fits,
        read: trees::infisical::read,
        write: None,
    },
    &Row {
        name: "doppler",
        aliases: &[],
        from: "Doppler",
        known_by: "`DOPPLER_PROJECT` and `DOPPLER_CONFIG`",
        left: "how values are shown",
        fits: trees::infisical::fits_doppler,
        read: trees::infisical::read_doppler,
        write: None,
    },
    &Row {
        name: "aws-secrets",
        aliases: &["aws-parameters"],
        from: "AWS Secrets Manager, Parameter Store",
        known_by: "`SecretString`, `SecretBinary`, `Parameters` with `Value`",
        left: "dates, stages of versions",
        fits: trees::cloud::fits_aws,
        read: trees::cloud::read_aws,
        write: None,
    },
    &Row {
        name: "gcp-secrets",
        aliases: &[],
        from: "Google Secret Manager",
        known_by: "`payload` beside a `name` that begins with `projects/`",
        left: "dates",
        fits: trees::cloud::fits_gcp,
        read: trees::cloud::read_gcp,
        write: None,
    },
    &Row {
        name: "azure-keyvault",
        aliases: &[],
        from: "Azure Key Vault",
        known_by: "an `id` at `vault.azure.net/secrets/`",
        left: "dates, recovery",
        fits: trees::cloud::fits_azure,
        read: trees::cloud::read_azure,
        write: None,
    },
    &Row {
        name: "bitwarden-secrets",
        aliases: &["bws"],
        from: "Bitwarden Secrets Manager",
        known_by: "`projects` beside `secrets` with `key`",
        left: "nothing",
        fits: trees::cloud::fits_bitwarden,
        read: trees::cloud::read_bitwarden,
        write: None,
    },
    &Row {
        name: "netrc",
        aliases: &["authinfo"],
        from: "`.netrc`, `.authinfo`",
        known_by: "a first word `machine`, `default` or `macdef`",
        left: "macros, comments",
        fits: trees::netrc::fits,
        read: trees::netrc::read,
        write: None,
    },
    &Row {
        name: "pass",
        aliases: &["gopass"],
        from: "pass, gopass: a store as a folder, or one decrypted entry",
        known_by: "the store's `.gpg-id` or `.age-recipients`; an entry by `GOPASS-SECRET-1.0` alone",
        left: "earlier versions, which are in the store's history",
        fits: trees::pass::fits,
        read: trees::pass::read,
        write: None,
    },
    &Row {
        name: "pgpass",
        aliases: &[],
        from: "PostgreSQL's `.pgpass`",
        known_by: "lines of five parts between colons, of which the second is a port or `*`",
        left: "comments",
        fits: trees::pgpass::fits,
        read: trees::pgpass::read,
        write: None,
    },
    &Row {
        name: "my-cnf",
        aliases: &[],
        from: "MySQL's and MariaDB's `.my.cnf`",
        known_by: "a group of a client (`[client]`, `[mysql]` …), and an option `user` or `password`",
        left: "groups that log in nowhere, comments",
        fits: trees::my_cnf::fits,
        read: trees::my_cnf::read,
        write: None,
    },
    &Row {
        name: "docker-config",
        aliases: &["dockercfg"],
        from: "Docker's `config.json`, `.dockercfg`",
        known_by: "`auths`, or objects with `auth` alone",
        left: "settings, logins that a helper of the system keeps",
        fits: trees::docker::fits,
        read: trees::docker::read,
        write: None,
    },
    &Row {
        name: "kaspersky-txt",
        aliases: &[],
        from: "Kaspersky Password Manager",
        known_by: "lines that begin with `Website name:`, `Application:` or `Account name:`",
        left: "headings",
        fits: foreign_managers::kaspersky::fits,
        read: foreign_managers::kaspersky::read,
        write: None,
    },
    &Row {
        name: "op-json",
        aliases: &["op"],
        from: "1Password's command line (`op item get --format json`)",
        known_by: "`category` and `title` beside a `vault` with a name",
        left: "dates, files (they are not in the output), strength of passwords",
        fits: foreign_managers::command_lines::fits_op,
        read: foreign_managers::command_lines::read_op,
        write: None,
    },
    &Row {
        name: "lastpass-json",
        aliases: &["lpass"],
        from: "LastPass' command line (`lpass show --json`)",
        known_by: "`fullname` and `group` beside `username`",
        left: "dates, attachments (they are not in the output)",
        fits: foreign_managers::command_lines::fits_lastpass,
        read: foreign_managers::command_lines::read_lastpass,
        write: None,
    },
    &Row {
        name: "fsk",
        aliases: &["f-secure"],
        from: "F-Secure Key, F-Secure ID Protection",
        known_by: "`data` with objects that have `service` and `password`",
        left: "colors, styles",
        fits: foreign_managers::personal::fits_f_secure,
        read: foreign_managers::personal::read_f_secure,
        write: None,
    },
    &Row {
        name: "avast-json",
        aliases: &[],
        from: "Avast Passwords",
        known_by: "`logins` with `loginName` or `pwd`",
        left: "nothing",
        fits: foreign_managers::personal::fits_avast,
        read: foreign_managers::personal::read_avast,
        write: None,
    },
    &Row {
        name: "blur-json",
        aliases: &[],
        from: "Blur",
        known_by: "`dntmeExport`",
        left: "nothing",
        fits: foreign_managers::personal::fits_blur,
        read: foreign_managers::personal::read_blur,
        write: None,
    },
    &Row {
        name: "passwordboss-json",
        aliases: &[],
        from: "Password Boss",
        known_by: "`items` with `identifiers`",
        left: "dates",
        fits: foreign_managers::personal::fits_password_boss,
        read: foreign_managers::personal::read_password_boss,
        write: None,
    },
    &Row {
        name: "passpie-yaml",
        aliases: &[],
        from: "Passpie",
        known_by: "`handler: passpie`",
        left: "dates",
        fits: foreign_managers::personal::fits_passpie,
        read: foreign_managers::personal::read_passpie,
        write: None,
    },
    &Row {
        name: "ewallet-txt",
        aliases: &[],
        from: "eWallet",
        known_by: "its name alone",
        left: "nothing",
        fits: |_| Fit::No,
        read: foreign_managers::ewallet::read,
        write: None,
    },
    &Row {
        name: "buttercup",
        aliases: &["bcup"],
        from: "Buttercup's own vaults (`.bcup`)",
        known_by: "its first characters, `b~>buttercup/`",
        left: "the trash (`--include-trash`), dates, earlier and deleted values; attachments, which stand beside the vault",
        fits: foreign_managers::buttercup_vault::fits,
        read: foreign_managers::buttercup_vault::read,
        write: None,
    },
    &Row {
        name: "padloc",
        aliases: &["padlock"],
        from: "Padloc, Padlock (encrypted exports)",
        known_by: "`cipher`, `mode`, `iter` and `ct`, or `encryptedData` with `keyParams`",
        left: "what was removed (`--include-trash`), dates; attachments, in the source already",
        fits: foreign_managers::padloc::fits,
        read: foreign_managers::padloc::read,
        write: None,
    },
    &Row {
        name: "openpgp",
        aliases: &["pgp", "gpg"],
        from: "whatever a passphrase seals with OpenPGP (`gpg --symmetric`, Proton Pass)",
        known_by: "`-----BEGIN PGP MESSAGE-----`, or a first packet with a passphrase, bare or in base64",
        left: "nothing beyond what the format inside leaves",
        fits: openpgp::fits,
        read: openpgp::read,
        write: None,
    },
    &Row {
        name: "buttercup-csv",
        aliases: &[],
        from: "Buttercup",
        known_by: "the column `!group_id`",
        left: "earlier values, attachments, in the source already",
        fits: foreign_managers::buttercup::fits,
        read: foreign_managers::buttercup::read,
        write: None,
    },
    &Row {
        name: "clipperz-html",
        aliases: &[],
        from: "Clipperz",
        known_by: "a web page with a list of objects that have `currentVersion`",
        left: "the page around the list, logins by form",
        fits: foreign_managers::clipperz::fits,
        read: foreign_managers::clipperz::read,
        write: None,
    },
    &Row {
        name: "gnome-json",
        aliases: &["seahorse-json"],
        from: "GNOME's keyring",
        known_by: "lists of objects with `display_name` and `secret`",
        left: "dates",
        fits: foreign_managers::keyrings::fits_gnome,
        read: foreign_managers::keyrings::read_gnome,
        write: None,
    },
    &Row {
        name: "gnome-keyring",
        aliases: &[],
        from: "GNOME's keyring, stored without a password",
        known_by: "a first section `keyring`",
        left: "dates",
        fits: foreign_managers::keyrings::fits_keyring,
        read: foreign_managers::keyrings::read_keyring,
        write: None,
    },
    &Row {
        name: "networkmanager",
        aliases: &["nmconnection"],
        from: "NetworkManager",
        known_by: "a section `connection` with `id`",
        left: "ids, when it was used",
        fits: foreign_managers::keyrings::fits_network_manager,
        read: foreign_managers::keyrings::read_network_manager,
        write: None,
    },
    &Row {
        name: "apple-keychain",
        aliases: &[],
        from: "Apple's keychain (`security dump-keychain -d`)",
        known_by: "lines `keychain: \"…\"` and `class: …`",
        left: "keys and certificates, dates, formatted notes",
        fits: foreign_managers::keychain::fits,
        read: foreign_managers::keychain::read,
        write: None,
    },
    &Row {
        name: "pmp-json",
        aliases: &["pam360-json"],
        from: "ManageEngine Password Manager Pro, PAM360",
        known_by: "`operation` with `Details`",
        left: "how the answer came; passwords, where the listing has none",
        fits: foreign_managers::teams::fits_pmp,
        read: foreign_managers::teams::read_pmp,
        write: None,
    },
    &Row {
        name: "cyberark-json",
        aliases: &[],
        from: "CyberArk (`/PasswordVault/API/Accounts`)",
        known_by: "`safeName` beside `platformId`",
        left: "dates, how the answer came; passwords, which its listing has not",
        fits: foreign_managers::teams::fits_cyberark,
        read: foreign_managers::teams::read_cyberark,
        write: None,
    },
    &Row {
        name: "itglue-json",
        aliases: &[],
        from: "IT Glue",
        known_by: "`data` with `attributes` of type `passwords`",
        left: "dates, relations",
        fits: foreign_managers::teams::fits_it_glue,
        read: foreign_managers::teams::read_it_glue,
        write: None,
    },
    &Row {
        name: "hudu-json",
        aliases: &[],
        from: "Hudu",
        known_by: "`asset_passwords`",
        left: "dates",
        fits: foreign_managers::teams::fits_hudu,
        read: foreign_managers::teams::read_hudu,
        write: None,
    },
    &Row {
        name: "pleasant-json",
        aliases: &[],
        from: "Pleasant Password Server",
        known_by: "`Credentials` with `CustomUserFields` or `GroupId`",
        left: "dates, rights",
        fits: foreign_managers::teams::fits_pleasant,
        read: foreign_managers::teams::read_pleasant,
        write: None,
    },
    &Row {
        name: "psafe3",
        aliases: &["pwsafe"],
        from: "Password Safe 3",
        known_by: "its first four bytes, `PWS3`",
        left: "dates, earlier passwords, policies, auto-type, settings of the database",
        fits: foreign_managers::password_safe::fits,
        read: foreign_managers::password_safe::read,
        write: None,
    },
    &Row {
        name: "pwsafe-xml",
        aliases: &[],
        from: "Password Safe",
        known_by: "`passwordsafe` with `entry` or `delimiter`",
        left: "dates, earlier passwords, policies, auto-type, settings of the database",
        fits: foreign_managers::password_safe::fits_xml,
        read: foreign_managers::password_safe::read_xml,
        write: None,
    },
    &Row {
        name: "safeincloud-xml",
        aliases: &[],
        from: "SafeInCloud",
        known_by: "`database` with `card` or `label`",
        left: "the bin (`--include-trash`), templates, dates, colors, icons",
        fits: foreign_managers::markup::safeincloud::fits,
        read: foreign_managers::markup::safeincloud::read,
        write: None,
    },
    &Row {
        name: "passworddepot-xml",
        aliases: &[],
        from: "Password Depot",
        known_by: "`passwordfile` with `header` or `passwords`",
        left: "the bin (`--include-trash`), dates, settings of its browser add-on",
        fits: foreign_managers::markup::password_depot::fits,
        read: foreign_managers::markup::password_depot::read,
        write: None,
    },
    &Row {
        name: "delinea-xml",
        aliases: &[],
        from: "Delinea (Thycotic) Secret Server",
        known_by: "`ImportFile` with `Secrets` or `Folders`",
        left: "groups, sites, templates, rights; contents of files, in the source already",
        fits: foreign_managers::markup::delinea::fits,
        read: foreign_managers::markup::delinea::read,
        write: None,
    },
    &Row {
        name: "devolutions-xml",
        aliases: &["rdm"],
        from: "Devolutions Remote Desktop Manager",
        known_by: "`ArrayOfConnection` with `Connection`",
        left: "dates; entries whose password is encrypted are rejected",
        fits: foreign_managers::markup::devolutions::fits,
        read: foreign_managers::markup::devolutions::read,
        write: None,
    },
    &Row {
        name: "sticky-xml",
        aliases: &[],
        from: "Sticky Password",
        known_by: "`root/Database` with `Logins` or `Accounts`",
        left: "what else the database holds",
        fits: foreign_managers::markup::sticky::fits,
        read: foreign_managers::markup::sticky::read,
        write: None,
    },
    &Row {
        name: "keepassx-xml",
        aliases: &[],
        from: "KeePassX before 2",
        known_by: "the document type `KEEPASSX_DATABASE`, or `database` with `group`",
        left: "dates, icons",
        fits: foreign_managers::markup::keepassx::fits,
        read: foreign_managers::markup::keepassx::read,
        write: None,
    },
    &Row {
        name: "passworddragon-xml",
        aliases: &[],
        from: "Password Dragon",
        known_by: "`PasswordManager` with `record`",
        left: "nothing",
        fits: foreign_managers::markup::password_dragon::fits,
        read: foreign_managers::markup::password_dragon::read,
        write: None,
    },
    &Row {
        name: "revelation-xml",
        aliases: &[],
        from: "Revelation",
        known_by: "`revelationdata`",
        left: "dates, descriptions of folders",
        fits: foreign_managers::markup::revelation::fits,
        read: foreign_managers::markup::revelation::read,
        write: None,
    },
    &Row {
        name: "figaro-xml",
        aliases: &["kedpm-xml"],
        from: "Figaro's Password Manager, Kedpm",
        known_by: "`FPM` with `PasswordList`",
        left: "launchers",
        fits: foreign_managers::markup::figaro::fits,
        read: foreign_managers::markup::figaro::read,
        write: None,
    },
    &Row {
        name: "kwallet-xml",
        aliases: &[],
        from: "KWallet",
        known_by: "`wallet` with `folder`",
        left: "nothing",
        fits: foreign_managers::markup::kwallet::fits,
        read: foreign_managers::markup::kwallet::read,
        write: None,
    },
    &Row {
        name: "syspass-xml",
        aliases: &[],
        from: "sysPass",
        known_by: "`Root` with `Meta/Generator`",
        left: "accounts with a password, which is encrypted there, are rejected",
        fits: foreign_managers::markup::syspass::fits,
        read: foreign_managers::markup::syspass::read,
        write: None,
    },
    &KDBX,
    &KDB,
    &KEEPASS_XML,
];

/// Formats whose files are encrypted, all of them.
const ENCRYPTED: &[&str] = &["kdbx", "kdb", "psafe3", "buttercup", "padloc", "openpgp"];

/// Formats whose values SOPS and Ansible Vault seal in place.
const TREES: &[&str] =
    &["dotenv", "k8s-secret", "kv-json", "kv-yaml", "vault-kv", "infisical", "doppler", "my-cnf"];

/// A file format: one row of the table of formats.
#[derive(Clone, Copy)]
pub struct Format(Kind);

#[derive(Clone, Copy)]
enum Kind {
    Row(&'static Row),
    Table(&'static Manager),
}

impl Format {
    /// Comma-separated values in their many dialects; tables of managers are known by their headers.
    pub const CSV: Format = Format(Kind::Row(&CSV));
    /// Passwork's own JSON export, all shapes.
    pub const PASSWORK_JSON: Format = Format(Kind::Row(&PASSWORK_JSON));
    /// One JSON object a line: complete and streaming.
    pub const JSON_LINES: Format = Format(Kind::Row(&JSON_LINES));

    /// `KeePass`'s database: KDBX 3.1 and 4 are read, 4 is written.
    pub const KDBX: Format = Format(Kind::Row(&KDBX));
    /// The database of `KeePass` 1.
    pub const KDB: Format = Format(Kind::Row(&KDB));
    /// `KeePass`'s export as XML.
    pub const KEEPASS_XML: Format = Format(Kind::Row(&KEEPASS_XML));

    /// Every format, our own first, then those of other tools, then their tables.
    pub fn all() -> impl Iterator<Item = Format> {
        let rows = ROWS.iter().map(|row| Format(Kind::Row(row)));
        rows.chain(managers::MANAGERS.iter().map(|manager| Format(Kind::Table(manager))))
    }

    /// The word for the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            Kind::Row(row) => row.name,
            Kind::Table(manager) => manager.format,
        }
    }

    /// Other words for it.
    #[must_use]
    pub fn aliases(self) -> &'static [&'static str] {
        match self.0 {
            Kind::Row(row) => row.aliases,
            Kind::Table(_) => &[],
        }
    }

    /// The format of that name or alias, in any case; `json` means Passwork's.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Format> {
        let name = name.to_ascii_lowercase();
        Format::all().find(|format| format.name() == name || format.aliases().contains(&name.as_str()))
    }

    /// Who exports it.
    #[must_use]
    pub fn from(self) -> &'static str {
        match self.0 {
            Kind::Row(row) => row.from,
            Kind::Table(manager) => manager.name,
        }
    }

    /// What it is known by, in Markdown.
    #[must_use]
    pub fn known_by(self) -> String {
        match self.0 {
            Kind::Row(row) => row.known_by.to_owned(),
            Kind::Table(manager) => manager.known_by(),
        }
    }

    /// What stays behind when it is read, beyond what its reader tells of single values.
    #[must_use]
    pub fn left_behind(self) -> &'static str {
        match self.0 {
            Kind::Row(row) => row.left,
            Kind::Table(manager) => manager.left,
        }
    }

    /// Whether it is written as well as read.
    #[must_use]
    pub fn is_written(self) -> bool {
        self.export().is_some()
    }

    /// Whether a file of it is encrypted: it may be written without leave to write plaintext.
    #[must_use]
    pub fn is_encrypted(self) -> bool {
        ENCRYPTED.contains(&self.name()) || self.export().is_some_and(|export| export.encrypted)
    }

    /// Whether it is written record by record, in memory that does not grow with their number but for what names their places.
    #[must_use]
    pub fn is_streamed(self) -> bool {
        self.export().is_some_and(|export| export.streams)
    }

    /// What a file of it cannot hold of one record, whatever stands beside it; `None` for a format that is only read.
    /// [`Holding`](crate::Holding) counts many.
    #[must_use]
    pub fn cannot_hold(self, record: &Record) -> Option<Losses> {
        self.export().map(|export| held::cannot_hold(export, record))
    }

    /// How it is written.
    pub(crate) fn export(self) -> Option<&'static Export> {
        match self.0 {
            Kind::Row(row) => row.write,
            Kind::Table(manager) => csv::table_writer::export_of(manager.format),
        }
    }

    /// How well the beginning of a file fits.
    pub(crate) fn fits(self, head: &Head<'_>) -> Fit {
        match self.0 {
            Kind::Row(row) => (row.fits)(head),
            Kind::Table(manager) => managers::fits(manager, head),
        }
    }

    /// Whether its form is one that other tools' files have too: where another format's signature is there, it is not meant.
    pub(crate) fn is_general(self) -> bool {
        matches!(self.0, Kind::Table(_)) || [Self::CSV, Self::PASSWORK_JSON, Self::JSON_LINES].contains(&self)
    }

    /// Whether any text of its form is a file of it: names and values, which may be sealed in place.
    pub(crate) fn is_tree(self) -> bool {
        TREES.contains(&self.name())
    }

    pub(crate) fn read(self, input: Input, options: &ReadOptions) -> Result<Entries> {
        match self.0 {
            Kind::Row(row) => (row.read)(input, options),
            Kind::Table(manager) => csv::read_table(input, options, manager),
        }
    }
}

impl PartialEq for Format {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Format {}

impl Hash for Format {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Format({})", self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_format_has_a_name_of_its_own_that_can_be_typed() {
        let mut seen = HashSet::new();
        for format in Format::all() {
            for name in format.aliases().iter().chain([&format.name()]) {
                assert!(seen.insert(*name), "{name} twice");
                let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
                assert!(name.len() >= 2 && name.bytes().all(plain), "{name}");
                assert_eq!(Format::from_name(&name.to_uppercase()), Some(format));
            }
            assert!(!format.from().is_empty() && !format.known_by().is_empty(), "{format:?}");
            assert!(!format.left_behind().is_empty(), "{format:?}");
        }
        assert_eq!(Format::from_name("json"), Some(Format::PASSWORK_JSON));
    }
}
