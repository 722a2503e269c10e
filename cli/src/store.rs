//! Where a server's environment is: a folder, or a PostgreSQL database whose password comes from anywhere but the command.

use crate::credentials::{self, Lookup};
use crate::exit::usage;
use keyferry_core::secret::SecretString;
use keyferry_core::{Error, Result};
use keyferry_server::{Address, AddressError};
use zeroize::Zeroizing;

/// How such an address is written.
pub const SHAPE: &str = "postgres://USER@HOST:PORT/DATABASE";

/// A database's address with what signs in there: `KEYFERRY_STORE_PASSWORD`, the file that `KEYFERRY_STORE_PASSWORD_FILE`
/// names, or the line of `PGPASSFILE` for this address. Without any of them the server is asked to let in without one.
pub fn address(text: &str, lookup: Lookup<'_>) -> Result<Address> {
    let address = Address::parse(text).map_err(|error| {
        let next = match &error {
            AddressError::HoldsPassword => {
                "leave it out, and set KEYFERRY_STORE_PASSWORD, KEYFERRY_STORE_PASSWORD_FILE or PGPASSFILE"
                    .to_owned()
            }
            _ => format!("write {SHAPE}, with ?sslmode=… where it needs one"),
        };
        usage(error.to_string(), next)
    })?;
    Ok(match password(&address, lookup)? {
        Some(password) => address.with_password(password.expose()),
        None => address,
    })
}

fn password(address: &Address, lookup: Lookup<'_>) -> Result<Option<SecretString>> {
    match credentials::secret("KEYFERRY_STORE", "PASSWORD", lookup)? {
        Some(password) => Ok(Some(password)),
        None => in_password_file(address, lookup),
    }
}

fn in_password_file(address: &Address, lookup: Lookup<'_>) -> Result<Option<SecretString>> {
    let Some(path) = lookup("PGPASSFILE") else { return Ok(None) };
    let lines = std::fs::read_to_string(&path).map_err(|error| {
        Error::io(&path, error).next_step("PGPASSFILE names a file of host:port:database:user:password lines")
    })?;
    let lines = Zeroizing::new(lines);
    Ok(address.password_in(&lines).map(|password| SecretString::from(password.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_the_address_is_refused_and_not_repeated() {
        for text in [
            "postgres://app:planted@db/main",
            "postgres://app@db/main?password=planted",
            "postgres://app:planted@",
        ] {
            let error = address(text, &|_| None).unwrap_err();
            let told = format!("{error} {error:?}");
            assert_eq!(error.kind(), keyferry_core::ErrorKind::Usage);
            assert!(!told.contains("planted"), "{told}");
        }
    }

    #[test]
    fn a_variable_goes_before_a_file_and_both_before_the_password_file() {
        let folder = tempfile::tempdir().unwrap();
        let (one, lines) = (folder.path().join("one"), folder.path().join("lines"));
        std::fs::write(&one, "from a file\n").unwrap();
        std::fs::write(&lines, "db:5432:main:app:from the lines\n").unwrap();
        let (one, lines) = (one.to_str().unwrap().to_owned(), lines.to_str().unwrap().to_owned());
        let all = [
            ("KEYFERRY_STORE_PASSWORD", "from a variable"),
            ("KEYFERRY_STORE_PASSWORD_FILE", &one),
            ("PGPASSFILE", &lines),
        ];
        let of = |names: &[(&str, &str)]| {
            let lookup = |name: &str| {
                names.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            };
            let address = Address::parse("postgres://app@db/main").unwrap();
            password(&address, &lookup).unwrap().map(|password| password.expose().to_owned())
        };
        assert_eq!(of(&all).as_deref(), Some("from a variable"));
        assert_eq!(of(&all[1..]).as_deref(), Some("from a file"));
        assert_eq!(of(&all[2..]).as_deref(), Some("from the lines"));
        assert_eq!(of(&[]), None);
    }
}
