//! `env`.

use super::Switch;
use clap::Subcommand;

/// `env pins`
#[derive(Debug, Subcommand)]
pub enum Pins {
    /// Print an environment's pins for `KEYFERRY_PINS` of a machine that keeps nothing: digests, no secrets
    Export {
        /// The environment
        location: String,
    },
}

/// `env`
#[derive(Debug, Subcommand)]
pub enum Env {
    /// Make an embedded environment and its first user
    Init {
        /// embedded:DIR, or postgres://USER@HOST:PORT/DATABASE for `serve --store`
        location: String,
        /// The first user's name
        #[arg(long, value_name = "NAME")]
        user: String,
        /// Generate the master password and show it once
        #[arg(long)]
        generate: bool,
        /// Whether clients encrypt before they send
        #[arg(long, value_enum, default_value = "on", value_name = "on|off")]
        client_encryption: Switch,
        /// Take a master password of fewer than 8 characters
        #[arg(long)]
        allow_weak: bool,
    },
    /// Put an embedded environment as it is, with sessions, rights and history, into an empty PostgreSQL database
    Copy {
        /// embedded:DIR; nobody should serve it meanwhile
        from: String,
        /// postgres://USER@HOST:PORT/DATABASE
        to: String,
    },
    /// Give an environment a name
    Add {
        /// Begins with a letter; lower-case letters, digits, _ and -
        name: String,
        /// https://… or embedded:DIR
        location: String,
    },
    /// List the named environments
    List,
    /// Sign in and unlock, change nothing
    Test {
        /// The environment
        location: String,
    },
    /// Print the public key of an environment's user, for `archive create --recipient`
    PublicKey {
        /// The environment
        location: String,
    },
    /// Wrap vault keys for those who have a right in a vault and no copy of its key: who joined a group, for one
    GiveKeys {
        /// The environment, or a vault in it
        location: String,
        /// They may be wrapped for users whose keys were never seen here
        #[arg(long)]
        trust_administrators: bool,
    },
    /// Forget what is remembered of an environment: what it says next is believed
    Unpin {
        /// The environment
        location: String,
        /// What, as the error names it: a user's id, vault:ID, record:ID, target:ID, encryption, key-derivation
        subject: String,
    },
    /// What is remembered of environments
    #[command(subcommand)]
    Pins(Pins),
    /// Forget a name; the environment itself stays
    Remove {
        /// The name
        name: String,
    },
}
