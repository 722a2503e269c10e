//! Where a PostgreSQL database is, and what signs in there.

use std::net::IpAddr;
use std::time::Duration;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use zeroize::Zeroizing;

/// The address of a PostgreSQL database: `postgres://USER@HOST:PORT/DATABASE`, with parameters such as `sslmode`.
///
/// On another machine the server must speak TLS and show a certificate that the system trusts, unless the address says
/// `sslmode=disable`; on this one it need not.
#[derive(Clone)]
pub struct Address {
    config: Config,
}

/// Why an address cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressError {
    /// It is no address of PostgreSQL.
    Malformed(String),
    /// It names a password.
    HoldsPassword,
}

impl std::fmt::Display for AddressError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Malformed(why) => write!(f, "this is no address of a PostgreSQL database: {why}"),
            Self::HoldsPassword => f.write_str(
                "the address holds a password: every program on this machine can read what stands in a command, and \
                 addresses end up in logs",
            ),
        }
    }
}

impl std::error::Error for AddressError {}

/// A parameter's name as it stands in an address.
const PASSWORD: &str = "password";

impl Address {
    /// Whether a text is meant to be such an address.
    #[must_use]
    pub fn is_meant(text: &str) -> bool {
        ["postgres://", "postgresql://"]
            .iter()
            .any(|scheme| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
    }

    /// Reads an address, which holds no password.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if !Self::is_meant(text) {
            return Err(AddressError::Malformed("it begins with postgres://".to_owned()));
        }
        let (_, rest) = text.split_once("://").unwrap_or_default();
        let mut config: Config =
            format!("postgres://{rest}").parse().map_err(|error: tokio_postgres::Error| {
                // Its own words for what is wrong may repeat a part of the address, a password too.
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                AddressError::Malformed(match cause {
                    Some(cause) if !rest.contains(PASSWORD) && !holds_colon_before_at(rest) => cause,
                    _ => "write postgres://USER@HOST:PORT/DATABASE".to_owned(),
                })
            })?;
        if config.get_password().is_some() || holds_colon_before_at(rest) {
            return Err(AddressError::HoldsPassword);
        }
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(AddressError::Malformed("it names no host".to_owned()));
        }
        config.ssl_mode(match config.get_ssl_mode() {
            SslMode::Disable => SslMode::Disable,
            // Nobody stands in between on one machine, and the certificates there are nobody's.
            SslMode::Prefer if is_local(&config) => SslMode::Disable,
            // What is only preferred, whoever stands in between can refuse.
            _ => SslMode::Require,
        });
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(10));
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(Duration::from_secs(30));
        }
        config
            .keepalives_idle(Duration::from_secs(30))
            .application_name("keyferry")
            // Of several servers, the one that takes writes.
            .target_session_attrs(TargetSessionAttrs::ReadWrite);
        Ok(Self { config })
    }

    /// The same with a password.
    #[must_use]
    pub fn with_password(mut self, password: &str) -> Self {
        self.config.password(password);
        self
    }

    /// The password that a file of `host:port:database:user:password` lines has for this address, as PostgreSQL's own
    /// clients read it.
    #[must_use]
    pub fn password_in(&self, lines: &str) -> Option<Zeroizing<String>> {
        let host = self.config.get_hosts().first().map(host_name).unwrap_or_default();
        let port = self.config.get_ports().first().copied().unwrap_or(PORT).to_string();
        let user = self.config.get_user().unwrap_or_default();
        let wanted = [&host, &port, self.config.get_dbname().unwrap_or(user), user];
        lines.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
            let fields = fields(line);
            let (Some(place), Some(password)) = (fields.get(..4), fields.get(4)) else { return None };
            let fits = place.iter().zip(wanted).all(|(field, wanted)| **field == "*" || **field == wanted);
            fits.then(|| password.clone())
        })
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }
}

/// Where PostgreSQL listens.
const PORT: u16 = 5432;

impl std::fmt::Display for Address {
    /// Without a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("postgres://")?;
        if let Some(user) = self.config.get_user() {
            write!(f, "{user}@")?;
        }
        for (index, host) in self.config.get_hosts().iter().enumerate() {
            let ports = self.config.get_ports();
            let port = ports.get(index).or(ports.first()).copied().unwrap_or(PORT);
            write!(f, "{}{}:{port}", if index > 0 { "," } else { "" }, host_name(host))?;
        }
        write!(f, "/{}", self.config.get_dbname().unwrap_or_default())
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Address({self})")
    }
}

/// `user:…@host`, however the rest reads.
fn holds_colon_before_at(rest: &str) -> bool {
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
}

fn host_name(host: &Host) -> String {
    match host {
        Host::Tcp(name) => name.clone(),
        #[cfg(unix)]
        Host::Unix(path) => path.display().to_string(),
    }
}

fn is_local(config: &Config) -> bool {
    let by_name = |host: &Host| match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    };
    let addresses = config.get_hostaddrs();
    if addresses.is_empty() {
        config.get_hosts().iter().all(by_name)
    } else {
        addresses.iter().all(IpAddr::is_loopback)
    }
}

/// What stands between colons; a backslash takes the next character as it is.
fn fields(line: &str) -> Vec<Zeroizing<String>> {
    let mut fields = vec![Zeroizing::new(String::new())];
    let mut characters = line.chars();
    while let Some(letter) = characters.next() {
        let taken = match letter {
            // The password is the last, and takes all that follows.
            ':' if fields.len() < 5 => {
                fields.push(Zeroizing::default());
                continue;
            }
            '\\' => characters.next(),
            other => Some(other),
        };
        if let (Some(field), Some(taken)) = (fields.last_mut(), taken) {
            field.push(taken);
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    #[test]
    fn an_address_holds_no_password_and_no_message_repeats_one() {
        for text in [
            "postgres://app:planted@db.example/main",
            "postgres://app:@db.example/main",
            "postgres://app@db.example/main?password=planted",
            "postgres://app:planted@db.example:port/main",
            "postgres://app@db.example/main?sslmode=planted&password=planted",
        ] {
            let error = Address::parse(text).unwrap_err();
            assert!(!error.to_string().contains("planted"), "{error}");
        }
        assert_eq!(Address::parse("postgres://a:b@c/d").unwrap_err(), AddressError::HoldsPassword);
        let shown = parse("PostgreSQL://app@db.example:6432/main?connect_timeout=3");
        let shown = shown.with_password("planted");
        assert_eq!(shown.to_string(), "postgres://app@db.example:6432/main");
        assert!(!format!("{shown:?} {:?}", shown.config()).contains("planted"));
    }

    #[test]
    fn beyond_this_machine_it_is_tls_unless_it_is_said_otherwise() {
        for (text, mode) in [
            ("postgres://a@db.example/b", SslMode::Require),
            ("postgres://a@db.example/b?sslmode=prefer", SslMode::Require),
            ("postgres://a@db.example/b?sslmode=disable", SslMode::Disable),
            ("postgres://a@localhost,db.example/b", SslMode::Require),
            ("postgres://a@localhost/b?hostaddr=192.0.2.1", SslMode::Require),
            ("postgres://a@127.0.0.1/b", SslMode::Disable),
            ("postgres://a@localhost/b?sslmode=require", SslMode::Require),
            ("postgres://a@%2Frun%2Fpostgresql/b", SslMode::Disable),
        ] {
            assert_eq!(parse(text).config().get_ssl_mode(), mode, "{text}");
        }
    }

    #[test]
    fn a_password_file_is_read_as_postgres_reads_it() {
        let address = parse("postgres://app@db.example/main");
        let of = |lines: &str| address.password_in(lines).map(|password| password.to_string());
        assert_eq!(
            of("# x\nother:*:*:*:no\ndb.example:5432:main:app:a\\:b:c\\\\d\n"),
            Some("a:b:c\\d".into())
        );
        assert_eq!(of("*:*:*:app:first\n*:*:*:*:second\n"), Some("first".into()));
        assert_eq!(of("db.example:5433:main:app:no\nshort:line\n"), None);
    }
}
