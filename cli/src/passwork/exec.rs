//! `exec`: a command, run by the shell with items in its environment.

use crate::passwork::failure::{Failure, Result, elements, text};
use crate::passwork::items::Client;
use crate::passwork::python::strip;
use crate::passwork::value::Value;
use crate::passwork::{Parsed, argparse, complain};
use keyferry_core::secret::SecretString;
use std::ffi::{OsStr, OsString};
use std::process::Command;

/// The command that was asked for, or why there is none.
pub fn command(parsed: &Parsed) -> std::result::Result<OsString, &'static str> {
    let given = parsed.value("--cmd").filter(|command| !command.is_empty());
    match (given, parsed.rest.as_slice()) {
        (Some(_), [_, ..]) => Err("Error: Cannot use both --cmd and direct command at the same time"),
        (Some(command), []) => Ok(command.clone()),
        (None, []) => Err("Error: No command specified. Use --cmd or append command directly"),
        (None, words) => Ok(joined(words)),
    }
}

fn joined(words: &[OsString]) -> OsString {
    let mut command = OsString::new();
    for (index, word) in words.iter().enumerate() {
        command.push(if index > 0 { " " } else { "" });
        match word.to_str() {
            Some(word) => command.push(argparse::quoted(word)),
            // Bytes that are no text hold no quotes of their own that matter once the others are escaped.
            None => command.push(quoted_bytes(word)),
        }
    }
    command
}

#[cfg(unix)]
fn quoted_bytes(word: &OsStr) -> OsString {
    use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
    let mut out = vec![b'\''];
    for &byte in word.as_bytes() {
        out.extend_from_slice(if byte == b'\'' { br#"'"'"'"# } else { std::slice::from_ref(&byte) });
    }
    out.push(b'\'');
    OsString::from_vec(out)
}

#[cfg(not(unix))]
fn quoted_bytes(word: &OsStr) -> OsString {
    argparse::quoted(&word.to_string_lossy()).into()
}

/// What the command finds in its environment, later ones over earlier ones; `None` where no item was found.
pub async fn variables(client: &Client, parsed: &Parsed) -> Result<Option<Vec<(String, SecretString)>>> {
    let items = items(client, parsed).await?;
    if items.is_empty() {
        return Ok(None);
    }
    let mut variables = Vec::new();
    for found in &items {
        let name = match found.get("name") {
            None => "PASSWORD",
            Some(Value::Text(name)) => name.expose(),
            Some(other) => {
                let what = format!("expected string or bytes-like object, got '{}'", other.kind());
                return Err(Failure::other(what));
            }
        };
        let name = variable(name)?;
        // A shortcut holds its item where an item holds its password.
        let item = found.get("password").filter(|item| matches!(item, Value::Dict(_))).unwrap_or(found);
        if let Some(password) = item.get("password") {
            variables.push((name, secret(password)?));
        }
        let Some(customs) = item.get("customs").filter(|customs| customs.is_true()) else { continue };
        for custom in elements(customs)? {
            let of_use = matches!(custom.get("type").and_then(Value::text), Some("text" | "password"));
            if let (true, Some(name), Some(value)) = (of_use, custom.get("name"), custom.get("value")) {
                variables.push((variable(text(name)?)?, secret(value)?));
            }
        }
    }
    Ok(Some(variables))
}

async fn items(client: &Client, parsed: &Parsed) -> Result<Vec<Value>> {
    let ids = |name| parsed.text(name).filter(|text| !text.is_empty());
    if let Some(text) = ids("--password-id") {
        return match listed(&text).as_slice() {
            [] => Ok(Vec::new()),
            [id] => Ok(client.item(id).await.map(Some)?.into_iter().filter(Value::is_true).collect()),
            several => client.items(several).await,
        };
    }
    if let Some(text) = ids("--shortcut-id") {
        return match listed(&text).as_slice() {
            [] => Ok(Vec::new()),
            [id] => Ok(client.shortcut(id).await.map(Some)?.into_iter().filter(Value::is_true).collect()),
            several => client.shortcuts(several).await,
        };
    }
    let mut conditions = Value::Dict(Vec::new());
    // In the order in which the official client puts them.
    for (flag, name) in [("--tags", "tags"), ("--vault-id", "vaultIds"), ("--folder-id", "folderIds")] {
        let values = listed(&ids(flag).unwrap_or_default());
        if !values.is_empty() {
            conditions.set(name, Value::List(values.iter().map(|value| value.as_str().into()).collect()));
        }
    }
    if !conditions.is_true() {
        return Err(Failure::value("No password ID or search criteria provided"));
    }
    client.search(&conditions).await
}

/// The parts of a list with commas, trimmed, without empty ones.
fn listed(text: &str) -> Vec<String> {
    text.split(',').map(strip).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn secret(value: &Value) -> Result<SecretString> {
    let value = text(value)?;
    if value.contains('\0') {
        return Err(Failure::value("embedded null byte"));
    }
    Ok(value.into())
}

/// A name as a variable: letters and digits, all else an underscore, a letter first.
fn variable(name: &str) -> Result<String> {
    let clean: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    match clean.chars().next() {
        None => Err(Failure::other("string index out of range")),
        Some(first) if first.is_ascii_alphabetic() => Ok(clean),
        Some(_) => Ok(format!("P_{clean}")),
    }
}

/// Runs the command to its end. One that a signal ended gives 256 less the signal, as Python's negative codes do.
pub fn run(command: &OsStr, variables: &[(String, SecretString)]) -> u8 {
    let mut shell = shell(command);
    if let Some((name, value)) = coerced_locale() {
        shell.env(name, value);
    }
    shell.envs(variables.iter().map(|(name, value)| (name, value.expose())));
    match shell.status() {
        Ok(status) => exit_code(status),
        Err(error) => complain(&format!("Error executing command: {error}")),
    }
}

#[cfg(unix)]
fn shell(command: &OsStr) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(command);
    shell
}

#[cfg(windows)]
fn shell(command: &OsStr) -> Command {
    use std::os::windows::process::CommandExt as _;
    let mut shell = Command::new(std::env::var_os("ComSpec").unwrap_or_else(|| "cmd.exe".into()));
    let mut quoted = OsString::from("/c \"");
    quoted.push(command);
    quoted.push("\"");
    shell.raw_arg(quoted);
    shell
}

#[cfg(unix)]
fn exit_code(status: std::process::ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt as _;
    let code = status.code().or_else(|| status.signal().map(|signal| 256 - signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

#[cfg(not(unix))]
fn exit_code(status: std::process::ExitStatus) -> u8 {
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

/// Python moves itself and its children out of the plain `C` locale (PEP 538), so that texts are UTF-8.
fn coerced_locale() -> Option<(&'static str, &'static str)> {
    let variable = |name| std::env::var_os(name).filter(|value: &OsString| !value.is_empty());
    let wanted = cfg!(target_os = "linux")
        && variable("LC_ALL").is_none()
        && variable("PYTHONCOERCECLOCALE").is_none_or(|value| value != "0");
    let locale = variable("LC_CTYPE").or_else(|| variable("LANG"));
    let plain = locale.is_none_or(|locale| locale == "C" || locale == "POSIX");
    (wanted && plain).then_some(("LC_CTYPE", "C.UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_variables() {
        let made = ["db-main", "1st", "_x", "ключ", "A b.C"].map(|name| variable(name).ok().unwrap());
        assert_eq!(made, ["db_main", "P_1st", "P__x", "P_____", "A_b_C"]);
        assert!(variable("").is_err());
    }

    #[test]
    fn lists_are_trimmed_and_empty_parts_left_out() {
        assert_eq!(listed(" a, ,b ,"), ["a", "b"]);
        assert!(listed(" , ").is_empty());
    }
}
