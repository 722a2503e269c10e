//! Real targets of rotations: PostgreSQL, MariaDB and Redis from the system's packages, each on a port of its own, with a
//! folder of its own, ended when dropped.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The administrator of every target, and that user's password.
pub const KEEPER: (&str, &str) = ("keeper", "planted-keeper-password");

/// Files of a server that speaks TLS.
const AUTHORITY: &str = "authority.pem";
const CERTIFICATE: &str = "certificate.pem";
const KEY: &str = "key.pem";

/// A running server.
pub struct Target {
    child: Child,
    /// Where it listens on 127.0.0.1.
    pub port: u16,
    /// Where it speaks TLS.
    sealed_port: u16,
    folder: tempfile::TempDir,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Postgres,
    MariaDb,
    Redis,
}

impl Target {
    /// PostgreSQL, which writes every statement into its log. `None`, said out loud, where it is not installed.
    #[must_use]
    pub fn postgres() -> Option<Self> {
        let Some(bin) = postgres_programs() else { return missing("PostgreSQL") };
        let (folder, data) = folder("postgres");
        let password = folder.path().join("pw");
        std::fs::write(&password, KEEPER.1).expect("a file");
        chown(&password, "postgres");
        let made = as_user("postgres", &bin.join("initdb"))
            .args(["-N", "-A", "scram-sha-256", "-U", KEEPER.0, "--locale=C", "-E", "UTF8", "--pwfile"])
            .arg(&password)
            .arg("-D")
            .arg(&data)
            .output()
            .expect("initdb runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        identity(&folder, Some("postgres"));
        let port = free_port();
        let child = start_postgres(&folder, port);
        Some(Self { child, port, sealed_port: port, folder, kind: Kind::Postgres }.ready())
    }

    /// MariaDB, which writes every statement into its log.
    #[must_use]
    pub fn mariadb() -> Option<Self> {
        let Some(server) = program(&["/usr/sbin/mariadbd", "/usr/bin/mariadbd"]) else {
            return missing("MariaDB");
        };
        let (folder, data) = folder("mysql");
        let made = as_user("mysql", Path::new("/usr/bin/mariadb-install-db"))
            .env("TMPDIR", folder.path())
            .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"])
            .arg(format!("--datadir={}", data.display()))
            .output()
            .expect("mariadb-install-db runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let first = folder.path().join("first.sql");
        let (name, password) = KEEPER;
        let sql = format!(
            "CREATE USER '{name}'@'%' IDENTIFIED BY '{password}';\nGRANT ALL ON *.* TO '{name}'@'%' WITH GRANT OPTION;\n"
        );
        std::fs::write(&first, sql).expect("a file");
        chown(&first, "mysql");
        identity(&folder, Some("mysql"));
        let port = free_port();
        let file = |flag: &str, name: &str| format!("--{flag}={}", folder.path().join(name).display());
        let child = as_user("mysql", &server)
            .env("TMPDIR", folder.path())
            .args(["--no-defaults", "--bind-address=127.0.0.1", "--skip-name-resolve", "--general-log=1"])
            .args([
                "--innodb-flush-method=nosync",
                "--innodb-buffer-pool-size=16M",
                "--plugin-load-add=auth_ed25519",
            ])
            .arg(format!("--datadir={}", data.display()))
            .arg(format!("--port={port}"))
            .args([
                file("socket", "s"),
                file("pid-file", "pid"),
                file("init-file", "first.sql"),
                file("general-log-file", "log"),
                file("ssl-cert", CERTIFICATE),
                file("ssl-key", KEY),
            ])
            .stderr(Stdio::null())
            .spawn()
            .expect("mariadbd starts");
        Some(Self { child, port, sealed_port: port, folder, kind: Kind::MariaDb }.ready())
    }

    /// Redis with an ACL file.
    #[must_use]
    pub fn redis() -> Option<Self> {
        let Some(server) = program(&["/usr/bin/redis-server"]) else { return missing("Redis") };
        let folder = tempfile::tempdir().expect("a folder");
        let (name, password) = KEEPER;
        let acl = folder.path().join("users.acl");
        std::fs::write(&acl, format!("user default off\nuser {name} on >{password} ~* &* +@all\n"))
            .expect("a file");
        identity(&folder, None);
        let (port, sealed_port) = (free_port(), free_port());
        let child = Command::new(server)
            .args(["--tls-port", &sealed_port.to_string(), "--tls-auth-clients", "no", "--tls-cert-file"])
            .arg(folder.path().join(CERTIFICATE))
            .arg("--tls-key-file")
            .arg(folder.path().join(KEY))
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--loglevel", "debug"])
            .arg("--aclfile")
            .arg(&acl)
            .arg("--dir")
            .arg(folder.path())
            .stdout(log(&folder))
            .spawn()
            .expect("redis-server starts");
        Some(Self { child, port, sealed_port, folder, kind: Kind::Redis }.ready())
    }

    /// Ends PostgreSQL at once, as a failing machine would: nothing is written any more, and its next start reads what was
    /// written before.
    pub fn stop_at_once(&mut self) {
        assert!(self.kind == Kind::Postgres, "only PostgreSQL knows an immediate shutdown");
        let told = Command::new("kill").args(["-QUIT", &self.child.id().to_string()]).status();
        assert!(told.expect("kill runs").success());
        self.child.wait().expect("it ends");
    }

    /// Starts PostgreSQL again where it was, and waits until it lets the keeper in.
    #[must_use]
    pub fn started_again(mut self) -> Self {
        self.child = start_postgres(&self.folder, self.port);
        self.ready()
    }

    /// The address of a database on it, by way of this port.
    #[must_use]
    pub fn url(&self, port: u16) -> String {
        match self.kind {
            Kind::Postgres => format!("postgres://127.0.0.1:{port}/postgres"),
            Kind::MariaDb => format!("mysql://127.0.0.1:{port}"),
            Kind::Redis => format!("redis://127.0.0.1:{port}"),
        }
    }

    /// The same over TLS, at this host.
    #[must_use]
    pub fn sealed_url(&self, host: &str) -> String {
        let port = self.sealed_port;
        match self.kind {
            Kind::Postgres => format!("postgres://{host}:{port}/postgres?sslmode=require"),
            Kind::MariaDb => format!("mysql://{host}:{port}?ssl-mode=required"),
            Kind::Redis => format!("rediss://{host}:{port}"),
        }
    }

    /// The certificate of who vouches for it, as 127.0.0.1 and by no other name.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join(AUTHORITY)
    }

    /// What the keeper tells it.
    pub fn tell(&self, statement: &str) -> String {
        let output = self.client(KEEPER.0, KEEPER.1, statement);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{statement}: {text}{}", String::from_utf8_lossy(&output.stderr));
        text
    }

    /// Whether its own client gets in with this password.
    #[must_use]
    pub fn lets_in(&self, user: &str, password: &str) -> bool {
        let ask = if self.kind == Kind::Redis { "PING" } else { "SELECT 1" };
        let output = self.client(user, password, ask);
        let both = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&both);
        let denied = ["password authentication failed", "Access denied", "WRONGPASS", "no password supplied"];
        match self.kind {
            // It goes on without a login.
            Kind::Redis if text.contains("WRONGPASS") => false,
            Kind::Redis => text.contains("PONG") || text.contains("NOPERM"),
            _ if output.status.success() => true,
            _ => {
                assert!(denied.iter().any(|words| text.contains(words)), "neither in nor out: {text}");
                false
            }
        }
    }

    /// Everything that it wrote down of what it was told.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.folder.path().join("log")).unwrap_or_default())
            .into_owned()
    }

    fn client(&self, user: &str, password: &str, statement: &str) -> std::process::Output {
        let port = self.port.to_string();
        let mut command = match self.kind {
            Kind::Postgres => {
                let mut command = Command::new("psql");
                command.args([
                    "-h",
                    "127.0.0.1",
                    "-p",
                    &port,
                    "-U",
                    user,
                    "-d",
                    "postgres",
                    "-w",
                    "-Atc",
                    statement,
                ]);
                command.env("PGPASSWORD", password).env("PGSSLMODE", "disable");
                command
            }
            Kind::MariaDb => {
                let mut command = Command::new("mariadb");
                command.args([
                    "--no-defaults",
                    "-h",
                    "127.0.0.1",
                    "-P",
                    &port,
                    "-u",
                    user,
                    "--skip-ssl",
                    "-N",
                    "-e",
                    statement,
                ]);
                command.env("MYSQL_PWD", password);
                command
            }
            Kind::Redis => {
                let mut command = Command::new("redis-cli");
                command.args(["-p", &port, "--user", user, "--no-auth-warning"]);
                command.env("REDISCLI_AUTH", password).args(statement.split(' '));
                command
            }
        };
        command.output().expect("the client runs")
    }

    /// Waits until the keeper gets in.
    fn ready(mut self) -> Self {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            assert!(self.child.try_wait().expect("its state").is_none(), "it ended: {}", self.log());
            let open = TcpStream::connect(("127.0.0.1", self.port)).is_ok();
            if open && self.client(KEEPER.0, KEEPER.1, "SELECT 1").status.success() {
                return self;
            }
            assert!(Instant::now() < end, "it does not let the keeper in: {}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // SIGKILL to PostgreSQL's first process would leave the others behind.
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        if self.kind == Kind::Postgres {
            let _ = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        }
        let _ = self.child.wait();
    }
}

/// The programs of the newest PostgreSQL that is installed.
fn postgres_programs() -> Option<PathBuf> {
    let installed = std::fs::read_dir("/usr/lib/postgresql").ok().into_iter().flatten().flatten();
    installed.map(|entry| entry.path().join("bin")).filter(|bin| bin.join("initdb").exists()).max()
}

fn start_postgres(folder: &tempfile::TempDir, port: u16) -> Child {
    let bin = postgres_programs().expect("it was there");
    let log = std::fs::File::options().append(true).create(true).open(folder.path().join("log"));
    as_user("postgres", &bin.join("postgres"))
        .arg("-D")
        .arg(folder.path().join("data"))
        .args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"])
        .args(["-c", "log_statement=all", "-c", "log_connections=on", "-c", "unix_socket_directories="])
        .args(["-c", "ssl=on"])
        .arg("-c")
        .arg(format!("ssl_cert_file={}", folder.path().join(CERTIFICATE).display()))
        .arg("-c")
        .arg(format!("ssl_key_file={}", folder.path().join(KEY).display()))
        .stderr(log.expect("a file"))
        .spawn()
        .expect("postgres starts")
}

#[expect(clippy::print_stdout, reason = "what is skipped is said out loud")]
fn missing<T>(what: &str) -> Option<T> {
    println!("SKIPPED: {what} is not installed; `make setup` installs it");
    None
}

fn program(places: &[&str]) -> Option<PathBuf> {
    places.iter().map(PathBuf::from).find(|path| path.exists())
}

/// A folder for a server that refuses to be root, and its data folder.
fn folder(user: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    std::fs::create_dir(&data).expect("a folder");
    chown(folder.path(), user);
    chown(&data, user);
    (folder, data)
}

/// A key and a certificate for 127.0.0.1, by an authority of its own, for a server that runs as this user.
fn identity(folder: &tempfile::TempDir, user: Option<&str>) {
    let key = || rcgen::KeyPair::generate().expect("a key");
    let mut authority = rcgen::CertificateParams::default();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = rcgen::CertifiedIssuer::self_signed(authority, key()).expect("an authority");
    let own = key();
    let names = rcgen::CertificateParams::new(["127.0.0.1".to_owned()]).expect("a name");
    let certificate = names.signed_by(&own, &authority).expect("a certificate");
    let parts = [(AUTHORITY, authority.pem()), (CERTIFICATE, certificate.pem()), (KEY, own.serialize_pem())];
    for (name, pem) in parts {
        let path = folder.path().join(name);
        std::fs::write(&path, pem).expect("a file");
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .expect("its rights");
        if let Some(user) = user {
            chown(&path, user);
        }
    }
}

fn log(folder: &tempfile::TempDir) -> Stdio {
    std::fs::File::create(folder.path().join("log")).expect("a file").into()
}

fn is_root() -> bool {
    std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").expect("itself")) == 0
}

fn chown(path: &Path, user: &str) {
    if is_root() {
        assert!(Command::new("chown").arg(user).arg(path).status().expect("chown runs").success());
    }
}

/// A program, as this user where the test is run by root.
fn as_user(user: &str, program: &Path) -> Command {
    let mut command;
    if is_root() {
        command = Command::new("setpriv");
        command
            .args([format!("--reuid={user}"), format!("--regid={user}"), "--clear-groups".into()])
            .arg(program);
    } else {
        command = Command::new(program);
    }
    command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// A port that was free a moment ago.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
}
