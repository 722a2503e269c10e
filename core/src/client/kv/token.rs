//! Where the token of a server of secrets comes from, and the authorities that prove its name: variables, and files that they
//! name; the token that the server's own program keeps.

use crate::client::Trust;
use crate::client::kv::address::Address;
use crate::client::kv::variables::variable;
use crate::client::transport::is_this_machine;
use crate::error::Place;
use crate::secret::SecretString;
use crate::{Error, ErrorKind, Result};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use url::Url;
use zeroize::Zeroizing;

/// A token is shorter, whatever made it.
const LONGEST: u64 = 64 << 10;

/// Where `vault login` and `bao login` leave their token.
const KEPT: &str = ".vault-token";

/// The token that this process brings: `KEYFERRY_VAULT_TOKEN`, or the file that `KEYFERRY_VAULT_TOKEN_FILE` names; the same of
/// `VAULT_TOKEN` and `BAO_TOKEN`, and `~/.vault-token`, which count only for the server of `VAULT_ADDR` where that is set.
///
/// # Errors
/// [`ErrorKind::Io`] for a file that was named and does not open.
pub fn of_process(address: &Address) -> Result<Option<SecretString>> {
    let home = etcetera::home_dir().ok().map(|home| home.join(KEPT));
    find(address, &|name| variable(&[name]), home)
}

fn find(
    address: &Address,
    lookup: &dyn Fn(&str) -> Option<String>,
    kept: Option<PathBuf>,
) -> Result<Option<SecretString>> {
    let named = |name: &str| -> Result<Option<SecretString>> {
        if let Some(token) = lookup(name) {
            return Ok(Some(SecretString::from(token.trim())));
        }
        lookup(&format!("{name}_FILE")).map(|path| read(Path::new(&path))).transpose()
    };
    if let Some(own) = named("KEYFERRY_VAULT_TOKEN")? {
        return Ok(Some(own));
    }
    let theirs = lookup("VAULT_ADDR").or_else(|| lookup("BAO_ADDR"));
    if theirs.is_some_and(|theirs| !Url::parse(&theirs).is_ok_and(|theirs| is_same(&theirs, &address.base))) {
        return Ok(None);
    }
    for name in ["VAULT_TOKEN", "BAO_TOKEN"] {
        if let Some(token) = named(name)? {
            return Ok(Some(token));
        }
    }
    kept.filter(|path| path.is_file()).map(|path| read(&path)).transpose()
}

/// Whether two addresses are one server's; every name of this machine is the same.
fn is_same(one: &Url, other: &Url) -> bool {
    one.origin() == other.origin()
        || (is_this_machine(one)
            && is_this_machine(other)
            && one.scheme() == other.scheme()
            && one.port_or_known_default() == other.port_or_known_default())
}

/// That there is no token, and what to do about it.
#[must_use]
pub fn none_at_hand(address: &Address) -> Error {
    let host = address.base.host_str().unwrap_or_default();
    Error::new(ErrorKind::NotAuthenticated, format!("{host}: no token is at hand")).next_step(
        "set KEYFERRY_VAULT_TOKEN or KEYFERRY_VAULT_TOKEN_FILE; VAULT_TOKEN and ~/.vault-token count where VAULT_ADDR is this server or not set",
    )
}

fn read(path: &Path) -> Result<SecretString> {
    let failed = |error| Error::io(path, error);
    let mut text = Zeroizing::new(String::with_capacity(4096));
    std::fs::File::open(path).map_err(failed)?.take(LONGEST).read_to_string(&mut text).map_err(failed)?;
    let token = text.trim();
    if token.is_empty() {
        return Err(Error::new(ErrorKind::Input, "there is no token in it")
            .at(Place::File { path: path.to_owned(), at: None }));
    }
    Ok(SecretString::from(token))
}

/// Which certificates prove the server's name: those in the file that `VAULT_CACERT` or `BAO_CACERT` names, else the system's.
///
/// # Errors
/// [`ErrorKind::Io`] for a file that does not open.
pub fn trust_of_process() -> Result<Trust> {
    let Some(path) = variable(&["VAULT_CACERT", "BAO_CACERT"]) else { return Ok(Trust::System) };
    std::fs::read(&path).map(Trust::Only).map_err(|error| Error::io(path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_own_token_goes_to_that_server_alone() {
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().join(KEPT);
        std::fs::write(&kept, "kept\n").unwrap();
        let of = |variables: &[(&str, &str)], word: &str| {
            let lookup = |name: &str| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            };
            let token = find(&Address::parse(word).unwrap(), &lookup, Some(kept.clone())).unwrap();
            token.map(|token| token.expose().to_owned())
        };
        let theirs = [("VAULT_ADDR", "http://127.0.0.1:8200"), ("VAULT_TOKEN", "theirs")];
        assert_eq!(of(&theirs, "vault+http://localhost:8200/s").as_deref(), Some("theirs"));
        for other in ["vault+http://localhost:8201", "vault://localhost:8200", "vault://h"] {
            assert_eq!(of(&theirs, other), None, "{other}");
        }
        assert_eq!(of(&[], "vault://h").as_deref(), Some("kept"));
        assert_eq!(of(&[("KEYFERRY_VAULT_TOKEN", "own"), theirs[0]], "vault://h").as_deref(), Some("own"));
        let file = kept.to_str().unwrap();
        assert_eq!(of(&[("VAULT_TOKEN_FILE", file)], "vault://h").as_deref(), Some("kept"));
    }
}
