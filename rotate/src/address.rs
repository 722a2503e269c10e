//! Where a target is. An address comes from a record and is shown in reports: it holds no secret, whatever the record
//! holds.

use keyferry_core::{Error, ErrorKind, Result};
use std::fmt;
use std::net::IpAddr;
use url::{Host, Url};

/// Scheme, host, port and path of a target, with neither user nor password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(Url);

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
        Ok(Self(url))
    }

    /// `postgres`, `redis` …
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.0.scheme()
    }

    /// The host's name or number, without the brackets of IPv6.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] where there is none.
    pub fn host(&self) -> Result<String> {
        match self.0.host() {
            Some(Host::Domain(name)) if !name.is_empty() => Ok(name.to_owned()),
            Some(Host::Ipv4(number)) => Ok(number.to_string()),
            Some(Host::Ipv6(number)) => Ok(number.to_string()),
            _ => Err(Error::new(ErrorKind::Input, format!("{self} names no host"))),
        }
    }

    /// The port, or the one that is usual.
    #[must_use]
    pub fn port(&self, usual: u16) -> u16 {
        self.0.port().unwrap_or(usual)
    }

    /// The first part of the path: a database.
    #[must_use]
    pub fn database(&self) -> Option<&str> {
        self.0.path().split('/').nth(1).filter(|name| !name.is_empty())
    }

    /// A parameter after the question mark.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<String> {
        self.0.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
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
        let mut shown = self.0.clone();
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
        let error = Address::parse("app:planted").unwrap_err();
        assert!(!format!("{error:?}").contains("planted"));
    }

    #[test]
    fn this_machine_is_known_under_its_names() {
        let local = |text: &str| Address::parse(text).unwrap().is_local();
        assert!(local("redis://127.0.0.1:1") && local("redis://localhost") && local("redis://[::1]:6379"));
        assert!(!local("redis://10.0.0.1") && !local("redis://localhost.example"));
    }
}
