//! `serve`, `activity`.

use super::Switch;
use crate::args::number;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// `serve`
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch that is typed")]
pub struct Serve {
    /// The embedded environment's folder [default with --dev: a temporary one]
    pub dir: Option<PathBuf>,
    /// Serve the environment in this PostgreSQL database instead of a folder's; any number of servers may.
    #[arg(
        long,
        value_name = "postgres://USER@HOST:PORT/DATABASE",
        conflicts_with_all = ["dir", "dev"],
        help = "Serve the environment in this PostgreSQL database instead of a folder's; any number of servers may. A password \
                comes from KEYFERRY_STORE_PASSWORD, KEYFERRY_STORE_PASSWORD_FILE or PGPASSFILE"
    )]
    pub store: Option<String>,
    /// Where to listen; port 0 picks a free one
    #[arg(long, default_value = "127.0.0.1:8300", value_name = "HOST:PORT", value_parser = address)]
    pub listen: std::net::SocketAddr,
    /// Make a new environment with a user whose secrets are generated and shown
    #[arg(long)]
    pub dev: bool,
    /// With --dev: whether clients encrypt before they send
    #[arg(long, value_enum, default_value = "on", value_name = "on|off")]
    pub client_encryption: Switch,
    /// Serve HTTPS, with a certificate of the environment's own unless one is given
    #[arg(long)]
    pub tls: bool,
    /// Serve HTTPS with this certificate chain (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The certificate's private key (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Names in the environment's own certificate, besides localhost and the address
    #[arg(long, value_name = "NAME", conflicts_with = "tls_cert")]
    pub tls_name: Vec<String>,
    /// Answer an address at most so many requests a second; others get 429
    #[arg(long, value_name = "N", value_parser = number::counted)]
    pub rate_limit: Option<std::num::NonZeroU32>,
    /// Take bodies of at most so many MiB
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = number::within(1..=1_048_576_usize))]
    pub largest_body: usize,
    /// How long an access token is good, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3600, value_parser = number::within(1..=315_360_000_u64))]
    pub token_life: u64,
    /// The address that others reach it by: links begin with this
    #[arg(long, value_name = "URL")]
    pub public_url: Option<url::Url>,
    /// Answer plain JSON to everybody, not only to those who ask for it
    #[arg(long)]
    pub raw: bool,
    /// Do not log who read what, only what was changed
    #[arg(long)]
    pub no_read_log: bool,
    /// Log each request to standard error
    #[arg(long, value_enum, default_value = "text", value_name = "text|json|off")]
    pub log: Log,
    /// Show at /metrics of this address what is counted, for Prometheus, over plain HTTP to whoever asks; a port alone is one of
    /// this machine's own
    #[arg(long, value_name = "[HOST:]PORT", value_parser = own_address)]
    pub metrics: Option<std::net::SocketAddr>,
    /// Write a whole, consistent copy to this file, also while another process serves DIR, and end
    #[arg(long, value_name = "FILE", conflicts_with_all = ["dev", "listen", "metrics"], requires = "dir")]
    pub backup: Option<PathBuf>,
}

/// How the server logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Log {
    /// A line for people.
    Text,
    /// A JSON object a line.
    Json,
    /// Nothing.
    Off,
}

/// `activity`
#[derive(Debug, Args)]
pub struct Activity {
    /// The environment
    pub location: String,
    /// Only what was done in the vault of this id
    #[arg(long, value_name = "ID")]
    pub vault: Option<String>,
    /// Only what was done to the object of this id
    #[arg(long, value_name = "ID")]
    pub object: Option<String>,
    /// Only entries after this one
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = number::within(0..=i64::MAX))]
    pub after: i64,
    /// Check that no entry is missing or altered, and show the head to keep elsewhere
    #[arg(long, conflicts_with_all = ["vault", "object", "after"])]
    pub check: bool,
}

/// An address of this machine, by number or by name; IPv4 where a name has both.
fn address(text: &str) -> Result<std::net::SocketAddr, String> {
    use std::net::ToSocketAddrs as _;
    let found: Vec<_> = text
        .to_socket_addrs()
        .map_err(|_| "write an address and a port: 127.0.0.1:8300, localhost:8300, [::1]:8300".to_owned())?
        .collect();
    let first = found.iter().find(|address| address.is_ipv4()).or(found.first());
    first.copied().ok_or_else(|| "this name has no address".to_owned())
}

/// The same; where only a port is given, nobody beyond this machine reaches it.
fn own_address(text: &str) -> Result<std::net::SocketAddr, String> {
    match text.parse::<u16>() {
        Ok(port) => Ok((std::net::Ipv4Addr::LOCALHOST, port).into()),
        Err(_) => address(text),
    }
}
