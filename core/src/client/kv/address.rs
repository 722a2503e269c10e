//! `vault://HOST:PORT/MOUNT/FOLDER?namespace=NAME`: a server, and what of it is meant.
//!
//! `vault+http://` is the same without TLS. Without a port it is 8200, which these servers listen on. Without a host
//! (`vault:///secret`) it is the server that `VAULT_ADDR` or `BAO_ADDR` names. Names are percent-encoded where they hold what
//! else divides: `%2F`, `%3F`, `%25`.

use crate::client::kv::segments::{can_be_asked_for, encoded};
use crate::client::kv::variables::variable;
use crate::formats::KvVersion;
use crate::model::RecordPath;
use crate::{Error, ErrorKind, Result};
use std::fmt;
use url::Url;

const TLS: &str = "vault://";
const PLAIN: &str = "vault+http://";
const PORT: u16 = 8200;

/// A server, and what of it is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Scheme, host and port.
    pub base: Url,
    /// The namespace to begin in.
    pub namespace: Vec<String>,
    /// Mount and folders; none is everything.
    pub path: Vec<String>,
    /// What is mounted there, where whoever wrote the location says so: the server is not asked then.
    pub mounted: Option<(Vec<String>, KvVersion)>,
}

/// Whether a word names such a server.
#[must_use]
pub fn is_address(word: &str) -> bool {
    word.starts_with(TLS) || word.starts_with(PLAIN)
}

impl Address {
    /// Understands a word, with the process's variables where it names no host or no namespace.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for what is no such address, or holds a password.
    pub fn parse(word: &str) -> Result<Self> {
        Self::parse_with(word, &|name| variable(&[name]))
    }

    fn parse_with(word: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self> {
        let (scheme, rest) = match (word.strip_prefix(TLS), word.strip_prefix(PLAIN)) {
            (Some(rest), _) => ("https", rest),
            (None, Some(rest)) => ("http", rest),
            (None, None) => return Err(wrong("this is no address of a server of secrets")),
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let base = if host.is_empty() {
            let named = lookup("VAULT_ADDR").or_else(|| lookup("BAO_ADDR"));
            named_base(&named.ok_or_else(|| wrong("the address names no host, and VAULT_ADDR is not set"))?)?
        } else {
            base(scheme, host)?
        };
        let mut address = Self { base, namespace: Vec::new(), path: decoded(path)?, mounted: None };
        let mut namespace = lookup("VAULT_NAMESPACE").or_else(|| lookup("BAO_NAMESPACE"));
        let (mut mount, mut version) = (None, None);
        for (name, value) in query
            .split('&')
            .filter(|part| !part.is_empty())
            .map(|part| part.split_once('=').unwrap_or((part, "")))
        {
            match (name, value) {
                ("namespace", value) => namespace = Some(value.to_owned()),
                ("mount", value) => mount = Some(decoded(value)?),
                ("version", "1") => version = Some(KvVersion::One),
                ("version", "2") => version = Some(KvVersion::Two),
                _ => {
                    return Err(wrong("after ? come namespace=NAME, version=1 or version=2, and mount=NAME"));
                }
            }
        }
        address.namespace = decoded(&namespace.unwrap_or_default())?;
        address.mounted = match (mount, version) {
            (Some(_), None) => return Err(wrong("?mount= goes with &version=1 or &version=2")),
            (mount, Some(version)) => {
                let mount = mount.unwrap_or_else(|| address.path.iter().take(1).cloned().collect());
                if mount.is_empty() || !address.path.starts_with(&mount) {
                    return Err(wrong("the path does not begin with the mount"));
                }
                Some((mount, version))
            }
            (None, None) => None,
        };
        Ok(address)
    }

    /// The place of it that is meant, as its records stand.
    #[must_use]
    pub fn place(&self) -> RecordPath {
        self.path.iter().cloned().collect()
    }
}

/// One spelling for every way to write it.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.base.scheme() == "http" { PLAIN } else { TLS };
        let host = self.base.host_str().unwrap_or_default();
        let port = self.base.port_or_known_default().unwrap_or(PORT);
        write!(f, "{scheme}{host}:{port}/{}", encoded(&self.path))?;
        if !self.namespace.is_empty() {
            write!(f, "?namespace={}", encoded(&self.namespace))?;
        }
        Ok(())
    }
}

/// Host and port as they were typed.
fn base(scheme: &str, host: &str) -> Result<Url> {
    if host.contains('@') {
        return Err(Error::new(ErrorKind::Usage, "an address must not hold a user name or password")
            .next_step("set KEYFERRY_VAULT_TOKEN instead"));
    }
    // The port of the scheme itself is lost in an address that was parsed, so it is looked for before.
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()));
    let mut url =
        Url::parse(&format!("{scheme}://{host}/")).map_err(|_| wrong("this is no host and port"))?;
    if !has_port && url.set_port(Some(PORT)).is_err() {
        return Err(wrong("this is no host and port"));
    }
    Ok(url)
}

/// The server that a variable names, as the servers' own programs understand it.
fn named_base(text: &str) -> Result<Url> {
    let unusable = || wrong("VAULT_ADDR is no address of a server: https://HOST:8200");
    let mut url = Url::parse(text).map_err(|_| unusable())?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(unusable());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(unusable());
    }
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

fn decoded(path: &str) -> Result<Vec<String>> {
    let names = path.split('/').filter(|name| !name.is_empty()).map(|name| {
        let mut bytes = Vec::with_capacity(name.len());
        let mut rest = name.as_bytes();
        while let [first, after @ ..] = rest {
            rest = after;
            if *first != b'%' {
                bytes.push(*first);
                continue;
            }
            let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
            let byte = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
            let byte = byte.and_then(|digits| u8::from_str_radix(digits, 16).ok());
            bytes
                .push(byte.ok_or_else(|| wrong("a % in it is not followed by two digits; % itself is %25"))?);
            rest = after.get(2..).unwrap_or_default();
        }
        let name = String::from_utf8(bytes).map_err(|_| wrong("a name in it is no text"))?;
        if !can_be_asked_for(&name) {
            return Err(wrong("a name in it cannot be asked for"));
        }
        Ok(name)
    });
    names.collect()
}

fn wrong(what: &str) -> Error {
    Error::new(ErrorKind::Usage, what).next_step("write vault://HOST:PORT/MOUNT/FOLDER")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(word: &str) -> Result<Address> {
        Address::parse_with(word, &|_| None)
    }

    #[test]
    fn every_spelling_of_a_server_has_one_name() {
        for (word, shown) in [
            ("vault://v.example.com", "vault://v.example.com:8200/"),
            ("vault://V.example.com:443/secret/", "vault://v.example.com:443/secret"),
            ("vault+http://127.0.0.1:8200/secret/a b", "vault+http://127.0.0.1:8200/secret/a%20b"),
            ("vault+http://[::1]/kv", "vault+http://[::1]:8200/kv"),
            ("vault+http://[::1]:80/kv", "vault+http://[::1]:80/kv"),
            ("vault://h/s/x%2525?namespace=a/b", "vault://h:8200/s/x%2525?namespace=a/b"),
        ] {
            let address = parse(word).unwrap();
            assert_eq!(address.to_string(), shown);
            assert_eq!(parse(shown).unwrap(), address, "{shown}");
        }
        assert_eq!(parse("vault://h/s/x%2525").unwrap().path, ["s", "x%25"]);
    }

    #[test]
    fn what_leads_elsewhere_or_holds_a_password_is_refused_and_not_repeated() {
        for word in [
            "vault://me:planted@h/secret",
            "vault://planted@h",
            "vault://h/secret/../planted",
            "vault://h/a%2Fplanted",
            "vault://h/a%zzplanted",
            "vault://h/s?token=planted",
            "vault://h:planted/",
            "vault:///planted",
            "https://planted",
        ] {
            let error = parse(word).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage, "{word}");
            assert!(!error.to_string().contains("planted"), "{error}");
        }
    }

    #[test]
    fn variables_name_what_the_location_leaves_out() {
        let lookup = |name: &str| match name {
            "VAULT_ADDR" => Some("http://127.0.0.1:8201".to_owned()),
            "VAULT_NAMESPACE" => Some("team/".to_owned()),
            _ => None,
        };
        let of = |word| Address::parse_with(word, &lookup).unwrap();
        assert_eq!(of("vault:///secret").to_string(), "vault+http://127.0.0.1:8201/secret?namespace=team");
        assert_eq!(of("vault://h/secret?namespace=").namespace, Vec::<String>::new());
        let mounted = of("vault://h/team/kv/app?mount=team/kv&version=2").mounted;
        assert_eq!(mounted, Some((vec!["team".to_owned(), "kv".to_owned()], KvVersion::Two)));
        assert!(Address::parse_with("vault://h/secret?mount=secret", &lookup).is_err());
    }
}
