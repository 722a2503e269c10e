//! Where a target is. An address comes from a record and is shown in reports: it holds no secret, whatever the record
//! holds.

use keyferry_core::{Error, ErrorKind, Result};
use std::fmt;
use std::fmt::Write as _;
use std::net::IpAddr;
use url::{Host, Url};

/// Scheme, host, port and path of a target, with neither user nor password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    url: Url,
    /// The user typed it, rather than a record saying so.
    typed: bool,
}

/// The parameters that say how a target is reached, and so belong to which target it is.
const PARAMETERS: &[&str] = &["sslmode", "ssl-mode", "known_hosts"];

impl Address {
    /// Understands a record's `url`, leaving out the user and password that it may name.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] for what is no address. The text is not repeated: it could hold a password.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = || {
            Error::new(ErrorKind::Input, "its url is no address of a target")
                .next_step("write postgres://HOST:PORT/DATABASE or the like into its url, or give --target")
        };
        let mut url = Url::parse(text.trim()).map_err(|_| wrong())?;
        // `name:password` reads as a scheme and a path.
        if url.cannot_be_a_base() {
            return Err(wrong());
        }
        if !url.username().is_empty() || url.password().is_some() {
            url.set_username("").and_then(|()| url.set_password(None)).map_err(|()| wrong())?;
        }
        url.set_fragment(None);
        Ok(Self { url, typed: false })
    }

    /// The same, as the user typed it: it may turn encryption off, which a record may not.
    #[must_use]
    pub fn typed(self) -> Self {
        Self { typed: true, ..self }
    }

    /// Whether its parameters may loosen how the target is reached: on this machine, or where the user typed them.
    #[must_use]
    pub fn may_loosen(&self) -> bool {
        self.typed || self.is_local()
    }

    /// A parameter that loosens how the target is reached; from a record it counts on this machine alone.
    #[must_use]
    pub fn loosening(&self, name: &str) -> Option<String> {
        self.parameter(name).filter(|_| self.may_loosen())
    }

    /// All that makes this target another than others, in one spelling; no secret is in it.
    #[must_use]
    pub fn identity(&self, usual_port: u16) -> String {
        let host = self.host().unwrap_or_default().to_lowercase();
        let mut text = format!(
            "{}://{host}:{}{}",
            self.scheme(),
            self.port(usual_port),
            self.url.path().trim_end_matches('/')
        );
        for name in PARAMETERS {
            if let Some(value) = self.parameter(name) {
                let _ = write!(text, " {name}={value}");
            }
        }
        text
    }

    /// `postgres`, `redis` …
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.url.scheme()
    }

    /// The host's name or number, without the brackets of IPv6.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] where there is none.
    pub fn host(&self) -> Result<String> {
        match self.url.host() {
            Some(Host::Domain(name)) if !name.is_empty() => Ok(name.to_owned()),
            Some(Host::Ipv4(number)) => Ok(number.to_string()),
            Some(Host::Ipv6(number)) => Ok(number.to_string()),
            _ => Err(Error::new(ErrorKind::Input, format!("{self} names no host"))),
        }
    }

    /// The port, or the one that is usual.
    #[must_use]
    pub fn port(&self, usual: u16) -> u16 {
        self.url.port().unwrap_or(usual)
    }

    /// The first part of the path: a database.
    #[must_use]
    pub fn database(&self) -> Option<&str> {
        self.url.path().split('/').nth(1).filter(|name| !name.is_empty())
    }

    /// A parameter after the question mark.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<String> {
        self.url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// Whether it is this machine, so that nobody reads along.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self.host() {
            Ok(host) if host.eq_ignore_ascii_case("localhost") => true,
            Ok(host) => host.parse::<IpAddr>().is_ok_and(|number| number.is_loopback()),
            Err(_) => false,
        }
    }
}

impl fmt::Display for Address {
    /// Without parameters: a driver's may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.url.clone();
        shown.set_query(None);
        f.write_str(shown.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_secret_in_a_url_is_left_out() {
        let address = Address::parse(
            "postgres://app:planted@db.example:6432/main?sslmode=require&password=planted#planted",
        )
        .unwrap();
        assert_eq!(address.to_string(), "postgres://db.example:6432/main");
        assert_eq!((address.port(5432), address.database()), (6432, Some("main")));
        assert_eq!(address.parameter("sslmode").as_deref(), Some("require"));
        assert!(!address.identity(5432).contains("planted"));
        let error = Address::parse("app:planted").unwrap_err();
        assert!(!format!("{error:?}").contains("planted"));
    }

    #[test]
    fn a_record_loosens_nothing_elsewhere() {
        let address = Address::parse("postgres://DB.example?sslmode=disable").unwrap();
        assert_eq!(address.loosening("sslmode"), None);
        assert_eq!(address.clone().typed().loosening("sslmode").as_deref(), Some("disable"));
        assert!(
            Address::parse("postgres://127.0.0.1?sslmode=disable").unwrap().loosening("sslmode").is_some()
        );
        let same = Address::parse("postgres://db.example:5432/?sslmode=disable").unwrap();
        assert_eq!(address.identity(5432), same.identity(5432));
        for other in [
            "postgres://db.example",
            "postgres://db.example:5433?sslmode=disable",
            "postgres://db.example/x?sslmode=disable",
        ] {
            assert_ne!(address.identity(5432), Address::parse(other).unwrap().identity(5432), "{other}");
        }
    }

    #[test]
    fn this_machine_is_known_under_its_names() {
        let local = |text: &str| Address::parse(text).unwrap().is_local();
        assert!(local("redis://127.0.0.1:1") && local("redis://localhost") && local("redis://[::1]:6379"));
        assert!(!local("redis://10.0.0.1") && !local("redis://localhost.example"));
    }
}
