//! A PostgreSQL server of the tests' own, started once, with a database for each test; `STORE=postgres` asks for it.

use keyferry_server::Address;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Config, NoTls};

const USER: &str = "keeper";
pub const PASSWORD: &str = "planted-keeper-password";

/// Whether the tests are to run on PostgreSQL.
pub fn is_asked_for() -> bool {
    match std::env::var("STORE").as_deref() {
        Ok("postgres") => true,
        Ok("sqlite" | "") | Err(_) => false,
        Ok(other) => panic!("STORE is postgres or sqlite, and not {other}"),
    }
}

struct Server {
    port: u16,
    /// Ends the server and its folder when this process is gone, however it went: then its input ends.
    _keeper: Child,
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(start)
}

fn is_root() -> bool {
    std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap()) == 0
}

/// A program, as a user whom PostgreSQL lets start it.
fn program(path: &Path) -> Command {
    if !is_root() {
        return Command::new(path);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(path);
    command
}

/// The newest one's programs.
fn programs() -> Option<PathBuf> {
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    installed.map(|entry| entry.path().join("bin")).filter(|bin| bin.join("initdb").exists()).max()
}

/// A database for a test that is about PostgreSQL alone; `None`, said out loud, where it is not installed.
pub fn database() -> Option<Database> {
    if programs().is_none() {
        eprintln!("SKIPPED: PostgreSQL is not installed; `make setup` installs it");
        return None;
    }
    Some(Database::new())
}

fn start() -> Server {
    let bin = programs().unwrap_or_else(|| panic!("PostgreSQL is not installed: `make setup` installs it"));
    let folder = tempfile::tempdir().unwrap().keep();
    let (data, password) = (folder.join("data"), folder.join("password"));
    std::fs::write(&password, PASSWORD).unwrap();
    if is_root() {
        for path in [&folder, &password] {
            assert!(Command::new("chown").arg("postgres").arg(path).status().unwrap().success());
        }
    }
    let made = program(&bin.join("initdb"))
        // Its own order is another than byte by byte: the store's is not left to it.
        .args(["-N", "-A", "scram-sha-256", "-U", USER, "-E", "UTF8", "--no-instructions", "--pwfile"])
        .arg(&password)
        .args(["--locale-provider=icu", "--icu-locale=en", "--locale=C.UTF-8", "-D"])
        .arg(&data)
        .current_dir("/")
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let script = r#""$1" -D "$2/data" -p "$3" -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off \
        -c max_connections=300 -c shared_buffers=64MB -c logging_collector=off >"$2/log" 2>&1 </dev/null &
        read -r _; kill -INT $!; wait; rm -rf "$2""#;
    let keeper = program(Path::new("/bin/sh"))
        .args(["-c", script, "sh"])
        .args([&bin.join("postgres"), &folder])
        .arg(port.to_string())
        .current_dir("/")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let server = Server { port, _keeper: keeper };
    let until = Instant::now() + Duration::from_secs(60);
    while let Err(error) = attempt(server.config("postgres"), "SELECT 1", &[]) {
        let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
        assert!(Instant::now() < until, "{error}\n{log}");
        std::thread::sleep(Duration::from_millis(50));
    }
    server
}

impl Server {
    fn config(&self, database: &str) -> Config {
        let mut config = Config::new();
        config.host("127.0.0.1").port(self.port).user(USER).password(PASSWORD).dbname(database);
        config
    }
}

/// How many rows a statement changed, or the first column of the first that it found. On a thread of its own, where waiting
/// is allowed.
fn attempt(
    config: Config,
    sql: &str,
    texts: &[&str],
) -> Result<(u64, Option<String>), tokio_postgres::Error> {
    let (sql, texts): (String, Vec<String>) =
        (sql.to_owned(), texts.iter().map(ToString::to_string).collect());
    let asked = async move {
        let (client, connection) = config.connect(NoTls).await?;
        let connection = tokio::spawn(connection);
        let texts: Vec<&(dyn ToSql + Sync)> = texts.iter().map(|text| text as _).collect();
        let statement = client.prepare(&sql).await?;
        let answer = if statement.columns().is_empty() {
            (client.execute(&statement, &texts).await?, None)
        } else {
            let row = client.query_one(&statement, &texts).await?;
            let number =
                |row: &tokio_postgres::Row| row.try_get::<_, i64>(0).map(|number| number.to_string());
            (0, row.try_get(0).or_else(|_| number(&row)).ok())
        };
        drop(client);
        let _ = connection.await;
        Ok(answer)
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    std::thread::spawn(move || runtime.block_on(asked)).join().unwrap()
}

/// A database of a test's own, gone when dropped.
pub struct Database {
    name: String,
}

impl Database {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("t{}", NEXT.fetch_add(1, Ordering::Relaxed));
        attempt(server().config("postgres"), &format!("CREATE DATABASE {name}"), &[]).unwrap();
        Self { name }
    }

    pub fn address(&self) -> Address {
        self.address_by(server().port).with_password(PASSWORD)
    }

    /// By way of another port, and without a password.
    pub fn address_by(&self, port: u16) -> Address {
        Address::parse(&format!("postgres://{USER}@127.0.0.1:{port}/{}", self.name)).unwrap()
    }

    /// The lines that a statement finds, each a text.
    pub fn lines(&self, sql: &str) -> Vec<String> {
        let whole = format!(
            "SELECT string_agg(line, chr(10) ORDER BY line COLLATE \"C\") FROM ({sql}) all_lines (line)"
        );
        let text = attempt(server().config(&self.name), &whole, &[]).unwrap().1;
        text.unwrap_or_default().lines().map(str::to_owned).collect()
    }

    /// Runs a statement, whose parameters are texts; how many rows it changed.
    pub fn change(&self, sql: &str, texts: &[&str]) -> usize {
        let sql = sql.replace('?', "$");
        usize::try_from(attempt(server().config(&self.name), &sql, texts).unwrap().0).unwrap()
    }

    /// Runs statements in a transaction that stays open until what this answers is dropped; then it is taken back.
    pub fn hold(&self, sql: &str) -> Held {
        let (config, sql) = (server().config(&self.name), sql.to_owned());
        let (let_go, held) = tokio::sync::oneshot::channel::<()>();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let holding = async move {
            let (client, connection) = config.connect(NoTls).await.unwrap();
            let connection = tokio::spawn(connection);
            client.batch_execute(&format!("BEGIN; {sql}")).await.unwrap();
            ready.send(()).unwrap();
            let _ = held.await;
            client.batch_execute("ROLLBACK").await.unwrap();
            drop(client);
            let _ = connection.await;
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let thread = std::thread::spawn(move || runtime.block_on(holding));
        is_ready.recv().unwrap();
        Held { let_go: Some(let_go), thread: Some(thread) }
    }

    /// How many connections to the database wait for a lock.
    pub fn waiting(&self) -> i64 {
        self.number(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
    }

    /// Runs statements without parameters.
    pub fn run(&self, sql: &str) {
        drop(self.hold(&format!("{sql}; COMMIT; BEGIN")));
    }

    /// The number that a statement finds.
    pub fn number(&self, sql: &str) -> i64 {
        attempt(server().config(&self.name), sql, &[]).unwrap().1.unwrap().parse().unwrap()
    }
}

/// A transaction that is open.
pub struct Held {
    let_go: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.let_go.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let gone = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        if let Err(error) = attempt(server().config("postgres"), &gone, &[]) {
            eprintln!("{gone}: {error}");
        }
    }
}
