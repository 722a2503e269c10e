//! An environment with two users, called without a socket, in a file or in a PostgreSQL database.

use crate::postgres::{self, Database};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use keyferry_api::user::NewUser;
use keyferry_server::{Environment, ServeOptions};
use serde_json::{Value, json};
use tower::ServiceExt as _;

pub struct World {
    /// Where the environment's file is, if it is in one.
    pub dir: tempfile::TempDir,
    pub environment: Environment,
    pub router: axum::Router,
    /// The database that it is in otherwise. The last to go: whoever works on it goes first.
    pub server: Option<Database>,
}

/// The identifier in an answer.
pub fn id(answer: &Value) -> String {
    answer["id"].as_str().unwrap().to_owned()
}

/// Somebody with keys, as a client makes them: nothing here opens anything with them.
pub fn user(name: &str) -> NewUser {
    let keys = json!({"public": PEM, "privateEncrypted": "q"});
    let user = json!({"username": name, "password": "correct horse", "masterKeyHash": "aabb", "keys": keys});
    serde_json::from_value(user).unwrap()
}

/// What a public key looks like.
pub const PEM: &str = "-----BEGIN PUBLIC KEY-----\nMA==\n-----END PUBLIC KEY-----";

pub fn world(options: ServeOptions) -> (World, String, String) {
    let dir = tempfile::tempdir().unwrap();
    let server = postgres::is_asked_for().then(Database::new);
    let environment = match &server {
        Some(server) => Environment::create_on(&server.address(), true).unwrap(),
        None => Environment::create(dir.path(), true).unwrap(),
    };
    let (router, alice, bob) = inhabited(&environment, options);
    (World { dir, environment, router, server }, alice, bob)
}

/// An environment's router, and the access tokens of two users who are made in it: `alice`, an administrator, and `bob`.
pub fn inhabited(environment: &Environment, options: ServeOptions) -> (axum::Router, String, String) {
    let (alice, bob) =
        (environment.add_user(user("alice")).unwrap(), environment.add_user(user("bob")).unwrap());
    let token = |id: &str| environment.issue_session(id).unwrap().access_token.unwrap();
    let (alice, bob) = (token(&alice), token(&bob));
    (environment.router(options), alice, bob)
}

impl World {
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        token: &str,
        raw: bool,
        body: Value,
    ) -> (StatusCode, Value) {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let (status, answer) = self.request(method, path, token, raw, text.into_bytes()).await;
        (status, serde_json::from_slice(&answer).unwrap())
    }

    /// As [`World::send`], with a body that need not be JSON.
    pub async fn send_text(
        &self,
        method: &str,
        path: &str,
        token: &str,
        body: Vec<u8>,
    ) -> (StatusCode, Value) {
        let (status, answer) = self.request(method, path, token, true, body).await;
        (status, serde_json::from_slice(&answer).unwrap())
    }

    async fn request(
        &self,
        method: &str,
        path: &str,
        token: &str,
        raw: bool,
        body: Vec<u8>,
    ) -> (StatusCode, bytes::Bytes) {
        let mut request = Request::builder().method(method).uri(format!("/api/v1{path}"));
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if raw {
            // As our own client asks: for what others do not get, see `clients`.
            request = request.header("x-response-format", "raw").header("x-keyferry-extensions", "1");
        }
        let request = request.body(axum::body::Body::from(body)).unwrap();
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let status = answer.status();
        (status, answer.into_body().collect().await.unwrap().to_bytes())
    }

    /// Makes somebody one of those whom an administrator added without keys.
    pub fn without_keys(&self, name: &str) {
        let keys = "UPDATE users SET public_key = NULL, private_key_encrypted = NULL WHERE username = ?1";
        assert_eq!(self.change(keys, &[name]), 1);
    }

    /// Changes the database behind the server's back; how many rows. The parameters are texts.
    pub fn change(&self, sql: &str, texts: &[&str]) -> usize {
        match &self.server {
            Some(server) => server.change(sql, texts),
            None => self.file().execute(sql, rusqlite::params_from_iter(texts)).unwrap(),
        }
    }

    /// The number that a statement finds in the database.
    pub fn number(&self, sql: &str) -> i64 {
        match &self.server {
            Some(server) => server.number(sql),
            None => self.file().query_row(sql, [], |row| row.get(0)).unwrap(),
        }
    }

    fn file(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.dir.path().join("environment.db")).unwrap()
    }

    /// The environment opened once more: another server, with nothing but the database between the two.
    pub fn opened_again(&self) -> World {
        let environment = match &self.server {
            Some(server) => Environment::open_on(&server.address()).unwrap(),
            None => Environment::open(self.dir.path()).unwrap(),
        };
        let router = environment.router(ServeOptions::default());
        World { dir: tempfile::tempdir().unwrap(), environment, router, server: None }
    }

    /// What anybody gets from this address, below no base path.
    pub async fn get_whole(&self, path: &str) -> Value {
        let request = Request::get(path).body(axum::body::Body::empty()).unwrap();
        let answer = self.router.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        serde_json::from_slice(&answer.into_body().collect().await.unwrap().to_bytes()).unwrap()
    }

    pub async fn ok(&self, method: &str, path: &str, token: &str, body: Value) -> Value {
        let (status, answer) = self.send(method, path, token, true, body).await;
        assert_eq!(status, 200, "{method} {path}: {answer}");
        answer
    }

    pub async fn vault(&self, token: &str) -> String {
        let vault = self.ok("POST", "/vaults", token, json!({"name": "v"})).await;
        vault["id"].as_str().unwrap().to_owned()
    }
}
