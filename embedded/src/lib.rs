//! Embedded environments: made, opened in process, and given their first user.
//!
//! The one place where core's client and the server meet. Every face (command line, Python, C) opens
//! `embedded:DIR` through it; neither core nor the server knows the other.

use keyferry_core::client::{Client, Session, check_scheme, http_transport, in_process, root_of};
use keyferry_core::crypto::{account, generate};
use keyferry_core::engine::report::typed;
use keyferry_core::error::Place;
use keyferry_core::secret::SecretString;
use keyferry_core::{Error, ErrorKind, Result};
use keyferry_server::{Address, Environment as ServerEnvironment, ServeOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::Url;

/// How many records travel in one request where no network limits them.
const BATCH: usize = 500;

/// A new environment and the secrets of its first user. Nothing of it is kept elsewhere.
pub struct Made {
    /// The environment, open.
    pub environment: ServerEnvironment,
    /// The user's name.
    pub user: String,
    /// The generated login password.
    pub password: SecretString,
    /// What unlocks the user's key; `None` without client-side encryption.
    pub master_key: Option<SecretString>,
    /// A session's access token.
    pub access_token: SecretString,
    /// What renews it.
    pub refresh_token: SecretString,
}

/// Makes an environment with one user. Without a master password it is one without client-side encryption.
pub fn make(folder: &Path, user: &str, master_password: Option<&SecretString>) -> Result<Made> {
    let create = |encryption| ServerEnvironment::create(folder, encryption);
    made(create, user, master_password, |error| failed(folder, error))
}

/// Makes an environment with one user in a PostgreSQL database, which holds none yet.
pub fn make_on(address: &Address, user: &str, master_password: Option<&SecretString>) -> Result<Made> {
    let create = |encryption| ServerEnvironment::create_on(address, encryption);
    made(create, user, master_password, |error| failed_on(address, error))
}

fn made(
    create: impl FnOnce(bool) -> std::result::Result<ServerEnvironment, keyferry_server::Error>,
    user: &str,
    master_password: Option<&SecretString>,
    failed: impl Fn(keyferry_server::Error) -> Error,
) -> Result<Made> {
    // Keys first: where making them fails, no half-made environment is left.
    let account = master_password.map(account::generate).transpose()?;
    let password = generate::password(24)?;
    let environment = create(account.is_some()).map_err(&failed)?;
    let new_user = keyferry_api::user::NewUser {
        login: None,
        user_role_id: None,
        is_blocked: None,
        email: None,
        full_name: None,
        username: Some(user.to_owned()),
        password: Some(password.expose().to_owned()),
        master_key_hash: account.as_ref().map(|account| account.master_key_hash.clone()),
        master_key_options: account.as_ref().map(|account| account.master_key_options.clone()),
        keys: account.as_ref().map(|account| keyferry_api::user::KeyPair {
            public: account.public_pem.clone(),
            private_encrypted: account.private_encrypted.clone(),
        }),
    };
    let id = environment.add_user(new_user).map_err(&failed)?;
    let tokens = environment.issue_session(&id).map_err(&failed)?;
    Ok(Made {
        environment,
        user: user.to_owned(),
        password,
        master_key: account.map(|account| account.master_key),
        access_token: tokens.access_token.unwrap_or_default().into(),
        refresh_token: tokens.refresh_token.unwrap_or_default().into(),
    })
}

/// The environment in one of whose folders this one lies or would lie.
#[must_use]
pub fn environment_above(folder: &Path) -> Option<PathBuf> {
    let whole = std::path::absolute(folder).ok()?;
    whole
        .ancestors()
        .skip(1)
        .find(|above| above.join(keyferry_server::DATABASE_FILE).is_file())
        .map(Path::to_owned)
}

/// Opens an environment that exists.
pub fn open(folder: &Path) -> Result<ServerEnvironment> {
    if !folder.join(keyferry_server::DATABASE_FILE).is_file() {
        return Err(no_environment(folder));
    }
    ServerEnvironment::open(folder).map_err(|error| failed(folder, error))
}

/// Moves what a folder's environment holds into a PostgreSQL database, which holds none yet; how many rows that is.
pub fn copy_to(folder: &Path, address: &Address) -> Result<u64> {
    open(folder)?.copy_to(address).map_err(|error| failed_on(address, error))
}

/// Opens the environment in a PostgreSQL database.
pub fn open_on(address: &Address) -> Result<ServerEnvironment> {
    ServerEnvironment::open_on(address).map_err(|error| failed_on(address, error))
}

/// There is none in this folder; what to do depends on what is there.
fn no_environment(folder: &Path) -> Error {
    let at = |what: &str| {
        Error::new(ErrorKind::NotFound, what).at(Place::File { path: folder.to_owned(), at: None })
    };
    let error = at("there is no embedded environment in this folder");
    if let Some(above) = environment_above(folder) {
        let whole = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        let inside = whole.strip_prefix(&above).unwrap_or(folder);
        let (above, inside) = (above.display(), inside.display());
        return error.next_step(format!("{above} is one: its vaults are written embedded:{above}//{inside}"));
    }
    if folder.is_file() {
        return at("this is a file, and no folder with an environment")
            .next_step("name the environment's folder");
    }
    if std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        return error
            .next_step("name the folder that it was made in; keyferry env init makes one in a new folder");
    }
    let location = typed(&[format!("embedded:{}", folder.display())]);
    error.next_step(format!("keyferry env init {location} --user admin"))
}

/// Opens an environment in process, signed in: its files are the caller's own. Says whether its clients encrypt.
pub fn client(folder: &Path, label: &str) -> Result<(Client, bool)> {
    let environment = open(folder)?;
    Ok((client_of(&environment, folder, label)?, environment.client_encryption()))
}

/// A client of `https://…` or `embedded:DIR`, and the one name that every spelling of the location has: for
/// faces that are given credentials rather than look for them. `timeout` is for one request over the network.
///
/// # Errors
/// [`ErrorKind::Usage`] for any other location, or one that holds a password; [`ErrorKind::NotAllowed`] for plain HTTP to
/// another machine, unless `KEYFERRY_INSECURE_HTTP` is 1; [`ErrorKind::NotAuthenticated`] where a server is named and no
/// token given.
pub fn connect(location: &str, session: Session, timeout: Duration) -> Result<(Client, String)> {
    if let Some(folder) = location.strip_prefix("embedded:") {
        let folder = Path::new(folder);
        let (client, _) = client(folder, location)?;
        let whole = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
        return Ok((client, format!("embedded:{}", whole.display())));
    }
    let url = address(location)?;
    check_scheme(&url, std::env::var_os("KEYFERRY_INSECURE_HTTP").is_some_and(|value| value == "1"))?;
    if session.access_token.is_none() && session.refresh_token.is_none() {
        return Err(Error::new(ErrorKind::NotAuthenticated, format!("{location}: no token is at hand"))
            .next_step("give a token with the location"));
    }
    let place = place_of(&url);
    let client = Client::new(http_transport(&url, timeout)?, location.to_owned(), session);
    Ok((client.with_request_timeout(2 * timeout), place))
}

/// The canonical name of the environment at an address, by which it is remembered.
///
/// # Errors
/// [`ErrorKind::Usage`] where this is no address.
pub fn place(address_of: &str) -> Result<String> {
    address(address_of).map(|url| place_of(&url))
}

fn address(location: &str) -> Result<Url> {
    let wrong = |what: &str| Error::new(ErrorKind::Usage, what).next_step("write https://… or embedded:DIR");
    let url = Url::parse(location).map_err(|_| wrong("this is not the location of an environment"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("this is not the address of an environment"));
    }
    Ok(url)
}

fn place_of(url: &Url) -> String {
    root_of(url)
}

/// A signed-in client of an open environment.
pub fn client_of(environment: &ServerEnvironment, folder: &Path, label: &str) -> Result<Client> {
    let user = environment.sole_or_first_user().map_err(|error| failed(folder, error))?.ok_or_else(|| {
        Error::new(ErrorKind::Usage, "this environment has no user")
            .next_step("make another with keyferry env init")
    })?;
    let tokens = environment.issue_session(&user.id).map_err(|error| failed(folder, error))?;
    let session = Session {
        access_token: tokens.access_token.map(SecretString::new),
        refresh_token: tokens.refresh_token.map(SecretString::new),
        ..Session::default()
    };
    let router = environment.router(ServeOptions::default());
    let client = Client::new(in_process(router), label.to_owned(), session);
    // It ends with this process: a request without an answer has no effect later.
    Ok(client.with_batch_limit(BATCH).with_request_timeout(Duration::ZERO))
}

fn failed_on(address: &Address, error: keyferry_server::Error) -> Error {
    let (kind, next) = match &error {
        keyferry_server::Error::NotThere(_) => {
            (ErrorKind::NotFound, format!("keyferry env init {address} --user admin"))
        }
        keyferry_server::Error::AlreadyThere(_) => (
            ErrorKind::Usage,
            format!("serve it: keyferry serve --store {address}; or name an empty database"),
        ),
        _ => (
            ErrorKind::Io,
            "look whether the database is there, and whether its user may sign in and make tables".to_owned(),
        ),
    };
    Error::new(kind, format!("the environment failed: {error}")).because(error).next_step(next)
}

fn failed(folder: &Path, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Io, format!("the embedded environment failed: {error}"))
        .at(Place::File { path: folder.to_owned(), at: None })
        .because(error)
}
