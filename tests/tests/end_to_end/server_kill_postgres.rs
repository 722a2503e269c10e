//! Two servers on one PostgreSQL database, of which now one, now the other, now PostgreSQL itself and now two of them at once
//! are ended without a word while clients create, change, delete and read: what was answered with success is there, nothing
//! stands twice that named an `Idempotency-Key`, the activity log is whole, and the servers answer. The short form in
//! `make test`; fifty kills of servers and twenty-five of PostgreSQL in `make torture`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::server_postgres::{Server, serve, store};
use fastrand::Rng;
use keyferry_tests::Scene;
use keyferry_tests::target::{KEEPER, Target};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const SERVERS: usize = 2;
const CLIENTS: usize = 4;
/// How often a client that heard nothing asks again with the same key, before it gives up.
const TRIES: usize = 200;

/// What all clients share.
struct Front {
    /// Where the servers are at present.
    urls: Mutex<Vec<String>>,
    token: String,
    vault: String,
    /// Writes that were answered with success.
    acknowledged: AtomicUsize,
    over: AtomicBool,
    http: reqwest::Client,
}

/// What a client knows of an item.
#[derive(Default)]
struct Known {
    name: String,
    /// What it was told is there; `None` where no answer came.
    id: Option<String>,
    login: String,
    /// Logins that may be there as well: their answers did not come.
    perhaps: Vec<String>,
    /// Changes that were acknowledged, and those that were tried.
    changed: usize,
    tried: usize,
    /// Whether it was deleted; whether it may have been.
    gone: bool,
    perhaps_gone: bool,
}

struct Client {
    front: Arc<Front>,
    number: usize,
    requests: usize,
    random: Rng,
    items: Vec<Known>,
}

impl Client {
    /// An answer; `None` where none came, or one that says that none can be given at present.
    async fn once(
        &self,
        method: &str,
        path: &str,
        key: Option<&str>,
        body: &Value,
        at: usize,
    ) -> Option<Value> {
        let url = self.front.urls.lock().unwrap()[at].clone();
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self
            .front
            .http
            .request(method.clone(), format!("{url}/api/v1{path}"))
            .bearer_auth(&self.front.token)
            .header("x-response-format", "raw");
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if !body.is_null() {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.ok()?;
        let status = answer.status().as_u16();
        let text = answer.text().await.ok()?;
        match status {
            200 => Some(serde_json::from_str(&text).unwrap()),
            // The database is away, or did not say whether it kept this.
            503 | 504 => None,
            _ => panic!("{method} {path}: {status} {text}"),
        }
    }

    /// Writes once, however often that has to be asked for; or gives up, as clients do.
    async fn write(&mut self, method: &str, path: &str, body: Value) -> Option<Value> {
        self.requests += 1;
        let key = format!("{}-{}", self.number, self.requests);
        let patience = if self.random.u8(0..4) == 0 { 1 } else { TRIES };
        for _ in 0..patience {
            let at = self.random.usize(0..SERVERS);
            if let Some(answer) = self.once(method, path, Some(&key), &body, at).await {
                self.front.acknowledged.fetch_add(1, Ordering::SeqCst);
                return Some(answer);
            }
            tokio::time::sleep(Duration::from_millis(self.random.u64(1..50))).await;
        }
        None
    }

    fn draft(&self, part: usize) -> (String, Value) {
        let name = format!("{}-{}-{part}", self.number, self.requests);
        let body = json!({"vaultId": self.front.vault, "name": name, "login": "first", "tags": ["t"]});
        (name, body)
    }

    async fn create(&mut self) {
        let (name, body) = self.draft(0);
        let answer = self.write("POST", "/items", body).await;
        let id = answer.map(|answer| answer["id"].as_str().unwrap().to_owned());
        self.items.push(Known { name, id, login: "first".to_owned(), ..Known::default() });
    }

    async fn create_many(&mut self) {
        let drafts: Vec<_> = (0..3).map(|part| self.draft(part)).collect();
        let requests: Vec<_> = drafts
            .iter()
            .map(|(_, body)| json!({"method": "post", "relativeUrl": "/api/v1/items", "body": body}))
            .collect();
        let answer = self.write("POST", "/batch", json!({"requests": requests})).await;
        for (part, (name, _)) in drafts.into_iter().enumerate() {
            let id = answer.as_ref().map(|answer| {
                let one = &answer["responses"][part];
                assert_eq!(one["statusCode"], 200, "{one}");
                one["body"]["id"].as_str().unwrap().to_owned()
            });
            self.items.push(Known { name, id, login: "first".to_owned(), ..Known::default() });
        }
    }

    /// One of the items that are there for certain.
    fn any(&mut self) -> Option<usize> {
        let sure = |known: &Known| known.id.is_some() && !known.gone && !known.perhaps_gone;
        let there: Vec<_> = (0..self.items.len()).filter(|at| sure(&self.items[*at])).collect();
        self.random.choice(there)
    }

    async fn change(&mut self) {
        let Some(at) = self.any() else { return };
        let login = format!("l{}", self.requests);
        let path = format!("/items/{}", self.items[at].id.as_ref().unwrap());
        let done = self.write("PATCH", &path, json!({ "login": login })).await.is_some();
        let known = &mut self.items[at];
        known.tried += 1;
        if done {
            // One that was given up may still be on its way, and arrive after this.
            known.changed += 1;
            let before = std::mem::replace(&mut known.login, login);
            if !known.perhaps.is_empty() {
                known.perhaps.push(before);
            }
        } else {
            known.perhaps.push(login);
        }
    }

    async fn delete(&mut self) {
        let Some(at) = self.any() else { return };
        let path = format!("/items/{}", self.items[at].id.as_ref().unwrap());
        let done = self.write("DELETE", &path, Value::Null).await.is_some();
        (self.items[at].gone, self.items[at].perhaps_gone) = (done, !done);
    }

    async fn read(&mut self) {
        let (Some(at), server) = (self.any(), self.random.usize(0..SERVERS)) else { return };
        let path = format!("/items/{}", self.items[at].id.as_ref().unwrap());
        if let Some(answer) = self.once("GET", &path, None, &Value::Null, server).await {
            self.items[at].is_as_known(&answer);
        }
    }

    /// Works until all is over, and tells what it knows then.
    async fn work(mut self) -> Vec<Known> {
        while !self.front.over.load(Ordering::SeqCst) {
            match self.random.u8(0..10) {
                0..3 => self.create().await,
                3..5 => self.create_many().await,
                5..8 => self.change().await,
                8 => self.read().await,
                _ => self.delete().await,
            }
        }
        self.items
    }
}

impl Known {
    fn is_as_known(&self, answer: &Value) {
        let login = answer["login"].as_str().unwrap();
        let fits = login == self.login || self.perhaps.iter().any(|perhaps| perhaps == login);
        assert!(fits, "{}: {login}, and not {} or {:?}", self.name, self.login, self.perhaps);
    }
}

/// What one round ends.
#[derive(Clone, Copy, Debug)]
enum Victim {
    Server(usize),
    Postgres,
    Both(usize),
}

/// The rounds: kills of servers, and of PostgreSQL.
fn rounds(random: &mut Rng) -> Vec<Victim> {
    let (servers, databases) = if std::env::var_os("TORTURE").is_some() { (50, 25) } else { (4, 2) };
    let mut all: Vec<_> = (0..servers)
        .map(|round| {
            let server = round % SERVERS;
            // Half of PostgreSQL's ends come together with a server's.
            if round < databases / 2 { Victim::Both(server) } else { Victim::Server(server) }
        })
        .collect();
    all.extend((databases / 2..databases).map(|_| Victim::Postgres));
    random.shuffle(&mut all);
    all
}

fn start(scene: &Scene, store: &str) -> Server {
    let mut command =
        scene.command(&["--json", "serve", "--store", store, "--listen", "127.0.0.1:0", "--log", "off"]);
    command.env("KEYFERRY_STORE_PASSWORD", KEEPER.1);
    serve(command)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_two_servers_acknowledged_outlives_them_and_their_database() {
    let Some(mut target) = Target::postgres() else { return };
    let scene = Scene::new();
    let store = store(&target, "");
    let words = ["--json", "env", "init", &store, "--user", "admin", "--client-encryption", "off"];
    let made = scene.run_with(&[("KEYFERRY_STORE_PASSWORD", Some(KEEPER.1))], &words).succeeds().json();
    let token = made["access_token"].as_str().unwrap().to_owned();
    let mut servers: Vec<_> = (0..SERVERS).map(|_| start(&scene, &store)).collect();
    let urls = Mutex::new(servers.iter().map(|server| server.url.clone()).collect());
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build().unwrap();
    let (acknowledged, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let mut front = Front { urls, token, vault: String::new(), acknowledged, over, http };
    front.vault = vault(&front).await;
    let front = Arc::new(front);

    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(19);
    let mut random = Rng::with_seed(seed);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (front, random) = (front.clone(), Rng::with_seed(seed + 1 + number as u64));
            tokio::spawn(Client { front, number, requests: 0, random, items: Vec::new() }.work())
        })
        .collect();
    for victim in rounds(&mut random) {
        // Not before something was written, and then at any moment.
        let (before, begun) = (front.acknowledged.load(Ordering::SeqCst), Instant::now());
        while front.acknowledged.load(Ordering::SeqCst) < before + 2 * CLIENTS {
            assert!(
                clients.iter().all(|client| !client.is_finished()),
                "a client gave up: see its words above"
            );
            assert!(begun.elapsed() < Duration::from_secs(120), "nothing is written any more");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_micros(random.u64(0..60_000))).await;
        if let Victim::Postgres | Victim::Both(_) = victim {
            target.stop_at_once();
        }
        if let Victim::Server(at) | Victim::Both(at) = victim {
            // Dropped, it is killed.
            servers.remove(at);
        }
        if let Victim::Postgres | Victim::Both(_) = victim {
            tokio::time::sleep(Duration::from_millis(random.u64(0..100))).await;
            target = tokio::task::block_in_place(|| target.started_again());
        }
        if let Victim::Server(at) | Victim::Both(at) = victim {
            servers.insert(at, tokio::task::block_in_place(|| start(&scene, &store)));
            front.urls.lock().unwrap()[at].clone_from(&servers[at].url);
        }
    }
    front.over.store(true, Ordering::SeqCst);
    let mut all = Vec::new();
    for client in clients {
        all.extend(client.await.unwrap());
    }
    let client = Client { front, number: CLIENTS, requests: 0, random, items: Vec::new() };
    for server in 0..SERVERS {
        everything_is_there(&client, &all, server).await;
    }
    nothing_is_there_twice(&target, &all);
    let mut check = scene.command(&["--json", "activity", &servers[0].url, "--check"]);
    check.env("KEYFERRY_TOKEN", &client.front.token);
    assert_eq!(scene.finish(check).succeeds().json()["broken"], Value::Null);
}

async fn vault(front: &Front) -> String {
    let url = format!("{}/api/v1/vaults", front.urls.lock().unwrap()[0]);
    let made = front.http.post(url).bearer_auth(&front.token).header("x-response-format", "raw");
    let made = made.header("content-type", "application/json").body(r#"{"name":"v"}"#);
    let made: Value = serde_json::from_str(&made.send().await.unwrap().text().await.unwrap()).unwrap();
    made["id"].as_str().unwrap().to_owned()
}

/// Each item as a server gives it, and all that a list has of them.
async fn everything_is_there(client: &Client, all: &[Known], server: usize) {
    let list = format!("/items?vaultId={}", client.front.vault);
    let list = client.once("GET", &list, None, &Value::Null, server).await.unwrap();
    let listed: BTreeMap<&str, &Value> =
        list["items"].as_array().unwrap().iter().map(|item| (item["id"].as_str().unwrap(), item)).collect();
    let told: Vec<_> = all.iter().filter_map(|known| Some((known, known.id.as_deref()?))).collect();
    assert!(told.len() > 2 * CLIENTS, "{} items", told.len());
    for (number, (known, id)) in told.into_iter().enumerate() {
        match listed.get(id) {
            Some(_) if known.gone => panic!("{}: deleted, and there", known.name),
            None if !known.gone && !known.perhaps_gone => {
                panic!("{}: acknowledged, and not there", known.name)
            }
            None => {}
            Some(item) => {
                assert_eq!(item["name"], json!(known.name));
                if number % 10 == 0 {
                    let path = format!("/items/{id}");
                    known.is_as_known(&client.once("GET", &path, None, &Value::Null, server).await.unwrap());
                }
            }
        }
    }
}

/// What the database itself holds: names, logins, and what the activity log says of each.
fn nothing_is_there_twice(target: &Target, all: &[Known]) {
    let rows = target.tell(
        "SELECT name, login, id,
           (SELECT count(*) FROM activity WHERE object = id AND action = 'item.create'),
           (SELECT count(*) FROM activity WHERE object = id AND action = 'item.update')
         FROM items",
    );
    let mut there: BTreeMap<String, (String, String, usize, usize)> = BTreeMap::new();
    for row in rows.lines() {
        let [name, login, id, created, updated] = row.split('|').collect::<Vec<_>>()[..] else {
            panic!("{row}")
        };
        let what = (login.to_owned(), id.to_owned(), created.parse().unwrap(), updated.parse().unwrap());
        assert!(there.insert(name.to_owned(), what).is_none(), "{name} stands twice");
    }
    let mut names = BTreeSet::new();
    for known in all {
        assert!(names.insert(&known.name), "each name is given once");
        let Some((login, id, created, updated)) = there.get(&known.name) else {
            assert_eq!(known.id, None, "{} was acknowledged", known.name);
            continue;
        };
        assert!(known.id.as_ref().is_none_or(|told| told == id), "{} has another id", known.name);
        assert_eq!(*created, 1, "{}: its making is in the log once", known.name);
        let range = known.changed..=known.tried;
        assert!(range.contains(updated), "{}: changed {updated} times, of {range:?}", known.name);
        known.is_as_known(&json!({ "login": login }));
    }
    assert!(there.keys().all(|name| names.contains(name)), "what nobody asked for is there");
}
