//! `get`, `update`, `api`, and what every command that uses single secrets takes.

use crate::args::number;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use std::path::PathBuf;

/// Which environment, and how to get in. The flags after `--from` are those of `passwork-cli`.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Environment")]
pub struct Access {
    /// The environment of references that name none: NAME:, https://… or embedded:DIR [default: PASSWORK_HOST]
    #[arg(long, value_name = "LOCATION", value_parser = NonEmptyStringValueParser::new(), conflicts_with = "host")]
    pub from: Option<String>,
    /// Its address
    #[arg(long, value_name = "URL", value_parser = NonEmptyStringValueParser::new())]
    pub host: Option<String>,
    /// Its access token; other users of this machine can read it here: PASSWORK_TOKEN or KEYFERRY_TOKEN is safer
    #[arg(long, value_name = "TOKEN")]
    pub token: Option<String>,
    /// Its refresh token; see --token
    #[arg(long, value_name = "TOKEN")]
    pub refresh_token: Option<String>,
    /// The master key; see --token
    #[arg(long, value_name = "KEY")]
    pub master_key: Option<String>,
    /// Verify the server's certificate, which is the default; with a file, against its certificates alone (PEM)
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = false)]
    #[expect(clippy::option_option, reason = "left out, given alone, given with a file")]
    pub ssl_verify: Option<Option<PathBuf>>,
    /// Take any certificate: whoever stands in between reads along
    #[arg(long, conflicts_with = "ssl_verify")]
    pub no_ssl_verify: bool,
}

/// One record: a reference, or an id as for `passwork-cli`.
#[derive(Debug, Args)]
pub struct OneRecord {
    /// [NAME:]Vault/folder/record[#field], embedded:DIR//Vault/…, or an id in place of the path
    #[arg(value_name = "REFERENCE", required_unless_present_any = ["password_id", "shortcut_id"])]
    pub reference: Option<String>,
    /// The record's id
    #[arg(long, value_name = "ID", conflicts_with = "reference", value_parser = NonEmptyStringValueParser::new())]
    pub password_id: Option<String>,
    /// The id of a shortcut to it
    #[arg(long, value_name = "ID", conflicts_with_all = ["reference", "password_id"], value_parser = NonEmptyStringValueParser::new())]
    pub shortcut_id: Option<String>,
}

/// `get`
#[derive(Debug, Args)]
pub struct Get {
    /// Which record.
    #[command(flatten)]
    pub record: OneRecord,
    /// This field instead of the password: a custom field, login, url, description, name or tags
    #[arg(long, value_name = "NAME")]
    pub field: Option<String>,
    /// The present one-time code of this field
    #[arg(long, value_name = "NAME", conflicts_with = "field")]
    pub totp_code: Option<String>,
    /// The content of the attachment of this name
    #[arg(long, value_name = "NAME", conflicts_with_all = ["field", "totp_code"])]
    pub attachment: Option<String>,
    /// Write it to this new file, readable by you alone, instead of standard output
    #[arg(long, short, value_name = "FILE", conflicts_with = "json")]
    pub output: Option<PathBuf>,
    /// No end of line after the value
    #[arg(long, short = 'n')]
    pub no_newline: bool,
    /// Where it is.
    #[command(flatten)]
    pub access: Access,
}

/// `update`
#[derive(Debug, Args)]
pub struct Update {
    /// Which record.
    #[command(flatten)]
    pub record: OneRecord,
    /// A new name
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub name: Option<String>,
    /// A new password; other users of this machine can read it here: --stdin or --generate is safer
    #[arg(long, value_name = "PASSWORD", conflicts_with = "generate")]
    pub password: Option<String>,
    /// A new login
    #[arg(long, value_name = "LOGIN")]
    pub login: Option<String>,
    /// A new address
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// A new description
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    /// All tags from now on, separated by commas; empty for none
    #[arg(long, value_name = "A,B")]
    pub tags: Option<String>,
    /// A custom field, of any type; also written --custom-NAME VALUE. One that is not there is added
    #[arg(long, value_names = ["NAME", "VALUE"], num_args = 2)]
    pub custom: Vec<String>,
    /// Take this field's new value from standard input: `password`, or the name of a custom field
    #[arg(long, value_name = "FIELD", value_parser = NonEmptyStringValueParser::new())]
    pub stdin: Option<String>,
    /// Make a new random password of so many characters
    #[arg(long, value_name = "LENGTH", num_args = 0..=1, default_missing_value = "24", value_parser = number::within(8..=1024_u16))]
    pub generate: Option<u16>,
    /// Overwrite what somebody else changed meanwhile, too
    #[arg(long)]
    pub regardless: bool,
    /// The new secret may be written where the server can read it, though a key is at hand
    #[arg(long)]
    pub allow_unencrypted_target: bool,
    /// Where it is.
    #[command(flatten)]
    pub access: Access,
}

/// `api`
#[derive(Debug, Args)]
pub struct Api {
    /// The method
    #[arg(long, value_name = "METHOD", value_parser = ["GET", "POST", "PUT", "PATCH", "DELETE"], default_value = "GET")]
    pub method: String,
    /// The address below /api/, such as v1/items
    #[arg(long, value_name = "PATH", value_parser = NonEmptyStringValueParser::new())]
    pub endpoint: String,
    /// A JSON object: the query of GET, the body of the others; - reads it from standard input
    #[arg(long, value_name = "JSON")]
    pub params: Option<String>,
    /// This part of the answer: NAME, a.b, a[0]; of a list, the field of each entry
    #[arg(long, value_name = "NAME")]
    pub field: Option<String>,
    /// Where it is.
    #[command(flatten)]
    pub access: Access,
}

/// The arguments as clap takes them: `--custom-NAME VALUE` and `--custom-NAME=VALUE` become `--custom NAME VALUE`.
pub fn with_customs(arguments: impl IntoIterator<Item = std::ffi::OsString>) -> Vec<std::ffi::OsString> {
    let mut out = Vec::new();
    let mut plain = false;
    for argument in arguments {
        plain |= argument == "--";
        let name = argument.to_str().and_then(|text| text.strip_prefix("--custom-"));
        match name.filter(|name| !plain && !name.is_empty()) {
            None => out.push(argument),
            Some(name) => {
                out.push("--custom".into());
                match name.split_once('=') {
                    Some((name, value)) => out.extend([name.into(), value.into()]),
                    None => out.push(name.into()),
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn custom_fields_are_named_by_their_flags() {
        let typed = ["keyferry", "update", "--custom-PIN", "1", "--custom-a b=c=d", "--", "--custom-x"];
        let seen = with_customs(typed.map(Into::into));
        assert_eq!(
            seen,
            ["keyferry", "update", "--custom", "PIN", "1", "--custom", "a b", "c=d", "--", "--custom-x"]
        );
    }
}
